/* SPDX-License-Identifier: MIT */
/*
 * test_spsc_wait.c - blocking calls on a ring: what wakes them, what ends them, and what they leave
 * as it was. Features B21 to B23, B30, B41, B114 to B128; defects D-04, D-05, D-14 and D-20.
 *
 * A test that must see a sleeper woken looks until it sleeps, then does the one thing that has to
 * wake it, and finds the event's word taken back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>

#include <quoit/rings/typed.h>

#define CAPACITY 4
#define LONG_NS	 INT64_C(10000000000)
#define SHORT_NS INT64_C(1000000)

QUOIT_SPSC(words, uint64_t);

struct fixture {
	struct words q;
	uint64_t slots[CAPACITY];
	struct quoit_waits waits;
	pthread_t thread;
	uint64_t got_sum;

	/* Of the call that waits. */
	int (*call)(struct fixture *f, const struct quoit_wait *how);
	int rc;
	size_t n;
};

static struct quoit_wait blocking(int64_t timeout_ns)
{
	const struct quoit_wait how = {.kind = QUOIT_WAIT_BLOCK,
				       .deadline_ns = quoit_deadline_ns(timeout_ns)};
	return how;
}

static void start(struct fixture *f, size_t length)
{
	*f = (struct fixture){.n = 77};
	assert_int_equal(words_init(&f->q, f->slots, CAPACITY), 0);
	quoit_spsc_attach_waits(&f->q.ring, &f->waits);
	for (uint64_t i = 0; i < length; i++)
		assert_true(words_send_one(&f->q, &i));
}

/* Waits are no bell: who has only those counts none, neither rung nor saved. */
static void without_a_bell_none_is_counted(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, 3);
	quoit_spsc_close(&f.q.ring);
	assert_int_equal(f.q.ring.bells_rung, 0);
	assert_int_equal(f.q.ring.bells_saved, 0);
}

/* --- the calls that wait --------------------------------------------------------------------- */

static int recv_wait(struct fixture *f, const struct quoit_wait *how)
{
	uint64_t out[CAPACITY];

	return words_recv_wait(&f->q, out, CAPACITY, how, &f->n);
}

static void add_up(uint64_t *items, size_t n, bool more, void *ctx)
{
	struct fixture *const f = ctx;

	(void)more;
	for (size_t i = 0; i < n; i++)
		f->got_sum += items[i];
}

static int consume_wait(struct fixture *f, const struct quoit_wait *how)
{
	return words_consume_wait(&f->q, SIZE_MAX, how, &f->n, add_up, f);
}

static int reserve_wait(struct fixture *f, const struct quoit_wait *how)
{
	uint64_t *slots = NULL;
	const int rc = words_reserve_wait(&f->q, 2, how, &slots, &f->n);

	if (rc)
		return rc;
	memset(slots, 0, f->n * sizeof(*slots)); /* they are there */
	words_commit(&f->q, f->n);
	return 0;
}

static int send_wait(struct fixture *f, const struct quoit_wait *how)
{
	const uint64_t items[2] = {8, 9};
	const int rc = words_send_wait(&f->q, items, 2, how);

	if (!rc)
		f->n = 2;
	return rc;
}

static int send_one_wait(struct fixture *f, const struct quoit_wait *how)
{
	const uint64_t item = 9;
	const int rc = words_send_one_wait(&f->q, &item, how);

	if (!rc)
		f->n = 1;
	return rc;
}

static int (*const readers[])(struct fixture *, const struct quoit_wait *) = {recv_wait,
									      consume_wait};
static int (*const writers[])(struct fixture *,
			      const struct quoit_wait *) = {reserve_wait, send_wait, send_one_wait};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* --- sleeping and being woken ---------------------------------------------------------------- */

static void *wait_worker(void *arg)
{
	struct fixture *const f = arg;
	const struct quoit_wait how = blocking(LONG_NS);

	f->rc = f->call(f, &how);
	return NULL;
}

static void fall_asleep(struct fixture *f, struct quoit_event *on,
			int (*call)(struct fixture *, const struct quoit_wait *))
{
	f->call = call;
	assert_int_equal(pthread_create(&f->thread, NULL, wait_worker, f), 0);
	while (!quoit_event_sleepers(on))
		quoit_yield();
}

