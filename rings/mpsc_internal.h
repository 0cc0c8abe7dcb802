/* SPDX-License-Identifier: MIT */
/* mpsc_internal.h - what the files of mpsc.h share: the seats, and where lanes live. */
#ifndef QUOIT_RINGS_MPSC_INTERNAL_H
#define QUOIT_RINGS_MPSC_INTERNAL_H

#include <pthread.h>

#include <quoit/numa/region.h>

#include <quoit/rings/mpsc_read.h>

/* A lane and what nobody needs while it is in use. The first thing in the lane's region. */
struct quoit__mpsc_home {
	struct quoit_mpsc_lane lane;
	struct quoit_event space; /* what its producer sleeps on, where options.waits */
	struct quoit_meter meter; /* of all producers that had it, where the channel counts */
	struct quoit__mpsc_home *next_free;
	struct quoit_region region;
	uint64_t received_before; /* head, when the channel was made or reset */
};

/* What the mutex guards. */
struct quoit_mpsc_seats {
	pthread_mutex_t lock;
	struct quoit__mpsc_home *free;
	struct quoit_notify *notify;
	uint32_t producers;
	bool counts;		  /* the lanes have meters; changes while nobody is registered */
	struct quoit_meter meter; /* the consumer's waits, which are no lane's */
	size_t lanes_bytes;
	int node; /* of lanes at the consumer or on a node; never changes */
	struct quoit_mpsc_options options;
	struct quoit_region region; /* holds the channel and this */
};

static inline struct quoit__mpsc_home *quoit__mpsc_home(struct quoit_mpsc_lane *lane)
{
	return quoit_container_of(lane, struct quoit__mpsc_home, lane);
}

static inline struct quoit__mpsc_home *quoit__mpsc_home_at(const struct quoit_mpsc *channel,
							   uint32_t id)
{
	return quoit__mpsc_home(quoit__mpsc_lane(channel, id));
}

/* What the consumer counts on while it waits, or NULL. */
static inline struct quoit_meter_side *quoit__mpsc_meter(const struct quoit_mpsc *channel)
{
	return channel->seats->counts ? &channel->seats->meter.consumer : NULL;
}

static inline void quoit__mpsc_lock(const struct quoit_mpsc *channel)
{
	(void)pthread_mutex_lock(&channel->seats->lock); /* fails only if we hold it already */
}

static inline void quoit__mpsc_unlock(const struct quoit_mpsc *channel)
{
	(void)pthread_mutex_unlock(&channel->seats->lock);
}

/* --- mpsc_place.c ---------------------------------------------------------------------------- */

/* Where a lane should lie. */
struct quoit__mpsc_want {
	int node;    /* below 0: it does not matter, or nobody knows */
	bool spread; /* over all nodes */
};

/* The node of all lanes, where the options want the consumer's or name one; or -errno. */
QUOIT_MUST_CHECK int quoit__mpsc_common_node(const struct quoit_mpsc_options *o);

/* What a producer wants that asks for this node, or for QUOIT_MPSC_NODE_AUTO. */
struct quoit__mpsc_want quoit__mpsc_wanted(const struct quoit_mpsc *channel, int node);

bool quoit__mpsc_lies_so(const struct quoit__mpsc_home *home, struct quoit__mpsc_want want);

#endif
