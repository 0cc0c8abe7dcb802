/* SPDX-License-Identifier: MIT */
/*
 * rtm.c - blocks of a real-time pool that come back from other threads, and the table of pools.
 *
 * Two threads give back what the owner handed out, one block both of them. The owner takes in,
 * looks whether what was written arrived, and hands the same block out again; or it resizes the one
 * that both give back, where it is or elsewhere, of which one alone may come true. Apart from that:
 * a thread looks for a range in the registry while another puts ranges in and takes them out.
 */
#include <string.h>

#include <model/model.h>

#define QUOIT__RTM_RANGES_MOST 3
#include <quoit/numa/rtm_registry_internal.h>
#include <quoit/numa/rtm_remote_internal.h>

#define BLOCKS 3

enum flaw {
	FLAWLESS,
	NO_STATE,  /* gives back without asking the state */
	LOOK_ONLY, /* looks at the state and stores it: two give back at once */
	LATE_LINK, /* publishes the block before its link is written */
	NO_HOLD	   /* copies a block that it only looked at */
};

enum resize {
	NO_RESIZE,
	IN_PLACE,
	ELSEWHERE
};

struct plan {
	bool both;	    /* give block 1 back */
	bool again;	    /* the owner hands a block out again */
	enum resize resize; /* the owner resizes block 1 */
	enum flaw flaw;
};

static struct {
	struct quoit__rtm_remote remote;
	uint8_t states[BLOCKS *
		       4]; /* those that are used are 4 bytes apart: for the race detector */
	uint64_t blocks[BLOCKS][2]; /* a link, and what its user wrote */
	QUOIT_ISOLATED uint64_t
		given[3]; /* how often each was given back with success, by thread */
	QUOIT_ISOLATED uint64_t in[BLOCKS]; /* how often the owner has taken it in */
} s;

static void name_blocks(const void *arg)
{
	(void)arg;
	model_name(&s.remote.head, sizeof(s.remote.head), "head");
	model_name(s.states, sizeof(s.states), "states");
	model_name(s.blocks, sizeof(s.blocks), "blocks");
}

static void hand_out(const void *arg)
{
	(void)arg;
	for (int i = 0; i < BLOCKS; i++)
		s.states[4 * i] = QUOIT__RTM_LIVE;
}

static void push_late(void *data)
{
	uint64_t head;

	do
		head = quoit_load(&s.remote.head);
	while (!quoit_cas_release(&s.remote.head, head, (uint64_t)(uintptr_t)data));
	*(uint64_t *)data = head;
}

static int end_state(const struct plan *plan, uint8_t *state)
{
	int rc;

	if (plan->flaw == NO_STATE)
		return 0;
	if (plan->flaw != LOOK_ONLY)
		return quoit__rtm_state_end(state);
	rc = quoit__rtm_state_judge(state);
	if (!rc)
		quoit_store(state, QUOIT__RTM_GONE);
	return rc;
}

static void give(const struct plan *plan, unsigned self, unsigned which)
{
	const int rc = end_state(plan, &s.states[(size_t)4 * which]);

	model_check(!rc || rc == -EALREADY, "another answer");
	if (rc)
		return;
	s.given[self] |= UINT64_C(1) << which;
	s.blocks[which][1] = 10 + which; /* its user's last word */
	if (plan->flaw == LATE_LINK)
		push_late(s.blocks[which]);
	else
		quoit__rtm_remote_push(&s.remote, s.blocks[which]);
}

static void first_giver(const void *arg)
{
	const struct plan *plan = arg;

	give(plan, 1, 0);
	if (plan->both)
		give(plan, 1, 1);
}

static void second_giver(const void *arg)
{
	const struct plan *plan = arg;

	give(plan, 2, 1);
	give(plan, 2, 2);
}

