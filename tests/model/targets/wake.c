/* SPDX-License-Identifier: MIT */
/*
 * wake.c - the sleeping handshake of rings/notify.h: no message waits beside a sleeping reader.
 *
 * A reader goes through its turns as the event loop does: read every ring, arm, look once more at
 * every ring, sleep if there is nothing, disarm. It ends when it has all that was sent, or when
 * all rings are drained; a lost bell leaves it asleep for ever, which the checker reports.
 *
 * The flaws are ways of getting it wrong, each of which must be found.
 */
#include <model/targets/list.h>
#include <model/targets/numbers.h>

#define LANES	2
#define READERS 2

enum flaw {
	FLAWLESS,
	NO_SCAN,      /* sleeps without a second look */
	SCAN_FIRST,   /* looks at the first ring only */
	SCAN_CACHED,  /* looks at its memory of the tail */
	SCAN_NO_END,  /* does not look whether a ring has ended */
	DISARM_EARLY, /* takes the flag down before it waits */
	ARM_ONCE,     /* sleeps again after a bell without arming again */
	PLAIN_DISARM, /* stores where every access must be an update */
	FENCE_FIRST,  /* the publisher's fence comes before what it publishes */
	FENCE_LEFT,   /* two publications, and the fence between them */
	SILENT_CLOSE, /* closes without a bell */
	DEAF_CLOSE,   /* closes with a bell, but without the fence */
};

struct plan {
	unsigned lanes;
	unsigned items; /* in each lane */
	unsigned capacity;
	bool ends;	  /* the reader waits for the end of the lanes, not for a count */
	bool one_turn;	  /* one producer for all lanes: publishes all, then fences once */
	bool two_readers; /* lane 1 is read by somebody else */
	enum flaw flaw;
};

struct reader {
	struct quoit_wake wake;
	QUOIT_ISOLATED struct quoit_notify notify;
};

static struct {
	struct lane lanes[LANES];
	struct reader readers[READERS];
} s;

static void name_all(const void *arg)
{
	(void)arg;
	LANE_NAMES(&s.lanes[0], "a.");
	LANE_NAMES(&s.lanes[1], "b.");
	model_name(&s.readers[0].wake.armed, 4, "armed");
	model_name(&s.readers[1].wake.armed, 4, "armed 2");
}

static void setup(const void *arg)
{
	const struct plan *plan = arg;

	for (unsigned i = 0; i < READERS; i++)
		s.readers[i].notify = (struct quoit_notify){&s.readers[i].wake, (int)i};
	for (unsigned i = 0; i < plan->lanes; i++) {
		lane_setup(&s.lanes[i], plan->capacity, UINT64_MAX - i);
		quoit_spsc_attach(&s.lanes[i].q.ring, &s.readers[plan->two_readers ? i : 0].notify);
	}
}

/* --- publishers ------------------------------------------------------------------------------ */

static void ring_if_owed(const struct quoit_notify *notify)
{
	if (quoit_wake_owed(notify->wake))
		(void)quoit_notify_ring(notify);
}

static void put_later(struct lane *lane)
{
	size_t granted;
	uint64_t *slot = numbers_reserve(&lane->q, 1, &granted);

	model_check(slot, "no room although there must be");
	*slot = lane->sent++;
	quoit_spsc_commit_later(&lane->q.ring, 1);
}

/* The publication as it must not be. */
static void publish_wrongly(struct lane *lane)
{
	put_later(lane);
	quoit_wake_fence();
	quoit_spsc_publish(&lane->q.ring);
	ring_if_owed(lane->q.ring.notify);
}

static void finish_lane(const struct plan *plan, struct lane *lane)
{
	struct quoit_spsc *ring = &lane->q.ring;

	if (plan->flaw != SILENT_CLOSE && plan->flaw != DEAF_CLOSE) {
		quoit_spsc_finish(ring);
		return;
	}
	quoit_spsc_publish(ring);
	quoit_store_release(&ring->finished, 1);
	quoit_store_release(&ring->closed, 1);
	if (plan->flaw == DEAF_CLOSE)
		ring_if_owed(ring->notify);
}

static void produce(const struct plan *plan, struct lane *lane)
{
	while (lane->sent < plan->items) {
		if (plan->flaw == FENCE_FIRST) {
			publish_wrongly(lane);
		} else if (numbers_send(&lane->q, &lane->sent, 1)) {
			lane->sent++;
		} else {
			if (quoit_spsc_is_closed(&lane->q.ring))
				break;
			quoit_relax();
		}
	}
	if (plan->ends)
		finish_lane(plan, lane);
}

static void producer(const void *arg)
{
	produce(arg, &s.lanes[0]);
}

