/* SPDX-License-Identifier: MIT */
/*
 * test_rtm_kept.c - what a real-time pool promises and nobody sees from outside: what it asks the
 * kernel and libc for, what it does not hold meanwhile, and that damage of each kind is found.
 *
 * Linked with --wrap for syscall, madvise, pthread_mutex_init and pthread_mutex_trylock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "numa/syscalls.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <quoit/numa/rtm_internal.h>

#include "support/skip.h"

#ifdef QUOIT_ASAN
#include <sanitizer/asan_interface.h>
#endif

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define TOTAL 100000

int __real_madvise(void *base, size_t bytes, int advice);
int __wrap_madvise(void *base, size_t bytes, int advice);
int __real_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes);
int __wrap_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes);
int __real_pthread_mutex_trylock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_trylock(pthread_mutex_t *mutex);

static struct {
	int locks, dontforks, fills;
	int protocol; /* of the last mutex that was made */
} seen;

static int fail_lock;		   /* errno of the next mlock2 */
static void (*when_locking)(void); /* called from within, once */
static int looks_before;	   /* so many others */
static bool no_inheritance;

int __wrap_madvise(void *base, size_t bytes, int advice)
{
	seen.dontforks += advice == MADV_DONTFORK;
	seen.fills += advice == MADV_POPULATE_WRITE;
	return __real_madvise(base, bytes, advice);
}

int __wrap_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes)
{
	if (attributes)
		(void)pthread_mutexattr_getprotocol(attributes, &seen.protocol);
	if (seen.protocol == PTHREAD_PRIO_INHERIT && no_inheritance)
		return ENOTSUP;
	return __real_pthread_mutex_init(mutex, attributes);
}

int __wrap_pthread_mutex_trylock(pthread_mutex_t *mutex)
{
	if (when_locking && !looks_before--) {
		void (*const call)(void) = when_locking;

		when_locking = NULL;
		call();
	}
	return __real_pthread_mutex_trylock(mutex);
}

long __wrap_syscall(long number, ...)
{
	long a[6] = {0};
	va_list arguments;
	va_start(arguments, number);
	take_arguments(number, arguments, a);
	va_end(arguments);
	if (number == SYS_mlock2) {
		seen.locks++;
		errno = fail_lock;
		fail_lock = 0;
		return errno ? -1 : 0;
	}
	return really_call(number, a);
}

static int setup(void **state)
{
	(void)state;
	memset(&seen, 0, sizeof(seen));
	seen.protocol = -1;
	fail_lock = 0;
	when_locking = NULL;
	no_inheritance = false;
	return 0;
}

static struct quoit_rtm_pool *pool_with(struct quoit_rtm_options o)
{
	struct quoit_rtm_pool *pool = NULL;

	o.total = TOTAL;
	o.node = -1;
	assert_int_equal(quoit_rtm_create_pool_ex(&pool, &o, NULL), 0);
	return pool;
}

/* --- what is asked for ----------------------------------------------------------------------- */

/* D-66: what info says of the mutex is what libc was asked for. */
static void a_shared_pool_lends_priorities(void **state)
{
	struct quoit_rtm_pool *const pool = pool_with((struct quoit_rtm_options){0});
	struct quoit_rtm_info info;

	(void)state;
	assert_int_equal(quoit_rtm_pool_info(pool, &info), 0);
	assert_true(info.inherits);
	assert_int_equal(seen.protocol, PTHREAD_PRIO_INHERIT);
	assert_int_equal(quoit_rtm_delete_pool(pool), 0);
}

static void a_pool_is_kept_from_forks_if_that_is_asked_for(void **state)
{
	(void)state;
	for (int asked = 0; asked < 2; asked++) {
		struct quoit_rtm_pool *const pool =
			pool_with((struct quoit_rtm_options){.dontfork = asked});

		assert_int_equal(seen.dontforks, asked);
		assert_int_equal(quoit_rtm_delete_pool(pool), 0);
	}
}

/* A placement that falls short is no pool where it is required. */
static void what_is_required_is_refused(void **state)
{
	const struct quoit_rtm_options o = {.total = TOTAL, .node = -1, .require = true};
	struct quoit_rtm_pool *pool = NULL;
	struct quoit_reason why = {0};

	(void)state;
	fail_lock = EPERM;
	assert_int_equal(quoit_rtm_create_pool_ex(&pool, &o, &why), -EPERM);
	assert_int_equal(why.error, -EPERM);
	assert_null(pool);
}

