/* SPDX-License-Identifier: MIT */
/*
 * test_buffer_pool.c - buffers by handle, and a thread's cache of them: features B148 to B160;
 * defects D-31 (a stale or doubled handle), D-32 (a length beyond the buffer), D-33 (one head for
 * all, buffers across lines). Threads are in stress/pool.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <quoit/rings/buffer_cache.h>

#include <support/home.h>
#include <support/skip.h>

static struct quoit_buffer_pool *make(size_t slab_bytes, size_t count)
{
	const struct quoit_buffer_pool_options options = {
		.slab_bytes = slab_bytes,
		.count = count,
		.node = -1,
	};
	struct quoit_buffer_pool *pool = NULL;
	struct quoit_reason why = {0};

	if (quoit_buffer_pool_create(&options, &pool, &why))
		fail_msg("%s", why.text);
	return pool;
}

static void buffers_are_given_out_once_apart_from_each_other_and_empty(void **state)
{
	struct quoit_buffer_pool *const pool = make(100, 50);
	uint32_t handles[50], none = 7, len = 7;

	(void)state;
	assert_int_equal(quoit_buffer_pool_capacity(pool), 50);
	assert_int_equal(quoit_buffer_pool_slab_bytes(pool), 100);
	assert_int_equal(quoit_buffer_pool_available(pool), 50);
	for (size_t i = 0; i < 50; i++) {
		assert_true(quoit_buffer_pool_alloc(pool, &handles[i]));
		assert_int_equal(quoit_buffer_pool_index(pool, handles[i]), i);
		assert_int_equal(quoit_buffer_pool_available(pool), 49 - i);
		memset(quoit_buffer_pool_writable(pool, handles[i]), (int)i, 100);
		assert_non_null(quoit_buffer_pool_get(pool, handles[i], &len));
		assert_int_equal(len, 0);
		assert_int_equal(quoit_buffer_pool_set_len(pool, handles[i], (uint32_t)i), 0);
	}
	assert_false(quoit_buffer_pool_alloc(pool, &none));
	assert_int_equal(none, 7);
	for (size_t i = 0; i < 50; i++) {
		const unsigned char *const at = quoit_buffer_pool_get(pool, handles[i], &len);

		assert_int_equal(len, i);
		for (size_t n = 0; n < 100; n++)
			assert_int_equal(at[n], i);
		assert_int_equal(quoit_buffer_pool_free(pool, handles[i]), 0);
	}
	assert_int_equal(quoit_buffer_pool_available(pool), 50);
	assert_true(quoit_buffer_pool_alloc(pool, &handles[0]));
	assert_non_null(quoit_buffer_pool_get(pool, handles[0], &len));
	assert_int_equal(len, 0); /* not what the last owner said */
	quoit_buffer_pool_destroy(pool);
	quoit_buffer_pool_destroy(NULL);
}

/* D-31 */
static void a_buffer_that_was_given_back_is_nobodys(void **state)
{
	struct quoit_buffer_pool *const pool = make(64, 2);
	uint32_t old = 0, now = 0, other = 0, len = 7;

	(void)state;
	assert_true(quoit_buffer_pool_alloc(pool, &old));
	assert_int_equal(quoit_buffer_pool_free(pool, old), 0);
	for (int taken_again = 0; taken_again < 2; taken_again++) {
		assert_int_equal(quoit_buffer_pool_free(pool, old), -EALREADY);
		assert_null(quoit_buffer_pool_get(pool, old, &len));
		assert_int_equal(len, 7);
		assert_null(quoit_buffer_pool_writable(pool, old));
		assert_int_equal(quoit_buffer_pool_set_len(pool, old, 1), -EALREADY);
		if (!taken_again)
			assert_true(quoit_buffer_pool_alloc(pool, &now));
	}
	assert_int_equal(quoit_buffer_pool_index(pool, now), quoit_buffer_pool_index(pool, old));
	assert_true(quoit_buffer_pool_alloc(pool, &other));
	assert_ptr_not_equal(quoit_buffer_pool_writable(pool, now),
			     quoit_buffer_pool_writable(pool, other));
	assert_false(quoit_buffer_pool_alloc(pool, &len));
	quoit_buffer_pool_destroy(pool);
}

