/* SPDX-License-Identifier: MIT */
/*
 * loop.c - one turn of the event loop.
 *
 *   completions -> rings -> timers -> afterthoughts -> sends -> publish and ring
 *        ^                                                            |
 *        +------ wake <- sleep <- look again <- arm <- spin <---------+
 *
 * Whatever the stages want from the kernel is only prepared; the one enter at the end of the turn
 * submits it all, fetches what has completed, and sleeps if nothing has. Every stage has a budget,
 * so none can starve another; what a stage leaves over keeps the turn from sleeping.
 *
 * Before it sleeps, the loop raises its armed flag and looks once more at every ring with real
 * loads: a publisher that did not see the flag has published before that look (rings/notify.h).
 */
#include <quoit/numa/sys_internal.h>

#include <quoit/runtime/loop_internal.h>

#include <poll.h>

#include <quoit/numa/clock.h>

#define COMPLETIONS_A_TURN 512
#define ITEMS_A_TURN	   1024
#define TIMERS_A_TURN	   256
#define SPIN_LEAST_NS	   2000
#define RELAXES_A_LOOK	   8

static const uint64_t one = 1; /* what a bell writes; the kernel reads it whenever it likes */

/* --- bells ----------------------------------------------------------------------------------- */

/*
 * Our own eventfd is polled, multishot, and never read: each write gives one completion however
 * many there were, and arming again fires at once if one was missed.
 */
static void arm_bell(struct quoit_loop *loop)
{
	struct io_uring_sqe *sqe = quoit_uring_sqe(&loop->uring);

	if (!sqe)
		return; /* the next turn tries again */
	io_uring_prep_poll_multishot(sqe, loop->notify.fd, POLLIN);
	quoit_uring_tag(sqe, QUOIT_OP_BELL_HEARD, &loop->bell);
	loop->bell_armed = true;
}

static void bell_heard(struct quoit_op_owner *owner, int res, uint32_t flags, bool last)
{
	struct quoit_loop *loop = quoit_container_of(owner, struct quoit_loop, bell);

	(void)res; /* any answer means the same: look at every ring */
	(void)flags;
	quoit_count(&loop->counts.bells_heard, 1);
	if (last)
		loop->bell_armed = false;
}

static void bell_cancelled(struct quoit_op_owner *owner, int res, uint32_t flags, bool last)
{
	struct quoit_loop *loop = quoit_container_of(owner, struct quoit_loop, bell);

	(void)flags;
	(void)last;
	loop->silencing = false;
	/* Found or not, the poll's own completion says what became of it, unless that was lost. */
	if (res <= 0 && loop->uring.counts.dropped_resyncs)
		owner->pending = 0;
}

/* A bell is silent unless it failed; then the plain system call must do. */
static void bell_failed(struct quoit_op_owner *owner, int res, uint32_t flags, bool last)
{
	struct quoit_bell *bell = (void *)owner;

	(void)flags;
	(void)last;
	owner->pending++; /* it was never counted: a bell that succeeds completes without a word */
	if (res < 0)
		(void)quoit_notify_ring(bell->notify); /* fails only on a closed fd: our contract */
}

void quoit_loop_ring(struct quoit_loop *loop, uint32_t i)
{
	struct quoit_bell *bell = &loop->bells[i];
	struct io_uring_sqe *sqe = io_uring_get_sqe(loop->uring.ring);

	if (!sqe) {
		quoit_count(&loop->counts.bells_failed, 1);
		(void)quoit_notify_ring(bell->notify); /* fails only on a closed fd: our contract */
		return;
	}
	io_uring_prep_write(sqe, bell->notify->fd, &one, sizeof(one), 0);
	sqe->flags |= IOSQE_CQE_SKIP_SUCCESS;
	sqe->user_data = quoit_op_data(QUOIT_OP_BELL_RUNG, &bell->owner);
}

/* All of them: after a lost completion there may be two polls. */
static void silence_bell(struct quoit_loop *loop)
{
	if (!loop->silencing && loop->bell.pending)
		loop->silencing =
			quoit_uring_cancel(&loop->uring,
					   quoit_op_data(QUOIT_OP_BELL_HEARD, &loop->bell),
					   QUOIT_OP_CANCEL_BELL, &loop->bell) == 0;
}

void quoit_loop_silence_bell(struct quoit_loop *loop)
{
	loop->closing = true;
	silence_bell(loop); /* every turn tries again */
}

