/* SPDX-License-Identifier: MIT */
/*
 * mail.c - messages between all cores, each numbered, while everything else goes on.
 *
 * Posts of one core to another come once and in order; so do calls, and each call is answered once
 * or cancelled once. Some calls are answered only after a call of the answering core's own.
 */
#include <sim/sim.h>

#include <errno.h>
#include <string.h>

#include <quoit.h>

#include <sim/mail.h>

#define TICK_NS (200 * SIM_US)
#define BURST	24
#define LEVELS	3

struct body {
	uint64_t number;
	uint32_t from;
	uint32_t level; /* calls that may follow */
};

/* A call that waits for another one before it is answered. */
struct chain {
	struct quoit_caller caller;
	struct body body;
	struct quoit_core *core;
};

struct direction {
	uint64_t posted;
	uint64_t got;
	uint64_t asked;
	uint64_t seen;
};

static struct {
	struct direction to[SIM_CORES_MAX][SIM_CORES_MAX]; /* from, to */
	struct quoit_timer timers[SIM_CORES_MAX];
	unsigned left[SIM_CORES_MAX]; /* ticks */
	uint64_t calls;
	uint64_t answers;
	unsigned chains;
	bool stopped_here;
} m;

static void check_next(const char *what, uint64_t *expected, const struct body *body, unsigned to)
{
	if (body->number != *expected)
		sim_violation("%s from core %u to %u: number %llu comes where %llu should", what,
			      body->from, to, (unsigned long long)body->number,
			      (unsigned long long)*expected);
	(*expected)++;
}

static void got_posts(struct quoit_core *core, const struct quoit_message *messages, size_t n,
		      bool more, void *ctx)
{
	const unsigned self = quoit_core_index(core);

	(void)more;
	(void)ctx;
	for (size_t i = 0; i < n; i++) {
		struct body body;

		memcpy(&body, messages[i].body, sizeof(body));
		if (body.from != messages[i].source)
			sim_violation("a post of core %u comes as one of core %u", body.from,
				      messages[i].source);
		check_next("post", &m.to[body.from][self].got, &body, self);
		sim_maybe_yield(16);
	}
}

static int call(struct quoit_core *core, unsigned to, uint32_t level, quoit_reply_fn fn, void *ctx)
{
	const unsigned self = quoit_core_index(core);
	const struct body body = {m.to[self][to].asked, self, level};
	const int rc = quoit_call(core, to, SIM_OP_CALL, &body, sizeof(body), fn, ctx);

	if (!rc) {
		m.to[self][to].asked++;
		m.calls++;
	}
	return rc;
}

static void got_last(struct quoit_core *core, const struct quoit_message *reply, void *ctx)
{
	struct chain *chain = ctx;

	m.answers++;
	m.chains--;
	quoit_reply(core, chain->caller, reply->status < 0 ? 1 : 0, &chain->body,
		    sizeof(chain->body));
	sim_free(chain);
}

/* Ask somebody else first, if there is a credit; answer at once if not. */
static bool passed_on(struct quoit_core *core, struct quoit_caller caller, const struct body *body)
{
	struct chain *chain;

	if (!body->level)
		return false;
	chain = sim_alloc(sizeof(*chain));
	*chain = (struct chain){.caller = caller, .body = *body, .core = core};
	if (call(core, (unsigned)sim_below(sim_plan.cores), body->level - 1, got_last, chain) < 0) {
		sim_free(chain);
		return false;
	}
	m.chains++;
	return true;
}

static void got_calls(struct quoit_core *core, const struct quoit_message *messages, size_t n,
		      bool more, void *ctx)
{
	const unsigned self = quoit_core_index(core);

	(void)more;
	(void)ctx;
	for (size_t i = 0; i < n; i++) {
		const struct quoit_caller caller = quoit_caller_of(&messages[i]);
		struct body body;

		memcpy(&body, messages[i].body, sizeof(body));
		check_next("call", &m.to[body.from][self].seen, &body, self);
		if (!passed_on(core, caller, &body))
			quoit_reply(core, caller, 0, &body, sizeof(body));
		sim_maybe_yield(16);
	}
}

