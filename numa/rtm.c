/* SPDX-License-Identifier: MIT */
/*
 * rtm.c - blocks of a pool: out, back, larger and smaller.
 *
 * Nothing of what a caller points at is read before the state of that place says that a block is
 * there. The states are not among the blocks, so no overrun and no imitation makes one up.
 */
#include <errno.h>
#include <string.h>

#include <quoit/numa/rtm_internal.h>

#define LOOKS 100 /* at a mutex that is taken, before sleeping: a few microseconds */

typedef struct quoit__tlsf_block block;

/* --- who may --------------------------------------------------------------------------------- */

/*
 * In a section of a few hundred instructions the other is gone soon, unless it was preempted. Who
 * has the mutex already would wait for itself, and without it two would change the pool at once: so
 * it is looked at whatever CONFIG_ASSERT says, out here where it costs nothing.
 */
QUOIT_SLOW void lock(struct quoit_rtm_pool *pool)
{
	for (unsigned looks = 0; looks < LOOKS; looks++) {
		if (!pthread_mutex_trylock(&pool->mutex))
			return;
		quoit_relax();
	}
	const int rc = pthread_mutex_lock(&pool->mutex);
	QUOIT__CHECK(!rc, "a shared pool is used from within a call on it: by a signal handler");
}

int quoit__rtm_own(struct quoit_rtm_pool *pool)
{
	if (QUOIT_CONFIG_ASSERT >= 1)
		QUOIT__CHECK(pool->magic == QUOIT__RTM_MAGIC, "the pool is none, or was deleted");
	if (pool->owner == QUOIT_RTM_SHARED)
		lock(pool);
	else if (quoit_load(&pool->thread) != quoit__rtm_self()) /* only equal where we wrote it */
		return -EPERM;
	return 0;
}

void quoit__rtm_leave(struct quoit_rtm_pool *pool)
{
	if (pool->owner == QUOIT_RTM_SHARED)
		pthread_mutex_unlock(&pool->mutex);
}

/* Out of line, with the words that it may need: they would be on the stack of every call. */
QUOIT_SLOW int look_closely(struct quoit_rtm_pool *pool)
{
	struct quoit_reason why;

	if (!quoit__rtm_check(pool, &why))
		return 0;
	quoit__rtm_leave(pool);
	return quoit__rtm_damaged(pool, &why);
}

int quoit__rtm_enter(struct quoit_rtm_pool *pool)
{
	int rc = quoit__rtm_own(pool);

	if (!rc && quoit_unlikely(pool->debug == QUOIT_RTM_DEBUG_CHECK))
		rc = look_closely(pool);
	if (rc)
		return rc;
	if (pool->owner == QUOIT_RTM_REMOTE_FREE)
		(void)quoit__rtm_take_in(pool, QUOIT_RTM_TAKES_IN);
	return 0;
}

/* --- with the pool entered ------------------------------------------------------------------- */

/* The address sanitizer lets a user touch what was asked for, and us the heads and links. */
static void allow(struct quoit_rtm_pool *pool, block *b)
{
	char *const data = quoit__tlsf_data(b);
	const size_t bytes = quoit__tlsf_bytes(&pool->tlsf, b), asked = quoit__rtm_asked(b);

	quoit_unpoison(data, bytes);
	if (pool->debug != QUOIT_RTM_DEBUG_CHECK)
		quoit_poison(data + asked, bytes - asked);
}

static void forbid(struct quoit_rtm_pool *pool, block *b)
{
	const size_t links = sizeof(*b) - QUOIT__TLSF_HEAD;

	quoit_unpoison(b, sizeof(*b));
	quoit_poison((char *)quoit__tlsf_data(b) + links,
		     quoit__tlsf_bytes(&pool->tlsf, b) - links);
}

static void note(struct quoit_rtm_pool *pool, block *b, size_t bytes, uint64_t align_log)
{
	b->word = bytes | align_log << QUOIT__RTM_ASKED_BITS;
	allow(pool, b);
	if (pool->debug == QUOIT_RTM_DEBUG_CHECK)
		quoit__rtm_seal(b);
}

static void count_used(struct quoit_rtm_pool *pool, size_t more, size_t less)
{
	const uint64_t used = quoit_load(&pool->used) + more - less; /* ours */

	quoit_store(&pool->used, used);
	if (used > quoit_load(&pool->peak))
		quoit_store(&pool->peak, used);
}

