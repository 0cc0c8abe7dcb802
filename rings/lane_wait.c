/* SPDX-License-Identifier: MIT */
/* lane_wait.c - the loops behind a producer's blocking calls. They run only when it must wait. */
#include <errno.h>

#include <quoit/rings/lane_wait.h>

static bool has_space(struct quoit_lane *lane, size_t want)
{
	return quoit__lane_room(lane, want) >= want || quoit__lane_step_over(lane, want);
}

static uint64_t now_if(const struct quoit_meter_side *side)
{
	return side ? quoit_clock_now_ns() : 0;
}

size_t quoit_lane_reserve_backoff(struct quoit_lane *lane, size_t want, size_t *at)
{
	struct quoit_meter_side *const side = quoit__lane_meter(lane);
	struct quoit_backoff backoff = {0};
	size_t granted = quoit_lane_reserve(lane, want, at);

	if (granted || !want || want > quoit_lane_capacity(lane))
		return granted;

	const uint64_t since_ns = now_if(side);
	while (!granted && !quoit_lane_is_closed(lane) && !quoit_backoff_is_done(&backoff)) {
		quoit_backoff_snooze(&backoff);
		granted = quoit_lane_reserve(lane, want, at);
	}
	quoit__meter_wait(side, since_ns, backoff.step);
	return granted;
}

/*
 * What a wake-up for each complete block is enough for: the last block that is needed is complete,
 * so it was claimed to its end, and with it every block before it. Stepping over those that are
 * held then depends on nothing that could still come without a wake-up.
 */
static int wait_space(struct quoit_lane *lane, size_t want, struct quoit_waiter *waiter)
{
	struct quoit_event *const space = lane->waits ? &lane->waits->space : NULL;

	while (true) {
		const uint32_t key = quoit_waiter_arm(waiter, space);

		if (quoit_lane_is_closed(lane))
			return -ESHUTDOWN;
		if (has_space(lane, want))
			return 0;
		if (waiter->expired)
			return -ETIMEDOUT;
		quoit_waiter_wait(waiter, space, key);
	}
}

int quoit_lane_wait_space(struct quoit_lane *lane, size_t want, const struct quoit_wait *how)
{
	struct quoit_meter_side *const side = quoit__lane_meter(lane);
	struct quoit_waiter waiter;
	int rc = quoit_wait_check(how);

	if (rc || (how->kind >= QUOIT_WAIT_BLOCK && !lane->waits) || !want ||
	    want > quoit_lane_space_most(lane))
		return -EINVAL;
	if (!quoit_lane_is_closed(lane) && has_space(lane, want))
		return 0;
	if (quoit_lane_is_unpublished(lane))
		quoit_lane_flush(lane);

	const uint64_t since_ns = now_if(side);
	quoit_waiter_init(&waiter, how);
	rc = wait_space(lane, want, &waiter);
	quoit__meter_wait(side, since_ns, waiter.spins);
	return rc;
}

int quoit_lane_reserve_wait(struct quoit_lane *lane, size_t want, const struct quoit_wait *how,
			    size_t *at, size_t *granted)
{
	const int rc = quoit_lane_wait_space(lane, want, how);

	if (rc)
		return rc;

	const size_t n = quoit_lane_reserve(lane, want, at);
	if (!n)
		return -ESHUTDOWN; /* closed in between: nothing else takes space away */
	*granted = n;
	return 0;
}
