/* SPDX-License-Identifier: MIT */
/*
 * test_report.c - the figures as text.
 */
#include "report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct info info;
static struct findings findings;

static void set_info(const char *text)
{
	info_parse(&info, text, strlen(text));
}

static void numbers_are_grouped_by_thousands(void **state)
{
	char out[REPORT_NUMBER];

	(void)state;
	assert_string_equal(report_grouped(out, 0), "0");
	assert_string_equal(report_grouped(out, 999), "999");
	assert_string_equal(report_grouped(out, 1000), "1,000");
	assert_string_equal(report_grouped(out, 12345678), "12,345,678");
	assert_string_equal(report_grouped(out, UINT64_MAX), "18,446,744,073,709,551,615");
}

static void short_numbers_have_three_digits_and_a_unit(void **state)
{
	char out[REPORT_NUMBER];

	(void)state;
	assert_string_equal(report_short(out, 0), "0");
	assert_string_equal(report_short(out, 999), "999");
	assert_string_equal(report_short(out, 999.7), "1.00k");
	assert_string_equal(report_short(out, 1234), "1.23k");
	assert_string_equal(report_short(out, 45678), "45.7k");
	assert_string_equal(report_short(out, 999400), "999k");
	assert_string_equal(report_short(out, 999600), "1.00M");
	assert_string_equal(report_short(out, 1.8e19), "18.0E");
}

/* The RESULT line for what was set, without its end. */
static void result(char *out, size_t room)
{
	FILE *const to = fmemopen(out, room, "w");

	assert_non_null(to);
	report_result(to, &info, &findings);
	fclose(to);
	out[strcspn(out, "\n")] = '\0';
}

static void the_result_line_has_the_agreed_form(void **state)
{
	char out[256];

	(void)state;
	findings = (struct findings){.asked = 1000, .answered = 997, .lost = 3, .wrong = 2};
	set_info("core0:requests=500,local=240,forwarded=260,bells_rung=7,bells_saved=9\r\n"
		 "core1:requests=500,local=260,forwarded=240,bells_rung=1,bells_saved=4\r\n");
	result(out, sizeof(out));
	assert_string_equal(out, "RESULT name=demo requests=1000 lost=3 wrong=2 forwarded_pct=50 "
				 "bells=8 elided=13");
}

static void a_figure_that_was_not_told_is_unknown_and_not_zero(void **state)
{
	char out[256];

	(void)state;
	findings = (struct findings){.asked = 5, .answered = 5};
	set_info("core0:requests=500\r\n");
	result(out, sizeof(out));
	assert_string_equal(out, "RESULT name=demo requests=5 lost=0 wrong=0 forwarded_pct=unknown "
				 "bells=unknown elided=unknown");
}

static void the_live_line_says_what_each_core_does(void **state)
{
	char out[201];

	(void)state;
	set_info("core0:requests=1000,local=500,forwarded=500,messages_in=60,batches=10,"
		 "bells_rung=7,bells_saved=2000\r\n"
		 "core1:requests=3000,local=1500,forwarded=1500,messages_in=60,batches=10,"
		 "bells_rung=1,bells_saved=500\r\n");
	report_live(out, 200, 3, &info, 2);
	assert_string_equal(out, "   3 s   core 0   500/s   core 1 1.50k/s   forwarded 50 %   "
				 "batch  6.0   bells 8 rung 2.50k saved");
}

static void the_live_line_never_leaves_the_terminal(void **state)
{
	char text[64 * 1024] = "", whole[512];

	(void)state;
	for (unsigned i = 0; i < 200; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text),
			 "core%u:requests=18446744073709551615,local=1,forwarded=3,messages_in=9,"
			 "batches=1,bells_rung=1,bells_saved=1\r\n",
			 i);
	set_info(text);
	report_live(whole, sizeof(whole) - 1, 1, &info, 1);
	for (size_t columns = 1; columns < 120; columns++) {
		char *const out = malloc(columns + 1);

		assert_non_null(out);
		report_live(out, columns, 1, &info, 1);
		assert_true(strlen(out) <= columns);
		assert_memory_equal(out, whole, strlen(out));
		free(out);
	}
}

static void a_table_of_nothing_divides_by_nothing(void **state)
{
	char out[4096];
	FILE *const to = fmemopen(out, sizeof(out), "w");

	(void)state;
	assert_non_null(to);
	findings = (struct findings){.asked = 0};
	set_info("core0:requests=0,local=0,forwarded=0,messages_in=0,batches=0\r\ncore1:\r\n");
	report_table(to, &info, 0, &findings, 0);
	fclose(to);
	assert_null(strstr(out, "nan"));
	assert_null(strstr(out, "inf"));
	assert_non_null(strstr(out, "connections\n     0             0            0       0.0 %"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_grouped_by_thousands),
		cmocka_unit_test(short_numbers_have_three_digits_and_a_unit),
		cmocka_unit_test(the_result_line_has_the_agreed_form),
		cmocka_unit_test(a_figure_that_was_not_told_is_unknown_and_not_zero),
		cmocka_unit_test(the_live_line_says_what_each_core_does),
		cmocka_unit_test(the_live_line_never_leaves_the_terminal),
		cmocka_unit_test(a_table_of_nothing_divides_by_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
