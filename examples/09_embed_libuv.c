/* SPDX-License-Identifier: MIT */
/*
 * 09_embed_libuv.c - our loop inside libuv's.
 *
 *     build/release/examples/09_embed_libuv          (built where <uv.h> is installed)
 *
 * A pollable loop has a descriptor that is readable whenever there is something to do. libuv
 * watches it like any other; its timers and pipes know nothing of it.
 *
 * What to look at: on_loop_readable(), and that it is called once before the first wait.
 */
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include <quoit.h>

#define TICKS	 20
#define EVERY_NS 1000000

/* libuv's: a timer that writes to a pipe which it also reads. */
static uv_loop_t *uv;
static uv_timer_t uv_timer;
static uv_pipe_t uv_reader;
static uv_poll_t uv_watch; /* of our loop */
static int uv_ends[2];
static char uv_bytes[64];
static unsigned uv_ticks, uv_read;

/* Ours: a ticker that writes to a pipe which is polled, and work that another thread does. */
static struct quoit_loop *loop;
static struct quoit_ticker ticker;
static struct quoit_poll tube_poll;
static struct quoit_workers *workers;
static struct quoit_work work;
static int tube[2];
static unsigned ticks, polled, works, stopped;

/* --- libuv's traffic ------------------------------------------------------------------------- */

static void end_if_done(void)
{
	if (uv_read < TICKS || !stopped || works < TICKS)
		return;
	uv_poll_stop(&uv_watch);
	uv_close((uv_handle_t *)&uv_watch, NULL);
	uv_close((uv_handle_t *)&uv_reader, NULL);
}

static void on_uv_timer(uv_timer_t *timer)
{
	(void)!write(uv_ends[1], "u", 1);
	if (++uv_ticks == TICKS)
		uv_close((uv_handle_t *)timer, NULL);
}

static void give_buffer(uv_handle_t *handle, size_t wanted, uv_buf_t *buffer)
{
	(void)handle;
	(void)wanted;
	*buffer = uv_buf_init(uv_bytes, sizeof(uv_bytes));
}

static void on_uv_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer)
{
	(void)stream;
	(void)buffer;
	uv_read += got > 0 ? (unsigned)got : 0;
	end_if_done();
}

/* --- our loop in it -------------------------------------------------------------------------- */

static void on_loop_readable(uv_poll_t *watch, int status, int events)
{
	(void)watch;
	(void)status;
	(void)events;
	if (quoit_loop_run_ready(loop) < 0)
		uv_stop(uv);
	end_if_done();
}

static int add(struct quoit_work *w, void *ctx)
{
	(void)w;
	(void)ctx;
	return 1; /* it might block here: this is no thread of libuv's or ours */
}

static void added(struct quoit_work *w, int result, void *ctx)
{
	(void)ctx;
	works += (unsigned)result;
	if (works < TICKS && quoit_work_submit(workers, loop, w) < 0)
		uv_stop(uv);
}

static void on_tick(struct quoit_ticker *t, uint64_t missed, void *ctx)
{
	(void)missed;
	(void)ctx;
	(void)!write(tube[1], "q", 1);
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

static void on_stopped(struct quoit_poll *p, int error, void *ctx)
{
	(void)p;
	(void)error;
	(void)ctx;
	stopped = 1;
}

static int open_ours(struct quoit_reason *why)
{
	const struct quoit_loop_options options = {.pollable = true};
	const struct quoit_poll_options readable = {
		.events = POLLIN, .ready = on_pipe, .stopped = on_stopped};
	int rc = quoit_loop_create(&options, &loop, why);

	if (rc < 0)
		return rc;
	work = (struct quoit_work){.fn = add, .done = added};
	if (pipe(tube) || quoit_workers_create(NULL, &workers, why) ||
	    quoit_poll_start(loop, &tube_poll, tube[0], &readable) ||
	    quoit_ticker_start(loop, &ticker, 0, EVERY_NS, on_tick, NULL) ||
	    quoit_work_submit(workers, loop, &work))
		return -1;
	return 0;
}

static int open_libuv(void)
{
	uv = uv_default_loop();
	return pipe(uv_ends) || uv_timer_init(uv, &uv_timer) ||
	       uv_timer_start(&uv_timer, on_uv_timer, 1, 1) || uv_pipe_init(uv, &uv_reader, 0) ||
	       uv_pipe_open(&uv_reader, uv_ends[0]) ||
	       uv_read_start((uv_stream_t *)&uv_reader, give_buffer, on_uv_read) ||
	       uv_poll_init(uv, &uv_watch, quoit_loop_fd(loop)) ||
	       uv_poll_start(&uv_watch, UV_READABLE, on_loop_readable);
}

int main(void)
{
	struct quoit_reason why = {.text = "no descriptors left"};

	if (open_ours(&why) < 0 || open_libuv()) {
		fprintf(stderr, "09_embed_libuv: %s\n", why.text);
		return 2;
	}
	on_loop_readable(&uv_watch, 0, 0); /* once before the first wait */
	uv_run(uv, UV_RUN_DEFAULT);
	if (quoit_workers_destroy(workers) || quoit_loop_destroy(loop) || uv_loop_close(uv))
		return 1;
	printf("%u ticks, %u polled, %u works; libuv's: %u ticks, %u read\n", ticks, polled, works,
	       uv_ticks, uv_read);
	return ticks != TICKS || polled != TICKS || works != TICKS || uv_read != TICKS;
}
