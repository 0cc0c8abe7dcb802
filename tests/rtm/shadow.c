/* SPDX-License-Identifier: MIT */
/* shadow.c - the model of a pool: where blocks are, what is in them, what they come to. */
#include <errno.h>
#include <string.h>

#include <rtm/rtm.h>

#define HEAD	 16  /* bytes before a block that are its own too */
#define FILL_ALL 512 /* longer blocks are filled at both ends; the map sees between */

void shadow_fail(struct shadow *s, const char *what, size_t a, size_t b)
{
	if (!s->failures++)
		(void)snprintf(s->first_failure, sizeof(s->first_failure),
			       "%s (%zu, %zu) at operation %llu", what, a, b,
			       (unsigned long long)s->operations);
}

/* --- where ----------------------------------------------------------------------------------- */

void map_open(struct map *map, struct quoit_rtm_pool *pool, bool is_shared)
{
	struct quoit_rtm_info info;

	if (quoit_rtm_pool_info(pool, &info))
		abort();
	*map = (struct map){.base = (char *)pool,
			    .marks = calloc(info.mapped_bytes / info.align_bytes, 1),
			    .bytes = info.mapped_bytes,
			    .unit = info.align_bytes,
			    .shared = is_shared};
	if (!map->marks)
		abort();
}

void map_close(struct map *map)
{
	free(map->marks);
}

/* Of all that the block may grow to, and its head. False if not all of it was `from`. */
static bool mark(struct map *map, const char *data, size_t bytes, uint8_t from, uint8_t to)
{
	uint8_t *const marks = map->marks + (size_t)(data - map->base) / map->unit;
	const size_t units = (HEAD + bytes + map->unit - 1) / map->unit;
	uint8_t wrong = 0;

	if (map->shared) {
		for (size_t i = 0; i < units; i++)
			/* a mark that two set at once was set before for one of them */
			wrong |= quoit_exchange(&marks[i], to) ^ from;
		return !wrong;
	}
	for (size_t i = 0; i < units; i++)
		wrong |= marks[i] ^ from;
	memset(marks, to, units);
	return !wrong;
}

static void put_on_map(struct shadow *s, const char *data)
{
	const ssize_t phys = quoit_rtm_phys_size_for(data);

	if (phys <= 0 || data < s->map->base || data + phys > s->map->base + s->map->bytes)
		shadow_fail(s, "a block is not in its pool", (size_t)phys, 0);
	else if (!mark(s->map, data, (size_t)phys, 0, 1))
		shadow_fail(s, "a block overlaps another", (size_t)phys, 0);
}

static void take_off_map(struct shadow *s, const char *data)
{
	const ssize_t phys = quoit_rtm_phys_size_for(data);

	if (phys <= 0 || !mark(s->map, data, (size_t)phys, 1, 0))
		shadow_fail(s, "a block's physical size has changed", (size_t)phys, 0);
}

/* --- what ------------------------------------------------------------------------------------ */

static uint64_t word_at(const struct piece *p, size_t at)
{
	return p->word + at * UINT64_C(0x9e3779b97f4a7c15);
}

/* Write or look at the bytes from `from` to `to`. */
static bool bytes_of(const struct piece *p, size_t from, size_t to, bool write)
{
	bool whole = true;

	for (size_t at = from & ~(size_t)7; at < to; at += 8) {
		const uint64_t word = word_at(p, at);
		const size_t n = quoit_min(8, p->size - at);

		if (write)
			memcpy(p->data + at, &word, n);
		else
			whole &= !memcmp(p->data + at, &word, n);
	}
	return whole;
}

static bool both_ends(const struct piece *p, size_t size, bool write)
{
	if (size <= FILL_ALL)
		return bytes_of(p, 0, size, write);
	return bytes_of(p, 0, FILL_ALL / 2, write) && bytes_of(p, size - FILL_ALL / 2, size, write);
}

bool piece_is_whole(const struct piece *piece)
{
	return both_ends(piece, piece->size, false) &&
	       quoit_rtm_size_for(piece->data) == (ssize_t)piece->size;
}

/* --- operations ------------------------------------------------------------------------------ */

void shadow_open(struct shadow *s, struct quoit_rtm_pool *pool, struct map *map, uint64_t seed)
{
	*s = (struct shadow){
		.pool = pool, .map = map, .random = {.state = seed}, .seed = seed, .alone = true};
}

/* A refusal has its reason: too many bytes in all, or no piece that is large enough. */
static void judge_refusal(struct shadow *s, size_t size, size_t align, size_t less)
{
	s->refused++;
	if (!s->alone || s->used - less + size > RTM_TOTAL)
		return;
	if (size <= quoit_rtm_largest_free(s->pool) && align <= 16)
		shadow_fail(s, "there was room", size, quoit_rtm_largest_free(s->pool));
}

