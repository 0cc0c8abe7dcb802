/* SPDX-License-Identifier: MIT */
/*
 * test_crowd.c - sleeping in a crowd: whom a signal calls, and what becomes of the others. Defect
 * D-27. What rings make of it is in test_shared_wait.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <quoit/numa/clock.h>
#include <quoit/rings/crowd.h>

#define LONG_NS	 INT64_C(10000000000)
#define SLEEPERS 4

static void seats_are_as_many_as_were_asked_for_and_can_be_had_again(void **state)
{
	static const size_t counts[] = {1, 2, 63, 64, 65, 128, 200, QUOIT_CROWD_SEATS};
	struct quoit_crowd crowd;

	(void)state;
	assert_int_equal(quoit_crowd_init(&crowd, 0), -EINVAL);
	assert_int_equal(quoit_crowd_init(&crowd, QUOIT_CROWD_SEATS + 1), -EINVAL);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		const int n = (int)counts[i];

		memset(&crowd, i % 2 ? 0xa5 : 0, sizeof(crowd));
		assert_int_equal(quoit_crowd_init(&crowd, counts[i]), 0);
		assert_int_equal(quoit_crowd_sleepers(&crowd), 0);
		for (int seat = 0; seat < n; seat++)
			assert_int_equal(quoit_crowd_sit(&crowd), seat);
		assert_int_equal(quoit_crowd_sit(&crowd), -1);
		quoit_crowd_rise(&crowd, n - 1);
		assert_int_equal(quoit_crowd_sit(&crowd), n - 1);
		quoit_crowd_rise(&crowd, n / 2);
		assert_int_equal(quoit_crowd_sit(&crowd), n / 2);
		assert_int_equal(quoit_crowd_sit(&crowd), -1);
	}
}

/* Behind the words of the seats lie other things. */
static void a_full_crowd_looks_at_no_more_seats_than_there_are(void **state)
{
	const int n = (int)QUOIT_CROWD_SEATS;
	struct quoit_crowd crowd;

	(void)state;
	assert_int_equal(quoit_crowd_init(&crowd, QUOIT_CROWD_SEATS), 0);
	assert_int_equal(quoit_crowd_choose(&crowd), -1);
	assert_int_equal(quoit_crowd_sleepers(&crowd), 0);
	quoit_crowd_signal_all(&crowd);
	for (int seat = 0; seat < n; seat++) {
		assert_int_equal(quoit_crowd_sit(&crowd), seat);
		quoit_crowd_arm(&crowd, seat);
	}
	assert_int_equal(quoit_crowd_sleepers(&crowd), n);
	quoit_crowd_signal_all(&crowd);
	for (int seat = 0; seat < n; seat++)
		assert_true(quoit_crowd_leave(&crowd, seat));
}

static void a_signal_calls_the_lowest_seat_and_no_other(void **state)
{
	struct quoit_crowd crowd;

	(void)state;
	assert_int_equal(quoit_crowd_init(&crowd, 130), 0);
	assert_int_equal(quoit_crowd_choose(&crowd), -1);
	for (int seat = 0; seat < 130; seat++)
		assert_int_equal(quoit_crowd_sit(&crowd), seat);
	for (int seat = 129; seat >= 0; seat--)
		quoit_crowd_arm(&crowd, seat);
	for (int seat = 0; seat < 130; seat++) {
		assert_int_equal(quoit_crowd_sleepers(&crowd), 130 - seat);
		assert_int_equal(quoit_crowd_choose(&crowd), seat);
		assert_true(quoit_crowd_leave(&crowd, seat));
	}
	assert_int_equal(quoit_crowd_choose(&crowd), -1);
}

/* A wake-up must not go to somebody who has left. */
static void who_leaves_is_not_called_any_more(void **state)
{
	struct quoit_crowd crowd;

	(void)state;
	assert_int_equal(quoit_crowd_init(&crowd, 3), 0);
	for (int seat = 0; seat < 3; seat++) {
		assert_int_equal(quoit_crowd_sit(&crowd), seat);
		quoit_crowd_arm(&crowd, seat);
	}
	assert_false(quoit_crowd_leave(&crowd, 0));
	assert_false(quoit_crowd_leave(&crowd, 2));
	assert_int_equal(quoit_crowd_choose(&crowd), 1);
	assert_int_equal(quoit_crowd_choose(&crowd), -1);
	assert_true(quoit_crowd_leave(&crowd, 1));
}

