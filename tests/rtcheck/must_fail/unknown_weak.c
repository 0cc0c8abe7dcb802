/* SPDX-License-Identifier: MIT */
/*
 * A weak function gives way to what another source has of that name.
 *
 * expect: unknown: tick -> hook
 */
#include <quoit/numa/realtime.h>

__attribute__((weak)) void hook(int n)
{
	(void)n;
}

QUOIT_RT void tick(int n)
{
	hook(n);
}
