/* SPDX-License-Identifier: MIT */
/*
 * test_command.c - from request bytes to reply bytes without a network: parser, commands, shards.
 *
 * `converse` does what a server does, with several shards in one thread: it splits commands on many
 * keys by owner, and gathers. For all shards but the first it moves keys and values aside, as one
 * that sends them to another core has to, and destroys the input before they are used. Every number
 * of shards must give the same bytes.
 */
#include "command.h"
#include "number.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define SHARDS_MAX 8
#define OUT_MAX	   ((size_t)4 << 20)

struct server {
	unsigned cores;
	uint64_t now_ns;
	struct shard shards[SHARDS_MAX];
	struct command_context context;
	struct reply_sink sink;
	enum command_verdict last;
};

static struct resp_limits limits;

static size_t tell_info(void *ctx, char *out, size_t room)
{
	return (size_t)snprintf(out, room, "# Server\r\nanswer:%d\r\n", *(const int *)ctx);
}

static struct server *start(unsigned cores, size_t shard_bytes)
{
	static int answer = 42;
	struct server *const server = calloc(1, sizeof *server);

	assert_non_null(server);
	limits = RESP_LIMITS_DEFAULT;
	server->cores = cores;
	server->now_ns = 1000;
	server->context.limit_bytes = shard_bytes * cores;
	server->context.bulk_bytes = limits.bulk_bytes;
	server->context.info = tell_info;
	server->context.info_ctx = &answer;
	assert_int_equal(hash_secret_make(&server->context.secret), 0);
	for (unsigned i = 0; i < cores; i++) {
		assert_int_equal(table_init(&server->shards[i].table, shard_bytes), 0);
		server->shards[i].bulk_bytes = limits.bulk_bytes;
	}
	server->sink = (struct reply_sink){.data = malloc(OUT_MAX), .room = OUT_MAX};
	assert_non_null(server->sink.data);
	return server;
}

static void stop(struct server *server)
{
	for (unsigned i = 0; i < server->cores; i++)
		table_fini(&server->shards[i].table);
	free(server->sink.data);
	free(server);
}

static void destroy_input(const struct resp_request *input)
{
	for (size_t i = 1; i < input->argc; i++)
		memset((char *)input->args[i].data, 'Q', input->args[i].len);
}

/* One shard is "ours": it may lend. For the others everything is copied, and the copy destroyed. */
static void ask_one(struct server *server, const struct resp_request *input,
		    struct kv_request *request, struct kv_reply *reply)
{
	const unsigned owner = hash_owner(request->hash, server->cores);

	if (owner == 0) {
		request->flags |= KV_BORROW;
		shard_execute(&server->shards[owner], request, reply);
		return;
	}
	const size_t bytes = request_bytes(request);
	char *const aside = malloc(bytes + 1);

	assert_non_null(aside);
	request_move(request, aside);
	destroy_input(input);
	shard_execute(&server->shards[owner], request, reply);
	memset(aside, 'Z', bytes);
	free(aside);
	if (reply->kind == KV_BULK)
		assert_int_not_equal(reply->place, KV_BORROWED);
}

static void ask_many(struct server *server, const struct resp_request *input,
		     struct kv_request *request)
{
	const uint32_t count = command_item_count(request, input->argc);
	struct kv_item *const items = malloc(count * sizeof *items);
	struct kv_gather gather = {.op = request->op, .count = count, .items = items};
	uint32_t first[SHARDS_MAX];
	struct kv_reply reply;

	assert_non_null(items);
	command_items(&server->context, request, input->args, count, items);
	const size_t bytes = items_bytes(items, count, request->op);
	char *const aside = malloc(bytes + 1);

	assert_non_null(aside);
	items_move(items, count, request->op, aside);
	destroy_input(input);
	unsigned owners = items_scatter(items, count, server->cores, first);

