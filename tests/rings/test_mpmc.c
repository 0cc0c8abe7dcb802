/* SPDX-License-Identifier: MIT */
/*
 * test_mpmc.c - producers with a lane each and consumers that share them: who may be registered,
 * where lanes live, claims that stay open, and the end. Where a consumer looks is tested in
 * test_mpmc_search.c, the protocol beneath in test_lane.c, threads in stress/mpmc.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <quoit/numa/region.h>
#include <quoit/numa/thread.h>

#include <rings/mpmc_checks.h>
#include <support/policy.h>

/* --- memory that cannot be had --------------------------------------------------------------- */

void *__real_calloc(size_t n, size_t bytes);
void *__wrap_calloc(size_t n, size_t bytes);
void *__real_aligned_alloc(size_t alignment, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);
int __real_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attr);
int __wrap_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attr);

static int steps_left = -1; /* until one is refused; below 0: none is */
static bool is_all_refused;

static bool is_refused(void)
{
	return is_all_refused || (steps_left >= 0 && !steps_left--);
}

void *__wrap_calloc(size_t n, size_t bytes)
{
	return is_refused() ? NULL : __real_calloc(n, bytes);
}

void *__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
	return is_refused() ? NULL : __real_aligned_alloc(alignment, bytes);
}

int __wrap_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attr)
{
	return is_refused() ? ENOMEM : __real_pthread_mutex_init(mutex, attr);
}

static void a_ring_without_memory_is_not_made_and_leaves_nothing(void **state)
{
	struct quoit_mpmc *ring = (struct quoit_mpmc *)-1;
	struct quoit_mpmc_options options = plain;
	int steps = 0;

	(void)state;
	options.slot_bytes = 8;
	for (; ring == (struct quoit_mpmc *)-1; steps++) {
		const int rc = (steps_left = steps, quoit_mpmc_create(&options, &ring));

		steps_left = -1;
		assert_int_equal(rc, ring == (struct quoit_mpmc *)-1 ? -ENOMEM : 0);
	}
	assert_int_equal(steps, 9); /* eight may be refused */
	quoit_mpmc_destroy(ring);
	quoit_mpmc_destroy(NULL);

	/* The most that may be asked for is refused by the machine, not by the ring. */
	options.producers_most = options.consumers_most = INT32_MAX;
	options.slot_bytes = INT32_MAX;
	is_all_refused = true;
	assert_int_equal(quoit_mpmc_create(&options, &ring), -ENOMEM);
	options.slot_bytes++;
	assert_int_equal(quoit_mpmc_create(&options, &ring), -EINVAL);
	options.slot_bytes = 8;
	options.producers_most++;
	assert_int_equal(quoit_mpmc_create(&options, &ring), -EINVAL);
	options.producers_most = 1;
	options.consumers_most++;
	assert_int_equal(quoit_mpmc_create(&options, &ring), -EINVAL);
	is_all_refused = false;
}

/* --- seats ----------------------------------------------------------------------------------- */

static void options_that_are_not_possible_are_refused(void **state)
{
	struct quoit_mpmc *ring = (struct quoit_mpmc *)-1;
	struct quoit_mpmc_options bad[9];

	(void)state;
	for (size_t i = 0; i < 9; i++) {
		bad[i] = plain;
		bad[i].slot_bytes = 8;
	}
	bad[0].slot_bytes = 0;
	bad[1].capacity_slots = 0;
	bad[2].capacity_slots = 100;
	bad[3].block_slots = 2048;
	bad[4].block_slots = 3;
	bad[5].producers_most = 0;
	bad[6].consumers_most = 0;
	bad[7].node = QUOIT_MPMC_INTERLEAVE - 1;
	bad[8].slot_bytes = SIZE_MAX / 2;
	for (size_t i = 0; i < 9; i++)
		assert_int_equal(quoit_mpmc_create(&bad[i], &ring), -EINVAL);
	assert_ptr_equal(ring, (struct quoit_mpmc *)-1);
}

static void the_ready_made_options_are_possible(void **state)
{
	static const struct quoit_mpmc_options made[] = {QUOIT_MPMC_HIGH_THROUGHPUT,
							 QUOIT_MPMC_LOW_LATENCY};
	struct jobs_producer p;
	struct jobs q;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(jobs_create(&q, &made[i]), 0);
		assert_int_equal(jobs_register_producer(&q, &p), 0);
		assert_int_equal(quoit_lane_capacity(&p.seat.lane->lane), made[i].capacity_slots);
		jobs_deregister_producer(&p);
		jobs_destroy(&q);
	}
}

