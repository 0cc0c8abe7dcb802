/* SPDX-License-Identifier: MIT */
/*
 * Nothing is called.
 */
#include <quoit/numa/realtime.h>

QUOIT_RT QUOIT_WAITFREE QUOIT_MAX_STACK(64) int tick(int n)
{
	return n + 1;
}
