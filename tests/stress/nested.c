/* SPDX-License-Identifier: MIT */
/*
 * nested.c - calls nested four deep, all to all, with one credit for each depth between two cores:
 * the flood ends, every call is answered once and with what its path through the cores makes of it.
 *
 *   pair        two cores, which also call themselves
 *   eight       eight cores on the cpus there are
 *   deadlines   eight cores; calls may time out, also while deeper ones are under way
 *
 * A request that gets no credit is parked, first come first served, and holds its caller's credit
 * meanwhile: with one class of credits for all depths this comes to a standstill at once. A runtime
 * in which nothing has moved for five seconds is counted as one, and the run is given up.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include <quoit/runtime/mail.h>
#include <quoit/runtime/runtime.h>

#include <stress/stress.h>

#define CORES_MOST 8
#define DEPTH	   4
#define ROOTS_MOST 16 /* of one core, under way or waiting */
#define OP	   7

struct plan {
	const char *name;
	unsigned cores;
	bool deadlines;
	uint64_t count; /* calls that each core begins */
};

struct body {
	uint64_t number; /* decides about the path */
	uint64_t trace;	 /* what the path has made of it */
	uint64_t hop;	 /* how many requests this one is on behalf of */
};

/* A call that is not answered yet: a root, or a request that made it. */
struct job {
	struct job *next; /* parked, or free */
	struct member *member;
	struct quoit_caller caller; /* of a request */
	struct body body;
	unsigned over; /* times that a root's answer came */
};

struct line {
	struct job *first;
	struct job *last;
};

/* Requests that may be open at one core: every credit of every core that calls it. */
#define JOBS (CORES_MOST * DEPTH)

struct member {
	QUOIT_ISOLATED struct run *run;
	struct quoit_core *core;
	struct random random;
	unsigned self;
	bool reported;
	uint64_t begun, answered, timed_out, wrong, parked, unfinished;
	struct line lines[CORES_MOST][DEPTH];
	struct job roots[ROOTS_MOST];
	struct job jobs[JOBS];
	struct job *free;
	struct quoit_timer begin;
};

struct run {
	struct plan plan;
	struct member members[CORES_MOST];
	QUOIT_ISOLATED uint32_t members_done;
	uint64_t standstills;
};

static uint64_t mix(uint64_t x)
{
	x *= UINT64_C(0x9e3779b97f4a7c15);
	return x ^ x >> 29;
}

/* Which core a call goes to. */
static unsigned next_of(const struct run *run, const struct body *body)
{
	return (unsigned)(mix(body->number + body->hop * 977) % run->plan.cores);
}

static uint64_t step(uint64_t trace, unsigned core)
{
	return mix(trace + core + 1);
}

static uint64_t expected(const struct run *run, uint64_t number)
{
	struct body body = {.number = number, .trace = number};

	for (; body.hop < DEPTH; body.hop++)
		body.trace = step(body.trace, next_of(run, &body));
	return body.trace;
}

static void park(struct job *job, unsigned to)
{
	struct line *line = &job->member->lines[to][job->body.hop];

	job->next = NULL;
	if (line->last)
		line->last->next = job;
	else
		line->first = job;
	line->last = job;
	job->member->parked++;
}

/* --- roots ----------------------------------------------------------------------------------- */

static void begin_roots(struct member *m, struct job *job);

static void look_whether_done(struct member *m)
{
	if (m->reported || m->answered + m->timed_out < m->run->plan.count)
		return;
	m->reported = true;
	if (quoit_add(&m->run->members_done, 1) + 1 == m->run->plan.cores)
		quoit_runtime_stop(quoit_core_runtime(m->core), 10000000000ull);
}

