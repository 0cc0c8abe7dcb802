/* SPDX-License-Identifier: MIT */
/*
 * plan.h - which loop runs on which cpu and takes which node's memory, and why there.
 *
 * A plan is made before any thread is, from a topology; it can be printed, and compared with what
 * another machine would do. The runtime makes one and follows it; programs with threads of their
 * own may do the same.
 */
#ifndef QUOIT_NUMA_PLAN_H
#define QUOIT_NUMA_PLAN_H

#include <quoit/numa/topology.h>

QUOIT_C_BEGIN

#define QUOIT_PLAN_LOOPS_MAX 8192

struct quoit_plan_options {
	unsigned loops; /* how many; 0: one for each cpu, or each core with one_per_core */

	/*
	 * Take the nodes in turn, for their memory's bandwidth. Else one node is filled first, and
	 * then the nearest to it: messages between the loops stay near.
	 */
	bool spread;

	/* Leave SMT siblings idle, and refuse more loops than there are cores. */
	bool one_per_core;

	const struct quoit_idset *cpus; /* only these; NULL: all that the topology has */
};

/* One loop and its place. */
struct quoit_plan_loop {
	unsigned cpu;
	unsigned core;	 /* as in quoit_topology_cpu */
	int node;	 /* of the cpu */
	int memory_node; /* to take memory from; below 0: no node has any for us */
	int beside;	 /* the first loop on an SMT sibling of this cpu; -1: the core is its own */
	int shares;	 /* the first loop on this very cpu; -1: it is the first */
	bool isolated;	 /* the scheduler puts nothing else there */
};

/* Owns: `loops`, until fini. Read-only after make, any thread may look. */
struct quoit_plan {
	struct quoit_plan_loop *loops;
	unsigned count;
	unsigned cpus;	/* that could be chosen from */
	unsigned cores; /* that they are */
	unsigned nodes; /* that they are on */
	bool spread;
	bool shares_cpus; /* some loops have to take turns on a cpu */
};

/*
 * Make a plan. Loops get cores of their own as long as there are some, then SMT siblings of busy
 * ones, then cpus in turn. Nodes whose memory may be used come before those without.
 *
 * Owns: the caller calls fini when 0 was returned; `plan` is untouched otherwise.
 * Errors: -EINVAL more loops than QUOIT_PLAN_LOOPS_MAX, or than cores with one_per_core; -ENODEV
 * none of `cpus` is usable; -ENOMEM. `why` says which.
 */
QUOIT_MUST_CHECK int quoit_plan_make(struct quoit_plan *plan, const struct quoit_topology *topology,
				     const struct quoit_plan_options *options,
				     struct quoit_reason *why);

/* Free it. A zeroed or finished plan is let be. */
void quoit_plan_fini(struct quoit_plan *plan);

/*
 * Say why a loop has its place: "a core of its own", "beside loop 0: no core is left".
 *
 * Gives `text`, cut to `bytes` and always ended with a NUL. Contract: there is such a loop.
 */
const char *quoit_plan_reason(const struct quoit_plan *plan, unsigned loop, char *text,
			      size_t bytes);

/*
 * Write the whole plan for people: a line about all of it, and one for each loop with its reason,
 * each with a newline at its end.
 *
 * Gives how many bytes that takes without the NUL; what `bytes` do not hold is cut, and the text is
 * ended with a NUL unless `bytes` is 0.
 */
size_t quoit_plan_format(const struct quoit_plan *plan, char *text, size_t bytes);

QUOIT_C_END

#endif
