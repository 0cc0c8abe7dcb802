/* SPDX-License-Identifier: MIT */
/*
 * arena.h - memory of every node, taken piece by piece and given back all at once.
 *
 * Each node has regions of its own, so pieces of two nodes never share a page. Every piece is
 * zeroed, and its pages were placed before anybody touched them.
 */
#ifndef QUOIT_NUMA_ARENA_H
#define QUOIT_NUMA_ARENA_H

#include <quoit/numa/region.h>
#include <quoit/numa/topology.h>

QUOIT_C_BEGIN

struct quoit_arena_options {
	size_t chunk_bytes; /* of a region; 0: 2 MiB. A larger piece gets one of its own */
	bool lock;	    /* as in quoit_region_options, and the others too */
	bool dontfork;
	bool require;
	enum quoit_region_pages pages;
	const char *name;
};

struct quoit_arena_chunk;

/* Of one node. The chunk that is cut from stands first. */
struct quoit_arena_node {
	int node;	 /* in the topology */
	int memory_node; /* which its pieces come from */
	struct quoit_arena_chunk *chunks;
};

/*
 * Written by open and take, on one thread at a time.
 */
struct quoit_arena {
	struct quoit_arena_options options;
	struct quoit_arena_node *nodes;
	size_t node_count;
	int16_t *node_by_cpu;
	size_t node_by_cpu_count;

	/* What became of it, over all chunks. */
	size_t chunk_count;
	size_t bytes;			  /* mapped */
	size_t chunks_short;		  /* not placed as asked */
	unsigned degraded;		  /* bits of enum quoit_region_shortfall */
	struct quoit_reason degraded_why; /* the first in words */
};

/*
 * Make an arena for the nodes of a topology, which is not needed afterwards. Nothing is mapped yet.
 *
 * Owns: the caller calls close when 0 was returned; `arena` is untouched otherwise.
 * Errors: -EINVAL for a chunk larger than half the address space, -ENOMEM.
 */
QUOIT_MUST_CHECK int quoit_arena_open(struct quoit_arena *arena,
				      const struct quoit_topology *topology,
				      const struct quoit_arena_options *options,
				      struct quoit_reason *why);

/* Unmap all of it, and with it every piece. A zeroed or closed arena is let be. */
void quoit_arena_close(struct quoit_arena *arena);

/*
 * Take `bytes` of a node's memory, at a multiple of `align` (a power of two, up to a page). A node
 * without memory for this thread gives the nearest's.
 *
 * Owns: the piece is there until the arena is closed.
 * Errors: -ENODEV no such node, -EINVAL no bytes or an impossible alignment, -ENOMEM and others of
 * quoit_region_open(), *piece is untouched then and `why` tells. A placement that falls short is no
 * error but counted: see arena->degraded.
 */
QUOIT_MUST_CHECK int quoit_arena_take_on_node(struct quoit_arena *arena, int node, size_t bytes,
					      size_t align, void **piece, struct quoit_reason *why);

/*
 * The same from the node of an online cpu: quoit_thread_cpu() for one's own.
 *
 * Errors: -ENODEV no such cpu; else likewise.
 */
QUOIT_MUST_CHECK int quoit_arena_take_for_cpu(struct quoit_arena *arena, unsigned cpu, size_t bytes,
					      size_t align, void **piece, struct quoit_reason *why);

QUOIT_C_END

#endif
