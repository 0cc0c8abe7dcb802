/* SPDX-License-Identifier: MIT */
/*
 * A lock below a function that promises nothing but to take none; and such a mark without code.
 *
 * expect: lock: tick -> add -> pthread_mutex_lock
 * expect: mark: tock
 */
#include <quoit/numa/realtime.h>

#include <pthread.h>

int sum;

__attribute__((noinline)) static void add(pthread_mutex_t *mutex, int n)
{
	pthread_mutex_lock(mutex);
	sum += n;
	pthread_mutex_unlock(mutex);
}

QUOIT_LOCKFREE void tick(pthread_mutex_t *mutex)
{
	add(mutex, 1);
}

QUOIT_LOCKFREE void tock(int n);
