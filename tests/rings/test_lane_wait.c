/* SPDX-License-Identifier: MIT */
/*
 * test_lane_wait.c - producers of SPMC and MPMC rings that wait for space: features B90, B91, B114
 * to B116; defects D-14, D-20, D-61.
 *
 * Space comes back a block at a time, so a sleeper's event must be told with the last slot of a
 * block and not before: its word is odd until then, and even when the give-back returns.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <quoit/numa/clock.h>
#include <quoit/rings/typed_shared.h>

#define CAPACITY 16 /* in blocks of 4 */
#define BLOCK	 4
#define LONG_NS	 INT64_C(20000000000)
#define SHORT_NS INT64_C(1000000)

QUOIT_SPMC(shared, uint64_t);
QUOIT_MPMC(jobs, uint64_t);

struct fixture {
	struct shared q;
	struct shared_consumer c;
	struct quoit_spmc_waits waits;
	struct quoit_lane_block blocks[CAPACITY / BLOCK];
	uint64_t slots[CAPACITY];
	uint64_t sent;
	uint64_t got;
	int (*call)(struct fixture *f, const struct quoit_wait *how);
	pthread_t thread;
	int rc;
	size_t n;
};

static struct quoit_wait blocking(int64_t timeout_ns)
{
	const struct quoit_wait how = {.kind = QUOIT_WAIT_BLOCK,
				       .deadline_ns = quoit_deadline_ns(timeout_ns)};
	return how;
}

/* Begin with everything sent and given back up to `offset`. */
static void start(struct fixture *f, uint64_t offset)
{
	const struct quoit_spmc_options options = {CAPACITY, BLOCK, 2};

	memset(f, 0, sizeof(*f));
	assert_int_equal(shared_init(&f->q, f->slots, f->blocks, &options), 0);
	assert_int_equal(quoit_spmc_init_at(&f->q.ring, f->slots, f->blocks, &options,
					    UINT64_MAX - CAPACITY + 1 + offset),
			 0);
	assert_int_equal(quoit_spmc_attach_waits(&f->q.ring, &f->waits), 0);
	assert_int_equal(shared_register_consumer(&f->q, &f->c), 0);
	f->n = 77;
}

static void fill(struct fixture *f)
{
	while (shared_send_one(&f->q, &f->sent))
		f->sent++;
}

static size_t steal(struct fixture *f, size_t n)
{
	uint64_t items[CAPACITY];
	const size_t got = shared_steal(&f->c, items, n);

	for (size_t i = 0; i < got; i++)
		assert_int_equal(items[i], f->got++);
	return got;
}

/* --- the calls that wait, for 2 -------------------------------------------------------------- */

static int reserve_wait(struct fixture *f, const struct quoit_wait *how)
{
	uint64_t *slots;
	const int rc = shared_reserve_wait(&f->q, 2, how, &slots, &f->n);

	if (rc)
		return rc;
	for (size_t i = 0; i < f->n; i++)
		slots[i] = f->sent++;
	shared_commit(&f->q, f->n);
	return 0;
}

static int send_wait(struct fixture *f, const struct quoit_wait *how)
{
	const uint64_t items[2] = {f->sent, f->sent + 1};
	const int rc = shared_send_wait(&f->q, items, 2, how);

	if (!rc)
		f->sent += f->n = 2;
	return rc;
}

static int send_one_wait(struct fixture *f, const struct quoit_wait *how)
{
	const int rc = shared_send_one_wait(&f->q, &f->sent, how);

	if (!rc)
		f->sent += f->n = 1;
	return rc;
}

static int send_parts_wait(struct fixture *f, const struct quoit_wait *how)
{
	const uint64_t items[2] = {f->sent, f->sent + 1};
	size_t sent = 99;
	const int rc = shared_send_parts_wait(&f->q, items, 2, how, &sent);

	if (rc == -EINVAL)
		assert_int_equal(sent, 99);
	else if (rc)
		assert_int_equal(sent, 0);
	else
		f->sent += f->n = sent;
	return rc;
}

static int (*const calls[])(struct fixture *, const struct quoit_wait *) = {
	reserve_wait, send_wait, send_one_wait, send_parts_wait};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* --- sleeping -------------------------------------------------------------------------------- */

static void *wait_worker(void *arg)
{
	struct fixture *const f = arg;
	const struct quoit_wait how = blocking(LONG_NS);

	f->rc = f->call(f, &how);
	return NULL;
}

static bool is_armed(const struct fixture *f)
{
	return quoit_load_acquire(&f->waits.lane.space.word) & 1;
}