static void who_is_called_before_the_sleep_does_not_sleep(void **state)
{
	const uint64_t deadline_ns = quoit_deadline_ns(LONG_NS);
	struct quoit_crowd crowd;

	(void)state;
	assert_int_equal(quoit_crowd_init(&crowd, 1), 0);
	for (int round = 0; round < 3; round++) {
		const int seat = quoit_crowd_sit(&crowd);

		quoit_crowd_arm(&crowd, seat);
		if (round == 1)
			quoit_crowd_signal_all(&crowd);
		else
			quoit_crowd_signal(&crowd);
		assert_int_equal(quoit_crowd_sleepers(&crowd), 0);
		assert_int_equal(quoit_crowd_sleep(&crowd, seat, deadline_ns), 0);
		assert_true(quoit_crowd_leave(&crowd, seat));
		quoit_crowd_rise(&crowd, seat);
	}
}

static void a_sleep_ends_at_its_deadline_with_the_bit_still_up(void **state)
{
	const uint64_t deadline_ns = quoit_deadline_ns(1000000);
	struct quoit_crowd crowd;

	(void)state;
	assert_int_equal(quoit_crowd_init(&crowd, 1), 0);
	quoit_crowd_arm(&crowd, 0);
	assert_int_equal(quoit_crowd_sleep(&crowd, 0, deadline_ns), -ETIMEDOUT);
	assert_true(quoit_clock_now_ns() >= deadline_ns);
	assert_false(quoit_crowd_leave(&crowd, 0));
}

/* --- threads --------------------------------------------------------------------------------- */

struct sleeper {
	struct quoit_crowd *crowd;
	pthread_t thread;
	int rc;
	bool called;
	uint32_t awake;
};

static void *sleep_worker(void *arg)
{
	struct sleeper *const s = arg;
	const int seat = quoit_crowd_sit(s->crowd);

	quoit_crowd_arm(s->crowd, seat);

	s->rc = quoit_crowd_sleep(s->crowd, seat, quoit_deadline_ns(LONG_NS));
	s->called = quoit_crowd_leave(s->crowd, seat);
	quoit_crowd_rise(s->crowd, seat);
	quoit_store_release(&s->awake, 1); /* read by count_awake() */
	return NULL;
}

static size_t count_awake(struct sleeper *s)
{
	size_t n = 0;

	for (size_t i = 0; i < SLEEPERS; i++)
		n += quoit_load_acquire(&s[i].awake);
	return n;
}

static void each_signal_wakes_one_thread_and_a_close_the_rest(void **state)
{
	struct sleeper s[SLEEPERS] = {0};
	struct quoit_crowd crowd;

	(void)state;
	assert_int_equal(quoit_crowd_init(&crowd, SLEEPERS), 0);
	for (size_t i = 0; i < SLEEPERS; i++) {
		s[i].crowd = &crowd;
		assert_int_equal(pthread_create(&s[i].thread, NULL, sleep_worker, &s[i]), 0);
	}
	while (quoit_crowd_sleepers(&crowd) < SLEEPERS)
		quoit_yield();
	for (size_t n = 1; n <= 2; n++) {
		quoit_crowd_signal(&crowd);
		assert_int_equal(quoit_crowd_sleepers(&crowd), SLEEPERS - n);
		while (count_awake(s) < n)
			quoit_yield();
		assert_int_equal(count_awake(s), n);
	}
	quoit_crowd_signal_all(&crowd);
	assert_int_equal(quoit_crowd_sleepers(&crowd), 0);
	for (size_t i = 0; i < SLEEPERS; i++) {
		pthread_join(s[i].thread, NULL);
		assert_int_equal(s[i].rc, 0);
		assert_true(s[i].called);
	}
}

/* --- waiters --------------------------------------------------------------------------------- */

static void a_waiter_pauses_first_and_raises_its_bit_only_to_sleep(void **state)
{
	const struct quoit_wait how = {
		.kind = QUOIT_WAIT_PHASED, .spins = 2, .yields = 1, .deadline_ns = 1};
	struct quoit_crowd_waiter waiter;
	struct quoit_crowd crowd;

	(void)state;
	assert_int_equal(quoit_crowd_init(&crowd, 1), 0);
	quoit_crowd_begin(&waiter, &crowd, &how);
	for (size_t step = 0; step < 3; step++) {
		quoit_crowd_ready(&waiter);
		assert_int_equal(quoit_crowd_sleepers(&crowd), 0);
		quoit_crowd_step(&waiter);
	}
	assert_int_equal(waiter.steps.spins, 3);
	quoit_crowd_ready(&waiter);
	assert_int_equal(quoit_crowd_sleepers(&crowd), 1);
	quoit_crowd_step(&waiter); /* the deadline is long past */
	assert_true(waiter.steps.expired);
	assert_int_equal(quoit_crowd_sleepers(&crowd), 0);
	assert_false(quoit_crowd_end(&waiter));
	assert_int_equal(quoit_crowd_sit(&crowd), 0); /* the seat is free again */
}

