/* SPDX-License-Identifier: MIT */
/*
 * loop.c - one turn of the event loop.
 *
 *   completions -> rings -> timers -> tasks -> afterthoughts -> sends -> idle hooks -> publish
 *        ^                                                                          and ring
 *        |                                                                             |
 *        +------------ wake <- sleep <- look again <- arm <- spin <--------------------+   rest.c
 *
 * Whatever the stages want from the kernel is only prepared; the one enter at the end of the turn
 * submits it all, fetches what has completed, and sleeps if nothing has. Every stage has a budget,
 * so none can starve another; what a stage leaves over keeps the turn from sleeping.
 */
#include <quoit/runtime/poll_internal.h>
#include <quoit/runtime/task_internal.h>
#include <quoit/runtime/work_internal.h>

#include <quoit/numa/clock.h>

#define COMPLETIONS_A_TURN 512
#define COMPLETIONS_A_LOOK 64 /* at the clock */
#define ITEMS_A_TURN	   1024
#define TIMERS_A_TURN	   256
#define OPERATIONS_DEFAULT 4096

/* --- opening --------------------------------------------------------------------------------- */

int quoit_loop_open_rest(struct quoit_loop *loop, uint32_t operations, int node,
			 struct quoit_reason *why)
{
	int rc = quoit_notify_open(&loop->notify, &loop->wake);

	if (rc < 0)
		return quoit_reason_set(why, rc,
					"no file descriptor left for an eventfd: raise ulimit -n");
	rc = quoit_ops_open(&loop->ops, &loop->uring, operations ? operations : OPERATIONS_DEFAULT,
			    node, why);
	if (rc < 0) {
		quoit_notify_close(&loop->notify);
		return rc;
	}
	loop->now_ns = loop->done_ns = quoit_clock_now_ns();
	loop->slice_ns = QUOIT_SLICE_NS;
	loop->alarm_ns = UINT64_MAX;
	quoit_timers_init(&loop->timers, loop->now_ns);
	quoit_link_init(&loop->sources);
	quoit_link_init(&loop->polls);
	quoit_link_init(&loop->channels);
	quoit_tasks_init(loop);
	quoit_works_init(loop);
	quoit_bell_classes(loop);
	return 0;
}

int quoit_loop_open(struct quoit_loop *loop, unsigned sq_entries, int node,
		    struct quoit_bell *bells, uint32_t bell_count, struct quoit_reason *why)
{
	int rc;

	*loop = (struct quoit_loop){
		.bells = bells, .bell_count = bell_count, .kind = QUOIT_LOOP_OF_CORE};
	rc = quoit_uring_open(&loop->uring, sq_entries, node, why);
	if (rc < 0)
		return rc;
	rc = quoit_loop_open_rest(loop, 0, node, why);
	if (rc < 0)
		quoit_uring_close(&loop->uring);
	return rc;
}

void quoit_loop_close(struct quoit_loop *loop)
{
	quoit_works_close(loop);
	quoit_tasks_forget(loop);
	quoit_ops_close(&loop->ops);
	quoit_uring_close(&loop->uring);
}

void quoit_loop_close_bell(struct quoit_loop *loop)
{
	quoit_notify_close(&loop->notify);
}

void quoit_loop_add_source(struct quoit_loop *loop, struct quoit_source *source)
{
	quoit_link_init(&source->link);
	quoit_link_append(&loop->sources, &source->link);
}

void quoit_loop_remove_source(struct quoit_source *source)
{
	quoit_link_remove(&source->link);
}

/* --- the turn -------------------------------------------------------------------------------- */

/* A completion was lost: whatever was multishot may have ended without a word. */
static void resync(struct quoit_loop *loop)
{
	quoit_uring_take_loss(&loop->uring);
	if (loop->io)
		quoit_io_resync(loop->io);
	quoit_ops_resync(&loop->ops);
	loop->bell_armed = false; /* arming twice is harmless, not being armed is not */
	loop->silencing = false;  /* the lost one may have been the answer to the cancel */
}

