/* SPDX-License-Identifier: MIT */
/*
 * spsc.h - a bounded ring for one producer and one consumer. Every other ring is made of these.
 *
 * The ring knows positions and counts, never elements: the slots are an array of the caller's, and
 * typed.h turns a position into a pointer to one. Positions run freely through 64 bits and are
 * compared only by subtraction; all `capacity` slots can be in use.
 *
 * Each side works on a line of its own and publishes its position on another, which it never reads
 * back. It looks at the other side's position only when its last look is used up, so while both
 * make progress the two published lines cross between the cores once per batch, not per item.
 * (Cached opposite index: Lee, Bu and Chandranmenon, MCRingBuffer, IPDPS 2010; FastForward,
 * Giacomoni et al., PPoPP 2008.)
 *
 * edge     released by                    acquired by                  carries
 * publish  quoit_spsc_publish: tail       quoit__spsc_arrived: tail    what is in the slots
 * free     quoit__spsc_free: head         quoit__spsc_freed: head      the right to overwrite
 * close    quoit_spsc_close: closed       quoit_spsc_is_closed         what the closer did before
 * finish   quoit_spsc_finish: finished    quoit_spsc_is_drained        the final tail
 * sleep    quoit_wake_arm                 quoit_wake_owed              see notify.h
 * attach, change, quit: who is attached, see notify.h
 * doze     quoit_event_arm                quoit_event_owed             see wait.h
 *
 * Around this core: typed.h gives the slots a type, spsc_read.h has the other ways to read,
 * spsc_wait.h waits, spsc_cursor.h goes one by one as fast as can be, spsc_create.h finds memory.
 */
#ifndef QUOIT_RINGS_SPSC_H
#define QUOIT_RINGS_SPSC_H

#include <quoit/rings/metrics.h>
#include <quoit/rings/notify.h>
#include <quoit/rings/wait.h>

QUOIT_C_BEGIN

#define QUOIT_SPSC_CAPACITY_MAX ((size_t)1 << 31)
#define QUOIT_OWN_BYTES		4096 /* of free slots that a producer makes its own ahead */

/* Caller's memory, aligned to QUOIT_ISOLATION. Touch the fields only through the functions. */
struct quoit_spsc {
	QUOIT_ISOLATED uint64_t tail; /* published by the producer: next slot to be written */

	QUOIT_ISOLATED uint64_t tail_own; /* producer: next slot to write, may be ahead of tail */
	uint64_t head_seen;		  /* producer: its last look at head */
	uint64_t mask_producer;		  /* capacity - 1, never changes */
	uint64_t leased;		  /* producer: slots granted by the last reserve */
	uint64_t owned;	     /* producer: the lines of the free slots below this are here already */
	uint64_t bells_rung; /* producer: publications that woke the reader */
	uint64_t bells_saved; /* producer: publications that found it awake */
	uint32_t writing;     /* producer: a cursor is open (CONFIG_ASSERT=2) */
	uint32_t ringing;     /* producer: it may touch who is attached */

	QUOIT_ISOLATED uint64_t head; /* published by the consumer: next slot to be read */

	QUOIT_ISOLATED uint64_t head_own; /* consumer: next slot to read */
	uint64_t tail_seen;		  /* consumer: its last look at tail */
	uint64_t mask_consumer;		  /* capacity - 1, never changes */
	uint64_t gap_ticks;		  /* consumer: see quoit_spsc_set_gap(), 0 for none */
	uint64_t look_again;		  /* consumer: a cursor's next look at tail, in ticks */
	uint32_t reading; /* consumer: a cursor or a batch is open (CONFIG_ASSERT=2) */

	/* Read by both, written when attached, closed or finished. */
	QUOIT_ISOLATED struct quoit_notify *notify;
	struct quoit_event *data_event;	 /* what the reader sleeps on, or NULL */
	struct quoit_event *space_event; /* what the producer sleeps on, or NULL */
	uint32_t closed;
	uint32_t finished;
	uint32_t callers; /* who closes, and may touch who is attached */
#ifdef QUOIT_CONFIG_METRICS
	struct quoit_meter *meter;
#endif
};

