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
 * functions of spsc.h and its neighbours, where a debugger can step and a reader can read. Threads,
 * ownership, costs and errors are those of the quoit_spsc_ function of the same verb. Items are
 * copied byte by byte and never destroyed: C++ refuses a type for which that is not enough.
 *
 * name_init(q, slots, capacity)     caller's slots; -EINVAL unless the capacity is a power of two
 * name_create(options, &p, why)     our memory, on a node: see spsc_create.h. p: struct name *;
 *                                   name_destroy(p)
 * name_bytes(q)                     of the struct and its slots
 *
 * name_reserve(q, want, &granted)   first leased slot, or NULL; name_reserve_some(),
 *                                   name_reserve_backoff() likewise
 * name_commit(q, n)                 publish n of them; quoit_spsc_abandon() gives them back
 * name_send(q, items, n)            copy in as many as fit, around the wrap; gives how many
 * name_send_all(q, items, n)        all of them or none; true if sent
 * name_send_one(q, &item)           true if sent; false if full or closed
 *
 * quoit_spsc_finish(&q->ring)       the producer's last word: what was sent is still read, and then
 *                                   the ring has ended
 *
 * name_readable(q, &n)              first readable slot, or NULL
 * name_advance(q, n)                free n of them
 * name_recv(q, items, most)         copy out up to `most`, around the wrap; gives how many
 * name_recv_one(q, &item)           true if there was one
 * name_drain(q, items, most)        like recv, but everything that had been published when called
 * name_consume(q, most, fn, ctx)    fn(items, n, more, ctx) over at most two spans; one free at the
 *                                   end; `more` says that another span of this batch follows
 * name_peek(q)                      next item, or NULL; name_peek_many(q, most, &n)
 * name_iter_begin(q)                walk over what is there: name_next(&iter) is the next item, or
 *                                   NULL; quoit_spsc_iter_finish(&iter.at) frees, _reset() begins
 *                                   again
 *
 * name_reserve_wait(q, want, how, &slots, &granted)     wait first; 0, -ETIMEDOUT, -ESHUTDOWN or
 * name_send_wait(q, items, n, how)                      -EINVAL: see spsc_wait.h. send_wait sends
 * name_send_one_wait(q, &item, how)                     all n or none
 * name_recv_wait(q, items, most, how, &got)
 * name_consume_wait(q, most, how, &got, fn, ctx)
 *
 * name_write(q)                     a writing cursor: see spsc_cursor.h
 * name_put(&w, item)                true if there was room; visible when its block is full
 * name_put_now(&w, item)            the same, visible at once; wakes nobody before the block or the
 *                                   cursor ends
 * name_write_flush(&w)              publish what was put and wake the reader; it stays open
 * name_write_end(&w)                the same, and it is closed
 * name_read(q)                      a reading cursor
 * name_take(&r, &item)              true if there was one
 * name_take_ref(&r)                 next item in place, until the next call; or NULL
 * name_read_end(&r)
 */
#ifndef QUOIT_RINGS_TYPED_H
#define QUOIT_RINGS_TYPED_H

#include <string.h>

#include <quoit/rings/spsc_create.h>
#include <quoit/rings/spsc_cursor.h>
#include <quoit/rings/spsc_read.h>
#include <quoit/rings/spsc_wait.h>

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

/*
 * Copy items into reserved spans and publish them, waking nobody yet. Many go in parts, so that the
 * reader works on the first while the next is copied, and so that no more lines are fetched ahead
 * than are filled at once.
 */
QUOIT_HOT void quoit__spsc_copy_in(struct quoit_spsc *ring, void *slots, size_t bytes,
				   struct quoit_spans to, const void *items)
{
	const size_t part_most = quoit_max(QUOIT_OWN_BYTES / bytes, 1);
	const char *from = (const char *)items;
	size_t left = to.n + to.rest;

