/* SPDX-License-Identifier: MIT */
/*
 * command_local.c - the commands that need no key: every core answers them alone.
 *
 * CONFIG, COMMAND and INFO say as much as redis-cli and redis-benchmark want to know, and no more:
 * nothing can be configured here.
 */
#include "command_internal.h"
#include "number.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Longer patterns match nothing that is here. */
#define PATTERN_MAX 64

static struct reply_sink text_sink(const struct command_call *call)
{
	return (struct reply_sink){.data = call->context->text, .room = COMMAND_TEXT_BYTES};
}

static enum command_verdict answer_bulk(const struct command_call *call, const char *bytes,
					size_t len)
{
	call->reply->kind = KV_BULK;
	call->reply->place = KV_BORROWED;
	call->reply->len = (uint32_t)len;
	call->reply->bytes = bytes;
	return COMMAND_ANSWERED;
}

static void append_string(struct reply_sink *sink, const char *text)
{
	reply_append_bulk(sink, text, strlen(text));
}

enum command_verdict read_ping(const struct command_call *call)
{
	if (call->argc > 2)
		return answer_wrong_arity(call, NULL);
	if (call->argc == 2)
		return answer_bulk(call, call->argv[1].data, call->argv[1].len);
	*call->reply = (struct kv_reply){
		.kind = KV_RAW, .place = KV_INLINE, .len = 7, .inline_bytes = "+PONG\r\n"};
	return COMMAND_ANSWERED;
}

enum command_verdict read_echo(const struct command_call *call)
{
	return answer_bulk(call, call->argv[1].data, call->argv[1].len);
}

enum command_verdict read_quit(const struct command_call *call)
{
	call->reply->kind = KV_OK;
	return COMMAND_CLOSE;
}

enum command_verdict read_info(const struct command_call *call)
{
	struct command_context *const context = call->context;
	size_t len = 0;

	if (context->info != NULL)
		len = context->info(context->info_ctx, context->text, sizeof context->text);
	return answer_bulk(call, context->text, len);
}

static enum command_verdict answer_unknown_sub(const struct command_call *call, const char *help)
{
	const struct resp_arg *const sub = &call->argv[1];
	const size_t most = sub->len < 128 ? sub->len : 128;

	return answer_error_text(call, "unknown subcommand '%.*s'. Try %s HELP.",
				 (int)strnlen(sub->data, most), sub->data, help);
}

static bool is_sub(const struct command_call *call, const char *word)
{
	const struct resp_arg *const sub = &call->argv[1];

	return sub->len == strlen(word) && strncasecmp(sub->data, word, sub->len) == 0;
}

static bool matches(const struct command_call *call, const char *name)
{
	for (size_t i = 2; i < call->argc; i++) {
		const struct resp_arg *const arg = &call->argv[i];
		char pattern[PATTERN_MAX + 1] = "";

		if (arg->len > PATTERN_MAX)
			continue;
		memcpy(pattern, arg->data, arg->len);
		if (fnmatch(pattern, name, FNM_CASEFOLD) == 0)
			return true;
	}
	return false;
}

enum command_verdict read_config(const struct command_call *call)
{
	if (!is_sub(call, "get"))
		return answer_unknown_sub(call, "CONFIG");
	if (call->argc < 3)
		return answer_wrong_arity(call, "get");

	char limit[NUMBER_MAX_LEN + 1] = "";
	char bulk[NUMBER_MAX_LEN + 1] = "";

	number_format((int64_t)call->context->limit_bytes, limit);
	number_format((int64_t)call->context->bulk_bytes, bulk);
	const char *const parameters[][2] = {
		{"save", ""},
		{"appendonly", "no"},
		{"maxmemory", limit},
		{"maxmemory-policy", "noeviction"},
		{"proto-max-bulk-len", bulk},
		{"databases", "1"},
	};
	const size_t count = sizeof parameters / sizeof *parameters;
	bool wanted[sizeof parameters / sizeof *parameters];
	int64_t found = 0;

	for (size_t i = 0; i < count; i++)
		found += wanted[i] = matches(call, parameters[i][0]);
	struct reply_sink sink = text_sink(call);

	reply_append_number(&sink, '*', found * 2);
	for (size_t i = 0; i < count; i++) {
		if (wanted[i]) {
			append_string(&sink, parameters[i][0]);
			append_string(&sink, parameters[i][1]);
		}
	}
	return answer_text(call, &sink);
}

static void append_flags(struct reply_sink *sink, const char *flags)
{
	int64_t count = 1;

	for (const char *p = flags; *p != '\0'; p++)
		count += *p == ' ';
	reply_append_number(sink, '*', count);
	for (const char *end; count > 0; count--, flags = end + 1) {
		end = strchrnul(flags, ' ');
		reply_append(sink, "+", 1);
		reply_append(sink, flags, (size_t)(end - flags));
		reply_append(sink, "\r\n", 2);
	}
}

/* The ten fields of redis 7.0; categories, tips, key specifications and sub-commands stay empty. */
static void append_description(struct reply_sink *sink, const struct command *command)
{
	static const char empty[] = "*0\r\n*0\r\n*0\r\n*0\r\n";

	reply_append_number(sink, '*', 10);
	append_string(sink, command->name);
	reply_append_number(sink, ':', command->arity);
	append_flags(sink, command->flags);
	reply_append_number(sink, ':', command->first_key);
	reply_append_number(sink, ':', command->last_key);
	reply_append_number(sink, ':', command->key_step);
	reply_append(sink, empty, sizeof empty - 1);
}

/* COMMAND, COMMAND INFO, COMMAND LIST: all of them, in full or by name. */
static enum command_verdict answer_commands(const struct command_call *call, bool in_full)
{
	struct reply_sink sink = text_sink(call);

	reply_append_number(&sink, '*', commands_end - commands);
	for (const struct command *command = commands; command < commands_end; command++) {
		if (in_full)
			append_description(&sink, command);
		else
			append_string(&sink, command->name);
	}
	return answer_text(call, &sink);
}

static enum command_verdict answer_command_info(const struct command_call *call)
{
	struct reply_sink sink = text_sink(call);

	reply_append_number(&sink, '*', (int64_t)call->argc - 2);
	for (size_t i = 2; i < call->argc; i++) {
		const struct command *const command =
			command_find(call->argv[i].data, call->argv[i].len);

		if (command != NULL)
			append_description(&sink, command);
		else
			reply_append(&sink, "$-1\r\n", 5);
	}
	if (sink.error != 0)
		return answer_error_text(call, "too many commands at once");
	return answer_text(call, &sink);
}

enum command_verdict read_command(const struct command_call *call)
{
	struct reply_sink sink = text_sink(call);

	if (call->argc == 1)
		return answer_commands(call, true);
	if (is_sub(call, "count")) {
		if (call->argc != 2)
			return answer_wrong_arity(call, "count");
		call->reply->kind = KV_INTEGER;
		call->reply->integer = commands_end - commands;
		return COMMAND_ANSWERED;
	}
	if (is_sub(call, "info"))
		return call->argc == 2 ? answer_commands(call, true) : answer_command_info(call);
	if (is_sub(call, "list"))
		return answer_commands(call, false);
	if (is_sub(call, "docs")) { /* redis-cli then goes without hints */
		reply_append(&sink, "*0\r\n", 4);
		return answer_text(call, &sink);
	}
	return answer_unknown_sub(call, "COMMAND");
}
