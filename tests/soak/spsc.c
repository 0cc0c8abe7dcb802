/* SPDX-License-Identifier: MIT */
/*
 * spsc.c - one producer, one consumer: at once, in blocks, by copies, in place, waiting, and all of
 * that in turns on one ring. Positions begin shortly before 2^32, which they pass at once.
 */
#include <quoit/rings/typed.h>

#include <soak/soak.h>

QUOIT_SPSC(packets, struct soak_item);

static struct packets q;
static struct soak_item slots[SOAK_CAPACITY];
static struct quoit_waits waits;

static void open_ring(struct soak_run *run)
{
	(void)run;
	q.slots = slots;
	if (quoit_spsc_init_at(&q.ring, SOAK_CAPACITY, (UINT64_C(1) << 32) - 700))
		abort();
}

static void open_ring_with_waits(struct soak_run *run)
{
	open_ring(run);
	quoit_spsc_attach_waits(&q.ring, &waits);
}

static void close_ring(void)
{
}

static void finish(struct soak_thread *t)
{
	(void)soak_is_last(t);
	quoit_spsc_finish(&q.ring);
}

static bool is_drained(void)
{
	return quoit_spsc_is_drained(&q.ring);
}

/* --- one by one, visible at once ------------------------------------------------------------- */

static size_t send_singly(struct soak_thread *t, uint64_t number, size_t want)
{
	size_t n = 0;

	if (random_u64(&t->random) & 1) {
		QUOIT_CURSOR struct packets_writer w = packets_write(&q);
		struct soak_item item;

		for (; n < want; n++) {
			soak_fill(&item, number + n, 0, 0);
			if (!packets_put_now(&w, item))
				break;
		}
		packets_write_end(&w);
		return n;
	}
	for (; n < want; n++) {
		struct soak_item item;

		soak_fill(&item, number + n, 0, 0);
		if (!packets_send_one(&q, &item))
			break;
	}
	return n;
}

static size_t receive_singly(struct soak_thread *t, size_t most)
{
	size_t n = 0;

	for (; n < most; n++) {
		struct soak_item item;

		if (!packets_recv_one(&q, &item))
			break;
		soak_note(t, &item, 1);
	}
	return n;
}

/* --- in blocks, through cursors -------------------------------------------------------------- */

static size_t send_blocks(struct soak_thread *t, uint64_t number, size_t want)
{
	QUOIT_CURSOR struct packets_writer w = packets_write(&q);
	struct soak_item item;
	size_t n = 0;

	for (; n < want; n++) {
		soak_fill(&item, number + n, 0, 0);
		if (!packets_put(&w, item))
			break;
	}
	soak_pause(t, n); /* the last block may be invisible for a while */
	packets_write_end(&w);
	return n;
}

static size_t receive_blocks(struct soak_thread *t, size_t most)
{
	QUOIT_CURSOR struct packets_reader r = packets_read(&q);
	const bool in_place = random_u64(&t->random) & 1;
	size_t n = 0;

	for (; n < most; n++) {
		const struct soak_item *at;
		struct soak_item item;

		at = in_place ? packets_take_ref(&r) : packets_take(&r, &item) ? &item : NULL;
		if (!at)
			break;
		soak_note(t, at, 1);
	}
	packets_read_end(&r);
	return n;
}

/* --- batches, copied ------------------------------------------------------------------------- */

static size_t send_copies(struct soak_thread *t, uint64_t number, size_t want)
{
	struct soak_item items[SOAK_BATCH];
	const size_t n = quoit_min(want, SOAK_BATCH);

	soak_fill_all(items, n, number, 0, 0);
	if (random_u64(&t->random) & 1)
		return packets_send(&q, items, n);
	return packets_send_all(&q, items, n) ? n : 0;
}

static size_t receive_copies(struct soak_thread *t, size_t most)
{
	struct soak_item items[SOAK_BATCH];
	const bool all_there_is = random_u64(&t->random) & 1;
	size_t n;

	most = quoit_min(most, SOAK_BATCH);
	n = all_there_is ? packets_drain(&q, items, most) : packets_recv(&q, items, most);
	soak_note(t, items, n);
	return n;
}

/* --- batches, in place ----------------------------------------------------------------------- */