/* May there be so many bytes more, if so many go? */
static bool may_use(const struct quoit_rtm_pool *pool, size_t more, size_t less)
{
	const uint64_t used = quoit_load(&pool->used) - less; /* ours */

	return more <= pool->total && used <= pool->total - more;
}

/* Of a size that can be had at all. */
static int refuse(struct quoit_rtm_pool *pool, size_t bytes)
{
	quoit_count(&pool->refused, 1);
	if (pool->owner == QUOIT_RTM_REMOTE_FREE && bytes <= pool->total &&
	    (pool->pending || quoit_load(&pool->remote.head))) /* a hint: more may come anyway */
		return -EAGAIN;
	return -ENOMEM;
}

/* A block, or -errno. `less` bytes in use will not be. */
static int take(struct quoit_rtm_pool *pool, size_t bytes, uint64_t align_log, size_t less,
		void **data)
{
	struct quoit__tlsf *const tlsf = &pool->tlsf;
	block *b = NULL;

	if (may_use(pool, bytes, less)) {
		const uint64_t need = quoit__tlsf_need(tlsf, quoit__rtm_bytes(pool, bytes));
		const uint32_t align =
			align_log > tlsf->shift ? (uint32_t)1 << (align_log - tlsf->shift) : 1;

		if (need <= tlsf->granules)
			b = quoit__tlsf_take(tlsf, (uint32_t)need, align);
	}
	if (!b)
		return refuse(pool, bytes);
	note(pool, b, bytes, align_log);
	count_used(pool, bytes, less);
	quoit_count(&pool->blocks, 1);
	quoit_count(&pool->granted, 1);
	*data = quoit__tlsf_data(b);
	quoit__rtm_state_begin(quoit__rtm_state(pool, *data));
	return 0;
}

/* `less` is its size, or 0 for one that `used` does not have any more. */
static void give(struct quoit_rtm_pool *pool, block *b, size_t less)
{
	count_used(pool, 0, less);
	quoit_store(&pool->blocks, quoit_load(&pool->blocks) - 1); /* ours */
	forbid(pool, b);
	quoit__tlsf_give(&pool->tlsf, b);
}

size_t quoit__rtm_take_in(struct quoit_rtm_pool *pool, size_t most)
{
	size_t n = 0;

	for (; n < most; n++) {
		void *const data =
			pool->pending ? pool->pending : quoit__rtm_remote_take(&pool->remote);

		if (!data)
			break;
		pool->pending = quoit__rtm_remote_next(data);
		block *const b = quoit__tlsf_block_of(data);
		give(pool, b, quoit__rtm_asked(b));
	}
	if (n)
		quoit_count(&pool->taken_in, n);
	return n;
}

/* --- allocating ------------------------------------------------------------------------------ */

QUOIT_HOT void junk(struct quoit_rtm_pool *pool, void *data, size_t bytes, int value)
{
	if (pool->debug != QUOIT_RTM_DEBUG_OFF)
		memset(data, value, bytes);
}

static int alloc(struct quoit_rtm_pool *pool, size_t bytes, size_t align, void **data)
{
	int rc;

	if (!bytes || (align & (align - 1)) || !align || align > QUOIT_RTM_ALIGN_ONE_MOST)
		return -EINVAL;
	if (!pool)
		pool = quoit_rtm_default_pool();
	if (!pool)
		return -ENXIO;
	rc = quoit__rtm_enter(pool);
	if (rc)
		return rc;
	rc = take(pool, bytes, (uint64_t)__builtin_ctzll(align), 0, data);
	quoit__rtm_leave(pool);
	if (!rc)
		junk(pool, *data, bytes, QUOIT_RTM_JUNK_NEW);
	return rc;
}

void *quoit_rtm_alloc_aligned(struct quoit_rtm_pool *pool, size_t bytes, size_t align)
{
	void *data = NULL;
	const int rc = alloc(pool, bytes, align, &data);

	if (rc)
		errno = -rc;
	return data;
}

void *quoit_rtm_alloc(struct quoit_rtm_pool *pool, size_t bytes)
{
	return quoit_rtm_alloc_aligned(pool, bytes, 1);
}

