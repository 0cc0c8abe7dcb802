/* SPDX-License-Identifier: MIT */
/*
 * test_hello.c - a hello is taken if every field of it is what was wanted, and else refused with
 * what it brought. D-46.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support/fds.h"

#include <quoit/io/hello.h>

static const struct quoit_hello_wanted wanted = {
	.element_bytes = 24,
	.generation = 7,
	.roles = 1u << 2 | 1u << 31,
	.flags = 0x5,
	.fds_least = 1,
	.fds_most = 3,
};

static struct quoit_hello good(void)
{
	struct quoit_hello hello = quoit_hello_make();

	hello.element_bytes = 24;
	hello.generation = 7;
	hello.role = 2;
	hello.fd_count = 2;
	hello.flags = 0x4;
	return hello;
}

/* A value of a field that makes the good one bad, and what is said of it. */
struct wrong {
	size_t at;
	size_t bytes;
	uint64_t value;
	int error;
};

#define WRONG(field, value, error)                                                             \
	{                                                                                      \
		offsetof(struct quoit_hello, field), sizeof(((struct quoit_hello *)0)->field), \
			value, error                                                           \
	}

static const struct wrong wrongs[] = {
	WRONG(magic, 0, -EPROTO),
	WRONG(magic, 0x51654c6f, -EPROTO), /* of a machine with the other byte order */
	WRONG(version, 0, -EPROTONOSUPPORT),
	WRONG(version, 2, -EPROTONOSUPPORT),
	WRONG(bytes, 39, -EPROTO),
	WRONG(bytes, 0xffff, -EPROTO),
	WRONG(zero, 1, -EPROTO),
	WRONG(zero, 0x80000000, -EPROTO),
	WRONG(fd_count, 1, -EBADMSG),
	WRONG(fd_count, 3, -EBADMSG),
	WRONG(fd_count, 0xffffffff, -EBADMSG),
	WRONG(element_bytes, 0, -EPROTO),
	WRONG(element_bytes, 23, -EPROTO),
	WRONG(element_bytes, (uint64_t)1 << 32 | 24, -EPROTO),
	WRONG(generation, 6, -ESTALE),
	WRONG(generation, 8, -ESTALE),
	WRONG(generation, (uint64_t)1 << 63 | 7, -ESTALE),
	WRONG(role, 0, -EPROTO),
	WRONG(role, 3, -EPROTO),
	WRONG(role, 32 + 2, -EPROTO), /* a shift that wraps would take it */
	WRONG(role, 0xffffffff, -EPROTO),
	WRONG(flags, 2, -EOPNOTSUPP),
	WRONG(flags, 0x80000004, -EOPNOTSUPP),
};

#define WRONGS (sizeof(wrongs) / sizeof(*wrongs))

static struct quoit_hello spoiled(const struct wrong *wrong)
{
	struct quoit_hello hello = good();

	memcpy((char *)&hello + wrong->at, &wrong->value, wrong->bytes); /* low byte first */
	return hello;
}

static void one_that_is_wanted_is_taken(void **state)
{
	struct quoit_hello hello = good();

	(void)state;
	assert_int_equal(quoit_hello_check(&hello, 2, &wanted, NULL), 0);
	assert_int_equal(quoit_hello_check(&hello, 2, NULL, NULL), 0);
	hello.role = 31;
	hello.flags = 5;
	assert_int_equal(quoit_hello_check(&hello, 2, &wanted, NULL), 0);
	for (hello.fd_count = 1; hello.fd_count <= 3; hello.fd_count++)
		assert_int_equal(quoit_hello_check(&hello, hello.fd_count, &wanted, NULL), 0);
}

static void who_wants_nothing_in_particular_takes_any_but_flags_and_descriptors(void **state)
{
	const struct quoit_hello_wanted any = {0};
	struct quoit_hello hello = quoit_hello_make();

	(void)state;
	hello.element_bytes = UINT64_MAX;
	hello.generation = UINT64_MAX;
	hello.role = UINT32_MAX;
	assert_int_equal(quoit_hello_check(&hello, 0, &any, NULL), 0);
	hello.flags = 1;
	assert_int_equal(quoit_hello_check(&hello, 0, &any, NULL), -EOPNOTSUPP);
	assert_int_equal(quoit_hello_check(&hello, 0, NULL, NULL), 0);
	hello.flags = 0;
	hello.fd_count = 1;
	assert_int_equal(quoit_hello_check(&hello, 1, &any, NULL), -EBADMSG);
}

static void each_field_that_is_wrong_is_refused_by_name(void **state)
{
	(void)state;
	for (size_t i = 0; i < WRONGS; i++) {
		const struct quoit_hello hello = spoiled(&wrongs[i]);
		struct quoit_reason why = {0};

		assert_int_equal(quoit_hello_check(&hello, 2, &wanted, &why), wrongs[i].error);
		assert_int_equal(why.error, wrongs[i].error);
		assert_true(strlen(why.text) > 20);
	}
	/* Of descriptors that came as announced, but not as wanted. */
	for (uint32_t n = 0; n <= 4; n += 4) {
		struct quoit_hello hello = good();

		hello.fd_count = n;
		assert_int_equal(quoit_hello_check(&hello, n, &wanted, NULL), -EBADMSG);
	}
}

