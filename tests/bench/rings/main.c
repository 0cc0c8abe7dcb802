/* SPDX-License-Identifier: MIT */
/*
 * main.c - lets the contenders of each cell run against each other, in turns, and prints what came
 * of it, one measurement a line, for rings.awk:
 *
 *	rings [-c PATTERN] [-p PEERS] [-r ROUNDS] [-m MS] [-l]
 *
 * Per cell: a pilot tries every variant of every peer with every back-off, briefly and twice, and
 * lets the best of each peer compete; then come the rounds, in each of which every peer runs once,
 * for about MS milliseconds, in an order that rotates. Threads are pinned, producers before
 *consumers, to one cpu after the other of those allowed; where there are fewer they share, and a
 *producer and a consumer do so rather than two producers, because most peers stand still for as
 *long as a thread lasts that was put aside in the middle of a call.
 *
 *	cell NAME CAPACITY TRIP_NS THREADS
 *	run NAME PEER VARIANT PAUSES ROUND MILLIONS_PER_S
 *	skipped PEER
 *
 * PATTERN is a shell pattern for names of cells, PEERS one for those of contenders, -l only lists
 *them. Fields are separated by tabs.
 */
#include "rings.h"

#include <fnmatch.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <quoit/numa/clock.h>
#include <quoit/numa/thread.h>
#include <quoit/rings/line.h>

enum {
	PEERS_MOST = 16,
	PILOT_MS = 4,
	PILOT_SHARED_MS = 12, /* some time slices */
	PILOT_PASSES = 2,
	SHARING = 2, /* times as long where threads share a cpu */
	PATIENCE_S = 20,
	CPUS_MOST = 64,
};

#define QUANTUM ((uint64_t)2 * BATCH_MOST) /* messages: whole batches for each producer */

/* Weak: a peer whose headers are not installed was not compiled. */
#define TABLES(name)                                                                 \
	extern const struct contender contenders_##name##_1[] __attribute__((weak)), \
		contenders_##name##_8[] __attribute__((weak))
TABLES(quoit_spsc);
TABLES(quoit_mpsc);
TABLES(quoit_spmc);
TABLES(quoit_mpmc);
TABLES(limit);
TABLES(ck);
TABLES(boost);
TABLES(rte);
TABLES(urcu);
TABLES(concurrentqueue);
#undef TABLES

#define ENTRY(name)                                                  \
	{                                                            \
#name,                                               \
		{                                                    \
			contenders_##name##_1, contenders_##name##_8 \
		}                                                    \
	}
static const struct {
	const char *name;
	const struct contender *tables[2]; /* of u64 and of lines */
} files[] = {
	ENTRY(quoit_spsc),	ENTRY(quoit_mpsc), ENTRY(quoit_spmc),
	ENTRY(quoit_mpmc),	ENTRY(limit),	   ENTRY(ck),
	ENTRY(boost),		ENTRY(rte),	   ENTRY(urcu),
	ENTRY(concurrentqueue),
};
#undef ENTRY

/* Who shares a cpu gains nothing by a shorter pause: a time slice is 3 ms. */
static const unsigned backoffs[] = {1, 8, 32, 128, 0};
static const unsigned backoffs_shared[] = {32, PAUSES_YIELD, 0};

/* A peer as it runs in a cell. */
struct entry {
	const struct contender *contender;
	unsigned pauses;
	double rate; /* messages a second, as last measured */
};

struct options {
	const char *pattern, *peers;
	long rounds, ms;
	bool list;
};

static unsigned cpus[CPUS_MOST];
static unsigned cpu_count;

void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

void *pages(size_t bytes)
{
	const size_t page = 4096;
	void *const at = aligned_alloc(page, (bytes + page - 1) / page * page);

	if (!at)
		die("no memory for %zu bytes", bytes);
	return memset(at, 0, bytes);
}

static const struct contender *running;

static void too_late(int signal_number)
{
	(void)signal_number;
	dprintf(2, "%s (%s): no end after %d s\n", running->peer, running->variant, PATIENCE_S);
	_exit(1);
}

/* --- one run --------------------------------------------------------------------------------- */

