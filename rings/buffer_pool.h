/* SPDX-License-Identifier: MIT */
/*
 * buffer_pool.h - buffers of one size, taken and given back on any thread: the payload stays where
 * it is, and a ring carries the four bytes of its handle (examples/03_zero_copy.c).
 *
 *     quoit_buffer_pool_alloc(pool, &handle);              one thread
 *     fill(quoit_buffer_pool_writable(pool, handle));
 *     quoit_buffer_pool_set_len(pool, handle, n);
 *                                                          the handle goes through a ring
 *     quoit_buffer_pool_get(pool, handle, &n);             another thread
 *     quoit_buffer_pool_free(pool, handle);
 *
 * A buffer is one thread's at a time, and passes with its handle. All memory is mapped and touched
 * when the pool is made; alloc and free are lock-free and never enter the kernel. free_list.h tells
 * how, and how long a handle that was given back is known as such. What is given back last is taken
 * first, because it is still in the cache.
 *
 * Under the address sanitizer a buffer that is free is poisoned: touching it is reported.
 */
#ifndef QUOIT_RINGS_BUFFER_POOL_H
#define QUOIT_RINGS_BUFFER_POOL_H

#include <quoit/numa/region.h>
#include <quoit/rings/free_list.h>

QUOIT_C_BEGIN

struct quoit_buffer_pool_options {
	size_t slab_bytes;  /* of each buffer */
	size_t count;	    /* of buffers, 1 to QUOIT_FREE_LIST_MOST */
	size_t align_bytes; /* of each buffer, a power of two; 0: a line; below 8: 8 */
	int node;     /* prefer this one, mind that 0 is one; below 0: the creating thread's */
	bool lock;    /* never swapped out; counts against RLIMIT_MEMLOCK */
	bool require; /* refuse where the placement falls short, instead of degrading */
};

/* Touch the fields only through the functions. */
struct quoit_buffer_pool {
	struct quoit_free_list list;

	/* Read by all, written at the start. */
	QUOIT_ISOLATED char *slabs;
	size_t slab_bytes;
	size_t stride_bytes; /* from buffer to buffer: slab_bytes up to the alignment */
	struct quoit_region region;
};

/*
 * Map, place and touch the memory of a pool, all of it free.
 *
 * A placement that falls short is told in `why` (may be NULL) and in quoit_buffer_pool_region(),
 * although the answer is 0.
 * Thread: any; without a node one that runs near where the buffers are used.
 * Owns: the caller, until quoit_buffer_pool_destroy(). *pool is untouched on failure.
 * Errors: -EINVAL for no bytes or above 4 GiB - 1 each, no buffers or too many, an alignment that
 * is not a power of two; those of quoit_region_open().
 */
QUOIT_MUST_CHECK int quoit_buffer_pool_create(const struct quoit_buffer_pool_options *options,
					      struct quoit_buffer_pool **pool,
					      struct quoit_reason *why);

/* Unmap it, with what was not given back. NULL is let be. Thread: any, after all others. */
void quoit_buffer_pool_destroy(struct quoit_buffer_pool *pool);

/* How many slabs it has, taken or not. Thread: any. */
QUOIT_RT_WAITFREE QUOIT_HOT size_t quoit_buffer_pool_capacity(const struct quoit_buffer_pool *pool)
{
	return pool->list.count;
}

/* What a slab holds at most. Thread: any. */
QUOIT_RT_WAITFREE QUOIT_HOT size_t
quoit_buffer_pool_slab_bytes(const struct quoit_buffer_pool *pool)
{
	return pool->slab_bytes;
}

/* All that it occupies, whole pages. */
QUOIT_RT_WAITFREE QUOIT_HOT size_t
quoit_buffer_pool_total_bytes(const struct quoit_buffer_pool *pool)
{
	return pool->region.bytes;
}

/* Where it lies, and what of that fell short. */
QUOIT_RT_WAITFREE QUOIT_HOT const struct quoit_region *quoit_buffer_pool_region(
	const struct quoit_buffer_pool *pool)
{
	return &pool->region;
}

/*
 * How many are free, at some moment or nearly; those in caches of threads are not counted.
 * Thread: any.   Cost: O(1), two loads.
 */
QUOIT_RT_WAITFREE QUOIT_HOT size_t quoit_buffer_pool_available(const struct quoit_buffer_pool *pool)
{
	return quoit_free_list_available(&pool->list);
}

/*
 * Which buffer a handle means, 0 to capacity - 1, be it taken or not; capacity or more for what
 * cannot be a handle. Buffer i begins i strides behind the first: for whoever registers them.
 */
QUOIT_RT_WAITFREE QUOIT_HOT size_t quoit_buffer_pool_index(const struct quoit_buffer_pool *pool,
							   uint32_t handle)
{
	return quoit_free_list_index(&pool->list, handle);
}

QUOIT_HOT void *quoit__buffer_slab(const struct quoit_buffer_pool *pool, size_t index)
{
	return pool->slabs + index * pool->stride_bytes;
}

/* A buffer that was pulled is the caller's from now on. Gives its handle. */
QUOIT_HOT uint32_t quoit__buffer_begin(struct quoit_buffer_pool *pool, uint32_t index)
{
	quoit__free_slot(&pool->list, index)->len = 0;
	quoit_unpoison(quoit__buffer_slab(pool, index), pool->slab_bytes);
	return quoit__free_list_begin(&pool->list, index);
}

