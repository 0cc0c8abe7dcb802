/* SPDX-License-Identifier: MIT */
/*
 * mpsc.h - any number of producers and one consumer: a ring of its own for each producer.
 *
 * Producers share nothing, so none ever waits for another; the price is a ring's memory for each,
 * and that only what one producer sent is in order. A lane (spsc.h) is made when its producer
 * registers, on that thread's node, and stays until the channel is destroyed: a producer that
 * deregisters leaves it to the consumer, and once that has read it to its end another producer may
 * have it. The consumer walks the lanes in turn, so it needs no lock either.
 *
 *     FREE -> LIVE       quoit_mpsc_register(), from the list of free lanes or newly made
 *     LIVE -> CLOSING    quoit_mpsc_deregister(): nothing follows, what is there will be read
 *     CLOSING -> DRAINED the consumer found it finished and empty
 *     DRAINED -> FREE    the consumer put it on the list: at once, or when it looks again if
 *                        somebody is registering right now, because it never waits for a lock;
 *                        or a producer takes it that would find no other
 *
 * edge   released by                        acquired by                      carries
 * enter  quoit_directory_add                quoit_directory_count            a new lane
 * seat   seat_producer: state               quoit__mpsc_retire: state        a lane used again
 * leave  quoit__mpsc_retire: state          take_any: state              a lane read to its end
 * close  quoit_mpsc_close: closed           quoit_mpsc_is_closed: closed     all lanes are closed
 * gone   quoit_mpsc_deregister: producers   quoit_mpsc_producers: producers  "it touches nothing"
 *
 * and in each lane those of spsc.h. How the consumer reads is in mpsc_read.h, how both sides wait
 * in mpsc_wait.h, the channel of a type in typed_mpsc.h.
 */
#ifndef QUOIT_RINGS_MPSC_H
#define QUOIT_RINGS_MPSC_H

#include <string.h>

#include <quoit/rings/directory.h>
#include <quoit/rings/spsc.h>

QUOIT_C_BEGIN

struct quoit_mpsc_seats;
struct quoit_topology;

#define QUOIT_MPSC_NODE_AUTO (-1) /* as the channel's options say */
#define QUOIT_MPSC_QUANTUM   256  /* items of one lane before it is the next one's turn */
#define QUOIT_MPSC_SKIP_MOST 64	  /* rounds in which a lane that was empty is not looked at */

/*
 * Where lanes lie whose producers do not name a node. Beside the producer unless told otherwise:
 * who sends then never waits for another node's memory, whichever consumer reads.
 */
enum quoit_mpsc_place {
	QUOIT_MPSC_AT_PRODUCER, /* near the thread that registers */
	QUOIT_MPSC_AT_CONSUMER, /* near the thread that creates the channel */
	QUOIT_MPSC_AT_NODE,	/* on a node of the options */
	QUOIT_MPSC_INTERLEAVED, /* page by page on all nodes of the registering thread's cpuset */
};

struct quoit_mpsc_options {
	size_t item_bytes;
	size_t capacity_slots;	 /* of each lane, a power of two up to QUOIT_SPSC_CAPACITY_MAX */
	uint32_t producers_most; /* at the same time; at most QUOIT_DIRECTORY_MOST */
	uint32_t quantum_items;	 /* 0: QUOIT_MPSC_QUANTUM */

	enum quoit_mpsc_place place; /* `make bench-numa` measures them */
	int node;		     /* with QUOIT_MPSC_AT_NODE */

	/*
	 * Tells which node a thread runs on; kept until destroy. With NULL a lane that is to lie
	 * at the producer is not bound: it lies where the registering thread touches it first, and
	 * a free one is used again wherever it lies.
	 */
	const struct quoit_topology *topology;

	/*
	 * Let the calls of mpsc_wait.h sleep: the consumer on one event, each producer on one of
	 * its own. Costs a fence in every commit and in every advance.
	 */
	bool waits;

	bool metrics; /* count: see quoit_mpsc_attach_meters() */

	uint64_t position; /* of the first slot of each lane: 0 unless a test wants the wrap near */
};

enum quoit_mpsc_state {
	QUOIT_MPSC_FREE,
	QUOIT_MPSC_LIVE,
	QUOIT_MPSC_CLOSING,
	QUOIT_MPSC_DRAINED,
};

/* One producer's ring. Made in a region of its own, never moved and never freed before destroy. */
struct quoit_mpsc_lane {
	struct quoit_spsc ring;

	QUOIT_ISOLATED void *slots; /* consumer's copy, never changes */
	uint32_t id;		    /* consumer's copy, never changes */
	uint32_t skip;		    /* consumer: look only every so many rounds; 0, 1, 2 ... 64 */
	uint32_t phase;		    /* consumer: rounds since it looked */

