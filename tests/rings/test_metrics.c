/* SPDX-License-Identifier: MIT */
/*
 * test_metrics.c - what rings count: features B5, B6, B44, B188 to B194, defect D-60. This program
 * is built with CONFIG_METRICS whatever the rest is built with, and so brings along the two files
 * of the library that know the layout of a ring.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <quoit/config.h>
#ifndef QUOIT_CONFIG_METRICS
#define QUOIT_CONFIG_METRICS 1
#endif

#include <quoit/numa/sys_internal.h>

#include <pthread.h>
#include <string.h>

#include <quoit/rings/abi.c>
#include <quoit/rings/spsc_create.c>
#include <quoit/rings/spsc_wait.c>
#include <quoit/rings/typed.h>

#define CAPACITY 8

QUOIT_SPSC(words, uint64_t);

struct fixture {
	struct words q;
	uint64_t slots[CAPACITY];
	struct quoit_meter meter;
	struct quoit_metrics now;
};

static void start(struct fixture *f)
{
	memset(f, 0, sizeof(*f));
	assert_int_equal(words_init(&f->q, f->slots, CAPACITY), 0);
	assert_int_equal(quoit_spsc_attach_meter(&f->q.ring, &f->meter), 0);
}

static const struct quoit_metrics *look(struct fixture *f)
{
	quoit_meter_read(&f->meter, &f->now);
	return &f->now;
}

static void send(struct fixture *f, size_t n)
{
	const uint64_t items[CAPACITY] = {0};

	assert_int_equal(words_send(&f->q, items, n), n);
}

static void items_and_batches_are_counted_on_both_sides(void **state)
{
	struct fixture f;
	uint64_t out[CAPACITY];

	(void)state;
	start(&f);
	send(&f, 3);
	send(&f, 5);
	assert_int_equal(words_recv(&f.q, out, 2), 2);
	assert_int_equal(quoit_spsc_discard(&f.q.ring, SIZE_MAX), 6);
	assert_int_equal(look(&f)->items_sent, 8);
	assert_int_equal(f.now.batches_sent, 2);
	assert_int_equal(f.now.batch_sent_max, 5);
	assert_int_equal(f.now.items_received, 8);
	assert_int_equal(f.now.batches_received, 2);
	assert_int_equal(f.now.batch_received_max, 6);
}

static void nothing_published_or_freed_is_no_batch(void **state)
{
	struct fixture f;
	uint64_t out;
	size_t at;

	(void)state;
	start(&f);
	assert_int_equal(quoit_spsc_reserve(&f.q.ring, 1, &at), 1);
	quoit_spsc_commit(&f.q.ring, 0);
	quoit_spsc_flush(&f.q.ring);
	assert_false(words_recv_one(&f.q, &out));
	assert_int_equal(look(&f)->batches_sent, 0);
	assert_int_equal(f.now.batches_received, 0);
	assert_int_equal(f.now.batches_held, 0);
}

static void a_publication_of_many_commits_is_one_batch(void **state)
{
	struct fixture f;
	size_t at;

	(void)state;
	start(&f);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(quoit_spsc_reserve(&f.q.ring, 1, &at), 1);
		quoit_spsc_commit_later(&f.q.ring, 1);
	}
	assert_int_equal(look(&f)->items_sent, 0);
	quoit_spsc_flush(&f.q.ring);
	assert_int_equal(look(&f)->items_sent, 3);
	assert_int_equal(f.now.batches_sent, 1);
}

/* So the reader begins before the last of them is copied. */
static void many_go_in_parts_each_a_batch(void **state)
{
	enum {
		PART = QUOIT_OWN_BYTES / sizeof(uint64_t)
	};
	static uint64_t items[2 * PART + 1], slots[4 * PART], out[2 * PART + 1];
	struct fixture f;

	(void)state;
	start(&f);
	assert_int_equal(words_init(&f.q, slots, 4 * PART), 0);
	assert_int_equal(quoit_spsc_attach_meter(&f.q.ring, &f.meter), 0);
	for (size_t i = 0; i < 2 * PART + 1; i++)
		items[i] = i;
	assert_int_equal(words_send(&f.q, items, PART), PART);
	assert_int_equal(look(&f)->batches_sent, 1);
	assert_int_equal(words_recv(&f.q, out, PART), PART);
	assert_int_equal(words_send(&f.q, items, 2 * PART + 1), 2 * PART + 1);
	assert_int_equal(look(&f)->batches_sent, 1 + 3);
	assert_int_equal(f.now.batch_sent_max, PART);
	assert_int_equal(words_recv(&f.q, out, 2 * PART + 1), 2 * PART + 1);
	assert_memory_equal(out, items, sizeof(items));
}

