/* SPDX-License-Identifier: MIT */
/*
 * spmc.h - one producer, any number of consumers that share the work: each item goes to one of
 * them. It is one lane (see lane.h for the protocol and its edges) with seats for the consumers.
 *
 * Claims are handed out in the producer's order. What two consumers do with two claims is not in
 * any order, and a claimed item waits for its claimer: do not sleep with an open claim.
 *
 * edge     released by                          acquired by
 * seat     quoit_spmc_register_consumer: cas    quoit_spmc_deregister_consumer: a number
 */
#ifndef QUOIT_RINGS_SPMC_H
#define QUOIT_RINGS_SPMC_H

#include <quoit/rings/lane.h>

QUOIT_C_BEGIN

#define QUOIT_SPMC_POP_MOST ((size_t)32) /* what popping one by one claims at a time */

struct quoit_spmc_options {
	size_t capacity_slots; /* a power of two */
	size_t block_slots;    /* a power of two, 0: see quoit_lane_init_at() */
	size_t consumers_most; /* registered at the same time; at least 1 */
};

/* Ready-made: deep and many, and shallow so that nothing waits long. */
#define QUOIT_SPMC_HIGH_THROUGHPUT       \
	{                                \
		(size_t)1 << 18, 128, 32 \
	}
#define QUOIT_SPMC_LOW_LATENCY         \
	{                              \
		(size_t)1 << 12, 0, 16 \
	}

/* Caller's memory, aligned to QUOIT_ISOLATION. */
struct quoit_spmc {
	struct quoit_lane lane;
	QUOIT_ISOLATED uint64_t consumers; /* registered */
	uint64_t consumers_most;
};

/* One for each consumer, the caller's memory; nobody else looks into it. */
struct quoit_spmc_consumer {
	QUOIT_ISOLATED struct quoit_spmc *ring;
	uint64_t tail_seen;	   /* its last look at the producer */
	uint64_t held;		   /* slots claimed and not given back */
	struct quoit_claim cursor; /* of popping one by one */
	size_t popped;		   /* of the cursor's claim */
	uint32_t linger;	   /* see quoit_spmc_linger() */
	bool caught_up;		   /* the cursor's claim was a small one */
	uint64_t lingered;
	uint64_t claims;
	uint64_t races_lost;
#ifdef QUOIT_CONFIG_METRICS
	struct quoit_meter_side *meter;
#endif
};

/* --- setting up ------------------------------------------------------------------------------ */

/*
 * Start an empty ring at a position (0 unless a test wants the wrap near). `slots` is the array of
 * elements, which only a typed ring looks at; `blocks` has QUOIT_LANE_BLOCKS(capacity_slots)
 * entries, or capacity_slots / block_slots if that was chosen.
 *
 * Thread: before any side starts.   Owns: both arrays stay the ring's.
 * Errors: -EINVAL for sizes that are not possible.
 */
QUOIT_MUST_CHECK int quoit_spmc_init_at(struct quoit_spmc *ring, void *slots,
					struct quoit_lane_block *blocks,
					const struct quoit_spmc_options *options,
					uint64_t position);

/*
 * Begin an empty ring in the caller's memory, at position 0.
 * Thread: before both sides start.   Owns, Errors: as quoit_spmc_init_at().
 */
QUOIT_MUST_CHECK QUOIT_HOT int quoit_spmc_init(struct quoit_spmc *ring, void *slots,
					       struct quoit_lane_block *blocks,
					       const struct quoit_spmc_options *options)
{
	return quoit_spmc_init_at(ring, slots, blocks, options, 0);
}

/* Wake a sleeper on publication: see quoit_lane_attach(). Thread: before both sides start. */
QUOIT_HOT void quoit_spmc_attach(struct quoit_spmc *ring, struct quoit_notify *notify)
{
	quoit_lane_attach(&ring->lane, notify);
}

