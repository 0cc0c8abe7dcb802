/* SPDX-License-Identifier: MIT */
/*
 * test_mpsc_read.c - how the consumer of an MPSC channel reads: whose turn it is, what is skipped,
 * and where each way of reading ends. Fairness and skipping are counted in looks, never in time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <rings/mpsc_checks.h>
#include <support/random.h>

static struct random randomness;

/* --- turns ----------------------------------------------------------------------------------- */

/* D-20b: the seed began every scan at its first ring. */
static void a_busy_lane_cannot_keep_the_others_waiting(void **state)
{
	struct fixture *const f = channel_with(4, 64, 4);
	size_t waited = 0;

	(void)state;
	for (uint32_t i = 1; i < 4; i++)
		send_through(f, i, 20);
	for (size_t i = 0; i < 60; i++) {
		if (quoit_mpsc_available(&f->p[0].seat))
			send_through(f, 0, 1); /* never empty */
		assert_int_equal(recv_some(f, 1), 1);
	}
	for (size_t i = 0; i < f->arrived; i++) {
		waited = f->order[i] ? 0 : waited + 1;
		assert_true(waited <= 4);
	}
	for (uint32_t i = 1; i < 4; i++)
		assert_true(f->got[i] >= 12);
	end(f);
}

/* What was asked for is there: no further lane is looked at, and the next call begins there. */
static void a_call_that_has_enough_looks_no_further(void **state)
{
	struct fixture *const f = channel_with(3, 8, 0);
	struct number items[8];

	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		send_through(f, i, 2);
	f->q.channel->looks = 0;
	assert_int_equal(quoit_mpsc_drain(f->q.channel, items, 2), 2);
	assert_int_equal(f->q.channel->looks, 1);
	assert_int_equal(f->q.channel->cursor, 1);
	assert_int_equal(quoit_mpsc_recv(f->q.channel, items, 2), 2);
	assert_int_equal(items[0].sender, 1);
	assert_int_equal(f->q.channel->looks, 2);
	assert_int_equal(quoit_mpsc_recv(f->q.channel, items, 8), 2);
	assert_int_equal(items[0].sender, 2);
	for (uint32_t i = 0; i < 3; i++)
		f->got[i] = f->sent[i];
	end(f);
}

static void single_items_are_taken_from_the_lanes_in_turn(void **state)
{
	static const uint32_t in_turn[] = {0, 1, 2, 0, 1, 2, 0, 2, 2};
	struct fixture *const f = channel_with(3, 8, 1);
	struct number item;

	(void)state;
	send_through(f, 0, 3);
	send_through(f, 1, 2);
	send_through(f, 2, 4);
	while (numbers_recv_one(&f->q, &item))
		note(f, &item, 1);
	expect_order(f, in_turn, 9);
	end(f);
}

static void a_turn_goes_on_where_the_budget_ended(void **state)
{
	static const uint32_t in_turn[] = {0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1};
	struct fixture *const f = channel_with(2, 8, 3);

	(void)state;
	send_through(f, 0, 6);
	send_through(f, 1, 6);
	for (size_t i = 0; i < 6; i++)
		assert_int_equal(consume(f, 2), 2);
	expect_order(f, in_turn, 12);
	end(f);
}

static void the_order_of_turns_does_not_depend_on_how_much_is_asked_for(void **state)
{
	uint32_t expected[64];

	(void)state;
	for (size_t most = 1; most <= 20; most++)
		for (int way = 0; way < 2; way++) {
			struct fixture *const f = channel_with(3, 16, 5);

			send_through(f, 0, 16);
			send_through(f, 1, 2);
			send_through(f, 2, 12);
			while (way ? recv_some(f, most)
				   : numbers_consume_up_to(&f->q, most, note_batch, f))
				;
			if (most == 1 && !way)
				memcpy(expected, f->order, 30 * sizeof(expected[0]));
			expect_order(f, expected, 30);
			end(f);
		}
}

