/* SPDX-License-Identifier: MIT */
/*
 * test_stats.c - what a core has counted, against what was really done.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <cmocka.h>

#include "support/one_server.h"

enum {
	OP_POST,
	OP_ASK
};

static struct {
	uint64_t replies, posts, ticks;
	struct quoit_timer timer;
} seen;

static int forget(void **state)
{
	(void)state;
	return begin_anew(&seen, sizeof(seen), 2);
}

static void note_posts(struct quoit_core *core, const struct quoit_message *messages, size_t n,
		       bool more, void *ctx)
{
	(void)core;
	(void)messages;
	(void)more;
	(void)ctx;
	quoit_add(&seen.posts, n);
}

static void answer(struct quoit_core *core, const struct quoit_message *messages, size_t n,
		   bool more, void *ctx)
{
	(void)more;
	(void)ctx;
	for (size_t i = 0; i < n; i++)
		quoit_reply(core, quoit_caller_of(&messages[i]), 0, NULL, 0);
}

static void echo(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	(void)ctx;
	quoit_stream_send(stream, in.data, in.len);
}

static int register_both(struct quoit_core *core, void *ctx)
{
	const int rc = quoit_on_message(core, OP_POST, note_posts, ctx);

	return rc < 0 ? rc : quoit_on_message(core, OP_ASK, answer, ctx);
}

static void serve(void)
{
	server.events.data = echo;
	server.also = register_both;
	server_start(&server);
}

static struct quoit_stats of_core(unsigned index)
{
	struct quoit_stats stats;

	assert_int_equal(quoit_runtime_stats(server.runtime, index, &stats), 0);
	return stats;
}

static void note_reply(struct quoit_core *core, const struct quoit_message *reply, void *ctx)
{
	(void)core;
	(void)reply;
	(void)ctx;
	quoit_add(&seen.replies, 1);
}

static void post_and_call(struct quoit_core *core, void *ctx)
{
	int *rc = ctx;

	for (unsigned i = 0; i < 10; i++)
		*rc |= quoit_post(core, 1, OP_POST, NULL, 0);
	for (unsigned i = 0; i < 5; i++)
		*rc |= quoit_call(core, 1, OP_ASK, NULL, 0, note_reply, NULL);
}

static void messages_are_counted_where_they_are_sent_and_where_they_arrive(void **state)
{
	struct quoit_stats stats;
	int rc = 0;

	(void)state;
	serve();
	server_run(&server, 0, post_and_call, &rc);
	assert_int_equal(rc, 0);
	assert_soon(quoit_load_acquire(&seen.replies) == 5);
	server_settle(&server);
	stats = of_core(0);
	assert_int_equal(stats.messages_out, 15);
	assert_int_equal(stats.messages_in, 5);
	assert_int_equal(stats.calls, 5);
	assert_int_equal(stats.refused, 0);
	assert_in_range(stats.bells_rung + stats.bells_saved, 1, stats.turns);
	stats = of_core(1);
	assert_int_equal(stats.messages_in, 15);
	assert_int_equal(stats.messages_out, 5);
	assert_int_equal(stats.calls, 0);
	assert_in_range(stats.batches, 2, 15); /* of each operation at least one */
	server_stop(&server);
	assert_int_equal(seen.posts, 10);
}

/* The messages of one turn to a sleeping core wake it once. */
static void a_turn_wakes_another_core_once_however_much_it_sends(void **state)
{
	struct quoit_stats before;
	int rc = 0;

	(void)state;
	server.config.never_spin = true;
	serve();
	server_settle(&server);
	before = of_core(0);
	server_run(&server, 0, post_and_call, &rc);
	assert_soon(quoit_load_acquire(&seen.replies) == 5);
	assert_in_range(of_core(0).bells_rung - before.bells_rung, 0, 1);
	assert_int_equal(of_core(0).bells_rung + of_core(0).bells_saved - before.bells_rung -
				 before.bells_saved,
			 1);
	server_stop(&server);
}

static void bytes_and_streams_are_counted(void **state)
{
	enum {
		CLIENTS = 10,
		LEN = 5000
	};
	static char bytes[LEN];
	struct quoit_stats before;
	struct quoit_stats after;
	int fds[CLIENTS];

	(void)state;
	serve();
	server_settle(&server);
	/* Commands are one byte each way: the last one's answer is counted when the kernel says so.
	 */
	assert_soon(server_stats(&server).io.bytes_out == server_stats(&server).io.bytes_in);
	before = server_stats(&server);
	for (unsigned i = 0; i < CLIENTS; i++) {
		fds[i] = client_connect(server.port);
		assert_int_equal(client_send(fds[i], bytes, LEN), 0);
		assert_int_equal(client_receive(fds[i], bytes, LEN), LEN);
	}
	assert_int_equal(server_stats(&server).io.opened - before.io.opened, CLIENTS);
	assert_int_equal(server_stats(&server).io.closed, before.io.closed);
	for (unsigned i = 0; i < CLIENTS; i++)
		client_close(fds[i]);
	assert_soon(server_stats(&server).io.closed - before.io.closed == CLIENTS);
	after = server_stats(&server);
	assert_int_equal(after.io.bytes_in - before.io.bytes_in, CLIENTS * LEN);
	assert_int_equal(after.io.bytes_out - before.io.bytes_out, CLIENTS * LEN);
	assert_true(after.io.receives > before.io.receives);
	assert_true(after.io.sends > before.io.sends);
	assert_true(after.completed > before.completed);
	assert_true(after.submitted > before.submitted);
	assert_int_equal(after.stale, 0);
	assert_int_equal(after.io.refused, 0);
	server_stop(&server);
}

