/* SPDX-License-Identifier: MIT */
/*
 * service.c - the program that runs on the simulated kernel: it starts a runtime, echoes or answers
 * by mail, keeps the cores talking with each other, stops, and knows what it was promised.
 *
 * The service by mail takes frames of a length, a core and bytes; that core answers them altered.
 * One frame of a stream is under way at any time: the stream is paused and held meanwhile.
 */
#include <sim/sim.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <quoit.h>
#include <quoit/io/stream_internal.h>
#include <quoit/runtime/runtime_internal.h>

#include <sim/mail.h>

#define ADDRESS	   "127.0.0.1:7000"
#define FRAME_HEAD 2

#define STOP_MOST_NS (15 * SIM_S)

struct sim_plan sim_plan;

struct waiter {
	struct quoit_stream_id id;
	struct waiter *next;
};

struct resume {
	struct quoit_timer timer; /* first */
	struct quoit_stream *stream;
};

static struct {
	struct quoit_runtime *runtime;
	struct quoit_core *cores[SIM_CORES_MAX];
	struct waiter *waiters[SIM_CORES_MAX]; /* streams that were told -EAGAIN */
	struct resume resumes[128];	       /* by the connection's number */
	unsigned asks;			       /* calls for streams that were not answered yet */
	int started;
	bool serving;
	bool waiting; /* main waits until all clients are done */
	bool ended;
	uint64_t stop_ns; /* when it was asked to stop */
	uint64_t end_ns;
	int rc;
	uint16_t port;
	struct quoit_reason why;
} s;

/* --- streams --------------------------------------------------------------------------------- */

static struct sim_conn *conn_of(struct quoit_stream *stream, const char *handler)
{
	struct sim_conn *conn = quoit_stream_user(stream);

	sim_trace("conn %u: %s", conn->number, handler);
	if (conn->told_closed)
		sim_violation("connection %u: %s after closed", conn->number, handler);
	return conn;
}

static void opened(struct quoit_stream *stream, void *ctx)
{
	const struct sim_file *file = sim_file_of(stream->fd);
	struct sim_conn *conn = file->conn;

	(void)ctx;
	quoit_stream_set_user(stream, conn);
	if (conn->known)
		sim_violation("connection %u is opened twice", conn->number);
	conn->known = true;
	(void)conn_of(stream, "opened");
}

static void closed(struct quoit_stream *stream, int reason, void *ctx)
{
	struct sim_conn *conn = conn_of(stream, "closed");

	(void)ctx;
	conn->told_closed = true;
	conn->reason = reason;
	if (!reason && conn->asked != conn->answered)
		sim_violation("connection %u is closed in order, but %u of %u calls are answered",
			      conn->number, conn->answered, conn->asked);
	quoit_timers_stop(quoit_core_timers(quoit_stream_core(stream)),
			  &s.resumes[conn->number].timer);
}

static void send_to(struct quoit_stream *stream, struct sim_conn *conn, const void *bytes, size_t n)
{
	if (quoit_stream_send(stream, bytes, n) >= 0)
		conn->accepted += n;
}

static void resume_later(struct quoit_timer *timer, void *ctx)
{
	struct resume *resume = (void *)timer;

	(void)ctx;
	(void)conn_of(resume->stream, "timer");
	quoit_stream_resume(resume->stream);
}

/* Not now: everything once more, a little later. */
static void pause_for_a_while(struct quoit_stream *stream, struct sim_conn *conn, size_t n)
{
	struct quoit_core *core = quoit_stream_core(stream);
	struct resume *resume = &s.resumes[conn->number];

	quoit_stream_pause(stream);
	if (quoit_stream_keep(stream, n) < 0)
		sim_violation("a paused stream may not keep what it was shown");
	resume->stream = stream;
	quoit_timers_start(quoit_core_timers(core), &resume->timer,
			   quoit_core_now_ns(core) + sim_magnitude(5 * SIM_MS), resume_later, NULL);
}

