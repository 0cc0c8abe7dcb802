/* SPDX-License-Identifier: MIT */
/*
 * mpsc_wait.h - waiting for a channel: a producer for space in its lane, the consumer for an item
 * in any.
 *
 * The consumer sleeps on one event for all lanes, those of producers that register meanwhile
 * included; each producer sleeps on an event of its lane, so that reading one lane wakes nobody
 * else. A strategy that sleeps until it is woken needs a channel made with options.waits.
 *
 * Every wait ends: with what it waited for, at its deadline, or because the channel was closed, and
 * looks once more before it answers anything but 0 (defect D-20). Each takes a `struct quoit_wait`,
 * whose deadline is absolute: see wait.h. None of this belongs into a handler.
 */
#ifndef QUOIT_RINGS_MPSC_WAIT_H
#define QUOIT_RINGS_MPSC_WAIT_H

#include <quoit/rings/mpsc_read.h>
#include <quoit/rings/spsc_wait.h>

QUOIT_C_BEGIN

/* --- producer -------------------------------------------------------------------------------- */

/* Thread: the one that owns the handle, in all of these. */

/*
 * Like quoit_mpsc_reserve(), but tries again for seven rounds of pauses and four yields: see
 * quoit_spsc_reserve_backoff().
 */
QUOIT_HOT size_t quoit_mpsc_reserve_backoff(struct quoit_mpsc_producer *producer, size_t want,
					    size_t *at)
{
	return quoit_spsc_reserve_backoff(quoit__mpsc_ring(producer), want, at);
}

/*
 * Wait until `want` slots of the lane are free; then the next reservation of so many succeeds,
 * unless the channel is closed in between. Publishes first what was committed and not yet
 * published.
 *
 * Thread: the producer's.   Errors: -ETIMEDOUT; -ESHUTDOWN once the channel is closed, however much
 * is free; -EINVAL for a strategy that is none, one that sleeps on a channel without waits, no
 * slots at all or more than a lane has.
 */
QUOIT_MUST_CHECK QUOIT_HOT int quoit_mpsc_wait_space(struct quoit_mpsc_producer *producer,
						     size_t want, const struct quoit_wait *how)
{
	return quoit_spsc_wait_space(quoit__mpsc_ring(producer), want, how);
}

/*
 * Wait for `want` free slots and reserve them: *granted of them (1..want, cut at the wrap) from
 * index *at on, for quoit_mpsc_slot(). Both are untouched unless it gives 0.
 * Thread, Errors: as quoit_mpsc_wait_space().
 */
QUOIT_MUST_CHECK QUOIT_HOT int quoit_mpsc_reserve_wait(struct quoit_mpsc_producer *producer,
						       size_t want, const struct quoit_wait *how,
						       size_t *at, size_t *granted)
{
	return quoit_spsc_reserve_wait(quoit__mpsc_ring(producer), want, how, at, granted);
}

/* What send_wait does, for items of a size that the caller's compiler knows. */
QUOIT_HOT int quoit__mpsc_send_wait(struct quoit_mpsc_producer *producer, size_t bytes,
				    const void *items, size_t n, const struct quoit_wait *how)
{
	const int rc = quoit_mpsc_wait_space(producer, n, how);

	if (rc)
		return rc;
	return quoit__mpsc_send(producer, bytes, items, n) ? 0 : -108; /* -ESHUTDOWN */
}

/*
 * Wait for room for `n` items and copy all of them in, with one publication; or none.
 * Thread, Errors: as quoit_mpsc_wait_space().
 */
QUOIT_MUST_CHECK QUOIT_HOT int quoit_mpsc_send_wait(struct quoit_mpsc_producer *producer,
						    const void *items, size_t n,
						    const struct quoit_wait *how)
{
	return quoit__mpsc_send_wait(producer, producer->channel->item_bytes, items, n, how);
}

