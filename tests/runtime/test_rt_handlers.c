/* SPDX-License-Identifier: MIT */
/*
 * test_rt_handlers.c - handlers that were said to be real-time are held to it, and others are not.
 *
 * Linked with the guard (numa/rt_guard.h). Each handler is run with real-time set and without, on
 * this thread, turn by turn; and once on the thread of an event loop.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <quoit/numa/rtm.h>
#include <quoit/rings/buffer_pool.h>
#include <quoit/rings/typed.h>
#include <quoit/runtime/event_loop.h>

#include <numa/guard_checks.h>
#include "runtime/make_loop.h"

QUOIT_SPSC(line, uint64_t);

#define SLOTS 64

static struct line ring, next;
static uint64_t ring_slots[SLOTS], next_slots[SLOTS];
static uint64_t sum;
static volatile char *pages;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct quoit_buffer_pool *pool;
static struct quoit_rtm_pool *rtm;

static int set_up(void **state)
{
	const struct quoit_buffer_pool_options buffers = {
		.slab_bytes = 64, .count = 16, .node = -1};

	(void)state;
	count_breaches();
	sum = 0;
	if (line_init(&ring, ring_slots, SLOTS) || line_init(&next, next_slots, SLOTS))
		return -1;
	pages = fresh_pages();
	if (quoit_buffer_pool_create(&buffers, &pool, NULL))
		return -1;
	return quoit_rtm_create_pool(&rtm, 4096, "rt_handlers");
}

static int tear_down(void **state)
{
	(void)state;
	quoit_rt_guard_forget();
	quoit_buffer_pool_destroy(pool);
	munmap((void *)(uintptr_t)pages, PAGES * 4096);
	return quoit_rtm_delete_pool(rtm);
}

/* --- handlers -------------------------------------------------------------------------------- */

#define HANDLER(name)                                                                           \
	static void name(struct quoit_channel *channel, const void *items, size_t n, bool more, \
			 void *ctx)

/* All that one may: computing, passing on, buffers, real-time memory, the clock. */
HANDLER(behaving)
{
	const uint64_t *const words = items;
	uint32_t handle;
	void *block;

	(void)channel;
	(void)more;
	(void)ctx;
	for (size_t i = 0; i < n; i++)
		sum += words[i] * line_send_one(&next, &words[i]);
	if (quoit_buffer_pool_alloc(pool, &handle)) {
		memset(quoit_buffer_pool_writable(pool, handle), 1, 64);
		sum += quoit_buffer_pool_free(pool, handle) != 0;
	}
	block = quoit_rtm_alloc(rtm, 100);
	sum += !block || quoit_rtm_free(block) != 0;
}

/* The rest do one thing more. */
#define BREACHING(name, what)                           \
	HANDLER(name)                                   \
	{                                               \
		behaving(channel, items, n, more, ctx); \
		what;                                   \
	}

static void lock(void)
{
	pthread_mutex_lock(&mutex);
	pthread_mutex_unlock(&mutex);
}

static void allocate_in_a_hole(void)
{
	quoit_rt_allow_begin(); /* to see that one may */
	allocate();
	quoit_rt_allow_end();
}

BREACHING(allocating, allocate())
BREACHING(locking, lock())
BREACHING(writing, (void)!write(-1, "", 1))
BREACHING(calling, (void)raw_call(SYS_getppid, 0, 0))
BREACHING(faulting, touch(pages))
BREACHING(excused, allocate_in_a_hole())

/* --- running them ---------------------------------------------------------------------------- */

static void send_ten(void)
{
	uint64_t got;

	for (uint64_t i = 1; i <= 10; i++)
		assert_true(line_send_one(&ring, &i));
	while (line_recv_one(&next, &got))
		;
}

/* Ten items to a handler, in a turn of the loop. What comes before the last round is warming up. */
static void run(quoit_channel_fn handler, bool realtime)
{
	const struct quoit_channel_options options = {.realtime = realtime};
	struct quoit_loop *const loop = make_loop(NULL);
	struct quoit_channel channel;

	quoit_spsc_attach(&ring.ring, &quoit_notify_nobody);
	assert_int_equal(
		quoit_channel_attach_spsc_of(loop, &channel, &ring, &options, behaving, NULL), 0);
	send_ten();
	assert_int_equal(quoit_loop_run_once(loop, 0), 0);
	assert_int_equal(quoit_channel_detach(&channel), 0);
	count_breaches();
	assert_int_equal(
		quoit_channel_attach_spsc_of(loop, &channel, &ring, &options, handler, NULL), 0);
	send_ten();
	assert_int_equal(quoit_loop_run_once(loop, 0), 0);
	assert_int_equal(quoit_channel_detach(&channel), 0);
	assert_int_equal(quoit_loop_destroy(loop), 0);
	assert_int_equal(sum, 110);
	sum = 0;
}

