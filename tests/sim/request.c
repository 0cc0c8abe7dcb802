/* SPDX-License-Identifier: MIT */
/*
 * request.c - what each operation does when its file is ready, and cancelling.
 *
 * An operation is two functions: is there something to do, and do it. A new one is a line in the
 * table below and those two.
 */
#include <sim/sim.h>

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

struct operation {
	bool (*ready)(const struct sim_request *request);
	void (*run)(struct sim_request *request);
	bool has_file;
};

static unsigned more_if(bool more)
{
	return more ? IORING_CQE_F_MORE : 0;
}

static bool always(const struct sim_request *request)
{
	(void)request;
	return true;
}

/* --- eventfds -------------------------------------------------------------------------------- */

static bool poll_ready(const struct sim_request *request)
{
	return request->file->counter && request->file->wakes != request->wakes_seen;
}

static void poll_run(struct sim_request *request)
{
	request->wakes_seen = request->file->wakes;
	sim_request_post(request, POLLIN,
			 more_if(request->multishot && sim_ring_has_room(request->ring) &&
				 !sim_fault(SIM_POLL_ENDS)));
}

static void write_run(struct sim_request *request)
{
	static const int errors[] = {-EAGAIN, -EINTR, -ENOMEM};
	uint64_t value;

	if (request->file->kind != SIM_EVENTFD || request->sqe.len != sizeof(value)) {
		sim_violation("a write to something that is no eventfd");
		sim_request_post(request, -EBADF, 0);
		return;
	}
	if (sim_fault(SIM_BELL_FAILED)) {
		sim_request_post(request, errors[sim_below(3)], 0);
		return;
	}
	memcpy(&value, (const void *)(uintptr_t)request->sqe.addr, sizeof(value));
	sim_eventfd_ring(request->file, value);
	sim_request_post(request, sizeof(value), 0);
}

static bool read_ready(const struct sim_request *request)
{
	return request->file->kind == SIM_EVENTFD && request->file->counter;
}

static void read_run(struct sim_request *request)
{
	memcpy((void *)(uintptr_t)request->sqe.addr, &request->file->counter, sizeof(uint64_t));
	request->file->counter = 0;
	sim_request_post(request, sizeof(uint64_t), 0);
}

static void nop_run(struct sim_request *request)
{
	sim_request_post(request, 0, 0);
}

/* --- accepting ------------------------------------------------------------------------------- */

static bool accept_ready(const struct sim_request *request)
{
	return request->file->backlog || request->file->shut;
}

static int accept_one(struct sim_file *listener)
{
	struct sim_conn *conn;
	struct sim_file *file;

	if (listener->shut)
		return -EINVAL;
	if (sim_fault(SIM_ACCEPT_EMFILE))
		return -EMFILE;
	if (sim_fault(SIM_ACCEPT_ENFILE))
		return -ENFILE;
	conn = listener->waiting[0];
	listener->backlog--;
	memmove(listener->waiting, listener->waiting + 1,
		listener->backlog * sizeof(listener->waiting[0]));
	if (sim_fault(SIM_ACCEPT_ABORTED)) {
		conn->dropped = conn->faulted = true;
		sim_conn_reset(conn);
		return -ECONNABORTED;
	}
	file = sim_file_new(SIM_STREAM);
	file->conn = conn;
	conn->file = file;
	return sim_file_open(file);
}

static void accept_run(struct sim_request *request)
{
	while (!request->finished && accept_ready(request)) {
		const int fd = accept_one(request->file);

		sim_request_post(request, fd,
				 more_if(fd >= 0 && request->multishot &&
					 sim_ring_has_room(request->ring) &&
					 !sim_fault(SIM_ACCEPT_ENDS)));
	}
}

/* --- receiving ------------------------------------------------------------------------------- */

static bool recv_ready(const struct sim_request *request)
{
	const struct sim_conn *conn = request->file->conn;

	return sim_pipe_ready(&conn->up) || conn->up.end_delivered || conn->shut_read ||
	       conn->reset;
}

/* The end, or an error: some kernels give a buffer with it that nothing was put into. */
static void recv_end(struct sim_request *request, int res)
{
	unsigned flags = 0;
	unsigned id;
	size_t bytes;

	if (sim_buffers_left(request->ring) && sim_fault(SIM_BUFFER_WITHOUT_BYTES)) {
		(void)sim_buffer_take(request->ring, &id, &bytes);
		flags = IORING_CQE_F_BUFFER | id << IORING_CQE_BUFFER_SHIFT;
	}
	sim_request_post(request, res, flags);
}

