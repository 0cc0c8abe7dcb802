/* SPDX-License-Identifier: MIT */
/*
 * test_send.c - bytes out: order, the marks, peers that do not read, memory that runs out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "support/one_server.h"

#define SMALL_WINDOW 8192 /* of a client that reads little: the kernel's buffers stay small too */

static struct {
	uint64_t opened, bytes, writable, closed, sent, above, wrong_unsent;
	int reason;
	int rc;
	struct quoit_stream *stream;
} seen;

static int forget(void **state)
{
	(void)state;
	return begin_anew(&seen, sizeof(seen), 1);
}

static void on_opened(struct quoit_stream *stream, void *ctx)
{
	(void)ctx;
	seen.stream = stream;
	quoit_count(&seen.opened, 1);
}

static void on_closed(struct quoit_stream *stream, int reason, void *ctx)
{
	(void)stream;
	(void)ctx;
	quoit_store(&seen.reason, reason);
	quoit_count(&seen.closed, 1);
}

static void on_writable(struct quoit_stream *stream, void *ctx)
{
	(void)ctx;
	if (quoit_stream_unsent(stream) > server.events.low_bytes)
		quoit_count(&seen.wrong_unsent, 1);
	quoit_count(&seen.writable, 1);
}

static void echo(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	(void)ctx;
	quoit_count(&seen.bytes, in.len);
	if (quoit_stream_send(stream, in.data, in.len) > 0)
		quoit_count(&seen.above, 1);
}

static void serve(void)
{
	server.events.opened = on_opened;
	server.events.closed = on_closed;
	server.events.writable = on_writable;
	if (!server.events.data)
		server.events.data = echo;
	server_start(&server);
}

static int connect_one(int window)
{
	const uint64_t before = quoit_load(&seen.opened);
	const int fd = client_connect_small(server.port, window);

	assert_true(fd >= 0);
	assert_soon(quoit_load(&seen.opened) == before + 1);
	return fd;
}

/* Receive `len` bytes in pieces and look that they are the pattern's. */
static void expect_pattern(int fd, uint64_t from, uint64_t len)
{
	static unsigned char bytes[65536];

	while (len) {
		const size_t n = quoit_min(sizeof(bytes), len);

		assert_int_equal(client_receive(fd, bytes, n), n);
		assert_int_equal(pattern_match(bytes, n, from), n);
		from += n;
		len -= n;
	}
}

/* Have the core send the next `*ctx` bytes of the pattern in one call. */
static void send_pattern(struct quoit_core *core, void *ctx)
{
	const size_t len = *(const size_t *)ctx;
	unsigned char *bytes = malloc(len ? len : 1);

	(void)core;
	pattern_fill(bytes, len, seen.sent);
	seen.rc = quoit_stream_send(seen.stream, bytes, len);
	if (seen.rc >= 0)
		seen.sent += len;
	free(bytes);
}

/* The same in pieces of odd sizes. */
static void send_pattern_in_pieces(struct quoit_core *core, void *ctx)
{
	size_t left = *(const size_t *)ctx;
	size_t piece = 1;

	while (left) {
		size_t n = quoit_min(piece, left);

		send_pattern(core, &n);
		left -= n;
		piece = piece % 9001 + 977;
	}
}

/* --- order ----------------------------------------------------------------------------------- */

static void a_million_bytes_of_one_call_arrive_in_order(void **state)
{
	size_t len = 1 << 20;
	int fd;

	(void)state;
	serve();
	fd = connect_one(0);
	server_run(&server, 0, send_pattern, &len);
	assert_int_equal(seen.rc, 1); /* above the default mark */
	expect_pattern(fd, 0, len);
	client_close(fd);
	server_stop(&server);
}

static void many_sends_of_one_turn_arrive_in_order_at_a_slow_reader(void **state)
{
	size_t len = 1 << 20;
	int fd;

	(void)state;
	serve();
	fd = connect_one(SMALL_WINDOW);
	server_run(&server, 0, send_pattern_in_pieces, &len);
	expect_pattern(fd, 0, 100);
	server_run(&server, 0, send_pattern_in_pieces, &len); /* while a send is under way */
	expect_pattern(fd, 100, 2 * len - 100);
	client_close(fd);
	server_stop(&server);
}

static void close_stream(struct quoit_core *core, void *ctx)
{
	(void)core;
	(void)ctx;
	quoit_stream_close(seen.stream);
}

