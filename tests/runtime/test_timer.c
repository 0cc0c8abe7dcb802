/* SPDX-License-Identifier: MIT */
/*
 * test_timer.c - the timing wheel in named cases: edges, jumps, budgets, and callbacks that meddle.
 *
 * Time is a number here: nothing sleeps, and no test looks at the clock. Random use of the wheel
 * is in test_timer_model.c.
 */
#include <quoit/runtime/timer.h>

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define TICK_NS (UINT64_C(1) << QUOIT_TIMER_TICK_SHIFT)

struct count {
	struct quoit_timers wheel;
	struct quoit_timer timer, other;
	uint64_t again_ns; /* what the callbacks below start */
	size_t fired;
	bool other_was_armed;
};

static void count_fire(struct quoit_timer *t, void *ctx)
{
	struct count *const c = ctx;

	(void)t;
	c->fired++;
}

static void count_and_again(struct quoit_timer *t, void *ctx)
{
	struct count *const c = ctx;

	c->fired++;
	quoit_timers_start(&c->wheel, t, c->again_ns, count_and_again, c);
}

static void count_and_stop_other(struct quoit_timer *t, void *ctx)
{
	struct count *const c = ctx;

	c->fired++;
	c->other_was_armed = quoit_timers_stop(&c->wheel, t == &c->timer ? &c->other : &c->timer);
}

static void count_and_move_other(struct quoit_timer *t, void *ctx)
{
	struct count *const c = ctx;

	(void)t;
	c->fired++;
	quoit_timers_start(&c->wheel, &c->other, c->again_ns, count_fire, c);
}

/* Poison what the wheel must not touch again. */
static void count_and_destroy(struct quoit_timer *t, void *ctx)
{
	struct count *const c = ctx;

	c->fired++;
	memset(t, 0xa5, sizeof(*t));
}

static void an_empty_wheel_wants_nothing(void **state)
{
	struct count c = {0};

	(void)state;
	quoit_timers_init(&c.wheel, 12345);
	assert_int_equal(quoit_timers_next_ns(&c.wheel), UINT64_MAX);
	assert_int_equal(quoit_timers_expire(&c.wheel, UINT64_MAX, 10), 0);
	assert_false(quoit_timer_armed(&c.timer));
	assert_false(quoit_timers_stop(&c.wheel, &c.timer));
}

static void every_edge_of_every_level_fires_on_the_tick_and_not_before(void **state)
{
	static const int offsets[] = {-2, -1, 0, 1, 2};
	const size_t offset_count = sizeof(offsets) / sizeof(offsets[0]);

	(void)state;
	for (unsigned level = 0; level < QUOIT__TIMER_LEVELS; level++) {
		const uint64_t unit = UINT64_C(1) << (level * QUOIT__TIMER_DIGIT_BITS);
		const uint64_t starts[] = {0, unit - 1, unit, 63 * unit, 64 * unit - 1};

		for (size_t n = 0; n < 5 * 64 * offset_count; n++) {
			const uint64_t now_tick = starts[n % 5] % (UINT64_C(1) << 50);
			const uint64_t tick =
				now_tick + (n / 5 % 64) * unit + (uint64_t)offsets[n / 5 / 64];
			struct count c = {0};

			if (tick <= now_tick || tick >> (64 - QUOIT_TIMER_TICK_SHIFT))
				continue;
			quoit_timers_init(&c.wheel, now_tick * TICK_NS);
			quoit_timers_start(&c.wheel, &c.timer, tick * TICK_NS, count_fire, &c);
			assert_int_equal(quoit_timers_next_ns(&c.wheel), tick * TICK_NS);
			assert_int_equal(quoit_timers_expire(&c.wheel, tick * TICK_NS - 1, 9), 0);
			assert_int_equal(quoit_timers_expire(&c.wheel, tick * TICK_NS, 9), 1);
			assert_int_equal(c.fired, 1);
		}
	}
}

static void a_full_turn_of_each_level_goes_round_without_loss(void **state)
{
	struct count *const c = test_calloc(1, sizeof(*c));

	(void)state;
	for (unsigned level = 0; level + 1 < QUOIT__TIMER_LEVELS; level++) {
		const uint64_t step_ns = (TICK_NS << level * QUOIT__TIMER_DIGIT_BITS) - 1;
		uint64_t now_ns = UINT64_C(61) << 54; /* the top level turns as well */

		memset(c, 0, sizeof(*c));
		quoit_timers_init(&c->wheel, now_ns);
		for (size_t n = 1; n <= 200; n++) {
			if (now_ns > UINT64_MAX - step_ns - TICK_NS)
				break;
			quoit_timers_start(&c->wheel, &c->timer, now_ns + step_ns, count_fire, c);
			now_ns = quoit_timers_next_ns(&c->wheel);
			assert_int_equal(quoit_timers_expire(&c->wheel, now_ns, 2), 1);
			assert_int_equal(c->fired, n);
		}
	}
	test_free(c);
}

