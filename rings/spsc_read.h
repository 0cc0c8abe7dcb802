/* SPDX-License-Identifier: MIT */
/*
 * spsc_read.h - the other ways to read from a ring: looking ahead, going through what is there
 * before deciding how much of it to free, and throwing away.
 *
 * All of them move head through quoit_spsc_advance(), so they mix with each other and with readable
 * and recv in any order (defect D-03), and free space is told to a waiting producer however it came
 * about (defect D-05).
 *
 * Thread: the consumer's, everything here.
 */
#ifndef QUOIT_RINGS_SPSC_READ_H
#define QUOIT_RINGS_SPSC_READ_H

#include <quoit/rings/spsc.h>

QUOIT_C_BEGIN

/* --- looking ahead --------------------------------------------------------------------------- */

/*
 * Up to `most` readable slots that are contiguous, without the intention to free them: gives how
 * many, 0 if there are none; *at is the index of the first. Unlike quoit_spsc_readable() it looks
 * at the producer whenever fewer than `most` are known.
 *
 * Owns: the slots are the caller's until it advances past them.
 */
QUOIT_RT_WAITFREE QUOIT_HOT size_t quoit_spsc_peek(struct quoit_spsc *ring, size_t most, size_t *at)
{
	uint64_t available = ring->tail_seen - ring->head_own;

	QUOIT_ASSERT_HOT(!ring->reading);
	if (available < most)
		available = quoit__spsc_arrived(ring);
	if (!available || !most)
		return 0;
	*at = (size_t)(ring->head_own & ring->mask_consumer);
	return quoit_min(quoit_min((size_t)available, most), (size_t)ring->mask_consumer + 1 - *at);
}

/*
 * Free up to `n` slots unread, and give how many; SIZE_MAX frees everything published by now.
 * Cost: as quoit_spsc_advance(); looks at the producer if fewer than n are known.
 */
QUOIT_RT_WAKES QUOIT_HOT size_t quoit_spsc_discard(struct quoit_spsc *ring, size_t n)
{
	uint64_t available = ring->tail_seen - ring->head_own;

	if (available < n)
		available = quoit__spsc_arrived(ring);
	n = quoit_min(n, (size_t)available);
	if (n)
		quoit_spsc_advance(ring, n);
	return n;
}

/* --- batches for handlers -------------------------------------------------------------------- */

/*
 * Up to `most` slots for handlers, on both sides of the wrap. Until quoit_spsc_consume_end() nobody
 * may read from this ring, not even the handlers: CONFIG_ASSERT=2 looks.
 */
QUOIT_RT_WAITFREE QUOIT_HOT struct quoit_spans quoit_spsc_consume_begin(struct quoit_spsc *ring,
									size_t most)
{
	const struct quoit_spans spans = quoit_spsc_readable_spans(ring, most);

#if QUOIT_CONFIG_ASSERT >= 2
	ring->reading = spans.n != 0;
#endif
	return spans;
}

/* The same, over what has been published by now: it looks at the producer whenever it can. */
QUOIT_RT_WAITFREE QUOIT_HOT struct quoit_spans quoit_spsc_consume_begin_fresh(
	struct quoit_spsc *ring, size_t most)
{
	if (ring->tail_seen - ring->head_own < most)
		(void)quoit__spsc_arrived(ring);
	return quoit_spsc_consume_begin(ring, most);
}

/* The handlers are through: free the batch with one store, and give its length. */
QUOIT_RT_WAKES QUOIT_HOT size_t quoit_spsc_consume_end(struct quoit_spsc *ring,
						       struct quoit_spans spans)
{
#if QUOIT_CONFIG_ASSERT >= 2
	ring->reading = 0;
#endif
	if (spans.n)
		quoit_spsc_advance(ring, spans.n + spans.rest);
	return spans.n + spans.rest;
}

/* --- iterators ------------------------------------------------------------------------------- */

/*
 * A walk over what was published when it began. By value. Nothing is freed until it is finished;
 * between begin and finish nothing else may free slots of this ring.
 */
struct quoit_spsc_iter {
	struct quoit_spsc *ring;
	uint64_t begin;
	uint64_t next;
	uint64_t end;
};

/* Begin a walk over everything published by now. An iterator that is never finished frees nothing.
 */
QUOIT_RT_WAITFREE QUOIT_HOT struct quoit_spsc_iter quoit_spsc_iter_begin(struct quoit_spsc *ring)
{
	struct quoit_spsc_iter iter;

	QUOIT_ASSERT_HOT(!ring->reading);
	(void)quoit__spsc_arrived(ring);
	iter.ring = ring;
	iter.begin = iter.next = ring->head_own;
	iter.end = ring->tail_seen;
	return iter;
}

/* Step to the next slot: true, and *at is its index; false at the end of the walk. */
QUOIT_RT_WAITFREE QUOIT_HOT bool quoit_spsc_iter_next(struct quoit_spsc_iter *iter, size_t *at)
{
	if (iter->next == iter->end)
		return false;
	*at = (size_t)(iter->next++ & iter->ring->mask_consumer);
	return true;
}

/* Back to the first slot: the walk begins again, over the same slots. */
QUOIT_RT_WAITFREE QUOIT_HOT void quoit_spsc_iter_reset(struct quoit_spsc_iter *iter)
{
	iter->next = iter->begin;
}

/*
 * Free what has been stepped over, and give how many that was. The walk may go on behind it.
 * Cost: as quoit_spsc_advance().
 */
QUOIT_RT_WAKES QUOIT_HOT size_t quoit_spsc_iter_finish(struct quoit_spsc_iter *iter)
{
	const size_t n = (size_t)(iter->next - iter->begin);

	QUOIT_ASSERT(iter->begin == iter->ring->head_own); /* nobody else has freed meanwhile */
	iter->begin = iter->next;
	if (n)
		quoit_spsc_advance(iter->ring, n);
	return n;
}

QUOIT_C_END

#endif
