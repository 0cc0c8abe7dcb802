/* SPDX-License-Identifier: MIT */
/*
 * receive.c - bytes in.
 *
 * One multishot receive per stream feeds it from the core's buffers until it is stopped. What
 * arrives while the handler does not want it (the kernel may have picked buffers before it saw the
 * cancel) is copied to the inbox, so that one slow stream never keeps the buffers of the others.
 * A stream that had to be stopped receives one buffer at a time for a while: then at most one more
 * can arrive after it says stop.
 */
#include <quoit/io/stream_internal.h>

#include <errno.h>

#include <quoit/io/kernel_internal.h>

#define KEEP_BYTES_DEFAULT ((size_t)64 << 10)
#define CALM_RECEIVES	   64

static size_t keep_limit(const struct quoit_stream *stream)
{
	const size_t most = stream->events->keep_bytes_max;

	return most ? most : KEEP_BYTES_DEFAULT;
}

int quoit_stream_keep(struct quoit_stream *stream, size_t n)
{
	/* A paused one keeps what it was given: no more comes. */
	if (n > keep_limit(stream) && !(stream->state & QUOIT_STREAM_PAUSED))
		return -EMSGSIZE;
	if (!(stream->state & QUOIT_STREAM_IN_DATA) || n > stream->shown)
		return -EINVAL;
	stream->keep = n;
	return 0;
}

int quoit_stream_need(struct quoit_stream *stream, size_t n)
{
	if (n > keep_limit(stream))
		return -EMSGSIZE;
	stream->need = n;
	return 0;
}

/* Call the handler with everything there is, and put aside what it wants to see again. */
static void call_data(struct quoit_stream *stream, const void *data, size_t len)
{
	struct quoit_inbox *inbox = &stream->inbox;
	const struct quoit_bytes in = {.data = data, .len = len};

	stream->state &= ~(uint32_t)(QUOIT_STREAM_UNSEEN | QUOIT_STREAM_SHOW);
	stream->keep = stream->need = 0;
	stream->shown = len;
	if (stream->events->data) {
		stream->state |= QUOIT_STREAM_IN_DATA;
		stream->events->data(stream, in, stream->ctx);
		stream->state &= ~(uint32_t)QUOIT_STREAM_IN_DATA;
	}
	if (inbox->len)
		quoit_inbox_keep(stream->io, inbox, stream->keep);
	else if (stream->keep &&
		 quoit_inbox_append(stream->io, inbox, (const char *)data + len - stream->keep,
				    stream->keep) < 0)
		quoit_stream_end(stream, -ENOBUFS);
}

static bool may_show(const struct quoit_stream *stream)
{
	return !(stream->state & (QUOIT_STREAM_PAUSED | QUOIT_STREAM_FULL | QUOIT_STREAM_CLOSING |
				  QUOIT_STREAM_ENDING));
}

void quoit_stream_show(struct quoit_stream *stream)
{
	const struct quoit_inbox *inbox = &stream->inbox;
	const bool due = (stream->state & QUOIT_STREAM_SHOW) ||
			 ((stream->state & QUOIT_STREAM_UNSEEN) && inbox->len >= stream->need);

	if (!due || !may_show(stream))
		return;
	if (inbox->len)
		call_data(stream, quoit_inbox_bytes(inbox), inbox->len);
	stream->state &= ~(uint32_t)QUOIT_STREAM_SHOW;
}

/* Bytes have come: straight to the handler if nothing waits before them, else behind it. */
static void take_in(struct quoit_stream *stream, const void *data, size_t len)
{
	if (stream->state & (QUOIT_STREAM_CLOSING | QUOIT_STREAM_ENDING))
		return;
	if (!stream->inbox.len && len >= stream->need && may_show(stream)) {
		call_data(stream, data, len);
		return;
	}
	if (quoit_inbox_append(stream->io, &stream->inbox, data, len) < 0) {
		quoit_stream_end(stream, -ENOBUFS);
		return;
	}
	stream->state |= QUOIT_STREAM_UNSEEN;
	quoit_stream_show(stream);
}

/* The receive has ended without bytes. */
static void note_end(struct quoit_stream *stream, int res)
{
	switch (res) {
	case 0:
		stream->state |= QUOIT_STREAM_EOF;
		break;
	case -ENOBUFS:
		quoit_count(&stream->io->counts.buffers_exhausted, 1);
		if (quoit_stream_wants_bytes(stream))
			quoit_link_append(&stream->io->bufs.waiting, &stream->waiting);
		break;
	case -ECANCELED:
	case -EINTR:
	case -EAGAIN:
		break;
	default:
		quoit_stream_end(stream, res);
	}
}

