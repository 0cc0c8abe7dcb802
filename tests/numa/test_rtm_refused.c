/* SPDX-License-Identifier: MIT */
/*
 * test_rtm_refused.c - pools where the kernel refuses: locking by policy, memory, huge pages, a
 * mutex that lends priorities. Linked with --wrap for those calls.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "numa/syscalls.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <quoit/numa/region.h>
#include <quoit/numa/rtm.h>

int __real_madvise(void *base, size_t bytes, int advice);
int __wrap_madvise(void *base, size_t bytes, int advice);
void *__real_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
int __real_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes);
int __wrap_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes);

static struct {
	int mmap, mlock2, huge;
	bool no_inheritance, no_mutex;
} fault;

static int locks; /* how often it was asked for */

void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	errno = fault.mmap;
	return fault.mmap ? MAP_FAILED : __real_mmap(at, bytes, protection, flags, fd, offset);
}

int __wrap_madvise(void *base, size_t bytes, int advice)
{
	errno = fault.huge;
	return advice == MADV_HUGEPAGE && fault.huge ? -1 : __real_madvise(base, bytes, advice);
}

int __wrap_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes)
{
	int protocol = PTHREAD_PRIO_NONE;

	if (attributes)
		(void)pthread_mutexattr_getprotocol(attributes, &protocol);
	if (fault.no_mutex)
		return ENOMEM;
	return protocol == PTHREAD_PRIO_INHERIT && fault.no_inheritance
		       ? ENOTSUP
		       : __real_pthread_mutex_init(mutex, attributes);
}

long __wrap_syscall(long number, ...)
{
	long a[6] = {0};
	va_list arguments;
	va_start(arguments, number);
	take_arguments(number, arguments, a);
	va_end(arguments);
	if (number == SYS_mlock2) {
		locks++;
		errno = fault.mlock2;
		return fault.mlock2 ? -1 : 0;
	}
	return really_call(number, a);
}

static int setup(void **state)
{
	(void)state;
	memset(&fault, 0, sizeof(fault));
	locks = 0;
	return quoit_rtm_set_policy(QUOIT_RTM_LOCK_PREFER);
}

static struct quoit_rtm_info create_and_delete(const struct quoit_rtm_options *o,
					       struct quoit_reason *why)
{
	struct quoit_rtm_pool *pool = NULL;
	struct quoit_rtm_info info;

	assert_int_equal(quoit_rtm_create_pool_ex(&pool, o, why), 0);
	assert_int_equal(quoit_rtm_pool_info(pool, &info), 0);
	assert_int_equal(quoit_rtm_delete_pool(pool), 0);
	return info;
}

/* D-69, C1. */
static void each_policy_has_its_answer_to_a_refused_lock(void **state)
{
	struct quoit_rtm_options o = {.total = 10000, .node = -1};
	struct quoit_rtm_pool *untouched = NULL;
	const uint64_t before = quoit_rtm_unlocked_pools();

	(void)state;
	for (int refused = 0; refused < 2; refused++) {
		struct quoit_reason why = {0};

		fault.mlock2 = refused ? ENOMEM : 0;
		o.lock = QUOIT_RTM_LOCK_NEVER;
		locks = 0;
		assert_false(create_and_delete(&o, NULL).locked);
		assert_int_equal(locks, 0);

		o.lock = QUOIT_RTM_LOCK_PREFER;
		assert_int_equal(create_and_delete(&o, &why).locked, !refused);
		assert_int_equal(why.error, refused ? -ENOMEM : 0); /* told, not refused */
		assert_true(!refused || strstr(why.text, "RLIMIT_MEMLOCK"));
		assert_int_equal(quoit_rtm_unlocked_pools() - before, refused);

		o.lock = QUOIT_RTM_LOCK_REQUIRE;
		if (!refused) {
			assert_true(create_and_delete(&o, NULL).locked);
			continue;
		}
		fault.mlock2 = EPERM;
		assert_int_equal(quoit_rtm_create_pool_ex(&untouched, &o, &why), -EPERM);
		assert_non_null(strstr(why.text, "RLIMIT_MEMLOCK"));
		assert_null(untouched);
	}
}