static void root_answered(struct quoit_core *core, const struct quoit_message *reply, void *ctx)
{
	struct job *job = ctx;
	struct member *m = job->member;
	struct body body;

	(void)core;
	m->wrong += job->over++ != 0;
	if (reply->status == -ECANCELED) {
		m->unfinished++; /* the run was given up */
		return;
	}
	if (reply->status == -ETIMEDOUT && m->run->plan.deadlines) {
		m->timed_out++;
	} else {
		memcpy(&body, reply->body, sizeof(body));
		m->wrong += reply->status != 0 || body.number != job->body.number ||
			    body.trace != expected(m->run, body.number);
		m->answered++;
	}
	begin_roots(m, job);
	look_whether_done(m);
}

/* --- calls ----------------------------------------------------------------------------------- */

static void nested_answered(struct quoit_core *core, const struct quoit_message *reply, void *ctx)
{
	struct job *job = ctx;
	struct member *m = job->member;

	quoit_reply(core, job->caller, reply->status, reply->body, sizeof(struct body));
	job->next = m->free;
	m->free = job;
}

static int call(struct job *job, unsigned to)
{
	struct member *m = job->member;
	const struct quoit_call_options options = {
		.caller = job->body.hop ? &job->caller : NULL,
		.timeout_ns = m->run->plan.deadlines && !job->body.hop
				      ? 1 + random_below(&m->random, 2000000)
				      : 0,
	};

	return quoit_call_with(m->core, to, OP, &job->body, sizeof(job->body),
			       job->body.hop ? nested_answered : root_answered, job, &options);
}

static void call_or_park(struct job *job)
{
	const unsigned to = next_of(job->member->run, &job->body);
	const int rc = call(job, to);

	if (rc == -EAGAIN)
		park(job, to);
	else if (rc && rc != -ESHUTDOWN) /* everybody who waits has timed out */
		job->member->wrong++;
}

static void begin_roots(struct member *m, struct job *job)
{
	if (m->begun == m->run->plan.count)
		return;
	*job = (struct job){.member = m, .body.number = random_u64(&m->random)};
	job->body.trace = job->body.number;
	m->begun++;
	call_or_park(job);
}

static void on_credit(struct quoit_core *core, unsigned to, int depth, void *ctx)
{
	struct member *m = ctx;
	struct line *line = &m->lines[to][depth];

	(void)core;
	while (line->first) {
		struct job *job = line->first;

		if (call(job, to) == -EAGAIN)
			return;
		line->first = job->next;
		if (!line->first)
			line->last = NULL;
	}
}

/* Every request but the deepest is answered with what the next one answers. */
static void on_requests(struct quoit_core *core, const struct quoit_message *messages, size_t n,
			bool more, void *ctx)
{
	struct member *m = ctx;

	(void)more;
	for (size_t i = 0; i < n; i++) {
		const struct quoit_caller caller = quoit_caller_of(&messages[i]);
		struct job *job = m->free;
		struct body body;

		memcpy(&body, messages[i].body, sizeof(body));
		body.trace = step(body.trace, m->self);
		m->wrong += caller.depth != body.hop;
		if (++body.hop == DEPTH) {
			m->wrong += quoit_call_nested(core, &caller, m->self, OP, NULL, 0,
						      root_answered, m) != -ELOOP &&
				    !quoit_core_is_stopping(core);
			quoit_reply(core, caller, 0, &body, sizeof(body));
			continue;
		}
		m->free = job->next;
		*job = (struct job){.member = m, .caller = caller, .body = body};
		call_or_park(job);
	}
}

/* --- the run --------------------------------------------------------------------------------- */

static void begin(struct quoit_timer *timer, void *ctx)
{
	struct member *m = ctx;

	(void)timer;
	for (unsigned i = 0; i < ROOTS_MOST; i++)
		begin_roots(m, &m->roots[i]);
}

static int start(struct quoit_core *core, void *ctx)
{
	struct run *run = ctx;
	struct member *m = &run->members[quoit_core_index(core)];

	m->core = core;
	quoit_on_credit(core, on_credit, m);
	quoit_timers_start(quoit_core_timers(core), &m->begin, 0, begin, m);
	return quoit_on_message(core, OP, on_requests, m);
}

