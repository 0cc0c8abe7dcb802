/* SPDX-License-Identifier: MIT */
/*
 * crowd.h - an event for several sleepers of whom any one will do: each happening wakes one.
 *
 * The event of wait.h wakes all who sleep on it, because all wait for the same. Consumers that
 * share a ring do not: one item is work for one of them, and the others would wake up to find it
 * gone. Here a sleeper has a seat, which is a bit, and a futex word. It raises its bit before it
 * sleeps and looks once more; a publisher that finds bits up takes one of them down, and owes the
 * one whose it was a wake-up. So each publication wakes another sleeper while there are any, at one
 * system call each, and costs a look at one line when there are none.
 *
 *     sleeper                                publisher
 *     the seat's word = 0                    tail = t
 *     asleep |= bit                          full fence
 *     full fence                             bits = asleep: none: done
 *     look; sleep while the word is 0        asleep &= ~(one bit): lost the race: look again
 *     take the bit down: was it up still?    the seat's word = 1; wake
 *
 * Whose bit was taken down is *called*, whether it slept, found work by itself, or gave up at its
 * deadline at that moment: nobody else was woken for what had happened. So whoever is called must
 * look once more, and if something is left then call the next one before it goes on. That also
 * serves the batch that is more than the first one takes.
 *
 * Why nobody sleeps beside an item: say one is published and unclaimed, and Z is asleep. Z armed,
 * fenced, and did not see it, so its publisher's fence came after Z's, and the publisher's look
 * after that found Z's bit, or found it taken down, whereupon Z wakes. If it found it, it called
 * somebody, H. H reads its own bit, taken down by the publisher, so it knows what the publisher
 * knew, Z's bit included. H tries to claim until it gets something or sees nothing; what it does
 * not get, and is still there afterwards, it calls the next one for. That goes on until nothing is
 * left or nobody sleeps. H may raise its bit anew only before another look, which it must answer
 * for in the same way.
 *
 * edge   released by                        acquired by                   carries
 * doze   quoit_crowd_arm (full fence)       quoit_crowd_fence             "somebody sleeps"
 * bed    quoit_crowd_arm (add)              quoit_crowd_choose (cas)      the word is 0
 * call   quoit_crowd_choose (cas)           quoit_crowd_leave             what had happened
 * seat   quoit_crowd_rise                   quoit_crowd_sit (cas)         the use of a bit
 *
 * Without "bed" the word could become 1 first and 0 then, and the one who was called would sleep.
 */
#ifndef QUOIT_RINGS_CROWD_H
#define QUOIT_RINGS_CROWD_H

#include <quoit/rings/wait.h>

QUOIT_C_BEGIN

#define QUOIT_CROWD_SEATS ((size_t)256) /* the most that may wait at the same time */
#define QUOIT__CROWD_BITS ((size_t)64)	/* seats to a word */

/* Caller's memory, aligned to QUOIT_ISOLATION. It must outlive every publisher. */
struct quoit_crowd {
	/* Changes when somebody goes to sleep or is woken; all that a publisher looks at. */
	QUOIT_ISOLATED uint64_t asleep[QUOIT_CROWD_SEATS / QUOIT__CROWD_BITS];
	uint64_t words; /* of them, those in use */
	QUOIT_ISOLATED uint64_t taken[QUOIT_CROWD_SEATS / QUOIT__CROWD_BITS];
	uint32_t called[QUOIT_CROWD_SEATS]; /* futex words: 1 if the one who sleeps there is */
};

/*
 * Begin with nobody asleep, and seats for so many.
 * Thread: before anybody uses it.   Errors: -EINVAL for none or above QUOIT_CROWD_SEATS.
 */
QUOIT_MUST_CHECK int quoit_crowd_init(struct quoit_crowd *crowd, size_t seats);

/* --- publishers ------------------------------------------------------------------------------ */

/*
 * Put a full fence between what was published and the look at who sleeps.
 * Thread: publisher.
 */
QUOIT_RT QUOIT_HOT void quoit_crowd_fence(void)
{
	quoit_fence_full(); /* doze: pairs with quoit_crowd_arm() */
}

/* Who of these 64 sleeps? */
QUOIT_HOT uint64_t quoit__crowd_asleep(struct quoit_crowd *crowd, size_t word)
{
#ifdef QUOIT_TSAN
	/* There is no fence then, and an addition of nothing orders the look.
	 * doze: pairs with quoit_crowd_arm() */
	return quoit_add(&crowd->asleep[word], 0);
#else
	return quoit_load(&crowd->asleep[word]); /* ordered by the fence before: doze */
#endif
}

/*
 * Choose one of the sleepers: gives its seat, and whoever gets one must call quoit_crowd_wake() for
 * it; -1 if nobody sleeps. Call after quoit_crowd_fence(). It is the lowest seat, so that with
 * little to do the same few threads do it, and the rest sleep long.
 * Thread: publisher.   Cost: one load of a line that changes only when somebody sleeps.
 */
