/* SPDX-License-Identifier: MIT */
/*
 * test_realtime.c - what the headers promise to whoever may neither allocate nor block (feature
 * A1): no call of the rings and pools takes memory or enters the kernel while nobody sleeps.
 *
 * Each part runs in a child that may no longer make any system call but write and exit: the kernel
 * kills it at the first one (seccomp(2), strict mode). Allocators are wrapped by the linker, since
 * one that has some memory left asks nobody.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <quoit/rings/buffer_cache.h>
#include <quoit/rings/channels.h>
#include <quoit/rings/copy.h>
#include <quoit/rings/fixed_pool.h>
#include <quoit/rings/shared_pool.h>
#include <quoit/rings/u64.h>

#include <support/skip.h>

/* --- allocators that are counted ------------------------------------------------------------- */

void *__real_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__real_realloc(void *old, size_t bytes);
void *__wrap_realloc(void *old, size_t bytes);
void *__real_aligned_alloc(size_t align, size_t bytes);
void *__wrap_aligned_alloc(size_t align, size_t bytes);

static volatile unsigned allocated; /* volatile: malloc is known to touch nothing */

void *__wrap_malloc(size_t bytes)
{
	allocated++;
	return __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
	allocated++;
	return __real_calloc(count, bytes);
}

void *__wrap_realloc(void *old, size_t bytes)
{
	allocated++;
	return __real_realloc(old, bytes);
}

void *__wrap_aligned_alloc(size_t align, size_t bytes)
{
	allocated++;
	return __real_aligned_alloc(align, bytes);
}

/* --- a child that may do nothing but compute ------------------------------------------------- */

enum verdict {
	FINE,
	WRONG,
	ALLOCATED,
	NOT_CONFINED,
};

static void leave(enum verdict verdict)
{
	(void)syscall(SYS_exit, verdict); /* exit_group is forbidden */
}

/* Gives its verdict, or 128 and the signal that ended it. */
static int alone(bool (*part)(void *), void *with)
{
	const pid_t child = fork();
	int status = 0;

	if (!child) {
		if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0))
			leave(NOT_CONFINED);
		allocated = 0;
		leave(!part(with) ? WRONG : allocated ? ALLOCATED : FINE);
	}
	while (waitpid(child, &status, 0) < 0)
		assert_int_equal(errno, EINTR);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static bool enter_the_kernel(void *with)
{
	(void)with;
	return syscall(SYS_getppid) > 0;
}

static bool take_memory(void *with)
{
	void *volatile at = malloc(1); /* so small that the allocator has it */

	(void)with;
	return at != NULL;
}

static bool confined(void)
{
#ifdef QUOIT_TSAN
	return false;
#else
	return alone(enter_the_kernel, NULL) != NOT_CONFINED;
#endif
}

#define ASSERT_FINE(part, with)                                                   \
	do {                                                                      \
		if (!confined())                                                  \
			skip_because("seccomp is refused, or ThreadSanitizer is " \
				     "there, which asks the kernel by itself");   \
		assert_int_equal(alone(part, with), FINE);                        \
	} while (0)

/* Otherwise nothing below would mean anything. */
static void a_system_call_and_an_allocation_are_noticed(void **state)
{
	(void)state;
	if (!confined())
		skip_because("seccomp is refused, or ThreadSanitizer is there");
	assert_int_equal(alone(enter_the_kernel, NULL), 128 + SIGKILL);
	assert_int_not_equal(alone(take_memory, NULL), FINE); /* a sanitizer's dies of it */
}

/* --- rings ----------------------------------------------------------------------------------- */

static bool use_words(void *with)
{
	static struct quoit_ring_u64 ring;
	uint64_t word = 0;
	bool right = true;

	(void)with;
	quoit_ring_u64_init(&ring);
	right &= !quoit_ring_u64_pop(&ring, &word) && quoit_ring_u64_is_empty(&ring);
	for (uint64_t i = 0; i < QUOIT_RING_U64_CAPACITY; i++)
		right &= quoit_ring_u64_push(&ring, i);
	right &= !quoit_ring_u64_push(&ring, 0) && quoit_ring_u64_is_full(&ring);
	for (uint64_t i = 0; i < QUOIT_RING_U64_CAPACITY; i++)
		right &= quoit_ring_u64_pop(&ring, &word) && word == i;
	return right && quoit_ring_u64_length(&ring) == 0;
}

static void a_ring_of_words_neither_allocates_nor_enters_the_kernel(void **state)
{
	(void)state;
	ASSERT_FINE(use_words, NULL);
}

struct channels {
	struct quoit_spsc_u64 *spsc;
	struct quoit_mpsc_u64 mpsc;
	struct quoit_mpsc_u64_producer mpsc_producer;
	struct quoit_mpmc_u64 mpmc;
	struct quoit_mpmc_u64_producer mpmc_producer;
	struct quoit_mpmc_u64_consumer mpmc_consumer;
};

static bool use_channels(void *with)
{
	struct channels *const c = with;
	uint64_t words[64] = {0};
	bool right = true;

	for (int round = 0; round < 1000; round++) {
		const uint64_t word = 7;

		right &= quoit_spsc_u64_send(c->spsc, words, 64) == 64;
		right &= quoit_spsc_u64_send_one(c->spsc, &word);
		right &= quoit_spsc_u64_recv(c->spsc, words, 64) == 64;
		right &= quoit_spsc_u64_recv_one(c->spsc, words);
		right &= quoit_mpsc_u64_send(&c->mpsc_producer, words, 64) == 64;
		right &= quoit_mpsc_u64_recv(&c->mpsc, words, 64) == 64;
		right &= quoit_mpmc_u64_send(&c->mpmc_producer, words, 64) == 64;
		for (size_t got = 0; got < 64;) /* a block at most */
			got += quoit_mpmc_u64_steal(&c->mpmc_consumer, words, 64 - got);
	}
	return right;
}

