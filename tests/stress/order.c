/* SPDX-License-Identifier: MIT */
/*
 * order.c - numbered items there and back between two threads that sleep, and rings that end.
 *
 * One thread sends numbers through one ring; the other sends each back through a second. Both sleep
 * on the bell of the ring they read whenever it is empty, so bursts and pauses of the first thread
 * put both to sleep again and again. A third thread only asks both rings how long they are.
 *
 * Nothing here depends on how long anything takes, but a reader that has slept for five seconds
 * beside an item was not woken: that is a lost wake.
 */
#include <poll.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include <quoit/numa/clock.h>
#include <quoit/rings/typed.h>

#include <stress/stress.h>

#define CAPACITY 1024
#define BATCH	 256
#define SILENCES 4 /* of LOST_AFTER_MS each, with nothing to read: the rest was lost */

QUOIT_SPSC(numbers, uint64_t);

/* A ring, and how its reader sleeps. */
struct way {
	struct numbers q;
	uint64_t slots[CAPACITY];
	struct quoit_wake wake;
	struct quoit_notify notify;
	QUOIT_ISOLATED uint64_t sleeps; /* the reader's */
	uint64_t lost_wakes;
};

static void way_open(struct way *way)
{
	way->wake.armed = 0;
	way->sleeps = way->lost_wakes = 0;
	if (numbers_init(&way->q, way->slots, CAPACITY) < 0 ||
	    quoit_notify_open(&way->notify, &way->wake) < 0)
		abort();
	quoit_spsc_attach(&way->q.ring, &way->notify);
}

static void way_close(struct way *way)
{
	quoit_notify_close(&way->notify);
}

static bool has_ended_or_news(struct way *way)
{
	return quoit_spsc_has_news(&way->q.ring) || quoit_spsc_is_drained(&way->q.ring);
}

/* Sleep until there is something to read, or the ring has ended. */
static void sleep_on(struct way *way)
{
	struct pollfd bell = {.fd = way->notify.fd, .events = POLLIN};
	unsigned silences = 0;
	uint64_t rings;

	quoit_wake_arm(&way->wake);
	if (!has_ended_or_news(way)) {
		way->sleeps++;
		while (!poll(&bell, 1, LOST_AFTER_MS))
			if (has_ended_or_news(way)) {
				way->lost_wakes++;
				break;
			} else if (++silences == SILENCES) {
				stress_say(false, "nothing comes any more");
				exit(1);
			}
	}
	quoit_wake_disarm(&way->wake);
	if (read(way->notify.fd, &rings, sizeof(rings)) < 0)
		return; /* nobody rang */
}

/* --- there and back -------------------------------------------------------------------------- */

struct trip {
	struct way there, back;
	struct ledger arrived, returned;
	uint64_t count;
	bool overflowed; /* the echo had no room, though the sender keeps to a window */
	QUOIT_ISOLATED uint32_t over;
	QUOIT_ISOLATED uint64_t looks; /* the onlooker's */
	uint64_t too_long;
};

static void *echo_worker(void *arg)
{
	struct trip *trip = arg;
	uint64_t numbers[BATCH];

	for (;;) {
		const size_t n = numbers_recv(&trip->there.q, numbers, BATCH);

		for (size_t i = 0; i < n; i++)
			ledger_note(&trip->arrived, numbers[i]);
		if (n && numbers_send(&trip->back.q, numbers, n) != n)
			trip->overflowed = true;
		if (n)
			continue;
		if (quoit_spsc_is_drained(&trip->there.q.ring))
			break;
		sleep_on(&trip->there);
	}
	quoit_spsc_finish(&trip->back.q.ring);
	return NULL;
}

static void *onlooker_worker(void *arg)
{
	struct trip *trip = arg;
	const struct timespec pause = {.tv_nsec = 200000};

	while (!quoit_load_acquire(&trip->over)) {
		for (int i = 0; i < 100; i++) {
			trip->too_long += quoit_spsc_length(&trip->there.q.ring) > CAPACITY;
			trip->too_long += quoit_spsc_length(&trip->back.q.ring) > CAPACITY;
		}
		trip->looks += 100;
		nanosleep(&pause, NULL);
	}
	return NULL;
}

