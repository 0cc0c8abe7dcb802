/* SPDX-License-Identifier: MIT */
/*
 * spsc.c - the ring of rings/spsc.h and rings/typed.h between two threads that spin.
 *
 * Every way of sending meets every way of reading, one by one and in blocks, at capacities 1, 2
 * and 4, and at positions that run through 2^64. The consumer knows which number must come next;
 * the race detector watches the slots and the fields of either side.
 */
#include <model/targets/list.h>
#include <model/targets/numbers.h>

enum sending {
	SEND,	    /* copies one in */
	SEND_TWO,   /* copies two in, around the wrap */
	RESERVE,    /* fills `batch` slots, or what there is, and commits */
	LATER,	    /* commits one by one and publishes every `batch` */
	SEND_MIXED, /* each of them, for each item */
};

enum reading {
	RECV,	    /* copies two out */
	READABLE,   /* what is contiguous */
	ONE,	    /* the first of what is contiguous */
	SPANS,	    /* both sides of the wrap */
	CONSUME,    /* hands both to a function */
	READ_MIXED, /* each of them, for each item */
	SEED_MIXED, /* some, and the predecessor's way, which broke the others (defect D-03) */
};

struct plan {
	unsigned capacity;
	unsigned items;
	unsigned batch;
	enum sending sending;
	enum reading reading;
	uint64_t position;
	bool observed;	 /* a third thread asks for the length */
	unsigned closes; /* the consumer closes when it has read so many, counted from 1 */
	bool by_close;	 /* the producer ends with a close, and the consumer looks for that */
};

static struct {
	struct lane lane;
	uint64_t observed;
} s;

static void name_all(const void *arg)
{
	(void)arg;
	LANE_NAMES(&s.lane, "");
}

static void setup(const void *arg)
{
	const struct plan *plan = arg;

	lane_setup(&s.lane, plan->capacity, plan->position);
}

/* --- producer -------------------------------------------------------------------------------- */

static size_t send_reserved(size_t batch, uint64_t number)
{
	size_t granted;
	uint64_t *slots = numbers_reserve_some(&s.lane.q, batch, &granted);

	if (!slots)
		return 0;
	for (size_t i = 0; i < granted; i++)
		slots[i] = number + i;
	numbers_commit(&s.lane.q, granted);
	return granted;
}

static size_t send_later(uint64_t number, size_t batch)
{
	size_t granted;
	uint64_t *slot = numbers_reserve(&s.lane.q, 1, &granted);

	if (!slot)
		return 0;
	*slot = number;
	quoit_spsc_commit_later(&s.lane.q.ring, 1);
	if (quoit_spsc_unpublished(&s.lane.q.ring) >= batch)
		quoit_spsc_publish(&s.lane.q.ring);
	return 1;
}

static size_t send_some(const struct plan *plan, enum sending how, uint64_t number)
{
	const size_t left = plan->items - (size_t)number;
	const uint64_t two[2] = {number, number + 1};

	switch (how) {
	case SEND:
		return numbers_send(&s.lane.q, two, 1);
	case SEND_TWO:
		return numbers_send(&s.lane.q, two, quoit_min(left, 2));
	case RESERVE:
		return send_reserved(quoit_min(plan->batch, left), number);
	default:
		return send_later(number, plan->batch);
	}
}

/* Another way is picked only after one has succeeded: a failed attempt changes nothing. */
static enum sending send_how(const struct plan *plan)
{
	return plan->sending == SEND_MIXED ? (enum sending)model_pick(SEND_MIXED) : plan->sending;
}

static void producer(const void *arg)
{
	const struct plan *plan = arg;

	enum sending how = send_how(plan);

	while (s.lane.sent < plan->items) {
		const size_t n = send_some(plan, how, s.lane.sent);

		s.lane.sent += n;
		if (n) {
			how = send_how(plan);
			continue;
		}
		/* Never wait with something unpublished. */
		if (quoit_spsc_unpublished(&s.lane.q.ring))
			quoit_spsc_publish(&s.lane.q.ring);
		if (plan->closes && quoit_spsc_is_closed(&s.lane.q.ring))
			break;
		quoit_relax();
	}
	if (plan->by_close)
		quoit_spsc_close(&s.lane.q.ring);
	else
		quoit_spsc_finish(&s.lane.q.ring);
}

/* --- consumer -------------------------------------------------------------------------------- */

