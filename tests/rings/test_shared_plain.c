/* SPDX-License-Identifier: MIT */
/*
 * test_shared_plain.c - SPMC and MPMC without their typed shells: indexes, and slots of the
 * caller's, as a binding from another language would use them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include <quoit/rings/mpmc.h>
#include <quoit/rings/spmc.h>

#define CAPACITY 64

/* Take everything there is, in order from `next` on. Gives the number after the last. */
static uint64_t spmc_take_all(struct quoit_spmc_consumer *c, const uint64_t *slots, uint64_t next)
{
	struct quoit_claim claim;

	while (quoit_spmc_take(c, CAPACITY, &claim)) {
		for (size_t i = 0; i < claim.n; i++)
			assert_int_equal(slots[claim.at + i], next++);
		quoit_spmc_release(c, &claim, claim.n);
	}
	return next;
}

static uint64_t mpmc_take_all(struct quoit_mpmc_consumer *c, uint64_t next)
{
	struct quoit_claim claim;

	while (quoit_mpmc_take(c, CAPACITY, &claim)) {
		for (size_t i = 0; i < claim.n; i++) {
			uint64_t got;

			memcpy(&got, (char *)claim.lane->slots + (claim.at + i) * 8, 8);
			assert_int_equal(got, next++);
		}
		quoit_mpmc_release(c, &claim, claim.n);
	}
	return next;
}

static void blocks_are_counted_as_they_are_needed(void **state)
{
	(void)state;
	assert_int_equal(quoit_lane_block_count(4096, 0), QUOIT_LANE_BLOCKS(4096));
	assert_int_equal(quoit_lane_block_count(CAPACITY, 16), CAPACITY / 16);
	assert_int_equal(quoit_lane_block_count(48, 0), -EINVAL);
	assert_int_equal(quoit_lane_block_count(0, 0), -EINVAL);
}

static void an_spmc_producer_publishes_when_it_says_so(void **state)
{
	static struct quoit_spmc ring;
	static struct quoit_lane_block blocks[QUOIT_LANE_BLOCKS(CAPACITY)];
	static uint64_t slots[CAPACITY];
	const struct quoit_spmc_options options = {CAPACITY, 0, 1};
	struct quoit_spmc_consumer c;
	uint64_t sent = 0, got = 0;
	size_t at;

	(void)state;
	assert_int_equal(quoit_spmc_init(&ring, slots, blocks, &options), 0);
	assert_int_equal(quoit_spmc_register_consumer(&ring, &c), 0);
	assert_int_equal(quoit_spmc_reserve(&ring, CAPACITY + 1, &at), 0);
	assert_int_equal(quoit_spmc_reserve(&ring, 1, &at), 1);
	slots[at] = sent++;
	quoit_spmc_commit(&ring, 1);
	got = spmc_take_all(&c, slots, got);
	assert_int_equal(got, sent);
	for (int by_publish = 0; by_publish < 2; by_publish++) {
		assert_true(quoit_spmc_reserve_some(&ring, 1, &at));
		slots[at] = sent++;
		quoit_spmc_commit_later(&ring, 1);
		assert_int_equal(spmc_take_all(&c, slots, got), got); /* not visible yet */
		if (by_publish)
			quoit_spmc_publish(&ring);
		else
			quoit_spmc_flush(&ring);
		got = spmc_take_all(&c, slots, got);
		assert_int_equal(got, sent);
	}
	quoit_spmc_deregister_consumer(&c);
}

static void an_mpmc_producer_publishes_when_it_says_so(void **state)
{
	const struct quoit_mpmc_options options = {
		.capacity_slots = CAPACITY,
		.producers_most = 1,
		.consumers_most = 1,
		.slot_bytes = 8,
		.node = QUOIT_MPMC_NEAR,
	};
	struct quoit_mpmc *ring;
	struct quoit_mpmc_producer p;
	struct quoit_mpmc_consumer c;
	uint64_t sent = 0, got = 0;
	size_t at;

	(void)state;
	assert_int_equal(quoit_mpmc_create(&options, &ring), 0);
	assert_int_equal(quoit_mpmc_register_producer(ring, &p), 0);
	assert_int_equal(quoit_mpmc_register_consumer(ring, &c), 0);
	assert_int_equal(quoit_mpmc_reserve(&p, CAPACITY + 1, &at), 0);
	assert_int_equal(quoit_mpmc_reserve(&p, 1, &at), 1);
	memcpy((char *)p.lane->lane.slots + at * 8, &sent, 8);
	quoit_mpmc_commit(&p, 1);
	sent++;
	got = mpmc_take_all(&c, got);
	assert_int_equal(got, sent);
	for (int by_publish = 0; by_publish < 2; by_publish++) {
		assert_true(quoit_mpmc_reserve_some(&p, 1, &at));
		memcpy((char *)p.lane->lane.slots + at * 8, &sent, 8);
		sent++;
		quoit_mpmc_commit_later(&p, 1);
		assert_int_equal(mpmc_take_all(&c, got), got); /* not visible yet */
		if (by_publish)
			quoit_mpmc_publish(&p);
		else
			quoit_mpmc_flush(&p);
		got = mpmc_take_all(&c, got);
		assert_int_equal(got, sent);
	}
	quoit_mpmc_deregister_producer(&p);
	quoit_mpmc_deregister_consumer(&c);
	quoit_mpmc_destroy(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_are_counted_as_they_are_needed),
		cmocka_unit_test(an_spmc_producer_publishes_when_it_says_so),
		cmocka_unit_test(an_mpmc_producer_publishes_when_it_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
