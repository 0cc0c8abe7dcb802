/* SPDX-License-Identifier: MIT */
/*
 * mpmc.h - any number of producers and consumers: each item goes to one consumer.
 *
 * Every producer has a lane of its own (lane.h), in memory near it, so that producers never meet.
 * Consumers claim from the lanes. Each has a shard, some lanes that it looks at first; where they
 * are empty it helps out at the fullest lane, and at last it asks every lane, beginning at a random
 * one. Who finds a lane in its shard stays there for QUOIT_MPMC_ROTATE items, who helps out for
 * what it has seen there.
 *
 * Claims of one producer's items are handed out in its order; what two consumers do with two claims
 * is not in any order. A claimed item waits for its claimer: do not sleep with an open claim.
 *
 * Lanes are entered into a directory that never moves, and stay when their producer leaves: the
 * next producer goes on behind what is unread.
 *
 * edge     released by                          acquired by             carries
 * lanes    choose_lane: lane_count              quoit__mpmc_lanes       the lane and its slots
 * shards   deal: seating                        quoit__mpmc_search      who is registered
 * close    quoit_mpmc_close: closed             quoit_mpmc_is_closed    all lanes are closed
 */
#ifndef QUOIT_RINGS_MPMC_H
#define QUOIT_RINGS_MPMC_H

#include <quoit/rings/lane.h>

QUOIT_C_BEGIN

#define QUOIT_MPMC_POP_MOST ((size_t)32) /* what popping one by one claims at a time */
#define QUOIT_MPMC_ROTATE   ((size_t)256)

/* Where a lane lies, if not on a node; see quoit_mpmc_options. */
#define QUOIT_MPMC_NEAR	      (-1) /* near the registering thread, where there is memory */
#define QUOIT_MPMC_ANYWHERE   (-2) /* wherever it is first touched */
#define QUOIT_MPMC_INTERLEAVE (-3) /* page by page on all nodes of that thread's cpuset */

struct quoit_mpmc_options {
	size_t slot_bytes;     /* of one element; a typed ring sets it itself */
	size_t capacity_slots; /* of each lane, a power of two */
	size_t block_slots;    /* a power of two, 0: see quoit_lane_init_at() */
	size_t producers_most; /* registered at the same time; at least 1 */
	size_t consumers_most; /* likewise */
	size_t shard_lanes;    /* at least so many to a shard, 0: a fair part of those in use */

	/*
	 * Where lanes live: QUOIT_MPMC_NEAR, QUOIT_MPMC_ANYWHERE, QUOIT_MPMC_INTERLEAVE or a node;
	 * the consumers', for one. 0 is a node: options that say nothing put all lanes there,
	 * quoit_mpmc_default() puts each near its producer. `make bench-numa` measures them.
	 */
	int node;
	bool near_first; /* help out on the consumer's own node before others */
};

/* Ready-made: many cores with much to do, and a few that answer quickly. */
#define QUOIT_MPMC_HIGH_THROUGHPUT                                        \
	{                                                                 \
		0, (size_t)1 << 16, 128, 32, 16, 4, QUOIT_MPMC_NEAR, true \
	}
#define QUOIT_MPMC_LOW_LATENCY                                          \
	{                                                               \
		0, (size_t)1 << 12, 0, 16, 16, 0, QUOIT_MPMC_NEAR, true \
	}

struct quoit_mpmc_lane {
	struct quoit_lane lane; /* lane.slots are its elements */
	struct quoit_lane_waits waits;
	QUOIT_ISOLATED int node; /* its memory's; below 0: none alone */
	unsigned degraded;	 /* bits of enum quoit_region_shortfall */
};

struct quoit__mpmc_registry;

/* Touch the fields only through the functions. */
struct quoit_mpmc {
	QUOIT_ISOLATED struct quoit_mpmc_lane **lanes; /* producers_most entries, each set once */
	uint64_t *ranks;			       /* of the consumers, by seat */
	uint64_t lane_count;			       /* published: entries in use */
	uint64_t seating;   /* published: grows whenever somebody comes or goes */
	uint64_t consumers; /* registered */
	uint64_t closed;
	size_t shard_lanes;
	size_t slot_bytes;
	bool near_first;
	struct quoit_crowd *crowd; /* attached, or NULL */
	struct quoit_group *group; /* attached, or NULL */
	struct quoit__mpmc_registry *registry;
};

