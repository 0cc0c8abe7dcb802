/* SPDX-License-Identifier: MIT */
/*
 * command.h - from the arguments of a request to what has to be done, on any core.
 *
 * A command is answered on the spot (PING, errors), or becomes one kv_request for the owner of its
 * key, or one per owner of its keys, or one for every core. Names, arities and the texts of errors
 * are those of redis-server 7.0.
 */
#ifndef KV_COMMAND_H
#define KV_COMMAND_H

#include "hash.h"
#include "resp.h"
#include "shard.h"

#include <stddef.h>
#include <stdint.h>

/* For replies that are made up here: long enough for COMMAND, the longest. */
#define COMMAND_TEXT_BYTES ((size_t)16 << 10)

/* Writes the text of INFO to out, at most room bytes. Returns its length. */
typedef size_t (*command_info_fn)(void *ctx, char *out, size_t room);

/* What a core keeps to read commands. One per core; nothing in it is shared. */
struct command_context {
	struct hash_secret secret; /* the same on all cores */
	uint64_t limit_bytes;	   /* CONFIG GET maxmemory: of all cores together */
	size_t bulk_bytes;	   /* CONFIG GET proto-max-bulk-len */
	command_info_fn info;
	void *info_ctx;
	char text[COMMAND_TEXT_BYTES];
};

enum command_verdict {
	COMMAND_ANSWERED, /* *reply is the answer */
	COMMAND_CLOSE,	  /* *reply is the answer; close when it is sent, read no more */
	COMMAND_DROP,	  /* close now, without an answer */
	COMMAND_ONE,	  /* *request is for the owner of request->hash */
	COMMAND_MANY,	  /* call command_items(), then one request per owner */
	COMMAND_ALL,	  /* *request is for every core; gather their replies */
};

/*
 * Read a command of argc (at least 1) arguments.
 *
 * With COMMAND_MANY only the op of *request is set. What *request and *reply point to lies in the
 * arguments, in the context or in static memory: it is valid until the arguments move or the next
 * call with this context.
 * Thread: the context's.   Units: now_ns on the clock of the shards; the deadline of a SET that
 * names a time of day is translated to it.
 */
enum command_verdict command_read(struct command_context *context, const struct resp_arg *argv,
				  size_t argc, uint64_t now_ns, struct kv_request *request,
				  struct kv_reply *reply);

/* The number of items that a command read as COMMAND_MANY has. */
uint32_t command_item_count(const struct kv_request *request, size_t argc);

/* Fill those items: keys, hashes, values; for MGET replies that are KV_NOTHING yet. */
void command_items(const struct command_context *context, const struct kv_request *request,
		   const struct resp_arg *argv, uint32_t count, struct kv_item *items);

/* The answer to a request that resp_parse() refused: error is its text. Close after it. */
void command_refuse(struct command_context *context, const char *error, struct kv_reply *reply);

#endif
