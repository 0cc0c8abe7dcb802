/* SPDX-License-Identifier: MIT */
/*
 * timer.h - user-space timers for one loop: any number, and one kernel timeout for all of them.
 *
 * A hierarchical timing wheel (G. Varghese and A. Lauck, "Hashed and Hierarchical Timing Wheels",
 * SOSP 1987, scheme 7) with a bitmap of occupied slots per level, so that neither the next
 * deadline nor a long jump of the clock walks over empty slots. Timers are intrusive: they live in
 * the caller's objects, and nothing here allocates.
 *
 * Time is cut into ticks of 2^14 ns (16.4 us). Level 0 holds one tick a slot, and each level above
 * is 64 times coarser; nine levels reach beyond the last uint64. A timer stands on the level of the
 * highest base-64 digit in which its tick differs from the wheel's, in the slot of that digit:
 *
 *   level      0        1       2       3      4       5        6        7       8
 *   one slot   16.4 us  1.05 ms 67 ms   4.3 s  4.6 min 4.9 h    13 days  2.3 y   146 y
 *
 * Everything on a level is therefore due before anything on the levels above it, and slots of one
 * level are in order of time: the first set bit of the first occupied level is the next slot. When
 * time enters a slot above level 0, its timers move down, each at most once per level.
 *
 * Promises
 *   - Never early: a timer fires in the first quoit_timers_expire() whose clock has reached its
 *     deadline rounded up to a whole tick.
 *   - Timers of different ticks fire in order of their ticks; timers of one tick in the order in
 *     which they were started. A timer started with a deadline already past goes behind all that
 *     are due then.
 *   - A deadline in the last tick of time (UINT64_MAX, say) means never: such a timer is armed and
 *     can be stopped, but does not fire and asks for no wake-up.
 *
 * Thread: all calls, and the callbacks, on the thread of the loop that owns the wheel.
 */
#ifndef QUOIT_RUNTIME_TIMER_H
#define QUOIT_RUNTIME_TIMER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <quoit/numa/machine.h>

QUOIT_C_BEGIN

struct quoit_timer;

/*
 * What a timer does. It is idle by then: the callback may start it again, stop or start any other
 * timer of the wheel (one that is due in the same batch too), and free the object it lives in. It
 * must not call quoit_timers_expire().
 */
typedef void (*quoit_timer_fn)(struct quoit_timer *t, void *ctx);

/*
 * One timer. All zero is idle. Owns: the caller, who keeps it in place while it is armed. Only
 * deadline_ns, fn and ctx are for reading; all of it is written by the functions below.
 */
struct quoit_timer {
	struct quoit_timer *next; /* circular, in order of firing; the head's prev is the last */
	struct quoit_timer *prev;
	uint64_t deadline_ns;
	quoit_timer_fn fn;
	void *ctx;
	uint32_t list; /* which list of the wheel holds it, counted from 1; 0: idle */
};

enum {
	QUOIT_TIMER_TICK_SHIFT = 14, /* a tick is 2^this ns */
	QUOIT__TIMER_DIGIT_BITS = 6,
	QUOIT__TIMER_SLOTS = 1 << QUOIT__TIMER_DIGIT_BITS,
	QUOIT__TIMER_LEVELS = 9,
	QUOIT__TIMER_DUE = QUOIT__TIMER_LEVELS * QUOIT__TIMER_SLOTS, /* the list behind the slots */
};

quoit_static_assert(QUOIT__TIMER_LEVELS *QUOIT__TIMER_DIGIT_BITS > 64 - QUOIT_TIMER_TICK_SHIFT,
		    "the levels hold every tick, and the one after the last");

struct quoit__timer_list {
	struct quoit_timer *head;
	/*
	 * No timer of this slot is due before this tick. Exact until the earliest one is stopped,
	 * after that a bound: a loop that sleeps for an hour is not woken on every level.
	 */
	uint64_t earliest;
};

/* The wheel: embedded in its loop, about 9 KiB, nothing in it for anyone else to touch. */
struct quoit_timers {
	uint64_t tick;	 /* every timer due at this tick or before it is on the due list */
	uint32_t levels; /* bit per level with an occupied slot */
	uint64_t slots[QUOIT__TIMER_LEVELS]; /* bit per occupied slot of a level */
	struct quoit__timer_list lists[QUOIT__TIMER_DUE + 1];
	struct quoit_timer pass_end; /* while callbacks run: what was started later is behind it */
};

/*
 * Make an empty wheel whose time is now_ns.
 *
 * Units: CLOCK_MONOTONIC ns, here and below.
 */
void quoit_timers_init(struct quoit_timers *w, uint64_t now_ns);

/*
 * Arm a timer; one that is armed already is moved.
 *
 * A deadline in the past fires in the next quoit_timers_expire(), never in the one whose callback
 * started it: a timer that always starts itself anew cannot hold the loop.
 * Owns: the wheel borrows *t until it fires or is stopped.   Cost: constant.
 */
QUOIT_RT void quoit_timers_start(struct quoit_timers *w, struct quoit_timer *t,
				 uint64_t deadline_ns, quoit_timer_fn fn, void *ctx);

/*
 * Disarm a timer. Tells whether it was armed; if so its callback does not run any more.
 *
 * Cost: constant.
 */
QUOIT_RT bool quoit_timers_stop(struct quoit_timers *w, struct quoit_timer *t);

/* Whether a timer is waiting to fire. False inside its own callback. */
QUOIT_RT_WAITFREE QUOIT_HOT bool quoit_timer_armed(const struct quoit_timer *t)
{
	return t->list != 0;
}

/*
 * When quoit_timers_expire() must run next: not after the moment the first timer can fire, and in
 * the past if one is due already. UINT64_MAX: no timer wants to fire.
 *
 * It may be early when timers were stopped; the call of quoit_timers_expire() then fires nothing,
 * but brings the next answer nearer to the truth, at most once per level.
 * Cost: constant, no search.
 */
QUOIT_RT uint64_t quoit_timers_next_ns(const struct quoit_timers *w);

/*
 * Bring the wheel to now_ns and run what is due, at most `budget` callbacks. Gives how many ran.
 *
 * What the budget left out stays due: it runs first in the next call, and quoit_timers_next_ns()
 * lies in the past until then. A now_ns before the last one does not turn the wheel back.
 * Cost: per timer that fires, plus at most eight moves in the life of a timer; the moves are not
 * in the budget. Nothing depends on how far the clock jumped.
 */
size_t quoit_timers_expire(struct quoit_timers *w, uint64_t now_ns, size_t budget);

QUOIT_C_END

#endif
