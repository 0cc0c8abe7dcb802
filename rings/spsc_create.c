/* SPDX-License-Identifier: MIT */
/* spsc_create.c - where a ring's memory comes from, and where it goes. Nothing here is hot. */
#include <errno.h>

#include <quoit/rings/spsc_create.h>
#include <quoit/rings/spsc_wait.h>

#define HOME_MAGIC 0x71756f69u

/* Lies before the ring in its mapping. */
struct home {
	uint32_t magic;
	bool has_meter;
	size_t slots_bytes;
	struct quoit_region region;
	struct quoit_waits waits;
	struct quoit_meter meter;
};

static struct home *home_of(const struct quoit_spsc *ring)
{
	struct home *const home = (struct home *)(void *)((char *)(uintptr_t)ring - sizeof(*home));

	QUOIT_ASSERT(home->magic == HOME_MAGIC);
	return home;
}

static size_t isolated(size_t bytes)
{
	return (bytes + QUOIT_ISOLATION - 1) / QUOIT_ISOLATION * QUOIT_ISOLATION;
}

static int attach(struct home *home, struct quoit_spsc *ring, const struct quoit_spsc_options *o)
{
	const int rc = quoit_spsc_init(ring, o->capacity_slots);

	if (rc)
		return rc;
	if (o->waits)
		quoit_spsc_attach_waits(ring, &home->waits);
	home->has_meter = o->metrics;
	return o->metrics ? quoit_spsc_attach_meter(ring, &home->meter) : 0;
}

int quoit_spsc_create(const struct quoit_spsc_options *o, struct quoit_spsc **ring, void **slots,
		      struct quoit_reason *why)
{
	const size_t head = isolated(quoit_max(o->head_bytes, sizeof(struct quoit_spsc)));
	size_t slots_bytes, bytes;

	if (!o->capacity_slots || o->capacity_slots > QUOIT_SPSC_CAPACITY_MAX || !o->slot_bytes ||
	    __builtin_mul_overflow(o->capacity_slots, o->slot_bytes, &slots_bytes) ||
	    __builtin_add_overflow(slots_bytes, sizeof(struct home) + head, &bytes))
		return quoit_reason_set(why, -EINVAL, "a ring of %zu slots of %zu bytes cannot be",
					o->capacity_slots, o->slot_bytes);

	const struct quoit_region_options place = {
		.bytes = bytes,
		.node = o->node,
		.policy = o->node == QUOIT_NODE_INTERLEAVE ? QUOIT_MEM_INTERLEAVE
							   : QUOIT_MEM_PREFERRED,
		.lock = o->lock,
		.require = o->require,
		.name = "quoit spsc",
	};
	struct quoit_region region;
	int rc = quoit_region_open(&region, &place, why);
	if (rc)
		return rc;

	struct home *const home =
		(struct home *)quoit_region_take(&region, sizeof(*home), QUOIT_ISOLATION);
	struct quoit_spsc *const at =
		(struct quoit_spsc *)quoit_region_take(&region, head, QUOIT_ISOLATION);
	void *const items = quoit_region_take(&region, slots_bytes, QUOIT_ISOLATION);
	rc = attach(home, at, o);
	if (rc) {
		quoit_region_close(&region);
		return quoit_reason_set(why, rc,
					rc == -EINVAL
						? "%zu slots are not a power of two up to 2^31"
						: "%zu slots without a meter: build with "
						  "CONFIG_METRICS=y",
					o->capacity_slots);
	}
	home->magic = HOME_MAGIC;
	home->slots_bytes = slots_bytes;
	home->region = region;
	*ring = at;
	*slots = items;
	return 0;
}

void quoit_spsc_destroy(struct quoit_spsc *ring)
{
	struct quoit_region region;

	if (!ring)
		return;
	QUOIT_ASSERT(!quoit_event_sleepers(&home_of(ring)->waits.data));
	QUOIT_ASSERT(!quoit_event_sleepers(&home_of(ring)->waits.space));
	region = home_of(ring)->region; /* it lies inside itself */
	quoit_region_close(&region);
}

struct quoit_spsc_footprint quoit_spsc_memory(const struct quoit_spsc *ring)
{
	const struct home *const home = home_of(ring);
	const struct quoit_spsc_footprint memory = {
		.mapped_bytes = home->region.bytes,
		.slots_bytes = home->slots_bytes,
		.node = home->region.node,
		.degraded = home->region.degraded,
	};
	return memory;
}

const struct quoit_meter *quoit_spsc_meter(const struct quoit_spsc *ring)
{
	return home_of(ring)->has_meter ? &home_of(ring)->meter : NULL;
}

void quoit_spsc_reset(struct quoit_spsc *ring)
{
	QUOIT_ASSERT(!ring->writing && !ring->reading);
	QUOIT_ASSERT(!quoit_spsc_unpublished(ring));
	QUOIT_ASSERT(!ring->data_event || !quoit_event_sleepers(ring->data_event));
	QUOIT_ASSERT(!ring->space_event || !quoit_event_sleepers(ring->space_event));
	ring->tail = ring->tail_own = ring->tail_seen = 0;
	ring->head = ring->head_own = ring->head_seen = ring->owned = 0;
	ring->leased = ring->look_again = 0;
	ring->closed = ring->finished = 0;
}
