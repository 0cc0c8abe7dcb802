/* SPDX-License-Identifier: MIT */
/*
 * mpmc.c - who is registered with an MPMC ring. Coming and going happens under a lock, which
 * neither sending nor consuming takes. How a consumer finds work is in mpmc_search.c.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include <quoit/numa/region.h>
#include <quoit/numa/thread.h>
#include <quoit/rings/mpmc.h>

struct quoit__mpmc_registry {
	pthread_mutex_t lock;
	struct quoit_mpmc_options options;
	struct quoit_notify *notify;
	struct quoit_region *regions; /* of the lanes */
	bool *producing;	      /* has the lane a producer? */
	bool *consuming;	      /* is the seat taken? */
};

static void free_all(struct quoit_mpmc *ring, struct quoit__mpmc_registry *registry)
{
	if (ring) {
		free(ring->lanes);
		free(ring->ranks);
	}
	free(ring);
	if (registry) {
		free(registry->regions);
		free(registry->producing);
		free(registry->consuming);
	}
	free(registry);
}

static bool is_possible(const struct quoit_mpmc_options *o)
{
	return o->slot_bytes && o->slot_bytes <= INT32_MAX && o->producers_most &&
	       o->producers_most <= INT32_MAX && o->consumers_most &&
	       o->consumers_most <= INT32_MAX && o->node >= QUOIT_MPMC_INTERLEAVE &&
	       quoit_lane_block_count(o->capacity_slots, o->block_slots) > 0;
}

int quoit_mpmc_create(const struct quoit_mpmc_options *options, struct quoit_mpmc **out)
{
	struct quoit__mpmc_registry *registry;
	struct quoit_mpmc *ring;

	if (!is_possible(options))
		return -EINVAL;
	ring = aligned_alloc(QUOIT_ISOLATION, sizeof(*ring));
	registry = calloc(1, sizeof(*registry));
	if (ring)
		*ring = (struct quoit_mpmc){
			.lanes = calloc(options->producers_most, sizeof(struct quoit_mpmc_lane *)),
			.ranks = calloc(options->consumers_most, sizeof(uint64_t)),
			.seating = 1,
			.shard_lanes = options->shard_lanes,
			.slot_bytes = options->slot_bytes,
			.near_first = options->near_first,
			.registry = registry,
		};
	if (registry)
		*registry = (struct quoit__mpmc_registry){
			.options = *options,
			.regions = calloc(options->producers_most, sizeof(struct quoit_region)),
			.producing = calloc(options->producers_most, sizeof(bool)),
			.consuming = calloc(options->consumers_most, sizeof(bool)),
		};
	if (!ring || !registry || !ring->lanes || !ring->ranks || !registry->regions ||
	    !registry->producing || !registry->consuming ||
	    pthread_mutex_init(&registry->lock, NULL)) {
		free_all(ring, registry);
		return -ENOMEM;
	}
	*out = ring;
	return 0;
}

void quoit_mpmc_destroy(struct quoit_mpmc *ring)
{
	struct quoit__mpmc_registry *registry;

	if (!ring)
		return;
	registry = ring->registry;
	QUOIT_ASSERT(quoit_load(&ring->consumers) == 0);
	for (size_t i = 0; i < ring->lane_count; i++) {
		QUOIT_ASSERT(!registry->producing[i]);
		quoit_region_close(&registry->regions[i]);
	}
	(void)pthread_mutex_destroy(&registry->lock); /* nobody is left to hold it */
	free_all(ring, registry);
}

void quoit_mpmc_attach(struct quoit_mpmc *ring, struct quoit_notify *notify)
{
	struct quoit__mpmc_registry *const registry = ring->registry;

	pthread_mutex_lock(&registry->lock);
	registry->notify = notify;
	for (size_t i = 0; i < ring->lane_count; i++)
		quoit_lane_attach(&ring->lanes[i]->lane, notify);
	pthread_mutex_unlock(&registry->lock);
}

/* The lane's producer and the ring's consumers may sleep, if the ring has waits. */
static void attach_waits(struct quoit_mpmc *ring, struct quoit_mpmc_lane *lane)
{
	lane->waits.crowd = ring->crowd;
	quoit_lane_attach_waits(&lane->lane, ring->crowd ? &lane->waits : NULL);
}

