/* SPDX-License-Identifier: MIT */
/*
 * numbers.h - what the ring targets share: a ring of numbers whose copies the race detector sees.
 *
 * Items are numbered from 0, so whoever reads knows what must come next.
 */
#ifndef QUOIT_TESTS_MODEL_TARGETS_NUMBERS_H
#define QUOIT_TESTS_MODEL_TARGETS_NUMBERS_H

#include <string.h>

#include <model/model.h>

#define memcpy model_memcpy
#include <quoit/rings/typed.h>

#define SLOTS_MOST 4

QUOIT_SPSC(numbers, uint64_t);

/* A ring, its slots, and how far each side has come. */
struct lane {
	struct numbers q;
	QUOIT_ISOLATED uint64_t slots[SLOTS_MOST];
	QUOIT_ISOLATED uint64_t sent;	  /* the producer's */
	QUOIT_ISOLATED uint64_t received; /* the consumer's */
};

static inline void lane_setup(struct lane *lane, size_t capacity, uint64_t position)
{
	if (numbers_init(&lane->q, lane->slots, capacity) ||
	    quoit_spsc_init_at(&lane->q.ring, capacity, position))
		__builtin_trap();
}

#define LANE_NAMES(lane, prefix)                                                          \
	do {                                                                              \
		struct quoit_spsc *ring_ = &(lane)->q.ring;                               \
		model_name(&ring_->tail, sizeof(ring_->tail), prefix "tail");             \
		model_name(&ring_->head, sizeof(ring_->head), prefix "head");             \
		model_name(&ring_->closed, sizeof(ring_->closed), prefix "closed");       \
		model_name(&ring_->finished, sizeof(ring_->finished), prefix "finished"); \
		model_name((lane)->slots, sizeof((lane)->slots), prefix "slots");         \
		model_name(ring_, sizeof(*ring_), prefix "ring");                         \
	} while (0)

static inline void lane_take(struct lane *lane, const uint64_t *items, size_t n)
{
	for (size_t i = 0; i < n; i++)
		model_check(items[i] == lane->received + i, "an item is not the next one");
	lane->received += n;
}

static inline void lane_consumed(uint64_t *items, size_t n, bool more, void *ctx)
{
	(void)more;
	lane_take(ctx, items, n);
}

#endif