/* A wheel that stepped tick by tick would not come back from this. */
static void the_clock_may_jump_to_the_end_of_time(void **state)
{
	static const uint64_t jumps[] = {UINT64_C(1) << 40, UINT64_C(3600) * 1000000000,
					 UINT64_C(1) << 63, UINT64_MAX - TICK_NS};

	(void)state;
	for (size_t i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
		struct count c = {0};

		quoit_timers_init(&c.wheel, 5);
		quoit_timers_start(&c.wheel, &c.timer, jumps[i], count_fire, &c);
		quoit_timers_start(&c.wheel, &c.other, 6, count_fire, &c);
		assert_int_equal(quoit_timers_expire(&c.wheel, UINT64_MAX, 10), 2);
		quoit_timers_start(&c.wheel, &c.timer, UINT64_MAX - TICK_NS, count_fire, &c);
		assert_int_equal(quoit_timers_expire(&c.wheel, UINT64_MAX, 10), 1);
		assert_int_equal(quoit_timers_next_ns(&c.wheel), UINT64_MAX);
	}
}

static void a_deadline_in_the_last_tick_of_time_means_never(void **state)
{
	struct count c = {0};

	(void)state;
	quoit_timers_init(&c.wheel, 0);
	quoit_timers_start(&c.wheel, &c.timer, UINT64_MAX, count_fire, &c);
	assert_true(quoit_timer_armed(&c.timer));
	assert_int_equal(quoit_timers_next_ns(&c.wheel), UINT64_MAX);
	quoit_timers_start(&c.wheel, &c.other, 1000, count_fire, &c);
	assert_int_equal(quoit_timers_next_ns(&c.wheel), TICK_NS);
	assert_int_equal(quoit_timers_expire(&c.wheel, UINT64_MAX, 10), 1);
	assert_int_equal(quoit_timers_next_ns(&c.wheel), UINT64_MAX);
	assert_true(quoit_timers_stop(&c.wheel, &c.timer));
}

static void a_timer_that_starts_itself_in_the_past_fires_once_per_expire(void **state)
{
	struct count c = {.again_ns = 7};

	(void)state;
	quoit_timers_init(&c.wheel, 10 * TICK_NS);
	quoit_timers_start(&c.wheel, &c.timer, 0, count_and_again, &c);
	for (size_t n = 1; n <= 5; n++) {
		assert_true(quoit_timers_next_ns(&c.wheel) <= 10 * TICK_NS);
		assert_int_equal(quoit_timers_expire(&c.wheel, 10 * TICK_NS, SIZE_MAX), 1);
		assert_int_equal(c.fired, n);
	}
}

static void a_callback_can_stop_a_timer_of_its_own_batch(void **state)
{
	(void)state;
	for (int other_first = 0; other_first < 2; other_first++) {
		struct count c = {0};

		quoit_timers_init(&c.wheel, 0);
		quoit_timers_start(&c.wheel, other_first ? &c.other : &c.timer, 5 * TICK_NS,
				   count_and_stop_other, &c);
		quoit_timers_start(&c.wheel, other_first ? &c.timer : &c.other, 5 * TICK_NS,
				   count_and_stop_other, &c);
		assert_int_equal(quoit_timers_expire(&c.wheel, 6 * TICK_NS, 10), 1);
		assert_true(c.other_was_armed);
		assert_int_equal(quoit_timers_expire(&c.wheel, 60 * TICK_NS, 10), 0);
		assert_int_equal(c.fired, 1);
	}
}

static void a_callback_can_move_a_timer_of_its_own_batch_to_later(void **state)
{
	struct count c = {.again_ns = 9 * TICK_NS};

	(void)state;
	quoit_timers_init(&c.wheel, 0);
	quoit_timers_start(&c.wheel, &c.timer, 5 * TICK_NS, count_and_move_other, &c);
	quoit_timers_start(&c.wheel, &c.other, 5 * TICK_NS, count_fire, &c);
	assert_int_equal(quoit_timers_expire(&c.wheel, 5 * TICK_NS, 10), 1);
	assert_int_equal(quoit_timers_next_ns(&c.wheel), 9 * TICK_NS);
	assert_int_equal(quoit_timers_expire(&c.wheel, 9 * TICK_NS, 10), 1);
	assert_int_equal(c.fired, 2);
}

static void a_callback_can_end_the_life_of_its_timer(void **state)
{
	struct count c = {0};

	(void)state;
	quoit_timers_init(&c.wheel, 0);
	quoit_timers_start(&c.wheel, &c.timer, TICK_NS, count_and_destroy, &c);
	quoit_timers_start(&c.wheel, &c.other, TICK_NS, count_and_destroy, &c);
	assert_int_equal(quoit_timers_expire(&c.wheel, TICK_NS, 10), 2);
	for (size_t i = 0; i < sizeof(c.timer); i++)
		assert_int_equal(((unsigned char *)&c.timer)[i], 0xa5);
	assert_int_equal(quoit_timers_next_ns(&c.wheel), UINT64_MAX);
}

