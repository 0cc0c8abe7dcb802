/* SPDX-License-Identifier: MIT */
/*
 * Two functions that call each other.
 *
 * expect: recursion: tick -> even -> odd -> even
 */
#include <quoit/numa/realtime.h>

static int odd(unsigned n);

static int even(unsigned n)
{
	return n ? odd(n - 1) : 1;
}

static int odd(unsigned n)
{
	return n ? even(n - 1) : 0;
}

QUOIT_RT int tick(unsigned n)
{
	return even(n);
}
