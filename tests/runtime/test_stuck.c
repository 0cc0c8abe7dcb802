/* SPDX-License-Identifier: MIT */
/*
 * test_stuck.c - what a deadline cuts off is named: which, where, since when, and whose.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "support/one_server.h"

enum {
	OP_NEVER = 1
};

#define MS	1000000ull
#define CLIENTS 12

static struct {
	uint64_t held, asked, ended;
	struct quoit_stuck items[QUOIT_STUCK_MOST + 1];
	unsigned count;
	int rc;
} seen;

static int forget(void **state)
{
	(void)state;
	return begin_anew(&seen, sizeof(seen), 2);
}

static void hold_it(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	(void)in;
	(void)ctx;
	quoit_stream_hold(stream);
	quoit_add(&seen.held, 1);
}

static void never_answer(struct quoit_core *core, const struct quoit_message *messages, size_t n,
			 bool more, void *ctx)
{
	(void)core;
	(void)messages;
	(void)more;
	(void)ctx;
	quoit_add(&seen.asked, n);
}

static void note_end(struct quoit_core *core, const struct quoit_message *reply, void *ctx)
{
	(void)core;
	(void)ctx;
	seen.ended += reply->status == -ECANCELED;
}

static int register_never(struct quoit_core *core, void *ctx)
{
	return quoit_on_message(core, OP_NEVER, never_answer, ctx);
}

static void call_twice(struct quoit_core *core, void *ctx)
{
	(void)ctx;
	for (unsigned i = 0; i < 2; i++)
		seen.rc |= quoit_call(core, 1, OP_NEVER, NULL, 0, note_end, NULL);
}

static void collect(const struct quoit_stuck *item, void *ctx)
{
	(void)ctx;
	if (seen.count <= QUOIT_STUCK_MOST)
		seen.items[seen.count++] = *item;
}

/* As it is printed for a peer. */
static void name_of(int fd, char *text, size_t bytes)
{
	struct sockaddr_in address;
	socklen_t len = sizeof(address);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	snprintf(text, bytes, "127.0.0.1:%u", ntohs(address.sin_port));
}

static void wait_for_end(void)
{
	struct pollfd done = {.fd = quoit_runtime_fd(server.runtime), .events = POLLIN};

	assert_int_equal(poll(&done, 1, CLIENT_TIMEOUT_S * 1000), 1);
}

static void the_oldest_of_all_cores_are_named_and_the_rest_counted(void **state)
{
	struct quoit_reason why = {0};
	int fds[CLIENTS];
	char first[64];

	(void)state;
	server.events.data = hold_it;
	server.also = register_never;
	server_start(&server);
	/* The second is the older connection, but bytes come on it later. */
	fds[1] = client_connect(server.port);
	poll(NULL, 0, 20);
	for (unsigned i = 0; i < CLIENTS; i++) {
		if (i != 1)
			fds[i] = client_connect(server.port);
		assert_true(fds[i] >= 0);
		assert_int_equal(client_send(fds[i], "x", 1), 0);
		assert_soon(quoit_load_acquire(&seen.held) == i + 1);
		if (!i) /* so that it surely is the oldest: a clock is read once a turn */
			poll(NULL, 0, 20);
	}
	name_of(fds[0], first, sizeof(first));
	server_run(&server, 0, call_twice, NULL);
	assert_soon(quoit_load_acquire(&seen.asked) == 2);
	quoit_runtime_stop(server.runtime, 20 * MS);
	wait_for_end();
	assert_true(quoit_runtime_stuck(server.runtime, collect, NULL) >= CLIENTS + 2);
	assert_int_equal(seen.count, QUOIT_STUCK_MOST);
	assert_int_equal(seen.items[0].kind, QUOIT_STUCK_STREAM);
	assert_string_equal(seen.items[0].peer, first);
	for (unsigned i = 0; i < seen.count; i++) {
		const struct quoit_stuck *item = &seen.items[i];

		assert_in_range(item->core, 0, 1);
		assert_true(item->generation & 1 || item->kind != QUOIT_STUCK_STREAM);
		assert_true(item->age_ns >= 20 * MS); /* the deadline came so long after it */
		if (i)
			assert_true(item->age_ns <= seen.items[i - 1].age_ns);
	}
	assert_int_equal(server_wait(&server, &why), -ETIMEDOUT);
	assert_non_null(strstr(why.text, "; longest: connection "));
	assert_non_null(strstr(why.text, " of 127.0.0.1:"));
	assert_int_equal(seen.rc, 0);
	assert_int_equal(seen.ended, 2);
	for (unsigned i = 0; i < CLIENTS; i++)
		client_close(fds[i]);
}

static void a_call_is_named_with_the_core_that_was_asked(void **state)
{
	struct quoit_reason why = {0};

	(void)state;
	server.also = register_never;
	server_start(&server);
	server_run(&server, 0, call_twice, NULL);
	assert_soon(quoit_load_acquire(&seen.asked) == 2);
	for (unsigned i = 0; i < 2; i++) { /* the connections for commands must not be older */
		client_close(server.control[i].fd);
		server.control[i].fd = -1;
	}
	quoit_runtime_stop(server.runtime, 20 * MS);
	wait_for_end();
	assert_int_equal(quoit_runtime_stuck(server.runtime, collect, NULL), 2);
	assert_int_equal(seen.count, 2);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(seen.items[i].kind, QUOIT_STUCK_CALL);
		assert_int_equal(seen.items[i].core, 0);
		assert_int_equal(seen.items[i].to, 1);
		assert_true(seen.items[i].age_ns >= 18 * MS); /* kept in units of a millisecond */
		assert_string_equal(seen.items[i].peer, "");
	}
	assert_int_equal(server_wait(&server, &why), -ETIMEDOUT);
	assert_non_null(strstr(why.text, "a call to core 1, for "));
}

static void who_ends_in_order_names_nothing(void **state)
{
	(void)state;
	server_start(&server);
	quoit_runtime_stop(server.runtime, 10000 * MS);
	wait_for_end();
	assert_int_equal(quoit_runtime_stuck(server.runtime, collect, NULL), 0);
	assert_int_equal(seen.count, 0);
	assert_int_equal(server_wait(&server, NULL), 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, forget, abandon)
	const struct CMUnitTest tests[] = {
		CASE(the_oldest_of_all_cores_are_named_and_the_rest_counted),
		CASE(a_call_is_named_with_the_core_that_was_asked),
		CASE(who_ends_in_order_names_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
