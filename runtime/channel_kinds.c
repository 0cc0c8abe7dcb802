/* SPDX-License-Identifier: MIT */
/*
 * channel_kinds.c - how a loop reads each kind of ring of this process: run by run, and whether
 * another follows. The kind that leads to another process is in channel_shring.c.
 *
 * SPSC and MPSC have one consumer, us, so what is there stays there, and a look tells what follows.
 * The items of SPMC and MPMC may be claimed by others until we have claimed them ourselves: there
 * the next run is claimed before the one in hand is handled.
 */
#include <quoit/runtime/channel_internal.h>

#include <errno.h>

#include <quoit/rings/mpsc_read.h>
#include <quoit/rings/spsc_read.h>

static void nothing(struct quoit__channel *c)
{
	(void)c;
}

/* The last look goes on with the next lane. */
static void leave_lane(struct quoit__channel *c)
{
	c->lane++;
	c->in_lane = false;
}

/* --- one producer ---------------------------------------------------------------------------- */

static int spsc_attach(struct quoit__channel *c)
{
	quoit_spsc_attach(c->ring, quoit__channel_notify(c));
	return 0;
}

static int spsc_detach(struct quoit__channel *c)
{
	return quoit_spsc_detach(c->ring);
}

static bool spsc_take(struct quoit__channel *c, size_t most, struct quoit__run *run)
{
	struct quoit_spsc *const ring = c->ring;
	size_t at = 0;
	const size_t n = quoit_spsc_readable(ring, &at);

	if (!n)
		return false;
	run->items = c->slots + at * c->item_bytes;
	run->n = quoit_min(n, most);
#if QUOIT_CONFIG_ASSERT >= 2
	ring->reading = 1;
#endif
	return true;
}

static bool spsc_follows(struct quoit__channel *c, const struct quoit__run *run, size_t most,
			 struct quoit__run *next)
{
	struct quoit_spsc *const ring = c->ring;

	(void)most;
	(void)next;
	return ring->tail_seen - ring->head_own > run->n || quoit__spsc_arrived(ring) > run->n;
}

/* Has the last look come to this lane only now? Then it reads what is there, and no more. */
static size_t left_of(struct quoit__channel *c, struct quoit_spsc *ring)
{
	if (!c->in_lane)
		c->until = ring->head_own + quoit__spsc_arrived(ring);
	c->in_lane = true;
	return (size_t)(c->until - ring->head_own);
}

static bool spsc_last(struct quoit__channel *c, size_t most, struct quoit__run *run)
{
	const size_t left = left_of(c, c->ring);

	return left && spsc_take(c, quoit_min(most, left), run);
}

static void spsc_give_back(struct quoit__channel *c, struct quoit__run *run)
{
	struct quoit_spsc *const ring = c->ring;

#if QUOIT_CONFIG_ASSERT >= 2
	ring->reading = 0;
#endif
	quoit_spsc_advance(ring, run->n);
}

static bool spsc_has_news(struct quoit__channel *c)
{
	return quoit_spsc_has_news(c->ring);
}

static bool spsc_has_ended(struct quoit__channel *c)
{
	return quoit_spsc_is_drained(c->ring);
}

/* --- a lane for each producer ---------------------------------------------------------------- */

static int mpsc_attach(struct quoit__channel *c)
{
	return quoit_mpsc_attach(c->ring, quoit__channel_notify(c));
}

static int mpsc_detach(struct quoit__channel *c)
{
	return quoit_mpsc_detach(c->ring);
}

/* The first `n` that are readable in the run's lane, or those of them that lie together. */
static void set_run(struct quoit_mpsc *q, size_t n, struct quoit__run *run)
{
	const struct quoit_spans spans = quoit_spsc_readable_spans(&run->lane->ring, n);

	run->items = (char *)run->lane->slots + spans.at * q->item_bytes;
	run->n = spans.n;
#if QUOIT_CONFIG_ASSERT >= 2
	q->reading = true;
#endif
}

/*
 * One way round the lanes ends where it began, also over several runs: a lane that was left in the
 * middle of its quantum is the first one of the next. Only while busy are idle lanes skipped; a
 * look that finds nothing has skipped none.
 */
static bool mpsc_take(struct quoit__channel *c, size_t most, struct quoit__run *run)
{
	struct quoit_mpsc *const q = c->ring;
	struct quoit__mpsc_round round = quoit__mpsc_begin(q, !q->busy);
	size_t n = quoit__mpsc_find(q, &round, most, &run->lane);

	if (!n && round.skipped) {
		round = quoit__mpsc_begin(q, true);
		n = quoit__mpsc_find(q, &round, most, &run->lane);
	}
	q->busy = n != 0;
	if (!n)
		return false;
	set_run(q, n, run);
	return true;
}

/* How much is in this lane, without what is in hand; one that has some is not to be skipped. */
static bool lane_follows(struct quoit_mpsc_lane *lane, const struct quoit__run *run)
{
	const size_t in_hand = lane == run->lane ? run->n : 0;

	if (lane->ring.tail_seen - lane->ring.head_own <= in_hand &&
	    quoit__spsc_arrived(&lane->ring) <= in_hand)
		return false;
	lane->skip = 0;
	return true;
}

