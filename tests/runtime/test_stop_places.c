/* SPDX-License-Identifier: MIT */
/*
 * test_stop_places.c - who may stop a runtime, and when: a timer, a signal handler, a thread, a
 * start function, anybody once more while it stops, and while a handler does not return.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <cmocka.h>

#include "support/server.h"
#include "support/skip.h"

#define MS	1000000ull
#define LONG_NS (20000 * MS)

static struct server server;
static struct quoit_runtime *volatile to_stop; /* by the signal handler */

static struct {
	uint64_t opened, closed, blocked, free;
	int reason;
	bool errno_kept;
	struct quoit_timer timer;
	struct quoit_stream *held;
} seen;

static int forget(void **state)
{
	(void)state;
	memset(&seen, 0, sizeof(seen));
	memset(&server, 0, sizeof(server));
	server.config.cores = 2;
	return 0;
}

static int abandon(void **state)
{
	(void)state;
	quoit_store_release(&seen.free, 1);
	server_abandon(&server);
	return 0;
}

static void on_closed(struct quoit_stream *stream, int reason, void *ctx)
{
	(void)stream;
	(void)ctx;
	if (reason)
		seen.reason = reason;
	quoit_add(&seen.closed, 1);
}

static void echo(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	(void)ctx;
	quoit_stream_send(stream, in.data, in.len);
}

static int start_with(void (*data)(struct quoit_stream *, struct quoit_bytes, void *))
{
	int fd;

	server.events = (struct quoit_stream_events){.data = data, .closed = on_closed};
	server_start(&server);
	fd = client_connect(server.port);
	assert_true(fd >= 0);
	return fd;
}

static void exchange(int fd)
{
	char back[2];

	assert_int_equal(client_send(fd, "ab", 2), 0);
	assert_int_equal(client_receive(fd, back, 2), 2);
}

static bool has_ended(int timeout_ms)
{
	struct pollfd done = {.fd = quoit_runtime_fd(server.runtime), .events = POLLIN};

	return poll(&done, 1, timeout_ms) == 1;
}

static void ends_in_order(int fd)
{
	assert_true(has_ended(CLIENT_TIMEOUT_S * 1000));
	assert_int_equal(server_wait(&server, NULL), 0);
	assert_int_equal(seen.reason, 0);
	assert_int_equal(seen.closed, 1);
	assert_true(client_is_at_end(fd));
	client_close(fd);
}

static void stop_from_timer(struct quoit_timer *timer, void *ctx)
{
	(void)timer;
	quoit_runtime_stop(quoit_core_runtime(ctx), LONG_NS);
}

static void begin_timer(struct quoit_core *core, void *ctx)
{
	(void)ctx;
	quoit_timers_start(quoit_core_timers(core), &seen.timer, quoit_core_now_ns(core),
			   stop_from_timer, core);
}

static void a_timer_may_stop_it(void **state)
{
	const int fd = start_with(echo);

	(void)state;
	exchange(fd);
	server_run(&server, 1, begin_timer, NULL);
	ends_in_order(fd);
}

static void on_signal(int number)
{
	(void)number;
	quoit_runtime_stop(to_stop, LONG_NS);
}

static void raise_it(struct quoit_core *core, void *ctx)
{
	(void)core;
	(void)ctx;
	errno = EXDEV;
	(void)raise(SIGUSR1);
	seen.errno_kept = errno == EXDEV;
}

/* Wherever the signal comes: here, or on a core's thread in the middle of a handler. */
static void a_signal_handler_may_stop_it(void **state)
{
	const struct sigaction action = {.sa_handler = on_signal};
	struct sigaction before;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		int fd;

		forget(NULL);
		fd = start_with(echo);
		exchange(fd);
		to_stop = server.runtime;
		assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
		if (i)
			server_run(&server, 1, raise_it, NULL);
		else
			raise_it(NULL, NULL);
		ends_in_order(fd);
		assert_int_equal(sigaction(SIGUSR1, &before, NULL), 0);
		assert_true(seen.errno_kept);
	}
}

