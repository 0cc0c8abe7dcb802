/* SPDX-License-Identifier: MIT */
/*
 * mpmc.c - threads that share a ring: nothing lost, nothing doubled, nothing torn, and every
 * producer's items claimed in its order.
 *
 * Each item carries its producer, its number and a check word. Consumers note numbers in a bitmap
 * of their own; the bitmaps must not overlap and must be full together. One consumer only sees
 * growing numbers of each producer, however many there are. Now and then a consumer stops for a
 * while with a claim open: the others must get on.
 */
#include <pthread.h>
#include <string.h>

#include <quoit/numa/clock.h>
#include <quoit/rings/typed_shared.h>

#include <stress/stress.h>

#define CAPACITY      512
#define PRODUCERS_MAX 4
#define CONSUMERS_MAX 4

struct item {
	uint64_t number;
	uint32_t producer;
	uint32_t check;
};

QUOIT_MPMC(items, struct item);
QUOIT_SPMC(work, struct item);

struct run {
	const char *name;
	size_t producers, consumers;
	bool pair; /* each thread is a producer and a consumer */
	bool spmc;
	uint64_t count; /* of each producer */
	uint64_t seed;
	struct items q;
	struct work w;
	uint64_t finished; /* producers */
	uint64_t stepped_over;
};

struct thread {
	struct run *run;
	size_t index;
	struct ledger got[PRODUCERS_MAX];
	uint64_t torn;
	uint64_t held; /* how often it stopped with a claim */
	struct items_producer p;
	struct items_consumer c;
	struct work_consumer wc;
};

static struct item item_of(uint32_t producer, uint64_t number)
{
	return (struct item){
		.number = number,
		.producer = producer,
		.check = (uint32_t)(number * 2654435761u) ^ producer,
	};
}

static void note(struct item *items, size_t n, void *arg)
{
	struct thread *const t = arg;

	for (size_t i = 0; i < n; i++) {
		const struct item right = item_of(items[i].producer, items[i].number);

		if (items[i].producer >= PRODUCERS_MAX || items[i].check != right.check) {
			t->torn++;
			continue;
		}
		ledger_note(&t->got[items[i].producer], items[i].number);
	}
}

/* --- producing ------------------------------------------------------------------------------- */

/* Send the next few. Gives how many went. */
static size_t send_some(struct thread *t, uint64_t next, struct random *random)
{
	struct run *const run = t->run;
	const size_t want = (size_t)quoit_min(1 + random_below(random, 40), run->count - next);
	struct item items[40];
	struct item *to = items;
	size_t n = want;
	const bool in_place = random_u64(random) & 1;

	if (in_place)
		to = run->spmc ? work_reserve_some(&run->w, want, &n)
			       : items_reserve_some(&t->p, want, &n);
	if (!to)
		return 0;
	for (size_t i = 0; i < n; i++)
		to[i] = item_of((uint32_t)t->index, next + i);
	if (!in_place)
		return run->spmc ? work_send(&run->w, items, n) : items_send(&t->p, items, n);
	if (run->spmc)
		work_commit(&run->w, n);
	else
		items_commit(&t->p, n);
	return n;
}

static void start_producing(struct thread *t)
{
	if (!t->run->spmc && items_register_producer(&t->run->q, &t->p))
		abort();
}

static void stop_producing(struct thread *t)
{
	if (t->run->spmc) {
		quoit_spmc_finish(&t->run->w.ring);
		return;
	}
	items_deregister_producer(&t->p);
	if (quoit_add(&t->run->finished, 1) + 1 == t->run->producers)
		quoit_mpmc_close(t->run->q.ring); /* all others have registered and left */
}

static void *producer_worker(void *arg)
{
	struct thread *const t = arg;
	struct random random = {.state = t->run->seed + t->index};

	start_producing(t);
	for (uint64_t next = 0; next < t->run->count;) {
		const size_t n = send_some(t, next, &random);

		next += n;
		if (!n)
			sched_yield();
		stress_dawdle(&random);
	}
	stop_producing(t);
	return NULL;
}

/* --- consuming ------------------------------------------------------------------------------- */

static struct item *claim(struct thread *t, size_t most, struct quoit_claim *claim)
{
	return t->run->spmc ? work_take(&t->wc, most, claim) : items_take(&t->c, most, claim);
}

