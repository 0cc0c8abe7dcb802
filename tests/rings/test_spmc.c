/* SPDX-License-Identifier: MIT */
/*
 * test_spmc.c - one producer and the seats of its consumers, with elements. The protocol beneath is
 * tested in test_lane.c, threads in stress/mpmc.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <quoit/rings/typed_shared.h>

struct job {
	uint64_t number;
	uint32_t copies;
	char name[12]; /* 24 bytes in all */
};

QUOIT_SPMC(jobs, struct job);

#define CAPACITY 64

struct fixture {
	struct jobs q;
	struct quoit_lane_block blocks[QUOIT_LANE_BLOCKS(CAPACITY)];
	struct job slots[CAPACITY + 1];
	struct job items[CAPACITY * 2];
	uint64_t sent;
	uint64_t got;
};

static struct job job_of(uint64_t number)
{
	struct job job = {.number = number, .copies = (uint32_t)~number, .name = "a job"};

	job.name[11] = (char)number;
	return job;
}

static void check(const struct job *job, uint64_t number)
{
	const struct job expected = job_of(number);

	assert_memory_equal(job, &expected, sizeof(expected));
}

static void start(struct fixture *f, size_t consumers)
{
	const struct quoit_spmc_options options = {CAPACITY, 0, consumers};

	memset(f, 0, sizeof(*f));
	memset(&f->slots[CAPACITY], 0x5a, sizeof(f->slots[0]));
	assert_int_equal(jobs_init(&f->q, f->slots, f->blocks, &options), 0);
	assert_int_equal(quoit_spmc_init_at(&f->q.ring, f->slots, f->blocks, &options,
					    UINT64_MAX - 2 * CAPACITY + 1),
			 0);
}

static void end(struct fixture *f)
{
	const char *const guard = (const char *)&f->slots[CAPACITY];

	for (size_t i = 0; i < sizeof(f->slots[0]); i++)
		assert_int_equal(guard[i], 0x5a);
	quoit_spmc_finish(&f->q.ring);
	assert_int_equal(f->sent, f->got);
	assert_true(quoit_spmc_is_empty(&f->q.ring));
	assert_true(quoit_spmc_is_drained(&f->q.ring));
}

static size_t send(struct fixture *f, size_t n)
{
	size_t sent;

	for (size_t i = 0; i < n; i++)
		f->items[i] = job_of(f->sent + i);
	sent = jobs_send(&f->q, f->items, n);
	f->sent += sent;
	return sent;
}

/* --- seats ----------------------------------------------------------------------------------- */

static void a_ring_needs_a_seat_and_a_possible_size(void **state)
{
	struct quoit_lane_block blocks[8];
	struct quoit_spmc ring;

	(void)state;
	assert_int_equal(
		quoit_spmc_init(&ring, NULL, blocks, &(struct quoit_spmc_options){64, 0, 0}),
		-EINVAL);
	assert_int_equal(
		quoit_spmc_init(&ring, NULL, blocks, &(struct quoit_spmc_options){65, 0, 1}),
		-EINVAL);
	assert_int_equal(
		quoit_spmc_init(&ring, NULL, blocks, &(struct quoit_spmc_options){64, 128, 1}),
		-EINVAL);
	assert_int_equal(
		quoit_spmc_init(&ring, NULL, blocks, &(struct quoit_spmc_options){64, 8, 1}), 0);
	assert_int_equal(quoit_lane_block_slots(&ring.lane), 8);
}

static void the_ready_made_options_are_possible(void **state)
{
	static const struct quoit_spmc_options deep = QUOIT_SPMC_HIGH_THROUGHPUT;
	static const struct quoit_spmc_options shallow = QUOIT_SPMC_LOW_LATENCY;
	static struct quoit_lane_block blocks[((size_t)1 << 18) / 128];
	struct quoit_spmc ring;

	(void)state;
	assert_int_equal(quoit_spmc_init(&ring, NULL, blocks, &deep), 0);
	assert_int_equal(quoit_lane_block_slots(&ring.lane), 128);
	assert_int_equal(quoit_spmc_init(&ring, NULL, blocks, &shallow), 0);
	assert_int_equal(quoit_lane_capacity(&ring.lane), 4096);
}

