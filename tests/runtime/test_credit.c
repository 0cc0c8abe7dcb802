/* SPDX-License-Identifier: MIT */
/*
 * test_credit.c - who was told -EAGAIN is told when there is room: for posts by room in the lane,
 * for calls by a call of that class that has ended, neither waiting for the other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "runtime/sides.h"

#define CREDITS 4
#define DEPTH	3	      /* classes of 4, 1 and 1 credits */
#define ALL	6	      /* credits of all classes */
#define LANE	(2 * CREDITS) /* slots of a lane for posts: see mail_internal.h */

enum {
	POST,
	CALL,
	REFILL,
	ANSWER
};

static size_t post_while_there_is_room(struct quoit_core *core)
{
	size_t n = 0;

	while (!quoit_post(core, 1, POST, NULL, 0))
		n++;
	return n;
}

/* Fill the lane to the last slot, and not be refused. */
static void refill(struct quoit_core *core, const struct quoit_message *messages, size_t n,
		   bool more, void *ctx)
{
	(void)messages;
	(void)n;
	(void)more;
	(void)ctx;
	while (quoit__spsc_room(&core->mail.peers[1].out[QUOIT_LANE_POST]->ring.ring, 1))
		if (quoit_post(core, 1, POST, NULL, 0) < 0)
			abort();
}

static void answer_all(struct quoit_core *core, const struct quoit_message *messages, size_t n,
		       bool more, void *ctx);

static int set_up(void **state)
{
	if (sides_open(state, 2, CREDITS, DEPTH) < 0)
		return -1;
	for (uint32_t i = 0; *state && i < 2; i++) {
		struct quoit_core *core = &sides[i].core;

		if (quoit_on_message(core, POST, side_count_posts, &sides[i]) < 0 ||
		    quoit_on_message(core, CALL, side_keep_callers, &sides[i]) < 0 ||
		    quoit_on_message(core, REFILL, refill, &sides[i]) < 0 ||
		    quoit_on_message(core, ANSWER, answer_all, &sides[i]) < 0)
			return -1;
		quoit_on_credit(core, side_got_credit, &sides[i]);
	}
	return 0;
}

static size_t call_while_there_is_credit(struct side *side)
{
	size_t n = 0;

	while (!quoit_call(&side->core, 1, CALL, NULL, 0, side_got_reply, side))
		n++;
	return n;
}

/* --- the tests ------------------------------------------------------------------------------- */

static void a_full_lane_refuses_and_room_in_it_is_told(void **state)
{
	struct side *a = sides_or_skip(state), *b = a + 1;

	for (size_t round = 1; round <= 5; round++) {
		assert_int_equal(post_while_there_is_room(&a->core), LANE);
		side_turn(a);
		assert_int_equal(a->credits_told, round - 1);
		(void)side_heard(a);
		side_turn(b);
		assert_true(side_heard(a)); /* it may have fallen asleep */
		side_turn(a);
		assert_int_equal(a->credits_told, round);
		assert_int_equal(b->posts_got, round * LANE);
	}
}

static void a_call_that_ends_is_told_to_who_was_refused_a_call(void **state)
{
	struct side *a = sides_or_skip(state), *b = a + 1;

	assert_int_equal(call_while_there_is_credit(a), CREDITS);
	side_turn(a);
	side_turn(b);
	side_turn(a);
	assert_int_equal(a->credits_told, 0);
	quoit_reply(&b->core, b->callers[0], 0, NULL, 0);
	side_turn(b);
	side_turn(a);
	assert_int_equal(a->replies_got, 1);
	assert_int_equal(a->credits_told, 1);
	assert_int_equal(call_while_there_is_credit(a), 1);
}

/* B may answer only when it has got all posts: waiting for an answer first would be for ever. */
static void room_for_posts_is_told_while_all_calls_are_open(void **state)
{
	struct side *a = sides_or_skip(state), *b = a + 1;

	assert_int_equal(call_while_there_is_credit(a), CREDITS);
	assert_int_equal(post_while_there_is_room(&a->core), LANE);
	side_turn(a);
	side_turn(b);
	side_turn(a);
	assert_int_equal(b->posts_got, LANE);
	assert_int_equal(a->credits_told, 1);
}

