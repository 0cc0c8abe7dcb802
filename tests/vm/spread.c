/* SPDX-License-Identifier: MIT */
/*
 * spread.c - memory of several nodes: page by page in turn, and by weights that are set here.
 */
#include <vm/guest.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <quoit/rings/mpsc_internal.h>
#include <quoit/rings/spsc_create.h>

#define TURNS 16 /* round all nodes */
#define SLOTS 4096

/* Of a node that we may take memory from; 0 for others. Different ones for neighbours. */
static size_t weight_of(int node)
{
	return guest_has_memory(node) ? 1 + 2 * (size_t)(node % 3) : 0;
}

static bool set_weight(int node, size_t weight)
{
	char path[96];
	FILE *file;
	int rc;

	(void)snprintf(path, sizeof(path), "/sys/kernel/mm/mempolicy/weighted_interleave/node%d",
		       node);
	file = fopen(path, "w");
	if (!file)
		return false;
	rc = fprintf(file, "%zu", weight);
	return !fclose(file) && rc > 0;
}

static bool set_weights(void)
{
	bool set = true;

	for (int node = 0; node < GUEST_NODES; node++)
		if (guest_has_memory(node))
			set &= set_weight(node, weight_of(node));
	return set;
}

/* What `parts` pages of each turn come to; gives how many they are in all. */
static size_t share(size_t (*parts)(int node), size_t on_node[GUEST_NODES])
{
	size_t all = 0;

	for (int node = 0; node < GUEST_NODES; node++) {
		on_node[node] = TURNS * parts(node);
		all += on_node[node];
	}
	return all;
}

static size_t one_of(int node)
{
	return guest_has_memory(node);
}

static void check_spread(enum quoit_mem_policy policy, bool by_weight)
{
	const unsigned short_by =
		policy == QUOIT_MEM_WEIGHTED && !by_weight ? QUOIT_REGION_UNWEIGHTED : 0;
	size_t on_node[GUEST_NODES];
	const size_t pages = share(by_weight ? weight_of : one_of, on_node);
	const struct quoit_region_options o = {.bytes = pages * (size_t)sysconf(_SC_PAGESIZE),
					       .policy = policy};
	const uint64_t before = quoit_region_shortfalls();
	struct quoit_reason why = {0};
	struct quoit_region r;

	if (!guest_say(!quoit_region_open(&r, &o, &why), "a region of several nodes %s", why.text))
		return;
	guest_say(r.degraded == short_by, "it falls short by %#x: %s", r.degraded, why.text);
	guest_say(quoit_region_shortfalls() == before + (short_by != 0), "that is counted");
	guest_spread(by_weight ? "by weight" : "in equal parts", &r, on_node);
	quoit_region_close(&r);
}

/* The nodes' parts of a ring's pages are equal, but for those that are left over. */
static bool is_even(const struct quoit_region *region)
{
	struct quoit_mem_residency residency;
	size_t nodes = 0, pages;

	for (int node = 0; node < GUEST_NODES; node++)
		nodes += guest_has_memory(node);
	if (quoit_region_residency(region, &residency))
		return false;
	pages = residency.pages / nodes;
	for (int node = 0; node < GUEST_NODES; node++)
		if (guest_has_memory(node) &&
		    (residency.on_node[node] < pages || residency.on_node[node] > pages + 1))
			return false;
	return true;
}

static void check_lane(void)
{
	const struct quoit_mpsc_options o = {.item_bytes = 64,
					     .capacity_slots = SLOTS,
					     .producers_most = 1,
					     .place = QUOIT_MPSC_INTERLEAVED};
	struct quoit_mpsc_producer producer;
	struct quoit_mpsc *channel;

	if (!guest_say(!quoit_mpsc_create(&o, &channel), "an mpsc channel of several nodes"))
		return;
	if (guest_say(!quoit_mpsc_register(channel, &producer), "its lane")) {
		guest_say(is_even(&quoit__mpsc_home_at(channel, producer.id)->region),
			  "a lane's pages are from all nodes alike");
		if (quoit_mpsc_deregister(&producer))
			guest_say(false, "an mpsc producer leaves");
	}
	guest_say(!quoit_mpsc_destroy(channel), "an mpsc channel of several nodes ends");
}

void guest_check_spread(void)
{
	check_spread(QUOIT_MEM_INTERLEAVE, false);
	if (machine.weighs)
		guest_say(set_weights(), "the nodes' weights can be set");
	check_spread(QUOIT_MEM_WEIGHTED, machine.weighs);
	check_lane();
}
