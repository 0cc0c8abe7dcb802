/* SPDX-License-Identifier: MIT */
/*
 * test_stop_calls.c - calls and a stop: each is answered or cancelled, once, and then none begins.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <cmocka.h>

#include "support/one_server.h"

enum {
	OP_NEVER,
	OP_POST,
	OP_RELEASE,
	OP_ANSWER,
	OP_LATER
};

#define MS 1000000ull

static struct {
	uint64_t data, replies, cancelled, worked;
	int rc[4];
	struct quoit_stream *held;
	struct quoit_timer timer;
	struct quoit_caller caller;
	struct quoit_gather gather;
	struct quoit_gather_part parts[3];
	int statuses[3];
} seen;

static int forget(void **state)
{
	(void)state;
	return begin_anew(&seen, sizeof(seen), 2);
}

static void release_held(struct quoit_core *core, const struct quoit_message *messages, size_t n,
			 bool more, void *ctx)
{
	(void)core;
	(void)messages;
	(void)n;
	(void)more;
	(void)ctx;
	quoit_stream_send(seen.held, "late", 4);
	quoit_stream_release(seen.held);
}

static void never_answer(struct quoit_core *core, const struct quoit_message *messages, size_t n,
			 bool more, void *ctx)
{
	(void)core;
	(void)messages;
	(void)more;
	(void)ctx;
	quoit_add(&seen.worked, n);
}

static void note_reply(struct quoit_core *core, const struct quoit_message *reply, void *ctx)
{
	(void)ctx;
	quoit_add(&seen.replies, 1);
	if (reply->status == -ECANCELED)
		quoit_add(&seen.cancelled, 1);
	/* Nothing new may be begun any more. */
	seen.rc[1] = quoit_call(core, 0, OP_NEVER, NULL, 0, note_reply, NULL);
}

static int register_never(struct quoit_core *core, void *ctx)
{
	const int rc = quoit_on_message(core, OP_NEVER, never_answer, ctx);

	return rc < 0 ? rc : quoit_on_message(core, OP_RELEASE, release_held, ctx);
}

static void call_in_vain(struct quoit_core *core, void *ctx)
{
	(void)ctx;
	for (unsigned i = 0; i < 3; i++)
		seen.rc[0] |= quoit_call(core, 1, OP_NEVER, NULL, 0, note_reply, NULL);
}

static void calls_that_nobody_answers_are_cancelled_at_the_deadline_and_named(void **state)
{
	struct quoit_reason why = {0};

	(void)state;
	server.also = register_never;
	server_start(&server);
	server_run(&server, 0, call_in_vain, NULL);
	assert_soon(quoit_load_acquire(&seen.worked) == 3);
	assert_int_equal(server_stop_within(&server, 20 * MS, &why), -ETIMEDOUT);
	assert_non_null(strstr(why.text, "core 0"));
	assert_non_null(strstr(why.text, "3 calls"));
	assert_int_equal(seen.rc[0], 0);
	assert_int_equal(seen.replies, 3);
	assert_int_equal(seen.cancelled, 3);
	assert_int_equal(seen.rc[1], -ESHUTDOWN);
}

/*
 * Core 1 owes nothing and is quiet, but a timer of it still calls core 0; that never answers, but
 * ends what kept it from being quiet itself. The call must not be forgotten.
 */
static void call_when_quiet(struct quoit_timer *timer, void *ctx)
{
	struct quoit_core *core = ctx;

	if (!quoit_core_is_stopping(core)) {
		quoit_timers_start(quoit_core_timers(core), timer, quoit_core_now_ns(core) + MS,
				   call_when_quiet, core);
		return;
	}
	if (!seen.rc[2]) { /* one more turn, so that it surely is quiet */
		seen.rc[2] = 1;
		quoit_timers_start(quoit_core_timers(core), timer,
				   quoit_core_now_ns(core) + 20 * MS, call_when_quiet, core);
		return;
	}
	seen.rc[0] = quoit_call(core, 0, OP_NEVER, NULL, 0, note_reply, NULL);
	seen.rc[3] = quoit_post(core, 0, OP_RELEASE, NULL, 0);
}

