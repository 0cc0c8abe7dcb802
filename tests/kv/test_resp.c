/* SPDX-License-Identifier: MIT */
/*
 * test_resp.c - the request parser: the same requests however the bytes are cut, and its limits.
 *
 * Every span is copied to memory of exactly its size first, so that with AddressSanitizer a read
 * beyond it is seen.
 */
#include "resp.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define ARGS_MAX 8

static const struct resp_limits limits = {
	.args = ARGS_MAX, .bulk_bytes = 100, .request_bytes = 400};
static struct resp_arg args[1024];
static char scratch[RESP_LINE_MAX];

/* What a stream of requests parses to, as text: "[3:GET][1:k]\n", "!error\n". */
struct outcome {
	char text[2048];
	size_t len;
	size_t consumed;
	bool refused;
};

static void note(struct outcome *outcome, const void *data, size_t len)
{
	assert_true(outcome->len + len < sizeof outcome->text);
	memcpy(outcome->text + outcome->len, data, len);
	outcome->len += len;
	outcome->text[outcome->len] = '\0';
}

static void note_request(struct outcome *outcome, const struct resp_request *request)
{
	for (size_t i = 0; i < request->argc; i++) {
		char head[32];
		const int len = snprintf(head, sizeof head, "[%zu:", request->args[i].len);

		note(outcome, head, (size_t)len);
		note(outcome, request->args[i].data, request->args[i].len);
		note(outcome, "]", 1);
	}
	note(outcome, "\n", 1);
}

/* Parse all that a connection has sent so far. */
static void parse_some(const struct resp_limits *within, const char *data, size_t len,
		       struct resp_progress *progress, struct outcome *outcome)
{
	while (!outcome->refused) {
		const size_t left = len - outcome->consumed;
		char *const span = malloc(left == 0 ? 1 : left);
		struct resp_request request = {.args = args, .scratch = scratch};

		assert_non_null(span);
		memcpy(span, data + outcome->consumed, left);
		const long taken = resp_parse(span, left, within, progress, &request);

		if (taken == 0)
			assert_true(progress->need > left);
		if (taken > 0) {
			assert_true((size_t)taken <= left);
			note_request(outcome, &request);
			outcome->consumed += (size_t)taken;
		}
		if (taken < 0) {
			assert_int_equal(taken, -EPROTO);
			note(outcome, "!", 1);
			note(outcome, request.error, strlen(request.error));
			outcome->refused = true;
		}
		free(span);
		if (taken == 0)
			return;
	}
}

static struct outcome parse_cut(const char *data, size_t len, size_t cut)
{
	struct outcome outcome = {.len = 0};
	struct resp_progress progress = {0};

	parse_some(&limits, data, cut, &progress, &outcome);
	parse_some(&limits, data, len, &progress, &outcome);
	return outcome;
}

static struct outcome parse_dripping(const char *data, size_t len)
{
	struct outcome outcome = {.len = 0};
	struct resp_progress progress = {0};

	for (size_t i = 0; i <= len; i++)
		parse_some(&limits, data, i, &progress, &outcome);
	return outcome;
}

struct sample {
	const char *bytes;
	size_t len;
	const char *text;
};

#define SAMPLE(bytes, text)                     \
	{                                       \
		bytes, sizeof(bytes) - 1, text, \
	}

