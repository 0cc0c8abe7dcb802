/* SPDX-License-Identifier: MIT */
/*
 * typed.h - rings of a type. One line stamps a ring of your own noun:
 *
 *     QUOIT_SPSC(orders, struct order);
 *
 *     struct orders q;
 *     orders_init(&q, slots, 4096);
 *     orders_send(&q, &order, 1);
 *
 * The macro holds addresses and nothing else: positions, limits and memory ordering are the plain
 * functions of spsc.h, where a debugger can step and a reader can read.
 *
 * name_init(q, slots, capacity)     caller's slots; -EINVAL unless the capacity is a power of two
 * name_reserve(q, want, &granted)   first leased slot, or NULL; name_reserve_some() likewise
 * name_commit(q, n)                 publish n of them
 * name_send(q, items, n)            copy in as many as fit, around the wrap; gives how many
 * name_send_all(q, items, n)        all of them or none; true if sent
 * name_readable(q, &n)              first readable slot, or NULL
 * name_advance(q, n)                free n of them
 * name_recv(q, items, most)         copy out up to `most`, around the wrap; gives how many
 * name_consume(q, most, fn, ctx)    fn(items, n, more, ctx) over at most two spans; one free at the
 *                                   end; `more` says that another span of this batch follows
 * Threads and costs are those of the quoit_spsc_ function of the same verb.
 */
#ifndef QUOIT_RINGS_TYPED_H
#define QUOIT_RINGS_TYPED_H

#include <string.h>

#include <quoit/rings/spsc.h>

QUOIT_C_BEGIN

/* Copy items into the spans of an array, and out of them. `bytes` is a constant in every caller. */
QUOIT_HOT void quoit__spans_fill(void *slots, size_t bytes, struct quoit_spans to,
				 const void *items)
{
	memcpy((char *)slots + to.at * bytes, items, to.n * bytes);
	if (to.rest)
		memcpy(slots, (const char *)items + to.n * bytes, to.rest * bytes);
}

QUOIT_HOT void quoit__spans_drain(const void *slots, size_t bytes, struct quoit_spans from,
				  void *items)
{
	memcpy(items, (const char *)slots + from.at * bytes, from.n * bytes);
	if (from.rest)
		memcpy((char *)items + from.n * bytes, slots, from.rest * bytes);
}

#define QUOIT_SPSC(name, T)                                                                 \
	struct name {                                                                       \
		struct quoit_spsc ring;                                                     \
		T *slots;                                                                   \
	};                                                                                  \
	typedef void (*name##_batch_fn)(T * items, size_t n, bool more, void *ctx);         \
	QUOIT_MUST_CHECK QUOIT_HOT int name##_init(struct name *q, T *slots,                \
						   size_t capacity_slots)                   \
	{                                                                                   \
		q->slots = slots;                                                           \
		return quoit_spsc_init(&q->ring, capacity_slots);                           \
	}                                                                                   \
	QUOIT_HOT T *name##_reserve(struct name *q, size_t want, size_t *granted)           \
	{                                                                                   \
		size_t at;                                                                  \
		const size_t n = quoit_spsc_reserve(&q->ring, want, &at);                   \
		return n ? (void)(*granted = n), q->slots + at : NULL;                      \
	}                                                                                   \
	QUOIT_HOT T *name##_reserve_some(struct name *q, size_t want, size_t *granted)      \
	{                                                                                   \
		size_t at;                                                                  \
		const size_t n = quoit_spsc_reserve_some(&q->ring, want, &at);              \
		return n ? (void)(*granted = n), q->slots + at : NULL;                      \
	}                                                                                   \
	QUOIT_HOT void name##_commit(struct name *q, size_t n)                              \
	{                                                                                   \
		quoit_spsc_commit(&q->ring, n);                                             \
	}                                                                                   \
	QUOIT_HOT size_t name##_send(struct name *q, const T *items, size_t n)              \
	{                                                                                   \
		const struct quoit_spans to = quoit_spsc_reserve_spans(&q->ring, n);        \
		if (!to.n)                                                                  \
			return 0;                                                           \
		quoit__spans_fill(q->slots, sizeof(T), to, items);                          \
		quoit_spsc_commit(&q->ring, to.n + to.rest);                                \
		return to.n + to.rest;                                                      \
	}                                                                                   \
	QUOIT_HOT bool name##_send_all(struct name *q, const T *items, size_t n)            \
	{                                                                                   \
		return quoit__spsc_room(&q->ring, n) >= n && name##_send(q, items, n) == n; \
	}                                                                                   \
	QUOIT_HOT T *name##_readable(struct name *q, size_t *n)                             \
	{                                                                                   \
		size_t at;                                                                  \
		const size_t found = quoit_spsc_readable(&q->ring, &at);                    \
		return found ? (void)(*n = found), q->slots + at : NULL;                    \
	}                                                                                   \
	QUOIT_HOT void name##_advance(struct name *q, size_t n)                             \
	{                                                                                   \
		quoit_spsc_advance(&q->ring, n);                                            \
	}                                                                                   \
	QUOIT_HOT size_t name##_recv(struct name *q, T *items, size_t most)                 \
	{                                                                                   \
		const struct quoit_spans from = quoit_spsc_readable_spans(&q->ring, most);  \
		if (!from.n)                                                                \
			return 0;                                                           \
		quoit__spans_drain(q->slots, sizeof(T), from, items);                       \
		quoit_spsc_advance(&q->ring, from.n + from.rest);                           \
		return from.n + from.rest;                                                  \
	}                                                                                   \
	QUOIT_HOT size_t name##_consume(struct name *q, size_t most, name##_batch_fn fn,    \
					void *ctx)                                          \
	{                                                                                   \
		const struct quoit_spans from = quoit_spsc_readable_spans(&q->ring, most);  \
		if (!from.n)                                                                \
			return 0;                                                           \
		fn(q->slots + from.at, from.n, from.rest != 0, ctx);                        \
		if (from.rest)                                                              \
			fn(q->slots, from.rest, false, ctx);                                \
		quoit_spsc_advance(&q->ring, from.n + from.rest);                           \
		return from.n + from.rest;                                                  \
	}                                                                                   \
	struct name

QUOIT_C_END

#endif
