/* SPDX-License-Identifier: MIT */
/*
 * shard.h - what one core owns of the keys, and the requests it executes on them.
 *
 * A kv_request is 48 bytes, the payload of a ring slot. It points to key and value, which belong to
 * the asker and stay until it has the reply. A request for many keys is split by owner: each owner
 * gets one request that points to the same array of items and to the first of its own there; the
 * items of an owner are chained by index in the order of the command, so MSET a 1 a 2 leaves 2.
 * An owner writes only into its own items, and only before it replies.
 *
 * A command on many keys is one step on each core and not one step over all of them: another client
 * may see a half of an MSET, and one that runs out of memory may have set some of its keys.
 */
#ifndef KV_SHARD_H
#define KV_SHARD_H

#include "reply.h"
#include "table.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kv_op {
	KV_GET,
	KV_SET,
	KV_DEL,
	KV_EXISTS,
	KV_ADD, /* INCR, DECR, INCRBY */
	KV_STRLEN,
	KV_APPEND,
	KV_MGET, /* from here on: items */
	KV_MSET,
	KV_MDEL,
	KV_MEXISTS,
	KV_DBSIZE, /* from here on: every core, nothing but the op */
	KV_FLUSH,
};

enum kv_flag {
	KV_IF_ABSENT = 1,  /* SET NX */
	KV_IF_PRESENT = 2, /* SET XX */
	KV_OLD_VALUE = 4,  /* SET GET */
	KV_BORROW = 8,	   /* the reply may point into the table until the next call */
};

#define KV_NO_ITEM UINT32_MAX

/* Values that one MGET gets from one shard, or a small request would take memory without bound. */
#define KV_MGET_BYTES ((size_t)16 << 20)

/* One key of many; what comes in and what goes out share their place. */
struct kv_item {
	const char *key;
	uint32_t key_len;
	uint32_t next; /* of the same owner, KV_NO_ITEM at the end */
	uint64_t hash;
	union {
		struct {
			const char *value; /* MSET */
			uint32_t value_len;
		};
		struct kv_reply reply; /* MGET, from its owner */
	};
};

struct kv_request {
	uint8_t op;    /* enum kv_op */
	uint8_t flags; /* enum kv_flag */
	uint16_t reserved;
	uint32_t key_len;
	uint64_t hash;
	union {
		const char *key;
		struct kv_item *items;
	};
	union {
		const char *value; /* SET, APPEND */
		char *room;	   /* GET: where the asker would like the value; NULL: nowhere */
	};
	uint32_t value_len; /* of either */
	uint32_t first_item;
	union {
		uint64_t deadline_ns; /* SET: as table_set() takes it */
		int64_t amount;	      /* ADD */
	};
};

_Static_assert(sizeof(struct kv_request) == 48, "a request fills the payload of a ring slot");

struct shard {
	struct table table;
	uint64_t now_ns;   /* the core's clock, set by it once per turn */
	size_t bulk_bytes; /* how long APPEND may make a value */
};

/*
 * Execute a request on this shard; the keys in it must be its own.
 *
 * Never fails: what goes wrong is the reply. Without KV_BORROW the reply (and the replies in the
 * items of MGET) are independent of the table: inline or owned. A MGET, MSET, MDEL or MEXISTS gives
 * a part of the answer, for gather_add().
 * Thread: the core that owns the shard.   Owns: the reply's bytes pass to the caller.
 */
void shard_execute(struct shard *shard, const struct kv_request *request, struct kv_reply *reply);

/*
 * Chain `count` items by owner: first[owner] is its first item or KV_NO_ITEM, for all `cores`.
 * Returns how many owners there are.
 */
unsigned items_scatter(struct kv_item *items, uint32_t count, unsigned cores, uint32_t *first);

/* How many bytes the keys and, with MSET, the values of items take. */
size_t items_bytes(const struct kv_item *items, uint32_t count, enum kv_op op);

/* Copy those bytes to `to` and let the items point there, so that they outlive the input. */
void items_move(struct kv_item *items, uint32_t count, enum kv_op op, char *to);

/* Likewise for the key and value of a request without items. */
size_t request_bytes(const struct kv_request *request);
void request_move(struct kv_request *request, char *to);

/* The parts of an answer that several cores give. One command; the asker's thread. */
struct kv_gather {
	uint8_t op; /* enum kv_op, KV_MGET or later */
	uint8_t error;
	uint32_t count;
	struct kv_item *items; /* NULL without */
	int64_t sum;
};

/* Take one owner's part. Any order, each owner once. */
void gather_add(struct kv_gather *gather, const struct kv_reply *part);

/* The whole answer, after the last part. The array of MGET lives as long as the items do. */
void gather_finish(const struct kv_gather *gather, struct kv_reply *reply);

/* Release the replies that the items of a MGET own. Before the items go, answered or not. */
void gather_release(struct kv_gather *gather);

#endif
