/* SPDX-License-Identifier: MIT */
/*
 * test_reply.c - where a reply ends, when it is cut off, and when it is none.
 */
#include "reply.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const replies[] = {
	"+OK\r\n",
	"+\r\n",
	"-ERR no\r\n",
	":0\r\n",
	":-42\r\n",
	":9223372036854775807\r\n",
	"$-1\r\n",
	"$0\r\n\r\n",
	"$5\r\na\r\nbc\r\n",
	"*-1\r\n",
	"*0\r\n",
	"*2\r\n$1\r\nx\r\n$-1\r\n",
	"*2\r\n*2\r\n:1\r\n:2\r\n+OK\r\n",
	"*1\r\n*1\r\n*1\r\n*0\r\n",
};

#define EACH_REPLY(i) (size_t i = 0; i < sizeof(replies) / sizeof(*replies); i++)

/* On the heap and no longer than it is, so that a sanitizer sees a byte read beyond. */
static ssize_t measure_copy(const char *data, size_t len)
{
	char *const copy = malloc(len ? len : 1);

	assert_non_null(copy);
	memcpy(copy, data, len);

	const ssize_t rc = reply_measure(copy, len);

	free(copy);
	return rc;
}

static void a_whole_reply_is_as_long_as_it_is(void **state)
{
	(void)state;
	for
		EACH_REPLY(i)
	assert_int_equal(measure_copy(replies[i], strlen(replies[i])), strlen(replies[i]));
}

static void what_follows_a_reply_is_not_part_of_it(void **state)
{
	char both[128];

	(void)state;
	for
		EACH_REPLY(i)
		{
			const size_t len = strlen(replies[i]);

			memcpy(both, replies[i], len);
			memcpy(both + len, "$3\r\nab", 6);
			assert_int_equal(measure_copy(both, len + 6), len);
		}
}

static void a_reply_cut_off_anywhere_is_not_all_there(void **state)
{
	(void)state;
	for
		EACH_REPLY(i)
		{
			for (size_t len = 0; len < strlen(replies[i]); len++)
				assert_int_equal(measure_copy(replies[i], len), 0);
		}
}

static void what_is_no_reply_is_refused(void **state)
{
	static const char *const bad[] = {
		"OK\r\n",
		"\r\n",
		"+OK\n",
		"\n",
		"$x\r\n",
		"$\r\n",
		"$-2\r\n",
		"*-2\r\n",
		":\r\n",
		":-\r\n",
		":1 \r\n",
		":+1\r\n",
		"$3\r\nabcd\r\n",
		"$0\r\nab",
		"*1\r\nx",
		"*2\r\n+\r\n?",
		":99999999999999999999\r\n",
		"$99999999999\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (measure_copy(bad[i], strlen(bad[i])) != -EPROTO)
			fail_msg("taken for a reply: %s", bad[i]);
	}
}

static void a_line_without_an_end_is_refused_at_last(void **state)
{
	const size_t len = 1 << 20;
	char *const line = malloc(len);

	(void)state;
	assert_non_null(line);
	memset(line, 'x', len);
	line[0] = '+';
	assert_int_equal(reply_measure(line, 1000), 0);
	assert_int_equal(reply_measure(line, len), -EPROTO);
	free(line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_reply_is_as_long_as_it_is),
		cmocka_unit_test(what_follows_a_reply_is_not_part_of_it),
		cmocka_unit_test(a_reply_cut_off_anywhere_is_not_all_there),
		cmocka_unit_test(what_is_no_reply_is_refused),
		cmocka_unit_test(a_line_without_an_end_is_refused_at_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