static uint64_t sections(void)
{
	struct quoit_rt_guard_counts counts;

	quoit_rt_guard_read(&counts);
	return counts.sections;
}

static void a_handler_that_behaves_is_left_alone(void **state)
{
	(void)state;
	run(behaving, true);
	assert_int_equal(sections(), 1); /* ten items that lie together are one run */
	assert_int_equal(breaches(), 0);
	run(behaving, false);
	assert_int_equal(sections(), 0);
	run(excused, true);
	assert_int_equal(sections(), 1);
	assert_int_equal(breaches(), 0);
}

/* `times` of one kind and of no other if it is real-time; nothing if it is not. */
static void assert_caught(quoit_channel_fn handler, enum quoit_breach kind, uint64_t times)
{
	run(handler, false);
	assert_int_equal(sections(), 0);
	assert_int_equal(told.times, 0);
	run(handler, true);
	assert_int_equal(sections(), 1);
	assert_int_equal(breaches_of(kind), times);
	assert_int_equal(breaches(), times);
}

static void a_handler_that_allocates_is_caught(void **state)
{
	(void)state;
	assert_caught(allocating, QUOIT_BREACH_ALLOCATES, 2);
}

static void a_handler_that_locks_is_caught(void **state)
{
	(void)state;
	assert_caught(locking, QUOIT_BREACH_BLOCKS, 1);
	assert_string_equal(told.last.what, "pthread_mutex_lock");
}

static void a_handler_that_writes_is_caught(void **state)
{
	(void)state;
	assert_caught(writing, QUOIT_BREACH_CALLS, 1);
}

static void a_handler_that_enters_the_kernel_by_itself_is_caught(void **state)
{
	(void)state;
	NEEDS_THE_KERNEL();
	assert_caught(calling, QUOIT_BREACH_KERNEL, 1);
}

static void a_handler_that_touches_new_memory_is_caught(void **state)
{
	uint64_t faults;

	(void)state;
	run(faulting, true);
	faults = breaches_of(QUOIT_BREACH_FAULTS);
	assert_true(faults >= 1); /* one, where the kernel has a huge page for it */
	assert_int_equal(breaches(), 0);
	run(faulting, true); /* it is there now */
	assert_true(breaches_of(QUOIT_BREACH_FAULTS) < faults);
}

/* --- the thread of an event loop ------------------------------------------------------------- */

static void handle_event(const void *items, size_t n, bool more, void *ctx)
{
	(void)more;
	(void)ctx;
	for (size_t i = 0; i < n; i++)
		sum += ((const uint64_t *)items)[i];
	allocate();
}

static void run_event_loop(bool realtime)
{
	const struct quoit_event_loop_options options = {
		.kind = QUOIT_EVENT_LOOP_SPSC,
		.ring = &ring.ring,
		.slots = ring_slots,
		.item_bytes = sizeof(uint64_t),
		.handler = handle_event,
		.realtime = realtime,
	};
	struct quoit_event_loop_result result = {0};
	struct quoit_event_loop *e;

	assert_int_equal(line_init(&ring, ring_slots, SLOTS), 0);
	quoit_spsc_attach(&ring.ring, &quoit_notify_nobody);
	count_breaches();
	sum = 0;
	send_ten();
	assert_int_equal(quoit_event_loop_create(&options, &e), 0);
	assert_int_equal(quoit_event_loop_spawn(e), 0);
	quoit_event_loop_stop(e);
	quoit_spsc_finish(&ring.ring);
	assert_int_equal(quoit_event_loop_join(e, &result), 0);
	assert_int_equal(quoit_event_loop_destroy(e), 0);
	assert_int_equal(result.processed, 10);
	assert_int_equal(sum, 55);
}

static void so_is_the_handler_of_an_event_loop(void **state)
{
	(void)state;
	assert_int_equal(quoit_loop_destroy(make_loop(NULL)), 0); /* or skip */
	run_event_loop(false);
	assert_int_equal(sections(), 0);
	run_event_loop(true);
	assert_int_equal(sections(), 1);
	assert_int_equal(breaches_of(QUOIT_BREACH_ALLOCATES), 2);
	assert_int_equal(breaches(), 2);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(a_handler_that_behaves_is_left_alone),
		CASE(a_handler_that_allocates_is_caught),
		CASE(a_handler_that_locks_is_caught),
		CASE(a_handler_that_writes_is_caught),
		CASE(a_handler_that_enters_the_kernel_by_itself_is_caught),
		CASE(a_handler_that_touches_new_memory_is_caught),
		CASE(so_is_the_handler_of_an_event_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
