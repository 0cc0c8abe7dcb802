/* SPDX-License-Identifier: MIT */
/*
 * notifier.c - a loop of epoll that sleeps between every few items, and must never sleep beside
 * one.
 *
 * One thread sends through a ring, two through a channel, and all ring the same notifier; a fourth
 * bothers the loop through an eventfd of its own. A sender goes on only when the reader has armed,
 * which is just before it sleeps, or after a while: so arming and sending meet again and again. The
 * reader is once a loop of its own, which arms before it waits, and once a handler in somebody
 * else's loop, which leaves the bell armed. A sleep that is over only when the loop's patience is,
 * with something to read, was a lost wake.
 */
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <quoit/rings/notifier.h>
#include <quoit/rings/typed.h>
#include <quoit/rings/typed_mpsc.h>

#include <stress/stress.h>

#define SENDERS	 3 /* the first through the ring */
#define CAPACITY 64
#define BELL	 1
#define BOTHER	 2

QUOIT_SPSC(words, uint64_t);
QUOIT_MPSC(many, uint64_t);

struct test {
	struct quoit_notifier bell;
	struct words ring;
	uint64_t slots[CAPACITY];
	struct many channel;
	uint64_t share; /* of each sender */
	uint64_t seed;
	int epoll;
	int bother;
	QUOIT_ISOLATED uint32_t over;

	/* The reader's. */
	QUOIT_ISOLATED struct ledger ledger;
	uint64_t sleeps;
	uint64_t bells;
	uint64_t bothered;
	uint64_t lost_wakes;
};

struct sender {
	struct test *test;
	uint32_t number;
};

/* --- senders --------------------------------------------------------------------------------- */

/* Let the reader come to its arming, most of the time. */
static void meet(struct test *t, struct random *random)
{
	for (uint64_t looks = random_below(random, 3000); looks && !quoit_load(&t->bell.wake.armed);
	     looks--) /* hint */
		if (looks % 64)
			quoit_relax();
		else
			sched_yield();
	stress_dawdle(random);
}

static size_t send_some(struct test *t, struct many_producer *p, const uint64_t *words, size_t n)
{
	return p ? many_send(p, words, n) : words_send(&t->ring, words, n);
}

static void *sender_worker(void *arg)
{
	const struct sender *const s = arg;
	struct test *const t = s->test;
	struct random random = {.state = t->seed + s->number};
	struct many_producer producer, *const p = s->number ? &producer : NULL;
	uint64_t sent = 0;

	if (p && many_register(&t->channel, p))
		abort();
	while (sent < t->share) {
		uint64_t words[4];
		const size_t n = quoit_min(t->share - sent, 1 + (size_t)random_below(&random, 4));

		for (size_t i = 0; i < n; i++)
			words[i] = s->number * t->share + sent + i;
		meet(t, &random);
		for (size_t went = 0; went < n;) {
			const size_t more = send_some(t, p, words + went, n - went);

			went += more;
			if (!more)
				sched_yield();
		}
		sent += n;
	}
	if (!p)
		quoit_spsc_finish(&t->ring.ring);
	else if (many_deregister(p))
		abort();
	return NULL;
}

static void *bother_worker(void *arg)
{
	struct test *const t = arg;
	struct random random = {.state = ~t->seed};

	while (!quoit_load_acquire(&t->over)) {
		if (eventfd_write(t->bother, 1))
			abort();
		for (uint64_t n = random_below(&random, 200); n; n--)
			sched_yield();
	}
	return NULL;
}

/* --- the reader ------------------------------------------------------------------------------ */

static void judge_many(uint64_t *items, size_t n, uint32_t id, void *ctx)
{
	struct test *const t = ctx;

	(void)id;
	for (size_t i = 0; i < n; i++)
		ledger_note(&t->ledger, items[i]);
}

static void judge(uint64_t *items, size_t n, bool more, void *ctx)
{
	(void)more;
	judge_many(items, n, 0, ctx);
}

static void drain(struct test *t)
{
	while (words_consume(&t->ring, CAPACITY, judge, t) +
	       many_consume(&t->channel, SENDERS * CAPACITY, judge_many, t))
		;
}

static bool has_ended(struct test *t)
{
	return quoit_spsc_is_drained(&t->ring.ring) && quoit_mpsc_is_drained(t->channel.channel);
}

static bool has_news(struct test *t)
{
	return quoit_spsc_has_news(&t->ring.ring) || quoit_mpsc_has_news(t->channel.channel);
}

/* The foreign loop: wait, and serve its own descriptor. Tells whether the bell was rung. */
static bool wait_once(struct test *t)
{
	struct epoll_event events[2];
	const int n = epoll_wait(t->epoll, events, 2, LOST_AFTER_MS);
	bool rung = false;

	if (!n && (has_news(t) || has_ended(t))) {
		t->lost_wakes++;
		return true;
	}
	t->sleeps++;
	for (int i = 0; i < n; i++) {
		uint64_t count;

		rung |= events[i].data.u64 == BELL;
		if (events[i].data.u64 == BOTHER && read(t->bother, &count, sizeof(count)) > 0)
			t->bothered++;
	}
	return rung;
}

