/* SPDX-License-Identifier: MIT */
/*
 * ring_open.c - setting an io_uring up, registering with it, and its end.
 *
 * The memory that the application maps or lends is laid out as we like, from the offsets that setup
 * gives.
 */
#include <sim/sim.h>

#include <errno.h>
#include <string.h>

#include <quoit/io/compat_internal.h>

#define FLAGS_NEEDED \
	(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG)
#define FLAGS_KNOWN                                                                          \
	(FLAGS_NEEDED | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_SUBMIT_ALL | \
	 IORING_SETUP_NO_SQARRAY | IORING_SETUP_NO_MMAP)
#define FEATURES                                                                    \
	(IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE | \
	 IORING_FEAT_FAST_POLL | IORING_FEAT_EXT_ARG | IORING_FEAT_CQE_SKIP)

/* --- setting up ------------------------------------------------------------------------------ */

static unsigned power_of_two(unsigned n)
{
	unsigned power = 1;

	while (power < n)
		power *= 2;
	return power;
}

static int refuse_setup(const struct io_uring_params *params)
{
	if (sim_fault(SIM_SETUP_ENOMEM))
		return -ENOMEM;
	if (sim_fault(SIM_SETUP_EPERM))
		return -EPERM;
	if (sim_fault(SIM_SETUP_EMFILE))
		return -EMFILE;
	if ((params->flags & IORING_SETUP_NO_SQARRAY) && sim_fault_drawn(SIM_SETUP_EINVAL)) {
		sim_fault_note(SIM_SETUP_EINVAL);
		return -EINVAL;
	}
	if ((params->flags & IORING_SETUP_NO_MMAP) && sim_fault_drawn(SIM_SETUP_OWN_QUEUES)) {
		sim_fault_note(SIM_SETUP_OWN_QUEUES);
		return -EINVAL;
	}
	return params->flags & ~FLAGS_KNOWN ? -EINVAL : 0;
}

static void size_queues(struct io_uring_params *params, unsigned entries)
{
	params->sq_entries = power_of_two(entries);
	params->cq_entries = params->flags & IORING_SETUP_CQSIZE ? power_of_two(params->cq_entries)
								 : 2 * params->sq_entries;
	if (sim_fault_drawn(SIM_TINY_SQ)) {
		sim_fault_note(SIM_TINY_SQ);
		params->sq_entries = 2u << sim_below(3);
	}
	if (sim_fault_drawn(SIM_TINY_CQ)) {
		sim_fault_note(SIM_TINY_CQ);
		params->cq_entries = 2u << sim_below(3);
	}
	params->features = FEATURES;
	if (sim_fault_drawn(SIM_SETUP_OLD))
		sim_fault_note(SIM_SETUP_OLD);
	else
		params->features |= IORING_FEAT_MIN_TIMEOUT | IORING_FEAT_NO_IOWAIT;
}

/* The last word of the offsets is the address of what is lent. */
static void *lent(const void *behind)
{
	void *at;

	memcpy(&at, (const char *)behind - sizeof(at), sizeof(at));
	return at;
}

static void take_memory(struct sim_ring *ring)
{
	if (ring->params.flags & IORING_SETUP_NO_MMAP) {
		ring->words = lent(&ring->params.cq_off + 1);
		ring->sqes = lent(&ring->params.sq_off + 1);
	} else {
		ring->words = sim_alloc(ring->words_bytes);
		ring->sqes = sim_alloc(ring->sqes_bytes);
	}
}

static void lay_out(struct sim_ring *ring)
{
	struct io_uring_params *p = &ring->params;
	const size_t cqes = p->cq_entries * sizeof(struct io_uring_cqe);
	const size_t array = SIM_WORDS * sizeof(unsigned) + cqes;

	ring->words_bytes = array + p->sq_entries * sizeof(unsigned);
	ring->sqes_bytes = p->sq_entries * sizeof(struct io_uring_sqe);
	take_memory(ring);
	ring->cqes = (void *)(ring->words + SIM_WORDS);
	ring->words[SIM_SQ_MASK] = p->sq_entries - 1;
	ring->words[SIM_SQ_ENTRIES] = p->sq_entries;
	ring->words[SIM_CQ_MASK] = p->cq_entries - 1;
	ring->words[SIM_CQ_ENTRIES] = p->cq_entries;
	p->sq_off = (struct io_sqring_offsets){.head = SIM_SQ_HEAD * sizeof(unsigned),
					       .tail = SIM_SQ_TAIL * sizeof(unsigned),
					       .ring_mask = SIM_SQ_MASK * sizeof(unsigned),
					       .ring_entries = SIM_SQ_ENTRIES * sizeof(unsigned),
					       .flags = SIM_SQ_FLAGS * sizeof(unsigned),
					       .dropped = SIM_SQ_DROPPED * sizeof(unsigned)};
	if (!(p->flags & IORING_SETUP_NO_SQARRAY)) {
		p->sq_off.array = (unsigned)array;
		ring->array = (void *)((char *)ring->words + array);
	}
	p->cq_off = (struct io_cqring_offsets){.head = SIM_CQ_HEAD * sizeof(unsigned),
					       .tail = SIM_CQ_TAIL * sizeof(unsigned),
					       .ring_mask = SIM_CQ_MASK * sizeof(unsigned),
					       .ring_entries = SIM_CQ_ENTRIES * sizeof(unsigned),
					       .overflow = SIM_CQ_OVERFLOWED * sizeof(unsigned),
					       .cqes = SIM_WORDS * sizeof(unsigned)};
}