	/* Written when a producer comes or goes. */
	QUOIT_ISOLATED uint32_t state; /* enum quoit_mpsc_state */
	uint32_t generation;	       /* of the producer that has it, or will have it next */
	uintptr_t owner;	       /* its thread, for CONFIG_ASSERT=2 */
};

/* Made by quoit_mpsc_create(). Touch the fields only through the functions. */
struct quoit_mpsc {
	/* The consumer's. */
	QUOIT_ISOLATED uint32_t cursor; /* id of the lane whose turn it is */
	uint32_t quantum_left;		/* items it may still have in this turn */
	bool busy;			/* the last consume found something */
	bool reading;			/* a handler is running (CONFIG_ASSERT=2) */
	uint64_t looks;			/* at a lane */
	uint64_t skips;			/* visits that did not look */

	/* Read by all, written when a lane is added or the channel is closed. */
	QUOIT_ISOLATED struct quoit_directory lanes;
	uint32_t closed;
	uint32_t quantum;
	size_t item_bytes;
	size_t capacity; /* slots of a lane */
	struct quoit_mpsc_seats *seats;
	struct quoit_event *data_event; /* what the consumer sleeps on, or NULL */
};

/*
 * A producer's handle, the caller's memory. One thread at a time may use it or a copy of it: two
 * would be two producers on one lane (defect D-15). To pass it on see quoit_mpsc_adopt().
 */
struct quoit_mpsc_producer {
	struct quoit_mpsc *channel;
	struct quoit_mpsc_lane *lane;
	void *slots;
	uint32_t id; /* below producers_most; given to others later */
	uint32_t generation;
	uint64_t owned; /* the lines of free slots before this position were fetched */
};

/* Everything at one moment, as far as the sides are not moving on meanwhile. */
struct quoit_mpsc_stats {
	uint32_t producers;   /* registered */
	uint32_t lanes;	      /* ever made */
	uint32_t lanes_free;  /* of them, ready for the next producer */
	uint32_t lanes_short; /* of them, not placed as asked: see quoit_region.degraded */
	bool closed;
	uint64_t items_sent; /* published, since create or reset */
	uint64_t items_received;
	uint64_t items_pending; /* the difference */
	uint64_t looks;		/* of the consumer at a lane */
	uint64_t skips;		/* visits without a look */
	uint64_t bells_rung;	/* publications that woke the consumer */
	uint64_t bells_saved;	/* publications that found it awake */
	uint64_t memory_bytes;	/* see quoit_mpsc_memory_bytes() */
};

/* --- setting up and taking down -------------------------------------------------------------- */

/*
 * Make a channel without lanes, on the node of the calling thread: let it be the consumer's.
 *
 * Owns: the caller destroys it; *channel is untouched on failure.
 * Errors: -EINVAL for sizes, a place or a node that are not possible, -ENOMEM; -EOPNOTSUPP for
 * metrics where rings were built without CONFIG_METRICS; with QUOIT_MPSC_AT_CONSUMER those of
 * quoit_thread_memory_node().
 */
QUOIT_MUST_CHECK int quoit_mpsc_create(const struct quoit_mpsc_options *options,
				       struct quoit_mpsc **channel);

/*
 * Free the channel and its lanes, read or not. NULL is let be.
 * Thread: the consumer's.   Errors: -EBUSY while producers are registered.
 */
QUOIT_MUST_CHECK int quoit_mpsc_destroy(struct quoit_mpsc *channel);

/*
 * Let publications in all lanes, present and future, wake a consumer that sleeps. NULL ends that.
 * To change the consumer while producers are registered, begin with one, or with
 * quoit_notify_nobody; detach it, attach the next, and let that look at the channel before it
 * sleeps: what was published in between has rung nobody.
 *
 * Thread: any.   Owns: `notify` stays until it is detached, or another is attached, or the channel
 * is destroyed.
 * Errors: -EBUSY while producers are registered, unless nobody (not NULL) is attached, and somebody
 * shall be: they may be about to ring the one there is, or pay no fence.   Cost: a mutex.
 */
QUOIT_MUST_CHECK int quoit_mpsc_attach(struct quoit_mpsc *channel, struct quoit_notify *notify);

/*
 * Let publications wake nobody. Once it gives 0, nobody touches what was attached any more, nor its
 * eventfd: both may go. Registered producers go on.
 *
 * Thread: the consumer's.   Errors: -EAGAIN while a producer is about to ring, or somebody is
 * coming, going or closing: ask again, in the next turn.   Cost: a fence for each lane.
 */
