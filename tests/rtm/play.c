/* SPDX-License-Identifier: MIT */
/*
 * play.c - what a pool is made to do: random operations in moods that change, and adversaries that
 * try to leave its free memory in as many pieces as can be.
 */
#include <rtm/rtm.h>

#define MOOD_LASTS 2048 /* operations */

/* --- sizes and moods ------------------------------------------------------------------------- */

enum sizes {
	SMALL,	     /* up to 256 bytes */
	LOGARITHMIC, /* each power of two as often */
	POWERS,	     /* powers of two, a byte more, a byte less */
	ALTERNATING, /* tiny and large in turn */
	ALIKE,	     /* the same for the whole mood */
	LARGE,	     /* an eighth of the pool */
	SIZES
};

struct mood {
	enum sizes sizes;
	size_t alike;
	unsigned growing;  /* of 100 operations so many allocate */
	unsigned resizing; /* and so many of the others resize */
	unsigned aligned;  /* of 100 allocations so many ask for more alignment */
	unsigned order;	   /* which goes: any, the last, the first */
};

static size_t size_of(struct random *random, const struct mood *mood, uint64_t turn)
{
	switch (mood->sizes) {
	case SMALL:
		return 1 + random_below(random, 256);
	case LOGARITHMIC:
		return 1 + random_below(random, (size_t)2 << random_below(random, 16));
	case POWERS:
		return ((size_t)4 << random_below(random, 12)) + random_below(random, 3) - 1;
	case ALTERNATING:
		return turn & 1 ? 1 + random_below(random, 32) : 4096 + random_below(random, 4096);
	case ALIKE:
		return mood->alike;
	default:
		return 1 + random_below(random, RTM_TOTAL / 8);
	}
}

/* Of a time: each lasts for so many operations. */
static struct mood mood_of(const struct shadow *s)
{
	struct random of_time = {.state = s->seed ^ s->operations / MOOD_LASTS << 32};
	struct random *const random = &of_time;

	return (struct mood){
		.sizes = (enum sizes)(random_below(random, SIZES + 2) % SIZES),
		.alike = 1 + random_below(random, 600),
		.growing = 10 + (unsigned)random_below(random, 85),
		.resizing = (unsigned)(random_below(random, 3) ? random_below(random, 30) : 0),
		.aligned = random_below(random, 4) ? 0 : (unsigned)random_below(random, 60),
		.order = (unsigned)random_below(random, 3),
	};
}

static size_t which_of(struct shadow *s, const struct mood *mood)
{
	if (mood->order == 1)
		return s->count - 1;
	if (mood->order == 2)
		return 0;
	return random_below(&s->random, s->count);
}

static void one(struct shadow *s, const struct mood *mood, uint64_t turn)
{
	const uint64_t dice = random_u64(&s->random);
	const size_t size = size_of(&s->random, mood, turn);
	size_t align = 16;

	if (dice % 100 < mood->growing && s->count < RTM_BLOCKS_MOST) {
		if ((dice >> 8) % 100 < mood->aligned)
			align = (size_t)16 << (dice >> 16) % 9;
		(void)shadow_alloc(s, size, align);
	} else if (s->count && (dice >> 24) % 100 < mood->resizing) {
		(void)shadow_realloc(s, which_of(s, mood), size);
	} else if (s->count) {
		shadow_free(s, which_of(s, mood));
	} else {
		(void)shadow_alloc(s, size, align);
	}
}

void play(struct shadow *s, uint64_t operations)
{
	const uint64_t until = s->operations + operations;
	struct mood mood = mood_of(s);
	uint64_t since = s->operations / MOOD_LASTS;

	while (s->operations < until && !s->failures) {
		if (s->operations / MOOD_LASTS != since) {
			since = s->operations / MOOD_LASTS;
			mood = mood_of(s);
		}
		one(s, &mood, s->operations);
		if (s->operations % 16384 == 0)
			shadow_judge(s);
	}
}

