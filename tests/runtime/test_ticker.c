/* SPDX-License-Identifier: MIT */
/*
 * test_ticker.c - periodic timers: the next tick is a period after the last deadline, however late
 * the loop was; what is missed is counted, and not made up for. M9.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include <quoit/numa/clock.h>
#include <quoit/runtime/loop_internal.h>
#include <quoit/runtime/ticker.h>

#include "runtime/loop_kinds.h"

#define US 1000ull
#define MS 1000000ull

struct metronome {
	struct quoit_ticker ticker;
	struct quoit_loop *loop;
	uint64_t first_ns;
	uint64_t period_ns;
	uint64_t told;
	uint64_t missed;
	uint64_t early;
	uint64_t drift; /* deadlines that do not lie on the grid, or are not ahead */
	uint64_t stop_at;
	bool release;
};

static unsigned released;

static void on_tick(struct quoit_ticker *ticker, uint64_t missed, void *ctx)
{
	struct metronome *m = ctx;
	const uint64_t now = quoit_clock_now_ns();
	uint64_t this;

	m->told++;
	m->missed += missed;
	this = m->first_ns + (m->told + m->missed - 1) * m->period_ns;
	m->early += now < this;
	m->drift += ticker->timer.deadline_ns != this + m->period_ns;
	m->drift += this + m->period_ns <= quoit_loop_now_ns(m->loop);
	if (m->told == m->stop_at)
		m->drift += !quoit_ticker_stop(ticker);
	if (m->release && m->told == m->stop_at) {
		released++;
		free(m);
	}
}

static void start(struct metronome *m, struct quoit_loop *loop, uint64_t period_ns)
{
	m->loop = loop;
	m->period_ns = period_ns;
	m->first_ns = quoit_clock_now_ns() + period_ns;
	assert_int_equal(quoit_ticker_start(loop, &m->ticker, m->first_ns, period_ns, on_tick, m),
			 0);
	assert_true(quoit_ticker_is_running(&m->ticker));
}

static void ticks_lie_on_a_grid_in_every_kind_of_loop(void **state)
{
	(void)state;
	for (enum kind kind = 0; kind < KINDS; kind++) {
		struct metronome m = {.stop_at = 50};
		struct driven d;

		drive_open(&d, kind, NULL);
		start(&m, d.loop, 200 * US + 123); /* not a multiple of the wheel's tick */
		drive_until(&d, m.told == 50);
		assert_int_equal(m.early, 0);
		assert_int_equal(m.drift, 0);
		assert_false(quoit_ticker_is_running(&m.ticker)); /* it stopped itself */
		assert_false(quoit_ticker_stop(&m.ticker));
		drive_close(&d);
	}
}

static void a_stall_is_told_as_one_tick_and_a_count(void **state)
{
	const struct timespec stall = {.tv_nsec = 20 * MS};
	struct metronome m = {0};
	struct quoit_loop_stats stats;
	struct driven d;
	uint64_t before;

	(void)state;
	drive_open(&d, KIND_OWN, NULL);
	start(&m, d.loop, MS);
	drive_until(&d, m.told == 1);
	before = m.told + m.missed;
	nanosleep(&stall, NULL);
	quoit_loop_read_stats(d.loop, &stats);
	assert_int_equal(quoit_loop_run_once(d.loop, 0), 0);
	assert_int_equal(m.told, 2);
	assert_true(m.told + m.missed >= before + 19);
	assert_int_equal(m.drift, 0);
	assert_int_equal(m.early, 0);
	assert_true(quoit_ticker_stop(&m.ticker));
	drive_close(&d);
}

static void a_period_below_the_wheels_tick_never_holds_a_turn(void **state)
{
	struct metronome m = {0};
	struct driven d;

	(void)state;
	drive_open(&d, KIND_OWN, NULL);
	start(&m, d.loop, 1);
	for (uint64_t i = 0; i < 100; i++) {
		const uint64_t before = m.told;

		assert_int_equal(quoit_loop_run_once(d.loop, 0), 0);
		assert_true(m.told <= before + 1);
	}
	drive_until(&d, m.told >= 10);
	assert_int_equal(m.drift, 0);
	assert_true(m.missed > m.told);
	assert_true(quoit_ticker_stop(&m.ticker));
	drive_close(&d);
}

