/* SPDX-License-Identifier: MIT */
/*
 * mail_internal.h - one core's end of the mesh: lanes in, lanes out, credits and frames.
 *
 * Credits come in classes, one for each depth of nesting (credit.c says why); requests and replies
 * of all classes share one lane each. Why a lane has room for twice the credits of all classes
 * together: a credit comes back when the reply is handled, and a reader frees slots only after a
 * whole batch. At worst one full set of slots waits to be freed while another full set is already
 * on its way.
 */
#ifndef QUOIT_RUNTIME_MAIL_INTERNAL_H
#define QUOIT_RUNTIME_MAIL_INTERNAL_H

#include <quoit/numa/region.h>
#include <quoit/rings/typed.h>
#include <quoit/runtime/gather.h>
#include <quoit/runtime/loop_internal.h>
#include <quoit/runtime/mail.h>

QUOIT_SPSC(quoit_lane_ring, struct quoit_message);

/* One direction between two cores; lies in the reader's memory. */
struct quoit__mail_lane {
	struct quoit_lane_ring ring;
	/* Raised by a writer that found a post lane full; the reader rings when it has freed some.
	 */
	struct quoit_wake space;
};

enum quoit_lane_class {
	QUOIT_LANE_REPLY, /* read first: replies bring credits back */
	QUOIT_LANE_REQUEST,
	QUOIT_LANE_POST,
	QUOIT_LANE_CLASSES,
};

#define QUOIT_FRAME_NONE UINT32_MAX /* the end of a class's free frames: no credit */

/*
 * What a call remembers until its reply. The frame is the credit: it is lent until the reply has
 * really come, also when nobody waits for that any more, because its slots are in use until then.
 */
struct quoit_frame {
	quoit_reply_fn fn; /* NULL: free, or nobody waits any more */
	void *ctx;
	uint32_t generation;
	uint32_t next_free;
	uint8_t depth;	/* its class; never changes */
	bool lent;	/* the request, or its reply, is under way */
	bool timed;	/* its timer is armed */
	uint32_t begun; /* when, in units of 2^QUOIT_FRAME_AGE ns */
};

#define QUOIT_FRAME_AGE 20

/* The deadline of a call; apart from the frame, which is touched by every call. */
struct quoit_call_timer {
	struct quoit_timer timer;
	struct quoit_mail *mail;
};

/* Those inside the library who wait for a credit, in their own memory. */
struct quoit_call_queue {
	struct quoit__call_wait *first;
	struct quoit__call_wait *last;
};

/* Everything about one other core (or this one itself). */
struct quoit_partner {
	struct quoit__mail_lane *in[QUOIT_LANE_CLASSES];  /* ours: we read */
	struct quoit__mail_lane *out[QUOIT_LANE_CLASSES]; /* theirs: we write */
	struct quoit_notify *notify;			  /* theirs */
	struct quoit_frame *frames;			  /* one per credit, class by class */
	uint32_t free_frame[QUOIT_CALL_DEPTH_MAX];	  /* of each class: a credit */
	bool dirty;					  /* something was sent in this turn */
	bool wants_post;				  /* a post was told -EAGAIN */
	uint8_t wants_call;				  /* bit per class: a call was */
	uint8_t barred;					  /* bit per class: others come first */
	uint8_t queue_first;		 /* bit per class: the queue is told before `credit` next */
	struct quoit_call_timer *timers; /* one per frame */
	struct quoit_call_queue waiting[QUOIT_CALL_DEPTH_MAX];
};

quoit_static_assert(QUOIT_CALL_DEPTH_MAX <= 8, "the classes fit into the bits of a byte");

struct quoit_outside;

struct quoit_handler {
	quoit_messages_fn fn;
	void *ctx;
};

/* Written by the core's thread, readable by any other at any time. */
struct quoit_mail_counts {
	uint64_t messages_in;
	uint64_t messages_out;
	uint64_t batches; /* runs handed to handlers; messages_in / batches is the batch size */
	uint64_t calls;
	uint64_t refused;     /* sends answered -EAGAIN */
	uint64_t timed_out;   /* calls answered -ETIMEDOUT */
	uint64_t bells_rung;  /* targets of a turn that slept */
	uint64_t bells_saved; /* targets of a turn that were awake */
};

struct quoit_mail {
	struct quoit_source source; /* in the loop */
	struct quoit_core *core;
	struct quoit_loop *loop;
	struct quoit_partner *peers;
	uint32_t *dirty; /* peers that something was sent to in this turn */
	uint32_t dirty_count;
	uint32_t peer_count;
	uint32_t self;
	uint32_t depth;	  /* classes of credits */
	uint32_t credits; /* per peer, of all classes */
	uint32_t first;	  /* lane that the next turn begins with, a core's three lie together */
	uint32_t calls_open;
	bool sealed;
	bool refused_any;				 /* some peer wants something */
	bool calls_closed;				 /* the deadline of a stop has passed */
	bool start_failed;				 /* handlers may be missing */
	struct quoit_handler handlers[QUOIT_OPERATIONS]; /* never change once the cores serve */
	struct quoit_outside *outside;			 /* or NULL: nobody may post from there */
	quoit_credit_fn credit_fn;
	void *credit_ctx;
	struct quoit_mail_counts counts;
};

