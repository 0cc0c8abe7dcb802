/* SPDX-License-Identifier: MIT */
/* soak.h - two processes and a ring between them for as many numbers as they are given. */
#ifndef QUOIT_TESTS_SHARED_SOAK_H
#define QUOIT_TESTS_SHARED_SOAK_H

#include <sys/socket.h>

#include <quoit/rings/typed_shring.h>

#include <stress/stress.h>

#define SOAK_BITS    10
#define SOAK_BATCH   512 /* the most that one call moves */
#define SOAK_MISSING 64	 /* numbers that are waited for */

/* A message is its number times an odd number: half of one is neither. */
#define SOAK_FACTOR   UINT64_C(0x9e3779b97f4a7c15)
#define SOAK_UNFACTOR UINT64_C(0xf1de83e19937733d) /* their product is 1 */

QUOIT_SHRING(words, uint64_t);

struct soak_side;

/* One way to use a ring; 0 if nothing could be moved. */
struct soak_way {
	const char *name;
	bool waits, bells, hardened;
	size_t (*send)(struct soak_side *side, const uint64_t *words, size_t n);
	size_t (*receive)(struct soak_side *side, uint64_t *words, size_t most);
};

enum soak_fault {
	SOAK_SOUND,
	SOAK_LOSE,
	SOAK_SWAP,
	SOAK_DOUBLE,
	SOAK_FAULTS,
};

/* The consumer's, seen by the onlooker. */
struct soak_verdict {
	uint64_t messages;
	uint64_t next; /* the number that should come */
	uint64_t lost;
	uint64_t reordered;
	uint64_t foreign;
	uint64_t wakes; /* of the producer's */
	uint64_t missing[SOAK_MISSING];
};

struct soak_run {
	const struct soak_way *way;
	uint64_t count;
	uint64_t seed;
	enum soak_fault fault;
	struct soak_verdict *verdict; /* shared by all three */
};

struct soak_side {
	struct soak_run *run;
	struct words *q;
	int sock; /* to the other */
	struct random random;
	uint64_t pause_every;
	uint64_t until_pause;
};

static inline uint64_t soak_word(uint64_t number)
{
	return number * SOAK_FACTOR;
}

extern const struct soak_way soak_ways[]; /* ended by one without a name */

/* --- soak.c --- */

/* These came, in this order. */
void soak_judge(struct soak_verdict *verdict, const uint64_t *words, size_t n);

/* Now and then, after so many messages: sleep for a while, or yield. */
void soak_pause(struct soak_side *side, size_t n);

/* --- soak_sides.c --- */

void soak_produce(struct soak_side *side);
void soak_consume(struct soak_side *side);

#endif
