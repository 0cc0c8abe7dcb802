/* SPDX-License-Identifier: MIT */
/*
 * doze.c - the events of rings/wait.h, and the waits of rings/spsc_wait.c that sleep on them.
 *
 * Two programs. In one a ring has waits attached: its reader sleeps on data, its producer on space,
 * each as quoit_spsc_wait_data() and quoit_spsc_wait_space() do it. In the other two threads sleep
 * on one event until a counter has come far enough, with nothing but arm, look and sleep.
 *
 * The flaws are ways of getting it wrong, each of which must be found.
 */
#include <model/targets/list.h>
#include <model/targets/numbers.h>

#include <errno.h>

#include <quoit/rings/spsc_wait.h>

#include <model/seam.h>

enum flaw {
	FLAWLESS,
	NO_LOOK,      /* sleeps without looking once more */
	LOOK_FIRST,   /* looks, then arms */
	LOOK_CACHED,  /* looks at its memory of the tail */
	SILENT_CLOSE, /* closes without waking anybody */
	FENCE_FIRST,  /* the publisher's fence comes before what it publishes */
	BIT_TAKEN,    /* who is awake again takes the odd bit back */
	BIT_CLEARED,  /* the publisher makes the word even by taking one away */
	WAKE_ONE,     /* wakes one of those who sleep */
	WAKE_NOBODY,  /* makes the word even and leaves it at that */
};

struct plan {
	unsigned capacity;
	unsigned items;
	bool deadline; /* every wait has one, and it may have come at any moment */
	bool ends;     /* the reader waits for the close and not for a count */
	enum flaw flaw;
};

static struct {
	struct lane lane;
	struct quoit_waits waits;
	QUOIT_ISOLATED struct quoit_event event;
	QUOIT_ISOLATED uint32_t counter;
	QUOIT_ISOLATED uint32_t answer;
	QUOIT_ISOLATED uint64_t left_behind; /* written by the sleeper before it sleeps */
} s;

static void name_all(const void *arg)
{
	(void)arg;
	LANE_NAMES(&s.lane, "");
	model_name(&s.waits.data.word, 4, "data.word");
	model_name(&s.waits.data.sleepers, 4, "data.sleepers");
	model_name(&s.waits.space.word, 4, "space.word");
	model_name(&s.waits.space.sleepers, 4, "space.sleepers");
	model_name(&s.event.word, 4, "word");
	model_name(&s.event.sleepers, 4, "sleepers");
	model_name(&s.counter, 4, "counter");
	model_name(&s.answer, 4, "answer");
	model_name(&s.left_behind, 8, "what was left behind");
}

static struct quoit_spsc *the_ring(void)
{
	return &s.lane.q.ring;
}

/* It sleeps at once: pausing is another target's. */
static struct quoit_wait how(const struct plan *plan)
{
	const struct quoit_wait wait = {
		.kind = QUOIT_WAIT_PHASED,
		.deadline_ns = plan->deadline ? 1000 : 0,
	};

	return wait;
}

static void go_to_sleep(struct quoit_event *event, uint32_t key)
{
	model_check(!quoit_event_sleep(event, key, 0), "too late, although there is no deadline");
}

/* --- a ring with waits ----------------------------------------------------------------------- */

static void setup_ring(const void *arg)
{
	const struct plan *plan = arg;

	lane_setup(&s.lane, plan->capacity, UINT64_MAX);
	quoit_spsc_attach_waits(the_ring(), &s.waits);
}

static void finish_lane(const struct plan *plan)
{
	if (plan->flaw != SILENT_CLOSE) {
		quoit_spsc_finish(the_ring());
		return;
	}
	quoit_spsc_publish(the_ring());
	quoit_store_release(&the_ring()->finished, 1);
	quoit_store_release(&the_ring()->closed, 1);
}

/* The publication as it must not be. */
static void send_wrongly(void)
{
	size_t granted;
	uint64_t *slot = numbers_reserve(&s.lane.q, 1, &granted);

	model_check(slot, "no room although there must be");
	*slot = s.lane.sent;
	quoit_spsc_commit_later(the_ring(), 1);
	quoit_event_fence();
	quoit_spsc_publish(the_ring());
	if (quoit_event_owed(&s.waits.data))
		quoit_event_wake(&s.waits.data);
}

static void producer(const void *arg)
{
	const struct plan *plan = arg;
	const struct quoit_wait wait = how(plan);

	while (s.lane.sent < plan->items) {
		if (plan->flaw == FENCE_FIRST) {
			send_wrongly();
			s.lane.sent++;
		} else if (numbers_send(&s.lane.q, &s.lane.sent, 1)) {
			s.lane.sent++;
		} else {
			const int rc = quoit_spsc_wait_space(the_ring(), 1, &wait);

			model_check(!rc || rc == -ETIMEDOUT || rc == -ESHUTDOWN,
				    "waiting for space gave something else");
			if (rc)
				break;
			model_check(quoit__spsc_room(the_ring(), 1), "woken without space");
		}
	}
	if (plan->ends)
		finish_lane(plan);
}

