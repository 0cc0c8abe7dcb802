/* SPDX-License-Identifier: MIT */
/*
 * cores.c - a runtime with a core on every cpu: they call each other across the nodes, sleeping in
 * between, and whatever a core has touched by then lies where it is meant to.
 */
#include <vm/guest.h>

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <quoit/numa/atomic.h>
#include <quoit/runtime/outsider_internal.h>
#include <quoit/runtime/runtime_internal.h>
#include <quoit/rings/mpsc_internal.h>

enum {
	OP_ECHO = 1,
	ROUNDS = 40,
	PORT = 7100,
	PATIENCE_S = 60,
};

/* Over all cores, by any of them. */
static unsigned answers, cores_done, lent;

/* --- calls ----------------------------------------------------------------------------------- */

struct caller {
	struct quoit_core *core;
	unsigned to;
	unsigned round;
	unsigned *left; /* callers of this core that are not done */
};

static void call_next(struct caller *c);

static void answered(struct quoit_core *core, const struct quoit_message *reply, void *ctx)
{
	struct caller *c = ctx;
	unsigned round;

	memcpy(&round, reply->body, sizeof(round));
	if (reply->status != 7 || round != c->round)
		guest_say(false, "core %u gets its own answer from core %u", quoit_core_index(core),
			  c->to);
	quoit_add(&answers, 1);
	c->round++;
	call_next(c);
}

static void call_next(struct caller *c)
{
	if (c->round == ROUNDS) {
		if (--*c->left == 0)
			quoit_add(&cores_done, 1);
		return;
	}
	if (quoit_call(c->core, c->to, OP_ECHO, &c->round, sizeof(c->round), answered, c) < 0)
		guest_say(false, "core %u has one call out to each other",
			  quoit_core_index(c->core));
}

static void echo(struct quoit_core *core, const struct quoit_message *m, size_t n, bool more,
		 void *ctx)
{
	(void)more;
	(void)ctx;
	for (size_t i = 0; i < n; i++)
		quoit_reply(core, quoit_caller_of(&m[i]), 7, m[i].body, sizeof(unsigned));
}

static void send_back(struct quoit_stream *stream, struct quoit_bytes in, void *ctx)
{
	(void)ctx;
	quoit_stream_send(stream, in.data, in.len);
}

/* A port of its own: otherwise the kernel would choose among the cores. */
static int listen_alone(struct quoit_core *core)
{
	const struct quoit_stream_events events = {.data = send_back};
	const unsigned index = quoit_core_index(core);
	char address[32];

	snprintf(address, sizeof(address), "127.0.0.1:%u", PORT + index);
	return quoit_listen(core, address, &events, NULL);
}

static int start(struct quoit_core *core, void *ctx)
{
	const unsigned cores = quoit_core_count(core);
	struct caller *callers = calloc(cores, sizeof(*callers));
	static unsigned left[QUOIT_CORES_MAX];

	(void)ctx;
	if (!callers || quoit_on_message(core, OP_ECHO, echo, NULL) < 0)
		return -ENOMEM;
	quoit_core_set_user(core, callers);
	left[quoit_core_index(core)] = cores;
	for (unsigned to = 0; to < cores; to++) {
		callers[to] = (struct caller){core, to, 0, &left[quoit_core_index(core)]};
		call_next(&callers[to]);
	}
	return listen_alone(core);
}

