/* SPDX-License-Identifier: MIT */
/*
 * back.c - the server of clients that other processes talk to: each core of a front is a connection
 * here, whose bytes come over a link.
 *
 *     front's core                            core 0                          one of the cores
 *     connects, asks for a ring          -->  offers two
 *     takes both                         -->  posts what it has           --> begins: a connection
 *     commands of all its clients   ------------------------------------->    runs them in order
 *     replies, one for each         <-------------------------------------
 *
 * A front that dies takes its rings along, and what it had asked for was done or not; keys stay.
 * What waits here is bounded: a front whose replies find no room is not read.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kv.h"
#include "link.h"

#define PLACES	   16 /* fronts that have not said what they want */
#define GUESTS_MAX 64 /* cores of fronts */
#define COMMANDS   0  /* of the two rings */
#define REPLIES	   1

struct kv_back {
	struct kv_core *door; /* core 0's */
	struct quoit_fd_server server;
	struct quoit_greeter greeter;
	struct quoit_greeting greetings[PLACES];
	uint32_t guests; /* cores of any thread end them */
	unsigned next;	 /* core to give one to */
};

struct kv_guest {
	struct kv_back *back;
	struct kv_connection *connection; /* NULL: not let in yet */
	int sock;
	unsigned taken; /* rings that it has */
	struct quoit_poll answers;
	struct quoit_timer patience;
	struct quoit_shring *rings[2];
	struct kv_link link;
	struct quoit_task task; /* goes on with the input */
	char *input;		/* an unfinished command, and what came while it was not read */
	size_t input_len;
	size_t input_room;
};

static void free_guest(struct kv_guest *guest)
{
	quoit_add(&guest->back->guests, -1u);
	free(guest->input);
	free(guest);
}

/* --- commands in ----------------------------------------------------------------------------- */

static void run_input(struct kv_guest *guest)
{
	struct kv_connection *connection = guest->connection;
	long took = 1;

	while (took > 0 && guest->input_len && !guest->link.ended && !connection->closing &&
	       connection_may_read(connection)) {
		took = connection_feed(connection, guest->input, guest->input_len);
		if (took < 0)
			return;
		guest->input_len -= (size_t)took;
		memmove(guest->input, guest->input + took, guest->input_len);
		connection_settle(connection);
	}
}

static bool add_input(struct kv_guest *guest, const char *data, size_t len)
{
	size_t room = guest->input_room ? guest->input_room : KV_OUT_BYTES;
	char *larger;

	while (room - guest->input_len < len)
		room *= 2;
	if (room > guest->input_room) {
		larger = realloc(guest->input, room);
		if (!larger)
			return false;
		guest->input = larger;
		guest->input_room = room;
	}
	memcpy(guest->input + guest->input_len, data, len);
	guest->input_len += len;
	return true;
}

static void bytes(struct kv_link *link, const char *data, size_t len, void *ctx)
{
	struct kv_guest *guest = ctx;

	if (!guest->connection || !add_input(guest, data, len))
		link_end(link);
	else
		run_input(guest);
}

static void drained(struct kv_link *link, void *ctx)
{
	struct kv_guest *guest = ctx;

	(void)link;
	if (guest->connection)
		connection_advance(guest->connection);
}

static void lost(struct kv_link *link, void *ctx)
{
	(void)link; /* what it has asked is still done, and nobody told */
	(void)ctx;
}

static void over(struct kv_link *link, void *ctx)
{
	struct kv_guest *guest = ctx;

	(void)link;
	(void)quoit_task_cancel(&guest->task);
	if (guest->connection)
		connection_end(guest->connection);
	free_guest(guest);
}

static const struct kv_link_events link_events = {bytes, drained, lost, over};

/* --- the connection's wire ------------------------------------------------------------------- */

static int wire_send(void *end, const char *data, size_t len)
{
	struct kv_guest *guest = end;

	return link_send(&guest->link, data, len);
}

static bool wire_is_full(void *end)
{
	struct kv_guest *guest = end;

	return link_is_full(&guest->link);
}

static void wire_close(void *end)
{
	struct kv_guest *guest = end;

	link_end(&guest->link);
}

/* The link sends once a turn as it is. */
static void wire_cork(void *end, bool on)
{
	(void)end;
	(void)on;
}

static void go_on(struct quoit_task *task, void *ctx)
{
	(void)task;
	run_input(ctx);
}

static void wire_pause(void *end, bool on)
{
	struct kv_guest *guest = end;

	link_read(&guest->link, !on);
	if (!on)
		quoit_task_defer(guest->link.loop, &guest->task, go_on, guest);
}

static void wire_hold(void *end, bool on)
{
	(void)end; /* a stop does not wait for fronts: they tell their clients */
	(void)on;
}

static const struct kv_wire link_wire = {
	wire_send, wire_is_full, wire_close, wire_cork, wire_pause, wire_hold,
};

/* --- a front's core is let in ---------------------------------------------------------------- */

static void begin(struct kv_core *core, struct kv_guest *guest)
{
	const struct resp_limits *limits = &core->server->config.limits;
	const struct kv_greeting greeting = {limits->args, limits->bulk_bytes,
					     limits->request_bytes};

	if (link_start(&guest->link, quoit_core_loop(core->core), guest->rings[COMMANDS],
		       guest->rings[REPLIES], &link_events, guest) < 0) {
		free_guest(guest);
		return;
	}
	guest->connection = connection_open(core, &link_wire, guest);
	if (!guest->connection || link_send(&guest->link, &greeting, sizeof(greeting)) < 0)
		link_end(&guest->link);
}

