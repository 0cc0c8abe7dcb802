/* SPDX-License-Identifier: MIT */
/*
 * fixed_pool.h - slots of a fixed number, inside the pool, for one owner.
 *
 *     static struct quoit_pool_u64 pool;                  zeroed: all 1,024 slots are free
 *
 *     quoit_pool_u64_acquire(&pool, &index);
 *     quoit_pool_u64_set(&pool, index, 42);
 *     quoit_pool_u64_release(&pool, index);
 *
 * One thread at a time: there are no atomics in here. A slot that is taken on one thread and given
 * back on another, as the pool beside a ring needs it, is shared_pool.h (defect D-74). Nothing
 * allocates, waits or enters the kernel, every call is a few instructions, and a slot that is given
 * back is the next to be taken, because it is still in the cache.
 *
 * QUOIT_POOL_U64(name, count) stamps one of another size, and QUOIT_FIXED_POOL(orders, struct
 * order, 300) one of a type. Any count from 1 to QUOIT_FIXED_POOL_MOST:
 *
 * name_init(p)             all slots free; a zeroed pool is so already
 * name_acquire(p, &index)  false if none is free, and index is untouched
 * name_release(p, index)   0; -EINVAL: there is no such slot, -EALREADY: it is not acquired
 * name_at(p, index)        the slot; NULL if it is not acquired
 * name_capacity(p), name_in_use(p), name_available(p)
 * name_is_full(p)          no slot is free
 * name_is_empty(p)         none is acquired
 *
 * and of QUOIT_POOL_U64:
 *
 * name_set(p, index, word) to a slot that is acquired; nothing is written to any other
 * name_get(p, index)       of a slot that is acquired; 0 of any other
 *
 * set and get of a slot that is not acquired break the contract: CONFIG_ASSERT=2 stops there. A bad
 * release is answered with a code in every build.
 */
#ifndef QUOIT_RINGS_FIXED_POOL_H
#define QUOIT_RINGS_FIXED_POOL_H

#include <errno.h>
#include <string.h>

#include <quoit/numa/machine.h>

QUOIT_C_BEGIN

#define QUOIT_POOL_U64_CAPACITY 1024
#define QUOIT_FIXED_POOL_MOST	((size_t)1 << 31)

/* The free slots, first to last: each link says how far beyond its neighbour the next one is. */
struct quoit_fixed_pool {
	uint32_t free_first; /* the capacity: none */
	uint32_t in_use;
};

/* Thread: the pool's owner, as all below. `capacity` is a constant in every caller. */
QUOIT_HOT bool quoit__fixed_pool_is_live(const uint64_t *live, uint32_t capacity, uint32_t index)
{
	return index < capacity && (live[index / 64] >> index % 64 & 1);
}

QUOIT_HOT bool quoit__fixed_pool_acquire(struct quoit_fixed_pool *pool, const uint32_t *links,
					 uint64_t *live, uint32_t capacity, uint32_t *index)
{
	const uint32_t at = pool->free_first;

	if (quoit_unlikely(at >= capacity))
		return false;
	pool->free_first = at + 1 + links[at];
	pool->in_use++;
	live[at / 64] |= UINT64_C(1) << at % 64;
	*index = at;
	return true;
}

QUOIT_HOT int quoit__fixed_pool_release(struct quoit_fixed_pool *pool, uint32_t *links,
					uint64_t *live, uint32_t capacity, uint32_t index)
{
	if (quoit_unlikely(index >= capacity))
		return -EINVAL;
	if (quoit_unlikely(!quoit__fixed_pool_is_live(live, capacity, index)))
		return -EALREADY;
	live[index / 64] &= ~(UINT64_C(1) << index % 64);
	links[index] = pool->free_first - index - 1;
	pool->free_first = index;
	pool->in_use--;
	return 0;
}