static void a_refused_reservation_is_counted_and_a_granted_one_is_not(void **state)
{
	struct fixture f;
	uint64_t item = 0;
	size_t n;

	(void)state;
	start(&f);
	send(&f, CAPACITY - 1);
	assert_int_equal(look(&f)->reserve_failures, 0);
	assert_null(words_reserve(&f.q, 2, &n));
	assert_int_equal(look(&f)->reserve_failures, 1);
	assert_true(words_send_one(&f.q, &item));
	assert_false(words_send_one(&f.q, &item));
	assert_false(words_send_all(&f.q, &item, 1));
	assert_int_equal(words_send(&f.q, &item, 1), 0);
	assert_int_equal(look(&f)->reserve_failures, 4);
}

static void take_time(uint64_t *items, size_t n, bool more, void *ctx)
{
	const uint64_t until_ns = quoit_clock_now_ns() + *(const uint64_t *)ctx;

	(void)items;
	(void)n;
	(void)more;
	while (quoit_clock_now_ns() < until_ns)
		quoit_relax();
}

static void the_time_a_batch_is_held_is_its_handlers_and_no_other_batchs(void **state)
{
	uint64_t short_ns = 100000, long_ns = 500000;
	const uint64_t since_ns = quoit_clock_now_ns();
	struct fixture f;
	uint64_t out;
	size_t n;

	(void)state;
	start(&f);
	send(&f, 2);
	assert_int_equal(words_consume(&f.q, 1, take_time, &long_ns), 1);
	assert_int_equal(look(&f)->batches_held, 1);
	assert_true(f.now.held_ns_min >= long_ns);
	assert_int_equal(f.now.held_ns_min, f.now.held_ns_max);
	assert_int_equal(words_consume(&f.q, 1, take_time, &short_ns), 1);
	assert_int_equal(look(&f)->batches_held, 2);
	assert_true(f.now.held_ns_min >= short_ns);
	assert_true(f.now.held_ns_max >= long_ns);
	assert_int_equal(f.now.held_ns, f.now.held_ns_min + f.now.held_ns_max);
	send(&f, 1);
	assert_non_null(words_readable(&f.q, &n)); /* held from here */
	take_time(NULL, 0, false, &long_ns);
	words_advance(&f.q, 1);
	assert_true(look(&f)->held_ns >= 2 * long_ns + short_ns);
	send(&f, 1);
	assert_true(words_recv_one(&f.q, &out));
	assert_int_equal(look(&f)->batches_held, 4);
	/* one after the other, so together no longer than all of this took */
	assert_true(f.now.held_ns <= quoit_clock_now_ns() - since_ns);
}

static void cursors_count_their_blocks(void **state)
{
	struct fixture f;
	struct words_writer w;
	struct words_reader r;
	uint64_t word = 0;

	(void)state;
	start(&f);
	w = words_write(&f.q);
	for (int i = 0; i < CAPACITY; i++)
		assert_true(words_put(&w, word));
	assert_false(words_put(&w, word));
	words_write_end(&w);
	assert_int_equal(look(&f)->items_sent, CAPACITY);
	assert_int_equal(f.now.batches_sent, 4); /* a block is a quarter of the ring at most */
	assert_int_equal(f.now.reserve_failures, 1);
	r = words_read(&f.q);
	while (words_take(&r, &word))
		;
	words_read_end(&r);
	assert_int_equal(look(&f)->items_received, CAPACITY);
	w = words_write(&f.q);
	assert_true(words_put_now(&w, word));
	assert_true(words_put_now(&w, word));
	words_write_end(&w);
	assert_int_equal(look(&f)->items_sent, CAPACITY + 2);
	assert_int_equal(f.now.batches_sent, 6);
}

