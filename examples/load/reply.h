/* SPDX-License-Identifier: MIT */
/*
 * reply.h - where a RESP2 reply ends.
 *
 * Replies are compared byte by byte with what they must be; only one that differs has to be
 * understood, to find the next one behind it.
 */
#ifndef LOAD_REPLY_H
#define LOAD_REPLY_H

#include <stddef.h>
#include <sys/types.h>

/* How many bytes the first reply takes; 0 if it is not all there, -EPROTO if it is none. */
ssize_t reply_measure(const char *data, size_t len);

#endif