static void a_ticker_may_be_freed_when_it_has_stopped_itself(void **state)
{
	struct metronome *m = calloc(1, sizeof(*m));
	struct driven d;

	(void)state;
	assert_non_null(m);
	drive_open(&d, KIND_OWN, NULL);
	m->stop_at = 3;
	m->release = true;
	start(m, d.loop, 50 * US);
	drive_until(&d, released);
	drive(&d);
	drive_close(&d);
}

static void starting_anew_moves_it_and_the_end_of_time_is_never(void **state)
{
	struct metronome m = {0};
	struct driven d;

	(void)state;
	drive_open(&d, KIND_OWN, NULL);
	assert_false(quoit_ticker_stop(&m.ticker));
	assert_int_equal(quoit_ticker_start(d.loop, &m.ticker, 0, 0, on_tick, &m), -EINVAL);
	assert_int_equal(quoit_ticker_start(d.loop, &m.ticker, 0, 1, NULL, &m), -EINVAL);
	start(&m, d.loop, 3600 * 1000 * MS);
	start(&m, d.loop, MS);
	drive_until(&d, m.told == 2);
	assert_int_equal(m.drift, 0);
	/* The second tick would be after the end of time. */
	m = (struct metronome){.loop = d.loop, .first_ns = 1, .ticker = m.ticker};
	m.period_ns = UINT64_MAX - 1;
	assert_int_equal(quoit_ticker_start(d.loop, &m.ticker, 1, UINT64_MAX - 1, on_tick, &m), 0);
	drive_until(&d, m.told == 1);
	for (int i = 0; i < 10; i++)
		drive(&d);
	assert_int_equal(m.told, 1);
	assert_true(quoit_ticker_stop(&m.ticker));
	drive_close(&d);
}

/* --- a storm --------------------------------------------------------------------------------- */

#define STORM 1000000

static struct {
	struct quoit_loop *loop;
	uint64_t fired;
	uint64_t restarted;
	uint64_t stopped;
	unsigned most; /* in one turn */
} storm;

static struct quoit_timer *timers;

static void blow(struct quoit_timer *timer, void *ctx)
{
	const size_t at = (size_t)(timer - timers);

	storm.fired++;
	/* Some take their neighbour down, and some begin again, once: they have another ctx then.
	 */
	if (at % 8 == 0 && quoit_timers_stop(quoit_loop_timers(storm.loop), &timers[at + 7]))
		storm.stopped++;
	if (at % 8 == 1 && !ctx) {
		storm.restarted++;
		quoit_timers_start(quoit_loop_timers(storm.loop), timer,
				   quoit_loop_now_ns(storm.loop), blow, &storm);
	}
}

static void a_million_timers_at_once_leave_each_turn_its_budget(void **state)
{
	struct driven d;
	uint64_t before = 0;

	(void)state;
	timers = calloc(STORM, sizeof(*timers));
	assert_non_null(timers);
	drive_open(&d, KIND_OWN, NULL);
	storm.loop = d.loop;
	for (size_t i = 0; i < STORM; i++)
		quoit_timers_start(quoit_loop_timers(d.loop), &timers[i],
				   quoit_loop_now_ns(d.loop) + i % 64 * 10 * US, blow, NULL);
	while (storm.fired < STORM + storm.restarted - storm.stopped ||
	       storm.restarted < STORM / 8) {
		assert_int_equal(quoit_loop_run_once(d.loop, MS), 0);
		assert_true(storm.fired - before <= 512); /* two turns at most */
		before = storm.fired;
	}
	for (int i = 0; i < 10; i++)
		drive(&d);
	assert_int_equal(storm.restarted, STORM / 8);
	assert_int_equal(storm.fired, STORM + storm.restarted - storm.stopped);
	assert_true(storm.stopped > 0);
	drive_close(&d);
	free(timers);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ticks_lie_on_a_grid_in_every_kind_of_loop),
		cmocka_unit_test(a_stall_is_told_as_one_tick_and_a_count),
		cmocka_unit_test(a_period_below_the_wheels_tick_never_holds_a_turn),
		cmocka_unit_test(a_ticker_may_be_freed_when_it_has_stopped_itself),
		cmocka_unit_test(starting_anew_moves_it_and_the_end_of_time_is_never),
		cmocka_unit_test(a_million_timers_at_once_leave_each_turn_its_budget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
