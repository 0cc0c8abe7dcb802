/* SPDX-License-Identifier: MIT */
/*
 * lane.c - rings/lane.h and rings/spmc.h: consumers that claim from one producer and give back in
 * any order.
 *
 * Items are numbered from 0. Whoever has claimed one takes note of it by a plain store to a place
 * of its own, so an item that two consumers have, or a slot that is written while somebody still
 * works on it, is a race. A holder is a consumer that gives back late: the producer then steps over
 * its block.
 */
#include <string.h>

#include <model/targets/list.h>

#define memcpy model_memcpy
#include <quoit/rings/typed_shared.h>

#define ITEMS_MOST 8
#define SLOTS	   8

QUOIT_SPMC(jobs, uint64_t);

enum flaw {
	FLAWLESS,
	NO_SCAN,       /* the reader sleeps without a second look */
	SILENT_FINISH, /* the end without a bell */
	COPY_FIRST,    /* reads the slots before it has claimed them, as the predecessor did */
	EARLY_RELEASE, /* gives a claim back before it has worked on it */
};

enum question {
	FOR_A_CLAIM,
	FOR_NEWS,
	FOR_THE_LENGTH,
	FOR_THE_OCCUPANCY,
};

struct plan {
	unsigned capacity;
	unsigned block; /* slots */
	unsigned items;
	unsigned batch; /* that the producer tries to send at once; 0: 1 */
	unsigned most;	/* that a consumer claims at once; 0: 1 */
	uint64_t position;
	unsigned until; /* the holder gives back when so many were sent; 0: at any time */
	bool in_halves; /* a claim is given back in two parts */
	bool by_close; /* the producer closes at its end, and that is what the consumer waits for */
	unsigned seats;
	enum question asks;
	enum flaw flaw;
};

static struct {
	struct jobs q;
	QUOIT_ISOLATED struct quoit_lane_block blocks[SLOTS];
	QUOIT_ISOLATED uint64_t slots[SLOTS];
	QUOIT_ISOLATED uint64_t taken[ITEMS_MOST];
	QUOIT_ISOLATED uint64_t sent; /* the producer's */
	QUOIT_ISOLATED uint32_t told; /* the same, for the holder */
	QUOIT_ISOLATED struct jobs_consumer seats[2];
	QUOIT_ISOLATED uint64_t seated; /* in the seats target: who has a seat writes here */
	QUOIT_ISOLATED struct quoit_wake wake;
	QUOIT_ISOLATED struct quoit_notify notify;
} s;

static struct quoit_lane *the_lane(void)
{
	return &s.q.ring.lane;
}

static void name_all(const void *arg)
{
	static const char *const names[SLOTS][2] = {
		{"done 0", "void_at 0"}, {"done 1", "void_at 1"}, {"done 2", "void_at 2"},
		{"done 3", "void_at 3"}, {"done 4", "void_at 4"}, {"done 5", "void_at 5"},
		{"done 6", "void_at 6"}, {"done 7", "void_at 7"},
	};
	struct quoit_lane *lane = the_lane();

	(void)arg;
	for (unsigned i = 0; i < SLOTS; i++) {
		model_name(&s.blocks[i].done, 8, names[i][0]);
		model_name(&s.blocks[i].void_at, 8, names[i][1]);
	}
	model_name(&lane->tail, 8, "tail");
	model_name(&lane->claim, 8, "claim");
	model_name(&lane->void_end, 8, "void_end");
	model_name(&lane->closed, 4, "closed");
	model_name(&lane->finished, 4, "finished");
	model_name(&s.q.ring.consumers, 8, "consumers");
	model_name(lane, sizeof(*lane), "lane");
	model_name(s.slots, sizeof(s.slots), "slots");
	model_name(s.taken, sizeof(s.taken), "taken");
	model_name(&s.sent, 8, "sent");
	model_name(&s.told, 4, "told");
	model_name(&s.seated, 8, "seated");
	model_name(&s.wake.armed, 4, "armed");
}

static void setup(const void *arg)
{
	const struct plan *plan = arg;
	const struct quoit_spmc_options options = {
		.capacity_slots = plan->capacity,
		.block_slots = plan->block,
		.consumers_most = plan->seats ? plan->seats : 4,
	};

	if (quoit_spmc_init_at(&s.q.ring, s.slots, s.blocks, &options, plan->position))
		__builtin_trap();
	s.notify = (struct quoit_notify){&s.wake, 0};
	for (unsigned i = 0; i < 2 && !plan->seats; i++)
		if (jobs_register_consumer(&s.q, &s.seats[i]))
			__builtin_trap();
}

