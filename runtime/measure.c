/* SPDX-License-Identifier: MIT */
/*
 * measure.c - what a turn notes about itself.
 *
 * The clock is read when a turn begins and when its work is done, and stamped on each bell that is
 * rung; all the rest are differences of those three.
 */
#include <quoit/runtime/loop_internal.h>

static uint64_t after(uint64_t later_ns, uint64_t earlier_ns)
{
	return later_ns > earlier_ns ? later_ns - earlier_ns : 0;
}

/* A loop that sleeps in its own enter hears late by itself; another one's sleep we do not see. */
void quoit_loop_note_bell(struct quoit_loop *loop)
{
	const uint64_t rung_ns =
		quoit_load(&loop->wake.rung_ns); /* a whole stamp, maybe a later one */
	uint64_t now_ns = loop->now_ns;

	if (rung_ns == loop->heard_ns || (!loop->slept && loop->kind <= QUOIT_LOOP_OWN))
		return;
	if (loop->kind == QUOIT_LOOP_GUEST)
		now_ns = quoit_clock_now_ns(); /* between two turns */
	loop->heard_ns = rung_ns;
	loop->woken = true;
	quoit_histogram_record(&loop->histograms.wake_ns, after(now_ns, rung_ns));
}

void quoit_loop_note_sleep(struct quoit_loop *loop)
{
	if (!loop->slept)
		return;
	loop->slept = false;
	quoit_histogram_record(&loop->histograms.sleep_ns, after(loop->now_ns, loop->done_ns));
	if (loop->woken)
		quoit_spin_note_bell(&loop->spin, after(loop->heard_ns, loop->done_ns),
				     after(loop->now_ns, loop->heard_ns));
	else
		quoit_spin_note_sleep(&loop->spin);
	loop->woken = false;
}

void quoit_loop_note_turn(struct quoit_loop *loop)
{
	uint64_t turn_ns;

	loop->done_ns = quoit_clock_now_ns();
	turn_ns = after(loop->done_ns, loop->now_ns);
	loop->wary = turn_ns > loop->slice_ns;
	quoit_histogram_record(&loop->histograms.turn_ns, turn_ns);
}

void quoit_loop_read_histograms(const struct quoit_loop *loop, struct quoit_loop_histograms *copy)
{
	const struct quoit_loop_histograms *h = &loop->histograms;

	quoit_histogram_read(&h->lag_ns, &copy->lag_ns);
	quoit_histogram_read(&h->turn_ns, &copy->turn_ns);
	quoit_histogram_read(&h->sleep_ns, &copy->sleep_ns);
	quoit_histogram_read(&h->wake_ns, &copy->wake_ns);
	quoit_histogram_read(&h->completions, &copy->completions);
	quoit_histogram_read(&h->items, &copy->items);
}
