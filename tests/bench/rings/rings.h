/* SPDX-License-Identifier: MIT */
/*
 * rings.h - what all contenders of the ring benchmark have in common: the messages, the loops that
 * send and read them, and the table by which the driver (main.c) knows a contender.
 *
 * Rules, so that nobody needs to believe a figure: each message is a number or eight words derived
 * from one, the reader adds up every word of every message, and a run whose count or sum is wrong
 * ends the program. All contenders run the same loops, which are inlined around their calls: a
 * function given to produce() and its like is a constant there.
 *
 * Files of contenders are compiled twice, with ITEM_WORDS 1 (a u64) and 8 (a line).
 */
#ifndef TESTS_BENCH_RINGS_H
#define TESTS_BENCH_RINGS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include <quoit/numa/atomic.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ALWAYS_INLINE static inline __attribute__((always_inline, unused))

enum {
	THREADS_MOST = 4,
	BATCH_MOST = 1024,
	PAUSES_YIELD = 1 << 20, /* instead of pausing, give up the cpu */
};

/* Which rings a contender can stand for; bits. */
enum kind {
	SPSC = 1, /* one producer, one consumer */
	MPSC = 2, /* two producers, one consumer */
	SPMC = 4,
	MPMC = 8,  /* two and two */
	PAIR = 16, /* two threads, each of which sends a batch and reads one, in turn */
};

/* How messages get in and out; bits. */
enum style {
	NOW = 1,   /* one a call, each visible at once */
	BLOCK = 2, /* one a call, made visible when the ring likes */
	COPY = 4,  /* batches, from the sender's array to the reader's */
	PLACE = 8, /* batches, written and read in place where the ring can */
};

struct cell {
	const char *ring; /* "spsc", "mpmc-pair" ... */
	enum kind kind;
	enum style style;
	size_t item_words, capacity, batch;
	unsigned producers, consumers;
};

/* One run of one contender in one cell. */
struct run {
	const struct cell *cell;
	uint64_t total;	     /* messages */
	unsigned pauses;     /* after a call that did nothing, or PAUSES_YIELD */
	uint64_t trip_ticks; /* of a line to the other cpu and back, measured just before */
	void *queue;
	QUOIT_ISOLATED uint64_t producing; /* producers that are not through */
	QUOIT_ISOLATED uint64_t taken;	   /* messages read, told when a reader finds nothing */
};

/* One thread's part in it. */
struct side {
	struct run *run;
	void *queue;
	unsigned index; /* among the producers, or among the consumers */
	size_t batch;
	uint64_t first, end; /* numbers to send */
	uint64_t count, sum; /* found */
	uint64_t began_ns, ended_ns;
};

struct contender {
	const char *peer;
	const char *variant;
	unsigned kinds, styles;
	void *(*open)(const struct run *run);
	void (*close)(void *queue);
	void (*produce)(struct side *side);
	void (*consume)(struct side *side);
	void (*pair)(struct side *side); /* where it can be a PAIR */
	size_t capacity;		 /* the only one it is made for, or 0 */
};

/* The tables: ended by an entry without a peer. NAME_1 for u64 and NAME_8 for lines. */
#define CONTENDERS__(name, words) contenders_##name##_##words
#define CONTENDERS_(name, words)  CONTENDERS__(name, words)
#define CONTENDERS(name)	  CONTENDERS_(name, ITEM_WORDS)

__attribute__((noreturn, format(printf, 1, 2))) void die(const char *format, ...);

/* Zeroed, in whole pages that were touched. Freed by free(). */
void *pages(size_t bytes);

ALWAYS_INLINE void rest(unsigned pauses)
{
	if (pauses == PAUSES_YIELD)
		sched_yield();
	else
		for (unsigned n = pauses; n; n--)
			quoit_relax();
}

#ifdef ITEM_WORDS

/* --- messages -------------------------------------------------------------------------------- */

struct item {
	uint64_t w[ITEM_WORDS];
};

/* What is to be sent. By value in the loops: it lives in registers. */
struct source {
	uint64_t next, end;
};

/* What was read. */
struct sink {
	uint64_t count, sum;
};

ALWAYS_INLINE struct item item_of(uint64_t number)
{
	struct item item;

	for (unsigned k = 0; k < ITEM_WORDS; k++)
		item.w[k] = number + k;
	return item;
}

/* Write the next `n` messages; source_sent() says that they are gone. */
ALWAYS_INLINE void source_fill(const struct source *source, struct item *to, size_t n, size_t ahead)
{
	const uint64_t first = source->next + ahead;

	for (size_t i = 0; i < n; i++)
		for (unsigned k = 0; k < ITEM_WORDS; k++)
			to[i].w[k] = first + i + k;
}

