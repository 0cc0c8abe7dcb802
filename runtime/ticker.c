/* SPDX-License-Identifier: MIT */
/* ticker.c - see ticker.h. */
#include <quoit/runtime/ticker.h>

#include <errno.h>

static uint64_t add(uint64_t a, uint64_t b)
{
	return b < UINT64_MAX - a ? a + b : UINT64_MAX; /* which is never, to the wheel */
}

static void tick(struct quoit_timer *timer, void *ctx)
{
	struct quoit_ticker *ticker = ctx;
	const uint64_t due = timer->deadline_ns;
	const uint64_t now = quoit_loop_now_ns(ticker->loop);
	const uint64_t missed = now > due ? (now - due) / ticker->period_ns : 0;
	const uint64_t last = due + missed * ticker->period_ns; /* not after now */

	quoit_timers_start(quoit_loop_timers(ticker->loop), timer, add(last, ticker->period_ns),
			   tick, ticker);
	ticker->fn(ticker, missed, ticker->ctx); /* may free it */
}

int quoit_ticker_start(struct quoit_loop *loop, struct quoit_ticker *ticker, uint64_t first_ns,
		       uint64_t period_ns, quoit_ticker_fn fn, void *ctx)
{
	if (!period_ns || !fn)
		return -EINVAL;
	(void)quoit_ticker_stop(ticker);
	ticker->loop = loop;
	ticker->period_ns = period_ns;
	ticker->fn = fn;
	ticker->ctx = ctx;
	quoit_timers_start(quoit_loop_timers(loop), &ticker->timer, first_ns, tick, ticker);
	return 0;
}

bool quoit_ticker_stop(struct quoit_ticker *ticker)
{
	return ticker->loop && quoit_timers_stop(quoit_loop_timers(ticker->loop), &ticker->timer);
}

bool quoit_ticker_is_running(const struct quoit_ticker *ticker)
{
	return quoit_timer_armed(&ticker->timer);
}
