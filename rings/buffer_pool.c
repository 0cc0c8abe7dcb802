/* SPDX-License-Identifier: MIT */
/* buffer_pool.c - where the memory of a buffer pool comes from, and where it goes. */
#include <errno.h>

#include <quoit/rings/buffer_pool.h>

#define QUOIT__BUFFER_ALIGN_MOST ((size_t)1 << 31)

/* What the mapping holds, one behind the other. */
struct layout {
	size_t align_bytes;
	size_t stride_bytes;
	size_t known_bytes; /* what buffers are known by */
	size_t slabs_bytes;
	size_t all_bytes;
};

static int lay_out(struct layout *l, const struct quoit_buffer_pool_options *o)
{
	l->align_bytes = o->align_bytes ? o->align_bytes : QUOIT_LINE_BYTES;
	if (!o->slab_bytes || o->slab_bytes > UINT32_MAX || !o->count ||
	    o->count > QUOIT_FREE_LIST_MOST || (l->align_bytes & (l->align_bytes - 1)) ||
	    l->align_bytes > QUOIT__BUFFER_ALIGN_MOST)
		return -EINVAL;
	/* Less than a word would put two buffers into what the address sanitizer sees as one. */
	l->align_bytes = quoit_max(l->align_bytes, sizeof(uint64_t));
	/* None of this overflows: a stride is at most 2^33, a count 2^20. */
	l->stride_bytes = (o->slab_bytes + l->align_bytes - 1) & ~(l->align_bytes - 1);
	l->known_bytes = o->count * sizeof(struct quoit_free_slot);
	l->slabs_bytes = o->count * l->stride_bytes;
	l->all_bytes = sizeof(struct quoit_buffer_pool) + QUOIT_ISOLATION + l->known_bytes +
		       l->align_bytes + l->slabs_bytes;
	return 0;
}

int quoit_buffer_pool_create(const struct quoit_buffer_pool_options *o,
			     struct quoit_buffer_pool **pool, struct quoit_reason *why)
{
	struct layout l;
	int rc = lay_out(&l, o);

	if (rc)
		return quoit_reason_set(why, rc,
					"a pool of %zu buffers of %zu bytes, aligned to %zu, "
					"cannot be",
					o->count, o->slab_bytes, o->align_bytes);

	const struct quoit_region_options place = {
		.bytes = l.all_bytes,
		.node = o->node,
		.lock = o->lock,
		.require = o->require,
		.name = "quoit buffers",
	};
	struct quoit_region region;
	rc = quoit_region_open(&region, &place, why);
	if (rc)
		return rc;

	struct quoit_buffer_pool *const made =
		quoit_region_take(&region, sizeof(*made), QUOIT_ISOLATION);
	void *const known = quoit_region_take(&region, l.known_bytes, QUOIT_ISOLATION);
	made->slabs = quoit_region_take(&region, l.slabs_bytes, l.align_bytes);
	made->slab_bytes = o->slab_bytes;
	made->stride_bytes = l.stride_bytes;
	made->region = region;
	rc = quoit_free_list_init(&made->list, known, sizeof(struct quoit_free_slot), o->count,
				  quoit_free_list_seed());
	QUOIT_ASSERT(!rc && made->slabs);
	quoit_poison(made->slabs, l.slabs_bytes);
	*pool = made;
	return 0;
}

void quoit_buffer_pool_destroy(struct quoit_buffer_pool *pool)
{
	struct quoit_region region;

	if (!pool)
		return;
	quoit_unpoison(pool->slabs, pool->list.count * pool->stride_bytes);
	region = pool->region; /* it lies inside itself */
	quoit_region_close(&region);
}
