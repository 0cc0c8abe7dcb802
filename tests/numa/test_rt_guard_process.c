/* SPDX-License-Identifier: MIT */
/*
 * test_rt_guard_process.c - real-time sections among threads, in signal handlers, in forked
 * children; and how a breach ends the process, if that is wanted.
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
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <numa/guard_checks.h>

/* --- threads, signals, fork ------------------------------------------------------------------ */

static pthread_barrier_t meet;

struct verdict {
	int refused;
	uint64_t own; /* breaches that this thread saw of its own */
};

static void *other_worker(void *arg)
{
	struct verdict *const v = arg;

	pthread_barrier_wait(&meet); /* the main thread is in a section now */
	allocate();
	(void)raw_call(SYS_getppid, 0, 0);
	(void)!write(-1, "", 1);
	v->own = breaches();
	pthread_barrier_wait(&meet);
	pthread_barrier_wait(&meet); /* and now it is not */
	v->refused = quoit_rt_guard_sees_kernel();
	quoit_rt_enter();
	(void)raw_call(SYS_getppid, 0, 0);
	allocate();
	quoit_rt_exit();
	return NULL;
}

static void sections_are_their_threads_own(void **state)
{
	struct verdict v = {.own = 99};
	pthread_t thread;

	(void)state;
	assert_int_equal(pthread_barrier_init(&meet, NULL, 2), 0);
	assert_int_equal(pthread_create(&thread, NULL, other_worker, &v), 0);
	quoit_rt_enter();
	quoit_rt_allow_begin();
	pthread_barrier_wait(&meet);
	pthread_barrier_wait(&meet);
	quoit_rt_allow_end();
	quoit_rt_exit();
	assert_int_equal(v.own, 0);
	pthread_barrier_wait(&meet);
	allocate();
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(v.refused, quoit_rt_guard_sees_kernel());
	assert_int_equal(breaches_of(QUOIT_BREACH_ALLOCATES), 2);
	assert_int_equal(breaches_of(QUOIT_BREACH_KERNEL), v.refused ? 0 : 1);
	pthread_barrier_destroy(&meet);
}

static volatile sig_atomic_t heard;

static void section_of_its_own(int signal)
{
	(void)signal;
	quoit_rt_enter();
	allocate();
	quoit_rt_exit();
	heard++;
}

static void just_listen(int signal)
{
	(void)signal;
	heard++;
}

static void set_handler(void (*handler)(int))
{
	struct sigaction action = {.sa_handler = handler};

	heard = 0;
	assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
}

static void a_signal_handler_may_have_a_section_and_ends_it(void **state)
{
	(void)state;
	set_handler(section_of_its_own);
	assert_int_equal(raise(SIGUSR1), 0);
	assert_int_equal(heard, 1);
	assert_int_equal(breaches(), 2);
	allocate();
	assert_int_equal(breaches(), 2);
	quoit_rt_enter();
	quoit_rt_allow_begin();
	assert_int_equal(raise(SIGUSR1), 0); /* comes in a hole */
	allocate();
	quoit_rt_allow_end();
	allocate();
	quoit_rt_exit();
	assert_int_equal(heard, 2);
	assert_int_equal(breaches(), 6);
}

static void *knocker_worker(void *arg)
{
	const pthread_t whom = *(pthread_t *)arg;

	return (void *)(intptr_t)pthread_kill(whom, SIGUSR1);
}

/* Its way back is a system call, made while the section is open. */
static void a_signal_that_interrupts_a_section_is_no_breach(void **state)
{
	const pthread_t me = pthread_self();
	pthread_t thread;
	void *rc = NULL;

	(void)state;
	/* The other thread changes the process's map, and who touches a page meanwhile waits. */
	count_breaches_with((struct quoit_rt_guard_options){.ignores_sleeps = true});
	set_handler(just_listen);
	for (int i = 1; i <= 3; i++) {
		quoit_rt_enter();
		quoit_rt_allow_begin();
		assert_int_equal(
			pthread_create(&thread, NULL, knocker_worker, (void *)(uintptr_t)&me), 0);
		quoit_rt_allow_end();
		while (heard < i)
			quoit_relax();
		quoit_rt_exit();
		assert_int_equal(pthread_join(thread, &rc), 0);
		assert_null(rc);
	}
	assert_int_equal(breaches(), 0);
}

