/* SPDX-License-Identifier: MIT */
/*
 * mpmc_search.c - how a consumer of an MPMC ring finds a lane with something in it: in its shard,
 * then at the fullest lane, then anywhere. Takes no lock and waits for nobody.
 */
#include <quoit/rings/mpmc.h>

/* So many searches later one begins anywhere, or who owns a shard and stops would starve it. */
#define STRAY_EVERY 16

/* Xorshift (Marsaglia 2003). */
static uint64_t random_next(struct quoit_mpmc_consumer *consumer)
{
	consumer->random ^= consumer->random << 13;
	consumer->random ^= consumer->random >> 7;
	consumer->random ^= consumer->random << 17;
	return consumer->random;
}

static bool has_producer(const struct quoit_mpmc *ring, size_t i)
{
	return !quoit_load(&ring->lanes[i]->lane.finished); /* hint: the next deal tells */
}

/*
 * Find out which lanes are in the shard: of the `producing` lanes that have a producer a fair part,
 * but at least shard_lanes of them, so that with few producers every consumer still has one of its
 * own. Shards may overlap, and together they hold every such lane.
 */
static void reseat(struct quoit_mpmc_consumer *consumer, size_t count)
{
	const struct quoit_mpmc *const ring = consumer->ring;
	const size_t consumers = (size_t)quoit_load(&ring->consumers); /* 1 at least: we are here */
	const size_t rank = (size_t)quoit_load(&ring->ranks[consumer->seat]);
	size_t producing = 0, wanted, first, i = 0;

	for (size_t k = 0; k < count; k++)
		producing += has_producer(ring, k);
	wanted = quoit_max((producing + consumers - 1) / consumers, ring->shard_lanes);
	wanted = quoit_min(wanted, producing);
	first = producing ? rank * producing / consumers % producing : 0;
	consumer->shard_turn = consumer->shard_span = 0;
	consumer->stay = 0;
	/* Those that left since we counted are no reason to go round twice. */
	for (; i < count && (!has_producer(ring, i) || first--); i++)
		;
	consumer->shard_first = i % count;
	while (wanted && consumer->shard_span < count)
		wanted -= has_producer(ring, (i + consumer->shard_span++) % count);
}

/* Try one lane. Whoever gets something may stay there for `stay` items in all. */
static enum quoit_claim_status try_lane(struct quoit_mpmc_consumer *consumer, size_t i, size_t stay,
					size_t most, struct quoit_claim *claim)
{
	struct quoit_mpmc_lane *const lane = consumer->ring->lanes[i];
	enum quoit_claim_status status;

	if (consumer->lane != lane) {
		consumer->lane = lane;
		/* publish: pairs with quoit_lane_publish() */
		consumer->tail_seen = quoit_load_acquire(&lane->lane.tail);
	}
	status = quoit_lane_claim(&lane->lane, &consumer->tail_seen, quoit_min(most, stay), claim);
	consumer->stay = status == QUOIT_CLAIM_GOT ? stay - claim->n : 0;
	consumer->races_lost += status == QUOIT_CLAIM_LOST;
	return status;
}

/* The lanes of the shard but for `empty`, beginning behind the one that had its turn. */
static enum quoit_claim_status search_shard(struct quoit_mpmc_consumer *consumer, size_t count,
					    const struct quoit_mpmc_lane *empty, size_t most,
					    struct quoit_claim *claim)
{
	enum quoit_claim_status status = QUOIT_CLAIM_EMPTY;
	const size_t span = consumer->shard_span;
	bool lost = false;

	for (size_t k = 0; k < span; k++) {
		size_t i;

		consumer->shard_turn = (consumer->shard_turn + 1) % span;
		i = (consumer->shard_first + consumer->shard_turn) % count;
		if (consumer->ring->lanes[i] == empty)
			continue;
		status = try_lane(consumer, i, QUOIT_MPMC_ROTATE, most, claim);
		if (status == QUOIT_CLAIM_GOT) {
			consumer->from_shard++;
			return status;
		}
		lost |= status == QUOIT_CLAIM_LOST;
	}
	return lost ? QUOIT_CLAIM_LOST : QUOIT_CLAIM_EMPTY;
}

