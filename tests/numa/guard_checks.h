/* SPDX-License-Identifier: MIT */
/*
 * guard_checks.h - what the guard told of, kept for a test to look at. Include after <cmocka.h>.
 */
#ifndef QUOIT_TESTS_NUMA_GUARD_CHECKS_H
#define QUOIT_TESTS_NUMA_GUARD_CHECKS_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <quoit/numa/rt_guard.h>

#include <support/skip.h>

/*
 * The last breach, and how many there were; faults aside, which the kernel and sanitizers cause by
 * themselves: they are the last only where nothing else was. Each test's sections are on one thread
 * at a time.
 */
static struct told {
	volatile unsigned times;
	volatile unsigned faults;
	struct quoit_breach_info last;
	const void *frames[2]; /* of it, the innermost */
} told;

static void keep_breach(const struct quoit_breach_info *info, void *ctx)
{
	struct told *const to = ctx;

	if (info->kind != QUOIT_BREACH_FAULTS || !to->times) {
		to->last = *info;
		for (int i = 0; i < 2; i++)
			to->frames[i] = i < info->frame_count ? info->frames[i] : NULL;
	}
	if (info->kind == QUOIT_BREACH_FAULTS)
		to->faults++;
	else
		to->times++;
	errno = ENOTUNIQ; /* it may do such things */
}

static inline void count_breaches_with(struct quoit_rt_guard_options options)
{
	memset(&told, 0, sizeof(told));
	options.goes_on = true;
	options.report = keep_breach;
	options.ctx = &told;
	assert_int_equal(quoit_rt_guard_set(&options), 0);
}

/* The calling thread is in no section, and the guard counts from zero. */
static inline void count_breaches(void)
{
	quoit_rt_guard_forget();
	count_breaches_with((struct quoit_rt_guard_options){0});
}

static inline uint64_t breaches_of(enum quoit_breach kind)
{
	struct quoit_rt_guard_counts counts;

	quoit_rt_guard_read(&counts);
	return counts.breaches[kind];
}

/* Faults aside, which the kernel may cause by itself; what is about them asks for them. */
static inline uint64_t breaches(void)
{
	uint64_t sum = 0;

	for (unsigned kind = 0; kind < QUOIT_BREACH_KINDS; kind++)
		sum += kind == QUOIT_BREACH_FAULTS ? 0 : breaches_of((enum quoit_breach)kind);
	return sum;
}

/* volatile: the compiler knows malloc, and leaves out what is not used. */
static inline void allocate(void)
{
	void *volatile block = malloc(100);

	free(block);
}

/* A system call that no function of libc makes. */
static inline __attribute__((always_inline)) long raw_call(long number, long a, long b)
{
#if defined(__x86_64__)
	long answer;

	__asm__ volatile("syscall"
			 : "=a"(answer)
			 : "a"(number), "D"(a), "S"(b), "d"(0L)
			 : "rcx", "r11", "memory");
	return answer;
#else
	return syscall(number, a, b);
#endif
}

#define PAGES 8

static inline volatile char *fresh_pages(void)
{
	void *const at = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(at, MAP_FAILED);
	return at;
}

static inline void touch(volatile char *pages)
{
	for (size_t i = 0; i < PAGES; i++)
		pages[i * 4096] = 1;
}

static inline int guard_set_up(void **state)
{
	(void)state;
	count_breaches();
	return 0;
}

static inline int guard_tear_down(void **state)
{
	(void)state;
	quoit_rt_guard_forget();
	return 0;
}

#define NEEDS_THE_KERNEL()                                                           \
	do {                                                                         \
		const int refused_ = quoit_rt_guard_sees_kernel();                   \
                                                                                     \
		if (refused_)                                                        \
			skip_because("the kernel does not tell of system calls: %s", \
				     strerror(-refused_));                           \
	} while (0)

#endif
