/* SPDX-License-Identifier: MIT */
/*
 * tlsf_internal.h - two-level segregated fit (Masmano, Ripoll, Crespo, Real, 2004) on one span of
 * memory: blocks of any size in constant time, however the span looks. No thread, no system call,
 * no policy: those are rtm's.
 *
 * The span is divided into granules of the smallest alignment, a power of two. A block is a run of
 * granules. Its head stands in the 16 bytes before what its user gets, so that this is aligned:
 *
 *     granule      | ...            head | user's bytes ...                        head | ...
 *                                   ^ block, `granules` long                       ^ the next one
 *
 * Free blocks hang in lists by size: below 32 granules a list for each size, above that 32 lists
 * for each power of two. Two levels of bit maps tell which lists have something, so a search is two
 * looks for the first set bit. It begins at the first list in which *every* block is large enough;
 * only when there is none, the first block of the list below is looked at too. Two free blocks are
 * never neighbours: a block that comes back is united with those beside it at once.
 */
#ifndef QUOIT_NUMA_TLSF_INTERNAL_H
#define QUOIT_NUMA_TLSF_INTERNAL_H

#include <quoit/numa/machine.h>

#define QUOIT__TLSF_SPLIT_BITS 5
#define QUOIT__TLSF_SPLIT      ((uint32_t)1 << QUOIT__TLSF_SPLIT_BITS) /* lists of each power */
#define QUOIT__TLSF_POWERS     27
#define QUOIT__TLSF_MOST       ((uint32_t)INT32_MAX) /* granules, of all */
#define QUOIT__TLSF_HEAD       ((size_t)16)	     /* bytes before the user's */

/* What leads a block. The links are its user's bytes while it is not free. */
struct quoit__tlsf_block {
	uint32_t before; /* granules of the block before this one; 0: this is the first */
	uint32_t size;	 /* granules << 1 | free; 0: what ends the span */
	uint64_t word;	 /* its user's word about it; kept as long as it is not free */
	struct quoit__tlsf_block *next, *previous;
};

struct quoit__tlsf {
	char *first;	   /* the user's bytes of the first block */
	uint32_t granules; /* of all blocks */
	uint32_t shift;	   /* a granule has 1 << shift bytes */
	uint32_t least;	   /* granules of the smallest block */
	uint32_t powers;   /* a bit for each word of `lists` that is not 0 */
	uint32_t lists[QUOIT__TLSF_POWERS];
	struct quoit__tlsf_block *heads[QUOIT__TLSF_POWERS][QUOIT__TLSF_SPLIT];
};

QUOIT_HOT uint32_t quoit__tlsf_granules(const struct quoit__tlsf_block *b)
{
	return b->size >> 1;
}

QUOIT_HOT bool quoit__tlsf_is_free(const struct quoit__tlsf_block *b)
{
	return b->size & 1;
}

/* The user's bytes of a block, how many they are, and the block of a user's pointer. */
QUOIT_HOT void *quoit__tlsf_data(struct quoit__tlsf_block *b)
{
	return (char *)b + QUOIT__TLSF_HEAD;
}

QUOIT_HOT size_t quoit__tlsf_bytes(const struct quoit__tlsf *t, const struct quoit__tlsf_block *b)
{
	return ((size_t)quoit__tlsf_granules(b) << t->shift) - QUOIT__TLSF_HEAD;
}

QUOIT_HOT struct quoit__tlsf_block *quoit__tlsf_block_of(const void *data)
{
	return (struct quoit__tlsf_block *)(uintptr_t)((uintptr_t)data - QUOIT__TLSF_HEAD);
}

/* Granules of a block for so many bytes; more than QUOIT__TLSF_MOST if there can be none. */
QUOIT_HOT uint64_t quoit__tlsf_need(const struct quoit__tlsf *t, size_t bytes)
{
	const uint64_t granules =
		((uint64_t)bytes + QUOIT__TLSF_HEAD + (((size_t)1 << t->shift) - 1)) >> t->shift;

	return quoit_max(granules, t->least);
}

/*
 * Begin with one free block in `span`, which is aligned to `align` (a power of two, 16 at least).
 * One granule of the span is lost. Gives -EINVAL for less than two blocks, -E2BIG beyond
 * QUOIT__TLSF_MOST granules. Writes only the two ends of the span.
 */
QUOIT_MUST_CHECK int quoit__tlsf_init(struct quoit__tlsf *t, void *span, size_t bytes,
				      size_t align);

/*
 * A block of `granules`, or NULL. `align` is in granules, a power of two, of the user's bytes; more
 * than 1 may leave a gap in front, which is a free block.
 */
struct quoit__tlsf_block *quoit__tlsf_take(struct quoit__tlsf *t, uint32_t granules,
					   uint32_t align);

/* Give a block back. It is one that was taken: nothing looks. */
void quoit__tlsf_give(struct quoit__tlsf *t, struct quoit__tlsf_block *b);

/* Make a block smaller, or larger by the free one behind it. Tells whether that went. */
bool quoit__tlsf_resize(struct quoit__tlsf *t, struct quoit__tlsf_block *b, uint32_t granules);

/* Granules of a block that is certain to be had now, larger than which there may be none. */
uint32_t quoit__tlsf_largest(const struct quoit__tlsf *t);

/* Called for each block, in the order of addresses. Gives NULL, or what is wrong with it. */
typedef const char *(*quoit__tlsf_look_fn)(struct quoit__tlsf_block *b, void *ctx);

/*
 * Look at everything: does the span consist of blocks, is each free one in its list, and do the
 * maps tell of the lists? Follows no link that leads outside, whatever stands in memory. Gives NULL
 * or what is wrong, in words, and *at is the block where it was seen. `look` may be NULL.
 */
const char *quoit__tlsf_check(const struct quoit__tlsf *t, quoit__tlsf_look_fn look, void *ctx,
			      const struct quoit__tlsf_block **at);

#endif
