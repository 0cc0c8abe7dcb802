/* SPDX-License-Identifier: MIT */
/* home.h - which node memory comes from, on a machine where that need not be node 0. */
#ifndef QUOIT_TESTS_SUPPORT_HOME_H
#define QUOIT_TESTS_SUPPORT_HOME_H

#include <quoit/numa/topology.h>

/* Where memory for a node comes from; below 0 for node means the first usable cpu's. */
static inline int memory_node(int node)
{
	struct quoit_topology t;

	if (quoit_topology_load(&t, NULL, NULL) < 0)
		return -1;
	node = quoit_topology_memory_node(&t, node < 0 ? t.cpus[0].node : node);
	quoit_topology_fini(&t);
	return node;
}

#endif