	request->items = items;
	for (unsigned i = server->cores; i-- > 0;) {
		if (first[i] == KV_NO_ITEM)
			continue;
		request->first_item = first[i];
		shard_execute(&server->shards[i], request, &reply);
		gather_add(&gather, &reply);
		owners--;
	}
	assert_int_equal(owners, 0);
	memset(aside, 'Z', bytes);
	free(aside);
	gather_finish(&gather, &reply);
	reply_put(&server->sink, &reply);
	gather_release(&gather);
	free(items);
}

static void ask_all(struct server *server, const struct kv_request *request)
{
	struct kv_gather gather = {.op = request->op};
	struct kv_reply reply;

	for (unsigned i = 0; i < server->cores; i++) {
		shard_execute(&server->shards[i], request, &reply);
		gather_add(&gather, &reply);
	}
	gather_finish(&gather, &reply);
	reply_put(&server->sink, &reply);
}

static void serve(struct server *server, const struct resp_request *input)
{
	struct kv_request request;
	struct kv_reply reply;

	for (unsigned i = 0; i < server->cores; i++)
		server->shards[i].now_ns = server->now_ns;
	server->last = command_read(&server->context, input->args, input->argc, server->now_ns,
				    &request, &reply);
	switch (server->last) {
	case COMMAND_DROP:
		return;
	case COMMAND_MANY:
		ask_many(server, input, &request);
		return;
	case COMMAND_ALL:
		ask_all(server, &request);
		return;
	case COMMAND_ONE:
		ask_one(server, input, &request, &reply);
		break;
	default:
		break;
	}
	reply_put(&server->sink, &reply);
	kv_reply_release(&reply);
}

/* The replies to all requests of a span, up to one that closes. */
static const char *converse(struct server *server, const char *text, size_t len)
{
	static struct resp_arg args[1024];
	static char scratch[RESP_LINE_MAX];
	struct resp_progress progress = {0};
	char *const input = malloc(len);

	assert_non_null(input);
	memcpy(input, text, len);
	server->sink.len = 0;
	server->last = COMMAND_ANSWERED;
	for (size_t at = 0; at < len && server->last < COMMAND_CLOSE;) {
		struct resp_request request = {.args = args, .scratch = scratch};
		const long taken = resp_parse(input + at, len - at, &limits, &progress, &request);

		if (taken < 0) {
			struct kv_reply reply;

			command_refuse(&server->context, request.error, &reply);
			reply_put(&server->sink, &reply);
			break;
		}
		assert_true(taken > 0);
		at += (size_t)taken;
		if (request.argc > 0)
			serve(server, &request);
		if (server->last > COMMAND_DROP)
			server->last = COMMAND_ANSWERED;
	}
	free(input);
	assert_int_equal(server->sink.error, 0);
	assert_true(server->sink.len < OUT_MAX);
	server->sink.data[server->sink.len] = '\0';
	return server->sink.data;
}

#define assert_reply(server, input, output) \
	assert_string_equal(converse(server, input, strlen(input)), output)

static void numbers_are_read_as_strictly_as_redis_does(void **state)
{
	(void)state;
	static const char *const wrong[] = {"",
					    "-",
					    "+1",
					    "01",
					    "-0",
					    "-01",
					    " 1",
					    "1 ",
					    "1x",
					    "0x1",
					    "1.0",
					    "00",
					    "--1",
					    "9223372036854775808",
					    "-9223372036854775809",
					    "18446744073709551616",
					    "100000000000000000000"};
	static const int64_t right[] = {0, 1, -1, 10, -10, 1234567890, INT64_MAX, INT64_MIN};
	int64_t number = 77;

	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		assert_false(number_parse(wrong[i], strlen(wrong[i]), &number));
		assert_int_equal(number, 77);
	}
	for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
		char text[NUMBER_MAX_LEN];
		char want[32];
		const size_t len = number_format(right[i], text);

		assert_int_equal(len, snprintf(want, sizeof want, "%" PRId64, right[i]));
		assert_memory_equal(text, want, len);
		assert_true(number_parse(text, len, &number));
		assert_int_equal(number, right[i]);
	}
}

