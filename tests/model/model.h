/* SPDX-License-Identifier: MIT */
/*
 * model.h - what a target of the model checker is made of.
 *
 * A target is a few threads over one shared structure. The checker runs them again and again, one
 * step at a time, through every order of their atomic operations and every value these may return
 * within the bounds, and calls finish() when all have ended. README.md tells the rest.
 */
#ifndef QUOIT_TESTS_MODEL_MODEL_H
#define QUOIT_TESTS_MODEL_MODEL_H

#include <quoit/rings/notify.h>

#include <model/hooks.h>

#define MODEL_THREADS 6
#define MODEL_BELLS   4
#define MODEL_ANY     UINT32_MAX /* no bound */

/* What one execution may spend; the exploration is complete within that. */
struct model_bounds {
	uint32_t preemptions; /* MODEL_ANY: every interleaving, pruned by sleep sets */
	uint32_t stale;	      /* reads of anything but the newest, stores put before a newer one */
};

struct model_thread {
	const char *name;
	void (*run)(const void *arg);
};

struct model_target {
	const char *name;
	void *shared; /* the structure whose plain accesses are looked at for races */
	size_t bytes; /* it is zeroed before setup() */
	void (*name_all)(const void *arg); /* calls model_name(); may be NULL */
	void (*setup)(const void *arg);	   /* before the threads start */
	struct model_thread threads[MODEL_THREADS];
	void (*finish)(const void *arg); /* after all have ended; sees the final values */
	/* The thread that may die before any step, counted from 1; 0: nobody dies. */
	int mortal;
	void (*on_death)(const void *arg); /* who notices: runs on as the same thread */
};

/* The operations of one kind in one function, weakened or dropped. */
struct model_mutation {
	const char *function;
	enum model_kind kind;
	enum model_order order;
	int line; /* only those on this line; 0: all */
};

/* One line of the list that is worked off: a target with an argument, bounds, what to expect. */
struct model_case {
	const char *name;
	const struct model_target *target;
	const void *arg;
	struct model_bounds bounds;
	struct model_bounds quick; /* in `make test`; left out there if both are 0 */
	struct model_mutation mutation;
	const char *breaks; /* part of the violation that must be found; NULL: there must be none */
};

/*
 * Every interleaving, with `full` stale reads in `make model` and `few` in `make test`, where the
 * case is left out if `few` is below 0.
 */
#define MODEL_STALE(full, few)                                          \
	.bounds = {MODEL_ANY, full}, .quick = {                         \
					     (few) < 0 ? 0 : MODEL_ANY, \
					     (few) < 0 ? 0 : (few),     \
	}

/* At most so many preemptions, for programs that are too large for every interleaving. */
#define MODEL_PREEMPTED(full, full_stale, few, few_stale) \
	.bounds = {full, full_stale}, .quick = {few, few_stale}

/* A table of cases, ended by one without a target. */
extern const struct model_case model_litmus_cases[];
extern const struct model_case model_spsc_cases[];
extern const struct model_case model_wake_cases[];
extern const struct model_case model_wake_updates_cases[];
extern const struct model_case model_notifier_cases[];
extern const struct model_case model_space_cases[];
extern const struct model_case model_death_cases[];
extern const struct model_case model_doze_cases[];
extern const struct model_case model_lane_cases[];
extern const struct model_case model_pool_cases[];
extern const struct model_case model_steal_wait_cases[];
extern const struct model_case model_mpsc_cases[];
extern const struct model_case model_mpmc_cases[];
extern const struct model_case model_cursor_cases[];
extern const struct model_case model_directory_cases[];
extern const struct model_case model_rebind_cases[];
extern const struct model_case model_rebind_updates_cases[];
extern const struct model_case model_group_cases[];
extern const struct model_case model_mpmc_group_cases[];
extern const struct model_case model_crowd_cases[];
extern const struct model_case model_outsider_cases[];
extern const struct model_case model_stop_cases[];
extern const struct model_case model_rtm_cases[];
extern const struct model_case model_shring_cases[];
extern const struct model_case model_shring_reset_cases[];

/* Does it hold? If not, the execution ends as a violation that says `what`. */
#define model_check(condition, what) ((condition) ? (void)0 : model_violated(what))
__attribute__((noreturn)) void model_violated(const char *what);

/* Called by finish(): the execution ended so. The checker keeps the set of what it has seen. */
void model_outcome(uint64_t what);

/* 0 to n - 1, each of them explored. */
unsigned model_pick(unsigned n);

/* Sleep until the notifier's bell rings; a bell that has rung since the last wait counts. */
void model_wait(const struct quoit_notify *notify);

/* Ring a bell that no wait takes down, as a pidfd stays readable once its process is dead. */
void model_ring_for_ever(const struct quoit_notify *notify);

/* Take its bell down without waiting, as who reads an eventfd does. */
void model_hush(const struct quoit_notify *notify);

/* In setup(): memory for what the sources under test allocate, a part of the shared structure. */
void model_arena(void *memory, size_t bytes);

/* Call the bytes at `p` so in traces. */
void model_name(const volatile void *p, size_t bytes, const char *name);

/* memcpy() seen by the race detector: a target defines memcpy as this before it includes typed.h.
 */
void *model_memcpy(void *to, const void *from, size_t bytes);

#endif
