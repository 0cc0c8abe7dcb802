/* SPDX-License-Identifier: MIT */
/*
 * timer.c - the wheel of timer.h: lists of timers, and bitmaps that say which are not empty.
 *
 * What holds between two calls, with "now" the wheel's tick:
 *   - a timer on level l has the digits of now above l, and a greater digit at l; hence the order
 *     of levels and slots is the order of time;
 *   - so a slot must be emptied downwards as soon as now enters its span, due or not;
 *   - a slot's bit is set exactly if its list has a head, a level's bit exactly if it has a slot.
 */
#include <quoit/runtime/timer.h>

#include <string.h>

/* The first tick that starts at or after the deadline. At most 2^50: one after the last. */
static uint64_t tick_of(uint64_t deadline_ns)
{
	const uint64_t part = (UINT64_C(1) << QUOIT_TIMER_TICK_SHIFT) - 1;

	return (deadline_ns >> QUOIT_TIMER_TICK_SHIFT) + ((deadline_ns & part) != 0);
}

static unsigned first_bit(uint64_t bits)
{
	return (unsigned)__builtin_ctzll(bits);
}

static void append(struct quoit_timers *w, struct quoit_timer *t, unsigned list)
{
	struct quoit_timer *const head = w->lists[list].head;

	if (head) {
		t->next = head;
		t->prev = head->prev;
		head->prev->next = t;
		head->prev = t;
	} else {
		t->next = t;
		t->prev = t;
		w->lists[list].head = t;
	}
	t->list = list + 1;
}

static void mark_empty(struct quoit_timers *w, unsigned list)
{
	w->lists[list].head = NULL;
	if (list == QUOIT__TIMER_DUE)
		return;

	const unsigned level = list / QUOIT__TIMER_SLOTS;

	w->slots[level] &= ~(UINT64_C(1) << list % QUOIT__TIMER_SLOTS);
	if (!w->slots[level])
		w->levels &= ~(1U << level);
}

static void detach(struct quoit_timers *w, struct quoit_timer *t)
{
	const unsigned list = t->list - 1;

	if (t->next == t) {
		mark_empty(w, list);
	} else {
		t->prev->next = t->next;
		t->next->prev = t->prev;
		if (w->lists[list].head == t)
			w->lists[list].head = t->next;
	}
	t->list = 0;
}

static void place(struct quoit_timers *w, struct quoit_timer *t)
{
	const uint64_t tick = tick_of(t->deadline_ns);

	if (tick <= w->tick) {
		append(w, t, QUOIT__TIMER_DUE);
		return;
	}

	const unsigned top_bit = 63 - (unsigned)__builtin_clzll(tick ^ w->tick);
	const unsigned level = top_bit / QUOIT__TIMER_DIGIT_BITS;
	const unsigned slot =
		(unsigned)(tick >> level * QUOIT__TIMER_DIGIT_BITS) % QUOIT__TIMER_SLOTS;
	struct quoit__timer_list *const l = &w->lists[level * QUOIT__TIMER_SLOTS + slot];

	if (!l->head || tick < l->earliest)
		l->earliest = tick;
	w->slots[level] |= UINT64_C(1) << slot;
	w->levels |= 1U << level;
	append(w, t, level * QUOIT__TIMER_SLOTS + slot);
}

/* Time is inside the slot now: every timer of it goes to a lower level, or is due. */
static void move_down(struct quoit_timers *w, unsigned list)
{
	struct quoit_timer *t = w->lists[list].head;

	t->prev->next = NULL;
	mark_empty(w, list);
	while (t) {
		struct quoit_timer *const next = t->next;

		place(w, t);
		t = next;
	}
}

/* Make everything due that is due at tick `target`, in order, stepping over what is empty. */
static void advance(struct quoit_timers *w, uint64_t target)
{
	while (w->levels) {
		const unsigned level = first_bit(w->levels);
		const unsigned slot = first_bit(w->slots[level]);
		const unsigned list = level * QUOIT__TIMER_SLOTS + slot;
		const unsigned shift = level * QUOIT__TIMER_DIGIT_BITS;
		const uint64_t above = w->tick >> shift >> QUOIT__TIMER_DIGIT_BITS;
		const uint64_t opens = (above << QUOIT__TIMER_DIGIT_BITS | slot) << shift;

		if (opens > target)
			break;
		QUOIT_ASSERT_HOT(opens > w->tick);
		w->tick = quoit_min(w->lists[list].earliest, target);
		move_down(w, list);
	}
	w->tick = target;
}

void quoit_timers_init(struct quoit_timers *w, uint64_t now_ns)
{
	memset(w, 0, sizeof(*w));
	w->tick = now_ns >> QUOIT_TIMER_TICK_SHIFT;
}

void quoit_timers_start(struct quoit_timers *w, struct quoit_timer *t, uint64_t deadline_ns,
			quoit_timer_fn fn, void *ctx)
{
	QUOIT_ASSERT(fn);
	if (t->list)
		detach(w, t);
	t->deadline_ns = deadline_ns;
	t->fn = fn;
	t->ctx = ctx;
	place(w, t);
}

bool quoit_timers_stop(struct quoit_timers *w, struct quoit_timer *t)
{
	if (!t->list)
		return false;
	detach(w, t);
	return true;
}

uint64_t quoit_timers_next_ns(const struct quoit_timers *w)
{
	const struct quoit_timer *due = w->lists[QUOIT__TIMER_DUE].head;

	if (due == &w->pass_end) /* asked by a callback: the mark is nobody's timer */
		due = due->next != due ? due->next : NULL;
	if (due)
		return due->deadline_ns;
	if (!w->levels)
		return UINT64_MAX;

	const unsigned level = first_bit(w->levels);
	const unsigned slot = first_bit(w->slots[level]);
	const uint64_t tick = w->lists[level * QUOIT__TIMER_SLOTS + slot].earliest;

	if (tick > UINT64_MAX >> QUOIT_TIMER_TICK_SHIFT)
		return UINT64_MAX;
	return tick << QUOIT_TIMER_TICK_SHIFT;
}

size_t quoit_timers_expire(struct quoit_timers *w, uint64_t now_ns, size_t budget)
{
	const uint64_t target = now_ns >> QUOIT_TIMER_TICK_SHIFT;
	struct quoit__timer_list *const due = &w->lists[QUOIT__TIMER_DUE];
	size_t ran = 0;

	QUOIT_ASSERT(!w->pass_end.list); /* not from a callback */
	if (target > w->tick)
		advance(w, target);
	if (!due->head)
		return 0;

	append(w, &w->pass_end, QUOIT__TIMER_DUE);
	while (ran < budget && due->head != &w->pass_end) {
		struct quoit_timer *const t = due->head;

		detach(w, t);
		ran++;
		t->fn(t, t->ctx); /* may free t */
	}
	detach(w, &w->pass_end);
	return ran;
}
