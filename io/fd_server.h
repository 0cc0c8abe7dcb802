/* SPDX-License-Identifier: MIT */
/*
 * fd_server.h - a unix socket that others connect to, to be given descriptors or to bring some.
 *
 *     rc = quoit_fd_server_listen(&server, "/run/user/1000/orders", NULL, &why);
 *     sock = quoit_fd_server_accept(&server, quoit_deadline_ns(timeout_ns), &peer, &why);
 *     rc = quoit_hello_send(sock, &hello, &fd, deadline_ns, &why);
 *     quoit_fd_server_close(&server);
 *
 * What stands at the path is respected. A socket that somebody listens to is never taken away from
 * him, even if his queue is full; files, folders, links and other users' sockets stay. Only a
 * socket of our own user that no process has any more is removed. The end removes the path if it is
 * still this server's, and not if a later one has it; from another working directory, too.
 *
 * Nobody but our own user may connect: the socket's mode is 0600 from its first moment on, and who
 * connects is looked at, which is all that protects an abstract name. Take a folder that others
 * cannot write to: in one that they can, they may be there first.
 *
 * This form waits in its caller, one connection after the other. On a loop a greeter (greeter.h of
 * runtime/) accepts, and hears a hello of each before it tells.
 */
#ifndef QUOIT_IO_FD_SERVER_H
#define QUOIT_IO_FD_SERVER_H

#include <quoit/io/peer.h>

QUOIT_C_BEGIN

/* Zero means the default everywhere. */
struct quoit_fd_server_options {
	bool stream;	  /* SOCK_STREAM; by default SOCK_SEQPACKET, which keeps messages apart */
	bool abstract;	  /* the path is "@name": a name that no file system has */
	uint32_t mode;	  /* of the socket, less the umask; default 0600 */
	uint32_t backlog; /* connections that may wait to be accepted; default 64 */
	struct quoit_peer_policy policy; /* who may connect; by default our own user */
};

/* Owns: the caller, who keeps it in place. All zero is closed. For reading: fd, refused. */
struct quoit_fd_server {
	int fd;
	int folder;
	uint64_t device;
	uint64_t inode;
	uint64_t refused; /* connections whose users the policy does not allow */
	struct quoit_peer_policy policy;
	int process; /* that listens: a forked child only closes */
	bool open;
	bool lent; /* a greeter accepts */
	char name[108];
};

/*
 * Listen at `path`. `options` may be NULL. The server must be closed, or all zero.
 *
 * If the path is taken by somebody who is about to die, this waits up to a fifth of a second.
 * Thread: any.   Owns: the caller closes it.
 * Errors: -EINVAL no path, or options that cannot be; -ENAMETOOLONG; -EADDRINUSE somebody listens
 * there; -EEXIST what is there is no socket; -EPERM a socket of another user's; -EBUSY a dead one
 * that cannot be removed because its folder is locked, or it listens already; -ENOENT, -EACCES,
 * -EMFILE; all with the reason. The server is untouched then.
 */
QUOIT_MUST_CHECK int quoit_fd_server_listen(struct quoit_fd_server *server, const char *path,
					    const struct quoit_fd_server_options *options,
					    struct quoit_reason *why);

/*
 * Wait for a connection of somebody who is allowed; others are closed and counted. `deadline_ns` is
 * absolute, 0 for ever, and one in the past looks once. *peer, unless NULL, is who it is.
 *
 * Gives a descriptor, closed on exec, which blocks.
 * Thread: one at a time, and not while a greeter has the server.   Owns: the caller closes it.
 * Errors: -ETIMEDOUT; -EMFILE, -ENFILE, -ENOMEM, after which it may be tried again; -EBADF it is
 * not open; -EBUSY a greeter has it; -ESHUTDOWN whoever shares the socket has shut it down; all
 * with the reason.
 */
QUOIT_MUST_CHECK int quoit_fd_server_accept(struct quoit_fd_server *server, uint64_t deadline_ns,
					    struct quoit_peer *peer, struct quoit_reason *why);

/*
 * Listen no more, and remove the path if it is still ours. Connections that were accepted stay,
 * those that wait are refused. Nothing happens if it is closed.
 *
 * Thread: none may be in an accept, and no greeter may have it.
 */
void quoit_fd_server_close(struct quoit_fd_server *server);

QUOIT_C_END

#endif
