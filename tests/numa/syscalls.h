/* SPDX-License-Identifier: MIT */
/*
 * syscalls.h - for tests that are linked with --wrap=syscall: the arguments of a call, and the call
 * itself. Include it after cmocka, once.
 */
#ifndef QUOIT_TESTS_NUMA_SYSCALLS_H
#define QUOIT_TESTS_NUMA_SYSCALLS_H

#include <stdarg.h>
#include <sys/syscall.h>

long __real_syscall(long number, ...);
long __wrap_syscall(long number, ...);

/* Only what was passed may be read: all of these callers pass three, but for some calls. */
static inline void take_arguments(long number, va_list arguments, long a[6])
{
	const int count = number == SYS_mbind || number == SYS_move_pages || number == SYS_futex ? 6
			  : number == SYS_get_mempolicy						 ? 5
							: 3;

	for (int i = 0; i < count; i++)
		a[i] = va_arg(arguments, long);
}

static inline long really_call(long number, const long a[6])
{
	return __real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

#endif
