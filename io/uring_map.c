/* SPDX-License-Identifier: MIT */
/*
 * uring_map.c - where SQ, CQ and entries lie. See uring_map_internal.h.
 *
 * The kernel pins the pages of a region that it takes, and unpins them when the ring is really
 * gone, which may be long after close(): what it still writes meets no memory of anybody else's,
 * whenever we unmap ours.
 */
#include <quoit/numa/sys_internal.h>

#include <quoit/io/uring_map_internal.h>

#define RINGS_HEAD 4096 /* the kernel's heads and tails: a few hundred bytes, of unknown number */

static size_t whole_pages(size_t bytes)
{
	const size_t page = quoit__sys_page_bytes();

	return (bytes + page - 1) / page * page;
}

static size_t power_of_two(size_t n)
{
	size_t power = 1;

	while (power < n)
		power *= 2;
	return power;
}

static size_t ring_bytes(const struct io_uring_params *params)
{
	const size_t sq = params->sq_off.array + params->sq_entries * sizeof(unsigned);
	const size_t cq = params->cq_off.cqes + params->cq_entries * sizeof(struct io_uring_cqe);

	return quoit_max(sq, cq);
}

/* --- memory of ours -------------------------------------------------------------------------- */

/* Of SQ and CQ, behind which the entries begin. */
static size_t rings_room(unsigned sq_entries)
{
	const size_t sq = power_of_two(sq_entries);
	const size_t cq = power_of_two((size_t)sq_entries * QUOIT_URING_CQ_PER_SQ);

	return whole_pages(RINGS_HEAD + cq * sizeof(struct io_uring_cqe) + sq * sizeof(unsigned));
}

int quoit_queues_reserve(struct quoit_region *queues, unsigned sq_entries, int node,
			 struct quoit_reason *why)
{
	struct quoit_reason
		first; /* of a shortfall, told even if the kernel then wants none of it */
	int rc;
	const struct quoit_region_options place = {
		.bytes = rings_room(sq_entries) +
			 power_of_two(sq_entries) * sizeof(struct io_uring_sqe),
		.node = node,
		.dontfork = true,
	};

	rc = quoit_region_open(queues, &place, &first);
	if (rc < 0 && why)
		*why = first;
	return rc;
}

void quoit_queues_offer(const struct quoit_region *queues, struct io_uring_params *params,
			unsigned sq_entries)
{
	quoit_params_set_memory(params, queues->base,
				(char *)queues->base + rings_room(sq_entries));
}

bool quoit_queues_fit(const struct io_uring_params *params, unsigned sq_entries)
{
	return ring_bytes(params) <= rings_room(sq_entries) &&
	       params->sq_entries <= power_of_two(sq_entries);
}

/* --- pointing into it ------------------------------------------------------------------------ */

static void fill_sq(struct io_uring_sq *sq, const struct io_uring_params *params, char *base)
{
	sq->khead = (unsigned *)(void *)(base + params->sq_off.head);
	sq->ktail = (unsigned *)(void *)(base + params->sq_off.tail);
	sq->kring_mask = (unsigned *)(void *)(base + params->sq_off.ring_mask);
	sq->kring_entries = (unsigned *)(void *)(base + params->sq_off.ring_entries);
	sq->kflags = (unsigned *)(void *)(base + params->sq_off.flags);
	sq->kdropped = (unsigned *)(void *)(base + params->sq_off.dropped);
	sq->ring_mask = *sq->kring_mask;
	sq->ring_entries = *sq->kring_entries;
	if (params->flags & IORING_SETUP_NO_SQARRAY)
		return;
	sq->array = (unsigned *)(void *)(base + params->sq_off.array);
	for (unsigned i = 0; i < sq->ring_entries; i++)
		sq->array[i] = i;
}

