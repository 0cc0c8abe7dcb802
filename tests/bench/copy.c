/* SPDX-License-Identifier: MIT */
/*
 * copy.c - is a helper of rings/copy.h worth its name? Each against what one would write instead.
 *
 * The two of a pair take turns, in every round in the other order, on the same memory; printed are
 * the medians and the median of the rounds' ratios (above 1: the helper is faster). What copies is
 * measured with memory that fits the first cache up to more than the last one holds.
 */
#include <stdio.h>
#include <stdlib.h>

#include <quoit/numa/clock.h>
#include <quoit/rings/copy.h>

#include <support/random.h>

#define MOST_BYTES ((size_t)128 << 20)
#define ROUNDS	   9
#define ROUND_NS   4000000
#define AHEAD	   16

static char *to, *from;
static uint32_t *order; /* all lines of `to`, at random */
static uint64_t sink;

/* --- the helpers and their rivals ------------------------------------------------------------ */

static void plain_words(size_t bytes)
{
	uint64_t *const out = (uint64_t *)(void *)to;
	const uint64_t *const in = (const uint64_t *)(const void *)from;

	for (size_t i = 0; i < bytes / 8; i++) {
		out[i] = in[i];
		__asm__ volatile("" : "+r"(i)); /* a loop, which nobody makes a memcpy of */
	}
}

static void plain_memcpy(size_t bytes)
{
	memcpy(to, from, bytes);
}

static void helper_copy(size_t bytes)
{
	quoit_copy(to, from, bytes);
}

static void helper_copy_u64(size_t bytes)
{
	quoit_copy_u64((uint64_t *)(void *)to, (const uint64_t *)(const void *)from, bytes / 8);
}

static void helper_streaming(size_t bytes)
{
	quoit_copy_streaming(to, from, bytes);
}

static void plain_fill(size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		to[i] = 7;
		__asm__ volatile("" : "+r"(i));
	}
}

static void helper_fill(size_t bytes)
{
	quoit_fill(to, 7, bytes);
}

static void plain_memset(size_t bytes)
{
	memset(to, 0, bytes);
}

static void helper_zero(size_t bytes)
{
	quoit_zero(to, bytes);
}

static void plain_sequence(size_t bytes)
{
	uint64_t *const out = (uint64_t *)(void *)to;

	for (size_t i = 0; i < bytes / 8; i++) {
		out[i] = 5 + i;
		__asm__ volatile("" : "+r"(i));
	}
}

static void helper_sequence(size_t bytes)
{
	quoit_fill_sequential_u64((uint64_t *)(void *)to, 5, bytes / 8);
}

/* Lines in an order that no hardware guesses; each look depends on the list only. */
static void plain_visit(size_t bytes)
{
	for (size_t i = 0; i < bytes / 64; i++)
		sink += *(uint64_t *)(void *)(to + (size_t)order[i] * 64);
}

static void helper_visit(size_t bytes)
{
	const size_t lines = bytes / 64;

	for (size_t i = 0; i < lines; i++) {
		quoit_prefetch_read(to + (size_t)order[quoit_min(i + AHEAD, lines - 1)] * 64);
		sink += *(uint64_t *)(void *)(to + (size_t)order[i] * 64);
	}
}

/* The same, and a word of each line is changed depending on what is there. */
static void plain_change(size_t bytes)
{
	for (size_t i = 0; i < bytes / 64; i++) {
		uint64_t *const at = (uint64_t *)(void *)(to + (size_t)order[i] * 64);

		*at = *at * 3 + sink;
		sink ^= *at;
	}
}

static void helper_change(size_t bytes)
{
	const size_t lines = bytes / 64;

	for (size_t i = 0; i < lines; i++) {
		uint64_t *const at = (uint64_t *)(void *)(to + (size_t)order[i] * 64);

		quoit_prefetch_write(to + (size_t)order[quoit_min(i + AHEAD, lines - 1)] * 64);
		*at = *at * 3 + sink;
		sink ^= *at;
	}
}

/* --- measuring ------------------------------------------------------------------------------- */

struct pair {
	const char *name;
	void (*helper)(size_t bytes);
	void (*plain)(size_t bytes);
	const char *rival;
};

static double time_ns(void (*run)(size_t bytes), size_t bytes, size_t times)
{
	const uint64_t began = quoit_clock_now_ns();

	for (size_t i = 0; i < times; i++) {
		run(bytes);
		__asm__ volatile("" ::: "memory");
	}
	return (double)(quoit_clock_now_ns() - began) / (double)times;
}

static int by_size(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values)
{
	qsort(values, ROUNDS, sizeof(*values), by_size);
	return values[ROUNDS / 2];
}

static void measure(const struct pair *pair, size_t bytes)
{
	const double once = time_ns(pair->plain, bytes, 1) + time_ns(pair->helper, bytes, 1);
	const size_t times = 1 + (size_t)(ROUND_NS / (once + 1));
	double helper[ROUNDS], plain[ROUNDS], ratio[ROUNDS];

	for (size_t i = 0; i < ROUNDS; i++) {
		if (i % 2)
			helper[i] = time_ns(pair->helper, bytes, times);
		plain[i] = time_ns(pair->plain, bytes, times);
		if (i % 2 == 0)
			helper[i] = time_ns(pair->helper, bytes, times);
		ratio[i] = plain[i] / helper[i];
	}
	printf("RESULT name=bench-copy cell=%s-%zu ours_ns=%.1f plain_ns=%.1f plain=%s "
	       "ratio=%.2f\n",
	       pair->name, bytes, median(helper), median(plain), pair->rival, median(ratio));
	fflush(stdout);
}

/* Every number below n once. */
static void shuffle(uint32_t *all, size_t n)
{
	struct random random = {.state = 1};

	for (size_t i = 0; i < n; i++) {
		const size_t j = (size_t)random_below(&random, i + 1);

		all[i] = all[j];
		all[j] = (uint32_t)i;
	}
}

int main(void)
{
	static const struct pair pairs[] = {
		{"copy", helper_copy, plain_words, "loop"},
		{"copy", helper_copy, plain_memcpy, "memcpy"},
		{"copy-u64", helper_copy_u64, plain_words, "loop"},
		{"streaming", helper_streaming, plain_memcpy, "memcpy"},
		{"fill", helper_fill, plain_fill, "loop"},
		{"zero", helper_zero, plain_memset, "memset"},
		{"sequential", helper_sequence, plain_sequence, "loop"},
		{"prefetch-read", helper_visit, plain_visit, "none"},
		{"prefetch-write", helper_change, plain_change, "none"},
	};
	static const size_t sizes[] = {64, 4096, 262144, 4 << 20, MOST_BYTES};

	to = aligned_alloc(4096, MOST_BYTES);
	from = aligned_alloc(4096, MOST_BYTES);
	order = malloc(MOST_BYTES / 64 * sizeof(*order));
	if (!to || !from || !order)
		return 2;
	memset(to, 1, MOST_BYTES);
	memset(from, 2, MOST_BYTES);
	printf("note: cpu features %#x, vectors of %zu bytes\n", quoit_cpu_features(),
	       quoit_cpu_vector_bytes());
	for (size_t size = 0; size < sizeof(sizes) / sizeof(sizes[0]); size++) {
		shuffle(order, sizes[size] / 64);
		for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
			measure(&pairs[i], sizes[size]);
	}
	free(order);
	free(from);
	free(to);
	return sink == 1;
}
