/* SPDX-License-Identifier: MIT */
/*
 * ring.c - io_uring itself: setting up, entering, registering, both queues and the overflow.
 *
 * The memory that the application maps is laid out as it likes from the offsets that setup gives.
 * With DEFER_TASKRUN, which it insists on, completions appear only inside an enter that asks for
 * them; a flag in shared memory tells that there are some to fetch.
 */
#include <sim/sim.h>

#include <errno.h>
#include <linux/time_types.h>
#include <string.h>

#include <quoit/io/compat_internal.h>

#define FLAGS_NEEDED \
	(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG)
#define FLAGS_KNOWN                                                                          \
	(FLAGS_NEEDED | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP | IORING_SETUP_SUBMIT_ALL | \
	 IORING_SETUP_NO_SQARRAY)
#define FEATURES                                                                    \
	(IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE | \
	 IORING_FEAT_FAST_POLL | IORING_FEAT_EXT_ARG | IORING_FEAT_CQE_SKIP)
#define READY_MAX 256

/* Where things lie in the words that both sides share. */
enum {
	SQ_HEAD,
	SQ_TAIL,
	SQ_MASK,
	SQ_ENTRIES,
	SQ_FLAGS,
	SQ_DROPPED,
	CQ_HEAD = 16,
	CQ_TAIL,
	CQ_MASK,
	CQ_ENTRIES,
	CQ_OVERFLOW,
	WORDS = 32,
};

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

static void lay_out(struct sim_ring *ring)
{
	struct io_uring_params *p = &ring->params;
	const size_t cqes = p->cq_entries * sizeof(struct io_uring_cqe);
	const size_t array = WORDS * sizeof(unsigned) + cqes;

	ring->words_bytes = array + p->sq_entries * sizeof(unsigned);
	ring->sqes_bytes = p->sq_entries * sizeof(struct io_uring_sqe);
	ring->words = sim_alloc(ring->words_bytes);
	ring->sqes = sim_alloc(ring->sqes_bytes);
	ring->cqes = (void *)(ring->words + WORDS);
	ring->words[SQ_MASK] = p->sq_entries - 1;
	ring->words[SQ_ENTRIES] = p->sq_entries;
	ring->words[CQ_MASK] = p->cq_entries - 1;
	ring->words[CQ_ENTRIES] = p->cq_entries;
	p->sq_off = (struct io_sqring_offsets){.head = SQ_HEAD * sizeof(unsigned),
					       .tail = SQ_TAIL * sizeof(unsigned),
					       .ring_mask = SQ_MASK * sizeof(unsigned),
					       .ring_entries = SQ_ENTRIES * sizeof(unsigned),
					       .flags = SQ_FLAGS * sizeof(unsigned),
					       .dropped = SQ_DROPPED * sizeof(unsigned)};
	if (!(p->flags & IORING_SETUP_NO_SQARRAY)) {
		p->sq_off.array = (unsigned)array;
		ring->array = (void *)((char *)ring->words + array);
	}
	p->cq_off = (struct io_cqring_offsets){.head = CQ_HEAD * sizeof(unsigned),
					       .tail = CQ_TAIL * sizeof(unsigned),
					       .ring_mask = CQ_MASK * sizeof(unsigned),
					       .ring_entries = CQ_ENTRIES * sizeof(unsigned),
					       .overflow = CQ_OVERFLOW * sizeof(unsigned),
					       .cqes = WORDS * sizeof(unsigned)};
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
	sim_free(ring->words);
	sim_free(ring->sqes);
	sim_free(ring);
}

/* --- completions ----------------------------------------------------------------------------- */

static unsigned arrived(const struct sim_ring *ring)
{
	return ring->words[CQ_TAIL] - ring->words[CQ_HEAD];
}

bool sim_ring_has_room(const struct sim_ring *ring)
{
	return !ring->overflow && arrived(ring) < ring->params.cq_entries;
}

static void append_late(struct sim_late **list, const struct io_uring_cqe *cqe, uint64_t due_ns)
{
	struct sim_late *late = sim_alloc(sizeof(*late));

	late->cqe = *cqe;
	late->due_ns = due_ns;
	while (*list)
		list = &(*list)->next;
	*list = late;
}

static void put_cqe(struct sim_ring *ring, const struct io_uring_cqe *cqe)
{
	ring->cqes[ring->words[CQ_TAIL] & ring->words[CQ_MASK]] = *cqe;
	ring->words[CQ_TAIL]++;
	sim.completions++;
}

/* Into the queue, or where the kernel keeps what does not fit, unless it has no memory for it. */
static void push(struct sim_ring *ring, const struct io_uring_cqe *cqe)
{
	if (sim_ring_has_room(ring)) {
		put_cqe(ring, cqe);
		return;
	}
	sim_fault_note(SIM_CQ_OVERFLOW);
	if (sim_fault(SIM_CQE_LOST)) {
		ring->dropped = true;
		sim.lost = true;
		return;
	}
	append_late(&ring->overflow, cqe, 0);
}

