/* SPDX-License-Identifier: MIT */
/*
 * unix_socket.h - connecting to a server on this machine, by the path of its socket.
 *
 * fd_server.h is the other end. The server is looked at before the descriptor is given out: one
 * that runs as another user is refused unless the policy allows him, because in a folder that
 * others may write to, anybody may stand at a path (or an abstract name) before the right one does.
 */
#ifndef QUOIT_IO_UNIX_SOCKET_H
#define QUOIT_IO_UNIX_SOCKET_H

#include <quoit/io/peer.h>

QUOIT_C_BEGIN

#define QUOIT_UNIX_PATH_MAX 107 /* bytes of a path or of an abstract name, with its @ */

/* How to connect. Zero means the default everywhere. */
struct quoit_unix_options {
	bool stream;   /* SOCK_STREAM; by default SOCK_SEQPACKET, which keeps messages apart */
	bool abstract; /* the path is "@name": a name that no file system has, without permissions
			*/
	struct quoit_peer_policy policy; /* who the server may be; by default our own user */
	uint64_t deadline_ns;		 /* absolute; 0: wait for ever for room with the server */
};

/*
 * Connect to `path`. `options` may be NULL.
 *
 * Gives a descriptor, closed on exec, which blocks.   Thread: any.   Owns: the caller closes it.
 * Errors: -EINVAL no path, or an @ that was not asked for; -ENAMETOOLONG; -ENOENT nothing is there;
 * -ECONNREFUSED nobody listens; -EPROTOTYPE it is of the other kind; -EACCES we may not, or the
 * policy does not allow the server's user; -ETIMEDOUT; -EMFILE; all with the reason.
 */
QUOIT_MUST_CHECK int quoit_unix_connect(const char *path, const struct quoit_unix_options *options,
					struct quoit_reason *why);

QUOIT_C_END

#endif
