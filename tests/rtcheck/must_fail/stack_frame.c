/* SPDX-License-Identifier: MIT */
/*
 * More than the bound in one frame.
 *
 * expect: stack: tick
 */
#include <quoit/numa/realtime.h>

#include <string.h>

QUOIT_RT int tick(int n)
{
	volatile char bytes[2000];

	memset((char *)bytes, n, sizeof(bytes));
	return bytes[n & 1023];
}
