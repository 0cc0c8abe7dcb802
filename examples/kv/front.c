/* SPDX-License-Identifier: MIT */
/* front.c - see front_internal.h. */
#include "front.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "front_internal.h"

#define ARGS_MAX  ((uint64_t)1 << 20) /* of a greeting that can be meant */
#define BYTES_MAX ((uint64_t)64 << 20)

static const char no_back[] = "-ERR the back is not there\r\n";
static const char lost_back[] = "-ERR the back has gone, and may have done this or not\r\n";

/* --- clients --------------------------------------------------------------------------------- */

static void free_if_gone(struct front_client *client)
{
	if (!client->stream && !client->owed && !client->waits)
		free(client);
}

/* Its last words, once everything before them has left. */
static void say_last(struct front_client *client)
{
	if (!client->stream || !client->closing || client->owed)
		return;
	(void)quoit_stream_send(client->stream, client->words, client->words_len);
	quoit_stream_close(client->stream);
}

static void say(struct front_client *client, const char *data, size_t len)
{
	if (!client->stream)
		return;
	(void)quoit_stream_send(client->stream, data, len); /* or it is aborted */
	if (quoit_stream_unsent(client->stream) > FRONT_UNSENT_MAX)
		quoit_stream_abort(client->stream, -ENOBUFS);
}

static void owe(struct front_client *client)
{
	struct kv_front *front = client->front;

	front->owed[(front->owed_first + front->owed_count++) % FRONT_OWED_MAX] = client;
	if (!client->owed++)
		quoit_stream_hold(client->stream);
}

/* The first reply is complete. */
static void paid(struct kv_front *front)
{
	struct front_client *client = front->owed[front->owed_first++ % FRONT_OWED_MAX];

	front->owed_count--;
	if (--client->owed)
		return;
	say_last(client);
	if (client->stream)
		quoit_stream_release(client->stream);
	free_if_gone(client);
}

/* --- who has to wait ------------------------------------------------------------------------- */

/* Without a back nobody waits for it: there is an answer to everything. */
static bool may_send(const struct front_client *client, uint32_t share)
{
	struct kv_front *front = client->front;

	if (quoit_stream_unsent(client->stream) > FRONT_HIGH)
		return false;
	return !front->greeted ||
	       (!link_is_full(front->link) && client->owed < FRONT_CLIENT_MAX / share &&
		front->owed_count < FRONT_OWED_MAX / share);
}

static void wait_for_room(struct front_client *client)
{
	quoit_stream_pause(client->stream);
	if (client->waits)
		return;
	client->waits = true;
	client->next_waiting = client->front->waiting;
	client->front->waiting = client;
}

/* Those for whom half is free again, so that none goes on for the sake of one command. */
static void let_go_on(struct kv_front *front)
{
	struct front_client *client = front->waiting, *next;

	for (front->waiting = NULL; client; client = next) {
		next = client->next_waiting;
		if (client->stream && !may_send(client, 2)) {
			client->next_waiting = front->waiting;
			front->waiting = client;
			continue;
		}
		client->waits = false;
		if (client->stream)
			quoit_stream_resume(client->stream);
		free_if_gone(client);
	}
}

/* --- commands -------------------------------------------------------------------------------- */

static void end_with(struct front_client *client, const struct kv_reply *reply)
{
	struct reply_sink sink = {.data = client->words, .room = sizeof(client->words)};

	reply_put(&sink, reply);
	client->words_len = sink.len;
	client->closing = true;
	say_last(client);
}

static void pass_on(struct front_client *client, const char *data, size_t len)
{
	struct kv_front *front = client->front;

	if (!front->greeted)
		say(client, no_back, sizeof(no_back) - 1);
	else if (link_send(front->link, data, len) < 0)
		quoit_stream_abort(client->stream, -ENOMEM);
	else
		owe(client);
}

static void command(struct front_client *client, const char *data, size_t len)
{
	struct kv_front *front = client->front;
	struct kv_request request;
	struct kv_reply reply;

	if (!front->parsed.argc)
		return;
	switch (command_read(&front->context, front->parsed.args, front->parsed.argc,
			     quoit_core_now_ns(front->core), &request, &reply)) {
	case COMMAND_CLOSE:
		end_with(client, &reply);
		break;
	case COMMAND_DROP:
		client->closing = true;
		quoit_stream_close(client->stream);
		break;
	default: /* whatever else it is, the back knows the answer */
		pass_on(client, data, len);
	}
}

/* Gives how many bytes were taken. */
static size_t commands_in(struct front_client *client, const char *data, size_t len)
{
	struct kv_front *front = client->front;
	struct kv_reply reply;
	size_t at = 0;

	while (at < len && !client->closing && may_send(client, 1)) {
		const long took = resp_parse(data + at, len - at, &front->limits, &client->progress,
					     &front->parsed);

		if (took < 0) {
			command_refuse(&front->context, front->parsed.error, &reply);
			end_with(client, &reply);
		}
		if (took <= 0)
			break;
		command(client, data + at, (size_t)took);
		at += (size_t)took;
	}
	return at;
}

static void on_data(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	struct front_client *client = quoit_stream_user(stream);
	size_t rest;
	int rc;

	(void)ctx;
	if (!client || client->closing)
		return;
	rest = in.len - commands_in(client, in.data, in.len);
	if (client->closing)
		return;
	if (!may_send(client, 1))
		wait_for_room(client);
	if (!rest)
		return;
	rc = quoit_stream_keep(stream, rest);
	if (rc >= 0 && client->progress.need > rest && !client->waits)
		rc = quoit_stream_need(stream, client->progress.need);
	if (rc < 0)
		quoit_stream_abort(stream, -EMSGSIZE);
}