static void recv_bytes(struct sim_request *request)
{
	struct sim_conn *conn = request->file->conn;
	unsigned flags = IORING_CQE_F_BUFFER;
	unsigned char *buffer;
	unsigned id;
	size_t room;
	size_t n;

	if (sim_fault(SIM_NO_BUFFERS)) {
		sim_request_post(request, -ENOBUFS, 0);
		return;
	}
	buffer = sim_buffer_take(request->ring, &id, &room);
	if (!buffer) {
		sim_fault_note(SIM_NO_BUFFERS);
		sim_request_post(request, -ENOBUFS, 0);
		return;
	}
	n = sim_pipe_ready(&conn->up);
	n = n < room ? n : room;
	if (n > 1 && sim_fault(SIM_RECV_SHORT))
		n = 1 + (size_t)sim_below(n - 1);
	n = sim_pipe_read(&conn->up, buffer, n);
	sim_network_room(conn);
	flags |= id << IORING_CQE_BUFFER_SHIFT;
	flags |= more_if(request->multishot && sim_ring_has_room(request->ring) &&
			 !sim_fault(SIM_RECV_ENDS));
	if (sim_pipe_ready(&conn->up))
		flags |= IORING_CQE_F_SOCK_NONEMPTY;
	sim_request_post(request, (int)n, flags);
}

static void recv_run(struct sim_request *request)
{
	struct sim_conn *conn = request->file->conn;

	while (!request->finished && recv_ready(request)) {
		if (sim_fault(SIM_RECV_EINTR)) {
			recv_end(request, -EINTR);
		} else if (!conn->reset && sim_fault(SIM_RECV_RESET)) {
			conn->faulted = true;
			sim_conn_reset(conn);
		} else if (sim_pipe_ready(&conn->up)) {
			recv_bytes(request);
		} else if (conn->reset && !conn->gave_reset) {
			conn->gave_reset = true;
			recv_end(request, -ECONNRESET);
		} else {
			recv_end(request, 0);
		}
	}
}

/* --- sending --------------------------------------------------------------------------------- */

static bool send_ready(const struct sim_request *request)
{
	const struct sim_conn *conn = request->file->conn;

	return conn->reset || conn->down.ended || sim_pipe_room(&conn->down);
}

/* All that the entry asks to send, in one piece. */
static size_t gather(const struct io_uring_sqe *sqe, unsigned char *to)
{
	const struct msghdr *message = (const void *)(uintptr_t)sqe->addr;
	size_t n = 0;

	if (sqe->opcode == IORING_OP_SEND) {
		if (to)
			memcpy(to, (const void *)(uintptr_t)sqe->addr, sqe->len);
		return sqe->len;
	}
	for (size_t i = 0; i < message->msg_iovlen; i++) {
		if (to)
			memcpy(to + n, message->msg_iov[i].iov_base, message->msg_iov[i].iov_len);
		n += message->msg_iov[i].iov_len;
	}
	return n;
}

/* What is being sent must stay as it was until the kernel has said that it is done with it. */
static void check_unchanged(const struct sim_request *request)
{
	unsigned char *now = sim_alloc(request->length);
	const bool same = gather(&request->sqe, NULL) == request->length &&
			  gather(&request->sqe, now) == request->length &&
			  !memcmp(now, request->bytes, request->length);

	sim_free(now);
	if (!same)
		sim_violation("bytes were changed while the kernel was sending them");
}

/* What was sent before something went wrong counts. */
static void send_end(struct sim_request *request, int error)
{
	sim_request_post(request, request->done ? (int)request->done : error, 0);
}

static void send_run(struct sim_request *request)
{
	struct sim_conn *conn = request->file->conn;
	size_t n = request->length - request->done;

	check_unchanged(request);
	if (!conn->reset && sim_fault(SIM_SEND_RESET)) {
		conn->faulted = true;
		sim_conn_reset(conn);
	}
	if (conn->reset || conn->down.ended) {
		const bool first = conn->reset && !conn->gave_reset;

		conn->gave_reset |= first && !request->done;
		send_end(request, first ? -ECONNRESET : -EPIPE);
		return;
	}
	if (sim_fault(SIM_SEND_EINTR)) {
		send_end(request, sim_one_in(2) ? -EINTR : -EAGAIN);
		return;
	}
	if (n > 1 && sim_one_in(4))
		n = 1 + (size_t)sim_below(n - 1); /* the rest when the kernel looks again */
	request->done += sim_pipe_write(&conn->down, request->bytes + request->done, n);
	sim_network_poke(conn);
	if (request->done == request->length)
		sim_request_post(request, (int)request->done, 0);
	else if (request->done && sim_fault(SIM_SEND_SHORT))
		send_end(request, 0);
}

static void send_prepare(struct sim_request *request)
{
	request->length = gather(&request->sqe, NULL);
	request->bytes = sim_alloc(request->length);
	(void)gather(&request->sqe, request->bytes);
	if (!(request->sqe.msg_flags & MSG_NOSIGNAL))
		sim_violation("a send without MSG_NOSIGNAL");
	for (const struct sim_request *r = request->ring->requests; r; r = r->next)
		if (r != request && r->bytes && r->file == request->file && !r->finished)
			sim_violation("two sends at once on one stream");
}