/* So it can fetch the lines of a block together. */
static void the_producer_of_a_typed_ring_knows_its_slots(void **state)
{
	const struct quoit_spmc_options options = {CAPACITY, 0, 1};
	static struct fixture f;

	(void)state;
	assert_int_equal(jobs_init(&f.q, f.slots, f.blocks, &options), 0);
	assert_ptr_equal(f.q.ring.lane.slots_own, f.slots);
	assert_int_equal(f.q.ring.lane.slot_bytes, sizeof(f.slots[0]));
}

static void seats_are_limited_and_can_be_had_again(void **state)
{
	struct jobs_consumer c[4];
	struct fixture f;

	(void)state;
	start(&f, 3);
	for (size_t round = 0; round < 10; round++) {
		for (size_t i = 0; i < 3; i++)
			assert_int_equal(jobs_register_consumer(&f.q, &c[i]), 0);
		assert_int_equal(jobs_register_consumer(&f.q, &c[3]), -EUSERS);
		jobs_deregister_consumer(&c[1]);
		assert_int_equal(jobs_register_consumer(&f.q, &c[3]), 0);
		jobs_deregister_consumer(&c[0]);
		jobs_deregister_consumer(&c[2]);
		jobs_deregister_consumer(&c[3]);
	}
}

#define SEATS	3
#define RUSHERS 8

struct rush {
	struct quoit_spmc *ring;
	uint64_t over;	 /* seen more registered than there are seats */
	uint64_t seated; /* how often somebody got one */
	uint64_t inside; /* holding a seat right now, by their own count */
	uint64_t crowded;
};

static void *rush_worker(void *arg)
{
	struct rush *rush = arg;
	struct quoit_spmc_consumer seat;

	for (size_t i = 0; i < 3000; i++) {
		if (!quoit_spmc_register_consumer(rush->ring, &seat)) {
			if (quoit_add(&rush->inside, 1) >= SEATS)
				quoit_add(&rush->crowded, 1);
			quoit_add(&rush->seated, 1);
			quoit_add(&rush->inside, UINT64_MAX);
			quoit_spmc_deregister_consumer(&seat);
		}
		if (quoit_load(&rush->ring->consumers) > SEATS)
			quoit_add(&rush->over, 1);
	}
	return NULL;
}

/* D-26: the seed counted one too many and then took it back. */
static void in_a_rush_no_more_are_seated_than_there_are_seats(void **state)
{
	pthread_t threads[RUSHERS];
	struct rush rush = {0};
	struct fixture f;

	(void)state;
	start(&f, SEATS);
	rush.ring = &f.q.ring;
	for (size_t i = 0; i < RUSHERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, rush_worker, &rush), 0);
	for (size_t i = 0; i < RUSHERS; i++)
		pthread_join(threads[i], NULL);
	assert_true(rush.seated >= RUSHERS);
	assert_int_equal(rush.over, 0);
	assert_int_equal(rush.crowded, 0);
	assert_int_equal(quoit_load(&rush.ring->consumers), 0);
}

/* --- elements -------------------------------------------------------------------------------- */