/* D-60: the counters of waiting were declared, and nobody ever wrote them. */
static void waiting_is_counted_in_spins_and_in_time(void **state)
{
	const int64_t wait_ns = 1000000;
	struct quoit_wait how = {.kind = QUOIT_WAIT_YIELD};
	struct fixture f;
	uint64_t item = 0;
	size_t n;

	(void)state;
	start(&f);
	how.deadline_ns = quoit_deadline_ns(wait_ns);
	assert_int_equal(words_recv_wait(&f.q, &item, 1, &how, &n), -ETIMEDOUT);
	assert_int_equal(look(&f)->consumer_waits, 1);
	assert_true(f.now.consumer_spins > 10);
	assert_true(f.now.consumer_wait_ns >= (uint64_t)wait_ns / 2);
	send(&f, CAPACITY);
	assert_int_equal(words_recv_wait(&f.q, &item, 1, &how, &n), 0);
	assert_int_equal(look(&f)->consumer_waits, 1); /* it did not have to wait */
	send(&f, 1);
	how.deadline_ns = quoit_deadline_ns(wait_ns);
	assert_int_equal(words_send_one_wait(&f.q, &item, &how), -ETIMEDOUT);
	assert_int_equal(look(&f)->producer_waits, 1);
	assert_true(f.now.producer_spins > 10);
	assert_true(f.now.producer_wait_ns >= (uint64_t)wait_ns / 2);
	assert_null(words_reserve_backoff(&f.q, 1, &n));
	assert_int_equal(look(&f)->producer_waits, 2);
}

static void a_ring_without_a_meter_counts_nothing_and_works(void **state)
{
	struct fixture f;
	uint64_t out;

	(void)state;
	start(&f);
	assert_int_equal(quoit_spsc_attach_meter(&f.q.ring, NULL), 0);
	send(&f, 3);
	assert_true(words_recv_one(&f.q, &out));
	assert_int_equal(look(&f)->items_sent, 0);
	assert_int_equal(f.now.items_received, 0);
}

static void metrics_add_up_and_give_means_and_rates(void **state)
{
	struct quoit_metrics sum = {0};
	const struct quoit_metrics none = {0};
	const struct quoit_metrics a = {.items_sent = 10,
					.batches_sent = 4,
					.batch_sent_max = 6,
					.items_received = 10,
					.batches_received = 2,
					.batches_held = 2,
					.held_ns = 50,
					.held_ns_min = 20,
					.held_ns_max = 30};
	const struct quoit_metrics b = {.items_sent = 2,
					.batches_sent = 2,
					.batch_sent_max = 1,
					.items_received = 2,
					.batches_received = 2,
					.batches_held = 1,
					.held_ns = 10,
					.held_ns_min = 10,
					.held_ns_max = 10};

	(void)state;
	quoit_metrics_merge(&sum, &none);
	quoit_metrics_merge(&sum, &a);
	assert_int_equal(sum.held_ns_min, 20); /* the 0 of nothing is not a minimum */
	quoit_metrics_merge(&sum, &b);
	quoit_metrics_merge(&sum, &none);
	assert_int_equal(sum.items_sent, 12);
	assert_int_equal(sum.batch_sent_max, 6);
	assert_int_equal(sum.held_ns_min, 10);
	assert_int_equal(sum.held_ns_max, 30);
	assert_true(quoit_metrics_batch_mean(&sum) == 2.0);
	assert_true(quoit_metrics_batch_received_mean(&sum) == 3.0);
	assert_true(quoit_metrics_held_ns_mean(&sum) == 20.0);
	assert_true(quoit_metrics_rate(&sum, 6) == 2e9);
	assert_true(quoit_metrics_batch_mean(&none) == 0);
	assert_true(quoit_metrics_batch_received_mean(&none) == 0);
	assert_true(quoit_metrics_held_ns_mean(&none) == 0);
	assert_true(quoit_metrics_rate(&sum, 0) == 0);
}