/* Completions of one operation keep their order, however late they are. */
static uint64_t not_before(const struct sim_ring *ring, uint64_t user_data)
{
	uint64_t due = 0;

	for (const struct sim_late *late = ring->late; late; late = late->next)
		if (late->cqe.user_data == user_data && late->due_ns > due)
			due = late->due_ns;
	return due;
}

void sim_request_post(struct sim_request *request, int res, unsigned flags)
{
	struct sim_ring *ring = request->ring;
	const struct io_uring_cqe cqe = {
		.user_data = request->sqe.user_data, .res = res, .flags = flags};
	const bool outside = sim_task_current() != ring->task;
	uint64_t due;

	if (!(flags & IORING_CQE_F_MORE))
		request->finished = true;
	sim_trace("op %u %#llx -> %d, flags %#x", request->sqe.opcode,
		  (unsigned long long)cqe.user_data, res, flags);
	if ((request->sqe.flags & IOSQE_CQE_SKIP_SUCCESS) && res >= 0)
		return;
	due = not_before(ring, cqe.user_data);
	if (sim_fault(SIM_CQE_DELAYED))
		due = (due > sim.now_ns ? due : sim.now_ns) + sim_magnitude(50 * SIM_MS);
	if (due || outside)
		append_late(&ring->late, &cqe, due);
	else
		push(ring, &cqe);
}

static void flush_overflow(struct sim_ring *ring)
{
	while (ring->overflow && arrived(ring) < ring->params.cq_entries) {
		struct sim_late *first = ring->overflow;

		put_cqe(ring, &first->cqe);
		ring->overflow = first->next;
		sim_free(first);
	}
}

static void push_late(struct sim_ring *ring)
{
	struct sim_late **link = &ring->late;

	while (*link) {
		struct sim_late *late = *link;

		if (late->due_ns > sim.now_ns && sim.chaos) {
			link = &late->next;
			continue;
		}
		*link = late->next;
		push(ring, &late->cqe);
		sim_free(late);
	}
}

/* --- running what is ready ------------------------------------------------------------------- */

static void sweep(struct sim_ring *ring)
{
	struct sim_request **link = &ring->requests;

	while (*link) {
		struct sim_request *request = *link;

		if (!request->finished) {
			link = &request->next;
			continue;
		}
		*link = request->next;
		sim_request_free(request);
	}
}

static unsigned collect(struct sim_ring *ring, struct sim_request **ready)
{
	unsigned n = 0;

	for (struct sim_request *r = ring->requests; r && n < READY_MAX; r = r->next)
		if (sim_request_ready(r))
			ready[n++] = r;
	if (n > 1 && sim_fault(SIM_CQE_REORDERED)) {
		for (unsigned i = n - 1; i; i--) {
			const unsigned j = (unsigned)sim_below(i + 1);
			struct sim_request *other = ready[j];

			ready[j] = ready[i];
			ready[i] = other;
		}
	}
	return n;
}

static void run_ready(struct sim_ring *ring)
{
	struct sim_request *ready[READY_MAX];
	unsigned n;

	flush_overflow(ring);
	push_late(ring);
	n = collect(ring, ready);
	for (unsigned i = 0; i < n; i++)
		if (!ready[i]->finished && sim_request_ready(ready[i]))
			sim_request_run(ready[i]);
	sweep(ring);
}

bool sim_ring_has_work(struct sim_ring *ring)
{
	if (ring->overflow && arrived(ring) < ring->params.cq_entries)
		return true;
	for (const struct sim_late *late = ring->late; late; late = late->next)
		if (late->due_ns <= sim.now_ns || !sim.chaos)
			return true;
	for (struct sim_request *r = ring->requests; r; r = r->next)
		if (sim_request_ready(r))
			return true;
	return false;
}

uint64_t sim_ring_next_ns(const struct sim_ring *ring)
{
	uint64_t next = SIM_NEVER;

	for (const struct sim_late *late = ring->late; late; late = late->next)
		if (late->due_ns < next)
			next = late->due_ns;
	for (const struct sim_request *r = ring->requests; r; r = r->next)
		if (r->due_ns > sim.now_ns && r->due_ns < next)
			next = r->due_ns;
	return next;
}

void sim_ring_refresh(struct sim_ring *ring)
{
	unsigned flags = 0;

	/* A write that was late is done by a worker of the kernel, wherever our task is. */
	for (struct sim_request *r = ring->requests; r; r = r->next)
		if (r->sqe.opcode == IORING_OP_WRITE && sim_request_ready(r))
			sim_request_run(r);
	sweep(ring);
	if (ring->overflow)
		flags |= IORING_SQ_CQ_OVERFLOW;
	if (sim_ring_has_work(ring))
		flags |= IORING_SQ_TASKRUN;
	ring->words[SQ_FLAGS] = flags;
}

/* --- entering -------------------------------------------------------------------------------- */

static struct sim_ring *ring_to_enter(int fd, unsigned flags)
{
	struct sim_file *file = NULL;

