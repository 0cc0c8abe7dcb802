/* SPDX-License-Identifier: MIT */
/*
 * What a QUOIT_RT_FN points to may ring: whoever calls it says so.
 *
 * expect: exit: tick
 */
#include <quoit/numa/realtime.h>

typedef QUOIT_RT_FN int (*handler_fn)(int n);

QUOIT_RT int tick(handler_fn fn, int n)
{
	return fn(n) + 1;
}
