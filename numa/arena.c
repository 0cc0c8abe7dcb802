/* SPDX-License-Identifier: MIT */
/*
 * arena.c - a list of regions per node. A chunk's own description stands at its start, so that
 * taking needs no other memory.
 */
#include <quoit/numa/sys_internal.h>
#include <quoit/numa/arena.h>

#include <string.h>

#define CHUNK_BYTES ((size_t)2 << 20)

struct quoit_arena_chunk {
	struct quoit_arena_chunk *next;
	struct quoit_region region; /* this is the first piece of it */
};

int quoit_arena_open(struct quoit_arena *arena, const struct quoit_topology *topology,
		     const struct quoit_arena_options *options, struct quoit_reason *why)
{
	struct quoit_arena made = {
		.options = *options,
		.node_count = topology->node_count,
		.node_by_cpu_count = topology->node_by_cpu_count,
	};
	if (made.options.chunk_bytes > SIZE_MAX / 2)
		return quoit_reason_set(why, -EINVAL, "chunks of %zu bytes are not possible",
					options->chunk_bytes);
	if (made.options.chunk_bytes == 0)
		made.options.chunk_bytes = CHUNK_BYTES;
	made.nodes = calloc(made.node_count, sizeof *made.nodes);
	made.node_by_cpu = calloc(made.node_by_cpu_count, sizeof *made.node_by_cpu);
	if (!made.nodes || !made.node_by_cpu) {
		free(made.nodes);
		free(made.node_by_cpu);
		return quoit_reason_set(why, -ENOMEM, "no memory for an arena");
	}
	memcpy(made.node_by_cpu, topology->node_by_cpu,
	       made.node_by_cpu_count * sizeof *made.node_by_cpu);
	for (size_t i = 0; i < made.node_count; i++) {
		const int id = topology->nodes[i].id;
		const int memory_node = quoit_topology_memory_node(topology, id);
		/* One node: whatever the kernel gives is near, and no policy can be refused. */
		made.nodes[i] = (struct quoit_arena_node){
			.node = id, .memory_node = topology->numa ? memory_node : -1};
	}
	*arena = made;
	return 0;
}

void quoit_arena_close(struct quoit_arena *arena)
{
	for (size_t i = 0; i < arena->node_count; i++) {
		struct quoit_arena_chunk *chunk = arena->nodes[i].chunks;
		while (chunk) {
			struct quoit_region region = chunk->region; /* the struct goes with it */
			chunk = chunk->next;
			quoit_region_close(&region);
		}
	}
	free(arena->nodes);
	free(arena->node_by_cpu);
	*arena = (struct quoit_arena){0};
}

/* A chunk that has room for such a piece, behind its own description. */
static int add_chunk(struct quoit_arena *arena, struct quoit_arena_node *node, size_t bytes,
		     size_t align, struct quoit_arena_chunk **added, struct quoit_reason *why)
{
	const struct quoit_arena_options *const o = &arena->options;
	const size_t own = sizeof(struct quoit_arena_chunk) + align;
	struct quoit_reason shortfall = {0};
	struct quoit_region region;
	if (bytes > SIZE_MAX / 2 - own)
		return quoit_reason_set(why, -ENOMEM, "%zu bytes are not possible", bytes);
	const struct quoit_region_options place = {
		.bytes = quoit_max(o->chunk_bytes, bytes + own),
		.node = node->memory_node,
		.lock = o->lock,
		.dontfork = o->dontfork,
		.require = o->require,
		.pages = o->pages,
		.name = o->name,
	};
	const int rc = quoit_region_open(&region, &place, &shortfall);
	if (rc) {
		if (why)
			*why = shortfall;
		return rc;
	}
	arena->chunk_count++;
	arena->bytes += region.bytes;
	arena->chunks_short += region.degraded != 0;
	if (region.degraded && !arena->degraded)
		arena->degraded_why = shortfall;
	arena->degraded |= region.degraded;
	struct quoit_arena_chunk *const chunk =
		quoit_region_take(&region, sizeof *chunk, _Alignof(struct quoit_arena_chunk));
	QUOIT_ASSERT(chunk); /* the region was sized for it */
	chunk->region = region;
	*added = chunk;
	return 0;
}

/* What is left in the new chunk, or in the old one: the larger goes on being cut from. */
static void link_chunk(struct quoit_arena_node *node, struct quoit_arena_chunk *chunk)
{
	struct quoit_arena_chunk *const first = node->chunks;
	const size_t left = chunk->region.bytes - chunk->region.taken;
	if (first && first->region.bytes - first->region.taken > left) {
		chunk->next = first->next;
		first->next = chunk;
	} else {
		chunk->next = first;
		node->chunks = chunk;
	}
}

static int take(struct quoit_arena *arena, struct quoit_arena_node *node, size_t bytes,
		size_t align, void **piece, struct quoit_reason *why)
{
	struct quoit_arena_chunk *chunk = node->chunks;
	void *taken = chunk ? quoit_region_take(&chunk->region, bytes, align) : NULL;
	if (!taken) {
		const int rc = add_chunk(arena, node, bytes, align, &chunk, why);
		if (rc)
			return rc;
		taken = quoit_region_take(&chunk->region, bytes, align);
		QUOIT_ASSERT(taken); /* the region was sized for it */
		link_chunk(node, chunk);
	}
	*piece = taken;
	return 0;
}

int quoit_arena_take_on_node(struct quoit_arena *arena, int node, size_t bytes, size_t align,
			     void **piece, struct quoit_reason *why)
{
	if (bytes == 0 || align == 0 || (align & (align - 1)) != 0 ||
	    align > quoit__sys_page_bytes())
		return quoit_reason_set(
			why, -EINVAL,
			"%zu bytes aligned to %zu: give bytes, and a power of two up "
			"to a page",
			bytes, align);
	for (size_t i = 0; i < arena->node_count; i++) {
		if (arena->nodes[i].node == node)
			return take(arena, &arena->nodes[i], bytes, align, piece, why);
	}
	return quoit_reason_set(why, -ENODEV, "there is no node %d", node);
}

int quoit_arena_take_for_cpu(struct quoit_arena *arena, unsigned cpu, size_t bytes, size_t align,
			     void **piece, struct quoit_reason *why)
{
	if (cpu >= arena->node_by_cpu_count || arena->node_by_cpu[cpu] < 0)
		return quoit_reason_set(why, -ENODEV, "cpu %u is not online", cpu);
	return quoit_arena_take_on_node(arena, arena->node_by_cpu[cpu], bytes, align, piece, why);
}
