/* SPDX-License-Identifier: MIT */
/*
 * test_check.c - does the checker see what it must? A perfect server is the checker's own list of
 * expected replies; each test spoils it in one way.
 */
#include "check.h"
#include "reply.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
	DEPTH = 16,
	KEYS = 64,
};

static struct check check;
static struct findings findings;

static int open_check(void **state)
{
	(void)state;
	findings = (struct findings){.asked = 0};
	return check_init(&check, &findings, 1, 7, KEYS, DEPTH);
}

static int close_check(void **state)
{
	(void)state;
	check_fini(&check);
	return 0;
}

static void ask(void)
{
	check_ask(&check, 1000);
	check_was_sent(&check, check_unsent(&check));
}

static int give(const char *data, size_t len)
{
	assert_true(bytes_space(&check.input, len));
	bytes_put(&check.input, data, len);
	return check_take(&check, 2000);
}

/* A copy of all expected replies, since they go as they come. */
static char *expected(size_t *len)
{
	char *const copy = malloc(bytes_held(&check.replies) + 1);

	assert_non_null(copy);
	*len = bytes_held(&check.replies);
	memcpy(copy, bytes_front(&check.replies), *len);
	return copy;
}

static void right_replies_are_right(void **state)
{
	(void)state;
	for (int round = 0; round < 500; round++) {
		size_t len;

		ask();

		char *const all = expected(&len);

		assert_int_equal(give(all, len), 0);
		assert_int_equal(check_outstanding(&check), 0);
		free(all);
	}
	assert_int_equal(findings.wrong, 0);
	assert_int_equal(findings.lost, 0);
	assert_int_equal(findings.asked, findings.answered);
	assert_int_equal(findings.latency.count, findings.asked);
}

static void it_does_not_matter_how_replies_are_cut(void **state)
{
	(void)state;
	for (size_t piece = 1; piece < 40; piece++) {
		size_t len;

		ask();

		char *const all = expected(&len);

		for (size_t at = 0; at < len; at += piece)
			assert_int_equal(give(all + at, len - at < piece ? len - at : piece), 0);
		assert_int_equal(check_outstanding(&check), 0);
		free(all);
	}
	assert_int_equal(findings.wrong, 0);
}

/* Flip each bit of each reply in turn, in a check of its own each time. */
static void each_flipped_bit_is_found(void **state)
{
	size_t len, tried = 0;

	(void)state;
	for (int round = 0; round < 40; round++) {
		ask();

		char *const all = expected(&len);

		assert_int_equal(give(all, len), 0);
		free(all);
	}
	ask();

	char *const all = expected(&len);

	for (size_t bit = 0; bit < 8 * len; bit += 1 + bit / 800) {
		struct check copy;

		findings = (struct findings){.asked = 0};
		assert_int_equal(check_init(&copy, &findings, 1, 7, KEYS, DEPTH), 0);
		copy.asked = check.asked;
		copy.answered = check.answered;
		copy.sent = check.sent;
		bytes_put(&copy.requests, bytes_front(&check.requests),
			  bytes_held(&check.requests));
		bytes_put(&copy.replies, all, len);
		memcpy(copy.exchanges, check.exchanges, DEPTH * sizeof(*copy.exchanges));
		bytes_put(&copy.input, all, len);
		copy.input.data[bit / 8] ^= (char)(1 << bit % 8);
		check_take(&copy, 2000);
		check_give_up(&copy);
		assert_true(findings.wrong + findings.lost > 0);
		check_fini(&copy);
		tried++;
	}
	assert_true(tried > 200);
	free(all);
}

static void a_wrong_reply_is_shown_and_the_next_one_is_compared(void **state)
{
	size_t len;

	(void)state;
	ask();

	char *const all = expected(&len);
	const size_t first = (size_t)reply_measure(all, len);

	assert_int_equal(give("$6\r\nwrong\n\r\n", 12), 0);
	assert_int_equal(give(all + first, len - first), 0);
	assert_int_equal(findings.wrong, 1);
	assert_int_equal(findings.answered, DEPTH);
	assert_true(findings.first.found);
	assert_int_equal(findings.first.connection, 7);
	assert_int_equal(findings.first.request, 1);
	assert_string_equal(findings.first.got, "$6\\r\\nwrong\\n\\r\\n");
	assert_non_null(strstr(findings.first.asked, "load:00000001:7:"));
	free(all);
}

static void a_reply_that_is_left_out_is_lost_in_the_end(void **state)
{
	size_t len;

	(void)state;
	ask();

	char *const all = expected(&len);
	const size_t first = (size_t)reply_measure(all, len);

	give(all + first, len - first);
	check_give_up(&check);
	assert_int_equal(findings.answered + findings.lost, findings.asked);
	assert_true(findings.lost >= 1);
	free(all);
}

