/* SPDX-License-Identifier: MIT */
/*
 * test_loop.c - one loop on the test's own thread, turned by hand: what wakes it, what keeps it
 * from sleeping, and how much a turn does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <cmocka.h>

#include <quoit/numa/clock.h>
#include <quoit/runtime/loop_internal.h>

#include "support/skip.h"

#define MS 1000000ull

static struct quoit_loop loop;
static struct quoit_bell bells[1];
static bool is_open;

/* So that a loop that has nothing to wait for, or sleeps although it must not, ends all the same.
 */
static struct quoit_timer rescue;

static struct {
	uint64_t fired;
	uint64_t rescued;
	uint64_t early;
	uint64_t dispatched;
	uint64_t calmed;
	bool news;
	bool expected;
	bool changes;
	pthread_t thread;
} seen;

static int forget(void **state)
{
	(void)state;
	memset(&seen, 0, sizeof(seen));
	memset(bells, 0, sizeof(bells));
	memset(&rescue, 0, sizeof(rescue));
	is_open = false;
	return 0;
}

static int close_loop(void **state)
{
	(void)state;
	if (!is_open)
		return 0;
	quoit_loop_silence_bell(&loop);
	for (unsigned i = 0; i < 100 && !quoit_loop_bell_is_silent(&loop); i++)
		quoit_loop_turn(&loop, false);
	if (!quoit_loop_bell_is_silent(&loop))
		return -1;
	quoit_loop_close(&loop);
	quoit_loop_close_bell(&loop);
	return 0;
}

static void open_loop(void)
{
	struct quoit_reason why = {0};
	const int rc = quoit_loop_open(&loop, 64, -1, bells, 1, &why);

	if (rc == -ENOSYS || rc == -EPERM)
		skip_because("io_uring is refused: %s", why.text);
	assert_int_equal(rc, 0);
	bells[0].notify = &loop.notify;
	is_open = true;
	quoit_loop_turn(&loop, false); /* arms the bell */
}

/* --- timers ---------------------------------------------------------------------------------- */

static void fire(struct quoit_timer *timer, void *ctx)
{
	(void)ctx;
	if (quoit_clock_now_ns() < timer->deadline_ns)
		seen.early++;
	seen.fired++;
}

static void rescued(struct quoit_timer *timer, void *ctx)
{
	(void)ctx;
	seen.rescued++;
	quoit_timers_start(&loop.timers, timer, quoit_clock_now_ns() + 20 * MS, rescued, NULL);
}

static void set_rescue(uint64_t after_ns)
{
	quoit_timers_start(&loop.timers, &rescue, quoit_clock_now_ns() + after_ns, rescued, NULL);
}

static void a_timer_ends_a_sleep_and_never_fires_early(void **state)
{
	struct quoit_timer timer = {0};
	uint64_t turns;

	(void)state;
	open_loop();
	for (unsigned i = 1; i <= 20; i++) {
		quoit_timers_start(&loop.timers, &timer, quoit_clock_now_ns() + i * MS / 10, fire,
				   NULL);
		set_rescue(i * MS / 10 + 5 * MS);
		turns = loop.counts.turns;
		while (seen.fired < i)
			quoit_loop_turn(&loop, true);
		/* It slept; a turn or two more because ticks are coarser than the clock. */
		assert_true(loop.counts.turns - turns <= 6);
	}
	assert_true(loop.counts.sleeps > 0);
	assert_int_equal(seen.early, 0);
	assert_int_equal(loop.counts.timers_fired, 20 + seen.rescued);
}

static void a_turn_runs_so_many_timers_and_the_next_goes_on_without_sleeping(void **state)
{
	static struct quoit_timer timers[1000];
	uint64_t turns;

	(void)state;
	memset(timers, 0, sizeof(timers));
	open_loop();
	for (unsigned i = 0; i < 1000; i++)
		quoit_timers_start(&loop.timers, &timers[i], 1, fire, NULL);
	set_rescue(100 * MS);
	turns = loop.counts.turns;
	while (seen.fired < 1000) {
		const uint64_t before = seen.fired;

		assert_int_equal(loop.counts.sleeps, 0);
		quoit_loop_turn(&loop, true);
		assert_in_range(seen.fired - before, 1, 500);
	}
	assert_in_range(loop.counts.turns - turns, 2, 10);
}

/* --- bells ----------------------------------------------------------------------------------- */

/* Rings when the loop is about to sleep, and not before. */
static void *ring_worker(void *arg)
{
	(void)arg;
	while (!quoit_load(&loop.wake.armed))
		quoit_relax();
	return (void *)(intptr_t)quoit_notify_ring(&loop.notify);
}

static void a_bell_from_another_thread_wakes_the_loop_each_time(void **state)
{
	(void)state;
	open_loop();
	for (unsigned i = 1; i <= 50; i++) {
		void *rc;

		assert_int_equal(pthread_create(&seen.thread, NULL, ring_worker, NULL), 0);
		quoit_loop_turn(&loop, true); /* would sleep for ever */
		assert_int_equal(pthread_join(seen.thread, &rc), 0);
		assert_null(rc);
		quoit_loop_turn(&loop, false);
		assert_int_equal(loop.counts.bells_heard, i);
	}
	assert_true(loop.counts.sleeps > 0);
	assert_int_equal(quoit_load(&loop.wake.armed), 0);
}

static void a_bell_rung_through_the_ring_is_heard_and_makes_no_completion_of_its_own(void **state)
{
	(void)state;
	open_loop();
	for (unsigned i = 1; i <= 10; i++) {
		quoit_loop_ring(&loop, 0);
		set_rescue(100 * MS);
		quoit_loop_turn(&loop, true);
		quoit_loop_turn(&loop, false);
		assert_int_equal(loop.counts.bells_heard, i);
		assert_int_equal(bells[0].owner.pending, 0);
	}
	assert_int_equal(loop.uring.counts.completed, 10);
}

