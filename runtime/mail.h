/* SPDX-License-Identifier: MIT */
/*
 * mail.h - messages from core to core: one-way posts, and calls that are answered.
 *
 * Between every two cores lie three lanes, each a ring in the memory of the core that reads it:
 * requests, replies and posts. A message is one cache line. Handlers are registered per operation
 * and get whole runs of messages, in place.
 *
 * Nobody ever waits: when a lane has no room the sender is told -EAGAIN, nothing is queued, and
 * `credit` follows once there is room. A call takes a credit that stands for a slot in the request
 * lane, one in the reply lane and a frame that remembers who asked; so an answer always has its
 * place, and no two cores can block each other.
 *
 * Messages between two cores arrive in the order in which they were sent, within a lane.
 */
#ifndef QUOIT_RUNTIME_MAIL_H
#define QUOIT_RUNTIME_MAIL_H

#include <quoit/numa/machine.h>

QUOIT_C_BEGIN

struct quoit_core;

#define QUOIT_MESSAGE_BODY 48
#define QUOIT_OPERATIONS   64 /* operation numbers are 0 to 63, the application's own */

/* One line of 64 bytes. Handlers read it in the ring: it is gone when they return. */
struct quoit_message {
	uint16_t op;
	uint16_t source; /* index of the core that sent it */
	int32_t status;	 /* of a reply: what quoit_reply() was given, or -errno from the library */
	uint64_t token;	 /* the library's: finds the caller */
	unsigned char body[QUOIT_MESSAGE_BODY];
} __attribute__((aligned(64)));

quoit_static_assert(sizeof(struct quoit_message) == 64, "a message is one cache line");

/*
 * Handle a run of messages of one operation from one core. `more`: another run of the same turn
 * follows, so work that is done once for many can wait.
 */
typedef void (*quoit_messages_fn)(struct quoit_core *core, const struct quoit_message *messages,
				  size_t n, bool more, void *ctx);

/* A call is over: reply->status and body are the answer. Called exactly once per call. */
typedef void (*quoit_reply_fn)(struct quoit_core *core, const struct quoit_message *reply,
			       void *ctx);

/* Core `to` has room again, after -EAGAIN. */
typedef void (*quoit_credit_fn)(struct quoit_core *core, unsigned to, void *ctx);

/*
 * Say who handles an operation's posts and requests on this core. Every core that may be sent one
 * must say so, in its start function; a message for nobody is a broken contract.
 * Thread: this core's, in its start function.   Errors: -EINVAL op out of range, -EEXIST taken.
 */
QUOIT_MUST_CHECK int quoit_on_message(struct quoit_core *core, unsigned op, quoit_messages_fn fn,
				      void *ctx);

/* Say who is told about new room. One per core. */
void quoit_on_credit(struct quoit_core *core, quoit_credit_fn fn, void *ctx);

/*
 * Send one message, up to QUOIT_MESSAGE_BODY bytes, to core `to`, which may be this one. It leaves
 * at the end of the turn at the latest.
 *
 * Thread: this core's.
 * Errors: -EAGAIN no room now, `credit` follows; -EINVAL no such core or operation, or too long;
 * -ESHUTDOWN the runtime has stopped so far that nobody would read it.
 */
QUOIT_MUST_CHECK int quoit_post(struct quoit_core *core, unsigned to, unsigned op, const void *body,
				size_t len);

/*
 * Send one message and have `fn` called with the answer. Whatever body points to must stay until
 * then. Errors: those of quoit_post(), and -EINVAL without `fn`. When 0 was returned fn is called
 * exactly once, with status -ECANCELED if the runtime had to stop before the answer came. The
 * request may then still be on its way, or be handled at this moment: what it points to must stay
 * until the stop function.
 */
QUOIT_MUST_CHECK int quoit_call(struct quoit_core *core, unsigned to, unsigned op, const void *body,
				size_t len, quoit_reply_fn fn, void *ctx);

/* Where an answer goes. Taken from a request in its handler, used there or any time later. */
struct quoit_caller {
	uint16_t core;
	uint64_t token;
};

/* Take it from a request. Thread: the core's that handles it. */
QUOIT_HOT struct quoit_caller quoit_caller_of(const struct quoit_message *request)
{
	struct quoit_caller caller;

	caller.core = request->source;
	caller.token = request->token;
	return caller;
}

/*
 * Answer a request, once; what answers a post goes nowhere. There always is room for it. `status`
 * is the application's, 0 or above; up to QUOIT_MESSAGE_BODY bytes.
 *
 * Thread: the core that got the request.
 */
void quoit_reply(struct quoit_core *core, struct quoit_caller caller, int32_t status,
		 const void *body, size_t len);

QUOIT_C_END

#endif
