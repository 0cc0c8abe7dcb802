/* SPDX-License-Identifier: MIT */
/*
 * lane.h - a bounded ring for one producer and any number of consumers. spmc.h is one lane, and
 * mpmc.h one for each producer.
 *
 * A consumer claims a span of slots by moving `claim` with a compare-and-swap, works on it in
 * place, and gives it back by adding to the sum of its block. Nobody waits for anybody: a consumer
 * that keeps its claim for long pins one block, which the other consumers have passed long since,
 * and which the producer steps over when it comes round to it again ("a void block").
 *
 *     position  0         64        128       192       256
 *               |  done   |  held   |  done   | unread  |          64 slots a block
 *                                             ^ claim   ^ tail     the next lap skips block 1
 *
 * Like spsc.h it knows positions and counts, never elements. Positions run freely through 64 bits.
 * A claim never leaves its block, so it is contiguous. Each slot given back adds the number of
 * blocks to its block's sum: a whole lap then adds the capacity, so that the sum of a block that is
 * free again is the position where the lap begins, across every wrap, and no sum is ever reset.
 * What is claimed is in the producer's order; what several consumers do with it is not.
 *
 * edge     released by                  acquired by                   carries
 * publish  quoit_lane_publish: tail     quoit__lane_look: tail        what is in the slots, what
 *                                                                     is void
 * free     quoit_lane_release: done     quoit__lane_is_free: done     the right to overwrite
 * claim    quoit_lane_claim: claim      quoit__lane_look: claim       how far the tail had come
 * claim    quoit_lane_claim: claim      was_claimed: claim            nothing: who may go on
 * close    quoit_lane_close: closed     quoit_lane_is_closed          what the closer did before
 * finish   quoit_lane_finish: finished  quoit_lane_is_drained         the final tail
 * sleep    quoit_wake_arm               quoit_wake_owed               see notify.h
 * doze     quoit_crowd_arm              quoit_crowd_choose            see crowd.h: consumers
 * doze     quoit_event_arm              quoit_event_owed              see wait.h: the producer
 */
#ifndef QUOIT_RINGS_LANE_H
#define QUOIT_RINGS_LANE_H

#include <quoit/rings/crowd.h>
#include <quoit/rings/group.h>
#include <quoit/rings/metrics.h>
#include <quoit/rings/notify.h>

QUOIT_C_BEGIN

#define QUOIT_LANE_CAPACITY_MAX ((size_t)1 << 31)
#define QUOIT_LANE_BLOCK	((size_t)64)   /* slots; smaller where four of them do not fit */
#define QUOIT_LANE_OWN		((size_t)4096) /* bytes of a block that are fetched ahead */

/* How many blocks a lane of `capacity` slots has, unless it was told the size of a block. */
#define QUOIT_LANE_BLOCKS(capacity)                                                         \
	((size_t)(capacity) >= 4 * QUOIT_LANE_BLOCK ? (size_t)(capacity) / QUOIT_LANE_BLOCK \
	 : (size_t)(capacity) >= 4		    ? (size_t)4                             \
						    : (size_t)(capacity))

/* One for each block of slots, the caller's array. */
struct quoit_lane_block {
	QUOIT_ISOLATED uint64_t done; /* consumers: the sum of what was given back */
	uint64_t void_at;	      /* producer: where the block began when it last was void */
};

/* What those sleep on who wait for a lane. Lanes of one ring share the crowd. See lane_wait.h. */
struct quoit_lane_waits {
	struct quoit_event space;  /* the producer */
	struct quoit_crowd *crowd; /* the consumers */
};

/* Caller's memory, aligned to QUOIT_ISOLATION. Touch the fields only through the functions. */
struct quoit_lane {
	QUOIT_ISOLATED uint64_t tail; /* published by the producer: next slot to be written */
	uint64_t void_end;	      /* producer: end of the last void block */

	QUOIT_ISOLATED uint64_t claim; /* moved by the consumers: next slot to be claimed */

