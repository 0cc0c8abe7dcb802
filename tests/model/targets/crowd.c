/* SPDX-License-Identifier: MIT */
/*
 * crowd.c - the edges of rings/crowd.h alone, with nothing around them: a seat that is used again,
 * a call that comes while the sleeper arms, and what is known to whom afterwards. What rings make
 * of a crowd is in steal_wait.c.
 */
#include <model/targets/list.h>

#include <quoit/rings/crowd.h>

#include <model/seam.h>

#define HAPPENINGS_MOST 2

struct plan {
	unsigned happenings;
	bool impatient; /* a sleep may end at any moment, and the sleeper with it */
	bool all;	/* everybody is called */
};

static struct {
	struct quoit_crowd crowd;
	QUOIT_ISOLATED uint64_t sitter;		       /* of the only seat */
	QUOIT_ISOLATED uint64_t told[HAPPENINGS_MOST]; /* plain: known by the call alone */
	QUOIT_ISOLATED uint32_t there;		       /* how many there have been */
} s;

static void name_all(const void *arg)
{
	(void)arg;
	model_name(&s.crowd.asleep[0], 8, "asleep");
	model_name(&s.crowd.taken[0], 8, "seats taken");
	model_name(&s.crowd.called[0], 4, "called");
	model_name(&s.sitter, 8, "who sits there");
	model_name(s.told, sizeof(s.told), "what is told");
	model_name(&s.there, 4, "there");
}

static void setup(const void *arg)
{
	(void)arg;
	if (quoit_crowd_init(&s.crowd, 1))
		__builtin_trap();
}

static int sit(void)
{
	int seat;

	while ((seat = quoit_crowd_sit(&s.crowd)) < 0)
		quoit_relax();
	model_check(!seat, "a seat that there is not");
	return seat;
}

/* --- a seat ---------------------------------------------------------------------------------- */

static void sit_for_a_while(uint64_t self)
{
	const int seat = sit();

	s.sitter = self;
	model_check(s.sitter == self, "two sit on one seat");
	quoit_crowd_rise(&s.crowd, seat);
}

static void first(const void *arg)
{
	(void)arg;
	sit_for_a_while(1);
	sit_for_a_while(1);
}

static void second(const void *arg)
{
	(void)arg;
	sit_for_a_while(2);
}

/* --- a call ---------------------------------------------------------------------------------- */

static void publisher(const void *arg)
{
	const struct plan *plan = arg;

	for (unsigned i = 0; i < plan->happenings; i++) {
		s.told[i] = i + 1;
		quoit_store(&s.there, i + 1);
		if (plan->all)
			quoit_crowd_signal_all(&s.crowd);
		else
			quoit_crowd_signal(&s.crowd);
	}
}

/* Until all has happened, anew for each; or until its deadline. */
static void sleep_until_all_is_there(const struct plan *plan, int seat)
{
	uint32_t there = 0, called = 0;
	bool late = false;

	while (!late && there < plan->happenings) {
		quoit_crowd_arm(&s.crowd, seat);
		there = quoit_load(&s.there);
		if (there < plan->happenings)
			late = quoit_crowd_sleep(&s.crowd, seat, plan->impatient ? 1000 : 0);
		/* Each call is for another one, and who is called knows of it and of those before.
		 */
		called += quoit_crowd_leave(&s.crowd, seat);
		for (unsigned i = 0; i < called; i++)
			model_check(s.told[i] == i + 1, "called for what it does not know");
	}
}

static void sleeper(const void *arg)
{
	const int seat = sit();

	sleep_until_all_is_there(arg, seat);
	quoit_crowd_rise(&s.crowd, seat);
}

static void finish(const void *arg)
{
	(void)arg;
	model_check(!s.crowd.asleep[0], "a bit is still up");
	model_check(s.crowd.taken[0] == UINT64_MAX << 1, "a seat is still taken");
}

/* --- the list -------------------------------------------------------------------------------- */

#define GROUP	      "crowd"
#define BREAKS_WITHIN MODEL_STALE(2, 2)

TARGET(seat, setup, finish, THREAD(first), THREAD(second));
TARGET(call, setup, finish, THREAD(publisher), THREAD(sleeper));
TARGET(calls, setup, finish, THREAD(publisher), THREAD(sleeper), THREAD(sleeper));

const struct model_case model_crowd_cases[] = {
	CORRECT("a seat used again", seat, 2, 2, .happenings = 0),
	CORRECT("one call", call, 3, 3, .happenings = 1),
	CORRECT("two calls", call, 2, 2, .happenings = 2),
	CORRECT("two calls, or too late", call, 2, 1, .happenings = 2, .impatient = true),
	CORRECT("everybody is called", call, 3, 3, .happenings = 1, .all = true),
	CORRECT("everybody is called twice", call, 2, 2, .happenings = 2, .all = true),
	CORRECT("two who have one seat", calls, 1, 0, .happenings = 1, .impatient = true),
	BREAKS("a seat is taken relaxed", seat, "race", "quoit_crowd_sit", MODEL_CAS, MODEL_RELAXED,
	       .happenings = 0),
	BREAKS("a seat is given back relaxed", seat, "race", "quoit_crowd_rise", MODEL_ADD,
	       MODEL_RELAXED, .happenings = 0),
	BREAKS("who is called learns nothing", call, "race", "quoit_crowd_leave", MODEL_LOAD,
	       MODEL_RELAXED, .happenings = 1),
	BREAKS("the bit is raised relaxed", call, "nobody wakes it", "quoit_crowd_arm", MODEL_ADD,
	       MODEL_RELAXED, .happenings = 2),
	BREAKS("the bit is taken down relaxed", call, "nobody wakes it", "quoit_crowd_choose",
	       MODEL_CAS, MODEL_RELAXED, .happenings = 2),
	BREAKS("all bits are taken down relaxed", call, "nobody wakes it", "quoit_crowd_signal_all",
	       MODEL_EXCHANGE, MODEL_RELAXED, .happenings = 1, .all = true),
	{.target = NULL},
};
