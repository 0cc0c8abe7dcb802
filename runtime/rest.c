/* SPDX-License-Identifier: MIT */
/*
 * rest.c - the end of a turn: one enter at most, and spinning or sleeping if nothing is left to do.
 *
 * Before it sleeps, the loop raises its armed flag and looks once more at every ring with real
 * loads: a publisher that did not see the flag has published before that look (rings/notify.h).
 */
#include <quoit/numa/sys_internal.h>

#include <quoit/runtime/loop_internal.h>

#include <quoit/numa/clock.h>

#define REFUSALS_MOST 16	       /* enters in a row, before the loop pauses for each */
#define PAUSE_NS      (1000 * 1000ull) /* between looks, where the kernel cannot be waited in */

/* A look takes about 20 ns, a pause 35 to 70, the clock 30. */
#define LOOKS_A_RELAX 16
#define LOOKS_A_TIME  32

static struct quoit_source *source_of(struct quoit_link *link)
{
	return quoit_container_of(link, struct quoit_source, link);
}

static bool sources_have_news(struct quoit_loop *loop)
{
	for (struct quoit_link *at = loop->sources.next; at != &loop->sources; at = at->next) {
		struct quoit_source *source = source_of(at);

		if (source->has_news(source))
			return true;
	}
	return false;
}

static bool sources_expect_news(const struct quoit_loop *loop)
{
	for (struct quoit_link *at = loop->sources.next; at != &loop->sources; at = at->next) {
		const struct quoit_source *source = source_of(at);

		if (source->expects_news(source))
			return true;
	}
	return false;
}

/* Was anybody asked to stop since we last looked? */
static bool stop_is_new(const struct quoit_loop *loop)
{
	return loop->stop_flag && !loop->stop_seen &&
	       quoit_load_acquire(loop->stop_flag); /* stop: pairs with quoit_runtime_stop() */
}

/*
 * What the others announce while a stop goes on is looked at behind the fence as well: their bells
 * alone do not tell that we see what was written before.
 */
static bool stop_goes_on(struct quoit_loop *loop)
{
	bool changed;

	if (quoit_likely(!loop->stop_seen || !loop->calm))
		return false;
	loop->in_turn = true; /* handlers may be told that their calls are over */
	changed = loop->calm(loop);
	loop->in_turn = false;
	return changed;
}

bool quoit_loop_has_work(struct quoit_loop *loop)
{
	return (loop->io && quoit_io_has_work(loop->io)) || quoit_ops_have_work(&loop->ops) ||
	       quoit_link_is_in(&loop->tasks) || loop->idle_busy || quoit_bell_is_deaf(loop) ||
	       quoit_uring_has_lost(&loop->uring) || sources_have_news(loop) || stop_is_new(loop);
}

bool quoit_loop_has_news(struct quoit_loop *loop)
{
	return quoit_uring_has_news(&loop->uring) || quoit_loop_has_work(loop);
}

uint64_t quoit_loop_next_ns(const struct quoit_loop *loop)
{
	const uint64_t timer = quoit_timers_next_ns(&loop->timers);
	const uint64_t io = loop->io ? quoit_io_next_ns(loop->io) : UINT64_MAX;

	return timer < io ? timer : io;
}

/* Nanoseconds until something is due by the clock, `most_ns` at most. */
static uint64_t until_due(const struct quoit_loop *loop, uint64_t most_ns)
{
	const uint64_t next = quoit_loop_next_ns(loop);

	if (next == UINT64_MAX)
		return most_ns;
	return next > loop->done_ns ? quoit_min(next - loop->done_ns, most_ns) : 0;
}

static bool needs_enter(const struct quoit_loop *loop)
{
	return quoit_uring_unsubmitted(&loop->uring) || quoit_uring_needs_enter(&loop->uring);
}

void quoit_loop_enter_if_needed(struct quoit_loop *loop)
{
	if (needs_enter(loop))
		(void)quoit_uring_submit(&loop->uring); /* -EBUSY: the next turn reaps first */
}

/* What others can bring: all that changes while we only look. */
static bool others_have_news(struct quoit_loop *loop)
{
	return sources_have_news(loop) || quoit_uring_has_news(&loop->uring) || stop_is_new(loop);
}

/* Look for work until the time is up, without a system call. True when there is some. */
static bool spin(struct quoit_loop *loop, uint64_t until_ns)
{
	quoit_count(&loop->counts.spins, 1);
	do {
		for (int i = 0; i < LOOKS_A_TIME; i++) {
			if (i % LOOKS_A_RELAX == 0)
				quoit_relax();
			if (others_have_news(loop)) {
				quoit_count(&loop->counts.spins_won, 1);
				return true;
			}
		}
	} while (quoit_clock_now_ns() < until_ns);
	return false;
}

static bool may_spin(const struct quoit_loop *loop)
{
	return quoit_spin_pays(&loop->spin, true) &&
	       (quoit_spin_pays(&loop->spin, false) || sources_expect_news(loop));
}

/*
 * Spin instead of sleeping. The turn ends with it either way, so that it has made one enter at
 * most: the one that submits what must not wait for the spin, bells among it.
 */
static void spin_this_turn(struct quoit_loop *loop, uint64_t due_ns)
{
	uint64_t from_ns = loop->done_ns;

	if (needs_enter(loop)) {
		(void)quoit_uring_submit(&loop->uring); /* -EBUSY: the next turn reaps first */
		from_ns = quoit_clock_now_ns();
	}
	if (quoit_loop_has_news(loop))
		return;
	quoit_spin_note(&loop->spin, spin(loop, from_ns + quoit_min(loop->spin.now_ns, due_ns)));
}

static void sleep_now(struct quoit_loop *loop, uint64_t due_ns)
{
	const uint64_t gather_ns =
		loop->io ? quoit_coalesce_ns(&loop->coalesce, loop->io->streams.live) : 0;

	quoit_count(&loop->counts.sleeps, 1);
	quoit_count(&loop->counts.gathers, gather_ns != 0);
	loop->slept = true;
	(void)quoit_uring_sleep(&loop->uring, due_ns, gather_ns); /* the next turn looks */
}

/* The kernel takes nothing, and so does not put us to sleep either. */
static bool is_refused(const struct quoit_loop *loop)
{
	return loop->uring.failed || loop->uring.refused >= REFUSALS_MOST;
}

void quoit_loop_rest(struct quoit_loop *loop, uint64_t most_ns)
{
	const uint64_t due_ns = most_ns ? until_due(loop, most_ns) : 0;

	if (quoit_unlikely(is_refused(loop)))
		quoit__sys_sleep(quoit_min(most_ns, PAUSE_NS));
	if (!due_ns) {
		quoit_loop_enter_if_needed(loop);
		return;
	}
	if (may_spin(loop)) {
		spin_this_turn(loop, due_ns);
		return;
	}
	loop->spin.in_vain = false;
	quoit_wake_arm(&loop->wake);
	if (quoit_loop_has_news(loop) || stop_goes_on(loop)) {
		quoit_loop_enter_if_needed(loop);
	} else {
		sleep_now(loop, due_ns);
	}
	quoit_loop_is_awake(loop);
}
