/* SPDX-License-Identifier: MIT */
/*
 * bell.c - hearing our own bell, and ringing those of other loops.
 *
 * A bell is an eventfd. Data travels in rings; a bell only says "look".
 */
#include <quoit/runtime/loop_internal.h>

#include <poll.h>

#include <quoit/numa/clock.h>

static const uint64_t one = 1; /* what a bell writes; the kernel reads it whenever it likes */

/*
 * Our own eventfd is polled, multishot, and never read: each write gives one completion however
 * many there were, and arming again fires at once if one was missed.
 */
static void arm_bell(struct quoit_loop *loop)
{
	struct io_uring_sqe *sqe = quoit_uring_sqe(&loop->uring);

	if (!sqe)
		return; /* the next turn tries again */
	io_uring_prep_poll_multishot(sqe, loop->notify.fd, POLLIN);
	quoit_uring_tag(sqe, QUOIT_OP_BELL_HEARD, &loop->bell);
	loop->bell_armed = true;
}

static void bell_heard(struct quoit_op_owner *owner, int res, uint32_t flags, bool last)
{
	struct quoit_loop *loop = quoit_container_of(owner, struct quoit_loop, bell);

	(void)res; /* any answer means the same: look at every ring */
	(void)flags;
	quoit_count(&loop->counts.bells_heard, 1);
	quoit_loop_note_bell(loop);
	if (last)
		loop->bell_armed = false;
}

static void bell_cancelled(struct quoit_op_owner *owner, int res, uint32_t flags, bool last)
{
	struct quoit_loop *loop = quoit_container_of(owner, struct quoit_loop, bell);

	(void)flags;
	(void)last;
	/*
	 * Found or not, the poll's own completion says what became of it, unless that was lost. The
	 * kernel tells of a loss only to who sleeps with nothing to submit: do not ask again
	 * before.
	 */
	loop->silencing = !loop->uring.counts.dropped_resyncs;
	if (res <= 0 && loop->uring.counts.dropped_resyncs)
		owner->pending = 0;
}

/* A bell is silent unless it failed; then the plain system call must do. */
static void bell_failed(struct quoit_op_owner *owner, int res, uint32_t flags, bool last)
{
	struct quoit_bell *bell = (void *)owner;

	(void)flags;
	(void)last;
	owner->pending++; /* it was never counted: a bell that succeeds completes without a word */
	if (res < 0)
		(void)quoit_notify_ring(bell->notify); /* fails only on a closed fd: our contract */
}

void quoit_loop_ring(struct quoit_loop *loop, uint32_t i)
{
	struct quoit_bell *bell = &loop->bells[i];
	struct io_uring_sqe *sqe = loop->uring.failed ? NULL : io_uring_get_sqe(loop->uring.ring);

	quoit__wake_stamp(bell->notify->wake, quoit_clock_now_ns());
	if (!sqe) {
		quoit_count(&loop->counts.bells_failed, 1);
		(void)quoit_notify_ring(bell->notify); /* fails only on a closed fd: our contract */
		return;
	}
	io_uring_prep_write(sqe, bell->notify->fd, &one, sizeof(one), 0);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	sqe->user_data = quoit_op_data(QUOIT_OP_BELL_RUNG, &bell->owner);
}

/* All of them: after a lost completion there may be two polls. */
static void silence_bell(struct quoit_loop *loop)
{
	if (!loop->silencing && loop->bell.pending)
		loop->silencing =
			quoit_uring_cancel(&loop->uring,
					   quoit_op_data(QUOIT_OP_BELL_HEARD, &loop->bell),
					   QUOIT_OP_CANCEL_BELL, &loop->bell) == 0;
}

void quoit_loop_silence_bell(struct quoit_loop *loop)
{
	if (!loop->closing)
		loop->silencing = false; /* whatever was cancelled before was another poll */
	loop->closing = true;
	silence_bell(loop); /* every turn tries again */
}

void quoit_bell_mind(struct quoit_loop *loop)
{
	if (quoit_unlikely(loop->closing))
		silence_bell(loop);
	else if (quoit_unlikely(!loop->bell_armed))
		arm_bell(loop);
}

void quoit_bell_classes(struct quoit_loop *loop)
{
	quoit_uring_class(&loop->uring, QUOIT_OP_BELL_HEARD, &loop->bell, 0, bell_heard);
	quoit_uring_class(&loop->uring, QUOIT_OP_CANCEL_BELL, &loop->bell, 0, bell_cancelled);
	quoit_uring_class(&loop->uring, QUOIT_OP_BELL_RUNG, loop->bells, sizeof(*loop->bells),
			  bell_failed);
}
