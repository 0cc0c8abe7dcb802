/* SPDX-License-Identifier: MIT */
/*
 * mpsc.c - eight producers that come and go on a channel of six seats, and a consumer that sleeps.
 *
 * Each producer registers, sends a session of numbered items in one of several ways, deregisters,
 * and begins again, until it has sent its share. An item says which lane it went through, whose it
 * is and which of its session, and carries a word that follows from all that. A lane is given to
 * the next producer only when it has been read to its end, so in each lane sessions follow each
 * other whole: that, and a bit for each item, is what the consumer looks at. It reads in all the
 * ways there are and sleeps on the bell whenever there is nothing. An onlooker asks how long the
 * channel is.
 *
 * In the second half a producer registers while somebody closes: it is refused, or told.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include <quoit/rings/typed_mpsc.h>

#include <stress/stress.h>

#define PRODUCERS    8
#define SEATS	     6
#define CAPACITY     256
#define SESSION_MOST 3000
#define BATCH	     64
#define SILENCES     4 /* of LOST_AFTER_MS each, with nothing to read: the rest was lost */

struct item {
	uint32_t lane;
	uint32_t worker;
	uint32_t at;	  /* in its session */
	uint32_t session; /* its length */
	uint64_t number;  /* of all that are sent */
	uint64_t word;
};

QUOIT_MPSC(items, struct item);

/* What the consumer knows of a lane. */
struct lane {
	uint32_t worker;
	uint32_t next; /* in the session */
	uint32_t session;
};

struct test {
	struct items q;
	struct quoit_wake wake;
	struct quoit_notify notify;
	uint64_t share; /* of each producer */
	uint64_t seed;
	QUOIT_ISOLATED uint32_t over;

	/* The consumer's. */
	QUOIT_ISOLATED struct ledger ledger;
	struct lane lanes[SEATS];
	uint64_t torn;
	uint64_t disordered;
	uint64_t sleeps;
	uint64_t lost_wakes;
};

/* What one producer says when it ends. */
struct verdict {
	struct test *test;
	uint32_t worker;
	uint64_t sessions;
	uint64_t refused;
	uint64_t failures;
};

static uint64_t word_of(const struct item *item)
{
	struct random random = {.state = item->number ^ (uint64_t)item->worker << 40 ^
					 (uint64_t)item->at << 20 ^ item->lane};

	return random_u64(&random);
}

/* --- producers ------------------------------------------------------------------------------- */

static void fill(struct item *item, const struct items_producer *p, const struct verdict *v,
		 uint32_t at, uint32_t session, uint64_t number)
{
	*item = (struct item){p->seat.id, v->worker, at, session, number, 0};
	item->word = word_of(item);
}

/* Send up to `n` items in one way or another. Gives how many went. */
static uint32_t send_some(struct items_producer *p, const struct verdict *v, struct random *random,
			  uint32_t at, uint32_t session, uint64_t number)
{
	const uint32_t n = (uint32_t)quoit_min(session - at, 1 + random_below(random, BATCH));
	struct item items[BATCH];
	struct item *to;
	size_t went = 0;

	switch (random_below(random, 4)) {
	case 0:
		fill(&items[0], p, v, at, session, number);
		return items_send_one(p, &items[0]);
	case 1:
		for (uint32_t i = 0; i < n; i++)
			fill(&items[i], p, v, at + i, session, number + i);
		return (uint32_t)items_send(p, items, n);
	case 2:
		for (uint32_t i = 0; i < n; i++)
			fill(&items[i], p, v, at + i, session, number + i);
		return items_send_all(p, items, n) ? n : 0;
	default:
		to = items_reserve_some(p, n, &went);
		for (uint32_t i = 0; to && i < went; i++)
			fill(&to[i], p, v, at + i, session, number + i);
		if (to)
			items_commit_later(p, went);
		/* The last of a session may be left to deregister. */
		if (at + went < session || random_below(random, 2))
			items_flush(p);
		return (uint32_t)went;
	}
}

static void *producer_worker(void *arg)
{
	struct verdict *const v = arg;
	struct test *const t = v->test;
	struct random random = {.state = t->seed + v->worker};
	uint64_t sent = 0;

	while (sent < t->share) {
		const uint32_t session = (uint32_t)quoit_min(
			t->share - sent, 1 + random_below(&random, SESSION_MOST));
		const uint64_t base = v->worker * t->share + sent;
		struct items_producer p;
		const int rc = items_register(&t->q, &p);

		if (rc == -EUSERS) {
			v->refused++;
			sched_yield();
			continue;
		}
		v->failures += rc != 0;
		for (uint32_t at = 0; at < session && !rc;) {
			const uint32_t went = send_some(&p, v, &random, at, session, base + at);

			at += went;
			if (!went)
				sched_yield();
		}
		v->failures += rc || items_deregister(&p);
		v->sessions++;
		sent += session;
	}
	return NULL;
}

/* --- consumer -------------------------------------------------------------------------------- */

