/* SPDX-License-Identifier: MIT */
/*
 * test_starvation.c - a flooded lane, a flooded ring, a flooded socket and a storm of timers at
 * once: each is served within its budget, in turns (DESIGN.md, "no source can starve another").
 *
 * Time is the real one plus what handlers are said to have taken, so that slow ones cost none.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <cmocka.h>

#include <quoit/runtime/loop_internal.h>

#include "support/server.h"

enum {
	TIMERS = 10000,
	TIMERS_A_TURN = 256,
	TIMER_TURNS = (TIMERS + TIMERS_A_TURN - 1) / TIMERS_A_TURN,
	POSTS = 64,
	BYTES = 48 * 1024, /* what a socket takes before anybody reads */
	IDLE_SOURCES = 64,
	OPS = 2, /* posts of different ones in turn: no two are one run */
};

#define SLOW_NS 1000000ull /* twice what a stage may take */

uint64_t __real_quoit_clock_now_ns(void);
uint64_t __wrap_quoit_clock_now_ns(void);

static uint64_t skew_ns;

uint64_t __wrap_quoit_clock_now_ns(void)
{
	return __real_quoit_clock_now_ns() + quoit_load(&skew_ns);
}

enum kind {
	LANE,
	RING,
	SOCKET,
	TIMER,
	KINDS
};

static struct server server;

/* Of the flood; the core's until it is over. */
static struct flood {
	struct quoit_source ring, idle[IDLE_SOURCES];
	struct quoit_loop *loop;
	struct quoit_stream *stream;
	struct quoit_timer timers[TIMERS];
	uint64_t call_ns; /* each call of a handler takes that long */
	unsigned turns;
	unsigned served[KINDS], this_turn[KINDS];
	unsigned gap[KINDS], widest_gap[KINDS]; /* turns in a row without any */
	unsigned most[KINDS];			/* in a turn, but for the first two */
	unsigned most_calls;			/* of slow ones, likewise */
	unsigned timer_turns;			/* until the last had fired */
	uint64_t bytes, full;
	bool on;
	uint32_t over, paused;
} flood;

static void served(enum kind kind, unsigned n)
{
	flood.this_turn[kind] += n;
	flood.served[kind] += n;
	if (kind != TIMER)
		quoit_store(&skew_ns, skew_ns + flood.call_ns);
}

static bool is_finished(enum kind kind)
{
	return (kind == TIMER && flood.served[TIMER] == TIMERS) ||
	       (kind == SOCKET && flood.bytes == BYTES);
}

/* At the end of each turn: who was served? */
static void note_turn(struct quoit_source *source)
{
	unsigned calls = 0;

	(void)source;
	if (!flood.on)
		return;
	flood.turns++;
	for (unsigned kind = 0; kind < KINDS; kind++) {
		const unsigned n = flood.this_turn[kind];

		flood.this_turn[kind] = 0;
		flood.gap[kind] = n || is_finished((enum kind)kind) ? 0 : flood.gap[kind] + 1;
		flood.widest_gap[kind] =
			(unsigned)quoit_max(flood.widest_gap[kind], flood.gap[kind]);
		if (flood.turns > 2)
			flood.most[kind] = (unsigned)quoit_max(flood.most[kind], n);
		calls += kind != TIMER ? n : 0;
		if (kind == TIMER && n)
			flood.timer_turns = flood.turns;
	}
	if (flood.turns > 2)
		flood.most_calls = (unsigned)quoit_max(flood.most_calls, calls);
	if (is_finished(TIMER) && is_finished(SOCKET)) {
		flood.on = false;
		quoit_store_release(&flood.over, 1); /* over: pairs with the test's look */
	}
}

static size_t ring_dispatch(struct quoit_source *source, size_t budget)
{
	size_t n = 0;

	(void)source;
	if (!flood.on)
		return 0;
	do
		served(RING, 1);
	while (++n < budget && !quoit_loop_is_late(flood.loop));
	return n;
}

static bool ring_has_news(struct quoit_source *source)
{
	(void)source;
	return flood.on;
}

static size_t idle_dispatch(struct quoit_source *source, size_t budget)
{
	(void)source;
	(void)budget;
	return 0;
}

static bool idle_has_news(struct quoit_source *source)
{
	(void)source;
	return false;
}

static bool expects_nothing(const struct quoit_source *source)
{
	(void)source;
	return false;
}

static void flush_nothing(struct quoit_source *source)
{
	(void)source;
}

static void post_again(struct quoit_core *core, const struct quoit_message *messages, size_t n,
		       bool more, void *ctx)
{
	(void)more;
	(void)ctx;
	served(LANE, 1);
	for (size_t i = 0; i < n && flood.on; i++)
		flood.full +=
			quoit_post(core, 0, messages[i].op, NULL, 0) < 0; /* enough on the way */
}

static void count_bytes(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	(void)ctx;
	if (!flood.stream) { /* the first byte: the rest waits in the kernel */
		flood.stream = stream;
		quoit_stream_pause(stream);
		quoit_store_release(&flood.paused, 1); /* paused: pairs with the test's look */
		return;
	}
	flood.bytes += in.len;
	served(SOCKET, 1);
}

static void count_timer(struct quoit_timer *timer, void *ctx)
{
	(void)timer;
	(void)ctx;
	served(TIMER, 1);
}

