/* SPDX-License-Identifier: MIT */
/*
 * test_space_watch.c - a loop that produces for another process: it sleeps until there is room, and
 * hears when nobody reads any more.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "runtime/shring_pair.h"

#include <quoit.h>
#include <quoit/runtime/space_watch.h>

#define SLOTS (1 << PAIR_BITS)
#define S_NS  (1000 * PAIR_MS)
#define MANY  20000

static struct quoit_loop *loop;
static struct wire *writer, *reader;

static struct told {
	struct quoit_space_watch watch;
	unsigned rooms, ends, stops;
	int error, stop_error;
	uint64_t next, last; /* items that `room` sends */
	size_t want;	     /* again, in `room` */
	bool leaves;	     /* it stops in `room`, or in `gone` */
	unsigned returns;    /* so often it is started again when it has stopped */
	int refused;
} told;

static void send_on(struct quoit_space_watch *watch)
{
	while (told.next < told.last && wire_send_one(writer, &told.next))
		told.next++;
	if (told.next < told.last)
		told.refused = quoit_space_watch_want(watch, told.want);
	else if (told.last)
		quoit_shring_close(&writer->ring);
}

static void room(struct quoit_space_watch *watch, void *ctx)
{
	assert_ptr_equal(ctx, &told);
	told.rooms++;
	if (told.leaves)
		quoit_space_watch_stop(watch);
	send_on(watch);
}

static void gone(struct quoit_space_watch *watch, int error, void *ctx)
{
	(void)ctx;
	told.ends++;
	told.error = error;
	if (told.leaves)
		quoit_space_watch_stop(watch);
	quoit_loop_stop(loop);
}

static void start(void);

static void stopped(struct quoit_space_watch *watch, int error, void *ctx)
{
	(void)ctx;
	assert_false(quoit_space_watch_is_active(watch));
	told.stops++;
	told.stop_error = error;
	if (told.returns && told.returns--)
		start();
}

static const struct quoit_space_watch_options all = {
	.room = room, .gone = gone, .stopped = stopped, .ctx = &told};

static void begin(bool joined)
{
	memset(&told, 0, sizeof(told));
	told.want = 1;
	loop = make_loop(NULL);
	writer = pair_make(QUOIT_SHRING_PRODUCER, (struct quoit_shring_options){.waits = true});
	reader = joined ? pair_join(writer, false) : NULL;
}

static void start(void)
{
	assert_int_equal(quoit_space_watch_start(loop, &told.watch, &writer->ring, &all), 0);
}

static void finish(void)
{
	quoit_space_watch_stop(&told.watch);
	for (int i = 0; i < 16 && quoit_space_watch_is_active(&told.watch); i++)
		assert_int_equal(quoit_loop_run_once(loop, S_NS), 0);
	assert_int_equal(quoit_loop_destroy(loop), 0);
	wire_destroy(reader);
	wire_destroy(writer);
}

static void fill(void)
{
	const uint64_t items[SLOTS] = {0};

	assert_int_equal(wire_send(writer, items, SLOTS), SLOTS);
}

/* The ring is full, one slot is wanted, and the loop has slept on it. */
static void wait_for_a_slot(void)
{
	begin(true);
	start();
	fill();
	assert_int_equal(quoit_space_watch_want(&told.watch, 1), 0);
	assert_int_equal(quoit_loop_run_once(loop, PAIR_MS), 0);
}

static void take(size_t n)
{
	uint64_t items[SLOTS];

	assert_int_equal(wire_recv(reader, items, n), n);
}

/* --- room ------------------------------------------------------------------------------------ */

static void room_that_is_there_is_told_soon_but_not_at_once(void **state)
{
	(void)state;
	begin(true);
	start();
	assert_int_equal(quoit_space_watch_want(&told.watch, SLOTS), 0);
	assert_int_equal(told.rooms, 0);
	pair_turn(loop);
	assert_int_equal(told.rooms, 1);
	pair_turn(loop);
	assert_int_equal(told.rooms, 1);
	finish();
	assert_int_equal(told.stops, 1);
}