static void on_opened(struct quoit_stream *stream, void *ctx)
{
	struct front_client *client = calloc(1, sizeof(*client));

	if (!client) {
		quoit_stream_abort(stream, -ENOMEM);
		return;
	}
	client->stream = stream;
	client->front = ctx;
	quoit_stream_set_user(stream, client);
}

static void on_writable(struct quoit_stream *stream, void *ctx)
{
	(void)stream;
	let_go_on(ctx);
}

static void on_closed(struct quoit_stream *stream, int reason, void *ctx)
{
	struct front_client *client = quoit_stream_user(stream);

	(void)reason;
	(void)ctx;
	if (!client)
		return;
	client->stream = NULL;
	free_if_gone(client);
}

static const struct quoit_stream_events client_events = {
	.opened = on_opened,
	.data = on_data,
	.writable = on_writable,
	.closed = on_closed,
	.high_bytes = FRONT_HIGH,
	.keep_bytes_max = (size_t)16 << 20,
};

/* --- replies --------------------------------------------------------------------------------- */

/* Gives how many bytes of it were taken, -EPROTO if it makes no sense. */
static long greeted(struct kv_front *front, const char *data, size_t len)
{
	struct kv_greeting *greeting = &front->greeting;

	len = quoit_min(len, sizeof(*greeting) - front->greeting_len);
	memcpy((char *)greeting + front->greeting_len, data, len);
	front->greeting_len += len;
	if (front->greeting_len < sizeof(*greeting))
		return (long)len;
	if (!greeting->args || greeting->args > front->limits.args ||
	    greeting->bulk_bytes > BYTES_MAX || greeting->request_bytes > BYTES_MAX)
		return -EPROTO;
	front->limits.bulk_bytes = greeting->bulk_bytes;
	front->limits.request_bytes = greeting->request_bytes;
	front->greeted = true;
	return (long)len;
}

static long reply(struct kv_front *front, const char *data, size_t len)
{
	bool ended;
	long took;

	if (!front->owed_count)
		return -EPROTO; /* nobody has asked */
	took = scan_reply(&front->scan, data, len, &ended);
	if (took < 0)
		return took;
	say(front->owed[front->owed_first % FRONT_OWED_MAX], data, (size_t)took);
	if (ended)
		paid(front);
	return took;
}

static void bytes(struct kv_link *link, const char *data, size_t len, void *ctx)
{
	struct kv_front *front = ctx;
	long took = 0;

	for (size_t at = 0; at < len && took >= 0; at += (size_t)took) {
		took = front->greeted ? reply(front, data + at, len - at)
				      : greeted(front, data + at, len - at);
		if (took < 0)
			break;
	}
	if (took < 0) {
		link_end(link);
		front_lost(front);
	} else if (front->waiting) {
		let_go_on(front);
	}
}

static void drained(struct kv_link *link, void *ctx)
{
	(void)link;
	let_go_on(ctx);
}

static void lost(struct kv_link *link, void *ctx)
{
	(void)link;
	front_lost(ctx);
}

static void over(struct kv_link *link, void *ctx)
{
	(void)ctx;
	free(link);
}

const struct kv_link_events front_link_events = {bytes, drained, lost, over};

/* --- the back comes and goes ----------------------------------------------------------------- */

void front_begin(struct kv_front *front, struct kv_link *link)
{
	front->link = link;
	front->greeting_len = 0;
	front->scan = (struct scan){0};
}

/* Every question is answered, but one whose answer had begun: that client is cut off. */
void front_lost(struct kv_front *front)
{
	bool begun = front->scan.inside;

	front->greeted = false;
	front->link = NULL;
	for (; front->owed_count; begun = false) {
		struct front_client *client = front->owed[front->owed_first % FRONT_OWED_MAX];

		if (begun && client->stream)
			quoit_stream_abort(client->stream, -ECONNRESET);
		else
			say(client, lost_back, sizeof(lost_back) - 1);
		paid(front);
	}
	let_go_on(front);
	front_seek(front, 0);
}

/* --- start and stop -------------------------------------------------------------------------- */

static void free_front(struct kv_front *front)
{
	if (!front)
		return;
	free(front->parsed.args);
	free(front->parsed.scratch);
	free(front);
}

static size_t no_info(void *ctx, char *out, size_t room)
{
	(void)ctx; /* the back has it */
	(void)out;
	(void)room;
	return 0;
}

static struct kv_front *make_front(struct quoit_core *core, struct kv_server *server)
{
	struct kv_front *front = calloc(1, sizeof(*front));

	if (!front)
		return NULL;
	front->core = core;
	front->server = server;
	front->limits = server->config.limits;
	front->context.secret = server->secret;
	front->context.info = no_info;
	front->parsed.args = calloc(front->limits.args, sizeof(*front->parsed.args));
	front->parsed.scratch = malloc(RESP_LINE_MAX);
	if (!front->parsed.args || !front->parsed.scratch) {
		free_front(front);
		return NULL;
	}
	return front;
}

int front_start(struct quoit_core *core, void *ctx)
{
	struct kv_server *server = ctx;
	struct kv_front *front = make_front(core, server);
	int rc;

	if (!front)
		return quoit_core_fail(core, -ENOMEM, "no memory for a front");
	quoit_core_set_user(core, front);
	front_seek(front, 0);
	rc = quoit_listen(core, server->config.address, &client_events, front);
	if (rc > 0 && quoit_core_index(core) == 0)
		server_tell(core, server, rc);
	return rc;
}

void front_stop(struct quoit_core *core, void *ctx)
{
	(void)ctx;
	free_front(quoit_core_user(core));
}
