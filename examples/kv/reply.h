/* SPDX-License-Identifier: MIT */
/*
 * reply.h - the answer to a request: as a value that can travel and wait, and as RESP2 bytes.
 *
 * A kv_reply is 48 bytes, so it fits a slot of a ring as it is. Short texts lie in it; longer ones
 * are borrowed (valid until the next call of who gave it) or owned (allocated; kv_reply_release()
 * frees them, on any thread). Only when it is its turn on its connection is it written as bytes.
 */
#ifndef KV_REPLY_H
#define KV_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KV_INLINE_BYTES 40

enum kv_kind {
	KV_NOTHING, /* no bytes at all */
	KV_OK,
	KV_NIL,
	KV_INTEGER, /* .integer */
	KV_BULK,    /* a string, kv_reply_bytes() */
	KV_RAW,	    /* bytes that are RESP already */
	KV_ERROR,   /* .error says which */
	KV_ARRAY,   /* the replies of .len items at .items */
};

enum kv_place {
	KV_BORROWED,
	KV_INLINE,
	KV_OWNED,
};

/* The errors whose text is fixed. */
enum kv_error {
	KV_NO_ERROR,
	KV_OUT_OF_MEMORY,
	KV_NOT_AN_INTEGER,
	KV_OVERFLOW,
	KV_SYNTAX,
	KV_STRING_TOO_LONG,
	KV_REPLY_TOO_LONG,
	KV_ERRORS,
};

struct kv_item;

struct kv_reply {
	uint8_t kind;	/* enum kv_kind */
	uint8_t place;	/* enum kv_place, of KV_BULK and KV_RAW */
	uint16_t error; /* enum kv_error */
	uint32_t len;
	union {
		int64_t integer;
		const char *bytes; /* borrowed or owned */
		char inline_bytes[KV_INLINE_BYTES];
		const struct kv_item *items;
	};
};

_Static_assert(sizeof(struct kv_reply) == 48, "a reply fills the payload of a ring slot");

static inline const char *kv_reply_bytes(const struct kv_reply *reply)
{
	return reply->place == KV_INLINE ? reply->inline_bytes : reply->bytes;
}

/*
 * Make a reply independent of what it was borrowed from: short bytes move into it, longer ones are
 * copied. If there is no memory it becomes the error that says so, and false is returned. An array
 * is left alone: its items belong to who made them.
 */
bool kv_reply_own(struct kv_reply *reply);

/* Free what a reply owns; it is KV_NOTHING then. Not for the items of an array. */
void kv_reply_release(struct kv_reply *reply);

/*
 * Bytes on their way out: a buffer of the caller's, emptied through `flush` when it is full. What
 * does not fit an empty buffer goes to flush directly. Without flush, or after it failed, the rest
 * is dropped and `error` stays set: the connection cannot go on then.
 */
typedef int (*reply_flush_fn)(void *ctx, const char *data, size_t len);

struct reply_sink {
	char *data;
	size_t room;
	size_t len;
	reply_flush_fn flush; /* 0 or -errno */
	void *ctx;
	int error; /* -ENOBUFS, or what flush gave */
};

void reply_append(struct reply_sink *sink, const char *data, size_t len);

/* Hand what the buffer holds to flush. Returns sink->error. */
int reply_flush(struct reply_sink *sink);

/* The heads of RESP2: "$5\r\n", "*2\r\n", ":-1\r\n" with the type byte given. */
void reply_append_number(struct reply_sink *sink, char type, int64_t number);

void reply_append_bulk(struct reply_sink *sink, const char *data, size_t len);

/* Write a reply as bytes; it is not released. */
void reply_put(struct reply_sink *sink, const struct kv_reply *reply);

#endif