static void send_copies_in_what_fits_and_send_all_all_or_nothing(void **state)
{
	struct jobs_consumer c;
	struct fixture f;

	(void)state;
	start(&f, 1);
	assert_int_equal(jobs_register_consumer(&f.q, &c), 0);
	for (size_t used = 0; used <= CAPACITY; used++)
		for (size_t n = 0; n <= CAPACITY + 2; n++) {
			const size_t room = CAPACITY - used;

			assert_int_equal(send(&f, used), used);
			assert_int_equal(send(&f, n), quoit_min(n, room));
			assert_int_equal(jobs_steal(&c, f.items, 2 * CAPACITY),
					 used + quoit_min(n, room));
			for (; f.got < f.sent; f.got++)
				check(&f.items[used + quoit_min(n, room) - (f.sent - f.got)],
				      f.got);
			/* To a block's begin, so that all is free again. */
			while (f.sent % 16) {
				assert_int_equal(send(&f, 1), 1);
				assert_true(jobs_steal_one(&c, f.items));
				check(f.items, f.got++);
			}
			assert_int_equal(send(&f, used), used);
			for (size_t i = 0; i < n; i++)
				f.items[i] = job_of(f.sent + i);
			assert_int_equal(jobs_send_all(&f.q, f.items, n), n <= room);
			f.sent += n <= room ? n : 0;
			while (jobs_pop(&c, f.items))
				check(f.items, f.got++);
			assert_int_equal(f.got, f.sent);
			while (f.sent % 16) {
				assert_int_equal(send(&f, 1), 1);
				assert_true(jobs_pop(&c, f.items));
				check(f.items, f.got++);
			}
		}
	jobs_deregister_consumer(&c);
	end(&f);
}

static void reserved_slots_are_filled_in_place(void **state)
{
	struct jobs_consumer c;
	struct fixture f;

	(void)state;
	start(&f, 1);
	assert_int_equal(jobs_register_consumer(&f.q, &c), 0);
	for (size_t round = 0; round < 500; round++) {
		size_t n = 12345;
		struct job *to = jobs_reserve(&f.q, 1 + round % 16, &n);

		assert_non_null(to);
		for (size_t i = 0; i < n; i++)
			to[i] = job_of(f.sent++);
		jobs_commit_later(&f.q, n);
		assert_true(quoit_spmc_is_empty(&f.q.ring));
		to = jobs_reserve_some(&f.q, 100, &n);
		assert_non_null(to);
		*to = job_of(f.sent++);
		jobs_commit_later(&f.q, 1);
		jobs_flush(&f.q);
		n = 12345;
		assert_null(jobs_reserve(&f.q, CAPACITY + 1, &n));
		assert_int_equal(n, 12345);
		assert_int_equal(quoit_spmc_length(&f.q.ring), f.sent - f.got);
		while (jobs_pop(&c, f.items))
			check(f.items, f.got++);
	}
	jobs_deregister_consumer(&c);
	end(&f);
}

static void work_in_place(struct job *items, size_t n, void *ctx)
{
	struct fixture *const f = ctx;

	assert_true(items >= f->slots && items + n <= f->slots + CAPACITY);
	for (size_t i = 0; i < n; i++)
		check(&items[i], f->got++);
	assert_true(quoit_spmc_pending(&f->q.ring) >= n); /* not given back yet */
}

static void consume_works_on_the_slots_themselves_and_up_to_most(void **state)
{
	struct jobs_consumer c;
	struct fixture f;

	(void)state;
	start(&f, 1);
	assert_int_equal(jobs_register_consumer(&f.q, &c), 0);
	for (size_t most = 0; most <= CAPACITY + 1; most++) {
		const size_t sent = send(&f, 40);

		assert_int_equal(sent, 40);
		assert_int_equal(jobs_consume(&c, most, work_in_place, &f), quoit_min(most, 40));
		assert_int_equal(jobs_consume(&c, 100, work_in_place, &f),
				 40 - quoit_min(most, 40));
		assert_int_equal(jobs_consume(&c, 100, work_in_place, &f), 0);
		assert_int_equal(quoit_spmc_pending(&f.q.ring), 0);
	}
	jobs_deregister_consumer(&c);
	end(&f);
}

