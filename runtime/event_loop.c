/* SPDX-License-Identifier: MIT */
/*
 * event_loop.c - one loop, one channel, one thread.
 *
 * edge   released by                       acquired by              carries
 * stop   quoit_event_loop_stop: stopping   has_reason, take              nothing: an event
 */
#include <quoit/runtime/event_loop.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include <quoit/numa/clock.h>

enum state {
	IDLE,
	STARTING,
	RUNNING,
	DONE,
};

struct quoit_event_loop {
	struct quoit_event_loop_options options;
	struct quoit_wait how;
	bool blocks; /* sleeps in the kernel when there is nothing to do */
	struct quoit_loop *loop;
	struct quoit_channel channel;
	pthread_mutex_t lock; /* state, loop, and who tells whom */
	pthread_cond_t changed;
	enum state state;
	int rc; /* of starting */
	bool spawned, joined;
	pthread_t thread;
	uint32_t stopping;
	uint64_t deadline_ns; /* the thread's: of the grace period, once it has begun */
	bool over;	      /* the ring has ended, or the channel has left; the thread's */
	uint64_t processed;
	struct quoit_event_loop_result result;
};

/* --- the ring -------------------------------------------------------------------------------- */

static void close_ring(const struct quoit_event_loop_options *o)
{
	struct quoit_spmc_consumer *const spmc = o->ring;
	struct quoit_mpmc_consumer *const mpmc = o->ring;

	switch (o->kind) {
	case QUOIT_EVENT_LOOP_SPSC:
		quoit_spsc_close(o->ring);
		break;
	case QUOIT_EVENT_LOOP_MPSC:
		quoit_mpsc_close(o->ring);
		break;
	case QUOIT_EVENT_LOOP_SPMC:
		quoit_lane_close(&spmc->ring->lane);
		break;
	case QUOIT_EVENT_LOOP_MPMC:
		quoit_mpmc_close(mpmc->ring);
		break;
	}
}

/* What nobody has read or claimed. */
static size_t length_of(const struct quoit_event_loop_options *o)
{
	const struct quoit_spmc_consumer *const spmc = o->ring;
	const struct quoit_mpmc_consumer *const mpmc = o->ring;

	switch (o->kind) {
	case QUOIT_EVENT_LOOP_SPSC:
		return quoit_spsc_length(o->ring);
	case QUOIT_EVENT_LOOP_MPSC:
		return quoit_mpsc_length(o->ring);
	case QUOIT_EVENT_LOOP_SPMC:
		return quoit_lane_length(&spmc->ring->lane);
	default:
		return quoit_mpmc_length(mpmc->ring);
	}
}

static void handle(struct quoit_channel *channel, const void *items, size_t n, bool more, void *ctx)
{
	struct quoit_event_loop *const e = ctx;

	(void)channel;
	e->options.handler(items, n, more, e->options.ctx);
	quoit_count(&e->processed, n);
}

static void end(struct quoit_channel *channel, void *ctx)
{
	struct quoit_event_loop *const e = ctx;

	(void)channel;
	e->over = true;
}

static int attach(struct quoit_event_loop *e)
{
	const struct quoit_event_loop_options *const o = &e->options;
	const struct quoit_channel_options options = {
		.budget_items = o->budget_items,
		.realtime = o->realtime,
		.ended = end,
		.detached = end,
	};

	switch (o->kind) {
	case QUOIT_EVENT_LOOP_SPSC:
		return quoit_channel_attach_spsc(e->loop, &e->channel, o->ring, o->slots,
						 o->item_bytes, &options, handle, e);
	case QUOIT_EVENT_LOOP_MPSC:
		return quoit_channel_attach_mpsc(e->loop, &e->channel, o->ring, &options, handle,
						 e);
	case QUOIT_EVENT_LOOP_SPMC:
		return quoit_channel_attach_spmc(e->loop, &e->channel, o->ring, o->item_bytes,
						 &options, handle, e);
	default:
		return quoit_channel_attach_mpmc(e->loop, &e->channel, o->ring, o->item_bytes,
						 &options, handle, e);
	}
}

/* --- making ---------------------------------------------------------------------------------- */