static void echo(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	struct sim_conn *conn = conn_of(stream, "data");
	const unsigned char *bytes = in.data;

	(void)ctx;
	sim_maybe_yield(4);
	if (sim_one_in(16)) {
		pause_for_a_while(stream, conn, in.len);
		return;
	}
	conn->taken += in.len;
	if (in.len > 1 && sim_one_in(4)) {
		const size_t n = 1 + (size_t)sim_below(in.len - 1);

		quoit_stream_cork(stream);
		send_to(stream, conn, bytes, n);
		send_to(stream, conn, bytes + n, in.len - n);
		quoit_stream_uncork(stream);
		return;
	}
	send_to(stream, conn, bytes, in.len);
}

/* --- by mail --------------------------------------------------------------------------------- */

struct ask {
	struct quoit_stream_id id;
	struct sim_conn *conn;
	unsigned char head[FRAME_HEAD];
};

static void answered(struct quoit_core *core, const struct quoit_message *reply, void *ctx)
{
	struct ask *ask = ctx;
	struct quoit_stream *stream = quoit_core_stream(core, ask->id);

	s.asks--;
	if (stream && reply->status >= 0) {
		struct sim_conn *conn = conn_of(stream, "answer");
		unsigned char frame[FRAME_HEAD + QUOIT_MESSAGE_BODY];

		memcpy(frame, ask->head, FRAME_HEAD);
		memcpy(frame + FRAME_HEAD, reply->body, QUOIT_MESSAGE_BODY);
		conn->answered++;
		send_to(stream, conn, frame, FRAME_HEAD + ask->head[0]);
		quoit_stream_release(stream);
		quoit_stream_resume(stream);
	} else if (stream) {
		quoit_stream_release(stream);
		quoit_stream_abort(stream, reply->status);
	}
	sim_free(ask);
}

static void wait_for_credit(struct quoit_core *core, struct quoit_stream *stream)
{
	struct waiter *waiter = sim_alloc(sizeof(*waiter));
	struct waiter **list = &s.waiters[quoit_core_index(core)];

	*waiter = (struct waiter){.id = quoit_stream_id(stream), .next = *list};
	*list = waiter;
}

void sim_service_credit(struct quoit_core *core)
{
	struct waiter *waiter = s.waiters[quoit_core_index(core)];

	s.waiters[quoit_core_index(core)] = NULL;
	while (waiter) {
		struct waiter *next = waiter->next;
		struct quoit_stream *stream = quoit_core_stream(core, waiter->id);

		if (stream)
			quoit_stream_resume(stream);
		sim_free(waiter);
		waiter = next;
	}
}

static void ask_core(struct quoit_stream *stream, struct sim_conn *conn, const unsigned char *frame,
		     size_t len)
{
	struct quoit_core *core = quoit_stream_core(stream);
	struct ask *ask = sim_alloc(sizeof(*ask));
	const size_t n = FRAME_HEAD + frame[0];
	int rc;

	*ask = (struct ask){.id = quoit_stream_id(stream), .conn = conn};
	memcpy(ask->head, frame, FRAME_HEAD);
	rc = quoit_call(core, frame[1] % quoit_core_count(core), SIM_OP_FRAME, frame, n, answered,
			ask);
	if (rc < 0)
		sim_free(ask);
	if (rc == -EAGAIN) {
		wait_for_credit(core, stream);
		quoit_stream_pause(stream);
		rc = quoit_stream_keep(stream, len);
	} else if (!rc) {
		s.asks++;
		conn->asked++;
		conn->taken += n;
		quoit_stream_hold(stream);
		quoit_stream_pause(stream);
		rc = quoit_stream_keep(stream, len - n);
	} else {
		quoit_stream_abort(stream, rc);
		return;
	}
	if (rc < 0)
		sim_violation("a paused stream may not keep what it was shown");
}