static void a_full_queue_rings_by_system_call(void **state)
{
	(void)state;
	open_loop();
	while (io_uring_sq_space_left(loop.uring.ring)) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(loop.uring.ring);

		io_uring_prep_nop(sqe);
		sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	}
	quoit_loop_ring(&loop, 0);
	assert_int_equal(loop.counts.bells_failed, 1);
	quoit_loop_turn(&loop, false);
	quoit_loop_turn(&loop, false);
	assert_int_equal(loop.counts.bells_heard, 1);
}

/* A poll that the kernel has ended is armed again, and a bell of meanwhile is heard at once. */
static void a_bell_that_was_cut_off_is_armed_again_and_has_missed_nothing(void **state)
{
	struct quoit_op_owner *bell;

	(void)state;
	open_loop();
	bell = &loop.bell;
	assert_int_equal(quoit_uring_cancel(&loop.uring, quoit_op_data(QUOIT_OP_BELL_HEARD, bell),
					    QUOIT_OP_CANCEL_BELL, bell),
			 0);
	assert_int_equal(quoit_uring_submit(&loop.uring), 0);
	assert_int_equal(quoit_notify_ring(&loop.notify), 0);
	for (unsigned i = 0; i < 4; i++)
		quoit_loop_turn(&loop, false);
	assert_true(loop.bell_armed);
	assert_int_equal(loop.counts.bells_heard, 2); /* the ending of the old poll, and the bell */
}

/* --- what keeps it awake --------------------------------------------------------------------- */

static size_t dispatch(struct quoit_source *source, size_t budget)
{
	(void)source;
	(void)budget;
	seen.dispatched++;
	return 0;
}

static bool has_news(struct quoit_source *source)
{
	(void)source;
	return seen.news;
}

static bool expects_news(const struct quoit_source *source)
{
	(void)source;
	return seen.expected;
}

static void flush(struct quoit_source *source)
{
	(void)source;
}

static struct quoit_source source = {
	.dispatch = dispatch, .has_news = has_news, .expects_news = expects_news, .flush = flush};

static void a_source_with_news_keeps_the_loop_from_sleeping(void **state)
{
	(void)state;
	open_loop();
	set_rescue(100 * MS);
	quoit_loop_add_source(&loop, &source);
	seen.news = true;
	for (unsigned i = 0; i < 5; i++)
		quoit_loop_turn(&loop, true);
	assert_int_equal(seen.dispatched, 5);
	assert_int_equal(loop.counts.sleeps, 0);
	assert_int_equal(quoit_load(&loop.wake.armed), 0);
}

static bool calm(struct quoit_loop *of)
{
	(void)of;
	seen.calmed++;
	return seen.changes;
}

static void what_changed_at_the_end_of_a_turn_has_another_turn(void **state)
{
	(void)state;
	open_loop();
	set_rescue(100 * MS);
	loop.calm = calm;
	seen.changes = true;
	for (unsigned i = 0; i < 5; i++)
		quoit_loop_turn(&loop, true);
	assert_int_equal(seen.calmed, 5);
	assert_int_equal(loop.counts.sleeps, 0);
}

static void a_stop_that_was_not_seen_yet_keeps_the_loop_awake(void **state)
{
	uint32_t stop = 1;

	(void)state;
	open_loop();
	set_rescue(100 * MS);
	loop.stop_flag = &stop;
	quoit_loop_turn(&loop, true);
	assert_int_equal(loop.counts.sleeps, 0);
	loop.stop_seen = true;
	quoit_loop_turn(&loop, true);
	assert_int_equal(loop.counts.sleeps, 1);
}

static void a_loop_spins_only_for_what_is_expected_and_then_sleeps(void **state)
{
	(void)state;
	open_loop();
	quoit_loop_add_source(&loop, &source);
	quoit_spin_init(&loop.spin, MS / 10, false);
	set_rescue(100 * MS);
	quoit_loop_turn(&loop, true);
	assert_int_equal(loop.counts.spins, 0);
	assert_int_equal(loop.counts.sleeps, 1);
	seen.rescued = 0;
	seen.expected = true;
	set_rescue(20 * MS);
	while (!seen.rescued)
		quoit_loop_turn(&loop, true);
	/* In vain: half as long each time, and slept in between. */
	assert_in_range(loop.counts.spins, 1, 4);
	assert_int_equal(loop.counts.spins_won, 0);
	assert_true(loop.spin.now_ns < loop.spin.most_ns);
	assert_true(loop.counts.sleeps >= 2);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, forget, close_loop)
	const struct CMUnitTest tests[] = {
		CASE(a_timer_ends_a_sleep_and_never_fires_early),
		CASE(a_turn_runs_so_many_timers_and_the_next_goes_on_without_sleeping),
		CASE(a_bell_from_another_thread_wakes_the_loop_each_time),
		CASE(a_bell_rung_through_the_ring_is_heard_and_makes_no_completion_of_its_own),
		CASE(a_full_queue_rings_by_system_call),
		CASE(a_bell_that_was_cut_off_is_armed_again_and_has_missed_nothing),
		CASE(a_source_with_news_keeps_the_loop_from_sleeping),
		CASE(what_changed_at_the_end_of_a_turn_has_another_turn),
		CASE(a_stop_that_was_not_seen_yet_keeps_the_loop_awake),
		CASE(a_loop_spins_only_for_what_is_expected_and_then_sleeps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
