/* SPDX-License-Identifier: MIT */
/*
 * mail.c - the lanes between cores: sending, and handing whole runs to the handlers.
 *
 * A message is written in place in the other core's ring and passed on at once, but published only
 * per block of slots and at the end of the turn, where one fence covers all targets and each of
 * them is rung at most once, and only if it sleeps.
 */
#include <quoit/runtime/outsider_internal.h>

#include <errno.h>
#include <string.h>

#include <quoit/rings/copy.h>

#define BLOCK_MESSAGES 16  /* published together: 1 KiB */
#define BATCH_MESSAGES 256 /* taken from one lane before the next has its turn */

/* --- laying out ------------------------------------------------------------------------------ */

size_t quoit_mail_capacity(uint32_t credits)
{
	size_t capacity = 2;

	while (capacity < 2 * (size_t)credits)
		capacity *= 2;
	return capacity;
}

static size_t lane_bytes(uint32_t credits)
{
	return sizeof(struct quoit__mail_lane) +
	       quoit_mail_capacity(credits) * sizeof(struct quoit_message);
}

static uint32_t credits_of_all(uint32_t calls, uint32_t depth)
{
	uint32_t sum = 0;

	for (uint32_t d = 0; d < depth; d++)
		sum += quoit_mail_class(calls, d);
	return sum;
}

/* Posts take no credit: their lane is as long as if only calls of class 0 went with them. */
static uint32_t credits_of_lane(const struct quoit_mail *mail, enum quoit_lane_class class,
				uint32_t calls)
{
	return class == QUOIT_LANE_POST ? calls : mail->credits;
}

size_t quoit_mail_bytes(uint32_t cores, uint32_t calls, uint32_t depth)
{
	const uint32_t credits = credits_of_all(calls, depth);
	const size_t per_peer =
		sizeof(struct quoit_partner) + sizeof(uint32_t) +
		credits * (sizeof(struct quoit_frame) + sizeof(struct quoit_call_timer)) +
		2 * lane_bytes(credits) + lane_bytes(calls);

	return cores * (per_peer + (2 * QUOIT_LANE_CLASSES + 2) * QUOIT_ISOLATION) + 4096;
}

static struct quoit__mail_lane *lay_lane(struct quoit_region *region, uint32_t credits)
{
	const size_t capacity = quoit_mail_capacity(credits);
	struct quoit__mail_lane *lane = quoit_region_take(region, sizeof(*lane), QUOIT_ISOLATION);
	struct quoit_message *slots =
		quoit_region_take(region, capacity * sizeof(*slots), QUOIT_ISOLATION);

	if (!lane || !slots || quoit_lane_ring_init(&lane->ring, slots, capacity) < 0)
		return NULL;
	return lane;
}

/* The frames of each class lie together, and hang together. */
static void lay_frames(const struct quoit_mail *mail, struct quoit_partner *peer, uint32_t calls)
{
	uint32_t at = 0;

	for (uint32_t depth = 0; depth < QUOIT_CALL_DEPTH_MAX; depth++) {
		const uint32_t n = depth < mail->depth ? quoit_mail_class(calls, depth) : 0;
		const uint32_t end = at + n;

		peer->free_frame[depth] = n ? at : QUOIT_FRAME_NONE;
		for (; at < end; at++)
			peer->frames[at] = (struct quoit_frame){
				.next_free = at + 1 < end ? at + 1 : QUOIT_FRAME_NONE,
				.generation = 1,
				.depth = (uint8_t)depth,
			};
	}
}

static int lay_peer(struct quoit_mail *mail, struct quoit_partner *peer,
		    struct quoit_region *region, uint32_t calls)
{
	const uint32_t credits = mail->credits;

	for (int class = 0; class < QUOIT_LANE_CLASSES; class ++) {
		peer->in[class] = lay_lane(
			region, credits_of_lane(mail, (enum quoit_lane_class) class, calls));
		if (!peer->in[class])
			return -ENOMEM;
	}
	peer->frames = quoit_region_take(region, credits * sizeof(*peer->frames), QUOIT_ISOLATION);
	peer->timers = quoit_region_take(region, credits * sizeof(*peer->timers), QUOIT_ISOLATION);
	if (!peer->frames || !peer->timers)
		return -ENOMEM;
	lay_frames(mail, peer, calls);
	for (uint32_t i = 0; i < credits; i++)
		peer->timers[i].mail = mail;
	return 0;
}

