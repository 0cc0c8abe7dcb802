/* SPDX-License-Identifier: MIT */
/*
 * check.h - the books of one connection: what was asked, what must come back, and whether it did.
 *
 * No sockets here: requests go out through `requests`, received bytes come in through `input`.
 * Replies are compared in the order of the requests, byte for byte.
 */
#ifndef LOAD_CHECK_H
#define LOAD_CHECK_H

#include "histogram.h"
#include "workload.h"

enum {
	CHECK_TEXT = 512,
	CHECK_INPUT_BYTES = 2 * WORKLOAD_BYTES_MAX,
};

/* The first reply that was not as it must be, readable. */
struct difference {
	bool found;
	unsigned connection;
	uint64_t request; /* counted from 1 on its connection */
	size_t at;	  /* the first byte that differs */
	char asked[CHECK_TEXT], expected[CHECK_TEXT], got[CHECK_TEXT];
};

/* What many connections found together. */
struct findings {
	uint64_t asked;
	uint64_t answered; /* rightly or wrongly */
	uint64_t wrong;
	uint64_t lost;
	struct difference first;
	struct histogram latency; /* from the send call to the last byte of the reply, in ns */
};

struct exchange {
	uint64_t asked_ns;
	uint32_t request_bytes, reply_bytes;
};

struct check {
	struct workload workload;
	struct bytes requests; /* all that are unanswered, sent or not */
	struct bytes replies;  /* what must come, one for each of them */
	struct bytes input;
	size_t sent; /* bytes of `requests` the socket has taken */
	struct exchange *exchanges;
	size_t depth;
	uint64_t asked, answered;
	unsigned connection;
	struct findings *findings;
};

/*
 * Owns: `findings` is shared by all checks of a thread and outlives them.
 * Errors: -ENOMEM.
 */
int check_init(struct check *c, struct findings *findings, uint64_t run, unsigned connection,
	       size_t key_count, size_t depth);
void check_fini(struct check *c);

static inline uint64_t check_outstanding(const struct check *c)
{
	return c->asked - c->answered;
}

/* Ask until `depth` requests are outstanding, the buffers are full or there is none any more. */
void check_ask(struct check *c, uint64_t now_ns);

/* What the socket has not taken yet, and that it took some of it. */
static inline size_t check_unsent(const struct check *c)
{
	return bytes_held(&c->requests) - c->sent;
}

static inline const char *check_unsent_data(const struct check *c)
{
	return bytes_front(&c->requests) + c->sent;
}

static inline void check_was_sent(struct check *c, size_t len)
{
	c->sent += len;
}

/*
 * Look at what has been added to `input`. Returns 0, or -EPROTO when what came is no reply, is one
 * nobody asked for, or is larger than any can be: then the connection is of no use any more.
 */
int check_take(struct check *c, uint64_t now_ns);

/* Nothing more will come: what is outstanding is lost. */
void check_give_up(struct check *c);

/* Add one thread's findings to another's. */
void findings_add(struct findings *to, const struct findings *from);

#endif
