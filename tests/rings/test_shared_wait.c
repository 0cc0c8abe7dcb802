/* SPDX-License-Identifier: MIT */
/*
 * test_shared_wait.c - consumers of SPMC and MPMC rings that wait: what wakes one of them, what
 * wakes all, and what ends a wait. Features B114 to B118; defects D-20, D-27, D-61.
 *
 * Each test runs over both kinds of ring. Sleepers are threads; a publication takes one sleeper's
 * bit down before it returns, so how many are still asleep is known at once. What a woken thread
 * does is waited for: a test that would need it for longer than a wait lasts, fails.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <rings/shared_wait_checks.h>

/* --- sleepers -------------------------------------------------------------------------------- */

static void *wait_worker(void *arg)
{
	struct worker *const w = arg;
	const struct quoit_wait how = blocking(w->timeout_ns);

	w->got = 0;
	w->rc = w->call(w, &how);
	quoit_store_release(&w->done, 1); /* read by count_done() */
	return NULL;
}

static void fall_asleep(struct fixture *f, size_t n,
			int (*call)(struct worker *, const struct quoit_wait *))
{
	for (size_t i = 0; i < n; i++) {
		f->w[i].call = call;
		f->w[i].done = 0;
		f->w[i].sum = 0;
		f->w[i].timeout_ns = LONG_NS;
		assert_int_equal(pthread_create(&f->w[i].thread, NULL, wait_worker, &f->w[i]), 0);
	}
	while (quoit_crowd_sleepers(crowd_of(f)) < n)
		quoit_yield();
}

static size_t count_done(struct fixture *f, size_t n)
{
	size_t done = 0;

	for (size_t i = 0; i < n; i++)
		done += quoit_load_acquire(&f->w[i].done);
	return done;
}

/* So many of the first n end while nobody is late. If not, all are let go, and it is false. */
static bool end_early(struct fixture *f, size_t n, size_t wanted)
{
	const uint64_t until_ns = quoit_deadline_ns(LONG_NS / 2);

	while (count_done(f, n) < wanted && quoit_clock_now_ns() < until_ns)
		quoit_yield();
	if (count_done(f, n) >= wanted)
		return true;
	close_ring(f);
	for (size_t i = 0; i < n; i++)
		pthread_join(f->w[i].thread, NULL);
	return false;
}

static size_t join_all(struct fixture *f, size_t n)
{
	size_t got = 0;

	for (size_t i = 0; i < n; i++) {
		pthread_join(f->w[i].thread, NULL);
		got += f->w[i].got;
	}
	return got;
}

/* Let the sleepers go who are left; `working` have returned with something. */
static void close_and_join(struct fixture *f, size_t n, size_t working)
{
	size_t shut_down = 0;

	close_ring(f);
	if (f->spmc)
		quoit_spmc_finish(&f->one.ring);
	else
		jobs_deregister_producer(&f->p[0]);
	(void)join_all(f, n);
	for (size_t i = 0; i < n; i++) {
		assert_true(f->w[i].rc == 0 || f->w[i].rc == -ESHUTDOWN);
		shut_down += f->w[i].rc == -ESHUTDOWN;
	}
	assert_int_equal(shut_down, n - working);
}

/* --- one for one ----------------------------------------------------------------------------- */

static void by_send(struct fixture *f)
{
	send(f, 1);
}

static void by_commit(struct fixture *f)
{
	size_t n = 0;
	uint64_t *at = f->spmc ? shared_reserve(&f->one, 1, &n) : jobs_reserve(&f->p[0], 1, &n);

	assert_non_null(at);
	*at = ++f->sent;
	if (f->spmc)
		shared_commit(&f->one, 1);
	else
		jobs_commit(&f->p[0], 1);
}

static void by_flush(struct fixture *f)
{
	size_t n = 0;
	uint64_t *at = f->spmc ? shared_reserve(&f->one, 1, &n) : jobs_reserve(&f->p[0], 1, &n);

	assert_non_null(at);
	*at = ++f->sent;
	if (f->spmc) {
		shared_commit_later(&f->one, 1);
		shared_flush(&f->one);
	} else {
		jobs_commit_later(&f->p[0], 1);
		jobs_flush(&f->p[0]);
	}
}