/* The side of the ring's meter, or NULL: a constant where rings do not count. */
#ifdef QUOIT_CONFIG_METRICS
#define QUOIT__SPSC_NO_METER	      , NULL
#define quoit__spsc_meter(ring, side) ((ring)->meter ? &(ring)->meter->side : NULL)
#else
#define QUOIT__SPSC_NO_METER
#define quoit__spsc_meter(ring, side) ((struct quoit_meter_side *)NULL)
#endif

/* A static ring of a capacity that is a power of two, as quoit_spsc_init() would leave it. */
#define QUOIT_SPSC_INIT(capacity_slots)                                                           \
	{                                                                                         \
		0, 0, 0, (capacity_slots)-1, 0, 0, 0, 0, 0, 0, 0, 0, 0, (capacity_slots)-1, 0, 0, \
			0, NULL, NULL, NULL, 0, 0, 0 QUOIT__SPSC_NO_METER                         \
	}

/* Up to two runs of slots: first [at, at + n), then, past the wrap, [0, rest). */
struct quoit_spans {
	size_t at;
	size_t n;
	size_t rest;
};

/*
 * `n` slots from a position on, cut where the array ends. Spelled so that a compiler can see that
 * `rest` is never below 0: gcc 12 warned in the memcpy of callers that move one element.
 */
QUOIT_HOT struct quoit_spans quoit__spans_cut(uint64_t position, size_t n, uint64_t mask)
{
	const size_t at = (size_t)(position & mask);
	const size_t before_wrap = (size_t)mask + 1 - at;
	struct quoit_spans spans = {at, n, 0};

	if (n > before_wrap) {
		spans.n = before_wrap;
		spans.rest = n - before_wrap;
	}
	return spans;
}

/* --- setting up ------------------------------------------------------------------------------ */

/*
 * Start an empty ring whose first slot position is `position` (0 unless a test wants the wrap
 * near).
 *
 * Units: capacity in slots, a power of two up to QUOIT_SPSC_CAPACITY_MAX.
 * Thread: before both sides start.   Errors: -EINVAL when the capacity is not possible.
 */
QUOIT_MUST_CHECK QUOIT_HOT int quoit_spsc_init_at(struct quoit_spsc *ring, size_t capacity_slots,
						  uint64_t position)
{
	if (!capacity_slots || capacity_slots > QUOIT_SPSC_CAPACITY_MAX ||
	    (capacity_slots & (capacity_slots - 1)))
		return -22; /* -EINVAL */
	ring->tail = ring->tail_own = ring->tail_seen = ring->owned = position;
	ring->head = ring->head_own = ring->head_seen = position;
	ring->mask_producer = ring->mask_consumer = capacity_slots - 1;
	ring->leased = ring->bells_rung = ring->bells_saved = 0;
	ring->gap_ticks = ring->look_again = 0;
	ring->writing = ring->reading = 0;
	ring->notify = NULL;
	ring->data_event = ring->space_event = NULL;
	ring->closed = ring->finished = ring->ringing = ring->callers = 0;
#ifdef QUOIT_CONFIG_METRICS
	ring->meter = NULL;
#endif
	return 0;
}

/*
 * Start an empty ring at position 0: see quoit_spsc_init_at().
 * Thread: before both sides start.   Errors: as there.
 */
QUOIT_MUST_CHECK QUOIT_HOT int quoit_spsc_init(struct quoit_spsc *ring, size_t capacity_slots)
{
	return quoit_spsc_init_at(ring, capacity_slots, 0);
}

/*
 * Let publications wake a reader that sleeps. To change the reader while the producer runs, begin
 * with one, or with quoit_notify_nobody; detach it, attach the next, and let that look at the ring
 * before it sleeps: what was published in between has rung nobody.
 * Thread: before the first commit the ring's owner, afterwards whoever is going to read; NULL only
 * before.   Owns: `notify` stays until it is detached or the producer joined.
 */
QUOIT_HOT void quoit_spsc_attach(struct quoit_spsc *ring, struct quoit_notify *notify)
{
	quoit__notify_change(&ring->notify, notify);
	(void)quoit__notify_settle(&ring->ringing, &ring->callers);
}

/*
 * Let publications wake nobody. Once it gives 0, nobody touches what was attached any more, nor its
 * eventfd: both may go. The ring itself must still outlive its producer.
 * Thread: consumer, while the producer runs.
 * Errors: -EAGAIN while the producer, or who closes, is about to ring: ask again, in the next turn.
 * Cost: a full fence.
 */
