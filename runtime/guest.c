/* SPDX-License-Identifier: MIT */
/*
 * guest.c - a loop that does not decide when its thread sleeps: on an application's io_uring, or
 * inside another loop that waits for our descriptor.
 *
 * Between two calls nobody can tell whether the thread sleeps, so such a loop stays armed: whoever
 * publishes to it rings. And it cannot pass a timeout to a wait that is not its own: an operation
 * of the kernel, the alarm, completes when the first timer is due. An alarm that has become too
 * early goes off for nothing; one that is too late is cancelled, and set anew when that is done.
 */
#include <quoit/runtime/loop_internal.h>

#include <errno.h>

#include <quoit/numa/clock.h>

#define READY_TURNS 8 /* then the other loop has its turn */
#define NS_PER_S    1000000000ull

/* --- the alarm ------------------------------------------------------------------------------- */

static void prepare_alarm(struct quoit_op *op, struct io_uring_sqe *sqe)
{
	struct quoit_loop *loop = op->ctx;

	loop->alarm_at.tv_sec = (long long)(loop->alarm_ns / NS_PER_S);
	loop->alarm_at.tv_nsec = (long long)(loop->alarm_ns % NS_PER_S);
	io_uring_prep_timeout(sqe, &loop->alarm_at, 0, IORING_TIMEOUT_ABS);
}

static void alarm_gone_off(struct quoit_op *op, int res, uint32_t flags, bool last)
{
	struct quoit_loop *loop = op->ctx;

	(void)res; /* on time or cancelled: the next look sets it as it must be then */
	(void)flags;
	if (last)
		loop->alarm_ns = UINT64_MAX;
}

int quoit_alarm_open(struct quoit_loop *loop)
{
	loop->alarm = quoit_op_take(&loop->ops, prepare_alarm, alarm_gone_off, loop);
	return loop->alarm ? 0 : -ENOBUFS;
}

void quoit_alarm_close(struct quoit_loop *loop)
{
	if (loop->alarm)
		quoit_op_forget(loop->alarm);
	loop->alarm = NULL;
}

static void set_alarm(struct quoit_loop *loop)
{
	const uint64_t next = quoit_loop_next_ns(loop);

	if (!loop->alarm || loop->alarm_ns <= next) /* none: it is being destroyed */
		return;
	if (!quoit_op_is_idle(loop->alarm)) {
		quoit_op_cancel(loop->alarm);
		return;
	}
	loop->alarm_ns = next;
	quoit_op_start(loop->alarm);
}

/* Nothing to do now, and everything to come will be heard. */
static bool may_wait(struct quoit_loop *loop)
{
	set_alarm(loop);
	quoit_ops_attend(&loop->ops);
	quoit_wake_arm(&loop->wake);
	return !quoit_loop_has_work(loop) && quoit_loop_next_ns(loop) > quoit_clock_now_ns();
}

/* --- on an application's ring ---------------------------------------------------------------- */

void quoit_loop_prepare(struct quoit_loop *loop)
{
	QUOIT_ASSERT(loop->kind == QUOIT_LOOP_GUEST);
	quoit_loop_is_awake(loop);
	(void)quoit_loop_work(loop);
}

bool quoit_loop_before_wait(struct quoit_loop *loop)
{
	QUOIT_ASSERT(loop->kind == QUOIT_LOOP_GUEST && !loop->in_turn);
	return may_wait(loop);
}

bool quoit_loop_handle_cqe(struct quoit_loop *loop, const struct io_uring_cqe *cqe)
{
	bool ours;

	QUOIT_ASSERT(loop->kind == QUOIT_LOOP_GUEST && !loop->in_turn);
	loop->in_turn = true;
	ours = quoit_uring_handle(&loop->uring, cqe);
	loop->in_turn = false;
	return ours;
}

void quoit_loop_completion_lost(struct quoit_loop *loop)
{
	QUOIT_ASSERT(loop->kind == QUOIT_LOOP_GUEST);
	loop->uring.lost = true;
	quoit_count(&loop->uring.counts.dropped_resyncs, 1);
}

/* --- inside another loop --------------------------------------------------------------------- */

int quoit_loop_fd(const struct quoit_loop *loop)
{
	return loop->kind == QUOIT_LOOP_INSIDE ? loop->uring.ring->ring_fd : -EOPNOTSUPP;
}

int quoit_loop_run_ready(struct quoit_loop *loop)
{
	const int rc = quoit_loop_check(loop, QUOIT_LOOP_INSIDE);

	if (rc < 0)
		return rc;
	for (unsigned turn = 0; turn < READY_TURNS; turn++) {
		quoit_loop_is_awake(loop);
		(void)quoit_loop_work(loop);
		quoit_loop_enter_if_needed(loop);
		if (loop->uring.failed)
			return loop->uring.failed;
		if (may_wait(loop)) {
			quoit_loop_enter_if_needed(loop); /* the alarm */
			if (!quoit_uring_has_news(&loop->uring))
				return 0;
		}
	}
	return quoit_notify_ring(&loop->notify); /* come back at once, but let others run */
}
