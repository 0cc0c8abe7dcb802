/* SPDX-License-Identifier: MIT */
/*
 * test_rtm_between.c - what another does between two looks of a call on a real-time pool, made to
 * happen there each time: where threads race it happens once in a million.
 *
 * Linked with --wrap for mmap, pthread_mutex_lock and pthread_mutex_trylock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <quoit/numa/atomic.h>
#include <quoit/numa/realtime_alloc.h>

void *__real_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
int __real_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
int __real_pthread_mutex_trylock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_trylock(pthread_mutex_t *mutex);

/* Called from within, once; when_locking after so many calls. */
static void (*when_mapping)(void);
static void (*when_waiting)(void);
static void (*when_locking)(void);
static unsigned locks_before;

static void call_once(void (**hook)(void))
{
	void (*const call)(void) =
		quoit_exchange(hook, NULL); /* once: of all threads that come by */

	if (call)
		call();
}

void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	call_once(&when_mapping);
	return __real_mmap(at, bytes, protection, flags, fd, offset);
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
	call_once(&when_waiting);
	return __real_pthread_mutex_lock(mutex);
}

int __wrap_pthread_mutex_trylock(pthread_mutex_t *mutex)
{
	if (locks_before)
		locks_before--;
	else
		call_once(&when_locking);
	return __real_pthread_mutex_trylock(mutex);
}

/* --- the default pool ------------------------------------------------------------------------ */

static struct {
	pthread_t thread;
	int rc;
	uint32_t done;
	struct quoit_rtm_pool *seen;
} second;

static void *second_worker(void *arg)
{
	(void)arg;
	second.rc = quoit_rtm_create_pool(NULL, 5000, "second");
	second.seen = quoit_rtm_default_pool();
	quoit_store_release(&second.done, 1);
	return NULL;
}

/* Another wants one while the first is being made. Whoever waits does so however long this takes.
 */
static void create_meanwhile(void)
{
	if (pthread_create(&second.thread, NULL, second_worker, NULL))
		abort();
	for (unsigned i = 0; i < 200 && !quoit_load_acquire(&second.done); i++)
		usleep(1000);
}

/* D-70, C4. */
static void of_two_that_create_the_default_pool_the_second_is_told_so(void **state)
{
	(void)state;
	when_mapping = create_meanwhile;
	assert_int_equal(quoit_rtm_create_pool(NULL, 5000, "first"), 0);
	assert_null(when_mapping);
	assert_int_equal(pthread_join(second.thread, NULL), 0);
	assert_int_equal(second.rc, -EALREADY);
	assert_non_null(second.seen);
	assert_ptr_equal(second.seen, quoit_rtm_default_pool());
	assert_int_equal(rtm_create_pool(NULL, 5000, "third"), EALREADY);
}

/* --- a block that goes meanwhile ------------------------------------------------------------- */

static void *block;

static void give_back_meanwhile(void)
{
	if (quoit_rtm_free(block))
		abort();
}

static void expect_all_back(struct quoit_rtm_pool *pool)
{
	assert_null(when_locking);
	assert_int_equal(quoit_rtm_validate(pool), 0);
	assert_int_equal(quoit_rtm_available(pool), 10000);
	assert_int_equal(quoit_rtm_largest_free(pool), 10000);
	assert_int_equal(quoit_rtm_delete_pool(pool), 0);
}

static void a_block_that_goes_before_the_lock_is_had_is_not_given_back_twice(void **state)
{
	struct quoit_rtm_pool *pool;

	(void)state;
	for (int beos = 0; beos < 2; beos++) {
		assert_int_equal(quoit_rtm_create_pool(&pool, 10000, NULL), 0);
		block = quoit_rtm_alloc(pool, 100);
		when_locking = give_back_meanwhile;
		if (beos)
			assert_int_equal(rtm_free(block), EALREADY);
		else
			assert_int_equal(quoit_rtm_free(block), -EALREADY);
		expect_all_back(pool);
	}
}

static void a_block_that_goes_before_the_lock_is_had_is_not_resized(void **state)
{
	static const size_t sizes[] = {50, 110, 5000};
	struct quoit_rtm_pool *pool;

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		void *data;

		assert_int_equal(quoit_rtm_create_pool(&pool, 10000, NULL), 0);
		data = block = quoit_rtm_alloc(pool, 100);
		when_locking = give_back_meanwhile;
		assert_int_equal(quoit_rtm_realloc(&data, sizes[i]), -EALREADY);
		assert_ptr_equal(data, block);
		expect_all_back(pool);
	}
}

