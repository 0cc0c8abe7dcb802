/* SPDX-License-Identifier: MIT */
/* fd_pass_internal.h - control data of a message, apart from where it came from. */
#ifndef QUOIT_IO_FD_PASS_INTERNAL_H
#define QUOIT_IO_FD_PASS_INTERNAL_H

#include <sys/socket.h>

#include <quoit/io/fd_pass.h>

/*
 * Take the descriptors out of the control data of a message that has been received: into the room
 * of the parcel, and what finds none is closed. Gives how many were closed for that.
 *
 * Whatever the bytes are, none outside of them is looked at.
 */
size_t quoit_parcel_unpack(struct quoit_parcel *parcel, const struct msghdr *message);

#endif