	if (quoit_likely(left <= part_most)) {
		quoit__spsc_own(ring, slots, bytes);
		quoit__spans_fill(slots, bytes, to, items);
		quoit_spsc_commit_later(ring, left);
		return;
	}
	for (size_t n; left; left -= n, from += n * bytes) {
		n = quoit_min(left, part_most);
		to = quoit__spans_cut(ring->tail_own, n, ring->mask_producer);
		quoit_lines_own((char *)slots + to.at * bytes, to.n * bytes);
		quoit_lines_own(slots, to.rest * bytes);
		quoit__spans_fill(slots, bytes, to, from);
		quoit_spsc_commit_later(ring, n);
		quoit_spsc_publish(ring);
	}
}

#define QUOIT_SPSC(name, T)          \
	quoit__item_check(T);        \
	QUOIT__SPSC_TYPE(name, T)    \
	QUOIT__SPSC_PRODUCE(name, T) \
	QUOIT__SPSC_CONSUME(name, T) \
	QUOIT__SPSC_LOOK(name, T)    \
	QUOIT__SPSC_WAIT(name, T)    \
	QUOIT__SPSC_WRITER(name, T)  \
	QUOIT__SPSC_READER(name, T)  \
	struct name

/* --- the parts of it ------------------------------------------------------------------------- */

#define QUOIT__SPSC_TYPE(name, T)                                                               \
	struct name {                                                                           \
		struct quoit_spsc ring;                                                         \
		T *slots;                                                                       \
	};                                                                                      \
	typedef QUOIT_RT_FN void (*name##_batch_fn)(T * items, size_t n, bool more, void *ctx); \
	QUOIT_MUST_CHECK QUOIT_HOT int name##_init(struct name *q, T *slots,                    \
						   size_t capacity_slots)                       \
	{                                                                                       \
		q->slots = slots;                                                               \
		return quoit_spsc_init(&q->ring, capacity_slots);                               \
	}                                                                                       \
	QUOIT_MUST_CHECK QUOIT_HOT int name##_create(const struct quoit_spsc_options *options,  \
						     struct name **q, struct quoit_reason *why) \
	{                                                                                       \
		struct quoit_spsc_options o = *options;                                         \
		struct quoit_spsc *ring;                                                        \
		void *slots;                                                                    \
		int rc;                                                                         \
		o.slot_bytes = sizeof(T);                                                       \
		o.head_bytes = sizeof(struct name);                                             \
		rc = quoit_spsc_create(&o, &ring, &slots, why);                                 \
		if (rc)                                                                         \
			return rc;                                                              \
		*q = quoit_container_of(ring, struct name, ring);                               \
		(*q)->slots = (T *)slots;                                                       \
		return 0;                                                                       \
	}                                                                                       \
	QUOIT_HOT void name##_destroy(struct name *q)                                           \
	{                                                                                       \
		quoit_spsc_destroy(q ? &q->ring : NULL);                                        \
	}                                                                                       \
	QUOIT_HOT size_t name##_bytes(const struct name *q)                                     \
	{                                                                                       \
		return sizeof(*q) + quoit_spsc_capacity(&q->ring) * sizeof(T);                  \
	}

