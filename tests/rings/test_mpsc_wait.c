/* SPDX-License-Identifier: MIT */
/*
 * test_mpsc_wait.c - blocking calls on a channel: what wakes them, what ends them, and what they
 * leave as it was. Features B62, B89 to B91, B114 to B117; defects D-04, D-05, D-14, D-16 to D-20.
 *
 * What comes of it when producers send in parts, or come and go, is in test_mpsc_wait_lanes.c, and
 * what threads make of it in tests/stress/mpsc_wait.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <rings/mpsc_wait_checks.h>

/* --- the calls that wait --------------------------------------------------------------------- */

static int recv_wait(struct call *c, const struct quoit_wait *how)
{
	struct number out[CAPACITY];

	return numbers_recv_wait(&c->f->q, out, CAPACITY, how, &c->n);
}

static void add_up(struct number *items, size_t n, uint32_t id, void *ctx)
{
	struct call *const c = ctx;

	(void)items;
	(void)id;
	c->f->arrived += n;
}

static int consume_wait(struct call *c, const struct quoit_wait *how)
{
	return numbers_consume_wait(&c->f->q, SIZE_MAX, how, &c->n, add_up, c);
}

/* The calls for items of a size that the caller's compiler does not know. */
static int plain_recv_wait(struct call *c, const struct quoit_wait *how)
{
	struct number out[CAPACITY];

	return quoit_mpsc_recv_wait(c->f->q.channel, out, CAPACITY, how, &c->n);
}

static int plain_recv_one_wait(struct call *c, const struct quoit_wait *how)
{
	struct number out;
	const int rc = quoit_mpsc_recv_one_wait(c->f->q.channel, &out, how);

	if (!rc)
		c->n = 1;
	return rc;
}

static int plain_consume_wait(struct call *c, const struct quoit_wait *how)
{
	return quoit_mpsc_consume_wait(c->f->q.channel, SIZE_MAX, how, &c->n, NULL, NULL);
}

static int reserve_wait(struct call *c, const struct quoit_wait *how)
{
	struct number *slots;
	const int rc = numbers_reserve_wait(c->p, 2, how, &slots, &c->n);

	if (!rc)
		numbers_commit(c->p, c->n);
	return rc;
}

static int plain_send_wait(struct call *c, const struct quoit_wait *how)
{
	const struct number items[2] = {{0, 0}, {0, 0}};
	const int rc = quoit_mpsc_send_wait(&c->p->seat, items, 2, how);

	if (!rc)
		c->n = 2;
	return rc;
}

static int plain_send_one_wait(struct call *c, const struct quoit_wait *how)
{
	const struct number item = {0, 0};
	const int rc = quoit_mpsc_send_one_wait(&c->p->seat, &item, how);

	if (!rc)
		c->n = 1;
	return rc;
}

static int send_parts_wait(struct call *c, const struct quoit_wait *how)
{
	const struct number items[2] = {{0, 0}, {0, 0}};
	size_t sent = 77;
	const int rc = numbers_send_parts_wait(c->p, items, 2, how, &sent);

	if (sent && sent != 77)
		c->n = sent;
	return rc;
}

static const call_fn readers[] = {recv_wait,	   recv_one_wait,	consume_wait,
				  plain_recv_wait, plain_recv_one_wait, plain_consume_wait};
static const call_fn writers[] = {reserve_wait,	   send_wait,		send_one_wait,
				  plain_send_wait, plain_send_one_wait, send_parts_wait};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* --- sleeping and being woken ---------------------------------------------------------------- */

static void send_two(struct fixture *f)
{
	send_through(f, 1, 2);
}

static void commit_later_and_flush(struct fixture *f)
{
	size_t granted = 0;

	assert_non_null(numbers_reserve(&f->p[1], 2, &granted));
	numbers_commit_later(&f->p[1], granted);
	numbers_flush(&f->p[1]);
}

static void say_the_last_word(struct fixture *f)
{
	size_t granted = 0;

	assert_non_null(numbers_reserve(&f->p[1], 2, &granted));
	numbers_commit_later(&f->p[1], granted);
	assert_int_equal(numbers_deregister(&f->p[1]), 0);
}

/* D-16: a lane that is made while the consumer sleeps is one of those that wake it. */
static void register_and_send(struct fixture *f)
{
	assert_int_equal(numbers_register(&f->q, &f->p[2]), 0);
	send_through(f, 2, 1);
}

static void whatever_publishes_wakes_the_sleeping_consumer(void **state)
{
	static void (*const publish[])(struct fixture *) = {send_two, commit_later_and_flush,
							    say_the_last_word, register_and_send};

	(void)state;
	for (size_t i = 0; i < COUNT(publish); i++)
		for (size_t r = 0; r < COUNT(readers); r++) {
			struct fixture *const f = channel_that_waits(2, 4, 0);
			struct call c;

			fall_asleep(&c, f, -1, readers[r]);
			publish[i](f);
			assert_int_equal(awake(&c, data_of(f)), 0);
			assert_in_range(c.n, 1, 2);
			discard_all(f);
		}
}

