/* SPDX-License-Identifier: MIT */
/*
 * inbox_internal.h - received bytes that a handler wants to see again, or has not seen yet.
 *
 * Contiguous. Small ones live in a chunk of the core's pool; larger ones grow in proportion to the
 * bytes that really came, never to a length that a peer announced, and count against a limit that
 * all streams of the core share.
 */
#ifndef QUOIT_IO_INBOX_INTERNAL_H
#define QUOIT_IO_INBOX_INTERNAL_H

#include <quoit/io/chunk_internal.h>

struct quoit_io;

struct quoit_inbox {
	struct quoit_chunk *chunk; /* small */
	unsigned char *grown;	   /* or large, from malloc */
	size_t len;
	size_t room; /* bytes that `grown` has */
};

/* Errors: -ENOBUFS when the limit is reached or memory is out; the inbox is then as it was. */
QUOIT_MUST_CHECK int quoit_inbox_append(struct quoit_io *io, struct quoit_inbox *inbox,
					const void *data, size_t len);

/* Keep only the last `n` bytes. Gives the memory back when none are left. */
void quoit_inbox_keep(struct quoit_io *io, struct quoit_inbox *inbox, size_t n);

QUOIT_HOT const void *quoit_inbox_bytes(const struct quoit_inbox *inbox)
{
	return inbox->grown ? inbox->grown : inbox->chunk ? inbox->chunk->bytes : NULL;
}

#endif
