/* SPDX-License-Identifier: MIT */
/*
 * mpsc_read.h - the consumer's side of an MPSC channel: whose turn it is, and when not to look.
 *
 * Lanes have turns, in the order of their ids. A turn ends when the lane was found empty, when
 * everything known of it was taken, or after a quantum of items; the next call goes on where this
 * one stopped, also in the middle of a turn. So between two turns of a lane every other one has at
 * most a quantum, whatever the sizes of the calls (deficit round robin: Shreedhar and Varghese,
 * SIGCOMM 1995; defect D-20b).
 *
 * Looking at a lane whose producer was idle costs a load; with many idle lanes beside busy ones
 * that is most of the work. So quoit_mpsc_consume() looks at a lane that was empty only every 1st,
 * 2nd, 4th ... 64th round. That is for busy times only: a call that found nothing has looked at
 * every lane, and the question before a sleep, quoit_mpsc_has_news(), does too (defect D-08).
 *
 * Thread: the consumer's, everything here. Handlers must not read from the channel: CONFIG_ASSERT=2
 * looks. They may do anything else, register and close included.
 */
#ifndef QUOIT_RINGS_MPSC_READ_H
#define QUOIT_RINGS_MPSC_READ_H

#include <quoit/rings/mpsc.h>

QUOIT_C_BEGIN

/*
 * Gets `n` items of one producer that lie together, in their order. They may be changed, and are
 * gone when it returns. `id` is the lane's: see struct quoit_mpsc_producer.
 */
typedef QUOIT_RT_FN void (*quoit_mpsc_batch_fn)(void *items, size_t n, uint32_t id, void *ctx);

/* --- whose turn it is ------------------------------------------------------------------------ */

/* One way round the lanes. By value. */
struct quoit__mpsc_round {
	uint32_t count; /* lanes there were when it began */
	uint32_t left;	/* of them, still to be visited */
	bool every;	/* skip none */
	bool skipped;	/* some were */
};

/*
 * Begin a round. The fields that outlive calls stay valid, because lanes are never taken out, only
 * added.
 */
QUOIT_HOT struct quoit__mpsc_round quoit__mpsc_begin(struct quoit_mpsc *channel, bool every)
{
	const uint32_t count = quoit_directory_count(&channel->lanes);
	const struct quoit__mpsc_round round = {count, count, every, false};

	QUOIT_ASSERT_HOT(!channel->reading); /* a handler must not read */
	return round;
}

/* The turn of this lane is over. */
QUOIT_HOT void quoit__mpsc_pass(struct quoit_mpsc *channel, struct quoit__mpsc_round *round)
{
	round->left--;
	channel->cursor = channel->cursor + 1 < round->count ? channel->cursor + 1 : 0;
	channel->quantum_left = channel->quantum;
}

/* A lane whose producer has finished was found empty: let another producer have it. */
void quoit__mpsc_retire(struct quoit_mpsc *channel, struct quoit_mpsc_lane *lane);

/* How much there is to be read in a lane; what is known needs no look at the producer. */
QUOIT_HOT size_t quoit__mpsc_look(struct quoit_mpsc *channel, struct quoit_mpsc_lane *lane)
{
	const size_t n = (size_t)quoit__spsc_available(&lane->ring);

	lane->phase = 0;
	quoit_count(&channel->looks, 1);
	if (quoit_likely(n)) {
		lane->skip = 0;
		return n;
	}
	if (quoit_unlikely(quoit_load(&lane->ring.finished))) /* hint: retire looks again */
		quoit__mpsc_retire(channel, lane);
	return 0;
}

/* Look at the lane, unless it was empty lately and this is not yet the round to look again. */
QUOIT_HOT size_t quoit__mpsc_visit(struct quoit_mpsc *channel, struct quoit_mpsc_lane *lane,
				   struct quoit__mpsc_round *round)
{
	size_t n;

	if (round->every)
		return quoit__mpsc_look(channel, lane);
	if (++lane->phase < lane->skip) {
		quoit_count(&channel->skips, 1);
		round->skipped = true;
		return 0;
	}
	n = quoit__mpsc_look(channel, lane);
	if (!n)
		lane->skip = lane->skip ? (uint32_t)quoit_min(2 * (size_t)lane->skip,
							      QUOIT_MPSC_SKIP_MOST)
					: 1;
	return n;
}

/*
 * Find the next lane of the round with something to read. Gives how much of it may be read in this
 * turn, up to `most`; 0 when the round is over.
 */
QUOIT_HOT size_t quoit__mpsc_find(struct quoit_mpsc *channel, struct quoit__mpsc_round *round,
				  size_t most, struct quoit_mpsc_lane **found)
{
	for (; round->left; quoit__mpsc_pass(channel, round)) {
		struct quoit_mpsc_lane *const lane = quoit__mpsc_lane(channel, channel->cursor);
		const size_t n = quoit__mpsc_visit(channel, lane, round);

		if (n) {
			*found = lane;
			return quoit_min(n, quoit_min(most, channel->quantum_left));
		}
	}
	return 0;
}

