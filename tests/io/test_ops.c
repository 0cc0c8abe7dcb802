/* SPDX-License-Identifier: MIT */
/*
 * test_ops.c - operations that are no stream's: each start is told its last completion exactly
 * once, whatever is cancelled, forgotten or lost meanwhile, and a slot comes back only when the
 * kernel owes it nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <quoit/io/ops_internal.h>

#include "support/skip.h"

struct fixture {
	struct quoit_uring uring;
	struct quoit_ops ops;
	int pipe[2];
	/* What `note` was told. */
	unsigned told;
	unsigned last;
	int res;
	bool restart; /* from `note`, at the last one */
};

static struct fixture f;

static int set_up(void **state)
{
	struct quoit_reason why = {0};
	int rc;

	memset(&f, 0, sizeof(f));
	*state = NULL;
	rc = quoit_uring_open(&f.uring, 64, -1, &why);
	if (rc == -ENOSYS || rc == -EPERM) {
		print_message("io_uring: %s\n", why.text);
		return 0;
	}
	if (rc < 0 || quoit_ops_open(&f.ops, &f.uring, 8, -1, &why) < 0 || pipe(f.pipe) < 0)
		return -1;
	*state = &f;
	return 0;
}

static void need_uring(void **state)
{
	if (!*state)
		skip_because("io_uring is refused");
}

static void turn(void)
{
	quoit_ops_attend(&f.ops);
	assert_int_equal(quoit_uring_submit(&f.uring), 0);
	(void)quoit_uring_reap(&f.uring, 64);
}

/* Until the kernel owes nothing. */
static void settle(void)
{
	for (int i = 0; i < 1000 && quoit_ops_live(&f.ops); i++) {
		quoit_ops_attend(&f.ops);
		(void)quoit_uring_sleep(&f.uring, 1000000, 0);
		(void)quoit_uring_reap(&f.uring, 64);
	}
	assert_int_equal(quoit_ops_live(&f.ops), 0);
}

static int tear_down(void **state)
{
	if (!*state)
		return 0;
	quoit_ops_close(&f.ops);
	quoit_uring_close(&f.uring);
	close(f.pipe[0]);
	close(f.pipe[1]);
	return 0;
}

static void prepare_poll(struct quoit_op *op, struct io_uring_sqe *sqe)
{
	io_uring_prep_poll_add(sqe, *(int *)op->ctx, POLLIN);
}

static void prepare_nop(struct quoit_op *op, struct io_uring_sqe *sqe)
{
	(void)op;
	io_uring_prep_nop(sqe);
}

static void note(struct quoit_op *op, int res, uint32_t flags, bool last)
{
	(void)flags;
	f.told++;
	f.last += last;
	f.res = res;
	if (last && f.restart) {
		f.restart = false;
		quoit_op_start(op);
	}
}

static struct quoit_op *take_poll(void)
{
	struct quoit_op *op = quoit_op_take(&f.ops, prepare_poll, note, &f.pipe[0]);

	assert_non_null(op);
	return op;
}

static void a_start_is_told_its_end_once_and_may_be_repeated_from_there(void **state)
{
	struct quoit_op *op;

	need_uring(state);
	op = quoit_op_take(&f.ops, prepare_nop, note, NULL);
	f.restart = true;
	quoit_op_start(op);
	assert_true(quoit_ops_have_work(&f.ops));
	for (int i = 0; i < 3; i++)
		turn();
	assert_int_equal(f.told, 2);
	assert_int_equal(f.last, 2);
	assert_int_equal(f.res, 0);
	assert_true(quoit_op_is_idle(op));
	quoit_op_forget(op);
	assert_int_equal(quoit_ops_live(&f.ops), 0);
}

static void a_cancel_before_the_kernel_has_it_is_told_too(void **state)
{
	struct quoit_op *op;

	need_uring(state);
	op = take_poll();
	quoit_op_cancel(op); /* idle: nothing to do */
	assert_false(quoit_ops_have_work(&f.ops));
	quoit_op_start(op);
	quoit_op_cancel(op);
	assert_int_equal(f.told, 0);
	turn();
	assert_int_equal(f.last, 1);
	assert_int_equal(f.res, -ECANCELED);
	assert_int_equal(f.uring.counts.submitted, 0);
	quoit_op_forget(op);
	assert_int_equal(quoit_ops_live(&f.ops), 0);
}

static void a_cancel_ends_what_the_kernel_has(void **state)
{
	struct quoit_op *op;

	need_uring(state);
	op = take_poll();
	quoit_op_start(op);
	turn();
	quoit_op_cancel(op);
	quoit_op_cancel(op);
	for (int i = 0; i < 100 && !f.last; i++)
		turn();
	assert_int_equal(f.told, 1);
	assert_int_equal(f.res, -ECANCELED);
	/* Started again at once: an answer that is still under way must not end it. */
	quoit_op_start(op);
	turn();
	turn();
	assert_int_equal(f.told, 1);
	assert_int_equal(write(f.pipe[1], "x", 1), 1);
	for (int i = 0; i < 100 && f.last < 2; i++)
		turn();
	assert_int_equal(f.last, 2);
	assert_int_equal(f.res, POLLIN);
	quoit_op_forget(op);
	settle();
}

static void a_slot_comes_back_with_the_last_completion_and_not_before(void **state)
{
	struct quoit_op *op;

	need_uring(state);
	op = take_poll();
	quoit_op_start(op);
	turn();
	assert_int_equal(quoit_ops_owned(&f.ops), 1);
	quoit_op_forget(op); /* its owner may be freed now */
	assert_int_equal(quoit_ops_owned(&f.ops), 0);
	assert_int_equal(quoit_ops_live(&f.ops), 1);
	settle();
	assert_int_equal(f.told, 0);
	assert_int_equal(f.uring.counts.stale, 0);
}