static size_t dispatch(struct quoit_source *source, size_t budget);
static bool has_news(struct quoit_source *source);
static bool expects_news(const struct quoit_source *source);
static void flush(struct quoit_source *source);

int quoit_mail_open(struct quoit_mail *mail, struct quoit_core *core, struct quoit_loop *loop,
		    struct quoit_region *region, uint32_t self, uint32_t cores, uint32_t calls,
		    uint32_t depth)
{
	*mail = (struct quoit_mail){
		.source = {.dispatch = dispatch,
			   .has_news = has_news,
			   .expects_news = expects_news,
			   .flush = flush},
		.core = core,
		.loop = loop,
		.peer_count = cores,
		.self = self,
		.depth = depth,
		.credits = credits_of_all(calls, depth),
	};
	mail->peers = quoit_region_take(region, cores * sizeof(*mail->peers), QUOIT_ISOLATION);
	mail->dirty = quoit_region_take(region, cores * sizeof(*mail->dirty), QUOIT_ISOLATION);
	if (!mail->peers || !mail->dirty)
		return -ENOMEM;
	for (uint32_t i = 0; i < cores; i++) {
		const int rc = lay_peer(mail, &mail->peers[i], region, calls);

		if (rc < 0)
			return rc;
	}
	quoit_loop_add_source(loop, &mail->source);
	return 0;
}

void quoit_mail_connect(struct quoit_mail *mail, uint32_t peer_index, struct quoit_mail *other)
{
	struct quoit_partner *peer = &mail->peers[peer_index];

	for (int class = 0; class < QUOIT_LANE_CLASSES; class ++) {
		peer->out[class] = other->peers[mail->self].in[class];
		quoit_spsc_attach(&peer->out[class]->ring.ring, &other->loop->notify);
	}
	peer->notify = &other->loop->notify;
	mail->loop->bells[peer_index].notify = peer->notify;
}

/* --- sending --------------------------------------------------------------------------------- */

int quoit_mail_check(const struct quoit_mail *mail, unsigned to, unsigned op, size_t len)
{
	if (to >= mail->peer_count || op >= QUOIT_OPERATIONS || len > QUOIT_MESSAGE_BODY)
		return -EINVAL;
	return mail->sealed ? -ESHUTDOWN : 0;
}

struct quoit_message *quoit_mail_slot(struct quoit_mail *mail, struct quoit_partner *peer,
				      enum quoit_lane_class class, unsigned op)
{
	size_t granted;
	struct quoit_message *slot = quoit_lane_ring_reserve(&peer->out[class]->ring, 1, &granted);

	if (quoit_unlikely(!slot))
		return NULL;
	slot->op = (uint8_t)op;
	slot->depth = 0;
	slot->source = (uint16_t)mail->self;
	slot->status = 0;
	slot->token = 0;
	return slot;
}

void quoit_mail_pass(struct quoit_mail *mail, struct quoit_partner *peer,
		     enum quoit_lane_class class)
{
	struct quoit_spsc *ring = &peer->out[class]->ring.ring;

	quoit_spsc_commit_later(ring, 1);
	if (quoit_spsc_unpublished(ring) >= BLOCK_MESSAGES)
		quoit_spsc_publish(ring); /* the bell follows at the end of the turn */
	if (!peer->dirty) {
		peer->dirty = true;
		mail->dirty[mail->dirty_count++] = (uint32_t)(peer - mail->peers);
	}
	quoit_count(&mail->counts.messages_out, 1);
}

static void publish(struct quoit_partner *peer)
{
	for (int class = 0; class < QUOIT_LANE_CLASSES; class ++)
		if (quoit_spsc_unpublished(&peer->out[class]->ring.ring))
			quoit_spsc_publish(&peer->out[class]->ring.ring);
}

/* What is there can be read already; the bells follow at the end of the turn. */
static void publish_all(struct quoit_mail *mail)
{
	for (uint32_t i = 0; i < mail->dirty_count; i++)
		publish(&mail->peers[mail->dirty[i]]);
}