/*
 * Let each publication wake one of those consumers that sleep by themselves and have joined the
 * group: see group.h.
 * Thread: the ring's owner, before the first commit.   Owns: `group`, of which nothing needs to be
 * set, must outlive the producer and the members.   Errors: -EINVAL if consumers_most is above
 * QUOIT_GROUP_MOST.
 */
QUOIT_MUST_CHECK int quoit_spmc_attach_group(struct quoit_spmc *ring, struct quoit_group *group);

/*
 * Become a member of the ring's group: gives the place in it. Look at the ring behind
 * quoit_wake_arm() before you sleep: what was published before has rung others, or nobody.
 * Thread: a consumer's, while the producer runs.   Owns: `notify` stays until quoit_spmc_leave()
 * has given 0.   Errors: -EUSERS if all places are taken.
 */
QUOIT_MUST_CHECK int quoit_spmc_join(struct quoit_spmc *ring, struct quoit_notify *notify);

/*
 * Leave the group. Once it gives 0, nobody touches what was joined any more, nor its eventfd; what
 * is unclaimed was passed on to another member.
 * Thread: the member's.   Errors: -EAGAIN while somebody may be about to ring it: ask again, in the
 * next turn, and do not sleep meanwhile.   Cost: a fence.
 */
QUOIT_MUST_CHECK int quoit_spmc_leave(struct quoit_spmc *ring, int place);

/*
 * The caller was called, and has claimed what it wants: if something is left, call the next member.
 * Tells whether it did. Comes before the claim is handled.
 * Thread: a member's.   Cost: two loads; if something is left see quoit_group_tell().
 */
QUOIT_RT_WAKES_LOCKFREE bool quoit_spmc_pass_on(struct quoit_spmc *ring);

/*
 * Take a seat as a consumer. Who comes after the close still gets what is unread.
 * Thread: any.   Owns: `consumer` is the caller's, used by one thread at a time.
 * Errors: -EUSERS when consumers_most are registered, -ESHUTDOWN once the ring is drained.
 * Cost: an exchange; once the producer has finished also a load for each block.
 */
QUOIT_MUST_CHECK int quoit_spmc_register_consumer(struct quoit_spmc *ring,
						  struct quoit_spmc_consumer *consumer);

/* Give the seat back. Thread: the consumer's, with no claim open and nothing left to be popped. */
void quoit_spmc_deregister_consumer(struct quoit_spmc_consumer *consumer);

/*
 * Let the consumer count: its side of the meter is written, or none with NULL.
 * Thread: the consumer's.   Owns: `meter` must outlive the consumer.
 * Errors: -EOPNOTSUPP where rings were built without CONFIG_METRICS.
 */
QUOIT_MUST_CHECK int quoit_spmc_attach_meter(struct quoit_spmc_consumer *consumer,
					     struct quoit_meter *meter);

/* --- producer: see the quoit_lane_ functions of the same verbs ------------------------------- */

/* Thread: the producer's, in all of these. */

/* Lease contiguous slots if all of `want` are free: see quoit_lane_reserve(). */
QUOIT_RT_LOCKFREE QUOIT_HOT size_t quoit_spmc_reserve(struct quoit_spmc *ring, size_t want,
						      size_t *at)
{
	return quoit_lane_reserve(&ring->lane, want, at);
}

/* Lease what is free: see quoit_lane_reserve_some(). */
QUOIT_RT_LOCKFREE QUOIT_HOT size_t quoit_spmc_reserve_some(struct quoit_spmc *ring, size_t want,
							   size_t *at)
{
	return quoit_lane_reserve_some(&ring->lane, want, at);
}

/* Commit, and leave publishing to a later call: see quoit_lane_commit_later(). */
QUOIT_RT_WAITFREE QUOIT_HOT void quoit_spmc_commit_later(struct quoit_spmc *ring, size_t n)
{
	quoit_lane_commit_later(&ring->lane, n);
}

/* Make it visible, and wake nobody: see quoit_lane_publish(). */
QUOIT_RT_WAITFREE QUOIT_HOT void quoit_spmc_publish(struct quoit_spmc *ring)
{
	quoit_lane_publish(&ring->lane);
}

