/* SPDX-License-Identifier: MIT */
/*
 * test_channel_shring.c - a ring to another process in a loop: copies, batches and budgets, bells,
 * and how it ends. Here both sides are in one process, and every turn is taken by hand;
 * test_channel_shring_peer.c has the other process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "runtime/shring_pair.h"

#include <fcntl.h>
#include <poll.h>

#include <quoit/rings/typed.h>
#include <quoit/runtime/channel.h>

QUOIT_SPSC(line, uint64_t);

#define RUNS 64

static struct wire *reader, *writer;
static uint64_t sent;

static struct seen {
	struct quoit_channel channel;
	uint64_t next;
	unsigned runs;
	size_t n[RUNS];
	bool more[RUNS];
	const void *at; /* where the last run lay */
	size_t unfreed; /* how many the writer saw unread meanwhile */
	bool scribbles; /* the peer writes to the slots while the handler looks */
	bool leaves;	/* it detaches itself */
	unsigned ended, detached;
	int error;
} seen;

static void scribble(void)
{
	memset(writer->ring.slots, 0xff, sizeof(uint64_t) << PAIR_BITS);
}

static void handle(struct quoit_channel *channel, const void *items, size_t n, bool more, void *ctx)
{
	const uint64_t *const item = items;
	struct seen *const s = ctx;

	assert_ptr_equal(channel, &s->channel);
	if (s->scribbles)
		scribble();
	for (size_t i = 0; i < n; i++)
		assert_int_equal(item[i], s->next++);
	s->n[s->runs % RUNS] = n;
	s->more[s->runs++ % RUNS] = more;
	s->at = items;
	s->unfreed = quoit_shring_length(&writer->ring);
	if (s->leaves)
		assert_int_equal(quoit_channel_detach(channel), -EINPROGRESS);
}

static void end(struct quoit_channel *channel, void *ctx)
{
	struct seen *const s = ctx;

	assert_false(quoit_channel_is_attached(channel));
	s->ended++;
	s->error = quoit_channel_error(channel);
}

static void gone(struct quoit_channel *channel, void *ctx)
{
	(void)channel;
	((struct seen *)ctx)->detached++;
}

static const struct quoit_channel_options plain = {.ended = end, .detached = gone};

static void begin(bool trusted)
{
	memset(&seen, 0, sizeof(seen));
	sent = 0;
	if (trusted) {
		writer = pair_make(QUOIT_SHRING_PRODUCER, (struct quoit_shring_options){0});
		reader = pair_join(writer, true);
		assert_non_null(reader);
	} else {
		reader = pair_make(QUOIT_SHRING_CONSUMER, (struct quoit_shring_options){0});
		writer = pair_join(reader, false);
		assert_non_null(writer);
	}
}

static void put(size_t n)
{
	while (n--) {
		assert_true(wire_send_one(writer, &sent));
		sent++;
	}
}

static struct quoit_loop *start(bool trusted, const struct quoit_channel_options *options)
{
	struct quoit_loop *const loop = make_loop(NULL);

	begin(trusted);
	assert_int_equal(
		quoit_channel_attach_shring_of(loop, &seen.channel, reader, options, handle, &seen),
		0);
	return loop;
}

static void finish(struct quoit_loop *loop)
{
	if (quoit_channel_is_attached(&seen.channel))
		assert_int_equal(quoit_channel_detach(&seen.channel), 0);
	assert_int_equal(quoit_loop_destroy(loop), 0);
	wire_destroy(writer);
	wire_destroy(reader);
	writer = reader = NULL;
}

/* --- batches --------------------------------------------------------------------------------- */

static void a_turn_hands_out_copies_of_all_there_is(void **state)
{
	struct quoit_loop *const loop = start(false, &plain);

	(void)state;
	pair_turn(loop);
	assert_int_equal(seen.runs, 0);
	put(10);
	pair_turn(loop);
	assert_int_equal(seen.next, 10);
	assert_false(seen.more[0]);
	put(12); /* around the wrap, where a copy joins both parts */
	pair_turn(loop);
	assert_int_equal(seen.next, 22);
	assert_int_equal(seen.runs, 2);
	assert_int_equal(seen.n[1], 12);
	assert_false(seen.more[1]);
	assert_int_equal(quoit_channel_processed(&seen.channel), 22);
	assert_int_equal(quoit_loop_destroy(loop), -EBUSY);
	finish(loop);
	assert_int_equal(seen.detached, 0); /* it was at once */
}