ALWAYS_INLINE void sink_take(struct sink *sink, const struct item *items, size_t n)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < n; i++)
		for (unsigned k = 0; k < ITEM_WORDS; k++)
			sum += items[i].w[k];
	sink->sum += sum;
	sink->count += n;
}

/* --- loops ----------------------------------------------------------------------------------- */

/* Send up to `n` messages and move source->next on; gives how many, 0 if there was no room. */
typedef size_t (*write_fn)(void *state, struct source *source, size_t n);

/* Read up to `n` messages; gives how many. */
typedef size_t (*read_fn)(void *state, struct sink *sink, size_t n);

ALWAYS_INLINE void produce(struct side *side, void *state, write_fn write)
{
	struct source source = {side->first, side->end};
	const size_t batch = side->batch;
	const unsigned pauses = side->run->pauses;

	while (source.next < source.end)
		if (quoit_unlikely(
			    !write(state, &source, quoit_min(batch, source.end - source.next))))
			rest(pauses);
	(void)quoit_add(&side->run->producing, (uint64_t)-1);
}

/* Has everything been read? Asked by a reader that found nothing. */
ALWAYS_INLINE bool all_read(struct side *side, const struct sink *sink)
{
	struct run *const run = side->run;

	if (run->cell->consumers == 1)
		return sink->count == run->total;
	if (quoit_load_acquire(&run->producing))
		return false;
	if (sink->count != side->count) {
		(void)quoit_add(&run->taken, sink->count - side->count);
		side->count = sink->count;
	}
	return quoit_load_acquire(&run->taken) == run->total;
}

ALWAYS_INLINE void found(struct side *side, const struct sink *sink)
{
	side->count = sink->count;
	side->sum = sink->sum;
}

ALWAYS_INLINE void consume(struct side *side, void *state, read_fn read)
{
	struct sink sink = {0, 0};
	const size_t batch = side->batch;
	const unsigned pauses = side->run->pauses;

	for (;;) {
		if (quoit_likely(read(state, &sink, batch) != 0))
			continue;
		if (all_read(side, &sink))
			break;
		rest(pauses);
	}
	found(side, &sink);
}

/* A thread that is both: it sends a batch and reads one, in turn. */
ALWAYS_INLINE void pair(struct side *side, void *out, write_fn write, void *in, read_fn read)
{
	struct source source = {side->first, side->end};
	struct sink sink = {0, 0};
	const size_t batch = side->batch;
	const unsigned pauses = side->run->pauses;

	while (source.next < source.end) {
		const size_t sent = write(out, &source, quoit_min(batch, source.end - source.next));

		if (quoit_unlikely(!(sent | read(in, &sink, batch))))
			rest(pauses);
	}
	(void)quoit_add(&side->run->producing, (uint64_t)-1);
	for (;;) {
		if (read(in, &sink, batch))
			continue;
		if (all_read(side, &sink))
			break;
		rest(pauses);
	}
	found(side, &sink);
}

/* --- for rings that copy --------------------------------------------------------------------- */

typedef size_t (*send_fn)(void *queue, struct item *items, size_t n);
typedef size_t (*recv_fn)(void *queue, struct item *items, size_t most);
typedef bool (*send_one_fn)(void *queue, struct item *item);

/* The thread's own array; what the ring did not take stays for the next call. */
struct copies {
	void *queue;
	size_t at, left;
	struct item items[BATCH_MOST];
};

ALWAYS_INLINE size_t copies_send(struct copies *copies, struct source *source, size_t n,
				 send_fn send)
{
	size_t sent;

	if (!copies->left) {
		source_fill(source, copies->items, n, 0);
		copies->at = 0;
		copies->left = n;
	}
	sent = send(copies->queue, copies->items + copies->at, copies->left);
	copies->at += sent;
	copies->left -= sent;
	source->next += sent;
	return sent;
}

ALWAYS_INLINE size_t copies_recv(struct copies *copies, struct sink *sink, size_t n, recv_fn recv)
{
	const size_t got = recv(copies->queue, copies->items, n);

	if (got)
		sink_take(sink, copies->items, got);
	return got;
}

ALWAYS_INLINE size_t one_send(void *queue, struct source *source, send_one_fn send_one)
{
	struct item item = item_of(source->next);

	if (quoit_unlikely(!send_one(queue, &item)))
		return 0;
	source->next++;
	return 1;
}

ALWAYS_INLINE size_t one_recv(void *queue, struct sink *sink, send_one_fn recv_one)
{
	struct item item;

	if (!recv_one(queue, &item))
		return 0;
	sink_take(sink, &item, 1);
	return 1;
}

#endif

#ifdef __cplusplus
}
#endif

#endif
