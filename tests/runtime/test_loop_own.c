/* SPDX-License-Identifier: MIT */
/*
 * test_loop_own.c - a loop without a runtime: made, run, stopped from elsewhere, waited in, freed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <cmocka.h>

#include <quoit/numa/clock.h>
#include <quoit/runtime/loop.h>
#include <quoit/runtime/runtime.h>

#include "runtime/make_loop.h"

#define MS 1000000ull

static unsigned open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void making_and_freeing_leaves_no_descriptor_behind(void **state)
{
	const unsigned before = open_descriptors();

	(void)state;
	for (int i = 0; i < 3; i++) {
		const struct quoit_loop_options options = {.pollable = i == 1, .sq_entries = 64};
		struct quoit_loop *loop = make_loop(i ? &options : NULL);

		assert_int_equal(quoit_loop_run_once(loop, 0), 0);
		assert_true(open_descriptors() > before);
		assert_int_equal(quoit_loop_destroy(loop), 0);
		assert_int_equal(open_descriptors(), before);
	}
	assert_int_equal(quoit_loop_destroy(NULL), 0);
}

static void impossible_options_are_refused_in_words(void **state)
{
	const struct quoit_loop_options wrong[] = {
		{.sq_entries = 63}, {.sq_entries = 16385}, {.operations = (1u << 20) + 1}};
	struct quoit_loop *loop = (void *)&wrong;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct quoit_reason why = {0};

		assert_int_equal(quoit_loop_create(&wrong[i], &loop, &why), -EINVAL);
		assert_ptr_equal(loop, &wrong);
		assert_non_null(strstr(why.text, "give"));
	}
}

struct fired {
	struct quoit_loop *loop;
	struct quoit_timer timer;
	unsigned times;
	int nested;
};

static void fire(struct quoit_timer *timer, void *ctx)
{
	struct fired *fired = ctx;

	(void)timer;
	fired->times++;
	fired->nested = quoit_loop_run_once(fired->loop, 0);
	quoit_loop_stop(fired->loop);
}

static void run_ends_when_a_handler_stops_it_and_can_be_run_again(void **state)
{
	struct fired fired = {.loop = make_loop(NULL), .nested = 1};

	(void)state;
	for (unsigned i = 1; i <= 3; i++) {
		quoit_timers_start(quoit_loop_timers(fired.loop), &fired.timer,
				   quoit_clock_now_ns() + MS, fire, &fired);
		assert_int_equal(quoit_loop_run(fired.loop), 0);
		assert_int_equal(fired.times, i);
	}
	/* A handler that turned its own loop would find half of a turn done. */
	assert_int_equal(fired.nested, -EDEADLK);
	assert_int_equal(quoit_loop_destroy(fired.loop), 0);
}

static void *stop_worker(void *ctx)
{
	quoit_loop_stop(ctx);
	return NULL;
}

static void *wake_worker(void *ctx)
{
	quoit_loop_wake(ctx);
	return NULL;
}

static void another_thread_stops_a_loop_that_sleeps(void **state)
{
	struct quoit_loop *loop = make_loop(NULL);
	pthread_t thread;

	(void)state;
	for (int i = 0; i < 200; i++) {
		assert_int_equal(pthread_create(&thread, NULL, stop_worker, loop), 0);
		assert_int_equal(quoit_loop_run(loop), 0);
		pthread_join(thread, NULL);
	}
	assert_int_equal(quoit_loop_destroy(loop), 0);
}

static void a_wake_ends_a_sleep_without_limit(void **state)
{
	static struct quoit_loop_histograms histograms;
	struct quoit_loop *loop = make_loop(NULL);
	struct quoit_loop_stats stats;
	pthread_t thread;

	(void)state;
	assert_int_equal(quoit_loop_run_once(loop, 0), 0); /* the bell is armed */
	assert_int_equal(pthread_create(&thread, NULL, wake_worker, loop), 0);
	do {
		assert_int_equal(quoit_loop_run_once(loop, QUOIT_FOREVER), 0);
		quoit_loop_read_stats(loop, &stats);
	} while (!stats.bells_heard);
	pthread_join(thread, NULL);
	assert_int_equal(stats.bells_heard, 1);
	assert_int_equal(stats.stale, 0);
	assert_true(stats.turns >= 2);
	quoit_loop_read_histograms(loop, &histograms);
	assert_in_range(quoit_histogram_count(&histograms.wake_ns), 0, 1); /* 0: rung too early */
	assert_true(quoit_histogram_count(&histograms.sleep_ns) <= stats.sleeps); /* as above */
	assert_int_equal(quoit_histogram_count(&histograms.turn_ns), stats.turns);
	assert_int_equal(quoit_loop_destroy(loop), 0);
}