static void producer2(const void *arg)
{
	produce(arg, &s.lanes[1]);
}

/* A loop's turn: passes on in all lanes, publishes each, fences once, rings whom it owes. */
static void turns(const void *arg)
{
	const struct plan *plan = arg;

	for (unsigned turn = 0; turn < plan->items; turn++) {
		for (unsigned i = 0; i < plan->lanes; i++)
			put_later(&s.lanes[i]);
		for (unsigned i = 0; i < plan->lanes; i++) {
			if (plan->flaw == FENCE_LEFT && i == plan->lanes - 1)
				quoit_wake_fence();
			quoit_spsc_publish(&s.lanes[i].q.ring);
		}
		if (plan->flaw != FENCE_LEFT)
			quoit_wake_fence();
		for (unsigned i = 0; i < (plan->two_readers ? READERS : 1); i++)
			ring_if_owed(&s.readers[i].notify);
	}
}

static void closer(const void *arg)
{
	(void)arg;
	quoit_spsc_close(&s.lanes[0].q.ring);
}

/* Rings for nothing, as somebody does who looked too late. */
static void ringer(const void *arg)
{
	(void)arg;
	(void)quoit_notify_ring(&s.readers[0].notify);
}

/* --- reader ---------------------------------------------------------------------------------- */

struct turn {
	const struct plan *plan;
	struct reader *reader;
	unsigned first, last; /* its lanes */
	bool ended[LANES];    /* those that are known to have ended */
};

static bool has_ended(const struct turn *t, struct lane *lane)
{
	return t->plan->ends ? quoit_spsc_is_drained(&lane->q.ring)
			     : lane->received == t->plan->items;
}

static bool read_all(struct turn *t)
{
	bool all = true;

	for (unsigned i = t->first; i <= t->last; i++) {
		while (numbers_consume(&s.lanes[i].q, 4, lane_consumed, &s.lanes[i]))
			;
		if (!t->ended[i])
			t->ended[i] = has_ended(t, &s.lanes[i]);
		all = all && t->ended[i];
	}
	return all;
}

static bool scan(const struct turn *t)
{
	const enum flaw flaw = t->plan->flaw;
	const unsigned last = flaw == SCAN_FIRST ? t->first : t->last;

	for (unsigned i = t->first; i <= last && flaw != NO_SCAN; i++) {
		struct quoit_spsc *ring = &s.lanes[i].q.ring;

		if (flaw == SCAN_CACHED ? ring->tail_seen != ring->head_own
					: quoit_spsc_has_news(ring))
			return true;
		if (t->plan->ends && flaw != SCAN_NO_END && !t->ended[i] &&
		    quoit_spsc_is_drained(ring))
			return true;
	}
	return false;
}

static void read_until_end(struct turn *t)
{
	struct reader *reader = t->reader;
	const enum flaw flaw = t->plan->flaw;
	bool armed = false;

	while (!read_all(t)) {
		if (!armed)
			quoit_wake_arm(&reader->wake);
		armed = flaw == ARM_ONCE;
		if (!scan(t)) {
			if (flaw == DISARM_EARLY)
				quoit_wake_disarm(&reader->wake);
			model_wait(&reader->notify);
		}
		if (flaw == PLAIN_DISARM)
			quoit_store(&reader->wake.armed, 0);
		else if (flaw != ARM_ONCE)
			quoit_wake_disarm(&reader->wake);
	}
}

static void reader(const void *arg)
{
	const struct plan *plan = arg;
	struct turn t = {.plan = plan, .reader = &s.readers[0]};

	t.last = plan->two_readers ? 0 : plan->lanes - 1;
	read_until_end(&t);
}

static void reader2(const void *arg)
{
	struct turn t = {.plan = arg, .reader = &s.readers[1], .first = 1, .last = 1};

	read_until_end(&t);
}

static void finish(const void *arg)
{
	const struct plan *plan = arg;

	for (unsigned i = 0; i < plan->lanes; i++)
		model_check(s.lanes[i].received == s.lanes[i].sent, "not everything was read");
}

/* --- the list -------------------------------------------------------------------------------- */

#define BREAKS_WITHIN MODEL_STALE(2, 2)

#define PRODUCER                     \
	{                            \
		"producer", producer \
	}
#define PRODUCER2                      \
	{                              \
		"producer2", producer2 \
	}
#define TURNS                  \
	{                      \
		"turns", turns \
	}
#define READER                   \
	{                        \
		"reader", reader \
	}
#define READER2                    \
	{                          \
		"reader2", reader2 \
	}
#define CLOSER                   \
	{                        \
		"closer", closer \
	}