#define QUOIT__SPSC_PRODUCE(name, T)                                                            \
	QUOIT_RT_WAITFREE QUOIT_HOT T *name##_reserve(struct name *q, size_t want,              \
						      size_t *granted)                          \
	{                                                                                       \
		size_t at;                                                                      \
		const size_t n = quoit_spsc_reserve(&q->ring, want, &at);                       \
		quoit__spsc_own(&q->ring, q->slots, sizeof(T));                                 \
		return n ? (void)(*granted = n), q->slots + at : NULL;                          \
	}                                                                                       \
	QUOIT_RT_WAITFREE QUOIT_HOT T *name##_reserve_some(struct name *q, size_t want,         \
							   size_t *granted)                     \
	{                                                                                       \
		size_t at;                                                                      \
		const size_t n = quoit_spsc_reserve_some(&q->ring, want, &at);                  \
		quoit__spsc_own(&q->ring, q->slots, sizeof(T));                                 \
		return n ? (void)(*granted = n), q->slots + at : NULL;                          \
	}                                                                                       \
	QUOIT_HOT T *name##_reserve_backoff(struct name *q, size_t want, size_t *granted)       \
	{                                                                                       \
		size_t at;                                                                      \
		const size_t n = quoit_spsc_reserve_backoff(&q->ring, want, &at);               \
		quoit__spsc_own(&q->ring, q->slots, sizeof(T));                                 \
		return n ? (void)(*granted = n), q->slots + at : NULL;                          \
	}                                                                                       \
	QUOIT_RT_WAKES QUOIT_HOT void name##_commit(struct name *q, size_t n)                   \
	{                                                                                       \
		quoit_spsc_commit(&q->ring, n);                                                 \
	}                                                                                       \
	QUOIT_RT_WAKES QUOIT_HOT size_t name##_send(struct name *q, const T *items, size_t n)   \
	{                                                                                       \
		const struct quoit_spans to = quoit_spsc_reserve_spans(&q->ring, n);            \
		if (!to.n)                                                                      \
			return 0;                                                               \
		quoit__spsc_copy_in(&q->ring, q->slots, sizeof(T), to, items);                  \
		quoit_spsc_flush(&q->ring);                                                     \
		return to.n + to.rest;                                                          \
	}                                                                                       \
	QUOIT_RT_WAKES QUOIT_HOT bool name##_send_all(struct name *q, const T *items, size_t n) \
	{                                                                                       \
		return quoit__spsc_room(&q->ring, n) >= n && name##_send(q, items, n) == n;     \
	}                                                                                       \
	QUOIT_RT_WAKES QUOIT_HOT bool name##_send_one(struct name *q, const T *item)            \
	{                                                                                       \
		size_t at;                                                                      \
		if (!quoit_spsc_reserve(&q->ring, 1, &at))                                      \
			return false;                                                           \
		q->slots[at] = *item;                                                           \
		quoit_spsc_commit(&q->ring, 1);                                                 \
		return true;                                                                    \
	}

#define QUOIT__SPSC_CONSUME(name, T)                                                            \
	QUOIT_RT_WAITFREE QUOIT_HOT T *name##_readable(struct name *q, size_t *n)               \
	{                                                                                       \
		size_t at;                                                                      \
		const size_t found = quoit_spsc_readable(&q->ring, &at);                        \
		return found ? (void)(*n = found), q->slots + at : NULL;                        \
	}                                                                                       \
	QUOIT_RT_WAKES QUOIT_HOT void name##_advance(struct name *q, size_t n)                  \
	{                                                                                       \
		quoit_spsc_advance(&q->ring, n);                                                \
	}                                                                                       \
	QUOIT_RT_WAKES QUOIT_HOT size_t name##_recv(struct name *q, T *items, size_t most)      \
	{                                                                                       \
		const struct quoit_spans from = quoit_spsc_readable_spans(&q->ring, most);      \
		if (!from.n)                                                                    \
			return 0;                                                               \
		quoit__spans_drain(q->slots, sizeof(T), from, items);                           \
		quoit_spsc_advance(&q->ring, from.n + from.rest);                               \
		return from.n + from.rest;                                                      \
	}                                                                                       \
	QUOIT_RT_WAKES QUOIT_HOT bool name##_recv_one(struct name *q, T *item)                  \
	{                                                                                       \
		size_t at;                                                                      \
		if (!quoit_spsc_readable(&q->ring, &at)) {                                      \
			at = (size_t)(q->ring.head_own & q->ring.mask_consumer);                \
			quoit__spsc_expect(q->slots, sizeof(T), at);                            \
			return false;                                                           \
		}                                                                               \
		*item = q->slots[at];                                                           \
		quoit_spsc_advance(&q->ring, 1);                                                \
		return true;                                                                    \
	}                                                                                       \
	QUOIT_RT_WAKES QUOIT_HOT size_t name##_drain(struct name *q, T *items, size_t most)     \
	{                                                                                       \
		const struct quoit_spans from = quoit_spsc_consume_begin_fresh(&q->ring, most); \
		if (from.n)                                                                     \
			quoit__spans_drain(q->slots, sizeof(T), from, items);                   \
		return quoit_spsc_consume_end(&q->ring, from);                                  \
	}                                                                                       \
	QUOIT_RT_WAKES QUOIT_HOT size_t name##_consume(struct name *q, size_t most,             \
						       name##_batch_fn fn, void *ctx)           \
	{                                                                                       \
		const struct quoit_spans from = quoit_spsc_consume_begin(&q->ring, most);       \
		if (!from.n)                                                                    \
			return 0;                                                               \
		fn(q->slots + from.at, from.n, from.rest != 0, ctx);                            \
		if (from.rest)                                                                  \
			fn(q->slots, from.rest, false, ctx);                                    \
		return quoit_spsc_consume_end(&q->ring, from);                                  \
	}

