/* SPDX-License-Identifier: MIT */
/* life.c - loops of one's own: made, run, stopped, asked and freed. */
#include <quoit/numa/sys_internal.h>

#include <quoit/runtime/poll_internal.h>
#include <quoit/runtime/task_internal.h>

#include <string.h>

#include <quoit/numa/clock.h>

#define SQ_DEFAULT	256
#define SQ_LEAST	64
#define SQ_MOST		16384
#define OPERATIONS_MOST (1u << 20)
#define LETTING_GO_NS	(10 * 1000 * 1000ull)
#define LETTING_GO_MOST 200 /* turns that the kernel has to let go of what was cancelled */

/* --- making ---------------------------------------------------------------------------------- */

static int complete_options(struct quoit_loop_options *o, const struct quoit_loop_options *given,
			    size_t bytes, struct quoit_reason *why)
{
	memset(o, 0, sizeof(*o));
	if (given)
		memcpy(o, given, quoit_min(bytes, sizeof(*o)));
	o->sq_entries = o->sq_entries ? o->sq_entries : SQ_DEFAULT;
	if (o->sq_entries < SQ_LEAST || o->sq_entries > SQ_MOST)
		return quoit_reason_set(why, -EINVAL, "sq_entries is %u: give %d to %d",
					o->sq_entries, SQ_LEAST, SQ_MOST);
	if (o->operations > OPERATIONS_MOST)
		return quoit_reason_set(why, -EINVAL, "operations is %u: give 1 to %u",
					o->operations, OPERATIONS_MOST);
	return 0;
}

static int open_ring(struct quoit_loop *loop, struct io_uring *ring,
		     const struct quoit_loop_options *o, struct quoit_reason *why)
{
	switch (loop->kind) {
	case QUOIT_LOOP_GUEST:
		return quoit_uring_attach(&loop->uring, ring, why);
	case QUOIT_LOOP_INSIDE:
		return quoit_uring_open_pollable(&loop->uring, o->sq_entries, -1, why);
	default:
		return quoit_uring_open(&loop->uring, o->sq_entries, -1, why);
	}
}

static int open_parts(struct quoit_loop *loop, struct io_uring *ring,
		      const struct quoit_loop_options *o, struct quoit_reason *why)
{
	int rc = open_ring(loop, ring, o, why);

	if (rc < 0)
		return rc;
	rc = quoit_loop_open_rest(loop, o->operations, -1, why);
	if (rc < 0)
		goto close_uring;
	rc = loop->kind == QUOIT_LOOP_OWN ? 0 : quoit_alarm_open(loop);
	if (rc < 0)
		goto close_rest;
	quoit_spin_init(&loop->spin, o->spin_ns, o->never_spin);
	if (o->slice_ns)
		loop->slice_ns = o->slice_ns;
	if (loop->kind == QUOIT_LOOP_OWN) /* the others have no run that could end */
		loop->stop_flag = &loop->stop_wanted;
	return 0;

close_rest:
	quoit_ops_close(&loop->ops);
	quoit_loop_close_bell(loop);
close_uring:
	quoit_uring_close(&loop->uring);
	return rc;
}

static int make(struct io_uring *ring, const struct quoit_loop_options *given, size_t bytes,
		struct quoit_loop **made, struct quoit_reason *why)
{
	const struct quoit_region_options place = {
		.bytes = sizeof(struct quoit_loop), .node = -1, .name = "quoit loop"};
	struct quoit_loop_options o;
	struct quoit_region region = {0};
	struct quoit_loop *loop;
	int rc = complete_options(&o, given, bytes, why);

	if (rc < 0)
		return rc;
	rc = quoit_region_open(&region, &place, why);
	if (rc < 0)
		return rc;
	/* A child must not turn its parent's loop: it finds zeros, and so is told. */
	(void)quoit__sys_madvise(region.base, region.bytes, MADV_WIPEONFORK);
	loop = quoit_region_take(&region, sizeof(*loop), QUOIT_ISOLATION);
	QUOIT_ASSERT(loop); /* the region was sized for it */
	loop->region = region;
	loop->kind = ring ? QUOIT_LOOP_GUEST : o.pollable ? QUOIT_LOOP_INSIDE : QUOIT_LOOP_OWN;
	rc = open_parts(loop, ring, &o, why);
	if (rc < 0) {
		quoit_region_close(&region);
		return rc;
	}
	*made = loop;
	return 0;
}

