/* SPDX-License-Identifier: MIT */
/*
 * test_receive.c - bytes in: keeping and needing, pausing, and running out of buffers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <cmocka.h>

#include "support/one_server.h"

static struct {
	uint64_t opened, calls, bytes, ended, closed, frames, bad;
	uint64_t last_len; /* of what the handler saw last */
	int reason;
	int rc[4];
	struct quoit_stream *stream;
	size_t keep, need;
	unsigned pause_on_call; /* 0: never */
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

static void note_call(struct quoit_bytes in)
{
	quoit_store(&seen.last_len, in.len);
	quoit_count(&seen.calls, 1);
}

static void serve(void (*data)(struct quoit_stream *, struct quoit_bytes, void *))
{
	server.events.opened = on_opened;
	server.events.closed = on_closed;
	server.events.data = data;
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

static void resume(struct quoit_core *core, void *ctx)
{
	(void)core;
	(void)ctx;
	quoit_stream_resume(seen.stream);
}

/* --- keep ------------------------------------------------------------------------------------ */

/* Frames: two bytes of length, and as many bytes of the pattern from the frame's number on. */
static void parse_frames(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	const unsigned char *at = in.data;
	size_t left = in.len;

	(void)ctx;
	note_call(in);
	while (left >= 2) {
		const size_t len = (size_t)at[0] << 8 | at[1];

		if (left < 2 + len)
			break;
		if (pattern_match(at + 2, len, quoit_load(&seen.frames)) != len)
			quoit_count(&seen.bad, 1);
		quoit_count(&seen.frames, 1);
		at += 2 + len;
		left -= 2 + len;
	}
	if (left && quoit_stream_keep(stream, left) < 0)
		quoit_stream_abort(stream, -EMSGSIZE);
}

static size_t make_frame(unsigned char *to, uint64_t number, size_t len)
{
	to[0] = (unsigned char)(len >> 8);
	to[1] = (unsigned char)len;
	pattern_fill(to + 2, len, number);
	return 2 + len;
}

static void kept_bytes_come_again_in_front_of_the_new_ones_at_every_split(void **state)
{
	static unsigned char bytes[4096];
	size_t len = 0;
	int fd;

	(void)state;
	serve(parse_frames);
	fd = connect_one();
	for (unsigned i = 0; i < 12; i++)
		len += make_frame(bytes + len, i, i * 5);
	/* One byte a piece, then two, and so on: every border falls everywhere in a frame. */
	for (size_t piece = 1; piece <= 9; piece++) {
		server_settle(&server);
		quoit_store(&seen.frames, 0);
		for (size_t at = 0; at < len; at += piece) {
			const uint64_t calls = quoit_load(&seen.calls);

			assert_int_equal(client_send(fd, bytes + at, quoit_min(piece, len - at)),
					 0);
			assert_soon(quoit_load(&seen.calls) > calls);
		}
		assert_soon(quoit_load(&seen.frames) == 12);
	}
	assert_int_equal(quoit_load(&seen.bad), 0);
	client_close(fd);
	server_stop(&server);
}

static void kept_bytes_outgrow_a_chunk_and_stay_contiguous(void **state)
{
	static unsigned char bytes[70000];
	size_t len = 0;
	int fd;

	(void)state;
	server.events.keep_bytes_max = 65537;
	serve(parse_frames);
	fd = connect_one();
	for (unsigned i = 0; i < 20; i++) {
		len = make_frame(bytes, i, i % 3 == 2 ? 65535 : i * 900);
		assert_int_equal(client_send(fd, bytes, len), 0);
	}
	assert_soon(quoit_load(&seen.frames) == 20 || quoit_load(&seen.closed));
	assert_int_equal(quoit_load(&seen.frames), 20);
	assert_int_equal(quoit_load(&seen.bad), 0);
	client_close(fd);
	server_stop(&server);
}

static void ask_for_too_much(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	(void)ctx;
	seen.rc[0] = quoit_stream_keep(stream, in.len + 1);
	seen.rc[1] = quoit_stream_keep(stream, 1001);
	seen.rc[2] = quoit_stream_need(stream, 1001);
	seen.rc[3] = in.len <= 1000 ? quoit_stream_keep(stream, in.len) : 1;
	note_call(in);
}

static void keep_outside(struct quoit_core *core, void *ctx)
{
	(void)core;
	*(int *)ctx = quoit_stream_keep(seen.stream, 1);
}

static void keep_and_need_refuse_what_is_not_there_and_what_is_too_much(void **state)
{
	char bytes[700] = {0};
	int outside = 0;
	int fd;

	(void)state;
	server.events.keep_bytes_max = 1000;
	serve(ask_for_too_much);
	fd = connect_one();
	assert_int_equal(client_send(fd, bytes, 700), 0);
	assert_soon(quoit_load(&seen.calls) >= 1);
	server_settle(&server);
	assert_int_equal(seen.rc[0], -EINVAL);
	assert_int_equal(seen.rc[1], -EMSGSIZE);
	assert_int_equal(seen.rc[2], -EMSGSIZE);
	assert_int_equal(seen.rc[3], 0);
	server_run(&server, 0, keep_outside, &outside);
	assert_int_equal(outside, -EINVAL);
	assert_int_equal(client_send(fd, bytes, 700), 0); /* 1400 in all: keep says no */
	assert_soon(quoit_load(&seen.last_len) == 1400);
	server_settle(&server);
	assert_int_equal(seen.rc[0], -EMSGSIZE);
	client_close(fd);
	server_stop(&server);
}

/* --- need ------------------------------------------------------------------------------------ */

static void keep_and_need(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	(void)ctx;
	seen.rc[0] = quoit_stream_keep(stream, quoit_min(seen.keep, in.len));
	seen.rc[1] = quoit_stream_need(stream, seen.need);
	note_call(in);
}

static void send_one_by_one(int fd, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(client_send(fd, "x", 1), 0);
		server_settle(&server); /* each arrives by itself */
	}
}

