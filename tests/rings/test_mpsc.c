/* SPDX-License-Identifier: MIT */
/*
 * test_mpsc.c - producers of an MPSC channel come, send, go and give their lanes to others. How it
 * ends is in test_mpsc_end.c, how the consumer reads in test_mpsc_read.c, what a registration meets
 * in test_mpsc_register.c, and what threads make of it in tests/stress/mpsc.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <quoit/numa/idset.h>
#include <quoit/numa/topology.h>

#include <rings/mpsc_faults.h>

/* --- making and freeing ---------------------------------------------------------------------- */

static void impossible_sizes_are_refused(void **state)
{
	static const struct quoit_mpsc_options possible = {
		.item_bytes = 8, .capacity_slots = 4, .producers_most = 2};
	struct quoit_mpsc_options o[8];
	struct quoit_mpsc *channel = (void *)&o;

	(void)state;
	for (size_t i = 0; i < 8; i++)
		o[i] = possible;
	o[0].item_bytes = 0;
	o[1].capacity_slots = 0;
	o[2].capacity_slots = 12;
	o[3].capacity_slots = 2 * QUOIT_SPSC_CAPACITY_MAX;
	o[4].producers_most = 0;
	o[5].producers_most = QUOIT_DIRECTORY_MOST + 1;
	o[6].item_bytes = SIZE_MAX / 2;
	o[7].item_bytes = SIZE_MAX / 4 + 1; /* times 4 is 0 */
	for (size_t i = 0; i < 8; i++)
		assert_int_equal(quoit_mpsc_create(&o[i], &channel), -EINVAL);
	fault.refuse_mmap = true;
	assert_int_equal(quoit_mpsc_create(&possible, &channel), -ENOMEM);
	o[0] = possible;
	o[0].producers_most = QUOIT_DIRECTORY_MOST; /* may be asked for */
	assert_int_equal(quoit_mpsc_create(&o[0], &channel), -ENOMEM);
	fault.refuse_mmap = false;
	fault.refuse_init = true;
	fault.mapped = fault.unmapped = 0;
	assert_int_equal(quoit_mpsc_create(&possible, &channel), -ENOMEM);
	assert_int_equal(fault.unmapped, fault.mapped);
	assert_ptr_equal(channel, &o);
	assert_int_equal(quoit_mpsc_destroy(NULL), 0);
}

static void a_channel_frees_all_that_it_has_mapped(void **state)
{
	struct fixture *f;
	size_t empty;

	(void)state;
	f = channel_of(1024, 20, 0);
	assert_int_equal(fault.mapped, 1); /* no lane before there is a producer (D-17) */
	empty = quoit_mpsc_memory_bytes(f->q.channel);
	for (size_t i = 0; i < 20; i++)
		assert_int_equal(numbers_register(&f->q, &f->p[i]), 0);
	assert_int_equal(fault.mapped, 21);
	assert_true(quoit_mpsc_memory_bytes(f->q.channel) >=
		    empty + 20 * 1024 * sizeof(struct number));
	assert_true(quoit_mpsc_memory_bytes(f->q.channel) <=
		    empty + 20 * (1024 * sizeof(struct number) + 12288));
	assert_int_equal(quoit_mpsc_lane_capacity(f->q.channel), 1024);
	assert_int_equal(quoit_mpsc_capacity_most(f->q.channel), 20 * 1024);
	send_through(f, 7, 5);
	assert_int_equal(quoit_mpsc_destroy(f->q.channel), -EBUSY);
	end(f);
	assert_int_equal(fault.unmapped, 21);
}

/* --- producers ------------------------------------------------------------------------------- */

