/* SPDX-License-Identifier: MIT */
/*
 * typed_mpsc.h - MPSC channels of a type. See typed.h for the idea.
 *
 *     QUOIT_MPSC(orders, struct order);
 *
 *     struct orders q;                             the consumer's side; all may look at it
 *     orders_create(&q, &options);                 options.item_bytes is set for you
 *     orders_consume(&q, 1024, on_orders, ctx);
 *
 *     struct orders_producer p;                    one for each producer
 *     orders_register(&q, &p);
 *     orders_send(&p, &order, 1);
 *     orders_deregister(&p);
 *
 * Producers, of their own handle:
 * name_register(q, p), name_register_on(q, node, p), name_deregister(p)
 * name_reserve(p, want, &granted)   first leased slot, or NULL; name_reserve_some() likewise
 * name_commit(p, n)                 publish n of them; name_commit_later() leaves that to flush
 * name_flush(p)                     publish what was committed later
 * name_send(p, items, n)            copy in as many as fit, around the wrap; gives how many
 * name_send_all(p, items, n)        all of them or none; true if sent
 * name_send_one(p, &item)           true if sent; false if full or closed
 * name_reserve_backoff(p, want, &granted)               tries for a while
 * name_reserve_wait(p, want, how, &slots, &granted)     wait first; 0, -ETIMEDOUT, -ESHUTDOWN or
 * name_send_wait(p, items, n, how)                      -EINVAL: see mpsc_wait.h. send_wait sends
 * name_send_one_wait(p, &item, how)                     all n or none, send_parts_wait what it can,
 * name_send_parts_wait(p, items, n, how, &sent)         and any n
 * name_write(p)                     a writing cursor for one by one: see spsc_cursor.h, and typed.h
 *                                   for name_put(), name_put_now(), name_write_flush(), _end()
 *
 * The consumer:
 * name_consume(q, budget, fn, ctx)  fn(items, n, id, ctx): one turn for each lane, in place
 * name_consume_up_to(q, most, fn, ctx), name_drain_all(q, fn, ctx)
 * name_recv(q, items, most)         copy out up to `most` in turns; gives how many
 * name_recv_one(q, &item)           copy out one; true if there was one
 * name_drain(q, items, most)        copy out lane after lane; gives how many
 * name_recv_wait(q, items, most, how, &got)             wait first, as above
 * name_recv_one_wait(q, &item, how)
 * name_consume_wait(q, budget, how, &got, fn, ctx)
 *
 * name_destroy(q)                   after the last producer has left; name_create() is above
 *
 * Everything else goes by q.channel and p.seat. Threads, errors and costs are those of the
 * quoit_mpsc_ function of the same verb.
 */
#ifndef QUOIT_RINGS_TYPED_MPSC_H
#define QUOIT_RINGS_TYPED_MPSC_H

#include <quoit/rings/mpsc_wait.h>
#include <quoit/rings/typed.h>

QUOIT_C_BEGIN

#define QUOIT__MPSC_WAIT(name, T)                                                                  \
	QUOIT_HOT T *name##_reserve_backoff(struct name##_producer *p, size_t want,                \
					    size_t *granted)                                       \
	{                                                                                          \
		size_t at;                                                                         \
		const size_t n = quoit_mpsc_reserve_backoff(&p->seat, want, &at);                  \
		return n ? (void)(*granted = n), (T *)p->seat.slots + at : NULL;                   \
	}                                                                                          \
	QUOIT_MUST_CHECK QUOIT_HOT int name##_reserve_wait(struct name##_producer *p, size_t want, \
							   const struct quoit_wait *how,           \
							   T **slots, size_t *granted)             \
	{                                                                                          \
		size_t at;                                                                         \
		const int rc = quoit_mpsc_reserve_wait(&p->seat, want, how, &at, granted);         \
		if (!rc)                                                                           \
			*slots = (T *)p->seat.slots + at;                                          \
		return rc;                                                                         \
	}                                                                                          \
	QUOIT_MUST_CHECK QUOIT_HOT int name##_send_wait(struct name##_producer *p, const T *items, \
							size_t n, const struct quoit_wait *how)    \
	{                                                                                          \
		return quoit__mpsc_send_wait(&p->seat, sizeof(T), items, n, how);                  \
	}                                                                                          \
	QUOIT_MUST_CHECK QUOIT_HOT int name##_send_one_wait(                                       \
		struct name##_producer *p, const T *item, const struct quoit_wait *how)            \
	{                                                                                          \
		return quoit__mpsc_send_wait(&p->seat, sizeof(T), item, 1, how);                   \
	}                                                                                          \
	QUOIT_MUST_CHECK QUOIT_HOT int name##_send_parts_wait(                                     \
		struct name##_producer *p, const T *items, size_t n, const struct quoit_wait *how, \
		size_t *sent)                                                                      \
	{                                                                                          \
		return quoit_mpsc_send_parts_wait(&p->seat, items, n, how, sent);                  \
	}                                                                                          \
	QUOIT_MUST_CHECK QUOIT_HOT int name##_recv_wait(struct name *q, T *items, size_t most,     \
							const struct quoit_wait *how, size_t *got) \
	{                                                                                          \
		const int rc = quoit_mpsc_wait_data(q->channel, how);                              \
		if (!rc)                                                                           \
			*got = name##_recv(q, items, most);                                        \
		return rc;                                                                         \
	}                                                                                          \
	QUOIT_MUST_CHECK QUOIT_HOT int name##_recv_one_wait(struct name *q, T *item,               \
							    const struct quoit_wait *how)          \
	{                                                                                          \
		size_t got;                                                                        \
		return name##_recv_wait(q, item, 1, how, &got);                                    \
	}                                                                                          \
	QUOIT_MUST_CHECK QUOIT_HOT int name##_consume_wait(                                        \
		struct name *q, size_t budget, const struct quoit_wait *how, size_t *got,          \
		name##_batch_fn fn, void *ctx)                                                     \
	{                                                                                          \
		const int rc = quoit_mpsc_wait_data(q->channel, how);                              \
		if (!rc)                                                                           \
			*got = name##_consume(q, budget, fn, ctx);                                 \
		return rc;                                                                         \
	}

