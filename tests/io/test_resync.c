/* SPDX-License-Identifier: MIT */
/*
 * test_resync.c - the kernel says that it lost a completion, and not whose (-EBADR).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "support/server.h"

#include <quoit/runtime/core_internal.h>

static struct server server;
static uint64_t closed;
static int reason;

static void echo(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	(void)ctx;
	quoit_stream_send(stream, in.data, in.len);
	if (*(const char *)in.data == '!')
		quoit_stream_core(stream)->loop.uring.lost = true;
}

static void note_closed(struct quoit_stream *stream, int why, void *ctx)
{
	(void)stream;
	(void)ctx;
	quoit_store(&reason, why);
	quoit_count(&closed, 1);
}

static int end(void **state)
{
	(void)state;
	server_abandon(&server);
	return 0;
}

static int connect_and_echo(void)
{
	const int fd = client_connect(server.port);
	char got[4];

	assert_true(fd >= 0);
	assert_int_equal(client_send(fd, "ring", 4), 0);
	assert_int_equal(client_receive(fd, got, 4), 4);
	return fd;
}

static void streams_end_and_newcomers_are_accepted(void **state)
{
	int fd;
	char got;

	(void)state;
	server.config.cores = 1;
	server.events.data = echo;
	server.events.closed = note_closed;
	server_start(&server);
	fd = connect_and_echo();
	assert_int_equal(client_send(fd, "!", 1), 0);
	assert_soon(quoit_load(&closed) == 1);
	assert_int_equal(quoit_load(&reason), -ENOMEM);
	(void)client_receive(fd, &got, 1); /* the echo may have left before the end, or not */
	assert_int_equal(client_receive(fd, &got, 1), 0);
	close(fd);
	fd = connect_and_echo();
	close(fd);
	assert_soon(quoit_load(&closed) == 2);
	server_stop(&server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(streams_end_and_newcomers_are_accepted, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
