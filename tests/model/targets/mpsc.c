/* SPDX-License-Identifier: MIT */
/*
 * mpsc.c - rings/mpsc.h with its seats: producers that come and go while the consumer reads, lanes
 * that are used again, and a close in the middle of it.
 *
 * Everything is as it ships, the mutex, the directory and the list of free lanes included; memory
 * comes from an arena, which the race detector watches. An item tells whose it is and the how
 * manieth.
 */
#include <string.h>

#include <model/targets/list.h>

#define memcpy model_memcpy
#include <quoit/rings/mpsc_read.h>

#include <errno.h>

#define PRODUCERS 3

enum flaw {
	FLAWLESS,
	NO_SCAN,	/* the consumer sleeps without a second look */
	SCAN_NO_END,	/* or without a look whether the channel has ended */
	DRAINED_BY_EYE, /* takes "closed and empty" for the end */
};

struct plan {
	unsigned producers_most; /* lanes */
	unsigned capacity;	 /* of each; 0: 2 */
	unsigned items;		 /* of each producer */
	unsigned producers;	 /* that come */
	bool ends;	 /* the consumer reads until the channel is drained, not until it has all */
	bool patient;	 /* a producer that finds no lane waits for one */
	bool in_turns;	 /* the consumer consumes with a handler and skips, instead of receiving */
	bool copies;	 /* a handle is used again after deregistering, which must be refused */
	unsigned leaves; /* the consumer stops when so many threads have ended */
	bool closes;	 /* the consumer closes when it has all of the first producer */
	uint64_t position;
	enum flaw flaw;
};

static struct {
	QUOIT_ISOLATED char arena[10240];
	QUOIT_ISOLATED struct quoit_mpsc *channel;
	QUOIT_ISOLATED uint64_t sent[PRODUCERS]; /* each producer's */
	QUOIT_ISOLATED uint64_t received[PRODUCERS];
	QUOIT_ISOLATED uint32_t came;
	QUOIT_ISOLATED uint32_t left;	    /* threads that have ended */
	QUOIT_ISOLATED uint64_t lanes_seen; /* once it was closed, and 1 */
	QUOIT_ISOLATED struct quoit_wake wake;
	QUOIT_ISOLATED struct quoit_notify notify;
	QUOIT_ISOLATED struct quoit_notify later; /* attached in its place while producers run */
} s;

static void name_all(const void *arg)
{
	(void)arg;
	model_name(&s.wake.armed, 4, "armed");
	model_name(&s.came, 4, "came");
	model_name(s.sent, sizeof(s.sent), "sent");
	model_name(&s.notify, sizeof(s.notify), "notify");
	model_name(s.arena, sizeof(s.arena), "arena");
}

static void setup(const void *arg)
{
	const struct plan *plan = arg;
	const struct quoit_mpsc_options options = {
		.item_bytes = sizeof(uint64_t),
		.capacity_slots = plan->capacity ? plan->capacity : 2,
		.producers_most = plan->producers_most,
		.position = plan->position,
	};

	model_arena(s.arena, sizeof(s.arena));
	if (quoit_mpsc_create(&options, &s.channel))
		__builtin_trap();
	s.notify = (struct quoit_notify){&s.wake, 0};
}

static void setup_sleeping(const void *arg)
{
	setup(arg);
	if (quoit_mpsc_attach(s.channel, &s.notify))
		__builtin_trap();
}

/* --- producers ------------------------------------------------------------------------------- */

static void send_all(const struct plan *plan, unsigned self, struct quoit_mpsc_producer *producer)
{
	while (s.sent[self] < plan->items) {
		const uint64_t item = (uint64_t)self << 32 | s.sent[self];

		if (quoit_mpsc_send_one(producer, &item)) {
			s.sent[self]++;
			continue;
		}
		if (quoit_spsc_is_closed(&producer->lane->ring))
			return;
		quoit_relax();
	}
}

static void come_and_go(const struct plan *plan, unsigned self)
{
	struct quoit_mpsc_producer producer, copy;
	int rc;

	while ((rc = quoit_mpsc_register(s.channel, &producer)) == -EUSERS && plan->patient)
		quoit_relax();
	if (rc == -ESHUTDOWN || (rc == -EUSERS && plan->producers > plan->producers_most))
		return;
	model_check(!rc, "registering gave something else");
	quoit_store_release(&s.came, 1);
	send_all(plan, self, &producer);
	copy = producer;
	model_check(!quoit_mpsc_deregister(&producer), "deregistering was refused");
	if (plan->copies)
		model_check(quoit_mpsc_deregister(&copy) == -ESTALE, "a void handle was taken");
}

static void producer0(const void *arg)
{
	come_and_go(arg, 0);
}

