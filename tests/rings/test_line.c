/* SPDX-License-Identifier: MIT */
/* test_line.c - measuring how long a line is on its way: what is refused, and what is an answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include <quoit/numa/thread.h>
#include <quoit/rings/line.h>

#include <support/skip.h>

static void a_round_trip_takes_some_ticks(void **state)
{
	struct quoit_idset cpus;
	int cpu[2] = {-1, -1};
	uint64_t ticks = 0;
	int rc;

	(void)state;
	assert_int_equal(quoit_thread_affinity(&cpus), 0);
	for (int i = 0, n = 0; i < QUOIT_CPUS_MAX && n < 2; i++)
		if (quoit_idset_has(&cpus, i))
			cpu[n++] = i;
	if (cpu[1] < 0)
		skip_because("one cpu only: nothing to pass a line to");
	rc = quoit_line_round_trip((unsigned)cpu[0], (unsigned)cpu[1], &ticks);
	if (rc == -ETIMEDOUT)
		skip_because("the two cpus were never free together");
	assert_int_equal(rc, 0);
	assert_true(ticks > 0);
}

static void one_cpu_twice_and_no_cpu_at_all_are_refused(void **state)
{
	uint64_t ticks = 77;

	(void)state;
	assert_int_equal(quoit_line_round_trip(0, 0, &ticks), -EINVAL);
	assert_int_equal(quoit_line_round_trip(0, QUOIT_CPUS_MAX + 1, &ticks), -EINVAL);
	assert_int_equal(quoit_line_round_trip(QUOIT_CPUS_MAX + 1, 0, &ticks), -EINVAL);
	assert_int_equal(ticks, 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_round_trip_takes_some_ticks),
		cmocka_unit_test(one_cpu_twice_and_no_cpu_at_all_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