/* Credits of one class, when `calls` is the number for class 0. */
QUOIT_HOT uint32_t quoit_mail_class(uint32_t calls, uint32_t depth)
{
	return depth ? (uint32_t)quoit_max(calls / 4, 1) : calls;
}

/* Bytes of `region` that quoit_mail_open() takes. */
size_t quoit_mail_bytes(uint32_t cores, uint32_t calls, uint32_t depth);

/*
 * Lay the inbound lanes and the frames out in this core's own memory: `calls` credits for calls
 * outside of requests, and `depth` classes, 1 to QUOIT_CALL_DEPTH_MAX. Errors: -ENOMEM.
 */
QUOIT_MUST_CHECK int quoit_mail_open(struct quoit_mail *mail, struct quoit_core *core,
				     struct quoit_loop *loop, struct quoit_region *region,
				     uint32_t self, uint32_t cores, uint32_t calls, uint32_t depth);

/* Join our outbound lanes to the other end's inbound ones. Both ends must be open. */
void quoit_mail_connect(struct quoit_mail *mail, uint32_t peer, struct quoit_mail *other);

/* Hand contiguous messages of one source out, in runs of one operation. */
void quoit_mail_handle_span(struct quoit_mail *mail, const struct quoit_message *span, size_t n,
			    bool more);

/* Slots of a lane for so many credits. */
size_t quoit_mail_capacity(uint32_t credits);

/* Send nothing more, and take nothing in from outside: tell every reader that its lane has ended.
 */
void quoit_mail_seal(struct quoit_mail *mail);

/* Has every lane that we read ended, and been read to its end? */
bool quoit_mail_is_drained(struct quoit_mail *mail);

/* Answer every open call with -ECANCELED; replies that come later are dropped. Gives how many. */
uint32_t quoit_mail_cancel_calls(struct quoit_mail *mail);

/* --- call.c --- */

/* A reply has come: give the credit back and tell the caller. */
void quoit_call_finish(struct quoit_mail *mail, struct quoit_partner *peer,
		       const struct quoit_message *reply);

/*
 * Take a credit of this class, which there must be, and send the request. Gives the token, by which
 * quoit_call_forget() knows the call.
 */
uint64_t quoit_call_begin(struct quoit_mail *mail, struct quoit_partner *peer, unsigned depth,
			  unsigned op, const void *body, size_t len, quoit_reply_fn fn, void *ctx);

/* Can such a call be made? 0, -EINVAL or -ESHUTDOWN. */
int quoit_call_check(const struct quoit_mail *mail, unsigned to, unsigned op, size_t len);

/* The class of a call on behalf of `caller`, or of nobody if that is NULL. Errors: -ELOOP. */
int quoit_call_depth(const struct quoit_mail *mail, const struct quoit_caller *caller);

/* Nobody waits for the answer of this call any more, if it is still open. */
void quoit_call_forget(struct quoit_mail *mail, struct quoit_partner *peer, uint64_t token);

/* --- credit.c --- */

/* May a call of this class be made now, before those who were refused? */
QUOIT_HOT bool quoit_credit_is_free(const struct quoit_partner *peer, unsigned depth)
{
	return peer->free_frame[depth] != QUOIT_FRAME_NONE && !(peer->barred >> depth & 1);
}

/* Is there a slot for a post? */
bool quoit_credit_has_room(struct quoit_partner *peer);

/* A call or a post is refused: remember whom to tell. Give -EAGAIN. */
int quoit_credit_refuse_call(struct quoit_mail *mail, struct quoit_partner *peer, unsigned depth);
int quoit_credit_refuse_post(struct quoit_mail *mail, struct quoit_partner *peer);

/* Wait in line for a credit of this class; counts as an open call meanwhile. */
void quoit_credit_queue(struct quoit_mail *mail, struct quoit_partner *peer, unsigned depth,
			struct quoit__call_wait *wait);

/* Leave the line. */
void quoit_credit_leave(struct quoit_mail *mail, struct quoit_partner *peer, unsigned depth,
			struct quoit__call_wait *wait);

/* Tell all who wait in line for this core that there will be no credit. */
void quoit_credit_cancel(struct quoit_mail *mail, struct quoit_partner *peer);

/* Is there room again for somebody who was refused? */
bool quoit_mail_has_credit(struct quoit_mail *mail);

/* Tell those who were refused, if there is room now. */
void quoit_mail_tell_credit(struct quoit_mail *mail);

/* The next slot of a lane to `peer`, with its head filled in; NULL when there is no room. */
struct quoit_message *quoit_mail_slot(struct quoit_mail *mail, struct quoit_partner *peer,
				      enum quoit_lane_class class, unsigned op);

/* Pass that slot on. */
void quoit_mail_pass(struct quoit_mail *mail, struct quoit_partner *peer,
		     enum quoit_lane_class class);

/* Are these arguments of a send possible? 0, -EINVAL or -ESHUTDOWN. */
int quoit_mail_check(const struct quoit_mail *mail, unsigned to, unsigned op, size_t len);

#endif
