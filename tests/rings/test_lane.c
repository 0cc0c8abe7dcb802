/* SPDX-License-Identifier: MIT */
/*
 * test_lane.c - the contract of a lane: claims in place, held in any number and given back in any
 * order, blocks that are stepped over, and the end. What happens between a consumer's look and its
 * move: test_lane_race.c; threads: stress/mpmc.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <string.h>

#include <quoit/rings/lane.h>

#include <rings/lane_checks.h>
#include <support/random.h>

static struct random randomness; /* SEED=n repeats a run */

/* --- setting up ------------------------------------------------------------------------------ */

static void sizes_are_powers_of_two_and_a_block_fits_into_the_lane(void **state)
{
	static const struct {
		size_t capacity, block;
	} bad[] = {
		{0, 0}, {3, 1},	 {12, 4}, {63, 0},	 {QUOIT_LANE_CAPACITY_MAX * 2, 64},
		{8, 3}, {8, 16}, {64, 5}, {SIZE_MAX, 0}, {QUOIT_LANE_CAPACITY_MAX + 1, 0},
	};
	static struct quoit_lane_block blocks[64];
	struct quoit_lane lane, before;

	(void)state;
	memset(&lane, 0xa5, sizeof(lane));
	before = lane;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(
			quoit_lane_init_at(&lane, blocks, bad[i].capacity, bad[i].block, 0),
			-EINVAL);
		assert_memory_equal(&lane, &before, sizeof(lane));
	}
	for (size_t capacity = 1; capacity <= 4096; capacity *= 2) {
		const size_t count = QUOIT_LANE_BLOCKS(capacity);

		assert_int_equal(quoit_lane_init_at(&lane, blocks, capacity, 0, 0), 0);
		assert_int_equal(quoit_lane_capacity(&lane), capacity);
		assert_int_equal(quoit_lane_block_slots(&lane) * count, capacity);
		assert_true(count <= 64 && quoit_lane_block_slots(&lane) <= QUOIT_LANE_BLOCK);
	}
}

static void the_largest_lane_is_possible_and_blocks_of_any_size(void **state)
{
	const size_t most = QUOIT_LANE_CAPACITY_MAX;

	(void)state;
	assert_int_equal(quoit_lane_block_count(most, 0), most / QUOIT_LANE_BLOCK);
	assert_int_equal(quoit_lane_block_count(most, most), 1);
	assert_int_equal(quoit_lane_block_count(most, 1), most);
	assert_int_equal(quoit_lane_block_count(2 * most, 1), -EINVAL);
}

