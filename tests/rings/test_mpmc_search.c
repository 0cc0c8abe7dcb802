/* SPDX-License-Identifier: MIT */
/*
 * test_mpmc_search.c - where a consumer of an MPMC ring looks, and that it finds whatever there is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <rings/mpmc_checks.h>

static void each_item_is_got_once_and_in_its_producers_order(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, &plain, 3, 2);
	for (size_t round = 0; round < 1000; round++) {
		for (size_t p = 0; p < 3; p++)
			assert_int_equal(send(&f, p, 1 + (round + p) % 40), 1 + (round + p) % 40);
		assert_int_equal(quoit_mpmc_length(f.q.ring), f.sent[0] + f.sent[1] + f.sent[2] -
								      f.got[0] - f.got[1] -
								      f.got[2]);
		while (consume(&f, round % 2, 1 + round % 70) && consume(&f, (round + 1) % 2, 64))
			;
		while (consume(&f, 0, 64))
			;
		assert_int_equal(quoit_mpmc_pending(f.q.ring), 0);
	}
	end(&f);
}

/* D-27: one item, in whichever lane, is found by whoever looks. */
static void nothing_means_that_every_lane_is_empty(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, &plain, 9, 5);
	for (size_t p = 0; p < 9; p++)
		for (size_t c = 0; c < 5; c++)
			for (size_t round = 0; round < 20; round++) {
				assert_false(quoit_mpmc_has_news(f.q.ring));
				assert_int_equal(consume_once(&f, c, 8), -1);
				assert_int_equal(send(&f, p, 1), 1);
				assert_true(quoit_mpmc_has_news(f.q.ring));
				assert_int_equal(consume_once(&f, c, 8), p);
			}
	end(&f);
}

static bool in_shard(const struct fixture *f, size_t consumer, size_t lane, size_t lanes)
{
	const struct quoit_mpmc_consumer *const c = &f->c[consumer].seat;

	return (lane + lanes - c->shard_first) % lanes < c->shard_span;
}

static void look_everywhere(struct fixture *f, size_t consumers)
{
	for (size_t c = 0; c < consumers; c++)
		assert_int_equal(consume_once(f, c, 1), -1);
}

/* D-25: by who is registered, not by how many might be. */
static void every_lane_is_in_a_shard_and_every_consumer_has_one(void **state)
{
	(void)state;
	for (size_t producers = 1; producers <= SEATS; producers++)
		for (size_t consumers = 1; consumers <= SEATS; consumers++) {
			struct fixture f;
			size_t fair = (producers + consumers - 1) / consumers;

			start(&f, &plain, producers, consumers);
			look_everywhere(&f, consumers);
			for (size_t c = 0; c < consumers; c++)
				assert_int_equal(f.c[c].seat.shard_span, fair);
			for (size_t lane = 0; lane < producers; lane++) {
				size_t owners = 0;

				for (size_t c = 0; c < consumers; c++)
					owners += in_shard(&f, c, lane, producers);
				assert_true(owners);
			}
			end(&f);
		}
}

static void shards_are_dealt_anew_when_somebody_comes_or_goes(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, &plain, 8, 2);
	look_everywhere(&f, 2);
	assert_int_equal(f.c[0].seat.shard_span, 4);
	assert_int_equal(f.c[1].seat.shard_first, 4);
	jobs_deregister_consumer(&f.c[0]);
	assert_int_equal(consume_once(&f, 1, 1), -1);
	assert_int_equal(f.c[1].seat.shard_span, 8);
	for (size_t p = 0; p < 6; p++)
		jobs_deregister_producer(&f.p[p]);
	assert_int_equal(jobs_register_consumer(&f.q, &f.c[0]), 0);
	look_everywhere(&f, 2);
	assert_true(in_shard(&f, 0, 6, 8) && in_shard(&f, 1, 7, 8));
	assert_false(in_shard(&f, 1, 6, 8) || in_shard(&f, 0, 7, 8));
	end(&f);
}