static void the_switch_of_the_process_decides_for_who_does_not(void **state)
{
	const struct quoit_rtm_options o = {.total = 10000, .node = -1};
	struct quoit_rtm_pool *pool;

	(void)state;
	assert_int_equal(quoit_rtm_set_policy(QUOIT_RTM_LOCK_DEFAULT), -EINVAL);
	assert_int_equal(quoit_rtm_set_policy((enum quoit_rtm_lock)7), -EINVAL);
	assert_int_equal(quoit_rtm_policy(), QUOIT_RTM_LOCK_PREFER);
	assert_true(create_and_delete(&o, NULL).locked);
	assert_int_equal(quoit_rtm_set_policy(QUOIT_RTM_LOCK_NEVER), 0);
	assert_int_equal(quoit_rtm_policy(), QUOIT_RTM_LOCK_NEVER);
	assert_false(create_and_delete(&o, NULL).locked);
	assert_int_equal(quoit_rtm_set_policy(QUOIT_RTM_LOCK_REQUIRE), 0);
	fault.mlock2 = EAGAIN;
	assert_int_equal(quoit_rtm_create_pool(&pool, 1000, NULL), -EAGAIN);
}

static void no_memory_is_no_pool(void **state)
{
	struct quoit_rtm_pool *pool = NULL;

	(void)state;
	fault.mmap = ENOMEM;
	assert_int_equal(quoit_rtm_create_pool(&pool, 1000, NULL), -ENOMEM);
	assert_int_equal(quoit_rtm_create_pool(NULL, 1000, NULL), -ENOMEM);
	assert_null(pool);
	assert_null(quoit_rtm_default_pool()); /* the failed one may be tried again */
	fault.mmap = 0;
	assert_int_equal(quoit_rtm_create_pool(NULL, 1000, NULL), 0);
}

static void options_of_nothing_are_refused_in_words(void **state)
{
	struct quoit_rtm_pool *pool = NULL;
	struct quoit_reason why = {0};

	(void)state;
	assert_int_equal(quoit_rtm_create_pool_ex(&pool, NULL, &why), -EINVAL);
	assert_null(pool);
	assert_non_null(strstr(why.text, "options"));
	assert_int_equal(quoit_rtm_create_pool_ex(NULL, NULL, NULL), -EINVAL);
}

static void huge_pages_are_asked_for_and_may_be_refused(void **state)
{
	const struct quoit_rtm_options o = {.total = (size_t)3 << 20, .node = -1, .huge = true};
	struct quoit_rtm_info info;

	(void)state;
	fault.huge = EINVAL;
	info = create_and_delete(&o, NULL);
	assert_false(info.huge);
	assert_true(info.degraded & QUOIT_REGION_SMALL);
	fault.huge = 0;
	info = create_and_delete(&o, NULL);
	assert_int_equal(info.huge, !(info.degraded & QUOIT_REGION_SMALL));
}

static void a_mutex_without_inheritance_is_told_of(void **state)
{
	const struct quoit_rtm_options o = {.total = 1000, .node = -1};
	struct quoit_rtm_pool *pool;

	(void)state;
	assert_true(create_and_delete(&o, NULL).inherits);
	fault.no_inheritance = true;
	assert_false(create_and_delete(&o, NULL).inherits);
	fault.no_mutex = true;
	assert_int_equal(quoit_rtm_create_pool(&pool, 1000, NULL), -ENOMEM);
}

static void a_pool_that_never_came_to_be_is_not_counted_as_unlocked(void **state)
{
	const uint64_t before = quoit_rtm_unlocked_pools();
	struct quoit_rtm_pool *pool;

	(void)state;
	fault.mlock2 = ENOMEM;
	fault.no_mutex = true;
	assert_int_equal(quoit_rtm_create_pool(&pool, 1000, NULL), -ENOMEM);
	assert_int_equal(quoit_rtm_unlocked_pools(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(each_policy_has_its_answer_to_a_refused_lock, setup),
		cmocka_unit_test_setup(the_switch_of_the_process_decides_for_who_does_not, setup),
		cmocka_unit_test_setup(no_memory_is_no_pool, setup),
		cmocka_unit_test_setup(options_of_nothing_are_refused_in_words, setup),
		cmocka_unit_test_setup(huge_pages_are_asked_for_and_may_be_refused, setup),
		cmocka_unit_test_setup(a_mutex_without_inheritance_is_told_of, setup),
		cmocka_unit_test_setup(a_pool_that_never_came_to_be_is_not_counted_as_unlocked,
				       setup),
	};

	return cmocka_run_group_tests_name("numa/rtm_refused", tests, NULL, NULL);
}
