/* SPDX-License-Identifier: MIT */
/*
 * network.c - connections: two pipes of bytes with finite room, and a wire that takes its time.
 *
 * What was written counts as acknowledged once it is delivered. As on Linux a reset leaves what has
 * been received and drops what is on its way; so does a close while something received is unread,
 * or when more arrives after it.
 */
#include <sim/sim.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define CONNS_MAX 128
#define WIRE_NS	  (300 * SIM_US) /* at most, most often */

static struct sim_conn *conns[CONNS_MAX];
static unsigned conn_count;

/* --- pipes ----------------------------------------------------------------------------------- */

static void pipe_open(struct sim_pipe *pipe)
{
	pipe->room = 64 + sim_magnitude(32768);
	pipe->bytes = sim_alloc(pipe->room);
}

size_t sim_pipe_room(const struct sim_pipe *pipe)
{
	return pipe->ended ? 0 : pipe->room - (size_t)(pipe->written - pipe->read);
}

size_t sim_pipe_ready(const struct sim_pipe *pipe)
{
	return (size_t)(pipe->delivered - pipe->read);
}

size_t sim_pipe_write(struct sim_pipe *pipe, const unsigned char *bytes, size_t n)
{
	const size_t room = sim_pipe_room(pipe);

	n = n < room ? n : room;
	for (size_t i = 0; i < n; i++)
		pipe->bytes[(pipe->written + i) % pipe->room] = bytes[i];
	pipe->written += n;
	return n;
}

size_t sim_pipe_read(struct sim_pipe *pipe, unsigned char *bytes, size_t n)
{
	const size_t ready = sim_pipe_ready(pipe);

	n = n < ready ? n : ready;
	for (size_t i = 0; i < n; i++)
		bytes[i] = pipe->bytes[(pipe->read + i) % pipe->room];
	pipe->read += n;
	return n;
}

static bool pipe_moves(const struct sim_pipe *pipe)
{
	return pipe->written != pipe->delivered || (pipe->ended && !pipe->end_delivered);
}

static void pipe_deliver(struct sim_pipe *pipe)
{
	const uint64_t n = pipe->written - pipe->delivered;

	pipe->delivered += n > 1 && sim_one_in(3) ? 1 + sim_below(n - 1) : n;
	if (pipe->ended && pipe->delivered == pipe->written)
		pipe->end_delivered = true;
}

/* --- connections ----------------------------------------------------------------------------- */

void sim_network_reset(void)
{
	while (conn_count) {
		struct sim_conn *conn = conns[--conn_count];

		sim_free(conn->up.bytes);
		sim_free(conn->down.bytes);
		sim_free(conn);
	}
}

unsigned sim_conn_count(void)
{
	return conn_count;
}

struct sim_conn *sim_conn_at(unsigned i)
{
	return conns[i];
}

/* One of those who listen on the port, as the kernel spreads them. */
static struct sim_file *listener_on(uint16_t port)
{
	struct sim_file *found = NULL;
	unsigned n = 0;

	for (unsigned i = 0; i < SIM_FDS; i++) {
		struct sim_file *file = sim_file_at(i);

		if (file && file->kind == SIM_LISTENER && file->listening && !file->shut &&
		    file->port == port && sim_one_in(++n))
			found = file;
	}
	return found;
}

struct sim_conn *sim_connect(uint16_t port, struct sim_client *client)
{
	struct sim_file *listener = listener_on(port);
	struct sim_conn *conn;

	if (!listener || conn_count == CONNS_MAX ||
	    listener->backlog == sizeof(listener->waiting) / sizeof(listener->waiting[0]))
		return NULL;
	conn = sim_alloc(sizeof(*conn));
	conn->number = conn_count;
	conn->client = client;
	conn->next_ns = SIM_NEVER;
	pipe_open(&conn->up);
	pipe_open(&conn->down);
	conns[conn_count++] = conn;
	listener->waiting[listener->backlog++] = conn;
	return conn;
}

void sim_network_poke(struct sim_conn *conn)
{
	const uint64_t wire =
		sim.chaos && sim_one_in(32) ? sim_magnitude(200 * SIM_MS) : sim_below(WIRE_NS);

	if (conn->next_ns == SIM_NEVER && !conn->deaf &&
	    (pipe_moves(&conn->up) || pipe_moves(&conn->down)))
		conn->next_ns = sim.now_ns + wire;
}

/* Something has come, or there is room again. */
static void wake_client(struct sim_conn *conn)
{
	const uint64_t at = sim.now_ns + sim_below(WIRE_NS);

	if (conn->client && conn->client->next_ns > at)
		conn->client->next_ns = at;
}

void sim_conn_reset(struct sim_conn *conn)
{
	if (conn->reset)
		return;
	conn->reset = true;
	conn->up.written = conn->up.delivered;
	conn->down.written = conn->down.delivered;
	conn->next_ns = SIM_NEVER;
	wake_client(conn);
}

void sim_network_room(struct sim_conn *conn)
{
	wake_client(conn);
	sim_network_poke(conn);
}

void sim_network_step(struct sim_conn *conn)
{
	conn->next_ns = SIM_NEVER;
	if (conn->deaf || conn->reset)
		return;
	if (conn->closed && conn->up.written != conn->up.delivered) {
		sim_conn_reset(conn);
		return;
	}
	if (pipe_moves(&conn->up) && !sim_one_in(4))
		pipe_deliver(&conn->up);
	if (pipe_moves(&conn->down) && !sim_one_in(4)) {
		pipe_deliver(&conn->down);
		wake_client(conn);
	}
	if (pipe_moves(&conn->up) || pipe_moves(&conn->down))
		sim_network_poke(conn);
}

void sim_conn_closed(struct sim_conn *conn)
{
	conn->closed = true;
	conn->file = NULL;
	if (sim_pipe_ready(&conn->up)) {
		sim_conn_reset(conn);
		return;
	}
	conn->down.ended = true;
	sim_network_poke(conn);
}

void sim_listener_closed(struct sim_file *file)
{
	while (file->backlog) {
		struct sim_conn *conn = file->waiting[--file->backlog];

		conn->dropped = true;
		sim_conn_reset(conn);
	}
}

int sim_shutdown(struct sim_file *file, int how)
{
	struct sim_conn *conn = file->conn;

	if (file->kind == SIM_LISTENER) {
		file->shut = true;
		sim_listener_closed(file);
		return 0;
	}
	if (file->kind != SIM_STREAM)
		return -ENOTSOCK;
	if (conn->reset)
		return -ENOTCONN;
	if (how != SHUT_WR)
		conn->shut_read = true;
	if (how != SHUT_RD)
		conn->down.ended = true;
	sim_network_poke(conn);
	return 0;
}