static void producer1(const void *arg)
{
	come_and_go(arg, 1);
}

/* The only lane was used and read to its end before, so that it is free. */
static void setup_left(const void *arg)
{
	struct quoit_mpsc_producer before;
	uint64_t item;

	setup(arg);
	if (quoit_mpsc_register(s.channel, &before) || quoit_mpsc_deregister(&before) ||
	    quoit_mpsc_recv(s.channel, &item, 1))
		__builtin_trap();
}

static void newcomer(const void *arg)
{
	struct quoit_mpsc_producer producer;

	(void)arg;
	if (quoit_mpsc_register(s.channel, &producer) == -EUSERS)
		return; /* the consumer has not looked yet, and holds the lock */
	model_check(quoit_load(&producer.lane->state) == QUOIT_MPSC_LIVE,
		    "a lane in use is taken for a free one");
	model_check(!quoit_mpsc_deregister(&producer), "deregistering was refused");
}

static void looker(const void *arg)
{
	uint64_t item;

	(void)arg;
	model_check(!quoit_mpsc_recv(s.channel, &item, 1), "an item that was never sent");
}

/* One after the other, the second when there is a lane. */
static void both_producers(const void *arg)
{
	struct plan patient = *(const struct plan *)arg;

	come_and_go(arg, 0);
	patient.patient = true;
	come_and_go(&patient, 1);
	(void)quoit_add(&s.left, 1);
}

static void producer2(const void *arg)
{
	come_and_go(arg, 2);
	(void)quoit_add(&s.left, 1);
}

/* Once it is closed there are no more lanes than there were. */
static void asker(const void *arg)
{
	(void)arg;
	if (quoit_mpsc_is_closed(s.channel))
		s.lanes_seen = quoit_mpsc_lanes(s.channel) + 1;
}

static void closer(const void *arg)
{
	(void)arg;
	quoit_mpsc_close(s.channel);
}

/* --- consumer -------------------------------------------------------------------------------- */

static void take(void *items, size_t n, uint32_t id, void *ctx)
{
	const uint64_t *item = items;

	(void)id;
	(void)ctx;
	for (size_t i = 0; i < n; i++) {
		const size_t of = (size_t)(item[i] >> 32);

		model_check(of < PRODUCERS, "an item that was never sent");
		model_check((uint32_t)item[i] == s.received[of], "an item is not the next one");
		s.received[of]++;
	}
}

static size_t read_some(const struct plan *plan)
{
	uint64_t items[4];
	size_t n;

	if (plan->in_turns)
		return quoit_mpsc_consume(s.channel, 4, take, NULL);
	n = quoit_mpsc_recv(s.channel, items, 4);
	take(items, n, 0, NULL);
	return n;
}

static bool has_all(const struct plan *plan)
{
	for (unsigned i = 0; i < plan->producers; i++)
		if (s.received[i] != plan->items)
			return false;
	return true;
}

static bool is_over(const struct plan *plan)
{
	if (!plan->ends)
		return has_all(plan);
	if (plan->flaw == DRAINED_BY_EYE)
		return quoit_mpsc_is_closed(s.channel) && quoit_mpsc_is_empty(s.channel);
	return quoit_mpsc_is_drained(s.channel);
}

/* At the end what the producers did can be seen, and nothing is left. */
static void check_end(const struct plan *plan)
{
	for (unsigned i = 0; plan->ends && i < plan->producers; i++)
		model_check(s.received[i] == s.sent[i], "drained before everything was read");
}

static void consumer(const void *arg)
{
	const struct plan *plan = arg;
	bool closed = false;

	for (;;) {
		const bool left = plan->leaves && quoit_load_acquire(&s.left) == plan->leaves;
		const size_t n = read_some(plan);

		if (left && !n)
			return;
		if (plan->closes && !closed && s.received[0] == plan->items) {
			quoit_mpsc_close(s.channel);
			closed = true;
		}
		if (!plan->leaves && is_over(plan))
			break;
		if (!n)
			quoit_relax();
	}
	check_end(plan);
}

static bool has_reason(const struct plan *plan)
{
	if (plan->flaw == NO_SCAN)
		return false;
	return quoit_mpsc_has_news(s.channel) || (plan->flaw != SCAN_NO_END && is_over(plan));
}

static void sleep_and_read(const struct plan *plan, const struct quoit_notify *notify)
{
	for (;;) {
		while (read_some(plan))
			;
		if (is_over(plan))
			break;
		quoit_wake_arm(&s.wake);
		if (!has_reason(plan))
			model_wait(notify);
		quoit_wake_disarm(&s.wake);
	}
	check_end(plan);
}

