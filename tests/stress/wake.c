/* SPDX-License-Identifier: MIT */
/*
 * wake.c - the sleeping handshake between two threads in lock step, a million times over.
 *
 * In each round a reader arms and looks while a publisher publishes (or closes) and rings if owed.
 * The reader must see it or hear the bell: a round with neither is a message that would wait for
 * ever. Each side has the other's line in its cache when the round begins, so that without the full
 * fence a load really is served before the own store has left the core.
 *
 * The last test lets two publishers look at one armed flag: exactly one of them owes the bell.
 */
#include <pthread.h>
#include <unistd.h>

#include <quoit/rings/spsc.h>

#include <stress/stress.h>

enum event {
	AN_ITEM,
	A_CLOSE,
	A_FLAG,
};

struct litmus {
	struct lockstep pair;
	struct quoit_wake wake;
	struct quoit_notify notify;
	struct quoit_spsc ring;
	enum event event;
	uint64_t rounds;
	uint64_t seed;

	/* The reader's. */
	QUOIT_ISOLATED uint64_t lost;
	uint64_t seen;
	uint64_t rung;
	bool reader_owes;

	/* The publisher's. */
	QUOIT_ISOLATED uint64_t doubled;
	uint64_t nobody;
};

static void begin(struct litmus *t)
{
	if (quoit_spsc_init(&t->ring, 4) < 0)
		abort();
	quoit_spsc_attach(&t->ring, &t->notify);
}

static bool look(struct litmus *t)
{
	return t->event == AN_ITEM ? quoit_spsc_has_news(&t->ring) : quoit_spsc_is_closed(&t->ring);
}

static bool hear(const struct litmus *t)
{
	uint64_t rings;

	return read(t->notify.fd, &rings, sizeof(rings)) == (ssize_t)sizeof(rings);
}

static void read_round(struct litmus *t, struct random *random)
{
	bool saw, heard;

	(void)look(t); /* brings the line here */
	lockstep_meet(&t->pair, 0);
	stress_dawdle(random);
	quoit_wake_arm(&t->wake);
	saw = look(t);
	lockstep_meet(&t->pair, 0);
	heard = hear(t);
	t->seen += saw;
	t->rung += heard;
	t->lost += !saw && !heard;
	quoit_wake_disarm(&t->wake);
	begin(t);
	lockstep_meet(&t->pair, 0);
}

static void publish_round(struct litmus *t, struct random *random)
{
	size_t at;

	(void)quoit_load(&t->wake.armed); /* brings the line here; a hint */
	if (t->event == AN_ITEM && quoit_spsc_reserve(&t->ring, 1, &at) != 1)
		abort();
	lockstep_meet(&t->pair, 1);
	stress_dawdle(random);
	if (t->event == AN_ITEM)
		quoit_spsc_commit(&t->ring, 1);
	else
		quoit_spsc_close(&t->ring);
	lockstep_meet(&t->pair, 1);
	lockstep_meet(&t->pair, 1);
}

/* Both sides are publishers here; side 0 arms for them. */
static void flag_round(struct litmus *t, struct random *random, int side)
{
	bool owed;

	if (side == 0)
		quoit_wake_arm(&t->wake);
	lockstep_meet(&t->pair, side);
	(void)quoit_load(&t->wake.armed); /* brings the line here; a hint */
	lockstep_meet(&t->pair, side);
	stress_dawdle(random);
	quoit_wake_fence();
	owed = quoit_wake_owed(&t->wake);
	if (side == 0)
		t->reader_owes = owed;
	lockstep_meet(&t->pair, side);
	if (side == 0)
		return;
	t->doubled += owed && t->reader_owes;
	t->nobody += !owed && !t->reader_owes;
}

static void *publisher_worker(void *arg)
{
	struct litmus *t = arg;
	struct random random = {.state = ~t->seed};

	for (uint64_t i = 0; i < t->rounds; i++)
		if (t->event == A_FLAG)
			flag_round(t, &random, 1);
		else
			publish_round(t, &random);
	return NULL;
}

/* Run all rounds of one kind. */
static void run(struct litmus *t, enum event event, uint64_t rounds, uint64_t seed)
{
	struct random random = {.state = seed};
	pthread_t publisher;

	*t = (struct litmus){.event = event, .rounds = rounds, .seed = seed};
	if (quoit_notify_open(&t->notify, &t->wake) < 0)
		abort();
	begin(t);
	if (pthread_create(&publisher, NULL, publisher_worker, t))
		abort();
	for (uint64_t i = 0; i < rounds; i++)
		if (event == A_FLAG)
			flag_round(t, &random, 0);
		else
			read_round(t, &random);
	pthread_join(publisher, NULL);
	quoit_notify_close(&t->notify);
}

static void report(const char *name, const struct litmus *t)
{
	printf("RESULT name=%s rounds=%llu seen=%llu rung=%llu lost=%llu\n", name,
	       (unsigned long long)t->rounds, (unsigned long long)t->seen,
	       (unsigned long long)t->rung, (unsigned long long)t->lost);
}

int main(void)
{
	static struct litmus t;
	const uint64_t rounds = stress_amount("STRESS_ROUNDS", 1000000, 50000);
	const uint64_t seed = random_seed();

	printf("note: SEED=%llu\n", (unsigned long long)seed);
	run(&t, AN_ITEM, rounds, seed);
	report("wake-item", &t);
	stress_say(t.seen && t.rung, "rounds met in both orders");
	stress_say(!t.lost, "a reader that arms and looks sees the item or hears the bell");
	run(&t, A_CLOSE, rounds, seed);
	report("wake-close", &t);
	stress_say(!t.lost, "a reader that arms and looks sees the close or hears the bell");
	run(&t, A_FLAG, rounds, seed);
	printf("RESULT name=wake-flag rounds=%llu doubled=%llu nobody=%llu\n",
	       (unsigned long long)rounds, (unsigned long long)t.doubled,
	       (unsigned long long)t.nobody);
	stress_say(!t.doubled && !t.nobody, "of two publishers exactly one owes the bell");
	return stress_failures != 0;
}
