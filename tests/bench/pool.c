/* SPDX-License-Identifier: MIT */
/*
 * pool.c - what a buffer costs: taken and given back on one thread, on two at once, and taken on
 * one and given back on the other through a ring, against malloc() and free().
 *
 * All ways take turns in every round; printed are the medians in nanoseconds for each buffer, and
 * the median of the rounds' ratios to malloc (above 1: the pool is faster). Both threads write a
 * word into the buffer or read it.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include <quoit/numa/clock.h>
#include <quoit/numa/thread.h>
#include <quoit/rings/buffer_cache.h>
#include <quoit/rings/fixed_pool.h>
#include <quoit/rings/typed.h>

#define BUFFERS 4096
#define BYTES	256
#define ROUNDS	7
#define COUNT	200000
#define BATCH	32

QUOIT_FIXED_POOL(fixed, char, BUFFERS);
QUOIT_SPSC(words, uint64_t);

enum way {
	MALLOC,
	POOL,
	CACHE,
	MANY,
	FIXED,
	WAYS,
};

static const char *const names[] = {"malloc", "pool", "cache", "many", "fixed"};

static struct quoit_buffer_pool *pool;
static struct fixed fixed;
static struct words ring;
static uint64_t slots[1024];
static unsigned cpus[2];

struct user {
	enum way way;
	struct quoit_buffer_cache cache;
	uint64_t sum;
};

static void must(bool good)
{
	if (!good)
		abort();
}

/* A buffer's name: a handle, an index or an address. */
static size_t take(struct user *u, uint64_t *names_of, size_t n)
{
	uint32_t handles[BATCH];
	size_t got = n;

	switch (u->way) {
	case MALLOC:
		names_of[0] = (uint64_t)(uintptr_t)malloc(BYTES);
		must(names_of[0]);
		break;
	case POOL:
	case CACHE:
		if (!(u->way == POOL ? quoit_buffer_pool_alloc(pool, handles)
				     : quoit_buffer_cache_alloc(&u->cache, handles)))
			return 0;
		names_of[0] = handles[0];
		break;
	case MANY:
		got = quoit_buffer_pool_alloc_many(pool, handles, n);
		for (size_t i = 0; i < got; i++)
			names_of[i] = handles[i];
		break;
	default:
		must(fixed_acquire(&fixed, handles));
		names_of[0] = handles[0];
	}
	return got;
}

static uint64_t *bytes_of(const struct user *u, uint64_t name)
{
	static uint64_t elsewhere;

	if (u->way == MALLOC)
		return (uint64_t *)(uintptr_t)name;
	return u->way == FIXED ? &elsewhere
			       : (uint64_t *)quoit_buffer_pool_writable(pool, (uint32_t)name);
}

static void give(struct user *u, const uint64_t *names_of, size_t n)
{
	uint32_t handles[BATCH];

	switch (u->way) {
	case MALLOC:
		free((void *)(uintptr_t)names_of[0]);
		break;
	case POOL:
		must(!quoit_buffer_pool_free(pool, (uint32_t)names_of[0]));
		break;
	case CACHE:
		must(!quoit_buffer_cache_free(&u->cache, (uint32_t)names_of[0]));
		break;
	case MANY:
		for (size_t i = 0; i < n; i++)
			handles[i] = (uint32_t)names_of[i];
		must(!quoit_buffer_pool_free_many(pool, handles, n));
		break;
	default:
		must(!fixed_release(&fixed, (uint32_t)names_of[0]));
	}
}

static void begin(struct user *u, enum way way, size_t cpu)
{
	*u = (struct user){.way = way};
	quoit_buffer_cache_init(&u->cache, pool);
	(void)!quoit_thread_pin(cpus[cpu]); /* elsewhere it is slower, not wrong */
}

/* Found nothing: on a busy machine the other side may have no cpu. */
static void look_again(size_t *looks)
{
	if (++*looks % 1024 == 0)
		sched_yield();
}

static size_t batch_of(enum way way)
{
	return way == MANY ? BATCH : 1;
}

/* --- taken and given back on the same thread ------------------------------------------------- */

static void use(struct user *u)
{
	uint64_t some[BATCH];

	for (size_t i = 0; i < COUNT;) {
		const size_t n = take(u, some, batch_of(u->way));

		for (size_t j = 0; j < n; j++)
			*bytes_of(u, some[j]) = i + j;
		if (n)
			give(u, some, n);
		i += n;
	}
	quoit_buffer_cache_flush(&u->cache);
}

