/* SPDX-License-Identifier: MIT */
/*
 * rte.c - DPDK's rte_ring: all of it is inline, so its headers suffice. The struct is filled in
 * here as rte_ring_init() does it, with the array behind it.
 */
#include <string.h>

#include <rte_ring.h>
#include <rte_ring_elem.h>
#include <rte_ring_peek_zc.h>

#include "rings.h"

/* With RING_F_EXACT_SZ semantics: all `capacity` slots can be in use. */
static void *open_sync(const struct run *run, enum rte_ring_sync_type out,
		       enum rte_ring_sync_type in)
{
	const uint32_t capacity = (uint32_t)run->cell->capacity;
	struct rte_ring *const r =
		pages(sizeof(*r) + (size_t)capacity * sizeof(struct item) + QUOIT_LINE_BYTES);

	r->size = capacity;
	r->mask = capacity - 1;
	r->capacity = capacity - 1;
	r->prod.sync_type = out;
	r->cons.sync_type = in;
	if (out == RTE_RING_SYNC_MT_RTS)
		r->rts_prod.htd_max = capacity / 8;
	if (in == RTE_RING_SYNC_MT_RTS)
		r->rts_cons.htd_max = capacity / 8;
	return r;
}

static enum rte_ring_sync_type sync_if(bool shared, enum rte_ring_sync_type sync)
{
	return shared ? sync : RTE_RING_SYNC_ST;
}

static void *open_shared(const struct run *run, enum rte_ring_sync_type sync)
{
	return open_sync(run, sync_if(run->cell->producers > 1, sync),
			 sync_if(run->cell->consumers > 1, sync));
}

static void *open_mt(const struct run *run)
{
	return open_shared(run, RTE_RING_SYNC_MT);
}

static void *open_rts(const struct run *run)
{
	return open_shared(run, RTE_RING_SYNC_MT_RTS);
}

static void *open_hts(const struct run *run)
{
	return open_shared(run, RTE_RING_SYNC_MT_HTS);
}

/* --- copies ---------------------------------------------------------------------------------- */

#define ESIZE ((unsigned)sizeof(struct item))