static void as_many_slots_as_are_wanted_must_be_free(void **state)
{
	(void)state;
	begin(true);
	start();
	fill();
	assert_int_equal(quoit_space_watch_want(&told.watch, 3), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(quoit_loop_run_once(loop, PAIR_MS), 0);
		assert_int_equal(told.rooms, 0);
		take(1);
	}
	for (int i = 0; i < 4 && !told.rooms; i++)
		assert_int_equal(quoit_loop_run_once(loop, 10 * S_NS), 0);
	assert_int_equal(told.rooms, 1);
	finish();
}

static void who_wants_nothing_is_not_rung(void **state)
{
	(void)state;
	begin(true);
	start();
	fill();
	take(SLOTS);
	assert_int_equal(reader->ring.bells_rung, 0);
	finish();
}

static void what_was_committed_later_is_published_before_the_wait(void **state)
{
	size_t granted;

	(void)state;
	begin(true);
	start();
	*wire_reserve(writer, 1, &granted) = 7;
	quoit_shring_commit_later(&writer->ring, 1);
	assert_true(quoit_shring_is_empty(&reader->ring));
	assert_int_equal(quoit_space_watch_want(&told.watch, SLOTS), 0);
	take(1);
	finish();
}

/* Asleep on both sides, whenever one is full and the other empty. */
static int read_all(struct wire *q, int count)
{
	const struct quoit_wait asleep = {.kind = QUOIT_WAIT_BLOCK};
	uint64_t next = 0, items[5];
	size_t got;

	while (!wire_recv_wait(q, items, 5, &asleep, &got))
		for (size_t i = 0; i < got; i++)
			if (items[i] != next++)
				return 1;
	return next == (uint64_t)count ? 0 : 2;
}

static void a_loop_sends_to_another_process_and_sleeps_when_it_is_full(void **state)
{
	pid_t child;

	(void)state;
	begin(false);
	child = pair_fork(writer, read_all, MANY);
	pair_watch(writer, child);
	start();
	told.last = MANY;
	told.want = SLOTS / 2;
	send_on(&told.watch);
	assert_int_equal(quoit_loop_run(loop), 0); /* until the reader has gone, or we closed */
	assert_int_equal(told.next, MANY);
	assert_true(told.rooms > 0);
	assert_int_equal(told.refused, 0);
	pair_reap(child, 0);
	finish();
}

/* --- ends ------------------------------------------------------------------------------------ */

static void run_until_gone(int error)
{
	assert_int_equal(quoit_loop_run(loop), 0);
	assert_int_equal(told.ends, 1);
	assert_int_equal(told.error, error);
	assert_int_equal(quoit_space_watch_want(&told.watch, 1), error);
}

static void a_reader_that_closes_is_told_to_who_wants_room_and_to_who_does_not(void **state)
{
	(void)state;
	for (int wants = 0; wants < 2; wants++) {
		begin(true);
		start();
		fill();
		if (wants)
			assert_int_equal(quoit_space_watch_want(&told.watch, 1), 0);
		assert_int_equal(quoit_loop_run_once(loop, PAIR_MS), 0);
		quoit_shring_close(&reader->ring);
		run_until_gone(-ESHUTDOWN);
		assert_int_equal(told.rooms, 0);
		finish();
	}
}

static void a_reader_that_leaves_is_told_as_dead(void **state)
{
	(void)state;
	wait_for_a_slot();
	wire_destroy(reader);
	reader = NULL;
	run_until_gone(-EOWNERDEAD);
	finish();
}

static int wait_for_death(struct wire *q, int arg)
{
	(void)q;
	(void)arg;
	pause();
	return 0;
}

