/* SPDX-License-Identifier: MIT */
/*
 * test_fixed_pool.c - the pool of one owner: features A11 to A20. A bad release is answered with a
 * code; where it is not, the free list has a cycle and one slot has two owners.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <quoit/rings/fixed_pool.h>

struct order {
	uint64_t number;
	char name[40];
};

QUOIT_POOL_U64(single, 1);
QUOIT_POOL_U64(odd, 65); /* no power of two, and one word of the bitmap has a single bit */
QUOIT_FIXED_POOL(orders, struct order, 300);

static struct odd *fresh(void)
{
	static struct odd pool;

	memset(&pool, 0xa5, sizeof(pool));
	odd_init(&pool);
	return &pool;
}

static void all_slots_are_given_out_once_and_in_order(void **state)
{
	static struct quoit_pool_u64 pool; /* zeroed is enough */
	uint32_t index = 7777;

	(void)state;
	assert_int_equal(quoit_pool_u64_capacity(&pool), 1024);
	assert_true(quoit_pool_u64_is_empty(&pool));
	for (uint32_t i = 0; i < 1024; i++) {
		assert_false(quoit_pool_u64_is_full(&pool));
		assert_int_equal(quoit_pool_u64_in_use(&pool), i);
		assert_int_equal(quoit_pool_u64_available(&pool), 1024 - i);
		assert_true(quoit_pool_u64_acquire(&pool, &index));
		assert_int_equal(index, i);
		quoit_pool_u64_set(&pool, index, ~(uint64_t)i);
	}
	assert_true(quoit_pool_u64_is_full(&pool));
	assert_false(quoit_pool_u64_is_empty(&pool));
	assert_false(quoit_pool_u64_acquire(&pool, &index));
	assert_int_equal(index, 1023); /* untouched */
	for (uint32_t i = 0; i < 1024; i++)
		assert_int_equal(quoit_pool_u64_get(&pool, i), ~(uint64_t)i);
	for (uint32_t i = 0; i < 1024; i++)
		assert_int_equal(quoit_pool_u64_release(&pool, i), 0);
	assert_true(quoit_pool_u64_is_empty(&pool));
}

static void what_was_given_back_last_is_taken_first(void **state)
{
	static const uint32_t back[] = {3, 64, 0, 17};
	struct odd *const pool = fresh();
	uint32_t index = 0;

	(void)state;
	for (size_t i = 0; i < 65; i++)
		assert_true(odd_acquire(pool, &index));
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(odd_release(pool, back[i]), 0);
	for (size_t i = 4; i--;) {
		assert_true(odd_acquire(pool, &index));
		assert_int_equal(index, back[i]);
	}
	assert_false(odd_acquire(pool, &index));
}

static void a_slot_that_is_given_back_twice_is_refused_and_has_one_owner_after_that(void **state)
{
	struct odd *const pool = fresh();
	uint32_t a = 0, b = 0, c = 0;

	(void)state;
	assert_true(odd_acquire(pool, &a));
	assert_true(odd_acquire(pool, &b));
	assert_int_equal(odd_release(pool, a), 0);
	assert_int_equal(odd_release(pool, a), -EALREADY);
	assert_int_equal(odd_in_use(pool), 1);
	assert_true(odd_acquire(pool, &a));
	assert_true(odd_acquire(pool, &c));
	assert_int_not_equal(a, b);
	assert_int_not_equal(a, c);
	assert_int_not_equal(b, c);
}

static void a_slot_that_is_not_acquired_or_does_not_exist_is_refused(void **state)
{
	static const uint32_t beyond[] = {65, 66, 127, 128, 1u << 31, UINT32_MAX};
	struct odd *const pool = fresh();

	(void)state;
	for (uint32_t i = 0; i < 65; i++)
		assert_int_equal(odd_release(pool, i), -EALREADY);
	for (size_t i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++) {
		assert_int_equal(odd_release(pool, beyond[i]), -EINVAL);
		assert_null(odd_at(pool, beyond[i]));
	}
	assert_int_equal(odd_available(pool), 65);
}

