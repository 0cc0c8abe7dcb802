/* SPDX-License-Identifier: MIT */
/*
 * test_shring_hostile.c - what a peer can do to us by writing into what is shared: nonsense ends
 * the ring, and nothing that he writes moves a position of ours. Defects D-38 and D-39.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "shring_checks.h"

#define PRODUCER shring_of(QUOIT_SHRING_PRODUCER)

static const uint64_t nonsense[] = {
	CAPACITY + 3, UINT64_C(1) << 31, UINT64_C(1) << 32, UINT64_C(1) << 63,
	UINT64_MAX,   UINT64_MAX - 7,	 INT64_MAX,
};

#define NONSENSE (sizeof(nonsense) / sizeof(nonsense[0]))

static void is_poisoned(struct words *q)
{
	uint64_t item = 0;
	size_t n;

	assert_int_equal(quoit_shring_status(&q->ring), -EUCLEAN);
	assert_int_equal(quoit_shring_why(&q->ring)->error, -EUCLEAN);
	assert_non_null(strstr(quoit_shring_why(&q->ring)->text, "cannot be"));
	assert_true(quoit_shring_is_closed(&q->ring));
	if (q->ring.role == QUOIT_SHRING_CONSUMER) {
		assert_int_equal(words_recv(q, &item, 1), 0);
		return;
	}
	assert_int_equal(words_send(q, &item, 1), 0);
	assert_null(words_reserve(q, 1, &n));
}

/* Defect D-38. */
static void a_tail_that_cannot_be_poisons_the_consumer(void **state)
{
	(void)state;
	for (size_t i = 0; i < NONSENSE; i++) {
		struct shring_pair pair = shring_begin(PRODUCER);
		uint64_t out[2 * CAPACITY];
		const uint64_t item = 5;

		assert_true(words_send_one(pair.p, &item));
		assert_true(words_send_one(pair.p, &item));
		assert_int_equal(words_recv(pair.c, out, 2), 2);
		assert_int_equal(quoit_shring_status(&pair.c->ring), 0);
		assert_int_equal(quoit_shring_why(&pair.c->ring)->error, 0);
		shring_shared(pair.p)->tail = nonsense[i];
		assert_int_equal(words_recv(pair.c, out, 2 * CAPACITY), 0);
		is_poisoned(pair.c);
		/* Good words do not heal it: what was in between, nobody knows. */
		shring_shared(pair.p)->tail = 3;
		is_poisoned(pair.c);
		assert_true(quoit_shring_length(&pair.c->ring) <= CAPACITY);
		shring_end(&pair);
	}
}

static void a_head_that_cannot_be_poisons_the_producer(void **state)
{
	(void)state;
	for (size_t i = 0; i < NONSENSE; i++) {
		struct shring_pair pair = shring_begin(PRODUCER);
		const uint64_t items[CAPACITY] = {0};
		uint64_t out;

		assert_int_equal(words_send(pair.p, items, CAPACITY), CAPACITY);
		assert_true(words_recv_one(pair.c, &out));
		assert_true(words_send_one(pair.p, items));
		shring_shared(pair.p)->head = nonsense[i];
		assert_int_equal(words_send(pair.p, items, 1), 0);
		is_poisoned(pair.p);
		shring_shared(pair.p)->head = 4;
		is_poisoned(pair.p);
		assert_true(quoit_shring_length(&pair.p->ring) <= CAPACITY);
		shring_end(&pair);
	}
}

/* A position that was believed once is a promise. */
static void a_position_that_goes_back_is_nonsense(void **state)
{
	struct shring_pair pair = shring_begin(PRODUCER);
	const uint64_t items[CAPACITY] = {0};
	uint64_t out[CAPACITY];

	(void)state;
	assert_int_equal(words_send(pair.p, items, 4), 4);
	assert_int_equal(words_recv(pair.c, out, 2), 2);
	shring_shared(pair.p)->tail = 3; /* two were promised */
	assert_true(quoit_shring_has_news(&pair.c->ring));
	assert_int_equal(quoit_shring_status(&pair.c->ring), -EUCLEAN);
	assert_int_equal(words_recv(pair.c, out, CAPACITY), 2); /* and were there */
	is_poisoned(pair.c);
	assert_int_equal(words_send(pair.p, items, CAPACITY), CAPACITY);
	shring_shared(pair.p)->head = 1;
	assert_true(quoit_shring_has_room(&pair.p->ring, 1));
	is_poisoned(pair.p);
	shring_end(&pair);
}

static void what_is_leased_when_the_ring_is_poisoned_may_be_committed(void **state)
{
	struct shring_pair pair = shring_begin(PRODUCER);
	const uint64_t items[CAPACITY] = {0};
	uint64_t *slots;
	size_t n;

	(void)state;
	slots = words_reserve(pair.p, 3, &n);
	assert_int_equal(n, 3);
	shring_shared(pair.p)->head = 99;
	assert_true(quoit_shring_has_room(&pair.p->ring, CAPACITY));
	slots[2] = 1;
	words_commit(pair.p, 3); /* into slots that are ours, whatever he says */
	assert_int_equal(words_send(pair.p, items, CAPACITY), 0);
	is_poisoned(pair.p);
	shring_end(&pair);
}

