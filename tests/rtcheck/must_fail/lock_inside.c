/* SPDX-License-Identifier: MIT */
/*
 * No lock by its name: but what waits, allocates or prints takes one inside of libc.
 *
 * expect: block: meet -> pthread_barrier_wait
 * expect: block: begin -> pthread_once
 * expect: alloc: keep -> malloc
 * expect: print: tell -> puts
 */
#include <quoit/numa/realtime.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

void *kept;

QUOIT_LOCKFREE void meet(pthread_barrier_t *all)
{
	pthread_barrier_wait(all);
}

QUOIT_WAITFREE void begin(pthread_once_t *once, void (*first)(void))
{
	pthread_once(once, first);
}

QUOIT_LOCKFREE void keep(size_t bytes)
{
	kept = malloc(bytes);
}

QUOIT_WAITFREE void tell(const char *what)
{
	puts(what);
}
