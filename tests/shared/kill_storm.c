/* SPDX-License-Identifier: MIT */
/*
 * kill_storm.c - kill -9 at any moment, again and again, and whoever died comes back.
 *
 * Letters carry the position of their slot, so no side needs to remember anything: a producer that
 * attaches sends from the position that it finds, and that must be between what was last known to
 * be sent and one batch more; a consumer likewise. What is read at a position is the letter of that
 * position, whole, or something was lost, doubled or swapped.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <quoit/numa/clock.h>

#include <shared/kill.h>

#define BATCH	16
#define BITS	6
#define HANG_NS INT64_C(10000000000)
#define WAYS	3

/* What the processes tell the one who kills them. */
struct storm_talk {
	QUOIT_ISOLATED uint64_t sent; /* the producer's position after its last send */
	QUOIT_ISOLATED uint64_t read;
	QUOIT_ISOLATED uint64_t torn;
	QUOIT_ISOLATED uint64_t lost;
};

struct storm {
	struct storm_talk *talk;
	struct quoit_shring_options o;
	int fds[QUOIT_SHRING_FDS];
	size_t fd_count;
	struct random random;
};

static struct letters *attach(struct storm *s, enum quoit_shring_role role, uint64_t at_least)
{
	struct quoit_reason why = {0};
	struct letters *q = NULL;

	s->o.role = role;
	if (letters_attach(s->fds, s->fd_count, &s->o, &q, &why)) {
		printf("note: storm: %s\n", why.text);
		(void)fflush(stdout);
		_exit(1);
	}
	if (q->ring.mine - at_least > BATCH)
		quoit_add(&s->talk->lost, 1);
	return q;
}

/* A moment for the other side to come back, if it has died. */
static struct quoit_wait a_while(void)
{
	return quoit_wait_for(QUOIT_WAIT_PHASED, INT64_C(200000000));
}

__attribute__((noreturn)) static void produce(struct storm *s)
{
	struct letters *const q = attach(s, QUOIT_SHRING_PRODUCER, quoit_load(&s->talk->sent));
	struct letter letters[BATCH];

	while (true) {
		const size_t n = 1 + random_below(&s->random, BATCH);
		const struct quoit_wait how = a_while();

		if (!(q->ring.flags & QUOIT_SHRING_FLAGS_KNOWN) ||
		    quoit_shring_wait_space(&q->ring, n, &how) == -EOWNERDEAD)
			quoit_relax();
		letters_fill(letters, n, q->ring.mine);
		(void)letters_send(q, letters, n);
		quoit_store(&s->talk->sent, q->ring.mine);
	}
}

__attribute__((noreturn)) static void consume(struct storm *s)
{
	struct letters *const q = attach(s, QUOIT_SHRING_CONSUMER, quoit_load(&s->talk->read));
	struct letter letters[BATCH];

	while (true) {
		const struct quoit_wait how = a_while();
		const uint64_t at = q->ring.mine;
		size_t n;

		if (!(q->ring.flags & QUOIT_SHRING_FLAGS_KNOWN) ||
		    quoit_shring_wait_data(&q->ring, &how) == -EOWNERDEAD)
			quoit_relax();
		n = letters_recv(q, letters, 1 + random_below(&s->random, BATCH));
		if (letters_right(letters, n, at) != n)
			quoit_add(&s->talk->torn, 1);
		quoit_store(&s->talk->read, q->ring.mine);
	}
}

static pid_t start(struct storm *s, enum quoit_shring_role role)
{
	pid_t pid;

	(void)random_u64(&s->random);
	(void)fflush(stdout);
	pid = fork();
	if (pid < 0)
		abort();
	if (pid)
		return pid;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (role == QUOIT_SHRING_PRODUCER)
		produce(s);
	consume(s);
}

static void end(pid_t pid)
{
	int status;

	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, &status, 0);
}

/* Both sides have moved: the ring goes on, whoever died. */
static bool goes_on(const struct storm *s)
{
	const uint64_t sent = quoit_load(&s->talk->sent), got = quoit_load(&s->talk->read);
	const uint64_t late_ns = quoit_deadline_ns(HANG_NS);

	while (quoit_load(&s->talk->sent) == sent || quoit_load(&s->talk->read) == got) {
		if (quoit_clock_now_ns() > late_ns)
			return false;
		usleep(100);
	}
	return true;
}

static void open_ring(struct storm *s, unsigned way)
{
	struct quoit_reason why = {0};
	struct letters *q;
	int fds[QUOIT_SHRING_FDS];

	s->o = (struct quoit_shring_options){
		.size = sizeof(s->o),
		.role = QUOIT_SHRING_PRODUCER,
		.bits = BITS,
		.node = QUOIT_NODE_AUTO,
		.waits = way == 1,
		.bells = way == 2,
	};
	if (letters_create(&s->o, &q, &why)) {
		printf("note: storm: %s\n", why.text);
		exit(1);
	}
	s->fd_count = quoit_shring_fds(&q->ring, fds);
	for (size_t i = 0; i < s->fd_count; i++)
		s->fds[i] = dup(fds[i]);
	letters_destroy(q);
	s->talk = mmap(NULL, sizeof(*s->talk), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		       -1, 0);
	if (s->talk == MAP_FAILED)
		abort();
}

static void close_ring(struct storm *s, struct kill_count *count)
{
	printf("note: storm: %llu letters\n", (unsigned long long)s->talk->read);
	count->torn += s->talk->torn;
	count->lost += s->talk->lost;
	for (size_t i = 0; i < s->fd_count; i++)
		close(s->fds[i]);
	munmap(s->talk, sizeof(*s->talk));
}

static void storm(struct storm *s, unsigned kills, struct kill_count *count)
{
	static const enum quoit_shring_role roles[] = {QUOIT_SHRING_PRODUCER,
						       QUOIT_SHRING_CONSUMER};
	pid_t pids[2] = {start(s, roles[0]), start(s, roles[1])};

	for (unsigned i = 0; i < kills; i++) {
		const unsigned side = (unsigned)random_below(&s->random, 2);

		if (!goes_on(s)) {
			count->hung++;
			break;
		}
		usleep((unsigned)random_below(&s->random, 2000));
		end(pids[side]);
		count->kills++;
		pids[side] = start(s, roles[side]);
	}
	count->hung += !goes_on(s);
	end(pids[0]);
	end(pids[1]);
}

void kill_storm(unsigned kills, uint64_t seed, struct kill_count *count)
{
	for (unsigned way = 0; way < WAYS; way++) {
		struct storm s = {.random.state = seed + way};

		open_ring(&s, way);
		storm(&s, (kills + WAYS - 1) / WAYS, count);
		close_ring(&s, count);
	}
}
