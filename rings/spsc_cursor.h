/* SPDX-License-Identifier: MIT */
/*
 * spsc_cursor.h - cursors for hot loops that go one by one.
 *
 * A cursor is a copy of one side's position and of the position up to which it may go, held by
 * value, so that the loop keeps both in registers and an item costs one comparison. All else (the
 * other side, publication, the bell) happens once per block of at most 1 KiB, out of line.
 *
 *     QUOIT_CURSOR struct orders_writer w = orders_write(&q);
 *
 *     while (next_order(&order) && orders_put(&w, order))
 *         ;
 *     orders_write_end(&w);
 *
 * What a writer has put is visible once its block is full, or when the cursor ends; put_now()
 * publishes at once instead, at the price of a store to a shared line. In both a sleeping reader is
 * woken at the end of a block and at the end of the cursor; write_flush() does that in between, and
 * leaves the cursor open. So flush or end it before anything that waits, or the reader may sleep on
 * what it was not told of. While a cursor is open its side uses nothing else of the ring.
 *
 * A reader that keeps up takes the published line away from the producer with every look, and the
 * producer's next store has to wait for it; so a reader that has just found something does not look
 * again until an answer could have come at all (quoit_spsc_set_gap()). Its "nothing" is therefore
 * no reason to sleep: end the cursor, and ask the ring itself.
 */
#ifndef QUOIT_RINGS_SPSC_CURSOR_H
#define QUOIT_RINGS_SPSC_CURSOR_H

#include <quoit/rings/spsc.h>

QUOIT_C_BEGIN

#define QUOIT_CURSOR_BLOCK_BYTES 1024 /* the most that a writer leaves unpublished */
#define QUOIT_CURSOR_FETCH_BYTES 4096 /* the most that a reader asks for ahead */

/* The producer's. By value; `ring` is NULL once it has ended. */
struct quoit_spsc_writer {
	struct quoit_spsc *ring;
	uint64_t tail;	/* next slot to write */
	uint64_t limit; /* first slot that needs a look: end of the block, or of the free slots */
	uint64_t mask;
	uint64_t block; /* slots a block, less one: a mask */
	char *slots;
	size_t slot_bytes;
};

/* The consumer's. By value; `ring` is NULL once it has ended. */
struct quoit_spsc_reader {
	struct quoit_spsc *ring;
	uint64_t head;	/* next slot to read */
	uint64_t limit; /* first slot that needs a look: the end of what is known, or of a share */
	uint64_t mask;
	const char *slots;
	size_t slot_bytes;
};

QUOIT_HOT void quoit__cursor_left_open(void *cursor)
{
	(void)cursor;
	QUOIT_ASSERT_HOT(!*(struct quoit_spsc **)cursor); /* end it before it goes out of scope */
}

/* Before the declaration of a cursor: with CONFIG_ASSERT=2, leaving it open asserts. */
#if QUOIT_CONFIG_ASSERT >= 2
#define QUOIT_CURSOR __attribute__((cleanup(quoit__cursor_left_open)))
#else
#define QUOIT_CURSOR
#endif

/* --- writing --------------------------------------------------------------------------------- */

/* Thread: the producer's, in all of these. */

/* Everything below `tail` is written: make it known, and wake the reader if it sleeps. */
QUOIT_HOT void quoit__spsc_write_publish(struct quoit_spsc *ring, uint64_t tail)
{
	ring->tail_own = tail;
	quoit_spsc_flush(ring);
}

/*
 * A writer has come to its limit: publish, and give the next one, which is `tail` itself if the
 * ring is full or closed.
 */
