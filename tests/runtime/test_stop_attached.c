/* SPDX-License-Identifier: MIT */
/*
 * test_stop_attached.c - polls, signals, work, tasks, tickers and idle hooks do not keep a runtime
 * from stopping; each is told its end exactly once before its core's stop function runs, and what
 * hangs is named at the deadline.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <cmocka.h>

#include "support/server.h"

#define MS    1000000ull
#define WORKS 20

static struct server server;

/* What one core has attached. */
struct attached {
	struct quoit_core *core;
	struct quoit_poll polls[3]; /* one of each mode, of which the first is always ready */
	int fds[3];
	unsigned polls_stopped;
	struct quoit_signals signals;
	unsigned signals_stopped;
	struct quoit_task task;
	struct quoit_idle idle;
	struct quoit_ticker ticker;
	struct quoit_work works[WORKS];
	unsigned done;
	uint32_t cancelled; /* read by the test while the core runs, as the next one */
	uint32_t sealed;
	/* In the stop function. */
	unsigned polls_stopped_then;
	unsigned signals_stopped_then;
	unsigned done_then;
	int refused[3];
	int error;
};

static struct attached cores[SERVER_CORES];
static struct quoit_workers *workers;
static sem_t gate;    /* what blocked work waits for */
static sem_t entered; /* and says first */
static uint64_t answered;

static int block(void **state)
{
	(void)state;
	sem_init(&gate, 0, 0);
	sem_init(&entered, 0, 0);
	return quoit_signals_block(QUOIT_SIGNAL(SIGUSR1)) ||
	       quoit_workers_create(NULL, &workers, NULL);
}

static int unblock(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2 * WORKS; i++)
		sem_post(&gate); /* what a failed test has left there */
	return quoit_workers_destroy(workers);
}

static int forget(void **state)
{
	(void)state;
	memset(&server, 0, sizeof(server));
	memset(cores, 0, sizeof(cores));
	answered = 0;
	while (sem_trywait(&gate) == 0)
		;
	server.config.cores = 2;
	return 0;
}

static int abandon(void **state)
{
	(void)state;
	server_abandon(&server);
	return 0;
}

static struct attached *of(struct quoit_core *core)
{
	struct attached *a = &cores[quoit_core_index(core)];

	a->core = core;
	return a;
}

/* --- everything at once ---------------------------------------------------------------------- */

static void on_ready(struct quoit_poll *poll, uint32_t events, void *ctx)
{
	(void)poll; /* left as it is: in level mode it is ready again */
	(void)events;
	(void)ctx;
}

static void on_stopped(struct quoit_poll *poll, int error, void *ctx)
{
	struct attached *a = ctx;

	a->polls_stopped++;
	a->error |= error;
	close(poll->fd);
}

static void on_signal(struct quoit_signals *signals, const struct quoit_signal *signal, void *ctx)
{
	(void)signals;
	(void)signal;
	(void)ctx;
}

static void on_signals_stopped(struct quoit_signals *signals, int error, void *ctx)
{
	struct attached *a = ctx;

	(void)signals;
	a->signals_stopped++;
	a->error |= error;
}

static void for_ever(struct quoit_task *task, void *ctx)
{
	struct attached *a = ctx;

	quoit_task_defer(quoit_core_loop(a->core), task, for_ever, a);
}

static bool always_busy(struct quoit_idle *idle, void *ctx)
{
	(void)idle;
	(void)ctx;
	return true;
}

static void on_tick(struct quoit_ticker *ticker, uint64_t missed, void *ctx)
{
	(void)ticker;
	(void)missed;
	(void)ctx;
}

static int short_work(struct quoit_work *work, void *ctx)
{
	(void)work;
	(void)ctx;
	usleep(1000);
	return 7;
}

static int stuck_work(struct quoit_work *work, void *ctx)
{
	(void)work;
	(void)ctx;
	sem_post(&entered);
	sem_wait(&gate);
	return 7;
}

static void on_done(struct quoit_work *work, int result, void *ctx)
{
	struct attached *a = ctx;

	(void)work;
	a->done++;
	if (result == -ECANCELED)
		quoit_add(&a->cancelled, 1);
	a->error |= result != 7 && result != -ECANCELED;
}