static void sleeper(const void *arg)
{
	sleep_and_read(arg, &s.notify);
}

/* Takes the notifier down while producers come and go, and reads on with another. */
static void changer(const void *arg)
{
	/* Twice: a try for the lock may fail for nothing, and then nothing will change. */
	while (quoit_mpsc_detach(s.channel) && quoit_mpsc_detach(s.channel))
		quoit_relax();
	s.notify.wake = NULL;
	s.later = (struct quoit_notify){&s.wake, 1};
	model_check(!quoit_mpsc_attach(s.channel, &s.later), "attaching was refused");
	sleep_and_read(arg, &s.later);
}

/* Takes the notifier down once nobody is registered any more, and somebody was. */
static void owner(const void *arg)
{
	(void)arg;
	while (!quoit_load_acquire(&s.came))
		quoit_relax();
	while (quoit_mpsc_producers(s.channel))
		quoit_relax();
	s.notify.wake = NULL;
}

static void finish(const void *arg)
{
	const struct plan *plan = arg;

	for (unsigned i = 0; i < plan->producers; i++) {
		model_check(s.received[i] == s.sent[i], "not everything was read");
		model_check(plan->ends || plan->leaves || s.sent[i] == plan->items,
			    "not everything was sent");
	}
	model_check(!quoit_mpsc_length(s.channel), "a length at the end");
	model_check(!quoit_mpsc_producers(s.channel), "somebody is still registered");
	for (uint32_t id = 0; id < quoit_mpsc_lanes(s.channel); id++)
		model_check(quoit_mpsc_lane_state(s.channel, id) != QUOIT_MPSC_LIVE,
			    "a lane is left open");
}

static void finish_asked(const void *arg)
{
	(void)arg;
	model_check(!s.lanes_seen || s.lanes_seen - 1 == quoit_mpsc_lanes(s.channel),
		    "a lane was opened after the close");
}

/* --- the list -------------------------------------------------------------------------------- */

#define GROUP	      "mpsc"
#define BREAKS_WITHIN MODEL_PREEMPTED(2, 1, 2, 1)

TARGET(one, setup, finish, THREAD(producer0), THREAD(consumer));
TARGET(two, setup, finish, THREAD(producer0), THREAD(producer1), THREAD(consumer));
TARGET(closed, setup, finish, THREAD(producer0), THREAD(consumer), THREAD(closer));
TARGET(asleep, setup_sleeping, finish, THREAD(producer0), THREAD(sleeper));
TARGET(asleep2, setup_sleeping, finish, THREAD(producer0), THREAD(producer1), THREAD(sleeper));
TARGET(asleep_closed, setup_sleeping, finish, THREAD(producer0), THREAD(sleeper), THREAD(closer));
TARGET(again, setup, finish, THREAD(both_producers), THREAD(producer2), THREAD(consumer));
TARGET(asleep_again, setup_sleeping, finish, THREAD(both_producers), THREAD(sleeper));
TARGET(left, setup_left, NULL, THREAD(newcomer), THREAD(looker));
TARGET(full, setup, NULL, THREAD(producer0), THREAD(closer));
TARGET(asked, setup, finish_asked, THREAD(producer0), THREAD(closer), THREAD(asker));
TARGET(nobody, setup_sleeping, finish, THREAD(sleeper), THREAD(closer));
TARGET(changed, setup_sleeping, finish, THREAD(producer0), THREAD(changer));
TARGET(changed_closed, setup_sleeping, finish, THREAD(producer0), THREAD(changer), THREAD(closer));
TARGET(gone, setup_sleeping, NULL, THREAD(producer0), THREAD(owner));

#define ONE	.producers = 1, .producers_most = 1
#define TWO	.producers = 2, .producers_most = 2
#define IN_TURN .producers = 2, .producers_most = 1, .patient = true

