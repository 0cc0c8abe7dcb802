/* SPDX-License-Identifier: MIT */
/*
 * test_faults.c - a kernel that refuses cores that serve: enters that fail in passing or for good,
 * entries that it takes by halves, a completion queue that is too small.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <cmocka.h>

#include <quoit/runtime/loop_internal.h>

#include "runtime/faults.h"
#include "support/server.h"
#include "support/skip.h"

#define MS 1000000ull

enum {
	OP_SLOW = 1
};

static struct server server;

static struct {
	uint64_t opened, closed, data, replies;
	int reason;
	int rc;
} seen;

static int forget(void **state)
{
	(void)state;
	memset(&fault, 0, sizeof(fault));
	memset(&seen, 0, sizeof(seen));
	memset(&server, 0, sizeof(server));
	fault.core = NOWHERE;
	server.config.cores = 2;
	return 0;
}

static int abandon(void **state)
{
	(void)state;
	quoit_store(&fault.enter, 0);
	quoit_store(&fault.storm, 0);
	server_abandon(&server);
	return 0;
}

/* --- serving --------------------------------------------------------------------------------- */

static void on_opened(struct quoit_stream *stream, void *ctx)
{
	(void)stream;
	(void)ctx;
	quoit_add(&seen.opened, 1);
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
	quoit_add(&seen.data, 1);
}

static void start_echo(void)
{
	server.events = (struct quoit_stream_events){
		.opened = on_opened, .data = echo, .closed = on_closed};
	server_start(&server);
}

static void exchange(int fd, const char *text)
{
	char back[64];

	assert_int_equal(client_send(fd, text, strlen(text)), 0);
	assert_int_equal(client_receive(fd, back, strlen(text)), (long)strlen(text));
	assert_memory_equal(back, text, strlen(text));
}

/* EINTR, EBUSY, EAGAIN, ENOMEM and entries taken by halves: half of all enters. */
static void a_kernel_that_refuses_in_passing_loses_nothing(void **state)
{
	enum {
		CLIENTS = 24,
		ROUNDS = 40
	};
	int fds[CLIENTS];
	struct quoit_stats stats;

	(void)state;
	fault.state = random_seed();
	print_message("note: SEED=%llu\n", (unsigned long long)fault.state);
	start_echo();
	quoit_store(&fault.storm, 1);
	for (unsigned i = 0; i < CLIENTS; i++) {
		fds[i] = client_connect(server.port);
		assert_true(fds[i] >= 0);
	}
	for (unsigned round = 0; round < ROUNDS; round++) {
		char text[32], back[32];

		snprintf(text, sizeof(text), "round %u", round);
		for (unsigned i = 0; i < CLIENTS; i++)
			assert_int_equal(client_send(fds[i], text, sizeof(text)), 0);
		for (unsigned i = 0; i < CLIENTS; i++) {
			assert_int_equal(client_receive(fds[i], back, sizeof(back)), sizeof(back));
			assert_string_equal(back, text);
		}
	}
	for (unsigned i = 0; i < CLIENTS; i++)
		client_close(fds[i]);
	assert_soon(quoit_load_acquire(&seen.closed) == CLIENTS);
	stats = server_stats(&server);
	assert_int_equal(stats.stale, 0);
	assert_true(quoit_load(&fault.refusals) > 10);
	assert_true(quoit_load(&fault.halves) > 10);
	server_stop(&server); /* in the same weather */
	assert_int_equal(seen.opened, CLIENTS);
	assert_int_equal(seen.reason, 0);
}

static void block(struct quoit_core *core, void *ctx)
{
	int *fds = ctx;

	(void)core;
	for (unsigned i = 0; i < 200; i++) /* while this core does not look */
		seen.rc |= client_send(fds[i], "0123456789", 10);
}

static void a_completion_queue_that_overflows_loses_no_stream(void **state)
{
	static int fds[200];
	struct quoit_stats stats;

	(void)state;
	fault.cq = 64;
	server.config.cores = 1;
	server.config.io.sq_entries = 64;
	start_echo();
	for (unsigned i = 0; i < 200; i++) {
		fds[i] = client_connect(server.port);
		assert_true(fds[i] >= 0);
		exchange(fds[i], "hello");
	}
	for (unsigned round = 0; round < 5; round++) {
		server_run(&server, 0, block, fds);
		for (unsigned i = 0; i < 200; i++) {
			char back[10];

			assert_int_equal(client_receive(fds[i], back, 10), 10);
			assert_memory_equal(back, "0123456789", 10);
		}
	}
	stats = server_stats(&server);
	assert_true(stats.overflows > 0);
	assert_int_equal(stats.stale, 0);
	assert_int_equal(seen.rc, 0);
	for (unsigned i = 0; i < 200; i++)
		client_close(fds[i]);
	server_stop(&server);
	assert_int_equal(seen.closed, 200);
	assert_int_equal(seen.reason, 0);
}

