/* SPDX-License-Identifier: MIT */
/*
 * machine.h - the compiler and CPU seam: everything that a port would touch.
 *
 * Nothing here knows about rings or io_uring. It needs no library, and compiles as C11 and C++17.
 */
#ifndef QUOIT_NUMA_MACHINE_H
#define QUOIT_NUMA_MACHINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <quoit/config.h>
#include <quoit/numa/realtime.h>

/*
 * Around what C and C++ share. quoit_static_assert() stops the compiler, with `text`, unless cond
 * holds; quoit__item_check() unless T can be handed on by copying its bytes, and never destroyed.
 */
#ifdef __cplusplus
#define QUOIT_C_BEGIN			extern "C" {
#define QUOIT_C_END			}
#define quoit_static_assert(cond, text) static_assert(cond, text)
#define quoit__item_check(T) \
	static_assert(__is_trivially_copyable(T), "items are copied byte by byte: " #T)
#else
#define QUOIT_C_BEGIN
#define QUOIT_C_END
#define quoit_static_assert(cond, text) _Static_assert(cond, text)
#define quoit__item_check(T)		_Static_assert(sizeof(T) > 0, "items have a size: " #T)
#endif

quoit_static_assert(sizeof(void *) == 8, "quoit needs a 64-bit machine: positions never wrap");

#if defined(QUOIT_MODEL)
/* The model checker knows fences, and borrows only the instrumentation. */
#elif defined(__SANITIZE_THREAD__)
#define QUOIT_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define QUOIT_TSAN 1
#endif
#endif

#if defined(__SANITIZE_ADDRESS__)
#define QUOIT_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define QUOIT_ASAN 1
#endif
#endif
#ifdef QUOIT_ASAN
#include <sanitizer/asan_interface.h>
#endif

/*
 * A hot function is forced inline only when optimising: at -O0 a debugger can then break on it and
 * step into it like into any other function.
 */
#ifdef __OPTIMIZE__
#define QUOIT_HOT static inline __attribute__((always_inline, unused))
#else
#define QUOIT_HOT static inline __attribute__((unused))
#endif

/* What a hot function does seldom stays out of line, so that its callers keep their registers. */
#define QUOIT_SLOW static __attribute__((noinline, unused))

/* An answer that must be looked at; arguments like printf's: QUOIT_PRINTF() says where. */
#define QUOIT_MUST_CHECK		 __attribute__((warn_unused_result))
#define QUOIT_PRINTF(format_at, args_at) __attribute__((format(printf, format_at, args_at)))

/* Which way a branch mostly goes. */
#define quoit_likely(x)	  __builtin_expect(!!(x), 1)
#define quoit_unlikely(x) __builtin_expect(!!(x), 0)

/*
 * Fields that different threads write live this many bytes apart. 128 is two cache lines: the
 * adjacent-line prefetcher of x86 and the 128-byte lines of some arm64 cores couple pairs.
 */
#define QUOIT_ISOLATION QUOIT_CONFIG_ISOLATION
#define QUOIT_ISOLATED	__attribute__((aligned(QUOIT_ISOLATION)))

/* What cores pass to each other in one piece. A wrong guess costs speed, nothing else. */
#define QUOIT_LINE_BYTES 64

/* Tell the core that this is a spin: saves power and lets an SMT sibling run. Takes 10-50 ns. */
QUOIT_RT_WAITFREE QUOIT_HOT void quoit_relax(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile(
		"isb" ::
			: "memory"); /* "yield" is a no-op on most cores; isb takes ~10 ns */
#else
	__asm__ volatile("" ::: "memory");
#endif
}

/*
 * Does it take a store to make a line ours? A prefetch for writing is enough on Intel's cores, and
 * there as many stores come one after the other; AMD's leave a line that is here already shared.
 * Where contracts are checked it is always one: a line that is not ours to fill is then found out.
 */
QUOIT_RT_WAITFREE QUOIT_HOT bool quoit_lines_need_stores(void)
{
#if QUOIT_CONFIG_ASSERT >= 2
	return true;
#elif defined(__x86_64__)
	return __builtin_cpu_is("amd");
#else
	return false;
#endif
}

/* A line that will be written; by name, for __builtin_prefetch() means it only with -mprfchw. */
QUOIT_HOT void quoit__line_prefetch_write(const char *at)
{
#if defined(__x86_64__)
	__asm__ volatile("prefetchw %0" ::"m"(*at)); /* does nothing where it is not known */
#else
	__builtin_prefetch(at, 1);
#endif
}

/*
 * Own the lines of some memory that is the caller's and about to be filled, so that all of them
 * come from other cores together. Stores leave a core in order, and a line that is fetched only
 * when its store is the next one to leave holds up all that follow. What is in there may be lost.
 */
QUOIT_RT_WAITFREE QUOIT_HOT void quoit_lines_own(void *at, size_t bytes)
{
	const bool store = quoit_lines_need_stores();

	for (size_t i = 0; i < bytes; i += QUOIT_LINE_BYTES)
		if (store)
			*((volatile char *)at + i) = 0;
		else
			quoit__line_prefetch_write((const char *)at + i);
}

/*
 * Ask for the lines of some memory that is about to be read, one item after the other: a core that
 * looks at each item before the next has but a few lines on their way by itself.
 */
QUOIT_RT_WAITFREE QUOIT_HOT void quoit_lines_fetch(const void *at, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += QUOIT_LINE_BYTES)
		__builtin_prefetch((const char *)at + i);
}

