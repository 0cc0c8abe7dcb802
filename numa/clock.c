/* SPDX-License-Identifier: MIT */
/*
 * clock.c - the clock is not inline: the vDSO call dwarfs a function call, and a strict C11 program
 * that includes clock.h has no clock_gettime.
 */
#include <quoit/numa/sys_internal.h>
#include <quoit/numa/clock.h>

#define CALIBRATE_NS	 (10 * 1000 * 1000)
#define CALIBRATE_ROUNDS 32
#define MEASURE_ROUNDS	 50
#define MEASURE_CALLS	 64

static uint64_t to_ns(const struct timespec *time)
{
	return (uint64_t)time->tv_sec * 1000000000u + (uint64_t)time->tv_nsec;
}

uint64_t quoit_clock_now_ns(void)
{
	struct timespec now = {0};
	const int rc = quoit__sys_clock_monotonic(&now);
	(void)rc;
	QUOIT_ASSERT(rc == 0); /* CLOCK_MONOTONIC cannot be missing */
	return to_ns(&now);
}

uint64_t quoit_clock_coarse_ns(void)
{
	struct timespec now = {0};
	const int rc = quoit__sys_clock_coarse(&now);
	(void)rc;
	QUOIT_ASSERT(rc == 0); /* since Linux 2.6.32 */
	return to_ns(&now);
}

/* --- ticks ----------------------------------------------------------------------------------- */

/* Counter and clock at the same moment, give or take `gap` ticks. */
struct reading {
	uint64_t ticks, ns, gap;
};

/* Of several looks the one that was interrupted least. */
static struct reading read_both(void)
{
	struct reading best = {.gap = UINT64_MAX};
	for (int i = 0; i < CALIBRATE_ROUNDS; i++) {
		const uint64_t before = quoit_ticks();
		const uint64_t ns = quoit_clock_now_ns();
		const uint64_t gap = quoit_ticks() - before;
		if (gap < best.gap)
			best = (struct reading){before + gap / 2, ns, gap};
	}
	return best;
}

int quoit_ticks_calibrate(struct quoit_ticks_scale *scale, uint64_t during_ns)
{
	const struct reading first = read_both();
	const uint64_t until_ns = first.ns + (during_ns ? during_ns : CALIBRATE_NS);
	do /* a signal may shorten it */
		quoit__sys_sleep_until(until_ns);
	while (quoit_clock_now_ns() < until_ns);
	const struct reading last = read_both();
	const uint64_t ticks = last.ticks - first.ticks;
	if (ticks == 0)
		return -EOPNOTSUPP;
	const unsigned __int128 ns = last.ns - first.ns;
	const uint64_t gaps = first.gap / 2 + last.gap / 2 + 1;
	scale->ns_per_tick = (uint64_t)((ns << 32) / ticks);
	scale->error_ppm = (uint64_t)((unsigned __int128)gaps * 1000000 / ticks + 1);
	return 0;
}

/* --- what it costs ---------------------------------------------------------------------------- */

static uint64_t ask_by_call(void)
{
	struct timespec now = {0};
	(void)quoit__sys_clock_by_call(&now); /* a sandbox that refuses is told by the price */
	return to_ns(&now);
}

static uint64_t ask_ticks(void)
{
	return quoit_ticks();
}

static uint64_t price_ps(uint64_t (*ask)(void))
{
	uint64_t best_ns = UINT64_MAX;
	for (int round = 0; round < MEASURE_ROUNDS; round++) {
		volatile uint64_t answer; /* asked for, whatever the compiler thinks of it */
		const uint64_t before_ns = quoit_clock_now_ns();
		for (int i = 0; i < MEASURE_CALLS; i++)
			answer = ask();
		(void)answer;
		best_ns = quoit_min(best_ns, quoit_clock_now_ns() - before_ns);
	}
	return best_ns * 1000 / MEASURE_CALLS;
}

void quoit_clock_measure(struct quoit_clock_cost *cost)
{
	*cost = (struct quoit_clock_cost){
		.now_ps = price_ps(quoit_clock_now_ns),
		.coarse_ps = price_ps(quoit_clock_coarse_ns),
		.ticks_ps = price_ps(ask_ticks),
		.call_ps = price_ps(ask_by_call),
	};
}

bool quoit_clock_is_vdso(const struct quoit_clock_cost *cost)
{
	/* Where the vDSO gives up it makes the call itself, so both cost the same, or it more. */
	return cost->now_ps < cost->call_ps / 4 * 3;
}
