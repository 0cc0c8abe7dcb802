/* SPDX-License-Identifier: MIT */
/*
 * test_call.c - posts, calls and replies between two cores, and from a core to itself.
 *
 * What is to be done is done in a start function, in handlers, or at the test's command; what
 * happened is read when the cores have ended or through counters.
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
	OP_ECHO,
	OP_LATER,
	OP_NEVER,
	OP_POST,
	OP_SLOW,
	OP_LAST = QUOIT_OPERATIONS - 1
};

#define MOST_CALLS 8192

static struct {
	uint64_t replies, posts, credits, wrong, nested_done;
	uint64_t answered[MOST_CALLS]; /* how often each call's function was called */
	unsigned char body[QUOIT_MESSAGE_BODY];
	int status;
	int rc[8];
	unsigned to;
	struct quoit_caller caller;
	struct quoit_timer timer;
	uint64_t last_post[2];
} seen;

static int forget(void **state)
{
	(void)state;
	return begin_anew(&seen, sizeof(seen), 2);
}

/* --- handlers -------------------------------------------------------------------------------- */

/* Answers with the bytes turned over and the length that a status has room for. */
static void answer(struct quoit_core *core, const struct quoit_message *messages, size_t n,
		   bool more, void *ctx)
{
	(void)more;
	(void)ctx;
	for (size_t i = 0; i < n; i++) {
		unsigned char body[QUOIT_MESSAGE_BODY];

		for (size_t at = 0; at < sizeof(body); at++)
			body[at] = (unsigned char)~messages[i].body[at];
		quoit_reply(core, quoit_caller_of(&messages[i]), 7, body, sizeof(body));
	}
}

static void reply_from_timer(struct quoit_timer *timer, void *ctx)
{
	(void)timer;
	quoit_reply(ctx, seen.caller, 8, NULL, 0);
}

static void answer_later(struct quoit_core *core, const struct quoit_message *messages, size_t n,
			 bool more, void *ctx)
{
	(void)more;
	(void)ctx;
	if (n != 1)
		quoit_count(&seen.wrong, 1);
	seen.caller = quoit_caller_of(messages);
	quoit_timers_start(quoit_core_timers(core), &seen.timer, quoit_core_now_ns(core) + 2000000,
			   reply_from_timer, core);
}

static void note_posts(struct quoit_core *core, const struct quoit_message *messages, size_t n,
		       bool more, void *ctx)
{
	(void)core;
	(void)more;
	(void)ctx;
	for (size_t i = 0; i < n; i++) {
		uint64_t number;

		memcpy(&number, messages[i].body, sizeof(number));
		if (number != seen.last_post[messages[i].source] + 1)
			quoit_count(&seen.wrong, 1);
		seen.last_post[messages[i].source] = number;
	}
	quoit_count(&seen.posts, n);
}

static int register_all(struct quoit_core *core, void *ctx)
{
	int rc = quoit_on_message(core, OP_ECHO, answer, ctx);

	if (rc >= 0)
		rc = quoit_on_message(core, OP_LATER, answer_later, ctx);
	if (rc >= 0)
		rc = quoit_on_message(core, OP_POST, note_posts, ctx);
	if (rc >= 0)
		rc = quoit_on_message(core, OP_LAST, answer, ctx);
	return rc;
}

static void serve(void)
{
	if (!server.also)
		server.also = register_all;
	server_start(&server);
}

static void note_reply(struct quoit_core *core, const struct quoit_message *reply, void *ctx)
{
	(void)core;
	(void)ctx;
	seen.status = reply->status;
	memcpy(seen.body, reply->body, sizeof(seen.body));
	quoit_count(&seen.replies, 1);
}

/* --- bodies ---------------------------------------------------------------------------------- */

static void call_with_bodies(struct quoit_core *core, void *ctx)
{
	unsigned char body[QUOIT_MESSAGE_BODY + 1];

	(void)ctx;
	pattern_fill(body, sizeof(body), 3);
	seen.rc[0] = quoit_call(core, seen.to, OP_LAST, body, QUOIT_MESSAGE_BODY, note_reply, NULL);
	seen.rc[1] = quoit_call(core, seen.to, OP_ECHO, body, sizeof(body), note_reply, NULL);
	seen.rc[2] = quoit_post(core, seen.to, OP_POST, body, sizeof(body));
	seen.rc[3] = quoit_call(core, seen.to, QUOIT_OPERATIONS, NULL, 0, note_reply, NULL);
	seen.rc[4] = quoit_post(core, seen.to, QUOIT_OPERATIONS, NULL, 0);
	seen.rc[5] = quoit_call(core, 2, OP_ECHO, NULL, 0, note_reply, NULL);
	seen.rc[6] = quoit_post(core, UINT32_MAX, OP_POST, NULL, 0);
}