static void a_reader_that_dies_is_noticed_in_the_sleep_and_the_next_goes_on(void **state)
{
	pid_t child;
	int status;

	(void)state;
	begin(false);
	child = pair_fork(writer, wait_for_death, 0);
	pair_watch(writer, child);
	start();
	fill();
	assert_int_equal(quoit_space_watch_want(&told.watch, 1), 0);
	assert_int_equal(quoit_loop_run_once(loop, 20 * PAIR_MS), 0);
	assert_int_equal(kill(child, SIGKILL), 0);
	run_until_gone(-EOWNERDEAD);
	assert_int_equal(waitpid(child, &status, 0), child);
	quoit_space_watch_stop(&told.watch);
	while (quoit_space_watch_is_active(&told.watch))
		assert_int_equal(quoit_loop_run_once(loop, S_NS), 0);
	assert_int_equal(quoit_shring_set_peer(&writer->ring, -1), 0);
	reader = pair_join(writer, false);
	start();
	assert_int_equal(quoit_space_watch_want(&told.watch, 1), 0);
	assert_int_equal(quoit_loop_run_once(loop, PAIR_MS), 0);
	take(SLOTS); /* nothing of it was lost */
	for (int i = 0; i < 4 && !told.rooms; i++)
		assert_int_equal(quoit_loop_run_once(loop, 10 * S_NS), 0);
	assert_int_equal(told.rooms, 1);
	finish();
}

static void a_position_that_cannot_be_is_told(void **state)
{
	(void)state;
	wait_for_a_slot();
	quoit_store(reader->ring.index, 1000);
	quoit_shring_notify(&reader->ring);
	run_until_gone(-EUCLEAN);
	finish();
}

static void time_is_up(struct quoit_timer *timer, void *ctx)
{
	(void)timer;
	(void)ctx;
	quoit_loop_stop(loop);
}

static void run_for(uint64_t ns)
{
	struct quoit_timer timer = {0};

	quoit_timers_start(quoit_loop_timers(loop), &timer, quoit_clock_now_ns() + ns, time_is_up,
			   NULL);
	assert_int_equal(quoit_loop_run(loop), 0);
}

