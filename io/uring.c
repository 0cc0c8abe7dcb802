/* SPDX-License-Identifier: MIT */
/* uring.c - one io_uring in use: entries, the enter, the reaping. Setting it up is uring_open.c. */
#include <quoit/io/uring_internal.h>

#include <quoit/io/kernel_internal.h>

#define NS_PER_S    1000000000ull
#define NS_PER_US   1000
#define GATHER_MOST 64 /* completions that end a gathering sleep early */

void quoit_uring_class(struct quoit_uring *uring, enum quoit_op_kind kind, void *base,
		       size_t stride, quoit_op_fn fn)
{
	uring->classes[kind - QUOIT_OP_BELL_HEARD] =
		(struct quoit_op_class){.base = base, .stride = stride, .fn = fn};
}

/* Let the kernel see what has been prepared. Gives how many entries it has not taken yet. */
static unsigned publish_entries(struct quoit_uring *uring)
{
	struct io_uring_sq *sq = &uring->ring->sq;

	io_uring_smp_store_release(sq->ktail, sq->sqe_tail);
	return quoit_uring_unsubmitted(uring);
}

static int note_result(struct quoit_uring *uring, int entered)
{
	if (quoit_likely(entered >= 0)) {
		quoit_count(&uring->counts.submitted, (uint64_t)entered);
		uring->refused = 0;
		return 0;
	}
	switch (entered) {
	case -EINTR:
	case -ETIME:
		return 0;
	case -EBADR:
		/* The kernel could not store a completion: we cannot know whose. */
		uring->lost = true;
		quoit_count(&uring->counts.dropped_resyncs, 1);
		return 0;
	case -EBUSY:
	case -EAGAIN:
	case -ENOMEM:
		uring->refused++;
		return entered;
	default:
		uring->failed = entered;
		return entered;
	}
}

static int enter(struct quoit_uring *uring, unsigned wait_for, unsigned flags,
		 const struct quoit_getevents_arg *arg)
{
	if (quoit_unlikely(uring->failed))
		return uring->failed;
	quoit_count(&uring->counts.enters, 1);
	return note_result(uring,
			   quoit__uring_enter(uring->enter_fd, publish_entries(uring), wait_for,
					      flags | uring->enter_flags | IORING_ENTER_GETEVENTS,
					      arg, arg ? sizeof(*arg) : 0));
}

int quoit_uring_submit(struct quoit_uring *uring)
{
	return enter(uring, 0, 0, NULL);
}

int quoit_uring_sleep(struct quoit_uring *uring, uint64_t timeout_ns, uint64_t gather_ns)
{
	struct quoit_getevents_arg arg = {0};
	struct __kernel_timespec limit;
	/* The kernel would gather beyond the longest time too, and make a timer late. */
	const uint64_t gather_us = quoit_min(gather_ns, timeout_ns) / NS_PER_US;
	const bool gather = gather_us && uring->can_gather;

	if (timeout_ns == QUOIT_URING_NO_TIMEOUT && !gather)
		return enter(uring, 1, uring->wait_flags, NULL);
	if (timeout_ns != QUOIT_URING_NO_TIMEOUT) {
		limit.tv_sec = (long long)(timeout_ns / NS_PER_S);
		limit.tv_nsec = (long long)(timeout_ns % NS_PER_S);
		arg.ts = (uint64_t)(uintptr_t)&limit;
	}
	if (gather)
		arg.min_wait_us = (uint32_t)quoit_min(gather_us, UINT32_MAX);
	return enter(uring, gather ? GATHER_MOST : 1, uring->wait_flags | IORING_ENTER_EXT_ARG,
		     &arg);
}

static void make_room(struct quoit_uring *uring)
{
	quoit_count(&uring->counts.enters_forced, 1);
	(void)quoit_uring_submit(uring); /* the caller looks whether there is room */
}

struct io_uring_sqe *quoit_uring_sqe(struct quoit_uring *uring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(uring->ring);

	if (quoit_unlikely(!sqe) && !uring->guest) {
		make_room(uring);
		sqe = io_uring_get_sqe(uring->ring);
	}
	return sqe;
}

