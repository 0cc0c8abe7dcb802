/* SPDX-License-Identifier: MIT */
/* runtime_internal.h - what the cores share: little, and nothing of it on the hot path. */
#ifndef QUOIT_RUNTIME_RUNTIME_INTERNAL_H
#define QUOIT_RUNTIME_RUNTIME_INTERNAL_H

#include <pthread.h>

#include <quoit/io/address_internal.h>
#include <quoit/numa/sys_internal.h>
#include <quoit/numa/plan.h>
#include <quoit/runtime/core_internal.h>
#include <quoit/runtime/runtime.h>

#define QUOIT_LISTEN_POINTS    64
#define QUOIT_RUNTIME_MEETINGS 2
#define QUOIT_STOP_TIMEOUT_NS  (10 * 1000 * 1000 * 1000ull) /* where nobody says how long */

/* Where a core sits, and who sits there. */
struct quoit_seat {
	struct quoit_runtime *runtime;
	struct quoit_core *core; /* NULL until its thread has made it */
	pthread_t thread;	 /* for the joiner */
	pthread_t self;		 /* the same, by its own hand */
	unsigned index;
	unsigned cpu;
	int node;
};

/* One text that cores listen on, and the address with the port that it became. */
struct quoit_listen_point {
	char text[QUOIT_ADDRESS_TEXT];
	struct quoit_address address;
};

struct quoit_runtime {
	struct quoit_config config;
	int pid; /* whose threads the cores are: a forked child has none of them */
	struct quoit_seat *seats;
	struct quoit_plan plan; /* which they follow */
	unsigned cores;
	bool shares_cpus; /* more cores than cpus: spinning would only take time from each other */

	/* Under the lock: meetings of all threads at the start, the first error, listen points. */
	pthread_mutex_t lock;
	pthread_cond_t met;
	unsigned expected;
	unsigned arrived;
	unsigned meetings;		   /* so far */
	bool good[QUOIT_RUNTIME_MEETINGS]; /* what each of them found */
	bool failed;
	struct quoit_reason first; /* error 0: none */
	struct quoit_listen_point points[QUOIT_LISTEN_POINTS];
	unsigned point_count;
	unsigned ended; /* threads */
	int done_fd;	/* an eventfd: all threads have ended */

	/* What the deadline cut off, the oldest of all cores first: under the lock. */
	struct quoit_stuck stuck[QUOIT_STUCK_MOST];
	uint32_t stuck_kept;
	uint64_t stuck_in_all;

	/* Stopping: see stop.c. */
	uint32_t stop_wanted;
	uint64_t deadline_ns;
	uint32_t quiet;
	uint32_t sealed;
	uint32_t drained;
};

/* Are the cores threads of this process, and not of the one that it was forked from? */
QUOIT_HOT bool quoit_runtime_is_ours(const struct quoit_runtime *runtime)
{
	return runtime->pid == quoit__sys_getpid();
}

/* Keep the first error only. */
void quoit_runtime_note_error(struct quoit_runtime *runtime, const struct quoit_reason *why);

/*
 * --- stuck.c ---
 *
 * Look at everything that this core still has open, and remember the oldest of it for whoever asks.
 * Gives the core's own oldest in words; `text` has QUOIT_STUCK_TEXT bytes and is "" for nothing.
 */
#define QUOIT_STUCK_TEXT 128
void quoit_core_note_stuck(struct quoit_core *core, char *text);

/* --- stop.c --- */

/* Has the runtime been asked to stop? */
bool quoit_runtime_is_stopping(const struct quoit_runtime *runtime);

/* Take the next steps of stopping, if there are any to take. The loop asks after every turn. */
bool quoit_core_step(struct quoit_loop *loop);

#endif