/* One fence between the last publication of the turn and the look at all the armed flags. */
static void flush(struct quoit_source *source)
{
	struct quoit_mail *mail = quoit_container_of(source, struct quoit_mail, source);

	if (!mail->dirty_count)
		return;
	publish_all(mail);
	quoit_wake_fence();
	for (uint32_t i = 0; i < mail->dirty_count; i++) {
		const uint32_t to = mail->dirty[i];

		mail->peers[to].dirty = false;
		if (to == mail->self)
			continue; /* we look at our own lanes before we sleep */
		if (quoit_wake_owed(mail->peers[to].notify->wake)) {
			quoit_count(&mail->counts.bells_rung, 1);
			quoit_loop_ring(mail->loop, to);
		} else {
			quoit_count(&mail->counts.bells_saved, 1);
		}
	}
	mail->dirty_count = 0;
}

/* --- receiving ------------------------------------------------------------------------------- */

/* The start failed before the handler was named: who asked is told, who posted is being stopped. */
static void turn_away(struct quoit_mail *mail, const struct quoit_message *run, size_t n)
{
	for (size_t i = 0; i < n; i++)
		quoit_reply(mail->core, quoit_caller_of(&run[i]), -ECANCELED, NULL, 0);
}

static void handle_run(struct quoit_mail *mail, const struct quoit_message *run, size_t n,
		       bool more)
{
	const struct quoit_handler *handler = &mail->handlers[run->op % QUOIT_OPERATIONS];

	const bool operation_has_a_handler_on_this_core = handler->fn != NULL;

	if (quoit_unlikely(mail->start_failed && !handler->fn)) {
		turn_away(mail, run, n);
		return;
	}
	QUOIT_ASSERT(operation_has_a_handler_on_this_core); /* see quoit_on_message() */
	quoit_count(&mail->counts.batches, 1);
	handler->fn(mail->core, run, n, more, handler->ctx);
}

/*
 * Cut contiguous messages into runs of one operation. Gives how many were handled: not all when the
 * time is up, unless they must be.
 */
static size_t handle_runs(struct quoit_mail *mail, const struct quoit_message *span, size_t n,
			  bool more, bool all)
{
	size_t from = 0;

	do {
		size_t to = from + 1;

		while (to < n && span[to].op == span[from].op)
			to++;
		handle_run(mail, span + from, to - from, more || to < n);
		from = to;
	} while (from < n && (all || !quoit_loop_is_late(mail->loop)));
	return from;
}

void quoit_mail_handle_span(struct quoit_mail *mail, const struct quoit_message *span, size_t n,
			    bool more)
{
	(void)handle_runs(mail, span, n, more, true);
}

static size_t handle_replies(struct quoit_mail *mail, struct quoit_partner *peer,
			     const struct quoit_message *span, size_t n)
{
	size_t i = 0;

	quoit_count(&mail->counts.batches, 1);
	do
		quoit_call_finish(mail, peer, &span[i++]);
	while (i < n && !quoit_loop_is_late(mail->loop));
	return i;
}

static size_t handle_part(struct quoit_mail *mail, struct quoit_partner *peer,
			  enum quoit_lane_class class, const struct quoit_message *span, size_t n,
			  bool more)
{
	return class == QUOIT_LANE_REPLY ? handle_replies(mail, peer, span, n)
					 : handle_runs(mail, span, n, more, false);
}

/* Somebody found this lane full: tell it that there is room now. */
static void ring_for_space(struct quoit_mail *mail, const struct quoit_partner *peer,
			   struct quoit__mail_lane *lane)
{
	const uint32_t from = (uint32_t)(peer - mail->peers);

	quoit_wake_fence();
	if (quoit_unlikely(quoit_wake_owed(&lane->space)) && from != mail->self)
		quoit_loop_ring(mail->loop, from);
}

/* Handle a batch of one lane, or the part of it that the time suffices for: then it is late. */
static size_t read_lane(struct quoit_mail *mail, struct quoit_partner *peer,
			enum quoit_lane_class class, bool *late)
{
	struct quoit__mail_lane *lane = peer->in[class];
	const struct quoit_spans from = quoit_spsc_readable_spans(&lane->ring.ring, BATCH_MESSAGES);
	size_t n;

