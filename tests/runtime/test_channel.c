/* SPDX-License-Identifier: MIT */
/*
 * test_channel.c - rings in a loop: batches and `more`, budgets, bells, ends, and leaving while a
 * producer runs (M4, M7, B143). Mostly on one thread, turn by turn; stress/channel.c has the
 * threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <quoit/rings/typed.h>
#include <quoit/rings/typed_mpsc.h>
#include <quoit/rings/typed_shared.h>
#include <quoit/runtime/channel.h>
#include <quoit/runtime/loop_internal.h>

#include "runtime/make_loop.h"

QUOIT_SPSC(line, uint64_t);
QUOIT_MPSC(post, uint64_t);
QUOIT_SPMC(deal, uint64_t);
QUOIT_MPMC(pool, uint64_t);

#define SLOTS 16
#define RUNS  64

/* What a handler has been given, and what it shall do. */
static struct seen {
	struct quoit_channel channel;
	uint64_t next;
	unsigned runs;
	size_t n[RUNS];
	bool more[RUNS];
	unsigned ended, detached;
	int detach_in; /* the run in which it detaches `victim`, counted from 1 */
	struct quoit_channel *victim;
	int rc;
	struct line *ring;
	size_t length; /* of that, in the last run */
} a, b;

static void handle(struct quoit_channel *channel, const void *items, size_t n, bool more, void *ctx)
{
	const uint64_t *item = items;
	struct seen *s = ctx;

	assert_ptr_equal(channel, &s->channel);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(item[i], s->next++);
	s->n[s->runs % RUNS] = n;
	s->more[s->runs++ % RUNS] = more;
	if (s->ring)
		s->length = quoit_spsc_length(&s->ring->ring);
	if ((int)s->runs == s->detach_in)
		s->rc = quoit_channel_detach(s->victim);
}

static void end(struct quoit_channel *channel, void *ctx)
{
	struct seen *s = ctx;

	assert_false(quoit_channel_is_attached(channel));
	s->ended++;
}

static void gone(struct quoit_channel *channel, void *ctx)
{
	struct seen *s = ctx;

	assert_false(quoit_channel_is_attached(channel));
	s->detached++;
}

static const struct quoit_channel_options plain = {.ended = end, .detached = gone};

static struct line spsc;
static uint64_t slots[SLOTS];
static uint64_t sent;

static int set_up(void **state)
{
	(void)state;
	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	sent = 0;
	if (line_init(&spsc, slots, SLOTS))
		return -1;
	quoit_spsc_attach(&spsc.ring, &quoit_notify_nobody);
	return 0;
}

static void put(size_t n)
{
	while (n--) {
		assert_true(line_send_one(&spsc, &sent));
		sent++;
	}
}

static void turn(struct quoit_loop *loop)
{
	assert_int_equal(quoit_loop_run_once(loop, 0), 0);
}

static void attach(struct quoit_loop *loop, const struct quoit_channel_options *options)
{
	assert_int_equal(quoit_channel_attach_spsc_of(loop, &a.channel, &spsc, options, handle, &a),
			 0);
}

/* --- batches --------------------------------------------------------------------------------- */

static void a_turn_hands_out_all_there_is_and_more_is_false_at_its_last_run(void **state)
{
	struct quoit_loop *loop = make_loop(NULL);
	struct quoit_channel_stats stats;

	(void)state;
	attach(loop, &plain);
	turn(loop);
	assert_int_equal(a.runs, 0);
	put(10);
	turn(loop);
	assert_int_equal(a.next, 10);
	assert_int_equal(a.runs, 1);
	assert_false(a.more[0]);
	put(12); /* around the wrap */
	turn(loop);
	assert_int_equal(a.next, 22);
	assert_int_equal(a.runs, 3);
	assert_int_equal(a.n[1], 6);
	assert_true(a.more[1]);
	assert_false(a.more[2]);
	assert_int_equal(quoit_channel_processed(&a.channel), 22);
	quoit_channel_read_stats(&a.channel, &stats);
	assert_int_equal(stats.runs, 3);
	assert_int_equal(stats.turns, 2);
	assert_int_equal(quoit_loop_destroy(loop), -EBUSY); /* D-10 */
	assert_int_equal(quoit_channel_detach(&a.channel), 0);
	assert_int_equal(a.detached, 0); /* it was at once */
	assert_int_equal(quoit_channel_detach(&a.channel), -ENOENT);
	assert_int_equal(quoit_loop_destroy(loop), 0);
}

