/* SPDX-License-Identifier: MIT */
/* poll_internal.h - what the end of a loop asks of poll.c. */
#ifndef QUOIT_RUNTIME_POLL_INTERNAL_H
#define QUOIT_RUNTIME_POLL_INTERNAL_H

#include <quoit/runtime/loop_internal.h>
#include <quoit/runtime/poll.h>

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
