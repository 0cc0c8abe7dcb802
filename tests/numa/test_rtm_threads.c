/* SPDX-License-Identifier: MIT */
/*
 * test_rtm_threads.c - whose a pool is, and what threads do to each other. Under ThreadSanitizer
 * too; with random numbers in tests/rtm/, and exhaustively in tests/model/targets/rtm.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <quoit/numa/atomic.h>
#include <quoit/numa/rtm.h>

static struct quoit_rtm_pool *pool_of(enum quoit_rtm_owner owner, enum quoit_rtm_debug debug)
{
	const struct quoit_rtm_options o = {
		.total = 100000, .owner = owner, .debug = debug, .node = -1};
	struct quoit_rtm_pool *pool = NULL;

	assert_int_equal(quoit_rtm_create_pool_ex(&pool, &o, NULL), 0);
	return pool;
}

struct task {
	void *(*run)(void *arg);
	void *data;
	struct quoit_rtm_pool *pool;
	int rc, error;
	ssize_t size;
	void *got;
};

static void do_elsewhere(struct task *task)
{
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, task->run, task), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

static void *alloc_worker(void *arg)
{
	struct task *const t = arg;

	errno = 0;
	t->got = quoit_rtm_alloc(t->pool, 10);
	t->error = errno;
	return NULL;
}

static void *free_worker(void *arg)
{
	struct task *const t = arg;

	t->size = quoit_rtm_size_for(t->data);
	t->rc = quoit_rtm_free(t->data);
	return NULL;
}

static void *realloc_worker(void *arg)
{
	struct task *const t = arg;

	t->got = t->data;
	t->rc = quoit_rtm_realloc(&t->got, 500);
	return NULL;
}

static void *adopt_worker(void *arg)
{
	struct task *const t = arg;

	t->rc = quoit_rtm_adopt(t->pool);
	return alloc_worker(arg);
}

/* --- whose a pool is ------------------------------------------------------------------------- */

static void a_pool_of_one_thread_refuses_the_others(void **state)
{
	struct quoit_rtm_pool *const pool = pool_of(QUOIT_RTM_SINGLE, QUOIT_RTM_DEBUG_OFF);
	struct task t = {.pool = pool, .data = quoit_rtm_alloc(pool, 77)};

	(void)state;
	t.run = alloc_worker;
	do_elsewhere(&t);
	assert_null(t.got);
	assert_int_equal(t.error, EPERM);
	t.run = free_worker;
	do_elsewhere(&t);
	assert_int_equal(t.rc, -EPERM);
	assert_int_equal(t.size, 77); /* one may ask */
	t.run = realloc_worker;
	do_elsewhere(&t);
	assert_int_equal(t.rc, -EPERM);
	assert_ptr_equal(t.got, t.data);
	assert_int_equal(quoit_rtm_free(t.data), 0);

	t.run = adopt_worker; /* now it is another's */
	do_elsewhere(&t);
	assert_int_equal(t.rc, 0);
	assert_non_null(t.got);
	assert_int_equal(quoit_rtm_free(t.got), -EPERM);
	assert_int_equal(quoit_rtm_largest_free(pool), 0);
	assert_int_equal(quoit_rtm_validate(pool), -EPERM);
	assert_int_equal(quoit_rtm_collect(pool, 1), -EPERM);
	assert_int_equal(quoit_rtm_delete_pool(pool), -EPERM);
	assert_int_equal(quoit_rtm_adopt(pool), 0);
	assert_int_equal(quoit_rtm_free(t.got), 0);
	assert_int_equal(quoit_rtm_delete_pool(pool), 0);
	assert_int_equal(quoit_rtm_adopt(pool), -EFAULT);
}

