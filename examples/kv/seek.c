/* SPDX-License-Identifier: MIT */
/* seek.c - how a core of a front comes by its link to the back, and by another one after that. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "front_internal.h"

#define AGAIN_NS   UINT64_C(50000000) /* from a failure to the next try */
#define COMMANDS   0
#define REPLIES	   1
#define ROLE_OF(i) ((i) == COMMANDS ? QUOIT_SHRING_PRODUCER : QUOIT_SHRING_CONSUMER)

static void drop_rings(struct kv_front *front)
{
	for (unsigned i = 0; i < 2; i++) {
		quoit_shring_destroy(front->rings[i]);
		front->rings[i] = NULL;
	}
}

static void offered(struct quoit_poll *poll, uint32_t events, void *ctx)
{
	struct kv_front *front = ctx;
	const struct quoit_shring_options options = link_options(ROLE_OF(front->taken));
	const int rc = quoit_shring_accept(front->sock, &options, KV_AT_ONCE,
					   &front->rings[front->taken], NULL);

	(void)events;
	if (!rc)
		front->taken++;
	if ((rc && rc != -ETIMEDOUT) || front->taken == 2)
		quoit_poll_stop(poll);
}

static void begin(struct kv_front *front)
{
	struct kv_link *link = malloc(sizeof(*link));
	int rc = -ENOMEM;

	if (link)
		rc = link_start(link, quoit_core_loop(front->core), front->rings[REPLIES],
				front->rings[COMMANDS], &front_link_events, front);
	else
		drop_rings(front);
	front->rings[COMMANDS] = front->rings[REPLIES] = NULL;
	if (!rc) {
		front_begin(front, link);
		return;
	}
	free(link);
	front_seek(front, AGAIN_NS);
}

static void offers_over(struct quoit_poll *poll, int error, void *ctx)
{
	struct kv_front *front = ctx;

	(void)poll;
	(void)error;
	(void)quoit_timers_stop(quoit_core_timers(front->core), &front->patience);
	close(front->sock);
	if (front->taken == 2) {
		begin(front);
		return;
	}
	drop_rings(front);
	front_seek(front, AGAIN_NS);
}

static void no_offer(struct quoit_timer *timer, void *ctx)
{
	struct kv_front *front = ctx;

	(void)timer;
	quoit_poll_stop(&front->offers);
}

/* Nothing here waits: who is not there at once is asked again. */
static bool ask(struct kv_front *front)
{
	const struct quoit_unix_options connect = {.deadline_ns = KV_AT_ONCE};
	const struct quoit_shring_options ring = link_options(ROLE_OF(COMMANDS));
	const struct quoit_poll_options poll = {
		.events = POLLIN, .ready = offered, .stopped = offers_over, .ctx = front};

	front->sock = quoit_unix_connect(front->server->config.path, &connect, NULL);
	if (front->sock < 0)
		return false;
	front->taken = 0;
	if (quoit_shring_ask(front->sock, &ring, KV_AT_ONCE, NULL) ||
	    quoit_poll_start(quoit_core_loop(front->core), &front->offers, front->sock, &poll)) {
		close(front->sock);
		return false;
	}
	quoit_timers_start(quoit_core_timers(front->core), &front->patience,
			   quoit_core_now_ns(front->core) + KV_PATIENCE_NS, no_offer, front);
	return true;
}

static void look(struct quoit_timer *timer, void *ctx)
{
	(void)timer;
	if (!ask(ctx))
		front_seek(ctx, AGAIN_NS);
}

void front_seek(struct kv_front *front, uint64_t delay_ns)
{
	if (!quoit_core_is_stopping(front->core))
		quoit_timers_start(quoit_core_timers(front->core), &front->again,
				   quoit_core_now_ns(front->core) + delay_ns, look, front);
}
