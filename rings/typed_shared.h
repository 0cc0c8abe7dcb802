/* SPDX-License-Identifier: MIT */
/*
 * typed_shared.h - rings of a type that several consumers share. See typed.h for the idea.
 *
 *     QUOIT_SPMC(jobs, struct job);
 *
 *     struct jobs q;                                     the producer's side
 *     jobs_init(&q, slots, blocks, &options);
 *     jobs_send(&q, &job, 1);
 *
 *     struct jobs_consumer c;                            one for each consumer
 *     jobs_register(&q, &c);
 *     jobs_consume(&c, 64, work, NULL);
 *
 * Producer, of the ring (SPMC):
 * name_reserve(q, want, &granted)   first leased slot, or NULL; name_reserve_some() likewise
 * name_commit(q, n)                 publish n of them; name_commit_later() leaves that to flush
 * name_flush(q)                     publish what was committed later
 * name_send(q, items, n)            copy in as many as fit; gives how many
 * name_send_all(q, items, n)        all of them or none; true if sent
 * name_send_one(q, item)            true if sent
 *
 * Consumers, of their own handle:
 * name_claim(c, most, &claim)       one try; the first claimed item, NULL if empty or too slow
 * name_take(c, most, &claim)        the same until it is empty: NULL means nothing else
 * name_release(c, &claim, n)        give the first n of a claim back
 * name_consume(c, most, fn, ctx)    fn(items, n, ctx) over each claim, in place; gives how many
 * name_steal(c, items, most)        copy out up to `most`; gives how many
 * name_steal_one(c, item)           copy out one; nothing stays claimed
 * name_pop(c, item)                 the same, but claims several at a time: the fast way to have
 *                                   one after the other
 *
 * Threads and costs are those of the quoit_spmc_ function of the same verb.
 */
#ifndef QUOIT_RINGS_TYPED_SHARED_H
#define QUOIT_RINGS_TYPED_SHARED_H

#include <string.h>

#include <quoit/rings/spmc.h>

QUOIT_C_BEGIN

/* Copy in what fits, in as many runs as wrap and void blocks make; one publication. */
QUOIT_HOT size_t quoit__lane_send(struct quoit_lane *lane, void *slots, size_t bytes,
				  const void *items, size_t n)
{
	size_t sent = 0;

	if (quoit_unlikely(!n || quoit_lane_is_closed(lane)))
		return 0;
	while (sent < n) {
		size_t at;
		const size_t run = quoit__lane_reserve_some(lane, n - sent, &at);

		if (quoit_unlikely(!run))
			break;
		memcpy((char *)slots + at * bytes, (const char *)items + sent * bytes, run * bytes);
		quoit_lane_commit_later(lane, run);
		sent += run;
	}
	if (quoit_likely(sent))
		quoit_lane_flush(lane);
	return sent;
}

/* All or none: what is free now stays free until this producer takes it. */
QUOIT_HOT bool quoit__lane_send_all(struct quoit_lane *lane, void *slots, size_t bytes,
				    const void *items, size_t n)
{
	if (quoit_unlikely(quoit__lane_room(lane, n) < n) && !quoit__lane_step_over(lane, n))
		return false;
	return quoit__lane_send(lane, slots, bytes, items, n) == n;
}

QUOIT_HOT size_t quoit__spmc_steal(struct quoit_spmc_consumer *consumer, const void *slots,
				   size_t bytes, void *items, size_t most)
{
	struct quoit_claim claim;
	size_t got = 0;

	while (got < most && quoit_spmc_take(consumer, most - got, &claim)) {
		const size_t n = claim.n;

		memcpy((char *)items + got * bytes, (const char *)slots + claim.at * bytes,
		       n * bytes);
		quoit_spmc_release(consumer, &claim, n);
		got += n;
	}
	return got;
}

QUOIT_HOT bool quoit__spmc_pop(struct quoit_spmc_consumer *consumer, const void *slots,
			       size_t bytes, void *item)
{
	size_t at;

	if (!quoit_spmc_next(consumer, &at))
		return false;
	memcpy(item, (const char *)slots + at * bytes, bytes);
	quoit_spmc_past(consumer);
	return true;
}

