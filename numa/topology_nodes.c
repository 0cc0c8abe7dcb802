/* SPDX-License-Identifier: MIT */
/*
 * topology_nodes.c - the nodes: their memory, their distances, and whose cpus are whose.
 *
 * Two traps: `Node 0 MemTotal: 6645976 kB` starts with the node's number, not with the figure; and
 * the columns of nodeN/distance are the online nodes in order, not node numbers.
 */
#include <quoit/numa/topology_internal.h>

#define LOCAL_DISTANCE	10 /* the kernel's own defaults */
#define REMOTE_DISTANCE 20

int quoit_topology_load_node_lists(struct quoit_topology_loader *l)
{
	int rc = quoit_topology_read_list(l, "/sys/devices/system/node/online", &l->nodes,
					  QUOIT_NODES_MAX);
	if (rc == -E2BIG)
		return quoit_reason_set(l->why, rc,
					"this machine has node numbers of %d or more, which quoit "
					"cannot hold",
					QUOIT_NODES_MAX);
	if (!rc && quoit_idset_count(&l->nodes) == 0)
		rc = -EINVAL;
	l->t.numa = !rc;
	if (rc) {
		if (rc != -ENOENT) /* a kernel without NUMA has no such file: no guess */
			QUOIT_TOPOLOGY_GUESS(l, "%s: %s; the machine is taken for one node",
					     l->path, strerror(-rc));
		quoit_idset_add(&l->nodes, 0);
		quoit_idset_add(&l->mems, 0);
		return 0;
	}

	rc = quoit_topology_read_status(l, "Mems_allowed_list:", &l->mems, QUOIT_NODES_MAX);
	if (!rc) {
		quoit_idset_intersect(&l->mems, &l->nodes);
		if (quoit_idset_count(&l->mems) > 0)
			return 0;
		rc = -EINVAL;
	}
	if (rc != -ENOENT) /* a kernel without cpusets has no such line: no guess */
		QUOIT_TOPOLOGY_GUESS(l,
				     "%s: Mems_allowed_list: %s; memory is taken from every node",
				     l->path, strerror(-rc));
	l->mems = l->nodes;
	return 0;
}

/* A figure of meminfo, "MemTotal:   2048 kB\n": -EINVAL if it is not there, or is no figure. */
static int read_figure(const char *text, const char *key, uint64_t *bytes)
{
	const char *at = strstr(text, key);
	if (!at)
		return -EINVAL;
	at += strlen(key);
	at += strspn(at, " ");
	if (*at < '0' || *at > '9') /* strtoull would take a sign, and more kinds of space */
		return -EINVAL;
	char *end;
	const unsigned long long kib = strtoull(at, &end, 10);
	if (strncmp(end, " kB\n", 4) != 0 || kib > UINT64_MAX / 1024)
		return -EINVAL;
	*bytes = (uint64_t)kib * 1024;
	return 0;
}

static void load_node_memory(struct quoit_topology_loader *l, struct quoit_topology_node *node)
{
	const int rc = l->t.numa ? quoit_topology_read(l, "/sys/devices/system/node/node%d/meminfo",
						       node->id)
				 : quoit_topology_read(l, "/proc/meminfo");
	if (rc || read_figure(l->text, "MemTotal:", &node->memory_bytes)) {
		QUOIT_TOPOLOGY_GUESS(l, "%s: %s; the node is taken to have memory", l->path,
				     rc ? strerror(-rc) : "no MemTotal");
		node->has_memory = true;
		return;
	}
	node->has_memory = node->memory_bytes > 0;
	if (read_figure(l->text, "MemFree:", &node->free_bytes))
		QUOIT_TOPOLOGY_GUESS(l, "%s: no MemFree; none is taken to be free", l->path);
	node->free_bytes = quoit_min(node->free_bytes, node->memory_bytes);
}

