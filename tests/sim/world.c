/* SPDX-License-Identifier: MIT */
/*
 * world.c - one seed from its beginning to its end: who goes next, what time it is, and whether all
 * ended as it must.
 *
 * A step lets one of those go that can: a task, a peer, a wire. If none can, the clock moves to the
 * next thing that has a time. Faults happen until the chaos is over; after it everything must come
 * to an end.
 */
#include <sim/sim.h>

#include <errno.h>
#include <stdio.h>

#include <sim/mail.h>

#define STEPS_MAX    3000000
#define CALM_MOST_NS (120 * SIM_S)
#define CANDIDATES   (SIM_TASKS_MAX + SIM_CLIENTS_MAX + 128)

void sim_plan_draw(void)
{
	const bool early = sim_fault_drawn(SIM_STOP_EARLY);

	sim_plan = (struct sim_plan){
		.cores = 1 + (unsigned)sim_below(SIM_CORES_MAX),
		.cpus = 1 + (unsigned)sim_below(SIM_CORES_MAX),
		.clients = (unsigned)sim_below(SIM_CLIENTS_MAX + 1),
		.mail_service = sim_one_in(2),
		.chaos_until_ns = sim.now_ns + SIM_MS + sim_magnitude(SIM_S),
		.stop_ns = SIM_NEVER,
		.stop_timeout_ns = 60 * SIM_S,
		.failing_core = SIM_CORES_MAX,
	};
	sim_plan.failing_core = sim_fault_drawn(SIM_START_FAILED)
					? (unsigned)sim_below(sim_plan.cores)
					: SIM_CORES_MAX;
	if (!early)
		return;
	sim_fault_note(SIM_STOP_EARLY);
	sim_plan.stop_ns = sim.now_ns + sim_magnitude(50 * SIM_MS);
	sim_plan.stop_twice = sim_fault_drawn(SIM_STOP_TWICE);
	sim_plan.stop_in_handler = sim_fault_drawn(SIM_STOP_IN_HANDLER);
	if (sim_fault_drawn(SIM_STOP_AT_ONCE)) {
		sim_fault_note(SIM_STOP_AT_ONCE);
		sim_plan.stop_timeout_ns = 0;
	}
}

/* --- who can go ------------------------------------------------------------------------------ */

struct candidate {
	struct sim_task *task;
	struct sim_client *client;
	struct sim_conn *conn;
};

static bool task_can_go(struct sim_task *task)
{
	if (task->stalled_until_ns > sim.now_ns && sim.chaos)
		return false;
	switch (task->wait) {
	case SIM_RUNS:
		return true;
	case SIM_WAITS_TIME:
		return task->wake_ns <= sim.now_ns;
	case SIM_WAITS_ENTER:
		return task->wake_ns <= sim.now_ns || task->ring->dropped ||
		       sim_ring_has_work(task->ring);
	default:
		return false;
	}
}

static unsigned find_candidates(struct candidate *all)
{
	unsigned n = 0;

	for (unsigned i = 0; i < sim_task_count(); i++)
		if (task_can_go(sim_task_at(i)))
			all[n++] = (struct candidate){.task = sim_task_at(i)};
	for (unsigned i = 0; i < sim_plan.clients; i++)
		if (sim_client_at(i)->next_ns <= sim.now_ns)
			all[n++] = (struct candidate){.client = sim_client_at(i)};
	for (unsigned i = 0; i < sim_conn_count(); i++)
		if (sim_conn_at(i)->next_ns <= sim.now_ns)
			all[n++] = (struct candidate){.conn = sim_conn_at(i)};
	return n;
}

/* What is due already waits for something else. */
static void take_earlier(uint64_t *next, uint64_t at)
{
	if (at > sim.now_ns && at < *next)
		*next = at;
}

static uint64_t task_next_ns(const struct sim_task *task)
{
	if (task->stalled_until_ns > sim.now_ns && sim.chaos)
		return task->stalled_until_ns;
	return task->wait == SIM_WAITS_TIME || task->wait == SIM_WAITS_ENTER ? task->wake_ns
									     : SIM_NEVER;
}

/* When something happens next; never, if all wait for each other. */
static uint64_t next_ns(void)
{
	uint64_t next = SIM_NEVER;

	for (unsigned i = 0; i < sim_task_count(); i++)
		take_earlier(&next, task_next_ns(sim_task_at(i)));
	for (unsigned i = 0; i < sim_plan.clients; i++)
		take_earlier(&next, sim_client_at(i)->next_ns);
	for (unsigned i = 0; i < sim_conn_count(); i++)
		take_earlier(&next, sim_conn_at(i)->next_ns);
	for (unsigned i = 0; i < sim_files_highest(); i++)
		if (sim_file_at(i) && sim_file_at(i)->kind == SIM_RING)
			take_earlier(&next, sim_ring_next_ns(sim_file_at(i)->ring));
	if (sim.chaos)
		take_earlier(&next, sim_plan.chaos_until_ns);
	return next;
}

/* --- what happens by itself ------------------------------------------------------------------ */

static void ring_for_nothing(void)
{
	const unsigned first = (unsigned)sim_below(SIM_FDS);

	for (unsigned i = 0; i < SIM_FDS; i++) {
		struct sim_file *file = sim_file_at((first + i) % SIM_FDS);

		if (!file || file->kind != SIM_EVENTFD)
			continue;
		sim_fault_note(SIM_BELL_SPURIOUS);
		sim_eventfd_ring(file, 1);
		return;
	}
}

static void stall_somebody(void)
{
	struct sim_task *task = sim_task_at((unsigned)sim_below(sim_task_count()));
	const uint64_t stall = sim_magnitude(3 * SIM_S);

	task->stalled_until_ns = sim.now_ns + stall;
	sim.time_went |= stall > 100 * SIM_MS;
}