static const struct sample samples[] = {
	SAMPLE("*1\r\n$4\r\nPING\r\n", "[4:PING]\n"),
	SAMPLE("*2\r\n$3\r\nGET\r\n$0\r\n\r\n*1\r\n$1\r\nx\r\n", "[3:GET][0:]\n[1:x]\n"),
	SAMPLE("*2\r\n$4\r\n\r\n*1\r\n$2\r\n$1\r\n", "[4:\r\n*1][2:$1]\n"),
	SAMPLE("*0\r\n*-1\r\n*-99\r\nPING\r\n", "\n\n\n[4:PING]\n"),
	SAMPLE("\r\n\n  \r\nPING\nGET k\r\n", "\n\n\n[4:PING]\n[3:GET][1:k]\n"),
	SAMPLE("SET k  \"a\\x41\\n\\\"b\\q \" 'c\\'\\n'\r\n",
	       "[3:SET][1:k][7:aA\n\"bq ][4:c'\\n]\n"),
	SAMPLE("a\"b c\" d'e' \"\" ''\n", "[4:ab c][2:de][0:][0:]\n"),
	SAMPLE("a\\x41 \"\\xZZ\\x4\"\tb\vc\r\n", "[5:a\\x41][5:xZZx4][3:b\vc]\n"),
	SAMPLE("\"\\x41\" \v \f x\r y\r\n", "[1:A][1:x][1:y]\n"),
	SAMPLE("a \"b\r\nPING\r\n", "!Protocol error: unbalanced quotes in request"),
	SAMPLE("a \"b\"c\r\n", "!Protocol error: unbalanced quotes in request"),
	SAMPLE("a 'b\\'\r\n", "!Protocol error: unbalanced quotes in request"),
	SAMPLE("a \"b\\\"\r\n", "!Protocol error: unbalanced quotes in request"),
	SAMPLE("*1\r\n$1\r\na\r\n*x\r\n", "[1:a]\n!Protocol error: invalid multibulk length"),
	SAMPLE("*\r\n", "!Protocol error: invalid multibulk length"),
	SAMPLE("*01\r\n", "!Protocol error: invalid multibulk length"),
	SAMPLE("*+1\r\n", "!Protocol error: invalid multibulk length"),
	SAMPLE("* 1\r\n", "!Protocol error: invalid multibulk length"),
	SAMPLE("*2147483648\r\n", "!Protocol error: invalid multibulk length"),
	SAMPLE("*9223372036854775808\r\n", "!Protocol error: invalid multibulk length"),
	SAMPLE("*-0\r\n", "!Protocol error: invalid multibulk length"),
	SAMPLE("*9\r\n", "!Protocol error: too many arguments (at most 8)"),
	SAMPLE("1 2 3 4 5 6 7 8 9\r\n", "!Protocol error: too many arguments (at most 8)"),
	SAMPLE("1 2 3 4 5 6 7 8\r\n", "[1:1][1:2][1:3][1:4][1:5][1:6][1:7][1:8]\n"),
	SAMPLE("*1\r\nx\r\n", "!Protocol error: expected '$', got 'x'"),
	SAMPLE("*1\r\n\r\n", "!Protocol error: expected '$', got ' '"),
	SAMPLE("*2\r\n$1\r\na\r\n:1\r\n", "!Protocol error: expected '$', got ':'"),
	SAMPLE("*1\r\n$-1\r\n", "!Protocol error: invalid bulk length"),
	SAMPLE("*1\r\n$\r\n", "!Protocol error: invalid bulk length"),
	SAMPLE("*1\r\n$1x\r\n", "!Protocol error: invalid bulk length"),
	SAMPLE("*1\r\n$101\r\n", "!Protocol error: invalid bulk length"),
	SAMPLE("*1\r\n$18446744073709551617\r\n", "!Protocol error: invalid bulk length"),
	SAMPLE("*1\r\n$1\r\nabc*1\r\n$1\r\nd\r\n", "[1:a]\n[1:d]\n"),
};

static void the_same_requests_come_out_however_the_bytes_are_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
		const struct sample *const sample = &samples[i];

		for (size_t cut = 0; cut <= sample->len; cut++) {
			const struct outcome outcome = parse_cut(sample->bytes, sample->len, cut);

			assert_string_equal(outcome.text, sample->text);
			if (!outcome.refused)
				assert_int_equal(outcome.consumed, sample->len);
		}
		const struct outcome dripped = parse_dripping(sample->bytes, sample->len);

		assert_string_equal(dripped.text, sample->text);
	}
}

static void a_nul_byte_is_a_byte_like_any_other(void **state)
{
	(void)state;
	static const char bytes[] = "*1\r\n$3\r\n\0a\0\r\nx\0y \"\\x00\"\r\n";
	static const char want[] = "[3:\0a\0]\n[3:x\0y][1:\0]\n";

	for (size_t cut = 0; cut < sizeof bytes; cut++) {
		const struct outcome outcome = parse_cut(bytes, sizeof bytes - 1, cut);

		assert_int_equal(outcome.len, sizeof want - 1);
		assert_memory_equal(outcome.text, want, sizeof want - 1);
	}
}

/* head, then `fill` times 'a', then tail, parsed at once and in two steps: the same must come out.
 */
static long parse_long(const struct resp_limits *within, const char *head, size_t fill,
		       const char *tail, struct resp_request *request)
{
	const size_t len = strlen(head) + fill + strlen(tail);
	char *const bytes = malloc(len);
	struct resp_progress progress = {0};

	assert_non_null(bytes);
	memcpy(bytes, head, strlen(head));
	memset(bytes + strlen(head), 'a', fill);
	memcpy(bytes + strlen(head) + fill, tail, strlen(tail));
	*request = (struct resp_request){.args = args, .scratch = scratch};
	const long whole = resp_parse(bytes, len, within, &progress, request);

	progress = (struct resp_progress){0};
	long cut = resp_parse(bytes, len - 1, within, &progress, request);

	if (cut == 0)
		cut = resp_parse(bytes, len, within, &progress, request);
	free(bytes);
	assert_int_equal(cut, whole);
	return whole;
}

static void a_bulk_string_may_be_as_long_as_its_limit(void **state)
{
	(void)state;
	struct resp_request request;

	assert_int_equal(parse_long(&limits, "*1\r\n$99\r\n", 99, "\r\n", &request), 9 + 99 + 2);
	assert_int_equal(request.args[0].len, 99);
	assert_int_equal(parse_long(&limits, "*1\r\n$100\r\n", 100, "\r\n", &request),
			 10 + 100 + 2);
	assert_int_equal(request.args[0].len, 100);
	assert_int_equal(parse_long(&limits, "*1\r\n$101\r\n", 101, "\r\n", &request), -EPROTO);
	assert_string_equal(request.error, "Protocol error: invalid bulk length");
}

