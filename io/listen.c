/* SPDX-License-Identifier: MIT */
/* listen.c - accepting connections. See listen_internal.h. */
#include <quoit/numa/sys_internal.h>

#include <quoit/io/listen_internal.h>

#include <errno.h>
#include <string.h>

#include <quoit/io/kernel_internal.h>
#include <quoit/io/stream_internal.h>

#define BACKLOG		4096
#define PAUSE_FIRST_NS	(10 * 1000 * 1000ull)
#define PAUSE_MOST_NS	(500 * 1000 * 1000ull)
#define REBIND_TRIES	20
#define REBIND_PAUSE_NS (10 * 1000 * 1000ull)

/* --- the socket ------------------------------------------------------------------------------ */

/*
 * The first socket is bound without SO_REUSEPORT, so a port that anybody else listens on is refused
 * even if that is another quoit; the option is set afterwards, for our other cores to join.
 */
static int bind_first(int fd, const struct quoit_address *address)
{
	int rc = -EADDRINUSE;

	/* A server that was killed keeps its port until the kernel has undone its accept: ~20 ms.
	 */
	for (int i = 0; i < REBIND_TRIES && rc == -EADDRINUSE; i++) {
		if (i)
			quoit__sys_sleep(REBIND_PAUSE_NS);
		rc = quoit__net_bind(fd, &address->any, address->bytes);
	}
	return rc < 0 ? rc : quoit__net_set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
}

static int bind_next(int fd, const struct quoit_address *address)
{
	const int rc = quoit__net_set(fd, SOL_SOCKET, SO_REUSEPORT, 1);

	return rc < 0 ? rc : quoit__net_bind(fd, &address->any, address->bytes);
}

static int set_up(int fd, struct quoit_address *address, bool first)
{
	int rc = quoit__net_set(fd, SOL_SOCKET, SO_REUSEADDR, 1);

	if (rc >= 0)
		rc = quoit__net_set(fd, IPPROTO_TCP, TCP_NODELAY, 1); /* accepted ones inherit it */
	if (rc >= 0 && address->any.sa_family == AF_INET6)
		rc = quoit__net_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (rc >= 0)
		rc = first ? bind_first(fd, address) : bind_next(fd, address);
	if (rc >= 0)
		rc = quoit__net_listen(fd, BACKLOG);
	if (rc >= 0)
		rc = quoit__net_name(fd, &address->any, &address->bytes);
	return rc;
}

static int explain(struct quoit_reason *why, int error, const struct quoit_address *address)
{
	char text[QUOIT_ADDRESS_TEXT];

	quoit_address_print(address, text);
	if (error == -EADDRINUSE)
		return quoit_reason_set(
			why, error,
			"cannot listen on %s: the port is in use, choose another or "
			"stop who listens there",
			text);
	if (error == -EACCES)
		return quoit_reason_set(
			why, error,
			"cannot listen on %s: ports below 1024 need privilege, choose a "
			"higher one",
			text);
	return quoit_reason_set(why, error, "cannot listen on %s: %s", text, strerror(-error));
}

int quoit_listener_bind(struct quoit_address *address, bool first, struct quoit_reason *why)
{
	const int fd = quoit__net_socket(address->any.sa_family);
	int rc;

	if (fd < 0)
		return explain(why, fd, address);
	rc = set_up(fd, address, first);
	if (rc < 0) {
		quoit__sys_close(fd);
		return explain(why, rc, address);
	}
	return fd;
}

/* --- accepting ------------------------------------------------------------------------------- */

static void back_off(struct quoit_listener *listener)
{
	struct quoit_io *io = listener->io;

	listener->pause_ns = listener->pause_ns ? listener->pause_ns * 2 : PAUSE_FIRST_NS;
	if (listener->pause_ns > PAUSE_MOST_NS)
		listener->pause_ns = PAUSE_MOST_NS;
	listener->retry_ns = io->now_ns + listener->pause_ns;
	quoit_link_append(&io->backing_off, &listener->backing_off);
	quoit_count(&io->counts.accept_waits, 1);
}