static void frames(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	struct sim_conn *conn = conn_of(stream, "data");
	const unsigned char *bytes = in.data;
	const size_t wanted = in.len ? FRAME_HEAD + (size_t)bytes[0] : FRAME_HEAD;

	(void)ctx;
	if (conn->asked != conn->answered)
		sim_violation("connection %u is shown bytes while it is paused", conn->number);
	if (in.len >= wanted) {
		ask_core(stream, conn, bytes, in.len);
		return;
	}
	if (quoit_stream_keep(stream, in.len) < 0)
		sim_violation("a stream may not keep %zu bytes", in.len);
	if (sim_one_in(2) && quoit_stream_need(stream, wanted) < 0)
		sim_violation("a stream may not need %zu bytes", wanted);
}

/* --- the program ----------------------------------------------------------------------------- */

static int start(struct quoit_core *core, void *ctx)
{
	const unsigned index = quoit_core_index(core);
	const struct quoit_stream_events events = {
		.opened = opened,
		.data = sim_plan.mail_service ? frames : echo,
		.closed = closed,
		.high_bytes = 64 + sim_magnitude(16384),
	};
	int rc;

	(void)ctx;
	s.cores[index] = core;
	rc = quoit_listen(core, ADDRESS, &events, NULL);
	if (rc < 0)
		return rc;
	s.port = (uint16_t)rc;
	if (sim_plan.failing_core == index) {
		sim_fault_note(SIM_START_FAILED);
		return -EXDEV;
	}
	return sim_mail_start(core);
}

static void stop(struct quoit_core *core, void *ctx)
{
	struct quoit_stats stats;

	(void)ctx;
	if (quoit_runtime_stats(quoit_core_runtime(core), quoit_core_index(core), &stats) < 0)
		sim_violation("a core has no figures");
	if (stats.stale)
		sim_violation("core %u has had %llu stale completions", quoit_core_index(core),
			      (unsigned long long)stats.stale);
	if (core->leaked && !sim.leak_allowed && !sim.lost && !sim.time_went)
		sim_violation("core %u is given up although no completion was lost",
			      quoit_core_index(core));
	if (core->leaked)
		sim.leak_allowed = true;
	else if (stats.io.opened != stats.io.closed)
		sim_violation("core %u ends with open streams", quoit_core_index(core));
}

static struct quoit_config config(void)
{
	return (struct quoit_config){
		.cores = sim_plan.cores,
		.start = start,
		.stop = stop,
		.io = {.sq_entries = 64,
		       .streams_max = 1 + (uint32_t)sim_magnitude(64),
		       .buffer_bytes = 256 + (uint32_t)sim_magnitude(2048),
		       .buffer_count = 2u << sim_below(5),
		       .send_bytes_max = (sim_one_in(8) ? 16 : 256) * (size_t)8192,
		       .receive_bytes_max = 65536},
		.calls_per_pair = 1 + (unsigned)sim_magnitude(16),
		.spin_ns = 1 + sim_below(20 * SIM_US),
		.never_spin = sim_one_in(2),
		.never_coalesce = sim_one_in(2),
	};
}

static void wait_for_stop_time(void)
{
	if (sim_plan.stop_ns == SIM_NEVER) {
		s.waiting = true;
		sim_wait_word(&s.waiting);
		s.waiting = false;
	} else if (sim_plan.stop_in_handler) {
		sim_wait_time(sim_plan.stop_ns + 20 * SIM_MS); /* a handler comes before us */
	} else {
		sim_wait_time(sim_plan.stop_ns);
	}
}