/*
 * The sleeper's wake has been called: whoever publishes takes the odd bit back, and a sleeper that
 * finds what it waits for does not arm again. At its deadline it would look once more and find it.
 */
static int awake(struct fixture *f, struct quoit_event *on)
{
	assert_int_equal(quoit_load_acquire(&on->word) & 1, 0);
	pthread_join(f->thread, NULL);
	return f->rc;
}

static void send_items(struct fixture *f)
{
	const uint64_t items[2] = {3, 4};

	assert_int_equal(words_send(&f->q, items, 2), 2);
}

static void commit_later_and_flush(struct fixture *f)
{
	size_t at = 0;

	assert_int_equal(quoit_spsc_reserve(&f->q.ring, 2, &at), 2);
	f->slots[at] = 3;
	f->slots[at + 1] = 4;
	quoit_spsc_commit_later(&f->q.ring, 2);
	quoit_spsc_flush(&f->q.ring);
}

static void end_a_writer(struct fixture *f)
{
	QUOIT_CURSOR struct words_writer w = words_write(&f->q);

	assert_true(words_put_now(&w, 3));
	assert_true(words_put_now(&w, 4));
	words_write_end(&w);
}

static void whatever_publishes_wakes_a_sleeping_reader(void **state)
{
	static void (*const publish[])(struct fixture *) = {send_items, commit_later_and_flush,
							    end_a_writer};
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < COUNT(publish); i++)
		for (size_t r = 0; r < COUNT(readers); r++) {
			start(&f, 0);
			fall_asleep(&f, &f.waits.data, readers[r]);
			publish[i](&f);
			assert_int_equal(awake(&f, &f.waits.data), 0);
			assert_in_range(f.n, 1, 2);
		}
}

static void advance(struct fixture *f)
{
	size_t n;

	assert_non_null(words_readable(&f->q, &n));
	words_advance(&f->q, 2);
}

static void finish_an_iterator(struct fixture *f)
{
	struct words_iter iter = words_iter_begin(&f->q);

	assert_non_null(words_next(&iter));
	assert_non_null(words_next(&iter));
	assert_int_equal(quoit_spsc_iter_finish(&iter.at), 2);
}

static void discard(struct fixture *f)
{
	assert_int_equal(quoit_spsc_discard(&f->q.ring, 2), 2);
}

static void receive(struct fixture *f)
{
	uint64_t out[2];

	assert_int_equal(words_recv(&f->q, out, 2), 2);
}

static void consume(struct fixture *f)
{
	assert_int_equal(words_consume(&f->q, 2, add_up, f), 2);
}

static void end_a_reader(struct fixture *f)
{
	QUOIT_CURSOR struct words_reader r = words_read(&f->q);

	assert_non_null(words_take_ref(&r));
	assert_non_null(words_take_ref(&r));
	words_read_end(&r);
}

/* D-05: an iterator's finish freed space and told nobody. */
static void whatever_frees_wakes_a_sleeping_producer(void **state)
{
	static void (*const free_two[])(struct fixture *) = {
		advance, finish_an_iterator, discard, receive, consume, end_a_reader};
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < COUNT(free_two); i++)
		for (size_t w = 0; w < COUNT(writers); w++) {
			start(&f, CAPACITY);
			fall_asleep(&f, &f.waits.space, writers[w]);
			free_two[i](&f);
			assert_int_equal(awake(&f, &f.waits.space), 0);
			assert_int_equal(quoit_spsc_length(&f.q.ring), CAPACITY - 2 + f.n);
		}
}

/* D-04: close told nobody, and whoever slept slept on. */
static void closing_wakes_both_sides(void **state)
{
	struct fixture f;

	(void)state;
	for (size_t r = 0; r < COUNT(readers); r++) {
		start(&f, 0);
		fall_asleep(&f, &f.waits.data, readers[r]);
		quoit_spsc_close(&f.q.ring);
		assert_int_equal(awake(&f, &f.waits.data), -ESHUTDOWN);
		start(&f, 0);
		fall_asleep(&f, &f.waits.data, readers[r]);
		quoit_spsc_finish(&f.q.ring);
		assert_int_equal(awake(&f, &f.waits.data), -ESHUTDOWN);
		assert_int_equal(f.n, 77);
	}
	for (size_t w = 0; w < COUNT(writers); w++) {
		start(&f, CAPACITY);
		fall_asleep(&f, &f.waits.space, writers[w]);
		quoit_spsc_close(&f.q.ring);
		assert_int_equal(awake(&f, &f.waits.space), -ESHUTDOWN);
		assert_int_equal(f.n, 77);
		assert_int_equal(quoit_spsc_length(&f.q.ring), CAPACITY);
	}
}

