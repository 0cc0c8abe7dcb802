/* SPDX-License-Identifier: MIT */
/*
 * connection.c - bytes become commands, and answers leave in the order of the commands.
 *
 * A command that can be answered on the spot is, straight into the bytes that leave with this turn.
 * Once one has to wait, all that follow wait behind it, up to a bound; then the connection is not
 * read until they have left. A client that never reads its answers is stopped by the stream itself.
 */
#include <errno.h>
#include <stdlib.h>

#include "kv.h"

/* --- answers out ----------------------------------------------------------------------------- */

/* Bytes of a sink go to the connection that is being answered. */
static int send_out(void *ctx, const char *data, size_t len)
{
	const struct kv_connection *connection = ctx;

	return connection->wire->send(connection->end, data, len);
}

static void begin_output(struct kv_connection *connection)
{
	struct reply_sink *sink = &connection->core->sink;

	sink->ctx = connection;
	sink->len = 0;
	sink->error = 0;
	sink->flush = send_out;
}

/* False: the connection is lost; the wire has seen to it. */
static bool end_output(struct kv_connection *connection)
{
	return reply_flush(&connection->core->sink) == 0;
}

static void free_if_gone(struct kv_connection *connection)
{
	if (!connection->end && !connection->pending)
		free(connection);
}

static bool is_full(const struct kv_connection *connection)
{
	return connection->end && connection->wire->is_full(connection->end);
}

/* May the first answer leave? */
static bool is_ready(const struct kv_connection *connection)
{
	const struct kv_answer *answer = connection->first;

	return answer && answer->sent && !answer->parts_left && !is_full(connection);
}

void connection_count(struct kv_answer *answer)
{
	const struct kv_reply *reply = &answer->reply;
	size_t bytes = reply->kind == KV_BULK && reply->place == KV_OWNED ? reply->len : 0;

	for (uint32_t i = 0; reply->kind == KV_ARRAY && i < reply->len; i++)
		bytes += reply->items[i].reply.kind == KV_BULK ? reply->items[i].reply.len : 0;
	answer->counted = bytes;
	answer->connection->pending_bytes += bytes;
}

static struct kv_answer *take_first(struct kv_connection *connection)
{
	struct kv_answer *answer = connection->first;

	connection->first = answer->next;
	if (!connection->first)
		connection->last = NULL;
	connection->pending--;
	connection->pending_bytes -= answer->counted;
	return answer;
}

/* Write the answers at the head of the line. */
static void write_ready(struct kv_connection *connection)
{
	struct kv_core *core = connection->core;
	bool closes = false;

	while (is_ready(connection)) {
		struct kv_answer *answer = take_first(connection);

		if (connection->end && !closes)
			reply_put(&core->sink, &answer->reply);
		closes |= answer->closes;
		answer_free(core, answer);
	}
	connection->closing |= closes;
}

bool connection_may_read(const struct kv_connection *connection)
{
	return !connection->unsent && !is_full(connection) &&
	       connection->pending + connection->core->batched < KV_PENDING_MAX &&
	       connection->pending_bytes < KV_PENDING_BYTES;
}

static void pause_or_resume(struct kv_connection *connection)
{
	const bool stop = !connection_may_read(connection) && !connection->closing;

	if (stop == connection->paused)
		return;
	connection->paused = stop;
	connection->wire->pause(connection->end, stop);
}

/* More answers are about to come, and those that are ready can leave together with them. */
static bool waits_for_more(const struct kv_connection *connection)
{
	return connection->outstanding && connection->pending < KV_WRITE_PENDING &&
	       connection->pending_bytes < KV_OUT_BYTES;
}

/* After anything that may have changed what waits. */
static void settle(struct kv_connection *connection)
{
	const struct kv_wire *wire = connection->wire;

	if (!end_output(connection))
		connection->closing = true; /* already aborted */
	else if (connection->closing && !connection->pending)
		wire->close(connection->end);
	wire->cork(connection->end, waits_for_more(connection));
	pause_or_resume(connection);
	if (!connection->held || connection->pending)
		return;
	connection->held = false;
	wire->hold(connection->end, false);
}

