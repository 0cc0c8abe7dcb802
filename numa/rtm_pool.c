/* SPDX-License-Identifier: MIT */
/* rtm_pool.c - pools come, go, and tell about themselves. All that maps or may sleep is here. */
#include <quoit/numa/rtm_internal.h>
#include <quoit/numa/rtm_registry_internal.h>

#include <stdio.h>
#include <string.h>

quoit_static_assert(QUOIT_RTM_POOLS_MOST == QUOIT__RTM_RANGES_MOST, "a range for each pool");

static struct quoit__rtm_registry registry;
static pthread_mutex_t registry_mutex = PTHREAD_MUTEX_INITIALIZER; /* who changes it */

static struct quoit_rtm_pool *default_pool;
static pthread_mutex_t default_mutex = PTHREAD_MUTEX_INITIALIZER; /* who creates it */

static uint32_t policy = QUOIT_RTM_LOCK_PREFER;
static uint64_t unlocked;

/* --- the policy ------------------------------------------------------------------------------ */

int quoit_rtm_set_policy(enum quoit_rtm_lock chosen)
{
	if (chosen != QUOIT_RTM_LOCK_NEVER && chosen != QUOIT_RTM_LOCK_PREFER &&
	    chosen != QUOIT_RTM_LOCK_REQUIRE)
		return -EINVAL;
	quoit_store(&policy, (uint32_t)chosen); /* for pools to come: nothing depends on it */
	return 0;
}

enum quoit_rtm_lock quoit_rtm_policy(void)
{
	return (enum quoit_rtm_lock)quoit_load(&policy);
}

uint64_t quoit_rtm_unlocked_pools(void)
{
	return quoit_load_acquire(&unlocked); /* unlocked: pairs with create() */
}

/* --- mutexes and forks ----------------------------------------------------------------------- */

/*
 * One that tells a thread which has it already, instead of letting it sleep for ever. A kernel
 * without priority inheritance still has mutexes; the pool's info tells.
 */
static int init_mutex(pthread_mutex_t *mutex, bool *inherits)
{
	pthread_mutexattr_t attributes;
	int rc = pthread_mutexattr_init(&attributes);

	if (rc)
		return -rc;
	rc = pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
	if (rc)
		goto out;
	*inherits = !pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT) &&
		    !pthread_mutex_init(mutex, &attributes);
	if (*inherits)
		goto out;
	rc = pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_NONE);
	if (!rc)
		rc = pthread_mutex_init(mutex, &attributes);
out:
	(void)pthread_mutexattr_destroy(&attributes);
	return -rc;
}

/*
 * A child has the calling thread alone: what another was in the midst of stays so there. So at a
 * fork nobody else is in the tables, nor in a shared pool that the child has too.
 */
static struct {
	uint64_t count;
	uint64_t from[QUOIT_RTM_POOLS_MOST]; /* where pools stand that the child has not */
} left_out;

/* Of who has registry_mutex. Both tables are the same then. */
static uint64_t count_pools(void)
{
	return quoit_load(&registry.tables[0].count); /* the caller's */
}

static struct quoit_rtm_pool *nth_pool(uint64_t n)
{
	/* the caller's */
	return (struct quoit_rtm_pool *)(uintptr_t)quoit_load(&registry.tables[0].ranges[n].from);
}

static bool is_held_for_fork(const struct quoit_rtm_pool *pool)
{
	return pool->owner == QUOIT_RTM_SHARED && !pool->dontfork;
}

static void before_fork(void)
{
	pthread_mutex_lock(&default_mutex);
	pthread_mutex_lock(&registry_mutex);
	left_out.count = 0;
	for (uint64_t i = 0; i < count_pools(); i++) {
		struct quoit_rtm_pool *const pool = nth_pool(i);

		if (pool->dontfork)
			left_out.from[left_out.count++] = (uint64_t)(uintptr_t)pool;
		if (is_held_for_fork(pool)) {
			const int rc = quoit__rtm_own(pool);
			(void)rc;
			QUOIT_ASSERT(!rc); /* it is shared */
		}
	}
}

static void after_fork_in_parent(void)
{
	for (uint64_t i = count_pools(); i-- > 0;)
		if (is_held_for_fork(nth_pool(i)))
			quoit__rtm_leave(nth_pool(i));
	pthread_mutex_unlock(&registry_mutex);
	pthread_mutex_unlock(&default_mutex);
}

