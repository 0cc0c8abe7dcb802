/* SPDX-License-Identifier: MIT */
/* command.c - the command table, and the commands that work on keys. */
#include "command.h"
#include "command_internal.h"
#include "number.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* redis quotes at most this much of what it does not know. */
#define QUOTED_MAX 128

static enum command_verdict answer_error(const struct command_call *call, enum kv_error error)
{
	call->reply->kind = KV_ERROR;
	call->reply->error = (uint16_t)error;
	return COMMAND_ANSWERED;
}

static enum command_verdict answer_bytes(const struct command_call *call, const char *bytes,
					 size_t len)
{
	call->reply->kind = KV_RAW;
	call->reply->place = KV_BORROWED;
	call->reply->len = (uint32_t)len;
	call->reply->bytes = bytes;
	return COMMAND_ANSWERED;
}

enum command_verdict answer_text(const struct command_call *call, const struct reply_sink *sink)
{
	return answer_bytes(call, sink->data, sink->len);
}

enum command_verdict answer_error_text(const struct command_call *call, const char *format, ...)
{
	char *const text = call->context->text;
	const size_t room = COMMAND_TEXT_BYTES - 2;
	va_list args;

	memcpy(text, "-ERR ", 5);
	va_start(args, format);
	const int written = vsnprintf(text + 5, room - 5, format, args);

	va_end(args);
	size_t len = 5 + (size_t)(written < 0 ? 0 : written);

	if (len > room - 1)
		len = room - 1;
	/* A line end inside would end the reply. */
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\r' || text[i] == '\n')
			text[i] = ' ';
	}
	memcpy(text + len, "\r\n", 2);
	return answer_bytes(call, text, len + 2);
}

enum command_verdict answer_wrong_arity(const struct command_call *call, const char *sub)
{
	return answer_error_text(call, "wrong number of arguments for '%s%s%s' command",
				 call->command->name, sub != NULL ? "|" : "",
				 sub != NULL ? sub : "");
}

static bool is_word(const struct resp_arg *arg, const char *word)
{
	return arg->len == strlen(word) && strncasecmp(arg->data, word, arg->len) == 0;
}

/* Key and hash of argv[1]. */
static void take_key(const struct command_call *call)
{
	struct kv_request *const request = call->request;

	request->op = call->command->op;
	request->flags = 0;
	request->reserved = 0;
	request->key = call->argv[1].data;
	request->key_len = (uint32_t)call->argv[1].len;
	request->hash = hash_key(&call->context->secret, request->key, request->key_len);
	request->value = NULL;
	request->value_len = 0;
	request->first_item = KV_NO_ITEM;
	request->amount = 0;
}

/* GET, STRLEN, APPEND */
static enum command_verdict read_key(const struct command_call *call)
{
	take_key(call);
	if (call->argc > 2) {
		call->request->value = call->argv[2].data;
		call->request->value_len = (uint32_t)call->argv[2].len;
	}
	return COMMAND_ONE;
}

static enum command_verdict read_add(const struct command_call *call)
{
	int64_t amount = call->command->amount;

	if (call->argc > 2 && !number_parse(call->argv[2].data, call->argv[2].len, &amount))
		return answer_error(call, KV_NOT_AN_INTEGER);
	take_key(call);
	call->request->amount = amount;
	return COMMAND_ONE;
}

/* When a SET expires, in the words of the command. */
struct expiry {
	const struct resp_arg *number; /* NULL without */
	bool seconds;
	bool absolute;
	bool keep;
};

/* One option of SET, at argv[*at]. False if it is none, or contradicts one before. */
static bool take_set_option(const struct command_call *call, size_t *at, struct expiry *expiry)
{
	const struct resp_arg *const arg = &call->argv[*at];
	const struct resp_arg *const next = *at + 1 < call->argc ? arg + 1 : NULL;
	uint8_t *const flags = &call->request->flags;

	if (is_word(arg, "nx") && !(*flags & KV_IF_PRESENT)) {
		*flags |= KV_IF_ABSENT;
		return true;
	}
	if (is_word(arg, "xx") && !(*flags & KV_IF_ABSENT)) {
		*flags |= KV_IF_PRESENT;
		return true;
	}
	if (is_word(arg, "get")) {
		*flags |= KV_OLD_VALUE;
		return true;
	}
	if (is_word(arg, "keepttl") && expiry->number == NULL) {
		expiry->keep = true;
		return true;
	}
	const bool seconds = is_word(arg, "ex") || is_word(arg, "exat");
	const bool absolute = is_word(arg, "exat") || is_word(arg, "pxat");

	if (!seconds && !absolute && !is_word(arg, "px"))
		return false;
	/* The same word again replaces the number, as in redis; another one is an error. */
	if (next == NULL || expiry->keep ||
	    (expiry->number != NULL &&
	     (expiry->seconds != seconds || expiry->absolute != absolute)))
		return false;
	*expiry = (struct expiry){.number = next, .seconds = seconds, .absolute = absolute};
	++*at;
	return true;
}

