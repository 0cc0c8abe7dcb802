/* SPDX-License-Identifier: MIT */
/*
 * test_rtm.c - the table of answers of real-time pools, row by row, and what sizes mean. The same
 * rows under BeOS's names are in test_realtime_alloc.c; threads, debugging and what the kernel
 * refuses in test_rtm_threads.c, test_rtm_debug.c and test_rtm_refused.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <quoit/numa/rtm.h>

#define TOTAL ((size_t)1 << 16)

static struct quoit_rtm_pool *pool;

static int make_pool(void **state)
{
	(void)state;
	return quoit_rtm_create_pool(&pool, TOTAL, "test");
}

static int drop_pool(void **state)
{
	(void)state;
	return quoit_rtm_delete_pool(pool); /* -EBUSY: a test left something */
}

static struct quoit_rtm_info info_of(const struct quoit_rtm_pool *of)
{
	struct quoit_rtm_info info;

	assert_int_equal(quoit_rtm_pool_info(of, &info), 0);
	return info;
}

/* --- the default pool ------------------------------------------------------------------------ */

/* Before it exists, and it can only be created once: these two run first. C4, C6, C12, D-70. */
static void without_a_default_pool_nothing_comes_from_it(void **state)
{
	void *data = NULL;
	struct quoit_rtm_info info;

	(void)state;
	assert_null(quoit_rtm_default_pool());
	errno = 0;
	assert_null(quoit_rtm_alloc(NULL, 8));
	assert_int_equal(errno, ENXIO);
	assert_int_equal(quoit_rtm_realloc(&data, 8), -ENXIO);
	assert_null(data);
	assert_int_equal(quoit_rtm_available(NULL), 0);
	assert_int_equal(quoit_rtm_largest_free(NULL), 0);
	assert_int_equal(quoit_rtm_pool_info(NULL, &info), -ENXIO);
	assert_int_equal(quoit_rtm_validate(NULL), -ENXIO);
}

static void the_default_pool_is_created_once_and_never_deleted(void **state)
{
	const struct quoit_rtm_options owned = {
		.total = 4096, .owner = QUOIT_RTM_SINGLE, .node = -1};
	struct quoit_reason why = {0};
	void *data = NULL;

	(void)state;
	assert_int_equal(quoit_rtm_create_pool_ex(NULL, &owned, &why), -EINVAL);
	assert_null(quoit_rtm_default_pool());
	assert_int_equal(quoit_rtm_create_pool(NULL, 0, "default"), 0);
	assert_int_equal(quoit_rtm_create_pool(NULL, 0, "default"), -EALREADY);
	assert_non_null(quoit_rtm_default_pool());
	assert_int_equal(info_of(NULL).total, (size_t)QUOIT_CONFIG_RTM_DEFAULT_POOL_KB * 1024);
	assert_int_equal(quoit_rtm_delete_pool(quoit_rtm_default_pool()), -EINVAL);
	assert_int_equal(quoit_rtm_delete_pool_ex(quoit_rtm_default_pool(), QUOIT_RTM_FORCE),
			 -EINVAL);
	assert_int_equal(quoit_rtm_realloc(&data, 100), 0); /* C8: as an allocation in it */
	assert_ptr_equal(quoit_rtm_pool_of(data), quoit_rtm_default_pool());
	assert_int_equal(quoit_rtm_realloc(&data, 0), 0); /* C7: given back */
	assert_null(data);
	data = quoit_rtm_alloc(NULL, 100);
	assert_non_null(data);
	assert_int_equal(quoit_rtm_free(data), 0);
	assert_int_equal(quoit_rtm_available(NULL), info_of(NULL).total);
	assert_int_equal(quoit_rtm_largest_free(NULL), info_of(NULL).total);
	assert_int_equal(quoit_rtm_validate(NULL), 0);
}

/* --- pools ----------------------------------------------------------------------------------- */

