/* SPDX-License-Identifier: MIT */
/* channel.c - rings in a loop: their turns and budgets, their bells, and how they leave. */
#include <quoit/numa/sys_internal.h>

#include <quoit/runtime/channel_internal.h>

#include <poll.h>
#include <string.h>

#include <quoit/numa/clock.h>
#include <quoit/numa/rt_section.h>
#include <quoit/rings/wait.h>

static struct quoit__channel *inside(struct quoit_channel *channel)
{
	return (struct quoit__channel *)(void *)channel;
}

static const struct quoit__channel *inside_const(const struct quoit_channel *channel)
{
	return (const struct quoit__channel *)(const void *)channel;
}

static struct quoit_channel *outside(struct quoit__channel *c)
{
	return (struct quoit_channel *)(void *)c;
}

/* --- bells of their own ---------------------------------------------------------------------- */

static void prepare_poll(struct quoit_op *op, struct io_uring_sqe *sqe)
{
	const struct quoit__channel *const c = op->ctx;

	io_uring_prep_poll_multishot(sqe, c->own.fd, POLLIN);
}

/* It is looked at before the others: behind the one whose turn it is to be last. */
static void move_to_the_front(struct quoit__channel *c)
{
	struct quoit_link *const sources = &c->loop->sources;
	struct quoit_link *const link = &c->source.link;

	quoit_link_remove(link);
	if (!quoit_link_is_in(sources)) {
		quoit_link_append(sources, link);
		return;
	}
	link->prev = sources->next;
	link->next = sources->next->next;
	link->prev->next = link->next->prev = link;
}

static void bell_heard(struct quoit_op *op, int res, uint32_t flags, bool last)
{
	struct quoit__channel *const c = op->ctx;

	(void)res; /* any answer means the same: look */
	(void)flags;
	quoit_count(&c->stats.bells, 1);
	c->kind->rang(c);
	move_to_the_front(c);
	if (last)
		quoit_op_start(op); /* fires at once if it was rung meanwhile: D-82 */
}

static int open_bell(struct quoit__channel *c)
{
	int rc = quoit_notify_open(&c->own, &c->loop->wake);

	if (rc < 0)
		return rc;
	c->poll = quoit_op_take(&c->loop->ops, prepare_poll, bell_heard, c);
	if (!c->poll) {
		quoit_notify_close(&c->own);
		return -ENOBUFS;
	}
	quoit_op_start(c->poll);
	return 0;
}

/* Nobody rings it any more. */
static void close_bell(struct quoit__channel *c)
{
	if (c->own.fd < 0)
		return;
	quoit_op_forget(c->poll);
	quoit_notify_close(&c->own);
}

/* --- leaving --------------------------------------------------------------------------------- */

/* Out of the loop if nobody is about to ring: then whoever is to be told is told. */
static bool try_to_leave(struct quoit__channel *c, bool tells)
{
	const quoit_channel_end_fn told =
		c->state == QUOIT__CHANNEL_ENDING ? c->ended : c->detached;

	if (c->kind->detach(c))
		return false;
	quoit_loop_remove_source(&c->source);
	quoit_link_remove(&c->link);
	close_bell(c);
	c->state = QUOIT__CHANNEL_OUT;
	quoit_count(&c->loop->counts.channels_left, 1);
	if (tells && told)
		told(outside(c), c->ctx); /* it may be gone afterwards */
	return true;
}

int quoit_channel_detach(struct quoit_channel *channel)
{
	struct quoit__channel *const c = inside(channel);

	if (c->state == QUOIT__CHANNEL_OUT)
		return -ENOENT;
	if (c->state != QUOIT__CHANNEL_IN)
		return -EALREADY;
	c->state = QUOIT__CHANNEL_DETACHING;
	if (c->running)
		return -EINPROGRESS; /* when the handler has returned */
	return try_to_leave(c, false) ? 0 : -EINPROGRESS;
}

/* --- a turn ---------------------------------------------------------------------------------- */

static void handle(struct quoit__channel *c, struct quoit__run *run, bool more)
{
	const size_t n = run->n;

	c->running = true;
	if (c->realtime)
		quoit_rt_enter();
	c->fn(outside(c), run->items, n, more, c->ctx);
	if (c->realtime)
		quoit_rt_exit();
	c->running = false;
	c->kind->give_back(c, run);
	quoit_count(&c->stats.items, n);
	quoit_count(&c->stats.runs, 1);
}

