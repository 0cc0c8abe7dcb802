/* SPDX-License-Identifier: MIT */
/*
 * link.h - bytes between two processes over two shared rings, on a loop: what front and back have
 * between them.
 *
 *     link_send() --> unsent --> ring --> the other's loop --> bytes()
 *
 * The rings carry chunks, so a long command goes through a short ring. What finds no room waits in
 * `unsent`, which the sender bounds: after link_is_full() it gives no more until drained(). A
 * reader that has enough says so by link_read(), and then the rings fill up. The other process is
 * believed nothing but bytes.
 *
 * Thread: the loop's.
 */
#ifndef KV_LINK_H
#define KV_LINK_H

#include <quoit.h>

#define KV_LINK_BITS  10 /* chunks of a ring */
#define KV_LINK_BATCH 64 /* chunks that are told at once */
#define KV_LINK_HIGH  ((size_t)256 << 10)
#define KV_LINK_LOW   (KV_LINK_HIGH / 4)

/* What both do while they get a link: look, and do not wait, but not for ever. */
#define KV_AT_ONCE     UINT64_C(1)
#define KV_PATIENCE_NS UINT64_C(1000000000)

struct kv_chunk {
	uint32_t len;
	char bytes[252];
};

/* The back's first bytes: what a front may send it. */
struct kv_greeting {
	uint64_t args;
	uint64_t bulk_bytes;
	uint64_t request_bytes;
};

struct kv_link;

struct kv_link_events {
	void (*bytes)(struct kv_link *link, const char *data, size_t len, void *ctx);
	void (*drained)(struct kv_link *link, void *ctx); /* it was full */
	void (*lost)(struct kv_link *link, void *ctx); /* the other has gone, or talks nonsense */
	void (*over)(struct kv_link *link, void *ctx); /* last of all: its memory is the owner's */
};

struct kv_link {
	struct quoit_loop *loop;
	struct quoit_shring *in;
	struct quoit_shring *out;
	const struct kv_link_events *events;
	void *ctx;
	struct quoit_channel channel;
	struct quoit_space_watch watch;
	struct quoit_task flush;
	char *unsent;
	size_t unsent_at; /* so much of it has been sent */
	size_t unsent_len;
	size_t unsent_room;
	bool full;  /* and somebody waits for drained() */
	bool reads; /* wants bytes */
	bool gone;  /* the other has died */
	bool ended;
	bool over;
	char told[KV_LINK_BATCH * sizeof(((struct kv_chunk *)0)->bytes)];
};

/* How a ring of a link is made, or attached to. */
struct quoit_shring_options link_options(enum quoit_shring_role role);

/*
 * Begin, with two rings, which are the link's from now on, also if it fails: then all of it is
 * over, and nothing is told.
 */
int link_start(struct kv_link *link, struct quoit_loop *loop, struct quoit_shring *in,
	       struct quoit_shring *out, const struct kv_link_events *events, void *ctx);

/* All of it, or nothing: -ENOMEM, -EPIPE after the end. It leaves with the turn. */
int link_send(struct kv_link *link, const void *data, size_t len);

/* Enough waits to be sent. After true drained() is told, once. */
bool link_is_full(struct kv_link *link);

/* Be told bytes, or not. Within bytes() too. */
void link_read(struct kv_link *link, bool on);

/* End it: `over` follows, soon, but nothing else is told. The other process sees us gone. */
void link_end(struct kv_link *link);

#endif