/* D-27: the seed could not wait at all, and its notifier woke everybody. */
static void each_publication_wakes_one_sleeper_whatever_it_waits_in(void **state)
{
	const bool spmc = **(bool **)state;
	static void (*const publish[])(struct fixture *) = {by_send, by_commit, by_flush};
	static struct fixture f;

	for (size_t c = 0; c < COUNT(calls); c++) {
		start(&f, spmc);
		fall_asleep(&f, CONSUMERS, calls[c]);
		for (size_t i = 0; i < COUNT(publish); i++) {
			publish[i](&f);
			assert_int_equal(quoit_crowd_sleepers(crowd_of(&f)), CONSUMERS - i - 1);
			assert_true(end_early(&f, CONSUMERS, i + 1));
			assert_int_equal(count_done(&f, CONSUMERS), i + 1);
		}
		close_and_join(&f, CONSUMERS, COUNT(publish));
		end(&f);
	}
}

static void pop_rest(struct worker *w)
{
	const struct quoit_wait how = {.kind = QUOIT_WAIT_SPIN};

	while (w->f->spmc ? quoit_spmc_unpopped(&w->one.seat) : quoit_mpmc_unpopped(&w->many.seat))
		assert_int_equal(pop_wait(w, &how), 0);
}

/* One is woken for the batch, and passes on what it does not take. */
static void a_batch_wakes_as_many_as_have_work(void **state)
{
	const bool spmc = **(bool **)state;
	static struct fixture f;

	for (size_t c = 0; c < COUNT(calls); c++) {
		const bool pops = calls[c] == pop_wait; /* which claims more than it takes */
		const size_t takes = calls[c] == steal_one_wait || pops ? 1 : MOST;
		uint64_t sum = 0;

		start(&f, spmc);
		fall_asleep(&f, CONSUMERS, calls[c]);
		send(&f, takes * (CONSUMERS - 1));
		assert_true(end_early(&f, CONSUMERS, pops ? 1 : CONSUMERS - 1));
		close_and_join(&f, CONSUMERS, pops ? 1 : CONSUMERS - 1);
		for (size_t i = 0; i < CONSUMERS; i++) {
			pop_rest(&f.w[i]);
			sum += f.w[i].sum;
		}
		assert_int_equal(sum, f.sent * (f.sent + 1) / 2);
		end(&f);
	}
}

/* What is published while somebody is being woken is not left to that one alone. */
static void two_publications_wake_two(void **state)
{
	const bool spmc = **(bool **)state;
	static struct fixture f;

	start(&f, spmc);
	fall_asleep(&f, CONSUMERS, steal_one_wait);
	send(&f, 1);
	send(&f, 1);
	assert_true(quoit_crowd_sleepers(crowd_of(&f)) <= CONSUMERS - 2);
	assert_true(end_early(&f, CONSUMERS, 2));
	close_and_join(&f, CONSUMERS, 2);
	assert_int_equal(f.w[0].sum + f.w[1].sum + f.w[2].sum + f.w[3].sum, 3);
	end(&f);
}

static void while_all_are_awake_a_publication_finds_nobody(void **state)
{
	const bool spmc = **(bool **)state;
	static struct fixture f;
	const struct quoit_wait how = blocking(LONG_NS);

	start(&f, spmc);
	for (size_t i = 0; i < 10; i++) {
		send(&f, 1);
		assert_int_equal(quoit_crowd_sleepers(crowd_of(&f)), 0);
		assert_int_equal(steal_one_wait(&f.w[i % CONSUMERS], &how), 0);
	}
	assert_int_equal(f.w[0].sum + f.w[1].sum + f.w[2].sum + f.w[3].sum, 55);
	assert_int_equal(crowd_of(&f)->called[0], 0); /* nor did anybody wake anybody */
	end(&f);
}

/* --- the end --------------------------------------------------------------------------------- */

