/* SPDX-License-Identifier: MIT */
/*
 * There is no such exit.
 *
 * expect: mark: tick
 */
#include <quoit/numa/realtime.h>

QUOIT_RT_UNLESS(lucky) int tick(int n)
{
	return n + 1;
}
