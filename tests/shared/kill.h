/* SPDX-License-Identifier: MIT */
/*
 * kill.h - one side of a ring dies at some machine instruction; what the other side and whoever
 * takes the role next must find.
 *
 * A case is one call, made by a victim on a ring in a known state. kill_step.c stops the victim
 * where it is told and kills it, kill_calls.c has the calls, kill_check.c looks at what is left,
 * kill_storm.c kills at random.
 */
#ifndef QUOIT_TESTS_SHARED_KILL_H
#define QUOIT_TESTS_SHARED_KILL_H

#include <sys/types.h>

#include <shared/letters.h>

#define KILL_BITS     2
#define KILL_CAPACITY 4
#define KILL_SEGMENTS 256

/* What the victim leaves behind outside of the ring; mapped by both. */
struct kill_talk {
	volatile uint32_t done; /* the call has returned */
	uint32_t moved;		/* and said so many letters */
	int result;		/* of one that waits */
	struct letter got[KILL_CAPACITY];
	struct letter out[KILL_CAPACITY]; /* what it shall send, from its position on */
};

struct kill_case {
	const char *name;
	enum quoit_shring_role victim;
	void (*call)(struct letters *q, struct kill_talk *talk);
	unsigned lap;  /* letters sent and read before: where in the ring it begins */
	unsigned fill; /* letters in the ring when the call begins */
	unsigned most; /* letters the call can move */
	bool waits, bells;
	bool asleep;   /* the survivor sleeps on the ring meanwhile */
	bool attaches; /* the call is the attach: q is NULL before, and no call is given */
	bool resets;   /* the victim is alone, and begins the ring anew */
	bool keeps;    /* planted: the role is taken before a successor can */
};

/* After so many system calls of the call, so many instructions more. */
struct kill_point {
	unsigned calls, steps;
};

/* How long a call is: instructions between its system calls. */
struct kill_path {
	unsigned segments;
	unsigned steps[KILL_SEGMENTS];
};

/* What was found, over all cases. */
struct kill_count {
	uint64_t points; /* different ones that there were */
	uint64_t kills;
	uint64_t torn; /* not whole, or not what was sent there */
	uint64_t hung; /* somebody waited in vain, or the role was not to be had */
	uint64_t lost; /* committed and never read, or read and freed and not had */
	uint64_t late; /* the victim was done before: the path differs from run to run */
};

extern const struct kill_case kill_cases[];   /* ended by one without a name */
extern const struct kill_case kill_planted[]; /* each of them must be noticed */

/* Both sides' options of a case. */
struct quoit_shring_options kill_options(const struct kill_case *c, enum quoit_shring_role role);

/* --- kill_step.c --- */

/* In the victim: stop until the parent goes on. */
void kill_stop(void);

/* The victim has stopped: step through the whole call, and tell how long it was. */
bool kill_measure(pid_t pid, const struct kill_talk *talk, struct kill_path *path);

/* Go on to that point, and kill it there. False if the call was over before. */
bool kill_at(pid_t pid, const struct kill_talk *talk, const struct kill_point *point);

/* Wait until it stops. False if it has ended. */
bool kill_wait_stop(pid_t pid);

void kill_end(pid_t pid);

/* --- kill_check.c --- */

/* Make the ring, run the case to that point, kill, look. NULL: only measure it. */
void kill_once(const struct kill_case *c, const struct kill_point *point, struct kill_path *path,
	       struct kill_count *count);

/* --- kill_storm.c --- */

/* Both sides are processes; one or the other is killed at any moment, and comes again. */
void kill_storm(unsigned kills, uint64_t seed, struct kill_count *count);

#endif
