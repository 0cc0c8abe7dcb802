/* SPDX-License-Identifier: MIT */
/*
 * mpmc_group.c - the same group (group.c) for a ring of several lanes: each producer rings by
 * itself, whoever sleeps must have looked at every lane, and who leaves waits for all producers.
 *
 * Each reader takes as many items as it wants and goes on with other things: the producers publish
 * as many as are wanted altogether, and a reader that is left asleep beside an item never ends. Who
 * leaves the group spoils its notifier.
 */
#include <model/targets/list.h>

#include <quoit/rings/mpmc.h>

#define READERS	  2
#define PRODUCERS 2

enum flaw {
	FLAWLESS,
	KEEPS,	      /* does not pass on what it leaves */
	DEAF,	      /* ends its arming without asking whether it was called */
	NO_SCAN,      /* sleeps without a second look */
	NEAR_SIGHTED, /* looks at the first lane only */
	IMPATIENT,    /* leaves without waiting for who may be about to ring */
	LEAVES_HARD,  /* leaves without passing on */
};

struct plan {
	unsigned items; /* of each producer, published together */
	unsigned wants[READERS];
	enum flaw flaw;
};

struct reader {
	struct quoit_wake wake;
	QUOIT_ISOLATED struct quoit_notify notify;
	struct quoit_mpmc_consumer consumer;
	int place;
	unsigned taken;
};

static struct {
	QUOIT_ISOLATED char arena[8192];
	QUOIT_ISOLATED struct quoit_mpmc *ring;
	struct quoit_mpmc_producer producers[PRODUCERS];
	QUOIT_ISOLATED struct quoit_group group;
	QUOIT_ISOLATED uint32_t sent[PRODUCERS];
	struct reader readers[READERS];
} s;

static void name_all(const void *arg)
{
	(void)arg;
	model_name(s.arena, sizeof(s.arena), "arena");
	model_name(&s.group.members[0], 8, "place 0");
	model_name(&s.group.members[1], 8, "place 1");
	model_name(&s.group, sizeof(s.group), "group");
	model_name(&s.readers[0].wake.armed, 4, "armed 0");
	model_name(&s.readers[1].wake.armed, 4, "armed 1");
	model_name(&s.readers[0].notify, sizeof(s.readers[0].notify), "notify 0");
	model_name(&s.readers[1].notify, sizeof(s.readers[1].notify), "notify 1");
}

static void setup_with(unsigned producers)
{
	const struct quoit_mpmc_options options = {.slot_bytes = 8,
						   .capacity_slots = 2,
						   .block_slots = 1,
						   .producers_most = producers,
						   .consumers_most = READERS,
						   .node = QUOIT_MPMC_ANYWHERE};

	model_arena(s.arena, sizeof(s.arena));
	if (quoit_mpmc_create(&options, &s.ring) || quoit_mpmc_attach_group(s.ring, &s.group))
		__builtin_trap();
	for (unsigned i = 0; i < producers; i++)
		if (quoit_mpmc_register_producer(s.ring, &s.producers[i]))
			__builtin_trap();
	for (unsigned i = 0; i < READERS; i++) {
		struct reader *const r = &s.readers[i];

		r->notify = (struct quoit_notify){&r->wake, (int)i};
		if (quoit_mpmc_register_consumer(s.ring, &r->consumer))
			__builtin_trap();
		r->place = quoit_mpmc_join(s.ring, &r->notify);
	}
}

static void setup(const void *arg)
{
	(void)arg;
	setup_with(1);
}

static void setup2(const void *arg)
{
	(void)arg;
	setup_with(2);
}

/* The second reader makes its notifier, and joins, while the producers run. */
static void setup_late(const void *arg)
{
	struct reader *const r = &s.readers[1];

	setup(arg);
	quoit__group_put(&s.group, r->place, NULL);
	r->notify = (struct quoit_notify){NULL, -1};
}

static void produce(const struct plan *plan, unsigned self)
{
	struct quoit_mpmc_producer *const p = &s.producers[self];

	for (unsigned i = 0; i < plan->items; i++) {
		size_t at;

		model_check(quoit_mpmc_reserve(p, 1, &at) == 1, "no room");
		((uint64_t *)p->lane->lane.slots)[at] = 1;
		quoit_mpmc_commit_later(p, 1);
	}
	quoit_mpmc_flush(p);
	s.sent[self] = plan->items;
}