static int arm(struct quoit_listener *listener)
{
	struct io_uring_sqe *sqe = quoit_uring_sqe(listener->io->uring);

	if (!sqe)
		return -EBUSY;
	io_uring_prep_multishot_accept(sqe, listener->fd, NULL, NULL, SOCK_CLOEXEC);
	quoit_uring_tag(sqe, QUOIT_OP_ACCEPT, &listener->owner);
	listener->accepting = true;
	return 0;
}

int quoit_listener_open(struct quoit_io *io, int fd, const struct quoit_stream_events *events,
			void *ctx)
{
	struct quoit_op_owner *owner = quoit_slab_take(&io->listeners);
	struct quoit_listener *listener = (void *)owner;
	int rc;

	if (!owner)
		return -ENOSPC;
	*listener = (struct quoit_listener){
		.owner = *owner, .fd = fd, .io = io, .events = *events, .ctx = ctx};
	quoit_link_init(&listener->backing_off);
	rc = arm(listener);
	if (rc < 0)
		quoit_slab_give(&io->listeners, owner);
	return rc;
}

static void bury_if_over(struct quoit_listener *listener)
{
	if (!listener->closing || listener->owner.pending || listener->streams)
		return;
	quoit__sys_close(listener->fd);
	quoit_slab_give(&listener->io->listeners, &listener->owner);
}

void quoit_listener_close(struct quoit_listener *listener)
{
	struct quoit_io *io = listener->io;

	if (listener->closing)
		return;
	listener->closing = true;
	quoit_link_remove(&listener->backing_off);
	(void)quoit__net_shutdown(listener->fd, SHUT_RDWR); /* refuses newcomers at once */
	if (listener->accepting)
		(void)quoit_uring_cancel(
			io->uring, quoit_op_data(QUOIT_OP_ACCEPT, &listener->owner),
			QUOIT_OP_CANCEL_ACCEPT,
			&listener->owner); /* the shutdown ended it if this fails */
	bury_if_over(listener);
}

static void take_connection(struct quoit_listener *listener, int fd)
{
	struct quoit_io *io = listener->io;

	listener->pause_ns = 0;
	if (listener->closing || !quoit_stream_adopt(io, listener, fd)) {
		quoit_count(&io->counts.refused, !listener->closing);
		quoit__sys_close(fd);
	}
}

/* May the same accept be tried again at once? These concern one connection, not the machine. */
static bool is_passing(int error)
{
	return error == -ECONNABORTED || error == -EINTR || error == -EAGAIN || error == -EPROTO ||
	       error == -EPERM;
}

void quoit_listener_accepted(struct quoit_op_owner *owner, int res, uint32_t flags, bool last)
{
	struct quoit_listener *listener = (void *)owner;

	(void)flags;
	if (last)
		listener->accepting = false;
	if (res >= 0)
		take_connection(listener, res);
	if (last && !listener->closing) {
		if ((res < 0 && !is_passing(res)) || arm(listener) < 0)
			back_off(listener);
	}
	bury_if_over(listener);
}

void quoit_listener_cancelled(struct quoit_op_owner *owner, int res, uint32_t flags, bool last)
{
	(void)res; /* found or not: the accept's own completion says what became of it */
	(void)flags;
	(void)last;
	bury_if_over((void *)owner);
}

void quoit_listener_stream_closed(struct quoit_listener *listener)
{
	struct quoit_link *waiting = listener->io->backing_off.next;

	listener->streams--;
	if (waiting != &listener->io->backing_off)
		quoit_container_of(waiting, struct quoit_listener, backing_off)->retry_ns = 0;
	bury_if_over(listener);
}

void quoit_listener_accept_anew(struct quoit_listener *listener)
{
	if (!listener->closing && !quoit_link_is_in(&listener->backing_off) && arm(listener) < 0)
		back_off(listener);
}

void quoit_listeners_retry(struct quoit_io *io)
{
	struct quoit_link due;
	struct quoit_link *link;

	quoit_link_move_all(&io->backing_off, &due);
	while ((link = quoit_link_take(&due))) {
		struct quoit_listener *listener =
			quoit_container_of(link, struct quoit_listener, backing_off);

		if (listener->retry_ns > io->now_ns || arm(listener) < 0)
			quoit_link_append(&io->backing_off, link);
	}
}