static void every_field_is_copied_and_merged(void **state)
{
	enum {
		FIELDS = sizeof(struct quoit_metrics) / sizeof(uint64_t)
	};
	struct quoit_meter meter;
	struct quoit_metrics copy, sum = {0};
	uint64_t words[FIELDS];

	(void)state;
	memset(&meter, 0x01, sizeof(meter));
	memset(&copy, 0, sizeof(copy));
	quoit_meter_read(&meter, &copy);
	quoit_metrics_merge(&sum, &copy);
	memcpy(words, &sum, sizeof(words));
	for (size_t i = 0; i < FIELDS; i++)
		assert_int_equal(words[i], 0x0101010101010101);
	quoit_meter_reset(&meter);
	quoit_meter_read(&meter, &copy);
	memcpy(words, &copy, sizeof(words));
	for (size_t i = 0; i < FIELDS; i++)
		assert_int_equal(words[i], 0);
}

/* Only who had to wait has waited, and only who got nothing was refused. */
static void what_was_there_was_neither_refused_nor_waited_for(void **state)
{
	const struct quoit_wait how = {.kind = QUOIT_WAIT_SPIN, .deadline_ns = 1};
	struct fixture f;
	size_t at;

	(void)state;
	start(&f);
	assert_int_equal(quoit_spsc_wait_space(&f.q.ring, CAPACITY, &how), 0);
	assert_int_equal(quoit_spsc_reserve_backoff(&f.q.ring, CAPACITY, &at), CAPACITY);
	assert_int_equal(quoit_spsc_reserve_backoff(&f.q.ring, 0, &at), 0);
	assert_int_equal(quoit_spsc_reserve_backoff(&f.q.ring, CAPACITY + 1, &at), 0);
	assert_int_equal(look(&f)->producer_waits, 0);
	assert_int_equal(f.now.reserve_failures, 1); /* the one that cannot be */
	send(&f, CAPACITY);
	assert_int_equal(quoit_spsc_discard(&f.q.ring, 3), 3);
	assert_int_equal(quoit_spsc_reserve(&f.q.ring, 3, &at), 3);
	assert_int_equal(look(&f)->reserve_failures, 1);
	assert_int_equal(quoit_spsc_reserve_backoff(&f.q.ring, CAPACITY, &at), 0);
	assert_int_equal(look(&f)->producer_waits, 1);
	assert_int_equal(f.now.producer_spins, QUOIT_BACKOFF_YIELDS + 1);
	quoit_spsc_close(&f.q.ring);
	assert_int_equal(quoit_spsc_reserve_backoff(&f.q.ring, 1, &at), 0);
	assert_int_equal(look(&f)->producer_waits, 2);
	assert_int_equal(f.now.producer_spins, QUOIT_BACKOFF_YIELDS + 1);
}

static void a_time_is_taken_from_the_first_look_to_the_first_release(void **state)
{
	struct quoit_meter_side side = {.held_since_ns = 5};

	(void)state;
	quoit__meter_hold(&side); /* it held some already */
	assert_int_equal(side.held_since_ns, 5);
	quoit__meter_release(&side);
	assert_int_equal(side.held, 1);
	assert_int_equal(side.held_since_ns, 0);
	quoit__meter_release(&side); /* it holds none */
	assert_int_equal(side.held, 1);
	quoit__meter_hold(NULL);
	quoit__meter_release(NULL);
}