/* B has answered, but not yet read what A posts: nobody would ring for the posts. */
static void credit_for_calls_is_told_while_the_lane_for_posts_is_full(void **state)
{
	struct side *a = sides_or_skip(state), *b = a + 1;

	assert_int_equal(call_while_there_is_credit(a), CREDITS);
	side_turn(a);
	side_turn(b);
	for (size_t i = 0; i < CREDITS; i++)
		quoit_reply(&b->core, b->callers[i], 0, NULL, 0);
	side_turn(b);
	for (size_t i = 0; i < LANE; i++)
		assert_int_equal(quoit_post(&a->core, 1, POST, NULL, 0), 0);
	side_turn(a);
	assert_int_equal(a->replies_got, CREDITS);
	assert_int_equal(a->credits_told, 1);
}

/* The room that B told of is taken before anybody is told; the next room must be told again. */
static void room_that_was_taken_at_once_is_asked_for_again(void **state)
{
	struct side *a = sides_or_skip(state), *b = a + 1;

	assert_int_equal(post_while_there_is_room(&a->core), LANE);
	side_turn(a);
	assert_int_equal(quoit_post(&b->core, 0, REFILL, NULL, 0), 0);
	side_turn(b); /* reads all, tells of it, and has A post anew */
	(void)side_heard(a);
	side_turn(a);
	assert_int_equal(a->credits_told, 0); /* full again */
	side_turn(b);
	assert_int_equal(b->posts_got, 2 * LANE);
	assert_true(side_heard(a));
	side_turn(a);
	assert_int_equal(a->credits_told, 1);
}

/* --- classes --------------------------------------------------------------------------------- */

static int call_at(struct side *side, int depth)
{
	const struct quoit_caller caller = {.core = 0, .token = 1, .depth = (uint8_t)(depth - 1)};

	if (!depth)
		return quoit_call(&side->core, 1, CALL, NULL, 0, side_got_reply, side);
	return quoit_call_nested(&side->core, &caller, 1, CALL, NULL, 0, side_got_reply, side);
}

static void each_depth_has_its_own_credits_and_none_lies_below_the_last(void **state)
{
	struct side *a = sides_or_skip(state), *b = a + 1;

	assert_int_equal(call_while_there_is_credit(a), CREDITS);
	assert_int_equal(call_at(a, 1), 0);
	assert_int_equal(call_at(a, 1), -EAGAIN);
	assert_int_equal(call_at(a, 2), 0);
	assert_int_equal(call_at(a, 2), -EAGAIN);
	assert_int_equal(call_at(a, 3), -ELOOP);
	side_turn(a);
	side_turn(b);
	assert_int_equal(b->caller_count, ALL);
	for (int i = 0; i < ALL; i++) /* a request says how deep it is */
		assert_int_equal(b->callers[i].depth, i < CREDITS ? 0 : i - CREDITS + 1);
}

static void on_behalf_of_a_post_a_call_is_nested_in_nothing(void **state)
{
	const struct quoit_caller of_post = {.core = 0, .token = 0, .depth = 0};
	struct side *a = sides_or_skip(state), *b = a + 1;

	assert_int_equal(quoit_call_nested(&a->core, &of_post, 1, CALL, NULL, 0, side_got_reply, a),
			 0);
	side_turn(a);
	side_turn(b);
	assert_int_equal(b->callers[0].depth, 0);
}

static void a_credit_that_comes_back_is_told_with_its_core_and_its_depth(void **state)
{
	struct side *a = sides_or_skip(state), *b = a + 1;

	for (int depth = 0; depth < DEPTH; depth++)
		while (!call_at(a, depth))
			;
	side_turn(a);
	side_turn(b);
	for (int depth = DEPTH - 1; depth >= 0; depth--) {
		quoit_reply(&b->core, b->callers[depth ? CREDITS + depth - 1 : 0], 0, NULL, 0);
		side_turn(b);
		side_turn(a);
		assert_int_equal(a->credits_told, DEPTH - depth);
		assert_int_equal(a->told_depth, depth);
		assert_int_equal(a->told_to, 1);
	}
	while (!quoit_post(&a->core, 1, POST, NULL, 0))
		;
	side_turn(a);
	side_turn(b);
	side_turn(a);
	assert_int_equal(a->told_depth, QUOIT_CREDIT_POST);
}

/* --- whose turn it is ------------------------------------------------------------------------ */

static int barged;

static void call_from_reply(struct quoit_core *core, const struct quoit_message *reply, void *ctx)
{
	(void)reply;
	barged = quoit_call(core, 1, CALL, NULL, 0, side_got_reply, ctx);
}

static void call_from_credit(struct quoit_core *core, unsigned to, int depth, void *ctx)
{
	side_got_credit(core, to, depth, ctx);
	if (quoit_call(core, to, CALL, NULL, 0, side_got_reply, ctx) < 0)
		abort();
}