	QUOIT_ISOLATED uint64_t tail_own; /* producer: next slot to write, may be ahead of tail */
	uint64_t limit;			  /* producer: the slots before this are free */
	uint64_t leased;		  /* producer: slots granted by the last reserve */
	uint64_t bells_rung;		  /* producer: publications that woke a reader */
	uint64_t bells_saved;		  /* producer: publications that found it awake */
	uint64_t stepped_over;		  /* producer: blocks that were pinned */
	char *slots_own;		  /* producer: the slots, or NULL; see set_slots */
	uint64_t slot_bytes;
	uint32_t ringing; /* producer: it may touch who is attached */
#ifdef QUOIT_CONFIG_METRICS
	uint64_t stepped_over_seen; /* producer: of stepped_over, when it last counted */
#endif

	/* Read by all, written when attached, closed or finished. */
	QUOIT_ISOLATED struct quoit_lane_block *blocks;
	uint64_t mask;	     /* capacity - 1 */
	uint64_t block_mask; /* slots of a block - 1 */
	uint32_t block_bits;
	uint32_t blocks_bits; /* log2 of the number of blocks */
	void *slots;	      /* the caller's, for the typed shell: a lane never looks at it */
	struct quoit_notify *notify;
	struct quoit_group *group;
	struct quoit_lane_waits *waits;
	uint32_t closed;
	uint32_t finished;
	uint32_t callers; /* who closes, and may touch who is attached */
#ifdef QUOIT_CONFIG_METRICS
	struct quoit_meter_side *meter; /* the producer's */
#endif
};

/* A meter that is attached to a lane or a consumer, or NULL: a constant where rings do not count.
 */
#ifdef QUOIT_CONFIG_METRICS
#define quoit__lane_meter(owner) ((owner)->meter)
#else
#define quoit__lane_meter(owner) ((struct quoit_meter_side *)NULL)
#endif

/* A span of slots that belongs to one consumer: [at, at + n) of the lane's array. */
struct quoit_claim {
	struct quoit_lane *lane;
	size_t at;
	size_t n;
};

/* What came of trying to claim. Only EMPTY may lead to sleep (defect D-27). */
enum quoit_claim_status {
	QUOIT_CLAIM_EMPTY, /* nothing was there to be claimed */
	QUOIT_CLAIM_LOST,  /* another consumer was faster: try again */
	QUOIT_CLAIM_GOT,
};

/* --- setting up ------------------------------------------------------------------------------ */

/*
 * How many blocks quoit_lane_init_at() needs for these sizes.
 * Errors: -EINVAL for sizes that are not possible.
 */
QUOIT_MUST_CHECK int64_t quoit_lane_block_count(size_t capacity_slots, size_t block_slots);

/*
 * Start an empty lane whose first slot position is `position` (0 unless a test wants the wrap
 * near). `blocks` has quoit_lane_block_count() entries, aligned to QUOIT_ISOLATION.
 *
 * Units: powers of two, capacity_slots up to QUOIT_LANE_CAPACITY_MAX; block_slots 0 stands for the
 * size that QUOIT_LANE_BLOCKS() counts with. A claim is at most a block, and a block is what a
 * consumer that stops with a claim takes from the capacity.
 * Thread: before any side starts.   Owns: `blocks` stays the lane's.
 * Errors: -EINVAL for sizes that are not possible.
 */
QUOIT_MUST_CHECK int quoit_lane_init_at(struct quoit_lane *lane, struct quoit_lane_block *blocks,
					size_t capacity_slots, size_t block_slots,
					uint64_t position);

/*
 * Let publications wake a reader that sleeps; to change it while the producer runs, or for several
 * readers that each sleep by themselves, use a group.
 * Thread: before the first commit; the lane's owner.   Owns: `notify` must outlive the producer.
 */
QUOIT_HOT void quoit_lane_attach(struct quoit_lane *lane, struct quoit_notify *notify)
{
	lane->notify = notify;
}

/*
 * Let each publication wake one of a group's sleeping members: see group.h.
 * Thread: before the first commit; the lane's owner.   Owns: `group` must outlive the producer.
 */
QUOIT_HOT void quoit_lane_attach_group(struct quoit_lane *lane, struct quoit_group *group)
{
	lane->group = group;
}

/*
 * Let the blocking calls of lane_wait.h and shared_wait.h sleep on this lane, or no more with NULL.
 * Thread: before the first commit; the lane's owner.   Owns: `waits`, zeroed but for its crowd,
 * must outlive both sides.   Cost: from now on a fence with every publication and every block given
 * back.
 */
QUOIT_HOT void quoit_lane_attach_waits(struct quoit_lane *lane, struct quoit_lane_waits *waits)
{
	lane->waits = waits;
}

