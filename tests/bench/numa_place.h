/* SPDX-License-Identifier: MIT */
/*
 * numa_place.h - memory for bench-numa: on one node, or page by page on all of them in turn, and a
 * look where it has come to lie.
 */
#ifndef TESTS_BENCH_NUMA_PLACE_H
#define TESTS_BENCH_NUMA_PLACE_H

#include <quoit/numa/sys_internal.h>

#include "measure.h"

#include <quoit/numa/idset.h>
#include <quoit/numa/topology.h>

#define PLACE_BYTES ((size_t)256 << 10)
#define PLACE_PAGES 1024 /* of the smallest size */

enum {
	MODE_BIND = 2,
	MODE_INTERLEAVE = 3, /* as in <linux/mempolicy.h> */
};

struct place {
	void *base;
	size_t taken;
	struct quoit_idset nodes; /* where it is meant to lie, in equal parts */
};

static inline void place_open(struct place *p, const struct quoit_idset *nodes)
{
	const int mode = quoit_idset_count(nodes) > 1 ? MODE_INTERLEAVE : MODE_BIND;

	*p = (struct place){.nodes = *nodes};
	if (quoit__sys_mmap(&p->base, PLACE_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) < 0)
		die("no memory");
	/* What is refused is seen where the pages are looked at. */
	(void)quoit__sys_mbind(p->base, PLACE_BYTES, mode, nodes->words, QUOIT_NODES_MAX, 0);
	memset(p->base, 0, PLACE_BYTES);
}

static inline void place_close(struct place *p)
{
	quoit__sys_munmap(p->base, PLACE_BYTES);
}

static inline void *place_take(struct place *p, size_t bytes)
{
	void *const at = (char *)p->base + p->taken;

	p->taken += (bytes + QUOIT_ISOLATION - 1) / QUOIT_ISOLATION * QUOIT_ISOLATION;
	if (p->taken > PLACE_BYTES)
		die("a place is too small");
	return at;
}

/* Of a hundred pages, how many are where they are meant to be. */
static inline unsigned place_resident(const struct place *p)
{
	static void *pages[PLACE_PAGES];
	static int status[PLACE_PAGES];
	const size_t page = quoit__sys_page_bytes();
	const size_t n = PLACE_BYTES / page, nodes = quoit_idset_count(&p->nodes);
	size_t there = 0;

	for (size_t i = 0; i < n; i++)
		pages[i] = (char *)p->base + i * page;
	if (quoit__sys_move_pages(n, pages, NULL, status, 0) < 0)
		return 0;
	for (int node = quoit_idset_next(&p->nodes, 0); node >= 0;
	     node = quoit_idset_next(&p->nodes, (unsigned)node + 1)) {
		size_t here = 0;

		for (size_t i = 0; i < n; i++)
			here += status[i] == node;
		there += quoit_min(here, (n + nodes - 1) / nodes);
	}
	return (unsigned)(100 * there / n);
}

#endif
