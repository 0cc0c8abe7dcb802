/* SPDX-License-Identifier: MIT */
/*
 * mutant.h - what mutants.awk writes into a source: the question whether a mutant is in force, and
 * what is then done instead. Only copies of the sources include it.
 */
#ifndef QUOIT_TESTS_MUTATE_MUTANT_H
#define QUOIT_TESTS_MUTATE_MUTANT_H

#include <quoit/numa/machine.h>

/* The number in QUOIT_MUTANT: 0 for none, -1 to note which are reached. Never changes. */
extern int quoit__mutant;

/* The program came by this mutant. */
void mutant_reached(int n);

static inline __attribute__((always_inline, unused)) bool mutant_is(int n)
{
	if (__builtin_expect(quoit__mutant < 0, 0))
		mutant_reached(n);
	return quoit__mutant == n;
}

/* Either operand of quoit_min() and quoit_max(). */
#define mutant_min(n, m, a, b) mutant_choose(n, m, a, b, quoit_min)
#define mutant_max(n, m, a, b) mutant_choose(n, m, a, b, quoit_max)
#define mutant_choose(n, m, a, b, of)                                               \
	({                                                                          \
		const size_t a_ = (a), b_ = (b);                                    \
		(void)(mutant_is(n) || mutant_is(m));                               \
		quoit__mutant == (n) ? a_ : quoit__mutant == (m) ? b_ : of(a_, b_); \
	})

/* A look at the other side that is not taken: what the last one has shown. */
#define mutant_arrived(n, ring) \
	(mutant_is(n) ? (ring)->tail_seen - (ring)->head_own : quoit__spsc_arrived(ring))
#define mutant_freed(n, ring)                                                              \
	(mutant_is(n) ? (ring)->mask_producer + 1 - ((ring)->tail_own - (ring)->head_seen) \
		      : quoit__spsc_freed(ring))

/* The weakest form of each operation. */
#define mutant_load_acquire(n, p)     (mutant_is(n) ? quoit_load(p) : quoit_load_acquire(p))
#define mutant_store_release(n, p, v) (mutant_is(n) ? quoit_store(p, v) : quoit_store_release(p, v))
#define mutant_exchange(n, p, v)      (mutant_is(n) ? mutant__exchange(p, v) : quoit_exchange(p, v))
#define mutant_add(n, p, v)	      (mutant_is(n) ? mutant__add(p, v) : quoit_add(p, v))
#define mutant_cas(n, p, old, v)      (mutant_is(n) ? mutant__cas(p, old, v) : quoit_cas(p, old, v))

#define mutant_cas_release(n, p, old, v) \
	(mutant_is(n) ? quoit_cas_relaxed(p, old, v) : quoit_cas_release(p, old, v))

#ifdef QUOIT_MODEL
#define mutant__exchange(p, v) model__exchange_as(MODEL_RELAXED, p, v)
#define mutant__add(p, v)      model__add_as(MODEL_RELAXED, p, v)
#define mutant__cas(p, old, v) quoit_cas_relaxed(p, old, v)
#else
#define mutant__exchange(p, v) __atomic_exchange_n((p), (v), __ATOMIC_RELAXED)
#define mutant__add(p, v)      __atomic_fetch_add((p), (v), __ATOMIC_RELAXED)
#define mutant__cas(p, old, v)                                                        \
	({                                                                            \
		__typeof__(*(p) + 0) old_ = (old);                                    \
		__atomic_compare_exchange_n((p), &old_, (v), false, __ATOMIC_RELAXED, \
					    __ATOMIC_RELAXED);                        \
	})
#endif

#endif
