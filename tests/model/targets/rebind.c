/* SPDX-License-Identifier: MIT */
/*
 * rebind.c - a ring whose reader is changed while its producer runs: rings/notify.h, the second
 * handshake.
 *
 * The first reader takes an item or none, detaches, and then spoils its notifier, as closing an
 * eventfd and freeing memory would: whoever touches that afterwards is a race. The second one
 * prepares its own, attaches it, and reads to the end. Whoever missed its publication leaves it
 * asleep for ever.
 */
#include <model/targets/list.h>
#include <model/targets/numbers.h>

enum flaw {
	FLAWLESS,
	IMPATIENT, /* takes -EAGAIN for an answer */
	NO_LOOK,   /* sleeps after attaching without a look at the ring */
};

struct plan {
	unsigned items;
	unsigned before; /* what the first reader takes before it detaches */
	bool ends;	 /* the second reads until the ring is drained */
	bool nobody;	 /* there is no first reader yet: nobody is attached at the start */
	enum flaw flaw;
};

struct reader {
	struct quoit_wake wake;
	QUOIT_ISOLATED struct quoit_notify notify;
};

static struct {
	struct lane lane;
	struct reader first, second;
	QUOIT_ISOLATED uint32_t moved;
} s;

static void name_all(const void *arg)
{
	(void)arg;
	model_name(&s.lane.q.ring.notify, 8, "attached");
	model_name(&s.lane.q.ring.ringing, 4, "ringing");
	model_name(&s.lane.q.ring.callers, 4, "callers");
	LANE_NAMES(&s.lane, "");
	model_name(&s.first.wake.armed, 4, "armed");
	model_name(&s.second.wake.armed, 4, "armed 2");
	model_name(&s.first.notify, sizeof(s.first.notify), "notify");
	model_name(&s.second.notify, sizeof(s.second.notify), "notify 2");
	model_name(&s.moved, 4, "moved");
}

static void setup(const void *arg)
{
	const struct plan *plan = arg;

	lane_setup(&s.lane, 4, UINT64_MAX);
	s.first.notify = (struct quoit_notify){&s.first.wake, 0};
	quoit_spsc_attach(&s.lane.q.ring, plan->nobody ? &quoit_notify_nobody : &s.first.notify);
}

static void producer(const void *arg)
{
	const struct plan *plan = arg;

	while (s.lane.sent < plan->items) {
		if (!numbers_send(&s.lane.q, &s.lane.sent, 1))
			break; /* closed: there is room for all */
		s.lane.sent++;
	}
	if (plan->ends)
		quoit_spsc_finish(&s.lane.q.ring);
}

static void closer(const void *arg)
{
	(void)arg;
	quoit_spsc_close(&s.lane.q.ring);
}

/* --- readers --------------------------------------------------------------------------------- */

static bool is_over(const struct plan *plan)
{
	return plan->ends ? quoit_spsc_is_drained(&s.lane.q.ring) : s.lane.received == plan->items;
}

/* Until there are so many, or, with 0, until it is over. */
static void read_until(const struct plan *plan, struct reader *reader, unsigned items)
{
	bool look = plan->flaw != NO_LOOK;

	for (;;) {
		while (look && numbers_consume(&s.lane.q, 4, lane_consumed, &s.lane))
			;
		if (items ? s.lane.received >= items : is_over(plan))
			return;
		quoit_wake_arm(&reader->wake);
		if (!look || !(quoit_spsc_has_news(&s.lane.q.ring) || is_over(plan)))
			model_wait(&reader->notify);
		quoit_wake_disarm(&reader->wake);
		look = true;
	}
}

static void leave(const struct plan *plan)
{
	const struct plan looks = {.items = plan->items};

	if (plan->before)
		read_until(&looks, &s.first, plan->before);
	while (quoit_spsc_detach(&s.lane.q.ring) && plan->flaw != IMPATIENT)
		quoit_relax();
	s.first.notify = (struct quoit_notify){NULL, -1};
}

static void come(const struct plan *plan)
{
	s.second.notify = (struct quoit_notify){&s.second.wake, 1};
	quoit_spsc_attach(&s.lane.q.ring, &s.second.notify);
	read_until(plan, &s.second, 0);
}

static void first(const void *arg)
{
	leave(arg);
	quoit_store_release(&s.moved, 1);
}

static void second(const void *arg)
{
	while (!quoit_load_acquire(&s.moved))
		quoit_relax();
	come(arg);
}