/* --- failing for good ------------------------------------------------------------------------ */

struct job {
	struct quoit_timer timer;
	struct quoit_core *core;
	struct quoit_caller caller;
};

static void answer_late(struct quoit_timer *timer, void *ctx)
{
	struct job *job = ctx;

	(void)timer;
	quoit_reply(job->core, job->caller, 7, NULL, 0);
	free(job);
}

static void take_slow(struct quoit_core *core, const struct quoit_message *messages, size_t n,
		      bool more, void *ctx)
{
	(void)more;
	(void)ctx;
	for (size_t i = 0; i < n; i++) {
		struct job *job = calloc(1, sizeof(*job));

		job->core = core;
		job->caller = quoit_caller_of(&messages[i]);
		/* The failed one is the last: only its answer can wake the other. */
		quoit_timers_start(quoit_core_timers(core), &job->timer,
				   quoit_core_now_ns(core) +
					   (quoit_core_index(core) ? 80 : 20) * MS,
				   answer_late, job);
	}
}

static struct quoit_poll polls[2];
static int poll_errors[2];
static unsigned polls_stopped[2];

static void on_ready(struct quoit_poll *poll, uint32_t events, void *ctx)
{
	(void)poll;
	(void)events;
	(void)ctx;
}

static void on_stopped(struct quoit_poll *poll, int error, void *ctx)
{
	const size_t at = (size_t)(poll - polls);

	(void)ctx;
	polls_stopped[at]++;
	poll_errors[at] = error;
	close(poll->fd);
}

static int watch(struct quoit_loop *loop, unsigned at)
{
	const struct quoit_poll_options options = {
		.events = POLLIN, .ready = on_ready, .stopped = on_stopped};

	polls_stopped[at] = 0;
	return quoit_poll_start(loop, &polls[at], eventfd(0, EFD_CLOEXEC), &options);
}

static int register_slow(struct quoit_core *core, void *ctx)
{
	const int rc = watch(quoit_core_loop(core), quoit_core_index(core));

	return rc < 0 ? rc : quoit_on_message(core, OP_SLOW, take_slow, ctx);
}

static void note_reply(struct quoit_core *core, const struct quoit_message *reply, void *ctx)
{
	(void)core;
	(void)ctx;
	quoit_add(&seen.replies, reply->status == 7);
}

/* To the other core, which will fail, and from it. */
static void call_other(struct quoit_core *core, void *ctx)
{
	(void)ctx;
	seen.rc |= quoit_call(core, 1 - quoit_core_index(core), OP_SLOW, NULL, 0, note_reply, NULL);
}

static void fail_here(struct quoit_core *core, void *ctx)
{
	(void)core;
	quoit_store(&fault.enter, (uint32_t)(uintptr_t)ctx);
}

/*
 * The others end in order, and get the answers that the failed core owed them; its own streams are
 * told, once, and nothing but memory stays behind.
 */
static void a_core_whose_ring_fails_ends_the_runtime_with_that_reason(void **state)
{
	static const int errors[] = {EBADFD, ENXIO, EEXIST, EFAULT};

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct quoit_reason why = {0};
		const int files = open_files();
		struct pollfd ended = {.events = POLLIN};
		int fds[16];

		forget(NULL);
		server.config.stop_timeout_ns = 10 * CLIENT_TIMEOUT_S * 1000 * MS;
		server.also = register_slow;
		fault.core = 1;
		start_echo();
		for (unsigned c = 0; c < 16; c++) {
			fds[c] = client_connect(server.port);
			assert_true(fds[c] >= 0);
			exchange(fds[c], "hello");
		}
		server_run(&server, 0, call_other, NULL);
		server_run(&server, 1, call_other, NULL);
		/* Its answer to the command does not arrive any more. */
		server.control[1].fn = fail_here;
		server.control[1].ctx = (void *)(uintptr_t)errors[i];
		quoit_store_release(&server.control[1].asked, 1);
		assert_int_equal(client_send(server.control[1].fd, "!", 1), 0);
		ended.fd = quoit_runtime_fd(server.runtime);
		assert_int_equal(poll(&ended, 1, CLIENT_TIMEOUT_S * 1000), 1);
		assert_int_equal(server_wait(&server, &why), -errors[i]);
		assert_non_null(strstr(why.text, "io_uring of core 1"));
		assert_non_null(strstr(why.text, strerror(errors[i])));
		assert_int_equal(seen.opened, 16);
		assert_int_equal(seen.closed, 16);
		assert_int_equal(seen.reason, -errors[i]);
		assert_int_equal(seen.rc, 0);
		assert_int_equal(seen.replies, 2);
		assert_int_equal(polls_stopped[0], 1);
		assert_int_equal(poll_errors[0], 0);
		assert_int_equal(polls_stopped[1], 1);
		assert_int_equal(poll_errors[1], -errors[i]);
		for (unsigned c = 0; c < 16; c++)
			client_close(fds[c]);
		assert_int_equal(open_files(), files);
	}
}

