/* SPDX-License-Identifier: MIT */
/*
 * outsider.c - the gate of runtime/outsider.c: threads that are no cores post while the core
 * closes, waits for those who are busy, and is freed.
 *
 * Once all is drained the core spoils what was its own, as freeing it would: whoever touches that
 * afterwards is a race. The same with what the last to let go of it frees. What was accepted must
 * have been handled then, and whoever is waited for must wake the core.
 *
 * The source is the one that ships, read into this file; the channel behind it is that of rings/.
 */
#include <model/seam.h>

#include <string.h>

#include <model/targets/list.h>

#define memcpy model_memcpy
#include <quoit/runtime/outsider_internal.h>

/* What the source asks of others, as far as it matters here. */
static void take_in(struct quoit_mail *mail, const struct quoit_message *span, size_t n);
static void free_outside(void);

#define quoit_mail_handle_span(mail, span, n, more) take_in(mail, span, n)
#define quoit_region_close(region)		    ((void)(region), free_outside())
#define quoit_mpsc_destroy(channel)		    ((void)(channel), 0) /* plain writes */
#define quoit_mpsc_wait_space(seat, n, how)	    (-EAGAIN) /* no case waits for room */

static inline int quoit__sys_duplicate(int fd)
{
	return fd;
}

static inline void quoit__sys_close(int fd)
{
	(void)fd;
}

static inline int quoit__sys_getpid(void)
{
	return 0;
}

#include <quoit/runtime/outsider.c>

#define POSTERS 2
#define OP	3
#define BELL	0

enum flaw {
	FLAWLESS,
	NO_GATES,      /* takes "closed and every lane empty" for the end */
	LANES_FIRST,   /* looks at the lanes, and then at the gates */
	NO_LAST_LOOK,  /* sleeps without a look whether all are out */
	LEAVES_SILENT, /* a post rings only if the core is armed, not if it is waited for */
	POSTS_ANYWAY,  /* and does not look whether the gate is closed */
};

struct plan {
	unsigned posters;
	unsigned items;	 /* of each */
	unsigned before; /* messages that the core handles before it closes */
	bool comes_late; /* the posters join while the core closes */
	enum flaw flaw;
};

static struct {
	QUOIT_ISOLATED char arena[10240];
	QUOIT_ISOLATED struct quoit_outside *outside;
	struct quoit_outsider doors[POSTERS];
	QUOIT_ISOLATED uint64_t sent[POSTERS]; /* accepted; each poster's */
	QUOIT_ISOLATED uint64_t received[POSTERS];
	QUOIT_ISOLATED struct quoit_mail mail; /* the core's, like its flag and its notifier */
	QUOIT_ISOLATED struct quoit_wake wake;
	QUOIT_ISOLATED struct quoit_notify notify;
} s;

static struct quoit_loop loop; /* too large to be watched: it only leads to these */

static void name_all(const void *arg)
{
	const struct quoit_outside *const outside = (const void *)s.arena; /* it comes first */

	(void)arg;
	model_name(&s.wake.armed, 4, "armed");
	model_name(&outside->references, 4, "references");
	model_name(&outside->gates[0].word, 4, "gate");
	model_name(&outside->gates[1].word, 4, "gate 2");
	model_name(&outside->bell, 4, "bell");
	model_name(&s.mail, sizeof(s.mail), "mail");
	model_name(s.arena, sizeof(s.arena), "arena");
}

/* --- the core -------------------------------------------------------------------------------- */

static void nothing(struct quoit_core *core, const struct quoit_message *messages, size_t n,
		    bool more, void *ctx)
{
	(void)core;
	(void)messages;
	(void)n;
	(void)more;
	(void)ctx;
}

static void take_in(struct quoit_mail *mail, const struct quoit_message *span, size_t n)
{
	(void)mail;
	for (size_t i = 0; i < n; i++) {
		const unsigned of = span[i].body[0];

		model_check(span[i].op == OP && of < POSTERS, "a message that was never sent");
		model_check(span[i].body[1] == s.received[of], "a message is not the next one");
		s.received[of]++;
	}
}

