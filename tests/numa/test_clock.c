/* SPDX-License-Identifier: MIT */
/*
 * test_clock.c - the monotonic clock against libc's own, differences across the wrap, ticks.
 *
 * Linked with --wrap=clock_gettime,--wrap=clock_nanosleep: a kernel whose clock can only be read by
 * a system call, and sleeps that a signal cuts short.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include <quoit/numa/clock.h>

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __real_clock_nanosleep(clockid_t clock, int flags, const struct timespec *time,
			   struct timespec *left);
int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *time,
			   struct timespec *left);

static bool without_vdso;
static unsigned interruptions; /* to come */

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
	return without_vdso ? (int)syscall(SYS_clock_gettime, clock, now)
			    : __real_clock_gettime(clock, now);
}

int __wrap_clock_nanosleep(clockid_t clock, int flags, const struct timespec *time,
			   struct timespec *left)
{
	if (interruptions) {
		interruptions--;
		return EINTR;
	}
	return __real_clock_nanosleep(clock, flags, time, left);
}

static uint64_t libc_now_ns(void)
{
	struct timespec now;
	assert_int_equal(__real_clock_gettime(CLOCK_MONOTONIC, &now), 0);
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

static void the_coarse_clock_is_the_same_a_little_ago(void **state)
{
	(void)state;
	const uint64_t first = quoit_clock_coarse_ns();
	uint64_t last = first;
	while (last == first) { /* until the next tick */
		const uint64_t coarse = quoit_clock_coarse_ns();
		assert_true(coarse <= libc_now_ns()); /* never ahead */
		assert_true(coarse >= last);
		last = coarse;
	}
}

static void ticks_are_converted_by_what_the_clock_said(void **state)
{
	(void)state;
	struct quoit_ticks_scale scale = {0};
	assert_int_equal(quoit_ticks_calibrate(&scale, 0), 0);
	assert_true(scale.ns_per_tick > 0);
	assert_true(scale.error_ppm > 0);

	/* Ticks between two readings of the clock are no more ns than lie between these. */
	const uint64_t ns0 = libc_now_ns();
	const uint64_t ticks0 = quoit_ticks();
	const uint64_t ns1 = libc_now_ns();
	while (libc_now_ns() - ns1 < 2000000)
		;
	const uint64_t ns2 = libc_now_ns();
	const uint64_t ticks1 = quoit_ticks();
	const uint64_t ns3 = libc_now_ns();
	/* The clock itself may be slewed by 500 ppm, and differently meanwhile. */
	const uint64_t slack_ns = (ns3 - ns0) * (scale.error_ppm + 1000) / 1000000;
	const uint64_t told_ns = quoit_ticks_to_ns(&scale, ticks1 - ticks0);
	assert_in_range(told_ns, ns2 - ns1 - slack_ns, ns3 - ns0 + slack_ns);
}

static void a_scale_is_exact_for_any_number_of_ticks(void **state)
{
	(void)state;
	const struct quoit_ticks_scale half = {.ns_per_tick = (uint64_t)1 << 31};
	const struct quoit_ticks_scale slow = {.ns_per_tick = (uint64_t)42 << 32};
	assert_true(quoit_ticks_to_ns(&half, 7) == 3);
	assert_true(quoit_ticks_to_ns(&half, UINT64_MAX) == UINT64_MAX / 2);
	assert_true(quoit_ticks_to_ns(&slow, (uint64_t)1 << 58) == (uint64_t)42 << 58);
	assert_true(quoit_ticks_to_ns(&slow, 0) == 0);
}

static void calibration_goes_on_when_it_is_interrupted(void **state)
{
	(void)state;
	struct quoit_ticks_scale scale = {0};
	const uint64_t before = libc_now_ns();
	interruptions = 3;
	assert_int_equal(quoit_ticks_calibrate(&scale, 1000000), 0);
	assert_int_equal(interruptions, 0);
	assert_true(libc_now_ns() - before >= 1000000);
}

/* D-77: told by the price, as no file says it for every machine. */
static void a_clock_behind_a_system_call_is_recognised(void **state)
{
	(void)state;
	struct quoit_clock_cost cost;
	quoit_clock_measure(&cost);
	assert_true(cost.now_ps > 0 && cost.coarse_ps > 0 && cost.ticks_ps > 0);
	assert_true(cost.call_ps > 0);
	without_vdso = true;
	quoit_clock_measure(&cost);
	without_vdso = false;
	assert_false(quoit_clock_is_vdso(&cost));

	assert_true(
		quoit_clock_is_vdso(&(struct quoit_clock_cost){.now_ps = 35000, .call_ps = 90000}));
	assert_false(
		quoit_clock_is_vdso(&(struct quoit_clock_cost){.now_ps = 95000, .call_ps = 90000}));
	assert_false(
		quoit_clock_is_vdso(&(struct quoit_clock_cost){.now_ps = 80000, .call_ps = 90000}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(now_lies_between_two_readings_of_the_monotonic_clock),
		cmocka_unit_test(now_never_goes_back_and_does_go_on),
		cmocka_unit_test(elapsed_is_right_across_the_wrap),
		cmocka_unit_test(the_coarse_clock_is_the_same_a_little_ago),
		cmocka_unit_test(ticks_are_converted_by_what_the_clock_said),
		cmocka_unit_test(a_scale_is_exact_for_any_number_of_ticks),
		cmocka_unit_test(calibration_goes_on_when_it_is_interrupted),
		cmocka_unit_test(a_clock_behind_a_system_call_is_recognised),
	};
	return cmocka_run_group_tests_name("numa/clock", tests, NULL, NULL);
}
