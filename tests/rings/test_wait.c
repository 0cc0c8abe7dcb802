/* SPDX-License-Identifier: MIT */
/*
 * test_wait.c - backoff, wait strategies and their deadlines, and the events that sleepers sleep
 * on: features B114, B120 to B133, defects D-01, D-07 and D-61. Rings that wait: test_spsc_wait.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include <quoit/numa/clock.h>
#include <quoit/rings/wait.h>

/* --- a clock that stands still, yields that are counted, sleeps that are not slept ----------- */

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __real_sched_yield(void);
int __wrap_sched_yield(void);
int __real_clock_nanosleep(clockid_t clock, int flags, const struct timespec *until,
			   struct timespec *rest);
int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *until,
			   struct timespec *rest);

static uint64_t stopped_at_ns; /* 0: it runs */
static uint64_t yields;
static uint64_t sleeps_until_s; /* of the last sleep under a clock that stands still */

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
	if (!stopped_at_ns)
		return __real_clock_gettime(clock, now);
	now->tv_sec = (time_t)(stopped_at_ns / 1000000000);
	now->tv_nsec = (long)(stopped_at_ns % 1000000000);
	return 0;
}

int __wrap_sched_yield(void)
{
	(void)quoit_add(&yields, 1);
	return __real_sched_yield();
}

int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *until,
			   struct timespec *rest)
{
	if (!stopped_at_ns)
		return __real_clock_nanosleep(clock, flags, until, rest);
	sleeps_until_s = (uint64_t)until->tv_sec;
	return 0;
}

#define LONG_NS	 INT64_C(10000000000) /* nobody waits for it unless a wake is lost */
#define SHORT_NS INT64_C(2000000)

static void backoff_pauses_seven_times_and_yields_four_times(void **state)
{
	struct quoit_backoff backoff = {0};

	(void)state;
	yields = 0;
	for (uint32_t step = 0; step <= QUOIT_BACKOFF_YIELDS; step++) {
		assert_int_equal(backoff.step, step);
		assert_false(quoit_backoff_is_done(&backoff));
		quoit_backoff_snooze(&backoff);
		assert_int_equal(yields,
				 step > QUOIT_BACKOFF_SPINS ? step - QUOIT_BACKOFF_SPINS : 0);
	}
	assert_true(quoit_backoff_is_done(&backoff));
	quoit_backoff_snooze(&backoff);
	assert_int_equal(backoff.step, QUOIT_BACKOFF_YIELDS + 1);
	quoit_backoff_reset(&backoff);
	assert_false(quoit_backoff_is_done(&backoff));
}

static void spinning_alone_is_never_done(void **state)
{
	struct quoit_backoff backoff = {0};

	(void)state;
	for (int i = 0; i < 100; i++)
		quoit_backoff_spin(&backoff);
	assert_int_equal(backoff.step, QUOIT_BACKOFF_SPINS + 1);
	assert_false(quoit_backoff_is_done(&backoff));
}

static void the_usual_ways_to_wait_are_ways_and_have_the_deadline_asked_for(void **state)
{
	struct quoit_wait how = quoit_wait_block();

	(void)state;
	assert_int_equal(how.kind, QUOIT_WAIT_BLOCK);
	assert_int_equal(how.deadline_ns, 0);
	assert_int_equal(quoit_wait_check(&how), 0);
	stopped_at_ns = 5000000000;
	for (int kind = QUOIT_WAIT_SPIN; kind <= QUOIT_WAIT_PHASED; kind++) {
		const bool phased = kind == QUOIT_WAIT_PHASED;

		how = quoit_wait_for((enum quoit_wait_kind)kind, 7);
		assert_int_equal(how.kind, kind);
		assert_int_equal(how.deadline_ns, 5000000007);
		assert_int_equal(how.spins, phased ? QUOIT_PHASED_SPINS : 0);
		assert_int_equal(how.yields, phased ? QUOIT_PHASED_YIELDS : 0);
		assert_int_equal(how.sleep_ns, 0);
		assert_int_equal(quoit_wait_check(&how), 0);
	}
	stopped_at_ns = 0;
	how = quoit_wait_for(QUOIT_WAIT_TIMED, QUOIT_FOREVER);
	assert_int_equal(quoit_wait_check(&how), -EINVAL);
	how = quoit_wait_for(QUOIT_WAIT_YIELD, QUOIT_FOREVER);
	assert_int_equal(how.deadline_ns, 0);
}

