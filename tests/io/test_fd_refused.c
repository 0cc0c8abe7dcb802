/* SPDX-License-Identifier: MIT */
/*
 * test_fd_refused.c - messages with descriptors that are not what was asked for: refused with a
 * reason, and nothing of them is left open. D-46, D-48.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "support/fds.h"

#include <netinet/in.h>
#include <sys/resource.h>

#include <quoit/io/fd_pass.h>
#include <quoit/numa/clock.h>

static const int kinds[] = {SOCK_SEQPACKET, SOCK_STREAM};

#define KINDS 2

static const char text[8] = "content";

/* What must be refused, with this code and a reason, and give nothing out. */
static void refuse(int sock, unsigned room, size_t bytes, int error)
{
	int fds[QUOIT_FDS_MAX];
	char data[64];
	size_t count = room;
	struct quoit_reason why = {0};
	const unsigned before = fds_open();

	memset(fds, 0x5a, sizeof(fds));
	assert_int_equal(quoit_fd_recv(sock, fds, &count, data, bytes, FDS_PAST, &why), error);
	assert_int_equal(why.error, error);
	assert_true(strlen(why.text) > 10);
	assert_int_equal(count, room);
	for (unsigned i = 0; i < QUOIT_FDS_MAX; i++)
		assert_int_equal(fds[i], 0x5a5a5a5a);
	assert_int_equal(fds_open(), before);
}

/* --- what is refused ------------------------------------------------------------------------- */

static void more_descriptors_than_there_is_room_for_are_all_closed(void **state)
{
	static const unsigned counts[] = {1, 2, 3, 4, 5, 8, 17, 64, 128, 253};
	int sent[QUOIT_FDS_MAX], pair[2];

	(void)state;
	fds_make(sent, QUOIT_FDS_MAX);
	for (unsigned k = 0; k < KINDS; k++) {
		for (unsigned room = 0; room < 20; room++) {
			for (unsigned i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
				if (counts[i] <= room)
					continue;
				fds_pair(kinds[k], pair);
				assert_int_equal(
					fds_send_raw(pair[0], text, 1, sent, counts[i], counts[i]),
					1);
				refuse(pair[1], room, 1, -E2BIG);
				fds_close(pair, 2);
			}
		}
	}
	fds_close(sent, QUOIT_FDS_MAX);
}

static void a_stream_that_brings_one_by_one_finds_no_more_room_either(void **state)
{
	int sent, pair[2];

	(void)state;
	fds_make(&sent, 1);
	fds_pair(SOCK_STREAM, pair);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(fds_send_raw(pair[0], text, 1, &sent, 1, 1), 1);
	refuse(pair[1], 3, 5, -E2BIG);
	fds_close(pair, 2);
	fds_close(&sent, 1);
}

/* Not even those of the message before, which are where this one's would be. */
static void bytes_without_descriptors_bring_none(void **state)
{
	int sent[20], pair[2];

	(void)state;
	fds_make(sent, 20);
	for (unsigned k = 0; k < KINDS; k++) {
		fds_pair(kinds[k], pair);
		for (unsigned room = 0; room < 20; room++) {
			for (unsigned bare = 0; bare < 2; bare++) {
				int fds[20];
				size_t n = room;
				char data;

				memset(fds, 0x5a, sizeof(fds));
				assert_int_equal(fds_send_raw(pair[0], text, 1, sent,
							      bare ? 0 : room, bare ? 0 : room),
						 1);
				assert_int_equal(
					quoit_fd_recv(pair[1], fds, &n, &data, 1, FDS_PAST, NULL),
					0);
				assert_int_equal(n, bare ? 0 : room);
				fds_close(fds, (unsigned)n);
				for (unsigned i = (unsigned)n; i < 20; i++)
					assert_int_equal(fds[i], 0x5a5a5a5a);
			}
		}
		fds_close(pair, 2);
	}
	fds_close(sent, 20);
}

static void descriptors_without_a_byte_are_refused(void **state)
{
	int sent[3], pair[2];

	(void)state;
	fds_make(sent, 3);
	fds_pair(SOCK_SEQPACKET, pair);
	assert_int_equal(fds_send_raw(pair[0], "", 0, sent, 3, 3), 0);
	refuse(pair[1], 3, 1, -EBADMSG);
	assert_int_equal(fds_send_raw(pair[0], "", 0, NULL, 0, 0), 0);
	refuse(pair[1], 3, 1, -ESHUTDOWN); /* that is what an end looks like */
	fds_close(pair, 2);
	fds_close(sent, 3);
}

