/* SPDX-License-Identifier: MIT */
/*
 * mpsc.c - who has which lane. Everything here is seldom: producers coming and going, and the end.
 * Sending and receiving is inline in mpsc.h and mpsc_read.h, figures are in mpsc_status.c, and
 * where lanes lie is decided in mpsc_place.c.
 *
 * One mutex orders registering, deregistering and closing, so that a channel closes either before a
 * producer has registered or with its lane (defect D-19). The consumer only ever tries the mutex.
 */
#include <errno.h>

#include <quoit/numa/idset.h>

#include <quoit/rings/mpsc_internal.h>

#define VERIFY_PAGES 8 /* of a lane, to see whether it lies where it was asked for */

/*
 * Regions begin at pages, and a first-level cache tells addresses apart by their place in a page:
 * lanes that all began there would have the consumer's looks throw each other out. With 64 idle
 * lanes that made a scan almost three times as expensive.
 */
#define COLOURS	      32
#define COLOURS_BYTES (COLOURS * QUOIT_ISOLATION)

/* --- setting up and taking down -------------------------------------------------------------- */

/* The bytes of a lane's region, or 0 if there is no such number. */
static size_t lane_bytes(const struct quoit_mpsc_options *o)
{
	size_t slots, bytes;

	if (__builtin_mul_overflow(o->item_bytes, o->capacity_slots, &slots) ||
	    __builtin_add_overflow(slots, sizeof(struct quoit__mpsc_home) + COLOURS_BYTES, &bytes))
		return 0;
	return bytes;
}

/* Do rings have a place for a meter? */
static int can_count(void)
{
	struct quoit_spsc probe;

	return quoit_spsc_attach_meter(&probe, NULL);
}

static bool is_possible(const struct quoit_mpsc_options *o)
{
	struct quoit_spsc probe;

	return o->item_bytes && !quoit_spsc_init(&probe, o->capacity_slots) && lane_bytes(o) &&
	       o->producers_most && o->producers_most <= QUOIT_DIRECTORY_MOST;
}

int quoit_mpsc_create(const struct quoit_mpsc_options *options, struct quoit_mpsc **channel)
{
	const struct quoit_region_options place = {
		.bytes = sizeof(struct quoit_mpsc) + sizeof(struct quoit_event) +
			 sizeof(struct quoit_mpsc_seats),
		.node = -1, /* this thread touches it first */
		.name = "quoit mpsc",
	};
	struct quoit_region region;
	struct quoit_mpsc *made;
	int node, rc;

	if (!is_possible(options))
		return -EINVAL;
	node = quoit__mpsc_common_node(options);
	if (node < 0)
		return node;
	rc = options->metrics ? can_count() : 0;
	if (!rc)
		rc = quoit_region_open(&region, &place, NULL);
	if (rc)
		return rc;
	made = quoit_region_take(&region, sizeof(*made), QUOIT_ISOLATION);
	if (options->waits)
		made->data_event =
			quoit_region_take(&region, sizeof(*made->data_event), QUOIT_ISOLATION);
	made->seats = quoit_region_take(&region, sizeof(*made->seats), QUOIT_ISOLATION);
	rc = -pthread_mutex_init(&made->seats->lock, NULL);
	if (rc) {
		quoit_region_close(&region);
		return rc;
	}
	made->quantum = options->quantum_items ? options->quantum_items : QUOIT_MPSC_QUANTUM;
	made->quantum_left = made->quantum;
	made->item_bytes = options->item_bytes;
	made->capacity = options->capacity_slots;
	made->seats->options = *options;
	made->seats->counts = options->metrics;
	made->seats->node = node;
	made->seats->region = region;
	*channel = made;
	return 0;
}

int quoit_mpsc_destroy(struct quoit_mpsc *channel)
{
	struct quoit_region region;

	if (!channel)
		return 0;
	quoit__mpsc_lock(channel);
	if (channel->seats->producers) {
		quoit__mpsc_unlock(channel);
		return -EBUSY;
	}
	quoit__mpsc_unlock(channel);
	for (uint32_t id = 0; id < quoit_mpsc_lanes(channel); id++) {
		region = quoit__mpsc_home_at(channel, id)->region; /* it lies inside itself */
		quoit_region_close(&region);
	}
	quoit_directory_fini(&channel->lanes);
	(void)pthread_mutex_destroy(&channel->seats->lock); /* nobody holds it */
	region = channel->seats->region;
	quoit_region_close(&region);
	return 0;
}

