/* SPDX-License-Identifier: MIT */
/*
 * stop.c - the phases of runtime/stop.c: two cores stop together, whoever asks them to, while calls
 * between them are under way.
 *
 * A request leads to what its sender owns, which the sender frees when it is gone. So an answer
 * must find everybody there, a message must have been handled before what it leads to is freed, and
 * nobody may sleep for ever beside a phase that has been reached. The source is the one that ships,
 * read into this file; between the cores is one ring each way.
 */
#include <model/seam.h>

#include <string.h>

#include <model/targets/list.h>

static inline int quoit__sys_getpid(void)
{
	return 0;
}

#include <quoit/numa/thread.h>
#include <quoit/runtime/channel_internal.h>
#include <quoit/runtime/poll_internal.h>
#include <quoit/runtime/runtime_internal.h>
#include <quoit/runtime/work_internal.h>

/* What the source asks of others, as far as it matters here. */
static void seal_mail(struct quoit_mail *mail);
static bool mail_is_drained(struct quoit_mail *mail);
/* The deadlines are far away. */
static inline void start_no_timer(quoit_timer_fn fn)
{
	(void)fn;
}

#define quoit_mail_seal(mail)	      seal_mail(mail)
#define quoit_mail_is_drained(mail)   mail_is_drained(mail)
#define quoit_mail_cancel_calls(mail) ((void)(mail), 0u) /* the deadline never passes */
#define quoit_clock_now_ns()	      0ull
#define quoit_thread_cpu()	      0
#define quoit_loop_silence_bell(loop) ((loop)->closing = true)
#define quoit_timers_start(timers, timer, at, fn, ctx) \
	((void)(timers), (void)(timer), start_no_timer(fn))
#define quoit_reason_set(why, ...)	  ((void)(why))
#define quoit_runtime_note_error(r, why)  ((void)(r), (void)(why))
#define quoit_core_note_stuck(core, text) ((void)(core), (void)(text))
#define quoit_io_stop(io)		  ((void)(io))
#define quoit_io_abort(io, reason)	  ((void)(io))
#define quoit_io_give_up(io, reason)	  ((void)(io), (void)(reason))
#define quoit_polls_stop(loop)		  ((void)(loop))
#define quoit_works_open(loop, name)	  ((void)(loop), (void)(name), 0u)
#define quoit_works_cancel(loop)	  ((void)(loop))
#define quoit_channels_stop(loop)	  ((void)(loop))
#define quoit_channels_cut(loop, name)	  ((void)(loop), (void)(name), 0u)
#define quoit_channels_open(loop, name)	  ((void)(loop), (void)(name), 0u)

#include <quoit/runtime/stop.c>

#define CORES 2
#define SLOTS 4

enum message {
	ASK = 1,
	ASK_BACK, /* by the handler of a request, which answers when it has been answered */
	ANSWER_BACK,
	ANSWER,
	POST,
};

enum flaw {
	FLAWLESS,
	LEAVES_QUIET,	/* goes as soon as it owes nothing itself */
	FREES_DRAINED,	/* frees what is its own before all have read everything */
	NO_LOOK,	/* sleeps without a look at its ring */
	NO_SECOND_STEP, /* or at what the others have announced */
};

struct plan {
	unsigned calls[CORES];
	unsigned posts[CORES]; /* need no answer */
	unsigned stops[2];     /* what the stoppers give as deadlines; 0: they do not stop */
	bool nested;	       /* handlers of requests ask back */
	enum flaw flaw;
};

struct side {
	struct quoit_wake wake;
	QUOIT_ISOLATED struct quoit_spsc lane; /* to this core */
	uint64_t slots[SLOTS];
	QUOIT_ISOLATED uint64_t property; /* what its requests lead to; 1 until it is freed */
};

static struct {
	struct quoit_runtime runtime;
	struct side sides[CORES];
} s;

/* Each its own thread's, too large to be watched; others only ring by their notifiers. */
static struct quoit_core cores[CORES];
static struct quoit_seat seats[CORES];
static enum flaw flaw;

static void name_all(const void *arg)
{
	(void)arg;
	model_name(&s.runtime.quiet, 4, "quiet");
	model_name(&s.runtime.sealed, 4, "sealed");
	model_name(&s.runtime.drained, 4, "drained");
	model_name(&s.runtime.stop_wanted, 4, "stop_wanted");
	model_name(&s.runtime.deadline_ns, 8, "deadline");
	model_name(&s.sides[0].wake.armed, 4, "armed 0");
	model_name(&s.sides[1].wake.armed, 4, "armed 1");
	model_name(&s.sides[0].property, 8, "property 0");
	model_name(&s.sides[1].property, 8, "property 1");
	model_name(&s.sides[0].lane, sizeof(s.sides[0].lane), "lane to 0");
	model_name(&s.sides[1].lane, sizeof(s.sides[1].lane), "lane to 1");
}

