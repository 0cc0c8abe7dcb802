/* SPDX-License-Identifier: MIT */
/*
 * front_internal.h - one core of a front: its clients, and its link to the back.
 *
 *   front.c   clients: commands are cut out of the bytes and passed on as they are; replies come
 *             back in the same order, and each belongs to the first client that is owed one
 *   seek.c    the link: got, lost, and looked for again
 *
 * A reply goes to its client piece by piece as it comes, so nothing of it is kept here.
 */
#ifndef KV_FRONT_INTERNAL_H
#define KV_FRONT_INTERNAL_H

#include "kv.h"
#include "link.h"
#include "scan.h"

#define FRONT_OWED_MAX	 1024 /* replies that a core of a front waits for; a power of two */
#define FRONT_CLIENT_MAX 32   /* one client's share of them: nobody knows yet how long they are */
#define FRONT_HIGH	 ((size_t)256 << 10) /* so much unsent, and a client is not read */
#define FRONT_UNSENT_MAX ((size_t)48 << 20)  /* replies that a client has not read: it is ended */

struct front_client {
	struct quoit_stream *stream; /* NULL: gone, waits for its last reply */
	struct kv_front *front;
	struct front_client *next_waiting;
	struct resp_progress progress;
	uint32_t owed;
	bool waits;   /* paused: what it has sent finds no room */
	bool closing; /* nothing more is read; `words` are its last reply */
	size_t words_len;
	char words[160];
};

struct kv_front {
	struct quoit_core *core;
	struct kv_server *server;
	struct resp_limits limits;
	struct command_context context; /* for what needs no key */
	struct resp_request parsed;
	struct front_client *owed[FRONT_OWED_MAX]; /* clients, in the order of their commands */
	uint32_t owed_first;
	uint32_t owed_count;
	struct front_client *waiting;
	struct scan scan; /* of the reply to the first that is owed one */
	struct kv_link *link;
	bool greeted; /* the back has said what it takes: from then on it is asked */
	size_t greeting_len;
	struct kv_greeting greeting;
	/* seek.c */
	int sock;
	unsigned taken;
	struct quoit_shring *rings[2];
	struct quoit_poll offers;
	struct quoit_timer patience;
	struct quoit_timer again;
};

extern const struct kv_link_events front_link_events;

/* --- front.c --- */

/* The link is there, and the greeting has still to come; the link is gone. */
void front_begin(struct kv_front *front, struct kv_link *link);
void front_lost(struct kv_front *front);

/* --- seek.c --- */

/* Look for a back, after this time, until there is one. */
void front_seek(struct kv_front *front, uint64_t delay_ns);

#endif