static void a_sleep_that_nobody_ends_is_counted_with_its_length(void **state)
{
	static struct quoit_loop_histograms histograms;
	struct quoit_loop *loop = make_loop(NULL);
	struct quoit_loop_stats stats;

	(void)state;
	assert_int_equal(quoit_loop_run_once(loop, 20 * MS), 0); /* longer than any spin */
	assert_int_equal(quoit_loop_run_once(loop, 0), 0);	 /* whose clock ends the sleep */
	quoit_loop_read_stats(loop, &stats);
	quoit_loop_read_histograms(loop, &histograms);
	assert_in_range(quoit_histogram_count(&histograms.sleep_ns), 1, stats.sleeps);
	assert_true(histograms.sleep_ns.sum >= MS);
	assert_int_equal(quoit_histogram_count(&histograms.wake_ns), 0);
	assert_int_equal(quoit_loop_destroy(loop), 0);
}

static bool has_fired(void *ctx)
{
	return ((struct fired *)ctx)->times != 0;
}

static void count_only(struct quoit_timer *timer, void *ctx)
{
	(void)timer;
	((struct fired *)ctx)->times++;
}

static void run_until_waits_for_what_a_handler_brings(void **state)
{
	struct fired fired = {.loop = make_loop(NULL)};
	struct quoit_timers *timers = quoit_loop_timers(fired.loop);

	(void)state;
	quoit_timers_start(timers, &fired.timer, quoit_clock_now_ns() + 2 * MS, count_only, &fired);
	assert_int_equal(quoit_loop_run_until(fired.loop, has_fired, &fired, QUOIT_FOREVER), 0);
	assert_int_equal(fired.times, 1);
	/* What holds already needs no turn, not even with no time. */
	assert_int_equal(quoit_loop_run_until(fired.loop, has_fired, &fired, 0), 0);
	assert_true(quoit_loop_now_ns(fired.loop) >= fired.timer.deadline_ns);
	assert_int_equal(quoit_loop_destroy(fired.loop), 0);
}

static void run_until_ends_at_its_time_or_at_a_stop(void **state)
{
	struct fired fired = {.loop = make_loop(NULL)};

	(void)state;
	assert_int_equal(quoit_loop_run_until(fired.loop, has_fired, &fired, MS), -ETIMEDOUT);
	assert_int_equal(quoit_loop_run_until(fired.loop, has_fired, &fired, 0), -ETIMEDOUT);
	quoit_loop_stop(fired.loop);
	assert_int_equal(quoit_loop_run_until(fired.loop, has_fired, &fired, QUOIT_FOREVER),
			 -ESHUTDOWN);
	assert_int_equal(quoit_loop_destroy(fired.loop), 0);
}

static void what_a_pollable_loop_can_others_cannot(void **state)
{
	struct quoit_loop *loop = make_loop(NULL);

	(void)state;
	assert_int_equal(quoit_loop_fd(loop), -EOPNOTSUPP);
	assert_int_equal(quoit_loop_run_ready(loop), -EOPNOTSUPP);
	assert_int_equal(quoit_loop_destroy(loop), 0);
}

/* --- a core's loop --------------------------------------------------------------------------- */

static struct {
	int in_start;
	int destroyed;
} asked;

static int ask_in_start(struct quoit_core *core, void *ctx)
{
	(void)ctx;
	asked.in_start = quoit_loop_run_once(quoit_core_loop(core), 0);
	asked.destroyed = quoit_loop_destroy(quoit_core_loop(core));
	return -ECANCELED;
}

static void the_loop_of_a_core_is_driven_by_the_runtime_alone(void **state)
{
	const struct quoit_config config = {.cores = 1, .start = ask_in_start};
	struct quoit_runtime *runtime;
	struct quoit_reason why = {0};
	const int rc = quoit_runtime_start(&config, &runtime, &why);

	(void)state;
	if (rc == -ENOSYS || rc == -EPERM)
		skip_because("io_uring is refused: %s", why.text);
	assert_int_equal(rc, -ECANCELED);
	assert_int_equal(asked.in_start, -EPERM);
	assert_int_equal(asked.destroyed, -EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(making_and_freeing_leaves_no_descriptor_behind),
		cmocka_unit_test(impossible_options_are_refused_in_words),
		cmocka_unit_test(run_ends_when_a_handler_stops_it_and_can_be_run_again),
		cmocka_unit_test(another_thread_stops_a_loop_that_sleeps),
		cmocka_unit_test(a_wake_ends_a_sleep_without_limit),
		cmocka_unit_test(a_sleep_that_nobody_ends_is_counted_with_its_length),
		cmocka_unit_test(run_until_waits_for_what_a_handler_brings),
		cmocka_unit_test(run_until_ends_at_its_time_or_at_a_stop),
		cmocka_unit_test(what_a_pollable_loop_can_others_cannot),
		cmocka_unit_test(the_loop_of_a_core_is_driven_by_the_runtime_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