static void *stop_worker(void *ctx)
{
	for (unsigned i = 0; i < 100; i++)
		quoit_runtime_stop(ctx, LONG_NS);
	return NULL;
}

/* All at once, each a hundred times. */
static void any_threads_may_stop_it_together(void **state)
{
	const int fd = start_with(echo);
	pthread_t threads[4];

	(void)state;
	exchange(fd);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, stop_worker, server.runtime), 0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	ends_in_order(fd);
}

static int stop_in_start(struct quoit_core *core, void *ctx)
{
	(void)ctx;
	if (quoit_core_index(core) == 1)
		quoit_runtime_stop(quoit_core_runtime(core), LONG_NS);
	return 0;
}

static void a_start_function_may_stop_what_has_not_begun(void **state)
{
	const struct quoit_config config = {.cores = 3, .start = stop_in_start};

	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		struct quoit_reason why = {0};
		const int rc = quoit_runtime_start(&config, &server.runtime, &why);

		if (rc == -ENOSYS || rc == -EPERM)
			skip_because("io_uring is refused: %s", why.text);
		assert_int_equal(rc, 0);
		assert_true(has_ended(CLIENT_TIMEOUT_S * 1000));
		assert_int_equal(server_wait(&server, NULL), 0);
	}
}

/* In its handler until the test says so. */
static void block(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	quoit_add(&seen.blocked, 1);
	while (!quoit_load_acquire(&seen.free))
		quoit_relax();
	echo(stream, in, ctx);
}

/* Nobody takes a handler's core away: the stop waits, whatever its deadline, and goes on then. */
static void a_handler_that_takes_long_is_waited_for(void **state)
{
	static const uint64_t limits[] = {LONG_NS, 0};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		char back[2];
		int rc;
		int fd;

		forget(NULL);
		fd = start_with(block);
		assert_int_equal(client_send(fd, "ab", 2), 0);
		assert_soon(quoit_load_acquire(&seen.blocked) == 1);
		quoit_runtime_stop(server.runtime, limits[i]);
		assert_false(has_ended(30));
		quoit_store_release(&seen.free, 1);
		assert_true(has_ended(CLIENT_TIMEOUT_S * 1000));
		rc = server_wait(&server, NULL);
		assert_true(rc == 0 || (rc == -ETIMEDOUT && !limits[i]));
		assert_int_equal(seen.closed, 1);
		if (!rc)
			assert_int_equal(client_receive(fd, back, 2), 2);
		client_close(fd);
	}
}

static void hold_it(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	(void)in;
	(void)ctx;
	quoit_stream_hold(stream);
	quoit_add(&seen.blocked, 1);
}

/* One core has long been quiet, another is not: the nearer deadline still finds what it is for. */
static void a_nearer_deadline_reaches_cores_that_are_stopping_already(void **state)
{
	struct quoit_reason why = {0};
	int fd;

	(void)state;
	fd = start_with(hold_it);
	assert_int_equal(client_send(fd, "ab", 2), 0);
	assert_soon(quoit_load_acquire(&seen.blocked) == 1);
	quoit_runtime_stop(server.runtime, LONG_NS * 1000);
	assert_false(has_ended(30));
	quoit_runtime_stop(server.runtime, UINT64_MAX);
	quoit_runtime_stop(server.runtime, LONG_NS * 2000);
	assert_false(has_ended(10));
	quoit_runtime_stop(server.runtime, 0);
	assert_true(has_ended(CLIENT_TIMEOUT_S * 1000));
	assert_int_equal(server_wait(&server, &why), -ETIMEDOUT);
	assert_int_equal(seen.closed, 1);
	assert_int_equal(seen.reason, -ETIMEDOUT);
	client_close(fd);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, forget, abandon)
	const struct CMUnitTest tests[] = {
		CASE(a_timer_may_stop_it),
		CASE(a_signal_handler_may_stop_it),
		CASE(any_threads_may_stop_it_together),
		CASE(a_start_function_may_stop_what_has_not_begun),
		CASE(a_handler_that_takes_long_is_waited_for),
		CASE(a_nearer_deadline_reaches_cores_that_are_stopping_already),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
