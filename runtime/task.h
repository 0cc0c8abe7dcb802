/* SPDX-License-Identifier: MIT */
/*
 * task.h - things that a loop does a little later: deferred tasks, and hooks for when it is idle.
 *
 * A task runs once, on the loop's own thread, when the handlers that are running now have returned:
 * after the timers of this turn, or of the next one if that is over. Tasks run in the order in
 * which they were deferred, up to 256 in a turn; a task that is deferred by a task, itself
 * for instance, waits for the next turn, so that rings and sockets have theirs in between. While
 * tasks wait the loop does not sleep.
 *
 * An idle hook is called when a turn has come to its end and nothing is left to do: no completion,
 * no item, no timer that is due, no task. It tells whether it found something to do itself. If so
 * the loop makes another turn before it sleeps, in which it is called again if there is still
 * nothing else; if not the loop sleeps, and calls it again before the next sleep. A hook that
 * always says that it did something keeps the loop awake for ever, which is then what it wants.
 *
 * Both live in the caller's memory, where all zero is at rest, and nothing here allocates.
 *
 * Thread: the loop's.
 */
#ifndef QUOIT_RUNTIME_TASK_H
#define QUOIT_RUNTIME_TASK_H

#include <quoit/io/link.h>
#include <quoit/runtime/loop.h>

QUOIT_C_BEGIN

struct quoit_task;
struct quoit_idle;

/* What a task does. It is at rest by then: it may be deferred again, or freed. */
typedef void (*quoit_task_fn)(struct quoit_task *task, void *ctx);

/* Gives whether it did something. It may be removed, and freed, by then. */
typedef bool (*quoit_idle_fn)(struct quoit_idle *idle, void *ctx);

/* Owns: the caller, who keeps it in place while it waits. For reading: fn and ctx. */
struct quoit_task {
	struct quoit_link link;
	struct quoit_loop *loop; /* NULL: at rest */
	quoit_task_fn fn;
	void *ctx;
};

/* Owns: the caller, who keeps it in place until it is removed. For reading: fn and ctx. */
struct quoit_idle {
	struct quoit_link link;
	struct quoit_loop *loop; /* NULL: at rest */
	quoit_idle_fn fn;
	void *ctx;
};

/*
 * Run `fn` later, once. A task that waits already keeps its place, and gets this `fn` and `ctx`; it
 * must not wait on another loop.
 *
 * Owns: the loop borrows *task until it runs or is cancelled. quoit_loop_destroy() gives -EBUSY
 * before; the last turn of a core's loop forgets those that still wait.   Cost: constant.
 */
QUOIT_RT void quoit_task_defer(struct quoit_loop *loop, struct quoit_task *task, quoit_task_fn fn,
			       void *ctx);

/* Do not run it. Tells whether it waited. Also from another task of the same turn. */
QUOIT_RT bool quoit_task_cancel(struct quoit_task *task);

/* Does it wait to be run? False inside its own function. */
QUOIT_RT bool quoit_task_is_deferred(const struct quoit_task *task);

/*
 * Call `fn` whenever the loop is about to sleep. Those that were added first are called first, and
 * all of them each time. One that is there already is not added twice.
 *
 * Owns: the loop borrows *idle until it is removed; quoit_loop_destroy() gives -EBUSY before.
 */
void quoit_idle_add(struct quoit_loop *loop, struct quoit_idle *idle, quoit_idle_fn fn, void *ctx);

/* Not any more. Tells whether it was there. Also from itself or another hook. */
bool quoit_idle_remove(struct quoit_idle *idle);

QUOIT_C_END

#endif
