/* SPDX-License-Identifier: MIT */
/*
 * A locked instruction where each word should have one writer.
 *
 * expect: atomic: tick -> count
 */
#include <quoit/numa/atomic.h>

__attribute__((noinline)) static void count(unsigned long *n)
{
	(void)quoit_add(n, 1);
}

QUOIT_RT QUOIT_WAITFREE void tick(unsigned long *n)
{
	count(n);
	count(n + 1);
}