/*
 * Let the producer count: its side of the meter is written, or none with NULL.
 * Thread: producer.   Owns: `meter` must outlive the producer.
 * Errors: -EOPNOTSUPP where rings were built without CONFIG_METRICS.
 */
QUOIT_MUST_CHECK int quoit_lane_attach_meter(struct quoit_lane *lane, struct quoit_meter *meter);

/*
 * Tell the lane where its slots are, so that the producer can own the lines of a block before it
 * fills them.
 * Thread: before any side starts.   Owns: `slots`, of the capacity, stay the caller's.
 */
QUOIT_HOT void quoit_lane_set_slots(struct quoit_lane *lane, void *slots, size_t slot_bytes)
{
	lane->slots = slots;
	lane->slots_own = (char *)slots;
	lane->slot_bytes = slot_bytes;
}

/* Slots, all in all. Thread: any. */
QUOIT_RT_WAITFREE QUOIT_HOT size_t quoit_lane_capacity(const struct quoit_lane *lane)
{
	return (size_t)lane->mask + 1;
}

/* The most that one claim can give. */
QUOIT_RT_WAITFREE QUOIT_HOT size_t quoit_lane_block_slots(const struct quoit_lane *lane)
{
	return (size_t)lane->block_mask + 1;
}

QUOIT_HOT struct quoit_lane_block *quoit__lane_block(const struct quoit_lane *lane,
						     uint64_t position)
{
	return &lane->blocks[(position & lane->mask) >> lane->block_bits];
}

/* --- producer -------------------------------------------------------------------------------- */

/* Thread: the producer's, in all of these. */

/* Was everything in the block that begins at `position` given back in the lap before? */
QUOIT_HOT bool quoit__lane_is_free(const struct quoit_lane *lane, uint64_t position)
{
	const struct quoit_lane_block *const block = quoit__lane_block(lane, position);

	/* free: pairs with quoit_lane_release() */
	return quoit_load_acquire(&block->done) == (position & ~lane->mask);
}

/*
 * The block at limit is free: it is the producer's, and its lines are fetched before they are
 * filled, all together (quoit_lines_own()); of a large one only the first.
 */
QUOIT_HOT void quoit__lane_own_block(struct quoit_lane *lane)
{
	const uint64_t slots = lane->block_mask + 1;

	if (lane->slots_own)
		quoit_lines_own(lane->slots_own + (lane->limit & lane->mask) * lane->slot_bytes,
				quoit_min((size_t)(slots * lane->slot_bytes), QUOIT_LANE_OWN));
	lane->limit += slots;
}

/* Ask further blocks whether they are free, until `want` slots are, or one is not. */
QUOIT_SLOW void quoit__lane_room_on(struct quoit_lane *lane, uint64_t want)
{
	while (lane->limit - lane->tail_own < want && quoit__lane_is_free(lane, lane->limit))
		quoit__lane_own_block(lane);
}

/*
 * How many slots are free, asked of further blocks only if fewer than `want` are known to be; not
 * beyond a block that is not free.
 */
QUOIT_HOT uint64_t quoit__lane_room(struct quoit_lane *lane, uint64_t want)
{
	if (quoit_unlikely(lane->limit - lane->tail_own < want))
		quoit__lane_room_on(lane, want);
	return lane->limit - lane->tail_own;
}

/*
 * Are `want` slots free, be it behind pinned blocks? If so, at least one of them lies at tail_own
 * after this, because pinned blocks there have been made void. If not, nothing has changed.
 */
bool quoit__lane_step_over(struct quoit_lane *lane, uint64_t want);

/* Has somebody closed the lane? After true, no reservation succeeds any more. Thread: any. */
QUOIT_RT_WAITFREE QUOIT_HOT bool quoit_lane_is_closed(const struct quoit_lane *lane)
{
	return quoit_load_acquire(&lane->closed) != 0; /* close: pairs with quoit_lane_close() */
}

/* Lease up to `want` of the free slots at tail_own, cut where the array ends. */
QUOIT_HOT size_t quoit__lane_lease(struct quoit_lane *lane, size_t want, size_t *at)
{
	const size_t run = quoit_min(want, (size_t)(lane->limit - lane->tail_own));

	*at = (size_t)(lane->tail_own & lane->mask);
	lane->leased = quoit_min(run, (size_t)lane->mask + 1 - *at);
	return (size_t)lane->leased;
}