void *sim_service_main(void *unused)
{
	const struct quoit_config wanted = config();

	(void)unused;
	s.started = quoit_runtime_start(&wanted, &s.runtime, &s.why);
	if (s.started < 0)
		return NULL;
	s.serving = true;
	wait_for_stop_time();
	s.serving = false;
	s.stop_ns = sim.now_ns;
	quoit_runtime_stop(s.runtime, sim_plan.stop_timeout_ns);
	if (sim_plan.stop_twice) {
		sim_fault_note(SIM_STOP_TWICE);
		sim_wait_time(sim.now_ns + sim_magnitude(20 * SIM_MS));
		quoit_runtime_stop(s.runtime, sim_plan.stop_timeout_ns / 2);
	}
	s.rc = quoit_runtime_wait(s.runtime, &s.why);
	s.end_ns = sim.now_ns;
	s.ended = true;
	return NULL;
}

void sim_service_stop_here(struct quoit_core *core)
{
	s.serving = false;
	quoit_runtime_stop(quoit_core_runtime(core), sim_plan.stop_timeout_ns);
}

void sim_service_reset(void)
{
	for (unsigned i = 0; i < SIM_CORES_MAX; i++) {
		while (s.waiters[i]) {
			struct waiter *next = s.waiters[i]->next;

			sim_free(s.waiters[i]);
			s.waiters[i] = next;
		}
	}
	memset(&s, 0, sizeof(s));
	sim_mail_reset();
}

bool sim_service_is_serving(void)
{
	return s.serving;
}

uint16_t sim_service_port(void)
{
	return s.port;
}

void sim_service_clients_done(void)
{
	if (s.waiting)
		sim_wake(&s.waiting, true);
}

/* --- judging --------------------------------------------------------------------------------- */

static bool may_be_cut_off(void)
{
	return sim_plan.stop_ns != SIM_NEVER || sim.lost || sim.time_went ||
	       sim_fault_drawn(SIM_CLIENT_VANISHES) || sim_fault_drawn(SIM_CLIENT_DEAF) ||
	       sim_fault_drawn(SIM_CLIENT_IDLE);
}

/* Not only at its deadline, which is far away: what may hold a stop up takes seconds. */
static void check_stop_time(void)
{
	const uint64_t from =
		s.stop_ns > sim_plan.chaos_until_ns ? s.stop_ns : sim_plan.chaos_until_ns;

	if (sim.lost || sim_fault_drawn(SIM_CLIENT_VANISHES) || sim_fault_drawn(SIM_CLIENT_DEAF))
		return; /* who takes nothing is cut off at the deadline */
	if (s.end_ns > from + STOP_MOST_NS)
		sim_violation("the stop took %llu ms after all faults were over",
			      (unsigned long long)((s.end_ns - from) / SIM_MS));
}

void sim_service_check(void)
{
	if (s.started < 0) {
		uint64_t refusals = 0;

		for (unsigned i = SIM_SETUP_ENOMEM; i <= SIM_START_FAILED; i++)
			refusals += sim.fired[i] - sim.fired_before[i];
		sim_trace("not started: %s", s.why.text);
		if (!refusals)
			sim_violation("not started, for no reason: %s", s.why.text);
		if (s.why.error != s.started || !s.why.text[0])
			sim_violation("not started (%d), and not told why: %d %s", s.started,
				      s.why.error, s.why.text);
		return;
	}
	if (s.rc < 0 && (s.rc != -ETIMEDOUT || !may_be_cut_off()))
		sim_violation("the runtime ends with %d: %s", s.rc, s.why.text);
	check_stop_time();
	if (s.asks)
		sim_violation("%u calls were never answered", s.asks);
	sim_mail_check();
}

void sim_service_describe(void)
{
	static const char *const phases[] = {"running", "no new", "quiet", "sealed",
					     "drained", "silent", "gone"};

	for (unsigned i = 0; i < sim_plan.cores; i++) {
		const struct quoit_core *core = s.cores[i];

		if (core)
			printf("  core %u: %s, %u streams, %u listeners, %u calls, poll owes %u\n",
			       i, phases[core->phase], core->loop.io->streams.live,
			       core->loop.io->listeners.live, core->mail.calls_open,
			       core->loop.bell.pending);
	}
}
