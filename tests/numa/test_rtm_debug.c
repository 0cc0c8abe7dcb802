/* SPDX-License-Identifier: MIT */
/*
 * test_rtm_debug.c - QUOIT_RTM_DEBUG: what the environment means, junk, and that what overwrites
 * something is told of, once by a function, once by the end of the process.
 *
 * Linked with --wrap=quoit__rtm_check_block.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <quoit/numa/rtm_internal.h>

static struct {
	int count;
	struct quoit_reason last;
} told;

static void damage(const struct quoit_rtm_pool *pool, const struct quoit_reason *what, void *ctx)
{
	(void)pool;
	assert_ptr_equal(ctx, &told);
	told.count++;
	told.last = *what;
}

static struct quoit_rtm_pool *pool_of(enum quoit_rtm_debug debug, enum quoit_rtm_owner owner)
{
	const struct quoit_rtm_options o = {.total = 20000,
					    .name = "watched",
					    .align_bytes = 16,
					    .owner = owner,
					    .debug = debug,
					    .node = -1,
					    .damage = damage,
					    .damage_ctx = &told};
	struct quoit_rtm_pool *pool = NULL;

	memset(&told, 0, sizeof(told));
	assert_int_equal(quoit_rtm_create_pool_ex(&pool, &o, NULL), 0);
	return pool;
}

static void *free_worker(void *block)
{
	return (void *)(intptr_t)quoit_rtm_free(block);
}

static int free_elsewhere(void *block)
{
	pthread_t thread;
	void *rc;

	assert_int_equal(pthread_create(&thread, NULL, free_worker, block), 0);
	assert_int_equal(pthread_join(thread, &rc), 0);
	return (int)(intptr_t)rc;
}

/* When a block is looked at, another thread gives it back too. */
static struct {
	void *block;
	int looks, rc;
} twice;

int __real_quoit__rtm_check_block(struct quoit_rtm_pool *pool, struct quoit__tlsf_block *b,
				  struct quoit_reason *why);
int __wrap_quoit__rtm_check_block(struct quoit_rtm_pool *pool, struct quoit__tlsf_block *b,
				  struct quoit_reason *why);

int __wrap_quoit__rtm_check_block(struct quoit_rtm_pool *pool, struct quoit__tlsf_block *b,
				  struct quoit_reason *why)
{
	if (twice.looks && twice.looks--)
		twice.rc = free_elsewhere(twice.block);
	return __real_quoit__rtm_check_block(pool, b, why);
}

static enum quoit_rtm_debug level_with(const char *ours, const char *others)
{
	struct quoit_rtm_info info;
	struct quoit_rtm_pool *pool;

	unsetenv("QUOIT_RTM_DEBUG");
	unsetenv("MALLOC_DEBUG");
	if (ours)
		setenv("QUOIT_RTM_DEBUG", ours, 1);
	if (others)
		setenv("MALLOC_DEBUG", others, 1);
	pool = pool_of(QUOIT_RTM_DEBUG_ENVIRONMENT, QUOIT_RTM_SHARED);
	setenv("QUOIT_RTM_DEBUG", "2", 1); /* too late: it was read */
	assert_int_equal(quoit_rtm_pool_info(pool, &info), 0);
	assert_int_equal(quoit_rtm_delete_pool(pool), 0);
	unsetenv("QUOIT_RTM_DEBUG");
	unsetenv("MALLOC_DEBUG");
	return info.debug;
}

/* C14, C15, D-71. */
static void the_environment_is_read_when_a_pool_is_created(void **state)
{
	(void)state;
	assert_int_equal(level_with(NULL, NULL), QUOIT_RTM_DEBUG_OFF);
	assert_int_equal(level_with("0", NULL), QUOIT_RTM_DEBUG_OFF);
	assert_int_equal(level_with("", NULL), QUOIT_RTM_DEBUG_OFF);
	assert_int_equal(level_with("1", NULL), QUOIT_RTM_DEBUG_JUNK);
	assert_int_equal(level_with("yes", NULL), QUOIT_RTM_DEBUG_JUNK);
	assert_int_equal(level_with("-3", NULL), QUOIT_RTM_DEBUG_JUNK);
	assert_int_equal(level_with("2x", NULL), QUOIT_RTM_DEBUG_JUNK);
	assert_int_equal(level_with("2", NULL), QUOIT_RTM_DEBUG_CHECK);
	assert_int_equal(level_with("99", NULL), QUOIT_RTM_DEBUG_CHECK);
	assert_int_equal(level_with(NULL, "1"), QUOIT_RTM_DEBUG_JUNK);
	assert_int_equal(level_with(NULL, "2"), QUOIT_RTM_DEBUG_CHECK);
	assert_int_equal(level_with("0", "2"), QUOIT_RTM_DEBUG_OFF); /* ours comes first */
}