static void pools_that_cannot_be_are_refused_in_words(void **state)
{
	const struct quoit_rtm_options wishes[] = {
		{.total = 0},
		{.total = 4096, .align_bytes = 8},
		{.total = 4096, .align_bytes = 48},
		{.total = 4096, .align_bytes = 2 * QUOIT_RTM_ALIGN_MOST},
		{.total = 4096, .owner = (enum quoit_rtm_owner)3},
		{.total = 4096, .lock = (enum quoit_rtm_lock)4},
		{.total = 4096, .debug = (enum quoit_rtm_debug)4},
		{.total = 4096, .node = 1 << 20},
		{.total = SIZE_MAX},
		{.total = (size_t)1 << 38},
		{.total = 4096, .blocks_most = SIZE_MAX},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++) {
		struct quoit_rtm_pool *untouched = (void *)&wishes;
		struct quoit_reason why = {0};
		const int rc = quoit_rtm_create_pool_ex(&untouched, &wishes[i], &why);

		assert_int_equal(rc, i < 8 ? -EINVAL : -E2BIG);
		assert_int_equal(why.error, rc);
		assert_true(strlen(why.text) > 10);
		assert_ptr_equal(untouched, &wishes);
	}
	assert_int_equal(quoit_rtm_create_pool(&pool, 0, NULL), -EINVAL);
}

/* C5, D-65. */
static void only_an_empty_pool_is_deleted_unless_forced(void **state)
{
	struct quoit_rtm_pool *other;
	void *data;

	(void)state;
	assert_int_equal(quoit_rtm_delete_pool(NULL), -EINVAL);
	assert_int_equal(quoit_rtm_delete_pool((void *)state), -EFAULT);
	assert_int_equal(quoit_rtm_create_pool(&other, 1000, NULL), 0);
	data = quoit_rtm_alloc(other, 10);
	assert_non_null(data);
	assert_int_equal(quoit_rtm_delete_pool(data), -EFAULT);
	assert_int_equal(quoit_rtm_delete_pool(other), -EBUSY);
	assert_int_equal(quoit_rtm_delete_pool_ex(other, 2), -EINVAL);
	assert_int_equal(quoit_rtm_size_for(data), 10);
	assert_int_equal(quoit_rtm_delete_pool_ex(other, QUOIT_RTM_FORCE), 0);
	assert_int_equal(quoit_rtm_free(data), -EFAULT); /* nobody's memory now */
	assert_int_equal(quoit_rtm_delete_pool(other), -EFAULT);
}

static void as_many_pools_as_there_may_be_and_no_more(void **state)
{
	struct quoit_rtm_pool *pools[QUOIT_RTM_POOLS_MOST], *more = NULL;
	void *data[QUOIT_RTM_POOLS_MOST];
	const struct quoit_rtm_options o = {.total = 100, .lock = QUOIT_RTM_LOCK_NEVER, .node = -1};
	struct quoit_reason why;
	size_t n = 0;

	(void)state;
	while (n < QUOIT_RTM_POOLS_MOST && !quoit_rtm_create_pool_ex(&pools[n], &o, NULL))
		n++;
	assert_int_equal(n, QUOIT_RTM_POOLS_MOST - 1); /* and the default one */
	assert_int_equal(quoit_rtm_create_pool_ex(&more, &o, &why), -EMFILE);
	assert_null(more);
	for (size_t i = 0; i < n; i++)
		data[i] = quoit_rtm_alloc(pools[i], 1 + i % 100);
	for (size_t i = 0; i < n; i++) { /* in an order of its own, so that gaps open everywhere */
		const size_t k = i * 89 % n;

		assert_ptr_equal(quoit_rtm_pool_of(data[k]), pools[k]);
		assert_int_equal(quoit_rtm_size_for(data[k]), 1 + k % 100);
		assert_int_equal(quoit_rtm_free(data[k]), 0);
		assert_int_equal(quoit_rtm_delete_pool(pools[k]), 0);
		assert_null(quoit_rtm_pool_of(data[k]));
	}
}

