/* SPDX-License-Identifier: MIT */
/*
 * memory.c - regions, rings, pools and an io_uring's queues: on the node that was asked for, which
 * is not the one of the thread that asks; and what the kernel refuses is told.
 */
#include <vm/guest.h>

#include <stdio.h>
#include <string.h>

#include <quoit/io/uring_internal.h>
#include <quoit/numa/thread.h>
#include <quoit/numa/topology.h>
#include <quoit/rings/buffer_pool.h>
#include <quoit/rings/mpmc.h>
#include <quoit/rings/mpsc_internal.h>
#include <quoit/rings/spsc_create.h>

#define REGION_BYTES ((size_t)1 << 20)
#define SLOTS	     4096
#define ENTRIES	     1024

static struct quoit_idset everywhere;

/* Be on a cpu of `node`, which must have one. */
static void go_to(int node)
{
	const int cpu = guest_cpu_of(node);
	const int rc = quoit_thread_pin((unsigned)cpu);

	if (rc < 0)
		guest_say(false, "cpu %d of node %d can be gone to: %s", cpu, node, strerror(-rc));
}

/* Be where the memory of `node` is not, if there is such a place. */
static void go_away_from(int node)
{
	int to = -1;

	for (int other = 0; other < GUEST_NODES; other++)
		if (guest_cpu_of(other) >= 0 && (to < 0 || guest_nearest(to) == node))
			to = other;
	go_to(to);
}

/* --- regions --------------------------------------------------------------------------------- */

static void check_region(int node)
{
	const struct quoit_region_options plain = {.bytes = REGION_BYTES, .node = node};
	const struct quoit_region_options later = {
		.bytes = REGION_BYTES, .node = node, .reserve = true, .dontfork = true};
	struct quoit_reason why = {0};
	struct quoit_region r;

	go_away_from(node);
	if (guest_say(!quoit_region_open(&r, &plain, &why), "a region %s", why.text)) {
		guest_say(!r.degraded, "a region falls not short: %#x %s", r.degraded, why.text);
		guest_region_resident("a region", &r, node);
		quoit_region_close(&r);
	}
	if (guest_say(!quoit_region_open(&r, &later, &why), "a reserve %s", why.text)) {
		memset(r.base, 1, r.bytes / 2);
		guest_resident("the touched half of a reserve", r.base, r.bytes / 2, node, false);
		guest_say(quoit_region_verify(&r, 0) == 0 && !r.degraded, "a reserve is verified");
		quoit_region_close(&r);
	}
}

/* The kernel itself refuses to bind to a node without memory, or outside of the cpuset. */
static void check_refused_region(int node)
{
	struct quoit_region_options o = {.bytes = REGION_BYTES, .node = node};
	struct quoit_reason why = {0};
	struct quoit_region r;

	if (guest_say(!quoit_region_open(&r, &o, &why), "a region on node %d all the same", node)) {
		guest_say(r.degraded & QUOIT_REGION_UNBOUND && r.degraded_error < 0,
			  "a policy refused for node %d is degraded, %#x: %s", node, r.degraded,
			  why.text);
		guest_say(r.degraded & QUOIT_REGION_ELSEWHERE &&
				  r.pages_elsewhere == r.pages_checked,
			  "and its pages are known to be elsewhere");
		quoit_region_close(&r);
	}
	o.require = true;
	guest_say(quoit_region_open(&r, &o, &why) < 0, "it can be required, and is refused: %s",
		  why.text);
}

void guest_check_regions(void)
{
	if (quoit_thread_affinity(&everywhere))
		guest_say(false, "the affinity is told");
	for (int node = 0; node < GUEST_NODES; node++) {
		if (!machine.nodes[node].present)
			continue;
		if (guest_has_memory(node))
			check_region(node);
		else
			check_refused_region(node);
	}
	guest_say(!quoit_thread_allow(&everywhere), "the affinity comes back");
}

/* --- rings and pools ------------------------------------------------------------------------- */

