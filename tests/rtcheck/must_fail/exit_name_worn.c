/* SPDX-License-Identifier: MIT */
/*
 * A function of one's own that is called like an exit of the library.
 *
 * expect: alloc: tick -> look_closely -> malloc
 */
#include <quoit/numa/realtime.h>

#include <stdlib.h>

void *last;

static void look_closely(int n)
{
	last = malloc((size_t)n);
}

QUOIT_RT void tick(int n)
{
	look_closely(n);
}
