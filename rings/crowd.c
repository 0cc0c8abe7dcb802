/* SPDX-License-Identifier: MIT */
/* crowd.c - the sleepers' part of a crowd, and whatever of it needs the kernel. */
#include <string.h>

#include <quoit/numa/sys_internal.h>

#include <quoit/rings/crowd.h>

/* Where a seat's bit is. */
static size_t word_of(int seat)
{
	return (size_t)seat / QUOIT__CROWD_BITS;
}

static uint64_t bit_of(int seat)
{
	return UINT64_C(1) << (size_t)seat % QUOIT__CROWD_BITS;
}

int quoit_crowd_init(struct quoit_crowd *crowd, size_t seats)
{
	if (!seats || seats > QUOIT_CROWD_SEATS)
		return -EINVAL;
	crowd->words = (seats + QUOIT__CROWD_BITS - 1) / QUOIT__CROWD_BITS;
	memset(crowd->asleep, 0, sizeof(crowd->asleep));
	/* Those that there are not are taken. */
	memset(crowd->taken, 0xff, sizeof(crowd->taken));
	for (int seat = 0; seat < (int)seats; seat++)
		crowd->taken[word_of(seat)] &= ~bit_of(seat);
	return 0;
}

/* --- publishers ------------------------------------------------------------------------------ */

void quoit_crowd_wake(struct quoit_crowd *crowd, int seat)
{
	/*
	 * The sleeper may have left by itself and somebody else may sit here by now, who then wakes
	 * up for nothing. Only the kernel looks at this: whoever is called learns it from its bit.
	 */
	quoit_store(&crowd->called[seat], 1);
	quoit__sys_futex_wake(&crowd->called[seat], 1);
}

void quoit_crowd_signal_all(struct quoit_crowd *crowd)
{
	for (size_t w = 0; w < crowd->words; w++) {
		/*
		 * It needs no fence: who is not asleep yet reads this when it raises its bit.
		 * call: pairs with quoit_crowd_leave() and quoit_crowd_arm()
		 * bed: pairs with quoit_crowd_arm()
		 */
		uint64_t bits = quoit_exchange(&crowd->asleep[w], 0);

		for (; bits; bits &= bits - 1)
			quoit_crowd_wake(crowd,
					 (int)(w * QUOIT__CROWD_BITS) + __builtin_ctzll(bits));
	}
}

/* --- sleepers -------------------------------------------------------------------------------- */

int quoit_crowd_sit(struct quoit_crowd *crowd)
{
	for (size_t w = 0; w < crowd->words; w++) {
		uint64_t taken;

		while (~(taken = quoit_load(&crowd->taken[w]))) /* hint: the cas looks again */
			/* seat: pairs with quoit_crowd_rise() */
			if (quoit_cas(&crowd->taken[w], taken, taken | (taken + 1)))
				return (int)(w * QUOIT__CROWD_BITS) + __builtin_ctzll(~taken);
	}
	return -1;
}

void quoit_crowd_rise(struct quoit_crowd *crowd, int seat)
{
	/* seat: pairs with quoit_crowd_sit() */
	(void)quoit_add(&crowd->taken[word_of(seat)], -bit_of(seat));
}

void quoit_crowd_arm(struct quoit_crowd *crowd, int seat)
{
	quoit_store(&crowd->called[seat], 0); /* before whoever takes the bit down makes it 1 */
	/*
	 * The bit is down, and nobody else raises it.
	 * call: pairs with quoit_crowd_signal_all(), where that came first
	 * bed: pairs with quoit_crowd_choose(); doze: pairs with quoit__crowd_asleep()
	 */
	(void)quoit_add(&crowd->asleep[word_of(seat)], bit_of(seat));
	quoit_fence_full(); /* doze: pairs with quoit_crowd_fence() */
}

int quoit_crowd_sleep(struct quoit_crowd *crowd, int seat, uint64_t deadline_ns)
{
	const int rc = quoit__sys_futex_wait(&crowd->called[seat], 0, deadline_ns);

	return rc == -ETIMEDOUT ? rc : 0; /* woken, too late to sleep, or a signal: look again */
}

bool quoit_crowd_leave(struct quoit_crowd *crowd, int seat)
{
	uint64_t *const asleep = &crowd->asleep[word_of(seat)];
	const uint64_t bit = bit_of(seat);

	while (true) {
		/* call: pairs with quoit_crowd_choose() and quoit_crowd_signal_all() */
		const uint64_t bits = quoit_load_acquire(asleep);

		if (!(bits & bit))
			return true;
		/* call: pairs with quoit_crowd_choose(): one of the two takes the bit down, and
		 * whoever does so here has nothing to tell */
		if (quoit_cas_relaxed(asleep, bits, bits & ~bit))
			return false;
	}
}

size_t quoit_crowd_sleepers(const struct quoit_crowd *crowd)
{
	size_t n = 0;

	for (size_t w = 0; w < crowd->words; w++)
		n += (size_t)__builtin_popcountll(quoit_load(&crowd->asleep[w])); /* hint */
	return n;
}

/* --- waiters --------------------------------------------------------------------------------- */

void quoit_crowd_begin(struct quoit_crowd_waiter *waiter, struct quoit_crowd *crowd,
		       const struct quoit_wait *how)
{
	quoit_waiter_init(&waiter->steps, how);
	waiter->crowd = crowd;
	waiter->seat = -1;
	waiter->armed = waiter->called = waiter->slept = false;
}

static void leave(struct quoit_crowd_waiter *waiter)
{
	if (waiter->armed)
		waiter->called |= quoit_crowd_leave(waiter->crowd, waiter->seat);
	waiter->armed = false;
}

void quoit_crowd_ready(struct quoit_crowd_waiter *waiter)
{
	/* Right after a sleep there is most often something, which needs no fence to be found. */
	const bool arms = waiter->crowd && !waiter->slept && quoit__waiter_blocks(&waiter->steps);

	waiter->slept = false;
	if (!arms)
		return;
	if (waiter->seat < 0)
		waiter->seat = quoit_crowd_sit(waiter->crowd);
	if (waiter->seat < 0)
		return;
	quoit_crowd_arm(waiter->crowd, waiter->seat);
	waiter->armed = true;
}

void quoit_crowd_step(struct quoit_crowd_waiter *waiter)
{
	if (waiter->seat < 0) { /* it is not yet to sleep, or there was none */
		quoit_waiter_wait(&waiter->steps, NULL, 0);
		return;
	}
	if (!waiter->armed)
		return; /* it has looked after its sleep: now again, armed */
	/* Whoever is called again and again, for what others take, is late as well. */
	waiter->steps.expired =
		quoit_crowd_sleep(waiter->crowd, waiter->seat, waiter->steps.how.deadline_ns) ||
		quoit__waiter_is_late(&waiter->steps);
	leave(waiter);
	waiter->slept = true;
}

bool quoit_crowd_end(struct quoit_crowd_waiter *waiter)
{
	leave(waiter);
	if (waiter->seat >= 0)
		quoit_crowd_rise(waiter->crowd, waiter->seat);
	waiter->seat = -1;
	return waiter->called;
}
