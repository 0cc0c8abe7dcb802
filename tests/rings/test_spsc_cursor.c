/* SPDX-License-Identifier: MIT */
/*
 * test_spsc_cursor.c - by-value cursors: what they show and when, what they give back and when, and
 * what may not be done while one is open.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <string.h>

#include <quoit/rings/typed.h>

#include <rings/ring_checks.h>
#include <support/random.h>
#include <support/skip.h>

#define CAPACITY 1024
#define BLOCK	 (QUOIT_CURSOR_BLOCK_BYTES / sizeof(uint64_t))

struct wide {
	unsigned char bytes[200];
};

QUOIT_SPSC(words, uint64_t);
QUOIT_SPSC(wides, struct wide);

static uint64_t slots[CAPACITY];
static struct words q;
static struct random randomness;

static void start(size_t capacity, uint64_t position)
{
	assert_int_equal(words_init(&q, slots, capacity), 0);
	assert_int_equal(quoit_spsc_init_at(&q.ring, capacity, position), 0);
}

static void a_block_is_visible_when_it_is_full_and_the_rest_at_the_end(void **state)
{
	struct words_writer w;

	(void)state;
	start(CAPACITY, 0);
	w = words_write(&q);
	for (uint64_t i = 0; i < 3 * BLOCK + 5; i++) {
		assert_true(words_put(&w, i));
		/* the block before is published by the first item after it */
		assert_int_equal(quoit_spsc_length(&q.ring), i / BLOCK * BLOCK);
	}
	words_write_end(&w);
	assert_int_equal(quoit_spsc_length(&q.ring), 3 * BLOCK + 5);
}

/* All lines of a block come together: where it takes that, each is stored into at its begin. */
static void the_lines_of_a_block_are_owned_when_it_begins(void **state)
{
	struct words_writer w;

	(void)state;
	start(CAPACITY, 0);
	memset(slots, 0x5a, sizeof(slots));
	w = words_write(&q);
	assert_true(words_put(&w, 1));
	for (size_t i = 0; i < CAPACITY; i += QUOIT_LINE_BYTES / sizeof(slots[0])) {
		const unsigned char *const line = (const unsigned char *)&slots[i];

		if (i)
			assert_int_equal(*line, i < BLOCK && quoit_lines_need_stores() ? 0 : 0x5a);
	}
	words_write_end(&w);
}

static void put_now_is_visible_at_once(void **state)
{
	struct words_writer w;
	struct words_reader r;
	uint64_t word;

	(void)state;
	start(CAPACITY, 0);
	w = words_write(&q);
	r = words_read(&q);
	assert_false(words_take(&r, &word));
	for (uint64_t i = 0; i < 5 * CAPACITY; i++) {
		assert_true(words_put_now(&w, i));
		assert_true(words_take(&r, &word));
		assert_int_equal(word, i);
		assert_false(words_take(&r, &word));
	}
	words_write_end(&w);
	words_read_end(&r);
	assert_true(quoit_spsc_is_empty(&q.ring));
}

static void put_and_put_now_may_take_turns(void **state)
{
	struct words_writer w;

	(void)state;
	start(CAPACITY, 0);
	w = words_write(&q);
	assert_true(words_put(&w, 0));
	assert_int_equal(quoit_spsc_length(&q.ring), 0);
	assert_true(words_put_now(&w, 1));
	assert_int_equal(quoit_spsc_length(&q.ring), 2);
	assert_true(words_put(&w, 2));
	assert_int_equal(quoit_spsc_length(&q.ring), 2);
	words_write_end(&w);
	assert_int_equal(quoit_spsc_length(&q.ring), 3);
}

static void a_full_ring_shows_all_of_it_to_the_reader(void **state)
{
	(void)state;
	for (size_t capacity = 1; capacity <= CAPACITY; capacity *= 2)
		for (size_t p = 0; p < START_POSITIONS; p++) {
			struct words_writer w;
			uint64_t n = 0, word;

			start(capacity, start_positions[p]);
			w = words_write(&q);
			while (words_put(&w, n))
				n++;
			assert_int_equal(n, capacity);
			assert_int_equal(quoit_spsc_length(&q.ring), capacity);
			assert_false(words_put_now(&w, 99));
			assert_true(words_recv_one(&q, &word));
			assert_int_equal(word, 0);
			assert_true(words_put_now(&w, 99));
			words_write_end(&w);
			assert_true(quoit_spsc_is_full(&q.ring));
		}
}

