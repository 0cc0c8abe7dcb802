/* SPDX-License-Identifier: MIT */
/*
 * channel_shring.c - how a loop reads a ring whose producer is another process, which it does not
 * trust.
 *
 *     before a sleep      the loop's flag is up: say in the ring that we sleep, fence, look
 *     the bell            any answer means the same: look. Not in front of the others: a peer that
 *                         rings for ever gets no more of a turn than one that sends
 *     a bell for nothing  ask whether the peer is there, and whether the ring is still the same
 *     the peer's pidfd    likewise
 *
 * A handler gets a private copy, unless the ring was attached as one of a trusted peer: what it has
 * checked does not change before it uses it. The slots are given back when it has returned, so that
 * whoever consumes after our death reads again what was not handled.
 *
 * Nothing here waits for the peer, and a run's length is checked by the ring before it is believed.
 */
#include <quoit/runtime/channel_internal.h>

#include <errno.h>
#include <poll.h>
#include <string.h>

#include <quoit/numa/region.h>
#include <quoit/rings/shring_create.h>
#include <quoit/rings/shring_wait.h>

#define COPY_MOST_BYTES ((size_t)64 * 1024) /* of a run, unless one item is larger */

/* What such a channel has besides, in a region that it lies in itself, with the copies behind. */
struct quoit__shring_seat {
	struct quoit_op *bell;	/* multishot poll on the ring's eventfd, which is never read */
	struct quoit_op *death; /* poll on the peer's pidfd; NULL: nobody has told which */
	char *copies;		/* NULL: handlers look in place */
	size_t copies_most;	/* items that there is room for */
	bool armed;		/* we have said that we sleep */
	bool asks;		/* something was heard: is the peer still there? */
	bool gone;		/* it is not */
	struct quoit_region region;
};

/* --- what is heard --------------------------------------------------------------------------- */

static void prepare_bell(struct quoit_op *op, struct io_uring_sqe *sqe)
{
	const struct quoit__channel *const c = op->ctx;

	io_uring_prep_poll_multishot(sqe, quoit_shring_bell(c->ring), POLLIN);
}

static void bell_heard(struct quoit_op *op, int res, uint32_t flags, bool last)
{
	struct quoit__channel *const c = op->ctx;

	(void)res; /* any answer means the same: look */
	(void)flags;
	quoit_count(&c->stats.bells, 1);
	c->seat->asks = true;
	if (last)
		quoit_op_start(op); /* fires at once if it was rung meanwhile */
}

static void prepare_death(struct quoit_op *op, struct io_uring_sqe *sqe)
{
	const struct quoit__channel *const c = op->ctx;

	io_uring_prep_poll_add(sqe, quoit_shring_pidfd(c->ring), POLLIN);
}

static void death_heard(struct quoit_op *op, int res, uint32_t flags, bool last)
{
	struct quoit__channel *const c = op->ctx;

	(void)flags;
	c->seat->asks = true;
	if (last && res <= 0) /* a lost completion, and cancelled for that; it is asked anyway */
		quoit_op_start(op);
}

/* --- coming and leaving ---------------------------------------------------------------------- */

static int open_seat(struct quoit__channel *c, const struct quoit_shring *ring)
{
	const size_t most = quoit_max(COPY_MOST_BYTES / c->item_bytes, 1);
	const size_t items = ring->in_place ? 0 : quoit_min((size_t)c->batch_items, most);
	const struct quoit_region_options place = {
		.bytes = sizeof(struct quoit__shring_seat) + QUOIT_SHRING_ALIGN_MAX +
			 items * c->item_bytes,
		.node = -1, /* that of the loop's thread, which fills it */
		.name = "quoit channel",
	};
	struct quoit_region region;
	const int rc = quoit_region_open(&region, &place, NULL);

	if (rc)
		return rc;
	c->seat = quoit_region_take(&region, sizeof(*c->seat), _Alignof(struct quoit__shring_seat));
	c->seat->copies_most = items;
	if (items)
		c->seat->copies =
			quoit_region_take(&region, items * c->item_bytes, QUOIT_SHRING_ALIGN_MAX);
	c->seat->region = region;
	return 0;
}

static void close_seat(struct quoit__channel *c)
{
	struct quoit_region region = c->seat->region;

	if (c->seat->bell)
		quoit_op_forget(c->seat->bell);
	if (c->seat->death)
		quoit_op_forget(c->seat->death);
	c->seat = NULL;
	quoit_region_close(&region);
}

