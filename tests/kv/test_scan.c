/* SPDX-License-Identifier: MIT */
/* test_scan.c - where replies end, however the bytes are cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <cmocka.h>

#include "scan.h"

static const char *const replies[] = {
	"+OK\r\n",
	"-ERR with a $ and a *\r\n",
	":-9223372036854775808\r\n",
	"$-1\r\n",
	"$0\r\n\r\n",
	"$5\r\n\r\n+OK\r\n",
	"*-1\r\n",
	"*0\r\n",
	"*3\r\n$1\r\na\r\n$-1\r\n:7\r\n",
	"*2\r\n*2\r\n+a\r\n*0\r\n*1\r\n$2\r\nbc\r\n",
};

#define REPLIES (sizeof(replies) / sizeof(*replies))

/* In pieces of this size, with other bytes behind: exactly the reply is taken. */
static void scan_in_pieces(const char *reply, size_t piece)
{
	const size_t len = strlen(reply);
	struct scan scan = {0};
	char bytes[128];
	size_t at = 0;
	bool ended = false;

	memcpy(bytes, reply, len);
	memcpy(bytes + len, "+next\r\n", 7);
	while (!ended) {
		const size_t n = piece < len + 7 - at ? piece : len + 7 - at;
		const long took = scan_reply(&scan, bytes + at, n, &ended);

		assert_true(took > 0 && (ended || (size_t)took == n));
		at += (size_t)took;
		assert_int_equal(scan.inside, !ended);
	}
	assert_int_equal(at, len);
}

static void a_reply_ends_where_it_ends_however_it_is_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < REPLIES; i++)
		for (size_t piece = 1; piece < 40; piece++)
			scan_in_pieces(replies[i], piece);
}

static void one_scan_serves_all_replies_of_a_connection(void **state)
{
	struct scan scan = {0};
	bool ended;

	(void)state;
	for (size_t i = 0; i < REPLIES; i++) {
		const size_t len = strlen(replies[i]);

		assert_int_equal(scan_reply(&scan, replies[i], len, &ended), len);
		assert_true(ended);
	}
}

static void what_is_no_reply_is_refused(void **state)
{
	static const char *const wrong[] = {
		"GET k\r\n",
		"\r\n",
		"$\r\n",
		"$5\n",
		"$x\r\n",
		"$-2\r\n",
		"*-2\r\n",
		"$99999999999999999999\r\n",
		"$01\r\n",
		"*1\r\nhello\r\n",
		"$123456789012345678901234567",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct scan scan = {0};
		bool ended = false;
		long took = 0;

		for (size_t at = 0; at < strlen(wrong[i]) && took >= 0 && !ended; at++)
			took = scan_reply(&scan, wrong[i] + at, 1, &ended);
		assert_int_equal(took, -EPROTO);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reply_ends_where_it_ends_however_it_is_cut),
		cmocka_unit_test(one_scan_serves_all_replies_of_a_connection),
		cmocka_unit_test(what_is_no_reply_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