/* Make it visible, and wake who sleeps: see quoit_lane_flush(). */
QUOIT_RT_WAKES QUOIT_HOT void quoit_spmc_flush(struct quoit_spmc *ring)
{
	quoit_lane_flush(&ring->lane);
}

/* Commit and flush: see quoit_lane_commit(). */
QUOIT_RT_WAKES QUOIT_HOT void quoit_spmc_commit(struct quoit_spmc *ring, size_t n)
{
	quoit_lane_commit(&ring->lane, n);
}

/*
 * Close the ring and let its readers know that nothing follows: publishes what is committed.
 * Thread: producer.
 */
QUOIT_RT_WAKES_LOCKFREE QUOIT_HOT void quoit_spmc_finish(struct quoit_spmc *ring)
{
	quoit_lane_finish(&ring->lane);
	quoit_lane_close(&ring->lane);
}

/* --- consumers ------------------------------------------------------------------------------- */

/* Thread: one consumer's, in all that take its handle. */

/*
 * Try once to claim up to `most` slots (at least 1): a contiguous span, at most a block.
 *
 * Thread: the consumer's.   Owns: the slots are the consumer's until quoit_spmc_release().
 * Cost: see quoit_lane_claim().
 */
QUOIT_RT_LOCKFREE QUOIT_HOT enum quoit_claim_status quoit_spmc_claim(
	struct quoit_spmc_consumer *consumer, size_t most, struct quoit_claim *claim)
{
	const enum quoit_claim_status status =
		quoit_lane_claim(&consumer->ring->lane, &consumer->tail_seen, most, claim);

	if (quoit_likely(status == QUOIT_CLAIM_GOT)) {
		consumer->held += claim->n;
		consumer->claims++;
		quoit__meter_hold(quoit__lane_meter(consumer));
	} else if (status == QUOIT_CLAIM_LOST) {
		consumer->races_lost++;
		quoit__meter_failure(quoit__lane_meter(consumer));
	}
	return status;
}

/*
 * Claim up to `most` slots, trying again as long as other consumers are faster. Gives how many; 0
 * says that the ring was empty, and nothing else.
 */
QUOIT_RT_LOCKFREE QUOIT_HOT size_t quoit_spmc_take(struct quoit_spmc_consumer *consumer,
						   size_t most, struct quoit_claim *claim)
{
	enum quoit_claim_status status;

	if (!most)
		return 0;
	while (quoit_unlikely((status = quoit_spmc_claim(consumer, most, claim)) ==
			      QUOIT_CLAIM_LOST))
		quoit_relax();
	return status == QUOIT_CLAIM_GOT ? claim->n : 0;
}

/* Give the first `n` slots of a claim back to the producer. See quoit_lane_release(). */
QUOIT_RT_WAKES_LOCKFREE QUOIT_HOT void quoit_spmc_release(struct quoit_spmc_consumer *consumer,
							  struct quoit_claim *claim, size_t n)
{
	consumer->held -= n;
	quoit__meter_batch(quoit__lane_meter(consumer), n);
	quoit__meter_release(quoit__lane_meter(consumer));
	quoit_lane_release(claim, n);
}

/*
 * Let popping pause for `pauses` times quoit_relax() before it looks for more, whenever it has
 * caught up with a producer: what comes meanwhile is then had by one look at the producer's line
 * instead of one for each item. Worth it where items are popped one by one and come all the time,
 * about 4 (150 ns) on x86; 0, as at first, answers soonest. It always looks before it says that
 * there is nothing.
 * Thread: the consumer's.
 */
QUOIT_RT_WAITFREE QUOIT_HOT void quoit_spmc_linger(struct quoit_spmc_consumer *consumer,
						   uint32_t pauses)
{
	consumer->linger = pauses;
}

