/* SPDX-License-Identifier: MIT */
/*
 * test_copy.c - copying and filling: feature B218; defect D-58, which copied wrongly where the two
 * addresses were aligned differently, filled wrongly for some lengths of vectors, and took what it
 * was built for for what the cpu can do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>

#include <quoit/numa/atomic.h>
#include <quoit/rings/copy.h>

#define ROOM 1024

static unsigned char from[ROOM], to[ROOM], right[ROOM];

static void begin(void)
{
	if (!from[0])
		for (size_t i = 0; i < ROOM; i++)
			from[i] = (unsigned char)(i * 7 + 1);
	memset(to, 0xee, ROOM);
	memset(right, 0xee, ROOM);
}

/* Every pair of alignments within a line, lengths around those of vectors and lines. */
static void check_copies(void (*copy)(void *to, const void *from, size_t bytes))
{
	for (size_t out = 0; out < 65; out++)
		for (size_t in = 0; in < 65; in += 3)
			for (size_t bytes = 0; bytes < 400; bytes += bytes < 140 ? 1 : 37) {
				begin();
				copy(to + out, from + in, bytes);
				memcpy(right + out, from + in, bytes);
				if (memcmp(to, right, ROOM))
					fail_msg("%zu bytes from +%zu to +%zu", bytes, in, out);
			}
}

static void copy_words(void *out, const void *in, size_t bytes)
{
	quoit_copy_u64(out, in, bytes / 8);
	quoit_copy((char *)out + bytes / 8 * 8, (const char *)in + bytes / 8 * 8, bytes % 8);
}

static void a_copy_is_the_same_whatever_the_addresses(void **state)
{
	(void)state;
	check_copies(quoit_copy);
	check_copies(quoit_copy_streaming);
}

static void words_are_copied_where_only_one_side_is_aligned_to_a_vector(void **state)
{
	(void)state;
	for (size_t out = 0; out < 64; out += 8)
		for (size_t in = 0; in < 64; in += 8)
			for (size_t bytes = 0; bytes < 300; bytes += 5) {
				begin();
				copy_words(to + out, from + in, bytes);
				memcpy(right + out, from + in, bytes);
				assert_memory_equal(to, right, ROOM);
			}
}

static void a_sequence_counts_up_whatever_its_length(void **state)
{
	uint64_t words[131];

	(void)state;
	for (size_t n = 0; n < 130; n++) {
		words[n] = 42; /* behind the end */
		quoit_fill_sequential_u64(words, UINT64_MAX - 3, n);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(words[i], UINT64_MAX - 3 + i);
		assert_int_equal(words[n], 42);
	}
}

static void filling_and_zeroing_keep_to_their_range(void **state)
{
	(void)state;
	for (size_t bytes = 0; bytes < 300; bytes++) {
		begin();
		quoit_fill(to + 5, 0xab, bytes);
		memset(right + 5, 0xab, bytes);
		assert_memory_equal(to, right, ROOM);
		quoit_zero(to + 9, bytes);
		memset(right + 9, 0, bytes);
		assert_memory_equal(to, right, ROOM);
	}
}

/* The kernel's list, which is of this machine and not of this build. */
static bool proc_says(const char *flag)
{
	char line[8192];
	bool found = false;
	FILE *const file = fopen("/proc/cpuinfo", "r");

	assert_non_null(file);
	while (!found && fgets(line, sizeof(line), file)) {
		const char *at = line;

		if (strncmp(line, "flags", 5) && strncmp(line, "Features", 8))
			continue;
		while (!found && (at = strstr(at + 1, flag)))
			found = at[-1] == ' ' &&
				(at[strlen(flag)] == ' ' || at[strlen(flag)] == '\n');
	}
	fclose(file); /* only read */
	return found;
}