#define QUOIT__SPSC_LOOK(name, T)                                                            \
	struct name##_iter {                                                                 \
		struct quoit_spsc_iter at;                                                   \
		T *slots;                                                                    \
	};                                                                                   \
	QUOIT_RT_WAITFREE QUOIT_HOT const T *name##_peek(struct name *q)                     \
	{                                                                                    \
		size_t at;                                                                   \
		return quoit_spsc_peek(&q->ring, 1, &at) ? q->slots + at : NULL;             \
	}                                                                                    \
	QUOIT_RT_WAITFREE QUOIT_HOT const T *name##_peek_many(struct name *q, size_t most,   \
							      size_t *n)                     \
	{                                                                                    \
		size_t at;                                                                   \
		const size_t found = quoit_spsc_peek(&q->ring, most, &at);                   \
		return found ? (void)(*n = found), q->slots + at : NULL;                     \
	}                                                                                    \
	QUOIT_RT_WAITFREE QUOIT_HOT struct name##_iter name##_iter_begin(struct name *q)     \
	{                                                                                    \
		const struct name##_iter iter = {quoit_spsc_iter_begin(&q->ring), q->slots}; \
		return iter;                                                                 \
	}                                                                                    \
	QUOIT_RT_WAITFREE QUOIT_HOT T *name##_next(struct name##_iter *iter)                 \
	{                                                                                    \
		size_t at;                                                                   \
		return quoit_spsc_iter_next(&iter->at, &at) ? iter->slots + at : NULL;       \
	}

#define QUOIT__SPSC_WAIT(name, T)                                                                  \
	QUOIT_MUST_CHECK QUOIT_HOT int name##_reserve_wait(struct name *q, size_t want,            \
							   const struct quoit_wait *how,           \
							   T **slots, size_t *granted)             \
	{                                                                                          \
		size_t at;                                                                         \
		const int rc = quoit_spsc_reserve_wait(&q->ring, want, how, &at, granted);         \
		if (!rc)                                                                           \
			*slots = q->slots + at;                                                    \
		return rc;                                                                         \
	}                                                                                          \
	QUOIT_MUST_CHECK QUOIT_HOT int name##_send_wait(struct name *q, const T *items, size_t n,  \
							const struct quoit_wait *how)              \
	{                                                                                          \
		const int rc = quoit_spsc_wait_space(&q->ring, n, how);                            \
		if (rc)                                                                            \
			return rc;                                                                 \
		return name##_send(q, items, n) ? 0 : -108; /* -ESHUTDOWN */                       \
	}                                                                                          \
	QUOIT_MUST_CHECK QUOIT_HOT int name##_send_one_wait(struct name *q, const T *item,         \
							    const struct quoit_wait *how)          \
	{                                                                                          \
		return name##_send_wait(q, item, 1, how);                                          \
	}                                                                                          \
	QUOIT_MUST_CHECK QUOIT_HOT int name##_recv_wait(struct name *q, T *items, size_t most,     \
							const struct quoit_wait *how, size_t *got) \
	{                                                                                          \
		const int rc = quoit_spsc_wait_data(&q->ring, how);                                \
		if (!rc)                                                                           \
			*got = name##_recv(q, items, most);                                        \
		return rc;                                                                         \
	}                                                                                          \
	QUOIT_MUST_CHECK QUOIT_HOT int name##_consume_wait(                                        \
		struct name *q, size_t most, const struct quoit_wait *how, size_t *got,            \
		name##_batch_fn fn, void *ctx)                                                     \
	{                                                                                          \
		const int rc = quoit_spsc_wait_data(&q->ring, how);                                \
		if (!rc)                                                                           \
			*got = name##_consume(q, most, fn, ctx);                                   \
		return rc;                                                                         \
	}

