/* SPDX-License-Identifier: MIT */
/*
 * wait.h - how a thread waits for another one: a little by spinning, then by giving up its cpu.
 *
 * Three things, each used by the next: a backoff counts the steps from the first pause to the
 * last yield; a waiter takes one step of a wait strategy per call, with a deadline on the monotonic
 * clock whatever the strategy; an event is a futex word that a publisher touches only if somebody
 * sleeps on it.
 *
 * An event's word is odd while somebody sleeps or is about to. A publisher that finds it odd adds
 * one and wakes everybody; that makes it even, so the next publication is silent again, and
 * different from what any sleeper has seen, so the kernel refuses a sleep that began too late. The
 * sleeper stores first and looks after, and so does the publisher: both need a full fence in
 * between (defect D-01).
 *
 *     sleeper                                publisher
 *     key = word, made odd                   tail = t
 *     full fence                             full fence
 *     look; sleep while word == key          if the word is odd: add one, wake all
 *
 * edge    released by                       acquired by                      carries
 * doze    quoit_event_arm (full fence)      quoit_event_fence                "somebody sleeps"
 * stir    quoit_event_owed (cas)            quoit_event_arm (cas)            the end of one sleep
 * rest    quoit_event_sleep: sleepers       quoit_event_sleepers             "I am out of it"
 */
#ifndef QUOIT_RINGS_WAIT_H
#define QUOIT_RINGS_WAIT_H

#include <quoit/numa/atomic.h>
#include <quoit/rings/abi.h>

QUOIT_C_BEGIN

/* --- backoff --------------------------------------------------------------------------------- */

/* Thread: the one that backs off, in all of these. */

#define QUOIT_BACKOFF_SPINS  6	/* the last step that pauses: 1, 2, 4 ... 64 pauses */
#define QUOIT_BACKOFF_YIELDS 10 /* the last step that yields */

/* Begins as {0}. One thread's, by value. */
struct quoit_backoff {
	uint32_t step;
};

/* Let the scheduler run somebody else on this cpu. Cost: a system call. */
void quoit_yield(void);

/* Pause 2^step times, 64 at most. For a lost race, which is over soon: it never yields. */
QUOIT_RT_WAITFREE QUOIT_HOT void quoit_backoff_spin(struct quoit_backoff *backoff)
{
	const uint32_t step =
		backoff->step < QUOIT_BACKOFF_SPINS ? backoff->step : QUOIT_BACKOFF_SPINS;

	for (uint32_t n = UINT32_C(1) << step; n; n--)
		quoit_relax();
	if (backoff->step <= QUOIT_BACKOFF_SPINS)
		backoff->step++;
}

/* Pause for seven calls, then yield. For waiting until another thread has got somewhere. */
QUOIT_HOT void quoit_backoff_snooze(struct quoit_backoff *backoff)
{
	if (backoff->step <= QUOIT_BACKOFF_SPINS) {
		quoit_backoff_spin(backoff);
		return;
	}
	quoit_yield();
	if (backoff->step <= QUOIT_BACKOFF_YIELDS)
		backoff->step++;
}

/* Has it snoozed through all its steps, so that it is time to sleep or to give up? */
QUOIT_RT_WAITFREE QUOIT_HOT bool quoit_backoff_is_done(const struct quoit_backoff *backoff)
{
	return backoff->step > QUOIT_BACKOFF_YIELDS;
}

/* Start again from the first pause. */
QUOIT_RT_WAITFREE QUOIT_HOT void quoit_backoff_reset(struct quoit_backoff *backoff)
{
	backoff->step = 0;
}

/* --- strategies ------------------------------------------------------------------------------ */

/*
 * What a waiter does, in this order, each phase until its steps are used up. Spinning owns the cpu;
 * a sleep without a wake-up is late by its own length, and by the timer slack of the thread (50 us
 * unless prctl(PR_SET_TIMERSLACK) says less).
 */
enum quoit_wait_kind {
	QUOIT_WAIT_SPIN,   /* pauses for ever */
	QUOIT_WAIT_YIELD,  /* 10 pauses, then yields */
	QUOIT_WAIT_SLEEP,  /* 10 pauses, 10 yields, then sleeps of sleep_ns */
	QUOIT_WAIT_BLOCK,  /* 10 pauses, 10 yields, then sleeps until it is woken */
	QUOIT_WAIT_TIMED,  /* the same; a deadline must be given */
	QUOIT_WAIT_PHASED, /* `spins` pauses, `yields` yields, then sleeps until it is woken */
};

