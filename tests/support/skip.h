/* SPDX-License-Identifier: MIT */
/*
 * skip.h - skip a cmocka test and say why, so that the runner can count it with its reason.
 *
 * Include after <cmocka.h>. A reason that names io_uring is a failure where REQUIRE_IO_URING=1.
 */
#ifndef QUOIT_TESTS_SUPPORT_SKIP_H
#define QUOIT_TESTS_SUPPORT_SKIP_H

#define skip_because(...)                   \
	do {                                \
		print_message("skip: ");    \
		print_message(__VA_ARGS__); \
		print_message("\n");        \
		skip();                     \
	} while (0)

#endif