static void a_packet_of_another_length_is_refused_with_its_descriptors(void **state)
{
	int sent[2], pair[2];

	(void)state;
	fds_make(sent, 2);
	fds_pair(SOCK_SEQPACKET, pair);
	for (size_t bytes = 1; bytes <= sizeof(text); bytes++) {
		assert_int_equal(fds_send_raw(pair[0], text, bytes, sent, 2, 2), bytes);
		if (bytes == 4) {
			int came[2];
			size_t n = 2;
			char data[4];

			assert_int_equal(quoit_fd_recv(pair[1], came, &n, data, 4, FDS_PAST, NULL),
					 0);
			fds_close(came, 2);
			continue;
		}
		refuse(pair[1], 2, 4, bytes < 4 ? -EBADMSG : -EMSGSIZE);
	}
	fds_close(pair, 2);
	fds_close(sent, 2);
}

static void an_end_is_told_from_one_in_the_middle(void **state)
{
	int sent, pair[2];

	(void)state;
	fds_make(&sent, 1);
	for (unsigned k = 0; k < KINDS; k++) {
		fds_pair(kinds[k], pair);
		assert_int_equal(close(pair[0]), 0);
		refuse(pair[1], 1, 4, -ESHUTDOWN);
		assert_int_equal(close(pair[1]), 0);
	}
	for (size_t bytes = 1; bytes < 4; bytes++) {
		fds_pair(SOCK_STREAM, pair);
		assert_int_equal(fds_send_raw(pair[0], text, bytes, &sent, 1, 1), bytes);
		assert_int_equal(close(pair[0]), 0);
		refuse(pair[1], 1, 4, -ECONNRESET);
		assert_int_equal(close(pair[1]), 0);
	}
	fds_close(&sent, 1);
}

static void one_who_says_half_is_not_waited_for(void **state)
{
	int sent, pair[2];
	char data[4];
	int came;
	size_t n = 1;

	(void)state;
	fds_make(&sent, 1);
	fds_pair(SOCK_STREAM, pair);
	assert_int_equal(fds_send_raw(pair[0], text, 3, &sent, 1, 1), 3);
	refuse(pair[1], 1, 4, -ETIMEDOUT);
	refuse(pair[1], 1, 4, -ETIMEDOUT);
	assert_int_equal(quoit_fd_recv(pair[1], &came, &n, data, 4,
				       quoit_clock_now_ns() + 20 * 1000 * 1000, NULL),
			 -ETIMEDOUT);
	fds_close(pair, 2);
	fds_close(&sent, 1);
}

static void descriptors_lost_at_the_limit_are_told(void **state)
{
	struct rlimit limit, low;
	int sent[4], pair[2];

	(void)state;
	fds_make(sent, 4);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = limit;
	for (unsigned k = 0; k < KINDS; k++) {
		for (unsigned free = 0; free < 4; free++) {
			int hold, rc;
			int fds[4];
			size_t n = 4;
			char data;

			fds_pair(kinds[k], pair);
			assert_int_equal(fds_send_raw(pair[0], text, 1, sent, 4, 4), 1);
			hold = fcntl(0, F_DUPFD_CLOEXEC, 3); /* the lowest that is free */
			low.rlim_cur = (rlim_t)hold + free;
			assert_int_equal(close(hold), 0);
			assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
			rc = quoit_fd_recv(pair[1], fds, &n, &data, 1, FDS_PAST, NULL);
			assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
			assert_int_equal(rc, -EMFILE);
			fds_close(pair, 2);
		}
	}
	fds_close(sent, 4);
}

static void what_cannot_carry_descriptors_is_refused(void **state)
{
	const struct sockaddr_in any = {.sin_family = AF_INET};
	int sent, pair[2], pipes[2];
	const int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct quoit_reason why = {0};

	(void)state;
	fds_make(&sent, 1);
	assert_int_equal(pipe(pipes), 0);
	assert_int_equal(bind(tcp, (const struct sockaddr *)&any, sizeof(any)), 0);
	fds_pair(SOCK_DGRAM, pair);
	refuse(tcp, 1, 1, -EAFNOSUPPORT);
	refuse(pair[0], 1, 1, -EPROTOTYPE);
	refuse(pipes[0], 1, 1, -ENOTSOCK);
	refuse(-1, 1, 1, -EBADF);
	assert_int_equal(quoit_fd_send(tcp, &sent, 1, text, 1, FDS_PAST, &why), -EAFNOSUPPORT);
	assert_int_equal(quoit_fd_send(pair[0], &sent, 1, text, 1, FDS_PAST, &why), -EPROTOTYPE);
	assert_int_equal(quoit_fd_send(pipes[1], &sent, 1, text, 1, FDS_PAST, &why), -ENOTSOCK);
	assert_int_equal(quoit_fd_send(-1, &sent, 1, text, 1, FDS_PAST, &why), -EBADF);
	fds_close(pair, 2);
	fds_close(pipes, 2);
	fds_close(&tcp, 1);
	fds_close(&sent, 1);
}

