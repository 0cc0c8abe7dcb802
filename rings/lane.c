/* SPDX-License-Identifier: MIT */
/* lane.c - what a lane does seldom: beginning, stepping over pinned blocks, counting, ending. */
#include <errno.h>

#include <quoit/rings/lane.h>

static bool is_power_of_two(size_t n)
{
	return n && !(n & (n - 1));
}

/* The sum of block `b` once every slot before `position` was given back, and none after. */
static uint64_t sum_at(const struct quoit_lane *lane, size_t b, uint64_t position)
{
	const uint64_t lap = position & ~lane->mask;
	const size_t here = (size_t)((position & lane->mask) >> lane->block_bits);

	if (b < here)
		return lap + lane->mask + 1;
	return b > here ? lap : lap + ((position & lane->block_mask) << lane->blocks_bits);
}

static size_t block_count(const struct quoit_lane *lane)
{
	return (size_t)1 << lane->blocks_bits;
}

int64_t quoit_lane_block_count(size_t capacity_slots, size_t block_slots)
{
	if (!is_power_of_two(capacity_slots) || capacity_slots > QUOIT_LANE_CAPACITY_MAX)
		return -EINVAL;
	if (!block_slots)
		return (int64_t)QUOIT_LANE_BLOCKS(capacity_slots);
	if (!is_power_of_two(block_slots) || block_slots > capacity_slots)
		return -EINVAL;
	return (int64_t)(capacity_slots / block_slots);
}

int quoit_lane_init_at(struct quoit_lane *lane, struct quoit_lane_block *blocks,
		       size_t capacity_slots, size_t block_slots, uint64_t position)
{
	const int64_t count = quoit_lane_block_count(capacity_slots, block_slots);

	if (count < 0)
		return (int)count;
	block_slots = capacity_slots / (size_t)count;
	*lane = (struct quoit_lane){
		.tail = position,
		.claim = position,
		.tail_own = position,
		.void_end = position,
		.limit = (position + block_slots - 1) & ~(uint64_t)(block_slots - 1),
		.blocks = blocks,
		.mask = capacity_slots - 1,
		.block_mask = block_slots - 1,
		.block_bits = (uint32_t)__builtin_ctzll(block_slots),
		.blocks_bits = (uint32_t)__builtin_ctzll((uint64_t)count),
	};
	for (size_t b = 0; b < block_count(lane); b++) {
		blocks[b].void_at = position - 1; /* where no consumer comes by any more */
		blocks[b].done = sum_at(lane, b, position);
	}
	return 0;
}

/*
 * Has everything in the block at `position` been claimed in the lap before? Then whoever still
 * holds part of it will only give it back, and nobody comes to see whether it is void.
 */
static bool was_claimed(const struct quoit_lane *lane, uint64_t position)
{
	const uint64_t end = position - lane->mask - 1 + lane->block_mask + 1;

	/* claim: pairs with quoit_lane_claim(); it only grows, so stale is early */
	return (int64_t)(quoit_load(&lane->claim) - end) >= 0;
}

/*
 * Make the pinned block at tail_own void: nobody will read it in this lap, so the whole lap is
 * counted as given back. Its holder's own give-back then completes the lap before. Should the
 * holder be quick, the block is written again one lap on while the consumers have yet to come by
 * the void one; its mark still stands then, since only was_claimed() lets it be set anew.
 */
static void skip_block(struct quoit_lane *lane)
{
	struct quoit_lane_block *const block = quoit__lane_block(lane, lane->tail_own);
	const uint64_t slots = lane->block_mask + 1;

	quoit_store(&block->void_at, lane->tail_own); /* seen with the next tail: publish */
	/* free: pairs with quoit__lane_is_free() */
	(void)quoit_add(&block->done, slots << lane->blocks_bits);
	lane->tail_own += slots;
	lane->limit += slots;
	quoit_store(&lane->void_end, lane->tail_own);
	quoit_count(&lane->stepped_over, 1);
}