struct thread {
	struct side side;
	void (*part)(struct side *side);
	pthread_barrier_t *start;
	unsigned cpu;
};

static void *thread_worker(void *arg)
{
	struct thread *const thread = arg;

	if (quoit_thread_pin(thread->cpu))
		die("cannot run on cpu %u", thread->cpu);
	pthread_barrier_wait(thread->start);
	thread->side.began_ns = quoit_clock_now_ns();
	thread->part(&thread->side);
	thread->side.ended_ns = quoit_clock_now_ns();
	return NULL;
}

/* What the words of the numbers below `total` add up to. */
static uint64_t sum_of(uint64_t total, size_t item_words)
{
	const uint64_t numbers = total % 2 ? (total - 1) / 2 * total : total / 2 * (total - 1);

	return item_words * numbers + total * (item_words * (item_words - 1) / 2);
}

/* Fills `threads`, and gives how many there are. */
static unsigned cast(struct thread *threads, struct run *run, const struct contender *contender)
{
	const struct cell *const cell = run->cell;
	const bool in_pairs = cell->kind == PAIR;
	const unsigned count = in_pairs ? 2 : cell->producers + cell->consumers;
	const uint64_t share = run->total / cell->producers;

	for (unsigned i = 0; i < count; i++) {
		const bool produces = i < cell->producers;
		const unsigned index = produces ? i : i - cell->producers;
		struct thread *const thread = &threads[i];

		memset(thread, 0, sizeof(*thread));
		thread->side.run = run;
		thread->side.queue = run->queue;
		thread->side.index = index;
		thread->side.batch = cell->batch;
		if (produces) {
			thread->side.first = share * index;
			thread->side.end = share * (index + 1);
		}
		thread->part = in_pairs	  ? contender->pair
			       : produces ? contender->produce
					  : contender->consume;
		thread->cpu = cpus[i % cpu_count];
	}
	return count;
}

/* Messages a second. */
static double run_once(const struct cell *cell, const struct contender *contender, unsigned pauses,
		       uint64_t total, uint64_t trip_ticks)
{
	struct run run = {.cell = cell,
			  .total = (total + QUANTUM - 1) / QUANTUM * QUANTUM,
			  .pauses = pauses,
			  .trip_ticks = trip_ticks,
			  .producing = cell->producers};
	struct thread threads[THREADS_MOST];
	pthread_t ids[THREADS_MOST];
	pthread_barrier_t start;
	uint64_t count = 0, sum = 0, began = UINT64_MAX, ended = 0;
	unsigned n;

	run.queue = contender->open(&run);
	n = cast(threads, &run, contender);
	pthread_barrier_init(&start, NULL, n);
	running = contender;
	alarm(PATIENCE_S);
	for (unsigned i = 0; i < n; i++) {
		threads[i].start = &start;
		if (pthread_create(&ids[i], NULL, thread_worker, &threads[i]))
			die("no thread");
	}
	for (unsigned i = 0; i < n; i++) {
		pthread_join(ids[i], NULL);
		count += threads[i].side.count;
		sum += threads[i].side.sum;
		if (threads[i].side.began_ns < began)
			began = threads[i].side.began_ns;
		if (threads[i].side.ended_ns > ended)
			ended = threads[i].side.ended_ns;
	}
	alarm(0);
	pthread_barrier_destroy(&start);
	contender->close(run.queue);
	if (count != run.total || sum != sum_of(run.total, cell->item_words))
		die("%s (%s): sent %lu messages with the sum %lu, read %lu with %lu",
		    contender->peer, contender->variant, run.total,
		    sum_of(run.total, cell->item_words), count, sum);
	return (double)run.total * 1e9 / (double)(ended - began);
}

/* --- a cell ---------------------------------------------------------------------------------- */

static void cell_name(const struct cell *cell, char *name, size_t bytes)
{
	char batch[16];

	snprintf(batch, sizeof(batch), "%zu", cell->batch);
	snprintf(name, bytes, "%s%zuk-%s-%s%s", cell->ring, cell->capacity / 1024,
		 cell->item_words == 1 ? "u64" : "64b",
		 cell->style == BLOCK  ? "blocks"
		 : cell->style == NOW  ? "now"
		 : cell->style == COPY ? "copy"
		 : cell->kind == SPSC  ? "place"
				       : "",
		 cell->style & (BLOCK | NOW) && cell->kind == SPSC ? "" : batch);
}