static void take_buffer(struct quoit_stream *stream, int res, uint32_t flags)
{
	struct quoit_io *io = stream->io;
	uint16_t id;
	const unsigned char *data = quoit_bufring_picked(&io->bufs, flags, &id);

	if (res > 0) {
		quoit_count(&io->counts.receives, 1);
		quoit_count(&io->counts.bytes_in, (uint64_t)res);
		stream->moved_ns = io->now_ns;
		take_in(stream, data, (size_t)res);
	}
	quoit_bufring_give(&io->bufs, id);
}

void quoit_stream_received(struct quoit_op_owner *owner, int res, uint32_t flags, bool last)
{
	struct quoit_stream *stream = (void *)owner;

	if (last)
		stream->state &= ~(uint32_t)(QUOIT_STREAM_RECEIVING | QUOIT_STREAM_MULTISHOT |
					     QUOIT_STREAM_CANCELLING);
	if (stream->calm && !(stream->state & (QUOIT_STREAM_PAUSED | QUOIT_STREAM_FULL)))
		stream->calm--;
	if (flags & IORING_CQE_F_BUFFER)
		take_buffer(stream, res, flags);
	if (res <= 0)
		note_end(stream, res);
	if (last)
		quoit_stream_attend_later(stream);
}

void quoit_stream_arm(struct quoit_stream *stream)
{
	struct io_uring_sqe *sqe;

	if ((stream->state & QUOIT_STREAM_RECEIVING) || !quoit_stream_wants_bytes(stream) ||
	    quoit_link_is_in(&stream->waiting))
		return;
	sqe = quoit_uring_sqe(stream->io->uring);
	if (!sqe) {
		quoit_stream_attend_later(stream); /* the kernel takes nothing now: next turn */
		return;
	}
	io_uring_prep_recv(sqe, stream->fd, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = QUOIT_BUFRING_GROUP;
	stream->state |= QUOIT_STREAM_RECEIVING;
	if (!stream->calm) {
		sqe->ioprio |= IORING_RECV_MULTISHOT;
		stream->state |= QUOIT_STREAM_MULTISHOT;
	}
	quoit_uring_tag(sqe, QUOIT_OP_RECV, &stream->owner);
}

void quoit_stream_disarm(struct quoit_stream *stream)
{
	const uint32_t cancellable = QUOIT_STREAM_RECEIVING | QUOIT_STREAM_CANCELLING;

	if ((stream->state & cancellable) != QUOIT_STREAM_RECEIVING)
		return;
	if (quoit_uring_cancel(stream->io->uring, quoit_op_data(QUOIT_OP_RECV, &stream->owner),
			       QUOIT_OP_CANCEL, &stream->owner) < 0)
		quoit_stream_attend_later(stream); /* the kernel takes nothing now: next turn */
	else
		stream->state |= QUOIT_STREAM_CANCELLING;
}

void quoit_stream_disarm_unwanted(struct quoit_stream *stream)
{
	const bool stopped = stream->state & (QUOIT_STREAM_PAUSED | QUOIT_STREAM_FULL);

	if ((stream->state & QUOIT_STREAM_LEAVING) ||
	    (stopped && (stream->state & QUOIT_STREAM_MULTISHOT)))
		quoit_stream_disarm(stream);
}

void quoit_stream_pause(struct quoit_stream *stream)
{
	stream->state |= QUOIT_STREAM_PAUSED;
	stream->calm = CALM_RECEIVES;
	quoit_link_remove(&stream->waiting);
	quoit_stream_disarm_unwanted(stream);
}

void quoit_stream_resume(struct quoit_stream *stream)
{
	if (!(stream->state & QUOIT_STREAM_PAUSED))
		return;
	stream->state &= ~(uint32_t)QUOIT_STREAM_PAUSED;
	stream->state |= QUOIT_STREAM_SHOW;
	quoit_stream_attend_later(stream);
}

/* More waits to be sent than the high mark: take in nothing that would add to it. */
void quoit_stream_block(struct quoit_stream *stream)
{
	stream->state |= QUOIT_STREAM_FULL;
	stream->calm = CALM_RECEIVES;
	quoit_link_remove(&stream->waiting);
	quoit_count(&stream->io->counts.pauses, 1);
	quoit_stream_disarm_unwanted(stream);
}

void quoit_stream_unblock(struct quoit_stream *stream)
{
	stream->state &= ~(uint32_t)QUOIT_STREAM_FULL;
	stream->state |= QUOIT_STREAM_WRITABLE;
	quoit_stream_attend_later(stream);
}
