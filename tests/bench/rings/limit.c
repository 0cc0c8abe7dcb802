/* SPDX-License-Identifier: MIT */
/*
 * limit.c - what the machine can do: a buffer of the ring's size handed over block by block, a flag
 * on a line of its own for each block, and nothing else. The writer fills a block in place, the
 * reader adds up all of it. A ring that comes near has nothing left to lose.
 */
#include <string.h>

#include "rings.h"

struct flag {
	QUOIT_ISOLATED uint64_t full;
};

struct limit {
	size_t blocks, block_items;
	struct item *items;
	struct flag *flags;
};

static void *open_blocks(const struct run *run, size_t bytes)
{
	struct limit *const limit = pages(sizeof(*limit));
	const size_t all = run->cell->capacity * sizeof(struct item);

	if (bytes > all / 4)
		bytes = all / 4;
	limit->block_items = bytes / sizeof(struct item);
	limit->blocks = all / bytes;
	limit->items = pages(all);
	limit->flags = pages(limit->blocks * sizeof(struct flag));
	return limit;
}

static void *open_256(const struct run *run)
{
	return open_blocks(run, 256);
}

static void *open_1k(const struct run *run)
{
	return open_blocks(run, 1024);
}

static void *open_4k(const struct run *run)
{
	return open_blocks(run, 4096);
}

static void close_limit(void *queue)
{
	struct limit *const limit = queue;

	free(limit->items);
	free(limit->flags);
	free(limit);
}

/* What of the lines is asked for before a block is filled. */
enum ahead {
	NOTHING,
	OWN,	  /* a store into each line of this block */
	PREFETCH, /* a prefetch for writing of each line, two blocks ahead */
};

ALWAYS_INLINE void look_ahead(const struct limit *limit, uint64_t block, enum ahead ahead)
{
	const size_t bytes = limit->block_items * sizeof(struct item);
	const uint64_t of = (block + (ahead == PREFETCH ? 2 : 0)) & (limit->blocks - 1);
	char *const at = (char *)(limit->items + of * limit->block_items);

	for (size_t i = 0; ahead != NOTHING && i < bytes; i += QUOIT_LINE_BYTES) {
		if (ahead == OWN)
			*(volatile char *)(at + i) = 0;
		else
			__builtin_prefetch(at + i, 1);
	}
}

ALWAYS_INLINE void give(struct side *side, enum ahead ahead)
{
	struct limit *const limit = side->queue;
	struct source source = {side->first, side->end};

	for (uint64_t block = 0; source.next < source.end; block++) {
		const size_t at = block & (limit->blocks - 1);
		const size_t n = quoit_min(limit->block_items, source.end - source.next);

		/* limit: pairs with take() */
		while (quoit_load_acquire(&limit->flags[at].full))
			rest(side->run->pauses);
		look_ahead(limit, block, ahead);
		source_fill(&source, limit->items + at * limit->block_items, n, 0);
		source.next += n;
		quoit_store_release(&limit->flags[at].full, n); /* limit: pairs with take() */
	}
}

static void give_plain(struct side *side)
{
	give(side, NOTHING);
}

static void give_own(struct side *side)
{
	give(side, OWN);
}

static void give_prefetch(struct side *side)
{
	give(side, PREFETCH);
}

static void take(struct side *side)
{
	struct limit *const limit = side->queue;
	struct sink sink = {0, 0};

	for (uint64_t block = 0; sink.count < side->run->total; block++) {
		const size_t at = block & (limit->blocks - 1);
		size_t n;

		/* limit: pairs with give() */
		while (!(n = quoit_load_acquire(&limit->flags[at].full)))
			rest(side->run->pauses);
		sink_take(&sink, limit->items + at * limit->block_items, n);
		quoit_store_release(&limit->flags[at].full, 0); /* limit: pairs with give() */
	}
	found(side, &sink);
}

#define ALL (NOW | BLOCK | COPY | PLACE)

const struct contender CONTENDERS(limit)[] = {
	{"limit", "256 B", SPSC, ALL, open_256, close_limit, give_plain, take, NULL, 0},
	{"limit", "256 B, owned", SPSC, ALL, open_256, close_limit, give_own, take, NULL, 0},
	{"limit", "1 KiB", SPSC, ALL, open_1k, close_limit, give_plain, take, NULL, 0},
	{"limit", "1 KiB, owned", SPSC, ALL, open_1k, close_limit, give_own, take, NULL, 0},
	{"limit", "1 KiB, prefetched", SPSC, ALL, open_1k, close_limit, give_prefetch, take, NULL,
	 0},
	{"limit", "4 KiB", SPSC, ALL, open_4k, close_limit, give_plain, take, NULL, 0},
	{"limit", "4 KiB, owned", SPSC, ALL, open_4k, close_limit, give_own, take, NULL, 0},
	{"limit", "4 KiB, prefetched", SPSC, ALL, open_4k, close_limit, give_prefetch, take, NULL,
	 0},
	{0},
};