QUOIT_RT QUOIT_MUST_CHECK QUOIT_HOT int quoit_spsc_detach(struct quoit_spsc *ring)
{
	if (!quoit_load(&ring->notify)) /* nobody is attached, ever */
		return 0;
	quoit__notify_change(&ring->notify, &quoit_notify_nobody);
	return quoit__notify_settle(&ring->ringing, &ring->callers) ? 0 : -11; /* -EAGAIN */
}

/*
 * Let the blocking calls of spsc_wait.h sleep on this ring; rings with one reader may share `data`.
 * Thread: before the first commit; the ring's owner.   Owns: the events, zeroed or NULL, must
 * outlive both sides.   Cost: from now on a fence in every commit and every advance.
 */
QUOIT_HOT void quoit_spsc_attach_events(struct quoit_spsc *ring, struct quoit_event *data,
					struct quoit_event *space)
{
	ring->data_event = data;
	ring->space_event = space;
}

/*
 * Let the ring count.
 * Thread: as quoit_spsc_attach().   Owns: `meter`, zeroed, must outlive both sides.
 * Errors: -EOPNOTSUPP where rings were built without CONFIG_METRICS.
 */
QUOIT_MUST_CHECK QUOIT_HOT int quoit_spsc_attach_meter(struct quoit_spsc *ring,
						       struct quoit_meter *meter)
{
#ifdef QUOIT_CONFIG_METRICS
	ring->meter = meter;
	return 0;
#else
	(void)ring;
	(void)meter;
	return -95; /* -EOPNOTSUPP */
#endif
}

/* Slots, all of which can be in use. Thread: any. */
QUOIT_RT_WAITFREE QUOIT_HOT size_t quoit_spsc_capacity(const struct quoit_spsc *ring)
{
	return (size_t)ring->mask_consumer + 1;
}

/* --- producer -------------------------------------------------------------------------------- */

/* Thread: the producer's, in all of these. */

/* Look at what the consumer has freed. Gives the number of free slots. */
QUOIT_HOT uint64_t quoit__spsc_freed(struct quoit_spsc *ring)
{
	ring->head_seen = quoit_load_acquire(&ring->head); /* free: pairs with quoit__spsc_free() */
	return ring->mask_producer + 1 - (ring->tail_own - ring->head_seen);
}

/* Free slots, looking at the consumer only if fewer than `want` are known to be free. */
QUOIT_HOT uint64_t quoit__spsc_room(struct quoit_spsc *ring, uint64_t want)
{
	uint64_t room = ring->mask_producer + 1 - (ring->tail_own - ring->head_seen);

	QUOIT_ASSERT_HOT(!ring->writing); /* else a cursor is further on */
	if (quoit_likely(room >= want))
		return room;
	room = quoit__spsc_freed(ring);
	if (room < want)
		quoit__meter_failure(quoit__spsc_meter(ring, producer));
	return room;
}

/* Has somebody closed the ring? After true, no reservation succeeds any more. Thread: any. */
QUOIT_RT_WAITFREE QUOIT_HOT bool quoit_spsc_is_closed(const struct quoit_spsc *ring)
{
	return quoit_load_acquire(&ring->closed) != 0; /* close: pairs with quoit_spsc_close() */
}

/*
 * Ask for room for `want` slots. If all of them are free, grants 1..want contiguous ones: those
 * before the wrap; the caller fills them, commits, and reserves again for the rest. Gives how many
 * were granted, 0 if fewer than `want` are free, if want is 0 or above the capacity, or once the
 * ring is seen to be closed. *at is the index of the first slot.
 *
 * Thread: producer.   Owns: the slots are leased until commit or the next reserve.
 * Cost: touches no shared line unless the ring looks full.
 */
QUOIT_RT_WAITFREE QUOIT_HOT size_t quoit_spsc_reserve(struct quoit_spsc *ring, size_t want,
						      size_t *at)
{
	if (quoit_unlikely(!want || quoit_spsc_is_closed(ring) ||
			   quoit__spsc_room(ring, want) < want))
		return 0;
	*at = (size_t)(ring->tail_own & ring->mask_producer);
	ring->leased = quoit_min(want, (size_t)ring->mask_producer + 1 - *at);
	return (size_t)ring->leased;
}

