/* SPDX-License-Identifier: MIT */
/*
 * notify.h - how a publisher wakes a sleeping reader, and keeps quiet while the reader is awake.
 *
 * A reader (one event loop) owns one armed flag. It raises the flag before it sleeps and looks at
 * every ring once more; a publisher looks at the flag after it has published, and rings the
 * reader's eventfd only if the flag was up. Both sides store first and load after, so both need a
 * full fence in between: without either one the publisher may see "awake" while the reader sees
 * "empty", and the message waits for ever (defect D-01).
 *
 *     reader                                 publisher
 *     armed = 1                              tail = t
 *     full fence                             full fence
 *     look at every ring; sleep if empty     if armed, and the exchange to 0 wins: ring
 *
 * Data travels in the ring; the bell is only a hint. Who wins the exchange owes the bell.
 *
 * A ring may change its reader while its producer runs. The producer marks the time in which it
 * may touch whoever was attached; who detaches puts nobody in that place, and waits until the mark
 * is down. Store first and load after, on both sides, once more:
 *
 *     producer                               who attaches or detaches
 *     tail = t; ringing = 1                  notify = another, or nobody
 *     full fence                             full fence
 *     n = notify; wake n if it sleeps        attached: look at the ring once
 *     ringing = 0                            detached: while ringing, ask again later
 *
 * edge    released by                    acquired by                   carries
 * sleep   quoit_wake_arm (full fence)    quoit_wake_fence              "somebody sleeps"
 * disarm  quoit_wake_owed (exchange)     quoit_wake_owed (exchange)    the duty to ring, once
 * call    quoit_wake_owed (exchange)     quoit_wake_end (exchange)     what had happened
 * attach  quoit__notify_change           quoit__notify_wake            flag and eventfd of the new
 * change  quoit__notify_settle (fence)   quoit_wake_fence              who is attached
 * quit    quoit__notify_end: ringing     quoit__notify_settle          "it rings no more"
 */
#ifndef QUOIT_RINGS_NOTIFY_H
#define QUOIT_RINGS_NOTIFY_H

#include <quoit/numa/atomic.h>

QUOIT_C_BEGIN

/* The armed flag of one reader. It must outlive every publisher that may look at it. */
struct quoit_wake {
	QUOIT_ISOLATED uint32_t armed; /* 1 while the reader sleeps or is about to */
	uint64_t rung_ns; /* when the last bell was rung: the reader measures how long it takes */
};

/*
 * What a ring needs to wake its reader: the reader's flag and an eventfd that the reader has
 * registered with its io_uring (or epoll). Several rings may share one.
 * Owns: it stays open until every ring is detached or its publishers have been joined; closing it
 * earlier would ring whatever file takes its number next (defect D-10).
 */
struct quoit_notify {
	struct quoit_wake *wake;
	int fd;
};

/*
 * Attached to a ring whose reader is to come later, while the producer runs: it never sleeps, so it
 * is never rung. A ring begun with it pays the fence from its first publication on.
 */
extern struct quoit_notify quoit_notify_nobody;

/*
 * Announce that the reader is going to sleep. After this it must look once at every ring with
 * quoit_spsc_has_news() and sleep only if none has any.
 * Thread: reader.
 */
QUOIT_RT QUOIT_HOT void quoit_wake_arm(struct quoit_wake *wake)
{
#ifdef QUOIT_TSAN
	(void)quoit_exchange(&wake->armed, 1); /* sleep: pairs with quoit_wake_owed() */
#else
	quoit_store(&wake->armed, 1);
	quoit_fence_full(); /* sleep: pairs with quoit_wake_fence() */
#endif
}

/*
 * The reader is awake again. A publisher that looks too late rings once for nothing.
 * Thread: reader.
 */
QUOIT_RT_WAITFREE QUOIT_HOT void quoit_wake_disarm(struct quoit_wake *wake)
{
#ifdef QUOIT_TSAN
	(void)quoit_exchange(&wake->armed, 0); /* sleep: pairs with quoit_wake_owed() */
#else
	quoit_store(&wake->armed, 0);
#endif
}

/*
 * The same, and tells whether a publisher has taken the flag down since it was raised: the reader
 * was called, be it asleep or not. What several readers share needs that answer: see group.h.
 * Thread: reader.   Cost: an exchange.
 */
QUOIT_RT QUOIT_HOT bool quoit_wake_end(struct quoit_wake *wake)
{
	/* call: pairs with quoit_wake_owed() */
	return quoit_exchange(&wake->armed, 0) == 0;
}

/*
 * Put a full fence between what was published and the look at any number of armed flags. One
 * fence serves all the readers that a turn has published to.
 * Thread: publisher.
 */
QUOIT_RT QUOIT_HOT void quoit_wake_fence(void)
{
	/* sleep: pairs with quoit_wake_arm(); change: pairs with quoit__notify_settle() */
	quoit_fence_full();
}

/*
 * Does the caller owe the reader a bell? Call after quoit_wake_fence(). True at most once per
 * arming; whoever gets true must ring, by quoit_notify_ring() or a write through its own io_uring.
 * Thread: publisher.   Cost: one load of a line that changes only when the reader sleeps.
 */
