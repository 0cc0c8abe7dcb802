/* SPDX-License-Identifier: MIT */
/*
 * test_bufring.c - receive buffers: the kernel picks each once until it is given back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include <quoit/io/bufring_internal.h>

#include "support/client.h"
#include "support/skip.h"

enum {
	BYTES = 300,
	COUNT = 8
};

static struct quoit_uring uring;
static struct quoit_bufring bufs;
static struct quoit_op_owner owner;
static bool is_open;
static int pair[2];

static struct {
	unsigned n;
	int res[64];
	uint32_t flags[64];
} got;

static void note(struct quoit_op_owner *of, int res, uint32_t flags, bool last)
{
	(void)of;
	(void)last;
	got.res[got.n % 64] = res;
	got.flags[got.n++ % 64] = flags;
}

static int forget(void **state)
{
	(void)state;
	memset(&got, 0, sizeof(got));
	memset(&owner, 0, sizeof(owner));
	is_open = false;
	return socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair);
}

static int close_all(void **state)
{
	(void)state;
	if (is_open) {
		quoit_bufring_close(&bufs);
		quoit_uring_close(&uring);
	}
	close(pair[0]);
	close(pair[1]);
	return 0;
}

static void open_all(void)
{
	struct quoit_reason why = {0};
	const int rc = quoit_uring_open(&uring, 64, -1, &why);

	if (rc == -ENOSYS || rc == -EPERM)
		skip_because("io_uring is refused: %s", why.text);
	assert_int_equal(rc, 0);
	assert_int_equal(quoit_bufring_open(&bufs, &uring, BYTES, COUNT, -1, &why), 0);
	is_open = true;
	quoit_uring_class(&uring, QUOIT_OP_RECV, &owner, 0, note);
}

/* One receive; gives its result. */
static int receive(void)
{
	struct io_uring_sqe *sqe = quoit_uring_sqe(&uring);
	const unsigned before = got.n;

	io_uring_prep_recv(sqe, pair[1], NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = QUOIT_BUFRING_GROUP;
	quoit_uring_tag(sqe, QUOIT_OP_RECV, &owner);
	while (got.n == before) {
		assert_int_equal(quoit_uring_sleep(&uring, 1000000000, 0), 0);
		assert_true(quoit_uring_reap(&uring, 10) > 0);
	}
	return got.res[before % 64];
}

static void send_packet(unsigned number, size_t len)
{
	unsigned char bytes[2 * BYTES];

	pattern_fill(bytes, len, number);
	assert_int_equal(send(pair[0], bytes, len, 0), len);
}

static void every_buffer_is_picked_once_and_then_there_is_none(void **state)
{
	unsigned char *at[COUNT];
	uint16_t ids[COUNT];

	(void)state;
	open_all();
	for (unsigned i = 0; i < COUNT; i++) {
		send_packet(i, BYTES);
		assert_int_equal(receive(), BYTES);
		assert_true(got.flags[i] & IORING_CQE_F_BUFFER);
		at[i] = quoit_bufring_picked(&bufs, got.flags[i], &ids[i]);
		for (unsigned before = 0; before < i; before++)
			assert_int_not_equal(ids[before], ids[i]);
	}
	assert_int_equal(bufs.in_hand, COUNT);
	for (unsigned i = 0; i < COUNT; i++) /* filled to their ends, and apart from each other */
		assert_int_equal(pattern_match(at[i], BYTES, i), BYTES);
	send_packet(0, 1);
	assert_int_equal(receive(), -ENOBUFS);
	quoit_bufring_give(&bufs, ids[5]);
	assert_int_equal(receive(), -ENOBUFS); /* not published yet */
	quoit_bufring_publish(&bufs);
	assert_int_equal(receive(), 1);
	assert_int_equal(got.flags[COUNT + 2] >> IORING_CQE_BUFFER_SHIFT, ids[5]);
}

static void no_packet_is_longer_than_its_buffer(void **state)
{
	uint16_t id;

	(void)state;
	open_all();
	send_packet(0, 2 * BYTES);
	assert_int_equal(receive(), BYTES);
	(void)quoit_bufring_picked(&bufs, got.flags[0], &id);
	quoit_bufring_give(&bufs, id);
}

/* The ring's 16-bit positions wrap. */
static void buffers_go_round_more_often_than_the_ring_can_count(void **state)
{
	(void)state;
	open_all();
	for (unsigned i = 0; i < 70000; i++) {
		uint16_t id;
		const unsigned at = got.n % 64;
		const unsigned char *bytes;

		assert_int_equal(send(pair[0], &i, sizeof(i), 0), sizeof(i));
		if (receive() != sizeof(i))
			fail_msg("receive %u gave %d", i, got.res[at]);
		bytes = quoit_bufring_picked(&bufs, got.flags[at], &id);
		if (memcmp(bytes, &i, sizeof(i)) != 0)
			fail_msg("receive %u has other bytes", i);
		quoit_bufring_give(&bufs, id);
		quoit_bufring_publish(&bufs);
	}
	assert_int_equal(bufs.in_hand, 0);
}

static void a_second_ring_of_buffers_for_the_same_io_uring_is_refused(void **state)
{
	struct quoit_bufring second;
	struct quoit_reason why = {0};

	(void)state;
	open_all();
	assert_int_equal(quoit_bufring_open(&second, &uring, BYTES, COUNT, -1, &why), -EEXIST);
	assert_non_null(strstr(why.text, "receive buffers"));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, forget, close_all)
	const struct CMUnitTest tests[] = {
		CASE(every_buffer_is_picked_once_and_then_there_is_none),
		CASE(no_packet_is_longer_than_its_buffer),
		CASE(buffers_go_round_more_often_than_the_ring_can_count),
		CASE(a_second_ring_of_buffers_for_the_same_io_uring_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
