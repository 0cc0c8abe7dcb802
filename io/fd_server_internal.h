/* SPDX-License-Identifier: MIT */
/* fd_server_internal.h - what both ways to accept have in common. */
#ifndef QUOIT_IO_FD_SERVER_INTERNAL_H
#define QUOIT_IO_FD_SERVER_INTERNAL_H

#include <quoit/io/fd_server.h>

/*
 * Who has connected, and may he? Counts those who may not.
 *
 * Errors: -EACCES, with the reason; those of quoit_peer_read(). The connection stays open.
 */
QUOIT_MUST_CHECK int quoit_fd_server_admit(struct quoit_fd_server *server, int sock,
					   struct quoit_peer *peer, struct quoit_reason *why);

/* Is an error of accept about one connection only, so that the next may be accepted at once? */
bool quoit_fd_server_is_passing(int error);

/*
 * Let the kernel accept by itself: its accept does not wait on a socket that does not block, and
 * ours must not wait on one that does. Errors: -EBUSY it is lent already; of fcntl.
 */
QUOIT_MUST_CHECK int quoit_fd_server_lend(struct quoit_fd_server *server);
void quoit_fd_server_take_back(struct quoit_fd_server *server);

#endif
