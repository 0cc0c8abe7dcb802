/* SPDX-License-Identifier: MIT */
/*
 * test_spsc_model.c - the ring under random use against a plain queue.
 *
 * Every call of both sides is mixed with every other (defect D-03: the predecessor's ring broke
 * when two ways of reading were). The slots hold the number of the item; the model holds what was
 * committed, published and read. The seed is printed; SEED=n runs it again with it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <rings/ring_checks.h>
#include <support/random.h>

#define STEPS_PER_RING 20000

struct model {
	struct random random;
	struct quoit_spsc *ring;
	uint64_t slots[CAPACITY_MOST];
	uint64_t committed; /* items so far: what each number counts */
	uint64_t published;
	uint64_t read;
	bool closed, finished;
	size_t leased; /* by the last reservation, not committed yet */
};

static size_t capacity_of(const struct model *m)
{
	return quoit_spsc_capacity(m->ring);
}

static size_t free_slots(const struct model *m)
{
	return capacity_of(m) - (size_t)(m->committed - m->read);
}

static size_t random_count(struct model *m)
{
	return (size_t)random_below(&m->random, capacity_of(m) + 3);
}

/* Number the slots of a grant, on both sides of the wrap. */
static void fill(struct model *m, size_t at, size_t n, size_t rest)
{
	for (size_t i = 0; i < n; i++)
		m->slots[at + i] = m->committed + i;
	for (size_t i = 0; i < rest; i++)
		m->slots[i] = m->committed + n + i;
	m->leased = n + rest;
	assert_true(m->leased <= free_slots(m));
}

static void reserve(struct model *m)
{
	const size_t want = random_count(m);
	const bool some = random_below(&m->random, 2);
	const size_t room = free_slots(m);
	size_t at = 0;
	const size_t granted = some ? quoit_spsc_reserve_some(m->ring, want, &at)
				    : quoit_spsc_reserve(m->ring, want, &at);

	if (m->closed || !want || (some ? !room : room < want)) {
		assert_int_equal(granted, 0);
		return;
	}
	assert_int_equal(granted, quoit_min(quoit_min(want, room), capacity_of(m) - at));
	fill(m, at, granted, 0);
}

static void reserve_spans(struct model *m)
{
	const size_t want = random_count(m);
	const struct quoit_spans spans = quoit_spsc_reserve_spans(m->ring, want);
	const size_t expected = m->closed ? 0 : quoit_min(want, free_slots(m));

	assert_int_equal(spans.n + spans.rest, expected);
	if (expected)
		fill(m, spans.at, spans.n, spans.rest);
}

static void commit(struct model *m)
{
	const size_t n = (size_t)random_below(&m->random, m->leased + 1);

	quoit_spsc_commit(m->ring, n);
	m->leased = 0;
	m->committed += n;
	m->published = m->committed;
}

static void commit_later(struct model *m)
{
	const size_t n = (size_t)random_below(&m->random, m->leased + 1);

	quoit_spsc_commit_later(m->ring, n);
	m->leased -= n;
	m->committed += n;
	assert_int_equal(quoit_spsc_unpublished(m->ring), m->committed - m->published);
}

static void publish(struct model *m)
{
	if (random_below(&m->random, 2))
		quoit_spsc_publish(m->ring);
	else
		quoit_spsc_flush(m->ring);
	m->published = m->committed;
}

static void check_items(struct model *m, size_t at, size_t n, size_t rest)
{
	for (size_t i = 0; i < n; i++)
		assert_int_equal(m->slots[at + i], m->read + i);
	for (size_t i = 0; i < rest; i++)
		assert_int_equal(m->slots[i], m->read + n + i);
}

/* The consumer may know of fewer than are published, but not of none. */
static void read_contiguous(struct model *m)
{
	const size_t there = (size_t)(m->published - m->read);
	size_t at = 0;
	const size_t found = quoit_spsc_readable(m->ring, &at);
	size_t n;

	assert_true(found <= there);
	assert_int_equal(found != 0, there != 0);
	check_items(m, at, found, 0);
	n = (size_t)random_below(&m->random, found + 1);
	quoit_spsc_advance(m->ring, n);
	m->read += n;
}

