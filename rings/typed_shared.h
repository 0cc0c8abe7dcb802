/* SPDX-License-Identifier: MIT */
/*
 * typed_shared.h - rings of a type that several consumers share. See typed.h for the idea.
 *
 *     QUOIT_MPMC(jobs, struct job);
 *
 *     struct jobs q;
 *     jobs_create(&q, &options);                         quoit_mpmc_default() of channels.h has the
 *                                                        usual options; slot_bytes is set for you
 *
 *     struct jobs_producer p;                            one for each producer
 *     jobs_register_producer(&q, &p);
 *     jobs_send(&p, &job, 1);
 *
 *     struct jobs_consumer c;                            one for each consumer
 *     jobs_register_consumer(&q, &c);
 *     jobs_consume(&c, 64, work, NULL);
 *
 * With QUOIT_SPMC(jobs, struct job) the one producer needs no handle: `struct jobs_producer` is the
 * ring, `struct jobs`, and jobs_init(&q, slots, blocks, &options) begins it in the caller's memory.
 *
 * Producer:
 * name_reserve(p, want, &granted)   first leased slot, or NULL; name_reserve_some() likewise
 * name_commit(p, n)                 publish n of them; name_commit_later() leaves that to flush
 * name_flush(p)                     publish what was committed later
 * name_send(p, items, n)            copy in as many as fit; gives how many
 * name_send_all(p, items, n)        all of them or none; true if sent
 * name_send_one(p, &item)           true if sent; false if full or closed
 *
 * Consumers:
 * name_claim(c, most, &claim)       one try; the first claimed item, NULL if empty or too slow
 * name_take(c, most, &claim)        the same until it is empty: NULL means nothing else
 * name_release(c, &claim, n)        give the first n of a claim back
 * name_consume(c, most, fn, ctx)    fn(items, n, ctx) over each claim, in place; gives how many
 * name_steal(c, items, most)        copy out up to `most`; gives how many
 * name_steal_one(c, &item)          copy out one; nothing stays claimed
 * name_pop(c, &item)                the same, but claims several at a time: the fast way to have
 *                                   one after the other
 *
 * name_deregister_consumer(c) and, of an MPMC ring, name_deregister_producer(p) and name_destroy(q)
 * end what they say.
 *
 * Waiting: each takes a `struct quoit_wait`, and gives 0, -ETIMEDOUT, -ESHUTDOWN or -EINVAL. See
 * lane_wait.h and shared_wait.h; what they sleep on is attached by quoit_spmc_attach_waits() or
 * quoit_mpmc_attach_waits().
 * name_reserve_wait(p, want, how, &slots, &granted)
 * name_send_wait(p, items, n, how)               all n or none; name_send_one_wait(p, &item, how)
 * name_send_parts_wait(p, items, n, how, &sent)  any number, in parts as room comes; `sent` tells
 *                                                how many went, also when it ends before
 * name_take_wait(c, most, how, &items, &claim)   name_take_rest_wait() until the end of the stream
 * name_consume_wait(c, most, how, &got, fn, ctx)
 * name_steal_wait(c, items, most, how, &got)     name_steal_one_wait(c, &item, how)
 * name_pop_wait(c, &item, how)
 *
 * Threads and costs are those of the quoit_spmc_ or quoit_mpmc_ function of the same verb.
 */
#ifndef QUOIT_RINGS_TYPED_SHARED_H
#define QUOIT_RINGS_TYPED_SHARED_H

#include <string.h>

#include <quoit/rings/shared_wait.h>

QUOIT_C_BEGIN

/* Copy in what fits, in as many runs as wrap and void blocks make; one publication. */
QUOIT_HOT size_t quoit__lane_send(struct quoit_lane *lane, size_t bytes, const void *items,
				  size_t n)
{
	size_t sent = 0;

	if (quoit_unlikely(!n || quoit_lane_is_closed(lane)))
		return 0;
	while (sent < n) {
		size_t at;
		const size_t run = quoit__lane_reserve_some(lane, n - sent, &at);

		if (quoit_unlikely(!run))
			break;
		memcpy((char *)lane->slots + at * bytes, (const char *)items + sent * bytes,
		       run * bytes);
		quoit_lane_commit_later(lane, run);
		sent += run;
	}
	if (quoit_likely(sent))
		quoit_lane_flush(lane);
	return sent;
}