static void a_producer_writes_in_place_and_publishes_when_it_likes(void **state)
{
	struct fixture *const f = channel_with(1, 8, 0);
	struct numbers_producer *const p = &f->p[0];
	struct number *to;
	size_t n = 0;

	(void)state;
	to = numbers_reserve(p, 3, &n);
	assert_non_null(to);
	assert_int_equal(n, 3);
	for (uint32_t i = 0; i < 3; i++)
		to[i] = (struct number){0, f->sent[0]++};
	numbers_commit_later(p, 2);
	assert_int_equal(quoit_mpsc_unpublished(&p->seat), 2);
	assert_int_equal(consume(f, SIZE_MAX), 0);
	quoit_mpsc_publish(&p->seat);
	assert_int_equal(quoit_mpsc_unpublished(&p->seat), 0);
	assert_int_equal(quoit_mpsc_available(&p->seat), 6);
	assert_int_equal(consume(f, SIZE_MAX), 2);
	numbers_commit(p, 1);
	assert_int_equal(consume(f, SIZE_MAX), 1);
	assert_int_equal(quoit_mpsc_available(&p->seat), 8);
	assert_null(numbers_reserve(p, 9, &n));
	to = numbers_reserve_some(p, 9, &n);
	assert_non_null(to);
	assert_int_equal(n, 5); /* before the wrap */
	numbers_commit_later(p, 0);
	numbers_flush(p);
	end(f);
}

/* B61: states, in order; D-17: lanes are used again. */
static void a_lane_goes_to_the_next_producer_once_it_is_read_to_its_end(void **state)
{
	struct fixture *const f = channel_of(8, 2, 0);
	struct numbers_producer *const p = f->p;

	(void)state;
	assert_int_equal(quoit_mpsc_lane_state(f->q.channel, 0), QUOIT_MPSC_FREE);
	assert_null(quoit_mpsc_lane_ring(f->q.channel, 0));
	assert_int_equal(numbers_register(&f->q, &p[0]), 0);
	assert_int_equal(numbers_register(&f->q, &p[1]), 0);
	assert_int_equal(numbers_register(&f->q, &p[2]), -EUSERS);
	assert_null(p[2].seat.channel);
	assert_int_equal(quoit_mpsc_lane_state(f->q.channel, 0), QUOIT_MPSC_LIVE);
	assert_non_null(quoit_mpsc_lane_ring(f->q.channel, 0));
	send_through(f, 0, 3);
	send_through(f, 1, 1);
	assert_int_equal(numbers_deregister(&p[0]), 0);
	assert_int_equal(quoit_mpsc_lane_state(f->q.channel, 0), QUOIT_MPSC_CLOSING);
	assert_int_equal(quoit_mpsc_producers(f->q.channel), 1);

	/* Nobody may have it while something of the old one is in it. */
	assert_int_equal(numbers_register(&f->q, &p[2]), -EUSERS);
	assert_int_equal(consume(f, 3), 3);
	assert_int_equal(numbers_register(&f->q, &p[2]), -EUSERS);
	assert_int_equal(consume(f, SIZE_MAX), 1);
	assert_int_equal(consume(f, SIZE_MAX), 0);
	assert_int_equal(quoit_mpsc_lane_state(f->q.channel, 0), QUOIT_MPSC_FREE);
	assert_int_equal(stats_of(f).lanes_free, 1);
	assert_int_equal(numbers_register(&f->q, &p[2]), 0);
	assert_int_equal(p[2].seat.id, 0);
	assert_int_equal(p[2].seat.generation, 1);
	send_through(f, 2, 8);
	assert_int_equal(consume(f, SIZE_MAX), 8);
	assert_int_equal(quoit_mpsc_lanes(f->q.channel), 2);
	end(f);
}

static void what_is_committed_is_published_when_the_producer_goes(void **state)
{
	struct fixture *const f = channel_with(1, 8, 0);
	struct number *to;
	size_t n;

	(void)state;
	to = numbers_reserve(&f->p[0], 3, &n);
	assert_non_null(to);
	to[0] = (struct number){0, f->sent[0]++};
	numbers_commit_later(&f->p[0], 1);
	assert_int_equal(numbers_deregister(&f->p[0]), 0);
	assert_int_equal(consume(f, SIZE_MAX), 1);
	end(f);
}