/* put_now shows the item and wakes nobody; a flush does, and the cursor goes on. */
static void a_flush_of_an_open_cursor_wakes_the_reader(void **state)
{
	for (int at_once = 0; at_once < 2; at_once++) {
		QUOIT_CURSOR struct words_writer w;
		struct fixture f;

		(void)state;
		start(&f, 0);
		w = words_write(&f.q);
		fall_asleep(&f, &f.waits.data, recv_wait);
		assert_true(at_once ? words_put_now(&w, 5) : words_put(&w, 5));
		assert_int_equal(quoit_load(&f.waits.data.word) & 1, 1);
		words_write_flush(&w);
		assert_int_equal(awake(&f, &f.waits.data), 0);
		assert_int_equal(f.n, 1);

		words_write_flush(&w); /* nothing new */
		assert_true(quoit_spsc_is_empty(&f.q.ring));
		for (uint64_t i = 0; i < CAPACITY; i++)
			assert_true(words_put(&w, i));
		assert_false(words_put(&w, CAPACITY));
		words_write_end(&w);
		assert_int_equal(quoit_spsc_length(&f.q.ring), CAPACITY);
	}
}

static void a_producer_that_needs_more_sleeps_on_until_it_is_there(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, CAPACITY);
	fall_asleep(&f, &f.waits.space, send_wait);
	assert_int_equal(quoit_spsc_discard(&f.q.ring, 1), 1);
	while (!(quoit_load(&f.waits.space.word) & 1)) /* hint: it has armed anew */
		quoit_yield();
	assert_int_equal(quoit_spsc_discard(&f.q.ring, 1), 1);
	assert_int_equal(awake(&f, &f.waits.space), 0);
	assert_int_equal(quoit_spsc_length(&f.q.ring), CAPACITY);
}

/* --- without sleeping ------------------------------------------------------------------------ */

static void what_is_there_is_had_at_once_whatever_the_deadline(void **state)
{
	struct quoit_wait how = blocking(LONG_NS);
	struct fixture f;

	(void)state;
	how.deadline_ns = 1; /* long past */
	for (size_t r = 0; r < COUNT(readers); r++) {
		start(&f, 3);
		assert_int_equal(readers[r](&f, &how), 0);
		assert_int_equal(f.n, 3);
	}
	for (size_t w = 0; w < COUNT(writers); w++) {
		start(&f, 2);
		assert_int_equal(writers[w](&f, &how), 0);
	}
}

static void a_wait_for_nothing_ends_at_its_deadline_with_all_untouched(void **state)
{
	struct fixture f;

	(void)state;
	for (int kind = 0; kind <= QUOIT_WAIT_PHASED; kind++) {
		struct quoit_wait how = blocking(SHORT_NS);

		how.kind = (enum quoit_wait_kind)kind;
		for (size_t r = 0; r < COUNT(readers); r++) {
			start(&f, 0);
			assert_int_equal(readers[r](&f, &how), -ETIMEDOUT);
			assert_int_equal(f.n, 77);
		}
		for (size_t w = 0; w < COUNT(writers); w++) {
			start(&f, CAPACITY);
			assert_int_equal(writers[w](&f, &how), -ETIMEDOUT);
			assert_int_equal(f.n, 77);
			assert_int_equal(quoit_spsc_length(&f.q.ring), CAPACITY);
		}
		assert_true(quoit_clock_now_ns() >= how.deadline_ns);
	}
}

/* D-20: what was sent before the close was reported as the end, and lost. */
static void a_closed_ring_is_read_to_its_end_before_it_says_so(void **state)
{
	const struct quoit_wait how = blocking(LONG_NS);
	struct fixture f;
	uint64_t out;

	(void)state;
	for (size_t r = 0; r < COUNT(readers); r++) {
		start(&f, 0);
		assert_false(words_recv_one(&f.q, &out)); /* it has looked, and found nothing */
		send_items(&f);
		quoit_spsc_close(&f.q.ring);
		assert_int_equal(readers[r](&f, &how), 0);
		assert_int_equal(f.n, 2);
		assert_int_equal(readers[r](&f, &how), -ESHUTDOWN);
	}
}

