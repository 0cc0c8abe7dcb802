/* SPDX-License-Identifier: MIT */
/* shared_wait.c - the loop behind the consumers' blocking calls, the same for SPMC and MPMC. */
#include <errno.h>

#include <quoit/rings/shared_wait.h>

/* Where a consumer takes from, and when there is nothing to come. */
struct source {
	void *consumer;
	struct quoit_crowd *crowd;
	struct quoit_meter_side *meter;
	size_t (*take)(void *consumer, size_t most, struct quoit_claim *claim);
	bool (*has_news)(const void *consumer);
	bool (*has_ended)(const void *consumer);
};

static int wait_and_take(const struct source *from, size_t most, struct quoit_crowd_waiter *waiter,
			 struct quoit_claim *claim)
{
	while (true) {
		bool ended;

		quoit_crowd_ready(waiter);
		/* ended before the look: what was published before the end is then found */
		ended = from->has_ended(from->consumer);
		if (from->take(from->consumer, most, claim))
			return 0;
		if (ended)
			return -ESHUTDOWN;
		if (waiter->steps.expired)
			return -ETIMEDOUT;
		quoit_crowd_step(waiter);
	}
}

static int take_wait(const struct source *from, size_t most, const struct quoit_wait *how,
		     struct quoit_claim *claim)
{
	struct quoit_crowd_waiter waiter;
	uint64_t since_ns;
	int rc = quoit_wait_check(how);

	if (rc || (how->kind >= QUOIT_WAIT_BLOCK && !from->crowd) || !most)
		return -EINVAL;
	if (from->take(from->consumer, most, claim))
		return 0;
	since_ns = from->meter ? quoit_clock_now_ns() : 0;
	quoit_crowd_begin(&waiter, from->crowd, how);
	rc = wait_and_take(from, most, &waiter, claim);
	if (quoit_crowd_end(&waiter)) {
		/* Called for something, and nobody else was: at the last moment, perhaps. */
		if (rc && from->take(from->consumer, most, claim))
			rc = 0;
		if (from->has_news(from->consumer))
			quoit_crowd_signal(from->crowd);
	}
	quoit__meter_wait(from->meter, since_ns, waiter.steps.spins);
	return rc;
}

/* --- one producer ---------------------------------------------------------------------------- */

int quoit_spmc_attach_waits(struct quoit_spmc *ring, struct quoit_spmc_waits *waits)
{
	if (waits) {
		if (quoit_crowd_init(&waits->crowd, (size_t)ring->consumers_most))
			return -EINVAL;
		waits->lane = (struct quoit_lane_waits){.crowd = &waits->crowd};
	}
	quoit_lane_attach_waits(&ring->lane, waits ? &waits->lane : NULL);
	return 0;
}

static size_t spmc_take(void *consumer, size_t most, struct quoit_claim *claim)
{
	return quoit_spmc_take(consumer, most, claim);
}

static bool spmc_has_news(const void *consumer)
{
	return quoit_spmc_has_news(consumer);
}

static bool spmc_is_closed(const void *consumer)
{
	const struct quoit_spmc_consumer *const c = consumer;

	return quoit_lane_is_closed(&c->ring->lane);
}

static bool spmc_is_finished(const void *consumer)
{
	const struct quoit_spmc_consumer *const c = consumer;

	/* finish: pairs with quoit_lane_finish() */
	return quoit_load_acquire(&c->ring->lane.finished) != 0;
}

static int spmc_take_wait(struct quoit_spmc_consumer *consumer, size_t most,
			  const struct quoit_wait *how, struct quoit_claim *claim,
			  bool (*has_ended)(const void *))
{
	const struct quoit_lane_waits *const waits = consumer->ring->lane.waits;
	const struct source from = {
		.consumer = consumer,
		.crowd = waits ? waits->crowd : NULL,
		.meter = quoit__lane_meter(consumer),
		.take = spmc_take,
		.has_news = spmc_has_news,
		.has_ended = has_ended,
	};

	QUOIT_ASSERT_HOT(!quoit_spmc_unpopped(consumer)); /* it would wait for you */
	return take_wait(&from, most, how, claim);
}

