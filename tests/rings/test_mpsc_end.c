/* SPDX-License-Identifier: MIT */
/*
 * test_mpsc_end.c - how an MPSC channel closes, ends and begins again, when it rings, and its
 * figures. A close in the middle of a registration is in test_mpsc.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <rings/mpsc_checks.h>
#include <support/skip.h>

/* --- close and the end ----------------------------------------------------------------------- */

static void after_close_nobody_registers_and_nothing_is_reserved(void **state)
{
	struct fixture *const f = channel_with(2, 8, 0);
	struct number number = {0, 0};
	size_t n;

	(void)state;
	assert_false(quoit_mpsc_is_closed(f->q.channel));
	assert_int_equal(numbers_deregister(&f->p[1]), 0);
	quoit_mpsc_close(f->q.channel);
	quoit_mpsc_close(f->q.channel);
	assert_true(quoit_mpsc_is_closed(f->q.channel));
	assert_true(stats_of(f).closed);
	assert_null(numbers_reserve(&f->p[0], 1, &n));
	assert_null(numbers_reserve_some(&f->p[0], 1, &n));
	assert_int_equal(numbers_send(&f->p[0], &number, 1), 0);
	assert_false(numbers_send_all(&f->p[0], &number, 1));
	assert_false(numbers_send_one(&f->p[0], &number));
	assert_int_equal(numbers_register(&f->q, &f->p[1]), -ESHUTDOWN);
	assert_int_equal(consume(f, SIZE_MAX), 0); /* makes lane 1 free: that changes nothing */
	assert_int_equal(numbers_register(&f->q, &f->p[1]), -ESHUTDOWN);
	end(f);
}

/* D-13, D-18: the seed called a channel drained while something was reserved. */
static void a_channel_is_drained_when_every_producer_has_gone(void **state)
{
	struct fixture *const f = channel_with(2, 8, 0);
	struct number *to;
	size_t n;

	(void)state;
	to = numbers_reserve(&f->p[0], 2, &n);
	assert_non_null(to);
	assert_false(quoit_mpsc_is_drained(f->q.channel));
	quoit_mpsc_close(f->q.channel);
	assert_true(quoit_mpsc_is_empty(f->q.channel));
	assert_false(quoit_mpsc_is_drained(f->q.channel));
	to[0] = (struct number){0, f->sent[0]++};
	numbers_commit(&f->p[0], 1); /* it was open before */
	assert_int_equal(consume(f, SIZE_MAX), 1);
	assert_false(quoit_mpsc_is_drained(f->q.channel));
	assert_int_equal(numbers_deregister(&f->p[1]), 0);
	assert_false(quoit_mpsc_is_drained(f->q.channel));
	assert_int_equal(numbers_deregister(&f->p[0]), 0);
	assert_true(quoit_mpsc_is_drained(f->q.channel));
	assert_int_equal(consume(f, SIZE_MAX), 0);
	assert_true(quoit_mpsc_is_drained(f->q.channel)); /* for ever */
	end(f);
}

/* D-20: the seed saw nothing, then that it was closed, and went. */
static void what_came_before_the_end_is_read_before_the_end(void **state)
{
	struct fixture *const f = channel_with(1, 8, 0);

	(void)state;
	assert_int_equal(consume(f, SIZE_MAX), 0);
	send_through(f, 0, 2);
	quoit_mpsc_close(f->q.channel);
	assert_int_equal(numbers_deregister(&f->p[0]), 0);
	assert_true(quoit_mpsc_is_closed(f->q.channel));
	assert_false(quoit_mpsc_is_drained(f->q.channel));
	assert_int_equal(recv_some(f, 1), 1);
	assert_false(quoit_mpsc_is_drained(f->q.channel));
	assert_int_equal(recv_some(f, 8), 1);
	assert_true(quoit_mpsc_is_drained(f->q.channel));
	end(f);
}

