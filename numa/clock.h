/* SPDX-License-Identifier: MIT */
/*
 * clock.h - the time that only goes forward.
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
uint64_t quoit_clock_now_ns(void);

/*
 * How long after `from_ns` is `to_ns`, as the unsigned difference: right across a wrap at 2^64, and
 * huge when `to_ns` is the earlier one.
 */
QUOIT_HOT uint64_t quoit_clock_elapsed_ns(uint64_t from_ns, uint64_t to_ns)
{
	return to_ns - from_ns;
}

QUOIT_C_END

#endif
