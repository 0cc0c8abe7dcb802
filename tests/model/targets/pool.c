/* SPDX-License-Identifier: MIT */
/*
 * pool.c - the free list of rings/free_list.h: a slot has one owner, whoever is stopped where.
 *
 * Each thread works through a script, in which a letter is a call:
 *
 *     t  take a slot          T  take up to two at once
 *     g  give the oldest back G  give the newest back     M  give all back at once
 *     x  give back the handle that all of them know       a  ask how many are free
 *
 * Who has a slot writes into it, and looks before giving it back, so that two owners are a race or
 * a wrong word. In the end the list is walked: each slot is in it once or held by one, and the
 * counts are right.
 */
#include <string.h>

#include <model/model.h>

#include <quoit/rings/free_list.h>

#include <quoit/rings/free_list.c>

#define SLOTS 4

enum flaw {
	FLAWLESS,
	NO_TAG,	      /* takes without counting: the textbook's ABA */
	PLAIN_LINK,   /* looks at the link as if it were the thread's own (defect D-30) */
	NO_STATE,     /* gives back whatever handle names a slot (defect D-31) */
	PLAIN_STATE,  /* looks at the state and stores it, two give back at once */
	NO_GENERATION /* looks whether the slot is taken, not by which handle */
};

struct plan {
	unsigned slots;
	bool known; /* slot 0 is taken, and all know its handle */
	const char *scripts[3];
	enum flaw flaw;
};

static struct {
	struct quoit_free_list list;
	struct quoit_free_slot slots[SLOTS];
	QUOIT_ISOLATED uint64_t words[SLOTS]; /* the owners' */
	QUOIT_ISOLATED uint64_t held[3];      /* by each thread, in the end: a bit for each slot */
	uint64_t given_known[3];	      /* how often the known handle was accepted */
	uint32_t known;
} s;

static void name_all(const void *arg)
{
	static const char *const states[] = {"state 0", "state 1", "state 2", "state 3"};
	static const char *const links[] = {"link 0", "link 1", "link 2", "link 3"};

	(void)arg;
	model_name(&s.list.head, sizeof(s.list.head), "head");
	for (unsigned i = 0; i < SLOTS; i++) {
		model_name(&s.slots[i].state, sizeof(s.slots[i].state), states[i]);
		model_name(&s.slots[i].link, sizeof(s.slots[i].link), links[i]);
	}
	model_name(s.words, sizeof(s.words), "words");
}

static void setup(const void *arg)
{
	const struct plan *plan = arg;

	if (quoit_free_list_init(&s.list, s.slots, sizeof(s.slots[0]), plan->slots, 1))
		__builtin_trap();
	if (!plan->known)
		return;
	s.slots[0].state++;
	s.known = quoit__free_handle(&s.list, 0, s.slots[0].state);
	s.list.head = QUOIT__FREE_TAG_ONE + (s.slots[0].link & QUOIT__FREE_SLOT_MASK);
}

struct thread {
	const struct plan *plan;
	unsigned self;
	unsigned n;
	uint32_t handles[SLOTS];
};

/* --- the flaws ------------------------------------------------------------------------------- */

static bool flawed_take(enum flaw flaw, uint32_t *handle)
{
	uint64_t head, link, after;
	struct quoit_free_slot *slot;

	do {
		head = quoit_load_acquire(&s.list.head);
		if (!(head & QUOIT__FREE_SLOT_MASK))
			return false;
		slot = &s.slots[(head & QUOIT__FREE_SLOT_MASK) - 1];
		link = flaw == PLAIN_LINK ? slot->link : quoit_load(&slot->link);
		after = (head & ~QUOIT__FREE_SLOT_MASK) + (link & QUOIT__FREE_SLOT_MASK);
		if (flaw != NO_TAG)
			after += QUOIT__FREE_TAG_ONE;
	} while (!quoit_cas_relaxed(&s.list.head, head, after));
	*handle = quoit__free_list_begin(&s.list, (uint32_t)(slot - s.slots));
	return true;
}

static int flawed_end(enum flaw flaw, uint32_t handle, uint32_t *index)
{
	uint32_t state;

	*index = quoit_free_list_index(&s.list, handle);
	state = quoit_load(&s.slots[*index].state);
	if (flaw == NO_STATE)
		state |= 1;
	else if (flaw == NO_GENERATION ? !(state & 1)
				       : !quoit__free_handle_is(&s.list, handle, *index, state))
		return -EALREADY;
	quoit_store(&s.slots[*index].state, state + 1);
	return 0;
}

