/* SPDX-License-Identifier: MIT */
/*
 * test_spsc_read.c - the other ways to read: peek, discard, drain, iterators, batches for handlers;
 * and what they may not do to each other. Features B29, B34 to B40, B46 to B51, B55.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <quoit/rings/typed.h>

#include <rings/ring_checks.h>
#include <support/random.h>
#include <support/skip.h>

QUOIT_SPSC(words, uint64_t);

struct fixture {
	struct words q;
	uint64_t slots[CAPACITY_MOST];
	uint64_t sent;
	uint64_t got;
};

static struct random randomness;

static void send(struct fixture *f, size_t n)
{
	for (; n; n--) {
		const uint64_t word = f->sent++;

		assert_true(words_send_one(&f->q, &word));
	}
}

/* Run `check` on every capacity and start position. */
static void for_each_fixture(void (*check)(struct fixture *f, size_t capacity))
{
	for (size_t capacity = 1; capacity <= CAPACITY_MOST; capacity *= 2)
		for (size_t i = 0; i < START_POSITIONS; i++) {
			struct fixture f = {.sent = 0};

			assert_int_equal(words_init(&f.q, f.slots, capacity), 0);
			assert_int_equal(
				quoit_spsc_init_at(&f.q.ring, capacity, start_positions[i]), 0);
			check(&f, capacity);
		}
}

static void look(struct fixture *f, size_t capacity)
{
	size_t n = 99;

	assert_null(words_peek(&f->q));
	assert_null(words_peek_many(&f->q, 1, &n));
	assert_int_equal(n, 99);
	send(f, 1);
	assert_int_equal(*words_peek(&f->q), 0);
	send(f, capacity - 1);
	assert_null(words_peek_many(&f->q, 0, &n));
	for (uint64_t first = 0; first < capacity; first++) {
		const uint64_t *at = words_peek_many(&f->q, capacity + 1, &n);
		const size_t before_wrap = (size_t)(f->slots + capacity - at);

		assert_int_equal(n, quoit_min((size_t)(capacity - first), before_wrap));
		for (size_t i = 0; i < n; i++)
			assert_int_equal(at[i], first + i);
		assert_int_equal(quoit_spsc_length(&f->q.ring), capacity - first);
		assert_int_equal(*words_peek(&f->q), first);
		assert_int_equal(quoit_spsc_discard(&f->q.ring, 1), 1);
	}
	assert_null(words_peek(&f->q));
}

static void peeking_sees_what_is_new_and_frees_nothing(void **state)
{
	(void)state;
	for_each_fixture(look);
}

/*
 * The promise of cost: the other side's line is not touched while what is known of it is enough.
 * Whoever looked would see what is new.
 */
static void who_knows_enough_does_not_look(void **state)
{
	struct fixture f = {.sent = 0};
	struct quoit_spsc *const ring = &f.q.ring;
	struct quoit_spans spans;
	size_t at = 77;

	(void)state;
	assert_int_equal(words_init(&f.q, f.slots, 8), 0);
	send(&f, 3);
	assert_true(quoit_spsc_has_news(ring)); /* three are known */
	send(&f, 2);
	assert_int_equal(quoit_spsc_peek(ring, 0, &at), 0);
	assert_int_equal(at, 77);
	assert_int_equal(quoit_spsc_peek(ring, 2, &at), 2);
	assert_int_equal(quoit_spsc_peek(ring, 3, &at), 3);
	assert_int_equal(quoit_spsc_discard(ring, 1), 1);
	assert_int_equal(quoit_spsc_discard(ring, 0), 0);
	spans = quoit_spsc_consume_begin_fresh(ring, 2);
	assert_int_equal(spans.n, 2);
	assert_int_equal(ring->tail_seen, 3);
	assert_int_equal(quoit_spsc_consume_end(ring, spans), 2);
	assert_int_equal(ring->tail_seen, 3);
	assert_int_equal(quoit_spsc_peek(ring, 3, &at), 2);
	send(&f, 1);
	assert_int_equal(quoit_spsc_discard(ring, 2), 2);
	assert_int_equal(ring->tail_seen, 5);
	assert_int_equal(quoit_spsc_discard(ring, SIZE_MAX), 1);
	at = 77;
	assert_int_equal(quoit_spsc_peek(ring, 1, &at), 0);
	assert_int_equal(at, 77);

	/* And the producer: two free slots are known, and are enough for two. */
	assert_int_equal(quoit__spsc_room(ring, 2), 2);
	assert_int_equal(ring->head_seen, 0);
	assert_int_equal(quoit__spsc_room(ring, 3), 8);
	assert_int_equal(ring->head_seen, 6);
}