static void one_round_gives_each_lane_one_turn(void **state)
{
	static const uint32_t first[] = {0, 0, 0, 0, 1, 1, 2, 2, 2, 2};
	struct fixture *const f = channel_with(3, 16, 4);

	(void)state;
	send_through(f, 0, 9);
	send_through(f, 1, 2);
	send_through(f, 2, 5);
	assert_int_equal(consume(f, 0), 0);
	assert_int_equal(consume(f, SIZE_MAX), 10);
	expect_order(f, first, 10);
	assert_int_equal(consume(f, SIZE_MAX), 5);
	assert_int_equal(consume(f, SIZE_MAX), 1);
	assert_int_equal(consume(f, SIZE_MAX), 0);
	end(f);
}

static void one_call_goes_round_until_there_is_nothing_more(void **state)
{
	struct fixture *const f = channel_with(3, 64, 4);
	struct number items[100];

	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		send_through(f, i, 30);
	assert_int_equal(numbers_consume_up_to(&f->q, 0, note_batch, f), 0);
	assert_int_equal(numbers_consume_up_to(&f->q, 25, note_batch, f), 25);
	assert_int_equal(numbers_recv(&f->q, items, 0), 0);
	assert_int_equal(recv_some(f, 100), 65);
	assert_int_equal(recv_some(f, 100), 0);
	end(f);
}

static void draining_into_an_array_keeps_each_lanes_items_together(void **state)
{
	static const uint32_t in_turn[] = {0, 0, 0, 1, 1, 1, 2, 2, 2, 0, 1, 1, 1, 2};
	struct fixture *const f = channel_with(3, 8, 2);
	struct number items[10];

	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		send_through(f, i, 3);
	note(f, items, numbers_drain(&f->q, items, 10));
	assert_int_equal(f->arrived, 9);
	send_through(f, 0, 1);
	send_through(f, 1, 3);
	send_through(f, 2, 2);
	note(f, items, numbers_drain(&f->q, items, 5));
	expect_order(f, in_turn, 14);
	assert_int_equal(numbers_drain(&f->q, items, 0), 0);
	end(f);
}

struct echo {
	struct fixture *f;
	size_t calls;
};

static void send_one_for_each(struct number *items, size_t n, uint32_t id, void *ctx)
{
	struct echo *const echo = ctx;

	assert_true(++echo->calls <= 4); /* else it would go on for ever */
	note_batch(items, n, id, echo->f);
	send_through(echo->f, id, n);
}

/* B74: the seed's went on for as long as producers did. */
static void draining_with_a_handler_ends_though_producers_go_on(void **state)
{
	struct fixture *const f = channel_with(2, 32, 3);
	struct echo echo = {.f = f};

	(void)state;
	send_through(f, 0, 10);
	assert_int_equal(consume(f, 1), 1); /* nine are known */
	send_through(f, 0, 3);
	send_through(f, 1, 4);
	assert_int_equal(numbers_drain_all(&f->q, send_one_for_each, &echo), 16);
	assert_int_equal(quoit_mpsc_length(f->q.channel), 16);
	end(f);
}

static void throwing_away_counts_what_was_there(void **state)
{
	struct fixture *const f = channel_with(3, 64, 8);

	(void)state;
	for (uint32_t i = 0; i < 3; i++)
		send_through(f, i, 20);
	assert_int_equal(quoit_mpsc_consume_count(f->q.channel, 5), 5);
	f->got[0] += 5;
	assert_int_equal(quoit_mpsc_consume_count(f->q.channel, SIZE_MAX), 3 + 8 + 8);
	assert_int_equal(quoit_mpsc_drain_all_count(f->q.channel), 12 + 12 + 12);
	assert_true(quoit_mpsc_is_empty(f->q.channel));
	for (uint32_t i = 0; i < 3; i++)
		f->got[i] = f->sent[i];
	end(f);
}

/* --- skipping -------------------------------------------------------------------------------- */

static void a_lane_that_stays_empty_is_looked_at_ever_more_seldom(void **state)
{
	struct fixture *const f = channel_with(2, 8, 8);
	uint64_t looks;

	(void)state;
	send_through(f, 0, 1);
	assert_int_equal(consume(f, SIZE_MAX), 1); /* from now on it is busy */
	for (uint32_t round = 1; round <= 64 * 5; round++) {
		const bool again = round < 64 ? !(round & (round - 1)) : round % 64 == 0;

		looks = stats_of(f).looks;
		send_through(f, 0, 1);
		assert_int_equal(consume(f, SIZE_MAX), 1);
		assert_int_equal(stats_of(f).looks - looks, again ? 2 : 1);
	}
	assert_int_equal(stats_of(f).looks + stats_of(f).skips, 2 + 64 * 5 * 2);
	end(f);
}