static void a_started_timer_that_is_started_again_only_fires_the_second_time(void **state)
{
	struct count c = {0};

	(void)state;
	quoit_timers_init(&c.wheel, 0);
	quoit_timers_start(&c.wheel, &c.timer, 2 * TICK_NS, count_fire, &c);
	quoit_timers_start(&c.wheel, &c.timer, 5000 * TICK_NS, count_fire, &c);
	assert_int_equal(quoit_timers_expire(&c.wheel, 5000 * TICK_NS - 1, 10), 0);
	assert_int_equal(quoit_timers_expire(&c.wheel, 5000 * TICK_NS, 10), 1);
	assert_int_equal(c.fired, 1);
}

static void what_the_budget_leaves_out_stays_due_and_goes_first(void **state)
{
	struct count c[7];

	(void)state;
	memset(c, 0, sizeof(c));
	quoit_timers_init(&c[0].wheel, 0);
	for (size_t i = 0; i < 7; i++)
		quoit_timers_start(&c[0].wheel, &c[i].timer, (i / 2 + 1) * TICK_NS, count_fire,
				   &c[i]);
	assert_int_equal(quoit_timers_expire(&c[0].wheel, 3 * TICK_NS, 0), 0);
	assert_true(quoit_timers_next_ns(&c[0].wheel) <= 3 * TICK_NS);
	assert_int_equal(quoit_timers_expire(&c[0].wheel, 3 * TICK_NS, 3), 3);
	assert_true(c[2].fired && !c[3].fired);
	assert_true(quoit_timers_next_ns(&c[0].wheel) <= 3 * TICK_NS);
	assert_int_equal(quoit_timers_expire(&c[0].wheel, 4 * TICK_NS, 2), 2);
	assert_true(c[4].fired && !c[5].fired);
	assert_int_equal(quoit_timers_expire(&c[0].wheel, 4 * TICK_NS, 9), 2);
	assert_int_equal(quoit_timers_next_ns(&c[0].wheel), UINT64_MAX);
	for (size_t i = 0; i < 7; i++)
		assert_int_equal(c[i].fired, 1);
}

static void a_clock_that_goes_back_does_no_harm(void **state)
{
	struct count c = {0};

	(void)state;
	quoit_timers_init(&c.wheel, 100 * TICK_NS);
	quoit_timers_start(&c.wheel, &c.timer, 105 * TICK_NS, count_fire, &c);
	assert_int_equal(quoit_timers_expire(&c.wheel, 50 * TICK_NS, 9), 0);
	assert_int_equal(quoit_timers_expire(&c.wheel, 104 * TICK_NS, 9), 0);
	assert_int_equal(quoit_timers_expire(&c.wheel, 105 * TICK_NS, 9), 1);
}

static void ask_for_next(struct quoit_timer *t, void *ctx)
{
	struct count *const c = ctx;

	(void)t;
	c->again_ns = quoit_timers_next_ns(&c->wheel);
}

static void a_callback_can_ask_for_the_next_deadline(void **state)
{
	struct count c = {0};

	(void)state;
	quoit_timers_init(&c.wheel, 0);
	quoit_timers_start(&c.wheel, &c.timer, TICK_NS, ask_for_next, &c);
	assert_int_equal(quoit_timers_expire(&c.wheel, TICK_NS, 9), 1);
	assert_int_equal(c.again_ns, UINT64_MAX);
	quoit_timers_start(&c.wheel, &c.timer, 2 * TICK_NS, ask_for_next, &c);
	quoit_timers_start(&c.wheel, &c.other, 9 * TICK_NS, count_fire, &c);
	assert_int_equal(quoit_timers_expire(&c.wheel, 2 * TICK_NS, 9), 1);
	assert_int_equal(c.again_ns, 9 * TICK_NS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_wheel_wants_nothing),
		cmocka_unit_test(every_edge_of_every_level_fires_on_the_tick_and_not_before),
		cmocka_unit_test(a_full_turn_of_each_level_goes_round_without_loss),
		cmocka_unit_test(the_clock_may_jump_to_the_end_of_time),
		cmocka_unit_test(a_deadline_in_the_last_tick_of_time_means_never),
		cmocka_unit_test(a_timer_that_starts_itself_in_the_past_fires_once_per_expire),
		cmocka_unit_test(a_callback_can_stop_a_timer_of_its_own_batch),
		cmocka_unit_test(a_callback_can_move_a_timer_of_its_own_batch_to_later),
		cmocka_unit_test(a_callback_can_end_the_life_of_its_timer),
		cmocka_unit_test(a_started_timer_that_is_started_again_only_fires_the_second_time),
		cmocka_unit_test(what_the_budget_leaves_out_stays_due_and_goes_first),
		cmocka_unit_test(a_clock_that_goes_back_does_no_harm),
		cmocka_unit_test(a_callback_can_ask_for_the_next_deadline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