static void what_a_handler_checks_does_not_change_before_it_uses_it(void **state)
{
	struct quoit_loop *const loop = start(false, &plain);

	(void)state;
	seen.scribbles = true;
	put(10);
	pair_turn(loop);
	assert_int_equal(seen.next, 10);
	finish(loop);
}

static void a_trusted_peer_is_looked_at_in_place(void **state)
{
	struct quoit_loop *const loop = start(true, &plain);

	(void)state;
	put(10);
	pair_turn(loop);
	assert_ptr_equal(seen.at, reader->ring.slots);
	put(12); /* around the wrap: two runs, as in any ring */
	pair_turn(loop);
	assert_int_equal(seen.next, 22);
	assert_int_equal(seen.n[1], 6);
	assert_true(seen.more[1]);
	assert_false(seen.more[2]);
	finish(loop);
}

static void budgets_end_a_turn_and_what_is_left_keeps_the_loop_from_sleeping(void **state)
{
	const struct quoit_channel_options few = {.budget_items = 5, .batch_items = 2};
	struct quoit_loop *const loop = start(false, &few);
	struct quoit_channel_stats stats;

	(void)state;
	put(12);
	pair_turn(loop);
	assert_int_equal(seen.next, 5);
	assert_int_equal(seen.runs, 3);
	assert_true(seen.more[0] && seen.more[1] && !seen.more[2]);
	/* It would sleep for ever beside the rest. */
	for (int i = 0; i < 2; i++)
		assert_int_equal(quoit_loop_run_once(loop, QUOIT_FOREVER), 0);
	assert_int_equal(seen.next, 12);
	quoit_channel_read_stats(&seen.channel, &stats);
	assert_int_equal(stats.cut, 2);
	finish(loop);
}

/* A reader that dies in its handler has freed nothing of it: the next one reads it again. */
static void slots_are_given_back_after_the_handler_and_before_the_next_run(void **state)
{
	const struct quoit_channel_options pairs = {.batch_items = 4};
	struct quoit_loop *const loop = start(false, &pairs);

	(void)state;
	put(8);
	pair_turn(loop);
	assert_int_equal(seen.runs, 2);
	assert_int_equal(seen.unfreed, 4); /* the second run's own */
	assert_int_equal(quoit_shring_length(&writer->ring), 0);
	finish(loop);
}

static void a_handler_may_detach_its_channel_and_what_is_unread_stays(void **state)
{
	const struct quoit_channel_options pairs = {.batch_items = 4, .detached = gone};
	struct quoit_loop *const loop = start(false, &pairs);

	(void)state;
	seen.leaves = true;
	put(12);
	pair_turn(loop);
	assert_int_equal(seen.detached, 1);
	assert_false(quoit_channel_is_attached(&seen.channel));
	assert_int_equal(quoit_shring_length(&reader->ring), 8);
	seen.leaves = false;
	assert_int_equal(
		quoit_channel_attach_shring_of(loop, &seen.channel, reader, NULL, handle, &seen),
		0);
	pair_turn(loop);
	assert_int_equal(seen.next, 12);
	finish(loop);
}

static struct quoit_loop *home; /* of the channel that comes back */

static void come_back(struct quoit_channel *channel, void *ctx)
{
	const struct quoit_channel_options options = {.batch_items = 4, .detached = gone};
	struct seen *const s = ctx;

	assert_false(quoit_channel_is_attached(channel));
	s->detached++;
	s->leaves = false;
	assert_int_equal(
		quoit_channel_attach_shring_of(home, channel, reader, &options, handle, ctx), 0);
}

/* For a reader that had enough and has room again before it is out. */
static void a_channel_that_was_told_that_it_is_out_may_come_back_at_once(void **state)
{
	const struct quoit_channel_options pairs = {.batch_items = 4, .detached = come_back};

	(void)state;
	home = start(false, &pairs);
	seen.leaves = true;
	put(12);
	pair_turn(home);
	pair_turn(home);
	assert_int_equal(seen.detached, 1);
	assert_true(quoit_channel_is_attached(&seen.channel));
	assert_int_equal(seen.next, 12);
	put(3);
	pair_turn(home);
	assert_int_equal(seen.next, 15);
	finish(home);
}