static void features_are_those_of_the_cpu_that_runs_this(void **state)
{
	const unsigned features = quoit_cpu_features();
	size_t widest = 8;

	(void)state;
#if defined(__x86_64__)
	assert_int_equal(!!(features & QUOIT_CPU_SSE42), proc_says("sse4_2"));
	assert_int_equal(!!(features & QUOIT_CPU_AVX2), proc_says("avx2"));
	assert_int_equal(!!(features & QUOIT_CPU_AVX512),
			 proc_says("avx512f") && proc_says("avx512bw") && proc_says("avx512vl"));
	assert_false(features & (QUOIT_CPU_NEON | QUOIT_CPU_SVE));
	widest = proc_says("avx512f") ? 64 : proc_says("avx2") ? 32 : 16;
#elif defined(__aarch64__)
	assert_int_equal(!!(features & QUOIT_CPU_NEON), proc_says("asimd"));
	assert_int_equal(!!(features & QUOIT_CPU_SVE), proc_says("sve"));
	widest = 16;
#endif
	assert_int_equal(quoit_cpu_vector_bytes(), widest);
}

static void vectors_are_the_widest_of_what_a_cpu_has(void **state)
{
	(void)state;
	assert_int_equal(quoit__cpu_vector_bytes(QUOIT_CPU_SSE42 | QUOIT_CPU_AVX2), 32);
	assert_int_equal(
		quoit__cpu_vector_bytes(QUOIT_CPU_SSE42 | QUOIT_CPU_AVX2 | QUOIT_CPU_AVX512), 64);
#if defined(__x86_64__)
	assert_int_equal(quoit__cpu_vector_bytes(0), 16);
#else
	assert_int_equal(quoit__cpu_vector_bytes(0), 8);
	assert_int_equal(quoit__cpu_vector_bytes(QUOIT_CPU_NEON), 16);
#endif
}

/* --- two threads ----------------------------------------------------------------------------- */

#define STREAMED 256
#define ROUNDS	 20000

static struct {
	QUOIT_ISOLATED uint64_t words[STREAMED / 8];
	QUOIT_ISOLATED uint32_t there; /* the round whose words have been told */
	QUOIT_ISOLATED uint32_t seen;
} told;

/* The other thread may need this cpu to get there. */
static void wait_for(const uint32_t *word, uint32_t round)
{
	for (uint32_t looks = 1; quoit_load_acquire(word) != round; looks++)
		if (looks % 256)
			quoit_relax();
		else
			sched_yield();
}

static void *stream_worker(void *arg)
{
	uint64_t words[STREAMED / 8];

	(void)arg;
	for (uint32_t round = 1; round <= ROUNDS; round++) {
		for (size_t i = 0; i < STREAMED / 8; i++)
			words[i] = round;
		quoit_copy_streaming(told.words, words, sizeof(words));
		quoit_store_release(&told.there, round); /* read below */
		wait_for(&told.seen, round);
	}
	return NULL;
}

/* Stores past the cache are slower than those into it, and a release does not wait for them. */
static void what_was_streamed_is_there_when_a_release_says_so(void **state)
{
	size_t late = 0;
	pthread_t thread;

	(void)state;
	told.there = told.seen = 0;
	assert_int_equal(pthread_create(&thread, NULL, stream_worker, NULL), 0);
	for (uint32_t round = 1; round <= ROUNDS; round++) {
		wait_for(&told.there, round);
		for (size_t i = STREAMED / 8; i--;)
			late += told.words[i] != round;
		quoit_store_release(&told.seen, round);
	}
	pthread_join(thread, NULL);
	assert_int_equal(late, 0);
}

static void prefetching_what_is_not_there_does_no_harm(void **state)
{
	(void)state;
	quoit_prefetch_read(NULL);
	quoit_prefetch_write((const void *)(uintptr_t)-64);
	begin();
	quoit_prefetch_write(to);
	assert_memory_equal(to, right, ROOM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_copy_is_the_same_whatever_the_addresses),
		cmocka_unit_test(words_are_copied_where_only_one_side_is_aligned_to_a_vector),
		cmocka_unit_test(a_sequence_counts_up_whatever_its_length),
		cmocka_unit_test(filling_and_zeroing_keep_to_their_range),
		cmocka_unit_test(features_are_those_of_the_cpu_that_runs_this),
		cmocka_unit_test(vectors_are_the_widest_of_what_a_cpu_has),
		cmocka_unit_test(what_was_streamed_is_there_when_a_release_says_so),
		cmocka_unit_test(prefetching_what_is_not_there_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
