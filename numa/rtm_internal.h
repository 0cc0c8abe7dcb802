/* SPDX-License-Identifier: MIT */
/*
 * rtm_internal.h - what a pool is made of, and what its parts ask of each other.
 *
 *     region:  pool | a state for each granule | granules, the first of which is lost
 *
 * rtm.c has the calls that are made all the time, rtm_pool.c creates, deletes and tells, and
 * rtm_debug.c looks for mistakes.
 */
#ifndef QUOIT_NUMA_RTM_INTERNAL_H
#define QUOIT_NUMA_RTM_INTERNAL_H

#include <pthread.h>

#include <quoit/numa/region.h>
#include <quoit/numa/rtm.h>
#include <quoit/numa/rtm_remote_internal.h>
#include <quoit/numa/tlsf_internal.h>

#define QUOIT__RTM_MAGIC UINT32_C(0x72746d71)

/* A word behind what was asked for, and never where a link may stand: see quoit__rtm_seal(). */
#define QUOIT__RTM_SEAL_BYTES sizeof(uint64_t)

/* Of a block's word: the bytes that were asked for, and the logarithm of its alignment. */
#define QUOIT__RTM_ASKED_BITS 56
#define QUOIT__RTM_ASKED_MASK (((uint64_t)1 << QUOIT__RTM_ASKED_BITS) - 1)

struct quoit_rtm_pool {
	uint32_t magic;
	/* Never change. */
	enum quoit_rtm_owner owner;
	enum quoit_rtm_debug debug;
	bool locked, huge, inherits, dontfork;
	size_t total;
	uint8_t *states; /* enum quoit__rtm_state: of each granule, from the first block's on */
	quoit_rtm_damage_fn damage;
	void *damage_ctx;
	struct quoit_region region;
	char name[QUOIT_RTM_NAME_BYTES];

	/* The owner's; of a shared pool whose who holds the mutex. */
	QUOIT_ISOLATED uint64_t thread; /* the owner; others only compare it with themselves */
	pthread_mutex_t mutex;
	uint64_t used, peak, blocks, granted, refused, taken_in; /* anybody may read them */
	size_t moving; /* bytes of blocks that are being copied elsewhere: not in `used` any more */
	void *pending; /* taken from the remote list, and not in yet */
	struct quoit__tlsf tlsf;

	struct quoit__rtm_remote remote; /* pushed to by others */
};

QUOIT_HOT size_t quoit__rtm_asked(const struct quoit__tlsf_block *b)
{
	return b->word & QUOIT__RTM_ASKED_MASK;
}

/* The user's bytes that a block needs so that `bytes` can be asked for. */
QUOIT_HOT size_t quoit__rtm_bytes(const struct quoit_rtm_pool *pool, size_t bytes)
{
	if (pool->debug != QUOIT_RTM_DEBUG_CHECK)
		return bytes;
	return quoit_max(bytes, sizeof(uint64_t)) + QUOIT__RTM_SEAL_BYTES;
}

/* And how many can be asked for, at most, of a block that has so many. */
QUOIT_HOT size_t quoit__rtm_most(const struct quoit_rtm_pool *pool, size_t bytes)
{
	return pool->debug == QUOIT_RTM_DEBUG_CHECK ? bytes - QUOIT__RTM_SEAL_BYTES : bytes;
}

QUOIT_HOT uint8_t *quoit__rtm_state(const struct quoit_rtm_pool *pool, const void *data)
{
	return pool->states + ((size_t)((const char *)data - pool->tlsf.first) >> pool->tlsf.shift);
}

/* The pool that has the address, or NULL: rtm_pool.c. */
struct quoit_rtm_pool *quoit__rtm_find(const void *address);

/*
 * Become the one who may change the pool, take in a few blocks, and with QUOIT_RTM_DEBUG_CHECK look
 * at it: -EPERM, or -EUCLEAN when it was told of. Then leave it.
 */
QUOIT_MUST_CHECK int quoit__rtm_enter(struct quoit_rtm_pool *pool);
void quoit__rtm_leave(struct quoit_rtm_pool *pool);

/* The first half alone: no block is taken in and nothing is looked at. */
QUOIT_MUST_CHECK int quoit__rtm_own(struct quoit_rtm_pool *pool);

/* Take in blocks that others gave back; the owner's. Gives how many. */
size_t quoit__rtm_take_in(struct quoit_rtm_pool *pool, size_t most);

/* Tells the calling thread from all that live. */
QUOIT_HOT uint64_t quoit__rtm_self(void)
{
	return (uint64_t)pthread_self();
}

/* --- rtm_debug.c ----------------------------------------------------------------------------- */

/* What the environment says, or what was chosen. */
enum quoit_rtm_debug quoit__rtm_debug_of(enum quoit_rtm_debug chosen);

/*
 * Put the word behind a block, or look whether it stands there. Needs a sound head. Where a link
 * may stand in the block, what lies between its bytes and the word is not looked at.
 */
void quoit__rtm_seal(struct quoit__tlsf_block *b);
bool quoit__rtm_is_sealed(const struct quoit__tlsf_block *b, bool linked);

/* Look at all of it; gives 0 or -EUCLEAN and `why`. */
int quoit__rtm_check(struct quoit_rtm_pool *pool, struct quoit_reason *why);

/* The same of one block, for a thread that has it to itself. */
int quoit__rtm_check_block(struct quoit_rtm_pool *pool, struct quoit__tlsf_block *b,
			   struct quoit_reason *why);

/* Tell of damage. Comes back only if there is somebody to be told. Gives -EUCLEAN. */
int quoit__rtm_damaged(struct quoit_rtm_pool *pool, const struct quoit_reason *why);

#endif
