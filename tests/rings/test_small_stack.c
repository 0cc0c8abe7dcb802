/* SPDX-License-Identifier: MIT */
/*
 * test_small_stack.c - reading takes no stack for items (defect D-23): a thread with 128 KiB reads
 * rings of 1 MiB in one call, in every way that works in place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>

#include <quoit/rings/typed.h>
#include <quoit/rings/typed_mpsc.h>
#include <quoit/rings/typed_shared.h>

#define CAPACITY    256
#define STACK_BYTES (128 << 10)

struct page {
	uint64_t number;
	char rest[4088];
};

QUOIT_SPSC(pages, struct page);
QUOIT_MPSC(posts, struct page);
QUOIT_SPMC(tasks, struct page);
QUOIT_MPMC(jobs, struct page);

static struct page slots[CAPACITY];

static void add(const struct page *items, size_t n, uint64_t *sum)
{
	for (size_t i = 0; i < n; i++)
		*sum += items[i].number;
}

static void from_spsc(struct page *items, size_t n, bool more, void *ctx)
{
	(void)more;
	add(items, n, ctx);
}

static void from_mpsc(struct page *items, size_t n, uint32_t id, void *ctx)
{
	(void)id;
	add(items, n, ctx);
}

static void from_shared(struct page *items, size_t n, void *ctx)
{
	add(items, n, ctx);
}

/* Run it on a thread with a small stack. Gives what it gave; a stack that overflows is a crash. */
static uint64_t on_a_small_stack(void *(*reader)(void *), void *ring)
{
	pthread_attr_t attr;
	pthread_t thread;
	void *sum;

	assert_int_equal(pthread_attr_init(&attr), 0);
	assert_int_equal(pthread_attr_setstacksize(&attr, STACK_BYTES), 0);
	assert_int_equal(pthread_create(&thread, &attr, reader, ring), 0);
	assert_int_equal(pthread_join(thread, &sum), 0);
	pthread_attr_destroy(&attr);
	return (uint64_t)(uintptr_t)sum;
}

/* Fills `to` with pages of growing numbers. */
static void number(struct page *to, size_t n, uint64_t first)
{
	for (size_t i = 0; i < n; i++)
		to[i].number = first + i;
}

#define SUM ((uint64_t)CAPACITY * (CAPACITY - 1) / 2)

static void *spsc_worker(void *arg)
{
	uint64_t sum = 0;

	(void)pages_consume(arg, CAPACITY, from_spsc, &sum);
	return (void *)(uintptr_t)sum;
}

static void *mpsc_worker(void *arg)
{
	uint64_t sum = 0;

	(void)posts_consume(arg, CAPACITY, from_mpsc, &sum);
	return (void *)(uintptr_t)sum;
}

static void *spmc_worker(void *arg)
{
	struct tasks_consumer c;
	uint64_t sum = 0;

	if (tasks_register_consumer(arg, &c))
		return NULL;
	(void)tasks_consume(&c, CAPACITY, from_shared, &sum);
	tasks_deregister_consumer(&c);
	return (void *)(uintptr_t)sum;
}

static void *mpmc_worker(void *arg)
{
	struct jobs_consumer c;
	uint64_t sum = 0;

	if (jobs_register_consumer(arg, &c))
		return NULL;
	(void)jobs_consume(&c, CAPACITY, from_shared, &sum);
	jobs_deregister_consumer(&c);
	return (void *)(uintptr_t)sum;
}

static void a_ring_is_read_in_place(void **state)
{
	static struct pages q;
	struct page *to;
	size_t n = 0;

	(void)state;
	assert_int_equal(pages_init(&q, slots, CAPACITY), 0);
	to = pages_reserve(&q, CAPACITY, &n);
	assert_non_null(to);
	number(to, n, 0);
	pages_commit(&q, n);
	assert_int_equal(on_a_small_stack(spsc_worker, &q), SUM);
}

static void a_channel_is_read_in_place(void **state)
{
	const struct quoit_mpsc_options options = {
		.capacity_slots = CAPACITY, .producers_most = 1, .quantum_items = CAPACITY};
	struct posts q;
	struct posts_producer p;
	struct page *to;
	size_t n = 0;

	(void)state;
	assert_int_equal(posts_create(&q, &options), 0);
	assert_int_equal(posts_register(&q, &p), 0);
	to = posts_reserve(&p, CAPACITY, &n);
	assert_non_null(to);
	number(to, n, 0);
	posts_commit(&p, n);
	assert_int_equal(on_a_small_stack(mpsc_worker, &q), SUM);
	assert_int_equal(posts_deregister(&p), 0);
	assert_int_equal(posts_destroy(&q), 0);
}

static void shared_rings_are_read_in_place(void **state)
{
	static struct tasks t;
	static struct quoit_lane_block blocks[QUOIT_LANE_BLOCKS(CAPACITY)];
	const struct quoit_spmc_options shared = {CAPACITY, 0, 1};
	const struct quoit_mpmc_options options = {.capacity_slots = CAPACITY,
						   .producers_most = 1,
						   .consumers_most = 1,
						   .node = QUOIT_MPMC_NEAR};
	struct jobs q;
	struct jobs_producer p;
	uint64_t next = 0;
	struct page *to;
	size_t n;

	(void)state;
	assert_int_equal(tasks_init(&t, slots, blocks, &shared), 0);
	for (; next < CAPACITY && (to = tasks_reserve_some(&t, CAPACITY, &n)); next += n) {
		number(to, n, next);
		tasks_commit(&t, n);
	}
	assert_int_equal(on_a_small_stack(spmc_worker, &t), SUM);
	assert_int_equal(jobs_create(&q, &options), 0);
	assert_int_equal(jobs_register_producer(&q, &p), 0);
	for (next = 0; next < CAPACITY && (to = jobs_reserve_some(&p, CAPACITY, &n)); next += n) {
		number(to, n, next);
		jobs_commit(&p, n);
	}
	assert_int_equal(on_a_small_stack(mpmc_worker, &q), SUM);
	jobs_deregister_producer(&p);
	jobs_destroy(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ring_is_read_in_place),
		cmocka_unit_test(a_channel_is_read_in_place),
		cmocka_unit_test(shared_rings_are_read_in_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