/* Whoever takes one in owns it, and all that was written to it. */
static void take_in(const struct plan *plan)
{
	uint64_t *data, *next;

	for (data = quoit__rtm_remote_take(&s.remote); data; data = next) {
		const size_t which = (size_t)(data - s.blocks[0]) / 2;

		model_check(data >= s.blocks[0] && which < BLOCKS, "a link leads nowhere");
		next = quoit__rtm_remote_next(data);
		model_check(data[1] == 10 + which, "the user's last word did not arrive");
		s.in[which]++;
		model_check(s.in[which] <= 1 + (uint64_t)plan->again, "a block came in twice");
		if (plan->again && which == 0 && s.in[0] == 1) {
			data[1] = 0;
			quoit__rtm_state_begin(&s.states[0]);
			give(plan, 0, 0); /* as a thread that it is passed on to would */
		}
	}
}

/* Elsewhere is a success with which the old one is gone: nobody else may have one with it. */
static void resize(const struct plan *plan)
{
	uint8_t *const state = &s.states[4];
	const int rc = plan->flaw == NO_HOLD ? quoit__rtm_state_judge(state)
					     : quoit__rtm_state_hold(state);

	model_check(!rc || rc == -EALREADY, "another answer");
	if (rc)
		return;
	s.blocks[1][1] = 0; /* its head, in place; its bytes, where they are read to be copied */
	if (plan->resize == IN_PLACE) {
		quoit__rtm_state_keep(state);
		return;
	}
	quoit__rtm_state_drop(state);
	s.given[0] |= UINT64_C(1) << 1;
	s.in[1]++;
}

static void owner(const void *arg)
{
	const struct plan *plan = arg;

	if (plan->resize != NO_RESIZE)
		resize(plan);
	take_in(plan);
	take_in(plan);
}

static void all_in(const void *arg)
{
	const struct plan *plan = arg;

	take_in(plan);
	take_in(plan);
	for (unsigned i = 0; i < BLOCKS; i++) {
		/* In place: who came while it was held was told so, and has nothing to give. */
		if (plan->resize == IN_PLACE && s.states[4 * i] == QUOIT__RTM_LIVE) {
			model_check(i == 1 && !s.in[i], "a block that is in is live");
			continue;
		}
		model_check(s.in[i] == 1 + (uint64_t)(plan->again && i == 0), "a block is lost");
		model_check(s.states[4 * i] == QUOIT__RTM_GONE, "a block that is in is live");
	}
	model_check(!(s.given[1] & s.given[2]), "two have given back one block");
	model_check(plan->again || !(s.given[0] & (s.given[1] | s.given[2])),
		    "a block was moved and given back");
}

static const struct model_target remote = {
	.shared = &s,
	.bytes = sizeof(s),
	.name_all = name_blocks,
	.setup = hand_out,
	.threads = {{"owner", owner}, {"first", first_giver}, {"second", second_giver}},
	.finish = all_in,
};

/* --- the registry ---------------------------------------------------------------------------- */

static struct {
	struct quoit__rtm_registry registry;
} r;

static const struct quoit__rtm_range ranges[] = {{100, 200}, {200, 300}, {500, 600}};

static void name_tables(const void *arg)
{
	(void)arg;
	model_name(&r.registry.turn, sizeof(r.registry.turn), "turn");
	model_name(&r.registry.tables[0], sizeof(r.registry.tables[0]), "table 0");
	model_name(&r.registry.tables[1], sizeof(r.registry.tables[1]), "table 1");
}

static void put_one(const void *arg)
{
	(void)arg;
	model_check(!quoit__rtm_registry_add(&r.registry, ranges[1]), "no room");
}

/* The one that was there before is always found, and what is nobody's never. */
static void seeker(const void *arg)
{
	(void)arg;
	model_check(quoit__rtm_registry_find(&r.registry, 250) == 200, "a range is not found");
}

static void stranger(const void *arg)
{
	uint64_t found;

	(void)arg;
	found = quoit__rtm_registry_find(&r.registry, 150);
	model_check(found == 0 || found == 100, "a range has an address that is not its own");
}

static void changer(const void *arg)
{
	(void)arg;
	model_check(!quoit__rtm_registry_add(&r.registry, ranges[0]), "no room");
	model_check(!quoit__rtm_registry_remove(&r.registry, ranges[0].from), "it is not there");
}

static void others_gone(const void *arg)
{
	(void)arg;
	for (int i = 0; i < 2; i++) {
		model_check(r.registry.tables[i].count == 1, "the tables differ in length");
		model_check(r.registry.tables[i].ranges[0].from == 200, "the tables differ");
	}
}