static bool take(enum flaw flaw, uint32_t *handle)
{
	if (flaw == NO_TAG || flaw == PLAIN_LINK)
		return flawed_take(flaw, handle);
	return quoit_free_list_take(&s.list, handle);
}

static int give(enum flaw flaw, uint32_t handle)
{
	uint32_t index;
	int rc;

	if (flaw != NO_STATE && flaw != PLAIN_STATE && flaw != NO_GENERATION)
		return quoit_free_list_give(&s.list, handle);
	rc = flawed_end(flaw, handle, &index);
	if (!rc)
		quoit__free_list_push(&s.list, &index, 1);
	return rc;
}

/* --- the threads ----------------------------------------------------------------------------- */

static void own(struct thread *t, unsigned n)
{
	for (unsigned i = t->n; i < t->n + n; i++)
		s.words[quoit_free_list_index(&s.list, t->handles[i])] = t->self + 1;
	t->n += n;
}

static void look_at(const struct thread *t, uint32_t handle)
{
	uint64_t *const word = &s.words[quoit_free_list_index(&s.list, handle)];

	model_check(*word == t->self + 1, "somebody else wrote into the slot");
	model_check(quoit_free_list_is_taken(&s.list, handle), "a slot was taken from its owner");
	*word = 0;
}

static void give_at(struct thread *t, unsigned which)
{
	const uint32_t handle = t->handles[which];

	look_at(t, handle);
	model_check(give(t->plan->flaw, handle) == 0, "a good handle was refused");
	t->n--;
	for (unsigned i = which; i < t->n; i++)
		t->handles[i] = t->handles[i + 1];
}

static void give_all(struct thread *t)
{
	for (unsigned i = 0; i < t->n; i++)
		look_at(t, t->handles[i]);
	model_check(quoit_free_list_give_many(&s.list, t->handles, t->n) == 0,
		    "good handles were refused");
	t->n = 0;
}

static void give_known(struct thread *t)
{
	const int rc = give(t->plan->flaw, s.known);

	model_check(rc == 0 || rc == -EALREADY, "another answer");
	s.given_known[t->self] += rc == 0;
}

static void step(struct thread *t, char what)
{
	uint32_t *const next = t->handles + t->n;

	switch (what) {
	case 't':
		own(t, take(t->plan->flaw, next));
		return;
	case 'T':
		own(t, (unsigned)quoit_free_list_take_many(&s.list, next, 2));
		return;
	case 'g':
	case 'G':
		if (t->n)
			give_at(t, what == 'g' ? 0 : t->n - 1);
		return;
	case 'M':
		give_all(t);
		return;
	case 'x':
		give_known(t);
		return;
	default:
		model_check(quoit_free_list_available(&s.list) <= t->plan->slots,
			    "more are free than there are");
	}
}

static void run(const struct plan *plan, unsigned self)
{
	struct thread t = {.plan = plan, .self = self};

	if (!plan->scripts[self])
		return;
	for (const char *at = plan->scripts[self]; *at; at++)
		step(&t, *at);
	for (unsigned i = 0; i < t.n; i++)
		s.held[self] |= UINT64_C(1) << quoit_free_list_index(&s.list, t.handles[i]);
}

static void first(const void *arg)
{
	run(arg, 0);
}

static void second(const void *arg)
{
	run(arg, 1);
}

static void third(const void *arg)
{
	run(arg, 2);
}

static void finish(const void *arg)
{
	const struct plan *plan = arg;
	const uint64_t given_known = s.given_known[0] + s.given_known[1] + s.given_known[2];
	uint64_t seen = 0, free_slots = 0, at = s.list.head & QUOIT__FREE_SLOT_MASK;

	model_check(given_known == plan->known, "one handle was given back otherwise than once");
	for (unsigned i = 0; i < 3; i++) {
		model_check(!(seen & s.held[i]), "a slot has two owners");
		seen |= s.held[i];
	}
	for (; at; at = s.slots[at - 1].link & QUOIT__FREE_SLOT_MASK) {
		model_check(!(seen >> (at - 1) & 1), "a slot is free twice, or free and held");
		model_check(!(s.slots[at - 1].state & 1), "a slot is free and taken");
		seen |= UINT64_C(1) << (at - 1);
		free_slots++;
	}
	model_check(seen == (UINT64_C(1) << plan->slots) - 1, "a slot is lost");
	at = s.list.head & QUOIT__FREE_SLOT_MASK;
	model_check((at ? s.slots[at - 1].link >> 32 : 0) == free_slots, "the count is wrong");
}

static const struct model_target two = {
	.shared = &s,
	.bytes = sizeof(s),
	.name_all = name_all,
	.setup = setup,
	.threads = {{"first", first}, {"second", second}},
	.finish = finish,
};

