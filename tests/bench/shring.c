/* SPDX-License-Identifier: MIT */
/*
 * shring.c - what it costs that a ring goes from process to process: a SharedRing between two
 * processes against the ring in one process between two threads, which has the same protocol
 * without the distrust.
 *
 *   shring [ROUNDS] [CELL]
 *
 * Both sides run on cpus of their own, the same ones for both contenders, which take turns in each
 * round, in every other round in the other order. Printed are the medians over the rounds in ns,
 * of an item or of a round trip, and the median of the rounds' ratios: 1 is as fast, 2 half as
 * fast. Nothing is asserted.
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include <quoit/rings/typed_shring.h>

#include "measure.h"

#define BITS	   12
#define CAPACITY   ((size_t)1 << BITS)
#define BATCH_MOST 256
#define ITEMS	   8000000u
#define TRIPS	   100000u
#define PATIENCE_S 120

QUOIT_SHRING(words, uint64_t);

/* --- the two loops, for either kind of ring -------------------------------------------------- */

static inline void lean_back(unsigned *looks)
{
	if (++*looks % 4096)
		quoit_relax();
	else
		sched_yield(); /* somebody else has our cpu */
}

#define DEFINE_LOOPS(name)                                                             \
	static void name##_copy_in(struct name *q, size_t batch, uint64_t count)       \
	{                                                                              \
		uint64_t items[BATCH_MOST];                                            \
		unsigned looks = 0;                                                    \
                                                                                       \
		for (size_t i = 0; i < BATCH_MOST; i++)                                \
			items[i] = i;                                                  \
		for (uint64_t sent = 0; sent < count;) {                               \
			const size_t n = name##_send(q, items, batch);                 \
                                                                                       \
			sent += n;                                                     \
			if (!n)                                                        \
				lean_back(&looks);                                     \
		}                                                                      \
	}                                                                              \
	static void name##_copy_out(struct name *q, size_t batch, uint64_t count)      \
	{                                                                              \
		uint64_t items[BATCH_MOST];                                            \
		unsigned looks = 0;                                                    \
                                                                                       \
		for (uint64_t got = 0; got < count;) {                                 \
			const size_t n = name##_recv(q, items, batch);                 \
                                                                                       \
			got += n;                                                      \
			if (!n)                                                        \
				lean_back(&looks);                                     \
		}                                                                      \
	}                                                                              \
	static void name##_place_in(struct name *q, size_t batch, uint64_t count)      \
	{                                                                              \
		unsigned looks = 0;                                                    \
		size_t n;                                                              \
                                                                                       \
		for (uint64_t sent = 0; sent < count;) {                               \
			uint64_t *const to = name##_reserve(q, batch, &n);             \
                                                                                       \
			if (!to) {                                                     \
				lean_back(&looks);                                     \
				continue;                                              \
			}                                                              \
			for (size_t i = 0; i < n; i++)                                 \
				to[i] = sent + i;                                      \
			name##_commit(q, n);                                           \
			sent += n;                                                     \
		}                                                                      \
	}                                                                              \
	static void name##_place_out(struct name *q, size_t batch, uint64_t count)     \
	{                                                                              \
		unsigned looks = 0;                                                    \
		uint64_t sum = 0;                                                      \
		size_t n;                                                              \
                                                                                       \
		for (uint64_t got = 0; got < count;) {                                 \
			const uint64_t *const from = name##_readable(q, &n);           \
                                                                                       \
			if (!from) {                                                   \
				lean_back(&looks);                                     \
				continue;                                              \
			}                                                              \
			n = quoit_min(n, batch);                                       \
			for (size_t i = 0; i < n; i++)                                 \
				sum += from[i];                                        \
			name##_advance(q, n);                                          \
			got += n;                                                      \
		}                                                                      \
		__asm__ volatile("" ::"r"(sum));                                       \
	}                                                                              \
	static void name##_lead(struct name *out, struct name *home, uint64_t count)   \
	{                                                                              \
		unsigned looks = 0;                                                    \
                                                                                       \
		for (uint64_t i = 0; i < count; i++) {                                 \
			uint64_t answer;                                               \
                                                                                       \
			if (!name##_send_one(out, &i))                                 \
				die("the ring is full");                               \
			while (!name##_recv_one(home, &answer))                        \
				lean_back(&looks);                                     \
			if (answer != ~i)                                              \
				die("an answer to something else");                    \
		}                                                                      \
	}                                                                              \
	static void name##_follow(struct name *out, struct name *home, uint64_t count) \
	{                                                                              \
		unsigned looks = 0;                                                    \
                                                                                       \
		for (uint64_t i = 0; i < count; i++) {                                 \
			uint64_t number;                                               \
                                                                                       \
			while (!name##_recv_one(out, &number))                         \
				lean_back(&looks);                                     \
			number = ~number;                                              \
			if (!name##_send_one(home, &number))                           \
				die("the ring is full");                               \
		}                                                                      \
	}

DEFINE_LOOPS(words)
DEFINE_LOOPS(numbers)

/* --- cells ----------------------------------------------------------------------------------- */

enum way {
	COPY,
	PLACE,
	TRIP,
};

static const struct cell {
	const char *name;
	enum way way;
	size_t batch;
} cells[] = {
	{"copy-1", COPY, 1},	 {"copy-32", COPY, 32},	  {"copy-256", COPY, 256},
	{"place-1", PLACE, 1},	 {"place-32", PLACE, 32}, {"place-256", PLACE, 256},
	{"round-trip", TRIP, 1},
};

enum {
	CELLS = sizeof(cells) / sizeof(*cells),
};

#define RUN_SIDE(name, cell, out, home, leads, count)                                      \
	((cell)->way == TRIP ? ((leads) ? name##_lead : name##_follow)(out, home, count)   \
	 : (cell)->way == COPY                                                             \
		 ? ((leads) ? name##_copy_in : name##_copy_out)(out, (cell)->batch, count) \
		 : ((leads) ? name##_place_in : name##_place_out)(out, (cell)->batch, count))

static uint64_t count_of(const struct cell *cell)
{
	/* A multiple of every batch. */
	return cell->way == TRIP ? TRIPS : ITEMS / BATCH_MOST * BATCH_MOST;
}

/* Of both contenders; mapped by both processes. */
struct start {
	QUOIT_ISOLATED uint32_t here;
	QUOIT_ISOLATED uint64_t ended_ns;
};

static struct start *start;
static int cpus[2];

static void take_cpu(int side)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpus[side], &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("a cpu is refused");
}

static void meet(void)
{
	quoit_add(&start->here, 1);
	while (quoit_load_acquire(&start->here) < 2)
		sched_yield();
}

static uint64_t take_cpu_and_begin(int side)
{
	take_cpu(side);
	meet();
	return quoit_clock_now_ns();
}

/* --- ours ------------------------------------------------------------------------------------ */

static struct quoit_shring_options options(enum quoit_shring_role role)
{
	const struct quoit_shring_options o = {
		.size = sizeof(o), .role = role, .bits = BITS, .node = -1, .trusted = true};

	return o;
}

static struct words *attach(struct words *to, enum quoit_shring_role role)
{
	const struct quoit_shring_options o = options(role);
	int fds[QUOIT_SHRING_FDS];
	const size_t n = quoit_shring_fds(&to->ring, fds);
	struct quoit_reason why;
	struct words *q;

	if (words_attach(fds, n, &o, &q, &why))
		die("%s", why.text);
	return q;
}

__attribute__((noreturn)) static void follow_in_process(const struct cell *cell, struct words *out,
							struct words *home)
{
	struct words *const in = attach(out, QUOIT_SHRING_CONSUMER);
	struct words *const back = attach(home, QUOIT_SHRING_PRODUCER);

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)take_cpu_and_begin(1);
	RUN_SIDE(words, cell, in, back, false, count_of(cell));
	quoit_store_release(&start->ended_ns, quoit_clock_now_ns());
	_exit(0);
}

static double run_ours(const struct cell *cell)
{
	const struct quoit_shring_options there = options(QUOIT_SHRING_PRODUCER);
	const struct quoit_shring_options back = options(QUOIT_SHRING_CONSUMER);
	struct words *out, *home;
	struct quoit_reason why;
	uint64_t began_ns;
	int status;
	pid_t pid;

	if (words_create(&there, &out, &why) || words_create(&back, &home, &why))
		die("%s", why.text);
	start->here = 0;
	pid = fork();
	if (pid < 0)
		die("fork");
	if (!pid)
		follow_in_process(cell, out, home);
	began_ns = take_cpu_and_begin(0);
	RUN_SIDE(words, cell, out, home, true, count_of(cell));
	if (waitpid(pid, &status, 0) != pid || status)
		die("the other process failed");
	words_destroy(out);
	words_destroy(home);
	return (double)(quoit_load_acquire(&start->ended_ns) - began_ns) / (double)count_of(cell);
}

/* --- the base -------------------------------------------------------------------------------- */

struct threads {
	const struct cell *cell;
	struct numbers out, home;
};

static void *follow_worker(void *arg)
{
	struct threads *const t = arg;

	(void)take_cpu_and_begin(1);
	RUN_SIDE(numbers, t->cell, &t->out, &t->home, false, count_of(t->cell));
	quoit_store_release(&start->ended_ns, quoit_clock_now_ns());
	return NULL;
}

static double run_base(const struct cell *cell)
{
	static struct threads t;
	static QUOIT_ISOLATED uint64_t slots[2][CAPACITY];
	pthread_t thread;
	uint64_t began_ns;

	t.cell = cell;
	if (numbers_init(&t.out, slots[0], CAPACITY) || numbers_init(&t.home, slots[1], CAPACITY))
		die("a ring cannot be made");
	start->here = 0;
	if (pthread_create(&thread, NULL, follow_worker, &t))
		die("no thread");
	began_ns = take_cpu_and_begin(0);
	RUN_SIDE(numbers, cell, &t.out, &t.home, true, count_of(cell));
	(void)pthread_join(thread, NULL);
	return (double)(quoit_load_acquire(&start->ended_ns) - began_ns) / (double)count_of(cell);
}

/* --- rounds ---------------------------------------------------------------------------------- */

static double ours[CELLS][ROUNDS_MOST], base[CELLS][ROUNDS_MOST], ratios[CELLS][ROUNDS_MOST];

static void measure(unsigned cell, unsigned round)
{
	double *const mine = &ours[cell][round], *const theirs = &base[cell][round];

	(void)alarm(PATIENCE_S);
	if (round % 2)
		*theirs = run_base(&cells[cell]);
	*mine = run_ours(&cells[cell]);
	if (round % 2 == 0)
		*theirs = run_base(&cells[cell]);
	(void)alarm(0);
	ratios[cell][round] = *mine / *theirs;
}

static void find_cpus(void)
{
	cpu_set_t set;
	int found = 0;

	if (sched_getaffinity(0, sizeof(set), &set))
		die("no cpus");
	for (int cpu = 0; cpu < CPU_SETSIZE && found < 2; cpu++)
		if (CPU_ISSET(cpu, &set))
			cpus[found++] = cpu;
	if (found < 2) {
		printf("skip - bench-shared: it needs two cpus\n");
		exit(77);
	}
}

int main(int argc, char **argv)
{
	const unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 0) : 9;
	const char *const chosen = argc > 2 ? argv[2] : "";

	if (!rounds || rounds > ROUNDS_MOST)
		die("ROUNDS is 1 to %d", ROUNDS_MOST);
	find_cpus();
	start = (struct start *)mmap(NULL, sizeof(*start), PROT_READ | PROT_WRITE,
				     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (start == MAP_FAILED)
		die("mmap");
	for (unsigned round = 0; round < rounds; round++)
		for (unsigned cell = 0; cell < CELLS; cell++)
			if (strstr(cells[cell].name, chosen))
				measure(cell, round);
	for (unsigned cell = 0; cell < CELLS; cell++)
		if (strstr(cells[cell].name, chosen))
			printf("RESULT name=bench-shared cell=%s unit=ns ours=%.2f base=%.2f "
			       "ratio=%.2f rounds=%u\n",
			       cells[cell].name, median(ours[cell], rounds),
			       median(base[cell], rounds), median(ratios[cell], rounds), rounds);
	return 0;
}
