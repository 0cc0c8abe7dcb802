/* SPDX-License-Identifier: MIT */
/*
 * mpmc.c - rings/mpmc.h with its registry and the search of mpmc_search.c: lanes that are opened
 * while consumers look for work, lanes taken over, consumers that come and go, and the end.
 *
 * What a lane does by itself is in lane.c. An item tells whose it is and the how manieth; whoever
 * has it takes note of it by a plain store, so one that two consumers have is a race.
 */
#include <string.h>

#include <model/targets/list.h>

#define memcpy model_memcpy
#include <quoit/rings/typed_shared.h>

#include <errno.h>

#define PRODUCERS  2
#define CONSUMERS  2
#define ITEMS_MOST 4

QUOIT_MPMC(jobs, uint64_t);

enum flaw {
	FLAWLESS,
	NO_SCAN,	/* the consumer sleeps without a second look */
	DRAINED_BY_EYE, /* takes "closed and empty" for the end */
};

struct plan {
	unsigned lanes;	   /* producers_most */
	unsigned capacity; /* of each lane; 0: 2 */
	unsigned items;	   /* of each producer */
	unsigned producers;
	bool patient;	 /* a producer that finds no lane waits for one */
	bool ends;	 /* the consumers read until the ring is drained */
	bool closes;	 /* the last producer to go closes */
	bool registers;	 /* the consumers register by themselves */
	bool near_first; /* see quoit_mpmc_options */
	enum flaw flaw;
};

static struct {
	QUOIT_ISOLATED char arena[8192];
	QUOIT_ISOLATED struct jobs q;
	QUOIT_ISOLATED uint64_t sent[PRODUCERS]; /* each producer's */
	QUOIT_ISOLATED uint64_t taken[PRODUCERS][ITEMS_MOST];
	QUOIT_ISOLATED uint32_t ended; /* producers that have gone */
	QUOIT_ISOLATED struct jobs_consumer seats[CONSUMERS];
	QUOIT_ISOLATED struct jobs_producer
		handles[PRODUCERS];	    /* of those who are there at first */
	QUOIT_ISOLATED uint64_t lanes_seen; /* once it was closed, and 1 */
	QUOIT_ISOLATED struct quoit_wake wake;
	QUOIT_ISOLATED struct quoit_notify notify;
} s;

static void name_all(const void *arg)
{
	(void)arg;
	model_name(&s.wake.armed, 4, "armed");
	model_name(&s.ended, 4, "ended");
	model_name(s.sent, sizeof(s.sent), "sent");
	model_name(s.taken, sizeof(s.taken), "taken");
	model_name(s.arena, sizeof(s.arena), "arena");
}

static void setup(const void *arg)
{
	const struct plan *plan = arg;
	const struct quoit_mpmc_options options = {
		.slot_bytes = sizeof(uint64_t),
		.capacity_slots = plan->capacity ? plan->capacity : 2,
		.block_slots = 1,
		.producers_most = plan->lanes,
		.consumers_most = CONSUMERS,
		.node = QUOIT_MPMC_ANYWHERE,
		.near_first = plan->near_first,
	};

	model_arena(s.arena, sizeof(s.arena));
	if (quoit_mpmc_create(&options, &s.q.ring))
		__builtin_trap();
	s.notify = (struct quoit_notify){&s.wake, 0};
	for (unsigned i = 0; i < CONSUMERS && !plan->registers; i++)
		if (jobs_register_consumer(&s.q, &s.seats[i]))
			__builtin_trap();
}

/* With two producers, and one of the consumers. */
static void setup_seated(const void *arg)
{
	setup(arg);
	for (unsigned i = 0; i < PRODUCERS; i++)
		if (jobs_register_producer(&s.q, &s.handles[i]))
			__builtin_trap();
	if (jobs_register_consumer(&s.q, &s.seats[0]))
		__builtin_trap();
}

static void setup_sleeping(const void *arg)
{
	setup(arg);
	quoit_mpmc_attach(s.q.ring, &s.notify);
}

/* --- producers ------------------------------------------------------------------------------- */

static void send_all(const struct plan *plan, unsigned self, struct jobs_producer *producer)
{
	while (s.sent[self] < plan->items) {
		const uint64_t item = (uint64_t)self << 32 | s.sent[self];

		if (jobs_send(producer, &item, 1)) {
			s.sent[self]++;
			continue;
		}
		if (quoit_mpmc_is_closed(s.q.ring))
			return;
		quoit_relax();
	}
}

