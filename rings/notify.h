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
 * edge    released by                    acquired by                   carries
 * sleep   quoit_wake_arm (full fence)    quoit_wake_fence              "somebody sleeps"
 * disarm  quoit_wake_owed (exchange)     quoit_wake_owed (exchange)    the duty to ring, once
 */
#ifndef QUOIT_RINGS_NOTIFY_H
#define QUOIT_RINGS_NOTIFY_H

#include <quoit/numa/atomic.h>

QUOIT_C_BEGIN

/* The armed flag of one reader. It must outlive every publisher that may look at it. */
struct quoit_wake {
	QUOIT_ISOLATED uint32_t armed; /* 1 while the reader sleeps or is about to */
};

/*
 * What a ring needs to wake its reader: the reader's flag and an eventfd that the reader has
 * registered with its io_uring (or epoll). Several rings may share one.
 * Owns: the eventfd stays open until every publisher has been joined; closing it earlier would ring
 * whatever file takes its number next (defect D-10).
 */
struct quoit_notify {
	struct quoit_wake *wake;
	int fd;
};

/*
 * Announce that the reader is going to sleep. After this it must look once at every ring with
 * quoit_spsc_has_news() and sleep only if none has any.
 * Thread: reader.
 */
QUOIT_HOT void quoit_wake_arm(struct quoit_wake *wake)
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
QUOIT_HOT void quoit_wake_disarm(struct quoit_wake *wake)
{
#ifdef QUOIT_TSAN
	(void)quoit_exchange(&wake->armed, 0); /* sleep: pairs with quoit_wake_owed() */
#else
	quoit_store(&wake->armed, 0);
#endif
}

/*
 * Put a full fence between what was published and the look at any number of armed flags. One
 * fence serves all the readers that a turn has published to.
 * Thread: publisher.
 */
QUOIT_HOT void quoit_wake_fence(void)
{
	quoit_fence_full(); /* sleep: pairs with quoit_wake_arm() */
}

/*
 * Does the caller owe the reader a bell? Call after quoit_wake_fence(). True at most once per
 * arming; whoever gets true must ring, by quoit_notify_ring() or a write through its own io_uring.
 * Thread: publisher.   Cost: one load of a line that changes only when the reader sleeps.
 */
QUOIT_HOT bool quoit_wake_owed(struct quoit_wake *wake)
{
#ifndef QUOIT_TSAN
	if (quoit_likely(!quoit_load(&wake->armed))) /* ordered by the fence before: sleep */
		return false;
#endif
	/* disarm: pairs with quoit_wake_owed(); sleep: pairs with quoit_wake_arm() */
	return quoit_exchange(&wake->armed, 0) != 0;
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

QUOIT_C_END

#endif
