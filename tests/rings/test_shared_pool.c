/* SPDX-License-Identifier: MIT */
/*
 * test_shared_pool.c - the list of free slots and the typed pool on it: features B150 to B152,
 * B156, B159, B160; defects D-30, D-31, D-74. What threads do to it together is in stress/pool and
 * in the model checker.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <quoit/rings/shared_pool.h>
#include <quoit/rings/wait.h>

struct order {
	uint64_t number;
	char name[24];
};

QUOIT_SHARED_POOL(orders, struct order, 300);
QUOIT_SHARED_POOL_U64(single, 1);
QUOIT_SHARED_POOL_U64(three, 3);

static void all_slots_are_given_out_once_and_counted(void **state)
{
	static struct quoit_shared_pool_u64 pool;
	static uint32_t handles[1024];
	uint32_t none = 7;

	(void)state;
	quoit_shared_pool_u64_init(&pool);
	assert_int_equal(quoit_shared_pool_u64_capacity(&pool), 1024);
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < 1024; i++) {
			assert_int_equal(quoit_shared_pool_u64_available(&pool), 1024 - i);
			assert_int_equal(quoit_shared_pool_u64_in_use(&pool), i);
			assert_true(quoit_shared_pool_u64_acquire(&pool, &handles[i]));
			quoit_shared_pool_u64_set(&pool, handles[i], ~(uint64_t)i);
		}
		assert_false(quoit_shared_pool_u64_acquire(&pool, &none));
		assert_int_equal(none, 7);
		for (size_t i = 0; i < 1024; i++)
			assert_int_equal(quoit_shared_pool_u64_get(&pool, handles[i]),
					 ~(uint64_t)i);
		for (size_t i = 0; i < 1024; i++) {
			assert_int_equal(quoit_shared_pool_u64_release(&pool, handles[i]), 0);
			assert_int_equal(quoit_shared_pool_u64_available(&pool), i + 1);
		}
	}
}

static void what_was_given_back_last_is_taken_first(void **state)
{
	struct three pool;
	uint32_t a = 0, b = 0, again = 0;

	(void)state;
	three_init(&pool);
	assert_true(three_acquire(&pool, &a));
	assert_true(three_acquire(&pool, &b));
	uint64_t *const a_at = three_at(&pool, a), *const b_at = three_at(&pool, b);
	assert_int_equal(three_release(&pool, b), 0);
	assert_int_equal(three_release(&pool, a), 0);
	assert_true(three_acquire(&pool, &again));
	assert_ptr_equal(three_at(&pool, again), a_at);
	assert_true(three_acquire(&pool, &again));
	assert_ptr_equal(three_at(&pool, again), b_at);
}

/* D-31: in the seed this links a cycle, and one slot gets two owners. */
static void a_handle_is_given_back_once(void **state)
{
	struct three pool;
	uint32_t a = 0, b = 0, c = 0, stale = 0;

	(void)state;
	three_init(&pool);
	assert_true(three_acquire(&pool, &stale));
	assert_int_equal(three_release(&pool, stale), 0);
	assert_int_equal(three_release(&pool, stale), -EALREADY);
	assert_int_equal(three_available(&pool), 3);
	assert_true(three_acquire(&pool, &a));
	assert_true(three_acquire(&pool, &b));
	assert_true(three_acquire(&pool, &c));
	assert_false(three_acquire(&pool, &stale));
	assert_ptr_not_equal(three_at(&pool, a), three_at(&pool, b));
	assert_ptr_not_equal(three_at(&pool, a), three_at(&pool, c));
	assert_ptr_not_equal(three_at(&pool, b), three_at(&pool, c));
}

/* D-31: and a handle kept for too long finds the next owner's slot. */
static void a_handle_from_an_earlier_life_of_its_slot_finds_nothing(void **state)
{
	struct single pool;
	uint32_t old = 0, now = 0;

	(void)state;
	single_init(&pool);
	assert_true(single_acquire(&pool, &old));
	assert_int_equal(single_release(&pool, old), 0);
	for (size_t life = 0; life < 100000; life++) {
		assert_true(single_acquire(&pool, &now));
		assert_int_not_equal(now, old);
		assert_null(single_at(&pool, old));
		assert_int_equal(single_release(&pool, old), -EALREADY);
		assert_non_null(single_at(&pool, now));
		assert_int_equal(single_release(&pool, now), 0);
	}
}

