/* SPDX-License-Identifier: MIT */
/* server.c - one core of the server: its shard, the requests of the others, keys that expire. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kv.h"

#define EXPIRE_EVERY_NS (50 * 1000 * 1000ull)
#define EXPIRE_BUDGET	256

/* --- expiry ---------------------------------------------------------------------------------- */

static void expire(struct quoit_timer *timer, void *ctx);

/* Reads never see an expired key; this gives its memory back although nobody asks for it. */
static void watch_deadlines(struct kv_core *core)
{
	const uint64_t next = table_next_deadline(&core->shard.table);
	const uint64_t soonest = quoit_core_now_ns(core->core) + EXPIRE_EVERY_NS;

	if (next == TABLE_NO_DEADLINE || quoit_timer_armed(&core->expiry))
		return;
	quoit_timers_start(quoit_core_timers(core->core), &core->expiry,
			   next > soonest ? next : soonest, expire, core);
}

static void publish_table(struct kv_core *core)
{
	const struct table *table = &core->shard.table;

	quoit_store(&core->counts->keys, table->count);
	quoit_store(&core->counts->used_bytes, table->used_bytes);
	quoit_store(&core->counts->expired, table->expired);
}

static void expire(struct quoit_timer *timer, void *ctx)
{
	struct kv_core *core = ctx;
	const uint64_t now = quoit_core_now_ns(core->core);

	if (table_expire(&core->shard.table, now, EXPIRE_BUDGET) == EXPIRE_BUDGET)
		quoit_timers_start(quoit_core_timers(core->core), timer, now, expire, core);
	else
		watch_deadlines(core);
	publish_table(core);
}

/* --- requests -------------------------------------------------------------------------------- */

void server_execute(struct kv_core *core, const struct kv_request *request, struct kv_reply *reply)
{
	shard_execute(&core->shard, request, reply);
	publish_table(core);
	if (request->op == KV_SET)
		watch_deadlines(core);
}

static const struct kv_request *request_in(const struct quoit_message *message)
{
	return (const void *)message->body;
}

/*
 * Requests of other cores for keys of ours, a run at a time: what all of them will read is fetched
 * into the cache before the first is executed.
 */
static void requests_arrived(struct quoit_core *quoit, const struct quoit_message *messages,
			     size_t n, bool more, void *ctx)
{
	struct kv_core *core = ctx;
	const struct table *table = &core->shard.table;

	(void)more;
	core->shard.now_ns = quoit_core_now_ns(quoit);
	for (size_t i = 0; i < n; i++)
		table_prefetch_bucket(table, request_in(&messages[i])->hash);
	for (size_t i = 0; i < n; i++)
		table_prefetch_entry(table, request_in(&messages[i])->hash);
	for (size_t i = 0; i < n; i++)
		table_prefetch_rest(table, request_in(&messages[i])->hash);
	for (size_t i = 0; i < n; i++) {
		struct kv_reply reply;

		server_execute(core, request_in(&messages[i]), &reply);
		quoit_reply(quoit, quoit_caller_of(&messages[i]), 0, &reply, sizeof(reply));
	}
}

/* --- start and stop -------------------------------------------------------------------------- */

static void free_core(struct kv_core *core)
{
	if (!core)
		return;
	while (core->cancelled) {
		struct kv_answer *answer = core->cancelled;

		core->cancelled = answer->next;
		answer->cancelled = false;
		answer_free(core, answer);
	}
	while (core->free_answers) {
		struct kv_answer *answer = core->free_answers;

		core->free_answers = answer->next;
		free(answer);
	}
	table_fini(&core->shard.table);
	free(core->parsed.args);
	free(core->parsed.scratch);
	free(core->own_first);
	free(core->own_items);
	free(core);
}

static struct kv_core *make_core(struct quoit_core *quoit, struct kv_server *server)
{
	const struct kv_config *config = &server->config;
	struct kv_core *core = calloc(1, sizeof(*core));

	if (!core)
		return NULL;
	core->core = quoit;
	core->server = server;
	core->cores = quoit_core_count(quoit);
	core->counts = &server->counts[quoit_core_index(quoit)];
	core->shard.bulk_bytes = config->limits.bulk_bytes;
	core->shard.now_ns = quoit_core_now_ns(quoit);
	core->sink.data = core->out;
	core->sink.room = sizeof(core->out);
	core->context.secret = server->secret;
	core->context.limit_bytes = config->memory_bytes;
	core->context.bulk_bytes = config->limits.bulk_bytes;
	core->context.info = info_write;
	core->context.info_ctx = core;
	core->parsed.args = calloc(config->limits.args, sizeof(*core->parsed.args));
	core->parsed.scratch = malloc(RESP_LINE_MAX);
	core->own_first = calloc(quoit_core_count(quoit), sizeof(*core->own_first));
	core->own_items = calloc(config->limits.args, sizeof(*core->own_items));
	if (!core->parsed.args || !core->parsed.scratch || !core->own_first || !core->own_items ||
	    table_init(&core->shard.table, config->memory_bytes / quoit_core_count(quoit)) < 0) {
		free_core(core);
		return NULL;
	}
	return core;
}

static void show_plan(const struct quoit_plan *plan)
{
	const size_t bytes = quoit_plan_format(plan, NULL, 0) + 1;
	char *text = malloc(bytes);

	if (!text)
		return; /* the shards need the memory more */
	quoit_plan_format(plan, text, bytes);
	fputs(text, stdout);
	free(text);
}

void server_tell(struct quoit_core *quoit, const struct kv_server *server, int port)
{
	const char *address = server->config.address;

	if (server->back)
		printf("waiting for fronts at %s\n", server->config.path);
	else
		printf("listening on %.*s:%d\n", (int)(strrchr(address, ':') - address), address,
		       port);
	if (server->config.show_plan)
		show_plan(quoit_runtime_plan(quoit_core_runtime(quoit)));
	fflush(stdout);
}

int server_start(struct quoit_core *quoit, void *ctx)
{
	struct kv_server *server = ctx;
	struct kv_core *core = make_core(quoit, server);
	int rc;

	if (!core)
		return quoit_core_fail(quoit, -ENOMEM,
				       "no memory for a shard: give more with --memory");
	quoit_core_set_user(quoit, core);
	quoit_on_credit(quoit, answers_send_unsent, core);
	rc = quoit_on_message(quoit, KV_OPERATION, requests_arrived, core);
	if (rc >= 0 && server->back)
		return back_start(core);
	if (rc >= 0)
		rc = quoit_listen(quoit, server->config.address, &connection_events, core);
	if (rc > 0 && quoit_core_index(quoit) == 0)
		server_tell(quoit, server, rc);
	return rc;
}

void server_stop(struct quoit_core *quoit, void *ctx)
{
	(void)ctx;
	free_core(quoit_core_user(quoit));
}
