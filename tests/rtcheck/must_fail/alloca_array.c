/* SPDX-License-Identifier: MIT */
/*
 * The same as an array.
 *
 * expect: alloca: tick -> middle
 */
#include <quoit/numa/realtime.h>

#include <string.h>

static int middle(const char *bytes, unsigned long n)
{
	char copy[n + 1];

	memcpy(copy, bytes, n);
	return copy[n / 2];
}

QUOIT_RT int tick(const char *bytes, unsigned long n)
{
	return middle(bytes, n);
}
