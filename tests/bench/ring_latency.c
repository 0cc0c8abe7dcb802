/* SPDX-License-Identifier: MIT */
/*
 * ring_latency.c - how long one message takes, beside what the machine takes without any ring.
 *
 *	ring_latency [ROUNDS]
 *
 * Round trip: a number goes to the other cpu and back, over two lines that nobody else touches, and
 * over two SPSC rings. Wake: a reader sleeps in io_uring, with a multishot poll on an eventfd that
 * is never read, and is woken by a bare write to it, and by a message in a ring with that eventfd
 *as its notifier. The wake is counted from before the call that sends to after the message is had.
 * The pauses between wakes do not depend on the reader, so a late one hides nothing.
 *
 * In each round all take their turn, one after the other. Prints histograms with buckets that grow
 * by powers of two, and RESULT lines; a ratio is the median of the ratios of the rounds' medians.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "measure.h"

#include <liburing.h>
#include <poll.h>
#include <pthread.h>

#include <quoit/numa/thread.h>

enum {
	TRIPS = 20000,
	WAKES = 1000,
	WAKE_GAP_US = 100,
	SLOTS = 64,
	STEPS_BITS = 5, /* buckets to an octave, so that each is 3 % wide */
	BUCKETS = 64 << STEPS_BITS,
	PATIENCE_S = 60,
};

struct line {
	QUOIT_ISOLATED uint64_t number;
};

enum way {
	BARE_TRIP,
	CALL_TRIP,
	CURSOR_TRIP,
	BARE_WAKE,
	RING_WAKE,
	WAYS,
};

static const char *const way_names[WAYS] = {
	"bare lines", "send_one, recv_one", "cursors", "bare eventfd", "ring with notifier",
};

/* What both threads share. */
struct course {
	enum way way;
	unsigned count;
	unsigned cpus[2];
	struct line there, back;
	struct numbers out, home;
	uint64_t out_slots[SLOTS], home_slots[SLOTS];
	struct quoit_wake wake;
	struct quoit_notify notify;
	struct line asleep; /* the reader is about to sleep */
	struct io_uring ring;
	pthread_barrier_t start;
	uint64_t samples[TRIPS]; /* ticks */
};

static struct course course;
static uint64_t histograms[WAYS][BUCKETS];
static double medians[WAYS][ROUNDS_MOST];

/* --- round trips ----------------------------------------------------------------------------- */

static void bare_lead(struct course *c)
{
	for (unsigned i = 0; i < c->count; i++) {
		const uint64_t since = quoit_ticks();

		quoit_store_release(&c->there.number, i + 1); /* trip: pairs with bare_follow() */
		while (quoit_load_acquire(&c->back.number) != i + 1) /* trip: bare_follow() */
			;
		c->samples[i] = quoit_ticks() - since;
	}
}

static void bare_follow(struct course *c)
{
	for (unsigned i = 0; i < c->count; i++) {
		while (quoit_load_acquire(&c->there.number) != i + 1) /* trip: bare_lead() */
			;
		quoit_store_release(&c->back.number, i + 1); /* trip: pairs with bare_lead() */
	}
}

static void call_lead(struct course *c)
{
	lead_trips(&c->out, &c->home, c->samples, c->count);
}

static void call_follow(struct course *c)
{
	follow_trips(&c->out, &c->home, c->count);
}

static void cursor_lead(struct course *c)
{
	QUOIT_CURSOR struct numbers_writer out = numbers_write(&c->out);
	QUOIT_CURSOR struct numbers_reader home = numbers_read(&c->home);

	for (unsigned i = 0; i < c->count; i++) {
		const uint64_t since = quoit_ticks();
		uint64_t answer;

		if (!numbers_put_now(&out, i))
			die("the ring is full");
		while (!numbers_take(&home, &answer))
			;
		c->samples[i] = quoit_ticks() - since;
		if (answer != ~(uint64_t)i)
			die("sent %u, and got an answer to something else", i);
	}
	numbers_write_end(&out);
	numbers_read_end(&home);
}

static void cursor_follow(struct course *c)
{
	QUOIT_CURSOR struct numbers_writer home = numbers_write(&c->home);
	QUOIT_CURSOR struct numbers_reader out = numbers_read(&c->out);

	for (unsigned i = 0; i < c->count; i++) {
		uint64_t number;

		while (!numbers_take(&out, &number))
			;
		if (!numbers_put_now(&home, ~number))
			die("the ring is full");
	}
	numbers_write_end(&home);
	numbers_read_end(&out);
}

/* --- wakes ----------------------------------------------------------------------------------- */

