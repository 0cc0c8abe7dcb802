/* SPDX-License-Identifier: MIT */
/*
 * stats.h - what one core has counted since it started.
 *
 * Counters are written by the core alone, without locks, and may be read by any thread at any time;
 * figures of one reading can be a few events apart from each other.
 */
#ifndef QUOIT_RUNTIME_STATS_H
#define QUOIT_RUNTIME_STATS_H

#include <quoit/io/io.h>

QUOIT_C_BEGIN

struct quoit_stats {
	/* the loop */
	uint64_t turns;
	uint64_t sleeps;	/* turns that ended asleep in the kernel */
	uint64_t gathers;	/* of these: for several requests, not the first */
	uint64_t spins;		/* turns that looked for news without the kernel first */
	uint64_t spins_won;	/* and found some */
	uint64_t enters;	/* io_uring_enter calls, the only system call of a turn */
	uint64_t enters_forced; /* of these: an extra one, because the submission queue was full */
	uint64_t submitted;	/* operations given to the kernel */
	uint64_t completed;	/* completions taken from it */
	uint64_t overflows;	/* turns that found the completion queue overflowed */
	uint64_t stale;		/* completions for objects that had gone; must stay 0 */
	uint64_t timers_fired;

	/* mail */
	uint64_t messages_in;
	uint64_t messages_out;
	uint64_t batches; /* runs given to handlers: messages_in / batches is the batch size */
	uint64_t calls;
	uint64_t refused; /* sends answered -EAGAIN */
	uint64_t calls_timed_out;
	uint64_t bells_rung;  /* cores woken */
	uint64_t bells_saved; /* cores that were sent something and were awake */
	uint64_t bells_heard;

	/* streams */
	struct quoit_io_counts io;

	/* memory and cpu */
	uint64_t numa_degraded; /* regions of memory that are not where they were meant to be */
	uint64_t migrations;	/* moves to another cpu although pinned: its own went offline */
};

QUOIT_C_END

#endif