static void fall_asleep(struct fixture *f, int (*call)(struct fixture *, const struct quoit_wait *))
{
	f->call = call;
	assert_int_equal(pthread_create(&f->thread, NULL, wait_worker, f), 0);
	while (!quoit_event_sleepers(&f->waits.lane.space))
		quoit_yield();
}

static int awake(struct fixture *f)
{
	assert_false(is_armed(f));
	pthread_join(f->thread, NULL);
	return f->rc;
}

static void a_complete_block_wakes_the_producer_and_nothing_less(void **state)
{
	static struct fixture f;

	(void)state;
	for (uint64_t offset = 0; offset < BLOCK; offset++)
		for (size_t c = 0; c < COUNT(calls); c++) {
			start(&f, offset);
			fill(&f);
			fall_asleep(&f, calls[c]);
			for (uint64_t n = offset; n < BLOCK; n++) {
				assert_true(is_armed(&f));
				assert_int_equal(steal(&f, 1), 1);
			}
			assert_int_equal(awake(&f), 0);
			assert_in_range(f.n, 1, 2);
			while (steal(&f, CAPACITY))
				;
			assert_int_equal(f.got, f.sent);
		}
}

/* Whoever holds a claim keeps nobody else's space back, asleep or not. */
static void a_producer_is_woken_to_step_over_what_is_held(void **state)
{
	static struct fixture f;
	struct quoit_claim held = {0};

	(void)state;
	for (size_t c = 0; c < COUNT(calls); c++) {
		start(&f, 0);
		fill(&f);
		assert_int_equal(quoit_spmc_take(&f.c.seat, 1, &held), 1);
		f.got++;
		fall_asleep(&f, calls[c]);
		assert_int_equal(steal(&f, BLOCK - 1), BLOCK - 1);
		assert_int_equal(steal(&f, BLOCK - 1), BLOCK - 1);
		assert_true(is_armed(&f)); /* the first is held, the second not complete */
		assert_int_equal(steal(&f, 1), 1);
		assert_int_equal(awake(&f), 0);
		assert_int_equal(f.q.ring.lane.stepped_over, 1);
		quoit_spmc_release(&f.c.seat, &held, 1);
	}
}

static void a_producer_that_needs_more_sleeps_on_until_it_is_there(void **state)
{
	static struct fixture f;
	uint64_t items[6] = {16, 17, 18, 19, 20, 21};

	(void)state;
	start(&f, 0);
	fill(&f);
	for (size_t block = 0; block < 2; block++) {
		const struct quoit_wait how = blocking(SHORT_NS);

		assert_int_equal(shared_send_wait(&f.q, items, 6, &how), -ETIMEDOUT);
		assert_int_equal(steal(&f, BLOCK), BLOCK);
	}
	const struct quoit_wait how = blocking(LONG_NS);
	assert_int_equal(shared_send_wait(&f.q, items, 6, &how), 0);
	f.sent += 6;
	assert_int_equal(steal(&f, 2 * CAPACITY), 14);
}

static void a_close_wakes_the_producer(void **state)
{
	static struct fixture f;

	(void)state;
	for (size_t c = 0; c < COUNT(calls); c++) {
		start(&f, 0);
		fill(&f);
		fall_asleep(&f, calls[c]);
		quoit_spmc_close(&f.q.ring);
		assert_int_equal(awake(&f), -ESHUTDOWN);
		assert_int_equal(f.n, 77);
		assert_int_equal(quoit_spmc_length(&f.q.ring), CAPACITY);
		assert_int_equal(steal(&f, BLOCK), BLOCK);
		const struct quoit_wait how = blocking(LONG_NS);
		assert_int_equal(calls[c](&f, &how), -ESHUTDOWN); /* however much is free */
	}
}

