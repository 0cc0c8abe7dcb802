/* SPDX-License-Identifier: MIT */
/*
 * conform.c - is the simulated kernel like the real one? Each script is run on both, with the same
 * calls, and must see the same completions.
 *
 * Between two looks the order of completions of different operations is the kernel's business; so
 * is the number of a descriptor, and the hint that a socket has more. The rest is compared.
 */
#include <sim/sim.h>

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <quoit/numa/sys_internal.h>
#include <quoit/io/bufring_internal.h>
#include <quoit/io/kernel_internal.h>

#define SEEN_MAX 512
#define BUFFERS	 4

enum {
	ALL = IORING_ASYNC_CANCEL_ALL
};

struct both {
	bool real;
	struct quoit_uring uring;
	struct quoit_bufring bufs;
	int listener; /* -1: none yet */
	int port;
	int peer; /* on the real kernel */
	struct sim_conn *conn;
	int accepted;
	char seen[4096]; /* what has completed, in words */
};

/* --- what scripts are made of ---------------------------------------------------------------- */

static struct io_uring_sqe *entry(struct both *b, uint64_t tag)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(b->uring.ring);

	memset(sqe, 0, sizeof(*sqe));
	sqe->user_data = tag;
	return sqe;
}

static void say(struct both *b, const char *what, long value)
{
	const size_t at = strlen(b->seen);

	snprintf(b->seen + at, sizeof(b->seen) - at, "%s %ld; ", what, value);
}

/* The wire gets time. */
static void settle(const struct both *b)
{
	if (b->real) {
		usleep(3000);
		return;
	}
	for (unsigned round = 0; round < 1000; round++) {
		for (unsigned i = 0; i < sim_conn_count(); i++)
			if (sim_conn_at(i)->next_ns != SIM_NEVER)
				sim_network_step(sim_conn_at(i));
		sim.now_ns += SIM_US;
	}
}

static int by_tag(const void *left, const void *right)
{
	const struct io_uring_cqe *l = left, *r = right;

	return l->user_data < r->user_data ? -1 : l->user_data > r->user_data;
}

/* Put the completions that have come into words. */
static void look(struct both *b)
{
	struct io_uring_cqe cqes[SEEN_MAX];
	struct io_uring_cq *cq = &b->uring.ring->cq;
	unsigned n = 0;

	settle(b);
	(void)quoit_uring_submit(&b->uring);
	while (*cq->khead != *cq->ktail && n < SEEN_MAX) {
		cqes[n++] = cq->cqes[*cq->khead & cq->ring_mask];
		++*cq->khead;
	}
	if (n < 64)
		qsort(cqes, n, sizeof(cqes[0]), by_tag);
	say(b, "look", n);
	for (unsigned i = 0; i < n && n < 64; i++) {
		const unsigned flags = cqes[i].flags & ~(unsigned)IORING_CQE_F_SOCK_NONEMPTY;
		const bool accepted = cqes[i].user_data == 'A' && cqes[i].res >= 0;
		const size_t at = strlen(b->seen);

		if (accepted)
			b->accepted = cqes[i].res;
		snprintf(b->seen + at, sizeof(b->seen) - at, "%c %d %#x; ", (char)cqes[i].user_data,
			 accepted ? 0 : cqes[i].res, flags);
	}
}

static void listen_here(struct both *b)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t bytes = sizeof(in);
	int rc;

	b->listener = quoit__net_socket(AF_INET);
	rc = quoit__net_bind(b->listener, (void *)&in, bytes);
	if (!rc)
		rc = quoit__net_listen(b->listener, 16);
	if (!rc)
		rc = quoit__net_name(b->listener, (void *)&in, &bytes);
	b->port = ntohs(in.sin_port);
	say(b, "listen", rc);
}

static void peer_connect(struct both *b)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				 .sin_port = htons((uint16_t)b->port)};

	if (!b->real) {
		b->conn = sim_connect((uint16_t)b->port, NULL);
		return;
	}
	if (b->peer >= 0)
		close(b->peer);
	b->peer = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(b->peer, (void *)&in, sizeof(in)))
		say(b, "connect", -errno);
}

static void peer_send(struct both *b, size_t n)
{
	unsigned char bytes[4096] = {0};

	if (b->real) {
		say(b, "peer", (long)send(b->peer, bytes, n, MSG_NOSIGNAL));
		return;
	}
	say(b, "peer", (long)sim_pipe_write(&b->conn->up, bytes, n));
	sim_network_poke(b->conn);
}

static void peer_end(struct both *b)
{
	if (b->real) {
		shutdown(b->peer, SHUT_WR);
		return;
	}
	b->conn->up.ended = true;
	sim_network_poke(b->conn);
}

