/* SPDX-License-Identifier: MIT */
/*
 * loop.h - the event loop by itself: for programs that have a main loop already, or want one.
 *
 * Every core of a runtime runs one (quoit_core_loop()). A program may also have loops of its own,
 * without a runtime, in four ways:
 *
 * - On a thread of its own: quoit_loop_create(), then quoit_loop_run(), or quoit_loop_run_once().
 * - On a struct io_uring that the program owns, submits and reaps: quoit_loop_attach(), then
 *   quoit_loop_prepare(), quoit_loop_before_wait() and quoit_loop_handle_cqe().
 * - Inside epoll, libuv and the like: .pollable = true; quoit_loop_fd() is readable whenever there
 * is something to do, and quoit_loop_run_ready() does it.
 * - Around an epoll set: that is a descriptor like any other, see poll.h.
 *
 * A loop belongs to the thread that made it: all calls are for that thread, unless they say
 * otherwise. It depends on no thread-local variable and takes no signal.
 */
#ifndef QUOIT_RUNTIME_LOOP_H
#define QUOIT_RUNTIME_LOOP_H

#include <quoit/numa/reason.h>
#include <quoit/rings/wait.h>
#include <quoit/runtime/histogram.h>
#include <quoit/runtime/timer.h>

QUOIT_C_BEGIN

struct quoit_loop;
struct io_uring;
struct io_uring_cqe;

/* Zero means the default everywhere. */
struct quoit_loop_options {
	uint32_t sq_entries; /* of its own io_uring, 64 to 16,384; default 256 */
	uint32_t operations; /* polls, bells and the like at once, up to 1,048,576; default 4,096 */
	/*
	 * Most that it spins for news before it sleeps, when an answer is on its way or the last
	 * sleeps were short. By default twice what a wake-up takes here, which it measures; 50 us
	 * at most.
	 */
	uint64_t spin_ns;
	bool never_spin;
	uint64_t slice_ns; /* most that completions, and rings, take of a turn; default 500 us */
	bool pollable;	   /* quoit_loop_fd() works: for life inside another loop */
};

/*
 * How it goes with one loop. Written by its thread, readable by any other at any time. A turn's
 * clock is read when it begins.
 */
struct quoit_loop_histograms {
	struct quoit_histogram lag_ns;	 /* turns with timers: clock minus when the first was due */
	struct quoit_histogram turn_ns;	 /* from a turn's clock until its handlers have run */
	struct quoit_histogram sleep_ns; /* from there to the next turn's clock, if it slept */
	/* From the ringing of a bell to the clock of the turn that it woke: handlers run next. */
	struct quoit_histogram wake_ns;
	struct quoit_histogram completions; /* handled in a turn that had any */
	struct quoit_histogram items;	    /* handled of one ring, or of the lanes, in a turn */
};

/* What one loop has counted. Written by its thread, readable by any other at any time. */
struct quoit_loop_stats {
	uint64_t turns;
	uint64_t sleeps;      /* turns that ended asleep in the kernel */
	uint64_t spins;	      /* turns that looked for news without the kernel first */
	uint64_t spins_won;   /* and found some */
	uint64_t bells_heard; /* times that somebody woke it */
	uint64_t timers_fired;
	uint64_t tasks;		/* deferred ones that ran */
	uint64_t items;		/* handled from rings and lanes */
	uint64_t enters;	/* io_uring_enter calls of its own */
	uint64_t enters_forced; /* of these: because the submission queue was full */
	uint64_t completed;	/* completions of its own operations */
	uint64_t overflows;	/* turns that found the completion queue overflowed */
	uint64_t stale;		/* completions for objects that had gone; must stay 0 */
};

/* The options' size goes along, so that a newer library knows an older program's. */
int quoit__loop_create(const struct quoit_loop_options *options, size_t bytes,
		       struct quoit_loop **loop, struct quoit_reason *why);
int quoit__loop_attach(struct io_uring *ring, const struct quoit_loop_options *options,
		       size_t bytes, struct quoit_loop **loop, struct quoit_reason *why);

/*
 * Make a loop with an io_uring of its own on the calling thread. `options` may be NULL.
 *
 * Owns: the caller destroys it; *loop is untouched on failure.
 * Errors: -EINVAL for options that are not possible; what io_uring or memory refuse; `why` has the
 * reason in one line.
 */
static inline QUOIT_MUST_CHECK int quoit_loop_create(const struct quoit_loop_options *options,
						     struct quoit_loop **loop,
						     struct quoit_reason *why)
{
	return quoit__loop_create(options, sizeof(*options), loop, why);
}

/*
 * Make a loop that lives on a ring of the application's, which must have been set up already and
 * stays the application's: it alone submits, waits and reaps, with whatever flags it chose. The
 * user_data of our entries has its top bit set and is never all ones; do not use such values. A
 * full submission queue is never submitted by us; what finds no room waits for the next prepare.
 *
 *     while (true) {
 *         quoit_loop_prepare(loop);                       handlers run, entries are prepared
 *         if (done)                                       what handlers change, look at here
 *             break;
 *         wait = quoit_loop_before_wait(loop);
 *         io_uring_submit_and_wait(&ring, wait ? 1 : 0);
 *         io_uring_for_each_cqe(&ring, head, cqe) {
 *             if (!quoit_loop_handle_cqe(loop, cqe))
 *                 ours(cqe);
 *             n++;
 *         }
 *         io_uring_cq_advance(&ring, n);
 *     }
 *
 * Thread: the ring's.   Owns: the caller destroys it, before the ring.
 * Errors: -EINVAL for a ring with IORING_SETUP_IOPOLL or options that are not possible, -EOPNOTSUPP
 * on kernels before 6.1, -ENOMEM, -EMFILE; `why` has the reason.
 */