static void receive_all(struct fixture *f)
{
	struct number out[2 * CAPACITY];

	assert_int_equal(numbers_recv(&f->q, out, 2 * CAPACITY), 2 * CAPACITY);
}

static void drain_into_an_array(struct fixture *f)
{
	struct number out[2 * CAPACITY];

	assert_int_equal(numbers_drain(&f->q, out, 2 * CAPACITY), 2 * CAPACITY);
}

static void consume_all(struct fixture *f)
{
	assert_int_equal(quoit_mpsc_consume_count(f->q.channel, SIZE_MAX), 2 * CAPACITY);
}

static void drain_all(struct fixture *f)
{
	assert_int_equal(quoit_mpsc_drain_all_count(f->q.channel), 2 * CAPACITY);
}

/* D-05: space was freed and nobody told. */
static void whatever_frees_space_wakes_the_sleeping_producer(void **state)
{
	static void (*const free_all[])(struct fixture *) = {receive_all, drain_into_an_array,
							     consume_all, drain_all};

	(void)state;
	for (size_t i = 0; i < COUNT(free_all); i++)
		for (size_t w = 0; w < COUNT(writers); w++) {
			struct fixture *const f = channel_that_waits(2, 2, CAPACITY);
			struct call c;

			fall_asleep(&c, f, 1, writers[w]);
			free_all[i](f);
			assert_int_equal(awake(&c, space_of(f, 1)), 0);
			assert_int_equal(quoit_mpsc_length(f->q.channel), c.n);
			discard_all(f);
		}
}

static void space_in_one_lane_lets_the_producer_of_another_sleep(void **state)
{
	struct fixture *const f = channel_that_waits(2, 2, CAPACITY);
	struct number out[CAPACITY];
	struct call c;

	(void)state;
	fall_asleep(&c, f, 1, send_one_wait);
	assert_int_equal(numbers_recv(&f->q, out, CAPACITY), CAPACITY); /* lane 0 has the turn */
	assert_int_equal(out[0].sender, 0);
	assert_int_equal(quoit_load(&space_of(f, 1)->word) & 1, 1); /* hint: nobody else writes */
	assert_true(numbers_recv_one(&f->q, out));
	assert_int_equal(awake(&c, space_of(f, 1)), 0);
	discard_all(f);
}

/* D-04, D-19: close told nobody, or not all. */
static void closing_wakes_the_consumer_and_every_producer(void **state)
{
	(void)state;
	for (size_t w = 0; w < COUNT(writers); w++) {
		struct fixture *const f = channel_that_waits(2, 2, CAPACITY);
		struct call c[2];

		for (uint32_t i = 0; i < 2; i++)
			fall_asleep(&c[i], f, i, writers[w]);
		quoit_mpsc_close(f->q.channel);
		for (uint32_t i = 0; i < 2; i++) {
			assert_int_equal(awake(&c[i], space_of(f, i)), -ESHUTDOWN);
			assert_int_equal(c[i].n, 77);
		}
		assert_int_equal(quoit_mpsc_length(f->q.channel), 2 * CAPACITY);
		discard_all(f);
	}
	for (size_t r = 0; r < COUNT(readers); r++)
		for (uint32_t producers = 0; producers < 3; producers++) {
			struct fixture *const f = channel_that_waits(producers, 2, 0);
			struct call c;

			fall_asleep(&c, f, -1, readers[r]);
			quoit_mpsc_close(f->q.channel);
			assert_int_equal(awake(&c, data_of(f)), -ESHUTDOWN);
			assert_int_equal(c.n, 77);
			discard_all(f);
		}
}

/* --- without sleeping ------------------------------------------------------------------------ */

static void what_is_there_is_had_at_once_whatever_the_deadline(void **state)
{
	const struct quoit_wait how = {.kind = QUOIT_WAIT_BLOCK, .deadline_ns = 1 /* long past */};

	(void)state;
	for (size_t i = 0; i < COUNT(readers); i++) {
		struct fixture *const f = channel_that_waits(2, 2, 2);
		struct call c = call_of(f, 0);

		assert_int_equal(readers[i](&c, &how), 0);
		assert_int_equal(writers[i](&c, &how), 0);
		discard_all(f);
	}
}