/* --- adversaries ----------------------------------------------------------------------------- */

/* As many as there is room for. */
static void fill(struct shadow *s, size_t size)
{
	while (s->count < RTM_BLOCKS_MOST && shadow_alloc(s, size, 16))
		;
}

/*
 * Robson (1971): in step i ask for blocks of 2^i until none is left, having kept of those before
 * only who sit where they spoil the places of the next size: at an offset that, of the two there
 * are, more of them have.
 */
static void robson(struct shadow *s)
{
	size_t offset = 0;

	fill(s, 48);
	for (size_t step = 128; step <= RTM_TOTAL / 16 && !s->failures; step *= 2) {
		size_t covered[2] = {0, 0};

		for (size_t i = 0; i < s->count; i++)
			for (size_t k = 0; k < 2; k++) {
				const size_t at = offset + k * step / 2;
				const size_t from = (at - (uintptr_t)s->pieces[i].data) % step;

				covered[k] += from < s->pieces[i].size;
			}
		offset += covered[1] > covered[0] ? step / 2 : 0;
		for (size_t i = s->count; i--;)
			if ((offset - (uintptr_t)s->pieces[i].data) % step >= s->pieces[i].size)
				shadow_free(s, i);
		fill(s, step - 16);
	}
}

/* All small, then all but every n-th go, and what is asked for does not fit between. */
static void comb(struct shadow *s, size_t keep)
{
	fill(s, 200);
	for (size_t i = s->count; i--;)
		if (i % keep)
			shadow_free(s, i);
	shadow_judge(s);
	fill(s, 200 * keep - 100);
}

/* Tiny and large in turn, then the tiny stay. */
static void fence_posts(struct shadow *s)
{
	while (s->count + 1 < RTM_BLOCKS_MOST && shadow_alloc(s, 16, 16) &&
	       shadow_alloc(s, 2000, 16))
		;
	for (size_t i = s->count; i--;)
		if (s->pieces[i].size == 2000)
			shadow_free(s, i);
	shadow_judge(s);
	fill(s, 2100);
	fill(s, 1900);
}

/* Sizes just above where a list begins: the search must go one list up each time. */
static void between_lists(struct shadow *s)
{
	for (size_t size = 64; size < 70000; size += size / 32 + 1) {
		(void)shadow_alloc(s, size + 1, 16);
		(void)shadow_alloc(s, 17, 16);
	}
	for (size_t i = s->count; i--;)
		if (s->pieces[i].size != 17)
			shadow_free(s, i);
	for (size_t size = 64; size < 70000; size += size / 32 + 1)
		(void)shadow_alloc(s, size + 2, 16);
}

/* A block grows over those behind it, which have just gone, until it is nearly all. */
static void snowball(struct shadow *s)
{
	fill(s, 256);
	while (s->count > RTM_BLOCKS_MOST / 2) /* what it needs beyond what goes */
		shadow_free(s, s->count - 1);
	for (size_t size = 512; size < RTM_TOTAL && !s->failures; size *= 2) {
		const char *const first = s->pieces[0].data;

		for (size_t i = s->count; --i;)
			if (s->pieces[i].data < first + size + 64)
				shadow_free(s, i);
		if (!shadow_realloc(s, 0, size) || s->pieces[0].data != first)
			shadow_fail(s, "a block did not grow over free ones", size, s->count);
	}
}

void play_adversaries(struct shadow *s)
{
	for (int i = 0; i < ADVERSARIES && !s->failures; i++) {
		if (i == 0)
			robson(s);
		else if (i == 1)
			comb(s, 2);
		else if (i == 2)
			comb(s, 7);
		else if (i == 3)
			fence_posts(s);
		else if (i == 4)
			between_lists(s);
		else
			snowball(s);
		shadow_judge(s);
		shadow_free_all(s);
		shadow_judge_empty(s);
	}
}