/* The same for a reader that wakes up to both at once. */
static void a_reader_that_finds_an_item_and_the_close_takes_the_item(void **state)
{
	const struct quoit_wait how = blocking(LONG_NS);
	struct fixture f;
	size_t at = 0;

	(void)state;
	for (size_t r = 0; r < COUNT(readers); r++) {
		start(&f, 0);
		fall_asleep(&f, &f.waits.data, readers[r]);
		assert_int_equal(quoit_spsc_reserve(&f.q.ring, 1, &at), 1);
		f.slots[at] = 5;
		quoit_spsc_commit_later(&f.q.ring, 1);
		quoit_spsc_publish(&f.q.ring); /* wakes nobody */
		quoit_spsc_close(&f.q.ring);
		assert_int_equal(awake(&f, &f.waits.data), 0);
		assert_int_equal(f.n, 1);
		assert_int_equal(readers[r](&f, &how), -ESHUTDOWN);
	}
}

static void a_closed_ring_takes_nothing_however_much_is_free(void **state)
{
	const struct quoit_wait how = blocking(LONG_NS);
	struct fixture f;

	(void)state;
	for (size_t w = 0; w < COUNT(writers); w++) {
		start(&f, 0);
		quoit_spsc_close(&f.q.ring);
		assert_int_equal(writers[w](&f, &how), -ESHUTDOWN);
		assert_int_equal(quoit_spsc_length(&f.q.ring), 0);
	}
}

/* A send into a full ring and a receive from an empty one wake nobody: nothing has changed. */
static void who_moves_nothing_wakes_nobody(void **state)
{
	const struct quoit_wait how = blocking(LONG_NS);
	uint64_t word = 5, *slots = NULL;
	size_t granted = 77;
	struct fixture f;

	(void)state;
	start(&f, CAPACITY);
	(void)quoit_event_arm(&f.waits.data);
	assert_int_equal(words_send(&f.q, &word, 1), 0);
	assert_true(f.waits.data.word & 1);
	assert_int_equal(quoit_spsc_discard(&f.q.ring, CAPACITY), CAPACITY);
	(void)quoit_event_arm(&f.waits.space);
	assert_int_equal(words_recv(&f.q, &word, 1), 0);
	assert_true(f.waits.space.word & 1);
	quoit_spsc_close(&f.q.ring);
	assert_int_equal(words_reserve_wait(&f.q, 1, &how, &slots, &granted), -ESHUTDOWN);
	assert_null(slots);
	assert_int_equal(granted, 77);
}

/* D-14: what can never be had was called closed. */
static void a_wait_that_cannot_end_is_refused(void **state)
{
	struct quoit_wait how = blocking(LONG_NS);
	struct fixture f;
	uint64_t items[CAPACITY + 1] = {0};
	uint64_t *slots = NULL;

	(void)state;
	start(&f, 0);
	assert_int_equal(words_reserve_wait(&f.q, 0, &how, &slots, &f.n), -EINVAL);
	assert_int_equal(words_reserve_wait(&f.q, CAPACITY + 1, &how, &slots, &f.n), -EINVAL);
	assert_int_equal(words_send_wait(&f.q, items, CAPACITY + 1, &how), -EINVAL);
	assert_int_equal(words_send_wait(&f.q, items, 0, &how), -EINVAL);
	assert_null(slots);
	how.kind = QUOIT_WAIT_TIMED;
	how.deadline_ns = 0;
	assert_int_equal(recv_wait(&f, &how), -EINVAL);
	assert_int_equal(send_wait(&f, &how), -EINVAL);
	how.kind = QUOIT_WAIT_BLOCK;
	quoit_spsc_attach_waits(&f.q.ring, NULL);
	assert_int_equal(recv_wait(&f, &how), -EINVAL); /* nobody would wake it */
	assert_int_equal(send_wait(&f, &how), -EINVAL);
	assert_int_equal(f.n, 77);
}

static void kinds_that_do_not_sleep_need_no_waits(void **state)
{
	static const enum quoit_wait_kind kinds[] = {QUOIT_WAIT_SPIN, QUOIT_WAIT_YIELD,
						     QUOIT_WAIT_SLEEP};
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < COUNT(kinds); i++) {
		const struct quoit_wait how = {.kind = kinds[i],
					       .deadline_ns = quoit_deadline_ns(SHORT_NS)};

		start(&f, 0);
		quoit_spsc_attach_waits(&f.q.ring, NULL);
		assert_int_equal(recv_wait(&f, &how), -ETIMEDOUT);
		send_items(&f);
		assert_int_equal(recv_wait(&f, &how), 0);
	}
}

