/* SPDX-License-Identifier: MIT */
/*
 * test_listen.c - binding, and accepting when streams or descriptors run out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include <quoit/io/listen_internal.h>

#include "support/one_server.h"
#include "support/skip.h"

static struct {
	uint64_t opened, closed;
} seen;

static int forget(void **state)
{
	(void)state;
	return begin_anew(&seen, sizeof(seen), 1);
}

/* --- binding --------------------------------------------------------------------------------- */

static int bind_text(const char *text, bool first, struct quoit_address *bound,
		     struct quoit_reason *why)
{
	struct quoit_address address;

	assert_int_equal(quoit_address_parse(&address, text, why), 0);
	if (bound && !first)
		address = *bound;

	const int fd = quoit_listener_bind(&address, first, why);

	if (bound)
		*bound = address;
	return fd;
}

static void a_free_port_is_taken_written_back_and_shared_by_the_next(void **state)
{
	struct quoit_address address;
	struct quoit_reason why = {0};
	const int first = bind_text("127.0.0.1:0", true, &address, &why);
	const int port = quoit_address_port(&address);
	int second;
	int fd;

	(void)state;
	assert_true(first >= 0);
	assert_true(port > 0);
	second = bind_text("127.0.0.1:0", false, &address, &why);
	assert_true(second >= 0);
	assert_int_equal(quoit_address_port(&address), port);
	fd = client_connect(port);
	assert_true(fd >= 0);
	client_close(fd);
	close(first);
	close(second);
}

static void a_port_that_somebody_has_is_refused_even_if_it_is_shared_already(void **state)
{
	struct quoit_address address;
	struct quoit_reason why = {0};
	const int lowest = dup(0);
	const int first = bind_text("127.0.0.1:0", true, &address, &why);
	const int second = bind_text("127.0.0.1:0", false, &address, &why);
	char text[QUOIT_ADDRESS_TEXT];

	(void)state;
	quoit_address_print(&address, text);
	assert_int_equal(bind_text(text, true, NULL, &why), -EADDRINUSE);
	assert_non_null(strstr(why.text, text));
	assert_non_null(strstr(why.text, "in use"));
	close(second);
	close(first);
	close(lowest);
	assert_int_equal(dup(0), lowest); /* the one that was refused is not left open */
	close(lowest);
}

static void an_address_of_another_machine_is_refused_by_its_name(void **state)
{
	struct quoit_reason why = {0};

	(void)state;
	assert_int_equal(bind_text("192.0.2.1:0", true, NULL, &why), -EADDRNOTAVAIL);
	assert_non_null(strstr(why.text, "192.0.2.1:0"));
}

static void version_six_listens_for_itself_alone(void **state)
{
	struct quoit_address six;
	struct quoit_reason why = {0};
	char text[QUOIT_ADDRESS_TEXT];
	const int first = bind_text("[::]:0", true, &six, &why);
	int second;

	(void)state;
	if (first == -EAFNOSUPPORT || first == -EADDRNOTAVAIL)
		skip_because("this machine has no IPv6");
	assert_true(first >= 0);
	snprintf(text, sizeof(text), "0.0.0.0:%d", quoit_address_port(&six));
	second = bind_text(text, true, NULL, &why); /* the same port of version four is free */
	assert_true(second >= 0);
	close(first);
	close(second);
}

/* In a child, which gives its privilege up. Its exit code tells what it found. */
static int bind_port_1_unprivileged(void)
{
	struct quoit_address address;
	struct quoit_reason why = {0};
	int rc;

	if (getuid() == 0 && setuid(65534) < 0)
		return 3;
	if (quoit_address_parse(&address, "127.0.0.1:1", &why) < 0)
		return 4;
	rc = quoit_listener_bind(&address, true, &why);
	if (rc >= 0)
		return 2;
	return rc == -EACCES && strstr(why.text, "1024") && strstr(why.text, "127.0.0.1:1") ? 0 : 1;
}

