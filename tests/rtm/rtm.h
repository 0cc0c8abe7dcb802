/* SPDX-License-Identifier: MIT */
/*
 * rtm.h - a pool, and what it must look like: what the parts of this program share.
 *
 * A shadow keeps every block that one thread has: its bytes are filled with words that no other
 * block has, and where it lies is marked in a map that all threads with the same pool share, so
 * that two blocks that overlap meet in one place or the other. What the pool says of itself is
 * compared with the sums.
 */
#ifndef QUOIT_TESTS_RTM_RTM_H
#define QUOIT_TESTS_RTM_RTM_H

#include <quoit/numa/rtm.h>

#include <stress/stress.h>

#define RTM_BLOCKS_MOST 4096
#define RTM_TOTAL	((size_t)1 << 20)

/* Where blocks are: a mark for each unit of the pool's alignment, with the head in front of it. */
struct map {
	char *base;
	uint8_t *marks;
	size_t bytes; /* of the pool's memory */
	size_t unit;
	bool shared; /* by threads */
};

struct piece {
	char *data;
	size_t size;
	size_t align;
	uint64_t word; /* what its bytes follow from */
};

struct shadow {
	struct quoit_rtm_pool *pool;
	struct map *map;
	struct random random;
	uint64_t seed;
	struct piece pieces[RTM_BLOCKS_MOST];
	size_t count;
	size_t used;
	bool alone; /* nobody else has blocks of this pool */
	uint64_t operations;
	uint64_t refused;
	uint64_t failures;
	char first_failure[160];
};

/* Note that something is wrong; the first is kept in words. */
void shadow_fail(struct shadow *s, const char *what, size_t a, size_t b);

void map_open(struct map *map, struct quoit_rtm_pool *pool, bool is_shared);
void map_close(struct map *map);

void shadow_open(struct shadow *s, struct quoit_rtm_pool *pool, struct map *map, uint64_t seed);

/* One operation each. Tells whether the pool granted it. */
bool shadow_alloc(struct shadow *s, size_t size, size_t align);
bool shadow_realloc(struct shadow *s, size_t which, size_t size);
void shadow_free(struct shadow *s, size_t which);
void shadow_free_all(struct shadow *s);

/* The same by halves: who gives it back may be another thread. */
struct piece shadow_let_go(struct shadow *s, size_t which);
bool piece_is_whole(const struct piece *piece);

/* What the pool is asked about itself; only for who may. */
void shadow_judge(struct shadow *s);

/* Everything came back: one free block, all bytes to be had. */
void shadow_judge_empty(struct shadow *s);

/* At most so many random operations, in moods that change; or one programme of an adversary. */
void play(struct shadow *s, uint64_t operations);
void play_adversaries(struct shadow *s);
#define ADVERSARIES 6

/* Count instructions; see steps.c. Gives false where it cannot be done here. */
struct steps {
	uint64_t alloc, free, realloc; /* the most of any call */
	uint64_t calls;
	uint64_t failures;
};
bool count_steps(struct steps *steps, const char **why_not);

#endif
