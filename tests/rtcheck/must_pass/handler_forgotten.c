/* SPDX-License-Identifier: MIT */
/*
 * Where nothing is promised a handler is a function like any other; and no pointer is one, too.
 */
#include <quoit/numa/realtime.h>

#include <stddef.h>

typedef QUOIT_RT_FN void (*handler_fn)(int n);

static handler_fn kept;

void run(void (*fn)(int), int n);

void by_the_way(int n)
{
	run(kept, n);
	kept = NULL;
}

QUOIT_RT_UNLESS(armed) void tick(int n)
{
	if (kept)
		kept(n);
}
