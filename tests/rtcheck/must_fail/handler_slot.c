/* SPDX-License-Identifier: MIT */
/*
 * A pointer to a handler that has forgotten what the handler promises.
 *
 * expect: handler: setup -> handlers
 */
#include <quoit/numa/realtime.h>

typedef QUOIT_RT_FN void (*handler_fn)(int n);

static handler_fn handlers[2];
static int logged;

static void log_it(int n)
{
	logged += n;
}

void setup(int i)
{
	void (**slots)(int) = handlers;

	slots[i] = log_it;
}

QUOIT_RT_UNLESS(armed) void tick(int n)
{
	handlers[n & 1](n);
}