static void no_more_are_given_than_there_is_room_for(void **state)
{
	struct quoit_op *ops[8];

	need_uring(state);
	for (int i = 0; i < 8; i++)
		ops[i] = take_poll();
	assert_null(quoit_op_take(&f.ops, prepare_poll, note, NULL));
	for (int i = 0; i < 8; i++)
		quoit_op_forget(ops[i]);
	assert_int_equal(quoit_ops_live(&f.ops), 0);
}

static void a_guest_waits_for_room_in_the_queue(void **state)
{
	struct quoit_op *op;

	need_uring(state);
	f.uring.guest = true;
	while (io_uring_get_sqe(f.uring.ring))
		io_uring_prep_nop(&f.uring.ring->sq.sqes[(f.uring.ring->sq.sqe_tail - 1) &
							 f.uring.ring->sq.ring_mask]);
	op = take_poll();
	quoit_op_start(op);
	quoit_ops_attend(&f.ops);
	assert_true(quoit_ops_have_work(&f.ops));
	f.uring.guest = false;
	turn();
	turn();
	assert_false(quoit_ops_have_work(&f.ops));
	quoit_op_forget(op);
	settle();
}

/* D-82's worse sister: the kernel had no memory for a completion, and we do not know whose it was.
 */
static void after_a_lost_completion_what_is_out_is_asked_after_and_written_off(void **state)
{
	struct quoit_op *alive;
	struct quoit_op *lost;

	need_uring(state);
	alive = take_poll();
	lost = take_poll();
	quoit_op_start(alive);
	turn();
	/* As if the kernel had it, and its completion had got lost. */
	lost->state = QUOIT_OP_OUT;
	lost->owner.pending = 1;
	f.uring.counts.dropped_resyncs = 1;
	quoit_ops_resync(&f.ops);
	for (int i = 0; i < 100 && f.last < 2; i++)
		turn();
	assert_int_equal(f.last, 2);
	assert_int_equal(f.told, 2);
	assert_int_equal(f.res, -ECANCELED);
	assert_true(quoit_op_is_idle(alive) && quoit_op_is_idle(lost));
	quoit_op_forget(alive);
	quoit_op_forget(lost);
	settle();
}

/* A completion as the kernel would post it. */
static void complete(const struct quoit_op *op, enum quoit_op_kind kind, int res)
{
	const struct io_uring_cqe cqe = {.user_data = quoit_op_data(kind, &op->owner), .res = res};

	assert_true(quoit_uring_handle(&f.uring, &cqe));
}

/* As if it had been prepared, and its entry were with the kernel. */
static void send_out(struct quoit_op *op)
{
	quoit_op_start(op);
	quoit_ops_attend(&f.ops);
	assert_int_equal(op->state, QUOIT_OP_OUT);
	f.uring.ring->sq.sqe_tail--;
}

static void send_cancel(struct quoit_op *op)
{
	quoit_op_cancel(op);
	quoit_ops_attend(&f.ops);
	assert_true(op->cancelling);
	f.uring.ring->sq.sqe_tail--;
}

/* Once something was lost. What a cancel did not find in an earlier start is not missing in this.
 */
static void a_cancel_that_is_late_twice_in_two_starts_writes_nothing_off(void **state)
{
	struct quoit_op *op;

	need_uring(state);
	f.uring.counts.dropped_resyncs = 1;
	op = take_poll();
	for (unsigned start = 1; start <= 3; start++) {
		send_out(op);
		send_cancel(op);
		complete(op, QUOIT_OP_CANCEL_OTHER, 0); /* it has just ended by itself */
		assert_int_equal(f.told, start - 1);
		complete(op, QUOIT_OP_OTHER, POLLIN);
		assert_int_equal(f.told, start);
		assert_int_equal(f.res, POLLIN);
	}
	assert_int_equal(op->owner.pending, 0);
	quoit_op_forget(op);
	assert_int_equal(quoit_ops_live(&f.ops), 0);
}

static void an_answer_to_an_earlier_cancel_does_not_end_a_later_start(void **state)
{
	struct quoit_op *op;

	need_uring(state);
	f.uring.counts.dropped_resyncs = 1;
	op = take_poll();
	send_out(op);
	send_cancel(op);
	complete(op, QUOIT_OP_OTHER, POLLIN); /* by itself, before the cancel came */
	send_out(op);
	complete(op, QUOIT_OP_CANCEL_OTHER, -ENOENT);
	assert_false(quoit_ops_have_work(&f.ops)); /* nobody wants it cancelled */
	assert_int_equal(f.told, 1);
	complete(op, QUOIT_OP_OTHER, POLLIN);
	assert_int_equal(f.told, 2);
	assert_int_equal(f.res, POLLIN);
	quoit_op_forget(op);
	assert_int_equal(quoit_ops_live(&f.ops), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_start_is_told_its_end_once_and_may_be_repeated_from_there, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(a_cancel_before_the_kernel_has_it_is_told_too,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_cancel_ends_what_the_kernel_has, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(
			a_slot_comes_back_with_the_last_completion_and_not_before, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(no_more_are_given_than_there_is_room_for, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(a_guest_waits_for_room_in_the_queue, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(
			after_a_lost_completion_what_is_out_is_asked_after_and_written_off, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			a_cancel_that_is_late_twice_in_two_starts_writes_nothing_off, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			an_answer_to_an_earlier_cancel_does_not_end_a_later_start, set_up,
			tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
