/* SPDX-License-Identifier: MIT */
/*
 * 08_embed_uring.c - our loop on an io_uring that is the application's.
 *
 *     build/release/examples/08_embed_uring
 *
 * The application reads a socket and has a timeout of its own on its ring. The loop adds a ticker,
 * which writes to that socket, and a poll of a pipe. It prepares entries and is handed its
 * completions; the application alone submits, waits and reaps.
 *
 * What to look at: the loop in main(), and the one call in submit_and_reap().
 */
#include <errno.h>
#include <liburing.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <quoit.h>

#define TICKS	 20
#define EVERY_NS 1000000

enum {
	READ = 1, /* the application's user_data: anything whose top bit is not set */
	TIMEOUT,
};

static struct io_uring ring;
static struct quoit_loop *loop;
static struct quoit_poll pipe_poll;
static struct quoit_ticker ticker;
static struct __kernel_timespec often = {.tv_nsec = 3 * EVERY_NS};
static int sockets[2], tube[2];
static char byte;
static unsigned ticks, polled, reads, timeouts, strange;

static void ask(uint64_t what)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring); /* it has room for all that we want */

	if (what == READ)
		io_uring_prep_recv(sqe, sockets[0], &byte, 1, 0);
	else
		io_uring_prep_timeout(sqe, &often, 0, 0);
	io_uring_sqe_set_data64(sqe, what);
}

static void on_tick(struct quoit_ticker *t, uint64_t missed, void *ctx)
{
	(void)missed;
	(void)ctx;
	(void)!write(sockets[1], "s", 1);
	(void)!write(tube[1], "p", 1);
	if (++ticks == TICKS)
		(void)quoit_ticker_stop(t);
}

static void on_pipe(struct quoit_poll *p, uint32_t events, void *ctx)
{
	char in;

	(void)events;
	(void)ctx;
	if (read(tube[0], &in, 1) == 1 && ++polled == TICKS)
		quoit_poll_stop(p);
}

static void submit_and_reap(bool wait, bool again)
{
	struct io_uring_cqe *cqe;
	unsigned head, n = 0;

	(void)io_uring_submit_and_wait(&ring, wait ? 1 : 0);
	io_uring_for_each_cqe(&ring, head, cqe)
	{
		n++;
		if (quoit_loop_handle_cqe(loop, cqe))
			continue;
		reads += cqe->user_data == READ;
		timeouts += cqe->user_data == TIMEOUT;
		strange += cqe->user_data != READ && cqe->user_data != TIMEOUT;
		if (again)
			ask(cqe->user_data);
	}
	io_uring_cq_advance(&ring, n);
}

int main(void)
{
	const struct quoit_poll_options options = {.events = POLLIN, .ready = on_pipe};
	struct quoit_reason why = {.text = "no io_uring or no descriptor left"};

	if (io_uring_queue_init(64, &ring, 0) || pipe(tube) ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) ||
	    quoit_loop_attach(&ring, NULL, &loop, &why) ||
	    quoit_poll_start(loop, &pipe_poll, tube[0], &options) ||
	    quoit_ticker_start(loop, &ticker, 0, EVERY_NS, on_tick, NULL)) {
		fprintf(stderr, "08_embed_uring: %s\n", why.text);
		return 2;
	}
	ask(READ);
	ask(TIMEOUT);
	while (true) {
		quoit_loop_prepare(loop); /* handlers run, entries are prepared */
		if (reads >= TICKS && !quoit_poll_is_active(&pipe_poll))
			break; /* a handler has brought what we wait for: do not wait */
		submit_and_reap(quoit_loop_before_wait(loop), true);
	}
	while (quoit_loop_destroy(loop) == -EAGAIN) /* what it has in the kernel must end */
		submit_and_reap(quoit_loop_before_wait(loop), false);
	io_uring_queue_exit(&ring);
	printf("%u ticks, %u polled; the application's: %u reads, %u timeouts, %u strange\n", ticks,
	       polled, reads, timeouts, strange);
	return ticks != TICKS || polled != TICKS || reads != TICKS || strange;
}
