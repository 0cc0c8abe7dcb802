/* SPDX-License-Identifier: MIT */
/*
 * main.c - pools against a model of them, in every owner mode, with adversaries; and how many
 * instructions a call takes at most. RTM_COUNT operations, from SEED.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/resource.h>

#include <quoit/rings/typed.h>

#include <rtm/rtm.h>

#define BLOCKS_OPEN  (RTM_BLOCKS_MOST + 64)
#define HANDED_LEAST 1000

QUOIT_SPSC(parcels, struct piece);

static struct {
	uint64_t operations, refused, taken_in, adversaries, failures;
} totals;

static struct quoit_rtm_pool *open_pool(enum quoit_rtm_owner owner, enum quoit_rtm_debug debug,
					size_t align)
{
	const struct quoit_rtm_options o = {
		.total = RTM_TOTAL,
		.name = "rtm-test",
		.blocks_most = BLOCKS_OPEN,
		.align_bytes = align,
		.owner = owner,
		.lock = QUOIT_RTM_LOCK_PREFER,
		.debug = debug,
		.node = -1,
	};
	struct quoit_rtm_pool *pool;
	struct quoit_reason why = {0};

	if (quoit_rtm_create_pool_ex(&pool, &o, &why)) {
		printf("not ok - %s\n", why.text);
		exit(1);
	}
	return pool;
}

/* What it was, and close the pool, which must be empty. */
static void tally(struct shadow *s, const char *what)
{
	char line[256];

	totals.operations += s->operations;
	totals.refused += s->refused;
	totals.failures += s->failures;
	(void)snprintf(line, sizeof(line), "%s: %llu operations, %llu refused%s%s", what,
		       (unsigned long long)s->operations, (unsigned long long)s->refused,
		       s->failures ? ": " : "", s->failures ? s->first_failure : "");
	stress_say(!s->failures, line);
}

static void close_pool(struct quoit_rtm_pool *pool)
{
	if (quoit_rtm_delete_pool(pool)) {
		totals.failures++;
		stress_say(false, "an empty pool can be deleted");
	}
}

/* --- one thread ------------------------------------------------------------------------------ */

static void alone(const char *what, enum quoit_rtm_owner owner, enum quoit_rtm_debug debug,
		  size_t align, uint64_t operations, uint64_t seed)
{
	static struct shadow s;
	struct map map;
	struct quoit_rtm_pool *const pool = open_pool(owner, debug, align);

	map_open(&map, pool, false);
	shadow_open(&s, pool, &map, seed);
	if (debug != QUOIT_RTM_DEBUG_CHECK) { /* with it a call takes as long as there are blocks */
		play_adversaries(&s);
		totals.adversaries += ADVERSARIES;
	}
	if (s.operations < operations)
		play(&s, operations - s.operations);
	shadow_free_all(&s);
	shadow_judge_empty(&s);
	tally(&s, what);
	map_close(&map);
	close_pool(pool);
}

/* --- blocks that others give back ------------------------------------------------------------ */

struct remote {
	struct parcels ring;
	struct piece slots[1024];
	uint64_t stop; /* the owner has sent its last */
	uint64_t torn, refused;
};

static void *remote_worker(void *arg)
{
	struct remote *const r = arg;
	struct piece p;

	for (;;) {
		/* stop: pairs with remote_free() */
		const bool last = quoit_load_acquire(&r->stop) != 0;

		while (parcels_recv_one(&r->ring, &p)) {
			r->torn += !piece_is_whole(&p);
			r->refused += quoit_rtm_free(p.data) != 0; /* it may be the owner's again */
		}
		if (last)
			return NULL;
		sched_yield();
	}
}

/* Some blocks go to the other thread; gives how many. With none left it is the other's turn. */
static uint64_t hand_over(struct shadow *s, struct remote *r)
{
	const uint64_t most = random_below(&s->random, 64);
	uint64_t n = 0;

	for (; n < most && s->count; n++) {
		const struct piece p = shadow_let_go(s, random_below(&s->random, s->count));

		while (!parcels_send_one(&r->ring, &p))
			sched_yield();
	}
	if (!s->count)
		sched_yield();
	return n;
}

static void remote_free(uint64_t operations, uint64_t seed)
{
	static struct shadow s;
	static struct remote r;
	struct map map;
	pthread_t thread;
	struct quoit_rtm_info info;
	uint64_t handed = 0;
	struct quoit_rtm_pool *const pool =
		open_pool(QUOIT_RTM_REMOTE_FREE, QUOIT_RTM_DEBUG_OFF, 64);

	map_open(&map, pool, false);
	shadow_open(&s, pool, &map, seed);
	s.alone = false; /* what the other thread has still counts */
	memset(&r, 0, sizeof(r));
	if (parcels_init(&r.ring, r.slots, 1024) ||
	    pthread_create(&thread, NULL, remote_worker, &r))
		abort();
	/* However seldom the other thread gets a cpu. */
	while ((s.operations < operations || handed < HANDED_LEAST) && !s.failures) {
		play(&s, 16 + random_below(&s.random, 64));
		handed += hand_over(&s, &r);
	}
	/* stop: pairs with remote_worker() */
	quoit_store_release(&r.stop, 1);
	pthread_join(thread, NULL);
	s.failures += r.torn + r.refused;
	while (quoit_rtm_collect(pool, 100) > 0)
		;
	s.alone = true;
	shadow_free_all(&s);
	shadow_judge_empty(&s);
	if (!quoit_rtm_pool_info(pool, &info))
		totals.taken_in = info.taken_in;
	tally(&s, "an owner, and another that gives back");
	totals.failures += totals.taken_in != handed;
	stress_say(totals.taken_in == handed, "all that came back from outside, once");
	map_close(&map);
	close_pool(pool);
}