/* In an SPSC cell the calls that know both sides; else those that look at the ring. */
#define RTE_CALLS(name, enqueue, dequeue)                                                       \
	ALWAYS_INLINE size_t send_bulk_##name(void *queue, struct item *items, size_t n)        \
	{                                                                                       \
		return rte_ring_##enqueue##_bulk_elem(queue, items, ESIZE, (unsigned)n, NULL);  \
	}                                                                                       \
	ALWAYS_INLINE size_t send_burst_##name(void *queue, struct item *items, size_t n)       \
	{                                                                                       \
		return rte_ring_##enqueue##_burst_elem(queue, items, ESIZE, (unsigned)n, NULL); \
	}                                                                                       \
	ALWAYS_INLINE size_t recv_bulk_##name(void *queue, struct item *items, size_t n)        \
	{                                                                                       \
		return rte_ring_##dequeue##_bulk_elem(queue, items, ESIZE, (unsigned)n, NULL);  \
	}                                                                                       \
	ALWAYS_INLINE size_t recv_burst_##name(void *queue, struct item *items, size_t n)       \
	{                                                                                       \
		return rte_ring_##dequeue##_burst_elem(queue, items, ESIZE, (unsigned)n, NULL); \
	}                                                                                       \
	ALWAYS_INLINE bool send_one_##name(void *queue, struct item *item)                      \
	{                                                                                       \
		return !rte_ring_##enqueue##_elem(queue, item, ESIZE);                          \
	}                                                                                       \
	ALWAYS_INLINE bool recv_one_##name(void *queue, struct item *item)                      \
	{                                                                                       \
		return !rte_ring_##dequeue##_elem(queue, item, ESIZE);                          \
	}                                                                                       \
	ALWAYS_INLINE size_t write_bulk_##name(void *state, struct source *source, size_t n)    \
	{                                                                                       \
		return copies_send(state, source, n, send_bulk_##name);                         \
	}                                                                                       \
	ALWAYS_INLINE size_t write_burst_##name(void *state, struct source *source, size_t n)   \
	{                                                                                       \
		return copies_send(state, source, n, send_burst_##name);                        \
	}                                                                                       \
	ALWAYS_INLINE size_t read_bulk_##name(void *state, struct sink *sink, size_t n)         \
	{                                                                                       \
		return copies_recv(state, sink, n, recv_bulk_##name);                           \
	}                                                                                       \
	ALWAYS_INLINE size_t read_burst_##name(void *state, struct sink *sink, size_t n)        \
	{                                                                                       \
		return copies_recv(state, sink, n, recv_burst_##name);                          \
	}                                                                                       \
	ALWAYS_INLINE size_t write_one_##name(void *state, struct source *source, size_t n)     \
	{                                                                                       \
		(void)n;                                                                        \
		return one_send(state, source, send_one_##name);                                \
	}                                                                                       \
	ALWAYS_INLINE size_t read_one_##name(void *state, struct sink *sink, size_t n)          \
	{                                                                                       \
		(void)n;                                                                        \
		return one_recv(state, sink, recv_one_##name);                                  \
	}                                                                                       \
	static void produce_bulk_##name(struct side *side)                                      \
	{                                                                                       \
		struct copies copies = {.queue = side->queue};                                  \
		produce(side, &copies, write_bulk_##name);                                      \
	}                                                                                       \
	static void produce_burst_##name(struct side *side)                                     \
	{                                                                                       \
		struct copies copies = {.queue = side->queue};                                  \
		produce(side, &copies, write_burst_##name);                                     \
	}                                                                                       \
	static void consume_burst_##name(struct side *side)                                     \
	{                                                                                       \
		struct copies copies = {.queue = side->queue};                                  \
		consume(side, &copies, read_burst_##name);                                      \
	}                                                                                       \
	static void produce_one_##name(struct side *side)                                       \
	{                                                                                       \
		produce(side, side->queue, write_one_##name);                                   \
	}                                                                                       \
	static void consume_one_##name(struct side *side)                                       \
	{                                                                                       \
		consume(side, side->queue, read_one_##name);                                    \
	}

RTE_CALLS(spsc, sp_enqueue, sc_dequeue)
RTE_CALLS(any, enqueue, dequeue)

static void consume_bulk_spsc(struct side *side)
{
	struct copies copies = {.queue = side->queue};

	consume(side, &copies, read_bulk_spsc);
}

static void pair_one(struct side *side)
{
	pair(side, side->queue, write_one_any, side->queue, read_one_any);
}

static void pair_bulk(struct side *side)
{
	struct copies out = {.queue = side->queue}, in = {.queue = side->queue};

	pair(side, &out, write_bulk_any, &in, read_burst_any);
}

static void pair_burst(struct side *side)
{
	struct copies out = {.queue = side->queue}, in = {.queue = side->queue};

	pair(side, &out, write_burst_any, &in, read_burst_any);
}

/* --- in place -------------------------------------------------------------------------------- */

ALWAYS_INLINE size_t fill(struct rte_ring *r, struct source *source, unsigned n,
			  const struct rte_ring_zc_data *at)
{
	if (!n)
		return 0;
	source_fill(source, at->ptr1, at->n1, 0);
	if (n > at->n1)
		source_fill(source, at->ptr2, n - at->n1, at->n1);
	rte_ring_enqueue_zc_elem_finish(r, n);
	source->next += n;
	return n;
}

ALWAYS_INLINE size_t take(struct rte_ring *r, struct sink *sink, unsigned n,
			  const struct rte_ring_zc_data *at)
{
	if (!n)
		return 0;
	sink_take(sink, at->ptr1, at->n1);
	if (n > at->n1)
		sink_take(sink, at->ptr2, n - at->n1);
	rte_ring_dequeue_zc_elem_finish(r, n);
	return n;
}

ALWAYS_INLINE size_t write_zc_bulk(void *queue, struct source *source, size_t n)
{
	struct rte_ring_zc_data at;

	n = rte_ring_enqueue_zc_bulk_elem_start(queue, ESIZE, (unsigned)n, &at, NULL);
	return fill(queue, source, (unsigned)n, &at);
}

ALWAYS_INLINE size_t write_zc_burst(void *queue, struct source *source, size_t n)
{
	struct rte_ring_zc_data at;

	n = rte_ring_enqueue_zc_burst_elem_start(queue, ESIZE, (unsigned)n, &at, NULL);
	return fill(queue, source, (unsigned)n, &at);
}

ALWAYS_INLINE size_t read_zc_bulk(void *queue, struct sink *sink, size_t n)
{
	struct rte_ring_zc_data at;

	n = rte_ring_dequeue_zc_bulk_elem_start(queue, ESIZE, (unsigned)n, &at, NULL);
	return take(queue, sink, (unsigned)n, &at);
}

ALWAYS_INLINE size_t read_zc_burst(void *queue, struct sink *sink, size_t n)
{
	struct rte_ring_zc_data at;

	n = rte_ring_dequeue_zc_burst_elem_start(queue, ESIZE, (unsigned)n, &at, NULL);
	return take(queue, sink, (unsigned)n, &at);
}

static void produce_zc_bulk(struct side *side)
{
	produce(side, side->queue, write_zc_bulk);
}

static void produce_zc_burst(struct side *side)
{
	produce(side, side->queue, write_zc_burst);
}

static void consume_zc_bulk(struct side *side)
{
	consume(side, side->queue, read_zc_bulk);
}

static void consume_zc_burst(struct side *side)
{
	consume(side, side->queue, read_zc_burst);
}

static void pair_zc(struct side *side)
{
	pair(side, side->queue, write_zc_bulk, side->queue, read_zc_burst);
}

#define SHARED	(MPSC | SPMC | MPMC | PAIR)
#define ONE	(NOW | BLOCK)
#define BATCHES (COPY | PLACE)

const struct contender CONTENDERS(rte)[] = {
	{"rte_ring", "sp, sc", SPSC, ONE, open_mt, free, produce_one_spsc, consume_one_spsc, NULL,
	 0},
	{"rte_ring", "bulk", SPSC, BATCHES, open_mt, free, produce_bulk_spsc, consume_bulk_spsc,
	 NULL, 0},
	{"rte_ring", "bulk, burst", SPSC, BATCHES, open_mt, free, produce_bulk_spsc,
	 consume_burst_spsc, NULL, 0},
	{"rte_ring", "burst", SPSC, BATCHES, open_mt, free, produce_burst_spsc, consume_burst_spsc,
	 NULL, 0},
	{"rte_ring", "zc bulk", SPSC, PLACE, open_mt, free, produce_zc_bulk, consume_zc_bulk, NULL,
	 0},
	{"rte_ring", "zc bulk, burst", SPSC, PLACE, open_mt, free, produce_zc_bulk,
	 consume_zc_burst, NULL, 0},
	{"rte_ring", "zc burst", SPSC, PLACE, open_mt, free, produce_zc_burst, consume_zc_burst,
	 NULL, 0},
	{"rte_ring", "mt", SHARED, ONE, open_mt, free, produce_one_any, consume_one_any, pair_one,
	 0},
	{"rte_ring", "rts", SHARED, ONE, open_rts, free, produce_one_any, consume_one_any, pair_one,
	 0},
	{"rte_ring", "hts", SHARED, ONE, open_hts, free, produce_one_any, consume_one_any, pair_one,
	 0},
	{"rte_ring", "mt bulk", SHARED, BATCHES, open_mt, free, produce_bulk_any, consume_burst_any,
	 pair_bulk, 0},
	{"rte_ring", "mt burst", SHARED, BATCHES, open_mt, free, produce_burst_any,
	 consume_burst_any, pair_burst, 0},
	{"rte_ring", "rts bulk", SHARED, BATCHES, open_rts, free, produce_bulk_any,
	 consume_burst_any, pair_bulk, 0},
	{"rte_ring", "hts zc bulk", SHARED, PLACE, open_hts, free, produce_zc_bulk,
	 consume_zc_burst, pair_zc, 0},
	{0},
};
