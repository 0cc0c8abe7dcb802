/* SPDX-License-Identifier: MIT */
/*
 * runtime.c - the cores as a whole: seating them, starting them together, waiting for their end.
 *
 * The threads meet twice before any of them serves: when every core is built, so that lanes can be
 * joined; and when every start function has run, so that no message meets a core without handlers.
 * If one fails, all go through the same stop as at any other time.
 */
#include <quoit/numa/sys_internal.h>

#include <quoit/runtime/outsider_internal.h>
#include <quoit/runtime/runtime_internal.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <quoit/numa/thread.h>

#define CALLS_MAX 4096
#define MEETINGS  QUOIT_RUNTIME_MEETINGS

/* --- the threads ----------------------------------------------------------------------------- */

void quoit_runtime_note_error(struct quoit_runtime *runtime, const struct quoit_reason *why)
{
	pthread_mutex_lock(&runtime->lock);
	if (!runtime->first.error)
		runtime->first = *why;
	pthread_mutex_unlock(&runtime->lock);
}

/* The last thread has come: fix what this meeting found, and let all go on. The lock is held. */
static void close_meeting(struct quoit_runtime *runtime)
{
	runtime->arrived = 0;
	runtime->good[runtime->meetings++] = !runtime->failed;
	pthread_cond_broadcast(&runtime->met);
}

/*
 * Wait until every thread has come here. False when any had failed by then; the same answer for
 * all, though the first to go on may already fail at the next meeting.
 */
static bool meet(struct quoit_runtime *runtime, int rc, const struct quoit_reason *why)
{
	unsigned meeting;
	bool good;

	pthread_mutex_lock(&runtime->lock);
	if (rc < 0) {
		runtime->failed = true;
		if (!runtime->first.error)
			runtime->first = *why;
	}
	meeting = runtime->meetings;
	if (++runtime->arrived >= runtime->expected)
		close_meeting(runtime);
	while (runtime->meetings == meeting)
		pthread_cond_wait(&runtime->met, &runtime->lock);
	good = runtime->good[meeting];
	pthread_mutex_unlock(&runtime->lock);
	return good;
}

static int build(struct quoit_seat *seat, struct quoit_reason *why)
{
	char name[16];
	int rc;

	snprintf(name, sizeof(name), "quoit-%u", seat->index);
	(void)quoit_thread_name(name); /* for people only */
	rc = quoit_thread_pin(seat->cpu);
	if (rc < 0)
		return quoit_reason_set(why, rc, "core %u cannot be pinned to cpu %u: %s",
					seat->index, seat->cpu, strerror(-rc));
	return quoit_core_open(seat->runtime, seat->index, seat->cpu, seat->node, &seat->core, why);
}

static int start(struct quoit_core *core)
{
	struct quoit_runtime *runtime = core->runtime;
	int rc = 0;

	for (unsigned i = 0; i < runtime->cores; i++)
		quoit_mail_connect(&core->mail, i, &runtime->seats[i].core->mail);
	if (runtime->config.start)
		rc = runtime->config.start(core, runtime->config.ctx);
	if (rc < 0 && core->why.error != rc)
		quoit_reason_set(&core->why, rc, "the start function of core %u failed: %s",
				 core->index, strerror(-rc));
	core->mail.start_failed = rc < 0;
	return rc;
}

static void serve(struct quoit_core *core)
{
	while (core->phase != QUOIT_PHASE_GONE)
		quoit_loop_turn(&core->loop, true);
	core->loop.calm = NULL; /* no step is left: it would only keep quoit_run_until() awake */
	core->by_hand = true;
	if (core->runtime->config.stop)
		core->runtime->config.stop(core, core->runtime->config.ctx);
	quoit_core_close(core);
}

static void end_thread(struct quoit_runtime *runtime)
{
	const uint64_t one = 1;

	pthread_mutex_lock(&runtime->lock);
	if (++runtime->ended == runtime->expected)
		(void)quoit__sys_write(runtime->done_fd, &one,
				       sizeof(one)); /* a fresh eventfd takes it */
	pthread_mutex_unlock(&runtime->lock);
}

