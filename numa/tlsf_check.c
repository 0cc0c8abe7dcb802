/* SPDX-License-Identifier: MIT */
/*
 * tlsf_check.c - is the span what it should be? For tests, and for pools that are being debugged:
 * it takes as long as there are blocks.
 *
 * What is looked at may have been overwritten by anybody. So the blocks are walked first, by sizes
 * that must stay inside, and then the lists, following only links to where a block may begin, and
 * no longer than there are free blocks.
 */
#include <quoit/numa/tlsf_internal.h>

typedef const struct quoit__tlsf_block block;

static block *first_of(const struct quoit__tlsf *t)
{
	return quoit__tlsf_block_of(t->first);
}

/* May a block begin there? */
static bool is_inside(const struct quoit__tlsf *t, block *b)
{
	const uintptr_t offset = (uintptr_t)b - (uintptr_t)first_of(t);

	return offset < (uintptr_t)t->granules << t->shift &&
	       !(offset & (((uintptr_t)1 << t->shift) - 1));
}

struct walk {
	uint64_t free_blocks;
	block *at;
};

static const char *walk_blocks(const struct quoit__tlsf *t, quoit__tlsf_look_fn look, void *ctx,
			       struct walk *walk)
{
	uint64_t done = 0;
	uint32_t last = 0;
	bool last_free = false;

	while (done < t->granules) {
		struct quoit__tlsf_block *const b =
			quoit__tlsf_block_of(t->first + (done << t->shift));
		const uint32_t granules = quoit__tlsf_granules(b);
		const char *wrong;

		walk->at = b;
		if (granules < t->least || granules > t->granules - done)
			return "the size in a block's head is impossible";
		if (b->before != last)
			return "a block's head does not know the block before it";
		if (last_free && quoit__tlsf_is_free(b))
			return "two free blocks are neighbours";
		wrong = look ? look(b, ctx) : NULL;
		if (wrong)
			return wrong;
		last = granules;
		last_free = quoit__tlsf_is_free(b);
		walk->free_blocks += last_free;
		done += granules;
	}
	walk->at = quoit__tlsf_block_of(t->first + (done << t->shift));
	if (walk->at->size || walk->at->before != last)
		return "what ends the span was overwritten";
	return NULL;
}

static bool is_of_list(uint32_t granules, uint32_t power, uint32_t part)
{
	if (!power)
		return granules == part;
	return granules >> (power - 1) == QUOIT__TLSF_SPLIT + part;
}

static const char *walk_list(const struct quoit__tlsf *t, uint32_t power, uint32_t part,
			     struct walk *walk)
{
	block *previous = NULL;

	for (block *b = t->heads[power][part]; b; previous = b, b = b->next) {
		walk->at = b;
		if (!is_inside(t, b))
			return "a free block's link leads nowhere";
		if (!walk->free_blocks--)
			return "a list of free blocks has more than there are";
		if (!quoit__tlsf_is_free(b))
			return "a block in a list is not free";
		if (!is_of_list(quoit__tlsf_granules(b), power, part))
			return "a free block is in a list of another size";
		if (b->previous != previous)
			return "a free block's link back is wrong";
	}
	return NULL;
}

static const char *walk_lists(const struct quoit__tlsf *t, struct walk *walk)
{
	for (uint32_t power = 0; power < QUOIT__TLSF_POWERS; power++) {
		if (!t->lists[power] != !(t->powers >> power & 1))
			return "the map of the powers is wrong";
		for (uint32_t part = 0; part < QUOIT__TLSF_SPLIT; part++) {
			const char *wrong;

			if (!t->heads[power][part] != !(t->lists[power] >> part & 1))
				return "the map of the lists is wrong";
			wrong = walk_list(t, power, part, walk);
			if (wrong)
				return wrong;
		}
	}
	return walk->free_blocks ? "a free block is in no list" : NULL;
}

const char *quoit__tlsf_check(const struct quoit__tlsf *t, quoit__tlsf_look_fn look, void *ctx,
			      const struct quoit__tlsf_block **at)
{
	struct walk walk = {.at = first_of(t)};
	const char *wrong = walk_blocks(t, look, ctx, &walk);

	if (!wrong)
		wrong = walk_lists(t, &walk);
	if (wrong)
		*at = walk.at;
	return wrong;
}
