/* SPDX-License-Identifier: MIT */
/* io.c - one core's share of the kernel: opened as a whole, attended to once a turn. */
#include <quoit/numa/sys_internal.h>

#include <quoit/io/io_internal.h>

#include <errno.h>

#include <quoit/io/listen_internal.h>
#include <quoit/io/stream_internal.h>

#define LISTENERS_MAX	64
#define LINGER_LOOK_NS	(2 * 1000 * 1000ull)
#define CHUNKS_WARM	256
#define CHUNKS_LEAST	16
#define SQ_DEFAULT	1024
#define STREAMS_DEFAULT 16384
#define BUFFER_DEFAULT	4096
#define BUFFERS_DEFAULT 512
#define SEND_DEFAULT	((size_t)64 << 20)
#define RECEIVE_DEFAULT ((size_t)32 << 20)

struct limit {
	const char *name;
	size_t value;
	size_t least;
	size_t most;
};

static int check(const struct limit *limit, struct quoit_reason *why)
{
	if (limit->value >= limit->least && limit->value <= limit->most)
		return 0;
	return quoit_reason_set(why, -EINVAL, "%s is %zu: give %zu to %zu", limit->name,
				limit->value, limit->least, limit->most);
}

int quoit_io_complete_options(struct quoit_io_options *o, struct quoit_reason *why)
{
	o->sq_entries = o->sq_entries ? o->sq_entries : SQ_DEFAULT;
	o->streams_max = o->streams_max ? o->streams_max : STREAMS_DEFAULT;
	o->buffer_bytes = o->buffer_bytes ? o->buffer_bytes : BUFFER_DEFAULT;
	o->buffer_count = o->buffer_count ? o->buffer_count : BUFFERS_DEFAULT;
	o->send_bytes_max = o->send_bytes_max ? o->send_bytes_max : SEND_DEFAULT;
	o->receive_bytes_max = o->receive_bytes_max ? o->receive_bytes_max : RECEIVE_DEFAULT;

	const struct limit limits[] = {
		{"sq_entries", o->sq_entries, 64, 16384},
		{"streams_max", o->streams_max, 1, 1 << 20},
		{"buffer_bytes", o->buffer_bytes, 256, 1 << 20},
		{"buffer_count", o->buffer_count, 2, 32768},
		{"send_bytes_max", o->send_bytes_max, CHUNKS_LEAST * QUOIT_CHUNK_BYTES,
		 (size_t)1 << 40},
		{"receive_bytes_max", o->receive_bytes_max, 65536, (size_t)1 << 40},
	};

	for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		const int rc = check(&limits[i], why);

		if (rc < 0)
			return rc;
	}
	if (o->buffer_count & (o->buffer_count - 1))
		return quoit_reason_set(why, -EINVAL, "buffer_count is %u: give a power of two",
					o->buffer_count);
	return 0;
}

static void stream_cancelled(struct quoit_op_owner *owner, int res, uint32_t flags, bool last)
{
	(void)res; /* found or not: the operation's own completion says what became of it */
	(void)flags;
	(void)last;
	quoit_stream_attend_later((void *)owner);
}

static void set_classes(struct quoit_io *io)
{
	struct quoit_uring *uring = io->uring;
	void *streams = io->streams.region.base;
	void *listeners = io->listeners.region.base;

	quoit_uring_class(uring, QUOIT_OP_ACCEPT, listeners, io->listeners.stride,
			  quoit_listener_accepted);
	quoit_uring_class(uring, QUOIT_OP_CANCEL_ACCEPT, listeners, io->listeners.stride,
			  quoit_listener_cancelled);
	quoit_uring_class(uring, QUOIT_OP_RECV, streams, io->streams.stride, quoit_stream_received);
	quoit_uring_class(uring, QUOIT_OP_SEND, streams, io->streams.stride, quoit_stream_sent);
	quoit_uring_class(uring, QUOIT_OP_CANCEL, streams, io->streams.stride, stream_cancelled);
}

static int open_parts(struct quoit_io *io, const struct quoit_io_options *o, int node,
		      struct quoit_reason *why)
{
	const uint32_t chunks =
		(uint32_t)quoit_min(o->send_bytes_max / QUOIT_CHUNK_BYTES, UINT32_MAX);
	int rc = quoit_bufring_open(&io->bufs, io->uring, o->buffer_bytes, o->buffer_count, node,
				    why);

	if (rc < 0)
		return rc;
	rc = quoit_chunks_open(&io->chunks, (uint32_t)quoit_min(chunks, CHUNKS_WARM), chunks, node,
			       why);
	if (rc < 0)
		goto close_bufs;
	rc = quoit_slab_open(&io->streams, sizeof(struct quoit_stream), o->streams_max, node, why);
	if (rc < 0)
		goto close_chunks;
	rc = quoit_slab_open(&io->listeners, sizeof(struct quoit_listener), LISTENERS_MAX, node,
			     why);
	if (rc < 0)
		goto close_streams;
	return 0;

close_streams:
	quoit_slab_close(&io->streams);
close_chunks:
	quoit_chunks_close(&io->chunks);
close_bufs:
	quoit_bufring_close(&io->bufs);
	return rc;
}

int quoit_io_open(struct quoit_io *io, struct quoit_uring *uring,
		  const struct quoit_io_options *options, int node, struct quoit_reason *why)
{
	int rc;

	*io = (struct quoit_io){.uring = uring, .inbox_bytes_max = options->receive_bytes_max};
	quoit_link_init(&io->sending);
	quoit_link_init(&io->attention);
	quoit_link_init(&io->backing_off);
	quoit_link_init(&io->lingering);
	rc = open_parts(io, options, node, why);
	if (rc < 0)
		return rc;
	set_classes(io);
	return 0;
}

