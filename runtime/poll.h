/* SPDX-License-Identifier: MIT */
/*
 * poll.h - watch a descriptor of somebody else's: a library's socket, a device, an inotify or timer
 * descriptor, or a whole epoll set, which is a descriptor too.
 *
 *     const struct quoit_poll_options options = {
 *         .events = POLLIN, .ready = on_readable, .stopped = on_stopped};
 *     rc = quoit_poll_start(loop, &poll, fd, &options);
 *
 * What a mode promises:
 *
 *   level   `ready` is called in every turn that finds the descriptor ready, until it is not ready
 *           any more: a handler may leave something over. The kernel is asked anew after each call.
 *   edge    `ready` is called if the descriptor is ready at the start, and then for each time that
 *           the kernel says that something happened to it; several may come as one, and one may
 *           come twice. The handler must take everything until -EAGAIN: what it leaves over is not
 *           told again. Cheaper where it fires often, for the kernel is asked only once.
 *   once    `ready` is called once, and then `stopped`.
 *
 * Errors of the descriptor itself (POLLERR, POLLHUP) are events, told whatever was asked for. They
 * stay: in level mode, a handler that neither stops the poll nor does away with the cause is called
 * in every turn.
 *
 * The descriptor must stay open until `stopped` has been called. `stopped` is called exactly once
 * for each successful start, last of all: after quoit_poll_stop(), after the one call of `once`,
 * when the kernel refuses to go on, when the loop's io_uring fails, or when the runtime stops. Then
 * the descriptor may be closed, and the struct be freed or started again, in `stopped` itself too.
 *
 * **Hosting an epoll set.** Watch it in level mode for POLLIN, and call epoll_wait() with a timeout
 * of 0 in the handler. It need not drain the set (examples/07_host_epoll.c).
 *
 * Thread: the loop's, for all calls.
 */
#ifndef QUOIT_RUNTIME_POLL_H
#define QUOIT_RUNTIME_POLL_H

#include <poll.h>

#include <quoit/io/link.h>
#include <quoit/runtime/loop.h>

QUOIT_C_BEGIN

struct quoit_poll;
struct quoit_op;

/* Some of what was asked for has come: POLLIN, POLLOUT, POLLPRI, POLLRDHUP, POLLERR, POLLHUP. */
typedef void (*quoit_poll_fn)(struct quoit_poll *poll, uint32_t events, void *ctx);

/* It is over; 0, or the error with which the kernel ended it. */
typedef void (*quoit_poll_stopped_fn)(struct quoit_poll *poll, int error, void *ctx);

enum quoit_poll_mode {
	QUOIT_POLL_LEVEL,
	QUOIT_POLL_EDGE,
	QUOIT_POLL_ONCE,
};

struct quoit_poll_options {
	uint32_t events; /* of <poll.h> */
	enum quoit_poll_mode mode;
	quoit_poll_fn ready;
	quoit_poll_stopped_fn stopped; /* may be NULL */
	void *ctx;
};

/* Owns: the caller, who keeps it in place until it has stopped. All zero is stopped. */
struct quoit_poll {
	struct quoit_link link;
	struct quoit_loop *loop; /* NULL: stopped */
	struct quoit_op *op;
	struct quoit_poll_options options;
	int fd;
	bool stopping;
};

/*
 * Watch `fd` from the end of this turn on. The options are copied.
 *
 * Errors: -EBADF; -EPERM for regular files, directories and disks, which are always ready; -EINVAL
 * for no `ready`, or events and modes that do not exist; -EBUSY if it runs already; -ENOBUFS when
 * the loop has as many operations as its options allow; -ESHUTDOWN when the loop ends; the
 * error of the loop's io_uring once that has failed.
 */
QUOIT_MUST_CHECK int quoit_poll_start(struct quoit_loop *loop, struct quoit_poll *poll, int fd,
				      const struct quoit_poll_options *options);

/*
 * Watch for other events. From now on none is told that is not among these.
 *
 * Errors: -EINVAL for events that do not exist; -ESHUTDOWN when it has stopped or is about to.
 */
QUOIT_MUST_CHECK int quoit_poll_change(struct quoit_poll *poll, uint32_t events);

/*
 * Stop. `ready` is not called any more; `stopped` is, soon, but not by this call. Nothing happens
 * if it has stopped already.
 */
void quoit_poll_stop(struct quoit_poll *poll);

/* Has it been started, and not yet told that it has stopped? */
bool quoit_poll_is_active(const struct quoit_poll *poll);

QUOIT_C_END

#endif
