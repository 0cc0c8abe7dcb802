/* SPDX-License-Identifier: MIT */
/*
 * test_credit.c - who was told -EAGAIN is told when there is room: for posts by room in the lane,
 * for calls by a call that has ended, neither waiting for the other.
 *
 * Two cores on one thread, whose turns the test takes by hand: what happens between them is exact,
 * and "would sleep for ever" shows as a bell that was not rung.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <quoit/runtime/core_internal.h>

#include <support/skip.h>

#define CREDITS	  4
#define LANE	  (2 * CREDITS) /* slots of a lane: see mail_internal.h */
#define POST	  1
#define CALL	  2
#define REFILL	  3
#define CALLS_MAX 64

struct side {
	struct quoit_core core;
	struct quoit_bell bells[2];
	size_t credits_told, posts_got, replies_got, caller_count;
	struct quoit_caller callers[CALLS_MAX];
};

static struct side sides[2];

static void count_posts(struct quoit_core *core, const struct quoit_message *messages, size_t n,
			bool more, void *ctx)
{
	struct side *side = ctx;

	(void)core;
	(void)messages;
	(void)more;
	side->posts_got += n;
}

/* Keep the callers waiting. */
static void keep_callers(struct quoit_core *core, const struct quoit_message *messages, size_t n,
			 bool more, void *ctx)
{
	struct side *side = ctx;

	(void)core;
	(void)more;
	for (size_t i = 0; i < n; i++)
		side->callers[side->caller_count++ % CALLS_MAX] = quoit_caller_of(&messages[i]);
}

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

static void got_reply(struct quoit_core *core, const struct quoit_message *reply, void *ctx)
{
	struct side *side = ctx;

	(void)core;
	(void)reply;
	side->replies_got++;
}

static void got_credit(struct quoit_core *core, unsigned to, void *ctx)
{
	struct side *side = ctx;

	(void)core;
	(void)to;
	side->credits_told++;
}

static int open_side(struct side *side, uint32_t index, struct quoit_reason *why)
{
	const struct quoit_region_options options = {.bytes = quoit_mail_bytes(2, CREDITS),
						     .node = -1};
	struct quoit_core *core = &side->core;
	int rc;

	memset(side, 0, sizeof(*side));
	side->bells[0].owner.slot = 0;
	side->bells[1].owner.slot = 1;
	core->index = index;
	rc = quoit_region_open(&core->region, &options, why);
	if (rc < 0)
		return rc;
	rc = quoit_loop_open(&core->loop, 64, side->bells, 2, why);
	if (rc < 0) {
		quoit_region_close(&core->region);
		return rc;
	}
	return quoit_mail_open(&core->mail, core, &core->loop, &core->region, index, 2, CREDITS);
}

static int set_up(void **state)
{
	struct quoit_reason why = {0};

	*state = NULL;
	for (uint32_t i = 0; i < 2; i++)
		if (open_side(&sides[i], i, &why) < 0) {
			print_message("io_uring: %s\n", why.text);
			return i ? -1 : 0;
		}
	for (uint32_t i = 0; i < 2; i++) {
		struct quoit_core *core = &sides[i].core;

		quoit_mail_connect(&core->mail, 0, &sides[0].core.mail);
		quoit_mail_connect(&core->mail, 1, &sides[1].core.mail);
		if (quoit_on_message(core, POST, count_posts, &sides[i]) < 0 ||
		    quoit_on_message(core, CALL, keep_callers, &sides[i]) < 0 ||
		    quoit_on_message(core, REFILL, refill, &sides[i]) < 0)
			return -1;
		quoit_on_credit(core, got_credit, &sides[i]);
	}
	*state = sides;
	return 0;
}

static int tear_down(void **state)
{
	if (!*state)
		return 0;
	for (int i = 0; i < 2; i++) {
		struct quoit_loop *loop = &sides[i].core.loop;

		quoit_loop_silence_bell(loop);
		while (!quoit_loop_bell_is_silent(loop))
			quoit_loop_turn(loop, false);
		quoit_loop_close(loop);
	}
	for (int i = 0; i < 2; i++) {
		quoit_loop_close_bell(&sides[i].core.loop);
		quoit_region_close(&sides[i].core.region);
	}
	return 0;
}

