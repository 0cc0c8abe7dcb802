/* SPDX-License-Identifier: MIT */
/*
 * Giving back may lock, and unmap.
 *
 * expect: alloc: tick -> drop -> free
 */
#include <quoit/numa/realtime.h>

#include <stdlib.h>

static void drop(void *block)
{
	free(block);
}

QUOIT_RT void tick(void *block)
{
	drop(block);
}
