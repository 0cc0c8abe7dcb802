/* SPDX-License-Identifier: MIT */
/*
 * test_notifier_uring.c - a plain liburing program that hears a notifier on its own ring (B143),
 * beside operations of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <liburing.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <quoit/io/notifier_uring.h>
#include <quoit/rings/spsc.h>

#include "support/skip.h"

#define BELL	UINT64_C(77)
#define ENTRIES 4

static struct fixture {
	struct io_uring ring;
	struct quoit_notifier bell;
	struct io_uring_cqe cqe; /* the last that next() gave */
} f;

static int set_up(void **state)
{
	memset(&f, 0, sizeof(f));
	*state = NULL;
	return quoit_notifier_init(&f.bell);
}

static int tear_down(void **state)
{
	(void)state;
	return quoit_notifier_destroy(&f.bell);
}

static void open_ring(unsigned flags)
{
	const int rc = io_uring_queue_init(ENTRIES, &f.ring, flags);

	if (rc < 0)
		skip_because("io_uring is refused: %s", strerror(-rc));
}

/* One completion, waited for. */
static const struct io_uring_cqe *next(void)
{
	struct io_uring_cqe *cqe;

	assert_int_equal(io_uring_submit_and_wait(&f.ring, 1), io_uring_sq_ready(&f.ring));
	assert_int_equal(io_uring_wait_cqe(&f.ring, &cqe), 0);
	f.cqe = *cqe;
	io_uring_cqe_seen(&f.ring, cqe);
	return &f.cqe;
}

static unsigned waiting(void)
{
	(void)io_uring_get_events(&f.ring);
	return io_uring_cq_ready(&f.ring);
}

static void begin(unsigned flags)
{
	open_ring(flags);
	assert_int_equal(quoit_notifier_register_uring(&f.bell, &f.ring, BELL), 0);
	assert_int_equal(io_uring_submit(&f.ring), 1);
	assert_int_equal(waiting(), 0);
}

/* D-81: nobody reads the eventfd. */
static void each_wake_completes_once_and_nothing_is_consumed(void **state)
{
	const struct io_uring_cqe *cqe;

	(void)state;
	begin(0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(quoit_notifier_signal(&f.bell), 0);
		cqe = next();
		assert_int_equal(cqe->user_data, BELL);
		assert_false(quoit_notifier_uring_ended(cqe));
		assert_int_equal(waiting(), 0);
	}
	io_uring_queue_exit(&f.ring);
}

/* Where completions are left until they are asked for; elsewhere each system call may fetch one. */
static void wakes_before_anybody_looks_are_one_completion(void **state)
{
	const struct io_uring_cqe *cqe;

	(void)state;
	begin(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 3; i++)
			assert_int_equal(quoit_notifier_signal(&f.bell), 0);
		cqe = next();
		assert_int_equal(cqe->user_data, BELL);
		assert_false(quoit_notifier_uring_ended(cqe));
		assert_int_equal(waiting(), 0);
	}
	io_uring_queue_exit(&f.ring);
}

/* B143: through the whole path, and beside an operation of the program's. */
static void a_ring_wakes_a_program_that_sleeps_in_its_own_io_uring(void **state)
{
	struct quoit_spsc items;
	const struct io_uring_cqe *cqe;
	size_t at;

	(void)state;
	begin(0);
	io_uring_prep_nop(io_uring_get_sqe(&f.ring));
	assert_int_equal(quoit_spsc_init(&items, 8), 0);
	quoit_spsc_attach(&items, quoit_notifier_ref(&f.bell));
	quoit_notifier_arm(&f.bell);
	assert_false(quoit_spsc_has_news(&items));
	cqe = next();
	assert_int_not_equal(cqe->user_data, BELL); /* its own */
	for (int i = 0; i < 3; i++) {
		assert_int_equal(quoit_spsc_reserve(&items, 1, &at), 1);
		quoit_spsc_commit(&items, 1);
	}
	cqe = next();
	assert_int_equal(cqe->user_data, BELL);
	assert_int_equal(waiting(), 0); /* three items, one bell */
	assert_int_equal(quoit_spsc_length(&items), 3);
	assert_int_equal(quoit_spsc_detach(&items), 0);
	quoit_notifier_unref(&f.bell);
	io_uring_queue_exit(&f.ring);
}

