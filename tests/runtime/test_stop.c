/* SPDX-License-Identifier: MIT */
/*
 * test_stop.c - all cores end together, and what was accepted is answered first.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "support/one_server.h"

enum {
	OP_WORK,
	OP_NEVER,
	OP_POST,
	OP_RELEASE
};

#define MS 1000000ull

static struct {
	uint64_t opened, data, closed, replies, posts, worked, ended;
	int reason;
	int rc[4];
	struct quoit_stream *held;
	struct quoit_timer timer;
} seen;

static int forget(void **state)
{
	(void)state;
	return begin_anew(&seen, sizeof(seen), 2);
}

/* Streams are accepted by any core: what both count is added, not stored. */
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
		quoit_store(&seen.reason, reason);
	quoit_add(&seen.closed, 1);
}

static void echo(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	(void)ctx;
	quoit_stream_send(stream, in.data, in.len);
	quoit_add(&seen.data, 1);
}

static void serve(void (*data)(struct quoit_stream *, struct quoit_bytes, void *))
{
	server.events.opened = on_opened;
	server.events.closed = on_closed;
	server.events.data = data;
	server_start(&server);
}

static int connect_one(void)
{
	const uint64_t before = quoit_load_acquire(&seen.opened);
	const int fd = client_connect(server.port);

	assert_true(fd >= 0);
	assert_soon(quoit_load_acquire(&seen.opened) == before + 1);
	return fd;
}

/* --- in order -------------------------------------------------------------------------------- */

static void a_runtime_that_has_nothing_to_do_stops_at_once(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 30; i++) {
		server.config.cores = i % SERVER_CORES + 1;
		serve(echo);
		server_stop(&server);
	}
}

static void idle_connections_are_closed_in_order(void **state)
{
	int fds[20];

	(void)state;
	serve(echo);
	for (unsigned i = 0; i < 20; i++)
		fds[i] = connect_one();
	server_stop(&server);
	for (unsigned i = 0; i < 20; i++) {
		assert_true(client_is_at_end(fds[i]));
		client_close(fds[i]);
	}
	assert_int_equal(seen.closed, 20);
	assert_int_equal(seen.reason, 0);
}

static void echo_and_stop(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	struct quoit_runtime *runtime = quoit_core_runtime(quoit_stream_core(stream));

	echo(stream, in, ctx);
	quoit_runtime_stop(runtime, 5000 * MS);
	quoit_runtime_stop(runtime, UINT64_MAX); /* later than the first: changes nothing */
}

static void a_handler_may_stop_the_runtime_and_its_answer_still_leaves(void **state)
{
	struct quoit_reason why = {0};
	struct pollfd done;
	char back[2];
	int fd;

	(void)state;
	serve(echo_and_stop);
	done = (struct pollfd){.fd = quoit_runtime_fd(server.runtime), .events = POLLIN};
	assert_int_equal(poll(&done, 1, 0), 0);
	fd = connect_one();
	assert_int_equal(client_send(fd, "x", 1), 0);
	assert_int_equal(client_receive(fd, back, 2), 1);
	assert_int_equal(poll(&done, 1, CLIENT_TIMEOUT_S * 1000), 1);
	assert_int_equal(server_wait(&server, &why), 0);
	client_close(fd);
	assert_int_equal(seen.closed, 1);
}

/* --- requests under way ---------------------------------------------------------------------- */

/* A request of 16 bytes whose first eight name its stream goes to the other core and back. */
struct work {
	struct quoit_stream_id id;
	unsigned char letter;
};

struct job {
	struct quoit_timer timer;
	struct quoit_core *core;
	struct quoit_caller caller;
	struct work work;
};

static void work_done(struct quoit_timer *timer, void *ctx)
{
	struct job *job = ctx;

	(void)timer;
	quoit_add(&seen.worked, 1);
	quoit_reply(job->core, job->caller, 0, &job->work, sizeof(job->work));
	free(job);
}

static void take_work(struct quoit_core *core, const struct quoit_message *messages, size_t n,
		      bool more, void *ctx)
{
	(void)more;
	(void)ctx;
	for (size_t i = 0; i < n; i++) {
		struct job *job = calloc(1, sizeof(*job));

		job->core = core;
		job->caller = quoit_caller_of(&messages[i]);
		memcpy(&job->work, messages[i].body, sizeof(job->work));
		quoit_timers_start(quoit_core_timers(core), &job->timer,
				   quoit_core_now_ns(core) + 30 * MS, work_done, job);
	}
}

static void answer_work(struct quoit_core *core, const struct quoit_message *reply, void *ctx)
{
	struct work work;
	struct quoit_stream *stream;

	(void)ctx;
	memcpy(&work, reply->body, sizeof(work));
	stream = quoit_core_stream(core, work.id);
	quoit_add(&seen.replies, 1);
	if (!stream)
		return;
	quoit_stream_send(stream, &work.letter, 1);
	quoit_stream_release(stream);
}

