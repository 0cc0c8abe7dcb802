/* SPDX-License-Identifier: MIT */
/*
 * notifier.c - a loop of epoll that sleeps between every few items, and must never sleep beside
 * one.
 *
 * One thread sends through a ring, two through a channel, and all ring the same notifier. A sender
 * waits until what it has sent is read, and a little longer: so it sends when the reader is about
 * to arm, to look or to sleep. The reader is once a loop of its own, which arms before it waits,
 * and once a handler in somebody else's loop, which leaves the bell armed.
 *
 * A fourth thread bothers the loop through an eventfd of its own, as other sockets would. That
 * would hide a lost wake, so whoever is woken by it looks: there is something to read, its sender
 * has come back from sending, and yet the flag is up, or it is down and the bell was not rung. Such
 * a sender has left a sleeper beside its item.
 */
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
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
	uint32_t turn; /* the sender that may send; SENDERS: all */
	struct {
		QUOIT_ISOLATED uint32_t sending; /* 1 from before an item until after its bell */
		QUOIT_ISOLATED uint64_t read;	 /* of this sender's items */
	} senders[SENDERS];

	/* The reader's. */
	QUOIT_ISOLATED struct ledger ledger;
	struct random random;
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

/* Wait until the turn has come to `until`. */
static void wait_for_turn(struct test *t, uint32_t until)
{
	const struct timespec pause = {.tv_nsec = 1000000};

	while (quoit_load_acquire(&t->turn) < until)
		nanosleep(&pause, NULL);
}

/*
 * Each sends its first half while the others wait, then all send together: what one has failed to
 * ring for, the next bell of another would make good.
 */
static void take_turns(struct test *t, uint32_t number, uint64_t *alone)
{
	if (!*alone || --*alone)
		return;
	quoit_store_release(&t->turn, number + 1);
	wait_for_turn(t, SENDERS);
}

/* Wait until what was sent is read, and while the reader is about to arm. */
static void meet(struct test *t, uint32_t number, uint64_t sent, struct random *random)
{
	for (unsigned looks = 0; quoit_load_acquire(&t->senders[number].read) < sent; looks++)
		if (looks < 500)
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
	uint64_t sent = 0, alone = 1 + t->share / 5; /* bursts: 2 or 3 items on average */

	wait_for_turn(t, s->number);
	if (p && many_register(&t->channel, p))
		abort();
	while (sent < t->share) {
		uint64_t words[4];
		const size_t n = quoit_min(t->share - sent, 1 + (size_t)random_below(&random, 4));

		for (size_t i = 0; i < n; i++)
			words[i] = s->number * t->share + sent + i;
		take_turns(t, s->number, &alone);
		meet(t, s->number, sent, &random);
		quoit_store(&t->senders[s->number].sending, 1); /* the items release it */
		for (size_t went = 0; went < n;) {
			const size_t more = send_some(t, p, words + went, n - went);

			went += more;
			if (!more)
				sched_yield();
		}
		quoit_store_release(&t->senders[s->number].sending, 0);
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
		for (uint64_t n = random_below(&random, 20); n; n--)
			sched_yield();
	}
	return NULL;
}

/* --- the reader ------------------------------------------------------------------------------ */

static void judge_many(uint64_t *items, size_t n, uint32_t id, void *ctx)
{
	struct test *const t = ctx;

	(void)id;
	for (size_t i = 0; i < n; i++) {
		uint64_t *const read = &t->senders[items[i] / t->share].read;

		ledger_note(&t->ledger, items[i]);
		quoit_store_release(read, quoit_load(read) + 1); /* ours */
	}
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

static bool is_rung(const struct test *t)
{
	struct pollfd bell = {.fd = quoit_notifier_fd(&t->bell), .events = POLLIN};

	return poll(&bell, 1, 0) == 1;
}

/* Does a source have items whose sender has come back, though the bell that was due did not ring?
 */
static bool was_left_alone(struct test *t)
{
	bool alone =
		quoit_spsc_has_news(&t->ring.ring) && !quoit_load_acquire(&t->senders[0].sending);

	for (uint32_t id = 0; id < quoit_mpsc_lanes(t->channel.channel); id++) {
		struct quoit_mpsc_lane *const lane = quoit__mpsc_lane(t->channel.channel, id);
		uint64_t *slot;

		if (!quoit_spsc_has_news(&lane->ring))
			continue;
		slot = (uint64_t *)lane->slots + (lane->ring.head_own & lane->ring.mask_consumer);
		alone |= !quoit_load_acquire(&t->senders[*slot / t->share].sending);
	}
	if (!alone || quoit_load(&t->bell.wake.armed))
		return alone;
	/* Somebody took the flag. Unless it is still on its way, the bell must be there. */
	for (uint32_t i = 0; i < SENDERS; i++)
		if (quoit_load_acquire(&t->senders[i].sending))
			return false;
	return !is_rung(t);
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
	if (was_left_alone(t)) {
		t->lost_wakes++;
		rung = true; /* so that the test goes on */
	}
	for (int i = 0; i < n; i++) {
		uint64_t count;

		rung |= events[i].data.u64 == BELL;
		if (events[i].data.u64 == BOTHER && read(t->bother, &count, sizeof(count)) > 0)
			t->bothered++;
	}
	return rung;
}

/*
 * A loop that is ours: consume, drain, arm, look, wait. A little time between any two of them gives
 * senders the chance to come just there.
 */
static void read_in_our_loop(struct test *t)
{
	while (!has_ended(t)) {
		t->bells += quoit_notifier_consume(&t->bell);
		drain(t);
		stress_dawdle(&t->random);
		quoit_notifier_arm(&t->bell);
		stress_dawdle(&t->random);
		if (!has_news(t) && !has_ended(t))
			(void)wait_once(t); /* whatever it was, we look at everything */
		quoit_notifier_disarm(&t->bell);
	}
}

/*
 * A handler in a loop that is not: it runs only when the bell was rung. Nobody else looks for the
 * end, so it must not be slept beside either.
 */
static void read_in_their_loop(struct test *t)
{
	bool ended = false;

	if (quoit_notifier_signal(&t->bell))
		abort();
	while (!ended) {
		if (!wait_once(t))
			continue;
		t->bells += quoit_notifier_consume(&t->bell);
		do {
			drain(t);
			stress_dawdle(&t->random);
			quoit_notifier_arm(&t->bell);
			ended = has_ended(t);
		} while (!ended && has_news(t));
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
			   .random = {.state = seed * 5},
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
