/* SPDX-License-Identifier: MIT */
/* tlsf.c - taking, giving back and resizing blocks, each in a constant number of steps. */
#include <errno.h>

#include <quoit/numa/tlsf_internal.h>

#define SPLIT	   QUOIT__TLSF_SPLIT
#define SPLIT_BITS QUOIT__TLSF_SPLIT_BITS

typedef struct quoit__tlsf_block block;

/* Which list a block of so many granules hangs in. */
struct place {
	uint32_t power, part;
};

static uint32_t log2_of(uint32_t n)
{
	return 31 - (uint32_t)__builtin_clz(n);
}

static struct place place_of(uint32_t granules)
{
	if (granules < SPLIT)
		return (struct place){0, granules};
	const uint32_t log = log2_of(granules);
	return (struct place){log - SPLIT_BITS + 1, granules >> (log - SPLIT_BITS) & (SPLIT - 1)};
}

static block *at(block *b, uint32_t granules, uint32_t shift)
{
	return (block *)(void *)((char *)b + ((size_t)granules << shift));
}

static block *behind(const struct quoit__tlsf *t, block *b)
{
	return at(b, quoit__tlsf_granules(b), t->shift);
}

static block *before(const struct quoit__tlsf *t, block *b)
{
	return (block *)(void *)((char *)b - ((size_t)b->before << t->shift));
}

/* --- the lists ------------------------------------------------------------------------------- */

static void hang(struct quoit__tlsf *t, block *b)
{
	const struct place place = place_of(quoit__tlsf_granules(b));
	block **const head = &t->heads[place.power][place.part];

	b->previous = NULL;
	b->next = *head;
	if (*head)
		(*head)->previous = b;
	*head = b;
	t->lists[place.power] |= (uint32_t)1 << place.part;
	t->powers |= (uint32_t)1 << place.power;
}

/* The list has nothing any more. */
static void forget(struct quoit__tlsf *t, struct place place)
{
	t->lists[place.power] &= ~((uint32_t)1 << place.part);
	if (!t->lists[place.power])
		t->powers &= ~((uint32_t)1 << place.power);
}

static void unhang(struct quoit__tlsf *t, block *b)
{
	const struct place place = place_of(quoit__tlsf_granules(b));

	if (b->next)
		b->next->previous = b->previous;
	if (b->previous) {
		b->previous->next = b->next;
		return;
	}
	t->heads[place.power][place.part] = b->next;
	if (!b->next)
		forget(t, place);
}

/* The same of the first one of a list that has some: whatever its size is. */
static block *unhang_first(struct quoit__tlsf *t, struct place place)
{
	block **const head = &t->heads[place.power][place.part];
	block *const b = *head;

	*head = b->next;
	if (b->next)
		b->next->previous = NULL;
	else
		forget(t, place);
	return b;
}

/* Make it the first list from there on that has something. */
static bool go_up(const struct quoit__tlsf *t, struct place *place)
{
	uint32_t lists = t->lists[place->power] & ~(uint32_t)0 << place->part;

	if (!lists) {
		const uint32_t powers = t->powers & ~(uint32_t)1 << place->power;

		if (!powers)
			return false;
		place->power = (uint32_t)__builtin_ctz(powers);
		lists = t->lists[place->power];
	}
	place->part = (uint32_t)__builtin_ctz(lists);
	return true;
}

/*
 * Take a free block of `granules` or more off its list, or NULL. In the list of that size some
 * blocks may be smaller, so the search begins at the next one, unless it is the first of this one.
 */
static block *find(struct quoit__tlsf *t, uint32_t granules)
{
	struct place place;
	uint32_t up = granules;

	if (up >= SPLIT)
		up += ((uint32_t)1 << (log2_of(up) - SPLIT_BITS)) - 1;
	place = place_of(up);
	if (place.power >= QUOIT__TLSF_POWERS || !go_up(t, &place)) {
		const block *first;

		place = place_of(granules);
		first = t->heads[place.power][place.part];
		if (!first || quoit__tlsf_granules(first) < granules)
			return NULL;
	}
	return unhang_first(t, place);
}

/* --- blocks ---------------------------------------------------------------------------------- */

/* A head where there was none: what the address sanitizer was told of the place is over. */
static block *begin(block *b, uint32_t granules, uint32_t granules_before)
{
	quoit_unpoison(b, sizeof(*b));
	b->before = granules_before;
	b->size = granules << 1;
	return b;
}

/* `b` is in no list, and no neighbour of it is free. */
static void put(struct quoit__tlsf *t, block *b)
{
	b->size |= 1;
	behind(t, b)->before = quoit__tlsf_granules(b);
	hang(t, b);
}

