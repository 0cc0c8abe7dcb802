/* SPDX-License-Identifier: MIT */
/*
 * A pointer that promises is given a function that does not.
 *
 * expect: handler: tick -> log_it
 */
#include <quoit/numa/realtime.h>

typedef QUOIT_RT_FN void (*handler_fn)(int n);

static int logged;

static void log_it(int n)
{
	logged += n;
}

QUOIT_RT_UNLESS(armed) void tick(int n, handler_fn fn)
{
	if (n > 10)
		fn = log_it;
	fn(n);
}
