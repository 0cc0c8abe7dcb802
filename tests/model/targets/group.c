/* SPDX-License-Identifier: MIT */
/*
 * group.c - rings/group.h: readers of one ring that sleep by themselves and are rung one at a time.
 *
 * Each reader takes as many items as it wants, one after the other, and ends. The producer
 * publishes as many as they want altogether. A reader that is left asleep beside an item never
 * ends, which the checker reports. Who leaves the group spoils its notifier.
 */
#include <model/targets/list.h>

#include <quoit/rings/spmc.h>

#define SLOTS	4
#define READERS 3

enum flaw {
	FLAWLESS,
	KEEPS,	     /* does not pass on what it leaves */
	DEAF,	     /* ends its arming without asking whether it was called */
	NO_SCAN,     /* sleeps without a second look */
	IMPATIENT,   /* leaves without waiting for who may be about to ring */
	LEAVES_HARD, /* leaves without passing on */
};

struct plan {
	unsigned batches; /* publications */
	unsigned batch;	  /* items of each */
	unsigned wants[READERS];
	bool stays; /* nobody leaves: who has what it wants just goes on with other things */
	bool ends;  /* each reads until the end, however much that is */
	enum flaw flaw;
};

struct reader {
	struct quoit_wake wake;
	QUOIT_ISOLATED struct quoit_notify notify;
	struct quoit_spmc_consumer consumer;
	int place;
	unsigned taken;
};

static struct {
	struct quoit_spmc ring;
	struct quoit_lane_block blocks[SLOTS];
	struct quoit_group group;
	QUOIT_ISOLATED uint64_t slots[SLOTS];
	struct reader readers[READERS];
} s;

static void name_all(const void *arg)
{
	(void)arg;
	model_name(&s.ring.lane.tail, 8, "tail");
	model_name(&s.ring.lane.claim, 8, "claim");
	model_name(&s.ring.lane.ringing, 4, "ringing");
	model_name(&s.ring, sizeof(s.ring), "ring");
	model_name(&s.group.members[0], 8, "place 0");
	model_name(&s.group.members[1], 8, "place 1");
	model_name(&s.group.members[2], 8, "place 2");
	model_name(&s.group, sizeof(s.group), "group");
	model_name(&s.readers[0].wake.armed, 4, "armed 0");
	model_name(&s.readers[1].wake.armed, 4, "armed 1");
	model_name(&s.readers[2].wake.armed, 4, "armed 2");
	model_name(&s.readers[0].notify, sizeof(s.readers[0].notify), "notify 0");
	model_name(&s.readers[1].notify, sizeof(s.readers[1].notify), "notify 1");
	model_name(&s.readers[2].notify, sizeof(s.readers[2].notify), "notify 2");
}

static void setup_readers(unsigned readers)
{
	const struct quoit_spmc_options options = {
		.capacity_slots = SLOTS, .block_slots = 1, .consumers_most = READERS};

	if (quoit_spmc_init(&s.ring, s.slots, s.blocks, &options) ||
	    quoit_spmc_attach_group(&s.ring, &s.group))
		__builtin_trap();
	for (unsigned i = 0; i < readers; i++) {
		struct reader *const r = &s.readers[i];

		r->notify = (struct quoit_notify){&r->wake, (int)i};
		if (quoit_spmc_register_consumer(&s.ring, &r->consumer))
			__builtin_trap();
		r->place = quoit_spmc_join(&s.ring, &r->notify);
	}
}

static void setup(const void *arg)
{
	(void)arg;
	setup_readers(2);
}

/* The second reader makes its notifier, and joins, while the producer runs. */
static void setup_late(const void *arg)
{
	setup(arg);
	if (quoit_spmc_leave(&s.ring, s.readers[1].place))
		__builtin_trap();
	s.readers[1].notify = (struct quoit_notify){NULL, -1};
}

static void setup3(const void *arg)
{
	(void)arg;
	setup_readers(3);
}

static void producer(const void *arg)
{
	const struct plan *plan = arg;

	for (unsigned i = 0; i < plan->batches; i++) {
		for (unsigned k = 0; k < plan->batch; k++) {
			size_t at;

			model_check(quoit_spmc_reserve(&s.ring, 1, &at) == 1, "no room");
			s.slots[at] = 1;
			quoit_spmc_commit_later(&s.ring, 1);
		}
		quoit_spmc_flush(&s.ring);
	}
	if (plan->ends)
		quoit_spmc_finish(&s.ring);
}

static bool has_ended(const struct plan *plan)
{
	/* finish: pairs with quoit_lane_finish() */
	return plan->ends && quoit_load_acquire(&s.ring.lane.finished);
}

/* Take one; what was called for and is left goes to the next one before it is handled. */
static bool take(const struct plan *plan, struct reader *r, bool *called)
{
	struct quoit_claim claim;

	if (!quoit_spmc_take(&r->consumer, 1, &claim)) {
		*called = false; /* there is nothing */
		return false;
	}
	if (*called && plan->flaw != KEEPS)
		(void)quoit_spmc_pass_on(&s.ring);
	*called = false;
	model_check(s.slots[claim.at] == 1, "an item that was not sent");
	s.slots[claim.at] = 0;
	r->taken++;
	quoit_spmc_release(&r->consumer, &claim, 1);
	return true;
}

static void leave(const struct plan *plan, struct reader *r)
{
	if (plan->flaw == LEAVES_HARD) {
		quoit__group_put(&s.group, r->place, &quoit_notify_nobody);
		while (!quoit__notify_settle(&s.ring.lane.ringing, &s.group.callers))
			quoit_relax();
	} else {
		while (quoit_spmc_leave(&s.ring, r->place) && plan->flaw != IMPATIENT)
			quoit_relax();
	}
	r->notify = (struct quoit_notify){NULL, -1};
}

