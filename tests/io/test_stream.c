/* SPDX-License-Identifier: MIT */
/*
 * test_stream.c - the life of a stream over real connections: opened, ended, closed once.
 *
 * The handlers run on the core's thread and only count; the test looks at the counts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <cmocka.h>

#include "support/one_server.h"

#define TRACKED 64

/* What became of one connection; its stream's user pointer. */
struct track {
	uint64_t ended;
	uint64_t closed;
	int reason;
};

static struct {
	uint64_t opened, data, bytes, ended, closed;
	uint64_t after_closed; /* calls on a stream that was closed already */
	int reason;	       /* of the last closed */
	int rc;
	struct quoit_stream *stream; /* the last opened */
	struct quoit_stream *other;  /* the one before */
	struct quoit_stream_id id;
	struct track track[TRACKED];
} seen;

static int forget(void **state)
{
	(void)state;
	return begin_anew(&seen, sizeof(seen), 1);
}

static void on_opened(struct quoit_stream *stream, void *ctx)
{
	const uint64_t number = seen.opened;

	(void)ctx;
	seen.other = seen.stream;
	seen.stream = stream;
	if (number < TRACKED)
		quoit_stream_set_user(stream, &seen.track[number]);
	quoit_count(&seen.opened, 1);
}

static void note_use(const struct quoit_stream *stream)
{
	const struct track *track = quoit_stream_user(stream);

	if (track && track->closed)
		quoit_count(&seen.after_closed, 1);
}

static void on_closed(struct quoit_stream *stream, int reason, void *ctx)
{
	struct track *track = quoit_stream_user(stream);

	(void)ctx;
	note_use(stream);
	if (track) {
		quoit_store(&track->reason, reason);
		quoit_count(&track->closed, 1);
	}
	quoit_store(&seen.reason, reason);
	quoit_count(&seen.closed, 1);
}

static void on_ended(struct quoit_stream *stream, void *ctx)
{
	(void)ctx;
	note_use(stream);
	quoit_count(&seen.ended, 1);
}

static void count_bytes(struct quoit_stream *stream, struct quoit_bytes in)
{
	note_use(stream);
	quoit_count(&seen.bytes, in.len);
	quoit_count(&seen.data, 1);
}

static void echo(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	(void)ctx;
	count_bytes(stream, in);
	quoit_stream_send(stream, in.data, in.len);
}

/* A server with these handlers, of which each connection is counted. */
static void serve(struct quoit_stream_events events)
{
	if (!events.opened)
		events.opened = on_opened;
	if (!events.closed)
		events.closed = on_closed;
	server.events = events;
	server_start(&server);
}

static int connect_one(void)
{
	const uint64_t before = quoit_load(&seen.opened);
	const int fd = client_connect(server.port);

	assert_true(fd >= 0);
	assert_soon(quoit_load(&seen.opened) == before + 1);
	return fd;
}

/* --- bytes ----------------------------------------------------------------------------------- */

static void what_is_sent_byte_by_byte_comes_back_byte_by_byte(void **state)
{
	int fd;

	(void)state;
	serve((struct quoit_stream_events){.data = echo});
	fd = connect_one();
	for (unsigned i = 0; i < 300; i++) {
		const unsigned char sent = pattern_byte(i);
		unsigned char back = (unsigned char)~sent;

		assert_int_equal(client_send(fd, &sent, 1), 0);
		assert_int_equal(client_receive(fd, &back, 1), 1);
		assert_int_equal(back, sent);
	}
	assert_int_equal(quoit_load(&seen.bytes), 300);
	client_close(fd);
	server_stop(&server);
	assert_int_equal(seen.closed, 1);
}

static void a_stream_without_any_handler_swallows_and_ends_with_its_peer(void **state)
{
	const struct quoit_stream_events none = {0};
	char bytes[10000] = {0};
	int fd;

	(void)state;
	server.events = none;
	server_start(&server);
	fd = client_connect(server.port);
	assert_true(fd >= 0);
	assert_int_equal(client_send(fd, bytes, sizeof(bytes)), 0);
	assert_int_equal(client_half_close(fd), 0);
	assert_true(client_is_at_end(fd));
	client_close(fd);
	server_stop(&server);
}

/* --- the peer's end -------------------------------------------------------------------------- */

