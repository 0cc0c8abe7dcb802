/* SPDX-License-Identifier: MIT */
/*
 * realtime.h - what a function promises to code that may not wait, as marks before it.
 *
 *     QUOIT_RT QUOIT_WAITFREE static bool take_sample(struct mixer *m, float *sample)
 *
 * To a compiler they are nothing. `make rtcheck` (tests/rtcheck) reads them where it has defined
 * QUOIT_RTCHECK, and holds the call graph and the instructions of everything that such a function
 * can reach against them. Mark your own handlers in the same way: see numa/README.md.
 *
 * What a mark cannot promise it names. QUOIT_RT_UNLESS(armed) is QUOIT_RT but for one edge that
 * leads into the kernel; tests/rtcheck/exits.txt lists those edges with their reasons:
 *
 *   armed     one system call, which wakes a thread that sleeps; it does not wait. None while
 *             nobody is attached, or nobody sleeps
 *   shared    a wait for a mutex: of a real-time pool of QUOIT_RTM_SHARED, of no other
 *   attached  of QUOIT_WAITFREE_UNLESS(): a fence and an atomic exchange once a notifier, an event
 *             or a group is attached to the ring
 *
 * A broken contract stops the process (QUOIT_ASSERT), and so is no part of any promise; nor is what
 * a handler does that is no QUOIT_RT_FN.
 */
#ifndef QUOIT_NUMA_REALTIME_H
#define QUOIT_NUMA_REALTIME_H

#include <stddef.h> /* alone this header would be no translation unit */

#ifdef QUOIT_RTCHECK
/*
 * gcc ignores the first attribute and leaves it in the preprocessed text, where it is looked for.
 * The second is a part of a type: gcc tells where a pointer that has it is given any function, and
 * calls through one can be told from others in the instructions.
 */
#define QUOIT__PROMISE(words)	    __attribute__((quoit_promise(words)))
#define QUOIT_RT		    QUOIT__PROMISE("rt")
#define QUOIT_RT_UNLESS(exit)	    QUOIT__PROMISE("rt unless " #exit)
#define QUOIT_NO_ALLOC		    QUOIT__PROMISE("no-alloc")
#define QUOIT_NO_BLOCK		    QUOIT__PROMISE("no-block")
#define QUOIT_BOUNDED_RECURSION	    QUOIT__PROMISE("bounded-recursion")
#define QUOIT_LOCKFREE		    QUOIT__PROMISE("lockfree")
#define QUOIT_WAITFREE		    QUOIT__PROMISE("waitfree")
#define QUOIT_WAITFREE_UNLESS(exit) QUOIT__PROMISE("waitfree unless " #exit)
#define QUOIT_MAX_STACK(bytes)	    QUOIT__PROMISE("stack " #bytes)
#define QUOIT_RT_FN		    __attribute__((nocf_check))
#else

/* All of the next three, a stack that is bounded, and calls only of what promises the same. */
#define QUOIT_RT

/* The same, but for the edges of one kind: see above. */
#define QUOIT_RT_UNLESS(exit)

/* Reaches nothing that allocates or maps memory, or gives it back to the system. */
#define QUOIT_NO_ALLOC

/* Reaches nothing that waits, and no system call. The clock is the vDSO's (defect D-77). */
#define QUOIT_NO_BLOCK

/* No function that it reaches calls itself, by whatever way round. */
#define QUOIT_BOUNDED_RECURSION

/*
 * Tries again only where another thread has got on meanwhile; takes no lock. The second is what is
 * proved: no lock of libc is reached, not even by a trylock, nor what may take one inside of it, as
 * all that waits, allocates or prints. The first is by reading.
 */
#define QUOIT_LOCKFREE

/*
 * Never tries again, whatever others do: no instruction that owns a line for a moment (x86's lock
 * prefix) is reached, because every word has one writer; nor a lock. That no loop waits for what
 * others write is by reading.
 */
#define QUOIT_WAITFREE

/* The same, but for the edges of one kind. */
#define QUOIT_WAITFREE_UNLESS(exit)

/*
 * At most so many bytes of stack, its own frame included, instead of 1024. What it calls through a
 * QUOIT_RT_FN takes its own on top, at most 1024 bytes: what may take more is stored in none.
 */
#define QUOIT_MAX_STACK(bytes)

/*
 * In a typedef of a pointer to a function: what it points to is QUOIT_RT or QUOIT_RT_UNLESS(armed),
 * so that a QUOIT_RT_UNLESS(armed) function may call through it.
 *
 *     typedef QUOIT_RT_FN void (*orders_fn)(const struct order *orders, size_t n, void *ctx);
 */
#define QUOIT_RT_FN
#endif

/* The four that most functions of rings/ have. */
#define QUOIT_RT_WAITFREE QUOIT_RT QUOIT_WAITFREE
#define QUOIT_RT_LOCKFREE QUOIT_RT QUOIT_LOCKFREE

/* One system call if somebody is attached who sleeps; no atomic instruction if nobody is. */
#define QUOIT_RT_WAKES QUOIT_RT_UNLESS(armed) QUOIT_WAITFREE_UNLESS(attached)

/* One system call if somebody is attached who sleeps. */
#define QUOIT_RT_WAKES_LOCKFREE QUOIT_RT_UNLESS(armed) QUOIT_LOCKFREE

#endif
