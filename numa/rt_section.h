/* SPDX-License-Identifier: MIT */
/*
 * rt_section.h - stretches of a thread's way on which nothing may allocate or block.
 *
 *     quoit_rt_enter();
 *     ...                        neither memory nor the kernel is asked for anything
 *     quoit_rt_allow_begin();
 *     ...                        but here, for a reason that the author knows
 *     quoit_rt_allow_end();
 *     quoit_rt_exit();
 *
 * By itself this does nothing. A program that is linked with libquoit_rtguard.a (rt_guard.h) is
 * told of everything that such a section does all the same. The objects are the same in both: the
 * guard is a weak symbol, which is there or is not. Not a macro, because then what is tested would
 * not be what ships, the library's own loop among it; and not a pointer of the library's, because
 * the ring headers are of use without the library.
 *
 * Sections and holes nest in any order, at most 62 of them, and end in the opposite one; the
 * innermost decides. They belong to the thread. A section may go on while functions return: a whole
 * loop can run in one.
 *
 * Thread: any, in everything here; signal handlers too.
 * Cost: without the guard two or three instructions each, a load and a branch that is not taken.
 */
#ifndef QUOIT_NUMA_RT_SECTION_H
#define QUOIT_NUMA_RT_SECTION_H

#include <quoit/numa/machine.h>

QUOIT_C_BEGIN

/* The guard's end of it. Private. */
enum quoit__rt_step {
	QUOIT__RT_ENTER,
	QUOIT__RT_EXIT,
	QUOIT__RT_ALLOW_BEGIN,
	QUOIT__RT_ALLOW_END,
};
extern void quoit__rt_step(unsigned step) __attribute__((weak));

/* Is the guard linked to this program? */
QUOIT_HOT bool quoit_rt_is_guarded(void)
{
	return quoit__rt_step != NULL;
}

/* From here on this thread may neither allocate nor block. */
QUOIT_HOT void quoit_rt_enter(void)
{
	if (quoit_unlikely(quoit_rt_is_guarded()))
		quoit__rt_step(QUOIT__RT_ENTER);
}

/* It may again, unless it was in a section before. */
QUOIT_HOT void quoit_rt_exit(void)
{
	if (quoit_unlikely(quoit_rt_is_guarded()))
		quoit__rt_step(QUOIT__RT_EXIT);
}

/* A hole in the section: what follows is let through. Say why, where you call it. */
QUOIT_HOT void quoit_rt_allow_begin(void)
{
	if (quoit_unlikely(quoit_rt_is_guarded()))
		quoit__rt_step(QUOIT__RT_ALLOW_BEGIN);
}

/* The end of it. */
QUOIT_HOT void quoit_rt_allow_end(void)
{
	if (quoit_unlikely(quoit_rt_is_guarded()))
		quoit__rt_step(QUOIT__RT_ALLOW_END);
}

QUOIT_C_END

#endif