static void every_number_of_shards_gives_the_same_replies(void **state)
{
	(void)state;
	for (unsigned cores = 1; cores <= SHARDS_MAX; cores++) {
		struct server *const server = start(cores, 1 << 20);

		assert_reply(server, "MSET a 1 b 2 c 3 d 4 a 5\r\nMGET d c nope b a a\r\n",
			     "+OK\r\n*6\r\n$1\r\n4\r\n$1\r\n3\r\n$-1\r\n$1\r\n2\r\n$1\r\n5\r\n$"
			     "1\r\n5\r\n");
		assert_reply(server, "DBSIZE\r\nEXISTS a a b nope\r\nDEL a b a nope\r\nDBSIZE\r\n",
			     ":4\r\n:3\r\n:2\r\n:2\r\n");
		assert_reply(server, "INCR n\r\nINCRBY n 41\r\nDECR n\r\nGET n\r\nSTRLEN n\r\n",
			     ":1\r\n:42\r\n:41\r\n$2\r\n41\r\n:2\r\n");
		assert_reply(server, "APPEND c 45678901234567890123456789012345678901234567890\r\n",
			     ":48\r\n");
		assert_reply(server, "GET c\r\nMGET c\r\n",
			     "$48\r\n345678901234567890123456789012345678901234567890\r\n*1\r\n"
			     "$48\r\n345678901234567890123456789012345678901234567890\r\n");
		assert_reply(server, "SET c x GET\r\nSET c y NX GET\r\nSET c z XX\r\nGET c\r\n",
			     "$48\r\n345678901234567890123456789012345678901234567890\r\n"
			     "$1\r\nx\r\n+OK\r\n$1\r\nz\r\n");
		assert_reply(server, "FLUSHALL\r\nDBSIZE\r\nMGET c d\r\n",
			     "+OK\r\n:0\r\n*2\r\n$-1\r\n$-1\r\n");
		stop(server);
	}
}

static void keys_spread_over_all_shards(void **state)
{
	(void)state;
	struct server *const server = start(SHARDS_MAX, 1 << 20);

	for (unsigned i = 0; i < 4000; i++) {
		char command[64];

		snprintf(command, sizeof command, "SET key:%u v\r\n", i);
		assert_reply(server, command, "+OK\r\n");
	}
	/* 500 each on average; with a sound hash less than 300 would be a miracle. */
	for (unsigned i = 0; i < SHARDS_MAX; i++) {
		const struct table *const table = &server->shards[i].table;
		size_t empty = 0;

		assert_true(table->count > 300);
		for (size_t b = 0; b < table->live; b++)
			empty += table->buckets[b] == NULL;
		assert_true(empty < table->live * 6 / 10);
	}
	stop(server);
}

static void a_key_expires_on_the_clock_of_the_server(void **state)
{
	(void)state;
	struct server *const server = start(2, 1 << 20);

	assert_reply(server, "SET k v PX 10\r\nSET s v EX 2\r\n", "+OK\r\n+OK\r\n");
	server->now_ns += 9999999;
	assert_reply(server, "GET k\r\nINCR n\r\nSET s w KEEPTTL\r\n", "$1\r\nv\r\n:1\r\n+OK\r\n");
	server->now_ns += 1;
	assert_reply(server, "GET k\r\nEXISTS k s\r\n", "$-1\r\n:1\r\n");
	server->now_ns += 2000000000 - 10000000 - 1;
	assert_reply(server, "GET s\r\n", "$1\r\nw\r\n");
	server->now_ns += 1;
	assert_reply(server, "GET s\r\nGET n\r\n", "$-1\r\n$1\r\n1\r\n");
	/* A counter keeps its deadline, a SET drops it. */
	assert_reply(server, "SET n 5 PX 1\r\nINCR n\r\nSET m 5 PX 1\r\nSET m 6\r\n",
		     "+OK\r\n:6\r\n+OK\r\n+OK\r\n");
	server->now_ns += 1000000;
	assert_reply(server, "MGET n m\r\n", "*2\r\n$-1\r\n$1\r\n6\r\n");
	/* Also one that needs more room than its key had. */
	assert_reply(server, "SET n 9999999 PX 1\r\nINCR n\r\n", "+OK\r\n:10000000\r\n");
	server->now_ns += 1000000;
	assert_reply(server, "GET n\r\n", "$-1\r\n");
	/* What lies beyond the clock's range never expires, and is no overflow. */
	assert_reply(server, "SET far v PX 9223372036854775807\r\nSET far v EX 9000000000000\r\n",
		     "-ERR invalid expire time in 'set' command\r\n+OK\r\n");
	server->now_ns = TABLE_KEEP_DEADLINE - 2;
	assert_reply(server, "GET far\r\n", "$1\r\nv\r\n");
	stop(server);
}