/* One for each producer, the caller's memory. */
struct quoit_mpmc_producer {
	struct quoit_mpmc *ring;
	struct quoit_mpmc_lane *lane;
	size_t seat;
};

/* One for each consumer, the caller's memory; nobody else looks into it (defect D-29). */
struct quoit_mpmc_consumer {
	QUOIT_ISOLATED struct quoit_mpmc *ring;
	struct quoit_mpmc_lane *lane; /* the one it claimed from last */
	uint64_t tail_seen;	      /* its last look there */
	size_t stay;		      /* items until it looks elsewhere */
	bool helping;		      /* the lane is another's */
	uint64_t held;		      /* slots claimed and not given back */
	struct quoit_claim cursor;    /* of popping one by one */
	size_t popped;		      /* of the cursor's claim */
	uint32_t linger;	      /* see quoit_mpmc_linger() */
	bool caught_up;		      /* the cursor's claim was a small one */
	uint64_t lingered;

	size_t seat;
	int node;
	uint64_t seating_seen;
	size_t shard_first; /* the shard is shard_span lanes from here on, round the directory */
	size_t shard_span;
	size_t shard_turn; /* where in the shard it is */
	uint64_t random;
	uint64_t searches;

	/* Claims by how they were found, and races lost. */
	uint64_t from_shard;
	uint64_t from_fullest;
	uint64_t from_any;
	uint64_t races_lost;
#ifdef QUOIT_CONFIG_METRICS
	struct quoit_meter_side *meter;
#endif
};

/* --- setting up ------------------------------------------------------------------------------ */

/*
 * Make an empty ring without any lanes.
 *
 * Thread: any.   Owns: the caller destroys it.
 * Errors: -EINVAL for sizes or a node that are not possible, -ENOMEM.
 */
QUOIT_MUST_CHECK int quoit_mpmc_create(const struct quoit_mpmc_options *options,
				       struct quoit_mpmc **ring);

/* Free it with all that is unread. Thread: any, once nobody is registered any more. NULL is fine.
 */
void quoit_mpmc_destroy(struct quoit_mpmc *ring);

/*
 * Let publications on any lane wake a reader that sleeps.
 * Thread: the ring's owner, before the first commit.   Owns: `notify` must outlive the producers.
 */
void quoit_mpmc_attach(struct quoit_mpmc *ring, struct quoit_notify *notify);

/*
 * Let the consumers that wait sleep in `crowd`, and the producers on their lanes; no more with
 * NULL. Thread: the ring's owner, before the first commit.   Owns: `crowd`, of which nothing needs
 * to be set, must outlive the producers and consumers. Errors: -EINVAL if consumers_most is above
 * QUOIT_CROWD_SEATS.
 */
QUOIT_MUST_CHECK int quoit_mpmc_attach_waits(struct quoit_mpmc *ring, struct quoit_crowd *crowd);

/*
 * Let each publication on any lane wake one of those consumers that sleep by themselves and have
 * joined the group: see group.h.
 * Thread: the ring's owner, before the first commit.   Owns: `group`, of which nothing needs to be
 * set, must outlive the producers and the members.   Errors: -EINVAL if consumers_most is above
 * QUOIT_GROUP_MOST.
 */
QUOIT_MUST_CHECK int quoit_mpmc_attach_group(struct quoit_mpmc *ring, struct quoit_group *group);

/*
 * Become a member of the ring's group: gives the place in it. See quoit_spmc_join().
 * Thread: a consumer's, while producers run.   Owns: as there.   Errors: -EUSERS if all places are
 * taken.
 */
QUOIT_MUST_CHECK int quoit_mpmc_join(struct quoit_mpmc *ring, struct quoit_notify *notify);