static void what_others_give_back_is_taken_in_by_the_owner(void **state)
{
	(void)state;
	for (int debug = QUOIT_RTM_DEBUG_OFF; debug <= QUOIT_RTM_DEBUG_CHECK; debug++) {
		struct quoit_rtm_pool *const pool =
			pool_of(QUOIT_RTM_REMOTE_FREE, (enum quoit_rtm_debug)debug);
		struct task t = {.pool = pool, .run = free_worker};
		struct quoit_rtm_info info;
		void *all[8];

		for (int i = 0; i < 8; i++)
			all[i] = quoit_rtm_alloc(pool, i ? 10000 : 1);
		for (int i = 0; i < 8; i++) {
			t.data = all[i];
			do_elsewhere(&t);
			assert_int_equal(t.rc, 0);
			assert_int_equal(t.size, i ? 10000 : 1);
			assert_int_equal(quoit_rtm_free(all[i]), -EALREADY); /* on its way */
			do_elsewhere(&t);
			assert_int_equal(t.rc, -EALREADY);
		}
		assert_int_equal(quoit_rtm_available(pool), 100000 - 70001); /* not in yet */
		t.run = alloc_worker;
		do_elsewhere(&t);
		assert_null(t.got); /* only the owner */
		assert_int_equal(t.error, EPERM);
		errno = 0;
		assert_null(quoit_rtm_alloc(pool, 90000)); /* some are in, not enough */
		assert_int_equal(errno, EAGAIN);
		assert_int_equal(quoit_rtm_pool_info(pool, &info), 0);
		assert_int_equal(info.taken_in, QUOIT_RTM_TAKES_IN);
		assert_null(quoit_rtm_alloc(pool, 100001)); /* never */
		assert_int_equal(errno, ENOMEM);
		assert_int_equal(quoit_rtm_collect(pool, 100), 8 - 2 * QUOIT_RTM_TAKES_IN);
		assert_int_equal(quoit_rtm_collect(pool, 100), 0);
		assert_int_equal(quoit_rtm_available(pool), 100000);
		all[0] = quoit_rtm_alloc(pool, 100000);
		assert_non_null(all[0]);
		t.run = free_worker;
		t.data = all[0];
		do_elsewhere(&t);
		assert_int_equal(quoit_rtm_delete_pool(pool), 0); /* takes in what is left */
	}
}

/* --- races ----------------------------------------------------------------------------------- */

struct race {
	uint64_t ready; /* how many are at the line */
	uint64_t winners, losers;
	struct quoit_rtm_pool *pool;
	void *data;
};

static void meet(struct race *race)
{
	(void)quoit_add(&race->ready, 1);
	while (quoit_load_acquire(&race->ready) < 2)
		sched_yield();
}

static void *create_worker(void *arg)
{
	struct race *const race = arg;
	int rc;

	meet(race);
	rc = quoit_rtm_create_pool(NULL, 5000, "raced");
	(void)quoit_add(rc == 0 ? &race->winners : &race->losers, rc == 0 || rc == -EALREADY);
	/* Who was told that there is one finds it. */
	(void)quoit_add(&race->losers, quoit_rtm_default_pool() ? 0 : 100);
	return NULL;
}

static struct race run_two(void *(*worker)(void *), struct race race)
{
	pthread_t threads[2];

	for (int i = 0; i < 2; i++)
		if (pthread_create(&threads[i], NULL, worker, &race))
			abort();
	for (int i = 0; i < 2; i++)
		(void)pthread_join(threads[i], NULL);
	return race;
}

