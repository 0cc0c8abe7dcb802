/* SPDX-License-Identifier: MIT */
/*
 * numa.c - what it costs to pass messages between nodes, by where the ring between them lies.
 *
 *	numa [ROUNDS]
 *
 * A cell is a writer on one node, a reader on another or the same, and the memory of the ring:
 *
 *   consumer     on the reader's node
 *   producer     on the writer's node, if that is another
 *   remote       on the node that is farthest from both, if there is a third (or second)
 *   interleave   page by page on all nodes, if there are several
 *
 * Of each are measured the throughput of batches in place, every item read; a round trip over two
 * such rings; and the wake-up of a loop that sleeps, with the ring in its place. Then the lane of a
 * channel in each place that its options offer, and which place was the fastest between nodes.
 *
 * After that come all cores together, from one to all. In each round every cell takes its turn;
 * figures are medians. Where the pages are is looked at for every cell. In an emulator none of it
 * is a measurement.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "numa_place.h"

#include "loop_feed.h"
#include "numa_lanes.h"
#include "numa_scale.h"

#ifdef __x86_64__
#include <cpuid.h>
#endif

enum {
	RING_SLOTS = 4096,
	BATCH = 32,
	ITEMS = 1 << 21,
	TRIPS = 2000,
	WAKES = 200,
	CELLS_MOST = 4096,
	SCALES_MOST = 64,
	SLOWER_EMULATED = 20,
};

enum policy {
	CONSUMER,
	PRODUCER,
	REMOTE,
	INTERLEAVE,
	POLICIES,
};

static const char *const policy_names[POLICIES] = {"consumer", "producer", "remote", "interleave"};

struct cell {
	int from, to; /* nodes */
	unsigned cpus[2];
	enum policy policy;
	struct quoit_idset nodes; /* of the ring from `from` to `to`, and of the one back */
	struct quoit_idset back;
	unsigned resident; /* least of all rounds */
	double mps[ROUNDS_MOST], ns[ROUNDS_MOST], wake_ns[ROUNDS_MOST];
};

static struct cell cells[CELLS_MOST];
static unsigned cell_count;
static struct course course;
static struct numbers *out, *home;
static unsigned slower = 1;

/* --- the ways through a ring ----------------------------------------------------------------- */

static void write_batches(struct course *c)
{
	for (uint64_t next = 0; next < c->count;) {
		size_t granted;
		uint64_t *const slots = numbers_reserve(out, BATCH, &granted);

		if (!slots) {
			quoit_relax();
			continue;
		}
		for (size_t i = 0; i < granted; i++)
			slots[i] = next++;
		numbers_commit(out, granted);
	}
}

static void read_batches(struct course *c)
{
	uint64_t sum = 0, got = 0;

	while (got < c->count) {
		size_t n = 0;
		const uint64_t *const slots = numbers_readable(out, &n);

		for (size_t i = 0; i < n; i++)
			sum += slots[i];
		numbers_advance(out, n);
		got += n;
	}
	if (sum != got * (got - 1) / 2)
		die("items were lost or altered");
	c->samples[0] = quoit_ticks();
}

static void lead_ring(struct course *c)
{
	lead_trips(out, home, c->samples, c->count);
}

static void follow_ring(struct course *c)
{
	follow_trips(out, home, c->count);
}

/* --- a cell ---------------------------------------------------------------------------------- */

static struct numbers *lay_ring(struct place *p, size_t slots)
{
	struct numbers *const ring = place_take(p, sizeof(*ring));

	if (numbers_init(ring, place_take(p, slots * sizeof(uint64_t)), slots))
		die("no ring of %zu", slots);
	return ring;
}

static double run_throughput(struct course *c, double tick_ns)
{
	uint64_t since;

	c->count = ITEMS / slower;
	since = quoit_ticks();
	run_both(c, write_batches, read_batches);
	return (double)c->count * 1e3 / ((double)(c->samples[0] - since) * tick_ns);
}

static double middle(struct course *c, double tick_ns)
{
	qsort(c->samples, c->count, sizeof(c->samples[0]), by_size);
	return (double)c->samples[c->count / 2] * tick_ns;
}

static void run_cell(struct cell *cell, unsigned round, double tick_ns)
{
	struct course *const c = &course;
	struct place there, back;
	uint64_t *slots;

	memcpy(c->cpus, cell->cpus, sizeof(c->cpus));
	place_open(&there, &cell->nodes);
	place_open(&back, &cell->back);
	out = lay_ring(&there, RING_SLOTS);
	home = lay_ring(&back, RING_SLOTS);
	alarm(PATIENCE_S);
	cell->mps[round] = run_throughput(c, tick_ns);
	c->count = TRIPS / slower;
	run_both(c, lead_ring, follow_ring);
	cell->ns[round] = middle(c, tick_ns);
	c->count = WAKES / slower;
	slots = place_take(&there, SLOTS * sizeof(*slots));
	feed_open(&feed, c, place_take(&there, sizeof(struct numbers)), slots);
	run_both(c, lead_feed, follow_feed);
	cell->wake_ns[round] = middle(c, tick_ns);
	alarm(0);
	cell->resident =
		quoit_min(cell->resident, quoit_min(place_resident(&there), place_resident(&back)));
	place_close(&there);
	place_close(&back);
}