static void take_back(struct trip *trip)
{
	uint64_t numbers[BATCH];
	const size_t n = numbers_recv(&trip->back.q, numbers, BATCH);

	for (size_t i = 0; i < n; i++)
		ledger_note(&trip->returned, numbers[i]);
	if (!n)
		sleep_on(&trip->back);
}

/* Send the next `burst` numbers, never with more on their way than the ring back can hold. */
static void send_burst(struct trip *trip, uint64_t *next, uint64_t burst)
{
	uint64_t numbers[BATCH];

	while (burst) {
		const uint64_t on_their_way = *next - trip->returned.distinct;
		const size_t n = quoit_min(quoit_min(burst, BATCH), CAPACITY - on_their_way);
		size_t sent;

		for (size_t i = 0; i < n; i++)
			numbers[i] = *next + i;
		sent = numbers_send(&trip->there.q, numbers, n);
		*next += sent;
		burst -= sent;
		if (!sent)
			take_back(trip);
	}
}

/* Bursts of 1 to some thousands; after some, wait until all are back, and a while longer. */
static void travel(struct trip *trip, struct random *random)
{
	const struct timespec pause = {.tv_nsec = 20000};
	uint64_t next = 0;

	while (next < trip->count) {
		const uint64_t most = UINT64_C(1) << random_below(random, 14);
		const uint64_t burst = 1 + random_below(random, most);

		send_burst(trip, &next, quoit_min(burst, trip->count - next));
		if (random_below(random, 4))
			continue;
		while (trip->returned.distinct + trip->returned.doubled < next)
			take_back(trip);
		if (!random_below(random, 8))
			nanosleep(&pause, NULL);
	}
	quoit_spsc_finish(&trip->there.q.ring);
	while (!quoit_spsc_is_drained(&trip->back.q.ring))
		take_back(trip);
}

static void report(const char *name, const struct ledger *ledger, const struct way *way,
		   uint64_t elapsed_ns)
{
	const uint64_t per_s = ledger->distinct * 1000000000 / (elapsed_ns + 1);

	printf("RESULT name=%s messages=%llu lost=%llu doubled=%llu reordered=%llu lost_wakes=%llu "
	       "sleeps=%llu bells_rung=%llu bells_saved=%llu per_s=%llu\n",
	       name, (unsigned long long)ledger->distinct, (unsigned long long)ledger_lost(ledger),
	       (unsigned long long)ledger->doubled, (unsigned long long)ledger->reordered,
	       (unsigned long long)way->lost_wakes, (unsigned long long)way->sleeps,
	       (unsigned long long)way->q.ring.bells_rung,
	       (unsigned long long)way->q.ring.bells_saved, (unsigned long long)per_s);
}

static void there_and_back(uint64_t count, struct random *random)
{
	static struct trip trip;
	pthread_t echo, onlooker;
	uint64_t began, elapsed;

	trip.count = count;
	way_open(&trip.there);
	way_open(&trip.back);
	ledger_open(&trip.arrived, count);
	ledger_open(&trip.returned, count);
	began = quoit_clock_now_ns();
	if (pthread_create(&echo, NULL, echo_worker, &trip) ||
	    pthread_create(&onlooker, NULL, onlooker_worker, &trip))
		abort();
	travel(&trip, random);
	elapsed = quoit_clock_now_ns() - began;
	pthread_join(echo, NULL);
	quoit_store_release(&trip.over, 1);
	pthread_join(onlooker, NULL);
	report("order-there", &trip.arrived, &trip.there, elapsed);
	report("order-back", &trip.returned, &trip.back, elapsed);
	stress_say(ledger_is_perfect(&trip.arrived) && ledger_is_perfect(&trip.returned),
		   "every number goes there and back once, in order");
	stress_say(!trip.there.lost_wakes && !trip.back.lost_wakes, "no sleeper was left asleep");
	stress_say(trip.there.sleeps && trip.back.sleeps, "both sides slept in between");
	stress_say(!trip.overflowed, "what fits by the window fits into the ring");
	stress_say(!trip.too_long && trip.looks, "no ring was ever longer than its capacity");
	ledger_close(&trip.arrived);
	ledger_close(&trip.returned);
	way_close(&trip.there);
	way_close(&trip.back);
}