static void *use_worker(void *arg)
{
	struct user u;

	begin(&u, *(enum way *)arg, 1);
	use(&u);
	return NULL;
}

static double alone(enum way way)
{
	struct user u;
	uint64_t began;

	begin(&u, way, 0);
	began = quoit_clock_now_ns();
	use(&u);
	return (double)(quoit_clock_now_ns() - began) / COUNT;
}

static double both(enum way way)
{
	const uint64_t began = quoit_clock_now_ns();
	pthread_t other;
	struct user u;

	must(!pthread_create(&other, NULL, use_worker, &way));
	begin(&u, way, 0);
	use(&u);
	pthread_join(other, NULL);
	return (double)(quoit_clock_now_ns() - began) / COUNT / 2;
}

/* --- taken on one, given back on the other --------------------------------------------------- */

static void *send_worker(void *arg)
{
	uint64_t some[BATCH];
	size_t looks = 0;
	struct user u;

	begin(&u, *(enum way *)arg, 1);
	for (size_t i = 0; i < COUNT;) {
		const size_t n = take(&u, some, quoit_min(batch_of(u.way), COUNT - i));

		if (!n)
			look_again(&looks);
		for (size_t j = 0; j < n; j++)
			*bytes_of(&u, some[j]) = i + j;
		for (size_t sent = 0; sent < n; look_again(&looks))
			sent += words_send(&ring, some + sent, n - sent);
		i += n;
	}
	quoit_buffer_cache_flush(&u.cache);
	return NULL;
}

static double across(enum way way)
{
	const uint64_t began = quoit_clock_now_ns();
	uint64_t some[BATCH];
	size_t looks = 0;
	pthread_t other;
	struct user u;

	must(!words_init(&ring, slots, sizeof(slots) / sizeof(slots[0])));
	must(!pthread_create(&other, NULL, send_worker, &way));
	begin(&u, way, 0);
	for (size_t i = 0; i < COUNT;) {
		const size_t n = words_recv(&ring, some, batch_of(way));

		for (size_t j = 0; j < n; j++)
			must(*bytes_of(&u, some[j]) == i + j);
		if (n)
			give(&u, some, n);
		else
			look_again(&looks);
		i += n;
	}
	quoit_buffer_cache_flush(&u.cache);
	pthread_join(other, NULL);
	return (double)(quoit_clock_now_ns() - began) / COUNT;
}

/* --- the whole ------------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values)
{
	qsort(values, ROUNDS, sizeof(*values), by_size);
	return values[ROUNDS / 2];
}

static void measure(const char *cell, double (*run)(enum way way), enum way ways)
{
	double ns[WAYS][ROUNDS], ratio[WAYS][ROUNDS];

	for (size_t round = 0; round < ROUNDS; round++) {
		for (enum way way = 0; way < ways; way++)
			ns[way][round] = run(way);
		for (enum way way = 0; way < ways; way++)
			ratio[way][round] = ns[MALLOC][round] / ns[way][round];
	}
	for (enum way way = 0; way < ways; way++)
		printf("RESULT name=bench-pool cell=%s-%s ns=%.1f malloc_ratio=%.2f\n", cell,
		       names[way], median(ns[way]), median(ratio[way]));
}

int main(void)
{
	const struct quoit_buffer_pool_options options = {
		.slab_bytes = BYTES,
		.count = BUFFERS,
		.node = -1,
	};
	cpu_set_t allowed;
	size_t found = 0;

	if (sched_getaffinity(0, sizeof(allowed), &allowed))
		return 2;
	for (unsigned cpu = 0; cpu < CPU_SETSIZE && found < 2; cpu++)
		if (CPU_ISSET(cpu, &allowed))
			cpus[found++] = cpu;
	if (found < 2) {
		printf("note: two cpus are needed\n");
		return 77;
	}
	must(!quoit_buffer_pool_create(&options, &pool, NULL));
	measure("alone", alone, WAYS);
	measure("both", both, FIXED);
	measure("across", across, FIXED);
	must(quoit_buffer_pool_available(pool) == BUFFERS);
	quoit_buffer_pool_destroy(pool);
	return 0;
}