/* All or none: what is free now stays free until this producer takes it. */
QUOIT_HOT bool quoit__lane_send_all(struct quoit_lane *lane, size_t bytes, const void *items,
				    size_t n)
{
	if (quoit_unlikely(quoit__lane_room(lane, n) < n) && !quoit__lane_step_over(lane, n))
		return false;
	return quoit__lane_send(lane, bytes, items, n) == n;
}

/* Copy a claim out to items[index]. `bytes` is a constant in every caller. */
QUOIT_HOT void quoit__claim_copy(const struct quoit_claim *claim, size_t bytes, void *items,
				 size_t index)
{
	memcpy((char *)items + index * bytes, (const char *)claim->lane->slots + claim->at * bytes,
	       claim->n * bytes);
}

/* Wait for room for all of them. */
QUOIT_HOT int quoit__lane_send_wait(struct quoit_lane *lane, size_t bytes, const void *items,
				    size_t n, const struct quoit_wait *how)
{
	const int rc = quoit_lane_wait_space(lane, n, how);

	if (rc)
		return rc;
	/* Nothing but a close keeps it from what is free. */
	return quoit__lane_send_all(lane, bytes, items, n) ? 0 : -108; /* -ESHUTDOWN */
}

/* In parts, as room comes. What went is published, so the next part may be waited for. */
QUOIT_HOT int quoit__lane_send_parts_wait(struct quoit_lane *lane, size_t bytes, const void *items,
					  size_t n, const struct quoit_wait *how, size_t *sent)
{
	size_t done = 0;
	int rc;

	do {
		rc = quoit_lane_wait_space(lane, quoit_min(n, 1), how);
		if (rc)
			break;
		done += quoit__lane_send(lane, bytes, (const char *)items + done * bytes, n - done);
	} while (done < n);
	if (rc != -22) /* -EINVAL, which only the first can give */
		*sent = done;
	return rc;
}

QUOIT_HOT size_t quoit__spmc_steal(struct quoit_spmc_consumer *consumer, size_t bytes, void *items,
				   size_t most)
{
	struct quoit_claim claim;
	size_t got = 0;

	while (quoit_spmc_take(consumer, most - got, &claim)) {
		quoit__claim_copy(&claim, bytes, items, got);
		got += claim.n;
		quoit_spmc_release(consumer, &claim, claim.n);
	}
	return got;
}

QUOIT_HOT size_t quoit__mpmc_steal(struct quoit_mpmc_consumer *consumer, size_t bytes, void *items,
				   size_t most)
{
	struct quoit_claim claim;
	size_t got = 0;

	while (quoit_mpmc_take(consumer, most - got, &claim)) {
		quoit__claim_copy(&claim, bytes, items, got);
		got += claim.n;
		quoit_mpmc_release(consumer, &claim, claim.n);
	}
	return got;
}

QUOIT_HOT int quoit__spmc_steal_wait(struct quoit_spmc_consumer *consumer, size_t bytes,
				     void *items, size_t most, const struct quoit_wait *how,
				     size_t *got)
{
	struct quoit_claim claim;
	const int rc = quoit_spmc_take_wait(consumer, most, how, &claim);
	size_t n;

	if (rc)
		return rc;
	n = claim.n;
	quoit__claim_copy(&claim, bytes, items, 0);
	quoit_spmc_release(consumer, &claim, n);
	*got = n + quoit__spmc_steal(consumer, bytes, (char *)items + n * bytes, most - n);
	return 0;
}

QUOIT_HOT int quoit__spmc_pop_wait(struct quoit_spmc_consumer *consumer, size_t bytes, void *item,
				   const struct quoit_wait *how)
{
	struct quoit_claim slot;
	const int rc = quoit_spmc_next_wait(consumer, how, &slot);

	if (rc)
		return rc;
	quoit__claim_copy(&slot, bytes, item, 0);
	quoit_spmc_past(consumer);
	return 0;
}