/* Nobody may look at it any more. */
static void free_outside(void)
{
	s.outside->bell = -1;
	s.outside->channel = NULL;
}

static bool is_drained(const struct plan *plan)
{
	if (plan->flaw == NO_GATES)
		return quoit_mpsc_is_empty(s.outside->channel);
	if (plan->flaw == LANES_FIRST)
		return quoit_mpsc_is_empty(s.outside->channel) &&
		       quoit_load_acquire(&s.outside->gates[0].word) == GATE_CLOSED;
	return quoit_outside_is_drained(s.outside);
}

/* Sleep, unless there is news, or what it waits for has come. */
static void rest(const struct plan *plan, bool closed)
{
	const bool looks = closed && plan->flaw != NO_LAST_LOOK;

	quoit_wake_arm(&s.wake);
	if (!quoit_mpsc_has_news(s.outside->channel) && !(looks && is_drained(plan)))
		model_wait(&s.notify);
	quoit_wake_disarm(&s.wake);
}

static void serve(const struct plan *plan)
{
	while (s.received[0] + s.received[1] < plan->before)
		if (!quoit_outside_dispatch(s.outside, 4))
			rest(plan, false);
}

static void core(const void *arg)
{
	const struct plan *plan = arg;

	serve(plan);
	quoit_outside_close(s.outside);
	for (;;) {
		while (quoit_outside_dispatch(s.outside, 4))
			;
		if (is_drained(plan))
			break;
		rest(plan, true);
	}
	s.mail.handlers[OP].fn = NULL;
	s.mail.loop = NULL;
	s.notify.wake = NULL;
	quoit_outside_release(s.outside);
}

/* --- posters --------------------------------------------------------------------------------- */

/* What quoit_outsider_join() does, but for the core's mutex. */
static int take_seat(unsigned self)
{
	struct quoit_mpsc_producer seat;
	const int rc = quoit_mpsc_register(s.outside->channel, &seat);

	if (rc)
		return rc;
	(void)quoit_add(&s.outside->references, 1);
	s.doors[self] = (struct quoit_outsider){.seat = seat, .home = s.outside};
	return 0;
}

/* quoit_outsider_post() with a flaw. */
static int post_wrongly(const struct plan *plan, struct quoit_outsider *door, const char *body)
{
	bool owes_bell = false;
	int rc;

	if (plan->flaw == POSTS_ANYWAY)
		(void)quoit_add(&gate_of(door)->word, GATE_BUSY);
	else if (!enter(door))
		return -ESHUTDOWN;
	rc = publish(door, OP, body, 2);
	if (!rc)
		owes_bell = owes_a_bell(door);
	if (plan->flaw == POSTS_ANYWAY) {
		leave(door, owes_bell);
		return rc;
	}
	(void)quoit_add(&gate_of(door)->word, -GATE_BUSY);
	if (owes_bell)
		ring(door->home);
	return rc;
}

static void post_all(const struct plan *plan, unsigned self)
{
	struct quoit_outsider *door = &s.doors[self];

	while (s.sent[self] < plan->items) {
		const char body[2] = {(char)self, (char)s.sent[self]};
		const int rc = plan->flaw == LEAVES_SILENT || plan->flaw == POSTS_ANYWAY
				       ? post_wrongly(plan, door, body)
				       : quoit_outsider_post(door, OP, body, sizeof(body));

		if (rc == -ESHUTDOWN)
			return;
		model_check(!rc, "a post was refused");
		s.sent[self]++;
	}
}

static void post_and_leave(const struct plan *plan, unsigned self)
{
	if (plan->comes_late) {
		const int rc = take_seat(self);

		if (rc == -ESHUTDOWN)
			return;
		model_check(!rc, "joining gave something else");
	}
	post_all(plan, self);
	quoit_outsider_leave(&s.doors[self]);
}

static void poster0(const void *arg)
{
	post_and_leave(arg, 0);
}

static void poster1(const void *arg)
{
	post_and_leave(arg, 1);
}