static void producer0(const void *arg)
{
	produce(arg, 0);
}

static void producer1(const void *arg)
{
	produce(arg, 1);
}

/* Take one; what was called for and is left goes to the next one before it is handled. */
static bool take(const struct plan *plan, struct reader *r, bool *called)
{
	struct quoit_claim claim;
	uint64_t *slots;

	if (!quoit_mpmc_take(&r->consumer, 1, &claim)) {
		*called = false; /* there is nothing */
		return false;
	}
	if (*called && plan->flaw != KEEPS)
		(void)quoit_mpmc_pass_on(s.ring);
	*called = false;
	slots = claim.lane->slots;
	model_check(slots[claim.at] == 1, "an item that was not sent");
	slots[claim.at] = 0;
	r->taken++;
	quoit_mpmc_release(&r->consumer, &claim, 1);
	return true;
}

static bool is_quiet(void)
{
	bool quiet = quoit__notify_settle(&s.group.callers, &s.group.callers);

	for (size_t i = 0; i < quoit__mpmc_lanes(s.ring); i++)
		quiet &= quoit__notify_settle(&s.ring->lanes[i]->lane.ringing, &s.group.callers);
	return quiet;
}

/* quoit_mpmc_leave() but for the lock, whose try may fail for nothing here and for ever. */
static void leave(const struct plan *plan, struct reader *r)
{
	quoit__group_put(&s.group, r->place, &quoit_notify_nobody);
	while (plan->flaw != IMPATIENT && !is_quiet())
		quoit_relax();
	quoit__group_put(&s.group, r->place, NULL);
	if (plan->flaw != LEAVES_HARD)
		(void)quoit_mpmc_pass_on(s.ring);
	r->notify = (struct quoit_notify){NULL, -1};
}

static bool has_news(const struct plan *plan)
{
	return plan->flaw == NEAR_SIGHTED ? quoit_lane_has_news(&s.ring->lanes[0]->lane)
					  : quoit_mpmc_has_news(s.ring);
}

static void read_on(const struct plan *plan, unsigned self)
{
	struct reader *const r = &s.readers[self];
	bool called = false;

	for (;;) {
		while (r->taken < plan->wants[self] && take(plan, r, &called))
			;
		if (r->taken == plan->wants[self])
			break;
		quoit_wake_arm(&r->wake);
		if (plan->flaw == NO_SCAN || !has_news(plan))
			model_wait(&r->notify);
		if (plan->flaw == DEAF)
			quoit_wake_disarm(&r->wake);
		else
			called = quoit_wake_end(&r->wake);
	}
}

static void reader0(const void *arg)
{
	read_on(arg, 0);
}

static void reader1(const void *arg)
{
	read_on(arg, 1);
}

static void late(const void *arg)
{
	struct reader *const r = &s.readers[1];

	r->notify = (struct quoit_notify){&r->wake, 1};
	r->place = quoit_mpmc_join(s.ring, &r->notify);
	read_on(arg, 1);
}

/* Arms and leaves, as a loop does that has other things to do. */
static void quitter(const void *arg)
{
	struct reader *const r = &s.readers[0]; /* the first to be rung */

	quoit_wake_arm(&r->wake);
	leave(arg, r);
}

/* The ring's one reader, who waits for the close and for nothing else. */
static void setup_bell(const void *arg)
{
	struct reader *const r = &s.readers[0];
	const struct quoit_mpmc_options options = {.slot_bytes = 8,
						   .capacity_slots = 2,
						   .block_slots = 1,
						   .producers_most = 1,
						   .consumers_most = 1,
						   .node = QUOIT_MPMC_ANYWHERE};

	(void)arg;
	model_arena(s.arena, sizeof(s.arena));
	r->notify = (struct quoit_notify){&r->wake, 0};
	if (quoit_mpmc_create(&options, &s.ring))
		__builtin_trap();
	quoit_mpmc_attach(s.ring, &r->notify);
	if (quoit_mpmc_register_producer(s.ring, &s.producers[0]))
		__builtin_trap();
}

static void closer(const void *arg)
{
	(void)arg;
	quoit_mpmc_close(s.ring);
}