/* Where the bitmap ends with a whole word, the first slot lies behind it. */
static void a_slot_beyond_the_end_is_none_whatever_the_first_one_holds(void **state)
{
	static struct quoit_pool_u64 pool;
	uint32_t index = 0;

	(void)state;
	assert_true(quoit_pool_u64_acquire(&pool, &index));
	quoit_pool_u64_set(&pool, index, UINT64_MAX);
	assert_null(quoit_pool_u64_at(&pool, 1024));
	assert_int_equal(quoit_pool_u64_release(&pool, 1024), -EINVAL);
}

static void a_pool_of_one_slot_works(void **state)
{
	struct single pool;
	uint32_t index = 0;

	(void)state;
	single_init(&pool);
	for (uint64_t i = 0; i < 5; i++) {
		assert_true(single_acquire(&pool, &index));
		assert_int_equal(index, 0);
		assert_true(single_is_full(&pool));
		assert_false(single_acquire(&pool, &index));
		single_set(&pool, index, i);
		assert_int_equal(single_get(&pool, index), i);
		assert_int_equal(single_release(&pool, index), 0);
		assert_true(single_is_empty(&pool));
	}
}

static void a_pool_of_a_type_gives_its_slots_and_only_those_that_are_acquired(void **state)
{
	static struct orders pool;
	uint32_t index = 0;

	(void)state;
	for (uint64_t i = 0; i < 300; i++) {
		assert_null(orders_at(&pool, (uint32_t)i));
		assert_true(orders_acquire(&pool, &index));
		*orders_at(&pool, index) = (struct order){.number = i, .name = "an order"};
	}
	for (uint32_t i = 0; i < 300; i++)
		assert_int_equal(orders_at(&pool, i)->number, i);
	assert_int_equal(orders_release(&pool, 299), 0);
	assert_null(orders_at(&pool, 299));
	assert_ptr_equal(orders_at(&pool, 298) + 1, &pool.slots[299]);
}

static void set_free_slot(struct odd *pool)
{
	odd_set(pool, 1, 99);
}

static void get_free_slot(struct odd *pool)
{
	(void)odd_get(pool, 1);
}

static void set_beyond(struct odd *pool)
{
	odd_set(pool, 65, 99);
}

static bool stops(void (*breach)(struct odd *pool), struct odd *pool)
{
	const pid_t child = fork();
	int status = 0;

	if (child == 0) {
		const struct rlimit no_core = {0, 0};

		(void)setrlimit(RLIMIT_CORE, &no_core); /* at worst a core file is left */
		(void)signal(SIGABRT, SIG_DFL);		/* cmocka catches it */
		(void)close(STDERR_FILENO);		/* the message is expected */
		breach(pool);
		_exit(0);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void a_slot_that_is_not_acquired_is_never_written(void **state)
{
	struct odd *const pool = fresh();
	uint32_t index = 0;

	(void)state;
	assert_true(odd_acquire(pool, &index));
	odd_set(pool, index, 5);
#if QUOIT_CONFIG_ASSERT >= 2
	assert_true(stops(set_free_slot, pool));
	assert_true(stops(get_free_slot, pool));
	assert_true(stops(set_beyond, pool));
#else
	assert_false(stops(get_free_slot, pool));
	pool->slots[1] = 1;
	set_free_slot(pool);
	set_beyond(pool);
	assert_int_equal(pool->slots[1], 1);
	assert_int_equal(odd_get(pool, 1), 0);
	assert_int_equal(odd_get(pool, 65), 0);
#endif
	assert_int_equal(odd_get(pool, index), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_slots_are_given_out_once_and_in_order),
		cmocka_unit_test(what_was_given_back_last_is_taken_first),
		cmocka_unit_test(
			a_slot_that_is_given_back_twice_is_refused_and_has_one_owner_after_that),
		cmocka_unit_test(a_slot_that_is_not_acquired_or_does_not_exist_is_refused),
		cmocka_unit_test(a_slot_beyond_the_end_is_none_whatever_the_first_one_holds),
		cmocka_unit_test(a_pool_of_one_slot_works),
		cmocka_unit_test(a_pool_of_a_type_gives_its_slots_and_only_those_that_are_acquired),
		cmocka_unit_test(a_slot_that_is_not_acquired_is_never_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
