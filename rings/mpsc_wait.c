/* SPDX-License-Identifier: MIT */
/* mpsc_wait.c - the loops behind the blocking calls of a channel. A lane's are in spsc_wait.c. */
#include <errno.h>

#include <quoit/rings/mpsc_internal.h>
#include <quoit/rings/mpsc_wait.h>

int quoit_mpsc_send_parts_wait(struct quoit_mpsc_producer *producer, const void *items, size_t n,
			       const struct quoit_wait *how, size_t *sent)
{
	const size_t bytes = producer->channel->item_bytes;
	size_t done = 0;
	int rc = 0;

	while (!rc && done < n) {
		/* One slot is enough: whoever waits for more may wait beside room for a part. */
		rc = quoit_mpsc_wait_space(producer, 1, how);
		if (!rc)
			done += quoit__mpsc_send(producer, bytes,
						 (const char *)items + done * bytes, n - done);
	}
	if (rc != -EINVAL)
		*sent = done;
	return rc;
}

/*
 * Is there anything to read? Begins with the lane whose turn it is. Who looks here is about to
 * sleep, so it also lets others have the lanes whose producers have gone: nobody wakes it for that.
 */
static bool look_around(struct quoit_mpsc *channel)
{
	const uint32_t count = quoit_mpsc_lanes(channel);
	uint32_t id = channel->cursor;

	for (uint32_t left = count; left; left--, id = id + 1 < count ? id + 1 : 0) {
		struct quoit_mpsc_lane *const lane = quoit__mpsc_lane(channel, id);

		if (quoit_spsc_has_news(&lane->ring)) {
			lane->skip = 0;
			return true;
		}
		if (quoit_load(&lane->ring.finished)) /* hint: retire looks again */
			quoit__mpsc_retire(channel, lane);
	}
	return false;
}

static int wait_until(struct quoit_mpsc *channel, struct quoit_waiter *waiter, bool to_the_end)
{
	struct quoit_event *const data = channel->data_event;

	while (true) {
		const uint32_t key = quoit_waiter_arm(waiter, data);
		/* closed before the tails: what was published before the close is then found */
		const bool closed = quoit_mpsc_is_closed(channel);

		if (look_around(channel))
			return 0;
		if (closed && (!to_the_end || quoit_mpsc_is_drained(channel)))
			return -ESHUTDOWN;
		if (waiter->expired)
			return -ETIMEDOUT;
		quoit_waiter_wait(waiter, data, key);
	}
}

static int wait_for(struct quoit_mpsc *channel, const struct quoit_wait *how, bool to_the_end)
{
	struct quoit_meter_side *const side = quoit__mpsc_meter(channel);
	struct quoit_waiter waiter;
	int rc = quoit_wait_check(how);

	if (rc || (how->kind >= QUOIT_WAIT_BLOCK && !channel->data_event))
		return -EINVAL;
	QUOIT_ASSERT_HOT(!channel->reading); /* a handler must not wait */
	if (look_around(channel))
		return 0;

	const uint64_t since_ns = side ? quoit_clock_now_ns() : 0;
	quoit_waiter_init(&waiter, how);
	rc = wait_until(channel, &waiter, to_the_end);
	quoit__meter_wait(side, since_ns, waiter.spins);
	return rc;
}

int quoit_mpsc_wait_data(struct quoit_mpsc *channel, const struct quoit_wait *how)
{
	return wait_for(channel, how, false);
}

int quoit_mpsc_wait_rest(struct quoit_mpsc *channel, const struct quoit_wait *how)
{
	return wait_for(channel, how, true);
}