static void a_loop_that_waits_for_room_makes_no_context_switch_for_seconds(void **state)
{
	pid_t child;
	long before;
	int status;

	(void)state;
	begin(false);
	child = pair_fork(writer, wait_for_death, 0);
	pair_watch(writer, child);
	start();
	fill();
	assert_int_equal(quoit_space_watch_want(&told.watch, 1), 0);
	run_for(50 * PAIR_MS);
	before = pair_switches();
	run_for(2 * S_NS);
	assert_true(pair_switches() - before <= 2);
	assert_int_equal(kill(child, SIGKILL), 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	finish();
}

/* --- its life -------------------------------------------------------------------------------- */

static void wants_that_cannot_be_are_refused(void **state)
{
	struct quoit_space_watch_options deaf = all;

	(void)state;
	deaf.room = NULL;
	begin(true);
	assert_int_equal(quoit_space_watch_want(&told.watch, 1), -ESHUTDOWN);
	assert_int_equal(quoit_space_watch_start(loop, &told.watch, &reader->ring, &all), -EINVAL);
	assert_int_equal(quoit_space_watch_start(loop, &told.watch, &writer->ring, &deaf), -EINVAL);
	assert_int_equal(quoit_space_watch_start(loop, &told.watch, &writer->ring, NULL), -EINVAL);
	start();
	assert_int_equal(quoit_space_watch_start(loop, &told.watch, &writer->ring, &all), -EBUSY);
	assert_int_equal(quoit_space_watch_want(&told.watch, 0), -EINVAL);
	assert_int_equal(quoit_space_watch_want(&told.watch, SLOTS + 1), -EINVAL);
	assert_int_equal(quoit_space_watch_want(&told.watch, 1), 0);
	quoit_space_watch_stop(&told.watch); /* before it was told */
	assert_int_equal(quoit_space_watch_want(&told.watch, 1), -ESHUTDOWN);
	finish();
	assert_int_equal(told.rooms, 0);
	assert_int_equal(told.stops, 1);
	assert_int_equal(told.stop_error, 0);
}

static void a_new_number_takes_the_place_of_the_last_one(void **state)
{
	(void)state;
	begin(true);
	fill();
	start();
	assert_int_equal(quoit_space_watch_want(&told.watch, SLOTS), 0);
	assert_int_equal(quoit_space_watch_want(&told.watch, 2), 0);
	take(2);
	assert_int_equal(quoit_loop_run_once(loop, S_NS), 0);
	pair_turn(loop);
	assert_int_equal(told.rooms, 1);
	take(SLOTS - 2); /* the first number is forgotten */
	pair_turn(loop);
	pair_turn(loop);
	assert_int_equal(told.rooms, 1);
	finish();
}

static void it_may_stop_when_it_is_told_and_start_again_when_it_has_stopped(void **state)
{
	(void)state;
	begin(true);
	told.leaves = true;
	told.returns = 1;
	start();
	assert_int_equal(quoit_space_watch_want(&told.watch, 1), 0);
	for (int i = 0; i < 8; i++)
		pair_turn(loop);
	assert_int_equal(told.rooms, 1);
	assert_int_equal(told.stops, 1);
	assert_true(quoit_space_watch_is_active(&told.watch));
	quoit_shring_close(&reader->ring);
	assert_int_equal(quoit_space_watch_want(&told.watch, 1), 0);
	for (int i = 0; i < 8 && told.stops < 2; i++)
		(void)!quoit_loop_run_once(loop, 0);
	assert_int_equal(told.ends, 1);
	assert_int_equal(told.error, -ESHUTDOWN);
	assert_int_equal(told.stops, 2);
	assert_false(quoit_space_watch_is_active(&told.watch));
	finish();
}

static int start_core(struct quoit_core *core, void *ctx)
{
	(void)ctx;
	loop = quoit_core_loop(core);
	if (quoit_space_watch_start(loop, &told.watch, &writer->ring, &all))
		return -EINVAL;
	return quoit_space_watch_want(&told.watch, 1);
}

static void a_runtime_that_stops_ends_it(void **state)
{
	const struct quoit_config config = {.cores = 1, .start = start_core};
	struct quoit_runtime *runtime;
	struct quoit_reason why = {0};

	(void)state;
	begin(true);
	assert_int_equal(quoit_loop_destroy(loop), 0);
	fill();
	if (quoit_runtime_start(&config, &runtime, &why))
		fail_msg("%s", why.text);
	usleep(20000);
	quoit_runtime_stop(runtime, 10 * S_NS);
	assert_int_equal(quoit_runtime_wait(runtime, &why), 0);
	assert_int_equal(told.stops, 1);
	assert_int_equal(told.rooms, 0);
	assert_int_equal(told.ends, 0);
	wire_destroy(reader);
	wire_destroy(writer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(room_that_is_there_is_told_soon_but_not_at_once),
		cmocka_unit_test(as_many_slots_as_are_wanted_must_be_free),
		cmocka_unit_test(who_wants_nothing_is_not_rung),
		cmocka_unit_test(what_was_committed_later_is_published_before_the_wait),
		cmocka_unit_test(a_loop_sends_to_another_process_and_sleeps_when_it_is_full),
		cmocka_unit_test(
			a_reader_that_closes_is_told_to_who_wants_room_and_to_who_does_not),
		cmocka_unit_test(a_reader_that_leaves_is_told_as_dead),
		cmocka_unit_test(a_reader_that_dies_is_noticed_in_the_sleep_and_the_next_goes_on),
		cmocka_unit_test(a_position_that_cannot_be_is_told),
		cmocka_unit_test(a_loop_that_waits_for_room_makes_no_context_switch_for_seconds),
		cmocka_unit_test(wants_that_cannot_be_are_refused),
		cmocka_unit_test(a_new_number_takes_the_place_of_the_last_one),
		cmocka_unit_test(it_may_stop_when_it_is_told_and_start_again_when_it_has_stopped),
		cmocka_unit_test(a_runtime_that_stops_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