static void budgets_end_a_turn_and_what_is_left_keeps_the_loop_from_sleeping(void **state)
{
	struct quoit_loop *loop = make_loop(NULL);
	struct quoit_channel_options few = {.budget_items = 5, .batch_items = 2};
	const struct quoit_channel_options brief = {.budget_ns = 1, .batch_items = 3};
	struct quoit_channel_stats stats;

	(void)state;
	attach(loop, &few);
	put(12);
	turn(loop);
	assert_int_equal(a.next, 5);
	assert_int_equal(a.runs, 3);
	assert_int_equal(a.n[2], 1);
	assert_true(a.more[0] && a.more[1] && !a.more[2]);
	quoit_loop_turn(loop, true); /* would sleep for ever beside the rest */
	turn(loop);
	assert_int_equal(a.next, 12);
	quoit_channel_read_stats(&a.channel, &stats);
	assert_int_equal(stats.cut, 2);
	assert_int_equal(quoit_channel_detach(&a.channel), 0);

	attach(loop, &brief);
	a.runs = 0;
	put(9);
	turn(loop);
	assert_int_equal(a.runs, 1); /* the time is up, whatever it handled */
	assert_false(a.more[0]);
	for (int i = 0; i < 3; i++) /* one run each, and one of them ends at the wrap */
		turn(loop);
	assert_int_equal(a.next, 21);
	assert_int_equal(quoit_channel_detach(&a.channel), 0);
	assert_int_equal(quoit_loop_destroy(loop), 0);
}

/* D-11: the producer has room again before the backlog is handled. */
static void a_run_is_given_back_before_the_next_is_handled(void **state)
{
	struct quoit_loop *loop = make_loop(NULL);
	const struct quoit_channel_options small = {.batch_items = 4};

	(void)state;
	attach(loop, &small);
	a.ring = &spsc;
	put(SLOTS);
	turn(loop);
	assert_int_equal(a.runs, 4);
	assert_int_equal(a.length, 4); /* in the last one */
	assert_int_equal(quoit_channel_detach(&a.channel), 0);
	assert_int_equal(quoit_loop_destroy(loop), 0);
}

static void what_cannot_be_attached_is_refused(void **state)
{
	struct quoit_loop *loop = make_loop(NULL);
	const struct quoit_spmc_options shared = {.capacity_slots = 16, .consumers_most = 1};
	struct quoit_lane_block blocks[QUOIT_LANE_BLOCKS(16)];
	const struct quoit_mpsc_options options = {.capacity_slots = 8, .producers_most = 1};
	struct deal_consumer seat;
	struct post_producer producer;
	struct deal ring;
	struct post q;

	(void)state;
	assert_int_equal(quoit_channel_attach_spsc_of(loop, &a.channel, &spsc, NULL, NULL, &a),
			 -EINVAL);
	assert_int_equal(
		quoit_channel_attach_spsc(loop, &a.channel, &spsc.ring, NULL, 8, NULL, handle, &a),
		-EINVAL);
	assert_int_equal(deal_init(&ring, slots, blocks, &shared), 0);
	assert_int_equal(deal_register_consumer(&ring, &seat), 0);
	assert_int_equal(
		quoit_channel_attach_spmc(loop, &a.channel, &seat.seat, 8, NULL, handle, &a),
		-EINVAL); /* nobody could be rung */
	assert_int_equal(post_create(&q, &options), 0);
	assert_int_equal(post_register(&q, &producer), 0);
	assert_int_equal(quoit_channel_attach_mpsc(loop, &a.channel, q.channel, NULL, handle, &a),
			 -EBUSY);
	assert_false(quoit_channel_is_attached(&a.channel));
	assert_int_equal(post_deregister(&producer), 0);
	assert_int_equal(quoit_mpsc_destroy(q.channel), 0);
	assert_int_equal(quoit_loop_destroy(loop), 0);
}

/* --- bells ----------------------------------------------------------------------------------- */

static void *send_worker(void *ctx)
{
	struct post_producer *p = ctx;

	quoit_mpsc_adopt(&p->seat);
	for (uint64_t i = 0; i < 1000; i++)
		while (!post_send_one(p, &i))
			quoit_yield();
	return NULL;
}

