/* SPDX-License-Identifier: MIT */
/*
 * region_internal.h - the steps between a region's options and its answer.
 */
#ifndef QUOIT_NUMA_REGION_INTERNAL_H
#define QUOIT_NUMA_REGION_INTERNAL_H

#include <quoit/numa/sys_internal.h>
#include <quoit/numa/region.h>

#include <string.h>

/* Note a shortfall; the first is kept in words. */
#define QUOIT_REGION_FALL_SHORT(r, why, bit, error, ...)                                     \
	do {                                                                                 \
		if (!(r)->degraded_error)                                                    \
			(r)->degraded_error = quoit_reason_set((why), (error), __VA_ARGS__); \
		(r)->degraded |= (bit);                                                      \
	} while (0)

/* The pages that one entry of the second level holds: 2 MiB where a page is 4 KiB. */
QUOIT_HOT size_t quoit_region_huge_page(size_t page)
{
	return page * (page / sizeof(uint64_t));
}

/* --- region_map.c ------------------------------------------------------------------------------
 */

/* Map it, with what is asked for around and below: sets base, bytes, guard and pages. */
int quoit_region_map(struct quoit_region *r, const struct quoit_region_options *o,
		     enum quoit_region_pages pages, struct quoit_reason *why);

/* Undo it. */
void quoit_region_unmap(const struct quoit_region *r);

/* Look how much of it is in huge pages, now that it is filled. */
void quoit_region_count_huge(struct quoit_region *r, struct quoit_reason *why);

/* --- region_place.c ----------------------------------------------------------------------------
 */

/* Everything between the mapping and the answer. What it returns is fatal. */
int quoit_region_place(struct quoit_region *r, const struct quoit_region_options *o,
		       struct quoit_reason *why);

#endif