static void a_wait_for_nothing_ends_at_its_deadline_with_all_untouched(void **state)
{
	(void)state;
	for (int kind = 0; kind <= QUOIT_WAIT_PHASED; kind++) {
		struct fixture *const empty = channel_that_waits(2, 2, 0);
		struct quoit_wait how = blocking(SHORT_NS);
		struct call c = call_of(empty, 0);

		how.kind = (enum quoit_wait_kind)kind;
		for (size_t r = 0; r < COUNT(readers); r++) {
			assert_int_equal(readers[r](&c, &how), -ETIMEDOUT);
			assert_int_equal(c.n, 77);
		}
		assert_int_equal(quoit_mpsc_wait_rest(empty->q.channel, &how), -ETIMEDOUT);
		assert_true(quoit_clock_now_ns() >= how.deadline_ns);
		send_through(empty, 0, CAPACITY);
		for (size_t w = 0; w < COUNT(writers); w++) {
			assert_int_equal(writers[w](&c, &how), -ETIMEDOUT);
			assert_int_equal(c.n, 77);
		}
		assert_int_equal(quoit_mpsc_length(empty->q.channel), CAPACITY);
		discard_all(empty);
	}
}

/* D-20: what was sent before the close was reported as the end, and lost. */
static void a_closed_channel_is_read_to_its_end_before_it_says_so(void **state)
{
	const struct quoit_wait how = blocking(LONG_NS);

	(void)state;
	for (size_t r = 0; r < COUNT(readers); r++) {
		struct fixture *const f = channel_that_waits(2, 2, 0);
		struct call c = call_of(f, 0);
		struct number out;

		assert_false(numbers_recv_one(&f->q, &out)); /* it has looked, and found nothing */
		send_through(f, 1, 1);
		quoit_mpsc_close(f->q.channel);
		assert_int_equal(readers[r](&c, &how), 0);
		assert_int_equal(c.n, 1);
		assert_int_equal(readers[r](&c, &how), -ESHUTDOWN);
		discard_all(f);
	}
}

/* The same for a consumer that wakes up to both at once. */
static void a_consumer_that_finds_an_item_and_the_close_takes_the_item(void **state)
{
	const struct quoit_wait how = blocking(LONG_NS);

	(void)state;
	for (size_t r = 0; r < COUNT(readers); r++) {
		struct fixture *const f = channel_that_waits(2, 2, 0);
		struct call c;
		size_t n;

		fall_asleep(&c, f, -1, readers[r]);
		assert_non_null(numbers_reserve(&f->p[1], 1, &n));
		numbers_commit_later(&f->p[1], 1);
		quoit_mpsc_publish(&f->p[1].seat); /* wakes nobody */
		quoit_mpsc_close(f->q.channel);
		assert_int_equal(awake(&c, data_of(f)), 0);
		assert_int_equal(c.n, 1);
		assert_int_equal(readers[r](&c, &how), -ESHUTDOWN);
		discard_all(f);
	}
}

static int rest_wait(struct call *c, const struct quoit_wait *how)
{
	return quoit_mpsc_wait_rest(c->f->q.channel, how);
}

/* D-18: closed and empty is not the end while a reservation is open. */
static void waiting_for_the_rest_ends_with_the_last_producer_and_not_with_the_close(void **state)
{
	const struct quoit_wait how = blocking(LONG_NS);
	struct fixture *const f = channel_that_waits(2, 2, 0);
	struct number out;
	struct call c;
	size_t n;

	(void)state;
	assert_non_null(numbers_reserve(&f->p[0], 1, &n));
	quoit_mpsc_close(f->q.channel);
	assert_int_equal(quoit_mpsc_wait_data(f->q.channel, &how), -ESHUTDOWN);
	fall_asleep(&c, f, -1, rest_wait);
	numbers_commit(&f->p[0], 1);
	assert_int_equal(awake(&c, data_of(f)), 0);
	assert_true(numbers_recv_one(&f->q, &out));
	fall_asleep(&c, f, -1, rest_wait);
	assert_int_equal(numbers_deregister(&f->p[0]), 0);
	assert_int_equal(numbers_deregister(&f->p[1]), 0);
	assert_int_equal(joined(&c), -ESHUTDOWN);
	assert_true(quoit_mpsc_is_drained(f->q.channel));
	discard_all(f);
}

static void a_closed_channel_takes_nothing_however_much_is_free(void **state)
{
	const struct quoit_wait how = blocking(LONG_NS);
	struct fixture *const f = channel_that_waits(1, 1, 0);
	struct call c = call_of(f, 0);
	size_t n = 77;

	(void)state;
	quoit_mpsc_close(f->q.channel);
	for (size_t w = 0; w < COUNT(writers); w++)
		assert_int_equal(writers[w](&c, &how), -ESHUTDOWN);
	assert_null(numbers_reserve_backoff(&f->p[0], 1, &n));
	assert_int_equal(n, 77);
	assert_int_equal(quoit_mpsc_length(f->q.channel), 0);
	discard_all(f);
}