static void a_deadline_is_a_time_and_none_is_0(void **state)
{
	const uint64_t before = quoit_clock_now_ns();
	const uint64_t deadline = quoit_deadline_ns(1000);
	const uint64_t after = quoit_clock_now_ns();

	(void)state;
	assert_in_range(deadline, before + 1000, after + 1000);
	assert_true(quoit_deadline_ns(0) >= before);
	assert_int_equal(quoit_deadline_ns(QUOIT_FOREVER), 0);
	assert_int_equal(quoit_deadline_ns(INT64_MIN), 0);
	assert_int_equal(quoit_deadline_ns(INT64_MAX), 0); /* in 292 years: never */
}

static void a_deadline_is_reached_and_told_to_the_nanosecond(void **state)
{
	struct quoit_wait how = {.kind = QUOIT_WAIT_YIELD, .deadline_ns = 5001};
	struct quoit_waiter waiter;

	(void)state;
	stopped_at_ns = 5000;
	assert_int_equal(quoit_deadline_ns(INT64_MAX - 5000), INT64_MAX);
	assert_int_equal(quoit_deadline_ns(INT64_MAX - 4999), 0);
	for (int late = 0; late < 2; late++) {
		how.deadline_ns = 5001 - (uint64_t)late;
		quoit_waiter_init(&waiter, &how);
		for (int i = 0; i < 11; i++)
			quoit_waiter_wait(&waiter, NULL, 0);
		assert_int_equal(waiter.expired, late);
	}
	stopped_at_ns = 0;
	assert_int_equal(waiter.how.sleep_ns, 1000); /* unless told */
}

static void each_kind_yields_as_often_as_it_says(void **state)
{
	static const struct {
		enum quoit_wait_kind kind;
		uint64_t yields;
	} kinds[] = {
		{QUOIT_WAIT_SPIN, 0},	{QUOIT_WAIT_YIELD, 40}, {QUOIT_WAIT_SLEEP, 10},
		{QUOIT_WAIT_BLOCK, 10}, {QUOIT_WAIT_PHASED, 4},
	};

	(void)state;
	for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
		const struct quoit_wait how = {
			.kind = kinds[k].kind, .spins = 3, .yields = 4, .sleep_ns = 1};
		struct quoit_waiter waiter;

		quoit_waiter_init(&waiter, &how);
		quoit_store(&yields, 0);
		for (int i = 0; i < 50; i++)
			quoit_waiter_wait(&waiter, NULL, 0);
		assert_int_equal(quoit_load(&yields), kinds[k].yields);
	}
}

static void only_the_six_kinds_are_ways_to_wait(void **state)
{
	struct quoit_wait how = {.kind = QUOIT_WAIT_SPIN};

	(void)state;
	for (int kind = -1; kind <= QUOIT_WAIT_PHASED + 1; kind++) {
		const bool known = kind >= 0 && kind <= QUOIT_WAIT_PHASED;

		how.kind = (enum quoit_wait_kind)kind;
		how.deadline_ns = 1;
		assert_int_equal(quoit_wait_check(&how), known ? 0 : -EINVAL);
		how.deadline_ns = 0;
		assert_int_equal(quoit_wait_check(&how),
				 known && kind != QUOIT_WAIT_TIMED ? 0 : -EINVAL);
	}
}

/* D-61: in the first system only one kind had a timeout, and by the wrong clock. */
static void every_kind_ends_at_its_deadline_and_not_before(void **state)
{
	struct quoit_event event = {0};

	(void)state;
	for (int kind = 0; kind <= QUOIT_WAIT_PHASED; kind++)
		for (int with_event = 0; with_event < 2; with_event++) {
			const struct quoit_wait how = {
				.kind = (enum quoit_wait_kind)kind,
				.spins = QUOIT_PHASED_SPINS,
				.yields = QUOIT_PHASED_YIELDS,
				.deadline_ns = quoit_deadline_ns(SHORT_NS),
			};
			struct quoit_event *const on = with_event ? &event : NULL;
			struct quoit_waiter waiter;

			quoit_waiter_init(&waiter, &how);
			while (!waiter.expired)
				quoit_waiter_wait(&waiter, on, quoit_waiter_arm(&waiter, on));
			assert_true(quoit_clock_now_ns() >= how.deadline_ns);
		}
}

