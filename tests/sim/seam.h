/* SPDX-License-Identifier: MIT */
/*
 * seam.h - the calls that the linker leads into the simulation (--wrap), and their real selves.
 *
 * The list of them in the Makefile is made of this file.
 */
#ifndef QUOIT_TESTS_SIM_SEAM_H
#define QUOIT_TESTS_SIM_SEAM_H

#include <pthread.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <time.h>

/* Results first, then the name, so that each line is one --wrap. */
#define SIM_SEAM(result, name, ...)        \
	result __wrap_##name(__VA_ARGS__); \
	result __real_##name(__VA_ARGS__)

SIM_SEAM(long, syscall, long number, ...);
SIM_SEAM(int, clock_gettime, clockid_t clock, struct timespec *now);
SIM_SEAM(int, clock_nanosleep, clockid_t clock, int flags, const struct timespec *time,
	 struct timespec *left);
SIM_SEAM(int, nanosleep, const struct timespec *time, struct timespec *left);
SIM_SEAM(int, sched_yield, void);
SIM_SEAM(int, sched_getcpu, void);
SIM_SEAM(int, getcpu, unsigned *cpu, unsigned *node);
SIM_SEAM(int, prctl, int option, ...);

SIM_SEAM(int, open, const char *path, int flags, ...);
SIM_SEAM(ssize_t, read, int fd, void *data, size_t bytes);
SIM_SEAM(ssize_t, write, int fd, const void *data, size_t bytes);
SIM_SEAM(int, close, int fd);
SIM_SEAM(int, eventfd, unsigned initial, int flags);
SIM_SEAM(int, ioctl, int fd, unsigned long request, ...);

SIM_SEAM(int, socket, int family, int type, int protocol);
SIM_SEAM(int, setsockopt, int fd, int level, int option, const void *value, socklen_t bytes);
SIM_SEAM(int, bind, int fd, const struct sockaddr *address, socklen_t bytes);
SIM_SEAM(int, listen, int fd, int backlog);
SIM_SEAM(int, getsockname, int fd, struct sockaddr *address, socklen_t *bytes);
SIM_SEAM(int, shutdown, int fd, int how);

SIM_SEAM(void *, mmap, void *hint, size_t bytes, int protection, int flags, int fd, off_t offset);
SIM_SEAM(int, munmap, void *base, size_t bytes);
SIM_SEAM(int, madvise, void *base, size_t bytes, int advice);
SIM_SEAM(void *, malloc, size_t bytes);
SIM_SEAM(void *, calloc, size_t n, size_t bytes);
SIM_SEAM(void *, realloc, void *block, size_t bytes);
SIM_SEAM(void *, aligned_alloc, size_t alignment, size_t bytes);
SIM_SEAM(void, free, void *block);
SIM_SEAM(void, abort, void) __attribute__((noreturn));

SIM_SEAM(int, pthread_create, pthread_t *thread, const pthread_attr_t *attributes,
	 void *(*run)(void *), void *arg);
SIM_SEAM(int, pthread_join, pthread_t thread, void **result);
SIM_SEAM(int, pthread_mutex_init, pthread_mutex_t *mutex, const pthread_mutexattr_t *attributes);
SIM_SEAM(int, pthread_mutex_destroy, pthread_mutex_t *mutex);
SIM_SEAM(int, pthread_mutex_lock, pthread_mutex_t *mutex);
SIM_SEAM(int, pthread_mutex_unlock, pthread_mutex_t *mutex);
SIM_SEAM(int, pthread_cond_init, pthread_cond_t *cond, const pthread_condattr_t *attributes);
SIM_SEAM(int, pthread_cond_destroy, pthread_cond_t *cond);
SIM_SEAM(int, pthread_cond_wait, pthread_cond_t *cond, pthread_mutex_t *mutex);
SIM_SEAM(int, pthread_cond_broadcast, pthread_cond_t *cond);
SIM_SEAM(int, pthread_cond_signal, pthread_cond_t *cond);

#endif
