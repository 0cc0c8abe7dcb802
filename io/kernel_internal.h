/* SPDX-License-Identifier: MIT */
/*
 * kernel_internal.h - the seam to the kernel for rings and sockets.
 *
 * Every io_uring call and every socket call of the library passes here, as a static inline function
 * chosen at compile time; nothing else in io/ and runtime/ enters the kernel except through
 * numa/sys_internal.h. All give -errno on failure.
 */
#ifndef QUOIT_IO_KERNEL_INTERNAL_H
#define QUOIT_IO_KERNEL_INTERNAL_H

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <quoit/io/compat_internal.h>

static inline int quoit__result(long returned)
{
	return returned < 0 ? -errno : (int)returned;
}

/* --- io_uring -------------------------------------------------------------------------------- */

static inline int quoit__uring_setup(unsigned entries, struct io_uring_params *params)
{
	return quoit__result(syscall(__NR_io_uring_setup, entries, params));
}

static inline int quoit__uring_enter(int fd, unsigned to_submit, unsigned min_complete,
				     unsigned flags, const void *arg, size_t arg_bytes)
{
	return quoit__result(
		syscall(__NR_io_uring_enter, fd, to_submit, min_complete, flags, arg, arg_bytes));
}

static inline int quoit__uring_register(int fd, unsigned opcode, void *arg, unsigned count)
{
	return quoit__result(syscall(__NR_io_uring_register, fd, opcode, arg, count));
}

/* --- sockets --------------------------------------------------------------------------------- */

static inline int quoit__net_socket(int family)
{
	return quoit__result(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

static inline int quoit__net_set(int fd, int level, int option, int value)
{
	return quoit__result(setsockopt(fd, level, option, &value, sizeof(value)));
}

static inline int quoit__net_bind(int fd, const struct sockaddr *address, socklen_t bytes)
{
	return quoit__result(bind(fd, address, bytes));
}

static inline int quoit__net_listen(int fd, int backlog)
{
	return quoit__result(listen(fd, backlog));
}

static inline int quoit__net_name(int fd, struct sockaddr *address, socklen_t *bytes)
{
	return quoit__result(getsockname(fd, address, bytes));
}

static inline int quoit__net_peer(int fd, struct sockaddr *address, socklen_t *bytes)
{
	return quoit__result(getpeername(fd, address, bytes));
}

/* Bytes sent that the peer has not acknowledged yet, its end (FIN) among them. */
static inline int quoit__net_unacknowledged(int fd)
{
	int bytes = 0;
	const int rc = quoit__result(ioctl(fd, SIOCOUTQ, &bytes));

	return rc < 0 ? rc : bytes;
}

static inline int quoit__net_shutdown(int fd, int how)
{
	return quoit__result(shutdown(fd, how));
}

#endif
