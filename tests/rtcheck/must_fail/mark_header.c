/* SPDX-License-Identifier: MIT */
/*
 * Marks in a header of one's own, and on what a program has written that tells its source.
 *
 * expect: alloc: outside -> malloc
 * expect: alloc: inside -> free
 * expect: alloc: stamped -> realloc
 */
#include "mark_header.h"

void *outside(size_t bytes)
{
	return malloc(bytes);
}

#line 10 "mix.rl"
QUOIT_RT void *stamped(void *block)
{
	return realloc(block, 64);
}