/* --- opening --------------------------------------------------------------------------------- */

int quoit_loop_open(struct quoit_loop *loop, unsigned sq_entries, struct quoit_bell *bells,
		    uint32_t bell_count, struct quoit_reason *why)
{
	int rc;

	*loop = (struct quoit_loop){.bells = bells, .bell_count = bell_count};
	rc = quoit_notify_open(&loop->notify, &loop->wake);
	if (rc < 0)
		return quoit_reason_set(why, rc,
					"no file descriptor left for an eventfd: raise ulimit -n");
	rc = quoit_uring_open(&loop->uring, sq_entries, why);
	if (rc < 0) {
		quoit_notify_close(&loop->notify);
		return rc;
	}
	loop->now_ns = quoit_clock_now_ns();
	quoit_timers_init(&loop->timers, loop->now_ns);
	quoit_uring_class(&loop->uring, QUOIT_OP_BELL_HEARD, &loop->bell, 0, bell_heard);
	quoit_uring_class(&loop->uring, QUOIT_OP_CANCEL_BELL, &loop->bell, 0, bell_cancelled);
	quoit_uring_class(&loop->uring, QUOIT_OP_BELL_RUNG, bells, sizeof(*bells), bell_failed);
	return 0;
}

void quoit_loop_close(struct quoit_loop *loop)
{
	quoit_uring_close(&loop->uring);
}

void quoit_loop_close_bell(struct quoit_loop *loop)
{
	quoit_notify_close(&loop->notify);
}

void quoit_loop_add_source(struct quoit_loop *loop, struct quoit_source *source)
{
	source->next = loop->sources;
	loop->sources = source;
}

/* --- the turn -------------------------------------------------------------------------------- */

static bool sources_have_news(struct quoit_loop *loop)
{
	for (struct quoit_source *source = loop->sources; source; source = source->next)
		if (source->has_news(source))
			return true;
	return false;
}

static bool sources_expect_news(const struct quoit_loop *loop)
{
	for (const struct quoit_source *source = loop->sources; source; source = source->next)
		if (source->expects_news(source))
			return true;
	return false;
}

/* Was anybody asked to stop since we last looked? */
static bool stop_is_new(const struct quoit_loop *loop)
{
	return loop->stop_flag && !loop->stop_seen &&
	       quoit_load_acquire(loop->stop_flag); /* stop: pairs with quoit_runtime_stop() */
}

/*
 * Has the poll on our bell ended, in this turn for instance? Asleep, we would not hear it. Nor must
 * we sleep beside a poll that nobody has told to end.
 */
static bool bell_is_deaf(const struct quoit_loop *loop)
{
	return loop->closing ? loop->bell.pending && !loop->silencing : !loop->bell_armed;
}

/* Anything at all that a turn could do now, apart from what only the kernel knows. */
static bool has_work(struct quoit_loop *loop)
{
	return quoit_uring_has_news(&loop->uring) || (loop->io && quoit_io_has_work(loop->io)) ||
	       bell_is_deaf(loop) || sources_have_news(loop) || stop_is_new(loop);
}

/* Nanoseconds until something is due by the clock. */
static uint64_t until_due(const struct quoit_loop *loop)
{
	const uint64_t timer = quoit_timers_next_ns(&loop->timers);
	const uint64_t io = loop->io ? quoit_io_next_ns(loop->io) : UINT64_MAX;
	const uint64_t next = timer < io ? timer : io;

	uint64_t now;

	if (next == UINT64_MAX)
		return QUOIT_URING_NO_TIMEOUT;
	now = quoit_clock_now_ns(); /* the turn may have taken long */
	return next > now ? next - now : 0;
}

/* Submit, and fetch what has completed, but only if there is either. */
static void enter_if_needed(struct quoit_loop *loop)
{
	struct quoit_uring *uring = &loop->uring;

	if (quoit_uring_unsubmitted(uring) || quoit_uring_needs_enter(uring))
		(void)quoit_uring_submit(uring); /* -EBUSY: the next turn reaps first */
}

