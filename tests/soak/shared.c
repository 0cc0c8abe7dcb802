/* SPDX-License-Identifier: MIT */
/*
 * shared.c - rings that several consumers share: SPMC and MPMC.
 *
 * One consumer sees growing numbers of each producer; what the others got in between is theirs. A
 * claim is now and then held while its thread sleeps, so producers step over blocks.
 */
#include <quoit/rings/typed_shared.h>

#include <soak/soak.h>

QUOIT_SPMC(tasks, struct soak_item);
QUOIT_MPMC(jobs, struct soak_item);

static struct tasks tasks_q;
static struct tasks_consumer tasks_seats[SOAK_SIDE_MOST];
static struct jobs jobs_q;
static struct jobs_producer jobs_producers[SOAK_SIDE_MOST];
static struct jobs_consumer jobs_seats[SOAK_SIDE_MOST];

static void handle(struct soak_item *items, size_t n, void *ctx)
{
	soak_note(ctx, items, n);
}

/* The two rings differ in name and in what a producer is, so what a thread does is stamped. */
#define SHARED_KIND(name, kind, producer)                                                         \
	static size_t name##_send_some(struct soak_thread *t, uint64_t number, size_t want)       \
	{                                                                                         \
		const uint64_t dice = random_u64(&t->random);                                     \
		struct soak_item items[SOAK_BATCH], *to;                                          \
		size_t n = 0;                                                                     \
                                                                                                  \
		if (dice % 3 == 0) {                                                              \
			for (; n < want; n++) {                                                   \
				soak_fill(items, number + n, t->index, 0);                        \
				if (!name##_send_one(producer, items))                            \
					break;                                                    \
			}                                                                         \
			return n;                                                                 \
		}                                                                                 \
		if (dice % 3 == 1) {                                                              \
			want = quoit_min(want, SOAK_BATCH);                                       \
			soak_fill_all(items, want, number, t->index, 0);                          \
			if (dice & 8)                                                             \
				return name##_send_all(producer, items, want) ? want : 0;         \
			return name##_send(producer, items, want);                                \
		}                                                                                 \
		to = dice & 8 ? name##_reserve(producer, quoit_min(want, 64), &n)                 \
			      : name##_reserve_some(producer, want, &n);                          \
		if (!to)                                                                          \
			return 0;                                                                 \
		soak_fill_all(to, n, number, t->index, 0);                                        \
		soak_pause(t, n);                                                                 \
		name##_commit(producer, n);                                                       \
		return n;                                                                         \
	}                                                                                         \
                                                                                                  \
	static size_t name##_pop_some(struct soak_thread *t, struct name##_consumer *c,           \
				      size_t most)                                                \
	{                                                                                         \
		struct soak_item item;                                                            \
		size_t n = 0;                                                                     \
                                                                                                  \
		/* What pop has claimed ahead is popped too: nothing is left lying. */            \
		while ((n < most || quoit_##kind##_unpopped(&c->seat)) && name##_pop(c, &item)) { \
			soak_note(t, &item, 1);                                                   \
			n++;                                                                      \
		}                                                                                 \
		return n;                                                                         \
	}                                                                                         \
                                                                                                  \
	static size_t name##_receive(struct soak_thread *t, size_t most)                          \
	{                                                                                         \
		struct name##_consumer *const c = &name##_seats[t->index];                        \
		struct soak_item items[SOAK_BATCH], *at;                                          \
		struct quoit_claim claim;                                                         \
		size_t n = 0;                                                                     \
                                                                                                  \
		switch (random_below(&t->random, 4)) {                                            \
		case 0:                                                                           \
			return name##_consume(c, most, handle, t);                                \
		case 1:                                                                           \
			return name##_pop_some(t, c, most);                                       \
		case 2:                                                                           \
			n = name##_steal(c, items, quoit_min(most, SOAK_BATCH));                  \
			soak_note(t, items, n);                                                   \
			return n;                                                                 \
		default:                                                                          \
			at = name##_take(c, most, &claim);                                        \
			if (!at)                                                                  \
				return 0;                                                         \
			n = claim.n;                                                              \
			soak_note(t, at, n);                                                      \
			soak_pause(t, n);                                                         \
			name##_release(c, &claim, n / 2);                                         \
			name##_release(c, &claim, n - n / 2);                                     \
			return n;                                                                 \
		}                                                                                 \
	}

SHARED_KIND(tasks, spmc, &tasks_q)
SHARED_KIND(jobs, mpmc, &jobs_producers[t->index])

/* --- SPMC ------------------------------------------------------------------------------------ */

static void tasks_open(struct soak_run *run)
{
	static struct soak_item slots[SOAK_CAPACITY];
	static struct quoit_lane_block blocks[QUOIT_LANE_BLOCKS(SOAK_CAPACITY)];
	const struct quoit_spmc_options options = {SOAK_CAPACITY, 0, run->kind->consumers};

	if (tasks_init(&tasks_q, slots, blocks, &options) ||
	    quoit_spmc_init_at(&tasks_q.ring, slots, blocks, &options,
			       (UINT64_C(1) << 32) - 2 * SOAK_CAPACITY))
		abort();
	for (uint32_t i = 0; i < run->kind->consumers; i++)
		if (tasks_register_consumer(&tasks_q, &tasks_seats[i]))
			abort();
}

static void tasks_close(void)
{
	for (uint32_t i = 0; i < soak_spmc.consumers; i++)
		tasks_deregister_consumer(&tasks_seats[i]);
}

static void tasks_leave(struct soak_thread *t)
{
	(void)soak_is_last(t);
	quoit_spmc_finish(&tasks_q.ring);
}

static bool tasks_are_over(void)
{
	return quoit_spmc_is_drained(&tasks_q.ring);
}

const struct soak_kind soak_spmc = {
	.name = "spmc",
	.producers = 1,
	.consumers = 3,
	.open = tasks_open,
	.close = tasks_close,
	.leave = tasks_leave,
	.send = tasks_send_some,
	.receive = tasks_receive,
	.is_over = tasks_are_over,
};

/* --- MPMC ------------------------------------------------------------------------------------ */

static void jobs_open(struct soak_run *run)
{
	const struct quoit_mpmc_options options = {
		.capacity_slots = SOAK_CAPACITY,
		.producers_most = run->kind->producers,
		.consumers_most = run->kind->consumers,
		.node = QUOIT_MPMC_NEAR,
	};

	if (jobs_create(&jobs_q, &options))
		abort();
	for (uint32_t i = 0; i < run->kind->consumers; i++)
		if (jobs_register_consumer(&jobs_q, &jobs_seats[i]))
			abort();
}

static void jobs_close(void)
{
	for (uint32_t i = 0; i < soak_mpmc.consumers; i++)
		jobs_deregister_consumer(&jobs_seats[i]);
	jobs_destroy(&jobs_q);
}

static void jobs_enter(struct soak_thread *t)
{
	if (jobs_register_producer(&jobs_q, &jobs_producers[t->index]))
		abort();
}

static void jobs_leave(struct soak_thread *t)
{
	jobs_deregister_producer(&jobs_producers[t->index]);
	if (soak_is_last(t))
		quoit_mpmc_close(jobs_q.ring);
}

static bool jobs_are_over(void)
{
	return quoit_mpmc_is_drained(jobs_q.ring);
}

const struct soak_kind soak_mpmc = {
	.name = "mpmc",
	.producers = 2,
	.consumers = 2,
	.open = jobs_open,
	.close = jobs_close,
	.enter = jobs_enter,
	.leave = jobs_leave,
	.send = jobs_send_some,
	.receive = jobs_receive,
	.is_over = jobs_are_over,
};
