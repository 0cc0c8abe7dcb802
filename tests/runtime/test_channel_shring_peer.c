/* SPDX-License-Identifier: MIT */
/*
 * test_channel_shring_peer.c - a ring in a loop whose producer is another process: it sends, it
 * rests, it floods, it dies.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "runtime/shring_pair.h"

#include <sched.h>

#include <quoit.h>
#include <quoit/runtime/channel.h>

#include "support/skip.h"

#define MANY  200000
#define S_NS  (1000 * PAIR_MS)
#define QUICK (10 * S_NS) /* far less than the test's limit */

static struct wire *reader;
static struct quoit_loop *loop;

static struct seen {
	struct quoit_channel channel;
	uint64_t next, wrong;
	uint64_t stop_at; /* the loop, having handled so many */
	uint64_t leave_each;
	unsigned ended, detached;
	int error;
} seen;

static void handle(struct quoit_channel *channel, const void *items, size_t n, bool more, void *ctx)
{
	const uint64_t *const item = items;

	(void)more;
	(void)ctx;
	for (size_t i = 0; i < n; i++)
		seen.wrong += item[i] != seen.next++;
	if (seen.stop_at && seen.next >= seen.stop_at)
		quoit_loop_stop(loop);
	if (seen.leave_each && quoit_channel_detach(channel) != -EINPROGRESS)
		seen.wrong++;
}

static void end(struct quoit_channel *channel, void *ctx)
{
	(void)ctx;
	seen.ended++;
	seen.error = quoit_channel_error(channel);
	quoit_loop_stop(loop);
}

static void gone(struct quoit_channel *channel, void *ctx);

static const struct quoit_channel_options plain = {.ended = end, .detached = gone};

static void attach(void)
{
	assert_int_equal(
		quoit_channel_attach_shring_of(loop, &seen.channel, reader, &plain, handle, &seen),
		0);
}

/* As soon as it is out it comes back. */
static void gone(struct quoit_channel *channel, void *ctx)
{
	(void)channel;
	(void)ctx;
	seen.detached++;
	if (seen.leave_each &&
	    quoit_channel_attach_shring_of(loop, &seen.channel, reader, &plain, handle, &seen))
		seen.wrong++;
}

static void begin(void)
{
	memset(&seen, 0, sizeof(seen));
	loop = make_loop(NULL);
	reader = pair_make(QUOIT_SHRING_CONSUMER, (struct quoit_shring_options){.waits = true});
}

static void finish(void)
{
	if (quoit_channel_is_attached(&seen.channel))
		assert_int_equal(quoit_channel_detach(&seen.channel), 0);
	assert_int_equal(quoit_loop_destroy(loop), 0);
	wire_destroy(reader);
	assert_int_equal(seen.wrong, 0);
}

/* --- what the other process does ------------------------------------------------------------- */

static const struct quoit_wait asleep = {.kind = QUOIT_WAIT_BLOCK};

static int send_many(struct wire *q, int count)
{
	for (uint64_t i = 0; i < (uint64_t)count; i++)
		if (wire_send_wait(q, &i, 1, &asleep))
			return 1;
	quoit_shring_close(&q->ring);
	return 0;
}

static int send_slowly(struct wire *q, int count)
{
	for (uint64_t i = 0; i < (uint64_t)count; i++) {
		usleep(2000);
		if (!wire_send_one(q, &i))
			return 1;
	}
	quoit_shring_close(&q->ring);
	return 0;
}

/* Leaves five behind, and something half done. */
static int send_and_die(struct wire *q, int wait_ms)
{
	const uint64_t items[] = {0, 1, 2, 3, 4};
	size_t granted;

	usleep((unsigned)wait_ms * 1000);
	if (wire_send(q, items, 5) != 5)
		return 1;
	*wire_reserve(q, 1, &granted) = 5;
	return raise(SIGKILL);
}

static int wait_for_death(struct wire *q, int arg)
{
	(void)q;
	(void)arg;
	pause();
	return 0;
}

static int ring_for_ever(struct wire *q, int arg)
{
	const uint64_t one = 1;

	(void)arg;
	while (true)
		if (write(q->ring.home.bells[0], &one, sizeof(one)) < 0)
			return 1;
}