static int attach_polls(struct quoit_loop *loop, struct attached *a)
{
	int rc = 0;

	for (unsigned mode = QUOIT_POLL_LEVEL; mode <= QUOIT_POLL_ONCE && rc == 0; mode++) {
		const struct quoit_poll_options options = {.events = POLLIN,
							   .mode = mode,
							   .ready = on_ready,
							   .stopped = on_stopped,
							   .ctx = a};

		a->fds[mode] = eventfd(mode == QUOIT_POLL_LEVEL, EFD_NONBLOCK);
		rc = quoit_poll_start(loop, &a->polls[mode], a->fds[mode], &options);
	}
	return rc;
}

static int submit_all(struct quoit_core *core, quoit_work_fn fn)
{
	struct attached *a = of(core);
	int rc = 0;

	for (unsigned i = 0; i < WORKS && rc == 0; i++) {
		a->works[i] = (struct quoit_work){
			.fn = fn, .done = on_done, .ctx = a, .name = "the slow one"};
		rc = quoit_work_submit(workers, quoit_core_loop(core), &a->works[i]);
	}
	return rc;
}

static int attach_everything(struct quoit_core *core, void *ctx)
{
	struct attached *a = of(core);
	struct quoit_loop *loop = quoit_core_loop(core);
	int rc = attach_polls(loop, a);

	(void)ctx;
	if (rc == 0)
		rc = quoit_signals_start(loop, &a->signals, QUOIT_SIGNAL(SIGUSR1), on_signal,
					 on_signals_stopped, a);
	if (rc == 0)
		rc = submit_all(core, short_work);
	if (rc == 0)
		rc = quoit_ticker_start(loop, &a->ticker, 0, MS / 2, on_tick, a);
	quoit_task_defer(loop, &a->task, for_ever, a);
	quoit_idle_add(loop, &a->idle, always_busy, a);
	return rc;
}

static void note_end(struct quoit_core *core, void *ctx)
{
	struct attached *a = of(core);
	struct quoit_loop *loop = quoit_core_loop(core);
	struct quoit_poll_options options = {.ready = on_ready};
	struct quoit_poll poll = {0};
	struct quoit_signals signals = {0};
	struct quoit_work work = {.fn = short_work, .done = on_done, .ctx = a};

	(void)ctx;
	a->polls_stopped_then = a->polls_stopped;
	a->signals_stopped_then = a->signals_stopped;
	a->done_then = a->done;
	a->refused[0] = quoit_poll_start(loop, &poll, 0, &options);
	a->refused[1] =
		quoit_signals_start(loop, &signals, QUOIT_SIGNAL(SIGUSR1), on_signal, NULL, NULL);
	a->refused[2] = quoit_work_submit(workers, loop, &work);
}

static void everything_ends_once_before_the_stop_function(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 20; round++) {
		forget(NULL);
		server.config.cores = round % SERVER_CORES + 1;
		server.also = attach_everything;
		server.ended = note_end;
		server_start(&server);
		if (round % 2)
			server_settle(&server);
		server_stop(&server); /* in order, and long before any deadline */
		for (unsigned i = 0; i < round % SERVER_CORES + 1; i++) {
			const struct attached *a = &cores[i];

			assert_int_equal(a->polls_stopped_then, 3);
			assert_int_equal(a->polls_stopped, 3);
			assert_int_equal(a->signals_stopped_then, 1);
			assert_int_equal(a->signals_stopped, 1);
			assert_int_equal(a->done_then, WORKS);
			assert_int_equal(a->done, WORKS);
			assert_int_equal(a->cancelled, 0); /* accepted is accepted */
			assert_int_equal(a->error, 0);
			for (unsigned n = 0; n < 3; n++)
				assert_int_equal(a->refused[n], -ESHUTDOWN);
			/* What still waited has been let go, and may be cancelled without harm. */
			assert_false(quoit_task_cancel(&cores[i].task));
			assert_false(quoit_idle_remove(&cores[i].idle));
		}
	}
}

/* --- answers that work brings ---------------------------------------------------------------- */

struct request {
	struct quoit_work work;
	struct quoit_stream *stream;
	char letter;
};

static struct request request;
static uint32_t started; /* its work; the test looks meanwhile */

static int slow_letter(struct quoit_work *work, void *ctx)
{
	struct request *r = ctx;

	(void)work;
	quoit_store_release(&started, 1);
	usleep(30000);
	return r->letter + 1;
}

static void answer(struct quoit_work *work, int result, void *ctx)
{
	struct request *r = ctx;
	const char letter = (char)result;

	(void)work;
	answered++;
	quoit_stream_send(r->stream, &letter, 1);
	quoit_stream_release(r->stream);
}