static void pass_on(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	struct quoit_core *core = quoit_stream_core(stream);
	const unsigned other = (quoit_core_index(core) + 1) % quoit_core_count(core);

	(void)ctx;
	for (size_t i = 0; i < in.len; i++) {
		const struct work work = {.id = quoit_stream_id(stream),
					  .letter = ((const unsigned char *)in.data)[i]};

		quoit_stream_hold(stream);
		if (quoit_call(core, other, OP_WORK, &work, sizeof(work), answer_work, NULL) < 0)
			quoit_stream_abort(stream, -EBUSY);
		quoit_add(&seen.data, 1);
	}
}

static int register_work(struct quoit_core *core, void *ctx)
{
	return quoit_on_message(core, OP_WORK, take_work, ctx);
}

static void requests_under_way_are_answered_before_the_end(void **state)
{
	enum {
		CLIENTS = 16
	};
	int fds[CLIENTS];

	(void)state;
	server.also = register_work;
	serve(pass_on);
	for (unsigned i = 0; i < CLIENTS; i++) {
		fds[i] = connect_one();
		assert_int_equal(client_send(fds[i], "abc", 3), 0);
	}
	assert_soon(quoit_load_acquire(&seen.data) == 3 * CLIENTS);
	server_stop(&server);
	for (unsigned i = 0; i < CLIENTS; i++) {
		char back[4];

		assert_int_equal(client_receive(fds[i], back, 4), 3);
		assert_memory_equal(back, "abc", 3);
		client_close(fds[i]);
	}
	assert_int_equal(seen.replies, 3 * CLIENTS);
	assert_int_equal(seen.closed, CLIENTS);
	assert_int_equal(seen.reason, 0);
}

static void note_posts(struct quoit_core *core, const struct quoit_message *messages, size_t n,
		       bool more, void *ctx)
{
	(void)core;
	(void)messages;
	(void)more;
	(void)ctx;
	quoit_add(&seen.posts, n);
}

static int register_posts(struct quoit_core *core, void *ctx)
{
	return quoit_on_message(core, OP_POST, note_posts, ctx);
}

static void post_and_stop(struct quoit_core *core, void *ctx)
{
	(void)ctx;
	for (unsigned i = 0; i < 100; i++)
		seen.rc[0] |= quoit_post(core, 1, OP_POST, NULL, 0);
	quoit_runtime_stop(quoit_core_runtime(core), 5000 * MS);
}

static void what_was_posted_before_the_stop_arrives(void **state)
{
	struct quoit_reason why = {0};

	(void)state;
	server.also = register_posts;
	serve(echo);
	server_run(&server, 0, post_and_stop, NULL);
	assert_int_equal(server_wait(&server, &why), 0);
	assert_int_equal(seen.rc[0], 0);
	assert_int_equal(seen.posts, 100);
}

/*
 * Core 1 handles more posts than a turn takes, and looks each time whether core 0 has already run
 * its stop function, where it frees what the posts may point to.
 */
static void watch_the_other(struct quoit_core *core, const struct quoit_message *messages, size_t n,
			    bool more, void *ctx)
{
	const uint64_t until = quoit_clock_now_ns() + 20 * MS;

	note_posts(core, messages, n, more, ctx);
	while (quoit_core_is_stopping(core) && quoit_clock_now_ns() < until)
		if (quoit_load_acquire(&seen.ended))
			seen.reason = -EFAULT;
}

static int register_watch(struct quoit_core *core, void *ctx)
{
	return quoit_on_message(core, OP_POST, watch_the_other, ctx);
}

static void note_end(struct quoit_core *core, void *ctx)
{
	(void)ctx;
	if (quoit_core_index(core) == 0)
		quoit_store_release(&seen.ended, 1);
}

static void post_many_and_stop(struct quoit_core *core, void *ctx)
{
	(void)ctx;
	for (unsigned i = 0; i < 4000; i++)
		seen.rc[0] |= quoit_post(core, 1, OP_POST, NULL, 0);
	quoit_runtime_stop(quoit_core_runtime(core), 20000 * MS);
}

static void no_stop_function_runs_while_a_message_is_still_handled(void **state)
{
	struct quoit_reason why = {0};

	(void)state;
	server.config.calls_per_pair = 4096;
	server.also = register_watch;
	server.ended = note_end;
	serve(echo);
	server_run(&server, 0, post_many_and_stop, NULL);
	assert_int_equal(server_wait(&server, &why), 0);
	assert_int_equal(seen.rc[0], 0);
	assert_int_equal(seen.posts, 4000);
	assert_int_equal(seen.ended, 1);
	assert_int_equal(seen.reason, 0);
}

/* --- stuck ----------------------------------------------------------------------------------- */

