/* SPDX-License-Identifier: MIT */
/*
 * test_bytes.c - the bounded queue, numbers, and bytes as people read them.
 */
#include "bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void space_is_made_by_moving_and_never_by_growing(void **state)
{
	struct bytes b;

	(void)state;
	assert_int_equal(bytes_init(&b, 8), 0);
	assert_true(bytes_space(&b, 8));
	assert_false(bytes_space(&b, 9));
	bytes_put(&b, "abcdefgh", 8);
	assert_false(bytes_space(&b, 1));
	bytes_drop(&b, 5);
	assert_true(bytes_space(&b, 5));
	assert_false(bytes_space(&b, 6));
	bytes_put(&b, "12345", 5);
	assert_int_equal(bytes_held(&b), 8);
	assert_memory_equal(bytes_front(&b), "fgh12345", 8);
	bytes_fini(&b);
}

static void numbers_are_written_as_printf_does(void **state)
{
	static const int64_t numbers[] = {0, 7, 10, -1, -10, 1234567890, INT64_MAX, INT64_MIN};

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		char expected[32];
		const int len = snprintf(expected, sizeof(expected), "%lld", (long long)numbers[i]);
		struct bytes b;

		assert_int_equal(bytes_init(&b, 32), 0);
		bytes_put_number(&b, numbers[i]);
		assert_int_equal(bytes_held(&b), len);
		assert_memory_equal(bytes_front(&b), expected, (size_t)len);
		bytes_fini(&b);
	}
}

static void shown_bytes_are_one_printable_line(void **state)
{
	char out[512];

	(void)state;
	bytes_show(out, sizeof(out), "$2\r\na\\\0\xff", 8, 0);
	assert_string_equal(out, "$2\\r\\na\\\\\\x00\\xff");
	bytes_show(out, sizeof(out), "", 0, 0);
	assert_string_equal(out, "nothing");
}

static void long_ones_are_shown_around_the_byte_that_matters(void **state)
{
	char data[1000], out[512];

	(void)state;
	memset(data, 'a', sizeof(data));
	data[700] = 'X';
	bytes_show(out, sizeof(out), data, sizeof(data), 700);
	assert_memory_equal(out, "...a", 4);
	assert_non_null(strchr(out, 'X'));
	assert_non_null(strstr(out, "... (1000 bytes)"));
	bytes_show(out, sizeof(out), data, sizeof(data), 3);
	assert_null(strchr(out, 'X'));
	assert_int_equal(out[0], 'a');
}

static void what_is_shown_never_leaves_its_room(void **state)
{
	char data[300];

	(void)state;
	memset(data, 1, sizeof(data));
	for (size_t room = 1; room < 300; room++) {
		char *const out = malloc(room);

		assert_non_null(out);
		for (size_t at = 0; at <= sizeof(data); at += 50) {
			bytes_show(out, room, data, sizeof(data), at);
			assert_true(strlen(out) < room);
		}
		free(out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(space_is_made_by_moving_and_never_by_growing),
		cmocka_unit_test(numbers_are_written_as_printf_does),
		cmocka_unit_test(shown_bytes_are_one_printable_line),
		cmocka_unit_test(long_ones_are_shown_around_the_byte_that_matters),
		cmocka_unit_test(what_is_shown_never_leaves_its_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