int quoit_spmc_take_wait(struct quoit_spmc_consumer *consumer, size_t most,
			 const struct quoit_wait *how, struct quoit_claim *claim)
{
	return spmc_take_wait(consumer, most, how, claim, spmc_is_closed);
}

int quoit_spmc_take_rest_wait(struct quoit_spmc_consumer *consumer, size_t most,
			      const struct quoit_wait *how, struct quoit_claim *claim)
{
	return spmc_take_wait(consumer, most, how, claim, spmc_is_finished);
}

int quoit_spmc_next_wait(struct quoit_spmc_consumer *consumer, const struct quoit_wait *how,
			 struct quoit_claim *slot)
{
	if (!quoit_spmc_unpopped(consumer)) {
		const int rc =
			quoit_spmc_take_wait(consumer, QUOIT_SPMC_POP_MOST, how, &consumer->cursor);

		if (rc)
			return rc;
		consumer->caught_up = consumer->cursor.n < QUOIT_SPMC_POP_MOST / 2;
	}
	(void)quoit_spmc_next(consumer, slot); /* there is one */
	return 0;
}

/* --- many producers -------------------------------------------------------------------------- */

static size_t mpmc_take(void *consumer, size_t most, struct quoit_claim *claim)
{
	return quoit_mpmc_take(consumer, most, claim);
}

static bool mpmc_has_news(const void *consumer)
{
	const struct quoit_mpmc_consumer *const c = consumer;

	return quoit_mpmc_has_news(c->ring);
}

static bool mpmc_is_closed(const void *consumer)
{
	const struct quoit_mpmc_consumer *const c = consumer;

	return quoit_mpmc_is_closed(c->ring);
}

static bool mpmc_is_finished(const void *consumer)
{
	const struct quoit_mpmc_consumer *const c = consumer;
	size_t count;

	if (!quoit_mpmc_is_closed(c->ring))
		return false;
	count = quoit__mpmc_lanes(c->ring); /* no more are opened, and none is taken over */
	for (size_t i = 0; i < count; i++)
		/* finish: pairs with quoit_lane_finish() */
		if (!quoit_load_acquire(&c->ring->lanes[i]->lane.finished))
			return false;
	return true;
}

static int mpmc_take_wait(struct quoit_mpmc_consumer *consumer, size_t most,
			  const struct quoit_wait *how, struct quoit_claim *claim,
			  bool (*has_ended)(const void *))
{
	const struct source from = {
		.consumer = consumer,
		.crowd = consumer->ring->crowd,
		.meter = quoit__lane_meter(consumer),
		.take = mpmc_take,
		.has_news = mpmc_has_news,
		.has_ended = has_ended,
	};

	QUOIT_ASSERT_HOT(!quoit_mpmc_unpopped(consumer)); /* it would wait for you */
	return take_wait(&from, most, how, claim);
}

int quoit_mpmc_take_wait(struct quoit_mpmc_consumer *consumer, size_t most,
			 const struct quoit_wait *how, struct quoit_claim *claim)
{
	return mpmc_take_wait(consumer, most, how, claim, mpmc_is_closed);
}

int quoit_mpmc_take_rest_wait(struct quoit_mpmc_consumer *consumer, size_t most,
			      const struct quoit_wait *how, struct quoit_claim *claim)
{
	return mpmc_take_wait(consumer, most, how, claim, mpmc_is_finished);
}

int quoit_mpmc_next_wait(struct quoit_mpmc_consumer *consumer, const struct quoit_wait *how,
			 struct quoit_claim *slot)
{
	if (!quoit_mpmc_unpopped(consumer)) {
		const int rc =
			quoit_mpmc_take_wait(consumer, QUOIT_MPMC_POP_MOST, how, &consumer->cursor);

		if (rc)
			return rc;
		consumer->caught_up = consumer->cursor.n < QUOIT_MPMC_POP_MOST / 2;
	}
	(void)quoit_mpmc_next(consumer, slot); /* there is one */
	return 0;
}
