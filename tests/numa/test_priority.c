/* SPDX-License-Identifier: MIT */
/*
 * test_priority.c - a thread's urgency: what the kernel has of it, and what it refuses.
 *
 * Linked with --wrap=syscall: a kernel that says no, and how often it was asked. Each case runs on
 * a thread of its own, as not every priority can be left again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#include <quoit/numa/priority.h>

#include "support/skip.h"

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

static struct {
	int set, get;	  /* errno to fail with, or 0 */
	int policy, nice; /* what sched_getattr tells instead, if policy is not -1 */
} fault;
static unsigned sets; /* tries to set anything */

struct attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
};

long __wrap_syscall(long number, ...)
{
	long a[4] = {0};
	va_list arguments;
	va_start(arguments, number);
	const int count = number == SYS_sched_getattr ? 4 : number == SYS_sched_setattr ? 3 : 0;
	for (int i = 0; i < count; i++)
		a[i] = va_arg(arguments, long);
	va_end(arguments);
	errno = number == SYS_sched_setattr   ? fault.set
		: number == SYS_sched_getattr ? fault.get
					      : 0;
	sets += number == SYS_sched_setattr;
	if (errno)
		return -1;
	const long rc = __real_syscall(number, a[0], a[1], a[2], a[3]);
	if (number == SYS_sched_getattr && fault.policy >= 0) {
		((struct attr *)a[1])->policy = (uint32_t)fault.policy;
		((struct attr *)a[1])->nice = fault.nice;
		((struct attr *)a[1])->flags = 0;
	}
	return rc;
}

static int setup(void **state)
{
	(void)state;
	memset(&fault, 0, sizeof fault);
	fault.policy = -1;
	sets = 0;
	return 0;
}

struct verdict {
	enum quoit_priority priority;
	unsigned level; /* 0: by the priority */
	struct quoit_reason why;
	int rc;
	struct quoit_sched_info before, after;
	int told, policy, nice, level_now; /* by libc */
	int back;			   /* what going back to the default gave */
	int child_policy;		   /* of a thread that it makes */
};

static void *child_worker(void *context)
{
	*(int *)context = sched_getscheduler(0);
	return NULL;
}

static void *priority_worker(void *context)
{
	struct verdict *const v = context;
	struct sched_param param = {0};
	pthread_t child;
	v->told = quoit_thread_sched(&v->before);
	v->rc = v->level ? quoit_thread_set_realtime(v->level, &v->why)
			 : quoit_thread_set_priority(v->priority, &v->why);
	v->told |= quoit_thread_sched(&v->after);
	v->policy = sched_getscheduler(0);
	(void)sched_getparam(0, &param);
	v->level_now = param.sched_priority;
	v->nice = getpriority(PRIO_PROCESS, (id_t)gettid());
	if (!pthread_create(&child, NULL, child_worker, &v->child_policy))
		pthread_join(child, NULL);
	v->back = quoit_thread_set_priority(QUOIT_PRIORITY_DEFAULT, NULL);
	return NULL;
}

static void judge(struct verdict *v)
{
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, priority_worker, v), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
}

/* What was asked for, or refused and nothing changed: never something in between. */
static void judge_granted(struct verdict *v, int policy, int nice, int level)
{
	judge(v);
	assert_int_equal(v->told, 0);
	if (v->rc) {
		assert_int_equal(v->rc, -EPERM);
		assert_int_equal(v->why.error, -EPERM);
		assert_int_equal(v->after.policy, v->before.policy);
		assert_int_equal(v->after.nice, v->before.nice);
		skip_because("not permitted here: %s", v->why.text);
	}
	assert_int_equal(v->policy & ~SCHED_RESET_ON_FORK, policy);
	assert_int_equal(v->after.policy, policy);
	assert_int_equal(v->level_now, level);
	assert_int_equal(v->after.level, level);
	if (policy == SCHED_OTHER) { /* the others keep one that does not count */
		assert_int_equal(v->nice, nice);
		assert_int_equal(v->after.nice, nice);
	}
	assert_int_equal(v->after.priority, v->priority);
	assert_true(v->after.exact);
}

