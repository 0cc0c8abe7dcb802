/* SPDX-License-Identifier: MIT */
/* thread.c - threads, mutexes and conditions of the program, on tasks. */
#include <sim/seam.h>
#include <sim/sim.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
			  void *arg)
{
	static const char *const names[] = {"main",  "core0", "core1", "core2",
					    "core3", "-",     "-",     "-"};
	struct sim_task *task;

	if (!sim.active)
		return __real_pthread_create(thread, attributes, run, arg);
	task = sim_fault(SIM_THREAD_REFUSED) ? NULL
					     : sim_task_new(names[sim_task_count()], run, arg);
	if (!task)
		return EAGAIN;
	*thread = (pthread_t)task->number;
	sim_maybe_yield(2);
	return 0;
}

int __wrap_pthread_join(pthread_t thread, void **result)
{
	struct sim_task *task;

	if (!sim.active)
		return __real_pthread_join(thread, result);
	task = sim_task_at((unsigned)thread);
	while (!sim_task_ended(task))
		sim_wait_word(task);
	return 0;
}

/* A mutex is taken while its first word is not zero. */
static int *word_of(pthread_mutex_t *mutex)
{
	return (int *)(void *)mutex;
}

int __wrap_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes)
{
	if (!sim.active)
		return __real_pthread_mutex_init(mutex, attributes);
	memset(mutex, 0, sizeof(*mutex));
	return 0;
}

int __wrap_pthread_mutex_destroy(pthread_mutex_t *mutex)
{
	if (!sim.active)
		return __real_pthread_mutex_destroy(mutex);
	if (*word_of(mutex))
		sim_violation("a mutex is destroyed while it is locked");
	return 0;
}

static void take(pthread_mutex_t *mutex)
{
	while (*word_of(mutex))
		sim_wait_word(mutex);
	*word_of(mutex) = 1;
}

static void leave(pthread_mutex_t *mutex)
{
	if (!*word_of(mutex))
		sim_violation("a mutex is unlocked that nobody holds");
	*word_of(mutex) = 0;
	sim_wake(mutex, true);
}

int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
	if (!sim.active)
		return __real_pthread_mutex_lock(mutex);
	sim_maybe_yield(2);
	take(mutex);
	sim_maybe_yield(4);
	return 0;
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	if (!sim.active)
		return __real_pthread_mutex_unlock(mutex);
	leave(mutex);
	sim_maybe_yield(2);
	return 0;
}

int __wrap_pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attributes)
{
	if (!sim.active)
		return __real_pthread_cond_init(cond, attributes);
	memset(cond, 0, sizeof(*cond));
	return 0;
}

int __wrap_pthread_cond_destroy(pthread_cond_t *cond)
{
	return sim.active ? 0 : __real_pthread_cond_destroy(cond);
}

/* It may return for nothing, as the standard says. */
int __wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
	if (!sim.active)
		return __real_pthread_cond_wait(cond, mutex);
	leave(mutex);
	if (sim.chaos && sim_one_in(8))
		sim_yield();
	else
		sim_wait_word(cond);
	take(mutex);
	return 0;
}

int __wrap_pthread_cond_broadcast(pthread_cond_t *cond)
{
	if (!sim.active)
		return __real_pthread_cond_broadcast(cond);
	sim_wake(cond, true);
	return 0;
}

int __wrap_pthread_cond_signal(pthread_cond_t *cond)
{
	if (!sim.active)
		return __real_pthread_cond_signal(cond);
	sim_wake(cond, false);
	return 0;
}

/* A broken contract of the library ends the seed and not the simulation. */
void __wrap_abort(void)
{
	if (!sim.active)
		__real_abort();
	sim_violation("a contract is broken: see above");
	sim_abandon();
}
