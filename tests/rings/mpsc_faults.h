/* SPDX-License-Identifier: MIT */
/*
 * mpsc_faults.h - what a test of MPSC channels can refuse, and where it can look at a channel from
 * within a registration or a bell. Its programs are linked with --wrap= of what is defined here.
 */
#ifndef QUOIT_TESTS_RINGS_MPSC_FAULTS_H
#define QUOIT_TESTS_RINGS_MPSC_FAULTS_H

#include <sched.h>
#include <sys/mman.h>

#include <rings/mpsc_checks.h>

void *__real_calloc(size_t n, size_t bytes);
void *__wrap_calloc(size_t n, size_t bytes);
void *__real_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *at, size_t bytes);
int __wrap_munmap(void *at, size_t bytes);
int __real_pthread_mutex_trylock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_trylock(pthread_mutex_t *mutex);
int __real_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attr);
int __wrap_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attr);
int __real_sched_getcpu(void);
int __wrap_sched_getcpu(void);
ssize_t __real_write(int fd, const void *data, size_t bytes);
ssize_t __wrap_write(int fd, const void *data, size_t bytes);

static struct {
	bool refuse_calloc, refuse_mmap, refuse_trylock, refuse_init, refuse_getcpu;
	void (*when_mapping)(void); /* called from within, once */
	void (*when_growing)(void);
	void (*when_ringing)(void);
	void (*when_trying)(void);
	unsigned mapped, unmapped;
} fault;

static void call_once(void (**hook)(void))
{
	void (*const call)(void) = *hook;

	*hook = NULL;
	if (call)
		call();
}

void *__wrap_calloc(size_t n, size_t bytes)
{
	call_once(&fault.when_growing);
	return fault.refuse_calloc ? NULL : __real_calloc(n, bytes);
}

void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	call_once(&fault.when_mapping);
	if (fault.refuse_mmap) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	fault.mapped++;
	return __real_mmap(at, bytes, protection, flags, fd, offset);
}

int __wrap_munmap(void *at, size_t bytes)
{
	fault.unmapped++;
	return __real_munmap(at, bytes);
}

int __wrap_pthread_mutex_trylock(pthread_mutex_t *mutex)
{
	call_once(&fault.when_trying);
	return fault.refuse_trylock ? EBUSY : __real_pthread_mutex_trylock(mutex);
}

int __wrap_pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attr)
{
	return fault.refuse_init ? ENOMEM : __real_pthread_mutex_init(mutex, attr);
}

int __wrap_sched_getcpu(void)
{
	if (!fault.refuse_getcpu)
		return __real_sched_getcpu();
	errno = ENOSYS;
	return -1;
}

ssize_t __wrap_write(int fd, const void *data, size_t bytes)
{
	call_once(&fault.when_ringing);
	return __real_write(fd, data, bytes);
}

static int no_fault(void **state)
{
	(void)state;
	memset(&fault, 0, sizeof(fault));
	return 0;
}

#endif
