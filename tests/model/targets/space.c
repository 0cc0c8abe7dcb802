/* SPDX-License-Identifier: MIT */
/*
 * space.c - two cores that post to each other through small lanes, as runtime/mail.c does it.
 *
 * A writer that finds the lane full raises the lane's space flag and may go to sleep; the reader
 * rings it when it has freed something. So each core may be asleep for want of news, of space, or
 * of both, with one bell for all of it. A bell is only prepared when it is owed; the system call
 * that ends the turn rings it, before it sleeps.
 */
#include <model/targets/numbers.h>

enum flaw {
	FLAWLESS,
	NO_SPACE_FENCE, /* the reader frees and looks at the flag without a fence */
	NO_SPACE_BELL,	/* the reader does not look at the flag */
	NO_REARM,	/* woken without room, the writer does not raise the flag again */
	NO_SPACE_ARM,	/* the writer does not raise it */
	NO_ROOM_LOOK,	/* before sleeping the writer does not look for room again */
	ROOM_CACHED,	/* or only at its memory of the head */
	BELL_KEPT,	/* a prepared bell is not submitted by the sleep */
	NO_PUBLISH,	/* sleeps with something unpublished */
};

struct plan {
	unsigned capacity;
	unsigned items[2]; /* that each core sends */
	unsigned a_turn;   /* posts in one turn; 0: as many as there is room for */
	enum flaw flaw;
};

static struct {
	struct lane lanes[2]; /* lane i is written by core i */
	struct quoit_wake space[2];
	struct quoit_wake wake[2];
	QUOIT_ISOLATED struct quoit_notify notify[2];
} s;

static void name_all(const void *arg)
{
	(void)arg;
	LANE_NAMES(&s.lanes[0], "0to1.");
	LANE_NAMES(&s.lanes[1], "1to0.");
	model_name(&s.space[0].armed, 4, "0to1.space");
	model_name(&s.space[1].armed, 4, "1to0.space");
	model_name(&s.wake[0].armed, 4, "armed 0");
	model_name(&s.wake[1].armed, 4, "armed 1");
}

static void setup(const void *arg)
{
	const struct plan *plan = arg;

	for (int i = 0; i < 2; i++) {
		lane_setup(&s.lanes[i], plan->capacity, UINT64_MAX);
		s.notify[i] = (struct quoit_notify){&s.wake[i], i};
		quoit_spsc_attach(&s.lanes[i].q.ring, &s.notify[!i]);
	}
}

struct core {
	const struct plan *plan;
	struct lane *in, *out;
	unsigned self;
	bool wants;	/* a post was refused */
	bool more;	/* there are posts left for the next turn */
	bool owes_bell; /* prepared for the other core */
};

static void read_lane(struct core *c)
{
	struct quoit_wake *space = &s.space[!c->self];

	if (!numbers_consume(&c->in->q, SLOTS_MOST, lane_consumed, c->in))
		return;
	if (c->plan->flaw == NO_SPACE_BELL)
		return;
	if (c->plan->flaw != NO_SPACE_FENCE)
		quoit_wake_fence();
	if (quoit_wake_owed(space))
		c->owes_bell = true;
}

static bool has_room(struct core *c)
{
	const struct quoit_spsc *ring = &c->out->q.ring;

	if (c->plan->flaw == ROOM_CACHED)
		return ring->tail_own - ring->head_seen <= ring->mask_producer;
	return quoit__spsc_room(&c->out->q.ring, 1) != 0;
}

static void post_all(struct core *c)
{
	unsigned posts = 0;

	c->more = false;
	while (c->out->sent < c->plan->items[c->self]) {
		size_t granted;
		uint64_t *slot;

		if (c->plan->a_turn && posts++ == c->plan->a_turn) {
			c->more = true;
			return;
		}
		slot = numbers_reserve(&c->out->q, 1, &granted);
		if (!slot) {
			if (c->plan->flaw != NO_SPACE_ARM)
				quoit_wake_arm(&s.space[c->self]);
			c->wants = true;
			return;
		}
		*slot = c->out->sent++;
		quoit_spsc_commit_later(&c->out->q.ring, 1);
	}
}

static void flush(struct core *c)
{
	if (!quoit_spsc_unpublished(&c->out->q.ring) || c->plan->flaw == NO_PUBLISH)
		return;
	quoit_spsc_publish(&c->out->q.ring);
	quoit_wake_fence();
	if (quoit_wake_owed(&s.wake[!c->self]))
		c->owes_bell = true;
}

