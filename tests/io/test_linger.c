/* SPDX-License-Identifier: MIT */
/*
 * test_linger.c - who is closed in order gets everything that was sent, whatever it still says.
 *
 * The client has a small receive buffer and goes on sending while it reads. A server that closes
 * its socket with something unread resets the connection, and what was on its way is lost.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "support/server.h"

#define ALL_BYTES  ((size_t)3 << 20)
#define STEP_BYTES ((size_t)16 << 10)

static struct server server;

static struct {
	uint64_t sent, closed;
	int reason;
} seen;

static int forget(void **state)
{
	(void)state;
	memset(&seen, 0, sizeof(seen));
	memset(&server, 0, sizeof(server));
	server.config.cores = 1;
	server.config.io.send_bytes_max = 4 * ALL_BYTES;
	return 0;
}

static int abandon(void **state)
{
	(void)state;
	server_abandon(&server);
	return 0;
}

static void send_all(struct quoit_stream *stream)
{
	unsigned char *bytes = malloc(ALL_BYTES);

	if (!bytes || quoit_load(&seen.sent)) {
		free(bytes);
		return;
	}
	pattern_fill(bytes, ALL_BYTES, 0);
	quoit_stream_send(stream, bytes, ALL_BYTES);
	free(bytes);
	quoit_count(&seen.sent, 1);
}

static void send_and_close(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	(void)in;
	(void)ctx;
	send_all(stream);
	quoit_stream_close(stream);
}

static void send_only(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	(void)in;
	(void)ctx;
	send_all(stream);
}

static void on_closed(struct quoit_stream *stream, int reason, void *ctx)
{
	(void)stream;
	(void)ctx;
	quoit_store(&seen.reason, reason);
	quoit_count(&seen.closed, 1);
}

static int ask(void (*data)(struct quoit_stream *, struct quoit_bytes, void *))
{
	int fd;

	server.events.data = data;
	server.events.closed = on_closed;
	server_start(&server);
	fd = client_connect_small(server.port, 4096);
	assert_true(fd >= 0);
	assert_int_equal(client_send(fd, "x", 1), 0);
	assert_soon(quoit_load(&seen.sent) == 1);
	return fd;
}

/* Read it all, and say something each time. */
static void read_and_talk(int fd)
{
	static unsigned char bytes[STEP_BYTES];

	for (size_t at = 0; at < ALL_BYTES; at += STEP_BYTES) {
		(void)client_send_some(fd, "y", 1);
		assert_int_equal(client_receive(fd, bytes, STEP_BYTES), STEP_BYTES);
		assert_int_equal(pattern_match(bytes, STEP_BYTES, at), STEP_BYTES);
	}
	assert_true(client_is_at_end(fd));
}

static void a_closed_stream_delivers_everything_to_a_peer_that_goes_on_talking(void **state)
{
	int fd;

	(void)state;
	fd = ask(send_and_close);
	read_and_talk(fd);
	client_close(fd);
	assert_soon(quoit_load(&seen.closed) == 1);
	assert_int_equal(seen.reason, 0);
	server_stop(&server);
}

static void a_peer_that_takes_nothing_is_given_up(void **state)
{
	int fd;

	(void)state;
	fd = ask(send_and_close);
	assert_soon(quoit_load(&seen.closed) == 1);
	assert_int_equal(quoit_load(&seen.reason), -ETIMEDOUT);
	client_close(fd);
	server_stop(&server);
}

static void a_stop_delivers_everything_to_a_peer_that_goes_on_talking(void **state)
{
	struct quoit_reason why = {0};
	int fd;

	(void)state;
	fd = ask(send_only);
	quoit_runtime_stop(server.runtime, UINT64_MAX);
	read_and_talk(fd);
	client_close(fd);
	assert_int_equal(server_wait(&server, &why), 0);
	assert_int_equal(seen.reason, 0);
}

/* Found by the simulated kernel: the loop went round and round until the peer had read. */
static void a_core_sleeps_while_a_stream_that_leaves_waits_for_its_peer(void **state)
{
	struct quoit_stats stats;
	int fd;

	(void)state;
	server.events.high_bytes = 2 * ALL_BYTES; /* or it would not look for the peer's end */
	fd = ask(send_only);
	assert_int_equal(client_half_close(fd), 0);
	assert_soon(quoit_load(&seen.closed) == 1);
	stats = server_stats(&server);
	assert_true(stats.sleeps > stats.turns / 4);
	client_close(fd);
	server_stop(&server);
}

/* It is heard when the peer gives up in the middle. */
static void a_peer_that_resets_while_the_stream_lingers_ends_it(void **state)
{
	struct quoit_reason why = {0};
	int fd;

	(void)state;
	fd = ask(send_and_close);
	server_settle(&server);
	client_reset(fd);
	assert_soon(quoit_load(&seen.closed) == 1);
	assert_int_not_equal(seen.reason, 0);
	assert_int_equal(server_stop_within(&server, UINT64_MAX, &why), 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, forget, abandon)
	const struct CMUnitTest tests[] = {
		CASE(a_closed_stream_delivers_everything_to_a_peer_that_goes_on_talking),
		CASE(a_stop_delivers_everything_to_a_peer_that_goes_on_talking),
		CASE(a_peer_that_resets_while_the_stream_lingers_ends_it),
		CASE(a_peer_that_takes_nothing_is_given_up),
		CASE(a_core_sleeps_while_a_stream_that_leaves_waits_for_its_peer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
