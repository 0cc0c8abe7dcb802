/* SPDX-License-Identifier: MIT */
/*
 * mpsc.c - three producers that come and go on a channel, often into each other's lanes.
 *
 * There are as many seats as producers, so one that comes back finds its lane unread, or another's
 * free, or has to wait for the consumer.
 */
#include <errno.h>

#include <quoit/rings/typed_mpsc.h>

#include <soak/soak.h>

#define SESSION_MOST 20000

QUOIT_MPSC(posts, struct soak_item);

static struct posts q;
static struct seat {
	QUOIT_ISOLATED struct posts_producer p;
	uint64_t left; /* of the session; 0: it has no seat */
} seats[SOAK_SIDE_MOST];

static void open_channel(struct soak_run *run)
{
	const struct quoit_mpsc_options options = {
		.capacity_slots = SOAK_CAPACITY,
		.producers_most = run->kind->producers,
	};

	for (size_t i = 0; i < SOAK_SIDE_MOST; i++)
		seats[i].left = 0;
	if (posts_create(&q, &options))
		abort();
}

static void close_channel(void)
{
	if (posts_destroy(&q))
		abort();
}

static void leave(struct soak_thread *t)
{
	if (seats[t->index].left && posts_deregister(&seats[t->index].p))
		abort();
	if (soak_is_last(t))
		quoit_mpsc_close(q.channel);
}

static bool is_drained(void)
{
	return quoit_mpsc_is_drained(q.channel);
}

static size_t send_seated(struct soak_thread *t, struct posts_producer *p, uint64_t number,
			  size_t want)
{
	const uint64_t dice = random_u64(&t->random);
	const uint32_t lane = p->seat.id;
	struct soak_item items[SOAK_BATCH], *to;
	size_t n = 0;

	switch (dice % 4) {
	case 0:
		for (; n < want; n++) {
			soak_fill(items, number + n, t->index, lane);
			if (!posts_send_one(p, items))
				break;
		}
		return n;
	case 1:
		want = quoit_min(want, SOAK_BATCH);
		soak_fill_all(items, want, number, t->index, lane);
		return posts_send(p, items, want);
	case 2:
		want = quoit_min(want, SOAK_BATCH);
		soak_fill_all(items, want, number, t->index, lane);
		return posts_send_all(p, items, want) ? want : 0;
	default:
		to = dice & 4 ? posts_reserve(p, want, &n) : posts_reserve_some(p, want, &n);
		if (!to)
			return 0;
		soak_fill_all(to, n, number, t->index, lane);
		soak_pause(t, n);
		posts_commit_later(p, n);
		if (dice & 24)
			posts_flush(p); /* or leave it to a later call, or to the leaving */
		return n;
	}
}

static size_t send(struct soak_thread *t, uint64_t number, size_t want)
{
	struct seat *const seat = &seats[t->index];
	size_t n;

	if (!seat->left) {
		const int rc = posts_register(&q, &seat->p);

		if (rc == -EUSERS)
			return 0;
		if (rc)
			abort();
		seat->left = 1 + random_below(&t->random, SESSION_MOST);
	}
	n = send_seated(t, &seat->p, number, quoit_min(want, seat->left));
	seat->left -= n;
	if (!seat->left && posts_deregister(&seat->p))
		abort();
	if (!n)
		posts_flush(&seat->p); /* full: what was left invisible may be all there is */
	return n;
}

static void handle(struct soak_item *items, size_t n, uint32_t id, void *ctx)
{
	(void)id;
	soak_note(ctx, items, n);
}

static size_t receive(struct soak_thread *t, size_t most)
{
	struct soak_item items[SOAK_BATCH];
	size_t n = 0;

	switch (random_below(&t->random, 6)) {
	case 0:
		return posts_consume(&q, most, handle, t);
	case 1:
		return posts_consume_up_to(&q, most, handle, t);
	case 2:
		return posts_drain_all(&q, handle, t);
	case 3:
		n = posts_recv(&q, items, quoit_min(most, SOAK_BATCH));
		break;
	case 4:
		n = posts_drain(&q, items, quoit_min(most, SOAK_BATCH));
		break;
	default:
		while (n < quoit_min(most, SOAK_BATCH) && posts_recv_one(&q, &items[n]))
			n++;
	}
	soak_note(t, items, n);
	return n;
}

const struct soak_kind soak_mpsc = {
	.name = "mpsc",
	.producers = 3,
	.consumers = 1,
	.open = open_channel,
	.close = close_channel,
	.leave = leave,
	.send = send,
	.receive = receive,
	.is_over = is_drained,
};
