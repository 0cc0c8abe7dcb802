/* SPDX-License-Identifier: MIT */
/*
 * cursor.c - rings/spsc_cursor.h: one by one, published in blocks or at once, by a side that goes
 * on with the plain calls when its cursor has ended.
 */
#include <model/targets/numbers.h>

enum flaw {
	FLAWLESS,
	NO_LOOK, /* the reader sleeps on its cursor's "nothing" */
};

struct plan {
	unsigned capacity;
	unsigned items;
	unsigned a_cursor; /* items of one cursor, 0: all */
	bool now;	   /* each is published at once */
	bool by_turns;	   /* cursors and plain calls take turns, on both sides */
	bool sleeps;	   /* the reader sleeps between its cursors */
	uint64_t position;
	enum flaw flaw;
};

static struct {
	struct lane lane;
	struct quoit_wake wake;
	QUOIT_ISOLATED struct quoit_notify notify;
} s;

static void name_all(const void *arg)
{
	(void)arg;
	LANE_NAMES(&s.lane, "");
	model_name(&s.wake.armed, 4, "armed");
}

static void setup(const void *arg)
{
	const struct plan *plan = arg;

	lane_setup(&s.lane, plan->capacity, plan->position);
	s.notify = (struct quoit_notify){&s.wake, 0};
	if (plan->sleeps)
		quoit_spsc_attach(&s.lane.q.ring, &s.notify);
}

/* --- writer ---------------------------------------------------------------------------------- */

/* One cursor: gives whether anything was put. */
static bool write_some(const struct plan *plan)
{
	QUOIT_CURSOR struct numbers_writer w = numbers_write(&s.lane.q);
	const uint64_t before = s.lane.sent;

	while (s.lane.sent < plan->items &&
	       (!plan->a_cursor || s.lane.sent - before < plan->a_cursor) &&
	       (plan->now ? numbers_put_now(&w, s.lane.sent) : numbers_put(&w, s.lane.sent)))
		s.lane.sent++;
	numbers_write_end(&w);
	return s.lane.sent != before;
}

static void writer(const void *arg)
{
	const struct plan *plan = arg;
	bool plainly = false;

	while (s.lane.sent < plan->items) {
		bool some;

		if (plainly) {
			some = numbers_send(&s.lane.q, &s.lane.sent, 1);
			s.lane.sent += some;
		} else {
			some = write_some(plan);
		}
		plainly = plan->by_turns && !plainly;
		if (!some)
			quoit_relax();
	}
	quoit_spsc_finish(&s.lane.q.ring);
}

/* --- reader ---------------------------------------------------------------------------------- */

static bool read_some(const struct plan *plan)
{
	QUOIT_CURSOR struct numbers_reader r = numbers_read(&s.lane.q);
	const uint64_t before = s.lane.received;
	const uint64_t *item;

	while ((!plan->a_cursor || s.lane.received - before < plan->a_cursor) &&
	       (item = numbers_take_ref(&r)))
		lane_take(&s.lane, item, 1);
	numbers_read_end(&r);
	return s.lane.received != before;
}

static void reader(const void *arg)
{
	const struct plan *plan = arg;
	struct quoit_spsc *ring = &s.lane.q.ring;
	bool plainly = false;

	while (!quoit_spsc_is_drained(ring)) {
		const bool some = plainly ? numbers_consume(&s.lane.q, SLOTS_MOST, lane_consumed,
							    &s.lane) != 0
					  : read_some(plan);

		plainly = plan->by_turns && !plainly;
		if (some)
			continue;
		if (!plan->sleeps) {
			quoit_relax();
			continue;
		}
		quoit_wake_arm(&s.wake);
		if (plan->flaw == NO_LOOK ||
		    (!quoit_spsc_has_news(ring) && !quoit_spsc_is_drained(ring)))
			model_wait(&s.notify);
		quoit_wake_disarm(&s.wake);
	}
}

static void finish(const void *arg)
{
	const struct plan *plan = arg;

	model_check(s.lane.sent == plan->items, "not everything was sent");
	model_check(s.lane.received == s.lane.sent, "not everything was read");
	model_check(s.lane.q.ring.head == plan->position + s.lane.sent, "head is wrong");
}

static const struct model_target cursors = {
	.shared = &s,
	.bytes = sizeof(s),
	.name_all = name_all,
	.setup = setup,
	.threads = {{"writer", writer}, {"reader", reader}},
	.finish = finish,
};

#define PLAN(...)            \
	&(const struct plan) \
	{                    \
		__VA_ARGS__  \
	}

#define CORRECT(text, full, few, ...)                                                 \
	{                                                                             \
		.name = "cursor " text, .target = &cursors, .arg = PLAN(__VA_ARGS__), \
		MODEL_STALE(full, few)                                                \
	}

#define BREAKS(text, sign, function, kind, order, ...)                                        \
	{                                                                                     \
		.name = "cursor mutant: " text, .target = &cursors, .arg = PLAN(__VA_ARGS__), \
		MODEL_STALE(2, 2), .breaks = sign, .mutation = {                              \
			function,                                                             \
			kind,                                                                 \
			order                                                                 \
		}                                                                             \
	}

#define FLAWED(text, sign, ...) BREAKS(text, sign, NULL, MODEL_LOAD, MODEL_RELAXED, __VA_ARGS__)

const struct model_case model_cursor_cases[] = {
	CORRECT("2 slots, in blocks", 1, 0, .capacity = 2, .items = 3, .position = UINT64_MAX - 1),
	CORRECT("4 slots, in blocks, 3 a cursor", 0, -1, .capacity = 4, .items = 6, .a_cursor = 3),
	CORRECT("2 slots, at once", 1, 0, .capacity = 2, .items = 3, .now = true),
	CORRECT("2 slots, by turns with plain calls", 1, 0, .capacity = 2, .items = 3,
		.by_turns = true, .a_cursor = 2, .position = UINT64_MAX),
	CORRECT("2 slots, at once, by turns with plain calls", 1, 0, .capacity = 2, .items = 3,
		.by_turns = true, .a_cursor = 1, .now = true),
	CORRECT("2 slots, the reader sleeps", 1, 0, .capacity = 2, .items = 2, .sleeps = true),

	BREAKS("publishing at once is relaxed", "race on slots", "quoit_spsc_write_now",
	       MODEL_STORE, MODEL_RELAXED, .capacity = 2, .items = 2, .now = true),
	BREAKS("publishing a block is relaxed", "race on slots", "quoit_spsc_publish", MODEL_STORE,
	       MODEL_RELAXED, .capacity = 2, .items = 2),
	BREAKS("a full ring is looked at relaxed", "race on slots", "quoit__spsc_freed", MODEL_LOAD,
	       MODEL_RELAXED, .capacity = 2, .items = 3),
	BREAKS("freeing is relaxed", "race on slots", "quoit__spsc_free", MODEL_STORE,
	       MODEL_RELAXED, .capacity = 2, .items = 3),
	BREAKS("a block is never published", "spins", "quoit_spsc_publish", MODEL_STORE,
	       MODEL_DROPPED, .capacity = 2, .items = 3),
	FLAWED("a sleep on the cursor's nothing", "no bell rings", .capacity = 2, .items = 2,
	       .sleeps = true, .flaw = NO_LOOK),
	{.target = NULL},
};
