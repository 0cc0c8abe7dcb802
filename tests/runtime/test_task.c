/* SPDX-License-Identifier: MIT */
/*
 * test_task.c - deferred tasks: in order, bounded, the next turn for those of tasks; and idle
 * hooks, which are called before every sleep and keep the loop awake only while they say so.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <quoit/numa/clock.h>
#include <quoit/runtime/task.h>

#include "runtime/loop_kinds.h"

#define MANY 1000
#define MS   1000000ull

static struct {
	struct driven d;
	unsigned ran;
	unsigned wrong;	 /* out of order */
	unsigned most;	 /* that ran in one turn */
	uint64_t before; /* of the turn in which the first ran */
	unsigned again;	 /* how often a task defers itself yet */
	struct quoit_task *other;
	bool other_waited;
	unsigned idle;	 /* calls of the hook */
	unsigned useful; /* how often it says yet that it did something */
	struct quoit_idle *gone;
} seen;

static uint64_t turns(void)
{
	struct quoit_loop_stats stats;

	quoit_loop_read_stats(seen.d.loop, &stats);
	return stats.turns;
}

static void begin(enum kind kind)
{
	memset(&seen, 0, sizeof(seen));
	drive_open(&seen.d, kind, NULL);
}

static void in_order(struct quoit_task *task, void *ctx)
{
	(void)task;
	seen.wrong += (uintptr_t)ctx != seen.ran;
	seen.ran++;
}

static void tasks_run_once_each_and_in_order_in_every_kind_of_loop(void **state)
{
	static struct quoit_task tasks[MANY];

	(void)state;
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct quoit_loop_stats stats;

		begin(kind);
		for (uintptr_t i = 0; i < MANY; i++)
			quoit_task_defer(seen.d.loop, &tasks[i], in_order, (void *)i);
		assert_int_equal(seen.ran, 0); /* not by the call itself */
		assert_true(quoit_task_is_deferred(&tasks[7]));
		assert_int_equal(quoit_loop_destroy(seen.d.loop), -EBUSY);
		drive_until(&seen.d, seen.ran == MANY);
		assert_false(quoit_task_is_deferred(&tasks[7]));
		drive(&seen.d);
		assert_int_equal(seen.ran, MANY);
		assert_int_equal(seen.wrong, 0);
		quoit_loop_read_stats(seen.d.loop, &stats);
		assert_int_equal(stats.tasks, MANY);
		/* A turn has a limit: more of them were needed, and none slept in between. */
		assert_true(stats.turns >= MANY / 256);
		drive_close(&seen.d);
	}
}

static void a_turn_runs_no_more_than_its_budget(void **state)
{
	static struct quoit_task tasks[MANY];
	unsigned before = 0;

	(void)state;
	begin(KIND_OWN);
	for (uintptr_t i = 0; i < MANY; i++)
		quoit_task_defer(seen.d.loop, &tasks[i], in_order, (void *)i);
	while (seen.ran < MANY) {
		assert_int_equal(quoit_loop_run_once(seen.d.loop, QUOIT_FOREVER), 0);
		assert_in_range(seen.ran - before, 1, 256);
		before = seen.ran;
	}
	drive_close(&seen.d);
}

static void again_in_the_next_turn(struct quoit_task *task, void *ctx)
{
	const uint64_t now = turns();

	(void)ctx;
	seen.wrong += seen.ran && now != seen.before + 1;
	seen.before = now;
	seen.ran++;
	if (seen.again--)
		quoit_task_defer(seen.d.loop, task, again_in_the_next_turn, NULL);
}

static void a_task_that_defers_itself_runs_in_the_next_turn_and_nothing_sleeps(void **state)
{
	(void)state;
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct quoit_task task = {0};
		struct quoit_loop_stats stats;

		begin(kind);
		seen.again = 20;
		quoit_task_defer(seen.d.loop, &task, again_in_the_next_turn, NULL);
		/* With nothing else to wake it, a loop that slept would hang here. */
		drive_until(&seen.d, seen.ran >= 21);
		assert_int_equal(seen.ran, 21);
		assert_int_equal(seen.wrong, 0);
		quoit_loop_read_stats(seen.d.loop, &stats);
		assert_int_equal(stats.sleeps, 0);
		drive_close(&seen.d);
	}
}

static void cancel_other(struct quoit_task *task, void *ctx)
{
	(void)task;
	(void)ctx;
	seen.ran++;
	seen.other_waited = quoit_task_cancel(seen.other);
}

static void a_task_may_cancel_another_of_its_turn_and_both_may_be_deferred_again(void **state)
{
	struct quoit_task first = {0};
	struct quoit_task second = {0};

	(void)state;
	begin(KIND_OWN);
	assert_false(quoit_task_cancel(&first)); /* at rest */
	seen.other = &second;
	quoit_task_defer(seen.d.loop, &first, cancel_other, NULL);
	quoit_task_defer(seen.d.loop, &second, cancel_other, NULL);
	drive(&seen.d);
	assert_int_equal(seen.ran, 1);
	assert_true(seen.other_waited);
	/* Deferred twice is deferred once, with what was said last. */
	quoit_task_defer(seen.d.loop, &second, cancel_other, NULL);
	quoit_task_defer(seen.d.loop, &second, in_order, (void *)1);
	drive(&seen.d);
	assert_int_equal(seen.ran, 2);
	assert_int_equal(seen.wrong, 0);
	drive_close(&seen.d);
}

