/* SPDX-License-Identifier: MIT */
/*
 * call.c - posts, calls and replies.
 *
 * Why calls cannot deadlock: a call is only made with a credit, which stands for a slot in the
 * request lane and one in the reply lane; a handler therefore never finds its reply lane full, a
 * core never stops reading, and every reply brings the credit back.
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

void quoit_on_credit(struct quoit_core *core, quoit_credit_fn fn, void *ctx)
{
	core->mail.credit_fn = fn;
	core->mail.credit_ctx = ctx;
}

static int refuse(struct quoit_mail *mail, bool *wants)
{
	*wants = true;
	mail->refused_any = true;
	quoit_count(&mail->counts.refused, 1);
	return -EAGAIN;
}

int quoit_post(struct quoit_core *core, unsigned to, unsigned op, const void *body, size_t len)
{
	struct quoit_mail *mail = &core->mail;
	const int rc = quoit_mail_check(mail, to, op, len);
	struct quoit_peer *peer = &mail->peers[to];
	struct quoit_message *slot;

	if (rc < 0)
		return rc;
	slot = quoit_mail_slot(mail, peer, QUOIT_LANE_POST, op);
	if (!slot) {
		quoit_wake_arm(&peer->out[QUOIT_LANE_POST]->space);
		return refuse(mail, &peer->wants_post);
	}
	if (len)
		memcpy(slot->body, body, len);
	quoit_mail_pass(mail, peer, QUOIT_LANE_POST);
	return 0;
}

/*
 * Token: the frame's number, and how often it has been used, so that a late reply is known. Never
 * 0, which is the token of a post.
 */
static uint64_t token_of(const struct quoit_peer *peer, const struct quoit_frame *frame)
{
	return (uint64_t)frame->generation << 32 | (uint64_t)(frame - peer->frames);
}

int quoit_call(struct quoit_core *core, unsigned to, unsigned op, const void *body, size_t len,
	       quoit_reply_fn fn, void *ctx)
{
	struct quoit_mail *mail = &core->mail;
	const int rc = quoit_mail_check(mail, to, op, len);
	struct quoit_peer *peer = &mail->peers[to];
	struct quoit_message *slot;
	struct quoit_frame *frame;

	if (rc < 0 || mail->calls_closed)
		return rc < 0 ? rc : -ESHUTDOWN;
	if (!fn)
		return -EINVAL; /* who wants no answer posts */
	if (peer->free_frame == QUOIT_FRAME_NONE)
		return refuse(mail, &peer->wants_call);
	slot = quoit_mail_slot(mail, peer, QUOIT_LANE_REQUEST, op);
	QUOIT_ASSERT(slot); /* the credit reserved it */
	frame = &peer->frames[peer->free_frame];
	peer->free_frame = frame->next_free;
	frame->fn = fn;
	frame->ctx = ctx;
	slot->token = token_of(peer, frame);
	if (len)
		memcpy(slot->body, body, len);
	mail->calls_open++;
	quoit_count(&mail->counts.calls, 1);
	quoit_mail_pass(mail, peer, QUOIT_LANE_REQUEST);
	return 0;
}

void quoit_reply(struct quoit_core *core, struct quoit_caller caller, int32_t status,
		 const void *body, size_t len)
{
	struct quoit_mail *mail = &core->mail;
	struct quoit_peer *peer = &mail->peers[caller.core];
	struct quoit_message *slot;

	QUOIT_ASSERT(len <= QUOIT_MESSAGE_BODY);
	if (mail->sealed)
		return; /* the caller was told -ECANCELED when the deadline passed */
	if (!caller.token)
		return; /* a post: nobody waits, and no credit has reserved a slot */
	slot = quoit_mail_slot(mail, peer, QUOIT_LANE_REPLY, 0);
	QUOIT_ASSERT(slot); /* the caller's credit reserved it */
	slot->status = status;
	slot->token = caller.token;
	if (len)
		memcpy(slot->body, body, len);
	quoit_mail_pass(mail, peer, QUOIT_LANE_REPLY);
}

static void free_frame(struct quoit_mail *mail, struct quoit_peer *peer, struct quoit_frame *frame)
{
	frame->fn = NULL;
	frame->generation += frame->generation == UINT32_MAX ? 2 : 1; /* no token is 0 */
	frame->next_free = peer->free_frame;
	peer->free_frame = (uint32_t)(frame - peer->frames);
	mail->calls_open--;
}

void quoit_call_finish(struct quoit_mail *mail, struct quoit_peer *peer,
		       const struct quoit_message *reply)
{
	const uint32_t at = (uint32_t)reply->token;
	struct quoit_frame *frame = &peer->frames[at];
	const quoit_reply_fn fn = frame->fn;

	QUOIT_ASSERT(at < mail->credits);
	if (frame->generation != (uint32_t)(reply->token >> 32) || !fn)
		return; /* was answered with -ECANCELED */
	free_frame(mail, peer, frame);
	fn(mail->core, reply, frame->ctx);
}

uint32_t quoit_mail_cancel_calls(struct quoit_mail *mail)
{
	const uint32_t open = mail->calls_open;

	mail->calls_closed = true; /* the credits freed here are not free at the other end */
	for (uint32_t to = 0; to < mail->peer_count; to++) {
		struct quoit_peer *peer = &mail->peers[to];

		for (uint32_t i = 0; i < mail->credits; i++) {
			struct quoit_message reply = {.source = (uint16_t)to,
						      .status = -ECANCELED,
						      .token = token_of(peer, &peer->frames[i])};

			if (peer->frames[i].fn)
				quoit_call_finish(mail, peer, &reply);
		}
	}
	return open;
}

static bool has_frame(const struct quoit_peer *peer)
{
	return peer->free_frame != QUOIT_FRAME_NONE;
}

static bool has_slot(struct quoit_peer *peer)
{
	return quoit__spsc_room(&peer->out[QUOIT_LANE_POST]->ring.ring, 1) != 0;
}

bool quoit_mail_has_credit(struct quoit_mail *mail)
{
	if (quoit_likely(!mail->refused_any))
		return false;
	for (uint32_t to = 0; to < mail->peer_count; to++) {
		struct quoit_peer *peer = &mail->peers[to];

		if ((peer->wants_call && has_frame(peer)) || (peer->wants_post && has_slot(peer)))
			return true;
	}
	return false;
}

/*
 * Is there what this peer was asked for? Calls and posts do not wait for each other: a call may
 * only be answered when the posts behind it have come.
 */
static bool is_satisfied(struct quoit_peer *peer)
{
	const bool call = peer->wants_call && has_frame(peer);
	const bool post = peer->wants_post && has_slot(peer);

	if (call)
		peer->wants_call = false;
	if (post)
		peer->wants_post = false;
	else if (peer->wants_post)
		/* Others may have taken the room that the reader told of: ask it again. */
		quoit_wake_arm(&peer->out[QUOIT_LANE_POST]->space);
	return call || post;
}

void quoit_mail_tell_credit(struct quoit_mail *mail)
{
	if (quoit_likely(!mail->refused_any))
		return;
	mail->refused_any = false;
	for (uint32_t to = 0; to < mail->peer_count; to++) {
		struct quoit_peer *peer = &mail->peers[to];
		const bool satisfied = is_satisfied(peer);

		mail->refused_any |= peer->wants_call || peer->wants_post;
		if (satisfied && mail->credit_fn)
			mail->credit_fn(mail->core, to, mail->credit_ctx);
	}
}
