/* SPDX-License-Identifier: MIT */
/*
 * 04_epoll.c - rings in a loop that is not ours: epoll, with a timer of its own.
 *
 *     build/release/examples/04_epoll             # a second or two
 *     build/release/examples/04_epoll 100000      # fewer messages
 *
 * A sensor writes into a ring of its own, two clients into a channel that they join and leave. One
 * thread reads both in its epoll loop, where a timerfd ticks as well, and sleeps whenever there is
 * nothing. One notifier serves all the rings: a system call for each sleep that it ends, not for
 * each message.
 *
 * What to look at: serve(), whose five steps are the order to keep; and the last line of the
 * output: about one bell for each sleep, and both far fewer than messages.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <quoit/rings/notifier.h>
#include <quoit/rings/typed.h>
#include <quoit/rings/typed_mpsc.h>

#define CLIENTS	 2
#define SLOTS	 1024
#define BURST	 500
#define PAUSE_NS 50000	  /* between bursts: long enough to fall asleep */
#define TICK_NS	 20000000 /* the loop's own business */

struct reading {
	uint64_t number;
	uint64_t celsius;
};

struct order {
	uint64_t number;
	uint32_t client;
};

QUOIT_SPSC(readings, struct reading);
QUOIT_MPSC(orders, struct order);

enum source {
	BELL,
	TICK,
};

static struct {
	struct quoit_notifier bell;
	struct readings readings;
	struct reading slots[SLOTS];
	struct orders orders;
	uint64_t count; /* of readings, and of each client's orders */
	int epoll;
	int timer;

	/* The loop's. */
	uint64_t readings_read, orders_read[CLIENTS], out_of_order;
	uint64_t sleeps, ticks, bells;
} all = {.count = 300000};

/* --- who sends ------------------------------------------------------------------------------- */

static void rest_after_a_burst(uint64_t sent)
{
	const struct timespec pause = {.tv_nsec = PAUSE_NS};

	if (sent % BURST == BURST - 1)
		nanosleep(&pause, NULL);
}

static void *sensor(void *arg)
{
	(void)arg;
	for (uint64_t n = 0; n < all.count; n++) {
		const struct reading reading = {.number = n, .celsius = 20 + n % 7};

		/* Full: the loop is behind. Closed: there will never be room again. */
		while (!readings_send_one(&all.readings, &reading) &&
		       !quoit_spsc_is_closed(&all.readings.ring))
			sched_yield();
		rest_after_a_burst(n);
	}
	quoit_spsc_finish(&all.readings.ring);
	return NULL;
}

static void *client(void *arg)
{
	const uint32_t *const number = arg;
	struct orders_producer p;

	if (orders_register(&all.orders, &p))
		abort();
	for (uint64_t n = 0; n < all.count; n++) {
		const struct order order = {.number = n, .client = *number};

		while (!orders_send_one(&p, &order) && !quoit_mpsc_is_closed(all.orders.channel))
			sched_yield();
		rest_after_a_burst(n);
	}
	if (orders_deregister(&p))
		abort();
	return NULL;
}

/* --- the loop -------------------------------------------------------------------------------- */

static void on_readings(struct reading *items, size_t n, bool more, void *ctx)
{
	(void)more;
	(void)ctx;
	for (size_t i = 0; i < n; i++)
		all.out_of_order += items[i].number != all.readings_read++;
}

static void on_orders(struct order *items, size_t n, uint32_t id, void *ctx)
{
	(void)id;
	(void)ctx;
	for (size_t i = 0; i < n; i++)
		all.out_of_order += items[i].number != all.orders_read[items[i].client]++;
}

static void drain(void)
{
	while (readings_consume(&all.readings, SLOTS, on_readings, NULL) +
	       orders_consume(&all.orders, SLOTS, on_orders, NULL))
		;
}

static bool has_news(void)
{
	return quoit_spsc_has_news(&all.readings.ring) || quoit_mpsc_has_news(all.orders.channel);
}

static bool has_ended(void)
{
	return quoit_spsc_is_drained(&all.readings.ring) &&
	       quoit_mpsc_is_drained(all.orders.channel);
}

