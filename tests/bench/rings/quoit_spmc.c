/* SPDX-License-Identifier: MIT */
/* quoit_spmc.c - one producer, and consumers that claim from its lane. */
#include <quoit/rings/typed_shared.h>

#include "rings.h"

QUOIT_SPMC(items, struct item);

struct lane {
	struct items q;
	struct item *slots;
	struct quoit_lane_block *blocks;
	struct items_consumer consumers[THREADS_MOST];
	unsigned count;
};

static void *open_blocks(const struct run *run, size_t block_slots)
{
	const struct quoit_spmc_options options = {.capacity_slots = run->cell->capacity,
						   .block_slots = block_slots,
						   .consumers_most = THREADS_MOST};
	struct lane *const lane = pages(sizeof(*lane));

	lane->slots = pages(run->cell->capacity * sizeof(struct item));
	lane->blocks = pages(QUOIT_LANE_BLOCKS(run->cell->capacity) * sizeof(*lane->blocks));
	if (items_init(&lane->q, lane->slots, lane->blocks, &options))
		die("quoit: no lane of %zu", run->cell->capacity);
	for (; lane->count < run->cell->consumers; lane->count++)
		if (items_register_consumer(&lane->q, &lane->consumers[lane->count]))
			die("quoit: no consumer");
	return lane;
}

static void *open_lane(const struct run *run)
{
	return open_blocks(run, 0);
}

/* As the preset for throughput has them. */
static void *open_blocks_128(const struct run *run)
{
	return open_blocks(run, 128);
}

/* Readers that wait a little when they have caught up: 150 ns. */
static void *open_lingering(const struct run *run)
{
	struct lane *const lane = open_lane(run);

	for (unsigned i = 0; i < lane->count; i++)
		quoit_spmc_linger(&lane->consumers[i].seat, 4);
	return lane;
}

static void close_lane(void *queue)
{
	struct lane *const lane = queue;

	while (lane->count--)
		items_deregister_consumer(&lane->consumers[lane->count]);
	free(lane->blocks);
	free(lane->slots);
	free(lane);
}

static struct items *out_of(struct side *side)
{
	struct lane *const lane = side->queue;

	return &lane->q;
}

static struct items_consumer *in_of(struct side *side)
{
	struct lane *const lane = side->queue;

	return &lane->consumers[side->index];
}

/* --- one by one ------------------------------------------------------------------------------ */

ALWAYS_INLINE bool send_one(void *out, struct item *item)
{
	return items_send_one(out, item);
}

ALWAYS_INLINE bool pop(void *in, struct item *item)
{
	return items_pop(in, item);
}

ALWAYS_INLINE bool steal_one(void *in, struct item *item)
{
	return items_steal_one(in, item);
}

ALWAYS_INLINE size_t write_one(void *out, struct source *source, size_t n)
{
	(void)n;
	return one_send(out, source, send_one);
}

ALWAYS_INLINE size_t read_pop(void *in, struct sink *sink, size_t n)
{
	(void)n;
	return one_recv(in, sink, pop);
}

ALWAYS_INLINE size_t read_steal(void *in, struct sink *sink, size_t n)
{
	(void)n;
	return one_recv(in, sink, steal_one);
}

static void produce_one(struct side *side)
{
	produce(side, out_of(side), write_one);
}

static void consume_pop(struct side *side)
{
	consume(side, in_of(side), read_pop);
}

static void consume_steal(struct side *side)
{
	consume(side, in_of(side), read_steal);
}

/* --- batches in place ------------------------------------------------------------------------ */

ALWAYS_INLINE size_t write_place(void *out, struct source *source, size_t n)
{
	size_t granted;
	struct item *const at = items_reserve(out, n, &granted);

	if (!at)
		return 0;
	source_fill(source, at, granted, 0);
	items_commit(out, granted);
	source->next += granted;
	return granted;
}

ALWAYS_INLINE size_t read_place(void *in, struct sink *sink, size_t n)
{
	struct quoit_claim claim;
	const struct item *const at = items_take(in, n, &claim);
	const size_t got = at ? claim.n : 0;

	if (!at)
		return 0;
	sink_take(sink, at, got);
	items_release(in, &claim, got);
	return got;
}

static void produce_place(struct side *side)
{
	produce(side, out_of(side), write_place);
}

static void consume_place(struct side *side)
{
	consume(side, in_of(side), read_place);
}

/* --- batches by copy ------------------------------------------------------------------------- */

ALWAYS_INLINE size_t send_copy(void *out, struct item *items, size_t n)
{
	return items_send(out, items, n);
}

ALWAYS_INLINE size_t recv_copy(void *in, struct item *items, size_t most)
{
	return items_steal(in, items, most);
}

ALWAYS_INLINE size_t write_copy(void *state, struct source *source, size_t n)
{
	return copies_send(state, source, n, send_copy);
}

ALWAYS_INLINE size_t read_copy(void *state, struct sink *sink, size_t n)
{
	return copies_recv(state, sink, n, recv_copy);
}

static void produce_copy(struct side *side)
{
	struct copies copies = {.queue = out_of(side)};

	produce(side, &copies, write_copy);
}

static void consume_copy(struct side *side)
{
	struct copies copies = {.queue = in_of(side)};

	consume(side, &copies, read_copy);
}

const struct contender CONTENDERS(quoit_spmc)[] = {
	{"quoit", "pop", SPMC, NOW, open_lane, close_lane, produce_one, consume_pop, NULL, 0},
	{"quoit", "pop, lingering", SPMC, NOW, open_lingering, close_lane, produce_one, consume_pop,
	 NULL, 0},
	{"quoit", "steal_one", SPMC, NOW, open_lane, close_lane, produce_one, consume_steal, NULL,
	 0},
	{"quoit", "in place", SPMC, PLACE, open_lane, close_lane, produce_place, consume_place,
	 NULL, 0},
	{"quoit", "in place, blocks of 128", SPMC, PLACE, open_blocks_128, close_lane,
	 produce_place, consume_place, NULL, 0},
	{"quoit", "send, steal", SPMC, COPY | PLACE, open_lane, close_lane, produce_copy,
	 consume_copy, NULL, 0},
	{0},
};
