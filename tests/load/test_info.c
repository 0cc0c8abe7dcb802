/* SPDX-License-Identifier: MIT */
/*
 * test_info.c - the server's figures: read, subtracted, and missing.
 */
#include "info.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct info a, b, c;

static void parse(struct info *info, const char *text)
{
	const size_t len = strlen(text);
	char *const copy = malloc(len ? len : 1);

	assert_non_null(copy);
	memcpy(copy, text, len);
	info_parse(info, copy, len);
	free(copy);
}

static void figures_are_read_in_any_order(void **state)
{
	(void)state;
	parse(&a, "# Quoit\r\ncores:2\r\ncore1:forwarded=7,requests=12\r\n"
		  "core0:requests=9,bells_saved=3,connections=25\r\n");
	assert_int_equal(a.core_count, 2);
	assert_int_equal(a.cores[0].value[INFO_REQUESTS], 9);
	assert_int_equal(a.cores[0].value[INFO_BELLS_SAVED], 3);
	assert_int_equal(a.cores[0].value[INFO_CONNECTIONS], 25);
	assert_int_equal(a.cores[1].value[INFO_FORWARDED], 7);
	assert_int_equal(a.cores[1].value[INFO_REQUESTS], 12);
	assert_true(info_tells(&a.cores[1], INFO_FORWARDED));
	assert_false(info_tells(&a.cores[0], INFO_FORWARDED));
}

static void what_is_damaged_or_unknown_counts_as_missing(void **state)
{
	static const char *const texts[] = {
		"",
		"core",
		"core:requests=1\r\n",
		"core5000000000000000000000:requests=1\r\n",
		"core1024:requests=1\r\n",
		"cores:4\r\n",
		"core0",
		"xcore0:requests=1\r\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		parse(&a, texts[i]);
		assert_int_equal(a.core_count, 0);
	}
	parse(&a, "core0:requests=,local=1x,=,,forwarded,news=5,turns=99999999999999999999,"
		  "request=3,sleeps=4");
	assert_int_equal(a.core_count, 1);
	assert_int_equal(a.cores[0].told, 1U << INFO_SLEEPS);
	assert_int_equal(a.cores[0].value[INFO_SLEEPS], 4);
}

static void counts_are_those_of_the_time_between_two_readings(void **state)
{
	(void)state;
	parse(&a, "core0:requests=10,connections=7\r\ncore1:requests=5,connections=7\r\n");
	parse(&b, "core0:requests=30,connections=6\r\ncore1:requests=6,connections=9\r\n");
	info_since(&c, &a, &b);
	assert_int_equal(c.cores[0].value[INFO_REQUESTS], 20);
	assert_int_equal(c.cores[1].value[INFO_REQUESTS], 1);
	assert_int_equal(c.cores[0].value[INFO_CONNECTIONS], 6);
	assert_int_equal(info_sum(&c).value[INFO_REQUESTS], 21);
	assert_int_equal(info_sum(&c).value[INFO_CONNECTIONS], 15);
}

static void a_sum_tells_only_what_every_core_tells(void **state)
{
	(void)state;
	parse(&a, "core0:requests=10,turns=1\r\ncore1:requests=5\r\n");

	const struct info_core sum = info_sum(&a);

	assert_true(info_tells(&sum, INFO_REQUESTS));
	assert_false(info_tells(&sum, INFO_TURNS));
	/* A core that is named nowhere told nothing. */
	parse(&a, "core1:requests=5\r\n");
	assert_false(info_tells(&(struct info_core){.told = info_sum(&a).told}, INFO_REQUESTS));
	parse(&a, "");
	assert_int_equal(info_sum(&a).told, 0);
}

/* What info_fetch() makes of a reply that is already there. */
static int fetch(struct info *info, const char *reply, size_t len)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_int_equal(write(ends[1], reply, len), len);
	shutdown(ends[1], SHUT_WR);

	const int rc = info_fetch(info, ends[0]);

	close(ends[0]);
	close(ends[1]);
	return rc;
}

static void a_reply_that_is_no_text_leaves_the_figures_alone(void **state)
{
	static const char *const replies[] = {
		"-ERR no\r\n", "$-1\r\n", "$3\r\nab", "", ":5\r\n", "$0\r\n\r\n+OK\r\n", "no\r\n",
	};

	(void)state;
	parse(&a, "core0:requests=10\r\n");
	b = a;
	for (size_t i = 0; i < sizeof(replies) / sizeof(*replies); i++) {
		assert_true(fetch(&a, replies[i], strlen(replies[i])) < 0);
		assert_memory_equal(&a, &b, sizeof(a));
	}
}

static void a_reply_is_fetched(void **state)
{
	static const char reply[] = "$19\r\ncore0:requests=10\r\n\r\n";

	(void)state;
	assert_int_equal(fetch(&a, reply, sizeof(reply) - 1), 0);
	assert_int_equal(a.core_count, 1);
	assert_int_equal(a.cores[0].value[INFO_REQUESTS], 10);
	assert_int_equal(fetch(&a, "$0\r\n\r\n", 6), 0);
	assert_int_equal(a.core_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(figures_are_read_in_any_order),
		cmocka_unit_test(what_is_damaged_or_unknown_counts_as_missing),
		cmocka_unit_test(counts_are_those_of_the_time_between_two_readings),
		cmocka_unit_test(a_sum_tells_only_what_every_core_tells),
		cmocka_unit_test(a_reply_that_is_no_text_leaves_the_figures_alone),
		cmocka_unit_test(a_reply_is_fetched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
