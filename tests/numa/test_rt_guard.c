/* SPDX-License-Identifier: MIT */
/*
 * test_rt_guard.c - what the guard of real-time sections catches, and what it leaves alone. Linked
 * with it; test_rt_guard_calls.c looks at each of its doubles, test_rt_guard_process.c at threads,
 * signals, children, and what ends the process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <quoit/numa/clock.h>

#include <numa/guard_checks.h>

/* --- sections -------------------------------------------------------------------------------- */

static void what_stands_outside_of_a_section_is_nobodys_business(void **state)
{
	struct quoit_rt_guard_counts counts;

	(void)state;
	assert_true(quoit_rt_is_guarded());
	allocate();
	quoit_rt_enter();
	quoit_rt_exit();
	allocate();
	assert_true(raw_call(SYS_getppid, 0, 0) > 0);
	quoit_rt_guard_read(&counts);
	assert_int_equal(breaches(), 0);
	assert_int_equal(told.times, 0);
	assert_int_equal(told.faults, counts.breaches[QUOIT_BREACH_FAULTS] != 0);
	assert_int_equal(counts.sections, 1);
}

static void a_section_that_allocates_is_caught_each_time(void **state)
{
	void *volatile none = NULL;

	(void)state;
	quoit_rt_enter();
	allocate();
	quoit_rt_exit();
	assert_int_equal(breaches_of(QUOIT_BREACH_ALLOCATES), 2);
	assert_int_equal(breaches(), 2);
	quoit_rt_enter();
	free(none); /* gives nothing back */
	quoit_rt_exit();
	assert_int_equal(breaches(), 2);
}

/* Functions of this file, whose code a frame is in. */
static __attribute__((noinline)) void write_somewhere(void)
{
	volatile ssize_t written = write(-1, "", 1);

	(void)written; /* so that the call is not a jump */
}

static __attribute__((noinline)) void enter_the_kernel(void)
{
	(void)raw_call(SYS_getppid, 0, 0);
}

static void assert_is_in(const void *frame, void (*function)(void))
{
	assert_in_range((uintptr_t)frame, (uintptr_t)function, (uintptr_t)function + 400);
}

/* None of the guard's own frames but the double's. */
static void the_way_there_begins_with_who_did_it(void **state)
{
	(void)state;
	quoit_rt_enter();
	write_somewhere();
	quoit_rt_exit();
	assert_is_in(told.frames[1], write_somewhere);
	NEEDS_THE_KERNEL();
	quoit_rt_enter();
	enter_the_kernel();
	quoit_rt_exit();
	assert_is_in(told.frames[0], enter_the_kernel);
}

static void a_breach_is_told_with_its_name_its_thread_and_the_way_there(void **state)
{
	(void)state;
	quoit_rt_enter();
	(void)!write(-1, "", 1);
	quoit_rt_allow_begin();
	assert_int_equal(told.times, 1);
	assert_int_equal(told.last.kind, QUOIT_BREACH_CALLS);
	assert_string_equal(told.last.what, "write");
	assert_int_equal(told.last.system_call, -1);
	assert_int_equal(told.last.count, 1);
	assert_int_equal(told.last.thread, gettid());
	assert_true(told.last.frame_count >= 2);
	quoit_rt_allow_end();
	(void)syscall(SYS_getppid);
	quoit_rt_exit();
	assert_true(told.times >= 2);
	assert_int_equal(breaches_of(QUOIT_BREACH_CALLS), 2);
}

static void what_a_breach_asked_for_is_done_all_the_same(void **state)
{
	unsigned char *volatile block;
	int fds[2];
	char byte = 0;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	quoit_rt_enter();
	block = malloc(100);
	memset(block, 7, 100);
	block = realloc(block, 100000);
	assert_int_equal(write(fds[1], "w", 1), 1);
	assert_int_equal(read(fds[0], &byte, 1), 1);
	errno = 0;
	assert_int_equal(read(-1, &byte, 1), -1);
	assert_int_equal(errno, EBADF);
	quoit_rt_exit();
	assert_int_equal(block[99], 7);
	assert_int_equal(byte, 'w');
	assert_int_equal(breaches(), 5);
	free(block);
	close(fds[0]);
	close(fds[1]);
}