int quoit__loop_create(const struct quoit_loop_options *options, size_t bytes,
		       struct quoit_loop **loop, struct quoit_reason *why)
{
	return make(NULL, options, bytes, loop, why);
}

int quoit__loop_attach(struct io_uring *ring, const struct quoit_loop_options *options,
		       size_t bytes, struct quoit_loop **loop, struct quoit_reason *why)
{
	if (!ring)
		return quoit_reason_set(why, -EINVAL, "quoit_loop_attach() was given no io_uring");
	return make(ring, options, bytes, loop, why);
}

/* --- freeing --------------------------------------------------------------------------------- */

/* Something that others made lives on it. */
static bool is_used(const struct quoit_loop *loop)
{
	return quoit_link_is_in(&loop->sources) || quoit_tasks_are_attached(loop) ||
	       (!loop->closing && quoit_ops_owned(&loop->ops) > (loop->alarm != NULL));
}

static bool has_let_go(const struct quoit_loop *loop)
{
	return quoit_loop_bell_is_silent(loop) && !quoit_ops_live(&loop->ops);
}

/* Have everything cancelled, and wait for it where the waiting is ours. */
static int let_go(struct quoit_loop *loop)
{
	if (!loop->closing) {
		quoit_alarm_close(loop);
		quoit_loop_silence_bell(loop);
	}
	if (loop->kind == QUOIT_LOOP_GUEST) {
		(void)quoit_loop_work(loop);
		return has_let_go(loop) ? 0 : -EAGAIN;
	}
	for (unsigned i = 0; i < LETTING_GO_MOST && !has_let_go(loop); i++)
		quoit_loop_turn_for(loop, LETTING_GO_NS);
	if (has_let_go(loop))
		return 0;
	return loop->uring.failed ? loop->uring.failed : -ETIMEDOUT;
}

int quoit_loop_destroy(struct quoit_loop *loop)
{
	struct quoit_region region;
	int rc;

	if (!loop)
		return 0;
	rc = quoit_loop_check(loop, loop->kind);
	if (rc < 0)
		return rc;
	quoit_polls_mind(loop); /* a ring that has failed ends none of them by itself */
	if (is_used(loop))
		return -EBUSY;
	rc = let_go(loop);
	if (rc < 0)
		return rc;
	quoit_loop_close(loop);
	quoit_loop_close_bell(loop);
	region = loop->region; /* the struct goes with it */
	quoit_region_close(&region);
	return 0;
}

/* --- running --------------------------------------------------------------------------------- */

int quoit_loop_check(const struct quoit_loop *loop, enum quoit_loop_kind kind)
{
	if (quoit_unlikely(loop->kind == QUOIT_LOOP_ELSEWHERE))
		return -ECHILD;
	if (loop->in_turn)
		return -EDEADLK;
	if (loop->kind == QUOIT_LOOP_OF_CORE)
		return -EPERM;
	return loop->kind == kind ? 0 : -EOPNOTSUPP;
}

static int check_driver(const struct quoit_loop *loop)
{
	return loop->kind == QUOIT_LOOP_GUEST && !loop->in_turn
		       ? -EPERM
		       : quoit_loop_check(loop, loop->kind);
}

/*
 * The loop around may go back to its own wait now. Between two calls ours must be armed, with its
 * alarm set: our descriptor becomes readable, and quoit_loop_run_ready() sees to that.
 */
static void hand_back(const struct quoit_loop *loop)
{
	if (loop->kind == QUOIT_LOOP_INSIDE)
		(void)quoit_notify_ring(&loop->notify); /* open as long as the loop is */
}

/* Grows with everything that a turn handles. */
static uint64_t handled(const struct quoit_loop *loop)
{
	return loop->uring.counts.completed + loop->counts.items + loop->counts.timers_fired +
	       loop->counts.tasks + loop->counts.channels_left;
}

