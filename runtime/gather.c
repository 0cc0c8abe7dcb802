/* SPDX-License-Identifier: MIT */
/*
 * gather.c - see gather.h.
 *
 * Each part is a call of its own, or stands in line for one. The time of the whole is on one timer:
 * when it is up, parts in line leave it, and calls under way are forgotten by their tokens, so that
 * nothing points to the caller's memory any more.
 */
#include <quoit/runtime/core_internal.h>

#include <errno.h>

static void finish(struct quoit_gather *gather)
{
	if (gather->options.timeout_ns)
		(void)quoit_timers_stop(&gather->core->loop.timers, &gather->timer);
	gather->fn(gather->core, gather, gather->ctx); /* may begin the next one with it */
}

static void end_part(struct quoit_gather_part *part)
{
	struct quoit_gather *gather = part->gather;

	part->over = true;
	if (!--gather->left)
		finish(gather);
}

static void answered(struct quoit_core *core, const struct quoit_message *reply, void *ctx)
{
	struct quoit_gather_part *part = ctx;

	(void)core;
	part->answer = *reply;
	end_part(part);
}

static void give_up(struct quoit_gather_part *part, int status)
{
	part->answer = (struct quoit_message){
		.op = (uint8_t)part->gather->op, .source = (uint16_t)part->to, .status = status};
}

static void send_part(struct quoit_mail *mail, struct quoit_gather_part *part)
{
	const struct quoit_gather *gather = part->gather;

	part->token = quoit_call_begin(mail, &mail->peers[part->to], gather->depth, gather->op,
				       part->body ? part->body : gather->body, gather->len,
				       answered, part);
}

static void its_turn(struct quoit_mail *mail, struct quoit__call_wait *wait, int status)
{
	struct quoit_gather_part *part = quoit_container_of(wait, struct quoit_gather_part, wait);

	part->waits = false;
	if (!status) {
		send_part(mail, part);
		return;
	}
	give_up(part, status);
	end_part(part);
}

static void time_is_up(struct quoit_timer *timer, void *ctx)
{
	struct quoit_gather *gather = ctx;
	struct quoit_mail *mail = &gather->core->mail;

	(void)timer;
	for (unsigned i = 0; i < gather->count; i++) {
		struct quoit_gather_part *part = &gather->parts[i];
		struct quoit_partner *peer = &mail->peers[part->to];

		if (part->over)
			continue;
		if (part->waits)
			quoit_credit_leave(mail, peer, gather->depth, &part->wait);
		else
			quoit_call_forget(mail, peer, part->token);
		give_up(part, -ETIMEDOUT);
		quoit_count(&mail->counts.timed_out, 1);
	}
	gather->fn(gather->core, gather, gather->ctx);
}

static int check(const struct quoit_mail *mail, const struct quoit_gather *gather)
{
	int rc = gather->count && gather->fn ? 0 : -EINVAL;

	for (unsigned i = 0; !rc && i < gather->count; i++) {
		const struct quoit_gather_part *part = &gather->parts[i];

		rc = quoit_call_check(mail, part->to, gather->op, gather->len);
		if (!rc && gather->len && !part->body && !gather->body)
			rc = -EINVAL;
	}
	return rc;
}

int quoit_gather_start(struct quoit_core *core, struct quoit_gather *gather)
{
	struct quoit_mail *mail = &core->mail;
	const int depth = quoit_call_depth(mail, gather->options.caller);
	const uint64_t timeout_ns = gather->options.timeout_ns;
	const uint64_t now = core->loop.now_ns;
	const int rc = check(mail, gather);

	if (rc < 0 || depth < 0)
		return rc < 0 ? rc : depth;
	gather->core = core;
	gather->depth = (uint8_t)depth;
	gather->left = gather->count;
	for (unsigned i = 0; i < gather->count; i++) {
		struct quoit_gather_part *part = &gather->parts[i];
		struct quoit_partner *peer = &mail->peers[part->to];

		part->gather = gather;
		part->wait.go = its_turn;
		part->over = false;
		part->waits = !quoit_credit_is_free(peer, (unsigned)depth);
		if (part->waits)
			quoit_credit_queue(mail, peer, (unsigned)depth, &part->wait);
		else
			send_part(mail, part);
	}
	gather->timer = (struct quoit_timer){.next = NULL};
	if (timeout_ns)
		quoit_timers_start(&core->loop.timers, &gather->timer,
				   timeout_ns < UINT64_MAX - now ? now + timeout_ns : UINT64_MAX,
				   time_is_up, gather);
	return 0;
}

int quoit_gather_all(struct quoit_core *core, struct quoit_gather *gather)
{
	gather->count = core->mail.peer_count;
	for (unsigned i = 0; i < gather->count; i++) {
		gather->parts[i].to = i;
		gather->parts[i].body = NULL;
	}
	return quoit_gather_start(core, gather);
}

int quoit_broadcast(struct quoit_core *core, unsigned op, const void *body, size_t len)
{
	struct quoit_mail *mail = &core->mail;
	int rc = quoit_mail_check(mail, 0, op, len);

	/* Room that is there stays there: nobody else writes to these lanes. */
	for (uint32_t to = 0; to < mail->peer_count && (!rc || rc == -EAGAIN); to++)
		if (!quoit_credit_has_room(&mail->peers[to]))
			rc = quoit_credit_refuse_post(mail, &mail->peers[to]);
	for (uint32_t to = 0; to < mail->peer_count && !rc; to++)
		rc = quoit_post(core, to, op, body, len);
	return rc;
}
