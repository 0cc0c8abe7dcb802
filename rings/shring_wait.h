/* SPDX-License-Identifier: MIT */
/*
 * shring_wait.h - sleeping on a ring between processes: in a call, or in a loop of one's own.
 *
 * Each side has a word in which it says how it sleeps, and counts its sleeps; each has a sequence
 * word that only it changes, on which the other sleeps. Nobody writes to what is the other's, so
 * who wakes remembers, privately, which sleep he has ended:
 *
 *     sleeper                                waker
 *     waiters = next sleep                   position = p, or closed = 1
 *     full fence                             full fence
 *     key = other's sequence                 s = other's waiters
 *     look; sleep while sequence == key      if s sleeps and is not the last one ended:
 *     waiters = awake                            remember s; sequence + 1; wake
 *
 * The futexes are not private. The bells are a pair of eventfds that are never blocked on. A peer
 * that rings for ever costs wake-ups, one that never rings costs time: every wait has a deadline
 * if it was given one, and looks by itself once a second, at the ring and whether the peer is
 * there, so that no death goes unnoticed and no position is missed. With bells and a pidfd, on both
 * of which it sleeps, once in ten seconds will do: a peer that execs gives its role back and lives.
 * Whether the peer is there is asked a hundred times a second at most, however often it rings.
 *
 * In a loop, which polls quoit_shring_bell() and is told that it is readable, or edge-triggered
 * that it was rung:
 *
 *     do {
 *         quoit_shring_hush(ring);                 only where the poll is level-triggered
 *         drain(ring);                             a bounded number of items
 *         quoit_shring_arm(ring);
 *     } while (quoit_shring_has_news(ring));       the producer: quoit_shring_has_room(ring, n)
 *     wait; the next publication rings
 *
 * Thread: the one of this side, everything here.
 */
#ifndef QUOIT_RINGS_SHRING_WAIT_H
#define QUOIT_RINGS_SHRING_WAIT_H

#include <quoit/rings/shring.h>

QUOIT_C_BEGIN

#define QUOIT_SHRING_LOOK_NS UINT64_C(1000000000) /* the longest sleep without a pidfd */

/* Announce a sleep of this kind. After this look once more, and only then sleep. */
QUOIT_HOT void quoit__shring_arm(struct quoit_shring *ring, uint32_t kind)
{
	ring->asleep += QUOIT_SHRING_SLEEP_STEP;
	quoit_store(ring->waiters, ring->asleep | kind);
	quoit__shring_fence(ring); /* sleep: pairs with quoit__shring_fence() */
}

/* What the sequence word was before the look that comes now. */
QUOIT_HOT uint32_t quoit__shring_key(const struct quoit_shring *ring)
{
	return quoit_load_acquire(ring->peer_seq); /* stir: pairs with quoit__shring_stir() */
}

/*
 * Announce a sleep in a loop: the peer's next publication rings quoit_shring_bell(). Look with
 * quoit_shring_has_news() or _has_room() afterwards, and at quoit_shring_is_closed(). Each sleep
 * needs an arming of its own. Only for rings with bells.
 * Cost: a full fence.
 */
QUOIT_RT QUOIT_HOT void quoit_shring_arm(struct quoit_shring *ring)
{
	QUOIT_ASSERT_HOT(ring->flags & QUOIT_SHRING_FLAG_BELLS);
	quoit__shring_arm(ring, QUOIT_SHRING_ASLEEP_BELL);
}

/* Awake again: publications are silent. One that looks too late rings once for nothing. */
QUOIT_RT_WAITFREE QUOIT_HOT void quoit_shring_disarm(struct quoit_shring *ring)
{
	quoit_store(ring->waiters, ring->asleep);
}

/*
 * The eventfd on which this side sleeps, or -1 without bells. The ring's: poll it, do not close it.
 * The peer holds it too, and may make it readable at any time, or a blocking one: read it by
 * quoit_shring_hush() or not at all.
 */
QUOIT_RT_WAITFREE QUOIT_HOT int quoit_shring_bell(const struct quoit_shring *ring)
{
	return ring->home.bells[ring->role == QUOIT_SHRING_PRODUCER];
}

/* The peer's, which this side rings; or -1. The ring's as well. */
QUOIT_RT_WAITFREE QUOIT_HOT int quoit_shring_peer_bell(const struct quoit_shring *ring)
{
	return ring->home.bells[ring->role == QUOIT_SHRING_CONSUMER];
}

/*
 * quoit_shring_notify() for who rings by other means, such as a write of its io_uring, which never
 * waits: true if quoit_shring_peer_bell() has to be rung now. A peer that sleeps on a futex has
 * been woken already.
 * Cost: a full fence and a load.
 */
QUOIT_RT_WAKES_LOCKFREE QUOIT_HOT bool quoit_shring_owes_bell(struct quoit_shring *ring)
{
	uint32_t kinds;

	if (!ring->peer_waiters)
		return false;
	quoit__shring_fence(ring);
	kinds = quoit__shring_owed(ring);
	if (kinds & QUOIT_SHRING_ASLEEP_FUTEX)
		quoit__shring_stir(ring, QUOIT_SHRING_ASLEEP_FUTEX);
	return (kinds & QUOIT_SHRING_ASLEEP_BELL) != 0;
}

/* Take all bells, so that it is no longer readable. Never blocks. Cost: a system call. */
void quoit_shring_hush(struct quoit_shring *ring);

/* Consumer: is there anything to read, or a poisoned ring? Asked of the ring itself. */
QUOIT_RT_WAITFREE QUOIT_HOT bool quoit_shring_has_news(struct quoit_shring *ring)
{
	return quoit__shring_arrived(ring) != 0 || ring->error;
}

/* Producer: are `want` slots free, or is the ring poisoned? Asked of the ring itself. */
QUOIT_RT_WAITFREE QUOIT_HOT bool quoit_shring_has_room(struct quoit_shring *ring, size_t want)
{
	return quoit__shring_freed(ring) >= want || ring->error;
}

/*
 * Wait until something can be read. Gives 0 when it can. A strategy that sleeps until woken needs
 * a ring with waits or bells.
 *
 * Errors: -ETIMEDOUT; -ESHUTDOWN the ring is closed and nothing is left; -EOWNERDEAD the producer
 * has died or left and nothing is left, and another may yet come; -EUCLEAN, -ESTALE as
 * quoit_shring_status(); -EINVAL for a strategy that is none, or that cannot sleep here.
 */
QUOIT_MUST_CHECK int quoit_shring_wait_data(struct quoit_shring *ring,
					    const struct quoit_wait *how);

/*
 * Wait until `want` slots are free; publishes first what was committed later. Gives 0 when they
 * are.
 *
 * Errors: likewise, -ESHUTDOWN however much is free, -EOWNERDEAD the consumer has died or left;
 * -EINVAL also for no slots at all or more than the capacity.
 */
QUOIT_MUST_CHECK int quoit_shring_wait_space(struct quoit_shring *ring, size_t want,
					     const struct quoit_wait *how);

QUOIT_C_END

#endif