static void jump(void)
{
	const uint64_t by = sim_magnitude(5 * SIM_S);

	sim.now_ns += by;
	sim.time_went |= by > 100 * SIM_MS;
}

static void befall(void)
{
	if (!sim.chaos)
		return;
	if (sim_fault_drawn(SIM_BELL_SPURIOUS) && sim_one_in(64))
		ring_for_nothing();
	if (sim_one_in(64) && sim_fault(SIM_CORE_STALLED))
		stall_somebody();
	if (sim_one_in(256) && sim_fault(SIM_CLOCK_JUMP))
		jump();
	if (sim.now_ns >= sim_plan.chaos_until_ns) {
		sim_trace("the chaos is over");
		sim.chaos = false;
	}
}

/* --- steps ----------------------------------------------------------------------------------- */

static void stuck(const char *how)
{
	static const char *const waits[] = {"runs", "sleeps", "waits for another", "is in enter",
					    "has ended"};

	sim_violation("stuck: %s", how);
	for (unsigned i = 0; i < sim_task_count(); i++)
		printf("  %s %s\n", sim_task_at(i)->name, waits[sim_task_at(i)->wait]);
	sim_service_describe();
	for (unsigned i = 0; i < sim_plan.clients; i++) {
		const struct sim_client *c = sim_client_at(i);

		if (c->conn && !c->done)
			printf("  client %u of kind %u: %zu of %zu sent, %zu received; connection "
			       "%u%s%s%s\n",
			       i, c->kind, c->sent, c->bytes, c->received, c->conn->number,
			       c->conn->known ? " known" : "", c->conn->closed ? " closed" : "",
			       c->conn->reset ? " reset" : "");
	}
}

static void go(const struct candidate *who)
{
	if (who->task)
		sim_task_step(who->task);
	else if (who->client)
		sim_client_step(who->client);
	else
		sim_network_step(who->conn);
}

static void refresh_rings(void)
{
	for (unsigned i = 0; i < sim_files_highest(); i++)
		if (sim_file_at(i) && sim_file_at(i)->kind == SIM_RING)
			sim_ring_refresh(sim_file_at(i)->ring);
}

/* Those whose accept was the completion that was lost: nobody but the kernel knows of them. */
static bool only_lost_ones_wait(void)
{
	for (unsigned i = 0; i < sim_plan.clients; i++) {
		const struct sim_client *c = sim_client_at(i);

		if (!c->done && c->kind <= SIM_CLIENT_RESET &&
		    !(c->conn && c->conn->file && !c->conn->known))
			return false;
	}
	return sim.lost;
}

static void step(void)
{
	struct candidate all[CANDIDATES];
	unsigned n;

	sim.steps++;
	befall();
	if (sim_clients_done() && !sim.chaos)
		sim_service_clients_done();
	n = find_candidates(all);
	if (!n) {
		const uint64_t next = next_ns();

		if (next == SIM_NEVER && !sim_clients_done() && only_lost_ones_wait())
			sim_service_clients_done();
		else if (next == SIM_NEVER)
			stuck("nobody can go on");
		else
			sim.now_ns = next;
		return;
	}
	sim.now_ns += sim_below(2 * SIM_US);
	go(&all[sim_below(n)]);
	refresh_rings();
}

static void run_to_the_end(struct sim_task *task)
{
	while (!sim.over && !sim_task_ended(task)) {
		step();
		if (!sim.over && sim.steps > STEPS_MAX)
			stuck("too many steps");
		if (!sim.over && !sim.chaos &&
		    sim.now_ns > sim_plan.chaos_until_ns + CALM_MOST_NS + 60 * SIM_S)
			stuck("it should long have ended");
	}
}

/* What is still on the wire arrives, and peers read what has come. */
static void settle(void)
{
	for (unsigned round = 0; round < 100000 && !sim.over; round++) {
		bool moved = false;

		sim.now_ns += SIM_US;
		for (unsigned i = 0; i < sim_conn_count(); i++) {
			if (sim_conn_at(i)->next_ns == SIM_NEVER)
				continue;
			sim_network_step(sim_conn_at(i));
			moved = true;
		}
		for (unsigned i = 0; i < sim_plan.clients; i++) {
			if (sim_client_at(i)->next_ns == SIM_NEVER || !sim_client_at(i)->conn)
				continue;
			sim_client_step(sim_client_at(i));
			moved = true;
		}
		if (!moved)
			return;
	}
}

static void check_resources(void)
{
	if (sim.leak_allowed)
		return;
	if (sim_files_open()) {
		sim_violation("%u descriptors are left open", sim_files_open());
		sim_files_describe();
	}
	if (sim_memory_held())
		sim_violation("%zu pieces of memory are not given back", sim_memory_held());
}

void sim_world_run(uint64_t seed)
{
	struct random mix = {.state = seed ^ UINT64_C(0x5851f42d4c957f2d)};
	struct sim_task *task;

	sim.random.state = random_u64(&mix); /* neighbouring seeds must not be shifted copies */
	sim.seed = seed;
	sim.now_ns = SIM_S + sim_magnitude(1000 * SIM_S);
	sim.steps = 0;
	sim.chaos = true;
	sim.over = sim.lost = sim.time_went = sim.leak_allowed = false;
	sim_faults_draw();
	sim_plan_draw();
	sim_tasks_reset();
	sim_service_reset();
	sim_clients_reset();
	task = sim_task_new("main", sim_service_main, NULL);
	run_to_the_end(task);
	if (!sim.over)
		settle();
	if (!sim.over) {
		sim_service_check();
		sim_clients_check();
		check_resources();
	}
	sim.over = true;
	sim_files_reset();
	sim_network_reset();
	sim_memory_reset();
}