/* Up to `left` items, and until the time is up, which is asked before each run but the first. */
static size_t handle_runs(struct quoit__channel *c, size_t left)
{
	const uint64_t until = c->budget_ns ? quoit_clock_now_ns() + c->budget_ns : UINT64_MAX;
	struct quoit__run run = {0}, next = {0};
	size_t done = 0;
	bool there = c->kind->take(c, quoit_min(left, c->batch_items), &run);

	while (there) {
		const bool may_go_on =
			left > run.n && (!c->budget_ns || quoit_clock_now_ns() < until);
		const size_t most = quoit_min(left - run.n, c->batch_items);

		next.n = 0;
		there = may_go_on && c->state == QUOIT__CHANNEL_IN &&
			c->kind->follows(c, &run, most, &next);
		left -= run.n;
		done += run.n;
		handle(c, &run, there);
		if (next.n)
			run = next; /* claimed already, so it is handled in any case */
		else
			there = there && c->state == QUOIT__CHANNEL_IN &&
				c->kind->take(c, most, &run);
		quoit_count(&c->stats.cut, !may_go_on);
	}
	return done;
}

/*
 * The loop ends: what the producers had published before is handled, within the budgets of a turn,
 * and what comes now stays in the ring. No run is known to be followed by another one.
 */
static size_t handle_last(struct quoit__channel *c, size_t most)
{
	const uint64_t until = c->budget_ns ? quoit_clock_now_ns() + c->budget_ns : UINT64_MAX;
	struct quoit__run run = {0};
	size_t done = 0;

	do {
		if (!c->kind->last(c, quoit_min(most - done, c->batch_items), &run)) {
			c->state = c->kind->has_ended(c) ? QUOIT__CHANNEL_ENDING
							 : QUOIT__CHANNEL_DETACHING;
			break;
		}
		done += run.n;
		handle(c, &run, false);
	} while (c->state == QUOIT__CHANNEL_IN && done < most &&
		 (!c->budget_ns || quoit_clock_now_ns() < until));
	if (c->state != QUOIT__CHANNEL_IN)
		(void)try_to_leave(c, true);
	return done;
}

/*
 * Who is about to ring will have rung soon, unless it was put off its cpu in that moment: then it
 * needs one, perhaps ours.
 */
static void ask_to_leave(struct quoit__channel *c)
{
	if (!try_to_leave(c, true))
		quoit_yield();
}

static size_t dispatch(struct quoit_source *source, size_t budget)
{
	struct quoit__channel *const c = quoit_container_of(source, struct quoit__channel, source);
	size_t done;

	QUOIT_ASSERT(!c->running); /* its handler must not turn the loop */
	if (c->state != QUOIT__CHANNEL_IN) {
		ask_to_leave(c);
		return 0;
	}
	if (quoit_unlikely(c->ending))
		return handle_last(c, quoit_min(budget, c->budget_items));
	done = handle_runs(c, quoit_min(budget, c->budget_items));
	quoit_count(&c->stats.turns, done != 0);
	if (c->state == QUOIT__CHANNEL_IN && (done || !c->kind->has_ended(c)))
		return done;
	if (c->state == QUOIT__CHANNEL_IN)
		c->state = QUOIT__CHANNEL_ENDING;
	(void)try_to_leave(c, true);
	return done;
}

static bool has_news(struct quoit_source *source)
{
	struct quoit__channel *const c = quoit_container_of(source, struct quoit__channel, source);

	return c->state != QUOIT__CHANNEL_IN || c->ending || c->kind->has_news(c) ||
	       c->kind->has_ended(c);
}

static bool expects_news(const struct quoit_source *source)
{
	(void)source; /* nobody owes us anything */
	return false;
}

static void flush(struct quoit_source *source)
{
	(void)source;
}

/* --- the end of the loop --------------------------------------------------------------------- */

static struct quoit__channel *by_link(const struct quoit_link *link)
{
	return quoit_container_of(link, struct quoit__channel, link);
}

void quoit_channels_stop(struct quoit_loop *loop)
{
	for (struct quoit_link *at = loop->channels.next; at != &loop->channels; at = at->next)
		by_link(at)->ending = true;
}

