/* SPDX-License-Identifier: MIT */
/*
 * gather.h - asking many cores at once, and telling all of them something.
 *
 *     struct quoit_gather_part parts[QUOIT_CORES_MAX];
 *     struct quoit_gather sum = {.parts = parts, .op = OP_COUNT, .fn = add_up, .ctx = self};
 *
 *     rc = quoit_gather_all(core, &sum);
 *
 * and add_up() is called once, when the last answer is there: sum.parts[i].answer is what core
 * sum.parts[i].to has said. Answers may be missing: their status says why (-ECANCELED, -ETIMEDOUT).
 *
 * Nothing is allocated: the state is the caller's. For a core to which there is no credit now the
 * question stands in line, before whoever asks later, and is sent as soon as there is one.
 *
 * Thread: the core's, in all of these.
 */
#ifndef QUOIT_RUNTIME_GATHER_H
#define QUOIT_RUNTIME_GATHER_H

#include <quoit/runtime/mail.h>
#include <quoit/runtime/timer.h>

QUOIT_C_BEGIN

struct quoit_gather;
struct quoit_mail;

typedef void (*quoit_gather_fn)(struct quoit_core *core, struct quoit_gather *gather, void *ctx);

/* A place in the line for a credit. */
struct quoit__call_wait {
	struct quoit__call_wait *next;
	struct quoit__call_wait *prev;
	/* 0: there is a credit, use it now. -errno: there will be none. It is in no line then. */
	void (*go)(struct quoit_mail *mail, struct quoit__call_wait *wait, int status);
};

/* One core's part. */
struct quoit_gather_part {
	/* Filled in by the caller; quoit_gather_all() fills in `to`. */
	unsigned to;
	const void *body; /* what this one is asked, of gather.len bytes; NULL: gather.body */

	/* Of use when fn is called. */
	struct quoit_message answer;

	/* The library's. */
	struct quoit__call_wait wait;
	struct quoit_gather *gather;
	uint64_t token;
	bool waits; /* in line for a credit */
	bool over;  /* answered, or given up */
};

struct quoit_gather {
	/* Filled in by the caller; the rest of the struct may be anything. */
	struct quoit_gather_part *parts;
	unsigned count; /* of parts; quoit_gather_all() fills it in */
	unsigned op;
	const void *body; /* may be needed until fn is called */
	size_t len;
	quoit_gather_fn fn;
	void *ctx;
	struct quoit_call_options
		options; /* on whose behalf, and how long it may take altogether */

	/* The library's. */
	struct quoit_core *core;
	struct quoit_timer timer;
	unsigned left;
	uint8_t depth;
};

/*
 * Ask the core of each part, which may be this one and may be the same for several. When 0 was
 * returned, fn is called exactly once, later; until then gather, parts and bodies must stay. After
 * that they are the caller's again: an answer that comes too late touches nothing of them, but what
 * the bodies point to is like that of a call that has timed out.
 *
 * Errors: those of quoit_call_with() but -EAGAIN, and -EINVAL without parts; nobody was asked then.
 */
QUOIT_MUST_CHECK int quoit_gather_start(struct quoit_core *core, struct quoit_gather *gather);

/*
 * The same for every core, this one included. There must be quoit_core_count() parts; a part's body
 * is not looked at. Errors: those of quoit_gather_start().
 */
QUOIT_MUST_CHECK int quoit_gather_all(struct quoit_core *core, struct quoit_gather *gather);

/*
 * Post to every core, this one included, or to none of them.
 *
 * Errors: -EAGAIN some lane has no room now, nothing was posted, and `credit` tells of each such
 * core with QUOIT_CREDIT_POST; the others of quoit_post().
 */
QUOIT_RT QUOIT_MUST_CHECK int quoit_broadcast(struct quoit_core *core, unsigned op,
					      const void *body, size_t len);

QUOIT_C_END

#endif