#define QUOIT_FIXED_POOL(name, T, count)                                                           \
	quoit__item_check(T);                                                                      \
	quoit_static_assert((count) > 0 && (count) <= QUOIT_FIXED_POOL_MOST,                       \
			    "a pool has 1 to 2^31 slots");                                         \
	struct name {                                                                              \
		struct quoit_fixed_pool pool;                                                      \
		uint32_t links[count];                                                             \
		uint64_t live[((count) + 63) / 64];                                                \
		T slots[count];                                                                    \
	};                                                                                         \
	QUOIT_HOT void name##_init(struct name *p)                                                 \
	{                                                                                          \
		memset(&p->pool, 0, sizeof(p->pool));                                              \
		memset(p->links, 0, sizeof(p->links));                                             \
		memset(p->live, 0, sizeof(p->live));                                               \
	}                                                                                          \
	QUOIT_RT_WAITFREE QUOIT_HOT bool name##_acquire(struct name *p, uint32_t *index)           \
	{                                                                                          \
		return quoit__fixed_pool_acquire(&p->pool, p->links, p->live, count, index);       \
	}                                                                                          \
	QUOIT_RT_WAITFREE QUOIT_MUST_CHECK QUOIT_HOT int name##_release(struct name *p,            \
									uint32_t index)            \
	{                                                                                          \
		return quoit__fixed_pool_release(&p->pool, p->links, p->live, count, index);       \
	}                                                                                          \
	QUOIT_RT_WAITFREE QUOIT_HOT T *name##_at(struct name *p, uint32_t index)                   \
	{                                                                                          \
		return quoit__fixed_pool_is_live(p->live, count, index) ? &p->slots[index] : NULL; \
	}                                                                                          \
	QUOIT_RT_WAITFREE QUOIT_HOT size_t name##_capacity(const struct name *p)                   \
	{                                                                                          \
		(void)p;                                                                           \
		return count;                                                                      \
	}                                                                                          \
	QUOIT_RT_WAITFREE QUOIT_HOT size_t name##_in_use(const struct name *p)                     \
	{                                                                                          \
		return p->pool.in_use;                                                             \
	}                                                                                          \
	QUOIT_RT_WAITFREE QUOIT_HOT size_t name##_available(const struct name *p)                  \
	{                                                                                          \
		return (count)-p->pool.in_use;                                                     \
	}                                                                                          \
	QUOIT_RT_WAITFREE QUOIT_HOT bool name##_is_full(const struct name *p)                      \
	{                                                                                          \
		return p->pool.in_use == (count);                                                  \
	}                                                                                          \
	QUOIT_RT_WAITFREE QUOIT_HOT bool name##_is_empty(const struct name *p)                     \
	{                                                                                          \
		return !p->pool.in_use;                                                            \
	}                                                                                          \
	struct name

#define QUOIT_POOL_U64(name, count)                                                                \
	QUOIT_FIXED_POOL(name, uint64_t, count);                                                   \
	QUOIT_RT_WAITFREE QUOIT_HOT void name##_set(struct name *p, uint32_t index, uint64_t word) \
	{                                                                                          \
		QUOIT_ASSERT_HOT(quoit__fixed_pool_is_live(p->live, count, index));                \
		if (quoit_likely(quoit__fixed_pool_is_live(p->live, count, index)))                \
			p->slots[index] = word;                                                    \
	}                                                                                          \
	QUOIT_RT_WAITFREE QUOIT_HOT uint64_t name##_get(const struct name *p, uint32_t index)      \
	{                                                                                          \
		QUOIT_ASSERT_HOT(quoit__fixed_pool_is_live(p->live, count, index));                \
		return quoit_likely(quoit__fixed_pool_is_live(p->live, count, index))              \
			       ? p->slots[index]                                                   \
			       : 0;                                                                \
	}                                                                                          \
	struct name

QUOIT_POOL_U64(quoit_pool_u64, QUOIT_POOL_U64_CAPACITY);

QUOIT_C_END

#endif
