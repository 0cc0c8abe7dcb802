/* SPDX-License-Identifier: MIT */
/*
 * lane_wait.h - a producer's waiting for space in its lane: of an SPMC ring, or of an MPMC ring's
 * lane of its own. Consumers wait by shared_wait.h.
 *
 * Every wait ends: with what it waited for, at its deadline, or because the lane was closed, and
 * looks once more before it says so. A strategy that sleeps until it is woken needs waits attached
 * to the ring; the others need nothing. Space comes back a block at a time, and whoever completes a
 * block wakes the producer if it sleeps. None of this belongs into a handler of an event loop.
 */
#ifndef QUOIT_RINGS_LANE_WAIT_H
#define QUOIT_RINGS_LANE_WAIT_H

#include <quoit/rings/lane.h>

QUOIT_C_BEGIN

/*
 * The most slots that are sure to be free together once everything is given back: with the tail
 * inside a block, what stands in that block does not come back yet. Thread: any.
 */
QUOIT_HOT size_t quoit_lane_space_most(const struct quoit_lane *lane)
{
	return quoit_lane_capacity(lane) - quoit_lane_block_slots(lane) + 1;
}

/*
 * Like quoit_lane_reserve(), but tries again for seven rounds of pauses (127 in all) and four
 * yields. Gives 0 if the lane is still full then, and at once if it is closed or can never grant
 * it.
 * Thread: producer.   Owns: as quoit_lane_reserve().
 */
size_t quoit_lane_reserve_backoff(struct quoit_lane *lane, size_t want, size_t *at);

/*
 * Wait until `want` slots are free. Publishes first what was committed and not yet published,
 * because nothing may stay invisible while its producer waits.
 *
 * Gives 0 when they are: the next quoit_lane_reserve() of so many succeeds, unless the lane is
 * closed in between.
 * Thread: producer.   Errors: -ETIMEDOUT; -ESHUTDOWN once the lane is closed, however much is free;
 * -EINVAL for a strategy that is none, one that sleeps on a lane without waits, no slots at all or
 * more than quoit_lane_space_most(), for which it might have to wait for ever.
 */
QUOIT_MUST_CHECK int quoit_lane_wait_space(struct quoit_lane *lane, size_t want,
					   const struct quoit_wait *how);

/*
 * Wait for `want` free slots and reserve them: *granted of them (1..want, cut at the wrap or at a
 * block that has to be stepped over) from index *at on. Both are untouched unless it gives 0.
 * Thread, Errors: as quoit_lane_wait_space().
 */
QUOIT_MUST_CHECK int quoit_lane_reserve_wait(struct quoit_lane *lane, size_t want,
					     const struct quoit_wait *how, size_t *at,
					     size_t *granted);

QUOIT_C_END

#endif