/* `n` items of the lane whose turn it is were taken; does the caller want more? */
QUOIT_HOT void quoit__mpsc_taken(struct quoit_mpsc *channel, struct quoit__mpsc_round *round,
				 size_t n, bool more)
{
	channel->quantum_left -= (uint32_t)n;
	if (more || !channel->quantum_left)
		quoit__mpsc_pass(channel, round);
}

/* Show `n` readable items of a lane to the handler, if there is one, and free them. */
QUOIT_HOT void quoit__mpsc_handle(struct quoit_mpsc *channel, struct quoit_mpsc_lane *lane,
				  size_t n, quoit_mpsc_batch_fn fn, void *ctx)
{
	const struct quoit_spans spans = quoit_spsc_readable_spans(&lane->ring, n);

	if (fn) {
#if QUOIT_CONFIG_ASSERT >= 2
		channel->reading = true;
#endif
		fn((char *)lane->slots + spans.at * channel->item_bytes, spans.n, lane->id, ctx);
		if (spans.rest)
			fn(lane->slots, spans.rest, lane->id, ctx);
#if QUOIT_CONFIG_ASSERT >= 2
		channel->reading = false;
#endif
	}
	quoit_spsc_advance(&lane->ring, n);
}

/* --- with a handler -------------------------------------------------------------------------- */

/* One round: what is read, at most `budget` items. */
QUOIT_HOT size_t quoit__mpsc_consume_round(struct quoit_mpsc *channel,
					   struct quoit__mpsc_round *round, size_t budget,
					   quoit_mpsc_batch_fn fn, void *ctx)
{
	struct quoit_mpsc_lane *lane;
	size_t got = 0, n;

	while (got < budget && (n = quoit__mpsc_find(channel, round, budget - got, &lane))) {
		quoit__mpsc_handle(channel, lane, n, fn, ctx);
		got += n;
		quoit__mpsc_taken(channel, round, n, got < budget);
	}
	return got;
}

/*
 * Give each lane one turn: its items go to `fn`, in batches of up to a quantum, and are freed after
 * each. At most `budget` items altogether. Gives how many: with a budget, 0 says that every lane
 * was looked at and none had any. `fn` NULL throws the items away.
 *
 * Owns: see quoit_mpsc_batch_fn.
 * Cost: a look at each lane that is not skipped, one release store for each batch.
 */
QUOIT_RT_UNLESS(armed)
QUOIT_HOT size_t quoit_mpsc_consume(struct quoit_mpsc *channel, size_t budget,
				    quoit_mpsc_batch_fn fn, void *ctx)
{
	struct quoit__mpsc_round round = quoit__mpsc_begin(channel, !channel->busy);
	size_t got = quoit__mpsc_consume_round(channel, &round, budget, fn, ctx);

	if (!got && round.skipped) {
		round = quoit__mpsc_begin(channel, true);
		got = quoit__mpsc_consume_round(channel, &round, budget, fn, ctx);
	}
	channel->busy = got != 0;
	return got;
}

/* The same, throwing the items away. Gives how many. */
QUOIT_RT_UNLESS(armed)
QUOIT_HOT size_t quoit_mpsc_consume_count(struct quoit_mpsc *channel, size_t budget)
{
	return quoit_mpsc_consume(channel, budget, NULL, NULL);
}

/*
 * Go round, turn by turn and skipping nobody, until `most` items are read or a whole round has
 * found none. Producers that keep pace keep it busy: give it a limit that you can wait for.
 */
QUOIT_RT_UNLESS(armed)
QUOIT_HOT size_t quoit_mpsc_consume_up_to(struct quoit_mpsc *channel, size_t most,
					  quoit_mpsc_batch_fn fn, void *ctx)
{
	size_t got = 0, n;

	do {
		struct quoit__mpsc_round round = quoit__mpsc_begin(channel, true);

		n = quoit__mpsc_consume_round(channel, &round, most - got, fn, ctx);
		got += n;
	} while (n && got < most);
	return got;
}

/*
 * Read, lane after lane, what each had published when the walk came to it, and nothing that comes
 * later: it ends however fast the producers are. Gives how many.
 */
QUOIT_RT_UNLESS(armed)
QUOIT_HOT size_t quoit_mpsc_drain_all(struct quoit_mpsc *channel, quoit_mpsc_batch_fn fn, void *ctx)
{
	const struct quoit__mpsc_round round = quoit__mpsc_begin(channel, true);
	size_t got = 0;

	for (uint32_t id = 0; id < round.count; id++) {
		struct quoit_mpsc_lane *const lane = quoit__mpsc_lane(channel, id);
		size_t n;

		(void)quoit__spsc_arrived(&lane->ring); /* all of it, not only what is known */
		n = quoit__mpsc_look(channel, lane);
		if (n)
			quoit__mpsc_handle(channel, lane, n, fn, ctx);
		got += n;
	}
	return got;
}

/* The same, throwing the items away. Gives how many. */
QUOIT_RT_UNLESS(armed) QUOIT_HOT size_t quoit_mpsc_drain_all_count(struct quoit_mpsc *channel)
{
	return quoit_mpsc_drain_all(channel, NULL, NULL);
}

