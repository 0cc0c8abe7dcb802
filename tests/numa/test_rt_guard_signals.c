/* SPDX-License-Identifier: MIT */
/*
 * test_rt_guard_signals.c - real-time sections and signals: handlers that come at any instruction,
 * with sections of their own or with everything blocked, and SIGSYS, which is the guard's.
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
#include <sys/syscall.h>
#include <unistd.h>

#include <quoit/numa/atomic.h>

#include <numa/guard_checks.h>

static volatile sig_atomic_t heard;

/* Each page is a fault when it is touched. */
static volatile char *fresh_memory(size_t pages)
{
	void *const at = mmap(NULL, pages * 4096, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(at, MAP_FAILED);
	assert_int_equal(madvise(at, pages * 4096, MADV_NOHUGEPAGE), 0);
	return at;
}

static void just_listen(int signal)
{
	(void)signal;
	heard++;
}

static void empty_section(int signal)
{
	(void)signal;
	quoit_rt_enter();
	quoit_rt_exit();
	heard++;
}

static void set_handler(int signal, void (*handler)(int), bool blocks_all)
{
	struct sigaction action = {.sa_handler = handler};

	heard = 0;
	if (blocks_all)
		sigfillset(&action.sa_mask);
	assert_int_equal(sigaction(signal, &action, NULL), 0);
}

/* --- handlers at any instruction ------------------------------------------------------------- */

#if defined(__x86_64__)
/* From here on a SIGTRAP comes after each instruction. Below what a function may keep there. */
static inline void step_on(void)
{
	__asm__ volatile("lea -128(%%rsp), %%rsp\n\tpushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\t"
			 "lea 128(%%rsp), %%rsp" ::
				 : "memory", "cc");
}

static inline void step_off(void)
{
	__asm__ volatile("lea -128(%%rsp), %%rsp\n\tpushfq\n\tandq $~0x100, (%%rsp)\n\tpopfq\n\t"
			 "lea 128(%%rsp), %%rsp" ::
				 : "memory", "cc");
}
#else
static inline void step_on(void)
{
}

static inline void step_off(void)
{
}
#endif

static void a_section_of_a_handler_leaves_those_below_as_they_are(void **state)
{
	(void)state;
	set_handler(SIGTRAP, empty_section, false);
	count_breaches_with((struct quoit_rt_guard_options){.ignores_faults = true});
	step_on();
	quoit_rt_enter();
	quoit_rt_allow_begin();
	step_off();
	allocate();
	assert_int_equal(breaches(), 0);
	step_on();
	quoit_rt_allow_end();
	step_off();
	allocate();
	assert_int_equal(breaches(), 2);
	step_on();
	quoit_rt_exit();
	step_off();
	allocate();
	assert_int_equal(breaches(), 2);
#if defined(__x86_64__)
	assert_true(heard > 100);
#endif
}

#define TOUCHED 8

static void what_a_section_used_outlives_a_handlers_section(void **state)
{
	volatile char *const pages = fresh_memory(TOUCHED);

	(void)state;
	set_handler(SIGTRAP, empty_section, false);
	quoit_rt_enter();
	for (size_t i = 0; i < TOUCHED; i++)
		pages[i * 4096] = 1;
	step_on();
	quoit_rt_exit();
	step_off();
	assert_in_range(breaches_of(QUOIT_BREACH_FAULTS), TOUCHED, 1000);
	munmap((void *)(uintptr_t)pages, TOUCHED * 4096);
}

struct knocker {
	pthread_t whom;
	bool stop;
};

static void *knocker_worker(void *arg)
{
	struct knocker *const k = arg;

	while (!quoit_load(&k->stop))
		(void)pthread_kill(k->whom, SIGUSR1);
	return NULL;
}

#define SECTIONS 4000

/* However many signals come, and wherever. */
static void no_fault_is_lost_where_signals_come(void **state)
{
	struct knocker k = {.whom = pthread_self()};
	volatile char *const pages = fresh_memory(SECTIONS);
	pthread_t thread;

	(void)state;
	count_breaches_with((struct quoit_rt_guard_options){.ignores_sleeps = true});
	set_handler(SIGUSR1, empty_section, false);
	assert_int_equal(pthread_create(&thread, NULL, knocker_worker, &k), 0);
	while (!heard)
		quoit_relax();
	for (size_t i = 0; i < SECTIONS; i++) {
		quoit_rt_enter();
		pages[i * 4096] = 1;
		quoit_rt_exit();
	}
	quoit_store(&k.stop, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_in_range(breaches_of(QUOIT_BREACH_FAULTS), SECTIONS, 2 * SECTIONS);
	assert_int_equal(breaches(), 0);
	munmap((void *)(uintptr_t)pages, SECTIONS * 4096);
}

static void *knock_once(void *arg)
{
	return (void *)(intptr_t)pthread_kill(*(pthread_t *)arg, SIGUSR1);
}

/* Its return is a system call, of which the kernel would tell by a signal that is blocked then. */
static void a_handler_that_blocks_all_signals_may_interrupt_a_section(void **state)
{
	pthread_t me = pthread_self(), thread;
	void *rc = NULL;

	(void)state;
	count_breaches_with((struct quoit_rt_guard_options){.ignores_sleeps = true});
	set_handler(SIGUSR1, just_listen, true);
	quoit_rt_enter();
	quoit_rt_allow_begin();
	assert_int_equal(pthread_create(&thread, NULL, knock_once, &me), 0);
	quoit_rt_allow_end();
	while (!heard)
		quoit_relax();
	quoit_rt_exit();
	assert_int_equal(pthread_join(thread, &rc), 0);
	assert_null(rc);
	assert_int_equal(breaches(), 0);
}

/* --- SIGSYS ---------------------------------------------------------------------------------- */

static void a_thread_that_blocked_everything_is_told_of_all_the_same(void **state)
{
	sigset_t all, was;

	(void)state;
	NEEDS_THE_KERNEL();
	sigfillset(&all);
	assert_int_equal(pthread_sigmask(SIG_BLOCK, &all, &was), 0);
	quoit_rt_enter();
	(void)raw_call(SYS_getppid, 0, 0);
	assert_int_equal(pthread_sigmask(SIG_BLOCK, &all, NULL), 0); /* and in a section */
	(void)raw_call(SYS_getppid, 0, 0);
	quoit_rt_exit();
	assert_int_equal(pthread_sigmask(SIG_SETMASK, &was, NULL), 0);
	assert_int_equal(breaches_of(QUOIT_BREACH_KERNEL), 3);
}

/* And goes on to be told of. */
static void a_program_that_ignores_sigsys_is_not_ended_by_one(void **state)
{
	struct sigaction ignored = {.sa_handler = SIG_IGN}, was;
	const pid_t me = gettid();

	(void)state;
	NEEDS_THE_KERNEL();
	assert_int_equal(sigaction(SIGSYS, &ignored, &was), 0);
	quoit_rt_enter();
	(void)raw_call(SYS_tkill, me, SIGSYS);
	(void)raw_call(SYS_getppid, 0, 0);
	quoit_rt_exit();
	assert_int_equal(sigaction(SIGSYS, &was, NULL), 0);
	assert_int_equal(breaches_of(QUOIT_BREACH_KERNEL), 2);
}

static sigset_t blocked_meanwhile;

static void look_what_is_blocked(int signal)
{
	(void)signal;
	(void)pthread_sigmask(SIG_BLOCK, NULL, &blocked_meanwhile);
}

static void whoever_had_sigsys_is_called_under_the_mask_it_asked_for(void **state)
{
	struct sigaction mine = {.sa_handler = look_what_is_blocked}, was;
	sigset_t now;

	(void)state;
	sigaddset(&mine.sa_mask, SIGUSR2);
	sigemptyset(&blocked_meanwhile);
	assert_int_equal(sigaction(SIGSYS, &mine, &was), 0);
	quoit_rt_enter();
	quoit_rt_exit();
	assert_int_equal(raise(SIGSYS), 0);
	assert_int_equal(sigaction(SIGSYS, &was, NULL), 0);
	assert_true(sigismember(&blocked_meanwhile, SIGUSR2));
	assert_int_equal(pthread_sigmask(SIG_BLOCK, NULL, &now), 0);
	assert_false(sigismember(&now, SIGUSR2));
}

/* --- the stack of handlers ------------------------------------------------------------------- */

/* The guard's own handler stands on the first while this is asked for. */
static void a_stack_for_signals_may_be_exchanged_in_a_section(void **state)
{
	static char bytes[2][64 << 10];
	const stack_t first = {.ss_sp = bytes[0], .ss_size = sizeof(bytes[0])};
	const stack_t second = {.ss_sp = bytes[1], .ss_size = sizeof(bytes[1])};
	const stack_t small = {.ss_sp = bytes[1], .ss_size = 16};
	stack_t was, found;

	(void)state;
	assert_int_equal(sigaltstack(&first, &was), 0);
	quoit_rt_enter();
	assert_int_equal(sigaltstack(&small, NULL), -1);
	assert_int_equal(errno, ENOMEM);
	assert_int_equal(sigaltstack(&second, &found), 0);
	quoit_rt_exit();
	assert_ptr_equal(found.ss_sp, bytes[0]);
	assert_int_equal(found.ss_flags, 0); /* who asks does not stand on it */
	assert_int_equal(breaches(), quoit_rt_guard_sees_kernel() ? 0 : 2);
	assert_int_equal(sigaltstack(&was, &found), 0);
	assert_ptr_equal(found.ss_sp, bytes[1]);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, guard_set_up, guard_tear_down)
	const struct CMUnitTest tests[] = {
		CASE(a_section_of_a_handler_leaves_those_below_as_they_are),
		CASE(what_a_section_used_outlives_a_handlers_section),
		CASE(no_fault_is_lost_where_signals_come),
		CASE(a_handler_that_blocks_all_signals_may_interrupt_a_section),
		CASE(a_thread_that_blocked_everything_is_told_of_all_the_same),
		CASE(a_program_that_ignores_sigsys_is_not_ended_by_one),
		CASE(whoever_had_sigsys_is_called_under_the_mask_it_asked_for),
		CASE(a_stack_for_signals_may_be_exchanged_in_a_section),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