/* Under a clock that stands still, or a busy machine might let the deadline pass before the sleep.
 */
static void a_sleep_is_cut_short_by_the_deadline(void **state)
{
	const struct quoit_wait how = {
		.kind = QUOIT_WAIT_SLEEP,
		.sleep_ns = UINT64_C(1) << 60, /* years */
		.deadline_ns = UINT64_C(7000000000),
	};
	struct quoit_waiter waiter;

	(void)state;
	sleeps_until_s = 0;
	stopped_at_ns = UINT64_C(5000000000);
	quoit_waiter_init(&waiter, &how);
	for (int step = 0; step < 21; step++)
		quoit_waiter_wait(&waiter, NULL, 0);
	stopped_at_ns = 0;
	assert_int_equal(sleeps_until_s, 7);
}

/* The time at which it would end is beyond what 64 bits hold, and not long past. */
static void a_sleep_for_ever_is_not_one_for_no_time(void **state)
{
	const struct quoit_wait how = {.kind = QUOIT_WAIT_SLEEP, .sleep_ns = UINT64_MAX};
	struct quoit_waiter waiter;

	(void)state;
	stopped_at_ns = UINT64_C(5000000000);
	quoit_waiter_init(&waiter, &how);
	for (int step = 0; step < 21; step++)
		quoit_waiter_wait(&waiter, NULL, 0);
	stopped_at_ns = 0;
	assert_int_equal(sleeps_until_s, UINT64_MAX / 1000000000);
}

/*
 * D-61: a sleep that something ends is not too late by itself, and where others are always quicker
 * to take what it was woken for there is always something.
 */
static void who_is_stirred_again_and_again_is_late_as_well(void **state)
{
	const struct quoit_wait how = {.kind = QUOIT_WAIT_PHASED, .deadline_ns = 5001};
	struct quoit_event event = {0};
	struct quoit_waiter waiter;

	(void)state;
	quoit_waiter_init(&waiter, &how);
	for (stopped_at_ns = 5000; stopped_at_ns <= 5001; stopped_at_ns++) {
		uint32_t key = quoit_waiter_arm(&waiter, &event);

		assert_int_not_equal(key, 0);
		quoit_event_signal(&event);
		quoit_waiter_wait(&waiter, &event, key);
		assert_int_equal(waiter.expired, stopped_at_ns == 5001);
		key = quoit_waiter_arm(&waiter, &event); /* it looks first */
		assert_int_equal(key, 0);
		quoit_waiter_wait(&waiter, &event, key);
	}
	stopped_at_ns = 0;
}

static void a_waiter_sleeps_only_after_its_pauses_and_yields(void **state)
{
	const struct quoit_wait how = {.kind = QUOIT_WAIT_PHASED, .spins = 3, .yields = 2};
	struct quoit_event event = {0};
	struct quoit_waiter waiter;

	(void)state;
	quoit_waiter_init(&waiter, &how);
	for (int round = 0; round < 2; round++) {
		for (int step = 0; step < 5; step++) {
			assert_int_equal(quoit_waiter_arm(&waiter, &event), 0);
			quoit_waiter_wait(&waiter, &event, 0);
		}
		assert_int_equal(waiter.spins, 5 * (round + 1));
		assert_int_equal(quoit_waiter_arm(&waiter, NULL), 0);
		assert_int_equal(quoit_waiter_arm(&waiter, &event) & 1, 1);
		quoit_waiter_reset(&waiter);
	}
}

static void of_one_arming_one_wake_is_owed(void **state)
{
	struct quoit_event event = {0};
	uint32_t key;

	(void)state;
	assert_false(quoit_event_owed(&event));
	key = quoit_event_arm(&event);
	assert_int_equal(quoit_event_arm(&event), key); /* a second sleeper of the same sleep */
	assert_true(quoit_event_owed(&event));
	assert_false(quoit_event_owed(&event));
	assert_int_not_equal(quoit_event_arm(&event), key);
}

