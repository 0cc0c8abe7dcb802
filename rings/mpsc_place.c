/* SPDX-License-Identifier: MIT */
/*
 * mpsc_place.c - where a lane is to lie: at its producer, at the consumer, on a node, or on all of
 * them. Which is best depends on the machine and on who waits for whom; see README.md.
 */
#include <errno.h>

#include <quoit/numa/idset.h>
#include <quoit/numa/thread.h>
#include <quoit/numa/topology.h>

#include <quoit/rings/mpsc_internal.h>

int quoit__mpsc_common_node(const struct quoit_mpsc_options *o)
{
	switch (o->place) {
	case QUOIT_MPSC_AT_PRODUCER:
	case QUOIT_MPSC_INTERLEAVED:
		return 0; /* not looked at */
	case QUOIT_MPSC_AT_CONSUMER:
		return quoit_thread_memory_node();
	case QUOIT_MPSC_AT_NODE:
		if (o->node >= 0 && o->node < QUOIT_NODES_MAX)
			return o->node;
	}
	return -EINVAL;
}

/* Near the calling thread, if the channel knows its way about; or -1. */
static int own_node(const struct quoit_topology *topology)
{
	const int cpu = topology ? quoit_thread_cpu() : -1;
	const int node = cpu < 0 ? -1 : quoit_topology_node_of_cpu(topology, (unsigned)cpu);

	return node < 0 ? -1 : quoit_topology_memory_node(topology, node);
}

struct quoit__mpsc_want quoit__mpsc_wanted(const struct quoit_mpsc *channel, int node)
{
	const struct quoit_mpsc_options *const o = &channel->seats->options;
	struct quoit__mpsc_want want = {.node = node};

	if (node >= 0)
		return want;
	if (o->place == QUOIT_MPSC_AT_PRODUCER)
		want.node = own_node(o->topology);
	else if (o->place == QUOIT_MPSC_INTERLEAVED)
		want.spread = true;
	else
		want.node = channel->seats->node;
	return want;
}

bool quoit__mpsc_lies_so(const struct quoit__mpsc_home *home, struct quoit__mpsc_want want)
{
	if (want.spread)
		return quoit_mem_is_spread(home->region.policy);
	return want.node < 0 || home->region.node == want.node;
}
