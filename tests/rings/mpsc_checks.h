/* SPDX-License-Identifier: MIT */
/*
 * mpsc_checks.h - what the tests of MPSC channels share: a channel of numbers that say who sent
 * them. Include it after cmocka.
 */
#ifndef QUOIT_TESTS_RINGS_MPSC_CHECKS_H
#define QUOIT_TESTS_RINGS_MPSC_CHECKS_H

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <quoit/rings/typed_mpsc.h>

#define PRODUCERS_MOST 400

struct number {
	uint32_t sender; /* the id of the lane it was sent through */
	uint32_t value;
};

QUOIT_MPSC(numbers, struct number);

/* A channel, its producers, and what each has sent and the consumer got. */
struct fixture {
	struct numbers q;
	struct numbers_producer p[PRODUCERS_MOST];
	uint32_t sent[PRODUCERS_MOST]; /* by lane */
	uint32_t got[PRODUCERS_MOST];
	uint32_t order[4096]; /* senders, in the order of arrival */
	size_t arrived;
	size_t batches;
};

static inline struct fixture *channel_of(size_t capacity, uint32_t producers_most, uint32_t quantum)
{
	static struct fixture f;
	const struct quoit_mpsc_options options = {
		.capacity_slots = capacity,
		.producers_most = producers_most,
		.quantum_items = quantum,
	};

	f = (struct fixture){0};
	assert_int_equal(numbers_create(&f.q, &options), 0);
	return &f;
}

/* With `count` producers registered. */
static inline struct fixture *channel_with(uint32_t count, size_t capacity, uint32_t quantum)
{
	struct fixture *const f = channel_of(capacity, count, quantum);

	for (uint32_t i = 0; i < count; i++) {
		assert_int_equal(numbers_register(&f->q, &f->p[i]), 0);
		assert_int_equal(f->p[i].seat.id, i);
	}
	return f;
}

static inline struct quoit_mpsc_stats stats_of(const struct fixture *f)
{
	struct quoit_mpsc_stats stats;

	quoit_mpsc_snapshot(f->q.channel, &stats);
	return stats;
}

/* Send the next `n` numbers of a producer; all of them fit. */
static inline void send_through(struct fixture *f, uint32_t producer, size_t n)
{
	struct numbers_producer *const p = &f->p[producer];

	for (size_t i = 0; i < n; i++) {
		const struct number number = {p->seat.id, f->sent[p->seat.id]++};

		assert_true(numbers_send_one(p, &number));
	}
}

/* Each producer's numbers come in order, none twice and none left out. */
static inline void note(struct fixture *f, const struct number *items, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		assert_true(items[i].sender < PRODUCERS_MOST);
		assert_int_equal(items[i].value, f->got[items[i].sender]);
		f->got[items[i].sender]++;
		if (f->arrived < sizeof(f->order) / sizeof(f->order[0]))
			f->order[f->arrived] = items[i].sender;
		f->arrived++;
	}
}

static inline void note_batch(struct number *items, size_t n, uint32_t id, void *ctx)
{
	struct fixture *const f = ctx;

	assert_true(n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(items[i].sender, id);
	f->batches++;
	note(f, items, n);
}

static inline size_t consume(struct fixture *f, size_t budget)
{
	return numbers_consume(&f->q, budget, note_batch, f);
}

static inline size_t recv_some(struct fixture *f, size_t most)
{
	struct number items[512];
	const size_t n = numbers_recv(&f->q, items, most);

	assert_true(n <= most);
	note(f, items, n);
	return n;
}

static inline void expect_order(const struct fixture *f, const uint32_t *senders, size_t n)
{
	assert_int_equal(f->arrived, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(f->order[i], senders[i]);
}

/* Deregister all that are registered, see that nothing was lost, and free the channel. */
static inline void end(struct fixture *f)
{
	for (size_t i = 0; i < PRODUCERS_MOST; i++)
		if (f->p[i].seat.channel)
			assert_int_equal(numbers_deregister(&f->p[i]), 0);
	while (consume(f, SIZE_MAX))
		;
	for (size_t i = 0; i < PRODUCERS_MOST; i++)
		assert_int_equal(f->got[i], f->sent[i]);
	assert_true(quoit_mpsc_is_empty(f->q.channel));
	assert_int_equal(numbers_destroy(&f->q), 0);
}

/* Does breaking the contract in this way stop the process? Run in a child of its own. */
static inline bool stops(void (*breach)(struct fixture *f), struct fixture *f)
{
	const pid_t child = fork();
	int status = 0;

	if (child == 0) {
		const struct rlimit no_core = {0, 0};

		(void)setrlimit(RLIMIT_CORE, &no_core); /* at worst a core file is left */
		(void)signal(SIGABRT, SIG_DFL);		/* cmocka catches it */
		(void)close(STDERR_FILENO);		/* the message is expected */
		breach(f);
		_exit(0);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

#endif