static void forged_and_foreign_handles_are_refused(void **state)
{
	static const uint32_t forged[] = {0, 1, 2, 3, 4, 12345, UINT32_MAX - 1, UINT32_MAX};
	struct quoit_buffer_pool *const pool = make(64, 64), *const theirs = make(64, 64);
	uint32_t handle = 0, len;

	(void)state;
	for (size_t i = 0; i < 64; i++) {
		assert_true(quoit_buffer_pool_alloc(pool, &handle));
		assert_true(quoit_buffer_pool_alloc(theirs, &handle));
		assert_int_equal(quoit_buffer_pool_free(pool, handle), -EALREADY);
		assert_null(quoit_buffer_pool_get(pool, handle, &len));
	}
	for (size_t i = 0; i < sizeof(forged) / sizeof(forged[0]); i++) {
		const bool possible = quoit_buffer_pool_index(pool, forged[i]) < 64;
		const int rc = possible ? -EALREADY : -EINVAL;

		assert_int_equal(quoit_buffer_pool_free(pool, forged[i]), rc);
		assert_int_equal(quoit_buffer_pool_set_len(pool, forged[i], 1), rc);
		assert_null(quoit_buffer_pool_writable(pool, forged[i]));
	}
	assert_int_equal(quoit_buffer_pool_available(pool), 0);
	assert_int_equal(quoit_buffer_pool_set_len(pool, 65, 1), -EINVAL); /* one too far */
	quoit_buffer_pool_destroy(theirs);
	quoit_buffer_pool_destroy(pool);
}

/* D-32: the seed looked in debug builds only, and cut its slice by it. */
static void a_length_beyond_the_buffer_is_refused_in_every_build(void **state)
{
	struct quoit_buffer_pool *const pool = make(100, 2);
	uint32_t handle = 0, len = 0;

	(void)state;
	assert_true(quoit_buffer_pool_alloc(pool, &handle));
	assert_int_equal(quoit_buffer_pool_set_len(pool, handle, 100), 0);
	assert_int_equal(quoit_buffer_pool_set_len(pool, handle, 101), -EMSGSIZE);
	assert_int_equal(quoit_buffer_pool_set_len(pool, handle, UINT32_MAX), -EMSGSIZE);
	assert_non_null(quoit_buffer_pool_get(pool, handle, &len));
	assert_int_equal(len, 100);
	quoit_buffer_pool_destroy(pool);
}

/* D-33: two buffers on one line, though nobody shares them. */
static void no_two_buffers_share_a_line_and_alignment_is_kept(void **state)
{
	static const size_t sizes[] = {1, 63, 64, 65, 1500, 4096};
	static const size_t aligns[] = {0, 8, 64, 128, 4096, 65536};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (size_t j = 0; j < sizeof(aligns) / sizeof(aligns[0]); j++) {
			const struct quoit_buffer_pool_options options = {
				.slab_bytes = sizes[i],
				.count = 5,
				.align_bytes = aligns[j],
				.node = -1,
			};
			const size_t align = aligns[j] ? aligns[j] : 64;
			struct quoit_buffer_pool *pool = NULL;
			char *before = NULL;
			uint32_t handle = 0;

			assert_int_equal(quoit_buffer_pool_create(&options, &pool, NULL), 0);
			while (quoit_buffer_pool_alloc(pool, &handle)) {
				char *const at = quoit_buffer_pool_writable(pool, handle);

				assert_int_equal((uintptr_t)at % align, 0);
				assert_true(!before || at >= before + sizes[i]);
				memset(at, 1, sizes[i]);
				before = at;
			}
			assert_int_equal(quoit_buffer_pool_available(pool), 0);
			quoit_buffer_pool_destroy(pool);
		}
}

