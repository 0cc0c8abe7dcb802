/* SPDX-License-Identifier: MIT */
/*
 * test_close.c - closing a ring of many lanes, seen from the middle of it. Each lane rings a bell
 * when it is closed, which is the moment at which these tests look.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include <quoit/rings/typed_mpsc.h>
#include <quoit/rings/typed_shared.h>

#define LANES 3

QUOIT_MPSC(numbers, uint64_t);
QUOIT_MPMC(jobs, uint64_t);

static struct {
	struct numbers numbers;
	struct numbers_producer number_from[LANES];
	struct jobs jobs;
	struct jobs_producer job_from[LANES];
	struct quoit_wake wake;
	struct quoit_notify notify;
	void (*look)(void); /* called from within each bell */
	size_t bells;
	size_t contradictions; /* it said that it was closed, and took an item */
	size_t taken;
	size_t told; /* bells behind which it said that it was closed */
} s;

ssize_t __real_write(int fd, const void *data, size_t bytes);
ssize_t __wrap_write(int fd, const void *data, size_t bytes);

ssize_t __wrap_write(int fd, const void *data, size_t bytes)
{
	if (s.look && fd == s.notify.fd) {
		s.bells++;
		s.look();
		quoit_wake_arm(&s.wake); /* the reader has looked, and sleeps again */
	}
	return __real_write(fd, data, bytes);
}

static int begin(void **state)
{
	(void)state;
	memset(&s, 0, sizeof(s));
	return quoit_notify_open(&s.notify, &s.wake);
}

static int end(void **state)
{
	(void)state;
	quoit_notify_close(&s.notify);
	return 0;
}

static void look_at_numbers(void)
{
	const bool closed = quoit_mpsc_is_closed(s.numbers.channel);
	const uint64_t number = 1;
	size_t sent = 0;

	for (size_t i = 0; i < LANES; i++)
		sent += numbers_send(&s.number_from[i], &number, 1);
	s.told += closed;
	s.taken += sent;
	s.contradictions += closed && sent;
}

static void look_at_jobs(void)
{
	const bool closed = quoit_mpmc_is_closed(s.jobs.ring);
	const uint64_t job = 1;
	size_t sent = 0;

	for (size_t i = 0; i < LANES; i++)
		sent += jobs_send(&s.job_from[i], &job, 1);
	s.told += closed;
	s.taken += sent;
	s.contradictions += closed && sent;
}

/* One bell for each lane, and at the end one for the whole, which must not be missed either. */
static void check_looks(void)
{
	assert_int_equal(s.contradictions, 0);
	assert_true(s.taken > 0); /* it did look before the end */
	assert_int_equal(s.bells, LANES + 1);
	assert_int_equal(s.told, 1);
}

static void a_channel_that_says_it_is_closed_takes_nothing_on_any_lane(void **state)
{
	const struct quoit_mpsc_options options = {.capacity_slots = 8, .producers_most = LANES};
	size_t got = 0;
	uint64_t number;

	(void)state;
	assert_int_equal(numbers_create(&s.numbers, &options), 0);
	assert_int_equal(quoit_mpsc_attach(s.numbers.channel, &s.notify), 0);
	for (size_t i = 0; i < LANES; i++)
		assert_int_equal(numbers_register(&s.numbers, &s.number_from[i]), 0);
	quoit_wake_arm(&s.wake);
	s.look = look_at_numbers;
	quoit_mpsc_close(s.numbers.channel);
	s.look = NULL;
	check_looks();
	while (numbers_recv_one(&s.numbers, &number))
		got++;
	assert_int_equal(got, s.taken);
	for (size_t i = 0; i < LANES; i++)
		assert_int_equal(numbers_deregister(&s.number_from[i]), 0);
	assert_true(quoit_mpsc_is_drained(s.numbers.channel));
	assert_int_equal(numbers_destroy(&s.numbers), 0);
}

static void a_shared_ring_that_says_it_is_closed_takes_nothing_on_any_lane(void **state)
{
	const struct quoit_mpmc_options options = {
		.capacity_slots = 8,
		.producers_most = LANES,
		.consumers_most = 1,
		.node = QUOIT_MPMC_ANYWHERE,
	};
	struct jobs_consumer consumer;
	size_t got = 0;
	uint64_t job;

	(void)state;
	assert_int_equal(jobs_create(&s.jobs, &options), 0);
	quoit_mpmc_attach(s.jobs.ring, &s.notify);
	assert_int_equal(jobs_register_consumer(&s.jobs, &consumer), 0);
	for (size_t i = 0; i < LANES; i++)
		assert_int_equal(jobs_register_producer(&s.jobs, &s.job_from[i]), 0);
	quoit_wake_arm(&s.wake);
	s.look = look_at_jobs;
	quoit_mpmc_close(s.jobs.ring);
	s.look = NULL;
	check_looks();
	while (jobs_steal_one(&consumer, &job))
		got++;
	assert_int_equal(got, s.taken);
	for (size_t i = 0; i < LANES; i++)
		jobs_deregister_producer(&s.job_from[i]);
	assert_true(quoit_mpmc_is_drained(s.jobs.ring));
	jobs_deregister_consumer(&consumer);
	jobs_destroy(&s.jobs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_channel_that_says_it_is_closed_takes_nothing_on_any_lane, begin, end),
		cmocka_unit_test_setup_teardown(
			a_shared_ring_that_says_it_is_closed_takes_nothing_on_any_lane, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
