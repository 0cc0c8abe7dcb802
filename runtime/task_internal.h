/* SPDX-License-Identifier: MIT */
/* task_internal.h - what a loop's turn asks of task.c. Nothing waits, nothing is called. */
#ifndef QUOIT_RUNTIME_TASK_INTERNAL_H
#define QUOIT_RUNTIME_TASK_INTERNAL_H

#include <quoit/runtime/loop_internal.h>
#include <quoit/runtime/task.h>

void quoit_tasks_init(struct quoit_loop *loop);

/* Those that were deferred before this call, up to the budget. */
void quoit__tasks_run(struct quoit_loop *loop);

/* The hooks, if nothing else is left to do. Notes in loop->idle_busy whether one did something. */
void quoit__idles_run(struct quoit_loop *loop);

QUOIT_HOT void quoit_tasks_run(struct quoit_loop *loop)
{
	if (quoit_link_is_in(&loop->tasks))
		quoit__tasks_run(loop);
}

QUOIT_HOT void quoit_idles_run(struct quoit_loop *loop)
{
	if (quoit_link_is_in(&loop->idles) || loop->idle_busy)
		quoit__idles_run(loop);
}

/* Something that keeps the loop from being freed. */
bool quoit_tasks_are_attached(const struct quoit_loop *loop);

/* The loop ends: what still waits is at rest again, and may be cancelled after it is gone. */
void quoit_tasks_forget(struct quoit_loop *loop);

#endif
