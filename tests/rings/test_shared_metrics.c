/* SPDX-License-Identifier: MIT */
/*
 * test_shared_metrics.c - what lanes and their consumers count: features B5, B93, B100 and B188 to
 * B194 for SPMC and MPMC, defects D-25 and D-60. This program is built with CONFIG_METRICS whatever
 * the rest is built with, and so brings along the files of the library that know the layout.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <quoit/config.h>
#ifndef QUOIT_CONFIG_METRICS
#define QUOIT_CONFIG_METRICS 1
#endif

#include <quoit/numa/sys_internal.h>

#include <pthread.h>
#include <string.h>

#include <quoit/rings/lane.h>

static bool loses_claims;

static enum quoit_claim_status claim_or_lose(struct quoit_lane *lane, uint64_t *tail_seen,
					     size_t most, struct quoit_claim *claim)
{
	return loses_claims ? QUOIT_CLAIM_LOST : quoit_lane_claim(lane, tail_seen, most, claim);
}

#define quoit_lane_claim claim_or_lose

#include <quoit/rings/abi.c>
#include <quoit/rings/lane.c>
#include <quoit/rings/lane_wait.h>

static bool is_closed_before_it_reserves;

static size_t reserve_late(struct quoit_lane *lane, size_t want, size_t *at)
{
	if (is_closed_before_it_reserves)
		quoit_lane_close(lane);
	return quoit_lane_reserve(lane, want, at);
}

#define quoit_lane_reserve reserve_late
#include <quoit/rings/lane_wait.c>
#undef quoit_lane_reserve

#include <quoit/rings/mpmc.c>
#include <quoit/rings/mpmc_search.c>
#include <quoit/rings/shared_wait.c>
#include <quoit/rings/spmc.c>
#include <quoit/rings/typed_shared.h>

#define CAPACITY 16 /* in blocks of 4 */

QUOIT_SPMC(shared, uint64_t);
QUOIT_MPMC(jobs, uint64_t);

struct fixture {
	struct shared q;
	struct quoit_spmc_waits waits;
	struct shared_consumer c[2];
	struct quoit_meter meter[2];
	struct quoit_metrics now;
	struct quoit_lane_block blocks[CAPACITY / 4];
	uint64_t slots[CAPACITY];
};

/* Both consumers count, each for itself; the producer counts into the first meter. */
static void start(struct fixture *f)
{
	const struct quoit_spmc_options options = {CAPACITY, 4, 2};

	memset(f, 0, sizeof(*f));
	assert_int_equal(shared_init(&f->q, f->slots, f->blocks, &options), 0);
	assert_int_equal(quoit_spmc_attach_waits(&f->q.ring, &f->waits), 0);
	assert_int_equal(quoit_lane_attach_meter(&f->q.ring.lane, &f->meter[0]), 0);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(shared_register_consumer(&f->q, &f->c[i]), 0);
		assert_int_equal(quoit_spmc_attach_meter(&f->c[i].seat, &f->meter[i]), 0);
	}
}

static const struct quoit_metrics *look(struct fixture *f, size_t i)
{
	quoit_meter_read(&f->meter[i], &f->now);
	return &f->now;
}

static void send(struct fixture *f, size_t n)
{
	const uint64_t items[CAPACITY] = {0};

	assert_int_equal(shared_send(&f->q, items, n), n);
}

static void items_and_batches_are_counted_by_the_lane_and_by_each_consumer(void **state)
{
	static struct fixture f;
	uint64_t out[CAPACITY];

	(void)state;
	start(&f);
	send(&f, 3);
	send(&f, 5);
	assert_int_equal(shared_steal(&f.c[0], out, 4), 4);
	assert_int_equal(shared_steal(&f.c[1], out, 1), 1);
	assert_int_equal(shared_steal(&f.c[1], out, 9), 3);
	assert_int_equal(look(&f, 0)->items_sent, 8);
	assert_int_equal(f.now.batches_sent, 2);
	assert_int_equal(f.now.batch_sent_max, 5);
	assert_int_equal(f.now.items_received, 4);
	assert_int_equal(f.now.batches_received, 1);
	assert_int_equal(f.now.batch_received_max, 4);
	assert_int_equal(look(&f, 1)->items_sent, 0);
	assert_int_equal(f.now.items_received, 4);
	assert_int_equal(f.now.batches_received, 2);
	assert_int_equal(f.now.batch_received_max, 3);
}

