/* SPDX-License-Identifier: MIT */
/*
 * send.c - bytes out.
 *
 * What a handler sends is copied behind what waits already, so the buffer it came in goes back at
 * once, and everything of a turn leaves in one operation. One send per stream is with the kernel at
 * any time, because two could overtake each other; more bytes may be appended behind it meanwhile.
 */
#include <quoit/io/stream_internal.h>

#include <errno.h>
#include <string.h>

#include <quoit/io/kernel_internal.h>

#define CLOSED_FOR_SENDING (QUOIT_STREAM_CLOSING | QUOIT_STREAM_ENDING)

/* The last chunk if it has room, else a new one behind it. */
static struct quoit_chunk *chunk_with_room(struct quoit_stream *stream)
{
	struct quoit_chunk *last = stream->out_last;
	struct quoit_chunk *chunk;

	if (last && last->end < QUOIT_CHUNK_ROOM)
		return last;
	chunk = quoit_chunk_take(&stream->io->chunks);
	if (!chunk)
		return NULL;
	if (last)
		last->next = chunk;
	else
		stream->out_first = chunk;
	stream->out_last = chunk;
	return chunk;
}

static int append(struct quoit_stream *stream, const unsigned char *data, size_t len)
{
	while (len) {
		struct quoit_chunk *chunk = chunk_with_room(stream);
		size_t n;

		if (!chunk)
			return -ENOBUFS;
		n = quoit_min(len, QUOIT_CHUNK_ROOM - chunk->end);
		memcpy(chunk->bytes + chunk->end, data, n);
		chunk->end += (uint32_t)n;
		stream->unsent += n;
		data += n;
		len -= n;
	}
	return 0;
}

/* Something is unsent: let the turn send it, unless a send is under way or it is to wait. */
static void send_soon(struct quoit_stream *stream)
{
	const uint32_t waits = QUOIT_STREAM_SENDING | QUOIT_STREAM_CORKED | QUOIT_STREAM_ENDING;

	if (stream->unsent && !(stream->state & waits))
		quoit_link_append(&stream->io->sending, &stream->sending);
}

void quoit_stream_cork(struct quoit_stream *stream)
{
	if (stream->state & (CLOSED_FOR_SENDING | QUOIT_STREAM_FULL))
		return;
	stream->state |= QUOIT_STREAM_CORKED;
	quoit_link_remove(&stream->sending); /* what was sent earlier in this turn waits too */
}

void quoit_stream_uncork(struct quoit_stream *stream)
{
	stream->state &= ~(uint32_t)QUOIT_STREAM_CORKED;
	send_soon(stream);
}

int quoit_stream_send(struct quoit_stream *stream, const void *data, size_t len)
{
	if (quoit_unlikely(stream->state & CLOSED_FOR_SENDING))
		return -EPIPE;
	if (quoit_unlikely(append(stream, data, len) < 0)) {
		quoit_stream_end(stream, -ENOBUFS);
		return -ENOBUFS;
	}
	send_soon(stream);
	if (quoit_likely(stream->unsent <= quoit_stream_high_mark(stream)))
		return (stream->state & QUOIT_STREAM_FULL) != 0;
	if (!(stream->state & QUOIT_STREAM_FULL))
		quoit_stream_block(stream);
	quoit_stream_uncork(stream);
	return 1;
}

/* Gather the waiting chunks into the first one's message. Gives how many there are. */
static unsigned gather(struct quoit_chunk *first)
{
	unsigned n = 0;

	for (struct quoit_chunk *chunk = first; chunk && n < QUOIT_CHUNK_SPREAD;
	     chunk = chunk->next) {
		first->spread[n].iov_base = chunk->bytes + chunk->start;
		first->spread[n++].iov_len = chunk->end - chunk->start;
	}
	first->message = (struct msghdr){.msg_iov = first->spread, .msg_iovlen = n};
	return n;
}

void quoit_stream_push(struct quoit_stream *stream)
{
	const int flags = MSG_NOSIGNAL | MSG_WAITALL;
	struct quoit_chunk *first = stream->out_first;
	struct io_uring_sqe *sqe = quoit_uring_sqe(stream->io->uring);

	if (!sqe) {
		quoit_link_append(&stream->io->sending, &stream->sending); /* next turn */
		return;
	}
	if (!first->next) {
		io_uring_prep_send(sqe, stream->fd, first->bytes + first->start,
				   first->end - first->start, flags);
	} else {
		gather(first);
		io_uring_prep_sendmsg(sqe, stream->fd, &first->message, (unsigned)flags);
	}
	stream->state |= QUOIT_STREAM_SENDING;
	quoit_uring_tag(sqe, QUOIT_OP_SEND, &stream->owner);
}

/* The kernel has taken the first n unsent bytes. */
static void drop_sent(struct quoit_stream *stream, size_t n)
{
	stream->unsent -= n;
	while (stream->out_first) {
		struct quoit_chunk *chunk = stream->out_first;
		const size_t here = quoit_min(n, chunk->end - chunk->start);

		chunk->start += (uint32_t)here;
		n -= here;
		if (chunk->start < chunk->end)
			return;
		stream->out_first = chunk->next;
		quoit_chunk_give(&stream->io->chunks, chunk);
	}
	stream->out_last = NULL;
}

void quoit_stream_drop_unsent(struct quoit_stream *stream)
{
	QUOIT_ASSERT(!(stream->state & QUOIT_STREAM_SENDING));
	drop_sent(stream, stream->unsent);
}

void quoit_stream_sent(struct quoit_op_owner *owner, int res, uint32_t flags, bool last)
{
	struct quoit_stream *stream = (void *)owner;
	struct quoit_io *io = stream->io;

	(void)flags;
	QUOIT_ASSERT(last); /* a plain send completes once */
	stream->state &= ~(uint32_t)QUOIT_STREAM_SENDING;
	if (res > 0) {
		quoit_count(&io->counts.sends, 1);
		quoit_count(&io->counts.bytes_out, (uint64_t)res);
		stream->moved_ns = io->now_ns;
		drop_sent(stream, (size_t)res);
	} else if (res != -EINTR && res != -EAGAIN) {
		quoit_stream_end(stream, res);
	}
	if (quoit_unlikely(stream->state & CLOSED_FOR_SENDING))
		quoit_stream_attend_later(stream);
	send_soon(stream);
	if ((stream->state & QUOIT_STREAM_FULL) && stream->unsent <= quoit_stream_low_mark(stream))
		quoit_stream_unblock(stream);
}
