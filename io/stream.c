/* SPDX-License-Identifier: MIT */
/*
 * stream.c - the life of a stream.
 *
 * Whatever becomes due while completions are handled (a close, a resume, an ending) is only noted
 * and done when the turn attends to it. So a handler may close its own stream or any other, and a
 * stream is never freed under a function that still holds it.
 *
 * Before an end in order the peer must have everything: close() throws away what is on its way if
 * the peer has sent something that nobody read, as one that sends requests ahead has. So the stream
 * lingers, reads on and drops, until all is acknowledged, or the peer ends, or nothing moves.
 *
 * The end has three steps: shut down, which makes every operation of the stream complete; wait for
 * the last completion; then tell the handler, close the descriptor and give the slot back. close()
 * alone would not do: the kernel would send no FIN and would still write into the buffer.
 */
#include <quoit/numa/sys_internal.h>

#include <quoit/io/stream_internal.h>

#include <errno.h>
#include <string.h>

#include <quoit/io/kernel_internal.h>
#include <quoit/io/listen_internal.h>

#define HIGH_BYTES_DEFAULT ((size_t)256 << 10)
#define LOW_SHARE_DEFAULT  4
#define LINGER_NS	   (5 * 1000 * 1000 * 1000ull) /* without progress */

struct quoit_stream *quoit_stream_adopt(struct quoit_io *io, struct quoit_listener *listener,
					int fd)
{
	struct quoit_op_owner *owner = quoit_slab_take(&io->streams);
	struct quoit_stream *stream = (void *)owner;

	if (!owner)
		return NULL;
	*stream = (struct quoit_stream){.owner = *owner,
					.fd = fd,
					.io = io,
					.events = &listener->events,
					.listener = listener,
					.ctx = listener->ctx,
					.moved_ns = io->now_ns};
	quoit_link_init(&stream->sending);
	quoit_link_init(&stream->waiting);
	quoit_link_init(&stream->attention);
	quoit_link_init(&stream->lingering);
	listener->streams++;
	quoit_count(&io->counts.opened, 1);
	if (stream->events->opened)
		stream->events->opened(stream, stream->ctx);
	quoit_stream_arm(stream);
	return stream;
}

/* Once, also if it was given up before the kernel let go of it after all. */
static void tell_closed(struct quoit_stream *stream)
{
	if (stream->state & QUOIT_STREAM_GIVEN_UP)
		return;
	if (stream->events->closed)
		stream->events->closed(stream, stream->reason, stream->ctx);
	quoit_count(&stream->io->counts.closed, 1);
}

/* The last completion has come: nothing of the stream is the kernel's any more. */
static void bury(struct quoit_stream *stream)
{
	struct quoit_io *io = stream->io;
	struct quoit_listener *listener = stream->listener;

	quoit_stream_drop_unsent(stream);
	quoit_inbox_keep(io, &stream->inbox, 0);
	tell_closed(stream);
	quoit_link_remove(&stream->attention); /* the handler may have asked for something */
	quoit_link_remove(&stream->sending);
	quoit_link_remove(&stream->waiting);
	quoit_link_remove(&stream->lingering);
	quoit__sys_close(stream->fd);
	quoit_slab_give(&io->streams, &stream->owner);
	quoit_listener_stream_closed(listener);
}

/* Ask the kernel to give an operation back that shutting down may not have ended. */
static void cancel(struct quoit_stream *stream, enum quoit_op_kind kind)
{
	(void)quoit_uring_cancel(stream->io->uring, quoit_op_data(kind, &stream->owner),
				 QUOIT_OP_CANCEL,
				 &stream->owner); /* shutting down ends it anyway */
}