/* Sleep until the eventfd is written to. */
static void await_bell(struct course *c)
{
	struct io_uring_cqe *cqe;

	if (io_uring_wait_cqe(&c->ring, &cqe) || cqe->res < 0 || !(cqe->flags & IORING_CQE_F_MORE))
		die("the poll has ended");
	io_uring_cqe_seen(&c->ring, cqe);
}

static void open_bell(struct course *c)
{
	struct io_uring_params params = {.flags = IORING_SETUP_SINGLE_ISSUER |
						  IORING_SETUP_DEFER_TASKRUN};
	struct io_uring_sqe *sqe;

	if (io_uring_queue_init_params(8, &c->ring, &params))
		die("io_uring is refused here");
	sqe = io_uring_get_sqe(&c->ring);
	io_uring_prep_poll_multishot(sqe, c->notify.fd, POLLIN);
	io_uring_submit(&c->ring);
}

/* Let the reader fall asleep: the time it takes is no part of a sample. */
static void wait_for_sleep(struct course *c, uint64_t number)
{
	const uint64_t from_ns = quoit_clock_now_ns();

	while (quoit_load_acquire(&c->asleep.number) != number || /* asleep: the reader's ends */
	       quoit_clock_now_ns() - from_ns < WAKE_GAP_US * 1000)
		quoit_relax();
}

static void bare_wake_lead(struct course *c)
{
	const uint64_t one = 1;

	for (unsigned i = 0; i < c->count; i++) {
		wait_for_sleep(c, i + 1);
		quoit_store_release(&c->there.number, quoit_ticks()); /* stamp: bare_wake_follow */
		if (write(c->notify.fd, &one, sizeof(one)) != sizeof(one))
			die("the bell is broken");
	}
	wait_for_sleep(c, c->count + 1);
}

static void bare_wake_follow(struct course *c)
{
	open_bell(c);
	for (unsigned i = 0; i < c->count; i++) {
		quoit_store_release(&c->asleep.number, i + 1); /* asleep: wait_for_sleep() */
		await_bell(c);
		c->samples[i] =
			quoit_ticks() - quoit_load_acquire(&c->there.number); /* stamp: the lead */
	}
	quoit_store_release(&c->asleep.number, c->count + 1); /* asleep: wait_for_sleep() */
	io_uring_queue_exit(&c->ring);
}

static void ring_wake_lead(struct course *c)
{
	for (unsigned i = 0; i < c->count; i++) {
		uint64_t stamp;

		wait_for_sleep(c, i + 1);
		stamp = quoit_ticks();
		if (!numbers_send_one(&c->out, &stamp))
			die("the ring is full");
	}
	wait_for_sleep(c, c->count + 1);
}

static void ring_wake_follow(struct course *c)
{
	open_bell(c);
	for (unsigned i = 0; i < c->count; i++) {
		uint64_t stamp;

		quoit_store_release(&c->asleep.number, i + 1); /* asleep: wait_for_sleep() */
		while (!numbers_recv_one(&c->out, &stamp)) {
			quoit_wake_arm(&c->wake);
			if (!quoit_spsc_has_news(&c->out.ring))
				await_bell(c);
			quoit_wake_disarm(&c->wake);
		}
		c->samples[i] = quoit_ticks() - stamp;
	}
	quoit_store_release(&c->asleep.number, c->count + 1); /* asleep: wait_for_sleep() */
	io_uring_queue_exit(&c->ring);
}

/* --- one round of one way -------------------------------------------------------------------- */

static void (*const leads[WAYS])(struct course *c) = {
	bare_lead, call_lead, cursor_lead, bare_wake_lead, ring_wake_lead,
};
static void (*const follows[WAYS])(struct course *c) = {
	bare_follow, call_follow, cursor_follow, bare_wake_follow, ring_wake_follow,
};

static void *follow_worker(void *arg)
{
	struct course *const c = arg;

	if (quoit_thread_pin(c->cpus[1]))
		die("cannot run on cpu %u", c->cpus[1]);
	pthread_barrier_wait(&c->start);
	follows[c->way](c);
	return NULL;
}

static void begin(struct course *c, enum way way)
{
	c->way = way;
	c->count = way < BARE_WAKE ? TRIPS : WAKES;
	c->there.number = c->back.number = c->asleep.number = 0;
	c->wake.armed = 0;
	if (numbers_init(&c->out, c->out_slots, SLOTS) ||
	    numbers_init(&c->home, c->home_slots, SLOTS))
		die("no rings of %d", SLOTS);
	if (way >= BARE_WAKE && quoit_notify_open(&c->notify, &c->wake))
		die("no eventfd");
	if (way == RING_WAKE)
		quoit_spsc_attach(&c->out.ring, &c->notify);
}

