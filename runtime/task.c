/* SPDX-License-Identifier: MIT */
/* task.c - see task.h. */
#include <quoit/runtime/task_internal.h>

#include <quoit/numa/clock.h>

#define TASKS_A_TURN 256

void quoit_tasks_init(struct quoit_loop *loop)
{
	quoit_link_init(&loop->tasks);
	quoit_link_init(&loop->idles);
	loop->idle_busy = false;
}

/* --- tasks ----------------------------------------------------------------------------------- */

static struct quoit_task *task_of(struct quoit_link *link)
{
	return quoit_container_of(link, struct quoit_task, link);
}

void quoit_task_defer(struct quoit_loop *loop, struct quoit_task *task, quoit_task_fn fn, void *ctx)
{
	QUOIT_ASSERT(fn);
	QUOIT_ASSERT(!task->loop || task->loop == loop);
	task->fn = fn;
	task->ctx = ctx;
	if (task->loop)
		return;
	task->loop = loop;
	quoit_link_init(&task->link);
	quoit_link_append(&loop->tasks, &task->link);
}

bool quoit_task_cancel(struct quoit_task *task)
{
	if (!task->loop)
		return false;
	task->loop = NULL;
	quoit_link_remove(&task->link);
	return true;
}

bool quoit_task_is_deferred(const struct quoit_task *task)
{
	return task->loop != NULL;
}

/* A mark behind those that are there: what a task defers waits behind it. */
void quoit__tasks_run(struct quoit_loop *loop)
{
	struct quoit_link end;
	size_t ran = 0;

	quoit_link_init(&end);
	quoit_link_append(&loop->tasks, &end);
	while (ran < TASKS_A_TURN && loop->tasks.next != &end) {
		struct quoit_task *task = task_of(loop->tasks.next);

		(void)quoit_task_cancel(task);
		ran++;
		task->fn(task, task->ctx); /* may free it */
	}
	quoit_link_remove(&end);
	quoit_count(&loop->counts.tasks, ran);
}

/* --- idle hooks ------------------------------------------------------------------------------ */

void quoit_idle_add(struct quoit_loop *loop, struct quoit_idle *idle, quoit_idle_fn fn, void *ctx)
{
	QUOIT_ASSERT(fn);
	QUOIT_ASSERT(!idle->loop || idle->loop == loop);
	idle->fn = fn;
	idle->ctx = ctx;
	if (idle->loop)
		return;
	idle->loop = loop;
	quoit_link_init(&idle->link);
	quoit_link_append(&loop->idles, &idle->link);
}

bool quoit_idle_remove(struct quoit_idle *idle)
{
	if (!idle->loop)
		return false;
	idle->loop = NULL;
	quoit_link_remove(&idle->link);
	return true;
}

/* Whether a turn would find something that is not only prepared for the kernel. */
static bool is_busy(struct quoit_loop *loop)
{
	if (quoit_loop_next_ns(loop) <= loop->now_ns)
		return true;
	return loop->uring.guest ? quoit_loop_has_work(loop) : quoit_loop_has_news(loop);
}

/* Each once. A hook may remove any of them: each is back in the list before it is called. */
void quoit__idles_run(struct quoit_loop *loop)
{
	struct quoit_link round;
	struct quoit_link *link;

	loop->idle_busy = false;
	if (is_busy(loop))
		return;
	quoit_link_move_all(&loop->idles, &round);
	while ((link = quoit_link_take(&round))) {
		struct quoit_idle *idle = quoit_container_of(link, struct quoit_idle, link);

		quoit_link_append(&loop->idles, link);
		if (idle->fn(idle, idle->ctx)) /* may free it */
			loop->idle_busy = true;
	}
}

/* --- the end --------------------------------------------------------------------------------- */

bool quoit_tasks_are_attached(const struct quoit_loop *loop)
{
	return quoit_link_is_in(&loop->tasks) || quoit_link_is_in(&loop->idles);
}

void quoit_tasks_forget(struct quoit_loop *loop)
{
	while (quoit_link_is_in(&loop->tasks))
		(void)quoit_task_cancel(task_of(loop->tasks.next));
	while (quoit_link_is_in(&loop->idles))
		(void)quoit_idle_remove(
			quoit_container_of(loop->idles.next, struct quoit_idle, link));
}
