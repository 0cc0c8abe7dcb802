/* SPDX-License-Identifier: MIT */
/*
 * The mark warns of what does not happen.
 *
 * expect: stale: tick
 */
#include <quoit/numa/realtime.h>

QUOIT_RT_UNLESS(armed) int tick(int n)
{
	return n + 1;
}