static void a_handler_that_needs_more_is_not_called_before_it_is_there(void **state)
{
	int fd;

	(void)state;
	seen.keep = 100;
	seen.need = 50;
	serve(keep_and_need);
	fd = connect_one();
	send_one_by_one(fd, 1);
	assert_int_equal(quoit_load(&seen.calls), 1);
	send_one_by_one(fd, 48);
	assert_int_equal(quoit_load(&seen.calls), 1);
	send_one_by_one(fd, 1);
	assert_int_equal(quoit_load(&seen.calls), 2);
	assert_int_equal(quoit_load(&seen.last_len), 50);
	client_close(fd);
	server_stop(&server);
}

static void a_need_holds_even_if_nothing_was_kept(void **state)
{
	int fd;

	(void)state;
	seen.keep = 0;
	seen.need = 10;
	serve(keep_and_need);
	fd = connect_one();
	send_one_by_one(fd, 10);
	assert_int_equal(quoit_load(&seen.calls), 1);
	send_one_by_one(fd, 1);
	assert_int_equal(quoit_load(&seen.calls), 2);
	assert_int_equal(quoit_load(&seen.last_len), 10);
	client_close(fd);
	server_stop(&server);
}

static void on_ended(struct quoit_stream *stream, void *ctx)
{
	(void)ctx;
	quoit_count(&seen.ended, 1);
	quoit_stream_close(stream);
}

/* The rest of a message that never comes must not keep the stream for ever. */
static void a_peer_that_ends_inside_a_message_is_let_go(void **state)
{
	(void)state;
	for (int with_handler = 0; with_handler < 2; with_handler++) {
		int fd;

		forget(NULL);
		seen.keep = 100;
		seen.need = 50;
		server.events.ended = with_handler ? on_ended : NULL;
		serve(keep_and_need);
		fd = connect_one();
		send_one_by_one(fd, 7);
		assert_int_equal(client_half_close(fd), 0);
		assert_true(client_is_at_end(fd));
		assert_soon(quoit_load(&seen.closed) == 1);
		assert_int_equal(quoit_load(&seen.reason), 0);
		assert_int_equal(quoit_load(&seen.calls), 1);
		assert_int_equal(quoit_load(&seen.ended), with_handler);
		client_close(fd);
		server_stop(&server);
	}
}

