/* SPDX-License-Identifier: MIT */
/*
 * fuzz.h - cmocka's asserts for a fuzzer, which wants a crash: so the checks of the unit tests are
 * the fuzzer's, too. Instead of cmocka.
 */
#ifndef QUOIT_TESTS_FUZZ_FUZZ_H
#define QUOIT_TESTS_FUZZ_FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static inline void fuzz_fail(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: not true: %s\n", file, line, what);
	abort();
}

#define assert_true(cond)	  ((cond) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #cond))
#define assert_int_equal(a, b)	  assert_true((long long)(a) == (long long)(b))
#define assert_ptr_equal(a, b)	  assert_true((a) == (b))
#define assert_string_equal(a, b) assert_true(!strcmp((a), (b)))
#define print_error(...)	  fprintf(stderr, __VA_ARGS__)

#endif
