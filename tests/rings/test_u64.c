/* SPDX-License-Identifier: MIT */
/*
 * test_u64.c - the ring of words with a capacity fixed at compile time: features A2 to A10, defect
 * D-73 (head and tail beside each other).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <string.h>

#include <quoit/rings/u64.h>

QUOIT_RING_U64(single, 1);
QUOIT_RING_U64(eight, 8);

static struct eight at_compile_time = QUOIT_RING_U64_INIT(8);

static void a_static_ring_is_as_init_leaves_it(void **state)
{
	static struct eight made;

	(void)state;
	memset(&made, 0, sizeof(made));
	eight_init(&made);
	assert_memory_equal(&made, &at_compile_time, sizeof(made));
	assert_true(eight_push(&at_compile_time, 5));
	assert_int_equal(eight_length(&at_compile_time), 1);
}

static void words_come_out_in_the_order_they_went_in_and_every_slot_is_used(void **state)
{
	static struct quoit_ring_u64 ring = QUOIT_RING_U64_INIT(QUOIT_RING_U64_CAPACITY);
	uint64_t word = 99, sent = 0, got = 0;

	(void)state;
	assert_int_equal(quoit_ring_u64_capacity(&ring), 1024);
	assert_false(quoit_ring_u64_pop(&ring, &word));
	assert_int_equal(word, 99);
	for (int round = 0; round < 3; round++) {
		assert_true(quoit_ring_u64_is_empty(&ring));
		for (size_t i = 0; i < 1024; i++) {
			assert_int_equal(quoit_ring_u64_length(&ring), i);
			assert_false(quoit_ring_u64_is_full(&ring));
			assert_true(quoit_ring_u64_push(&ring, ~sent++));
		}
		assert_true(quoit_ring_u64_is_full(&ring));
		assert_false(quoit_ring_u64_push(&ring, 7));
		while (quoit_ring_u64_pop(&ring, &word))
			assert_int_equal(word, ~got++);
		assert_int_equal(got, sent);
	}
}

static void a_ring_of_one_word_works(void **state)
{
	struct single ring;
	uint64_t word;

	(void)state;
	single_init(&ring);
	for (uint64_t i = 0; i < 10; i++) {
		assert_true(single_push(&ring, i));
		assert_true(single_is_full(&ring));
		assert_false(single_push(&ring, i));
		assert_true(single_pop(&ring, &word));
		assert_int_equal(word, i);
	}
}

static void no_two_of_what_different_threads_write_share_a_line(void **state)
{
	const size_t written[] = {
		offsetof(struct quoit_spsc, tail),   offsetof(struct quoit_spsc, tail_own),
		offsetof(struct quoit_spsc, head),   offsetof(struct quoit_spsc, head_own),
		offsetof(struct quoit_spsc, notify), offsetof(struct eight, slots),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(written) / sizeof(written[0]); i++) {
		assert_int_equal(written[i] % QUOIT_ISOLATION, 0);
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(written[i], written[j]);
	}
}

#define WORDS 200000

static struct quoit_ring_u64 shared = QUOIT_RING_U64_INIT(QUOIT_RING_U64_CAPACITY);

static void *push_worker(void *arg)
{
	(void)arg;
	for (uint64_t i = 0; i < WORDS;)
		if (quoit_ring_u64_push(&shared, i))
			i++;
		else
			quoit_yield();
	return NULL;
}

static void two_threads_pass_every_word_once(void **state)
{
	pthread_t producer;
	uint64_t word;

	(void)state;
	assert_int_equal(pthread_create(&producer, NULL, push_worker, NULL), 0);
	for (uint64_t i = 0; i < WORDS;)
		if (quoit_ring_u64_pop(&shared, &word))
			assert_int_equal(word, i++);
		else
			quoit_yield();
	pthread_join(producer, NULL);
	assert_true(quoit_ring_u64_is_empty(&shared));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_static_ring_is_as_init_leaves_it),
		cmocka_unit_test(words_come_out_in_the_order_they_went_in_and_every_slot_is_used),
		cmocka_unit_test(a_ring_of_one_word_works),
		cmocka_unit_test(no_two_of_what_different_threads_write_share_a_line),
		cmocka_unit_test(two_threads_pass_every_word_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