/* The seed kept counters for 256 rings. */
static void every_one_of_many_idle_lanes_is_skipped(void **state)
{
	struct fixture *const f = channel_with(300, 1, 0);
	uint64_t looks = 0;

	(void)state;
	for (uint32_t round = 0; round < 64 * 4; round++) {
		if (round == 64 * 3)
			looks = stats_of(f).looks;
		send_through(f, 299, 1);
		assert_int_equal(consume(f, SIZE_MAX), 1);
	}
	assert_int_equal(stats_of(f).looks - looks, 64 + 299);
	end(f);
}

/* Until lane 1 is only looked at every 64th round. */
static void make_busy(struct fixture *f)
{
	for (uint32_t round = 0; round < 65; round++) {
		send_through(f, 0, 1);
		assert_int_equal(consume(f, SIZE_MAX), 1);
	}
}

static void a_skipped_lane_waits_no_longer_than_64_rounds(void **state)
{
	struct fixture *const f = channel_with(2, 8, 8);
	uint32_t rounds = 0;

	(void)state;
	make_busy(f);
	send_through(f, 1, 2);
	while (!f->got[1]) {
		send_through(f, 0, 1);
		assert_true(consume(f, SIZE_MAX) >= 1);
		assert_true(++rounds <= 64);
	}
	assert_true(rounds > 32); /* it was skipped in between */
	send_through(f, 0, 1);
	send_through(f, 1, 1);
	assert_int_equal(consume(f, SIZE_MAX), 2); /* and is not any more */
	end(f);
}

/* D-08: the seed said that there was nothing while a lane was in its window. */
static void nothing_found_means_that_every_lane_was_looked_at(void **state)
{
	struct fixture *const f = channel_with(2, 8, 8);
	uint64_t looks;

	(void)state;
	make_busy(f);
	send_through(f, 1, 1);
	assert_int_equal(consume(f, SIZE_MAX), 1);
	assert_int_equal(f->got[1], 1);
	make_busy(f);
	looks = stats_of(f).looks;
	assert_int_equal(consume(f, SIZE_MAX), 0);
	assert_int_equal(stats_of(f).looks - looks, 1 + 2);
	end(f);
}

/* D-08: a bell that was heard rings no more; the scan before the sleep must see everything. */
static void the_look_before_a_sleep_skips_nobody(void **state)
{
	struct fixture *const f = channel_with(2, 8, 8);

	(void)state;
	make_busy(f);
	assert_false(quoit_mpsc_has_news(f->q.channel));
	send_through(f, 1, 1);
	assert_true(quoit_mpsc_has_news(f->q.channel));
	send_through(f, 0, 1);
	assert_int_equal(consume(f, SIZE_MAX), 2); /* and the lane is skipped no more */
	assert_false(quoit_mpsc_has_news(f->q.channel));
	end(f);
}

static void single_reads_skip_nobody(void **state)
{
	struct fixture *const f = channel_with(2, 8, 8);

	(void)state;
	make_busy(f);
	send_through(f, 1, 1);
	assert_int_equal(recv_some(f, 1), 1);
	make_busy(f);
	send_through(f, 0, 1);
	send_through(f, 1, 1);
	assert_int_equal(recv_some(f, 8), 2);
	make_busy(f);
	send_through(f, 0, 1);
	send_through(f, 1, 1);
	assert_int_equal(numbers_consume_up_to(&f->q, 8, note_batch, f), 2);
	end(f);
}

static void skipping_can_be_forgotten(void **state)
{
	struct fixture *const f = channel_with(2, 8, 8);

	(void)state;
	make_busy(f);
	quoit_mpsc_reset_skip(f->q.channel);
	send_through(f, 0, 1);
	send_through(f, 1, 1);
	assert_int_equal(consume(f, SIZE_MAX), 2);
	end(f);
}

static void quiet_times_make_no_lane_a_seldom_one(void **state)
{
	struct fixture *const f = channel_with(2, 8, 8);

	(void)state;
	for (size_t i = 0; i < 200; i++)
		assert_int_equal(consume(f, SIZE_MAX), 0);
	assert_int_equal(stats_of(f).skips, 0);
	assert_int_equal(stats_of(f).looks, 400);
	end(f);
}