/* Each job goes to one of them, and whoever stops with a claim holds nobody up. */
static void consumers_share_the_work_and_nobody_waits(void **state)
{
	struct jobs_consumer slow, quick;
	struct quoit_claim held = {0}, claim;
	struct fixture f;
	struct job *at;

	(void)state;
	start(&f, 2);
	assert_int_equal(jobs_register_consumer(&f.q, &slow), 0);
	assert_int_equal(jobs_register_consumer(&f.q, &quick), 0);
	assert_int_equal(send(&f, 10), 10);
	at = jobs_claim(&slow, 3, &held);
	assert_non_null(at);
	f.got += held.n;
	for (size_t i = 0; i < 1000; i++) {
		assert_int_equal(send(&f, 1), 1);
		while (jobs_pop(&quick, f.items))
			check(f.items, f.got++);
		assert_int_equal(f.got, f.sent);
		assert_null(jobs_claim(&quick, 1, &claim));
		assert_null(jobs_take(&quick, 1, &claim));
	}
	for (size_t i = 0; i < held.n; i++)
		check(&at[i], i); /* untouched all the while */
	jobs_release(&slow, &held, held.n);
	assert_int_equal(slow.seat.claims, 1);
	assert_int_equal(slow.seat.held + quick.seat.held, 0);
	jobs_deregister_consumer(&slow);
	jobs_deregister_consumer(&quick);
	end(&f);
}

/* Popping claims ahead: who pops must pop the rest before it may sleep, and can see how much. */
static void what_was_claimed_by_popping_waits_for_the_popper(void **state)
{
	struct jobs_consumer popper, other;
	struct fixture f;
	size_t ahead;

	(void)state;
	start(&f, 2);
	assert_int_equal(jobs_register_consumer(&f.q, &popper), 0);
	assert_int_equal(jobs_register_consumer(&f.q, &other), 0);
	assert_int_equal(send(&f, 40), 40);
	assert_true(jobs_pop(&popper, f.items));
	check(f.items, f.got++);
	ahead = quoit_spmc_unpopped(&popper.seat);
	assert_in_range(ahead, 1, QUOIT_SPMC_POP_MOST - 1);
	assert_int_equal(quoit_spmc_length(&f.q.ring), 39 - ahead);
	assert_int_equal(quoit_spmc_pending(&f.q.ring), 40);
	assert_true(quoit_spmc_has_news(&other.seat));
	assert_int_equal(jobs_steal(&other, f.items, 100), 39 - ahead);
	check(f.items, 1 + ahead);
	assert_false(quoit_spmc_has_news(&other.seat));
	for (size_t i = 0; i < ahead; i++) {
		assert_true(jobs_pop(&popper, f.items));
		check(f.items, f.got++);
	}
	assert_int_equal(quoit_spmc_unpopped(&popper.seat), 0);
	assert_int_equal(quoit_spmc_pending(&f.q.ring), 0); /* behind the last goes the claim */
	f.got = f.sent;
	jobs_deregister_consumer(&popper);
	jobs_deregister_consumer(&other);
	end(&f);
}

static void lingering_happens_after_catching_up_and_hides_nothing(void **state)
{
	struct jobs_consumer c;
	struct fixture f;

	(void)state;
	start(&f, 1);
	assert_int_equal(jobs_register_consumer(&f.q, &c), 0);
	for (uint32_t pauses = 0; pauses < 3; pauses++) {
		const uint64_t before = c.seat.lingered;

		quoit_spmc_linger(&c.seat, pauses);
		assert_int_equal(send(&f, 1), 1);
		assert_true(jobs_pop(&c, f.items)); /* what is there is there at once */
		check(f.items, f.got++);
		assert_int_equal(c.seat.lingered, before);
		assert_int_equal(send(&f, 1), 1);
		assert_true(jobs_pop(&c, f.items));
		check(f.items, f.got++);
		assert_int_equal(c.seat.lingered, before + (pauses != 0));
		assert_false(jobs_pop(&c, f.items));
		assert_false(jobs_pop(&c, f.items)); /* once for each claim */
		assert_int_equal(c.seat.lingered, before + 2 * (pauses != 0));
	}
	jobs_deregister_consumer(&c);
	end(&f);
}