static void a_close_wakes_all(void **state)
{
	const bool spmc = **(bool **)state;
	static struct fixture f;

	for (size_t c = 0; c < COUNT(calls); c++) {
		start(&f, spmc);
		fall_asleep(&f, CONSUMERS, calls[c]);
		close_ring(&f);
		/* But for who waits for the rest; a lane's close may have let one arm anew. */
		while (calls[c] != take_rest_wait && quoit_crowd_sleepers(crowd_of(&f)))
			quoit_yield();
		close_and_join(&f, CONSUMERS, 0);
		end(&f);
	}
}

/* D-20: what was sent before the close was reported as the end, and lost. */
static void a_closed_ring_is_worked_off_before_it_says_so(void **state)
{
	const bool spmc = **(bool **)state;
	static struct fixture f;
	const struct quoit_wait how = blocking(LONG_NS);

	for (size_t c = 0; c < COUNT(calls); c++) {
		struct worker *const w = &f.w[0];

		start(&f, spmc);
		send(&f, 3);
		close_ring(&f);
		if (spmc)
			quoit_spmc_finish(&f.one.ring);
		else
			jobs_deregister_producer(&f.p[0]);
		while (w->sum < 6)
			assert_int_equal(calls[c](w, &how), 0);
		assert_true(w->sum == 6 && calls[c](w, &how) == -ESHUTDOWN);
		end(&f);
	}
}

/* A reservation that was open at the close is committed behind it. */
static void the_rest_is_waited_for_until_the_producer_has_finished(void **state)
{
	const bool spmc = **(bool **)state;
	static struct fixture f;
	const struct quoit_wait how = blocking(SHORT_NS);
	size_t n = 0;

	start(&f, spmc);
	uint64_t *at = spmc ? shared_reserve(&f.one, 1, &n) : jobs_reserve(&f.p[0], 1, &n);
	assert_non_null(at);
	close_ring(&f);
	assert_int_equal(take_wait(&f.w[0], &how), -ESHUTDOWN);
	assert_int_equal(take_rest_wait(&f.w[0], &how), -ETIMEDOUT);
	fall_asleep(&f, 2, take_rest_wait);
	*at = 9;
	if (spmc)
		shared_commit(&f.one, 1);
	else
		jobs_commit(&f.p[0], 1);
	assert_true(end_early(&f, 2, 1));
	if (spmc)
		quoit_spmc_finish(&f.one.ring);
	else
		jobs_deregister_producer(&f.p[0]);
	assert_int_equal(join_all(&f, 2), 1);
	assert_int_equal(f.w[0].rc + f.w[1].rc, -ESHUTDOWN);
	assert_int_equal(f.w[0].sum + f.w[1].sum, 9);
	end(&f);
}

/* --- without sleeping ------------------------------------------------------------------------ */

static void what_is_there_is_had_whatever_the_deadline(void **state)
{
	const bool spmc = **(bool **)state;
	static struct fixture f;
	struct quoit_wait how = blocking(LONG_NS);

	how.deadline_ns = 1; /* long past */
	for (size_t c = 0; c < COUNT(calls); c++) {
		start(&f, spmc);
		send(&f, 1);
		assert_int_equal(calls[c](&f.w[0], &how), 0);
		assert_int_equal(f.w[0].got, 1);
		assert_int_equal(f.w[0].sum, 1);
		assert_int_equal(calls[c](&f.w[0], &how), -ETIMEDOUT);
		end(&f);
	}
}

/* D-61: kinds that pause or yield had no deadline at all. */
static void a_wait_for_nothing_ends_at_its_deadline_with_all_untouched(void **state)
{
	const bool spmc = **(bool **)state;
	static struct fixture f;

	for (int kind = 0; kind <= QUOIT_WAIT_PHASED; kind++)
		for (size_t c = 0; c < COUNT(calls); c++) {
			struct quoit_wait how = blocking(SHORT_NS);

			how.kind = (enum quoit_wait_kind)kind;
			start(&f, spmc);
			f.w[0].got = 77;
			assert_int_equal(calls[c](&f.w[0], &how), -ETIMEDOUT);
			assert_true(quoit_clock_now_ns() >= how.deadline_ns);
			assert_int_equal(f.w[0].got, 77);
			assert_int_equal(f.w[0].sum, 0);
			assert_int_equal(quoit_crowd_sleepers(crowd_of(&f)), 0);
			end(&f);
		}
}