static void new_and_freed_blocks_are_junk(void **state)
{
	struct quoit_rtm_pool *const pool = pool_of(QUOIT_RTM_DEBUG_JUNK, QUOIT_RTM_SHARED);
	unsigned char *data = quoit_rtm_alloc(pool, 100);
	void *block = data;

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_int_equal(data[i], QUOIT_RTM_JUNK_NEW);
	memset(data, 0, 100);
	assert_int_equal(quoit_rtm_realloc(&block, 150), 0);
	for (int i = 100; i < 150; i++)
		assert_int_equal(((unsigned char *)block)[i], QUOIT_RTM_JUNK_NEW);
	assert_int_equal(quoit_rtm_free(block), 0);
	quoit_unpoison(block, 150);    /* or the address sanitizer sees us looking */
	for (int i = 16; i < 150; i++) /* behind the links of a free block */
		assert_int_equal(((unsigned char *)block)[i], QUOIT_RTM_JUNK_FREED);
	assert_int_equal(quoit_rtm_delete_pool(pool), 0);
}

/* Every size, so that the word stands everywhere in a granule. */
static void a_byte_behind_a_block_is_told_of(void **state)
{
	(void)state;
	for (size_t size = 1; size < 40; size++) {
		struct quoit_rtm_pool *const pool =
			pool_of(QUOIT_RTM_DEBUG_CHECK, QUOIT_RTM_SHARED);
		unsigned char *const data = quoit_rtm_alloc(pool, size);
		void *block = data;
		char words[96];

		memset(data, 0xff, size);
		assert_int_equal(quoit_rtm_validate(pool), 0);
		data[size]++;
		assert_int_equal(quoit_rtm_validate(pool), -EUCLEAN);
		assert_int_equal(told.count, 0);
		assert_null(quoit_rtm_alloc(pool, 1));
		assert_int_equal(errno, EUCLEAN);
		assert_int_equal(quoit_rtm_free(block), -EUCLEAN);
		assert_int_equal(quoit_rtm_realloc(&block, 500), -EUCLEAN);
		assert_int_equal(quoit_rtm_delete_pool(pool), -EUCLEAN);
		assert_int_equal(told.count, 4);
		assert_int_equal(told.last.error, -EUCLEAN);
		assert_non_null(strstr(told.last.text, "watched"));
		snprintf(words, sizeof(words), "behind or before the block at %p (%zu bytes)",
			 block, size);
		assert_non_null(strstr(told.last.text, words));
		data[size]--;
		assert_int_equal(quoit_rtm_free(block), 0);
		assert_int_equal(quoit_rtm_delete_pool(pool), 0);
	}
}

/* Where the links of blocks that others give back may stand, the one that is touched is looked at.
 */
static void a_byte_behind_a_block_of_an_owner_is_told_of_when_it_comes_back(void **state)
{
	(void)state;
	for (size_t size = 1; size < 40; size++) {
		struct quoit_rtm_pool *const pool =
			pool_of(QUOIT_RTM_DEBUG_CHECK, QUOIT_RTM_REMOTE_FREE);
		unsigned char *const data = quoit_rtm_alloc(pool, size);
		void *block = data;

		memset(data, 0xff, size);
		data[size]++;
		assert_int_equal(quoit_rtm_realloc(&block, 100), -EUCLEAN);
		assert_int_equal(quoit_rtm_free(data), -EUCLEAN);
		assert_int_equal(free_elsewhere(data), -EUCLEAN);
		assert_int_equal(told.count, 3);
		assert_int_equal(quoit_rtm_size_for(data), size); /* it is still somebody's */
		data[size]--;
		assert_int_equal(free_elsewhere(data), 0);
		assert_int_equal(quoit_rtm_delete_pool(pool), 0);
		assert_int_equal(told.count, 3);
	}
}

/* While one looks at its block another gives it back too: one has it, and nothing is broken. */
static void giving_back_twice_is_no_damage(void **state)
{
	struct quoit_rtm_pool *const pool = pool_of(QUOIT_RTM_DEBUG_CHECK, QUOIT_RTM_REMOTE_FREE);

	(void)state;
	twice.block = quoit_rtm_alloc(pool, 100);
	twice.looks = 1;
	assert_int_equal(free_elsewhere(twice.block), 0);
	assert_int_equal(twice.rc, -EALREADY);
	assert_int_equal(told.count, 0);
	assert_int_equal(quoit_rtm_collect(pool, 9), 1);
	assert_int_equal(quoit_rtm_delete_pool(pool), 0);
}

