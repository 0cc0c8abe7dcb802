/* SPDX-License-Identifier: MIT */
/*
 * test_idset.c - the kernel's list syntax, read and written.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <errno.h>
#include <cmocka.h>

#include <quoit/numa/idset.h>

static void a_list_is_read_as_the_kernel_means_it(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *means;
	} cases[] = {
		{"0-3\n", "0-3"},
		{"0", "0"},
		{"", "none"},
		{"\n", "none"},
		{"  1,3 \n", "1,3"},
		{"0,2-3", "0,2-3"},
		{"5,1,3-4", "1,3-5"},
		{"0-3,8,10-11:1/2", "0-3,8,10"},
		{"0-9:2/5", "0-1,5-6"},
		{"0-10:1/4", "0,4,8"},
		{"4-6:3/3", "4-6"},
		{"0-8191", "0-8191"},
		{"63-64,127,128", "63-64,127-128"},
		{"0007", "7"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct quoit_idset set = {0};
		char text[256];
		assert_int_equal(quoit_idset_parse(&set, cases[i].text, QUOIT_CPUS_MAX), 0);
		assert_string_equal(quoit_idset_format(&set, text, sizeof text), cases[i].means);
	}
}

static void a_bad_list_is_refused_and_leaves_the_set_alone(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int error;
	} cases[] = {
		{"x", -EINVAL},
		{"-1", -EINVAL},
		{"0-", -EINVAL},
		{"0,", -EINVAL},
		{",0", -EINVAL},
		{"0,,1", -EINVAL},
		{"3-1", -EINVAL},
		{"1 2", -EINVAL},
		{"0-3:", -EINVAL},
		{"0-3:1", -EINVAL},
		{"0-3:1/", -EINVAL},
		{"0-3:0/2", -EINVAL},
		{"0-3:3/2", -EINVAL},
		{"0-3:1/0", -EINVAL},
		{"0:1/2", -EINVAL},
		{"(null)", -EINVAL},
		{"0-3;", -EINVAL},
		{"8", -E2BIG},
		{"0-8", -E2BIG},
		{"7777777777-777777777", -EINVAL}, /* ten digits, and nine */
		{"0-7:7777777777/777777777", -EINVAL},
		{"0-4294967295", -E2BIG},
		{"4294967296", -E2BIG},
		{"18446744073709551616", -E2BIG},
		{"99999999999999999999999999999999", -E2BIG},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct quoit_idset set = {0};
		quoit_idset_add(&set, 5);
		const int rc = quoit_idset_parse(&set, cases[i].text, 8);
		if (rc != cases[i].error)
			print_error("list \"%s\" gives %d\n", cases[i].text, rc);
		assert_int_equal(rc, cases[i].error);
		assert_int_equal(quoit_idset_count(&set), 1);
		assert_true(quoit_idset_has(&set, 5));
	}
}

static void members_are_found_upwards_across_words(void **state)
{
	(void)state;
	static const unsigned members[] = {0, 1, 63, 64, 127, 1023, 1024, 4096, 8191};
	const size_t count = sizeof members / sizeof *members;
	struct quoit_idset set = {0};
	assert_int_equal(quoit_idset_next(&set, 0), -1);
	for (size_t i = count; i-- > 0;)
		quoit_idset_add(&set, members[i]);
	assert_int_equal(quoit_idset_count(&set), count);

	size_t at = 0;
	QUOIT_IDSET_FOR_EACH(id, &set)
	{
		assert_true(at < count);
		assert_int_equal(id, members[at]);
		at++;
	}
	assert_int_equal(at, count);
	assert_int_equal(quoit_idset_next(&set, 65), 127);
	assert_int_equal(quoit_idset_next(&set, 8191), 8191);
	assert_int_equal(quoit_idset_next(&set, 8192), -1);
	assert_false(quoit_idset_has(&set, 2));
	assert_false(quoit_idset_has(&set, 8192));
	assert_false(quoit_idset_has(&set, UINT32_MAX));
}

static void intersect_keeps_what_is_in_both(void **state)
{
	(void)state;
	struct quoit_idset set = {0};
	struct quoit_idset other = {0};
	char text[64];
	assert_int_equal(quoit_idset_parse(&set, "0-10,8000", QUOIT_CPUS_MAX), 0);
	assert_int_equal(quoit_idset_parse(&other, "3,9-12,8000-8191", QUOIT_CPUS_MAX), 0);
	quoit_idset_intersect(&set, &other);
	assert_string_equal(quoit_idset_format(&set, text, sizeof text), "3,9-10,8000");
	assert_true(quoit_idset_has(&other, 12));
}

static void a_list_that_does_not_fit_ends_in_dots(void **state)
{
	(void)state;
	struct quoit_idset set = {0};
	for (unsigned id = 0; id < QUOIT_CPUS_MAX; id += 2)
		quoit_idset_add(&set, id);
	for (size_t bytes = 8; bytes < 80; bytes++) {
		char text[96];
		memset(text, 0x5a, sizeof text);
		quoit_idset_format(&set, text, bytes);
		const size_t length = strlen(text);
		assert_true(length < bytes);
		assert_string_equal(text + length - 3, "...");
		for (size_t i = bytes; i < sizeof text; i++)
			assert_int_equal(text[i], 0x5a);
	}
}

/* Any set survives being written and read. */
static void what_is_written_is_read_back(void **state)
{
	(void)state;
	static char text[64 * 1024];
	uint64_t seed = 42;
	for (int round = 0; round < 50; round++) {
		struct quoit_idset set = {0};
		for (size_t i = 0; i < QUOIT_CPUS_MAX / 64; i++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			set.words[i] = round % 2 ? seed : seed & (seed << 7) & (seed >> 9);
		}
		struct quoit_idset back = {0};
		quoit_idset_format(&set, text, sizeof text);
		assert_int_equal(quoit_idset_parse(&back, text, QUOIT_CPUS_MAX), 0);
		assert_memory_equal(&set, &back, sizeof set);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_list_is_read_as_the_kernel_means_it),
		cmocka_unit_test(a_bad_list_is_refused_and_leaves_the_set_alone),
		cmocka_unit_test(members_are_found_upwards_across_words),
		cmocka_unit_test(intersect_keeps_what_is_in_both),
		cmocka_unit_test(a_list_that_does_not_fit_ends_in_dots),
		cmocka_unit_test(what_is_written_is_read_back),
	};
	return cmocka_run_group_tests_name("numa/idset", tests, NULL, NULL);
}
