/* SPDX-License-Identifier: MIT */
/*
 * oracle.c - what every connection was promised, looked at when the seed has ended.
 *
 * That each byte is right is seen as it comes; here it is whether all have come that must, and
 * whether a stream that ended for a reason had one.
 */
#include <sim/sim.h>

#include <errno.h>

static bool has_reason(const struct sim_conn *conn)
{
	const struct sim_client *c = conn->client;

	switch (conn->reason) {
	case 0:
		return true;
	case -ECONNRESET:
	case -EPIPE:
		return conn->faulted || sim.lost || sim.time_went;
	case -ETIMEDOUT:
		return sim.time_went || sim.lost || sim_plan.stop_timeout_ns == 0 ||
		       c->kind == SIM_CLIENT_NEVER_READS || c->kind == SIM_CLIENT_VANISH;
	case -ENOMEM:
		return sim.lost;
	case -ENOBUFS:
		return true; /* the memory of a seed may be small */
	case -ECANCELED:
	case -ESHUTDOWN:
		return sim_plan.stop_ns != SIM_NEVER;
	default:
		return false;
	}
}

/* A stream that was closed in order: the peer has got all that was sent. */
static void check_closed(const struct sim_conn *conn)
{
	if (!has_reason(conn))
		sim_violation("connection %u was ended with %d, which nothing explains",
			      conn->number, conn->reason);
	if (conn->reason || conn->faulted || conn->deaf)
		return;
	if (conn->down.delivered != conn->accepted)
		sim_violation("connection %u was closed in order with %llu of %llu bytes delivered",
			      conn->number, (unsigned long long)conn->down.delivered,
			      (unsigned long long)conn->accepted);
	if (conn->taken != conn->accepted)
		sim_violation("connection %u was closed in order: %llu bytes taken, %llu answered",
			      conn->number, (unsigned long long)conn->taken,
			      (unsigned long long)conn->accepted);
}

/* A peer that behaved, in a seed that did not stop early, has all its answers. */
static void check_complete(const struct sim_client *c)
{
	const struct sim_conn *conn = c->conn;

	if (!conn || !conn->known || conn->reason || conn->faulted || sim.lost || sim.time_went)
		return;
	if (sim_plan.stop_ns != SIM_NEVER || c->kind > SIM_CLIENT_READS_FIRST)
		return;
	if (c->received != c->bytes)
		sim_violation("client %u got %zu of %zu bytes", c->number, c->received, c->bytes);
	if (!c->ended)
		sim_violation("client %u has not seen the end", c->number);
}

void sim_clients_check(void)
{
	for (unsigned i = 0; i < sim_conn_count(); i++) {
		const struct sim_conn *conn = sim_conn_at(i);

		if (conn->known && !conn->told_closed && !sim.leak_allowed)
			sim_violation("connection %u was never closed", conn->number);
		if (conn->told_closed)
			check_closed(conn);
	}
	for (unsigned i = 0; i < sim_plan.clients; i++)
		check_complete(sim_client_at(i));
}