static void *core_thread(void *arg)
{
	struct quoit_seat *seat = arg;
	struct quoit_runtime *runtime = seat->runtime;
	struct quoit_reason why = {0};
	const int rc = build(seat, &why);

	seat->self = pthread_self(); /* the meeting carries it to all */

	if (!meet(runtime, rc, &why)) {
		if (seat->core)
			quoit_core_close(seat->core);
	} else {
		if (!meet(runtime, start(seat->core), &seat->core->why))
			quoit_runtime_stop(runtime, 0);
		serve(seat->core);
	}
	end_thread(runtime);
	return NULL;
}

/* --- seating --------------------------------------------------------------------------------- */

static int check_config(const struct quoit_config *config, struct quoit_reason *why)
{
	if (config->cores > QUOIT_CORES_MAX)
		return quoit_reason_set(why, -EINVAL, "%u cores: give 1 to %d, or QUOIT_ALL",
					config->cores, QUOIT_CORES_MAX);
	if (config->calls_per_pair > CALLS_MAX)
		return quoit_reason_set(why, -EINVAL, "%u calls per pair of cores: give 1 to %d",
					config->calls_per_pair, CALLS_MAX);
	if (config->call_depth > QUOIT_CALL_DEPTH_MAX)
		return quoit_reason_set(why, -EINVAL, "calls nested %u deep: give 1 to %d",
					config->call_depth, QUOIT_CALL_DEPTH_MAX);
	if (config->outsiders > QUOIT_OUTSIDERS_MAX)
		return quoit_reason_set(why, -EINVAL, "%u outsiders of a core: give 1 to %d",
					config->outsiders, QUOIT_OUTSIDERS_MAX);
	return 0;
}

static int make_plan(struct quoit_runtime *runtime, const struct quoit_topology *topology,
		     struct quoit_reason *why)
{
	struct quoit_plan_options options = {
		.loops = runtime->config.cores,
		.spread = runtime->config.spread,
		.one_per_core = runtime->config.one_per_core,
		.cpus = runtime->config.cpus,
	};
	int rc = quoit_plan_make(&runtime->plan, topology, &options, why);

	if (rc < 0 || runtime->plan.count <= QUOIT_CORES_MAX)
		return rc;
	quoit_plan_fini(&runtime->plan);
	options.loops = QUOIT_CORES_MAX;
	return quoit_plan_make(&runtime->plan, topology, &options, why);
}

static int seat_cores(struct quoit_runtime *runtime, struct quoit_reason *why)
{
	const struct quoit_plan *plan = &runtime->plan;
	struct quoit_topology topology;
	int rc = quoit_topology_load(&topology, NULL, why);

	if (rc < 0)
		return rc;
	rc = make_plan(runtime, &topology, why);
	quoit_topology_fini(&topology);
	if (rc < 0)
		return rc;
	runtime->config.cpus = NULL; /* the caller's, and done with */
	runtime->cores = plan->count;
	runtime->expected = runtime->cores;
	runtime->shares_cpus = plan->shares_cpus;
	runtime->seats = calloc(runtime->cores, sizeof(*runtime->seats));
	for (unsigned i = 0; runtime->seats && i < runtime->cores; i++)
		runtime->seats[i] = (struct quoit_seat){
			.runtime = runtime,
			.index = i,
			.cpu = plan->loops[i].cpu,
			.node = plan->loops[i].memory_node,
		};
	return runtime->seats ? 0 : quoit_reason_set(why, -ENOMEM, "out of memory");
}