static int listen_to(struct quoit__channel *c)
{
	struct quoit_ops *const ops = &c->loop->ops;
	struct quoit__shring_seat *const seat = c->seat;

	seat->bell = quoit_op_take(ops, prepare_bell, bell_heard, c);
	if (quoit_shring_pidfd(c->ring) >= 0)
		seat->death = quoit_op_take(ops, prepare_death, death_heard, c);
	if (!seat->bell || (quoit_shring_pidfd(c->ring) >= 0 && !seat->death))
		return -ENOBUFS;
	quoit_op_start(seat->bell);
	if (seat->death)
		quoit_op_start(seat->death);
	return 0;
}

static int attach(struct quoit__channel *c)
{
	struct quoit_shring *const ring = c->ring;
	int rc;

	if (ring->role != QUOIT_SHRING_CONSUMER || !(ring->flags & QUOIT_SHRING_FLAG_BELLS))
		return -EINVAL;
	rc = open_seat(c, ring);
	if (rc)
		return rc;
	/* An earlier peer may have filled it, so that it cannot be rung. Now it is empty, and what
	 * has come before is found by the first turn. */
	quoit_shring_hush(ring);
	rc = listen_to(c);
	if (rc)
		close_seat(c);
	return rc;
}

static int detach(struct quoit__channel *c)
{
	quoit_shring_disarm(c->ring);
	close_seat(c);
	return 0; /* nobody else knows of this loop: the peer rings the ring's own bell */
}

/* --- reading --------------------------------------------------------------------------------- */

static void awake(struct quoit__channel *c)
{
	if (quoit_likely(!c->seat->armed))
		return;
	c->seat->armed = false;
	quoit_shring_disarm(c->ring);
}

static bool take(struct quoit__channel *c, size_t most, struct quoit__run *run)
{
	struct quoit_shring *const ring = c->ring;
	struct quoit_spans spans;
	size_t n;

	awake(c);
	n = quoit_min((size_t)quoit__shring_available(ring), most);
	if (!n)
		return false;
	if (c->seat->copies)
		n = quoit_min(n, c->seat->copies_most);
	spans = quoit__spans_cut(ring->mine, n, ring->mask);
	if (c->seat->copies) {
		quoit__spans_drain(ring->slots, ring->slot_bytes, spans, c->seat->copies);
		run->items = c->seat->copies;
		run->n = n;
		return true;
	}
	run->items = ring->slots + spans.at * ring->slot_bytes;
	run->n = spans.n;
	return true;
}

static bool follows(struct quoit__channel *c, const struct quoit__run *run, size_t most,
		    struct quoit__run *next)
{
	struct quoit_shring *const ring = c->ring;

	(void)most;
	(void)next;
	return ring->seen - ring->mine > run->n || quoit__shring_arrived(ring) > run->n;
}

static void give_back(struct quoit__channel *c, struct quoit__run *run)
{
	quoit__shring_free(c->ring, run->n);
}

static bool last(struct quoit__channel *c, size_t most, struct quoit__run *run)
{
	struct quoit_shring *const ring = c->ring;
	uint64_t left;

	if (!c->in_lane)
		c->until = ring->mine + quoit__shring_arrived(ring);
	c->in_lane = true;
	left = c->until - ring->mine;
	return left && take(c, quoit_min(most, (size_t)left), run);
}

/* --- asking ---------------------------------------------------------------------------------- */

/*
 * Only when the loop is about to sleep does the ring learn that we do, and only then does the peer
 * ring. Should the flag be down again, somebody else has called us, and there is no sleep.
 */
static bool has_news(struct quoit__channel *c)
{
	struct quoit_shring *const ring = c->ring;

	if (quoit_load(&c->loop->wake.armed)) { /* ours: we have put it up ourselves */
		c->seat->armed = true;
		quoit_shring_arm(ring);
	}
	return quoit_shring_has_news(ring);
}

/* The end comes before the look: what was published before it is then found. */
static bool has_ended(struct quoit__channel *c)
{
	struct quoit__shring_seat *const seat = c->seat;
	struct quoit_shring *const ring = c->ring;
	bool closed;

	if (quoit_unlikely(seat->asks) && quoit_shring_is_empty(ring)) {
		seat->asks = false;
		seat->gone = quoit_shring_peer_state(ring, 0) == QUOIT_SHRING_DEAD;
		(void)quoit_shring_status(ring);
	}
	closed = quoit_shring_is_closed(ring);
	if (quoit_likely(!closed && !seat->gone) || quoit__shring_arrived(ring))
		return false;
	c->error = ring->error ? ring->error : closed ? 0 : -EOWNERDEAD;
	return true;
}

static void rang(struct quoit__channel *c)
{
	(void)c; /* it has no bell of the loop's */
}

const struct quoit__channel_kind quoit__channel_shring = {
	attach, detach, take, follows, give_back, last, has_news, has_ended, rang,
};
