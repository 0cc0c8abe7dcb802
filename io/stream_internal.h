/* SPDX-License-Identifier: MIT */
/*
 * stream_internal.h - what a stream is made of, and which file does what to it.
 *
 * stream.c  its life: born of an accept, attended to at the end of a turn, ended once
 * receive.c bytes in: arming, buffers, the inbox, pausing
 * send.c    bytes out: copying, one send in flight, the marks
 */
#ifndef QUOIT_IO_STREAM_INTERNAL_H
#define QUOIT_IO_STREAM_INTERNAL_H

#include <quoit/io/inbox_internal.h>
#include <quoit/io/io_internal.h>
#include <quoit/io/stream.h>

struct quoit_listener;

enum quoit_stream_state {
	QUOIT_STREAM_RECEIVING = 1 << 0,  /* a receive is with the kernel */
	QUOIT_STREAM_MULTISHOT = 1 << 1,  /* and it is a multishot one */
	QUOIT_STREAM_CANCELLING = 1 << 2, /* and was asked to end */
	QUOIT_STREAM_SENDING = 1 << 3,	  /* a send is with the kernel */
	QUOIT_STREAM_PAUSED = 1 << 4,	  /* the user does not want bytes now */
	QUOIT_STREAM_FULL = 1 << 5,	  /* too much is unsent: no bytes in until it has left */
	QUOIT_STREAM_UNSEEN = 1 << 6,	  /* the inbox holds bytes that no handler has seen */
	QUOIT_STREAM_SHOW = 1 << 7,	  /* show the inbox again although nothing new came */
	QUOIT_STREAM_IN_DATA = 1 << 8,	  /* the data handler is running */
	QUOIT_STREAM_EOF = 1 << 9,	  /* the peer has finished */
	QUOIT_STREAM_EOF_TOLD = 1 << 10,
	QUOIT_STREAM_WRITABLE = 1 << 11,  /* the handler must be told */
	QUOIT_STREAM_LEAVING = 1 << 12,	  /* close as soon as no hold is left */
	QUOIT_STREAM_CLOSING = 1 << 13,	  /* close as soon as everything has been sent */
	QUOIT_STREAM_ENDING = 1 << 14,	  /* shut down: waits for its last completion */
	QUOIT_STREAM_CORKED = 1 << 15,	  /* what is unsent waits until it is let go */
	QUOIT_STREAM_LINGERING = 1 << 16, /* all is sent: waits until the peer has it */
	QUOIT_STREAM_GIVEN_UP = 1 << 17,  /* its end was told, but the kernel still has it */
};

struct quoit_stream {
	struct quoit_op_owner owner; /* first: see op_internal.h */
	uint32_t state;		     /* bits of enum quoit_stream_state */
	int fd;
	uint32_t holds;
	struct quoit_io *io;
	const struct quoit_stream_events *events; /* the listener's copy */
	struct quoit_listener *listener;
	void *ctx;
	void *user;

	/* bytes out */
	struct quoit_chunk *out_first;
	struct quoit_chunk *out_last;
	size_t unsent;
	struct quoit_link sending; /* in io->sending */

	/* while it closes */
	struct quoit_link lingering; /* in io->lingering */
	uint64_t linger_until_ns;    /* unless something moves */
	size_t unsent_then;	     /* at the last look */
	int unacknowledged_then;

	/* bytes in */
	struct quoit_inbox inbox;
	size_t shown;  /* to the running handler */
	size_t keep;   /* asked for by it */
	size_t need;   /* not to be called before so many are there */
	uint32_t calm; /* receives until multishot is tried again */

	struct quoit_link waiting;   /* in bufs->waiting */
	struct quoit_link attention; /* in io->attention */
	uint64_t moved_ns;	     /* when bytes last came or left: how long it has been stuck */
	int reason;
};

/* --- stream.c --- */

/* A new stream on an accepted descriptor, which it owns; NULL when there are streams_max already.
 */
struct quoit_stream *quoit_stream_adopt(struct quoit_io *io, struct quoit_listener *listener,
					int fd);

/* Look at this stream again at the end of the turn. */
QUOIT_HOT void quoit_stream_attend_later(struct quoit_stream *stream)
{
	quoit_link_append(&stream->io->attention, &stream->attention);
}

/* Do what has become due: show, tell, arm, close, end. */
void quoit_stream_attend(struct quoit_stream *stream);

/* Shut down now; what the kernel holds is waited for. */
void quoit_stream_end(struct quoit_stream *stream, int reason);

/*
 * The kernel does not let go of it: tell its end, once, as if it had. The descriptor is left to
 * quoit_io_abandon(), and its memory to the kernel.
 */
void quoit_stream_give_up(struct quoit_stream *stream, int reason);

/* The runtime stops: leave as soon as nothing is owed. */
void quoit_stream_leave(struct quoit_stream *stream);

/* Unsent bytes above which receiving pauses, and below which it goes on. */
size_t quoit_stream_high_mark(const struct quoit_stream *stream);
size_t quoit_stream_low_mark(const struct quoit_stream *stream);

/* --- receive.c --- */

void quoit_stream_received(struct quoit_op_owner *owner, int res, uint32_t flags, bool last);

/* Start receiving if that is wanted and not under way. */
void quoit_stream_arm(struct quoit_stream *stream);

/* Stop the receive that is with the kernel, if it would go on by itself. */
void quoit_stream_disarm(struct quoit_stream *stream);

/* The same for one that leaves, is paused or full: what could not be cancelled then is now. */
void quoit_stream_disarm_unwanted(struct quoit_stream *stream);

/* Pause because too much is unsent, and go on. */
void quoit_stream_block(struct quoit_stream *stream);
void quoit_stream_unblock(struct quoit_stream *stream);

/* Show what waits in the inbox, if it may be shown. */
void quoit_stream_show(struct quoit_stream *stream);

/* Does the stream want bytes from the kernel now? A lingering one does, to drop them. */
QUOIT_HOT bool quoit_stream_wants_bytes(const struct quoit_stream *stream)
{
	if (quoit_unlikely(stream->state & QUOIT_STREAM_LINGERING))
		return !(stream->state & (QUOIT_STREAM_EOF | QUOIT_STREAM_ENDING));
	return !(stream->state &
		 (QUOIT_STREAM_PAUSED | QUOIT_STREAM_FULL | QUOIT_STREAM_EOF |
		  QUOIT_STREAM_LEAVING | QUOIT_STREAM_CLOSING | QUOIT_STREAM_ENDING));
}

/* --- send.c --- */

void quoit_stream_sent(struct quoit_op_owner *owner, int res, uint32_t flags, bool last);

/* Prepare a send of what is unsent. */
void quoit_stream_push(struct quoit_stream *stream);

/* Forget what is unsent. The kernel must hold none of it. */
void quoit_stream_drop_unsent(struct quoit_stream *stream);

#endif