/* From the main thread: some bytes to a core, and back. */
static bool echoes(unsigned index)
{
	static char out[100000], in[100000];
	const struct sockaddr_in to = {.sin_family = AF_INET,
				       .sin_port = htons((uint16_t)(PORT + index)),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t got = 0;
	ssize_t n = 1;

	memset(out, (int)('a' + index), sizeof(out));
	if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0 ||
	    send(fd, out, sizeof(out), 0) != sizeof(out))
		n = 0;
	while (n > 0 && got < sizeof(in)) {
		n = recv(fd, in + got, sizeof(in) - got, 0);
		got += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	return got == sizeof(in) && !memcmp(in, out, sizeof(in));
}

/* --- where everything is --------------------------------------------------------------------- */

static void check_queues(const struct quoit_uring *uring, int node)
{
	const struct io_uring_sq *sq = &uring->ring->sq;

	guest_resident("a core's SQ and CQ", sq->ring_ptr, sq->ring_sz, node, false);
	guest_resident("a core's entries", sq->sqes, sq->ring_entries * sizeof(struct io_uring_sqe),
		       node, false);
	quoit_add(&lent, uring->queues.base != NULL);
}

static bool lies_in(const struct quoit_region *region, const void *at)
{
	return (const char *)at >= (const char *)region->base &&
	       (const char *)at < (const char *)region->base + region->bytes;
}

/* The lanes that a core reads are laid out in its own region. */
static void check_lanes(const struct quoit_core *core)
{
	bool all = lies_in(&core->region, core);

	for (uint32_t i = 0; i < core->mail.peer_count; i++)
		for (unsigned class = 0; class < QUOIT_LANE_CLASSES; class ++)
			all &= lies_in(&core->region, core->mail.peers[i].in[class]);
	guest_say(all, "core %u reads lanes in its own region", core->index);
}

/* Nobody had one here, and memory that nobody touched lies nowhere. */
static void take_an_operation(struct quoit_slab *slab)
{
	quoit_slab_give(slab, quoit_slab_take(slab));
}

/* After the traffic, on the core's own thread. */
static void check_core(struct quoit_core *core, void *ctx)
{
	const struct quoit_outside *outside = core->mail.outside;
	const int node = guest_nearest(guest_node_of(core->cpu));

	(void)ctx;
	guest_say(core->node == node, "core %u on cpu %u takes memory from node %d", core->index,
		  core->cpu, node);
	guest_say(!core->degraded, "core %u falls not short: %u regions do", core->index,
		  core->degraded);
	check_lanes(core);
	check_queues(&core->loop.uring, node);
	guest_region_resident("a core, its lanes and frames", &core->region, node);
	guest_region_resident("a core's receive buffers", &core->io.bufs.region, node);
	guest_region_resident("a core's chunks for sending", &core->io.chunks.warm, node);
	guest_region_resident("a core's streams", &core->io.streams.region, node);
	guest_region_resident("a core's listeners", &core->io.listeners.region, node);
	take_an_operation(&core->loop.ops.slab);
	guest_region_resident("a core's operations", &core->loop.ops.slab.region, node);
	guest_region_resident("a core's gates", &outside->region, node);
	guest_region_resident("a core's channel from outside", &outside->channel->seats->region,
			      node);
	free(quoit_core_user(core));
}

static unsigned count_cpus(void)
{
	unsigned n = 0;

	for (int node = 0; node < GUEST_NODES; node++)
		n += (unsigned)quoit_idset_count(&machine.nodes[node].cpus);
	return n;
}

static void run_cores(void)
{
	const struct quoit_config config = {.start = start, .stop = check_core, .never_spin = true};
	const unsigned cores = count_cpus();
	struct quoit_runtime *runtime;
	struct quoit_reason why = {0};

	if (!guest_say(!quoit_runtime_start(&config, &runtime, &why), "a core on every cpu %s",
		       why.text))
		return;
	guest_say(quoit_runtime_cores(runtime) == cores, "%u cores for %u cpus",
		  quoit_runtime_cores(runtime), cores);
	for (unsigned i = 0; i < cores; i++)
		guest_say(echoes(i), "core %u echoes", i);
	while (quoit_load(&cores_done) < cores)
		usleep(1000); /* the alarm ends it */
	quoit_runtime_stop(runtime, 1000000000);
	guest_say(!quoit_runtime_wait(runtime, &why), "the cores end in order %s", why.text);
	guest_say(answers == cores * cores * ROUNDS, "%u of %u calls are answered", answers,
		  cores * cores * ROUNDS);
	guest_say(lent == (machine.lends ? cores : 0), "%u of %u cores have lent their queues",
		  lent, cores);
}

/* --- a placement that is refused ------------------------------------------------------------- */

static int refuse_mbind(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mbind, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {.len = sizeof(code) / sizeof(*code), .filter = code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

/* The child's whole life: 0 if every core serves, and says how many of its regions fell short. */
static int run_unbound(void)
{
	const struct quoit_config config = {0};
	struct quoit_runtime *runtime;
	struct quoit_reason why;
	int told = 0;

	alarm(PATIENCE_S);
	if (refuse_mbind() < 0)
		return 2;
	if (quoit_runtime_start(&config, &runtime, &why) < 0)
		return 3;
	for (unsigned i = 0; i < quoit_runtime_cores(runtime); i++) {
		struct quoit_stats stats;

		told += !quoit_runtime_stats(runtime, i, &stats) && stats.numa_degraded > 0;
	}
	told -= (int)quoit_runtime_cores(runtime);
	quoit_runtime_stop(runtime, 1000000000);
	if (quoit_runtime_wait(runtime, &why) < 0)
		return 4;
	return told ? 5 : 0;
}

static void check_unbound(void)
{
	int status = -1;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (!child)
		_exit(run_unbound());
	if (child < 0 || waitpid(child, &status, 0) != child)
		status = -1;
	guest_say(status == 0,
		  "with mbind refused each core serves, and is counted as degraded: %#x", status);
}

void guest_check_cores(void)
{
	alarm(PATIENCE_S);
	run_cores();
	alarm(0);
	check_unbound();
}

/* --- an older kernel ------------------------------------------------------------------------- */

void guest_check_refusal(void)
{
	const struct quoit_config config = {0};
	struct quoit_runtime *runtime = NULL;
	struct quoit_reason why = {0};
	struct utsname name;
	const int rc = quoit_runtime_start(&config, &runtime, &why);

	if (uname(&name) < 0)
		name.release[0] = 0;
	guest_say(rc == -EINVAL && !runtime && why.error == rc, "an older kernel is refused: %d",
		  rc);
	guest_say(strstr(why.text, name.release) && strstr(why.text, "run Linux 6.1 or newer"),
		  "it says which and what to do: %s", why.text);
}
