/* SPDX-License-Identifier: MIT */
/* mpsc_status.c - figures of an MPSC channel. Any thread may ask; nobody waits for the answer. */
#include <errno.h>

#include <quoit/rings/mpsc_internal.h>

uint32_t quoit_mpsc_producers(const struct quoit_mpsc *channel)
{
	/* gone: pairs with quoit_mpsc_deregister() */
	return quoit_load_acquire(&channel->seats->producers);
}

const struct quoit_spsc *quoit_mpsc_lane_ring(const struct quoit_mpsc *channel, uint32_t id)
{
	return id < quoit_mpsc_lanes(channel) ? &quoit__mpsc_lane(channel, id)->ring : NULL;
}

enum quoit_mpsc_state quoit_mpsc_lane_state(const struct quoit_mpsc *channel, uint32_t id)
{
	if (id >= quoit_mpsc_lanes(channel))
		return QUOIT_MPSC_FREE;
	return (enum quoit_mpsc_state)quoit_load(&quoit__mpsc_lane(channel, id)->state); /* hint */
}

size_t quoit_mpsc_length(const struct quoit_mpsc *channel)
{
	size_t length = 0;

	for (uint32_t id = 0; id < quoit_mpsc_lanes(channel); id++)
		length += quoit_spsc_length(&quoit__mpsc_lane(channel, id)->ring);
	return length;
}

bool quoit_mpsc_is_empty(const struct quoit_mpsc *channel)
{
	for (uint32_t id = 0; id < quoit_mpsc_lanes(channel); id++)
		if (quoit_spsc_length(&quoit__mpsc_lane(channel, id)->ring))
			return false;
	return true;
}

int64_t quoit_mpsc_hottest(const struct quoit_mpsc *channel)
{
	int64_t hottest = -ENODATA;
	size_t most = 0;

	for (uint32_t id = 0; id < quoit_mpsc_lanes(channel); id++) {
		const size_t length = quoit_spsc_length(&quoit__mpsc_lane(channel, id)->ring);

		if (length > most) {
			most = length;
			hottest = id;
		}
	}
	return hottest;
}

size_t quoit_mpsc_capacity_most(const struct quoit_mpsc *channel)
{
	return channel->capacity * channel->seats->options.producers_most;
}

/* With the lock. */
static size_t memory_bytes(const struct quoit_mpsc *channel)
{
	return channel->seats->region.bytes + channel->seats->lanes_bytes +
	       quoit_directory_bytes(&channel->lanes);
}

size_t quoit_mpsc_memory_bytes(const struct quoit_mpsc *channel)
{
	size_t bytes;

	quoit__mpsc_lock(channel);
	bytes = memory_bytes(channel);
	quoit__mpsc_unlock(channel);
	return bytes;
}

const struct quoit_meter *quoit_mpsc_lane_meter(const struct quoit_mpsc *channel, uint32_t id)
{
	if (id >= quoit_mpsc_lanes(channel) || !quoit_load(&channel->seats->counts)) /* hint */
		return NULL;
	return &quoit__mpsc_home_at(channel, id)->meter;
}

int quoit_mpsc_metrics(const struct quoit_mpsc *channel, struct quoit_metrics *sum)
{
	struct quoit_metrics all, one;

	if (!quoit_load(&channel->seats->counts)) /* hint */
		return -ENODATA;
	quoit_meter_read(&channel->seats->meter, &all);
	for (uint32_t id = 0; id < quoit_mpsc_lanes(channel); id++) {
		quoit_meter_read(&quoit__mpsc_home_at(channel, id)->meter, &one);
		quoit_metrics_merge(&all, &one);
	}
	*sum = all;
	return 0;
}

void quoit_mpsc_snapshot(const struct quoit_mpsc *channel, struct quoit_mpsc_stats *stats)
{
	struct quoit_mpsc_stats s = {0};

	quoit__mpsc_lock(channel);
	s.producers = channel->seats->producers;
	s.lanes = quoit_mpsc_lanes(channel);
	s.closed = quoit_mpsc_is_closed(channel);
	s.looks = quoit_load(&channel->looks); /* hint, like all that follows */
	s.skips = quoit_load(&channel->skips);
	s.memory_bytes = memory_bytes(channel);
	for (uint32_t id = 0; id < s.lanes; id++) {
		const struct quoit__mpsc_home *const home = quoit__mpsc_home_at(channel, id);
		const struct quoit_spsc *const ring = &home->lane.ring;

		s.lanes_free += quoit_load(&home->lane.state) == QUOIT_MPSC_FREE;
		s.lanes_short += home->region.degraded != 0;
		s.items_received += quoit_load(&ring->head) - home->received_before;
		s.items_pending += quoit_spsc_length(ring);
		s.bells_rung += quoit_load(&ring->bells_rung);
		s.bells_saved += quoit_load(&ring->bells_saved);
	}
	s.items_sent = s.items_received + s.items_pending;
	quoit__mpsc_unlock(channel);
	*stats = s;
}