QUOIT_HOT bool quoit__spmc_pop(struct quoit_spmc_consumer *consumer, size_t bytes, void *item)
{
	struct quoit_claim slot;

	if (!quoit_spmc_next(consumer, &slot))
		return false;
	quoit__claim_copy(&slot, bytes, item, 0);
	quoit_spmc_past(consumer);
	return true;
}

QUOIT_HOT int quoit__mpmc_steal_wait(struct quoit_mpmc_consumer *consumer, size_t bytes,
				     void *items, size_t most, const struct quoit_wait *how,
				     size_t *got)
{
	struct quoit_claim claim;
	const int rc = quoit_mpmc_take_wait(consumer, most, how, &claim);
	size_t n;

	if (rc)
		return rc;
	n = claim.n;
	quoit__claim_copy(&claim, bytes, items, 0);
	quoit_mpmc_release(consumer, &claim, n);
	*got = n + quoit__mpmc_steal(consumer, bytes, (char *)items + n * bytes, most - n);
	return 0;
}

QUOIT_HOT int quoit__mpmc_pop_wait(struct quoit_mpmc_consumer *consumer, size_t bytes, void *item,
				   const struct quoit_wait *how)
{
	struct quoit_claim slot;
	const int rc = quoit_mpmc_next_wait(consumer, how, &slot);

	if (rc)
		return rc;
	quoit__claim_copy(&slot, bytes, item, 0);
	quoit_mpmc_past(consumer);
	return 0;
}

QUOIT_HOT bool quoit__mpmc_pop(struct quoit_mpmc_consumer *consumer, size_t bytes, void *item)
{
	struct quoit_claim slot;

	if (!quoit_mpmc_next(consumer, &slot))
		return false;
	quoit__claim_copy(&slot, bytes, item, 0);
	quoit_mpmc_past(consumer);
	return true;
}

/* What a producer does; `lane` says which lane is p's. */
#define QUOIT__SHARED_PRODUCER(name, T, producer, lane)                                            \
	QUOIT_RT_LOCKFREE QUOIT_HOT T *name##_reserve(struct producer *p, size_t want,             \
						      size_t *granted)                             \
	{                                                                                          \
		size_t at;                                                                         \
		const size_t n = quoit_lane_reserve(lane, want, &at);                              \
		return n ? (void)(*granted = n), (T *)(lane)->slots + at : NULL;                   \
	}                                                                                          \
	QUOIT_RT_LOCKFREE QUOIT_HOT T *name##_reserve_some(struct producer *p, size_t want,        \
							   size_t *granted)                        \
	{                                                                                          \
		size_t at;                                                                         \
		const size_t n = quoit_lane_reserve_some(lane, want, &at);                         \
		return n ? (void)(*granted = n), (T *)(lane)->slots + at : NULL;                   \
	}                                                                                          \
	QUOIT_RT_WAKES QUOIT_HOT void name##_commit(struct producer *p, size_t n)                  \
	{                                                                                          \
		quoit_lane_commit(lane, n);                                                        \
	}                                                                                          \
	QUOIT_RT_WAITFREE QUOIT_HOT void name##_commit_later(struct producer *p, size_t n)         \
	{                                                                                          \
		quoit_lane_commit_later(lane, n);                                                  \
	}                                                                                          \
	QUOIT_RT_WAKES QUOIT_HOT void name##_flush(struct producer *p)                             \
	{                                                                                          \
		quoit_lane_flush(lane);                                                            \
	}                                                                                          \
	QUOIT_RT_WAKES_LOCKFREE QUOIT_HOT size_t name##_send(struct producer *p, const T *items,   \
							     size_t n)                             \
	{                                                                                          \
		return quoit__lane_send(lane, sizeof(T), items, n);                                \
	}                                                                                          \
	QUOIT_RT_WAKES_LOCKFREE QUOIT_HOT bool name##_send_all(struct producer *p, const T *items, \
							       size_t n)                           \
	{                                                                                          \
		return quoit__lane_send_all(lane, sizeof(T), items, n);                            \
	}                                                                                          \
	QUOIT_RT_WAKES_LOCKFREE QUOIT_HOT bool name##_send_one(struct producer *p, const T *item)  \
	{                                                                                          \
		return name##_send(p, item, 1) != 0;                                               \
	}