/* As the predecessor did it: moves head by what it sees, but not the cached tail. */
static size_t seed_consume(void)
{
	struct quoit_spsc *ring = &s.lane.q.ring;
	const uint64_t tail = quoit_load_acquire(&ring->tail);
	const size_t n = (size_t)(tail - ring->head_own);

	for (size_t i = 0; i < n; i++)
		lane_take(&s.lane, &s.lane.slots[(ring->head_own + i) & ring->mask_consumer], 1);
	ring->head_own += n;
	quoit_store_release(&ring->head, ring->head_own);
	return n;
}

static size_t read_readable(size_t most)
{
	size_t n;
	uint64_t *items = numbers_readable(&s.lane.q, &n);

	if (!items)
		return 0;
	n = quoit_min(n, most);
	lane_take(&s.lane, items, n);
	numbers_advance(&s.lane.q, n);
	return n;
}

static size_t read_spans(void)
{
	const struct quoit_spans spans = quoit_spsc_readable_spans(&s.lane.q.ring, SLOTS_MOST);

	lane_take(&s.lane, s.lane.slots + spans.at, spans.n);
	lane_take(&s.lane, s.lane.slots, spans.rest);
	if (spans.n)
		quoit_spsc_advance(&s.lane.q.ring, spans.n + spans.rest);
	return spans.n + spans.rest;
}

static size_t read_some(enum reading how)
{
	uint64_t items[2];
	size_t n;

	switch (how) {
	case RECV:
		n = numbers_recv(&s.lane.q, items, 2);
		lane_take(&s.lane, items, n);
		return n;
	case READABLE:
		return read_readable(SLOTS_MOST);
	case SPANS:
		return read_spans();
	case CONSUME:
		return numbers_consume(&s.lane.q, SLOTS_MOST, lane_consumed, &s.lane);
	case ONE:
		return read_readable(1);
	default:
		return seed_consume();
	}
}

static enum reading read_how(const struct plan *plan)
{
	if (plan->reading == READ_MIXED)
		return (enum reading)model_pick(READ_MIXED);
	if (plan->reading == SEED_MIXED)
		return model_pick(2) ? SEED_MIXED : ONE;
	return plan->reading;
}

/* Whoever sees the close sees what its closer had published before. */
static void consume_until_closed(enum reading how)
{
	bool over;

	do {
		over = quoit_spsc_is_closed(&s.lane.q.ring);
		while (read_some(how))
			;
		if (!over)
			quoit_relax();
	} while (!over);
}

static void consumer(const void *arg)
{
	const struct plan *plan = arg;
	enum reading how = read_how(plan);
	bool closed = false;

	if (plan->by_close) {
		consume_until_closed(how);
		return;
	}
	while (!quoit_spsc_is_drained(&s.lane.q.ring)) {
		if (read_some(how))
			how = read_how(plan);
		else
			quoit_relax();
		if (plan->closes && !closed && s.lane.received >= plan->closes - 1) {
			quoit_spsc_close(&s.lane.q.ring);
			closed = true;
		}
	}
}

static void observer(const void *arg)
{
	const struct plan *plan = arg;

	for (unsigned i = 0; plan->observed && i < 2; i++)
		model_check(quoit_spsc_length(&s.lane.q.ring) <=
				    quoit_min(plan->capacity, plan->items),
			    "a length above what there ever was");
}

static void finish(const void *arg)
{
	const struct plan *plan = arg;

	model_check(s.lane.received == s.lane.sent, "what was committed was not all read");
	model_check(plan->closes || s.lane.sent == plan->items, "not everything was sent");
	model_check(s.lane.q.ring.head == plan->position + s.lane.sent, "head is wrong");
	model_check(s.lane.q.ring.tail == s.lane.q.ring.head, "head and tail differ");
}

static const struct model_target two = {
	.name = "spsc",
	.shared = &s,
	.bytes = sizeof(s),
	.name_all = name_all,
	.setup = setup,
	.threads = {{"producer", producer}, {"consumer", consumer}},
	.finish = finish,
};

static const struct model_target three = {
	.name = "spsc",
	.shared = &s,
	.bytes = sizeof(s),
	.name_all = name_all,
	.setup = setup,
	.threads = {{"producer", producer}, {"consumer", consumer}, {"observer", observer}},
	.finish = finish,
};

/* --- the list -------------------------------------------------------------------------------- */

#define GROUP "spsc"

#define MUTANT(text, sign, function, kind, order, ...)                                  \
	{                                                                               \
		.name = "spsc mutant: " text, .target = &two, .arg = PLAN(__VA_ARGS__), \
		MODEL_STALE(2, 2), .breaks = sign, .mutation = {                        \
			function,                                                       \
			kind,                                                           \
			order                                                           \
		}                                                                       \
	}

