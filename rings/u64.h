/* SPDX-License-Identifier: MIT */
/*
 * u64.h - the smallest ring: 64-bit words, a capacity fixed when it is compiled, its slots inside.
 *
 *     static struct quoit_ring_u64 q = QUOIT_RING_U64_INIT(QUOIT_RING_U64_CAPACITY);
 *
 *     quoit_ring_u64_push(&q, 42);          one thread
 *     quoit_ring_u64_pop(&q, &word);        another one
 *
 * Nothing here allocates, waits or enters the kernel, so it may be called where that is forbidden.
 * A word carries an index or a tagged handle when it has to stand for more. It must not be moved
 * while in use. Built on spsc.h: head and tail lie on lines of their own, all slots can be in use.
 *
 * QUOIT_RING_U64(name, capacity) stamps one of another capacity, with the same functions:
 *
 * name_init(r)              an empty ring; before both sides start
 * name_push(r, word)        producer: false if it is full, and nothing is overwritten
 * name_pop(r, &word)        consumer: false if it is empty, and *word is untouched
 * name_capacity(r)          any thread
 * name_length(r)            any thread: how many at some moment during the call
 * name_is_empty(r), name_is_full(r)   likewise
 */
#ifndef QUOIT_RINGS_U64_H
#define QUOIT_RINGS_U64_H

#include <quoit/rings/spsc.h>

QUOIT_C_BEGIN

#define QUOIT_RING_U64_CAPACITY 1024

/* Of a ring of that capacity, as name_init() leaves it. */
#define QUOIT_RING_U64_INIT(capacity_slots)      \
	{                                        \
		QUOIT_SPSC_INIT(capacity_slots), \
		{                                \
			UINT64_C(0)              \
		}                                \
	}

#define QUOIT_RING_U64(name, capacity_slots)                                                       \
	quoit_static_assert((capacity_slots) > 0 && (capacity_slots) <= QUOIT_SPSC_CAPACITY_MAX && \
				    ((capacity_slots) & ((capacity_slots)-1)) == 0,                \
			    "the capacity is a power of two up to 2^31");                          \
	struct name {                                                                              \
		struct quoit_spsc ring;                                                            \
		QUOIT_ISOLATED uint64_t slots[capacity_slots];                                     \
	};                                                                                         \
	QUOIT_HOT void name##_init(struct name *r)                                                 \
	{                                                                                          \
		const int rc = quoit_spsc_init(&r->ring, capacity_slots);                          \
		(void)rc; /* the static assertion has looked */                                    \
	}                                                                                          \
	QUOIT_RT_WAKES QUOIT_HOT bool name##_push(struct name *r, uint64_t word)                   \
	{                                                                                          \
		size_t at;                                                                         \
		if (!quoit_spsc_reserve(&r->ring, 1, &at))                                         \
			return false;                                                              \
		r->slots[at] = word;                                                               \
		quoit_spsc_commit(&r->ring, 1);                                                    \
		return true;                                                                       \
	}                                                                                          \
	QUOIT_RT_WAKES QUOIT_HOT bool name##_pop(struct name *r, uint64_t *word)                   \
	{                                                                                          \
		size_t at;                                                                         \
		if (!quoit_spsc_readable(&r->ring, &at))                                           \
			return false;                                                              \
		*word = r->slots[at];                                                              \
		quoit_spsc_advance(&r->ring, 1);                                                   \
		return true;                                                                       \
	}                                                                                          \
	QUOIT_RT_WAITFREE QUOIT_HOT size_t name##_capacity(const struct name *r)                   \
	{                                                                                          \
		return quoit_spsc_capacity(&r->ring);                                              \
	}                                                                                          \
	QUOIT_RT_WAITFREE QUOIT_HOT size_t name##_length(const struct name *r)                     \
	{                                                                                          \
		return quoit_spsc_length(&r->ring);                                                \
	}                                                                                          \
	QUOIT_RT_WAITFREE QUOIT_HOT bool name##_is_empty(const struct name *r)                     \
	{                                                                                          \
		return quoit_spsc_is_empty(&r->ring);                                              \
	}                                                                                          \
	QUOIT_RT_WAITFREE QUOIT_HOT bool name##_is_full(const struct name *r)                      \
	{                                                                                          \
		return quoit_spsc_is_full(&r->ring);                                               \
	}                                                                                          \
	struct name

QUOIT_RING_U64(quoit_ring_u64, QUOIT_RING_U64_CAPACITY);

QUOIT_C_END

#endif
