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
 * A request whose handler must call others before it can answer makes nested calls, on behalf of
 * its caller: they take credits of a class of their own, one for each depth. So requests that wait
 * for credits wait for deeper ones only, and the deepest wait for nobody: whoever waits is served.
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

#define QUOIT_CALL_DEPTH_MAX 8	   /* most that config.call_depth may be */
#define QUOIT_CREDIT_POST    (-1)  /* room for posts, where a depth is told */
#define QUOIT_SOURCE_OUTSIDE 65535 /* a thread that is no core: see outsider.h */

/* One line of 64 bytes. Handlers read it in the ring: it is gone when they return. */
struct quoit_message {
	uint8_t op;
	uint8_t depth;	 /* of a request: how many requests it was made on behalf of */
	uint16_t source; /* index of the core that sent it, or QUOIT_SOURCE_OUTSIDE */
	int32_t status;	 /* of a reply: what quoit_reply() was given, or -errno from the library */
	uint64_t token;	 /* the library's: finds the caller */
	unsigned char body[QUOIT_MESSAGE_BODY];
} __attribute__((aligned(64)));

quoit_static_assert(sizeof(struct quoit_message) == 64, "a message is one cache line");

/*
 * Handle a run of messages of one operation from one core. `more`: another run is there and
 * follows, in this turn or, if that has taken too long, the next: work that is done once for many
 * can wait for it.
 */
typedef void (*quoit_messages_fn)(struct quoit_core *core, const struct quoit_message *messages,
				  size_t n, bool more, void *ctx);

/* A call is over: reply->status and body are the answer. Called exactly once per call. */
typedef void (*quoit_reply_fn)(struct quoit_core *core, const struct quoit_message *reply,
			       void *ctx);

/*
 * There is room again after -EAGAIN, for calls of this depth to core `to`, or for posts to it if
 * depth is QUOIT_CREDIT_POST. Called once after each refusal, or several of one kind; what was
 * refused must be tried again, in the order of the refusals if nobody is to wait for ever.
 */
typedef void (*quoit_credit_fn)(struct quoit_core *core, unsigned to, int depth, void *ctx);

/*
 * Say who handles an operation's posts and requests on this core. Every core that may be sent one
 * must say so, in its start function; a message for nobody is a broken contract.
 * Thread: this core's, in its start function.   Errors: -EINVAL op out of range, -EEXIST taken.
 */
QUOIT_MUST_CHECK int quoit_on_message(struct quoit_core *core, unsigned op, quoit_messages_fn fn,
				      void *ctx);

/*
 * Say who is told about new room. One per core. From a refusal until then all calls to that core of
 * that depth are refused, so that nobody overtakes those who wait.
 */
void quoit_on_credit(struct quoit_core *core, quoit_credit_fn fn, void *ctx);

/*
 * Send one message, up to QUOIT_MESSAGE_BODY bytes, to core `to`, which may be this one. It leaves
 * at the end of the turn at the latest.
 *
 * Thread: this core's.
 * Errors: -EAGAIN no room now, `credit` follows; -EINVAL no such core or operation, or too long;
 * -ESHUTDOWN the runtime has stopped so far that nobody would read it.
 */
QUOIT_RT QUOIT_MUST_CHECK int quoit_post(struct quoit_core *core, unsigned to, unsigned op,
					 const void *body, size_t len);

/*
 * Send one message and have `fn` called with the answer. Whatever body points to must stay until
 * then. Errors: those of quoit_post(), and -EINVAL without `fn`. When 0 was returned fn is called
 * exactly once, with status -ECANCELED if the runtime had to stop before the answer came. The
 * request may then still be on its way, or be handled at this moment: what it points to must stay
 * until the stop function.
 *
 * For calls that no request waits for. A request that does is named in one of the next two.
 */
QUOIT_RT QUOIT_MUST_CHECK int quoit_call(struct quoit_core *core, unsigned to, unsigned op,
					 const void *body, size_t len, quoit_reply_fn fn,
					 void *ctx);

/* Where an answer goes. Taken from a request in its handler, used there or any time later. */
struct quoit_caller {
	uint16_t core;
	uint8_t depth;
	uint64_t token;
};

/* Zero means the default everywhere. */
struct quoit_call_options {
	/* Whose request cannot be answered before this call is; NULL: nobody's. */
	const struct quoit_caller *caller;

	/*
	 * Most that the answer may take; 0: any time. Then fn gets status -ETIMEDOUT, and an answer
	 * that comes later is dropped; the credit comes back with it. The other core is not told,
	 * and may still read what the body points to until the stop function.
	 */
	uint64_t timeout_ns;
};

/*
 * As quoit_call(), with options. A post has no caller that waits: on its behalf is like on
 * nobody's. Errors: those of quoit_call(), and -ELOOP if the call would be nested deeper than
 * config.call_depth allows: the handler must answer without it.
 */
QUOIT_RT QUOIT_MUST_CHECK int quoit_call_with(struct quoit_core *core, unsigned to, unsigned op,
					      const void *body, size_t len, quoit_reply_fn fn,
					      void *ctx, const struct quoit_call_options *options);

/* As quoit_call(), on behalf of a request. Errors: those of quoit_call_with(). */
QUOIT_RT QUOIT_MUST_CHECK QUOIT_HOT int quoit_call_nested(struct quoit_core *core,
							  const struct quoit_caller *caller,
							  unsigned to, unsigned op,
							  const void *body, size_t len,
							  quoit_reply_fn fn, void *ctx)
{
	struct quoit_call_options options;

	options.caller = caller;
	options.timeout_ns = 0;
	return quoit_call_with(core, to, op, body, len, fn, ctx, &options);
}

/* Take it from a request. Thread: the core's that handles it. */
QUOIT_RT_WAITFREE QUOIT_HOT struct quoit_caller quoit_caller_of(const struct quoit_message *request)
{
	struct quoit_caller caller;

	caller.core = request->source;
	caller.depth = request->depth;
	caller.token = request->token;
	return caller;
}

/*
 * Answer a request, once; what answers a post goes nowhere. There always is room for it. `status`
 * is the application's, 0 or above; up to QUOIT_MESSAGE_BODY bytes.
 *
 * Thread: the core that got the request.
 */
QUOIT_RT void quoit_reply(struct quoit_core *core, struct quoit_caller caller, int32_t status,
			  const void *body, size_t len);

QUOIT_C_END

#endif