/* With the lock. Tells whether nobody is about to ring the one before. */
static bool change_notify(struct quoit_mpsc *channel, struct quoit_notify *notify)
{
	bool quiet = true;

	channel->seats->notify = notify;
	for (uint32_t id = 0; id < quoit_mpsc_lanes(channel); id++)
		quoit__notify_change(&quoit__mpsc_lane(channel, id)->ring.notify, notify);
	for (uint32_t id = 0; id < quoit_mpsc_lanes(channel); id++) {
		struct quoit_spsc *const ring = &quoit__mpsc_lane(channel, id)->ring;

		quiet &= quoit__notify_settle(&ring->ringing, &ring->callers);
	}
	return quiet;
}

int quoit_mpsc_attach(struct quoit_mpsc *channel, struct quoit_notify *notify)
{
	int rc = -EBUSY;

	quoit__mpsc_lock(channel);
	if (!channel->seats->producers ||
	    (notify && channel->seats->notify == &quoit_notify_nobody)) {
		(void)change_notify(channel, notify);
		rc = 0;
	}
	quoit__mpsc_unlock(channel);
	return rc;
}

int quoit_mpsc_detach(struct quoit_mpsc *channel)
{
	bool quiet = true;

	if (pthread_mutex_trylock(&channel->seats->lock))
		return -EAGAIN;
	if (channel->seats->notify)
		quiet = change_notify(channel, &quoit_notify_nobody);
	quoit__mpsc_unlock(channel);
	return quiet ? 0 : -EAGAIN;
}

int quoit_mpsc_attach_meters(struct quoit_mpsc *channel, bool on)
{
	int rc = can_count();

	if (rc)
		return rc;
	quoit__mpsc_lock(channel);
	if (channel->seats->producers) {
		rc = -EBUSY;
	} else {
		quoit_store(&channel->seats->counts, on);
		for (uint32_t id = 0; !rc && id < quoit_mpsc_lanes(channel); id++) {
			struct quoit__mpsc_home *const home = quoit__mpsc_home_at(channel, id);

			rc = quoit_spsc_attach_meter(&home->lane.ring, on ? &home->meter : NULL);
		}
	}
	quoit__mpsc_unlock(channel);
	return rc;
}

/* --- producers come and go ------------------------------------------------------------------- */

/* A thread-local variable has a different address in each thread. */
uintptr_t quoit__mpsc_thread(void)
{
	static __thread char here;

	return (uintptr_t)&here;
}

/* Take a lane that lies where it is wanted off the list of free ones. */
static struct quoit__mpsc_home *take_free(struct quoit_mpsc_seats *seats,
					  struct quoit__mpsc_want want)
{
	struct quoit__mpsc_home **at = &seats->free;
	struct quoit__mpsc_home *home;

	while (*at && !quoit__mpsc_lies_so(*at, want))
		at = &(*at)->next_free;
	home = *at;
	if (home)
		*at = home->next_free;
	return home;
}

/*
 * Make a lane and show it to the consumer. Everything is ready before it is counted, and until then
 * nobody knows of it (defects D-16, D-17).
 */
static int make_lane(struct quoit_mpsc *channel, struct quoit__mpsc_want want,
		     struct quoit__mpsc_home **made)
{
	const struct quoit_mpsc_options *const o = &channel->seats->options;
	const uint32_t id = quoit_mpsc_lanes(channel);
	const size_t shift = (size_t)(id % COLOURS) * QUOIT_ISOLATION;
	const struct quoit_region_options place = {
		.bytes = lane_bytes(o),
		.node = want.node,
		.policy = want.spread ? QUOIT_MEM_INTERLEAVE : QUOIT_MEM_PREFERRED,
		.verify_pages = VERIFY_PAGES,
		.name = "quoit mpsc lane",
	};
	struct quoit_region region;
	struct quoit__mpsc_home *home;
	int rc = quoit_region_open(&region, &place, NULL);

	if (rc)
		return rc;
	if (shift)
		(void)quoit_region_take(&region, shift, QUOIT_ISOLATION);
	home = quoit_region_take(&region, sizeof(*home), QUOIT_ISOLATION);
	home->lane.slots =
		quoit_region_take(&region, o->item_bytes * o->capacity_slots, QUOIT_ISOLATION);
	home->lane.id = id;
	home->region = region;
	home->received_before = o->position;
	/* Not finished, so that the consumer leaves it alone, and free as long as nobody has it. */
	rc = quoit_spsc_init_at(&home->lane.ring, o->capacity_slots, o->position);
	QUOIT_ASSERT(rc == 0); /* create has asked whether a ring can be like this */
	quoit_spsc_attach(&home->lane.ring, channel->seats->notify);
	if (o->waits)
		quoit_spsc_attach_events(&home->lane.ring, channel->data_event, &home->space);
	if (channel->seats->counts)
		rc = quoit_spsc_attach_meter(&home->lane.ring, &home->meter);
	if (!rc)
		rc = quoit_directory_add(&channel->lanes, &home->lane);
	if (rc)
		goto close_region;
	channel->seats->lanes_bytes += region.bytes;
	*made = home;
	return 0;

close_region:
	quoit_region_close(&region);
	return rc;
}

