/* SPDX-License-Identifier: MIT */
/*
 * shared_wait_checks.h - what the tests of waiting consumers share: an SPMC or an MPMC ring that
 * can be slept on, and every call that sleeps on it. Include it after cmocka.
 */
#ifndef QUOIT_TESTS_RINGS_SHARED_WAIT_CHECKS_H
#define QUOIT_TESTS_RINGS_SHARED_WAIT_CHECKS_H

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <quoit/numa/clock.h>
#include <quoit/rings/typed_shared.h>

#define CAPACITY  64 /* in blocks of 16 */
#define CONSUMERS 4
#define LONG_NS	  INT64_C(20000000000)
#define SHORT_NS  INT64_C(1000000)
#define MOST	  2 /* what a sleeper takes at a time */

QUOIT_SPMC(shared, uint64_t);
QUOIT_MPMC(jobs, uint64_t);

struct fixture;

/* One consumer: a handle of either kind, and the call that it waits in. */
struct worker {
	struct fixture *f;
	struct shared_consumer one;
	struct jobs_consumer many;
	int (*call)(struct worker *w, const struct quoit_wait *how);
	pthread_t thread;
	int64_t timeout_ns;
	int rc;
	size_t got;
	uint64_t sum;
	uint32_t done;
};

struct fixture {
	bool spmc;
	struct shared one;
	struct jobs many;
	struct jobs_producer p[2];
	struct quoit_spmc_waits waits;
	struct quoit_crowd crowd;
	struct quoit_lane_block blocks[QUOIT_LANE_BLOCKS(CAPACITY)];
	uint64_t slots[CAPACITY];
	struct worker w[CONSUMERS];
	uint64_t sent;
};

static inline struct quoit_wait blocking(int64_t timeout_ns)
{
	const struct quoit_wait how = {.kind = QUOIT_WAIT_BLOCK,
				       .deadline_ns = quoit_deadline_ns(timeout_ns)};
	return how;
}

static inline void start(struct fixture *f, bool spmc)
{
	const struct quoit_spmc_options shared = {CAPACITY, 16, CONSUMERS};
	const struct quoit_mpmc_options options = {.capacity_slots = CAPACITY,
						   .block_slots = 16,
						   .producers_most = 2,
						   .consumers_most = CONSUMERS,
						   .node = QUOIT_MPMC_ANYWHERE};

	memset(f, 0, sizeof(*f));
	f->spmc = spmc;
	if (spmc) {
		assert_int_equal(shared_init(&f->one, f->slots, f->blocks, &shared), 0);
		assert_int_equal(quoit_spmc_attach_waits(&f->one.ring, &f->waits), 0);
	} else {
		assert_int_equal(jobs_create(&f->many, &options), 0);
		assert_int_equal(quoit_mpmc_attach_waits(f->many.ring, &f->crowd), 0);
		assert_int_equal(jobs_register_producer(&f->many, &f->p[0]), 0);
	}
	for (size_t i = 0; i < CONSUMERS; i++) {
		f->w[i].f = f;
		if (spmc)
			assert_int_equal(shared_register_consumer(&f->one, &f->w[i].one), 0);
		else
			assert_int_equal(jobs_register_consumer(&f->many, &f->w[i].many), 0);
	}
}

static inline void end(struct fixture *f)
{
	if (f->spmc)
		return;
	for (size_t i = 0; i < CONSUMERS; i++)
		jobs_deregister_consumer(&f->w[i].many);
	for (size_t i = 0; i < 2; i++)
		if (f->p[i].seat.ring)
			jobs_deregister_producer(&f->p[i]);
	jobs_destroy(&f->many);
}

static inline struct quoit_crowd *crowd_of(struct fixture *f)
{
	return f->spmc ? &f->waits.crowd : &f->crowd;
}

static inline void send(struct fixture *f, size_t n)
{
	uint64_t items[CAPACITY];

	for (size_t i = 0; i < n; i++)
		items[i] = ++f->sent;
	assert_int_equal(f->spmc ? shared_send(&f->one, items, n) : jobs_send(&f->p[0], items, n),
			 n);
}

static inline void close_ring(struct fixture *f)
{
	if (f->spmc)
		quoit_spmc_close(&f->one.ring);
	else
		quoit_mpmc_close(f->many.ring);
}

/* --- the calls that wait; each takes up to MOST ---------------------------------------------- */

static inline int take(struct worker *w, const struct quoit_wait *how,
		       int (*one)(struct shared_consumer *, size_t, const struct quoit_wait *,
				  uint64_t **, struct quoit_claim *),
		       int (*many)(struct jobs_consumer *, size_t, const struct quoit_wait *,
				   uint64_t **, struct quoit_claim *))
{
	struct quoit_claim claim;
	uint64_t *items;
	const int rc = w->f->spmc ? one(&w->one, MOST, how, &items, &claim)
				  : many(&w->many, MOST, how, &items, &claim);

	if (rc)
		return rc;
	w->got = claim.n;
	for (size_t i = 0; i < claim.n; i++)
		w->sum += items[i];
	if (w->f->spmc)
		shared_release(&w->one, &claim, claim.n);
	else
		jobs_release(&w->many, &claim, claim.n);
	return 0;
}

static inline int take_wait(struct worker *w, const struct quoit_wait *how)
{
	return take(w, how, shared_take_wait, jobs_take_wait);
}

static inline int take_rest_wait(struct worker *w, const struct quoit_wait *how)
{
	return take(w, how, shared_take_rest_wait, jobs_take_rest_wait);
}

static inline int steal_wait(struct worker *w, const struct quoit_wait *how)
{
	uint64_t items[MOST] = {0};
	const int rc = w->f->spmc ? shared_steal_wait(&w->one, items, MOST, how, &w->got)
				  : jobs_steal_wait(&w->many, items, MOST, how, &w->got);

	w->sum += items[0] + items[1];
	return rc;
}

static inline int steal_one_wait(struct worker *w, const struct quoit_wait *how)
{
	uint64_t item = 0;
	const int rc = w->f->spmc ? shared_steal_one_wait(&w->one, &item, how)
				  : jobs_steal_one_wait(&w->many, &item, how);

	w->got = rc ? w->got : 1;
	w->sum += item;
	return rc;
}

static inline int pop_wait(struct worker *w, const struct quoit_wait *how)
{
	uint64_t item = 0;
	const int rc = w->f->spmc ? shared_pop_wait(&w->one, &item, how)
				  : jobs_pop_wait(&w->many, &item, how);

	w->got = rc ? w->got : 1;
	w->sum += item;
	return rc;
}

static inline void add_up(uint64_t *items, size_t n, void *ctx)
{
	struct worker *const w = ctx;

	for (size_t i = 0; i < n; i++)
		w->sum += items[i];
}

static inline int consume_wait(struct worker *w, const struct quoit_wait *how)
{
	return w->f->spmc ? shared_consume_wait(&w->one, MOST, how, &w->got, add_up, w)
			  : jobs_consume_wait(&w->many, MOST, how, &w->got, add_up, w);
}

static int (*const calls[])(struct worker *, const struct quoit_wait *) = {
	take_wait, take_rest_wait, steal_wait, steal_one_wait, pop_wait, consume_wait};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