static struct side *sides_or_skip(void **state)
{
	if (!*state)
		skip_because("io_uring is refused");
	return *state;
}

static void turn(struct side *side)
{
	quoit_loop_turn(&side->core.loop, false);
}

/* Was this side's bell rung since the last time we asked? */
static bool heard(const struct side *side)
{
	uint64_t rings;

	return read(side->core.loop.notify.fd, &rings, sizeof(rings)) == (ssize_t)sizeof(rings);
}

static size_t call_while_there_is_credit(struct side *side)
{
	size_t n = 0;

	while (!quoit_call(&side->core, 1, CALL, NULL, 0, got_reply, side))
		n++;
	return n;
}

/* --- the tests ------------------------------------------------------------------------------- */

static void a_full_lane_refuses_and_room_in_it_is_told(void **state)
{
	struct side *a = sides_or_skip(state), *b = a + 1;

	for (size_t round = 1; round <= 5; round++) {
		assert_int_equal(post_while_there_is_room(&a->core), LANE);
		turn(a);
		assert_int_equal(a->credits_told, round - 1);
		(void)heard(a);
		turn(b);
		assert_true(heard(a)); /* it may have fallen asleep */
		turn(a);
		assert_int_equal(a->credits_told, round);
		assert_int_equal(b->posts_got, round * LANE);
	}
}

static void a_call_that_ends_is_told_to_who_was_refused_a_call(void **state)
{
	struct side *a = sides_or_skip(state), *b = a + 1;

	assert_int_equal(call_while_there_is_credit(a), CREDITS);
	turn(a);
	turn(b);
	turn(a);
	assert_int_equal(a->credits_told, 0);
	quoit_reply(&b->core, b->callers[0], 0, NULL, 0);
	turn(b);
	turn(a);
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
	turn(a);
	turn(b);
	turn(a);
	assert_int_equal(b->posts_got, LANE);
	assert_int_equal(a->credits_told, 1);
}

/* B has answered, but not yet read what A posts: nobody would ring for the posts. */
static void credit_for_calls_is_told_while_the_lane_for_posts_is_full(void **state)
{
	struct side *a = sides_or_skip(state), *b = a + 1;

	assert_int_equal(call_while_there_is_credit(a), CREDITS);
	turn(a);
	turn(b);
	for (size_t i = 0; i < CREDITS; i++)
		quoit_reply(&b->core, b->callers[i], 0, NULL, 0);
	turn(b);
	for (size_t i = 0; i < LANE; i++)
		assert_int_equal(quoit_post(&a->core, 1, POST, NULL, 0), 0);
	turn(a);
	assert_int_equal(a->replies_got, CREDITS);
	assert_int_equal(a->credits_told, 1);
}

/* The room that B told of is taken before anybody is told; the next room must be told again. */
static void room_that_was_taken_at_once_is_asked_for_again(void **state)
{
	struct side *a = sides_or_skip(state), *b = a + 1;

	assert_int_equal(post_while_there_is_room(&a->core), LANE);
	turn(a);
	assert_int_equal(quoit_post(&b->core, 0, REFILL, NULL, 0), 0);
	turn(b); /* reads all, tells of it, and has A post anew */
	(void)heard(a);
	turn(a);
	assert_int_equal(a->credits_told, 0); /* full again */
	turn(b);
	assert_int_equal(b->posts_got, 2 * LANE);
	assert_true(heard(a));
	turn(a);
	assert_int_equal(a->credits_told, 1);
}

#define WITH_SIDES(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SIDES(a_full_lane_refuses_and_room_in_it_is_told),
		WITH_SIDES(a_call_that_ends_is_told_to_who_was_refused_a_call),
		WITH_SIDES(room_for_posts_is_told_while_all_calls_are_open),
		WITH_SIDES(credit_for_calls_is_told_while_the_lane_for_posts_is_full),
		WITH_SIDES(room_that_was_taken_at_once_is_asked_for_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