/* Defect D-38: own positions and shape are never read back. */
static void what_is_ours_in_shared_memory_is_never_read_back(void **state)
{
	struct shring_pair pair = shring_begin(PRODUCER);
	struct quoit_shring_header *const h = shring_shared(pair.p);
	const uint64_t items[4] = {1, 2, 3, 4};
	uint64_t out[CAPACITY];

	(void)state;
	assert_int_equal(words_send(pair.p, items, 2), 2);
	h->tail = 77; /* the producer's own, scribbled over */
	assert_int_equal(words_send(pair.p, items + 2, 2), 2);
	assert_int_equal(h->tail, 4);
	h->head = 5;
	assert_int_equal(words_recv(pair.c, out, 3), 3);
	assert_int_equal(h->head, 3);
	assert_int_equal(out[2], 3);
	memset(&h->id, 0xff, offsetof(struct quoit_shring_id, generation));
	memset(&h->id.slot_align, 0xff,
	       sizeof(h->id) - offsetof(struct quoit_shring_id, slot_align));
	assert_true(words_recv_one(pair.c, out));
	for (int lap = 0; lap < 5; lap++) {
		assert_int_equal(words_send(pair.p, items, 4), 4);
		assert_int_equal(words_recv(pair.c, out, 4), 4);
		assert_memory_equal(out, items, sizeof(items));
	}
	assert_int_equal(quoit_shring_status(&pair.p->ring), 0);
	shring_end(&pair);
}

static void a_length_is_never_more_than_the_capacity(void **state)
{
	struct shring_pair pair = shring_begin(PRODUCER);

	(void)state;
	for (size_t i = 0; i < NONSENSE; i++) {
		shring_shared(pair.p)->tail = nonsense[i];
		shring_shared(pair.p)->head = nonsense[i];
		assert_true(quoit_shring_length(&pair.p->ring) <= CAPACITY);
		assert_true(quoit_shring_length(&pair.c->ring) <= CAPACITY);
	}
	shring_end(&pair);
}

/* Every word of the header, at every value of some, between calls of ours. */
static void no_word_of_the_header_leads_out_of_the_ring(void **state)
{
	static const uint32_t values[] = {0, 1, 2,	  3,	      4,
					  7, 9, 1u << 31, UINT32_MAX, UINT32_MAX - 7};
	const uint64_t items[5] = {1, 2, 3, 4, 5};
	struct quoit_shring_options options = PRODUCER;
	uint64_t out[CAPACITY];

	(void)state;
	options.waits = options.bells = true;
	for (size_t at = 0; at < QUOIT_SHRING_HEADER; at += 4)
		for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
			struct shring_pair pair = shring_begin(options);
			const struct quoit_wait how = {.kind = QUOIT_WAIT_SPIN, .deadline_ns = 1};

			assert_int_equal(words_send(pair.p, items, 3), 3);
			assert_int_equal(words_recv(pair.c, out, 2), 2);
			memcpy((char *)pair.p->ring.home.own_map + at, &values[i], 4);
			(void)words_send(pair.p, items, 5);
			(void)words_recv(pair.c, out, CAPACITY);
			assert_true(quoit_shring_wait_data(&pair.c->ring, &how) <= 0);
			assert_true(quoit_shring_wait_space(&pair.p->ring, 8, &how) <= 0);
			(void)quoit_shring_peer_state(&pair.p->ring, 1);
			(void)quoit_shring_status(&pair.c->ring);
			assert_in_range(pair.p->ring.mine, 0, 8);
			assert_in_range(pair.c->ring.mine, 0, 8);
			quoit_shring_close(&pair.c->ring);
			shring_end(&pair);
		}
}

/* --- bells ----------------------------------------------------------------------------------- */

static struct shring_pair with_a_full_bell(int fds[QUOIT_SHRING_FDS])
{
	struct quoit_shring_options options = PRODUCER;
	const uint64_t full = UINT64_MAX - 1;
	struct shring_pair pair;

	options.bells = true;
	pair = shring_begin(options);
	assert_int_equal(quoit_shring_fds(&pair.p->ring, fds), 3);
	assert_int_equal(write(fds[1], &full, sizeof(full)), sizeof(full));
	return pair;
}

/* A counter that is full is a bell that was rung. */
static void a_full_bell_is_never_waited_for(void **state)
{
	const uint64_t items[CAPACITY] = {0};
	int fds[QUOIT_SHRING_FDS];
	struct shring_pair pair = with_a_full_bell(fds);

	(void)state;
	quoit_shring_arm(&pair.c->ring);
	assert_int_equal(words_send(pair.p, items, 1), 1);
	assert_int_equal(pair.p->ring.bells_rung, 1);
	shring_end(&pair);
}

/* And the flag that keeps us from waiting is the peer's as well. */
static void a_bell_that_was_made_to_block_is_not_rung_again(void **state)
{
	const uint64_t items[CAPACITY] = {0};
	int fds[QUOIT_SHRING_FDS];
	struct shring_pair pair = with_a_full_bell(fds);

	(void)state;
	assert_int_equal(fcntl(fds[1], F_SETFL, 0), 0);
	quoit_shring_arm(&pair.c->ring);
	assert_int_equal(words_send(pair.p, items, 1), 1); /* and comes back */
	assert_true(pair.p->ring.home.bell_spoilt[0]);
	assert_false(pair.p->ring.home.bell_spoilt[1]);
	quoit_shring_hush(&pair.c->ring);
	quoit_shring_hush(&pair.c->ring); /* empty and blocking: comes back too */
	shring_end(&pair);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fds_count, fds_none_is_left)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_tail_that_cannot_be_poisons_the_consumer),
		TEST(a_head_that_cannot_be_poisons_the_producer),
		TEST(a_position_that_goes_back_is_nonsense),
		TEST(what_is_leased_when_the_ring_is_poisoned_may_be_committed),
		TEST(what_is_ours_in_shared_memory_is_never_read_back),
		TEST(a_length_is_never_more_than_the_capacity),
		TEST(no_word_of_the_header_leads_out_of_the_ring),
		TEST(a_full_bell_is_never_waited_for),
		TEST(a_bell_that_was_made_to_block_is_not_rung_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
