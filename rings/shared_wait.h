/* SPDX-License-Identifier: MIT */
/*
 * shared_wait.h - waiting for an item of a ring that several consumers share, SPMC or MPMC.
 *
 * A wait ends with a claim: whoever is woken for an item takes it, or as much of a batch as it
 * wanted, and wakes the next sleeper for the rest before it goes on. So one publication wakes one
 * consumer (crowd.h), a large batch as many as it has work for, and a close all of them. A wait
 * that only told "there is something" could not promise that: its caller might not take it.
 *
 * Every wait ends: with a claim, at its deadline, or because the ring was closed, and looks once
 * more before it says so, so that what came together with the close or the deadline is not left
 * behind (defect D-20). A strategy that sleeps until it is woken needs waits attached to the ring;
 * the others need nothing. None of this belongs into a handler of an event loop.
 */
#ifndef QUOIT_RINGS_SHARED_WAIT_H
#define QUOIT_RINGS_SHARED_WAIT_H

#include <quoit/rings/lane_wait.h>
#include <quoit/rings/mpmc.h>
#include <quoit/rings/spmc.h>

QUOIT_C_BEGIN

/* --- one producer ---------------------------------------------------------------------------- */

/* What an SPMC ring's producer and consumers sleep on. Caller's memory. */
struct quoit_spmc_waits {
	struct quoit_crowd crowd;
	struct quoit_lane_waits lane;
};

/*
 * Let the blocking calls sleep on this ring, or no more with NULL.
 * Thread: before the first commit; the ring's owner.   Owns: `waits`, of which nothing needs to be
 * set, must outlive all sides.
 * Errors: -EINVAL if consumers_most is above QUOIT_CROWD_SEATS.
 * Cost: from now on a fence with every publication and every block given back.
 */
QUOIT_MUST_CHECK int quoit_spmc_attach_waits(struct quoit_spmc *ring,
					     struct quoit_spmc_waits *waits);

/*
 * Wait until something can be claimed, and claim up to `most` slots of it, as quoit_spmc_take()
 * does. `claim` is untouched unless it gives 0.
 *
 * Thread: the consumer's, with nothing left to be popped.   Owns: the slots are the consumer's
 * until quoit_spmc_release(). Errors: -ETIMEDOUT; -ESHUTDOWN once the ring is closed and nothing is
 * left, where a reservation that was open at the close may still come (quoit_spmc_take_rest_wait()
 * waits for it too); -EINVAL for a strategy that is none, one that sleeps on a ring without waits,
 * or no slots at all.
 */
QUOIT_MUST_CHECK int quoit_spmc_take_wait(struct quoit_spmc_consumer *consumer, size_t most,
					  const struct quoit_wait *how, struct quoit_claim *claim);

/*
 * The same, but -ESHUTDOWN only at the end of the stream: the producer has finished, and everything
 * is claimed. A producer that never finishes is waited for until the deadline.
 * Thread, Owns, Errors: as quoit_spmc_take_wait().
 */
QUOIT_MUST_CHECK int quoit_spmc_take_rest_wait(struct quoit_spmc_consumer *consumer, size_t most,
					       const struct quoit_wait *how,
					       struct quoit_claim *claim);

/*
 * Wait for the next slot of those that are popped one by one: see quoit_spmc_next(). Follow with
 * quoit_spmc_past().
 * Thread, Errors: as quoit_spmc_take_wait().
 */
QUOIT_MUST_CHECK int quoit_spmc_next_wait(struct quoit_spmc_consumer *consumer,
					  const struct quoit_wait *how, struct quoit_claim *slot);

/* --- many producers: see quoit_mpmc_attach_waits() ------------------------------------------- */

/*
 * Wait until something can be claimed on any lane, and claim up to `most` slots of it.
 * Thread, Owns, Errors: as quoit_spmc_take_wait().
 */
QUOIT_MUST_CHECK int quoit_mpmc_take_wait(struct quoit_mpmc_consumer *consumer, size_t most,
					  const struct quoit_wait *how, struct quoit_claim *claim);

/*
 * The same, but -ESHUTDOWN only at the end: the ring is closed, every producer has deregistered,
 * and everything is claimed.
 * Thread, Owns, Errors: as quoit_spmc_take_wait().
 */
QUOIT_MUST_CHECK int quoit_mpmc_take_rest_wait(struct quoit_mpmc_consumer *consumer, size_t most,
					       const struct quoit_wait *how,
					       struct quoit_claim *claim);

/*
 * Wait for the next slot of those that are popped one by one: see quoit_mpmc_next().
 * Thread, Errors: as quoit_spmc_take_wait().
 */
QUOIT_MUST_CHECK int quoit_mpmc_next_wait(struct quoit_mpmc_consumer *consumer,
					  const struct quoit_wait *how, struct quoit_claim *slot);

QUOIT_C_END

#endif
