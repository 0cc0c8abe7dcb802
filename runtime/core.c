/* SPDX-License-Identifier: MIT */
/* core.c - making one core, and what its handlers may ask of it. */
#include <quoit/numa/sys_internal.h>

#include <quoit/runtime/outsider_internal.h>
#include <quoit/runtime/runtime_internal.h>

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include <quoit/io/listen_internal.h>
#include <quoit/io/stream_internal.h>
#include <quoit/numa/clock.h>

#define COALESCE_DEFAULT_NS 50000
#define CALLS_DEFAULT	    64
#define DEPTH_DEFAULT	    4
#define OUTSIDERS_DEFAULT   64

/* --- making ---------------------------------------------------------------------------------- */

static uint32_t calls(const struct quoit_runtime *runtime)
{
	return runtime->config.calls_per_pair ? runtime->config.calls_per_pair : CALLS_DEFAULT;
}

static uint32_t depth(const struct quoit_runtime *runtime)
{
	return runtime->config.call_depth ? runtime->config.call_depth : DEPTH_DEFAULT;
}

static uint32_t outsiders(const struct quoit_runtime *runtime)
{
	return runtime->config.outsiders ? runtime->config.outsiders : OUTSIDERS_DEFAULT;
}

static uint64_t coalesce_window(const struct quoit_runtime *runtime)
{
	const struct quoit_config *config = &runtime->config;

	if (config->never_coalesce)
		return 0;
	return config->coalesce_ns ? config->coalesce_ns : COALESCE_DEFAULT_NS;
}

static int open_parts(struct quoit_core *core, struct quoit_bell *bells, struct quoit_reason *why)
{
	struct quoit_runtime *runtime = core->runtime;
	struct quoit_loop *loop = &core->loop;
	struct quoit_io_options io = runtime->config.io;
	int rc = quoit_io_complete_options(&io, why);

	if (rc < 0)
		return rc;
	rc = quoit_loop_open(loop, io.sq_entries, core->node, bells, runtime->cores, why);
	if (rc < 0)
		return rc;
	rc = quoit_io_open(&core->io, &loop->uring, &io, core->node, why);
	if (rc < 0)
		goto close_loop;
	core->io.core = core->index;
	core->io.owner = core;
	loop->io = &core->io;
	loop->stop_flag = &runtime->stop_wanted;
	loop->calm = quoit_core_step;
	quoit_spin_init(&loop->spin, runtime->config.spin_ns,
			runtime->config.never_spin || runtime->shares_cpus);
	if (runtime->config.slice_ns)
		loop->slice_ns = runtime->config.slice_ns;
	loop->coalesce.window_ns = coalesce_window(runtime);
	rc = quoit_mail_open(&core->mail, core, loop, &core->region, core->index, runtime->cores,
			     calls(runtime), depth(runtime));
	if (rc < 0) {
		quoit_reason_set(why, rc, "no memory for the lanes between %u cores",
				 runtime->cores);
		goto close_io;
	}
	rc = quoit_outside_open(&core->mail, runtime, core->node, outsiders(runtime),
				quoit_mail_capacity(calls(runtime)));
	if (rc < 0) {
		quoit_reason_set(why, rc, "no memory for messages from other threads");
		goto close_io;
	}
	return 0;

close_io:
	quoit_io_close(&core->io);
close_loop:
	quoit_loop_close(loop);
	quoit_loop_close_bell(loop);
	return rc;
}

static unsigned count_degraded(const struct quoit_core *core)
{
	return !!core->region.degraded + !!core->loop.uring.degraded +
	       !!core->loop.ops.slab.region.degraded + !!core->mail.outside->region.degraded +
	       quoit_io_degraded(&core->io);
}

int quoit_core_open(struct quoit_runtime *runtime, unsigned index, unsigned cpu, int node,
		    struct quoit_core **opened, struct quoit_reason *why)
{
	const struct quoit_region_options options = {
		.bytes = sizeof(struct quoit_core) + runtime->cores * sizeof(struct quoit_bell) +
			 quoit_mail_bytes(runtime->cores, calls(runtime), depth(runtime)) +
			 2 * QUOIT_ISOLATION,
		.node = node,
		.dontfork = true,
		.name = "quoit core",
	};
	struct quoit_region region = {0};
	struct quoit_bell *bells;
	struct quoit_core *core;
	int rc = quoit_region_open(&region, &options, why);

	if (rc < 0)
		return rc;
	core = quoit_region_take(&region, sizeof(*core), QUOIT_ISOLATION);
	bells = quoit_region_take(&region, runtime->cores * sizeof(*bells), QUOIT_ISOLATION);
	QUOIT_ASSERT(core && bells); /* the region was sized for them */
	core->region = region;
	core->runtime = runtime;
	core->index = index;
	core->cpu = cpu;
	core->seen_cpu = cpu;
	core->node = node;
	for (unsigned i = 0; i < runtime->cores; i++)
		bells[i].owner.slot = i;
	rc = open_parts(core, bells, why);
	if (rc < 0) {
		region = core->region;
		quoit_region_close(&region);
		return rc;
	}
	core->degraded = count_degraded(core);
	*opened = core;
	return 0;
}

void quoit_core_close(struct quoit_core *core)
{
	if (core->leaked) {
		quoit_io_abandon(&core->io);
		quoit_uring_abandon(&core->loop.uring);
		return;
	}
	quoit_io_close(&core->io);
	quoit_loop_close(&core->loop);
}