static void memory_that_is_out_is_said_and_nothing_changes(void **state)
{
	(void)state;
	/* Each with 4,000 bytes in the place of the star. */
	static const char *const commands[] = {"APPEND k *\r\n",  "SET k *\r\n",
					       "SET k * GET\r\n", "SET new *\r\n",
					       "MSET k *\r\n",	  "SET k * KEEPTTL\r\n"};
	struct server *const server = start(1, 4096);

	assert_reply(server, "SET k old\r\n", "+OK\r\n");
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
		const char *const star = strchr(commands[i], '*');
		char command[4100];
		const int head = (int)(star - commands[i]);

		snprintf(command, sizeof command, "%.*s%04000d%s", head, commands[i], 0, star + 1);
		assert_reply(server, command,
			     "-OOM command not allowed when used memory > 'maxmemory'.\r\n");
		assert_reply(server, "GET k\r\nDBSIZE\r\n", "$3\r\nold\r\n:1\r\n");
	}
	stop(server);
}

static void append_stops_at_the_longest_string(void **state)
{
	(void)state;
	struct server *const server = start(1, 1 << 20);

	server->shards[0].bulk_bytes = 10;
	assert_reply(server, "APPEND k 123456789\r\nAPPEND k x\r\nAPPEND k y\r\nSTRLEN k\r\n",
		     ":9\r\n:10\r\n"
		     "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n:10\r\n");
	stop(server);
}

static void closing_commands_say_so(void **state)
{
	(void)state;
	struct server *const server = start(1, 1 << 20);

	assert_reply(server, "PING\r\nQUIT\r\nPING\r\n", "+PONG\r\n+OK\r\n");
	assert_int_equal(server->last, COMMAND_CLOSE);
	assert_reply(server, "POST / HTTP/1.1\r\nPING\r\n", "");
	assert_int_equal(server->last, COMMAND_DROP);
	assert_reply(server, "host: x\r\nPING\r\n", "");
	assert_int_equal(server->last, COMMAND_DROP);
	assert_reply(server, "*1\r\n$-1\r\n", "-ERR Protocol error: invalid bulk length\r\n");
	assert_reply(server, "*1\r\n\r\n", "-ERR Protocol error: expected '$', got ' '\r\n");
	stop(server);
}

static void the_tools_get_the_answers_they_ask_for(void **state)
{
	(void)state;
	struct server *const server = start(2, 1 << 20);
	char count[32];
	const char *reply;

	assert_reply(server, "CONFIG GET save\r\nconfig get APPENDONLY\r\n",
		     "*2\r\n$4\r\nsave\r\n$0\r\n\r\n*2\r\n$10\r\nappendonly\r\n$2\r\nno\r\n");
	assert_reply(server, "CONFIG GET maxmemory nosuch\r\n",
		     "*2\r\n$9\r\nmaxmemory\r\n$7\r\n2097152\r\n");
	assert_reply(server, "CONFIG GET nosuch\r\nCONFIG GET max*ory save\r\n",
		     "*0\r\n*4\r\n$4\r\nsave\r\n$0\r\n\r\n$9\r\nmaxmemory\r\n$7\r\n2097152\r\n");
	assert_reply(server, "INFO\r\nINFO server\r\n",
		     "$21\r\n# Server\r\nanswer:42\r\n\r\n$21\r\n# Server\r\nanswer:42\r\n\r\n");
	assert_reply(server, "COMMAND DOCS\r\nCOMMAND DOCS get\r\n", "*0\r\n*0\r\n");
	assert_reply(
		server, "COMMAND INFO get nosuch\r\n",
		"*2\r\n*10\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n"
		"*0\r\n*0\r\n*0\r\n*0\r\n$-1\r\n");
	reply = converse(server, "COMMAND COUNT\r\n", 15);
	snprintf(count, sizeof count, "*%s", reply + 1);
	assert_true(strtol(count + 1, NULL, 10) >= 19);
	reply = converse(server, "COMMAND\r\n", 9);
	assert_memory_equal(reply, count, strlen(count));
	assert_reply(server, "CONFIG SET save x\r\n",
		     "-ERR unknown subcommand 'SET'. Try CONFIG HELP.\r\n");
	stop(server);
}