static void a_claim_is_held_from_its_beginning_to_its_give_back(void **state)
{
	static struct fixture f;
	struct quoit_claim claim = {0};
	uint64_t since_ns;

	(void)state;
	start(&f);
	send(&f, 3);
	assert_int_equal(look(&f, 0)->batches_held, 0);
	assert_non_null(shared_take(&f.c[0], 3, &claim));
	since_ns = quoit_clock_now_ns();
	while (quoit_clock_now_ns() - since_ns < 1000000)
		;
	assert_int_equal(look(&f, 0)->batches_held, 0);
	shared_release(&f.c[0], &claim, 3);
	assert_int_equal(look(&f, 0)->batches_held, 1);
	assert_true(f.now.held_ns >= 1000000);
	assert_true(f.now.held_ns_min == f.now.held_ns && f.now.held_ns_max == f.now.held_ns);
}

static void refusals_and_waits_are_counted(void **state)
{
	const struct quoit_wait how = {.kind = QUOIT_WAIT_YIELD,
				       .deadline_ns = quoit_deadline_ns(1000000)};
	static struct fixture f;
	struct quoit_claim claim = {0};
	uint64_t item = 0;
	size_t at;

	(void)state;
	start(&f);
	assert_int_equal(quoit_spmc_take_wait(&f.c[1].seat, 1, &how, &claim), -ETIMEDOUT);
	send(&f, CAPACITY);
	assert_int_equal(look(&f, 0)->reserve_failures, 0);
	assert_int_equal(quoit_spmc_reserve(&f.q.ring, 1, &at), 0);
	assert_int_equal(quoit_spmc_reserve_some(&f.q.ring, 1, &at), 0);
	assert_int_equal(look(&f, 0)->reserve_failures, 2);
	assert_int_equal(shared_send_one_wait(&f.q, &item, &how), -ETIMEDOUT);
	assert_int_equal(look(&f, 0)->producer_waits, 1);
	assert_true(f.now.producer_spins);
	assert_int_equal(f.now.consumer_waits, 0);
	assert_int_equal(look(&f, 1)->consumer_waits, 1);
	assert_true(f.now.consumer_spins && f.now.consumer_wait_ns >= 1000);
	assert_int_equal(quoit_spmc_take_wait(&f.c[1].seat, 1, &how, &claim), 0);
	assert_int_equal(look(&f, 1)->consumer_waits, 1); /* it did not have to */
	quoit_spmc_release(&f.c[1].seat, &claim, 1);
}

/* The two put together. */
static uint64_t producer_waits(struct fixture *f)
{
	return look(f, 0)->producer_waits;
}

/* Neither what is granted at once nor what never can be. */
static void backing_off_counts_as_a_wait_only_where_it_backs_off(void **state)
{
	static struct fixture f;
	struct quoit_lane *const lane = &f.q.ring.lane;
	uint64_t spins;
	size_t at;

	(void)state;
	start(&f);
	assert_int_equal(quoit_lane_reserve_backoff(lane, CAPACITY, &at), CAPACITY);
	quoit_lane_commit(lane, CAPACITY);
	assert_int_equal(quoit_lane_reserve_backoff(lane, 0, &at), 0);
	assert_int_equal(quoit_lane_reserve_backoff(lane, CAPACITY + 1, &at), 0);
	assert_int_equal(producer_waits(&f), 0);
	assert_int_equal(quoit_lane_reserve_backoff(lane, 1, &at), 0);
	assert_int_equal(producer_waits(&f), 1);
	spins = f.now.producer_spins;
	assert_true(spins > 0);
	quoit_lane_close(lane);
	assert_int_equal(quoit_lane_reserve_backoff(lane, 1, &at), 0);
	assert_int_equal(producer_waits(&f), 2);
	assert_int_equal(f.now.producer_spins, spins); /* at once */
	assert_int_equal(lane->bells_saved, 0);	       /* nobody has one */
}

