/* SPDX-License-Identifier: MIT */
/*
 * Nor can QUOIT_NO_ALLOC be promised beyond such a pointer.
 *
 * expect: indirect: tick
 */
#include <quoit/numa/realtime.h>

QUOIT_NO_ALLOC int tick(int (*fn)(int), int n)
{
	return fn(n) + fn(n + 1);
}
