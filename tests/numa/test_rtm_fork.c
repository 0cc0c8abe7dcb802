/* SPDX-License-Identifier: MIT */
/*
 * test_rtm_fork.c - real-time pools in a process that forks: what the child may use, whatever
 * another thread was in the midst of, and that the parent is as it was.
 *
 * Linked with --wrap for mmap and pthread_mutex_unlock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <quoit/numa/atomic.h>
#include <quoit/numa/rtm_internal.h>

#define TOTAL	  10000
#define LINGER_US 50000 /* how long another thread has a mutex while we fork */

void *__real_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
int __real_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex);

#ifdef QUOIT_TSAN
const char *__tsan_default_options(void);

/* A thread of the parent that has ended and was not joined yet is no leak of the child's. */
const char *__tsan_default_options(void)
{
	return "report_thread_leaks=0";
}
#endif

/* --- another thread in the midst of a call --------------------------------------------------- */

/* It stays where it maps memory, or before it gives back the first mutex, and says so. */
enum place {
	IN_MMAP = 1,
	IN_MUTEX
};
static _Thread_local enum place linger_in;
static sem_t lingering, go_on;
static bool until_told; /* and not for some time only */

static void wait_until_told(void)
{
	struct timespec end;

	(void)clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += 10;
	if (sem_timedwait(&go_on, &end))
		abort();
}

static void linger(enum place place)
{
	if (linger_in != place)
		return;
	linger_in = 0;
	(void)sem_post(&lingering);
	if (until_told)
		wait_until_told();
	else
		(void)usleep(LINGER_US);
}

void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	linger(IN_MMAP);
	return __real_mmap(at, bytes, protection, flags, fd, offset);
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	linger(IN_MUTEX);
	return __real_pthread_mutex_unlock(mutex);
}

static struct {
	pthread_t thread;
	enum place place;
	void (*call)(void);
} other;

static void *other_worker(void *arg)
{
	(void)arg;
	linger_in = other.place;
	other.call();
	return NULL;
}

/* Comes back when the other thread is there. */
static void start_call(void (*call)(void), enum place place)
{
	other.place = place;
	other.call = call;
	assert_int_equal(pthread_create(&other.thread, NULL, other_worker, NULL), 0);
	while (sem_wait(&lingering))
		;
}

static void end_call(void)
{
	assert_int_equal(pthread_join(other.thread, NULL), 0);
}

static int setup(void **state)
{
	(void)state;
	until_told = false;
	return sem_init(&lingering, 0, 0) || sem_init(&go_on, 0, 0);
}

/* --- children -------------------------------------------------------------------------------- */

/* In a child: the line that failed is its exit status. */
#define CHECK(is)                               \
	do {                                    \
		if (!(is))                      \
			_exit(__LINE__ & 0xff); \
	} while (0)