static void judge(struct item *items, size_t n, uint32_t id, void *ctx)
{
	struct test *const t = ctx;

	for (size_t i = 0; i < n; i++) {
		const struct item *const item = &items[i];
		struct lane *const lane = &t->lanes[item->lane % SEATS];

		t->torn += item->word != word_of(item) || item->lane >= SEATS ||
			   (id != UINT32_MAX && id != item->lane);
		if (item->at == 0) {
			t->disordered += lane->next != lane->session;
			*lane = (struct lane){item->worker, 0, item->session};
		}
		t->disordered += item->at != lane->next || item->worker != lane->worker ||
				 item->session != lane->session;
		lane->next = item->at + 1;
		ledger_note(&t->ledger, item->number);
		items[i].word = 0; /* ours as long as we are here */
	}
}

static size_t read_some(struct test *t, struct random *random)
{
	struct item items[BATCH];
	const size_t most = 1 + (size_t)random_below(random, 1000);
	size_t n;

	switch (random_below(random, 6)) {
	case 0:
		n = items_recv(&t->q, items, quoit_min(most, BATCH));
		break;
	case 1:
		n = items_drain(&t->q, items, quoit_min(most, BATCH));
		break;
	case 2:
		n = items_recv_one(&t->q, items);
		break;
	case 3:
		return items_drain_all(&t->q, judge, t);
	case 4:
		return items_consume_up_to(&t->q, most, judge, t);
	default:
		return items_consume(&t->q, most, judge, t);
	}
	judge(items, n, UINT32_MAX, t);
	return n;
}

static bool has_ended_or_news(struct test *t)
{
	return quoit_mpsc_has_news(t->q.channel) || quoit_mpsc_is_drained(t->q.channel);
}

static void sleep_until_news(struct test *t)
{
	struct pollfd bell = {.fd = t->notify.fd, .events = POLLIN};
	unsigned silences = 0;
	uint64_t rings;

	quoit_wake_arm(&t->wake);
	if (!has_ended_or_news(t)) {
		t->sleeps++;
		while (!poll(&bell, 1, LOST_AFTER_MS))
			if (has_ended_or_news(t)) {
				t->lost_wakes++;
				break;
			} else if (++silences == SILENCES) {
				stress_say(false, "nothing comes any more");
				exit(1);
			}
	}
	quoit_wake_disarm(&t->wake);
	if (read(t->notify.fd, &rings, sizeof(rings)) < 0)
		return; /* nobody rang */
}

static void *consumer_worker(void *arg)
{
	struct test *const t = arg;
	struct random random = {.state = ~t->seed};

	while (!quoit_mpsc_is_drained(t->q.channel))
		if (!read_some(t, &random))
			sleep_until_news(t);
	return NULL;
}

static void *onlooker_worker(void *arg)
{
	struct test *const t = arg;
	const struct timespec pause = {.tv_nsec = 300000};
	uint64_t wrong = 0;

	while (!quoit_load_acquire(&t->over)) {
		struct quoit_mpsc_stats s;

		quoit_mpsc_snapshot(t->q.channel, &s);
		wrong += s.lanes > SEATS || s.producers + s.lanes_free > s.lanes;
		wrong += s.items_pending > SEATS * CAPACITY || s.items_sent > 8 * t->share;
		wrong += quoit_mpsc_length(t->q.channel) > SEATS * CAPACITY;
		wrong += quoit_mpsc_hottest(t->q.channel) >= SEATS;
		nanosleep(&pause, NULL);
	}
	return (void *)wrong;
}

static void open_channel(struct test *t, uint64_t seed, uint32_t seats)
{
	const struct quoit_mpsc_options options = {
		.capacity_slots = CAPACITY, .producers_most = seats, .quantum_items = 100};

	*t = (struct test){.seed = seed};
	if (items_create(&t->q, &options) || quoit_notify_open(&t->notify, &t->wake) ||
	    quoit_mpsc_attach(t->q.channel, &t->notify))
		abort();
}

static void close_channel(struct test *t)
{
	if (items_destroy(&t->q))
		abort();
	quoit_notify_close(&t->notify);
}

static void report(struct test *t, const struct verdict *verdicts, uint64_t wrong)
{
	struct quoit_mpsc_stats s;
	uint64_t sessions = 0, refused = 0, failures = 0;

	quoit_mpsc_snapshot(t->q.channel, &s);
	for (size_t i = 0; i < PRODUCERS; i++) {
		sessions += verdicts[i].sessions;
		refused += verdicts[i].refused;
		failures += verdicts[i].failures;
	}
	printf("RESULT name=mpsc threads=%u messages=%llu lost=%llu doubled=%llu reordered=%llu "
	       "torn=%llu "
	       "sessions=%llu refused=%llu lanes=%u sleeps=%llu looks=%llu skips=%llu\n",
	       PRODUCERS + 2u, (unsigned long long)t->ledger.count,
	       (unsigned long long)ledger_lost(&t->ledger), (unsigned long long)t->ledger.doubled,
	       (unsigned long long)t->disordered, (unsigned long long)t->torn,
	       (unsigned long long)sessions, (unsigned long long)refused, s.lanes,
	       (unsigned long long)t->sleeps, (unsigned long long)s.looks,
	       (unsigned long long)s.skips);
	stress_say(!ledger_lost(&t->ledger) && !t->ledger.doubled && !t->ledger.foreign,
		   "every item arrives once");
	stress_say(!t->torn, "every item is whole, and comes from the lane it went through");
	stress_say(!t->disordered, "in each lane whole sessions follow each other in order");
	stress_say(!t->lost_wakes && t->sleeps, "the consumer slept and was woken");
	stress_say(!failures && sessions > SEATS, "lanes are used again and again");
	stress_say(!wrong, "no figure was ever impossible");
	stress_say(s.items_sent == t->ledger.count && !s.items_pending, "the channel counts right");
}

