/* SPDX-License-Identifier: MIT */
/* quoit_mpsc.c - the channel of many producers and one consumer: a lane for each producer. */
#include <quoit/rings/typed_mpsc.h>

#include "rings.h"

QUOIT_MPSC(items, struct item);

struct channel {
	struct items q;
	struct items_producer producers[THREADS_MOST];
	unsigned count;
};

/* As many slots altogether as the others have. */
static void *open_channel(const struct run *run)
{
	struct channel *const channel = pages(sizeof(*channel));
	const struct quoit_mpsc_options options = {
		.capacity_slots = run->cell->capacity / run->cell->producers,
		.producers_most = THREADS_MOST,
	};

	if (items_create(&channel->q, &options))
		die("quoit: no channel of %zu", run->cell->capacity);
	for (; channel->count < run->cell->producers; channel->count++)
		if (items_register(&channel->q, &channel->producers[channel->count]))
			die("quoit: no producer");
	return channel;
}

static void close_channel(void *queue)
{
	struct channel *const channel = queue;

	while (channel->count--) {
		quoit_mpsc_adopt(&channel->producers[channel->count].seat);
		if (items_deregister(&channel->producers[channel->count]))
			die("quoit: the producer is not there");
	}
	if (items_destroy(&channel->q))
		die("quoit: the channel is in use");
	free(channel);
}

static struct items_producer *producer_of(struct side *side)
{
	struct channel *const channel = side->queue;

	quoit_mpsc_adopt(&channel->producers[side->index].seat);
	return &channel->producers[side->index];
}

static struct items *consumer_of(struct side *side)
{
	struct channel *const channel = side->queue;

	return &channel->q;
}

/* --- one by one ------------------------------------------------------------------------------ */

ALWAYS_INLINE bool send_one(void *producer, struct item *item)
{
	return items_send_one(producer, item);
}

ALWAYS_INLINE bool recv_one(void *queue, struct item *item)
{
	return items_recv_one(queue, item);
}

ALWAYS_INLINE size_t write_one(void *producer, struct source *source, size_t n)
{
	(void)n;
	return one_send(producer, source, send_one);
}

ALWAYS_INLINE size_t read_one(void *queue, struct sink *sink, size_t n)
{
	(void)n;
	return one_recv(queue, sink, recv_one);
}

static void produce_one(struct side *side)
{
	produce(side, producer_of(side), write_one);
}

static void consume_one(struct side *side)
{
	consume(side, consumer_of(side), read_one);
}

static void write_now(struct side *side)
{
	QUOIT_CURSOR struct items_writer w = items_write(producer_of(side));
	const unsigned pauses = side->run->pauses;
	uint64_t next = side->first;

	while (next < side->end)
		if (quoit_likely(items_put_now(&w, item_of(next))))
			next++;
		else
			rest(pauses);
	items_write_end(&w);
}

/* --- batches in place ------------------------------------------------------------------------ */

ALWAYS_INLINE size_t write_place(void *producer, struct source *source, size_t n)
{
	size_t granted;
	struct item *const at = items_reserve(producer, n, &granted);

	if (!at)
		return 0;
	source_fill(source, at, granted, 0);
	items_commit(producer, granted);
	source->next += granted;
	return granted;
}

static void on_items(struct item *items, size_t n, uint32_t id, void *sink)
{
	(void)id;
	sink_take(sink, items, n);
}

ALWAYS_INLINE size_t read_place(void *queue, struct sink *sink, size_t n)
{
	return items_consume(queue, n, on_items, sink);
}

static void produce_place(struct side *side)
{
	produce(side, producer_of(side), write_place);
}

static void consume_place(struct side *side)
{
	consume(side, consumer_of(side), read_place);
}

/* --- batches by copy ------------------------------------------------------------------------- */

ALWAYS_INLINE size_t send_copy(void *producer, struct item *items, size_t n)
{
	return items_send(producer, items, n);
}

ALWAYS_INLINE size_t recv_copy(void *queue, struct item *items, size_t most)
{
	return items_recv(queue, items, most);
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
	struct copies copies = {.queue = producer_of(side)};

	produce(side, &copies, write_copy);
}

static void consume_copy(struct side *side)
{
	struct copies copies = {.queue = consumer_of(side)};

	consume(side, &copies, read_copy);
}

const struct contender CONTENDERS(quoit_mpsc)[] = {
	{"quoit", "send_one, recv_one", MPSC, NOW, open_channel, close_channel, produce_one,
	 consume_one, NULL, 0},
	{"quoit", "cursor, recv_one", MPSC, NOW, open_channel, close_channel, write_now,
	 consume_one, NULL, 0},
	{"quoit", "in place", MPSC, PLACE, open_channel, close_channel, produce_place,
	 consume_place, NULL, 0},
	{"quoit", "send, recv", MPSC, COPY | PLACE, open_channel, close_channel, produce_copy,
	 consume_copy, NULL, 0},
	{0},
};