/* D-14: what can never be had was called closed. */
static void a_wait_that_cannot_end_is_refused(void **state)
{
	struct quoit_wait how = blocking(LONG_NS);
	struct fixture *f = channel_that_waits(1, 1, 0);
	struct call c = call_of(f, 0);
	const struct number items[CAPACITY + 1] = {{0, 0}};

	(void)state;
	assert_int_equal(numbers_send_wait(&f->p[0], items, CAPACITY + 1, &how), -EINVAL);
	assert_int_equal(numbers_send_wait(&f->p[0], items, 0, &how), -EINVAL);
	how.kind = QUOIT_WAIT_TIMED;
	how.deadline_ns = 0;
	for (size_t i = 0; i < COUNT(readers); i++) {
		assert_int_equal(readers[i](&c, &how), -EINVAL);
		assert_int_equal(writers[i](&c, &how), -EINVAL);
	}
	discard_all(f);
	f = channel_with(1, CAPACITY, 0);
	c = call_of(f, 0);
	how.kind = QUOIT_WAIT_BLOCK; /* nobody would wake it */
	for (size_t i = 0; i < COUNT(readers); i++) {
		assert_int_equal(readers[i](&c, &how), -EINVAL);
		assert_int_equal(writers[i](&c, &how), -EINVAL);
	}
	assert_int_equal(quoit_mpsc_wait_rest(f->q.channel, &how), -EINVAL);
	assert_int_equal(c.n, 77);
	discard_all(f);
}

static void kinds_that_do_not_sleep_need_no_events(void **state)
{
	static const enum quoit_wait_kind kinds[] = {QUOIT_WAIT_SPIN, QUOIT_WAIT_YIELD,
						     QUOIT_WAIT_SLEEP};

	(void)state;
	for (size_t i = 0; i < COUNT(kinds); i++) {
		struct fixture *const f = channel_with(1, CAPACITY, 0);
		const struct quoit_wait how = {.kind = kinds[i],
					       .deadline_ns = quoit_deadline_ns(SHORT_NS)};
		struct call c = call_of(f, 0);

		assert_int_equal(recv_wait(&c, &how), -ETIMEDOUT);
		send_through(f, 0, CAPACITY);
		assert_int_equal(send_wait(&c, &how), -ETIMEDOUT);
		assert_int_equal(recv_wait(&c, &how), 0);
		assert_int_equal(c.n, CAPACITY);
		discard_all(f);
	}
}

static void what_was_committed_later_is_published_before_its_producer_waits(void **state)
{
	const struct quoit_wait how = blocking(SHORT_NS);
	struct fixture *const f = channel_that_waits(1, 1, 0);
	struct call c = call_of(f, 0);
	size_t n;

	(void)state;
	assert_non_null(numbers_reserve(&f->p[0], CAPACITY, &n));
	numbers_commit_later(&f->p[0], CAPACITY);
	assert_int_equal(send_wait(&c, &how), -ETIMEDOUT);
	assert_int_equal(quoit_mpsc_length(f->q.channel), CAPACITY);
	discard_all(f);
}

static void backing_off_gives_up_on_a_full_lane(void **state)
{
	struct fixture *const f = channel_that_waits(1, 1, CAPACITY - 1);
	size_t n = 77;

	(void)state;
	assert_non_null(numbers_reserve_backoff(&f->p[0], 1, &n));
	assert_int_equal(n, 1);
	numbers_commit(&f->p[0], 1);
	n = 77;
	assert_null(numbers_reserve_backoff(&f->p[0], 1, &n));
	assert_null(numbers_reserve_backoff(&f->p[0], CAPACITY + 1, &n));
	assert_int_equal(n, 77);
	discard_all(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_publishes_wakes_the_sleeping_consumer),
		cmocka_unit_test(whatever_frees_space_wakes_the_sleeping_producer),
		cmocka_unit_test(space_in_one_lane_lets_the_producer_of_another_sleep),
		cmocka_unit_test(closing_wakes_the_consumer_and_every_producer),
		cmocka_unit_test(what_is_there_is_had_at_once_whatever_the_deadline),
		cmocka_unit_test(a_wait_for_nothing_ends_at_its_deadline_with_all_untouched),
		cmocka_unit_test(a_closed_channel_is_read_to_its_end_before_it_says_so),
		cmocka_unit_test(a_consumer_that_finds_an_item_and_the_close_takes_the_item),
		cmocka_unit_test(
			waiting_for_the_rest_ends_with_the_last_producer_and_not_with_the_close),
		cmocka_unit_test(a_closed_channel_takes_nothing_however_much_is_free),
		cmocka_unit_test(a_wait_that_cannot_end_is_refused),
		cmocka_unit_test(kinds_that_do_not_sleep_need_no_events),
		cmocka_unit_test(what_was_committed_later_is_published_before_its_producer_waits),
		cmocka_unit_test(backing_off_gives_up_on_a_full_lane),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