/* --- cancelling ------------------------------------------------------------------------------ */

static void end_cancelled(struct sim_request *target)
{
	if (target->bytes)
		send_end(target, -ECANCELED);
	else
		sim_request_post(target, -ECANCELED, 0);
}

static struct sim_request *find(const struct sim_request *cancel)
{
	for (struct sim_request *r = cancel->ring->requests; r; r = r->next)
		if (!r->finished && r != cancel && r->sqe.user_data == cancel->sqe.addr)
			return r;
	return NULL;
}

/* The kernel counts with ALL, even if it finds none. */
static int cancel_answer(const struct sim_request *request, int found)
{
	if (request->sqe.cancel_flags & IORING_ASYNC_CANCEL_ALL)
		return found;
	return found ? 0 : -ENOENT;
}

static void cancel_run(struct sim_request *request)
{
	const bool all = request->sqe.cancel_flags & IORING_ASYNC_CANCEL_ALL;
	struct sim_request *target = find(request);
	const bool first = target && sim_fault(SIM_CANCEL_FIRST);
	int found = 0;

	if (!target)
		sim_fault_note(SIM_CANCEL_NOT_FOUND);
	if (target && sim_fault(SIM_CANCEL_TOO_LATE)) {
		sim_request_post(request, -EALREADY, 0);
		end_cancelled(target);
		return;
	}
	if (first)
		sim_request_post(request, cancel_answer(request, 1), 0);
	else if (target)
		sim_fault_note(SIM_CANCEL_LAST);
	for (; target; target = all ? find(request) : NULL) {
		end_cancelled(target);
		found++;
	}
	if (!first)
		sim_request_post(request, cancel_answer(request, found), 0);
}

/* --- all of them ----------------------------------------------------------------------------- */

static const struct operation operations[IORING_OP_LAST] = {
	[IORING_OP_NOP] = {always, nop_run, false},
	[IORING_OP_POLL_ADD] = {poll_ready, poll_run, true},
	[IORING_OP_WRITE] = {always, write_run, true},
	[IORING_OP_READ] = {read_ready, read_run, true},
	[IORING_OP_ACCEPT] = {accept_ready, accept_run, true},
	[IORING_OP_RECV] = {recv_ready, recv_run, true},
	[IORING_OP_SEND] = {send_ready, send_run, true},
	[IORING_OP_SENDMSG] = {send_ready, send_run, true},
	[IORING_OP_ASYNC_CANCEL] = {always, cancel_run, false},
};

static const struct operation *operation_of(const struct io_uring_sqe *sqe)
{
	return sqe->opcode < IORING_OP_LAST ? &operations[sqe->opcode] : &operations[0];
}

static void prepare(struct sim_request *request)
{
	const struct io_uring_sqe *sqe = &request->sqe;

	switch (sqe->opcode) {
	case IORING_OP_POLL_ADD:
		request->multishot = sqe->len & IORING_POLL_ADD_MULTI;
		request->wakes_seen = request->file->wakes - (request->file->counter != 0);
		break;
	case IORING_OP_ACCEPT:
		request->multishot = sqe->ioprio & IORING_ACCEPT_MULTISHOT;
		break;
	case IORING_OP_RECV:
		request->multishot = sqe->ioprio & IORING_RECV_MULTISHOT;
		break;
	case IORING_OP_SEND:
	case IORING_OP_SENDMSG:
		send_prepare(request);
		break;
	case IORING_OP_WRITE:
		if (sim_fault(SIM_BELL_DELAYED))
			request->due_ns = sim.now_ns + sim_magnitude(20 * SIM_MS);
		break;
	default:
		break;
	}
}

void sim_request_submit(struct sim_ring *ring, const struct io_uring_sqe *sqe)
{
	const struct operation *operation = operation_of(sqe);
	struct sim_request *request = sim_alloc(sizeof(*request));
	struct sim_request **link = &ring->requests;

	request->ring = ring;
	request->sqe = *sqe;
	request->file = operation->has_file ? sim_file_of(sqe->fd) : NULL;
	while (*link)
		link = &(*link)->next;
	*link = request;
	if (request->file)
		request->file->refs++;
	if (!operation->run || (operation->has_file && !request->file)) {
		sim_violation("operation %u on descriptor %d", sqe->opcode, sqe->fd);
		sim_request_post(request, operation->run ? -EBADF : -EINVAL, 0);
		return;
	}
	prepare(request);
}

bool sim_request_ready(struct sim_request *request)
{
	if (request->finished || (request->due_ns > sim.now_ns && sim.chaos))
		return false;
	return operation_of(&request->sqe)->ready(request);
}

void sim_request_run(struct sim_request *request)
{
	operation_of(&request->sqe)->run(request);
}

void sim_request_free(struct sim_request *request)
{
	if (request->file)
		sim_file_put(request->file);
	sim_free(request->bytes);
	sim_free(request);
}