static void a_half_close_is_answered_in_full_and_then_closed_in_order(void **state)
{
	enum {
		LEN = 300000
	};
	static unsigned char sent[LEN], back[LEN];
	int fd;

	(void)state;
	serve((struct quoit_stream_events){.data = echo});
	fd = connect_one();
	pattern_fill(sent, LEN, 0);
	assert_int_equal(client_send(fd, sent, LEN), 0);
	assert_int_equal(client_half_close(fd), 0);
	assert_int_equal(client_receive(fd, back, LEN), LEN);
	assert_int_equal(pattern_match(back, LEN, 0), LEN);
	assert_true(client_is_at_end(fd));
	assert_soon(quoit_load(&seen.closed) == 1);
	assert_int_equal(quoit_load(&seen.reason), 0);
	client_close(fd);
	server_stop(&server);
}

static void close_on_ended(struct quoit_stream *stream, void *ctx)
{
	on_ended(stream, ctx);
	quoit_stream_send(stream, "bye", 3);
	quoit_stream_close(stream);
}

static void with_an_ended_handler_the_handler_says_when_to_close(void **state)
{
	char back[4];
	int fd;

	(void)state;
	serve((struct quoit_stream_events){.data = echo, .ended = close_on_ended});
	fd = connect_one();
	assert_int_equal(client_send(fd, "x", 1), 0);
	assert_int_equal(client_half_close(fd), 0);
	assert_int_equal(client_receive(fd, back, 4), 4);
	assert_memory_equal(back, "xbye", 4);
	assert_true(client_is_at_end(fd));
	client_close(fd);
	server_stop(&server);
	assert_int_equal(seen.ended, 1);
	assert_int_equal(seen.closed, 1);
	assert_int_equal(seen.reason, 0);
}

static void a_reset_by_the_peer_is_the_reason_of_closed(void **state)
{
	int fd;

	(void)state;
	serve((struct quoit_stream_events){.data = echo, .ended = on_ended});
	fd = connect_one();
	client_reset(fd);
	assert_soon(quoit_load(&seen.closed) == 1);
	assert_int_equal(quoit_load(&seen.reason), -ECONNRESET);
	assert_int_equal(quoit_load(&seen.ended), 0);
	server_stop(&server);
	assert_int_equal(seen.closed, 1);
}

static void hold_it(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	(void)ctx;
	count_bytes(stream, in);
	quoit_stream_hold(stream);
	quoit_stream_hold(stream);
}

static void answer_and_release(struct quoit_core *core, void *ctx)
{
	(void)core;
	(void)ctx;
	quoit_stream_send(seen.stream, "later", 5);
	quoit_stream_release(seen.stream);
}

static void a_held_stream_outlives_the_half_close_until_the_last_release(void **state)
{
	char back[10];
	int fd;

	(void)state;
	serve((struct quoit_stream_events){.data = hold_it});
	fd = connect_one();
	assert_int_equal(client_send(fd, "question", 8), 0);
	assert_int_equal(client_half_close(fd), 0);
	assert_soon(quoit_load(&seen.data) == 1);
	server_settle(&server);
	assert_int_equal(quoit_load(&seen.closed), 0);
	server_run(&server, 0, answer_and_release, NULL);
	server_settle(&server);
	assert_int_equal(quoit_load(&seen.closed), 0);
	server_run(&server, 0, answer_and_release, NULL);
	assert_int_equal(client_receive(fd, back, 10), 10);
	assert_memory_equal(back, "laterlater", 10);
	assert_true(client_is_at_end(fd));
	assert_soon(quoit_load(&seen.closed) == 1);
	client_close(fd);
	server_stop(&server);
}

/* --- endings from inside handlers ------------------------------------------------------------ */

static void answer_and_close(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	echo(stream, in, ctx);
	quoit_stream_close(stream);
	seen.rc = quoit_stream_send(stream, "no", 2);
}

static void closing_inside_data_sends_what_was_sent_and_takes_no_more(void **state)
{
	char back[8];
	int fd;

	(void)state;
	serve((struct quoit_stream_events){.data = answer_and_close});
	fd = connect_one();
	assert_int_equal(client_send(fd, "one", 3), 0);
	assert_int_equal(client_receive(fd, back, sizeof(back)), 3);
	assert_memory_equal(back, "one", 3);
	assert_soon(quoit_load(&seen.closed) == 1);
	(void)client_send(fd, "two", 3);
	server_settle(&server);
	client_close(fd);
	server_stop(&server);
	assert_int_equal(seen.data, 1);
	assert_int_equal(seen.rc, -EPIPE);
	assert_int_equal(seen.reason, 0);
	assert_int_equal(seen.closed, 1);
}

static void greet_and_close(struct quoit_stream *stream, void *ctx)
{
	on_opened(stream, ctx);
	quoit_stream_send(stream, "full", 4);
	quoit_stream_close(stream);
}

