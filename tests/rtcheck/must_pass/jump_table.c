/* SPDX-License-Identifier: MIT */
/*
 * A switch may jump by way of a table, which is no call.
 */
#include <quoit/numa/realtime.h>

extern int a, b, c, d, e, f;

QUOIT_RT QUOIT_WAITFREE int tick(int n)
{
	switch (n) {
	case 0:
		return a++;
	case 1:
		return b--;
	case 2:
		return c += 7;
	case 3:
		return d *= 3;
	case 4:
		return e ^= 5;
	case 5:
		return f += a;
	default:
		return 0;
	}
}
