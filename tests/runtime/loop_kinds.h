/* SPDX-License-Identifier: MIT */
/*
 * loop_kinds.h - a loop of each kind that a program can make, driven until something is true: by
 * itself, inside somebody's poll(2), or on an io_uring of the application's. What a loop offers, it
 * must offer in each.
 *
 * Include after <cmocka.h>.
 */
#ifndef QUOIT_TESTS_RUNTIME_LOOP_KINDS_H
#define QUOIT_TESTS_RUNTIME_LOOP_KINDS_H

#include <errno.h>
#include <liburing.h>
#include <poll.h>

#include <quoit/runtime/loop.h>

#include "support/skip.h"

#define TURNS_MOST 1000000 /* far more than any test takes */

enum kind {
	KIND_OWN,
	KIND_INSIDE,
	KIND_GUEST,
	KINDS,
};

struct driven {
	enum kind kind;
	struct quoit_loop *loop;
	struct io_uring ring;
};

static inline void drive_open(struct driven *d, enum kind kind,
			      const struct quoit_loop_options *given)
{
	struct quoit_loop_options options = given ? *given : (struct quoit_loop_options){0};
	struct quoit_reason why = {0};
	int rc;

	d->kind = kind;
	options.pollable = kind == KIND_INSIDE;
	if (kind == KIND_GUEST) {
		rc = io_uring_queue_init(64, &d->ring, 0);
		if (rc == -ENOSYS || rc == -EPERM)
			skip_because("io_uring is refused: %d", rc);
		assert_int_equal(rc, 0);
		rc = quoit_loop_attach(&d->ring, &options, &d->loop, &why);
	} else {
		rc = quoit_loop_create(&options, &d->loop, &why);
	}
	if (rc == -ENOSYS || rc == -EPERM)
		skip_because("io_uring is refused: %s", why.text);
	assert_int_equal(rc, 0);
}

static inline void drive_reap(struct driven *d)
{
	struct io_uring_cqe *cqe;
	unsigned head, n = 0;

	io_uring_for_each_cqe(&d->ring, head, cqe)
	{
		assert_true(quoit_loop_handle_cqe(d->loop, cqe));
		n++;
	}
	io_uring_cq_advance(&d->ring, n);
}

/* Do what there is to do, and do not sleep. */
static inline void drive(struct driven *d)
{
	switch (d->kind) {
	case KIND_OWN:
		assert_int_equal(quoit_loop_run_once(d->loop, 0), 0);
		break;
	case KIND_INSIDE:
		assert_int_equal(quoit_loop_run_ready(d->loop), 0);
		break;
	default:
		quoit_loop_prepare(d->loop);
		(void)io_uring_submit(&d->ring);
		drive_reap(d);
		break;
	}
}

/* After drive(): sleep until there is something to do, if the loop lets us. */
static inline void drive_wait(struct driven *d)
{
	struct pollfd fd;

	switch (d->kind) {
	case KIND_OWN:
		assert_int_equal(quoit_loop_run_once(d->loop, QUOIT_FOREVER), 0);
		break;
	case KIND_INSIDE:
		fd = (struct pollfd){.fd = quoit_loop_fd(d->loop), .events = POLLIN};
		(void)poll(&fd, 1, -1);
		break;
	default:
		(void)io_uring_submit_and_wait(&d->ring, quoit_loop_before_wait(d->loop) ? 1 : 0);
		drive_reap(d);
		break;
	}
}

/* It sleeps while the condition does not hold, so something must be going to make it true. */
#define drive_until(d, condition)                                           \
	do {                                                                \
		for (unsigned turns_ = 0; !(condition); turns_++) {         \
			if (turns_ == TURNS_MOST)                           \
				fail_msg("never became true: " #condition); \
			drive(d);                                           \
			if (!(condition))                                   \
				drive_wait(d);                              \
		}                                                           \
	} while (0)

static inline void drive_close(struct driven *d)
{
	struct quoit_loop_stats stats;
	int rc;

	quoit_loop_read_stats(d->loop, &stats);
	assert_int_equal(stats.stale, 0);
	while ((rc = quoit_loop_destroy(d->loop)) == -EAGAIN) {
		(void)io_uring_submit_and_wait(&d->ring, 1);
		drive_reap(d);
	}
	assert_int_equal(rc, 0);
	if (d->kind == KIND_GUEST)
		io_uring_queue_exit(&d->ring);
}

#endif
