/* SPDX-License-Identifier: MIT */
/*
 * notifier_uring.h - a notifier's bell heard by anybody's io_uring, for programs that drive one
 * themselves. Loops of ours do this by themselves; for epoll see rings/notifier.h.
 *
 * The eventfd is polled, multishot, and never read: being rung completes once, also several times
 * together on a ring with IORING_SETUP_DEFER_TASKRUN, and so does registering if it was rung
 * before. So nothing is ever consumed; the order is: reap, drain every ring, arm, look, wait.
 *
 *     case BELL:                               cqe->user_data, as registered
 *         if (quoit_notifier_uring_ended(cqe))
 *             again = true;                    register anew before the next wait
 *         break;                               whatever cqe->res: look at every ring
 */
#ifndef QUOIT_IO_NOTIFIER_URING_H
#define QUOIT_IO_NOTIFIER_URING_H

#include <quoit/rings/notifier.h>

QUOIT_C_BEGIN

struct io_uring;
struct io_uring_cqe;

/*
 * Put an entry into the submission queue that polls the notifier from the next submit on. The
 * completions have `user_data`. Registering twice is harmless: it completes twice.
 *
 * Thread: the ring's.   Owns: the notifier stays until the last completion has come, the one that
 * has ended.   Errors: -EBUSY while the submission queue is full: submit, and ask again.
 */
QUOIT_MUST_CHECK int quoit_notifier_register_uring(struct quoit_notifier *notifier,
						   struct io_uring *ring, uint64_t user_data);

/*
 * Put an entry in that ends the poll registered with `user_data`. The poll then completes for the
 * last time, with -ECANCELED; if there was none, a completion with `user_data` and -ENOENT says so.
 *
 * Thread: the ring's.   Errors: -EBUSY as above.
 */
QUOIT_MUST_CHECK int quoit_notifier_unregister_uring(struct quoit_notifier *notifier,
						     struct io_uring *ring, uint64_t user_data);

/*
 * Was this completion of a registered notifier its last? The kernel may end a poll at any time,
 * such as when the completion queue is full: take it for a bell, and register again, unless you
 * have ended it. What was rung meanwhile completes at once then.
 */
bool quoit_notifier_uring_ended(const struct io_uring_cqe *cqe);

QUOIT_C_END

#endif