static void shards_are_as_wide_as_asked(void **state)
{
	struct quoit_mpmc_options options = plain;
	struct fixture f;

	(void)state;
	options.shard_lanes = 3;
	start(&f, &options, 8, 8);
	look_everywhere(&f, 8);
	for (size_t c = 0; c < 8; c++)
		assert_int_equal(f.c[c].seat.shard_span, 3);
	for (size_t p = 2; p < 8; p++)
		jobs_deregister_producer(&f.p[p]);
	look_everywhere(&f, 8);
	for (size_t c = 0; c < 8; c++)
		assert_true(f.c[c].seat.shard_span >= 2 && in_shard(&f, c, 0, 8) &&
			    in_shard(&f, c, 1, 8));
	end(&f);
}

static void a_shard_is_no_wider_than_the_lanes_that_have_producers(void **state)
{
	struct quoit_mpmc_options options = plain;
	struct fixture f;

	(void)state;
	options.shard_lanes = 3;
	start(&f, &options, 4, 1);
	jobs_deregister_producer(&f.p[2]);
	jobs_deregister_producer(&f.p[3]);
	assert_int_equal(consume_once(&f, 0, 1), -1);
	assert_int_equal(f.c[0].seat.shard_span, 2);
	end(&f);
}

static void a_consumer_stays_on_a_lane_for_a_while_and_then_goes_on(void **state)
{
	struct fixture f;
	size_t runs = 0, run = 0;
	int last = -1;

	(void)state;
	start(&f, &plain, 3, 1);
	for (size_t p = 0; p < 3; p++)
		assert_int_equal(send(&f, p, 1024), 1024);
	for (size_t i = 0; i < 3 * 1024 / 16; i++) {
		const int producer = consume_once(&f, 0, 16);

		if (producer != last && last >= 0) {
			assert_int_equal(run, QUOIT_MPMC_ROTATE / 16);
			run = 0;
			runs++;
		}
		run++;
		last = producer;
	}
	assert_int_equal(runs, 3 * 1024 / QUOIT_MPMC_ROTATE - 1);
	assert_int_equal(f.c[0].seat.from_shard, 3 * 1024 / 16);
	end(&f);
}

/* However large a block is: others have their turn. */
static void a_claim_is_no_longer_than_the_stay(void **state)
{
	struct quoit_mpmc_options options = plain;
	struct fixture f;

	(void)state;
	options.block_slots = 1024;
	start(&f, &options, 1, 1);
	assert_int_equal(send(&f, 0, 1024), 1024);
	assert_int_equal(consume_once(&f, 0, 1024), 0);
	assert_int_equal(f.got[0], QUOIT_MPMC_ROTATE);
	end(&f);
}

/* D-24: after a commit of 1000 and four claims of 250 the seed held a lane for the hottest. */
static void help_goes_to_the_fullest_lane(void **state)
{
	struct quoit_mpmc_options options = plain;
	struct fixture f;

	(void)state;
	options.block_slots = 256;
	start(&f, &options, 4, 4);
	look_everywhere(&f, 4);
	assert_int_equal(send(&f, 1, 1000), 1000);
	while (consume(&f, 1, 250))
		;
	assert_int_equal(send(&f, 2, 5), 5);
	assert_int_equal(send(&f, 3, 100), 100);
	assert_int_equal(consume_once(&f, 0, 100), 3);
	assert_int_equal(send(&f, 3, 1), 1);
	assert_int_equal(consume_once(&f, 0, 99), 2); /* five are more than one */
	assert_int_equal(consume_once(&f, 0, 99), 3);
	assert_int_equal(f.c[0].seat.from_fullest, 3);
	assert_int_equal(consume_once(&f, 0, 99), -1);
	assert_int_equal(f.c[0].seat.from_fullest, 3);
	end(&f);
}