/* A child that hangs is ended; what it does comes back as if it were said here. */
static void expect_of_child(void (*run)(void))
{
	int status = 0;
	const pid_t pid = fork();

	if (!pid) {
		(void)signal(SIGABRT, SIG_DFL);
		(void)signal(SIGSEGV, SIG_DFL);
		(void)alarm(10);
		run();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		fail_msg("the child was ended by signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status))
		fail_msg("a check failed in the child, in line %d modulo 256", WEXITSTATUS(status));
}

static struct quoit_rtm_pool *pool;
static void *block;

static void use_pool(void)
{
	void *const data = quoit_rtm_alloc(pool, 50);

	CHECK(data);
	CHECK(!quoit_rtm_validate(pool));
	CHECK(!quoit_rtm_free(data));
}

static void open_pool(struct quoit_rtm_options o)
{
	o.total = TOTAL;
	o.node = -1;
	assert_int_equal(quoit_rtm_create_pool_ex(&pool, &o, NULL), 0);
	block = quoit_rtm_alloc(pool, 100);
	assert_non_null(block);
}

static void close_pool(void)
{
	assert_int_equal(quoit_rtm_free(block), 0);
	assert_int_equal(quoit_rtm_validate(pool), 0);
	assert_int_equal(quoit_rtm_available(pool), TOTAL);
	assert_int_equal(quoit_rtm_delete_pool(pool), 0);
}

/* --- the default pool ------------------------------------------------------------------------ */

static void find_no_default_pool(void)
{
	CHECK(!quoit_rtm_default_pool());
	CHECK(!quoit_rtm_alloc(NULL, 10) && errno == ENXIO);
	CHECK(!quoit_rtm_create_pool(NULL, TOTAL, NULL));
	CHECK(quoit_rtm_alloc(NULL, 10));
}

/* In a child of ours, where there is one default pool more to be had. */
static void have_a_default_pool_that_is_kept_from_forks(void)
{
	const struct quoit_rtm_options o = {.total = TOTAL, .node = -1, .dontfork = true};
	int status = 0;
	pid_t pid;

	CHECK(!quoit_rtm_create_pool_ex(NULL, &o, NULL));
	pid = fork();
	if (!pid) {
		find_no_default_pool();
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK(!status);
	CHECK(quoit_rtm_alloc(NULL, 10));
}

static void a_default_pool_that_is_kept_from_forks_is_none_in_the_child(void **state)
{
	(void)state;
	assert_null(quoit_rtm_default_pool());
	expect_of_child(have_a_default_pool_that_is_kept_from_forks);
}

static void create_default(void)
{
	if (quoit_rtm_create_pool(NULL, TOTAL, "default"))
		abort();
}

static void find_the_default_pool(void)
{
	CHECK(quoit_rtm_create_pool(NULL, TOTAL, NULL) == -EALREADY);
	CHECK(quoit_rtm_alloc(NULL, 50));
}

/* One is to be the first, and has no memory yet. */
static void a_default_pool_that_another_is_creating_is_there_in_the_child(void **state)
{
	(void)state;
	start_call(create_default, IN_MMAP);
	expect_of_child(find_the_default_pool);
	end_call();
}

static uint32_t enough;

static void *default_worker(void *arg)
{
	while (!quoit_load_acquire(&enough))
		if (quoit_rtm_free(quoit_rtm_alloc(NULL, 100)))
			abort();
	return arg;
}

/* As it comes. */
static void a_child_uses_the_default_pool_while_another_is_in_it(void **state)
{
	pthread_t thread;

	(void)state;
	pool = quoit_rtm_default_pool();
	assert_int_equal(pthread_create(&thread, NULL, default_worker, NULL), 0);
	for (int i = 0; i < 30; i++)
		expect_of_child(use_pool);
	quoit_store_release(&enough, 1);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(quoit_rtm_validate(NULL), 0);
	assert_int_equal(quoit_rtm_available(NULL), TOTAL);
}

/* --- shared pools ---------------------------------------------------------------------------- */

static void free_one(void)
{
	void *const data = quoit_rtm_alloc(pool, 10);

	if (quoit_rtm_free(data))
		abort();
}

static void a_child_uses_a_shared_pool_while_another_is_in_it(void **state)
{
	(void)state;
	open_pool((struct quoit_rtm_options){0});
	start_call(free_one, IN_MUTEX);
	expect_of_child(use_pool);
	end_call();
	close_pool();
}

static void give_back_what_was_there(void)
{
	struct quoit_rtm_info info;

	CHECK(!quoit_rtm_free(block));
	CHECK(quoit_rtm_free(block) == -EALREADY);
	CHECK(!quoit_rtm_pool_info(pool, &info));
	CHECK(!info.locked && info.inherits);
	CHECK(!quoit_rtm_delete_pool(pool));
}

static void a_child_has_blocks_of_its_own_that_are_not_locked(void **state)
{
	struct quoit_rtm_info info;

	(void)state;
	open_pool((struct quoit_rtm_options){0});
	pool->locked = true; /* also where nothing may be */
	expect_of_child(give_back_what_was_there);
	assert_int_equal(quoit_rtm_size_for(block), 100);
	assert_int_equal(quoit_rtm_pool_info(pool, &info), 0);
	assert_true(info.locked);
	close_pool();
}

/* --- the tables ------------------------------------------------------------------------------ */

static void create_one(void)
{
	struct quoit_rtm_pool *created;

	if (quoit_rtm_create_pool(&created, TOTAL, NULL) || quoit_rtm_delete_pool(created))
		abort();
}

static void create_and_use(void)
{
	CHECK(!quoit_rtm_create_pool(&pool, TOTAL, NULL));
	use_pool();
	CHECK(!quoit_rtm_delete_pool(pool));
}

static void a_child_creates_pools_while_another_does(void **state)
{
	(void)state;
	start_call(create_one, IN_MUTEX);
	expect_of_child(create_and_use);
	end_call();
}

/* --- what is kept from forks ----------------------------------------------------------------- */

static void find_nothing_there(void)
{
	void *data = block;

	CHECK(quoit_rtm_free(block) == -EFAULT);
	CHECK(quoit_rtm_realloc(&data, 10) == -EFAULT);
	CHECK(quoit_rtm_size_for(block) == -EFAULT);
	CHECK(quoit_rtm_validate(pool) == -EFAULT);
	CHECK(quoit_rtm_delete_pool_ex(pool, QUOIT_RTM_FORCE) == -EFAULT);
	CHECK(!quoit_rtm_pool_of(block));
}

/* The place is free, and may be given to another. */
static void have_another_there(void)
{
	const size_t bytes = 4096;
	struct quoit_rtm_pool *own;

	for (int i = 0; i < 20; i++) {
		CHECK(!quoit_rtm_create_pool(&own, TOTAL, NULL));
		CHECK(!quoit_rtm_delete_pool(own));
		CHECK(!quoit_rtm_pool_of(own));
	}
	CHECK(mmap(pool, bytes, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == (void *)pool);
	CHECK(!quoit_rtm_pool_of(pool));
	CHECK(quoit_rtm_free(block) == -EFAULT);
}

static void a_pool_that_is_kept_from_forks_is_none_in_the_child(void **state)
{
	static const enum quoit_rtm_owner owners[] = {QUOIT_RTM_SHARED, QUOIT_RTM_REMOTE_FREE,
						      QUOIT_RTM_SINGLE};

	(void)state;
	for (size_t i = 0; i < sizeof(owners) / sizeof(owners[0]); i++) {
		open_pool((struct quoit_rtm_options){.owner = owners[i], .dontfork = true});
		expect_of_child(find_nothing_there);
		expect_of_child(have_another_there);
		close_pool();
	}
}

/* Who is in it does not wait for a fork, nor the fork for it. */
static void a_pool_that_is_kept_from_forks_is_not_waited_for(void **state)
{
	(void)state;
	open_pool((struct quoit_rtm_options){.dontfork = true});
	until_told = true;
	start_call(free_one, IN_MUTEX);
	expect_of_child(find_nothing_there);
	(void)sem_post(&go_on);
	end_call();
	close_pool();
}

/* --- pools that have an owner ---------------------------------------------------------------- */

static void give_back_one(void)
{
	CHECK(!quoit_rtm_free(block));
	CHECK(!quoit_rtm_delete_pool(pool));
}

static void a_child_uses_the_pools_of_the_thread_that_forked(void **state)
{
	static const enum quoit_rtm_owner owners[] = {QUOIT_RTM_REMOTE_FREE, QUOIT_RTM_SINGLE};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		open_pool((struct quoit_rtm_options){.owner = owners[i]});
		expect_of_child(use_pool);
		expect_of_child(give_back_one);
		close_pool();
	}
}

static void *of_other; /* a block of the pool whose owner the child has not */
static int freed_rc;   /* by its owner, afterwards */

static void be_refused(void)
{
	CHECK(!quoit_rtm_alloc(pool, 10) && errno == EPERM);
	CHECK(quoit_rtm_validate(pool) == -EPERM);
	CHECK(quoit_rtm_free(of_other) == -EPERM);
}

static void *be_refused_worker(void *arg)
{
	be_refused();
	return arg;
}

/* A new thread may be known by the number of one that the child has not. */
static void be_refused_on_all_threads(void)
{
	pthread_t threads[4];

	be_refused();
#ifndef QUOIT_TSAN /* it starts none in such a child */
	for (int i = 0; i < 4; i++)
		CHECK(!pthread_create(&threads[i], NULL, be_refused_worker, NULL));
	for (int i = 0; i < 4; i++)
		CHECK(!pthread_join(threads[i], NULL));
#else
	(void)threads;
	(void)be_refused_worker;
#endif
}

static enum quoit_rtm_owner owner_of_other;

static void *owner_worker(void *arg)
{
	open_pool((struct quoit_rtm_options){.owner = owner_of_other});
	of_other = quoit_rtm_alloc(pool, 10);
	(void)sem_post(&lingering);
	wait_until_told();
	freed_rc = of_other ? quoit_rtm_free(of_other) : -ENOMEM;
	close_pool(); /* as if nothing had been */
	return arg;
}

static void a_child_is_refused_where_another_is_the_owner(void **state)
{
	static const enum quoit_rtm_owner owners[] = {QUOIT_RTM_REMOTE_FREE, QUOIT_RTM_SINGLE};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		pthread_t thread;

		owner_of_other = owners[i];
		assert_int_equal(pthread_create(&thread, NULL, owner_worker, NULL), 0);
		while (sem_wait(&lingering))
			;
		expect_of_child(be_refused_on_all_threads);
		(void)sem_post(&go_on);
		assert_int_equal(pthread_join(thread, NULL), 0);
		assert_int_equal(freed_rc, 0);
	}
}

/* --- handlers of the program's --------------------------------------------------------------- */

static bool uses_pool;

static void handle_fork(void)
{
	if (uses_pool && quoit_rtm_free(quoit_rtm_alloc(pool, 10)))
		abort();
}

static void do_nothing(void)
{
}

/* As main() registers them, before there is any pool: malloc is theirs to use, too. */
static void handlers_of_the_programs_may_use_a_shared_pool(void **state)
{
	(void)state;
	open_pool((struct quoit_rtm_options){.owner = QUOIT_RTM_SHARED});
	uses_pool = true;
	expect_of_child(do_nothing);
	uses_pool = false;
	close_pool();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_default_pool_that_is_kept_from_forks_is_none_in_the_child,
				       setup),
		cmocka_unit_test_setup(
			a_default_pool_that_another_is_creating_is_there_in_the_child, setup),
		cmocka_unit_test_setup(a_child_uses_the_default_pool_while_another_is_in_it, setup),
		cmocka_unit_test_setup(a_child_uses_a_shared_pool_while_another_is_in_it, setup),
		cmocka_unit_test_setup(a_child_has_blocks_of_its_own_that_are_not_locked, setup),
		cmocka_unit_test_setup(a_child_creates_pools_while_another_does, setup),
		cmocka_unit_test_setup(a_pool_that_is_kept_from_forks_is_none_in_the_child, setup),
		cmocka_unit_test_setup(a_pool_that_is_kept_from_forks_is_not_waited_for, setup),
		cmocka_unit_test_setup(a_child_uses_the_pools_of_the_thread_that_forked, setup),
		cmocka_unit_test_setup(a_child_is_refused_where_another_is_the_owner, setup),
		cmocka_unit_test_setup(handlers_of_the_programs_may_use_a_shared_pool, setup),
	};

	if (pthread_atfork(handle_fork, handle_fork, handle_fork))
		return 1;
	return cmocka_run_group_tests_name("numa/rtm_fork", tests, NULL, NULL);
}
