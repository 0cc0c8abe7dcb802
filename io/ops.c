/* SPDX-License-Identifier: MIT */
/* ops.c - see ops_internal.h. */
#include <quoit/io/ops_internal.h>

#include <errno.h>

/*
 * A cancel that finds nothing may only have come before the completion that the kernel was about to
 * post. After a completion was lost, one that finds nothing twice is the sign that it was this
 * operation's last.
 */
#define UNFOUND_IS_LOST 2

static bool is_over(const struct quoit_op *op)
{
	return op->state == QUOIT_OP_IDLE && !op->owner.pending;
}

static void give_back_if_over(struct quoit_op *op)
{
	if (!op->forgotten || !is_over(op))
		return;
	quoit_link_remove(&op->due);
	quoit_slab_give(&op->ops->slab, &op->owner);
}

/* Tell one completion. Nothing may be done with `op` behind it. */
static void tell(struct quoit_op *op, int res, uint32_t flags, bool last)
{
	if (last) {
		op->state = QUOIT_OP_IDLE;
		op->cancel_wanted = op->asked = false;
	}
	if (op->forgotten)
		give_back_if_over(op);
	else
		op->done(op, res, flags, last);
}

static void completed(struct quoit_op_owner *owner, int res, uint32_t flags, bool last)
{
	tell((struct quoit_op *)owner, res, flags, last);
}

/* The kernel has no trace of it any more, and never told. */
static void write_off(struct quoit_op *op)
{
	op->owner.pending--;
	tell(op, -ECANCELED, 0, true);
}

static void cancelled(struct quoit_op_owner *owner, int res, uint32_t flags, bool last)
{
	struct quoit_op *op = (struct quoit_op *)owner;

	(void)flags;
	(void)last;
	op->cancelling = false;
	if (op->cancel_wanted)
		quoit_link_append(&op->ops->due, &op->due); /* meant for a later start */
	if (op->asked) {
		op->asked = false;
		/* With ALL it is the number of those found. */
		op->unfound = (uint8_t)(res == 0 || res == -ENOENT ? op->unfound + 1 : 0);
		if (op->unfound && op->ops->uring->counts.dropped_resyncs) {
			if (op->unfound >= UNFOUND_IS_LOST) {
				write_off(op);
				return;
			}
			quoit_op_cancel(op);
		}
	}
	give_back_if_over(op);
}

int quoit_ops_open(struct quoit_ops *ops, struct quoit_uring *uring, uint32_t most, int node,
		   struct quoit_reason *why)
{
	const int rc = quoit_slab_open(&ops->slab, sizeof(struct quoit_op), most, node, why);
	void *const base = ops->slab.region.base;

	if (rc < 0)
		return rc;
	ops->uring = uring;
	ops->owned = 0;
	quoit_link_init(&ops->due);
	quoit_uring_class(uring, QUOIT_OP_OTHER, base, sizeof(struct quoit_op), completed);
	quoit_uring_class(uring, QUOIT_OP_CANCEL_OTHER, base, sizeof(struct quoit_op), cancelled);
	return 0;
}

void quoit_ops_close(struct quoit_ops *ops)
{
	quoit_slab_close(&ops->slab);
}

struct quoit_op *quoit_op_take(struct quoit_ops *ops, quoit_op_prep_fn prep, quoit_op_done_fn done,
			       void *ctx)
{
	struct quoit_op *op = (struct quoit_op *)quoit_slab_take(&ops->slab);

	if (!op)
		return NULL;
	op->state = QUOIT_OP_IDLE;
	op->cancel_wanted = op->cancelling = op->asked = op->forgotten = false;
	op->prep = prep;
	op->done = done;
	op->ctx = ctx;
	op->ops = ops;
	quoit_link_init(&op->due);
	ops->owned++;
	return op;
}

void quoit_op_start(struct quoit_op *op)
{
	QUOIT_ASSERT(op->state == QUOIT_OP_IDLE && !op->forgotten);
	op->state = QUOIT_OP_WANTED;
	op->unfound = 0;
	quoit_link_append(&op->ops->due, &op->due);
}

void quoit_op_cancel(struct quoit_op *op)
{
	if (op->state == QUOIT_OP_IDLE)
		return;
	op->cancel_wanted = true;
	quoit_link_append(&op->ops->due, &op->due);
}

void quoit_op_forget(struct quoit_op *op)
{
	QUOIT_ASSERT(!op->forgotten);
	op->forgotten = true;
	op->ops->owned--;
	quoit_op_cancel(op);
	give_back_if_over(op);
}

static bool prepare(struct quoit_op *op)
{
	struct io_uring_sqe *sqe = quoit_uring_sqe(op->ops->uring);

	if (!sqe)
		return false;
	op->prep(op, sqe);
	quoit_uring_tag(sqe, QUOIT_OP_OTHER, &op->owner);
	op->state = QUOIT_OP_OUT;
	return true;
}

static bool prepare_cancel(struct quoit_op *op)
{
	if (op->cancelling)
		return true; /* its answer, or the operation's, is on its way */
	if (quoit_uring_cancel(op->ops->uring, quoit_op_data(QUOIT_OP_OTHER, &op->owner),
			       QUOIT_OP_CANCEL_OTHER, &op->owner) < 0)
		return false;
	op->cancelling = op->asked = true;
	op->cancel_wanted = false;
	return true;
}

/* One of those that are due. False when the submission queue is full. */
static bool attend(struct quoit_op *op)
{
	if (op->state == QUOIT_OP_WANTED) {
		if (!op->cancel_wanted)
			return prepare(op);
		tell(op, -ECANCELED, 0, true); /* the kernel never had it */
		return true;
	}
	return op->state == QUOIT_OP_IDLE || !op->cancel_wanted || prepare_cancel(op);
}

void quoit_ops_attend(struct quoit_ops *ops)
{
	struct quoit_link due;
	struct quoit_link *link;

	quoit_link_move_all(&ops->due, &due);
	while ((link = quoit_link_take(&due))) {
		if (attend(quoit_container_of(link, struct quoit_op, due)))
			continue;
		/* The rest in its order, for the next turn. */
		do
			quoit_link_append(&ops->due, link);
		while ((link = quoit_link_take(&due)));
		return;
	}
}

void quoit_ops_resync(struct quoit_ops *ops)
{
	for (uint32_t slot = 0; slot < ops->slab.touched; slot++) {
		struct quoit_op *op = (struct quoit_op *)quoit_slab_at(&ops->slab, slot);

		if (op->owner.generation & 1)
			quoit_op_cancel(op);
	}
}