/*
 * Ask for room for `want` slots. If all of them are free, grants 1..want contiguous ones: those
 * before the wrap or before a block that has to be stepped over; the caller fills them, commits,
 * and reserves again for the rest. Gives how many were granted, 0 if fewer than `want` are free, if
 * want is 0 or above the capacity, or once the lane is seen to be closed. *at is the index of the
 * first slot. Slots become free a block at a time, when everything in it was given back, and hold
 * nothing of use then.
 *
 * Thread: producer.   Owns: the slots are leased until commit or the next reserve.
 * Cost: touches a line of the consumers once a block.
 */
QUOIT_RT_LOCKFREE QUOIT_HOT size_t quoit_lane_reserve(struct quoit_lane *lane, size_t want,
						      size_t *at)
{
	if (quoit_unlikely(!want || quoit_lane_is_closed(lane)))
		return 0;
	if (quoit_unlikely(quoit__lane_room(lane, want) < want) &&
	    !quoit__lane_step_over(lane, want)) {
		quoit__meter_failure(quoit__lane_meter(lane));
		return 0;
	}
	return quoit__lane_lease(lane, want, at);
}

/* Like quoit_lane_reserve(), but does not ask whether the lane is closed. */
QUOIT_HOT size_t quoit__lane_reserve_some(struct quoit_lane *lane, size_t want, size_t *at)
{
	if (quoit_unlikely(!quoit__lane_room(lane, want)) &&
	    (!want || !quoit__lane_step_over(lane, 1))) {
		quoit__meter_failure(quoit__lane_meter(lane));
		return 0;
	}
	return quoit__lane_lease(lane, want, at);
}

/* Like quoit_lane_reserve(), but grants whatever contiguous part of `want` is free. */
QUOIT_RT_LOCKFREE QUOIT_HOT size_t quoit_lane_reserve_some(struct quoit_lane *lane, size_t want,
							   size_t *at)
{
	if (quoit_unlikely(!want || quoit_lane_is_closed(lane)))
		return 0;
	return quoit__lane_reserve_some(lane, want, at);
}

/*
 * Pass `n` of the reserved slots on, but let nobody see them yet: for a producer that publishes
 * once for many, such as a loop in its turn. It must publish before it waits for anything.
 */
QUOIT_RT_WAITFREE QUOIT_HOT void quoit_lane_commit_later(struct quoit_lane *lane, size_t n)
{
	QUOIT_ASSERT_HOT(n <= lane->leased);
	lane->leased -= n;
	lane->tail_own += n;
}

/* Is something committed and not yet published? Thread: producer. */
QUOIT_RT_WAITFREE QUOIT_HOT bool quoit_lane_is_unpublished(const struct quoit_lane *lane)
{
	return lane->tail_own != quoit_load(&lane->tail); /* ours */
}

/* Count what is about to be published, but for blocks that were stepped over. */
QUOIT_HOT void quoit__lane_meter_sent(struct quoit_lane *lane)
{
#ifdef QUOIT_CONFIG_METRICS
	const uint64_t slots = lane->block_mask + 1;
	uint64_t over; /* ours, all of them */

	if (!lane->meter)
		return;
	over = quoit_load(&lane->stepped_over);
	quoit__meter_batch(lane->meter, lane->tail_own - quoit_load(&lane->tail) -
						(over - lane->stepped_over_seen) * slots);
	lane->stepped_over_seen = over;
#else
	(void)lane;
#endif
}

/*
 * Make everything committed visible, without waking anybody: the caller puts quoit_wake_fence()
 * and quoit_wake_owed() behind the last of its publications, or quoit_crowd_signal() if there are
 * waits.
 */
QUOIT_RT_WAITFREE QUOIT_HOT void quoit_lane_publish(struct quoit_lane *lane)
{
	quoit__lane_meter_sent(lane);
	/* publish: pairs with quoit__lane_look() and quoit_lane_has_news() */
	quoit_store_release(&lane->tail, lane->tail_own);
}