/* One reader with two notifiers, one after the other. */
static void both(const void *arg)
{
	leave(arg);
	come(arg);
}

/* One that attaches where nobody was. */
static void late(const void *arg)
{
	come(arg);
}

static void finish(const void *arg)
{
	(void)arg;
	model_check(s.lane.received == s.lane.sent, "not everything was read");
}

/* --- the list -------------------------------------------------------------------------------- */

#define BREAKS_WITHIN MODEL_STALE(2, 2)

TARGET(moves, setup, finish, THREAD(producer), THREAD(first), THREAD(second));
TARGET(changes, setup, finish, THREAD(producer), THREAD(both));
TARGET(comes, setup, finish, THREAD(producer), THREAD(late));
TARGET(closed, setup, finish, THREAD(producer), THREAD(both), THREAD(closer));

#ifdef QUOIT_TSAN
#define GROUP "rebind by updates"
#else
#define GROUP "rebind"
#endif

#define TOUCHES	   "race on notify"
#define NEVER_RUNG "no bell rings"

const struct model_case model_rebind_cases[] = {
	CORRECT("from one reader to another", moves, 1, 0, .items = 2, .before = 1),
	CORRECT("from one notifier to another", changes, 3, 1, .items = 2, .before = 1),
	CORRECT("and its end", changes, 2, 1, .items = 1, .ends = true),
	CORRECT("to a reader where nobody was", comes, 3, 2, .items = 2, .nobody = true),
	CORRECT("to a reader where nobody was, and its end", comes, 2, 1, .items = 1,
		.nobody = true, .ends = true),
	{
		.name = GROUP " while somebody closes",
		.target = &closed,
		.arg = PLAN(.items = 1, .ends = true),
		MODEL_PREEMPTED(3, 1, 2, 1),
	},

#ifdef QUOIT_TSAN
	BREAKS("the mark is set relaxed", changes, TOUCHES, "quoit__notify_begin", MODEL_EXCHANGE,
	       MODEL_RELAXED, .items = 1),
	BREAKS("the mark is asked for relaxed", changes, TOUCHES, "quoit__notify_settle", MODEL_ADD,
	       MODEL_RELAXED, .items = 1),
	BREAKS("the mark is taken down relaxed", changes, TOUCHES, "quoit__notify_end",
	       MODEL_EXCHANGE, MODEL_RELAXED, .items = 1),
#else
	BREAKS("no fence at the producer", changes, TOUCHES, "quoit_wake_fence", MODEL_FENCE,
	       MODEL_DROPPED, .items = 1),
	BREAKS("no fence where it detaches and attaches", changes, TOUCHES, "quoit__notify_settle",
	       MODEL_FENCE, MODEL_DROPPED, .items = 1),
	BREAKS("no mark", changes, TOUCHES, "quoit__notify_begin", MODEL_STORE, MODEL_DROPPED,
	       .items = 1),
	BREAKS("the mark is asked for relaxed", changes, TOUCHES, "quoit__notify_settle",
	       MODEL_LOAD, MODEL_RELAXED, .items = 1),
	BREAKS("the mark is taken down relaxed", changes, TOUCHES, "quoit__notify_end", MODEL_STORE,
	       MODEL_RELAXED, .items = 1),
#endif
	BREAKS("who closes is not counted", closed, "spins", "quoit__notify_enter", MODEL_ADD,
	       MODEL_DROPPED, .items = 0, .ends = true),
	BREAKS("who closes leaves relaxed", closed, TOUCHES, "quoit__notify_leave", MODEL_ADD,
	       MODEL_RELAXED, .items = 0, .ends = true),
	BREAKS("the new one is attached relaxed", comes, "race on notify 2", "quoit__notify_change",
	       MODEL_STORE, MODEL_RELAXED, .items = 1, .nobody = true),
	BREAKS("who is attached is read relaxed", comes, "race on notify 2", "quoit__notify_wake",
	       MODEL_LOAD, MODEL_RELAXED, .items = 1, .nobody = true),
	BREAKS("it does not ask again", changes, TOUCHES, NULL, MODEL_LOAD, MODEL_RELAXED,
	       .items = 1, .flaw = IMPATIENT),
	BREAKS("no look after attaching", comes, NEVER_RUNG, NULL, MODEL_LOAD, MODEL_RELAXED,
	       .items = 1, .nobody = true, .flaw = NO_LOOK),
	{.target = NULL},
};
