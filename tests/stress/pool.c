/* SPDX-License-Identifier: MIT */
/*
 * pool.c - eight threads and one pool of buffers: nobody ever has a buffer that somebody else has.
 *
 * Producers take buffers, fill them with words that follow from producer and number, and send the
 * handles through an MPMC ring; consumers look at every word, write their own over it, look again,
 * and give the buffer back: straight to the pool, through a cache, or many at a time. The pool is
 * small, so that it runs out, and what comes back is taken again at once: where a slot could be
 * taken by two, or a tag were missing, a word is torn, a give-back refused, or the pool has fewer
 * buffers in the end. Some handles are given back by two threads at the same moment: exactly one
 * may succeed.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <quoit/rings/buffer_cache.h>
#include <quoit/rings/typed_shared.h>

#include <stress/stress.h>

#define PAIRS	  4
#define BUFFERS	  150
#define WORDS	  8
#define MANY	  20
#define TWICE_ONE 64 /* one in so many is given back by two at once */

struct parcel {
	uint32_t handle;
	uint32_t producer;
	uint64_t number;
};

QUOIT_MPMC(parcels, struct parcel);

static struct {
	struct quoit_buffer_pool *pool;
	struct parcels ring;
	uint64_t count; /* of each producer */
	uint64_t seed;
	uint64_t finished; /* producers */

	/* A handle that a second thread is to give back too; 0: none. */
	QUOIT_ISOLATED uint64_t twice;
} s;

struct thread {
	size_t index;
	uint64_t exhausted; /* producers: how often there was no buffer */
	uint64_t torn;
	uint64_t refused;  /* good handles that were not accepted */
	uint64_t accepted; /* bad ones that were */
	uint64_t raced;	   /* given back by two: once for each that succeeded */
	uint64_t races;	   /* offered to a second one */
	uint64_t got;
	struct quoit_buffer_cache cache;
};

static uint64_t word_of(uint64_t producer, uint64_t number, size_t i)
{
	return (number * PAIRS + producer) * UINT64_C(0x9e3779b97f4a7c15) + i;
}

/* --- producing ------------------------------------------------------------------------------- */

static size_t take(struct thread *t, uint32_t *handles, size_t most, uint64_t dice)
{
	size_t n = 0;

	switch (dice % 3) {
	case 0:
		return quoit_buffer_pool_alloc_many(s.pool, handles, most);
	case 1:
		while (n < most && quoit_buffer_pool_alloc(s.pool, &handles[n]))
			n++;
		return n;
	default:
		while (n < most && quoit_buffer_cache_alloc(&t->cache, &handles[n]))
			n++;
		return n;
	}
}

static void fill(struct thread *t, uint32_t handle, uint64_t number)
{
	uint64_t *const at = quoit_buffer_pool_writable(s.pool, handle);
	uint32_t len = 1;

	if (!at || !quoit_buffer_pool_get(s.pool, handle, &len) || len) {
		t->torn++;
		return;
	}
	for (size_t i = 0; i < WORDS; i++)
		at[i] = word_of(t->index, number, i);
	if (quoit_buffer_pool_set_len(s.pool, handle, (uint32_t)(1 + number % 64)))
		t->refused++;
}

static void *producer_worker(void *arg)
{
	struct thread *const t = arg;
	struct random random = {.state = s.seed + t->index};
	struct parcels_producer to;
	uint32_t handles[MANY];

	if (parcels_register_producer(&s.ring, &to))
		abort();
	for (uint64_t next = 0; next < s.count;) {
		const uint64_t dice = random_u64(&random);
		const size_t want = (size_t)quoit_min(1 + (dice >> 8) % MANY, s.count - next);
		const size_t n = take(t, handles, want, dice);

		for (size_t i = 0; i < n; i++) {
			const struct parcel parcel = {handles[i], (uint32_t)t->index, next++};

			fill(t, parcel.handle, parcel.number);
			while (!parcels_send_one(&to, &parcel))
				sched_yield();
		}
		t->exhausted += n < want;
		if (dice >> 32 & 1)
			quoit_buffer_cache_flush(&t->cache); /* the others may need them */
		if (!n)
			sched_yield();
		stress_dawdle(&random);
	}
	quoit_buffer_cache_flush(&t->cache);
	parcels_deregister_producer(&to);
	/* all others have registered by the time that they are counted */
	if (quoit_add(&s.finished, 1) + 1 == PAIRS)
		quoit_mpmc_close(s.ring.ring);
	return NULL;
}

/* --- consuming ------------------------------------------------------------------------------- */

static bool is_whole(const struct parcel *parcel, uint64_t *at, uint64_t self)
{
	bool whole = true;

	for (size_t i = 0; i < WORDS; i++)
		whole &= at[i] == word_of(parcel->producer, parcel->number, i);
	for (size_t i = 0; i < WORDS; i++)
		at[i] = self + i;
	for (size_t i = 0; i < WORDS; i++)
		whole &= at[i] == self + i;
	return whole;
}

static void look_at(struct thread *t, const struct parcel *parcel)
{
	uint32_t len = 0;

	if (!quoit_buffer_pool_get(s.pool, parcel->handle, &len) ||
	    len != 1 + parcel->number % 64 ||
	    !is_whole(parcel, quoit_buffer_pool_writable(s.pool, parcel->handle), ~t->index))
		t->torn++;
	t->got++;
}

/* Somebody has offered a handle to be given back by two: be the second. */
static void accept_race(struct thread *t)
{
	/* twice: pairs with offer_race() */
	const uint64_t offered = quoit_load_acquire(&s.twice);

	if (offered && quoit_cas(&s.twice, offered, 0))
		t->raced += !quoit_buffer_pool_free(s.pool, (uint32_t)offered);
}