/* The whole of a lane can be had once all of it is free: that is worth a wait. */
static void backing_off_for_the_whole_lane_is_a_wait(void **state)
{
	static struct fixture f;
	struct quoit_lane *const lane = &f.q.ring.lane;
	size_t at;

	(void)state;
	start(&f);
	assert_int_equal(quoit_lane_reserve(lane, 1, &at), 1);
	quoit_lane_commit(lane, 1);
	assert_int_equal(quoit_lane_reserve_backoff(lane, CAPACITY, &at), 0);
	assert_int_equal(producer_waits(&f), 1);
	assert_true(f.now.producer_spins > 0);
}

static void room_that_is_there_is_no_wait_and_publishes_nothing(void **state)
{
	static struct fixture f;
	struct quoit_lane *const lane = &f.q.ring.lane;
	const struct quoit_wait how = {.kind = QUOIT_WAIT_SPIN, .deadline_ns = 1};
	uint64_t out[CAPACITY];
	size_t at, granted = 77;

	(void)state;
	start(&f);
	assert_int_equal(quoit_lane_reserve(lane, 1, &at), 1);
	quoit_lane_commit_later(lane, 1);
	assert_int_equal(quoit_lane_wait_space(lane, 4, &how), 0);
	assert_true(quoit_lane_is_unpublished(lane));
	assert_int_equal(producer_waits(&f), 0);
	assert_int_equal(quoit_lane_reserve(lane, CAPACITY - 1, &at), CAPACITY - 1);
	quoit_lane_commit_later(lane, CAPACITY - 1);
	assert_int_equal(quoit_lane_wait_space(lane, 1, &how), -ETIMEDOUT);
	assert_false(quoit_lane_is_unpublished(lane));
	assert_int_equal(producer_waits(&f), 1);
	assert_int_equal(shared_steal(&f.c[0], out, CAPACITY), CAPACITY);
	is_closed_before_it_reserves = true;
	assert_int_equal(quoit_lane_reserve_wait(lane, 1, &how, &at, &granted), -ESHUTDOWN);
	is_closed_before_it_reserves = false;
	assert_int_equal(granted, 77);
}

static void meters_of_several_consumers_add_up(void **state)
{
	static struct fixture f;
	struct quoit_metrics sum = {0};
	uint64_t out[CAPACITY];

	(void)state;
	start(&f);
	send(&f, 4);
	assert_int_equal(shared_steal(&f.c[0], out, 3), 3);
	assert_int_equal(shared_steal(&f.c[1], out, 3), 1);
	f.meter[1].consumer.failures = 2;
	for (size_t i = 0; i < 2; i++)
		quoit_metrics_merge(&sum, look(&f, i));
	assert_int_equal(sum.items_sent, 4);
	assert_int_equal(sum.items_received, 4);
	assert_int_equal(sum.batch_received_max, 3);
	assert_int_equal(sum.batches_held, 2);
	assert_int_equal(sum.claims_lost, 2);
}

/* A block that is stepped over is published, and no item. */
static void blocks_that_are_stepped_over_are_not_counted_as_sent(void **state)
{
	static struct fixture f;
	struct quoit_claim held = {0};
	uint64_t out[CAPACITY];

	(void)state;
	start(&f);
	send(&f, CAPACITY);
	assert_non_null(shared_take(&f.c[0], 1, &held));
	assert_int_equal(shared_steal(&f.c[1], out, CAPACITY), CAPACITY - 1);
	send(&f, 6); /* behind the block of the one that is held */
	assert_int_equal(f.q.ring.lane.stepped_over, 1);
	assert_int_equal(look(&f, 0)->items_sent, CAPACITY + 6);
	assert_int_equal(f.now.batch_sent_max, CAPACITY);
	assert_int_equal(f.now.batches_sent, 2);

	/* Who begins to count later is not told of it. */
	assert_int_equal(quoit_lane_attach_meter(&f.q.ring.lane, NULL), 0);
	assert_int_equal(shared_steal(&f.c[1], out, CAPACITY), 6);
	send(&f, 6);
	assert_int_equal(quoit_lane_attach_meter(&f.q.ring.lane, &f.meter[0]), 0);
	assert_int_equal(shared_steal(&f.c[1], out, CAPACITY), 6);
	send(&f, 2);
	assert_int_equal(look(&f, 0)->items_sent, CAPACITY + 8);
	shared_release(&f.c[0], &held, 1);
	assert_int_equal(shared_steal(&f.c[1], out, CAPACITY), 2);
	assert_int_equal(look(&f, 0)->items_received + look(&f, 1)->items_received, CAPACITY + 14);
}

