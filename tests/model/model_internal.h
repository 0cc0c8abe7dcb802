/* SPDX-License-Identifier: MIT */
/*
 * model_internal.h - the state of one execution, shared by the files of the checker.
 *
 * memory.c gives loads and stores their C11 meaning, explore.c decides who goes on and which value
 * is read, thread.c switches stacks, race.c watches plain accesses, trace.c tells what happened.
 */
#ifndef QUOIT_TESTS_MODEL_MODEL_INTERNAL_H
#define QUOIT_TESTS_MODEL_MODEL_INTERNAL_H

#include <model/model.h>

#define LOCATIONS    52 /* with the clocks, a view fills one cache line */
#define MESSAGES     96 /* to one location in one execution, at most 255 */
#define STEPS_MOST   4000
#define OBJECT_BELL  64 /* objects of a step: locations, then bells, then the fence */
#define OBJECT_FENCE 127

/*
 * What a thread knows: for each location the oldest message that it may still read, and for each
 * thread how far it has been heard of (a vector clock). Joining two is taking the greater of each.
 */
struct view {
	uint8_t at[LOCATIONS];
	uint16_t clock[MODEL_THREADS];
};

/* One value of a location; its place in the array is its place in modification order. */
struct message {
	uint64_t value;
	uint32_t serial;  /* in the order of execution */
	bool by_update;	  /* follows its predecessor at once: nothing may come between */
	struct view view; /* what an acquiring reader learns */
};

struct location {
	volatile void *address;
	const char *what;
	uint8_t bytes;
	bool touched; /* in this execution */
	uint16_t count;
	struct message messages[MESSAGES];
};

/* What a thread is about to do. Two steps depend on each other if their order matters. */
struct step {
	uint8_t object;
	bool only_reads;
};

enum thread_state {
	THREAD_RUNS,
	THREAD_ENDED,
};

struct thread {
	enum thread_state state;
	struct step next;
	enum model_kind kind;
	bool spins;    /* waits until something that it read has changed */
	bool woken;    /* from its sleep on a futex */
	bool gives_up; /* does not wait for that */
	struct location *sleeps_on;
	bool died;
	uint64_t reads; /* bit per location, since the last relax */
	uint64_t spin_on;
	uint32_t read_serial[LOCATIONS];
	struct view now;     /* happened before the next step */
	struct view heard;   /* will have, after an acquire fence */
	struct view offered; /* what a relaxed store passes on: that of the last release fence */
	void *stack_at;
	const struct model_site *last;
};

enum outcome {
	GOES_ON,
	COMPLETE,
	PRUNED,
	VIOLATION,
};

struct model {
	const struct model_case *what;
	const struct model_target *target;
	struct thread *current; /* NULL outside the threads */
	struct thread threads[MODEL_THREADS];
	unsigned thread_count;
	struct view total;  /* what the full fences so far have seen */
	struct view kernel; /* of each futex word, what the wakes so far have seen */
	struct location locations[LOCATIONS];
	unsigned location_count;
	bool rung[MODEL_BELLS];
	bool lasts[MODEL_BELLS]; /* and nobody takes it down again */
	uint32_t stale_left;
	uint32_t preemptions_left;
	bool may_die;
	uint32_t sleeping; /* threads whose next step has been explored elsewhere */
	unsigned steps;
	bool starting;
	enum outcome outcome;
	char violation[256];
	bool tracing;
	void *main_stack;
};

extern struct model model;

/* Faults put into the checker itself, to see the litmus tests fail. */
enum model_fault {
	FAULT_NONE,
	FAULT_NEWEST_ONLY,    /* no stale reads: sequential consistency */
	FAULT_NO_ACQUIRE,     /* an acquire load learns nothing */
	FAULT_ALL_ACQUIRE,    /* every load acquires */
	FAULT_FENCE_LOCAL,    /* full fences do not know each other */
	FAULT_APPEND_ONLY,    /* no store before a newer one */
	FAULT_CHAIN_BROKEN,   /* an update does not continue a release sequence */
	FAULT_UPDATE_SPLIT,   /* an update may read something that is not its predecessor */
	FAULT_NO_COHERENCE,   /* a read does not forbid older reads */
	FAULT_CAS_STRONG,     /* a weak compare-and-swap never fails by itself */
	FAULT_NO_RACES,	      /* plain accesses are not looked at */
	FAULT_LOUD_BELL,      /* a wait never sleeps */
	FAULT_ASLEEP,	      /* sleep sets forget to wake on a dependent step */
	FAULT_NEVER_SPURIOUS, /* no sleep ends for nothing */
	FAULT_FUTEX_BLIND,    /* a futex wait does not look at the word */
	FAULTS,
};

extern enum model_fault model_fault;

/* --- explore.c --- */

/* Announce the next step of the current thread and come back when it is chosen. */
void model__reach(const struct model_site *site, struct step step);

/* 0 to n - 1: the first is tried first. */
unsigned model__choose(unsigned n);

/* One of several stale options was taken. */
void model__spend_stale(void);

/* End this execution; does not return on a thread. */
void model__end(enum outcome outcome);

struct model_count {
	uint64_t executions;
	uint64_t pruned;
	uint64_t deaths;
	unsigned steps_most;
	bool violated;
	bool complete;
};

/* The outcomes of the last exploration, in no order. */
#define OUTCOMES 512
struct outcomes {
	unsigned count;
	uint64_t seen[OUTCOMES];
};
extern struct outcomes model__outcomes;

/* Explore a case. At most `limit` executions; random ones if `random` is true. */
struct model_count model__explore(const struct model_case *what, struct model_bounds bounds,
				  uint64_t limit, bool random, uint64_t seed);

/* --- memory.c --- */

void model__memory_start(void);
void model__memory_settle(void); /* put the final values where finish() can read them */
struct location *model__location(const volatile void *p, size_t bytes, const char *what);
void model__join(struct view *into, const struct view *from);
bool model__has_news(const struct thread *thread);
void model__join_place(struct view *into, const struct view *from, unsigned index);
uint64_t model__read_for_kernel(struct location *location);
uint64_t model__newest(unsigned index);
void model__lock(struct model_site *take, struct model_site *lock, uint32_t *mutex);

/* --- site.c --- */

void model__meet(struct model_site *site); /* before each operation */
void model__sites_start(const struct model_mutation *mutation);
bool model__mutation_bit(void);		     /* an operation that it concerns was met */
const struct model_site *model__sites(void); /* all that were ever met */

/* --- thread.c --- */

void model__finish(void); /* the target's finish(), which may find a violation */

void model__threads_start(void);
void model__switch_to(struct thread *from, struct thread *to); /* NULL: the explorer's stack */

/* --- race.c --- */

void model__races_open(void *shared, size_t bytes);
void model__races_start(void);
void model__race_atomic(const volatile void *p, size_t bytes, unsigned index);
void model__race_begun(const volatile void *p, bool writes); /* set up before it is shared? */
int model__race_location(const volatile void *p); /* index of the location there, or -1 */

/* --- mutate.c --- */

/* `tables` are ended by NULL; `name` may be NULL. Both give what the program exits with. */
int model__mutate(const struct model_case *const *tables, const char *text, const char *name,
		  bool full);
int model__list_sites(const struct model_case *const *tables, const char *name);

/* --- trace.c --- */

const char *model__name_of(const volatile void *p, char *space, size_t bytes);
void model__trace_start(void);
__attribute__((format(printf, 2, 3))) void model__trace(const struct model_site *site,
							const char *format, ...);
void model__trace_print(void);
void model__names_clear(void);

#endif
