/* SPDX-License-Identifier: MIT */
/*
 * fcntl_calls.h - for tests that are linked with --wrap=fcntl, and look at its calls or let them
 * fail: they define on_fcntl(). Include it after cmocka, once.
 */
#ifndef QUOIT_TESTS_RINGS_FCNTL_CALLS_H
#define QUOIT_TESTS_RINGS_FCNTL_CALLS_H

#include <stdarg.h>
#include <stdbool.h>

int __real_fcntl(int fd, int what, ...);
int __wrap_fcntl(int fd, int what, ...);

/* Before each call. True if it goes on, false if it fails with errno. */
static bool on_fcntl(int what);

int __wrap_fcntl(int fd, int what, ...)
{
	va_list more;
	long arg;

	va_start(more, what);
	arg = va_arg(more, long);
	va_end(more);
	return on_fcntl(what) ? __real_fcntl(fd, what, arg) : -1;
}

#endif
