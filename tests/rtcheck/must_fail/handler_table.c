/* SPDX-License-Identifier: MIT */
/*
 * A table belongs to nobody: what stands in it may be called by anybody.
 *
 * expect: handler: file scope -> careless
 */
#include <quoit/numa/realtime.h>

typedef QUOIT_RT_FN void (*handler_fn)(int n);

static int total;

QUOIT_RT static void careful(int n)
{
	total += n;
}

static void careless(int n)
{
	total -= n;
}

static const handler_fn handlers[] = {careful, careless};

QUOIT_RT_UNLESS(armed) void tick(int n)
{
	handlers[n & 1](n);
}