/*
 * Cut `b` after so many granules, if that leaves a block: gives it, in no list yet, or NULL. What
 * is behind it may be free.
 */
static block *cut(struct quoit__tlsf *t, block *b, uint32_t granules)
{
	const uint32_t rest = quoit__tlsf_granules(b) - granules;

	if (rest < t->least)
		return NULL;
	b->size = granules << 1;
	return begin(behind(t, b), rest, granules);
}

int quoit__tlsf_init(struct quoit__tlsf *t, void *span, size_t bytes, size_t align)
{
	const uint32_t shift = (uint32_t)__builtin_ctzll(align);
	const uint64_t granules = (bytes >> shift) - 1;
	const uint32_t least = align > QUOIT__TLSF_HEAD ? 1 : 2; /* a head and two links */

	QUOIT_ASSERT(align >= QUOIT__TLSF_HEAD && !(align & (align - 1)));
	QUOIT_ASSERT(!((uintptr_t)span & (align - 1)));
	if (bytes >> shift < 1 + 2 * (uint64_t)least)
		return -EINVAL;
	if (granules > QUOIT__TLSF_MOST)
		return -E2BIG;
	*t = (struct quoit__tlsf){
		.first = (char *)span + align,
		.granules = (uint32_t)granules,
		.shift = shift,
		.least = least,
	};
	block *const all = quoit__tlsf_block_of(t->first);
	begin(all, t->granules, 0);
	block *const end = behind(t, all); /* only its first 16 bytes are in the span */
	end->size = 0;
	put(t, all);
	return 0;
}

/*
 * How many granules to leave in front of `b`, so that its user's bytes are aligned: none, or enough
 * for a block.
 */
static uint32_t gap_before(const struct quoit__tlsf *t, block *b, uint32_t align)
{
	const uintptr_t number = (uintptr_t)quoit__tlsf_data(b) >> t->shift;
	const uint32_t gap = (uint32_t)(-number & (align - 1));

	return gap && gap < t->least ? gap + align : gap;
}

block *quoit__tlsf_take(struct quoit__tlsf *t, uint32_t granules, uint32_t align)
{
	const uint64_t want = granules + (align > 1 ? (uint64_t)align + t->least : 0);
	block *b = want <= t->granules ? find(t, (uint32_t)want) : NULL;
	block *rest;

	if (!b)
		return NULL;
	b->size &= ~(uint32_t)1;
	if (align > 1) {
		const uint32_t gap = gap_before(t, b, align);

		if (gap) {
			block *const front = b;
			const uint32_t left = quoit__tlsf_granules(b) - gap;

			b = begin(at(b, gap, t->shift), left, gap);
			front->size = gap << 1;
			behind(t, b)->before = left;
			put(t, front);
		}
	}
	rest = cut(t, b, granules);
	if (rest)
		put(t, rest); /* it was one free block: no neighbour of it is free */
	return b;
}

void quoit__tlsf_give(struct quoit__tlsf *t, block *b)
{
	block *const next = behind(t, b);

	if (quoit__tlsf_is_free(next)) {
		unhang(t, next);
		b->size += quoit__tlsf_granules(next) << 1;
	}
	if (b->before) {
		block *const previous = before(t, b);

		if (quoit__tlsf_is_free(previous)) {
			unhang(t, previous);
			previous->size += quoit__tlsf_granules(b) << 1;
			previous->size &= ~(uint32_t)1;
			b = previous;
		}
	}
	put(t, b);
}

bool quoit__tlsf_resize(struct quoit__tlsf *t, block *b, uint32_t granules)
{
	block *rest;

	if (granules > quoit__tlsf_granules(b)) {
		block *const next = behind(t, b);

		if (!quoit__tlsf_is_free(next) ||
		    quoit__tlsf_granules(b) + quoit__tlsf_granules(next) < granules)
			return false;
		unhang(t, next);
		b->size += quoit__tlsf_granules(next) << 1;
		behind(t, b)->before = quoit__tlsf_granules(b);
	}
	rest = cut(t, b, granules);
	if (rest) {
		/* Behind its links nobody touches it any more. */
		quoit_poison(rest + 1,
			     ((size_t)quoit__tlsf_granules(rest) << t->shift) - sizeof(*rest));
		quoit__tlsf_give(t, rest);
	}
	return true;
}

uint32_t quoit__tlsf_largest(const struct quoit__tlsf *t)
{
	if (!t->powers)
		return 0;
	const uint32_t power = log2_of(t->powers);
	return quoit__tlsf_granules(t->heads[power][log2_of(t->lists[power])]);
}
