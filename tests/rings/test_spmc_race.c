/* SPDX-License-Identifier: MIT */
/*
 * test_spmc_race.c - the last seat of an SPMC ring, wanted by two at once. The loads and adds of
 * spmc.c, which is compiled in here, call a watcher that does what another thread would do in
 * between.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <quoit/rings/group.h>
#include <quoit/rings/wait.h>

static void (*intruder)(void);
static void look(void);

static uint64_t load_and_be_disturbed(const uint64_t *from)
{
	const uint64_t value = quoit_load(from);
	void (*const now)(void) = intruder;

	intruder = NULL; /* it loads too */
	if (now)
		now();
	return value;
}

static uint64_t add_and_be_watched(uint64_t *to, uint64_t n)
{
	const uint64_t before = quoit_add(to, n);

	look();
	return before;
}

#undef quoit_load
#undef quoit_add
#define quoit_load(p)	load_and_be_disturbed(p)
#define quoit_add(p, n) add_and_be_watched((p), (n))
#include <quoit/rings/spmc.c>

#define SEATS 3

static struct quoit_lane_block blocks[4];
static struct quoit_spmc ring;
static struct quoit_spmc_consumer seats[SEATS + 2];
static uint64_t most;

/* What any other thread might see at this moment. */
static void look(void)
{
	most = quoit_max(most, ring.consumers);
}

static void start(size_t seated)
{
	most = 0;
	assert_int_equal(
		quoit_spmc_init(&ring, NULL, blocks, &(struct quoit_spmc_options){16, 0, SEATS}),
		0);
	for (size_t i = 0; i < seated; i++)
		assert_int_equal(quoit_spmc_register_consumer(&ring, &seats[i]), 0);
}

static void another_takes_the_seat(void)
{
	assert_int_equal(quoit_spmc_register_consumer(&ring, &seats[SEATS]), 0);
}

static void another_leaves(void)
{
	quoit_spmc_deregister_consumer(&seats[0]);
}

static void the_last_seat_goes_to_one_of_two(void **state)
{
	(void)state;
	start(SEATS - 1);
	intruder = another_takes_the_seat;
	assert_int_equal(quoit_spmc_register_consumer(&ring, &seats[SEATS + 1]), -EUSERS);
	look();
	assert_int_equal(most, SEATS);
}

/* D-26: the seed counted one too many and took it back, and was believed in between. */
static void who_is_refused_was_never_counted(void **state)
{
	(void)state;
	start(SEATS);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(quoit_spmc_register_consumer(&ring, &seats[SEATS]), -EUSERS);
	look();
	assert_int_equal(most, SEATS);
}

static void a_seat_given_back_meanwhile_is_not_lost(void **state)
{
	(void)state;
	start(SEATS - 1);
	intruder = another_leaves;
	assert_int_equal(quoit_spmc_register_consumer(&ring, &seats[SEATS]), 0);
	assert_int_equal(ring.consumers, SEATS - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_seat_goes_to_one_of_two),
		cmocka_unit_test(who_is_refused_was_never_counted),
		cmocka_unit_test(a_seat_given_back_meanwhile_is_not_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
