/* SPDX-License-Identifier: MIT */
/*
 * guest.h - what the checks inside an emulated machine share: the machine as it was made, whatever
 * the kernel and the library say of it, and a count of the pages that were looked at.
 *
 * Where memory is meant to lie is worked out from what the machine was given, not by the library.
 */
#ifndef QUOIT_TESTS_VM_GUEST_H
#define QUOIT_TESTS_VM_GUEST_H

#include <quoit/numa/idset.h>
#include <quoit/numa/region.h>

#define GUEST_NODES 8

struct guest_node {
	bool present;
	struct quoit_idset cpus; /* that a program may use here */
	size_t mib;		 /* 0: it has no memory */
	unsigned distance[GUEST_NODES];
};

struct guest_machine {
	struct guest_node nodes[GUEST_NODES];
	struct quoit_idset mems; /* nodes that the cpuset lets us take memory from */
	bool has_mems;		 /* else all */
	bool refused;		 /* the kernel is too old for io_uring as we need it */
	bool lends;		 /* the kernel takes memory of ours for an io_uring's queues */
	bool weighs;		 /* it interleaves by weight */
};

extern struct guest_machine machine;

/* Read "node=0:0-1:128", "distance=0:1:21", "mems=1", "refused", "lends", "weighs".
 * False if it is none. */
bool guest_read(const char *word);

bool guest_has_memory(int node); /* that we may take */
int guest_node_of(unsigned cpu);

/* Where memory for a node is meant to come from: itself, or the nearest with memory. */
int guest_nearest(int node);

/* The first cpu of a node that we may use, or -1. */
int guest_cpu_of(int node);

/* --- saying ---------------------------------------------------------------------------------- */

/* A line for each case, by any thread. Gives whether it was good. */
bool guest_say(bool good, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Exit code for main: 1 if any was not good. */
int guest_end(void);

/*
 * Are all pages of this memory on `node`? They are counted, and those that lie elsewhere are said.
 * With `sparse` pages that were never touched are let be, but not all of them.
 */
bool guest_resident(const char *what, const void *base, size_t bytes, int node, bool sparse);

/* The same of memory that is meant to lie on several nodes, so many pages on each. */
bool guest_spread(const char *what, const struct quoit_region *region,
		  const size_t on_node[GUEST_NODES]);

bool guest_region_resident(const char *what, const struct quoit_region *region, int node);

/* --- checks ---------------------------------------------------------------------------------- */

void guest_check_topology(void);
void guest_check_regions(void);
void guest_check_spread(void);
void guest_check_pools(void);
void guest_check_rings(void);
void guest_check_queues(void);
void guest_check_cores(void);
void guest_check_refusal(void);

#endif
