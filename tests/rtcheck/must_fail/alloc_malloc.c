/* SPDX-License-Identifier: MIT */
/*
 * A block from the heap, two calls away.
 *
 * expect: alloc: tick -> refill -> malloc
 */
#include <quoit/numa/realtime.h>

#include <stdlib.h>

static char *spare;

static void refill(void)
{
	if (!spare)
		spare = malloc(64);
}

QUOIT_RT void tick(void)
{
	refill();
}