static void a_void_handle_is_told_so(void **state)
{
	struct fixture *const f = channel_with(1, 8, 0);
	struct numbers_producer copy = f->p[0];

	(void)state;
	assert_int_equal(numbers_deregister(&f->p[0]), 0);
	assert_int_equal(numbers_deregister(&f->p[0]), -ESTALE);
	assert_int_equal(numbers_deregister(&copy), -ESTALE);
	assert_int_equal(consume(f, SIZE_MAX), 0);
	assert_int_equal(numbers_register(&f->q, &f->p[0]), 0);
	assert_int_equal(numbers_deregister(&copy), -ESTALE); /* not the new one's seat */
	assert_int_equal(quoit_mpsc_producers(f->q.channel), 1);
	send_through(f, 0, 1);
	end(f);
}

/* D-17: with the seed each connection took half a megabyte for ever. */
static void producers_that_come_and_go_take_no_more_memory(void **state)
{
	struct fixture *const f = channel_of(4, 1000, 0);
	size_t memory = 0;

	(void)state;
	for (uint32_t i = 0; i < 5000; i++) {
		for (size_t j = 0; j < 3; j++) {
			assert_int_equal(numbers_register(&f->q, &f->p[j]), 0);
			send_through(f, (uint32_t)j, j + 1);
		}
		for (size_t j = 0; j < 3; j++)
			assert_int_equal(numbers_deregister(&f->p[j]), 0);
		while (consume(f, SIZE_MAX))
			;
		if (!i)
			memory = quoit_mpsc_memory_bytes(f->q.channel);
	}
	assert_int_equal(quoit_mpsc_lanes(f->q.channel), 3);
	assert_int_equal(quoit_mpsc_memory_bytes(f->q.channel), memory);
	assert_int_equal(f->arrived, 5000 * 6);
	end(f);
}

/* The consumer waits for no lock: what it cannot do now it does at its next look. */
static void a_lane_whose_lock_is_taken_is_given_back_later(void **state)
{
	struct fixture *const f = channel_with(1, 8, 0);

	(void)state;
	send_through(f, 0, 1);
	assert_int_equal(numbers_deregister(&f->p[0]), 0);
	fault.refuse_trylock = true;
	assert_int_equal(consume(f, SIZE_MAX), 1);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(consume(f, SIZE_MAX), 0);
		assert_int_equal(quoit_mpsc_lane_state(f->q.channel, 0), QUOIT_MPSC_DRAINED);
	}
	fault.refuse_trylock = false;
	for (size_t i = 0; i < 3; i++) /* given back once, not thrice */
		assert_int_equal(consume(f, SIZE_MAX), 0);
	assert_int_equal(quoit_mpsc_lane_state(f->q.channel, 0), QUOIT_MPSC_FREE);
	assert_int_equal(numbers_register(&f->q, &f->p[0]), 0);
	assert_int_equal(numbers_register(&f->q, &f->p[1]), -EUSERS);
	end(f);
}

/* The consumer may have fallen asleep since, so the next look may be far away. */
static void a_lane_that_waits_to_be_given_back_is_had_by_who_finds_no_other(void **state)
{
	struct fixture *const f = channel_with(1, 8, 0);

	(void)state;
	assert_int_equal(numbers_deregister(&f->p[0]), 0);
	fault.refuse_trylock = true;
	assert_int_equal(consume(f, SIZE_MAX), 0);
	assert_int_equal(numbers_register(&f->q, &f->p[0]), 0);
	fault.refuse_trylock = false;
	send_through(f, 0, 3);
	assert_int_equal(consume(f, SIZE_MAX), 3);
	assert_int_equal(consume(f, SIZE_MAX), 0);
	assert_int_equal(quoit_mpsc_lane_state(f->q.channel, 0), QUOIT_MPSC_LIVE);
	assert_int_equal(numbers_register(&f->q, &f->p[1]), -EUSERS);
	end(f);
}

