/* SPDX-License-Identifier: MIT */
/*
 * call.c - posts, calls and replies. Who may call when is in credit.c.
 *
 * A call is only made with a credit, which stands for a slot in the request lane and one in the
 * reply lane; a handler therefore never finds its reply lane full, a core never stops reading, and
 * every reply brings the credit back. A call that has timed out or was cancelled keeps its credit
 * until then: its request and its reply use their slots whether anybody waits for them or not.
 */
#include <quoit/runtime/core_internal.h>

#include <errno.h>
#include <string.h>

int quoit_on_message(struct quoit_core *core, unsigned op, quoit_messages_fn fn, void *ctx)
{
	struct quoit_mail *mail = &core->mail;

	if (op >= QUOIT_OPERATIONS || !fn)
		return quoit_reason_set(&core->why, -EINVAL,
					"operation %u cannot be handled: numbers are 0 to %d", op,
					QUOIT_OPERATIONS - 1);
	if (mail->handlers[op].fn)
		return quoit_reason_set(&core->why, -EEXIST,
					"operation %u has a handler already: choose another number",
					op);
	mail->handlers[op] = (struct quoit_handler){.fn = fn, .ctx = ctx};
	return 0;
}

int quoit_post(struct quoit_core *core, unsigned to, unsigned op, const void *body, size_t len)
{
	struct quoit_mail *mail = &core->mail;
	const int rc = quoit_mail_check(mail, to, op, len);
	struct quoit_partner *peer = &mail->peers[to];
	struct quoit_message *slot;

	if (rc < 0)
		return rc;
	slot = quoit_mail_slot(mail, peer, QUOIT_LANE_POST, op);
	if (!slot)
		return quoit_credit_refuse_post(mail, peer);
	if (len)
		memcpy(slot->body, body, len);
	quoit_mail_pass(mail, peer, QUOIT_LANE_POST);
	return 0;
}

/*
 * Token: the frame's number, and how often it has been used, so that a late reply is known. Never
 * 0, which is the token of a post.
 */
static uint64_t token_of(const struct quoit_partner *peer, const struct quoit_frame *frame)
{
	return (uint64_t)frame->generation << 32 | (uint64_t)(frame - peer->frames);
}

static void stop_timer(struct quoit_mail *mail, struct quoit_partner *peer,
		       struct quoit_frame *frame)
{
	frame->timed = false;
	(void)quoit_timers_stop(&mail->loop->timers, &peer->timers[frame - peer->frames].timer);
}

/* Tell the caller that there will be no answer. The frame stays lent until one comes. */
static void end_unanswered(struct quoit_mail *mail, struct quoit_partner *peer,
			   struct quoit_frame *frame, int status)
{
	const quoit_reply_fn fn = frame->fn;
	const struct quoit_message reply = {.source = (uint16_t)(peer - mail->peers),
					    .status = status,
					    .token = token_of(peer, frame)};

	if (frame->timed)
		stop_timer(mail, peer, frame);
	frame->fn = NULL;
	mail->calls_open--;
	fn(mail->core, &reply, frame->ctx);
}

/* Inlined into both callers: most calls are of class 0 and are not looked at again. */
QUOIT_HOT struct quoit_frame *begin(struct quoit_mail *mail, struct quoit_partner *peer,
				    unsigned depth, unsigned op, const void *body, size_t len,
				    quoit_reply_fn fn, void *ctx)
{
	struct quoit_message *slot = quoit_mail_slot(mail, peer, QUOIT_LANE_REQUEST, op);
	struct quoit_frame *frame = &peer->frames[peer->free_frame[depth]];

	QUOIT_ASSERT(slot); /* the credit reserved it */
	peer->free_frame[depth] = frame->next_free;
	frame->fn = fn;
	frame->ctx = ctx;
	frame->lent = true;
	frame->begun = (uint32_t)(mail->loop->now_ns >> QUOIT_FRAME_AGE);
	slot->depth = (uint8_t)depth;
	slot->token = token_of(peer, frame);
	if (len)
		memcpy(slot->body, body, len);
	mail->calls_open++;
	quoit_count(&mail->counts.calls, 1);
	quoit_mail_pass(mail, peer, QUOIT_LANE_REQUEST);
	return frame;
}

uint64_t quoit_call_begin(struct quoit_mail *mail, struct quoit_partner *peer, unsigned depth,
			  unsigned op, const void *body, size_t len, quoit_reply_fn fn, void *ctx)
{
	return token_of(peer, begin(mail, peer, depth, op, body, len, fn, ctx));
}

int quoit_call_check(const struct quoit_mail *mail, unsigned to, unsigned op, size_t len)
{
	const int rc = quoit_mail_check(mail, to, op, len);

	return rc < 0 || !mail->calls_closed ? rc : -ESHUTDOWN;
}

int quoit_call(struct quoit_core *core, unsigned to, unsigned op, const void *body, size_t len,
	       quoit_reply_fn fn, void *ctx)
{
	struct quoit_mail *mail = &core->mail;
	const int rc = quoit_call_check(mail, to, op, len);
	struct quoit_partner *peer = &mail->peers[to];

	if (rc < 0)
		return rc;
	if (!fn)
		return -EINVAL; /* who wants no answer posts */
	if (quoit_unlikely(!quoit_credit_is_free(peer, 0)))
		return quoit_credit_refuse_call(mail, peer, 0);
	(void)begin(mail, peer, 0, op, body, len, fn, ctx);
	return 0;
}

