/* SPDX-License-Identifier: MIT */
/*
 * A mark on what is no function.
 *
 * expect: mark: tests/rtcheck/must_fail/mark_variable.c:9
 */
#include <quoit/numa/realtime.h>

QUOIT_RT int ticks;

QUOIT_RT int tick(void)
{
	return ticks;
}