static void what_different_threads_write_lies_on_different_lines(void **state)
{
	static const size_t lines[] = {
		offsetof(struct quoit_lane, tail),
		offsetof(struct quoit_lane, claim),
		offsetof(struct quoit_lane, tail_own),
		offsetof(struct quoit_lane, blocks),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_int_equal(lines[i], i * QUOIT_ISOLATION);
	assert_true(offsetof(struct quoit_lane, stepped_over) + 8 <= lines[3]);
	assert_int_equal(sizeof(struct quoit_lane), 4 * QUOIT_ISOLATION);
	assert_int_equal(sizeof(struct quoit_lane_block), QUOIT_ISOLATION);
}

/* --- producer -------------------------------------------------------------------------------- */

static void check_reserve(struct fixture *f)
{
	const size_t capacity = quoit_lane_capacity(&f->lane);

	for (size_t used = 0; used <= capacity; used++) {
		const size_t block = quoit_lane_block_slots(&f->lane);
		size_t left, at = 12345;

		/* Room comes back a block at a time: begin where one does. */
		while (index_of(f, f->sent) % block) {
			assert_int_equal(send(f, 1), 1);
			assert_int_equal(recv(f, 1), 1);
		}
		assert_int_equal(send(f, used), used);
		for (size_t want = 0; want <= capacity + 2; want++) {
			const bool fits = want && want <= capacity - used;
			const size_t granted = quoit_lane_reserve(&f->lane, want, &at);

			assert_int_equal(granted != 0, fits);
			assert_true(granted <= want);
			assert_int_equal(at, fits ? index_of(f, f->sent) : 12345);
			/* Nothing is pinned: only the wrap cuts a grant. */
			if (fits)
				assert_int_equal(granted,
						 quoit_min(want, capacity - index_of(f, f->sent)));
			at = 12345;
			left = quoit_lane_reserve_some(&f->lane, want, &at);
			assert_int_equal(left != 0, want && used < capacity);
			assert_true(left <= want);
			at = 12345;
		}
		quoit_lane_commit(&f->lane, 0);
		assert_int_equal(quoit_lane_length(&f->lane), used);
		assert_int_equal(recv(f, used), used);
	}
}

static void reserve_grants_if_all_are_free_and_reserve_some_what_there_is(void **state)
{
	(void)state;
	for_each_lane(check_reserve);
}

static void check_commit_later(struct fixture *f)
{
	const size_t capacity = quoit_lane_capacity(&f->lane);
	struct quoit_claim claim = {0};
	size_t at = 0;

	for (size_t n = 0; n < capacity; n++) {
		assert_int_equal(quoit_lane_is_unpublished(&f->lane), n != 0);
		if (!quoit_lane_reserve(&f->lane, 1, &at))
			break; /* the start was not at a block's begin */
		f->slots[at] = f->sent++;
		quoit_lane_commit_later(&f->lane, 1);
		assert_int_equal(quoit_lane_length(&f->lane), 0);
		assert_false(quoit_lane_has_news(&f->lane));
		assert_int_equal(quoit_lane_claim(&f->lane, &f->tail_seen, 1, &claim),
				 QUOIT_CLAIM_EMPTY);
	}
	assert_true(f->sent);
	quoit_lane_publish(&f->lane);
	assert_false(quoit_lane_is_unpublished(&f->lane));
	assert_true(quoit_lane_has_news(&f->lane));
	assert_int_equal(quoit_lane_length(&f->lane), f->sent);
	assert_int_equal(recv(f, capacity), f->sent);
	assert_int_equal(quoit_lane_length(&f->lane), 0);
}

static void what_is_committed_for_later_is_hidden_until_published(void **state)
{
	(void)state;
	for_each_lane(check_commit_later);
}

static void check_commit_less(struct fixture *f)
{
	size_t first = 0, second = 0;

	for (size_t i = 0; i < 3 * quoit_lane_capacity(&f->lane); i++) {
		const size_t granted = quoit_lane_reserve_some(&f->lane, 5, &first);

		assert_true(granted);
		quoit_lane_commit(&f->lane, 0);
		assert_int_equal(quoit_lane_length(&f->lane), 0);
		assert_int_equal(quoit_lane_reserve_some(&f->lane, 5, &second), granted);
		assert_int_equal(second, first);
		f->slots[second] = f->sent++;
		quoit_lane_commit(&f->lane, 1);
		assert_int_equal(quoit_lane_length(&f->lane), 1);
		assert_int_equal(recv(f, 5), 1);
	}
}

static void what_is_not_committed_goes_back(void **state)
{
	(void)state;
	for_each_lane(check_commit_less);
}

/* --- consumers ------------------------------------------------------------------------------- */

static void check_claims(struct fixture *f)
{
	const size_t capacity = quoit_lane_capacity(&f->lane);
	const size_t block = quoit_lane_block_slots(&f->lane);

	for (size_t round = 0; round < 4 * capacity; round++) {
		const size_t amount = send(f, 1 + round % capacity);
		size_t left = amount;

		while (left) {
			const size_t in_block = block - index_of(f, f->claimed) % block;
			const size_t most = 1 + round % (block + 1);
			struct quoit_claim claim = {0};

			assert_int_equal(quoit_lane_length(&f->lane), left);
			assert_int_equal(quoit_lane_occupancy(&f->lane), left);
			assert_int_equal(take(f, most, &claim), QUOIT_CLAIM_GOT);
			assert_int_equal(claim.n, quoit_min(most, quoit_min(left, in_block)));
			left -= claim.n;
			assert_int_equal(quoit_lane_pending(&f->lane), left + claim.n);
			/* In parts, as if worked on one by one. */
			quoit_lane_release(&claim, 1);
			assert_int_equal(quoit_lane_pending(&f->lane), left + claim.n);
			quoit_lane_release(&claim, claim.n);
			assert_int_equal(claim.n, 0);
		}
		assert_int_equal(quoit_lane_pending(&f->lane), 0);
	}
}

static void a_claim_is_as_long_as_asked_but_ends_with_its_block(void **state)
{
	(void)state;
	for_each_lane(check_claims);
}

/* D-22: a tail that ran far ahead of the claim this consumer has seen. */
static void check_far_tail(struct fixture *f)
{
	const size_t capacity = quoit_lane_capacity(&f->lane);
	struct quoit_claim claim = {0};

	for (size_t i = 0; i < 2 * capacity; i++) {
		assert_int_equal(send(f, 1), 1);
		f->tail_seen = f->lane.tail + 5000;
		assert_int_equal(quoit_lane_claim(&f->lane, &f->tail_seen, SIZE_MAX, &claim),
				 QUOIT_CLAIM_GOT);
		assert_true(claim.at < capacity && claim.n <= quoit_lane_block_slots(&f->lane));
		assert_true(claim.at + claim.n <= capacity);
		/* Put it back as it would have been: one slot. */
		f->lane.claim = f->lane.tail;
		claim.n = 1;
		quoit_lane_release(&claim, 1);
		f->tail_seen = f->lane.tail;
		f->claimed++;
	}
}

static void a_claim_never_reaches_beyond_the_array(void **state)
{
	(void)state;
	for_each_lane(check_far_tail);
}

/* --- a consumer that stops ------------------------------------------------------------------- */

/* One claim stays open while the others and the producer go round and round. */
static void a_consumer_that_stops_with_a_claim_blocks_nobody(void **state)
{
	(void)state;
	for (size_t blocks = 2; blocks <= 16; blocks *= 2)
		for (size_t skipped = 0; skipped < 2 * blocks * 8; skipped++) {
			struct fixture f;
			struct quoit_claim held = {0};
			const size_t capacity = blocks * 8;
			uint64_t value;

			start(&f, capacity, 8, UINT64_MAX - 20);
			for (size_t i = 0; i < skipped; i++) {
				assert_int_equal(send(&f, 1), 1);
				assert_int_equal(recv(&f, 1), 1);
			}
			assert_int_equal(send(&f, 1), 1);
			assert_int_equal(take(&f, 1, &held), QUOIT_CLAIM_GOT);
			value = f.slots[held.at];
			for (size_t i = 0; i < 20 * capacity; i++) {
				assert_int_equal(send(&f, 1), 1);
				assert_int_equal(quoit_lane_length(&f.lane), 1);
				assert_int_equal(recv(&f, 1), 1);
				assert_int_equal(quoit_lane_length(&f.lane), 0);
				assert_int_equal(quoit_lane_pending(&f.lane), 1);
			}
			/* It takes no more than its block away. */
			assert_in_range(send(&f, capacity), capacity - 16, capacity - 1);
			recv(&f, capacity);
			assert_true(f.lane.stepped_over >= 18);
			assert_int_equal(f.slots[held.at], value);
			quoit_lane_release(&held, 1);
			assert_int_equal(quoit_lane_pending(&f.lane), 0);
			for (size_t i = 0; i < 3 * capacity; i++) {
				assert_int_equal(send(&f, 1), 1);
				assert_int_equal(recv(&f, 1), 1);
			}
			finish(&f);
		}
}

/* Neighbouring blocks are pinned: all but one, and it still goes on. */
static void as_long_as_one_block_is_free_the_producer_goes_on(void **state)
{
	struct quoit_claim held[7];
	struct fixture f;

	(void)state;
	start(&f, 64, 8, UINT64_MAX - 63);
	for (size_t i = 0; i < 7; i++) {
		assert_int_equal(send(&f, 8), 8);
		assert_int_equal(take(&f, 8, &held[i]), QUOIT_CLAIM_GOT);
		assert_int_equal(held[i].n, 8);
	}
	for (size_t i = 0; i < 200; i++) {
		assert_int_equal(send(&f, 8), 8);
		assert_int_equal(send(&f, 1), 0); /* nothing is free, and nothing is given away */
		assert_int_equal(recv(&f, 8), 8);
	}
	for (size_t i = 7; i--;)
		quoit_lane_release(&held[i], 8);
	for (size_t i = 0; i < 3; i++)
		recv(&f, send(&f, 64));
	assert_int_equal(send(&f, 64), 64);
	assert_int_equal(recv(&f, 64), 64);
	finish(&f);
}

/* Unread blocks are not given away, however slow everybody is. */
static void a_full_lane_is_full_and_no_block_is_void(void **state)
{
	struct quoit_claim held = {0};
	struct fixture f;
	size_t at = 0;

	(void)state;
	start(&f, 64, 8, 0);
	assert_int_equal(send(&f, 64), 64);
	assert_int_equal(take(&f, 8, &held), QUOIT_CLAIM_GOT);
	for (size_t i = 0; i < 100; i++) {
		assert_int_equal(quoit_lane_reserve_some(&f.lane, 1, &at), 0);
		assert_int_equal(quoit_lane_reserve(&f.lane, 1, &at), 0);
	}
	assert_int_equal(recv(&f, 7), 7); /* of the next block: not yet free */
	assert_int_equal(quoit_lane_reserve(&f.lane, 1, &at), 0);
	assert_int_equal(f.lane.stepped_over, 0);
	assert_int_equal(recv(&f, 1), 1);
	assert_int_equal(quoit_lane_reserve(&f.lane, 9, &at), 0);
	assert_int_equal(f.lane.stepped_over, 0); /* it would not have fit */
	assert_int_equal(quoit_lane_reserve(&f.lane, 8, &at), 8);
	assert_int_equal(f.lane.stepped_over, 1);
	quoit_lane_commit(&f.lane, 0);
	assert_int_equal(quoit_lane_length(&f.lane), 48);
	quoit_lane_release(&held, 8);
	assert_int_equal(recv(&f, 64), 48);
	finish(&f);
}

/* --- anything at all ------------------------------------------------------------------------- */

#define HELD_MOST 12

/*
 * Producer and a dozen claims at random, against the plain rule: a slot that is claimed keeps its
 * number until it is given back, and numbers are claimed in the order sent.
 */
static void check_at_random(struct fixture *f)
{
	const size_t capacity = quoit_lane_capacity(&f->lane);
	struct quoit_claim held[HELD_MOST];
	uint64_t first[HELD_MOST];
	size_t open = 0;

	for (size_t step = 0; step < 2000; step++) {
		const size_t amount = (size_t)random_below(&randomness, capacity + 2);
		size_t i;

		switch (random_below(&randomness, 5)) {
		case 0:
		case 1:
			send(f, amount);
			break;
		case 2:
		case 3:
			if (open == HELD_MOST || !amount)
				break;
			first[open] = f->claimed;
			open += take(f, amount, &held[open]) == QUOIT_CLAIM_GOT;
			break;
		default:
			if (!open)
				break;
			i = (size_t)random_below(&randomness, open);
			for (size_t k = 0; k < held[i].n; k++)
				assert_int_equal(f->slots[held[i].at + k], first[i] + k);
			quoit_lane_release(&held[i], held[i].n);
			held[i] = held[--open];
			first[i] = first[open];
		}
		assert_int_equal(quoit_lane_length(&f->lane), f->sent - f->claimed);
		assert_int_equal(quoit_lane_has_news(&f->lane) && !f->lane.stepped_over,
				 f->sent != f->claimed && !f->lane.stepped_over);
	}
	while (open--) {
		for (size_t k = 0; k < held[open].n; k++)
			assert_int_equal(f->slots[held[open].at + k], first[open] + k);
		quoit_lane_release(&held[open], held[open].n);
	}
	recv(f, SIZE_MAX);
	assert_true(f->claimed > capacity);
	finish(f);
}

static void claims_held_at_random_keep_their_slots(void **state)
{
	(void)state;
	for_each_lane(check_at_random);
}

/* --- the end --------------------------------------------------------------------------------- */

static void check_close(struct fixture *f)
{
	size_t at = 0;
	const size_t granted = quoit_lane_reserve_some(&f->lane, 4, &at);

	assert_false(quoit_lane_is_closed(&f->lane));
	quoit_lane_close(&f->lane);
	quoit_lane_close(&f->lane);
	assert_true(quoit_lane_is_closed(&f->lane));
	for (size_t i = 0; i < granted; i++)
		f->slots[at + i] = f->sent++;
	quoit_lane_commit(&f->lane, granted); /* it was open before */
	assert_int_equal(quoit_lane_length(&f->lane), granted);
	for (size_t want = 0; want < 4; want++) {
		assert_int_equal(quoit_lane_reserve(&f->lane, want, &at), 0);
		assert_int_equal(quoit_lane_reserve_some(&f->lane, want, &at), 0);
	}
	assert_int_equal(recv(f, 4), granted);
	assert_false(quoit_lane_is_drained(&f->lane)); /* its producer has not finished */
	quoit_lane_finish(&f->lane);
	assert_true(quoit_lane_is_drained(&f->lane));
}

static void after_close_only_what_was_reserved_can_be_committed(void **state)
{
	(void)state;
	for_each_lane(check_close);
}

static void check_drained(struct fixture *f)
{
	const size_t capacity = quoit_lane_capacity(&f->lane);
	struct quoit_claim first = {0}, last = {0};
	size_t at = 0;

	for (size_t n = 1; n < capacity; n++)
		recv(f, send(f, n));
	assert_int_equal(quoit_lane_reserve(&f->lane, 1, &at), 1);
	f->slots[at] = f->sent++;
	quoit_lane_commit_later(&f->lane, 1);
	quoit_lane_finish(&f->lane); /* publishes */
	assert_false(quoit_lane_is_drained(&f->lane));
	assert_int_equal(take(f, 1, &last), QUOIT_CLAIM_GOT);
	assert_int_equal(quoit_lane_length(&f->lane), 0);
	assert_false(quoit_lane_is_drained(&f->lane)); /* a claim is open */
	assert_int_equal(take(f, 1, &first), QUOIT_CLAIM_EMPTY);
	quoit_lane_release(&last, 1);
	assert_true(quoit_lane_is_drained(&f->lane));
	assert_true(quoit_lane_is_drained(&f->lane));
}

static void drained_means_finished_all_claimed_and_every_claim_given_back(void **state)
{
	(void)state;
	for_each_lane(check_drained);
}

static void a_claim_from_laps_ago_keeps_the_lane_from_being_drained(void **state)
{
	struct quoit_claim held = {0};
	struct fixture f;

	(void)state;
	start(&f, 32, 8, 0);
	assert_int_equal(send(&f, 3), 3);
	assert_int_equal(take(&f, 2, &held), QUOIT_CLAIM_GOT);
	for (size_t i = 0; i < 500; i++) {
		assert_int_equal(send(&f, 1), 1);
		recv(&f, 2);
	}
	quoit_lane_finish(&f.lane);
	recv(&f, SIZE_MAX);
	assert_false(quoit_lane_is_drained(&f.lane));
	quoit_lane_release(&held, 1);
	assert_false(quoit_lane_is_drained(&f.lane));
	quoit_lane_release(&held, 1);
	assert_true(quoit_lane_is_drained(&f.lane));
}

/* --- counts of moments that never were ------------------------------------------------------- */

/* A position that is read late may lie on either side of one that was read before it. */
static void counts_stay_within_the_lane_whatever_moved_meanwhile(void **state)
{
	struct quoit_claim claim = {0};
	struct fixture f;
	uint64_t there;

	(void)state;
	assert_int_equal(quoit__lane_ahead(UINT64_C(1) << 62, 0), UINT64_C(1) << 62);
	assert_int_equal(quoit__lane_ahead(INT64_MAX, 0), INT64_MAX);
	assert_int_equal(quoit__lane_ahead(0, 1), 0);
	start(&f, 32, 8, UINT64_MAX - 100);
	assert_int_equal(send(&f, 20), 20);
	there = f.lane.claim;

	/* Another consumer has claimed beyond the tail that was seen. */
	f.lane.claim = f.lane.tail + 5;
	assert_int_equal(quoit_lane_length(&f.lane), 0);
	assert_int_equal(quoit_lane_occupancy(&f.lane), 0);
	assert_false(quoit_lane_has_news(&f.lane));
	assert_int_equal(quoit_lane_claim(&f.lane, &f.tail_seen, 1, &claim), QUOIT_CLAIM_EMPTY);

	/* The producer went on for laps behind the claim that was seen. */
	f.lane.claim = there - 3 * 32;
	assert_int_equal(quoit_lane_length(&f.lane), 32);
	assert_int_equal(quoit_lane_occupancy(&f.lane), 32);
	f.lane.claim = there;
	f.lane.tail += 3 * 32;
	assert_int_equal(quoit_lane_pending(&f.lane), 32);
}

/* A block that was stepped over is void from then on, but counted out only when it is published. */
static void a_block_that_is_void_tomorrow_is_no_part_of_today(void **state)
{
	struct quoit_claim held = {0};
	struct fixture f;
	size_t at = 0;

	(void)state;
	start(&f, 32, 8, 0);
	assert_int_equal(send(&f, 24), 24);
	assert_int_equal(take(&f, 8, &held), QUOIT_CLAIM_GOT); /* block 0 is pinned */
	assert_int_equal(recv(&f, 16), 16);
	assert_int_equal(send(&f, 8), 8); /* block 3 is unread */
	assert_int_equal(quoit_lane_length(&f.lane), 8);
	assert_int_equal(quoit_lane_reserve(&f.lane, 1, &at), 1);
	assert_int_equal(at, 8);
	assert_int_equal(f.lane.stepped_over, 1);
	assert_int_equal(quoit_lane_length(&f.lane), 8);
	f.slots[at] = f.sent++;
	quoit_lane_commit(&f.lane, 1);
	assert_int_equal(quoit_lane_length(&f.lane), 9);
	assert_int_equal(quoit_lane_occupancy(&f.lane), 17); /* an estimate, as it says */
	assert_int_equal(recv(&f, 9), 9);
	quoit_lane_release(&held, 8);
	finish(&f);
}

/* --- those who sleep on it -------------------------------------------------------------------- */

static void waits_are_told_of_items_and_of_room_and_no_more_once_detached(void **state)
{
	struct quoit_crowd crowd;
	struct quoit_lane_waits waits = {.crowd = &crowd};
	struct fixture f;
	int seat;

	(void)state;
	start(&f, 16, 4, 0);
	assert_int_equal(quoit_crowd_init(&crowd, 1), 0);
	seat = quoit_crowd_sit(&crowd);
	quoit_lane_attach_waits(&f.lane, &waits);
	quoit_crowd_arm(&crowd, seat);
	assert_int_equal(send(&f, 4), 4);
	assert_true(quoit_crowd_leave(&crowd, seat)); /* called */
	(void)quoit_event_arm(&waits.space);
	assert_int_equal(recv(&f, 4), 4);
	assert_int_equal(waits.space.word & 1, 0); /* woken */
	quoit_lane_attach_waits(&f.lane, NULL);
	quoit_crowd_arm(&crowd, seat);
	assert_int_equal(send(&f, 4), 4);
	assert_false(quoit_crowd_leave(&crowd, seat));
	assert_int_equal(recv(&f, 4), 4);
	finish(&f);
}

/* Heap memory, so that the address sanitizer sees what lies behind the blocks. */
static void giving_back_none_of_what_is_left_of_a_claim_touches_nothing(void **state)
{
	const size_t bytes = 4 * sizeof(struct quoit_lane_block);
	struct quoit_lane_block *const blocks = aligned_alloc(QUOIT_ISOLATION, bytes);
	struct quoit_claim claim = {0};
	uint64_t tail_seen = 0;
	struct quoit_lane lane;
	size_t at;

	(void)state;
	assert_non_null(blocks);
	assert_int_equal(quoit_lane_init_at(&lane, blocks, 16, 4, 0), 0);
	assert_int_equal(quoit_lane_reserve(&lane, 16, &at), 16);
	quoit_lane_commit(&lane, 16);
	for (size_t block = 0; block < 4; block++) {
		assert_int_equal(quoit_lane_claim(&lane, &tail_seen, 4, &claim), QUOIT_CLAIM_GOT);
		quoit_lane_release(&claim, 0);
		assert_int_equal(claim.n, 4);
		quoit_lane_release(&claim, 4);
		quoit_lane_release(&claim,
				   claim.n); /* as who gives back what is left, at the end */
	}
	assert_int_equal(quoit_lane_pending(&lane), 0);
	quoit_lane_finish(&lane);
	assert_true(quoit_lane_is_drained(&lane));
	free(blocks);
}

/* --- the bell -------------------------------------------------------------------------------- */

static bool bell_rang(struct quoit_notify *notify)
{
	struct pollfd look = {.fd = notify->fd, .events = POLLIN};
	uint64_t count;

	if (poll(&look, 1, 0) != 1)
		return false;
	assert_int_equal(read(notify->fd, &count, sizeof(count)), sizeof(count));
	return true;
}

static void commit_close_and_finish_wake_a_reader_that_sleeps(void **state)
{
	struct quoit_wake wake = {0};
	struct quoit_notify notify;
	struct fixture f;

	(void)state;
	start(&f, 32, 8, 0);
	assert_int_equal(quoit_notify_open(&notify, &wake), 0);
	quoit_lane_attach(&f.lane, &notify);
	assert_int_equal(send(&f, 1), 1);
	assert_false(bell_rang(&notify)); /* it is awake */
	quoit_wake_arm(&wake);
	assert_int_equal(send(&f, 1), 1);
	assert_true(bell_rang(&notify));
	assert_int_equal(send(&f, 1), 1);
	assert_false(bell_rang(&notify)); /* once is enough */
	assert_int_equal(f.lane.bells_rung, 1);
	assert_int_equal(f.lane.bells_saved, 2);
	quoit_wake_arm(&wake);
	quoit_lane_finish(&f.lane);
	assert_true(bell_rang(&notify));
	quoit_wake_arm(&wake);
	quoit_lane_close(&f.lane);
	assert_true(bell_rang(&notify));
	quoit_notify_close(&notify);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waits_are_told_of_items_and_of_room_and_no_more_once_detached),
		cmocka_unit_test(sizes_are_powers_of_two_and_a_block_fits_into_the_lane),
		cmocka_unit_test(the_largest_lane_is_possible_and_blocks_of_any_size),
		cmocka_unit_test(what_different_threads_write_lies_on_different_lines),
		cmocka_unit_test(reserve_grants_if_all_are_free_and_reserve_some_what_there_is),
		cmocka_unit_test(what_is_committed_for_later_is_hidden_until_published),
		cmocka_unit_test(what_is_not_committed_goes_back),
		cmocka_unit_test(a_claim_is_as_long_as_asked_but_ends_with_its_block),
		cmocka_unit_test(a_claim_never_reaches_beyond_the_array),
		cmocka_unit_test(a_consumer_that_stops_with_a_claim_blocks_nobody),
		cmocka_unit_test(as_long_as_one_block_is_free_the_producer_goes_on),
		cmocka_unit_test(a_full_lane_is_full_and_no_block_is_void),
		cmocka_unit_test(claims_held_at_random_keep_their_slots),
		cmocka_unit_test(after_close_only_what_was_reserved_can_be_committed),
		cmocka_unit_test(drained_means_finished_all_claimed_and_every_claim_given_back),
		cmocka_unit_test(a_claim_from_laps_ago_keeps_the_lane_from_being_drained),
		cmocka_unit_test(counts_stay_within_the_lane_whatever_moved_meanwhile),
		cmocka_unit_test(a_block_that_is_void_tomorrow_is_no_part_of_today),
		cmocka_unit_test(giving_back_none_of_what_is_left_of_a_claim_touches_nothing),
		cmocka_unit_test(commit_close_and_finish_wake_a_reader_that_sleeps),
	};

	randomness.state = random_seed();
	print_message("SEED=%llu\n", (unsigned long long)randomness.state);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
