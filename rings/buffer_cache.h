/* SPDX-License-Identifier: MIT */
/*
 * buffer_cache.h - a thread's own few buffers in front of a pool that many share.
 *
 * A pool has one head, which every alloc and free of every thread moves: where a buffer is taken on
 * one core and given back on another, that line travels for each. With a cache on both sides it
 * travels once for QUOIT_BUFFER_CACHE_HALF buffers. One by one between two cores a buffer then
 * costs a third (rings/README.md, Decisions); on one core alone it saves less.
 *
 *     struct quoit_buffer_cache cache;                     one for each thread and pool
 *     quoit_buffer_cache_init(&cache, pool);
 *     quoit_buffer_cache_alloc(&cache, &handle);
 *     quoit_buffer_cache_free(&cache, handle);             allocated here or anywhere
 *     quoit_buffer_cache_flush(&cache);                    at the end, or when it goes idle
 *
 * What lies in a cache is free, and is refused like any free buffer when it is given back again,
 * but only its thread can take it: count QUOIT_BUFFER_CACHE_MOST more buffers for each thread.
 */
#ifndef QUOIT_RINGS_BUFFER_CACHE_H
#define QUOIT_RINGS_BUFFER_CACHE_H

#include <quoit/rings/buffer_pool.h>

QUOIT_C_BEGIN

#define QUOIT_BUFFER_CACHE_HALF ((size_t)32)
#define QUOIT_BUFFER_CACHE_MOST (2 * QUOIT_BUFFER_CACHE_HALF)

quoit_static_assert(QUOIT_BUFFER_CACHE_HALF <= QUOIT_FREE_LIST_BATCH, "it moves in one piece");

/* One thread's. Touch the fields only through the functions. */
struct quoit_buffer_cache {
	struct quoit_buffer_pool *pool;
	size_t n;
	uint32_t indexes[QUOIT_BUFFER_CACHE_MOST];
};

/* Thread: the cache's owner, in all of these. */

/* An empty cache. */
QUOIT_HOT void quoit_buffer_cache_init(struct quoit_buffer_cache *cache,
				       struct quoit_buffer_pool *pool)
{
	cache->pool = pool;
	cache->n = 0;
}

/* How many buffers lie in it. */
QUOIT_RT_WAITFREE QUOIT_HOT size_t quoit_buffer_cache_length(const struct quoit_buffer_cache *cache)
{
	return cache->n;
}

/*
 * As quoit_buffer_pool_alloc(); false if there is none here nor in the pool.
 * Cost: one time in QUOIT_BUFFER_CACHE_HALF that of the pool.
 */
QUOIT_RT_LOCKFREE QUOIT_HOT bool quoit_buffer_cache_alloc(struct quoit_buffer_cache *cache,
							  uint32_t *handle)
{
	if (quoit_unlikely(!cache->n))
		cache->n = quoit__free_list_pull(&cache->pool->list, cache->indexes,
						 QUOIT_BUFFER_CACHE_HALF);
	if (quoit_unlikely(!cache->n))
		return false;
	*handle = quoit__buffer_begin(cache->pool, cache->indexes[--cache->n]);
	return true;
}

/*
 * As quoit_buffer_pool_free(). A full cache gives its older half to the pool.
 * Errors: those of quoit_buffer_pool_free().
 */
QUOIT_RT_LOCKFREE QUOIT_MUST_CHECK QUOIT_HOT int quoit_buffer_cache_free(
	struct quoit_buffer_cache *cache, uint32_t handle)
{
	uint32_t index;
	const int rc = quoit__buffer_end(cache->pool, handle, &index);

	if (quoit_unlikely(rc))
		return rc;
	if (quoit_unlikely(cache->n == QUOIT_BUFFER_CACHE_MOST)) {
		quoit__free_list_push(&cache->pool->list, cache->indexes, QUOIT_BUFFER_CACHE_HALF);
		cache->n -= QUOIT_BUFFER_CACHE_HALF;
		for (size_t i = 0; i < cache->n; i++)
			cache->indexes[i] = cache->indexes[QUOIT_BUFFER_CACHE_HALF + i];
	}
	cache->indexes[cache->n++] = index;
	return 0;
}

/* Give all of it to the pool. */
QUOIT_RT_LOCKFREE QUOIT_HOT void quoit_buffer_cache_flush(struct quoit_buffer_cache *cache)
{
	if (cache->n)
		quoit__free_list_push(&cache->pool->list, cache->indexes, cache->n);
	cache->n = 0;
}

QUOIT_C_END

#endif
