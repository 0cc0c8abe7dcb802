/* SPDX-License-Identifier: MIT */
/*
 * io_internal.h - what one core owns of the kernel: a ring, receive buffers, streams, listeners.
 */
#ifndef QUOIT_IO_IO_INTERNAL_H
#define QUOIT_IO_IO_INTERNAL_H

#include <quoit/io/bufring_internal.h>
#include <quoit/io/chunk_internal.h>
#include <quoit/io/io.h>
#include <quoit/io/slab_internal.h>

struct quoit_io {
	struct quoit_uring *uring; /* the loop's */
	struct quoit_bufring bufs;
	struct quoit_chunks chunks;
	struct quoit_slab streams;
	struct quoit_slab listeners;

	struct quoit_link sending;     /* streams with something to send and nothing in flight */
	struct quoit_link attention;   /* streams and their afterthoughts: see stream.c */
	struct quoit_link backing_off; /* listeners that wait before they accept again */
	struct quoit_link lingering;   /* streams whose peers have not got everything yet */
	uint64_t linger_look_ns;       /* when to look at them again */

	size_t inbox_bytes; /* received, kept for handlers outside of the receive buffers */
	size_t inbox_bytes_max;
	uint64_t now_ns; /* set by the loop, once a turn */
	uint32_t core;
	void *owner; /* the runtime's core; opaque here */
	struct quoit_io_counts counts;
};

/* Put the defaults where 0 stands, and refuse what cannot be. Errors: -EINVAL, with the reason. */
QUOIT_MUST_CHECK int quoit_io_complete_options(struct quoit_io_options *options,
					       struct quoit_reason *why);

/*
 * Open everything on the thread of the ring, which stays open until quoit_io_close(). `options` are
 * complete. Errors: those of the parts, with the reason in `why`.
 */
QUOIT_MUST_CHECK int quoit_io_open(struct quoit_io *io, struct quoit_uring *uring,
				   const struct quoit_io_options *options, int node,
				   struct quoit_reason *why);

/* After quoit_io_live() has become 0. */
void quoit_io_close(struct quoit_io *io);

/* The afterthoughts of a turn: resumes, endings, arming again, accepting again. */
void quoit_io_attend(struct quoit_io *io);

/* Prepare one send for each stream that has something to send. */
void quoit_io_send_all(struct quoit_io *io);

/* When a listener or a lingering stream must be looked at again; UINT64_MAX when none waits. */
uint64_t quoit_io_next_ns(const struct quoit_io *io);

/* Is there something left for the next turn that no completion will announce? */
QUOIT_HOT bool quoit_io_has_work(const struct quoit_io *io)
{
	return quoit_link_is_in(&io->attention) || quoit_link_is_in(&io->sending) ||
	       quoit_bufring_owes(&io->bufs);
}

/* No new connections, no new requests: close every stream as soon as it owes nothing. */
void quoit_io_stop(struct quoit_io *io);

/*
 * The kernel had no memory to keep a completion, and nobody knows whose it was: end the streams,
 * because none can be trusted to go on, and accept anew.
 */
void quoit_io_resync(struct quoit_io *io);

/* How many of the memory regions are not where they were meant to be. */
unsigned quoit_io_degraded(const struct quoit_io *io);

/* End every stream now, whatever it owes. */
void quoit_io_abort(struct quoit_io *io, int reason);

/*
 * The kernel does not end the operations of what is left: tell every stream's end, once, as if it
 * had; and after the loop's last turn close the descriptors. The memory must stay.
 */
void quoit_io_give_up(struct quoit_io *io, int reason);
void quoit_io_abandon(struct quoit_io *io);

/* Streams and listeners that have not ended. */
QUOIT_HOT uint32_t quoit_io_live(const struct quoit_io *io)
{
	return io->streams.live + io->listeners.live;
}

#endif