/* The kernel takes nothing any more, not even what ends its operations: that has a limit too. */
static void a_core_that_the_kernel_does_not_let_go_is_given_up(void **state)
{
	struct quoit_reason why = {0};
	const int files = open_files();
	int fd;

	(void)state;
	server.config.cores = 1;
	fault.core = 0;
	start_echo();
	fd = client_connect(server.port);
	exchange(fd, "hello");
	quoit_store(&fault.enter, EAGAIN);
	quoit_runtime_stop(server.runtime, 20 * MS);
	assert_int_equal(server_wait(&server, &why), -ETIMEDOUT);
	assert_int_equal(seen.opened, 1);
	assert_int_equal(seen.closed, 1);
	assert_int_equal(seen.reason, -ETIMEDOUT);
	client_close(fd);
	assert_int_equal(open_files(), files);
}

static void a_loop_of_ones_own_tells_that_its_ring_failed(void **state)
{
	struct quoit_loop *loop = NULL;
	struct quoit_reason why = {0};
	char name[16] = "";
	int rc = quoit_loop_create(NULL, &loop, &why);

	(void)state;
	if (rc == -ENOSYS || rc == -EPERM)
		skip_because("io_uring is refused: %s", why.text);
	assert_int_equal(rc, 0);
	assert_int_equal(quoit_loop_run_once(loop, 0), 0);
	assert_int_equal(prctl(PR_GET_NAME, name, 0L, 0L, 0L), 0);
	assert_int_equal(prctl(PR_SET_NAME, "quoit-7", 0L, 0L, 0L), 0);
	assert_int_equal(watch(loop, 0), 0);
	fault.core = 7;
	fault.enter = ENXIO;
	assert_int_equal(quoit_loop_run(loop), -ENXIO);
	assert_int_equal(quoit_loop_run_once(loop, QUOIT_FOREVER), -ENXIO);
	assert_int_equal(watch(loop, 1), -ENXIO);
	assert_int_equal(quoit_loop_destroy(loop), -ENXIO);
	assert_int_equal(polls_stopped[0], 1);
	assert_int_equal(poll_errors[0], -ENXIO);
	assert_int_equal(prctl(PR_SET_NAME, name, 0L, 0L, 0L), 0);
}

static bool never(void *ctx)
{
	(void)ctx;
	return false;
}

/* A loop that cannot sleep in the kernel sleeps elsewhere: at most once a millisecond it asks. */
static void a_kernel_that_keeps_refusing_is_not_asked_without_pause(void **state)
{
	struct quoit_loop *loop = NULL;
	struct quoit_reason why = {0};
	char name[16] = "";
	int rc = quoit_loop_create(NULL, &loop, &why);

	(void)state;
	if (rc == -ENOSYS || rc == -EPERM)
		skip_because("io_uring is refused: %s", why.text);
	assert_int_equal(rc, 0);
	assert_int_equal(quoit_loop_run_once(loop, 0), 0);
	assert_int_equal(prctl(PR_GET_NAME, name, 0L, 0L, 0L), 0);
	assert_int_equal(prctl(PR_SET_NAME, "quoit-7", 0L, 0L, 0L), 0);
	fault.core = 7;
	fault.enter = EAGAIN;
	fault.enters = 0;
	assert_int_equal(quoit_loop_run_until(loop, never, NULL, 50 * MS), -ETIMEDOUT);
	assert_in_range(fault.enters, 1, 100);
	fault.enter = 0;
	assert_int_equal(prctl(PR_SET_NAME, name, 0L, 0L, 0L), 0);
	assert_int_equal(quoit_loop_destroy(loop), 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, forget, abandon)
	const struct CMUnitTest tests[] = {
		CASE(a_kernel_that_refuses_in_passing_loses_nothing),
		CASE(a_completion_queue_that_overflows_loses_no_stream),
		CASE(a_core_whose_ring_fails_ends_the_runtime_with_that_reason),
		CASE(a_core_that_the_kernel_does_not_let_go_is_given_up),
		CASE(a_loop_of_ones_own_tells_that_its_ring_failed),
		CASE(a_kernel_that_keeps_refusing_is_not_asked_without_pause),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