static void closing_waits_until_everything_has_left(void **state)
{
	size_t len = 16 << 20; /* more than the kernel takes at once */
	int fd;

	(void)state;
	serve();
	fd = connect_one(SMALL_WINDOW);
	server_run(&server, 0, send_pattern, &len);
	server_run(&server, 0, close_stream, NULL);
	server_settle(&server);
	assert_int_equal(quoit_load(&seen.closed), 0);
	server_run(&server, 0, send_pattern, &len);
	assert_int_equal(seen.rc, -EPIPE);
	expect_pattern(fd, 0, len);
	assert_true(client_is_at_end(fd));
	assert_soon(quoit_load(&seen.closed) == 1);
	assert_int_equal(quoit_load(&seen.reason), 0);
	client_close(fd);
	server_stop(&server);
}

/* --- the marks ------------------------------------------------------------------------------- */

static void above_the_high_mark_send_says_so_and_writable_comes_once_below_the_low_one(void **state)
{
	enum {
		HIGH = 100000,
		LOW = 20000
	};
	size_t len = HIGH;
	size_t one = 1;
	size_t lots = 8 << 20;
	int fd;

	(void)state;
	server.events.high_bytes = HIGH;
	server.events.low_bytes = LOW;
	serve();
	fd = connect_one(0);
	server_run(&server, 0, send_pattern, &one);
	assert_int_equal(seen.rc, 0);
	server_run(&server, 0, send_pattern, &lots); /* more than the kernel takes at once */
	assert_int_equal(seen.rc, 1);
	server_run(&server, 0, send_pattern, &one);
	assert_int_equal(seen.rc, 1);
	assert_int_equal(quoit_load(&seen.writable), 0);
	expect_pattern(fd, 0, lots + 2);
	assert_soon(quoit_load(&seen.writable) == 1);
	server_run(&server, 0, send_pattern, &len); /* the mark itself is not above it */
	assert_int_equal(seen.rc, 0);
	expect_pattern(fd, lots + 2, len);
	server_settle(&server);
	assert_int_equal(quoit_load(&seen.writable), 1);
	assert_int_equal(quoit_load(&seen.wrong_unsent), 0);
	assert_int_equal(server_stats(&server).io.pauses, 1);
	client_close(fd);
	server_stop(&server);
}

static void close_when_writable(struct quoit_stream *stream, void *ctx)
{
	on_writable(stream, ctx);
	quoit_stream_send(stream, "end", 3);
	quoit_stream_close(stream);
}

static void closing_inside_writable_sends_the_last_words(void **state)
{
	size_t lots = 8 << 20;
	char back[3];
	int fd;

	(void)state;
	serve();
	server_stop(&server);
	server.events.writable = close_when_writable;
	server_start(&server);
	fd = connect_one(0);
	server_run(&server, 0, send_pattern, &lots);
	expect_pattern(fd, 0, lots);
	assert_int_equal(client_receive(fd, back, 3), 3);
	assert_memory_equal(back, "end", 3);
	assert_true(client_is_at_end(fd));
	assert_soon(quoit_load(&seen.closed) == 1);
	assert_int_equal(quoit_load(&seen.writable), 1);
	client_close(fd);
	server_stop(&server);
}

/*
 * A peer that sends for ever and reads nothing: the echo stops reading from it, so what we hold is
 * the high mark and what was on its way; and once it reads, it gets all of it.
 */
static void a_peer_that_never_reads_is_not_read_from_either(void **state)
{
	enum {
		HIGH = 64 << 10,
		BUFFER = 4096,
		BUFFERS = 16,
		MOST = 64 << 20
	};
	static unsigned char bytes[65536];
	uint64_t sent = 0;
	int stuck = 0;
	struct quoit_stats stats;
	int fd;

	(void)state;
	server.config.io.buffer_bytes = BUFFER;
	server.config.io.buffer_count = BUFFERS;
	server.events.high_bytes = HIGH;
	serve();
	fd = connect_one(SMALL_WINDOW);
	while (sent < MOST && stuck < 3) {
		long n;

		pattern_fill(bytes, sizeof(bytes), sent);
		n = client_send_some(fd, bytes, sizeof(bytes));
		assert_true(n >= 0);
		sent += (uint64_t)n;
		stuck = n ? 0 : stuck + 1;
		server_settle(&server);
	}
	assert_int_equal(stuck, 3);
	stats = server_stats(&server);
	assert_true(stats.io.pauses > 0);
	/* What has come in and has not gone out: the mark, and the buffers that were on their way.
	 */
	assert_true(quoit_load(&seen.bytes) - stats.io.bytes_out <=
		    HIGH + (uint64_t)BUFFER * BUFFERS + 1000);
	expect_pattern(fd, 0, sent);
	assert_soon(quoit_load(&seen.bytes) == sent);
	client_close(fd);
	server_stop(&server);
}

