/* SPDX-License-Identifier: MIT */
/*
 * measure.h - what the benchmarks of waits and round trips share: giving up, medians, ticks in ns,
 * and a ring of numbers.
 */
#ifndef TESTS_BENCH_MEASURE_H
#define TESTS_BENCH_MEASURE_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <quoit/numa/clock.h>
#include <quoit/rings/typed.h>

#define ROUNDS_MOST 99

QUOIT_SPSC(numbers, uint64_t);

__attribute__((noreturn, format(printf, 1, 2))) static inline void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static inline int by_size(const void *a, const void *b)
{
	const uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

static inline int by_value(const void *a, const void *b)
{
	const double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

/* Of up to ROUNDS_MOST values. */
static inline double median(const double *list, unsigned n)
{
	double sorted[ROUNDS_MOST];

	memcpy(sorted, list, n * sizeof(*list));
	qsort(sorted, n, sizeof(*sorted), by_value);
	return sorted[n / 2];
}

static inline double ns_per_tick(void)
{
	const uint64_t ns = quoit_clock_now_ns(), ticks = quoit_ticks();

	usleep(50000);
	return (double)(quoit_clock_now_ns() - ns) / (double)(quoit_ticks() - ticks);
}

/* --- a number there and back over two rings -------------------------------------------------- */

static inline void lead_trips(struct numbers *out, struct numbers *home, uint64_t *samples,
			      unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		const uint64_t since = quoit_ticks(), number = i;
		uint64_t answer;

		if (!numbers_send_one(out, &number))
			die("the ring is full");
		while (!numbers_recv_one(home, &answer))
			;
		samples[i] = quoit_ticks() - since;
		if (answer != ~number)
			die("sent %u, and got an answer to something else", i);
	}
}

static inline void follow_trips(struct numbers *out, struct numbers *home, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		uint64_t number;

		while (!numbers_recv_one(out, &number))
			;
		number = ~number;
		if (!numbers_send_one(home, &number))
			die("the ring is full");
	}
}

#endif
