/* SPDX-License-Identifier: MIT */
/*
 * mpsc_wait_checks.h - what the tests of waiting for a channel share: a channel that can be slept
 * on, and a call that sleeps on it in a thread of its own. Include it after cmocka.
 *
 * A test that must see a sleeper woken looks until it sleeps, then does the one thing that has to
 * wake it, and finds the event's word taken back.
 */
#ifndef QUOIT_TESTS_RINGS_MPSC_WAIT_CHECKS_H
#define QUOIT_TESTS_RINGS_MPSC_WAIT_CHECKS_H

#include <rings/mpsc_checks.h>

#define CAPACITY 4
#define LONG_NS	 INT64_C(10000000000) /* nobody waits for it unless a wake is lost */
#define SHORT_NS INT64_C(1000000)

struct call;
typedef int (*call_fn)(struct call *c, const struct quoit_wait *how);

/* A call that waits, and the thread that makes it. */
struct call {
	struct fixture *f;
	struct numbers_producer *p; /* whose it is, of calls that send */
	call_fn fn;
	pthread_t thread;
	int rc;
	size_t n;
};

static inline struct quoit_wait blocking(int64_t timeout_ns)
{
	const struct quoit_wait how = {.kind = QUOIT_WAIT_BLOCK,
				       .deadline_ns = quoit_deadline_ns(timeout_ns)};
	return how;
}

/* A channel that can be slept on, with `count` producers whose lanes hold `length` items each. */
static inline struct fixture *channel_that_waits(uint32_t count, uint32_t producers_most,
						 size_t length)
{
	static struct fixture f;
	const struct quoit_mpsc_options options = {
		.capacity_slots = CAPACITY, .producers_most = producers_most, .waits = true};

	f = (struct fixture){0};
	assert_int_equal(numbers_create(&f.q, &options), 0);
	for (uint32_t i = 0; i < count; i++) {
		assert_int_equal(numbers_register(&f.q, &f.p[i]), 0);
		send_through(&f, i, length);
	}
	return &f;
}

static inline struct quoit_event *data_of(struct fixture *f)
{
	return f->q.channel->data_event;
}

static inline struct quoit_event *space_of(struct fixture *f, uint32_t producer)
{
	return f->p[producer].seat.lane->ring.space_event;
}

static inline int recv_one_wait(struct call *c, const struct quoit_wait *how)
{
	struct number out;
	const int rc = numbers_recv_one_wait(&c->f->q, &out, how);

	if (!rc)
		c->n = 1;
	return rc;
}

static inline int send_wait(struct call *c, const struct quoit_wait *how)
{
	const struct number items[2] = {{0, 0}, {0, 0}};
	const int rc = numbers_send_wait(c->p, items, 2, how);

	if (!rc)
		c->n = 2;
	return rc;
}

static inline int send_one_wait(struct call *c, const struct quoit_wait *how)
{
	const struct number item = {0, 0};
	const int rc = numbers_send_one_wait(c->p, &item, how);

	if (!rc)
		c->n = 1;
	return rc;
}

/* --- sleeping and being woken ---------------------------------------------------------------- */

static inline void *call_worker(void *arg)
{
	struct call *const c = arg;
	const struct quoit_wait how = blocking(LONG_NS);

	if (c->p)
		quoit_mpsc_adopt(&c->p->seat);
	c->rc = c->fn(c, &how);
	return NULL;
}

/* Begin the call, as the consumer or as a producer, and see it sleep on its event. */
static inline void fall_asleep(struct call *c, struct fixture *f, int64_t producer, call_fn fn)
{
	struct quoit_event *const on = producer < 0 ? data_of(f) : space_of(f, (uint32_t)producer);

	*c = (struct call){.f = f, .p = producer < 0 ? NULL : &f->p[producer], .fn = fn, .n = 77};
	assert_int_equal(pthread_create(&c->thread, NULL, call_worker, c), 0);
	while (!quoit_event_sleepers(on))
		quoit_yield();
}

static inline int joined(struct call *c)
{
	pthread_join(c->thread, NULL);
	if (c->p)
		quoit_mpsc_adopt(&c->p->seat);
	return c->rc;
}

/*
 * The sleeper's wake has been called: whoever publishes takes the odd bit back, and a sleeper that
 * finds what it waits for does not arm again. At its deadline it would look once more and find it.
 */
static inline int awake(struct call *c, struct quoit_event *on)
{
	assert_int_equal(quoit_load_acquire(&on->word) & 1, 0);
	return joined(c);
}

/* Take the channel down, whatever is in it. */
static inline void discard_all(struct fixture *f)
{
	for (size_t i = 0; i < PRODUCERS_MOST; i++)
		if (f->p[i].seat.channel)
			assert_int_equal(numbers_deregister(&f->p[i]), 0);
	assert_int_equal(numbers_destroy(&f->q), 0);
}

static inline struct call call_of(struct fixture *f, uint32_t producer)
{
	const struct call c = {.f = f, .p = &f->p[producer], .n = 77};

	return c;
}

#endif