static void a_stop_does_not_wait_for_the_rest_of_a_message(void **state)
{
	int fd;

	(void)state;
	seen.keep = 100;
	seen.need = 50;
	serve(keep_and_need);
	fd = connect_one();
	send_one_by_one(fd, 7);
	server_stop(&server);
	assert_int_equal(seen.closed, 1);
	assert_int_equal(seen.reason, 0);
	client_close(fd);
}

/* --- pause ----------------------------------------------------------------------------------- */

static void pause_on_a_call(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	(void)ctx;
	if (pattern_match(in.data, in.len, seen.bytes) != in.len)
		quoit_count(&seen.bad, 1);
	if (seen.calls + 1 == seen.pause_on_call) {
		quoit_stream_pause(stream);
		seen.rc[0] = quoit_stream_keep(stream, in.len);
	} else {
		quoit_count(&seen.bytes, in.len);
	}
	note_call(in);
}

static void a_paused_stream_shows_what_it_kept_when_it_is_resumed(void **state)
{
	unsigned char bytes[12];
	int fd;

	(void)state;
	seen.pause_on_call = 1;
	serve(pause_on_a_call);
	fd = connect_one();
	pattern_fill(bytes, sizeof(bytes), 0);
	assert_int_equal(client_send(fd, bytes, 5), 0);
	assert_soon(quoit_load(&seen.calls) == 1);
	server_settle(&server);
	assert_int_equal(quoit_load(&seen.calls), 1);
	server_run(&server, 0, resume, NULL);
	assert_soon(quoit_load(&seen.calls) == 2); /* although nothing new has come */
	assert_int_equal(quoit_load(&seen.last_len), 5);
	assert_int_equal(client_send(fd, bytes + 5, 7), 0);
	assert_soon(quoit_load(&seen.bytes) == 12);
	assert_int_equal(quoit_load(&seen.bad), 0);
	client_close(fd);
	server_stop(&server);
}

static void a_paused_stream_leaves_a_flood_in_the_kernel_and_loses_nothing(void **state)
{
	enum {
		MOST = 64 << 20,
		FEW = 16,
		SMALL = 512
	};
	static unsigned char bytes[65536];
	uint64_t sent = 0;
	int stuck = 0;
	int fd;

	(void)state;
	server.config.io.buffer_bytes = SMALL;
	server.config.io.buffer_count = FEW;
	seen.pause_on_call = 1;
	serve(pause_on_a_call);
	fd = connect_one();
	/* Paused while the kernel would go on receiving by itself. */
	pattern_fill(bytes, 10, 0);
	assert_int_equal(client_send(fd, bytes, 10), 0);
	assert_soon(quoit_load(&seen.calls) == 1);
	for (sent = 10; sent < (uint64_t)3 * FEW * SMALL; sent += 256) {
		pattern_fill(bytes, 256, sent);
		assert_int_equal(client_send(fd, bytes, 256), 0);
		server_settle(&server); /* piece by piece, so that buffers never run out */
	}
	while (sent < MOST && stuck < 3) {
		long n;

		pattern_fill(bytes, sizeof(bytes), sent);
		n = client_send_some(fd, bytes, sizeof(bytes));
		assert_true(n >= 0);
		sent += (uint64_t)n;
		stuck = n ? 0 : stuck + 1;
		server_settle(&server);
	}
	assert_int_equal(stuck, 3); /* the kernel's buffers are full, not ours */
	/* What was on its way already, and the commands of this test. */
	assert_true(server_stats(&server).io.bytes_in < (uint64_t)FEW * SMALL + 1000);
	assert_int_equal(quoit_load(&seen.calls), 1);
	server_run(&server, 0, resume, NULL);
	assert_soon(quoit_load(&seen.bytes) == sent);
	assert_int_equal(quoit_load(&seen.bad), 0);
	client_close(fd);
	server_stop(&server);
}

static void pause_when_opened(struct quoit_stream *stream, void *ctx)
{
	quoit_stream_pause(stream);
	on_opened(stream, ctx);
}

static void a_stream_paused_when_it_opens_reads_nothing_before_it_is_resumed(void **state)
{
	unsigned char bytes[100];
	int fd;

	(void)state;
	serve(pause_on_a_call);
	server_stop(&server);
	server.events.opened = pause_when_opened;
	server_start(&server);
	fd = connect_one();
	pattern_fill(bytes, sizeof(bytes), 0);
	assert_int_equal(client_send(fd, bytes, sizeof(bytes)), 0);
	server_settle(&server);
	assert_int_equal(quoit_load(&seen.calls), 0);
	server_run(&server, 0, resume, NULL);
	assert_soon(quoit_load(&seen.bytes) == sizeof(bytes));
	assert_int_equal(quoit_load(&seen.bad), 0);
	client_close(fd);
	server_stop(&server);
}

