/* SPDX-License-Identifier: MIT */
/*
 * test_spsc_race.c - what the other side of a ring may do between two loads, made to happen: the
 * acquire loads of spsc.h and spsc_wait.c call an intruder here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <quoit/rings/notify.h>
#include <quoit/rings/wait.h>

static void (*intruder)(void);
static unsigned intrude_before; /* this many loads from now, counted from 1 */

static void be_disturbed(void)
{
	if (intruder && !--intrude_before) {
		void (*const now)(void) = intruder;

		intruder = NULL; /* it loads too */
		now();
	}
}

static uint32_t load_32(const uint32_t *from)
{
	be_disturbed();
	return quoit_load_acquire(from);
}

static uint64_t load_64(const uint64_t *from)
{
	be_disturbed();
	return quoit_load_acquire(from);
}

#undef quoit_load_acquire
#define quoit_load_acquire(p) \
	_Generic((p), uint32_t *: load_32, const uint32_t *: load_32, uint64_t *: load_64, \
		 const uint64_t *: load_64)(p)
#include <quoit/rings/typed.h>

#include <quoit/rings/spsc_wait.c>

#define CAPACITY 8

QUOIT_SPSC(words, uint64_t);

static struct words q;
static uint64_t slots[CAPACITY];

/* Read all, then go round for some laps, and leave three words. */
static void both_sides_go_on(void)
{
	uint64_t some[CAPACITY] = {0};

	while (words_recv(&q, some, CAPACITY))
		;
	for (int lap = 0; lap < 3; lap++) {
		assert_int_equal(words_send(&q, some, CAPACITY), CAPACITY);
		assert_int_equal(words_recv(&q, some, CAPACITY), CAPACITY);
	}
	assert_int_equal(words_send(&q, some, 3), 3);
}

static void only_the_reader_goes_on(void)
{
	uint64_t some[CAPACITY];

	assert_int_equal(words_recv(&q, some, 4), 4);
}

/* Defect D-06. */
static void a_length_is_possible_whatever_moves_between_its_loads(void **state)
{
	void (*const intruders[])(void) = {both_sides_go_on, only_the_reader_goes_on};
	const uint64_t some[5] = {0};

	(void)state;
	for (size_t i = 0; i < 2; i++)
		for (unsigned before = 1; before <= 2; before++) {
			assert_int_equal(quoit_spsc_init_at(&q.ring, CAPACITY, UINT64_MAX - 2), 0);
			q.slots = slots;
			assert_int_equal(words_send(&q, some, 5), 5);
			intruder = intruders[i];
			intrude_before = before;
			assert_in_range(quoit_spsc_length(&q.ring), 1, CAPACITY);
			assert_null(intruder); /* it was here */
		}
}

static void a_ring_is_not_called_empty_or_full_for_what_moved_meanwhile(void **state)
{
	const uint64_t some[5] = {0};

	(void)state;
	for (unsigned before = 1; before <= 2; before++)
		for (int ask_full = 0; ask_full < 2; ask_full++) {
			assert_int_equal(quoit_spsc_init_at(&q.ring, CAPACITY, 0), 0);
			q.slots = slots;
			assert_int_equal(words_send(&q, some, 5), 5);
			intruder = only_the_reader_goes_on; /* one is left */
			intrude_before = before;
			assert_false(ask_full ? quoit_spsc_is_full(&q.ring)
					      : quoit_spsc_is_empty(&q.ring));
			assert_null(intruder);
		}
}

static void the_last_item_and_the_close(void)
{
	const uint64_t last = 42;

	assert_true(words_send_one(&q, &last));
	quoit_spsc_close(&q.ring);
}

/* Defect D-20: whoever finds the ring closed looks once more. */
static void what_came_before_the_close_is_found_at_whatever_moment_it_came(void **state)
{
	const struct quoit_wait yield = {.kind = QUOIT_WAIT_YIELD};

	(void)state;
	for (unsigned before = 1; before <= 20; before++) {
		uint64_t got = 0;
		size_t n = 0;

		assert_int_equal(quoit_spsc_init_at(&q.ring, CAPACITY, 0), 0);
		q.slots = slots;
		intruder = the_last_item_and_the_close;
		intrude_before = before;
		assert_int_equal(words_recv_wait(&q, &got, 1, &yield, &n), 0);
		assert_null(intruder);
		assert_int_equal(got, 42);
		assert_int_equal(words_recv_wait(&q, &got, 1, &yield, &n), -ESHUTDOWN);
	}
}

static void close_now(void)
{
	quoit_spsc_close(&q.ring);
}

/* Mutant check:2 of quoit_spsc_reserve_wait(). The wait finds it open, and the reservation closed.
 */
static void a_close_between_the_wait_and_the_reservation_is_told(void **state)
{
	const struct quoit_wait yield = {.kind = QUOIT_WAIT_YIELD};
	unsigned closed_in_time = 0;
	unsigned before;

	(void)state;
	for (before = 1; before <= 20; before++) {
		size_t at = 77, granted = 88;
		int rc;

		assert_int_equal(quoit_spsc_init_at(&q.ring, CAPACITY, 0), 0);
		q.slots = slots;
		intruder = close_now;
		intrude_before = before;
		rc = quoit_spsc_reserve_wait(&q.ring, 3, &yield, &at, &granted);
		if (intruder)
			break; /* it has come to its end undisturbed */
		assert_int_equal(rc, -ESHUTDOWN);
		assert_int_equal(at, 77); /* untouched */
		assert_int_equal(granted, 88);
		closed_in_time++;
	}
	intruder = NULL;
	assert_true(closed_in_time >= 2); /* before the wait, and behind it */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_length_is_possible_whatever_moves_between_its_loads),
		cmocka_unit_test(a_ring_is_not_called_empty_or_full_for_what_moved_meanwhile),
		cmocka_unit_test(what_came_before_the_close_is_found_at_whatever_moment_it_came),
		cmocka_unit_test(a_close_between_the_wait_and_the_reservation_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
