/* SPDX-License-Identifier: MIT */
/*
 * clock.h - the time that only goes forward, and two cheaper ways to tell it.
 */
#ifndef QUOIT_NUMA_CLOCK_H
#define QUOIT_NUMA_CLOCK_H

#include <quoit/numa/machine.h>

QUOIT_C_BEGIN

/*
 * Nanoseconds of CLOCK_MONOTONIC: since some point before the process began, not counting suspend.
 *
 * Thread: any.   Cost: about 35 ns through the vDSO. A loop asks once a turn and passes it on.
 */
QUOIT_RT uint64_t quoit_clock_now_ns(void);

/*
 * The same clock as it was at the last timer tick: up to 10 ms old, and never ahead of
 * quoit_clock_now_ns(). Thread: any.   Cost: about 5 ns, it reads no counter.
 */
QUOIT_RT uint64_t quoit_clock_coarse_ns(void);

/*
 * How long after `from_ns` is `to_ns`, as the unsigned difference: right across a wrap at 2^64, and
 * huge when `to_ns` is the earlier one.
 */
QUOIT_RT_WAITFREE QUOIT_HOT uint64_t quoit_clock_elapsed_ns(uint64_t from_ns, uint64_t to_ns)
{
	return to_ns - from_ns;
}

/* What quoit_ticks() counts, in nanoseconds. */
struct quoit_ticks_scale {
	uint64_t ns_per_tick; /* 32 bits of it behind the point */
	uint64_t error_ppm;   /* how far off it may be: how long the two looks at both took */
};

/*
 * Learn the scale from the clock, which goes by while the calling thread sleeps for `during_ns` (0:
 * 10 ms). The longer, the better: half a microsecond of 10 ms are 50 ppm.
 *
 * Thread: any.   Errors: -EOPNOTSUPP where quoit_ticks() counts nothing; `scale` is untouched then.
 */
QUOIT_MUST_CHECK int quoit_ticks_calibrate(struct quoit_ticks_scale *scale, uint64_t during_ns);

/* A difference of quoit_ticks() in nanoseconds; right up to 2^64 of them. */
QUOIT_RT_WAITFREE QUOIT_HOT uint64_t quoit_ticks_to_ns(const struct quoit_ticks_scale *scale,
						       uint64_t ticks)
{
	__extension__ typedef unsigned __int128 wide;

	return (uint64_t)((wide)ticks * scale->ns_per_tick >> 32);
}

/* What it costs to ask, in picoseconds: the best of many rounds. */
struct quoit_clock_cost {
	uint64_t now_ps;
	uint64_t coarse_ps;
	uint64_t ticks_ps;
	uint64_t call_ps; /* of the clock by a system call */
};

/*
 * Measure it. Thread: any.   Cost: about a millisecond.
 */
void quoit_clock_measure(struct quoit_clock_cost *cost);

/*
 * Does the clock answer without a system call? Not where the kernel counts time by something that
 * programs cannot read, as some virtual machines do: each quoit_clock_now_ns() is a system call
 * then. `cost` is what was measured.
 */
bool quoit_clock_is_vdso(const struct quoit_clock_cost *cost);

QUOIT_C_END

#endif