/*
 * Leave the group: see quoit_spmc_leave().
 * Thread: the member's.   Errors: -EAGAIN while somebody may be about to ring it, or somebody is
 * coming, going or closing: ask again, in the next turn, and do not sleep meanwhile.
 * Cost: a fence for each lane.
 */
QUOIT_MUST_CHECK int quoit_mpmc_leave(struct quoit_mpmc *ring, int place);

/* Call the next member if something is left: see quoit_spmc_pass_on(). Thread: a member's. */
QUOIT_RT_WAKES_LOCKFREE bool quoit_mpmc_pass_on(struct quoit_mpmc *ring);

/*
 * Become a producer: take over a lane that another one has left, or open a new one.
 *
 * Thread: the producer's own, so that QUOIT_MPMC_NEAR means it. producer->lane->degraded tells
 * where the placement fell short.   Owns: `producer` is the caller's.
 * Errors: -EUSERS when producers_most are registered, -ESHUTDOWN once the ring is closed; what
 * quoit_region_open() says.
 * Cost: a lock, and for a new lane its memory.
 */
QUOIT_MUST_CHECK int quoit_mpmc_register_producer(struct quoit_mpmc *ring,
						  struct quoit_mpmc_producer *producer);

/*
 * The producer's last word: publishes what is committed, and leaves the lane. What is unread is
 * still read.
 * Thread: the producer's.
 */
void quoit_mpmc_deregister_producer(struct quoit_mpmc_producer *producer);

/*
 * Become a consumer. Shards are dealt anew whenever somebody comes or goes. Who comes after the
 * close still gets what is unread.
 *
 * Thread: the consumer's own.   Owns: `consumer` is the caller's.
 * Errors: -EUSERS when consumers_most are registered, -ESHUTDOWN once the ring is drained.
 * Cost: a lock; once the ring is closed also a load for each block of each lane.
 */
QUOIT_MUST_CHECK int quoit_mpmc_register_consumer(struct quoit_mpmc *ring,
						  struct quoit_mpmc_consumer *consumer);

/* Give the seat back. Thread: the consumer's, with no claim open and nothing left to be popped. */
void quoit_mpmc_deregister_consumer(struct quoit_mpmc_consumer *consumer);

/*
 * Let the consumer count: its side of the meter is written, or none with NULL.
 * Thread: the consumer's.   Owns: `meter` must outlive the consumer.
 * Errors: -EOPNOTSUPP where rings were built without CONFIG_METRICS.
 */
QUOIT_MUST_CHECK int quoit_mpmc_attach_meter(struct quoit_mpmc_consumer *consumer,
					     struct quoit_meter *meter);

/* --- producer: see the quoit_lane_ functions of the same verbs ------------------------------- */

/* Thread: the producer's, in all of these. */

/* Lease contiguous slots if all of `want` are free: see quoit_lane_reserve(). */
QUOIT_RT_LOCKFREE QUOIT_HOT size_t quoit_mpmc_reserve(struct quoit_mpmc_producer *producer,
						      size_t want, size_t *at)
{
	return quoit_lane_reserve(&producer->lane->lane, want, at);
}

/* Lease what is free: see quoit_lane_reserve_some(). */
QUOIT_RT_LOCKFREE QUOIT_HOT size_t quoit_mpmc_reserve_some(struct quoit_mpmc_producer *producer,
							   size_t want, size_t *at)
{
	return quoit_lane_reserve_some(&producer->lane->lane, want, at);
}

/* Commit, and leave publishing to a later call: see quoit_lane_commit_later(). */
QUOIT_RT_WAITFREE QUOIT_HOT void quoit_mpmc_commit_later(struct quoit_mpmc_producer *producer,
							 size_t n)
{
	quoit_lane_commit_later(&producer->lane->lane, n);
}

/* Make it visible, and wake nobody: see quoit_lane_publish(). */
QUOIT_RT_WAITFREE QUOIT_HOT void quoit_mpmc_publish(struct quoit_mpmc_producer *producer)
{
	quoit_lane_publish(&producer->lane->lane);
}