static void a_reader_gives_back_a_share_at_a_time_and_the_rest_at_the_end(void **state)
{
	struct words_reader r;
	uint64_t items[CAPACITY];

	(void)state;
	start(CAPACITY, 0);
	memset(items, 0, sizeof(items));
	assert_int_equal(words_send(&q, items, CAPACITY), CAPACITY);
	r = words_read(&q);
	for (size_t i = 0; i < CAPACITY / 2 + 3; i++) {
		assert_non_null(words_take_ref(&r));
		/* a slot is the reader's until the next call */
		assert_true(quoit_spsc_length(&q.ring) >= CAPACITY - i);
		assert_true(quoit_spsc_length(&q.ring) <= CAPACITY - i + CAPACITY / 8);
	}
	words_read_end(&r);
	assert_int_equal(quoit_spsc_length(&q.ring), CAPACITY - CAPACITY / 2 - 3);
}

static void cursors_mix_with_everything_else_once_they_have_ended(void **state)
{
	(void)state;
	for (size_t capacity = 1; capacity <= CAPACITY_MOST; capacity *= 2)
		for (size_t p = 0; p < START_POSITIONS; p++) {
			uint64_t sent = 0, got = 0;

			start(capacity, start_positions[p]);
			for (size_t round = 0; round < 2000; round++) {
				uint64_t n = random_below(&randomness, capacity + 2), word;

				if (random_below(&randomness, 3) == 0) {
					struct words_writer w = words_write(&q);

					for (; n && words_put(&w, sent); n--)
						sent++;
					words_write_end(&w);
				} else if (random_below(&randomness, 2)) {
					struct words_reader r = words_read(&q);

					for (; n && words_take(&r, &word); n--)
						assert_int_equal(word, got++);
					words_read_end(&r);
				} else if (random_below(&randomness, 2)) {
					sent += words_send_one(&q, &sent);
				} else if (words_recv_one(&q, &word)) {
					assert_int_equal(word, got++);
				}
				assert_int_equal(quoit_spsc_length(&q.ring), sent - got);
			}
			assert_true(got > 100);
		}
}

static void a_writer_of_a_closed_ring_puts_no_further_block(void **state)
{
	struct words_writer w;
	size_t more = 0;

	(void)state;
	start(CAPACITY, 0);
	w = words_write(&q);
	assert_true(words_put(&w, 0));
	quoit_spsc_close(&q.ring);
	while (words_put(&w, 1))
		more++;
	assert_int_equal(more, BLOCK - 1); /* what it had been granted */
	words_write_end(&w);
	assert_int_equal(quoit_spsc_length(&q.ring), BLOCK);
	w = words_write(&q);
	assert_false(words_put(&w, 1));
	words_write_end(&w);
}

/* The writer touches free slots ahead of its items, so let the guards see that it stays inside. */
static void a_writer_touches_nothing_but_free_slots(void **state)
{
	static struct wide wide_slots[8 + 2];
	struct wides wide_q;
	struct wide item;

	(void)state;
	memset(wide_slots, 0x5a, sizeof(wide_slots));
	assert_int_equal(wides_init(&wide_q, wide_slots + 1, 8), 0);
	for (unsigned round = 0; round < 40; round++) {
		struct wides_writer w = wides_write(&wide_q);
		struct wide out = {{0}};

		memset(&item, (int)round, sizeof(item));
		while (wides_put(&w, item))
			;
		wides_write_end(&w);
		for (unsigned n = 0; n < 8 - round % 3; n++) { /* leave some for the next round */
			assert_true(wides_recv_one(&wide_q, &out));
			for (size_t i = 1; i < sizeof(out); i++)
				assert_int_equal(out.bytes[i], out.bytes[0]);
			assert_true(out.bytes[0] == round || out.bytes[0] + 1u == round);
		}
		for (size_t i = 0; i < sizeof(item); i++) {
			assert_int_equal(wide_slots[0].bytes[i], 0x5a);
			assert_int_equal(wide_slots[9].bytes[i], 0x5a);
		}
	}
}

static void a_sleeping_reader_is_woken_at_the_end_of_a_block_and_of_the_cursor(void **state)
{
	struct quoit_waits waits = {.data = {.word = 0}};
	struct words_writer w;

	(void)state;
	start(CAPACITY, 0);
	quoit_spsc_attach_waits(&q.ring, &waits);
	w = words_write(&q);
	(void)quoit_event_arm(&waits.data);
	for (size_t i = 0; i < BLOCK; i++)
		assert_true(words_put_now(&w, i));
	assert_int_equal(waits.data.word & 1, 1);
	assert_true(words_put_now(&w, 0));
	assert_int_equal(waits.data.word & 1, 0);
	(void)quoit_event_arm(&waits.data);
	words_write_end(&w);
	assert_int_equal(waits.data.word & 1, 0);
}