static void call_with_nothing(struct quoit_core *core, void *ctx)
{
	(void)ctx;
	seen.rc[0] = quoit_call(core, seen.to, OP_ECHO, NULL, 0, note_reply, NULL);
}

static void a_call_carries_up_to_48_bytes_each_way_to_another_core_and_to_itself(void **state)
{
	(void)state;
	serve();
	for (unsigned to = 0; to < 2; to++) {
		server_settle(&server); /* the cores are done with what is changed here */
		seen.to = to;
		quoit_store(&seen.replies, 0);
		server_run(&server, 0, call_with_bodies, NULL);
		assert_soon(quoit_load(&seen.replies) == 1);
		server_run(&server, 0, call_with_nothing, NULL);
		assert_soon(quoit_load(&seen.replies) == 2);
		assert_int_equal(seen.rc[0], 0);
		for (int i = 1; i <= 6; i++)
			assert_int_equal(seen.rc[i], -EINVAL);
	}
	server_stop(&server);
	assert_int_equal(seen.replies, 2); /* what was refused got no answer */
}

static void the_answer_has_the_status_and_bytes_that_the_handler_gave(void **state)
{
	(void)state;
	serve();
	seen.to = 1;
	server_run(&server, 0, call_with_bodies, NULL);
	assert_soon(quoit_load(&seen.replies) == 1);
	server_stop(&server);
	assert_int_equal(seen.status, 7);
	for (size_t i = 0; i < QUOIT_MESSAGE_BODY; i++)
		assert_int_equal(seen.body[i], (unsigned char)~pattern_byte(3 + i));
}

static void call_later(struct quoit_core *core, void *ctx)
{
	(void)ctx;
	seen.rc[0] = quoit_call(core, seen.to, OP_LATER, NULL, 0, note_reply, NULL);
}

static void a_request_may_be_answered_later_from_a_timer(void **state)
{
	(void)state;
	serve();
	for (unsigned to = 0; to < 2; to++) {
		server_settle(&server); /* the cores are done with what is changed here */
		seen.to = to;
		quoit_store(&seen.replies, 0);
		server_run(&server, 0, call_later, NULL);
		assert_int_equal(seen.rc[0], 0);
		assert_soon(quoit_load(&seen.replies) == 1);
	}
	server_stop(&server);
	assert_int_equal(seen.status, 8);
	assert_int_equal(seen.wrong, 0);
}

static void call_and_post(struct quoit_core *core, void *ctx)
{
	(void)ctx;
	seen.rc[0] = quoit_call(core, seen.to, OP_LATER, NULL, 0, note_reply, NULL);
	seen.rc[1] = quoit_post(core, seen.to, OP_ECHO, NULL, 0);
}

/* One handler serves an operation's posts and requests, and answers them all. */
static void the_answer_to_a_post_goes_nowhere(void **state)
{
	(void)state;
	serve();
	seen.to = 1;
	server_run(&server, 0, call_and_post, NULL);
	assert_int_equal(seen.rc[0] | seen.rc[1], 0);
	assert_soon(quoit_load(&seen.replies) == 1);
	server_stop(&server);
	assert_int_equal(seen.replies, 1);
	assert_int_equal(seen.status, 8); /* the call's own answer, not the post's */
}

/* --- credits --------------------------------------------------------------------------------- */

enum {
	CALLS = 2000,
	CREDITS = 4
};

static uint64_t calls_made;

static void count_reply(struct quoit_core *core, const struct quoit_message *reply, void *ctx)
{
	(void)core;
	if (reply->status != 7)
		quoit_count(&seen.wrong, 1);
	quoit_count((uint64_t *)ctx, 1);
	quoit_count(&seen.replies, 1);
}

/* Call as often as may be, until all calls have been made. */
static void call_on(struct quoit_core *core)
{
	while (calls_made < CALLS) {
		const int rc = quoit_call(core, seen.to, OP_ECHO, NULL, 0, count_reply,
					  &seen.answered[calls_made]);

		if (rc == -EAGAIN)
			return;
		if (rc < 0) {
			quoit_count(&seen.wrong, 1);
			return;
		}
		calls_made++;
	}
}

static void call_on_credit(struct quoit_core *core, unsigned to, int depth, void *ctx)
{
	(void)depth;
	(void)ctx;
	if (to != seen.to)
		quoit_count(&seen.wrong, 1);
	quoit_count(&seen.credits, 1);
	call_on(core);
}

