/* SPDX-License-Identifier: MIT */
/*
 * bufring_internal.h - the buffers that the kernel picks from when bytes arrive.
 *
 * One per core, in the core's own memory. A stream that finds none left waits in a queue here and
 * is armed again as buffers come back: no timer, no hot retry, no closed connection.
 */
#ifndef QUOIT_IO_BUFRING_INTERNAL_H
#define QUOIT_IO_BUFRING_INTERNAL_H

#include <quoit/io/list_internal.h>
#include <quoit/io/uring_internal.h>
#include <quoit/numa/region.h>

#define QUOIT_BUFRING_GROUP 0

struct quoit_bufring {
	struct quoit_uring *uring;
	struct quoit_region region;
	struct io_uring_buf_ring *entries;
	unsigned char *base;
	size_t stride; /* a line more than a buffer, so that buffers do not all share cache sets */
	uint32_t bytes;
	uint32_t count;
	uint16_t added;	  /* given back, not yet shown to the kernel */
	uint32_t in_hand; /* picked by the kernel and not given back */
	struct quoit_link waiting;
	uint64_t exhausted; /* times a receive found none */
};

/*
 * Units: buffer_bytes per buffer; buffer_count, a power of two up to 32,768.
 * Errors: those of quoit_region_open(); -EINVAL, -ENOMEM of the registration.
 */
QUOIT_MUST_CHECK int quoit_bufring_open(struct quoit_bufring *bufs, struct quoit_uring *uring,
					uint32_t buffer_bytes, uint32_t buffer_count, int node,
					struct quoit_reason *why);

/* After the last receive has ended. */
void quoit_bufring_close(struct quoit_bufring *bufs);

/* The kernel picked this buffer: its bytes are ours until given back. */
QUOIT_HOT unsigned char *quoit_bufring_picked(struct quoit_bufring *bufs, uint32_t cqe_flags,
					      uint16_t *id)
{
	*id = (uint16_t)(cqe_flags >> IORING_CQE_BUFFER_SHIFT);
	bufs->in_hand++;
	return bufs->base + *id * bufs->stride;
}

/* Give a buffer back. The kernel sees it after the next publish. */
QUOIT_HOT void quoit_bufring_give(struct quoit_bufring *bufs, uint16_t id)
{
	io_uring_buf_ring_add(bufs->entries, bufs->base + id * bufs->stride, bufs->bytes, id,
			      (int)bufs->count - 1, bufs->added++);
	bufs->in_hand--;
}

/* Does a stream wait although there are buffers? It would be deaf if the loop slept now. */
QUOIT_HOT bool quoit_bufring_owes(const struct quoit_bufring *bufs)
{
	return quoit_link_is_in(&bufs->waiting) && bufs->in_hand < bufs->count;
}

/* Show the kernel what has been given back. */
QUOIT_HOT void quoit_bufring_publish(struct quoit_bufring *bufs)
{
	if (!bufs->added)
		return;
	io_uring_buf_ring_advance(bufs->entries, bufs->added);
	bufs->added = 0;
}

#endif
