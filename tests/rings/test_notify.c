/* SPDX-License-Identifier: MIT */
/*
 * test_notify.c - when a bell rings and when it does not, step by step on one thread. What two
 * threads make of it is in tests/stress/wake.c and order.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <quoit/numa/clock.h>
#include <quoit/rings/spsc.h>

ssize_t __real_write(int fd, const void *data, size_t bytes);
ssize_t __wrap_write(int fd, const void *data, size_t bytes);

static int interruptions;	   /* of the writes to come */
static struct quoit_spsc *watched; /* when the bell is about to ring */
static bool was_drained, was_marked;

ssize_t __wrap_write(int fd, const void *data, size_t bytes)
{
	if (watched) {
		was_drained = quoit_spsc_is_drained(watched);
		was_marked = watched->ringing || watched->callers;
	}
	if (!interruptions)
		return __real_write(fd, data, bytes);
	interruptions--;
	errno = EINTR;
	return -1;
}

struct fixture {
	struct quoit_wake wake;
	struct quoit_notify notify;
	struct quoit_spsc ring;
	struct quoit_spsc other; /* shares the notifier */
};

static int set_up(void **state)
{
	static struct fixture f;

	f = (struct fixture){0};
	if (quoit_notify_open(&f.notify, &f.wake) < 0 || quoit_spsc_init(&f.ring, 8) < 0 ||
	    quoit_spsc_init(&f.other, 8) < 0)
		return -1;
	quoit_spsc_attach(&f.ring, &f.notify);
	quoit_spsc_attach(&f.other, &f.notify);
	*state = &f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	quoit_notify_close(&f->notify);
	return 0;
}

/* How often the bell was rung since the last time we asked. */
static uint64_t heard(const struct fixture *f)
{
	uint64_t count = 0;
	const ssize_t got = read(f->notify.fd, &count, sizeof(count));

	if (got < 0)
		assert_int_equal(errno, EAGAIN);
	return got < 0 ? 0 : count;
}

static void send_one(struct quoit_spsc *ring)
{
	size_t at;

	assert_int_equal(quoit_spsc_reserve(ring, 1, &at), 1);
	quoit_spsc_commit(ring, 1);
}

/* --- the eventfd ----------------------------------------------------------------------------- */

static void the_descriptor_does_not_block_and_is_not_inherited(void **state)
{
	struct fixture *f = *state;
	const int flags = fcntl(f->notify.fd, F_GETFL);
	const int fd_flags = fcntl(f->notify.fd, F_GETFD);

	assert_true(flags >= 0 && (flags & O_NONBLOCK));
	assert_true(fd_flags >= 0 && (fd_flags & FD_CLOEXEC));
	assert_ptr_equal(f->notify.wake, &f->wake);
	quoit_notify_close(&f->notify);
	assert_int_equal(f->notify.fd, -1);
	quoit_notify_close(&f->notify); /* a closed one is let be */
}

static void rings_add_up_and_a_full_counter_is_rung_already(void **state)
{
	struct fixture *f = *state;
	const uint64_t nearly_full = UINT64_MAX - 1;

	assert_int_equal(quoit_notify_ring(&f->notify), 0);
	assert_int_equal(quoit_notify_ring(&f->notify), 0);
	assert_int_equal(heard(f), 2);
	assert_int_equal(write(f->notify.fd, &nearly_full, sizeof(nearly_full)), 8);
	assert_int_equal(quoit_notify_ring(&f->notify), 0);
	assert_int_equal(heard(f), nearly_full);
}

static void a_bell_that_a_signal_interrupts_is_rung_all_the_same(void **state)
{
	struct fixture *f = *state;

	interruptions = 3;
	assert_int_equal(quoit_notify_ring(&f->notify), 0);
	assert_int_equal(interruptions, 0);
	assert_int_equal(heard(f), 1);
}

/* So the reader can measure how long a bell takes to reach it. */
static void a_bell_is_stamped_with_the_time_it_was_rung(void **state)
{
	struct fixture *f = *state;
	const uint64_t before = quoit_clock_now_ns();

	assert_int_equal(f->wake.rung_ns, 0);
	assert_int_equal(quoit_notify_ring(&f->notify), 0);
	assert_in_range(f->wake.rung_ns, before, quoit_clock_now_ns());
	f->notify.wake = NULL; /* a bell of nobody's */
	assert_int_equal(quoit_notify_ring(&f->notify), 0);
	assert_int_equal(heard(f), 2);
}

