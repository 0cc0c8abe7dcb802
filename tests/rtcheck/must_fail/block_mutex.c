/* SPDX-License-Identifier: MIT */
/*
 * Whoever holds it may be preempted.
 *
 * expect: block: tick -> pthread_mutex_lock
 * expect: syscall: tick -> pthread_mutex_unlock
 */
#include <quoit/numa/realtime.h>

#include <pthread.h>

QUOIT_RT void tick(pthread_mutex_t *lock, int *n)
{
	pthread_mutex_lock(lock);
	++*n;
	pthread_mutex_unlock(lock);
}
