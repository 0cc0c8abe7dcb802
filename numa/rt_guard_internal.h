/* SPDX-License-Identifier: MIT */
/*
 * rt_guard_internal.h - what the files of the guard share.
 *
 * A thread's sections and holes are a stack of bits, the innermost on top. One byte, which the
 * kernel reads at each system call, says whether that is a section. Both are the thread's own, so
 * entering and leaving costs stores; a signal handler that comes between two of them leaves the
 * stack as it found it, and the byte is made from the stack anew each time.
 *
 * While the guard itself works, a hole is open. Its own system calls leave by one gate, whose
 * addresses the kernel lets through whatever the byte says: the way back from a signal handler is
 * a system call, too.
 */
#ifndef QUOIT_NUMA_RT_GUARD_INTERNAL_H
#define QUOIT_NUMA_RT_GUARD_INTERNAL_H

#include <quoit/numa/atomic.h>
#include <quoit/numa/rt_guard.h>

#define QUOIT__RT_LEVELS_MOST 64

/* What the kernel has counted of a thread. */
struct quoit__rt_usage {
	uint64_t faults;
	uint64_t sleeps;
	uint64_t preempted;
};

struct quoit__rt_thread {
	volatile char selector; /* 1: the kernel tells of system calls */
	bool asked;		/* the kernel was, whether it would */
	int refused;		/* its answer */
	unsigned level;		/* sections and holes that are open */
	uint64_t sections;	/* bit level - 1: the innermost is a section */
	void *caller;		/* of the guard: what comes before it in a backtrace is ours */
	struct quoit__rt_usage since;
	struct quoit__rt_usage used; /* before that, in what was counted */
};

/* In the static block, so that looking never allocates. */
extern __thread struct quoit__rt_thread quoit__rt_thread __attribute__((tls_model("initial-exec")));

static inline bool quoit__rt_inside(void)
{
	const struct quoit__rt_thread *const t = &quoit__rt_thread;

	return quoit_unlikely(t->level && t->sections >> (t->level - 1) & 1);
}

/* --- rt_guard.c ------------------------------------------------------------------------------ */

/*
 * A double was called. True: in a section, and if this returns at all, a hole is open in which what
 * was asked for is done, until quoit__rt_go_on(). `system_call`: its number, or -1.
 */
bool quoit__rt_caught(enum quoit_breach kind, const char *what, long system_call);
void quoit__rt_go_on(void);

/* Is it one of those that are no breach? Counts it. */
bool quoit__rt_permits(long system_call);

/* The same in a section, where a hole is then open for it until it is over. Else false. */
bool quoit__rt_permitted_begin(long system_call);
void quoit__rt_permitted_end(void);

/* --- rt_guard_kernel.c ----------------------------------------------------------------------- */

/* A system call through the gate: its answer or -errno. */
long quoit__rt_gate(long number, long a, long b, long c, long d, long e, long f);

/* Let the kernel tell of this thread's system calls, once for a thread: 0 or -errno. */
int quoit__rt_kernel_arm(struct quoit__rt_thread *t);

/* The same, and be the one that it tells. Before a section begins or goes on. */
void quoit__rt_kernel_begin(struct quoit__rt_thread *t);

/* --- the doubles ----------------------------------------------------------------------------- */

/* What libc, or a sanitizer before it, has under that name. NULL: nothing. */
void *quoit__rt_behind(void **known, const char *name);

extern const char *const quoit__rt_memory_names[]; /* rt_guard_memory.c */
extern const char *const quoit__rt_call_names[];   /* rt_guard_calls.c */

#endif
