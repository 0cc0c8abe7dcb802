/* SPDX-License-Identifier: MIT */
/*
 * test_lane_race.c - what may happen between a consumer's look at a lane and its move, made to
 * happen: the looks of lane.h call an intruder here, which does in one thread what other
 * consumers and the producer would do in theirs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <quoit/rings/group.h>
#include <quoit/rings/wait.h>

static void (*intruder)(void);

static uint64_t load_and_be_disturbed(const uint64_t *from)
{
	const uint64_t value = quoit_load_acquire(from);
	void (*const now)(void) = intruder;

	intruder = NULL; /* it loads too */
	if (now)
		now();
	return value;
}

static uint32_t load_a_flag(const uint32_t *from)
{
	return quoit_load_acquire(from);
}

#undef quoit_load_acquire
#define quoit_load_acquire(p) \
	_Generic((p), uint32_t *: load_a_flag, const uint32_t *: load_a_flag, \
		 uint64_t *: load_and_be_disturbed, const uint64_t *: load_and_be_disturbed)(p)
#include <rings/lane_checks.h>

static struct fixture f;
static struct quoit_claim others[64];
static size_t others_open;

static void another_claims_one(void)
{
	assert_int_equal(take(&f, 1, &others[others_open]), QUOIT_CLAIM_GOT);
	others_open++;
}

static void others_go_on_for_laps(void)
{
	for (size_t i = 0; i < 100; i++) {
		assert_int_equal(send(&f, 8), 8);
		assert_int_equal(recv(&f, 16), 8 + (i == 0 ? 3 : 0));
	}
	assert_int_equal(send(&f, 8), 8);
}

static void the_producer_sends_one(void)
{
	assert_int_equal(send(&f, 1), 1);
}

/* D-27: whoever is too slow has lost a race, and must not believe that there is nothing. */
static void a_lost_race_is_not_emptiness(void **state)
{
	uint64_t tail_seen;
	struct quoit_claim claim = {0};

	(void)state;
	start(&f, 64, 8, UINT64_MAX - 5);
	tail_seen = f.tail_seen;
	others_open = 0;
	for (size_t i = 0; i < 40; i++) {
		assert_int_equal(send(&f, 2), 2);
		intruder = another_claims_one;
		assert_int_equal(quoit_lane_claim(&f.lane, &tail_seen, 1, &claim),
				 QUOIT_CLAIM_LOST);
		assert_null(claim.lane);
		assert_int_equal(quoit_lane_claim(&f.lane, &f.tail_seen, 1, &others[1]),
				 QUOIT_CLAIM_GOT);
		f.claimed++;
		quoit_lane_release(&others[0], 1);
		quoit_lane_release(&others[1], 1);
		others_open = 0;
		assert_int_equal(quoit_lane_claim(&f.lane, &tail_seen, 1, &claim),
				 QUOIT_CLAIM_EMPTY);
	}
	finish(&f);
}

/* D-22: head first, tail far later. The claim must be lost, not too long. */
static void a_look_from_laps_ago_claims_nothing(void **state)
{
	for (size_t most = 1; most <= 64; most *= 2) {
		uint64_t tail_seen;
		struct quoit_claim claim = {0};

		(void)state;
		start(&f, 16, 4, UINT64_MAX - 100);
		tail_seen = f.tail_seen;
		assert_int_equal(send(&f, 3), 3);
		intruder = others_go_on_for_laps;
		assert_int_equal(quoit_lane_claim(&f.lane, &tail_seen, most, &claim),
				 QUOIT_CLAIM_LOST);
		assert_null(claim.lane);
		assert_int_equal(recv(&f, 8), 8);
		finish(&f);
	}
}

static void what_is_sent_after_the_look_is_claimed_or_left_but_never_lost(void **state)
{
	struct quoit_claim claim;

	(void)state;
	start(&f, 16, 4, 0);
	for (size_t i = 0; i < 100; i++) {
		intruder = the_producer_sends_one;
		if (take(&f, 8, &claim) == QUOIT_CLAIM_GOT)
			quoit_lane_release(&claim, claim.n);
	}
	recv(&f, 16);
	assert_int_equal(f.claimed, 100);
	finish(&f);
}

/* A block becomes void, and another consumer passes it first. */
static void two_that_pass_a_void_block_do_not_both_move_on(void **state)
{
	struct quoit_claim held = {0}, claim = {0};
	uint64_t tail_seen;

	(void)state;
	start(&f, 16, 4, 0);
	others_open = 0;
	assert_int_equal(send(&f, 4), 4);
	assert_int_equal(take(&f, 1, &held), QUOIT_CLAIM_GOT);
	assert_int_equal(recv(&f, 3), 3);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(send(&f, 4), 4);
		assert_int_equal(recv(&f, 4), 4);
	}
	assert_int_equal(send(&f, 2), 2); /* behind the block that is held */
	assert_int_equal(f.lane.stepped_over, 1);
	tail_seen = 16;
	intruder = another_claims_one;
	assert_int_equal(quoit_lane_claim(&f.lane, &tail_seen, 1, &claim), QUOIT_CLAIM_LOST);
	assert_int_equal(others[0].at, 4);
	assert_int_equal(quoit_lane_claim(&f.lane, &tail_seen, 1, &claim), QUOIT_CLAIM_GOT);
	assert_int_equal(claim.at, 5);
	f.claimed++;
	quoit_lane_release(&claim, 1);
	quoit_lane_release(&others[0], 1);
	quoit_lane_release(&held, 1);
	finish(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lost_race_is_not_emptiness),
		cmocka_unit_test(a_look_from_laps_ago_claims_nothing),
		cmocka_unit_test(what_is_sent_after_the_look_is_claimed_or_left_but_never_lost),
		cmocka_unit_test(two_that_pass_a_void_block_do_not_both_move_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