static const struct model_target registry = {
	.shared = &r,
	.bytes = sizeof(r),
	.name_all = name_tables,
	.setup = put_one,
	.threads = {{"changer", changer}, {"seeker", seeker}, {"stranger", stranger}},
	.finish = others_gone,
};

#define PLAN(...)            \
	&(const struct plan) \
	{                    \
		__VA_ARGS__  \
	}

#define CORRECT(text, what, full, few, ...)                                     \
	{                                                                       \
		.name = "rtm " text, .target = &what, .arg = PLAN(__VA_ARGS__), \
		MODEL_STALE(full, few)                                          \
	}

#define FLAWED(text, sign, ...)                                                           \
	{                                                                                 \
		.name = "rtm mutant: " text, .target = &remote, .arg = PLAN(__VA_ARGS__), \
		.breaks = sign, MODEL_STALE(2, 2)                                         \
	}

#define WEAKENED(text, what, sign, where, kind_of, order_of)                             \
	{                                                                                \
		.name = "rtm mutant: " text, .target = &what, .arg = PLAN(.both = true), \
		.breaks = sign, MODEL_PREEMPTED(3, 3, 3, 3), .mutation = {               \
			where,                                                           \
			kind_of,                                                         \
			order_of                                                         \
		}                                                                        \
	}

const struct model_case model_rtm_cases[] = {
	CORRECT("blocks from two threads, one of them from both", remote, 1, -1, .both = true),
	{.name = "rtm the same, few preemptions",
	 .target = &remote,
	 .arg = PLAN(.both = true),
	 MODEL_PREEMPTED(3, 2, 2, 1)},
	CORRECT("a block that is handed out again at once", remote, 0, -1, .again = true),
	{.name = "rtm a block that is resized where it is",
	 .target = &remote,
	 .arg = PLAN(.both = true, .resize = IN_PLACE),
	 MODEL_PREEMPTED(3, 2, 2, 1)},
	{.name = "rtm a block that is moved elsewhere",
	 .target = &remote,
	 .arg = PLAN(.both = true, .resize = ELSEWHERE),
	 MODEL_PREEMPTED(3, 2, 2, 1)},
	{.name = "rtm the table of pools, while they come and go",
	 .target = &registry,
	 .arg = PLAN(.both = false),
	 MODEL_PREEMPTED(3, 3, 2, 2)},
	FLAWED("gives back without asking the state", "race on blocks", .both = true,
	       .flaw = NO_STATE),
	FLAWED("looks at the state and stores it", "race on blocks", .both = true,
	       .flaw = LOOK_ONLY),
	FLAWED("copies a block that it only looked at", "race on blocks", .flaw = NO_HOLD,
	       .resize = ELSEWHERE),
	FLAWED("the link comes after the block", "race on blocks", .flaw = LATE_LINK),
	WEAKENED("the push is relaxed", remote, "race on blocks", "quoit__rtm_remote_push",
		 MODEL_CAS, MODEL_RELAXED),
	{.name = "rtm mutant: what was resized is kept relaxed",
	 .target = &remote,
	 .arg = PLAN(.resize = IN_PLACE),
	 .breaks = "race on blocks",
	 MODEL_PREEMPTED(3, 3, 3, 3),
	 .mutation = {"quoit__rtm_state_keep", MODEL_STORE, MODEL_RELAXED}},
	WEAKENED("the taking only releases", remote, "race on blocks", "quoit__rtm_remote_take",
		 MODEL_EXCHANGE, MODEL_RELEASE),
	WEAKENED("a table is read relaxed", registry, "is not its own", "quoit__rtm_registry_find",
		 MODEL_LOAD, MODEL_RELAXED),
	WEAKENED("a table is written relaxed", registry, "is not its own",
		 "quoit__rtm_registry_write", MODEL_STORE, MODEL_RELAXED),
	WEAKENED("the turn is told relaxed", registry, "is not its own", "quoit__rtm_registry_turn",
		 MODEL_STORE, MODEL_RELAXED),
	{.target = NULL},
};
