/* SPDX-License-Identifier: MIT */
/*
 * random.h - random numbers that can be had again: splitmix64 (Vigna).
 *
 * random_seed() takes SEED from the environment, or the time; print it, so that a failure can be
 * replayed. The state is the caller's, so that threads do not share one.
 */
#ifndef QUOIT_TESTS_SUPPORT_RANDOM_H
#define QUOIT_TESTS_SUPPORT_RANDOM_H

#include <stdint.h>
#include <stdlib.h>
#include <time.h>

struct random {
	uint64_t state;
};

static inline uint64_t random_seed(void)
{
	const char *const given = getenv("SEED");

	return given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
}

/*
 * A number that has nothing in common with `z`, and no other number has it. Sums of these tell what
 * was counted twice and what not at all, which sums of numbers do not: 1 + 4 is 2 + 3.
 */
static inline uint64_t random_mix(uint64_t z)
{
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static inline uint64_t random_u64(struct random *random)
{
	return random_mix(random->state += UINT64_C(0x9e3779b97f4a7c15));
}

static inline uint64_t random_below(struct random *random, uint64_t n)
{
	return random_u64(random) % n;
}

#endif