/* --- all of it at random --------------------------------------------------------------------- */

/* Items of any size, which say in their first byte who sent them. */
struct mixture {
	struct quoit_mpsc *channel;
	struct quoit_mpsc_producer p[4];
	uint64_t sent[4];
	uint64_t got[4];
	size_t bytes;
	size_t capacity;
};

static void fill(unsigned char *item, size_t bytes, uint32_t id, uint64_t number)
{
	for (size_t i = 0; i < bytes; i++)
		item[i] = (unsigned char)(number * 13 + i * 7 + id);
	item[0] = (unsigned char)(id << 6 | (number & 63));
}

static void check(void *items, size_t n, uint32_t id, void *ctx)
{
	struct mixture *const m = ctx;
	const unsigned char *item = items;
	unsigned char expected[200];

	for (size_t i = 0; i < n; i++, item += m->bytes) {
		const uint32_t sender = item[0] >> 6;

		assert_true(id == UINT32_MAX || id == sender);
		fill(expected, m->bytes, sender, m->got[sender]++);
		assert_memory_equal(item, expected, m->bytes);
	}
}

static uint64_t pending(const struct mixture *m)
{
	uint64_t n = 0;

	for (size_t i = 0; i < 4; i++)
		n += m->sent[i] - m->got[i];
	return n;
}

static void send_a_few(struct mixture *m)
{
	const uint32_t id = (uint32_t)random_below(&randomness, 4);
	struct quoit_mpsc_producer *const p = &m->p[id];
	const size_t n = (size_t)random_below(&randomness, m->capacity + 2);
	const size_t room = m->capacity - (size_t)(m->sent[id] - m->got[id]);
	static unsigned char items[66 * 200];
	size_t went, at;

	for (size_t i = 0; i < n; i++)
		fill(items + i * m->bytes, m->bytes, id, m->sent[id] + i);
	assert_int_equal(quoit_mpsc_available(p), room);
	switch (random_below(&randomness, 4)) {
	case 0:
		went = quoit_mpsc_send(p, items, n);
		assert_int_equal(went, quoit_min(n, room));
		break;
	case 1:
		went = quoit_mpsc_send_all(p, items, n) ? n : 0;
		assert_int_equal(went, n <= room ? n : 0);
		break;
	case 2:
		went = n && quoit_mpsc_send_one(p, items);
		assert_int_equal(went, n && room);
		break;
	default:
		went = random_below(&randomness, 2) ? quoit_mpsc_reserve(p, n, &at)
						    : quoit_mpsc_reserve_some(p, n, &at);
		assert_true(went <= quoit_min(n, room));
		if (went)
			memcpy(quoit_mpsc_slot(p, at), items, went * m->bytes);
		quoit_mpsc_commit_later(p, went);
		assert_int_equal(quoit_mpsc_unpublished(p), went);
		quoit_mpsc_flush(p);
	}
	m->sent[id] += went;
}

static void read_a_few(struct mixture *m)
{
	const uint64_t before = pending(m);
	const size_t most = (size_t)random_below(&randomness, 4 * m->capacity + 2);
	static unsigned char items[(4 * 64 + 2) * 200];
	size_t n;

	switch (random_below(&randomness, 5)) {
	case 0:
		n = quoit_mpsc_consume(m->channel, most, check, m);
		assert_int_equal(n != 0, before && most);
		break;
	case 1:
		n = quoit_mpsc_consume_up_to(m->channel, most, check, m);
		assert_int_equal(n, quoit_min(most, before));
		break;
	case 2:
		n = quoit_mpsc_recv(m->channel, items, most);
		assert_int_equal(n, quoit_min(most, before));
		check(items, n, UINT32_MAX, m);
		break;
	case 3:
		n = quoit_mpsc_drain(m->channel, items, most);
		assert_int_equal(n, quoit_min(most, before));
		check(items, n, UINT32_MAX, m);
		break;
	default:
		n = quoit_mpsc_recv_one(m->channel, items);
		assert_int_equal(n, before != 0);
		check(items, n, UINT32_MAX, m);
	}
	assert_int_equal(pending(m), before - n);
}