/* D-69: asked once, and before anything is filled; a refusal is not a region that fell short. */
static void a_lock_that_is_required_is_asked_for_before_memory_is_taken(void **state)
{
	const struct quoit_rtm_options o = {
		.total = TOTAL, .node = -1, .lock = QUOIT_RTM_LOCK_REQUIRE};
	const uint64_t short_before = quoit_region_shortfalls();
	struct quoit_rtm_pool *pool = NULL;
	struct quoit_rtm_info info;
	struct quoit_reason why = {0};

	(void)state;
	fail_lock = EAGAIN;
	assert_int_equal(quoit_rtm_create_pool_ex(&pool, &o, &why), -EAGAIN);
	assert_non_null(strstr(why.text, "RLIMIT_MEMLOCK"));
	assert_int_equal(seen.locks, 1);
	assert_int_equal(seen.fills, 0);
	assert_int_equal(quoit_region_shortfalls(), short_before);

	why = (struct quoit_reason){0};
	assert_int_equal(quoit_rtm_create_pool_ex(&pool, &o, &why), 0);
	assert_int_equal(quoit_rtm_pool_info(pool, &info), 0);
	assert_true(info.locked);
	assert_int_equal(info.degraded, 0);
	assert_int_equal(info.degraded_error, 0);
	assert_int_equal(why.error, 0);
	assert_int_equal(seen.locks, 2);
	assert_int_equal(quoit_rtm_delete_pool(pool), 0);
}

/* Is there a mapping that nobody can touch, and that ends here? */
static bool is_guarded(const struct quoit_rtm_pool *pool)
{
	FILE *const maps = fopen("/proc/self/maps", "re");
	char line[512];
	bool found = false;

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps)) {
		void *end = NULL;
		char access[8] = "";

		if (sscanf(line, "%*[^-]-%p %7s", &end, access) == 2 && end == pool)
			found = !strcmp(access, "---p");
	}
	(void)fclose(maps);
	return found;
}

/* Alone in its mapping, so that unmapping it makes none more and cannot be refused. */
static void what_is_locked_lies_between_guards(void **state)
{
	struct quoit_rtm_pool *const pool =
		pool_with((struct quoit_rtm_options){.lock = QUOIT_RTM_LOCK_PREFER});

	(void)state;
	assert_true(is_guarded(pool));
	assert_int_equal(quoit_rtm_delete_pool(pool), 0);
}

/* As a signal handler does that interrupts a call. If it waited, it would for ever. */
static void use_it_within(struct quoit_rtm_pool *pool)
{
	if (!freopen("/dev/null", "w", stderr) || pthread_mutex_lock(&pool->mutex))
		_exit(1);
	signal(SIGABRT, SIG_DFL);
	alarm(10);
	_exit(quoit_rtm_alloc(pool, 1) ? 2 : 3);
}

/* Whether its mutex inherits or not, and however little is asserted. */
static void who_is_in_a_shared_pool_and_comes_again_is_stopped(void **state)
{
	(void)state;
	for (int without = 0; without < 2; without++) {
		struct quoit_rtm_pool *pool;
		int status = 0;
		pid_t pid;

		no_inheritance = without;
		pool = pool_with((struct quoit_rtm_options){0});
		assert_int_equal(pool->inherits, !without);
		pid = fork();
		if (!pid)
			use_it_within(pool);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), SIGABRT);
		assert_int_equal(quoit_rtm_delete_pool(pool), 0);
	}
}

/* --- what is not held ------------------------------------------------------------------------ */

static struct {
	struct quoit_rtm_pool *pool;
	int calls, rc;
	size_t available;
} meanwhile;

static void look_meanwhile(void)
{
	void *data;

	meanwhile.calls++;
	meanwhile.rc = quoit_rtm_validate(meanwhile.pool);
	data = quoit_rtm_alloc(meanwhile.pool, 100);
	if (!data || quoit_rtm_free(data))
		abort();
	meanwhile.available = quoit_rtm_available(meanwhile.pool);
}

/* D-62: between its two parts, while bytes are copied, others can do all; and the sums are right.
 */
