/* SPDX-License-Identifier: MIT */
/*
 * spsc_wait.h - waiting for a ring: until it has space, or until it has something to read.
 *
 * Every wait ends: with what it waited for, at its deadline, or because the ring was closed. A
 * strategy that sleeps until it is woken needs quoit_spsc_attach_waits() on the ring first; the
 * others need nothing. Before it answers anything but 0 a wait looks once more, so that what came
 * together with the close or the deadline is not left behind (defect D-20).
 *
 * None of this belongs into a handler of an event loop, which must not wait at all.
 */
#ifndef QUOIT_RINGS_SPSC_WAIT_H
#define QUOIT_RINGS_SPSC_WAIT_H

#include <quoit/rings/spsc.h>

QUOIT_C_BEGIN

/*
 * Let the calls below sleep on this ring, on a pair of events of its own; NULL ends that.
 * Thread, Owns, Cost: as quoit_spsc_attach_events().
 */
QUOIT_HOT void quoit_spsc_attach_waits(struct quoit_spsc *ring, struct quoit_waits *waits)
{
	quoit_spsc_attach_events(ring, waits ? &waits->data : NULL, waits ? &waits->space : NULL);
}

/*
 * Like quoit_spsc_reserve(), but tries again for seven rounds of pauses (127 in all) and four
 * yields. Gives 0 if the ring is still full then, and at once if it is closed or can never grant
 * it.
 * Thread: producer.   Owns: as quoit_spsc_reserve().
 */
size_t quoit_spsc_reserve_backoff(struct quoit_spsc *ring, size_t want, size_t *at);

/*
 * Wait until `want` slots are free. Publishes first what was committed and not yet published,
 * because nothing may stay invisible while its producer waits.
 *
 * Gives 0 when they are: the next quoit_spsc_reserve() of so many succeeds, unless the ring is
 * closed in between.
 * Thread: producer.   Errors: -ETIMEDOUT; -ESHUTDOWN once the ring is closed, however much is free;
 * -EINVAL for a strategy that is none, one that sleeps on a ring without waits, no slots at all or
 * more than the capacity.
 */
QUOIT_MUST_CHECK int quoit_spsc_wait_space(struct quoit_spsc *ring, size_t want,
					   const struct quoit_wait *how);

/*
 * Wait until something can be read. Gives 0 when it can.
 * Thread: consumer.   Errors: -ETIMEDOUT; -ESHUTDOWN once the ring is closed and nothing is left,
 * where a reservation that was open at the close may still come until quoit_spsc_is_drained();
 * -EINVAL as for space.
 */
QUOIT_MUST_CHECK int quoit_spsc_wait_data(struct quoit_spsc *ring, const struct quoit_wait *how);

/*
 * Wait for `want` free slots and reserve them: *granted of them (1..want, cut at the wrap) from
 * index *at on. Both are untouched unless it gives 0.
 * Thread, Errors: as quoit_spsc_wait_space().
 */
QUOIT_MUST_CHECK int quoit_spsc_reserve_wait(struct quoit_spsc *ring, size_t want,
					     const struct quoit_wait *how, size_t *at,
					     size_t *granted);

QUOIT_C_END

#endif