/* --- finding the block of a pointer ---------------------------------------------------------- */

/* The pool of what may be a block: -EINVAL, -EFAULT, -EALREADY if it is not one. */
static int locate(const void *data, struct quoit_rtm_pool **pool)
{
	struct quoit_rtm_pool *found;
	uintptr_t offset;

	if (!data)
		return -EINVAL;
	found = quoit__rtm_find(data);
	if (!found)
		return -EFAULT;
	offset = (uintptr_t)data - (uintptr_t)found->tlsf.first; /* huge for what is in front */
	if (offset & (((uintptr_t)1 << found->tlsf.shift) - 1) ||
	    offset >> found->tlsf.shift >= found->tlsf.granules)
		return -EFAULT;
	*pool = found;
	return quoit__rtm_state_judge(quoit__rtm_state(found, data));
}

ssize_t quoit_rtm_size_for(const void *data)
{
	struct quoit_rtm_pool *pool;
	const int rc = locate(data, &pool);

	return rc ? rc : (ssize_t)quoit__rtm_asked(quoit__tlsf_block_of(data));
}

ssize_t quoit_rtm_phys_size_for(const void *data)
{
	struct quoit_rtm_pool *pool;
	const int rc = locate(data, &pool);

	if (rc)
		return rc;
	return (ssize_t)quoit__rtm_most(pool,
					quoit__tlsf_bytes(&pool->tlsf, quoit__tlsf_block_of(data)));
}

struct quoit_rtm_pool *quoit_rtm_pool_of(const void *data)
{
	return quoit__rtm_find(data);
}

/* --- giving back ----------------------------------------------------------------------------- */

/* A block that the caller alone has. If it is damaged it is its user's again. */
QUOIT_SLOW int look_at_own(struct quoit_rtm_pool *pool, block *b)
{
	struct quoit_reason why;

	if (!quoit__rtm_check_block(pool, b, &why))
		return 0;
	quoit__rtm_state_keep(quoit__rtm_state(pool, quoit__tlsf_data(b)));
	return quoit__rtm_damaged(pool, &why);
}

/* In a pool that others give back to: entering it looks at none of its blocks so closely. */
QUOIT_HOT bool wants_look(const struct quoit_rtm_pool *pool)
{
	return quoit_unlikely(pool->debug == QUOIT_RTM_DEBUG_CHECK) &&
	       pool->owner == QUOIT_RTM_REMOTE_FREE;
}

/* Only who has ended it looks at it: for others it may be gone already, and another's. */
QUOIT_HOT int end(struct quoit_rtm_pool *pool, void *data)
{
	const int rc = quoit__rtm_state_end(quoit__rtm_state(pool, data));

	return !rc && wants_look(pool) ? look_at_own(pool, quoit__tlsf_block_of(data)) : rc;
}

/* By another thread than the owner: onto the list, and nothing of the pool is touched afterwards.
 */
static int give_from_outside(struct quoit_rtm_pool *pool, void *data)
{
	block *const b = quoit__tlsf_block_of(data);
	const int rc = end(pool, data);

	if (rc)
		return rc;
	junk(pool, data, quoit__rtm_asked(b), QUOIT_RTM_JUNK_FREED);
	if (pool->debug != QUOIT_RTM_DEBUG_CHECK) /* with it the owner looks behind the block */
		forbid(pool, b);
	quoit__rtm_remote_push(&pool->remote, data);
	return 0;
}

int quoit_rtm_free(void *data)
{
	struct quoit_rtm_pool *pool;
	int rc = locate(data, &pool);

	if (rc)
		return rc;
	if (pool->owner == QUOIT_RTM_REMOTE_FREE) {
		const uint64_t thread = quoit_load(&pool->thread);

		if (thread != quoit__rtm_self()) /* 0: a forked child has not that thread */
			return thread ? give_from_outside(pool, data) : -EPERM;
	}
	rc = quoit__rtm_enter(pool);
	if (rc)
		return rc;
	/* Another thread may have been faster since we looked. */
	rc = end(pool, data);
	if (!rc) {
		block *const b = quoit__tlsf_block_of(data);
		const size_t asked = quoit__rtm_asked(b);

		junk(pool, data, asked, QUOIT_RTM_JUNK_FREED);
		give(pool, b, asked);
	}
	quoit__rtm_leave(pool);
	return rc;
}

