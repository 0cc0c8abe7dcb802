/* SPDX-License-Identifier: MIT */
/*
 * channel.h - any ring feeds any loop: what a ring brings goes to a handler, in batches.
 *
 *     struct quoit_channel channel;
 *
 *     static void handle(struct quoit_channel *c, const void *items, size_t n, bool more,
 *                        void *ctx)
 *     ...
 *     rc = quoit_channel_attach_mpsc_of(loop, &channel, &orders, NULL, handle, NULL);
 *
 * Producers need to know nothing of it: they send as ever, and wake the loop if it sleeps. Each
 * turn of the loop looks at every channel and handles up to a budget of items and of time; what is
 * left over keeps the loop from sleeping, and the next turn begins with another channel. Before it
 * sleeps the loop looks at every lane of every ring once more, skipping none (defect D-08).
 *
 * A ring that is attached while its producer runs must have been begun with somebody, or with
 * quoit_notify_nobody (rings/notify.h). A shared ring needs a group (rings/group.h); one that feeds
 * several loops rings the first of them that sleeps, in rotation.
 *
 * A ring to another process (rings/shring.h) is read in the same way, and its peer is not trusted
 * here either: see quoit_channel_attach_shring().
 *
 * A channel ends by itself when its ring has ended: closed, every producer finished, everything
 * read. Or it is detached, at any time, while producers run: what is unread stays in the ring, for
 * another loop perhaps. Either way nobody touches the loop's eventfd any more afterwards (D-10).
 *
 * Nor does it keep a runtime from stopping. Handlers run on until all cores are quiet, and so no
 * call is under way any more; then each channel of a core has its last look, at every lane of its
 * ring and skipping none: what was published by then is handled, with `more` always false, and what
 * comes later stays in the ring, which is the user's and not closed. Then the channel leaves as if
 * it was detached, and is told so, or that its ring has ended, before the core's stop function.
 * From there on a handler cannot post or call any more (-ESHUTDOWN), nor attach. The deadline cuts
 * a last look short and names the channel; one that a producer still holds two seconds later is
 * named, too, and not told: its memory must stay as long as that producer runs.
 *
 * Thread: the loop's, in everything here that does not say otherwise; also in handlers.
 */
#ifndef QUOIT_RUNTIME_CHANNEL_H
#define QUOIT_RUNTIME_CHANNEL_H

#include <quoit/rings/mpmc.h>
#include <quoit/rings/mpsc.h>
#include <quoit/rings/shring.h>
#include <quoit/rings/spmc.h>
#include <quoit/runtime/loop.h>

QUOIT_C_BEGIN

#define QUOIT_CHANNEL_BUDGET 1024 /* items a turn */
#define QUOIT_CHANNEL_BATCH  256  /* items that are given back together */

/* Caller's memory, which must not move while attached. What is inside is the library's. */
struct quoit_channel {
	void *internal[40];
};

/*
 * Gets `n` items that lie together, in their producer's order; they are gone when it returns.
 * `more` says that another run of this channel follows in this turn: put off until it is false what
 * is worth doing once for many. A handler may attach and detach channels, its own among them, but
 * must not read from the ring, nor turn the loop.
 */
typedef void (*quoit_channel_fn)(struct quoit_channel *channel, const void *items, size_t n,
				 bool more, void *ctx);

/* The channel is out of the loop, and its memory the caller's again. */
typedef void (*quoit_channel_end_fn)(struct quoit_channel *channel, void *ctx);

/* Zero means the default everywhere. */
struct quoit_channel_options {
	uint32_t budget_items; /* most that a turn handles; default QUOIT_CHANNEL_BUDGET */
	uint32_t batch_items;  /* most of a run, which then makes room; default 256 */
	uint64_t budget_ns;    /* after so long a turn begins no further run; default: no limit */

	/*
	 * An eventfd of its own instead of the loop's: its bell says which ring rang, and that one
	 * is looked at first, no lane skipped. Costs a descriptor and a poll.
	 */
	bool own_bell;

	/*
	 * The handler neither allocates nor blocks: each of its runs is a section of
	 * numa/rt_section.h, which a program with the guard is held to. It asks the loop for
	 * nothing that does (attaching, a bell of its own) but in a hole.
	 */
	bool realtime;

	quoit_channel_end_fn ended; /* told once, when the ring has ended */
	/* Told when quoit_channel_detach() took longer, and when the loop's core stops. */
	quoit_channel_end_fn detached;

	const char *name; /* for what a stop tells at its deadline; not copied */
};

