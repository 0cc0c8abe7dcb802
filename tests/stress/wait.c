/* SPDX-License-Identifier: MIT */
/*
 * wait.c - two threads that wait for each other on rings, with every strategy, where every message
 * is the last one: whoever has sent sleeps until the other has answered, so that a single lost wake
 * stops both. It shows as a wait that ends at its deadline.
 *
 * The second part fills a ring of two, so that the producer sleeps for space as often as the reader
 * sleeps for data, and closes it: everything sent must arrive before the end does.
 *
 * The third closes again and again right behind an item. The fourth is the handshake alone, in lock
 * step: in each round one side arms and looks while the other publishes, frees or closes, and the
 * one that looked must have seen it or find its key spent. This is where a missing fence shows.
 */
#include <pthread.h>

#include <quoit/rings/typed.h>

#include <stress/stress.h>

QUOIT_SPSC(words, uint64_t);

#define SMALL 2

struct court {
	struct words there;
	struct words back;
	uint64_t slots[2][SMALL];
	struct quoit_waits waits[2];
	enum quoit_wait_kind kind;
	uint64_t count;
	uint64_t foreign; /* answers that were wrong; the starter's */
	int rc[2];
};

static struct quoit_wait patience(enum quoit_wait_kind kind)
{
	const struct quoit_wait how = {
		.kind = kind,
		.spins = 3,
		.yields = 1,
		.deadline_ns = quoit_deadline_ns(LOST_AFTER_MS * INT64_C(1000000)),
	};
	return how;
}

static void open_court(struct court *c, enum quoit_wait_kind kind, uint64_t count)
{
	*c = (struct court){.kind = kind, .count = count};
	if (words_init(&c->there, c->slots[0], SMALL) || words_init(&c->back, c->slots[1], SMALL))
		abort();
	quoit_spsc_attach_waits(&c->there.ring, &c->waits[0]);
	quoit_spsc_attach_waits(&c->back.ring, &c->waits[1]);
}

static void *answer_worker(void *arg)
{
	struct court *const c = arg;
	uint64_t word = 0;
	size_t n;

	while (true) {
		const struct quoit_wait how = patience(c->kind);

		c->rc[1] = words_recv_wait(&c->there, &word, 1, &how, &n);
		if (c->rc[1])
			return NULL;
		word = ~word;
		c->rc[1] = words_send_one_wait(&c->back, &word, &how);
		if (c->rc[1])
			return NULL;
	}
}

/* One ball, to and fro. */
static uint64_t rally(struct court *c)
{
	uint64_t i, word = 0;
	size_t n;

	for (i = 0; i < c->count; i++) {
		const struct quoit_wait how = patience(c->kind);

		c->rc[0] = words_send_one_wait(&c->there, &i, &how);
		if (!c->rc[0])
			c->rc[0] = words_recv_wait(&c->back, &word, 1, &how, &n);
		if (c->rc[0])
			break;
		c->foreign += word != ~i;
	}
	quoit_spsc_finish(&c->there.ring);
	return i;
}

static void play(enum quoit_wait_kind kind, const char *name, uint64_t count)
{
	static struct court c;
	pthread_t other;
	uint64_t done;

	open_court(&c, kind, count);
	if (pthread_create(&other, NULL, answer_worker, &c))
		abort();
	done = rally(&c);
	pthread_join(other, NULL);
	printf("RESULT name=wait-%s rallies=%llu lost=%llu foreign=%llu\n", name,
	       (unsigned long long)done, (unsigned long long)(count - done),
	       (unsigned long long)c.foreign);
	stress_say(done == count && c.rc[1] == -108 /* -ESHUTDOWN */,
		   "every ball came back, and the close ended the other side");
	stress_say(!c.foreign, "and as what it was sent");
}

static void *fill_worker(void *arg)
{
	struct court *const c = arg;
	struct random random = {.state = c->count};

	for (uint64_t i = 0; i < c->count && !c->rc[1]; i++) {
		const struct quoit_wait how = patience(c->kind);

		stress_dawdle(&random);
		c->rc[1] = words_send_one_wait(&c->there, &i, &how);
	}
	quoit_spsc_close(&c->there.ring);
	return NULL;
}