/* Wake one sleeping consumer, and the attached reader if it sleeps. */
QUOIT_SLOW void quoit__lane_wake(struct quoit_lane *lane)
{
	bool woke;

	if (lane->waits)
		quoit_crowd_signal(lane->waits->crowd);
	if (!((uintptr_t)lane->notify | (uintptr_t)lane->group))
		return;
	quoit__notify_begin(&lane->ringing);
	woke = lane->notify && quoit__notify_wake(&lane->notify);
	woke |= lane->group && quoit__group_call(lane->group);
	quoit__notify_end(&lane->ringing);
	if (quoit_unlikely(woke))
		quoit_count(&lane->bells_rung, 1);
	else
		quoit_count(&lane->bells_saved, 1);
}

/* The same for a lane that may have nobody attached. Call after a store that they must not miss. */
QUOIT_HOT void quoit__lane_notify(struct quoit_lane *lane)
{
	if (quoit_unlikely(((uintptr_t)lane->notify | (uintptr_t)lane->group |
			    (uintptr_t)lane->waits) != 0))
		quoit__lane_wake(lane);
}

/* Publish what was committed later, and wake a consumer that sleeps. */
QUOIT_RT_WAKES QUOIT_HOT void quoit_lane_flush(struct quoit_lane *lane)
{
	quoit_lane_publish(lane);
	quoit__lane_notify(lane);
}

/*
 * Publish `n` of the reserved slots, in order, and wake a consumer that sleeps. What an earlier
 * reserve granted beyond n goes back to the lane. An open reservation may still be committed after
 * close.
 *
 * Thread: producer.   Cost: one release store; with a notifier or waits also a fence and a load.
 */
QUOIT_RT_WAKES QUOIT_HOT void quoit_lane_commit(struct quoit_lane *lane, size_t n)
{
	quoit_lane_commit_later(lane, n);
	lane->leased = 0;
	quoit_lane_flush(lane);
}

/* --- consumers ------------------------------------------------------------------------------- */

/* How far `later` is ahead; 0 if it is not, because the two were read at different moments. */
QUOIT_HOT uint64_t quoit__lane_ahead(uint64_t later, uint64_t earlier)
{
	const uint64_t n = later - earlier;

	return n <= INT64_MAX ? n : 0;
}

/*
 * What could be claimed: gives how many slots are published from *position on. `tail_seen` is this
 * consumer's last look at the tail, and is looked at again only when it is used up. The claim comes
 * first, and brings what its mover had seen: beside an older tail, a lane that never was empty
 * might look so.
 */
QUOIT_HOT uint64_t quoit__lane_look(const struct quoit_lane *lane, uint64_t *tail_seen,
				    uint64_t *position)
{
	/* claim: pairs with quoit_lane_claim(); moving it tells the truth */
	const uint64_t claim = quoit_load_acquire(&lane->claim);
	uint64_t there = quoit__lane_ahead(*tail_seen, claim);

	*position = claim;
	if (quoit_unlikely(!there)) {
		/* publish: pairs with quoit_lane_publish() */
		*tail_seen = quoit_load_acquire(&lane->tail);
		there = quoit__lane_ahead(*tail_seen, claim);
	}
	return there;
}

/*
 * Try once to claim up to `most` slots (at least 1): a contiguous span, never beyond its block.
 * `tail_seen` is the consumer's own; it starts as any earlier tail, such as the start position.
 *
 * Thread: any number of consumers.   Owns: with QUOIT_CLAIM_GOT the slots are the caller's until it
 * releases them; `claim` is untouched otherwise.
 * Cost: one compare-and-swap; a look at the producer's line when what was seen is used up.
 */
QUOIT_RT_LOCKFREE QUOIT_HOT enum quoit_claim_status quoit_lane_claim(struct quoit_lane *lane,
								     uint64_t *tail_seen,
								     size_t most,
								     struct quoit_claim *claim)
{
	QUOIT_ASSERT_HOT(most);
	for (;;) {
		uint64_t position;
		const uint64_t there = quoit__lane_look(lane, tail_seen, &position);
		const uint64_t in_block = position & lane->block_mask;
		size_t n = (size_t)(lane->block_mask + 1 - in_block);
		bool is_void;

		if (!there)
			return QUOIT_CLAIM_EMPTY;
		/* Written before the tail that we have seen: publish. */
		is_void = !in_block &&
			  quoit_load(&quoit__lane_block(lane, position)->void_at) == position;
		if (quoit_likely(!is_void))
			n = quoit_min(n, quoit_min(most, (size_t)there));
		/* claim: pairs with was_claimed() and quoit__lane_look() */
		if (quoit_unlikely(!quoit_cas_release(&lane->claim, position, position + n)))
			return QUOIT_CLAIM_LOST;
		if (quoit_unlikely(is_void))
			continue;
		claim->lane = lane;
		claim->at = (size_t)(position & lane->mask);
		claim->n = n;
		return QUOIT_CLAIM_GOT;
	}
}

