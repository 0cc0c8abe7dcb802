/* SPDX-License-Identifier: MIT */
/*
 * mpsc_wait.c - producers and a consumer that sleep on each other all the time: lanes of two slots,
 * more producers than lanes, every way of sending that waits and every way of receiving.
 *
 * In the first part all that is sent arrives: producers register, send a session of numbers,
 * deregister, and begin again; then the channel is closed. In the second it is closed in the
 * middle, again and again: whatever a producer was told is sent must have arrived when the
 * consumer, waiting for the rest, is told of the end. A lost wake shows as a wait that is not over
 * before its deadline, also where the last look then finds something. In which order things arrive
 * is looked at in mpsc.c. In the third somebody closes right behind an item, in lock step.
 */
#include <errno.h>
#include <pthread.h>

#include <quoit/rings/typed_mpsc.h>

#include <stress/stress.h>

#define PRODUCERS    4
#define SEATS	     3
#define CAPACITY     2
#define SESSION_MOST 40

QUOIT_MPSC(words, uint64_t);

struct test {
	struct words q;
	uint64_t share; /* of each producer */
	uint64_t seed;

	/* The consumer's. */
	QUOIT_ISOLATED struct ledger ledger;
	uint64_t late;
	uint64_t consumer_late; /* its own, until it has ended */
	int rc;
};

