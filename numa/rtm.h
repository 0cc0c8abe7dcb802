/* SPDX-License-Identifier: MIT */
/*
 * rtm.h - memory for code that may not wait: pools of a fixed size, in memory that is there
 * already.
 *
 *     struct quoit_rtm_pool *pool;
 *     if (quoit_rtm_create_pool(&pool, 1 << 20, "mixer"))
 *             ...
 *     void *const block = quoit_rtm_alloc(pool, 480 * sizeof(float));
 *     quoit_rtm_free(block);
 *
 * A pool's memory is mapped, put on its node, locked and filled when it is created. From then on
 * nothing here maps, allocates or touches a page for the first time, and a call takes a bounded
 * number of steps, however many blocks there are and however they lie (tlsf_internal.h; `make rtm`
 * counts instructions). What a call may wait for depends on whose the pool is: see enum
 * quoit_rtm_owner.
 *
 * `total` is a number of bytes that can really be allocated: one block of `total` bytes, or up to
 * `blocks_most` blocks of any sizes that come to `total`, if none was given back in between. What
 * blocks need beside their bytes is reserved on top. After blocks have come back, free memory may
 * be in pieces: quoit_rtm_largest_free() tells the largest. More than `total` is never handed out,
 * except bytes within a block's physical size, to which it may always be resized:
 * quoit_rtm_available() is `total` less the bytes that were asked for, to the byte, and then 0.
 *
 * A block knows its pool. What is no block is refused, and not looked at: -EFAULT for memory that
 * no pool has or where no block begins, -EALREADY for a block that was given back. (Unless it was
 * handed out again since: then it is a block, and somebody else's.)
 *
 * Forks. fork() waits until no other thread is in a call on a pool of QUOIT_RTM_SHARED or creates
 * or deletes one, and until it is done such calls wait for it; a pool with `dontfork` neither waits
 * nor is waited for. A child may use the shared pools, and those that the thread that forked owns;
 * another thread's may be half-changed, so whoever calls is -EPERM there, and nobody may adopt one.
 * None is locked in memory any more. A pool with `dontfork` is no pool in the child, its blocks are
 * -EFAULT, and as the default pool it is none; do not allocate from it. Without `dontfork` the
 * pages are copied when somebody writes: after a fork the parent, too, takes a page fault for each
 * page that it writes to, whatever was locked. Who forks sets `dontfork`, or uses posix_spawn() or
 * vfork(), which do none of this. Handlers of a pthread_atfork() that is older than main() must not
 * use pools. Do not fork in a signal handler that interrupts a call, nor use
 * any pool in a child of _Fork() or clone(2).
 *
 * realtime_alloc.h has the same under the names and with the codes of BeOS.
 */
#ifndef QUOIT_NUMA_RTM_H
#define QUOIT_NUMA_RTM_H

#include <sys/types.h>

#include <quoit/numa/machine.h>
#include <quoit/numa/reason.h>

QUOIT_C_BEGIN

struct quoit_rtm_pool;

#define QUOIT_RTM_POOLS_MOST	 256		   /* at one time, in a process */
#define QUOIT_RTM_NAME_BYTES	 32		   /* what is kept of a name, with its NUL */
#define QUOIT_RTM_ALIGN_MOST	 ((size_t)4096)	   /* of a pool */
#define QUOIT_RTM_ALIGN_ONE_MOST ((size_t)2 << 20) /* of a block */

/* Blocks that others gave back, for each call of the owner: more than a call can give out. */
#define QUOIT_RTM_TAKES_IN 2

/* Who may call what. In all of them any thread may ask for a block's size. */
enum quoit_rtm_owner {
	/*
	 * Any thread may do all. A mutex with priority inheritance: who waits for it lends its
	 * priority to who holds it. A few hundred instructions are done under it, after which it is
	 * most often free again, so a thread looks some times before it sleeps. May wait. Contract:
	 * who is in a call on it does not call again (a signal handler); the process ends there.
	 */
	QUOIT_RTM_SHARED,

	/*
	 * One thread allocates, any thread may give back. Nobody waits for anybody: what others
	 * give back goes onto a list, of which each call of the owner takes in up to
	 * QUOIT_RTM_TAKES_IN. A thread that gives back tries again where another was faster, so it
	 * is some thread that is done after a bounded number of steps, and not each of them.
	 */
	QUOIT_RTM_REMOTE_FREE,