static inline QUOIT_MUST_CHECK int quoit_loop_attach(struct io_uring *ring,
						     const struct quoit_loop_options *options,
						     struct quoit_loop **loop,
						     struct quoit_reason *why)
{
	return quoit__loop_attach(ring, options, sizeof(*options), loop, why);
}

/*
 * Free a loop of one's own. What it had asked of the kernel is cancelled and waited for; on an
 * application's ring that takes several calls, between which the application submits and reaps.
 *
 * Thread: the loop's.   Errors: -EBUSY while something is attached to it (a channel, a poll, a ring
 * that might ring it); -EAGAIN on an application's ring until the last completion has come: submit,
 * wait if quoit_loop_before_wait() says so, reap and call again; -ETIMEDOUT on a ring of its own if
 * the kernel has not let go after some seconds: call again, or leave the memory; -EDEADLK in a
 * handler; -EPERM for a core's.
 */
QUOIT_MUST_CHECK int quoit_loop_destroy(struct quoit_loop *loop);

/*
 * Handle what there is; if that is nothing, sleep until something comes, but at most `timeout_ns`,
 * and handle that. 0 does not sleep, QUOIT_FOREVER has no limit.
 *
 * Errors: -EDEADLK in a handler; -EPERM for a core's loop or one on an application's ring, which
 * others drive; -ECHILD in a forked child, which cannot use its parent's loops; what io_uring_enter
 * says when it fails for good, which no loop survives.
 */
QUOIT_MUST_CHECK int quoit_loop_run_once(struct quoit_loop *loop, uint64_t timeout_ns);

/* Turns until quoit_loop_stop(). Gives 0 then. Errors: those of quoit_loop_run_once(). */
QUOIT_MUST_CHECK int quoit_loop_run(struct quoit_loop *loop);

/*
 * Turns until `done` says so, which is asked before and within each: for code outside of handlers
 * that must wait for something that a handler brings.
 *
 * Units: timeout_ns relative, QUOIT_FOREVER for none.
 * Errors: -ETIMEDOUT; -ESHUTDOWN after quoit_loop_stop(); those of quoit_loop_run_once().
 */
QUOIT_MUST_CHECK int quoit_loop_run_until(struct quoit_loop *loop, bool (*done)(void *ctx),
					  void *ctx, uint64_t timeout_ns);

/*
 * Let quoit_loop_run() return: the one that runs now, or the next one; until then
 * quoit_loop_run_once() does not sleep. Nothing is lost: what is attached stays attached. On an
 * application's ring it only wakes; so it does inside another loop, where the next
 * quoit_loop_run_until() gives -ESHUTDOWN as well. Thread: any, and signal handlers.
 * Cost: always one write(2), whether the loop sleeps or not: not for real-time handlers, which
 * leave it to a task.
 */
void quoit_loop_stop(struct quoit_loop *loop);

/* Wake the loop, so that it makes a turn. Thread, cost: the same. */
void quoit_loop_wake(struct quoit_loop *loop);

/* --- on an application's ring ---------------------------------------------------------------- */

/* Run what is due and put our entries into the application's submission queue. */
void quoit_loop_prepare(struct quoit_loop *loop);

/*
 * Ask before entering the kernel: may the application wait there? If not, it enters without waiting
 * (or not at all) and prepares again. If so, everything that the loop waits for, timers included,
 * will be a completion.
 */
QUOIT_MUST_CHECK bool quoit_loop_before_wait(struct quoit_loop *loop);

/* Give the loop a completion. True if it was its own, and handled; else it is the application's. */
QUOIT_MUST_CHECK bool quoit_loop_handle_cqe(struct quoit_loop *loop,
					    const struct io_uring_cqe *cqe);

/*
 * The application's enter gave -EBADR: the kernel had no memory to keep a completion, and nobody
 * knows whose it was. The loop asks after all that it has in the kernel and starts it again.
 */
void quoit_loop_completion_lost(struct quoit_loop *loop);

/* --- inside another loop --------------------------------------------------------------------- */

/*
 * A descriptor that is readable while there is something to do; level-triggered, and not to be read
 * or closed. The wait of the other loop may see EINTR first, as with signals: let it wait again.
 * Errors: -EOPNOTSUPP for a loop that was not made .pollable.
 */
int quoit_loop_fd(const struct quoit_loop *loop);

/*
 * Do what there is to do, without sleeping, and see to it that quoit_loop_fd() becomes readable
 * when there is more. Call it when that is readable, once before the first wait, and after anything
 * was asked of the loop from outside its handlers. Whoever has turned the loop by other calls
 * meanwhile finds the descriptor readable.
 * Errors: those of quoit_loop_run_once(), and -EOPNOTSUPP as above.
 */
QUOIT_MUST_CHECK int quoit_loop_run_ready(struct quoit_loop *loop);

/* --- asking ---------------------------------------------------------------------------------- */

/* Its timers, and its clock, read once a turn. */
QUOIT_RT_WAITFREE struct quoit_timers *quoit_loop_timers(struct quoit_loop *loop);
QUOIT_RT_WAITFREE uint64_t quoit_loop_now_ns(const struct quoit_loop *loop);

/* Fill *stats. Thread: any. */
void quoit_loop_read_stats(const struct quoit_loop *loop, struct quoit_loop_stats *stats);

/* Fill *histograms, 24 KiB. Thread: any. */
void quoit_loop_read_histograms(const struct quoit_loop *loop,
				struct quoit_loop_histograms *histograms);

QUOIT_C_END

#endif