static void tick(struct quoit_timer *timer, void *ctx)
{
	struct quoit_core *core = ctx;

	if (quoit_add(&seen.ticks, 1) + 1 < 20)
		quoit_timers_start(quoit_core_timers(core), timer, quoit_core_now_ns(core) + 100000,
				   tick, core);
}

static void begin_ticking(struct quoit_core *core, void *ctx)
{
	(void)ctx;
	quoit_timers_start(quoit_core_timers(core), &seen.timer, quoit_core_now_ns(core), tick,
			   core);
}

static void timers_that_fired_are_counted_on_their_core(void **state)
{
	(void)state;
	serve();
	server_run(&server, 1, begin_ticking, NULL);
	assert_soon(quoit_load_acquire(&seen.ticks) == 20);
	server_settle(&server);
	assert_int_equal(of_core(1).timers_fired, 20);
	assert_int_equal(of_core(0).timers_fired, 0);
	server_stop(&server);
}

static struct quoit_loop_histograms histograms_of_core(unsigned index)
{
	static struct quoit_loop_histograms h;

	assert_int_equal(quoit_runtime_histograms(server.runtime, index, &h), 0);
	return h;
}

/* Each value is recorded once for what the counters count, by the core that it happened to. */
static void histograms_tell_how_turns_sleeps_wakes_and_batches_were(void **state)
{
	static struct quoit_loop_histograms h;
	int rc = 0;

	(void)state;
	server.config.never_spin = true;
	serve();
	server_run(&server, 0, post_and_call, &rc);
	assert_soon(quoit_load_acquire(&seen.replies) == 5);
	server_run(&server, 1, begin_ticking, NULL);
	assert_soon(quoit_load_acquire(&seen.ticks) == 20);
	server_settle(&server);
	for (unsigned i = 0; i < 2; i++) {
		h = histograms_of_core(i);
		/* read before the counters: they can only be ahead */
		assert_in_range(quoit_histogram_count(&h.turn_ns), 1, of_core(i).turns);
		assert_in_range(quoit_histogram_count(&h.sleep_ns), 1, of_core(i).sleeps);
		assert_in_range(quoit_histogram_count(&h.wake_ns), 0, of_core(i).bells_heard);
		assert_in_range(h.completions.sum, 1, of_core(i).completed);
		assert_int_equal(h.items.sum, of_core(i).messages_in);
		assert_int_equal(quoit_histogram_count(&h.lag_ns) != 0, i == 1);
		assert_true(quoit_histogram_count(&h.lag_ns) <= of_core(i).timers_fired);
	}
	h = histograms_of_core(1);
	assert_true(h.turn_ns.sum > 0 && h.sleep_ns.sum > 0);
	server_stop(&server);
}

/* What ends the sleep was stamped by who rang. */
static void a_wake_up_is_measured_from_the_ringing_of_the_bell(void **state)
{
	static struct quoit_loop_histograms h;
	int rc = 0;

	(void)state;
	server.config.never_spin = true;
	serve();
	assert_soon((server_run(&server, 0, post_and_call, &rc), h = histograms_of_core(1),
		     quoit_histogram_count(&h.wake_ns) > 0));
	assert_true(h.wake_ns.sum > 0);
	/* a stamp of another time would make it a time since the machine was started */
	assert_true(quoit_histogram_mean(&h.wake_ns) < 20e9);
	server_stop(&server);
}

static void a_core_that_does_not_exist_has_no_counters(void **state)
{
	static struct quoit_loop_histograms h;
	struct quoit_stats stats;
	struct quoit_stats before;

	(void)state;
	serve();
	memset(&stats, 0x5a, sizeof(stats));
	before = stats;
	assert_int_equal(quoit_runtime_stats(server.runtime, 2, &stats), -EINVAL);
	assert_int_equal(quoit_runtime_stats(server.runtime, UINT32_MAX, &stats), -EINVAL);
	assert_memory_equal(&stats, &before, sizeof(stats));
	assert_int_equal(quoit_runtime_histograms(server.runtime, 2, &h), -EINVAL);
	assert_int_equal(h.turn_ns.sum, 0);
	server_stop(&server);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, forget, abandon)
	const struct CMUnitTest tests[] = {
		CASE(messages_are_counted_where_they_are_sent_and_where_they_arrive),
		CASE(a_turn_wakes_another_core_once_however_much_it_sends),
		CASE(bytes_and_streams_are_counted),
		CASE(timers_that_fired_are_counted_on_their_core),
		CASE(histograms_tell_how_turns_sleeps_wakes_and_batches_were),
		CASE(a_wake_up_is_measured_from_the_ringing_of_the_bell),
		CASE(a_core_that_does_not_exist_has_no_counters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