/* What a consumer does; `kind` is spmc or mpmc. */
#define QUOIT__SHARED_CONSUMER(name, T, kind)                                                      \
	typedef QUOIT_RT_FN void (*name##_batch_fn)(T * items, size_t n, void *ctx);               \
	QUOIT_RT_LOCKFREE QUOIT_HOT T *name##_claim(struct name##_consumer *c, size_t most,        \
						    struct quoit_claim *claim)                     \
	{                                                                                          \
		return quoit_##kind##_claim(&c->seat, most, claim) == QUOIT_CLAIM_GOT              \
			       ? (T *)claim->lane->slots + claim->at                               \
			       : NULL;                                                             \
	}                                                                                          \
	QUOIT_RT_LOCKFREE QUOIT_HOT T *name##_take(struct name##_consumer *c, size_t most,         \
						   struct quoit_claim *claim)                      \
	{                                                                                          \
		return quoit_##kind##_take(&c->seat, most, claim)                                  \
			       ? (T *)claim->lane->slots + claim->at                               \
			       : NULL;                                                             \
	}                                                                                          \
	QUOIT_RT_WAKES_LOCKFREE QUOIT_HOT void name##_release(struct name##_consumer *c,           \
							      struct quoit_claim *claim, size_t n) \
	{                                                                                          \
		quoit_##kind##_release(&c->seat, claim, n);                                        \
	}                                                                                          \
	QUOIT_RT_WAKES_LOCKFREE QUOIT_HOT size_t name##_consume(                                   \
		struct name##_consumer *c, size_t most, name##_batch_fn fn, void *ctx)             \
	{                                                                                          \
		struct quoit_claim claim;                                                          \
		size_t got = 0;                                                                    \
		while (got < most && quoit_##kind##_take(&c->seat, most - got, &claim)) {          \
			fn((T *)claim.lane->slots + claim.at, claim.n, ctx);                       \
			got += claim.n;                                                            \
			quoit_##kind##_release(&c->seat, &claim, claim.n);                         \
		}                                                                                  \
		return got;                                                                        \
	}                                                                                          \
	QUOIT_RT_WAKES_LOCKFREE QUOIT_HOT size_t name##_steal(struct name##_consumer *c, T *items, \
							      size_t most)                         \
	{                                                                                          \
		return quoit__##kind##_steal(&c->seat, sizeof(T), items, most);                    \
	}                                                                                          \
	QUOIT_RT_WAKES_LOCKFREE QUOIT_HOT bool name##_steal_one(struct name##_consumer *c,         \
								T *item)                           \
	{                                                                                          \
		return quoit__##kind##_steal(&c->seat, sizeof(T), item, 1) != 0;                   \
	}                                                                                          \
	QUOIT_RT_WAKES_LOCKFREE QUOIT_HOT bool name##_pop(struct name##_consumer *c, T *item)      \
	{                                                                                          \
		return quoit__##kind##_pop(&c->seat, sizeof(T), item);                             \
	}

