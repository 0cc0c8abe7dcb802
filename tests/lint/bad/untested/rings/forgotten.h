/* SPDX-License-Identifier: MIT */
/*
 * forgotten.h - what no test calls.
 *
 * name_push(), name_pop() are made by QUOIT_PILE().
 */
#ifndef QUOIT_RINGS_FORGOTTEN_H
#define QUOIT_RINGS_FORGOTTEN_H

/* A test calls this one. */
static inline int quoit_pile_used(void)
{
	return 1;
}

/* A test only speaks of this one. */
int quoit_pile_spoken_of(void); /* BAD */

/* Called by what a test calls, which a macro has made. */
static inline int quoit_pile_behind(void)
{
	return 2;
}

/* Called by what no test calls. */
int quoit_pile_far_behind(void); /* BAD */

#define QUOIT_PILE(name)                             \
	static inline int name##_push(void)          \
	{                                            \
		return quoit_pile_behind();          \
	}                                            \
	static inline int name##_pop(void) /* BAD */ \
	{                                            \
		return quoit_pile_far_behind();      \
	}                                            \
	struct name

#endif
