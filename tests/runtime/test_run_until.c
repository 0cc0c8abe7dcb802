/* SPDX-License-Identifier: MIT */
/*
 * test_run_until.c - waiting outside of handlers: in the stop function, and nowhere else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <cmocka.h>

#include "support/one_server.h"

#define MS 1000000

static struct {
	int in_start, in_handler, in_timer, fired, until, timeout, at_once;
	uint64_t turns;
	unsigned asked;
	struct quoit_timer timer;
} seen;

static int forget(void **state)
{
	(void)state;
	return begin_anew(&seen, sizeof(seen), 2);
}

static bool has_fired(struct quoit_core *core, void *ctx)
{
	(void)core;
	(void)ctx;
	seen.asked++;
	return seen.fired;
}

static bool never(struct quoit_core *core, void *ctx)
{
	(void)core;
	(void)ctx;
	return false;
}

static int wait_in_start(struct quoit_core *core, void *ctx)
{
	if (quoit_core_index(core) == 0)
		seen.in_start = quoit_run_until(core, never, ctx, 0);
	return 0;
}

static void wait_in_handler(struct quoit_core *core, void *ctx)
{
	seen.in_handler = quoit_run_until(core, never, ctx, 0);
}

static void fire(struct quoit_timer *timer, void *ctx)
{
	(void)timer;
	seen.fired = 1;
	seen.in_timer = quoit_run_until(ctx, never, NULL, 0);
}

static uint64_t turns_of(struct quoit_core *core)
{
	struct quoit_stats stats;

	if (quoit_runtime_stats(quoit_core_runtime(core), 0, &stats) < 0)
		return 0;
	return stats.turns;
}

static void wait_at_the_end(struct quoit_core *core, void *ctx)
{
	if (quoit_core_index(core) != 0)
		return;
	quoit_timers_start(quoit_core_timers(core), &seen.timer, quoit_core_now_ns(core) + 5 * MS,
			   fire, core);
	seen.turns = turns_of(core);
	seen.until = quoit_run_until(core, has_fired, ctx, QUOIT_FOREVER);
	seen.turns = turns_of(core) - seen.turns;
	seen.timeout = quoit_run_until(core, never, ctx, MS);
	seen.at_once = quoit_run_until(core, has_fired, ctx, 0);
}

static void in_the_stop_function_one_may_wait_and_elsewhere_not(void **state)
{
	(void)state;
	server.also = wait_in_start;
	server.ended = wait_at_the_end;
	server_start(&server);
	server_run(&server, 0, wait_in_handler, NULL);
	server_stop(&server);
	assert_int_equal(seen.in_start, -EDEADLK);
	assert_int_equal(seen.in_handler, -EDEADLK);
	assert_int_equal(seen.until, 0);
	assert_true(seen.fired);
	assert_int_equal(seen.in_timer, -EDEADLK);
	assert_int_equal(seen.timeout, -ETIMEDOUT);
	assert_int_equal(seen.at_once, 0);
	assert_true(seen.asked > 1);
	assert_in_range(seen.turns, 1, 50); /* it slept until the timer */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(in_the_stop_function_one_may_wait_and_elsewhere_not,
						forget, abandon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