/* quoit_spsc_wait_data() as it must not be. */
static int wait_wrongly(enum flaw flaw)
{
	for (;;) {
		const bool early = flaw == LOOK_FIRST && quoit_spsc_has_news(the_ring());
		const uint32_t key = quoit_event_arm(&s.waits.data);

		if (early)
			return 0;
		if (flaw == LOOK_CACHED && the_ring()->tail_seen != the_ring()->head_own)
			return 0;
		go_to_sleep(&s.waits.data, key);
		if (flaw == NO_LOOK && quoit_spsc_has_news(the_ring()))
			return 0;
	}
}

static int wait_for_data(const struct plan *plan)
{
	const struct quoit_wait wait = how(plan);

	if (plan->flaw == NO_LOOK || plan->flaw == LOOK_FIRST || plan->flaw == LOOK_CACHED)
		return wait_wrongly(plan->flaw);
	return quoit_spsc_wait_data(the_ring(), &wait);
}

static void reader(const void *arg)
{
	const struct plan *plan = arg;

	while (plan->ends || s.lane.received < plan->items) {
		int rc;

		if (numbers_consume(&s.lane.q, SLOTS_MOST, lane_consumed, &s.lane))
			continue;
		rc = wait_for_data(plan);
		model_check(!rc || rc == -ETIMEDOUT || rc == -ESHUTDOWN,
			    "waiting for data gave something else");
		if (!rc)
			model_check(quoit_spsc_has_news(the_ring()), "woken without data");
		if (rc == -ESHUTDOWN)
			model_check(quoit_spsc_is_drained(the_ring()) || !plan->ends,
				    "shut down and not drained");
		if (rc)
			return;
	}
}

static void closer(const void *arg)
{
	(void)arg;
	quoit_spsc_close(the_ring());
}

static void finish_ring(const void *arg)
{
	const struct plan *plan = arg;

	model_check(plan->deadline || s.lane.received == s.lane.sent, "not everything was read");
	model_check(!s.waits.data.sleepers && !s.waits.space.sleepers, "somebody is left asleep");
}

/* Both may give up, and the ring may be closed: nobody may be left behind. */
static void finish_closed(const void *arg)
{
	(void)arg;
	model_check(!s.waits.data.sleepers && !s.waits.space.sleepers, "somebody is left asleep");
}

/* --- two sleepers ---------------------------------------------------------------------------- */

static void wait_until(const struct plan *plan, uint32_t wanted)
{
	for (;;) {
		const uint32_t key = quoit_event_arm(&s.event);

		if (quoit_load_acquire(&s.counter) >= wanted)
			break;
		go_to_sleep(&s.event, key);
		if (plan->flaw == BIT_TAKEN)
			quoit_store(&s.event.word, key - 1);
	}
}

static void early_sleeper(const void *arg)
{
	wait_until(arg, 1);
	quoit_store_release(&s.answer, 1);
}

static void late_sleeper(const void *arg)
{
	wait_until(arg, 2);
}

static void signal_as(const struct plan *plan)
{
	if (plan->flaw == FLAWLESS || plan->flaw == BIT_TAKEN) {
		quoit_event_signal(&s.event);
		return;
	}
	quoit_event_fence();
	if (plan->flaw == BIT_CLEARED) {
		const uint32_t word = quoit_load(&s.event.word);

		if (word & 1 && quoit_cas(&s.event.word, word, word - 1))
			quoit_event_wake(&s.event);
	} else if (quoit_event_owed(&s.event) && plan->flaw == WAKE_ONE) {
		(void)quoit__sys_futex_wake(&s.event.word, 1);
	}
}

static void publisher(const void *arg)
{
	quoit_store_release(&s.counter, 1);
	signal_as(arg);
	while (!quoit_load_acquire(&s.answer))
		quoit_relax();
	quoit_store_release(&s.counter, 2);
	signal_as(arg);
}

/* --- the event's end: who sees no sleepers may take what they left -------------------------- */

static void last_sleeper(const void *arg)
{
	const uint32_t key = quoit_event_arm(&s.event);

	(void)arg;
	s.left_behind = 1;
	if (!quoit_load_acquire(&s.counter))
		go_to_sleep(&s.event, key);
}

static void waker(const void *arg)
{
	(void)arg;
	while (!quoit_load(&s.event.sleepers)) /* not before somebody sleeps */
		quoit_relax();
	quoit_store_release(&s.counter, 1);
	quoit_event_signal(&s.event);
	quoit_store(&s.answer, 1);
}

