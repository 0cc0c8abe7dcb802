/* SPDX-License-Identifier: MIT */
/* test_directory.c - a directory finds what was put into it, however much there is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include <quoit/rings/directory.h>

static char things[5000];

static void every_entry_is_found_and_none_moves(void **state)
{
	struct quoit_directory d = {0};
	void **first_segment;

	(void)state;
	assert_int_equal(quoit_directory_count(&d), 0);
	assert_int_equal(quoit_directory_bytes(&d), 0);
	assert_int_equal(quoit_directory_add(&d, &things[0]), 0);
	first_segment = d.segments[0];
	for (uint32_t n = 1; n < sizeof(things); n++) {
		assert_int_equal(quoit_directory_add(&d, &things[n]), 0);
		assert_int_equal(quoit_directory_count(&d), n + 1);
	}
	for (uint32_t n = 0; n < sizeof(things); n++)
		assert_ptr_equal(quoit_directory_get(&d, n), &things[n]);
	assert_ptr_equal(d.segments[0], first_segment);
	assert_true(quoit_directory_bytes(&d) >= sizeof(things) * sizeof(void *));
	assert_true(quoit_directory_bytes(&d) < 3 * sizeof(things) * sizeof(void *));
	quoit_directory_fini(&d);
	quoit_directory_fini(&d); /* a finished one is let be */
}

static void segments_meet_without_gap_or_overlap(void **state)
{
	uint32_t next = 0;

	(void)state;
	for (unsigned segment = 0; segment < QUOIT_DIRECTORY_SEGMENTS; segment++) {
		uint32_t first;

		assert_int_equal(quoit__directory_segment(next, &first), segment);
		assert_int_equal(first, next);
		next += QUOIT_DIRECTORY_FIRST << segment;
		assert_int_equal(quoit__directory_segment(next - 1, &first), segment);
	}
	assert_int_equal(next, QUOIT_DIRECTORY_MOST);
}

static void all_segments_are_counted_and_nothing_behind_them(void **state)
{
	struct quoit_directory d = {.count = QUOIT_DIRECTORY_MOST};

	(void)state;
	for (unsigned i = 0; i < QUOIT_DIRECTORY_SEGMENTS; i++)
		d.segments[i] = (void **)things;
	assert_int_equal(quoit_directory_bytes(&d), QUOIT_DIRECTORY_MOST * sizeof(void *));
}

static void no_entry_is_added_beyond_the_last_segment(void **state)
{
	struct quoit_directory d = {.count = QUOIT_DIRECTORY_MOST};

	(void)state;
	assert_int_equal(quoit_directory_add(&d, &things[0]), -E2BIG);
	assert_int_equal(quoit_directory_count(&d), QUOIT_DIRECTORY_MOST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_entry_is_found_and_none_moves),
		cmocka_unit_test(segments_meet_without_gap_or_overlap),
		cmocka_unit_test(all_segments_are_counted_and_nothing_behind_them),
		cmocka_unit_test(no_entry_is_added_beyond_the_last_segment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
