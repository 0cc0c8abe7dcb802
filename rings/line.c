/* SPDX-License-Identifier: MIT */
/* line.c - two threads and two lines between them. */
#include <quoit/numa/sys_internal.h>

#include <pthread.h>
#include <stdlib.h>

#include <quoit/numa/atomic.h>
#include <quoit/numa/clock.h>
#include <quoit/numa/thread.h>
#include <quoit/rings/line.h>

#define BATCHES		64u
#define TRIPS		64u
#define DEADLINE_NS	100000000u
#define LOOKS_PER_CLOCK 1024u

/* One end of the pair. The other one answers `sent` with the same number. */
struct end {
	QUOIT_ISOLATED uint64_t sent; /* written here, read by the other end */
	QUOIT_ISOLATED struct end *other;
	unsigned cpu;
	bool leads;
	int rc;
	uint64_t until_ns;
	uint64_t trip_ticks[BATCHES];
};

/* Wait until the other end has sent `number`. False when it is too late. */
static bool await(struct end *end, uint64_t number)
{
	uint64_t looks = 0;

	while (quoit_load(&end->other->sent) < number) /* the number is all there is to see */
		if (++looks % LOOKS_PER_CLOCK == 0 && quoit_clock_now_ns() > end->until_ns)
			return false;
	return true;
}

static void post(struct end *end, uint64_t number)
{
	quoit_store(&end->sent, number);
}

static int lead(struct end *end)
{
	uint64_t number = 1;

	post(end, number);
	for (size_t i = 0; i < BATCHES; i++) {
		const uint64_t since = quoit_ticks();

		for (size_t trip = 0; trip < TRIPS; trip++) {
			if (!await(end, number))
				return -ETIMEDOUT;
			post(end, ++number);
		}
		end->trip_ticks[i] = (quoit_ticks() - since) / TRIPS;
	}
	return 0;
}

static int follow(struct end *end)
{
	for (uint64_t number = 1; number <= BATCHES * TRIPS; number++) {
		if (!await(end, number))
			return -ETIMEDOUT;
		post(end, number);
	}
	return 0;
}

static void *run(void *arg)
{
	struct end *const end = arg;

	end->rc = quoit_thread_pin(end->cpu);
	if (!end->rc)
		end->rc = end->leads ? lead(end) : follow(end);
	return NULL;
}

static int by_size(const void *a, const void *b)
{
	const uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

static uint64_t median(struct end *leader)
{
	qsort(leader->trip_ticks, BATCHES, sizeof(leader->trip_ticks[0]), by_size);
	return leader->trip_ticks[BATCHES / 2];
}

int quoit_line_round_trip(unsigned cpu, unsigned other_cpu, uint64_t *ticks)
{
	const uint64_t until_ns = quoit_clock_now_ns() + DEADLINE_NS;
	struct end ends[2] = {
		{.other = &ends[1], .cpu = cpu, .leads = true, .until_ns = until_ns},
		{.other = &ends[0], .cpu = other_cpu, .until_ns = until_ns},
	};
	pthread_t threads[2];
	int rc;

	if (cpu == other_cpu)
		return -EINVAL;
	rc = pthread_create(&threads[0], NULL, run, &ends[0]);
	if (rc)
		return -rc;
	rc = pthread_create(&threads[1], NULL, run, &ends[1]);
	if (!rc)
		pthread_join(threads[1], NULL);
	pthread_join(threads[0], NULL); /* without a partner it gives up at the deadline */
	if (rc)
		return -rc;
	rc = ends[0].rc;
	if (ends[1].rc && ends[1].rc != -ETIMEDOUT) /* a refused cpu makes the other end late */
		rc = ends[1].rc;
	if (!rc)
		*ticks = median(&ends[0]);
	return rc;
}
