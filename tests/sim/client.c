/* SPDX-License-Identifier: MIT */
/*
 * client.c - the peers: each sends its bytes in pieces, and looks at every byte that comes back.
 *
 * A step is taken when its time has come or the network has moved something. Some peers behave
 * badly; they are faults of the seed like any other.
 */
#include <sim/sim.h>

#include <string.h>

#include <sim/mail.h>

#define BYTES_MOST   24000
#define FRAME_MOST   40
#define RETRY_NS     (10 * SIM_MS)
#define ATTEMPTS_MAX 20000

static struct sim_client clients[SIM_CLIENTS_MAX];

static void write_echo(struct sim_client *c)
{
	for (size_t i = 0; i < c->bytes; i++)
		c->input[i] = c->expected[i] = (unsigned char)sim_below(256);
}

/* Whole frames: a length, a core, and bytes that come back altered. */
static void write_frames(struct sim_client *c)
{
	size_t at = 0;

	while (at + 3 <= c->bytes) {
		size_t length = 1 + (size_t)sim_below(FRAME_MOST);

		if (length > c->bytes - at - 2)
			length = c->bytes - at - 2;
		c->input[at] = c->expected[at] = (unsigned char)length;
		c->input[at + 1] = c->expected[at + 1] = (unsigned char)sim_below(256);
		for (size_t i = 0; i < length; i++) {
			c->input[at + 2 + i] = (unsigned char)sim_below(256);
			c->expected[at + 2 + i] = c->input[at + 2 + i] ^ SIM_ALTER;
		}
		at += 2 + length;
	}
	c->bytes = at;
}

static enum sim_client_kind draw_kind(void)
{
	static const struct {
		enum sim_fault fault;
		enum sim_client_kind kind;
	} bad[] = {{SIM_CLIENT_RESETS, SIM_CLIENT_RESET},
		   {SIM_CLIENT_DEAF, SIM_CLIENT_NEVER_READS},
		   {SIM_CLIENT_VANISHES, SIM_CLIENT_VANISH},
		   {SIM_CLIENT_IDLE, SIM_CLIENT_SILENT}};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (sim_fault_drawn(bad[i].fault) && sim_one_in(3))
			return bad[i].kind;
	return sim_one_in(2) ? SIM_CLIENT_HALF_CLOSES : SIM_CLIENT_READS_FIRST;
}

void sim_clients_reset(void)
{
	for (unsigned i = 0; i < SIM_CLIENTS_MAX; i++) {
		struct sim_client *c = &clients[i];

		sim_free(c->input);
		sim_free(c->expected);
		*c = (struct sim_client){.number = i, .next_ns = SIM_NEVER, .done = true};
		if (i >= sim_plan.clients)
			continue;
		c->kind = draw_kind();
		c->done = false;
		c->next_ns = sim.now_ns + sim_magnitude(5 * SIM_MS);
		c->bytes = c->kind == SIM_CLIENT_SILENT ? 0 : 3 + sim_magnitude(BYTES_MOST);
		c->input = sim_alloc(c->bytes);
		c->expected = sim_alloc(c->bytes);
		if (sim_plan.mail_service)
			write_frames(c);
		else
			write_echo(c);
		c->quits_at = (size_t)sim_below(c->bytes + 1);
	}
}

struct sim_client *sim_client_at(unsigned i)
{
	return &clients[i];
}

static void connect_to_server(struct sim_client *c)
{
	c->conn = sim_service_port() ? sim_connect(sim_service_port(), c) : NULL;
	if (c->conn) {
		if (c->kind == SIM_CLIENT_SILENT)
			sim_fault_note(SIM_CLIENT_IDLE);
		else if (c->kind == SIM_CLIENT_NEVER_READS)
			sim_fault_note(SIM_CLIENT_DEAF);
		sim_trace("client %u: connection %u", c->number, c->conn->number);
		c->next_ns = sim.now_ns + sim_magnitude(SIM_MS);
		return;
	}
	if (++c->attempts >= ATTEMPTS_MAX) {
		c->refused = c->done = true;
		return;
	}
	c->next_ns = sim.now_ns + RETRY_NS;
}

static void read_all(struct sim_client *c)
{
	unsigned char bytes[512];
	size_t n;

	while ((n = sim_pipe_read(&c->conn->down, bytes, 1 + (size_t)sim_below(sizeof(bytes))))) {
		if (c->received + n > c->bytes || memcmp(bytes, c->expected + c->received, n)) {
			sim_violation("client %u: what comes after byte %zu is wrong", c->number,
				      c->received);
			return;
		}
		c->received += n;
		if (sim_one_in(4))
			break;
	}
}

static void write_some(struct sim_client *c)
{
	size_t n = c->bytes - c->sent;

	n = n ? 1 + (size_t)sim_magnitude(n - 1) : 0;
	c->sent += sim_pipe_write(&c->conn->up, c->input + c->sent, n);
}

static bool is_through(const struct sim_client *c)
{
	return c->sent == c->bytes &&
	       (c->kind != SIM_CLIENT_READS_FIRST || c->received == c->bytes);
}

static void quit(struct sim_client *c)
{
	c->conn->faulted = true;
	c->done = true;
	if (c->kind == SIM_CLIENT_RESET) {
		sim_fault_note(SIM_CLIENT_RESETS);
		sim_conn_reset(c->conn);
	} else {
		sim_fault_note(SIM_CLIENT_VANISHES);
		c->conn->deaf = true;
	}
}

/* The server has ended: end too, so that it need not wait for us. */
static void leave(struct sim_client *c)
{
	c->ended = c->conn->down.end_delivered;
	c->was_reset = c->conn->reset;
	c->conn->up.ended = true;
	c->done = true;
}

static void talk(struct sim_client *c)
{
	struct sim_conn *conn = c->conn;

	if (c->kind != SIM_CLIENT_NEVER_READS)
		read_all(c);
	if ((conn->reset || conn->down.end_delivered) &&
	    (!sim_pipe_ready(&conn->down) || c->kind == SIM_CLIENT_NEVER_READS)) {
		leave(c);
		sim_network_poke(conn);
		return;
	}
	if (conn->reset)
		return;
	if (!conn->up.ended)
		write_some(c);
	if ((c->kind == SIM_CLIENT_RESET || c->kind == SIM_CLIENT_VANISH) &&
	    c->sent >= c->quits_at) {
		quit(c);
		return;
	}
	if (is_through(c) && c->kind <= SIM_CLIENT_READS_FIRST)
		conn->up.ended = true;
	sim_network_poke(conn);
}

void sim_client_step(struct sim_client *c)
{
	c->next_ns = SIM_NEVER;
	if (c->done)
		return;
	if (!c->conn) {
		connect_to_server(c);
		return;
	}
	talk(c);
	if (c->done)
		return;
	if (sim_pipe_ready(&c->conn->down) && c->kind != SIM_CLIENT_NEVER_READS)
		c->next_ns = sim.now_ns + sim_magnitude(SIM_MS);
	else if (c->sent < c->bytes && sim_pipe_room(&c->conn->up))
		c->next_ns = sim.now_ns + sim_magnitude(SIM_MS);
}

/* Those that nothing can hold up for good. */
bool sim_clients_done(void)
{
	for (unsigned i = 0; i < sim_plan.clients; i++)
		if (!clients[i].done && clients[i].kind <= SIM_CLIENT_RESET)
			return false;
	return true;
}
