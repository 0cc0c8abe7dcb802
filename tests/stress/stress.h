/* SPDX-License-Identifier: MIT */
/*
 * stress.h - what the stress programs share: how much to do, meeting in lock step, judging what
 * arrived, and saying so.
 *
 * `make test` runs small counts and `make stress` the full ones: STRESS_COUNT messages and
 * STRESS_ROUNDS of lock step, from the environment. Lock step ends after STRESS_SECONDS: on a busy
 * machine fewer rounds are done, and told.
 */
#ifndef QUOIT_TESTS_STRESS_STRESS_H
#define QUOIT_TESTS_STRESS_STRESS_H

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#include <quoit/numa/atomic.h>
#include <quoit/numa/clock.h>

#include <support/random.h>

#define LOST_AFTER_MS 5000 /* a reader that has slept so long beside its message was not woken */

/* How many, from the environment, or the smaller figure under ThreadSanitizer. */
static inline uint64_t stress_amount(const char *variable, uint64_t usual, uint64_t with_tsan)
{
	const char *const given = getenv(variable);

#ifdef QUOIT_TSAN
	usual = with_tsan;
	if (given)
		return quoit_min(strtoull(given, NULL, 0), with_tsan * 10);
#endif
	(void)with_tsan;
	return given ? strtoull(given, NULL, 0) : usual;
}

static unsigned stress_failures;

static inline void stress_say(bool good, const char *what)
{
	printf("%s - %s\n", good ? "ok" : "not ok", what);
	fflush(stdout);
	stress_failures += !good;
}

/* --- lock step ------------------------------------------------------------------------------- */

/* Two threads that go on only together, for so many rounds. */
struct lockstep {
	uint64_t rounds;
	uint64_t until_ns;
	struct {
		QUOIT_ISOLATED uint64_t steps;
	} side[2];
};

/* Wait until the other side is here too. What either did before, both see after. */
static inline void lockstep_meet(struct lockstep *pair, int side)
{
	const uint64_t steps = quoit_load(&pair->side[side].steps) + 1; /* ours */

	quoit_store_release(&pair->side[side].steps, steps);
	for (unsigned looks = 0; quoit_load_acquire(&pair->side[!side].steps) < steps; looks++)
		if (looks < 2000)
			quoit_relax();
		else
			sched_yield(); /* the other side has no cpu */
}

static inline void lockstep_begin(struct lockstep *pair, uint64_t rounds)
{
	const uint64_t seconds = stress_amount("STRESS_SECONDS", 12, 12);

	*pair = (struct lockstep){.rounds = rounds,
				  .until_ns = quoit_clock_now_ns() + seconds * 1000000000};
}

/*
 * End with this round if it is late, or if something has gone wrong. Side 0 asks, before the last
 * meeting of the round.
 */
static inline void lockstep_may_end(struct lockstep *pair, uint64_t round, uint64_t failures)
{
	if (round % 1024 == 1023 && (failures || quoit_clock_now_ns() > pair->until_ns))
		pair->rounds = round + 1;
}

/* Let a little time pass: often none, mostly some hundred nanoseconds at most, seldom some 1000. */
static inline void stress_dawdle(struct random *random)
{
	const uint64_t dice = random_u64(random);
	const uint64_t most = dice & 0xf ? 0x100 : 0x2000;

	if (dice & 0x30)
		for (uint64_t n = (dice >> 8) % most; n; n--)
			__asm__ volatile("");
}

/* --- judging --------------------------------------------------------------------------------- */

/* What arrived of the numbers 0 to count - 1. */
struct ledger {
	uint64_t count;
	uint64_t next; /* one above the highest so far */
	uint64_t distinct;
	uint64_t doubled;
	uint64_t reordered;
	uint64_t foreign; /* never sent */
	uint64_t *seen;	  /* a bit each */
};

static inline void ledger_open(struct ledger *ledger, uint64_t count)
{
	*ledger = (struct ledger){.count = count, .seen = calloc(count / 64 + 1, 8)};
	if (!ledger->seen)
		abort();
}

static inline void ledger_close(struct ledger *ledger)
{
	free(ledger->seen);
	ledger->seen = NULL;
}

static inline void ledger_note(struct ledger *ledger, uint64_t number)
{
	const uint64_t bit = UINT64_C(1) << number % 64;

	if (number >= ledger->count) {
		ledger->foreign++;
		return;
	}
	if (ledger->seen[number / 64] & bit) {
		ledger->doubled++;
		return;
	}
	ledger->seen[number / 64] |= bit;
	ledger->distinct++;
	if (number < ledger->next)
		ledger->reordered++;
	else
		ledger->next = number + 1;
}

static inline uint64_t ledger_lost(const struct ledger *ledger)
{
	return ledger->count - ledger->distinct;
}

/* Put `from` into `into`: what both have came twice. */
static inline void ledger_merge(struct ledger *into, const struct ledger *from)
{
	for (uint64_t word = 0; word <= into->count / 64; word++) {
		const uint64_t seen = into->seen[word], more = from->seen[word];

		into->doubled += (uint64_t)__builtin_popcountll(seen & more);
		into->distinct += (uint64_t)__builtin_popcountll(more & ~seen);
		into->seen[word] = seen | more;
	}
	into->doubled += from->doubled;
	into->reordered += from->reordered;
	into->foreign += from->foreign;
}

static inline bool ledger_is_perfect(const struct ledger *ledger)
{
	return !ledger_lost(ledger) && !ledger->doubled && !ledger->reordered && !ledger->foreign;
}

#endif