int quoit_mpmc_attach_waits(struct quoit_mpmc *ring, struct quoit_crowd *crowd)
{
	struct quoit__mpmc_registry *const registry = ring->registry;

	if (crowd && quoit_crowd_init(crowd, registry->options.consumers_most))
		return -EINVAL;
	pthread_mutex_lock(&registry->lock);
	ring->crowd = crowd;
	for (size_t i = 0; i < ring->lane_count; i++)
		attach_waits(ring, ring->lanes[i]);
	pthread_mutex_unlock(&registry->lock);
	return 0;
}

/* --- consumers that sleep by themselves ------------------------------------------------------ */

int quoit_mpmc_attach_group(struct quoit_mpmc *ring, struct quoit_group *group)
{
	struct quoit__mpmc_registry *const registry = ring->registry;
	const int rc = quoit_group_init(group, registry->options.consumers_most);

	if (rc)
		return rc;
	pthread_mutex_lock(&registry->lock);
	ring->group = group;
	for (size_t i = 0; i < ring->lane_count; i++)
		quoit_lane_attach_group(&ring->lanes[i]->lane, group);
	pthread_mutex_unlock(&registry->lock);
	return 0;
}

/*
 * With the lock: whoever opens a lane afterwards knows the group as it is now. With all producers,
 * and with who passes on or closes.
 */
static bool settle_lanes(struct quoit_mpmc *ring)
{
	bool quiet = quoit__notify_settle(&ring->group->callers, &ring->group->callers);

	for (size_t i = 0; i < ring->lane_count; i++)
		quiet &= quoit__notify_settle(&ring->lanes[i]->lane.ringing, &ring->group->callers);
	return quiet;
}

int quoit_mpmc_join(struct quoit_mpmc *ring, struct quoit_notify *notify)
{
	/* Who looked too early has published before: the look behind quoit_wake_arm() sees it. */
	return quoit_group_join(ring->group, notify);
}

int quoit_mpmc_leave(struct quoit_mpmc *ring, int place)
{
	bool quiet;

	quoit__group_put(ring->group, place, &quoit_notify_nobody);
	if (pthread_mutex_trylock(&ring->registry->lock))
		return -EAGAIN;
	quiet = settle_lanes(ring);
	pthread_mutex_unlock(&ring->registry->lock);
	if (!quiet)
		return -EAGAIN;
	quoit__group_put(ring->group, place, NULL);
	(void)quoit_mpmc_pass_on(ring); /* we may have been called at the last moment */
	return 0;
}

bool quoit_mpmc_pass_on(struct quoit_mpmc *ring)
{
	return quoit_mpmc_has_news(ring) && quoit_group_tell(ring->group);
}

/* Deal the shards anew: everybody looks at the ranks after having seen this. */
static void deal(struct quoit_mpmc *ring)
{
	/* shards: pairs with quoit__mpmc_search() */
	quoit_store_release(&ring->seating, ring->seating + 1);
}

/* --- producers ------------------------------------------------------------------------------- */

/* The node that a lane for the calling thread should live on; below 0 if there is no such one. */
static int node_wanted(const struct quoit__mpmc_registry *registry)
{
	if (registry->options.node == QUOIT_MPMC_NEAR)
		return quoit_thread_memory_node(); /* an error is below 0 too */
	return registry->options.node < 0 ? -1 : registry->options.node;
}