/*
 * Locks in memory are not inherited. A mutex that inherits priorities knows by the parent's thread
 * who has it: that it is given back is refused here, and said only to who watches (the thread
 * sanitizer), and then it is made anew.
 */
static void come_to_child(struct quoit_rtm_pool *pool)
{
	pool->locked = false;
	if (pool->owner == QUOIT_RTM_SHARED) {
		quoit__rtm_leave(pool);
		const int rc = init_mutex(&pool->mutex, &pool->inherits);
		(void)rc;
		QUOIT_ASSERT(!rc); /* the parent has had one like it */
		return;
	}
	if (quoit_load(&pool->thread) != quoit__rtm_self()) /* as the parent's thread wrote it */
		quoit_store(&pool->thread, 0); /* another's: there is no other thread here */
}

static void after_fork_in_child(void)
{
	for (uint64_t i = 0; i < left_out.count; i++) {
		(void)!quoit__rtm_registry_remove(&registry, left_out.from[i]);
		if (left_out.from[i] == (uint64_t)(uintptr_t)quoit_rtm_default_pool())
			quoit_store(&default_pool, NULL); /* the child has one thread */
	}
	for (uint64_t i = 0; i < count_pools(); i++)
		come_to_child(nth_pool(i));
	pthread_mutex_unlock(&registry_mutex);
	pthread_mutex_unlock(&default_mutex);
}

static int forks_rc; /* of the start: never changes */

/*
 * At start, so that no fork is under way and few handlers of the program's are older: those would
 * run while this thread is in every shared pool.
 */
