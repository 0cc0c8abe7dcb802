/* SPDX-License-Identifier: MIT */
/*
 * death.c - one side dies before any of its steps; the other must neither hang nor see half of
 * anything.
 *
 * Whoever watches over the dead one (a pidfd, a join) says so with a flag and a bell. A reader then
 * takes what was published to the last item: exactly a prefix of what was sent. A writer finds the
 * ring closed.
 */
#include <model/targets/list.h>
#include <model/targets/numbers.h>

enum flaw {
	FLAWLESS,
	IGNORES_DEATH,	 /* the reader waits for the end of the ring only */
	TAIL_THEN_DEATH, /* empty, then dead: what came in between is lost */
};

struct plan {
	unsigned capacity;
	unsigned items;
	unsigned batch; /* published together */
	bool sleeps;	/* the reader sleeps, else it spins */
	enum flaw flaw;
};

static struct {
	struct lane lane;
	struct quoit_wake wake;
	QUOIT_ISOLATED struct quoit_notify notify;
	QUOIT_ISOLATED uint32_t dead;
} s;

static void name_all(const void *arg)
{
	(void)arg;
	LANE_NAMES(&s.lane, "");
	model_name(&s.wake.armed, 4, "armed");
	model_name(&s.dead, 4, "dead");
}

static void setup(const void *arg)
{
	const struct plan *plan = arg;

	lane_setup(&s.lane, plan->capacity, UINT64_MAX);
	s.notify = (struct quoit_notify){&s.wake, 0};
	if (plan->sleeps)
		quoit_spsc_attach(&s.lane.q.ring, &s.notify);
}

static struct quoit_spsc *the_ring(void)
{
	return &s.lane.q.ring;
}

static void writer(const void *arg)
{
	const struct plan *plan = arg;

	while (s.lane.sent < plan->items) {
		size_t granted;
		uint64_t *slot = numbers_reserve(&s.lane.q, 1, &granted);

		if (slot) {
			*slot = s.lane.sent++;
			quoit_spsc_commit_later(the_ring(), 1);
			if (quoit_spsc_unpublished(the_ring()) >= plan->batch)
				quoit_spsc_flush(the_ring());
			continue;
		}
		if (quoit_spsc_unpublished(the_ring()))
			quoit_spsc_flush(the_ring());
		if (quoit_spsc_is_closed(the_ring()))
			break;
		quoit_relax();
	}
	quoit_spsc_finish(the_ring());
}

static void writer_died(const void *arg)
{
	(void)arg;
	quoit_store_release(&s.dead, 1);
	(void)quoit_notify_ring(&s.notify);
}

static void reader_died(const void *arg)
{
	(void)arg;
	quoit_spsc_close(the_ring());
}

/* Dead first: the tail that follows is then the last one. */
static bool has_ended(const struct plan *plan)
{
	if (quoit_spsc_is_drained(the_ring()))
		return true;
	if (plan->flaw == IGNORES_DEATH)
		return false;
	if (plan->flaw == TAIL_THEN_DEATH)
		return !quoit_spsc_has_news(the_ring()) && quoit_load_acquire(&s.dead);
	return quoit_load_acquire(&s.dead) && !quoit_spsc_has_news(the_ring());
}

static void reader(const void *arg)
{
	const struct plan *plan = arg;

	for (;;) {
		const size_t n = numbers_consume(&s.lane.q, SLOTS_MOST, lane_consumed, &s.lane);

		if (has_ended(plan))
			return;
		if (!plan->sleeps) {
			if (!n)
				quoit_relax();
			continue;
		}
		quoit_wake_arm(&s.wake);
		if (!quoit_spsc_has_news(the_ring()) && !has_ended(plan))
			model_wait(&s.notify);
		quoit_wake_disarm(&s.wake);
	}
}

static void finish_reader_lives(const void *arg)
{
	(void)arg;
	model_check(the_ring()->tail + 1 == s.lane.received, "not all that was published was read");
	model_check(s.lane.received <= s.lane.sent, "more was read than sent");
}

static void finish_writer_lives(const void *arg)
{
	(void)arg;
	model_check(the_ring()->head + 1 <= s.lane.received, "freed before it was read");
	model_check(the_ring()->finished, "the writer has not ended");
	model_check(the_ring()->tail + 1 == s.lane.sent, "not all was published");
}

static const struct model_target writer_dies = {
	.shared = &s,
	.bytes = sizeof(s),
	.name_all = name_all,
	.setup = setup,
	.threads = {{"writer", writer}, {"reader", reader}},
	.finish = finish_reader_lives,
	.mortal = 1,
	.on_death = writer_died,
};

static const struct model_target reader_dies = {
	.shared = &s,
	.bytes = sizeof(s),
	.name_all = name_all,
	.setup = setup,
	.threads = {{"writer", writer}, {"reader", reader}},
	.finish = finish_writer_lives,
	.mortal = 2,
	.on_death = reader_died,
};

#define GROUP	      "death"
#define BREAKS_WITHIN MODEL_STALE(2, 2)

const struct model_case model_death_cases[] = {
	CORRECT("of the writer, the reader spins", writer_dies, 3, 1, .capacity = 2, .items = 3,
		.batch = 1),
	CORRECT("of the writer, published by twos", writer_dies, 3, 1, .capacity = 2, .items = 3,
		.batch = 2),
	CORRECT("of the writer, the reader sleeps", writer_dies, 1, 1, .capacity = 2, .items = 1,
		.batch = 1, .sleeps = true),
	CORRECT("of the reader, the writer spins", reader_dies, 3, 1, .capacity = 2, .items = 3,
		.batch = 1),
	CORRECT("of the reader, the writer rings", reader_dies, 0, -1, .capacity = 1, .items = 2,
		.batch = 1, .sleeps = true),
	FLAWED("nobody looks whether the writer lives", writer_dies, "spins", .capacity = 2,
	       .items = 2, .batch = 1, .flaw = IGNORES_DEATH),
	FLAWED("asleep, and nobody looks whether the writer lives", writer_dies, "no bell rings",
	       .capacity = 2, .items = 1, .batch = 1, .sleeps = true, .flaw = IGNORES_DEATH),
	FLAWED("empty first, then dead", writer_dies, "not all", .capacity = 2, .items = 2,
	       .batch = 1, .flaw = TAIL_THEN_DEATH),
	{.target = NULL},
};