unsigned quoit_channels_cut(struct quoit_loop *loop, const char **name)
{
	unsigned unread = 0;

	for (struct quoit_link *at = loop->channels.next; at != &loop->channels; at = at->next) {
		struct quoit__channel *const c = by_link(at);

		if (c->state != QUOIT__CHANNEL_IN)
			continue;
		c->state = QUOIT__CHANNEL_DETACHING; /* and asks in each turn from now on */
		if (c->kind->has_news(c) && !unread++)
			*name = c->name;
	}
	return unread;
}

unsigned quoit_channels_open(const struct quoit_loop *loop, const char **name)
{
	unsigned n = 0;

	for (struct quoit_link *at = loop->channels.next; at != &loop->channels; at = at->next)
		if (!n++)
			*name = by_link(at)->name;
	return n;
}

/* --- attaching ------------------------------------------------------------------------------- */

static void set_options(struct quoit__channel *c, const struct quoit_channel_options *given,
			size_t bytes)
{
	struct quoit_channel_options o;

	memset(&o, 0, sizeof(o));
	if (given)
		memcpy(&o, given, quoit_min(bytes, sizeof(o)));
	c->budget_items = o.budget_items ? o.budget_items : QUOIT_CHANNEL_BUDGET;
	c->batch_items = o.batch_items ? o.batch_items : QUOIT_CHANNEL_BATCH;
	c->budget_ns = o.budget_ns;
	c->realtime = o.realtime;
	c->ended = o.ended;
	c->detached = o.detached;
	c->name = o.name ? o.name : "one without a name";
	c->own.fd = o.own_bell ? 0 : -1;
}

int quoit__channel_attach(struct quoit_loop *loop, struct quoit_channel *channel,
			  const struct quoit__channel_source *from,
			  const struct quoit_channel_options *options, size_t bytes,
			  quoit_channel_fn fn, void *ctx)
{
	struct quoit__channel c = {
		.source = {.dispatch = dispatch,
			   .has_news = has_news,
			   .expects_news = expects_news,
			   .flush = flush},
		.loop = loop,
		.kind = quoit__channel_kinds[from->kind],
		.ring = from->ring,
		.slots = from->slots,
		.item_bytes = from->item_bytes,
		.fn = fn,
		.ctx = ctx,
		.state = QUOIT__CHANNEL_IN,
		.calls_seen = loop->calls,
	};
	struct quoit__channel *const made = inside(channel);
	int rc = 0;

	if (!fn || !from->slots || !from->item_bytes)
		return -EINVAL;
	if (loop->closing)
		return -EBUSY;
	if (loop->ending)
		return -ESHUTDOWN;
	set_options(&c, options, bytes);
	if (from->kind == QUOIT__CHANNEL_SHRING)
		c.own.fd = -1; /* it rings a bell of its own in any case: the ring's */
	*made = c;
	if (made->own.fd >= 0)
		rc = open_bell(made);
	if (!rc) {
		rc = made->kind->attach(made);
		if (rc)
			close_bell(made);
	}
	if (rc) {
		made->state = QUOIT__CHANNEL_OUT;
		return rc;
	}
	quoit_loop_add_source(loop, &made->source);
	quoit_link_init(&made->link);
	quoit_link_append(&loop->channels, &made->link);
	return 0;
}

/* --- asking ---------------------------------------------------------------------------------- */

bool quoit_channel_is_attached(const struct quoit_channel *channel)
{
	return inside_const(channel)->state != QUOIT__CHANNEL_OUT;
}

int quoit_channel_error(const struct quoit_channel *channel)
{
	return inside_const(channel)->error;
}

uint64_t quoit_channel_processed(const struct quoit_channel *channel)
{
	return quoit_load(&inside_const(channel)->stats.items); /* one writer */
}

void quoit_channel_read_stats(const struct quoit_channel *channel,
			      struct quoit_channel_stats *stats)
{
	const struct quoit_channel_stats *const s = &inside_const(channel)->stats;

	/* One writer each. */
	*stats = (struct quoit_channel_stats){
		.items = quoit_load(&s->items),
		.runs = quoit_load(&s->runs),
		.turns = quoit_load(&s->turns),
		.cut = quoit_load(&s->cut),
		.bells = quoit_load(&s->bells),
		.passed = quoit_load(&s->passed),
	};
}