static void begin_flood(struct quoit_core *core, void *ctx)
{
	(void)ctx;
	for (unsigned i = 0; i < POSTS; i++)
		if (quoit_post(core, 0, i % OPS, NULL, 0) < 0)
			return; /* the lane's gap will tell */
	for (unsigned i = 0; i < TIMERS; i++)
		quoit_timers_start(quoit_core_timers(core), &flood.timers[i], 0, count_timer, NULL);
	quoit_stream_resume(flood.stream);
	flood.on = true;
	flood.turns = 0;
}

static int add_sources(struct quoit_core *core, void *ctx)
{
	int rc = 0;

	flood.loop = quoit_core_loop(core);
	flood.ring = (struct quoit_source){.dispatch = ring_dispatch,
					   .has_news = ring_has_news,
					   .expects_news = expects_nothing,
					   .flush = note_turn};
	quoit_loop_add_source(flood.loop, &flood.ring);
	for (unsigned i = 0; i < IDLE_SOURCES; i++) {
		flood.idle[i] = (struct quoit_source){.dispatch = idle_dispatch,
						      .has_news = idle_has_news,
						      .expects_news = expects_nothing,
						      .flush = flush_nothing};
		quoit_loop_add_source(flood.loop, &flood.idle[i]);
	}
	for (unsigned op = 0; op < OPS && !rc; op++)
		rc = quoit_on_message(core, op, post_again, ctx);
	return rc;
}

static void remove_sources(struct quoit_core *core, void *ctx)
{
	(void)core;
	(void)ctx;
	quoit_loop_remove_source(&flood.ring);
	for (unsigned i = 0; i < IDLE_SOURCES; i++)
		quoit_loop_remove_source(&flood.idle[i]);
}

static int forget(void **state)
{
	(void)state;
	memset(&flood, 0, sizeof(flood));
	memset(&server, 0, sizeof(server));
	quoit_store(&skew_ns, 0);
	server.config.cores = 1;
	server.config.never_spin = true;
	server.events.data = count_bytes;
	server.also = add_sources;
	server.ended = remove_sources;
	return 0;
}

static int abandon(void **state)
{
	(void)state;
	server_abandon(&server);
	return 0;
}

/* All of it lies in the kernel before the flood begins, so nothing depends on the sender. */
static void fill_socket(int fd)
{
	static char bytes[BYTES];
	int unacknowledged = 1;

	assert_int_equal(client_send(fd, bytes, 1), 0);
	assert_soon(quoit_load_acquire(&flood.paused));
	assert_int_equal(client_send(fd, bytes, BYTES), 0);
	assert_soon(!ioctl(fd, SIOCOUTQ, &unacknowledged) && !unacknowledged);
}

static void let_it_flood(uint64_t call_ns)
{
	int fd;

	flood.call_ns = call_ns;
	server_start(&server);
	fd = client_connect(server.port);
	assert_true(fd >= 0);
	fill_socket(fd);
	server_run(&server, 0, begin_flood, NULL);
	assert_soon(quoit_load_acquire(&flood.over));
	client_close(fd);
	server_stop(&server);
	assert_int_equal(flood.served[TIMER], TIMERS);
	assert_int_equal(flood.bytes, BYTES);
}

static void each_is_served_in_each_turn_up_to_its_budget(void **state)
{
	(void)state;
	/* Budgets alone end a stage, however long the machine lets us wait for a cpu. */
	server.config.slice_ns = UINT64_C(60) * 1000000000;
	let_it_flood(0);
	assert_int_equal(flood.widest_gap[LANE], 0);
	assert_int_equal(flood.widest_gap[RING], 0);
	assert_int_equal(flood.widest_gap[TIMER], 0);
	assert_int_equal(flood.most[TIMER], TIMERS_A_TURN);
	/* the turn that began the flood may have had no timers any more */
	assert_in_range(flood.timer_turns, TIMER_TURNS, TIMER_TURNS + 1);
	assert_int_equal(flood.most[RING], 1024);
	assert_in_range(flood.most[LANE], 1, 1024);
	/* a receive that has ended is asked for anew at the end of the turn: its data is the next's
	 */
	assert_in_range(flood.widest_gap[SOCKET], 0, 3);
}

/*
 * Each call takes twice what a stage may: so completions get one call a turn, and lanes and rings
 * one together, taking turns; the timers, which are last, are as punctual as before.
 */
static void slow_handlers_hold_up_others_for_one_call_each(void **state)
{
	(void)state;
	let_it_flood(SLOW_NS);
	assert_int_equal(flood.widest_gap[TIMER], 0);
	assert_in_range(flood.timer_turns, TIMER_TURNS, TIMER_TURNS + 1);
	assert_in_range(flood.most[LANE], 1, 1);
	assert_in_range(flood.most[RING], 1, 1);
	assert_in_range(flood.most_calls, 1, 2);
	assert_in_range(flood.widest_gap[LANE], 1, 2);
	assert_in_range(flood.widest_gap[RING], 1, 2);
	/* other completions have their turns too: the bell's, the command's answer */
	assert_in_range(flood.widest_gap[SOCKET], 0, 5);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, forget, abandon)
	const struct CMUnitTest tests[] = {
		CASE(each_is_served_in_each_turn_up_to_its_budget),
		CASE(slow_handlers_hold_up_others_for_one_call_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