static struct fixture *trying;

static void take_it_away(void)
{
	assert_int_equal(numbers_register(&trying->q, &trying->p[0]), 0);
}

/* Between the consumer's look at its state and the lock, a producer has taken it. */
static void a_lane_taken_just_now_is_not_given_back(void **state)
{
	struct fixture *const f = trying = channel_with(1, 8, 0);

	(void)state;
	assert_int_equal(numbers_deregister(&f->p[0]), 0);
	fault.when_trying = take_it_away;
	assert_int_equal(consume(f, SIZE_MAX), 0);
	assert_int_equal(quoit_mpsc_lane_state(f->q.channel, 0), QUOIT_MPSC_LIVE);
	assert_int_equal(numbers_register(&f->q, &f->p[1]), -EUSERS);
	end(f);
}

/* Between the consumer's look and its asking whether the producer has finished, both happened. */
static void a_lane_that_got_its_last_items_just_now_is_not_given_away(void **state)
{
	struct fixture *const f = channel_with(1, 8, 0);

	(void)state;
	send_through(f, 0, 2);
	assert_int_equal(numbers_deregister(&f->p[0]), 0);
	quoit__mpsc_retire(f->q.channel, quoit__mpsc_lane(f->q.channel, 0));
	assert_int_equal(quoit_mpsc_lane_state(f->q.channel, 0), QUOIT_MPSC_CLOSING);
	assert_int_equal(numbers_register(&f->q, &f->p[0]), -EUSERS);
	assert_int_equal(consume(f, SIZE_MAX), 2);
	end(f);
}

static void register_another(struct number *items, size_t n, uint32_t id, void *ctx)
{
	struct fixture *const f = ctx;

	note_batch(items, n, id, ctx);
	assert_int_equal(numbers_register(&f->q, &f->p[f->arrived]), 0);
	send_through(f, (uint32_t)f->arrived, 1);
}

static void a_handler_may_register_producers(void **state)
{
	struct fixture *const f = channel_of(4, 40, 0);

	(void)state;
	assert_int_equal(numbers_register(&f->q, &f->p[0]), 0);
	send_through(f, 0, 1);
	assert_int_equal(numbers_consume_up_to(&f->q, 30, register_another, f), 30);
	end(f);
}

static void *use_worker(void *arg)
{
	struct fixture *const f = arg;

	return (void *)numbers_send(&f->p[0], &(struct number){0, 0}, 1);
}

static void *adopt_worker(void *arg)
{
	struct fixture *const f = arg;

	quoit_mpsc_adopt(&f->p[0].seat);
	return use_worker(arg);
}

static void use_elsewhere(struct fixture *f)
{
	pthread_t thread;

	if (!pthread_create(&thread, NULL, use_worker, f))
		(void)pthread_join(thread, NULL);
}

static void use_after_deregister(struct fixture *f)
{
	struct numbers_producer copy = f->p[0];

	if (!numbers_deregister(&f->p[0]))
		(void)numbers_send(&copy, &(struct number){0, 0}, 1);
}

/* What the producer before had reserved on this lane. */
static void commit_what_another_reserved(struct fixture *f)
{
	size_t granted;

	if (!numbers_reserve(&f->p[0], 3, &granted) || numbers_deregister(&f->p[0]))
		return;
	(void)consume(f, SIZE_MAX);
	if (!numbers_register(&f->q, &f->p[0]))
		numbers_commit(&f->p[0], granted);
}

static void a_reservation_ends_with_its_producer(void **state)
{
	struct fixture *const f = channel_with(1, 8, 0);

	(void)state;
	assert_int_equal(stops(commit_what_another_reserved, f), QUOIT_CONFIG_ASSERT >= 2);
	end(f);
}

