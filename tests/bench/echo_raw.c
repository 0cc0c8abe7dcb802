/* SPDX-License-Identifier: MIT */
/*
 * echo_raw.c - the honest yardstick: what io_uring gives to a program written for this one job.
 *
 *	echo_raw CPU
 *
 * One thread, one ring (SINGLE_ISSUER, DEFER_TASKRUN, registered), one io_uring_enter per batch. A
 * multishot accept, one multishot receive per connection into a ring of provided buffers, and one
 * send per completion straight from the buffer, which goes back when its send has completed. Sends
 * of a connection go one after the other (two at once could overtake each other when the socket is
 * full); the buffers that wait form a list by their numbers, so nothing is ever allocated.
 *
 * A connection is closed when its receive has ended and its last send has completed: nothing of it
 * is in the kernel then, and its descriptor may be used again.
 */
#include "net.h"

#include <errno.h>
#include <liburing.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	CONNECTIONS_MAX = 65536, /* by descriptor */
	SQ_ENTRIES = 1024,
	BUFFERS = 256,
	BUFFER_BYTES = 4096,
	GROUP = 0,
	NONE = 0xffff, /* no buffer */
};

/* user_data: kind in the low bits, then buffer, then connection */
enum kind {
	ACCEPT,
	RECV,
	SEND
};

struct connection {
	bool receiving;
	bool broken;	      /* a send failed: throw away what waits */
	uint16_t first, last; /* buffers to send, the first one being sent; or NONE */
};

struct server {
	struct io_uring ring;
	struct io_uring_buf_ring *buffers;
	char *bytes;
	int listener;
	int given;	   /* buffers put back in this batch, not published yet */
	int starved_count; /* connections whose receive ended for want of buffers */
	int starved[CONNECTIONS_MAX];
	uint16_t next[BUFFERS];
	uint32_t len[BUFFERS];
	struct connection connections[CONNECTIONS_MAX];
};

static struct server server;

static uint64_t tag(enum kind kind, int fd, unsigned buffer)
{
	return (uint64_t)kind | (uint64_t)buffer << 8 | (uint64_t)(unsigned)fd << 32;
}

static struct io_uring_sqe *next_sqe(struct server *s)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&s->ring);

	while (!sqe) {
		io_uring_submit(&s->ring);
		sqe = io_uring_get_sqe(&s->ring);
	}
	return sqe;
}

static void accept_start(struct server *s)
{
	struct io_uring_sqe *const sqe = next_sqe(s);

	io_uring_prep_multishot_accept(sqe, s->listener, NULL, NULL, SOCK_CLOEXEC);
	io_uring_sqe_set_data64(sqe, tag(ACCEPT, 0, 0));
}

static void recv_start(struct server *s, int fd)
{
	struct io_uring_sqe *const sqe = next_sqe(s);

	io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = GROUP;
	io_uring_sqe_set_data64(sqe, tag(RECV, fd, 0));
	s->connections[fd].receiving = true;
}

static void send_start(struct server *s, int fd, unsigned buffer)
{
	struct io_uring_sqe *const sqe = next_sqe(s);

	io_uring_prep_send(sqe, fd, s->bytes + buffer * BUFFER_BYTES, s->len[buffer],
			   MSG_WAITALL | MSG_NOSIGNAL);
	io_uring_sqe_set_data64(sqe, tag(SEND, fd, buffer));
}

static void buffer_give(struct server *s, unsigned buffer)
{
	io_uring_buf_ring_add(s->buffers, s->bytes + buffer * BUFFER_BYTES, BUFFER_BYTES,
			      (unsigned short)buffer, io_uring_buf_ring_mask(BUFFERS), s->given++);
}

static void close_if_done(struct server *s, int fd)
{
	if (!s->connections[fd].receiving && s->connections[fd].first == NONE)
		close(fd);
}

static void on_accept(struct server *s, const struct io_uring_cqe *cqe)
{
	const int fd = cqe->res;

	if (!(cqe->flags & IORING_CQE_F_MORE))
		accept_start(s);
	if (fd < 0)
		return;
	if (fd >= CONNECTIONS_MAX) {
		close(fd);
		return;
	}
	s->connections[fd] = (struct connection){.first = NONE, .last = NONE};
	recv_start(s, fd);
}