static void a_closed_ring_takes_no_more_and_is_read_to_its_end(void **state)
{
	struct jobs_consumer c;
	struct fixture f;
	size_t n;

	(void)state;
	start(&f, 1);
	assert_int_equal(jobs_register_consumer(&f.q, &c), 0);
	assert_int_equal(send(&f, 7), 7);
	assert_false(quoit_spmc_is_closed(&f.q.ring));
	quoit_spmc_close(&f.q.ring);
	assert_true(quoit_spmc_is_closed(&f.q.ring));
	assert_int_equal(send(&f, 1), 0);
	assert_false(jobs_send_all(&f.q, f.items, 1));
	assert_false(jobs_send_one(&f.q, f.items));
	assert_null(jobs_reserve(&f.q, 1, &n));
	assert_null(jobs_reserve_some(&f.q, 1, &n));
	assert_false(quoit_spmc_is_drained(&f.q.ring));
	assert_int_equal(jobs_steal(&c, f.items, 100), 7);
	f.got = 7;
	jobs_deregister_consumer(&c);
	end(&f);
}

/* Start workers, send, finish, wait for the workers: however late they begin, nothing is left. */
static void who_comes_after_the_close_gets_what_is_left(void **state)
{
	struct jobs_consumer early, late;
	struct quoit_claim held = {0};
	struct fixture f;

	(void)state;
	start(&f, 2);
	assert_int_equal(send(&f, 10), 10);
	quoit_spmc_close(&f.q.ring);
	assert_int_equal(jobs_register_consumer(&f.q, &early), 0); /* something may be reserved */
	quoit_spmc_finish(&f.q.ring);
	assert_int_equal(jobs_register_consumer(&f.q, &late), 0);
	assert_int_equal(jobs_steal(&late, f.items, 9), 9);
	jobs_deregister_consumer(&late);
	assert_non_null(jobs_take(&early, 1, &held));
	assert_int_equal(jobs_register_consumer(&f.q, &late), 0); /* it is not given back yet */
	jobs_deregister_consumer(&late);
	jobs_release(&early, &held, 1);
	assert_int_equal(jobs_register_consumer(&f.q, &late), -ESHUTDOWN);
	jobs_deregister_consumer(&early);
	assert_int_equal(jobs_register_consumer(&f.q, &late), -ESHUTDOWN);
	f.got = 10;
	end(&f);
}

static void all_are_sent_behind_a_block_that_is_pinned(void **state)
{
	struct jobs_consumer c;
	struct quoit_claim held = {0}, claim = {0};
	struct fixture f;

	(void)state;
	start(&f, 1);
	assert_int_equal(jobs_register_consumer(&f.q, &c), 0);
	assert_int_equal(send(&f, CAPACITY), CAPACITY);
	assert_int_equal(quoit_spmc_take(&c.seat, 16, &held), 16);
	while (quoit_spmc_take(&c.seat, CAPACITY, &claim))
		quoit_spmc_release(&c.seat, &claim, claim.n);
	for (size_t i = 0; i < 20; i++)
		f.items[i] = job_of(f.sent + i);
	assert_true(jobs_send_all(&f.q, f.items, 20));
	f.got = f.sent;
	f.sent += 20;
	quoit_spmc_release(&c.seat, &held, 16);
	while (quoit_spmc_take(&c.seat, CAPACITY, &claim)) {
		for (size_t i = 0; i < claim.n; i++)
			check(&f.slots[claim.at + i], f.got++);
		quoit_spmc_release(&c.seat, &claim, claim.n);
	}
	jobs_deregister_consumer(&c);
	end(&f);
}