ssize_t quoit_rtm_collect(struct quoit_rtm_pool *pool, size_t most)
{
	size_t n = 0;
	int rc;

	if (!pool || quoit__rtm_find(pool) != pool)
		return -EFAULT;
	rc = quoit__rtm_own(pool);
	if (rc)
		return rc;
	if (pool->owner == QUOIT_RTM_REMOTE_FREE)
		n = quoit__rtm_take_in(pool, most);
	quoit__rtm_leave(pool);
	return (ssize_t)n;
}

/* --- resizing -------------------------------------------------------------------------------- */

/*
 * Where it is: always within the block's physical size, beyond it as far as there is room behind.
 */
static bool resize_in_place(struct quoit_rtm_pool *pool, block *b, size_t bytes)
{
	const size_t had = quoit__rtm_asked(b);
	const size_t bytes_there = quoit__tlsf_bytes(&pool->tlsf, b);
	const uint64_t need = quoit__tlsf_need(&pool->tlsf, quoit__rtm_bytes(pool, bytes));

	if (bytes > quoit__rtm_most(pool, bytes_there) &&
	    (!may_use(pool, bytes, had) || need > pool->tlsf.granules))
		return false;
	if (!quoit__tlsf_resize(&pool->tlsf, b, (uint32_t)need))
		return false;
	note(pool, b, bytes, b->word >> QUOIT__RTM_ASKED_BITS);
	count_used(pool, bytes, had);
	return true;
}

/*
 * Elsewhere: a new block, which counts in place of the old one, and then the old one goes. A shared
 * pool is not held while the bytes are copied, because that takes as long as there are bytes: the
 * old block is, so that nobody else gives it back.
 */
static int move(struct quoit_rtm_pool *pool, void **data, size_t bytes)
{
	void *const old = *data;
	block *const b = quoit__tlsf_block_of(old);
	const size_t had = quoit__rtm_asked(b);
	void *moved;
	int rc = take(pool, bytes, b->word >> QUOIT__RTM_ASKED_BITS, had, &moved);

	if (rc)
		return rc;
	pool->moving += had;
	quoit__rtm_leave(pool);
	memcpy(moved, old, had);
	junk(pool, (char *)moved + had, bytes - had, QUOIT_RTM_JUNK_NEW);
	rc = quoit__rtm_own(pool);
	QUOIT_ASSERT(!rc); /* it was ours a moment ago */
	pool->moving -= had;
	quoit__rtm_state_drop(quoit__rtm_state(pool, old));
	junk(pool, old, had, QUOIT_RTM_JUNK_FREED);
	give(pool, b, 0);
	*data = moved;
	return 0;
}

/* A block that is held. It is its user's again, or gone, when this comes back. */
static int resize(struct quoit_rtm_pool *pool, void **data, size_t bytes)
{
	uint8_t *const state = quoit__rtm_state(pool, *data);
	block *const b = quoit__tlsf_block_of(*data);
	const size_t had = quoit__rtm_asked(b);

	if (!resize_in_place(pool, b, bytes)) {
		const int rc = move(pool, data, bytes);

		if (rc)
			quoit__rtm_state_keep(state);
		return rc;
	}
	if (bytes > had)
		junk(pool, (char *)*data + had, bytes - had, QUOIT_RTM_JUNK_NEW);
	quoit__rtm_state_keep(state);
	return 0;
}

int quoit_rtm_realloc(void **data, size_t bytes)
{
	struct quoit_rtm_pool *pool;
	int rc;

	if (!data || (!*data && !bytes))
		return -EINVAL;
	if (!*data)
		return alloc(NULL, bytes, 1, data);
	if (!bytes) {
		rc = quoit_rtm_free(*data);
		if (!rc)
			*data = NULL;
		return rc;
	}
	rc = locate(*data, &pool);
	if (!rc)
		rc = quoit__rtm_enter(pool);
	if (rc)
		return rc;
	rc = quoit__rtm_state_hold(quoit__rtm_state(pool, *data));
	if (!rc && wants_look(pool))
		rc = look_at_own(pool, quoit__tlsf_block_of(*data));
	if (!rc)
		rc = resize(pool, data, bytes);
	quoit__rtm_leave(pool);
	return rc;
}