static void extremes_are_kept_whichever_comes_first(void **state)
{
	const struct quoit_metrics low = {.batches_held = 1, .held_ns_min = 3, .held_ns_max = 4};
	const struct quoit_metrics high = {.batches_held = 1, .held_ns_min = 7, .held_ns_max = 9};
	struct quoit_meter_side side = {.held = 1, .held_ns_min = 2, .held_ns_max = UINT64_MAX};
	struct quoit_metrics sum;

	(void)state;
	for (int order = 0; order < 2; order++) {
		sum = order ? low : high;
		quoit_metrics_merge(&sum, order ? &high : &low);
		assert_int_equal(sum.held_ns_min, 3);
		assert_int_equal(sum.held_ns_max, 9);
	}
	side.held_since_ns = 1; /* since the machine was started: long */
	quoit__meter_release(&side);
	assert_int_equal(side.held_ns_min, 2);
	assert_int_equal(side.held_ns_max, UINT64_MAX);
	side.held_ns_min = UINT64_MAX;
	side.held_ns_max = 0;
	side.held_since_ns = 1;
	quoit__meter_release(&side);
	assert_in_range(side.held_ns_min, 1, UINT64_MAX - 1);
	assert_in_range(side.held_ns_max, 1, UINT64_MAX - 1);
	quoit__meter_batch(&side, 6);
	quoit__meter_batch(&side, 5);
	assert_int_equal(side.items_max, 6);
	quoit__meter_batch(&side, 7);
	assert_int_equal(side.items_max, 7);
}

static void a_created_ring_brings_its_meter(void **state)
{
	const struct quoit_spsc_options options = {
		.capacity_slots = 16, .node = QUOIT_NODE_AUTO, .metrics = true};
	struct words *made = NULL;
	uint64_t item = 4;

	(void)state;
	assert_int_equal(words_create(&options, &made, NULL), 0);
	assert_true(words_send_one(made, &item));
	assert_int_equal(quoit_spsc_meter(&made->ring)->producer.items, 1);
	words_destroy(made);
}

/* Read while both sides count: for ThreadSanitizer. */
static void *read_worker(void *arg)
{
	struct fixture *const f = arg;
	struct quoit_metrics seen = {0};

	while (seen.items_received < 1000) {
		quoit_meter_read(&f->meter, &seen);
		quoit_yield();
	}
	return NULL;
}

static void anybody_may_look_at_any_time(void **state)
{
	struct fixture f;
	pthread_t reader;
	uint64_t item = 0;

	(void)state;
	start(&f);
	assert_int_equal(pthread_create(&reader, NULL, read_worker, &f), 0);
	for (int i = 0; i < 1000; i++) {
		assert_true(words_send_one(&f.q, &item));
		assert_true(words_recv_one(&f.q, &item));
	}
	pthread_join(reader, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items_and_batches_are_counted_on_both_sides),
		cmocka_unit_test(nothing_published_or_freed_is_no_batch),
		cmocka_unit_test(a_publication_of_many_commits_is_one_batch),
		cmocka_unit_test(many_go_in_parts_each_a_batch),
		cmocka_unit_test(a_refused_reservation_is_counted_and_a_granted_one_is_not),
		cmocka_unit_test(the_time_a_batch_is_held_is_its_handlers_and_no_other_batchs),
		cmocka_unit_test(cursors_count_their_blocks),
		cmocka_unit_test(waiting_is_counted_in_spins_and_in_time),
		cmocka_unit_test(a_ring_without_a_meter_counts_nothing_and_works),
		cmocka_unit_test(metrics_add_up_and_give_means_and_rates),
		cmocka_unit_test(every_field_is_copied_and_merged),
		cmocka_unit_test(what_was_there_was_neither_refused_nor_waited_for),
		cmocka_unit_test(a_time_is_taken_from_the_first_look_to_the_first_release),
		cmocka_unit_test(extremes_are_kept_whichever_comes_first),
		cmocka_unit_test(a_created_ring_brings_its_meter),
		cmocka_unit_test(anybody_may_look_at_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