static unsigned bucket_of(uint64_t ns)
{
	const unsigned octave =
		ns >> STEPS_BITS ? 63 - (unsigned)__builtin_clzll(ns) - STEPS_BITS : 0;

	return (octave << STEPS_BITS) + (unsigned)(ns >> octave);
}

/* The smallest value of a bucket. */
static uint64_t value_of(unsigned bucket)
{
	const unsigned octave = bucket >> STEPS_BITS;

	return octave ? (uint64_t)((bucket & ((1u << STEPS_BITS) - 1)) + (1u << STEPS_BITS))
				<< (octave - 1)
		      : bucket;
}

static void run_way(struct course *c, enum way way, unsigned round, double tick_ns)
{
	pthread_t follower;

	begin(c, way);
	alarm(PATIENCE_S);
	pthread_barrier_init(&c->start, NULL, 2);
	if (pthread_create(&follower, NULL, follow_worker, c))
		die("no thread");
	pthread_barrier_wait(&c->start);
	leads[way](c);
	pthread_join(follower, NULL);
	pthread_barrier_destroy(&c->start);
	alarm(0);
	if (way >= BARE_WAKE)
		quoit_notify_close(&c->notify);
	for (unsigned i = 0; i < c->count; i++)
		histograms[way][bucket_of((uint64_t)((double)c->samples[i] * tick_ns))]++;
	qsort(c->samples, c->count, sizeof(c->samples[0]), by_size);
	medians[way][round] = (double)c->samples[c->count / 2] * tick_ns;
}

/* --- what came of it ------------------------------------------------------------------------- */

static uint64_t quantile(enum way way, double share)
{
	uint64_t all = 0, below = 0;
	unsigned b = 0;

	for (unsigned i = 0; i < BUCKETS; i++)
		all += histograms[way][i];
	for (; b < BUCKETS - 1; b++) {
		below += histograms[way][b];
		if ((double)below >= share * (double)all)
			break;
	}
	return value_of(b);
}

static void print_histogram(enum way way)
{
	uint64_t all = 0;

	printf("\n%s: p50 %lu ns, p99 %lu, p99.9 %lu\n", way_names[way], quantile(way, 0.5),
	       quantile(way, 0.99), quantile(way, 0.999));
	for (unsigned i = 0; i < BUCKETS; i++)
		all += histograms[way][i];
	for (unsigned low = 0, high; low < BUCKETS; low = high) {
		uint64_t n = 0;

		for (high = low; high < BUCKETS && value_of(high) / 2 < value_of(low); high++)
			n += histograms[way][high];
		if (high == low)
			high = low + 1;
		if (n)
			printf("  %9lu ns %8lu %.*s\n", value_of(low), n, (int)(60 * n / all) + 1,
			       "##########################################"
			       "####################");
	}
}

static void print_result(const char *cell, enum way ours, enum way bare, unsigned rounds)
{
	double ratios[ROUNDS_MOST];

	for (unsigned i = 0; i < rounds; i++)
		ratios[i] = medians[ours][i] / medians[bare][i];
	printf("RESULT name=bench-rings-latency cell=%s ours_ns=%lu bare_ns=%lu ratio=%.3f\n", cell,
	       quantile(ours, 0.5), quantile(bare, 0.5), median(ratios, rounds));
}

int main(int argc, char **argv)
{
	const long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : 9;
	struct quoit_idset set;
	double tick_ns;
	int second;

	if (rounds < 1 || rounds > ROUNDS_MOST)
		die("ROUNDS is a count up to %d", ROUNDS_MOST);
	if (quoit_thread_affinity(&set) || quoit_idset_count(&set) < 2) {
		puts("SKIP name=bench-rings-latency reason=\"it takes two cpus\"");
		return 0;
	}
	course.cpus[0] = (unsigned)quoit_idset_next(&set, 0);
	second = quoit_idset_next(&set, course.cpus[0] + 1);
	course.cpus[1] = (unsigned)second;
	if (quoit_thread_pin(course.cpus[0]))
		die("cannot run on cpu %u", course.cpus[0]);
	tick_ns = ns_per_tick();
	for (unsigned round = 0; round < (unsigned)rounds; round++)
		for (unsigned way = 0; way < WAYS; way++)
			run_way(&course, (enum way)((way + round) % WAYS), round, tick_ns);
	for (unsigned way = 0; way < WAYS; way++)
		print_histogram((enum way)way);
	puts("");
	print_result("round-trip", CALL_TRIP, BARE_TRIP, (unsigned)rounds);
	print_result("round-trip-cursor", CURSOR_TRIP, BARE_TRIP, (unsigned)rounds);
	print_result("wake", RING_WAKE, BARE_WAKE, (unsigned)rounds);
	return 0;
}
