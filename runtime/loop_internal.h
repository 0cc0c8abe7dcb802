/* SPDX-License-Identifier: MIT */
/*
 * loop_internal.h - the event loop from inside: what its parts share.
 *
 *   loop.c    one turn            bell.c    hearing our bell, ringing others'
 *   rest.c    spinning, sleeping  guest.c   life on another's ring, or inside another loop
 *   task.c    tasks, idle hooks   poll.c    descriptors of others
 *   work.c    what worker threads do for the loop
 *   life.c    making and freeing loops of one's own, running and stopping them
 */
#ifndef QUOIT_RUNTIME_LOOP_INTERNAL_H
#define QUOIT_RUNTIME_LOOP_INTERNAL_H

#include <pthread.h>

#include <quoit/io/io_internal.h>
#include <quoit/io/ops_internal.h>
#include <quoit/numa/clock.h>
#include <quoit/numa/region.h>
#include <quoit/rings/notify.h>
#include <quoit/runtime/coalesce_internal.h>
#include <quoit/runtime/loop.h>
#include <quoit/runtime/spin_internal.h>

#define QUOIT_CALLS_A_LOOK 16
#define QUOIT_SLICE_NS	   500000 /* the default */

/* Something that a loop reads besides its completions: the mesh, or any ring. */
struct quoit_source {
	struct quoit_link link; /* in the loop, whose turns begin with another one each time */
	/* Handle up to `budget` items, fewer if quoit_loop_is_late(). Gives how many. */
	size_t (*dispatch)(struct quoit_source *source, size_t budget);
	/* Is there anything to read, by real loads of every ring? */
	bool (*has_news)(struct quoit_source *source);
	/* Is an answer on its way, so that spinning for it may pay? */
	bool (*expects_news)(const struct quoit_source *source);
	/* End of the turn: publish what was sent and ring the bells that are owed. */
	void (*flush)(struct quoit_source *source);
};

/*
 * Work that others do for a loop, and its way back: see work.c. A source of the loop while there is
 * any.
 */
struct quoit_works {
	struct quoit_source source;
	struct quoit_link open;	      /* submitted, and not yet told that it is done */
	struct quoit_link ready;      /* has come back, or was cancelled; oldest first */
	pthread_mutex_t lock;	      /* of the workers: held while one of them touches this loop */
	QUOIT_ISOLATED uint64_t back; /* what has come back since the loop looked, newest first */
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
	uint64_t tasks;
	uint64_t items;
	uint64_t channels_left; /* the loop, and their owners were told */
	uint64_t bells_failed;	/* rung through the ring in vain, then by write(2) */
};

/* Who decides when the loop turns. */
enum quoit_loop_kind {
	QUOIT_LOOP_ELSEWHERE, /* another process: a forked child sees zeros here */
	QUOIT_LOOP_OF_CORE,   /* the runtime */
	QUOIT_LOOP_OWN,	      /* whoever made it */
	QUOIT_LOOP_INSIDE,    /* the same, called by another loop that waits on our descriptor */
	QUOIT_LOOP_GUEST,     /* the application whose io_uring it lives on */
};

struct quoit_loop {
	struct quoit_uring uring;
	struct quoit_ops ops;
	struct quoit_io *io; /* streams and listeners; NULL: a loop without */
	struct quoit_timers timers;
	struct quoit_wake wake;
	/* Our flag and our eventfd: who wakes us reads them at each publication. So they have lines
	 * to themselves, away from what we write in each turn. */
	QUOIT_ISOLATED struct quoit_notify notify;
	QUOIT_ISOLATED struct quoit_op_owner bell; /* the poll on our eventfd */
	bool bell_armed;
	bool closing;
	bool silencing; /* the poll was told to end */
	bool stop_seen;
	bool in_turn;		   /* handlers are running */
	uint8_t kind;		   /* enum quoit_loop_kind */
	const uint32_t *stop_flag; /* looked at before sleeping; NULL: none */
	uint32_t stop_wanted;	   /* of a loop of one's own */
	struct quoit_bell *bells;  /* of the loops that we wake */
	uint32_t bell_count;
	struct quoit_link sources;
	struct quoit_link tasks; /* deferred, in their order */
	struct quoit_link idles; /* hooks for when nothing is left to do */
	bool idle_busy;		 /* one of them did something */
	bool ending;		 /* no poll, work or channel may begin any more */
	struct quoit_link polls; /* that have not told yet that they stopped */
	struct quoit_link channels;
	struct quoit_works works;
	/* Asked at the end of each turn, before it may sleep: did this change anything? */
	bool (*calm)(struct quoit_loop *loop);
	uint64_t now_ns;   /* read once a turn */
	uint64_t done_ns;  /* when its work was done */
	uint64_t slice_ns; /* most that completions, and then sources, may take of a turn */
	uint64_t until_ns; /* when the one that is at work now must be done */
	uint32_t handled;  /* calls of handlers since somebody looked at the clock */
	bool wary;	   /* the last turn was too long: look after each call */
	bool cut;	   /* it did not come to all sources: the others begin the next one */
	bool slept;	   /* this turn was begun by the end of a sleep */
	bool woken;	   /* which a bell has ended */
	uint64_t heard_ns; /* when that was rung */
	struct quoit_spin spin;
	struct quoit_coalesce coalesce;
	uint64_t calls; /* ends of an arming that found the flag taken down: see rings/group.h */
	struct quoit_op *alarm; /* guest.c: a kernel timeout for the first timer */
	uint64_t alarm_ns;	/* when it goes off; UINT64_MAX: none is set */
	struct __kernel_timespec alarm_at;
	struct quoit_region region; /* of a loop of one's own: this struct */
	struct quoit_loop_counts counts;
	struct quoit_loop_histograms histograms;
};