static void got_frames(struct quoit_core *core, const struct quoit_message *messages, size_t n,
		       bool more, void *ctx)
{
	(void)more;
	(void)ctx;
	for (size_t i = 0; i < n; i++) {
		unsigned char bytes[QUOIT_MESSAGE_BODY];
		const size_t length = messages[i].body[0];

		for (size_t at = 0; at < length; at++)
			bytes[at] = messages[i].body[2 + at] ^ SIM_ALTER;
		quoit_reply(core, quoit_caller_of(&messages[i]), 0, bytes, length);
	}
}

static void got_answer(struct quoit_core *core, const struct quoit_message *reply, void *ctx)
{
	(void)core;
	(void)ctx;
	m.answers++;
	if (reply->status < 0 && reply->status != -ECANCELED)
		sim_violation("a call is answered with %d", reply->status);
}

static void post(struct quoit_core *core, unsigned to)
{
	const unsigned self = quoit_core_index(core);
	const struct body body = {.number = m.to[self][to].posted, .from = self};

	if (!quoit_post(core, to, SIM_OP_POST, &body, sizeof(body)))
		m.to[self][to].posted++;
}

static void tick(struct quoit_timer *timer, void *ctx)
{
	struct quoit_core *core = ctx;
	const unsigned self = quoit_core_index(core);
	const uint64_t now = quoit_core_now_ns(core);

	if (sim_plan.stop_in_handler && !m.stopped_here && now >= sim_plan.stop_ns) {
		m.stopped_here = true;
		sim_fault_note(SIM_STOP_IN_HANDLER);
		sim_service_stop_here(core);
	}
	for (uint64_t n = sim_magnitude(BURST); n; n--) {
		const unsigned to = (unsigned)sim_below(sim_plan.cores);

		if (sim_one_in(2))
			post(core, to);
		else
			(void)call(core, to, (uint32_t)sim_below(LEVELS), got_answer, NULL);
	}
	if (m.left[self] && !quoit_core_is_stopping(core)) {
		m.left[self]--;
		quoit_timers_start(quoit_core_timers(core), timer, now + sim_magnitude(TICK_NS),
				   tick, core);
	}
}

static void credit(struct quoit_core *core, unsigned to, int room, void *ctx)
{
	(void)to;
	(void)room;
	(void)ctx;
	sim_service_credit(core);
}

int sim_mail_start(struct quoit_core *core)
{
	const unsigned self = quoit_core_index(core);
	int rc = quoit_on_message(core, SIM_OP_POST, got_posts, NULL);

	if (!rc)
		rc = quoit_on_message(core, SIM_OP_CALL, got_calls, NULL);
	if (!rc)
		rc = quoit_on_message(core, SIM_OP_FRAME, got_frames, NULL);
	quoit_on_credit(core, credit, NULL);
	m.left[self] = (unsigned)sim_magnitude(100);
	quoit_timers_start(quoit_core_timers(core), &m.timers[self],
			   quoit_core_now_ns(core) + sim_magnitude(SIM_MS), tick, core);
	return rc;
}

void sim_mail_reset(void)
{
	memset(&m, 0, sizeof(m));
}

void sim_mail_check(void)
{
	for (unsigned from = 0; from < sim_plan.cores; from++) {
		for (unsigned to = 0; to < sim_plan.cores; to++) {
			const struct direction *d = &m.to[from][to];

			if (d->posted != d->got)
				sim_violation("core %u posted %llu to %u, which got %llu", from,
					      (unsigned long long)d->posted, to,
					      (unsigned long long)d->got);
			if (d->asked != d->seen)
				sim_violation("core %u called %u %llu times, which saw %llu", from,
					      to, (unsigned long long)d->asked,
					      (unsigned long long)d->seen);
		}
	}
	if (m.calls != m.answers)
		sim_violation("%llu calls, %llu answers", (unsigned long long)m.calls,
			      (unsigned long long)m.answers);
	if (m.chains)
		sim_violation("%u calls wait for others for ever", m.chains);
}
