/* SPDX-License-Identifier: MIT */
/*
 * test_cork.c - bytes that wait until they are let go.
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

#include "support/server.h"

#define MUCH 100000

static struct server server;
static char much[MUCH];

/* c: cork and send; u: let go; x: cork, send and close; m: cork and send more than the high mark.
 */
static void obey(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	const char order = *(const char *)in.data;

	(void)ctx;
	if (order == 'u') {
		quoit_stream_uncork(stream);
		return;
	}
	quoit_stream_send(stream, "before ", 7);
	quoit_stream_cork(stream);
	if (order == 'm')
		quoit_stream_send(stream, much, sizeof(much));
	else
		quoit_stream_send(stream, "after", 5);
	if (order == 'x')
		quoit_stream_close(stream);
}

static int start(void **state)
{
	(void)state;
	memset(&server, 0, sizeof(server));
	server.config.cores = 1;
	server.events.data = obey;
	server.events.high_bytes = MUCH / 2;
	return 0;
}

static int end(void **state)
{
	(void)state;
	server_abandon(&server);
	return 0;
}

static int connect_and_order(const char *order)
{
	int fd;

	server_start(&server);
	fd = client_connect(server.port);
	assert_true(fd >= 0);
	assert_int_equal(client_send(fd, order, 1), 0);
	server_settle(&server);
	return fd;
}

static void corked_bytes_of_the_whole_turn_wait_until_they_are_let_go(void **state)
{
	const int fd = connect_and_order("c");
	char got[12];

	(void)state;
	assert_int_equal(recv(fd, got, sizeof(got), MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(client_send(fd, "u", 1), 0);
	assert_int_equal(client_receive(fd, got, sizeof(got)), (long)sizeof(got));
	assert_memory_equal(got, "before after", sizeof(got));
	close(fd);
	server_stop(&server);
}

static void a_close_lets_go(void **state)
{
	const int fd = connect_and_order("x");
	char got[13];

	(void)state;
	assert_int_equal(client_receive(fd, got, sizeof(got)), 12); /* and then the end */
	assert_memory_equal(got, "before after", 12);
	close(fd);
	server_stop(&server);
}

static void more_than_the_high_mark_lets_go(void **state)
{
	const int fd = connect_and_order("m");
	static char got[7 + MUCH];

	(void)state;
	assert_int_equal(client_receive(fd, got, sizeof(got)), (long)sizeof(got));
	assert_memory_equal(got, "before ", 7);
	close(fd);
	server_stop(&server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			corked_bytes_of_the_whole_turn_wait_until_they_are_let_go, start, end),
		cmocka_unit_test_setup_teardown(a_close_lets_go, start, end),
		cmocka_unit_test_setup_teardown(more_than_the_high_mark_lets_go, start, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