/* D-15: the seed called its handle safe to copy. */
static void a_handle_belongs_to_one_thread_at_a_time(void **state)
{
	struct fixture *const f = channel_with(1, 8, 0);
	pthread_t thread;
	void *sent;

	(void)state;
	assert_int_equal(stops(use_elsewhere, f), QUOIT_CONFIG_ASSERT >= 2);
	assert_int_equal(stops(use_after_deregister, f), QUOIT_CONFIG_ASSERT >= 2);
	assert_int_equal(pthread_create(&thread, NULL, adopt_worker, f), 0);
	assert_int_equal(pthread_join(thread, &sent), 0);
	assert_ptr_equal(sent, (void *)1);
	f->sent[0]++;
	quoit_mpsc_adopt(&f->p[0].seat);
	send_through(f, 0, 1);
	end(f);
}

static void a_free_lane_on_the_wanted_node_is_preferred(void **state)
{
	struct fixture *const f = channel_of(4, 3, 0);
	struct numbers_producer *const p = f->p;

	(void)state;
	assert_int_equal(numbers_register_on(&f->q, QUOIT_NODES_MAX, &p[0]), -EINVAL);
	assert_int_equal(numbers_register_on(&f->q, -2, &p[0]), -EINVAL);
	for (int node = 0; node < 2; node++) /* works where there is no node 1 too, only not near */
		assert_int_equal(numbers_register_on(&f->q, node, &p[node]), 0);
	for (int round = 0; round < 4; round++) {
		assert_int_equal(numbers_deregister(&p[round & 1]), 0);
		assert_int_equal(numbers_deregister(&p[!(round & 1)]), 0);
		assert_int_equal(consume(f, SIZE_MAX), 0);
		assert_int_equal(numbers_register_on(&f->q, 1, &p[1]), 0);
		assert_int_equal(numbers_register_on(&f->q, 0, &p[0]), 0);
		assert_int_equal(p[0].seat.id, 0);
		assert_int_equal(p[1].seat.id, 1);
	}

	/* Before a remote one a new one is made, and when there are no more, any will do. */
	assert_int_equal(numbers_deregister(&p[0]), 0);
	assert_int_equal(consume(f, SIZE_MAX), 0);
	assert_int_equal(numbers_register_on(&f->q, 1, &p[2]), 0);
	assert_int_equal(p[2].seat.id, 2);
	assert_int_equal(numbers_register_on(&f->q, 1, &p[3]), 0);
	assert_int_equal(p[3].seat.id, 0);

	/* But not for a node that cannot be. */
	assert_int_equal(numbers_deregister(&p[3]), 0);
	assert_int_equal(consume(f, SIZE_MAX), 0);
	assert_int_equal(numbers_register_on(&f->q, QUOIT_NODES_MAX, &p[3]), -EINVAL);
	end(f);
}

/* Addresses tell lanes apart in a first-level cache by their place in a page. */
static void lanes_begin_at_different_places_in_their_pages(void **state)
{
	struct fixture *const f = channel_with(4, 4, 0);
	bool taken[4096 / QUOIT_ISOLATION] = {false};

	(void)state;
	for (uint32_t id = 0; id < 4; id++) {
		const uintptr_t at = (uintptr_t)quoit_mpsc_lane_ring(f->q.channel, id);

		assert_false(taken[at % 4096 / QUOIT_ISOLATION]);
		taken[at % 4096 / QUOIT_ISOLATION] = true;
	}
	end(f);
}