static void mix(size_t bytes, size_t capacity, uint64_t position)
{
	const struct quoit_mpsc_options options = {
		.item_bytes = bytes,
		.capacity_slots = capacity,
		.producers_most = 4,
		.quantum_items = 1 + (uint32_t)random_below(&randomness, 2 * capacity),
		.position = position,
	};
	struct mixture m = {.bytes = bytes, .capacity = capacity};
	size_t left;

	assert_int_equal(quoit_mpsc_create(&options, &m.channel), 0);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(quoit_mpsc_register(m.channel, &m.p[i]), 0);
	for (size_t i = 0; i < 300; i++) {
		if (random_below(&randomness, 2))
			send_a_few(&m);
		else
			read_a_few(&m);
		assert_int_equal(quoit_mpsc_length(m.channel), pending(&m));
		assert_int_equal(quoit_mpsc_has_news(m.channel), pending(&m) != 0);
	}
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(quoit_mpsc_deregister(&m.p[i]), 0);
	left = (size_t)pending(&m);
	assert_int_equal(quoit_mpsc_drain_all(m.channel, check, &m), left);
	assert_int_equal(pending(&m), 0);
	assert_int_equal(quoit_mpsc_destroy(m.channel), 0);
}

/* D-03, D-06: every way of writing and reading mixed with every other. */
static void all_ways_of_reading_mix_for_every_size(void **state)
{
	static const size_t sizes[] = {1, 4, 8, 12, 24, 64, 200};
	static const uint64_t positions[] = {0, (UINT64_C(1) << 32) - 3, UINT64_MAX - 2};

	(void)state;
	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
		for (size_t capacity = 1; capacity <= 64; capacity *= 4)
			for (size_t p = 0; p < sizeof(positions) / sizeof(positions[0]); p++)
				mix(sizes[s], capacity, positions[p]);
}

/* --- what a handler may not do --------------------------------------------------------------- */

static void read_again(struct number *items, size_t n, uint32_t id, void *ctx)
{
	struct fixture *const f = ctx;

	(void)items;
	(void)n;
	(void)id;
	(void)quoit_mpsc_consume_count(f->q.channel, 1);
}

static void read_in_a_handler(struct fixture *f)
{
	(void)numbers_consume(&f->q, 1, read_again, f);
}

/* D-11 */
static void a_handler_that_reads_is_stopped(void **state)
{
	struct fixture *const f = channel_with(1, 8, 8);

	(void)state;
	send_through(f, 0, 2);
	assert_int_equal(stops(read_in_a_handler, f), QUOIT_CONFIG_ASSERT >= 2);
	end(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_call_that_has_enough_looks_no_further),
		cmocka_unit_test(a_busy_lane_cannot_keep_the_others_waiting),
		cmocka_unit_test(single_items_are_taken_from_the_lanes_in_turn),
		cmocka_unit_test(a_turn_goes_on_where_the_budget_ended),
		cmocka_unit_test(the_order_of_turns_does_not_depend_on_how_much_is_asked_for),
		cmocka_unit_test(one_round_gives_each_lane_one_turn),
		cmocka_unit_test(one_call_goes_round_until_there_is_nothing_more),
		cmocka_unit_test(draining_into_an_array_keeps_each_lanes_items_together),
		cmocka_unit_test(draining_with_a_handler_ends_though_producers_go_on),
		cmocka_unit_test(throwing_away_counts_what_was_there),
		cmocka_unit_test(a_lane_that_stays_empty_is_looked_at_ever_more_seldom),
		cmocka_unit_test(every_one_of_many_idle_lanes_is_skipped),
		cmocka_unit_test(a_skipped_lane_waits_no_longer_than_64_rounds),
		cmocka_unit_test(nothing_found_means_that_every_lane_was_looked_at),
		cmocka_unit_test(the_look_before_a_sleep_skips_nobody),
		cmocka_unit_test(single_reads_skip_nobody),
		cmocka_unit_test(skipping_can_be_forgotten),
		cmocka_unit_test(quiet_times_make_no_lane_a_seldom_one),
		cmocka_unit_test(all_ways_of_reading_mix_for_every_size),
		cmocka_unit_test(a_handler_that_reads_is_stopped),
	};

	randomness.state = random_seed();
	print_message("SEED=%llu\n", (unsigned long long)randomness.state);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
