/* SPDX-License-Identifier: MIT */
/*
 * uring_internal.h - one io_uring: set-up by probing, submission entries, one enter, reaping.
 *
 * Belongs to one thread, the one that opened it (SINGLE_ISSUER). Completions are only posted while
 * that thread is inside enter (DEFER_TASKRUN), and a flag in shared memory says when there are any
 * to fetch (TASKRUN_FLAG), so a spinning loop costs no system call.
 */
#ifndef QUOIT_IO_URING_INTERNAL_H
#define QUOIT_IO_URING_INTERNAL_H

#include <quoit/io/compat_internal.h>
#include <quoit/io/op_internal.h>
#include <quoit/numa/atomic.h>
#include <quoit/numa/reason.h>
#include <quoit/numa/region.h>

#define QUOIT_URING_NO_TIMEOUT UINT64_MAX
#define QUOIT_URING_CQ_PER_SQ  4

/* Called for each completion of a kind; `last` when nothing more comes for this operation. */
typedef void (*quoit_op_fn)(struct quoit_op_owner *owner, int res, uint32_t flags, bool last);

struct quoit_op_class {
	char *base;
	size_t stride;
	quoit_op_fn fn;
};

/* Written by the owner, readable by anybody at any time. */
struct quoit_uring_counts {
	uint64_t enters;	  /* io_uring_enter calls, of every kind */
	uint64_t enters_forced;	  /* of these: in the middle of a turn, because the SQ was full */
	uint64_t submitted;	  /* entries handed to the kernel */
	uint64_t completed;	  /* completions reaped */
	uint64_t stale;		  /* completions whose object had gone; must stay 0 */
	uint64_t overflows;	  /* turns that found the CQ overflowed */
	uint64_t dropped_resyncs; /* times the kernel reported a completion as lost */
};

struct quoit_uring {
	struct io_uring *ring; /* liburing's struct, so that its prep and reap helpers apply */
	struct io_uring own;   /* what it points to, unless somebody else owns the ring */
	int enter_fd;
	unsigned enter_flags;
	unsigned wait_flags;
	bool guest; /* the ring is the application's: it enters the kernel and reaps */
	bool can_gather;
	bool lost;	    /* a completion was lost: everything multishot must be armed again */
	unsigned lost_seen; /* of the kernel's count of them */
	unsigned refused;   /* enters in a row that the kernel refused in passing */
	int failed;	    /* -errno of the one that it refused for good: no more are made */
	struct quoit_region queues; /* SQ, CQ and entries; closed where the kernel has its own */
	unsigned degraded; /* bits of enum quoit_region_shortfall, of the queues: be they whose */
	struct quoit_op_class classes[QUOIT_OP_KINDS];
	struct quoit_uring_counts counts;
};

/*
 * Open a ring on the calling thread, which alone may use it from then on.
 *
 * Its queues lie on `node`, in memory of ours where the kernel takes that (NO_MMAP: 6.12 does),
 * else in its own, near the thread that opens; where they do not, or nobody knows, `degraded` says
 * so. Below 0 nothing is asked for.
 *
 * Units: entries; the CQ is four times the SQ, because multishot operations complete many times.
 * Errors: -ENOSYS, -EPERM, -ENOMEM, -EINVAL, -EMFILE, -ENFILE, those of quoit_region_open(); `why`
 * then says in one line what refused it and what to do.
 */
QUOIT_MUST_CHECK int quoit_uring_open(struct quoit_uring *uring, unsigned sq_entries, int node,
				      struct quoit_reason *why);

/*
 * The same, but so that the ring's descriptor tells of completions by becoming readable, for a
 * thread that waits elsewhere (epoll). The kernel does not tell that of a DEFER_TASKRUN ring; this
 * one has COOP_TASKRUN instead: who is woken by it may see EINTR first.
 */
QUOIT_MUST_CHECK int quoit_uring_open_pollable(struct quoit_uring *uring, unsigned sq_entries,
					       int node, struct quoit_reason *why);

/*
 * Use a ring that the application owns, reaps and enters; ours are only entries and their
 * completions, which it hands to quoit_uring_handle().
 * Errors: -EINVAL for a ring that polls for completions (IOPOLL), -EOPNOTSUPP for a kernel before
 * 6.1, with the reason.
 */
