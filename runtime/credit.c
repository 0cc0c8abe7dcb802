/* SPDX-License-Identifier: MIT */
/*
 * credit.c - who may call when: classes of credits, those who were refused, and whose turn it is.
 *
 * Why nested calls cannot deadlock. A request that waits for a nested call holds a credit of its
 * own class and waits for one of the next class; credits of the deepest class are held only by
 * requests whose handlers may not call (-ELOOP), and these are answered because reading never waits
 * and their replies have their slots. So the deepest credits come back, then those one above, up to
 * class 0, for which nobody waits who holds anything. With one class for all depths two cores whose
 * requests call back would hold each other's last credits for ever.
 *
 * For that nobody may be overtaken for ever either. A class that refused somebody stays barred for
 * new calls until `credit` was told, which tries again what was refused. Those who wait inside the
 * library, gathers, stand in a queue of their own; it and `credit` take turns to be first.
 */
#include <quoit/runtime/core_internal.h>

#include <errno.h>

void quoit_on_credit(struct quoit_core *core, quoit_credit_fn fn, void *ctx)
{
	core->mail.credit_fn = fn;
	core->mail.credit_ctx = ctx;
}

/* --- refusing -------------------------------------------------------------------------------- */

/* Must new calls of this class let others go first? */
static void bar(const struct quoit_mail *mail, struct quoit_partner *peer, unsigned depth)
{
	const uint8_t bit = (uint8_t)(1u << depth);

	if (peer->waiting[depth].first || (peer->wants_call & bit && mail->credit_fn))
		peer->barred |= bit;
	else
		peer->barred &= (uint8_t)~bit;
}

int quoit_credit_refuse_call(struct quoit_mail *mail, struct quoit_partner *peer, unsigned depth)
{
	peer->wants_call |= (uint8_t)(1u << depth);
	bar(mail, peer, depth);
	mail->refused_any = true;
	quoit_count(&mail->counts.refused, 1);
	return -EAGAIN;
}

int quoit_credit_refuse_post(struct quoit_mail *mail, struct quoit_partner *peer)
{
	quoit_wake_arm(&peer->out[QUOIT_LANE_POST]->space); /* the reader rings when it reads on */
	peer->wants_post = true;
	mail->refused_any = true;
	quoit_count(&mail->counts.refused, 1);
	return -EAGAIN;
}

/* --- waiting in line ------------------------------------------------------------------------- */

void quoit_credit_queue(struct quoit_mail *mail, struct quoit_partner *peer, unsigned depth,
			struct quoit__call_wait *wait)
{
	struct quoit_call_queue *queue = &peer->waiting[depth];

	wait->next = NULL;
	wait->prev = queue->last;
	if (queue->last)
		queue->last->next = wait;
	else
		queue->first = wait;
	queue->last = wait;
	bar(mail, peer, depth);
	mail->refused_any = true;
	mail->calls_open++;
	quoit_count(&mail->counts.refused, 1);
}

void quoit_credit_leave(struct quoit_mail *mail, struct quoit_partner *peer, unsigned depth,
			struct quoit__call_wait *wait)
{
	struct quoit_call_queue *queue = &peer->waiting[depth];

	if (wait->prev)
		wait->prev->next = wait->next;
	else
		queue->first = wait->next;
	if (wait->next)
		wait->next->prev = wait->prev;
	else
		queue->last = wait->prev;
	bar(mail, peer, depth);
	mail->calls_open--;
}

void quoit_credit_cancel(struct quoit_mail *mail, struct quoit_partner *peer)
{
	for (unsigned depth = 0; depth < mail->depth; depth++) {
		struct quoit__call_wait *wait;

		while ((wait = peer->waiting[depth].first)) {
			quoit_credit_leave(mail, peer, depth, wait);
			wait->go(mail, wait, -ECANCELED);
		}
	}
}

/* --- telling --------------------------------------------------------------------------------- */