__attribute__((constructor)) static void hear_of_forks(void)
{
	forks_rc = -pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

static int heed_forks(struct quoit_reason *why)
{
	if (!forks_rc)
		return 0;
	return quoit_reason_set(why, forks_rc, "memory pools cannot hear of forks: %s",
				strerror(-forks_rc));
}

/* --- creating -------------------------------------------------------------------------------- */

struct layout {
	size_t align;
	size_t blocks_most;
	size_t granules;	  /* of all blocks, and the one that is lost */
	size_t bytes;		  /* of the whole region */
	enum quoit_rtm_lock lock; /* never DEFAULT */
};

/* What a block may need beside its bytes: a head, a word behind it, rounding. */
static size_t overhead_of(size_t align)
{
	const size_t rounding = align > QUOIT__TLSF_HEAD ? align : 2 * align;

	return QUOIT__TLSF_HEAD + QUOIT__RTM_SEAL_BYTES + sizeof(uint64_t) + rounding;
}

static int lay_out(struct layout *l, const struct quoit_rtm_options *o, struct quoit_reason *why)
{
	l->align = o->align_bytes ? o->align_bytes : 64;
	l->blocks_most = o->blocks_most ? o->blocks_most : o->total / 1024 + 16;
	l->lock = o->lock == QUOIT_RTM_LOCK_DEFAULT ? quoit_rtm_policy() : o->lock;
	if (!o->total)
		return quoit_reason_set(why, -EINVAL, "a memory pool of 0 bytes is not possible");
	if ((l->align & (l->align - 1)) || l->align < QUOIT__TLSF_HEAD ||
	    l->align > QUOIT_RTM_ALIGN_MOST)
		return quoit_reason_set(why, -EINVAL,
					"a memory pool cannot align to %zu bytes: choose a power "
					"of two from %zu to %zu",
					l->align, QUOIT__TLSF_HEAD, QUOIT_RTM_ALIGN_MOST);
	/* None of this overflows. */
	if (o->total > (size_t)QUOIT__TLSF_MOST * l->align || l->blocks_most > QUOIT__TLSF_MOST)
		l->granules = SIZE_MAX;
	else
		l->granules = (o->total + l->blocks_most * overhead_of(l->align)) / l->align + 3;
	if (l->granules > QUOIT__TLSF_MOST)
		return quoit_reason_set(why, -E2BIG,
					"a memory pool of %zu bytes in %zu blocks is too large: "
					"the limit is 2^31 times its alignment, which is %zu",
					o->total, l->blocks_most, l->align);
	l->bytes = sizeof(struct quoit_rtm_pool) + QUOIT_ISOLATION + l->granules + l->align +
		   l->granules * l->align;
	return 0;
}

static int check_options(const struct quoit_rtm_options *o, struct quoit_reason *why)
{
	if ((unsigned)o->owner > QUOIT_RTM_SINGLE || (unsigned)o->lock > QUOIT_RTM_LOCK_REQUIRE ||
	    (unsigned)o->debug > QUOIT_RTM_DEBUG_CHECK)
		return quoit_reason_set(why, -EINVAL,
					"a memory pool's owner, lock or debug is none of its kind: "
					"%d, %d, %d",
					(int)o->owner, (int)o->lock, (int)o->debug);
	return 0;
}

/* The memory, locked as the policy wants it. */
static int open_region(struct quoit_region *region, const struct layout *l,
		       const struct quoit_rtm_options *o, struct quoit_reason *why)
{
	char name[sizeof("rtm:") + QUOIT_RTM_NAME_BYTES];

	(void)snprintf(name, sizeof(name), "rtm:%.*s", QUOIT_RTM_NAME_BYTES - 1,
		       o->name ? o->name : "");
	const bool locked = l->lock != QUOIT_RTM_LOCK_NEVER;
	const struct quoit_region_options place = {
		.bytes = l->bytes,
		.node = o->node,
		.lock = locked,
		.must_lock = l->lock == QUOIT_RTM_LOCK_REQUIRE,
		.guard = locked, /* so that what is locked can always be unmapped */
		.dontfork = o->dontfork,
		.pages = o->huge ? QUOIT_REGION_TRANSPARENT : QUOIT_REGION_SMALL_PAGES,
		.require = o->require,
		.name = name,
	};

	return quoit_region_open(region, &place, why);
}

/* Lay the pool out in its own region. Everything there is zero. */
static struct quoit_rtm_pool *furnish(struct quoit_region *region, const struct layout *l,
				      const struct quoit_rtm_options *o)
{
	struct quoit_rtm_pool *const pool =
		quoit_region_take(region, sizeof(*pool), QUOIT_ISOLATION);

	pool->states = quoit_region_take(region, l->granules, 1);
	pool->magic = QUOIT__RTM_MAGIC;
	pool->owner = o->owner;
	pool->debug = quoit__rtm_debug_of(o->debug);
	pool->total = o->total;
	pool->damage = o->damage;
	pool->damage_ctx = o->damage_ctx;
	pool->thread = quoit__rtm_self();
	(void)snprintf(pool->name, sizeof(pool->name), "%s", o->name ? o->name : "");

	void *const span = quoit_region_take(region, l->granules * l->align, l->align);
	const int rc = quoit__tlsf_init(&pool->tlsf, span, l->granules * l->align, l->align);
	(void)rc;
	QUOIT_ASSERT(!rc);
	pool->region = *region;
	pool->locked =
		l->lock != QUOIT_RTM_LOCK_NEVER && !(region->degraded & QUOIT_REGION_UNLOCKED);
	pool->dontfork = o->dontfork && !(region->degraded & QUOIT_REGION_FORKED);
	pool->huge = o->huge && !(region->degraded & QUOIT_REGION_SMALL);
	quoit_poison((char *)quoit__tlsf_data(quoit__tlsf_block_of(pool->tlsf.first)) +
			     2 * sizeof(void *),
		     (size_t)pool->tlsf.granules * l->align - QUOIT__TLSF_HEAD -
			     2 * sizeof(void *));
	return pool;
}

static struct quoit__rtm_range range_of(const struct quoit_rtm_pool *pool)
{
	const uint64_t from = (uint64_t)(uintptr_t)pool->region.base;

	return (struct quoit__rtm_range){from, from + pool->region.bytes};
}

static void close_pool(struct quoit_rtm_pool *pool)
{
	struct quoit_region region = pool->region; /* it lies inside itself */

	if (pool->owner == QUOIT_RTM_SHARED)
		(void)pthread_mutex_destroy(&pool->mutex);
	quoit_unpoison(region.base, region.bytes);
	quoit_region_close(&region);
}

static int create(struct quoit_rtm_pool **out, const struct quoit_rtm_options *o,
		  struct quoit_reason *why)
{
	struct quoit_region region;
	struct layout l = {0};
	int rc = check_options(o, why);

	if (!rc)
		rc = lay_out(&l, o, why);
	if (!rc)
		rc = heed_forks(why);
	if (!rc)
		rc = open_region(&region, &l, o, why);
	if (rc)
		return rc;

	struct quoit_rtm_pool *const pool = furnish(&region, &l, o);
	if (o->owner == QUOIT_RTM_SHARED)
		rc = init_mutex(&pool->mutex, &pool->inherits);
	if (rc) {
		(void)quoit_reason_set(why, rc, "a memory pool gets no mutex: %s", strerror(-rc));
		goto close;
	}
	pthread_mutex_lock(&registry_mutex);
	rc = quoit__rtm_registry_add(&registry, range_of(pool));
	pthread_mutex_unlock(&registry_mutex);
	if (rc) {
		(void)quoit_reason_set(why, rc,
				       "there are %d memory pools already: delete one first",
				       QUOIT_RTM_POOLS_MOST);
		goto close;
	}
	if (l.lock != QUOIT_RTM_LOCK_NEVER && !pool->locked)
		quoit_add(&unlocked, 1); /* unlocked: pairs with quoit_rtm_unlocked_pools() */
	*out = pool;
	return 0;
close:
	close_pool(pool);
	return rc;
}

/* Of two that want it at once, one waits for the other and then finds that there is one. */
static int create_default(struct quoit_rtm_options o, struct quoit_reason *why)
{
	struct quoit_rtm_pool *pool = NULL;
	int rc;

	if (!o.total)
		o.total = (size_t)QUOIT_CONFIG_RTM_DEFAULT_POOL_KB * 1024;
	if (o.owner != QUOIT_RTM_SHARED)
		return quoit_reason_set(why, -EINVAL,
					"the default pool is everybody's: it has no owner");
	pthread_mutex_lock(&default_mutex);
	if (default_pool)
		rc = quoit_reason_set(why, -EALREADY, "there is a default memory pool already");
	else
		rc = create(&pool, &o, why);
	if (!rc)
		/* default: pairs with quoit_rtm_default_pool() */
		quoit_store_release(&default_pool, pool);
	pthread_mutex_unlock(&default_mutex);
	return rc;
}

int quoit_rtm_create_pool_ex(struct quoit_rtm_pool **out, const struct quoit_rtm_options *o,
			     struct quoit_reason *why)
{
	if (!o)
		return quoit_reason_set(why, -EINVAL, "a memory pool needs options, not NULL");
	return out ? create(out, o, why) : create_default(*o, why);
}

int quoit_rtm_create_pool(struct quoit_rtm_pool **out, size_t total, const char *name)
{
	const struct quoit_rtm_options o = {.total = total, .name = name, .node = -1};

	return quoit_rtm_create_pool_ex(out, &o, NULL);
}

struct quoit_rtm_pool *quoit_rtm_default_pool(void)
{
	return quoit_load_acquire(&default_pool); /* default: pairs with create_default() */
}

/* --- finding and deleting -------------------------------------------------------------------- */

struct quoit_rtm_pool *quoit__rtm_find(const void *address)
{
	/* A pool stands at the beginning of its range. */
	return (struct quoit_rtm_pool *)(uintptr_t)quoit__rtm_registry_find(
		&registry, (uint64_t)(uintptr_t)address);
}

static bool is_pool(const struct quoit_rtm_pool *pool)
{
	return pool && quoit__rtm_find(pool) == pool;
}

/* Is nothing left in it? The caller is in it. */
static int look_whether_empty(struct quoit_rtm_pool *pool)
{
	if (pool->owner == QUOIT_RTM_REMOTE_FREE)
		(void)quoit__rtm_take_in(pool, SIZE_MAX);
	return quoit_load(&pool->blocks) ? -EBUSY : 0; /* ours */
}

int quoit_rtm_delete_pool_ex(struct quoit_rtm_pool *pool, unsigned flags)
{
	int rc = 0;

	if (!pool || pool == quoit_rtm_default_pool() || flags & ~(unsigned)QUOIT_RTM_FORCE)
		return -EINVAL;
	if (!is_pool(pool))
		return -EFAULT;
	if (!(flags & QUOIT_RTM_FORCE)) {
		/* Whoever gave the last block back is out of the mutex when we are in it. */
		rc = quoit__rtm_enter(pool);
		if (rc)
			return rc;
		rc = look_whether_empty(pool);
		quoit__rtm_leave(pool);
	}
	if (rc)
		return rc;
	/* Another may have deleted it since we looked: only who takes it out may touch it. */
	pthread_mutex_lock(&registry_mutex);
	rc = quoit__rtm_registry_remove(&registry, (uint64_t)(uintptr_t)pool);
	pthread_mutex_unlock(&registry_mutex);
	if (!rc)
		close_pool(pool);
	return rc;
}

int quoit_rtm_delete_pool(struct quoit_rtm_pool *pool)
{
	return quoit_rtm_delete_pool_ex(pool, 0);
}

int quoit_rtm_adopt(struct quoit_rtm_pool *pool)
{
	if (!is_pool(pool))
		return -EFAULT;
	quoit_store(&pool->thread, quoit__rtm_self()); /* others only compare it with themselves */
	return 0;
}

/* --- telling --------------------------------------------------------------------------------- */

/* What is asked about: NULL is the default pool. */
static int choose(const struct quoit_rtm_pool *asked, struct quoit_rtm_pool **pool)
{
	*pool = asked ? quoit__rtm_find(asked) : quoit_rtm_default_pool();
	if (!asked)
		return *pool ? 0 : -ENXIO;
	return *pool == asked ? 0 : -EFAULT;
}

static size_t available_of(const struct quoit_rtm_pool *pool)
{
	const uint64_t used = quoit_load(&pool->used); /* of a moment ago, for others */

	/* A block that grew within its physical size may have taken it above. */
	return used < pool->total ? pool->total - used : 0;
}

size_t quoit_rtm_available(const struct quoit_rtm_pool *asked)
{
	struct quoit_rtm_pool *pool;

	return choose(asked, &pool) ? 0 : available_of(pool);
}

/* The caller owns the pool. */
static size_t largest_of(const struct quoit_rtm_pool *pool)
{
	const size_t granules = quoit__tlsf_largest(&pool->tlsf);

	if (!granules)
		return 0;
	return quoit_min(available_of(pool),
			 quoit__rtm_most(pool, (granules << pool->tlsf.shift) - QUOIT__TLSF_HEAD));
}

size_t quoit_rtm_largest_free(const struct quoit_rtm_pool *asked)
{
	struct quoit_rtm_pool *pool;
	size_t largest;

	if (choose(asked, &pool) || quoit__rtm_own(pool))
		return 0;
	largest = largest_of(pool);
	quoit__rtm_leave(pool);
	return largest;
}

/* What changes, as one picture for who owns the pool. */
static void count_up(const struct quoit_rtm_pool *pool, struct quoit_rtm_info *info)
{
	/* All of these are the owner's; for others each one is of a moment ago. */
	info->used = quoit_load(&pool->used);
	info->peak = quoit_load(&pool->peak);
	info->available = available_of(pool);
	info->blocks = quoit_load(&pool->blocks);
	info->granted = quoit_load(&pool->granted);
	info->refused = quoit_load(&pool->refused);
	info->taken_in = quoit_load(&pool->taken_in);
}

int quoit_rtm_pool_info(const struct quoit_rtm_pool *asked, struct quoit_rtm_info *info)
{
	struct quoit_rtm_pool *pool;
	const int rc = info ? choose(asked, &pool) : -EINVAL;

	if (rc)
		return rc;
	*info = (struct quoit_rtm_info){
		.total = pool->total,
		.mapped_bytes = pool->region.bytes,
		.align_bytes = (size_t)1 << pool->tlsf.shift,
		.owner = pool->owner,
		.debug = pool->debug,
		.node = pool->region.node,
		.locked = pool->locked,
		.huge = pool->huge,
		.named = pool->region.named,
		.inherits = pool->inherits,
		.degraded = pool->region.degraded,
		.degraded_error = pool->region.degraded_error,
	};
	memcpy(info->name, pool->name, sizeof(info->name));
	if (quoit__rtm_own(pool)) {
		count_up(pool, info);
		return 0;
	}
	count_up(pool, info);
	info->largest_free = largest_of(pool);
	quoit__rtm_leave(pool);
	return 0;
}

int quoit_rtm_validate(struct quoit_rtm_pool *asked)
{
	struct quoit_rtm_pool *pool;
	int rc = choose(asked, &pool);

	if (!rc)
		rc = quoit__rtm_own(pool);
	if (rc)
		return rc;
	rc = quoit__rtm_check(pool, NULL);
	quoit__rtm_leave(pool);
	return rc;
}