QUOIT_MUST_CHECK int quoit_uring_attach(struct quoit_uring *uring, struct io_uring *ring,
					struct quoit_reason *why);

/* Close it. Every operation must have ended. A guest's ring stays as it is. */
void quoit_uring_close(struct quoit_uring *uring);

/*
 * Close the descriptor only: the kernel ends what it still has by and by, and the memory of all
 * that must stay for good, the queues' among it.
 */
void quoit_uring_abandon(struct quoit_uring *uring);

/* Say where the objects of a kind live and who handles their completions. */
void quoit_uring_class(struct quoit_uring *uring, enum quoit_op_kind kind, void *base,
		       size_t stride, quoit_op_fn fn);

/*
 * The next free submission entry. If the SQ is full, submits what is there to make room; a guest
 * does not, for the application may be in the middle of a chain of linked entries. So NULL only
 * when the kernel takes nothing at all (it is out of memory, or the CQ is full), or for a guest.
 */
struct io_uring_sqe *quoit_uring_sqe(struct quoit_uring *uring);

/*
 * The next n free entries at once, for a chain of linked ones: it must not be cut in two by a
 * submission in its middle, which ends a chain for the kernel.
 *
 * Errors: -E2BIG more than the queue has; -EBUSY no room now, and nothing was taken.
 */
QUOIT_MUST_CHECK int quoit_uring_sqes(struct quoit_uring *uring, unsigned n,
				      struct io_uring_sqe **sqes);

/* Tag a prepared entry with its owner, and count what the kernel owes. */
QUOIT_HOT void quoit_uring_tag(struct io_uring_sqe *sqe, enum quoit_op_kind kind,
			       struct quoit_op_owner *owner)
{
	sqe->user_data = quoit_op_data(kind, owner);
	owner->pending++;
}

QUOIT_HOT unsigned quoit_uring_unsubmitted(const struct quoit_uring *uring)
{
	return uring->ring->sq.sqe_tail -
	       quoit_load(uring->ring->sq.khead); /* the kernel's; a hint */
}

/*
 * Submit everything, and let the kernel post what has completed. Gives 0; -EBUSY, -EAGAIN or
 * -ENOMEM when it cannot do that now, so that the same entries go with the next enter; anything
 * else is for good, and the answer from then on.
 */
int quoit_uring_submit(struct quoit_uring *uring);

/*
 * Submit everything, and sleep until a completion comes or `timeout_ns` (relative) has passed. With
 * `gather_ns` the sleep goes on for so long even if completions come, unless there are many; only
 * where the kernel can (6.12). Gives what quoit_uring_submit() gives; an interrupted or timed-out
 * sleep is 0.
 */
int quoit_uring_sleep(struct quoit_uring *uring, uint64_t timeout_ns, uint64_t gather_ns);

/*
 * Has a completion been lost since the last quoit_uring_take_loss()? The kernel gives -EBADR only
 * to who waits with nothing to submit; its count tells everybody.
 */
QUOIT_HOT bool quoit_uring_has_lost(const struct quoit_uring *uring)
{
	return uring->lost ||
	       quoit_load(uring->ring->cq.koverflow) != uring->lost_seen; /* the kernel's; a hint */
}

/* The caller asks after everything now. */
void quoit_uring_take_loss(struct quoit_uring *uring);

/* Is there a completion to reap, or work in the kernel that an enter would turn into one? */
bool quoit_uring_has_news(const struct quoit_uring *uring);

/* Would an enter without waiting post completions (deferred work or an overflow list)? */
bool quoit_uring_needs_enter(const struct quoit_uring *uring);

/* Is it one of ours? If so it is handled. For guests, whose completions others reap. */
bool quoit_uring_handle(struct quoit_uring *uring, const struct io_uring_cqe *cqe);

/* Handle up to `budget` completions. Gives how many. */
size_t quoit_uring_reap(struct quoit_uring *uring, size_t budget);

/* The same a second time in one turn: an overflow was counted already. */
size_t quoit_uring_take(struct quoit_uring *uring, size_t budget);

/* Ask the kernel to end the operation with this user_data; the answer comes to `owner` as `kind`.
 */
int quoit_uring_cancel(struct quoit_uring *uring, uint64_t user_data, enum quoit_op_kind kind,
		       struct quoit_op_owner *owner);

#endif