static int status_of(pid_t child)
{
	int status = 0;

	while (waitpid(child, &status, 0) < 0)
		assert_int_equal(errno, EINTR);
	return status;
}

/* In its child the kernel has forgotten to tell; the guard has not. */
static void a_forked_child_is_guarded_as_its_parent_was(void **state)
{
	pid_t child;

	(void)state;
	quoit_rt_enter();
	quoit_rt_allow_begin();
	child = fork();
	quoit_rt_allow_end();
	if (!child) {
		allocate();
		(void)raw_call(SYS_getppid, 0, 0);
		quoit_rt_exit();
		_exit(breaches() == (quoit_rt_guard_sees_kernel() ? 2u : 3u) ? 0 : 1);
	}
	allocate();
	quoit_rt_exit();
	assert_int_equal(breaches(), 2);
	assert_int_equal(status_of(child), 0);
	child = fork(); /* and from outside of any section: it is free, and may have its own */
	if (!child) {
		allocate();
		quoit_rt_enter();
		(void)raw_call(SYS_getppid, 0, 0);
		allocate();
		quoit_rt_exit();
		_exit(breaches() == (quoit_rt_guard_sees_kernel() ? 4u : 5u) ? 0 : 1);
	}
	assert_int_equal(status_of(child), 0);
}

/* A fork() that no function of libc knows of, and no pthread_atfork() either. */
static pid_t raw_fork(void)
{
	return (pid_t)raw_call(SYS_clone, SIGCHLD, 0);
}

static void a_child_that_nobody_told_of_is_guarded_from_its_next_step_on(void **state)
{
	pid_t child;

	(void)state;
	NEEDS_THE_KERNEL();
	count_breaches_with((struct quoit_rt_guard_options){.ignores_faults = true});
	quoit_rt_enter();
	quoit_rt_exit();
	child = raw_fork();
	if (!child) {
		quoit_rt_enter();
		(void)raw_call(SYS_getppid, 0, 0);
		allocate();
		quoit_rt_exit();
		_exit(breaches() == 3 && !quoit_rt_guard_sees_kernel() ? 0 : 1);
	}
	assert_int_equal(status_of(child), 0);
	child = raw_fork();
	if (!child)
		_exit(-quoit_rt_guard_sees_kernel());
	assert_int_equal(status_of(child), 0);
	quoit_rt_enter(); /* and in a section, where the next step is another one's beginning */
	child = raw_fork();
	if (!child) {
		const uint64_t before = breaches();

		quoit_rt_enter();
		(void)raw_call(SYS_getppid, 0, 0);
		_exit(breaches() == before + 1 ? 0 : 1);
	}
	quoit_rt_exit();
	assert_int_equal(status_of(child), 0);
}

/* Forked in a section, where that is permitted. What its parent used is not its own. */
static void what_a_parent_used_is_not_laid_to_its_child(void **state)
{
	const long number = SYS_clone;
	pid_t child;

	(void)state;
	NEEDS_THE_KERNEL();
	count_breaches_with(
		(struct quoit_rt_guard_options){.permitted = &number, .permitted_count = 1});
	quoit_rt_enter();
	child = raw_fork();
	if (!child) {
		allocate();
		(void)raw_call(SYS_getppid, 0, 0);
		quoit_rt_exit();
		_exit(breaches() == 3 && breaches_of(QUOIT_BREACH_FAULTS) < 1000 ? 0 : 1);
	}
	quoit_rt_exit();
	assert_int_equal(status_of(child), 0);
}

/*
 * Its child has the parent's memory, and what it does there is not the parent's: not even that it
 * is another thread, which its doubles find.
 */
static void a_child_that_borrows_the_memory_changes_nothing_of_its_parents(void **state)
{
	char *const words[] = {(char *)(uintptr_t) "true", NULL};
	const size_t bytes = 400 * 4096;
	char *const memory =
		mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t before;
	pid_t child;

	(void)state;
	NEEDS_THE_KERNEL();
	assert_ptr_not_equal(memory, MAP_FAILED);
	(void)madvise(memory, bytes, MADV_NOHUGEPAGE);
	count_breaches_with((struct quoit_rt_guard_options){.ignores_sleeps = true});
	quoit_rt_enter();
	for (size_t at = 0; at < bytes; at += 4096)
		((volatile char *)memory)[at] = 1;
	child = vfork();
	if (!child) {
		(void)close(-1);
		(void)execve("/bin/true", words, environ);
		_exit(1);
	}
	before = breaches();
	allocate();
	(void)raw_call(SYS_getppid, 0, 0);
	quoit_rt_exit();
	assert_int_equal(breaches(), before + 3);
	assert_true(breaches_of(QUOIT_BREACH_FAULTS) >= 400);
	assert_int_equal(status_of(child), 0);
	munmap(memory, bytes);
}

