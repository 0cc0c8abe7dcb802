/* SPDX-License-Identifier: MIT */
/*
 * sides.h - a few cores on one thread, whose turns the test takes by hand: what happens between
 * them is exact, and "would sleep for ever" shows as a bell that was not rung.
 *
 * Include after <cmocka.h>.
 */
#ifndef QUOIT_TESTS_RUNTIME_SIDES_H
#define QUOIT_TESTS_RUNTIME_SIDES_H

#include <string.h>
#include <unistd.h>

#include <quoit/runtime/core_internal.h>

#include <support/skip.h>

#define SIDES_MOST   4
#define SIDE_CALLERS 256

struct side {
	struct quoit_core core;
	struct quoit_bell bells[SIDES_MOST];
	size_t credits_told, posts_got, replies_got, caller_count;
	struct quoit_caller callers[SIDE_CALLERS];
	int statuses[SIDE_CALLERS]; /* of the replies, in their order */
	int told_depth;		    /* of the last credit */
	unsigned told_to;
};

static struct side sides[SIDES_MOST];
static unsigned side_count;

static inline int side_open(struct side *side, uint32_t index, uint32_t calls, uint32_t depth)
{
	const struct quoit_region_options options = {
		.bytes = quoit_mail_bytes(side_count, calls, depth), .node = -1};
	struct quoit_core *core = &side->core;
	struct quoit_reason why = {0};
	int rc;

	memset(side, 0, sizeof(*side));
	for (uint32_t i = 0; i < side_count; i++)
		side->bells[i].owner.slot = i;
	core->index = index;
	rc = quoit_region_open(&core->region, &options, &why);
	if (rc < 0)
		return rc;
	rc = quoit_loop_open(&core->loop, 64, -1, side->bells, side_count, &why);
	if (rc < 0) {
		print_message("io_uring: %s\n", why.text);
		quoit_region_close(&core->region);
		return rc;
	}
	return quoit_mail_open(&core->mail, core, &core->loop, &core->region, index, side_count,
			       calls, depth);
}

/* *state is NULL where io_uring is refused. */
static inline int sides_open(void **state, unsigned count, uint32_t calls, uint32_t depth)
{
	*state = NULL;
	side_count = count;
	for (uint32_t i = 0; i < count; i++)
		if (side_open(&sides[i], i, calls, depth) < 0)
			return i ? -1 : 0;
	for (uint32_t i = 0; i < count; i++)
		for (uint32_t j = 0; j < count; j++)
			quoit_mail_connect(&sides[i].core.mail, j, &sides[j].core.mail);
	*state = sides;
	return 0;
}

static inline int sides_close(void **state)
{
	if (!*state)
		return 0;
	for (unsigned i = 0; i < side_count; i++) {
		struct quoit_loop *loop = &sides[i].core.loop;

		quoit_loop_silence_bell(loop);
		while (!quoit_loop_bell_is_silent(loop))
			quoit_loop_turn(loop, false);
		quoit_loop_close(loop);
	}
	for (unsigned i = 0; i < side_count; i++) {
		quoit_loop_close_bell(&sides[i].core.loop);
		quoit_region_close(&sides[i].core.region);
	}
	return 0;
}

static inline struct side *sides_or_skip(void **state)
{
	if (!*state)
		skip_because("io_uring is refused");
	return *state;
}

static inline void side_turn(struct side *side)
{
	quoit_loop_turn(&side->core.loop, false);
}

/* Let the time of everything that this side has planned come. */
static inline void side_expire(struct side *side)
{
	(void)quoit_timers_expire(&side->core.loop.timers, side->core.loop.now_ns + (1ull << 40),
				  1000);
}

/* Was this side's bell rung since the last time we asked? */
static inline bool side_heard(const struct side *side)
{
	uint64_t rings;

	return read(side->core.loop.notify.fd, &rings, sizeof(rings)) == (ssize_t)sizeof(rings);
}

/* --- handlers -------------------------------------------------------------------------------- */

static inline void side_count_posts(struct quoit_core *core, const struct quoit_message *messages,
				    size_t n, bool more, void *ctx)
{
	struct side *side = ctx;

	(void)core;
	(void)messages;
	(void)more;
	side->posts_got += n;
}

/* Keep the callers waiting. */
static inline void side_keep_callers(struct quoit_core *core, const struct quoit_message *messages,
				     size_t n, bool more, void *ctx)
{
	struct side *side = ctx;

	(void)core;
	(void)more;
	for (size_t i = 0; i < n; i++)
		side->callers[side->caller_count++ % SIDE_CALLERS] = quoit_caller_of(&messages[i]);
}

static inline void side_got_reply(struct quoit_core *core, const struct quoit_message *reply,
				  void *ctx)
{
	struct side *side = ctx;

	(void)core;
	side->statuses[side->replies_got++ % SIDE_CALLERS] = reply->status;
}

static inline void side_got_credit(struct quoit_core *core, unsigned to, int depth, void *ctx)
{
	struct side *side = ctx;

	(void)core;
	side->credits_told++;
	side->told_to = to;
	side->told_depth = depth;
}

#endif
