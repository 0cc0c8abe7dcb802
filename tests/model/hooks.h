/* SPDX-License-Identifier: MIT */
/*
 * hooks.h - the second set of definitions of numa/atomic.h: each operation becomes a step of the
 * model checker. Code built with -DQUOIT_MODEL='<model/hooks.h>' is otherwise the code that ships.
 *
 * Every place that performs an operation is a site. A site knows its function, its line and the
 * memory order written there; a mutation changes the order of a site (or drops it) in the checker,
 * without touching the source.
 */
#ifndef QUOIT_TESTS_MODEL_HOOKS_H
#define QUOIT_TESTS_MODEL_HOOKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum model_kind {
	MODEL_LOAD,
	MODEL_STORE,
	MODEL_EXCHANGE,
	MODEL_ADD,
	MODEL_CAS,
	MODEL_FENCE,
	MODEL_RING, /* a write to an eventfd */
	MODEL_WAIT, /* a wait for one */
	MODEL_LOCK, /* of a mutex */
	MODEL_DOZE, /* a futex: going to sleep */
	MODEL_REST, /* being asleep */
	MODEL_STIR, /* waking */
};

/* Bits: acquire, release, and the total order of full fences. */
enum model_order {
	MODEL_RELAXED = 0,
	MODEL_ACQUIRE = 1,
	MODEL_RELEASE = 2,
	MODEL_ACQ_REL = 3,
	MODEL_FULL = 7,
	MODEL_DROPPED = 8, /* a mutation took the operation out */
};

struct model_site {
	const char *function;
	const char *file;
	const char *what; /* the expression that names the location */
	int line;
	enum model_kind kind;
	enum model_order order;
	enum model_order used; /* what the mutation in force made of it */
	bool known;
	bool met; /* since the mutation was chosen */
	struct model_site *next;
};

uint64_t model_load(struct model_site *site, const volatile void *p, size_t bytes);
void model_store(struct model_site *site, volatile void *p, size_t bytes, uint64_t value);
uint64_t model_exchange(struct model_site *site, volatile void *p, size_t bytes, uint64_t value);
uint64_t model_add(struct model_site *site, volatile void *p, size_t bytes, uint64_t value);
bool model_cas(struct model_site *site, volatile void *p, size_t bytes, uint64_t *expected,
	       uint64_t value);
bool model_cas_strong(struct model_site *site, volatile void *p, size_t bytes, uint64_t expected,
		      uint64_t value);
void model_fence(struct model_site *site);
void model_relax(void);

#define model__site(kind_of_op, order_of_op, text)                                         \
	({                                                                                 \
		static struct model_site site_ = {__func__,   __FILE__,	   text, __LINE__, \
						  kind_of_op, order_of_op, 0,	 false,    \
						  false,      NULL};                       \
		&site_;                                                                    \
	})

/* The + 0 takes the qualifiers off; small integers are promoted, which a cast back undoes. */
#define model__typed(p, call)	  ((__typeof__(*(p) + 0))(call))
#define model__value(p, v)	  ((uint64_t)(__typeof__(*(p) + 0))(v))
#define model__at(order, kind, p) model__site(kind, order, #p), (p), sizeof(*(p))

#define model__load_as(order, p) model__typed(p, model_load(model__at(order, MODEL_LOAD, p)))
#define model__store_as(order, p, v) \
	model_store(model__at(order, MODEL_STORE, p), model__value(p, v))
#define model__exchange_as(order, p, v) \
	model__typed(p, model_exchange(model__at(order, MODEL_EXCHANGE, p), model__value(p, v)))
#define model__add_as(order, p, v) \
	model__typed(p, model_add(model__at(order, MODEL_ADD, p), model__value(p, v)))

#define quoit_load(p)		  model__load_as(MODEL_RELAXED, p)
#define quoit_store(p, v)	  model__store_as(MODEL_RELAXED, p, v)
#define quoit_load_acquire(p)	  model__load_as(MODEL_ACQUIRE, p)
#define quoit_store_release(p, v) model__store_as(MODEL_RELEASE, p, v)
#define quoit_exchange(p, v)	  model__exchange_as(MODEL_ACQ_REL, p, v)
#define quoit_add(p, v)		  model__add_as(MODEL_ACQ_REL, p, v)

#define model__cas_as(order, p, old, v) \
	model_cas_strong(model__at(order, MODEL_CAS, p), model__value(p, old), model__value(p, v))
#define quoit_cas(p, old, v)	     model__cas_as(MODEL_ACQ_REL, p, old, v)
#define quoit_cas_relaxed(p, old, v) model__cas_as(MODEL_RELAXED, p, old, v)
#define quoit_cas_release(p, old, v) model__cas_as(MODEL_RELEASE, p, old, v)

#ifdef QUOIT_TSAN
#define quoit_fence_full() ((void)0)
#else
#define quoit_fence_full() model_fence(model__site(MODEL_FENCE, MODEL_FULL, "fence"))
#endif
#define quoit_relax() model_relax()

/* A statistic decides nothing: it is not explored. */
#define quoit_count(p, n) ((void)(*(p) += (n)))

#endif
