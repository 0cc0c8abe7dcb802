/* SPDX-License-Identifier: MIT */
/*
 * 05_pipeline.c - three producers, one consumer, and whoever has nothing to do sleeps.
 *
 *     build/release/examples/05_pipeline            # a million orders from each
 *     build/release/examples/05_pipeline 1000       # fewer
 *
 * Each producer has a ring of its own in the channel, and sleeps while that is full; the consumer
 * sleeps while all are empty. What to look at: `waits` in the options, without which nobody may
 * sleep on the channel, and how main() tells the end from an error.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <quoit/rings/typed_mpsc.h>

#define PRODUCERS 3

struct order {
	uint64_t number;
	uint32_t producer;
};

QUOIT_MPSC(orders, struct order);

static struct orders q;
static uint64_t count = 1000000;
static uint32_t at_work = PRODUCERS;

static void *produce(void *arg)
{
	const struct quoit_wait how = quoit_wait_block();
	struct orders_producer p;

	if (orders_register(&q, &p))
		abort();
	for (uint64_t n = 0; n < count; n++) {
		const struct order order = {.number = n, .producer = *(const uint32_t *)arg};

		if (orders_send_one_wait(&p, &order, &how))
			abort();
	}
	if (orders_deregister(&p))
		abort();
	if (quoit_add(&at_work, -1u) == 1)
		quoit_mpsc_close(q.channel); /* the last one: nobody will register any more */
	return NULL;
}

struct summary {
	uint64_t next[PRODUCERS], orders, out_of_order;
};

/* A run of orders of one producer, where that producer wrote them. */
static void on_orders(struct order *items, size_t n, uint32_t id, void *ctx)
{
	struct summary *const sum = ctx;

	(void)id; /* the lane's, which another producer may get once it is free */
	for (size_t i = 0; i < n; i++)
		sum->out_of_order += items[i].number != sum->next[items[i].producer]++;
	sum->orders += n;
}

int main(int argc, char **argv)
{
	const struct quoit_mpsc_options options = {
		.capacity_slots = 1024, .producers_most = PRODUCERS, .waits = true};
	const struct quoit_wait how = quoit_wait_block();
	pthread_t threads[PRODUCERS];
	uint32_t names[PRODUCERS];
	struct summary sum = {0};
	size_t got;
	int rc;

	if (argc > 1)
		count = strtoull(argv[1], NULL, 10);
	rc = orders_create(&q, &options);
	for (uint32_t i = 0; i < PRODUCERS && !rc; i++) {
		names[i] = i;
		rc = -pthread_create(&threads[i], NULL, produce, &names[i]);
	}
	if (rc) {
		fprintf(stderr, "05_pipeline: %s\n", strerror(-rc));
		return 2;
	}
	do
		rc = orders_consume_wait(&q, SIZE_MAX, &how, &got, on_orders, &sum);
	while (!rc);
	if (rc != -ESHUTDOWN) { /* that is the normal end: closed, and everything read */
		fprintf(stderr, "05_pipeline: waiting for orders: %s\n", strerror(-rc));
		return 1;
	}
	/* The rest: what had been reserved when it was closed may be committed later. Not here. */
	while (!quoit_mpsc_wait_rest(q.channel, &how))
		(void)orders_consume(&q, SIZE_MAX, on_orders, &sum);
	for (int i = 0; i < PRODUCERS; i++)
		pthread_join(threads[i], NULL);
	printf("%llu orders from %d producers, %llu out of order\n", (unsigned long long)sum.orders,
	       PRODUCERS, (unsigned long long)sum.out_of_order);
	return orders_destroy(&q) || sum.orders != PRODUCERS * count || sum.out_of_order;
}
