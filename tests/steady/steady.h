/* SPDX-License-Identifier: MIT */
/*
 * steady.h - what main.c, rings.c and echo.c share: a stretch of work that the guard looks at.
 */
#ifndef QUOIT_TESTS_STEADY_STEADY_H
#define QUOIT_TESTS_STEADY_STEADY_H

#include <stdio.h>
#include <stdlib.h>

#include <quoit/numa/atomic.h>
#include <quoit/numa/rt_guard.h>

/* What the guard counted in a stretch, or in several. */
struct steady_sum {
	uint64_t allocations;
	uint64_t foreign; /* system calls but for those permitted, locks and waits */
	uint64_t faults;
	uint64_t sleeps;
	uint64_t permitted;
	uint64_t preempted;
	uint64_t again; /* rounds that had to be run once more */
};

/* Add `more` to it. */
void steady_add(struct steady_sum *sum, const struct steady_sum *more);

/* What was counted since quoit_rt_guard_set(). */
struct steady_sum steady_seen(void);

/* Was there what the program did, and not only what the kernel may do by itself? */
bool steady_is_ours(const struct steady_sum *sum);

/* Nothing at all, but what was permitted? */
bool steady_is_clean(const struct steady_sum *sum);

/* Say `ok` or `not ok`, and with what figures. */
void steady_say(bool good, const char *what, const struct steady_sum *sum);
extern unsigned steady_failures;

/*
 * Some pages may be taken away by the kernel at any time (it moves them, or looks who uses them),
 * which no program prevents and each of ours would pay for. What a stretch does by itself it does
 * each time: so it is run up to three times, if faults or switches were all that there was. How
 * often that was so is printed.
 */
#define STEADY_ROUNDS 3

/* rings.c: `turns` of each kind. Gives how many turns were made. */
uint64_t steady_rings(uint64_t turns, struct steady_sum *sum);

/* rings.c: turns that do what they must not are noticed. */
void steady_self_test(void);

/* echo.c: as many requests. Gives how many were answered. */
uint64_t steady_echo(uint64_t requests, struct steady_sum *sum);

#endif
