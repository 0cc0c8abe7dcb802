/* SPDX-License-Identifier: MIT */
/*
 * loop_feed.h - a ring that feeds a loop which may sleep: how long until its handler has a message.
 */
#ifndef TESTS_BENCH_LOOP_FEED_H
#define TESTS_BENCH_LOOP_FEED_H

#include "loop_bare.h"

#include <quoit/runtime/loop_internal.h>

enum {
	SLOTS = 64,
};

struct feed {
	struct quoit_source source;
	struct numbers *ring;
	struct course *course;
	unsigned got;
};

static inline size_t feed_dispatch(struct quoit_source *source, size_t budget)
{
	struct feed *f = quoit_container_of(source, struct feed, source);
	uint64_t stamp;
	size_t n = 0;

	for (; n < budget && numbers_recv_one(f->ring, &stamp); n++)
		f->course->samples[f->got++] = quoit_ticks() - stamp;
	return n;
}

static inline bool feed_has_news(struct quoit_source *source)
{
	return quoit_spsc_has_news(&quoit_container_of(source, struct feed, source)->ring->ring);
}

static inline bool feed_expects_news(const struct quoit_source *source)
{
	(void)source;
	return false;
}

static inline void feed_flush(struct quoit_source *source)
{
	(void)source;
}

/* `ring` and its SLOTS slots are the caller's, and empty from then on. */
static inline void feed_open(struct feed *f, struct course *c, struct numbers *ring,
			     uint64_t *slots)
{
	*f = (struct feed){.source = {.dispatch = feed_dispatch,
				      .has_news = feed_has_news,
				      .expects_news = feed_expects_news,
				      .flush = feed_flush},
			   .ring = ring,
			   .course = c};
	if (numbers_init(ring, slots, SLOTS))
		die("no ring of %d", SLOTS);
}

static inline struct quoit_loop *make_loop(void)
{
	const struct quoit_loop_options options = {.never_spin = true};
	struct quoit_reason why;
	struct quoit_loop *loop;

	if (quoit_loop_create(&options, &loop, &why) < 0)
		die("%s", why.text);
	return loop;
}

static inline void run_once(struct quoit_loop *loop)
{
	if (quoit_loop_run_once(loop, QUOIT_FOREVER) < 0)
		die("the loop does not run");
}

static struct feed feed;

static inline void follow_feed(struct course *c)
{
	struct quoit_loop *loop = make_loop();

	quoit_spsc_attach(&feed.ring->ring, &loop->notify);
	quoit_loop_add_source(loop, &feed.source);
	while (feed.got < c->count) {
		fall_asleep(c, feed.got + 1);
		run_once(loop);
	}
	fall_asleep(c, c->count + 1);
	quoit_loop_remove_source(&feed.source);
	if (quoit_loop_destroy(loop) < 0)
		die("the loop stays");
}

static inline void lead_feed(struct course *c)
{
	for (unsigned i = 0; i < c->count; i++) {
		uint64_t stamp;

		wait_for_sleep(c, i + 1);
		stamp = quoit_ticks();
		if (!numbers_send_one(feed.ring, &stamp))
			die("the ring is full");
	}
	wait_for_sleep(c, c->count + 1);
}

#endif