/* The reverse, as quoit__free_list_end(). */
QUOIT_MUST_CHECK QUOIT_HOT int quoit__buffer_end(struct quoit_buffer_pool *pool, uint32_t handle,
						 uint32_t *index)
{
	const int rc = quoit__free_list_end(&pool->list, handle, index);

	if (quoit_likely(!rc))
		quoit_poison(quoit__buffer_slab(pool, *index), pool->slab_bytes);
	return rc;
}

/*
 * Take a buffer, whose length is 0 and whose bytes are as somebody left them. False if none is
 * free, and *handle is untouched.
 * Thread: any, lock-free.   Owns: the caller, until it frees it or passes the handle on.
 */
QUOIT_RT_LOCKFREE QUOIT_HOT bool quoit_buffer_pool_alloc(struct quoit_buffer_pool *pool,
							 uint32_t *handle)
{
	uint32_t index;

	if (quoit_unlikely(!quoit__free_list_pull(&pool->list, &index, 1)))
		return false;
	*handle = quoit__buffer_begin(pool, index);
	return true;
}

/*
 * Give a buffer back.
 * Thread: any, lock-free; its owner.
 * Errors: -EINVAL for what cannot be a handle of this pool, -EALREADY for one that was given back
 * or was never given out; the pool is as it was, in every build.
 */
QUOIT_RT_LOCKFREE QUOIT_MUST_CHECK QUOIT_HOT int quoit_buffer_pool_free(
	struct quoit_buffer_pool *pool, uint32_t handle)
{
	uint32_t index;
	const int rc = quoit__buffer_end(pool, handle, &index);

	if (quoit_likely(!rc))
		quoit__free_list_push(&pool->list, &index, 1);
	return rc;
}

/*
 * Take up to `most` buffers for the price of little more than one. Gives how many.
 * Thread: any, lock-free.   Owns: as quoit_buffer_pool_alloc().
 */
QUOIT_RT_LOCKFREE QUOIT_HOT size_t quoit_buffer_pool_alloc_many(struct quoit_buffer_pool *pool,
								uint32_t *handles, size_t most)
{
	const size_t n = quoit__free_list_pull(&pool->list, handles, most);

	for (size_t i = 0; i < n; i++)
		handles[i] = quoit__buffer_begin(pool, handles[i]);
	return n;
}

/*
 * Give all of them back, QUOIT_FREE_LIST_BATCH at a time.
 * Those that are refused do not keep the others from being given back.
 * Thread: any, lock-free.   Errors: of the first that was refused, as quoit_buffer_pool_free().
 */
QUOIT_RT_LOCKFREE QUOIT_MUST_CHECK QUOIT_HOT int quoit_buffer_pool_free_many(
	struct quoit_buffer_pool *pool, const uint32_t *handles, size_t n)
{
	uint32_t indexes[QUOIT_FREE_LIST_BATCH];
	int refused = 0;

	for (size_t i = 0; i < n;) {
		const size_t end = i + quoit_min(n - i, QUOIT_FREE_LIST_BATCH);
		size_t ended = 0;

		for (; i < end; i++) {
			const int rc = quoit__buffer_end(pool, handles[i], &indexes[ended]);

			if (quoit_likely(!rc))
				ended++;
			else if (!refused)
				refused = rc;
		}
		if (quoit_likely(ended))
			quoit__free_list_push(&pool->list, indexes, ended);
	}
	return refused;
}

/*
 * The bytes of a buffer, and in *len how many its owner said it has; NULL, and *len is untouched,
 * if it is not taken under this handle.
 * Thread: its owner.
 */
QUOIT_RT_WAITFREE QUOIT_HOT const void *quoit_buffer_pool_get(const struct quoit_buffer_pool *pool,
							      uint32_t handle, uint32_t *len)
{
	const size_t index = quoit_free_list_index(&pool->list, handle);

	if (quoit_unlikely(!quoit_free_list_is_taken(&pool->list, handle)))
		return NULL;
	*len = quoit__free_slot(&pool->list, index)->len;
	return quoit__buffer_slab(pool, index);
}

/* All slab_bytes of it, to write into; NULL if it is not taken under this handle. Thread: owner. */
QUOIT_RT_WAITFREE QUOIT_HOT void *quoit_buffer_pool_writable(const struct quoit_buffer_pool *pool,
							     uint32_t handle)
{
	if (quoit_unlikely(!quoit_free_list_is_taken(&pool->list, handle)))
		return NULL;
	return quoit__buffer_slab(pool, quoit_free_list_index(&pool->list, handle));
}

/*
 * Say how many of its bytes count.
 * Thread: its owner.
 * Errors: -EMSGSIZE for more than slab_bytes; -EINVAL and -EALREADY as of free. The length is then
 * as it was.
 */
QUOIT_RT_WAITFREE QUOIT_MUST_CHECK QUOIT_HOT int quoit_buffer_pool_set_len(
	struct quoit_buffer_pool *pool, uint32_t handle, uint32_t len)
{
	const size_t index = quoit_free_list_index(&pool->list, handle);

	if (quoit_unlikely(index >= pool->list.count))
		return -EINVAL;
	if (quoit_unlikely(!quoit_free_list_is_taken(&pool->list, handle)))
		return -EALREADY;
	if (quoit_unlikely(len > pool->slab_bytes))
		return -EMSGSIZE;
	quoit__free_slot(&pool->list, index)->len = len;
	return 0;
}

QUOIT_C_END

#endif