static void seats_are_limited_and_can_be_had_again(void **state)
{
	struct quoit_mpmc_options options = plain;
	struct jobs_producer late_producer;
	struct jobs_consumer late;
	struct fixture f;

	(void)state;
	options.producers_most = 3;
	options.consumers_most = 2;
	start(&f, &options, 3, 2);
	for (size_t round = 0; round < 10; round++) {
		assert_int_equal(jobs_register_producer(&f.q, &late_producer), -EUSERS);
		assert_int_equal(jobs_register_consumer(&f.q, &late), -EUSERS);
		jobs_deregister_producer(&f.p[round % 3]);
		assert_int_equal(jobs_register_producer(&f.q, &f.p[round % 3]), 0);
		jobs_deregister_consumer(&f.c[round % 2]);
		assert_int_equal(jobs_register_consumer(&f.q, &f.c[round % 2]), 0);
	}
	assert_int_equal(f.q.ring->lane_count, 3);
	jobs_deregister_producer(&f.p[0]);
	jobs_deregister_consumer(&f.c[0]);
	quoit_mpmc_close(f.q.ring);
	assert_int_equal(jobs_register_producer(&f.q, &late_producer), -ESHUTDOWN);
	end(&f);
}

#define RUSHERS 8

struct rush {
	struct quoit_mpmc *ring;
	uint64_t inside;
	uint64_t crowded;
	uint64_t wrong;
	uint64_t seated;
};

static void *rush_worker(void *arg)
{
	struct rush *const rush = arg;
	struct quoit_mpmc_producer p;
	struct quoit_mpmc_consumer c;

	for (size_t i = 0; i < 500; i++) {
		struct quoit_claim claim;
		int rc = quoit_mpmc_register_producer(rush->ring, &p);

		if (!rc) {
			if (quoit_add(&rush->inside, 1) >= 3)
				quoit_add(&rush->crowded, 1);
			quoit_add(&rush->seated, 1);
			quoit_add(&rush->inside, UINT64_MAX);
			quoit_mpmc_deregister_producer(&p);
		} else if (rc != -EUSERS) {
			quoit_add(&rush->wrong, 1);
		}
		rc = quoit_mpmc_register_consumer(rush->ring, &c);
		if (!rc) {
			/* Nothing is sent, so it looks at every lane there is. */
			if (quoit_mpmc_take(&c, 1, &claim))
				quoit_add(&rush->wrong, 1);
			quoit_mpmc_deregister_consumer(&c);
		} else if (rc != -EUSERS) {
			quoit_add(&rush->wrong, 1);
		}
		if (quoit__mpmc_lanes(rush->ring) > 3)
			quoit_add(&rush->wrong, 1);
	}
	return NULL;
}

/* D-26: the seed counted one too many and consumers looked beyond the last lane. */
static void in_a_rush_no_more_are_seated_than_there_are_seats(void **state)
{
	struct quoit_mpmc_options options = plain;
	pthread_t threads[RUSHERS];
	struct rush rush = {0};
	struct fixture f;

	(void)state;
	options.producers_most = 3;
	options.consumers_most = 2;
	start(&f, &options, 0, 0);
	rush.ring = f.q.ring;
	for (size_t i = 0; i < RUSHERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, rush_worker, &rush), 0);
	for (size_t i = 0; i < RUSHERS; i++)
		pthread_join(threads[i], NULL);
	assert_true(rush.seated >= RUSHERS);
	assert_int_equal(rush.crowded, 0);
	assert_int_equal(rush.wrong, 0);
	end(&f);
}

/* D-28, D-29: nothing big is passed about, and no two consumers write to one line. */
static void handles_have_lines_of_their_own_and_the_ring_is_small(void **state)
{
	(void)state;
	assert_int_equal(sizeof(struct quoit_mpmc_consumer) % QUOIT_ISOLATION, 0);
	assert_int_equal(_Alignof(struct quoit_mpmc_consumer), QUOIT_ISOLATION);
	assert_true(sizeof(struct quoit_mpmc) <= 2 * QUOIT_ISOLATION);
}

/* --- memory ---------------------------------------------------------------------------------- */