/*
 * Give the first `n` slots of a claim back; the claim is what is left. Claims may be given back in
 * any order: nobody waits for an earlier one.
 * Thread: the claimer's.   Owns: the slots may be overwritten at once.
 * Cost: one atomic add; with waits, a fence and a load for each block that is complete.
 */
QUOIT_RT_WAKES_LOCKFREE QUOIT_HOT void quoit_lane_release(struct quoit_claim *claim, size_t n)
{
	struct quoit_lane *const lane = claim->lane;
	/* By the position, because a claim that is used up may stand at the end of the array. */
	struct quoit_lane_block *const block = quoit__lane_block(lane, claim->at);
	const uint64_t part = (uint64_t)n << lane->blocks_bits;
	uint64_t sum;

	QUOIT_ASSERT_HOT(n <= claim->n);
	claim->at += n;
	claim->n -= n;
	/* free: pairs with quoit__lane_is_free() and quoit_lane_is_drained() */
	sum = quoit_add(&block->done, part) + part;
	/* Space comes back a block at a time: who completes one tells. */
	if (quoit_unlikely(lane->waits != NULL) && !(sum & lane->mask))
		quoit__event_tell(&lane->waits->space);
}

/*
 * Is there anything to claim, asked of the lane itself and not of the last look? The question to
 * put between arming and sleeping. True also when only a void block is there: the next claim finds
 * that out.
 * Thread: any consumer.
 */
QUOIT_RT_WAITFREE QUOIT_HOT bool quoit_lane_has_news(const struct quoit_lane *lane)
{
	/* claim: pairs with quoit_lane_claim(); first, because too early is too much */
	const uint64_t claim = quoit_load_acquire(&lane->claim);

	/* publish: pairs with quoit_lane_publish() */
	return quoit__lane_ahead(quoit_load_acquire(&lane->tail), claim) != 0;
}

/* --- status and ending ----------------------------------------------------------------------- */

/*
 * Published and not yet claimed, void blocks included: an estimate that costs two loads.
 * Thread: any.
 */
QUOIT_RT_WAITFREE QUOIT_HOT size_t quoit_lane_occupancy(const struct quoit_lane *lane)
{
	/* claim: pairs with quoit_lane_claim(); first: a tail read later is never behind it */
	const uint64_t claim = quoit_load_acquire(&lane->claim);

	return quoit_min(quoit__lane_ahead(quoit_load(&lane->tail), claim), lane->mask + 1);
}

/*
 * Published and not yet claimed, at some moment during the call; never more than the capacity.
 * Thread: any.   Cost: two loads, and one for each unclaimed block while void ones are among them.
 */
QUOIT_RT_WAITFREE size_t quoit_lane_length(const struct quoit_lane *lane);

/*
 * Published and not yet given back, claims included: what is still to be worked off.
 * Thread: any.   Cost: a load for each block.
 */
QUOIT_RT_WAITFREE size_t quoit_lane_pending(const struct quoit_lane *lane);

/*
 * Let no new reservation succeed, and wake all who sleep to tell them. What is reserved may still
 * be committed and what is committed will be read; the lane has ended when it is drained.
 * Thread: any.
 */
QUOIT_RT_WAKES_LOCKFREE void quoit_lane_close(struct quoit_lane *lane);

/*
 * The producer's last word: publishes what is committed and promises that nothing follows. It does
 * not close the lane.
 * Thread: producer.
 */
QUOIT_RT_WAKES_LOCKFREE void quoit_lane_finish(struct quoit_lane *lane);

/*
 * Has the producer finished, has everything been claimed, and has every claim been given back? Once
 * true, true for ever, unless the lane's owner gives it to another producer.
 * Thread: any.   Cost: once the producer has finished, a load for each block.
 */
QUOIT_RT_WAITFREE bool quoit_lane_is_drained(const struct quoit_lane *lane);

QUOIT_C_END

#endif
