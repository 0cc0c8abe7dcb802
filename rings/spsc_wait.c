/* SPDX-License-Identifier: MIT */
/* spsc_wait.c - the loops behind the blocking calls of a ring. They run only when it must wait. */
#include <errno.h>

#include <quoit/rings/spsc_wait.h>

static int check(const struct quoit_event *event, const struct quoit_wait *how)
{
	const int rc = quoit_wait_check(how);

	if (rc)
		return rc;
	return how->kind >= QUOIT_WAIT_BLOCK && !event ? -EINVAL : 0;
}

static uint64_t now_if(const struct quoit_meter_side *side)
{
	return side ? quoit_clock_now_ns() : 0;
}

size_t quoit_spsc_reserve_backoff(struct quoit_spsc *ring, size_t want, size_t *at)
{
	struct quoit_meter_side *const side = quoit__spsc_meter(ring, producer);
	struct quoit_backoff backoff = {0};
	size_t granted = quoit_spsc_reserve(ring, want, at);

	if (granted || !want || want > quoit_spsc_capacity(ring))
		return granted;

	const uint64_t since_ns = now_if(side);
	while (!granted && !quoit_spsc_is_closed(ring) && !quoit_backoff_is_done(&backoff)) {
		quoit_backoff_snooze(&backoff);
		granted = quoit_spsc_reserve(ring, want, at);
	}
	quoit__meter_wait(side, since_ns, backoff.step);
	return granted;
}

static int wait_space(struct quoit_spsc *ring, size_t want, struct quoit_waiter *waiter)
{
	struct quoit_event *const space = ring->space_event;

	while (true) {
		const uint32_t key = quoit_waiter_arm(waiter, space);

		if (quoit_spsc_is_closed(ring))
			return -ESHUTDOWN;
		if (quoit__spsc_freed(ring) >= want)
			return 0;
		if (waiter->expired)
			return -ETIMEDOUT;
		quoit_waiter_wait(waiter, space, key);
	}
}

int quoit_spsc_wait_space(struct quoit_spsc *ring, size_t want, const struct quoit_wait *how)
{
	struct quoit_meter_side *const side = quoit__spsc_meter(ring, producer);
	struct quoit_waiter waiter;
	int rc = check(ring->space_event, how);

	if (rc || !want || want > quoit_spsc_capacity(ring))
		return -EINVAL;
	if (!quoit_spsc_is_closed(ring) && quoit__spsc_room(ring, want) >= want)
		return 0;
	if (quoit_spsc_unpublished(ring))
		quoit_spsc_flush(ring);

	const uint64_t since_ns = now_if(side);
	quoit_waiter_init(&waiter, how);
	rc = wait_space(ring, want, &waiter);
	quoit__meter_wait(side, since_ns, waiter.spins);
	return rc;
}

static int wait_data(struct quoit_spsc *ring, struct quoit_waiter *waiter)
{
	struct quoit_event *const data = ring->data_event;

	while (true) {
		const uint32_t key = quoit_waiter_arm(waiter, data);
		/* closed before tail: what was published before the close is then found */
		const bool closed = quoit_spsc_is_closed(ring);

		if (quoit_spsc_has_news(ring))
			return 0;
		if (closed)
			return -ESHUTDOWN;
		if (waiter->expired)
			return -ETIMEDOUT;
		quoit_waiter_wait(waiter, data, key);
	}
}

int quoit_spsc_wait_data(struct quoit_spsc *ring, const struct quoit_wait *how)
{
	struct quoit_meter_side *const side = quoit__spsc_meter(ring, consumer);
	struct quoit_waiter waiter;
	int rc = check(ring->data_event, how);

	if (rc)
		return rc;
	QUOIT_ASSERT_HOT(!ring->reading); /* end the cursor before you wait */
	if (ring->tail_seen != ring->head_own || quoit_spsc_has_news(ring))
		return 0;

	const uint64_t since_ns = now_if(side);
	quoit_waiter_init(&waiter, how);
	rc = wait_data(ring, &waiter);
	quoit__meter_wait(side, since_ns, waiter.spins);
	return rc;
}

int quoit_spsc_reserve_wait(struct quoit_spsc *ring, size_t want, const struct quoit_wait *how,
			    size_t *at, size_t *granted)
{
	const int rc = quoit_spsc_wait_space(ring, want, how);

	if (rc)
		return rc;

	const size_t n = quoit_spsc_reserve(ring, want, at);
	if (!n)
		return -ESHUTDOWN; /* closed in between: nothing else takes space away */
	*granted = n;
	return 0;
}
