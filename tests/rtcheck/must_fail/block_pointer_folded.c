/* SPDX-License-Identifier: MIT */
/*
 * A pointer that the compiler sees through.
 *
 * expect: block: tick -> rest -> usleep
 */
#include <quoit/numa/realtime.h>

#include <unistd.h>

__attribute__((noinline)) static void rest(unsigned n)
{
	usleep(n);
}

QUOIT_NO_BLOCK void tick(unsigned n)
{
	void (*fn)(unsigned) = rest;

	fn(n);
}