QUOIT_MUST_CHECK int quoit_mpsc_detach(struct quoit_mpsc *channel);

/*
 * Let all lanes count, present and future, each on a meter of its own; or no longer.
 *
 * Thread: the consumer's.
 * Errors: -EBUSY while producers are registered; -EOPNOTSUPP where rings were built without
 * CONFIG_METRICS.   Cost: see metrics.h.
 */
QUOIT_MUST_CHECK int quoit_mpsc_attach_meters(struct quoit_mpsc *channel, bool on);

/*
 * Become a producer, with a lane on the given node, or where the channel's options say with
 * QUOIT_MPSC_NODE_AUTO. A free lane that lies so is used again, else a new one is made, else any
 * free one is used.
 *
 * Thread: any, and it owns the handle then; producers and consumer go on meanwhile.
 * Owns: the caller deregisters; *producer is untouched on failure.
 * Errors: -ESHUTDOWN once the channel is closed; -EUSERS when producers_most lanes are in use, be
 * it by producers that have gone and whose lanes are not read to the end yet; -ENOMEM and what else
 * quoit_region_open() says; -EINVAL for a node that is not possible. Nothing has changed then.
 * Cost: a mutex; a new lane also a mapping that is filled, about 0.3 ms per MiB in a VM.
 */
QUOIT_MUST_CHECK int quoit_mpsc_register_on(struct quoit_mpsc *channel, int node,
					    struct quoit_mpsc_producer *producer);

/*
 * As quoit_mpsc_register_on(), where the channel's options say.
 * Thread, Owns, Errors, Cost: as there.
 */
QUOIT_MUST_CHECK QUOIT_HOT int quoit_mpsc_register(struct quoit_mpsc *channel,
						   struct quoit_mpsc_producer *producer)
{
	return quoit_mpsc_register_on(channel, QUOIT_MPSC_NODE_AUTO, producer);
}

/*
 * The producer's last word: publishes what is committed, forgets what is only reserved, and leaves
 * the lane to the consumer. The handle and all copies of it are void then.
 *
 * Thread: the producer's.
 * Errors: -ESTALE for a handle that is void, also when its lane has another producer by now.
 */
QUOIT_MUST_CHECK int quoit_mpsc_deregister(struct quoit_mpsc_producer *producer);

/*
 * Take over a handle that another thread has passed on, and which that one has stopped using. Only
 * CONFIG_ASSERT=2 looks at owners.
 * Thread: the new owner.
 */
void quoit_mpsc_adopt(struct quoit_mpsc_producer *producer);

/*
 * Let no new reservation succeed in any lane and nobody register, and wake the consumer to tell it.
 * What is reserved may still be committed; the channel has ended when quoit_mpsc_is_drained() says
 * so. The lanes are closed one after the other, and the channel says that it is closed behind the
 * last of them. Closing again does nothing.
 * Thread: any.
 */
void quoit_mpsc_close(struct quoit_mpsc *channel);

/*
 * Start again: open and empty, with all lanes free and all counters 0. What was not read is gone.
 * Thread: the consumer's.   Errors: -EBUSY while producers are registered.
 */
QUOIT_MUST_CHECK int quoit_mpsc_reset(struct quoit_mpsc *channel);

/* --- producer; see the quoit_spsc_ functions of the same verbs -------------------------------- */

/* Thread: the one that owns the handle, in all of these. */

/* Names the calling thread. */
uintptr_t quoit__mpsc_thread(void);

/* The lane of a handle: CONFIG_ASSERT=2 looks whether the handle is the caller's and still good. */
QUOIT_HOT struct quoit_spsc *quoit__mpsc_ring(const struct quoit_mpsc_producer *producer)
{
	QUOIT_ASSERT_HOT(quoit_load(&producer->lane->generation) == producer->generation);
	QUOIT_ASSERT_HOT(quoit_load(&producer->lane->owner) == quoit__mpsc_thread());
	return &producer->lane->ring;
}

/* Where the slot `at` of the producer's lane lies. */
QUOIT_RT_WAITFREE QUOIT_HOT void *quoit_mpsc_slot(const struct quoit_mpsc_producer *producer,
						  size_t at)
{
	return (char *)producer->slots + at * producer->channel->item_bytes;
}

/*
 * Ask for room for `want` slots, and get 1..want contiguous ones if all of them are free, else 0.
 * *at is the index of the first, for quoit_mpsc_slot().
 *
 * Thread: the producer's.   Owns: the slots are leased until commit or the next reserve.
 * Cost: touches no shared line unless the lane looks full.
 */