int sim_uring_setup(unsigned entries, struct io_uring_params *params)
{
	const int refused = refuse_setup(params);
	struct sim_ring *ring;
	struct sim_file *file;

	sim_maybe_yield(2);
	if (refused)
		return refused;
	if ((params->flags & FLAGS_NEEDED) != FLAGS_NEEDED) {
		sim_violation("io_uring_setup without DEFER_TASKRUN is not simulated");
		return -EINVAL;
	}
	size_queues(params, entries);
	ring = sim_alloc(sizeof(*ring));
	ring->params = *params;
	ring->task = sim_task_current();
	lay_out(ring);
	*params = ring->params;
	file = sim_file_new(SIM_RING);
	file->ring = ring;
	ring->file = file;
	return sim_file_open(file);
}

void *sim_ring_memory(struct sim_ring *ring, uint64_t offset, size_t bytes)
{
	if (offset == IORING_OFF_SQ_RING && bytes <= ring->words_bytes)
		return ring->words;
	if (offset == IORING_OFF_SQES && bytes <= ring->sqes_bytes)
		return ring->sqes;
	return NULL;
}

static void free_late(struct sim_late *late)
{
	while (late) {
		struct sim_late *next = late->next;

		sim_free(late);
		late = next;
	}
}

void sim_ring_close(struct sim_ring *ring)
{
	while (ring->requests) {
		struct sim_request *request = ring->requests;

		ring->requests = request->next;
		if (request->sqe.opcode != IORING_OP_WRITE && !sim.over && !sim.leak_allowed)
			sim_violation("a ring is closed while operation %u is out: %#llx",
				      request->sqe.opcode,
				      (unsigned long long)request->sqe.user_data);
		sim_request_free(request);
	}
	free_late(ring->late);
	free_late(ring->overflow);
	sim_free(ring->buffers.owner);
	if (!(ring->params.flags & IORING_SETUP_NO_MMAP)) {
		sim_free(ring->words);
		sim_free(ring->sqes);
	}
	sim_free(ring);
}

/* --- registering ----------------------------------------------------------------------------- */

static int register_buffers(struct sim_ring *ring, const struct io_uring_buf_reg *reg)
{
	if (sim_fault(SIM_BUFFERS_REFUSED))
		return -ENOMEM;
	if (ring->buffers.ring || !reg->ring_entries ||
	    (reg->ring_entries & (reg->ring_entries - 1)))
		return -EINVAL;
	ring->buffers = (struct sim_buffers){.ring = (void *)(uintptr_t)reg->ring_addr,
					     .entries = reg->ring_entries,
					     .owner = sim_alloc(reg->ring_entries)};
	return 0;
}

static int unregister_buffers(struct sim_ring *ring)
{
	sim_free(ring->buffers.owner);
	ring->buffers = (struct sim_buffers){0};
	return 0;
}

static int register_ring(struct sim_ring *ring, struct io_uring_rsrc_update *update)
{
	if (sim_fault(SIM_RING_FD_REFUSED))
		return -EINVAL;
	ring->registered = true;
	update->offset = ring->task->number;
	return 1;
}

int sim_uring_register(int fd, unsigned opcode, void *arg, unsigned count)
{
	struct sim_file *file = sim_file_of(fd);

	if (!file || file->kind != SIM_RING || count != 1) {
		sim_violation("io_uring_register of %u for descriptor %d", opcode, fd);
		return -EBADF;
	}
	switch (opcode) {
	case IORING_REGISTER_RING_FDS:
		return register_ring(file->ring, arg);
	case IORING_UNREGISTER_RING_FDS:
		file->ring->registered = false;
		return 1;
	case IORING_REGISTER_PBUF_RING:
		return register_buffers(file->ring, arg);
	case IORING_UNREGISTER_PBUF_RING:
		return unregister_buffers(file->ring);
	default:
		return -EINVAL;
	}
}