static void check_spsc(int asked, int node)
{
	const struct quoit_spsc_options o = {
		.capacity_slots = SLOTS, .node = asked, .slot_bytes = 64, .waits = true};
	struct quoit_spsc *ring;
	void *slots;

	if (!guest_say(!quoit_spsc_create(&o, &ring, &slots, NULL), "an spsc ring"))
		return;
	guest_say(!quoit_spsc_memory(ring).degraded, "an spsc ring falls not short: %#x",
		  quoit_spsc_memory(ring).degraded);
	guest_resident("an spsc ring's head", ring, sizeof(*ring), node, false);
	guest_resident("an spsc ring's slots", slots, SLOTS * 64, node, false);
	quoit_spsc_destroy(ring);
}

/* A lane for each node, by producers that are there. */
static void check_mpsc(int node, const struct quoit_topology *t)
{
	const struct quoit_mpsc_options o = {.item_bytes = 64,
					     .capacity_slots = SLOTS,
					     .producers_most = GUEST_NODES,
					     .topology = t};
	struct quoit_mpsc_producer producers[GUEST_NODES];
	struct quoit_mpsc_stats stats;
	struct quoit_mpsc *channel;
	uint32_t lanes = 0;

	go_to(node);
	if (!guest_say(!quoit_mpsc_create(&o, &channel), "an mpsc channel"))
		return;
	guest_region_resident("an mpsc channel", &channel->seats->region, guest_nearest(node));
	for (int at = 0; at < GUEST_NODES; at++) {
		if (guest_cpu_of(at) < 0)
			continue;
		go_to(at);
		if (guest_say(!quoit_mpsc_register(channel, &producers[lanes]), "an mpsc lane"))
			guest_region_resident(
				"an mpsc lane",
				&quoit__mpsc_home_at(channel, producers[lanes++].id)->region,
				guest_nearest(at));
	}
	quoit_mpsc_snapshot(channel, &stats);
	guest_say(stats.lanes == lanes && !stats.lanes_short, "%u mpsc lanes, %u fall short",
		  stats.lanes, stats.lanes_short);
	while (lanes)
		if (quoit_mpsc_deregister(&producers[--lanes]))
			guest_say(false, "an mpsc producer leaves");
	guest_say(!quoit_mpsc_destroy(channel), "an mpsc channel ends");
}

/* A channel from a node for producers everywhere, with its lanes in each place. */
static void check_place(enum quoit_mpsc_place place, int from, int node)
{
	const struct quoit_mpsc_options o = {.item_bytes = 64,
					     .capacity_slots = SLOTS,
					     .producers_most = 1,
					     .place = place,
					     .node = node};
	struct quoit_mpsc_producer producer;
	struct quoit_mpsc *channel;

	go_to(from);
	if (!guest_say(!quoit_mpsc_create(&o, &channel), "an mpsc channel, lanes in place %d",
		       (int)place))
		return;
	go_away_from(node);
	if (guest_say(!quoit_mpsc_register(channel, &producer), "a lane in place %d", (int)place)) {
		const struct quoit_region *const region =
			&quoit__mpsc_home_at(channel, producer.id)->region;

		guest_say(!region->degraded, "a lane in place %d falls not short", (int)place);
		guest_region_resident("an mpsc lane in its place", region, node);
		if (quoit_mpsc_deregister(&producer))
			guest_say(false, "an mpsc producer leaves");
	}
	guest_say(!quoit_mpsc_destroy(channel), "an mpsc channel ends");
}

static void check_places(int from)
{
	check_place(QUOIT_MPSC_AT_CONSUMER, from, guest_nearest(from));
	for (int node = 0; node < GUEST_NODES; node++)
		if (guest_has_memory(node))
			check_place(QUOIT_MPSC_AT_NODE, from, node);
}

