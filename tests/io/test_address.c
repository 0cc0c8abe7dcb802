/* SPDX-License-Identifier: MIT */
/* test_address.c - the texts that are addresses, and those that are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include <quoit/io/address_internal.h>

static void good_texts_become_addresses_and_print_as_they_were(void **state)
{
	static const struct {
		const char *text;
		const char *printed;
		int port;
	} cases[] = {
		{"127.0.0.1:7000", "127.0.0.1:7000", 7000},
		{"0.0.0.0:0", "0.0.0.0:0", 0},
		{"255.255.255.255:65535", "255.255.255.255:65535", 65535},
		{"127.0.0.1:00080", "127.0.0.1:80", 80},
		{"[::1]:7000", "[::1]:7000", 7000},
		{"[::]:1", "[::]:1", 1},
		{"[2001:DB8::5]:443", "[2001:db8::5]:443", 443},
		{"[::ffff:1.2.3.4]:9", "[::ffff:1.2.3.4]:9", 9},
		{"[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535",
		 "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535", 65535},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct quoit_address address;
		struct quoit_address again;
		struct quoit_reason why = {0};
		char text[QUOIT_ADDRESS_TEXT];

		assert_int_equal(quoit_address_parse(&address, cases[i].text, &why), 0);
		assert_int_equal(why.error, 0);
		assert_int_equal(quoit_address_port(&address), cases[i].port);
		quoit_address_print(&address, text);
		assert_string_equal(text, cases[i].printed);
		assert_int_equal(quoit_address_parse(&again, text, &why), 0);
		assert_memory_equal(&again, &address, sizeof(address));
	}
}

static void what_is_parsed_is_what_the_kernel_wants(void **state)
{
	struct quoit_address address;

	(void)state;
	assert_int_equal(quoit_address_parse(&address, "1.2.3.4:5", NULL), 0);
	assert_int_equal(address.any.sa_family, AF_INET);
	assert_int_equal(address.bytes, sizeof(struct sockaddr_in));
	assert_int_equal(ntohl(address.v4.sin_addr.s_addr), 0x01020304);
	assert_int_equal(ntohs(address.v4.sin_port), 5);
	assert_int_equal(quoit_address_parse(&address, "[::1]:6", NULL), 0);
	assert_int_equal(address.any.sa_family, AF_INET6);
	assert_int_equal(address.bytes, sizeof(struct sockaddr_in6));
	assert_memory_equal(&address.v6.sin6_addr, &in6addr_loopback, 16);
	assert_int_equal(ntohs(address.v6.sin6_port), 6);
}

static void bad_texts_are_refused_and_change_nothing(void **state)
{
	static const char *const texts[] = {
		"",
		":",
		":80",
		"127.0.0.1",
		"127.0.0.1:",
		"127.0.0.1:65536",
		"127.0.0.1:-1",
		"127.0.0.1:+1",
		"127.0.0.1: 1",
		"127.0.0.1:1 ",
		"127.0.0.1:0x10",
		"127.0.0.1:99999999999999999999",
		"127.0.0.1:000080", /* more digits than a port can have */
		" 127.0.0.1:80",
		"127.0.0:80",
		"256.0.0.1:80",
		"localhost:80",
		"::1:80",
		"[::1]",
		"[::1]80",
		"[::1:80",
		"::1]:80",
		"[]:80",
		"[:80",
		"[",
		"]:",
		"[127.0.0.1]:80",
		"[::1]]:80",
		"[[::1]:80",
		"[fe80::1%lo]:80",
		"1111111111111111111111111111111111111111111111111111111111111111:80",
		"[1111111111111111111111111111111111111111111111111111111111111111]:80",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct quoit_address address;
		struct quoit_address before;
		struct quoit_reason why = {0};

		memset(&address, 0x5a, sizeof(address));
		before = address;
		assert_int_equal(quoit_address_parse(&address, texts[i], &why), -EINVAL);
		assert_int_equal(why.error, -EINVAL);
		assert_non_null(strstr(why.text, "127.0.0.1:7000"));
		assert_memory_equal(&address, &before, sizeof(address));
	}
}

static void no_text_at_all_is_refused(void **state)
{
	struct quoit_address address;
	struct quoit_reason why = {0};

	(void)state;
	assert_int_equal(quoit_address_parse(&address, NULL, &why), -EINVAL);
	assert_int_equal(why.error, -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_texts_become_addresses_and_print_as_they_were),
		cmocka_unit_test(what_is_parsed_is_what_the_kernel_wants),
		cmocka_unit_test(bad_texts_are_refused_and_change_nothing),
		cmocka_unit_test(no_text_at_all_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
