/* SPDX-License-Identifier: MIT */
/*
 * loop_internal.h - the event loop of one core.
 *
 * One turn: completions, rings, timers, afterthoughts, sends, bells, and one enter that submits
 * all of it and sleeps if there is nothing left to do. See loop.c.
 */
#ifndef QUOIT_RUNTIME_LOOP_INTERNAL_H
#define QUOIT_RUNTIME_LOOP_INTERNAL_H

#include <quoit/io/io_internal.h>
#include <quoit/rings/notify.h>
#include <quoit/runtime/coalesce_internal.h>
#include <quoit/runtime/timer.h>

/* Something that a loop reads besides its completions: the mesh, later any ring. */
struct quoit_source {
	struct quoit_source *next;
	/* Handle up to `budget` items. Gives how many. */
	size_t (*dispatch)(struct quoit_source *source, size_t budget);
	/* Is there anything to read, by real loads of every ring? */
	bool (*has_news)(struct quoit_source *source);
	/* Is an answer on its way, so that spinning for it may pay? */
	bool (*expects_news)(const struct quoit_source *source);
	/* End of the turn: publish what was sent and ring the bells that are owed. */
	void (*flush)(struct quoit_source *source);
};

/* Another loop's bell, as our io_uring rings it. */
struct quoit_bell {
	struct quoit_op_owner owner; /* first: see op_internal.h */
	const struct quoit_notify *notify;
};

/* Written by the loop's thread, readable by any other at any time. */
struct quoit_loop_counts {
	uint64_t turns;
	uint64_t sleeps;    /* turns that ended in a sleep */
	uint64_t gathers;   /* sleeps that waited for several completions */
	uint64_t spins;	    /* turns that spun first */
	uint64_t spins_won; /* spins that found work */
	uint64_t bells_heard;
	uint64_t timers_fired;
	uint64_t bells_failed; /* rung through the ring in vain, then by write(2) */
};

struct quoit_loop {
	struct quoit_uring uring;
	struct quoit_io *io; /* streams and listeners; NULL: a loop without */
	struct quoit_timers timers;
	struct quoit_wake wake;
	struct quoit_notify notify; /* our flag and our eventfd: what others need to wake us */
	struct quoit_op_owner bell; /* the poll on our eventfd */
	bool bell_armed;
	bool closing;
	bool silencing; /* a cancel of the poll is under way */
	bool stop_seen;
	const uint32_t *stop_flag; /* looked at before sleeping; NULL: none */
	struct quoit_bell *bells;  /* of the loops that we wake */
	uint32_t bell_count;
	struct quoit_source *sources;
	/* Asked at the end of each turn, before it may sleep: did this change anything? */
	bool (*calm)(struct quoit_loop *loop);
	uint64_t now_ns;      /* read once a turn */
	uint64_t spin_ns;     /* most that a spin may take; 0 never spins */
	bool spun;	      /* the last turn spun in vain: now sleep */
	uint64_t spin_now_ns; /* what it takes now: grows when it pays, shrinks when not */
	struct quoit_coalesce coalesce;
	struct quoit_loop_counts counts;
};

/*
 * Open on the calling thread, which alone runs it. `bells` has room for every loop that this one
 * may wake. Errors: those of quoit_uring_open() and quoit_notify_open().
 */
QUOIT_MUST_CHECK int quoit_loop_open(struct quoit_loop *loop, unsigned sq_entries,
				     struct quoit_bell *bells, uint32_t bell_count,
				     struct quoit_reason *why);

/* On the loop's thread, after everything in it has ended and nobody rings any more. */
void quoit_loop_close(struct quoit_loop *loop);

/* The eventfd, by whoever joined the last thread that may have rung it. */
void quoit_loop_close_bell(struct quoit_loop *loop);

void quoit_loop_add_source(struct quoit_loop *loop, struct quoit_source *source);

/* One turn. With `may_wait` it sleeps when there is nothing to do. */
void quoit_loop_turn(struct quoit_loop *loop, bool may_wait);

/* Ring bell `i` at the end of this turn, in the same enter as everything else. */
void quoit_loop_ring(struct quoit_loop *loop, uint32_t i);

/* Stop listening to our own bell; done when quoit_loop_bell_is_silent(). */
void quoit_loop_silence_bell(struct quoit_loop *loop);

QUOIT_HOT bool quoit_loop_bell_is_silent(const struct quoit_loop *loop)
{
	return loop->bell.pending == 0;
}

#endif