static bool mpsc_follows(struct quoit__channel *c, const struct quoit__run *run, size_t most,
			 struct quoit__run *next)
{
	struct quoit_mpsc *const q = c->ring;
	const uint32_t count = quoit_mpsc_lanes(q);

	(void)most;
	(void)next;
	if (lane_follows(run->lane, run))
		return true;
	for (uint32_t id = 0; id < count; id++)
		if (lane_follows(quoit__mpsc_lane(q, id), run))
			return true;
	return false;
}

/* Lanes whose producers have gone are given back: who registers may be in want of one. */
static bool mpsc_last(struct quoit__channel *c, size_t most, struct quoit__run *run)
{
	struct quoit_mpsc *const q = c->ring;

	for (; c->lane < quoit_mpsc_lanes(q); leave_lane(c)) {
		struct quoit_mpsc_lane *const lane = quoit__mpsc_lane(q, c->lane);
		const size_t left = left_of(c, &lane->ring);

		if (left) {
			run->lane = lane;
			set_run(q, quoit_min(most, left), run);
			return true;
		}
		(void)quoit__mpsc_look(q, lane);
	}
	return false;
}

static void mpsc_give_back(struct quoit__channel *c, struct quoit__run *run)
{
	struct quoit_mpsc *const q = c->ring;
	struct quoit__mpsc_round round = {quoit_mpsc_lanes(q), 1, false, false};
	struct quoit_spsc *const ring = &run->lane->ring;

#if QUOIT_CONFIG_ASSERT >= 2
	q->reading = false;
#endif
	quoit_spsc_advance(ring, run->n);
	if (quoit_unlikely(c->ending))
		return; /* no lane has a turn any more */
	/* Its turn is over when all that was known of it is read, or its quantum. */
	quoit__mpsc_taken(q, &round, run->n, ring->tail_seen == ring->head_own);
}

static bool mpsc_has_news(struct quoit__channel *c)
{
	return quoit_mpsc_has_news(c->ring);
}

static bool mpsc_has_ended(struct quoit__channel *c)
{
	return quoit_mpsc_is_drained(c->ring);
}

static void mpsc_rang(struct quoit__channel *c)
{
	quoit_mpsc_reset_skip(c->ring);
}

/* --- shared rings ---------------------------------------------------------------------------- */

static int spmc_attach(struct quoit__channel *c)
{
	struct quoit_spmc_consumer *const seat = c->ring;

	if (!seat->ring->lane.group)
		return -EINVAL;
	c->place = quoit_spmc_join(seat->ring, quoit__channel_notify(c));
	return c->place < 0 ? c->place : 0;
}

static int spmc_detach(struct quoit__channel *c)
{
	struct quoit_spmc_consumer *const seat = c->ring;

	return quoit_spmc_leave(seat->ring, c->place);
}

/* Was the loop called since this ring was looked at last? Then what is left is another's. */
static bool is_called(struct quoit__channel *c)
{
	const bool called = c->calls_seen != c->loop->calls;

	c->calls_seen = c->loop->calls;
	return called;
}

static void set_claimed(struct quoit__channel *c, struct quoit__run *run, void *slots)
{
	run->items = (char *)slots + run->claim.at * c->item_bytes;
	run->n = run->claim.n;
}

static bool spmc_take(struct quoit__channel *c, size_t most, struct quoit__run *run)
{
	struct quoit_spmc_consumer *const seat = c->ring;
	const size_t n = quoit_spmc_take(seat, most, &run->claim);

	if (is_called(c) && n)
		quoit_count(&c->stats.passed, quoit_spmc_pass_on(seat->ring));
	if (!n)
		return false;
	set_claimed(c, run, c->slots);
	return true;
}

static bool spmc_follows(struct quoit__channel *c, const struct quoit__run *run, size_t most,
			 struct quoit__run *next)
{
	(void)run;
	return spmc_take(c, most, next);
}

/*
 * Is there something in this lane that was published when the last look came there, and that nobody
 * has claimed?
 */
static bool is_left(struct quoit__channel *c, const struct quoit_lane *lane)
{
	if (!c->in_lane)
		/* publish: pairs with quoit_lane_publish() */
		c->until = quoit_load_acquire(&lane->tail);
	c->in_lane = true;
	/* claim: pairs with quoit_lane_claim(); who moved it on has what it moved past */
	return (int64_t)(c->until - quoit_load_acquire(&lane->claim)) > 0;
}

static bool spmc_last(struct quoit__channel *c, size_t most, struct quoit__run *run)
{
	const struct quoit_spmc_consumer *const seat = c->ring;

	return is_left(c, &seat->ring->lane) && spmc_take(c, most, run);
}

static void spmc_give_back(struct quoit__channel *c, struct quoit__run *run)
{
	quoit_spmc_release(c->ring, &run->claim, run->n);
}