struct verdict {
	struct test *test;
	uint32_t worker;
	uint64_t sent; /* and told so; its numbers begin at worker * share */
	uint64_t late;
	int rc;
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

/* --- producers ------------------------------------------------------------------------------- */

/* Send up to `left` numbers from `first` on in one way or another. *sent is how many went. */
static int send_some(struct words_producer *p, struct random *random, uint64_t first, size_t left,
		     const struct quoit_wait *how, size_t *sent)
{
	uint64_t words[7];
	uint64_t *to;
	size_t n = quoit_min(left, 1 + (size_t)random_below(random, 7));
	int rc;

	for (size_t i = 0; i < n; i++)
		words[i] = first + i;
	*sent = 0;
	switch (random_below(random, 4)) {
	case 0:
		rc = words_send_one_wait(p, words, how);
		*sent = !rc;
		return rc;
	case 1:
		n = quoit_min(n, CAPACITY);
		rc = words_send_wait(p, words, n, how);
		*sent = rc ? 0 : n;
		return rc;
	case 2:
		return words_send_parts_wait(p, words, n, how, sent);
	default:
		rc = words_reserve_wait(p, quoit_min(n, CAPACITY), how, &to, &n);
		for (size_t i = 0; !rc && i < n; i++)
			to[i] = first + i;
		if (!rc)
			words_commit(p, n);
		*sent = rc ? 0 : n;
		return rc;
	}
}

static int send_session(struct verdict *v, struct words_producer *p, struct random *random)
{
	struct test *const t = v->test;
	uint64_t left = quoit_min(t->share - v->sent, 1 + random_below(random, SESSION_MOST));
	int rc = 0;

	while (!rc && left) {
		const struct quoit_wait how = patience(random);
		size_t sent;

		stress_dawdle(random);
		rc = send_some(p, random, v->worker * t->share + v->sent, left, &how, &sent);
		v->late += is_late(&how);
		v->sent += sent;
		left -= sent;
	}
	return rc;
}

static void *producer_worker(void *arg)
{
	struct verdict *const v = arg;
	struct random random = {.state = v->test->seed + v->worker};

	while (!v->rc && v->sent < v->test->share) {
		struct words_producer p;

		v->rc = words_register(&v->test->q, &p);
		if (v->rc == -EUSERS) { /* until a lane is read to its end */
			v->rc = 0;
			sched_yield();
			continue;
		}
		if (v->rc)
			break;
		v->rc = send_session(v, &p, &random);
		if (words_deregister(&p))
			abort();
	}
	return NULL;
}

/* --- consumer -------------------------------------------------------------------------------- */

static void judge(uint64_t *items, size_t n, uint32_t id, void *ctx)
{
	struct test *const t = ctx;

	(void)id;
	for (size_t i = 0; i < n; i++)
		ledger_note(&t->ledger, items[i]);
}

static int receive_some(struct test *t, struct random *random, const struct quoit_wait *how)
{
	uint64_t words[5];
	size_t n = 0;
	int rc;

	switch (random_below(random, 4)) {
	case 0:
		rc = words_recv_one_wait(&t->q, words, how);
		n = !rc;
		break;
	case 1:
		rc = words_recv_wait(&t->q, words, 5, how, &n);
		break;
	case 2:
		return words_consume_wait(&t->q, 1 + random_below(random, 5), how, &n, judge, t);
	default:
		rc = quoit_mpsc_wait_rest(t->q.channel, how);
		n = rc ? 0 : words_recv(&t->q, words, 5);
	}
	judge(words, n, 0, t);
	return rc;
}

static void *consumer_worker(void *arg)
{
	struct test *const t = arg;
	struct random random = {.state = ~t->seed};

	while (!t->rc) {
		const struct quoit_wait how = patience(&random);

		stress_dawdle(&random);
		t->rc = receive_some(t, &random, &how);
		t->consumer_late += is_late(&how);
		if (t->rc == -ESHUTDOWN && !quoit_mpsc_is_drained(t->q.channel)) {
			t->rc = quoit_mpsc_wait_rest(t->q.channel, &how);
			t->consumer_late += is_late(&how);
		}
	}
	return NULL;
}

/* --- the whole ------------------------------------------------------------------------------- */

static void open_test(struct test *t, uint64_t share, uint64_t seed)
{
	const struct quoit_mpsc_options options = {.capacity_slots = CAPACITY,
						   .producers_most = SEATS,
						   .quantum_items = 3,
						   .waits = true};

	*t = (struct test){.share = share, .seed = seed};
	ledger_open(&t->ledger, share * PRODUCERS);
	if (words_create(&t->q, &options))
		abort();
}

/* Let them run; close when all are done, or at once. Gives how many numbers were told to be sent.
 */
static uint64_t run(struct test *t, struct verdict *verdicts, bool close_early)
{
	struct random random = {.state = t->seed * 3};
	pthread_t producers[PRODUCERS], consumer;
	uint64_t sent = 0;

	if (pthread_create(&consumer, NULL, consumer_worker, t))
		abort();
	for (uint32_t i = 0; i < PRODUCERS; i++) {
		verdicts[i] = (struct verdict){.test = t, .worker = i};
		if (pthread_create(&producers[i], NULL, producer_worker, &verdicts[i]))
			abort();
	}
	if (close_early) {
		for (uint64_t n = random_below(&random, 200); n; n--)
			sched_yield();
		quoit_mpsc_close(t->q.channel);
	}
	for (uint32_t i = 0; i < PRODUCERS; i++) {
		pthread_join(producers[i], NULL);
		sent += verdicts[i].sent;
		t->late += verdicts[i].late;
	}
	quoit_mpsc_close(t->q.channel);
	pthread_join(consumer, NULL);
	t->late += t->consumer_late;
	return sent;
}

static void close_test(struct test *t)
{
	ledger_close(&t->ledger);
	if (words_destroy(&t->q))
		abort();
}

static void all_of_it(uint64_t count, uint64_t seed)
{
	static struct test t;
	struct verdict verdicts[PRODUCERS];
	uint64_t sent;

	open_test(&t, count / PRODUCERS, seed);
	sent = run(&t, verdicts, false);
	printf("RESULT name=mpsc-wait messages=%llu lost=%llu doubled=%llu "
	       "late=%llu\n",
	       (unsigned long long)t.ledger.count, (unsigned long long)ledger_lost(&t.ledger),
	       (unsigned long long)t.ledger.doubled, (unsigned long long)t.late);
	stress_say(!t.late && t.rc == -ESHUTDOWN, "every wait was over before its deadline");
	stress_say(sent == t.ledger.count && !ledger_lost(&t.ledger) && !t.ledger.doubled &&
			   !t.ledger.foreign,
		   "every item arrives once");
	close_test(&t);
}

static void cut_off(uint64_t rounds, uint64_t seed)
{
	uint64_t sent = 0, arrived = 0, late = 0, wrong = 0;

	for (uint64_t round = 0; round < rounds; round++) {
		static struct test t;
		struct verdict verdicts[PRODUCERS];
		uint64_t told;

		open_test(&t, 4096, seed + round);
		told = run(&t, verdicts, true);
		sent += told;
		arrived += t.ledger.distinct;
		late += t.late;
		wrong += told != t.ledger.distinct || t.ledger.doubled || t.ledger.foreign ||
			 t.rc != -ESHUTDOWN;
		for (uint32_t i = 0; i < PRODUCERS; i++)
			wrong += verdicts[i].rc != -ESHUTDOWN && verdicts[i].sent < t.share;
		close_test(&t);
	}
	printf("RESULT name=mpsc-wait-close rounds=%llu sent=%llu arrived=%llu late=%llu\n",
	       (unsigned long long)rounds, (unsigned long long)sent, (unsigned long long)arrived,
	       (unsigned long long)late);
	stress_say(!late && !wrong && arrived == sent,
		   "what was sent before the close arrives, and everybody is told");
}

/* --- an item and the close ------------------------------------------------------------------- */

/* Sent to a consumer that is just looking, one right behind the other. */
struct ending {
	struct lockstep pair;
	struct words q;
	uint64_t seed;
};

static void *end_worker(void *arg)
{
	struct ending *const e = arg;
	struct random random = {.state = e->seed};

	for (uint64_t round = 0; round < e->pair.rounds; round++) {
		struct words_producer p;

		if (words_register(&e->q, &p))
			abort();
		lockstep_meet(&e->pair, 1);
		stress_dawdle(&random);
		if (!words_send_one(&p, &round))
			abort();
		quoit_mpsc_close(e->q.channel);
		lockstep_meet(&e->pair, 1);
		if (words_deregister(&p))
			abort();
		lockstep_meet(&e->pair, 1);
		lockstep_meet(&e->pair, 1);
	}
	return NULL;
}

static void endings(uint64_t rounds, uint64_t seed)
{
	static struct ending e;
	const struct quoit_mpsc_options options = {.capacity_slots = CAPACITY, .producers_most = 1};
	uint64_t lost = 0;
	pthread_t other;

	e = (struct ending){.seed = seed};
	lockstep_begin(&e.pair, rounds);
	if (words_create(&e.q, &options) || pthread_create(&other, NULL, end_worker, &e))
		abort();
	for (uint64_t round = 0; round < e.pair.rounds; round++) {
		const struct quoit_wait how = {
			.kind = QUOIT_WAIT_SPIN, /* a look is a moment */
			.deadline_ns = quoit_deadline_ns(LOST_AFTER_MS * INT64_C(1000000))};
		uint64_t word;
		size_t got = 0;

		lockstep_meet(&e.pair, 0);
		while (!words_recv_one_wait(&e.q, &word, &how))
			got++;
		lost += got != 1;
		lockstep_meet(&e.pair, 0);
		lockstep_may_end(&e.pair, round, lost);
		lockstep_meet(&e.pair, 0);
		if (quoit_mpsc_reset(e.q.channel))
			abort();
		lockstep_meet(&e.pair, 0);
	}
	pthread_join(other, NULL);
	printf("RESULT name=mpsc-wait-end rounds=%llu lost=%llu\n",
	       (unsigned long long)e.pair.rounds, (unsigned long long)lost);
	stress_say(!lost, "what was sent just before the close is read before the end is told");
	if (words_destroy(&e.q))
		abort();
}

int main(void)
{
	const uint64_t seed = random_seed();

	printf("note: SEED=%llu\n", (unsigned long long)seed);
	all_of_it(stress_amount("STRESS_ROUNDS", 200000, 20000), seed);
	endings(stress_amount("STRESS_ROUNDS", 200000, 20000), seed);
	cut_off(stress_amount("STRESS_ROUNDS", 100000, 10000) / 500, seed);
	return stress_failures != 0;
}