	/* One thread does all. The others get -EPERM. */
	QUOIT_RTM_SINGLE,
};

/* Whether a pool is to be locked in memory. */
enum quoit_rtm_lock {
	QUOIT_RTM_LOCK_DEFAULT, /* what quoit_rtm_set_policy() said last; PREFER before that */
	QUOIT_RTM_LOCK_NEVER,
	QUOIT_RTM_LOCK_PREFER,	/* where it is refused the pool works, and its info tells */
	QUOIT_RTM_LOCK_REQUIRE, /* where it is refused there is no pool */
};

/*
 * Looking for mistakes. Each level does what the ones above it do, and takes time that grows with
 * the size of a block, or, for CHECK, with the number of blocks.
 */
enum quoit_rtm_debug {
	/*
	 * As the environment says when the pool is created: QUOIT_RTM_DEBUG, or MALLOC_DEBUG if
	 * that is not set. 0 or empty is OFF, a number above 1 is CHECK, anything else is JUNK.
	 */
	QUOIT_RTM_DEBUG_ENVIRONMENT,
	QUOIT_RTM_DEBUG_OFF,
	/* New blocks are filled with one junk value, freed ones with another. */
	QUOIT_RTM_DEBUG_JUNK,
	/*
	 * A word behind each block; the pool is validated in each call of who may allocate, but for
	 * quoit_rtm_collect() and QUOIT_RTM_FORCE. A block that another than the owner gives back
	 * is looked at alone. In a pool of QUOIT_RTM_REMOTE_FREE the bytes behind one of less than
	 * 8 are looked at when it is resized or given back. Writes into freed blocks are not
	 * noticed.
	 */
	QUOIT_RTM_DEBUG_CHECK,
};

#define QUOIT_RTM_JUNK_NEW   0xa7
#define QUOIT_RTM_JUNK_FREED 0xd9

/*
 * Told of damage that QUOIT_RTM_DEBUG_CHECK found. It must not use the pool. Afterwards the call
 * that found it fails with -EUCLEAN, and has changed nothing. Without such a function the process
 * says what it found on stderr and aborts.
 */
typedef void (*quoit_rtm_damage_fn)(const struct quoit_rtm_pool *pool,
				    const struct quoit_reason *what, void *ctx);

struct quoit_rtm_options {
	size_t total;	  /* bytes; of the default pool 0 is CONFIG_RTM_DEFAULT_POOL_KB */
	const char *name; /* copied; also in /proc/PID/maps (see region.h), as rtm:name; or NULL */

	/* Blocks whose needs are reserved for, beside their bytes. 0: one for each KiB, and 16. */
	size_t blocks_most;
	size_t align_bytes; /* of each block: a power of two, 16 to QUOIT_RTM_ALIGN_MOST; 0: 64 */
	enum quoit_rtm_owner owner;
	enum quoit_rtm_lock lock;
	enum quoit_rtm_debug debug;

	int node;      /* prefer this node's memory; below 0: no policy. Mind that 0 is a node */
	bool huge;     /* ask for huge pages */
	bool dontfork; /* a forked child does not have the memory, and forks cost no page faults */
	bool require;  /* refuse where the placement falls short, instead of degrading */

	quoit_rtm_damage_fn damage;
	void *damage_ctx;
};

/* Bits of quoit_rtm_delete_pool_ex(). */
enum quoit_rtm_delete_flags {
	QUOIT_RTM_FORCE = 1, /* whatever is left in it, and whoever its owner is */
};

struct quoit_rtm_info {
	char name[QUOIT_RTM_NAME_BYTES];
	size_t total, used, peak; /* bytes that were asked for; by resizing they may exceed total */
	size_t available;	  /* total less used, or 0 */
	size_t largest_free;	  /* 0 also where the caller may not look: not the owner */
	size_t mapped_bytes;	  /* whole pages */
	size_t align_bytes;
	uint64_t blocks;   /* that are somebody's */
	uint64_t granted;  /* by alloc, ever; with a realloc that moved */
	uint64_t refused;  /* for want of memory */
	uint64_t taken_in; /* given back by others than the owner */
	enum quoit_rtm_owner owner;
	enum quoit_rtm_debug debug;
	int node;	   /* -1 without a policy */
	bool locked;	   /* cannot be swapped out */
	bool huge;	   /* asked for, and all of it is in huge pages */
	bool named;	   /* in /proc/PID/maps too */
	bool inherits;	   /* SHARED: its mutex lends priorities */
	unsigned degraded; /* bits of enum quoit_region_shortfall; 0: all as asked for */
	int degraded_error;
};