static void setup_sleeping(const void *arg)
{
	setup(arg);
	quoit_spmc_attach(&s.q.ring, &s.notify);
}

/* --- producer -------------------------------------------------------------------------------- */

static size_t send_some(const struct plan *plan)
{
	const size_t batch = plan->batch ? plan->batch : 1;
	size_t granted;
	uint64_t *to = jobs_reserve_some(&s.q, quoit_min(batch, plan->items - s.sent), &granted);

	if (!to)
		return 0;
	for (size_t i = 0; i < granted; i++)
		to[i] = s.sent + i;
	jobs_commit(&s.q, granted);
	return granted;
}

static void finish_lane(const struct plan *plan)
{
	if (plan->flaw == SILENT_FINISH) {
		quoit_lane_publish(the_lane());
		quoit_store_release(&the_lane()->finished, 1);
	} else if (plan->by_close) {
		quoit_spmc_finish(&s.q.ring);
	} else {
		quoit_lane_finish(the_lane());
	}
}

static void producer(const void *arg)
{
	const struct plan *plan = arg;

	while (s.sent < plan->items) {
		const size_t n = send_some(plan);

		s.sent += n;
		if (n && plan->until)
			quoit_store_release(&s.told, (uint32_t)s.sent);
		if (n)
			continue;
		if (quoit_spmc_is_closed(&s.q.ring))
			break;
		quoit_relax();
	}
	finish_lane(plan);
}

/* --- consumers ------------------------------------------------------------------------------- */

static void work_on(const struct quoit_claim *claim, uint64_t *last)
{
	for (size_t i = 0; i < claim->n; i++) {
		const uint64_t item = s.slots[claim->at + i];

		model_check(item < ITEMS_MOST, "an item that was never sent");
		model_check(item + 1 > *last, "an item came before an earlier one");
		model_check(!s.taken[item], "an item was taken twice");
		s.taken[item] = 1;
		*last = item + 1;
	}
}

static void give_back(const struct plan *plan, struct quoit_spmc_consumer *seat,
		      struct quoit_claim *claim)
{
	if (plan->in_halves && claim->n > 1)
		quoit_spmc_release(seat, claim, claim->n / 2);
	quoit_spmc_release(seat, claim, claim->n);
}

/* Everything there is, once. */
static void take_all(const struct plan *plan, struct quoit_spmc_consumer *seat, uint64_t *last)
{
	struct quoit_claim claim;
	enum quoit_claim_status status;
	volatile uint64_t early;

	for (;;) {
		const uint64_t lost = seat->races_lost;

		if (plan->flaw == COPY_FIRST && quoit_spmc_has_news(seat))
			early = s.slots[quoit_load(&the_lane()->claim) & the_lane()->mask];
		status = quoit_spmc_claim(seat, plan->most ? plan->most : 1, &claim);
		model_check(seat->races_lost == lost + (status == QUOIT_CLAIM_LOST),
			    "a race is counted that was not lost, or one that was is not");
		if (status == QUOIT_CLAIM_EMPTY)
			break;
		if (status == QUOIT_CLAIM_LOST)
			continue; /* somebody else has got on, so this ends */
		if (plan->flaw == EARLY_RELEASE) {
			struct quoit_claim copy = claim;

			give_back(plan, seat, &claim);
			work_on(&copy, last);
		} else {
			work_on(&claim, last);
			give_back(plan, seat, &claim);
		}
	}
	(void)early;
}

static void consume(const struct plan *plan, struct quoit_spmc_consumer *seat)
{
	uint64_t last = 0;
	bool over;

	for (;;) {
		/* finish: pairs with quoit_lane_finish() */
		over = plan->by_close ? quoit_spmc_is_closed(&s.q.ring)
				      : quoit_load_acquire(&the_lane()->finished) != 0;
		take_all(plan, seat, &last);
		if (over)
			break;
		quoit_relax();
	}
}

static void consumer(const void *arg)
{
	consume(arg, &s.seats[0].seat);
}

static void consumer2(const void *arg)
{
	consume(arg, &s.seats[1].seat);
}

/* Comes when the ring is in use. */
static void latecomer(const void *arg)
{
	struct jobs_consumer self;

	if (jobs_register_consumer(&s.q, &self))
		return;
	consume(arg, &self.seat);
	jobs_deregister_consumer(&self);
}