static void release(struct thread *t, struct quoit_claim *claim, size_t n)
{
	if (t->run->spmc)
		work_release(&t->wc, claim, n);
	else
		items_release(&t->c, claim, n);
}

/* Keep a claim open for a while, as a consumer does that was preempted. */
static size_t hold(struct thread *t, size_t most)
{
	struct quoit_claim mine;
	struct item *const at = claim(t, most, &mine);
	size_t n;

	if (!at)
		return 0;
	n = mine.n;
	t->held++;
	for (size_t i = 0; i < 20; i++)
		sched_yield();
	note(at, n, t);
	release(t, &mine, n / 2);
	release(t, &mine, n - n / 2);
	return n;
}

static size_t consume_some(struct thread *t, struct random *random)
{
	const uint64_t dice = random_u64(random);
	const size_t most = 1 + (dice >> 8) % 100;
	struct item items[100];
	size_t n = 0;

	if (dice % 64 == 0)
		return hold(t, most);
	switch (dice % 3) {
	case 0:
		return t->run->spmc ? work_consume(&t->wc, most, note, t)
				    : items_consume(&t->c, most, note, t);
	case 1:
		while (n < most &&
		       (t->run->spmc ? work_pop(&t->wc, items) : items_pop(&t->c, items))) {
			note(items, 1, t);
			n++;
		}
		/* What is claimed is never left lying. */
		while (t->run->spmc ? quoit_spmc_unpopped(&t->wc.seat)
				    : quoit_mpmc_unpopped(&t->c.seat)) {
			if (!(t->run->spmc ? work_pop(&t->wc, items) : items_pop(&t->c, items)))
				abort();
			note(items, 1, t);
			n++;
		}
		return n;
	default:
		n = t->run->spmc ? work_steal(&t->wc, items, most)
				 : items_steal(&t->c, items, most);
		note(items, n, t);
		return n;
	}
}

static void start_consuming(struct thread *t)
{
	if (t->run->spmc ? work_register_consumer(&t->run->w, &t->wc)
			 : items_register_consumer(&t->run->q, &t->c))
		abort();
	quoit_spmc_linger(&t->wc.seat, (uint32_t)(t->index % 2 * 4));
	quoit_mpmc_linger(&t->c.seat, (uint32_t)(t->index % 2 * 4));
}

static void stop_consuming(struct thread *t)
{
	if (t->run->spmc)
		work_deregister_consumer(&t->wc);
	else
		items_deregister_consumer(&t->c);
}

static bool is_over(const struct run *run)
{
	return run->spmc ? quoit_spmc_is_drained(&run->w.ring) : quoit_mpmc_is_drained(run->q.ring);
}

static void *consumer_worker(void *arg)
{
	struct thread *const t = arg;
	struct random random = {.state = ~t->run->seed + t->index};

	while (!is_over(t->run))
		if (!consume_some(t, &random))
			sched_yield();
	stop_consuming(t);
	return NULL;
}

/* Both in one thread: while the ring is full it must read, its own items or another's. */
static void *pair_worker(void *arg)
{
	struct thread *const t = arg;
	struct random random = {.state = t->run->seed * 3 + t->index};
	uint64_t next = 0;

	start_producing(t);
	while (next < t->run->count) {
		next += send_some(t, next, &random);
		(void)consume_some(t, &random); /* often there is nothing */
	}
	stop_producing(t);
	return consumer_worker(t);
}

/* --- judging --------------------------------------------------------------------------------- */

/* Put what the consumers got together: each number exactly once among them. */
static void judge(struct run *run, struct thread *threads, size_t consumers, uint64_t elapsed)
{
	uint64_t lost = 0, doubled = 0, reordered = 0, torn = 0, held = 0, stepped_over = 0;

	for (size_t p = 0; p < PRODUCERS_MAX; p++) {
		struct ledger *const all = &threads[0].got[p];

		for (size_t c = 1; c < consumers; c++)
			ledger_merge(all, &threads[c].got[p]);
		lost += p < run->producers ? ledger_lost(all) : 0;
		doubled += all->doubled;
		reordered += all->reordered;
		torn += all->foreign + (p < run->producers ? 0 : all->distinct);
	}
	for (size_t c = 0; c < consumers; c++) {
		torn += threads[c].torn;
		held += threads[c].held;
	}
	/* A producer that came late may have had the lane of one that had gone. */
	for (size_t i = 0; !run->spmc && i < run->q.ring->lane_count; i++)
		stepped_over += run->q.ring->lanes[i]->lane.stepped_over;
	if (run->spmc)
		stepped_over = run->w.ring.lane.stepped_over;
	printf("RESULT name=%s threads=%zu messages=%llu ns_each=%.1f lost=%llu doubled=%llu "
	       "reordered=%llu torn=%llu held=%llu stepped_over=%llu\n",
	       run->name, run->pair ? consumers : run->producers + consumers,
	       (unsigned long long)(run->count * run->producers),
	       (double)elapsed / (double)(run->count * run->producers), (unsigned long long)lost,
	       (unsigned long long)doubled, (unsigned long long)reordered, (unsigned long long)torn,
	       (unsigned long long)held, (unsigned long long)stepped_over);
	stress_say(!lost && !doubled && !torn, "each item is got once, whole");
	stress_say(!reordered, "each producer's items are claimed in its order");
	stress_say(held, "somebody stopped with an open claim in between");
	run->stepped_over = stepped_over;
}

