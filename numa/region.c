/* SPDX-License-Identifier: MIT */
/*
 * region.c - a region from its options to its end. How it is mapped, and how it gets to its place,
 * stand in files of their own.
 */
#include <quoit/numa/region_internal.h>
#include <quoit/numa/atomic.h>

static uint64_t shortfalls;

static int check_nodes(const struct quoit_region_options *o, struct quoit_reason *why)
{
	if (o->node >= QUOIT_NODES_MAX)
		return quoit_reason_set(why, -EINVAL, "node %d is not below %d", o->node,
					QUOIT_NODES_MAX);
	if ((unsigned)o->policy > QUOIT_MEM_WEIGHTED)
		return quoit_reason_set(why, -EINVAL, "%d is no policy of enum quoit_mem_policy",
					(int)o->policy);
	if (!quoit_mem_is_spread(o->policy) || !o->nodes)
		return 0;
	if (quoit_idset_count(o->nodes) == 0)
		return quoit_reason_set(why, -EINVAL, "a region is interleaved over no node");
	if (quoit_idset_next(o->nodes, QUOIT_NODES_MAX) >= 0)
		return quoit_reason_set(why, -EINVAL, "node %d is not below %d",
					quoit_idset_next(o->nodes, QUOIT_NODES_MAX),
					QUOIT_NODES_MAX);
	return 0;
}

static int check_options(const struct quoit_region_options *o, struct quoit_reason *why)
{
	const size_t most = SIZE_MAX / 2 - 4 * quoit_region_huge_page(quoit__sys_page_bytes());
	if (o->bytes == 0 || o->bytes > most)
		return quoit_reason_set(why, -EINVAL, "a region of %zu bytes is not possible",
					o->bytes);
	if (o->reserve && (o->lock || o->must_lock))
		return quoit_reason_set(why, -EINVAL,
					"a region is either reserved or locked, not both");
	if (o->reserve && o->pages != QUOIT_REGION_SMALL_PAGES)
		return quoit_reason_set(
			why, -EINVAL,
			"a region is either reserved or of huge pages, not both: "
			"a huge page that is not there when it is touched kills the process");
	if ((unsigned)o->pages > QUOIT_REGION_HUGE_PAGES)
		return quoit_reason_set(why, -EINVAL, "%d is none of enum quoit_region_pages",
					(int)o->pages);
	return check_nodes(o, why);
}

static int map_and_place(struct quoit_region *r, const struct quoit_region_options *o,
			 enum quoit_region_pages pages, struct quoit_reason *why)
{
	int rc = quoit_region_map(r, o, pages, why);
	if (rc)
		return rc;
	rc = quoit_region_place(r, o, why);
	if (rc)
		quoit_region_unmap(r);
	return rc;
}

int quoit_region_open(struct quoit_region *r, const struct quoit_region_options *o,
		      struct quoit_reason *why)
{
	int rc = check_options(o, why);
	if (rc)
		return rc;
	const struct quoit_region blank = {
		.node = o->node < 0 || quoit_mem_is_spread(o->policy) ? -1 : o->node,
		.reserve = o->reserve,
		.policy = o->policy,
	};
	struct quoit_region made = blank;
	rc = map_and_place(&made, o, o->pages, why);
	if (rc && made.pages == QUOIT_REGION_HUGE_PAGES && !o->require) {
		/* They were set aside, but not where the policy wants them. */
		made = blank;
		QUOIT_REGION_FALL_SHORT(&made, why, QUOIT_REGION_SMALL, rc,
					"huge pages cannot be filled (%s): set some aside on this "
					"node (nr_hugepages below sysfs)",
					strerror(-rc));
		rc = map_and_place(&made, o, QUOIT_REGION_TRANSPARENT, why);
	}
	if (rc)
		return rc;
	if (made.degraded)
		(void)quoit_add(&shortfalls, 1); /* short: pairs with quoit_region_shortfalls() */
	*r = made;
	return 0;
}

uint64_t quoit_region_shortfalls(void)
{
	return quoit_load_acquire(&shortfalls); /* short: pairs with quoit_region_open() */
}

void quoit_region_close(struct quoit_region *r)
{
	if (r->base)
		quoit_region_unmap(r);
	*r = (struct quoit_region){.node = -1};
}

void *quoit_region_take(struct quoit_region *r, size_t bytes, size_t align)
{
	QUOIT_ASSERT(bytes > 0);
	QUOIT_ASSERT(align > 0 && (align & (align - 1)) == 0);
	const uintptr_t at = (uintptr_t)r->base + r->taken;
	const size_t gap = (size_t)(-at & (align - 1));
	const size_t left = r->bytes - r->taken;
	if (gap > left || bytes > left - gap)
		return NULL;
	r->taken += gap + bytes;
	return (char *)r->base + (r->taken - bytes);
}