static void hold_it(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	(void)in;
	(void)ctx;
	quoit_stream_hold(stream);
	seen.held = stream;
	quoit_add(&seen.data, 1);
}

static int connect_held(void)
{
	const int fd = connect_one();

	assert_int_equal(client_send(fd, "x", 1), 0);
	assert_soon(quoit_load_acquire(&seen.data) == 1);
	return fd;
}

static void a_hold_that_is_never_released_is_cut_off_and_named(void **state)
{
	static const uint64_t limits[] = {0, 20 * MS};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct quoit_reason why = {0};
		int fd;

		forget(NULL);
		server.config.cores = 1;
		serve(hold_it);
		fd = connect_held();
		assert_int_equal(server_stop_within(&server, limits[i], &why), -ETIMEDOUT);
		assert_int_equal(why.error, -ETIMEDOUT);
		assert_non_null(strstr(why.text, "core 0"));
		assert_non_null(strstr(why.text, "1 connections"));
		assert_non_null(strstr(why.text, "0 calls"));
		assert_int_equal(seen.closed, 1);
		assert_int_equal(seen.reason, -ETIMEDOUT);
		client_close(fd);
	}
}

static void a_second_stop_brings_the_end_nearer_but_never_further(void **state)
{
	struct quoit_reason why = {0};
	int fd;

	(void)state;
	serve(hold_it);
	fd = connect_held();
	quoit_runtime_stop(server.runtime, 1000000 * MS);
	quoit_runtime_stop(server.runtime, 10 * MS);
	quoit_runtime_stop(server.runtime, 1000000 * MS);
	assert_int_equal(server_wait(&server, &why), -ETIMEDOUT);
	assert_int_equal(seen.closed, 1);
	client_close(fd);
}

static void release_from_timer(struct quoit_timer *timer, void *ctx)
{
	(void)timer;
	(void)ctx;
	quoit_stream_send(seen.held, "late", 4);
	quoit_stream_release(seen.held);
}

static void hold_for_a_while(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	struct quoit_core *core = quoit_stream_core(stream);

	hold_it(stream, in, ctx);
	quoit_timers_start(quoit_core_timers(core), &seen.timer, quoit_core_now_ns(core) + 50 * MS,
			   release_from_timer, NULL);
}

static void a_stop_waits_for_what_is_held_and_takes_no_newcomer_meanwhile(void **state)
{
	struct quoit_reason why = {0};
	char back[5];
	int late;
	int fd;

	(void)state;
	server.config.cores = 1;
	serve(hold_for_a_while);
	fd = connect_held();
	quoit_runtime_stop(server.runtime, 10000 * MS);
	assert_int_equal(client_receive(fd, back, 5), 4);
	assert_memory_equal(back, "late", 4);
	late = client_connect(server.port);
	if (late >= 0) {
		assert_int_not_equal(client_receive(late, back, 1), 1);
		client_close(late);
	}
	assert_int_equal(server_wait(&server, &why), 0);
	assert_int_equal(seen.opened, 1);
	assert_int_equal(seen.reason, 0);
	client_close(fd);
}

static void fill_up(struct quoit_core *core, void *ctx)
{
	static const char bytes[1 << 16];

	(void)core;
	(void)ctx;
	for (unsigned i = 0; i < 128; i++)
		quoit_stream_send(seen.held, bytes, sizeof(bytes));
	quoit_stream_release(seen.held);
}

static void a_peer_that_does_not_read_is_cut_off_at_the_deadline(void **state)
{
	struct quoit_reason why = {0};
	int fd;

	(void)state;
	server.config.cores = 1;
	serve(hold_it);
	fd = client_connect_small(server.port, 4096);
	assert_int_equal(client_send(fd, "x", 1), 0);
	assert_soon(quoit_load_acquire(&seen.data) == 1);
	server_run(&server, 0, fill_up, NULL);
	assert_int_equal(server_stop_within(&server, 20 * MS, &why), -ETIMEDOUT);
	assert_int_equal(seen.closed, 1);
	assert_int_equal(seen.reason, -ETIMEDOUT);
	client_close(fd);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, forget, abandon)
	const struct CMUnitTest tests[] = {
		CASE(a_runtime_that_has_nothing_to_do_stops_at_once),
		CASE(idle_connections_are_closed_in_order),
		CASE(a_handler_may_stop_the_runtime_and_its_answer_still_leaves),
		CASE(requests_under_way_are_answered_before_the_end),
		CASE(what_was_posted_before_the_stop_arrives),
		CASE(no_stop_function_runs_while_a_message_is_still_handled),
		CASE(a_hold_that_is_never_released_is_cut_off_and_named),
		CASE(a_second_stop_brings_the_end_nearer_but_never_further),
		CASE(a_stop_waits_for_what_is_held_and_takes_no_newcomer_meanwhile),
		CASE(a_peer_that_does_not_read_is_cut_off_at_the_deadline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