/* What lies beside a pool's memory is not its own, to the byte. */
static void a_pools_memory_ends_where_it_ends(void **state)
{
	const struct quoit_rtm_options o = {.total = 100, .lock = QUOIT_RTM_LOCK_NEVER, .node = -1};
	const size_t page = 4096;
	struct quoit_rtm_pool *p;
	char *hole, *first, *end;

	(void)state;
	/* With a hole on either side, so that no other pool is its neighbour. */
	hole = mmap(NULL, 16 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(hole != MAP_FAILED);
	assert_int_equal(quoit_rtm_create_pool_ex(&p, &o, NULL), 0);
	first = (char *)p;
	end = first + info_of(p).mapped_bytes;
	assert_ptr_equal(quoit_rtm_pool_of(first), p);
	assert_ptr_equal(quoit_rtm_pool_of(end - 1), p);
	assert_ptr_not_equal(quoit_rtm_pool_of(first - 1), p);
	assert_ptr_not_equal(quoit_rtm_pool_of(end), p);
	assert_int_equal(quoit_rtm_delete_pool(p), 0);
	assert_null(quoit_rtm_pool_of(first));
	munmap(hole, 16 * page);
}

/* C2, D-64: what "total" means. */
static void total_is_what_can_be_allocated(void **state)
{
	static const size_t aligns[] = {16, 64, 4096};

	(void)state;
	for (size_t i = 0; i < sizeof(aligns) / sizeof(aligns[0]); i++)
		for (int debug = QUOIT_RTM_DEBUG_OFF; debug <= QUOIT_RTM_DEBUG_CHECK; debug++) {
			const struct quoit_rtm_options o = {.total = 100003,
							    .blocks_most = 100,
							    .align_bytes = aligns[i],
							    .debug = (enum quoit_rtm_debug)debug,
							    .node = -1};
			struct quoit_rtm_pool *p;
			void *all[100];
			size_t left = o.total;

			assert_int_equal(quoit_rtm_create_pool_ex(&p, &o, NULL), 0);
			all[0] = quoit_rtm_alloc(p, o.total); /* in one block */
			assert_non_null(all[0]);
			assert_int_equal(quoit_rtm_available(p), 0);
			assert_null(quoit_rtm_alloc(p, 1));
			assert_int_equal(quoit_rtm_free(all[0]), 0);
			for (size_t k = 0; k < 100; k++) { /* or in many, of any sizes */
				const size_t size = k < 99 ? 1 + k * k % 1999 : left;

				all[k] = quoit_rtm_alloc(p, size);
				assert_non_null(all[k]);
				left -= size;
				assert_int_equal(quoit_rtm_available(p), left);
			}
			errno = 0;
			assert_null(quoit_rtm_alloc(p, 1)); /* and not a byte more */
			assert_int_equal(errno, ENOMEM);
			for (size_t k = 0; k < 100; k++)
				assert_int_equal(quoit_rtm_free(all[k]), 0);
			assert_int_equal(quoit_rtm_available(p), o.total); /* no drift */
			assert_int_equal(quoit_rtm_largest_free(p), o.total);
			assert_int_equal(quoit_rtm_delete_pool(p), 0);
		}
}

/* C17. */
static void a_pool_tells_about_itself(void **state)
{
	struct quoit_rtm_info info;
	void *a, *b;

	(void)state;
	assert_int_equal(quoit_rtm_pool_info(pool, NULL), -EINVAL);
	assert_int_equal(quoit_rtm_pool_info((void *)&info, &info), -EFAULT);
	a = quoit_rtm_alloc(pool, 1000);
	b = quoit_rtm_alloc(pool, 500);
	assert_int_equal(quoit_rtm_free(a), 0);
	assert_null(quoit_rtm_alloc(pool, 2 * TOTAL));
	info = info_of(pool);
	assert_string_equal(info.name, "test");
	assert_int_equal(info.total, TOTAL);
	assert_int_equal(info.used, 500);
	assert_int_equal(info.peak, 1500);
	assert_int_equal(info.available, TOTAL - 500);
	assert_int_equal(info.blocks, 1);
	assert_int_equal(info.granted, 2);
	assert_int_equal(info.refused, 1);
	assert_int_equal(info.align_bytes, 64);
	assert_int_equal(info.owner, QUOIT_RTM_SHARED);
	assert_int_equal(info.debug, QUOIT_RTM_DEBUG_OFF);
	assert_true(info.inherits);
	assert_true(info.mapped_bytes > TOTAL);
	assert_true(info.largest_free > 0 && info.largest_free <= info.available);
	assert_int_equal(info.largest_free, quoit_rtm_largest_free(pool));
	assert_int_equal(info.degraded, 0);
	assert_int_equal(info.node, -1);
	assert_int_equal(quoit_rtm_free(b), 0);
}

/* C18. */
static void a_name_is_cut_and_seen_in_the_map_of_the_process(void **state)
{
	const struct quoit_rtm_options o = {
		.total = 100, .name = "a name [with] too many letters in it", .node = -1};
	struct quoit_rtm_pool *p;
	char line[512];
	bool seen = false;
	FILE *maps;

	(void)state;
	assert_int_equal(quoit_rtm_create_pool_ex(&p, &o, NULL), 0);
	assert_string_equal(info_of(p).name, "a name [with] too many letters ");
	maps = fopen("/proc/self/maps", "r");
	while (maps && fgets(line, sizeof(line), maps))
		seen |= strstr(line, "[anon:rtm:a_name__with__too_many_letters_]") != NULL;
	if (maps)
		(void)fclose(maps);
	assert_int_equal(seen, info_of(p).named);
	assert_int_equal(quoit_rtm_delete_pool(p), 0);
}

/* C1, D-69: the pages are there, so nothing faults later. */
static void after_creation_no_page_is_missing(void **state)
{
	struct rusage before, after;
	unsigned char *data;

	(void)state;
	data = quoit_rtm_alloc(pool, 1); /* the code's own pages */
	assert_int_equal(quoit_rtm_free(data), 0);
	assert_int_equal(getrusage(RUSAGE_THREAD, &before), 0);
	data = quoit_rtm_alloc(pool, TOTAL);
	for (size_t i = 0; data && i < TOTAL; i += 512)
		data[i] = 1;
	assert_int_equal(quoit_rtm_free(data), 0);
	assert_int_equal(getrusage(RUSAGE_THREAD, &after), 0);
#ifndef QUOIT_ASAN /* its shadow has pages of its own */
	assert_int_equal(after.ru_minflt, before.ru_minflt);
	assert_int_equal(after.ru_majflt, before.ru_majflt);
#endif
	assert_non_null(data);
}

/* --- blocks ---------------------------------------------------------------------------------- */

/* D-63. */
static void blocks_are_aligned(void **state)
{
	static const size_t aligns[] = {0, 16, 32, 64, 4096};

	(void)state;
	for (size_t i = 0; i < sizeof(aligns) / sizeof(aligns[0]); i++) {
		const struct quoit_rtm_options o = {
			.total = TOTAL, .align_bytes = aligns[i], .node = -1};
		const size_t align = aligns[i] ? aligns[i] : 64;
		struct quoit_rtm_pool *p;
		void *data[20];

		assert_int_equal(quoit_rtm_create_pool_ex(&p, &o, NULL), 0);
		assert_int_equal(info_of(p).align_bytes, align);
		for (size_t k = 0; k < 20; k++) {
			data[k] = quoit_rtm_alloc(p, 1 + 8 * k);
			assert_non_null(data[k]);
			assert_int_equal((uintptr_t)data[k] % align, 0);
		}
		for (size_t k = 0; k < 20; k++)
			assert_int_equal(quoit_rtm_free(data[k]), 0);
		for (size_t more = align; more <= 8192; more *= 2) {
			void *block = quoit_rtm_alloc_aligned(p, 100, more);

			assert_non_null(block);
			assert_int_equal((uintptr_t)block % more, 0);
			data[0] = quoit_rtm_alloc(p, 1); /* in the way */
			memset(block, 0x5a, 100);
			assert_int_equal(quoit_rtm_realloc(&block, 9000), 0);
			assert_int_equal((uintptr_t)block % more, 0); /* also after a move */
			assert_int_equal(((char *)block)[99], 0x5a);
			assert_int_equal(quoit_rtm_free(block), 0);
			assert_int_equal(quoit_rtm_free(data[0]), 0);
		}
		assert_int_equal(quoit_rtm_delete_pool(p), 0);
	}
	errno = 0;
	assert_null(quoit_rtm_alloc_aligned(pool, 10, 48));
	assert_int_equal(errno, EINVAL);
	assert_null(quoit_rtm_alloc_aligned(pool, 10, 0));
	assert_null(quoit_rtm_alloc_aligned(pool, 10, 2 * QUOIT_RTM_ALIGN_ONE_MOST));
}

/* C6. */
static void what_cannot_be_allocated_says_why(void **state)
{
	void *data;

	(void)state;
	errno = 0;
	assert_null(quoit_rtm_alloc(pool, 0));
	assert_int_equal(errno, EINVAL);
	assert_null(quoit_rtm_alloc(pool, TOTAL + 1));
	assert_int_equal(errno, ENOMEM);
	assert_null(quoit_rtm_alloc(pool, SIZE_MAX));
	assert_int_equal(errno, ENOMEM);
	data = quoit_rtm_alloc(pool, TOTAL);
	assert_non_null(data);
	assert_null(quoit_rtm_alloc(pool, 1));
	assert_int_equal(quoit_rtm_free(data), 0);
}

/* C9, D-68. */
static void what_is_no_block_is_refused_and_left_alone(void **state)
{
	void *const heap = malloc(64);
	char *data = quoit_rtm_alloc(pool, 1000);
	char *const page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_int_equal(quoit_rtm_free(NULL), -EINVAL);
	assert_int_equal(quoit_rtm_free(heap), -EFAULT);
	assert_int_equal(quoit_rtm_free(&data), -EFAULT);
	assert_int_equal(quoit_rtm_free((void *)1), -EFAULT);
	assert_int_equal(quoit_rtm_free((void *)UINTPTR_MAX), -EFAULT);
	assert_int_equal(quoit_rtm_free(page), -EFAULT);
	assert_int_equal(quoit_rtm_free(pool), -EFAULT); /* its own head */
	assert_int_equal(quoit_rtm_free((char *)pool + info_of(pool).mapped_bytes - 64), -EFAULT);
	for (size_t i = 1; i < 1000; i++) { /* inside a block, which looks like anything */
		memset(data, (int)i, 1000);
		assert_int_equal(quoit_rtm_free(data + i), -EFAULT);
	}
	assert_int_equal(quoit_rtm_free(data), 0);
	assert_int_equal(quoit_rtm_free(data), -EALREADY);
	assert_int_equal(quoit_rtm_size_for(data), -EALREADY);
	assert_int_equal(quoit_rtm_phys_size_for(data), -EALREADY);
	assert_int_equal(quoit_rtm_realloc((void **)&data, 10), -EALREADY);
	assert_int_equal(quoit_rtm_validate(pool), 0);
	munmap(page, 4096);
	free(heap);
}

/* C10, C11, D-67. */
static void sizes_are_what_was_asked_for_and_what_there_is(void **state)
{
	(void)state;
	assert_int_equal(quoit_rtm_size_for(NULL), -EINVAL);
	assert_int_equal(quoit_rtm_phys_size_for(NULL), -EINVAL);
	assert_int_equal(quoit_rtm_size_for(&pool), -EFAULT);
	assert_int_equal(quoit_rtm_phys_size_for(&pool), -EFAULT);
	for (size_t size = 1; size < 3000; size += 7) {
		void *data = quoit_rtm_alloc(pool, size);
		void *const where = data;
		const ssize_t phys = quoit_rtm_phys_size_for(data);

		assert_int_equal(quoit_rtm_size_for(data), size);
		assert_true(phys >= (ssize_t)size);
		memset(data, 1, size);
		assert_int_equal(quoit_rtm_realloc(&data, (size_t)phys), 0);
		assert_ptr_equal(data, where); /* never moves up to there */
		assert_int_equal(quoit_rtm_size_for(data), phys);
		assert_int_equal(quoit_rtm_phys_size_for(data), phys);
		memset(data, 2, (size_t)phys);
		assert_int_equal(quoit_rtm_free(data), 0);
	}
}

/* C11. Then nothing is left, and all is exact again when they have come back. */
static void blocks_may_grow_to_their_physical_size_beyond_total(void **state)
{
	const struct quoit_rtm_options o = {.total = 1000, .blocks_most = 100, .node = -1};
	struct quoit_rtm_pool *small = NULL;
	void *blocks[10];

	(void)state;
	assert_int_equal(quoit_rtm_create_pool_ex(&small, &o, NULL), 0);
	for (size_t i = 0; i < 10; i++)
		blocks[i] = quoit_rtm_alloc(small, 100);
	for (size_t i = 0; i < 10; i++) {
		const ssize_t phys = quoit_rtm_phys_size_for(blocks[i]);

		assert_int_equal(quoit_rtm_realloc(&blocks[i], (size_t)phys), 0);
	}
	assert_true(info_of(small).used > 1000);
	assert_int_equal(quoit_rtm_available(small), 0);
	assert_null(quoit_rtm_alloc(small, 1));
	assert_int_equal(errno, ENOMEM);
	for (size_t i = 0; i < 10; i++)
		assert_int_equal(quoit_rtm_free(blocks[i]), 0);
	assert_int_equal(quoit_rtm_available(small), 1000);
	assert_int_equal(quoit_rtm_delete_pool(small), 0);
}

/* C7, C8, D-62: a block that must move, in a pool with a lock. */
static void a_realloc_keeps_what_was_there(void **state)
{
	char *data = quoit_rtm_alloc(pool, 100), *other = quoit_rtm_alloc(pool, 100);
	void *block = data;

	(void)state;
	assert_int_equal(quoit_rtm_realloc(NULL, 10), -EINVAL);
	for (int i = 0; i < 100; i++)
		data[i] = (char)i;
	assert_int_equal(quoit_rtm_realloc(&block, 5000), 0);
	assert_ptr_not_equal(block, data); /* the other is in the way */
	assert_ptr_equal(quoit_rtm_pool_of(block), pool);
	for (int i = 0; i < 100; i++)
		assert_int_equal(((char *)block)[i], i);
	assert_int_equal(quoit_rtm_free(data), -EALREADY);
	assert_int_equal(quoit_rtm_available(pool), TOTAL - 5100);

	data = block;
	assert_int_equal(quoit_rtm_realloc(&block, TOTAL), -ENOMEM);
	assert_ptr_equal(block, data); /* and the block is as it was */
	assert_int_equal(quoit_rtm_size_for(block), 5000);
	assert_int_equal(quoit_rtm_realloc(&block, 20), 0);
	assert_ptr_equal(block, data); /* smaller: where it is */
	assert_int_equal(quoit_rtm_size_for(block), 20);
	assert_true(quoit_rtm_phys_size_for(block) < 200); /* and the rest is free */
	for (int i = 0; i < 20; i++)
		assert_int_equal(((char *)block)[i], i);
	block = &data;
	assert_int_equal(quoit_rtm_realloc(&block, 20), -EFAULT);
	assert_ptr_equal(block, &data);
	block = NULL;
	assert_int_equal(quoit_rtm_realloc(&block, 0), -EINVAL);
	assert_int_equal(quoit_rtm_free(data), 0);
	assert_int_equal(quoit_rtm_free(other), 0);
}

/* A block as large as the pool can still be resized: what goes makes room for what comes. */
static void a_moving_block_counts_once(void **state)
{
	void *a = quoit_rtm_alloc(pool, TOTAL / 3), *b = quoit_rtm_alloc(pool, 100), *c = b;

	(void)state;
	assert_int_equal(quoit_rtm_free(a), 0);
	a = quoit_rtm_alloc(pool, TOTAL / 3 - 1000);
	assert_int_equal(quoit_rtm_realloc(&b, TOTAL / 2), 0);
	assert_int_equal(quoit_rtm_realloc(&b, TOTAL - TOTAL / 3 + 1000), 0);
	assert_int_equal(quoit_rtm_available(pool), 0);
	assert_int_equal(info_of(pool).peak, TOTAL);
	assert_true(b == c || quoit_rtm_free(c) == -EALREADY);
	assert_int_equal(quoit_rtm_free(a), 0);
	assert_int_equal(quoit_rtm_free(b), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_default_pool_nothing_comes_from_it),
		cmocka_unit_test(the_default_pool_is_created_once_and_never_deleted),
		cmocka_unit_test(pools_that_cannot_be_are_refused_in_words),
		cmocka_unit_test(only_an_empty_pool_is_deleted_unless_forced),
		cmocka_unit_test(as_many_pools_as_there_may_be_and_no_more),
		cmocka_unit_test(a_pools_memory_ends_where_it_ends),
		cmocka_unit_test(total_is_what_can_be_allocated),
		cmocka_unit_test_setup_teardown(a_pool_tells_about_itself, make_pool, drop_pool),
		cmocka_unit_test(a_name_is_cut_and_seen_in_the_map_of_the_process),
		cmocka_unit_test_setup_teardown(after_creation_no_page_is_missing, make_pool,
						drop_pool),
		cmocka_unit_test_setup_teardown(blocks_are_aligned, make_pool, drop_pool),
		cmocka_unit_test_setup_teardown(what_cannot_be_allocated_says_why, make_pool,
						drop_pool),
		cmocka_unit_test_setup_teardown(what_is_no_block_is_refused_and_left_alone,
						make_pool, drop_pool),
		cmocka_unit_test_setup_teardown(sizes_are_what_was_asked_for_and_what_there_is,
						make_pool, drop_pool),
		cmocka_unit_test(blocks_may_grow_to_their_physical_size_beyond_total),
		cmocka_unit_test_setup_teardown(a_realloc_keeps_what_was_there, make_pool,
						drop_pool),
		cmocka_unit_test_setup_teardown(a_moving_block_counts_once, make_pool, drop_pool),
	};

	return cmocka_run_group_tests_name("numa/rtm", tests, NULL, NULL);
}