/*
 * One way to wait, passed by pointer and never kept; quoit_wait_block() and quoit_wait_for() make
 * the usual ones.
 * Units: nanoseconds; the deadline is a time of quoit_clock_now_ns(), of every kind alike.
 */
struct quoit_wait {
	enum quoit_wait_kind kind;
	uint32_t spins;	      /* PHASED only */
	uint32_t yields;      /* PHASED only */
	uint64_t sleep_ns;    /* SLEEP only; 0 means 1000 */
	uint64_t deadline_ns; /* absolute; 0 means never */
};

#define QUOIT_FOREVER	    (-1) /* no timeout */
#define QUOIT_PHASED_SPINS  100	 /* usual figures for PHASED */
#define QUOIT_PHASED_YIELDS 10

/*
 * The deadline that lies `timeout_ns` from now: compute it once, however often you wait. Below 0
 * there is none (the answer is 0), and one too far away to be told is none either.
 */
QUOIT_RT uint64_t quoit_deadline_ns(int64_t timeout_ns);

/*
 * What most who wait mean, for ever: sleep until woken. In C, `&(struct quoit_wait){...}` does as
 * well; in C++ one needs a variable either way.
 *
 *     const struct quoit_wait how = quoit_wait_block();
 *
 * Thread: any.
 */
QUOIT_RT_WAITFREE QUOIT_HOT struct quoit_wait quoit_wait_block(void)
{
	const struct quoit_wait how = {QUOIT_WAIT_BLOCK, 0, 0, 0, 0};

	return how;
}

/*
 * Wait in this way, and give up `timeout_ns` from now; with QUOIT_FOREVER never. PHASED gets its
 * usual figures. The deadline is a moment: make another one for another wait.
 * Thread: any.   Cost: a reading of the clock.
 */
QUOIT_RT QUOIT_HOT struct quoit_wait quoit_wait_for(enum quoit_wait_kind kind, int64_t timeout_ns)
{
	const bool phased = kind == QUOIT_WAIT_PHASED;
	const struct quoit_wait how = {kind, phased ? (uint32_t)QUOIT_PHASED_SPINS : 0,
				       phased ? (uint32_t)QUOIT_PHASED_YIELDS : 0, 0,
				       quoit_deadline_ns(timeout_ns)};

	return how;
}

/* Is this a way to wait at all? Errors: -EINVAL for an unknown kind, or TIMED without a deadline.
 */
QUOIT_RT_WAITFREE QUOIT_MUST_CHECK int quoit_wait_check(const struct quoit_wait *how);

/* --- events ---------------------------------------------------------------------------------- */

/*
 * Something that happens again and again, and that threads may sleep on. Starts zeroed. It must
 * outlive every publisher that may look at it.
 */
struct quoit_event {
	QUOIT_ISOLATED uint32_t word; /* odd while somebody sleeps or is about to */
	uint32_t sleepers;	      /* threads inside quoit_event_sleep() */
};

/*
 * Announce a sleep, and give the key for quoit_event_sleep(). After this the caller must look once
 * more at what it waits for, with a real load, and sleep only if it is not there. Each sleep needs
 * an arming of its own.
 * Thread: any.   Cost: a compare-and-swap and a full fence.
 */
QUOIT_RT_LOCKFREE QUOIT_HOT uint32_t quoit_event_arm(struct quoit_event *event)
{
	uint32_t word;

	do
		word = quoit_load(&event->word);	  /* hint: the cas looks again */
	while (!quoit_cas(&event->word, word, word | 1)); /* stir: pairs with quoit_event_owed() */
	quoit_fence_full();				  /* doze: pairs with quoit_event_fence() */
	return word | 1;
}

/*
 * Put a full fence between what was published and the look at any number of events.
 * Thread: publisher.
 */
QUOIT_RT QUOIT_HOT void quoit_event_fence(void)
{
	quoit_fence_full(); /* doze: pairs with quoit_event_arm() */
}

/*
 * Does the caller owe the sleepers of this event a wake? Call after quoit_event_fence(). Of several
 * publishers one gets true per arming, and must call quoit_event_wake().
 * Thread: publisher.   Cost: one load of a line that changes only when somebody sleeps.
 */