/* The credit is there, but another was refused before: it is his. */
static void nobody_overtakes_who_was_refused(void **state)
{
	struct side *a = sides_or_skip(state), *b = a + 1;

	quoit_on_credit(&a->core, call_from_credit, a);
	assert_int_equal(quoit_call(&a->core, 1, CALL, NULL, 0, call_from_reply, a), 0);
	assert_int_equal(call_while_there_is_credit(a), CREDITS - 1);
	side_turn(a);
	side_turn(b);
	quoit_reply(&b->core, b->callers[0], 0, NULL, 0);
	side_turn(b);
	side_turn(a);
	assert_int_equal(barged, -EAGAIN);
	assert_int_equal(a->credits_told, 1);
	side_turn(b);
	assert_int_equal(b->caller_count, CREDITS + 1);
}

static void where_nobody_is_told_whoever_comes_may_call(void **state)
{
	struct side *a = sides_or_skip(state), *b = a + 1;

	quoit_on_credit(&a->core, NULL, NULL);
	assert_int_equal(quoit_call(&a->core, 1, CALL, NULL, 0, call_from_reply, a), 0);
	assert_int_equal(call_while_there_is_credit(a), CREDITS - 1);
	side_turn(a);
	side_turn(b);
	quoit_reply(&b->core, b->callers[0], 0, NULL, 0);
	side_turn(b);
	side_turn(a);
	assert_int_equal(barged, 0);
}

/* --- room ------------------------------------------------------------------------------------ */

static size_t called_again;

static void call_once_more(struct quoit_core *core, const struct quoit_message *reply, void *ctx)
{
	const uint64_t depth = (uint64_t)reply->status;
	const struct quoit_caller caller = {.token = 1, .depth = (uint8_t)(depth - 1)};

	called_again +=
		!(depth ? quoit_call_nested(core, &caller, 1, CALL, NULL, 0, side_got_reply, ctx)
			: quoit_call(core, 1, CALL, NULL, 0, side_got_reply, ctx));
}

/* Answer, and let the other side go on before the batch is over and its slots are free. */
static void answer_all(struct quoit_core *core, const struct quoit_message *messages, size_t n,
		       bool more, void *ctx)
{
	(void)more;
	(void)ctx;
	for (size_t i = 0; i < n; i++)
		quoit_reply(core, quoit_caller_of(&messages[i]), messages[i].depth, NULL, 0);
	core->mail.source.flush(&core->mail.source);
	side_turn(&sides[0]);
}

/* Without room for twice the credits of all classes a slot that was promised would be missing. */
static void lanes_hold_a_full_set_of_calls_behind_one_that_is_not_freed_yet(void **state)
{
	struct side *a = sides_or_skip(state), *b = a + 1;

	called_again = 0;
	for (unsigned i = 0; i < ALL; i++) {
		const unsigned depth = i < CREDITS ? 0 : i - CREDITS + 1;
		const struct quoit_caller caller = {.token = depth != 0,
						    .depth = (uint8_t)(depth - 1)};

		assert_int_equal(
			quoit_call_nested(&a->core, &caller, 1, ANSWER, NULL, 0, call_once_more, a),
			0);
	}
	side_turn(a);
	side_turn(b);
	assert_int_equal(called_again, ALL);
	side_turn(b);
	assert_int_equal(b->caller_count, ALL);
}

#define WITH_SIDES(test) cmocka_unit_test_setup_teardown(test, set_up, sides_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SIDES(a_full_lane_refuses_and_room_in_it_is_told),
		WITH_SIDES(a_call_that_ends_is_told_to_who_was_refused_a_call),
		WITH_SIDES(room_for_posts_is_told_while_all_calls_are_open),
		WITH_SIDES(credit_for_calls_is_told_while_the_lane_for_posts_is_full),
		WITH_SIDES(room_that_was_taken_at_once_is_asked_for_again),
		WITH_SIDES(each_depth_has_its_own_credits_and_none_lies_below_the_last),
		WITH_SIDES(on_behalf_of_a_post_a_call_is_nested_in_nothing),
		WITH_SIDES(a_credit_that_comes_back_is_told_with_its_core_and_its_depth),
		WITH_SIDES(nobody_overtakes_who_was_refused),
		WITH_SIDES(where_nobody_is_told_whoever_comes_may_call),
		WITH_SIDES(lanes_hold_a_full_set_of_calls_behind_one_that_is_not_freed_yet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