/* --- bells ----------------------------------------------------------------------------------- */

static bool is_rung(const struct wire *q)
{
	struct pollfd ready = {.fd = quoit_shring_bell(&q->ring), .events = POLLIN};

	return poll(&ready, 1, 0) == 1;
}

static void a_loop_that_is_awake_is_not_rung_for(void **state)
{
	struct quoit_loop *const loop = start(false, &plain);

	(void)state;
	for (int i = 0; i < 4; i++) {
		put(1);
		pair_turn(loop); /* one that does not sleep */
	}
	assert_false(is_rung(reader));
	for (int i = 0; i < 3; i++) /* it may spin first */
		assert_int_equal(quoit_loop_run_once(loop, PAIR_MS), 0);
	put(1); /* it has slept, but is awake */
	assert_false(is_rung(reader));
	pair_turn(loop);
	assert_int_equal(seen.next, 5);
	finish(loop);
}

static void a_loop_inside_another_becomes_readable(void **state)
{
	const struct quoit_loop_options pollable = {.pollable = true};
	struct quoit_loop *const loop = make_loop(&pollable);
	struct pollfd ready = {.fd = quoit_loop_fd(loop), .events = POLLIN};

	(void)state;
	begin(false);
	assert_int_equal(
		quoit_channel_attach_shring_of(loop, &seen.channel, reader, &plain, handle, &seen),
		0);
	for (int i = 0; i < 10; i++) {
		assert_int_equal(quoit_loop_run_ready(loop), 0);
		assert_int_equal(poll(&ready, 1, 0), 0);
		put(3);
		assert_int_equal(poll(&ready, 1, 10000), 1);
		assert_int_equal(quoit_loop_run_ready(loop), 0);
		assert_int_equal(seen.next, sent);
	}
	finish(loop);
}

static void ring_for_nothing(void)
{
	const uint64_t one = 1;

	assert_int_equal(write(quoit_shring_bell(&reader->ring), &one, sizeof(one)), sizeof(one));
}

static void count_line(struct quoit_channel *channel, const void *items, size_t n, bool more,
		       void *ctx)
{
	(void)channel;
	(void)items;
	(void)more;
	*(size_t *)ctx += n;
}

static void a_peer_that_rings_in_every_turn_takes_nothing_from_other_channels(void **state)
{
	struct quoit_loop *const loop = start(false, &plain);
	struct quoit_channel other;
	struct line ring;
	uint64_t slots[16];
	size_t counted = 0;

	(void)state;
	assert_int_equal(line_init(&ring, slots, 16), 0);
	assert_int_equal(
		quoit_channel_attach_spsc_of(loop, &other, &ring, NULL, count_line, &counted), 0);
	for (uint64_t i = 0; i < 100; i++) {
		for (int k = 0; k < 10; k++)
			ring_for_nothing();
		assert_true(line_send_one(&ring, &i));
		pair_turn(loop);
		assert_int_equal(counted, i + 1);
	}
	assert_int_equal(seen.runs, 0);
	assert_int_equal(seen.ended, 0);
	assert_int_equal(quoit_channel_detach(&other), 0);
	finish(loop);
}

