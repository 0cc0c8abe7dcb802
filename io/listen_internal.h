/* SPDX-License-Identifier: MIT */
/*
 * listen_internal.h - a listening socket of one core, and its multishot accept.
 *
 * When descriptors or memory run out, accepting stops; it is tried again when one of this core's
 * streams closes or after a pause, never at once: the kernel would fail it a million times a
 * second.
 */
#ifndef QUOIT_IO_LISTEN_INTERNAL_H
#define QUOIT_IO_LISTEN_INTERNAL_H

#include <quoit/io/address_internal.h>
#include <quoit/io/io_internal.h>
#include <quoit/io/stream.h>

struct quoit_listener {
	struct quoit_op_owner owner; /* first: see op_internal.h */
	int fd;
	bool accepting; /* an accept is with the kernel */
	bool closing;
	uint32_t streams; /* alive: they use `events`, so the listener outlives them */
	uint64_t retry_ns;
	uint64_t pause_ns;
	struct quoit_io *io;
	struct quoit_stream_events events;
	void *ctx;
	struct quoit_link backing_off; /* in io->backing_off */
};

/*
 * A bound, listening socket that several cores can share by each opening one.
 *
 * With `first` the address must be free; the port that was bound is written back, so that the other
 * cores' sockets can join it.
 * Gives the descriptor.   Errors: -EADDRINUSE, -EACCES, -EADDRNOTAVAIL ..., with the reason.
 */
QUOIT_MUST_CHECK int quoit_listener_bind(struct quoit_address *address, bool first,
					 struct quoit_reason *why);

/* Accept on `fd`, which it owns from now on, with a copy of `events`. Errors: -ENOSPC, -EBUSY. */
QUOIT_MUST_CHECK int quoit_listener_open(struct quoit_io *io, int fd,
					 const struct quoit_stream_events *events, void *ctx);

/* Accept no more; gone when the accept and the last stream have ended. */
void quoit_listener_close(struct quoit_listener *listener);

void quoit_listener_accepted(struct quoit_op_owner *owner, int res, uint32_t flags, bool last);
void quoit_listener_cancelled(struct quoit_op_owner *owner, int res, uint32_t flags, bool last);

/* One of its streams has ended: descriptors may be free again. */
void quoit_listener_stream_closed(struct quoit_listener *listener);

/* The end of its accept may have been lost; a second accept beside it does no harm. */
void quoit_listener_accept_anew(struct quoit_listener *listener);

/* Try again those whose pause is over. */
void quoit_listeners_retry(struct quoit_io *io);

#endif
