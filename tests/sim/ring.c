/* SPDX-License-Identifier: MIT */
/*
 * ring.c - io_uring in use: entering, both queues, the overflow, what is late.
 *
 * With DEFER_TASKRUN, which the library insists on, completions appear only inside an enter that
 * asks for them; a flag in shared memory tells that there are some to fetch.
 */
#include <sim/sim.h>

#include <errno.h>
#include <linux/time_types.h>
#include <string.h>

#include <quoit/io/compat_internal.h>

#define READY_MAX 256

/* --- completions ----------------------------------------------------------------------------- */

static unsigned arrived(const struct sim_ring *ring)
{
	return ring->words[SIM_CQ_TAIL] - ring->words[SIM_CQ_HEAD];
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
	ring->cqes[ring->words[SIM_CQ_TAIL] & ring->words[SIM_CQ_MASK]] = *cqe;
	ring->words[SIM_CQ_TAIL]++;
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

/* What one operation does may make another one ready, a bell's write its poll. */
static void run_ready(struct sim_ring *ring)
{
	struct sim_request *ready[READY_MAX];
	unsigned rounds = 4;
	unsigned n;

	flush_overflow(ring);
	push_late(ring);
	do {
		n = collect(ring, ready);
		for (unsigned i = 0; i < n; i++)
			if (!ready[i]->finished && sim_request_ready(ready[i]))
				sim_request_run(ready[i]);
		sweep(ring);
	} while (n && --rounds && !(sim.chaos && sim_one_in(2)));
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
	ring->words[SIM_SQ_FLAGS] = flags;
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
	const unsigned waiting = ring->words[SIM_SQ_TAIL] - ring->words[SIM_SQ_HEAD];
	unsigned n = to_submit < waiting ? to_submit : waiting;

	if (n && sim_fault(SIM_ENTER_EBUSY))
		return -EBUSY;
	if (n && sim_fault(SIM_ENTER_EAGAIN))
		return -EAGAIN;
	if (n > 1 && sim_fault(SIM_PARTIAL_SUBMIT))
		n = 1 + (unsigned)sim_below(n - 1);
	for (unsigned i = 0; i < n; i++) {
		unsigned at = ring->words[SIM_SQ_HEAD] & ring->words[SIM_SQ_MASK];

		if (ring->array)
			at = ring->array[at];
		sim_request_submit(ring, &ring->sqes[at]);
		/* The entry is the application's again: whoever looks at it later looks at this. */
		memset(&ring->sqes[at], 0xdb, sizeof(ring->sqes[at]));
		ring->words[SIM_SQ_HEAD]++;
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
