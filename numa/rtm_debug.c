/* SPDX-License-Identifier: MIT */
/* rtm_debug.c - looking for mistakes of a pool's users: what they overwrote, and whether to look.
 */
#include <quoit/numa/sys_internal.h>
#include <quoit/numa/rtm_internal.h>

#include <limits.h>
#include <stdlib.h>
#include <string.h>

typedef struct quoit__tlsf_block block;

/* --- how closely to look --------------------------------------------------------------------- */

/* "anything other than 0" is level 1, "an integer greater than 1" level 2. */
static enum quoit_rtm_debug level_of(const char *text)
{
	char *end;
	const long number = strtol(text, &end, 10);

	if (!*text || (!*end && number == 0))
		return QUOIT_RTM_DEBUG_OFF;
	return !*end && number > 1 ? QUOIT_RTM_DEBUG_CHECK : QUOIT_RTM_DEBUG_JUNK;
}

enum quoit_rtm_debug quoit__rtm_debug_of(enum quoit_rtm_debug chosen)
{
	const char *text;

	if (chosen != QUOIT_RTM_DEBUG_ENVIRONMENT)
		return chosen;
	text = quoit__sys_environment("QUOIT_RTM_DEBUG");
	if (!text)
		text = quoit__sys_environment("MALLOC_DEBUG"); /* others' allocators read it too */
	return text ? level_of(text) : QUOIT_RTM_DEBUG_OFF;
}

/* --- the word behind a block ----------------------------------------------------------------- */

/*
 * It depends on the head, so that it tells of a head that was overwritten as well as of itself.
 * What it depends on changes only when the block's owner resizes it.
 */
static uint64_t seal_of(const block *b)
{
	uint64_t seal = (uint64_t)(uintptr_t)b ^ b->word * UINT64_C(0x9e3779b97f4a7c15);

	seal ^= (uint64_t)b->size << 32;
	return seal * UINT64_C(0xbf58476d1ce4e5b9) | 1;
}

/* Behind the bytes that were asked for, and behind the link of a block that was given back. */
static char *seal_at(const block *b)
{
	return (char *)(uintptr_t)b + QUOIT__TLSF_HEAD +
	       quoit_max(quoit__rtm_asked(b), sizeof(uint64_t));
}

/* Bytes of a small block between what was asked for and the word: they are watched too. */
static size_t gap_of(const block *b)
{
	const size_t asked = quoit__rtm_asked(b);

	return asked < sizeof(uint64_t) ? sizeof(uint64_t) - asked : 0;
}

void quoit__rtm_seal(block *b)
{
	const uint64_t seal = seal_of(b);

	memcpy(seal_at(b) - gap_of(b), &seal, gap_of(b));
	memcpy(seal_at(b), &seal, sizeof(seal));
}

bool quoit__rtm_is_sealed(const block *b, bool linked)
{
	const uint64_t seal = seal_of(b);

	if (!linked && memcmp(seal_at(b) - gap_of(b), &seal, gap_of(b)) != 0)
		return false;
	return !memcmp(seal_at(b), &seal, sizeof(seal));
}

/* --- the whole pool -------------------------------------------------------------------------- */

struct sums {
	struct quoit_rtm_pool *pool;
	uint64_t used, blocks;
};

static const char behind_or_before[] = "something was written behind or before the block at";

/* What is wrong with a block that is somebody's, or may be linked. Its size is sound. */
static const char *look_at_block(struct quoit_rtm_pool *pool, const block *b, bool linked)
{
	const size_t most = quoit__rtm_most(pool, quoit__tlsf_bytes(&pool->tlsf, b));

	if (!quoit__rtm_asked(b) || quoit__rtm_asked(b) > most)
		return "a block's head was overwritten";
	if (pool->debug == QUOIT_RTM_DEBUG_CHECK && !quoit__rtm_is_sealed(b, linked))
		return behind_or_before;
	return NULL;
}

static const char *look(block *b, void *ctx)
{
	struct sums *const sums = (struct sums *)ctx;
	const uint8_t state =
		quoit_load(quoit__rtm_state(sums->pool, quoit__tlsf_data(b))); /* ours, or its
										  owner's */

	const bool has_one = state == QUOIT__RTM_LIVE || state == QUOIT__RTM_HELD;

	if (quoit__tlsf_is_free(b))
		return has_one ? "a block that is somebody's is free" : NULL;
	/* One that another thread has given back is on its way. */
	if (!has_one && (state != QUOIT__RTM_GONE || sums->pool->owner != QUOIT_RTM_REMOTE_FREE))
		return "a block that is nobody's is not free";
	sums->blocks++;
	sums->used += quoit__rtm_asked(b);
	/* Others may link it as we look. Who has it to itself looks closer: when it is given back.
	 */
	return look_at_block(sums->pool, b, sums->pool->owner == QUOIT_RTM_REMOTE_FREE);
}

static int tell(struct quoit_rtm_pool *pool, const void *b, const char *wrong,
		struct quoit_reason *why)
{
	const char *const data = b ? (const char *)b + QUOIT__TLSF_HEAD : pool->tlsf.first;

	if (wrong == behind_or_before) /* its size is sound */
		return quoit_reason_set(why, -EUCLEAN, "memory pool %s: %s %p (%zu bytes)",
					pool->name, wrong, (const void *)data,
					quoit__rtm_asked((const block *)b));
	return quoit_reason_set(why, -EUCLEAN, "memory pool %s: %s, at %p", pool->name, wrong,
				(const void *)data);
}

int quoit__rtm_check(struct quoit_rtm_pool *pool, struct quoit_reason *why)
{
	struct sums sums = {.pool = pool};
	const struct quoit__tlsf_block *where = NULL;
	const char *wrong = quoit__tlsf_check(&pool->tlsf, look, &sums, &where);

	if (wrong)
		return tell(pool, where, wrong, why);
	if (sums.blocks != quoit_load(&pool->blocks) || /* ours */
	    sums.used != quoit_load(&pool->used) + pool->moving)
		return quoit_reason_set(why, -EUCLEAN,
					"memory pool %s: %llu blocks have %llu bytes, and not what "
					"was counted: a head was overwritten",
					pool->name, (unsigned long long)sums.blocks,
					(unsigned long long)sums.used);
	return 0;
}

int quoit__rtm_check_block(struct quoit_rtm_pool *pool, block *b, struct quoit_reason *why)
{
	const char *const data = quoit__tlsf_data(b);
	const uint64_t granules = quoit__tlsf_granules(b);
	const uint64_t first = (uint64_t)(data - pool->tlsf.first) >> pool->tlsf.shift;
	const char *wrong;

	if (quoit__tlsf_is_free(b) || granules < pool->tlsf.least ||
	    first + granules > pool->tlsf.granules)
		wrong = "a block's head was overwritten";
	else
		wrong = look_at_block(pool, b, false);
	return wrong ? tell(pool, b, wrong, why) : 0;
}

int quoit__rtm_damaged(struct quoit_rtm_pool *pool, const struct quoit_reason *why)
{
	if (pool->damage)
		pool->damage(pool, why, pool->damage_ctx);
	else
		quoit__contract_broken(__FILE__, __LINE__, __func__, why->text);
	return -EUCLEAN;
}