/* A loop that is ours: consume, drain, arm, look, wait. */
static void read_in_our_loop(struct test *t)
{
	while (!has_ended(t)) {
		t->bells += quoit_notifier_consume(&t->bell);
		drain(t);
		quoit_notifier_arm(&t->bell);
		if (!has_news(t) && !has_ended(t))
			(void)wait_once(t); /* whatever it was, we look at everything */
		quoit_notifier_disarm(&t->bell);
	}
}

/* A handler in a loop that is not: it runs only when the bell was rung. */
static void read_in_their_loop(struct test *t)
{
	if (quoit_notifier_signal(&t->bell))
		abort();
	while (!has_ended(t)) {
		if (!wait_once(t))
			continue;
		t->bells += quoit_notifier_consume(&t->bell);
		do {
			drain(t);
			quoit_notifier_arm(&t->bell);
		} while (has_news(t));
	}
}

/* --- the whole ------------------------------------------------------------------------------- */

static void open_test(struct test *t, uint64_t count, uint64_t seed)
{
	const struct quoit_mpsc_options options = {.capacity_slots = CAPACITY,
						   .producers_most = SENDERS};
	struct epoll_event event = {.events = EPOLLIN, .data.u64 = BOTHER};

	*t = (struct test){.share = count / SENDERS,
			   .seed = seed,
			   .epoll = epoll_create1(EPOLL_CLOEXEC),
			   .bother = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
	ledger_open(&t->ledger, t->share * SENDERS);
	if (t->epoll < 0 || t->bother < 0 || quoit_notifier_init(&t->bell) ||
	    quoit_notifier_register_epoll(&t->bell, t->epoll, BELL) ||
	    epoll_ctl(t->epoll, EPOLL_CTL_ADD, t->bother, &event) ||
	    words_init(&t->ring, t->slots, CAPACITY) || many_create(&t->channel, &options) ||
	    quoit_mpsc_attach(t->channel.channel, quoit_notifier_ref(&t->bell)))
		abort();
	quoit_spsc_attach(&t->ring.ring, quoit_notifier_ref(&t->bell));
}

static void close_test(struct test *t)
{
	ledger_close(&t->ledger);
	quoit_notifier_unref(&t->bell);
	quoit_notifier_unref(&t->bell);
	if (many_destroy(&t->channel) || quoit_notifier_destroy(&t->bell))
		abort();
	(void)close(t->epoll);
	(void)close(t->bother);
}

static void *reader_of_ours(void *arg)
{
	read_in_our_loop(arg);
	return NULL;
}

static void *reader_of_theirs(void *arg)
{
	read_in_their_loop(arg);
	return NULL;
}

static void run(const char *name, void *(*reader)(void *), uint64_t count, uint64_t seed)
{
	static struct test t;
	struct sender senders[SENDERS];
	pthread_t threads[SENDERS], bother, read;

	open_test(&t, count, seed);
	if (pthread_create(&read, NULL, reader, &t) ||
	    pthread_create(&bother, NULL, bother_worker, &t))
		abort();
	for (uint32_t i = 0; i < SENDERS; i++) {
		senders[i] = (struct sender){&t, i};
		if (pthread_create(&threads[i], NULL, sender_worker, &senders[i]))
			abort();
	}
	for (uint32_t i = 0; i < SENDERS; i++)
		pthread_join(threads[i], NULL);
	quoit_mpsc_close(t.channel.channel);
	pthread_join(read, NULL);
	quoit_store_release(&t.over, 1);
	pthread_join(bother, NULL);
	printf("RESULT name=notifier-%s messages=%llu lost=%llu doubled=%llu sleeps=%llu "
	       "bells=%llu lost_wakes=%llu\n",
	       name, (unsigned long long)t.ledger.count, (unsigned long long)ledger_lost(&t.ledger),
	       (unsigned long long)t.ledger.doubled, (unsigned long long)t.sleeps,
	       (unsigned long long)t.bells, (unsigned long long)t.lost_wakes);
	stress_say(!t.lost_wakes, "nobody slept beside an item or the end");
	stress_say(!ledger_lost(&t.ledger) && !t.ledger.doubled && !t.ledger.foreign,
		   "every item arrives once");
	stress_say(t.bells > t.ledger.count / 100 && t.bothered,
		   "the loop slept again and again, and served others");
	close_test(&t);
}

int main(void)
{
	const uint64_t seed = random_seed();
	const uint64_t count = stress_amount("STRESS_COUNT", 1000000, 100000);

	printf("note: SEED=%llu\n", (unsigned long long)seed);
	run("own-loop", reader_of_ours, count, seed);
	run("foreign-loop", reader_of_theirs, count, ~seed);
	return stress_failures != 0;
}