static void a_give_back_on_one_lane_wakes_no_other_producer(void **state)
{
	const struct quoit_mpmc_options options = {.capacity_slots = CAPACITY,
						   .block_slots = BLOCK,
						   .producers_most = 2,
						   .consumers_most = 1,
						   .node = QUOIT_MPMC_ANYWHERE};
	static struct quoit_crowd crowd;
	struct jobs q;
	struct jobs_producer p[2];
	struct jobs_consumer c;
	struct quoit_event *space[2];
	uint64_t items[CAPACITY] = {0};
	bool seen[2] = {false, false};

	(void)state;
	assert_int_equal(jobs_create(&q, &options), 0);
	assert_int_equal(jobs_register_producer(&q, &p[0]), 0);
	assert_int_equal(quoit_mpmc_attach_waits(q.ring, &crowd), 0); /* before and behind it */
	assert_int_equal(jobs_register_producer(&q, &p[1]), 0);
	assert_int_equal(jobs_register_consumer(&q, &c), 0);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(jobs_send(&p[i], items, CAPACITY), CAPACITY);
		space[i] = &p[i].seat.lane->waits.space;
		(void)quoit_event_arm(space[i]);
	}
	for (size_t i = 0; i < 4 * QUOIT_MPMC_ROTATE / BLOCK; i++) {
		struct quoit_claim claim = {0};

		assert_int_equal(quoit_mpmc_take(&c.seat, BLOCK, &claim), BLOCK);
		const size_t whose = claim.lane != &p[0].seat.lane->lane;
		seen[whose] = true;
		quoit_mpmc_release(&c.seat, &claim, BLOCK - 1);
		assert_int_equal(quoit_load(&space[whose]->word) & 1, 1);
		quoit_mpmc_release(&c.seat, &claim, 1);
		assert_int_equal(quoit_load(&space[whose]->word) & 1, 0);
		assert_int_equal(quoit_load(&space[!whose]->word) & 1, 1);
		(void)quoit_event_arm(space[whose]);
		assert_int_equal(jobs_send(&p[whose], items, BLOCK), BLOCK);
	}
	assert_true(seen[0] && seen[1]);
	jobs_deregister_consumer(&c);
	for (size_t i = 0; i < 2; i++)
		jobs_deregister_producer(&p[i]);
	jobs_destroy(&q);
}

/* --- without sleeping ------------------------------------------------------------------------ */

/* B91: the seed's was all or nothing, even where some of it was free. */
static void parts_are_sent_as_room_comes_and_counted_if_it_ends_early(void **state)
{
	static struct fixture f;
	uint64_t items[2 * CAPACITY];
	const struct quoit_wait how = blocking(SHORT_NS);
	size_t sent = 77;

	(void)state;
	for (uint64_t i = 0; i < 2 * CAPACITY; i++)
		items[i] = i;
	start(&f, 0);
	assert_int_equal(shared_send_parts_wait(&f.q, items, 2 * CAPACITY, &how, &sent),
			 -ETIMEDOUT);
	assert_int_equal(sent, CAPACITY);
	f.sent = sent;
	assert_int_equal(steal(&f, 2 * BLOCK), 2 * BLOCK);
	assert_int_equal(shared_send_parts_wait(&f.q, items + CAPACITY, CAPACITY, &how, &sent),
			 -ETIMEDOUT);
	assert_int_equal(sent, 2 * BLOCK);
	assert_int_equal(shared_send_parts_wait(&f.q, items + CAPACITY, CAPACITY, &how, &sent),
			 -ETIMEDOUT);
	assert_int_equal(sent, 0);
	f.sent += 2 * BLOCK;
	assert_int_equal(steal(&f, 2 * CAPACITY), CAPACITY);
	quoit_spmc_close(&f.q.ring);
	sent = 77;
	assert_int_equal(shared_send_parts_wait(&f.q, items, 1, &how, &sent), -ESHUTDOWN);
	assert_int_equal(sent, 0);
}

static void what_is_free_is_had_at_once_whatever_the_deadline(void **state)
{
	static struct fixture f;
	struct quoit_wait how = blocking(LONG_NS);

	(void)state;
	how.deadline_ns = 1; /* long past */
	for (size_t c = 0; c < COUNT(calls); c++) {
		start(&f, 1);
		assert_int_equal(calls[c](&f, &how), 0);
		assert_int_equal(steal(&f, CAPACITY), f.sent);
	}
}

/* With the tail at any place in a block, so much can be had once all is given back, and no more. */
static void the_most_that_can_be_waited_for_does_come(void **state)
{
	static struct fixture f;
	const struct quoit_wait how = blocking(LONG_NS);
	const size_t most = CAPACITY - BLOCK + 1;
	uint64_t items[CAPACITY + 1] = {0};
	size_t at, granted;

	(void)state;
	for (uint64_t offset = 0; offset < 2 * BLOCK; offset++) {
		start(&f, offset);
		assert_int_equal(quoit_lane_space_most(&f.q.ring.lane), most);
		assert_int_equal(quoit_lane_wait_space(&f.q.ring.lane, most, &how), 0);
		assert_int_equal(quoit_lane_reserve_wait(&f.q.ring.lane, most, &how, &at, &granted),
				 0);
		assert_int_equal(shared_send_wait(&f.q, items, most, &how), 0);
		assert_int_equal(shared_send_wait(&f.q, items, most + 1, &how), -EINVAL);
	}
}