/* Written by the loop's thread. */
struct quoit_channel_stats {
	uint64_t items;	 /* handled */
	uint64_t runs;	 /* calls of the handler */
	uint64_t turns;	 /* that found something */
	uint64_t cut;	 /* of them, those that a budget ended */
	uint64_t bells;	 /* of its own, heard */
	uint64_t passed; /* times that another loop was rung for what this one left */
};

/* What the calls below have in common. The options' size goes along, for older programs. */
struct quoit__channel_source {
	void *ring; /* the ring or the consumer */
	void *slots;
	size_t item_bytes;
	unsigned kind;
};
int quoit__channel_attach(struct quoit_loop *loop, struct quoit_channel *channel,
			  const struct quoit__channel_source *from,
			  const struct quoit_channel_options *options, size_t bytes,
			  quoit_channel_fn fn, void *ctx);

enum {
	QUOIT__CHANNEL_SPSC,
	QUOIT__CHANNEL_MPSC,
	QUOIT__CHANNEL_SPMC,
	QUOIT__CHANNEL_MPMC,
	QUOIT__CHANNEL_SHRING,
};

/*
 * Let a ring feed the loop, which becomes its consumer. `options` may be NULL.
 *
 * Owns: ring, slots and channel are the loop's until the channel is out of it.
 * Errors: -EINVAL without a handler or slots, or for items of no size; -EMFILE, -ENFILE or -ENOBUFS
 * for a bell of its own; -EBUSY once the loop is being destroyed; -ESHUTDOWN once its core has
 * come so far in stopping that the channels leave.
 */
static inline QUOIT_MUST_CHECK int quoit_channel_attach_spsc(
	struct quoit_loop *loop, struct quoit_channel *channel, struct quoit_spsc *ring,
	void *slots, size_t item_bytes, const struct quoit_channel_options *options,
	quoit_channel_fn fn, void *ctx)
{
	const struct quoit__channel_source from = {ring, slots, item_bytes, QUOIT__CHANNEL_SPSC};

	return quoit__channel_attach(loop, channel, &from, options, sizeof(*options), fn, ctx);
}

/* The same for a ring made by QUOIT_SPSC(), given by address. */
#define quoit_channel_attach_spsc_of(loop, channel, typed, options, fn, ctx)         \
	quoit_channel_attach_spsc((loop), (channel), &(typed)->ring, (typed)->slots, \
				  sizeof(*(typed)->slots), (options), (fn), (ctx))

/*
 * Let an MPSC channel feed the loop: see quoit_channel_attach_spsc().
 * Owns, Errors: as there, and -EBUSY while producers are registered that pay no fence: see
 * quoit_mpsc_attach().
 */
static inline QUOIT_MUST_CHECK int quoit_channel_attach_mpsc(
	struct quoit_loop *loop, struct quoit_channel *channel, struct quoit_mpsc *ring,
	const struct quoit_channel_options *options, quoit_channel_fn fn, void *ctx)
{
	const struct quoit__channel_source from = {ring, ring, 1, QUOIT__CHANNEL_MPSC};

	return quoit__channel_attach(loop, channel, &from, options, sizeof(*options), fn, ctx);
}

/*
 * Let one consumer of an SPMC ring be this loop. The ring must have a group and slots.
 * Owns, Errors: as quoit_channel_attach_spsc(), -EINVAL without a group, -EUSERS if that is full.
 */
static inline QUOIT_MUST_CHECK int quoit_channel_attach_spmc(
	struct quoit_loop *loop, struct quoit_channel *channel,
	struct quoit_spmc_consumer *consumer, size_t item_bytes,
	const struct quoit_channel_options *options, quoit_channel_fn fn, void *ctx)
{
	const struct quoit__channel_source from = {consumer, consumer->ring->lane.slots, item_bytes,
						   QUOIT__CHANNEL_SPMC};

	return quoit__channel_attach(loop, channel, &from, options, sizeof(*options), fn, ctx);
}

/* The same for an MPMC ring. Owns, Errors: as there. */
static inline QUOIT_MUST_CHECK int quoit_channel_attach_mpmc(
	struct quoit_loop *loop, struct quoit_channel *channel,
	struct quoit_mpmc_consumer *consumer, size_t item_bytes,
	const struct quoit_channel_options *options, quoit_channel_fn fn, void *ctx)
{
	const struct quoit__channel_source from = {consumer, consumer, item_bytes,
						   QUOIT__CHANNEL_MPMC};

	return quoit__channel_attach(loop, channel, &from, options, sizeof(*options), fn, ctx);
}