int quoit_event_loop_create(const struct quoit_event_loop_options *options,
			    struct quoit_event_loop **loop)
{
	const struct quoit_wait block = {.kind = QUOIT_WAIT_BLOCK};
	struct quoit_event_loop *e;

	if (!options->ring || !options->handler || (unsigned)options->kind > QUOIT_EVENT_LOOP_MPMC)
		return -EINVAL;
	if (options->kind != QUOIT_EVENT_LOOP_MPSC && !options->item_bytes)
		return -EINVAL;
	e = calloc(1, sizeof(*e));
	if (!e)
		return -ENOMEM;
	e->options = *options;
	e->how = options->wait ? *options->wait : block;
	e->options.wait = NULL; /* the caller's, and not kept */
	e->blocks = e->how.kind >= QUOIT_WAIT_BLOCK;
	e->how.deadline_ns = 0;
	if (pthread_mutex_init(&e->lock, NULL) || pthread_cond_init(&e->changed, NULL)) {
		free(e);
		return -ENOMEM;
	}
	*loop = e;
	return 0;
}

int quoit_event_loop_destroy(struct quoit_event_loop *e)
{
	if (!e)
		return 0;
	pthread_mutex_lock(&e->lock);
	if (e->state == STARTING || e->state == RUNNING || (e->spawned && !e->joined)) {
		pthread_mutex_unlock(&e->lock);
		return -EBUSY;
	}
	pthread_mutex_unlock(&e->lock);
	(void)pthread_cond_destroy(&e->changed); /* nobody is left to wait */
	(void)pthread_mutex_destroy(&e->lock);
	free(e);
	return 0;
}

/* --- running --------------------------------------------------------------------------------- */

/* The end, or a stop that the grace period begins with. */
static bool has_reason(void *ctx)
{
	const struct quoit_event_loop *const e = ctx;

	if (e->over || !e->options.grace_ns || e->deadline_ns)
		return e->over;
	return quoit_load_acquire(&e->stopping); /* stop: pairs with quoit_event_loop_stop() */
}

/* Look once, and if there is nothing do what the strategy says. */
static void turn(struct quoit_event_loop *e, struct quoit_waiter *waiter)
{
	const uint64_t before = e->processed;

	/* Cannot fail: it is our own loop, and no handler is running. */
	if (quoit_loop_run_once(e->loop, 0) || e->over)
		return;
	if (e->processed != before)
		quoit_waiter_reset(waiter);
	else if (!e->blocks)
		quoit_waiter_wait(waiter, NULL, 0);
}

/* Until the ring has ended, or the grace period after a stop is over. */
static void serve(struct quoit_event_loop *e)
{
	struct quoit_waiter waiter;

	quoit_waiter_init(&waiter, &e->how);
	while (!e->over) {
		const uint64_t now = e->options.grace_ns ? quoit_clock_now_ns() : 0;

		if (has_reason(e))
			e->deadline_ns = now + e->options.grace_ns;
		if (e->deadline_ns && now >= e->deadline_ns) {
			e->result.late = true;
			return;
		}
		if (!e->blocks)
			turn(e, &waiter);
		else if (quoit_loop_run_until(e->loop, has_reason, e,
					      e->deadline_ns ? e->deadline_ns - now : UINT64_MAX))
			continue; /* the grace period is over */
	}
}

/* What came until now is handled, what comes later is left and counted: never silently. */
static void leave(struct quoit_event_loop *e)
{
	struct quoit_waiter waiter;

	if (e->over)
		return;
	quoit_waiter_init(&waiter, &e->how);
	for (size_t left = length_of(&e->options); left && !e->over;) {
		const uint64_t before = e->processed;

		turn(e, &waiter);
		left -= quoit_min(left, (size_t)(e->processed - before));
		if (e->processed == before)
			break; /* others have claimed it */
	}
	if (!e->over && quoit_channel_detach(&e->channel) == 0)
		e->over = true;
	while (!e->over)
		turn(e, &waiter);
	e->result.discarded = length_of(&e->options);
}