/* --- tests ----------------------------------------------------------------------------------- */

static void a_sleeping_loop_is_woken_by_another_process(void **state)
{
	pid_t child;

	(void)state;
	begin();
	child = pair_fork(reader, send_slowly, 200);
	pair_watch(reader, child);
	attach();
	assert_int_equal(quoit_loop_run(loop), 0);
	assert_int_equal(seen.next, 200);
	assert_int_equal(seen.ended, 1);
	assert_int_equal(seen.error, 0);
	pair_reap(child, 0);
	finish();
}

static void both_sides_sleep_and_wake_each_other_as_fast_as_they_can(void **state)
{
	pid_t child;

	(void)state;
	begin();
	child = pair_fork(reader, send_many, MANY);
	attach();
	assert_int_equal(quoit_loop_run(loop), 0);
	assert_int_equal(seen.next, MANY);
	assert_int_equal(seen.error, 0);
	pair_reap(child, 0);
	finish();
}

static void a_channel_leaves_and_comes_back_while_the_producer_runs(void **state)
{
	pid_t child;

	(void)state;
	begin();
	seen.leave_each = 1;
	child = pair_fork(reader, send_many, 20000);
	attach();
	while (!seen.ended)
		assert_int_equal(quoit_loop_run(loop), 0);
	assert_int_equal(seen.next, 20000);
	assert_true(seen.detached > 20000u >> (PAIR_BITS + 1));
	pair_reap(child, 0);
	finish();
}

static void kill_with(pid_t child)
{
	int status;

	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
}

static void a_dead_peer_is_noticed_in_the_sleep_and_what_it_sent_is_handled_first(void **state)
{
	(void)state;
	for (int wait_ms = 0; wait_ms <= 40; wait_ms += 20) {
		pid_t child;
		int status;

		begin();
		child = pair_fork(reader, send_and_die, wait_ms);
		pair_watch(reader, child);
		attach();
		assert_int_equal(quoit_loop_run(loop), 0);
		assert_int_equal(seen.next, 5);
		assert_int_equal(seen.ended, 1);
		assert_int_equal(seen.error, -EOWNERDEAD);
		assert_int_equal(waitpid(child, &status, 0), child);
		finish();
	}
}

static void after_a_death_the_next_producer_goes_on_in_the_same_ring(void **state)
{
	pid_t child;
	int status;

	(void)state;
	begin();
	for (int round = 0; round < 3; round++) {
		seen.next = 0;
		child = pair_fork(reader, send_and_die, 0);
		pair_watch(reader, child);
		attach();
		assert_int_equal(quoit_loop_run(loop), 0);
		assert_int_equal(seen.next, 5);
		assert_int_equal(seen.error, -EOWNERDEAD);
		assert_int_equal(waitpid(child, &status, 0), child);
	}
	finish();
}

static void time_is_up(struct quoit_timer *timer, void *ctx)
{
	(void)timer;
	*(bool *)ctx = true;
	quoit_loop_stop(loop);
}

static void run_for(uint64_t ns)
{
	struct quoit_timer timer = {0};
	bool up = false;

	quoit_timers_start(quoit_loop_timers(loop), &timer, quoit_clock_now_ns() + ns, time_is_up,
			   &up);
	assert_int_equal(quoit_loop_run(loop), 0);
	assert_true(up);
}

/* Gives how often this process has given its cpu away in two seconds, a few at most. */
static int rest(struct wire *q, int arg)
{
	const long before = pair_switches();
	const struct quoit_wait how = {.kind = QUOIT_WAIT_BLOCK,
				       .deadline_ns = quoit_deadline_ns((int64_t)(2 * S_NS))};
	const uint64_t items[1 << PAIR_BITS] = {0};

	(void)arg;
	if (wire_send(q, items, 1 << PAIR_BITS) != 1 << PAIR_BITS)
		return 98;
	if (quoit_shring_wait_space(&q->ring, 1, &how) != -ETIMEDOUT)
		return 97;
	return (int)(pair_switches() - before);
}