void quoit_io_close(struct quoit_io *io)
{
	quoit_slab_close(&io->listeners);
	quoit_slab_close(&io->streams);
	quoit_chunks_close(&io->chunks);
	quoit_bufring_close(&io->bufs);
}

/* Buffers have come back: one stream may go on for each. */
static void rearm_waiting(struct quoit_io *io)
{
	uint32_t buffers = io->bufs.count - io->bufs.in_hand;

	while (buffers--) {
		struct quoit_link *link = quoit_link_take(&io->bufs.waiting);

		if (!link)
			return;
		quoit_stream_arm(quoit_container_of(link, struct quoit_stream, waiting));
	}
}

/* No completion tells that a peer has acknowledged: look now and then. */
static void look_at_lingering(struct quoit_io *io)
{
	if (io->now_ns < io->linger_look_ns)
		return;
	io->linger_look_ns = io->now_ns + LINGER_LOOK_NS;
	for (struct quoit_link *link = io->lingering.next; link != &io->lingering;
	     link = link->next)
		quoit_stream_attend_later(quoit_container_of(link, struct quoit_stream, lingering));
}

void quoit_io_attend(struct quoit_io *io)
{
	struct quoit_link due;
	struct quoit_link *link;

	quoit_bufring_publish(&io->bufs);
	if (quoit_unlikely(quoit_link_is_in(&io->bufs.waiting)))
		rearm_waiting(io);
	if (quoit_unlikely(quoit_link_is_in(&io->backing_off)))
		quoit_listeners_retry(io);
	if (quoit_unlikely(quoit_link_is_in(&io->lingering)))
		look_at_lingering(io);
	quoit_link_move_all(&io->attention, &due);
	while ((link = quoit_link_take(&due)))
		quoit_stream_attend(quoit_container_of(link, struct quoit_stream, attention));
}

void quoit_io_send_all(struct quoit_io *io)
{
	struct quoit_link due;
	struct quoit_link *link;

	quoit_link_move_all(&io->sending, &due);
	while ((link = quoit_link_take(&due)))
		quoit_stream_push(quoit_container_of(link, struct quoit_stream, sending));
}

uint64_t quoit_io_next_ns(const struct quoit_io *io)
{
	uint64_t next = quoit_link_is_in(&io->lingering) ? io->linger_look_ns : UINT64_MAX;

	for (const struct quoit_link *link = io->backing_off.next; link != &io->backing_off;
	     link = link->next) {
		const uint64_t retry =
			quoit_container_of(link, struct quoit_listener, backing_off)->retry_ns;

		next = retry < next ? retry : next;
	}
	return next;
}

/* Call `fn` for each object of a slab that is in use. */
static void for_each_live(struct quoit_slab *slab, void (*fn)(struct quoit_op_owner *, int),
			  int arg)
{
	for (uint32_t slot = 0; slot < slab->touched; slot++) {
		struct quoit_op_owner *owner = quoit_slab_at(slab, slot);

		if (owner->generation & 1)
			fn(owner, arg);
	}
}

static void close_listener(struct quoit_op_owner *owner, int unused)
{
	(void)unused;
	quoit_listener_close((void *)owner);
}

static void leave_stream(struct quoit_op_owner *owner, int unused)
{
	(void)unused;
	quoit_stream_leave((void *)owner);
}

static void end_stream(struct quoit_op_owner *owner, int reason)
{
	quoit_stream_end((void *)owner, reason);
}

void quoit_io_stop(struct quoit_io *io)
{
	for_each_live(&io->listeners, close_listener, 0);
	for_each_live(&io->streams, leave_stream, 0);
}

static void accept_anew(struct quoit_op_owner *owner, int unused)
{
	(void)unused;
	quoit_listener_accept_anew((void *)owner);
}

void quoit_io_resync(struct quoit_io *io)
{
	for_each_live(&io->listeners, accept_anew, 0);
	for_each_live(&io->streams, end_stream, -ENOMEM);
}

unsigned quoit_io_degraded(const struct quoit_io *io)
{
	return !!io->bufs.region.degraded + !!io->chunks.warm.degraded +
	       !!io->chunks.rest.degraded + !!io->streams.region.degraded +
	       !!io->listeners.region.degraded;
}

void quoit_io_abort(struct quoit_io *io, int reason)
{
	for_each_live(&io->listeners, close_listener, 0);
	for_each_live(&io->streams, end_stream, reason);
}

static void give_up_stream(struct quoit_op_owner *owner, int reason)
{
	quoit_stream_give_up((void *)owner, reason);
}

void quoit_io_give_up(struct quoit_io *io, int reason)
{
	for_each_live(&io->listeners, close_listener, 0);
	for_each_live(&io->streams, give_up_stream, reason);
}

static void abandon_listener(struct quoit_op_owner *owner, int unused)
{
	(void)unused;
	quoit__sys_close(((struct quoit_listener *)owner)->fd);
}

static void abandon_stream(struct quoit_op_owner *owner, int unused)
{
	(void)unused;
	quoit__sys_close(((struct quoit_stream *)owner)->fd);
}

void quoit_io_abandon(struct quoit_io *io)
{
	for_each_live(&io->listeners, abandon_listener, 0);
	for_each_live(&io->streams, abandon_stream, 0);
}