static void it_goes_from_end_to_end_with_its_descriptors(void **state)
{
	const struct quoit_hello hello = good();
	struct quoit_hello got;
	int sent[2], came[3], pair[2];

	(void)state;
	fds_make(sent, 2);
	for (int type = SOCK_STREAM; type; type = type == SOCK_STREAM ? SOCK_SEQPACKET : 0) {
		fds_pair(type, pair);
		memset(&got, 0, sizeof(got));
		assert_int_equal(quoit_hello_send(pair[0], &hello, sent, FDS_ENDLESS, NULL), 0);
		assert_int_equal(quoit_hello_recv(pair[1], &got, came, &wanted, FDS_ENDLESS, NULL),
				 0);
		assert_memory_equal(&got, &hello, sizeof(got));
		fds_check(came, sent, 2);
		fds_close(came, 2);
		fds_close(pair, 2);
	}
	fds_close(sent, 2);
}

static void who_wants_nothing_has_no_room_for_descriptors(void **state)
{
	struct quoit_hello hello = good(), got;
	int sent[2], pair[2];

	(void)state;
	fds_make(sent, 2);
	fds_pair(SOCK_SEQPACKET, pair);
	assert_int_equal(quoit_hello_send(pair[0], &hello, sent, FDS_ENDLESS, NULL), 0);
	assert_int_equal(quoit_hello_recv(pair[1], &got, NULL, NULL, FDS_ENDLESS, NULL), -E2BIG);
	hello.fd_count = 0;
	assert_int_equal(quoit_hello_send(pair[0], &hello, NULL, FDS_ENDLESS, NULL), 0);
	assert_int_equal(quoit_hello_recv(pair[1], &got, NULL, NULL, FDS_ENDLESS, NULL), 0);
	assert_memory_equal(&got, &hello, sizeof(got));
	fds_close(pair, 2);
	fds_close(sent, 2);
}

static void what_is_not_wanted_is_closed_and_nothing_is_told(void **state)
{
	int sent[2], came[3], pair[2];

	(void)state;
	fds_make(sent, 2);
	for (size_t i = 0; i < WRONGS; i++) {
		const struct quoit_hello hello = spoiled(&wrongs[i]);
		struct quoit_hello got, before;
		struct quoit_reason why = {0};

		memset(came, 0x5a, sizeof(came));
		memset(&got, 0x5a, sizeof(got));
		before = got;
		fds_pair(SOCK_SEQPACKET, pair);
		assert_int_equal(fds_send_raw(pair[0], &hello, sizeof(hello), sent, 2, 2),
				 sizeof(hello));
		assert_int_equal(quoit_hello_recv(pair[1], &got, came, &wanted, FDS_PAST, &why),
				 wrongs[i].error);
		assert_int_equal(why.error, wrongs[i].error);
		assert_memory_equal(&got, &before, sizeof(got));
		for (unsigned k = 0; k < 3; k++)
			assert_int_equal(came[k], 0x5a5a5a5a);
		fds_close(pair, 2);
		assert_int_equal(fds_open(), fds_before + 2);
	}
	fds_close(sent, 2);
}

static void one_that_announces_what_does_not_come_is_refused(void **state)
{
	const struct quoit_hello hello = good();
	struct quoit_hello got;
	int sent[4], came[3], pair[2];

	(void)state;
	fds_make(sent, 4);
	for (unsigned n = 0; n <= 4; n++) {
		if (n == 2)
			continue;
		fds_pair(SOCK_SEQPACKET, pair);
		assert_int_equal(fds_send_raw(pair[0], &hello, sizeof(hello), sent, n, n),
				 sizeof(hello));
		assert_int_equal(quoit_hello_recv(pair[1], &got, came, &wanted, FDS_PAST, NULL),
				 n > 3 ? -E2BIG : -EBADMSG);
		fds_close(pair, 2);
		assert_int_equal(fds_open(), fds_before + 4);
	}
	fds_close(sent, 4);
}

static void one_that_nobody_could_take_is_not_sent(void **state)
{
	struct quoit_hello hello = {0};
	struct quoit_reason why = {0};
	int fds[2] = {0, 1}, pair[2];
	char byte;

	(void)state;
	fds_pair(SOCK_SEQPACKET, pair);
	assert_int_equal(quoit_hello_send(pair[0], &hello, fds, FDS_PAST, &why), -EPROTO);
	assert_int_equal(why.error, -EPROTO);
	hello = good();
	hello.fd_count = QUOIT_FDS_MAX + 1;
	assert_int_equal(quoit_hello_send(pair[0], &hello, fds, FDS_PAST, &why), -EINVAL);
	assert_int_equal(recv(pair[1], &byte, 1, MSG_DONTWAIT), -1);
	fds_close(pair, 2);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, fds_count, fds_none_is_left)
	const struct CMUnitTest tests[] = {
		CASE(one_that_is_wanted_is_taken),
		CASE(who_wants_nothing_in_particular_takes_any_but_flags_and_descriptors),
		CASE(each_field_that_is_wrong_is_refused_by_name),
		CASE(it_goes_from_end_to_end_with_its_descriptors),
		CASE(who_wants_nothing_has_no_room_for_descriptors),
		CASE(what_is_not_wanted_is_closed_and_nothing_is_told),
		CASE(one_that_announces_what_does_not_come_is_refused),
		CASE(one_that_nobody_could_take_is_not_sent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