/* Start the threads; if one cannot be, those that run are told not to wait for it. */
static unsigned start_threads(struct quoit_runtime *runtime)
{
	unsigned started = 0;
	int rc = 0;

	while (started < runtime->cores && !rc) {
		struct quoit_seat *seat = &runtime->seats[started];

		rc = pthread_create(&seat->thread, NULL, core_thread, seat);
		started += !rc;
	}
	if (!rc)
		return started;
	pthread_mutex_lock(&runtime->lock);
	runtime->failed = true;
	quoit_reason_set(&runtime->first, -rc, "cannot start the thread of core %u: %s", started,
			 strerror(rc));
	runtime->expected = started;
	if (runtime->arrived == started)
		close_meeting(runtime);
	pthread_mutex_unlock(&runtime->lock);
	return started;
}

static void free_runtime(struct quoit_runtime *runtime)
{
	if (runtime->done_fd >= 0)
		quoit__sys_close(runtime->done_fd);
	pthread_cond_destroy(&runtime->met);
	pthread_mutex_destroy(&runtime->lock);
	quoit_plan_fini(&runtime->plan);
	free(runtime->seats);
	free(runtime);
}

/* Join the first `count` threads and free everything. Gives the first error. */
static int join(struct quoit_runtime *runtime, unsigned count, struct quoit_reason *why)
{
	int rc;

	for (unsigned i = 0; i < count; i++)
		pthread_join(runtime->seats[i].thread, NULL);
	for (unsigned i = 0; i < count; i++)
		if (runtime->seats[i].core)
			quoit_core_free(runtime->seats[i].core);
	rc = runtime->first.error;
	if (rc < 0 && why)
		*why = runtime->first;
	free_runtime(runtime);
	return rc;
}

static struct quoit_runtime *make_runtime(const struct quoit_config *config, size_t bytes)
{
	struct quoit_runtime *runtime = calloc(1, sizeof(*runtime));

	if (!runtime)
		return NULL;
	memcpy(&runtime->config, config, quoit_min(bytes, sizeof(runtime->config)));
	pthread_mutex_init(&runtime->lock, NULL);
	pthread_cond_init(&runtime->met, NULL);
	runtime->done_fd = quoit__sys_eventfd(0, EFD_CLOEXEC);
	runtime->pid = quoit__sys_getpid();
	runtime->deadline_ns = UINT64_MAX;
	return runtime;
}

int quoit__runtime_start(const struct quoit_config *config, size_t bytes,
			 struct quoit_runtime **started, struct quoit_reason *why)
{
	struct quoit_runtime *runtime = config ? make_runtime(config, bytes) : NULL;
	unsigned threads;
	bool good;
	int rc;

	if (!config)
		return quoit_reason_set(why, -EINVAL, "no configuration was given");
	if (!runtime)
		return quoit_reason_set(why, -ENOMEM, "out of memory");
	rc = runtime->done_fd < 0 ? quoit_reason_set(why, runtime->done_fd,
						     "no file descriptor left: raise ulimit -n")
				  : check_config(&runtime->config, why);
	if (rc >= 0)
		rc = seat_cores(runtime, why);
	if (rc < 0) {
		free_runtime(runtime);
		return rc;
	}
	threads = start_threads(runtime);
	pthread_mutex_lock(&runtime->lock);
	while (!runtime->meetings || (runtime->good[0] && runtime->meetings < MEETINGS))
		pthread_cond_wait(&runtime->met, &runtime->lock);
	good = runtime->good[runtime->meetings - 1];
	pthread_mutex_unlock(&runtime->lock);
	if (!good)
		return join(runtime, threads, why);
	*started = runtime;
	return 0;
}

int quoit_runtime_wait(struct quoit_runtime *runtime, struct quoit_reason *why)
{
	if (!quoit_runtime_is_ours(runtime))
		return quoit_reason_set(why, -ECHILD,
					"this process was forked from the one that has the cores");
	return join(runtime, runtime->cores, why);
}

int quoit_runtime_fd(const struct quoit_runtime *runtime)
{
	return runtime->done_fd;
}

unsigned quoit_runtime_cores(const struct quoit_runtime *runtime)
{
	return runtime->cores;
}

const struct quoit_plan *quoit_runtime_plan(const struct quoit_runtime *runtime)
{
	return &runtime->plan;
}