/* The clock is only read when there is more than one bite. A late end leaves the sources theirs. */
static void reap(struct quoit_loop *loop)
{
	const size_t bite = loop->wary ? 1 : COMPLETIONS_A_LOOK;
	size_t n = quoit_uring_reap(&loop->uring, bite);
	size_t all = n;

	while (n == bite && all < COMPLETIONS_A_TURN) {
		const uint64_t now_ns = quoit_clock_now_ns();

		if (now_ns >= loop->until_ns) {
			loop->until_ns = now_ns + loop->slice_ns;
			break;
		}
		n = quoit_uring_take(&loop->uring, bite);
		all += n;
	}
	if (all)
		quoit_histogram_record(&loop->histograms.completions, all);
}

/* Those that the time did not suffice for come before those that were served. */
static void cut_short(struct quoit_loop *loop, struct quoit_link *unserved)
{
	struct quoit_link served;
	struct quoit_link *link;

	quoit_link_move_all(&loop->sources, &served);
	while ((link = quoit_link_take(unserved)))
		quoit_link_append(&loop->sources, link);
	while ((link = quoit_link_take(&served)))
		quoit_link_append(&loop->sources, link);
	loop->cut = true;
}

/*
 * Each source once, beginning with another one than last time, or as many as the time allows. A
 * handler may take out any source, and free it: each is back in the list before it is asked, and
 * not looked at afterwards.
 */
static size_t dispatch(struct quoit_loop *loop)
{
	struct quoit_link turn;
	struct quoit_link *link;
	size_t items = 0;

	if (!loop->cut && (link = quoit_link_take(&loop->sources)))
		quoit_link_append(&loop->sources, link);
	loop->cut = false;
	quoit_link_move_all(&loop->sources, &turn);
	while ((link = quoit_link_take(&turn))) {
		struct quoit_source *source = quoit_container_of(link, struct quoit_source, link);
		size_t n;

		quoit_link_append(&loop->sources, link);
		n = source->dispatch(source, ITEMS_A_TURN);
		if (!n)
			continue;
		items += n;
		quoit_histogram_record(&loop->histograms.items, n);
		if (quoit_link_is_in(&turn) && quoit_loop_is_late(loop))
			cut_short(loop, &turn);
	}
	quoit_count(&loop->counts.items, items);
	return items;
}

static void flush(struct quoit_loop *loop)
{
	for (struct quoit_link *at = loop->sources.next; at != &loop->sources; at = at->next) {
		struct quoit_source *source = quoit_container_of(at, struct quoit_source, link);

		source->flush(source);
	}
}

static void run_timers(struct quoit_loop *loop)
{
	const uint64_t due_ns = quoit_timers_next_ns(&loop->timers);
	size_t fired;

	if (due_ns > loop->now_ns)
		return;
	fired = quoit_timers_expire(&loop->timers, loop->now_ns, TIMERS_A_TURN);
	if (fired)
		quoit_histogram_record(&loop->histograms.lag_ns, loop->now_ns - due_ns);
	quoit_count(&loop->counts.timers_fired, fired);
}

bool quoit_loop_work(struct quoit_loop *loop)
{
	struct quoit_io *io = loop->io;
	size_t items;
	bool calm;

	QUOIT_ASSERT(!loop->in_turn); /* a handler must not turn its own loop */
	loop->in_turn = true;
	loop->now_ns = quoit_clock_now_ns();
	if (io)
		io->now_ns = loop->now_ns;
	loop->until_ns = loop->now_ns + loop->slice_ns;
	quoit_count(&loop->counts.turns, 1);
	if (quoit_unlikely(quoit_uring_has_lost(&loop->uring)))
		resync(loop);
	quoit_bell_mind(loop);
	quoit_polls_mind(loop);
	if (!loop->uring.guest)
		reap(loop);
	quoit_loop_note_sleep(loop);
	items = dispatch(loop);
	if (io)
		quoit_coalesce_note(&loop->coalesce, loop->now_ns, io->counts.receives, items);
	run_timers(loop);
	quoit_tasks_run(loop);
	quoit_ops_attend(&loop->ops);
	if (io) {
		quoit_io_attend(io);
		quoit_io_send_all(io);
	}
	quoit_idles_run(loop);
	flush(loop);
	calm = !(loop->calm && loop->calm(loop));
	loop->in_turn = false;
	quoit_loop_note_turn(loop);
	return calm && !loop->idle_busy && !quoit_link_is_in(&loop->tasks);
}

void quoit_loop_turn_for(struct quoit_loop *loop, uint64_t most_ns)
{
	quoit_loop_rest(loop, quoit_loop_work(loop) ? most_ns : 0);
}