void quoit_stream_end(struct quoit_stream *stream, int reason)
{
	if (stream->state & QUOIT_STREAM_ENDING)
		return;
	stream->state |= QUOIT_STREAM_ENDING;
	stream->reason = reason;
	quoit_link_remove(&stream->sending);
	quoit_link_remove(&stream->waiting);
	quoit_link_remove(&stream->lingering);
	(void)quoit__net_shutdown(stream->fd, SHUT_RDWR); /* the peer may have gone first */
	if (stream->state & QUOIT_STREAM_RECEIVING)
		cancel(stream, QUOIT_OP_RECV);
	if (stream->state & QUOIT_STREAM_SENDING)
		cancel(stream, QUOIT_OP_SEND);
	else
		quoit_stream_drop_unsent(stream); /* others may need the memory in this very turn */
	quoit_stream_attend_later(stream);
}

void quoit_stream_give_up(struct quoit_stream *stream, int reason)
{
	quoit_stream_end(stream, reason);
	tell_closed(stream);
	stream->state |= QUOIT_STREAM_GIVEN_UP;
}

/* Nothing more is sent, and what is left must reach the peer: end it if nothing moves any more. */
static void linger(struct quoit_stream *stream, int unacknowledged)
{
	struct quoit_io *io = stream->io;
	const bool first = !quoit_link_is_in(&stream->lingering);
	const bool moved = stream->unsent != stream->unsent_then ||
			   unacknowledged != stream->unacknowledged_then;

	if (first && !quoit_link_is_in(&io->lingering))
		io->linger_look_ns = io->now_ns;
	quoit_link_append(&io->lingering, &stream->lingering);
	if (first || moved)
		stream->linger_until_ns = io->now_ns + LINGER_NS;
	else if (io->now_ns >= stream->linger_until_ns)
		quoit_stream_end(stream, -ETIMEDOUT);
	stream->unsent_then = stream->unsent;
	stream->unacknowledged_then = unacknowledged;
}

/*
 * Closing: has the peer got everything? After the peer's end nothing unread can come, so the kernel
 * delivers the rest by itself.
 */
static void finish(struct quoit_stream *stream)
{
	int left = 0;

	if (stream->state & QUOIT_STREAM_ENDING)
		return;
	if (stream->unsent || !(stream->state & QUOIT_STREAM_EOF))
		left = quoit__net_unacknowledged(stream->fd);
	if (!stream->unsent && left <= 0) {
		quoit_stream_end(stream, 0);
		return;
	}
	linger(stream, left);
	if (stream->unsent || (stream->state & QUOIT_STREAM_ENDING))
		return;
	if (!(stream->state & QUOIT_STREAM_LINGERING)) {
		stream->state |= QUOIT_STREAM_LINGERING;
		(void)quoit__net_shutdown(stream->fd, SHUT_WR); /* the peer may have gone first */
	}
	quoit_stream_arm(stream);
}

/* Is anything received not yet handled? A handler that pauses with kept bytes means to go on. */
static bool owes_reading(const struct quoit_stream *stream)
{
	if (stream->state & (QUOIT_STREAM_RECEIVING | QUOIT_STREAM_UNSEEN | QUOIT_STREAM_SHOW))
		return true;
	return (stream->state & QUOIT_STREAM_PAUSED) && stream->inbox.len;
}

/*
 * Nothing more comes: a handler that asked for more bytes than there are will not be called with
 * them, and nobody need wait for it.
 */
static void forget_part_of_message(struct quoit_stream *stream)
{
	const bool over = stream->state & (QUOIT_STREAM_EOF | QUOIT_STREAM_LEAVING) &&
			  !(stream->state & QUOIT_STREAM_RECEIVING);

	if (over && stream->inbox.len < stream->need)
		stream->state &= ~(uint32_t)QUOIT_STREAM_UNSEEN;
}

static void tell_writable(struct quoit_stream *stream)
{
	stream->state &= ~(uint32_t)QUOIT_STREAM_WRITABLE;
	if (stream->events->writable)
		stream->events->writable(stream, stream->ctx);
}

