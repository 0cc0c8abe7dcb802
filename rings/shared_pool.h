/* SPDX-License-Identifier: MIT */
/*
 * shared_pool.h - slots of a fixed number, inside the pool, for any number of threads.
 *
 *     QUOIT_SHARED_POOL(orders, struct order, 300);
 *
 *     static struct orders pool;
 *     orders_init(&pool);
 *     orders_acquire(&pool, &handle);                     one thread
 *     *orders_at(&pool, handle) = order;
 *                                                         the handle goes through a ring
 *     orders_release(&pool, handle);                      another thread
 *
 * A slot is one thread's at a time: its acquirer's, or whoever's it passed the handle to, through a
 * ring or another edge. Nothing allocates, waits or enters the kernel; free_list.h tells how, and
 * how long a handle that was given back is known as such. A
 * pool that only one thread uses is fixed_pool.h, which costs a quarter.
 *
 * QUOIT_SHARED_POOL_U64(name, count) is one of words, and struct quoit_shared_pool_u64 one of
 * 1,024. Any count from 1 to QUOIT_FREE_LIST_MOST:
 *
 * name_init(p)              all slots free; before the threads start. Do not move it afterwards
 * name_acquire(p, &handle)  false if none is free, and handle is untouched
 * name_release(p, handle)   0; -EINVAL: never a handle here, -EALREADY: not acquired (any more)
 * name_acquire_many(p, handles, most)  gives how many; many for the price of little more than one
 * name_release_many(p, handles, n)     0, or the error of the first bad one; the others go back
 * name_at(p, handle)        the slot; NULL if it is not acquired under this handle
 * name_capacity(p)
 * name_available(p), name_in_use(p)   at some moment or nearly, while others are at it
 *
 * and of words, for the handle's owner:
 *
 * name_set(p, handle, word)     nothing is written where it is not acquired under this handle
 * name_get(p, handle)           0 where it is not
 */
#ifndef QUOIT_RINGS_SHARED_POOL_H
#define QUOIT_RINGS_SHARED_POOL_H

#include <quoit/rings/free_list.h>

QUOIT_C_BEGIN

#define QUOIT_SHARED_POOL_U64_CAPACITY 1024

#define QUOIT_SHARED_POOL(name, T, slot_count)                                                    \
	quoit__item_check(T);                                                                     \
	quoit_static_assert((slot_count) > 0 && (slot_count) <= QUOIT_FREE_LIST_MOST,             \
			    "a shared pool has 1 to 2^20 - 2 slots");                             \
	struct name##_slot {                                                                      \
		struct quoit_free_slot slot;                                                      \
		T item;                                                                           \
	};                                                                                        \
	struct name {                                                                             \
		struct quoit_free_list list;                                                      \
		QUOIT_ISOLATED struct name##_slot slots[slot_count];                              \
	};                                                                                        \
	QUOIT_HOT void name##_init(struct name *p)                                                \
	{                                                                                         \
		const int rc = quoit_free_list_init(&p->list, p->slots, sizeof(p->slots[0]),      \
						    slot_count, quoit_free_list_seed());          \
		(void)rc; /* the static assertion has looked */                                   \
	}                                                                                         \
	QUOIT_RT_LOCKFREE QUOIT_HOT bool name##_acquire(struct name *p, uint32_t *handle)         \
	{                                                                                         \
		return quoit_free_list_take(&p->list, handle);                                    \
	}                                                                                         \
	QUOIT_RT_LOCKFREE QUOIT_MUST_CHECK QUOIT_HOT int name##_release(struct name *p,           \
									uint32_t handle)          \
	{                                                                                         \
		return quoit_free_list_give(&p->list, handle);                                    \
	}                                                                                         \
	QUOIT_RT_LOCKFREE QUOIT_HOT size_t name##_acquire_many(struct name *p, uint32_t *handles, \
							       size_t most)                       \
	{                                                                                         \
		return quoit_free_list_take_many(&p->list, handles, most);                        \
	}                                                                                         \
	QUOIT_RT_LOCKFREE QUOIT_MUST_CHECK QUOIT_HOT int name##_release_many(                     \
		struct name *p, const uint32_t *handles, size_t n)                                \
	{                                                                                         \
		return quoit_free_list_give_many(&p->list, handles, n);                           \
	}                                                                                         \
	QUOIT_RT_WAITFREE QUOIT_HOT T *name##_at(struct name *p, uint32_t handle)                 \
	{                                                                                         \
		return quoit_free_list_is_taken(&p->list, handle)                                 \
			       ? &p->slots[quoit_free_list_index(&p->list, handle)].item          \
			       : NULL;                                                            \
	}                                                                                         \
	QUOIT_RT_WAITFREE QUOIT_HOT size_t name##_capacity(const struct name *p)                  \
	{                                                                                         \
		return p->list.count;                                                             \
	}                                                                                         \
	QUOIT_RT_WAITFREE QUOIT_HOT size_t name##_available(const struct name *p)                 \
	{                                                                                         \
		return quoit_free_list_available(&p->list);                                       \
	}                                                                                         \
	QUOIT_RT_WAITFREE QUOIT_HOT size_t name##_in_use(const struct name *p)                    \
	{                                                                                         \
		return p->list.count - quoit_free_list_available(&p->list);                       \
	}                                                                                         \
	struct name

#define QUOIT_SHARED_POOL_U64(name, slot_count)                                          \
	QUOIT_SHARED_POOL(name, uint64_t, slot_count);                                   \
	QUOIT_RT_WAITFREE QUOIT_HOT void name##_set(struct name *p, uint32_t handle,     \
						    uint64_t word)                       \
	{                                                                                \
		uint64_t *const at = name##_at(p, handle);                               \
		QUOIT_ASSERT_HOT(at);                                                    \
		if (quoit_likely(at))                                                    \
			*at = word;                                                      \
	}                                                                                \
	QUOIT_RT_WAITFREE QUOIT_HOT uint64_t name##_get(struct name *p, uint32_t handle) \
	{                                                                                \
		uint64_t *const at = name##_at(p, handle);                               \
		QUOIT_ASSERT_HOT(at);                                                    \
		return quoit_likely(at) ? *at : 0;                                       \
	}                                                                                \
	struct name

QUOIT_SHARED_POOL_U64(quoit_shared_pool_u64, QUOIT_SHARED_POOL_U64_CAPACITY);

QUOIT_C_END

#endif