/* Like quoit_spsc_reserve(), but grants whatever contiguous part of `want` is free. */
QUOIT_RT_WAITFREE QUOIT_HOT size_t quoit_spsc_reserve_some(struct quoit_spsc *ring, size_t want,
							   size_t *at)
{
	return quoit_spsc_reserve(ring, quoit_min(want, (size_t)quoit__spsc_room(ring, want)), at);
}

/*
 * Ask for up to `want` slots on both sides of the wrap. Both parts are 0 when the ring is full or
 * closed.
 */
QUOIT_RT_WAITFREE QUOIT_HOT struct quoit_spans quoit_spsc_reserve_spans(struct quoit_spsc *ring,
									size_t want)
{
	const struct quoit_spans none = {0, 0, 0};

	want = quoit_min(want, (size_t)quoit__spsc_room(ring, want));
	if (quoit_unlikely(!want || quoit_spsc_is_closed(ring)))
		return none;
	ring->leased = want;
	return quoit__spans_cut(ring->tail_own, want, ring->mask_producer);
}

/*
 * Own the lines of a stretch of free slots that begins with what is reserved, all together: see
 * quoit_lines_own().
 */
QUOIT_SLOW void quoit__spsc_own_ahead(struct quoit_spsc *ring, char *slots, size_t slot_bytes)
{
	const uint64_t capacity = ring->mask_producer + 1;
	const uint64_t tail = ring->tail_own;
	const uint64_t free_end = ring->head_seen + capacity;
	const uint64_t from = ring->owned - tail <= capacity ? ring->owned : tail;
	uint64_t end = tail + quoit_max((size_t)ring->leased, QUOIT_OWN_BYTES / slot_bytes);
	struct quoit_spans spans;

	if (end - tail > free_end - tail)
		end = free_end;
	spans = quoit__spans_cut(from, (size_t)(end - from), ring->mask_producer);
	quoit_lines_own(slots + spans.at * slot_bytes, spans.n * slot_bytes);
	quoit_lines_own(slots, spans.rest * slot_bytes);
	ring->owned = end;
}

/* Called by who knows the slots, after a reservation and before they are filled. */
QUOIT_HOT void quoit__spsc_own(struct quoit_spsc *ring, void *slots, size_t slot_bytes)
{
	if (quoit_unlikely((int64_t)(ring->tail_own + ring->leased - ring->owned) > 0))
		quoit__spsc_own_ahead(ring, (char *)slots, slot_bytes);
}

/* Give a reservation back, so that a commit of it would assert. Thread: producer. */
QUOIT_RT_WAITFREE QUOIT_HOT void quoit_spsc_abandon(struct quoit_spsc *ring)
{
	ring->leased = 0;
}

/*
 * Pass `n` of the reserved slots on, but let nobody see them yet: for a producer that publishes
 * once for many, such as a loop in its turn. It must publish before it waits for anything.
 */
QUOIT_RT_WAITFREE QUOIT_HOT void quoit_spsc_commit_later(struct quoit_spsc *ring, size_t n)
{
	QUOIT_ASSERT_HOT(n <= ring->leased);
	ring->leased -= n;
	ring->tail_own += n;
}

/* Committed, not yet published. Thread: producer. */
QUOIT_RT_WAITFREE QUOIT_HOT size_t quoit_spsc_unpublished(const struct quoit_spsc *ring)
{
	return (size_t)(ring->tail_own - quoit_load(&ring->tail)); /* ours */
}

/* Count what a publication up to `tail` adds. */
QUOIT_HOT void quoit__spsc_meter_sent(struct quoit_spsc *ring, uint64_t tail)
{
	struct quoit_meter_side *side = quoit__spsc_meter(ring, producer);

	if (side) /* not even the load without one */
		quoit__meter_batch(side, tail - quoit_load(&ring->tail)); /* ours */
}

/*
 * Make everything committed visible, without waking anybody: the caller puts quoit_wake_fence()
 * and quoit_wake_owed() behind the last of its publications.
 */
QUOIT_RT_WAITFREE QUOIT_HOT void quoit_spsc_publish(struct quoit_spsc *ring)
{
	quoit__spsc_meter_sent(ring, ring->tail_own);
	quoit_store_release(&ring->tail,
			    ring->tail_own); /* publish: pairs with quoit__spsc_arrived() */
}

