/* SPDX-License-Identifier: MIT */
/*
 * runtime.h - N cores: started together, stopped together, the first error kept.
 *
 * quoit_run() is a whole program's main loop. quoit_runtime_start() and its companions are the same
 * for a program that has a main loop of its own.
 */
#ifndef QUOIT_RUNTIME_RUNTIME_H
#define QUOIT_RUNTIME_RUNTIME_H

#include <quoit/io/io.h>
#include <quoit/numa/plan.h>
#include <quoit/numa/reason.h>
#include <quoit/runtime/core.h>
#include <quoit/runtime/stats.h>

QUOIT_C_BEGIN

#define QUOIT_ALL	0 /* cores: one per cpu, or per core with one_per_core, that is ours */
#define QUOIT_CORES_MAX 1024

/* Zero means the default everywhere. */
struct quoit_config {
	/* How many cores. More than there are cpus is possible: they share, and never spin. */
	unsigned cores;

	/*
	 * Called on each core's thread, before any core runs: listen, register handlers, start
	 * timers. Below 0 fails the whole start with that error.
	 */
	int (*start)(struct quoit_core *core, void *ctx);

	/*
	 * Called on each core's thread when everything has ended, for what start() made; also on
	 * those whose start() failed. No message is handled on any core any more, so what posts and
	 * calls pointed to may go.
	 */
	void (*stop)(struct quoit_core *core, void *ctx);

	void *ctx; /* for start and stop */

	struct quoit_io_options io;

	/*
	 * Calls (and posts) that may be on their way from one core to another; default 64. Of calls
	 * made on behalf of a request there may be a quarter as many besides, for each depth.
	 */
	unsigned calls_per_pair;

	/*
	 * How deep calls may nest: 1 allows only calls outside of requests, 2 a call on behalf of a
	 * request, and so on, up to QUOIT_CALL_DEPTH_MAX; default 4.
	 */
	unsigned call_depth;

	/* Threads that are no cores and may post to one core, see outsider.h; default 64. */
	unsigned outsiders;

	/*
	 * Most that a core spins for news before it sleeps, when an answer is on its way or the
	 * last sleeps were short. By default twice what a wake-up takes here, which it measures; 50
	 * us at most.
	 */
	uint64_t spin_ns;
	bool never_spin;

	/*
	 * Most that completions, and then messages and rings, may take of one turn before the
	 * others have theirs, plus the handler that runs at that moment; default 500 us.
	 */
	uint64_t slice_ns;

	/*
	 * Most that a sleep may go on gathering requests although the first has come, when many
	 * streams are busy and the core would else be woken for each; default 50 us. It trades that
	 * much latency for CPU time. Never at low rates or with few streams. Needs kernel 6.12.
	 */
	uint64_t coalesce_ns;
	bool never_coalesce;

	/*
	 * How long a signal to quoit_run(), or a core whose io_uring fails, lets the cores finish;
	 * default 10 s.
	 */
	uint64_t stop_timeout_ns;

	/*
	 * Where the cores sit, as in struct quoit_plan_options: on the nodes in turn, instead of
	 * filling one before the next; without SMT siblings; on these cpus only, NULL being all
	 * that this process may use.
	 */
	bool spread;
	bool one_per_core;
	const struct quoit_idset *cpus;
};

struct quoit_runtime;

/* The struct's size goes along, so that a newer library knows an older program's. */
int quoit__run(const struct quoit_config *config, size_t bytes);
int quoit__runtime_start(const struct quoit_config *config, size_t bytes,
			 struct quoit_runtime **runtime, struct quoit_reason *why);

/*
 * Be the program: start the cores, serve until SIGINT or SIGTERM, let everything accepted finish,
 * and give an exit status for main() to return: 0 ended in order; 1 not everything could finish, or
 * a core failed; 2 could not start. The reason for 1 and 2 goes to standard error, in one line. A
 * second signal does not wait any longer, and a third one kills the process.
 *
 * Thread: main's, before it makes others: the two signals are blocked while this runs.
 */
static inline int quoit_run(const struct quoit_config *config)
{
	return quoit__run(config, sizeof(*config));
}

