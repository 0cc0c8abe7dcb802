/* SPDX-License-Identifier: MIT */
/*
 * So does a full fence.
 *
 * expect: atomic: tick
 */
#include <quoit/numa/atomic.h>

QUOIT_RT QUOIT_WAITFREE int tick(int *ours, const int *theirs)
{
	quoit_store(ours, 1);
	quoit_fence_full();
	return quoit_load(theirs);
}
