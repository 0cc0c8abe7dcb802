/* SPDX-License-Identifier: MIT */
/*
 * urcu.c - liburcu's wfcqueue: a list of nodes that anybody may put at its end, and that is emptied
 * as a whole by splicing it to a list of one's own. Each producer has nodes of its own, as many as
 * a ring would have slots, which are marked while they are on their way.
 */
#define _LGPL_SOURCE /* the inline functions */
#include <urcu/wfcqueue.h>

#include "rings.h"

struct node {
	struct cds_wfcq_node link;
	uint64_t busy;
	struct item item;
};

struct list {
	struct cds_wfcq_head head;
	struct cds_wfcq_tail tail;
};

struct urcu {
	QUOIT_ISOLATED struct cds_wfcq_tail tail; /* the producers' */
	QUOIT_ISOLATED struct cds_wfcq_head head; /* the consumers' */
	size_t nodes_each;			  /* a power of two */
	struct node *nodes;
	bool shared; /* by several consumers: take the lock */
};

/* A producer, a consumer, or both. */
struct end {
	struct urcu *q;
	struct node *nodes;
	size_t next, mask;
	struct list own; /* what a consumer has spliced off */
};

static void *open_urcu(const struct run *run)
{
	struct urcu *const q = pages(sizeof(*q));

	cds_wfcq_init(&q->head, &q->tail);
	q->nodes_each = run->cell->capacity / run->cell->producers;
	q->nodes = pages(run->cell->capacity * sizeof(struct node));
	q->shared = run->cell->consumers > 1;
	return q;
}

static void close_urcu(void *queue)
{
	struct urcu *const q = queue;

	cds_wfcq_destroy(&q->head, &q->tail);
	free(q->nodes);
	free(q);
}

static void begin(struct end *end, const struct side *side)
{
	end->q = side->queue;
	end->nodes = end->q->nodes + side->index * end->q->nodes_each;
	end->mask = end->q->nodes_each - 1;
	end->next = 0;
	cds_wfcq_init(&end->own.head, &end->own.tail);
}

static void finish(struct end *end)
{
	cds_wfcq_destroy(&end->own.head, &end->own.tail);
}

ALWAYS_INLINE struct node *next_node(struct end *end, const struct source *source)
{
	struct node *const node = &end->nodes[end->next & end->mask];

	if (quoit_load_acquire(&node->busy)) /* node: pairs with read_node() */
		return NULL;
	quoit_store(&node->busy, 1);
	end->next++;
	cds_wfcq_node_init(&node->link);
	source_fill(source, &node->item, 1, 0);
	return node;
}

/* Each node for itself. */
ALWAYS_INLINE size_t write_nodes(void *state, struct source *source, size_t n)
{
	struct end *const end = state;
	size_t sent = 0;

	for (; sent < n; sent++) {
		struct node *const node = next_node(end, source);

		if (!node)
			break;
		cds_wfcq_enqueue(&end->q->head, &end->q->tail, &node->link);
		source->next++;
	}
	return sent;
}

/* A list of a batch at once. */
ALWAYS_INLINE size_t write_list(void *state, struct source *source, size_t n)
{
	struct end *const end = state;
	struct __cds_wfcq_head head;
	struct cds_wfcq_tail tail;
	size_t sent = 0;

	__cds_wfcq_init(&head, &tail);
	for (; sent < n; sent++) {
		struct node *const node = next_node(end, source);

		if (!node)
			break;
		cds_wfcq_enqueue(&head, &tail, &node->link);
		source->next++;
	}
	if (sent)
		__cds_wfcq_splice_blocking(&end->q->head, &end->q->tail, &head, &tail);
	return sent;
}

ALWAYS_INLINE void read_node(struct sink *sink, struct cds_wfcq_node *link)
{
	struct node *const node = quoit_container_of(link, struct node, link);

	sink_take(sink, &node->item, 1);
	quoit_store_release(&node->busy, 0); /* node: pairs with next_node() */
}

ALWAYS_INLINE size_t read_nodes(void *state, struct sink *sink, size_t n)
{
	struct end *const end = state;
	struct urcu *const q = end->q;
	size_t got = 0;

	for (; got < n; got++) {
		struct cds_wfcq_node *const link =
			q->shared ? cds_wfcq_dequeue_blocking(&q->head, &q->tail)
				  : __cds_wfcq_dequeue_blocking(&q->head, &q->tail);

		if (!link)
			break;
		read_node(sink, link);
	}
	return got;
}

ALWAYS_INLINE size_t read_list(void *state, struct sink *sink, size_t n)
{
	struct end *const end = state;
	struct urcu *const q = end->q;
	size_t got = 0;

	if (cds_wfcq_empty(&end->own.head, &end->own.tail)) {
		if (cds_wfcq_empty(&q->head, &q->tail))
			return 0;
		if (q->shared)
			cds_wfcq_splice_blocking(&end->own.head, &end->own.tail, &q->head,
						 &q->tail);
		else
			__cds_wfcq_splice_blocking(&end->own.head, &end->own.tail, &q->head,
						   &q->tail);
	}
	for (; got < n; got++) {
		struct cds_wfcq_node *const link =
			__cds_wfcq_dequeue_blocking(&end->own.head, &end->own.tail);

		if (!link)
			break;
		read_node(sink, link);
	}
	return got;
}

static void produce_nodes(struct side *side)
{
	struct end end;

	begin(&end, side);
	produce(side, &end, write_nodes);
	finish(&end);
}

static void produce_list(struct side *side)
{
	struct end end;

	begin(&end, side);
	produce(side, &end, write_list);
	finish(&end);
}

static void consume_nodes(struct side *side)
{
	struct end end;

	begin(&end, side);
	consume(side, &end, read_nodes);
	finish(&end);
}

static void consume_list(struct side *side)
{
	struct end end;

	begin(&end, side);
	consume(side, &end, read_list);
	finish(&end);
}

static void pair_nodes(struct side *side)
{
	struct end end;

	begin(&end, side);
	pair(side, &end, write_nodes, &end, read_nodes);
	finish(&end);
}

static void pair_list(struct side *side)
{
	struct end end;

	begin(&end, side);
	pair(side, &end, write_list, &end, read_list);
	finish(&end);
}

#define ALL (SPSC | MPSC | SPMC | MPMC | PAIR)
#define ANY (NOW | BLOCK | COPY | PLACE)

const struct contender CONTENDERS(urcu)[] = {
	{"urcu", "wfcqueue", ALL, NOW | BLOCK, open_urcu, close_urcu, produce_nodes, consume_nodes,
	 pair_nodes, 0},
	{"urcu", "wfcqueue, splice", ALL, ANY, open_urcu, close_urcu, produce_nodes, consume_list,
	 pair_nodes, 0},
	{"urcu", "wfcqueue, lists", ALL, COPY | PLACE, open_urcu, close_urcu, produce_list,
	 consume_list, pair_list, 0},
	{0},
};
