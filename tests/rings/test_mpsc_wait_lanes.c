/* SPDX-License-Identifier: MIT */
/*
 * test_mpsc_wait_lanes.c - blocking calls on a channel whose producers send more than a lane holds,
 * or come and go while others sleep. Features B62 and B91; defect D-17.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <rings/mpsc_wait_checks.h>

/* --- in parts -------------------------------------------------------------------------------- */

#define MANY (20 * CAPACITY + 3)

static int send_many(struct call *c, const struct quoit_wait *how)
{
	static struct number items[MANY];

	for (uint32_t i = 0; i < MANY; i++)
		items[i] = (struct number){0, i};
	return numbers_send_parts_wait(c->p, items, MANY, how, &c->n);
}

static void more_than_a_lane_holds_is_sent_in_parts_and_in_order(void **state)
{
	const struct quoit_wait how = blocking(LONG_NS);
	struct fixture *const f = channel_that_waits(1, 1, 0);
	struct number out[3];
	struct call c;
	size_t n = 0;

	(void)state;
	fall_asleep(&c, f, 0, send_many);
	f->sent[0] = MANY;
	while (f->got[0] < MANY) {
		assert_int_equal(numbers_recv_wait(&f->q, out, 1 + f->got[0] % 3, &how, &n), 0);
		note(f, out, n);
	}
	assert_int_equal(joined(&c), 0);
	assert_int_equal(c.n, MANY);
	end(f);
}

/* B91: with room for a part, the seed sent nothing. */
static void who_sends_in_parts_is_told_how_many_went_when_it_ends_early(void **state)
{
	const struct quoit_wait how = blocking(SHORT_NS);
	struct fixture *f = channel_that_waits(1, 1, 1);
	struct call c = call_of(f, 0);

	(void)state;
	assert_int_equal(send_many(&c, &how), -ETIMEDOUT);
	assert_int_equal(c.n, CAPACITY - 1);
	assert_int_equal(quoit_mpsc_length(f->q.channel), CAPACITY);
	assert_int_equal(numbers_send_parts_wait(&f->p[0], NULL, 0, &how, &c.n), 0);
	assert_int_equal(c.n, 0);
	discard_all(f);

	f = channel_that_waits(1, 1, 1);
	fall_asleep(&c, f, 0, send_many);
	quoit_mpsc_close(f->q.channel);
	assert_int_equal(awake(&c, space_of(f, 0)), -ESHUTDOWN);
	assert_int_equal(c.n, CAPACITY - 1);
	discard_all(f);
}

/* --- producers come and go ------------------------------------------------------------------- */

static void a_lane_used_again_wakes_its_new_producer_and_nobody_for_the_old_one(void **state)
{
	const struct quoit_wait how = blocking(SHORT_NS);
	struct fixture *const f = channel_that_waits(1, 1, CAPACITY);
	struct call c = call_of(f, 0);

	(void)state;
	assert_int_equal(send_one_wait(&c, &how), -ETIMEDOUT);
	(void)quoit_event_arm(space_of(f, 0)); /* and gone, if the deadline left it time to arm */
	assert_int_equal(numbers_deregister(&f->p[0]), 0);
	assert_int_equal(quoit_mpsc_consume_count(f->q.channel, SIZE_MAX), CAPACITY);
	(void)quoit_event_arm(f->p[0].seat.lane->ring.space_event); /* as if it were late */
	assert_int_equal(quoit_mpsc_consume_count(f->q.channel, SIZE_MAX), 0);
	assert_int_equal(numbers_register(&f->q, &f->p[0]), 0);
	assert_int_equal(space_of(f, 0)->word & 1, 0);
	for (int i = 0; i < CAPACITY; i++)
		assert_true(numbers_send_one(&f->p[0], &(struct number){0, 0}));
	fall_asleep(&c, f, 0, send_wait);
	assert_int_equal(quoit_mpsc_consume_count(f->q.channel, 2), 2);
	assert_int_equal(awake(&c, space_of(f, 0)), 0);
	discard_all(f);
}

/* Else who registers is refused for as long as nobody sends. */
static void a_consumer_that_goes_to_sleep_gives_read_lanes_back_first(void **state)
{
	const struct quoit_wait patience = blocking(LONG_NS);
	struct fixture *const f = channel_that_waits(1, 1, 0);
	struct call c;
	int rc;

	(void)state;
	fall_asleep(&c, f, -1, recv_one_wait);
	for (int i = 0; i < 50; i++) {
		assert_int_equal(numbers_deregister(&f->p[0]), 0);
		while ((rc = numbers_register(&f->q, &f->p[0])) == -EUSERS &&
		       quoit_clock_now_ns() < patience.deadline_ns)
			quoit_yield();
		assert_int_equal(rc, 0);
	}
	send_through(f, 0, 1);
	assert_int_equal(joined(&c), 0);
	discard_all(f);
}

static void wait_in_a_handler(struct number *items, size_t n, uint32_t id, void *ctx)
{
	struct fixture *const f = ctx;
	const struct quoit_wait how = blocking(SHORT_NS);

	(void)items;
	(void)n;
	(void)id;
	if (quoit_mpsc_wait_data(f->q.channel, &how))
		return;
}

static void breach(struct fixture *f)
{
	(void)numbers_consume(&f->q, SIZE_MAX, wait_in_a_handler, f);
}

static void a_handler_that_waits_is_stopped(void **state)
{
	struct fixture *const f = channel_that_waits(1, 1, 1);

	(void)state;
	assert_int_equal(stops(breach, f), QUOIT_CONFIG_ASSERT >= 2);
	discard_all(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(more_than_a_lane_holds_is_sent_in_parts_and_in_order),
		cmocka_unit_test(who_sends_in_parts_is_told_how_many_went_when_it_ends_early),
		cmocka_unit_test(
			a_lane_used_again_wakes_its_new_producer_and_nobody_for_the_old_one),
		cmocka_unit_test(a_consumer_that_goes_to_sleep_gives_read_lanes_back_first),
		cmocka_unit_test(a_handler_that_waits_is_stopped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