/* D-82: what was rung while nobody polled is not lost. */
static void a_poll_that_ended_fires_at_once_when_it_is_registered_again(void **state)
{
	const struct io_uring_cqe *cqe;

	(void)state;
	begin(0);
	assert_int_equal(quoit_notifier_unregister_uring(&f.bell, &f.ring, BELL), 0);
	cqe = next();
	assert_int_equal(cqe->user_data, BELL);
	assert_int_equal(cqe->res, -ECANCELED);
	assert_true(quoit_notifier_uring_ended(cqe));
	assert_int_equal(waiting(), 0); /* the removal itself says nothing */
	assert_int_equal(quoit_notifier_signal(&f.bell), 0);
	assert_int_equal(waiting(), 0);
	assert_int_equal(quoit_notifier_register_uring(&f.bell, &f.ring, BELL), 0);
	cqe = next();
	assert_int_equal(cqe->user_data, BELL);
	assert_false(quoit_notifier_uring_ended(cqe));
	io_uring_queue_exit(&f.ring);
}

static void who_ends_what_was_never_begun_is_told(void **state)
{
	const struct io_uring_cqe *cqe;

	(void)state;
	open_ring(0);
	assert_int_equal(quoit_notifier_unregister_uring(&f.bell, &f.ring, BELL), 0);
	cqe = next();
	assert_int_equal(cqe->res, -ENOENT);
	assert_true(quoit_notifier_uring_ended(cqe));
	io_uring_queue_exit(&f.ring);
}

static void a_full_submission_queue_is_told_and_left_alone(void **state)
{
	(void)state;
	open_ring(0);
	for (unsigned i = 0; i < ENTRIES; i++)
		io_uring_prep_nop(io_uring_get_sqe(&f.ring));
	assert_int_equal(quoit_notifier_register_uring(&f.bell, &f.ring, BELL), -EBUSY);
	assert_int_equal(quoit_notifier_unregister_uring(&f.bell, &f.ring, BELL), -EBUSY);
	assert_int_equal(io_uring_submit(&f.ring), ENTRIES);
	assert_int_equal(quoit_notifier_register_uring(&f.bell, &f.ring, BELL), 0);
	io_uring_queue_exit(&f.ring);
}

/* A completion queue that overflows ends the poll, or keeps its completion: in no case is it lost.
 */
static void a_bell_behind_a_full_completion_queue_is_heard(void **state)
{
	unsigned bells = 0;
	const struct io_uring_cqe *cqe;

	(void)state;
	begin(0);
	for (unsigned i = 0; i < 3 * ENTRIES; i++) {
		io_uring_prep_nop(io_uring_get_sqe(&f.ring));
		assert_int_equal(io_uring_submit(&f.ring), 1);
	}
	assert_int_equal(quoit_notifier_signal(&f.bell), 0);
	for (unsigned i = 0; i < 3 * ENTRIES + 1; i++) {
		cqe = next();
		bells += cqe->user_data == BELL;
		if (cqe->user_data == BELL && quoit_notifier_uring_ended(cqe))
			assert_int_equal(quoit_notifier_register_uring(&f.bell, &f.ring, BELL), 0);
	}
	assert_true(bells >= 1);
	assert_int_equal(quoit_notifier_signal(&f.bell), 0);
	cqe = next();
	assert_int_equal(cqe->user_data, BELL);
	io_uring_queue_exit(&f.ring);
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FIXTURE(each_wake_completes_once_and_nothing_is_consumed),
		WITH_FIXTURE(wakes_before_anybody_looks_are_one_completion),
		WITH_FIXTURE(a_ring_wakes_a_program_that_sleeps_in_its_own_io_uring),
		WITH_FIXTURE(a_poll_that_ended_fires_at_once_when_it_is_registered_again),
		WITH_FIXTURE(who_ends_what_was_never_begun_is_told),
		WITH_FIXTURE(a_full_submission_queue_is_told_and_left_alone),
		WITH_FIXTURE(a_bell_behind_a_full_completion_queue_is_heard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