static void guests_arrived(struct quoit_core *quoit, const struct quoit_message *messages, size_t n,
			   bool more, void *ctx)
{
	struct kv_guest *guest;

	(void)quoit;
	(void)more;
	for (size_t i = 0; i < n; i++) {
		memcpy(&guest, messages[i].body, sizeof(guest));
		begin(ctx, guest);
	}
}

static void turn_away(struct kv_guest *guest)
{
	quoit_shring_destroy(guest->rings[COMMANDS]);
	quoit_shring_destroy(guest->rings[REPLIES]);
	free_guest(guest);
}

static void taken(struct quoit_poll *poll, uint32_t events, void *ctx)
{
	struct kv_guest *guest = ctx;
	const int rc =
		quoit_shring_taken(guest->sock, guest->rings[guest->taken], KV_AT_ONCE, NULL);

	(void)events;
	if (!rc)
		guest->taken++;
	if ((rc && rc != -ETIMEDOUT) || guest->taken == 2)
		quoit_poll_stop(poll);
}

/* The front has both rings, or will not have them. */
static void answers_over(struct quoit_poll *poll, int error, void *ctx)
{
	struct kv_guest *guest = ctx;
	struct kv_back *back = guest->back;
	struct quoit_core *core = back->door->core;

	(void)poll;
	(void)error;
	(void)quoit_timers_stop(quoit_core_timers(core), &guest->patience);
	close(guest->sock);
	if (guest->taken < 2 || quoit_post(core, back->next++ % quoit_core_count(core), KV_GUEST,
					   &guest, sizeof(guest)) < 0)
		turn_away(guest);
}

static void no_answer(struct quoit_timer *timer, void *ctx)
{
	struct kv_guest *guest = ctx;

	(void)timer;
	quoit_poll_stop(&guest->answers);
}

static int offer(struct kv_guest *guest, unsigned i, enum quoit_shring_role role)
{
	const struct quoit_shring_options options = link_options(role);
	const int rc = quoit_shring_create(&options, &guest->rings[i], NULL);

	return rc ? rc : quoit_shring_offer(guest->sock, guest->rings[i], KV_AT_ONCE, NULL);
}

/* Gives whether the socket is still wanted. */
static bool let_in(struct kv_back *back, int sock)
{
	struct quoit_loop *loop = quoit_core_loop(back->door->core);
	struct kv_guest *guest =
		quoit_load(&back->guests) < GUESTS_MAX ? calloc(1, sizeof(*guest)) : NULL;
	const struct quoit_poll_options options = {
		.events = POLLIN, .ready = taken, .stopped = answers_over, .ctx = guest};

	if (!guest)
		return false;
	guest->back = back;
	guest->sock = sock;
	quoit_add(&back->guests, 1u);
	if (offer(guest, COMMANDS, QUOIT_SHRING_CONSUMER) ||
	    offer(guest, REPLIES, QUOIT_SHRING_PRODUCER) ||
	    quoit_poll_start(loop, &guest->answers, sock, &options)) {
		turn_away(guest);
		return false;
	}
	quoit_timers_start(quoit_loop_timers(loop), &guest->patience,
			   quoit_clock_now_ns() + KV_PATIENCE_NS, no_answer, guest);
	return true;
}

static void arrived(struct quoit_greeter *greeter, const struct quoit_arrival *arrival, void *ctx)
{
	(void)greeter;
	for (uint32_t i = 0; i < arrival->hello.fd_count; i++)
		close(arrival->fds[i]);
	if (!quoit_shring_is_ask(&arrival->hello, QUOIT_SHRING_PRODUCER) ||
	    !let_in(ctx, arrival->sock))
		close(arrival->sock);
}

/* --- start and stop -------------------------------------------------------------------------- */

struct kv_back *back_open(const char *path, struct quoit_reason *why)
{
	struct kv_back *back = calloc(1, sizeof(*back));

	if (!back) {
		quoit_reason_set(why, -ENOMEM, "no memory to begin with");
		return NULL;
	}
	if (quoit_fd_server_listen(&back->server, path, NULL, why) < 0) {
		free(back);
		return NULL;
	}
	return back;
}

void back_close(struct kv_back *back)
{
	if (!back)
		return;
	quoit_fd_server_close(&back->server);
	free(back);
}

int back_start(struct kv_core *core)
{
	struct kv_back *back = core->server->back;
	const struct quoit_greeter_options options = {
		.wanted = quoit_shring_wanted(sizeof(struct kv_chunk)),
		.greetings = back->greetings,
		.greetings_most = PLACES,
		.arrived = arrived,
		.ctx = back,
	};
	int rc = quoit_on_message(core->core, KV_GUEST, guests_arrived, core);

	if (rc < 0 || quoit_core_index(core->core))
		return rc;
	back->door = core;
	rc = quoit_greeter_start(quoit_core_loop(core->core), &back->greeter, &back->server,
				 &options);
	if (!rc)
		server_tell(core->core, core->server, 0);
	return rc;
}