/* A writing cursor and what it does, whoever opens it. */
#define QUOIT__WRITER(name, T)                                                        \
	struct name##_writer {                                                        \
		struct quoit_spsc_writer at;                                          \
		T *slots;                                                             \
	};                                                                            \
	QUOIT_RT_WAKES QUOIT_HOT bool name##_put(struct name##_writer *w, T item)     \
	{                                                                             \
		size_t at;                                                            \
		if (quoit_unlikely(!quoit_spsc_write_next(&w->at, &at)))              \
			return false;                                                 \
		w->slots[at] = item;                                                  \
		return true;                                                          \
	}                                                                             \
	QUOIT_RT_WAKES QUOIT_HOT bool name##_put_now(struct name##_writer *w, T item) \
	{                                                                             \
		if (quoit_unlikely(!name##_put(w, item)))                             \
			return false;                                                 \
		quoit_spsc_write_now(&w->at);                                         \
		return true;                                                          \
	}                                                                             \
	QUOIT_RT_WAKES QUOIT_HOT void name##_write_flush(struct name##_writer *w)     \
	{                                                                             \
		quoit_spsc_write_flush(&w->at);                                       \
	}                                                                             \
	QUOIT_RT_WAKES QUOIT_HOT void name##_write_end(struct name##_writer *w)       \
	{                                                                             \
		quoit_spsc_write_end(&w->at);                                         \
	}

#define QUOIT__SPSC_WRITER(name, T)                                                              \
	QUOIT__WRITER(name, T)                                                                   \
	QUOIT_RT_WAITFREE QUOIT_HOT struct name##_writer name##_write(struct name *q)            \
	{                                                                                        \
		const struct name##_writer w = {quoit_spsc_write(&q->ring, q->slots, sizeof(T)), \
						q->slots};                                       \
		return w;                                                                        \
	}

#define QUOIT__SPSC_READER(name, T)                                                             \
	struct name##_reader {                                                                  \
		struct quoit_spsc_reader at;                                                    \
		T *slots;                                                                       \
	};                                                                                      \
	QUOIT_RT_WAITFREE QUOIT_HOT struct name##_reader name##_read(struct name *q)            \
	{                                                                                       \
		const struct name##_reader r = {quoit_spsc_read(&q->ring, q->slots, sizeof(T)), \
						q->slots};                                      \
		return r;                                                                       \
	}                                                                                       \
	QUOIT_RT_WAKES QUOIT_HOT T *name##_take_ref(struct name##_reader *r)                    \
	{                                                                                       \
		size_t at;                                                                      \
		if (quoit_likely(quoit_spsc_read_next(&r->at, &at)))                            \
			return r->slots + at;                                                   \
		quoit__spsc_expect(r->slots, sizeof(T), (size_t)(r->at.head & r->at.mask));     \
		return NULL;                                                                    \
	}                                                                                       \
	QUOIT_RT_WAKES QUOIT_HOT bool name##_take(struct name##_reader *r, T *item)             \
	{                                                                                       \
		const T *const next = name##_take_ref(r);                                       \
		if (quoit_unlikely(!next))                                                      \
			return false;                                                           \
		*item = *next;                                                                  \
		return true;                                                                    \
	}                                                                                       \
	QUOIT_RT_WAKES QUOIT_HOT void name##_read_end(struct name##_reader *r)                  \
	{                                                                                       \
		quoit_spsc_read_end(&r->at);                                                    \
	}

QUOIT_C_END

#endif
