/* SPDX-License-Identifier: MIT */
/*
 * test_histogram.c - buckets, quantiles against sorted values, sums and differences.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include <quoit/runtime/histogram.h>

#include <support/random.h>

static void an_empty_one_says_nothing(void **state)
{
	static const struct quoit_histogram h;

	(void)state;
	assert_int_equal(quoit_histogram_count(&h), 0);
	assert_int_equal(quoit_histogram_quantile(&h, 0.5), 0);
	assert_true(quoit_histogram_mean(&h) == 0);
}

static void every_value_of_64_bits_is_known_to_an_eighth(void **state)
{
	(void)state;
	for (unsigned bit = 0; bit < 64; bit++)
		for (int near = -1; near <= 1; near++) {
			struct quoit_histogram h = {0};
			const uint64_t value = (UINT64_C(1) << bit) + (uint64_t)(int64_t)near;
			uint64_t said;

			quoit_histogram_record(&h, value);
			said = quoit_histogram_quantile(&h, 1);
			assert_true(said >= value);
			assert_true(said - value <= value / 8);
			assert_int_equal(quoit_histogram_count(&h), 1);
			assert_int_equal(h.sum, value);
		}
}

static int compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

enum {
	COUNT = 10000
};

static uint64_t values[COUNT];

static void draw_values(void)
{
	struct random random = {random_seed()};

	for (size_t i = 0; i < COUNT; i++)
		values[i] = random_u64(&random) >> 30 >> random_u64(&random) % 30;
}

static void quantiles_are_those_of_the_sorted_values_also_of_a_merger(void **state)
{
	static const double shares[] = {0.001, 0.5, 0.9, 0.99, 0.999, 1};
	static struct quoit_histogram all, half[2];
	uint64_t sum = 0;

	(void)state;
	draw_values();
	for (size_t i = 0; i < COUNT; i++) {
		quoit_histogram_record(&half[i % 2], values[i]);
		sum += values[i];
	}
	quoit_histogram_merge(&all, &half[0]);
	quoit_histogram_merge(&all, &half[1]);
	assert_int_equal(quoit_histogram_count(&all), COUNT);
	assert_true(quoit_histogram_mean(&all) == (double)sum / COUNT);
	qsort(values, COUNT, sizeof(*values), compare);
	for (size_t i = 0; i < sizeof(shares) / sizeof(*shares); i++) {
		const uint64_t exact = values[(size_t)(shares[i] * COUNT + 0.5) - 1];
		const uint64_t said = quoit_histogram_quantile(&all, shares[i]);

		assert_true(said >= exact);
		assert_true(said - exact <= exact / 8);
	}
}

/* What came between two readings is as if only that had been recorded. */
static void a_difference_is_what_came_in_between(void **state)
{
	static struct quoit_histogram live, before, after, only;

	(void)state;
	draw_values();
	for (size_t i = 0; i < COUNT / 2; i++)
		quoit_histogram_record(&live, values[i]);
	quoit_histogram_read(&live, &before);
	for (size_t i = COUNT / 2; i < COUNT; i++) {
		quoit_histogram_record(&live, values[i]);
		quoit_histogram_record(&only, values[i]);
	}
	quoit_histogram_read(&live, &after);
	assert_memory_equal(&live, &after, sizeof(live));
	quoit_histogram_subtract(&after, &before);
	assert_memory_equal(&after, &only, sizeof(only));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_one_says_nothing),
		cmocka_unit_test(every_value_of_64_bits_is_known_to_an_eighth),
		cmocka_unit_test(quantiles_are_those_of_the_sorted_values_also_of_a_merger),
		cmocka_unit_test(a_difference_is_what_came_in_between),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