QUOIT_RT QUOIT_HOT bool quoit_wake_owed(struct quoit_wake *wake)
{
#ifndef QUOIT_TSAN
	if (quoit_likely(!quoit_load(&wake->armed))) /* ordered by the fence before: sleep */
		return false;
#endif
	/* disarm: pairs with quoit_wake_owed(); sleep: pairs with quoit_wake_arm();
	 * call: pairs with quoit_wake_end() */
	return quoit_exchange(&wake->armed, 0) != 0;
}

/* The bell is about to be rung. Thread: who owes it. */
QUOIT_HOT void quoit__wake_stamp(struct quoit_wake *wake, uint64_t now_ns)
{
	quoit_store(&wake->rung_ns, now_ns); /* the last of several rings is as good as the first */
}

/*
 * Ring the bell with write(2), from any thread. A full counter counts as rung, because then the
 * eventfd is readable already.
 * Errors: what write(2) says about a broken descriptor.
 */
int quoit_notify_ring(const struct quoit_notify *notify);

/*
 * Open an eventfd for a reader's notifier: non-blocking, closed on exec.
 * Thread: the reader's owner, before anybody publishes.   Errors: -EMFILE, -ENFILE, -ENOMEM.
 */
QUOIT_MUST_CHECK int quoit_notify_open(struct quoit_notify *notify, struct quoit_wake *wake);

/* Close it. Thread: the reader's owner, after every publisher has ended. */
void quoit_notify_close(struct quoit_notify *notify);

/* --- for rings: whoever is attached ---------------------------------------------------------- */

/*
 * The caller is going to look who is attached, after what it has published. `ringing` is its own.
 * Thread: the producer.
 */
QUOIT_HOT void quoit__notify_begin(uint32_t *ringing)
{
#ifdef QUOIT_TSAN
	(void)quoit_exchange(ringing, 1); /* change: pairs with quoit__notify_settle() */
#else
	quoit_store(ringing, 1);
	quoit_wake_fence();		 /* change: pairs with quoit__notify_settle() */
#endif
}

/* It touches none of them any more. */
QUOIT_HOT void quoit__notify_end(uint32_t *ringing)
{
#ifdef QUOIT_TSAN
	/* Where updates take the place of fences, a store between them would end their chain:
	 * change. quit: pairs with quoit__notify_settle() */
	(void)quoit_exchange(ringing, 0);
#else
	quoit_store_release(ringing, 0); /* quit: pairs with quoit__notify_settle() */
#endif
}

/* Wake the one that is attached now, if it sleeps: between the two above. Tells whether it did. */
QUOIT_HOT bool quoit__notify_wake(struct quoit_notify *const *attached)
{
	/* attach: pairs with quoit__notify_change() */
	struct quoit_notify *const notify = quoit_load_acquire(attached);

	if (!notify || quoit_likely(!quoit_wake_owed(notify->wake)))
		return false;
	(void)quoit_notify_ring(notify); /* fails only on a closed fd: attach's contract */
	return true;
}

/* All of it for a producer: after a store that the reader must not miss. */
QUOIT_HOT bool quoit__notify_call(struct quoit_notify *const *attached, uint32_t *ringing)
{
	bool woke;

	quoit__notify_begin(ringing);
	woke = quoit__notify_wake(attached);
	quoit__notify_end(ringing);
	return woke;
}

/* The same for any number of threads at a time, who are counted. */
QUOIT_HOT void quoit__notify_enter(uint32_t *callers)
{
	(void)quoit_add(callers, 1); /* change: pairs with quoit__notify_settle() */
	quoit_wake_fence();
}

/* See quoit__notify_end(). */
QUOIT_HOT void quoit__notify_leave(uint32_t *callers)
{
	(void)quoit_add(callers, -1u); /* quit: pairs with quoit__notify_settle() */
}

/* After a close, which is anybody's. */
QUOIT_HOT void quoit__notify_tell(struct quoit_notify *const *attached, uint32_t *callers)
{
	if (!quoit_load(attached)) /* never changes from or to NULL while others run */
		return;
	quoit__notify_enter(callers);
	(void)quoit__notify_wake(attached);
	quoit__notify_leave(callers);
}

/* Attach another one; quoit__notify_settle() must follow. */
QUOIT_HOT void quoit__notify_change(struct quoit_notify **attached, struct quoit_notify *notify)
{
	quoit_store_release(attached, notify); /* attach: pairs with quoit__notify_wake() */
}

/*
 * Is nobody about to ring the one that was attached before the last change? False says that a
 * producer or another thread is in the middle of it: ask again. Fences, so that what was published
 * without a look at who is attached now is found by a look at the ring.
 */
QUOIT_HOT bool quoit__notify_settle(uint32_t *ringing, uint32_t *callers)
{
#ifdef QUOIT_TSAN
	/* change: pairs with quoit__notify_begin() and quoit__notify_enter();
	 * quit: pairs with quoit__notify_end() and quoit__notify_leave() */
	const uint32_t busy = quoit_add(ringing, 0);
	/* change: pairs with quoit__notify_enter(); quit: pairs with quoit__notify_leave() */
	return !(quoit_add(callers, 0) | busy);
#else
	uint32_t busy;

	/* change: pairs with quoit_wake_fence() */
	quoit_fence_full();
	busy = quoit_load_acquire(ringing); /* quit: pairs with quoit__notify_end() */
	/* quit: pairs with quoit__notify_leave() */
	return !(quoit_load_acquire(callers) | busy);
#endif
}

QUOIT_C_END

#endif
