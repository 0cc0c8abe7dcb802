/* SPDX-License-Identifier: MIT */
/*
 * test_machine.c - lines that are asked for ahead; memory that nobody may touch for a while: the
 * address sanitizer is told. And what is said of a broken contract.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <quoit/numa/machine.h>

#include "support/skip.h"

#ifdef QUOIT_ASAN
#include <sanitizer/asan_interface.h>
#endif

static void poisoned_bytes_are_known_to_the_address_sanitizer(void **state)
{
	(void)state;
#ifdef QUOIT_ASAN
	static _Alignas(16) char bytes[64];

	quoit_poison(&bytes[16], 16);
	assert_false(__asan_address_is_poisoned(&bytes[15]));
	assert_true(__asan_address_is_poisoned(&bytes[16]));
	assert_true(__asan_address_is_poisoned(&bytes[31]));
	assert_false(__asan_address_is_poisoned(&bytes[32]));
	quoit_unpoison(&bytes[16], 16);
	assert_null(__asan_region_is_poisoned(bytes, sizeof(bytes)));
#else
	quoit_poison(NULL, 0);
	quoit_unpoison(NULL, 0);
	skip_because("it is not built with the address sanitizer");
#endif
}

static void lines_that_are_fetched_stay_as_they_are_even_where_nothing_is(void **state)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	unsigned char *const at =
		mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_ptr_not_equal(at, MAP_FAILED);
	memset(at, 0x5a, page);
	assert_int_equal(mprotect(at + page, page, PROT_NONE), 0);
	quoit_lines_fetch(at, 2 * page); /* it never faults */
	for (size_t i = 0; i < page; i++)
		assert_int_equal(at[i], 0x5a);
	munmap(at, 2 * page);
}

/* A byte of each line at most may be lost, and nothing around them. */
static void owning_lines_keeps_within_them(void **state)
{
	static QUOIT_ISOLATED unsigned char bytes[8 * QUOIT_LINE_BYTES];
	const int first = quoit_lines_need_stores() ? 0 : 0x5a;

	(void)state;
	memset(bytes, 0x5a, sizeof(bytes));
	quoit_lines_own(bytes + 2 * QUOIT_LINE_BYTES, 3 * QUOIT_LINE_BYTES);
	for (size_t i = 0; i < sizeof(bytes); i++) {
		const size_t line = i / QUOIT_LINE_BYTES;
		const bool owned = line >= 2 && line < 5 && i % QUOIT_LINE_BYTES == 0;

		assert_int_equal(bytes[i], owned ? first : 0x5a);
	}
}

#define LIMIT 3

static void a_broken_contract_is_told_as_it_is_written(void **state)
{
	char said[512] = "";
	size_t len = 0;
	ssize_t n;
	int ends[2], status;
	pid_t child;

	(void)state;
#if QUOIT_CONFIG_ASSERT < 1
	skip_because("CONFIG_ASSERT is 0");
#endif
	assert_int_equal(pipe(ends), 0);
	child = fork();
	assert_true(child >= 0);
	if (!child) {
		dup2(ends[1], STDERR_FILENO);
		QUOIT_ASSERT(quoit_min(child, LIMIT) == LIMIT);
		_exit(0);
	}
	close(ends[1]);
	while ((n = read(ends[0], said + len, sizeof(said) - 1 - len)) > 0)
		len += (size_t)n;
	close(ends[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	assert_non_null(strstr(said, "contract broken: quoit_min(child, LIMIT) == LIMIT\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_that_are_fetched_stay_as_they_are_even_where_nothing_is),
		cmocka_unit_test(owning_lines_keeps_within_them),
		cmocka_unit_test(poisoned_bytes_are_known_to_the_address_sanitizer),
		cmocka_unit_test(a_broken_contract_is_told_as_it_is_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
