/* SPDX-License-Identifier: MIT */
/*
 * topology.c - one picture of the machine made, made again, and asked.
 *
 * sysfs is read directly rather than through libnuma because a test must be able to hand in another
 * machine's files; that both agree on this machine has a test of its own.
 */
#include <quoit/numa/topology_internal.h>

/* The arrays whose sizes the lists have told. One node_cpus slot per usable cpu. */
static int allocate(struct quoit_topology_loader *l)
{
	struct quoit_topology *const t = &l->t;
	size_t limit = 0;
	QUOIT_IDSET_FOR_EACH(cpu, &l->t.online)
	{
		limit = (size_t)cpu + 1;
	}
	t->cpu_count = quoit_idset_count(&l->usable);
	t->node_count = quoit_idset_count(&l->nodes);
	t->node_by_cpu_count = limit;
	t->cpus = calloc(t->cpu_count, sizeof *t->cpus);
	t->nodes = calloc(t->node_count, sizeof *t->nodes);
	t->node_cpus = calloc(t->cpu_count, sizeof *t->node_cpus);
	t->distances = calloc(t->node_count * t->node_count, sizeof *t->distances);
	t->node_by_cpu = calloc(limit, sizeof *t->node_by_cpu);
	if (l->injected) {
		const size_t bytes = strlen(l->root) + 1;
		t->root = malloc(bytes);
		if (t->root)
			memcpy(t->root, l->root, bytes);
	}
	if (!t->cpus || !t->nodes || !t->node_cpus || !t->distances || !t->node_by_cpu ||
	    (l->injected && !t->root))
		return quoit_reason_set(l->why, -ENOMEM, "no memory for the topology");
	for (size_t i = 0; i < limit; i++)
		t->node_by_cpu[i] = -1;
	return 0;
}

int quoit_topology_load(struct quoit_topology *t, const char *root, struct quoit_reason *why)
{
	struct quoit_topology_loader *const l = calloc(1, sizeof *l);
	if (!l)
		return quoit_reason_set(why, -ENOMEM, "no memory for the topology");
	l->why = why;
	int rc = quoit_topology_open_root(l, root);
	if (!rc)
		rc = quoit_topology_load_usable(l);
	if (!rc)
		rc = quoit_topology_load_node_lists(l);
	if (!rc)
		rc = allocate(l);
	if (!rc) {
		quoit_topology_load_nodes(l);
		rc = quoit_topology_load_cpus(l);
	}
	if (rc)
		quoit_topology_fini(&l->t);
	else
		*t = l->t;
	free(l);
	return rc;
}

/* Would somebody who plans by them do anything else? Free memory always changes, and is let be. */
static bool is_same(const struct quoit_topology *a, const struct quoit_topology *b)
{
	if (a->cpu_count != b->cpu_count || a->node_count != b->node_count || a->numa != b->numa ||
	    memcmp(&a->online, &b->online, sizeof a->online) != 0 ||
	    memcmp(&a->offline, &b->offline, sizeof a->offline) != 0 ||
	    memcmp(a->distances, b->distances,
		   a->node_count * a->node_count * sizeof *a->distances) != 0)
		return false;
	for (size_t i = 0; i < a->cpu_count; i++) {
		const struct quoit_topology_cpu *const x = &a->cpus[i];
		const struct quoit_topology_cpu *const y = &b->cpus[i];
		if (x->cpu != y->cpu || x->node != y->node || x->core != y->core ||
		    x->isolated != y->isolated || x->tickless != y->tickless)
			return false;
	}
	for (size_t i = 0; i < a->node_count; i++) {
		const struct quoit_topology_node *const x = &a->nodes[i];
		const struct quoit_topology_node *const y = &b->nodes[i];
		if (x->id != y->id || x->has_memory != y->has_memory || x->allowed != y->allowed ||
		    x->memory_bytes != y->memory_bytes)
			return false;
	}
	return true;
}

int quoit_topology_refresh(struct quoit_topology *t, struct quoit_reason *why)
{
	struct quoit_topology now;
	const int rc = quoit_topology_load(&now, t->root, why);
	if (rc)
		return rc;
	const bool same = is_same(t, &now);
	quoit_topology_fini(t);
	*t = now;
	return !same;
}

void quoit_topology_fini(struct quoit_topology *t)
{
	free(t->cpus);
	free(t->nodes);
	free(t->node_cpus);
	free(t->distances);
	free(t->node_by_cpu);
	free(t->root);
	*t = (struct quoit_topology){0};
}

