/* SPDX-License-Identifier: MIT */
/*
 * test_reason.c - a reason is one clean line, whatever was put into it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <errno.h>
#include <cmocka.h>

#include <quoit/numa/reason.h>

static void set_fills_the_reason_and_gives_the_error_back(void **state)
{
	(void)state;
	struct quoit_reason why = {0};
	assert_int_equal(quoit_reason_set(&why, -EPERM, "port %d: %s", 80, "ask root"), -EPERM);
	assert_int_equal(why.error, -EPERM);
	assert_string_equal(why.text, "port 80: ask root");
}

static void set_replaces_what_was_there(void **state)
{
	(void)state;
	struct quoit_reason why = {.error = -EIO, .text = "a longer text than the next"};
	quoit_reason_set(&why, -EBUSY, "short");
	assert_int_equal(why.error, -EBUSY);
	assert_string_equal(why.text, "short");
}

static void nobody_needs_to_want_the_reason(void **state)
{
	(void)state;
	assert_int_equal(quoit_reason_set(NULL, -ENOMEM, "%s", "unheard"), -ENOMEM);
}

static void a_long_reason_is_cut_and_ended(void **state)
{
	(void)state;
	char guarded[sizeof(struct quoit_reason) + 16];
	memset(guarded, 0x5a, sizeof guarded);
	struct quoit_reason *const why = (struct quoit_reason *)(void *)guarded;
	char long_text[1000];
	memset(long_text, 'x', sizeof long_text - 1);
	long_text[sizeof long_text - 1] = '\0';

	assert_int_equal(quoit_reason_set(why, -E2BIG, "%s", long_text), -E2BIG);
	assert_int_equal(strlen(why->text), sizeof why->text - 1);
	assert_memory_equal(why->text, long_text, sizeof why->text - 1);
	for (size_t i = sizeof *why; i < sizeof guarded; i++)
		assert_int_equal(guarded[i], 0x5a);
}

static void line_breaks_and_terminal_codes_become_spaces(void **state)
{
	(void)state;
	struct quoit_reason why = {0};
	quoit_reason_set(&why, -EINVAL, "%s", "a\nb\tc\033[2Jd\177e\r\n");
	assert_string_equal(why.text, "a b c [2Jd e");
	quoit_reason_set(&why, -EINVAL, "%s", "Gr\303\266\303\237e");
	assert_string_equal(why.text, "Gr\303\266\303\237e");
	quoit_reason_set(&why, -EINVAL, "%s", "\n\n");
	assert_string_equal(why.text, "");
}

static void a_reason_can_quote_itself(void **state)
{
	(void)state;
	struct quoit_reason why = {0};
	quoit_reason_set(&why, -EPERM, "mbind: refused");
	quoit_reason_set(&why, why.error, "core 3: %s", why.text);
	assert_int_equal(why.error, -EPERM);
	assert_string_equal(why.text, "core 3: mbind: refused");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_fills_the_reason_and_gives_the_error_back),
		cmocka_unit_test(set_replaces_what_was_there),
		cmocka_unit_test(nobody_needs_to_want_the_reason),
		cmocka_unit_test(a_long_reason_is_cut_and_ended),
		cmocka_unit_test(line_breaks_and_terminal_codes_become_spaces),
		cmocka_unit_test(a_reason_can_quote_itself),
	};
	return cmocka_run_group_tests_name("numa/reason", tests, NULL, NULL);
}