/* Wake whoever is attached as the ring's reader and sleeps: by an event, by a bell or by both. */
QUOIT_SLOW void quoit__spsc_wake_reader(struct quoit_spsc *ring)
{
	if (ring->data_event)
		quoit_event_signal(ring->data_event);
	if (!quoit_load(&ring->notify)) /* never changes from or to NULL while we run */
		return;
	if (quoit_unlikely(quoit__notify_call(&ring->notify, &ring->ringing)))
		quoit_count(&ring->bells_rung, 1);
	else
		quoit_count(&ring->bells_saved, 1);
}

/* The same for a ring that may have nobody attached. Call after a store that they must not miss. */
QUOIT_HOT void quoit__spsc_notify(struct quoit_spsc *ring)
{
	/* Is there anybody at all? That was said before the first commit. */
	if (quoit_unlikely(((uintptr_t)quoit_load(&ring->notify) | (uintptr_t)ring->data_event) !=
			   0))
		quoit__spsc_wake_reader(ring);
}

/* Publish what was committed later, and wake the reader if it sleeps. */
QUOIT_RT_WAKES QUOIT_HOT void quoit_spsc_flush(struct quoit_spsc *ring)
{
	quoit_spsc_publish(ring);
	quoit__spsc_notify(ring);
}

/*
 * Publish `n` of the reserved slots, in order, and wake the reader if it sleeps. What an earlier
 * reserve granted beyond n goes back to the ring. An open reservation may still be committed after
 * close.
 *
 * Thread: producer.   Cost: one release store; with a notifier also a fence and a load.
 */
QUOIT_RT_WAKES QUOIT_HOT void quoit_spsc_commit(struct quoit_spsc *ring, size_t n)
{
	quoit_spsc_commit_later(ring, n);
	ring->leased = 0;
	quoit_spsc_flush(ring);
}

/* --- consumer -------------------------------------------------------------------------------- */

/* Thread: the consumer's, in all of these. */

/* Look at what the producer has published. Gives the number of readable slots. */
QUOIT_HOT uint64_t quoit__spsc_arrived(struct quoit_spsc *ring)
{
	ring->tail_seen =
		quoit_load_acquire(&ring->tail); /* publish: pairs with quoit_spsc_publish() */
	return ring->tail_seen - ring->head_own;
}

/*
 * Is there anything to read, asked of the ring itself and not of the last look? The question to
 * put between arming and sleeping.
 * Thread: consumer.
 */
QUOIT_RT_WAITFREE QUOIT_HOT bool quoit_spsc_has_news(struct quoit_spsc *ring)
{
	return quoit__spsc_arrived(ring) != 0;
}

/* Readable slots, looking at the producer only if none is known. */
QUOIT_HOT uint64_t quoit__spsc_available(struct quoit_spsc *ring)
{
	uint64_t available = ring->tail_seen - ring->head_own;

	QUOIT_ASSERT_HOT(!ring->reading); /* an open cursor or a running handler has it */
	if (quoit_unlikely(!available))
		available = quoit__spsc_arrived(ring);
	if (available)
		quoit__meter_hold(quoit__spsc_meter(ring, consumer));
	return available;
}

/*
 * The readable slots that are contiguous: gives how many, 0 if there are none; *at is the index of
 * the first.
 *
 * Thread: consumer.   Owns: the slots are the caller's until it advances past them.
 */
QUOIT_RT_WAITFREE QUOIT_HOT size_t quoit_spsc_readable(struct quoit_spsc *ring, size_t *at)
{
	const uint64_t available = quoit__spsc_available(ring);

	if (!available)
		return 0;
	*at = (size_t)(ring->head_own & ring->mask_consumer);
	return quoit_min((size_t)available, (size_t)ring->mask_consumer + 1 - *at);
}

/*
 * A reader that has found nothing and will look again asks for the line of the slot that comes
 * next: then it is on its way together with the tail's, and not after it.
 */
QUOIT_HOT void quoit__spsc_expect(const void *slots, size_t slot_bytes, size_t at)
{
	__builtin_prefetch((const char *)slots + at * slot_bytes);
}

/* Up to `most` readable slots on both sides of the wrap. */
QUOIT_RT_WAITFREE QUOIT_HOT struct quoit_spans quoit_spsc_readable_spans(struct quoit_spsc *ring,
									 size_t most)
{
	const size_t n = quoit_min(most, (size_t)quoit__spsc_available(ring));

	return quoit__spans_cut(ring->head_own, n, ring->mask_consumer);
}

