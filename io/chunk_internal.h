/* SPDX-License-Identifier: MIT */
/*
 * chunk_internal.h - fixed pieces of memory that hold what a stream has still to send.
 *
 * A bounded pool in the core's own region; a first part is prefaulted, the rest fills when it is
 * first needed. Single owner, last in first out. A chunk carries what the kernel needs to send a
 * chain of them, so that a send in flight owns no memory outside of it.
 */
#ifndef QUOIT_IO_CHUNK_INTERNAL_H
#define QUOIT_IO_CHUNK_INTERNAL_H

#include <sys/socket.h>
#include <sys/uio.h>

#include <quoit/numa/region.h>

#define QUOIT_CHUNK_SPREAD 8 /* chunks that one send may gather */
#define QUOIT_CHUNK_BYTES  8192

struct quoit_chunk {
	struct quoit_chunk *next;
	uint32_t start; /* first byte not sent yet */
	uint32_t end;	/* first byte not filled yet */
	struct msghdr message;
	struct iovec spread[QUOIT_CHUNK_SPREAD];
	unsigned char bytes[];
};

#define QUOIT_CHUNK_ROOM (QUOIT_CHUNK_BYTES - sizeof(struct quoit_chunk))

struct quoit_chunks {
	struct quoit_region warm; /* prefaulted */
	struct quoit_region rest; /* filled on demand */
	struct quoit_chunk *free;
	uint32_t in_use; /* chunks now in use */
	uint32_t most;	 /* chunks that may be in use at once */
};

QUOIT_MUST_CHECK int quoit_chunks_open(struct quoit_chunks *chunks, uint32_t warm, uint32_t most,
				       int node, struct quoit_reason *why);
void quoit_chunks_close(struct quoit_chunks *chunks);

/* An empty chunk, or NULL when all are in use. */
struct quoit_chunk *quoit_chunk_take(struct quoit_chunks *chunks);
void quoit_chunk_give(struct quoit_chunks *chunks, struct quoit_chunk *chunk);

#endif
