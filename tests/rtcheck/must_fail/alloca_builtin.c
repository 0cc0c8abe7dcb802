/* SPDX-License-Identifier: MIT */
/*
 * Stack by the byte, as many as the caller says.
 *
 * expect: alloca: tick
 */
#include <quoit/numa/realtime.h>

#include <string.h>

QUOIT_RT int tick(const char *bytes, unsigned long n)
{
	char *const copy = __builtin_alloca(n);

	memcpy(copy, bytes, n);
	return copy[n / 2];
}