#define QUOIT_SPMC(name, T)                                                                       \
	struct name {                                                                             \
		struct quoit_spmc ring;                                                           \
		T *slots;                                                                         \
	};                                                                                        \
	struct name##_consumer {                                                                  \
		struct quoit_spmc_consumer seat;                                                  \
		T *slots;                                                                         \
	};                                                                                        \
	typedef void (*name##_batch_fn)(T * items, size_t n, void *ctx);                          \
	QUOIT_MUST_CHECK QUOIT_HOT int name##_init(struct name *q, T *slots,                      \
						   struct quoit_lane_block *blocks,               \
						   const struct quoit_spmc_options *options)      \
	{                                                                                         \
		q->slots = slots;                                                                 \
		return quoit_spmc_init(&q->ring, blocks, options);                                \
	}                                                                                         \
	QUOIT_HOT T *name##_reserve(struct name *q, size_t want, size_t *granted)                 \
	{                                                                                         \
		size_t at;                                                                        \
		const size_t n = quoit_spmc_reserve(&q->ring, want, &at);                         \
		return n ? (void)(*granted = n), q->slots + at : NULL;                            \
	}                                                                                         \
	QUOIT_HOT T *name##_reserve_some(struct name *q, size_t want, size_t *granted)            \
	{                                                                                         \
		size_t at;                                                                        \
		const size_t n = quoit_spmc_reserve_some(&q->ring, want, &at);                    \
		return n ? (void)(*granted = n), q->slots + at : NULL;                            \
	}                                                                                         \
	QUOIT_HOT void name##_commit(struct name *q, size_t n)                                    \
	{                                                                                         \
		quoit_spmc_commit(&q->ring, n);                                                   \
	}                                                                                         \
	QUOIT_HOT void name##_commit_later(struct name *q, size_t n)                              \
	{                                                                                         \
		quoit_spmc_commit_later(&q->ring, n);                                             \
	}                                                                                         \
	QUOIT_HOT void name##_flush(struct name *q)                                               \
	{                                                                                         \
		quoit_spmc_flush(&q->ring);                                                       \
	}                                                                                         \
	QUOIT_HOT size_t name##_send(struct name *q, const T *items, size_t n)                    \
	{                                                                                         \
		return quoit__lane_send(&q->ring.lane, q->slots, sizeof(T), items, n);            \
	}                                                                                         \
	QUOIT_HOT bool name##_send_all(struct name *q, const T *items, size_t n)                  \
	{                                                                                         \
		return quoit__lane_send_all(&q->ring.lane, q->slots, sizeof(T), items, n);        \
	}                                                                                         \
	QUOIT_HOT bool name##_send_one(struct name *q, const T *item)                             \
	{                                                                                         \
		return name##_send(q, item, 1) != 0;                                              \
	}                                                                                         \
	QUOIT_MUST_CHECK QUOIT_HOT int name##_register(struct name *q, struct name##_consumer *c) \
	{                                                                                         \
		c->slots = q->slots;                                                              \
		return quoit_spmc_register(&q->ring, &c->seat);                                   \
	}                                                                                         \
	QUOIT_HOT void name##_deregister(struct name##_consumer *c)                               \
	{                                                                                         \
		quoit_spmc_deregister(&c->seat);                                                  \
	}                                                                                         \
	QUOIT_HOT T *name##_claim(struct name##_consumer *c, size_t most,                         \
				  struct quoit_claim *claim)                                      \
	{                                                                                         \
		return quoit_spmc_claim(&c->seat, most, claim) == QUOIT_CLAIM_GOT                 \
			       ? c->slots + claim->at                                             \
			       : NULL;                                                            \
	}                                                                                         \
	QUOIT_HOT T *name##_take(struct name##_consumer *c, size_t most,                          \
				 struct quoit_claim *claim)                                       \
	{                                                                                         \
		return quoit_spmc_take(&c->seat, most, claim) ? c->slots + claim->at : NULL;      \
	}                                                                                         \
	QUOIT_HOT void name##_release(struct name##_consumer *c, struct quoit_claim *claim,       \
				      size_t n)                                                   \
	{                                                                                         \
		quoit_spmc_release(&c->seat, claim, n);                                           \
	}                                                                                         \
	QUOIT_HOT size_t name##_consume(struct name##_consumer *c, size_t most,                   \
					name##_batch_fn fn, void *ctx)                            \
	{                                                                                         \
		struct quoit_claim claim;                                                         \
		size_t got = 0;                                                                   \
		while (got < most && quoit_spmc_take(&c->seat, most - got, &claim)) {             \
			fn(c->slots + claim.at, claim.n, ctx);                                    \
			got += claim.n;                                                           \
			quoit_spmc_release(&c->seat, &claim, claim.n);                            \
		}                                                                                 \
		return got;                                                                       \
	}                                                                                         \
	QUOIT_HOT size_t name##_steal(struct name##_consumer *c, T *items, size_t most)           \
	{                                                                                         \
		return quoit__spmc_steal(&c->seat, c->slots, sizeof(T), items, most);             \
	}                                                                                         \
	QUOIT_HOT bool name##_steal_one(struct name##_consumer *c, T *item)                       \
	{                                                                                         \
		return quoit__spmc_steal(&c->seat, c->slots, sizeof(T), item, 1) != 0;            \
	}                                                                                         \
	QUOIT_HOT bool name##_pop(struct name##_consumer *c, T *item)                             \
	{                                                                                         \
		return quoit__spmc_pop(&c->seat, c->slots, sizeof(T), item);                      \
	}                                                                                         \
	struct name

QUOIT_C_END

#endif
