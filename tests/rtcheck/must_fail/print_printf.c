/* SPDX-License-Identifier: MIT */
/*
 * Output takes a lock, allocates and writes.
 *
 * expect: print: tick -> puts
 * expect: print: tick -> tell -> printf
 */
#include <quoit/numa/realtime.h>

#include <stdio.h>

static void tell(int n)
{
	printf("%d\n", n);
}

QUOIT_RT void tick(int n)
{
	if (n > 1000)
		puts("many");
	tell(n);
}