static void a_closed_bell_is_closed(void **state)
{
	struct fixture *f = *state;
	const int fd = f->notify.fd;

	quoit_notify_close(&f->notify);
	assert_int_equal(f->notify.fd, -1);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(errno, EBADF);
	quoit_notify_close(&f->notify); /* again does nothing */
}

/* The promise of cost: while the reader is awake its line is read and not written. */
static void a_reader_that_is_awake_is_only_looked_at(void **state)
{
	void *const page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_ptr_not_equal(page, MAP_FAILED);
#ifndef QUOIT_TSAN /* has no fence, and exchanges instead */
	assert_false(quoit_wake_owed((struct quoit_wake *)page));
#endif
	assert_int_equal(munmap(page, 4096), 0);
}

static void a_broken_descriptor_is_told(void **state)
{
	const struct quoit_notify broken = {.fd = -1};

	(void)state;
	assert_int_equal(quoit_notify_ring(&broken), -EBADF);
}

static void without_a_free_descriptor_opening_says_so_and_touches_nothing(void **state)
{
	struct quoit_notify notify = {.wake = NULL, .fd = 12345};
	struct quoit_wake wake = {0};
	struct rlimit before, none;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	const int rc = quoit_notify_open(&notify, &wake);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(rc, -EMFILE);
	assert_null(notify.wake);
	assert_int_equal(notify.fd, 12345);
}

/* --- the flag -------------------------------------------------------------------------------- */

static void one_arming_owes_one_bell(void **state)
{
	struct fixture *f = *state;

	quoit_wake_fence();
	assert_false(quoit_wake_owed(&f->wake));
	for (int i = 0; i < 3; i++) {
		quoit_wake_arm(&f->wake);
		quoit_wake_arm(&f->wake); /* again is no more */
		quoit_wake_fence();
		assert_true(quoit_wake_owed(&f->wake));
		assert_false(quoit_wake_owed(&f->wake));
	}
	quoit_wake_arm(&f->wake);
	quoit_wake_disarm(&f->wake);
	assert_false(quoit_wake_owed(&f->wake));
}

static void the_flag_has_a_line_of_its_own(void **state)
{
	(void)state;
	assert_int_equal(sizeof(struct quoit_wake), QUOIT_ISOLATION);
	assert_int_equal(_Alignof(struct quoit_wake), QUOIT_ISOLATION);
}

/* --- publications ---------------------------------------------------------------------------- */

/* B20 */
static void a_commit_rings_a_sleeping_reader_and_lets_one_that_is_awake_alone(void **state)
{
	struct fixture *f = *state;

	send_one(&f->ring);
	assert_int_equal(heard(f), 0);
	quoit_wake_arm(&f->wake);
	send_one(&f->ring);
	send_one(&f->ring);
	assert_int_equal(heard(f), 1);
	quoit_wake_arm(&f->wake);
	quoit_wake_disarm(&f->wake);
	send_one(&f->ring);
	assert_int_equal(heard(f), 0);
	assert_int_equal(f->ring.bells_rung, 1);
	assert_int_equal(f->ring.bells_saved, 3);
	assert_int_equal(quoit_spsc_length(&f->ring), 4);
}

static void what_is_committed_for_later_rings_with_the_flush(void **state)
{
	struct fixture *f = *state;
	size_t at;

	quoit_wake_arm(&f->wake);
	assert_int_equal(quoit_spsc_reserve(&f->ring, 2, &at), 2);
	quoit_spsc_commit_later(&f->ring, 2);
	assert_int_equal(heard(f), 0);
	quoit_spsc_publish(&f->ring); /* the caller of this rings by itself */
	assert_int_equal(heard(f), 0);
	quoit_spsc_flush(&f->ring);
	assert_int_equal(heard(f), 1);
}

static void rings_that_share_a_notifier_wake_their_reader_once(void **state)
{
	struct fixture *f = *state;

	quoit_wake_arm(&f->wake);
	send_one(&f->other);
	send_one(&f->ring);
	assert_int_equal(heard(f), 1);
	assert_int_equal(f->other.bells_rung, 1);
	assert_int_equal(f->ring.bells_rung, 0);
	assert_int_equal(f->ring.bells_saved, 1);
}

