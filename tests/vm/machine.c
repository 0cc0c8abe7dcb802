/* SPDX-License-Identifier: MIT */
/* machine.c - the machine as it was made, beside the topology as the library loads it. */
#include <vm/guest.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <quoit/numa/topology.h>

struct guest_machine machine;

/* --- as it was made -------------------------------------------------------------------------- */

static bool read_node(const char *text)
{
	char cpus[64] = "";
	struct guest_node *node;
	unsigned id;
	size_t mib;

	/* A node without cpus has nothing between its colons. */
	if (sscanf(text, "%u:%63[0-9,-]:%zu", &id, cpus, &mib) != 3 &&
	    sscanf(text, "%u::%zu", &id, &mib) != 2)
		return false;
	if (id >= GUEST_NODES)
		return false;
	node = &machine.nodes[id];
	node->present = true;
	node->mib = mib;
	node->distance[id] = 10;
	return !cpus[0] || !quoit_idset_parse(&node->cpus, cpus, QUOIT_CPUS_MAX);
}

static bool read_distance(const char *text)
{
	unsigned from, to, distance;

	if (sscanf(text, "%u:%u:%u", &from, &to, &distance) != 3 || from >= GUEST_NODES ||
	    to >= GUEST_NODES)
		return false;
	machine.nodes[from].distance[to] = distance;
	return true;
}

bool guest_read(const char *word)
{
	if (!strncmp(word, "node=", 5))
		return read_node(word + 5);
	if (!strncmp(word, "distance=", 9))
		return read_distance(word + 9);
	if (!strncmp(word, "mems=", 5)) {
		machine.has_mems = true;
		return !quoit_idset_parse(&machine.mems, word + 5, GUEST_NODES);
	}
	if (!strcmp(word, "refused"))
		return machine.refused = true;
	if (!strcmp(word, "lends"))
		return machine.lends = true;
	if (!strcmp(word, "weighs"))
		return machine.weighs = true;
	return false;
}

static bool is_allowed(int node)
{
	return !machine.has_mems || quoit_idset_has(&machine.mems, (unsigned)node);
}

bool guest_has_memory(int node)
{
	return machine.nodes[node].present && machine.nodes[node].mib && is_allowed(node);
}

int guest_node_of(unsigned cpu)
{
	for (int node = 0; node < GUEST_NODES; node++)
		if (quoit_idset_has(&machine.nodes[node].cpus, cpu))
			return node;
	return -1;
}

int guest_nearest(int node)
{
	unsigned least = UINT_MAX;
	int nearest = -1;

	if (guest_has_memory(node))
		return node;
	for (int to = 0; to < GUEST_NODES; to++)
		if (guest_has_memory(to) && machine.nodes[node].distance[to] < least) {
			least = machine.nodes[node].distance[to];
			nearest = to;
		}
	return nearest;
}

int guest_cpu_of(int node)
{
	return quoit_idset_next(&machine.nodes[node].cpus, 0);
}

/* --- as it is loaded ------------------------------------------------------------------------- */

static bool has_the_cpus(const struct quoit_topology *t, const struct quoit_topology_node *node)
{
	const struct quoit_idset *const given = &machine.nodes[node->id].cpus;

	if (node->cpu_count != quoit_idset_count(given))
		return false;
	for (size_t i = 0; i < node->cpu_count; i++)
		if (!quoit_idset_has(given, node->cpus[i]) ||
		    quoit_topology_node_of_cpu(t, node->cpus[i]) != node->id)
			return false;
	return true;
}

/* The kernel keeps some of it, before it begins to count. */
static bool has_the_memory(const struct quoit_topology_node *node)
{
	const uint64_t given = (uint64_t)machine.nodes[node->id].mib << 20;

	return node->has_memory == (given > 0) && node->memory_bytes <= given &&
	       node->memory_bytes >= given / 2;
}

static bool has_the_distances(const struct quoit_topology *t, int from)
{
	for (size_t to = 0; to < t->node_count; to++)
		if (quoit_topology_distance(t, from, t->nodes[to].id) !=
		    (int)machine.nodes[from].distance[t->nodes[to].id])
			return false;
	return true;
}

static void check_node(const struct quoit_topology *t, int id)
{
	const struct quoit_topology_node *const node = quoit_topology_node(t, id);

	if (!guest_say(node != NULL, "topology: node %d is there", id))
		return;
	guest_say(has_the_cpus(t, node), "topology: node %d has its cpus, %zu of them", id,
		  node->cpu_count);
	guest_say(has_the_memory(node), "topology: node %d has its memory, %llu MiB", id,
		  (unsigned long long)node->memory_bytes >> 20);
	guest_say(has_the_distances(t, id), "topology: node %d has its distances", id);
	guest_say(node->allowed == guest_has_memory(id), "topology: node %d %s", id,
		  node->allowed ? "gives us memory" : "gives us none");
	guest_say(quoit_topology_memory_node(t, id) == guest_nearest(id),
		  "topology: memory for node %d comes from node %d", id, guest_nearest(id));
}

void guest_check_topology(void)
{
	struct quoit_reason why = {0};
	struct quoit_topology t;
	size_t nodes = 0, cpus = 0;

	if (!guest_say(!quoit_topology_load(&t, NULL, &why), "topology: it loads %s", why.text))
		return;
	for (int id = 0; id < GUEST_NODES; id++) {
		if (!machine.nodes[id].present)
			continue;
		nodes++;
		cpus += quoit_idset_count(&machine.nodes[id].cpus);
		check_node(&t, id);
	}
	guest_say(t.numa && t.node_count == nodes, "topology: %zu nodes", nodes);
	guest_say(t.cpu_count == cpus, "topology: %zu cpus", cpus);
	guest_say(!t.guesses, "topology: nothing is guessed %s", t.first_guess.text);
	quoit_topology_fini(&t);
}
