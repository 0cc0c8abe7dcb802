/* SPDX-License-Identifier: MIT */
/*
 * atomic.h - loads, stores and fences by what they mean. The only file that spells a memory order.
 *
 * Shared words are plain integers, so that public headers compile as C++ and layouts stay obvious;
 * every access to one goes through here. Publication is always a release store read by an acquire
 * load; the full fence exists for one thing only, the sleeping handshake (see rings/notify.h),
 * where a store must be visible before a later load.
 *
 *                     x86-64                 arm64
 *   load_acquire      mov                    ldar / ldapr
 *   store_release     mov                    stlr
 *   exchange          xchg (full barrier)    swpal, or ldaxr/stlxr
 *   cas               lock cmpxchg           cas, or ldxr/stxr
 *   fence_full        lock or / mfence       dmb ish
 */
#ifndef QUOIT_NUMA_ATOMIC_H
#define QUOIT_NUMA_ATOMIC_H

#include <quoit/numa/machine.h>

#ifdef QUOIT_MODEL
#include QUOIT_MODEL /* the same names as steps of the model checker: tests/model */
#else

/* Relaxed: our own variable, a counter, or a hint that may be stale. The call says which. */
#define quoit_load(p)		  __atomic_load_n((p), __ATOMIC_RELAXED)
#define quoit_store(p, v)	  __atomic_store_n((p), (v), __ATOMIC_RELAXED)

/* One end of a named edge each: what was written before the release is seen after the acquire. */
#define quoit_load_acquire(p)	  __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define quoit_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)

/* Read-modify-write. Give the old value. */
#define quoit_exchange(p, v)	  __atomic_exchange_n((p), (v), __ATOMIC_ACQ_REL)
#define quoit_add(p, v)		  __atomic_fetch_add((p), (v), __ATOMIC_ACQ_REL)

/*
 * Put `value` where `old` still stands; false if something else stood there by then, and never
 * without a reason. Relaxed: it decides who of several may go on, and carries nothing to anybody.
 */
QUOIT_HOT bool quoit_cas_relaxed(uint64_t *p, uint64_t old, uint64_t value)
{
	return __atomic_compare_exchange_n(p, &old, value, false, __ATOMIC_RELAXED,
					   __ATOMIC_RELAXED);
}

/* The same, and who acquires the value knows what was known here. */
QUOIT_HOT bool quoit_cas_release(uint64_t *p, uint64_t old, uint64_t value)
{
	return __atomic_compare_exchange_n(p, &old, value, false, __ATOMIC_RELEASE,
					   __ATOMIC_RELAXED);
}

/*
 * Write v if the word is still `old`; tells whether it was. The older builtin, a full barrier,
 * because it does not write what it found back through a pointer, which costs a store and a reload.
 */
#define quoit_cas(p, old, v)	  __sync_bool_compare_and_swap((p), (old), (v))

/*
 * Orders an earlier store before a later load, which nothing weaker does, not even on x86.
 * ThreadSanitizer does not model it: there the sleeping handshake uses exchanges instead.
 */
QUOIT_HOT void quoit_fence_full(void)
{
#ifndef QUOIT_TSAN
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}

/*
 * Count something that one thread writes and others may read at any time: a plain add without a
 * lock prefix, never torn, never lost, because there is only one writer.
 */
#define quoit_count(p, n) quoit_store((p), quoit_load(p) + (n))

#endif
#endif
