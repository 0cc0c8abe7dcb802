/* SPDX-License-Identifier: MIT */
/*
 * core_internal.h - what one core owns. It lies in a region on the core's own node and is touched
 * by no other thread, except for its counters, its inbound lanes and its bell.
 */
#ifndef QUOIT_RUNTIME_CORE_INTERNAL_H
#define QUOIT_RUNTIME_CORE_INTERNAL_H

#include <quoit/runtime/core.h>
#include <quoit/runtime/loop_internal.h>
#include <quoit/runtime/mail_internal.h>

struct quoit_runtime;

/* How far a core has come in stopping. It only ever moves forward. See stop.c. */
enum quoit_phase {
	QUOIT_PHASE_RUNNING,
	QUOIT_PHASE_NO_NEW,  /* finishes what was accepted */
	QUOIT_PHASE_QUIET,   /* owes nothing itself, still serves the others */
	QUOIT_PHASE_SEALED,  /* sends nothing more, reads what is left */
	QUOIT_PHASE_DRAINED, /* has read everything, the others may not have */
	QUOIT_PHASE_SILENT,  /* waits for the kernel to let go of its bell */
	QUOIT_PHASE_GONE,
};

struct quoit_core {
	struct quoit_loop loop;
	struct quoit_io io;
	struct quoit_mail mail;
	struct quoit_region region; /* this struct, the lanes and the frames */
	struct quoit_runtime *runtime;
	unsigned index;
	unsigned cpu;
	int node;
	unsigned seen_cpu;   /* where it was when it last looked */
	uint64_t migrations; /* how often that was another: counted for stats.c */
	unsigned degraded;   /* regions not where they were meant to be; never changes */
	enum quoit_phase phase;
	struct quoit_timer deadline;
	uint64_t deadline_ns; /* what the timer stands at */
	bool forced;	      /* the deadline has passed: everything left was cut off */
	bool cut;	      /* the same for polls, signals and work */
	bool abandoned;	      /* and they did not even end then */
	bool by_hand;	      /* the runtime has turned the loop for the last time */
	bool leaked;	      /* somebody never let go: its memory must stay */
	bool broken;	      /* its io_uring works no more */
	struct quoit_reason why;
	void *user;
};

/* Make a core on the calling thread, which is pinned already. Errors: those of its parts. */
QUOIT_MUST_CHECK int quoit_core_open(struct quoit_runtime *runtime, unsigned index, unsigned cpu,
				     int node, struct quoit_core **core, struct quoit_reason *why);

/* On its own thread, when it is gone. */
void quoit_core_close(struct quoit_core *core);

/* By the joiner of all threads: what other cores may have touched. */
void quoit_core_free(struct quoit_core *core);

#endif