/* --- copies ---------------------------------------------------------------------------------- */

QUOIT_HOT void quoit__mpsc_copy_out(struct quoit_mpsc_lane *lane, size_t bytes, void *items,
				    size_t n)
{
	const struct quoit_spans spans = quoit_spsc_readable_spans(&lane->ring, n);

	memcpy(items, (char *)lane->slots + spans.at * bytes, spans.n * bytes);
	if (spans.rest)
		memcpy((char *)items + spans.n * bytes, lane->slots, spans.rest * bytes);
	quoit_spsc_advance(&lane->ring, n);
}

/* What recv does, for items of a size that the caller's compiler knows. */
QUOIT_HOT size_t quoit__mpsc_recv(struct quoit_mpsc *channel, size_t bytes, void *items,
				  size_t most)
{
	struct quoit__mpsc_round round = quoit__mpsc_begin(channel, true);
	struct quoit_mpsc_lane *lane;
	size_t got = 0, n;

	while (got < most && (n = quoit__mpsc_find(channel, &round, most - got, &lane))) {
		quoit__mpsc_copy_out(lane, bytes, (char *)items + got * bytes, n);
		got += n;
		quoit__mpsc_taken(channel, &round, n, got < most);
		round.left = round.count; /* ends with a whole round that finds nothing */
	}
	return got;
}

QUOIT_HOT size_t quoit__mpsc_drain(struct quoit_mpsc *channel, size_t bytes, void *items,
				   size_t most)
{
	const struct quoit__mpsc_round round = quoit__mpsc_begin(channel, true);
	size_t got = 0;

	for (uint32_t visit = 0; visit < round.count && got < most; visit++) {
		struct quoit_mpsc_lane *const lane = quoit__mpsc_lane(channel, channel->cursor);
		size_t n;

		(void)quoit__spsc_arrived(&lane->ring); /* all of it, not only what is known */
		n = quoit_min(quoit__mpsc_look(channel, lane), most - got);
		if (n)
			quoit__mpsc_copy_out(lane, bytes, (char *)items + got * bytes, n);
		got += n;
		channel->cursor = channel->cursor + 1 < round.count ? channel->cursor + 1 : 0;
	}
	channel->quantum_left = channel->quantum;
	return got;
}

/* Copy out up to `most` items in turns, until a whole round has found none; gives how many. */
QUOIT_RT_UNLESS(armed)
QUOIT_HOT size_t quoit_mpsc_recv(struct quoit_mpsc *channel, void *items, size_t most)
{
	return quoit__mpsc_recv(channel, channel->item_bytes, items, most);
}

/* Copy one item out; false if all lanes are empty. */
QUOIT_RT_UNLESS(armed) QUOIT_HOT bool quoit_mpsc_recv_one(struct quoit_mpsc *channel, void *item)
{
	return quoit_mpsc_recv(channel, item, 1) != 0;
}

/*
 * Like quoit_mpsc_recv(), but goes round once and takes all that a lane has before it goes on: each
 * producer's items lie together. The next call begins with the lane behind the last one.
 */
QUOIT_RT_UNLESS(armed)
QUOIT_HOT size_t quoit_mpsc_drain(struct quoit_mpsc *channel, void *items, size_t most)
{
	return quoit__mpsc_drain(channel, channel->item_bytes, items, most);
}

/* --- before a sleep, and the end ------------------------------------------------------------- */

/*
 * Is there anything to read in any lane, asked of the lanes themselves and skipping none; or has a
 * lane come to its end, which the next consume or recv will find and give back? The question to put
 * between arming and sleeping, together with quoit_mpsc_is_drained() (a close and the end of the
 * last producer ring the bell as well).
 *
 * Cost: two loads from each lane until one has news, about 1 ns where the producer was idle.
 */
QUOIT_RT_WAITFREE QUOIT_HOT bool quoit_mpsc_has_news(struct quoit_mpsc *channel)
{
	const uint32_t count = quoit_directory_count(&channel->lanes);

	for (uint32_t id = 0; id < count; id++) {
		struct quoit_mpsc_lane *const lane = quoit__mpsc_lane(channel, id);

		if (quoit_spsc_has_news(&lane->ring)) {
			lane->skip = 0;
			return true;
		}
		/*
		 * A lane that waits to be given back: its producer rings no second time, and
		 * somebody may be waiting for it. finish: pairs with quoit_spsc_finish()
		 */
		if (quoit_unlikely(quoit_load_acquire(&lane->ring.finished)) &&
		    quoit_load(&lane->state) == QUOIT_MPSC_CLOSING) /* stored before finish */
			return true;
	}
	return false;
}

/*
 * The end of the stream: closed, every producer has deregistered, every lane read to its end. Once
 * true, true until a reset (defect D-18).
 */
QUOIT_RT_WAITFREE bool quoit_mpsc_is_drained(struct quoit_mpsc *channel);

/* Look at every lane again in the next round. */
QUOIT_RT_WAITFREE void quoit_mpsc_reset_skip(struct quoit_mpsc *channel);

QUOIT_C_END

#endif
