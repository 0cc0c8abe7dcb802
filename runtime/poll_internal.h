/* SPDX-License-Identifier: MIT */
/*
 * poll_internal.h - what the end of a loop asks of poll.c, and operations of another kind that
 * begin and end as polls do.
 */
#ifndef QUOIT_RUNTIME_POLL_INTERNAL_H
#define QUOIT_RUNTIME_POLL_INTERNAL_H

#include <quoit/runtime/loop_internal.h>
#include <quoit/runtime/poll.h>

/*
 * As quoit_poll_start(), with an operation of the caller's that has the poll as its ctx. Of the
 * options only `stopped` and its ctx are used. `done` starts the operation again, or calls
 * quoit__poll_end() if poll->stopping; quoit_poll_stop() cancels it.
 */
QUOIT_MUST_CHECK int quoit__poll_begin(struct quoit_loop *loop, struct quoit_poll *poll, int fd,
				       const struct quoit_poll_options *options,
				       quoit_op_prep_fn prep, quoit_op_done_fn done);

/* After its last completion: nothing of it is left with the loop or the kernel. Tells `stopped`. */
void quoit__poll_end(struct quoit_poll *poll, int error);

/* Stop all of them, signals too. Not in a handler. */
void quoit_polls_stop(struct quoit_loop *loop);

/* The io_uring has failed, and completes nothing any more: tell all of them so. */
void quoit__polls_give_up(struct quoit_loop *loop);

/* Not in a handler. */
QUOIT_HOT void quoit_polls_mind(struct quoit_loop *loop)
{
	if (quoit_unlikely(loop->uring.failed))
		quoit__polls_give_up(loop);
}

#endif