/* Make the loop, and say that it can be woken. */
static int begin(struct quoit_event_loop *e)
{
	struct quoit_reason why = {0};
	int rc = quoit_loop_create(NULL, &e->loop, &why);

	if (rc < 0)
		e->loop = NULL;
	else
		rc = attach(e);
	if (rc < 0 && e->loop && !quoit_loop_destroy(e->loop))
		e->loop = NULL;
	pthread_mutex_lock(&e->lock);
	e->rc = rc;
	e->state = rc < 0 ? DONE : RUNNING;
	pthread_cond_broadcast(&e->changed);
	pthread_mutex_unlock(&e->lock);
	return rc;
}

static void finish(struct quoit_event_loop *e)
{
	struct quoit_loop *const loop = e->loop;

	e->result.processed = e->processed;
	pthread_mutex_lock(&e->lock);
	e->loop = NULL; /* nobody wakes it any more */
	e->state = DONE;
	pthread_cond_broadcast(&e->changed);
	pthread_mutex_unlock(&e->lock);
	while (quoit_loop_destroy(loop) == -ETIMEDOUT)
		; /* the kernel still has something of it */
}

static void *run_worker(void *ctx)
{
	struct quoit_event_loop *const e = ctx;

	if (begin(e) < 0)
		return NULL;
	serve(e);
	leave(e);
	finish(e);
	return NULL;
}

/* Only one, and not after a stop. */
static int take(struct quoit_event_loop *e, bool spawned)
{
	int rc = -EBUSY;

	pthread_mutex_lock(&e->lock);
	/* stop: pairs with quoit_event_loop_stop() */
	if (e->state == IDLE && quoit_load_acquire(&e->stopping))
		rc = -ESHUTDOWN;
	else if (e->state == IDLE)
		rc = 0;
	if (!rc) {
		e->state = STARTING;
		e->spawned = spawned;
	}
	pthread_mutex_unlock(&e->lock);
	return rc;
}

int quoit_event_loop_run(struct quoit_event_loop *e)
{
	const int rc = take(e, false);

	if (rc)
		return rc;
	(void)run_worker(e);
	return e->rc;
}

int quoit_event_loop_spawn(struct quoit_event_loop *e)
{
	int rc = take(e, true);

	if (rc)
		return rc;
	rc = -pthread_create(&e->thread, NULL, run_worker, e);
	pthread_mutex_lock(&e->lock);
	if (rc) {
		e->state = IDLE;
		e->spawned = false;
	}
	while (e->state == STARTING)
		pthread_cond_wait(&e->changed, &e->lock);
	if (!rc)
		rc = e->rc;
	pthread_mutex_unlock(&e->lock);
	if (rc && e->spawned) {
		(void)pthread_join(e->thread, NULL);
		e->joined = true;
	}
	return rc;
}

/* --- stopping -------------------------------------------------------------------------------- */

void quoit_event_loop_stop(struct quoit_event_loop *e)
{
	quoit_store_release(&e->stopping, 1); /* stop: pairs with has_reason() and take() */
	close_ring(&e->options);
	pthread_mutex_lock(&e->lock);
	if (e->loop && e->state == RUNNING)
		quoit_loop_wake(e->loop); /* for the grace period */
	pthread_mutex_unlock(&e->lock);
}

int quoit_event_loop_join(struct quoit_event_loop *e, struct quoit_event_loop_result *result)
{
	bool joins;

	pthread_mutex_lock(&e->lock);
	if (e->state == IDLE) {
		pthread_mutex_unlock(&e->lock);
		return -ESRCH;
	}
	if (e->spawned && !e->joined && pthread_equal(e->thread, pthread_self())) {
		pthread_mutex_unlock(&e->lock);
		return -EDEADLK;
	}
	while (e->state != DONE)
		pthread_cond_wait(&e->changed, &e->lock);
	joins = e->spawned && !e->joined;
	e->joined = true;
	pthread_mutex_unlock(&e->lock);
	if (joins)
		(void)pthread_join(e->thread, NULL);
	if (result)
		*result = e->result;
	return 0;
}

uint64_t quoit_event_loop_processed(const struct quoit_event_loop *e)
{
	return quoit_load(&e->processed); /* one writer */
}
