/* SPDX-License-Identifier: MIT */
/*
 * Who tries for a lock until it is free waits for its owner.
 *
 * expect: lock: tick -> pthread_mutex_trylock
 * expect: lock: tock -> pthread_mutex_trylock
 */
#include <quoit/numa/realtime.h>

#include <pthread.h>

QUOIT_RT_LOCKFREE void tick(pthread_mutex_t *mutex)
{
	while (pthread_mutex_trylock(mutex))
		;
}

QUOIT_RT_WAITFREE int tock(pthread_mutex_t *mutex)
{
	return pthread_mutex_trylock(mutex);
}
