/* SPDX-License-Identifier: MIT */
/*
 * A large frame whose bound is told.
 */
#include <quoit/numa/realtime.h>

#include <string.h>

QUOIT_RT QUOIT_MAX_STACK(4096) int tick(int n)
{
	volatile char bytes[2000];

	memset((char *)bytes, n, sizeof(bytes));
	return bytes[n & 1023];
}
