/* SPDX-License-Identifier: MIT */
/*
 * test_uring.c - one ring by itself: entries, completions that find their object, a full queue, and
 * kernels that refuse.
 *
 * Linked with --wrap=syscall: a test may have io_uring_setup and io_uring_enter fail.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#include <quoit/io/uring_internal.h>

#include "support/skip.h"

#define THINGS 64

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

static struct {
	int setup;	 /* errno that io_uring_setup fails with, or 0 */
	unsigned refuse; /* flags that it does not know */
	unsigned lacks;	 /* features taken from its answer */
	int enter;	 /* errno that the next io_uring_enter fails with */
	unsigned takes;	 /* at most so many entries of the next io_uring_enter */
	unsigned setups;
	uint32_t gathered_us; /* what the last sleep wanted to gather for */
} fault;

static unsigned arguments_of(long number)
{
	switch (number) {
	case SYS_io_uring_setup:
		return 2;
	case SYS_io_uring_register:
		return 4;
	case SYS_io_uring_enter:
		return 6;
	default:
		return 3;
	}
}

static long refuse(int error)
{
	errno = error;
	return -1;
}

static long wrap_setup(const long *a)
{
	struct io_uring_params *params = (void *)a[1];
	long rc;

	fault.setups++;
	if (fault.setup)
		return refuse(fault.setup);
	if (params->flags & fault.refuse)
		return refuse(EINVAL);
	rc = __real_syscall(SYS_io_uring_setup, a[0], a[1]);
	params->features &= ~fault.lacks;
	return rc;
}