static void come_and_go(uint64_t count, uint64_t seed)
{
	static struct test t;
	static struct verdict verdicts[PRODUCERS];
	pthread_t producers[PRODUCERS], consumer, onlooker;
	void *wrong;

	open_channel(&t, seed, SEATS);
	t.share = count / PRODUCERS;
	ledger_open(&t.ledger, t.share * PRODUCERS);
	if (pthread_create(&consumer, NULL, consumer_worker, &t) ||
	    pthread_create(&onlooker, NULL, onlooker_worker, &t))
		abort();
	for (uint32_t i = 0; i < PRODUCERS; i++) {
		verdicts[i] = (struct verdict){.test = &t, .worker = i};
		if (pthread_create(&producers[i], NULL, producer_worker, &verdicts[i]))
			abort();
	}
	for (uint32_t i = 0; i < PRODUCERS; i++)
		pthread_join(producers[i], NULL);
	quoit_mpsc_close(t.q.channel);
	pthread_join(consumer, NULL);
	quoit_store_release(&t.over, 1);
	pthread_join(onlooker, &wrong);
	report(&t, verdicts, (uint64_t)wrong);
	ledger_close(&t.ledger);
	close_channel(&t);
}

/* --- a close while a producer registers ------------------------------------------------------ */

struct meeting {
	struct lockstep pair;
	struct test test;

	/* The producer's. */
	QUOIT_ISOLATED uint64_t refused;
	uint64_t seated;
	uint64_t open; /* it was seated, and not told of the close */
	uint64_t failures;
};

static void *registering_worker(void *arg)
{
	struct meeting *const m = arg;
	struct random random = {.state = m->test.seed};
	const struct item item = {0};

	for (uint64_t round = 0; round < m->pair.rounds; round++) {
		struct items_producer p;
		int rc;

		lockstep_meet(&m->pair, 1);
		stress_dawdle(&random);
		rc = items_register(&m->test.q, &p);
		lockstep_meet(&m->pair, 1);
		m->refused += rc == -ESHUTDOWN;
		m->seated += rc == 0;
		m->failures += rc != 0 && rc != -ESHUTDOWN;
		if (!rc) {
			m->open += items_send_one(&p, &item);
			m->failures += items_deregister(&p) != 0;
		}
		lockstep_meet(&m->pair, 1);
	}
	return NULL;
}

static void close_and_register(uint64_t rounds, uint64_t seed)
{
	static struct meeting m;
	struct random random = {.state = ~seed};
	uint64_t undrained = 0;
	pthread_t producer;

	lockstep_begin(&m.pair, rounds);
	open_channel(&m.test, seed, 2);
	if (pthread_create(&producer, NULL, registering_worker, &m))
		abort();
	for (uint64_t round = 0; round < m.pair.rounds; round++) {
		lockstep_meet(&m.pair, 0);
		stress_dawdle(&random);
		quoit_mpsc_close(m.test.q.channel);
		lockstep_meet(&m.pair, 0);
		lockstep_may_end(&m.pair, round, undrained);
		lockstep_meet(&m.pair, 0);
		undrained += !quoit_mpsc_is_drained(m.test.q.channel);
		if (quoit_mpsc_reset(m.test.q.channel))
			abort();
	}
	pthread_join(producer, NULL);
	printf("RESULT name=mpsc-close rounds=%llu seated=%llu refused=%llu open=%llu\n",
	       (unsigned long long)m.pair.rounds, (unsigned long long)m.seated,
	       (unsigned long long)m.refused, (unsigned long long)m.open);
	stress_say(m.seated && m.refused && !m.failures, "rounds met in both orders");
	stress_say(!m.open, "who is seated while somebody closes is told");
	stress_say(!undrained, "and the channel comes to its end");
	close_channel(&m.test);
}

int main(void)
{
	const uint64_t seed = random_seed();

	printf("note: SEED=%llu\n", (unsigned long long)seed);
	come_and_go(stress_amount("STRESS_COUNT", 500000, 50000), seed);
	close_and_register(stress_amount("STRESS_ROUNDS", 200000, 50000) / 10, seed);
	return stress_failures != 0;
}
