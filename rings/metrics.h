/* SPDX-License-Identifier: MIT */
/*
 * metrics.h - what a ring counts about itself, if it was built to count and somebody asked it to.
 *
 * CONFIG_METRICS=y gives every ring a pointer to a meter; a ring without a meter pays a look at
 * that pointer, and without CONFIG_METRICS there is nothing at all. Each side counts on lines of
 * its own, as the only writer, with a plain load and store: about 1 ns a counter. Time is that of
 * the monotonic clock, two readings of 35 ns for a batch.
 *
 * A meter is what the two sides write, metrics are a copy for whoever wants to look.
 */
#ifndef QUOIT_RINGS_METRICS_H
#define QUOIT_RINGS_METRICS_H

#include <quoit/numa/atomic.h>
#include <quoit/numa/clock.h>
#include <quoit/rings/abi.h>

QUOIT_C_BEGIN

/* A batch is what one publication showed, or one advance freed. */
struct quoit_meter_side {
	QUOIT_ISOLATED uint64_t items;
	uint64_t batches;
	uint64_t items_max; /* the largest batch */
	uint64_t failures;  /* producer: reservations refused because the ring was full;
			     * consumer: claims lost to a faster one */
	uint64_t spins;	    /* pauses and yields while waiting */
	uint64_t waits;	    /* waits that did not find at once what they wanted */
	uint64_t wait_ns;   /* how long they took */

	/* Consumer: how long batches were held, from the look that found one to its advance. */
	uint64_t held_since_ns; /* 0 while none is */
	uint64_t held;
	uint64_t held_ns;
	uint64_t held_ns_min;
	uint64_t held_ns_max;
};

/* The live counters of one ring. Starts zeroed; each side writes its own. */
struct quoit_meter {
	struct quoit_meter_side producer;
	struct quoit_meter_side consumer;
};

/* A copy of them, or the sum of several. Starts zeroed. */
struct quoit_metrics {
	uint64_t items_sent;
	uint64_t batches_sent;
	uint64_t batch_sent_max;
	uint64_t reserve_failures;
	uint64_t producer_spins;
	uint64_t producer_waits;
	uint64_t producer_wait_ns;

	uint64_t items_received;
	uint64_t batches_received;
	uint64_t batch_received_max;
	uint64_t claims_lost;
	uint64_t consumer_spins;
	uint64_t consumer_waits;
	uint64_t consumer_wait_ns;

	uint64_t batches_held; /* of which the time was taken */
	uint64_t held_ns;
	uint64_t held_ns_min; /* 0 if there was none */
	uint64_t held_ns_max;
};

/* Copy the counters. Each is whole, but they are not of one moment. Thread: any. */
QUOIT_RT_WAITFREE void quoit_meter_read(const struct quoit_meter *meter, struct quoit_metrics *out);

/* Start from 0 again. Thread: any, while neither side uses the ring. */
QUOIT_RT_WAITFREE void quoit_meter_reset(struct quoit_meter *meter);

/*
 * Add the figures of `from`: sums, the smaller minimum, the larger maxima.
 * Thread: the owner of `into`.
 */
QUOIT_RT_WAITFREE void quoit_metrics_merge(struct quoit_metrics *into,
					   const struct quoit_metrics *from);

/* Items a batch sent on average; 0 without any. */
QUOIT_RT_WAITFREE double quoit_metrics_batch_mean(const struct quoit_metrics *metrics);

/* Items a batch received on average, that is freed at once; 0 without any. */
QUOIT_RT_WAITFREE double quoit_metrics_batch_received_mean(const struct quoit_metrics *metrics);

/* Units: nanoseconds a batch was held on average; 0 without any. */
QUOIT_RT_WAITFREE double quoit_metrics_held_ns_mean(const struct quoit_metrics *metrics);

/* Units: items received a second, had all of them come within `elapsed_ns`; 0 if that is 0. */
QUOIT_RT_WAITFREE double quoit_metrics_rate(const struct quoit_metrics *metrics,
					    uint64_t elapsed_ns);

/* --- what the rings call; a side that is NULL counts nothing --------------------------------- */

QUOIT_HOT void quoit__meter_batch(struct quoit_meter_side *side, uint64_t items)
{
	if (!side || !items)
		return;
	quoit_count(&side->items, items);
	quoit_count(&side->batches, 1);
	quoit_store(&side->items_max, quoit_max(items, quoit_load(&side->items_max))); /* ours */
}

QUOIT_HOT void quoit__meter_failure(struct quoit_meter_side *side)
{
	if (side)
		quoit_count(&side->failures, 1);
}

/* The consumer has found something: it holds it from now on, unless it held some already. */
QUOIT_HOT void quoit__meter_hold(struct quoit_meter_side *side)
{
	if (side && !side->held_since_ns)
		side->held_since_ns = quoit_clock_now_ns();
}

/* It has given some of it back. */
QUOIT_HOT void quoit__meter_release(struct quoit_meter_side *side)
{
	uint64_t ns, least;

	if (!side || !side->held_since_ns)
		return;
	ns = quoit_clock_now_ns() - side->held_since_ns;
	side->held_since_ns = 0;
	/* ours, all of them */
	least = quoit_load(&side->held) ? quoit_load(&side->held_ns_min) : UINT64_MAX;
	quoit_store(&side->held_ns_min, quoit_min(ns, least));
	quoit_store(&side->held_ns_max, quoit_max(ns, quoit_load(&side->held_ns_max)));
	quoit_count(&side->held_ns, ns);
	quoit_count(&side->held, 1);
}

/* A wait that began at `since_ns` has ended, after so many pauses and yields. */
QUOIT_HOT void quoit__meter_wait(struct quoit_meter_side *side, uint64_t since_ns, uint64_t spins)
{
	if (!side)
		return;
	quoit_count(&side->waits, 1);
	quoit_count(&side->spins, spins);
	quoit_count(&side->wait_ns, quoit_clock_now_ns() - since_ns);
}

QUOIT_C_END

#endif