/* --- pools ----------------------------------------------------------------------------------- */

/*
 * Create a pool that any thread may use, from whose empty state `total` bytes can be allocated.
 *
 * With `out` NULL it is the default pool that is created, if there is none; `total` 0 means
 * CONFIG_RTM_DEFAULT_POOL_KB then. The default pool is small and everybody's: make your own.
 * Thread: any; not on a hot path.   Owns: the caller deletes it; nobody deletes the default pool.
 * Errors: -EALREADY if there is a default pool; -EINVAL for no bytes; -E2BIG for more than 2^31
 * times the alignment; -EMFILE for more than QUOIT_RTM_POOLS_MOST pools; what mapping, filling and
 * (by policy) locking say.
 */
QUOIT_MUST_CHECK int quoit_rtm_create_pool(struct quoit_rtm_pool **out, size_t total,
					   const char *name);

/*
 * The same with all there is to choose. `why` tells in words what was refused, and also, though the
 * answer is 0, where a pool falls short of what was asked (the info's `degraded`).
 *
 * Errors: also -EINVAL for an alignment or a node that cannot be, or options of no meaning, or
 * NULL. Thread: the pool's owner, if it is to have one, until another adopts it; pin it first.
 */
QUOIT_MUST_CHECK int quoit_rtm_create_pool_ex(struct quoit_rtm_pool **out,
					      const struct quoit_rtm_options *o,
					      struct quoit_reason *why);

/*
 * Delete a pool in which nothing is left.
 *
 * Errors: -EINVAL for NULL and for the default pool; -EBUSY if there are blocks; -EFAULT for what
 * is no pool; -EPERM for who is not its owner; -EUCLEAN. The pool is then as it was. Thread: the
 * owner's, or any; no other may be in a call on this pool, but one whose block was given back may
 * still be on its way out of it.
 */
QUOIT_MUST_CHECK int quoit_rtm_delete_pool(struct quoit_rtm_pool *pool);

/*
 * The same with bits of enum quoit_rtm_delete_flags; with QUOIT_RTM_FORCE nobody may have anything
 * to do with the pool any more, and what was in it is gone.
 *
 * Errors: the same, and -EINVAL for other bits.
 */
QUOIT_MUST_CHECK int quoit_rtm_delete_pool_ex(struct quoit_rtm_pool *pool, unsigned flags);

/* The default pool, or NULL if it was not created yet. Thread: any. */
QUOIT_RT struct quoit_rtm_pool *quoit_rtm_default_pool(void);

/*
 * The calling thread is the owner from now on. Thread: one that has been told by the former owner
 * that it will not use the pool any more; that one may not give back either, until it has been told
 * that this has returned. Does nothing for a shared pool. Errors: -EFAULT.
 */
int quoit_rtm_adopt(struct quoit_rtm_pool *pool);

/*
 * What QUOIT_RTM_LOCK_DEFAULT means from now on in this process: the switch for "real-time
 * allocators on". Errors: -EINVAL for what is none of the other three. Thread: any.
 */
int quoit_rtm_set_policy(enum quoit_rtm_lock policy);

/* What it means now. Thread: any. */
enum quoit_rtm_lock quoit_rtm_policy(void);

/* How many pools were created without the lock that they would have preferred. Thread: any. */
uint64_t quoit_rtm_unlocked_pools(void);

/* --- blocks ---------------------------------------------------------------------------------- */

/*
 * A block of `bytes`, aligned as the pool is. Its contents are whatever was there. With `pool` NULL
 * it comes from the default pool. Contract: `pool` is one that lives (delete alone can tell).
 *
 * Gives NULL and errno: EINVAL for no bytes, ENXIO if there is no default pool, EPERM for who is
 * not the owner, ENOMEM, EUCLEAN; EAGAIN if there is not enough, but others have given back more
 * than one call takes in: another call, or quoit_rtm_collect(), may find it. Thread: as enum
 * quoit_rtm_owner says, and so below. A shared pool is not for signal handlers. Owns: the caller
 * gives it back by quoit_rtm_free(), or by a realloc to 0 bytes.
 */
