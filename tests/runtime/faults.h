/* SPDX-License-Identifier: MIT */
/*
 * faults.h - a kernel that refuses what a test says, to the core it says.
 *
 * Link with --wrap=syscall, --wrap=pthread_create and --wrap=mmap. A core is known by the name of
 * its thread. Include after <cmocka.h>, once in a program.
 */
#ifndef QUOIT_TESTS_RUNTIME_FAULTS_H
#define QUOIT_TESTS_RUNTIME_FAULTS_H

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <quoit/io/compat_internal.h>
#include <quoit/numa/atomic.h>

#include "support/random.h"

#define NOWHERE 99

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);
void *__real_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
			  void *(*fn)(void *arg), void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
			  void *(*fn)(void *arg), void *arg);

static struct {
	uint32_t core;	 /* whose calls fail */
	int setup;	 /* errno of its io_uring_setup */
	uint32_t enter;	 /* errno of all its enters, as long as it stands here */
	unsigned map;	 /* which of its mmap calls fails, from 1 */
	unsigned thread; /* which pthread_create fails, from 1 */
	unsigned cq;	 /* entries that every completion queue gets */
	uint32_t storm;	 /* every enter of every core may fail in passing */
	uint64_t enters, maps, threads, halves, refusals;
	uint64_t state;
} fault;

/* --- the kernel ------------------------------------------------------------------------------ */

/* Is the calling thread that core's? */
static bool is_core(uint32_t index)
{
	char name[16] = "";
	char wanted[16];

	if (index == NOWHERE || prctl(PR_GET_NAME, name, 0L, 0L, 0L))
		return false;
	snprintf(wanted, sizeof(wanted), "quoit-%u", index);
	return !strcmp(name, wanted);
}

static long refuse(int error)
{
	errno = error;
	return -1;
}

static unsigned arguments_of(long number)
{
	switch (number) {
	case SYS_io_uring_setup:
		return 2;
	case SYS_io_uring_register:
		return 4;
	case SYS_io_uring_enter:
	case SYS_mbind:
	case SYS_move_pages:
		return 6;
	default:
		return 3;
	}
}

/* Now and then the kernel takes nothing, or only a part, and does not wait then either. */
static long stormy_enter(long *a)
{
	static const int passing[] = {EINTR, EBUSY, EAGAIN, ENOMEM};
	struct random random = {.state = quoit_add(&fault.state, 0x1234567)};
	const uint64_t dice = random_below(&random, 8);

	if (dice < 4) {
		quoit_add(&fault.refusals, 1);
		return refuse(passing[dice]);
	}
	if (dice < 6 && a[1] > 1) {
		quoit_add(&fault.halves, 1);
		a[1] /= 2;
		a[2] = 0;
	}
	return __real_syscall(SYS_io_uring_enter, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static long wrap_setup(const long *a)
{
	struct io_uring_params *params = (void *)a[1];

	if (fault.setup && is_core(fault.core))
		return refuse(fault.setup);
	if (fault.cq)
		params->cq_entries = fault.cq;
	return __real_syscall(SYS_io_uring_setup, a[0], a[1]);
}

long __wrap_syscall(long number, ...)
{
	long a[6] = {0};
	int error;
	va_list args;

	va_start(args, number);
	for (unsigned i = 0; i < arguments_of(number); i++)
		a[i] = va_arg(args, long);
	va_end(args);
	if (number == SYS_io_uring_setup)
		return wrap_setup(a);
	if (number != SYS_io_uring_enter)
		return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	quoit_add(&fault.enters, 1);
	error = (int)quoit_load(&fault.enter);
	if (error && is_core(fault.core))
		return refuse(error);
	if (quoit_load(&fault.storm))
		return stormy_enter(a);
	return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	if (fault.map && is_core(fault.core) && ++fault.maps == fault.map) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return __real_mmap(at, bytes, protection, flags, fd, offset);
}

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
			  void *(*fn)(void *arg), void *arg)
{
	if (fault.thread && ++fault.threads == fault.thread)
		return EAGAIN;
	return __real_pthread_create(thread, attributes, fn, arg);
}

static int open_files(void)
{
	DIR *folder = opendir("/proc/self/fd");
	int n = 0;

	if (!folder)
		return -1;
	while (readdir(folder))
		n++;
	closedir(folder);
	return n;
}

#endif