/* A lane at the end of the directory, not yet counted. */
static int open_lane(struct quoit_mpmc *ring, int node)
{
	struct quoit__mpmc_registry *const registry = ring->registry;
	const struct quoit_mpmc_options *const o = &registry->options;
	const int64_t blocks = quoit_lane_block_count(o->capacity_slots, o->block_slots);
	const size_t block_bytes = (size_t)blocks * sizeof(struct quoit_lane_block);
	const size_t slot_bytes = o->capacity_slots * o->slot_bytes;
	const size_t index = (size_t)ring->lane_count;
	const struct quoit_region_options region_options = {
		.bytes =
			sizeof(struct quoit_mpmc_lane) + block_bytes + slot_bytes + QUOIT_ISOLATION,
		.node = node,
		.policy = o->node == QUOIT_MPMC_INTERLEAVE ? QUOIT_MEM_INTERLEAVE
							   : QUOIT_MEM_PREFERRED,
		.verify_pages = 16,
		.name = "quoit mpmc lane",
	};
	struct quoit_region region;
	struct quoit_mpmc_lane *lane;
	int rc = quoit_region_open(&region, &region_options, NULL);

	if (rc)
		return rc;
	lane = quoit_region_take(&region, sizeof(*lane), QUOIT_ISOLATION);
	rc = quoit_lane_init_at(&lane->lane,
				quoit_region_take(&region, block_bytes, QUOIT_ISOLATION),
				o->capacity_slots, o->block_slots, 0);
	QUOIT_ASSERT(rc == 0); /* create has asked whether a lane can be like this */
	quoit_lane_set_slots(&lane->lane, quoit_region_take(&region, slot_bytes, QUOIT_ISOLATION),
			     o->slot_bytes);
	lane->lane.notify = registry->notify;
	lane->lane.group = ring->group;
	attach_waits(ring, lane);
	lane->node = node;
	lane->degraded = region.degraded;
	registry->regions[index] = region;
	ring->lanes[index] = lane;
	return rc;
}

/* A lane that was left, on `node` unless it is below 0; lane_count if there is none. */
static size_t left_lane(const struct quoit_mpmc *ring, int node)
{
	size_t i = 0;

	while (i < ring->lane_count &&
	       (ring->registry->producing[i] || (node >= 0 && ring->lanes[i]->node != node)))
		i++;
	return i;
}

/* The index of a lane for the calling thread, which is then counted. */
static int64_t choose_lane(struct quoit_mpmc *ring)
{
	const int node = node_wanted(ring->registry);
	size_t i = left_lane(ring, node);
	int rc;

	if (i < ring->lane_count)
		return (int64_t)i;
	if (ring->lane_count < ring->registry->options.producers_most) {
		rc = open_lane(ring, node);
		if (rc)
			return rc;
		/* lanes: pairs with quoit__mpmc_lanes(); the lane before the count (D-26) */
		quoit_store_release(&ring->lane_count, ring->lane_count + 1);
		return (int64_t)i;
	}
	i = left_lane(ring, -1); /* far away is better than not at all */
	return i < ring->lane_count ? (int64_t)i : -EUSERS;
}

int quoit_mpmc_register_producer(struct quoit_mpmc *ring, struct quoit_mpmc_producer *producer)
{
	struct quoit__mpmc_registry *const registry = ring->registry;
	int64_t seat = -ESHUTDOWN;

	pthread_mutex_lock(&registry->lock);
	if (!quoit_load(&ring->closed)) /* under the lock */
		seat = choose_lane(ring);
	if (seat >= 0) {
		*producer = (struct quoit_mpmc_producer){
			.ring = ring,
			.lane = ring->lanes[seat],
			.seat = (size_t)seat,
		};
		registry->producing[seat] = true;
		quoit_store(&producer->lane->lane.finished, 0); /* seen with what deal() says */
		deal(ring);
	}
	pthread_mutex_unlock(&registry->lock);
	return seat < 0 ? (int)seat : 0;
}

void quoit_mpmc_deregister_producer(struct quoit_mpmc_producer *producer)
{
	struct quoit_mpmc *const ring = producer->ring;

	producer->lane->lane.leased = 0;
	quoit_lane_finish(&producer->lane->lane);
#ifdef QUOIT_CONFIG_METRICS
	producer->lane->lane.meter = NULL; /* the next one brings its own */
#endif
	pthread_mutex_lock(&ring->registry->lock);
	ring->registry->producing[producer->seat] = false;
	deal(ring);
	pthread_mutex_unlock(&ring->registry->lock);
	*producer = (struct quoit_mpmc_producer){0};
}

/* --- consumers ------------------------------------------------------------------------------- */

/* Number the consumers through, in the order of their seats. */
static void rank_consumers(struct quoit_mpmc *ring)
{
	uint64_t rank = 0;

	for (size_t i = 0; i < ring->registry->options.consumers_most; i++)
		if (ring->registry->consuming[i])
			quoit_store(&ring->ranks[i], rank++); /* seen with what deal() says */
	quoit_store(&ring->consumers, rank);
	deal(ring);
}

