/* SPDX-License-Identifier: MIT */
/*
 * A handler takes no more stack than who calls it expects.
 *
 * expect: handler: setup -> deep
 */
#include <quoit/numa/realtime.h>

typedef QUOIT_RT_FN int (*handler_fn)(int n);

static handler_fn kept;

QUOIT_RT QUOIT_MAX_STACK(4096) static int deep(int n)
{
	volatile char bytes[2000];

	bytes[n & 1023] = (char)n;
	return bytes[0];
}

QUOIT_RT QUOIT_MAX_STACK(512) static int flat(int n)
{
	return n + 1;
}

void setup(int n)
{
	kept = flat;
	if (n)
		kept = deep;
}

QUOIT_RT_UNLESS(armed) int tick(int n)
{
	return kept(n);
}