/* libc blocks all signals for it, and its child shares memory with who is in the section. */
static void a_program_may_be_started_in_a_section_and_what_follows_is_seen(void **state)
{
	char *const words[] = {(char *)(uintptr_t) "true", NULL};
	uint64_t before;
	pid_t child;

	(void)state;
	NEEDS_THE_KERNEL();
	count_breaches_with(
		(struct quoit_rt_guard_options){.ignores_faults = true, .ignores_sleeps = true});
	quoit_rt_enter();
	assert_int_equal(posix_spawn(&child, "/bin/true", NULL, NULL, words, environ), 0);
	before = breaches();
	(void)raw_call(SYS_getppid, 0, 0);
	quoit_rt_exit();
	assert_true(before >= 1);
	assert_int_equal(breaches(), before + 1);
	assert_int_equal(status_of(child), 0);
}

/* --- what ends the process ------------------------------------------------------------------- */

/* Runs in a child, whose stderr goes to `text`. Gives how it ended. */
static int alone(void (*part)(void), char *text, size_t most)
{
	int fds[2];
	size_t length = 0;
	ssize_t got;
	pid_t child;

	assert_int_equal(pipe(fds), 0);
	child = fork();
	if (!child) {
		(void)dup2(fds[1], 2);
		signal(SIGABRT, SIG_DFL); /* cmocka's catches it otherwise */
		signal(SIGSEGV, SIG_DFL);
		if (quoit_rt_guard_set(NULL))
			_exit(99);
		part();
		_exit(0);
	}
	close(fds[1]);
	while (length < most - 1 && (got = read(fds[0], text + length, most - 1 - length)) > 0)
		length += (size_t)got;
	text[length] = '\0';
	close(fds[0]);
	return status_of(child);
}

static void allocating_section(void)
{
	quoit_rt_enter();
	allocate();
	quoit_rt_exit();
}

static void calling_section(void)
{
	quoit_rt_enter();
	(void)raw_call(SYS_getppid, 0, 0);
	quoit_rt_exit();
}

static void faulting_section(void)
{
	volatile char *const pages = fresh_pages();

	quoit_rt_enter();
	touch(pages);
	quoit_rt_exit();
}

static void assert_aborts(void (*part)(void), const char *first, const char *second)
{
	char text[8192];
	const int status = alone(part, text, sizeof(text));

	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	if (!strstr(text, first) || !strstr(text, second))
		fail_msg("it says: %s", text);
}

static void by_default_a_breach_is_told_and_ends_the_process(void **state)
{
	(void)state;
	assert_aborts(allocating_section, "a real-time section allocates: malloc, in thread ",
		      "test_rt_guard_process(");
	assert_aborts(faulting_section, "a real-time section faults: memory that was not there",
		      "test_rt_guard_process(");
}

static void so_does_one_that_only_the_kernel_sees(void **state)
{
	char number[32];

	(void)state;
	NEEDS_THE_KERNEL();
	snprintf(number, sizeof(number), "system call %d, in thread ", SYS_getppid);
	assert_aborts(calling_section, "a real-time section enters the kernel: ", number);
}

#if defined(__x86_64__)
/* Its number 20 is getpid(), which to the rest of this program is writev(). */
static long call_of_32_bits(void)
{
	long answer;

	__asm__ volatile("int $0x80"
			 : "=a"(answer)
			 : "a"(20L)
			 : "r8", "r9", "r10", "r11", "memory");
	return answer;
}

static void has_calls_of_32_bits(void)
{
	if (call_of_32_bits() != getpid())
		_exit(1);
}

static void calling_section_of_32_bits(void)
{
	quoit_rt_enter();
	(void)call_of_32_bits();
	quoit_rt_exit();
}