QUOIT_SLOW uint64_t quoit__spsc_write_on(struct quoit_spsc *ring, uint64_t tail, uint64_t block,
					 char *slots, size_t slot_bytes)
{
	const uint64_t capacity = ring->mask_producer + 1;
	const uint64_t block_end = (tail | block) + 1;
	uint64_t free_end;

	if (tail != ring->tail_own)
		quoit__spsc_write_publish(ring, tail);
	if (quoit_spsc_is_closed(ring))
		return tail;
	if (ring->head_seen + capacity == tail && !quoit__spsc_freed(ring)) {
		quoit__meter_failure(quoit__spsc_meter(ring, producer));
		return tail;
	}
	free_end = ring->head_seen + capacity;
	free_end = tail + quoit_min(block_end - tail, free_end - tail);
	quoit_lines_own(slots + (tail & ring->mask_producer) * slot_bytes,
			(size_t)(free_end - tail) * slot_bytes);
	return free_end;
}

/*
 * Open a writer for the ring's slots of `slot_bytes`, a constant. The slots are not looked at.
 * Thread: producer.   Owns: the producer's side, until the cursor ends.
 */
QUOIT_RT_WAITFREE QUOIT_HOT struct quoit_spsc_writer quoit_spsc_write(struct quoit_spsc *ring,
								      void *slots,
								      size_t slot_bytes)
{
	struct quoit_spsc_writer w = {ring, ring->tail_own, ring->tail_own, ring->mask_producer,
				      1,    (char *)slots,  slot_bytes};

	QUOIT_ASSERT_HOT(!ring->writing);
#if QUOIT_CONFIG_ASSERT >= 2
	ring->writing = 1;
#endif
	ring->leased = 0;
	while (w.block * 2 * slot_bytes <= QUOIT_CURSOR_BLOCK_BYTES && w.block * 8 <= w.mask + 1)
		w.block *= 2; /* a quarter of the ring at most, so that both sides have work */
	w.block--;
	return w;
}

/* Where the next item goes: true, and *at is its index; false if the ring is full or closed. */
QUOIT_RT_WAKES QUOIT_HOT bool quoit_spsc_write_next(struct quoit_spsc_writer *w, size_t *at)
{
	if (quoit_unlikely(w->tail == w->limit)) {
		w->limit =
			quoit__spsc_write_on(w->ring, w->tail, w->block, w->slots, w->slot_bytes);
		if (w->tail == w->limit)
			return false;
	}
	*at = (size_t)(w->tail++ & w->mask);
	return true;
}

/* Let the reader see what was put so far, without waking it: see quoit_spsc_write_flush(). */
QUOIT_RT_WAITFREE QUOIT_HOT void quoit_spsc_write_now(struct quoit_spsc_writer *w)
{
	quoit__spsc_meter_sent(w->ring, w->tail);
	quoit_store_release(&w->ring->tail,
			    w->tail); /* publish: pairs with quoit__spsc_arrived() */
}

/*
 * Publish all that was put, and wake the reader if it sleeps. The cursor stays open, and the block
 * where it was. Cost: that of quoit_spsc_flush(), if there is nothing new too.
 */
QUOIT_RT_WAKES QUOIT_HOT void quoit_spsc_write_flush(struct quoit_spsc_writer *w)
{
	quoit__spsc_write_publish(w->ring, w->tail);
}

/* Publish all that was put, wake the reader if it sleeps, and close the cursor. */
QUOIT_RT_WAKES QUOIT_HOT void quoit_spsc_write_end(struct quoit_spsc_writer *w)
{
#if QUOIT_CONFIG_ASSERT >= 2
	w->ring->writing = 0;
#endif
	quoit__spsc_write_publish(w->ring, w->tail);
	w->ring = NULL;
}

/* --- reading --------------------------------------------------------------------------------- */

/* Thread: the consumer's, in all of these. */

/*
 * For how long a reader that has found something need not look again: three quarters of the time
 * in which a line goes to the other core and back, from quoit_line_round_trip(). 0, the beginning,
 * always looks.
 * Thread: before both sides start, or the consumer.   Units: ticks of quoit_ticks().
 */
QUOIT_RT_WAITFREE QUOIT_HOT void quoit_spsc_set_gap(struct quoit_spsc *ring, uint64_t ticks)
{
	ring->gap_ticks = ticks;
}