/* --- what the source asks for ---------------------------------------------------------------- */

static void seal_mail(struct quoit_mail *mail)
{
	mail->sealed = true;
	quoit_spsc_finish(&s.sides[1 - mail->self].lane);
}

static bool mail_is_drained(struct quoit_mail *mail)
{
	return quoit_spsc_is_drained(&s.sides[mail->self].lane);
}

/* --- a core ---------------------------------------------------------------------------------- */

static void pass(unsigned self, uint64_t message)
{
	struct side *const to = &s.sides[1 - self];
	size_t at;

	model_check(!cores[self].mail.sealed, "an answer is still owed when all calls are over");
	model_check(quoit_spsc_reserve(&to->lane, 1, &at) == 1, "no room");
	to->slots[at] = message;
	quoit_spsc_commit(&to->lane, 1);
}

static void ask(unsigned self, enum message how)
{
	cores[self].mail.calls_open++;
	pass(self, how);
}

static void handle(const struct plan *plan, unsigned self, uint64_t message)
{
	if (message == ASK || message == ASK_BACK || message == POST)
		model_check(s.sides[1 - self].property == 1, "what a message leads to is gone");
	else
		cores[self].mail.calls_open--;
	if (message == ASK && plan->nested)
		ask(self, ASK_BACK);
	else if (message == ASK_BACK)
		pass(self, ANSWER_BACK);
	else if (message == ASK || message == ANSWER_BACK)
		pass(self, ANSWER);
}

static bool read_lane(const struct plan *plan, unsigned self)
{
	struct side *const side = &s.sides[self];
	size_t at;

	if (!quoit_spsc_readable(&side->lane, &at))
		return false;
	handle(plan, self, side->slots[at]);
	quoit_spsc_advance(&side->lane, 1);
	return true;
}

/* As the end of a turn has it: has anything changed that others have announced? */
static bool stop_goes_on(struct quoit_core *core)
{
	if (!core->loop.stop_seen)
		return quoit_runtime_is_stopping(&s.runtime);
	return flaw != NO_SECOND_STEP && quoit_core_step(&core->loop);
}

static void rest(unsigned self)
{
	struct quoit_core *const core = &cores[self];

	quoit_wake_arm(&s.sides[self].wake);
	if ((flaw == NO_LOOK || !quoit_spsc_has_news(&s.sides[self].lane)) && !stop_goes_on(core))
		model_wait(&core->loop.notify);
	quoit_wake_disarm(&s.sides[self].wake);
}

static bool may_go(const struct quoit_core *core)
{
	return core->phase == QUOIT_PHASE_GONE ||
	       (flaw == LEAVES_QUIET && core->phase == QUOIT_PHASE_QUIET) ||
	       (flaw == FREES_DRAINED && core->phase == QUOIT_PHASE_DRAINED);
}

static void run(const struct plan *plan, unsigned self)
{
	struct quoit_core *const core = &cores[self];

	for (unsigned i = 0; i < plan->calls[self]; i++)
		ask(self, ASK);
	for (unsigned i = 0; i < plan->posts[self]; i++)
		pass(self, POST);
	for (;;) {
		const bool busy = read_lane(plan, self);
		const bool stepped = quoit_core_step(&core->loop);

		model_check(core->phase == QUOIT_PHASE_RUNNING || core->phase > QUOIT_PHASE_QUIET ||
				    core->deadline_ns != UINT64_MAX,
			    "it stops, and knows no deadline");
		if (may_go(core))
			break;
		if (!busy && !stepped)
			rest(self);
	}
	s.sides[self].property = 0;
}

static void core0(const void *arg)
{
	run(arg, 0);
}

static void core1(const void *arg)
{
	run(arg, 1);
}

static void stopper0(const void *arg)
{
	const struct plan *plan = arg;

	quoit_runtime_stop(&s.runtime, plan->stops[0]);
}

static void stopper1(const void *arg)
{
	const struct plan *plan = arg;

	quoit_runtime_stop(&s.runtime, plan->stops[1]);
}

/* --- begin and end --------------------------------------------------------------------------- */

