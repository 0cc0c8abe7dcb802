/* SPDX-License-Identifier: MIT */
/*
 * greeter.h - an fd server on a loop: it accepts, hears the hello of each who comes, and hands on
 * those who said a good one, with their descriptors.
 *
 *     static struct quoit_greeting greetings[16];
 *     const struct quoit_greeter_options options = {
 *         .wanted = {.element_bytes = sizeof(struct order), .fds_least = 1, .fds_most = 2},
 *         .greetings = greetings, .greetings_most = 16, .arrived = on_arrived};
 *     rc = quoit_greeter_start(loop, &greeter, &server, &options);
 *
 * Nobody holds up anybody: a peer who says nothing, or half of it, or byte after byte, is closed
 * when his time is over, and meanwhile takes one of the places that the caller gave. Who comes
 * while all are taken is closed at once, as is who is not allowed. A peer costs one descriptor
 * until he has said his hello, and can bring only as many more as are wanted.
 *
 * When descriptors or memory run out, accepting pauses, 10 ms and then longer up to half a second;
 * whoever comes then waits in the server's backlog.
 *
 * `stopped` is told exactly once for each successful start, last of all: after
 * quoit_greeter_stop(), when the kernel refuses to accept any longer, when the loop's io_uring
 * fails, or when the runtime stops. All places are free by then, and the server may be closed, or
 * wait by itself again.
 *
 * Thread: the loop's, for all calls.
 */
#ifndef QUOIT_RUNTIME_GREETER_H
#define QUOIT_RUNTIME_GREETER_H

#include <linux/time_types.h>

#include <quoit/io/fd_server.h>
#include <quoit/io/hello.h>
#include <quoit/runtime/poll.h>

QUOIT_C_BEGIN

struct quoit_greeter;

#define QUOIT_GREETING_FDS 16 /* most that a greeter can want of one peer */

/* Somebody who is allowed, and has said a hello that is wanted. */
struct quoit_arrival {
	int sock; /* blocks, and is closed on exec; for whatever comes next */
	struct quoit_peer peer;
	struct quoit_hello hello;
	const int *fds; /* hello.fd_count of them */
};

/* Owns: the handler, from now on: the socket and every descriptor. It may stop the greeter. */
typedef void (*quoit_greeter_arrived_fn)(struct quoit_greeter *greeter,
					 const struct quoit_arrival *arrival, void *ctx);

/*
 * Somebody was closed again: why->error is -EACCES not allowed, -ENOBUFS no place, -ETIMEDOUT no
 * hello in time, -ECANCELED the greeter stops, or one of quoit_hello_recv(). All of *peer is 0 if
 * he is not known.
 */
typedef void (*quoit_greeter_refused_fn)(struct quoit_greeter *greeter,
					 const struct quoit_peer *peer,
					 const struct quoit_reason *why, void *ctx);

/* It is over; 0, or the error with which the kernel ended it. */
typedef void (*quoit_greeter_stopped_fn)(struct quoit_greeter *greeter, int error, void *ctx);

/* A peer who has not said his hello yet. Owns: the greeter, from its start until it has stopped. */
struct quoit_greeting {
	struct quoit_greeter *greeter; /* NULL: free */
	int sock;
	int outcome; /* -EINPROGRESS until it is known; then 0, or -errno */
	struct quoit_peer peer;
	struct quoit_poll poll;
	struct quoit_timer timer;
	struct quoit_parcel parcel;
	struct quoit_hello hello;
	struct quoit_reason why;
	int fds[QUOIT_GREETING_FDS];
};

/* Copied at the start. Zero means the default everywhere, but what says "must". */
struct quoit_greeter_options {
	struct quoit_hello_wanted wanted; /* fds_most at most QUOIT_GREETING_FDS */
	uint64_t hello_timeout_ns;	  /* from the accept to all of the hello; default 1 s */
	struct quoit_greeting *greetings; /* must be given: places, any content */
	uint32_t greetings_most;	  /* how many; at least one */
	quoit_greeter_arrived_fn arrived; /* must be given */
	quoit_greeter_refused_fn refused;
	quoit_greeter_stopped_fn stopped;
	void *ctx;
};

/* Since the start. accepted = arrived + those that were closed + those that are being heard. */
struct quoit_greeter_counts {
	uint64_t accepted;
	uint64_t arrived;
	uint64_t not_allowed; /* by the server's policy */
	uint64_t no_place;    /* all were taken, or the loop had no operation left */
	uint64_t timed_out;
	uint64_t no_hello; /* closed too early, or said something else */
	uint64_t cut_off;  /* by the stop */
	uint64_t pauses;   /* times that accepting paused */
};

/* Owns: the caller, who keeps it in place until it has stopped. All zero is stopped. */
struct quoit_greeter {
	struct quoit_poll accept; /* its operation is an accept */
	struct quoit_loop *loop;
	struct quoit_fd_server *server;
	struct quoit_greeter_options options;
	struct quoit_greeter_counts counts; /* for reading */
	uint32_t heard;			    /* greetings in use */
	bool pausing;			    /* its operation is a timeout */
	bool accepts;			    /* not told yet that it ended */
	int error;
	uint64_t pause_ns;
	struct __kernel_timespec pause;
};

/*
 * Accept on an open server from the end of this turn on. The server stays in place, and open.
 *
 * Errors: -EINVAL for what must be given, or too many descriptors wanted; -EBADF the server is not
 * open; -EBUSY it runs already, or another has the server; -ENOBUFS, -ESHUTDOWN and the loop's
 * error as in quoit_poll_start().
 */
QUOIT_MUST_CHECK int quoit_greeter_start(struct quoit_loop *loop, struct quoit_greeter *greeter,
					 struct quoit_fd_server *server,
					 const struct quoit_greeter_options *options);

/*
 * Accept no more, and close those who have not said their hello. `stopped` follows, soon, but not
 * by this call. Nothing happens if it has stopped already. The server goes on listening.
 */
void quoit_greeter_stop(struct quoit_greeter *greeter);

/* Has it been started, and not yet told that it has stopped? */
bool quoit_greeter_is_active(const struct quoit_greeter *greeter);

QUOIT_C_END

#endif
