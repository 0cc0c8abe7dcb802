/* SPDX-License-Identifier: MIT */
/* notifier_uring.c - entries for a ring that is not ours, prepared with liburing's own helpers. */
#include <quoit/io/notifier_uring.h>

#include <errno.h>
#include <liburing.h>
#include <poll.h>

int quoit_notifier_register_uring(struct quoit_notifier *notifier, struct io_uring *ring,
				  uint64_t user_data)
{
	struct io_uring_sqe *const sqe = io_uring_get_sqe(ring);

	if (!sqe)
		return -EBUSY;
	io_uring_prep_poll_multishot(sqe, quoit_notifier_fd(notifier), POLLIN);
	sqe->user_data = user_data;
	return 0;
}

int quoit_notifier_unregister_uring(struct quoit_notifier *notifier, struct io_uring *ring,
				    uint64_t user_data)
{
	struct io_uring_sqe *const sqe = io_uring_get_sqe(ring);

	(void)notifier; /* the poll is found by its user_data */
	if (!sqe)
		return -EBUSY;
	io_uring_prep_poll_remove(sqe, user_data);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS; /* the poll's own completion says it */
	sqe->user_data = user_data;
	return 0;
}

bool quoit_notifier_uring_ended(const struct io_uring_cqe *cqe)
{
	return !(cqe->flags & IORING_CQE_F_MORE);
}
