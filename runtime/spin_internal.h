/* SPDX-License-Identifier: MIT */
/*
 * spin_internal.h - whether a loop looks for news before it sleeps, and for how long.
 *
 * Spinning costs the time it takes; sleeping costs the wake-up, which is measured: each bell tells
 * when it was rung, and the turn that hears it knows how long that took. Who spins for as long as a
 * sleep costs pays at most twice of what the better choice would have cost (A. Karlin, K. Li, M.
 * Manasse and S. Owicki, "Empirical Studies of Competitive Spinning", SOSP 1991). The way into the
 * sleep and the ringing of the bell cost about as much again, so the limit is twice the mean of
 * the measured wake-ups.
 *
 * It pays when an answer is on its way, or when the last sleeps were so short that a spin would
 * have seen their ends: so a core that others call again and again stays awake for them. Within the
 * limit a spin lasts twice as long after one that found something, half as long after one in vain.
 */
#ifndef QUOIT_RUNTIME_SPIN_INTERNAL_H
#define QUOIT_RUNTIME_SPIN_INTERNAL_H

#include <quoit/numa/machine.h>

#define QUOIT_SPIN_LEAST_NS   2000
#define QUOIT_SPIN_DEFAULT_NS 50000 /* the limit before the first wake-up, and the highest */
#define QUOIT_SPIN_NEAR	      3	    /* short sleeps in a row that show that spinning pays */

struct quoit_spin {
	uint64_t most_ns; /* what it may ever take; 0 never spins */
	uint64_t now_ns;  /* what it takes now */
	uint64_t wake_ns; /* mean of the measured wake-ups; 0: nobody has rung yet */
	bool measured;	  /* the limit follows the wake-ups, below most_ns */
	bool in_vain;	  /* the last turn spun in vain: now sleep */
	uint8_t near;	  /* sleeps in a row that a spin would have spared, up to QUOIT_SPIN_NEAR */
};

/* `most_ns` 0: measure. */
void quoit_spin_init(struct quoit_spin *spin, uint64_t most_ns, bool never);

/* The most that a spin may take by what is known now. */
uint64_t quoit_spin_limit_ns(const struct quoit_spin *spin);

/* Shall it spin now, with an answer on its way or not? */
QUOIT_HOT bool quoit_spin_pays(const struct quoit_spin *spin, bool expected)
{
	return spin->most_ns && !spin->in_vain && (expected || spin->near >= QUOIT_SPIN_NEAR);
}

/* It has spun: has it found something? */
void quoit_spin_note(struct quoit_spin *spin, bool found);

/*
 * A sleep has ended. If a bell ended it: how long after its begin that was rung, and how long it
 * took to be heard.
 */
void quoit_spin_note_bell(struct quoit_spin *spin, uint64_t after_ns, uint64_t wake_ns);

/* Something else ended it, or nothing: there was nothing for a spin to see. */
QUOIT_HOT void quoit_spin_note_sleep(struct quoit_spin *spin)
{
	spin->near = 0;
}

#endif
