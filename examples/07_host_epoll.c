/* SPDX-License-Identifier: MIT */
/*
 * 07_host_epoll.c - an epoll set inside our loop: for a library that has its descriptors in one.
 *
 *     build/release/examples/07_host_epoll
 *
 * An epoll set is a descriptor that is readable while one of its own is. So the loop watches it
 * like any other, in level mode, and the handler asks it for events without waiting. It takes a few
 * at a time and leaves the rest: level mode sees to it that it is called again.
 *
 * What to look at: on_set(), which is all there is to it; and that `stopped` closes the set.
 */
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <quoit.h>

#define PAIRS  8
#define ROUNDS 1000
#define A_FEW  3

/* The library that is hosted: echoes what comes, and knows nothing of our loop. */
static struct {
	int set;
	int ends[PAIRS][2];
	unsigned echoed;
} library;

static struct {
	struct quoit_loop *loop;
	struct quoit_poll set;
	struct quoit_ticker ticker;
	unsigned calls; /* of on_set() */
	unsigned ticks;
} ours;

static int library_open(void)
{
	library.set = epoll_create1(EPOLL_CLOEXEC);
	if (library.set < 0)
		return -1;
	for (unsigned i = 0; i < PAIRS; i++) {
		struct epoll_event event = {.events = EPOLLIN, .data.u32 = i};

		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, library.ends[i]) ||
		    epoll_ctl(library.set, EPOLL_CTL_ADD, library.ends[i][0], &event))
			return -1;
	}
	return 0;
}

static void library_handle(const struct epoll_event *event)
{
	const int fd = library.ends[event->data.u32][0];
	char bytes[64];
	const ssize_t got = read(fd, bytes, sizeof(bytes));

	if (got > 0 && write(fd, bytes, (size_t)got) == got)
		library.echoed++;
}

/* The set has something: a few of it now, the rest in the next turn. */
static void on_set(struct quoit_poll *poll, uint32_t events, void *ctx)
{
	struct epoll_event few[A_FEW];
	const int n = epoll_wait(poll->fd, few, A_FEW, 0);

	(void)events;
	(void)ctx;
	ours.calls++;
	for (int i = 0; i < n; i++)
		library_handle(&few[i]);
}

static void on_set_stopped(struct quoit_poll *poll, int error, void *ctx)
{
	(void)error;
	(void)ctx;
	close(poll->fd);
	quoit_loop_stop(ours.loop);
}

/* Something to do for the library: a word to each of its sockets, and the echoes of the last. */
static void on_tick(struct quoit_ticker *ticker, uint64_t missed, void *ctx)
{
	char bytes[64];

	(void)missed;
	(void)ctx;
	if (library.echoed < ours.ticks * PAIRS)
		return; /* look again at the next tick */
	for (unsigned i = 0; i < PAIRS && ours.ticks; i++)
		(void)!read(library.ends[i][1], bytes, sizeof(bytes));
	if (ours.ticks < ROUNDS) {
		ours.ticks++;
		for (unsigned i = 0; i < PAIRS; i++)
			(void)!write(library.ends[i][1], "word", 4);
		return;
	}
	(void)quoit_ticker_stop(ticker);
	quoit_poll_stop(&ours.set);
}

int main(void)
{
	const struct quoit_poll_options options = {
		.events = POLLIN, .ready = on_set, .stopped = on_set_stopped};
	struct quoit_reason why = {0};
	int rc = quoit_loop_create(NULL, &ours.loop, &why);

	if (rc < 0) {
		fprintf(stderr, "07_host_epoll: %s\n", why.text);
		return 2;
	}
	if (library_open() < 0 ||
	    quoit_poll_start(ours.loop, &ours.set, library.set, &options) < 0 ||
	    quoit_ticker_start(ours.loop, &ours.ticker, 0, 100000, on_tick, NULL) < 0) {
		fprintf(stderr, "07_host_epoll: no descriptors left\n");
		return 2;
	}
	rc = quoit_loop_run(ours.loop);
	if (rc == 0)
		rc = quoit_loop_destroy(ours.loop);
	printf("%u words of %u echoed in %u calls\n", library.echoed, PAIRS * ROUNDS, ours.calls);
	return rc < 0 || library.echoed != PAIRS * ROUNDS;
}