static void a_ring_without_a_notifier_counts_and_rings_nothing(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(quoit_spsc_init(&f->ring, 8), 0);
	quoit_wake_arm(&f->wake);
	send_one(&f->ring);
	quoit_spsc_close(&f->ring);
	quoit_spsc_finish(&f->ring);
	assert_int_equal(heard(f), 0);
	assert_int_equal(f->ring.bells_rung + f->ring.bells_saved, 0);
}

/* Defect D-04. */
static void closing_rings_a_sleeping_reader(void **state)
{
	struct fixture *f = *state;

	quoit_spsc_close(&f->ring);
	assert_int_equal(heard(f), 0);
	quoit_wake_arm(&f->wake);
	quoit_spsc_close(&f->other);
	assert_int_equal(heard(f), 1);
	quoit_wake_arm(&f->wake);
	quoit_spsc_finish(&f->ring);
	assert_int_equal(heard(f), 1);
	assert_true(quoit_spsc_is_drained(&f->ring));
	assert_int_equal(f->ring.bells_rung, 0); /* it counts what publications did */
}

/* --- every order of steps -------------------------------------------------------------------- */

/*
 * Two steps of a reader (arm, look) and two of a publisher (publish, ring if owed) in each of their
 * six orders: the reader sees the item or hears the bell.
 */
static void in_every_order_of_steps_the_reader_sees_or_hears(void **state)
{
	static const char *const orders[] = {"ALPR", "APLR", "APRL", "PALR", "PARL", "PRAL"};
	struct fixture *f = *state;
	size_t at;

	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
		bool saw = false;

		assert_int_equal(quoit_spsc_reserve(&f->ring, 1, &at), 1);
		for (const char *step = orders[i]; *step; step++)
			switch (*step) {
			case 'A':
				quoit_wake_arm(&f->wake);
				break;
			case 'L':
				saw = quoit_spsc_has_news(&f->ring);
				break;
			case 'P':
				quoit_spsc_commit_later(&f->ring, 1);
				quoit_spsc_publish(&f->ring);
				break;
			default:
				quoit__spsc_notify(&f->ring);
			}
		assert_true(heard(f) || saw);
		quoit_wake_disarm(&f->wake);
		assert_int_equal(quoit_spsc_readable(&f->ring, &at), 1);
		quoit_spsc_advance(&f->ring, 1);
	}
}

#define WITH_FIXTURE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

/* D-10: so a reader that has seen the end still has to join the producer before it lets go. */
static void the_end_is_seen_before_its_bell_has_rung(void **state)
{
	struct fixture *f = *state;

	quoit_wake_arm(&f->wake);
	watched = &f->ring;
	quoit_spsc_finish(&f->ring);
	watched = NULL;
	assert_true(was_drained);
	assert_int_equal(heard(f), 1);
}

/* --- another reader -------------------------------------------------------------------------- */

/* D-10: the old reader's eventfd may only go when nobody is about to ring it. */
static void a_reader_is_detached_when_nobody_is_about_to_ring_it(void **state)
{
	struct fixture *f = *state;

	quoit_wake_arm(&f->wake);
	f->ring.ringing = 1; /* the producer is between its look and its bell */
	assert_int_equal(quoit_spsc_detach(&f->ring), -EAGAIN);
	assert_ptr_equal(f->ring.notify, &quoit_notify_nobody);
	f->ring.ringing = 0;
	f->ring.callers = 1; /* somebody else is closing it */
	assert_int_equal(quoit_spsc_detach(&f->ring), -EAGAIN);
	f->ring.callers = 0;
	assert_int_equal(quoit_spsc_detach(&f->ring), 0);
	assert_int_equal(quoit_spsc_detach(&f->ring), 0); /* again is no harm */
	send_one(&f->ring);
	quoit_spsc_close(&f->ring);
	assert_int_equal(heard(f), 0);
	assert_int_equal(quoit_load(&f->wake.armed), 1);
	assert_int_equal(f->ring.bells_saved, 1);
	assert_int_equal(f->ring.ringing, 0);
	assert_int_equal(f->ring.callers, 0);
	assert_true(quoit_spsc_has_news(&f->ring)); /* what the next one finds */
}