int quoit_uring_sqes(struct quoit_uring *uring, unsigned n, struct io_uring_sqe **sqes)
{
	if (n > uring->ring->sq.ring_entries)
		return -E2BIG;
	if (io_uring_sq_space_left(uring->ring) < n && !uring->guest)
		make_room(uring);
	if (io_uring_sq_space_left(uring->ring) < n)
		return -EBUSY;
	for (unsigned i = 0; i < n; i++)
		sqes[i] = io_uring_get_sqe(uring->ring);
	return 0;
}

void quoit_uring_take_loss(struct quoit_uring *uring)
{
	if (!uring->lost) /* else it was counted when it was told */
		quoit_count(&uring->counts.dropped_resyncs, 1);
	uring->lost = false;
	uring->lost_seen = quoit_load(uring->ring->cq.koverflow);
}

bool quoit_uring_needs_enter(const struct quoit_uring *uring)
{
	const unsigned flags = quoit_load(uring->ring->sq.kflags); /* the kernel's; a hint */

	return (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

bool quoit_uring_has_news(const struct quoit_uring *uring)
{
	const struct io_uring_cq *cq = &uring->ring->cq;

	return io_uring_smp_load_acquire(cq->ktail) != *cq->khead || quoit_uring_needs_enter(uring);
}

static void complete(struct quoit_uring *uring, uint64_t user_data, int res, uint32_t flags)
{
	const unsigned at = quoit_op_kind(user_data) - QUOIT_OP_BELL_HEARD;
	const bool last = !(flags & IORING_CQE_F_MORE);
	struct quoit_op_owner *owner;
	const struct quoit_op_class *class;

	if (quoit_unlikely(at >= QUOIT_OP_KINDS || !uring->classes[at].fn)) {
		quoit_count(&uring->counts.stale, 1);
		return;
	}
	class = &uring->classes[at];
	owner = (void *)(class->base + quoit_op_slot(user_data) * class->stride);
	if (quoit_unlikely((owner->generation & QUOIT_OP_GENERATION_MASK) !=
			   quoit_op_generation(user_data))) {
		quoit_count(&uring->counts.stale, 1);
		QUOIT_ASSERT(!"a completion came for an object that had been reused");
		return;
	}
	if (last)
		owner->pending--;
	class->fn(owner, res, flags, last);
}

bool quoit_uring_handle(struct quoit_uring *uring, const struct io_uring_cqe *cqe)
{
	if (quoit_op_kind(cqe->user_data) - QUOIT_OP_BELL_HEARD >= QUOIT_OP_KINDS)
		return false;
	quoit_count(&uring->counts.completed, 1);
	complete(uring, cqe->user_data, cqe->res, cqe->flags);
	return true;
}

size_t quoit_uring_take(struct quoit_uring *uring, size_t budget)
{
	struct io_uring_cq *cq = &uring->ring->cq;
	const unsigned head = *cq->khead;
	const unsigned arrived = io_uring_smp_load_acquire(cq->ktail) - head;
	const unsigned n = (unsigned)quoit_min(arrived, budget);

	for (unsigned i = 0; i < n; i++) {
		/* Copied out, then given back: a handler may enter the kernel when the SQ is full.
		 */
		const struct io_uring_cqe cqe = cq->cqes[(head + i) & cq->ring_mask];

		io_uring_smp_store_release(cq->khead, head + i + 1);
		complete(uring, cqe.user_data, cqe.res, cqe.flags);
	}
	quoit_count(&uring->counts.completed, n);
	return n;
}

size_t quoit_uring_reap(struct quoit_uring *uring, size_t budget)
{
	if (quoit_unlikely(quoit_load(uring->ring->sq.kflags) & IORING_SQ_CQ_OVERFLOW)) /* a hint */
		quoit_count(&uring->counts.overflows, 1);
	return quoit_uring_take(uring, budget);
}

int quoit_uring_cancel(struct quoit_uring *uring, uint64_t user_data, enum quoit_op_kind kind,
		       struct quoit_op_owner *owner)
{
	struct io_uring_sqe *sqe = quoit_uring_sqe(uring);

	if (!sqe)
		return -EBUSY;
	io_uring_prep_cancel64(sqe, user_data,
			       IORING_ASYNC_CANCEL_ALL); /* an accept may be doubled */
	quoit_uring_tag(sqe, kind, owner);
	return 0;
}