static void a_port_below_1024_needs_privilege(void **state)
{
	int status = 0;
	const pid_t child = fork();

	(void)state;
	if (!child)
		_exit(bind_port_1_unprivileged());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 2)
		skip_because("anybody may bind port 1 here");
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* --- accepting ------------------------------------------------------------------------------- */

static void on_opened(struct quoit_stream *stream, void *ctx)
{
	(void)stream;
	(void)ctx;
	quoit_count(&seen.opened, 1);
}

static void on_closed(struct quoit_stream *stream, int reason, void *ctx)
{
	(void)stream;
	(void)reason;
	(void)ctx;
	quoit_count(&seen.closed, 1);
}

static void echo(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	(void)ctx;
	quoit_stream_send(stream, in.data, in.len);
}

static void serve(void)
{
	server.events = (struct quoit_stream_events){
		.opened = on_opened, .data = echo, .closed = on_closed};
	server_start(&server);
}

static bool is_served(int fd)
{
	char byte = 0;

	return client_send(fd, "x", 1) == 0 && client_receive(fd, &byte, 1) == 1 && byte == 'x';
}

static void more_connections_than_streams_are_refused_and_counted(void **state)
{
	enum {
		STREAMS = 4,
		MORE = 6
	};
	int fds[STREAMS + MORE];
	int fd;

	(void)state;
	server.config.io.streams_max = STREAMS;
	serve();
	for (unsigned i = 0; i < STREAMS; i++) {
		fds[i] = client_connect(server.port);
		assert_true(is_served(fds[i]));
	}
	for (unsigned i = STREAMS; i < STREAMS + MORE; i++) {
		fds[i] = client_connect(server.port);
		assert_true(fds[i] >= 0);
		assert_false(is_served(fds[i]));
		client_close(fds[i]);
	}
	assert_int_equal(server_stats(&server).io.refused, MORE);
	assert_int_equal(server_stats(&server).io.opened, STREAMS);
	for (unsigned i = 0; i < STREAMS; i++)
		assert_true(is_served(fds[i]));
	client_close(fds[0]);
	assert_soon(quoit_load(&seen.closed) == 1);
	fd = client_connect(server.port);
	assert_true(is_served(fd)); /* in the slot that came free */
	client_close(fd);
	for (unsigned i = 1; i < STREAMS; i++)
		client_close(fds[i]);
	server_stop(&server);
	assert_int_equal(seen.opened, STREAMS + 1);
	assert_int_equal(seen.closed, STREAMS + 1);
}

static int prepare_client(void)
{
	const struct timeval limit = {.tv_sec = CLIENT_TIMEOUT_S};
	const int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return fd;
}

static void connect_client(int fd)
{
	const struct sockaddr_in address = {.sin_family = AF_INET,
					    .sin_port = htons((uint16_t)server.port),
					    .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
}

/*
 * The server shares its descriptors with the test, so the clients' sockets exist before the limit
 * comes down. Those that find no descriptor wait in the kernel, the others are served, nobody
 * spins, and as descriptors come free all are served.
 */
static void without_descriptors_newcomers_wait_and_nobody_spins(void **state)
{
	enum {
		CLIENTS = 40,
		ROOM = 16
	};
	const struct timespec while_ = {0, 300 * 1000 * 1000};
	struct quoit_stats before;
	struct quoit_stats after;
	struct rlimit many;
	struct rlimit few;
	int fds[CLIENTS];
	int lowest;

	(void)state;
	for (unsigned i = 0; i < CLIENTS; i++)
		fds[i] = prepare_client();
	lowest = dup(0);
	close(lowest);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &many), 0);
	few = many;
	few.rlim_cur = (rlim_t)lowest + ROOM;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	serve();
	for (unsigned i = 0; i < CLIENTS; i++)
		connect_client(fds[i]);
	assert_soon(server_stats(&server).io.accept_waits > 0);
	assert_in_range(quoit_load(&seen.opened), 1, ROOM);
	assert_true(is_served(fds[0]));
	before = server_stats(&server);
	nanosleep(&while_, NULL);
	after = server_stats(&server);
	/* Ten tries at the very most while the pause doubles from 10 ms on; a spin would be 10^5.
	 */
	assert_true(after.io.accept_waits - before.io.accept_waits <= 40);
	assert_true(after.turns - before.turns <= 200);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &many), 0);
	for (unsigned i = 0; i < CLIENTS; i++) {
		assert_true(is_served(fds[i]));
		client_close(fds[i]);
	}
	assert_soon(quoit_load(&seen.closed) == CLIENTS);
	server_stop(&server);
	assert_int_equal(seen.opened, CLIENTS);
}

