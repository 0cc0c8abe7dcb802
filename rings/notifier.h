/* SPDX-License-Identifier: MIT */
/*
 * notifier.h - a reader's bell for a loop that is not ours: epoll, or whatever takes a descriptor.
 *
 * A notifier is an armed flag and an eventfd in one (notify.h has the protocol), with a count of
 * the rings that refer to it. One serves any number of rings, of all kinds, whose items one thread
 * reads. Who reads nothing but rings needs none: wait.h sleeps cheaper. Whatever wakes the loop,
 * the order is always: consume the bell, then drain every ring, then arm, then look, then wait.
 *
 *     while (running) {
 *         quoit_notifier_consume(&notifier);       before the rings: a later bell is then new
 *         drain(rings);
 *         quoit_notifier_arm(&notifier);
 *         if (!have_news_or_ended(rings))          quoit_spsc_has_news(), quoit_spsc_is_drained()
 *             epoll_wait(epoll, events, n, -1);
 *         quoit_notifier_disarm(&notifier);
 *     }
 *
 * Consuming after the look would take away the bell of an item that is not read yet; sleeping
 * without the look would miss an item that came before the arming, and rang for nobody. A handler
 * inside somebody else's loop, which cannot see when that loop waits, leaves it armed instead:
 *
 *     void on_bell(void)                           the descriptor is readable
 *     {
 *         quoit_notifier_consume(&notifier);
 *         do {
 *             drain(rings);                        and let go of those that have ended
 *             quoit_notifier_arm(&notifier);
 *         } while (have_news_or_ended(rings));     an end before the arming rang for nobody
 *     }
 *
 * and calls quoit_notifier_signal() once after it has registered, so that it begins armed. Then an
 * item that comes while the loop is busy with other things costs one bell more, and no more.
 *
 * edge  released by                   acquired by                    carries
 * part  quoit_notifier_unref: refs    quoit_notifier_destroy: refs   "it rings no more"
 */
#ifndef QUOIT_RINGS_NOTIFIER_H
#define QUOIT_RINGS_NOTIFIER_H

#include <quoit/rings/notify.h>

QUOIT_C_BEGIN

/* The caller's memory, which must not move. Touch the fields only through the functions. */
struct quoit_notifier {
	struct quoit_wake wake;
	struct quoit_notify notify;
	uint32_t refs; /* rings that may ring it */
};

/*
 * Open the eventfd: non-blocking, closed on exec. It begins unarmed.
 * Thread: the owner's.   Owns: the caller destroys it; *notifier is untouched on failure.
 * Errors: -EMFILE, -ENFILE, -ENOMEM.
 */
QUOIT_MUST_CHECK int quoit_notifier_init(struct quoit_notifier *notifier);

/*
 * Close the eventfd, which takes it out of every epoll set as well, unless a forked child has it.
 * Thread: the owner's.   Errors: -EBUSY while rings refer to it: one of them might ring whatever
 * file takes the descriptor's number next (defect D-10).
 */
QUOIT_MUST_CHECK int quoit_notifier_destroy(struct quoit_notifier *notifier);

/*
 * What a ring is attached to; counts the ring in.
 *
 *     quoit_spsc_attach(&ring, quoit_notifier_ref(&notifier));
 *     rc = quoit_mpsc_attach(channel, quoit_notifier_ref(&notifier));
 *
 * Thread: any.   Owns: the caller gives it back by quoit_notifier_unref().
 */
QUOIT_RT QUOIT_HOT struct quoit_notify *quoit_notifier_ref(struct quoit_notifier *notifier)
{
	/* An update passes on what others released. part: pairs with quoit_notifier_destroy() */
	(void)quoit_add(&notifier->refs, 1);
	return &notifier->notify;
}

/*
 * A ring has been detached, or all its producers have ended: nobody rings for it any more. That a
 * ring is drained is not enough, because the end is seen before its bell has rung: join whoever
 * finishes or closes it, or attach NULL to a channel until that is not -EBUSY any more.
 * Thread: any that knows.
 */
QUOIT_RT QUOIT_HOT void quoit_notifier_unref(struct quoit_notifier *notifier)
{
	/* part: pairs with quoit_notifier_destroy() */
	const uint32_t refs = quoit_add(&notifier->refs, -1u);

	QUOIT_ASSERT(refs);
	(void)refs;
}

/*
 * Announce a sleep: the next publication on any of its rings rings. After this look at every ring
 * once more, and sleep only if none has news. See quoit_wake_arm().
 * Thread: reader.   Cost: a full fence.
 */
QUOIT_RT QUOIT_HOT void quoit_notifier_arm(struct quoit_notifier *notifier)
{
	quoit_wake_arm(&notifier->wake);
}

/* The reader is awake, and publications are silent again. Thread: reader. */
QUOIT_RT_WAITFREE QUOIT_HOT void quoit_notifier_disarm(struct quoit_notifier *notifier)
{
	quoit_wake_disarm(&notifier->wake);
}

/*
 * Ring, whether somebody sleeps or not: for events that no ring carries. A full counter counts as
 * rung. Bells that nobody has consumed are one.
 * Thread: any.   Errors: what write(2) says about a broken descriptor.   Cost: a system call.
 */
int quoit_notifier_signal(struct quoit_notifier *notifier);

/*
 * Ring only if the reader is armed; tells whether it did. Call after the store that the reader must
 * not miss: that is what rings do by themselves.
 * Thread: any.   Cost: a full fence and a load, and a system call when it rings.
 */
QUOIT_RT_WAKES_LOCKFREE QUOIT_HOT bool quoit_notifier_signal_if_waiting(
	struct quoit_notifier *notifier)
{
	quoit_wake_fence();
	return quoit_wake_owed(&notifier->wake) && !quoit_notify_ring(&notifier->notify);
}

/*
 * Take all bells, so that the descriptor is no longer readable; gives how often it was rung since.
 * Comes before the rings are drained, never after.
 * Thread: reader.   Cost: a system call.
 */
uint64_t quoit_notifier_consume(struct quoit_notifier *notifier);

/*
 * Add the descriptor to an epoll set, for reading and edge-triggered: an event with `data` as its
 * u64 for each time that it is rung, whether consumed before or not.
 * Thread: reader.   Errors: those of epoll_ctl(2): -EEXIST, -ENOSPC, -ENOMEM ...
 */
QUOIT_MUST_CHECK int quoit_notifier_register_epoll(struct quoit_notifier *notifier, int epoll,
						   uint64_t data);

/*
 * Take it out again; a set that does not have it is let be. Destroying does it as well.
 * Thread: reader.
 */
void quoit_notifier_unregister_epoll(struct quoit_notifier *notifier, int epoll);

/* The descriptor, for other loops: readable while it was rung and not consumed. Do not close it. */
QUOIT_RT_WAITFREE QUOIT_HOT int quoit_notifier_fd(const struct quoit_notifier *notifier)
{
	return notifier->notify.fd;
}

QUOIT_C_END

#endif
