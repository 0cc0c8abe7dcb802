/* SPDX-License-Identifier: MIT */
/*
 * Handlers in variables, of this file and of all.
 */
#include <quoit/numa/realtime.h>

typedef QUOIT_RT_FN int (*handler_fn)(int n);

handler_fn first;
static handler_fn second;

void setup(handler_fn fn)
{
	second = fn;
}

QUOIT_RT_UNLESS(armed) int tick(int n)
{
	return first(n);
}

QUOIT_RT_UNLESS(armed) int tock(int n)
{
	return second(n);
}