/* Knows from the waker that nobody is to come, and nothing else. */
static void owner(const void *arg)
{
	(void)arg;
	while (!quoit_load(&s.answer))
		quoit_relax();
	while (quoit_event_sleepers(&s.event))
		quoit_relax();
	s.left_behind = 2;
}

/* --- the list -------------------------------------------------------------------------------- */

#define GROUP	      "doze"
#define BREAKS_WITHIN MODEL_STALE(2, 2)

TARGET(ring, setup_ring, finish_ring, THREAD(producer), THREAD(reader));
TARGET(closed, setup_ring, finish_closed, THREAD(producer), THREAD(reader), THREAD(closer));
TARGET(event, NULL, NULL, THREAD(publisher), THREAD(early_sleeper), THREAD(late_sleeper));
TARGET(end, NULL, NULL, THREAD(waker), THREAD(last_sleeper), THREAD(owner));

#define LOSES(text, target, function, kind, order, ...) \
	BREAKS(text, target, "nobody wakes it", function, kind, order, __VA_ARGS__)
#define UNHEARD(text, target, ...) FLAWED(text, target, "nobody wakes it", __VA_ARGS__)

#define ENDS(text, function, kind)                                                               \
	{                                                                                        \
		.name = "doze mutant: " text, .target = &end, .arg = PLAN(0), MODEL_STALE(0, 0), \
		.breaks = "race on what was left", .mutation = {                                 \
			function,                                                                \
			kind,                                                                    \
			MODEL_RELAXED                                                            \
		}                                                                                \
	}

#define FLAWED_EVENT(text, flaw_)                                                           \
	{                                                                                   \
		.name = "doze mutant: " text, .target = &event, .arg = PLAN(.flaw = flaw_), \
		MODEL_PREEMPTED(4, 1, 4, 1), .breaks = "nobody wakes it"                    \
	}

#define ONE_ITEM .capacity = 2, .items = 1

const struct model_case model_doze_cases[] = {
	CORRECT("waiting for data", ring, 2, 1, .capacity = 4, .items = 2),
	CORRECT("waiting for data and for space", ring, 1, 0, .capacity = 1, .items = 2),
	CORRECT("waiting for data and for space, 3 items", ring, 0, -1, .capacity = 1, .items = 3),
	CORRECT("waiting for the end", ring, 2, 0, .capacity = 2, .items = 1, .ends = true),
	CORRECT("waiting with deadlines", ring, 1, 0, .capacity = 1, .items = 2, .deadline = true),
	BOUNDED("closed by somebody else", closed, 3, 1, 2, 1, .capacity = 1, .items = 2),
	BOUNDED("two sleepers, one event", event, 3, 1, 2, 1, .items = 0),
	CORRECT("the end of an event", end, 0, 0, .items = 0),

	LOSES("no fence at the publisher (D-01)", ring, "quoit_event_fence", MODEL_FENCE,
	      MODEL_DROPPED, ONE_ITEM),
	LOSES("no fence at the sleeper (D-01)", ring, "quoit_event_arm", MODEL_FENCE, MODEL_DROPPED,
	      ONE_ITEM),
	LOSES("only acquire and release at the publisher", ring, "quoit_event_fence", MODEL_FENCE,
	      MODEL_ACQ_REL, ONE_ITEM),
	LOSES("only acquire and release at the sleeper", ring, "quoit_event_arm", MODEL_FENCE,
	      MODEL_ACQ_REL, ONE_ITEM),
	BREAKS("nothing is armed", ring, "a loop without", "quoit_event_arm", MODEL_CAS,
	       MODEL_DROPPED, ONE_ITEM),
	LOSES("the word stays odd", ring, "quoit_event_owed", MODEL_CAS, MODEL_DROPPED, ONE_ITEM),
	UNHEARD("no second look", ring, ONE_ITEM, .flaw = NO_LOOK),
	UNHEARD("the look before the arming", ring, ONE_ITEM, .flaw = LOOK_FIRST),
	UNHEARD("a second look at the cached tail", ring, ONE_ITEM, .flaw = LOOK_CACHED),
	UNHEARD("the fence before the store", ring, ONE_ITEM, .flaw = FENCE_FIRST),
	UNHEARD("closing without waking", ring, ONE_ITEM, .ends = true, .flaw = SILENT_CLOSE),
	FLAWED_EVENT("the odd bit taken back by who is awake", BIT_TAKEN),
	FLAWED_EVENT("the odd bit taken back by the publisher", BIT_CLEARED),
	FLAWED_EVENT("one is woken of two", WAKE_ONE),
	FLAWED_EVENT("nobody is woken", WAKE_NOBODY),
	ENDS("the sleepers are counted relaxed", "quoit_event_sleep", MODEL_ADD),
	ENDS("the sleepers are looked at relaxed", "quoit_event_sleepers", MODEL_LOAD),
	{.target = NULL},
};