static bool in_shard(const struct quoit_mpmc_consumer *consumer, size_t i, size_t count)
{
	return (i + count - consumer->shard_first) % count < consumer->shard_span;
}

/*
 * Which lane has most in it now, which no bookkeeping can get wrong (defect D-24); with near_first
 * one on the consumer's own node before any other. Those of the shard are left out if they were
 * just seen to be empty. Gives `count` if all are: then each has been looked at.
 */
static size_t find_fullest(const struct quoit_mpmc_consumer *consumer, size_t count,
			   bool shard_empty)
{
	const struct quoit_mpmc *const ring = consumer->ring;
	size_t fullest = count, best = 0;
	bool best_near = false;

	for (size_t i = 0; i < count; i++) {
		size_t n;
		bool near;

		if (shard_empty && in_shard(consumer, i, count))
			continue;
		n = quoit_lane_occupancy(&ring->lanes[i]->lane);
		near = ring->near_first && ring->lanes[i]->node == consumer->node;
		if (n && (near > best_near || (near == best_near && n > best))) {
			fullest = i;
			best = n;
			best_near = near;
		}
	}
	return fullest;
}

/*
 * Help out at lane `i`. Who gets something stays for what it has seen there, because the next look
 * takes the line away from a producer that another consumer is fond of; then it looks at home.
 */
static enum quoit_claim_status help_out(struct quoit_mpmc_consumer *consumer, size_t i, size_t most,
					struct quoit_claim *claim)
{
	const enum quoit_claim_status status =
		try_lane(consumer, i, QUOIT_MPMC_ROTATE, most, claim);
	int64_t seen;

	if (status != QUOIT_CLAIM_GOT)
		return status;
	/* hint: just moved by us, or later by others */
	seen = (int64_t)(consumer->tail_seen - quoit_load(&consumer->lane->lane.claim));
	consumer->stay = seen > 0 ? quoit_min((size_t)seen, consumer->stay) : 0;
	consumer->helping = true;
	consumer->from_fullest++;
	return status;
}

/* All lanes, beginning anywhere. */
static enum quoit_claim_status search_all(struct quoit_mpmc_consumer *consumer, size_t count,
					  size_t most, struct quoit_claim *claim)
{
	const size_t first = (size_t)(random_next(consumer) % count);
	bool lost = false;

	for (size_t k = 0; k < count; k++) {
		const enum quoit_claim_status status =
			try_lane(consumer, (first + k) % count, most, most, claim);

		if (status == QUOIT_CLAIM_GOT) {
			consumer->stay = 0;
			consumer->from_any++;
			return status;
		}
		lost |= status == QUOIT_CLAIM_LOST;
	}
	return lost ? QUOIT_CLAIM_LOST : QUOIT_CLAIM_EMPTY;
}

enum quoit_claim_status quoit__mpmc_search(struct quoit_mpmc_consumer *consumer,
					   const struct quoit_mpmc_lane *empty, size_t most,
					   struct quoit_claim *claim)
{
	const struct quoit_mpmc *const ring = consumer->ring;
	/* shards: pairs with deal() */
	const uint64_t seating = quoit_load_acquire(&ring->seating);
	const size_t count = quoit__mpmc_lanes(ring);
	enum quoit_claim_status status;

	if (!count)
		return QUOIT_CLAIM_EMPTY;
	if (quoit_unlikely(seating != consumer->seating_seen)) {
		consumer->seating_seen = seating;
		reseat(consumer, count);
	}
	consumer->helping = false;
	if (++consumer->searches % STRAY_EVERY) {
		size_t fullest;

		status = search_shard(consumer, count, empty, most, claim);
		if (status == QUOIT_CLAIM_GOT)
			return status;
		fullest = find_fullest(consumer, count, status == QUOIT_CLAIM_EMPTY);
		if (fullest == count)
			return QUOIT_CLAIM_EMPTY;
		status = help_out(consumer, fullest, most, claim);
		if (status == QUOIT_CLAIM_GOT)
			return status;
	}
	return search_all(consumer, count, most, claim);
}