static bool may(const struct contender *contender, const struct cell *cell)
{
	return contender->kinds & cell->kind && contender->styles & cell->style &&
	       (cell->kind != PAIR || contender->pair) &&
	       (!contender->capacity || contender->capacity == cell->capacity);
}

static bool shares_cpu(const struct cell *cell)
{
	return cell->kind != PAIR && cell->producers + cell->consumers > cpu_count;
}

static void keep_best(struct entry *entry, const struct contender *contender, unsigned pauses,
		      double rate)
{
	if (rate > entry->rate) {
		entry->contender = contender;
		entry->pauses = pauses;
		entry->rate = rate;
	}
}

/* Try a variant with all back-offs, and keep the best in the peer's entry. */
static void try_variant(const struct cell *cell, const struct contender *contender,
			uint64_t trip_ticks, struct entry *entry)
{
	const bool shared = shares_cpu(cell);
	const double pilot_s = (shared ? PILOT_SHARED_MS : PILOT_MS) / 1e3;
	const unsigned *backoff = shared ? backoffs_shared : backoffs;

	for (; *backoff; backoff++) {
		uint64_t total = QUANTUM;
		double rate, best = 0;

		/* longer and longer, until the threads' start does not show */
		while ((rate = run_once(cell, contender, *backoff, total, trip_ticks)) * pilot_s /
			       2 >
		       (double)total)
			total *= 8;
		for (int pass = 0; pass < PILOT_PASSES; pass++) {
			rate = run_once(cell, contender, *backoff, (uint64_t)(rate * pilot_s),
					trip_ticks);
			if (rate > best)
				best = rate;
		}
		keep_best(entry, contender, *backoff, best);
	}
}

static unsigned pilot(const struct cell *cell, const char *peers, uint64_t trip_ticks,
		      struct entry *entries)
{
	unsigned count = 0;

	for (size_t f = 0; f < sizeof(files) / sizeof(files[0]); f++) {
		const struct contender *c = files[f].tables[cell->item_words != 1];

		for (; c && c->peer; c++) {
			unsigned i = 0;

			if (!may(c, cell) || fnmatch(peers, c->peer, 0))
				continue;
			while (i < count && strcmp(entries[i].contender->peer, c->peer))
				i++;
			if (i == count) {
				if (count == PEERS_MOST)
					die("more than %d peers", PEERS_MOST);
				entries[count++] = (struct entry){.contender = c};
			}
			try_variant(cell, c, trip_ticks, &entries[i]);
		}
	}
	return count;
}

static uint64_t round_trip(void)
{
	uint64_t ticks = 0;

	if (cpu_count > 1 && quoit_line_round_trip(cpus[0], cpus[1], &ticks))
		ticks = 0;
	return ticks;
}

static double ns_per_tick(void)
{
	const uint64_t ns = quoit_clock_now_ns(), ticks = quoit_ticks();

	usleep(20000);
	return (double)(quoit_clock_now_ns() - ns) / (double)(quoit_ticks() - ticks);
}

static void run_cell(const struct cell *cell, const char *name, const struct options *options)
{
	static double tick_ns;
	struct entry entries[PEERS_MOST];
	const uint64_t trip_ticks = round_trip();
	const double ms = (double)options->ms * (shares_cpu(cell) ? SHARING : 1);
	const unsigned count = pilot(cell, options->peers, trip_ticks, entries);

	if (tick_ns == 0)
		tick_ns = ns_per_tick();
	printf("cell\t%s\t%zu\t%.0f\t%uP%uC\n", name, cell->capacity, (double)trip_ticks * tick_ns,
	       cell->producers, cell->consumers);
	for (long round = 0; round < options->rounds; round++) {
		for (unsigned i = 0; i < count; i++) {
			struct entry *const e = &entries[(i + (unsigned)round) % count];

			e->rate = run_once(cell, e->contender, e->pauses,
					   (uint64_t)(e->rate * ms / 1e3), trip_ticks);
			printf("run\t%s\t%s\t%s\t%u\t%ld\t%.2f\n", name, e->contender->peer,
			       e->contender->variant, e->pauses, round, e->rate / 1e6);
		}
		fflush(stdout);
		if (isatty(2))
			fprintf(stderr, "\r\033[K%s: round %ld of %ld", name, round + 1,
				options->rounds);
	}
	if (isatty(2))
		fprintf(stderr, "\r\033[K");
}