static void who_has_no_meter_counts_nothing(void **state)
{
	static struct fixture f;
	uint64_t out[CAPACITY];

	(void)state;
	start(&f);
	assert_int_equal(quoit_lane_attach_meter(&f.q.ring.lane, NULL), 0);
	assert_int_equal(quoit_spmc_attach_meter(&f.c[0].seat, NULL), 0);
	send(&f, 4);
	assert_int_equal(shared_steal(&f.c[0], out, 3), 3);
	assert_int_equal(look(&f, 0)->items_sent, 0);
	assert_int_equal(f.now.items_received, 0);
}

#define RACERS 4
#define EACH   20000

struct racer {
	struct shared *q;
	struct shared_consumer *c;
};

static void *race_worker(void *arg)
{
	struct racer *const racer = arg;
	struct quoit_claim claim = {0};

	while (!quoit_spmc_is_drained(&racer->q->ring))
		if (shared_claim(racer->c, 1, &claim))
			shared_release(racer->c, &claim, 1);
	return NULL;
}

/* The meter agrees with what the handle has counted of races. */
static void claims_lost_to_others_are_counted(void **state)
{
	static struct shared_consumer c[RACERS];
	static struct quoit_meter meters[RACERS];
	static struct fixture f;
	const struct quoit_spmc_options options = {CAPACITY, 4, RACERS};
	struct racer racers[RACERS];
	pthread_t threads[RACERS];
	struct quoit_metrics sum = {0};
	uint64_t lost = 0;

	(void)state;
	start(&f);
	assert_int_equal(shared_init(&f.q, f.slots, f.blocks, &options), 0);
	for (size_t i = 0; i < RACERS; i++) {
		assert_int_equal(shared_register_consumer(&f.q, &c[i]), 0);
		assert_int_equal(quoit_spmc_attach_meter(&c[i].seat, &meters[i]), 0);
		racers[i] = (struct racer){&f.q, &c[i]};
		assert_int_equal(pthread_create(&threads[i], NULL, race_worker, &racers[i]), 0);
	}
	for (uint64_t i = 0; i < EACH;)
		i += shared_send_one(&f.q, &i);
	quoit_spmc_finish(&f.q.ring);
	for (size_t i = 0; i < RACERS; i++) {
		pthread_join(threads[i], NULL);
		quoit_meter_read(&meters[i], &f.now);
		quoit_metrics_merge(&sum, &f.now);
		lost += c[i].seat.races_lost;
	}
	assert_int_equal(sum.items_received, EACH);
	assert_int_equal(sum.claims_lost, lost);
}

