/* SPDX-License-Identifier: MIT */
/*
 * test_call_timeout.c - a call with a deadline is answered or times out, once; its credit comes
 * back with the answer and not before.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "runtime/sides.h"

#define CREDITS 2
#define OP	9

static const struct quoit_call_options in_time = {.timeout_ns = 1000000000};

static int set_up(void **state)
{
	if (sides_open(state, 2, CREDITS, 2) < 0)
		return -1;
	for (uint32_t i = 0; *state && i < 2; i++) {
		if (quoit_on_message(&sides[i].core, OP, side_keep_callers, &sides[i]) < 0)
			return -1;
		quoit_on_credit(&sides[i].core, side_got_credit, &sides[i]);
	}
	return 0;
}

static int call(struct side *side)
{
	return quoit_call_with(&side->core, 1, OP, NULL, 0, side_got_reply, side, &in_time);
}

static void reply(struct side *side, size_t i, int status)
{
	quoit_reply(&side->core, side->callers[i], status, NULL, 0);
	side_turn(side);
}

static void what_cannot_be_called_is_refused_as_without_a_deadline(void **state)
{
	const struct quoit_caller deepest = {.token = 1, .depth = 1};
	const struct quoit_call_options too_deep = {.caller = &deepest, .timeout_ns = 1};
	struct side *a = sides_or_skip(state);

	assert_int_equal(quoit_call_with(&a->core, 1, OP, NULL, 0, NULL, a, &in_time), -EINVAL);
	assert_int_equal(quoit_call_with(&a->core, 2, OP, NULL, 0, side_got_reply, a, &in_time),
			 -EINVAL);
	assert_int_equal(quoit_call_with(&a->core, 1, QUOIT_OPERATIONS, NULL, 0, side_got_reply, a,
					 &in_time),
			 -EINVAL);
	assert_int_equal(quoit_call_with(&a->core, 1, OP, a, QUOIT_MESSAGE_BODY + 1, side_got_reply,
					 a, &in_time),
			 -EINVAL);
	assert_int_equal(quoit_call_with(&a->core, 1, OP, NULL, 0, side_got_reply, a, &too_deep),
			 -ELOOP);
	assert_int_equal(call(a), 0);
	assert_int_equal(call(a), 0);
	assert_int_equal(call(a), -EAGAIN);
	a->core.mail.sealed = true;
	assert_int_equal(call(a), -ESHUTDOWN);
	assert_int_equal(quoit_call_with(&a->core, 1, OP, NULL, 0, side_got_reply, a, &too_deep),
			 -ESHUTDOWN);
	a->core.mail.sealed = false;
	assert_int_equal(quoit_mail_cancel_calls(&a->core.mail), 2);
	assert_int_equal(call(a), -ESHUTDOWN);
	assert_int_equal(a->replies_got, 2);
}

static void an_answer_in_time_stops_the_clock(void **state)
{
	struct side *a = sides_or_skip(state), *b = a + 1;

	assert_int_equal(call(a), 0);
	side_turn(a);
	side_turn(b);
	reply(b, 0, 5);
	side_turn(a);
	side_expire(a);
	assert_int_equal(a->replies_got, 1);
	assert_int_equal(a->statuses[0], 5);
	assert_int_equal(quoit_timers_next_ns(&a->core.loop.timers), UINT64_MAX);
	assert_int_equal(a->core.mail.counts.timed_out, 0);
}

static void an_answer_too_late_is_dropped_and_brings_the_credit(void **state)
{
	struct side *a = sides_or_skip(state), *b = a + 1;

	for (unsigned round = 0; round < 3; round++) {
		const size_t told = a->credits_told, got = a->replies_got;

		assert_int_equal(call(a), 0);
		assert_int_equal(call(a), 0);
		side_turn(a);
		side_turn(b);
		side_expire(a);
		assert_int_equal(a->replies_got, got + 2);
		assert_int_equal(a->statuses[got], -ETIMEDOUT);
		assert_int_equal(a->statuses[got + 1], -ETIMEDOUT);
		assert_int_equal(a->core.mail.calls_open, 0); /* the caller waits for nothing */
		assert_int_equal(call(a), -EAGAIN); /* but B may still fill the reply lane */
		side_turn(a);
		assert_int_equal(a->credits_told, told);
		reply(b, b->caller_count - 1, 1);
		side_turn(a);
		assert_int_equal(a->replies_got, got + 2);
		assert_int_equal(a->credits_told, told + 1);
		reply(b, b->caller_count - 2, 1);
		side_turn(a);
		assert_int_equal(a->replies_got, got + 2);
	}
	assert_int_equal(a->core.mail.counts.timed_out, 6);
}