/* Look for work until the time is up, without a system call. True when there is some. */
static bool spin(struct quoit_loop *loop, uint64_t limit_ns)
{
	const uint64_t until = quoit_clock_now_ns() + limit_ns;

	quoit_count(&loop->counts.spins, 1);
	do {
		for (int i = 0; i < RELAXES_A_LOOK; i++)
			quoit_relax();
		if (has_work(loop)) {
			quoit_count(&loop->counts.spins_won, 1);
			return true;
		}
	} while (quoit_clock_now_ns() < until);
	return false;
}

/* An answer is on its way, and we have not spun for it in vain just now. */
static bool may_spin(const struct quoit_loop *loop)
{
	return loop->spin_ns && !loop->spun && sources_expect_news(loop);
}

/*
 * Spin instead of sleeping, twice as long after it found something, half as long after it did not.
 * The turn ends with it either way, so that it has made one enter at most: the one that submits
 * what must not wait for the spin, bells among it.
 */
static void spin_this_turn(struct quoit_loop *loop, uint64_t due_ns)
{
	const uint64_t limit = loop->spin_now_ns < due_ns ? loop->spin_now_ns : due_ns;
	uint64_t next;

	enter_if_needed(loop);
	if (has_work(loop))
		return;
	loop->spun = !spin(loop, limit);
	next = loop->spun ? loop->spin_now_ns / 2 : loop->spin_now_ns * 2;
	loop->spin_now_ns = next > loop->spin_ns   ? loop->spin_ns
			    : next < SPIN_LEAST_NS ? SPIN_LEAST_NS
						   : next;
}

static void sleep_now(struct quoit_loop *loop, uint64_t due_ns)
{
	const uint64_t gather_ns =
		loop->io ? quoit_coalesce_ns(&loop->coalesce, loop->io->streams.live) : 0;

	quoit_count(&loop->counts.sleeps, 1);
	quoit_count(&loop->counts.gathers, gather_ns != 0);
	(void)quoit_uring_sleep(&loop->uring, due_ns, gather_ns); /* the next turn looks */
}

static void sleep_or_go_on(struct quoit_loop *loop, bool may_wait)
{
	const uint64_t due_ns = until_due(loop);

	if (!may_wait || !due_ns) {
		enter_if_needed(loop);
		return;
	}
	if (may_spin(loop)) {
		spin_this_turn(loop, due_ns);
		return;
	}
	loop->spun = false;
	quoit_wake_arm(&loop->wake);
	if (has_work(loop)) {
		enter_if_needed(loop);
	} else {
		sleep_now(loop, due_ns);
	}
	quoit_wake_disarm(&loop->wake);
}

/* A completion was lost: whatever was multishot may have ended without a word. */
static void resync(struct quoit_loop *loop)
{
	loop->uring.lost = false;
	if (loop->io)
		quoit_io_resync(loop->io);
	loop->bell_armed = false; /* arming twice is harmless, not being armed is not */
}

/* What is not ours any more must end; what is ours must be heard. */
static void mind_the_bell(struct quoit_loop *loop)
{
	if (quoit_unlikely(loop->closing))
		silence_bell(loop);
	else if (quoit_unlikely(bell_is_deaf(loop)))
		arm_bell(loop);
}

static void run_timers(struct quoit_loop *loop)
{
	if (quoit_timers_next_ns(&loop->timers) <= loop->now_ns)
		quoit_count(&loop->counts.timers_fired,
			    quoit_timers_expire(&loop->timers, loop->now_ns, TIMERS_A_TURN));
}

void quoit_loop_turn(struct quoit_loop *loop, bool may_wait)
{
	struct quoit_io *io = loop->io;
	size_t items = 0;

	loop->now_ns = quoit_clock_now_ns();
	if (io)
		io->now_ns = loop->now_ns;
	quoit_count(&loop->counts.turns, 1);
	if (quoit_unlikely(loop->uring.lost))
		resync(loop);
	mind_the_bell(loop);
	(void)quoit_uring_reap(&loop->uring, COMPLETIONS_A_TURN);
	for (struct quoit_source *source = loop->sources; source; source = source->next)
		items += source->dispatch(source, ITEMS_A_TURN);
	if (io)
		quoit_coalesce_note(&loop->coalesce, loop->now_ns, io->counts.receives, items);
	run_timers(loop);
	if (io) {
		quoit_io_attend(io);
		quoit_io_send_all(io);
	}
	for (struct quoit_source *source = loop->sources; source; source = source->next)
		source->flush(source);
	sleep_or_go_on(loop, !(loop->calm && loop->calm(loop)) && may_wait);
}