static void a_request_may_be_as_long_as_its_limit(void **state)
{
	(void)state;
	const struct resp_limits within = {.args = 8, .bulk_bytes = 100, .request_bytes = 111};
	struct resp_request request;

	assert_int_equal(parse_long(&within, "*2\r\n$0\r\n\r\n$93\r\n", 93, "\r\n", &request), 110);
	assert_int_equal(parse_long(&within, "*2\r\n$0\r\n\r\n$94\r\n", 94, "\r\n", &request), 111);
	assert_int_equal(parse_long(&within, "*2\r\n$0\r\n\r\n$95\r\n", 95, "\r\n", &request),
			 -EPROTO);
	assert_string_equal(request.error, "Protocol error: too big request (at most 111 bytes)");
}

static void an_argument_count_may_be_as_large_as_its_limit(void **state)
{
	(void)state;
	static const char *const counts[] = {"*7\r\n", "*8\r\n", "*9\r\n"};

	for (size_t i = 0; i < 3; i++) {
		char bytes[256];
		size_t len = (size_t)snprintf(bytes, sizeof bytes, "%s", counts[i]);
		struct resp_progress progress = {0};
		struct resp_request request = {.args = args, .scratch = scratch};

		for (size_t n = 0; n < 7 + i; n++)
			len += (size_t)snprintf(bytes + len, sizeof bytes - len, "$1\r\n%zu\r\n",
						n);
		const long taken = resp_parse(bytes, len, &limits, &progress, &request);

		assert_int_equal(taken, i < 2 ? (long)len : -EPROTO);
		if (i < 2)
			assert_int_equal(request.argc, 7 + i);
	}
}

static void a_line_may_be_64_kib_long(void **state)
{
	(void)state;
	static const char *const heads[] = {"", "*", "*1\r\n$"};
	static const char *const errors[] = {"Protocol error: too big inline request",
					     "Protocol error: too big mbulk count string",
					     "Protocol error: too big bulk count string"};
	struct resp_request request;

	assert_int_equal(parse_long(&limits, "", RESP_LINE_MAX - 1, "\n", &request), RESP_LINE_MAX);
	assert_int_equal(request.args[0].len, RESP_LINE_MAX - 1);
	assert_int_equal(parse_long(&limits, "", RESP_LINE_MAX, "\n", &request), RESP_LINE_MAX + 1);
	assert_int_equal(request.args[0].len, RESP_LINE_MAX);
	assert_int_equal(parse_long(&limits, "", RESP_LINE_MAX + 1, "\n", &request), -EPROTO);
	for (size_t i = 0; i < 3; i++) {
		/* The '*' or '$' is part of the line. */
		const size_t fill = RESP_LINE_MAX - (i > 0);

		assert_int_equal(parse_long(&limits, heads[i], fill - 1, "a", &request), 0);
		assert_int_equal(parse_long(&limits, heads[i], fill, "a", &request), -EPROTO);
		assert_string_equal(request.error, errors[i]);
	}
}

static void a_quoted_line_of_full_length_fits_the_scratch(void **state)
{
	(void)state;
	char *const bytes = malloc(RESP_LINE_MAX + 1);
	char *const exact = malloc(RESP_LINE_MAX);
	struct resp_progress progress = {0};
	struct resp_request request = {.args = args, .scratch = exact};

	assert_non_null(bytes);
	assert_non_null(exact);
	memset(bytes, 'a', RESP_LINE_MAX);
	bytes[RESP_LINE_MAX - 2] = '\'';
	bytes[RESP_LINE_MAX - 1] = '\'';
	bytes[RESP_LINE_MAX] = '\n';
	assert_int_equal(resp_parse(bytes, RESP_LINE_MAX + 1, &limits, &progress, &request),
			 RESP_LINE_MAX + 1);
	assert_int_equal(request.args[0].len, RESP_LINE_MAX - 2);
	free(exact);
	free(bytes);
}

static void the_hint_names_the_end_of_a_known_bulk_string(void **state)
{
	(void)state;
	static const char bytes[] = "*2\r\n$90\r\nabc";
	struct resp_progress progress = {0};
	struct resp_request request = {.args = args, .scratch = scratch};

	assert_int_equal(resp_parse(bytes, sizeof bytes - 1, &limits, &progress, &request), 0);
	assert_int_equal(progress.need, 9 + 90 + 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_requests_come_out_however_the_bytes_are_cut),
		cmocka_unit_test(a_nul_byte_is_a_byte_like_any_other),
		cmocka_unit_test(a_bulk_string_may_be_as_long_as_its_limit),
		cmocka_unit_test(a_request_may_be_as_long_as_its_limit),
		cmocka_unit_test(an_argument_count_may_be_as_large_as_its_limit),
		cmocka_unit_test(a_line_may_be_64_kib_long),
		cmocka_unit_test(a_quoted_line_of_full_length_fits_the_scratch),
		cmocka_unit_test(the_hint_names_the_end_of_a_known_bulk_string),
	};

	return cmocka_run_group_tests_name("kv/resp", tests, NULL, NULL);
}