QUOIT_RT QUOIT_HOT bool quoit_event_owed(struct quoit_event *event)
{
#ifdef QUOIT_TSAN
	/* There is no fence then, and an exchange of nothing for nothing orders the look.
	 * doze: pairs with quoit_event_arm() */
	const uint32_t word = quoit_add(&event->word, 0);
#else
	const uint32_t word = quoit_load(&event->word); /* ordered by the fence before: doze */
#endif
	if (quoit_likely(!(word & 1)))
		return false;
	/* doze: pairs with quoit_event_arm(); stir: pairs with quoit_event_arm() */
	return quoit_cas(&event->word, word, word + 1);
}

/* Wake every sleeper. Thread: the publisher that owes it. Cost: a system call. */
void quoit_event_wake(struct quoit_event *event);

/*
 * Sleep until the event is woken, unless that has happened since `key` was given; or until the
 * deadline (0: none). May also return for nothing: look, and arm again.
 * Thread: any that has armed.   Errors: -ETIMEDOUT.   Cost: a system call.
 */
QUOIT_MUST_CHECK int quoit_event_sleep(struct quoit_event *event, uint32_t key,
				       uint64_t deadline_ns);

/* How many threads sleep on it. Once 0, with nobody to come, the event may be freed. Thread: any.
 */
QUOIT_RT_WAITFREE QUOIT_HOT uint32_t quoit_event_sleepers(const struct quoit_event *event)
{
	return quoit_load_acquire(&event->sleepers); /* rest: pairs with quoit_event_sleep() */
}

/* Wake whoever sleeps on it. Thread: a publisher, after the store not to be missed; it fences. */
QUOIT_RT_WAKES_LOCKFREE QUOIT_HOT void quoit_event_signal(struct quoit_event *event)
{
	quoit_event_fence();
	if (quoit_unlikely(quoit_event_owed(event)))
		quoit_event_wake(event);
}

/* The same out of line, for hot functions whose event is most often not there. */
QUOIT_SLOW void quoit__event_tell(struct quoit_event *event)
{
	quoit_event_signal(event);
}

/* Both directions of a ring: its reader sleeps on `data`, its producer on `space`. */
struct quoit_waits {
	struct quoit_event data;
	struct quoit_event space;
};

/* --- waiters --------------------------------------------------------------------------------- */

/* Thread: the one that waits, in all of these. */

/*
 * One wait in progress. By value, one thread's.
 *
 *     struct quoit_waiter waiter;
 *
 *     quoit_waiter_init(&waiter, how);
 *     while (true) {
 *         const uint32_t key = quoit_waiter_arm(&waiter, &event);
 *
 *         if (look())
 *             return 0;
 *         if (waiter.expired)
 *             return -ETIMEDOUT;
 *         quoit_waiter_wait(&waiter, &event, key);
 *     }
 */
struct quoit_waiter {
	struct quoit_wait how;
	uint64_t step;	/* steps taken so far; never wraps */
	uint64_t spins; /* of them, pauses and yields */
	bool expired;	/* the deadline has passed; look once more, then give up */
	bool armed;	/* the next sleep has its key */
	bool slept;	/* look before arming again */
};

/* Begin a wait. `how` has passed quoit_wait_check(). */
QUOIT_RT_WAITFREE void quoit_waiter_init(struct quoit_waiter *waiter, const struct quoit_wait *how);

/*
 * Arm the event if the next step sleeps on it: that takes a fence, which pausing does not need.
 * Gives the key, or 0. With event NULL there is nothing to arm. Right after a sleep it does not arm
 * either, because there is most often something: what is found without arming leaves the word even,
 * and the next publication silent.
 */
QUOIT_RT_LOCKFREE uint32_t quoit_waiter_arm(struct quoit_waiter *waiter, struct quoit_event *event);

/*
 * Take one step: pause, yield or sleep. Where no event can wake the sleeper it sleeps for sleep_ns.
 * The deadline is looked at on every step but the pauses, where it is every sixteenth.
 */
void quoit_waiter_wait(struct quoit_waiter *waiter, struct quoit_event *event, uint32_t key);

/* Is the next step a sleep until somebody wakes it? */
bool quoit__waiter_blocks(const struct quoit_waiter *waiter);

/* Has its deadline passed? */
bool quoit__waiter_is_late(const struct quoit_waiter *waiter);

/* It found something to do: start again from the first pause. The deadline stays. */
QUOIT_RT_WAITFREE void quoit_waiter_reset(struct quoit_waiter *waiter);

QUOIT_C_END

#endif