QUOIT_RT_LOCKFREE QUOIT_HOT int quoit_crowd_choose(struct quoit_crowd *crowd)
{
	for (size_t w = 0; w < crowd->words; w++) {
		uint64_t bits;

		while (quoit_unlikely((bits = quoit__crowd_asleep(crowd, w)) != 0))
			/* call: pairs with quoit_crowd_leave(); bed: pairs with quoit_crowd_arm()
			 */
			if (quoit_cas(&crowd->asleep[w], bits, bits & (bits - 1)))
				return (int)(w * QUOIT__CROWD_BITS) + __builtin_ctzll(bits);
	}
	return -1;
}

/* Wake the one on this seat. Thread: the publisher that chose it.   Cost: a system call. */
void quoit_crowd_wake(struct quoit_crowd *crowd, int seat);

/* Wake one sleeper; fences. Thread: a publisher, after the store that must not be missed. */
QUOIT_RT_WAKES_LOCKFREE QUOIT_HOT void quoit_crowd_signal(struct quoit_crowd *crowd)
{
	int seat;

	quoit_crowd_fence();
	seat = quoit_crowd_choose(crowd);
	if (quoit_unlikely(seat >= 0))
		quoit_crowd_wake(crowd, seat);
}

/* Wake all of them, for what concerns each: a close. Thread: a publisher. It needs no fence. */
QUOIT_RT_WAKES_LOCKFREE void quoit_crowd_signal_all(struct quoit_crowd *crowd);

/* --- sleepers -------------------------------------------------------------------------------- */

/*
 * Take a seat for a wait. A waiter without one looks again and again.
 * Thread: any.   Errors: -1 if all are taken, which is no error code.   Cost: a compare-and-swap.
 */
QUOIT_RT_LOCKFREE QUOIT_MUST_CHECK int quoit_crowd_sit(struct quoit_crowd *crowd);

/* Give it back, with all that was done there. Thread: whoever sat there, not armed. */
QUOIT_RT_LOCKFREE void quoit_crowd_rise(struct quoit_crowd *crowd, int seat);

/*
 * Announce a sleep. After this the caller must look once more at what it waits for, with a real
 * load, and sleep only if it is not there; whether or not it slept, quoit_crowd_leave() follows.
 * Thread: who sits there.   Cost: an atomic add and a full fence.
 */
QUOIT_RT_LOCKFREE void quoit_crowd_arm(struct quoit_crowd *crowd, int seat);

/*
 * Sleep until this seat is woken, unless that has happened since it was armed; or until the
 * deadline (0: none). May also return for nothing.
 * Thread: who sits there, armed.   Errors: -ETIMEDOUT.   Cost: a system call.
 */
QUOIT_MUST_CHECK int quoit_crowd_sleep(struct quoit_crowd *crowd, int seat, uint64_t deadline_ns);

/*
 * End what quoit_crowd_arm() began. True says that the caller is called: a publisher has chosen it
 * and told nobody else, so it must look again, and pass on what it leaves.
 * Thread: who sits there.
 */
QUOIT_RT_LOCKFREE QUOIT_MUST_CHECK bool quoit_crowd_leave(struct quoit_crowd *crowd, int seat);

/* How many sleep or are about to. Thread: any. */
QUOIT_RT_WAITFREE size_t quoit_crowd_sleepers(const struct quoit_crowd *crowd);

/* --- waiters --------------------------------------------------------------------------------- */

/* Thread: the one that waits, in all of these. */

/*
 * One wait in a crowd, in steps of a wait strategy. By value, one thread's.
 *
 *     struct quoit_crowd_waiter waiter;
 *
 *     quoit_crowd_begin(&waiter, crowd, how);
 *     while (true) {
 *         quoit_crowd_ready(&waiter);
 *         if (look() || waiter.steps.expired)
 *             break;
 *         quoit_crowd_step(&waiter);
 *     }
 *     if (quoit_crowd_end(&waiter) && look_again())
 *         quoit_crowd_signal(crowd);
 */
struct quoit_crowd_waiter {
	struct quoit_waiter steps; /* steps.expired: look once more, then give up */
	struct quoit_crowd *crowd;
	int seat;    /* below 0: none */
	bool armed;  /* the bit is up, unless it was called */
	bool called; /* since the wait began */
	bool slept;  /* look before arming again */
};

/* Begin a wait. `crowd` may be NULL with a strategy that needs nobody to wake it. */
void quoit_crowd_begin(struct quoit_crowd_waiter *waiter, struct quoit_crowd *crowd,
		       const struct quoit_wait *how);

/* Before each look: arms if the next step would sleep. */
void quoit_crowd_ready(struct quoit_crowd_waiter *waiter);

/* After a look that found nothing: pause, yield, or sleep until called. */
void quoit_crowd_step(struct quoit_crowd_waiter *waiter);

/* End the wait. True: the caller was called, so it must look again and pass on what it leaves. */
QUOIT_MUST_CHECK bool quoit_crowd_end(struct quoit_crowd_waiter *waiter);

QUOIT_C_END

#endif