void quoit_core_free(struct quoit_core *core)
{
	struct quoit_region region = core->region; /* the struct goes with it */

	quoit_outside_release(core->mail.outside);
	if (!core->abandoned) /* else somebody may be about to ring it: D-10 */
		quoit_loop_close_bell(&core->loop);
	if (!core->leaked)
		quoit_region_close(&region);
}

/* --- turning by hand ------------------------------------------------------------------------- */

int quoit_run_until(struct quoit_core *core, bool (*done)(struct quoit_core *core, void *ctx),
		    void *ctx, uint64_t timeout_ns)
{
	struct quoit_loop *loop = &core->loop;
	uint64_t now = quoit_clock_now_ns();
	const uint64_t deadline = timeout_ns < UINT64_MAX - now ? now + timeout_ns : UINT64_MAX;

	if (loop->in_turn || !core->by_hand)
		return -EDEADLK;
	while (!done(core, ctx)) {
		bool may_rest;

		if (now >= deadline)
			return -ETIMEDOUT;
		may_rest = quoit_loop_work(loop) && !done(core, ctx);
		quoit_loop_rest(loop, may_rest ? deadline - now : 0);
		now = quoit_clock_now_ns();
	}
	return 0;
}

/* --- listening ------------------------------------------------------------------------------- */

/* Bind, as the first core or as one more, and remember the port. The runtime's lock is held. */
static int bind_point(struct quoit_runtime *runtime, const char *text, int *port,
		      struct quoit_reason *why)
{
	struct quoit_listen_point *point = NULL;
	int fd;

	for (unsigned i = 0; i < runtime->point_count; i++)
		if (!strcmp(runtime->points[i].text, text))
			point = &runtime->points[i];
	if (point) {
		*port = quoit_address_port(&point->address);
		return quoit_listener_bind(&point->address, false, why);
	}
	if (runtime->point_count == QUOIT_LISTEN_POINTS)
		return quoit_reason_set(why, -ENOSPC, "more than %d addresses to listen on",
					QUOIT_LISTEN_POINTS);
	point = &runtime->points[runtime->point_count];
	fd = quoit_address_parse(&point->address, text, why);
	if (fd < 0)
		return fd;
	fd = quoit_listener_bind(&point->address, true, why);
	if (fd < 0)
		return fd;
	snprintf(point->text, sizeof(point->text), "%s", text); /* parsed, so it fits */
	runtime->point_count++;
	*port = quoit_address_port(&point->address);
	return fd;
}

int quoit_listen(struct quoit_core *core, const char *address,
		 const struct quoit_stream_events *events, void *ctx)
{
	struct quoit_runtime *runtime = core->runtime;
	int port = 0;
	int fd;
	int rc;

	if (!events || !address)
		return quoit_core_fail(core, -EINVAL, "quoit_listen() was given no %s",
				       events ? "address, such as 127.0.0.1:7000" : "events");
	if (quoit_runtime_is_stopping(runtime))
		return quoit_core_fail(core, -ESHUTDOWN, "the runtime is stopping");
	pthread_mutex_lock(&runtime->lock);
	fd = bind_point(runtime, address, &port, &core->why);
	pthread_mutex_unlock(&runtime->lock);
	if (fd < 0)
		return fd;
	rc = quoit_listener_open(&core->io, fd, events, ctx);
	if (rc < 0) {
		quoit__sys_close(fd);
		return quoit_core_fail(core, rc, "cannot listen on %s: too many listeners",
				       address);
	}
	return port;
}

/* --- asking ---------------------------------------------------------------------------------- */

int quoit_core_fail(struct quoit_core *core, int error, const char *format, ...)
{
	char text[sizeof(core->why.text)];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return quoit_reason_set(&core->why, error, "%s", text);
}

unsigned quoit_core_index(const struct quoit_core *core)
{
	return core->index;
}

unsigned quoit_core_count(const struct quoit_core *core)
{
	return core->runtime->cores;
}

unsigned quoit_core_cpu(const struct quoit_core *core)
{
	return core->cpu;
}

int quoit_core_node(const struct quoit_core *core)
{
	return core->node;
}

struct quoit_runtime *quoit_core_runtime(const struct quoit_core *core)
{
	return core->runtime;
}

struct quoit_loop *quoit_core_loop(struct quoit_core *core)
{
	return &core->loop;
}

struct quoit_timers *quoit_core_timers(struct quoit_core *core)
{
	return &core->loop.timers;
}

uint64_t quoit_core_now_ns(const struct quoit_core *core)
{
	return core->loop.now_ns;
}

bool quoit_core_is_stopping(const struct quoit_core *core)
{
	return quoit_runtime_is_stopping(core->runtime);
}

void quoit_core_set_user(struct quoit_core *core, void *user)
{
	core->user = user;
}

void *quoit_core_user(const struct quoit_core *core)
{
	return core->user;
}

struct quoit_core *quoit_stream_core(const struct quoit_stream *stream)
{
	return stream->io->owner;
}

struct quoit_stream *quoit_core_stream(struct quoit_core *core, struct quoit_stream_id id)
{
	struct quoit_stream *stream;

	if (id.core != core->index)
		return NULL;
	stream = (void *)quoit_slab_find(&core->io.streams, id.slot, id.generation);
	return stream && !(stream->state & QUOIT_STREAM_ENDING) ? stream : NULL;
}
