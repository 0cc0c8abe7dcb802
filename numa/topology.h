/* SPDX-License-Identifier: MIT */
/*
 * topology.h - which cpus and memory nodes this thread may use, and how far apart they are.
 *
 * A picture of one moment, read from sysfs and narrowed to what is online, in the affinity mask and
 * in the cpuset; refresh makes a new one. Node and cpu numbers are the kernel's own: they may have
 * holes, a node may lack cpus or memory. Nothing here is an index unless it says so.
 */
#ifndef QUOIT_NUMA_TOPOLOGY_H
#define QUOIT_NUMA_TOPOLOGY_H

#include <quoit/numa/idset.h>
#include <quoit/numa/reason.h>

QUOIT_C_BEGIN

/* One usable cpu. */
struct quoit_topology_cpu {
	unsigned cpu;
	int node;	    /* its node's id */
	unsigned core;	    /* the lowest cpu of its SMT siblings, usable or not: names the group */
	unsigned smt_index; /* how many usable siblings come before it: 0 is one cpu per core */
	int core_id;	    /* as the kernel tells; unique within a package only, -1 unknown */
	int package;	    /* socket, -1 unknown */
	bool isolated;	    /* the scheduler puts nothing here by itself (isolcpus) */
	bool tickless;	    /* no timer tick while one thread runs alone (nohz_full) */
};

/* One online node. */
struct quoit_topology_node {
	int id;
	bool has_memory;
	bool allowed; /* this thread's cpuset lets it take memory here */
	uint64_t memory_bytes;
	uint64_t free_bytes;  /* at that moment, not counting what the page cache would give up */
	const unsigned *cpus; /* the usable ones, ascending */
	size_t cpu_count;
	const uint16_t *distances; /* to nodes[0], nodes[1], ...; 10 is local */
};

/*
 * Owns: the arrays belong to the topology until fini. Read-only after load, any thread may look.
 */
struct quoit_topology {
	struct quoit_topology_cpu *cpus; /* usable, ascending by number; at least one */
	size_t cpu_count;
	struct quoit_topology_node *nodes; /* online, ascending by id; at least one */
	size_t node_count;
	bool numa; /* false: the kernel shows no nodes, and node 0 stands for the machine */

	/*
	 * Facts that could not be read or made no sense, and were replaced: by the kernel's default
	 * distance, by node 0, by "allowed". 0 on a healthy machine; the first in words.
	 */
	unsigned guesses;
	struct quoit_reason first_guess;

	struct quoit_idset online;  /* cpus, usable by this thread or not */
	struct quoit_idset offline; /* in their sockets, and switched off; {} where nobody tells */

	char *root;	      /* where it was read; NULL: this machine */
	unsigned *node_cpus;  /* behind nodes[].cpus */
	uint16_t *distances;  /* behind nodes[].distances */
	int16_t *node_by_cpu; /* for every online cpu, usable or not; -1 elsewhere */
	size_t node_by_cpu_count;
};

/*
 * Read the topology.
 *
 * With `root` NULL or "/" it is this machine's, narrowed to the affinity mask of the calling
 * thread. Any other root is a directory that holds copies of <root>/sys/devices/system/{cpu,node}
 * and <root>/proc/self/status: a test's, or another machine's. The Cpus_allowed_list of that status
 * stands for the affinity mask; without the line every online cpu may be used.
 *
 * A missing or mangled file is a guess, not a failure: where any program can run this one can.
 *
 * Owns: the caller calls fini when 0 was returned; `t` is untouched otherwise.
 * Errors: -ENODEV no cpu is left, -E2BIG more than QUOIT_CPUS_MAX or QUOIT_NODES_MAX numbers,
 * -ENOMEM, -errno of opening `root`. `why` says which.
 */
QUOIT_MUST_CHECK int quoit_topology_load(struct quoit_topology *t, const char *root,
					 struct quoit_reason *why);

/*
 * Take a new picture from the same root: cpus come and go, a cpuset changes, memory is used up. For
 * this machine the affinity mask is the calling thread's, so not that of a pinned one.
 *
 * Gives 1 if there is another machine to plan for, 0 if nothing has changed but free memory.
 * Owns: pointers into the old picture are void when this gave 0 or 1; on failure it stays.
 * Errors: those of quoit_topology_load().
 */
QUOIT_MUST_CHECK int quoit_topology_refresh(struct quoit_topology *t, struct quoit_reason *why);

/* Free the arrays. A zeroed or finished topology is let be. */
void quoit_topology_fini(struct quoit_topology *t);

/*
 * The node of an online cpu, be it usable or not.
 *
 * Errors: -ENODEV for any other cpu.
 */
int quoit_topology_node_of_cpu(const struct quoit_topology *t, unsigned cpu);

/* One of the usable cpus; NULL for any other. */
const struct quoit_topology_cpu *quoit_topology_cpu(const struct quoit_topology *t, unsigned cpu);

/*
 * The usable cpus that share a core with this one, itself among them.
 *
 * Errors: -ENODEV if `cpu` is not usable; the set stays as it was then.
 */
QUOIT_MUST_CHECK int quoit_topology_siblings(const struct quoit_topology *t, unsigned cpu,
					     struct quoit_idset *siblings);

/*
 * The usable cpu of a node that has the fewest users, and one more from now on: an idle core before
 * an idle sibling of a busy one, and that before a busy cpu. With `node` below 0 of any node.
 *
 * `users` counts for each of t->cpus, in their order: zeros at first, kept by the caller between
 * calls, taken down by who leaves.
 * Errors: -ENODEV if there is no such node, or it has no usable cpu.
 */
QUOIT_MUST_CHECK int quoit_topology_pick_cpu(const struct quoit_topology *t, int node,
					     unsigned *users);

/* Does it matter where memory lies: has this machine more than one node? */
bool quoit_topology_is_numa(const struct quoit_topology *t);

/*
 * The other node that is nearest; of equally near ones the lowest, and the node itself if it is
 * alone.
 *
 * Errors: -ENODEV if there is no such node.
 */
int quoit_topology_nearest(const struct quoit_topology *t, int node);

/*
 * Where memory for `node` should come from: the node itself if it has memory that this thread may
 * take, else the nearest that has; of equally near ones the lowest.
 *
 * Errors: -ENODEV if there is no such node, or none with memory.
 */
int quoit_topology_memory_node(const struct quoit_topology *t, int node);

/* The node with this id; NULL if it is not online. */
const struct quoit_topology_node *quoit_topology_node(const struct quoit_topology *t, int id);

/*
 * The distance between two nodes as the firmware tells: 10 to itself, 20 twice as far.
 *
 * Errors: -ENODEV if one is not online.
 */
int quoit_topology_distance(const struct quoit_topology *t, int from, int to);

QUOIT_C_END

#endif