static void the_handle_that_comes_next_is_none_until_it_comes(void **state)
{
	struct single pool;
	uint32_t now = 0, guessed;

	(void)state;
	single_init(&pool);
	assert_true(single_acquire(&pool, &now));
	guessed = now + (1u << pool.list.slot_bits);
	assert_int_equal(single_release(&pool, now), 0);
	assert_null(single_at(&pool, guessed));
	assert_int_equal(single_release(&pool, guessed), -EALREADY);
	assert_int_equal(single_available(&pool), 1);
	assert_true(single_acquire(&pool, &now));
	assert_int_equal(now, guessed);
}

static void only_handles_that_are_out_are_accepted_of_all_there_could_be(void **state)
{
	struct three pool;
	uint32_t a = 0, b = 0;
	size_t in_range = 0;

	(void)state;
	three_init(&pool);
	assert_true(three_acquire(&pool, &a));
	assert_true(three_acquire(&pool, &b));
	/* every slot, and generations all over the range */
	for (uint64_t forged = 0; forged <= UINT32_MAX; forged += forged < 1 << 16 ? 1 : 1021) {
		const bool possible = quoit_free_list_index(&pool.list, (uint32_t)forged) < 3;

		in_range += possible;
		if (forged == a || forged == b)
			continue;
		assert_null(three_at(&pool, (uint32_t)forged));
		assert_int_equal(three_release(&pool, (uint32_t)forged),
				 possible ? -EALREADY : -EINVAL);
	}
	assert_true(in_range > 1000000);
	assert_int_equal(three_available(&pool), 1);
	assert_int_equal(three_release(&pool, 0), -EINVAL);
	assert_int_equal(three_release(&pool, QUOIT_HANDLE_INVALID), -EINVAL);
	assert_null(three_at(&pool, QUOIT_HANDLE_INVALID));
	assert_int_equal(three_release(&pool, a), 0);
	assert_int_equal(three_release(&pool, b), 0);
}

static void handles_of_another_pool_are_refused(void **state)
{
	static struct quoit_shared_pool_u64 ours, theirs;
	static uint32_t handles[1024];
	uint32_t handle = 0;

	(void)state;
	quoit_shared_pool_u64_init(&ours);
	quoit_shared_pool_u64_init(&theirs);
	for (size_t i = 0; i < 1024; i++) {
		assert_true(quoit_shared_pool_u64_acquire(&theirs, &handles[i]));
		assert_true(quoit_shared_pool_u64_acquire(&ours, &handle));
	}
	for (size_t i = 0; i < 1024; i++)
		assert_int_equal(quoit_shared_pool_u64_release(&ours, handles[i]), -EALREADY);
	assert_int_equal(quoit_shared_pool_u64_available(&ours), 0);
}

static void many_are_taken_and_given_back_at_once(void **state)
{
	static struct orders pool;
	uint32_t handles[310], other = 0;

	(void)state;
	orders_init(&pool);
	assert_int_equal(orders_acquire_many(&pool, handles, 0), 0);
	assert_int_equal(orders_acquire_many(&pool, handles, 100), 100);
	assert_int_equal(orders_available(&pool), 200);
	assert_true(orders_acquire(&pool, &other));
	assert_int_equal(orders_release(&pool, other), 0);
	assert_int_equal(orders_acquire_many(&pool, handles + 100, 210), 200);
	assert_int_equal(orders_acquire_many(&pool, handles + 300, 1), 0);
	for (size_t i = 0; i < 300; i++) {
		orders_at(&pool, handles[i])->number = i;
		for (size_t j = 0; j < i; j++)
			assert_ptr_not_equal(orders_at(&pool, handles[i]),
					     orders_at(&pool, handles[j]));
	}
	for (size_t i = 0; i < 300; i++)
		assert_int_equal(orders_at(&pool, handles[i])->number, i);
	assert_int_equal(orders_release_many(&pool, handles, 0), 0);
	assert_int_equal(orders_release_many(&pool, handles, 300), 0);
	assert_int_equal(orders_available(&pool), 300);
}

static void bad_ones_among_many_are_refused_and_the_others_go_back(void **state)
{
	struct three pool;
	uint32_t handles[5];

	(void)state;
	three_init(&pool);
	assert_int_equal(three_acquire_many(&pool, handles, 5), 3);
	handles[3] = handles[0];
	handles[4] = QUOIT_HANDLE_INVALID;
	assert_int_equal(three_release_many(&pool, handles, 5), -EALREADY);
	assert_int_equal(three_available(&pool), 3);
	assert_int_equal(three_release_many(&pool, handles + 4, 1), -EINVAL);
	assert_int_equal(three_release_many(&pool, handles, 3), -EALREADY);
	assert_int_equal(three_available(&pool), 3);
	assert_int_equal(three_acquire_many(&pool, handles, 5), 3);
}

