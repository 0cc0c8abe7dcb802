/* SPDX-License-Identifier: MIT */
/*
 * A pointer to anything may be one to a function that promises nothing. C converts it without a
 * word.
 *
 * expect: handler: tick -> data
 * expect: handler: setup -> data
 */
#include <quoit/numa/realtime.h>

typedef QUOIT_RT_FN void (*handler_fn)(int n);

struct mixer {
	handler_fn fn;
};

void setup(struct mixer *m, void *data)
{
	m->fn = data;
}

QUOIT_RT_UNLESS(armed) void tick(void *data, int n)
{
	handler_fn fn = data;

	fn(n);
}
