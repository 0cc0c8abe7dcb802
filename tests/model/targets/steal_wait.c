/* SPDX-License-Identifier: MIT */
/*
 * steal_wait.c - the crowd of rings/crowd.h under the waits of rings/shared_wait.h and lane_wait.h:
 * consumers that sleep for work of which each publication wakes one, and a producer that sleeps for
 * space.
 *
 * Nobody closes the ring where a wake-up is looked at, because a close wakes all: each consumer
 * takes a number of items and ends, so whoever is not woken sleeps for ever, which the checker
 * reports. In `impatient` one of the two may give up at any moment, called or not, and the other
 * must not lose by it.
 *
 * The flaws are ways of getting it wrong, each of which must be found.
 */
#include <string.h>

#include <errno.h>

#include <model/targets/list.h>

#define memcpy model_memcpy
#include <quoit/rings/typed_shared.h>

#include <model/seam.h>

#define ITEMS_MOST 4
#define SLOTS	   4

QUOIT_SPMC(jobs, uint64_t);

enum flaw {
	FLAWLESS,
	NO_LOOK,      /* sleeps without looking once more */
	LOOK_FIRST,   /* looks, then raises its bit */
	WORD_LATE,    /* raises its bit, then makes its word 0 */
	NOT_PASSED,   /* was called, took a part, and leaves the rest to nobody */
	PASSED_ONCE,  /* the same, but for who was called first */
	GIVEN_UP,     /* was called, gave up at its deadline, and tells nobody */
	BIT_LEFT,     /* found something by itself, and leaves its bit up */
	FENCE_FIRST,  /* the publisher's fence comes before what it publishes */
	CLOSE_ONE,    /* a close wakes one */
	CLOSE_LATE,   /* asks whether it is closed after its look */
	SPACE_SILENT, /* a complete block tells nobody */
};

struct plan {
	unsigned capacity;
	unsigned block;
	unsigned items;
	unsigned batch; /* sent by one publication; 0: 1 */
	unsigned spins; /* before a sleep */
	bool ends;	/* consumers go on until the ring is closed */
	bool rest;	/* until the producer has finished, closed or not */
	enum flaw flaw;
};

static struct {
	struct jobs q;
	struct quoit_spmc_waits waits;
	QUOIT_ISOLATED struct quoit_lane_block blocks[SLOTS];
	QUOIT_ISOLATED uint64_t slots[SLOTS];
	QUOIT_ISOLATED uint64_t taken[ITEMS_MOST];
	QUOIT_ISOLATED uint64_t sent; /* the producer's */
	QUOIT_ISOLATED uint32_t all_sent;
	QUOIT_ISOLATED uint32_t passed;
	QUOIT_ISOLATED uint32_t first_has_ended;
	QUOIT_ISOLATED uint32_t first_got;
	QUOIT_ISOLATED struct jobs_consumer seats[3];
} s;

static struct quoit_lane *the_lane(void)
{
	return &s.q.ring.lane;
}

static void name_all(const void *arg)
{
	(void)arg;
	model_name(&s.waits.crowd.asleep[0], 8, "asleep");
	model_name(&s.waits.crowd.taken[0], 8, "seats taken");
	model_name(&s.waits.crowd.called[0], 4, "called 0");
	model_name(&s.waits.crowd.called[1], 4, "called 1");
	model_name(&s.waits.lane.space.word, 4, "space");
	model_name(&s.blocks[0].done, 8, "done 0");
	model_name(&s.blocks[1].done, 8, "done 1");
	model_name(&the_lane()->tail, 8, "tail");
	model_name(&the_lane()->claim, 8, "claim");
	model_name(&the_lane()->closed, 4, "closed");
	model_name(&the_lane()->finished, 4, "finished");
	model_name(s.taken, sizeof(s.taken), "taken");
}

static void setup(const void *arg)
{
	const struct plan *plan = arg;
	const struct quoit_spmc_options options = {plan->capacity, plan->block, 3};

	if (quoit_spmc_init_at(&s.q.ring, s.slots, s.blocks, &options, 0) ||
	    quoit_spmc_attach_waits(&s.q.ring, &s.waits))
		__builtin_trap();
	for (unsigned i = 0; i < 3; i++)
		if (jobs_register_consumer(&s.q, &s.seats[i]))
			__builtin_trap();
}

/* Most sleep at once: a look with the bit down is another thing. */
static struct quoit_wait how(const struct plan *plan, bool impatient)
{
	const struct quoit_wait wait = {
		.kind = QUOIT_WAIT_PHASED,
		.spins = plan->spins,
		.deadline_ns = impatient ? 1000 : 0,
	};

