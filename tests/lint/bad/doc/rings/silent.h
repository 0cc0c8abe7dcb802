/* SPDX-License-Identifier: MIT */
/*
 * silent.h - functions and macros of which too little is said. Makes name_close().
 */
#ifndef QUOIT_RINGS_SILENT_H
#define QUOIT_RINGS_SILENT_H

#include <quoit/numa/machine.h>

struct quoit_box {
	int n;
};

int quoit_box_open(const struct quoit_box *box); /* BAD: nothing above */

/* Says what it does, but not what can go wrong. */
QUOIT_MUST_CHECK int quoit_box_fill(const struct quoit_box *box); /* BAD */

/* Says what it does, but not whose it is. */
void quoit_box_empty(struct quoit_box *box); /* BAD */

/* Says both. Thread: any. */
void quoit_box_shut(struct quoit_box *box);
void quoit_box_lock(struct quoit_box *box); /* in one paragraph with it */

/* --- a section ------------------------------------------------------------------------------- */

/* Thread: the owner's, in all of these. */

/* How much is in it. */
int quoit_box_length(struct quoit_box *box);

#define QUOIT_BOX_SIZE(box) ((box)->n) /* BAD */

/* Boxes of a name. */
#define QUOIT_BOX(name)                                         \
	static inline int name##_close(struct name *b)          \
	{                                                       \
		return b->n;                                    \
	}                                                       \
	static inline int name##_size(struct name *b) /* BAD */ \
	{                                                       \
		return b->n;                                    \
	}                                                       \
	struct name

#endif