/* Claims once, gives back when `until` have been sent, and leaves. */
static void holder(const void *arg)
{
	const struct plan *plan = arg;
	struct quoit_spmc_consumer *seat = &s.seats[1].seat;
	struct quoit_claim claim;
	uint64_t last = 0;

	if (!quoit_spmc_take(seat, 1, &claim))
		return;
	while (plan->until && quoit_load_acquire(&s.told) < plan->until)
		quoit_relax();
	work_on(&claim, &last);
	quoit_spmc_release(seat, &claim, claim.n);
}

/* Sleeps as a loop does: see wake.c. */
static void sleeper(const void *arg)
{
	const struct plan *plan = arg;
	struct quoit_spmc_consumer *seat = &s.seats[0].seat;
	uint64_t last = 0;

	for (;;) {
		take_all(plan, seat, &last);
		if (quoit_spmc_is_drained(&s.q.ring))
			break;
		quoit_wake_arm(&s.wake);
		if (plan->flaw == NO_SCAN ||
		    (!quoit_spmc_has_news(seat) && !quoit_spmc_is_drained(&s.q.ring)))
			model_wait(&s.notify);
		quoit_wake_disarm(&s.wake);
	}
}

/* --- others ---------------------------------------------------------------------------------- */

/* Once it is drained everything was worked off, and what the consumers did can be seen. */
static void waiter(const void *arg)
{
	const struct plan *plan = arg;

	while (!quoit_spmc_is_drained(&s.q.ring))
		quoit_relax();
	for (unsigned i = 0; i < plan->items; i++)
		model_check(s.taken[i], "drained before everything was taken");
}

static void observer(const void *arg)
{
	const struct plan *plan = arg;

	for (unsigned i = 0; i < 2; i++) {
		model_check(quoit_spmc_length(&s.q.ring) <= plan->capacity,
			    "a length above the capacity");
		model_check(quoit_spmc_pending(&s.q.ring) <= plan->capacity,
			    "more to be worked off than the capacity");
		model_check(quoit_lane_occupancy(the_lane()) <= plan->capacity,
			    "an occupancy above the capacity");
	}
}

/* One item is there before, one comes, and one goes once both were there: it was never empty. */
static void setup_one(const void *arg)
{
	setup(arg);
	s.sent += send_some(arg);
}

static void one_more(const void *arg)
{
	s.sent += send_some(arg);
}

static void one_less(const void *arg)
{
	struct quoit_claim claim;

	(void)arg;
	while (quoit_load_acquire(&the_lane()->tail) < 2)
		quoit_relax();
	while (quoit_spmc_claim(&s.seats[0].seat, 1, &claim) != QUOIT_CLAIM_GOT)
		quoit_relax();
}

static void asker(const void *arg)
{
	const struct plan *plan = arg;
	struct quoit_claim claim;
	bool empty = false;

	switch (plan->asks) {
	case FOR_A_CLAIM:
		empty = quoit_spmc_claim(&s.seats[1].seat, 1, &claim) == QUOIT_CLAIM_EMPTY;
		break;
	case FOR_NEWS:
		empty = !quoit_spmc_has_news(&s.seats[1].seat);
		break;
	case FOR_THE_LENGTH:
		empty = quoit_spmc_is_empty(&s.q.ring);
		break;
	case FOR_THE_OCCUPANCY:
		empty = !quoit_lane_occupancy(the_lane());
	}
	model_check(!empty, "empty, and it never was");
}

/* Of two items one is held and one given back: the next one is behind a void block. */
static void setup_pinned(const void *arg)
{
	struct quoit_claim claim;

	setup_one(arg);
	s.sent += send_some(arg);
	for (unsigned i = 0; i < 2; i++)
		if (quoit_spmc_claim(&s.seats[i].seat, 1, &claim) != QUOIT_CLAIM_GOT)
			__builtin_trap();
	quoit_spmc_release(&s.seats[1].seat, &claim, 1);
}

static void counter(const void *arg)
{
	(void)arg;
	model_check(quoit_lane_length(the_lane()) <= 1, "a void block counted as items");
}

static void closer(const void *arg)
{
	(void)arg;
	quoit_spmc_close(&s.q.ring);
}

/* With one seat: who has it is alone. */
static void sit_down(unsigned i)
{
	struct quoit_spmc_consumer *seat = &s.seats[i].seat;
	const int rc = quoit_spmc_register_consumer(&s.q.ring, seat);

	model_check(!rc || rc == -87 || rc == -108, "registering gave something else");
	if (rc)
		return;
	model_check(!quoit_add(&s.seated, 1), "two have the one seat");
	(void)quoit_add(&s.seated, UINT64_MAX);
	quoit_spmc_deregister_consumer(seat);
}

