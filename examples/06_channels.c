/* SPDX-License-Identifier: MIT */
/*
 * 06_channels.c - worker threads feed an event loop through a channel, and it sleeps in between.
 *
 *     O=build/release; make && $O/examples/06_channels
 *
 * The loop could be a core's (quoit_core_loop()), one of your own as here, or one that lives on
 * your io_uring: a channel does not care.
 */
#include <quoit.h>

#include <pthread.h>
#include <stdio.h>

struct order {
	unsigned worker;
	unsigned number;
};

QUOIT_MPSC(orders, struct order);

#define WORKERS 3
#define ORDERS	1000

static struct orders q;
static unsigned handled, batches;

/* On the loop's thread, with all that has come, in each worker's order. */
static void handle(struct quoit_channel *channel, const void *items, size_t n, bool more, void *ctx)
{
	(void)channel;
	(void)items;
	(void)ctx;
	handled += (unsigned)n;
	batches += !more; /* here one would write to a disk or a socket, once for many */
}

static void ended(struct quoit_channel *channel, void *ctx)
{
	(void)channel;
	quoit_loop_stop(ctx);
}

static void *work(void *ctx)
{
	struct orders_producer producer;
	struct order order = {.worker = (unsigned)(uintptr_t)ctx};

	if (orders_register(&q, &producer))
		return "no lane";
	for (; order.number < ORDERS; order.number++)
		while (!orders_send_one(&producer, &order))
			quoit_yield();
	return orders_deregister(&producer) ? "no end" : NULL;
}

int main(void)
{
	const struct quoit_mpsc_options options = {.capacity_slots = 256,
						   .producers_most = WORKERS};
	const struct quoit_channel_options told = {.ended = ended};
	struct quoit_reason why = {0};
	struct quoit_channel channel;
	struct quoit_loop *loop;
	pthread_t workers[WORKERS];
	int rc = quoit_loop_create(NULL, &loop, &why);

	if (rc < 0) {
		fprintf(stderr, "06_channels: %s\n", why.text);
		return rc == -ENOSYS || rc == -EPERM ? 77 : 1;
	}
	if (orders_create(&q, &options) ||
	    quoit_channel_attach_mpsc(loop, &channel, q.channel, &told, handle, loop))
		return 1;
	for (uintptr_t i = 0; i < WORKERS; i++)
		if (pthread_create(&workers[i], NULL, work, (void *)i))
			return 1;
	/* The channel ends when it is closed, every worker has deregistered, and all is read. */
	while (handled < WORKERS * ORDERS)
		if (quoit_loop_run_once(loop, QUOIT_FOREVER))
			return 1;
	quoit_mpsc_close(q.channel);
	rc = quoit_loop_run(loop);
	for (int i = 0; i < WORKERS; i++)
		pthread_join(workers[i], NULL);
	printf("%u orders in %u batches\n", handled, batches);
	return rc || quoit_loop_destroy(loop) || quoit_mpsc_destroy(q.channel) ||
	       handled != WORKERS * ORDERS;
}