/* Give it back here, and let another do so at the same time. */
static void offer_race(struct thread *t, uint32_t handle)
{
	/* twice: pairs with accept_race(). If one is offered already, we give it back alone. */
	(void)quoit_cas(&s.twice, 0, handle);
	t->raced += !quoit_buffer_pool_free(s.pool, handle);
	t->races++;
}

static void give_one(struct thread *t, uint32_t handle, uint64_t dice)
{
	const int rc = dice & 1 ? quoit_buffer_pool_free(s.pool, handle)
				: quoit_buffer_cache_free(&t->cache, handle);

	t->refused += rc != 0;
	if (dice % 16 == 2)
		t->accepted += quoit_buffer_pool_free(s.pool, handle) != -EALREADY;
	if (dice % 16 == 3)
		t->accepted += quoit_buffer_cache_free(&t->cache, QUOIT_HANDLE_INVALID) != -EINVAL;
}

static void give(struct thread *t, const uint32_t *handles, size_t n, uint64_t dice)
{
	if (dice % TWICE_ONE == 0) {
		for (size_t i = 0; i < n; i++)
			offer_race(t, handles[i]);
		return;
	}
	if (dice % 3) {
		for (size_t i = 0; i < n; i++)
			give_one(t, handles[i], dice >> i);
		return;
	}
	t->refused += quoit_buffer_pool_free_many(s.pool, handles, n) != 0;
}

static void *consumer_worker(void *arg)
{
	struct thread *const t = arg;
	struct random random = {.state = ~s.seed + t->index};
	struct parcels_consumer from;
	struct parcel parcels[MANY];
	uint32_t handles[MANY];

	if (parcels_register_consumer(&s.ring, &from))
		abort();
	while (!quoit_mpmc_is_drained(s.ring.ring)) {
		const uint64_t dice = random_u64(&random);
		const size_t n = parcels_steal(&from, parcels, 1 + (dice >> 8) % MANY);

		for (size_t i = 0; i < n; i++) {
			look_at(t, &parcels[i]);
			handles[i] = parcels[i].handle;
		}
		give(t, handles, n, dice);
		accept_race(t);
		if (!n) {
			quoit_buffer_cache_flush(&t->cache); /* the producers wait for them */
			sched_yield();
		}
		stress_dawdle(&random);
	}
	quoit_buffer_cache_flush(&t->cache);
	parcels_deregister_consumer(&from);
	return NULL;
}

/* --- the whole ------------------------------------------------------------------------------- */

static void prepare(void)
{
	const struct quoit_buffer_pool_options buffers = {
		.slab_bytes = WORDS * sizeof(uint64_t),
		.count = BUFFERS,
		.node = -1,
	};
	const struct quoit_mpmc_options ring = {
		.capacity_slots = 64,
		.producers_most = PAIRS,
		.consumers_most = PAIRS,
		.node = QUOIT_MPMC_NEAR,
	};

	s.count = stress_amount("STRESS_COUNT", 1000000, 60000) / PAIRS;
	s.seed = random_seed();
	printf("note: SEED=%llu\n", (unsigned long long)s.seed);
	if (quoit_buffer_pool_create(&buffers, &s.pool, NULL) || parcels_create(&s.ring, &ring))
		abort();
}

static struct thread run_all(void)
{
	static struct thread threads[2 * PAIRS];
	pthread_t ids[2 * PAIRS];
	struct thread all = {0};

	for (size_t i = 0; i < 2 * PAIRS; i++) {
		threads[i].index = i % PAIRS;
		quoit_buffer_cache_init(&threads[i].cache, s.pool);
		if (pthread_create(&ids[i], NULL, i < PAIRS ? producer_worker : consumer_worker,
				   &threads[i]))
			abort();
	}
	for (size_t i = 0; i < 2 * PAIRS; i++) {
		pthread_join(ids[i], NULL);
		all.exhausted += threads[i].exhausted;
		all.torn += threads[i].torn;
		all.refused += threads[i].refused;
		all.accepted += threads[i].accepted;
		all.raced += threads[i].raced;
		all.races += threads[i].races;
		all.got += threads[i].got;
	}
	return all;
}

int main(void)
{
	uint32_t handles[BUFFERS + 1];
	struct thread all;
	size_t there, distinct = 0;

	prepare();
	all = run_all();
	there = quoit_buffer_pool_alloc_many(s.pool, handles, BUFFERS + 1);
	for (size_t i = 0; i < there; i++) {
		size_t j = 0;

		while (j < i && quoit_buffer_pool_index(s.pool, handles[j]) !=
					quoit_buffer_pool_index(s.pool, handles[i]))
			j++;
		distinct += j == i;
	}
	printf("RESULT name=pool buffers=%llu torn=%llu refused=%llu accepted=%llu exhausted=%llu "
	       "raced=%llu lost=%lld\n",
	       (unsigned long long)all.got, (unsigned long long)all.torn,
	       (unsigned long long)all.refused, (unsigned long long)all.accepted,
	       (unsigned long long)all.exhausted, (unsigned long long)all.races,
	       (long long)(BUFFERS - distinct));
	stress_say(all.got == s.count * PAIRS, "every buffer that was sent arrived");
	stress_say(!all.torn, "nobody else wrote into a buffer");
	stress_say(!all.refused, "what is taken may be given back");
	stress_say(!all.accepted, "what was given back may not");
	stress_say(all.races && all.raced == all.races, "of two that give back one succeeds");
	stress_say(there == BUFFERS && distinct == BUFFERS, "all buffers are there in the end");
	stress_say(all.exhausted, "the pool ran out in between");
	parcels_destroy(&s.ring);
	quoit_buffer_pool_destroy(s.pool);
	return stress_failures != 0;
}
