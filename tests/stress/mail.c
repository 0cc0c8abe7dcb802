/* SPDX-License-Identifier: MIT */
/*
 * mail.c - numbered messages between the cores of a whole runtime, by posts and by calls.
 *
 *   pair     two cores, STRESS_COUNT messages each way, as fast as they go
 *   bursts   the same with pauses between bursts, in which both cores sleep
 *   eight    eight loops on the cpus there are, all to all, STRESS_COUNT messages in sum
 *
 * Each sender numbers what it sends to each core; each receiver checks the numbers per source. A
 * runtime in which nothing has moved for five seconds although messages are missing has lost a
 * wake: it is counted, and the run is given up. Of calls, requests and replies both count.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include <quoit/numa/clock.h>
#include <quoit/runtime/mail.h>
#include <quoit/runtime/runtime.h>

#include <stress/stress.h>

#define CORES_MOST 8
#define NUMBER	   1 /* the one operation */

struct plan {
	const char *name;
	unsigned cores;
	bool calls;	/* calls with replies instead of posts */
	bool pauses;	/* timers between bursts */
	uint64_t count; /* from each core to each other */
};

/* What one core sends to another, and gets from it. */
struct flow {
	uint64_t next;	  /* number to be sent */
	uint64_t allowed; /* numbers of this burst end here */
	struct ledger got;
	struct ledger answered; /* of calls */
	uint64_t wrong;		/* bodies that are not what was sent, answers to something else */
};

struct member {
	QUOIT_ISOLATED struct flow flows[CORES_MOST];
	struct run *run;
	struct quoit_core *core;
	struct quoit_timer timer;
	struct random random;
	unsigned self;
	unsigned over; /* flows that have ended */
	bool reported;
};

struct run {
	struct plan plan;
	struct member members[CORES_MOST];
	QUOIT_ISOLATED uint32_t members_done;
	uint64_t lost_wakes;
	struct quoit_stats sum;
};

struct body {
	uint64_t number;
	uint64_t check; /* another word that follows from it, at the other end of the line */
	uint64_t from;
	uint64_t filler[3];
};

static uint64_t check_of(uint64_t number)
{
	return number * UINT64_C(0x9e3779b97f4a7c15) ^ 0x5555;
}

static struct body body_of(uint64_t number, unsigned from)
{
	return (struct body){.number = number, .check = check_of(number), .from = from};
}

static bool flow_is_over(const struct run *run, const struct flow *flow)
{
	const uint64_t count = run->plan.count;

	return flow->next == count && flow->got.distinct == count &&
	       (!run->plan.calls || flow->answered.distinct == count);
}

/* Has this member sent and got everything? The last of all stops the runtime. */
static void look_whether_done(struct member *m)
{
	struct run *run = m->run;

	for (unsigned i = 0; i < run->plan.cores; i++)
		if (i != m->self && !flow_is_over(run, &m->flows[i]))
			return;
	if (m->reported)
		return;
	m->reported = true;
	if (quoit_add(&run->members_done, 1) + 1 == run->plan.cores)
		quoit_runtime_stop(quoit_core_runtime(m->core), 10000000000ull);
}

/* --- sending --------------------------------------------------------------------------------- */

static void on_answer(struct quoit_core *core, const struct quoit_message *reply, void *ctx)
{
	struct member *m = ctx;
	struct flow *flow = &m->flows[reply->source];
	struct body body;

	(void)core;
	if (reply->status == -ECANCELED)
		return; /* the run was given up */
	memcpy(&body, reply->body, sizeof(body));
	ledger_note(&flow->answered, body.number);
	flow->wrong += body.check != check_of(body.number) || body.from != m->self;
	if (flow->answered.distinct == m->run->plan.count)
		look_whether_done(m);
}

static int send_one(struct member *m, unsigned to, uint64_t number)
{
	const struct body body = body_of(number, m->self);

	return m->run->plan.calls
		       ? quoit_call(m->core, to, NUMBER, &body, sizeof(body), on_answer, m)
		       : quoit_post(m->core, to, NUMBER, &body, sizeof(body));
}

/* Send what is allowed until there is no room; on_credit goes on. */
static void pump(struct member *m, unsigned to)
{
	struct flow *flow = &m->flows[to];

	while (flow->next < flow->allowed && !send_one(m, to, flow->next))
		flow->next++;
	if (flow->next == m->run->plan.count)
		look_whether_done(m);
}

