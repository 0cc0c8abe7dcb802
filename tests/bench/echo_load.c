/* SPDX-License-Identifier: MIT */
/*
 * echo_load.c - loads an echo server, and believes nothing: every byte of every reply is compared.
 *
 *	echo_load CPU PORT CONNECTIONS BYTES DEPTH -s SECONDS | -n REQUESTS
 *
 * Each connection keeps DEPTH messages of BYTES bytes outstanding. What it sends is one long
 * pseudo-random stream of its own, so a reply that is lost, doubled, reordered or delivered to the
 * wrong connection differs in its first word. Prints
 *
 *	requests=N seconds=S p50_us=N p99_us=N
 *
 * and exits 1 with the reason if a byte is wrong, a connection ends, or nothing comes for five
 * seconds. Latency is from the send call to the read of the last byte, in buckets 3 % wide.
 */
#include "net.h"

#include <errno.h>
#include <liburing.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum {
	SQ_ENTRIES = 4096,
	BUFFERS = 512,
	BUFFER_BYTES = 16384,
	SEND_BYTES_MAX = 65536,
	PATIENCE_S = 5,
	BUCKETS_PER_OCTAVE_BITS = 5,
	BUCKETS = 64 << BUCKETS_PER_OCTAVE_BITS,
};

enum kind {
	SEND,
	RECV
};

struct connection {
	uint64_t sent, wanted; /* bytes of its stream given to the socket, and to be given */
	size_t sending;	       /* bytes that the send in flight will give it */
	uint64_t *send_room;
	uint64_t received;
	uint64_t *started_ns; /* by message number modulo the depth */
};

struct load {
	struct io_uring ring;
	struct io_uring_buf_ring *buffers;
	char *bytes;
	size_t send_bytes; /* of a connection's send buffer */
	long connection_count, message_bytes, depth;
	uint64_t requests_max; /* or UINT64_MAX */
	uint64_t stop_ns;      /* or UINT64_MAX */
	uint64_t started, finished;
	uint64_t seed;
	struct connection *connections;
	uint64_t latency[BUCKETS];
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Bytes at..at+len of the stream of a connection; the pointer is into `room`. */
static const char *stream_bytes(const struct load *l, const struct connection *c, uint64_t at,
				size_t len, uint64_t *room)
{
	const uint64_t key = l->seed ^ (uint64_t)(c - l->connections) << 40;
	const size_t words = (at % 8 + len + 7) / 8;

	for (size_t i = 0; i < words; i++) {
		uint64_t z = (key + at / 8 + i + 1) * UINT64_C(0x9e3779b97f4a7c15);

		z = (z ^ z >> 29) * UINT64_C(0xbf58476d1ce4e5b9);
		room[i] = z ^ z >> 32;
	}
	return (const char *)room + at % 8;
}

static void latency_record(struct load *l, uint64_t ns)
{
	const unsigned bits = BUCKETS_PER_OCTAVE_BITS;
	const unsigned top = 63 - (unsigned)__builtin_clzll(ns | 1);
	const unsigned shift = top > bits ? top - bits : 0;

	l->latency[(shift << bits) + (ns >> shift)]++;
}

static double latency_us(const struct load *l, double share)
{
	const unsigned bits = BUCKETS_PER_OCTAVE_BITS;
	const double rank = share * (double)l->finished;
	uint64_t seen = 0;

	for (unsigned i = 0; i < BUCKETS; i++) {
		seen += l->latency[i];
		if ((double)seen < rank || !seen)
			continue;

		const unsigned shift = i < 2U << bits ? 0 : (i >> bits) - 1;

		return (double)((uint64_t)(i - (shift << bits)) << shift) / 1e3;
	}
	return 0;
}

static struct io_uring_sqe *next_sqe(struct load *l)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&l->ring);

	while (!sqe) {
		io_uring_submit(&l->ring);
		sqe = io_uring_get_sqe(&l->ring);
	}
	return sqe;
}

static void sqe_finish(const struct load *l, struct io_uring_sqe *sqe, const struct connection *c,
		       enum kind kind)
{
	sqe->flags |= IOSQE_FIXED_FILE;
	io_uring_sqe_set_data64(sqe, (uint64_t)(c - l->connections) << 8 | kind);
}