static void a_channel_without_producers_is_drained_by_closing(void **state)
{
	struct fixture *const f = channel_of(8, 4, 0);

	(void)state;
	assert_false(quoit_mpsc_is_drained(f->q.channel));
	quoit_mpsc_close(f->q.channel);
	assert_true(quoit_mpsc_is_drained(f->q.channel));
	end(f);
}

static void a_reset_channel_begins_again(void **state)
{
	struct fixture *const f = channel_with(3, 8, 2);

	(void)state;
	for (uint32_t round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < 3; i++)
			send_through(f, i, 5);
		assert_int_equal(quoit_mpsc_reset(f->q.channel), -EBUSY);
		assert_int_equal(consume(f, 3 + round), 3 + round);
		quoit_mpsc_close(f->q.channel);
		for (uint32_t i = 0; i < 3; i++)
			assert_int_equal(numbers_deregister(&f->p[i]), 0);
		quoit__mpsc_lane(f->q.channel, 1)->skip = 7; /* as if it had long been idle */
		assert_int_equal(quoit_mpsc_reset(f->q.channel), 0);
		assert_int_equal(quoit__mpsc_lane(f->q.channel, 1)->skip, 0);
		assert_int_equal(quoit_mpsc_reset(f->q.channel), 0);
		assert_true(quoit_mpsc_is_empty(f->q.channel));
		assert_false(quoit_mpsc_is_closed(f->q.channel));
		assert_int_equal(stats_of(f).lanes_free, 3);
		assert_int_equal(stats_of(f).items_sent, 0);
		for (uint32_t i = 0; i < 3; i++) {
			f->got[i] = f->sent[i]; /* thrown away */
			assert_int_equal(numbers_register(&f->q, &f->p[i]), 0);
		}
	}
	assert_int_equal(quoit_mpsc_lanes(f->q.channel), 3);
	end(f);
}

/* --- bells ----------------------------------------------------------------------------------- */

static uint64_t heard(const struct quoit_notify *notify)
{
	uint64_t count = 0;

	if (read(notify->fd, &count, sizeof(count)) < 0)
		assert_int_equal(errno, EAGAIN);
	return count;
}

static void one_notifier_serves_all_lanes_and_the_close(void **state)
{
	struct fixture *const f = channel_of(8, 3, 0);
	struct quoit_wake wake = {0};
	struct quoit_notify notify;

	(void)state;
	assert_int_equal(quoit_notify_open(&notify, &wake), 0);
	assert_int_equal(numbers_register(&f->q, &f->p[0]), 0);
	assert_int_equal(quoit_mpsc_attach(f->q.channel, &notify), -EBUSY); /* D-10 */
	assert_int_equal(numbers_deregister(&f->p[0]), 0);
	assert_int_equal(quoit_mpsc_attach(f->q.channel, &notify), 0);
	assert_int_equal(consume(f, SIZE_MAX), 0);
	for (uint32_t i = 0; i < 3; i++) { /* the first has a lane of before */
		assert_int_equal(numbers_register(&f->q, &f->p[i]), 0);
		quoit_wake_arm(&wake);
		send_through(f, i, 1);
		assert_int_equal(heard(&notify), 1);
		send_through(f, i, 1); /* awake by now */
		assert_int_equal(heard(&notify), 0);
	}
	assert_int_equal(stats_of(f).bells_rung, 3);
	assert_true(stats_of(f).bells_saved >= 3);
	quoit_wake_arm(&wake);
	assert_int_equal(numbers_deregister(&f->p[0]), 0);
	assert_int_equal(heard(&notify), 1); /* it may have been the last one */
	quoit_wake_arm(&wake);
	quoit_mpsc_close(f->q.channel);
	assert_int_equal(heard(&notify), 1);
	quoit_wake_arm(&wake);
	quoit_mpsc_close(f->q.channel);
	assert_int_equal(heard(&notify), 0);
	end(f);
	quoit_notify_close(&notify);
}