/* --- any thread ------------------------------------------------------------------------------ */

#define SHARERS 3

static struct {
	uint64_t operations, seed;
	struct quoit_rtm_pool *pool;
	struct map map;
	struct shadow shadows[SHARERS];
} common;

static void *sharer_worker(void *arg)
{
	struct shadow *const s = arg;

	while (s->operations < common.operations / SHARERS && !s->failures)
		play(s, 4096);
	shadow_free_all(s);
	return NULL;
}

static void shared(uint64_t operations, uint64_t seed)
{
	pthread_t threads[SHARERS];

	common.operations = operations;
	common.pool = open_pool(QUOIT_RTM_SHARED, QUOIT_RTM_DEBUG_OFF, 64);
	map_open(&common.map, common.pool, true);
	for (size_t i = 0; i < SHARERS; i++) {
		shadow_open(&common.shadows[i], common.pool, &common.map, seed + i);
		common.shadows[i].alone = false;
		if (pthread_create(&threads[i], NULL, sharer_worker, &common.shadows[i]))
			abort();
	}
	for (size_t i = 0; i < SHARERS; i++)
		pthread_join(threads[i], NULL);
	shadow_judge_empty(&common.shadows[0]);
	for (size_t i = 0; i < SHARERS; i++)
		tally(&common.shadows[i], "one of three that share a pool");
	map_close(&common.map);
	close_pool(common.pool);
}

/* --- the whole ------------------------------------------------------------------------------- */

/* Page faults of touching all of a pool. */
static uint64_t faults_of_all(void)
{
	struct quoit_rtm_pool *const pool = open_pool(QUOIT_RTM_SINGLE, QUOIT_RTM_DEBUG_OFF, 64);
	struct rusage before, after;
	void *data;

	getrusage(RUSAGE_THREAD, &before);
	data = quoit_rtm_alloc(pool, RTM_TOTAL);
	memset(data, 1, RTM_TOTAL);
	totals.failures += quoit_rtm_free(data) != 0;
	getrusage(RUSAGE_THREAD, &after);
	close_pool(pool);
	return (uint64_t)(after.ru_minflt - before.ru_minflt);
}

/* What was filled when the pool was created is there; the first time the code itself is not. */
static void touch_all(void)
{
	uint64_t faults = faults_of_all();

	faults = faults_of_all();
#if defined(QUOIT_ASAN) || defined(QUOIT_TSAN)
	faults = 0; /* their shadow has pages of its own */
#endif
	totals.failures += faults;
	stress_say(!faults, "no page of a pool is touched for the first time after creation");
}

static void say_steps(struct steps *steps)
{
	const char *why_not = NULL;

	if (!count_steps(steps, &why_not)) {
		printf("skip - instructions are not counted: %s\n", why_not);
		return;
	}
	totals.failures += steps->failures;
	stress_say(!steps->failures, "no call takes more instructions than stated");
}

/* One thread has no races to be seen, and the sanitizer is slow. */
static void play_alone(uint64_t count, uint64_t seed)
{
#ifdef QUOIT_TSAN
	count = 0;
#endif
	if (!count)
		return;
	alone("one owner", QUOIT_RTM_SINGLE, QUOIT_RTM_DEBUG_OFF, 64, count / 4, seed);
	alone("one owner, aligned to 16", QUOIT_RTM_SINGLE, QUOIT_RTM_DEBUG_OFF, 16, count / 4,
	      seed + 1);
	alone("nobody comes to share it", QUOIT_RTM_SHARED, QUOIT_RTM_DEBUG_JUNK, 256, count / 10,
	      seed + 2);
	alone("every call looked at", QUOIT_RTM_SINGLE, QUOIT_RTM_DEBUG_CHECK, 16,
	      quoit_min(count / 100, 100000), seed + 3);
}

int main(void)
{
	const uint64_t count = stress_amount("RTM_COUNT", 400000, 60000);
	const uint64_t seed = random_seed();
	struct steps steps = {0};

	printf("note: SEED=%llu\n", (unsigned long long)seed);
	touch_all();
	play_alone(count, seed);
	remote_free(count / 5, seed + 4);
	shared(count / 5, seed + 5);
	say_steps(&steps);
	printf("RESULT name=rtm operations=%llu failures=%llu refused=%llu adversaries=%llu "
	       "taken_in=%llu worst_instructions_alloc=%llu worst_instructions_free=%llu "
	       "worst_instructions_realloc=%llu calls_stepped=%llu\n",
	       (unsigned long long)totals.operations, (unsigned long long)totals.failures,
	       (unsigned long long)totals.refused, (unsigned long long)totals.adversaries,
	       (unsigned long long)totals.taken_in, (unsigned long long)steps.alloc,
	       (unsigned long long)steps.free, (unsigned long long)steps.realloc,
	       (unsigned long long)steps.calls);
	return stress_failures != 0;
}