static void free_self(struct quoit_task *task, void *ctx)
{
	(void)ctx;
	seen.ran++;
	free(task);
}

static void a_task_may_free_itself(void **state)
{
	(void)state;
	begin(KIND_OWN);
	for (int i = 0; i < 10; i++) {
		struct quoit_task *task = calloc(1, sizeof(*task));

		assert_non_null(task);
		quoit_task_defer(seen.d.loop, task, free_self, NULL);
	}
	drive_until(&seen.d, seen.ran == 10);
	drive_close(&seen.d);
}

/* --- idle hooks ------------------------------------------------------------------------------ */

static bool count_idle(struct quoit_idle *idle, void *ctx)
{
	(void)idle;
	(void)ctx;
	seen.idle++;
	if (!seen.useful)
		return false;
	seen.useful--;
	return true;
}

static void timer_only(struct quoit_timer *timer, void *ctx)
{
	(void)timer;
	(void)ctx;
	seen.ran++;
}

static void an_idle_hook_is_called_before_a_sleep_and_again_as_long_as_it_says_so(void **state)
{
	(void)state;
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct quoit_idle idle = {0};
		struct quoit_timer timer = {0};
		uint64_t before;

		begin(kind);
		drive(&seen.d); /* the bell is armed */
		seen.useful = 5;
		quoit_idle_add(seen.d.loop, &idle, count_idle, NULL);
		quoit_idle_add(seen.d.loop, &idle, count_idle, NULL); /* once is enough */
		quoit_timers_start(quoit_loop_timers(seen.d.loop), &timer,
				   quoit_clock_now_ns() + 5 * MS, timer_only, NULL);
		before = turns();
		drive_until(&seen.d, seen.ran);
		/* Once in a turn at most; when it had nothing to do any more, the loop slept. */
		assert_int_equal(seen.useful, 0);
		assert_true(seen.idle >= 6);
		assert_true(seen.idle <= turns() - before);
		assert_true(turns() - before < 60);
		assert_int_equal(quoit_loop_destroy(seen.d.loop), -EBUSY);
		assert_true(quoit_idle_remove(&idle));
		assert_false(quoit_idle_remove(&idle));
		drive_close(&seen.d);
	}
}

static bool remove_and_free(struct quoit_idle *idle, void *ctx)
{
	(void)ctx;
	seen.idle++;
	(void)quoit_idle_remove(idle);
	if (seen.gone)
		(void)quoit_idle_remove(seen.gone);
	free(idle);
	return true; /* and yet it must not keep the loop awake */
}

static void a_hook_may_remove_and_free_itself_and_remove_others(void **state)
{
	struct quoit_idle other = {0};
	struct quoit_idle *idle = calloc(1, sizeof(*idle));
	struct quoit_timer timer = {0};
	uint64_t before;

	(void)state;
	begin(KIND_OWN);
	seen.gone = &other;
	quoit_idle_add(seen.d.loop, idle, remove_and_free, NULL);
	quoit_idle_add(seen.d.loop, &other, count_idle, NULL);
	quoit_timers_start(quoit_loop_timers(seen.d.loop), &timer, quoit_clock_now_ns() + 5 * MS,
			   timer_only, NULL);
	before = turns();
	drive_until(&seen.d, seen.ran);
	assert_int_equal(seen.idle, 1);
	assert_true(turns() - before < 60);
	drive_close(&seen.d);
}

static bool defer_one(struct quoit_idle *idle, void *ctx)
{
	struct quoit_task *task = ctx;

	(void)idle;
	if (seen.idle++)
		return false;
	quoit_task_defer(seen.d.loop, task, in_order, NULL);
	return false;
}

static void what_a_hook_defers_runs_before_the_loop_sleeps(void **state)
{
	(void)state;
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct quoit_idle idle = {0};
		struct quoit_task task = {0};

		begin(kind);
		quoit_idle_add(seen.d.loop, &idle, defer_one, &task);
		drive_until(&seen.d, seen.ran);
		assert_int_equal(seen.ran, 1);
		assert_true(quoit_idle_remove(&idle));
		drive_close(&seen.d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tasks_run_once_each_and_in_order_in_every_kind_of_loop),
		cmocka_unit_test(a_turn_runs_no_more_than_its_budget),
		cmocka_unit_test(
			a_task_that_defers_itself_runs_in_the_next_turn_and_nothing_sleeps),
		cmocka_unit_test(
			a_task_may_cancel_another_of_its_turn_and_both_may_be_deferred_again),
		cmocka_unit_test(a_task_may_free_itself),
		cmocka_unit_test(
			an_idle_hook_is_called_before_a_sleep_and_again_as_long_as_it_says_so),
		cmocka_unit_test(a_hook_may_remove_and_free_itself_and_remove_others),
		cmocka_unit_test(what_a_hook_defers_runs_before_the_loop_sleeps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
