/* SPDX-License-Identifier: MIT */
/*
 * place.c - in the place of numa/ and of malloc: memory for the rings under test.
 *
 * All of it comes from an arena inside the target's shared structure, which begins empty in each
 * execution: so every execution finds the same thing at the same address, and the race detector
 * sees it. Nothing is given back before the end.
 */
#include <model/model_internal.h>

#include <errno.h>
#include <stddef.h>

#include <quoit/numa/region.h>
#include <quoit/numa/thread.h>
#include <quoit/numa/topology.h>

static char *arena;
static size_t arena_bytes;
static size_t arena_used;

void model_arena(void *memory, size_t bytes)
{
	arena = memory;
	arena_bytes = bytes;
	arena_used = 0;
}

static void *take(size_t bytes, size_t align)
{
	char *at;

	arena_used = (arena_used + align - 1) & ~(align - 1);
	if (arena_used + bytes > arena_bytes)
		model_violated("the target's arena is too small");
	at = arena + arena_used;
	arena_used += bytes;
	return at;
}

/* The sources under test are compiled to call these for calloc() and the like. */
void *model_calloc(size_t n, size_t bytes);
void *model_aligned(size_t align, size_t bytes);
void model_free(void *p);

void *model_calloc(size_t n, size_t bytes)
{
	return take(n * bytes, 16);
}

void *model_aligned(size_t align, size_t bytes)
{
	return take(bytes, align);
}

void model_free(void *p)
{
	(void)p;
}

/* --- regions: on no node --------------------------------------------------------------------- */

int quoit_region_open(struct quoit_region *r, const struct quoit_region_options *o,
		      struct quoit_reason *why)
{
	(void)why;
	*r = (struct quoit_region){
		.base = take(0, QUOIT_ISOLATION), .bytes = o->bytes, .node = o->node};
	return 0;
}

/* A region's bytes are taken from the arena piece by piece: what it does not use costs nothing. */
void *quoit_region_take(struct quoit_region *r, size_t bytes, size_t align)
{
	r->taken += bytes;
	return take(bytes, align);
}

void quoit_region_close(struct quoit_region *r)
{
	(void)r;
}

int quoit_thread_node(void)
{
	return 0;
}

int quoit_thread_memory_node(void)
{
	return 0;
}

int quoit_thread_cpu(void)
{
	return 0;
}

int quoit_topology_node_of_cpu(const struct quoit_topology *topology, unsigned cpu)
{
	(void)topology;
	(void)cpu;
	return 0;
}

int quoit_topology_memory_node(const struct quoit_topology *topology, int node)
{
	(void)topology;
	return node;
}