static void throw_away(struct fixture *f, size_t capacity)
{
	uint64_t word;

	assert_int_equal(quoit_spsc_discard(&f->q.ring, SIZE_MAX), 0);
	for (size_t n = 0; n <= capacity; n++) {
		send(f, capacity);
		assert_int_equal(quoit_spsc_discard(&f->q.ring, n), n);
		assert_int_equal(words_recv_one(&f->q, &word), n < capacity);
		if (n < capacity)
			assert_int_equal(word, f->sent - capacity + n);
		assert_int_equal(quoit_spsc_discard(&f->q.ring, SIZE_MAX),
				 n < capacity ? capacity - n - 1 : 0);
		assert_true(quoit_spsc_is_empty(&f->q.ring));
	}
}

static void discarding_frees_no_more_than_asked_for_and_no_more_than_there_is(void **state)
{
	(void)state;
	for_each_fixture(throw_away);
}

static void walk(struct fixture *f, size_t capacity)
{
	for (size_t n = 0; n <= capacity; n++) {
		struct words_iter iter;
		size_t half = n / 2;
		uint64_t first = f->sent;

		send(f, n);
		iter = words_iter_begin(&f->q);
		for (int pass = 0; pass < 2; pass++) {
			for (size_t i = 0; i < n; i++)
				assert_int_equal(*words_next(&iter), first + i);
			assert_null(words_next(&iter));
			quoit_spsc_iter_reset(&iter.at);
		}
		assert_int_equal(quoit_spsc_length(&f->q.ring), n);
		assert_int_equal(quoit_spsc_iter_finish(&iter.at), 0);
		for (size_t i = 0; i < half; i++)
			(void)words_next(&iter);
		assert_int_equal(quoit_spsc_iter_finish(&iter.at), half);
		assert_int_equal(quoit_spsc_length(&f->q.ring), n - half);
		for (size_t i = half; i < n; i++)
			assert_int_equal(*words_next(&iter), first + i);
		assert_int_equal(quoit_spsc_iter_finish(&iter.at), n - half);
		assert_true(quoit_spsc_is_empty(&f->q.ring));
	}
}

static void an_iterator_frees_what_it_has_stepped_over_when_it_is_finished(void **state)
{
	(void)state;
	for_each_fixture(walk);
}

static void an_iterator_sees_what_was_there_when_it_began(void **state)
{
	struct fixture f = {.sent = 0};
	struct words_iter iter;

	(void)state;
	assert_int_equal(words_init(&f.q, f.slots, 8), 0);
	send(&f, 2);
	iter = words_iter_begin(&f.q);
	send(&f, 3);
	assert_int_equal(*words_next(&iter), 0);
	assert_int_equal(*words_next(&iter), 1);
	assert_null(words_next(&iter));
	assert_int_equal(quoit_spsc_iter_finish(&iter.at), 2);
	assert_int_equal(*words_peek(&f.q), 2);
}

static void drain_takes_all_that_was_published_where_recv_takes_what_it_knew(void **state)
{
	struct fixture f = {.sent = 0};
	uint64_t out[8];

	(void)state;
	assert_int_equal(words_init(&f.q, f.slots, 8), 0);
	send(&f, 1);
	assert_true(quoit_spsc_has_news(&f.q.ring));
	send(&f, 6);
	assert_int_equal(words_drain(&f.q, out, 8), 7);
	for (uint64_t i = 0; i < 7; i++)
		assert_int_equal(out[i], i);
	send(&f, 5); /* around the wrap */
	assert_int_equal(words_drain(&f.q, out, 3), 3);
	assert_int_equal(words_drain(&f.q, out, 8), 2);
	assert_int_equal(out[1], 11);
	assert_int_equal(words_drain(&f.q, out, 8), 0);
}

static void take(uint64_t *items, size_t n, bool more, void *ctx)
{
	struct fixture *const f = ctx;

	(void)more;
	for (size_t i = 0; i < n; i++)
		assert_int_equal(items[i], f->got + i);
	f->got += n;
}

/* One way of reading, chosen by `dice`; gives how many items it freed. */
static size_t read_somehow(struct fixture *f, uint64_t dice, size_t amount)
{
	const uint64_t before = f->got;
	uint64_t out[CAPACITY_MOST + 2];
	struct words_iter iter;
	size_t n;
	const uint64_t *at;

	switch (dice) {
	case 0:
		f->got += quoit_spsc_discard(&f->q.ring, amount);
		break;
	case 1:
		f->got += words_recv(&f->q, out, amount);
		break;
	case 2:
		f->got += words_drain(&f->q, out, amount);
		break;
	case 3:
		(void)words_consume(&f->q, amount, take, f);
		break;
	case 4:
		f->got += words_recv_one(&f->q, out);
		assert_true(f->got == before || out[0] == before);
		break;
	case 5:
		at = words_readable(&f->q, &n);
		if (at) {
			assert_int_equal(at[n - 1], f->got + n - 1);
			words_advance(&f->q, n);
			f->got += n;
		}
		break;
	default:
		iter = words_iter_begin(&f->q);
		for (n = 0; n < amount && words_next(&iter); n++)
			;
		assert_int_equal(quoit_spsc_iter_finish(&iter.at), n);
		f->got += n;
	}
	return (size_t)(f->got - before);
}