void connection_advance(struct kv_connection *connection)
{
	if (!connection->end) {
		write_ready(connection);
		free_if_gone(connection);
		return;
	}
	if (waits_for_more(connection) && connection_may_read(connection) != connection->paused)
		return;
	begin_output(connection);
	write_ready(connection);
	settle(connection);
}

/* --- commands in ----------------------------------------------------------------------------- */

/* An answer that is known: now, or in its turn. */
static bool answer_now(struct kv_connection *connection, struct kv_reply *reply, bool closes)
{
	struct kv_answer *answer;

	if (!connection->pending) {
		reply_put(&connection->core->sink, reply);
		connection->closing |= closes;
		return true;
	}
	answer = answer_queue(connection);
	if (!answer || !kv_reply_own(reply))
		return false;
	answer->reply = *reply;
	answer->closes = closes;
	connection->closing |= closes; /* reads no more; closed when the answer has left */
	return true;
}

/* Execute what was read ahead. The cache has had time to fetch the buckets; now the entries. */
static bool run_batch(struct kv_connection *connection)
{
	struct kv_core *core = connection->core;
	const struct table *table = &core->shard.table;
	const unsigned n = core->batched;

	core->batched = 0;
	/* Keys of other cores are among them; a few fetches for nothing cost less than to ask. */
	for (unsigned i = 0; i < n && n > 1; i++)
		table_prefetch_entry(table, core->batch[i].hash);
	for (unsigned i = 0; i < n && n > 1; i++)
		table_prefetch_rest(table, core->batch[i].hash);
	for (unsigned i = 0; i < n; i++)
		if (!answer_one(connection, &core->batch[i]))
			return false;
	return true;
}

static bool run_other(struct kv_connection *connection, enum command_verdict verdict,
		      const struct resp_request *parsed, struct kv_request *request,
		      struct kv_reply *reply)
{
	switch (verdict) {
	case COMMAND_ANSWERED:
		return answer_now(connection, reply, false);
	case COMMAND_CLOSE:
		return answer_now(connection, reply, true);
	case COMMAND_MANY:
		return answer_many(connection, request, parsed->args, parsed->argc);
	case COMMAND_ALL:
		return answer_all(connection, request);
	default:
		return false;
	}
}

/* Commands on one key are read ahead; any other first lets those before it run. */
static bool read_command(struct kv_connection *connection, const struct resp_request *parsed)
{
	struct kv_core *core = connection->core;
	struct kv_request *request = &core->batch[core->batched];
	struct kv_request other;
	struct kv_reply reply;
	const enum command_verdict verdict = command_read(
		&core->context, parsed->args, parsed->argc, core->shard.now_ns, request, &reply);

	quoit_count(&core->counts->requests, 1);
	if (verdict == COMMAND_ONE) {
		table_prefetch_bucket(&core->shard.table, request->hash);
		return ++core->batched < KV_BATCH || run_batch(connection);
	}
	other = *request;
	return run_batch(connection) && run_other(connection, verdict, parsed, &other, &reply);
}

static bool refuse_protocol(struct kv_connection *connection)
{
	struct kv_core *core = connection->core;
	struct kv_reply reply;

	command_refuse(&core->context, core->parsed.error, &reply);
	return answer_now(connection, &reply, true);
}

/* Run what is complete. Gives how many bytes were taken; -1 when the connection must end. */
static long run_commands(struct kv_connection *connection, const char *data, size_t len)
{
	struct kv_core *core = connection->core;
	size_t at = 0;

	while (at < len && !connection->closing && connection_may_read(connection)) {
		const bool words =
			data[at] != '*'; /* unquoted into memory that the next one takes */
		const long took = resp_parse(data + at, len - at, &core->server->config.limits,
					     &connection->progress, &core->parsed);

		if (!took)
			break;
		if (took < 0)
			return run_batch(connection) && refuse_protocol(connection) ? (long)len
										    : -1;
		at += (size_t)took;
		if (core->parsed.argc && !read_command(connection, &core->parsed))
			return -1;
		if (words && !run_batch(connection))
			return -1;
	}
	return run_batch(connection) ? (long)at : -1;
}

