/* SPDX-License-Identifier: MIT */
/* quoit_spsc.c - the ring for one producer and one consumer: cursors, in place, and by copy. */
#include <quoit/rings/typed.h>

#include "rings.h"

QUOIT_SPSC(items, struct item);

static void *open_gap(const struct run *run, uint64_t gap_ticks)
{
	struct items *const q = pages(sizeof(*q));

	if (items_init(q, pages(run->cell->capacity * sizeof(struct item)), run->cell->capacity))
		die("quoit: no ring of %zu", run->cell->capacity);
	quoit_spsc_set_gap(&q->ring, gap_ticks);
	return q;
}

static void *open_plain(const struct run *run)
{
	return open_gap(run, 0);
}

/* As the documentation has it. */
static void *open_usual_gap(const struct run *run)
{
	return open_gap(run, run->trip_ticks * 3 / 4);
}

static void *open_wide_gap(const struct run *run)
{
	return open_gap(run, run->trip_ticks * 3);
}

static void close_ring(void *queue)
{
	struct items *const q = queue;

	free(q->slots);
	free(q);
}

/* --- one by one, with cursors ---------------------------------------------------------------- */

ALWAYS_INLINE void write_all(struct side *side, bool now)
{
	QUOIT_CURSOR struct items_writer w = items_write(side->queue);
	uint64_t next = side->first;
	const uint64_t end = side->end;
	const unsigned pauses = side->run->pauses;

	while (next < end)
		if (quoit_likely(now ? items_put_now(&w, item_of(next))
				     : items_put(&w, item_of(next))))
			next++;
		else
			rest(pauses);
	items_write_end(&w);
}

static void write_blocks(struct side *side)
{
	write_all(side, false);
}

static void write_now(struct side *side)
{
	write_all(side, true);
}

static void read_all(struct side *side)
{
	QUOIT_CURSOR struct items_reader r = items_read(side->queue);
	struct sink sink = {0, 0};
	const unsigned pauses = side->run->pauses;
	struct item item;

	for (;;) {
		if (quoit_likely(items_take(&r, &item))) {
			sink_take(&sink, &item, 1);
			continue;
		}
		if (all_read(side, &sink))
			break;
		rest(pauses);
	}
	items_read_end(&r);
	found(side, &sink);
}

/* --- one by one, by calls -------------------------------------------------------------------- */

ALWAYS_INLINE bool send_one(void *queue, struct item *item)
{
	return items_send_one(queue, item);
}

ALWAYS_INLINE bool recv_one(void *queue, struct item *item)
{
	return items_recv_one(queue, item);
}

ALWAYS_INLINE size_t write_one(void *queue, struct source *source, size_t n)
{
	(void)n;
	return one_send(queue, source, send_one);
}

ALWAYS_INLINE size_t read_one(void *queue, struct sink *sink, size_t n)
{
	(void)n;
	return one_recv(queue, sink, recv_one);
}

static void produce_ones(struct side *side)
{
	produce(side, side->queue, write_one);
}

static void consume_ones(struct side *side)
{
	consume(side, side->queue, read_one);
}

/* --- batches in place ------------------------------------------------------------------------ */

ALWAYS_INLINE size_t write_place(void *queue, struct source *source, size_t n)
{
	size_t granted;
	struct item *const at = items_reserve(queue, n, &granted);

	if (!at)
		return 0;
	source_fill(source, at, granted, 0);
	items_commit(queue, granted);
	source->next += granted;
	return granted;
}

/* The same, letting the reader see each 4 KiB as soon as they are written. */
ALWAYS_INLINE size_t write_parts(void *queue, struct source *source, size_t n)
{
	struct quoit_spsc *const ring = &((struct items *)queue)->ring;
	size_t granted, part;
	struct item *const at = items_reserve(queue, n, &granted);

	if (!at)
		return 0;
	for (size_t i = 0; i < granted; i += part) {
		part = quoit_min(granted - i, 4096 / sizeof(struct item));
		source_fill(source, at + i, part, i);
		quoit_spsc_commit_later(ring, part);
		quoit_spsc_publish(ring);
	}
	quoit_spsc_flush(ring);
	source->next += granted;
	return granted;
}

