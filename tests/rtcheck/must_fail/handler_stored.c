/* SPDX-License-Identifier: MIT */
/*
 * A pointer that is called in real time is filled where nothing is promised.
 *
 * expect: handler: setup -> log_it
 * expect: handler: choose -> log_it
 */
#include <quoit/numa/realtime.h>

typedef QUOIT_RT_FN void (*handler_fn)(int n);

struct mixer {
	handler_fn fn;
};

static int logged;

static void log_it(int n)
{
	logged += n;
}

void setup(struct mixer *m)
{
	m->fn = log_it;
}

handler_fn choose(void)
{
	return log_it;
}

QUOIT_RT_UNLESS(armed) void tick(const struct mixer *m, int n)
{
	m->fn(n);
}