static void on_credit(struct quoit_core *core, unsigned to, int depth, void *ctx)
{
	(void)depth;
	(void)core;
	pump(ctx, to);
}

/* A burst is over for a flow that has sent what it may. */
static bool burst_is_over(const struct member *m)
{
	for (unsigned i = 0; i < m->run->plan.cores; i++)
		if (m->flows[i].next < m->flows[i].allowed)
			return false;
	return true;
}

static void next_burst(struct quoit_timer *timer, void *ctx)
{
	struct member *m = ctx;
	const struct plan *plan = &m->run->plan;
	const uint64_t most = UINT64_C(1) << random_below(&m->random, 15);
	const uint64_t burst = plan->pauses ? 1 + random_below(&m->random, most) : plan->count;
	const bool go = burst_is_over(m);
	bool more = false;

	for (unsigned to = 0; to < plan->cores; to++) {
		struct flow *flow = &m->flows[to];

		if (to == m->self)
			continue;
		if (go)
			flow->allowed = quoit_min(flow->next + burst, plan->count);
		pump(m, to);
		more |= flow->next < plan->count;
	}
	if (more && plan->pauses)
		quoit_timers_start(quoit_core_timers(m->core), timer,
				   quoit_core_now_ns(m->core) + random_below(&m->random, 500000),
				   next_burst, m);
}

/* --- receiving ------------------------------------------------------------------------------- */

static void on_numbers(struct quoit_core *core, const struct quoit_message *messages, size_t n,
		       bool more, void *ctx)
{
	struct member *m = ctx;
	struct flow *flow = &m->flows[messages->source];

	(void)more;
	for (size_t i = 0; i < n; i++) {
		const struct quoit_message *message = &messages[i];
		struct body body;

		/* A run may hold messages of one operation and one source only. */
		flow->wrong += message->source != messages->source || message->op != NUMBER;
		memcpy(&body, message->body, sizeof(body));
		flow->wrong += body.check != check_of(body.number) || body.from != message->source;
		ledger_note(&flow->got, body.number);
		if (m->run->plan.calls)
			quoit_reply(core, quoit_caller_of(message), 0, &body, sizeof(body));
	}
	if (flow->got.distinct == m->run->plan.count)
		look_whether_done(m);
}

/* --- the run --------------------------------------------------------------------------------- */

static int start(struct quoit_core *core, void *ctx)
{
	struct run *run = ctx;
	struct member *m = &run->members[quoit_core_index(core)];

	m->core = core;
	quoit_on_credit(core, on_credit, m);
	quoit_timers_start(quoit_core_timers(core), &m->timer, 0, next_burst, m);
	return quoit_on_message(core, NUMBER, on_numbers, m);
}

static struct quoit_stats sum_of(const struct quoit_runtime *runtime)
{
	struct quoit_stats sum = {0}, one;

	for (unsigned i = 0; i < quoit_runtime_cores(runtime); i++) {
		if (quoit_runtime_stats(runtime, i, &one) < 0)
			abort();
		sum.messages_in += one.messages_in;
		sum.bells_rung += one.bells_rung;
		sum.bells_saved += one.bells_saved;
		sum.sleeps += one.sleeps;
		sum.batches += one.batches;
		sum.refused += one.refused;
		sum.stale += one.stale;
	}
	return sum;
}

/* Wait for the end of all cores. If nothing moves any more, that is a lost wake. */
static void watch(struct run *run, struct quoit_runtime *runtime)
{
	struct pollfd ended = {.fd = quoit_runtime_fd(runtime), .events = POLLIN};
	uint64_t before = UINT64_MAX;

	while (poll(&ended, 1, LOST_AFTER_MS) == 0) {
		const uint64_t now = sum_of(runtime).messages_in;

		if (now == before) {
			run->lost_wakes++;
			quoit_runtime_stop(runtime, 1000000000ull);
		}
		before = now;
	}
	run->sum = sum_of(runtime);
}

static void open_ledgers(struct run *run)
{
	for (unsigned i = 0; i < run->plan.cores; i++) {
		struct member *m = &run->members[i];

		*m = (struct member){.run = run, .self = i, .random = {.state = i}};
		m->random.state += random_seed();
		for (unsigned j = 0; j < run->plan.cores; j++) {
			ledger_open(&m->flows[j].got, run->plan.count);
			ledger_open(&m->flows[j].answered, run->plan.count);
		}
	}
}