static void load_node_distances(struct quoit_topology_loader *l, size_t row)
{
	struct quoit_topology *const t = &l->t;
	uint16_t *const distances = t->distances + row * t->node_count;
	t->nodes[row].distances = distances;
	for (size_t i = 0; i < t->node_count; i++)
		distances[i] = i == row ? LOCAL_DISTANCE : REMOTE_DISTANCE;
	if (!t->numa)
		return;

	int rc = quoit_topology_read(l, "/sys/devices/system/node/node%d/distance",
				     t->nodes[row].id);
	char *at = l->text;
	for (size_t i = 0; !rc && i < t->node_count; i++) {
		at += strspn(at, " ");
		const bool is_number = *at >= '0' && *at <= '9';
		const unsigned long distance = is_number ? strtoul(at, &at, 10) : 0;
		if (distance == 0)
			rc = -EINVAL;
		else
			distances[i] = (uint16_t)quoit_min(distance, UINT16_MAX);
	}
	if (!rc && strspn(at, " \n") != strlen(at))
		rc = -EINVAL;
	if (!rc)
		return;
	QUOIT_TOPOLOGY_GUESS(l, "%s: %s; unknown distances are taken to be %d", l->path,
			     strerror(-rc), REMOTE_DISTANCE);
}

/* Note which cpus belong to the node. Of two nodes that claim a cpu the first has it. */
static void load_node_cpus(struct quoit_topology_loader *l, const struct quoit_topology_node *node)
{
	struct quoit_idset cpus = l->t.online;
	int rc = 0;
	if (l->t.numa)
		rc = quoit_topology_read(l, "/sys/devices/system/node/node%d/cpulist", node->id);
	if (l->t.numa && !rc)
		rc = quoit_idset_parse(&cpus, l->text, QUOIT_CPUS_MAX);
	if (rc) {
		QUOIT_TOPOLOGY_GUESS(l, "%s: %s; the node is taken to have no cpu", l->path,
				     strerror(-rc));
		return;
	}
	quoit_idset_intersect(&cpus, &l->t.online);
	QUOIT_IDSET_FOR_EACH(cpu, &cpus)
	{
		int16_t *const owner = &l->t.node_by_cpu[cpu];
		if (*owner < 0)
			*owner = (int16_t)node->id;
		else
			QUOIT_TOPOLOGY_GUESS(l, "%s: cpu %d belongs to node %d already", l->path,
					     cpu, *owner);
	}
}

/* A cpu that no node claims goes to the first with memory: it must get its memory from somewhere.
 */
static void adopt_orphans(struct quoit_topology_loader *l)
{
	struct quoit_topology *const t = &l->t;
	size_t home = 0;
	while (home < t->node_count && !(t->nodes[home].has_memory && t->nodes[home].allowed))
		home++;
	const int node = t->nodes[home < t->node_count ? home : 0].id;
	QUOIT_IDSET_FOR_EACH(cpu, &l->t.online)
	{
		if (t->node_by_cpu[cpu] >= 0)
			continue;
		QUOIT_TOPOLOGY_GUESS(l, "no node lists cpu %d; it is taken to be on node %d", cpu,
				     node);
		t->node_by_cpu[cpu] = (int16_t)node;
	}
}

void quoit_topology_load_nodes(struct quoit_topology_loader *l)
{
	struct quoit_topology *const t = &l->t;
	size_t row = 0;
	QUOIT_IDSET_FOR_EACH(id, &l->nodes)
	{
		struct quoit_topology_node *const node = &t->nodes[row];
		node->id = id;
		node->allowed = quoit_idset_has(&l->mems, (unsigned)id);
		load_node_memory(l, node);
		load_node_distances(l, row);
		load_node_cpus(l, node);
		row++;
	}
	adopt_orphans(l);

	size_t filled = 0;
	for (row = 0; row < t->node_count; row++) {
		struct quoit_topology_node *const node = &t->nodes[row];
		node->cpus = t->node_cpus + filled;
		QUOIT_IDSET_FOR_EACH(cpu, &l->usable)
		{
			if (t->node_by_cpu[cpu] == node->id) {
				t->node_cpus[filled++] = (unsigned)cpu;
				node->cpu_count++;
			}
		}
	}
}
