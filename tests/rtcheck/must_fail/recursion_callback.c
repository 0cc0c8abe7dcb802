/* SPDX-License-Identifier: MIT */
/*
 * Two functions that call each other, one of them through a pointer that the compiler sees through.
 *
 * expect: recursion: tick -> odd -> tick
 */
#include <quoit/numa/realtime.h>

QUOIT_RT int tick(int n);

__attribute__((noinline)) static int odd(int n)
{
	return n ? tick(n - 1) + 3 : 0;
}

__attribute__((noinline)) int tick(int n)
{
	int (*fn)(int) = odd;

	return n ? fn(n - 1) * n : 1;
}