	return wait;
}

/* --- producer -------------------------------------------------------------------------------- */

static void send_batch(const struct plan *plan)
{
	const size_t batch = quoit_min(plan->batch ? plan->batch : 1, plan->items - s.sent);
	size_t at, granted;
	const struct quoit_wait wait = how(plan, false);

	model_check(!quoit_lane_reserve_wait(the_lane(), batch, &wait, &at, &granted),
		    "waiting for space failed");
	for (size_t i = 0; i < granted; i++)
		s.slots[at + i] = s.sent + i;
	if (plan->flaw == FENCE_FIRST) {
		int seat;

		quoit_crowd_fence();
		quoit_lane_commit_later(the_lane(), granted);
		quoit_lane_publish(the_lane());
		seat = quoit_crowd_choose(&s.waits.crowd);
		if (seat >= 0)
			quoit_crowd_wake(&s.waits.crowd, seat);
	} else {
		quoit_lane_commit(the_lane(), granted);
	}
	s.sent += granted;
}

static void producer(const void *arg)
{
	const struct plan *plan = arg;

	while (s.sent < plan->items)
		send_batch(plan);
	quoit_store_release(&s.all_sent, 1);
	if (plan->flaw == CLOSE_ONE) {
		quoit_store_release(&the_lane()->closed, 1);
		quoit_crowd_signal(&s.waits.crowd);
	} else if (plan->rest) {
		quoit_lane_finish(the_lane());
	} else if (plan->ends) {
		quoit_spmc_finish(&s.q.ring);
	}
}

/* --- consumers ------------------------------------------------------------------------------- */

/* quoit_spmc_take_wait() as it must not be. */
static int wait_wrongly(const struct plan *plan, struct quoit_spmc_consumer *seat,
			const struct quoit_wait *wait, struct quoit_claim *claim)
{
	struct quoit_crowd *crowd = &s.waits.crowd;
	const enum flaw flaw = plan->flaw;
	const int place = quoit_crowd_sit(crowd);
	bool called = false, expired = false, armed = false;
	int rc;

	for (;;) {
		bool ended, got = flaw == LOOK_FIRST && quoit_spmc_take(seat, 1, claim);

		if (!got) {
			quoit_crowd_arm(crowd, place);
			armed = true;
			if (flaw == WORD_LATE)
				quoit_store(&crowd->called[place], 0);
		}
		ended = flaw != CLOSE_LATE && quoit_spmc_is_closed(&s.q.ring);
		if (flaw != LOOK_FIRST && flaw != NO_LOOK)
			got = quoit_spmc_take(seat, 1, claim);
		if (flaw == CLOSE_LATE)
			ended = quoit_spmc_is_closed(&s.q.ring);
		rc = got ? 0 : ended ? -ESHUTDOWN : expired ? -ETIMEDOUT : 1;
		if (rc <= 0)
			break;
		expired = quoit_crowd_sleep(crowd, place, wait->deadline_ns) != 0;
		called |= quoit_crowd_leave(crowd, place);
		armed = false;
		if (flaw == NO_LOOK && quoit_spmc_take(seat, 1, claim)) {
			rc = 0;
			break;
		}
	}
	if (armed && flaw != BIT_LEFT)
		called |= quoit_crowd_leave(crowd, place);
	if (flaw != BIT_LEFT)
		quoit_crowd_rise(crowd, place);
	if (called && flaw == PASSED_ONCE && quoit_add(&s.passed, 1))
		called = false;
	if (called && flaw != NOT_PASSED && !(rc && flaw == GIVEN_UP) && quoit_spmc_has_news(seat))
		quoit_crowd_signal(crowd);
	return rc;
}

static bool is_wrong_wait(enum flaw flaw)
{
	return flaw != FLAWLESS && flaw != FENCE_FIRST && flaw != CLOSE_ONE && flaw != SPACE_SILENT;
}

/* One item, or what the wait ended with. */
static int take_one(const struct plan *plan, unsigned i, bool impatient)
{
	struct quoit_spmc_consumer *seat = &s.seats[i].seat;
	const struct quoit_wait wait = how(plan, impatient);
	struct quoit_claim claim;
	uint64_t item;
	int rc;

	if (is_wrong_wait(plan->flaw))
		rc = wait_wrongly(plan, seat, &wait, &claim);
	else if (plan->rest)
		rc = quoit_spmc_take_rest_wait(seat, 1, &wait, &claim);
	else
		rc = quoit_spmc_take_wait(seat, 1, &wait, &claim);
	if (rc)
		return rc;
	item = s.slots[claim.at];
	model_check(item < ITEMS_MOST && !s.taken[item], "an item came twice or never was");
	s.taken[item] = 1;
	if (plan->flaw == SPACE_SILENT) {
		const uint64_t part = (uint64_t)1 << the_lane()->blocks_bits;

		seat->held--;
		(void)quoit_add(&the_lane()->blocks[claim.at >> the_lane()->block_bits].done, part);
	} else {
		quoit_spmc_release(seat, &claim, 1);
	}
	return 0;
}