static void read_spans(struct model *m)
{
	const size_t there = (size_t)(m->published - m->read);
	const size_t most = random_count(m);
	const struct quoit_spans spans = quoit_spsc_readable_spans(m->ring, most);
	const size_t found = spans.n + spans.rest;

	assert_true(found <= quoit_min(there, most));
	assert_int_equal(found != 0, there && most);
	check_items(m, spans.at, spans.n, spans.rest);
	quoit_spsc_advance(m->ring, found);
	m->read += found;
}

static void look(struct model *m)
{
	const size_t there = (size_t)(m->published - m->read);

	assert_int_equal(quoit_spsc_length(m->ring), there);
	if (random_below(&m->random, 2))
		assert_int_equal(quoit_spsc_has_news(m->ring), there != 0);
	else
		assert_int_equal(quoit_spsc_is_drained(m->ring), m->finished && !there);
	assert_int_equal(quoit_spsc_is_closed(m->ring), m->closed);
}

static void step(struct model *m)
{
	static void (*const steps[])(struct model *) = {
		reserve,      reserve, reserve_spans,	commit,	    commit,
		commit_later, publish, read_contiguous, read_spans, look,
	};

	steps[random_below(&m->random, sizeof(steps) / sizeof(steps[0]))](m);
}

static struct random randomness;

static void check_random_use(struct quoit_spsc *ring)
{
	struct model *const m = test_calloc(1, sizeof(*m));
	size_t at;

	m->random.state = random_u64(&randomness);
	m->ring = ring;
	for (size_t i = 0; i < STEPS_PER_RING; i++)
		step(m);
	assert_true(m->read > STEPS_PER_RING / 100); /* it was used, not only looked at */
	quoit_spsc_close(ring);
	m->closed = true;
	for (size_t i = 0; i < 50; i++)
		step(m);
	quoit_spsc_finish(ring);
	m->published = m->committed;
	m->finished = true;
	while (!quoit_spsc_is_drained(ring)) {
		read_contiguous(m);
		read_spans(m);
	}
	assert_int_equal(m->read, m->committed);
	assert_int_equal(quoit_spsc_readable(ring, &at), 0);
	test_free(m);
}

static void a_ring_under_random_use_agrees_with_a_plain_queue(void **state)
{
	(void)state;
	randomness.state = random_seed();
	print_message("SEED=%llu\n", (unsigned long long)randomness.state);
	for_each_ring(check_random_use);
}

/* B26, D-03: a ring emptied by one way of reading must look empty to the others. */
static void check_mixed_reading(struct quoit_spsc *ring)
{
	const size_t capacity = quoit_spsc_capacity(ring);
	size_t at;

	for (size_t round = 0; round < 4 * capacity; round++) {
		const size_t granted = quoit_spsc_reserve(ring, 1 + round % capacity, &at);
		struct quoit_spans spans;

		quoit_spsc_commit(ring, granted);
		spans = quoit_spsc_readable_spans(ring, capacity);
		assert_int_equal(spans.n + spans.rest, granted);
		quoit_spsc_advance(ring, spans.n + spans.rest);
		assert_int_equal(quoit_spsc_readable(ring, &at), 0);
		assert_int_equal(quoit_spsc_readable_spans(ring, capacity).n, 0);
		assert_int_equal(quoit_spsc_length(ring), 0);
		assert_false(quoit_spsc_has_news(ring));
		assert_false(quoit_spsc_is_drained(ring));
	}
}

static void a_ring_emptied_through_spans_is_empty_for_readable_too(void **state)
{
	(void)state;
	for_each_ring(check_mixed_reading);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ring_under_random_use_agrees_with_a_plain_queue),
		cmocka_unit_test(a_ring_emptied_through_spans_is_empty_for_readable_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
