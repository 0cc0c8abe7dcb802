/* SPDX-License-Identifier: MIT */
/*
 * plan.c - loops seated one after the other, each on the best place that is left.
 *
 * What makes a place better, in this order: fewer loops on the cpu itself, fewer on its core, a
 * node that has memory for us, a better node (the next in turn, or the one that is being filled),
 * and then the lowest number. So a core is shared only when all are taken, and a cpu only when all
 * siblings are.
 */
#include <quoit/numa/plan.h>

#include <errno.h>
#include <stdarg.h>
#include <string.h>

/* A cpu that may be chosen. */
struct place {
	const struct quoit_topology_cpu *cpu;
	size_t node; /* its place in topology->nodes */
	unsigned loops;
	int first; /* the first loop there; -1: none */
};

struct planner {
	const struct quoit_topology *t;
	const struct quoit_plan_options *o;
	struct place *places;
	size_t count;
	unsigned *core_loops; /* by core */
	int *core_first;      /* by core, the first loop there */
	unsigned *node_loops; /* by place in t->nodes */
	unsigned *node_rank;  /* likewise, in which order they are filled */
	bool *node_remote;    /* likewise: memory comes from elsewhere */
};

static int allocate(struct planner *p)
{
	p->places = calloc(p->t->cpu_count, sizeof *p->places);
	p->core_loops = calloc(QUOIT_CPUS_MAX, sizeof *p->core_loops);
	p->core_first = calloc(QUOIT_CPUS_MAX, sizeof *p->core_first);
	p->node_loops = calloc(p->t->node_count, sizeof *p->node_loops);
	p->node_rank = calloc(p->t->node_count, sizeof *p->node_rank);
	p->node_remote = calloc(p->t->node_count, sizeof *p->node_remote);
	return p->places && p->core_loops && p->core_first && p->node_loops && p->node_rank &&
			       p->node_remote
		       ? 0
		       : -ENOMEM;
}

static void release(struct planner *p)
{
	free(p->places);
	free(p->core_loops);
	free(p->core_first);
	free(p->node_loops);
	free(p->node_rank);
	free(p->node_remote);
}

static void list_places(struct planner *p)
{
	for (size_t i = 0; i < p->t->cpu_count; i++) {
		const struct quoit_topology_cpu *const cpu = &p->t->cpus[i];
		if (p->o->cpus && !quoit_idset_has(p->o->cpus, cpu->cpu))
			continue;
		const struct quoit_topology_node *const node = quoit_topology_node(p->t, cpu->node);
		p->places[p->count++] = (struct place){
			.cpu = cpu, .node = (size_t)(node - p->t->nodes), .first = -1};
		p->core_first[cpu->core] = -1;
	}
}

/* The node with the most cpus to choose from is filled first, then the nearest to it. */
static void rank_nodes(struct planner *p)
{
	const struct quoit_topology *const t = p->t;
	size_t first = p->places[0].node;
	unsigned most = 0;
	for (size_t n = 0; n < t->node_count; n++) {
		unsigned cpus = 0;
		for (size_t i = 0; i < p->count; i++)
			cpus += p->places[i].node == n;
		p->node_remote[n] = quoit_topology_memory_node(t, t->nodes[n].id) != t->nodes[n].id;
		if (cpus > most && !p->node_remote[n]) {
			most = cpus;
			first = n;
		}
	}
	for (size_t n = 0; n < t->node_count; n++)
		p->node_rank[n] = n == first ? 0 : t->nodes[first].distances[n];
}

/* Below 0: `a` is the better place. Equal ones cannot be: they stand in the order of their numbers.
 */
static int compare(const struct planner *p, const struct place *a, const struct place *b)
{
	if (a->loops != b->loops)
		return a->loops < b->loops ? -1 : 1;
	const unsigned a_core = p->core_loops[a->cpu->core];
	const unsigned b_core = p->core_loops[b->cpu->core];
	if (a_core != b_core)
		return a_core < b_core ? -1 : 1;
	if (p->node_remote[a->node] != p->node_remote[b->node])
		return p->node_remote[a->node] ? 1 : -1;
	const unsigned *const order = p->o->spread ? p->node_loops : p->node_rank;
	if (order[a->node] != order[b->node])
		return order[a->node] < order[b->node] ? -1 : 1;
	return 0;
}

static void seat(struct planner *p, struct quoit_plan *plan, unsigned loop)
{
	struct place *best = &p->places[0];
	for (size_t i = 1; i < p->count; i++) {
		struct place *const other = &p->places[i];
		const int order = compare(p, other, best);
		/* Of equally near nodes one is filled before the other. */
		if (order < 0 || (order == 0 && other->node < best->node))
			best = other;
	}
	const struct quoit_topology_cpu *const cpu = best->cpu;
	int *const core_first = &p->core_first[cpu->core];
	plan->loops[loop] = (struct quoit_plan_loop){
		.cpu = cpu->cpu,
		.core = cpu->core,
		.node = cpu->node,
		.memory_node = quoit_topology_memory_node(p->t, cpu->node),
		.beside = best->first < 0 ? *core_first : -1,
		.shares = best->first,
		.isolated = cpu->isolated,
	};
	if (best->first < 0)
		best->first = (int)loop;
	else
		plan->shares_cpus = true;
	if (*core_first < 0)
		*core_first = (int)loop;
	best->loops++;
	p->core_loops[cpu->core]++;
	p->node_loops[best->node]++;
}