static void the_end_of_the_peer_is_told_after_a_pause_and_not_during_it(void **state)
{
	unsigned char bytes[5];
	int fd;

	(void)state;
	seen.pause_on_call = 1;
	server.events.ended = on_ended;
	serve(pause_on_a_call);
	fd = connect_one();
	pattern_fill(bytes, sizeof(bytes), 0);
	assert_int_equal(client_send(fd, bytes, sizeof(bytes)), 0);
	assert_int_equal(client_half_close(fd), 0);
	assert_soon(quoit_load(&seen.calls) == 1);
	server_settle(&server);
	assert_int_equal(quoit_load(&seen.ended), 0);
	server_run(&server, 0, resume, NULL);
	assert_soon(quoit_load(&seen.ended) == 1);
	assert_int_equal(quoit_load(&seen.bytes), 5); /* all of them seen before */
	assert_true(client_is_at_end(fd));
	client_close(fd);
	server_stop(&server);
}

/* --- limits ---------------------------------------------------------------------------------- */

static void echo(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	(void)ctx;
	quoit_stream_send(stream, in.data, in.len);
}

static void with_two_buffers_for_many_streams_nobody_is_stuck_and_nothing_is_lost(void **state)
{
	enum {
		STREAMS = 64,
		LEN = 20000
	};
	static unsigned char bytes[LEN];
	int fds[STREAMS];
	struct quoit_stats stats;

	(void)state;
	server.config.io.buffer_bytes = 256;
	server.config.io.buffer_count = 2;
	serve(echo);
	for (unsigned i = 0; i < STREAMS; i++)
		fds[i] = connect_one();
	for (unsigned i = 0; i < STREAMS; i++) {
		pattern_fill(bytes, LEN, i * 1000);
		assert_int_equal(client_send(fds[i], bytes, LEN), 0);
	}
	for (unsigned i = 0; i < STREAMS; i++) {
		memset(bytes, 0, LEN);
		assert_int_equal(client_receive(fds[i], bytes, LEN), LEN);
		assert_int_equal(pattern_match(bytes, LEN, i * 1000), LEN);
		client_close(fds[i]);
	}
	assert_soon(quoit_load(&seen.closed) == STREAMS);
	stats = server_stats(&server);
	assert_true(stats.io.buffers_exhausted > 0);
	/* One try per buffer that came back, not one per stream and turn: that would be 30 times.
	 */
	assert_true(stats.io.buffers_exhausted < 4 * stats.io.receives);
	assert_int_equal(stats.io.bytes_in, (uint64_t)STREAMS * LEN);
	assert_int_equal(stats.io.bytes_out, (uint64_t)STREAMS * LEN);
	server_stop(&server);
}

enum {
	BUSY = 2, /* as many as there are buffers */
	IDLE = 30
};

static struct {
	struct quoit_stream *streams[BUSY + IDLE];
	uint64_t opened;
} crowd;

static void pause_in_crowd(struct quoit_stream *stream, void *ctx)
{
	(void)ctx;
	quoit_stream_pause(stream);
	crowd.streams[crowd.opened] = stream;
	quoit_count(&crowd.opened, 1);
}

static void resume_crowd(struct quoit_core *core, void *ctx)
{
	(void)core;
	(void)ctx;
	for (unsigned i = 0; i < BUSY + IDLE; i++)
		quoit_stream_resume(crowd.streams[i]);
}

/*
 * The busy ones take all buffers, and the idle ones wait for some although nothing is there to
 * read. They are more than there are buffers; all must be armed again before the core sleeps.
 */
