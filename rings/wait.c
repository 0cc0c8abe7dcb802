/* SPDX-License-Identifier: MIT */
/* wait.c - the steps of a wait that need the kernel. The sleeping handshake is inline in wait.h. */
#include <quoit/numa/sys_internal.h>

#include <limits.h>

#include <quoit/numa/clock.h>
#include <quoit/rings/wait.h>

#define PAUSES		10u
#define YIELDS		10u
#define SLEEP_NS	1000u
#define PAUSES_PER_LOOK 16u /* at the clock, which costs as much as a pause */

void quoit_yield(void)
{
	quoit__sys_yield();
}

uint64_t quoit_deadline_ns(int64_t timeout_ns)
{
	if (timeout_ns < 0)
		return 0;
	/* The kernel takes signed seconds, and a sum of two times below 2^63 fits into 64 bits. */
	const uint64_t deadline = quoit_clock_now_ns() + (uint64_t)timeout_ns;
	return deadline <= INT64_MAX ? deadline : 0;
}

int quoit_wait_check(const struct quoit_wait *how)
{
	if ((unsigned)how->kind > QUOIT_WAIT_PHASED)
		return -EINVAL;
	return how->kind == QUOIT_WAIT_TIMED && !how->deadline_ns ? -EINVAL : 0;
}

void quoit_event_wake(struct quoit_event *event)
{
	quoit__sys_futex_wake(&event->word, INT_MAX);
}

int quoit_event_sleep(struct quoit_event *event, uint32_t key, uint64_t deadline_ns)
{
	int rc;

	(void)quoit_add(&event->sleepers, 1); /* rest: pairs with quoit_event_sleepers() */
	rc = quoit__sys_futex_wait(&event->word, key, deadline_ns);
	(void)quoit_add(&event->sleepers, -1u); /* rest: pairs with quoit_event_sleepers() */
	return rc == -ETIMEDOUT ? rc : 0; /* woken, too late to sleep, or a signal: look again */
}

/* --- waiters --------------------------------------------------------------------------------- */

enum step {
	STEP_PAUSE,
	STEP_YIELD,
	STEP_SLEEP,
	STEP_BLOCK,
};

static enum step next_step(const struct quoit_waiter *waiter)
{
	const bool phased = waiter->how.kind == QUOIT_WAIT_PHASED;
	const uint64_t spins = phased ? waiter->how.spins : PAUSES;
	const uint64_t yields = phased ? waiter->how.yields : YIELDS;

	if (waiter->how.kind == QUOIT_WAIT_SPIN || waiter->step < spins)
		return STEP_PAUSE;
	if (waiter->how.kind == QUOIT_WAIT_YIELD || waiter->step < spins + yields)
		return STEP_YIELD;
	return waiter->how.kind == QUOIT_WAIT_SLEEP ? STEP_SLEEP : STEP_BLOCK;
}

bool quoit__waiter_blocks(const struct quoit_waiter *waiter)
{
	return next_step(waiter) == STEP_BLOCK;
}

void quoit_waiter_init(struct quoit_waiter *waiter, const struct quoit_wait *how)
{
	waiter->how = *how;
	if (!waiter->how.sleep_ns)
		waiter->how.sleep_ns = SLEEP_NS;
	waiter->step = waiter->spins = 0;
	waiter->expired = waiter->armed = waiter->slept = false;
}

uint32_t quoit_waiter_arm(struct quoit_waiter *waiter, struct quoit_event *event)
{
	const bool sleeps = event && next_step(waiter) == STEP_BLOCK;

	waiter->armed = sleeps && !waiter->slept;
	waiter->slept = false;
	return waiter->armed ? quoit_event_arm(event) : 0;
}

bool quoit__waiter_is_late(const struct quoit_waiter *waiter)
{
	return waiter->how.deadline_ns && quoit_clock_now_ns() >= waiter->how.deadline_ns;
}

static void sleep_a_while(const struct quoit_waiter *waiter)
{
	const uint64_t now = quoit_clock_now_ns();
	uint64_t until = now + quoit_min(waiter->how.sleep_ns, UINT64_MAX - now);

	if (waiter->how.deadline_ns)
		until = quoit_min(until, waiter->how.deadline_ns);
	quoit__sys_sleep_until(until); /* a signal may end it early: the caller looks again */
}

void quoit_waiter_wait(struct quoit_waiter *waiter, struct quoit_event *event, uint32_t key)
{
	switch (next_step(waiter)) {
	case STEP_PAUSE:
		waiter->spins++;
		quoit_relax();
		if (waiter->step % PAUSES_PER_LOOK == 0)
			waiter->expired = quoit__waiter_is_late(waiter);
		break;
	case STEP_YIELD:
		waiter->spins++;
		quoit_yield();
		waiter->expired = quoit__waiter_is_late(waiter);
		break;
	case STEP_BLOCK:
		if (event) {
			/* Whoever is stirred again and again is late as well. */
			if (waiter->armed)
				waiter->expired =
					quoit_event_sleep(event, key, waiter->how.deadline_ns) ||
					quoit__waiter_is_late(waiter);
			waiter->slept = waiter->armed;
			break;
		}
		/* fall through */
	case STEP_SLEEP:
		sleep_a_while(waiter);
		waiter->expired = quoit__waiter_is_late(waiter);
	}
	waiter->step++;
}

void quoit_waiter_reset(struct quoit_waiter *waiter)
{
	waiter->step = 0;
}
