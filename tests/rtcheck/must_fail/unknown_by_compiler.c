/* SPDX-License-Identifier: MIT */
/*
 * The compiler's own calls are only in the instructions.
 *
 * expect: unknown: tick -> __divti3
 */
#include <quoit/numa/realtime.h>

__extension__ typedef __int128 wide;

QUOIT_RT wide tick(wide n, wide by)
{
	return n / by;
}