static void come_and_go(const struct plan *plan, unsigned self)
{
	struct jobs_producer producer;
	int rc;

	while ((rc = jobs_register_producer(&s.q, &producer)) == -EUSERS && plan->patient)
		quoit_relax();
	if (rc == -ESHUTDOWN)
		return;
	model_check(!rc, "registering gave something else");
	send_all(plan, self, &producer);
	jobs_deregister_producer(&producer);
	if (quoit_add(&s.ended, 1) + 1 == plan->producers && plan->closes)
		quoit_mpmc_close(s.q.ring);
}

static void producer0(const void *arg)
{
	come_and_go(arg, 0);
}

static void producer1(const void *arg)
{
	come_and_go(arg, 1);
}

/* One after the other, on the same lane. */
static void both_producers(const void *arg)
{
	come_and_go(arg, 0);
	come_and_go(arg, 1);
}

/* Reserves, and commits what was reserved even if the ring was closed meanwhile. */
static void late_committer(const void *arg)
{
	struct jobs_producer producer;
	size_t granted;
	uint64_t *slot;

	come_and_go(arg, 0);
	if (jobs_register_producer(&s.q, &producer))
		return;
	slot = jobs_reserve(&producer, 1, &granted);
	if (slot) {
		*slot = UINT64_C(1) << 32;
		s.sent[1] = 1;
		jobs_commit(&producer, 1);
	}
	jobs_deregister_producer(&producer);
}

static void closer(const void *arg)
{
	(void)arg;
	quoit_mpmc_close(s.q.ring);
}

/* --- consumers ------------------------------------------------------------------------------- */

static void work_on(const struct quoit_claim *claim, uint64_t *last)
{
	const uint64_t *const slots = claim->lane->slots;

	for (size_t i = 0; i < claim->n; i++) {
		const uint64_t item = slots[claim->at + i];
		const uint64_t of = item >> 32, number = (uint32_t)item;

		model_check(of < PRODUCERS && number < ITEMS_MOST, "an item that was never sent");
		model_check(number + 1 > last[of], "an item came before an earlier one");
		model_check(!s.taken[of][number], "an item was taken twice");
		s.taken[of][number] = 1;
		last[of] = number + 1;
	}
}

static bool take_all(struct quoit_mpmc_consumer *seat, uint64_t *last)
{
	struct quoit_claim claim;
	enum quoit_claim_status status;
	bool some = false;

	while ((status = quoit_mpmc_claim(seat, 2, &claim)) != QUOIT_CLAIM_EMPTY) {
		if (status == QUOIT_CLAIM_LOST)
			continue; /* somebody else has got on, so this ends */
		work_on(&claim, last);
		quoit_mpmc_release(seat, &claim, claim.n);
		some = true;
	}
	return some;
}

static bool is_over(const struct plan *plan)
{
	if (!plan->ends)
		return quoit_load_acquire(&s.ended) == plan->producers;
	if (plan->flaw == DRAINED_BY_EYE)
		return quoit_mpmc_is_closed(s.q.ring) && quoit_mpmc_is_empty(s.q.ring);
	return quoit_mpmc_is_drained(s.q.ring);
}

/* Drained: what producers and consumers did can be seen, and nothing is left. */
static void check_end(const struct plan *plan)
{
	for (unsigned i = 0; plan->ends && i < plan->producers; i++)
		for (unsigned n = 0; n < ITEMS_MOST; n++)
			model_check(s.taken[i][n] == (n < s.sent[i]),
				    "drained before everything was taken");
}

static void consume(const struct plan *plan, unsigned self)
{
	struct quoit_mpmc_consumer *const seat = &s.seats[self].seat;
	uint64_t last[PRODUCERS] = {0};
	bool over;

	if (plan->registers && jobs_register_consumer(&s.q, &s.seats[self]))
		return;
	do {
		over = is_over(plan);
		if (!take_all(seat, last) && !over)
			quoit_relax();
	} while (!over);
	check_end(plan);
	if (plan->registers)
		jobs_deregister_consumer(&s.seats[self]);
}

static void consumer(const void *arg)
{
	consume(arg, 0);
}

static void consumer2(const void *arg)
{
	consume(arg, 1);
}

/* Comes, takes what there is, and goes. */
static void visitor(const void *arg)
{
	uint64_t last[PRODUCERS] = {0};

	(void)arg;
	if (jobs_register_consumer(&s.q, &s.seats[1]))
		return;
	(void)take_all(&s.seats[1].seat, last);
	jobs_deregister_consumer(&s.seats[1]);
}

