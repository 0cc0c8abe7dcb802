/* SPDX-License-Identifier: MIT */
/*
 * buffers.c - receive buffers that the application provides in a ring, each with one owner.
 *
 * A buffer that comes back is filled with rubbish at once: whoever still looks at it is found out.
 */
#include <sim/sim.h>

#include <string.h>

#define RUBBISH 0xdb

/* liburing's own struct lays them out like this: the tail lies in the first entry. */
static const struct io_uring_buf *entry(const struct sim_buffers *buffers, uint16_t at)
{
	const struct io_uring_buf *all = (const void *)buffers->ring;

	return &all[at & (buffers->entries - 1)];
}

void sim_buffers_look(struct sim_ring *ring)
{
	struct sim_buffers *buffers = &ring->buffers;

	while (buffers->ring && buffers->seen != buffers->ring->tail) {
		const struct io_uring_buf *given = entry(buffers, buffers->seen++);

		if (given->bid >= buffers->entries) {
			sim_violation("buffer %u of %u is given", given->bid, buffers->entries);
			return;
		}
		if (buffers->owner[given->bid] == SIM_BUFFER_KERNEL) {
			sim_violation("buffer %u is given back that the kernel has", given->bid);
			return;
		}
		buffers->owner[given->bid] = SIM_BUFFER_KERNEL;
		memset((void *)(uintptr_t)given->addr, RUBBISH, given->len);
	}
}

bool sim_buffers_left(struct sim_ring *ring)
{
	sim_buffers_look(ring);
	return ring->buffers.ring && ring->buffers.head != ring->buffers.seen;
}

unsigned char *sim_buffer_take(struct sim_ring *ring, unsigned *id, size_t *bytes)
{
	const struct io_uring_buf *taken;

	if (!sim_buffers_left(ring))
		return NULL;
	taken = entry(&ring->buffers, ring->buffers.head++);
	ring->buffers.owner[taken->bid] = SIM_BUFFER_LIBRARY;
	*id = taken->bid;
	*bytes = taken->len;
	return (void *)(uintptr_t)taken->addr;
}
