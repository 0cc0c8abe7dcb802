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
#include <sys/time.h>
#include <sys/un.h>
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

/* --- between processes ----------------------------------------------------------------------- */

/* Newer than some headers that we build with; an alpha, a parisc and a sparc have other numbers. */
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 */
#endif
#ifndef SCM_PIDFD
#define SCM_PIDFD 4 /* Linux 6.5 */
#endif

/* SOCK_STREAM or SOCK_SEQPACKET, and SOCK_NONBLOCK if wanted. */
static inline int quoit__net_unix_socket(int type)
{
	return quoit__result(socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
}

static inline int quoit__net_connect(int fd, const struct sockaddr *address, socklen_t bytes)
{
	return quoit__result(connect(fd, address, bytes));
}

/* The connection blocks, whatever the listener does. */
static inline int quoit__net_accept(int fd)
{
	return quoit__result(accept4(fd, NULL, NULL, SOCK_CLOEXEC));
}

static inline int quoit__net_get(int fd, int level, int option, void *value, socklen_t bytes)
{
	return quoit__result(getsockopt(fd, level, option, value, &bytes));
}

/* How long a connect may wait for room with the listener; 0: for ever. */
static inline int quoit__net_set_send_timeout(int fd, uint64_t ns)
{
	const struct timeval time = {.tv_sec = (time_t)(ns / 1000000000u),
				     .tv_usec = (suseconds_t)(ns % 1000000000u / 1000)};

	return quoit__result(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time)));
}

/* Never waits and never raises SIGPIPE. */
static inline int quoit__net_send_message(int fd, const struct msghdr *message)
{
	return quoit__result(sendmsg(fd, message, MSG_DONTWAIT | MSG_NOSIGNAL));
}

/* Never waits; descriptors that come are closed on exec from the start. */
static inline int quoit__net_receive_message(int fd, struct msghdr *message)
{
	return quoit__result(recvmsg(fd, message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC));
}

static inline int quoit__net_shutdown(int fd, int how)
{
	return quoit__result(shutdown(fd, how));
}

#endif