static void what_was_committed_later_is_published_before_its_producer_waits(void **state)
{
	const struct quoit_wait how = blocking(SHORT_NS);
	struct fixture f;
	size_t at;

	(void)state;
	start(&f, 0);
	assert_int_equal(quoit_spsc_reserve(&f.q.ring, CAPACITY, &at), CAPACITY);
	quoit_spsc_commit_later(&f.q.ring, CAPACITY);
	assert_int_equal(quoit_spsc_length(&f.q.ring), 0);
	assert_int_equal(send_wait(&f, &how), -ETIMEDOUT);
	assert_int_equal(quoit_spsc_length(&f.q.ring), CAPACITY);
}

static void backing_off_gives_up_on_a_full_ring_and_at_once_on_a_closed_one(void **state)
{
	struct fixture f;
	size_t n = 77;

	(void)state;
	start(&f, CAPACITY - 1);
	assert_non_null(words_reserve_backoff(&f.q, 1, &n));
	assert_int_equal(n, 1);
	words_commit(&f.q, 1);
	n = 77;
	assert_null(words_reserve_backoff(&f.q, 1, &n));
	assert_null(words_reserve_backoff(&f.q, 0, &n));
	assert_null(words_reserve_backoff(&f.q, CAPACITY + 1, &n));
	receive(&f);
	quoit_spsc_close(&f.q.ring);
	assert_null(words_reserve_backoff(&f.q, 1, &n));
	assert_int_equal(n, 77);
}

/* --- events of one's own --------------------------------------------------------------------- */

static void rings_with_one_reader_share_an_event(void **state)
{
	const struct quoit_wait block = {.kind = QUOIT_WAIT_BLOCK};
	static struct words q[2];
	static uint64_t slots[2][4];
	static struct quoit_event data;
	const uint64_t word = 7;

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(words_init(&q[i], slots[i], 4), 0);
		assert_int_equal(quoit_spsc_wait_data(&q[i].ring, &block), -EINVAL);
		quoit_spsc_attach_events(&q[i].ring, &data, NULL);
	}
	for (int i = 0; i < 2; i++) {
		const uint32_t key = quoit_event_arm(&data);

		assert_int_equal(quoit_load(&data.word), key);
		assert_true(words_send_one(&q[i], &word));
		assert_int_not_equal(quoit_load(&data.word), key); /* whoever slept is awake */
		assert_int_equal(quoit_spsc_wait_data(&q[i].ring, &block), 0);
	}
	assert_int_equal(quoit_spsc_wait_space(&q[0].ring, 4, &block), -EINVAL); /* no event */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_bell_none_is_counted),
		cmocka_unit_test(who_moves_nothing_wakes_nobody),
		cmocka_unit_test(whatever_publishes_wakes_a_sleeping_reader),
		cmocka_unit_test(whatever_frees_wakes_a_sleeping_producer),
		cmocka_unit_test(closing_wakes_both_sides),
		cmocka_unit_test(a_flush_of_an_open_cursor_wakes_the_reader),
		cmocka_unit_test(a_producer_that_needs_more_sleeps_on_until_it_is_there),
		cmocka_unit_test(what_is_there_is_had_at_once_whatever_the_deadline),
		cmocka_unit_test(a_wait_for_nothing_ends_at_its_deadline_with_all_untouched),
		cmocka_unit_test(a_closed_ring_is_read_to_its_end_before_it_says_so),
		cmocka_unit_test(a_reader_that_finds_an_item_and_the_close_takes_the_item),
		cmocka_unit_test(a_closed_ring_takes_nothing_however_much_is_free),
		cmocka_unit_test(a_wait_that_cannot_end_is_refused),
		cmocka_unit_test(kinds_that_do_not_sleep_need_no_waits),
		cmocka_unit_test(what_was_committed_later_is_published_before_its_producer_waits),
		cmocka_unit_test(backing_off_gives_up_on_a_full_ring_and_at_once_on_a_closed_one),
		cmocka_unit_test(rings_with_one_reader_share_an_event),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