ALWAYS_INLINE size_t read_place(void *queue, struct sink *sink, size_t n)
{
	size_t there;
	const struct item *const at = items_readable(queue, &there);

	if (!at)
		return 0;
	there = quoit_min(there, n);
	sink_take(sink, at, there);
	items_advance(queue, there);
	return there;
}

static void produce_place(struct side *side)
{
	produce(side, side->queue, write_place);
}

static void produce_parts(struct side *side)
{
	produce(side, side->queue, write_parts);
}

static void consume_place(struct side *side)
{
	consume(side, side->queue, read_place);
}

/* --- batches by copy ------------------------------------------------------------------------- */

ALWAYS_INLINE size_t send_copy(void *queue, struct item *items, size_t n)
{
	return items_send(queue, items, n);
}

ALWAYS_INLINE size_t send_all(void *queue, struct item *items, size_t n)
{
	return items_send_all(queue, items, n) ? n : 0;
}

ALWAYS_INLINE size_t recv_copy(void *queue, struct item *items, size_t most)
{
	return items_recv(queue, items, most);
}

ALWAYS_INLINE size_t write_copy(void *state, struct source *source, size_t n)
{
	return copies_send(state, source, n, send_copy);
}

ALWAYS_INLINE size_t write_copy_all(void *state, struct source *source, size_t n)
{
	return copies_send(state, source, n, send_all);
}

ALWAYS_INLINE size_t read_copy(void *state, struct sink *sink, size_t n)
{
	return copies_recv(state, sink, n, recv_copy);
}

static void produce_copy(struct side *side)
{
	struct copies copies = {.queue = side->queue};

	produce(side, &copies, write_copy);
}

static void produce_copy_all(struct side *side)
{
	struct copies copies = {.queue = side->queue};

	produce(side, &copies, write_copy_all);
}

static void consume_copy(struct side *side)
{
	struct copies copies = {.queue = side->queue};

	consume(side, &copies, read_copy);
}

const struct contender CONTENDERS(quoit_spsc)[] = {
	{"quoit", "cursor", SPSC, BLOCK, open_plain, close_ring, write_blocks, read_all, NULL, 0},
	{"quoit", "cursor, gap", SPSC, BLOCK, open_usual_gap, close_ring, write_blocks, read_all,
	 NULL, 0},
	{"quoit", "cursor, wide gap", SPSC, BLOCK, open_wide_gap, close_ring, write_blocks,
	 read_all, NULL, 0},
	{"quoit", "cursor", SPSC, NOW, open_plain, close_ring, write_now, read_all, NULL, 0},
	{"quoit", "cursor, gap", SPSC, NOW, open_usual_gap, close_ring, write_now, read_all, NULL,
	 0},
	{"quoit", "cursor, wide gap", SPSC, NOW, open_wide_gap, close_ring, write_now, read_all,
	 NULL, 0},
	{"quoit", "send_one", SPSC, NOW, open_plain, close_ring, produce_ones, consume_ones, NULL,
	 0},
	{"quoit", "in place", SPSC, PLACE, open_plain, close_ring, produce_place, consume_place,
	 NULL, 0},
	{"quoit", "in place, in parts", SPSC, PLACE, open_plain, close_ring, produce_parts,
	 consume_place, NULL, 0},
	{"quoit", "send, recv", SPSC, COPY, open_plain, close_ring, produce_copy, consume_copy,
	 NULL, 0},
	{"quoit", "send_all, recv", SPSC, COPY, open_plain, close_ring, produce_copy_all,
	 consume_copy, NULL, 0},
	{0},
};
