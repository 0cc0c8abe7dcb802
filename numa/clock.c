/* SPDX-License-Identifier: MIT */
/*
 * clock.c - the clock is not inline: the vDSO call dwarfs a function call, and a strict C11 program
 * that includes clock.h has no clock_gettime.
 */
#include <quoit/numa/sys_internal.h>
#include <quoit/numa/clock.h>

uint64_t quoit_clock_now_ns(void)
{
	struct timespec now = {0};
	const int rc = quoit__sys_clock_monotonic(&now);
	(void)rc;
	QUOIT_ASSERT(rc == 0); /* CLOCK_MONOTONIC cannot be missing */
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}
