/* SPDX-License-Identifier: MIT */
/*
 * Nobody has said what it does.
 *
 * expect: unknown: tick -> somewhere_else
 */
#include <quoit/numa/realtime.h>

void somewhere_else(int n);

QUOIT_RT void tick(int n)
{
	somewhere_else(n);
}
