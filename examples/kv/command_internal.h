/* SPDX-License-Identifier: MIT */
/*
 * command_internal.h - what the two halves of the command table share: command.c reads commands on
 * keys, command_local.c answers those that need no key.
 */
#ifndef KV_COMMAND_INTERNAL_H
#define KV_COMMAND_INTERNAL_H

#include "command.h"

/* One call of a command. */
struct command_call {
	struct command_context *context;
	const struct command *command;
	const struct resp_arg *argv;
	size_t argc;
	uint64_t now_ns;
	struct kv_request *request;
	struct kv_reply *reply;
};

typedef enum command_verdict (*command_fn)(const struct command_call *call);

struct command {
	char name[9];	   /* lower case, at most 8 letters, the rest zero */
	int arity;	   /* the name included; -n: n at least */
	uint8_t op;	   /* enum kv_op, for the functions that serve several commands */
	int8_t amount;	   /* INCR, DECR */
	const char *flags; /* as COMMAND lists them, separated by spaces */
	int8_t first_key;
	int8_t last_key;
	int8_t key_step;
	command_fn read;
};

/* All of them; commands_end is behind the last one. */
extern const struct command commands[];
extern const struct command *const commands_end;

/* NULL if there is none. The case of the name does not matter. */
const struct command *command_find(const char *name, size_t len);

/* An error reply from a format, made in context->text. What it quotes may hold any byte but NUL. */
__attribute__((format(printf, 2, 3))) enum command_verdict answer_error_text(
	const struct command_call *call, const char *format, ...);

/* The sub-command may be NULL. */
enum command_verdict answer_wrong_arity(const struct command_call *call, const char *sub);

/* A reply from what was written to a sink over context->text. */
enum command_verdict answer_text(const struct command_call *call, const struct reply_sink *sink);

enum command_verdict read_ping(const struct command_call *call);
enum command_verdict read_echo(const struct command_call *call);
enum command_verdict read_quit(const struct command_call *call);
enum command_verdict read_info(const struct command_call *call);
enum command_verdict read_config(const struct command_call *call);
enum command_verdict read_command(const struct command_call *call);

#endif