long connection_feed(struct kv_connection *connection, const char *data, size_t len)
{
	long took;

	connection->core->shard.now_ns = quoit_core_now_ns(connection->core->core);
	begin_output(connection);
	took = run_commands(connection, data, len);
	if (took < 0) {
		(void)end_output(connection); /* what was answered before still leaves */
		connection->closing = true;
		connection->wire->close(connection->end);
	}
	return took;
}

/* What this core could answer itself leaves behind what waited. */
void connection_settle(struct kv_connection *connection)
{
	write_ready(connection);
	settle(connection);
}

struct kv_connection *connection_open(struct kv_core *core, const struct kv_wire *wire, void *end)
{
	struct kv_connection *connection = calloc(1, sizeof(*connection));

	if (!connection)
		return NULL;
	connection->wire = wire;
	connection->end = end;
	connection->core = core;
	quoit_count(&core->counts->connections, 1);
	return connection;
}

void connection_end(struct kv_connection *connection)
{
	struct kv_counts *counts = connection->core->counts;

	quoit_store(&counts->connections, quoit_load(&counts->connections) - 1);
	connection->end = NULL;
	free_if_gone(connection);
}

/* --- a client's stream ----------------------------------------------------------------------- */

static int stream_send(void *end, const char *data, size_t len)
{
	const int rc = quoit_stream_send(end, data, len);

	return rc < 0 ? rc : 0;
}

/* It pauses itself, and holds what it was given. */
static bool stream_is_full(void *end)
{
	(void)end;
	return false;
}

static void stream_close(void *end)
{
	quoit_stream_close(end);
}

static void stream_cork(void *end, bool on)
{
	if (on)
		quoit_stream_cork(end);
	else
		quoit_stream_uncork(end);
}

static void stream_pause(void *end, bool on)
{
	if (on)
		quoit_stream_pause(end);
	else
		quoit_stream_resume(end);
}

static void stream_hold(void *end, bool on)
{
	if (on)
		quoit_stream_hold(end);
	else
		quoit_stream_release(end);
}

static const struct kv_wire stream_wire = {
	stream_send, stream_is_full, stream_close, stream_cork, stream_pause, stream_hold,
};

/* Ask to see the rest again: at once when we stopped, or when it is complete. */
static int keep_rest(struct kv_connection *connection, size_t rest)
{
	int rc = quoit_stream_keep(connection->end, rest);

	if (rc >= 0 && connection->progress.need > rest && connection_may_read(connection))
		rc = quoit_stream_need(connection->end, connection->progress.need);
	return rc;
}

static void on_data(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	struct kv_connection *connection = quoit_stream_user(stream);
	long took;

	(void)ctx;
	if (!connection || connection->closing)
		return;
	took = connection_feed(connection, in.data, in.len);
	if (took < 0)
		return;
	if ((size_t)took < in.len && !connection->closing &&
	    keep_rest(connection, in.len - (size_t)took) < 0)
		quoit_stream_abort(stream, -EMSGSIZE);
	connection_settle(connection);
}

static void on_opened(struct quoit_stream *stream, void *ctx)
{
	struct kv_connection *connection = connection_open(ctx, &stream_wire, stream);

	if (!connection) {
		quoit_stream_abort(stream, -ENOMEM);
		return;
	}
	quoit_stream_set_user(stream, connection);
}

static void on_closed(struct quoit_stream *stream, int reason, void *ctx)
{
	struct kv_connection *connection = quoit_stream_user(stream);

	(void)reason;
	(void)ctx;
	if (connection)
		connection_end(connection);
}

const struct quoit_stream_events connection_events = {
	.opened = on_opened,
	.data = on_data,
	.closed = on_closed,
	.keep_bytes_max = (size_t)16 << 20,
};