static void on_recv(struct server *s, const struct io_uring_cqe *cqe, int fd)
{
	struct connection *const c = &s->connections[fd];

	if (cqe->res > 0) {
		const unsigned buffer = cqe->flags >> IORING_CQE_BUFFER_SHIFT;

		s->len[buffer] = (uint32_t)cqe->res;
		s->next[buffer] = NONE;
		if (c->broken) {
			buffer_give(s, buffer);
		} else if (c->first == NONE) {
			c->first = c->last = (uint16_t)buffer;
			send_start(s, fd, buffer);
		} else {
			s->next[c->last] = (uint16_t)buffer;
			c->last = (uint16_t)buffer;
		}
	}
	if (cqe->flags & IORING_CQE_F_MORE)
		return;
	if (cqe->res <= 0 && cqe->flags & IORING_CQE_F_BUFFER)
		buffer_give(s, cqe->flags >> IORING_CQE_BUFFER_SHIFT);
	if (cqe->res == -ENOBUFS) {
		s->starved[s->starved_count++] = fd;
	} else if (cqe->res > 0) {
		recv_start(s, fd);
	} else {
		c->receiving = false;
		close_if_done(s, fd);
	}
}

static void on_send(struct server *s, const struct io_uring_cqe *cqe, int fd, unsigned buffer)
{
	struct connection *const c = &s->connections[fd];
	const unsigned following = s->next[buffer];

	if (cqe->res != (int)s->len[buffer] && !c->broken) {
		c->broken = true;
		shutdown(fd, SHUT_RDWR); /* ends the receive */
	}
	buffer_give(s, buffer);
	c->first = (uint16_t)following;
	if (following != NONE && !c->broken) {
		send_start(s, fd, following);
		return;
	}
	while (c->first != NONE) {
		buffer_give(s, c->first);
		c->first = s->next[c->first];
	}
	close_if_done(s, fd);
}

static void server_init(struct server *s)
{
	const size_t ring_bytes = BUFFERS * sizeof(struct io_uring_buf);
	struct io_uring_params p = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			 IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL,
		.cq_entries = 4 * SQ_ENTRIES,
	};
	char *const memory = mmap(NULL, BUFFERS * BUFFER_BYTES + ring_bytes, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	int rc = io_uring_queue_init_params(SQ_ENTRIES, &s->ring, &p);

	if (rc < 0)
		die("io_uring: %s", strerror(-rc));
	if (memory == MAP_FAILED)
		die("mmap: %m");
	rc = io_uring_register_ring_fd(&s->ring);
	if (rc < 0)
		die("io_uring_register_ring_fd: %s", strerror(-rc));
	s->bytes = memory;
	s->buffers = (void *)(memory + BUFFERS * BUFFER_BYTES);

	struct io_uring_buf_reg reg = {
		.ring_addr = (uintptr_t)s->buffers,
		.ring_entries = BUFFERS,
		.bgid = GROUP,
	};

	rc = io_uring_register_buf_ring(&s->ring, &reg, 0);
	if (rc < 0)
		die("io_uring_register_buf_ring: %s", strerror(-rc));
	io_uring_buf_ring_init(s->buffers);
	for (unsigned i = 0; i < BUFFERS; i++)
		buffer_give(s, i);
	io_uring_buf_ring_advance(s->buffers, s->given);
	s->given = 0;
}

/* All completions that are there; the buffers they freed are published once, at the end. */
static void reap(struct server *s)
{
	struct io_uring_cqe *cqe;
	unsigned head, seen = 0;

	io_uring_for_each_cqe(&s->ring, head, cqe)
	{
		const int fd = (int)(cqe->user_data >> 32);

		switch ((enum kind)(cqe->user_data & 0xff)) {
		case ACCEPT:
			on_accept(s, cqe);
			break;
		case RECV:
			on_recv(s, cqe, fd);
			break;
		case SEND:
			on_send(s, cqe, fd, cqe->user_data >> 8 & 0xffff);
			break;
		}
		seen++;
	}
	io_uring_cq_advance(&s->ring, seen);
	if (!s->given)
		return;
	io_uring_buf_ring_advance(s->buffers, s->given);
	s->given = 0;
	while (s->starved_count > 0)
		recv_start(s, s->starved[--s->starved_count]);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		die("usage: echo_raw CPU");
	pin_to_cpu((int)number(argv[1], "CPU", 0, CPU_SETSIZE - 1));
	server.listener = listen_and_tell();
	server_init(&server);
	accept_start(&server);
	for (;;) {
		const int rc = io_uring_submit_and_wait(&server.ring, 1);

		if (rc < 0 && rc != -EINTR)
			die("io_uring_submit_and_wait: %s", strerror(-rc));
		reap(&server);
	}
}