/* That is what it waits for. */
static void whoever_rings_has_marked_the_ring(void **state)
{
	struct fixture *f = *state;

	watched = &f->ring;
	quoit_wake_arm(&f->wake);
	send_one(&f->ring);
	assert_true(was_marked);
	was_marked = false;
	quoit_wake_arm(&f->wake);
	quoit_spsc_close(&f->ring);
	assert_true(was_marked);
	watched = NULL;
	assert_int_equal(heard(f), 2);
	assert_false(f->ring.ringing || f->ring.callers);
}

static void the_next_reader_is_rung_and_not_the_one_before(void **state)
{
	struct fixture *f = *state;
	struct quoit_wake wake = {0};
	struct quoit_notify notify;

	assert_int_equal(quoit_notify_open(&notify, &wake), 0);
	assert_int_equal(quoit_spsc_detach(&f->ring), 0);
	quoit_spsc_attach(&f->ring, &notify);
	quoit_wake_arm(&f->wake);
	quoit_wake_arm(&wake);
	send_one(&f->ring);
	assert_int_equal(heard(f), 0);
	assert_int_equal(quoit_load(&wake.armed), 0);
	assert_int_equal(f->ring.bells_rung, 1);
	send_one(&f->other); /* the other ring still has the first */
	assert_int_equal(heard(f), 1);
	quoit_notify_close(&notify);
}

static void a_ring_without_a_reader_has_nobody_to_detach(void **state)
{
	struct fixture *f = *state;
	struct quoit_spsc ring;

	assert_int_equal(quoit_spsc_init(&ring, 8), 0);
	assert_int_equal(quoit_spsc_detach(&ring), 0);
	assert_null(ring.notify);
	send_one(&ring);
	assert_int_equal(ring.bells_saved, 0); /* it pays no fence */

	assert_int_equal(quoit_spsc_init(&ring, 8), 0);
	quoit_spsc_attach(&ring, &quoit_notify_nobody); /* its reader comes later */
	send_one(&ring);
	assert_int_equal(ring.bells_saved, 1);
	quoit_spsc_attach(&ring, &f->notify);
	quoit_wake_arm(&f->wake);
	assert_true(quoit_spsc_has_news(&ring));
	send_one(&ring);
	assert_int_equal(heard(f), 1);
}

static void who_ends_its_sleep_learns_whether_it_was_called(void **state)
{
	struct fixture *f = *state;

	quoit_wake_arm(&f->wake);
	assert_false(quoit_wake_end(&f->wake));
	assert_int_equal(quoit_load(&f->wake.armed), 0);
	quoit_wake_arm(&f->wake);
	send_one(&f->ring);
	assert_true(quoit_wake_end(&f->wake));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FIXTURE(the_descriptor_does_not_block_and_is_not_inherited),
		WITH_FIXTURE(rings_add_up_and_a_full_counter_is_rung_already),
		WITH_FIXTURE(a_bell_that_a_signal_interrupts_is_rung_all_the_same),
		WITH_FIXTURE(a_bell_is_stamped_with_the_time_it_was_rung),
		WITH_FIXTURE(a_closed_bell_is_closed),
		cmocka_unit_test(a_reader_that_is_awake_is_only_looked_at),
		cmocka_unit_test(a_broken_descriptor_is_told),
		cmocka_unit_test(without_a_free_descriptor_opening_says_so_and_touches_nothing),
		WITH_FIXTURE(one_arming_owes_one_bell),
		cmocka_unit_test(the_flag_has_a_line_of_its_own),
		WITH_FIXTURE(a_commit_rings_a_sleeping_reader_and_lets_one_that_is_awake_alone),
		WITH_FIXTURE(what_is_committed_for_later_rings_with_the_flush),
		WITH_FIXTURE(rings_that_share_a_notifier_wake_their_reader_once),
		WITH_FIXTURE(a_ring_without_a_notifier_counts_and_rings_nothing),
		WITH_FIXTURE(closing_rings_a_sleeping_reader),
		WITH_FIXTURE(the_end_is_seen_before_its_bell_has_rung),
		WITH_FIXTURE(in_every_order_of_steps_the_reader_sees_or_hears),
		WITH_FIXTURE(a_reader_is_detached_when_nobody_is_about_to_ring_it),
		WITH_FIXTURE(whoever_rings_has_marked_the_ring),
		WITH_FIXTURE(the_next_reader_is_rung_and_not_the_one_before),
		WITH_FIXTURE(a_ring_without_a_reader_has_nobody_to_detach),
		WITH_FIXTURE(who_ends_its_sleep_learns_whether_it_was_called),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