static void closing_inside_opened_sends_the_greeting_first(void **state)
{
	char back[8];
	int fd;

	(void)state;
	serve((struct quoit_stream_events){.opened = greet_and_close, .data = echo});
	for (unsigned i = 1; i <= 20; i++) {
		fd = connect_one();
		assert_int_equal(client_receive(fd, back, sizeof(back)), 4);
		assert_memory_equal(back, "full", 4);
		client_close(fd);
		assert_soon(quoit_load(&seen.closed) == i);
	}
	server_stop(&server);
	assert_int_equal(seen.data, 0);
	assert_int_equal(seen.closed, 20);
	assert_int_equal(seen.reason, 0);
}

static void abort_at_once(struct quoit_stream *stream, void *ctx)
{
	on_opened(stream, ctx);
	quoit_stream_send(stream, "never seen", 10);
	quoit_stream_abort(stream, -EPROTO);
	quoit_stream_close(stream);
	quoit_stream_abort(stream, -EIO); /* the first reason stays */
}

static void aborting_inside_opened_gives_its_reason_and_drops_what_is_unsent(void **state)
{
	char back[16];
	int fd;

	(void)state;
	serve((struct quoit_stream_events){.opened = abort_at_once, .data = echo});
	fd = connect_one();
	assert_int_equal(client_receive(fd, back, sizeof(back)), 0);
	assert_soon(quoit_load(&seen.closed) == 1);
	assert_int_equal(quoit_load(&seen.reason), -EPROTO);
	client_close(fd);
	server_stop(&server);
	assert_int_equal(seen.closed, 1);
}

static void abort_in_data(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	echo(stream, in, ctx);
	quoit_stream_abort(stream, -EPROTO);
}

static void aborting_inside_data_gives_its_reason(void **state)
{
	char back[16];
	int fd;

	(void)state;
	serve((struct quoit_stream_events){.data = abort_in_data});
	fd = connect_one();
	assert_int_equal(client_send(fd, "x", 1), 0);
	assert_int_equal(client_receive(fd, back, sizeof(back)), 0);
	assert_soon(quoit_load(&seen.closed) == 1);
	assert_int_equal(quoit_load(&seen.reason), -EPROTO);
	client_close(fd);
	server_stop(&server);
}

/* A handler that wants everything of a stream that is over. */
static void meddle_when_closed(struct quoit_stream *stream, int reason, void *ctx)
{
	seen.rc = quoit_stream_send(stream, "x", 1);
	quoit_stream_pause(stream);
	quoit_stream_resume(stream);
	quoit_stream_close(stream);
	quoit_stream_abort(stream, -EIO);
	if (quoit_core_stream(quoit_stream_core(stream), quoit_stream_id(stream)))
		quoit_count(&seen.after_closed, 1);
	if (seen.other && seen.other != stream && seen.stream == stream)
		quoit_stream_close(seen.other);
	on_closed(stream, reason, ctx);
}

static void what_a_closed_handler_asks_of_its_stream_changes_nothing(void **state)
{
	int first;
	int second;

	(void)state;
	serve((struct quoit_stream_events){.data = echo, .closed = meddle_when_closed});
	first = connect_one();
	second = connect_one();
	client_close(second);
	assert_true(client_is_at_end(first)); /* closed by the other one's end */
	client_close(first);
	assert_soon(quoit_load(&seen.closed) == 2);
	server_settle(&server);
	server_stop(&server);
	assert_int_equal(seen.closed, 2);
	assert_int_equal(seen.rc, -EPIPE);
	assert_int_equal(seen.after_closed, 0);
}

static void close_the_other(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	struct quoit_stream *other = stream == seen.stream ? seen.other : seen.stream;

	echo(stream, in, ctx);
	if (other)
		quoit_stream_abort(other, -ECANCELED);
	if (stream == seen.stream)
		seen.other = NULL;
	else
		seen.stream = NULL;
}

/* Both have bytes in the same turn, and whoever is first ends the other. */
static void two_streams_that_end_each_other_in_one_turn_end_once_each(void **state)
{
	(void)state;
	serve((struct quoit_stream_events){.data = close_the_other});
	for (unsigned i = 0; i < 20; i++) {
		const int first = connect_one();
		const int second = connect_one();
		const uint64_t before = quoit_load(&seen.closed);

		assert_int_equal(client_send(first, "x", 1), 0);
		assert_int_equal(client_send(second, "x", 1), 0);
		assert_soon(quoit_load(&seen.closed) >= before + 1);
		client_close(first);
		client_close(second);
		assert_soon(quoit_load(&seen.closed) == before + 2);
		server_settle(&server);
		seen.stream = seen.other = NULL;
		server_settle(&server);
	}
	server_stop(&server);
	assert_int_equal(seen.closed, 40);
	assert_int_equal(seen.after_closed, 0);
}