static void streams_that_wait_for_a_buffer_with_nothing_to_read_are_heard_again(void **state)
{
	char byte = 'x';
	int fds[BUSY + IDLE];

	(void)state;
	memset(&crowd, 0, sizeof(crowd));
	server.config.io.buffer_bytes = 256;
	server.config.io.buffer_count = BUSY;
	server.events.opened = pause_in_crowd;
	server.events.data = echo;
	server_start(&server);
	for (unsigned i = 0; i < BUSY + IDLE; i++) {
		fds[i] = client_connect(server.port);
		assert_true(fds[i] >= 0);
		assert_soon(quoit_load(&crowd.opened) == i + 1);
		if (i < BUSY)
			assert_int_equal(client_send(fds[i], &byte, 1), 0);
	}
	server_run(&server, 0, resume_crowd, NULL);
	for (unsigned i = 0; i < BUSY; i++)
		assert_int_equal(client_receive(fds[i], &byte, 1), 1);
	for (unsigned i = BUSY + IDLE; i-- > BUSY;) { /* alone: nobody else wakes the core */
		assert_int_equal(client_send(fds[i], &byte, 1), 0);
		assert_int_equal(client_receive(fds[i], &byte, 1), 1);
	}
	assert_true(server_stats(&server).io.buffers_exhausted > 0);
	for (unsigned i = 0; i < BUSY + IDLE; i++)
		client_close(fds[i]);
	server_stop(&server);
}

static void keep_it_all(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	(void)ctx;
	quoit_count(&seen.bytes, in.len - (uintptr_t)quoit_stream_user(stream));
	quoit_stream_set_user(stream, (void *)(uintptr_t)in.len);
	if (quoit_stream_keep(stream, in.len) < 0)
		quoit_stream_abort(stream, -EMSGSIZE);
}

/* Many streams that keep much share one limit: who goes beyond it is closed, the rest lives. */
static void kept_bytes_of_all_streams_have_a_limit(void **state)
{
	enum {
		STREAMS = 8,
		EACH = 30000
	};
	static char bytes[EACH];
	int fds[STREAMS];
	unsigned cut = 0;

	(void)state;
	server.config.io.receive_bytes_max = 128 << 10;
	serve(keep_it_all);
	for (unsigned i = 0; i < STREAMS; i++) {
		const uint64_t had = quoit_load(&seen.bytes);

		fds[i] = connect_one();
		(void)client_send(fds[i], bytes, EACH); /* may be reset in the middle */
		assert_soon(quoit_load(&seen.bytes) == had + EACH ||
			    quoit_load(&seen.closed) > cut);
		if (quoit_load(&seen.closed) > cut) {
			cut++;
			assert_int_equal(quoit_load(&seen.reason), -ENOBUFS);
		}
	}
	assert_in_range(cut, 1, STREAMS - 2);
	for (unsigned i = 0; i < STREAMS; i++)
		client_close(fds[i]);
	assert_soon(quoit_load(&seen.closed) == STREAMS);
	/* All of it is free again. */
	fds[0] = connect_one();
	quoit_store(&seen.bytes, 0);
	assert_int_equal(client_send(fds[0], bytes, EACH), 0);
	assert_soon(quoit_load(&seen.bytes) == EACH);
	client_close(fds[0]);
	server_stop(&server);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, forget, abandon)
	const struct CMUnitTest tests[] = {
		CASE(kept_bytes_come_again_in_front_of_the_new_ones_at_every_split),
		CASE(kept_bytes_outgrow_a_chunk_and_stay_contiguous),
		CASE(keep_and_need_refuse_what_is_not_there_and_what_is_too_much),
		CASE(a_handler_that_needs_more_is_not_called_before_it_is_there),
		CASE(a_need_holds_even_if_nothing_was_kept),
		CASE(a_peer_that_ends_inside_a_message_is_let_go),
		CASE(a_stop_does_not_wait_for_the_rest_of_a_message),
		CASE(a_paused_stream_shows_what_it_kept_when_it_is_resumed),
		CASE(a_paused_stream_leaves_a_flood_in_the_kernel_and_loses_nothing),
		CASE(a_stream_paused_when_it_opens_reads_nothing_before_it_is_resumed),
		CASE(the_end_of_the_peer_is_told_after_a_pause_and_not_during_it),
		CASE(with_two_buffers_for_many_streams_nobody_is_stuck_and_nothing_is_lost),
		CASE(streams_that_wait_for_a_buffer_with_nothing_to_read_are_heard_again),
		CASE(kept_bytes_of_all_streams_have_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