/* With the lock. */
static void give_back(struct quoit_mpsc *channel, struct quoit_mpsc_lane *lane)
{
	struct quoit__mpsc_home *const home = quoit__mpsc_home(lane);

	home->next_free = channel->seats->free;
	channel->seats->free = home;
	quoit_store(&lane->state, QUOIT_MPSC_FREE);
}

/*
 * Take any lane that is free, or that the consumer has read to its end but could not put on the
 * list, because somebody held the lock: it may have fallen asleep since, and nobody would wake it
 * for this.
 */
static struct quoit__mpsc_home *take_any(struct quoit_mpsc *channel)
{
	for (uint32_t id = 0; id < quoit_mpsc_lanes(channel); id++) {
		struct quoit_mpsc_lane *const lane = quoit__mpsc_lane(channel, id);

		/* leave: pairs with quoit__mpsc_retire() */
		if (quoit_load_acquire(&lane->state) == QUOIT_MPSC_DRAINED)
			give_back(channel, lane);
	}
	return take_free(channel->seats, (struct quoit__mpsc_want){.node = -1});
}

/* Find a lane that nobody has. */
static int find_lane(struct quoit_mpsc *channel, struct quoit__mpsc_want want,
		     struct quoit__mpsc_home **found)
{
	struct quoit_mpsc_seats *const seats = channel->seats;
	struct quoit__mpsc_home *home = take_free(seats, want);
	int rc = -EUSERS;

	if (!home && quoit_mpsc_lanes(channel) < seats->options.producers_most)
		rc = make_lane(channel, want, &home);
	if (!home)
		home = take_any(channel);
	if (!home)
		return rc;
	*found = home;
	return 0;
}

static void seat_producer(struct quoit_mpsc *channel, struct quoit_mpsc_lane *lane,
			  struct quoit_mpsc_producer *producer)
{
	producer->channel = channel;
	producer->lane = lane;
	producer->slots = lane->slots;
	producer->id = lane->id;
	producer->generation = quoit_load(&lane->generation); /* ours: we hold the lock */
	producer->owned = lane->ring.tail_own;		      /* ours by now */

	/* A producer before may have armed and gone: nobody is to be woken for it. */
	if (lane->ring.space_event)
		(void)quoit_event_owed(lane->ring.space_event);
	/* Positions run on: the consumer may be looking at this very lane. */
	quoit_store(&lane->owner, quoit__mpsc_thread());
	quoit_store(&lane->ring.finished, 0);
	quoit_store(&lane->ring.closed, 0);
	/* seat: pairs with quoit__mpsc_retire() */
	quoit_store_release(&lane->state, QUOIT_MPSC_LIVE);
	quoit_store(&channel->seats->producers, channel->seats->producers + 1);
}

int quoit_mpsc_register_on(struct quoit_mpsc *channel, int node,
			   struct quoit_mpsc_producer *producer)
{
	struct quoit__mpsc_home *home = NULL;
	int rc;

	if (node < QUOIT_MPSC_NODE_AUTO || node >= QUOIT_NODES_MAX)
		return -EINVAL;
	const struct quoit__mpsc_want want = quoit__mpsc_wanted(channel, node);

	quoit__mpsc_lock(channel);
	rc = quoit_mpsc_is_closed(channel) ? -ESHUTDOWN : find_lane(channel, want, &home);
	if (!rc)
		seat_producer(channel, &home->lane, producer);
	quoit__mpsc_unlock(channel);
	return rc;
}

int quoit_mpsc_deregister(struct quoit_mpsc_producer *producer)
{
	struct quoit_mpsc *const channel = producer->channel;
	struct quoit_mpsc_lane *const lane = producer->lane;

	if (!channel)
		return -ESTALE;
	quoit__mpsc_lock(channel);
	if (quoit_load(&lane->generation) != producer->generation) { /* ours: the lock */
		quoit__mpsc_unlock(channel);
		return -ESTALE;
	}
	QUOIT_ASSERT_HOT(quoit_load(&lane->owner) == quoit__mpsc_thread());
	quoit_store(&lane->generation, producer->generation + 1);
	quoit_store(&lane->state, QUOIT_MPSC_CLOSING); /* before finish, which carries it */
	quoit_spsc_abandon(&lane->ring);	       /* or the next producer could commit it */
	quoit_spsc_finish(&lane->ring);
	/* Last of all. gone: pairs with quoit_mpsc_producers() */
	quoit_store_release(&channel->seats->producers, channel->seats->producers - 1);
	quoit__mpsc_unlock(channel);
	producer->channel = NULL;
	return 0;
}

