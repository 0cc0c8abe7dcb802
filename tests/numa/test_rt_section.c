/* SPDX-License-Identifier: MIT */
/*
 * test_rt_section.c - real-time sections in a program without the guard: nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <quoit/numa/rt_section.h>

static void without_the_guard_a_section_forbids_nothing(void **state)
{
	void *volatile block;

	(void)state;
	assert_false(quoit_rt_is_guarded());
	quoit_rt_enter();
	block = malloc(1);
	free(block);
	quoit_rt_allow_begin();
	quoit_rt_allow_end();
	quoit_rt_exit();
	assert_non_null(block);
}

/* Nobody counts, so nobody minds what does not fit together. */
static void without_the_guard_steps_need_not_match(void **state)
{
	(void)state;
	quoit_rt_exit();
	quoit_rt_allow_end();
	for (int i = 0; i < 1000; i++)
		quoit_rt_enter();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_the_guard_a_section_forbids_nothing),
		cmocka_unit_test(without_the_guard_steps_need_not_match),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