static void guest(const void *arg)
{
	(void)arg;
	sit_down(0);
}

static void guest2(const void *arg)
{
	(void)arg;
	sit_down(1);
}

static void finish(const void *arg)
{
	const struct plan *plan = arg;

	for (unsigned i = 0; i < ITEMS_MOST; i++)
		model_check(s.taken[i] == (i < s.sent), "not what was sent was taken");
	model_check(quoit_spmc_is_drained(&s.q.ring), "not drained at the end");
	model_check(!quoit_spmc_length(&s.q.ring), "a length at the end");
	model_check(!quoit_spmc_pending(&s.q.ring), "something pending at the end");
	model_check(s.sent == plan->items || quoit_spmc_is_closed(&s.q.ring), "not all was sent");
}

static void finish_seats(const void *arg)
{
	(void)arg;
	model_check(!s.q.ring.consumers, "a seat is still taken");
}

/* --- the list -------------------------------------------------------------------------------- */

#define GROUP	      "lane"
#define BREAKS_WITHIN MODEL_STALE(2, 2)

TARGET(two, setup, finish, THREAD(producer), THREAD(consumer), THREAD(consumer2));
TARGET(held, setup, finish, THREAD(producer), THREAD(consumer), THREAD(holder));
TARGET(one, setup, finish, THREAD(producer), THREAD(consumer));
TARGET(late, setup, finish, THREAD(producer), THREAD(latecomer));
TARGET(full, setup, NULL, THREAD(producer), THREAD(closer));
TARGET(drained, setup, finish, THREAD(producer), THREAD(consumer), THREAD(waiter));
TARGET(seen, setup, finish, THREAD(producer), THREAD(consumer), THREAD(observer));
TARGET(closed, setup, finish, THREAD(producer), THREAD(consumer), THREAD(closer));
TARGET(asleep, setup_sleeping, finish, THREAD(producer), THREAD(sleeper));
TARGET(asleep_closed, setup_sleeping, finish, THREAD(producer), THREAD(sleeper), THREAD(closer));
TARGET(never_empty, setup_one, NULL, THREAD(one_more), THREAD(one_less), THREAD(asker));
TARGET(counted, setup_pinned, NULL, THREAD(one_more), THREAD(counter));
TARGET(seats, setup, finish_seats, THREAD(guest), THREAD(guest2), THREAD(closer));

#define PINNED(text, sign, kind)                                                        \
	{                                                                               \
		.name = "lane mutant: " text, .target = &held,                          \
		.arg = PLAN(TINY, .items = 5, .until = 3), MODEL_PREEMPTED(2, 0, 2, 0), \
		.breaks = sign, .mutation = {                                           \
			"skip_block",                                                   \
			kind,                                                           \
			MODEL_DROPPED                                                   \
		}                                                                       \
	}

#define TINY .capacity = 2, .block = 1