const struct model_case model_mpsc_cases[] = {
	CORRECT("one producer comes and goes", one, 2, 1, ONE, .items = 2, .position = UINT64_MAX),
	BOUNDED("two producers, a lane each", two, 2, 1, 2, 0, TWO, .items = 1),
	BOUNDED("two producers, a lane each, in turns", two, 2, 1, 2, 0, TWO, .items = 2,
		.in_turns = true),
	BOUNDED("two producers, one lane used again", two, 2, 1, 2, 0, IN_TURN, .items = 1),
	BOUNDED("a lane used again, and the end", two, 2, 1, 2, 0, IN_TURN, .items = 1,
		.ends = true, .closes = true),
	BOUNDED("closed while somebody registers", closed, 2, 1, 2, 0, ONE, .items = 1,
		.ends = true),
	BOUNDED("closed by the consumer while somebody registers", two, 2, 1, 2, 0, TWO, .items = 1,
		.ends = true, .closes = true),
	BOUNDED("the consumer sleeps", asleep, 3, 1, 2, 1, ONE, .items = 2),
	BOUNDED("the consumer sleeps, two producers", asleep2, 2, 1, 2, 0, TWO, .items = 1),
	BOUNDED("the consumer sleeps, and the end", asleep_closed, 2, 1, 2, 0, ONE, .items = 1,
		.ends = true),
	CORRECT("nobody ever comes, and the end", nobody, 3, 2, .producers_most = 1, .ends = true),
	CORRECT("the notifier is taken down", gone, 2, 1, ONE, .items = 1),
	BOUNDED("a lane used again, with two who want it", again, 2, 0, 2, 0, .producers = 3,
		.producers_most = 1, .items = 1, .leaves = 2),
	BOUNDED("the consumer sleeps, one lane used again", asleep_again, 2, 1, 2, 1, IN_TURN,
		.items = 1),
	BOUNDED("the notifier is changed", changed, 3, 1, 2, 1, ONE, .items = 1),
	BOUNDED("the notifier is changed, and the end", changed_closed, 2, 1, 2, 0, ONE, .items = 1,
		.ends = true),
	CORRECT("a free lane is taken while the consumer looks at it", left, 2, 2,
		.producers_most = 1),
	CORRECT("a full lane is closed", full, 2, 1, ONE, .items = 3),
	CORRECT("closed, and nobody comes", asked, 1, 1, ONE, .items = 1),
	CORRECT("a handle is void afterwards", one, 1, 0, ONE, .items = 1, .copies = true),

	BREAKS("a new lane is counted relaxed (D-16)", one, "race on", "quoit_directory_add",
	       MODEL_STORE, MODEL_RELAXED, ONE, .items = 1),
	BREAKS("lanes are counted relaxed", one, "race on", "quoit_directory_count", MODEL_LOAD,
	       MODEL_RELAXED, ONE, .items = 1),
	BREAKS("close is relaxed (D-19)", asked, "after the close", "quoit_mpsc_close", MODEL_STORE,
	       MODEL_RELAXED, ONE, .items = 1),
	BREAKS("closed is read relaxed", asked, "after the close", "quoit_mpsc_is_closed",
	       MODEL_LOAD, MODEL_RELAXED, ONE, .items = 1),
	BREAKS("the last word about the notifier is relaxed (D-10)", gone, "race on notify",
	       "quoit_mpsc_deregister", MODEL_STORE, MODEL_RELAXED, ONE, .items = 1),
	BREAKS("producers are counted relaxed", gone, "race on notify", "quoit_mpsc_producers",
	       MODEL_LOAD, MODEL_RELAXED, ONE, .items = 1),
	BREAKS("no fence where the notifier is changed", changed, "race on notify",
	       "quoit__notify_settle", MODEL_FENCE, MODEL_DROPPED, ONE, .items = 1),
	BREAKS("a lane given back is not marked", again, "race on", "give_back", MODEL_STORE,
	       MODEL_DROPPED, .producers = 3, .producers_most = 1, .items = 1, .leaves = 2),
	BREAKS("a lane in use is not marked", full, "broken", "seat_producer", MODEL_STORE,
	       MODEL_DROPPED, ONE, .items = 3),
	BREAKS("a lane in use is marked relaxed", left, "taken for a free one", "seat_producer",
	       MODEL_STORE, MODEL_RELAXED, .producers_most = 1),
	BREAKS("the mark of a lane is read relaxed", left, "taken for a free one",
	       "quoit__mpsc_retire", MODEL_LOAD, MODEL_RELAXED, .producers_most = 1),
	BREAKS("a generation stays", one, "a void handle", "quoit_mpsc_deregister", MODEL_STORE,
	       MODEL_DROPPED, ONE, .items = 1, .copies = true),
	BREAKS("no fence at the publisher (D-01)", asleep, "no bell rings", "quoit_wake_fence",
	       MODEL_FENCE, MODEL_DROPPED, ONE, .items = 1),
	BREAKS("no fence at the consumer (D-01)", asleep, "no bell rings", "quoit_wake_arm",
	       MODEL_FENCE, MODEL_DROPPED, ONE, .items = 1),
	FLAWED("no second look", asleep, "no bell rings", ONE, .items = 1, .flaw = NO_SCAN),
	FLAWED("a second look at the tails only", asleep_closed, "no bell rings", ONE, .items = 1,
	       .ends = true, .flaw = SCAN_NO_END),
	FLAWED("closed and empty taken for the end (D-18)", closed, "race on sent", ONE, .items = 1,
	       .ends = true, .flaw = DRAINED_BY_EYE),
	{.target = NULL},
};
