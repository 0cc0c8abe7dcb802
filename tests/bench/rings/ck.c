/* SPDX-License-Identifier: MIT */
/* ck.c - ConcurrencyKit's ring. It knows no batches: those go one by one, in place where it can. */
#include <string.h>

#include <ck_ring.h>

#include "rings.h"

/* A slot of ck's ring stays empty: twice the capacity, where that is the next power of two. */
struct ck {
	struct ck_ring ring;
	struct item *slots;
};

CK_RING_PROTOTYPE(item, item)

static void *open_ck(const struct run *run)
{
	struct ck *const q = pages(sizeof(*q));

	q->slots = pages(run->cell->capacity * sizeof(struct item));
	ck_ring_init(&q->ring, (unsigned)run->cell->capacity);
	return q;
}

static void close_ck(void *queue)
{
	struct ck *const q = queue;

	free(q->slots);
	free(q);
}

/* One write and one read function for each pair of calls, in batches of whatever size. */
#define CK_CALLS(kind, out)                                                                        \
	ALWAYS_INLINE size_t write_##kind(void *queue, struct source *source, size_t n)            \
	{                                                                                          \
		struct ck *const q = queue;                                                        \
		size_t sent = 0;                                                                   \
		for (; sent < n; sent++) {                                                         \
			struct item item = item_of(source->next);                                  \
			if (!ck_ring_enqueue_##kind##_item(&q->ring, q->slots, &item))             \
				break;                                                             \
			source->next++;                                                            \
		}                                                                                  \
		return sent;                                                                       \
	}                                                                                          \
	ALWAYS_INLINE size_t read_##kind(void *queue, struct sink *sink, size_t n)                 \
	{                                                                                          \
		struct ck *const q = queue;                                                        \
		struct item item;                                                                  \
		size_t got = 0;                                                                    \
		for (; got < n && ck_ring_##out##_##kind##_item(&q->ring, q->slots, &item); got++) \
			sink_take(sink, &item, 1);                                                 \
		return got;                                                                        \
	}                                                                                          \
	static void produce_##kind(struct side *side)                                              \
	{                                                                                          \
		produce(side, side->queue, write_##kind);                                          \
	}                                                                                          \
	static void consume_##kind(struct side *side)                                              \
	{                                                                                          \
		consume(side, side->queue, read_##kind);                                           \
	}

CK_CALLS(spsc, dequeue)
CK_CALLS(mpsc, dequeue)
CK_CALLS(spmc, dequeue)
CK_CALLS(mpmc, dequeue)

static void pair_mpmc(struct side *side)
{
	pair(side, side->queue, write_mpmc, side->queue, read_mpmc);
}

/* In place on the writing side, which is all that ck offers. */
ALWAYS_INLINE size_t write_in_place(void *queue, struct source *source, size_t n)
{
	struct ck *const q = queue;
	size_t sent = 0;

	for (; sent < n; sent++) {
		struct item *const at = ck_ring_enqueue_reserve_spsc_item(&q->ring, q->slots);

		if (!at)
			break;
		*at = item_of(source->next);
		ck_ring_enqueue_commit_spsc(&q->ring);
		source->next++;
	}
	return sent;
}

static void produce_in_place(struct side *side)
{
	produce(side, side->queue, write_in_place);
}

#define ANY (NOW | BLOCK | COPY | PLACE)

const struct contender CONTENDERS(ck)[] = {
	{"ck", "ring spsc", SPSC, ANY, open_ck, close_ck, produce_spsc, consume_spsc, NULL, 0},
	{"ck", "ring spsc, in place", SPSC, NOW | BLOCK | PLACE, open_ck, close_ck,
	 produce_in_place, consume_spsc, NULL, 0},
	{"ck", "ring mpsc", MPSC, ANY, open_ck, close_ck, produce_mpsc, consume_mpsc, NULL, 0},
	{"ck", "ring spmc", SPMC, ANY, open_ck, close_ck, produce_spmc, consume_spmc, NULL, 0},
	{"ck", "ring mpmc", MPMC | PAIR, ANY, open_ck, close_ck, produce_mpmc, consume_mpmc,
	 pair_mpmc, 0},
	{0},
};