/* Send what is wanted, as far as it fits into the buffer; one send at a time. */
static void push(struct load *l, struct connection *c)
{
	const uint64_t left = c->wanted - c->sent;

	if (!left || c->sending)
		return;

	const size_t len = left < l->send_bytes ? left : l->send_bytes;
	struct io_uring_sqe *const sqe = next_sqe(l);
	const char *const data = stream_bytes(l, c, c->sent, len, c->send_room);

	io_uring_prep_send(sqe, (int)(c - l->connections), data, len, MSG_WAITALL | MSG_NOSIGNAL);
	sqe_finish(l, sqe, c, SEND);
	c->sending = len;
}

static void recv_start(struct load *l, const struct connection *c)
{
	struct io_uring_sqe *const sqe = next_sqe(l);

	io_uring_prep_recv_multishot(sqe, (int)(c - l->connections), NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = 0;
	sqe_finish(l, sqe, c, RECV);
}

/* One more message of a connection, unless the load is to end. */
static void want_message(struct load *l, struct connection *c, uint64_t now)
{
	if (l->started >= l->requests_max || now >= l->stop_ns)
		return;
	c->started_ns[c->wanted / (uint64_t)l->message_bytes % (uint64_t)l->depth] = now;
	c->wanted += (uint64_t)l->message_bytes;
	l->started++;
}

static void take(struct load *l, struct connection *c, const char *data, size_t len)
{
	static uint64_t room[BUFFER_BYTES / 8 + 2];
	const uint64_t message = (uint64_t)l->message_bytes;
	uint64_t done = c->received / message;

	if (c->received + len > c->sent + c->sending)
		die("connection %ld: more came back than was sent", (long)(c - l->connections));
	if (memcmp(data, stream_bytes(l, c, c->received, len, room), len) != 0)
		die("connection %ld: wrong bytes in its reply number %llu",
		    (long)(c - l->connections), (unsigned long long)done);
	c->received += len;
	if (c->received / message == done)
		return;

	const uint64_t now = now_ns();

	for (; done < c->received / message; done++) {
		latency_record(l, now - c->started_ns[done % (uint64_t)l->depth]);
		l->finished++;
		want_message(l, c, now);
	}
}

static void buffer_give(struct load *l, unsigned buffer)
{
	io_uring_buf_ring_add(l->buffers, l->bytes + (size_t)buffer * BUFFER_BYTES, BUFFER_BYTES,
			      (unsigned short)buffer, io_uring_buf_ring_mask(BUFFERS), 0);
	io_uring_buf_ring_advance(l->buffers, 1);
}

static void serve(struct load *l, const struct io_uring_cqe *cqe)
{
	struct connection *const c = &l->connections[cqe->user_data >> 8];
	const long index = (long)(c - l->connections);

	if ((enum kind)(cqe->user_data & 0xff) == SEND) {
		if (cqe->res != (int)c->sending)
			die("connection %ld: send: %s", index,
			    cqe->res < 0 ? strerror(-cqe->res) : "cut short");
		c->sent += c->sending;
		c->sending = 0;
		push(l, c);
		return;
	}
	if (cqe->res == 0)
		die("connection %ld: closed by the server", index);
	if (cqe->res < 0 && cqe->res != -ENOBUFS)
		die("connection %ld: recv: %s", index, strerror(-cqe->res));
	if (cqe->res > 0) {
		const unsigned buffer = cqe->flags >> IORING_CQE_BUFFER_SHIFT;

		take(l, c, l->bytes + (size_t)buffer * BUFFER_BYTES, (size_t)cqe->res);
		buffer_give(l, buffer);
		push(l, c);
	}
	if (!(cqe->flags & IORING_CQE_F_MORE))
		recv_start(l, c);
}

static void ring_open(struct load *l)
{
	const size_t data_bytes = (size_t)BUFFERS * BUFFER_BYTES;
	struct io_uring_params p = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			 IORING_SETUP_CQSIZE | IORING_SETUP_SUBMIT_ALL,
		.cq_entries = 4 * SQ_ENTRIES,
	};
	char *const memory = mmap(NULL, data_bytes + BUFFERS * sizeof(struct io_uring_buf),
				  PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int rc = io_uring_queue_init_params(SQ_ENTRIES, &l->ring, &p);

	if (rc < 0)
		die("io_uring: %s", strerror(-rc));
	if (memory == MAP_FAILED)
		die("mmap: %m");
	l->bytes = memory;
	l->buffers = (void *)(memory + data_bytes);

	struct io_uring_buf_reg reg = {.ring_addr = (uintptr_t)l->buffers, .ring_entries = BUFFERS};

	rc = io_uring_register_buf_ring(&l->ring, &reg, 0);
	if (rc < 0)
		die("io_uring_register_buf_ring: %s", strerror(-rc));
	io_uring_buf_ring_init(l->buffers);
	for (unsigned i = 0; i < BUFFERS; i++)
		buffer_give(l, i);
	rc = io_uring_register_ring_fd(&l->ring);
	if (rc < 0)
		die("io_uring_register_ring_fd: %s", strerror(-rc));
}

static void connect_all(struct load *l, int port)
{
	const struct sockaddr_in to = {.sin_family = AF_INET,
				       .sin_port = htons((uint16_t)port),
				       .sin_addr = {htonl(INADDR_LOOPBACK)}};
	const size_t count = (size_t)l->connection_count;
	int *const fds = calloc(count, sizeof(*fds));
	const int one = 1;

	l->connections = calloc(count, sizeof(*l->connections));
	if (!l->connections || !fds)
		die("out of memory");
	for (size_t i = 0; i < count; i++) {
		struct connection *const c = &l->connections[i];

		c->started_ns = calloc((size_t)l->depth, sizeof(*c->started_ns));
		c->send_room = malloc(l->send_bytes + 16);
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (!c->started_ns || !c->send_room || fds[i] < 0)
			die("socket: %m");
		if (connect(fds[i], (const struct sockaddr *)&to, sizeof(to)))
			die("connect to port %d: %m", port);
		if (setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)))
			die("TCP_NODELAY: %m");
	}

	const int rc = io_uring_register_files(&l->ring, fds, (unsigned)count);

	if (rc < 0)
		die("io_uring_register_files: %s", strerror(-rc));
	free(fds);
	for (size_t i = 0; i < count; i++)
		recv_start(l, &l->connections[i]);
}