static void channels_that_are_set_up_neither_allocate_nor_enter_the_kernel(void **state)
{
	const struct quoit_spsc_options spsc = quoit_spsc_default();
	const struct quoit_mpsc_options mpsc = quoit_mpsc_default();
	const struct quoit_mpmc_options mpmc = quoit_mpmc_default();
	struct channels c;

	(void)state;
	assert_int_equal(quoit_spsc_u64_create(&spsc, &c.spsc, NULL), 0);
	assert_int_equal(quoit_mpsc_u64_create(&c.mpsc, &mpsc), 0);
	assert_int_equal(quoit_mpsc_u64_register(&c.mpsc, &c.mpsc_producer), 0);
	assert_int_equal(quoit_mpmc_u64_create(&c.mpmc, &mpmc), 0);
	assert_int_equal(quoit_mpmc_u64_register_producer(&c.mpmc, &c.mpmc_producer), 0);
	assert_int_equal(quoit_mpmc_u64_register_consumer(&c.mpmc, &c.mpmc_consumer), 0);
	ASSERT_FINE(use_channels, &c);
	quoit_mpmc_u64_deregister_consumer(&c.mpmc_consumer);
	quoit_mpmc_u64_deregister_producer(&c.mpmc_producer);
	quoit_mpmc_u64_destroy(&c.mpmc);
	assert_int_equal(quoit_mpsc_u64_deregister(&c.mpsc_producer), 0);
	assert_int_equal(quoit_mpsc_u64_destroy(&c.mpsc), 0);
	quoit_spsc_u64_destroy(c.spsc);
}

/* --- pools and copying ----------------------------------------------------------------------- */

static bool use_pools(void *with)
{
	static struct quoit_pool_u64 own;
	static struct quoit_shared_pool_u64 shared;
	uint32_t mine, all[64] = {0};
	bool right = true;

	(void)with;
	quoit_pool_u64_init(&own);
	quoit_shared_pool_u64_init(&shared);
	while (quoit_pool_u64_acquire(&own, &mine))
		quoit_pool_u64_set(&own, mine, mine);
	for (mine = 0; mine < QUOIT_POOL_U64_CAPACITY; mine++)
		right &= quoit_pool_u64_get(&own, mine) == mine &&
			 !quoit_pool_u64_release(&own, mine);
	right &= quoit_pool_u64_release(&own, 0) == -EALREADY;
	right &= quoit_shared_pool_u64_acquire_many(&shared, all, 64) == 64;
	right &= !quoit_shared_pool_u64_release_many(&shared, all, 64);
	right &= quoit_shared_pool_u64_release(&shared, all[0]) == -EALREADY;
	return right && quoit_shared_pool_u64_in_use(&shared) == 0;
}

static bool use_buffers(void *with)
{
	struct quoit_buffer_pool *const pool = with;
	struct quoit_buffer_cache cache;
	uint32_t handle = 0, len = 0;
	bool right = true;

	quoit_buffer_cache_init(&cache, pool);
	for (int round = 0; round < 1000; round++) {
		right &= quoit_buffer_pool_alloc(pool, &handle);
		quoit_fill(quoit_buffer_pool_writable(pool, handle), 1, 4096);
		right &= !quoit_buffer_pool_set_len(pool, handle, 9);
		right &= quoit_buffer_pool_get(pool, handle, &len) && len == 9;
		right &= !quoit_buffer_cache_free(&cache, handle);
		right &= quoit_buffer_cache_alloc(&cache, &handle);
		right &= !quoit_buffer_pool_free(pool, handle);
	}
	quoit_buffer_cache_flush(&cache);
	return right && quoit_buffer_pool_available(pool) == quoit_buffer_pool_capacity(pool);
}

static bool copy(void *with)
{
	static uint64_t from[4096], to[4096];

	(void)with;
	quoit_fill_sequential_u64(from, 5, 4096);
	quoit_copy_streaming(to, from, sizeof(to));
	return !memcmp(to, from, sizeof(to)) && quoit_cpu_vector_bytes() >= 8;
}

static void pools_neither_allocate_nor_enter_the_kernel(void **state)
{
	const struct quoit_buffer_pool_options options = {
		.slab_bytes = 4096, .count = 100, .node = -1};
	struct quoit_buffer_pool *pool = NULL;

	(void)state;
	assert_int_equal(quoit_buffer_pool_create(&options, &pool, NULL), 0);
	ASSERT_FINE(use_pools, NULL);
	ASSERT_FINE(use_buffers, pool);
	ASSERT_FINE(copy, NULL);
	quoit_buffer_pool_destroy(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_system_call_and_an_allocation_are_noticed),
		cmocka_unit_test(a_ring_of_words_neither_allocates_nor_enters_the_kernel),
		cmocka_unit_test(channels_that_are_set_up_neither_allocate_nor_enter_the_kernel),
		cmocka_unit_test(pools_neither_allocate_nor_enter_the_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
