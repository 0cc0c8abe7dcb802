/* SPDX-License-Identifier: MIT */
/*
 * mpmc_checks.h - a typed MPMC ring whose items know their producer and number, with all its
 * producers and consumers in one thread. Include it after cmocka.
 */
#ifndef QUOIT_TESTS_RINGS_MPMC_CHECKS_H
#define QUOIT_TESTS_RINGS_MPMC_CHECKS_H

#include <string.h>

#include <quoit/rings/typed_shared.h>

struct job {
	uint32_t producer;
	uint32_t pad;
	uint64_t number;
};

QUOIT_MPMC(jobs, struct job);

#define SEATS 16

struct fixture {
	struct jobs q;
	struct jobs_producer p[SEATS];
	struct jobs_consumer c[SEATS];
	uint64_t sent[SEATS];
	uint64_t got[SEATS]; /* by producer */
};

static const struct quoit_mpmc_options plain = {
	.capacity_slots = 1024,
	.producers_most = SEATS,
	.consumers_most = SEATS,
	.node = QUOIT_MPMC_NEAR,
};

static inline void start(struct fixture *f, const struct quoit_mpmc_options *options,
			 size_t producers, size_t consumers)
{
	memset(f, 0, sizeof(*f));
	assert_int_equal(jobs_create(&f->q, options), 0);
	for (size_t i = 0; i < producers; i++)
		assert_int_equal(jobs_register_producer(&f->q, &f->p[i]), 0);
	for (size_t i = 0; i < consumers; i++)
		assert_int_equal(jobs_register_consumer(&f->q, &f->c[i]), 0);
}

static inline size_t send(struct fixture *f, size_t producer, size_t n)
{
	size_t sent = 0;

	for (; sent < n; sent++) {
		const struct job job = {
			.producer = (uint32_t)producer,
			.number = f->sent[producer],
		};

		if (!jobs_send_one(&f->p[producer], &job))
			break;
		f->sent[producer]++;
	}
	return sent;
}

static inline void see(struct fixture *f, const struct job *jobs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		assert_int_equal(jobs[i].number, f->got[jobs[i].producer]++);
}

static inline void work(struct job *items, size_t n, void *ctx)
{
	see(ctx, items, n);
}

static inline size_t consume(struct fixture *f, size_t consumer, size_t most)
{
	return jobs_consume(&f->c[consumer], most, work, f);
}

/* Claim once and give back; gives the producer, -1 if there was nothing. */
static inline int consume_once(struct fixture *f, size_t consumer, size_t most)
{
	struct quoit_claim claim;
	struct job *const at = jobs_take(&f->c[consumer], most, &claim);
	int producer = -1;

	if (!at)
		return -1;
	producer = (int)at->producer;
	see(f, at, claim.n);
	jobs_release(&f->c[consumer], &claim, claim.n);
	return producer;
}

/* Everybody leaves, and all that was sent has been seen. */
static inline void end(struct fixture *f)
{
	for (size_t i = 0; i < SEATS; i++)
		if (f->c[i].seat.ring) {
			while (consume(f, i, SIZE_MAX))
				;
			jobs_deregister_consumer(&f->c[i]);
		}
	quoit_mpmc_close(f->q.ring);
	for (size_t i = 0; i < SEATS; i++) {
		if (f->p[i].seat.ring) {
			assert_false(quoit_mpmc_is_drained(f->q.ring));
			jobs_deregister_producer(&f->p[i]);
		}
		assert_int_equal(f->got[i], f->sent[i]);
	}
	assert_true(quoit_mpmc_is_drained(f->q.ring));
	assert_true(quoit_mpmc_is_empty(f->q.ring));
	jobs_destroy(&f->q);
}

#endif