static void consume(const struct plan *plan, unsigned i)
{
	int rc;

	do {
		rc = take_one(plan, i, false);
		model_check(!rc || rc == -ESHUTDOWN, "a wait without deadline gave something else");
	} while (!rc && (plan->ends || plan->rest));
}

static void consumer(const void *arg)
{
	consume(arg, 0);
}

static void consumer2(const void *arg)
{
	consume(arg, 1);
}

static void consumer3(const void *arg)
{
	consume(arg, 2);
}

/* All of it, alone. */
static void worker(const void *arg)
{
	const struct plan *plan = arg;

	for (unsigned i = 0; i < plan->items; i++)
		model_check(!take_one(plan, 0, false), "a wait without deadline ended");
}

/* All but one. */
static void most_of_it(const void *arg)
{
	const struct plan *plan = arg;

	for (unsigned i = 1; i < plan->items; i++)
		model_check(!take_one(plan, 0, false), "a wait without deadline ended");
}

/* Keeps the one it takes until the producer has sent everything. */
static void holder(const void *arg)
{
	struct quoit_spmc_consumer *seat = &s.seats[1].seat;
	const struct quoit_wait wait = how(arg, false);
	struct quoit_claim claim;

	model_check(!quoit_spmc_take_wait(seat, 1, &wait, &claim), "the holder's wait ended");
	s.taken[s.slots[claim.at]] = 1;
	while (!quoit_load_acquire(&s.all_sent))
		quoit_relax();
	quoit_spmc_release(seat, &claim, 1);
}

/* Tries once, until its deadline, which may be any moment. */
static void impatient(const void *arg)
{
	const int rc = take_one(arg, 0, true);

	model_check(!rc || rc == -ETIMEDOUT, "a wait with a deadline gave something else");
	quoit_store(&s.first_got, !rc);
	quoit_store_release(&s.first_has_ended, 1);
}

/* One for sure; and the other one if that has not taken any. There are two. */
static void patient(const void *arg)
{
	model_check(!take_one(arg, 1, false), "the first wait ended");
	while (!quoit_load_acquire(&s.first_has_ended))
		quoit_relax();
	if (!quoit_load(&s.first_got))
		model_check(!take_one(arg, 1, false), "the second wait ended");
}

static void finish(const void *arg)
{
	const struct plan *plan = arg;

	for (unsigned i = 0; i < plan->items; i++)
		model_check(s.taken[i], "an item was left behind");
	if (plan->flaw == BIT_LEFT)
		return;
	model_check(!s.waits.crowd.asleep[0], "a bit is still up");
	model_check(s.waits.crowd.taken[0] == UINT64_MAX << 3, "a seat is still taken");
}

/* --- the list -------------------------------------------------------------------------------- */

#define GROUP	      "steal_wait"
#define BREAKS_WITHIN MODEL_STALE(2, 2)

TARGET(single, setup, finish, THREAD(producer), THREAD(consumer));
TARGET(alone, setup, finish, THREAD(producer), THREAD(worker));
TARGET(two, setup, finish, THREAD(producer), THREAD(consumer), THREAD(consumer2));
TARGET(three, setup, finish, THREAD(producer), THREAD(consumer), THREAD(consumer2),
       THREAD(consumer3));
TARGET(pinned, setup, finish, THREAD(producer), THREAD(most_of_it), THREAD(holder));
TARGET(gives_up, setup, finish, THREAD(producer), THREAD(impatient), THREAD(patient));

#define MUTANT(text, target_, sign, preemptions, stale, function, kind, order, ...)               \
	{                                                                                         \
		.name = "steal_wait mutant: " text, .target = &target_, .arg = PLAN(__VA_ARGS__), \
		MODEL_PREEMPTED(preemptions, stale, preemptions, stale), .breaks = sign,          \
		.mutation = {                                                                     \
			function,                                                                 \
			kind,                                                                     \
			order                                                                     \
		}                                                                                 \
	}

