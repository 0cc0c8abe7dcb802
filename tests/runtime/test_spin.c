/* SPDX-License-Identifier: MIT */
/*
 * test_spin.c - when a loop spins and for how long, by what it was told of its sleeps; no clock.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <quoit/runtime/spin_internal.h>

#define US  1000u
#define FAR 1000000000u

static struct quoit_spin spin;

/* So many sleeps, each ended by a bell rung `after_ns`, which took `wake_ns`. */
static void sleep_often(unsigned n, uint64_t after_ns, uint64_t wake_ns)
{
	for (unsigned i = 0; i < n; i++)
		quoit_spin_note_bell(&spin, after_ns, wake_ns);
}

static void who_may_never_spin_does_not(void **state)
{
	(void)state;
	quoit_spin_init(&spin, 0, true);
	sleep_often(10, 0, 10 * US);
	assert_false(quoit_spin_pays(&spin, true));
	quoit_spin_init(&spin, 10 * US, true);
	sleep_often(10, 0, 10 * US);
	assert_false(quoit_spin_pays(&spin, true));
	assert_int_equal(quoit_spin_limit_ns(&spin), 0);
}

static void the_limit_follows_twice_the_measured_wake_ups(void **state)
{
	(void)state;
	quoit_spin_init(&spin, 0, false);
	assert_int_equal(quoit_spin_limit_ns(&spin), QUOIT_SPIN_DEFAULT_NS); /* nothing is known */
	sleep_often(1, FAR, 8 * US);
	assert_int_equal(quoit_spin_limit_ns(&spin), 16 * US);
	sleep_often(100, FAR, 16 * US);
	assert_in_range(quoit_spin_limit_ns(&spin), 31 * US, 32 * US);
	sleep_often(100, FAR, 4 * US);
	assert_in_range(quoit_spin_limit_ns(&spin), 8 * US, 9 * US);
}

static void the_limit_stays_between_the_least_and_the_most(void **state)
{
	(void)state;
	quoit_spin_init(&spin, 0, false);
	sleep_often(100, FAR, 1);
	assert_int_equal(quoit_spin_limit_ns(&spin), QUOIT_SPIN_LEAST_NS);
	sleep_often(100, FAR, FAR);
	assert_int_equal(quoit_spin_limit_ns(&spin), QUOIT_SPIN_DEFAULT_NS);
	sleep_often(100, FAR, 0);
	assert_int_equal(quoit_spin_limit_ns(&spin), QUOIT_SPIN_LEAST_NS);
}

/* A thread that was not let run for a second must not be taken for what a wake-up costs. */
static void one_late_wake_up_moves_the_limit_little(void **state)
{
	(void)state;
	quoit_spin_init(&spin, 0, false);
	sleep_often(100, FAR, 8 * US);
	sleep_often(1, FAR, FAR);
	assert_in_range(quoit_spin_limit_ns(&spin), 15 * US, 30 * US);
}

static void a_limit_that_was_given_is_not_measured(void **state)
{
	(void)state;
	quoit_spin_init(&spin, FAR, false);
	sleep_often(100, FAR, 8 * US);
	assert_int_equal(quoit_spin_limit_ns(&spin), FAR);
}

static void a_spin_that_found_nothing_halves_the_next_and_lets_one_sleep_in(void **state)
{
	(void)state;
	quoit_spin_init(&spin, 64 * US, false);
	assert_true(quoit_spin_pays(&spin, true));
	quoit_spin_note(&spin, false);
	assert_false(quoit_spin_pays(&spin, true));
	assert_int_equal(spin.now_ns, 32 * US);
	for (int i = 0; i < 10; i++)
		quoit_spin_note(&spin, false);
	assert_int_equal(spin.now_ns, QUOIT_SPIN_LEAST_NS);
	quoit_spin_note(&spin, true);
	assert_true(quoit_spin_pays(&spin, true));
	assert_int_equal(spin.now_ns, 2 * QUOIT_SPIN_LEAST_NS);
	for (int i = 0; i < 10; i++)
		quoit_spin_note(&spin, true);
	assert_int_equal(spin.now_ns, 64 * US);
}

static void it_spins_for_nothing_expected_only_after_short_sleeps_in_a_row(void **state)
{
	(void)state;
	quoit_spin_init(&spin, 20 * US, false);
	assert_false(quoit_spin_pays(&spin, false));
	sleep_often(QUOIT_SPIN_NEAR - 1, 20 * US, US);
	assert_false(quoit_spin_pays(&spin, false));
	sleep_often(1, 20 * US, US);
	assert_true(quoit_spin_pays(&spin, false));
	quoit_spin_note(&spin, true); /* as long as it finds something */
	assert_true(quoit_spin_pays(&spin, false));
	quoit_spin_note(&spin, false);
	spin.in_vain = false; /* it has slept */
	assert_false(quoit_spin_pays(&spin, false));
	assert_true(quoit_spin_pays(&spin, true));
}

static void a_long_sleep_or_one_without_a_bell_ends_the_row(void **state)
{
	(void)state;
	quoit_spin_init(&spin, 20 * US, false);
	sleep_often(QUOIT_SPIN_NEAR, 0, US);
	quoit_spin_note_sleep(&spin);
	assert_false(quoit_spin_pays(&spin, false));
	sleep_often(QUOIT_SPIN_NEAR, 0, US);
	sleep_often(1, 20 * US + 1, US);
	assert_false(quoit_spin_pays(&spin, false));
	sleep_often(QUOIT_SPIN_NEAR - 1, 0, US);
	assert_false(quoit_spin_pays(&spin, false));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_may_never_spin_does_not),
		cmocka_unit_test(the_limit_follows_twice_the_measured_wake_ups),
		cmocka_unit_test(the_limit_stays_between_the_least_and_the_most),
		cmocka_unit_test(one_late_wake_up_moves_the_limit_little),
		cmocka_unit_test(a_limit_that_was_given_is_not_measured),
		cmocka_unit_test(a_spin_that_found_nothing_halves_the_next_and_lets_one_sleep_in),
		cmocka_unit_test(it_spins_for_nothing_expected_only_after_short_sleeps_in_a_row),
		cmocka_unit_test(a_long_sleep_or_one_without_a_bell_ends_the_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
