/* SPDX-License-Identifier: MIT */
/*
 * shared_wait.c - producers and consumers that sleep on each other all the time, on rings of a few
 * slots that several consumers share: every way of sending that waits and every way of receiving.
 *
 * With so few slots a consumer that is not woken soon stops everybody: the ring is full then, and
 * all producers sleep too. That shows as a patient wait that is not over before its deadline, also
 * where the last look then finds something. Every other consumer is impatient half of the time: it
 * gives up after some microseconds, often just when it was called.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <quoit/rings/typed_shared.h>

#include <stress/stress.h>

#define CAPACITY      4
#define BLOCK	      1
#define PRODUCERS_MAX 4
#define CONSUMERS     4
#define MOST	      3

QUOIT_MPMC(words, uint64_t);
QUOIT_SPMC(shared, uint64_t);

struct run {
	const char *name;
	size_t producers;
	bool spmc;
	uint64_t share; /* of each producer */
	uint64_t seed;
	struct words q;
	struct shared w;
	struct quoit_crowd crowd;
	struct quoit_spmc_waits waits;
	uint64_t finished; /* producers */
};

struct thread {
	struct run *run;
	size_t index;
	struct words_producer p;
	struct words_consumer c;
	struct shared_consumer wc;
	struct ledger got;
	struct random random;
	uint64_t late;
	uint64_t gave_up;
	uint64_t wrong; /* answers that no wait may give here */
};

static struct quoit_wait patience(struct random *random)
{
	static const enum quoit_wait_kind kinds[] = {QUOIT_WAIT_BLOCK, QUOIT_WAIT_TIMED,
						     QUOIT_WAIT_PHASED};
	const struct quoit_wait how = {
		.kind = kinds[random_below(random, 3)],
		.spins = (uint32_t)random_below(random, 4),
		.deadline_ns = quoit_deadline_ns(LOST_AFTER_MS * INT64_C(1000000)),
	};
	return how;
}

static bool is_late(const struct quoit_wait *how)
{
	return quoit_clock_now_ns() >= how->deadline_ns;
}

/* --- producing ------------------------------------------------------------------------------- */

static int send_next(struct thread *t, uint64_t next, const struct quoit_wait *how, size_t *sent)
{
	const struct run *const run = t->run;
	const uint64_t first = t->index * run->share;
	const size_t n =
		(size_t)quoit_min(1 + random_below(&t->random, CAPACITY), run->share - next);
	uint64_t items[CAPACITY], *slots;
	int rc;

	for (size_t i = 0; i < n; i++)
		items[i] = first + next + i;
	*sent = n;
	switch (random_below(&t->random, 3)) {
	case 0:
		return run->spmc ? shared_send_wait(&t->run->w, items, n, how)
				 : words_send_wait(&t->p, items, n, how);
	case 1:
		return run->spmc ? shared_send_parts_wait(&t->run->w, items, n, how, sent)
				 : words_send_parts_wait(&t->p, items, n, how, sent);
	default:
		rc = run->spmc ? shared_reserve_wait(&t->run->w, n, how, &slots, sent)
			       : words_reserve_wait(&t->p, n, how, &slots, sent);
		if (rc)
			return rc;
		memcpy(slots, items, *sent * sizeof(*slots));
		if (run->spmc)
			shared_commit(&t->run->w, *sent);
		else
			words_commit(&t->p, *sent);
		return 0;
	}
}

static void *producer_worker(void *arg)
{
	struct thread *const t = arg;
	struct run *const run = t->run;

	for (uint64_t next = 0; next < run->share && !t->wrong && !t->late;) {
		const struct quoit_wait how = patience(&t->random);
		size_t sent = 0;

		stress_dawdle(&t->random);
		t->wrong += send_next(t, next, &how, &sent) != 0;
		t->late += is_late(&how);
		next += sent;
	}
	if (run->spmc) {
		quoit_spmc_finish(&run->w.ring);
		return NULL;
	}
	words_deregister_producer(&t->p);
	if (quoit_add(&run->finished, 1) + 1 == run->producers)
		quoit_mpmc_close(run->q.ring); /* all others have left */
	return NULL;
}

/* --- consuming ------------------------------------------------------------------------------- */

static void note(uint64_t *items, size_t n, void *arg)
{
	struct thread *const t = arg;

	for (size_t i = 0; i < n; i++)
		ledger_note(&t->got, items[i]);
}

static int take(struct thread *t, const struct quoit_wait *how)
{
	struct quoit_claim claim;
	uint64_t *items;
	const int rc = t->run->spmc ? shared_take_rest_wait(&t->wc, MOST, how, &items, &claim)
				    : words_take_rest_wait(&t->c, MOST, how, &items, &claim);

	if (rc)
		return rc;
	note(items, claim.n, t);
	stress_dawdle(&t->random); /* with the claim open */
	if (t->run->spmc)
		shared_release(&t->wc, &claim, claim.n);
	else
		words_release(&t->c, &claim, claim.n);
	return 0;
}

static int pop(struct thread *t, const struct quoit_wait *how)
{
	uint64_t item;
	int rc;

	do {
		rc = t->run->spmc ? shared_pop_wait(&t->wc, &item, how)
				  : words_pop_wait(&t->c, &item, how);
		if (!rc)
			note(&item, 1, t);
	} while (t->run->spmc ? quoit_spmc_unpopped(&t->wc.seat) : quoit_mpmc_unpopped(&t->c.seat));
	return rc;
}