static void telling_of_a_breach_leaves_errno_alone(void **state)
{
	volatile char *const pages = fresh_pages();

	(void)state;
	errno = EDOM;
	quoit_rt_enter();
	allocate();
	(void)raw_call(SYS_getppid, 0, 0);
	touch(pages);
	quoit_rt_exit(); /* tells of the pages */
	assert_int_equal(errno, EDOM);
	assert_true(told.times >= 2 && told.faults);
	munmap((void *)(uintptr_t)pages, PAGES * 4096);
}

static void sections_nest_and_the_outermost_ends_them(void **state)
{
	struct quoit_rt_guard_counts counts;

	(void)state;
	quoit_rt_enter();
	quoit_rt_enter();
	allocate();
	quoit_rt_exit();
	allocate();
	quoit_rt_exit();
	allocate();
	quoit_rt_guard_read(&counts);
	assert_int_equal(counts.breaches[QUOIT_BREACH_ALLOCATES], 4);
	assert_int_equal(counts.sections, 1);
}

static void a_hole_lets_through_and_a_section_in_it_does_not(void **state)
{
	(void)state;
	quoit_rt_enter();
	quoit_rt_allow_begin();
	allocate();
	(void)raw_call(SYS_getppid, 0, 0);
	assert_int_equal(breaches(), 0);
	quoit_rt_enter();
	allocate();
	quoit_rt_exit();
	allocate();
	quoit_rt_allow_begin(); /* a hole in a hole is one */
	allocate();
	quoit_rt_allow_end();
	quoit_rt_allow_end();
	assert_int_equal(breaches(), 2);
	allocate();
	quoit_rt_exit();
	assert_int_equal(breaches(), 4);
	quoit_rt_allow_begin(); /* in no section: there for functions that do not know */
	allocate();
	quoit_rt_allow_end();
	assert_int_equal(breaches(), 4);
}

static void as_many_as_sixty_two_may_be_open(void **state)
{
	(void)state;
	for (int i = 0; i < 31; i++) {
		quoit_rt_enter();
		quoit_rt_allow_begin();
	}
	allocate();
	assert_int_equal(breaches(), 0);
	quoit_rt_allow_end();
	allocate();
	quoit_rt_guard_forget();
	allocate();
	assert_int_equal(breaches(), 2);
}

/* The hole in which it is told and done has a place even then. */
static void a_breach_in_the_innermost_that_there_can_be_is_told(void **state)
{
	(void)state;
	for (int i = 0; i < 62; i++)
		quoit_rt_enter();
	allocate();
	(void)raw_call(SYS_getppid, 0, 0);
	quoit_rt_guard_forget();
	assert_int_equal(breaches_of(QUOIT_BREACH_ALLOCATES), 2);
	assert_int_equal(breaches(), quoit_rt_guard_sees_kernel() ? 2 : 3);
}

static void too_many_permitted_calls_change_nothing(void **state)
{
	static const long numbers[QUOIT_RT_PERMITTED_MOST + 1];
	const struct quoit_rt_guard_options many = {.permitted = numbers,
						    .permitted_count = QUOIT_RT_PERMITTED_MOST + 1};

	(void)state;
	assert_int_equal(quoit_rt_guard_set(&many), -E2BIG);
	quoit_rt_enter();
	allocate(); /* else it would abort */
	quoit_rt_exit();
	assert_int_equal(breaches(), 2);
}

/* --- the kernel ------------------------------------------------------------------------------ */