static void fill_cq(struct io_uring_cq *cq, const struct io_uring_params *params, char *base)
{
	cq->khead = (unsigned *)(void *)(base + params->cq_off.head);
	cq->ktail = (unsigned *)(void *)(base + params->cq_off.tail);
	cq->kring_mask = (unsigned *)(void *)(base + params->cq_off.ring_mask);
	cq->kring_entries = (unsigned *)(void *)(base + params->cq_off.ring_entries);
	cq->koverflow = (unsigned *)(void *)(base + params->cq_off.overflow);
	cq->cqes = (struct io_uring_cqe *)(void *)(base + params->cq_off.cqes);
	cq->ring_mask = *cq->kring_mask;
	cq->ring_entries = *cq->kring_entries;
}

static size_t entries_bytes(const struct io_uring_sq *sq)
{
	return sq->ring_entries * sizeof(struct io_uring_sqe);
}

/* The kernel's own memory. SQ and CQ are one mapping (SINGLE_MMAP, part of the floor). */
static int map_kernels(struct io_uring_sq *sq, const struct io_uring_params *params, int fd)
{
	const size_t rings = ring_bytes(params);
	const size_t entries = params->sq_entries * sizeof(struct io_uring_sqe);
	const int protection = PROT_READ | PROT_WRITE;
	const int flags = MAP_SHARED | MAP_POPULATE;
	void *at = NULL;
	int rc = quoit__sys_mmap(&sq->ring_ptr, rings, protection, flags, fd, IORING_OFF_SQ_RING);

	if (rc < 0)
		return rc;
	rc = quoit__sys_mmap(&at, entries, protection, flags, fd, IORING_OFF_SQES);
	if (rc < 0) {
		quoit__sys_munmap(sq->ring_ptr, rings);
		return rc;
	}
	/* It is shared memory: a forked child would prepare entries in its parent's queue. */
	(void)quoit__sys_madvise(sq->ring_ptr, rings, MADV_DONTFORK);
	(void)quoit__sys_madvise(at, entries, MADV_DONTFORK);
	sq->sqes = at;
	return 0;
}

int quoit_queues_map(struct quoit_uring *uring, const struct io_uring_params *params,
		     const struct quoit_region *queues, unsigned sq_entries, int fd)
{
	struct io_uring *ring = &uring->own;

	if (params->flags & IORING_SETUP_NO_MMAP) {
		uring->queues = *queues;
		ring->sq.ring_ptr = queues->base;
		ring->sq.sqes = (void *)((char *)queues->base + rings_room(sq_entries));
	} else {
		const int rc = map_kernels(&ring->sq, params, fd);

		if (rc < 0)
			return rc;
		uring->queues = (struct quoit_region){.node = -1};
	}
	ring->cq.ring_ptr = ring->sq.ring_ptr;
	ring->sq.ring_sz = ring->cq.ring_sz = ring_bytes(params);
	fill_sq(&ring->sq, params, ring->sq.ring_ptr);
	fill_cq(&ring->cq, params, ring->sq.ring_ptr);
	return 0;
}

/* --- looking, and the end -------------------------------------------------------------------- */

/* Where are the pages of a mapping that is the kernel's? What it does not tell is not known. */
static unsigned look_at(void *base, size_t bytes, int node)
{
	struct quoit_mem_residency seen;

	if (quoit_mem_read_residency(base, bytes, &seen) < 0 || seen.absent || seen.unknown)
		return QUOIT_REGION_UNVERIFIED;
	return seen.on_node[node] == seen.pages ? 0 : QUOIT_REGION_ELSEWHERE;
}

void quoit_queues_verify(struct quoit_uring *uring, int node)
{
	const struct io_uring_sq *sq = &uring->own.sq;

	if (node < 0)
		return;
	if (uring->queues.base) {
		(void)quoit_region_verify(&uring->queues, 0); /* pinning may have moved them */
		uring->degraded = uring->queues.degraded;
	} else {
		uring->degraded = look_at(sq->ring_ptr, sq->ring_sz, node) |
				  look_at(sq->sqes, entries_bytes(sq), node);
	}
}

void quoit_queues_unmap(struct quoit_uring *uring)
{
	const struct io_uring_sq *sq = &uring->own.sq;

	if (uring->queues.base) {
		quoit_region_close(&uring->queues);
		return;
	}
	quoit__sys_munmap(sq->sqes, entries_bytes(sq));
	quoit__sys_munmap(sq->ring_ptr, sq->ring_sz);
}
