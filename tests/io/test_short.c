/* SPDX-License-Identifier: MIT */
/*
 * test_short.c - sends that the kernel takes in part, cut at every byte, and receives that fail
 * although they have picked a buffer.
 *
 * Linked with --wrap=syscall: what is altered is what the kernel is given, within its rules, and
 * what it answers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <cmocka.h>

#include <quoit/runtime/loop_internal.h>

#include "support/server.h"

#define BYTES 300

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

static struct {
	struct io_uring *ring; /* the one core's */
	uint32_t cut;	       /* bytes that the next send takes; 0: all */
	uint32_t cuts;
	uint32_t fail; /* receives that shall fail */
} fault;

static struct server server;

static int forget(void **state)
{
	(void)state;
	memset(&fault, 0, sizeof(fault));
	memset(&server, 0, sizeof(server));
	server.config.cores = 1;
	return 0;
}

static int abandon(void **state)
{
	(void)state;
	server_abandon(&server);
	return 0;
}

/* --- the kernel ------------------------------------------------------------------------------ */

static void cut_entry(struct io_uring_sqe *sqe, uint32_t cut)
{
	struct msghdr *message = (void *)(uintptr_t)sqe->addr;

	if (sqe->opcode == IORING_OP_SEND && sqe->len > cut) {
		sqe->len = cut;
	} else if (sqe->opcode == IORING_OP_SENDMSG) {
		message->msg_iovlen = 1;
		message->msg_iov->iov_len = quoit_min(message->msg_iov->iov_len, cut);
	} else {
		return;
	}
	quoit_store(&fault.cut, 0);
	quoit_add(&fault.cuts, 1);
}

static void cut_entries(struct io_uring *ring)
{
	const struct io_uring_sq *sq = &ring->sq;
	const uint32_t cut = quoit_load(&fault.cut);

	for (unsigned at = quoit_load(sq->khead); cut && at != sq->sqe_tail; at++)
		cut_entry(&sq->sqes[at & sq->ring_mask], cut);
}

/* A multishot receive that goes on, but this time brings an error, and a buffer all the same. */
static void fail_receives(struct io_uring *ring)
{
	struct io_uring_cq *cq = &ring->cq;

	for (unsigned at = *cq->khead; at != quoit_load(cq->ktail); at++) {
		struct io_uring_cqe *cqe = &cq->cqes[at & cq->ring_mask];

		if (!quoit_load(&fault.fail) || quoit_op_kind(cqe->user_data) != QUOIT_OP_RECV ||
		    !(cqe->flags & IORING_CQE_F_BUFFER) || cqe->res <= 0)
			continue;
		cqe->res = -EINTR;
		quoit_store(&fault.fail, quoit_load(&fault.fail) - 1);
	}
}

long __wrap_syscall(long number, ...)
{
	const unsigned count =
		number == SYS_io_uring_setup	  ? 2
		: number == SYS_io_uring_register ? 4
		: number == SYS_io_uring_enter || number == SYS_mbind || number == SYS_move_pages
			? 6
			: 3;
	struct io_uring *ring = quoit_load_acquire(&fault.ring);
	long a[6] = {0};
	long rc;
	va_list args;

	va_start(args, number);
	for (unsigned i = 0; i < count; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if (number == SYS_io_uring_enter && ring)
		cut_entries(ring);
	rc = __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (number == SYS_io_uring_enter && ring)
		fail_receives(ring);
	return rc;
}

/* --- the tests ------------------------------------------------------------------------------- */

static void echo(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	(void)ctx;
	quoit_stream_send(stream, in.data, in.len);
}

static int start(void (*data)(struct quoit_stream *, struct quoit_bytes, void *))
{
	int fd;

	server.events.data = data;
	server_start(&server);
	quoit_store_release(&fault.ring, quoit_core_loop(server.control[0].core)->uring.ring);
	fd = client_connect(server.port);
	assert_true(fd >= 0);
	return fd;
}

static void a_send_that_is_cut_at_any_byte_goes_on_there(void **state)
{
	char sent[BYTES], back[BYTES];
	const int fd = start(echo);

	(void)state;
	for (uint32_t cut = 1; cut < BYTES; cut++) {
		pattern_fill(sent, BYTES, cut * 7919);
		quoit_store(&fault.cut, cut);
		assert_int_equal(client_send(fd, sent, BYTES), 0);
		assert_int_equal(client_receive(fd, back, BYTES), BYTES);
		assert_memory_equal(back, sent, BYTES);
	}
	assert_int_equal(quoit_load(&fault.cuts), BYTES - 1);
	client_close(fd);
	server_stop(&server);
}

#define LONG_BYTES (3 * QUOIT_CHUNK_ROOM + 17) /* several chunks, sent as one message */

static void send_long(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	static char bytes[LONG_BYTES];

	(void)ctx;
	pattern_fill(bytes, LONG_BYTES, ((const unsigned char *)in.data)[0]);
	quoit_stream_send(stream, bytes, LONG_BYTES);
}

static void a_message_of_many_parts_that_is_cut_goes_on_there(void **state)
{
	static char back[LONG_BYTES];
	const int fd = start(send_long);

	(void)state;
	for (uint32_t i = 0; i < 64; i++) {
		const uint32_t cut = 1 + i * (QUOIT_CHUNK_ROOM - 1) / 63; /* its ends among them */
		const unsigned char from = (unsigned char)i;

		quoit_store(&fault.cut, cut);
		assert_int_equal(client_send(fd, &from, 1), 0);
		assert_int_equal(client_receive(fd, back, LONG_BYTES), LONG_BYTES);
		assert_int_equal(pattern_match(back, LONG_BYTES, from), LONG_BYTES);
	}
	assert_int_equal(quoit_load(&fault.cuts), 64);
	client_close(fd);
	server_stop(&server);
}

static void a_receive_that_fails_with_a_buffer_gives_it_back(void **state)
{
	const char text[8] = "message";
	char back[8];
	int fd;

	(void)state;
	server.config.io.buffer_count = 2;
	fd = start(echo);
	assert_int_equal(client_send(fd, text, 8), 0);
	assert_int_equal(client_receive(fd, back, 8), 8);
	for (unsigned i = 0; i < 20; i++) { /* ten times as often as there are buffers */
		quoit_store(&fault.fail, 1);
		assert_int_equal(client_send(fd, text, 8), 0);
		assert_soon(!quoit_load(&fault.fail));
	}
	assert_int_equal(client_send(fd, text, 8), 0);
	assert_int_equal(client_receive(fd, back, 8), 8);
	assert_memory_equal(back, text, 8);
	client_close(fd);
	server_stop(&server);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, forget, abandon)
	const struct CMUnitTest tests[] = {
		CASE(a_send_that_is_cut_at_any_byte_goes_on_there),
		CASE(a_message_of_many_parts_that_is_cut_goes_on_there),
		CASE(a_receive_that_fails_with_a_buffer_gives_it_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