static void a_system_call_of_32_bits_is_told_and_made_as_one(void **state)
{
	char text[8192];
	long answer;

	(void)state;
	NEEDS_THE_KERNEL();
	if (alone(has_calls_of_32_bits, text, sizeof(text)))
		skip_because("this kernel knows no system calls of 32 bits");
	quoit_rt_enter();
	answer = call_of_32_bits();
	quoit_rt_exit();
	assert_int_equal(answer, getpid());
	assert_int_equal(breaches_of(QUOIT_BREACH_KERNEL), 1);
	assert_int_equal(told.last.system_call, -1);
	assert_aborts(calling_section_of_32_bits, "enters the kernel: a system call of 32 bits, in",
		      "test_rt_guard_process(");
}
#else
static void a_system_call_of_32_bits_is_told_and_made_as_one(void **state)
{
	(void)state;
	skip_because("there is but one kind here");
}
#endif

static void never_ended_section(void)
{
	quoit_rt_enter();
	(void)raw_call(SYS_exit_group, 0, 0);
}

static void a_section_that_the_process_ends_in_is_named(void **state)
{
	(void)state;
	NEEDS_THE_KERNEL();
	assert_aborts(never_ended_section, "(exit_group: the section was never ended), in thread ",
		      "test_rt_guard_process(");
}

static void exit_too_many(void)
{
	quoit_rt_enter();
	quoit_rt_exit();
	quoit_rt_exit();
}

static void exit_in_a_hole(void)
{
	quoit_rt_enter();
	quoit_rt_allow_begin();
	quoit_rt_exit();
}

static void end_no_hole(void)
{
	quoit_rt_enter();
	quoit_rt_allow_end();
}

static void nest_too_deep(void)
{
	for (int i = 0; i < 63; i++)
		quoit_rt_enter();
}

static void steps_that_do_not_match_are_told(void **state)
{
	(void)state;
	assert_aborts(exit_too_many, "contract broken", "quoit_rt_exit() ends the innermost");
	assert_aborts(exit_in_a_hole, "contract broken", "quoit_rt_exit() ends the innermost");
	assert_aborts(end_no_hole, "contract broken", "quoit_rt_allow_end() ends the innermost");
	assert_aborts(nest_too_deep, "contract broken", "at most 62");
}

static void sent_by_hand(void)
{
	signal(SIGSYS, SIG_DFL);
	quoit_rt_enter();
	quoit_rt_exit();
	kill(getpid(), SIGSYS);
}

static void a_sigsys_that_is_not_the_guards_does_what_it_always_did(void **state)
{
	char text[8192];
	const int status = alone(sent_by_hand, text, sizeof(text));

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

/* The caller's, in the place of the one that cmocka has there while a test runs. */
static void whoever_had_sigsys_before_is_called_for_what_is_not_the_guards(void **state)
{
	struct sigaction mine = {.sa_handler = just_listen}, was;

	(void)state;
	heard = 0;
	assert_int_equal(sigaction(SIGSYS, &mine, &was), 0);
	quoit_rt_enter();
	(void)raw_call(SYS_getppid, 0, 0); /* is the guard's */
	quoit_rt_exit();
	assert_int_equal(heard, 0);
	assert_int_equal(kill(getpid(), SIGSYS), 0);
	assert_int_equal(heard, 1);
	assert_int_equal(sigaction(SIGSYS, &was, NULL), 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, guard_set_up, guard_tear_down)
	const struct CMUnitTest tests[] = {
		CASE(sections_are_their_threads_own),
		CASE(a_signal_handler_may_have_a_section_and_ends_it),
		CASE(a_signal_that_interrupts_a_section_is_no_breach),
		CASE(a_forked_child_is_guarded_as_its_parent_was),
		CASE(a_child_that_nobody_told_of_is_guarded_from_its_next_step_on),
		CASE(what_a_parent_used_is_not_laid_to_its_child),
		CASE(a_child_that_borrows_the_memory_changes_nothing_of_its_parents),
		CASE(a_program_may_be_started_in_a_section_and_what_follows_is_seen),
		CASE(by_default_a_breach_is_told_and_ends_the_process),
		CASE(so_does_one_that_only_the_kernel_sees),
		CASE(a_section_that_the_process_ends_in_is_named),
		CASE(a_system_call_of_32_bits_is_told_and_made_as_one),
		CASE(steps_that_do_not_match_are_told),
		CASE(whoever_had_sigsys_before_is_called_for_what_is_not_the_guards),
		CASE(a_sigsys_that_is_not_the_guards_does_what_it_always_did),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