/* C16. Each byte of a head in front of a block: one of them at a time. */
static void a_byte_in_front_of_a_block_is_told_of(void **state)
{
	(void)state;
	for (int at = 1; at <= 16; at++) {
		struct quoit_rtm_pool *const pool =
			pool_of(QUOIT_RTM_DEBUG_CHECK, QUOIT_RTM_SINGLE);
		unsigned char *const first = quoit_rtm_alloc(pool, 30);
		unsigned char *const data = quoit_rtm_alloc(pool, 30);

		data[-at] ^= 0x10;
		assert_int_equal(quoit_rtm_validate(pool), -EUCLEAN);
		data[-at] ^= 0x10;
		assert_int_equal(quoit_rtm_validate(pool), 0);
		assert_int_equal(quoit_rtm_free(first), 0);
		assert_int_equal(quoit_rtm_free(data), 0);
		assert_int_equal(quoit_rtm_delete_pool(pool), 0);
	}
}

static void a_link_of_a_freed_block_is_told_of(void **state)
{
	struct quoit_rtm_pool *const pool = pool_of(QUOIT_RTM_DEBUG_CHECK, QUOIT_RTM_SINGLE);
	uintptr_t *const data = quoit_rtm_alloc(pool, 30), kept;
	void *const other = quoit_rtm_alloc(pool, 30);

	(void)state;
	assert_int_equal(quoit_rtm_free(data), 0);
	kept = data[0];
	data[0] = 0xdead0; /* used after it was given back */
	assert_null(quoit_rtm_alloc(pool, 1));
	assert_int_equal(told.count, 1);
	data[0] = kept;
	assert_int_equal(quoit_rtm_free(other), 0);
	assert_int_equal(quoit_rtm_delete_pool(pool), 0);
}

static void without_a_function_the_process_ends(void **state)
{
	const struct quoit_rtm_options o = {
		.total = 1000, .debug = QUOIT_RTM_DEBUG_CHECK, .node = -1};
	int status = 0;
	const pid_t pid = fork();

	(void)state;
	if (!pid) {
		struct quoit_rtm_pool *pool;
		char *data;

		if (!freopen("/dev/null", "w", stderr) || quoit_rtm_create_pool_ex(&pool, &o, NULL))
			_exit(1);
		signal(SIGABRT, SIG_DFL);
		data = quoit_rtm_alloc(pool, 20);
		data[20]++;
		_exit(quoit_rtm_free(data) ? 2 : 3);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

/* The one who calls with a pointer to something else is told what it did. */
static void what_is_no_pool_is_named(void **state)
{
	static __attribute__((aligned(4096))) char zeros[8192];
	char text[512] = "";
	size_t length = 0;
	ssize_t got;
	int fds[2];
	pid_t pid;

	(void)state;
	if (QUOIT_CONFIG_ASSERT < 1)
		return;
	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (!pid) {
		(void)dup2(fds[1], 2);
		signal(SIGABRT, SIG_DFL);
		(void)quoit_rtm_alloc((struct quoit_rtm_pool *)(void *)zeros, 20);
		_exit(2);
	}
	close(fds[1]);
	while ((got = read(fds[0], text + length, sizeof(text) - 1 - length)) > 0)
		length += (size_t)got;
	close(fds[0]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	if (!strstr(text, "the pool is none, or was deleted"))
		fail_msg("it says: %s", text);
}

static void the_worst_that_is_not_damage_is_no_damage(void **state)
{
	struct quoit_rtm_pool *const pool = pool_of(QUOIT_RTM_DEBUG_CHECK, QUOIT_RTM_SHARED);
	void *blocks[50];

	(void)state;
	for (size_t i = 0; i < 50; i++) {
		blocks[i] = quoit_rtm_alloc(pool, 1 + i * 3);
		assert_non_null(blocks[i]);
		memset(blocks[i], 0xff, 1 + i * 3);
	}
	for (size_t i = 0; i < 50; i++) {
		const ssize_t phys = quoit_rtm_phys_size_for(blocks[i]);

		assert_int_equal(quoit_rtm_realloc(&blocks[i], (size_t)phys), 0);
		memset(blocks[i], 0xff, (size_t)phys);
	}
	for (size_t i = 0; i < 50; i++) {
		assert_int_equal(quoit_rtm_free(blocks[i]), 0);
		assert_int_equal(quoit_rtm_free(blocks[i]), -EALREADY);
	}
	assert_int_equal(quoit_rtm_delete_pool(pool), 0);
	assert_int_equal(told.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_environment_is_read_when_a_pool_is_created),
		cmocka_unit_test(new_and_freed_blocks_are_junk),
		cmocka_unit_test(a_byte_behind_a_block_is_told_of),
		cmocka_unit_test(a_byte_behind_a_block_of_an_owner_is_told_of_when_it_comes_back),
		cmocka_unit_test(giving_back_twice_is_no_damage),
		cmocka_unit_test(a_byte_in_front_of_a_block_is_told_of),
		cmocka_unit_test(a_link_of_a_freed_block_is_told_of),
		cmocka_unit_test(without_a_function_the_process_ends),
		cmocka_unit_test(what_is_no_pool_is_named),
		cmocka_unit_test(the_worst_that_is_not_damage_is_no_damage),
	};

	return cmocka_run_group_tests_name("numa/rtm_debug", tests, NULL, NULL);
}