void quoit_mpsc_adopt(struct quoit_mpsc_producer *producer)
{
	quoit_store(&producer->lane->owner, quoit__mpsc_thread());
}

/* --- the consumer takes lanes back ----------------------------------------------------------- */

void quoit__mpsc_retire(struct quoit_mpsc *channel, struct quoit_mpsc_lane *lane)
{
	/* Once it says LIVE, the `finished` of the producer before is gone as well. */
	/* seat: pairs with seat_producer() */
	const uint32_t state = quoit_load_acquire(&lane->state);

	if (state == QUOIT_MPSC_FREE)
		return;
	if (state != QUOIT_MPSC_DRAINED) {
		if (!quoit_spsc_is_drained(&lane->ring))
			return;
		/* leave: pairs with take_any() */
		quoit_store_release(&lane->state, QUOIT_MPSC_DRAINED);
	}
	if (pthread_mutex_trylock(&channel->seats->lock))
		return;					    /* we shall look again */
	if (quoit_load(&lane->state) == QUOIT_MPSC_DRAINED) /* else take_any() was here */
		give_back(channel, lane);
	quoit__mpsc_unlock(channel);
}

bool quoit_mpsc_is_drained(struct quoit_mpsc *channel)
{
	/* Closed before count: after closing, nobody registers. */
	if (!quoit_mpsc_is_closed(channel))
		return false;
	for (uint32_t id = 0; id < quoit_mpsc_lanes(channel); id++)
		if (!quoit_spsc_is_drained(&quoit__mpsc_lane(channel, id)->ring))
			return false;
	return true;
}

void quoit_mpsc_reset_skip(struct quoit_mpsc *channel)
{
	for (uint32_t id = 0; id < quoit_mpsc_lanes(channel); id++) {
		struct quoit_mpsc_lane *const lane = quoit__mpsc_lane(channel, id);

		lane->skip = lane->phase = 0;
	}
}

/* --- the end --------------------------------------------------------------------------------- */

void quoit_mpsc_close(struct quoit_mpsc *channel)
{
	const struct quoit_notify *notify;

	quoit__mpsc_lock(channel);
	if (quoit_mpsc_is_closed(channel)) {
		quoit__mpsc_unlock(channel);
		return;
	}
	/* First the lanes: who sees the channel closed must find each of them closed. */
	for (uint32_t id = 0; id < quoit_mpsc_lanes(channel); id++) {
		struct quoit_mpsc_lane *const lane = quoit__mpsc_lane(channel, id);

		if (quoit_load(&lane->state) == QUOIT_MPSC_LIVE) /* changes under the lock */
			quoit_spsc_close(&lane->ring);
	}
	quoit_store_release(&channel->closed, 1); /* close: pairs with quoit_mpsc_is_closed() */
	/* The channel's own: who was woken for a lane may have looked too early for this. */
	if (channel->data_event)
		quoit_event_signal(channel->data_event);
	notify = channel->seats->notify; /* changes under the lock */
	if (notify) {
		quoit_wake_fence();
		if (quoit_wake_owed(notify->wake))
			(void)quoit_notify_ring(notify); /* fails only on a closed fd */
	}
	quoit__mpsc_unlock(channel);
}

int quoit_mpsc_reset(struct quoit_mpsc *channel)
{
	quoit__mpsc_lock(channel);
	if (channel->seats->producers) {
		quoit__mpsc_unlock(channel);
		return -EBUSY;
	}
	for (uint32_t id = 0; id < quoit_mpsc_lanes(channel); id++) {
		struct quoit__mpsc_home *const home = quoit__mpsc_home_at(channel, id);
		struct quoit_spsc *const ring = &home->lane.ring;

		quoit_spsc_advance(ring, (size_t)quoit__spsc_arrived(ring));
		quoit_store(&ring->bells_rung, 0);
		quoit_store(&ring->bells_saved, 0);
		home->received_before = ring->head_own;
		quoit_meter_reset(&home->meter);
		if (quoit_load(&home->lane.state) != QUOIT_MPSC_FREE) /* ours */
			give_back(channel, &home->lane);
	}
	channel->cursor = 0;
	channel->quantum_left = channel->quantum;
	channel->busy = false;
	channel->looks = channel->skips = 0;
	quoit_mpsc_reset_skip(channel);
	quoit_meter_reset(&channel->seats->meter);
	quoit_store(&channel->closed, 0);
	quoit__mpsc_unlock(channel);
	return 0;
}
