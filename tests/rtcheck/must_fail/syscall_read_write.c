/* SPDX-License-Identifier: MIT */
/*
 * Reading and writing, each a system call.
 *
 * expect: syscall: tick -> read
 * expect: syscall: tick -> write
 */
#include <quoit/numa/realtime.h>

#include <unistd.h>

QUOIT_RT long tick(int fd, char *bytes, size_t n)
{
	const ssize_t got = read(fd, bytes, n);

	return got > 0 ? write(fd, bytes, (size_t)got) : got;
}