/* Make it visible, and wake who sleeps: see quoit_lane_flush(). */
QUOIT_RT_WAKES QUOIT_HOT void quoit_mpmc_flush(struct quoit_mpmc_producer *producer)
{
	quoit_lane_flush(&producer->lane->lane);
}

/* Commit and flush: see quoit_lane_commit(). */
QUOIT_RT_WAKES QUOIT_HOT void quoit_mpmc_commit(struct quoit_mpmc_producer *producer, size_t n)
{
	quoit_lane_commit(&producer->lane->lane, n);
}

/* --- consumers ------------------------------------------------------------------------------- */

/* Thread: one consumer's, in all that take its handle. */

/* How many lanes the directory holds; all of them may then be looked at. */
QUOIT_HOT size_t quoit__mpmc_lanes(const struct quoit_mpmc *ring)
{
	/* lanes: pairs with choose_lane() */
	return (size_t)quoit_load_acquire(&ring->lane_count);
}

/*
 * Look for a lane that has something: shard, fullest, any. Claims from the first that gives.
 * `empty` is a lane that was just seen to be empty, or NULL.
 */
enum quoit_claim_status quoit__mpmc_search(struct quoit_mpmc_consumer *consumer,
					   const struct quoit_mpmc_lane *empty, size_t most,
					   struct quoit_claim *claim);

/*
 * Try once to claim up to `most` slots (at least 1) of some lane: a contiguous span, at most a
 * block. QUOIT_CLAIM_EMPTY says that each lane was seen to be empty during the call.
 *
 * Thread: the consumer's.   Owns: the slots are the consumer's until quoit_mpmc_release().
 * Cost: see quoit_lane_claim(); every QUOIT_MPMC_ROTATE items, and when its lane is empty, a look
 * at others.
 */
QUOIT_RT_LOCKFREE QUOIT_HOT enum quoit_claim_status quoit_mpmc_claim(
	struct quoit_mpmc_consumer *consumer, size_t most, struct quoit_claim *claim)
{
	const struct quoit_mpmc_lane *empty = NULL;
	enum quoit_claim_status status = QUOIT_CLAIM_LOST;

	if (quoit_likely(consumer->stay)) {
		status = quoit_lane_claim(&consumer->lane->lane, &consumer->tail_seen,
					  quoit_min(most, consumer->stay), claim);
		consumer->races_lost += status == QUOIT_CLAIM_LOST;
		if (status == QUOIT_CLAIM_EMPTY)
			empty = consumer->lane;
	}
	if (quoit_likely(status == QUOIT_CLAIM_GOT)) {
		consumer->stay -= claim->n;
		consumer->from_shard += !consumer->helping;
		consumer->from_fullest += consumer->helping;
	} else {
		status = quoit__mpmc_search(consumer, empty, most, claim);
		if (status != QUOIT_CLAIM_GOT) {
			if (status == QUOIT_CLAIM_LOST)
				quoit__meter_failure(quoit__lane_meter(consumer));
			return status;
		}
	}
	consumer->held += claim->n;
	quoit__meter_hold(quoit__lane_meter(consumer));
	return QUOIT_CLAIM_GOT;
}

/*
 * Claim up to `most` slots, trying again as long as other consumers are faster. Gives how many; 0
 * says that every lane was empty, and nothing else.
 */
QUOIT_RT_LOCKFREE QUOIT_HOT size_t quoit_mpmc_take(struct quoit_mpmc_consumer *consumer,
						   size_t most, struct quoit_claim *claim)
{
	enum quoit_claim_status status;

	if (!most)
		return 0;
	while (quoit_unlikely((status = quoit_mpmc_claim(consumer, most, claim)) ==
			      QUOIT_CLAIM_LOST))
		quoit_relax();
	return status == QUOIT_CLAIM_GOT ? claim->n : 0;
}