static void a_lane_lies_where_the_options_say(void **state)
{
	struct quoit_mpmc_options options = plain;
	struct jobs_producer refused;
	unsigned char in_core;
	struct fixture f;
	void *page;

	(void)state;
	start(&f, &options, 1, 0);
	assert_int_equal(f.p[0].seat.lane->node, quoit_thread_memory_node());
	assert_int_equal(memory_policy(f.p[0].seat.lane), POLICY_PREFERRED);
	end(&f);
	options.node = QUOIT_MPMC_ANYWHERE;
	start(&f, &options, 1, 0);
	assert_int_equal(f.p[0].seat.lane->node, -1);
	assert_int_equal(f.p[0].seat.lane->degraded, 0); /* nothing was asked for */
	end(&f);
	options.node = QUOIT_MPMC_INTERLEAVE;
	start(&f, &options, 1, 0);
	assert_int_equal(f.p[0].seat.lane->node, -1);
	assert_int_equal(memory_policy(f.p[0].seat.lane), POLICY_INTERLEAVED);
	end(&f);
	options.node = quoit_thread_memory_node();
	start(&f, &options, 1, 0);
	assert_int_equal(f.p[0].seat.lane->node, options.node);
	page = (void *)((uintptr_t)f.p[0].seat.lane & ~(uintptr_t)4095);
	assert_int_equal(mincore(page, 1, &in_core), 0);
	end(&f);
	assert_int_equal(mincore(page, 1, &in_core), -1);
	assert_int_equal(errno, ENOMEM); /* it is mapped no more */
	options.node = 1000000;
	start(&f, &options, 0, 0);
	assert_int_equal(jobs_register_producer(&f.q, &refused), -EINVAL);
	assert_int_equal(f.q.ring->lane_count, 0);
	end(&f);
}

static void lanes_have_the_blocks_that_were_asked_for(void **state)
{
	struct quoit_mpmc_options options = plain;
	struct fixture f;

	(void)state;
	options.block_slots = 128;
	start(&f, &options, 1, 0);
	assert_int_equal(quoit_lane_block_slots(&f.p[0].seat.lane->lane), 128);
	assert_int_equal((uintptr_t)f.p[0].seat.lane->lane.slots % QUOIT_ISOLATION, 0);
	end(&f);
}

/* --- consumers that stop, and the end -------------------------------------------------------- */

static void open_claims_on_every_lane_hold_nobody_up(void **state)
{
	struct quoit_claim held[4] = {{0}};
	struct job *at[4], was[4];
	struct fixture f;

	(void)state;
	start(&f, &plain, 4, 5);
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(send(&f, i, 3), 3);
		at[i] = jobs_take(&f.c[i], 2, &held[i]);
		assert_non_null(at[i]);
		see(&f, at[i], held[i].n);
		was[i] = *at[i];
	}
	for (size_t i = 0; i < 2000; i++)
		for (size_t p = 0; p < 4; p++) {
			assert_int_equal(send(&f, p, 3), 3);
			while (consume(&f, 4, 64))
				;
		}
	assert_int_equal(quoit_mpmc_pending(f.q.ring),
			 held[0].n + held[1].n + held[2].n + held[3].n);
	for (size_t i = 0; i < 4; i++) {
		assert_memory_equal(at[i], &was[i], sizeof(was[i]));
		assert_true(held[i].lane->stepped_over);
		jobs_release(&f.c[i], &held[i], held[i].n);
	}
	end(&f);
}

static void what_a_producer_leaves_unread_is_read_and_the_next_goes_on(void **state)
{
	struct quoit_mpmc_options options = plain;
	struct jobs_producer next;
	struct fixture f;
	struct job job = {.number = 3};

	(void)state;
	options.producers_most = 1;
	start(&f, &options, 1, 1);
	assert_int_equal(send(&f, 0, 2), 2);
	job.number = f.sent[0]++;
	{
		size_t n;
		struct job *to = jobs_reserve(&f.p[0], 1, &n);

		*to = job;
		jobs_commit_later(&f.p[0], 1);
		to = jobs_reserve(&f.p[0], 5, &n); /* and thinks better of it */
		assert_non_null(to);
	}
	jobs_deregister_producer(&f.p[0]); /* publishes */
	assert_int_equal(quoit_mpmc_length(f.q.ring), 3);
	assert_int_equal(jobs_register_producer(&f.q, &next), 0);
	f.p[0] = next;
	assert_int_equal(send(&f, 0, 4), 4);
	assert_int_equal(f.q.ring->lane_count, 1);
	end(&f);
}