static void fill(enum quoit_wait_kind kind, const char *name, uint64_t count)
{
	static struct court c;
	struct ledger ledger;
	struct random random = {.state = ~count};
	pthread_t other;

	open_court(&c, kind, count);
	ledger_open(&ledger, count);
	if (pthread_create(&other, NULL, fill_worker, &c))
		abort();
	while (!c.rc[0]) {
		const struct quoit_wait how = patience(kind);
		uint64_t out[SMALL];
		size_t n = 0;

		stress_dawdle(&random);
		c.rc[0] = words_recv_wait(&c.there, out, SMALL, &how, &n);
		for (size_t i = 0; i < n; i++)
			ledger_note(&ledger, out[i]);
	}
	pthread_join(other, NULL);
	printf("RESULT name=wait-fill-%s messages=%llu lost=%llu doubled=%llu reordered=%llu\n",
	       name, (unsigned long long)count, (unsigned long long)ledger_lost(&ledger),
	       (unsigned long long)ledger.doubled, (unsigned long long)ledger.reordered);
	stress_say(c.rc[0] == -108 /* -ESHUTDOWN */ && !c.rc[1],
		   "nobody was late, and the reader saw the end");
	stress_say(ledger_is_perfect(&ledger), "everything sent before the close arrived, once");
	ledger_close(&ledger);
}

/* --- the end --------------------------------------------------------------------------------- */

/* One item and the close, sent to a reader that is just looking. */
struct ending {
	struct lockstep pair;
	uint64_t rounds;
	struct words q;
	uint64_t slots[SMALL];
};

static void *end_worker(void *arg)
{
	struct ending *const e = arg;
	struct random random = {.state = e->rounds};

	for (uint64_t i = 0; i < e->rounds; i++) {
		lockstep_meet(&e->pair, 1);
		stress_dawdle(&random);
		if (!words_send_one(&e->q, &i))
			abort();
		quoit_spsc_close(&e->q.ring);
		lockstep_meet(&e->pair, 1);
	}
	return NULL;
}

static void endings(uint64_t rounds)
{
	static struct ending e;
	uint64_t lost = 0;
	pthread_t other;

	e = (struct ending){.rounds = rounds};
	if (words_init(&e.q, e.slots, SMALL) || pthread_create(&other, NULL, end_worker, &e))
		abort();
	for (uint64_t i = 0; i < rounds; i++) {
		const struct quoit_wait how =
			patience(QUOIT_WAIT_SPIN); /* a deadline is a moment */
		uint64_t word;
		size_t n, got = 0;

		lockstep_meet(&e.pair, 0);
		while (!words_recv_wait(&e.q, &word, 1, &how, &n))
			got += n;
		lost += got != 1;
		lockstep_meet(&e.pair, 0);
		quoit_spsc_reset(&e.q.ring);
	}
	pthread_join(other, NULL);
	printf("RESULT name=wait-end rounds=%llu lost=%llu\n", (unsigned long long)rounds,
	       (unsigned long long)lost);
	stress_say(!lost, "what was sent just before the close is read before the end is told");
}

/* --- the handshake alone --------------------------------------------------------------------- */

enum happening {
	AN_ITEM,
	A_FREE_SLOT,
	A_CLOSE,
};

struct litmus {
	struct lockstep pair;
	enum happening what;
	uint64_t rounds;
	QUOIT_ISOLATED struct quoit_spsc ring;
	struct quoit_waits waits;
	QUOIT_ISOLATED uint64_t seen; /* from here on the sleeper's */
	uint64_t woken;
	uint64_t lost;
};

static void set_up(struct litmus *t)
{
	size_t at;

	if (quoit_spsc_init(&t->ring, 1))
		abort();
	quoit_spsc_attach_waits(&t->ring, &t->waits);
	if (t->what != A_FREE_SLOT)
		return;
	if (!quoit_spsc_reserve(&t->ring, 1, &at))
		abort();
	quoit_spsc_commit(&t->ring, 1);
	if (!quoit_spsc_has_news(&t->ring))
		abort();
}