static void begin_timer(struct quoit_core *core, void *ctx)
{
	(void)ctx;
	quoit_timers_start(quoit_core_timers(core), &seen.timer, quoit_core_now_ns(core),
			   call_when_quiet, core);
}

static void hold_on_core_0(struct quoit_core *core, void *ctx)
{
	(void)core;
	(void)ctx;
	quoit_stream_hold(seen.held);
}

static void note_held(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	(void)in;
	(void)ctx;
	seen.held = stream;
	quoit_add(&seen.data, 1);
}

static int listen_on_core_0(struct quoit_core *core, void *ctx)
{
	const struct quoit_stream_events events = {.data = note_held};
	int rc = register_never(core, ctx);

	if (rc >= 0 && quoit_core_index(core) == 0)
		seen.rc[1] = rc = quoit_listen(core, "127.0.0.9:0", &events, NULL);
	return rc;
}

static void a_call_made_while_stopping_is_answered_or_cancelled(void **state)
{
	int fd;

	(void)state;
	server.also = listen_on_core_0;
	server_start(&server);
	fd = client_connect_to(9, seen.rc[1]);
	assert_true(fd >= 0);
	assert_int_equal(client_send(fd, "x", 1), 0);
	assert_soon(quoit_load_acquire(&seen.data) == 1);
	server_run(&server, 0, hold_on_core_0, NULL);
	server_run(&server, 1, begin_timer, NULL);
	server_stop(&server);
	assert_int_equal(seen.rc[0], 0);
	assert_int_equal(seen.rc[3], 0);
	assert_int_equal(seen.worked, 1);
	assert_int_equal(seen.replies, 1);
	assert_int_equal(seen.cancelled, 1);
	client_close(fd);
}

/* --- calls on behalf of others --------------------------------------------------------------- */

static void answer(struct quoit_core *core, const struct quoit_message *messages, size_t n,
		   bool more, void *ctx)
{
	(void)more;
	(void)ctx;
	for (size_t i = 0; i < n; i++)
		quoit_reply(core, quoit_caller_of(&messages[i]), 5, NULL, 0);
}

static void pass_on(struct quoit_core *core, const struct quoit_message *reply, void *ctx)
{
	(void)ctx;
	quoit_reply(core, seen.caller, reply->status + 1, NULL, 0);
}

/* Once the core is quiet, for it owes nothing of its own, go on with the request. */
static void ask_when_quiet(struct quoit_timer *timer, void *ctx)
{
	struct quoit_core *core = ctx;

	if (!quoit_core_is_stopping(core) || !seen.rc[2]) {
		seen.rc[2] = quoit_core_is_stopping(core);
		quoit_timers_start(quoit_core_timers(core), timer,
				   quoit_core_now_ns(core) + (seen.rc[2] ? 20 : 1) * MS,
				   ask_when_quiet, core);
		return;
	}
	seen.rc[0] = quoit_call_nested(core, &seen.caller, 2, OP_ANSWER, NULL, 0, pass_on, NULL);
}

static void answer_when_quiet(struct quoit_core *core, const struct quoit_message *messages,
			      size_t n, bool more, void *ctx)
{
	(void)n;
	(void)more;
	(void)ctx;
	seen.caller = quoit_caller_of(messages);
	quoit_timers_start(quoit_core_timers(core), &seen.timer, quoit_core_now_ns(core),
			   ask_when_quiet, core);
	quoit_add(&seen.worked, 1);
}

static int register_nested(struct quoit_core *core, void *ctx)
{
	int rc = register_never(core, ctx);

	if (rc >= 0)
		rc = quoit_on_message(core, OP_ANSWER, answer, ctx);
	return rc < 0 ? rc : quoit_on_message(core, OP_LATER, answer_when_quiet, ctx);
}

