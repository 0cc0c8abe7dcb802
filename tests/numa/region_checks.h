/* SPDX-License-Identifier: MIT */
/*
 * region_checks.h - what the region tests share. Include it after cmocka.
 */
#ifndef QUOIT_TESTS_NUMA_REGION_CHECKS_H
#define QUOIT_TESTS_NUMA_REGION_CHECKS_H

#include <sys/mman.h>
#include <unistd.h>

#include <quoit/numa/region.h>
#include <quoit/numa/topology.h>

static inline size_t page_bytes(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

/* The first node of this machine that memory can be had from. */
static int home;

static inline int find_home(void **state)
{
	(void)state;
	struct quoit_topology t;
	struct quoit_reason why = {0};
	if (quoit_topology_load(&t, NULL, &why)) {
		print_error("%s\n", why.text);
		return -1;
	}
	home = quoit_topology_memory_node(&t, t.nodes[0].id);
	quoit_topology_fini(&t);
	return home < 0 ? -1 : 0;
}

/* Where the kernel refuses placement itself there is nothing to test: say so and skip. */
static inline void skip_without(struct quoit_region *r, const struct quoit_reason *why,
				unsigned needed)
{
	if (!(r->degraded & needed))
		return;
	print_message("SKIP: %s\n", why->text);
	quoit_region_close(r);
	skip();
}

/* Still mapped? A page that is not there has no residency. */
static inline bool mapped(void *base)
{
	unsigned char resident;
	return mincore(base, page_bytes(), &resident) == 0;
}

#endif
