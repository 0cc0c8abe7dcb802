/* SPDX-License-Identifier: MIT */
/*
 * The compiler makes a loop of it, this time.
 *
 * expect: recursion: tick -> length -> length
 */
#include <quoit/numa/realtime.h>

struct link {
	const struct link *next;
};

static int length(const struct link *l, int n)
{
	return l ? length(l->next, n + 1) : n;
}

QUOIT_BOUNDED_RECURSION int tick(const struct link *l)
{
	return length(l, 0);
}
