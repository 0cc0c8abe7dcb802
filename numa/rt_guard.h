/* SPDX-License-Identifier: MIT */
/*
 * rt_guard.h - catches what real-time sections (rt_section.h) must not do. For tests and debugging:
 * it is in libquoit_rtguard.a, not in the library.
 *
 *     gcc -g -Ibuild/release/include test.c -Wl,-z,now,-u,quoit_rt_guard_set \
 *             build/release/libquoit_rtguard.a build/release/libquoit.a -pthread
 *
 * is all: then the first breach in a section is told on stderr, with the way that led there, and
 * ends the process. Three nets, because each has holes:
 *
 *   - functions of libc (quoit_rt_guard_name() tells which) that allocate, wait, print or enter the
 *     kernel have doubles here, which look whether they are in a section. So what costs no system
 *     call this time is seen too: an allocator that has memory left, a lock that is free. But for
 *     what headers do without a call, as putc_unlocked(), and for text in memory, as sprintf().
 *   - every other system call, by whatever instruction: Linux sends a signal instead (Syscall User
 *     Dispatch, Linux 5.11, x86-64). quoit_rt_guard_sees_kernel() says whether it does. Behind one
 *     that makes a thread (clone(2) as a system call; pthread_create() is a double) or is made by
 *     `int $0x80` the kernel tells of no more until the thread's next step, which is one of
 *     quoit_rt_enter(), _exit(), _allow_begin() and _allow_end(), or the call of a double.
 *   - page faults and voluntary context switches have no caller. The kernel counts them for each
 *     thread, and they are looked at when the section ends, or a hole begins.
 *
 * SIGSYS: at each step of a thread it is unblocked, and must stay so in a section, because Linux
 * kills who is sent one and has it blocked. sigaction() leaves it out of the masks of handlers; who
 * hands such a mask to the kernel by another way (ThreadSanitizer does) must do so, too. Its
 * handler is the guard's from each section's beginning on. Whatever the last section found there is
 * called for what is not the guard's, under its own mask; its SA_NODEFER and SA_RESETHAND are not
 * looked at, and if it was exchanged for the guard's own since then, nobody notices.
 *
 * What a signal handler does that interrupted a section is the section's doing, but the return from
 * it is not. Where the thread has a stack for signals the guard tells of system calls on that: give
 * it 8 KiB more than its own handlers need, or it ends there without a word. A child that no
 * pthread_atfork() was told of (_Fork(), clone(2)) is guarded from its first step on; of one of
 * vfork(), which has its parent's memory, only doubles tell. A handler that interrupts a section
 * must not make vfork(2), clone(2) or sigaltstack(2) itself, nor by posix_spawn() or system(): of
 * the way back from those there is one for each thread. A program that is linked with -static has
 * no libc behind the doubles: it crashes at start.
 */
#ifndef QUOIT_NUMA_RT_GUARD_H
#define QUOIT_NUMA_RT_GUARD_H

#include <quoit/numa/rt_section.h>

QUOIT_C_BEGIN

enum quoit_breach {
	QUOIT_BREACH_ALLOCATES, /* took or gave back memory: malloc, free, mmap ... */
	QUOIT_BREACH_BLOCKS,	/* a lock, a wait or a sleep, whether it did wait or not */
	QUOIT_BREACH_PRINTS,	/* stdio */
	QUOIT_BREACH_CALLS,	/* another system call, by libc's name */
	QUOIT_BREACH_KERNEL,	/* another system call, seen by the kernel */
	QUOIT_BREACH_FAULTS,	/* touched memory that was not there */
	QUOIT_BREACH_SLEEPS,	/* gave up the cpu of its own accord */
	QUOIT_BREACH_KINDS,
};

struct quoit_breach_info {
	enum quoit_breach kind;
	const char *what;    /* the function, or in words what it was */
	long system_call;    /* its number; -1 where there is none or it is not known */
	uint64_t count;	     /* faults and switches of a section; 1 for anything else */
	int thread;	     /* as gettid() tells */
	void *const *frames; /* return addresses, the innermost first; of the guard the double */
	int frame_count;
};

/* Told of a breach, on its thread and out of the section. It may be a signal handler: no stdio. */
typedef void (*quoit_breach_fn)(const struct quoit_breach_info *info, void *ctx);

#define QUOIT_RT_PERMITTED_MOST 16

/*
 * Zero means the default everywhere. A system call is permitted by whatever way: an instruction,
 * syscall(2), or a function of libc that is nothing else (read(), close(); open() is SYS_openat).
 */
struct quoit_rt_guard_options {
	bool goes_on;	     /* count breaches, and do what was asked for; default: abort */
	bool ignores_faults; /* page faults are none: for memory that cannot be locked */
	bool ignores_sleeps; /* nor are context switches: for sections that may wait */
	quoit_breach_fn
		report; /* told of each; default: lines on stderr if it aborts, or nothing */
	void *ctx;
	const long *permitted; /* numbers of system calls that are none; copied */
	size_t permitted_count;
};

/* Since quoit_rt_guard_set(), of all threads. */
struct quoit_rt_guard_counts {
	uint64_t sections; /* begun, that lay in no other */
	uint64_t breaches[QUOIT_BREACH_KINDS];
	uint64_t permitted; /* system calls of options.permitted */
	uint64_t preempted; /* times that the scheduler took the cpu away: nobody's fault here */
};

/*
 * Say what is done about breaches, and count from zero. NULL: the defaults.
 *
 * Thread: any, while no thread is in a section.
 * Errors: -E2BIG for more than QUOIT_RT_PERMITTED_MOST permitted calls; nothing has changed then.
 */
QUOIT_MUST_CHECK int quoit_rt_guard_set(const struct quoit_rt_guard_options *options);

/* Fill *counts. Thread: any; a section that another thread is in has counted its calls so far. */
void quoit_rt_guard_read(struct quoit_rt_guard_counts *counts);

/*
 * Does the kernel tell of the calling thread's system calls?
 *
 * Errors: -ENOSYS on a cpu that this is not written for; -EINVAL before Linux 5.11; -EPERM in a
 * sandbox. Then the doubles are all there is.
 */
QUOIT_MUST_CHECK int quoit_rt_guard_sees_kernel(void);

/*
 * Leave all sections and holes of the calling thread: after a longjmp() out of them, as failed
 * assertions of test frameworks are.
 */
void quoit_rt_guard_forget(void);

/* The functions that have doubles, from 0; NULL beyond the last. */
const char *quoit_rt_guard_name(size_t index);

QUOIT_C_END

#endif