int quoit_topology_node_of_cpu(const struct quoit_topology *t, unsigned cpu)
{
	if (cpu >= t->node_by_cpu_count || t->node_by_cpu[cpu] < 0)
		return -ENODEV;
	return t->node_by_cpu[cpu];
}

/* Its place in t->cpus; cpu_count if it is not there. */
static size_t index_of(const struct quoit_topology *t, unsigned cpu)
{
	size_t low = 0;
	size_t high = t->cpu_count;
	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		if (t->cpus[middle].cpu < cpu)
			low = middle + 1;
		else
			high = middle;
	}
	return low < t->cpu_count && t->cpus[low].cpu == cpu ? low : t->cpu_count;
}

const struct quoit_topology_cpu *quoit_topology_cpu(const struct quoit_topology *t, unsigned cpu)
{
	const size_t at = index_of(t, cpu);
	return at < t->cpu_count ? &t->cpus[at] : NULL;
}

int quoit_topology_siblings(const struct quoit_topology *t, unsigned cpu,
			    struct quoit_idset *siblings)
{
	const struct quoit_topology_cpu *const self = quoit_topology_cpu(t, cpu);
	if (!self)
		return -ENODEV;
	struct quoit_idset found = {0};
	for (size_t i = 0; i < t->cpu_count; i++) {
		if (t->cpus[i].core == self->core)
			quoit_idset_add(&found, t->cpus[i].cpu);
	}
	*siblings = found;
	return 0;
}

/* The users of all siblings of a core. */
static uint64_t users_of_core(const struct quoit_topology *t, unsigned core, const unsigned *users)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < t->cpu_count; i++)
		sum += t->cpus[i].core == core ? users[i] : 0;
	return sum;
}

int quoit_topology_pick_cpu(const struct quoit_topology *t, int node, unsigned *users)
{
	size_t best = t->cpu_count;
	uint64_t best_core = 0;
	for (size_t i = 0; i < t->cpu_count; i++) {
		if (node >= 0 && t->cpus[i].node != node)
			continue;
		if (best < t->cpu_count && users[i] > users[best])
			continue;
		const uint64_t of_core = users_of_core(t, t->cpus[i].core, users);
		if (best < t->cpu_count && users[i] == users[best] && of_core >= best_core)
			continue;
		best = i;
		best_core = of_core;
	}
	if (best == t->cpu_count)
		return -ENODEV;
	users[best]++;
	return (int)t->cpus[best].cpu;
}

const struct quoit_topology_node *quoit_topology_node(const struct quoit_topology *t, int id)
{
	for (size_t i = 0; i < t->node_count; i++) {
		if (t->nodes[i].id == id)
			return &t->nodes[i];
	}
	return NULL;
}

bool quoit_topology_is_numa(const struct quoit_topology *t)
{
	return t->node_count > 1;
}

int quoit_topology_nearest(const struct quoit_topology *t, int node)
{
	const struct quoit_topology_node *const from = quoit_topology_node(t, node);
	if (!from)
		return -ENODEV;
	const struct quoit_topology_node *nearest = from;
	for (size_t i = 0; i < t->node_count; i++) {
		if (&t->nodes[i] == from)
			continue;
		if (nearest == from || from->distances[i] < from->distances[nearest - t->nodes])
			nearest = &t->nodes[i];
	}
	return nearest->id;
}

int quoit_topology_memory_node(const struct quoit_topology *t, int node)
{
	const struct quoit_topology_node *const from = quoit_topology_node(t, node);
	if (!from)
		return -ENODEV;
	if (from->has_memory && from->allowed)
		return node;
	const struct quoit_topology_node *nearest = NULL;
	for (size_t i = 0; i < t->node_count; i++) {
		const struct quoit_topology_node *const to = &t->nodes[i];
		if (!to->has_memory || !to->allowed)
			continue;
		if (!nearest || from->distances[i] < from->distances[nearest - t->nodes])
			nearest = to;
	}
	return nearest ? nearest->id : -ENODEV;
}

int quoit_topology_distance(const struct quoit_topology *t, int from, int to)
{
	const struct quoit_topology_node *const a = quoit_topology_node(t, from);
	const struct quoit_topology_node *const b = quoit_topology_node(t, to);
	return a && b ? a->distances[b - t->nodes] : -ENODEV;
}
