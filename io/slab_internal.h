/* SPDX-License-Identifier: MIT */
/*
 * slab_internal.h - objects of one kind in one mapping that never moves, found by slot number.
 *
 * Address space for the most there may ever be is reserved at once and fills as slots are first
 * used, so growing allocates nothing and a pointer stays good. The last slot given back is the next
 * one taken: it is still in the cache.
 */
#ifndef QUOIT_IO_SLAB_INTERNAL_H
#define QUOIT_IO_SLAB_INTERNAL_H

#include <quoit/io/op_internal.h>
#include <quoit/numa/region.h>

struct quoit_slab {
	struct quoit_region region;
	size_t stride;
	uint32_t most;	   /* slots there may be */
	uint32_t touched;  /* slots ever used */
	uint32_t live;	   /* slots in use */
	uint32_t free_top; /* first of the free list; QUOIT_SLAB_NONE when empty */
};

#define QUOIT_SLAB_NONE UINT32_MAX

/*
 * Units: stride in bytes, at least sizeof(struct quoit_op_owner), which each object begins with.
 * Errors: those of quoit_region_open().
 */
QUOIT_MUST_CHECK int quoit_slab_open(struct quoit_slab *slab, size_t stride, uint32_t most,
				     int node, struct quoit_reason *why);
void quoit_slab_close(struct quoit_slab *slab);

/* A slot with a new generation, its bytes behind the owner part as they were left. NULL: all used.
 */
struct quoit_op_owner *quoit_slab_take(struct quoit_slab *slab);

/* Give a slot back. The kernel must owe it nothing. Ends the generation. */
void quoit_slab_give(struct quoit_slab *slab, struct quoit_op_owner *owner);

/* The object in a slot if it is in use with this generation, else NULL. */
struct quoit_op_owner *quoit_slab_find(const struct quoit_slab *slab, uint32_t slot,
				       uint32_t generation);

QUOIT_HOT struct quoit_op_owner *quoit_slab_at(const struct quoit_slab *slab, uint32_t slot)
{
	return (void *)((char *)slab->region.base + slot * slab->stride);
}

#endif