/* --- all cells ------------------------------------------------------------------------------- */

static const size_t batches[] = {1, 8, 32, 256, 1024};

static void visit_cell(struct cell cell, const struct options *options)
{
	char name[64];

	cell_name(&cell, name, sizeof(name));
	if (fnmatch(options->pattern, name, 0))
		return;
	if (options->list)
		puts(name);
	else
		run_cell(&cell, name, options);
}

static void visit_spsc(struct cell cell, const struct options *options)
{
	cell.ring = "spsc";
	cell.kind = SPSC;
	cell.producers = cell.consumers = 1;
	for (size_t b = 0; b < sizeof(batches) / sizeof(batches[0]); b++) {
		cell.batch = batches[b];
		cell.style = cell.batch == 1 ? BLOCK : PLACE;
		visit_cell(cell, options);
		cell.style = cell.batch == 1 ? NOW : COPY;
		visit_cell(cell, options);
	}
}

static void visit_shared(struct cell cell, const struct options *options)
{
	static const struct cell shapes[] = {
		{.ring = "mpsc", .kind = MPSC, .producers = 2, .consumers = 1},
		{.ring = "spmc", .kind = SPMC, .producers = 1, .consumers = 2},
		{.ring = "pair", .kind = PAIR, .producers = 2, .consumers = 2},
		{.ring = "mpmc", .kind = MPMC, .producers = 2, .consumers = 2},
	};

	for (size_t s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++)
		for (size_t b = 0; b < sizeof(batches) / sizeof(batches[0]); b++) {
			cell.ring = shapes[s].ring;
			cell.kind = shapes[s].kind;
			cell.producers = shapes[s].producers;
			cell.consumers = shapes[s].consumers;
			cell.batch = batches[b];
			cell.style = cell.batch == 1 ? NOW : PLACE;
			visit_cell(cell, options);
		}
}

static void visit_all(const struct options *options)
{
	static const size_t capacities[] = {4096, 65536};

	for (size_t c = 0; c < 2; c++)
		for (size_t words = 1; words <= 8; words += 7) {
			const struct cell cell = {.item_words = words, .capacity = capacities[c]};

			visit_spsc(cell, options);
			visit_shared(cell, options);
		}
}

static void find_cpus(void)
{
	struct quoit_idset set;

	if (quoit_thread_affinity(&set))
		die("which cpus may be used?");
	for (int id = quoit_idset_next(&set, 0); id >= 0 && cpu_count < CPUS_MOST;
	     id = quoit_idset_next(&set, (unsigned)id + 1))
		cpus[cpu_count++] = (unsigned)id;
}

int main(int argc, char **argv)
{
	struct options options = {.pattern = "*", .peers = "*", .rounds = 5, .ms = 30};
	int option;

	while ((option = getopt(argc, argv, "c:p:r:m:l")) != -1)
		switch (option) {
		case 'c':
			options.pattern = optarg;
			break;
		case 'p':
			options.peers = optarg;
			break;
		case 'r':
			options.rounds = strtol(optarg, NULL, 10);
			break;
		case 'm':
			options.ms = strtol(optarg, NULL, 10);
			break;
		case 'l':
			options.list = true;
			break;
		default:
			return 2;
		}
	if (options.rounds < 1 || options.ms < 1)
		die("rounds and milliseconds are counts");
	find_cpus();
	signal(SIGALRM, too_late);
	for (size_t f = 0; f < sizeof(files) / sizeof(files[0]) && !options.list; f++)
		if (!files[f].tables[0])
			printf("skipped\t%s\n", files[f].name);
	visit_all(&options);
	return 0;
}