static void prepare(struct run *run)
{
	static struct item slots[CAPACITY];
	static struct quoit_lane_block blocks[QUOIT_LANE_BLOCKS(CAPACITY)];
	const struct quoit_mpmc_options options = {
		.capacity_slots = CAPACITY,
		.producers_most = run->producers,
		.consumers_most = run->pair ? run->producers : run->consumers,
		.node = QUOIT_MPMC_NEAR,
	};
	const struct quoit_spmc_options shared = {CAPACITY, 0, run->consumers};

	if (run->spmc ? work_init(&run->w, slots, blocks, &shared)
		      : items_create(&run->q, &options))
		abort();
	/* The positions of the lane wrap early on. */
	if (run->spmc &&
	    quoit_spmc_init_at(&run->w.ring, slots, blocks, &shared, UINT64_MAX - 3 * CAPACITY))
		abort();
}

static void go(struct run *run)
{
	static struct thread producers[PRODUCERS_MAX], consumers[CONSUMERS_MAX];
	pthread_t ids[PRODUCERS_MAX + CONSUMERS_MAX];
	const size_t readers = run->pair ? run->producers : run->consumers;
	uint64_t began;
	size_t n = 0;

	memset(producers, 0, sizeof(producers));
	memset(consumers, 0, sizeof(consumers));
	prepare(run);
	for (size_t c = 0; c < readers; c++) {
		consumers[c].run = run;
		consumers[c].index = c;
		for (size_t p = 0; p < PRODUCERS_MAX; p++)
			ledger_open(&consumers[c].got[p], run->count);
		start_consuming(&consumers[c]); /* before the ring may be closed */
	}
	began = quoit_clock_now_ns();
	for (size_t c = 0; c < readers; c++)
		if (pthread_create(&ids[n++], NULL, run->pair ? pair_worker : consumer_worker,
				   &consumers[c]))
			abort();
	for (size_t p = 0; p < run->producers && !run->pair; p++) {
		producers[p].run = run;
		producers[p].index = p;
		if (pthread_create(&ids[n++], NULL, producer_worker, &producers[p]))
			abort();
	}
	while (n)
		pthread_join(ids[--n], NULL);
	judge(run, consumers, readers, quoit_clock_now_ns() - began);
	for (size_t c = 0; c < readers; c++)
		for (size_t p = 0; p < PRODUCERS_MAX; p++)
			ledger_close(&consumers[c].got[p]);
	if (!run->spmc)
		items_destroy(&run->q);
}

int main(void)
{
	struct run runs[] = {
		{.name = "spmc-1p2c", .producers = 1, .consumers = 2, .spmc = true},
		{.name = "mpmc-2p2c", .producers = 2, .consumers = 2},
		{.name = "mpmc-pair", .producers = 2, .consumers = 2, .pair = true},
		{.name = "mpmc-4p4c", .producers = 4, .consumers = 4},
	};
	const uint64_t count = stress_amount("STRESS_COUNT", 1000000, 60000);
	const uint64_t seed = random_seed();
	uint64_t stepped_over = 0;

	printf("note: SEED=%llu\n", (unsigned long long)seed);
	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
		runs[i].count = count / runs[i].producers;
		runs[i].seed = seed;
		go(&runs[i]);
		stepped_over += runs[i].stepped_over;
	}
	stress_say(stepped_over, "producers stepped over what was held");
	return stress_failures != 0;
}
