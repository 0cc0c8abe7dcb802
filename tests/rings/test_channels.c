/* SPDX-License-Identifier: MIT */
/*
 * test_channels.c - the ready-made channels of words with their usual options: features B214 to
 * B217. That each kind keeps its promises is tested with its core.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include <quoit/rings/channels.h>
#include <quoit/rings/spsc_create.h>

#define WORDS 1000

/* All bits that are not said to be something are 0, whatever lay on the stack. */
static void what_is_not_usual_is_not_asked_for(void **state)
{
	const struct quoit_spsc_options spsc = quoit_spsc_default();
	const struct quoit_mpsc_options mpsc = quoit_mpsc_default();
	const struct quoit_spmc_options spmc = quoit_spmc_default();
	const struct quoit_mpmc_options mpmc = quoit_mpmc_default();

	(void)state;
	assert_int_equal(spsc.node, QUOIT_NODE_AUTO);
	assert_false(spsc.waits || spsc.metrics || spsc.lock || spsc.require);
	assert_int_equal(spsc.slot_bytes, 0);
	assert_int_equal(spsc.head_bytes, 0);
	assert_false(mpsc.waits || mpsc.metrics);
	assert_int_equal(mpsc.item_bytes, 0);
	assert_int_equal(mpsc.quantum_items, 0);
	assert_null(mpsc.topology);
	assert_int_equal(mpsc.position, 0);
	assert_int_equal(spmc.block_slots, 0);
	assert_int_equal(mpmc.slot_bytes, 0);
	assert_int_equal(mpmc.block_slots, 0);
	assert_int_equal(mpmc.shard_lanes, 0);
}

static void a_usual_spsc_channel_carries_words(void **state)
{
	const struct quoit_spsc_options options = quoit_spsc_default();
	struct quoit_spsc_u64 *q = NULL;
	uint64_t word = 0;

	(void)state;
	assert_int_equal(quoit_spsc_u64_create(&options, &q, NULL), 0);
	assert_int_equal(quoit_spsc_capacity(&q->ring), 65536);
	for (uint64_t i = 0; i < WORDS; i++)
		assert_true(quoit_spsc_u64_send_one(q, &i));
	for (uint64_t i = 0; i < WORDS; i++) {
		assert_true(quoit_spsc_u64_recv_one(q, &word));
		assert_int_equal(word, i);
	}
	assert_false(quoit_spsc_u64_recv_one(q, &word));
	quoit_spsc_u64_destroy(q);
}

static void a_usual_mpsc_channel_carries_words_of_as_many_producers_as_it_says(void **state)
{
	const struct quoit_mpsc_options options = quoit_mpsc_default();
	struct quoit_mpsc_u64_producer producers[QUOIT_PRODUCERS_DEFAULT + 1];
	struct quoit_mpsc_u64 q;
	uint64_t word = 0, sum = 0;

	(void)state;
	assert_int_equal(quoit_mpsc_u64_create(&q, &options), 0);
	for (uint64_t i = 0; i < QUOIT_PRODUCERS_DEFAULT; i++) {
		assert_int_equal(quoit_mpsc_u64_register(&q, &producers[i]), 0);
		assert_true(quoit_mpsc_u64_send_one(&producers[i], &i));
	}
	assert_true(quoit_mpsc_u64_register(&q, &producers[QUOIT_PRODUCERS_DEFAULT]) < 0);
	for (uint64_t i = 0; i < QUOIT_PRODUCERS_DEFAULT; i++) {
		assert_true(quoit_mpsc_u64_recv_one(&q, &word));
		sum += word;
		assert_int_equal(quoit_mpsc_u64_deregister(&producers[i]), 0);
	}
	assert_int_equal(sum, QUOIT_PRODUCERS_DEFAULT * (QUOIT_PRODUCERS_DEFAULT - 1) / 2);
	assert_false(quoit_mpsc_u64_recv_one(&q, &word));
	assert_int_equal(quoit_mpsc_u64_destroy(&q), 0);
}

static void a_usual_spmc_channel_carries_words_to_as_many_consumers_as_it_says(void **state)
{
	const struct quoit_spmc_options options = quoit_spmc_default();
	static struct quoit_lane_block blocks[QUOIT_LANE_BLOCKS(QUOIT_CAPACITY_DEFAULT)];
	static struct quoit_spmc_u64_consumer consumers[QUOIT_CONSUMERS_DEFAULT + 1];
	uint64_t *const slots = calloc(QUOIT_CAPACITY_DEFAULT, sizeof(*slots));
	static struct quoit_spmc_u64 q;
	uint64_t word = 0;

	(void)state;
	assert_non_null(slots);
	assert_int_equal(quoit_spmc_u64_init(&q, slots, blocks, &options), 0);
	for (size_t i = 0; i < QUOIT_CONSUMERS_DEFAULT; i++)
		assert_int_equal(quoit_spmc_u64_register_consumer(&q, &consumers[i]), 0);
	assert_true(quoit_spmc_u64_register_consumer(&q, &consumers[QUOIT_CONSUMERS_DEFAULT]) < 0);
	for (uint64_t i = 0; i < WORDS; i++) {
		assert_true(quoit_spmc_u64_send_one(&q, &i));
		assert_true(
			quoit_spmc_u64_steal_one(&consumers[i % QUOIT_CONSUMERS_DEFAULT], &word));
		assert_int_equal(word, i);
	}
	for (size_t i = 0; i < QUOIT_CONSUMERS_DEFAULT; i++)
		quoit_spmc_u64_deregister_consumer(&consumers[i]);
	free(slots);
}

static void a_usual_mpmc_channel_carries_words(void **state)
{
	const struct quoit_mpmc_options options = quoit_mpmc_default();
	struct quoit_mpmc_u64_producer producer;
	struct quoit_mpmc_u64_consumer consumer;
	struct quoit_mpmc_u64 q;
	uint64_t word = 0;
	size_t sent = 0;

	(void)state;
	assert_int_equal(quoit_mpmc_u64_create(&q, &options), 0);
	assert_int_equal(quoit_mpmc_u64_register_producer(&q, &producer), 0);
	assert_int_equal(quoit_mpmc_u64_register_consumer(&q, &consumer), 0);
	while (quoit_mpmc_u64_send_one(&producer, &sent))
		sent++;
	assert_int_equal(sent, 16384);
	for (uint64_t i = 0; i < sent; i++) {
		assert_true(quoit_mpmc_u64_steal_one(&consumer, &word));
		assert_int_equal(word, i);
	}
	assert_false(quoit_mpmc_u64_steal_one(&consumer, &word));
	quoit_mpmc_u64_deregister_consumer(&consumer);
	quoit_mpmc_u64_deregister_producer(&producer);
	quoit_mpmc_u64_destroy(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_usual_is_not_asked_for),
		cmocka_unit_test(a_usual_spsc_channel_carries_words),
		cmocka_unit_test(
			a_usual_mpsc_channel_carries_words_of_as_many_producers_as_it_says),
		cmocka_unit_test(
			a_usual_spmc_channel_carries_words_to_as_many_consumers_as_it_says),
		cmocka_unit_test(a_usual_mpmc_channel_carries_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