static void check_mpmc(int asked, int node)
{
	const struct quoit_mpmc_options o = {.slot_bytes = 64,
					     .capacity_slots = SLOTS,
					     .producers_most = 1,
					     .consumers_most = 1,
					     .node = asked};
	struct quoit_mpmc_producer producer;
	struct quoit_mpmc *ring;

	if (!guest_say(!quoit_mpmc_create(&o, &ring), "an mpmc ring"))
		return;
	if (guest_say(!quoit_mpmc_register_producer(ring, &producer), "an mpmc lane")) {
		guest_say(!producer.lane->degraded && producer.lane->node == node,
			  "an mpmc lane falls not short on node %d: %#x", producer.lane->node,
			  producer.lane->degraded);
		guest_resident("an mpmc lane's head", producer.lane, sizeof(*producer.lane), node,
			       false);
		guest_resident("an mpmc lane's slots", producer.lane->lane.slots, SLOTS * 64, node,
			       false);
		quoit_mpmc_deregister_producer(&producer);
	}
	quoit_mpmc_destroy(ring);
}

static void check_pool(int asked, int node)
{
	const struct quoit_buffer_pool_options o = {
		.slab_bytes = 4096, .count = 256, .node = asked};
	struct quoit_buffer_pool *pool;

	if (!guest_say(!quoit_buffer_pool_create(&o, &pool, NULL), "a buffer pool"))
		return;
	guest_say(!quoit_buffer_pool_region(pool)->degraded, "a buffer pool falls not short");
	guest_region_resident("a buffer pool", quoit_buffer_pool_region(pool), node);
	quoit_buffer_pool_destroy(pool);
}

void guest_check_rings(void)
{
	struct quoit_topology t;

	if (!guest_say(!quoit_topology_load(&t, NULL, NULL), "the topology for rings"))
		return;
	for (int node = 0; node < GUEST_NODES; node++) {
		if (guest_has_memory(node)) {
			go_away_from(node);
			check_spsc(node, node);
			check_mpmc(node, node);
			check_pool(node, node);
		}
		if (guest_cpu_of(node) < 0)
			continue;
		check_mpsc(node, &t);
		check_places(node);
		go_to(node);
		check_spsc(QUOIT_NODE_AUTO, guest_nearest(node));
		check_mpmc(QUOIT_MPMC_NEAR, guest_nearest(node));
		check_pool(-1, guest_nearest(node));
	}
	quoit_topology_fini(&t);
	guest_say(!quoit_thread_allow(&everywhere), "the affinity comes back");
}

/* --- the queues of an io_uring --------------------------------------------------------------- */

static void check_queues(int from, int node)
{
	struct quoit_reason why = {0};
	struct quoit_uring uring;
	const struct io_uring_sq *sq;
	int there = node;

	go_to(from);
	if (!guest_say(!quoit_uring_open(&uring, ENTRIES, node, &why), "an io_uring %s", why.text))
		return;
	sq = &uring.ring->sq;
	if (!uring.queues.base)
		there = guest_nearest(from); /* the kernel's own, near the thread that opened it */
	guest_say(!!uring.queues.base == machine.lends, "an io_uring's queues are %s",
		  uring.queues.base ? "ours" : "the kernel's");
	guest_say(uring.degraded == (there == node ? 0 : QUOIT_REGION_ELSEWHERE),
		  "an io_uring for node %d, opened on node %d, falls short by %#x", node, from,
		  uring.degraded);
	guest_resident("an io_uring's SQ and CQ", sq->ring_ptr, sq->ring_sz, there, false);
	guest_resident("an io_uring's entries", sq->sqes,
		       sq->ring_entries * sizeof(struct io_uring_sqe), there, false);
	quoit_uring_close(&uring);
}

void guest_check_queues(void)
{
	for (int from = 0; from < GUEST_NODES; from++)
		for (int node = 0; node < GUEST_NODES; node++)
			if (guest_cpu_of(from) >= 0 && guest_has_memory(node))
				check_queues(from, node);
	guest_say(!quoit_thread_allow(&everywhere), "the affinity comes back");
}