#define RINGER                   \
	{                        \
		"ringer", ringer \
	}

TARGET(one, setup, finish, PRODUCER, READER);
TARGET(two, setup, finish, PRODUCER, PRODUCER2, READER);
TARGET(rung, setup, finish, PRODUCER, READER, RINGER);
TARGET(closed, setup, finish, PRODUCER, READER, CLOSER);
TARGET(turn, setup, finish, TURNS, READER);
TARGET(turn2, setup, finish, TURNS, READER, READER2);

#ifdef QUOIT_TSAN
#define GROUP "wake by updates"
#else
#define GROUP "wake"
#endif

#define LOSES(text, target, function, kind, order, ...) \
	BREAKS(text, target, "no bell rings", function, kind, order, __VA_ARGS__)
#define UNHEARD(text, target, ...) FLAWED(text, target, "no bell rings", __VA_ARGS__)

#define ONE_LANE  .lanes = 1, .capacity = 2
#define TWO_LANES .lanes = 2, .capacity = 2

const struct model_case model_wake_cases[] = {
	CORRECT("one ring", one, 3, 0, ONE_LANE, .items = 3),
	CORRECT("one ring, waiting for its end", one, 2, 1, ONE_LANE, .items = 1, .ends = true),
	CORRECT("one ring, and a bell for nothing", rung, 1, 1, ONE_LANE, .items = 2),
	CORRECT("one ring, closed by somebody else", closed, 1, -1, ONE_LANE, .items = 1,
		.ends = true),
	CORRECT("two rings, one flag", two, 2, 1, TWO_LANES, .items = 1),
	CORRECT("two rings, one flag, waiting for their end", two, 1, -1, TWO_LANES, .items = 0,
		.ends = true),
	CORRECT("a turn that publishes in two rings", turn, 2, 1, TWO_LANES, .items = 2),
	CORRECT("a turn that wakes two readers with one fence", turn2, 2, 1, TWO_LANES, .items = 1,
		.two_readers = true),
#ifdef QUOIT_TSAN
	LOSES("the reader arms relaxed", one, "quoit_wake_arm", MODEL_EXCHANGE, MODEL_RELAXED,
	      ONE_LANE, .items = 2),
	LOSES("the publisher looks relaxed", one, "quoit_wake_owed", MODEL_EXCHANGE, MODEL_RELAXED,
	      ONE_LANE, .items = 2),
	UNHEARD("disarming with a store", one, ONE_LANE, .items = 2, .flaw = PLAIN_DISARM),
#else
	LOSES("no fence at the publisher (D-01)", one, "quoit_wake_fence", MODEL_FENCE,
	      MODEL_DROPPED, ONE_LANE, .items = 1),
	LOSES("no fence at the reader (D-01)", one, "quoit_wake_arm", MODEL_FENCE, MODEL_DROPPED,
	      ONE_LANE, .items = 1),
	LOSES("only acquire and release at the publisher", one, "quoit_wake_fence", MODEL_FENCE,
	      MODEL_ACQ_REL, ONE_LANE, .items = 1),
	LOSES("only acquire and release at the reader", one, "quoit_wake_arm", MODEL_FENCE,
	      MODEL_ACQ_REL, ONE_LANE, .items = 1),
	UNHEARD("the fence before the store", one, ONE_LANE, .items = 1, .flaw = FENCE_FIRST),
	UNHEARD("the fence before the last store of a turn", turn, TWO_LANES, .items = 1,
		.flaw = FENCE_LEFT),
	UNHEARD("closing without the fence", one, ONE_LANE, .ends = true, .flaw = DEAF_CLOSE),
#endif
	LOSES("the publisher never disarms", one, "quoit_wake_owed", MODEL_EXCHANGE, MODEL_DROPPED,
	      ONE_LANE, .items = 1),
	UNHEARD("no second look", one, ONE_LANE, .items = 1, .flaw = NO_SCAN),
	UNHEARD("a second look at one ring", two, TWO_LANES, .items = 1, .flaw = SCAN_FIRST),
	UNHEARD("a second look at the cached tail", one, ONE_LANE, .items = 1, .flaw = SCAN_CACHED),
	UNHEARD("a second look at the tail only", one, ONE_LANE, .ends = true, .flaw = SCAN_NO_END),
	UNHEARD("disarming before the wait", one, ONE_LANE, .items = 1, .flaw = DISARM_EARLY),
	UNHEARD("not arming again", one, ONE_LANE, .items = 2, .flaw = ARM_ONCE),
	UNHEARD("closing without a bell", one, ONE_LANE, .ends = true, .flaw = SILENT_CLOSE),
	{.target = NULL},
};