QUOIT_RT_WAITFREE QUOIT_HOT size_t quoit_mpsc_reserve(struct quoit_mpsc_producer *producer,
						      size_t want, size_t *at)
{
	return quoit_spsc_reserve(quoit__mpsc_ring(producer), want, at);
}

/* Like quoit_mpsc_reserve(), but grants whatever contiguous part of `want` is free. */
QUOIT_RT_WAITFREE QUOIT_HOT size_t quoit_mpsc_reserve_some(struct quoit_mpsc_producer *producer,
							   size_t want, size_t *at)
{
	return quoit_spsc_reserve_some(quoit__mpsc_ring(producer), want, at);
}

/* Publish `n` of the reserved slots, and wake the consumer if it sleeps. */
QUOIT_RT_WAKES QUOIT_HOT void quoit_mpsc_commit(struct quoit_mpsc_producer *producer, size_t n)
{
	quoit_spsc_commit(quoit__mpsc_ring(producer), n);
}

/* Pass `n` of the reserved slots on, but let nobody see them before publish, flush or commit. */
QUOIT_RT_WAITFREE QUOIT_HOT void quoit_mpsc_commit_later(struct quoit_mpsc_producer *producer,
							 size_t n)
{
	quoit_spsc_commit_later(quoit__mpsc_ring(producer), n);
}

/* Committed, not yet published. */
QUOIT_RT_WAITFREE QUOIT_HOT size_t
quoit_mpsc_unpublished(const struct quoit_mpsc_producer *producer)
{
	return quoit_spsc_unpublished(quoit__mpsc_ring(producer));
}

/* Make everything committed visible without waking anybody: the caller owes fence and bell. */
QUOIT_RT_WAITFREE QUOIT_HOT void quoit_mpsc_publish(struct quoit_mpsc_producer *producer)
{
	quoit_spsc_publish(quoit__mpsc_ring(producer));
}

/* Publish what was committed later, and wake the consumer if it sleeps. */
QUOIT_RT_WAKES QUOIT_HOT void quoit_mpsc_flush(struct quoit_mpsc_producer *producer)
{
	quoit_spsc_flush(quoit__mpsc_ring(producer));
}

/* Free slots of this lane, asked of the consumer's position: it may free more at any time. */
QUOIT_RT_WAITFREE QUOIT_HOT size_t quoit_mpsc_available(const struct quoit_mpsc_producer *producer)
{
	return (size_t)quoit__spsc_freed(quoit__mpsc_ring(producer));
}

#define QUOIT_MPSC_OWN 1024 /* bytes of a lane that are fetched ahead */

/*
 * Who sends one by one has come to where no line was fetched: fetch those of some free slots
 * together (quoit_lines_own()), as far as they are known to be free. A batch fetches its own.
 */
QUOIT_SLOW void quoit__mpsc_own(struct quoit_mpsc_producer *producer, size_t bytes)
{
	struct quoit_spsc *const ring = &producer->lane->ring;
	const uint64_t tail = ring->tail_own;
	const uint64_t slots = quoit_max(QUOIT_MPSC_OWN / bytes, 1);
	const uint64_t n = quoit_min((size_t)(ring->head_seen + ring->mask_producer + 1 - tail),
				     (size_t)(slots - tail % slots));
	const struct quoit_spans to = quoit__spans_cut(tail, (size_t)n, ring->mask_producer);

	quoit_lines_own((char *)producer->slots + to.at * bytes, to.n * bytes);
	producer->owned = tail + to.n;
}

/* What send does, for items of a size that the caller's compiler knows. */
QUOIT_HOT size_t quoit__mpsc_send(struct quoit_mpsc_producer *producer, size_t bytes,
				  const void *items, size_t n)
{
	struct quoit_spsc *const ring = quoit__mpsc_ring(producer);
	const struct quoit_spans to = quoit_spsc_reserve_spans(ring, n);

	if (!to.n)
		return 0;
	if (quoit_unlikely((int64_t)(producer->owned - ring->tail_own) <= 0) &&
	    n * bytes <= QUOIT_LINE_BYTES)
		quoit__mpsc_own(producer, bytes);
	memcpy((char *)producer->slots + to.at * bytes, items, to.n * bytes);
	if (to.rest)
		memcpy(producer->slots, (const char *)items + to.n * bytes, to.rest * bytes);
	quoit_spsc_commit(ring, to.n + to.rest);
	return to.n + to.rest;
}

QUOIT_HOT bool quoit__mpsc_send_all(struct quoit_mpsc_producer *producer, size_t bytes,
				    const void *items, size_t n)
{
	return quoit__spsc_room(quoit__mpsc_ring(producer), n) >= n &&
	       quoit__mpsc_send(producer, bytes, items, n) == n;
}