#define LOSES(text, function, kind, order, ...) \
	MUTANT(text, alone, "nobody wakes it", 3, 2, function, kind, order, __VA_ARGS__)
#define UNHEARD(text, target, ...) \
	MUTANT(text, target, "nobody wakes it", 2, 0, NULL, MODEL_LOAD, MODEL_RELAXED, __VA_ARGS__)

#define SMALL .capacity = 2, .block = 1

const struct model_case model_steal_wait_cases[] = {
	CORRECT("one consumer", alone, 2, 1, SMALL, .items = 2),
	CORRECT("a full ring of one", alone, 1, 0, .capacity = 1, .block = 1, .items = 2),
	BOUNDED("spinning first, until the close", single, 3, 1, 2, 0, SMALL, .items = 1,
		.ends = true, .spins = 1),
	CORRECT("spinning first, until the end", single, 1, 1, SMALL, .items = 1, .rest = true,
		.spins = 1),
	BOUNDED("one item each", two, 3, 1, 2, 1, SMALL, .items = 2),
	BOUNDED("a batch for two", two, 3, 1, 2, 1, SMALL, .items = 2, .batch = 2),
	BOUNDED("a batch for two in one block", two, 2, 1, 0, 0, .capacity = 4, .block = 2,
		.items = 2, .batch = 2),
	BOUNDED("until the close", two, 2, 1, 2, 0, SMALL, .items = 1, .ends = true),
	BOUNDED("until the end of the stream", two, 2, 1, 0, 0, SMALL, .items = 1, .rest = true),
	BOUNDED("one may give up", gives_up, 3, 1, 2, 1, SMALL, .items = 2),
	BOUNDED("one may give up a batch", gives_up, 2, 1, 0, 0, SMALL, .items = 2, .batch = 2),
	BOUNDED("the producer waits to step over what is held", pinned, 2, 0, 1, 0, SMALL,
		.items = 3),
	BOUNDED("a batch for three", three, 2, 0, 1, 0, .capacity = 4, .block = 1, .items = 3,
		.batch = 3),
	BOUNDED("a batch for two and one more", three, 2, 0, 0, 0, .capacity = 4, .block = 1,
		.items = 3, .batch = 2),
	LOSES("no fence at the publisher", "quoit_crowd_fence", MODEL_FENCE, MODEL_DROPPED, SMALL,
	      .items = 1),
	LOSES("no fence at the sleeper", "quoit_crowd_arm", MODEL_FENCE, MODEL_DROPPED, SMALL,
	      .items = 1),
	LOSES("the waker leaves the word as it is", "quoit_crowd_wake", MODEL_STORE, MODEL_DROPPED,
	      SMALL, .items = 1),
	LOSES("the fence before the store", NULL, MODEL_LOAD, MODEL_RELAXED, SMALL, .items = 1,
	      .flaw = FENCE_FIRST),
	LOSES("no second look", NULL, MODEL_LOAD, MODEL_RELAXED, SMALL, .items = 1,
	      .flaw = NO_LOOK),
	LOSES("looking first", NULL, MODEL_LOAD, MODEL_RELAXED, SMALL, .items = 1,
	      .flaw = LOOK_FIRST),
	LOSES("the word behind the bit", NULL, MODEL_LOAD, MODEL_RELAXED, SMALL, .items = 1,
	      .flaw = WORD_LATE),
	UNHEARD("a batch wakes one, who does not pass it on", two, SMALL, .items = 2, .batch = 2,
		.flaw = NOT_PASSED),
	UNHEARD("the second of three does not pass it on", three, .capacity = 4, .block = 1,
		.items = 3, .batch = 3, .flaw = PASSED_ONCE),
	UNHEARD("who gives up was called and tells nobody", gives_up, SMALL, .items = 2, .batch = 2,
		.flaw = GIVEN_UP),
	UNHEARD("a bit left up", two, SMALL, .items = 2, .flaw = BIT_LEFT),
	UNHEARD("a close that wakes one", two, SMALL, .items = 0, .ends = true, .flaw = CLOSE_ONE),
	MUTANT("asking for the close after the look (D-20)", two, "left behind", 2, 0, NULL,
	       MODEL_LOAD, MODEL_RELAXED, SMALL, .items = 1, .ends = true, .flaw = CLOSE_LATE),
	UNHEARD("a complete block that tells nobody", alone, .capacity = 1, .block = 1, .items = 2,
		.flaw = SPACE_SILENT),
	UNHEARD("a complete block behind a held one that tells nobody", pinned, SMALL, .items = 3,
		.flaw = SPACE_SILENT),
	{.target = NULL},
};
