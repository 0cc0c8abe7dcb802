/* SPDX-License-Identifier: MIT */
/*
 * test_machine.c - memory that nobody may touch for a while: the address sanitizer is told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(poisoned_bytes_are_known_to_the_address_sanitizer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