/*
 * Open on the calling thread, which alone runs it. `bells` has room for every loop that this one
 * may wake; its queues and operations lie on `node`, below 0 anywhere. Errors: those of
 * quoit_uring_open() and quoit_notify_open().
 */
QUOIT_MUST_CHECK int quoit_loop_open(struct quoit_loop *loop, unsigned sq_entries, int node,
				     struct quoit_bell *bells, uint32_t bell_count,
				     struct quoit_reason *why);

/*
 * The same without a ring, for the other kinds: the caller has opened loop->uring already.
 * `operations` may be on their way at once, and lie on `node`.
 */
QUOIT_MUST_CHECK int quoit_loop_open_rest(struct quoit_loop *loop, uint32_t operations, int node,
					  struct quoit_reason *why);

/* On the loop's thread, after everything in it has ended and nobody rings any more. */
void quoit_loop_close(struct quoit_loop *loop);

/* The eventfd, by whoever joined the last thread that may have rung it. */
void quoit_loop_close_bell(struct quoit_loop *loop);

void quoit_loop_add_source(struct quoit_loop *loop, struct quoit_source *source);

/* Also from a handler, its own among them. The loop does not look at it afterwards. */
void quoit_loop_remove_source(struct quoit_source *source);

/* One turn, which sleeps for at most `most_ns` when there is nothing to do. */
void quoit_loop_turn_for(struct quoit_loop *loop, uint64_t most_ns);

QUOIT_HOT void quoit_loop_turn(struct quoit_loop *loop, bool may_wait)
{
	quoit_loop_turn_for(loop, may_wait ? QUOIT_FOREVER : 0);
}

/* Everything of a turn but the kernel: handlers run, entries are prepared. True: it may rest. */
bool quoit_loop_work(struct quoit_loop *loop);

/*
 * Has the stage that is at work used up its time? Sources ask between two calls of handlers and
 * leave the rest to the next turn, however much of their budget of items is left. The clock is read
 * after each 16th call, and after each one once a turn has been too long.
 */
QUOIT_HOT bool quoit_loop_is_late(struct quoit_loop *loop)
{
	if (quoit_likely(!loop->wary && ++loop->handled % QUOIT_CALLS_A_LOOK))
		return false;
	return quoit_clock_now_ns() >= loop->until_ns;
}

/* --- measure.c: what a turn notes about itself, with the two readings of the clock it takes --- */

/* A bell was heard: how long ago was it rung? */
void quoit_loop_note_bell(struct quoit_loop *loop);

/* Completions are handled: what has ended the sleep? */
void quoit_loop_note_sleep(struct quoit_loop *loop);

/* All work is done. */
void quoit_loop_note_turn(struct quoit_loop *loop);

/* --- rest.c --- */

/* The flag goes down. Was somebody called, in the place of others? Then we answer for the ring. */
QUOIT_HOT void quoit_loop_is_awake(struct quoit_loop *loop)
{
	loop->calls += quoit_wake_end(&loop->wake);
}

/* Anything that a turn could do now, apart from what only the ring knows, by real loads. */
bool quoit_loop_has_work(struct quoit_loop *loop);

/* The same, and completions that are there or could be fetched. Not for guests. */
bool quoit_loop_has_news(struct quoit_loop *loop);

/* Submit, and fetch what has completed, but only if there is either. */
void quoit_loop_enter_if_needed(struct quoit_loop *loop);

/* When something is due by the clock; UINT64_MAX: never. */
uint64_t quoit_loop_next_ns(const struct quoit_loop *loop);

/* The end of a turn: one enter at most, spin or sleep for at most `most_ns`. */
void quoit_loop_rest(struct quoit_loop *loop, uint64_t most_ns);

/* --- bell.c --- */

/* For quoit_loop_open_rest(). */
void quoit_bell_classes(struct quoit_loop *loop);

/* At the begin of a turn: arm the poll of our bell, or see to it that it ends. */
void quoit_bell_mind(struct quoit_loop *loop);

/*
 * Has the poll on our bell ended, in this turn for instance? Asleep, we would not hear it. Nor must
 * we sleep beside a poll that nobody has told to end.
 */
QUOIT_HOT bool quoit_bell_is_deaf(const struct quoit_loop *loop)
{
	return loop->closing ? loop->bell.pending && !loop->silencing : !loop->bell_armed;
}

/* Ring bell `i` at the end of this turn, in the same enter as everything else. */
void quoit_loop_ring(struct quoit_loop *loop, uint32_t i);

/* Stop listening to our own bell; done when quoit_loop_bell_is_silent(). */
void quoit_loop_silence_bell(struct quoit_loop *loop);

QUOIT_HOT bool quoit_loop_bell_is_silent(const struct quoit_loop *loop)
{
	return loop->bell.pending == 0;
}

/* --- guest.c --- */

/* What the kernel must wake us for by itself: a timeout for the first timer. Errors: -ENOBUFS. */
QUOIT_MUST_CHECK int quoit_alarm_open(struct quoit_loop *loop);
void quoit_alarm_close(struct quoit_loop *loop);

/* May the maker of a loop drive it in this way now? 0, -EDEADLK, -EPERM or -ECHILD. */
int quoit_loop_check(const struct quoit_loop *loop, enum quoit_loop_kind kind);

#endif