/* D-61: one deadline for every kind; D-14: what can never be had is refused. */
static void a_wait_for_nothing_ends_at_its_deadline_and_one_without_end_is_refused(void **state)
{
	static struct fixture f;
	struct quoit_wait how;
	uint64_t *slots = NULL;

	(void)state;
	for (int kind = 0; kind <= QUOIT_WAIT_PHASED; kind++)
		for (size_t c = 0; c < COUNT(calls); c++) {
			how = blocking(SHORT_NS);
			how.kind = (enum quoit_wait_kind)kind;
			start(&f, 0);
			fill(&f);
			assert_int_equal(calls[c](&f, &how), -ETIMEDOUT);
			assert_true(quoit_clock_now_ns() >= how.deadline_ns);
			assert_int_equal(f.n, 77);
			assert_int_equal(quoit_spmc_length(&f.q.ring), CAPACITY);
		}
	how = blocking(LONG_NS);
	assert_int_equal(shared_reserve_wait(&f.q, 0, &how, &slots, &f.n), -EINVAL);
	assert_int_equal(shared_reserve_wait(&f.q, CAPACITY, &how, &slots, &f.n), -EINVAL);
	assert_int_equal(shared_send_parts_wait(&f.q, &f.sent, 0, &how, &f.n), -EINVAL);
	assert_int_equal(f.n, 77);
	assert_null(slots);
	assert_int_equal(quoit_spmc_attach_waits(&f.q.ring, NULL), 0);
	for (size_t c = 0; c < COUNT(calls); c++)
		assert_int_equal(calls[c](&f, &how), -EINVAL); /* nobody would wake it */
	how = blocking(SHORT_NS);
	quoit_lane_attach_waits(&f.q.ring.lane, &f.waits.lane); /* enough for a producer */
	assert_int_equal(send_wait(&f, &how), -ETIMEDOUT);
	quoit_lane_attach_waits(&f.q.ring.lane, NULL);
	how.kind = QUOIT_WAIT_SLEEP;
	assert_int_equal(send_wait(&f, &how), -ETIMEDOUT);
}

static void what_was_committed_later_is_published_before_its_producer_waits(void **state)
{
	static struct fixture f;
	const struct quoit_wait how = blocking(SHORT_NS);
	size_t n;

	(void)state;
	start(&f, 0);
	assert_non_null(shared_reserve(&f.q, CAPACITY, &n));
	shared_commit_later(&f.q, CAPACITY);
	assert_int_equal(quoit_spmc_length(&f.q.ring), 0);
	assert_int_equal(send_wait(&f, &how), -ETIMEDOUT);
	assert_int_equal(quoit_spmc_length(&f.q.ring), CAPACITY);
}

/* B90 */
static void backing_off_gives_up_on_a_full_lane_and_at_once_on_a_closed_one(void **state)
{
	static struct fixture f;
	struct quoit_lane *const lane = &f.q.ring.lane;
	size_t at = 77;

	(void)state;
	start(&f, 0);
	assert_int_equal(quoit_lane_reserve_backoff(lane, 1, &at), 1);
	quoit_lane_commit(lane, 1);
	fill(&f);
	at = 77;
	assert_int_equal(quoit_lane_reserve_backoff(lane, 1, &at), 0);
	assert_int_equal(quoit_lane_reserve_backoff(lane, 0, &at), 0);
	assert_int_equal(quoit_lane_reserve_backoff(lane, CAPACITY + 1, &at), 0);
	quoit_spmc_close(&f.q.ring);
	assert_int_equal(quoit_lane_reserve_backoff(lane, 1, &at), 0);
	assert_int_equal(at, 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_complete_block_wakes_the_producer_and_nothing_less),
		cmocka_unit_test(a_producer_is_woken_to_step_over_what_is_held),
		cmocka_unit_test(a_producer_that_needs_more_sleeps_on_until_it_is_there),
		cmocka_unit_test(a_close_wakes_the_producer),
		cmocka_unit_test(a_give_back_on_one_lane_wakes_no_other_producer),
		cmocka_unit_test(parts_are_sent_as_room_comes_and_counted_if_it_ends_early),
		cmocka_unit_test(what_is_free_is_had_at_once_whatever_the_deadline),
		cmocka_unit_test(the_most_that_can_be_waited_for_does_come),
		cmocka_unit_test(
			a_wait_for_nothing_ends_at_its_deadline_and_one_without_end_is_refused),
		cmocka_unit_test(what_was_committed_later_is_published_before_its_producer_waits),
		cmocka_unit_test(backing_off_gives_up_on_a_full_lane_and_at_once_on_a_closed_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