long __wrap_syscall(long number, ...)
{
	long a[6] = {0};
	va_list args;

	va_start(args, number);
	for (unsigned i = 0; i < arguments_of(number); i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if (number == SYS_io_uring_setup)
		return wrap_setup(a);
	if (number == SYS_io_uring_enter && fault.enter) {
		const int error = fault.enter;

		fault.enter = 0;
		return refuse(error);
	}
	if (number == SYS_io_uring_enter && fault.takes && a[1] > fault.takes) {
		a[1] = fault.takes;
		a[2] = 0; /* it does not wait then */
		fault.takes = 0;
	}
	if (number == SYS_io_uring_enter && a[3] & IORING_ENTER_EXT_ARG)
		fault.gathered_us = ((const struct quoit_getevents_arg *)a[4])->min_wait_us;
	return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

struct thing {
	struct quoit_op_owner owner;
	unsigned completed;
	int res;
	bool last;
};

static struct quoit_uring uring;
static bool is_open;
static struct thing things[THINGS];
static unsigned order[1024]; /* slots, in the order of their completions */
static unsigned completions;

static void complete(struct quoit_op_owner *owner, int res, uint32_t flags, bool last)
{
	struct thing *thing = (void *)owner;

	(void)flags;
	thing->completed++;
	thing->res = res;
	thing->last = last;
	order[completions++ % 1024] = owner->slot;
}

static int forget(void **state)
{
	(void)state;
	memset(&fault, 0, sizeof(fault));
	memset(things, 0, sizeof(things));
	completions = 0;
	is_open = false;
	for (unsigned i = 0; i < THINGS; i++) {
		things[i].owner.slot = i;
		things[i].owner.generation = 2 * i + 1;
	}
	return 0;
}

static int close_ring(void **state)
{
	(void)state;
	if (is_open)
		quoit_uring_close(&uring);
	return 0;
}

static void open_ring(void)
{
	struct quoit_reason why = {0};
	const int rc = quoit_uring_open(&uring, 64, -1, &why);

	if (rc == -ENOSYS || rc == -EPERM)
		skip_because("io_uring is refused: %s", why.text);
	assert_int_equal(rc, 0);
	is_open = true;
	quoit_uring_class(&uring, QUOIT_OP_RECV, things, sizeof(*things), complete);
	quoit_uring_class(&uring, QUOIT_OP_CANCEL, things, sizeof(*things), complete);
}

static void prepare_nop(struct thing *thing)
{
	struct io_uring_sqe *sqe = quoit_uring_sqe(&uring);

	assert_non_null(sqe);
	io_uring_prep_nop(sqe);
	quoit_uring_tag(sqe, QUOIT_OP_RECV, &thing->owner);
}

/* --- in use ---------------------------------------------------------------------------------- */

static void each_completion_finds_its_object_in_order(void **state)
{
	(void)state;
	open_ring();
	for (unsigned i = 0; i < THINGS; i++)
		prepare_nop(&things[THINGS - 1 - i]);
	assert_int_equal(quoit_uring_unsubmitted(&uring), THINGS);
	assert_int_equal(quoit_uring_submit(&uring), 0);
	assert_int_equal(quoit_uring_unsubmitted(&uring), 0);
	assert_true(quoit_uring_has_news(&uring));
	assert_int_equal(quoit_uring_reap(&uring, 10), 10);
	assert_int_equal(quoit_uring_reap(&uring, 1000), THINGS - 10);
	assert_int_equal(quoit_uring_reap(&uring, 1000), 0);
	assert_false(quoit_uring_has_news(&uring));
	for (unsigned i = 0; i < THINGS; i++) {
		assert_int_equal(things[i].completed, 1);
		assert_int_equal(things[i].owner.pending, 0);
		assert_int_equal(order[i], THINGS - 1 - i);
		assert_true(things[i].last);
	}
	assert_int_equal(uring.counts.submitted, THINGS);
	assert_int_equal(uring.counts.completed, THINGS);
	assert_int_equal(uring.counts.enters, 1);
}

static void a_full_queue_is_submitted_to_make_room(void **state)
{
	(void)state;
	open_ring();
	for (unsigned i = 0; i < 200; i++)
		prepare_nop(&things[i % THINGS]);
	assert_true(uring.counts.enters_forced >= 2);
	assert_int_equal(quoit_uring_submit(&uring), 0);
	assert_int_equal(quoit_uring_reap(&uring, 1000), 200);
}

/* More completions than the queue holds: the kernel keeps them, and they come in order. */
static void completions_beyond_the_queue_are_not_lost(void **state)
{
	unsigned reaped = 0;

	(void)state;
	open_ring();
	for (unsigned i = 0; i < 1000; i++)
		prepare_nop(&things[i % THINGS]);
	for (unsigned i = 0; i < 100 && reaped < 1000; i++) {
		(void)quoit_uring_submit(&uring);
		reaped += (unsigned)quoit_uring_reap(&uring, 100);
	}
	assert_int_equal(reaped, 1000);
	assert_true(uring.counts.overflows > 0);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(order[i], i % THINGS);
	assert_false(quoit_uring_needs_enter(&uring));
}

static void an_operation_is_cancelled_by_its_name(void **state)
{
	struct io_uring_sqe *sqe;
	int pair[2];

	(void)state;
	open_ring();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	sqe = quoit_uring_sqe(&uring);
	io_uring_prep_poll_add(sqe, pair[0], 1);
	quoit_uring_tag(sqe, QUOIT_OP_RECV, &things[3].owner);
	assert_int_equal(quoit_uring_submit(&uring), 0);
	assert_int_equal(quoit_uring_reap(&uring, 10), 0);
	assert_int_equal(quoit_uring_cancel(&uring, quoit_op_data(QUOIT_OP_RECV, &things[3].owner),
					    QUOIT_OP_CANCEL, &things[4].owner),
			 0);
	while (completions < 2) {
		assert_int_equal(quoit_uring_sleep(&uring, 1000000000, 0), 0);
		assert_true(quoit_uring_reap(&uring, 10) > 0);
	}
	assert_int_equal(things[3].res, -ECANCELED);
	assert_int_equal(things[4].res, 1); /* how many it found */
	assert_int_equal(things[3].owner.pending + things[4].owner.pending, 0);
	close(pair[0]);
	close(pair[1]);
}

static void a_sleep_ends_with_its_time(void **state)
{
	(void)state;
	open_ring();
	assert_int_equal(quoit_uring_sleep(&uring, 1000000, 0), 0);
	assert_int_equal(quoit_uring_sleep(&uring, 1000000, 200000), 0);
	assert_int_equal(quoit_uring_reap(&uring, 10), 0);
}

static void a_sleep_gathers_no_longer_than_its_time(void **state)
{
	(void)state;
	open_ring();
	uring.can_gather = true; /* an older kernel refuses the enter, and that is all */
	(void)quoit_uring_sleep(&uring, 2000000, 50000);
	assert_int_equal(fault.gathered_us, 50);
	uring.failed = 0;
	(void)quoit_uring_sleep(&uring, 20000, 50000);
	assert_int_equal(fault.gathered_us, 20);
	uring.failed = 0;
	(void)quoit_uring_sleep(&uring, 900, 50000);
	assert_int_equal(fault.gathered_us, 0);
}

static void a_completion_of_no_known_kind_is_counted_and_dropped(void **state)
{
	static const uint64_t wrong[] = {0,
					 0x1234,
					 0x7full << 56,
					 UINT64_MAX,
					 (uint64_t)QUOIT_OP_SEND << 56,
					 (uint64_t)QUOIT_OP_KIND_END << 56};

	(void)state;
	open_ring();
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct io_uring_sqe *sqe = quoit_uring_sqe(&uring);

		io_uring_prep_nop(sqe);
		sqe->user_data = wrong[i];
	}
	assert_int_equal(quoit_uring_submit(&uring), 0);
	assert_int_equal(quoit_uring_reap(&uring, 100), 6);
	assert_int_equal(uring.counts.stale, 6);
	assert_int_equal(completions, 0);
}

static void an_enter_that_fails_in_passing_loses_nothing(void **state)
{
	static const int errors[] = {EINTR, ETIME, EBUSY, EAGAIN, ENOMEM};

	(void)state;
	open_ring();
	for (unsigned i = 0; i < 5; i++) {
		prepare_nop(&things[i]);
		fault.enter = errors[i];
		assert_int_equal(quoit_uring_submit(&uring), i < 2 ? 0 : -errors[i]);
		assert_int_equal(quoit_uring_unsubmitted(&uring), 1);
		assert_int_equal(quoit_uring_submit(&uring), 0);
		assert_int_equal(quoit_uring_reap(&uring, 10), 1);
		assert_int_equal(things[i].completed, 1);
	}
	fault.enter = EBADR;
	assert_int_equal(quoit_uring_submit(&uring), 0);
	assert_true(uring.lost);
	assert_int_equal(uring.counts.dropped_resyncs, 1);
}

static void prepare_chain(unsigned n)
{
	struct io_uring_sqe *sqes[THINGS];

	assert_int_equal(quoit_uring_sqes(&uring, n, sqes), 0);
	for (unsigned i = 0; i < n; i++) {
		if (i)
			io_uring_prep_nop(sqes[i]);
		else
			io_uring_prep_read(sqes[i], -1, NULL, 1,
					   0); /* fails, and so do all behind it */
		sqes[i]->flags |= i + 1 < n ? IOSQE_IO_LINK : 0;
		quoit_uring_tag(sqes[i], QUOIT_OP_RECV, &things[i].owner);
	}
}

/* Wherever the queue is when the chain begins: cut in two, its second part would succeed. */
static void a_chain_is_never_cut_by_a_full_queue(void **state)
{
	enum {
		CHAIN = 8
	};

	(void)state;
	open_ring();
	for (unsigned before = 0; before <= 64; before++) {
		for (unsigned i = 0; i < before; i++)
			prepare_nop(&things[CHAIN + i % CHAIN]);
		prepare_chain(CHAIN);
		assert_int_equal(quoit_uring_submit(&uring), 0);
		assert_int_equal(quoit_uring_reap(&uring, 1000), before + CHAIN);
		assert_int_equal(things[0].res, -EBADF);
		for (unsigned i = 1; i < CHAIN; i++)
			assert_int_equal(things[i].res, -ECANCELED);
	}
	assert_int_equal(uring.counts.enters_forced, CHAIN);
	assert_int_equal(things[CHAIN - 1].completed, 65);
}

static void entries_for_a_chain_are_given_all_or_none(void **state)
{
	struct io_uring_sqe *sqes[65];

	(void)state;
	open_ring();
	for (unsigned i = 0; i < 60; i++)
		prepare_nop(&things[i]);
	assert_int_equal(quoit_uring_sqes(&uring, 65, sqes), -E2BIG);
	fault.enter = EBUSY;
	assert_int_equal(quoit_uring_sqes(&uring, 5, sqes), -EBUSY);
	assert_int_equal(quoit_uring_unsubmitted(&uring), 60);
	uring.guest = true; /* the application submits */
	assert_int_equal(quoit_uring_sqes(&uring, 5, sqes), -EBUSY);
	assert_int_equal(quoit_uring_unsubmitted(&uring), 60);
	uring.guest = false;
	prepare_chain(64);
	assert_int_equal(quoit_uring_submit(&uring), 0);
	assert_int_equal(quoit_uring_reap(&uring, 1000), 60 + 64);
}

/* The kernel may take fewer than it is given: the rest goes with the next enter, in order. */
static void what_the_kernel_did_not_take_goes_with_the_next_enter(void **state)
{
	(void)state;
	open_ring();
	for (unsigned i = 0; i < THINGS; i++)
		prepare_nop(&things[i]);
	for (unsigned left = THINGS; left; left -= 16) {
		fault.takes = 16;
		assert_int_equal(quoit_uring_unsubmitted(&uring), left);
		assert_int_equal(quoit_uring_sleep(&uring, QUOIT_URING_NO_TIMEOUT, 0), 0);
	}
	assert_int_equal(quoit_uring_unsubmitted(&uring), 0);
	assert_int_equal(uring.counts.submitted, THINGS);
	assert_int_equal(quoit_uring_reap(&uring, 1000), THINGS);
	for (unsigned i = 0; i < THINGS; i++)
		assert_int_equal(order[i], i);
}

static void an_enter_that_fails_for_good_is_the_last_one(void **state)
{
	static const int errors[] = {EBADF, EBADFD, ENXIO, EEXIST, EFAULT, EOPNOTSUPP, EINVAL};

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		open_ring();
		prepare_nop(&things[0]);
		fault.enter = errors[i];
		assert_int_equal(quoit_uring_submit(&uring), -errors[i]);
		assert_int_equal(quoit_uring_submit(&uring), -errors[i]);
		assert_int_equal(quoit_uring_sleep(&uring, QUOIT_URING_NO_TIMEOUT, 0), -errors[i]);
		assert_int_equal(uring.counts.enters, 1);
		assert_int_equal(uring.counts.submitted, 0);
		close_ring(NULL);
		is_open = false;
	}
}

