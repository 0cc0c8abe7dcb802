/* SPDX-License-Identifier: MIT */
/*
 * space_watch.h - a loop that produces into a ring to another process, and is told when there is
 * room again, or nobody reads any more.
 *
 *     const struct quoit_space_watch_options options = {.room = on_room, .gone = on_gone};
 *     rc = quoit_space_watch_start(loop, &watch, ring, &options);
 *     ...
 *     sent = quoit_shring_send(ring, items, n);
 *     if (sent < n)
 *         rc = quoit_space_watch_want(&watch, n - sent);   on_room() follows
 *
 * Between a want and its room the loop may sleep: the reader rings the ring's eventfd when it frees
 * slots, and only then. Who wants nothing is not rung. A reader that rings for ever costs turns,
 * one that never frees nothing; if that must not last, start a timer.
 *
 * The reader's end is seen whether room is wanted or not, if the ring has been given its pidfd by
 * quoit_shring_set_peer() before the start; without one a death may go unnoticed.
 *
 * It lives as a poll does (poll.h): `stopped` is called exactly once for each successful start,
 * last of all, and until then the ring stays, and keeps its peer. It may be started again from
 * there. Of the consumer's side is channel.h.
 *
 * Thread: the loop's, for all calls.
 */
#ifndef QUOIT_RUNTIME_SPACE_WATCH_H
#define QUOIT_RUNTIME_SPACE_WATCH_H

#include <quoit/rings/shring.h>
#include <quoit/runtime/poll.h>
#include <quoit/runtime/task.h>

QUOIT_C_BEGIN

struct quoit_space_watch;

/* What was wanted is free: send. It may want again, and stop. */
typedef void (*quoit_space_room_fn)(struct quoit_space_watch *watch, void *ctx);

/*
 * Nobody reads any more, and what was wanted does not come: -ESHUTDOWN the ring is closed,
 * -EOWNERDEAD the reader has died or left, and another may take the ring; -EUCLEAN it has written
 * what cannot be, -ESTALE others have begun the ring anew: quoit_shring_why() has the words. Told
 * once. It may stop.
 */
typedef void (*quoit_space_gone_fn)(struct quoit_space_watch *watch, int error, void *ctx);

/* It is over; 0, or the error with which the kernel ended it. */
typedef void (*quoit_space_stopped_fn)(struct quoit_space_watch *watch, int error, void *ctx);

struct quoit_space_watch_options {
	quoit_space_room_fn room; /* must be given */
	quoit_space_gone_fn gone; /* may be NULL, as the next one */
	quoit_space_stopped_fn stopped;
	void *ctx;
};

/* Owns: the caller, who keeps it in place until it has stopped. All zero is stopped. */
struct quoit_space_watch {
	struct quoit_poll bell;	   /* on the ring's eventfd, which is never read */
	struct quoit_op *death;	   /* on the reader's pidfd, or NULL */
	struct quoit_task task;	   /* a look: one a turn, however often it is rung */
	struct quoit_shring *ring; /* NULL: stopped */
	struct quoit_space_watch_options options;
	size_t want;
	int error; /* that was told by `gone` */
	bool asks; /* something was heard: is the reader still there? */
};

/*
 * Watch the ring from the end of this turn on. The options are copied.
 *
 * Errors: -EINVAL for the consumer's side, a ring without bells, or no `room`; -EBUSY if it runs
 * already; -ENOBUFS, -ESHUTDOWN and the loop's error as in quoit_poll_start().
 */
QUOIT_MUST_CHECK int quoit_space_watch_start(struct quoit_loop *loop,
					     struct quoit_space_watch *watch,
					     struct quoit_shring *ring,
					     const struct quoit_space_watch_options *options);

/*
 * Let `room` be called once, when `slots` are free; not from within this call, even if they are.
 * What was committed later is published first. A new number takes the place of the last one.
 *
 * Errors: -EINVAL for none, or more than the capacity; what `gone` has told; -ESHUTDOWN if it is
 * stopped, or about to be.   Cost: a full fence.
 */
QUOIT_MUST_CHECK int quoit_space_watch_want(struct quoit_space_watch *watch, size_t slots);

/*
 * Stop. Nothing but `stopped` is called any more, soon, but not by this call. Nothing happens if it
 * has stopped already.
 */
void quoit_space_watch_stop(struct quoit_space_watch *watch);

/* Has it been started, and not yet told that it has stopped? */
bool quoit_space_watch_is_active(const struct quoit_space_watch *watch);

QUOIT_C_END

#endif