static bool spmc_has_news(struct quoit__channel *c)
{
	const struct quoit_spmc_consumer *const seat = c->ring;

	return quoit_spmc_has_news(seat);
}

static bool spmc_has_ended(struct quoit__channel *c)
{
	const struct quoit_spmc_consumer *const seat = c->ring;
	const struct quoit_lane *const lane = &seat->ring->lane;

	/* Before the look; other consumers may still hold claims. finish: pairs with
	 * quoit_lane_finish() */
	return quoit_load_acquire(&lane->finished) && !quoit_lane_has_news(lane);
}

static int mpmc_attach(struct quoit__channel *c)
{
	struct quoit_mpmc_consumer *const seat = c->ring;

	if (!seat->ring->group)
		return -EINVAL;
	c->place = quoit_mpmc_join(seat->ring, quoit__channel_notify(c));
	return c->place < 0 ? c->place : 0;
}

static int mpmc_detach(struct quoit__channel *c)
{
	struct quoit_mpmc_consumer *const seat = c->ring;

	return quoit_mpmc_leave(seat->ring, c->place);
}

static bool mpmc_take(struct quoit__channel *c, size_t most, struct quoit__run *run)
{
	struct quoit_mpmc_consumer *const seat = c->ring;
	const size_t n = quoit_mpmc_take(seat, most, &run->claim);

	if (is_called(c) && n)
		quoit_count(&c->stats.passed, quoit_mpmc_pass_on(seat->ring));
	if (!n)
		return false;
	set_claimed(c, run, run->claim.lane->slots);
	return true;
}

static bool mpmc_follows(struct quoit__channel *c, const struct quoit__run *run, size_t most,
			 struct quoit__run *next)
{
	(void)run;
	return mpmc_take(c, most, next);
}

/* From this lane and no other, as long as there is something that the last look is for. */
static bool claim_last(struct quoit__channel *c, struct quoit_lane *lane, size_t most,
		       struct quoit_claim *claim)
{
	while (is_left(c, lane)) {
		uint64_t tail_seen = c->until;

		switch (quoit_lane_claim(lane, &tail_seen, most, claim)) {
		case QUOIT_CLAIM_GOT:
			return true;
		case QUOIT_CLAIM_EMPTY: /* the rest of it was void */
			return false;
		default:
			quoit_relax();
		}
	}
	return false;
}

static bool mpmc_last(struct quoit__channel *c, size_t most, struct quoit__run *run)
{
	struct quoit_mpmc_consumer *const seat = c->ring;

	for (; c->lane < quoit__mpmc_lanes(seat->ring); leave_lane(c)) {
		struct quoit_lane *const lane = &seat->ring->lanes[c->lane]->lane;

		if (!claim_last(c, lane, most, &run->claim))
			continue;
		if (is_called(c))
			quoit_count(&c->stats.passed, quoit_mpmc_pass_on(seat->ring));
		seat->held += run->claim.n;
		quoit__meter_hold(quoit__lane_meter(seat));
		set_claimed(c, run, lane->slots);
		return true;
	}
	return false;
}

static void mpmc_give_back(struct quoit__channel *c, struct quoit__run *run)
{
	quoit_mpmc_release(c->ring, &run->claim, run->n);
}

static bool mpmc_has_news(struct quoit__channel *c)
{
	const struct quoit_mpmc_consumer *const seat = c->ring;

	return quoit_mpmc_has_news(seat->ring);
}

static bool mpmc_has_ended(struct quoit__channel *c)
{
	const struct quoit_mpmc_consumer *const seat = c->ring;
	size_t count;

	if (!quoit_mpmc_is_closed(seat->ring))
		return false;
	count = quoit__mpmc_lanes(seat->ring); /* no more are opened, and none is taken over */
	for (size_t i = 0; i < count; i++)
		/* finish: pairs with quoit_lane_finish() */
		if (!quoit_load_acquire(&seat->ring->lanes[i]->lane.finished))
			return false;
	return !quoit_mpmc_has_news(seat->ring);
}

#define KIND(name, rang)                                                                     \
	{                                                                                    \
		name##_attach, name##_detach, name##_take, name##_follows, name##_give_back, \
			name##_last, name##_has_news, name##_has_ended, rang                 \
	}

static const struct quoit__channel_kind spsc = KIND(spsc, nothing);
static const struct quoit__channel_kind mpsc = KIND(mpsc, mpsc_rang);
static const struct quoit__channel_kind spmc = KIND(spmc, nothing);
static const struct quoit__channel_kind mpmc = KIND(mpmc, nothing);

const struct quoit__channel_kind *const quoit__channel_kinds[] = {
	[QUOIT__CHANNEL_SPSC] = &spsc,
	[QUOIT__CHANNEL_MPSC] = &mpsc,
	[QUOIT__CHANNEL_SPMC] = &spmc,
	[QUOIT__CHANNEL_MPMC] = &mpmc,
	[QUOIT__CHANNEL_SHRING] = &quoit__channel_shring,
};