static int64_t wall_clock_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The deadline on the clock of now_ns, for a valid expiry. False if it is beyond all bounds. */
static bool find_deadline(const struct expiry *expiry, int64_t number, uint64_t now_ns,
			  uint64_t *deadline_ns)
{
	int64_t ms = number;
	int64_t at_ms;

	if (number <= 0 || (expiry->seconds && __builtin_mul_overflow(number, 1000, &ms)))
		return false;
	if (expiry->absolute)
		ms -= wall_clock_ms();
	else if (ms > INT64_MAX / 2 && __builtin_add_overflow(ms, wall_clock_ms(), &at_ms))
		return false;
	uint64_t ns;

	if (ms <= 0)
		*deadline_ns = 0; /* over already */
	else if (__builtin_mul_overflow((uint64_t)ms, 1000000, &ns) ||
		 __builtin_add_overflow(ns, now_ns, &ns) || ns >= TABLE_KEEP_DEADLINE)
		*deadline_ns = TABLE_KEEP_DEADLINE - 1; /* 584 years after the machine's start */
	else
		*deadline_ns = ns;
	return true;
}

static enum command_verdict read_set(const struct command_call *call)
{
	struct expiry expiry = {.number = NULL};
	uint64_t deadline_ns = TABLE_NO_DEADLINE;
	int64_t number;

	take_key(call);
	call->request->value = call->argv[2].data;
	call->request->value_len = (uint32_t)call->argv[2].len;
	for (size_t at = 3; at < call->argc; at++) {
		if (!take_set_option(call, &at, &expiry))
			return answer_error(call, KV_SYNTAX);
	}
	if (expiry.keep)
		deadline_ns = TABLE_KEEP_DEADLINE;
	if (expiry.number != NULL) {
		if (!number_parse(expiry.number->data, expiry.number->len, &number))
			return answer_error(call, KV_NOT_AN_INTEGER);
		if (!find_deadline(&expiry, number, call->now_ns, &deadline_ns))
			return answer_error_text(call, "invalid expire time in 'set' command");
	}
	call->request->deadline_ns = deadline_ns;
	return COMMAND_ONE;
}

static enum command_verdict read_many(const struct command_call *call)
{
	call->request->op = call->command->op;
	call->request->flags = 0;
	return COMMAND_MANY;
}

/* DEL and EXISTS of one key need no gathering. */
static enum command_verdict read_del_or_exists(const struct command_call *call)
{
	if (call->argc > 2)
		return read_many(call);
	take_key(call);
	call->request->op = call->command->op == KV_MDEL ? KV_DEL : KV_EXISTS;
	return COMMAND_ONE;
}

static enum command_verdict read_mset(const struct command_call *call)
{
	if (call->argc % 2 == 0)
		return answer_wrong_arity(call, NULL);
	return read_many(call);
}

static enum command_verdict read_all(const struct command_call *call)
{
	*call->request = (struct kv_request){.op = call->command->op, .first_item = KV_NO_ITEM};
	return COMMAND_ALL;
}

static enum command_verdict read_flushall(const struct command_call *call)
{
	if (call->argc > 2 || (call->argc == 2 && !is_word(&call->argv[1], "sync") &&
			       !is_word(&call->argv[1], "async")))
		return answer_error(call, KV_SYNTAX);
	return read_all(call);
}