/* D-10: as above, and the producers stay. */
static void the_consumer_changes_while_producers_are_registered(void **state)
{
	struct fixture *const f = channel_of(8, 3, 0);
	struct quoit_wake wake[2] = {0};
	struct quoit_notify notify[2];

	(void)state;
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(quoit_notify_open(&notify[i], &wake[i]), 0);
	assert_int_equal(quoit_mpsc_attach(f->q.channel, &notify[0]), 0);
	assert_int_equal(numbers_register(&f->q, &f->p[0]), 0);
	assert_int_equal(numbers_register(&f->q, &f->p[1]), 0);
	assert_int_equal(quoit_mpsc_attach(f->q.channel, &notify[1]), -EBUSY); /* detach first */
	f->p[1].seat.lane->ring.ringing = 1; /* it is between its look and its bell */
	assert_int_equal(quoit_mpsc_detach(f->q.channel), -EAGAIN);
	f->p[1].seat.lane->ring.ringing = 0;
	assert_int_equal(quoit_mpsc_detach(f->q.channel), 0);
	quoit_wake_arm(&wake[0]);
	send_through(f, 0, 1);
	assert_int_equal(numbers_register(&f->q, &f->p[2]), 0); /* meanwhile */
	send_through(f, 2, 1);
	assert_int_equal(heard(&notify[0]), 0);
	assert_int_equal(quoit_mpsc_attach(f->q.channel, NULL), -EBUSY);
	assert_int_equal(quoit_mpsc_attach(f->q.channel, &notify[1]), 0);
	assert_true(quoit_mpsc_has_news(f->q.channel));
	for (uint32_t i = 0; i < 3; i++) {
		quoit_wake_arm(&wake[1]);
		send_through(f, i, 1);
		assert_int_equal(heard(&notify[1]), 1);
	}
	assert_int_equal(heard(&notify[0]), 0);
	assert_int_equal(consume(f, SIZE_MAX) + consume(f, SIZE_MAX), 5);
	end(f);
	quoit_notify_close(&notify[0]);
	quoit_notify_close(&notify[1]);
}

/* Whoever registers pays no fence, so nobody may be attached later; and nobody can be detached. */
static void a_channel_that_nobody_sleeps_on_stays_so_while_producers_run(void **state)
{
	struct fixture *const f = channel_of(8, 1, 0);
	struct quoit_wake wake = {0};
	struct quoit_notify notify = {&wake, -1};

	(void)state;
	assert_int_equal(numbers_register(&f->q, &f->p[0]), 0);
	assert_int_equal(quoit_mpsc_detach(f->q.channel), 0);
	assert_int_equal(quoit_mpsc_attach(f->q.channel, &notify), -EBUSY);
	assert_int_equal(stats_of(f).bells_saved, 0);
	end(f);
}

static void a_reset_channel_counts_bells_anew(void **state)
{
	struct fixture *const f = channel_of(8, 1, 0);
	struct quoit_wake wake = {0};
	struct quoit_notify notify;

	(void)state;
	assert_int_equal(quoit_notify_open(&notify, &wake), 0);
	assert_int_equal(quoit_mpsc_attach(f->q.channel, &notify), 0);
	assert_int_equal(numbers_register(&f->q, &f->p[0]), 0);
	quoit_wake_arm(&wake);
	send_through(f, 0, 1);
	send_through(f, 0, 1);
	assert_int_equal(numbers_deregister(&f->p[0]), 0);
	assert_int_equal(stats_of(f).bells_rung, 1);
	assert_int_equal(stats_of(f).bells_saved, 1);
	assert_int_equal(quoit_mpsc_reset(f->q.channel), 0);
	assert_int_equal(stats_of(f).bells_rung, 0);
	assert_int_equal(stats_of(f).bells_saved, 0);
	f->got[0] = f->sent[0]; /* thrown away */
	end(f);
	quoit_notify_close(&notify);
}

static void a_close_without_any_lane_rings_too(void **state)
{
	struct fixture *const f = channel_of(8, 3, 0);
	struct quoit_wake wake = {0};
	struct quoit_notify notify;

	(void)state;
	assert_int_equal(quoit_notify_open(&notify, &wake), 0);
	assert_int_equal(quoit_mpsc_attach(f->q.channel, &notify), 0);
	quoit_wake_arm(&wake);
	quoit_mpsc_close(f->q.channel);
	assert_int_equal(heard(&notify), 1);
	end(f);
	quoit_notify_close(&notify);
}