/* The frame of the first call serves the second one: its answer must find the second only. */
static void a_frame_used_again_gets_only_its_own_answer(void **state)
{
	struct side *a = sides_or_skip(state), *b = a + 1;

	assert_int_equal(call(a), 0);
	side_turn(a);
	side_turn(b);
	side_expire(a);
	reply(b, 0, 1);
	side_turn(a);
	assert_int_equal(call(a), 0);
	side_turn(a);
	side_turn(b);
	assert_int_equal((uint32_t)b->callers[0].token, (uint32_t)b->callers[1].token);
	assert_int_not_equal(b->callers[0].token, b->callers[1].token);
	reply(b, 1, 2);
	side_turn(a);
	assert_int_equal(a->replies_got, 2);
	assert_int_equal(a->statuses[1], 2);
}

/* Answer and deadline in one turn: replies are read before timers fire. */
static void an_answer_that_is_there_when_the_time_is_up_counts(void **state)
{
	const struct quoit_call_options at_once = {.timeout_ns = 1};
	struct side *a = sides_or_skip(state), *b = a + 1;

	assert_int_equal(quoit_call_with(&a->core, 1, OP, NULL, 0, side_got_reply, a, &at_once), 0);
	a->core.mail.source.flush(&a->core.mail.source);
	side_turn(b);
	reply(b, 0, 4);
	side_turn(a);
	assert_int_equal(a->replies_got, 1);
	assert_int_equal(a->statuses[0], 4);
}

static void for_ever_is_not_over_at_once(void **state)
{
	const struct quoit_call_options for_ever = {.timeout_ns = UINT64_MAX};
	struct side *a = sides_or_skip(state), *b = a + 1;

	assert_int_equal(quoit_call_with(&a->core, 1, OP, NULL, 0, side_got_reply, a, &for_ever),
			 0);
	side_turn(a);
	side_turn(b);
	side_expire(a);
	assert_int_equal(a->replies_got, 0);
	reply(b, 0, 1);
	side_turn(a);
	assert_int_equal(a->replies_got, 1);
}

static size_t calls_from_timeout;

static void call_again(struct quoit_core *core, const struct quoit_message *answer, void *ctx)
{
	side_got_reply(core, answer, ctx);
	calls_from_timeout += !call(ctx);
}

static void a_call_may_be_made_when_one_has_timed_out(void **state)
{
	struct side *a = sides_or_skip(state), *b = a + 1;

	calls_from_timeout = 0;
	assert_int_equal(quoit_call_with(&a->core, 1, OP, NULL, 0, call_again, a, &in_time), 0);
	side_turn(a);
	side_expire(a);
	assert_int_equal(calls_from_timeout, 1); /* with the second credit */
	side_turn(a);
	side_turn(b);
	assert_int_equal(b->caller_count, 2);
	reply(b, 1, 3);
	reply(b, 0, 2);
	side_turn(a);
	assert_int_equal(a->replies_got, 2);
	assert_int_equal(a->statuses[1], 3);
}

static void cancelled_calls_do_not_time_out_as_well(void **state)
{
	struct side *a = sides_or_skip(state), *b = a + 1;

	assert_int_equal(call(a), 0);
	side_turn(a);
	side_turn(b);
	assert_int_equal(quoit_mail_cancel_calls(&a->core.mail), 1);
	side_expire(a);
	assert_int_equal(a->replies_got, 1);
	assert_int_equal(a->statuses[0], -ECANCELED);
	reply(b, 0, 1);
	side_turn(a);
	assert_int_equal(a->replies_got, 1);
}

#define WITH_SIDES(test) cmocka_unit_test_setup_teardown(test, set_up, sides_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SIDES(what_cannot_be_called_is_refused_as_without_a_deadline),
		WITH_SIDES(an_answer_in_time_stops_the_clock),
		WITH_SIDES(an_answer_too_late_is_dropped_and_brings_the_credit),
		WITH_SIDES(a_frame_used_again_gets_only_its_own_answer),
		WITH_SIDES(an_answer_that_is_there_when_the_time_is_up_counts),
		WITH_SIDES(for_ever_is_not_over_at_once),
		WITH_SIDES(a_call_may_be_made_when_one_has_timed_out),
		WITH_SIDES(cancelled_calls_do_not_time_out_as_well),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