/* Copy in as many items as fit, around the wrap, with one publication; gives how many. */
QUOIT_RT_WAKES QUOIT_HOT size_t quoit_mpsc_send(struct quoit_mpsc_producer *producer,
						const void *items, size_t n)
{
	return quoit__mpsc_send(producer, producer->channel->item_bytes, items, n);
}

/* All of them or none; true if sent. */
QUOIT_RT_WAKES QUOIT_HOT bool quoit_mpsc_send_all(struct quoit_mpsc_producer *producer,
						  const void *items, size_t n)
{
	return quoit__mpsc_send_all(producer, producer->channel->item_bytes, items, n);
}

/* Copy one in; false if the lane is full or closed. */
QUOIT_RT_WAKES QUOIT_HOT bool quoit_mpsc_send_one(struct quoit_mpsc_producer *producer,
						  const void *item)
{
	return quoit_mpsc_send(producer, item, 1) != 0;
}

/* --- status, for any thread ------------------------------------------------------------------ */

/* Has somebody closed the channel? After true, nobody registers and nothing is reserved. */
QUOIT_RT_WAITFREE QUOIT_HOT bool quoit_mpsc_is_closed(const struct quoit_mpsc *channel)
{
	return quoit_load_acquire(&channel->closed) != 0; /* close: pairs with quoit_mpsc_close() */
}

/* How many producers are registered. At 0 none of them touches lane, channel or notifier any more.
 */
QUOIT_RT_WAITFREE uint32_t quoit_mpsc_producers(const struct quoit_mpsc *channel);

/* How many lanes were made: ids are below. A lane stays, whoever has it. */
QUOIT_RT_WAITFREE QUOIT_HOT uint32_t quoit_mpsc_lanes(const struct quoit_mpsc *channel)
{
	return quoit_directory_count(&channel->lanes);
}

QUOIT_HOT struct quoit_mpsc_lane *quoit__mpsc_lane(const struct quoit_mpsc *channel, uint32_t id)
{
	return (struct quoit_mpsc_lane *)quoit_directory_get(&channel->lanes, id);
}

/* The ring of a lane, to look at its length; NULL if no lane of that id was made. */
QUOIT_RT_WAITFREE const struct quoit_spsc *quoit_mpsc_lane_ring(const struct quoit_mpsc *channel,
								uint32_t id);

/* In which state a lane is; one that was never made is free. */
QUOIT_RT_WAITFREE enum quoit_mpsc_state quoit_mpsc_lane_state(const struct quoit_mpsc *channel,
							      uint32_t id);

/* Published and not yet read, in all lanes. Of each lane never more than its capacity. */
QUOIT_RT_WAITFREE size_t quoit_mpsc_length(const struct quoit_mpsc *channel);

/* Was every lane empty when it was looked at? */
QUOIT_RT_WAITFREE bool quoit_mpsc_is_empty(const struct quoit_mpsc *channel);

/* The id of the longest lane, the lowest of equally long ones; -ENODATA if all are empty. */
QUOIT_RT_WAITFREE int64_t quoit_mpsc_hottest(const struct quoit_mpsc *channel);

/* Slots of each lane, and of all lanes there may ever be. */
QUOIT_RT_WAITFREE QUOIT_HOT size_t quoit_mpsc_lane_capacity(const struct quoit_mpsc *channel)
{
	return channel->capacity;
}

/* Slots of all lanes there may ever be. */
QUOIT_RT_WAITFREE size_t quoit_mpsc_capacity_most(const struct quoit_mpsc *channel);

/* What is mapped and allocated by now, bookkeeping included. Lanes are made when needed. */
size_t quoit_mpsc_memory_bytes(const struct quoit_mpsc *channel);

/* What a lane has counted for all producers that had it; NULL if none was made or none counts. */
QUOIT_RT_WAITFREE const struct quoit_meter *quoit_mpsc_lane_meter(const struct quoit_mpsc *channel,
								  uint32_t id);

/*
 * What all lanes have counted since create or reset, taken together, and how the consumer waited.
 * Producers that have gone are in it.
 * Errors: -ENODATA if the channel does not count.   Cost: a look at each lane's meter.
 */
QUOIT_MUST_CHECK int quoit_mpsc_metrics(const struct quoit_mpsc *channel,
					struct quoit_metrics *sum);

/* Fill *stats. Cost: a mutex, and a look at each lane. */
void quoit_mpsc_snapshot(const struct quoit_mpsc *channel, struct quoit_mpsc_stats *stats);

QUOIT_C_END

#endif
