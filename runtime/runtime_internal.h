/* SPDX-License-Identifier: MIT */
/* runtime_internal.h - what the cores share: little, and nothing of it on the hot path. */
#ifndef QUOIT_RUNTIME_RUNTIME_INTERNAL_H
#define QUOIT_RUNTIME_RUNTIME_INTERNAL_H

#include <pthread.h>

#include <quoit/io/address_internal.h>
#include <quoit/numa/topology.h>
#include <quoit/runtime/core_internal.h>
#include <quoit/runtime/runtime.h>

#define QUOIT_LISTEN_POINTS    64
#define QUOIT_RUNTIME_MEETINGS 2

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
	struct quoit_seat *seats;
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

	/* Stopping: see stop.c. */
	uint32_t stop_wanted;
	uint64_t deadline_ns;
	uint32_t quiet;
	uint32_t sealed;
	uint32_t drained;
};

/* Keep the first error only. */
void quoit_runtime_note_error(struct quoit_runtime *runtime, const struct quoit_reason *why);

/* --- stop.c --- */

/* Has the runtime been asked to stop? */
bool quoit_runtime_is_stopping(const struct quoit_runtime *runtime);

/* Take the next steps of stopping, if there are any to take. The loop asks after every turn. */
bool quoit_core_step(struct quoit_loop *loop);

#endif
