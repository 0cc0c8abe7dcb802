/* SPDX-License-Identifier: MIT */
/*
 * kv.h - the server: what all cores share, what each core has, what a connection is.
 *
 *   connection.c  bytes become commands; answers leave in the order of the commands
 *   answer.c      a command that cannot be answered on the spot: forwarded, gathered, or waiting
 *   server.c      one core's start and stop, requests from other cores, expiry
 *   back.c        the same for the clients of other processes, each front's core a connection
 *   info.c        the text of INFO
 *
 * Every key belongs to one core, found by its hash. A core answers for its own keys at once and
 * calls the owner for the others; nothing is shared but the configuration and the counters.
 */
#ifndef KV_KV_H
#define KV_KV_H

#include <quoit.h>
#include <quoit/numa/atomic.h>

#include "command.h"

#define KV_OPERATION	 0    /* between cores: a request for the owner of a key */
#define KV_GUEST	 1    /* a front that core 0 has let in, for another core */
#define KV_PENDING_MAX	 1024 /* answers a connection may have waiting */
#define KV_WRITE_PENDING 64   /* so many, and what is ready leaves before the rest */
#define KV_PENDING_BYTES ((size_t)4 << 20)
#define KV_ANSWER_INLINE 512 /* bytes for key and value of a forwarded request, or its answer */
#define KV_BATCH	 32  /* commands read before the first of them is executed */
#define KV_OUT_BYTES	 ((size_t)16 << 10)

struct kv_config {
	char address[64];
	unsigned cores;
	bool show_plan;	       /* once it listens */
	uint64_t memory_bytes; /* of all cores together */
	struct resp_limits limits;
	const char *path; /* of the socket between front and back; NULL: both are this process */
};

/* Written by one core, read by any that answers INFO. */
struct kv_counts {
	uint64_t requests;
	uint64_t local;	    /* keys of our own */
	uint64_t forwarded; /* keys of other cores */
	uint64_t connections;
	uint64_t keys;
	uint64_t used_bytes;
	uint64_t expired;
} QUOIT_ISOLATED;

struct kv_back;

struct kv_server {
	struct kv_config config;
	struct kv_back *back; /* NULL: clients come to this process */
	struct hash_secret secret;
	struct kv_counts counts[QUOIT_CORES_MAX]; /* one per core */
};

struct kv_connection;

/* Where a connection's answers go: a stream, or a link to a front. */
struct kv_wire {
	int (*send)(void *end, const char *data, size_t len); /* 0 or -errno */
	bool (*is_full)(void *end); /* enough waits there; connection_advance() follows */
	void (*close)(void *end);
	void (*cork)(void *end, bool on);
	void (*pause)(void *end, bool on);
	void (*hold)(void *end, bool on); /* it must stay: answers are owed */
};

/* A command whose answer is not written yet. */
struct kv_answer {
	struct kv_answer *next;	       /* of its connection, or free */
	struct kv_answer *next_unsent; /* of the core */
	struct kv_connection *connection;
	struct kv_request request;
	struct kv_reply reply;
	struct kv_gather gather;
	uint32_t *first;      /* of a gathered command: first item per owner; in `memory` */
	uint32_t parts_left;  /* replies to come */
	uint32_t unsent_from; /* owners before it have been asked */
	size_t counted;	      /* bytes of it in the connection's pending_bytes */
	bool closes;	      /* the connection ends after it */
	bool sent;	      /* nothing is left to be sent */
	bool cancelled;	      /* an owner may still use it, until all cores have stopped */
	void *memory;	      /* items, keys and values that outlive the input; NULL: none */
	char bytes[KV_ANSWER_INLINE];
};

struct kv_core {
	struct quoit_core *core;
	struct kv_server *server;
	unsigned cores;
	struct kv_counts *counts;
	struct shard shard;
	struct command_context context;
	struct resp_request parsed;
	struct kv_request batch[KV_BATCH]; /* read, not executed yet; of one connection */
	unsigned batched;
	struct reply_sink sink; /* gathers the answers of one handler call */
	struct quoit_timer expiry;
	struct kv_answer *free_answers;
	struct kv_answer *cancelled;
	struct kv_answer *unsent_first; /* no credit: in the order in which they came */
	struct kv_answer *unsent_last;
	uint32_t *own_first;	   /* scratch: first item per owner */
	struct kv_item *own_items; /* scratch: items of a command that is answered at once */
	char out[KV_OUT_BYTES];
};

struct kv_connection {
	const struct kv_wire *wire;
	void *end; /* of the wire, ours; NULL: gone, waits for its last answer */
	struct kv_core *core;
	struct resp_progress progress;
	struct kv_answer *first; /* answers in order, the oldest first */
	struct kv_answer *last;
	uint32_t pending;
	size_t pending_bytes;
	uint32_t outstanding; /* of these, not answered by their owners yet */
	uint32_t unsent;      /* of these, not sent yet: no credit */
	bool paused;
	bool held;    /* the wire must stay */
	bool closing; /* no more commands are read */
};

/* --- connection.c --- */

extern const struct quoit_stream_events connection_events;

/* Begin and end. NULL: out of memory. */
struct kv_connection *connection_open(struct kv_core *core, const struct kv_wire *wire, void *end);
void connection_end(struct kv_connection *connection);

/*
 * Run the commands that are complete in there, as many as may run now. Gives how many bytes were
 * taken; the rest must be shown again. -1: it is being closed. Then settle.
 */
long connection_feed(struct kv_connection *connection, const char *data, size_t len);
void connection_settle(struct kv_connection *connection);

/* May another command be read now? */
bool connection_may_read(const struct kv_connection *connection);

/* The reply of a waiting answer is known: count what it holds. */
void connection_count(struct kv_answer *answer);

/* Write what is ready, in order; go on reading if that had been stopped. */
void connection_advance(struct kv_connection *connection);

/* --- answer.c --- */

/* A waiting answer at the end of the connection's queue. NULL: out of memory. */
struct kv_answer *answer_queue(struct kv_connection *connection);
void answer_free(struct kv_core *core, struct kv_answer *answer);

/* Execute or forward a command for one key, for many, or for all cores. */
bool answer_one(struct kv_connection *connection, struct kv_request *request);
bool answer_many(struct kv_connection *connection, struct kv_request *request,
		 const struct resp_arg *argv, size_t argc);
bool answer_all(struct kv_connection *connection, struct kv_request *request);

/* There is credit again. */
void answers_send_unsent(struct quoit_core *core, unsigned to, int depth, void *ctx);

/* --- server.c --- */

int server_start(struct quoit_core *core, void *ctx);
void server_stop(struct quoit_core *core, void *ctx);

/* Say where it can be reached, for whoever started it. */
void server_tell(struct quoit_core *core, const struct kv_server *server, int port);

/* Run a request on this core's shard. */
void server_execute(struct kv_core *core, const struct kv_request *request, struct kv_reply *reply);

/* --- back.c --- */

/* Let fronts come to config.path: before the cores start, and after they have ended. */
struct kv_back *back_open(const char *path, struct quoit_reason *why);
void back_close(struct kv_back *back);

int back_start(struct kv_core *core);

/* --- info.c --- */

size_t info_write(void *ctx, char *out, size_t room);

#endif
