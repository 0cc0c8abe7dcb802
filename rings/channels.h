/* SPDX-License-Identifier: MIT */
/*
 * channels.h - a channel of words of each kind, ready made, and what one usually asks for.
 *
 *     struct quoit_mpsc_u64 q;
 *     const struct quoit_mpsc_options options = quoit_mpsc_default();
 *     quoit_mpsc_u64_create(&q, &options);
 *     quoit_mpsc_u64_register(&q, &producer);
 *     quoit_mpsc_u64_send_one(&producer, &word);
 *
 * For another element write one line of your own, as these are: QUOIT_MPSC(orders, struct order).
 * The headers named below tell what each has; the options are a beginning, to be changed.
 */
#ifndef QUOIT_RINGS_CHANNELS_H
#define QUOIT_RINGS_CHANNELS_H

#include <string.h>

#include <quoit/rings/typed.h>
#include <quoit/rings/typed_mpsc.h>
#include <quoit/rings/typed_shared.h>

QUOIT_C_BEGIN

#define QUOIT_CAPACITY_DEFAULT_SHARED 16384 /* where several consumers look after it */
#define QUOIT_CONSUMERS_DEFAULT	      16

QUOIT_SPSC(quoit_spsc_u64, uint64_t); /* typed.h */
QUOIT_MPSC(quoit_mpsc_u64, uint64_t); /* typed_mpsc.h */
QUOIT_SPMC(quoit_spmc_u64, uint64_t); /* typed_shared.h */
QUOIT_MPMC(quoit_mpmc_u64, uint64_t); /* typed_shared.h */

/* Near the creating thread. */
QUOIT_HOT struct quoit_spsc_options quoit_spsc_default(void)
{
	struct quoit_spsc_options options;

	memset(&options, 0, sizeof(options));
	options.capacity_slots = QUOIT_CAPACITY_DEFAULT;
	options.node = QUOIT_NODE_AUTO;
	return options;
}

/* A lane of the usual capacity for each of the usual number of producers. */
QUOIT_HOT struct quoit_mpsc_options quoit_mpsc_default(void)
{
	struct quoit_mpsc_options options;

	memset(&options, 0, sizeof(options));
	options.capacity_slots = QUOIT_CAPACITY_DEFAULT;
	options.producers_most = QUOIT_PRODUCERS_DEFAULT;
	return options;
}

/* Needs as many slots, and QUOIT_LANE_BLOCKS() of them blocks. */
QUOIT_HOT struct quoit_spmc_options quoit_spmc_default(void)
{
	struct quoit_spmc_options options;

	memset(&options, 0, sizeof(options));
	options.capacity_slots = QUOIT_CAPACITY_DEFAULT;
	options.consumers_most = QUOIT_CONSUMERS_DEFAULT;
	return options;
}

/* Lanes near their producers; consumers help out near themselves first. */
QUOIT_HOT struct quoit_mpmc_options quoit_mpmc_default(void)
{
	struct quoit_mpmc_options options;

	memset(&options, 0, sizeof(options));
	options.capacity_slots = QUOIT_CAPACITY_DEFAULT_SHARED;
	options.producers_most = QUOIT_PRODUCERS_DEFAULT;
	options.consumers_most = QUOIT_CONSUMERS_DEFAULT;
	options.node = QUOIT_MPMC_NEAR;
	options.near_first = true;
	return options;
}

QUOIT_C_END

#endif
