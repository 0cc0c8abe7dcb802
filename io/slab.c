/* SPDX-License-Identifier: MIT */
/*
 * slab.c - see slab_internal.h. A slot's generation is odd while it is in use and even while it is
 * free, so a look-up needs no other mark; the word behind it links the free ones.
 */
#include <quoit/io/slab_internal.h>

int quoit_slab_open(struct quoit_slab *slab, size_t stride, uint32_t most, int node,
		    struct quoit_reason *why)
{
	struct quoit_region region = {0};
	const int rc = quoit_region_open(&region,
					 &(struct quoit_region_options){.bytes = stride * most,
									.node = node,
									.reserve = true,
									.dontfork = true,
									.name = "quoit slab"},
					 why);

	if (rc < 0)
		return rc;
	*slab = (struct quoit_slab){
		.region = region, .stride = stride, .most = most, .free_top = QUOIT_SLAB_NONE};
	return 0;
}

void quoit_slab_close(struct quoit_slab *slab)
{
	QUOIT_ASSERT(slab->live == 0);
	quoit_region_close(&slab->region);
}

struct quoit_op_owner *quoit_slab_take(struct quoit_slab *slab)
{
	struct quoit_op_owner *owner;

	if (slab->free_top != QUOIT_SLAB_NONE) {
		owner = quoit_slab_at(slab, slab->free_top);
		slab->free_top = owner->pending; /* while free: the next free slot */
	} else if (slab->touched < slab->most) {
		owner = quoit_slab_at(slab, slab->touched);
		owner->slot = slab->touched++;
	} else {
		return NULL;
	}
	owner->generation++;
	owner->pending = 0;
	slab->live++;
	return owner;
}

void quoit_slab_give(struct quoit_slab *slab, struct quoit_op_owner *owner)
{
	QUOIT_ASSERT(owner->pending == 0);
	QUOIT_ASSERT(owner->generation & 1);
	owner->generation++;
	owner->pending = slab->free_top;
	slab->free_top = owner->slot;
	slab->live--;
}

struct quoit_op_owner *quoit_slab_find(const struct quoit_slab *slab, uint32_t slot,
				       uint32_t generation)
{
	struct quoit_op_owner *owner;

	if (slot >= slab->touched || !(generation & 1))
		return NULL;
	owner = quoit_slab_at(slab, slot);
	return owner->generation == generation ? owner : NULL;
}