static void judge_sum(struct shadow *s)
{
	if (s->alone && RTM_TOTAL - quoit_rtm_available(s->pool) != quoit_min(s->used, RTM_TOTAL))
		shadow_fail(s, "the pool counts otherwise", s->used, quoit_rtm_available(s->pool));
}

bool shadow_alloc(struct shadow *s, size_t size, size_t align)
{
	struct piece *const p = &s->pieces[s->count];

	s->operations++;
	if (s->count == RTM_BLOCKS_MOST)
		return false;
	p->data = align > 16 ? quoit_rtm_alloc_aligned(s->pool, size, align)
			     : quoit_rtm_alloc(s->pool, size);
	if (!p->data) {
		judge_refusal(s, size, align, 0);
		return false;
	}
	if ((uintptr_t)p->data & (align - 1))
		shadow_fail(s, "a block is not aligned", (uintptr_t)p->data, align);
	p->size = size;
	p->align = align;
	p->word = random_u64(&s->random);
	put_on_map(s, p->data);
	(void)both_ends(p, size, true);
	s->count++;
	s->used += size;
	judge_sum(s);
	return true;
}

bool shadow_realloc(struct shadow *s, size_t which, size_t size)
{
	struct piece *const p = &s->pieces[which];
	const size_t had = p->size, kept = quoit_min(had, size);
	const size_t phys = (size_t)quoit_rtm_phys_size_for(p->data);
	void *data = p->data;
	int rc;

	s->operations++;
	if (!piece_is_whole(p))
		shadow_fail(s, "a block was overwritten", had, size);
	(void)bytes_of(p, 0, had, true); /* the middle too: it may move */
	take_off_map(s, p->data);
	rc = quoit_rtm_realloc(&data, size);
	put_on_map(s, data);
	if (rc) {
		judge_refusal(s, size, 4096, had);
		if (data != p->data || size <= phys)
			shadow_fail(s, "a refused block has moved, or need not", size, phys);
		return false;
	}
	if (size <= phys && data != p->data)
		shadow_fail(s, "a block moved for nothing", size, phys);
	if ((uintptr_t)data & (p->align - 1))
		shadow_fail(s, "a moved block is not aligned", (uintptr_t)data, p->align);
	p->data = data;
	p->size = kept;
	if (!bytes_of(p, 0, kept, false))
		shadow_fail(s, "a resized block lost its contents", had, size);
	p->size = size;
	(void)both_ends(p, size, true);
	s->used = s->used - had + size;
	judge_sum(s);
	return true;
}

struct piece shadow_let_go(struct shadow *s, size_t which)
{
	const struct piece p = s->pieces[which];

	s->operations++;
	if (!piece_is_whole(&p))
		shadow_fail(s, "a block was overwritten", p.size, which);
	take_off_map(s, p.data);
	s->pieces[which] = s->pieces[--s->count];
	s->used -= p.size;
	return p;
}

void shadow_free(struct shadow *s, size_t which)
{
	const struct piece p = shadow_let_go(s, which);

	if (quoit_rtm_free(p.data))
		shadow_fail(s, "a good block was refused", p.size, which);
	if (s->operations % 64 == 0 && s->alone && quoit_rtm_free(p.data) != -EALREADY)
		shadow_fail(s, "it was given back twice", p.size, which);
	judge_sum(s);
}

void shadow_free_all(struct shadow *s)
{
	while (s->count)
		shadow_free(s, random_below(&s->random, s->count));
}

void shadow_judge(struct shadow *s)
{
	const size_t largest = quoit_rtm_largest_free(s->pool);

	if (quoit_rtm_validate(s->pool))
		shadow_fail(s, "the pool is not sound", s->count, 0);
	if (s->alone && largest && s->count < RTM_BLOCKS_MOST && shadow_alloc(s, largest, 16))
		shadow_free(s, s->count - 1);
	else if (s->alone && largest && s->count < RTM_BLOCKS_MOST)
		shadow_fail(s, "the largest free block was not to be had", largest, 0);
}

void shadow_judge_empty(struct shadow *s)
{
	struct quoit_rtm_info info;

	if (quoit_rtm_validate(s->pool) || quoit_rtm_pool_info(s->pool, &info))
		shadow_fail(s, "the pool is not sound in the end", 0, 0);
	else if (info.used || info.blocks || info.largest_free != RTM_TOTAL ||
		 info.available != RTM_TOTAL)
		shadow_fail(s, "something is left in the end", info.used, info.largest_free);
	for (size_t i = 0; i < s->map->bytes / s->map->unit; i++)
		if (s->map->marks[i])
			shadow_fail(s, "something is left on the map", i, 0);
}
