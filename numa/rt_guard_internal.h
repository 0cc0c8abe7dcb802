/* SPDX-License-Identifier: MIT */
/*
 * rt_guard_internal.h - what the files of the guard share.
 *
 * A thread's sections and holes are a stack of bits in one word, the innermost lowest. One byte,
 * which the kernel reads at each system call, says whether that is a section. Both are the thread's
 * own. A signal handler with sections of its own may come between any two instructions: the stack
 * changes by one store, it leaves it as it found it, and the byte is made from it anew each time.
 * Where more than that changes (rt_guard_thread.c), signals wait.
 *
 * While the guard itself works, a hole is open. Its own system calls leave by one gate, whose
 * addresses the kernel lets through whatever the byte says: the way back from a signal handler is
 * a system call, too.
 */
#ifndef QUOIT_NUMA_RT_GUARD_INTERNAL_H
#define QUOIT_NUMA_RT_GUARD_INTERNAL_H

#include <quoit/numa/atomic.h>
#include <quoit/numa/rt_guard.h>

/* Of a word's bits one is the end of the stack, and one place is kept for the guard's own hole. */
#define QUOIT__RT_LEVELS_MOST 62
#define QUOIT__RT_NOTHING     ((uint64_t)1)

/* What the kernel has counted of a thread. */
struct quoit__rt_usage {
	uint64_t faults;
	uint64_t sleeps;
	uint64_t preempted;
};

struct quoit__rt_thread {
	volatile char selector; /* 1: the kernel tells of system calls */
	bool lent;		/* to the child of a vfork(), until its own thread is seen again */
	bool asked;		/* the kernel was, whether it would */
	int refused;		/* its answer */
	int tid;		/* whose this is: in a child it is the parent's at first */
	uint64_t open;		/* 0: a section, 1: a hole; above all of them QUOIT__RT_NOTHING */
	void *caller;		/* of the guard: what comes before it in a backtrace is ours */
	struct quoit__rt_usage since;
	struct quoit__rt_usage used; /* before that, in what was counted */
};

/* In the static block, so that looking never allocates. */
extern __thread struct quoit__rt_thread quoit__rt_thread __attribute__((tls_model("initial-exec")));

/* Where nothing is open that is as in a hole. */
static inline bool quoit__rt_inside(void)
{
	/* relaxed, as all that concerns this word: only its thread and that one's handlers see it
	 */
	return quoit_unlikely(!(quoit_load(&quoit__rt_thread.open) & 1));
}

/* --- rt_guard_thread.c ----------------------------------------------------------------------- */

/*
 * Of a child that no pthread_atfork() heard of this makes a thread of its own: the kernel tells of
 * it, and what its parent used is not laid to it.
 */
void quoit__rt_own(struct quoit__rt_thread *t);

/*
 * Let signals wait, until the same is called with what this gives, so that no handler comes between
 * what was used and the stack. SIGSYS does not, not even if somebody has blocked it since: this is
 * called at each edge of a section.
 */
uint64_t quoit__rt_hush(void);
void quoit__rt_unhush(uint64_t signals);

/* A section or a hole begins. */
void quoit__rt_push(struct quoit__rt_thread *t, bool section);

/* It ends: false, if it is none of that kind that is the innermost. */
QUOIT_MUST_CHECK bool quoit__rt_pop(struct quoit__rt_thread *t, bool section);

/* Nothing is open any more. */
void quoit__rt_clear(struct quoit__rt_thread *t);

/* What is used from now on is the section's; what was used until now is. Signals wait. */
void quoit__rt_usage_begin(struct quoit__rt_thread *t);
void quoit__rt_usage_end(struct quoit__rt_thread *t);

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