/* --- refused --------------------------------------------------------------------------------- */

static void each_refusal_has_its_reason_and_what_to_do(void **state)
{
	static const struct {
		int error;
		const char *words;
	} cases[] = {
		{ENOSYS, "no io_uring"},     {EPERM, "io_uring"},
		{ENOMEM, "ulimit -l"},	     {EMFILE, "ulimit -n"},
		{ENFILE, "file descriptor"}, {EINVAL, "run Linux 6.1 or newer"},
		{EIO, "Input/output error"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct quoit_reason why = {0};

		fault.setup = cases[i].error;
		assert_int_equal(quoit_uring_open(&uring, 64, -1, &why), -cases[i].error);
		assert_int_equal(why.error, -cases[i].error);
		assert_non_null(strstr(why.text, cases[i].words));
	}
}

static void what_is_newer_than_the_floor_is_dropped_when_it_is_refused(void **state)
{
	(void)state;
	fault.refuse = IORING_SETUP_NO_SQARRAY;
	open_ring();
	assert_int_equal(fault.setups, 2);
	assert_false(uring.ring->flags & IORING_SETUP_NO_SQARRAY);
	for (unsigned i = 0; i < 200; i++) /* the index array is there and right */
		prepare_nop(&things[i % THINGS]);
	assert_int_equal(quoit_uring_submit(&uring), 0);
	assert_int_equal(quoit_uring_reap(&uring, 1000), 200);
	for (unsigned i = 0; i < 200; i++)
		assert_int_equal(order[i], i % THINGS);
}

static void a_kernel_below_the_floor_is_refused_and_nothing_stays_open(void **state)
{
	struct quoit_reason why = {0};
	const int lowest = dup(0);

	(void)state;
	close(lowest);
	fault.refuse = IORING_SETUP_DEFER_TASKRUN;
	assert_int_equal(quoit_uring_open(&uring, 64, -1, &why), -EINVAL);
	assert_non_null(strstr(why.text, "6.1"));
	fault.refuse = 0;
	open_ring(); /* skips here where there is none at all */
	close_ring(NULL);
	is_open = false;
	fault.lacks = IORING_FEAT_NODROP;
	assert_int_equal(quoit_uring_open(&uring, 64, -1, &why), -EOPNOTSUPP);
	assert_non_null(strstr(why.text, "6.1"));
	assert_int_equal(dup(0), lowest);
	close(lowest);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, forget, close_ring)
	const struct CMUnitTest tests[] = {
		CASE(each_completion_finds_its_object_in_order),
		CASE(a_full_queue_is_submitted_to_make_room),
		CASE(completions_beyond_the_queue_are_not_lost),
		CASE(an_operation_is_cancelled_by_its_name),
		CASE(a_sleep_ends_with_its_time),
		CASE(a_sleep_gathers_no_longer_than_its_time),
		CASE(a_completion_of_no_known_kind_is_counted_and_dropped),
		CASE(an_enter_that_fails_in_passing_loses_nothing),
		CASE(a_chain_is_never_cut_by_a_full_queue),
		CASE(entries_for_a_chain_are_given_all_or_none),
		CASE(what_the_kernel_did_not_take_goes_with_the_next_enter),
		CASE(an_enter_that_fails_for_good_is_the_last_one),
		CASE(each_refusal_has_its_reason_and_what_to_do),
		CASE(what_is_newer_than_the_floor_is_dropped_when_it_is_refused),
		CASE(a_kernel_below_the_floor_is_refused_and_nothing_stays_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