static bool has_all(void *ctx)
{
	return ((struct seen *)ctx)->next == 1000;
}

/* M4, D-08: it sleeps, is woken, and misses nothing, by the loop's bell and by one of its own. */
static void a_sleeping_loop_is_woken_for_every_item(void **state)
{
	const struct quoit_mpsc_options options = {.capacity_slots = 8, .producers_most = 70};

	(void)state;
	for (int own = 0; own < 2; own++) {
		const struct quoit_channel_options o = {.own_bell = own, .ended = end};
		struct quoit_loop *loop = make_loop(NULL);
		struct post_producer producer, idle[8];
		struct quoit_channel_stats stats;
		pthread_t thread;
		struct post q;

		memset(&a, 0, sizeof(a));
		assert_int_equal(post_create(&q, &options), 0);
		assert_int_equal(
			quoit_channel_attach_mpsc(loop, &a.channel, q.channel, &o, handle, &a), 0);
		for (int i = 0; i < 8; i++) /* lanes to be skipped over */
			assert_int_equal(post_register(&q, &idle[i]), 0);
		assert_int_equal(post_register(&q, &producer), 0);
		assert_int_equal(pthread_create(&thread, NULL, send_worker, &producer), 0);
		assert_int_equal(quoit_loop_run_until(loop, has_all, &a, QUOIT_FOREVER), 0);
		assert_int_equal(pthread_join(thread, NULL), 0);
		quoit_mpsc_adopt(&producer.seat);
		quoit_channel_read_stats(&a.channel, &stats);
		assert_int_equal(stats.items, 1000);
		assert_true(own || !stats.bells);

		quoit_wake_arm(&loop->wake); /* as asleep: the bell must be heard then */
		assert_true(post_send_one(&producer, &a.next));
		turn(loop);
		turn(loop);
		quoit_loop_is_awake(loop);
		quoit_channel_read_stats(&a.channel, &stats);
		assert_true(!own || stats.bells);
		assert_int_equal(a.next, 1001);

		quoit_mpsc_close(q.channel);
		assert_int_equal(post_deregister(&producer), 0);
		turn(loop);
		assert_int_equal(a.ended, 0); /* eight are still there: D-18 */
		for (int i = 0; i < 8; i++)
			assert_int_equal(post_deregister(&idle[i]), 0);
		for (int i = 0; i < 3; i++)
			turn(loop);
		assert_int_equal(a.ended, 1);
		assert_int_equal(quoit_mpsc_destroy(q.channel), 0);
		assert_int_equal(quoit_loop_destroy(loop), 0);
	}
}

/* --- leaving --------------------------------------------------------------------------------- */

static void a_handler_may_detach_its_own_channel_and_another_one(void **state)
{
	struct quoit_loop *loop = make_loop(NULL);
	const struct quoit_channel_options small = {.batch_items = 2, .detached = gone};

	(void)state;
	attach(loop, &small);
	a.detach_in = 2;
	a.victim = &a.channel;
	put(10);
	turn(loop);
	assert_int_equal(a.rc, -EINPROGRESS);
	assert_int_equal(a.detached, 1);
	assert_int_equal(a.next, 4); /* nothing after that */
	assert_int_equal(quoit_loop_destroy(loop), 0);
	assert_int_equal(quoit_spsc_length(&spsc.ring), 6);

	/* What was left goes to another loop. */
	loop = make_loop(NULL);
	attach(loop, &plain);
	turn(loop);
	assert_int_equal(a.next, 10);
	a.detach_in = (int)a.runs + 1;
	a.victim = &b.channel;
	a.rc = 1;
	{
		static uint64_t more_slots[8];
		static struct line other;

		assert_int_equal(line_init(&other, more_slots, 8), 0);
		assert_int_equal(
			quoit_channel_attach_spsc_of(loop, &b.channel, &other, NULL, handle, &b),
			0);
		put(1);
		turn(loop);
		assert_int_equal(a.rc, 0);
		assert_false(quoit_channel_is_attached(&b.channel));
	}
	assert_int_equal(quoit_channel_detach(&a.channel), 0);
	assert_int_equal(quoit_loop_destroy(loop), 0);
}

