/* SPDX-License-Identifier: MIT */
/*
 * ticker.h - a timer that goes off at regular intervals, without drift.
 *
 * The tick after the one at t is at t + period, however late the loop came to the first. A loop
 * that was held up for longer than a period is told of one tick, the last one that is due, and how
 * many it has missed before it; there is never a burst of ticks to catch up. What is told and what
 * was missed add up to the ticks that there have been.
 *
 * It stands on the timers of timer.h, with their promises: never early, and all of its costs are
 * constant.
 *
 * Thread: the loop's.
 */
#ifndef QUOIT_RUNTIME_TICKER_H
#define QUOIT_RUNTIME_TICKER_H

#include <quoit/runtime/loop.h>
#include <quoit/runtime/timer.h>

QUOIT_C_BEGIN

struct quoit_ticker;

/*
 * A tick, and how many before it were skipped because the loop came too late. The next one is set
 * already: the function may stop the ticker, start it anew, or stop and free it.
 */
typedef void (*quoit_ticker_fn)(struct quoit_ticker *ticker, uint64_t missed, void *ctx);

/* Owns: the caller, who keeps it in place while it runs. All zero is stopped. */
struct quoit_ticker {
	struct quoit_timer timer; /* its deadline_ns is the next tick */
	struct quoit_loop *loop;
	uint64_t period_ns;
	quoit_ticker_fn fn;
	void *ctx;
};

/*
 * Tick at `first_ns`, and every `period_ns` from then on. One that runs already is started anew.
 *
 * Units: first_ns as in quoit_clock_now_ns(), period_ns at least 1; one below a tick of the wheel
 * (16.4 us) goes off once a wheel's tick, and the others are missed.
 * Errors: -EINVAL for a period of 0.
 */
QUOIT_MUST_CHECK int quoit_ticker_start(struct quoit_loop *loop, struct quoit_ticker *ticker,
					uint64_t first_ns, uint64_t period_ns, quoit_ticker_fn fn,
					void *ctx);

/* No more ticks. Tells whether it ran. */
bool quoit_ticker_stop(struct quoit_ticker *ticker);

/* Does it tick? Also true inside its own function, unless that has stopped it. */
bool quoit_ticker_is_running(const struct quoit_ticker *ticker);

QUOIT_C_END

#endif