static const struct model_target three = {
	.shared = &s,
	.bytes = sizeof(s),
	.name_all = name_all,
	.setup = setup,
	.threads = {{"first", first}, {"second", second}, {"third", third}},
	.finish = finish,
};

#define PLAN(...)            \
	&(const struct plan) \
	{                    \
		__VA_ARGS__  \
	}

#define CORRECT(text, threads, full, few, ...)                                      \
	{                                                                           \
		.name = "pool " text, .target = &threads, .arg = PLAN(__VA_ARGS__), \
		MODEL_STALE(full, few)                                              \
	}

#define FLAWED(text, threads, sign, ...)                                                    \
	{                                                                                   \
		.name = "pool mutant: " text, .target = &threads, .arg = PLAN(__VA_ARGS__), \
		.breaks = sign, MODEL_STALE(2, 2)                                           \
	}

/* `sign` is what must be found; NULL says that nothing is: the order is not needed. */
#define WEAKENED(text, threads, sign, where, what, order, ...)                      \
	{                                                                           \
		.name = "pool " text, .target = &threads, .arg = PLAN(__VA_ARGS__), \
		MODEL_STALE(2, 2), .breaks = sign, .mutation = {                    \
			where,                                                      \
			what,                                                       \
			order,                                                      \
		}                                                                   \
	}

const struct model_case model_pool_cases[] = {
	CORRECT("1 slot, take and give twice each", two, 2, 1, .slots = 1,
		.scripts = {"tgtg", "tgtg"}),
	CORRECT("2 slots, two takes and a give against a take", two, 2, 1, .slots = 2,
		.scripts = {"tt", "ttg"}),
	CORRECT("3 slots, pop and pop and push against two pops", two, 2, 1, .slots = 3,
		.scripts = {"tt", "ttga"}),
	CORRECT("3 slots, two at once against one by one", two, 1, 1, .slots = 3,
		.scripts = {"TMt", "ttGg"}),
	CORRECT("3 slots, pop and pop and push in three threads", three, 0, -1, .slots = 3,
		.scripts = {"t", "ttg", "tg"}),
	CORRECT("1 slot, three that want it", three, 1, 0, .slots = 1,
		.scripts = {"tg", "tg", "tg"}),
	CORRECT("two give the same back", two, 2, 1, .slots = 2, .known = true,
		.scripts = {"xtg", "xtt"}),
	CORRECT("two give the same back, and a third takes it", three, 1, 0, .slots = 1,
		.known = true, .scripts = {"x", "x", "tgt"}),
	FLAWED("no tag", two, "race", .slots = 3, .scripts = {"tt", "ttg"}, .flaw = NO_TAG),
	FLAWED("a link that is looked at plainly (D-30)", two, "link", .slots = 2,
	       .scripts = {"t", "tg"}, .flaw = PLAIN_LINK),
	FLAWED("given back by whoever names it (D-31)", two, "otherwise than once", .slots = 2,
	       .known = true, .scripts = {"x", "x"}, .flaw = NO_STATE),
	FLAWED("a state that is stored", two, "otherwise than once", .slots = 2, .known = true,
	       .scripts = {"x", "x"}, .flaw = PLAIN_STATE),
	FLAWED("a handle without a generation", two, "otherwise than once", .slots = 1,
	       .known = true, .scripts = {"x", "xtt"}, .flaw = NO_GENERATION),
	WEAKENED("mutant: taken without acquire", two, "race", "quoit__free_list_pull", MODEL_LOAD,
		 MODEL_RELAXED, .slots = 1, .scripts = {"tg", "tg"}),
	WEAKENED("mutant: given back without release", two, "race", "quoit__free_list_push",
		 MODEL_CAS, MODEL_ACQUIRE, .slots = 1, .scripts = {"tg", "tg"}),
	WEAKENED("mutant: a depth that is not acquired", two, "the count is wrong",
		 "quoit__free_list_push", MODEL_LOAD, MODEL_RELAXED, .slots = 2,
		 .scripts = {"tg", "tg"}),
	WEAKENED("the swap of a push need not acquire", two, NULL, "quoit__free_list_push",
		 MODEL_CAS, MODEL_RELEASE, .slots = 2, .scripts = {"tgt", "tg"}),
	WEAKENED("the swap of a state may be relaxed", two, NULL, "quoit__free_list_end", MODEL_CAS,
		 MODEL_RELAXED, .slots = 2, .known = true, .scripts = {"xt", "xtg"}),
	{.target = NULL},
};