static void wait_for_something(void)
{
	struct epoll_event events[4];
	const int n = epoll_wait(all.epoll, events, 4, -1);

	all.sleeps++;
	for (int i = 0; i < n; i++) {
		uint64_t ticks;

		/* A bell needs no more: whatever it was, serve() looks at all rings. */
		if (events[i].data.u64 == TICK && read(all.timer, &ticks, sizeof(ticks)) > 0)
			all.ticks += ticks;
	}
}

static void serve(void)
{
	while (!has_ended()) {
		all.bells += quoit_notifier_consume(&all.bell); /* 1. before the rings are read */
		drain();					/* 2. all of them */
		quoit_notifier_arm(&all.bell);			/* 3. from now on they ring */
		if (!has_news() && !has_ended())		/* 4. what came before that */
			wait_for_something();			/* 5. */
		quoit_notifier_disarm(&all.bell);
	}
}

/* --- the whole ------------------------------------------------------------------------------- */

static int set_up(void)
{
	const struct quoit_mpsc_options options = {.capacity_slots = SLOTS,
						   .producers_most = CLIENTS};
	const struct itimerspec often = {.it_value.tv_nsec = TICK_NS,
					 .it_interval.tv_nsec = TICK_NS};
	struct epoll_event tick = {.events = EPOLLIN, .data.u64 = TICK};
	int rc = quoit_notifier_init(&all.bell);

	if (!rc)
		rc = readings_init(&all.readings, all.slots, SLOTS);
	if (!rc)
		rc = orders_create(&all.orders, &options);
	if (!rc)
		rc = quoit_mpsc_attach(all.orders.channel, quoit_notifier_ref(&all.bell));
	if (rc)
		return rc;
	quoit_spsc_attach(&all.readings.ring, quoit_notifier_ref(&all.bell));
	all.epoll = epoll_create1(EPOLL_CLOEXEC);
	all.timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (all.epoll < 0 || all.timer < 0 || timerfd_settime(all.timer, 0, &often, NULL) ||
	    epoll_ctl(all.epoll, EPOLL_CTL_ADD, all.timer, &tick))
		return -1;
	return quoit_notifier_register_epoll(&all.bell, all.epoll, BELL);
}

/* The rings let go of the notifier, and only then can it be closed. */
static int take_down(void)
{
	int rc = orders_destroy(&all.orders);

	quoit_notifier_unref(&all.bell);
	quoit_notifier_unref(&all.bell);
	if (!rc)
		rc = quoit_notifier_destroy(&all.bell);
	(void)close(all.timer);
	(void)close(all.epoll);
	return rc;
}

/* Closes the channel when its clients have gone, so that the loop comes to an end. */
static void *closer(void *arg)
{
	static uint32_t numbers[CLIENTS];
	pthread_t clients[CLIENTS];

	(void)arg;
	for (uint32_t i = 0; i < CLIENTS; i++) {
		numbers[i] = i;
		if (pthread_create(&clients[i], NULL, client, &numbers[i]))
			abort();
	}
	for (uint32_t i = 0; i < CLIENTS; i++)
		pthread_join(clients[i], NULL);
	quoit_mpsc_close(all.orders.channel);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[2];
	uint64_t lost;

	if (argc > 1)
		all.count = strtoull(argv[1], NULL, 10);
	if (set_up()) {
		fprintf(stderr, "04_epoll: no memory or no descriptors\n");
		return 2;
	}
	if (pthread_create(&threads[0], NULL, sensor, NULL) ||
	    pthread_create(&threads[1], NULL, closer, NULL)) {
		fprintf(stderr, "04_epoll: no thread can be started\n");
		return 2;
	}
	serve();
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	lost = (1 + CLIENTS) * all.count - all.readings_read;
	for (int i = 0; i < CLIENTS; i++)
		lost -= all.orders_read[i];
	printf("%llu readings and %d x %llu orders, %llu lost, %llu out of order, %llu ticks\n",
	       (unsigned long long)all.readings_read, CLIENTS, (unsigned long long)all.count,
	       (unsigned long long)lost, (unsigned long long)all.out_of_order,
	       (unsigned long long)all.ticks);
	printf("the loop slept %llu times and was rung %llu times\n",
	       (unsigned long long)all.sleeps, (unsigned long long)all.bells);
	return take_down() || lost || all.out_of_order;
}