	if (!(flags & IORING_ENTER_REGISTERED_RING))
		file = sim_file_of(fd);
	for (unsigned i = 0; !file && i < SIM_FDS; i++) {
		struct sim_file *other = sim_file_at(i);

		if (other && other->kind == SIM_RING && other->ring->registered &&
		    other->ring->task == sim_task_current())
			file = other;
	}
	if (!file || file->kind != SIM_RING) {
		sim_violation("enter of a descriptor that is no ring: %d", fd);
		return NULL;
	}
	if (file->ring->task != sim_task_current()) {
		sim_violation("a ring is entered by a thread that did not open it");
		return NULL;
	}
	return file->ring;
}

static int submit(struct sim_ring *ring, unsigned to_submit)
{
	const unsigned waiting = ring->words[SQ_TAIL] - ring->words[SQ_HEAD];
	unsigned n = to_submit < waiting ? to_submit : waiting;

	if (n && sim_fault(SIM_ENTER_EBUSY))
		return -EBUSY;
	if (n && sim_fault(SIM_ENTER_EAGAIN))
		return -EAGAIN;
	if (n > 1 && sim_fault(SIM_PARTIAL_SUBMIT))
		n = 1 + (unsigned)sim_below(n - 1);
	for (unsigned i = 0; i < n; i++) {
		unsigned at = ring->words[SQ_HEAD] & ring->words[SQ_MASK];

		if (ring->array)
			at = ring->array[at];
		sim_request_submit(ring, &ring->sqes[at]);
		/* The entry is the application's again: whoever looks at it later looks at this. */
		memset(&ring->sqes[at], 0xdb, sizeof(ring->sqes[at]));
		ring->words[SQ_HEAD]++;
	}
	return (int)n;
}

struct patience {
	unsigned want;
	uint64_t until_ns;	  /* the longest */
	uint64_t gather_until_ns; /* after that one completion is enough */
};

static int read_patience(struct patience *p, unsigned flags, const void *arg, size_t bytes)
{
	const struct quoit_getevents_arg *wait = arg;
	struct __kernel_timespec limit;

	p->until_ns = SIM_NEVER;
	p->gather_until_ns = SIM_NEVER;
	if (!(flags & IORING_ENTER_EXT_ARG))
		return 0;
	if (bytes != sizeof(*wait))
		return -EINVAL;
	if (wait->min_wait_us)
		p->gather_until_ns = sim.now_ns + wait->min_wait_us * SIM_US;
	if (!wait->ts)
		return 0;
	memcpy(&limit, (const void *)(uintptr_t)wait->ts, sizeof(limit));
	p->until_ns = sim.now_ns + (uint64_t)limit.tv_sec * SIM_S + (uint64_t)limit.tv_nsec;
	if (p->until_ns < sim.now_ns)
		p->until_ns = SIM_NEVER;
	if (p->until_ns != SIM_NEVER && sim_fault(SIM_TIMER_LATE)) {
		sim.time_went = true;
		p->until_ns += sim_magnitude(3 * SIM_S);
	}
	return 0;
}

static int wait_for_completions(struct sim_ring *ring, struct patience *p)
{
	for (;;) {
		uint64_t next = p->until_ns;

		run_ready(ring);
		if (sim.now_ns >= p->gather_until_ns)
			p->want = p->want ? 1 : 0;
		else if (p->gather_until_ns < next)
			next = p->gather_until_ns;
		if (arrived(ring) >= p->want || (ring->overflow && arrived(ring)))
			return 0;
		if (ring->dropped)
			return -EBADR;
		if (sim.now_ns >= p->until_ns)
			return -ETIME;
		if (sim_fault(SIM_ENTER_EINTR))
			return -EINTR;
		sim_trace("enter sleeps");
		sim_wait_enter(ring, next);
	}
}

int sim_uring_enter(int fd, unsigned to_submit, unsigned want, unsigned flags, const void *arg,
		    size_t bytes)
{
	struct sim_ring *ring = ring_to_enter(fd, flags);
	struct patience patience = {.want = want};
	int submitted;
	int rc;

	if (!ring)
		return -EEXIST;
	if ((flags & IORING_ENTER_NO_IOWAIT) && !(ring->params.features & IORING_FEAT_NO_IOWAIT))
		return -EINVAL;
	sim_yield();
	sim_buffers_look(ring);
	submitted = submit(ring, to_submit);
	if (submitted < 0 || (unsigned)submitted < to_submit)
		return submitted;
	if (!(flags & IORING_ENTER_GETEVENTS))
		return submitted;
	rc = read_patience(&patience, flags, arg, bytes);
	if (!rc)
		rc = wait_for_completions(ring, &patience);
	sim_ring_refresh(ring);
	sim_trace("enter: %d submitted, %d, %u completions", submitted, rc, arrived(ring));
	sim_maybe_yield(2);
	if (submitted)
		return submitted;
	if (rc == -EBADR)
		ring->dropped = false; /* only who is told of it */
	return rc;
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