/* --- begin and end --------------------------------------------------------------------------- */

static void setup(const void *arg)
{
	const struct plan *plan = arg;

	model_arena(s.arena, sizeof(s.arena));
	s.notify = loop.notify = (struct quoit_notify){&s.wake, BELL};
	s.mail.loop = &loop;
	s.mail.handlers[OP].fn = nothing;
	if (quoit_outside_open(&s.mail, NULL, -1, POSTERS, 2))
		__builtin_trap();
	s.outside = s.mail.outside;
	s.outside->bell = BELL;
	for (unsigned i = 0; i < plan->posters && !plan->comes_late; i++)
		if (take_seat(i))
			__builtin_trap();
	if (plan->comes_late) /* the caller sees to it that the runtime is there when it joins */
		s.outside->references += plan->posters;
}

static void finish(const void *arg)
{
	const struct plan *plan = arg;

	for (unsigned i = 0; i < POSTERS; i++)
		model_check(s.received[i] == s.sent[i], "what was accepted is lost");
	model_check(s.outside->references == (plan->comes_late ? plan->posters : 0),
		    "not everybody has let go");
	model_check(plan->comes_late || !s.outside->channel, "nobody has freed it");
}

/* --- the list -------------------------------------------------------------------------------- */

#define GROUP	      "outsider"
#define BREAKS_WITHIN MODEL_PREEMPTED(3, 1, 3, 1)

TARGET(one, setup, finish, THREAD(poster0), THREAD(core));
TARGET(two, setup, finish, THREAD(poster0), THREAD(poster1), THREAD(core));

#define NEVER_RUNG "no bell rings"
#define TOUCHES	   "race on"
#define ONE_POST   .posters = 1, .items = 1

const struct model_case model_outsider_cases[] = {
	BOUNDED("one posts while the core closes", one, 3, 2, 3, 1, .posters = 1, .items = 1),
	BOUNDED("one posts twice, and the core sleeps before it closes", one, 3, 1, 2, 1,
		.posters = 1, .items = 2, .before = 1),
	BOUNDED("two post while the core closes", two, 2, 0, 1, 1, .posters = 2, .items = 1),
	BOUNDED("one joins while the core closes", one, 3, 1, 2, 1, .posters = 1, .items = 1,
		.comes_late = true),

	BREAKS("a post leaves relaxed", one, TOUCHES, "leave", MODEL_ADD, MODEL_RELAXED, ONE_POST),
	BREAKS("a post does not leave", one, NEVER_RUNG, "leave", MODEL_ADD, MODEL_DROPPED,
	       ONE_POST),
	BREAKS("the core looks at the gates relaxed", one, TOUCHES, "quoit_outside_is_drained",
	       MODEL_LOAD, MODEL_RELAXED, ONE_POST),
	BREAKS("the gates are not closed", one, NEVER_RUNG, "quoit_outside_close", MODEL_ADD,
	       MODEL_DROPPED, ONE_POST),
	BREAKS("who lets go does so relaxed", one, TOUCHES, "drop", MODEL_ADD, MODEL_RELAXED,
	       ONE_POST),
	BREAKS("no fence at the core (D-01)", one, NEVER_RUNG, "quoit_wake_arm", MODEL_FENCE,
	       MODEL_DROPPED, ONE_POST, .before = 1),
	FLAWED("closed and empty taken for the end", one, TOUCHES, ONE_POST, .flaw = NO_GATES),
	FLAWED("the lanes first, then the gates", one, "lost", ONE_POST, .flaw = LANES_FIRST),
	FLAWED("no look at the gates before it sleeps", one, NEVER_RUNG, ONE_POST,
	       .flaw = NO_LAST_LOOK),
	FLAWED("who is waited for does not ring", one, NEVER_RUNG, ONE_POST, .flaw = LEAVES_SILENT),
	FLAWED("a post does not look at its gate", one, TOUCHES, ONE_POST, .flaw = POSTS_ANYWAY),
	{.target = NULL},
};
