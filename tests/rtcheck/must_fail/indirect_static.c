/* SPDX-License-Identifier: MIT */
/*
 * A pointer in a variable of this file is called by the variable's address, which names nothing.
 *
 * expect: indirect: tick
 */
#include <quoit/numa/realtime.h>

#include <stddef.h>
#include <stdlib.h>

static void *(*take)(size_t bytes);

void setup(int n)
{
	if (n)
		take = malloc;
}

QUOIT_RT void *tick(void)
{
	return take(64);
}
