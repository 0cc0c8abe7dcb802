/* SPDX-License-Identifier: MIT */
/*
 * lane_checks.h - a lane whose slots hold the number of what was sent into them, so that a slot
 * that was overwritten, skipped or read twice shows. Include it after cmocka.
 */
#ifndef QUOIT_TESTS_RINGS_LANE_CHECKS_H
#define QUOIT_TESTS_RINGS_LANE_CHECKS_H

#include <unistd.h>

#include <quoit/rings/lane.h>

#define CAPACITY_MOST 128

struct fixture {
	struct quoit_lane lane;
	struct quoit_lane_block blocks[CAPACITY_MOST];
	uint64_t slots[CAPACITY_MOST];
	uint64_t tail_seen; /* of the one consumer that recv() and take() are */
	uint64_t sent;
	uint64_t claimed;
};

static inline void start(struct fixture *f, size_t capacity, size_t block, uint64_t position)
{
	f->tail_seen = position;
	f->sent = f->claimed = 0;
	for (size_t i = 0; i < CAPACITY_MOST; i++)
		f->slots[i] = UINT64_MAX;
	assert_int_equal(quoit_lane_init_at(&f->lane, f->blocks, capacity, block, position), 0);
	/* So the producer stores into lines ahead, and never into anything that is held. */
	quoit_lane_set_slots(&f->lane, f->slots, sizeof(f->slots[0]));
}

/* The index of the slot that will take the next number, with what blocks were stepped over. */
static inline size_t index_of(const struct fixture *f, uint64_t number)
{
	return (size_t)((number == f->sent ? f->lane.tail_own : f->lane.claim) & f->lane.mask);
}

/* Send up to `n` numbers. Gives how many went. */
static inline size_t send(struct fixture *f, size_t n)
{
	size_t sent = 0, granted, at;

	while (sent < n && (granted = quoit_lane_reserve_some(&f->lane, n - sent, &at))) {
		assert_true(at + granted <= quoit_lane_capacity(&f->lane));
		for (size_t i = 0; i < granted; i++)
			f->slots[at + i] = f->sent++;
		quoit_lane_commit(&f->lane, granted);
		sent += granted;
	}
	return sent;
}

/* Claim, and see that the numbers are the next ones. */
static inline enum quoit_claim_status take(struct fixture *f, size_t most,
					   struct quoit_claim *claim)
{
	const enum quoit_claim_status status =
		quoit_lane_claim(&f->lane, &f->tail_seen, most, claim);

	if (status != QUOIT_CLAIM_GOT)
		return status;
	assert_true(claim->n && claim->n <= most);
	assert_true(claim->at + claim->n <= quoit_lane_capacity(&f->lane));
	for (size_t i = 0; i < claim->n; i++)
		assert_int_equal(f->slots[claim->at + i], f->claimed++);
	return status;
}

/* Claim and give back at once, up to `n`. Gives how many there were. */
static inline size_t recv(struct fixture *f, size_t n)
{
	struct quoit_claim claim = {0};
	size_t got = 0;

	while (got < n && take(f, n - got, &claim) == QUOIT_CLAIM_GOT) {
		got += claim.n;
		quoit_lane_release(&claim, claim.n);
	}
	return got;
}

/* Nothing is left, and the lane knows. */
static inline void finish(struct fixture *f)
{
	assert_int_equal(f->sent, f->claimed);
	assert_false(quoit_lane_is_drained(&f->lane));
	quoit_lane_finish(&f->lane);
	assert_true(quoit_lane_is_drained(&f->lane));
	assert_int_equal(quoit_lane_length(&f->lane), 0);
	assert_int_equal(quoit_lane_pending(&f->lane), 0);
}

/* Lanes of 1 to 128 slots in blocks of every size, begun at 0 and just before a wrap. */
static inline void for_each_lane(void (*check)(struct fixture *f))
{
	static const uint64_t starts[] = {0, (UINT64_C(1) << 32) - 3, UINT64_MAX - 2};
	static struct fixture f;

	for (size_t capacity = 1; capacity <= CAPACITY_MOST; capacity *= 2)
		for (size_t block = 1; block <= capacity; block *= 2)
			for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
				start(&f, capacity, block, starts[i]);
				check(&f);
			}
}

#endif