int quoit_loop_run_once(struct quoit_loop *loop, uint64_t timeout_ns)
{
	const uint64_t before = handled(loop);
	const int rc = check_driver(loop);
	bool may_rest;

	if (rc < 0)
		return rc;
	may_rest = quoit_loop_work(loop) && handled(loop) == before;
	quoit_loop_rest(loop, may_rest ? timeout_ns : 0);
	if (may_rest && timeout_ns)
		quoit_loop_turn_for(loop, 0); /* what ended the sleep */
	hand_back(loop);
	return loop->uring.failed;
}

/* Is a stop wanted? Only once for each. */
static bool take_stop(struct quoit_loop *loop)
{
	/* stop: pairs with quoit_loop_stop() */
	return quoit_load_acquire(&loop->stop_wanted) && quoit_exchange(&loop->stop_wanted, 0);
}

int quoit_loop_run(struct quoit_loop *loop)
{
	int rc = check_driver(loop);

	if (rc < 0)
		return rc;
	while (!rc && !take_stop(loop)) {
		quoit_loop_turn_for(loop, QUOIT_FOREVER);
		rc = loop->uring.failed;
	}
	hand_back(loop);
	return rc;
}

static int turn_until(struct quoit_loop *loop, bool (*done)(void *ctx), void *ctx,
		      uint64_t timeout_ns)
{
	const uint64_t start = quoit_clock_now_ns();
	const uint64_t deadline = timeout_ns < UINT64_MAX - start ? start + timeout_ns : UINT64_MAX;
	uint64_t now = start;

	while (!loop->uring.failed && !done(ctx)) {
		bool may_rest;

		if (take_stop(loop))
			return -ESHUTDOWN;
		if (now >= deadline)
			return -ETIMEDOUT;
		may_rest = quoit_loop_work(loop) && !done(ctx);
		quoit_loop_rest(loop, may_rest ? deadline - now : 0);
		now = deadline == UINT64_MAX ? now : quoit_clock_now_ns();
	}
	return loop->uring.failed;
}

int quoit_loop_run_until(struct quoit_loop *loop, bool (*done)(void *ctx), void *ctx,
			 uint64_t timeout_ns)
{
	int rc = check_driver(loop);

	if (rc < 0)
		return rc;
	rc = turn_until(loop, done, ctx, timeout_ns);
	hand_back(loop);
	return rc;
}

void quoit_loop_wake(struct quoit_loop *loop)
{
	if (quoit_likely(loop->kind != QUOIT_LOOP_ELSEWHERE))
		(void)quoit_notify_ring(&loop->notify); /* open as long as the loop is */
}

void quoit_loop_stop(struct quoit_loop *loop)
{
	quoit_store_release(&loop->stop_wanted, 1); /* stop: pairs with take_stop() */
	quoit_loop_wake(loop);
}

/* --- asking ---------------------------------------------------------------------------------- */

struct quoit_timers *quoit_loop_timers(struct quoit_loop *loop)
{
	return &loop->timers;
}

uint64_t quoit_loop_now_ns(const struct quoit_loop *loop)
{
	return loop->now_ns;
}

void quoit_loop_read_stats(const struct quoit_loop *loop, struct quoit_loop_stats *stats)
{
	const struct quoit_loop_counts *l = &loop->counts;
	const struct quoit_uring_counts *u = &loop->uring.counts;

	/* One writer each; figures may be a few events apart. */
	*stats = (struct quoit_loop_stats){
		.turns = quoit_load(&l->turns),
		.sleeps = quoit_load(&l->sleeps),
		.spins = quoit_load(&l->spins),
		.spins_won = quoit_load(&l->spins_won),
		.bells_heard = quoit_load(&l->bells_heard),
		.timers_fired = quoit_load(&l->timers_fired),
		.tasks = quoit_load(&l->tasks),
		.items = quoit_load(&l->items),
		.enters = quoit_load(&u->enters),
		.enters_forced = quoit_load(&u->enters_forced),
		.completed = quoit_load(&u->completed),
		.overflows = quoit_load(&u->overflows),
		.stale = quoit_load(&u->stale),
	};
}