/* --- which there are ------------------------------------------------------------------------- */

static struct quoit_idset only(int node)
{
	struct quoit_idset set = {0};

	quoit_idset_add(&set, (unsigned)node);
	return set;
}

static bool may_take(const struct quoit_topology *t, const struct quoit_topology_node *node)
{
	return quoit_topology_memory_node(t, node->id) == node->id;
}

/* The node with memory that is neither of the two and farthest from them; -1: there is none. */
static int farthest(const struct quoit_topology *t, int from, int to)
{
	int most = 0, found = -1;

	for (size_t i = 0; i < t->node_count; i++) {
		const int id = t->nodes[i].id;
		const int distance =
			quoit_topology_distance(t, from, id) + quoit_topology_distance(t, to, id);

		if (may_take(t, &t->nodes[i]) && id != from && id != to && distance > most) {
			most = distance;
			found = id;
		}
	}
	return found;
}

static struct quoit_idset all_nodes(const struct quoit_topology *t)
{
	struct quoit_idset set = {0};

	for (size_t i = 0; i < t->node_count; i++)
		if (may_take(t, &t->nodes[i]))
			quoit_idset_add(&set, (unsigned)t->nodes[i].id);
	return set;
}

static void add_cell(const struct cell *pair, enum policy policy, struct quoit_idset nodes,
		     struct quoit_idset back)
{
	struct cell *const cell = &cells[cell_count++];

	if (cell_count > CELLS_MOST)
		die("more than %d cells", CELLS_MOST);
	*cell = *pair;
	cell->policy = policy;
	cell->nodes = nodes;
	cell->back = back;
	cell->resident = 100;
}

/* The same pair, with the lane of a channel between them. */
static void add_lanes(const struct cell *pair, const struct quoit_topology *t, int near_from,
		      int near_to, int far)
{
	const struct quoit_idset all = all_nodes(t);
	const struct lane_cell lane = {
		.from = pair->from, .to = pair->to, .cpus = {pair->cpus[0], pair->cpus[1]}};

	add_lane(&lane, QUOIT_MPSC_AT_PRODUCER, 0, only(near_from));
	if (near_from != near_to)
		add_lane(&lane, QUOIT_MPSC_AT_CONSUMER, 0, only(near_to));
	if (far >= 0)
		add_lane(&lane, QUOIT_MPSC_AT_NODE, far, only(far));
	if (quoit_idset_count(&all) > 1)
		add_lane(&lane, QUOIT_MPSC_INTERLEAVED, 0, all);
}

static void add_pair(const struct quoit_topology *t, const struct quoit_topology_node *from,
		     const struct quoit_topology_node *to)
{
	const struct quoit_idset all = all_nodes(t);
	const int near_from = quoit_topology_memory_node(t, from->id);
	const int near_to = quoit_topology_memory_node(t, to->id);
	const int far = farthest(t, from->id, to->id);
	struct cell pair = {.from = from->id, .to = to->id, .cpus = {from->cpus[0]}};

	if (from == to && to->cpu_count < 2) {
		printf("SKIP name=bench-numa from=%d to=%d reason=\"the node has one cpu\"\n",
		       from->id, to->id);
		return;
	}
	pair.cpus[1] = to->cpus[from == to];
	add_cell(&pair, CONSUMER, only(near_to), only(near_from));
	if (near_from != near_to)
		add_cell(&pair, PRODUCER, only(near_from), only(near_to));
	if (far >= 0)
		add_cell(&pair, REMOTE, only(far), only(far));
	if (quoit_idset_count(&all) > 1)
		add_cell(&pair, INTERLEAVE, all, all);
	add_lanes(&pair, t, near_from, near_to, far);
}

/* --- what came of it ------------------------------------------------------------------------- */

static void print_matrix(const struct quoit_topology *t, const char *title, unsigned rounds,
			 size_t values)
{
	printf("\n%s, from (down) to (across)\n", title);
	for (unsigned policy = 0; policy < POLICIES; policy++) {
		int row = -1;
		bool any = false;

		for (unsigned i = 0; i < cell_count; i++)
			any |= cells[i].policy == policy;
		if (!any)
			continue;
		printf("  %-10s", policy_names[policy]);
		for (size_t n = 0; n < t->node_count; n++)
			if (t->nodes[n].cpu_count)
				printf(" %9d", t->nodes[n].id);
		for (unsigned i = 0; i < cell_count; i++) {
			const double *const list =
				(const double *)(const void *)((const char *)&cells[i] + values);

			if (cells[i].policy != policy)
				continue;
			if (cells[i].from != row)
				printf("\n  %10d", row = cells[i].from);
			printf(" %9.0f", median(list, rounds));
		}
		printf("\n");
	}
}