static void who_waits_for_the_close(const void *arg)
{
	struct reader *const r = &s.readers[0];

	(void)arg;
	while (!quoit_mpmc_is_closed(s.ring)) {
		quoit_wake_arm(&r->wake);
		if (!quoit_mpmc_is_closed(s.ring))
			model_wait(&r->notify);
		quoit_wake_disarm(&r->wake);
	}
}

static void finish(const void *arg)
{
	unsigned taken = 0, sent = 0;

	(void)arg;
	for (unsigned i = 0; i < READERS; i++)
		taken += s.readers[i].taken;
	for (unsigned i = 0; i < PRODUCERS; i++)
		sent += s.sent[i];
	model_check(taken == sent, "not everything was taken");
}

/* --- the list -------------------------------------------------------------------------------- */

#define GROUP	      "mpmc_group"
#define BREAKS_WITHIN MODEL_PREEMPTED(2, 1, 2, 1)

TARGET(one_lane, setup, finish, THREAD(producer0), THREAD(reader0), THREAD(reader1));
TARGET(two_lanes, setup2, finish, THREAD(producer0), THREAD(producer1), THREAD(reader0),
       THREAD(reader1));
TARGET(one_reader, setup2, finish, THREAD(producer0), THREAD(producer1), THREAD(reader0));
TARGET(comes, setup_late, finish, THREAD(producer0), THREAD(reader0), THREAD(late));
TARGET(quits, setup2, finish, THREAD(producer0), THREAD(producer1), THREAD(quitter),
       THREAD(reader1));

TARGET(closes, setup_bell, finish, THREAD(closer), THREAD(who_waits_for_the_close));

#define NEVER_RUNG  "no bell rings"
#define TOGETHER    .items = 2, .wants = {1, 1}
#define A_LANE_EACH .items = 1, .wants = {1, 1}
#define ALL_OF_IT   .items = 1, .wants = {2, 0}
#define ONE_QUITS   .items = 1, .wants = {0, 2}

const struct model_case model_mpmc_group_cases[] = {
	BOUNDED("one lane, two readers, one item each", one_lane, 2, 1, 2, 0, TOGETHER),
	BOUNDED("two lanes, one reader who takes all of it", one_reader, 2, 1, 2, 0, ALL_OF_IT),
	BOUNDED("two lanes, two readers, one item each", two_lanes, 2, 0, 1, 0, A_LANE_EACH),
	BOUNDED("one of two joins while the producer runs", comes, 3, 1, 2, 0, TOGETHER),
	BOUNDED("closed while the reader is about to sleep", closes, 4, 2, 3, 1, .items = 0),
	BOUNDED("one of two leaves while two producers run", quits, 2, 0, 1, 0, ONE_QUITS),

	BREAKS("no fence at the producer", one_reader, NEVER_RUNG, "quoit_wake_fence", MODEL_FENCE,
	       MODEL_DROPPED, ALL_OF_IT),
	BREAKS("no fence at the reader", one_reader, NEVER_RUNG, "quoit_wake_arm", MODEL_FENCE,
	       MODEL_DROPPED, ALL_OF_IT),
	BREAKS("the mark is taken down relaxed", quits, "race on notify", "quoit__notify_end",
	       MODEL_STORE, MODEL_RELAXED, ONE_QUITS),
	BREAKS("no fence where it leaves", quits, "race on notify", "quoit__notify_settle",
	       MODEL_FENCE, MODEL_DROPPED, ONE_QUITS),
	FLAWED("what is left is not passed on", one_lane, NEVER_RUNG, TOGETHER, .flaw = KEEPS),
	FLAWED("it does not ask whether it was called", one_lane, NEVER_RUNG, TOGETHER,
	       .flaw = DEAF),
	FLAWED("no second look", one_reader, NEVER_RUNG, ALL_OF_IT, .flaw = NO_SCAN),
	FLAWED("a second look at one lane only", one_reader, NEVER_RUNG, ALL_OF_IT,
	       .flaw = NEAR_SIGHTED),
	FLAWED("it leaves without passing on", quits, NEVER_RUNG, ONE_QUITS, .flaw = LEAVES_HARD),
	FLAWED("it does not wait for who rings", quits, "race on notify", ONE_QUITS,
	       .flaw = IMPATIENT),
	{.target = NULL},
};
