/* SPDX-License-Identifier: MIT */
/*
 * A broken contract stops the process, and so is no part of a promise.
 */
#include <quoit/numa/machine.h>

QUOIT_RT QUOIT_WAITFREE int tick(int n)
{
	QUOIT_ASSERT(n > 0);
	return n - 1;
}
