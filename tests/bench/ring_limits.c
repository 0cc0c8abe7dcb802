/* SPDX-License-Identifier: MIT */
/*
 * ring_limits.c - three figures to read the others by: a line's round trip, what memcpy does alone,
 * and what the figure is worth that is often shown for rings.
 *
 * The seed's benchmark fills batches as large as the ring with one constant, and its reader moves
 * the head without looking at an item: it measures memset. It is printed once, and by its name.
 */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <quoit/numa/clock.h>
#include <quoit/numa/thread.h>
#include <quoit/rings/line.h>
#include <quoit/rings/typed.h>

enum {
	COUNT_SLOTS = 32768,
	COUNT_BATCHES = 20000,
	COPY_TOTAL = 1 << 30,
};

QUOIT_SPSC(words, uint64_t);

struct count_only {
	struct words q;
	unsigned cpu;
	uint64_t slots[COUNT_SLOTS];
};

static struct count_only count_only;
static char from[4 << 20], to[4 << 20];

static void *count_worker(void *arg)
{
	struct count_only *const c = arg;
	size_t got = 0;

	if (quoit_thread_pin(c->cpu))
		return NULL;
	while (got < (size_t)COUNT_SLOTS * COUNT_BATCHES)
		got += quoit_spsc_discard(&c->q.ring, SIZE_MAX);
	return NULL;
}

/* Slots a second that nobody reads; 0 if it could not be measured. */
static double count(unsigned cpu, unsigned other_cpu)
{
	struct count_only *const c = &count_only;
	const uint64_t began_ns = quoit_clock_now_ns();
	pthread_t reader;

	c->cpu = other_cpu;
	if (quoit_thread_pin(cpu) || words_init(&c->q, c->slots, COUNT_SLOTS) ||
	    pthread_create(&reader, NULL, count_worker, c))
		return 0;
	for (size_t i = 0; i < COUNT_BATCHES;) {
		size_t at;

		if (quoit_spsc_reserve(&c->q.ring, COUNT_SLOTS, &at) != COUNT_SLOTS)
			continue;
		memset(c->slots + at, 1, sizeof(c->slots));
		quoit_spsc_commit(&c->q.ring, COUNT_SLOTS);
		i++;
	}
	pthread_join(reader, NULL);
	return (double)COUNT_SLOTS * COUNT_BATCHES * 1e9 /
	       (double)(quoit_clock_now_ns() - began_ns);
}

static double copy_gbs(size_t bytes)
{
	const size_t times = COPY_TOTAL / bytes;
	const uint64_t began_ns = quoit_clock_now_ns();

	for (size_t i = 0; i < times; i++) {
		memcpy(to, from, bytes);
		__asm__ volatile("" ::"r"(to), "r"(from) : "memory");
	}
	return (double)(times * bytes) / (double)(quoit_clock_now_ns() - began_ns);
}

int main(void)
{
	static const size_t sizes[] = {32 << 10, 256 << 10, 512 << 10, 4 << 20};
	struct quoit_idset set;
	uint64_t trip = 0;
	int first, second;

	if (quoit_thread_affinity(&set))
		return 1;
	first = quoit_idset_next(&set, 0);
	second = quoit_idset_next(&set, (unsigned)first + 1);
	memset(from, 1, sizeof(from));
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		printf("memcpy of %zu KiB, one thread alone: %.1f GB/s\n", sizes[i] >> 10,
		       copy_gbs(sizes[i]));
	if (second < 0) {
		puts("SKIP name=bench-rings-limits reason=\"it takes two cpus\"");
		return 0;
	}
	if (!quoit_line_round_trip((unsigned)first, (unsigned)second, &trip))
		printf("line round trip: %lu ticks\n", trip);
	printf("count-only figure as the seed took it, comparable with nothing, nobody reads an "
	       "item:"
	       " %.0f M u64/s\n",
	       count((unsigned)first, (unsigned)second) / 1e6);
	return 0;
}