/* --- status ---------------------------------------------------------------------------------- */

static void figures_add_up(void **state)
{
	struct fixture *const f = channel_with(3, 8, 0);
	const struct quoit_spsc *lane;
	struct quoit_mpsc_stats s;

	(void)state;
	assert_int_equal(quoit_mpsc_hottest(f->q.channel), -ENODATA);
	assert_true(quoit_mpsc_is_empty(f->q.channel));
	send_through(f, 1, 2);
	assert_int_equal(quoit_mpsc_hottest(f->q.channel), 1);
	assert_false(quoit_mpsc_is_empty(f->q.channel));
	send_through(f, 0, 2);
	assert_int_equal(quoit_mpsc_hottest(f->q.channel), 0);
	send_through(f, 2, 8);
	assert_int_equal(quoit_mpsc_hottest(f->q.channel), 2);
	assert_int_equal(quoit_mpsc_length(f->q.channel), 12);
	lane = quoit_mpsc_lane_ring(f->q.channel, 2);
	assert_non_null(lane);
	assert_int_equal(quoit_spsc_length(lane), 8);
	assert_null(quoit_mpsc_lane_ring(f->q.channel, 3));
	assert_int_equal(consume(f, 5), 5);
	assert_int_equal(numbers_deregister(&f->p[1]), 0);
	s = stats_of(f);
	assert_int_equal(s.producers, 2);
	assert_int_equal(s.lanes, 3);
	assert_int_equal(s.lanes_free, 0);
	assert_int_equal(s.items_sent, 12);
	assert_int_equal(s.items_received, 5);
	assert_int_equal(s.items_pending, 7);
	assert_int_equal(s.memory_bytes, quoit_mpsc_memory_bytes(f->q.channel));
	assert_false(s.closed);
	end(f);
}

static void who_asks_for_metrics_that_were_not_built_is_told_so(void **state)
{
	const struct quoit_mpsc_options options = {
		.capacity_slots = 8, .producers_most = 1, .metrics = true};
	struct fixture *const f = channel_with(1, 8, 0);
	struct numbers q = {NULL};
	struct quoit_metrics metrics;

	(void)state;
	assert_int_equal(quoit_mpsc_metrics(f->q.channel, &metrics), -ENODATA);
	end(f);
#ifdef QUOIT_CONFIG_METRICS
	skip_because("this build has CONFIG_METRICS");
#endif
	assert_int_equal(numbers_create(&q, &options), -EOPNOTSUPP);
	assert_null(q.channel);
	struct fixture *const g = channel_of(8, 1, 0);
	assert_int_equal(quoit_mpsc_attach_meters(g->q.channel, true), -EOPNOTSUPP);
	assert_int_equal(quoit_mpsc_metrics(g->q.channel, &metrics), -ENODATA);
	end(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(after_close_nobody_registers_and_nothing_is_reserved),
		cmocka_unit_test(a_channel_is_drained_when_every_producer_has_gone),
		cmocka_unit_test(what_came_before_the_end_is_read_before_the_end),
		cmocka_unit_test(a_channel_without_producers_is_drained_by_closing),
		cmocka_unit_test(a_reset_channel_begins_again),
		cmocka_unit_test(one_notifier_serves_all_lanes_and_the_close),
		cmocka_unit_test(the_consumer_changes_while_producers_are_registered),
		cmocka_unit_test(a_channel_that_nobody_sleeps_on_stays_so_while_producers_run),
		cmocka_unit_test(a_reset_channel_counts_bells_anew),
		cmocka_unit_test(a_close_without_any_lane_rings_too),
		cmocka_unit_test(figures_add_up),
		cmocka_unit_test(who_asks_for_metrics_that_were_not_built_is_told_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