static void a_list_that_cannot_be_is_refused(void **state)
{
	struct quoit_free_slot slots[2];
	struct quoit_free_list list;

	(void)state;
	assert_int_equal(quoit_free_list_init(&list, slots, sizeof(slots[0]), 0, 1), -EINVAL);
	assert_int_equal(
		quoit_free_list_init(&list, slots, sizeof(slots[0]), QUOIT_FREE_LIST_MOST + 1, 1),
		-EINVAL);
	assert_int_equal(quoit_free_list_init(&list, slots, 8, 2, 1), -EINVAL);
	assert_int_equal(quoit_free_list_init(&list, slots, 17, 2, 1), -EINVAL);
	assert_int_equal(quoit_free_list_init(&list, slots, sizeof(slots[0]), 2, 1), 0);
}

/* Counts around the powers of two, where a handle's parts change their sizes, and the most. */
static void every_count_has_handles_for_all_its_slots(void **state)
{
	static const size_t counts[] = {1,  2,	3,   4,	  5,   7,     8,
					62, 63, 254, 255, 256, 65535, QUOIT_FREE_LIST_MOST};

	(void)state;
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct quoit_free_list list;
		struct quoit_free_slot *const slots = calloc(counts[i], sizeof(*slots));
		uint32_t *const handles = calloc(counts[i], sizeof(*handles));

		assert_non_null(slots);
		assert_non_null(handles);
		assert_int_equal(quoit_free_list_init(&list, slots, sizeof(*slots), counts[i], 9),
				 0);
		assert_int_equal(quoit_free_list_available(&list), counts[i]);
		for (size_t n = 0; n < counts[i]; n++) {
			if (!quoit_free_list_take(&list, &handles[n]) ||
			    quoit_free_list_index(&list, handles[n]) != n)
				fail_msg("slot %zu of %zu", n, counts[i]);
		}
		assert_int_equal(quoit_free_list_available(&list), 0);
		assert_int_equal(quoit_free_list_give_many(&list, handles, counts[i]), 0);
		assert_int_equal(quoit_free_list_available(&list), counts[i]);
		free(handles);
		free(slots);
	}
}

/* D-30, D-74: what is taken on one thread comes back on another. */
#define PASSED 20000

static struct quoit_shared_pool_u64 shared;
static uint32_t passed[16]; /* a handle, or 0 */

static void *give_back_worker(void *arg)
{
	uint64_t *const wrong = arg;

	for (uint64_t i = 0; i < PASSED; i++) {
		uint32_t *const from = &passed[i % 16];
		uint32_t handle = 0;

		while (!(handle = quoit_load_acquire(from)))
			quoit_yield();
		*wrong += quoit_shared_pool_u64_get(&shared, handle) != i;
		*wrong += quoit_shared_pool_u64_release(&shared, handle) != 0;
		quoit_store_release(from, 0);
	}
	return NULL;
}

static void what_one_thread_takes_another_gives_back(void **state)
{
	pthread_t other;
	uint64_t wrong = 0;

	(void)state;
	quoit_shared_pool_u64_init(&shared);
	assert_int_equal(pthread_create(&other, NULL, give_back_worker, &wrong), 0);
	for (uint64_t i = 0; i < PASSED; i++) {
		uint32_t handle = 0;

		while (quoit_load_acquire(&passed[i % 16]))
			quoit_yield();
		assert_true(quoit_shared_pool_u64_acquire(&shared, &handle));
		quoit_shared_pool_u64_set(&shared, handle, i);
		quoit_store_release(&passed[i % 16], handle);
	}
	pthread_join(other, NULL);
	assert_int_equal(wrong, 0);
	assert_int_equal(quoit_shared_pool_u64_available(&shared), 1024);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_slots_are_given_out_once_and_counted),
		cmocka_unit_test(what_was_given_back_last_is_taken_first),
		cmocka_unit_test(a_handle_is_given_back_once),
		cmocka_unit_test(a_handle_from_an_earlier_life_of_its_slot_finds_nothing),
		cmocka_unit_test(the_handle_that_comes_next_is_none_until_it_comes),
		cmocka_unit_test(only_handles_that_are_out_are_accepted_of_all_there_could_be),
		cmocka_unit_test(handles_of_another_pool_are_refused),
		cmocka_unit_test(many_are_taken_and_given_back_at_once),
		cmocka_unit_test(bad_ones_among_many_are_refused_and_the_others_go_back),
		cmocka_unit_test(a_list_that_cannot_be_is_refused),
		cmocka_unit_test(every_count_has_handles_for_all_its_slots),
		cmocka_unit_test(what_one_thread_takes_another_gives_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