/* The same for one item. Errors: as quoit_mpsc_wait_space(). */
QUOIT_MUST_CHECK QUOIT_HOT int quoit_mpsc_send_one_wait(struct quoit_mpsc_producer *producer,
							const void *item,
							const struct quoit_wait *how)
{
	return quoit_mpsc_send_wait(producer, item, 1, how);
}

/*
 * Copy in any number of items, in parts, as room comes, until all are in. *sent becomes how many
 * are, also when it ends before: they are published, and the rest begins at items[*sent].
 *
 * Thread: the producer's.   Errors: as quoit_mpsc_wait_space(), but any `n` can be; *sent is
 * untouched by -EINVAL.
 */
QUOIT_MUST_CHECK int quoit_mpsc_send_parts_wait(struct quoit_mpsc_producer *producer,
						const void *items, size_t n,
						const struct quoit_wait *how, size_t *sent);

/* --- consumer -------------------------------------------------------------------------------- */

/* Thread: the consumer's, in all of these. */

/*
 * Wait until some lane has something to read. Gives 0 when one has. Lanes that were read to their
 * end are free for other producers before it sleeps.
 *
 * Thread: the consumer's, not in a handler.
 * Errors: -ETIMEDOUT; -ESHUTDOWN once the channel is closed and nothing is left, where what
 * producers had reserved at the close may still come: see quoit_mpsc_wait_rest(); -EINVAL for a
 * strategy that is none, or one that sleeps on a channel without waits.
 * Cost: a look at the lanes in turn until one has something.
 */
QUOIT_MUST_CHECK int quoit_mpsc_wait_data(struct quoit_mpsc *channel, const struct quoit_wait *how);

/*
 * The same, but -ESHUTDOWN only at the end of the stream: closed, every producer has deregistered,
 * everything is read (defect D-18). For who must not lose what was reserved when the channel was
 * closed; a producer that never deregisters is waited for until the deadline.
 * Errors: as quoit_mpsc_wait_data(), but for that.
 *
 *     while (!(rc = quoit_mpsc_wait_rest(channel, &how)))
 *         quoit_mpsc_consume(channel, SIZE_MAX, fn, ctx);
 */
QUOIT_MUST_CHECK int quoit_mpsc_wait_rest(struct quoit_mpsc *channel, const struct quoit_wait *how);

/*
 * Wait for items and copy out up to `most`, as quoit_mpsc_recv(); *got is how many, untouched on
 * failure.
 * Thread, Errors: as quoit_mpsc_wait_data().
 */
QUOIT_MUST_CHECK QUOIT_HOT int quoit_mpsc_recv_wait(struct quoit_mpsc *channel, void *items,
						    size_t most, const struct quoit_wait *how,
						    size_t *got)
{
	const int rc = quoit_mpsc_wait_data(channel, how);

	if (!rc)
		*got = quoit_mpsc_recv(channel, items, most);
	return rc;
}

/* The same for one item. Errors: as quoit_mpsc_wait_data(). */
QUOIT_MUST_CHECK QUOIT_HOT int quoit_mpsc_recv_one_wait(struct quoit_mpsc *channel, void *item,
							const struct quoit_wait *how)
{
	size_t got;

	return quoit_mpsc_recv_wait(channel, item, 1, how, &got);
}

/*
 * Wait for items and give each lane one turn, as quoit_mpsc_consume(); *got is how many items were
 * read, untouched on failure.
 * Thread, Errors: as quoit_mpsc_wait_data().
 */
QUOIT_MUST_CHECK QUOIT_HOT int quoit_mpsc_consume_wait(struct quoit_mpsc *channel, size_t budget,
						       const struct quoit_wait *how, size_t *got,
						       quoit_mpsc_batch_fn fn, void *ctx)
{
	const int rc = quoit_mpsc_wait_data(channel, how);

	if (!rc)
		*got = quoit_mpsc_consume(channel, budget, fn, ctx);
	return rc;
}

QUOIT_C_END

#endif
