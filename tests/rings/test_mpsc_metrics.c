/* SPDX-License-Identifier: MIT */
/*
 * test_mpsc_metrics.c - what an MPSC channel counts, by lane and altogether: features B77, B83,
 * B188 to B193, defect D-60. Built with CONFIG_METRICS whatever the rest is built with, as
 * test_metrics.c, and so brings along the files of the library that know the layout of a ring.
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

#include <string.h>

#include <quoit/rings/abi.c>
#include <quoit/rings/mpsc.c>
#include <quoit/rings/mpsc_status.c>
#include <quoit/rings/mpsc_wait.c>
#include <quoit/rings/spsc_wait.c>

#include <rings/mpsc_checks.h>

#define CAPACITY 8

/* A channel of `count` producers that counts. */
static struct fixture *channel_that_counts(uint32_t count, uint32_t producers_most)
{
	static struct fixture f;
	const struct quoit_mpsc_options options = {
		.capacity_slots = CAPACITY, .producers_most = producers_most, .metrics = true};

	f = (struct fixture){0};
	assert_int_equal(numbers_create(&f.q, &options), 0);
	for (uint32_t i = 0; i < count; i++)
		assert_int_equal(numbers_register(&f.q, &f.p[i]), 0);
	return &f;
}

static struct quoit_metrics lane(const struct fixture *f, uint32_t id)
{
	const struct quoit_meter *const meter = quoit_mpsc_lane_meter(f->q.channel, id);
	struct quoit_metrics metrics;

	assert_non_null(meter);
	quoit_meter_read(meter, &metrics);
	return metrics;
}

static struct quoit_metrics all(const struct fixture *f)
{
	struct quoit_metrics metrics;

	assert_int_equal(quoit_mpsc_metrics(f->q.channel, &metrics), 0);
	return metrics;
}

static void each_lane_counts_for_itself_and_the_channel_adds_up(void **state)
{
	struct fixture *const f = channel_that_counts(3, 3);
	const struct number items[CAPACITY + 1] = {{0, 0}};

	(void)state;
	assert_int_equal(numbers_send(&f->p[0], items, 5), 5);
	assert_int_equal(numbers_send(&f->p[2], items, 2), 2);
	assert_int_equal(numbers_send(&f->p[2], items, 1), 1);
	assert_false(numbers_send_all(&f->p[2], items, CAPACITY));
	assert_int_equal(quoit_mpsc_consume_count(f->q.channel, SIZE_MAX), 8);
	assert_int_equal(lane(f, 0).items_sent, 5);
	assert_int_equal(lane(f, 0).batches_sent, 1);
	assert_int_equal(lane(f, 0).items_received, 5);
	assert_int_equal(lane(f, 0).reserve_failures, 0);
	assert_int_equal(lane(f, 1).items_sent, 0);
	assert_int_equal(lane(f, 1).batches_held, 0);
	assert_int_equal(lane(f, 2).items_sent, 3);
	assert_int_equal(lane(f, 2).batches_sent, 2);
	assert_int_equal(lane(f, 2).batch_sent_max, 2);
	assert_int_equal(lane(f, 2).reserve_failures, 1);
	assert_int_equal(all(f).items_sent, 8);
	assert_int_equal(all(f).batches_sent, 3);
	assert_int_equal(all(f).batch_sent_max, 5);
	assert_int_equal(all(f).items_received, 8);
	assert_int_equal(all(f).batches_received, 2);
	assert_int_equal(all(f).batches_held, 2);
	assert_int_equal(all(f).held_ns, lane(f, 0).held_ns + lane(f, 2).held_ns);
	assert_int_equal(all(f).reserve_failures, 1);
	end(f);
}

/* D-60: nobody ever counted how long who waited. */
static void waiting_is_counted_where_it_was_done(void **state)
{
	struct fixture *const f = channel_that_counts(2, 2);
	struct quoit_wait how = {.kind = QUOIT_WAIT_YIELD};
	struct number item = {0, 0};
	size_t n;

	(void)state;
	how.deadline_ns = quoit_deadline_ns(1000000);
	assert_int_equal(numbers_recv_wait(&f->q, &item, 1, &how, &n), -ETIMEDOUT);
	assert_int_equal(all(f).consumer_waits, 1);
	assert_true(all(f).consumer_spins > 10);
	assert_true(all(f).consumer_wait_ns >= 500000);
	assert_int_equal(lane(f, 0).consumer_waits + lane(f, 1).consumer_waits, 0);
	send_through(f, 1, CAPACITY);
	assert_int_equal(numbers_recv_wait(&f->q, &item, 0, &how, &n), 0);
	assert_int_equal(all(f).consumer_waits, 1); /* it did not have to wait */
	assert_int_equal(numbers_send_one_wait(&f->p[1], &item, &how), -ETIMEDOUT);
	assert_int_equal(lane(f, 1).producer_waits, 1);
	assert_int_equal(lane(f, 0).producer_waits, 0);
	assert_int_equal(all(f).producer_waits, 1);
	end(f);
}

