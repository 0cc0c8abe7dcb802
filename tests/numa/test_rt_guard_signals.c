/* SPDX-License-Identifier: MIT */
/*
 * test_rt_guard_signals.c - real-time sections and signals: handlers with sections of their own,
 * which come at any instruction.
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

static void empty_section(int signal)
{
	(void)signal;
	quoit_rt_enter();
	quoit_rt_exit();
	heard++;
}

static void set_handler(int signal, void (*handler)(int))
{
	struct sigaction action = {.sa_handler = handler};

	heard = 0;
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
	set_handler(SIGTRAP, empty_section);
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
	set_handler(SIGTRAP, empty_section);
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
	set_handler(SIGUSR1, empty_section);
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

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, guard_set_up, guard_tear_down)
	const struct CMUnitTest tests[] = {
		CASE(a_section_of_a_handler_leaves_those_below_as_they_are),
		CASE(what_a_section_used_outlives_a_handlers_section),
		CASE(no_fault_is_lost_where_signals_come),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
