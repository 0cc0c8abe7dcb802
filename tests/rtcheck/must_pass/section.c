/* SPDX-License-Identifier: MIT */
/*
 * A section with a hole in it, in a function that keeps the promise by itself.
 */
#include <quoit/numa/realtime.h>
#include <quoit/numa/rt_section.h>

QUOIT_RT_WAITFREE int tick(int n)
{
	quoit_rt_enter();
	n++;
	quoit_rt_allow_begin();
	n += 3;
	quoit_rt_allow_end();
	quoit_rt_exit();
	return n;
}