/* Give the first `n` slots of a claim back to their producer. See quoit_lane_release(). */
QUOIT_RT_WAKES_LOCKFREE QUOIT_HOT void quoit_mpmc_release(struct quoit_mpmc_consumer *consumer,
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
QUOIT_RT_WAITFREE QUOIT_HOT void quoit_mpmc_linger(struct quoit_mpmc_consumer *consumer,
						   uint32_t pauses)
{
	consumer->linger = pauses;
}

/* A new claim for the cursor. */
QUOIT_HOT bool quoit__mpmc_pop_claim(struct quoit_mpmc_consumer *consumer)
{
	if (consumer->caught_up && consumer->linger) {
		consumer->lingered++;
		for (uint32_t n = consumer->linger; n; n--)
			quoit_relax();
	}
	consumer->caught_up = false;
	if (!quoit_mpmc_take(consumer, QUOIT_MPMC_POP_MOST, &consumer->cursor))
		return false;
	consumer->caught_up = consumer->cursor.n < QUOIT_MPMC_POP_MOST / 2;
	return true;
}

/*
 * The next slot of those that are popped one by one: true if there is one, in `slot` as a claim of
 * one. Behind it up to QUOIT_MPMC_POP_MOST are claimed at a time, so that what was claimed and not
 * yet popped waits for this consumer. Follow with quoit_mpmc_past().
 */
QUOIT_RT_LOCKFREE QUOIT_HOT bool quoit_mpmc_next(struct quoit_mpmc_consumer *consumer,
						 struct quoit_claim *slot)
{
	if (quoit_unlikely(consumer->popped == consumer->cursor.n) &&
	    !quoit__mpmc_pop_claim(consumer))
		return false;
	slot->lane = consumer->cursor.lane;
	slot->at = consumer->cursor.at + consumer->popped;
	slot->n = 1;
	return true;
}

/* The slot of quoit_mpmc_next() was copied out or is done with; behind the last goes the claim. */
QUOIT_RT_WAKES_LOCKFREE QUOIT_HOT void quoit_mpmc_past(struct quoit_mpmc_consumer *consumer)
{
	if (++consumer->popped < consumer->cursor.n)
		return;
	quoit_mpmc_release(consumer, &consumer->cursor, consumer->popped);
	consumer->popped = 0;
}

/* Claimed by popping and not yet popped: what this consumer must pop before it may sleep. */
QUOIT_RT_WAITFREE QUOIT_HOT size_t quoit_mpmc_unpopped(const struct quoit_mpmc_consumer *consumer)
{
	return consumer->cursor.n - consumer->popped;
}

/*
 * Is there anything to claim on any lane, asked of the lanes themselves? See quoit_lane_has_news().
 * Thread: any.
 */
QUOIT_RT_WAITFREE bool quoit_mpmc_has_news(const struct quoit_mpmc *ring);

/* --- status and ending: from any thread ------------------------------------------------------ */

/* Published and not yet claimed, summed over the lanes. See quoit_lane_length(). */
QUOIT_RT_WAITFREE size_t quoit_mpmc_length(const struct quoit_mpmc *ring);

/* Nothing to claim in any lane, at some moment. */
QUOIT_RT_WAITFREE QUOIT_HOT bool quoit_mpmc_is_empty(const struct quoit_mpmc *ring)
{
	return quoit_mpmc_length(ring) == 0;
}

/* Published and not yet given back, summed over the lanes. See quoit_lane_pending(). */
QUOIT_RT_WAITFREE size_t quoit_mpmc_pending(const struct quoit_mpmc *ring);

/*
 * Let no new reservation succeed and no producer register, and wake all who sleep to tell them. The
 * lanes are closed one after the other, and the ring says that it is closed behind the last of
 * them. It has ended when it is drained.
 * Thread: any.   Cost: a lock.
 */
void quoit_mpmc_close(struct quoit_mpmc *ring);

/* Has it been closed? After true no reservation succeeds. */
QUOIT_RT_WAITFREE QUOIT_HOT bool quoit_mpmc_is_closed(const struct quoit_mpmc *ring)
{
	return quoit_load_acquire(&ring->closed) != 0; /* close: pairs with quoit_mpmc_close() */
}

/*
 * Is it closed, has every producer deregistered, is every lane read and every claim given back?
 * Once true, true for ever.
 */
QUOIT_RT bool quoit_mpmc_is_drained(const struct quoit_mpmc *ring);

QUOIT_C_END

#endif