static bool look(struct litmus *t)
{
	switch (t->what) {
	case AN_ITEM:
		return quoit_spsc_has_news(&t->ring);
	case A_FREE_SLOT:
		return quoit__spsc_freed(&t->ring) != 0;
	default:
		return quoit_spsc_is_closed(&t->ring);
	}
}

static void sleep_round(struct litmus *t, struct random *random)
{
	struct quoit_event *const on = t->what == A_FREE_SLOT ? &t->waits.space : &t->waits.data;
	uint32_t key;
	bool saw, woken;

	(void)look(t); /* brings the line here */
	lockstep_meet(&t->pair, 0);
	stress_dawdle(random);
	key = quoit_event_arm(on);
	saw = look(t);
	lockstep_meet(&t->pair, 0);
	woken = quoit_load(&on->word) != key; /* both have met since */
	t->seen += saw;
	t->woken += woken;
	t->lost += !saw && !woken;
	if (!woken && quoit_event_owed(on)) /* as a later publication would */
		quoit_event_wake(on);
	set_up(t);
	lockstep_meet(&t->pair, 0);
}

static void *happen_worker(void *arg)
{
	struct litmus *const t = arg;
	struct random random = {.state = t->rounds};
	size_t at;

	for (uint64_t i = 0; i < t->rounds; i++) {
		(void)quoit_load(&t->waits.data.word); /* brings the lines here; hints */
		(void)quoit_load(&t->waits.space.word);
		if (t->what == AN_ITEM && !quoit_spsc_reserve(&t->ring, 1, &at))
			abort();
		lockstep_meet(&t->pair, 1);
		stress_dawdle(&random);
		if (t->what == AN_ITEM)
			quoit_spsc_commit(&t->ring, 1);
		else if (t->what == A_FREE_SLOT)
			quoit_spsc_advance(&t->ring, 1);
		else
			quoit_spsc_close(&t->ring);
		lockstep_meet(&t->pair, 1);
		lockstep_meet(&t->pair, 1);
	}
	return NULL;
}

static void shake_hands(enum happening what, const char *name, uint64_t rounds)
{
	static struct litmus t;
	struct random random = {.state = ~rounds};
	pthread_t other;

	t = (struct litmus){.what = what, .rounds = rounds};
	set_up(&t);
	if (pthread_create(&other, NULL, happen_worker, &t))
		abort();
	for (uint64_t i = 0; i < rounds; i++)
		sleep_round(&t, &random);
	pthread_join(other, NULL);
	printf("RESULT name=doze-%s rounds=%llu seen=%llu woken=%llu lost=%llu\n", name,
	       (unsigned long long)rounds, (unsigned long long)t.seen, (unsigned long long)t.woken,
	       (unsigned long long)t.lost);
	stress_say(t.seen && t.woken, "the two met in both orders");
	stress_say(!t.lost, "who arms and looks sees it or is woken");
}

int main(void)
{
	static const struct {
		enum quoit_wait_kind kind;
		const char *name;
		unsigned part; /* of the count: some wait slowly */
	} kinds[] = {
		{QUOIT_WAIT_YIELD, "yield", 10},  {QUOIT_WAIT_SLEEP, "sleep", 100},
		{QUOIT_WAIT_BLOCK, "block", 1},	  {QUOIT_WAIT_TIMED, "timed", 10},
		{QUOIT_WAIT_PHASED, "phased", 1},
	};
	const uint64_t count = stress_amount("STRESS_ROUNDS", 100000, 20000);

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		play(kinds[i].kind, kinds[i].name, count / kinds[i].part);
		fill(kinds[i].kind, kinds[i].name, count / kinds[i].part);
	}
	endings(count * 5);
	shake_hands(AN_ITEM, "item", count * 5);
	shake_hands(A_FREE_SLOT, "space", count * 5);
	shake_hands(A_CLOSE, "close", count * 5);
	return stress_failures != 0;
}