static void a_shared_pool_is_not_held_while_bytes_are_copied(void **state)
{
	struct quoit_rtm_pool *const pool = pool_with((struct quoit_rtm_options){0});
	void *data = quoit_rtm_alloc(pool, 1000);
	void *const behind = quoit_rtm_alloc(pool, 10);

	(void)state;
	memset(&meanwhile, 0, sizeof(meanwhile));
	meanwhile.pool = pool;
	looks_before = 1;
	when_locking = look_meanwhile;
	assert_int_equal(quoit_rtm_realloc(&data, 5000), 0);
	assert_int_equal(meanwhile.calls, 1);
	assert_int_equal(meanwhile.rc, 0);
	assert_int_equal(meanwhile.available, TOTAL - 5010);
	assert_int_equal(quoit_rtm_validate(pool), 0);
	assert_int_equal(quoit_rtm_free(data), 0);
	assert_int_equal(quoit_rtm_free(behind), 0);
	assert_int_equal(quoit_rtm_available(pool), TOTAL);
	assert_int_equal(quoit_rtm_delete_pool(pool), 0);
}

/* --- from other threads ---------------------------------------------------------------------- */

#define GIVEN 9 /* more than a few calls take in */

static void *give_all_worker(void *arg)
{
	void **const blocks = arg;

	for (int i = 0; i < GIVEN; i++)
		if (quoit_rtm_free(blocks[i]))
			abort();
	return NULL;
}

static void *force_worker(void *arg)
{
	return quoit_rtm_delete_pool_ex(arg, QUOIT_RTM_FORCE) ? arg : NULL;
}

static void *do_elsewhere(void *(*run)(void *), void *arg)
{
	pthread_t thread;
	void *answer;

	assert_int_equal(pthread_create(&thread, NULL, run, arg), 0);
	assert_int_equal(pthread_join(thread, &answer), 0);
	return answer;
}

static void deleting_takes_in_all_that_others_gave_back(void **state)
{
	struct quoit_rtm_pool *const pool =
		pool_with((struct quoit_rtm_options){.owner = QUOIT_RTM_REMOTE_FREE});
	void *blocks[GIVEN];

	(void)state;
	for (int i = 0; i < GIVEN; i++)
		blocks[i] = quoit_rtm_alloc(pool, 100);
	(void)do_elsewhere(give_all_worker, blocks);
	assert_int_equal(quoit_rtm_delete_pool(pool), 0);
}

static void force_does_not_ask_who_the_owner_is(void **state)
{
	struct quoit_rtm_pool *const pool =
		pool_with((struct quoit_rtm_options){.owner = QUOIT_RTM_SINGLE});

	(void)state;
	assert_non_null(quoit_rtm_alloc(pool, 100));
	assert_null(do_elsewhere(force_worker, pool));
	assert_int_equal(quoit_rtm_validate(pool), -EFAULT);
}

/* --- junk ------------------------------------------------------------------------------------ */

static void expect_junk(const unsigned char *data, size_t from, size_t to, int value)
{
	for (size_t i = from; i < to; i++)
		assert_int_equal(data[i], value);
}

/* C14. What was given back cannot be read with the address sanitizer. */
static void a_block_that_moves_leaves_junk_and_gets_some(void **state)
{
	struct quoit_rtm_pool *const pool =
		pool_with((struct quoit_rtm_options){.debug = QUOIT_RTM_DEBUG_JUNK});
	unsigned char *const old = quoit_rtm_alloc(pool, 500);
	void *const behind = quoit_rtm_alloc(pool, 10);
	void *data = old;

	(void)state;
	memset(old, 1, 500);
	assert_int_equal(quoit_rtm_realloc(&data, 900), 0);
	assert_ptr_not_equal(data, old);
	expect_junk(data, 0, 500, 1);
	expect_junk(data, 500, 900, QUOIT_RTM_JUNK_NEW);
#ifndef QUOIT_ASAN
	expect_junk(old, 2 * sizeof(void *), 500, QUOIT_RTM_JUNK_FREED);
#endif
	assert_int_equal(quoit_rtm_free(data), 0);
	assert_int_equal(quoit_rtm_free(behind), 0);
	assert_int_equal(quoit_rtm_delete_pool(pool), 0);
}

static void what_others_give_back_is_junk_too(void **state)
{
	struct quoit_rtm_pool *const pool = pool_with((struct quoit_rtm_options){
		.owner = QUOIT_RTM_REMOTE_FREE, .debug = QUOIT_RTM_DEBUG_JUNK});
	void *blocks[GIVEN];

	(void)state;
	for (int i = 0; i < GIVEN; i++) {
		blocks[i] = quoit_rtm_alloc(pool, 100);
		memset(blocks[i], 1, 100);
	}
	(void)do_elsewhere(give_all_worker, blocks);
#ifndef QUOIT_ASAN
	for (int i = 0; i < GIVEN; i++)
		expect_junk(blocks[i], 2 * sizeof(void *), 100, QUOIT_RTM_JUNK_FREED);
#endif
	assert_int_equal(quoit_rtm_delete_pool(pool), 0);
}