/* The peer has finished, and the handler has seen everything before that. */
static void tell_end(struct quoit_stream *stream)
{
	stream->state |= QUOIT_STREAM_EOF_TOLD;
	if (stream->events->ended)
		stream->events->ended(stream, stream->ctx);
	else
		stream->state |= QUOIT_STREAM_LEAVING;
}

static bool may_tell_end(const struct quoit_stream *stream)
{
	const uint32_t relevant = QUOIT_STREAM_EOF | QUOIT_STREAM_EOF_TOLD | QUOIT_STREAM_UNSEEN |
				  QUOIT_STREAM_SHOW | QUOIT_STREAM_PAUSED | QUOIT_STREAM_FULL;

	return (stream->state & relevant) == QUOIT_STREAM_EOF;
}

/* Once only: closing asks for attention, and the loop would never sleep. */
static bool may_leave(const struct quoit_stream *stream)
{
	const uint32_t relevant = QUOIT_STREAM_LEAVING | QUOIT_STREAM_CLOSING | QUOIT_STREAM_ENDING;

	return (stream->state & relevant) == QUOIT_STREAM_LEAVING && !stream->holds &&
	       !owes_reading(stream);
}

void quoit_stream_attend(struct quoit_stream *stream)
{
	if (!(stream->state & (QUOIT_STREAM_CLOSING | QUOIT_STREAM_ENDING))) {
		if (stream->state & QUOIT_STREAM_WRITABLE)
			tell_writable(stream);
		quoit_stream_show(stream);
		forget_part_of_message(stream);
		if (may_tell_end(stream))
			tell_end(stream);
		quoit_stream_arm(stream);
		quoit_stream_disarm_unwanted(stream);
	}
	if (may_leave(stream))
		quoit_stream_close(stream);
	if (stream->state & QUOIT_STREAM_CLOSING)
		finish(stream);
	if ((stream->state & QUOIT_STREAM_ENDING) && !stream->owner.pending)
		bury(stream);
}

void quoit_stream_leave(struct quoit_stream *stream)
{
	stream->state |= QUOIT_STREAM_LEAVING;
	quoit_link_remove(&stream->waiting);
	quoit_stream_disarm(stream);
	quoit_stream_attend_later(stream);
}

void quoit_stream_close(struct quoit_stream *stream)
{
	stream->state |= QUOIT_STREAM_CLOSING;
	quoit_stream_uncork(stream);
	quoit_link_remove(&stream->waiting);
	quoit_stream_attend_later(stream);
}

void quoit_stream_abort(struct quoit_stream *stream, int reason)
{
	quoit_stream_end(stream, reason);
}

void quoit_stream_hold(struct quoit_stream *stream)
{
	stream->holds++;
}

void quoit_stream_release(struct quoit_stream *stream)
{
	QUOIT_ASSERT(stream->holds > 0);
	if (!--stream->holds && (stream->state & QUOIT_STREAM_LEAVING))
		quoit_stream_attend_later(stream);
}

void quoit_stream_set_user(struct quoit_stream *stream, void *user)
{
	stream->user = user;
}

void *quoit_stream_user(const struct quoit_stream *stream)
{
	return stream->user;
}

size_t quoit_stream_unsent(const struct quoit_stream *stream)
{
	return stream->unsent;
}

struct quoit_stream_id quoit_stream_id(const struct quoit_stream *stream)
{
	return (struct quoit_stream_id){.core = stream->io->core,
					.slot = stream->owner.slot,
					.generation = stream->owner.generation};
}

size_t quoit_stream_low_mark(const struct quoit_stream *stream)
{
	const size_t low = stream->events->low_bytes;

	return low ? low : quoit_stream_high_mark(stream) / LOW_SHARE_DEFAULT;
}

size_t quoit_stream_high_mark(const struct quoit_stream *stream)
{
	return stream->events->high_bytes ? stream->events->high_bytes : HIGH_BYTES_DEFAULT;
}