/* The same, but the descriptors come back because streams end. */
static void a_stream_that_ends_makes_room_for_one_that_waits(void **state)
{
	enum {
		CLIENTS = 40,
		ROOM = 10
	};
	struct rlimit many;
	struct rlimit few;
	int fds[CLIENTS];
	int lowest;

	(void)state;
	for (unsigned i = 0; i < CLIENTS; i++)
		fds[i] = prepare_client();
	lowest = dup(0);
	close(lowest);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &many), 0);
	few = many;
	few.rlim_cur = (rlim_t)lowest + ROOM;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	serve();
	for (unsigned i = 0; i < CLIENTS; i++)
		connect_client(fds[i]);
	assert_soon(server_stats(&server).io.accept_waits > 0);
	for (unsigned i = 0; i < CLIENTS; i++) {
		assert_true(is_served(fds[i])); /* in the order of the kernel's queue */
		/* Ended by a half-close: our own descriptor stays, only the server's comes free. */
		assert_int_equal(client_half_close(fds[i]), 0);
		assert_true(client_is_at_end(fds[i]));
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &many), 0);
	for (unsigned i = 0; i < CLIENTS; i++)
		client_close(fds[i]);
	server_stop(&server);
	assert_int_equal(seen.opened, CLIENTS);
	assert_int_equal(seen.closed, CLIENTS);
}

/* What the one above cannot see without a clock: the pause is over at once. */
static void the_end_of_a_stream_ends_the_pause_of_a_listener(void **state)
{
	static struct quoit_io io;
	static struct quoit_listener waiting;
	static struct quoit_listener other;

	(void)state;
	memset(&io, 0, sizeof(io));
	quoit_link_init(&io.backing_off);
	quoit_link_init(&io.lingering);
	waiting = (struct quoit_listener){.io = &io, .retry_ns = 500, .owner.pending = 1};
	other = (struct quoit_listener){.io = &io, .streams = 2, .owner.pending = 1};
	quoit_link_init(&waiting.backing_off);
	quoit_link_init(&other.backing_off);
	assert_true(quoit_io_next_ns(&io) == UINT64_MAX);
	quoit_link_append(&io.backing_off, &waiting.backing_off);
	assert_int_equal(quoit_io_next_ns(&io), 500);
	quoit_listener_stream_closed(&other);
	assert_int_equal(quoit_io_next_ns(&io), 0);
	assert_int_equal(other.streams, 1);
}

static void connections_that_are_reset_before_they_are_accepted_do_no_harm(void **state)
{
	int fd;

	(void)state;
	serve();
	for (unsigned i = 0; i < 300; i++) {
		fd = client_connect(server.port);
		assert_true(fd >= 0);
		client_reset(fd);
	}
	fd = client_connect(server.port);
	assert_true(is_served(fd));
	client_close(fd);
	server_stop(&server);
	assert_int_equal(seen.opened, seen.closed);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, forget, abandon)
	const struct CMUnitTest tests[] = {
		CASE(a_free_port_is_taken_written_back_and_shared_by_the_next),
		CASE(a_port_that_somebody_has_is_refused_even_if_it_is_shared_already),
		CASE(an_address_of_another_machine_is_refused_by_its_name),
		CASE(version_six_listens_for_itself_alone),
		CASE(a_port_below_1024_needs_privilege),
		CASE(more_connections_than_streams_are_refused_and_counted),
		CASE(without_descriptors_newcomers_wait_and_nobody_spins),
		CASE(a_stream_that_ends_makes_room_for_one_that_waits),
		CASE(the_end_of_a_stream_ends_the_pause_of_a_listener),
		CASE(connections_that_are_reset_before_they_are_accepted_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
