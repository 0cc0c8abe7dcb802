/* SPDX-License-Identifier: MIT */
/*
 * coalesce_internal.h - when many streams are busy, let a sleep gather several requests.
 *
 * A server that keeps up is woken for every request or two, and the waking costs more than the
 * request. While requests come at a rate that fills the window with several of them, from many
 * streams, the sleep may last until the window is over although the first has come (kernel 6.12,
 * min_wait). That is at most one window of added latency, and none at low rates or with few
 * streams, where it could not gain anything.
 */
#ifndef QUOIT_RUNTIME_COALESCE_INTERNAL_H
#define QUOIT_RUNTIME_COALESCE_INTERNAL_H

#include <quoit/numa/machine.h>

#define QUOIT_COALESCE_STREAMS	   16 /* fewer cannot fill a window without waiting for us */
#define QUOIT_COALESCE_REQUESTS	   4  /* per window, for it to be worth its latency */
#define QUOIT_COALESCE_QUIET_TURNS 64 /* without mail: another core must not wait for a window */

struct quoit_coalesce {
	uint64_t window_ns;   /* 0: never */
	uint64_t measured_ns; /* when the rate was last measured */
	uint64_t receives;    /* how many there had been by then */
	uint32_t quiet_turns;
	bool busy; /* the rate is high enough */
};

/* Once a turn: look at the rate, once a millisecond. `mail` items came from other cores. */
void quoit_coalesce_note(struct quoit_coalesce *coalesce, uint64_t now_ns, uint64_t receives,
			 size_t mail);

/* How long a sleep may gather with so many streams open. 0: wake at the first completion. */
QUOIT_HOT uint64_t quoit_coalesce_ns(const struct quoit_coalesce *coalesce, uint32_t streams)
{
	if (!coalesce->busy || streams < QUOIT_COALESCE_STREAMS ||
	    coalesce->quiet_turns < QUOIT_COALESCE_QUIET_TURNS)
		return 0;
	return coalesce->window_ns;
}

#endif