/* A new claim for the cursor. */
QUOIT_HOT bool quoit__spmc_pop_claim(struct quoit_spmc_consumer *consumer)
{
	if (consumer->caught_up && consumer->linger) {
		consumer->lingered++;
		for (uint32_t n = consumer->linger; n; n--)
			quoit_relax();
	}
	consumer->caught_up = false;
	if (!quoit_spmc_take(consumer, QUOIT_SPMC_POP_MOST, &consumer->cursor))
		return false;
	consumer->caught_up = consumer->cursor.n < QUOIT_SPMC_POP_MOST / 2;
	return true;
}

/*
 * The next slot of those that are popped one by one: true if there is one, in `slot` as a claim of
 * one. Behind it up to QUOIT_SPMC_POP_MOST are claimed at a time, so that what was claimed and not
 * yet popped waits for this consumer. Follow with quoit_spmc_past().
 */
QUOIT_RT_LOCKFREE QUOIT_HOT bool quoit_spmc_next(struct quoit_spmc_consumer *consumer,
						 struct quoit_claim *slot)
{
	if (quoit_unlikely(consumer->popped == consumer->cursor.n) &&
	    !quoit__spmc_pop_claim(consumer))
		return false;
	slot->lane = consumer->cursor.lane;
	slot->at = consumer->cursor.at + consumer->popped;
	slot->n = 1;
	return true;
}

/* The slot of quoit_spmc_next() was copied out or is done with; behind the last goes the claim. */
QUOIT_RT_WAKES_LOCKFREE QUOIT_HOT void quoit_spmc_past(struct quoit_spmc_consumer *consumer)
{
	if (++consumer->popped < consumer->cursor.n)
		return;
	quoit_spmc_release(consumer, &consumer->cursor, consumer->popped);
	consumer->popped = 0;
}

/* Claimed by popping and not yet popped: what this consumer must pop before it may sleep. */
QUOIT_RT_WAITFREE QUOIT_HOT size_t quoit_spmc_unpopped(const struct quoit_spmc_consumer *consumer)
{
	return consumer->cursor.n - consumer->popped;
}

/* See quoit_lane_has_news(). */
QUOIT_RT_WAITFREE QUOIT_HOT bool quoit_spmc_has_news(const struct quoit_spmc_consumer *consumer)
{
	return quoit_lane_has_news(&consumer->ring->lane);
}

/* --- status and ending: from any thread ------------------------------------------------------ */

/* Published and not yet claimed. See quoit_lane_length(). */
QUOIT_RT_WAITFREE QUOIT_HOT size_t quoit_spmc_length(const struct quoit_spmc *ring)
{
	return quoit_lane_length(&ring->lane);
}

/* Nothing to claim, at some moment. */
QUOIT_RT_WAITFREE QUOIT_HOT bool quoit_spmc_is_empty(const struct quoit_spmc *ring)
{
	return quoit_lane_length(&ring->lane) == 0;
}

/*
 * Published and not yet given back, claimed slots included: what still has to be worked off.
 * Cost: a load for each block.
 */
QUOIT_RT_WAITFREE QUOIT_HOT size_t quoit_spmc_pending(const struct quoit_spmc *ring)
{
	return quoit_lane_pending(&ring->lane);
}

/* Let no new reservation succeed. Thread: any. See quoit_lane_close(). */
QUOIT_RT_WAKES_LOCKFREE QUOIT_HOT void quoit_spmc_close(struct quoit_spmc *ring)
{
	quoit_lane_close(&ring->lane);
}

/* Has it been closed? After true no reservation succeeds. */
QUOIT_RT_WAITFREE QUOIT_HOT bool quoit_spmc_is_closed(const struct quoit_spmc *ring)
{
	return quoit_lane_is_closed(&ring->lane);
}

/* The end of the stream: see quoit_lane_is_drained(). */
QUOIT_RT_WAITFREE QUOIT_HOT bool quoit_spmc_is_drained(const struct quoit_spmc *ring)
{
	return quoit_lane_is_drained(&ring->lane);
}

QUOIT_C_END

#endif