static void a_system_call_by_any_instruction_is_caught_and_made(void **state)
{
	(void)state;
	NEEDS_THE_KERNEL();
	count_breaches_with((struct quoit_rt_guard_options){.ignores_faults = true});
	quoit_rt_enter();
	assert_int_equal(raw_call(SYS_getppid, 0, 0), getppid());
	assert_int_equal(raw_call(SYS_close, -1, 0), -EBADF);
	quoit_rt_exit();
	assert_int_equal(breaches_of(QUOIT_BREACH_KERNEL), 3); /* getppid() has no double */
	assert_string_equal(told.last.what, "a system call");
	assert_int_equal(breaches(), 3);
	assert_true(raw_call(SYS_getppid, 0, 0) > 0);
	assert_int_equal(breaches(), 3);
}

static void the_number_of_a_system_call_is_told(void **state)
{
	(void)state;
	NEEDS_THE_KERNEL();
	count_breaches_with((struct quoit_rt_guard_options){.ignores_faults = true});
	quoit_rt_enter();
	(void)raw_call(SYS_getuid, 0, 0);
	quoit_rt_exit();
	assert_int_equal(told.last.system_call, SYS_getuid);
	quoit_rt_enter();
	(void)syscall(SYS_getgid);
	quoit_rt_exit();
	assert_int_equal(told.last.system_call, SYS_getgid);
	assert_string_equal(told.last.what, "syscall");
	assert_int_equal(told.times, 2);
}

static void permitted_system_calls_are_counted_and_no_breach(void **state)
{
	const long numbers[] = {SYS_getuid, SYS_getppid};
	struct quoit_rt_guard_counts counts;

	(void)state;
	NEEDS_THE_KERNEL();
	count_breaches_with(
		(struct quoit_rt_guard_options){.permitted = numbers, .permitted_count = 2});
	quoit_rt_enter();
	assert_int_equal(raw_call(SYS_getppid, 0, 0), syscall(SYS_getppid));
	(void)syscall(SYS_getuid);
	assert_int_equal(breaches(), 0);
	(void)raw_call(SYS_getgid, 0, 0);
	(void)syscall(SYS_getgid);
	quoit_rt_exit();
	(void)syscall(SYS_getuid);
	quoit_rt_guard_read(&counts);
	assert_int_equal(counts.permitted, 3);
	assert_int_equal(breaches(), 2);
}

static void a_signal_mask_that_is_set_in_a_section_stays_set(void **state)
{
	sigset_t one, was, now;

	(void)state;
	NEEDS_THE_KERNEL();
	sigemptyset(&one);
	sigaddset(&one, SIGUSR2);
	quoit_rt_enter();
	assert_int_equal(pthread_sigmask(SIG_BLOCK, &one, &was), 0);
	quoit_rt_exit();
	assert_int_equal(breaches(), 1);
	assert_int_equal(pthread_sigmask(SIG_SETMASK, &was, &now), 0);
	assert_true(sigismember(&now, SIGUSR2));
	assert_false(sigismember(&was, SIGUSR2));
}

static void a_clock_that_is_a_system_call_is_a_breach_and_one_that_is_not_is_none(void **state)
{
	struct quoit_clock_cost cost;
	uint64_t most;

	(void)state;
	NEEDS_THE_KERNEL();
	quoit_clock_measure(&cost);
	most = quoit_clock_is_vdso(&cost) ? 0 : 1;
	quoit_rt_enter();
	(void)quoit_clock_now_ns();
	quoit_rt_exit();
	assert_int_equal(breaches(), most);
}

/* --- page faults and context switches -------------------------------------------------------- */