static void read_on(const struct plan *plan, unsigned self)
{
	struct reader *const r = &s.readers[self];
	bool called = false;

	for (;;) {
		bool ended = has_ended(plan); /* before the look */

		while ((plan->ends || r->taken < plan->wants[self]) && take(plan, r, &called))
			ended = has_ended(plan);
		if (plan->ends ? ended : r->taken == plan->wants[self])
			break;
		quoit_wake_arm(&r->wake);
		if (plan->flaw == NO_SCAN ||
		    !(quoit_lane_has_news(&s.ring.lane) || has_ended(plan)))
			model_wait(&r->notify);
		if (plan->flaw == DEAF)
			quoit_wake_disarm(&r->wake);
		else
			called = quoit_wake_end(&r->wake);
	}
	if (!plan->stays)
		leave(plan, r);
}

static void reader0(const void *arg)
{
	read_on(arg, 0);
}

static void reader1(const void *arg)
{
	read_on(arg, 1);
}

static void reader2(const void *arg)
{
	read_on(arg, 2);
}

static void late(const void *arg)
{
	struct reader *const r = &s.readers[1];

	r->notify = (struct quoit_notify){&r->wake, 1};
	r->place = quoit_spmc_join(&s.ring, &r->notify);
	read_on(arg, 1);
}

/* Arms and leaves, as a loop does that has other things to do. */
static void quitter(const void *arg)
{
	struct reader *const r = &s.readers[0]; /* the first to be rung */

	quoit_wake_arm(&r->wake);
	leave(arg, r);
}

static void finish(const void *arg)
{
	const struct plan *plan = arg;
	unsigned taken = 0;

	for (unsigned i = 0; i < READERS; i++)
		taken += s.readers[i].taken;
	model_check(taken == plan->batches * plan->batch, "not everything was taken");
}

/* --- the list -------------------------------------------------------------------------------- */

#define GROUP	      "group"
#define BREAKS_WITHIN MODEL_PREEMPTED(3, 1, 3, 1)

TARGET(two, setup, finish, THREAD(producer), THREAD(reader0), THREAD(reader1));
TARGET(three, setup3, finish, THREAD(producer), THREAD(reader0), THREAD(reader1), THREAD(reader2));
TARGET(comes, setup_late, finish, THREAD(producer), THREAD(reader0), THREAD(late));
TARGET(quits, setup, finish, THREAD(producer), THREAD(quitter), THREAD(reader1));

#define NEVER_RUNG "no bell rings"
#define ONE_EACH   .batches = 1, .batch = 2, .wants = {1, 1}
#define STAY	   ONE_EACH, .stays = true
#define IN_TURN	   .batches = 2, .batch = 1, .wants = {1, 1}
#define ONE_QUITS  .batches = 1, .batch = 1, .wants = {0, 1}

const struct model_case model_group_cases[] = {
	BOUNDED("two readers, one item each, published together", two, 3, 1, 2, 1, ONE_EACH),
	BOUNDED("two readers who stay, one item each", two, 3, 1, 2, 1, STAY),
	BOUNDED("two readers, one item each, one by one", two, 3, 1, 2, 0, IN_TURN),
	BOUNDED("two readers, and the end", two, 2, 1, 2, 0, .batches = 1, .batch = 1,
		.ends = true),
	BOUNDED("three readers, one item each, published together", three, 1, 1, 1, 0, .batches = 1,
		.batch = 3, .wants = {1, 1, 1}),
	BOUNDED("one of two leaves while the producer runs", quits, 3, 2, 2, 1, ONE_QUITS),
	BOUNDED("one joins while the producer runs", comes, 3, 1, 2, 1, STAY),

	BREAKS("no fence at the producer", two, NEVER_RUNG, "quoit_wake_fence", MODEL_FENCE,
	       MODEL_DROPPED, STAY),
	BREAKS("no fence at the reader", two, NEVER_RUNG, "quoit_wake_arm", MODEL_FENCE,
	       MODEL_DROPPED, STAY),
	BREAKS("who is called learns nothing", two, NEVER_RUNG, "quoit_wake_end", MODEL_EXCHANGE,
	       MODEL_RELAXED, STAY),
	BREAKS("the flag is not taken down at the end", two, NEVER_RUNG, "quoit_wake_end",
	       MODEL_EXCHANGE, MODEL_DROPPED, STAY),
	BREAKS("the mark is taken down relaxed", quits, "race on notify", "quoit__notify_end",
	       MODEL_STORE, MODEL_RELAXED, ONE_QUITS),
	BREAKS("no fence where it leaves", quits, "race on notify", "quoit__notify_settle",
	       MODEL_FENCE, MODEL_DROPPED, ONE_QUITS),
	BREAKS("who rings looks at the places relaxed", comes, "race on notify",
	       "quoit__group_ring", MODEL_LOAD, MODEL_RELAXED, STAY),
	BREAKS("who passes on is not counted", two, "spins", "quoit__notify_enter", MODEL_ADD,
	       MODEL_DROPPED, ONE_EACH),
	FLAWED("what is left is not passed on", two, NEVER_RUNG, STAY, .flaw = KEEPS),
	FLAWED("it does not ask whether it was called", two, NEVER_RUNG, STAY, .flaw = DEAF),
	FLAWED("no second look", two, NEVER_RUNG, STAY, .flaw = NO_SCAN),
	FLAWED("it leaves without passing on", quits, NEVER_RUNG, ONE_QUITS, .flaw = LEAVES_HARD),
	FLAWED("it does not wait for who rings", quits, "race on notify", ONE_QUITS,
	       .flaw = IMPATIENT),
	{.target = NULL},
};