static void begin_core(unsigned i)
{
	struct quoit_core *const core = &cores[i];

	core->runtime = &s.runtime;
	core->index = core->mail.self = i;
	core->phase = QUOIT_PHASE_RUNNING;
	core->deadline_ns = UINT64_MAX;
	core->loop.notify = (struct quoit_notify){&s.sides[i].wake, (int)i};
	core->loop.stop_seen = core->loop.closing = core->loop.ending = false;
	core->mail.calls_open = 0;
	core->mail.sealed = false;
	quoit_link_init(&core->loop.polls);
	quoit_link_init(&core->loop.channels);
	quoit_link_init(&core->loop.works.open);
	seats[i].core = core;
}

static void setup(const void *arg)
{
	const struct plan *plan = arg;

	flaw = plan->flaw;
	s.runtime.cores = CORES;
	s.runtime.seats = seats;
	s.runtime.deadline_ns = UINT64_MAX;
	for (unsigned i = 0; i < CORES; i++) {
		begin_core(i);
		s.sides[i].property = 1;
		if (quoit_spsc_init(&s.sides[i].lane, SLOTS))
			__builtin_trap();
		quoit_spsc_attach(&s.sides[i].lane, &cores[i].loop.notify);
	}
}

static void finish(const void *arg)
{
	const struct plan *plan = arg;
	const unsigned second = plan->stops[1] ? plan->stops[1] : plan->stops[0];

	for (unsigned i = 0; i < CORES; i++)
		model_check(!cores[i].mail.calls_open, "a call was not answered");
	model_check(s.runtime.deadline_ns == quoit_min(plan->stops[0], second),
		    "not the nearest deadline");
}

/* --- the list -------------------------------------------------------------------------------- */

#define GROUP	      "stop"
#define BREAKS_WITHIN MODEL_PREEMPTED(2, 1, 2, 1)

TARGET(once, setup, finish, THREAD(core0), THREAD(core1), THREAD(stopper0));
TARGET(twice, setup, finish, THREAD(core0), THREAD(core1), THREAD(stopper0), THREAD(stopper1));

#define NEVER_RUNG "no bell rings"
#define ONE_POST   .posts = {1, 0}, .stops = {9}
#define ONE_CALL   .calls = {1, 0}, .stops = {9}

const struct model_case model_stop_cases[] = {
	BOUNDED("nothing is under way", once, 2, 1, 2, 0, .stops = {9}),
	BOUNDED("a message is under way", once, 2, 1, 1, 1, ONE_POST),
	BOUNDED("a call is under way", once, 2, 1, 1, 1, ONE_CALL),
	BOUNDED("each asks the other", once, 2, 0, 1, 0, .calls = {1, 1}, .stops = {9}),
	BOUNDED("a handler asks back", once, 2, 0, 1, 0, ONE_CALL, .nested = true),
	BOUNDED("two stop it", twice, 1, 1, 1, 0, .stops = {9, 5}),

	BREAKS("a phase is announced relaxed", once, "race on property", "announce", MODEL_ADD,
	       MODEL_RELAXED, ONE_POST),
	BREAKS("a phase is not announced", once, NEVER_RUNG, "announce", MODEL_ADD, MODEL_DROPPED,
	       ONE_CALL),
	BREAKS("whether all are there is asked relaxed", once, "race on property", "all_are",
	       MODEL_LOAD, MODEL_RELAXED, ONE_POST),
	{
		.name = GROUP " mutant: no fence before the bells of a phase",
		.target = &once,
		.arg = PLAN(.stops = {9}),
		MODEL_PREEMPTED(1, 2, 1, 2),
		.breaks = NEVER_RUNG,
		.mutation = {"quoit_wake_fence", MODEL_FENCE, MODEL_DROPPED},
	},
	BREAKS("the stop is asked for relaxed", once, "knows no deadline", "quoit_runtime_stop",
	       MODEL_STORE, MODEL_RELAXED, .stops = {9}),
	BREAKS("the stop is seen relaxed", once, "knows no deadline", "quoit_runtime_is_stopping",
	       MODEL_LOAD, MODEL_RELAXED, .stops = {9}),
	FLAWED("who owes nothing goes", once, NEVER_RUNG, ONE_CALL, .flaw = LEAVES_QUIET),
	FLAWED("who has read everything frees", once, "property", ONE_POST, .flaw = FREES_DRAINED),
	FLAWED("no look at the ring before it sleeps", once, NEVER_RUNG, ONE_CALL, .flaw = NO_LOOK),
	FLAWED("no look at the phases before it sleeps", once, NEVER_RUNG, ONE_CALL,
	       .flaw = NO_SECOND_STEP),
	{.target = NULL},
};