/* Then it is time to look at home, whatever has come behind it. */
static void help_stays_for_what_it_has_seen_and_no_longer(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, &plain, 2, 2);
	look_everywhere(&f, 2);
	assert_int_equal(send(&f, 1, 40), 40);
	assert_int_equal(consume_once(&f, 0, 16), 1);
	assert_int_equal(send(&f, 0, 1), 1);
	assert_int_equal(send(&f, 1, 8), 8);
	assert_int_equal(consume_once(&f, 0, 16), 1);
	assert_int_equal(consume_once(&f, 0, 16), 1);
	assert_int_equal(f.got[1], 40);
	assert_int_equal(f.c[0].seat.from_fullest, 3);
	assert_int_equal(consume_once(&f, 0, 16), 0);
	assert_int_equal(f.c[0].seat.from_shard, 1);
	assert_int_equal(consume_once(&f, 0, 16), 1);

	/* And not for longer than at home. */
	assert_int_equal(send(&f, 1, 3 * QUOIT_MPMC_ROTATE), 3 * QUOIT_MPMC_ROTATE);
	assert_int_equal(consume_once(&f, 0, 16), 1);
	assert_int_equal(send(&f, 0, 1), 1);
	for (size_t i = 0; i < QUOIT_MPMC_ROTATE / 16 - 1; i++)
		assert_int_equal(consume_once(&f, 0, 16), 1);
	assert_int_equal(consume_once(&f, 0, 16), 0);
	end(&f);
}

static void help_goes_to_lanes_of_the_own_node_first_if_asked(void **state)
{
	struct quoit_mpmc_options options = plain;

	(void)state;
	for (int near_first = 0; near_first < 2; near_first++) {
		struct fixture f;

		options.near_first = near_first != 0;
		start(&f, &options, 4, 4);
		look_everywhere(&f, 4);
		for (size_t p = 0; p < 4; p++)
			f.p[p].seat.lane->node = p == 2 ? 5 : 6; /* as on a larger machine */
		f.c[0].seat.node = 5;
		assert_int_equal(send(&f, 1, 100), 100);
		assert_int_equal(send(&f, 2, 1), 1);
		assert_int_equal(consume_once(&f, 0, 64), near_first ? 2 : 1);
		end(&f);
	}
}

/* Who has enough to do at home still comes by where nobody does anything. */
static void a_consumer_that_stops_does_not_starve_its_shard(void **state)
{
	struct fixture f;
	size_t claims = 0;

	(void)state;
	start(&f, &plain, 2, 2);
	look_everywhere(&f, 2);
	assert_int_equal(send(&f, 1, 1), 1);
	while (f.got[1] == 0 && claims++ < 10000) {
		assert_true(send(&f, 0, 64)); /* always more */
		assert_true(consume_once(&f, 0, 64) >= 0);
	}
	assert_int_equal(f.got[1], 1);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_item_is_got_once_and_in_its_producers_order),
		cmocka_unit_test(nothing_means_that_every_lane_is_empty),
		cmocka_unit_test(every_lane_is_in_a_shard_and_every_consumer_has_one),
		cmocka_unit_test(shards_are_dealt_anew_when_somebody_comes_or_goes),
		cmocka_unit_test(shards_are_as_wide_as_asked),
		cmocka_unit_test(a_shard_is_no_wider_than_the_lanes_that_have_producers),
		cmocka_unit_test(a_consumer_stays_on_a_lane_for_a_while_and_then_goes_on),
		cmocka_unit_test(a_claim_is_no_longer_than_the_stay),
		cmocka_unit_test(help_goes_to_the_fullest_lane),
		cmocka_unit_test(help_stays_for_what_it_has_seen_and_no_longer),
		cmocka_unit_test(help_goes_to_lanes_of_the_own_node_first_if_asked),
		cmocka_unit_test(a_consumer_that_stops_does_not_starve_its_shard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