/* D-70. There is one default pool in a process: each round is a process. */
static void of_two_that_create_the_default_pool_one_does(void **state)
{
	(void)state;
	for (int round = 0; round < 30; round++) {
		int status = -1;
		const pid_t pid = fork();

		assert_true(pid >= 0);
		if (!pid) {
			const struct race race = run_two(create_worker, (struct race){0});

			_exit(race.winners == 1 && race.losers == 1 ? 0 : 1);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

static void *free_race_worker(void *arg)
{
	struct race *const race = arg;
	int rc;

	meet(race);
	rc = quoit_rtm_free(race->data);
	(void)quoit_add(rc == 0 ? &race->winners : &race->losers, rc == 0 || rc == -EALREADY);
	return NULL;
}

static void of_two_that_give_back_one_block_one_does(void **state)
{
	(void)state;
	for (enum quoit_rtm_owner owner = QUOIT_RTM_SHARED; owner <= QUOIT_RTM_REMOTE_FREE;
	     owner++) {
		struct quoit_rtm_pool *const pool = pool_of(owner, QUOIT_RTM_DEBUG_OFF);

		for (int round = 0; round < 100; round++) {
			const struct race race = run_two(
				free_race_worker, (struct race){.data = quoit_rtm_alloc(pool, 50)});

			assert_int_equal(race.winners, 1);
			assert_int_equal(race.losers, 1);
		}
		assert_int_equal(quoit_rtm_delete_pool(pool), 0);
	}
}

static void *last_free_worker(void *arg)
{
	struct race *const race = arg;

	meet(race);
	return quoit_rtm_free(race->data) ? race : NULL;
}

/*
 * D-65: a pool is deleted as soon as its last block is back, while who gave it back may still be on
 * its way out. Whoever touches the pool then crashes: the memory is gone.
 */
static void a_pool_may_go_as_soon_as_its_last_block_is_back(void **state)
{
	(void)state;
	for (int round = 0; round < 150; round++) {
		struct race race = {
			.pool = pool_of(round & 1 ? QUOIT_RTM_SHARED : QUOIT_RTM_REMOTE_FREE,
					QUOIT_RTM_DEBUG_OFF)};
		pthread_t thread;
		void *failed = NULL;
		int rc;

		race.data = quoit_rtm_alloc(race.pool, 100);
		assert_int_equal(pthread_create(&thread, NULL, last_free_worker, &race), 0);
		meet(&race);
		while ((rc = quoit_rtm_delete_pool(race.pool)) == -EBUSY)
			sched_yield();
		assert_int_equal(rc, 0);
		assert_int_equal(pthread_join(thread, &failed), 0);
		assert_null(failed);
	}
}

/* --- who finds a pool while others come and go ----------------------------------------------- */

struct lookup {
	uint64_t stop, wrong, looks;
	struct quoit_rtm_pool *pool;
	void *data;
};

static void *lookup_worker(void *arg)
{
	struct lookup *const l = arg;

	while (!quoit_load_acquire(&l->stop)) {
		l->wrong += quoit_rtm_pool_of(l->data) != l->pool;
		l->wrong += quoit_rtm_pool_of(&l->stop) != NULL;
		quoit_count(&l->looks, 2);
	}
	return NULL;
}

static void a_pool_is_found_while_others_come_and_go(void **state)
{
	struct lookup l = {.pool = pool_of(QUOIT_RTM_SHARED, QUOIT_RTM_DEBUG_OFF)};
	struct quoit_rtm_pool *others[9];
	pthread_t thread;

	(void)state;
	l.data = quoit_rtm_alloc(l.pool, 10);
	assert_int_equal(pthread_create(&thread, NULL, lookup_worker, &l), 0);
	for (int round = 0; round < 100 || quoit_load(&l.looks) < 1000; round++) {
		for (int i = 0; i < 9; i++)
			assert_int_equal(quoit_rtm_create_pool(&others[i], 100, NULL), 0);
		for (int i = 0; i < 9; i++)
			assert_int_equal(quoit_rtm_delete_pool(others[i * 4 % 9]), 0);
	}
	quoit_store_release(&l.stop, 1);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(l.wrong, 0);
	assert_int_equal(quoit_rtm_free(l.data), 0);
	assert_int_equal(quoit_rtm_delete_pool(l.pool), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(of_two_that_create_the_default_pool_one_does),
		cmocka_unit_test(a_pool_of_one_thread_refuses_the_others),
		cmocka_unit_test(what_others_give_back_is_taken_in_by_the_owner),
		cmocka_unit_test(of_two_that_give_back_one_block_one_does),
		cmocka_unit_test(a_pool_may_go_as_soon_as_its_last_block_is_back),
		cmocka_unit_test(a_pool_is_found_while_others_come_and_go),
	};

	return cmocka_run_group_tests_name("numa/rtm_threads", tests, NULL, NULL);
}
