/* SPDX-License-Identifier: MIT */
/*
 * test_clock.c - the monotonic clock against libc's own, and differences across the wrap.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>
#include <cmocka.h>

#include <quoit/numa/clock.h>

static uint64_t libc_now_ns(void)
{
	struct timespec now;
	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void now_lies_between_two_readings_of_the_monotonic_clock(void **state)
{
	(void)state;
	for (int i = 0; i < 1000; i++) {
		const uint64_t before = libc_now_ns();
		const uint64_t now = quoit_clock_now_ns();
		const uint64_t after = libc_now_ns();
		assert_in_range(now, before, after);
	}
}

static void now_never_goes_back_and_does_go_on(void **state)
{
	(void)state;
	const uint64_t first = quoit_clock_now_ns();
	uint64_t last = first;
	for (int i = 0; i < 100000; i++) {
		const uint64_t now = quoit_clock_now_ns();
		assert_true(now >= last);
		last = now;
	}
	assert_true(last > first);
}

static void elapsed_is_right_across_the_wrap(void **state)
{
	(void)state;
	assert_true(quoit_clock_elapsed_ns(5, 12) == 7);
	assert_true(quoit_clock_elapsed_ns(7, 7) == 0);
	assert_true(quoit_clock_elapsed_ns(UINT64_MAX - 2, 4) == 7);
	assert_true(quoit_clock_elapsed_ns(12, 5) > UINT64_MAX / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(now_lies_between_two_readings_of_the_monotonic_clock),
		cmocka_unit_test(now_never_goes_back_and_does_go_on),
		cmocka_unit_test(elapsed_is_right_across_the_wrap),
	};
	return cmocka_run_group_tests_name("numa/clock", tests, NULL, NULL);
}
