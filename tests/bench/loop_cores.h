/* SPDX-License-Identifier: MIT */
/*
 * loop_cores.h - ways between two cores of a runtime, for bench-loop: core 0 serves, core 1
 * returns, and the next serve follows in the handler of the return.
 */
#ifndef TESTS_BENCH_LOOP_CORES_H
#define TESTS_BENCH_LOOP_CORES_H

#include "loop_bare.h"

#include <string.h>

#include <quoit.h>

enum {
	OP_CALL,
	OP_POST,
	OP_BACK,
	OP_ONCE,
};

#define START_NS 5000000ull

struct game {
	struct course *course;
	unsigned got;
	uint64_t since;
	void (*serve)(struct quoit_core *core);
	struct quoit_timer timer;
};

static struct game game;

/* One more, or the end. */
static void serve_next(struct quoit_core *core)
{
	if (game.got < game.course->count)
		game.serve(core);
	else
		quoit_runtime_stop(quoit_core_runtime(core), 1000000000);
}

static void note_trip(struct quoit_core *core)
{
	game.course->samples[game.got++] = quoit_ticks() - game.since;
	serve_next(core);
}

static void call_returned(struct quoit_core *core, const struct quoit_message *reply, void *ctx)
{
	(void)ctx;
	if (reply->status < 0)
		die("a call failed");
	note_trip(core);
}

static void serve_call(struct quoit_core *core)
{
	game.since = quoit_ticks();
	if (quoit_call(core, 1, OP_CALL, &game.got, sizeof(game.got), call_returned, NULL) < 0)
		die("no call");
}

static void answer_call(struct quoit_core *core, const struct quoit_message *m, size_t n, bool more,
			void *ctx)
{
	(void)more;
	(void)ctx;
	for (size_t i = 0; i < n; i++)
		quoit_reply(core, quoit_caller_of(&m[i]), 0, m[i].body, sizeof(game.got));
}

static void serve_post(struct quoit_core *core)
{
	game.since = quoit_ticks();
	if (quoit_post(core, 1, OP_POST, &game.got, sizeof(game.got)) < 0)
		die("no post");
}

static void post_back(struct quoit_core *core, const struct quoit_message *m, size_t n, bool more,
		      void *ctx)
{
	(void)more;
	(void)ctx;
	for (size_t i = 0; i < n; i++)
		if (quoit_post(core, 0, OP_BACK, m[i].body, sizeof(game.got)) < 0)
			die("no post back");
}

static void post_returned(struct quoit_core *core, const struct quoit_message *m, size_t n,
			  bool more, void *ctx)
{
	(void)m;
	(void)more;
	(void)ctx;
	if (n != 1)
		die("posts of more than one game");
	note_trip(core);
}

static void wait_and_serve(struct quoit_timer *timer, void *ctx)
{
	(void)timer;
	serve_next(ctx);
}

/* The sleeper takes the sample, and core 0 serves again when it sleeps once more. */
static void post_came(struct quoit_core *core, const struct quoit_message *m, size_t n, bool more,
		      void *ctx)
{
	const uint64_t now = quoit_ticks();
	uint64_t since;

	(void)core;
	(void)n;
	(void)more;
	(void)ctx;
	memcpy(&since, m->body, sizeof(since));
	game.course->samples[game.got] = now - since;
	quoit_store_release(&game.got, game.got + 1); /* got: pairs with serve_sleeper() */
}

static void serve_sleeper(struct quoit_core *core)
{
	/* got: pairs with post_came() */
	const unsigned got = quoit_load_acquire(&game.got);
	static unsigned sent;

	if (!got)
		sent = 0;
	if (got == sent) {
		game.since = quoit_ticks();
		if (quoit_post(core, 1, OP_ONCE, &game.since, sizeof(game.since)) < 0)
			die("no post");
		sent++;
	}
	quoit_timers_start(quoit_core_timers(core), &game.timer,
			   quoit_core_now_ns(core) + WAKE_GAP_US * 1000, wait_and_serve, core);
}

static int start_core(struct quoit_core *core, void *ctx)
{
	(void)ctx;
	if (quoit_on_message(core, OP_CALL, answer_call, NULL) < 0 ||
	    quoit_on_message(core, OP_POST, post_back, NULL) < 0 ||
	    quoit_on_message(core, OP_BACK, post_returned, NULL) < 0 ||
	    quoit_on_message(core, OP_ONCE, post_came, NULL) < 0)
		return -1;
	if (quoit_core_index(core) == 0)
		quoit_timers_start(quoit_core_timers(core), &game.timer,
				   quoit_core_now_ns(core) + START_NS, wait_and_serve, core);
	return 0;
}

static void play(struct course *c, void (*serve)(struct quoit_core *core), bool spin)
{
	const struct quoit_config config = {.cores = 2, .start = start_core, .never_spin = !spin};
	struct quoit_runtime *runtime;
	struct quoit_reason why;

	game = (struct game){.course = c, .serve = serve};
	if (quoit_runtime_start(&config, &runtime, &why) < 0 ||
	    quoit_runtime_wait(runtime, &why) < 0)
		die("%s", why.text);
	if (game.got < c->count)
		die("%u of %u came back", game.got, c->count);
}

static void ours_wake_lane(struct course *c)
{
	play(c, serve_sleeper, false);
}

static void ours_post(struct course *c)
{
	play(c, serve_post, true);
}

static void ours_call(struct course *c)
{
	play(c, serve_call, true);
}

static void ours_call_sleeping(struct course *c)
{
	play(c, serve_call, false);
}

#endif