static void a_lane_counts_on_for_the_next_producer_and_a_new_one_joins_in(void **state)
{
	struct fixture *const f = channel_that_counts(1, 2);

	(void)state;
	send_through(f, 0, 3);
	assert_int_equal(numbers_deregister(&f->p[0]), 0);
	while (consume(f, SIZE_MAX))
		;
	assert_int_equal(numbers_register(&f->q, &f->p[0]), 0);
	assert_int_equal(f->p[0].seat.id, 0);
	send_through(f, 0, 1);
	assert_int_equal(lane(f, 0).items_sent, 4);
	assert_int_equal(numbers_register(&f->q, &f->p[1]), 0);
	send_through(f, 1, 2);
	assert_int_equal(lane(f, 1).items_sent, 2);
	assert_int_equal(all(f).items_sent, 6);
	end(f);
}

static void counting_is_switched_while_nobody_is_registered(void **state)
{
	struct fixture *const f = channel_of(CAPACITY, 2, 0);
	struct quoit_metrics metrics = {.items_sent = 77};

	(void)state;
	assert_int_equal(numbers_register(&f->q, &f->p[0]), 0);
	send_through(f, 0, 2);
	assert_int_equal(quoit_mpsc_attach_meters(f->q.channel, true), -EBUSY);
	assert_int_equal(quoit_mpsc_metrics(f->q.channel, &metrics), -ENODATA);
	assert_int_equal(metrics.items_sent, 77);
	assert_null(quoit_mpsc_lane_meter(f->q.channel, 0));
	assert_int_equal(numbers_deregister(&f->p[0]), 0);
	while (consume(f, SIZE_MAX))
		;
	assert_int_equal(quoit_mpsc_attach_meters(f->q.channel, true), 0);
	assert_int_equal(numbers_register(&f->q, &f->p[0]), 0);
	assert_int_equal(numbers_register(&f->q, &f->p[1]), 0);
	send_through(f, 0, 3);
	send_through(f, 1, 1);
	assert_int_equal(lane(f, 0).items_sent, 3);
	assert_int_equal(all(f).items_sent, 4);
	assert_null(quoit_mpsc_lane_meter(f->q.channel, 2));
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(numbers_deregister(&f->p[i]), 0);
	while (consume(f, SIZE_MAX))
		;
	assert_int_equal(quoit_mpsc_attach_meters(f->q.channel, false), 0);
	assert_int_equal(numbers_register(&f->q, &f->p[0]), 0);
	send_through(f, 0, 1);
	assert_int_equal(quoit_mpsc_metrics(f->q.channel, &metrics), -ENODATA);
	assert_null(f->p[0].seat.lane->ring.meter);
	end(f);
}

static void a_reset_channel_counts_from_nothing(void **state)
{
	struct fixture *const f = channel_that_counts(1, 1);
	const struct quoit_wait how = {.kind = QUOIT_WAIT_YIELD, .deadline_ns = 1};
	const struct quoit_metrics none = {0};
	struct quoit_metrics now;
	struct number item;
	size_t n;

	(void)state;
	assert_int_equal(numbers_recv_wait(&f->q, &item, 1, &how, &n), -ETIMEDOUT);
	send_through(f, 0, 3);
	assert_int_equal(numbers_deregister(&f->p[0]), 0);
	assert_int_equal(quoit_mpsc_reset(f->q.channel), 0);
	now = all(f);
	assert_memory_equal(&now, &none, sizeof(now));
	assert_int_equal(numbers_register(&f->q, &f->p[0]), 0);
	f->got[0] = f->sent[0];
	send_through(f, 0, 2);
	assert_int_equal(all(f).items_sent, 2);
	end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_lane_counts_for_itself_and_the_channel_adds_up),
		cmocka_unit_test(waiting_is_counted_where_it_was_done),
		cmocka_unit_test(a_lane_counts_on_for_the_next_producer_and_a_new_one_joins_in),
		cmocka_unit_test(counting_is_switched_while_nobody_is_registered),
		cmocka_unit_test(a_reset_channel_counts_from_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