/* Everything below `head` is read: give it back, and wake the producer if it waits. */
QUOIT_HOT void quoit__spsc_read_free(struct quoit_spsc *ring, uint64_t head)
{
	if (head != ring->head_own)
		quoit__spsc_free(ring, (size_t)(head - ring->head_own));
}

/* Look at the producer, unless it is too early to. Gives whether there is anything new. */
QUOIT_HOT bool quoit__spsc_read_look(struct quoit_spsc *ring)
{
	if (!ring->gap_ticks)
		return quoit__spsc_arrived(ring) != 0;

	const uint64_t now = quoit_ticks();
	if (now - ring->look_again > INT64_MAX || !quoit__spsc_arrived(ring))
		return false;
	ring->look_again = now + ring->gap_ticks;
	return true;
}

/* The lines of `n` slots from `head` on, those behind the wrap left out. */
QUOIT_HOT void quoit__spsc_read_fetch(const struct quoit_spsc *ring, uint64_t head, size_t n,
				      const char *slots, size_t slot_bytes)
{
	const size_t at = (size_t)(head & ring->mask_consumer);
	const size_t bytes = quoit_min(n, (size_t)ring->mask_consumer + 1 - at) * slot_bytes;

	quoit_lines_fetch(slots + at * slot_bytes,
			  quoit_min(bytes, (size_t)QUOIT_CURSOR_FETCH_BYTES));
}

/* A reader has come to its limit: free, and give the next one; `head` itself if there is nothing.
 */
QUOIT_SLOW uint64_t quoit__spsc_read_on(struct quoit_spsc *ring, uint64_t head, const char *slots,
					size_t slot_bytes)
{
	const uint64_t share = (ring->mask_consumer + 8) / 8; /* freed at once, an eighth or 1 */
	size_t n;

	quoit__spsc_read_free(ring, head);
	if (ring->tail_seen == head && !quoit__spsc_read_look(ring))
		return head;
	n = quoit_min((size_t)(ring->tail_seen - head), (size_t)share);
	quoit__spsc_read_fetch(ring, head, n, slots, slot_bytes);
	return head + n;
}

/*
 * Open a reader for the ring's slots of `slot_bytes`, a constant. The slots are not looked at.
 * Thread: consumer.   Owns: the consumer's side, until the cursor ends.
 */
QUOIT_RT_WAITFREE QUOIT_HOT struct quoit_spsc_reader quoit_spsc_read(struct quoit_spsc *ring,
								     const void *slots,
								     size_t slot_bytes)
{
	struct quoit_spsc_reader r = {
		ring,	   ring->head_own, ring->head_own, ring->mask_consumer, (const char *)slots,
		slot_bytes};

	QUOIT_ASSERT_HOT(!ring->reading);
#if QUOIT_CONFIG_ASSERT >= 2
	ring->reading = 1;
#endif
	return r;
}

/*
 * The next item: true, and *at is its index; false if none is known, which with a gap does not mean
 * that there is none.
 * Owns: the slot is the caller's until the next call.
 */
QUOIT_RT_WAKES QUOIT_HOT bool quoit_spsc_read_next(struct quoit_spsc_reader *r, size_t *at)
{
	if (quoit_unlikely(r->head == r->limit)) {
		r->limit = quoit__spsc_read_on(r->ring, r->head, r->slots, r->slot_bytes);
		if (r->head == r->limit)
			return false;
	}
	*at = (size_t)(r->head++ & r->mask);
	return true;
}

/* Free all that was read, wake the producer if it waits, and close the cursor. */
QUOIT_RT_WAKES QUOIT_HOT void quoit_spsc_read_end(struct quoit_spsc_reader *r)
{
#if QUOIT_CONFIG_ASSERT >= 2
	r->ring->reading = 0;
#endif
	quoit__spsc_read_free(r->ring, r->head);
	r->ring = NULL;
}

QUOIT_C_END

#endif