static void realtime_is_fifo_and_ends_at_a_fork(void **state)
{
	(void)state;
	struct verdict v = {.priority = QUOIT_PRIORITY_REALTIME_AUDIO};
	judge_granted(&v, SCHED_FIFO, 0, QUOIT_REALTIME_LEVEL);
	assert_true(v.after.reset_on_fork);
	assert_int_equal(v.child_policy, SCHED_OTHER);
	assert_int_equal(v.back, 0); /* down is always allowed, though the flag stays */
}

static void the_level_can_be_chosen(void **state)
{
	(void)state;
	struct verdict v = {.priority = QUOIT_PRIORITY_REALTIME_AUDIO, .level = 3};
	judge_granted(&v, SCHED_FIFO, 0, 3);
}

static void interactive_is_nice_minus_five(void **state)
{
	(void)state;
	struct verdict v = {.priority = QUOIT_PRIORITY_INTERACTIVE};
	judge_granted(&v, SCHED_OTHER, -5, 0);
	/* The calling thread only. */
	assert_int_equal(getpriority(PRIO_PROCESS, (id_t)gettid()), v.before.nice);
}

static void background_is_idle(void **state)
{
	(void)state;
	struct verdict v = {.priority = QUOIT_PRIORITY_BACKGROUND};
	judge_granted(&v, SCHED_IDLE, 0, 0);
	assert_true(v.back == 0 || v.back == -EPERM); /* the way back needs a right */
}

static void the_default_is_what_a_thread_begins_with(void **state)
{
	(void)state;
	struct verdict v = {.priority = QUOIT_PRIORITY_DEFAULT};
	judge_granted(&v, SCHED_OTHER, 0, 0);
	assert_int_equal(v.back, 0);
}