static void a_reply_of_another_connection_is_wrong(void **state)
{
	struct findings others = {.asked = 0};
	struct check other;
	size_t len;

	(void)state;
	/* The same run and the same choice of commands, but another owner of the keys. */
	assert_int_equal(check_init(&other, &others, 1, 8, KEYS, DEPTH), 0);
	other.workload.model.random = check.workload.model.random;
	for (int round = 0; round < 50; round++) {
		ask();
		check_ask(&other, 1000);
		check_was_sent(&other, check_unsent(&other));

		char *const all = expected(&len);

		assert_true(bytes_space(&other.input, len));
		bytes_put(&other.input, all, len);
		check_take(&other, 2000);
		assert_int_equal(give(all, len), 0);
		free(all);
	}
	assert_true(others.wrong > 0);
	check_fini(&other);
}

static void what_nobody_asked_for_ends_the_connection(void **state)
{
	size_t len;

	(void)state;
	assert_int_equal(give("+OK\r\n", 5), -EPROTO);
	assert_int_equal(findings.wrong, 1);
	assert_string_equal(findings.first.asked, "nothing");

	bytes_drop(&check.input, bytes_held(&check.input));
	ask();

	char *const all = expected(&len);

	assert_int_equal(give(all, len), 0);
	assert_int_equal(give(all, len), -EPROTO);
	assert_int_equal(findings.wrong, 2);
	free(all);
}

static void an_answer_to_what_was_not_sent_is_nobodys(void **state)
{
	size_t len;

	(void)state;
	check_ask(&check, 1000);
	check_was_sent(&check, 3);

	char *const all = expected(&len);

	assert_int_equal(give(all, len), -EPROTO);
	assert_int_equal(findings.wrong, 1);
	free(all);
}

static void what_is_no_reply_ends_the_connection(void **state)
{
	(void)state;
	ask();
	assert_int_equal(give("hello\r\n", 7), -EPROTO);
	assert_int_equal(findings.wrong, 1);
	assert_string_equal(findings.first.got, "hello\\r\\n");
}

static void a_wrong_reply_that_never_ends_is_bounded(void **state)
{
	static char much[CHECK_INPUT_BYTES];
	int rc = 0;

	(void)state;
	ask();
	memset(much, 'x', sizeof(much));
	assert_int_equal(give("$400000000\r\n", 12), 0);
	for (int i = 0; i < 64 && rc == 0; i++) {
		const size_t room = check.input.room - check.input.end;

		rc = give(much, room < sizeof(much) / 32 ? room : sizeof(much) / 32);
	}
	assert_int_equal(rc, -EPROTO);
	assert_int_equal(findings.wrong, 1);
}

static void half_a_right_reply_is_lost_and_half_a_wrong_one_is_wrong(void **state)
{
	(void)state;
	ask();
	assert_int_equal(give(bytes_front(&check.replies), 1), 0);
	check_give_up(&check);
	assert_int_equal(findings.lost, DEPTH);
	assert_int_equal(findings.wrong, 0);
	check_fini(&check);

	findings = (struct findings){.asked = 0};
	assert_int_equal(check_init(&check, &findings, 1, 7, KEYS, DEPTH), 0);
	ask();
	assert_int_equal(give("-ERR something", 14), 0);
	check_give_up(&check);
	assert_int_equal(findings.lost, DEPTH - 1);
	assert_int_equal(findings.wrong, 1);
}

static void findings_of_threads_are_added(void **state)
{
	static struct findings a, b;

	(void)state;
	a = (struct findings){.asked = 1, .answered = 2, .wrong = 3, .lost = 4};
	b = (struct findings){.asked = 10, .answered = 20, .wrong = 30, .lost = 40};
	b.first = (struct difference){.found = true, .connection = 5};
	findings_add(&a, &b);
	assert_int_equal(a.asked, 11);
	assert_int_equal(a.answered, 22);
	assert_int_equal(a.wrong, 33);
	assert_int_equal(a.lost, 44);
	assert_int_equal(a.first.connection, 5);
	b.first.connection = 6;
	findings_add(&a, &b);
	assert_int_equal(a.first.connection, 5);
}

#define CHECKED(test) cmocka_unit_test_setup_teardown(test, open_check, close_check)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CHECKED(right_replies_are_right),
		CHECKED(it_does_not_matter_how_replies_are_cut),
		CHECKED(each_flipped_bit_is_found),
		CHECKED(a_wrong_reply_is_shown_and_the_next_one_is_compared),
		CHECKED(a_reply_that_is_left_out_is_lost_in_the_end),
		CHECKED(a_reply_of_another_connection_is_wrong),
		CHECKED(what_nobody_asked_for_ends_the_connection),
		CHECKED(an_answer_to_what_was_not_sent_is_nobodys),
		CHECKED(what_is_no_reply_ends_the_connection),
		CHECKED(a_wrong_reply_that_never_ends_is_bounded),
		CHECKED(half_a_right_reply_is_lost_and_half_a_wrong_one_is_wrong),
		cmocka_unit_test(findings_of_threads_are_added),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
