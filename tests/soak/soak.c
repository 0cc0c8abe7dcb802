/* SPDX-License-Identifier: MIT */
/*
 * soak.c - a great many items through every kind of ring, and whether each arrived as it should.
 *
 *   soak [--self-test]
 *
 * SOAK_COUNT items go through each kind, or each kind whose name begins with SOAK_KIND. The calls
 * are drawn at random, whatever mixture of them a kind allows, and both sides pause in between with
 * reservations and claims open; SEED replays the draws. Nothing ends early: how long it takes is
 * the machine's business, and only if nothing moves for a minute it is called stuck.
 *
 * --self-test runs each kind with a fault for each thing that can be found, put between the ring
 * and the judge; the judge must name it, and nothing else. It comes first in every other run too.
 */
#include <pthread.h>
#include <string.h>
#include <time.h>

#include <quoit/rings/wait.h>

#include <soak/soak.h>

#define STUCK_AFTER_MS 60000
#define LOOK_EVERY_MS  5

static const struct soak_kind *const kinds[] = {
	&soak_spsc,	  &soak_spsc_blocks, &soak_spsc_copies, &soak_spsc_in_place,
	&soak_spsc_waits, &soak_spsc_mixed,  &soak_u64,		&soak_mpsc,
	&soak_spmc,	  &soak_mpmc,	     &soak_pools,
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* --- threads --------------------------------------------------------------------------------- */

void soak_pause(struct soak_thread *t, size_t n)
{
	const struct timespec short_one = {.tv_nsec = 20000}, long_one = {.tv_nsec = 800000};

	if (quoit_likely(t->until_stall > n)) {
		t->until_stall -= n;
		return;
	}
	t->until_stall = 1 + random_below(&t->random, 2 * t->stall_every);
	t->stalls++;
	switch (random_below(&t->random, 4)) {
	case 0:
		nanosleep(&long_one, NULL);
		break;
	case 1:
		nanosleep(&short_one, NULL);
		break;
	case 2:
		for (int i = 0; i < 20; i++)
			sched_yield();
		break;
	default:
		for (int i = 0; i < 500; i++)
			quoit_relax();
	}
}

bool soak_is_last(struct soak_thread *t)
{
	return quoit_add(&t->run->left, 1) + 1 == t->run->kind->producers;
}

/* Mostly a few, often one, now and then as many as go in a batch. */
static size_t amount(struct random *random)
{
	const uint64_t dice = random_u64(random);

	return 1 + (size_t)(dice >> 8) % (size_t)(UINT64_C(1) << dice % 10);
}

static void *producer_worker(void *arg)
{
	struct soak_thread *const t = arg;
	const struct soak_kind *const kind = t->run->kind;
	struct quoit_backoff backoff = {0};
	uint64_t next = 0;

	if (kind->enter)
		kind->enter(t);
	while (next < t->run->share) {
		const size_t want = amount(&t->random);
		const size_t n = kind->send(t, next, quoit_min(want, t->run->share - next));

		next += n;
		if (n) {
			quoit_store(&t->moved, next);
			quoit_backoff_reset(&backoff);
			soak_pause(t, n);
		} else {
			quoit_backoff_snooze(&backoff);
		}
	}
	kind->leave(t);
	quoit_add(&t->run->ended, 1);
	return NULL;
}

static void *consumer_worker(void *arg)
{
	struct soak_thread *const t = arg;
	const struct soak_kind *const kind = t->run->kind;
	struct quoit_backoff backoff = {0};
	uint64_t got = 0;

	while (!kind->is_over()) {
		const size_t n = kind->receive(t, amount(&t->random));

		got += n;
		if (n) {
			quoit_store(&t->moved, got);
			quoit_backoff_reset(&backoff);
			soak_pause(t, n);
		} else {
			quoit_backoff_snooze(&backoff);
		}
	}
	soak_note_end(t);
	quoit_add(&t->run->ended, 1);
	return NULL;
}

/* Look on until all threads have ended. If nothing moves any more, say so and give up. */
static void look_on(struct soak_run *run)
{
	const struct timespec moment = {.tv_nsec = LOOK_EVERY_MS * 1000000};
	const uint32_t threads = run->kind->producers + run->kind->consumers;
	uint64_t before = 0, still = 0;

	while (quoit_load_acquire(&run->ended) != threads) {
		uint64_t moved = 0;

		nanosleep(&moment, NULL);
		for (uint32_t i = 0; i < SOAK_SIDE_MOST; i++)
			moved += quoit_load(&run->producers[i].moved) +
				 quoit_load(&run->consumers[i].moved);
		still = moved == before ? still + 1 : 0;
		before = moved;
		if (still * LOOK_EVERY_MS < STUCK_AFTER_MS)
			continue;
		printf("note: %s: nothing moves after %llu items sent and received\n",
		       run->kind->name, (unsigned long long)moved);
		stress_say(false, "nobody is stuck");
		exit(1);
	}
}

static void prepare(struct soak_thread *t, struct soak_run *run, uint32_t index, uint32_t side,
		    uint64_t items)
{
	const uint64_t stalls = 200 + (items >> 20);

	memset(t, 0, sizeof(*t));
	t->run = run;
	t->index = index;
	t->random.state = run->seed * 64 + side * 8 + index;
	t->stall_every = 1 + items / stalls;
	t->until_stall = 1 + random_below(&t->random, t->stall_every);
}

static void go(struct soak_run *run, const struct soak_kind *kind, uint64_t count,
	       struct soak_verdict *verdict)
{
	pthread_t ids[2 * SOAK_SIDE_MOST];
	uint32_t started = 0;
	uint64_t began;

	run->kind = kind;
	run->share = (count + kind->producers - 1) / kind->producers;
	run->left = run->ended = 0;
	for (uint32_t i = 0; i < SOAK_SIDE_MOST; i++) {
		prepare(&run->producers[i], run, i, 0, run->share);
		prepare(&run->consumers[i], run, i, 1, count / kind->consumers);
	}
	for (uint32_t c = 0; c < kind->consumers; c++)
		for (uint32_t p = 0; p < kind->producers; p++)
			ledger_open(&run->consumers[c].got[p], run->share);
	kind->open(run);
	began = quoit_clock_now_ns();
	for (uint32_t i = 0; i < kind->consumers; i++)
		if (pthread_create(&ids[started++], NULL, consumer_worker, &run->consumers[i]))
			abort();
	for (uint32_t i = 0; i < kind->producers; i++)
		if (pthread_create(&ids[started++], NULL, producer_worker, &run->producers[i]))
			abort();
	look_on(run);
	while (started)
		pthread_join(ids[--started], NULL);
	*verdict = (struct soak_verdict){.elapsed_ns = quoit_clock_now_ns() - began};
	soak_judge(run, verdict);
	kind->close();
	for (uint32_t c = 0; c < kind->consumers; c++)
		for (uint32_t p = 0; p < kind->producers; p++)
			ledger_close(&run->consumers[c].got[p]);
}

/* --- runs ------------------------------------------------------------------------------------ */

static bool is_chosen(const struct soak_kind *kind)
{
	const char *const chosen = getenv("SOAK_KIND");

	return !chosen || !strncmp(kind->name, chosen, strlen(chosen));
}

/* A run of hours is not begun on what can only be a mistake. */
static void refuse_mistakes(void)
{
	const char *const kind = getenv("SOAK_KIND"), *const count = getenv("SOAK_COUNT");
	bool known = !kind;
	char *end;

	for (size_t i = 0; i < KINDS; i++)
		known = known || is_chosen(kinds[i]);
	if (!known) {
		fprintf(stderr, "soak: SOAK_KIND=%s begins no kind's name; there are", kind);
		for (size_t i = 0; i < KINDS; i++)
			fprintf(stderr, " %s", kinds[i]->name);
		fprintf(stderr, "\n");
		exit(2);
	}
	if (count && (*count < '0' || *count > '9' || !strtoull(count, &end, 0) || *end)) {
		fprintf(stderr, "soak: SOAK_COUNT=%s is not a count\n", count);
		exit(2);
	}
}

static bool is_perfect(const struct soak_verdict *v)
{
	return !v->lost && !v->doubled && !v->reordered && !v->torn;
}

/*
 * One fault in one run: exactly what it does must be found, no more and no less. To swap two items
 * one consumer must get two of one lane, which is not certain where others take them.
 */
static bool finds(struct soak_run *run, const struct soak_kind *kind, enum soak_fault fault,
		  uint64_t count)
{
	const bool lost = fault == SOAK_LOSE || fault == SOAK_TEAR;
	struct soak_verdict v = {0};

	run->fault = fault;
	run->faults = 0;
	for (int tries = 0; tries < 20 && !run->faults; tries++) {
		run->until_fault = 1 + tries;
		go(run, kind, count, &v);
	}
	if (run->faults == 1 && v.lost == lost && v.doubled == (fault == SOAK_DOUBLE) &&
	    v.reordered == (fault == SOAK_SWAP) && v.torn == (fault == SOAK_TEAR))
		return true;
	printf("note: %s with fault %d: lost=%llu doubled=%llu reordered=%llu torn=%llu\n",
	       kind->name, (int)fault, (unsigned long long)v.lost, (unsigned long long)v.doubled,
	       (unsigned long long)v.reordered, (unsigned long long)v.torn);
	return false;
}

static void self_test(struct soak_run *run)
{
	unsigned found = 0, faults = 0;

	for (size_t i = 0; i < KINDS; i++)
		for (int fault = SOAK_LOSE; fault < SOAK_FAULTS && is_chosen(kinds[i]); fault++) {
			faults++;
			found += finds(run, kinds[i], (enum soak_fault)fault, 3000);
		}
	run->fault = SOAK_SOUND;
	printf("RESULT name=soak-self-test faults=%u found=%u\n", faults, found);
	stress_say(faults && found == faults, "what is lost, doubled, reordered or torn is found");
}

static void say(const struct soak_kind *kind, const struct soak_verdict *v)
{
	char what[80];

	printf("RESULT name=soak-%s threads=%u messages=%llu ns_each=%.1f lost=%llu doubled=%llu "
	       "reordered=%llu torn=%llu stalls=%llu\n",
	       kind->name, kind->producers + kind->consumers, (unsigned long long)v->messages,
	       (double)v->elapsed_ns / (double)(v->messages + !v->messages),
	       (unsigned long long)v->lost, (unsigned long long)v->doubled,
	       (unsigned long long)v->reordered, (unsigned long long)v->torn,
	       (unsigned long long)v->stalls);
	snprintf(what, sizeof(what), "%s: each item once, whole, in its order", kind->name);
	stress_say(is_perfect(v) && v->stalls, what);
}

static void soak(struct soak_run *run, uint64_t count)
{
	struct soak_verdict all = {0};
	unsigned ran = 0;

	for (size_t i = 0; i < KINDS; i++) {
		struct soak_verdict v;

		if (!is_chosen(kinds[i]))
			continue;
		go(run, kinds[i], count, &v);
		say(kinds[i], &v);
		ran++;
		all.messages += v.messages;
		all.lost += v.lost;
		all.doubled += v.doubled;
		all.reordered += v.reordered;
		all.torn += v.torn;
	}
	printf("RESULT name=soak-rings kinds=%u messages=%llu lost=%llu doubled=%llu "
	       "reordered=%llu torn=%llu\n",
	       ran, (unsigned long long)all.messages, (unsigned long long)all.lost,
	       (unsigned long long)all.doubled, (unsigned long long)all.reordered,
	       (unsigned long long)all.torn);
}

int main(int argc, char **argv)
{
	static struct soak_run run;
	const uint64_t count = stress_amount("SOAK_COUNT", 300000, 20000);

	refuse_mistakes();
	run.seed = random_seed();
	printf("note: SEED=%llu SOAK_COUNT=%llu\n", (unsigned long long)run.seed,
	       (unsigned long long)count);
	self_test(&run);
	if (argc < 2 || strcmp(argv[1], "--self-test"))
		soak(&run, count);
	return stress_failures != 0;
}