static int receive(struct thread *t, const struct quoit_wait *how)
{
	const size_t most = 1 + random_below(&t->random, MOST);
	uint64_t items[MOST];
	size_t n = 0;
	int rc;

	switch (random_below(&t->random, 4)) {
	case 0:
		return take(t, how);
	case 1:
		return pop(t, how);
	case 2:
		return t->run->spmc ? shared_consume_wait(&t->wc, most, how, &n, note, t)
				    : words_consume_wait(&t->c, most, how, &n, note, t);
	default:
		rc = t->run->spmc ? shared_steal_wait(&t->wc, items, most, how, &n)
				  : words_steal_wait(&t->c, items, most, how, &n);
		note(items, n, t);
		return rc;
	}
}

static void *consumer_worker(void *arg)
{
	struct thread *const t = arg;
	int rc = 0;

	while (rc != -ESHUTDOWN && !t->wrong && !t->late) {
		struct quoit_wait how = patience(&t->random);
		const bool patient = t->index % 2 || random_u64(&t->random) & 1;

		if (!patient)
			how.deadline_ns =
				quoit_deadline_ns((int64_t)random_below(&t->random, 50000));
		stress_dawdle(&t->random);
		rc = receive(t, &how);
		t->late += patient && is_late(&how);
		t->gave_up += rc == -ETIMEDOUT;
		t->wrong += rc && rc != -ESHUTDOWN && (patient || rc != -ETIMEDOUT);
	}
	return NULL;
}

/* --- a run ----------------------------------------------------------------------------------- */

static void prepare(struct run *run, struct thread *producers, struct thread *consumers)
{
	static uint64_t slots[CAPACITY];
	static struct quoit_lane_block blocks[CAPACITY / BLOCK];
	const struct quoit_mpmc_options options = {
		.capacity_slots = CAPACITY,
		.block_slots = BLOCK,
		.producers_most = run->producers,
		.consumers_most = CONSUMERS,
		.node = QUOIT_MPMC_NEAR,
	};
	const struct quoit_spmc_options few = {CAPACITY, BLOCK, CONSUMERS};

	if (run->spmc ? shared_init(&run->w, slots, blocks, &few) ||
				quoit_spmc_attach_waits(&run->w.ring, &run->waits)
		      : words_create(&run->q, &options) ||
				quoit_mpmc_attach_waits(run->q.ring, &run->crowd))
		abort();
	for (size_t i = 0; i < run->producers; i++) {
		producers[i] =
			(struct thread){.run = run, .index = i, .random = {.state = run->seed + i}};
		if (!run->spmc && words_register_producer(&run->q, &producers[i].p))
			abort();
	}
	for (size_t i = 0; i < CONSUMERS; i++) {
		consumers[i] = (struct thread){
			.run = run, .index = i, .random = {.state = ~run->seed - i}};
		ledger_open(&consumers[i].got, run->share * run->producers);
		if (run->spmc ? shared_register_consumer(&run->w, &consumers[i].wc)
			      : words_register_consumer(&run->q, &consumers[i].c))
			abort();
	}
}

static void judge(const struct run *run, const struct thread *producers, struct thread *consumers)
{
	uint64_t late = 0, wrong = 0, gave_up = 0;

	for (size_t i = 0; i < run->producers; i++) {
		late += producers[i].late;
		wrong += producers[i].wrong;
	}
	for (size_t i = 0; i < CONSUMERS; i++) {
		late += consumers[i].late;
		wrong += consumers[i].wrong;
		gave_up += consumers[i].gave_up;
		if (i)
			ledger_merge(&consumers[0].got, &consumers[i].got);
	}
	printf("RESULT name=%s messages=%llu lost=%llu doubled=%llu late=%llu wrong=%llu "
	       "gave_up=%llu\n",
	       run->name, (unsigned long long)(run->share * run->producers),
	       (unsigned long long)ledger_lost(&consumers[0].got),
	       (unsigned long long)consumers[0].got.doubled, (unsigned long long)late,
	       (unsigned long long)wrong, (unsigned long long)gave_up);
	stress_say(!late, "nobody was woken too late");
	stress_say(!wrong, "waits ended with work or with the end");
	stress_say(!ledger_lost(&consumers[0].got) && !consumers[0].got.doubled &&
			   !consumers[0].got.foreign,
		   "each item is got once");
	stress_say(gave_up, "some gave up in between");
}

static void go(struct run *run)
{
	static struct thread producers[PRODUCERS_MAX], consumers[CONSUMERS];
	pthread_t ids[PRODUCERS_MAX + CONSUMERS];
	size_t n = 0;

	prepare(run, producers, consumers);
	for (size_t i = 0; i < CONSUMERS; i++)
		if (pthread_create(&ids[n++], NULL, consumer_worker, &consumers[i]))
			abort();
	for (size_t i = 0; i < run->producers; i++)
		if (pthread_create(&ids[n++], NULL, producer_worker, &producers[i]))
			abort();
	while (n)
		pthread_join(ids[--n], NULL);
	judge(run, producers, consumers);
	for (size_t i = 0; i < CONSUMERS; i++) {
		ledger_close(&consumers[i].got);
		if (!run->spmc)
			words_deregister_consumer(&consumers[i].c);
	}
	if (!run->spmc)
		words_destroy(&run->q);
}

int main(void)
{
	static struct run runs[] = {
		{.name = "shared-wait-spmc-1p4c", .producers = 1, .spmc = true},
		{.name = "shared-wait-mpmc-4p4c", .producers = 4},
	};
	const uint64_t count = quoit_min(stress_amount("STRESS_COUNT", 300000, 40000), 3000000);
	const uint64_t seed = random_seed();

	printf("note: SEED=%llu\n", (unsigned long long)seed);
	for (size_t i = 0; i < sizeof(runs) / sizeof(runs[0]); i++) {
		runs[i].share = count / runs[i].producers;
		runs[i].seed = seed;
		go(&runs[i]);
	}
	return stress_failures != 0;
}