static void ask_a_worker(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	(void)ctx;
	request = (struct request){.stream = stream, .letter = *(const char *)in.data};
	request.work = (struct quoit_work){.fn = slow_letter, .done = answer, .ctx = &request};
	quoit_stream_hold(stream);
	if (quoit_work_submit(workers, quoit_core_loop(quoit_stream_core(stream)), &request.work) <
	    0)
		quoit_stream_abort(stream, -EBUSY);
}

static void a_request_whose_answer_a_worker_brings_is_answered(void **state)
{
	char back[2];
	int fd;

	(void)state;
	server.events.data = ask_a_worker;
	server_start(&server);
	fd = client_connect(server.port);
	assert_true(fd >= 0);
	assert_int_equal(client_send(fd, "a", 1), 0);
	assert_soon(quoit_load_acquire(&started));
	server_stop(&server);
	assert_int_equal(client_receive(fd, back, 2), 1);
	assert_int_equal(back[0], 'b');
	assert_int_equal(answered, 1);
	client_close(fd);
}

/* --- what hangs ------------------------------------------------------------------------------ */

static void note_sealed(struct quoit_poll *poll, int error, void *ctx)
{
	struct attached *a = ctx;

	close(poll->fd);
	a->error |= error;
	quoit_store_release(&a->sealed, 1);
}

static int attach_stuck(struct quoit_core *core, void *ctx)
{
	struct attached *a = of(core);
	const struct quoit_poll_options options = {
		.ready = on_ready, .stopped = note_sealed, .ctx = a};
	const int rc = quoit_poll_start(quoit_core_loop(core), &a->polls[0],
					eventfd(0, EFD_NONBLOCK), &options);

	(void)ctx;
	return rc < 0 || quoit_core_index(core) != 0 ? rc : submit_all(core, stuck_work);
}

/* Begin to stop without a deadline; when nothing but the work is left, the deadline has come. */
static void stop_beside_stuck_work(void)
{
	server.also = attach_stuck;
	server.ended = note_end;
	server_start(&server);
	for (unsigned i = 0; i < 4; i++)
		sem_wait(&entered); /* one on each worker */
	quoit_runtime_stop(server.runtime, UINT64_MAX);
	assert_soon(quoit_load_acquire(&cores[0].sealed));
	assert_int_equal(quoit_load_acquire(&cores[0].cancelled), 0);
	quoit_runtime_stop(server.runtime, 0);
	/* What waited for a worker never begins. */
	assert_soon(quoit_load_acquire(&cores[0].cancelled) == WORKS - 4);
}

static void work_that_hangs_a_while_is_named_and_told(void **state)
{
	struct quoit_reason why = {0};

	(void)state;
	stop_beside_stuck_work();
	for (unsigned i = 0; i < 4; i++)
		sem_post(&gate); /* within the grace after the deadline */
	assert_int_equal(server_wait(&server, &why), -ETIMEDOUT);
	assert_non_null(strstr(why.text, "core 0"));
	assert_non_null(strstr(why.text, "20 works"));
	assert_non_null(strstr(why.text, "the slow one"));
	assert_int_equal(cores[0].done_then, WORKS);
	assert_int_equal(cores[0].cancelled, WORKS - 4);
	assert_int_equal(cores[0].error, 0);
}

static void work_that_never_ends_is_left_to_its_thread(void **state)
{
	struct quoit_reason why = {0};

	(void)state;
	stop_beside_stuck_work();
	assert_int_equal(server_wait(&server, &why), -ETIMEDOUT);
	assert_non_null(strstr(why.text, "the slow one"));
	assert_int_equal(cores[0].done, WORKS - 4);
	/* It comes to its end after all, and finds the memory that it needs. */
	for (unsigned i = 0; i < 4; i++)
		sem_post(&gate);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(everything_ends_once_before_the_stop_function,
						forget, abandon),
		cmocka_unit_test_setup_teardown(a_request_whose_answer_a_worker_brings_is_answered,
						forget, abandon),
		cmocka_unit_test_setup_teardown(work_that_hangs_a_while_is_named_and_told, forget,
						abandon),
		cmocka_unit_test_setup_teardown(work_that_never_ends_is_left_to_its_thread, forget,
						abandon),
	};

	return cmocka_run_group_tests(tests, block, unblock);
}