/* A24: -EPERM is told with its cure, and nothing less is tried. */
static void a_refusal_is_told_and_nothing_less_is_taken(void **state)
{
	(void)state;
	static const struct {
		enum quoit_priority priority;
		const char *cure;
	} cases[] = {
		{QUOIT_PRIORITY_REALTIME_AUDIO, "RLIMIT_RTPRIO"},
		{QUOIT_PRIORITY_INTERACTIVE, "RLIMIT_NICE of 25"},
		{QUOIT_PRIORITY_DEFAULT, "RLIMIT_NICE of 20"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct quoit_sched_info before, after;
		struct quoit_reason why = {0};
		setup(state);
		assert_int_equal(quoit_thread_sched(&before), 0);
		fault.set = EPERM;
		assert_int_equal(quoit_thread_set_priority(cases[i].priority, &why), -EPERM);
		assert_int_equal(sets, 1);
		assert_int_equal(why.error, -EPERM);
		assert_non_null(strstr(why.text, cases[i].cure));
		assert_int_equal(quoit_thread_sched(&after), 0);
		assert_int_equal(after.policy, before.policy);
		assert_int_equal(after.nice, before.nice);
		assert_int_equal(quoit_thread_set_priority(cases[i].priority, NULL), -EPERM);
	}
	fault.set = ENOSYS;
	struct quoit_reason why = {0};
	assert_int_equal(quoit_thread_set_priority(QUOIT_PRIORITY_DEFAULT, &why), -ENOSYS);
	assert_int_equal(why.error, -ENOSYS);
}

static void impossible_priorities_are_refused_before_the_kernel_is_asked(void **state)
{
	(void)state;
	struct quoit_reason why = {0};
	assert_int_equal(quoit_thread_set_priority((enum quoit_priority)4, &why), -EINVAL);
	assert_int_equal(why.error, -EINVAL);
	assert_int_equal(quoit_thread_set_realtime(0, &why), -EINVAL);
	assert_int_equal(quoit_thread_set_realtime(100, &why), -EINVAL);
	assert_non_null(strstr(why.text, "100"));
	assert_int_equal(sets, 0);
}

static void what_comes_nearest_is_told_as_such(void **state)
{
	(void)state;
	static const struct {
		int policy, nice;
		enum quoit_priority priority;
		bool exact;
	} cases[] = {
		{SCHED_OTHER, 0, QUOIT_PRIORITY_DEFAULT, true},
		{SCHED_OTHER, 7, QUOIT_PRIORITY_DEFAULT, false},
		{SCHED_OTHER, -5, QUOIT_PRIORITY_INTERACTIVE, true},
		{SCHED_OTHER, -20, QUOIT_PRIORITY_INTERACTIVE, false},
		{SCHED_BATCH, 0, QUOIT_PRIORITY_DEFAULT, false},
		{SCHED_IDLE, 19, QUOIT_PRIORITY_BACKGROUND, true},
		{SCHED_FIFO, 0, QUOIT_PRIORITY_REALTIME_AUDIO, false}, /* goes on in children */
		{SCHED_RR, 0, QUOIT_PRIORITY_REALTIME_AUDIO, false},
		{6 /* deadline */, 0, QUOIT_PRIORITY_REALTIME_AUDIO, false},
		{7 /* one of BPF's */, 0, QUOIT_PRIORITY_DEFAULT, false},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct quoit_sched_info info;
		fault.policy = cases[i].policy;
		fault.nice = cases[i].nice;
		assert_int_equal(quoit_thread_sched(&info), 0);
		assert_int_equal(info.policy, cases[i].policy);
		assert_int_equal(info.priority, cases[i].priority);
		assert_int_equal(info.exact, cases[i].exact);
	}
	struct quoit_sched_info info;
	memset(&info, 0x5a, sizeof info);
	const struct quoit_sched_info untouched = info;
	fault.get = EPERM;
	assert_int_equal(quoit_thread_sched(&info), -EPERM);
	assert_memory_equal(&info, &untouched, sizeof info);
}

/* D-76: how long real-time threads may run before the kernel stops them. */
static void the_throttle_is_told(void **state)
{
	(void)state;
	struct quoit_sched_info info;
	assert_int_equal(quoit_thread_sched(&info), 0);
	if (access("/proc/sys/kernel/sched_rt_runtime_us", R_OK))
		skip_because("this kernel has no throttle");
	assert_true(info.rt_period_ns > 0);
	assert_true(info.rt_runtime_ns <= info.rt_period_ns);
}

static void slack_is_the_calling_threads_own(void **state)
{
	(void)state;
	struct quoit_sched_info info;
	assert_int_equal(quoit_thread_sched(&info), 0);
	const uint64_t before = info.timer_slack_ns;
	if (before == 0)
		skip_because("real-time threads have no slack");
	assert_int_equal(quoit_thread_set_timer_slack(1), 0);
	assert_int_equal(quoit_thread_sched(&info), 0);
	assert_int_equal(info.timer_slack_ns, 1);
	assert_int_equal(quoit_thread_set_timer_slack(0), 0);
	assert_int_equal(quoit_thread_sched(&info), 0);
	assert_int_equal(info.timer_slack_ns, before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(realtime_is_fifo_and_ends_at_a_fork, setup),
		cmocka_unit_test_setup(the_level_can_be_chosen, setup),
		cmocka_unit_test_setup(interactive_is_nice_minus_five, setup),
		cmocka_unit_test_setup(background_is_idle, setup),
		cmocka_unit_test_setup(the_default_is_what_a_thread_begins_with, setup),
		cmocka_unit_test_setup(a_refusal_is_told_and_nothing_less_is_taken, setup),
		cmocka_unit_test_setup(impossible_priorities_are_refused_before_the_kernel_is_asked,
				       setup),
		cmocka_unit_test_setup(what_comes_nearest_is_told_as_such, setup),
		cmocka_unit_test_setup(the_throttle_is_told, setup),
		cmocka_unit_test_setup(slack_is_the_calling_threads_own, setup),
	};
	return cmocka_run_group_tests_name("numa/priority", tests, NULL, NULL);
}