/* D-10: not before the producer, who is about to ring, has rung. */
static void detaching_waits_for_a_producer_that_is_about_to_ring(void **state)
{
	struct quoit_loop *loop = make_loop(NULL);
	const struct quoit_channel_options own = {.own_bell = true, .detached = gone};

	(void)state;
	attach(loop, &own);
	turn(loop);
	spsc.ring.ringing = 1;
	assert_int_equal(quoit_channel_detach(&a.channel), -EINPROGRESS);
	assert_int_equal(quoit_channel_detach(&a.channel), -EALREADY);
	for (int i = 0; i < 3; i++)
		quoit_loop_turn(loop, true); /* must not sleep */
	assert_int_equal(a.detached, 0);
	assert_int_equal(quoit_loop_destroy(loop), -EBUSY);
	put(1);
	spsc.ring.ringing = 0;
	turn(loop);
	assert_int_equal(a.detached, 1);
	assert_int_equal(a.runs, 0);
	assert_int_equal(quoit_loop_destroy(loop), 0);
}

static void a_ring_that_has_ended_leaves_by_itself_and_tells_once(void **state)
{
	struct quoit_loop *loop = make_loop(NULL);

	(void)state;
	attach(loop, &plain);
	put(3);
	quoit_spsc_close(&spsc.ring);
	turn(loop);
	turn(loop);
	assert_int_equal(a.next, 3);
	assert_int_equal(a.ended, 0); /* its producer may still commit: D-18 */
	quoit_spsc_finish(&spsc.ring);
	for (int i = 0; i < 3; i++)
		turn(loop);
	assert_int_equal(a.ended, 1);
	assert_int_equal(a.detached, 0);
	assert_int_equal(quoit_loop_destroy(loop), 0);
}

/* Nothing more would come to end a sleep behind it. */
static void a_turn_in_which_a_channel_leaves_does_not_sleep(void **state)
{
	struct quoit_loop *loop = make_loop(NULL);

	(void)state;
	attach(loop, &plain);
	turn(loop);
	quoit_spsc_finish(&spsc.ring);
	while (!a.ended)
		assert_int_equal(quoit_loop_run_once(loop, QUOIT_FOREVER), 0);

	assert_int_equal(line_init(&spsc, slots, SLOTS), 0);
	attach(loop, &plain);
	spsc.ring.ringing = 1;
	assert_int_equal(quoit_channel_detach(&a.channel), -EINPROGRESS);
	spsc.ring.ringing = 0;
	while (!a.detached)
		assert_int_equal(quoit_loop_run_once(loop, QUOIT_FOREVER), 0);
	assert_int_equal(quoit_loop_destroy(loop), 0);
}

/* --- shared rings ---------------------------------------------------------------------------- */

static void take_shared(struct quoit_channel *channel, const void *items, size_t n, bool more,
			void *ctx)
{
	struct seen *s = ctx;

	(void)channel;
	(void)items;
	s->next += n;
	s->more[s->runs++ % RUNS] = more;
}

static void an_spmc_ring_feeds_two_loops_and_both_are_told_of_its_end(void **state)
{
	struct quoit_loop *loops[2] = {make_loop(NULL), make_loop(NULL)};
	const struct quoit_spmc_options shared = {
		.capacity_slots = 16, .block_slots = 2, .consumers_most = 2};
	struct quoit_channel_options few = {.budget_items = 2, .ended = end};
	struct quoit_lane_block blocks[8];
	static struct quoit_group group;
	struct deal_consumer seats[2];
	static uint64_t items[16];
	struct deal ring;

	(void)state;
	assert_int_equal(deal_init(&ring, items, blocks, &shared), 0);
	assert_int_equal(quoit_spmc_attach_group(&ring.ring, &group), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(deal_register_consumer(&ring, &seats[i]), 0);
		assert_int_equal(quoit_channel_attach_spmc(loops[i], i ? &b.channel : &a.channel,
							   &seats[i].seat, 8, &few, take_shared,
							   i ? &b : &a),
				 0);
	}
	for (uint64_t i = 0; i < 5; i++)
		assert_true(deal_send_one(&ring, &i));
	turn(loops[0]);
	assert_int_equal(a.next, 2);
	assert_false(a.more[0]);
	turn(loops[1]);
	assert_int_equal(b.next, 2);
	turn(loops[1]);
	assert_int_equal(b.next, 3);
	quoit_spmc_finish(&ring.ring);
	for (int i = 0; i < 4; i++)
		turn(loops[i % 2]);
	assert_int_equal(a.ended, 1);
	assert_int_equal(b.ended, 1);
	for (int i = 0; i < 2; i++) {
		deal_deregister_consumer(&seats[i]);
		assert_int_equal(quoit_loop_destroy(loops[i]), 0);
	}
}

