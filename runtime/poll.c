/* SPDX-License-Identifier: MIT */
/*
 * poll.c - see poll.h.
 *
 *     started -- attend --> out -- completion --> ready() -- last? --> out again, or stopped()
 *                            ^                                             |
 *                            +------------------- level, re-armed ---------+
 *
 * A multishot poll of the kernel tells edges only, so level mode is a fresh single poll after each
 * handler, which looks at the descriptor's state as it is armed. A multishot poll that ends by
 * itself is armed again, and that look finds what was missed in between.
 */
#include <quoit/numa/sys_internal.h>

#include <quoit/runtime/poll_internal.h>

#define EVENTS_ASKABLE \
	(POLLIN | POLLPRI | POLLOUT | POLLRDHUP | POLLRDNORM | POLLRDBAND | POLLWRNORM | POLLWRBAND)
#define EVENTS_ALWAYS (POLLERR | POLLHUP | POLLNVAL)

static void prepare(struct quoit_op *op, struct io_uring_sqe *sqe)
{
	const struct quoit_poll *poll = op->ctx;

	if (poll->options.mode == QUOIT_POLL_EDGE)
		io_uring_prep_poll_multishot(sqe, poll->fd, poll->options.events);
	else
		io_uring_prep_poll_add(sqe, poll->fd, poll->options.events);
}

void quoit__poll_end(struct quoit_poll *poll, int error)
{
	quoit_op_forget(poll->op);
	quoit_link_remove(&poll->link);
	poll->op = NULL;
	poll->loop = NULL;
	if (poll->options.stopped)
		poll->options.stopped(poll, error, poll->options.ctx); /* may free it */
}

static void polled(struct quoit_op *op, int res, uint32_t flags, bool last)
{
	struct quoit_poll *poll = op->ctx;
	const uint32_t events =
		res > 0 ? (uint32_t)res & (poll->options.events | EVENTS_ALWAYS) : 0;
	/* A cancel that is not ours had a reason that has passed: a change, or a lost completion.
	 */
	const bool refused = res < 0 && res != -ECANCELED;

	(void)flags;
	if (events && !poll->stopping) {
		poll->stopping = poll->options.mode == QUOIT_POLL_ONCE;
		poll->options.ready(poll, events, poll->options.ctx);
	}
	if (!last)
		return;
	if (refused || poll->stopping)
		quoit__poll_end(poll, refused && !poll->stopping ? res : 0);
	else
		quoit_op_start(op);
}

int quoit__poll_begin(struct quoit_loop *loop, struct quoit_poll *poll, int fd,
		      const struct quoit_poll_options *options, quoit_op_prep_fn prep,
		      quoit_op_done_fn done)
{
	struct quoit_op *op;
	int rc;

	if (poll->loop)
		return -EBUSY;
	if (loop->ending || loop->closing)
		return -ESHUTDOWN;
	if (loop->uring.failed)
		return loop->uring.failed;
	rc = quoit__sys_can_poll(fd);
	if (rc < 0)
		return rc;
	op = quoit_op_take(&loop->ops, prep, done, poll);
	if (!op)
		return -ENOBUFS;
	*poll = (struct quoit_poll){.loop = loop, .op = op, .options = *options, .fd = fd};
	quoit_link_init(&poll->link);
	quoit_link_append(&loop->polls, &poll->link);
	quoit_op_start(op);
	return 0;
}

int quoit_poll_start(struct quoit_loop *loop, struct quoit_poll *poll, int fd,
		     const struct quoit_poll_options *options)
{
	if (!options || !options->ready || options->events & ~(uint32_t)EVENTS_ASKABLE ||
	    (unsigned)options->mode > QUOIT_POLL_ONCE)
		return -EINVAL;
	return quoit__poll_begin(loop, poll, fd, options, prepare, polled);
}

int quoit_poll_change(struct quoit_poll *poll, uint32_t events)
{
	if (events & ~(uint32_t)EVENTS_ASKABLE)
		return -EINVAL;
	if (!poll->loop || poll->stopping)
		return -ESHUTDOWN;
	poll->options.events = events;
	if (poll->op->state == QUOIT_OP_OUT)
		quoit_op_cancel(poll->op); /* and armed anew with these, in polled() */
	return 0;
}

void quoit_poll_stop(struct quoit_poll *poll)
{
	if (!poll->loop || poll->stopping)
		return;
	poll->stopping = true;
	quoit_op_cancel(poll->op); /* idle in its own handler, which polled() looks after */
}

bool quoit_poll_is_active(const struct quoit_poll *poll)
{
	return poll->loop != NULL;
}

void quoit_polls_stop(struct quoit_loop *loop)
{
	for (struct quoit_link *at = loop->polls.next; at != &loop->polls; at = at->next)
		quoit_poll_stop(quoit_container_of(at, struct quoit_poll, link));
}

void quoit__polls_give_up(struct quoit_loop *loop)
{
	const int error = loop->uring.failed;

	while (quoit_link_is_in(&loop->polls)) /* none can be started any more */
		quoit__poll_end(quoit_container_of(loop->polls.next, struct quoit_poll, link),
				error);
}
