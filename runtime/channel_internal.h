/* SPDX-License-Identifier: MIT */
/*
 * channel_internal.h - what the files of channel.h share: a channel from inside, and the ways to
 * read: four in channel_kinds.c, and that of a ring to another process in channel_shring.c.
 */
#ifndef QUOIT_RUNTIME_CHANNEL_INTERNAL_H
#define QUOIT_RUNTIME_CHANNEL_INTERNAL_H

#include <quoit/runtime/channel.h>
#include <quoit/runtime/loop_internal.h>

struct quoit__channel;
struct quoit__shring_seat;

/* Items that lie together and are the channel's until they are given back. */
struct quoit__run {
	void *items;
	size_t n;
	struct quoit_claim claim;     /* shared rings */
	struct quoit_mpsc_lane *lane; /* MPSC */
};

/* How a kind of ring is read. All on the loop's thread. */
struct quoit__channel_kind {
	int (*attach)(struct quoit__channel *c); /* our notifier */
	int (*detach)(struct quoit__channel *c); /* -EAGAIN: ask again */
	/* The next run of at most `most` items; false: there is none. */
	bool (*take)(struct quoit__channel *c, size_t most, struct quoit__run *run);
	/*
	 * Is there another run behind this one, which is not given back yet? If so, it may be taken
	 * into `next`, and is else surely there to be taken afterwards.
	 */
	bool (*follows)(struct quoit__channel *c, const struct quoit__run *run, size_t most,
			struct quoit__run *next);
	void (*give_back)(struct quoit__channel *c, struct quoit__run *run);
	/*
	 * The next run of the last look, which goes from lane to lane, skips none, and takes what
	 * each had published when it came there. False: it is over, and it does end, however fast
	 * the producers are.
	 */
	bool (*last)(struct quoit__channel *c, size_t most, struct quoit__run *run);
	bool (*has_news)(struct quoit__channel *c); /* by real loads, skipping nothing */
	/* Asked before a look that finds nothing. May set c->error: why. */
	bool (*has_ended)(struct quoit__channel *c);
	void (*rang)(struct quoit__channel *c); /* its own bell */
};

enum quoit__channel_state {
	QUOIT__CHANNEL_OUT,
	QUOIT__CHANNEL_IN,
	QUOIT__CHANNEL_ENDING,	  /* by itself */
	QUOIT__CHANNEL_DETACHING, /* as asked */
};

struct quoit__channel {
	struct quoit_source source; /* in the loop */
	struct quoit_link link;	    /* in loop->channels, until it is out */
	struct quoit_loop *loop;
	const struct quoit__channel_kind *kind;
	void *ring;
	char *slots;
	size_t item_bytes;
	quoit_channel_fn fn;
	quoit_channel_end_fn ended;
	quoit_channel_end_fn detached;
	void *ctx;
	const char *name;
	uint64_t budget_ns;
	uint32_t budget_items;
	uint32_t batch_items;
	int place; /* in the group of a shared ring */
	int error; /* why it ended, if it did not just come to its end */
	uint8_t state;
	bool running; /* its handler is */
	bool realtime;
	bool ending;		 /* the loop is: the last look has begun */
	bool in_lane;		 /* and has come to `lane` */
	uint32_t lane;		 /* the lane that it is at, or would be next */
	uint64_t until;		 /* the position where it leaves it */
	uint64_t calls_seen;	 /* of the loop's calls, those that this ring was asked about */
	struct quoit_notify own; /* the loop's flag and an eventfd of its own; fd -1: the loop's */
	struct quoit_op *poll;	 /* of that */
	struct quoit__shring_seat *seat; /* of channel_shring.c, for its kind alone */
	struct quoit_channel_stats stats;
};

quoit_static_assert(sizeof(struct quoit__channel) <= sizeof(struct quoit_channel),
		    "struct quoit_channel is too small");

extern const struct quoit__channel_kind quoit__channel_shring;

/* The kinds, by the numbers of channel.h. */
extern const struct quoit__channel_kind *const quoit__channel_kinds[];

/* What a ring rings for this channel. */
QUOIT_HOT struct quoit_notify *quoit__channel_notify(struct quoit__channel *c)
{
	return c->own.fd < 0 ? &c->loop->notify : &c->own;
}

/*
 * The loop ends: from the next turn on each channel has its last look, and then leaves. Not in a
 * handler.
 */
void quoit_channels_stop(struct quoit_loop *loop);

/*
 * Begin no further run, last look or not: gives how many channels had something left to be looked
 * at, and the name of the first of them. Not in a handler.
 */
unsigned quoit_channels_cut(struct quoit_loop *loop, const char **name);

/* How many there are, and the name of the first of them. */
unsigned quoit_channels_open(const struct quoit_loop *loop, const char **name);

#endif
