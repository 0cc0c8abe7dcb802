/* SPDX-License-Identifier: MIT */
/*
 * No frame is large, and all of them together are.
 *
 * expect: stack: tick -> second -> third
 */
#include <quoit/numa/realtime.h>

#include <string.h>

__attribute__((noinline)) static int third(int n)
{
	volatile char bytes[200];

	memset((char *)bytes, n, sizeof(bytes));
	return bytes[n & 127];
}

__attribute__((noinline)) static int second(int n)
{
	volatile char bytes[200];

	bytes[n & 127] = (char)third(n);
	return bytes[0];
}

QUOIT_RT QUOIT_MAX_STACK(256) int tick(int n)
{
	return second(n) + 1;
}
