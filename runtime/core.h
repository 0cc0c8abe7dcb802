/* SPDX-License-Identifier: MIT */
/*
 * core.h - one core as its handlers see it: a loop, timers, mail and memory on one pinned thread.
 *
 * Everything here is called on the core's own thread, unless it says otherwise.
 */
#ifndef QUOIT_RUNTIME_CORE_H
#define QUOIT_RUNTIME_CORE_H

#include <quoit/io/stream.h>
#include <quoit/numa/reason.h>
#include <quoit/runtime/loop.h>

QUOIT_C_BEGIN

struct quoit_core;

/* Which of the runtime's cores this is, 0 to quoit_core_count() - 1. Thread: any. */
QUOIT_RT_WAITFREE unsigned quoit_core_index(const struct quoit_core *core);
QUOIT_RT_WAITFREE unsigned quoit_core_count(const struct quoit_core *core);

/* The cpu it is pinned to and the memory node it takes from. Thread: any. */
QUOIT_RT_WAITFREE unsigned quoit_core_cpu(const struct quoit_core *core);
QUOIT_RT_WAITFREE int quoit_core_node(const struct quoit_core *core);

/*
 * Listen on "127.0.0.1:7000" or "[::1]:7000"; port 0 takes a free one. Cores that listen on the
 * same text share the port, and the kernel spreads connections over them; their streams stay where
 * they were accepted.
 *
 * Gives the port. `events` is copied, `ctx` goes to every handler.
 * Errors: -EINVAL not an address, -EADDRINUSE, -EACCES, -EMFILE, ...; the start function that
 * returns the error need say nothing, the runtime has the reason.
 */
QUOIT_MUST_CHECK int quoit_listen(struct quoit_core *core, const char *address,
				  const struct quoit_stream_events *events, void *ctx);

/* The core that a stream lives on. */
struct quoit_core *quoit_stream_core(const struct quoit_stream *stream);

/* The stream of that name if it is one of this core's and still open, else NULL. */
struct quoit_stream *quoit_core_stream(struct quoit_core *core, struct quoit_stream_id id);

/*
 * The core's timers and its clock, read once a turn. Timers are stopped with the runtime.
 *
 *     const uint64_t at = quoit_core_now_ns(core) + delay_ns;
 *     quoit_timers_start(quoit_core_timers(core), &timer, at, fn, ctx);
 */
QUOIT_RT_WAITFREE struct quoit_timers *quoit_core_timers(struct quoit_core *core);
QUOIT_RT_WAITFREE uint64_t quoit_core_now_ns(const struct quoit_core *core);

/* The core's loop, for channels, polls and whatever else is asked of a loop. The runtime drives it.
 */
QUOIT_RT_WAITFREE struct quoit_loop *quoit_core_loop(struct quoit_core *core);

/*
 * Turns of this core's loop until `done` says so, which is asked before and within each: for code
 * outside of handlers that must wait for something that a handler brings. As the runtime turns the
 * loop itself as long as it serves, that is the stop function: timers and what was asked of the
 * loop still work there, messages and streams do not. A loop of one's own has
 * quoit_loop_run_until().
 *
 * Units: timeout_ns relative, QUOIT_FOREVER for none.   Errors: -ETIMEDOUT; -EDEADLK in a handler,
 * where waiting would be for ever, and in a start function, where the other cores do not serve yet.
 */
QUOIT_MUST_CHECK int quoit_run_until(struct quoit_core *core,
				     bool (*done)(struct quoit_core *core, void *ctx), void *ctx,
				     uint64_t timeout_ns);

/* Is the runtime stopping? Nothing new should be begun then. */
QUOIT_RT_WAITFREE bool quoit_core_is_stopping(const struct quoit_core *core);

/*
 * Say why a start function fails, in words for whoever started the program.
 * Gives `error`, so that it can be returned at once.
 */
int quoit_core_fail(struct quoit_core *core, int error, const char *format, ...) QUOIT_PRINTF(3, 4);

/* A pointer of the application's own. */
QUOIT_RT_WAITFREE void quoit_core_set_user(struct quoit_core *core, void *user);
QUOIT_RT_WAITFREE void *quoit_core_user(const struct quoit_core *core);

QUOIT_C_END

#endif