static unsigned bells(struct quoit_loop **loops)
{
	unsigned who = 0;

	for (unsigned i = 0; i < 2; i++) {
		uint64_t count;

		who |= read(loops[i]->notify.fd, &count, sizeof(count)) > 0 ? 1u << i : 0;
	}
	return who;
}

static void the_bell_of_an_mpmc_ring_goes_to_one_loop_who_passes_on_what_it_leaves(void **state)
{
	struct quoit_loop *loops[2] = {make_loop(NULL), make_loop(NULL)};
	const struct quoit_mpmc_options shared = {.capacity_slots = 16,
						  .block_slots = 2,
						  .producers_most = 1,
						  .consumers_most = 2,
						  .node = QUOIT_MPMC_ANYWHERE};
	struct quoit_channel_options few = {.budget_items = 2};
	struct quoit_channel_stats stats;
	static struct quoit_group group;
	struct pool_consumer seats[2];
	struct pool_producer producer;
	uint64_t batch[4] = {0};
	struct pool q;

	(void)state;
	assert_int_equal(pool_create(&q, &shared), 0);
	assert_int_equal(quoit_mpmc_attach_group(q.ring, &group), 0);
	assert_int_equal(pool_register_producer(&q, &producer), 0);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(pool_register_consumer(&q, &seats[i]), 0);
		assert_int_equal(quoit_channel_attach_mpmc(loops[i], i ? &b.channel : &a.channel,
							   &seats[i].seat, 8, &few, take_shared,
							   i ? &b : &a),
				 0);
		quoit_wake_arm(&loops[i]->wake);
	}
	assert_true(pool_send_one(&producer, batch));
	assert_int_equal(bells(loops), 1);
	assert_true(pool_send_one(&producer, batch));
	assert_int_equal(bells(loops), 2);
	assert_true(pool_send_one(&producer, batch)); /* both are awake */
	assert_int_equal(bells(loops), 0);
	for (int i = 0; i < 2; i++) {
		quoit_loop_is_awake(loops[i]);
		turn(loops[i]);
	}
	assert_int_equal(a.next + b.next, 3);

	quoit_wake_arm(&loops[0]->wake);
	quoit_wake_arm(&loops[1]->wake);
	assert_int_equal(pool_send_all(&producer, batch, 4), true);
	assert_int_equal(bells(loops), 1);
	quoit_loop_is_awake(loops[0]);
	turn(loops[0]); /* two of four */
	assert_int_equal(bells(loops), 2);
	quoit_channel_read_stats(&a.channel, &stats);
	assert_int_equal(stats.passed, 1);
	quoit_wake_arm(&loops[0]->wake);
	assert_int_equal(quoit_channel_detach(&b.channel), 0); /* called, and goes */
	assert_int_equal(bells(loops), 1);
	quoit_loop_is_awake(loops[0]);
	turn(loops[0]);
	assert_int_equal(a.next + b.next, 7);
	assert_int_equal(quoit_channel_detach(&a.channel), 0);
	pool_deregister_producer(&producer);
	for (int i = 0; i < 2; i++) {
		pool_deregister_consumer(&seats[i]);
		assert_int_equal(quoit_loop_destroy(loops[i]), 0);
	}
	quoit_mpmc_destroy(q.ring);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_turn_hands_out_all_there_is_and_more_is_false_at_its_last_run),
		TEST(budgets_end_a_turn_and_what_is_left_keeps_the_loop_from_sleeping),
		TEST(a_run_is_given_back_before_the_next_is_handled),
		TEST(what_cannot_be_attached_is_refused),
		TEST(a_sleeping_loop_is_woken_for_every_item),
		TEST(a_handler_may_detach_its_own_channel_and_another_one),
		TEST(detaching_waits_for_a_producer_that_is_about_to_ring),
		TEST(a_ring_that_has_ended_leaves_by_itself_and_tells_once),
		TEST(a_turn_in_which_a_channel_leaves_does_not_sleep),
		TEST(an_spmc_ring_feeds_two_loops_and_both_are_told_of_its_end),
		TEST(the_bell_of_an_mpmc_ring_goes_to_one_loop_who_passes_on_what_it_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