static void peer_reset(struct both *b)
{
	const struct linger now = {.l_onoff = 1};

	if (!b->real) {
		sim_conn_reset(b->conn);
		return;
	}
	setsockopt(b->peer, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(b->peer);
	b->peer = -1;
}

static void accept_peer(struct both *b)
{
	struct io_uring_sqe *sqe = entry(b, 'A');

	listen_here(b);
	io_uring_prep_multishot_accept(sqe, b->listener, NULL, NULL, 0);
	sqe->user_data = 'A';
	peer_connect(b);
	look(b);
}

static void receive(struct both *b, bool multishot)
{
	struct io_uring_sqe *sqe = entry(b, 'R');

	io_uring_prep_recv(sqe, b->accepted, NULL, 0, 0);
	sqe->user_data = 'R';
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = QUOIT_BUFRING_GROUP;
	sqe->ioprio |= multishot ? IORING_RECV_MULTISHOT : 0;
}

static void cancel(struct both *b, uint64_t tag, unsigned flags)
{
	struct io_uring_sqe *sqe = entry(b, 'C');

	io_uring_prep_cancel64(sqe, tag, (int)flags);
	sqe->user_data = 'C';
}

static int bell(struct both *b, bool rung)
{
	const int fd = quoit__sys_eventfd(rung, EFD_NONBLOCK);
	struct io_uring_sqe *sqe = entry(b, 'P');

	io_uring_prep_poll_multishot(sqe, fd, POLLIN);
	sqe->user_data = 'P';
	look(b);
	return fd;
}

static const uint64_t one = 1;

static void ring_bell(int fd)
{
	(void)quoit__sys_write(fd, &one, sizeof(one));
}

/* --- the scripts ----------------------------------------------------------------------------- */

static void each_ring_of_a_bell_is_heard(struct both *b)
{
	const int fd = bell(b, false);

	ring_bell(fd);
	look(b);
	ring_bell(fd);
	look(b);
	quoit__sys_close(fd);
}

static void two_rings_before_a_look_are_one(struct both *b)
{
	const int fd = bell(b, false);

	ring_bell(fd);
	ring_bell(fd);
	look(b);
	look(b);
	quoit__sys_close(fd);
}

static void a_bell_that_rang_before_is_heard_at_once(struct both *b)
{
	quoit__sys_close(bell(b, true));
}

static void a_write_that_succeeds_may_be_silent(struct both *b)
{
	const int fd = bell(b, false);
	struct io_uring_sqe *sqe = entry(b, 'W');

	io_uring_prep_write(sqe, fd, &one, sizeof(one), 0);
	sqe->user_data = 'W';
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	look(b);
	quoit__sys_close(fd);
}

static void a_cancelled_poll_says_so(struct both *b)
{
	const int fd = bell(b, false);

	cancel(b, 'P', ALL);
	look(b);
	ring_bell(fd);
	look(b);
	quoit__sys_close(fd);
}

static void a_cancel_that_finds_nothing(struct both *b)
{
	cancel(b, 'X', ALL);
	look(b);
	cancel(b, 'X', 0);
	look(b);
}

static void two_are_accepted(struct both *b)
{
	accept_peer(b);
	peer_connect(b);
	look(b);
}

static void a_listener_that_is_shut_down_ends_its_accept(struct both *b)
{
	accept_peer(b);
	(void)quoit__net_shutdown(b->listener, SHUT_RDWR);
	look(b);
}

static void bytes_and_then_the_end(struct both *b)
{
	accept_peer(b);
	receive(b, true);
	look(b);
	peer_send(b, 100);
	look(b);
	peer_send(b, 7);
	look(b);
	peer_end(b);
	look(b);
}

static void one_receive_takes_one_buffer(struct both *b)
{
	accept_peer(b);
	receive(b, false);
	peer_send(b, 100);
	look(b);
	peer_send(b, 7);
	look(b);
	receive(b, false);
	look(b);
}

static void more_bytes_than_buffers(struct both *b)
{
	accept_peer(b);
	receive(b, true);
	look(b);
	peer_send(b, 256 * BUFFERS + 1);
	look(b);
	quoit_bufring_give(&b->bufs, 0);
	quoit_bufring_publish(&b->bufs);
	receive(b, true);
	look(b);
}

static void a_reset_is_received(struct both *b)
{
	accept_peer(b);
	receive(b, true);
	look(b);
	peer_reset(b);
	look(b);
	receive(b, true);
	look(b);
}

static void shutting_down_ends_a_receive(struct both *b)
{
	accept_peer(b);
	receive(b, true);
	look(b);
	say(b, "shutdown", quoit__net_shutdown(b->accepted, SHUT_RDWR));
	look(b);
}

static void a_cancelled_receive_says_so(struct both *b)
{
	accept_peer(b);
	receive(b, true);
	look(b);
	cancel(b, 'R', ALL);
	look(b);
}

static void send_some(struct both *b)
{
	static const char bytes[64];
	struct io_uring_sqe *sqe = entry(b, 'S');

	io_uring_prep_send(sqe, b->accepted, bytes, sizeof(bytes), MSG_NOSIGNAL | MSG_WAITALL);
	sqe->user_data = 'S';
}

static void a_send_completes_and_is_acknowledged(struct both *b)
{
	accept_peer(b);
	send_some(b);
	look(b);
	settle(b);
	say(b, "left", quoit__net_unacknowledged(b->accepted));
}

static void a_send_after_shutting_down(struct both *b)
{
	accept_peer(b);
	(void)quoit__net_shutdown(b->accepted, SHUT_WR);
	send_some(b);
	look(b);
}

static void a_send_after_a_reset(struct both *b)
{
	accept_peer(b);
	peer_reset(b);
	settle(b);
	send_some(b);
	look(b);
	receive(b, true);
	look(b);
}

static void a_sleep_without_work_is_over_in_time(struct both *b)
{
	say(b, "slept", quoit_uring_sleep(&b->uring, 2 * SIM_MS, 0));
	look(b);
}

/* 64 entries, so 256 completions, and then some. */
static void more_completions_than_there_is_room_for(struct both *b)
{
	for (unsigned i = 0; i < 300; i++) {
		if (io_uring_sq_space_left(b->uring.ring) == 0)
			(void)quoit_uring_submit(&b->uring);
		cancel(b, 'X', ALL);
	}
	look(b);
	look(b);
}

struct script {
	const char *name;
	void (*run)(struct both *b);
};

/* clang-format off */
#define SCRIPT(name) {#name, name}
static const struct script scripts[] = {
	SCRIPT(each_ring_of_a_bell_is_heard),
	SCRIPT(two_rings_before_a_look_are_one),
	SCRIPT(a_bell_that_rang_before_is_heard_at_once),
	SCRIPT(a_write_that_succeeds_may_be_silent),
	SCRIPT(a_cancelled_poll_says_so),
	SCRIPT(a_cancel_that_finds_nothing),
	SCRIPT(two_are_accepted),
	SCRIPT(a_listener_that_is_shut_down_ends_its_accept),
	SCRIPT(bytes_and_then_the_end),
	SCRIPT(one_receive_takes_one_buffer),
	SCRIPT(more_bytes_than_buffers),
	SCRIPT(a_reset_is_received),
	SCRIPT(shutting_down_ends_a_receive),
	SCRIPT(a_cancelled_receive_says_so),
	SCRIPT(a_send_completes_and_is_acknowledged),
	SCRIPT(a_send_after_shutting_down),
	SCRIPT(a_send_after_a_reset),
	SCRIPT(a_sleep_without_work_is_over_in_time),
	SCRIPT(more_completions_than_there_is_room_for),
};
/* clang-format on */

/* --- running them ---------------------------------------------------------------------------- */

static struct both on_real, on_sim;
static const struct script *script;
static struct quoit_reason why;

static void *run(void *arg)
{
	struct both *b = arg;
	int rc;

	b->listener = b->peer = b->accepted = -1;
	rc = quoit_uring_open(&b->uring, 64, -1, &why);
	if (rc < 0) {
		say(b, "refused", rc);
		return NULL;
	}
	rc = quoit_bufring_open(&b->bufs, &b->uring, 256, BUFFERS, -1, &why);
	say(b, "open", rc);
	script->run(b);
	if (b->accepted >= 0)
		quoit__sys_close(b->accepted);
	if (b->listener >= 0)
		quoit__sys_close(b->listener);
	if (b->real && b->peer >= 0)
		close(b->peer);
	quoit_bufring_close(&b->bufs);
	quoit_uring_close(&b->uring);
	return NULL;
}

static void run_simulated(void)
{
	struct sim_task *task;

	sim.random.state = 1;
	sim.now_ns = SIM_S;
	sim.chaos = sim.over = false;
	sim.leak_allowed = true; /* scripts close rings with operations out */
	memset(sim.rate, 0, sizeof(sim.rate));
	sim_tasks_reset();
	task = sim_task_new("script", run, &on_sim);
	while (!sim_task_ended(task)) {
		if (task->wait == SIM_WAITS_ENTER && task->wake_ns > sim.now_ns)
			sim.now_ns = task->wake_ns;
		sim_task_step(task);
	}
	sim.over = true;
	sim_files_reset();
	sim_network_reset();
	sim_memory_reset();
}

int sim_conform(void)
{
	unsigned different = 0;

	for (size_t i = 0; i < sizeof(scripts) / sizeof(*scripts); i++) {
		script = &scripts[i];
		memset(&on_real, 0, sizeof(on_real));
		memset(&on_sim, 0, sizeof(on_sim));
		on_real.real = true;
		(void)run(&on_real);
		if (!strncmp(on_real.seen, "refused", 7)) {
			printf("skip - conform: io_uring is refused: %s\n", why.text);
			return 0;
		}
		run_simulated();
		if (!strcmp(on_real.seen, on_sim.seen)) {
			printf("ok - both kernels: %s\n", script->name);
			continue;
		}
		different++;
		printf("not ok - both kernels: %s\n  real:      %s\n  simulated: %s\n",
		       script->name, on_real.seen, on_sim.seen);
	}
	printf("RESULT name=sim-conform scripts=%zu different=%u\n",
	       sizeof(scripts) / sizeof(*scripts), different);
	return different != 0;
}