static void begin_calling(struct quoit_core *core, void *ctx)
{
	(void)ctx;
	calls_made = 0;
	quoit_on_credit(core, call_on_credit, NULL);
	call_on(core);
}

static void without_credit_a_call_is_refused_and_told_when_there_is_some(void **state)
{
	(void)state;
	server.config.calls_per_pair = CREDITS;
	serve();
	for (unsigned to = 0; to < 2; to++) {
		server_settle(&server); /* the cores are done with what is changed here */
		seen.to = to;
		memset(&seen.answered, 0, sizeof(seen.answered));
		quoit_store(&seen.replies, 0);
		quoit_store(&seen.credits, 0);
		server_run(&server, 0, begin_calling, NULL);
		assert_soon(quoit_load(&seen.replies) == CALLS);
		assert_true(quoit_load(&seen.credits) > 0);
	}
	assert_true(server_stats(&server).refused > 0);
	server_stop(&server);
	assert_int_equal(seen.wrong, 0);
	for (unsigned i = 0; i < CALLS; i++)
		assert_int_equal(seen.answered[i], 1);
}

/* Each answer asks for the next one, with the only credit there is. */
static void call_again(struct quoit_core *core, const struct quoit_message *reply, void *ctx)
{
	(void)reply;
	(void)ctx;
	if (quoit_add(&seen.replies, 1) + 1 < 100 &&
	    quoit_call(core, seen.to, OP_ECHO, NULL, 0, call_again, NULL) < 0)
		quoit_add(&seen.wrong, 1);
}

static void begin_chain(struct quoit_core *core, void *ctx)
{
	(void)ctx;
	seen.rc[0] = quoit_call(core, seen.to, OP_ECHO, NULL, 0, call_again, NULL);
}

static void the_credit_of_a_call_is_free_again_when_its_answer_is_handled(void **state)
{
	(void)state;
	server.config.calls_per_pair = 1;
	serve();
	for (unsigned to = 0; to < 2; to++) {
		server_settle(&server);
		seen.to = to;
		quoit_store(&seen.replies, 0);
		server_run(&server, 0, begin_chain, NULL);
		assert_int_equal(seen.rc[0], 0);
		assert_soon(quoit_load_acquire(&seen.replies) == 100 || quoit_load(&seen.wrong));
	}
	server_stop(&server);
	assert_int_equal(seen.wrong, 0);
}

/* --- posts ----------------------------------------------------------------------------------- */

static uint64_t posts_made;

static void post_on(struct quoit_core *core)
{
	while (posts_made < CALLS) {
		const uint64_t number = posts_made + 1;
		const int rc = quoit_post(core, seen.to, OP_POST, &number, sizeof(number));

		if (rc == -EAGAIN)
			return;
		if (rc < 0) {
			quoit_count(&seen.wrong, 1);
			return;
		}
		posts_made++;
	}
}

static void post_on_credit(struct quoit_core *core, unsigned to, int depth, void *ctx)
{
	(void)depth;
	(void)to;
	(void)ctx;
	quoit_count(&seen.credits, 1);
	post_on(core);
}

static void begin_posting(struct quoit_core *core, void *ctx)
{
	(void)ctx;
	posts_made = 0;
	seen.last_post[quoit_core_index(core)] = 0;
	quoit_on_credit(core, post_on_credit, NULL);
	post_on(core);
}

static void posts_arrive_in_order_and_a_full_lane_is_told_when_there_is_room(void **state)
{
	uint64_t told;

	(void)state;
	server.config.calls_per_pair = CREDITS;
	serve();
	for (unsigned to = 0; to < 2; to++) {
		server_settle(&server); /* the cores are done with what is changed here */
		seen.to = to;
		quoit_store(&seen.posts, 0);
		quoit_store(&seen.credits, 0);
		server_run(&server, 0, begin_posting, NULL);
		assert_soon(quoit_load(&seen.posts) == CALLS);
		server_settle(&server);
		told = quoit_load(&seen.credits);
		assert_true(told > 0);
		server_settle(&server);
		assert_int_equal(quoit_load(&seen.credits), told); /* once for each refusal */
	}
	server_stop(&server);
	assert_int_equal(seen.wrong, 0);
}

/* --- calls in handlers ----------------------------------------------------------------------- */

/* A request that is answered when the call it made in turn has been answered. */
static void finish_outer(struct quoit_core *core, const struct quoit_message *reply, void *ctx)
{
	(void)ctx;
	quoit_count(&seen.nested_done, 1);
	quoit_reply(core, seen.caller, reply->status + 1, reply->body, QUOIT_MESSAGE_BODY);
}