int quoit_mpmc_register_consumer(struct quoit_mpmc *ring, struct quoit_mpmc_consumer *consumer)
{
	struct quoit__mpmc_registry *const registry = ring->registry;
	size_t seat = 0;
	int rc = 0;

	pthread_mutex_lock(&registry->lock);
	while (seat < registry->options.consumers_most && registry->consuming[seat])
		seat++;
	if (quoit_mpmc_is_drained(ring))
		rc = -ESHUTDOWN;
	else if (seat == registry->options.consumers_most)
		rc = -EUSERS;
	if (!rc) {
		registry->consuming[seat] = true;
		rank_consumers(ring);
	}
	pthread_mutex_unlock(&registry->lock);
	if (rc)
		return rc;
	*consumer = (struct quoit_mpmc_consumer){
		.ring = ring,
		.seat = seat,
		.node = quoit_thread_memory_node(), /* as its lanes, if it is a producer too */
		.random = (seat + 1) * UINT64_C(0x9e3779b97f4a7c15),
	};
	return 0;
}

int quoit_mpmc_attach_meter(struct quoit_mpmc_consumer *consumer, struct quoit_meter *meter)
{
#ifdef QUOIT_CONFIG_METRICS
	consumer->meter = meter ? &meter->consumer : NULL;
	return 0;
#else
	(void)consumer;
	(void)meter;
	return -EOPNOTSUPP;
#endif
}

void quoit_mpmc_deregister_consumer(struct quoit_mpmc_consumer *consumer)
{
	struct quoit_mpmc *const ring = consumer->ring;

	QUOIT_ASSERT(consumer->held == 0);
	pthread_mutex_lock(&ring->registry->lock);
	ring->registry->consuming[consumer->seat] = false;
	rank_consumers(ring);
	pthread_mutex_unlock(&ring->registry->lock);
	consumer->ring = NULL;
}

/* --- all lanes together ---------------------------------------------------------------------- */

size_t quoit_mpmc_length(const struct quoit_mpmc *ring)
{
	const size_t count = quoit__mpmc_lanes(ring);
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		n += quoit_lane_length(&ring->lanes[i]->lane);
	return n;
}

size_t quoit_mpmc_pending(const struct quoit_mpmc *ring)
{
	const size_t count = quoit__mpmc_lanes(ring);
	size_t n = 0;

	for (size_t i = 0; i < count; i++)
		n += quoit_lane_pending(&ring->lanes[i]->lane);
	return n;
}

bool quoit_mpmc_has_news(const struct quoit_mpmc *ring)
{
	const size_t count = quoit__mpmc_lanes(ring);

	for (size_t i = 0; i < count; i++)
		if (quoit_lane_has_news(&ring->lanes[i]->lane))
			return true;
	return false;
}

void quoit_mpmc_close(struct quoit_mpmc *ring)
{
	struct quoit__mpmc_registry *const registry = ring->registry;
	struct quoit_notify *notify;

	pthread_mutex_lock(&registry->lock);
	/* First the lanes: who sees the ring closed must find each of them closed. */
	for (size_t i = 0; i < ring->lane_count; i++)
		quoit_lane_close(&ring->lanes[i]->lane);
	/* close: pairs with quoit_mpmc_is_closed() and quoit_mpmc_is_drained() */
	quoit_store_release(&ring->closed, 1);
	/* The ring's own: who was woken for a lane may have looked too early for this. */
	if (ring->crowd)
		quoit_crowd_signal_all(ring->crowd);
	notify = registry->notify;
	if (notify) {
		quoit_wake_fence();
		if (quoit_wake_owed(notify->wake))
			(void)quoit_notify_ring(notify); /* fails only on a closed fd */
	}
	if (ring->group)
		quoit_group_tell_all(ring->group);
	pthread_mutex_unlock(&registry->lock);
}

bool quoit_mpmc_is_drained(const struct quoit_mpmc *ring)
{
	size_t count;

	/* close: pairs with quoit_mpmc_close(); no lane is opened or taken over after it */
	if (!quoit_load_acquire(&ring->closed))
		return false;
	count = quoit__mpmc_lanes(ring);
	for (size_t i = 0; i < count; i++)
		if (!quoit_lane_is_drained(&ring->lanes[i]->lane))
			return false;
	return true;
}