static void a_loop_beside_a_silent_peer_makes_no_context_switch_for_seconds(void **state)
{
	pid_t child;
	long before;

	(void)state;
	begin();
	child = pair_fork(reader, wait_for_death, 0);
	pair_watch(reader, child);
	attach();
	run_for(50 * PAIR_MS);
	before = pair_switches();
	run_for(2 * S_NS);
	assert_true(pair_switches() - before <= 2); /* the sleep itself, and the timer's wheel */
	kill_with(child);
	finish();
}

static void a_peer_that_rings_for_ever_ends_no_timers_sleep_and_is_told_when_it_dies(void **state)
{
	pid_t child;

	(void)state;
	begin();
	child = pair_fork(reader, ring_for_ever, 0);
	pair_watch(reader, child);
	attach();
	for (int i = 0; i < 20; i++)
		run_for(10 * PAIR_MS);
	assert_int_equal(seen.ended, 0);
	assert_true(quoit_channel_is_attached(&seen.channel));
	kill_with(child);
	assert_int_equal(quoit_loop_run(loop), 0);
	assert_int_equal(seen.error, -EOWNERDEAD);
	finish();
}

/* --- a runtime that stops -------------------------------------------------------------------- */

static struct quoit_runtime *runtime;
static unsigned told_at_stop;

static int start_core(struct quoit_core *core, void *ctx)
{
	(void)ctx;
	loop = quoit_core_loop(core);
	return quoit_channel_attach_shring_of(loop, &seen.channel, reader, &plain, handle, &seen);
}

static void stop_core(struct quoit_core *core, void *ctx)
{
	(void)core;
	(void)ctx;
	told_at_stop = seen.detached + seen.ended;
}

static int flood(struct wire *q, int arg)
{
	(void)arg;
	for (uint64_t i = 0;; i++)
		if (wire_send_wait(q, &i, 1, &asleep))
			return 1;
}

static void a_runtime_stops_beside_a_peer_that_floods_and_what_is_unread_stays(void **state)
{
	const struct quoit_config config = {.cores = 1, .start = start_core, .stop = stop_core};
	struct quoit_reason why = {0};
	pid_t child;
	int rc;

	(void)state;
	begin();
	assert_int_equal(quoit_loop_destroy(loop), 0);
	child = pair_fork(reader, flood, 0);
	pair_watch(reader, child);
	rc = quoit_runtime_start(&config, &runtime, &why);
	if (rc)
		fail_msg("%s", why.text);
	usleep(50000);
	quoit_runtime_stop(runtime, 10 * S_NS);
	assert_int_equal(quoit_runtime_wait(runtime, &why), 0);
	assert_int_equal(told_at_stop, 1);
	assert_int_equal(seen.detached, 1);
	assert_false(quoit_channel_is_attached(&seen.channel));
	assert_true(seen.next > 0);
	assert_int_equal(seen.wrong, 0);
	loop = make_loop(NULL); /* the rest of it goes to another */
	seen.stop_at = seen.next + 1000;
	attach();
	assert_int_equal(quoit_loop_run(loop), 0);
	kill_with(child);
	finish();
}

static void a_full_producer_rests_too(void **state)
{
	const struct quoit_shring_options o = {.waits = true};
	pid_t child;
	int status;

	(void)state;
	reader = pair_make(QUOIT_SHRING_CONSUMER, o);
	child = pair_fork(reader, rest, 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_true(WEXITSTATUS(status) <= 4); /* it looks after its peer once a second */
	wire_destroy(reader);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sleeping_loop_is_woken_by_another_process),
		cmocka_unit_test(both_sides_sleep_and_wake_each_other_as_fast_as_they_can),
		cmocka_unit_test(a_channel_leaves_and_comes_back_while_the_producer_runs),
		cmocka_unit_test(
			a_dead_peer_is_noticed_in_the_sleep_and_what_it_sent_is_handled_first),
		cmocka_unit_test(after_a_death_the_next_producer_goes_on_in_the_same_ring),
		cmocka_unit_test(a_loop_beside_a_silent_peer_makes_no_context_switch_for_seconds),
		cmocka_unit_test(
			a_peer_that_rings_for_ever_ends_no_timers_sleep_and_is_told_when_it_dies),
		cmocka_unit_test(
			a_runtime_stops_beside_a_peer_that_floods_and_what_is_unread_stays),
		cmocka_unit_test(a_full_producer_rests_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