static void what_cannot_be_meant_is_refused(void **state)
{
	int fds[QUOIT_FDS_MAX + 1] = {0}, pair[2];
	struct quoit_reason why = {0};
	size_t n = QUOIT_FDS_MAX + 1;
	char data;

	(void)state;
	fds_pair(SOCK_SEQPACKET, pair);
	assert_int_equal(quoit_fd_send(pair[0], fds, 1, text, 0, FDS_PAST, &why), -EINVAL);
	assert_int_equal(quoit_fd_send(pair[0], fds, 1, NULL, 1, FDS_PAST, &why), -EINVAL);
	assert_int_equal(quoit_fd_send(pair[0], NULL, 1, text, 1, FDS_PAST, &why), -EINVAL);
	assert_int_equal(quoit_fd_send(pair[0], fds, n, text, 1, FDS_PAST, &why), -EINVAL);
	assert_int_equal(quoit_fd_recv(pair[1], fds, &n, &data, 1, FDS_PAST, &why), -EINVAL);
	n = 1;
	assert_int_equal(quoit_fd_recv(pair[1], NULL, &n, &data, 1, FDS_PAST, &why), -EINVAL);
	assert_int_equal(quoit_fd_recv(pair[1], fds, &n, NULL, 1, FDS_PAST, &why), -EINVAL);
	assert_int_equal(quoit_fd_recv(pair[1], fds, &n, &data, 0, FDS_PAST, &why), -EINVAL);
	fds[0] = -1;
	assert_int_equal(quoit_fd_send(pair[0], fds, 1, text, 1, FDS_PAST, &why), -EBADF);
	refuse(pair[1], 1, 1, -ETIMEDOUT); /* nothing of all that was sent */
	fds_close(pair, 2);
}

static int too_many_on_their_way(void *ctx)
{
	const struct rlimit low = {.rlim_cur = 32, .rlim_max = 32};
	struct quoit_reason why = {0};
	int pair[2];
	int rc = 0;

	(void)ctx;
	if (setrlimit(RLIMIT_NOFILE, &low) || socketpair(AF_UNIX, SOCK_STREAM, 0, pair))
		return 1;
	for (unsigned i = 0; i < 100 && !rc; i++)
		rc = quoit_fd_send(pair[0], pair, 1, text, 1, FDS_PAST, &why);
	return rc != -ETOOMANYREFS ? 2 : !strstr(why.text, "on their way") ? 3 : 0;
}

static void too_many_descriptors_on_their_way_are_told(void **state)
{
	(void)state;
	assert_int_equal(fds_in_child(geteuid() ? 0 : FDS_NOBODY, too_many_on_their_way, NULL), 0);
}

static void a_flood_leaves_nothing_open(void **state)
{
	int sent[64], pair[2];

	(void)state;
	fds_make(sent, 64);
	for (unsigned i = 0; i < 500; i++) {
		fds_pair(kinds[i % KINDS], pair);
		for (unsigned m = 0; m < 5; m++)
			assert_int_equal(fds_send_raw(pair[0], text, 1, sent, 64, 1 + m), 1);
		refuse(pair[1], i % 64, 1, -E2BIG);
		fds_close(pair, 2);
	}
	fds_close(sent, 64);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, fds_count, fds_none_is_left)
	const struct CMUnitTest tests[] = {
		CASE(more_descriptors_than_there_is_room_for_are_all_closed),
		CASE(a_stream_that_brings_one_by_one_finds_no_more_room_either),
		CASE(bytes_without_descriptors_bring_none),
		CASE(descriptors_without_a_byte_are_refused),
		CASE(a_packet_of_another_length_is_refused_with_its_descriptors),
		CASE(an_end_is_told_from_one_in_the_middle),
		CASE(one_who_says_half_is_not_waited_for),
		CASE(descriptors_lost_at_the_limit_are_told),
		CASE(what_cannot_carry_descriptors_is_refused),
		CASE(what_cannot_be_meant_is_refused),
		CASE(too_many_descriptors_on_their_way_are_told),
		CASE(a_flood_leaves_nothing_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