/* The functions beneath the typed shell, which has its own way to copy. */
static void without_types_slots_are_reserved_published_and_taken(void **state)
{
	struct quoit_spmc_consumer consumer;
	struct quoit_wake wake = {0};
	struct quoit_notify notify;
	struct quoit_claim claim = {0};
	struct fixture f;
	size_t at = 99;

	(void)state;
	start(&f, 1);
	assert_int_equal(quoit_notify_open(&notify, &wake), 0);
	quoit_spmc_attach(&f.q.ring, &notify);
	assert_ptr_equal(f.q.ring.lane.notify, &notify);
	assert_int_equal(quoit_spmc_register_consumer(&f.q.ring, &consumer), 0);
	assert_int_equal(quoit_spmc_reserve(&f.q.ring, 3, &at), 3);
	quoit_spmc_commit_later(&f.q.ring, 2);
	assert_int_equal(quoit_spmc_take(&consumer, 5, &claim), 0);
	quoit_spmc_publish(&f.q.ring);
	assert_int_equal(quoit_spmc_length(&f.q.ring), 2);
	assert_int_equal(quoit_spmc_reserve_some(&f.q.ring, 3, &at), 3);
	quoit_spmc_commit_later(&f.q.ring, 1);
	quoit_spmc_flush(&f.q.ring);
	assert_int_equal(quoit_spmc_length(&f.q.ring), 3);
	assert_int_equal(quoit_spmc_reserve(&f.q.ring, 3, &at), 3);
	quoit_spmc_commit(&f.q.ring, 3);
	assert_int_equal(quoit_spmc_length(&f.q.ring), 6);
	assert_int_equal(quoit_spmc_take(&consumer, 0, &claim), 0);
	for (size_t n = 0; n < 6; n += claim.n, quoit_spmc_release(&consumer, &claim, claim.n))
		assert_true(quoit_spmc_take(&consumer, 6 - n, &claim));
	quoit_spmc_deregister_consumer(&consumer);
	assert_false(quoit_spmc_is_closed(&f.q.ring));
	quoit_spmc_finish(&f.q.ring);
	assert_true(quoit_spmc_is_closed(&f.q.ring));
	quoit_notify_close(&notify);
}

static void half_a_claim_is_not_yet_caught_up(void **state)
{
	struct jobs_consumer c;
	struct fixture f;
	struct job job;

	(void)state;
	start(&f, 1);
	assert_int_equal(jobs_register_consumer(&f.q, &c), 0);
	quoit_spmc_linger(&c.seat, 1);
	for (size_t lingered = 0; lingered < 2; lingered++) {
		const size_t n = QUOIT_SPMC_POP_MOST / 2 - lingered;

		assert_int_equal(send(&f, n), n);
		/* Claims end with their blocks: this one is one. */
		while (jobs_pop(&c, &job))
			check(&job, f.got++);
		assert_int_equal(c.seat.lingered != 0, lingered);
	}
	jobs_deregister_consumer(&c);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_types_slots_are_reserved_published_and_taken),
		cmocka_unit_test(all_are_sent_behind_a_block_that_is_pinned),
		cmocka_unit_test(half_a_claim_is_not_yet_caught_up),
		cmocka_unit_test(a_ring_needs_a_seat_and_a_possible_size),
		cmocka_unit_test(the_ready_made_options_are_possible),
		cmocka_unit_test(the_producer_of_a_typed_ring_knows_its_slots),
		cmocka_unit_test(seats_are_limited_and_can_be_had_again),
		cmocka_unit_test(in_a_rush_no_more_are_seated_than_there_are_seats),
		cmocka_unit_test(send_copies_in_what_fits_and_send_all_all_or_nothing),
		cmocka_unit_test(reserved_slots_are_filled_in_place),
		cmocka_unit_test(consume_works_on_the_slots_themselves_and_up_to_most),
		cmocka_unit_test(consumers_share_the_work_and_nobody_waits),
		cmocka_unit_test(what_was_claimed_by_popping_waits_for_the_popper),
		cmocka_unit_test(lingering_happens_after_catching_up_and_hides_nothing),
		cmocka_unit_test(a_closed_ring_takes_no_more_and_is_read_to_its_end),
		cmocka_unit_test(who_comes_after_the_close_gets_what_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