/* --- exactly once ---------------------------------------------------------------------------- */

static void every_connection_is_closed_exactly_once_however_it_ends(void **state)
{
	static char bytes[50000];

	(void)state;
	serve((struct quoit_stream_events){.data = echo});
	for (unsigned i = 0; i < TRACKED; i++) {
		const int fd = connect_one();

		if (i & 1)
			assert_int_equal(client_send(fd, bytes, 1 + i * 700), 0);
		switch (i / 2 % 4) {
		case 0:
			client_close(fd); /* with unread bytes this resets */
			break;
		case 1:
			client_reset(fd);
			break;
		case 2:
			assert_int_equal(client_half_close(fd), 0);
			assert_int_equal(client_end(fd), 0);
			client_close(fd);
			break;
		default:
			assert_int_equal(client_half_close(fd), 0);
			client_close(fd);
		}
	}
	assert_soon(quoit_load(&seen.closed) == TRACKED);
	server_settle(&server);
	server_stop(&server);
	for (unsigned i = 0; i < TRACKED; i++)
		assert_int_equal(seen.track[i].closed, 1);
	assert_int_equal(seen.closed, TRACKED);
	assert_int_equal(seen.after_closed, 0);
}

/* --- names ----------------------------------------------------------------------------------- */

static void look_up(struct quoit_core *core, void *ctx)
{
	const struct quoit_stream_id id = *(const struct quoit_stream_id *)ctx;

	seen.stream = quoit_core_stream(core, id);
}

static struct quoit_stream *find(struct quoit_stream_id id)
{
	server_run(&server, 0, look_up, &id);
	return seen.stream;
}

static void name_it(struct quoit_stream *stream, void *ctx)
{
	on_opened(stream, ctx);
	seen.id = quoit_stream_id(stream);
}

static void a_stream_is_found_by_its_name_until_it_is_gone(void **state)
{
	struct quoit_stream_id id;
	struct quoit_stream_id wrong;
	struct quoit_stream *stream;
	int fd;

	(void)state;
	serve((struct quoit_stream_events){.opened = name_it, .data = echo});
	fd = connect_one();
	server_settle(
		&server); /* the connection for commands is open: it takes no slot from now on */
	id = seen.id;
	stream = seen.stream;
	assert_ptr_equal(find(id), stream);
	wrong = id;
	wrong.core++;
	assert_null(find(wrong));
	wrong = id;
	wrong.slot += 1000;
	assert_null(find(wrong));
	wrong = id;
	wrong.generation++;
	assert_null(find(wrong));
	client_close(fd);
	assert_soon(quoit_load(&seen.closed) == 1);
	assert_null(find(id));
	server_settle(&server);
	fd = connect_one();
	server_settle(&server);
	assert_int_equal(seen.id.slot, id.slot); /* the slot is used again */
	assert_int_not_equal(seen.id.generation, id.generation);
	assert_null(find(id));
	assert_non_null(find(seen.id));
	client_close(fd);
	server_stop(&server);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, forget, abandon)
	const struct CMUnitTest tests[] = {
		CASE(what_is_sent_byte_by_byte_comes_back_byte_by_byte),
		CASE(a_stream_without_any_handler_swallows_and_ends_with_its_peer),
		CASE(a_half_close_is_answered_in_full_and_then_closed_in_order),
		CASE(with_an_ended_handler_the_handler_says_when_to_close),
		CASE(a_reset_by_the_peer_is_the_reason_of_closed),
		CASE(a_held_stream_outlives_the_half_close_until_the_last_release),
		CASE(closing_inside_data_sends_what_was_sent_and_takes_no_more),
		CASE(closing_inside_opened_sends_the_greeting_first),
		CASE(aborting_inside_opened_gives_its_reason_and_drops_what_is_unsent),
		CASE(aborting_inside_data_gives_its_reason),
		CASE(what_a_closed_handler_asks_of_its_stream_changes_nothing),
		CASE(two_streams_that_end_each_other_in_one_turn_end_once_each),
		CASE(every_connection_is_closed_exactly_once_however_it_ends),
		CASE(a_stream_is_found_by_its_name_until_it_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
