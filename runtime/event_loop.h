/* SPDX-License-Identifier: MIT */
/*
 * event_loop.h - a thread that handles what one ring brings, until it is stopped, and loses
 * nothing.
 *
 *     rc = quoit_event_loop_create(&(struct quoit_event_loop_options){
 *             .kind = QUOIT_EVENT_LOOP_MPSC, .ring = orders.channel, .handler = handle}, &loop);
 *     rc = quoit_event_loop_spawn(loop);
 *     ...
 *     quoit_event_loop_stop(loop);            closes the ring
 *     rc = quoit_event_loop_join(loop, &result);
 *
 * It is a loop (loop.h) with one channel (channel.h) and a thread. Stopping closes the ring and
 * goes on until every producer has finished and everything is read; only a grace period that runs
 * out before a producer finishes leaves something, and then says how much (defects D-18, D-59).
 */
#ifndef QUOIT_RUNTIME_EVENT_LOOP_H
#define QUOIT_RUNTIME_EVENT_LOOP_H

#include <quoit/rings/wait.h>
#include <quoit/runtime/channel.h>

QUOIT_C_BEGIN

struct quoit_event_loop;

enum quoit_event_loop_kind {
	QUOIT_EVENT_LOOP_SPSC, /* ring: struct quoit_spsc, with slots and item_bytes */
	QUOIT_EVENT_LOOP_MPSC, /* ring: struct quoit_mpsc */
	QUOIT_EVENT_LOOP_SPMC, /* ring: a struct quoit_spmc_consumer, with item_bytes */
	QUOIT_EVENT_LOOP_MPMC, /* ring: a struct quoit_mpmc_consumer, with item_bytes */
};

/* Gets a run of items: see quoit_channel_fn. It may stop the event loop. */
typedef void (*quoit_event_fn)(const void *items, size_t n, bool more, void *ctx);

/* Zero means the default everywhere. */
struct quoit_event_loop_options {
	enum quoit_event_loop_kind kind;
	void *ring;
	void *slots;
	size_t item_bytes;
	quoit_event_fn handler;
	void *ctx;

	/*
	 * What a turn does that found nothing. NULL, BLOCK, TIMED and PHASED sleep in the loop's
	 * io_uring until a producer wakes it; SPIN, YIELD and SLEEP do that and look again.
	 */
	const struct quoit_wait *wait;

	uint64_t grace_ns; /* after a stop, for producers to finish; default: for ever */
	uint32_t budget_items;
	bool realtime; /* the handler neither allocates nor blocks: see quoit_channel_options */
};

/* How it ended. */
struct quoit_event_loop_result {
	uint64_t processed; /* items handled */
	uint64_t discarded; /* published and not handled when the grace period was over */
	bool late;	    /* it was: producers had not finished */
};

/*
 * Prepare it. The ring is attached when it runs, so that producers may begin before, if nobody
 * sleeps yet: an MPSC channel, and an SPSC ring, are begun with quoit_notify_nobody then.
 *
 * Owns: the caller joins and destroys it; the ring is its to read. *loop is untouched on failure.
 * Errors: -EINVAL for what is missing, -ENOMEM.
 */
QUOIT_MUST_CHECK int quoit_event_loop_create(const struct quoit_event_loop_options *options,
					     struct quoit_event_loop **loop);

/*
 * Start a thread that runs it.
 * Errors: -EBUSY if it runs already or has run, -ESHUTDOWN after a stop; those of pthread_create(),
 * and what quoit_loop_create() and attaching the ring say.
 */
QUOIT_MUST_CHECK int quoit_event_loop_spawn(struct quoit_event_loop *loop);

/* The same on the calling thread; returns at its end. Errors: as quoit_event_loop_spawn(). */
QUOIT_MUST_CHECK int quoit_event_loop_run(struct quoit_event_loop *loop);

/*
 * Close the ring, handle what it still brings, and end. Again, or before it runs, is no harm.
 * Thread: any, and the handler.
 */
void quoit_event_loop_stop(struct quoit_event_loop *loop);

/*
 * Wait for the end, which needs a stop or a close. `result` may be NULL.
 * Errors: -EDEADLK in the handler, -ESRCH if it was never run.
 */
QUOIT_MUST_CHECK int quoit_event_loop_join(struct quoit_event_loop *loop,
					   struct quoit_event_loop_result *result);

/* Free it. NULL is let be. Errors: -EBUSY while it runs. */
QUOIT_MUST_CHECK int quoit_event_loop_destroy(struct quoit_event_loop *loop);

/* Items handled so far. Thread: any. */
uint64_t quoit_event_loop_processed(const struct quoit_event_loop *loop);

QUOIT_C_END

#endif
