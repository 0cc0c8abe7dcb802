/* SPDX-License-Identifier: MIT */
/*
 * Nothing of this has code of its own, and yet it is found by name.
 *
 * expect: alloc: tick -> first -> second -> realloc
 */
#include <quoit/numa/realtime.h>

#include <stdlib.h>

static inline __attribute__((always_inline)) void *second(void *block)
{
	return realloc(block, 32);
}

static inline __attribute__((always_inline)) void *first(void *block)
{
	return second(block);
}

QUOIT_NO_ALLOC static inline __attribute__((always_inline)) void *tick(void *block)
{
	return first(block);
}
