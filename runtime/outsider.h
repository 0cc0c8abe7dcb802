/* SPDX-License-Identifier: MIT */
/*
 * outsider.h - posting to a core from a thread that is none: a worker, a signal thread, main().
 *
 *     struct quoit_outsider door;
 *
 *     rc = quoit_outsider_join(runtime, 0, &door);
 *     rc = quoit_outsider_post(&door, OP_RESULT, &result, sizeof(result));
 *     quoit_outsider_leave(&door);
 *
 * Each thread has a lane of its own to each core it posts to, in that core's memory, so threads do
 * not wait for each other. The core's handler of the operation (see quoit_on_message()) gets the
 * messages with source QUOIT_SOURCE_OUTSIDE; there is nobody to reply to.
 *
 * A post that was accepted is handled, also while the runtime stops: up to the moment at which all
 * cores are quiet posts are accepted, after that the answer is -ESHUTDOWN. What a handler begins by
 * then may be too late to be finished (quoit_core_is_stopping() tells). A thread that never leaves
 * keeps nobody from stopping; its handle stays good for -ESHUTDOWN and for leaving, also after
 * quoit_runtime_wait().
 *
 * Thread: the one that joined, in all of these; a handle is one thread's.
 */
#ifndef QUOIT_RUNTIME_OUTSIDER_H
#define QUOIT_RUNTIME_OUTSIDER_H

#include <quoit/rings/mpsc_wait.h>
#include <quoit/runtime/mail.h>

QUOIT_C_BEGIN

struct quoit_runtime;
struct quoit_outside;

/* The caller's memory. */
struct quoit_outsider {
	struct quoit_mpsc_producer seat;
	struct quoit_outside *home;
};

/*
 * Get a lane to core `core`. The handle belongs to the calling thread.
 *
 * Thread: any, between quoit_runtime_start() and quoit_runtime_wait(), or begun in a start
 * function. Owns: the caller leaves; *outsider is untouched on failure. Errors: -EINVAL no such
 * core; -EUSERS config.outsiders have joined it; -ESHUTDOWN; -ENOMEM, and -EMFILE for the first of
 * a core. Cost: a mutex and, the first times, a mapping.
 */
QUOIT_MUST_CHECK int quoit_outsider_join(struct quoit_runtime *runtime, unsigned core,
					 struct quoit_outsider *outsider);

/*
 * Send one message, and wake the core if it sleeps. It is visible when this returns.
 *
 * Errors: -EAGAIN the lane is full (it has room for as many messages as one for posts between
 * cores, twice config.calls_per_pair); -EINVAL the core has no handler for the operation, or too
 * long; -ESHUTDOWN. Cost: two atomic additions and two fences; a system call if the core sleeps.
 */
QUOIT_MUST_CHECK int quoit_outsider_post(struct quoit_outsider *outsider, unsigned op,
					 const void *body, size_t len);

/*
 * The same, but wait for room; see wait.h for ways to wait.
 *
 * Errors: -ETIMEDOUT; -EDEADLK the calling thread is a core and would have to wait; -EINVAL also
 * for no way to wait; those of quoit_outsider_post() but -EAGAIN.
 */
QUOIT_MUST_CHECK int quoit_outsider_post_wait(struct quoit_outsider *outsider, unsigned op,
					      const void *body, size_t len,
					      const struct quoit_wait *how);

/* Give the lane back. What was posted is handled. Leaving twice does nothing. */
void quoit_outsider_leave(struct quoit_outsider *outsider);

QUOIT_C_END

#endif
