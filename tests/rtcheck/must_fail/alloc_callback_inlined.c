/* SPDX-License-Identifier: MIT */
/*
 * A callback that the compiler inlines: a call through a pointer in the source, and none in what is
 * shipped.
 *
 * expect: alloc: tick -> malloc
 */
#include <quoit/numa/realtime.h>

#include <stdlib.h>

void *last;

static void take(int n)
{
	last = malloc((size_t)n);
}

static inline void each(int n, void (*fn)(int))
{
	for (int i = 0; i < n; i++)
		fn(i);
}

QUOIT_RT void tick(int n)
{
	each(n, take);
}