static void its_memory_is_told_and_placed(void **state)
{
	const struct quoit_buffer_pool_options options = {
		.slab_bytes = 4096,
		.count = 256,
		.align_bytes = 4096,
		.node = memory_node(-1),
	};
	struct quoit_buffer_pool *pool = NULL;

	(void)state;
	assert_int_equal(quoit_buffer_pool_create(&options, &pool, NULL), 0);
	assert_true(quoit_buffer_pool_total_bytes(pool) >= 256 * 4096);
	assert_true(quoit_buffer_pool_total_bytes(pool) <= 256 * 4096 + 16384 + 256 * 32);
	assert_int_equal(quoit_buffer_pool_region(pool)->node, options.node);
	assert_int_equal(quoit_buffer_pool_region(pool)->degraded & QUOIT_REGION_ELSEWHERE, 0);
	quoit_buffer_pool_destroy(pool);
}

static void what_cannot_be_is_refused_with_a_reason_and_nothing_touched(void **state)
{
	static const struct quoit_buffer_pool_options wrong[] = {
		{.slab_bytes = 0, .count = 1, .node = -1},
		{.slab_bytes = 64, .count = 0, .node = -1},
		{.slab_bytes = (size_t)UINT32_MAX + 1, .count = 1, .node = -1},
		{.slab_bytes = SIZE_MAX, .count = 1, .node = -1},
		{.slab_bytes = 64, .count = QUOIT_FREE_LIST_MOST + 1, .node = -1},
		{.slab_bytes = 64, .count = SIZE_MAX, .node = -1},
		{.slab_bytes = 64, .count = 4, .align_bytes = 3, .node = -1},
		{.slab_bytes = 64, .count = 4, .align_bytes = (size_t)1 << 32, .node = -1},
		{.slab_bytes = 64, .count = 4, .align_bytes = (size_t)1 << 33, .node = -1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct quoit_buffer_pool *pool = NULL;
		struct quoit_reason why = {0};

		assert_int_equal(quoit_buffer_pool_create(&wrong[i], &pool, &why), -EINVAL);
		assert_null(pool);
		assert_int_equal(why.error, -EINVAL);
		assert_non_null(strstr(why.text, "a pool of")); /* it does not come to a mapping */
	}
}

/* The most of everything may be asked for; this machine has no address for it. */
static void what_there_is_no_memory_for_is_refused_as_that(void **state)
{
	static const struct quoit_buffer_pool_options large[] = {
		{.slab_bytes = UINT32_MAX, .count = QUOIT_FREE_LIST_MOST, .node = -1},
		{.slab_bytes = 64,
		 .count = QUOIT_FREE_LIST_MOST,
		 .align_bytes = (size_t)1 << 31,
		 .node = -1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(large) / sizeof(large[0]); i++) {
		struct quoit_buffer_pool *pool = NULL;
		struct quoit_reason why = {0};

		assert_int_equal(quoit_buffer_pool_create(&large[i], &pool, &why), -ENOMEM);
		assert_null(pool);
		assert_int_equal(why.error, -ENOMEM);
	}
}

static void a_pool_that_is_destroyed_has_no_memory_any_more(void **state)
{
	struct quoit_buffer_pool *const pool = make(4096, 64);
	char *const page = pool->slabs + (-(uintptr_t)pool->slabs & 4095);

	(void)state;
	assert_int_equal(msync(page, 4096, MS_ASYNC), 0);
	quoit_buffer_pool_destroy(pool);
	assert_int_equal(msync(page, 4096, MS_ASYNC), -1);
	assert_int_equal(errno, ENOMEM);
}

static void many_are_taken_and_given_back_at_once_and_bad_ones_refused(void **state)
{
	struct quoit_buffer_pool *const pool = make(64, 100);
	uint32_t handles[102];

	(void)state;
	assert_int_equal(quoit_buffer_pool_alloc_many(pool, handles, 30), 30);
	assert_int_equal(quoit_buffer_pool_alloc_many(pool, handles + 30, 80), 70);
	for (size_t i = 0; i < 100; i++) {
		memset(quoit_buffer_pool_writable(pool, handles[i]), 1, 64);
		assert_int_equal(quoit_buffer_pool_set_len(pool, handles[i], 3), 0);
	}
	assert_int_equal(quoit_buffer_pool_free(pool, handles[50]), 0);
	handles[100] = QUOIT_HANDLE_INVALID;
	handles[101] = handles[3];
	assert_int_equal(quoit_buffer_pool_free_many(pool, handles, 102), -EALREADY);
	assert_int_equal(quoit_buffer_pool_available(pool), 100);
	assert_int_equal(quoit_buffer_pool_free_many(pool, handles + 100, 2), -EINVAL);
	assert_int_equal(quoit_buffer_pool_free_many(pool, handles, 0), 0);
	assert_int_equal(quoit_buffer_pool_available(pool), 100);
	quoit_buffer_pool_destroy(pool);
}

static void a_cache_takes_and_gives_half_of_itself_at_a_time(void **state)
{
	struct quoit_buffer_pool *const pool = make(64, 200);
	struct quoit_buffer_cache cache;
	uint32_t handles[200], none = 7;

	(void)state;
	quoit_buffer_cache_init(&cache, pool);
	for (size_t i = 0; i < 200; i++) {
		assert_true(quoit_buffer_cache_alloc(&cache, &handles[i]));
		assert_int_equal(200 - i - 1, quoit_buffer_pool_available(pool) +
						      quoit_buffer_cache_length(&cache));
		if (i + QUOIT_BUFFER_CACHE_HALF < 200)
			assert_int_equal(quoit_buffer_pool_available(pool) %
						 QUOIT_BUFFER_CACHE_HALF,
					 200 % QUOIT_BUFFER_CACHE_HALF);
	}
	assert_false(quoit_buffer_cache_alloc(&cache, &none));
	assert_int_equal(none, 7);
	for (size_t i = 0; i < 200; i++) {
		assert_int_equal(quoit_buffer_cache_free(&cache, handles[i]), 0);
		assert_int_equal(quoit_buffer_pool_available(pool) % QUOIT_BUFFER_CACHE_HALF, 0);
		assert_int_equal(i + 1, quoit_buffer_pool_available(pool) +
						quoit_buffer_cache_length(&cache));
	}
	assert_true(quoit_buffer_pool_available(pool) > 0);
	quoit_buffer_cache_flush(&cache);
	assert_int_equal(quoit_buffer_cache_length(&cache), 0);
	assert_int_equal(quoit_buffer_pool_available(pool), 200);
	quoit_buffer_cache_flush(&cache);
	assert_int_equal(quoit_buffer_pool_available(pool), 200);
	quoit_buffer_pool_destroy(pool);
}

static void a_buffer_in_a_cache_is_free_for_everybody_else(void **state)
{
	struct quoit_buffer_pool *const pool = make(64, 40);
	struct quoit_buffer_cache cache;
	uint32_t handle = 0, again = 0, len;

	(void)state;
	quoit_buffer_cache_init(&cache, pool);
	assert_true(quoit_buffer_pool_alloc(pool, &handle));
	assert_int_equal(quoit_buffer_pool_set_len(pool, handle, 9), 0);
	assert_int_equal(quoit_buffer_cache_free(&cache, handle), 0);
	assert_int_equal(quoit_buffer_cache_free(&cache, handle), -EALREADY);
	assert_int_equal(quoit_buffer_pool_free(pool, handle), -EALREADY);
	assert_null(quoit_buffer_pool_writable(pool, handle));
	assert_int_equal(quoit_buffer_cache_free(&cache, QUOIT_HANDLE_INVALID), -EINVAL);
	assert_int_equal(quoit_buffer_cache_length(&cache), 1);
	assert_true(quoit_buffer_cache_alloc(&cache, &again));
	assert_int_not_equal(again, handle);
	assert_int_equal(quoit_buffer_pool_index(pool, again),
			 quoit_buffer_pool_index(pool, handle));
	assert_non_null(quoit_buffer_pool_get(pool, again, &len));
	assert_int_equal(len, 0);
	assert_int_equal(quoit_buffer_pool_free(pool, again), 0);
	assert_int_equal(quoit_buffer_pool_available(pool), 40);
	quoit_buffer_pool_destroy(pool);
}

static void a_free_buffer_is_poisoned(void **state)
{
	(void)state;
#ifdef QUOIT_ASAN
	struct quoit_buffer_pool *const pool = make(100, 2);
	struct quoit_buffer_cache cache;
	uint32_t handle = 0;
	char *at;

	quoit_buffer_cache_init(&cache, pool);
	assert_ptr_equal(__asan_region_is_poisoned(pool->slabs, 1), pool->slabs); /* never taken */
	assert_true(quoit_buffer_pool_alloc(pool, &handle));
	at = quoit_buffer_pool_writable(pool, handle);
	assert_null(__asan_region_is_poisoned(at, 100));
	assert_ptr_equal(__asan_region_is_poisoned(at, 101), at + 100); /* beyond its end */
	assert_int_equal(quoit_buffer_pool_free(pool, handle), 0);
	assert_ptr_equal(__asan_region_is_poisoned(at, 1), at);
	assert_true(quoit_buffer_cache_alloc(&cache, &handle));
	assert_null(__asan_region_is_poisoned(quoit_buffer_pool_writable(pool, handle), 100));
	assert_int_equal(quoit_buffer_cache_free(&cache, handle), 0);
	assert_true(__asan_address_is_poisoned(at));
	quoit_buffer_pool_destroy(pool);
	assert_false(__asan_address_is_poisoned(at)); /* another mapping may come to lie here */
#else
	skip_because("poisoning is looked at under the address sanitizer only");
#endif
}

/* The sanitizer keeps one state for 8 bytes: none of them may be of two buffers. */
static void a_free_buffer_is_poisoned_to_its_last_byte_beside_one_that_is_taken(void **state)
{
	(void)state;
#ifdef QUOIT_ASAN
	static const size_t aligns[] = {1, 2, 4};

	for (size_t i = 0; i < sizeof(aligns) / sizeof(aligns[0]); i++) {
		const struct quoit_buffer_pool_options options = {
			.slab_bytes = 12, .count = 2, .align_bytes = aligns[i], .node = -1};
		struct quoit_buffer_pool *pool = NULL;
		uint32_t handles[2];
		const char *at;

		assert_int_equal(quoit_buffer_pool_create(&options, &pool, NULL), 0);
		assert_int_equal(quoit_buffer_pool_alloc_many(pool, handles, 2), 2);
		at = quoit_buffer_pool_writable(pool, handles[0]);
		assert_int_equal(quoit_buffer_pool_free(pool, handles[0]), 0);
		for (size_t byte = 0; byte < 12; byte++)
			assert_true(__asan_address_is_poisoned(at + byte));
		quoit_buffer_pool_destroy(pool);
	}
#else
	skip_because("poisoning is looked at under the address sanitizer only");
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buffers_are_given_out_once_apart_from_each_other_and_empty),
		cmocka_unit_test(a_buffer_that_was_given_back_is_nobodys),
		cmocka_unit_test(forged_and_foreign_handles_are_refused),
		cmocka_unit_test(a_length_beyond_the_buffer_is_refused_in_every_build),
		cmocka_unit_test(no_two_buffers_share_a_line_and_alignment_is_kept),
		cmocka_unit_test(its_memory_is_told_and_placed),
		cmocka_unit_test(what_cannot_be_is_refused_with_a_reason_and_nothing_touched),
		cmocka_unit_test(what_there_is_no_memory_for_is_refused_as_that),
		cmocka_unit_test(a_pool_that_is_destroyed_has_no_memory_any_more),
		cmocka_unit_test(many_are_taken_and_given_back_at_once_and_bad_ones_refused),
		cmocka_unit_test(a_cache_takes_and_gives_half_of_itself_at_a_time),
		cmocka_unit_test(a_buffer_in_a_cache_is_free_for_everybody_else),
		cmocka_unit_test(a_free_buffer_is_poisoned),
		cmocka_unit_test(
			a_free_buffer_is_poisoned_to_its_last_byte_beside_one_that_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