/* Looks for work twice, while somebody comes. */
static void searcher(const void *arg)
{
	uint64_t last[PRODUCERS] = {0};

	(void)arg;
	(void)take_all(&s.seats[0].seat, last);
	(void)take_all(&s.seats[0].seat, last);
}

static void comer(const void *arg)
{
	uint64_t last[PRODUCERS] = {0};

	(void)arg;
	if (jobs_register_consumer(&s.q, &s.seats[1]))
		__builtin_trap();
	(void)take_all(&s.seats[1].seat, last);
}

/* Once it is closed there are no more lanes than there were. */
static void asker(const void *arg)
{
	(void)arg;
	if (quoit_mpmc_is_closed(s.q.ring))
		s.lanes_seen = quoit__mpmc_lanes(s.q.ring) + 1;
}

static void sleeper(const void *arg)
{
	const struct plan *plan = arg;
	uint64_t last[PRODUCERS] = {0};

	for (;;) {
		(void)take_all(&s.seats[0].seat, last);
		if (is_over(plan))
			break;
		quoit_wake_arm(&s.wake);
		if (plan->flaw == NO_SCAN || (!quoit_mpmc_has_news(s.q.ring) && !is_over(plan)))
			model_wait(&s.notify);
		quoit_wake_disarm(&s.wake);
	}
	check_end(plan);
}

static void finish(const void *arg)
{
	const struct plan *plan = arg;

	for (unsigned i = 0; i < plan->producers; i++) {
		for (unsigned n = 0; n < ITEMS_MOST; n++)
			model_check(s.taken[i][n] == (n < s.sent[i]),
				    "not what was sent was taken");
		model_check(plan->ends || s.sent[i] == plan->items, "not everything was sent");
	}
	model_check(!quoit_mpmc_length(s.q.ring), "a length at the end");
	model_check(!quoit_mpmc_pending(s.q.ring), "something pending at the end");
	model_check(!plan->ends || quoit_mpmc_is_drained(s.q.ring), "not drained at the end");
}

/* Whoever knows of the last deal has a share of its own: two lanes, two consumers. */
static void finish_dealt(const void *arg)
{
	const struct quoit_mpmc_consumer *const a = &s.seats[0].seat, *const b = &s.seats[1].seat;

	(void)arg;
	model_check(b->seating_seen == s.q.ring->seating && b->shard_span == 1,
		    "who came last has not its share");
	if (a->seating_seen == s.q.ring->seating)
		model_check(a->shard_span == 1 && a->shard_first != b->shard_first,
			    "the shares are not what the last deal says");
}

static void finish_asked(const void *arg)
{
	(void)arg;
	model_check(!s.lanes_seen || s.lanes_seen - 1 == s.q.ring->lane_count,
		    "a lane was opened after the close");
}

/* --- the list -------------------------------------------------------------------------------- */

#define GROUP	      "mpmc"
#define BREAKS_WITHIN MODEL_PREEMPTED(2, 1, 2, 1)

TARGET(one, setup, finish, THREAD(producer0), THREAD(consumer));
TARGET(p1c2, setup, finish, THREAD(producer0), THREAD(consumer), THREAD(consumer2));
TARGET(p2c1, setup, finish, THREAD(producer0), THREAD(producer1), THREAD(consumer));
TARGET(p2c2, setup, finish, THREAD(producer0), THREAD(producer1), THREAD(consumer),
       THREAD(consumer2));
TARGET(visited, setup, finish, THREAD(producer0), THREAD(consumer), THREAD(visitor));
TARGET(closed, setup, finish, THREAD(producer0), THREAD(consumer), THREAD(closer));
TARGET(over, setup, finish, THREAD(both_producers), THREAD(consumer), THREAD(closer));
TARGET(over_late, setup, finish, THREAD(late_committer), THREAD(consumer), THREAD(closer));
TARGET(dealt, setup_seated, finish_dealt, THREAD(searcher), THREAD(comer));
TARGET(asked, setup, finish_asked, THREAD(producer0), THREAD(closer), THREAD(asker));
TARGET(asleep, setup_sleeping, finish, THREAD(producer0), THREAD(sleeper), THREAD(closer));

#define ONE .producers = 1, .lanes = 1
#define TWO .producers = 2, .lanes = 2