#define QUOIT__MPSC_WRITER(name, T)                                                              \
	QUOIT__WRITER(name, T)                                                                   \
	QUOIT_RT_WAITFREE QUOIT_HOT struct name##_writer name##_write(struct name##_producer *p) \
	{                                                                                        \
		T *const slots = (T *)p->seat.slots;                                             \
		const struct name##_writer w = {                                                 \
			quoit_spsc_write(quoit__mpsc_ring(&p->seat), slots, sizeof(T)), slots};  \
		return w;                                                                        \
	}

#define QUOIT_MPSC(name, T)                                                                        \
	quoit__item_check(T);                                                                      \
	struct name {                                                                              \
		struct quoit_mpsc *channel;                                                        \
	};                                                                                         \
	struct name##_producer {                                                                   \
		struct quoit_mpsc_producer seat;                                                   \
	};                                                                                         \
	typedef QUOIT_RT_FN void (*name##_batch_fn)(T * items, size_t n, uint32_t id, void *ctx);  \
	struct name##__call {                                                                      \
		name##_batch_fn fn;                                                                \
		void *ctx;                                                                         \
	};                                                                                         \
	QUOIT_RT_UNLESS(armed)                                                                     \
	QUOIT_HOT void name##__handle(void *items, size_t n, uint32_t id, void *ctx)               \
	{                                                                                          \
		const struct name##__call *const call = (const struct name##__call *)ctx;          \
		call->fn((T *)items, n, id, call->ctx);                                            \
	}                                                                                          \
	QUOIT_MUST_CHECK QUOIT_HOT int name##_create(struct name *q,                               \
						     const struct quoit_mpsc_options *options)     \
	{                                                                                          \
		struct quoit_mpsc_options sized = *options;                                        \
		sized.item_bytes = sizeof(T);                                                      \
		return quoit_mpsc_create(&sized, &q->channel);                                     \
	}                                                                                          \
	QUOIT_MUST_CHECK QUOIT_HOT int name##_destroy(struct name *q)                              \
	{                                                                                          \
		return quoit_mpsc_destroy(q->channel);                                             \
	}                                                                                          \
	QUOIT_MUST_CHECK QUOIT_HOT int name##_register_on(struct name *q, int node,                \
							  struct name##_producer *p)               \
	{                                                                                          \
		return quoit_mpsc_register_on(q->channel, node, &p->seat);                         \
	}                                                                                          \
	QUOIT_MUST_CHECK QUOIT_HOT int name##_register(struct name *q, struct name##_producer *p)  \
	{                                                                                          \
		return quoit_mpsc_register(q->channel, &p->seat);                                  \
	}                                                                                          \
	QUOIT_MUST_CHECK QUOIT_HOT int name##_deregister(struct name##_producer *p)                \
	{                                                                                          \
		return quoit_mpsc_deregister(&p->seat);                                            \
	}                                                                                          \
	QUOIT_RT_WAITFREE QUOIT_HOT T *name##_reserve(struct name##_producer *p, size_t want,      \
						      size_t *granted)                             \
	{                                                                                          \
		size_t at;                                                                         \
		const size_t n = quoit_mpsc_reserve(&p->seat, want, &at);                          \
		return n ? (void)(*granted = n), (T *)p->seat.slots + at : NULL;                   \
	}                                                                                          \
	QUOIT_RT_WAITFREE QUOIT_HOT T *name##_reserve_some(struct name##_producer *p, size_t want, \
							   size_t *granted)                        \
	{                                                                                          \
		size_t at;                                                                         \
		const size_t n = quoit_mpsc_reserve_some(&p->seat, want, &at);                     \
		return n ? (void)(*granted = n), (T *)p->seat.slots + at : NULL;                   \
	}                                                                                          \
	QUOIT_RT_WAKES QUOIT_HOT void name##_commit(struct name##_producer *p, size_t n)           \
	{                                                                                          \
		quoit_mpsc_commit(&p->seat, n);                                                    \
	}                                                                                          \
	QUOIT_RT_WAITFREE QUOIT_HOT void name##_commit_later(struct name##_producer *p, size_t n)  \
	{                                                                                          \
		quoit_mpsc_commit_later(&p->seat, n);                                              \
	}                                                                                          \
	QUOIT_RT_WAKES QUOIT_HOT void name##_flush(struct name##_producer *p)                      \
	{                                                                                          \
		quoit_mpsc_flush(&p->seat);                                                        \
	}                                                                                          \
	QUOIT_RT_WAKES QUOIT_HOT size_t name##_send(struct name##_producer *p, const T *items,     \
						    size_t n)                                      \
	{                                                                                          \
		return quoit__mpsc_send(&p->seat, sizeof(T), items, n);                            \
	}                                                                                          \
	QUOIT_RT_WAKES QUOIT_HOT bool name##_send_all(struct name##_producer *p, const T *items,   \
						      size_t n)                                    \
	{                                                                                          \
		return quoit__mpsc_send_all(&p->seat, sizeof(T), items, n);                        \
	}                                                                                          \
	QUOIT_RT_WAKES QUOIT_HOT bool name##_send_one(struct name##_producer *p, const T *item)    \
	{                                                                                          \
		return quoit__mpsc_send(&p->seat, sizeof(T), item, 1) != 0;                        \
	}                                                                                          \
	QUOIT_RT_UNLESS(armed)                                                                     \
	QUOIT_HOT size_t name##_consume(struct name *q, size_t budget, name##_batch_fn fn,         \
					void *ctx)                                                 \
	{                                                                                          \
		struct name##__call call = {fn, ctx};                                              \
		return quoit_mpsc_consume(q->channel, budget, name##__handle, &call);              \
	}                                                                                          \
	QUOIT_RT_UNLESS(armed)                                                                     \
	QUOIT_HOT size_t name##_consume_up_to(struct name *q, size_t most, name##_batch_fn fn,     \
					      void *ctx)                                           \
	{                                                                                          \
		struct name##__call call = {fn, ctx};                                              \
		return quoit_mpsc_consume_up_to(q->channel, most, name##__handle, &call);          \
	}                                                                                          \
	QUOIT_RT_UNLESS(armed)                                                                     \
	QUOIT_HOT size_t name##_drain_all(struct name *q, name##_batch_fn fn, void *ctx)           \
	{                                                                                          \
		struct name##__call call = {fn, ctx};                                              \
		return quoit_mpsc_drain_all(q->channel, name##__handle, &call);                    \
	}                                                                                          \
	QUOIT_RT_UNLESS(armed) QUOIT_HOT size_t name##_recv(struct name *q, T *items, size_t most) \
	{                                                                                          \
		return quoit__mpsc_recv(q->channel, sizeof(T), items, most);                       \
	}                                                                                          \
	QUOIT_RT_UNLESS(armed) QUOIT_HOT bool name##_recv_one(struct name *q, T *item)             \
	{                                                                                          \
		return quoit__mpsc_recv(q->channel, sizeof(T), item, 1) != 0;                      \
	}                                                                                          \
	QUOIT_RT_UNLESS(armed)                                                                     \
	QUOIT_HOT size_t name##_drain(struct name *q, T *items, size_t most)                       \
	{                                                                                          \
		return quoit__mpsc_drain(q->channel, sizeof(T), items, most);                      \
	}                                                                                          \
	QUOIT__MPSC_WRITER(name, T)                                                                \
	QUOIT__MPSC_WAIT(name, T)                                                                  \
	struct name

QUOIT_C_END

#endif