static size_t send_in_place(struct soak_thread *t, uint64_t number, size_t want)
{
	const uint64_t dice = random_u64(&t->random);
	size_t n = 0;
	struct soak_item *const to =
		dice & 1 ? packets_reserve(&q, want, &n) : packets_reserve_some(&q, want, &n);

	if (!to)
		return 0;
	if (dice & 2)
		n = 1 + n / 2; /* leave the rest of the lease */
	soak_fill_all(to, n, number, 0, 0);
	soak_pause(t, n);
	if (dice & 4) {
		quoit_spsc_commit_later(&q.ring, n);
		quoit_spsc_flush(&q.ring);
	} else {
		packets_commit(&q, n);
	}
	return n;
}

static void handle(struct soak_item *items, size_t n, bool more, void *ctx)
{
	(void)more;
	soak_note(ctx, items, n);
}

static size_t walk(struct soak_thread *t, size_t most)
{
	struct packets_iter iter = packets_iter_begin(&q);
	const struct soak_item *item;
	size_t n = 0;

	for (; n < most && (item = packets_next(&iter)); n++)
		soak_note(t, item, 1);
	soak_pause(t, n);
	return quoit_spsc_iter_finish(&iter.at);
}

static size_t receive_in_place(struct soak_thread *t, size_t most)
{
	const struct soak_item *items;
	size_t n;

	switch (random_below(&t->random, 4)) {
	case 0:
		return packets_consume(&q, most, handle, t);
	case 1:
		return walk(t, most);
	case 2:
		items = packets_peek_many(&q, most, &n);
		if (!items)
			return 0;
		soak_note(t, items, n);
		return quoit_spsc_discard(&q.ring, n);
	default:
		items = packets_readable(&q, &n);
		if (!items)
			return 0;
		n = quoit_min(n, most);
		soak_note(t, items, n);
		soak_pause(t, n);
		packets_advance(&q, n);
		return n;
	}
}

/* --- waiting --------------------------------------------------------------------------------- */

static const struct quoit_wait until_woken = {.kind = QUOIT_WAIT_BLOCK};

static size_t send_waiting(struct soak_thread *t, uint64_t number, size_t want)
{
	struct soak_item items[SOAK_BATCH], *to;
	size_t n = quoit_min(want, SOAK_BATCH);

	if (random_u64(&t->random) & 1) {
		soak_fill_all(items, n, number, 0, 0);
		return packets_send_wait(&q, items, n, &until_woken) ? 0 : n;
	}
	if (packets_reserve_wait(&q, n, &until_woken, &to, &n))
		return 0;
	soak_fill_all(to, n, number, 0, 0);
	packets_commit(&q, n);
	return n;
}

static size_t receive_waiting(struct soak_thread *t, size_t most)
{
	struct soak_item items[SOAK_BATCH];
	size_t n = 0;

	if (random_u64(&t->random) & 1) {
		if (packets_consume_wait(&q, most, &until_woken, &n, handle, t))
			return 0;
		return n;
	}
	if (packets_recv_wait(&q, items, quoit_min(most, SOAK_BATCH), &until_woken, &n))
		return 0;
	soak_note(t, items, n);
	return n;
}

/* --- everything in turns --------------------------------------------------------------------- */

static size_t send_mixed(struct soak_thread *t, uint64_t number, size_t want)
{
	static size_t (*const ways[])(struct soak_thread *, uint64_t, size_t) = {
		send_singly, send_blocks, send_copies, send_in_place, send_waiting,
	};

	return ways[random_below(&t->random, 5)](t, number, want);
}

static size_t receive_mixed(struct soak_thread *t, size_t most)
{
	static size_t (*const ways[])(struct soak_thread *, size_t) = {
		receive_singly, receive_blocks, receive_copies, receive_in_place, receive_waiting,
	};

	return ways[random_below(&t->random, 5)](t, most);
}

#define SPSC_KIND(label, way, open_it)                                          \
	{                                                                       \
		.name = label, .producers = 1, .consumers = 1, .open = open_it, \
		.close = close_ring, .leave = finish, .send = send_##way,       \
		.receive = receive_##way, .is_over = is_drained,                \
	}

const struct soak_kind soak_spsc = SPSC_KIND("spsc", singly, open_ring);
const struct soak_kind soak_spsc_blocks = SPSC_KIND("spsc-blocks", blocks, open_ring);
const struct soak_kind soak_spsc_copies = SPSC_KIND("spsc-copies", copies, open_ring);
const struct soak_kind soak_spsc_in_place = SPSC_KIND("spsc-in-place", in_place, open_ring);
const struct soak_kind soak_spsc_waits = SPSC_KIND("spsc-waits", waiting, open_ring_with_waits);
const struct soak_kind soak_spsc_mixed = SPSC_KIND("spsc-mixed", mixed, open_ring_with_waits);