/* What one peer has done to the bell is no matter to the next. */
static void a_bell_that_was_filled_or_made_a_blocking_one_is_emptied_by_attaching(void **state)
{
	const uint64_t most = UINT64_MAX - 1;
	struct quoit_loop *const loop = make_loop(NULL);

	(void)state;
	begin(false);
	assert_int_equal(write(quoit_shring_bell(&reader->ring), &most, sizeof(most)),
			 sizeof(most));
	assert_int_equal(fcntl(quoit_shring_bell(&reader->ring), F_SETFL, 0), 0);
	for (int i = 0; i < 2; i++) { /* the second time it is empty, and would block */
		assert_int_equal(quoit_channel_attach_shring_of(loop, &seen.channel, reader, &plain,
								handle, &seen),
				 0);
		assert_false(is_rung(reader));
		assert_int_equal(quoit_channel_detach(&seen.channel), 0);
	}
	assert_int_equal(fcntl(quoit_shring_bell(&reader->ring), F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(
		quoit_channel_attach_shring_of(loop, &seen.channel, reader, &plain, handle, &seen),
		0);
	assert_int_equal(quoit_loop_run_once(loop, PAIR_MS), 0);
	put(1);
	assert_int_equal(quoit_loop_run_once(loop, 10000 * PAIR_MS), 0);
	pair_turn(loop);
	assert_int_equal(seen.next, 1);
	finish(loop);
}

/* --- ends ------------------------------------------------------------------------------------ */

/* Turns that may sleep: what ends the channel must end them too. */
static void turn_until_ended(struct quoit_loop *loop)
{
	for (int i = 0; i < 16 && !seen.ended; i++)
		assert_int_equal(quoit_loop_run_once(loop, 10000 * PAIR_MS), 0);
	assert_int_equal(seen.ended, 1);
	assert_int_equal(seen.detached, 0);
	assert_int_equal(quoit_channel_detach(&seen.channel), -ENOENT);
}

static void a_closed_ring_ends_its_channel_when_all_is_read(void **state)
{
	const struct quoit_channel_options few = {.ended = end, .budget_items = 2};
	struct quoit_loop *const loop = start(false, &few);

	(void)state;
	put(5);
	quoit_shring_close(&writer->ring);
	turn_until_ended(loop);
	assert_int_equal(seen.next, 5);
	assert_int_equal(seen.error, 0);
	finish(loop);
}

static void a_sleeping_loop_hears_of_the_close(void **state)
{
	struct quoit_loop *const loop = start(false, &plain);

	(void)state;
	assert_int_equal(quoit_loop_run_once(loop, PAIR_MS), 0);
	quoit_shring_close(&writer->ring);
	turn_until_ended(loop);
	assert_int_equal(seen.error, 0);
	finish(loop);
}

static void a_peer_that_leaves_without_closing_is_told_as_dead(void **state)
{
	struct quoit_loop *const loop = start(false, &plain);

	(void)state;
	put(3);
	assert_int_equal(quoit_loop_run_once(loop, PAIR_MS), 0);
	assert_int_equal(quoit_loop_run_once(loop, PAIR_MS), 0);
	put(2);
	wire_destroy(writer);
	writer = pair_join(reader, false); /* for `handle`; it has come too late for this end */
	assert_non_null(writer);
	wire_destroy(writer);
	writer = reader; /* likewise */
	turn_until_ended(loop);
	assert_int_equal(seen.next, 5);
	assert_int_equal(seen.error, -EOWNERDEAD);
	writer = pair_join(reader, false);
	assert_int_equal(
		quoit_channel_attach_shring_of(loop, &seen.channel, reader, &plain, handle, &seen),
		0);
	put(3);
	pair_turn(loop);
	assert_int_equal(seen.next, 8);
	assert_int_equal(quoit_channel_error(&seen.channel), 0);
	finish(loop);
}

static void a_peer_that_has_not_come_yet_is_waited_for(void **state)
{
	struct quoit_loop *const loop = make_loop(NULL);

	(void)state;
	begin(false);
	wire_destroy(writer);
	wire_destroy(reader);
	reader = pair_make(QUOIT_SHRING_CONSUMER, (struct quoit_shring_options){0});
	assert_int_equal(
		quoit_channel_attach_shring_of(loop, &seen.channel, reader, &plain, handle, &seen),
		0);
	for (int i = 0; i < 4; i++)
		assert_int_equal(quoit_loop_run_once(loop, PAIR_MS), 0);
	assert_int_equal(seen.ended, 0);
	writer = pair_join(reader, false);
	assert_non_null(writer);
	put(2);
	pair_turn(loop);
	assert_int_equal(seen.next, 2);
	finish(loop);
}

static void a_position_that_cannot_be_ends_the_channel_after_what_was_good(void **state)
{
	struct quoit_loop *const loop = start(
		false, &(const struct quoit_channel_options){.ended = end, .budget_items = 2});

	(void)state;
	assert_int_equal(quoit_loop_run_once(loop, PAIR_MS), 0);
	put(6);
	pair_turn(loop);
	assert_int_equal(seen.next, 2);
	quoit_store(writer->ring.index, UINT64_C(1) << 40);
	turn_until_ended(loop);
	assert_int_equal(seen.next, 6); /* what was seen before it stays good */
	assert_int_equal(seen.error, -EUCLEAN);
	assert_int_equal(quoit_shring_status(&reader->ring), -EUCLEAN);
	assert_non_null(strstr(quoit_shring_why(&reader->ring)->text, "cannot be"));
	finish(loop);
}

static void a_position_that_goes_back_wakes_and_ends_it_too(void **state)
{
	struct quoit_loop *const loop = start(false, &plain);

	(void)state;
	put(6);
	pair_turn(loop);
	assert_int_equal(quoit_loop_run_once(loop, PAIR_MS), 0);
	quoit_store(writer->ring.index, 3);
	quoit_shring_notify(&writer->ring);
	turn_until_ended(loop);
	assert_int_equal(seen.next, 6);
	assert_int_equal(seen.error, -EUCLEAN);
	finish(loop);
}

static void a_ring_that_others_have_begun_anew_is_stale(void **state)
{
	struct quoit_loop *const loop = start(false, &plain);

	(void)state;
	assert_int_equal(quoit_loop_run_once(loop, PAIR_MS), 0);
	((struct quoit_shring_header *)writer->ring.home.own_map)->id.generation++;
	ring_for_nothing();
	turn_until_ended(loop);
	assert_int_equal(seen.error, -ESTALE);
	finish(loop);
}

static void the_producers_side_and_a_ring_without_bells_are_refused(void **state)
{
	const struct quoit_shring_options bare = {.size = sizeof(bare),
						  .role = QUOIT_SHRING_CONSUMER,
						  .bits = PAIR_BITS,
						  .node = QUOIT_NODE_AUTO,
						  .waits = true};
	struct quoit_loop *const loop = start(false, &plain);
	struct quoit_channel channel;
	struct wire *q = NULL;

	(void)state;
	assert_int_equal(
		quoit_channel_attach_shring_of(loop, &channel, writer, NULL, handle, &seen),
		-EINVAL);
	assert_int_equal(wire_create(&bare, &q, NULL), 0);
	assert_int_equal(quoit_channel_attach_shring_of(loop, &channel, q, NULL, handle, &seen),
			 -EINVAL);
	assert_int_equal(quoit_channel_attach_shring_of(loop, &channel, q, NULL, NULL, &seen),
			 -EINVAL);
	assert_false(quoit_channel_is_attached(&channel));
	wire_destroy(q);
	finish(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_turn_hands_out_copies_of_all_there_is),
		cmocka_unit_test(what_a_handler_checks_does_not_change_before_it_uses_it),
		cmocka_unit_test(a_trusted_peer_is_looked_at_in_place),
		cmocka_unit_test(budgets_end_a_turn_and_what_is_left_keeps_the_loop_from_sleeping),
		cmocka_unit_test(slots_are_given_back_after_the_handler_and_before_the_next_run),
		cmocka_unit_test(a_handler_may_detach_its_channel_and_what_is_unread_stays),
		cmocka_unit_test(a_channel_that_was_told_that_it_is_out_may_come_back_at_once),
		cmocka_unit_test(a_loop_that_is_awake_is_not_rung_for),
		cmocka_unit_test(a_loop_inside_another_becomes_readable),
		cmocka_unit_test(a_peer_that_rings_in_every_turn_takes_nothing_from_other_channels),
		cmocka_unit_test(
			a_bell_that_was_filled_or_made_a_blocking_one_is_emptied_by_attaching),
		cmocka_unit_test(a_closed_ring_ends_its_channel_when_all_is_read),
		cmocka_unit_test(a_sleeping_loop_hears_of_the_close),
		cmocka_unit_test(a_peer_that_leaves_without_closing_is_told_as_dead),
		cmocka_unit_test(a_peer_that_has_not_come_yet_is_waited_for),
		cmocka_unit_test(a_position_that_cannot_be_ends_the_channel_after_what_was_good),
		cmocka_unit_test(a_position_that_goes_back_wakes_and_ends_it_too),
		cmocka_unit_test(a_ring_that_others_have_begun_anew_is_stale),
		cmocka_unit_test(the_producers_side_and_a_ring_without_bells_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