/* --- a block that moves ---------------------------------------------------------------------- */

static int meanwhile;

static void try_to_give_back_meanwhile(void)
{
	meanwhile = quoit_rtm_free(block);
}

static void try_to_resize_meanwhile(void)
{
	void *data = block;

	meanwhile = quoit_rtm_realloc(&data, 6000);
	if (data != block)
		abort();
}

/* The bytes are copied, and the pool is wanted back: until then anybody may call. C9. */
static void a_block_that_is_being_copied_is_not_given_back_by_another(void **state)
{
	static void (*const others[])(void) = {try_to_give_back_meanwhile, try_to_resize_meanwhile};
	struct quoit_rtm_pool *pool;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		void *data, *other;

		assert_int_equal(quoit_rtm_create_pool(&pool, 10000, NULL), 0);
		data = block = quoit_rtm_alloc(pool, 1000);
		other = quoit_rtm_alloc(pool, 10); /* in the way */
		locks_before = 1;
		when_locking = others[i];
		assert_int_equal(quoit_rtm_realloc(&data, 5000), 0);
		assert_null(when_locking);
		assert_ptr_not_equal(data, block);
		assert_int_equal(meanwhile, -EALREADY);
		assert_int_equal(quoit_rtm_available(pool), 10000 - 5010);
		assert_int_equal(quoit_rtm_validate(pool), 0);
		assert_int_equal(quoit_rtm_free(data), 0);
		assert_int_equal(quoit_rtm_free(other), 0);
		expect_all_back(pool);
	}
}

/* It finds no room, and then the block is its user's as before. */
static void a_block_that_could_not_be_resized_is_given_back_as_ever(void **state)
{
	struct quoit_rtm_pool *pool;
	void *data, *other;

	(void)state;
	assert_int_equal(quoit_rtm_create_pool(&pool, 10000, NULL), 0);
	data = quoit_rtm_alloc(pool, 1000);
	other = quoit_rtm_alloc(pool, 10);
	assert_int_equal(quoit_rtm_realloc(&data, 20000), -ENOMEM);
	assert_int_equal(quoit_rtm_size_for(data), 1000);
	assert_int_equal(quoit_rtm_free(data), 0);
	assert_int_equal(quoit_rtm_free(other), 0);
	expect_all_back(pool);
}

/* --- a pool that goes meanwhile -------------------------------------------------------------- */

static struct quoit_rtm_pool *going;

static void delete_meanwhile(void)
{
	if (quoit_rtm_delete_pool_ex(going, QUOIT_RTM_FORCE))
		abort();
}

static void of_two_that_delete_a_pool_the_second_is_told_so(void **state)
{
	struct quoit_rtm_pool *other;

	(void)state;
	for (int left = 0; left < 2; left++) { /* in the table, beside the default pool */
		assert_int_equal(quoit_rtm_create_pool(&going, 10000, NULL), 0);
		if (left)
			assert_int_equal(quoit_rtm_create_pool(&other, 10000, NULL), 0);
		when_waiting = delete_meanwhile;
		assert_int_equal(quoit_rtm_delete_pool_ex(going, QUOIT_RTM_FORCE), -EFAULT);
		assert_null(when_waiting);
		assert_null(quoit_rtm_pool_of(going));
	}
	assert_int_equal(quoit_rtm_validate(other), 0);
	assert_int_equal(quoit_rtm_delete_pool(other), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_two_that_create_the_default_pool_the_second_is_told_so),
		cmocka_unit_test(a_block_that_goes_before_the_lock_is_had_is_not_given_back_twice),
		cmocka_unit_test(a_block_that_goes_before_the_lock_is_had_is_not_resized),
		cmocka_unit_test(a_block_that_is_being_copied_is_not_given_back_by_another),
		cmocka_unit_test(a_block_that_could_not_be_resized_is_given_back_as_ever),
		cmocka_unit_test(of_two_that_delete_a_pool_the_second_is_told_so),
	};

	return cmocka_run_group_tests_name("numa/rtm_between", tests, NULL, NULL);
}