/* Move head on, and tell a producer that waits for space. */
QUOIT_HOT void quoit__spsc_free(struct quoit_spsc *ring, size_t n)
{
	QUOIT_ASSERT_HOT(n <= ring->tail_seen - ring->head_own);
	ring->head_own += n;
	quoit_store_release(&ring->head, ring->head_own); /* free: pairs with quoit__spsc_freed() */
	quoit__meter_batch(quoit__spsc_meter(ring, consumer), n);
	if (quoit_unlikely(ring->space_event != NULL))
		quoit__event_tell(ring->space_event);
}

/*
 * Give the first `n` readable slots back to the producer, and wake it if it sleeps.
 * Thread: consumer.   Owns: the slots may be overwritten at once.
 * Cost: one release store; where waits are attached also a fence and a load.
 */
QUOIT_RT_WAKES QUOIT_HOT void quoit_spsc_advance(struct quoit_spsc *ring, size_t n)
{
	QUOIT_ASSERT_HOT(!ring->reading);
	quoit__meter_release(quoit__spsc_meter(ring, consumer));
	quoit__spsc_free(ring, n);
}

/* --- status and ending ----------------------------------------------------------------------- */

/*
 * Published and not yet freed, at some moment during the call; never more than the capacity.
 * Thread: any.
 */
QUOIT_RT_WAITFREE QUOIT_HOT size_t quoit_spsc_length(const struct quoit_spsc *ring)
{
	/* head first: a tail read later can only be further on (defect D-06) */
	const uint64_t head =
		quoit_load_acquire(&ring->head); /* free: pairs with quoit__spsc_free() */
	const uint64_t tail =
		quoit_load_acquire(&ring->tail); /* publish: pairs with quoit_spsc_publish() */

	return quoit_min((size_t)(tail - head), quoit_spsc_capacity(ring));
}

/* Was nothing to be read, or everything in use, at some moment during the call? Thread: any. */
QUOIT_RT_WAITFREE QUOIT_HOT bool quoit_spsc_is_empty(const struct quoit_spsc *ring)
{
	return quoit_spsc_length(ring) == 0;
}

/* No slot was free, at some moment during the call. Thread: any. */
QUOIT_RT_WAITFREE QUOIT_HOT bool quoit_spsc_is_full(const struct quoit_spsc *ring)
{
	return quoit_spsc_length(ring) == quoit_spsc_capacity(ring);
}

/*
 * Let no new reservation succeed, and wake both sides to tell them. What is reserved may still be
 * committed and what is committed will be read; the ring has ended when it is drained.
 * Thread: any.
 */
QUOIT_RT_WAKES_LOCKFREE QUOIT_HOT void quoit_spsc_close(struct quoit_spsc *ring)
{
	quoit_store_release(&ring->closed, 1); /* close: pairs with quoit_spsc_is_closed() */
	if (ring->data_event)
		quoit_event_signal(ring->data_event);
	if (ring->space_event)
		quoit_event_signal(ring->space_event);
	quoit__notify_tell(&ring->notify, &ring->callers);
}

/*
 * The producer's last word: publishes what is committed and promises that nothing follows.
 * Thread: producer.
 */
QUOIT_RT_WAKES_LOCKFREE QUOIT_HOT void quoit_spsc_finish(struct quoit_spsc *ring)
{
	quoit_spsc_publish(ring);
	quoit_store_release(&ring->finished, 1); /* finish: pairs with quoit_spsc_is_drained() */
	quoit_spsc_close(ring);
}

/*
 * Has the producer finished, and has everything been read? Once true, true for ever. The producer
 * may still be about to ring for it: join it before the ring goes; detach, or join it, before what
 * is attached goes.
 * Thread: consumer.
 */
QUOIT_RT_WAITFREE QUOIT_HOT bool quoit_spsc_is_drained(struct quoit_spsc *ring)
{
	/* finished before tail: the tail that follows is then the final one (defect D-18) */
	if (!quoit_load_acquire(&ring->finished)) /* finish: pairs with quoit_spsc_finish() */
		return false;
	return quoit__spsc_arrived(ring) == 0;
}

QUOIT_C_END

#endif
