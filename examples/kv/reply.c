/* SPDX-License-Identifier: MIT */
/* reply.c - replies as values and as RESP2 bytes. */
#include "reply.h"
#include "number.h"
#include "shard.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct text {
	const char *data;
	size_t len;
};

#define TEXT(literal)                         \
	{                                     \
		literal, sizeof(literal) - 1, \
	}

/* As redis-server 7.0 says it. */
static const struct text errors[KV_ERRORS] = {
	[KV_OUT_OF_MEMORY] = TEXT("-OOM command not allowed when used memory > 'maxmemory'.\r\n"),
	[KV_NOT_AN_INTEGER] = TEXT("-ERR value is not an integer or out of range\r\n"),
	[KV_OVERFLOW] = TEXT("-ERR increment or decrement would overflow\r\n"),
	[KV_SYNTAX] = TEXT("-ERR syntax error\r\n"),
	[KV_STRING_TOO_LONG] =
		TEXT("-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n"),
	[KV_REPLY_TOO_LONG] = TEXT("-ERR reply too long, ask for fewer keys at once\r\n"),
};

bool kv_reply_own(struct kv_reply *reply)
{
	if ((reply->kind != KV_BULK && reply->kind != KV_RAW) || reply->place != KV_BORROWED)
		return true;
	const char *const from = reply->bytes;

	if (reply->len <= KV_INLINE_BYTES) {
		memcpy(reply->inline_bytes, from, reply->len);
		reply->place = KV_INLINE;
		return true;
	}
	char *const copy = malloc(reply->len);

	if (copy == NULL) {
		*reply = (struct kv_reply){.kind = KV_ERROR, .error = KV_OUT_OF_MEMORY};
		return false;
	}
	memcpy(copy, from, reply->len);
	reply->bytes = copy;
	reply->place = KV_OWNED;
	return true;
}

void kv_reply_release(struct kv_reply *reply)
{
	if ((reply->kind == KV_BULK || reply->kind == KV_RAW) && reply->place == KV_OWNED)
		free((char *)reply->bytes);
	reply->kind = KV_NOTHING;
}

int reply_flush(struct reply_sink *sink)
{
	if (sink->error == 0 && sink->len > 0)
		sink->error = sink->flush != NULL ? sink->flush(sink->ctx, sink->data, sink->len)
						  : -ENOBUFS;
	sink->len = 0;
	return sink->error;
}

static void append_beyond_room(struct reply_sink *sink, const char *data, size_t len)
{
	if (sink->flush == NULL && sink->error == 0)
		sink->error = -ENOBUFS;
	if (sink->error != 0 || reply_flush(sink) != 0)
		return;
	if (len > sink->room) {
		sink->error = sink->flush(sink->ctx, data, len);
		return;
	}
	memcpy(sink->data, data, len);
	sink->len = len;
}

void reply_append(struct reply_sink *sink, const char *data, size_t len)
{
	if (sink->error != 0 || len > sink->room - sink->len) {
		append_beyond_room(sink, data, len);
		return;
	}
	memcpy(sink->data + sink->len, data, len);
	sink->len += len;
}

void reply_append_number(struct reply_sink *sink, char type, int64_t number)
{
	char head[NUMBER_MAX_LEN + 3];
	const size_t len = 1 + number_format(number, head + 1);

	head[0] = type;
	head[len] = '\r';
	head[len + 1] = '\n';
	reply_append(sink, head, len + 2);
}

void reply_append_bulk(struct reply_sink *sink, const char *data, size_t len)
{
	reply_append_number(sink, '$', (int64_t)len);
	reply_append(sink, data, len);
	reply_append(sink, "\r\n", 2);
}

/* Items hold no arrays, so this is as deep as it gets. */
static void put_one(struct reply_sink *sink, const struct kv_reply *reply)
{
	switch (reply->kind) {
	case KV_OK:
		reply_append(sink, "+OK\r\n", 5);
		break;
	case KV_NIL:
		reply_append(sink, "$-1\r\n", 5);
		break;
	case KV_INTEGER:
		reply_append_number(sink, ':', reply->integer);
		break;
	case KV_BULK:
		reply_append_bulk(sink, kv_reply_bytes(reply), reply->len);
		break;
	case KV_RAW:
		reply_append(sink, kv_reply_bytes(reply), reply->len);
		break;
	case KV_ERROR:
		reply_append(sink, errors[reply->error].data, errors[reply->error].len);
		break;
	default:
		break;
	}
}

void reply_put(struct reply_sink *sink, const struct kv_reply *reply)
{
	if (reply->kind != KV_ARRAY) {
		put_one(sink, reply);
		return;
	}
	reply_append_number(sink, '*', reply->len);
	for (uint32_t i = 0; i < reply->len; i++)
		put_one(sink, &reply->items[i].reply);
}