bool quoit__lane_step_over(struct quoit_lane *lane, uint64_t want)
{
	uint64_t free_slots = lane->limit - lane->tail_own;
	uint64_t position = lane->limit;

	/*
	 * Only if something is free behind it: a ring that is full of unread blocks must not begin
	 * to give blocks away for every consumer that is a little late.
	 */
	for (size_t b = block_count(lane); b && free_slots < want; b--) {
		if (quoit__lane_is_free(lane, position))
			free_slots += lane->block_mask + 1;
		else if (!was_claimed(lane, position))
			return false;
		position += lane->block_mask + 1;
	}
	if (free_slots < want)
		return false;
	while (lane->limit == lane->tail_own) {
		if (quoit__lane_is_free(lane, lane->limit))
			lane->limit += lane->block_mask + 1;
		else
			skip_block(lane);
	}
	return true;
}

size_t quoit_lane_length(const struct quoit_lane *lane)
{
	/* claim: pairs with quoit_lane_claim(); first: a tail read later is never behind it */
	const uint64_t claim = quoit_load_acquire(&lane->claim);
	const uint64_t slots = lane->block_mask + 1;
	/* publish: pairs with quoit_lane_publish() */
	const uint64_t tail = quoit_load_acquire(&lane->tail);
	/* More than two laps lie between them only if we were stopped between the two looks. */
	const uint64_t span = quoit_min(quoit__lane_ahead(tail, claim), 2 * (lane->mask + 1));
	uint64_t n = span;

	/*
	 * Void blocks between them are not counted. One that was given back is written again before
	 * anybody claims past it, hence the second lap.
	 */
	if (quoit__lane_ahead(quoit_load(&lane->void_end), claim))
		for (uint64_t i = -claim & lane->block_mask; i < span; i += slots)
			if (quoit_load(&quoit__lane_block(lane, claim + i)->void_at) == claim + i)
				n -= slots;
	return (size_t)quoit_min(n, lane->mask + 1);
}

size_t quoit_lane_pending(const struct quoit_lane *lane)
{
	const uint64_t tail = quoit_load(&lane->tail); /* hint: no slot is looked at */
	uint64_t n = 0;

	for (size_t b = 0; b < block_count(lane); b++) {
		const uint64_t done =
			quoit_load(&lane->blocks[b].done); /* hint: of a moment past */

		n += quoit__lane_ahead(sum_at(lane, b, tail), done) >> lane->blocks_bits;
	}
	return (size_t)quoit_min(n, lane->mask + 1);
}

int quoit_lane_attach_meter(struct quoit_lane *lane, struct quoit_meter *meter)
{
#ifdef QUOIT_CONFIG_METRICS
	lane->meter = meter ? &meter->producer : NULL;
	lane->stepped_over_seen = quoit_load(&lane->stepped_over); /* ours */
	return 0;
#else
	(void)lane;
	(void)meter;
	return -EOPNOTSUPP;
#endif
}

/* An event that no sleeping reader must miss. Any thread, so nothing of the producer's. */
static void ring_bell(struct quoit_lane *lane)
{
	quoit__notify_tell(&lane->notify, &lane->callers);
	if (lane->group)
		quoit_group_tell_all(lane->group);
}

void quoit_lane_close(struct quoit_lane *lane)
{
	struct quoit_lane_waits *const waits = lane->waits;

	quoit_store_release(&lane->closed, 1); /* close: pairs with quoit_lane_is_closed() */
	if (waits) {
		quoit_crowd_signal_all(waits->crowd);
		quoit_event_signal(&waits->space);
	}
	ring_bell(lane);
}

void quoit_lane_finish(struct quoit_lane *lane)
{
	quoit_lane_publish(lane);
	quoit_store_release(&lane->finished, 1); /* finish: pairs with quoit_lane_is_drained() */
	if (lane->waits)
		quoit_crowd_signal_all(lane->waits->crowd); /* it may be the end for each */
	ring_bell(lane);
}

bool quoit_lane_is_drained(const struct quoit_lane *lane)
{
	uint64_t tail;

	/* finished before tail: the tail that follows is then the final one (defect D-18) */
	if (!quoit_load_acquire(&lane->finished)) /* finish: pairs with quoit_lane_finish() */
		return false;
	tail = quoit_load(&lane->tail); /* brought by finished */
	for (size_t b = 0; b < block_count(lane); b++) {
		/* free: pairs with quoit_lane_release() */
		if (quoit_load_acquire(&lane->blocks[b].done) != sum_at(lane, b, tail))
			return false;
	}
	return true;
}