int quoit_call_depth(const struct quoit_mail *mail, const struct quoit_caller *caller)
{
	const unsigned depth = caller && caller->token ? caller->depth + 1u : 0;

	return depth < mail->depth ? (int)depth : -ELOOP;
}

/* The answer has not come in time. Whoever is asked may still answer: the credit waits for it. */
static void timed_out(struct quoit_timer *timer, void *ctx)
{
	struct quoit_call_timer *deadline =
		quoit_container_of(timer, struct quoit_call_timer, timer);
	struct quoit_mail *mail = deadline->mail;
	struct quoit_partner *peer = ctx;

	quoit_count(&mail->counts.timed_out, 1);
	end_unanswered(mail, peer, &peer->frames[deadline - peer->timers], -ETIMEDOUT);
}

static void set_deadline(struct quoit_mail *mail, struct quoit_partner *peer,
			 struct quoit_frame *frame, uint64_t timeout_ns)
{
	const uint64_t now = mail->loop->now_ns;
	const uint64_t at = timeout_ns < UINT64_MAX - now ? now + timeout_ns : UINT64_MAX;

	frame->timed = true;
	quoit_timers_start(&mail->loop->timers, &peer->timers[frame - peer->frames].timer, at,
			   timed_out, peer);
}

int quoit_call_with(struct quoit_core *core, unsigned to, unsigned op, const void *body, size_t len,
		    quoit_reply_fn fn, void *ctx, const struct quoit_call_options *options)
{
	struct quoit_mail *mail = &core->mail;
	const int depth = quoit_call_depth(mail, options->caller);
	const int rc = quoit_call_check(mail, to, op, len);
	struct quoit_partner *peer = &mail->peers[to];
	struct quoit_frame *frame;

	if (rc < 0)
		return rc;
	if (!fn)
		return -EINVAL;
	if (depth < 0)
		return depth;
	if (!quoit_credit_is_free(peer, (unsigned)depth))
		return quoit_credit_refuse_call(mail, peer, (unsigned)depth);
	frame = begin(mail, peer, (unsigned)depth, op, body, len, fn, ctx);
	if (options->timeout_ns)
		set_deadline(mail, peer, frame, options->timeout_ns);
	return 0;
}

void quoit_reply(struct quoit_core *core, struct quoit_caller caller, int32_t status,
		 const void *body, size_t len)
{
	struct quoit_mail *mail = &core->mail;
	struct quoit_message *slot;
	struct quoit_partner *peer;

	QUOIT_ASSERT(len <= QUOIT_MESSAGE_BODY);
	if (mail->sealed)
		return; /* the caller was told -ECANCELED when the deadline passed */
	if (!caller.token)
		return; /* a post: nobody waits, and no credit has reserved a slot */
	peer = &mail->peers[caller.core];
	slot = quoit_mail_slot(mail, peer, QUOIT_LANE_REPLY, 0);
	QUOIT_ASSERT(slot); /* the caller's credit reserved it */
	slot->status = status;
	slot->token = caller.token;
	if (len)
		memcpy(slot->body, body, len);
	quoit_mail_pass(mail, peer, QUOIT_LANE_REPLY);
}

static void free_frame(struct quoit_partner *peer, struct quoit_frame *frame)
{
	frame->fn = NULL;
	frame->lent = false;
	frame->generation += frame->generation == UINT32_MAX ? 2 : 1; /* no token is 0 */
	frame->next_free = peer->free_frame[frame->depth];
	peer->free_frame[frame->depth] = (uint32_t)(frame - peer->frames);
}

void quoit_call_finish(struct quoit_mail *mail, struct quoit_partner *peer,
		       const struct quoit_message *reply)
{
	const uint32_t at = (uint32_t)reply->token;
	struct quoit_frame *frame = &peer->frames[at];
	const quoit_reply_fn fn = frame->fn;

	const bool request_is_answered_once = at < mail->credits && frame->lent &&
					      frame->generation == (uint32_t)(reply->token >> 32);

	QUOIT_ASSERT(request_is_answered_once);
	if (quoit_unlikely(!request_is_answered_once))
		return;
	if (quoit_unlikely(frame->timed))
		stop_timer(mail, peer, frame);
	free_frame(peer, frame);
	if (quoit_unlikely(!fn))
		return; /* nobody waits any more */
	mail->calls_open--;
	fn(mail->core, reply, frame->ctx);
}

void quoit_call_forget(struct quoit_mail *mail, struct quoit_partner *peer, uint64_t token)
{
	struct quoit_frame *frame = &peer->frames[(uint32_t)token];

	if (frame->generation != (uint32_t)(token >> 32) || !frame->fn)
		return;
	if (frame->timed)
		stop_timer(mail, peer, frame);
	frame->fn = NULL;
	mail->calls_open--;
}

uint32_t quoit_mail_cancel_calls(struct quoit_mail *mail)
{
	const uint32_t open = mail->calls_open;

	mail->calls_closed = true;
	for (uint32_t to = 0; to < mail->peer_count; to++) {
		struct quoit_partner *peer = &mail->peers[to];

		for (uint32_t i = 0; i < mail->credits; i++)
			if (peer->frames[i].fn)
				end_unanswered(mail, peer, &peer->frames[i], -ECANCELED);
		quoit_credit_cancel(mail, peer);
	}
	return open;
}