static void drained_means_closed_left_read_and_given_back(void **state)
{
	struct quoit_claim held = {0};
	struct fixture f;
	struct job *at;

	(void)state;
	start(&f, &plain, 2, 1);
	assert_int_equal(send(&f, 0, 1), 1);
	quoit_mpmc_close(f.q.ring);
	assert_true(quoit_mpmc_is_closed(f.q.ring));
	assert_int_equal(send(&f, 0, 1), 0);
	assert_int_equal(send(&f, 1, 1), 0);
	jobs_deregister_producer(&f.p[0]);
	assert_false(quoit_mpmc_is_drained(f.q.ring));
	jobs_deregister_producer(&f.p[1]);
	assert_false(quoit_mpmc_is_drained(f.q.ring));
	at = jobs_take(&f.c[0], 1, &held);
	assert_non_null(at);
	see(&f, at, 1);
	assert_false(quoit_mpmc_is_drained(f.q.ring));
	jobs_release(&f.c[0], &held, 1);
	assert_true(quoit_mpmc_is_drained(f.q.ring));
	end(&f);
}

/* Start workers, send, close, wait for the workers: however late they begin, nothing is left. */
static void who_comes_after_the_close_gets_what_is_left(void **state)
{
	struct quoit_claim held = {0};
	struct jobs_consumer late;
	struct fixture f;
	struct job items[9];
	struct job *at;

	(void)state;
	start(&f, &plain, 1, 0);
	assert_int_equal(send(&f, 0, 10), 10);
	quoit_mpmc_close(f.q.ring);
	assert_int_equal(jobs_register_consumer(&f.q, &f.c[0]), 0); /* its producer is there */
	jobs_deregister_producer(&f.p[0]);
	assert_int_equal(jobs_register_consumer(&f.q, &late), 0);
	assert_int_equal(jobs_steal(&late, items, 9), 9);
	see(&f, items, 9);
	jobs_deregister_consumer(&late);
	at = jobs_take(&f.c[0], 1, &held);
	assert_non_null(at);
	see(&f, at, 1);
	assert_int_equal(jobs_register_consumer(&f.q, &late), 0); /* it is not given back yet */
	jobs_deregister_consumer(&late);
	jobs_release(&f.c[0], &held, 1);
	assert_int_equal(jobs_register_consumer(&f.q, &late), -ESHUTDOWN);
	jobs_deregister_consumer(&f.c[0]);
	assert_int_equal(jobs_register_consumer(&f.q, &late), -ESHUTDOWN);
	end(&f);
}

static void a_ring_that_is_not_closed_is_never_drained(void **state)
{
	struct fixture f;

	(void)state;
	start(&f, &plain, 1, 1);
	jobs_deregister_producer(&f.p[0]);
	assert_false(quoit_mpmc_is_drained(f.q.ring));
	end(&f);
}

static void a_lane_that_was_left_is_taken_over_if_it_is_near(void **state)
{
	struct quoit_mpmc_options options = plain;
	struct fixture f;
	uint64_t seating;

	(void)state;
	options.node = 0;
	start(&f, &options, 1, 1);
	jobs_deregister_producer(&f.p[0]);
	seating = f.q.ring->seating;
	assert_int_equal(jobs_register_producer(&f.q, &f.p[0]), 0);
	assert_true(f.q.ring->seating > seating); /* the shards are dealt anew */
	assert_int_equal(f.q.ring->lane_count, 1);
	seating = f.q.ring->seating;
	jobs_deregister_producer(&f.p[0]);
	assert_true(f.q.ring->seating > seating);
	f.q.ring->lanes[0]->node = 1; /* as if it lay there */
	assert_int_equal(jobs_register_producer(&f.q, &f.p[0]), 0);
	assert_int_equal(f.q.ring->lane_count, 2);
	end(&f);
}