const struct model_case model_lane_cases[] = {
	CORRECT("blocks of 1, one consumer", one, 1, 0, TINY, .items = 4,
		.position = UINT64_MAX - 1),
	CORRECT("blocks of 2, one consumer, batches", one, 1, 0, .capacity = 4, .block = 2,
		.items = 7, .batch = 3, .most = 2, .in_halves = true, .position = UINT64_MAX - 2),
	CORRECT("blocks of 1, two consumers", two, 0, -1, TINY, .items = 2),
	BOUNDED("one block of 2, two consumers", two, 2, 1, 2, 0, .capacity = 2, .block = 2,
		.items = 3),
	BOUNDED("blocks of 1, two consumers, few preemptions", two, 2, 1, 2, 0, TINY, .items = 3),
	BOUNDED("blocks of 2, two consumers", two, 2, 1, 2, 0, .capacity = 4, .block = 2,
		.items = 6, .batch = 2, .most = 2),
	BOUNDED("a block is pinned until the end", held, 2, 0, 1, 0, TINY, .items = 4, .until = 4),
	BOUNDED("a block is pinned for a while", held, 2, 0, 1, 0, TINY, .items = 5, .until = 3),
	BOUNDED("a block is pinned at any time", held, 3, 0, 2, 0, TINY, .items = 4),
	CORRECT("somebody waits for the end", drained, 0, -1, TINY, .items = 1),
	BOUNDED("somebody waits for the end, few preemptions", drained, 3, 1, 2, 1, TINY,
		.items = 2),
	BOUNDED("somebody asks for the length", seen, 2, 1, 2, 0, TINY, .items = 3),
	BOUNDED("closed by somebody else", closed, 3, 1, 2, 1, TINY, .items = 3),
	CORRECT("the reader sleeps", asleep, 1, 0, TINY, .items = 2),
	BOUNDED("the reader sleeps, closed by somebody else", asleep_closed, 3, 1, 2, 1, TINY,
		.items = 2),
	CORRECT("the consumer comes late", late, 1, 1, TINY, .items = 2),
	CORRECT("the consumer comes late, maybe behind the close", late, 1, 1, TINY, .items = 2,
		.by_close = true),
	CORRECT("the end is known by the close", one, 2, 1, TINY, .items = 2, .by_close = true),
	CORRECT("a full one is closed", full, 4, 2, TINY, .items = 3),
	CORRECT("who claims from what never was empty", never_empty, 2, 2, TINY, .items = 2),
	CORRECT("who looks for news in what never was empty", never_empty, 2, 2, TINY, .items = 2,
		.asks = FOR_NEWS),
	CORRECT("who asks for the length of what never was empty", never_empty, 2, 2, TINY,
		.items = 2, .asks = FOR_THE_LENGTH),
	CORRECT("who asks how full what never was empty is", never_empty, 2, 2, TINY, .items = 2,
		.asks = FOR_THE_OCCUPANCY),
	CORRECT("who asks for the length beside a void block", counted, 2, 2, TINY, .items = 3),
	CORRECT("two want one seat", seats, 3, 1, TINY, .seats = 1),

	BREAKS("publish is relaxed", one, "race on slots", "quoit_lane_publish", MODEL_STORE,
	       MODEL_RELAXED, TINY, .items = 2),
	BREAKS("the look at tail is relaxed", one, "race on slots", "quoit__lane_look", MODEL_LOAD,
	       MODEL_RELAXED, TINY, .items = 2),
	BREAKS("the first look at tail is relaxed", late, "race on slots",
	       "quoit_spmc_register_consumer", MODEL_LOAD, MODEL_RELAXED, TINY, .items = 1),
	BREAKS("giving back is relaxed", one, "race on slots", "quoit_lane_release", MODEL_ADD,
	       MODEL_RELAXED, TINY, .items = 3),
	BREAKS("is free is relaxed", one, "race on slots", "quoit__lane_is_free", MODEL_LOAD,
	       MODEL_RELAXED, TINY, .items = 3),
	BREAKS("nothing is given back", one, "nobody goes on", "quoit_lane_release", MODEL_ADD,
	       MODEL_DROPPED, TINY, .items = 3),
	BREAKS("finish is relaxed", drained, "race on taken", "quoit_lane_finish", MODEL_STORE,
	       MODEL_RELAXED, TINY, .items = 1),
	BREAKS("close is relaxed", one, "not what was sent", "quoit_lane_close", MODEL_STORE,
	       MODEL_RELAXED, TINY, .items = 2, .by_close = true),
	BREAKS("closed is read relaxed", one, "not what was sent", "quoit_lane_is_closed",
	       MODEL_LOAD, MODEL_RELAXED, TINY, .items = 2, .by_close = true),
	BREAKS("drained reads relaxed", drained, "race on taken", "quoit_lane_is_drained",
	       MODEL_LOAD, MODEL_RELAXED, TINY, .items = 1),
	PINNED("a pinned block is not marked", "an item", MODEL_STORE),
	PINNED("the sum of a pinned block is not moved on", "not drained", MODEL_ADD),
	BREAKS("no fence at the publisher (D-01)", asleep, "no bell rings", "quoit_wake_fence",
	       MODEL_FENCE, MODEL_DROPPED, TINY, .items = 1),
	BREAKS("no fence at the reader (D-01)", asleep, "no bell rings", "quoit_wake_arm",
	       MODEL_FENCE, MODEL_DROPPED, TINY, .items = 1),
	FLAWED("no second look", asleep, "no bell rings", TINY, .items = 1, .flaw = NO_SCAN),
	FLAWED("the end without a bell", asleep, "no bell rings", TINY, .items = 1,
	       .flaw = SILENT_FINISH),
	FLAWED("copied before it is claimed", two, "race on slots", TINY, .items = 3,
	       .flaw = COPY_FIRST),
	FLAWED("given back before it is done with", one, "race on slots", TINY, .items = 3,
	       .flaw = EARLY_RELEASE),
	{.target = NULL},
};