static void run(struct load *l)
{
	for (long i = 0; i < l->connection_count; i++) {
		for (long n = 0; n < l->depth; n++)
			want_message(l, &l->connections[i], now_ns());
		push(l, &l->connections[i]);
	}
	while (l->finished < l->started) {
		struct __kernel_timespec patience = {.tv_sec = PATIENCE_S};
		struct io_uring_cqe *cqe;
		unsigned head, seen = 0;
		const int rc = io_uring_submit_and_wait_timeout(&l->ring, &cqe, 1, &patience, NULL);

		if (rc == -ETIME)
			die("%llu replies outstanding, and nothing came for %d s",
			    (unsigned long long)(l->started - l->finished), PATIENCE_S);
		if (rc < 0 && rc != -EINTR)
			die("io_uring: %s", strerror(-rc));
		io_uring_for_each_cqe(&l->ring, head, cqe)
		{
			serve(l, cqe);
			seen++;
		}
		io_uring_cq_advance(&l->ring, seen);
	}
}

int main(int argc, char **argv)
{
	static struct load load = {.requests_max = UINT64_MAX, .stop_ns = UINT64_MAX};

	if (argc != 8 || (strcmp(argv[6], "-s") != 0 && strcmp(argv[6], "-n") != 0))
		die("usage: echo_load CPU PORT CONNECTIONS BYTES DEPTH -s SECONDS | -n REQUESTS");
	pin_to_cpu((int)number(argv[1], "CPU", 0, CPU_SETSIZE - 1));
	load.connection_count = number(argv[3], "CONNECTIONS", 1, 60000);
	load.message_bytes = number(argv[4], "BYTES", 1, 16 << 20);
	load.depth = number(argv[5], "DEPTH", 1, 65536);
	load.seed = now_ns();

	if (load.message_bytes * load.depth < SEND_BYTES_MAX)
		load.send_bytes = (size_t)(load.message_bytes * load.depth);
	else
		load.send_bytes = SEND_BYTES_MAX;
	ring_open(&load);
	connect_all(&load, (int)number(argv[2], "PORT", 1, 65535));

	const uint64_t start_ns = now_ns();

	if (strcmp(argv[6], "-s") == 0)
		load.stop_ns =
			start_ns + (uint64_t)number(argv[7], "SECONDS", 1, 3600) * 1000000000;
	else
		load.requests_max = (uint64_t)number(argv[7], "REQUESTS", 1, 1L << 40);
	run(&load);
	printf("requests=%llu seconds=%.3f p50_us=%.1f p99_us=%.1f\n",
	       (unsigned long long)load.finished, (double)(now_ns() - start_ns) / 1e9,
	       latency_us(&load, 0.5), latency_us(&load, 0.99));
	return 0;
}