	if (quoit_likely(!from.n))
		return 0;
	n = handle_part(mail, peer, class, lane->ring.slots + from.at, from.n, from.rest != 0);
	if (from.rest && n == from.n && !quoit_loop_is_late(mail->loop))
		n += handle_part(mail, peer, class, lane->ring.slots, from.rest, false);
	quoit_lane_ring_advance(&lane->ring, n);
	if (class == QUOIT_LANE_POST)
		ring_for_space(mail, peer, lane);
	quoit_count(&mail->counts.messages_in, n);
	*late = n < from.n + from.rest || quoit_loop_is_late(mail->loop);
	return n;
}

/* The next turn begins with the next core, or if the time was up, with the lane that comes next. */
static size_t read_lanes(struct quoit_mail *mail, size_t budget)
{
	const uint32_t lanes = mail->peer_count * QUOIT_LANE_CLASSES;
	uint32_t at = mail->first;
	size_t handled = 0;
	bool late = false;

	for (uint32_t i = 0; i < lanes && handled < budget && !late; i++) {
		struct quoit_partner *peer = &mail->peers[at / QUOIT_LANE_CLASSES];

		handled += read_lane(mail, peer, (enum quoit_lane_class)(at % QUOIT_LANE_CLASSES),
				     &late);
		at = at + 1 < lanes ? at + 1 : 0;
	}
	if (!late)
		at = (mail->first / QUOIT_LANE_CLASSES + 1) % mail->peer_count * QUOIT_LANE_CLASSES;
	mail->first = at;
	return handled;
}

static size_t dispatch(struct quoit_source *source, size_t budget)
{
	struct quoit_mail *mail = quoit_container_of(source, struct quoit_mail, source);
	size_t handled = read_lanes(mail, budget);

	if (quoit_unlikely(quoit_outside_is_used(mail->outside)))
		handled += quoit_outside_dispatch(mail->outside,
						  mail->loop->wary ? 1 : BATCH_MESSAGES);
	quoit_mail_tell_credit(mail);
	if (handled)
		publish_all(mail);
	return handled;
}

/* If so the first message comes from the other core while the turn begins. */
static bool lane_has_news(struct quoit__mail_lane *lane)
{
	size_t at;

	if (quoit_likely(!quoit_spsc_has_news(&lane->ring.ring)))
		return false;
	(void)quoit_spsc_readable(&lane->ring.ring, &at);
	quoit_prefetch_read(&lane->ring.slots[at]);
	return true;
}

static bool has_news(struct quoit_source *source)
{
	struct quoit_mail *mail = quoit_container_of(source, struct quoit_mail, source);

	for (uint32_t i = 0; i < mail->peer_count; i++)
		for (int class = 0; class < QUOIT_LANE_CLASSES; class ++)
			if (lane_has_news(mail->peers[i].in[class]))
				return true;
	if (quoit_outside_is_used(mail->outside) && quoit_mpsc_has_news(mail->outside->channel))
		return true;
	return quoit_mail_has_credit(mail);
}

static bool expects_news(const struct quoit_source *source)
{
	const struct quoit_mail *mail = quoit_container_of(source, struct quoit_mail, source);

	return mail->calls_open != 0 || mail->refused_any;
}

/* --- ending ---------------------------------------------------------------------------------- */

void quoit_mail_seal(struct quoit_mail *mail)
{
	mail->sealed = true;
	if (mail->outside)
		quoit_outside_close(mail->outside);
	for (uint32_t i = 0; i < mail->peer_count; i++)
		for (int class = 0; class < QUOIT_LANE_CLASSES; class ++)
			quoit_spsc_finish(&mail->peers[i].out[class]->ring.ring);
}

bool quoit_mail_is_drained(struct quoit_mail *mail)
{
	for (uint32_t i = 0; i < mail->peer_count; i++)
		for (int class = 0; class < QUOIT_LANE_CLASSES; class ++)
			if (!quoit_spsc_is_drained(&mail->peers[i].in[class]->ring.ring))
				return false;
	return !mail->outside || quoit_outside_is_drained(mail->outside);
}