static bool has_frame(const struct quoit_partner *peer, unsigned depth)
{
	return peer->free_frame[depth] != QUOIT_FRAME_NONE;
}

bool quoit_credit_has_room(struct quoit_partner *peer)
{
	return quoit__spsc_room(&peer->out[QUOIT_LANE_POST]->ring.ring, 1) != 0;
}

static bool is_wanted(const struct quoit_partner *peer, unsigned depth)
{
	return peer->wants_call >> depth & 1 || peer->waiting[depth].first;
}

static bool has_credit(const struct quoit_mail *mail, struct quoit_partner *peer)
{
	for (unsigned depth = 0; depth < mail->depth; depth++)
		if (is_wanted(peer, depth) && has_frame(peer, depth))
			return true;
	return peer->wants_post && quoit_credit_has_room(peer);
}

bool quoit_mail_has_credit(struct quoit_mail *mail)
{
	if (quoit_likely(!mail->refused_any))
		return false;
	for (uint32_t to = 0; to < mail->peer_count; to++)
		if (has_credit(mail, &mail->peers[to]))
			return true;
	return false;
}

static void tell(struct quoit_mail *mail, struct quoit_partner *peer, int depth)
{
	if (mail->credit_fn)
		mail->credit_fn(mail->core, (unsigned)(peer - mail->peers), depth,
				mail->credit_ctx);
}

static void serve_queue(struct quoit_mail *mail, struct quoit_partner *peer, unsigned depth)
{
	struct quoit__call_wait *wait;

	while (has_frame(peer, depth) && (wait = peer->waiting[depth].first)) {
		quoit_credit_leave(mail, peer, depth, wait);
		wait->go(mail, wait, 0);
	}
}

static void tell_refused(struct quoit_mail *mail, struct quoit_partner *peer, unsigned depth)
{
	const uint8_t bit = (uint8_t)(1u << depth);

	if (!(peer->wants_call & bit) || !has_frame(peer, depth))
		return;
	peer->wants_call &= (uint8_t)~bit;
	peer->barred &= (uint8_t)~bit; /* for those who are told, and who come before the line */
	tell(mail, peer, (int)depth);
}

/* There are credits of this class, and somebody who was told that there were none. */
static void hand_out(struct quoit_mail *mail, struct quoit_partner *peer, unsigned depth)
{
	const uint8_t bit = (uint8_t)(1u << depth);

	peer->queue_first ^= bit;
	if (peer->queue_first & bit)
		serve_queue(mail, peer, depth);
	tell_refused(mail, peer, depth);
	serve_queue(mail, peer, depth);
	bar(mail, peer, depth);
}

/*
 * Calls and posts do not wait for each other: a call may only be answered when the posts behind it
 * have come.
 */
static void tell_room(struct quoit_mail *mail, struct quoit_partner *peer)
{
	if (!peer->wants_post)
		return;
	if (quoit_credit_has_room(peer)) {
		peer->wants_post = false;
		tell(mail, peer, QUOIT_CREDIT_POST);
	} else {
		/* Others may have taken the room that the reader told of: ask it again. */
		quoit_wake_arm(&peer->out[QUOIT_LANE_POST]->space);
	}
}

void quoit_mail_tell_credit(struct quoit_mail *mail)
{
	bool refused = false;

	if (quoit_likely(!mail->refused_any))
		return;
	for (uint32_t to = 0; to < mail->peer_count; to++) {
		struct quoit_partner *peer = &mail->peers[to];

		for (unsigned depth = 0; depth < mail->depth; depth++)
			if (is_wanted(peer, depth) && has_frame(peer, depth))
				hand_out(mail, peer, depth);
		tell_room(mail, peer);
	}
	for (uint32_t to = 0; to < mail->peer_count; to++) {
		const struct quoit_partner *peer = &mail->peers[to];

		for (unsigned depth = 0; depth < mail->depth; depth++)
			refused |= is_wanted(peer, depth);
		refused |= peer->wants_post;
	}
	mail->refused_any = refused;
}