/* D-61: others may always be quicker to take what it was called for. */
static void who_is_called_again_and_again_is_late_as_well(void **state)
{
	const struct quoit_wait how = {.kind = QUOIT_WAIT_PHASED, .deadline_ns = 1};
	struct quoit_crowd_waiter waiter;
	struct quoit_crowd crowd;

	(void)state;
	assert_int_equal(quoit_crowd_init(&crowd, 1), 0);
	quoit_crowd_begin(&waiter, &crowd, &how);
	quoit_crowd_ready(&waiter);
	quoit_crowd_signal(&crowd);
	quoit_crowd_step(&waiter); /* it does not sleep, because it is called */
	assert_true(waiter.steps.expired);
	assert_true(quoit_crowd_end(&waiter));
}

/* There most often is something after a sleep, and to look for it needs no fence. */
static void after_a_sleep_a_waiter_looks_once_before_it_raises_its_bit_again(void **state)
{
	const struct quoit_wait how = {.kind = QUOIT_WAIT_PHASED};
	struct quoit_crowd_waiter waiter;
	struct quoit_crowd crowd;

	(void)state;
	assert_int_equal(quoit_crowd_init(&crowd, 1), 0);
	quoit_crowd_begin(&waiter, &crowd, &how);
	for (int round = 0; round < 3; round++) {
		quoit_crowd_ready(&waiter);
		assert_int_equal(quoit_crowd_sleepers(&crowd), 1);
		quoit_crowd_signal(&crowd);
		quoit_crowd_step(&waiter); /* it is called, and does not sleep for long */
		quoit_crowd_ready(&waiter);
		assert_int_equal(quoit_crowd_sleepers(&crowd), 0);
		quoit_crowd_step(&waiter); /* nothing was found: now armed */
	}
	assert_true(quoit_crowd_end(&waiter));
}

static void a_waiter_that_finds_something_itself_learns_whether_it_was_called(void **state)
{
	const struct quoit_wait how = {.kind = QUOIT_WAIT_PHASED};
	struct quoit_crowd_waiter waiter;
	struct quoit_crowd crowd;

	(void)state;
	assert_int_equal(quoit_crowd_init(&crowd, 1), 0);
	for (int called = 0; called < 2; called++) {
		quoit_crowd_begin(&waiter, &crowd, &how);
		quoit_crowd_ready(&waiter);
		if (called)
			quoit_crowd_signal(&crowd);
		assert_int_equal(quoit_crowd_end(&waiter), called);
		assert_int_equal(quoit_crowd_sleepers(&crowd), 0);
	}
}

static void a_waiter_without_a_seat_looks_again_and_again(void **state)
{
	const struct quoit_wait how = {.kind = QUOIT_WAIT_PHASED,
				       .deadline_ns = quoit_deadline_ns(LONG_NS)};
	struct quoit_crowd_waiter waiter;
	struct quoit_crowd crowd;

	(void)state;
	assert_int_equal(quoit_crowd_init(&crowd, 1), 0);
	assert_int_equal(quoit_crowd_sit(&crowd), 0);
	quoit_crowd_begin(&waiter, &crowd, &how);
	for (size_t looks = 0; looks < 3; looks++) {
		quoit_crowd_ready(&waiter);
		assert_int_equal(quoit_crowd_sleepers(&crowd), 0);
		quoit_crowd_step(&waiter);
		assert_false(waiter.steps.expired);
	}
	assert_false(quoit_crowd_end(&waiter));
	waiter.steps.how.deadline_ns = 1; /* long past */
	quoit_crowd_ready(&waiter);
	quoit_crowd_step(&waiter);
	assert_true(waiter.steps.expired);
	assert_false(quoit_crowd_end(&waiter));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(seats_are_as_many_as_were_asked_for_and_can_be_had_again),
		cmocka_unit_test(a_full_crowd_looks_at_no_more_seats_than_there_are),
		cmocka_unit_test(a_signal_calls_the_lowest_seat_and_no_other),
		cmocka_unit_test(who_leaves_is_not_called_any_more),
		cmocka_unit_test(who_is_called_before_the_sleep_does_not_sleep),
		cmocka_unit_test(a_sleep_ends_at_its_deadline_with_the_bit_still_up),
		cmocka_unit_test(each_signal_wakes_one_thread_and_a_close_the_rest),
		cmocka_unit_test(a_waiter_pauses_first_and_raises_its_bit_only_to_sleep),
		cmocka_unit_test(who_is_called_again_and_again_is_late_as_well),
		cmocka_unit_test(after_a_sleep_a_waiter_looks_once_before_it_raises_its_bit_again),
		cmocka_unit_test(a_waiter_that_finds_something_itself_learns_whether_it_was_called),
		cmocka_unit_test(a_waiter_without_a_seat_looks_again_and_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