static void note_status(struct quoit_core *core, const struct quoit_message *reply, void *ctx)
{
	(void)core;
	(void)ctx;
	seen.statuses[quoit_add(&seen.replies, 1)] = reply->status;
}

static void call_later(struct quoit_core *core, void *ctx)
{
	(void)ctx;
	seen.rc[1] = quoit_call(core, 1, OP_LATER, NULL, 0, note_status, NULL);
}

static void a_quiet_core_still_calls_on_behalf_of_one_that_is_not(void **state)
{
	(void)state;
	server.config.cores = 3;
	server.also = register_nested;
	server_start(&server);
	server_run(&server, 0, call_later, NULL);
	assert_soon(quoit_load_acquire(&seen.worked) == 1);
	server_stop(&server);
	assert_int_equal(seen.rc[0] | seen.rc[1], 0);
	assert_int_equal(seen.replies, 1);
	assert_int_equal(seen.statuses[0], 6);
}

static void note_gather(struct quoit_core *core, struct quoit_gather *gather, void *ctx)
{
	(void)core;
	(void)ctx;
	quoit_add(&seen.replies, 1);
	for (unsigned i = 0; i < gather->count; i++)
		seen.statuses[i] = gather->parts[i].answer.status;
}

static void gather_in_vain(struct quoit_core *core, void *ctx)
{
	(void)ctx;
	seen.gather = (struct quoit_gather){
		.parts = seen.parts, .op = OP_NEVER, .fn = note_gather, .count = 3};
	for (unsigned i = 0; i < 3; i++)
		seen.parts[i] = (struct quoit_gather_part){.to = 1};
	seen.rc[0] = quoit_gather_start(core, &seen.gather);
}

/* One part is under way, two stand in line. */
static void a_gather_is_over_once_when_the_deadline_cuts_it_off(void **state)
{
	struct quoit_reason why = {0};

	(void)state;
	server.config.calls_per_pair = 1;
	server.also = register_never;
	server_start(&server);
	server_run(&server, 0, gather_in_vain, NULL);
	assert_soon(quoit_load_acquire(&seen.worked) == 1);
	assert_int_equal(server_stop_within(&server, 20 * MS, &why), -ETIMEDOUT);
	assert_non_null(strstr(why.text, "3 calls"));
	assert_int_equal(seen.rc[0], 0);
	assert_int_equal(seen.replies, 1);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(seen.statuses[i], -ECANCELED);
}

static void try_everything(struct quoit_core *core, void *ctx)
{
	const struct quoit_stream_events none = {0};

	(void)ctx;
	if (quoit_core_index(core) != 0)
		return;
	seen.rc[0] = quoit_post(core, 1, OP_POST, NULL, 0);
	seen.rc[1] = quoit_call(core, 1, OP_POST, NULL, 0, note_reply, NULL);
	seen.rc[2] = quoit_listen(core, "127.0.0.1:0", &none, NULL);
	seen.rc[3] = quoit_core_is_stopping(core);
}

static void after_the_end_nothing_can_be_sent_or_begun(void **state)
{
	(void)state;
	server.ended = try_everything;
	server_start(&server);
	server_stop(&server);
	assert_int_equal(seen.rc[0], -ESHUTDOWN);
	assert_int_equal(seen.rc[1], -ESHUTDOWN);
	assert_int_equal(seen.rc[2], -ESHUTDOWN);
	assert_int_equal(seen.rc[3], 1);
	assert_int_equal(seen.replies, 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, forget, abandon)
	const struct CMUnitTest tests[] = {
		CASE(calls_that_nobody_answers_are_cancelled_at_the_deadline_and_named),
		CASE(a_call_made_while_stopping_is_answered_or_cancelled),
		CASE(a_quiet_core_still_calls_on_behalf_of_one_that_is_not),
		CASE(a_gather_is_over_once_when_the_deadline_cuts_it_off),
		CASE(after_the_end_nothing_can_be_sent_or_begun),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