static void a_thread_whose_cpu_is_not_known_gets_a_lane_somewhere(void **state)
{
	struct quoit_mpsc_options options = {.capacity_slots = 4, .producers_most = 2};
	struct fixture *const f = channel_of(4, 1, 0);
	struct quoit_topology topology;

	(void)state;
	end(f);
	assert_int_equal(quoit_topology_load(&topology, NULL, NULL), 0);
	options.topology = &topology;
	assert_int_equal(numbers_create(&f->q, &options), 0);
	fault.refuse_getcpu = true;
	assert_int_equal(numbers_register(&f->q, &f->p[0]), 0);
	fault.refuse_getcpu = false;
	send_through(f, 0, 3);
	end(f);
	quoit_topology_fini(&topology);
}

static void a_send_that_does_not_fit_rings_nothing(void **state)
{
	struct fixture *const f = channel_of(4, 1, 0);
	const struct number item = {0, 4};
	struct quoit_wake wake = {0};
	struct quoit_notify notify;

	(void)state;
	assert_int_equal(quoit_notify_open(&notify, &wake), 0);
	assert_int_equal(quoit_mpsc_attach(f->q.channel, &notify), 0);
	assert_int_equal(numbers_register(&f->q, &f->p[0]), 0);
	send_through(f, 0, 4);
	quoit_wake_arm(&wake);
	assert_int_equal(quoit_mpsc_send(&f->p[0].seat, &item, 1), 0);
	assert_int_equal(wake.armed, 1);
	assert_int_equal(consume(f, SIZE_MAX), 4);
	assert_int_equal(numbers_deregister(&f->p[0]), 0);
	assert_int_equal(quoit_mpsc_destroy(f->q.channel), 0);
	quoit_notify_close(&notify);
}

static void the_node_of_a_lane_follows_the_thread(void **state)
{
	struct quoit_mpsc_options options = {.capacity_slots = 4, .producers_most = 2};
	struct fixture *const f = channel_of(4, 1, 0);
	struct quoit_topology topology;

	(void)state;
	end(f);
	assert_int_equal(quoit_topology_load(&topology, NULL, NULL), 0);
	options.topology = &topology;
	assert_int_equal(numbers_create(&f->q, &options), 0);
	assert_int_equal(numbers_register(&f->q, &f->p[0]), 0);
	send_through(f, 0, 3);
	if (topology.node_count == 1) {
		/* Then there is one answer, and the free lane lies on it. */
		assert_int_equal(numbers_deregister(&f->p[0]), 0);
		assert_int_equal(consume(f, SIZE_MAX), 3);
		assert_int_equal(consume(f, SIZE_MAX), 0);
		assert_int_equal(numbers_register_on(&f->q, topology.nodes[0].id, &f->p[0]), 0);
		assert_int_equal(f->p[0].seat.id, 0);
	}
	end(f);
	quoit_topology_fini(&topology);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup(name, no_fault)
		TEST(lanes_begin_at_different_places_in_their_pages),
		TEST(a_thread_whose_cpu_is_not_known_gets_a_lane_somewhere),
		TEST(a_send_that_does_not_fit_rings_nothing),
		TEST(impossible_sizes_are_refused),
		TEST(a_channel_frees_all_that_it_has_mapped),
		TEST(a_producer_writes_in_place_and_publishes_when_it_likes),
		TEST(a_lane_goes_to_the_next_producer_once_it_is_read_to_its_end),
		TEST(what_is_committed_is_published_when_the_producer_goes),
		TEST(a_void_handle_is_told_so),
		TEST(producers_that_come_and_go_take_no_more_memory),
		TEST(a_lane_whose_lock_is_taken_is_given_back_later),
		TEST(a_lane_that_waits_to_be_given_back_is_had_by_who_finds_no_other),
		TEST(a_lane_taken_just_now_is_not_given_back),
		TEST(a_lane_that_got_its_last_items_just_now_is_not_given_away),
		TEST(a_handler_may_register_producers),
		TEST(a_reservation_ends_with_its_producer),
		TEST(a_handle_belongs_to_one_thread_at_a_time),
		TEST(a_free_lane_on_the_wanted_node_is_preferred),
		TEST(the_node_of_a_lane_follows_the_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