/* What a producer does that waits. */
#define QUOIT__SHARED_PRODUCER_WAIT(name, T, producer, lane)                                    \
	QUOIT_MUST_CHECK QUOIT_HOT int name##_reserve_wait(struct producer *p, size_t want,     \
							   const struct quoit_wait *how,        \
							   T **slots, size_t *granted)          \
	{                                                                                       \
		size_t at;                                                                      \
		const int rc = quoit_lane_reserve_wait(lane, want, how, &at, granted);          \
		if (!rc)                                                                        \
			*slots = (T *)(lane)->slots + at;                                       \
		return rc;                                                                      \
	}                                                                                       \
	QUOIT_MUST_CHECK QUOIT_HOT int name##_send_wait(struct producer *p, const T *items,     \
							size_t n, const struct quoit_wait *how) \
	{                                                                                       \
		return quoit__lane_send_wait(lane, sizeof(T), items, n, how);                   \
	}                                                                                       \
	QUOIT_MUST_CHECK QUOIT_HOT int name##_send_one_wait(struct producer *p, const T *item,  \
							    const struct quoit_wait *how)       \
	{                                                                                       \
		return name##_send_wait(p, item, 1, how);                                       \
	}                                                                                       \
	QUOIT_MUST_CHECK QUOIT_HOT int name##_send_parts_wait(                                  \
		struct producer *p, const T *items, size_t n, const struct quoit_wait *how,     \
		size_t *sent)                                                                   \
	{                                                                                       \
		return quoit__lane_send_parts_wait(lane, sizeof(T), items, n, how, sent);       \
	}

/* What a consumer does that waits. */
#define QUOIT__SHARED_CONSUMER_WAIT(name, T, kind)                                                 \
	QUOIT_MUST_CHECK QUOIT_HOT int name##_take_wait(struct name##_consumer *c, size_t most,    \
							const struct quoit_wait *how, T **items,   \
							struct quoit_claim *claim)                 \
	{                                                                                          \
		const int rc = quoit_##kind##_take_wait(&c->seat, most, how, claim);               \
		if (!rc)                                                                           \
			*items = (T *)claim->lane->slots + claim->at;                              \
		return rc;                                                                         \
	}                                                                                          \
	QUOIT_MUST_CHECK QUOIT_HOT int name##_take_rest_wait(                                      \
		struct name##_consumer *c, size_t most, const struct quoit_wait *how, T **items,   \
		struct quoit_claim *claim)                                                         \
	{                                                                                          \
		const int rc = quoit_##kind##_take_rest_wait(&c->seat, most, how, claim);          \
		if (!rc)                                                                           \
			*items = (T *)claim->lane->slots + claim->at;                              \
		return rc;                                                                         \
	}                                                                                          \
	QUOIT_MUST_CHECK QUOIT_HOT int name##_consume_wait(                                        \
		struct name##_consumer *c, size_t most, const struct quoit_wait *how, size_t *got, \
		name##_batch_fn fn, void *ctx)                                                     \
	{                                                                                          \
		struct quoit_claim claim;                                                          \
		T *items;                                                                          \
		const int rc = name##_take_wait(c, most, how, &items, &claim);                     \
		if (rc)                                                                            \
			return rc;                                                                 \
		*got = claim.n;                                                                    \
		fn(items, claim.n, ctx);                                                           \
		quoit_##kind##_release(&c->seat, &claim, claim.n);                                 \
		*got += name##_consume(c, most - *got, fn, ctx);                                   \
		return 0;                                                                          \
	}                                                                                          \
	QUOIT_MUST_CHECK QUOIT_HOT int name##_steal_wait(                                          \
		struct name##_consumer *c, T *items, size_t most, const struct quoit_wait *how,    \
		size_t *got)                                                                       \
	{                                                                                          \
		return quoit__##kind##_steal_wait(&c->seat, sizeof(T), items, most, how, got);     \
	}                                                                                          \
	QUOIT_MUST_CHECK QUOIT_HOT int name##_steal_one_wait(struct name##_consumer *c, T *item,   \
							     const struct quoit_wait *how)         \
	{                                                                                          \
		size_t got;                                                                        \
		return quoit__##kind##_steal_wait(&c->seat, sizeof(T), item, 1, how, &got);        \
	}                                                                                          \
	QUOIT_MUST_CHECK QUOIT_HOT int name##_pop_wait(struct name##_consumer *c, T *item,         \
						       const struct quoit_wait *how)               \
	{                                                                                          \
		return quoit__##kind##_pop_wait(&c->seat, sizeof(T), item, how);                   \
	}

