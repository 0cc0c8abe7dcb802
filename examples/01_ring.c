/* SPDX-License-Identifier: MIT */
/*
 * 01_ring.c - two threads, one ring, and a reader that sleeps while there is nothing to read.
 *
 *     build/release/examples/01_ring             # ten million readings
 *     build/release/examples/01_ring 100000      # fewer
 *
 * One thread measures in bursts with pauses between, the other sums up. The ring's slots lie in the
 * memory of the node that reads them. There is no io_uring here: a ring needs nothing but memory
 * and, to wake a reader that sleeps, an eventfd.
 *
 * What to look at: the four lines from quoit_wake_arm() to quoit_wake_disarm(), which are how
 * anybody sleeps on any number of rings; and the last line of the output: nearly all publications
 * found the reader awake, and cost no system call.
 */
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>

#include <quoit/numa/region.h>
#include <quoit/numa/thread.h>
#include <quoit/numa/topology.h>
#include <quoit/rings/typed.h>

#define SLOTS 4096

struct reading {
	uint64_t number;
	uint64_t celsius;
};

QUOIT_SPSC(readings, struct reading);

static struct readings ring;
static struct quoit_wake wake;	   /* the reader's: does it sleep? */
static struct quoit_notify notify; /* what a writer needs to wake it */

static struct {
	unsigned writer_cpu, reader_cpu;
	int reader_node;
	uint64_t readings;
} plan = {.readings = 10000000};

static void move_to(unsigned cpu)
{
	if (quoit_thread_pin(cpu) < 0)
		fprintf(stderr, "not allowed to stay on cpu %u: slower, not wrong\n", cpu);
}

/* --- the writer ------------------------------------------------------------------------------ */

static void *write_readings(void *arg)
{
	const struct timespec pause = {.tv_nsec = 100000};

	(void)arg;
	move_to(plan.writer_cpu);
	for (uint64_t n = 0; n < plan.readings; n++) {
		const struct reading reading = {.number = n, .celsius = 20 + n % 7};

		while (!readings_send(&ring, &reading, 1))
			sched_yield(); /* full: the reader is behind */
		if (n % 100000 == 99999)
			nanosleep(&pause, NULL); /* long enough for it to fall asleep */
	}
	quoit_spsc_finish(&ring.ring);
	return NULL;
}

/* --- the reader ------------------------------------------------------------------------------ */

struct summary {
	uint64_t readings, batches, sleeps, out_of_order, celsius;
};

/* Gets whole runs of readings, in place. */
static void sum_up(struct reading *run, size_t n, bool more, void *ctx)
{
	struct summary *sum = ctx;

	(void)more;
	sum->batches++;
	for (size_t i = 0; i < n; i++) {
		sum->out_of_order += run[i].number != sum->readings++;
		sum->celsius += run[i].celsius;
	}
}

static void sleep_until_rung(struct summary *sum)
{
	struct pollfd bell = {.fd = notify.fd, .events = POLLIN};
	eventfd_t rings;

	sum->sleeps++;
	(void)poll(&bell, 1, -1);	       /* interrupted is as good as rung: we look again */
	(void)eventfd_read(notify.fd, &rings); /* so that the next poll waits */
}

static struct summary read_readings(void)
{
	struct summary sum = {0};

	while (!quoit_spsc_is_drained(&ring.ring)) {
		if (readings_consume(&ring, SLOTS, sum_up, &sum))
			continue;
		quoit_wake_arm(&wake);
		if (!quoit_spsc_has_news(&ring.ring) && !quoit_spsc_is_drained(&ring.ring))
			sleep_until_rung(&sum);
		quoit_wake_disarm(&wake);
	}
	return sum;
}

/* --- the whole ------------------------------------------------------------------------------- */

/* The writer on the first cpu that we may use, the reader on the last. */
static int choose_places(struct quoit_reason *why)
{
	struct quoit_topology topology;
	const int rc = quoit_topology_load(&topology, NULL, why);

	if (rc < 0)
		return rc;
	plan.writer_cpu = topology.cpus[0].cpu;
	plan.reader_cpu = topology.cpus[topology.cpu_count - 1].cpu;
	plan.reader_node =
		quoit_topology_memory_node(&topology, topology.cpus[topology.cpu_count - 1].node);
	quoit_topology_fini(&topology);
	return 0;
}

static int make_ring(struct quoit_region *region, struct quoit_reason *why)
{
	const struct quoit_region_options options = {
		.bytes = SLOTS * sizeof(struct reading),
		.node = plan.reader_node,
	};
	struct reading *slots;
	int rc = quoit_region_open(region, &options, why);

	if (rc < 0)
		return rc;
	slots = quoit_region_take(region, options.bytes, QUOIT_ISOLATION);
	rc = readings_init(&ring, slots, SLOTS);
	if (!rc)
		rc = quoit_notify_open(&notify, &wake);
	if (rc < 0)
		return quoit_reason_set(why, rc, "no ring: %d", rc);
	quoit_spsc_attach(&ring.ring, &notify);
	return 0;
}

int main(int argc, char **argv)
{
	struct quoit_region region = {0};
	struct quoit_reason why = {0};
	struct summary sum;
	pthread_t writer;

	if (argc > 1)
		plan.readings = strtoull(argv[1], NULL, 10);
	if (choose_places(&why) < 0 || make_ring(&region, &why) < 0) {
		fprintf(stderr, "01_ring: %s\n", why.text);
		return 2;
	}
	move_to(plan.reader_cpu);
	if (pthread_create(&writer, NULL, write_readings, NULL)) {
		fprintf(stderr, "01_ring: no thread can be started\n");
		return 2;
	}
	sum = read_readings();
	pthread_join(writer, NULL);
	printf("cpu %u -> cpu %u, slots on node %d%s\n", plan.writer_cpu, plan.reader_cpu,
	       plan.reader_node, region.degraded ? " if the kernel had let us" : "");
	printf("%llu readings in %llu batches, %llu out of order, %.2f degrees on average\n",
	       (unsigned long long)sum.readings, (unsigned long long)sum.batches,
	       (unsigned long long)sum.out_of_order,
	       (double)sum.celsius / (double)(sum.readings + !sum.readings));
	printf("the reader slept %llu times; %llu bells were rung and %llu saved\n",
	       (unsigned long long)sum.sleeps, (unsigned long long)ring.ring.bells_rung,
	       (unsigned long long)ring.ring.bells_saved);
	quoit_notify_close(&notify);
	quoit_region_close(&region);
	return sum.readings != plan.readings || sum.out_of_order;
}