struct verdict {
	uint64_t messages, lost, doubled, reordered, wrong;
};

static void judge(struct verdict *v, const struct ledger *ledger)
{
	v->messages += ledger->distinct;
	v->lost += ledger_lost(ledger);
	v->doubled += ledger->doubled;
	v->reordered += ledger->reordered;
	v->wrong += ledger->foreign;
}

static struct verdict close_ledgers(struct run *run)
{
	struct verdict v = {0};

	for (unsigned i = 0; i < run->plan.cores; i++)
		for (unsigned j = 0; j < run->plan.cores; j++) {
			struct flow *flow = &run->members[i].flows[j];

			if (i != j)
				judge(&v, &flow->got);
			if (i != j && run->plan.calls)
				judge(&v, &flow->answered);
			v.wrong += flow->wrong;
			ledger_close(&flow->got);
			ledger_close(&flow->answered);
		}
	return v;
}

static void report(const struct run *run, const struct verdict *v, uint64_t elapsed_ns)
{
	const uint64_t per_s = (uint64_t)((double)v->messages * 1e9 / (double)(elapsed_ns + 1));

	printf("RESULT name=mail-%s-%s cores=%u messages=%llu lost=%llu doubled=%llu "
	       "reordered=%llu "
	       "wrong=%llu lost_wakes=%llu bells_rung=%llu bells_saved=%llu sleeps=%llu "
	       "batch=%llu per_s=%llu\n",
	       run->plan.name, run->plan.calls ? "calls" : "posts", run->plan.cores,
	       (unsigned long long)v->messages, (unsigned long long)v->lost,
	       (unsigned long long)v->doubled, (unsigned long long)v->reordered,
	       (unsigned long long)v->wrong, (unsigned long long)run->lost_wakes,
	       (unsigned long long)run->sum.bells_rung, (unsigned long long)run->sum.bells_saved,
	       (unsigned long long)run->sum.sleeps,
	       (unsigned long long)(run->sum.messages_in / (run->sum.batches + !run->sum.batches)),
	       (unsigned long long)per_s);
}

/* False if io_uring is refused. */
static bool carry_out(const struct plan *plan)
{
	static struct run run;
	const struct quoit_config config = {.cores = plan->cores, .start = start, .ctx = &run};
	struct quoit_reason why = {0};
	struct quoit_runtime *runtime;
	struct verdict v;
	uint64_t began;
	char what[400];
	int rc;

	run = (struct run){.plan = *plan};
	open_ledgers(&run);
	began = quoit_clock_now_ns();
	rc = quoit_runtime_start(&config, &runtime, &why);
	if (rc < 0) {
		(void)close_ledgers(&run);
		printf("skip - mail: io_uring: %s\n", why.text);
		return false;
	}
	watch(&run, runtime);
	rc = quoit_runtime_wait(runtime, &why);
	v = close_ledgers(&run);
	report(&run, &v, quoit_clock_now_ns() - began);
	snprintf(what, sizeof(what), "%s by %s: each message arrives once and in order", plan->name,
		 plan->calls ? "calls" : "posts");
	stress_say(v.messages && !v.lost && !v.doubled && !v.reordered && !v.wrong, what);
	snprintf(what, sizeof(what), "%s by %s: no core is left asleep, and all end in order%s%s",
		 plan->name, plan->calls ? "calls" : "posts", rc < 0 ? ": " : "",
		 rc < 0 ? why.text : "");
	stress_say(!run.lost_wakes && !rc && !run.sum.stale, what);
	return true;
}

int main(void)
{
	const uint64_t count = stress_amount("STRESS_COUNT", 1000000, 20000);
	const struct plan plans[] = {
		{.name = "pair", .cores = 2, .count = count},
		{.name = "pair", .cores = 2, .count = count, .calls = true},
		{.name = "bursts", .cores = 2, .count = count, .pauses = true},
		{.name = "bursts", .cores = 2, .count = count, .pauses = true, .calls = true},
		{.name = "eight", .cores = 8, .count = count / 56 + 1},
		{.name = "eight", .cores = 8, .count = count / 56 + 1, .calls = true},
		{.name = "eight-bursts", .cores = 8, .count = count / 56 + 1, .pauses = true},
	};

	printf("note: SEED=%llu\n", (unsigned long long)random_seed());
	for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++)
		if (!carry_out(&plans[i]))
			break;
	return stress_failures != 0;
}