static int count_bytes(void *ctx, const char *data, size_t len)
{
	struct reply_sink *const total = ctx;

	reply_append(total, data, len);
	return total->error;
}

static void a_small_buffer_gives_the_same_bytes_and_a_full_one_an_error(void **state)
{
	(void)state;
	static const char want[] = "$5\r\nhello\r\n:-12\r\n$-1\r\n+OK\r\n";
	const struct kv_reply replies[] = {
		{.kind = KV_BULK, .place = KV_BORROWED, .len = 5, .bytes = "hello"},
		{.kind = KV_INTEGER, .integer = -12},
		{.kind = KV_NIL},
		{.kind = KV_OK},
		{.kind = KV_NOTHING},
	};

	for (size_t room = 1; room <= sizeof want; room++) {
		char got[64];
		char *const small = malloc(room);
		struct reply_sink total = {.data = got, .room = sizeof got};
		struct reply_sink sink = {
			.data = small, .room = room, .flush = count_bytes, .ctx = &total};
		struct reply_sink bounded = {.data = small, .room = room};

		assert_non_null(small);
		for (size_t i = 0; i < sizeof replies / sizeof *replies; i++)
			reply_put(&sink, &replies[i]);
		assert_int_equal(reply_flush(&sink), 0);
		assert_int_equal(total.len, sizeof want - 1);
		assert_memory_equal(got, want, sizeof want - 1);
		for (size_t i = 0; i < sizeof replies / sizeof *replies; i++)
			reply_put(&bounded, &replies[i]);
		assert_int_equal(bounded.error, room < sizeof want - 1 ? -ENOBUFS : 0);
		assert_true(bounded.len <= room);
		free(small);
	}
}

static void a_failed_flush_stays_failed(void **state)
{
	(void)state;
	char none[1];
	char buffer[4];
	struct reply_sink full = {.data = none, .room = sizeof none};
	struct reply_sink sink = {
		.data = buffer, .room = sizeof buffer, .flush = count_bytes, .ctx = &full};

	reply_append(&sink, "abcdef", 6);
	assert_int_equal(sink.error, -ENOBUFS);
	reply_append(&sink, "a", 1);
	assert_int_equal(reply_flush(&sink), -ENOBUFS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_read_as_strictly_as_redis_does),
		cmocka_unit_test(every_number_of_shards_gives_the_same_replies),
		cmocka_unit_test(keys_spread_over_all_shards),
		cmocka_unit_test(a_key_expires_on_the_clock_of_the_server),
		cmocka_unit_test(memory_that_is_out_is_said_and_nothing_changes),
		cmocka_unit_test(append_stops_at_the_longest_string),
		cmocka_unit_test(closing_commands_say_so),
		cmocka_unit_test(the_tools_get_the_answers_they_ask_for),
		cmocka_unit_test(a_small_buffer_gives_the_same_bytes_and_a_full_one_an_error),
		cmocka_unit_test(a_failed_flush_stays_failed),
	};

	return cmocka_run_group_tests_name("kv/command", tests, NULL, NULL);
}
