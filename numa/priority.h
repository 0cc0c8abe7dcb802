/* SPDX-License-Identifier: MIT */
/*
 * priority.h - how urgent the calling thread is, and how it stands with the scheduler in truth.
 *
 * What may not be had is refused and said, and nothing less is taken instead: who goes on after a
 * refusal knows it.
 */
#ifndef QUOIT_NUMA_PRIORITY_H
#define QUOIT_NUMA_PRIORITY_H

#include <quoit/numa/machine.h>
#include <quoit/numa/reason.h>

QUOIT_C_BEGIN

enum quoit_priority {
	QUOIT_PRIORITY_DEFAULT,	    /* as any thread: SCHED_OTHER, nice 0 */
	QUOIT_PRIORITY_INTERACTIVE, /* before those: SCHED_OTHER, nice -5 */
	QUOIT_PRIORITY_BACKGROUND,  /* when nobody else wants to run: SCHED_IDLE */

	/*
	 * Before everybody: SCHED_FIFO. Threads and processes that it makes are ordinary again
	 * (RESET_ON_FORK). Nothing takes the cpu from it but higher levels, so it must sleep: the
	 * kernel's own work on that cpu, io_uring's and the network's among it, waits until then.
	 */
	QUOIT_PRIORITY_REALTIME_AUDIO,
};

/* The level of SCHED_FIFO unless another is asked for: below the kernel's interrupt threads, 50. */
#define QUOIT_REALTIME_LEVEL 10

/*
 * Make the calling thread as urgent as that.
 *
 * Errors: -EPERM, -EINVAL no such priority; `why` says what to ask for. All are changed at once or
 * not at all. Leaving BACKGROUND, or a nice value above 0, needs the same right as rising from the
 * default: without it they are final.
 */
QUOIT_MUST_CHECK int quoit_thread_set_priority(enum quoit_priority priority,
					       struct quoit_reason *why);

/*
 * QUOIT_PRIORITY_REALTIME_AUDIO with a level of one's own, 1 to 99.
 *
 * Errors: -EPERM beyond RLIMIT_RTPRIO without CAP_SYS_NICE, -EINVAL no such level.
 */
QUOIT_MUST_CHECK int quoit_thread_set_realtime(unsigned level, struct quoit_reason *why);

/* How the kernel sees a thread. */
struct quoit_sched_info {
	enum quoit_priority priority; /* what comes nearest */
	bool exact;		      /* and it is just that */
	bool reset_on_fork;	      /* what it makes is ordinary */
	int policy;		      /* SCHED_OTHER, SCHED_FIFO, ... of <sched.h> */
	int nice;		      /* of SCHED_OTHER and SCHED_BATCH; -20 to 19 */
	unsigned level;		      /* of SCHED_FIFO and SCHED_RR; 1 to 99 */
	uint64_t timer_slack_ns;      /* how late its sleeps may end; real-time ones have none */

	/*
	 * Of each rt_period_ns real-time threads get rt_runtime_ns and then wait, so that a cpu can
	 * be saved from them; equal where they never do. Zeros if it cannot be read.
	 */
	uint64_t rt_runtime_ns;
	uint64_t rt_period_ns;
};

/*
 * The calling thread's state, as it is and not as it was asked for.
 *
 * Errors: -errno of sched_getattr, which a sandbox may forbid; `info` is untouched then.
 */
QUOIT_MUST_CHECK int quoit_thread_sched(struct quoit_sched_info *info);

/*
 * How late the calling thread's sleeps may end, so that the kernel can wake several threads at
 * once. Real-time threads are always on time. 0 is what the thread began with, mostly 50 us.
 *
 * Errors: -errno of prctl, which a sandbox may forbid.
 */
QUOIT_MUST_CHECK int quoit_thread_set_timer_slack(uint64_t ns);

QUOIT_C_END

#endif