static void a_wait_that_cannot_end_is_refused(void **state)
{
	const bool spmc = **(bool **)state;
	static struct fixture f;
	struct quoit_wait how = blocking(LONG_NS);
	struct quoit_claim claim = {0};
	uint64_t *items = NULL;

	start(&f, spmc);
	assert_int_equal(spmc ? shared_take_wait(&f.w[0].one, 0, &how, &items, &claim)
			      : jobs_take_wait(&f.w[0].many, 0, &how, &items, &claim),
			 -EINVAL);
	how.kind = QUOIT_WAIT_TIMED;
	how.deadline_ns = 0;
	assert_int_equal(take_wait(&f.w[0], &how), -EINVAL);
	how.kind = QUOIT_WAIT_BLOCK;
	if (spmc)
		assert_int_equal(quoit_spmc_attach_waits(&f.one.ring, NULL), 0);
	else
		assert_int_equal(quoit_mpmc_attach_waits(f.many.ring, NULL), 0);
	assert_int_equal(take_wait(&f.w[0], &how), -EINVAL); /* nobody would wake it */
	assert_int_equal(pop_wait(&f.w[0], &how), -EINVAL);
	assert_true(!items && !claim.lane);
	how = blocking(SHORT_NS);
	how.kind = QUOIT_WAIT_YIELD; /* needs none */
	assert_int_equal(take_wait(&f.w[0], &how), -ETIMEDOUT);
	send(&f, 1);
	assert_int_equal(take_wait(&f.w[0], &how), 0);
	end(&f);
}

static void more_consumers_than_seats_cannot_be_promised_a_wake_up(void **state)
{
	const bool spmc = **(bool **)state;
	const struct quoit_spmc_options shared = {CAPACITY, 0, QUOIT_CROWD_SEATS + 1};
	struct quoit_mpmc_options options = {.capacity_slots = CAPACITY,
					     .producers_most = 1,
					     .consumers_most = QUOIT_CROWD_SEATS + 1,
					     .node = QUOIT_MPMC_ANYWHERE};
	static struct fixture f;

	memset(&f, 0, sizeof(f));
	if (spmc) {
		assert_int_equal(shared_init(&f.one, f.slots, f.blocks, &shared), 0);
		assert_int_equal(quoit_spmc_attach_waits(&f.one.ring, &f.waits), -EINVAL);
	} else {
		assert_int_equal(jobs_create(&f.many, &options), 0);
		assert_int_equal(quoit_mpmc_attach_waits(f.many.ring, &f.crowd), -EINVAL);
		jobs_destroy(&f.many);
	}
}

/* A claim of several is popped off without waiting. */
static void popping_waits_only_when_nothing_is_claimed(void **state)
{
	const bool spmc = **(bool **)state;
	static struct fixture f;
	const struct quoit_wait how = blocking(SHORT_NS);

	start(&f, spmc);
	send(&f, 5);
	for (uint64_t n = 1; n <= 5; n++) {
		assert_int_equal(pop_wait(&f.w[0], &how), 0);
		assert_int_equal(f.w[0].sum, n * (n + 1) / 2);
		assert_int_equal(spmc ? quoit_spmc_unpopped(&f.w[0].one.seat)
				      : quoit_mpmc_unpopped(&f.w[0].many.seat),
				 5 - n);
	}
	assert_int_equal(pop_wait(&f.w[0], &how), -ETIMEDOUT);
	end(&f);
}

/* Who got half a claim may find more at once, and need not linger. */
static void half_a_claim_that_was_waited_for_is_not_yet_caught_up(void **state)
{
	const bool spmc = **(bool **)state;
	static struct fixture f;
	const struct quoit_wait how = blocking(SHORT_NS);

	start(&f, spmc);
	for (size_t less = 0; less < 2; less++) {
		const size_t n = (spmc ? QUOIT_SPMC_POP_MOST : QUOIT_MPMC_POP_MOST) / 2 - less;

		send(&f, n);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(pop_wait(&f.w[0], &how), 0);
		assert_int_equal(spmc ? f.w[0].one.seat.caught_up : f.w[0].many.seat.caught_up,
				 less);
	}
	end(&f);
}