/*
 * Let a ring that another process writes to feed the loop. This side is its consumer, and the ring
 * has bells (rings/shring_create.h).
 *
 * The loop sleeps on the ring's own eventfd, and on the peer's pidfd if the ring has been given one
 * by quoit_shring_set_peer() before this call. Handlers get private copies, of up to `batch_items`
 * and 64 KiB, or of one item if that is larger; in place only where the ring was attached as
 * `trusted`. Slots are given back after the handler, so what it had not finished when this process
 * died is read again by the next. A peer that rings for ever costs turns, of which it gets no more
 * than any other channel.
 *
 * The channel ends when there is no producer any more and what it had published is read: then
 * quoit_channel_error() is 0 if the ring was closed, -EOWNERDEAD if the peer has died or has left
 * without closing it, -EUCLEAN if it wrote what cannot be, or -ESTALE if others have begun the ring
 * anew; quoit_shring_why() has the words for the last two. It may be attached again, at once: then
 * it waits for the next producer. Without a pidfd a death is not noticed before something else
 * rings. The ring itself stays the user's.
 *
 * `own_bell` changes nothing. Owns: the ring, but for what any thread may do with it; it must not
 * be given another peer meanwhile. Errors: as quoit_channel_attach_spsc(), -EINVAL for the
 * producer's side or without bells; -ENOBUFS when the loop has no operation left; -ENOMEM.
 */
static inline QUOIT_MUST_CHECK int quoit_channel_attach_shring(
	struct quoit_loop *loop, struct quoit_channel *channel, struct quoit_shring *ring,
	const struct quoit_channel_options *options, quoit_channel_fn fn, void *ctx)
{
	const struct quoit__channel_source from = {ring, ring, ring->slot_bytes,
						   QUOIT__CHANNEL_SHRING};

	return quoit__channel_attach(loop, channel, &from, options, sizeof(*options), fn, ctx);
}

/* The same for a ring made by QUOIT_SHRING(), given by address. */
#define quoit_channel_attach_shring_of(loop, channel, typed, options, fn, ctx) \
	quoit_channel_attach_shring((loop), (channel), &(typed)->ring, (options), (fn), (ctx))

/*
 * The same for rings made by QUOIT_MPSC(), given by address, and for the consumers of those made by
 * QUOIT_SPMC() and QUOIT_MPMC(), given by address: what the items are is known to them.
 */
#define quoit_channel_attach_mpsc_of(loop, into, typed, options, fn, ctx) \
	quoit_channel_attach_mpsc((loop), (into), (typed)->channel, (options), (fn), (ctx))
#define quoit_channel_attach_spmc_of(loop, channel, consumer, options, fn, ctx)                    \
	quoit_channel_attach_spmc((loop), (channel), &(consumer)->seat,                            \
				  (size_t)(consumer)->seat.ring->lane.slot_bytes, (options), (fn), \
				  (ctx))
#define quoit_channel_attach_mpmc_of(loop, channel, consumer, options, fn, ctx) \
	quoit_channel_attach_mpmc((loop), (channel), &(consumer)->seat,         \
				  (consumer)->seat.ring->slot_bytes, (options), (fn), (ctx))

/*
 * Take the channel out of the loop, while its producers run. 0: it is out. Else it is out as soon
 * as nobody is about to ring the loop for it, and `detached` tells. No further run is handled, but
 * of a shared ring the one that was announced by `more`.
 *
 * Errors: -EINPROGRESS in its own handler, or while somebody is about to ring: `detached` follows;
 * -EALREADY if it ends or is being detached; -ENOENT if it is not attached.
 */
QUOIT_MUST_CHECK int quoit_channel_detach(struct quoit_channel *channel);

/* Is it in a loop, be it on its way out? */
bool quoit_channel_is_attached(const struct quoit_channel *channel);

/*
 * Why it ended by itself: 0, or what quoit_channel_attach_shring() lists. To be asked in `ended`,
 * or later, until it is attached again. Thread: the loop's.
 */
int quoit_channel_error(const struct quoit_channel *channel);

/* Items handled since it was attached. Thread: any, while the channel's memory is one. */
uint64_t quoit_channel_processed(const struct quoit_channel *channel);

/* Fill *stats. Thread: any, as above; figures may be a few events apart. */
void quoit_channel_read_stats(const struct quoit_channel *channel,
			      struct quoit_channel_stats *stats);

QUOIT_C_END

#endif