/*
 * Start the cores, each on its own pinned thread. When this returns 0 they all run; when not, none
 * does, *runtime is untouched and `why` has the reason.
 *
 * Owns: quoit_runtime_wait() frees the runtime.
 * Errors: -EINVAL the configuration; what io_uring, memory or threads refuse; what start() gave.
 */
static inline QUOIT_MUST_CHECK int quoit_runtime_start(const struct quoit_config *config,
						       struct quoit_runtime **runtime,
						       struct quoit_reason *why)
{
	return quoit__runtime_start(config, sizeof(*config), runtime, why);
}

/*
 * Begin to stop: no new connections, no new requests; what was accepted is answered first, but not
 * after `timeout_ns` from now. Returns at once. A second call can only bring the end nearer. In a
 * forked child it does nothing.
 * Thread: any, also a handler, and signal handlers.
 */
void quoit_runtime_stop(struct quoit_runtime *runtime, uint64_t timeout_ns);

/*
 * Wait until all cores have ended, and free everything.
 *
 * Gives 0, or the first error of any core, which is told in `why`.
 * Thread: not a core's.   Errors: -ETIMEDOUT when the deadline cut something off; what a core's
 * start function or its kernel calls said; -ECHILD in a forked child, which has none of the cores
 * and can only leave the runtime alone.
 */
QUOIT_MUST_CHECK int quoit_runtime_wait(struct quoit_runtime *runtime, struct quoit_reason *why);

enum quoit_stuck_kind {
	QUOIT_STUCK_STREAM,    /* held, or not all of it sent */
	QUOIT_STUCK_CALL,      /* unanswered */
	QUOIT_STUCK_LISTENER,  /* the kernel does not end its accept */
	QUOIT_STUCK_OPERATION, /* nor this */
};

/* Something that a stop was still waiting for when its deadline passed. */
struct quoit_stuck {
	uint32_t kind; /* enum quoit_stuck_kind */
	uint32_t core;
	uint32_t slot; /* with core and generation, a stream's name */
	uint32_t generation;
	uint32_t to;	 /* of a call: the core that was asked */
	uint64_t age_ns; /* since bytes came or left, or the call was made; 0: not known */
	char peer[64];	 /* of a stream: the address of the other end, "" if it has gone */
};

#define QUOIT_STUCK_MOST 8

typedef void (*quoit_stuck_fn)(const struct quoit_stuck *stuck, void *ctx);

/*
 * What was cut off at the deadline: fn is called for each of the oldest QUOIT_STUCK_MOST of all
 * cores, the oldest first. The reason that quoit_runtime_wait() gives names only one.
 *
 * Gives how many there were in all.
 * Thread: any but a core's; when quoit_runtime_fd() is readable, and before quoit_runtime_wait().
 */
uint64_t quoit_runtime_stuck(struct quoit_runtime *runtime, quoit_stuck_fn fn, void *ctx);

/* A descriptor that becomes readable when all cores have ended, for another loop to wait on. */
int quoit_runtime_fd(const struct quoit_runtime *runtime);

/* How many cores it has. Thread: any. */
unsigned quoit_runtime_cores(const struct quoit_runtime *runtime);

/*
 * Which core sits on which cpu and takes which node's memory, and why: see plan.h, which also puts
 * it into words. Thread: any, between start and wait.
 */
const struct quoit_plan *quoit_runtime_plan(const struct quoit_runtime *runtime);

/* The runtime that a core belongs to: for a handler that wants it to stop. Thread: any. */
struct quoit_runtime *quoit_core_runtime(const struct quoit_core *core);

/*
 * What core `index` has counted. Thread: any, between start and wait. Errors: -EINVAL no such core;
 * -ECHILD in a forked child.
 */
int quoit_runtime_stats(const struct quoit_runtime *runtime, unsigned index,
			struct quoit_stats *stats);

/* How it goes with the loop of core `index`, likewise. */
int quoit_runtime_histograms(const struct quoit_runtime *runtime, unsigned index,
			     struct quoit_loop_histograms *histograms);

QUOIT_C_END

#endif
