/* SPDX-License-Identifier: MIT */
/*
 * test_last_look.c - what comes together with the deadline is not left behind (defect D-20). A wait
 * asks the clock whether it is late; here the clock is wrapped by the linker, and what is waited
 * for happens in that very moment, on the same thread. Whoever then says "too late" has not looked
 * again.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include <quoit/numa/clock.h>
#include <quoit/rings/typed_shared.h>

#define CAPACITY 4

QUOIT_SPMC(shared, uint64_t);
QUOIT_MPMC(jobs, uint64_t);

static void (*at_the_clock)(void);

uint64_t __real_quoit_clock_now_ns(void);
uint64_t __wrap_quoit_clock_now_ns(void);

uint64_t __wrap_quoit_clock_now_ns(void)
{
	void (*const happen)(void) = at_the_clock;

	at_the_clock = NULL; /* once */
	if (happen)
		happen();
	return __real_quoit_clock_now_ns();
}

/* The same for what comes between the last look and the end of the wait. */
static void (*at_the_end)(void);

bool __real_quoit_crowd_end(struct quoit_crowd_waiter *waiter);
bool __wrap_quoit_crowd_end(struct quoit_crowd_waiter *waiter);

bool __wrap_quoit_crowd_end(struct quoit_crowd_waiter *waiter)
{
	void (*const happen)(void) = at_the_end;

	at_the_end = NULL; /* once */
	if (happen)
		happen();
	return __real_quoit_crowd_end(waiter);
}

static const enum quoit_wait_kind kinds[] = {QUOIT_WAIT_SPIN, QUOIT_WAIT_YIELD, QUOIT_WAIT_SLEEP,
					     QUOIT_WAIT_BLOCK, QUOIT_WAIT_PHASED};

/* It has to pause or yield before it is late. */
static struct quoit_wait overdue(enum quoit_wait_kind kind)
{
	const struct quoit_wait how = {.kind = kind, .spins = 1, .yields = 1, .deadline_ns = 1};

	return how;
}

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* --- SPMC ------------------------------------------------------------------------------------ */

static struct shared ring;
static struct shared_consumer consumer;
static struct quoit_spmc_waits waits;
static struct quoit_lane_block blocks[CAPACITY];
static uint64_t slots[CAPACITY];

static void start(void)
{
	const struct quoit_spmc_options options = {CAPACITY, 1, 1};

	assert_int_equal(shared_init(&ring, slots, blocks, &options), 0);
	assert_int_equal(quoit_spmc_attach_waits(&ring.ring, &waits), 0);
	assert_int_equal(shared_register_consumer(&ring, &consumer), 0);
}

static void an_item_comes(void)
{
	assert_true(shared_send_one(&ring, &(uint64_t){7}));
}

static void a_slot_comes_free(void)
{
	uint64_t item;

	assert_true(shared_steal_one(&consumer, &item));
}

static void an_item_that_comes_with_the_deadline_is_taken(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(kinds); i++) {
		const struct quoit_wait how = overdue(kinds[i]);
		uint64_t item = 0;

		start();
		at_the_clock = an_item_comes;
		assert_int_equal(shared_steal_one_wait(&consumer, &item, &how), 0);
		assert_int_equal(item, 7);
		assert_int_equal(shared_steal_one_wait(&consumer, &item, &how), -ETIMEDOUT);
	}
}

/* Late while it yields, it raises its bit, looks for the last time, and is then called. */
static void who_is_called_while_giving_up_takes_what_it_was_called_for(void **state)
{
	const struct quoit_wait how = {.kind = QUOIT_WAIT_PHASED, .yields = 1, .deadline_ns = 1};
	uint64_t item = 0;

	(void)state;
	start();
	at_the_end = an_item_comes;
	assert_int_equal(shared_steal_one_wait(&consumer, &item, &how), 0);
	assert_int_equal(item, 7);
	assert_null(at_the_end);
	assert_int_equal(quoit_crowd_sleepers(&waits.crowd), 0);
}

static void a_slot_that_comes_free_with_the_deadline_is_filled(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(kinds); i++) {
		const struct quoit_wait how = overdue(kinds[i]);

		start();
		for (uint64_t n = 0; n < CAPACITY; n++)
			assert_true(shared_send_one(&ring, &n));
		at_the_clock = a_slot_comes_free;
		assert_int_equal(shared_send_one_wait(&ring, &(uint64_t){8}, &how), 0);
		assert_int_equal(shared_send_one_wait(&ring, &(uint64_t){9}, &how), -ETIMEDOUT);
	}
}

/* --- MPMC ------------------------------------------------------------------------------------ */

static struct jobs q;
static struct jobs_producer producer;

/* From a producer that was not there before. */
static void a_producer_comes_with_an_item(void)
{
	assert_int_equal(jobs_register_producer(&q, &producer), 0);
	assert_true(jobs_send_one(&producer, &(uint64_t){7}));
}

static void an_item_of_a_new_lane_that_comes_with_the_deadline_is_taken(void **state)
{
	const struct quoit_mpmc_options options = {.capacity_slots = CAPACITY,
						   .producers_most = 1,
						   .consumers_most = 1,
						   .node = QUOIT_MPMC_ANYWHERE};
	static struct quoit_crowd crowd;
	struct jobs_consumer c;

	(void)state;
	for (size_t i = 0; i < COUNT(kinds); i++) {
		const struct quoit_wait how = overdue(kinds[i]);
		uint64_t item = 0;

		assert_int_equal(jobs_create(&q, &options), 0);
		assert_int_equal(quoit_mpmc_attach_waits(q.ring, &crowd), 0);
		assert_int_equal(jobs_register_consumer(&q, &c), 0);
		at_the_clock = a_producer_comes_with_an_item;
		assert_int_equal(jobs_steal_one_wait(&c, &item, &how), 0);
		assert_int_equal(item, 7);
		assert_int_equal(jobs_steal_one_wait(&c, &item, &how), -ETIMEDOUT);
		jobs_deregister_consumer(&c);
		jobs_deregister_producer(&producer);
		jobs_destroy(&q);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_item_that_comes_with_the_deadline_is_taken),
		cmocka_unit_test(who_is_called_while_giving_up_takes_what_it_was_called_for),
		cmocka_unit_test(a_slot_that_comes_free_with_the_deadline_is_filled),
		cmocka_unit_test(an_item_of_a_new_lane_that_comes_with_the_deadline_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