/* A block that becomes smaller leaves bytes that are no more its user's than those of another. */
static void what_a_smaller_block_leaves_is_not_touched(void **state)
{
	(void)state;
#ifdef QUOIT_ASAN
	for (size_t align = 16; align <= 4096; align *= 4) {
		struct quoit_rtm_pool *const pool =
			pool_with((struct quoit_rtm_options){.align_bytes = align});
		void *data = quoit_rtm_alloc(pool, 30000);
		void *const behind = quoit_rtm_alloc(pool, 10);
		char *const bytes = data;
		const size_t links = sizeof(struct quoit__tlsf_block);

		assert_int_equal(quoit_rtm_realloc(&data, 100), 0);
		assert_ptr_equal(data, bytes);
		assert_false(__asan_address_is_poisoned(bytes + 99));
		for (size_t i = (size_t)quoit_rtm_phys_size_for(data) + links; i < 30000; i++)
			assert_true(__asan_address_is_poisoned(bytes + i));
		assert_int_equal(quoit_rtm_free(behind), 0);
		assert_int_equal(quoit_rtm_free(data), 0);
		assert_int_equal(quoit_rtm_delete_pool(pool), 0);
	}
#else
	skip_because("it is not built with the address sanitizer");
#endif
}

/* --- damage ---------------------------------------------------------------------------------- */

/* C16: without a word behind each block too, what the pool counts must be what is there. */
static void sums_and_states_are_compared_with_what_is_there(void **state)
{
	struct quoit_rtm_pool *const pool = pool_with((struct quoit_rtm_options){0});
	char *const data = quoit_rtm_alloc(pool, 1000);
	uint64_t *const word = &quoit__tlsf_block_of(data)->word;
	uint8_t *const own = quoit__rtm_state(pool, data);
	uint8_t *const inner = quoit__rtm_state(pool, data + 256);
	const uint8_t live = *own, none = *inner;

	(void)state;
	assert_int_equal(quoit_rtm_validate(pool), 0);
	*word -= 1; /* as if a byte less had been asked for */
	assert_int_equal(quoit_rtm_validate(pool), -EUCLEAN);
	*word += 1;
	pool->blocks++;
	assert_int_equal(quoit_rtm_validate(pool), -EUCLEAN);
	pool->blocks--;
	*own = none;
	assert_int_equal(quoit_rtm_validate(pool), -EUCLEAN);
	*own = live;
	assert_int_equal(quoit_rtm_validate(pool), 0);
	assert_int_equal(quoit_rtm_free(data), 0);
	*own = live; /* of a block that is free */
	assert_int_equal(quoit_rtm_validate(pool), -EUCLEAN);
	*own = none;
	assert_int_equal(quoit_rtm_delete_pool(pool), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_shared_pool_lends_priorities, setup),
		cmocka_unit_test_setup(a_pool_is_kept_from_forks_if_that_is_asked_for, setup),
		cmocka_unit_test_setup(what_is_required_is_refused, setup),
		cmocka_unit_test_setup(a_lock_that_is_required_is_asked_for_before_memory_is_taken,
				       setup),
		cmocka_unit_test_setup(what_is_locked_lies_between_guards, setup),
		cmocka_unit_test_setup(who_is_in_a_shared_pool_and_comes_again_is_stopped, setup),
		cmocka_unit_test_setup(a_shared_pool_is_not_held_while_bytes_are_copied, setup),
		cmocka_unit_test_setup(deleting_takes_in_all_that_others_gave_back, setup),
		cmocka_unit_test_setup(force_does_not_ask_who_the_owner_is, setup),
		cmocka_unit_test_setup(a_block_that_moves_leaves_junk_and_gets_some, setup),
		cmocka_unit_test_setup(what_others_give_back_is_junk_too, setup),
		cmocka_unit_test_setup(what_a_smaller_block_leaves_is_not_touched, setup),
		cmocka_unit_test_setup(sums_and_states_are_compared_with_what_is_there, setup),
	};

	return cmocka_run_group_tests_name("numa/rtm_kept", tests, NULL, NULL);
}