const struct model_case model_mpmc_cases[] = {
	BOUNDED("one producer, one consumer", one, 3, 1, 2, 1, ONE, .items = 2),
	BOUNDED("one producer, two consumers", p1c2, 2, 1, 2, 0, ONE, .items = 2),
	BOUNDED("a lane is opened while a consumer searches", p2c1, 2, 1, 2, 0, TWO, .items = 1),
	BOUNDED("two producers, two consumers", p2c2, 2, 0, 1, 0, TWO, .items = 1),
	BOUNDED("a lane is taken over", p2c1, 2, 1, 2, 0, .producers = 2, .lanes = 1,
		.patient = true, .items = 1),
	BOUNDED("a lane is taken over, and the end", p2c1, 2, 1, 2, 0, .producers = 2, .lanes = 1,
		.patient = true, .items = 1, .ends = true, .closes = true),
	BOUNDED("a consumer comes and goes", visited, 2, 1, 2, 1, ONE, .items = 1),
	BOUNDED("closed while somebody registers", closed, 2, 1, 2, 0, ONE, .items = 1,
		.ends = true),
	BOUNDED("closed by the last producer, two consumers", p1c2, 2, 1, 2, 0, ONE, .items = 1,
		.ends = true, .closes = true),
	BOUNDED("the consumer sleeps, and the end", asleep, 2, 1, 2, 0, ONE, .items = 1,
		.ends = true),
	BOUNDED("a lane is taken over, closed by somebody else", over, 2, 1, 2, 0, .producers = 2,
		.lanes = 1, .items = 1, .ends = true),
	BOUNDED("a lane is taken over, and committed to after the close", over_late, 2, 1, 2, 1,
		.producers = 2, .lanes = 1, .items = 1, .ends = true),
	CORRECT("shards are dealt while a consumer searches", dealt, 2, 1, .producers = 2,
		.lanes = 2, .registers = true),
	CORRECT("closed, and nobody comes", asked, 1, 1, ONE, .items = 1),

	BREAKS("a new lane is counted relaxed", one, "race on", "choose_lane", MODEL_STORE,
	       MODEL_RELAXED, ONE, .items = 1),
	BREAKS("lanes are counted relaxed", one, "race on", "quoit__mpmc_lanes", MODEL_LOAD,
	       MODEL_RELAXED, ONE, .items = 1),
	BREAKS("the first look at a lane is relaxed", one, "race on", "try_lane", MODEL_LOAD,
	       MODEL_RELAXED, ONE, .items = 1),
	BREAKS("the deal is relaxed", dealt, "the shares are not", "deal", MODEL_STORE,
	       MODEL_RELAXED, .producers = 2, .lanes = 2, .registers = true),
	BREAKS("the deal is read relaxed", dealt, "the shares are not", "quoit__mpmc_search",
	       MODEL_LOAD, MODEL_RELAXED, .producers = 2, .lanes = 2, .registers = true),
	BREAKS("nothing is dealt", dealt, "share", "deal", MODEL_STORE, MODEL_DROPPED,
	       .producers = 2, .lanes = 2, .registers = true),
	BREAKS("a lane is taken over as finished", over_late, "race on sent",
	       "quoit_mpmc_register_producer", MODEL_STORE, MODEL_DROPPED, .producers = 2,
	       .lanes = 1, .items = 1, .ends = true),
	BREAKS("close is relaxed", asked, "after the close", "quoit_mpmc_close", MODEL_STORE,
	       MODEL_RELAXED, ONE, .items = 1),
	BREAKS("closed is read relaxed", asked, "after the close", "quoit_mpmc_is_closed",
	       MODEL_LOAD, MODEL_RELAXED, ONE, .items = 1),
	BREAKS("drained reads closed relaxed", over_late, "race on sent", "quoit_mpmc_is_drained",
	       MODEL_LOAD, MODEL_RELAXED, .producers = 2, .lanes = 1, .items = 1, .ends = true),
	BREAKS("the end without a bell", asleep, "no bell rings", "quoit_wake_fence", MODEL_FENCE,
	       MODEL_DROPPED, ONE, .items = 1, .ends = true),
	FLAWED("no second look", asleep, "no bell rings", ONE, .items = 1, .ends = true,
	       .flaw = NO_SCAN),
	FLAWED("closed and empty taken for the end", over_late, "race on sent", .producers = 2,
	       .lanes = 1, .items = 1, .ends = true, .flaw = DRAINED_BY_EYE),
	{.target = NULL},
};