/* The functions beneath the typed shell, which has its own way to copy. */
static void without_types_slots_are_reserved_published_and_taken(void **state)
{
	struct quoit_mpmc_producer *p;
	struct quoit_claim claim;
	struct fixture f;
	size_t at = 99;

	(void)state;
	start(&f, &plain, 1, 1);
	p = &f.p[0].seat;
	assert_int_equal(quoit_mpmc_reserve(p, 3, &at), 3);
	quoit_mpmc_commit_later(p, 2);
	assert_int_equal(quoit_mpmc_take(&f.c[0].seat, 5, &claim), 0);
	quoit_mpmc_publish(p);
	assert_int_equal(quoit_mpmc_length(f.q.ring), 2);
	assert_int_equal(quoit_mpmc_reserve_some(p, 3, &at), 3);
	assert_int_equal(at, 2);
	quoit_mpmc_commit_later(p, 1);
	quoit_mpmc_flush(p);
	assert_int_equal(quoit_mpmc_length(f.q.ring), 3);
	assert_int_equal(quoit_mpmc_reserve(p, 3, &at), 3);
	quoit_mpmc_commit(p, 3);
	assert_int_equal(quoit_mpmc_length(f.q.ring), 6);

	assert_int_equal(quoit_mpmc_take(&f.c[0].seat, 0, &claim), 0);
	assert_int_equal(quoit_mpmc_take(&f.c[0].seat, 2, &claim), 2);
	quoit_mpmc_release(&f.c[0].seat, &claim, 2);
	f.c[0].seat.stay = 3; /* of its turn on this lane */
	assert_int_equal(quoit_mpmc_take(&f.c[0].seat, 9, &claim), 3);
	quoit_mpmc_release(&f.c[0].seat, &claim, 3);
	assert_int_equal(quoit_mpmc_take(&f.c[0].seat, 9, &claim), 1);
	quoit_mpmc_release(&f.c[0].seat, &claim, 1);
	end(&f);
}

static void half_a_claim_is_not_yet_caught_up(void **state)
{
	struct fixture f;
	struct job job;

	(void)state;
	start(&f, &plain, 1, 1);
	quoit_mpmc_linger(&f.c[0].seat, 1);
	for (size_t lingered = 0; lingered < 2; lingered++) {
		const size_t n = QUOIT_MPMC_POP_MOST / 2 - lingered;

		assert_int_equal(send(&f, 0, n), n);
		for (size_t i = 0; i < n; i++) {
			assert_true(jobs_pop(&f.c[0], &job));
			see(&f, &job, 1);
		}
		assert_false(jobs_pop(&f.c[0], &job));
		assert_int_equal(f.c[0].seat.lingered, lingered);
	}
	end(&f);
}

static bool bell_rang(struct quoit_notify *notify)
{
	struct pollfd look = {.fd = notify->fd, .events = POLLIN};
	uint64_t count;

	if (poll(&look, 1, 0) != 1)
		return false;
	assert_int_equal(read(notify->fd, &count, sizeof(count)), sizeof(count));
	return true;
}

static void a_sleeping_reader_hears_every_lane_and_the_end(void **state)
{
	struct quoit_wake wake = {0};
	struct quoit_notify notify;
	struct fixture f;

	(void)state;
	assert_int_equal(quoit_notify_open(&notify, &wake), 0);
	start(&f, &plain, 1, 1);
	quoit_mpmc_attach(f.q.ring, &notify);
	assert_int_equal(jobs_register_producer(&f.q, &f.p[1]), 0); /* later than that */
	for (size_t p = 0; p < 2; p++) {
		assert_int_equal(send(&f, p, 1), 1);
		assert_false(bell_rang(&notify));
		quoit_wake_arm(&wake);
		assert_int_equal(send(&f, p, 1), 1);
		assert_true(bell_rang(&notify));
	}
	quoit_wake_arm(&wake);
	jobs_deregister_producer(&f.p[1]);
	assert_true(bell_rang(&notify));
	quoit_wake_arm(&wake);
	quoit_mpmc_close(f.q.ring);
	assert_true(bell_rang(&notify));
	end(&f);
	quoit_notify_close(&notify);
}

static void a_reader_of_a_ring_without_lanes_hears_the_end(void **state)
{
	struct quoit_wake wake = {0};
	struct quoit_notify notify;
	struct fixture f;

	(void)state;
	assert_int_equal(quoit_notify_open(&notify, &wake), 0);
	start(&f, &plain, 0, 1);
	quoit_mpmc_attach(f.q.ring, &notify);
	quoit_wake_arm(&wake);
	assert_false(bell_rang(&notify));
	quoit_mpmc_close(f.q.ring);
	assert_true(bell_rang(&notify));
	end(&f);
	quoit_notify_close(&notify);
}

