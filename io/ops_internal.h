/* SPDX-License-Identifier: MIT */
/*
 * ops_internal.h - operations that are neither a stream's nor a listener's: polls of foreign
 * descriptors, bells of rings, timeouts, reads of a signalfd.
 *
 * Each takes a slot until the kernel owes it nothing, so that whoever started it may be freed
 * before: it says `forget`, and what still completes is thrown away. Starting and cancelling only
 * note what is wanted; quoit_ops_attend() prepares the entries, once a turn, and what finds no room
 * in the submission queue waits for the next turn.
 *
 *     idle -- start --> wanted -- attend --> out -- last completion --> idle
 *                          |                  |
 *                          +---- cancel ------+--> done(-ECANCELED, or what came first)
 *
 * `done` tells every completion, and that it was the last one: then the operation is idle and may
 * be started again, from there too. It is told exactly once for each start.
 */
#ifndef QUOIT_IO_OPS_INTERNAL_H
#define QUOIT_IO_OPS_INTERNAL_H

#include <quoit/io/list_internal.h>
#include <quoit/io/slab_internal.h>
#include <quoit/io/uring_internal.h>

struct quoit_op;

/* Fill an entry in, all but its user_data. What it points to stays until `last`. */
typedef void (*quoit_op_prep_fn)(struct quoit_op *op, struct io_uring_sqe *sqe);

/* A completion: `last` when no more come of this start. */
typedef void (*quoit_op_done_fn)(struct quoit_op *op, int res, uint32_t flags, bool last);

enum quoit_op_state {
	QUOIT_OP_IDLE,
	QUOIT_OP_WANTED, /* started, not yet prepared */
	QUOIT_OP_OUT,	 /* the kernel has it */
};

struct quoit_op {
	struct quoit_op_owner owner; /* first: see op_internal.h */
	uint8_t state;		     /* enum quoit_op_state */
	bool cancel_wanted;
	bool cancelling; /* a cancel is out */
	bool asked;	 /* and it is for this start, not for an earlier one */
	uint8_t unfound; /* cancels of this start that the kernel found nothing for */
	bool forgotten;	 /* its owner is gone: tell nobody */
	quoit_op_prep_fn prep;
	quoit_op_done_fn done;
	void *ctx; /* the owner's */
	struct quoit_ops *ops;
	struct quoit_link due; /* in ops->due */
};

struct quoit_ops {
	struct quoit_uring *uring;
	struct quoit_slab slab;
	struct quoit_link due; /* to be prepared or cancelled */
	uint32_t owned;	       /* taken and not forgotten: somebody waits for what they tell */
};

/* Room for `most` operations. Errors: those of quoit_slab_open(). Closed when none is in use. */
QUOIT_MUST_CHECK int quoit_ops_open(struct quoit_ops *ops, struct quoit_uring *uring, uint32_t most,
				    int node, struct quoit_reason *why);
void quoit_ops_close(struct quoit_ops *ops);

/* An idle operation, or NULL when `most` are in use. Owns: the caller, until it forgets it. */
struct quoit_op *quoit_op_take(struct quoit_ops *ops, quoit_op_prep_fn prep, quoit_op_done_fn done,
			       void *ctx);

/* Let the kernel have it, at the end of this turn. It must be idle. */
void quoit_op_start(struct quoit_op *op);

/* End it early. `done` still tells its last completion. Idle ones are let be. */
void quoit_op_cancel(struct quoit_op *op);

/* End it and hear nothing more of it: the slot comes back by itself, and the caller may go. */
void quoit_op_forget(struct quoit_op *op);

QUOIT_HOT bool quoit_op_is_idle(const struct quoit_op *op)
{
	return op->state == QUOIT_OP_IDLE;
}

/* Prepare what is due. */
void quoit_ops_attend(struct quoit_ops *ops);

/* The kernel lost a completion: ask after everything that is out. */
void quoit_ops_resync(struct quoit_ops *ops);

/* Is there something that the end of a turn would prepare? */
QUOIT_HOT bool quoit_ops_have_work(const struct quoit_ops *ops)
{
	return quoit_link_is_in(&ops->due);
}

/* Operations that are in use: idle, out, or forgotten and not yet ended. */
QUOIT_HOT uint32_t quoit_ops_live(const struct quoit_ops *ops)
{
	return ops->slab.live;
}

/* Of these: whose owners have not forgotten them. */
QUOIT_HOT uint32_t quoit_ops_owned(const struct quoit_ops *ops)
{
	return ops->owned;
}

#endif
