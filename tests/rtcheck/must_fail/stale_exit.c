/* SPDX-License-Identifier: MIT */
/*
 * An exit, in stale_exit.exits, that nothing needs.
 *
 * expect: stale: reset
 */
#include <quoit/numa/realtime.h>

QUOIT_RT int tick(int n)
{
	return n + 1;
}