static void ask_back(struct quoit_core *core, const struct quoit_message *messages, size_t n,
		     bool more, void *ctx)
{
	(void)n;
	(void)more;
	(void)ctx;
	seen.caller = quoit_caller_of(messages);
	if (quoit_call(core, messages->source, OP_ECHO, messages->body, QUOIT_MESSAGE_BODY,
		       finish_outer, NULL) < 0)
		quoit_count(&seen.wrong, 1);
}

static int register_nested(struct quoit_core *core, void *ctx)
{
	const int rc = quoit_on_message(core, OP_SLOW, ask_back, ctx);

	return rc < 0 ? rc : register_all(core, ctx);
}

static void call_nested(struct quoit_core *core, void *ctx)
{
	unsigned char body[QUOIT_MESSAGE_BODY];

	(void)ctx;
	pattern_fill(body, sizeof(body), 0);
	seen.rc[0] = quoit_call(core, seen.to, OP_SLOW, body, sizeof(body), note_reply, NULL);
}

static void a_handler_may_call_back_before_it_answers(void **state)
{
	(void)state;
	server.config.calls_per_pair = 2; /* to itself, both calls are of one pair */
	server.also = register_nested;
	serve();
	for (unsigned i = 0; i < 100; i++) {
		server_settle(&server);
		seen.to = i & 1;
		server_run(&server, 0, call_nested, NULL);
		assert_int_equal(seen.rc[0], 0);
		assert_soon(quoit_load(&seen.replies) == i + 1);
	}
	server_stop(&server);
	assert_int_equal(seen.status, 8);
	assert_int_equal(seen.nested_done, 100);
	assert_int_equal(seen.wrong, 0);
	for (size_t i = 0; i < QUOIT_MESSAGE_BODY; i++)
		assert_int_equal(seen.body[i], (unsigned char)~pattern_byte(i));
}

/* --- registering ----------------------------------------------------------------------------- */

static int register_badly(struct quoit_core *core, void *ctx)
{
	if (quoit_core_index(core) == 0) {
		seen.rc[0] = quoit_on_message(core, QUOIT_OPERATIONS, answer, ctx);
		seen.rc[1] = quoit_on_message(core, OP_ECHO, NULL, ctx);
		seen.rc[2] = quoit_on_message(core, OP_ECHO, answer, ctx);
		seen.rc[3] = quoit_on_message(core, OP_ECHO, note_posts, ctx);
		seen.rc[4] = quoit_on_message(core, QUOIT_OPERATIONS - 1, answer, ctx);
	}
	return 0;
}

static void an_operation_has_one_handler_and_a_number_in_range(void **state)
{
	(void)state;
	server.also = register_badly;
	serve();
	server_stop(&server);
	assert_int_equal(seen.rc[0], -EINVAL);
	assert_int_equal(seen.rc[1], -EINVAL);
	assert_int_equal(seen.rc[2], 0);
	assert_int_equal(seen.rc[3], -EEXIST);
	assert_int_equal(seen.rc[4], 0);
}

static int register_twice(struct quoit_core *core, void *ctx)
{
	const int rc = quoit_on_message(core, OP_ECHO, answer, ctx);

	return rc < 0 ? rc : quoit_on_message(core, OP_ECHO, answer, ctx);
}

static void a_start_that_registers_twice_fails_with_the_reason(void **state)
{
	const struct quoit_config config = {.cores = 2, .start = register_twice};
	struct quoit_runtime *runtime = NULL;
	struct quoit_reason why = {0};
	int rc;

	(void)state;
	serve(); /* skips where there is no io_uring */
	server_stop(&server);
	rc = quoit_runtime_start(&config, &runtime, &why);
	assert_int_equal(rc, -EEXIST);
	assert_non_null(strstr(why.text, "operation 0"));
	assert_null(runtime);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, forget, abandon)
	const struct CMUnitTest tests[] = {
		CASE(a_call_carries_up_to_48_bytes_each_way_to_another_core_and_to_itself),
		CASE(the_answer_has_the_status_and_bytes_that_the_handler_gave),
		CASE(a_request_may_be_answered_later_from_a_timer),
		CASE(the_answer_to_a_post_goes_nowhere),
		CASE(without_credit_a_call_is_refused_and_told_when_there_is_some),
		CASE(the_credit_of_a_call_is_free_again_when_its_answer_is_handled),
		CASE(posts_arrive_in_order_and_a_full_lane_is_told_when_there_is_room),
		CASE(a_handler_may_call_back_before_it_answers),
		CASE(an_operation_has_one_handler_and_a_number_in_range),
		CASE(a_start_that_registers_twice_fails_with_the_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