/* --- the typed shell ------------------------------------------------------------------------- */

static void items_are_copied_or_worked_on_in_place(void **state)
{
	struct job items[50];
	struct fixture f;
	size_t n = 12345;

	(void)state;
	start(&f, &plain, 1, 1);
	for (size_t round = 0; round < 300; round++) {
		struct job *to = jobs_reserve(&f.p[0], 7, &n);

		assert_non_null(to);
		for (size_t i = 0; i < n; i++)
			to[i] = (struct job){.number = f.sent[0]++};
		jobs_commit(&f.p[0], n);
		to = jobs_reserve_some(&f.p[0], 9, &n);
		assert_non_null(to);
		*to = (struct job){.number = f.sent[0]++};
		jobs_commit_later(&f.p[0], 1);
		jobs_flush(&f.p[0]);
		for (size_t i = 0; i < 50; i++)
			items[i] = (struct job){.number = f.sent[0] + i};
		assert_int_equal(jobs_send(&f.p[0], items, 20), 20);
		assert_true(jobs_send_all(&f.p[0], items + 20, 30));
		f.sent[0] += 50;
		assert_false(jobs_send_all(&f.p[0], items, 1025));
		memset(items, 0, sizeof(items));
		assert_true(jobs_steal_one(&f.c[0], items));
		assert_int_equal(quoit_mpmc_pending(f.q.ring), f.sent[0] - f.got[0] - 1);
		see(&f, items, 1);
		n = jobs_steal(&f.c[0], items, 30);
		assert_int_equal(n, 30);
		see(&f, items, n);
		while (jobs_pop(&f.c[0], items)) {
			assert_true(quoit_mpmc_unpopped(&f.c[0].seat) < QUOIT_MPMC_POP_MOST);
			see(&f, items, 1);
		}
		assert_int_equal(f.got[0], f.sent[0]);
	}
	end(&f);
}

static void lingering_happens_after_catching_up_and_hides_nothing(void **state)
{
	struct fixture f;
	struct job job;

	(void)state;
	start(&f, &plain, 2, 1);
	quoit_mpmc_linger(&f.c[0].seat, 2);
	for (size_t i = 0; i < 20; i++) {
		assert_int_equal(send(&f, i % 2, 1), 1);
		assert_true(jobs_pop(&f.c[0], &job));
		see(&f, &job, 1);
		assert_int_equal(f.c[0].seat.lingered, i);
	}
	quoit_mpmc_linger(&f.c[0].seat, 0);
	assert_false(jobs_pop(&f.c[0], &job));
	assert_int_equal(f.c[0].seat.lingered, 19);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_that_are_not_possible_are_refused),
		cmocka_unit_test(the_ready_made_options_are_possible),
		cmocka_unit_test(seats_are_limited_and_can_be_had_again),
		cmocka_unit_test(in_a_rush_no_more_are_seated_than_there_are_seats),
		cmocka_unit_test(handles_have_lines_of_their_own_and_the_ring_is_small),
		cmocka_unit_test(a_lane_lies_where_the_options_say),
		cmocka_unit_test(lanes_have_the_blocks_that_were_asked_for),
		cmocka_unit_test(open_claims_on_every_lane_hold_nobody_up),
		cmocka_unit_test(what_a_producer_leaves_unread_is_read_and_the_next_goes_on),
		cmocka_unit_test(drained_means_closed_left_read_and_given_back),
		cmocka_unit_test(who_comes_after_the_close_gets_what_is_left),
		cmocka_unit_test(a_ring_that_is_not_closed_is_never_drained),
		cmocka_unit_test(a_sleeping_reader_hears_every_lane_and_the_end),
		cmocka_unit_test(a_reader_of_a_ring_without_lanes_hears_the_end),
		cmocka_unit_test(items_are_copied_or_worked_on_in_place),
		cmocka_unit_test(a_ring_without_memory_is_not_made_and_leaves_nothing),
		cmocka_unit_test(a_lane_that_was_left_is_taken_over_if_it_is_near),
		cmocka_unit_test(without_types_slots_are_reserved_published_and_taken),
		cmocka_unit_test(half_a_claim_is_not_yet_caught_up),
		cmocka_unit_test(lingering_happens_after_catching_up_and_hides_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