static void print_results(unsigned rounds, bool emulated)
{
	const char *const note = emulated ? " emulated=1" : "";
	struct best mps = {0}, ns = {0};

	printf("\n");
	for (unsigned i = 0; i < cell_count; i++) {
		printf("RESULT name=bench-numa from=%d to=%d policy=%s mps=%.1f ns=%.0f "
		       "wake_ns=%.0f resident_pct=%u%s\n",
		       cells[i].from, cells[i].to, policy_names[cells[i].policy],
		       median(cells[i].mps, rounds), median(cells[i].ns, rounds),
		       median(cells[i].wake_ns, rounds), cells[i].resident, note);
		if (cells[i].from == cells[i].to)
			continue;
		best_add(&mps, cells[i].policy, median(cells[i].mps, rounds));
		best_add(&ns, cells[i].policy, median(cells[i].ns, rounds));
	}
	best_print(&mps, "ring", policy_names, true, note);
	best_print(&ns, "ring-round-trip", policy_names, false, note);
}

static void print_scaling(const struct quoit_topology *t, unsigned rounds, bool emulated)
{
	double alone = 0;

	printf("\nall cores calling each other: cores, million messages a second, of one alone\n");
	for (unsigned cores = 1; cores <= t->cpu_count;
	     cores = cores < t->cpu_count && 2 * cores > t->cpu_count ? (unsigned)t->cpu_count
								      : 2 * cores) {
		double mps[ROUNDS_MOST], middle_mps;
		uint64_t degraded = 0;

		for (unsigned i = 0; i < rounds; i++)
			mps[i] = scale(cores, &degraded);
		middle_mps = median(mps, rounds);
		alone = cores == 1 ? middle_mps : alone;
		printf("RESULT name=bench-numa-scaling cores=%u mps=%.2f times=%.2f "
		       "degraded=%llu%s\n",
		       cores, middle_mps, middle_mps / alone, (unsigned long long)degraded,
		       emulated ? " emulated=1" : "");
	}
}

/* --- where we are ---------------------------------------------------------------------------- */

static bool is_emulated(void)
{
#ifdef __x86_64__
	unsigned eax, name[3] = {0};

	__cpuid(1, eax, name[0], name[1], name[2]);
	if (!(name[1] >> 31)) /* no hypervisor */
		return false;
	__cpuid(0x40000000, eax, name[0], name[1], name[2]);
	return !memcmp(name, "TCGTCGTCGTCG", sizeof(name));
#else
	return false;
#endif
}

static unsigned cells_not_resident(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < cell_count; i++)
		n += cells[i].resident < 100;
	for (unsigned i = 0; i < lanes.count; i++)
		n += lanes.cells[i].resident < 100;
	return n;
}

static void measure_cells(unsigned rounds, const struct quoit_topology *t,
			  const struct quoit_idset *cpus)
{
	const double tick_ns = ns_per_tick();

	for (unsigned round = 0; round < rounds; round++) {
		for (unsigned i = 0; i < cell_count; i++)
			run_cell(&cells[(i + round) % cell_count], round, tick_ns);
		for (unsigned i = 0; i < lanes.count; i++)
			run_lane(&lanes.cells[(i + round) % lanes.count], &course, round,
				 ITEMS / slower, t, tick_ns);
	}
	if (quoit_thread_allow(cpus))
		die("the affinity is lost");
}

int main(int argc, char **argv)
{
	const long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 5;
	const bool emulated = is_emulated();
	struct quoit_topology t;
	struct quoit_idset cpus;
	struct quoit_reason why;

	if (rounds < 1 || rounds > ROUNDS_MOST)
		die("ROUNDS is a count up to %d", ROUNDS_MOST);
	if (quoit_topology_load(&t, NULL, &why) < 0 || quoit_thread_affinity(&cpus) < 0)
		die("%s", why.text);
	if (t.cpu_count < 2) {
		puts("SKIP name=bench-numa reason=\"it takes two cpus\"");
		return 0;
	}
	if (emulated) {
		puts("note: emulated, no measurement");
		slower = SLOWER_EMULATED;
	}
	for (size_t from = 0; from < t.node_count; from++)
		for (size_t to = 0; to < t.node_count; to++)
			if (t.nodes[from].cpu_count && t.nodes[to].cpu_count)
				add_pair(&t, &t.nodes[from], &t.nodes[to]);
	if (cell_count)
		measure_cells((unsigned)rounds, &t, &cpus);
	print_matrix(&t, "million items a second", (unsigned)rounds, offsetof(struct cell, mps));
	print_matrix(&t, "round trip, ns", (unsigned)rounds, offsetof(struct cell, ns));
	print_matrix(&t, "until a sleeping loop's handler, ns", (unsigned)rounds,
		     offsetof(struct cell, wake_ns));
	print_results((unsigned)rounds, emulated);
	print_lanes((unsigned)rounds, emulated);
	print_scaling(&t, (unsigned)rounds, emulated);
	quoit_topology_fini(&t);
	return cells_not_resident() ? 1 : 0;
}