static void a_sleep_that_begins_after_its_wake_is_none(void **state)
{
	struct quoit_event event = {0};
	const uint32_t key = quoit_event_arm(&event);

	(void)state;
	quoit_event_signal(&event);
	assert_int_equal(quoit_event_sleep(&event, key, 0), 0);
	(void)quoit_event_arm(&event); /* by somebody else: the old key stays spent */
	assert_int_equal(quoit_event_sleep(&event, key, 0), 0);
}

struct sleeper {
	struct quoit_event *event;
	uint32_t key;
	int rc;
};

static void *sleep_worker(void *arg)
{
	struct sleeper *const sleeper = arg;

	sleeper->rc = quoit_event_sleep(sleeper->event, sleeper->key, quoit_deadline_ns(LONG_NS));
	return NULL;
}

static void one_wake_ends_the_sleep_of_all_who_armed(void **state)
{
	struct quoit_event event = {0};
	struct sleeper sleepers[3];
	pthread_t threads[3];

	(void)state;
	for (int i = 0; i < 3; i++) {
		sleepers[i] = (struct sleeper){.event = &event, .key = quoit_event_arm(&event)};
		assert_int_equal(pthread_create(&threads[i], NULL, sleep_worker, &sleepers[i]), 0);
	}
	while (quoit_event_sleepers(&event) < 3)
		quoit_yield();
	quoit_event_signal(&event);
	for (int i = 0; i < 3; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(sleepers[i].rc, 0); /* not -ETIMEDOUT */
	}
	assert_int_equal(quoit_event_sleepers(&event), 0);
}

/* For ThreadSanitizer: the sleeper is out of it before its memory is used for something else. */
static void once_nobody_sleeps_an_event_may_be_freed(void **state)
{
	(void)state;
	for (int round = 0; round < 20; round++) {
		struct quoit_event event = {0};
		struct sleeper sleeper = {.event = &event, .key = quoit_event_arm(&event)};
		pthread_t thread;

		assert_int_equal(pthread_create(&thread, NULL, sleep_worker, &sleeper), 0);
		while (!quoit_event_sleepers(&event))
			quoit_yield();
		quoit_event_signal(&event);
		while (quoit_event_sleepers(&event))
			quoit_yield();
		memset(&event, 0xee, sizeof(event));
		assert_int_equal(pthread_join(thread, NULL), 0);
	}
}

static void the_word_of_an_event_wraps(void **state)
{
	struct quoit_event event = {.word = UINT32_MAX - 1};
	uint32_t key = quoit_event_arm(&event);

	(void)state;
	assert_int_equal(key, UINT32_MAX);
	assert_true(quoit_event_owed(&event));
	assert_int_equal(quoit_event_sleep(&event, key, 0), 0);
	assert_int_equal(quoit_event_arm(&event), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_deadline_is_reached_and_told_to_the_nanosecond),
		cmocka_unit_test(each_kind_yields_as_often_as_it_says),
		cmocka_unit_test(once_nobody_sleeps_an_event_may_be_freed),
		cmocka_unit_test(backoff_pauses_seven_times_and_yields_four_times),
		cmocka_unit_test(spinning_alone_is_never_done),
		cmocka_unit_test(a_deadline_is_a_time_and_none_is_0),
		cmocka_unit_test(the_usual_ways_to_wait_are_ways_and_have_the_deadline_asked_for),
		cmocka_unit_test(only_the_six_kinds_are_ways_to_wait),
		cmocka_unit_test(every_kind_ends_at_its_deadline_and_not_before),
		cmocka_unit_test(a_sleep_is_cut_short_by_the_deadline),
		cmocka_unit_test(a_sleep_for_ever_is_not_one_for_no_time),
		cmocka_unit_test(who_is_stirred_again_and_again_is_late_as_well),
		cmocka_unit_test(a_waiter_sleeps_only_after_its_pauses_and_yields),
		cmocka_unit_test(of_one_arming_one_wake_is_owed),
		cmocka_unit_test(a_sleep_that_begins_after_its_wake_is_none),
		cmocka_unit_test(one_wake_ends_the_sleep_of_all_who_armed),
		cmocka_unit_test(the_word_of_an_event_wraps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