/* --- lanes ----------------------------------------------------------------------------------- */

static void a_producer_that_comes_later_wakes_who_sleeps_already(void **state)
{
	static struct fixture f;
	const uint64_t item = 5;

	(void)state;
	start(&f, false);
	fall_asleep(&f, 2, take_wait);
	assert_int_equal(jobs_register_producer(&f.many, &f.p[1]), 0);
	assert_true(jobs_send_one(&f.p[1], &item));
	assert_true(end_early(&f, 2, 1));
	assert_int_equal(f.w[0].sum + f.w[1].sum, 5);
	assert_int_equal(jobs_send_one(&f.p[0], &item), true);
	assert_int_equal(join_all(&f, 2), 2);
	end(&f);
}

static void what_a_producer_leaves_behind_wakes_somebody(void **state)
{
	static struct fixture f;
	size_t n = 0;

	(void)state;
	start(&f, false);
	fall_asleep(&f, 1, take_wait);
	uint64_t *at = jobs_reserve(&f.p[0], 1, &n);
	assert_non_null(at);
	*at = 3;
	jobs_commit_later(&f.p[0], 1);
	assert_int_equal(quoit_crowd_sleepers(&f.crowd), 1);
	jobs_deregister_producer(&f.p[0]);
	assert_true(end_early(&f, 1, 1));
	assert_int_equal(join_all(&f, 1), 1);
	assert_int_equal(f.w[0].sum, 3);
	end(&f);
}

static void a_ring_without_any_lane_can_be_waited_for_and_closed(void **state)
{
	static struct fixture f;

	(void)state;
	start(&f, false);
	jobs_deregister_consumer(&f.w[0].many);
	for (size_t i = 1; i < CONSUMERS; i++)
		jobs_deregister_consumer(&f.w[i].many);
	jobs_deregister_producer(&f.p[0]);
	jobs_destroy(&f.many);
	assert_int_equal(
		jobs_create(&f.many, &(struct quoit_mpmc_options){.capacity_slots = CAPACITY,
								  .producers_most = 1,
								  .consumers_most = CONSUMERS}),
		0);
	assert_int_equal(quoit_mpmc_attach_waits(f.many.ring, &f.crowd), 0);
	for (size_t i = 0; i < CONSUMERS; i++)
		assert_int_equal(jobs_register_consumer(&f.many, &f.w[i].many), 0);
	fall_asleep(&f, CONSUMERS, take_rest_wait);
	close_ring(&f);
	(void)join_all(&f, CONSUMERS);
	for (size_t i = 0; i < CONSUMERS; i++)
		assert_int_equal(f.w[i].rc, -ESHUTDOWN);
	end(&f);
}

#define BOTH(test) cmocka_unit_test_prestate(test, &one), cmocka_unit_test_prestate(test, &many)

int main(void)
{
	static bool one = true, many = false;
	const struct CMUnitTest tests[] = {
		BOTH(each_publication_wakes_one_sleeper_whatever_it_waits_in),
		BOTH(a_batch_wakes_as_many_as_have_work),
		BOTH(two_publications_wake_two),
		BOTH(while_all_are_awake_a_publication_finds_nobody),
		BOTH(a_close_wakes_all),
		BOTH(a_closed_ring_is_worked_off_before_it_says_so),
		BOTH(the_rest_is_waited_for_until_the_producer_has_finished),
		BOTH(what_is_there_is_had_whatever_the_deadline),
		BOTH(a_wait_for_nothing_ends_at_its_deadline_with_all_untouched),
		BOTH(a_wait_that_cannot_end_is_refused),
		BOTH(more_consumers_than_seats_cannot_be_promised_a_wake_up),
		BOTH(popping_waits_only_when_nothing_is_claimed),
		BOTH(half_a_claim_that_was_waited_for_is_not_yet_caught_up),
		cmocka_unit_test(a_producer_that_comes_later_wakes_who_sleeps_already),
		cmocka_unit_test(what_a_producer_leaves_behind_wakes_somebody),
		cmocka_unit_test(a_ring_without_any_lane_can_be_waited_for_and_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
