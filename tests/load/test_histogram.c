/* SPDX-License-Identifier: MIT */
/*
 * test_histogram.c - quantiles against sorted values.
 */
#include "histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void an_empty_one_says_nothing(void **state)
{
	static struct histogram h;

	(void)state;
	assert_int_equal(histogram_quantile(&h, 0.5), 0);
}

static void every_value_is_in_a_bucket_that_is_not_too_wide(void **state)
{
	(void)state;
	for (unsigned bit = 0; bit < 64; bit++) {
		for (int near = -1; near <= 1; near++) {
			static struct histogram h;
			const uint64_t value = (UINT64_C(1) << bit) + (uint64_t)(int64_t)near;

			memset(&h, 0, sizeof(h));
			histogram_record(&h, value);

			const uint64_t said = histogram_quantile(&h, 1);

			assert_true(said >= value);
			assert_true(said - value <= value / 32);
		}
	}
}

static int compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void quantiles_are_those_of_the_sorted_values(void **state)
{
	enum {
		COUNT = 10000,
	};
	static struct histogram all, half[2];
	static uint64_t values[COUNT];
	static const double shares[] = {0.001, 0.5, 0.9, 0.99, 0.999, 1};
	uint64_t random = 1;

	(void)state;
	for (size_t i = 0; i < COUNT; i++) {
		random = random * UINT64_C(6364136223846793005) + 1442695040888963407;
		values[i] = random >> 34 >> (random >> 30 & 15);
		histogram_record(&half[i % 2], values[i]);
	}
	histogram_add(&all, &half[0]);
	histogram_add(&all, &half[1]);
	assert_int_equal(all.count, COUNT);
	qsort(values, COUNT, sizeof(*values), compare);
	for (size_t i = 0; i < sizeof(shares) / sizeof(*shares); i++) {
		const uint64_t exact = values[(size_t)(shares[i] * COUNT + 0.5) - 1];
		const uint64_t said = histogram_quantile(&all, shares[i]);

		assert_true(said >= exact);
		assert_true(said - exact <= exact / 32);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_one_says_nothing),
		cmocka_unit_test(every_value_is_in_a_bucket_that_is_not_too_wide),
		cmocka_unit_test(quantiles_are_those_of_the_sorted_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
