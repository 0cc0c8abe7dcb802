/* SPDX-License-Identifier: MIT */
/*
 * wake.c - the sleeping handshake between two threads in lock step, a million times over.
 *
 * In each round a reader arms and looks while a publisher publishes (or closes) and rings if owed.
 * The reader must see it or hear the bell: a round with neither is a message that would wait for
 * ever. Each side has the other's line in its cache when the round begins, so that without the full
 * fence a load really is served before the own store has left the core.
 *
 * `wake item`, `wake close` or `wake flag` runs one of the three alone. The last lets two
 * publishers look at one armed flag: exactly one of them owes the bell.
 */
#include <pthread.h>
#include <string.h>
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
	uint64_t seed;

	/* The reader's. */
	QUOIT_ISOLATED uint64_t lost;
	uint64_t seen;
	uint64_t rung;
	uint64_t doubled; /* of the flag: two owed the bell, or none did */
	uint64_t nobody;

	struct {
		QUOIT_ISOLATED bool owes;
	} side[2];
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

static void read_round(struct litmus *t, struct random *random, uint64_t round)
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
	lockstep_may_end(&t->pair, round, t->lost);
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
static void flag_round(struct litmus *t, struct random *random, int side, uint64_t round)
{
	if (side == 0)
		quoit_wake_arm(&t->wake);
	lockstep_meet(&t->pair, side);
	(void)quoit_load(&t->wake.armed); /* brings the line here; a hint */
	lockstep_meet(&t->pair, side);
	stress_dawdle(random);
	quoit_wake_fence();
	t->side[side].owes = quoit_wake_owed(&t->wake);
	if (side == 0)
		lockstep_may_end(&t->pair, round, t->doubled + t->nobody);
	lockstep_meet(&t->pair, side);
	if (side == 1)
		return;
	t->doubled += t->side[0].owes && t->side[1].owes;
	t->nobody += !t->side[0].owes && !t->side[1].owes;
}

static void *publisher_worker(void *arg)
{
	struct litmus *t = arg;
	struct random random = {.state = ~t->seed};

	for (uint64_t i = 0; i < t->pair.rounds; i++)
		if (t->event == A_FLAG)
			flag_round(t, &random, 1, i);
		else
			publish_round(t, &random);
	return NULL;
}

/* Run all rounds of one kind. */
static void run(struct litmus *t, enum event event, uint64_t rounds, uint64_t seed)
{
	struct random random = {.state = seed};
	pthread_t publisher;

	*t = (struct litmus){.event = event, .seed = seed};
	lockstep_begin(&t->pair, rounds);
	if (quoit_notify_open(&t->notify, &t->wake) < 0)
		abort();
	begin(t);
	if (pthread_create(&publisher, NULL, publisher_worker, t))
		abort();
	for (uint64_t i = 0; i < t->pair.rounds; i++)
		if (event == A_FLAG)
			flag_round(t, &random, 0, i);
		else
			read_round(t, &random, i);
	pthread_join(publisher, NULL);
	quoit_notify_close(&t->notify);
}

static void try_event(enum event event, const char *name, uint64_t rounds, uint64_t seed)
{
	static struct litmus t;
	char what[96];

	run(&t, event, rounds, seed);
	printf("RESULT name=wake-%s rounds=%llu seen=%llu rung=%llu lost=%llu\n", name,
	       (unsigned long long)t.pair.rounds, (unsigned long long)t.seen,
	       (unsigned long long)t.rung, (unsigned long long)t.lost);
	snprintf(what, sizeof(what), "%s: rounds met in both orders", name);
	stress_say(t.lost || (t.seen && t.rung), what);
	snprintf(what, sizeof(what), "%s: a reader that arms and looks sees it or hears the bell",
		 name);
	stress_say(!t.lost, what);
}

static void try_flag(uint64_t rounds, uint64_t seed)
{
	static struct litmus t;

	run(&t, A_FLAG, rounds, seed);
	printf("RESULT name=wake-flag rounds=%llu doubled=%llu nobody=%llu\n",
	       (unsigned long long)t.pair.rounds, (unsigned long long)t.doubled,
	       (unsigned long long)t.nobody);
	stress_say(!t.doubled && !t.nobody, "flag: of two publishers exactly one owes the bell");
}

int main(int argc, char **argv)
{
	const uint64_t rounds = stress_amount("STRESS_ROUNDS", 1000000, 50000);
	const uint64_t seed = random_seed();
	const char *const only = argc > 1 ? argv[1] : "item close flag";

	printf("note: SEED=%llu\n", (unsigned long long)seed);
	if (strstr(only, "item"))
		try_event(AN_ITEM, "item", rounds, seed);
	if (strstr(only, "close"))
		try_event(A_CLOSE, "close", rounds, seed);
	if (strstr(only, "flag"))
		try_flag(rounds, seed);
	return stress_failures != 0;
}
