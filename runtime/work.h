/* SPDX-License-Identifier: MIT */
/*
 * work.h - blocking work on a few threads beside the loops: files, name look-ups, long sums.
 *
 *     struct quoit_work work = {.fn = resolve, .done = resolved, .ctx = request, .name = "dns"};
 *     rc = quoit_work_submit(workers, loop, &work);
 *
 * `fn` runs on one of the workers' threads, and may block there for as long as it likes. What it
 * returns comes back as a message to the loop that submitted it, where `done` is told it: exactly
 * once for each successful submit, also if it was cancelled. Works begin in the order in which they
 * were submitted; `done` is called in the order in which those of one loop ended.
 *
 * One set of workers may serve any number of loops. How much may wait for them is limited; beyond
 * that submitting gives -EAGAIN, and the loop has to wait for some `done`.
 *
 * A loop cannot be destroyed while work of its own is out (-EBUSY), and a core does not end before
 * either: see quoit_runtime_stop(). At the deadline of a stop what still waits is cancelled; what
 * still runs is named in the reason, and leaves the core's memory to whoever hangs.
 */
#ifndef QUOIT_RUNTIME_WORK_H
#define QUOIT_RUNTIME_WORK_H

#include <quoit/io/link.h>
#include <quoit/numa/reason.h>
#include <quoit/runtime/loop.h>

QUOIT_C_BEGIN

struct quoit_workers;
struct quoit_work;

/* Zero means the default everywhere. */
struct quoit_workers_options {
	unsigned threads;     /* 1 to 256; default 4 */
	unsigned queue_slots; /* works that may wait for a thread, up to 1,048,576; default 256 */
	const char *name;     /* of the threads, for people: up to 11 bytes; default "work" */
};

/* On a worker: nothing of the loop may be touched here. Gives what `done` is told. */
typedef int (*quoit_work_fn)(struct quoit_work *work, void *ctx);

/* On the loop: what `fn` gave, or -ECANCELED if it never ran. `work` may be submitted again here,
 * or freed. */
typedef void (*quoit_work_done_fn)(struct quoit_work *work, int result, void *ctx);

/* Owns: the caller, who fills in the first four and keeps it in place until `done`. */
struct quoit_work {
	quoit_work_fn fn;
	quoit_work_done_fn done;
	void *ctx;
	const char *name; /* for the reason when it is stuck; may be NULL */

	/* The library's; all zero is at rest. */
	struct quoit_link link; /* in the queue, then in the loop's list of those that are back */
	struct quoit_link of_loop; /* in the list of all that a loop has out */
	struct quoit_work *older;  /* on the way back: the one that came back before */
	struct quoit_loop *loop;   /* NULL: at rest */
	struct quoit_workers *workers;
	int result;
	uint32_t state;
};

/* The options' size goes along, so that a newer library knows an older program's. */
int quoit__workers_create(const struct quoit_workers_options *options, size_t bytes,
			  struct quoit_workers **workers, struct quoit_reason *why);

/*
 * Start the threads, with all signals blocked. `options` may be NULL.
 *
 * Thread: any.   Owns: the caller destroys it; *workers is untouched on failure.
 * Errors: -EINVAL for options that are not possible, -ENOMEM, -EAGAIN when the system has no thread
 * left; `why` has the reason.
 */
static inline QUOIT_MUST_CHECK int quoit_workers_create(const struct quoit_workers_options *options,
							struct quoit_workers **workers,
							struct quoit_reason *why)
{
	return quoit__workers_create(options, sizeof(*options), workers, why);
}

/*
 * Run all that waits, end the threads, join them and free it. Nobody may submit any more. The loops
 * are told the results as always. NULL is nothing to do.
 *
 * Thread: any but a worker.   Errors: -EDEADLK on a worker.   Cost: blocks as long as the work
 * does.
 */
QUOIT_MUST_CHECK int quoit_workers_destroy(struct quoit_workers *workers);

/*
 * Have a worker run work->fn, and work->done told on this loop.
 *
 * Thread: the loop's.   Owns: the workers and the loop borrow *work until `done`.
 * Errors: -EAGAIN when the queue is full; -EBUSY when this work is out already; -EINVAL for no `fn`
 * or no `done`; -ESHUTDOWN when the loop or the workers end.
 * Cost: a mutex, and a system call if a worker sleeps.
 */
QUOIT_MUST_CHECK int quoit_work_submit(struct quoit_workers *workers, struct quoit_loop *loop,
				       struct quoit_work *work);

/*
 * Do not run it. 0: `done` will be told -ECANCELED, soon, but not by this call.
 *
 * Thread: the loop's.   Errors: -EALREADY when it runs or has run, and `done` will be told what it
 * gives; -ENOENT when it is not out.
 */
QUOIT_MUST_CHECK int quoit_work_cancel(struct quoit_work *work);

QUOIT_C_END

#endif
