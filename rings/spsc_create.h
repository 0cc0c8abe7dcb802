/* SPDX-License-Identifier: MIT */
/*
 * spsc_create.h - rings whose memory we find: one mapping on one node, made at start.
 *
 * A mapping holds, in this order: what create remembers, with the waits and the meter; the ring
 * with whatever its type keeps beside it; the slots. It is whole pages of its own, touched before
 * anybody needs them.
 */
#ifndef QUOIT_RINGS_SPSC_CREATE_H
#define QUOIT_RINGS_SPSC_CREATE_H

#include <quoit/numa/region.h>
#include <quoit/rings/spsc.h>

QUOIT_C_BEGIN

/* Usual capacities, in slots, and how many producers channels of that size are meant for. */
#define QUOIT_CAPACITY_DEFAULT		 65536
#define QUOIT_CAPACITY_LOW_LATENCY	 4096 /* of 8 bytes: 32 KiB, a whole L1 */
#define QUOIT_CAPACITY_HIGH_THROUGHPUT	 262144
#define QUOIT_CAPACITY_ULTRA_LOW_LATENCY 1024

#define QUOIT_PRODUCERS_DEFAULT		  16
#define QUOIT_PRODUCERS_LOW_LATENCY	  16
#define QUOIT_PRODUCERS_HIGH_THROUGHPUT	  32
#define QUOIT_PRODUCERS_ULTRA_LOW_LATENCY 4

#define QUOIT_NODE_AUTO	      (-1) /* the node of the thread that creates the ring */
#define QUOIT_NODE_INTERLEAVE (-2) /* page by page on all nodes of that thread's cpuset */

struct quoit_spsc_options {
	size_t capacity_slots; /* a power of two */

	/*
	 * QUOIT_NODE_AUTO, QUOIT_NODE_INTERLEAVE, or prefer this one: the reader's or the writer's,
	 * or any. Mind that 0 is a node. `make bench-numa` measures them.
	 */
	int node;
	bool waits;   /* attach waits: the blocking calls may sleep on this ring */
	bool metrics; /* attach a meter, where CONFIG_METRICS built one */
	bool lock;    /* never swapped out; counts against RLIMIT_MEMLOCK */
	bool require; /* refuse where the placement falls short, instead of degrading */

	/* Filled in by name_create() of typed.h. */
	size_t slot_bytes;
	size_t head_bytes; /* of the struct that begins with the ring; 0: a bare struct quoit_spsc
			    */
};

/* What a created ring occupies. */
struct quoit_spsc_footprint {
	size_t mapped_bytes; /* all of it, whole pages */
	size_t slots_bytes;  /* of them, for items */
	int node;	     /* as asked for */
	unsigned degraded;   /* bits of enum quoit_region_shortfall */
};

/*
 * Map, place and touch the memory of a ring, and start it.
 *
 * *ring begins a zeroed struct of head_bytes, *slots its slots; both are aligned to
 * QUOIT_ISOLATION. A placement that falls short is told in `why` (may be NULL) and in
 * quoit_spsc_memory(), although the answer is 0.
 * Thread: any; with QUOIT_NODE_AUTO one that runs near where the ring is used.
 * Owns: the caller, until quoit_spsc_destroy(). The out-pointers are untouched on failure.
 * Errors: -EINVAL for a capacity that is not possible, for slots of no bytes or too many in all;
 * -EOPNOTSUPP for metrics without CONFIG_METRICS; those of quoit_region_open().
 */
QUOIT_MUST_CHECK int quoit_spsc_create(const struct quoit_spsc_options *options,
				       struct quoit_spsc **ring, void **slots,
				       struct quoit_reason *why);

/*
 * Unmap it. NULL is let be.
 * Thread: any, after both sides have ended.   Owns: what was attached from outside stays.
 */
void quoit_spsc_destroy(struct quoit_spsc *ring);

/* Thread: any. Only for a ring of quoit_spsc_create(). */
struct quoit_spsc_footprint quoit_spsc_memory(const struct quoit_spsc *ring);

/* The meter of a created ring, or NULL without metrics. Thread: any. */
const struct quoit_meter *quoit_spsc_meter(const struct quoit_spsc *ring);

/*
 * Empty and open again, as after init; what is attached stays.
 * Thread: any, while neither side uses the ring and nobody sleeps on it.
 */
void quoit_spsc_reset(struct quoit_spsc *ring);

QUOIT_C_END

#endif