/*
 * A counter that runs on evenly while the machine is up: for differences below a second, not for
 * the time of day, and not comparable between machines. Takes 10-30 ns.
 */
QUOIT_RT_WAITFREE QUOIT_HOT uint64_t quoit_ticks(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
	uint64_t ticks;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
	return ticks;
#else
	return 0; /* no gap, no measurement */
#endif
}

/* Nobody may touch these bytes until they are unpoisoned, and the address sanitizer looks. */
QUOIT_HOT void quoit_poison(const void *p, size_t bytes)
{
#ifdef QUOIT_ASAN
	__asan_poison_memory_region(p, bytes);
#else
	(void)p;
	(void)bytes;
#endif
}

/* Allow it again. */
QUOIT_HOT void quoit_unpoison(const void *p, size_t bytes)
{
#ifdef QUOIT_ASAN
	__asan_unpoison_memory_region(p, bytes);
#else
	(void)p;
	(void)bytes;
#endif
}

/* The smaller, and the larger, of two. */
QUOIT_HOT size_t quoit_min(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* See quoit_min(). */
QUOIT_HOT size_t quoit_max(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* From a member to the object that holds it. */
#define quoit_container_of(member_ptr, type, member) \
	((type *)(void *)((char *)(member_ptr)-offsetof(type, member)))

/*
 * Contract checks. A broken contract is a bug of the caller, never an error code: the process stops
 * where it happened. Level 1 (QUOIT_ASSERT) stands on cold paths, level 2 (QUOIT_ASSERT_HOT) on
 * hot ones too; CONFIG_ASSERT chooses. The condition must have no side effect.
 */
__attribute__((noreturn, cold, noinline, unused)) static void quoit__contract_broken(
	const char *file, int line, const char *function, const char *what)
{
	fprintf(stderr, "quoit: %s:%d: %s: contract broken: %s\n", file, line, function, what);
	abort();
}

/* `written` is the condition as it stands in the source, before its macros are expanded. */
#define QUOIT__CHECK(cond, written)   \
	((void)(quoit_likely(cond) || \
		(quoit__contract_broken(__FILE__, __LINE__, __func__, written), 0)))

#if QUOIT_CONFIG_ASSERT >= 1
#define QUOIT_ASSERT(cond) QUOIT__CHECK(cond, #cond)
#else
#define QUOIT_ASSERT(cond) ((void)sizeof(cond))
#endif

#if QUOIT_CONFIG_ASSERT >= 2
#define QUOIT_ASSERT_HOT(cond) QUOIT__CHECK(cond, #cond)
#else
#define QUOIT_ASSERT_HOT(cond) ((void)sizeof(cond))
#endif

#endif