#define QUOIT_SPMC(name, T)                                                                  \
	quoit__item_check(T);                                                                \
	struct name {                                                                        \
		struct quoit_spmc ring;                                                      \
	};                                                                                   \
	struct name##_consumer {                                                             \
		struct quoit_spmc_consumer seat;                                             \
	};                                                                                   \
	QUOIT_MUST_CHECK QUOIT_HOT int name##_init(struct name *q, T *slots,                 \
						   struct quoit_lane_block *blocks,          \
						   const struct quoit_spmc_options *options) \
	{                                                                                    \
		const int rc = quoit_spmc_init(&q->ring, slots, blocks, options);            \
		if (!rc)                                                                     \
			quoit_lane_set_slots(&q->ring.lane, slots, sizeof(T));               \
		return rc;                                                                   \
	}                                                                                    \
	QUOIT_MUST_CHECK QUOIT_HOT int name##_register_consumer(struct name *q,              \
								struct name##_consumer *c)   \
	{                                                                                    \
		return quoit_spmc_register_consumer(&q->ring, &c->seat);                     \
	}                                                                                    \
	QUOIT_HOT void name##_deregister_consumer(struct name##_consumer *c)                 \
	{                                                                                    \
		quoit_spmc_deregister_consumer(&c->seat);                                    \
	}                                                                                    \
	QUOIT__SHARED_PRODUCER(name, T, name, &p->ring.lane)                                 \
	QUOIT__SHARED_PRODUCER_WAIT(name, T, name, &p->ring.lane)                            \
	QUOIT__SHARED_CONSUMER(name, T, spmc)                                                \
	QUOIT__SHARED_CONSUMER_WAIT(name, T, spmc)                                           \
	struct name

#define QUOIT_MPMC(name, T)                                                                    \
	quoit__item_check(T);                                                                  \
	struct name {                                                                          \
		struct quoit_mpmc *ring;                                                       \
	};                                                                                     \
	struct name##_producer {                                                               \
		struct quoit_mpmc_producer seat;                                               \
	};                                                                                     \
	struct name##_consumer {                                                               \
		struct quoit_mpmc_consumer seat;                                               \
	};                                                                                     \
	QUOIT_MUST_CHECK QUOIT_HOT int name##_create(struct name *q,                           \
						     const struct quoit_mpmc_options *options) \
	{                                                                                      \
		struct quoit_mpmc_options sized = *options;                                    \
		sized.slot_bytes = sizeof(T);                                                  \
		return quoit_mpmc_create(&sized, &q->ring);                                    \
	}                                                                                      \
	QUOIT_HOT void name##_destroy(struct name *q)                                          \
	{                                                                                      \
		quoit_mpmc_destroy(q->ring);                                                   \
	}                                                                                      \
	QUOIT_MUST_CHECK QUOIT_HOT int name##_register_producer(struct name *q,                \
								struct name##_producer *p)     \
	{                                                                                      \
		return quoit_mpmc_register_producer(q->ring, &p->seat);                        \
	}                                                                                      \
	QUOIT_HOT void name##_deregister_producer(struct name##_producer *p)                   \
	{                                                                                      \
		quoit_mpmc_deregister_producer(&p->seat);                                      \
	}                                                                                      \
	QUOIT_MUST_CHECK QUOIT_HOT int name##_register_consumer(struct name *q,                \
								struct name##_consumer *c)     \
	{                                                                                      \
		return quoit_mpmc_register_consumer(q->ring, &c->seat);                        \
	}                                                                                      \
	QUOIT_HOT void name##_deregister_consumer(struct name##_consumer *c)                   \
	{                                                                                      \
		quoit_mpmc_deregister_consumer(&c->seat);                                      \
	}                                                                                      \
	QUOIT__SHARED_PRODUCER(name, T, name##_producer, &p->seat.lane->lane)                  \
	QUOIT__SHARED_PRODUCER_WAIT(name, T, name##_producer, &p->seat.lane->lane)             \
	QUOIT__SHARED_CONSUMER(name, T, mpmc)                                                  \
	QUOIT__SHARED_CONSUMER_WAIT(name, T, mpmc)                                             \
	struct name

QUOIT_C_END

#endif
