/* SPDX-License-Identifier: MIT */
/* work_internal.h - what the beginning and the end of a loop ask of work.c. */
#ifndef QUOIT_RUNTIME_WORK_INTERNAL_H
#define QUOIT_RUNTIME_WORK_INTERNAL_H

#include <quoit/runtime/loop_internal.h>
#include <quoit/runtime/work.h>

void quoit_works_init(struct quoit_loop *loop);

/* Nothing is out any more. Waits for a worker that is just about to ring. */
void quoit_works_close(struct quoit_loop *loop);

/* Cancel all that still waits for a worker. Not in a handler. */
void quoit_works_cancel(struct quoit_loop *loop);

/* How many are out, and the name of the first of them; "work" if it has none. */
unsigned quoit_works_open(const struct quoit_loop *loop, const char **name);

QUOIT_HOT bool quoit_works_are_open(const struct quoit_loop *loop)
{
	return quoit_link_is_in(&loop->works.open);
}

#endif