static void a_claim_that_others_were_faster_with_counts_and_an_empty_ring_does_not(void **state)
{
	const struct quoit_mpmc_options options = {.capacity_slots = CAPACITY,
						   .producers_most = 1,
						   .consumers_most = 1,
						   .node = QUOIT_MPMC_ANYWHERE};
	struct quoit_meter meter = {0};
	struct quoit_metrics now;
	struct quoit_claim claim;
	struct jobs_producer p;
	struct jobs_consumer c;
	struct jobs q;

	(void)state;
	assert_int_equal(jobs_create(&q, &options), 0);
	assert_int_equal(jobs_register_producer(&q, &p), 0);
	assert_int_equal(jobs_register_consumer(&q, &c), 0);
	assert_int_equal(quoit_mpmc_attach_meter(&c.seat, &meter), 0);
	assert_int_equal(quoit_mpmc_claim(&c.seat, 1, &claim), QUOIT_CLAIM_EMPTY);
	quoit_meter_read(&meter, &now);
	assert_int_equal(now.claims_lost, 0);
	assert_true(jobs_send_one(&p, &(uint64_t){1}));
	loses_claims = true;
	assert_int_equal(quoit_mpmc_claim(&c.seat, 1, &claim), QUOIT_CLAIM_LOST);
	loses_claims = false;
	quoit_meter_read(&meter, &now);
	assert_int_equal(now.claims_lost, 1);
	assert_int_equal(c.seat.races_lost, 3);	  /* in its shard, in the fullest, in all */
	assert_int_equal(c.seat.from_fullest, 0); /* where it has got nothing */
	assert_int_equal(quoit_mpmc_claim(&c.seat, 1, &claim), QUOIT_CLAIM_GOT);
	quoit_mpmc_release(&c.seat, &claim, 1);
	jobs_deregister_producer(&p);
	jobs_deregister_consumer(&c);
	quoit_mpmc_destroy(q.ring);
}

static void each_mpmc_producer_and_consumer_has_a_meter_of_its_own(void **state)
{
	const struct quoit_mpmc_options options = {.capacity_slots = CAPACITY,
						   .block_slots = 4,
						   .producers_most = 2,
						   .consumers_most = 1,
						   .node = QUOIT_MPMC_ANYWHERE};
	static struct quoit_meter meters[3];
	struct quoit_metrics now[3];
	const uint64_t items[CAPACITY] = {0};
	uint64_t out[CAPACITY];
	struct jobs_producer p[2];
	struct jobs_consumer c;
	struct jobs q;

	(void)state;
	assert_int_equal(jobs_create(&q, &options), 0);
	assert_int_equal(jobs_register_consumer(&q, &c), 0);
	assert_int_equal(quoit_mpmc_attach_meter(&c.seat, &meters[2]), 0);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(jobs_register_producer(&q, &p[i]), 0);
		assert_int_equal(quoit_lane_attach_meter(&p[i].seat.lane->lane, &meters[i]), 0);
		assert_int_equal(jobs_send(&p[i], items, 3 + i), 3 + i);
	}
	assert_int_equal(jobs_steal(&c, out, CAPACITY), 7);
	jobs_deregister_producer(&p[1]);
	assert_int_equal(jobs_register_producer(&q, &p[1]), 0); /* the same lane, no meter yet */
	assert_int_equal(jobs_send(&p[1], items, 1), 1);
	assert_int_equal(jobs_steal(&c, out, CAPACITY), 1);
	for (size_t i = 0; i < 3; i++)
		quoit_meter_read(&meters[i], &now[i]);
	assert_int_equal(now[0].items_sent, 3);
	assert_int_equal(now[1].items_sent, 4);
	assert_int_equal(now[2].items_sent, 0);
	assert_int_equal(now[2].items_received, 8);
	assert_true(now[2].batches_held == now[2].batches_received && now[2].batches_held >= 3);
	jobs_deregister_consumer(&c);
	for (size_t i = 0; i < 2; i++)
		jobs_deregister_producer(&p[i]);
	jobs_destroy(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items_and_batches_are_counted_by_the_lane_and_by_each_consumer),
		cmocka_unit_test(a_claim_is_held_from_its_beginning_to_its_give_back),
		cmocka_unit_test(refusals_and_waits_are_counted),
		cmocka_unit_test(backing_off_counts_as_a_wait_only_where_it_backs_off),
		cmocka_unit_test(backing_off_for_the_whole_lane_is_a_wait),
		cmocka_unit_test(room_that_is_there_is_no_wait_and_publishes_nothing),
		cmocka_unit_test(meters_of_several_consumers_add_up),
		cmocka_unit_test(blocks_that_are_stepped_over_are_not_counted_as_sent),
		cmocka_unit_test(who_has_no_meter_counts_nothing),
		cmocka_unit_test(claims_lost_to_others_are_counted),
		cmocka_unit_test(
			a_claim_that_others_were_faster_with_counts_and_an_empty_ring_does_not),
		cmocka_unit_test(each_mpmc_producer_and_consumer_has_a_meter_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
