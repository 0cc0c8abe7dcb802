/* SPDX-License-Identifier: MIT */
/*
 * unix_socket_internal.h - paths as addresses, and a path that a socket of ours stands at.
 *
 * A socket that a dead process has left behind is in the way of the next one; it may be removed,
 * and nothing else may. unix_place.c tells how.
 */
#ifndef QUOIT_IO_UNIX_SOCKET_INTERNAL_H
#define QUOIT_IO_UNIX_SOCKET_INTERNAL_H

#include <sys/socket.h>
#include <sys/un.h>

#include <quoit/io/unix_socket.h>

struct quoit_unix_address {
	struct sockaddr_un un;
	socklen_t bytes;
};

/* Errors: -EINVAL, -ENAMETOOLONG, with the reason; `address` is untouched then. */
QUOIT_MUST_CHECK int quoit_unix_address(struct quoit_unix_address *address, const char *path,
					bool abstract, struct quoit_reason *why);

/* Where a socket was bound. All zero but `folder`, which is -1: nowhere, or an abstract name. */
struct quoit_unix_place {
	int folder; /* opened, so that it is found again from another working directory */
	uint64_t device;
	uint64_t inode;
	char name[QUOIT_UNIX_PATH_MAX + 1];
};

/*
 * Bind `fd` to a path, with `mode` less the umask; what a dead server of our user has left there is
 * removed before.
 *
 * Errors: -EADDRINUSE somebody listens there; -EEXIST something else is there; -EPERM a socket of
 * another user's is; -EBUSY a dead one could not be removed, because the folder is locked; -ENOENT,
 * -EACCES and what else bind says; all with the reason. Nothing has changed then.
 */
QUOIT_MUST_CHECK int quoit_unix_bind(struct quoit_unix_place *place, int fd,
				     const struct quoit_unix_address *address, mode_t mode,
				     struct quoit_reason *why);

/*
 * Remove the path, if what is there is still what was bound. The socket must not be closed before:
 * as long as it is open, the kernel gives its inode number to nobody else.
 */
void quoit_unix_unbind(struct quoit_unix_place *place);

/* Forget it, and leave the path as it is. */
void quoit_unix_leave(struct quoit_unix_place *place);

#endif