QUOIT_RT_UNLESS(shared) void *quoit_rtm_alloc(struct quoit_rtm_pool *pool, size_t bytes);

/*
 * The same at a multiple of `align`, a power of two up to QUOIT_RTM_ALIGN_ONE_MOST (else EINVAL).
 * It stays so if the block moves. What it takes beyond the pool's own alignment was not reserved.
 */
QUOIT_RT_UNLESS(shared)
void *quoit_rtm_alloc_aligned(struct quoit_rtm_pool *pool, size_t bytes, size_t align);

/*
 * Make *data a block of `bytes`, with what was in it as far as both reach.
 *
 * It stays where it is as long as `bytes` is not above its physical size, whatever the pool has
 * left, and also if there is room behind it; else it moves, within its pool. With *data NULL it is
 * an allocation in the default pool; with `bytes` 0 it is given back and *data becomes NULL. Until
 * this comes back the block is nobody else's: who gives it back meanwhile is told -EALREADY.
 * Errors: -EINVAL for `data` NULL, or 0 bytes of nothing; -ENOMEM, -EAGAIN, -ENXIO as for alloc;
 * -EFAULT, -EALREADY as for free; -EPERM, -EUCLEAN. *data and its block are then as they were.
 */
QUOIT_RT_UNLESS(shared) QUOIT_MUST_CHECK int quoit_rtm_realloc(void **data, size_t bytes);

/*
 * Give a block back.
 *
 * Errors: -EINVAL for NULL, which does no harm; -EFAULT for what is no block, -EALREADY for one
 * that was given back; -EPERM for a thread that may not; -EUCLEAN.
 */
QUOIT_RT_UNLESS(shared) int quoit_rtm_free(void *data);

/*
 * The bytes that were asked for, when it was allocated or resized. Thread: whoever has the block.
 * Errors: -EINVAL for NULL, -EFAULT, -EALREADY.
 */
QUOIT_RT ssize_t quoit_rtm_size_for(const void *data);

/*
 * The bytes up to which a realloc never moves or refuses it: its size or more. Thread, errors: the
 * same.
 */
QUOIT_RT ssize_t quoit_rtm_phys_size_for(const void *data);

/* The pool in whose memory `data` lies, be it a block or not, or NULL. Thread: any. */
QUOIT_RT struct quoit_rtm_pool *quoit_rtm_pool_of(const void *data);

/*
 * Take in up to `most` blocks that others have given back, for an owner that has the time. Gives
 * how many, or -EFAULT, -EPERM.
 */
QUOIT_RT_UNLESS(shared) ssize_t quoit_rtm_collect(struct quoit_rtm_pool *pool, size_t most);

/* --- looking at a pool ----------------------------------------------------------------------- */

/* In all of these NULL is the default pool. */

/* Bytes that may still be asked for, all in all; 0 without a default pool. Thread: any. */
QUOIT_RT size_t quoit_rtm_available(const struct quoit_rtm_pool *pool);

/*
 * The size of a block that is certain to be had now; there is none that is much larger. Thread: who
 * may allocate; 0 for others.
 */
QUOIT_RT_UNLESS(shared) size_t quoit_rtm_largest_free(const struct quoit_rtm_pool *pool);

/* What there is to be said about a pool. Errors: -ENXIO, -EFAULT, -EINVAL. Thread: any. */
int quoit_rtm_pool_info(const struct quoit_rtm_pool *pool, struct quoit_rtm_info *info);

/*
 * Look whether a pool is sound: every head, list and map, the numbers, and what stands behind the
 * blocks in a pool with QUOIT_RTM_DEBUG_CHECK. Best effort: not every overwritten byte can be told.
 *
 * Errors: -EUCLEAN if not; -ENXIO, -EFAULT, -EPERM. Tells nobody else. Thread: who may allocate.
 * Cost: grows with the number of blocks.
 */
int quoit_rtm_validate(struct quoit_rtm_pool *pool);

QUOIT_C_END

#endif
