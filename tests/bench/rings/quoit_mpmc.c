/* SPDX-License-Identifier: MIT */
/* quoit_mpmc.c - a lane for each producer, and consumers that claim from all of them. */
#include <quoit/rings/typed_shared.h>

#include "rings.h"

QUOIT_MPMC(items, struct item);

struct ring {
	struct items q;
	struct items_producer producers[THREADS_MOST];
	struct items_consumer consumers[THREADS_MOST];
	unsigned producer_count, consumer_count;
};

/* As many slots altogether as the others have. */
static void *open_blocks(const struct run *run, size_t block_slots)
{
	const struct quoit_mpmc_options options = {
		.capacity_slots = run->cell->capacity / run->cell->producers,
		.block_slots = block_slots,
		.producers_most = THREADS_MOST,
		.consumers_most = THREADS_MOST,
		.node = QUOIT_MPMC_NEAR,
	};
	struct ring *const ring = pages(sizeof(*ring));

	if (items_create(&ring->q, &options))
		die("quoit: no ring of %zu", run->cell->capacity);
	for (; ring->producer_count < run->cell->producers; ring->producer_count++)
		if (items_register_producer(&ring->q, &ring->producers[ring->producer_count]))
			die("quoit: no producer");
	for (; ring->consumer_count < run->cell->consumers; ring->consumer_count++)
		if (items_register_consumer(&ring->q, &ring->consumers[ring->consumer_count]))
			die("quoit: no consumer");
	return ring;
}

static void *open_ring(const struct run *run)
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
	struct ring *const ring = open_ring(run);

	for (unsigned i = 0; i < ring->consumer_count; i++)
		quoit_mpmc_linger(&ring->consumers[i].seat, 4);
	return ring;
}

static void close_ring(void *queue)
{
	struct ring *const ring = queue;

	while (ring->producer_count--)
		items_deregister_producer(&ring->producers[ring->producer_count]);
	while (ring->consumer_count--)
		items_deregister_consumer(&ring->consumers[ring->consumer_count]);
	items_destroy(&ring->q);
	free(ring);
}

static struct items_producer *out_of(struct side *side)
{
	struct ring *const ring = side->queue;

	return &ring->producers[side->index];
}

static struct items_consumer *in_of(struct side *side)
{
	struct ring *const ring = side->queue;

	return &ring->consumers[side->index];
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

/* --- both ends in one thread ----------------------------------------------------------------- */

static void pair_pop(struct side *side)
{
	pair(side, out_of(side), write_one, in_of(side), read_pop);
}

static void pair_steal(struct side *side)
{
	pair(side, out_of(side), write_one, in_of(side), read_steal);
}

static void pair_place(struct side *side)
{
	pair(side, out_of(side), write_place, in_of(side), read_place);
}

static void pair_copy(struct side *side)
{
	struct copies out = {.queue = out_of(side)}, in = {.queue = in_of(side)};

	pair(side, &out, write_copy, &in, read_copy);
}

#define BOTH (MPMC | PAIR)

const struct contender CONTENDERS(quoit_mpmc)[] = {
	{"quoit", "pop", BOTH, NOW, open_ring, close_ring, produce_one, consume_pop, pair_pop, 0},
	{"quoit", "pop, lingering", BOTH, NOW, open_lingering, close_ring, produce_one, consume_pop,
	 pair_pop, 0},
	{"quoit", "steal_one", BOTH, NOW, open_ring, close_ring, produce_one, consume_steal,
	 pair_steal, 0},
	{"quoit", "in place", BOTH, PLACE, open_ring, close_ring, produce_place, consume_place,
	 pair_place, 0},
	{"quoit", "in place, blocks of 128", BOTH, PLACE, open_blocks_128, close_ring,
	 produce_place, consume_place, pair_place, 0},
	{"quoit", "send, steal", BOTH, COPY | PLACE, open_ring, close_ring, produce_copy,
	 consume_copy, pair_copy, 0},
	{0},
};
