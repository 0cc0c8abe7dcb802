/* SPDX-License-Identifier: MIT */
/* info.c - the text of INFO: what tools expect of redis, and what each core has counted. */
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "kv.h"

struct text {
	char *out;
	size_t room;
	size_t len;
};

__attribute__((format(printf, 2, 3))) static void line(struct text *text, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text->out + text->len, text->room - text->len, format, args);
	va_end(args);
	if (n > 0 && text->len + (size_t)n < text->room)
		text->len += (size_t)n;
}

/* Counters of all cores together, read while they count. */
static struct kv_counts sum_up(const struct kv_server *server, unsigned cores)
{
	struct kv_counts sum = {0};

	for (unsigned i = 0; i < cores; i++) {
		const struct kv_counts *c = &server->counts[i];

		sum.requests += quoit_load(&c->requests);
		sum.connections += quoit_load(&c->connections);
		sum.keys += quoit_load(&c->keys);
		sum.used_bytes += quoit_load(&c->used_bytes);
		sum.expired += quoit_load(&c->expired);
	}
	return sum;
}

static void write_core(struct text *text, const struct kv_core *core, unsigned i)
{
	const struct kv_counts *c = &core->server->counts[i];
	struct quoit_stats s;

	if (quoit_runtime_stats(quoit_core_runtime(core->core), i, &s) < 0)
		return;
	line(text,
	     "core%u:requests=%llu,local=%llu,forwarded=%llu,messages_in=%llu,messages_out=%llu,"
	     "batches=%llu,bells_rung=%llu,bells_saved=%llu,enters=%llu,turns=%llu,sleeps=%llu,"
	     "connections=%llu\r\n",
	     i, (unsigned long long)quoit_load(&c->requests),
	     (unsigned long long)quoit_load(&c->local),
	     (unsigned long long)quoit_load(&c->forwarded), (unsigned long long)s.messages_in,
	     (unsigned long long)s.messages_out, (unsigned long long)s.batches,
	     (unsigned long long)s.bells_rung, (unsigned long long)s.bells_saved,
	     (unsigned long long)s.enters, (unsigned long long)s.turns,
	     (unsigned long long)s.sleeps, (unsigned long long)quoit_load(&c->connections));
}

size_t info_write(void *ctx, char *out, size_t room)
{
	const struct kv_core *core = ctx;
	const struct kv_server *server = core->server;
	const struct kv_counts sum = sum_up(server, core->cores);
	struct text text = {.out = out, .room = room};

	line(&text,
	     "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\n"
	     "server_name:quoit-kv\r\nprocess_id:%d\r\n",
	     (int)getpid());
	line(&text, "\r\n# Clients\r\nconnected_clients:%llu\r\n",
	     (unsigned long long)sum.connections);
	line(&text, "\r\n# Memory\r\nused_memory:%llu\r\nmaxmemory:%llu\r\n",
	     (unsigned long long)sum.used_bytes, (unsigned long long)server->config.memory_bytes);
	line(&text, "\r\n# Stats\r\ntotal_commands_processed:%llu\r\nexpired_keys:%llu\r\n",
	     (unsigned long long)sum.requests, (unsigned long long)sum.expired);
	line(&text, "\r\n# Keyspace\r\n");
	if (sum.keys)
		line(&text, "db0:keys=%llu\r\n", (unsigned long long)sum.keys);
	line(&text, "\r\n# Quoit\r\ncores:%u\r\n", core->cores);
	for (unsigned i = 0; i < core->cores; i++)
		write_core(&text, core, i);
	return text.len;
}