static void within_the_gap_a_reader_does_not_look_and_after_it_does(void **state)
{
	const uint64_t gap = UINT64_C(1) << 60; /* years */
	struct words_reader r;
	uint64_t word;

	(void)state;
	start(CAPACITY, 0);
	quoit_spsc_set_gap(&q.ring, gap);
	r = words_read(&q);
	assert_false(words_take(&r, &word)); /* a miss starts no gap */
	word = 1;
	assert_true(words_send_one(&q, &word));
	assert_true(words_take(&r, &word));
	assert_true(words_send_one(&q, &word));
	assert_false(words_take(&r, &word)); /* not looked, though there is one */
	words_read_end(&r);
	assert_true(quoit_spsc_has_news(&q.ring)); /* the question before sleeping has no gap */
	quoit_spsc_set_gap(&q.ring, 0);
	r = words_read(&q);
	assert_true(words_take(&r, &word));
	words_read_end(&r);
}

/* --- breaches -------------------------------------------------------------------------------- */

static void leave_a_writer_open(struct quoit_spsc *ring)
{
	QUOIT_CURSOR struct words_writer w = words_write(&q);

	(void)ring;
	(void)words_put(&w, 1);
}

static void leave_a_reader_open(struct quoit_spsc *ring)
{
	QUOIT_CURSOR struct words_reader r = words_read(&q);

	(void)ring;
	(void)words_take_ref(&r);
}

static void reserve_beside_a_writer(struct quoit_spsc *ring)
{
	struct words_writer w = words_write(&q);
	size_t at;

	(void)w;
	(void)quoit_spsc_reserve(ring, 1, &at);
}

static void wait_beside_a_reader(struct quoit_spsc *ring)
{
	const struct quoit_wait how = {.kind = QUOIT_WAIT_SPIN, .deadline_ns = 1};
	struct words_reader r = words_read(&q);

	(void)r;
	(void)!quoit_spsc_wait_data(ring, &how);
}

static void two_writers(struct quoit_spsc *ring)
{
	struct words_writer w = words_write(&q);

	(void)ring;
	(void)w;
	(void)words_write(&q);
}

static void leaving_a_cursor_open_or_going_around_it_is_a_breach(void **state)
{
	(void)state;
	if (QUOIT_CONFIG_ASSERT < 2)
		skip_because("the hot assertions are off: CONFIG_ASSERT is not 2");
	start(CAPACITY, 0);
	assert_true(aborts(leave_a_writer_open, &q.ring));
	assert_true(aborts(leave_a_reader_open, &q.ring));
	assert_true(aborts(reserve_beside_a_writer, &q.ring));
	assert_true(aborts(wait_beside_a_reader, &q.ring));
	assert_true(aborts(two_writers, &q.ring));
}

/* --- two threads ----------------------------------------------------------------------------- */

#define WORDS 300000

static bool at_once;

static void *put_worker(void *arg)
{
	struct words_writer w = words_write(&q);

	(void)arg;
	for (uint64_t i = 0; i < WORDS;)
		if (at_once ? words_put_now(&w, i) : words_put(&w, i))
			i++;
		else
			quoit_yield();
	words_write_end(&w);
	return NULL;
}

static void two_threads_pass_every_word_once(void **state)
{
	(void)state;
	for (int round = 0; round < 4; round++) {
		struct words_reader r;
		pthread_t producer;
		uint64_t word;

		at_once = round & 1;
		start(CAPACITY, UINT64_MAX - 1000);
		quoit_spsc_set_gap(&q.ring, round & 2 ? 400 : 0);
		assert_int_equal(pthread_create(&producer, NULL, put_worker, NULL), 0);
		r = words_read(&q);
		for (uint64_t i = 0; i < WORDS;)
			if (words_take(&r, &word))
				assert_int_equal(word, i++);
			else
				quoit_yield();
		words_read_end(&r);
		pthread_join(producer, NULL);
		assert_true(quoit_spsc_is_empty(&q.ring));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_lines_of_a_block_are_owned_when_it_begins),
		cmocka_unit_test(a_block_is_visible_when_it_is_full_and_the_rest_at_the_end),
		cmocka_unit_test(put_now_is_visible_at_once),
		cmocka_unit_test(put_and_put_now_may_take_turns),
		cmocka_unit_test(a_full_ring_shows_all_of_it_to_the_reader),
		cmocka_unit_test(a_reader_gives_back_a_share_at_a_time_and_the_rest_at_the_end),
		cmocka_unit_test(cursors_mix_with_everything_else_once_they_have_ended),
		cmocka_unit_test(a_writer_of_a_closed_ring_puts_no_further_block),
		cmocka_unit_test(a_writer_touches_nothing_but_free_slots),
		cmocka_unit_test(
			a_sleeping_reader_is_woken_at_the_end_of_a_block_and_of_the_cursor),
		cmocka_unit_test(within_the_gap_a_reader_does_not_look_and_after_it_does),
		cmocka_unit_test(leaving_a_cursor_open_or_going_around_it_is_a_breach),
		cmocka_unit_test(two_threads_pass_every_word_once),
	};

	randomness.state = random_seed();
	print_message("SEED=%llu\n", (unsigned long long)randomness.state);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