/* D-03: in the first system two of these in turn read slots that had never been written. */
static void mix(struct fixture *f, size_t capacity)
{
	for (size_t round = 0; round < 2000; round++) {
		const size_t amount = (size_t)random_below(&randomness, capacity + 2);
		const uint64_t there = f->sent - f->got;

		if (random_below(&randomness, 2))
			send(f, quoit_min(amount, (size_t)(capacity - there)));
		else
			assert_true(read_somehow(f, random_below(&randomness, 7), amount) <= there);
		assert_int_equal(quoit_spsc_length(&f->q.ring), f->sent - f->got);
		if (f->sent != f->got)
			assert_int_equal(*words_peek(&f->q), f->got);
		else
			assert_null(words_peek(&f->q));
	}
	assert_true(f->got > 100);
}

static void every_way_of_reading_mixes_with_every_other(void **state)
{
	(void)state;
	for_each_fixture(mix);
}

static void the_sizes_of_a_ring_add_up(void **state)
{
	struct fixture f = {.sent = 0};

	(void)state;
	assert_int_equal(words_init(&f.q, f.slots, 16), 0);
	assert_int_equal(quoit_spsc_capacity(&f.q.ring), 16);
	assert_int_equal(words_bytes(&f.q), sizeof(f.q) + 16 * sizeof(uint64_t));
	assert_true(quoit_spsc_is_empty(&f.q.ring));
	for (size_t n = 1; n <= 16; n++) {
		assert_false(quoit_spsc_is_full(&f.q.ring));
		send(&f, 1);
		assert_int_equal(quoit_spsc_length(&f.q.ring), n);
		assert_false(quoit_spsc_is_empty(&f.q.ring));
	}
	assert_true(quoit_spsc_is_full(&f.q.ring));
}

static void an_abandoned_reservation_publishes_nothing(void **state)
{
	struct fixture f = {.sent = 0};
	size_t n;
	uint64_t *at;

	(void)state;
	assert_int_equal(words_init(&f.q, f.slots, 4), 0);
	at = words_reserve(&f.q, 3, &n);
	assert_non_null(at);
	at[0] = 77;
	quoit_spsc_abandon(&f.q.ring);
	assert_true(quoit_spsc_is_empty(&f.q.ring));
	send(&f, 4);
	assert_int_equal(*words_peek(&f.q), 0);
}

/* --- breaches -------------------------------------------------------------------------------- */

static void read_again(uint64_t *items, size_t n, bool more, void *ctx)
{
	struct fixture *const f = ctx;

	(void)items;
	(void)n;
	(void)more;
	(void)words_peek(&f->q); /* even looking: what it sees is the handler's already */
}

static struct fixture *breached;

static void consume_inside_consume(struct quoit_spsc *ring)
{
	(void)ring;
	(void)words_consume(&breached->q, 4, read_again, breached);
}

static void free_under_an_iterator(struct quoit_spsc *ring)
{
	struct words_iter iter = words_iter_begin(&breached->q);

	(void)words_next(&iter);
	(void)quoit_spsc_discard(ring, 1);
	(void)quoit_spsc_iter_finish(&iter.at);
}

static void commit_what_was_abandoned(struct quoit_spsc *ring)
{
	size_t at;

	(void)quoit_spsc_reserve(ring, 1, &at);
	quoit_spsc_abandon(ring);
	quoit_spsc_commit(ring, 1);
}

static void reading_from_inside_a_handler_is_a_breach_and_so_are_its_like(void **state)
{
	struct fixture f = {.sent = 0};

	(void)state;
	if (QUOIT_CONFIG_ASSERT < 2)
		skip_because("the hot assertions are off: CONFIG_ASSERT is not 2");
	assert_int_equal(words_init(&f.q, f.slots, 8), 0);
	send(&f, 4);
	breached = &f;
	assert_true(aborts(consume_inside_consume, &f.q.ring));
	assert_true(aborts(free_under_an_iterator, &f.q.ring));
	assert_true(aborts(commit_what_was_abandoned, &f.q.ring));
	assert_int_equal(words_consume(&f.q, 4, take, &f), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_knows_enough_does_not_look),
		cmocka_unit_test(peeking_sees_what_is_new_and_frees_nothing),
		cmocka_unit_test(discarding_frees_no_more_than_asked_for_and_no_more_than_there_is),
		cmocka_unit_test(an_iterator_frees_what_it_has_stepped_over_when_it_is_finished),
		cmocka_unit_test(an_iterator_sees_what_was_there_when_it_began),
		cmocka_unit_test(drain_takes_all_that_was_published_where_recv_takes_what_it_knew),
		cmocka_unit_test(every_way_of_reading_mixes_with_every_other),
		cmocka_unit_test(the_sizes_of_a_ring_add_up),
		cmocka_unit_test(an_abandoned_reservation_publishes_nothing),
		cmocka_unit_test(reading_from_inside_a_handler_is_a_breach_and_so_are_its_like),
	};

	randomness.state = random_seed();
	print_message("SEED=%llu\n", (unsigned long long)randomness.state);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