/* --- endings --------------------------------------------------------------------------------- */

struct ending {
	struct lockstep pair;
	struct way way;
	uint64_t rounds;
	uint64_t seed;
};

/* How many items the next round's producer sends before it ends the ring; often none. */
static uint64_t items_of(struct random *random)
{
	const uint64_t dice = random_below(random, 6);

	return dice < 5 ? dice : random_below(random, CAPACITY);
}

/* Wait until the reader has said that it is going to sleep, and most often until it does. */
static void let_it_fall_asleep(const struct way *way)
{
	const struct timespec moment = {.tv_nsec = 10000};

	for (int looks = 0; looks < 1000 && !quoit_load(&way->wake.armed); looks++) /* a hint */
		nanosleep(&moment, NULL);
	nanosleep(&moment, NULL);
}

static void *ending_worker(void *arg)
{
	struct ending *e = arg;
	struct random amounts = {.state = e->seed}, dawdling = {.state = ~e->seed};

	for (uint64_t round = 0; round < e->rounds; round++) {
		const uint64_t n = items_of(&amounts);

		lockstep_meet(&e->pair, 1);
		if (round % 2)
			let_it_fall_asleep(&e->way);
		for (uint64_t i = 0; i < n; i++) {
			(void)numbers_send(&e->way.q, &i, 1); /* the ring holds them all */
			stress_dawdle(&dawdling);
		}
		quoit_spsc_finish(&e->way.q.ring);
		lockstep_meet(&e->pair, 1);
	}
	return NULL;
}

/* Read a ring to its end. Gives how many items it had. */
static uint64_t read_to_the_end(struct way *way)
{
	uint64_t items[BATCH];
	uint64_t got = 0;

	while (!quoit_spsc_is_drained(&way->q.ring)) {
		const size_t n = numbers_recv(&way->q, items, BATCH);

		got += n;
		if (!n)
			sleep_on(way);
	}
	return got;
}

static void endings(uint64_t rounds, uint64_t seed)
{
	static struct ending e;
	struct random amounts = {.state = seed};
	uint64_t cut = 0, slept = 0, lost_wakes = 0;
	pthread_t producer;

	e.rounds = rounds;
	e.seed = seed;
	way_open(&e.way);
	if (pthread_create(&producer, NULL, ending_worker, &e))
		abort();
	for (uint64_t round = 0; round < rounds; round++) {
		lockstep_meet(&e.pair, 0);
		cut += read_to_the_end(&e.way) != items_of(&amounts);
		lockstep_meet(&e.pair, 0);
		slept += e.way.sleeps;
		lost_wakes += e.way.lost_wakes;
		way_close(&e.way);
		way_open(&e.way);
	}
	pthread_join(producer, NULL);
	way_close(&e.way);
	printf("RESULT name=order-end rounds=%llu cut=%llu sleeps=%llu lost_wakes=%llu\n",
	       (unsigned long long)rounds, (unsigned long long)cut, (unsigned long long)slept,
	       (unsigned long long)lost_wakes);
	stress_say(!cut, "the last item before the end is read");
	stress_say(!lost_wakes && slept, "the end of a ring wakes its sleeper");
}

int main(void)
{
	struct random random = {.state = random_seed()};

	printf("note: SEED=%llu\n", (unsigned long long)random.state);
	endings(stress_amount("STRESS_ROUNDS", 100000, 5000) / 10, random.state);
	there_and_back(stress_amount("STRESS_COUNT", 2000000, 100000), &random);
	return stress_failures != 0;
}