static void a_peer_that_resets_while_much_is_unsent_is_closed(void **state)
{
	size_t lots = 16 << 20;
	int fd;

	(void)state;
	serve();
	fd = connect_one(SMALL_WINDOW);
	server_run(&server, 0, send_pattern, &lots);
	client_reset(fd);
	assert_soon(quoit_load(&seen.closed) == 1);
	server_stop(&server);
	assert_true(seen.reason == -ECONNRESET || seen.reason == -EPIPE);
}

static void abort_stream(struct quoit_core *core, void *ctx)
{
	(void)core;
	(void)ctx;
	quoit_stream_abort(seen.stream, -ETIME);
}

static void an_abort_ends_a_send_that_the_kernel_holds(void **state)
{
	size_t lots = 16 << 20;
	int fd;

	(void)state;
	serve();
	fd = connect_one(SMALL_WINDOW);
	server_run(&server, 0, send_pattern, &lots);
	server_settle(&server);
	server_run(&server, 0, abort_stream, NULL);
	assert_soon(quoit_load(&seen.closed) == 1); /* although the peer reads nothing */
	assert_int_equal(quoit_load(&seen.reason), -ETIME);
	client_close(fd);
	server_stop(&server);
}

/* --- memory ---------------------------------------------------------------------------------- */

static void when_the_send_memory_is_used_up_the_stream_is_aborted_and_others_go_on(void **state)
{
	size_t too_much = 64 << 20;
	size_t fits = 100000;
	char one;
	int greedy;
	int fd;

	(void)state;
	server.config.io.send_bytes_max = 1 << 20;
	serve();
	greedy = connect_one(SMALL_WINDOW);
	server_run(&server, 0, send_pattern, &too_much);
	assert_int_equal(seen.rc, -ENOBUFS);
	assert_soon(quoit_load(&seen.closed) == 1);
	assert_int_equal(quoit_load(&seen.reason), -ENOBUFS);
	client_close(greedy);
	/* The memory is back: another stream gets all it wants. */
	fd = connect_one(0);
	assert_int_equal(client_send(fd, "x", 1), 0);
	assert_int_equal(client_receive(fd, &one, 1), 1);
	seen.sent = 0;
	for (int i = 0; i < 20; i++) {
		server_run(&server, 0, send_pattern, &fits);
		assert_true(seen.rc >= 0);
		expect_pattern(fd, seen.sent - fits, fits);
	}
	client_close(fd);
	server_stop(&server);
}

static void sending_nothing_is_nothing(void **state)
{
	size_t none = 0;
	char one;
	int fd;

	(void)state;
	serve();
	fd = connect_one(0);
	server_run(&server, 0, send_pattern, &none);
	assert_int_equal(seen.rc, 0);
	assert_int_equal(client_send(fd, "x", 1), 0);
	assert_int_equal(client_receive(fd, &one, 1), 1);
	client_close(fd);
	server_stop(&server);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, forget, abandon)
	const struct CMUnitTest tests[] = {
		CASE(a_million_bytes_of_one_call_arrive_in_order),
		CASE(many_sends_of_one_turn_arrive_in_order_at_a_slow_reader),
		CASE(closing_waits_until_everything_has_left),
		CASE(above_the_high_mark_send_says_so_and_writable_comes_once_below_the_low_one),
		CASE(closing_inside_writable_sends_the_last_words),
		CASE(a_peer_that_never_reads_is_not_read_from_either),
		CASE(a_peer_that_resets_while_much_is_unsent_is_closed),
		CASE(an_abort_ends_a_send_that_the_kernel_holds),
		CASE(when_the_send_memory_is_used_up_the_stream_is_aborted_and_others_go_on),
		CASE(sending_nothing_is_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