/* The frequent ones first: command_find() looks at them in this order. */
const struct command commands[] = {
	{"get", 2, KV_GET, 0, "readonly fast", 1, 1, 1, read_key},
	{"set", -3, KV_SET, 0, "write denyoom", 1, 1, 1, read_set},
	{"incr", 2, KV_ADD, 1, "write denyoom fast", 1, 1, 1, read_add},
	{"mget", -2, KV_MGET, 0, "readonly fast", 1, -1, 1, read_many},
	{"mset", -3, KV_MSET, 0, "write denyoom", 1, -1, 2, read_mset},
	{"ping", -1, 0, 0, "fast", 0, 0, 0, read_ping},
	{"del", -2, KV_MDEL, 0, "write", 1, -1, 1, read_del_or_exists},
	{"exists", -2, KV_MEXISTS, 0, "readonly fast", 1, -1, 1, read_del_or_exists},
	{"incrby", 3, KV_ADD, 0, "write denyoom fast", 1, 1, 1, read_add},
	{"decr", 2, KV_ADD, -1, "write denyoom fast", 1, 1, 1, read_add},
	{"append", 3, KV_APPEND, 0, "write denyoom fast", 1, 1, 1, read_key},
	{"strlen", 2, KV_STRLEN, 0, "readonly fast", 1, 1, 1, read_key},
	{"echo", 2, 0, 0, "fast", 0, 0, 0, read_echo},
	{"dbsize", 1, KV_DBSIZE, 0, "readonly fast", 0, 0, 0, read_all},
	{"flushall", -1, KV_FLUSH, 0, "write", 0, 0, 0, read_flushall},
	{"quit", -1, 0, 0, "fast", 0, 0, 0, read_quit},
	{"info", -1, 0, 0, "loading stale", 0, 0, 0, read_info},
	{"config", -2, 0, 0, "admin loading stale", 0, 0, 0, read_config},
	{"command", -1, 0, 0, "loading stale", 0, 0, 0, read_command},
};

const struct command *const commands_end = commands + sizeof commands / sizeof *commands;

const struct command *command_find(const char *name, size_t len)
{
	char lower[9] = "";

	if (len > 8)
		return NULL;
	/* Only letters become lower-case letters by this bit, and all names are letters. */
	for (size_t i = 0; i < len; i++)
		lower[i] = (char)(name[i] | 0x20);
	for (const struct command *command = commands; command < commands_end; command++) {
		if (memcmp(lower, command->name, 8) == 0)
			return command;
	}
	return NULL;
}

/* What redis shows of an argument: up to its first NUL byte. */
static int quoted_len(const struct resp_arg *arg, size_t most)
{
	return (int)strnlen(arg->data, arg->len < most ? arg->len : most);
}

static enum command_verdict answer_unknown(const struct command_call *call)
{
	char args[QUOTED_MAX + 8] = "";
	size_t len = 0;

	for (size_t i = 1; i < call->argc && len < QUOTED_MAX; i++) {
		const struct resp_arg *const arg = &call->argv[i];

		len += (size_t)snprintf(args + len, sizeof args - len, "'%.*s' ",
					quoted_len(arg, QUOTED_MAX - len), arg->data);
	}
	return answer_error_text(call, "unknown command '%.*s', with args beginning with: %s",
				 quoted_len(&call->argv[0], QUOTED_MAX), call->argv[0].data, args);
}

enum command_verdict command_read(struct command_context *context, const struct resp_arg *argv,
				  size_t argc, uint64_t now_ns, struct kv_request *request,
				  struct kv_reply *reply)
{
	const struct command_call call = {
		.context = context,
		.command = command_find(argv[0].data, argv[0].len),
		.argv = argv,
		.argc = argc,
		.now_ns = now_ns,
		.request = request,
		.reply = reply,
	};

	if (call.command == NULL) {
		/* A browser was made to talk to us: its headers must not become commands. */
		if (is_word(&argv[0], "post") || is_word(&argv[0], "host:"))
			return COMMAND_DROP;
		return answer_unknown(&call);
	}
	const size_t arity =
		(size_t)(call.command->arity < 0 ? -call.command->arity : call.command->arity);

	if (argc < arity || (call.command->arity > 0 && argc != arity))
		return answer_wrong_arity(&call, NULL);
	return call.command->read(&call);
}

uint32_t command_item_count(const struct kv_request *request, size_t argc)
{
	return (uint32_t)(request->op == KV_MSET ? (argc - 1) / 2 : argc - 1);
}

void command_items(const struct command_context *context, const struct kv_request *request,
		   const struct resp_arg *argv, uint32_t count, struct kv_item *items)
{
	const size_t step = request->op == KV_MSET ? 2 : 1;

	for (uint32_t i = 0; i < count; i++) {
		const struct resp_arg *const arg = &argv[1 + i * step];
		struct kv_item *const item = &items[i];

		item->key = arg->data;
		item->key_len = (uint32_t)arg->len;
		item->next = KV_NO_ITEM;
		item->hash = hash_key(&context->secret, arg->data, arg->len);
		if (request->op == KV_MSET) {
			item->value = arg[1].data;
			item->value_len = (uint32_t)arg[1].len;
		} else {
			item->reply.kind = KV_NOTHING;
		}
	}
}

void command_refuse(struct command_context *context, const char *error, struct kv_reply *reply)
{
	const struct command_call call = {.context = context, .reply = reply};

	answer_error_text(&call, "%s", error);
}