const struct model_case model_spsc_cases[] = {
	CORRECT("1 slot, one by one", two, 4, 1, .capacity = 1, .items = 4),
	CORRECT("2 slots, one by one, through 2^64", two, 3, 1, .capacity = 2, .items = 4,
		.position = UINT64_MAX - 1),
	CORRECT("4 slots, one by one", two, 2, 1, .capacity = 4, .items = 5, .reading = READABLE,
		.position = UINT64_MAX - 2),
	CORRECT("2 slots, blocks of 2", two, 2, 0, .capacity = 2, .items = 5, .batch = 2,
		.sending = RESERVE, .reading = SPANS, .position = UINT64_MAX),
	CORRECT("4 slots, blocks of 3", two, 3, 1, .capacity = 4, .items = 7, .batch = 3,
		.sending = RESERVE, .reading = CONSUME, .position = UINT64_MAX - 1),
	CORRECT("2 slots, published by twos", two, 3, 1, .capacity = 2, .items = 4, .batch = 2,
		.sending = LATER, .reading = READABLE),
	CORRECT("4 slots, published by threes", two, 3, 1, .capacity = 4, .items = 6, .batch = 3,
		.sending = LATER, .reading = SPANS, .position = UINT64_MAX - 3),
	CORRECT("2 slots, read in every way", two, 1, -1, .capacity = 2, .items = 3,
		.reading = READ_MIXED, .position = UINT64_MAX),
	CORRECT("4 slots, sent in every way", two, 1, 0, .capacity = 4, .items = 3, .batch = 2,
		.sending = SEND_MIXED, .reading = SPANS),
	CORRECT("2 slots, every way with every way", two, 0, -1, .capacity = 2, .items = 2,
		.batch = 2, .sending = SEND_MIXED, .reading = READ_MIXED),
	CORRECT("2 slots, somebody asks for the length", three, 1, 0, .capacity = 2, .items = 3,
		.observed = true),
	CORRECT("4 slots, somebody asks for the length of at most 2", three, 2, 1, .capacity = 4,
		.items = 2, .observed = true),
	CORRECT("2 slots, closed by the reader", two, 2, 1, .capacity = 2, .items = 4, .closes = 2),
	CORRECT("2 slots, published by twos, closed by the reader", two, 2, 1, .capacity = 2,
		.items = 4, .batch = 2, .sending = LATER, .closes = 1),
	CORRECT("2 slots, closed by the writer", two, 2, 1, .capacity = 2, .items = 3,
		.by_close = true),

	MUTANT("publish is relaxed", "race on slots", "quoit_spsc_publish", MODEL_STORE,
	       MODEL_RELAXED, .capacity = 2, .items = 3),
	MUTANT("arrived is relaxed", "race on slots", "quoit__spsc_arrived", MODEL_LOAD,
	       MODEL_RELAXED, .capacity = 2, .items = 3),
	MUTANT("advance is relaxed", "race on slots", "quoit__spsc_free", MODEL_STORE,
	       MODEL_RELAXED, .capacity = 2, .items = 3),
	MUTANT("freed is relaxed", "race on slots", "quoit__spsc_freed", MODEL_LOAD, MODEL_RELAXED,
	       .capacity = 2, .items = 3),
	MUTANT("finished is relaxed", "not all read", "quoit_spsc_finish", MODEL_STORE,
	       MODEL_RELAXED, .capacity = 2, .items = 2),
	MUTANT("finished is read relaxed", "not all read", "quoit_spsc_is_drained", MODEL_LOAD,
	       MODEL_RELAXED, .capacity = 2, .items = 2),
	MUTANT("closing is relaxed", "not all read", "quoit_spsc_close", MODEL_STORE, MODEL_RELAXED,
	       .capacity = 2, .items = 2, .by_close = true),
	MUTANT("closed is read relaxed", "not all read", "quoit_spsc_is_closed", MODEL_LOAD,
	       MODEL_RELAXED, .capacity = 2, .items = 2, .by_close = true),
	MUTANT("nothing is published", "not all read", "quoit_spsc_publish", MODEL_STORE,
	       MODEL_DROPPED, .capacity = 2, .items = 2),
	MUTANT("nothing is freed", "nobody goes on", "quoit__spsc_free", MODEL_STORE, MODEL_DROPPED,
	       .capacity = 2, .items = 3),
	MUTANT("one way of reading leaves the cached tail behind (D-03)", "not the next", NULL,
	       MODEL_LOAD, MODEL_RELAXED, .capacity = 2, .items = 3, .reading = SEED_MIXED),
	{.target = NULL},
};
