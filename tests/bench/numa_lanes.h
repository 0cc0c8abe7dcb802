/* SPDX-License-Identifier: MIT */
/*
 * numa_lanes.h - for bench-numa: a channel's lane in each place that its options offer, made by the
 * library as a program would have it made, and which places were the fastest between nodes.
 */
#ifndef TESTS_BENCH_NUMA_LANES_H
#define TESTS_BENCH_NUMA_LANES_H

#include "loop_bare.h"
#include "measure.h"

#include <quoit/numa/topology.h>
#include <quoit/rings/mpsc_internal.h>
#include <quoit/rings/typed_mpsc.h>

QUOIT_MPSC(streams, uint64_t);

enum {
	LANE_SLOTS = 4096,
	LANE_BATCH = 32,
	LANES_MOST = 1024,
	PLACES = QUOIT_MPSC_INTERLEAVED + 1,
};

static const char *const place_names[PLACES] = {"producer", "consumer", "node", "interleave"};

struct lane_cell {
	int from, to; /* nodes */
	unsigned cpus[2];
	enum quoit_mpsc_place place;
	int node;		  /* of QUOIT_MPSC_AT_NODE */
	struct quoit_idset nodes; /* where its pages are meant to lie, in equal parts */
	unsigned resident;	  /* of a hundred pages, least of all rounds */
	double mps[ROUNDS_MOST];
};

static struct {
	struct lane_cell cells[LANES_MOST];
	unsigned count;
	struct streams channel; /* of the cell that runs */
	unsigned resident;
	struct quoit_idset nodes;
	uint64_t since, until; /* ticks */
} lanes;

/* --- one cell -------------------------------------------------------------------------------- */

static inline unsigned lane_resident(const struct quoit_region *region,
				     const struct quoit_idset *nodes)
{
	const size_t count = quoit_idset_count(nodes);
	struct quoit_mem_residency r;
	size_t there = 0;

	if (!count || quoit_region_residency(region, &r))
		return 0;
	QUOIT_IDSET_FOR_EACH(node, nodes)
	{
		there += quoit_min(r.on_node[node], (r.pages + count - 1) / count);
	}
	return (unsigned)(100 * there / r.pages);
}

static inline void write_lane(struct course *c)
{
	struct streams_producer p;

	if (streams_register(&lanes.channel, &p))
		die("no lane");
	lanes.resident = lane_resident(
		&quoit__mpsc_home_at(lanes.channel.channel, p.seat.id)->region, &lanes.nodes);
	lanes.since = quoit_ticks();
	for (uint64_t next = 0; next < c->count;) {
		size_t granted;
		uint64_t *const slots = streams_reserve(&p, LANE_BATCH, &granted);

		if (!slots) {
			quoit_relax();
			continue;
		}
		for (size_t i = 0; i < granted; i++)
			slots[i] = next++;
		streams_commit(&p, granted);
	}
	if (streams_deregister(&p))
		die("a producer cannot leave");
}

static inline void add_up(uint64_t *items, size_t n, uint32_t id, void *ctx)
{
	uint64_t *const sum = (uint64_t *)ctx;

	(void)id;
	for (size_t i = 0; i < n; i++)
		*sum += items[i];
}

static inline void read_lane(struct course *c)
{
	uint64_t sum = 0, got = 0;

	/* The writer sends whole batches: a few more items than were asked for. */
	while (got < c->count)
		got += streams_consume(&lanes.channel, 256, add_up, &sum);
	lanes.until = quoit_ticks();
	if (sum != got * (got - 1) / 2)
		die("items were lost or altered");
}

/* The channel is created where its reader runs, which is then taken for the consumer's node. */
static inline void run_lane(struct lane_cell *cell, struct course *c, unsigned round,
			    unsigned items, const struct quoit_topology *t, double tick_ns)
{
	const struct quoit_mpsc_options o = {.capacity_slots = LANE_SLOTS,
					     .producers_most = 1,
					     .place = cell->place,
					     .node = cell->node,
					     .topology = t};

	memcpy(c->cpus, cell->cpus, sizeof(c->cpus));
	c->count = items;
	lanes.nodes = cell->nodes;
	if (quoit_thread_pin(cell->cpus[1]) || streams_create(&lanes.channel, &o))
		die("no channel on cpu %u", cell->cpus[1]);
	alarm(PATIENCE_S);
	run_both(c, write_lane, read_lane);
	alarm(0);
	if (streams_destroy(&lanes.channel))
		die("a channel stays");
	cell->mps[round] = (double)items * 1e3 / ((double)(lanes.until - lanes.since) * tick_ns);
	cell->resident = quoit_min(cell->resident, lanes.resident);
}

static inline void add_lane(const struct lane_cell *pair, enum quoit_mpsc_place place, int node,
			    struct quoit_idset nodes)
{
	struct lane_cell *const cell = &lanes.cells[lanes.count++];

	if (lanes.count > LANES_MOST)
		die("more than %d lanes", LANES_MOST);
	*cell = *pair;
	cell->place = place;
	cell->node = node;
	cell->nodes = nodes;
	cell->resident = 100;
}

/* --- which place is best --------------------------------------------------------------------- */

/* Sums of ratios to the first place, which each pair of nodes has, and has first. */
struct best {
	double base, sum[PLACES];
	unsigned pairs[PLACES];
};

static inline void best_add(struct best *b, unsigned place, double value)
{
	if (!place)
		b->base = value;
	b->sum[place] += value / b->base;
	b->pairs[place]++;
}

/* `more_is_better` of items a second; not of times. */
static inline void best_print(const struct best *b, const char *what,
			      const char *const names[PLACES], bool more_is_better,
			      const char *note)
{
	double mean[PLACES];
	unsigned best = PLACES;

	for (unsigned place = 0; place < PLACES; place++) {
		mean[place] = b->pairs[place] ? b->sum[place] / b->pairs[place] : 0;
		if (b->pairs[place] &&
		    (best == PLACES || (mean[place] > mean[best]) == more_is_better))
			best = place;
	}
	if (best == PLACES || !b->pairs[0]) {
		printf("SKIP name=bench-numa-place of=%s reason=\"it takes two nodes with cpus\"\n",
		       what);
		return;
	}
	printf("RESULT name=bench-numa-place of=%s pairs=%u", what, b->pairs[0]);
	for (unsigned place = 0; place < PLACES; place++)
		if (b->pairs[place])
			printf(" %s=%.2f", names[place], mean[place]);
	printf(" best=%s%s\n", names[best], note);
}

static inline void print_lanes(unsigned rounds, bool emulated)
{
	const char *const note = emulated ? " emulated=1" : "";
	struct best best = {0};

	printf("\na channel's lane, million items a second\n");
	for (unsigned i = 0; i < lanes.count; i++) {
		const struct lane_cell *const cell = &lanes.cells[i];
		const double mps = median(cell->mps, rounds);

		printf("RESULT name=bench-numa-lane from=%d to=%d place=%s mps=%.1f "
		       "resident_pct=%u%s\n",
		       cell->from, cell->to, place_names[cell->place], mps, cell->resident, note);
		if (cell->from != cell->to)
			best_add(&best, cell->place, mps);
	}
	best_print(&best, "lane", place_names, true, note);
}

#endif