static void memory_that_is_touched_for_the_first_time_is_counted(void **state)
{
	volatile char *const first = fresh_pages();
	volatile char *const second = fresh_pages();
	uint64_t once;

	(void)state;
	assert_int_equal(madvise((void *)(uintptr_t)first, PAGES * 4096, MADV_NOHUGEPAGE), 0);
	quoit_rt_enter();
	touch(first);
	quoit_rt_exit();
	once = breaches_of(QUOIT_BREACH_FAULTS);
	assert_true(once >= PAGES);
	assert_int_equal(told.last.kind, QUOIT_BREACH_FAULTS);
	assert_true(told.last.count >= PAGES);
	quoit_rt_enter();
	touch(first);
	quoit_rt_allow_begin();
	touch(second);
	quoit_rt_allow_end();
	quoit_rt_exit();
	assert_true(breaches_of(QUOIT_BREACH_FAULTS) < once + PAGES / 2);
	munmap((void *)(uintptr_t)first, PAGES * 4096);
	munmap((void *)(uintptr_t)second, PAGES * 4096);
}

static void faults_may_be_ignored(void **state)
{
	volatile char *const pages = fresh_pages();

	(void)state;
	count_breaches_with((struct quoit_rt_guard_options){.ignores_faults = true});
	quoit_rt_enter();
	touch(pages);
	quoit_rt_exit();
	assert_int_equal(breaches_of(QUOIT_BREACH_FAULTS), 0);
	assert_int_equal(told.times, 0);
	assert_int_equal(told.faults, 0);
	munmap((void *)(uintptr_t)pages, PAGES * 4096);
}

/* Permitted, because what a breach does is not laid to the section once more. */
static void nap(void)
{
	struct timespec pause = {0, 1000000};

	(void)syscall(SYS_nanosleep, &pause, NULL);
}

static void giving_up_the_cpu_is_counted_but_if_it_is_ignored(void **state)
{
	const long number = SYS_nanosleep;
	struct quoit_rt_guard_options options = {.permitted = &number, .permitted_count = 1};

	(void)state;
	count_breaches_with(options);
	quoit_rt_enter();
	nap();
	quoit_rt_exit();
	assert_true(breaches_of(QUOIT_BREACH_SLEEPS) >= 1);
	options.ignores_sleeps = true;
	count_breaches_with(options);
	quoit_rt_enter();
	nap();
	quoit_rt_exit();
	assert_int_equal(breaches(), 0);
}

static void what_a_breach_itself_waits_for_is_not_counted_once_more(void **state)
{
	const struct timespec pause = {0, 1000000};

	(void)state;
	quoit_rt_enter();
	(void)nanosleep(&pause, NULL);
	quoit_rt_exit();
	assert_int_equal(breaches_of(QUOIT_BREACH_BLOCKS), 1);
	assert_int_equal(breaches(), 1);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, guard_set_up, guard_tear_down)
	const struct CMUnitTest tests[] = {
		CASE(what_stands_outside_of_a_section_is_nobodys_business),
		CASE(a_section_that_allocates_is_caught_each_time),
		CASE(the_way_there_begins_with_who_did_it),
		CASE(a_breach_is_told_with_its_name_its_thread_and_the_way_there),
		CASE(what_a_breach_asked_for_is_done_all_the_same),
		CASE(telling_of_a_breach_leaves_errno_alone),
		CASE(sections_nest_and_the_outermost_ends_them),
		CASE(a_hole_lets_through_and_a_section_in_it_does_not),
		CASE(as_many_as_sixty_two_may_be_open),
		CASE(a_breach_in_the_innermost_that_there_can_be_is_told),
		CASE(too_many_permitted_calls_change_nothing),
		CASE(a_system_call_by_any_instruction_is_caught_and_made),
		CASE(the_number_of_a_system_call_is_told),
		CASE(permitted_system_calls_are_counted_and_no_breach),
		CASE(a_signal_mask_that_is_set_in_a_section_stays_set),
		CASE(a_clock_that_is_a_system_call_is_a_breach_and_one_that_is_not_is_none),
		CASE(memory_that_is_touched_for_the_first_time_is_counted),
		CASE(faults_may_be_ignored),
		CASE(giving_up_the_cpu_is_counted_but_if_it_is_ignored),
		CASE(what_a_breach_itself_waits_for_is_not_counted_once_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