static void open_members(struct run *run)
{
	for (unsigned i = 0; i < run->plan.cores; i++) {
		struct member *m = &run->members[i];

		*m = (struct member){.run = run, .self = i, .random = {.state = i}};
		m->random.state += random_seed();
		for (unsigned j = 0; j < JOBS; j++) {
			m->jobs[j].next = m->free;
			m->free = &m->jobs[j];
		}
	}
}

static uint64_t messages_of(const struct quoit_runtime *runtime)
{
	struct quoit_stats one;
	uint64_t sum = 0;

	for (unsigned i = 0; i < quoit_runtime_cores(runtime); i++) {
		if (quoit_runtime_stats(runtime, i, &one) < 0)
			abort();
		sum += one.messages_in;
	}
	return sum;
}

static void watch(struct run *run, struct quoit_runtime *runtime)
{
	struct pollfd ended = {.fd = quoit_runtime_fd(runtime), .events = POLLIN};
	uint64_t before = UINT64_MAX;

	while (poll(&ended, 1, LOST_AFTER_MS) == 0) {
		const uint64_t now = messages_of(runtime);

		if (now == before) {
			run->standstills++;
			quoit_runtime_stop(runtime, 1000000000ull);
		}
		before = now;
	}
}

static void judge(const struct run *run, int rc, const struct quoit_reason *why)
{
	uint64_t answered = 0, timed_out = 0, wrong = 0, parked = 0, unfinished = 0;
	const uint64_t count = run->plan.count * run->plan.cores;
	char what[400];

	for (unsigned i = 0; i < run->plan.cores; i++) {
		const struct member *m = &run->members[i];

		answered += m->answered;
		timed_out += m->timed_out;
		wrong += m->wrong;
		parked += m->parked;
		unfinished += m->unfinished;
	}
	printf("RESULT name=nested-%s cores=%u calls=%llu answered=%llu timed_out=%llu wrong=%llu "
	       "parked=%llu unfinished=%llu standstills=%llu\n",
	       run->plan.name, run->plan.cores, (unsigned long long)count,
	       (unsigned long long)answered, (unsigned long long)timed_out,
	       (unsigned long long)wrong, (unsigned long long)parked,
	       (unsigned long long)unfinished, (unsigned long long)run->standstills);
	snprintf(what, sizeof(what), "%s: each call is over once, and its path was right",
		 run->plan.name);
	stress_say(answered + timed_out == count && !wrong && !unfinished, what);
	snprintf(what, sizeof(what), "%s: requests were parked, and the flood has ended%s%s",
		 run->plan.name, rc < 0 ? ": " : "", rc < 0 ? why->text : "");
	stress_say(parked && !run->standstills && !rc, what);
}

/* False if io_uring is refused. */
static bool carry_out(const struct plan *plan)
{
	static struct run run;
	const struct quoit_config config = {
		.cores = plan->cores, .start = start, .ctx = &run, .calls_per_pair = 1};
	struct quoit_reason why = {0};
	struct quoit_runtime *runtime;
	int rc;

	run = (struct run){.plan = *plan};
	open_members(&run);
	rc = quoit_runtime_start(&config, &runtime, &why);
	if (rc < 0) {
		printf("skip - nested: io_uring: %s\n", why.text);
		return false;
	}
	watch(&run, runtime);
	rc = quoit_runtime_wait(runtime, &why);
	judge(&run, rc, &why);
	return true;
}

int main(void)
{
	const uint64_t count = stress_amount("STRESS_COUNT", 200000, 4000);
	const struct plan plans[] = {
		{.name = "pair", .cores = 2, .count = count / 2},
		{.name = "eight", .cores = 8, .count = count / 8},
		{.name = "deadlines", .cores = 8, .count = count / 8, .deadlines = true},
	};

	printf("note: SEED=%llu\n", (unsigned long long)random_seed());
	for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++)
		if (!carry_out(&plans[i]))
			break;
	return stress_failures != 0;
}