/* How many cores and nodes there are to choose from. */
static void count_choice(const struct planner *p, struct quoit_plan *plan)
{
	struct quoit_idset cores = {0};
	struct quoit_idset nodes = {0};
	for (size_t i = 0; i < p->count; i++) {
		quoit_idset_add(&cores, p->places[i].cpu->core);
		quoit_idset_add(&nodes, (unsigned)p->places[i].cpu->node);
	}
	plan->cpus = (unsigned)p->count;
	plan->cores = (unsigned)quoit_idset_count(&cores);
	plan->nodes = (unsigned)quoit_idset_count(&nodes);
}

static int choose_count(const struct planner *p, struct quoit_plan *plan, struct quoit_reason *why)
{
	const struct quoit_plan_options *const o = p->o;
	char text[64];
	if (o->cpus && quoit_idset_count(o->cpus) == 0)
		return quoit_reason_set(why, -ENODEV, "`cpus` is empty");
	if (p->count == 0)
		return quoit_reason_set(
			why, -ENODEV,
			"none of cpus %s may be used: see the affinity mask and the "
			"cpuset",
			quoit_idset_format(o->cpus, text, sizeof text));
	if (o->loops > QUOIT_PLAN_LOOPS_MAX)
		return quoit_reason_set(why, -EINVAL, "%u loops: give 1 to %d", o->loops,
					QUOIT_PLAN_LOOPS_MAX);
	count_choice(p, plan);
	if (o->one_per_core && o->loops > plan->cores)
		return quoit_reason_set(why, -EINVAL,
					"%u loops do not get a core each: there are %u; ask for "
					"fewer, or without one_per_core",
					o->loops, plan->cores);
	plan->count = o->loops ? o->loops : o->one_per_core ? plan->cores : plan->cpus;
	plan->spread = o->spread;
	return 0;
}

int quoit_plan_make(struct quoit_plan *plan, const struct quoit_topology *topology,
		    const struct quoit_plan_options *options, struct quoit_reason *why)
{
	struct planner p = {.t = topology, .o = options};
	struct quoit_plan made = {0};
	int rc = allocate(&p);
	if (!rc) {
		list_places(&p);
		rc = choose_count(&p, &made, why);
	}
	if (!rc) {
		made.loops = calloc(made.count, sizeof *made.loops);
		rc = made.loops ? 0 : -ENOMEM;
	}
	if (rc == -ENOMEM)
		quoit_reason_set(why, rc, "no memory for a plan");
	if (!rc) {
		rank_nodes(&p);
		for (unsigned i = 0; i < made.count; i++)
			seat(&p, &made, i);
		*plan = made;
	}
	release(&p);
	return rc;
}

void quoit_plan_fini(struct quoit_plan *plan)
{
	free(plan->loops);
	*plan = (struct quoit_plan){0};
}

/* --- in words --------------------------------------------------------------------------------- */

/* Text that may be longer than its room: `length` goes on. */
struct writer {
	char *text;
	size_t bytes, length;
};

QUOIT_PRINTF(2, 3) static void say(struct writer *w, const char *format, ...)
{
	const bool full = w->length >= w->bytes;
	va_list arguments;
	va_start(arguments, format);
	const int n = vsnprintf(full ? NULL : w->text + w->length, full ? 0 : w->bytes - w->length,
				format, arguments);
	va_end(arguments);
	w->length += n > 0 ? (size_t)n : 0;
}

static void say_reason(struct writer *w, const struct quoit_plan_loop *loop)
{
	if (loop->shares >= 0)
		say(w, "in turn with loop %d: no cpu is left", loop->shares);
	else if (loop->beside >= 0)
		say(w, "beside loop %d: no core is left", loop->beside);
	else
		say(w, "a core of its own");
	if (loop->isolated)
		say(w, ", isolated");
	if (loop->memory_node < 0)
		say(w, "; no node has memory for it");
	else if (loop->memory_node != loop->node)
		say(w, "; memory of node %d, the nearest that has some", loop->memory_node);
}

const char *quoit_plan_reason(const struct quoit_plan *plan, unsigned loop, char *text,
			      size_t bytes)
{
	QUOIT_ASSERT(loop < plan->count);
	QUOIT_ASSERT(bytes > 0);
	struct writer w = {.text = text, .bytes = bytes};
	text[0] = '\0';
	say_reason(&w, &plan->loops[loop]);
	return text;
}

size_t quoit_plan_format(const struct quoit_plan *plan, char *text, size_t bytes)
{
	struct writer w = {.text = text, .bytes = bytes};
	if (bytes > 0)
		text[0] = '\0';
	say(&w, "%u %s on %u of %u %s (%u %s, %u %s), %s\n", plan->count,
	    plan->count == 1 ? "loop" : "loops", (unsigned)quoit_min(plan->count, plan->cpus),
	    plan->cpus, plan->cpus == 1 ? "cpu" : "cpus", plan->cores,
	    plan->cores == 1 ? "core" : "cores", plan->nodes, plan->nodes == 1 ? "node" : "nodes",
	    plan->spread ? "the nodes in turn" : "one node after the other");
	for (unsigned i = 0; i < plan->count; i++) {
		say(&w, "loop %u: cpu %u of node %d, ", i, plan->loops[i].cpu, plan->loops[i].node);
		say_reason(&w, &plan->loops[i]);
		say(&w, "\n");
	}
	return w.length;
}