/* The one enter at the end of a turn: submits the bell, then perhaps sleeps. */
static void enter(struct core *c, bool sleeps)
{
	if (c->owes_bell && (!sleeps || c->plan->flaw != BELL_KEPT)) {
		(void)quoit_notify_ring(&s.notify[!c->self]);
		c->owes_bell = false;
	}
	if (sleeps)
		model_wait(&s.notify[c->self]);
}

static bool is_done(const struct core *c)
{
	return c->out->sent == c->plan->items[c->self] &&
	       c->in->received == c->plan->items[!c->self];
}

static bool has_work(struct core *c)
{
	if (c->more || quoit_spsc_has_news(&c->in->q.ring))
		return true;
	return c->wants && c->plan->flaw != NO_ROOM_LOOK && has_room(c);
}

static void run_core(const struct plan *plan, unsigned self)
{
	struct core c = {.plan = plan, .self = self, .out = &s.lanes[self], .in = &s.lanes[!self]};

	for (;;) {
		read_lane(&c);
		if (!c.wants || has_room(&c)) {
			c.wants = false;
			post_all(&c);
		} else if (plan->flaw != NO_REARM) {
			quoit_wake_arm(&s.space[self]); /* the bell was for an older want */
		}
		flush(&c);
		if (is_done(&c))
			break;
		quoit_wake_arm(&s.wake[self]);
		enter(&c, !has_work(&c));
		quoit_wake_disarm(&s.wake[self]);
	}
	enter(&c, false);
}

static void core0(const void *arg)
{
	run_core(arg, 0);
}

static void core1(const void *arg)
{
	run_core(arg, 1);
}

static void finish(const void *arg)
{
	const struct plan *plan = arg;

	for (int i = 0; i < 2; i++)
		model_check(s.lanes[i].received == plan->items[i], "not everything was read");
}

static const struct model_target cores = {
	.shared = &s,
	.bytes = sizeof(s),
	.name_all = name_all,
	.setup = setup,
	.threads = {{"core0", core0}, {"core1", core1}},
	.finish = finish,
};

#define PLAN(...)            \
	&(const struct plan) \
	{                    \
		__VA_ARGS__  \
	}

#define CORRECT(text, full, few, ...)                                              \
	{                                                                          \
		.name = "space " text, .target = &cores, .arg = PLAN(__VA_ARGS__), \
		MODEL_STALE(full, few)                                             \
	}

#define FLAWED_WITH(text, n, flaw_)                                                          \
	{                                                                                    \
		.name = "space mutant: " text, .target = &cores,                             \
		.arg = PLAN(.capacity = 1, .items = {n, 0}, .a_turn = n - 1, .flaw = flaw_), \
		.breaks = "no bell rings", MODEL_STALE(2, 2)                                 \
	}
#define FLAWED(text, flaw) FLAWED_WITH(text, 2, flaw)

const struct model_case model_space_cases[] = {
	CORRECT("1 slot, 2 posts in one turn", 2, 1, .capacity = 1, .items = {2, 0}),
	CORRECT("1 slot, 2 posts, one a turn", 2, 1, .capacity = 1, .items = {2, 0}, .a_turn = 1),
	CORRECT("1 slot, 3 posts in one turn", 0, -1, .capacity = 1, .items = {3, 0}),
	CORRECT("2 slots, 3 posts, one a turn", 0, -1, .capacity = 2, .items = {3, 0}, .a_turn = 1),
	CORRECT("1 slot, a post each way", 2, 1, .capacity = 1, .items = {1, 1}),
	CORRECT("1 slot, 2 posts one way and 1 the other", 1, 0, .capacity = 1, .items = {2, 1}),
	CORRECT("1 slot, 2 posts each way", 0, -1, .capacity = 1, .items = {2, 2}),
	FLAWED_WITH("the flag is not raised again", 3, NO_REARM),
	FLAWED("no fence before the look at the flag", NO_SPACE_FENCE),
	FLAWED("no look at the flag", NO_SPACE_BELL),
	FLAWED("the flag is not raised", NO_SPACE_ARM),
	FLAWED("no second look for room", NO_ROOM_LOOK),
	FLAWED("a second look at the cached head", ROOM_CACHED),
	FLAWED("a bell that the sleep does not submit", BELL_KEPT),
	FLAWED("asleep with something unpublished", NO_PUBLISH),
	{.target = NULL},
};
