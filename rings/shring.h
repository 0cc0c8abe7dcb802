/* SPDX-License-Identifier: MIT */
/*
 * shring.h - a ring for one producer and one consumer in two processes that do not trust each
 * other.
 *
 *     A                                         B
 *     quoit_shring_create(&options, &ring, &why)
 *     quoit_shring_fds(ring, fds) -- passed ->  quoit_shring_attach(fds, n, &options, &ring, &why)
 *     quoit_shring_send(ring, items, n)         quoit_shring_recv(ring, items, most)
 *
 * Everything a side decides by lies in its private memory: its own position, its last look at the
 * other's, capacity, size of a slot, where the slots are. From the shared memory it reads the
 * other's position, once a call, and what that allows is checked before it is believed: a position
 * that cannot be poisons the ring. A poisoned ring is closed, for ever; quoit_shring_status() says
 * -EUCLEAN and quoit_shring_why() what was seen. What a peer can do to us is to send nonsense, to
 * send nothing, or to wake us for nothing. Items are nonsense too until they are checked, in the
 * private copy that recv makes; looking at them in place trusts the peer not to change them
 * meanwhile, and is refused unless `trusted` says so.
 *
 * The memory is a sealed memfd: nobody can make it shorter or longer. It is filled at creation and
 * brought in by each side. A peer may still punch holes into that of a plain ring: what was there
 * is then zeros, and if the machine has no page left to put there, touching it raises SIGBUS.
 * Where that matters, harden: of a hardened ring each side has a memfd of its own, which the other
 * cannot write to, nor punch; it then only has copies, and it ends with either side.
 *
 * A role is taken by a lock that the kernel gives back when its process dies, so a ring never has
 * two producers, and after a death another process may attach in that role: it goes on at the
 * published position. What had been reserved and not committed was never sent; what had been read
 * and not freed is read again. A forked child that does not exec keeps its parent's role alive.
 *
 * edge     released by                    acquired by                  carries
 * publish  quoit_shring_publish: tail     quoit__shring_arrived        what is in the slots
 * free     quoit__shring_free: head       quoit__shring_freed          the right to overwrite
 * close    quoit_shring_close: closed     quoit_shring_is_closed       what the closer did before
 * sleep    quoit__shring_arm              quoit__shring_fence          see shring_wait.h
 * stir     quoit__shring_stir: seq        quoit__shring_key            the end of one sleep
 *
 * Around this: shring_create.h makes and attaches it, shring_wait.h waits and has what a loop
 * needs, typed_shring.h gives slots a type, shring.md has the protocol. Thread: the one of this
 * side, in all functions but where it says any.
 */
#ifndef QUOIT_RINGS_SHRING_H
#define QUOIT_RINGS_SHRING_H

#include <quoit/numa/reason.h>
#include <quoit/rings/shring_layout.h>
#include <quoit/rings/typed.h>

QUOIT_C_BEGIN

enum quoit_shring_role {
	QUOIT_SHRING_PRODUCER = 1,
	QUOIT_SHRING_CONSUMER = 2,
};

/* What the kernel keeps for one side. Set at creation, private, cold. */
struct quoit_shring_home {
	uint32_t magic;
	int fd;	       /* our dup of the file that is passed on: the whole ring, or our part */
	int claim;     /* the same file opened anew, whose lock is our role; -1: none */
	int peer_part; /* of a hardened ring: the other side's file, or -1 */
	int bells[2];  /* data, space; -1 without */
	int pidfd;     /* the peer's process, or -1 */
	int own_bell;  /* with bells: what close() rings for our own sleeper, never passed on; or -1
			*/
	int pid;       /* ours, for people */
	const uint32_t *is_ours; /* 1; in a forked child 0, which must not give the role back */
	void *own_map;
	size_t own_bytes;
	const void *peer_map; /* of a hardened ring */
	size_t peer_bytes;
	struct quoit_shring_id id;		  /* our copy, checked */
	const struct quoit_shring_header *shared; /* whose generation word may change */
	uint64_t beat_seen;			  /* the peer's, when we looked last */
	uint64_t beat_seen_ns;			  /* and since when it is that; 0: never looked */
	bool met;				  /* the peer's role was seen to be taken */
	uint32_t bell_spoilt[2]; /* the peer made that one a blocking one: not rung any more */
};

/* One side. Made by create or attach. Touch the fields only through the functions. */
struct quoit_shring {
	/* This side's alone, at every call. */
	QUOIT_ISOLATED uint64_t mine; /* next slot to write, or to read */
	uint64_t seen;		      /* the last look at the other's position that was possible */
	uint64_t published;	      /* producer: `mine` as the other side sees it */
	uint64_t mask;		      /* capacity - 1 */
	uint64_t leased;	      /* producer: slots granted by the last reserve */
	uint64_t owned;	 /* producer: the lines of the free slots below this are here already */
	uint64_t *index; /* shared: ours, never read */
	const uint64_t *peer_index;   /* shared: theirs, never believed */
	char *slots;		      /* shared */
	const uint32_t *peer_waiters; /* shared: theirs; NULL if nobody can sleep on this ring */
	const uint32_t *peer_closed;  /* shared: theirs; stays, because is_closed is any thread's */
	uint32_t answered;	      /* the sleep of theirs that we have ended last */
	uint32_t slot_bytes;
	uint32_t closed;      /* by this side, from any of its threads, or poisoned */
	uint32_t in_place;    /* reserve, or readable, is allowed */
	uint64_t bells_rung;  /* publications that woke the peer */
	uint64_t bells_saved; /* publications that found it awake */

	/* Seldom. */
	QUOIT_ISOLATED uint32_t *waiters; /* shared: ours */
	uint32_t *seq;			  /* shared: ours, what the peer sleeps on */
	const uint32_t *peer_seq;	  /* shared: theirs, what we sleep on */
	uint32_t *own_closed;		  /* shared: ours */
	uint64_t *beat;			  /* shared: ours */
	const uint64_t *peer_beat;	  /* shared: theirs */
	uint64_t beats;
	uint32_t asleep;   /* what stands in *waiters when we are awake */
	uint32_t barrier;  /* see quoit__shring_fence() */
	uint64_t detached; /* what a poisoned ring finds in the place of peer_index */
	enum quoit_shring_role role;
	uint32_t flags;	   /* QUOIT_SHRING_FLAG_... */
	int error;	   /* 0, or why it is poisoned: -EUCLEAN, -ESTALE */
	unsigned degraded; /* bits of enum quoit_shring_shortfall */
	struct quoit_reason why;
	struct quoit_shring_home home;
	struct quoit_shring_header blank; /* stands for a hardened peer that has not come yet */
};

/* Point one side at the words that the other writes, and go on at its position. */
QUOIT_HOT void quoit__shring_bind_peer(struct quoit_shring *ring,
				       const struct quoit_shring_header *peer)
{
	const bool produces = ring->role == QUOIT_SHRING_PRODUCER;
	const bool sleeps =
		(ring->flags & (QUOIT_SHRING_FLAG_WAITS | QUOIT_SHRING_FLAG_BELLS)) != 0;

	ring->peer_index = produces ? &peer->head : &peer->tail;
	ring->peer_seq = produces ? &peer->space_seq : &peer->data_seq;
	ring->peer_closed = produces ? &peer->consumer_closed : &peer->producer_closed;
	ring->peer_beat = produces ? &peer->consumer_beat : &peer->producer_beat;
	ring->peer_waiters = !sleeps	? NULL
			     : produces ? &peer->consumer_waiters
					: &peer->producer_waiters;
}

/*
 * Point one side, zeroed but for role, flags, mask, slots and slot_bytes, at what it writes and at
 * what the other does; of a plain ring both headers are the same. Its position is the one that was
 * published there, `mine`, and its first look at the other's gives `seen`: the caller has checked
 * that those can be.
 */
QUOIT_HOT void quoit__shring_bind(struct quoit_shring *ring, struct quoit_shring_header *own,
				  const struct quoit_shring_header *peer, uint64_t mine,
				  uint64_t seen)
{
	const bool produces = ring->role == QUOIT_SHRING_PRODUCER;

	ring->index = produces ? &own->tail : &own->head;
	ring->waiters = produces ? &own->producer_waiters : &own->consumer_waiters;
	ring->seq = produces ? &own->data_seq : &own->space_seq;
	ring->own_closed = produces ? &own->producer_closed : &own->consumer_closed;
	ring->beat = produces ? &own->producer_beat : &own->consumer_beat;
	ring->asleep = quoit_load(ring->waiters) & ~QUOIT_SHRING_ASLEEP; /* the count goes on */
	ring->beats = quoit_load(ring->beat);
	ring->mine = ring->published = ring->owned = mine;
	ring->seen = seen;
	quoit__shring_bind_peer(ring, peer);
}

/* The positions as who takes a role finds them: what was done with the slots came before. */
QUOIT_HOT uint64_t quoit__shring_head(const struct quoit_shring_header *own)
{
	return quoit_load_acquire(&own->head); /* free: pairs with quoit__shring_free() */
}

QUOIT_HOT uint64_t quoit__shring_tail(const struct quoit_shring_header *own)
{
	return quoit_load_acquire(&own->tail); /* publish: pairs with quoit_shring_publish() */
}

/*
 * Empty what is shared of a plain ring, whose positions then are `at`, as another generation. That
 * comes first: who dies in here leaves items only to those who ask for no generation, and whoever
 * was promised the old one gets all of them, or is told. The stores behind it are releases, so that
 * nobody sees them without it.
 */
QUOIT_HOT void quoit__shring_empty(struct quoit_shring_header *own, uint64_t at,
				   uint32_t generation)
{
	quoit_store(&own->id.generation, generation); /* carried by all that follow */
	quoit_store_release(&own->head, at);	      /* free: pairs with quoit__shring_freed() */
	/* close: pairs with quoit_shring_is_closed(), which sees them open again */
	quoit_store_release(&own->producer_closed, 0);
	quoit_store_release(&own->consumer_closed,
			    0); /* close: pairs with quoit_shring_is_closed() */
	quoit_store(&own->producer_owner, 0u);
	quoit_store(&own->consumer_owner, 0u);
}

/* Slots, all of which can be in use. Thread: any. */
QUOIT_RT_WAITFREE QUOIT_HOT size_t quoit_shring_capacity(const struct quoit_shring *ring)
{
	return (size_t)ring->mask + 1;
}

/* --- what both sides do ---------------------------------------------------------------------- */

/*
 * Something came from the other side that cannot be: stop looking, and keep what is known. The ring
 * is closed from now on.
 */
__attribute__((cold)) void quoit__shring_poison(struct quoit_shring *ring, uint64_t saw);

/*
 * Has either side closed the ring, or is it poisoned? After true no reservation succeeds any more.
 * Thread: any of this side.
 */
QUOIT_RT_WAITFREE QUOIT_HOT bool quoit_shring_is_closed(const struct quoit_shring *ring)
{
	/* close: pairs with quoit_shring_close() */
	return (quoit_load_acquire(ring->peer_closed) | quoit_load(&ring->closed)) != 0; /* ours */
}

/*
 * Put a full fence between what we published and the look whether the peer sleeps, or between our
 * announcement that we are going to sleep and the look at what the peer has published.
 */
QUOIT_HOT void quoit__shring_fence(struct quoit_shring *ring)
{
#ifdef QUOIT_TSAN
	/* It has no fences, but the other process needs one: an update of anything is one on x86.
	 * sleep: pairs with quoit__shring_arm() */
	(void)quoit_add(&ring->barrier, 0);
#else
	(void)ring;
	quoit_fence_full(); /* sleep: pairs with quoit__shring_arm() */
#endif
}

/* How the peer sleeps, if we have not ended that sleep yet; 0 if it does not. After the fence. */
QUOIT_HOT uint32_t quoit__shring_owed(struct quoit_shring *ring)
{
	const uint32_t sleep = quoit_load(ring->peer_waiters); /* ordered by the fence: sleep */

	if (quoit_likely(!(sleep & QUOIT_SHRING_ASLEEP)) || sleep == ring->answered)
		return 0;
	ring->answered = sleep;
	return sleep & QUOIT_SHRING_ASLEEP;
}

/* End the sleeps of these kinds: by a futex, by its bell. Cost: a system call each. Thread: any. */
void quoit__shring_stir(struct quoit_shring *ring, uint32_t kinds);

/* Does the ring have ways to sleep, and does the peer sleep? Then wake it. */
QUOIT_SLOW void quoit__shring_tell(struct quoit_shring *ring)
{
	uint32_t kinds;

	quoit__shring_fence(ring);
	kinds = quoit__shring_owed(ring);
	if (quoit_likely(!kinds)) {
		ring->bells_saved++;
		return;
	}
	ring->bells_rung++;
	quoit__shring_stir(ring, kinds);
}

/* Wake the peer if it sleeps. After a store that it must not miss. Cost: a full fence and a load.
 */
QUOIT_RT_WAKES QUOIT_HOT void quoit_shring_notify(struct quoit_shring *ring)
{
	if (quoit_unlikely(ring->peer_waiters != NULL))
		quoit__shring_tell(ring);
}

/*
 * Let no new reservation succeed, and wake the peer to tell it. The consumer still gets what was
 * published: close after the last commit. Either side may; nothing opens a closed ring but reset.
 * Thread: any of this side; its own that sleeps in a call wakes too, whatever the peer does, within
 * a second if it was just about to and sleeps on a futex. A loop that polls quoit_shring_bell() is
 * rung by that bell, which the peer can drain or spoil: one that must hear of it at once is told by
 * other means as well (quoit_loop_wake(), quoit_notify_ring()).
 * Cost: some system calls.
 */
void quoit_shring_close(struct quoit_shring *ring);

/*
 * Published and not yet freed, as of now; never more than the capacity, whatever the peer writes.
 */
QUOIT_RT_WAITFREE QUOIT_HOT size_t quoit_shring_length(const struct quoit_shring *ring)
{
	const uint64_t other = quoit_load(ring->peer_index); /* hint */
	const uint64_t length =
		ring->role == QUOIT_SHRING_PRODUCER ? ring->published - other : other - ring->mine;

	return quoit_min((size_t)length, quoit_shring_capacity(ring));
}

/* Is nothing to be read, as of now? */
QUOIT_RT_WAITFREE QUOIT_HOT bool quoit_shring_is_empty(const struct quoit_shring *ring)
{
	return quoit_shring_length(ring) == 0;
}

/* May this side use reserve, or readable? Errors: -EOPNOTSUPP: copy, by send or recv. */
QUOIT_RT_WAITFREE QUOIT_HOT int quoit_shring_in_place(const struct quoit_shring *ring)
{
	return ring->in_place ? 0 : -95; /* -EOPNOTSUPP */
}

/* --- producer -------------------------------------------------------------------------------- */

/* Look at what the consumer has freed. Gives the number of free slots. */
QUOIT_HOT uint64_t quoit__shring_freed(struct quoit_shring *ring)
{
	/* free: pairs with quoit__shring_free() */
	const uint64_t head = quoit_load_acquire(ring->peer_index);

	/* It goes forward, and not beyond what it could have read. */
	if (quoit_unlikely(head - ring->seen > ring->published - ring->seen))
		quoit__shring_poison(ring, head);
	else
		ring->seen = head;
	return ring->mask + 1 - (ring->mine - ring->seen);
}

/* Free slots, looking at the consumer only if fewer than `want` are known to be free. */
QUOIT_HOT uint64_t quoit__shring_room(struct quoit_shring *ring, uint64_t want)
{
	const uint64_t room = ring->mask + 1 - (ring->mine - ring->seen);

	QUOIT_ASSERT_HOT(ring->role == QUOIT_SHRING_PRODUCER);
	return quoit_likely(room >= want) ? room : quoit__shring_freed(ring);
}

/* As quoit__spsc_own_ahead(). */
QUOIT_SLOW void quoit__shring_own_ahead(struct quoit_shring *ring, size_t bytes)
{
	const uint64_t capacity = ring->mask + 1;
	const uint64_t free_end = ring->seen + capacity;
	const uint64_t from = ring->owned - ring->mine <= capacity ? ring->owned : ring->mine;
	uint64_t end = ring->mine + quoit_max((size_t)ring->leased, QUOIT_OWN_BYTES / bytes);
	struct quoit_spans spans;

	if (end - ring->mine > free_end - ring->mine)
		end = free_end;
	spans = quoit__spans_cut(from, (size_t)(end - from), ring->mask);
	quoit_lines_own(ring->slots + spans.at * bytes, spans.n * bytes);
	quoit_lines_own(ring->slots, spans.rest * bytes);
	ring->owned = end;
}

/* Own the lines of what is reserved: see quoit_lines_own(). */
QUOIT_HOT void quoit__shring_own(struct quoit_shring *ring, size_t bytes)
{
	if (quoit_unlikely((int64_t)(ring->mine + ring->leased - ring->owned) > 0))
		quoit__shring_own_ahead(ring, bytes);
}

/* `bytes` is the slot's size: a constant where the type is known. So in all that follow. */
QUOIT_HOT void *quoit__shring_reserve(struct quoit_shring *ring, size_t bytes, size_t want,
				      size_t *granted)
{
	size_t at;

	if (quoit_unlikely(!want || !ring->in_place || quoit__shring_room(ring, want) < want ||
			   quoit_shring_is_closed(ring)))
		return NULL;
	at = (size_t)(ring->mine & ring->mask);
	ring->leased = *granted = quoit_min(want, (size_t)ring->mask + 1 - at);
	quoit__shring_own(ring, bytes);
	return ring->slots + at * bytes;
}

/*
 * Ask for room for `want` slots. If all of them are free, gives the first of 1..want contiguous
 * ones, those before the wrap, and in *granted how many; fill them, commit, and reserve again for
 * the rest. NULL if fewer than `want` are free, if want is 0 or above the capacity, once the ring
 * is closed or poisoned, and where quoit_shring_in_place() says no.
 *
 * Nothing that was written into slots and not committed is ever seen as an item, but the peer may
 * look at the memory. Owns: the slots are leased until commit or the next reserve.
 * Cost: reads one shared line, the one that says whether it was closed, which changes where
 * somebody sleeps; the consumer's position only if the ring looks full.
 */
QUOIT_RT_WAITFREE QUOIT_HOT void *quoit_shring_reserve(struct quoit_shring *ring, size_t want,
						       size_t *granted)
{
	return quoit__shring_reserve(ring, ring->slot_bytes, want, granted);
}

/*
 * Pass `n` of the reserved slots on, but let nobody see them yet, for a loop that publishes once a
 * turn. Publish and notify before you wait for anything.
 */
QUOIT_RT_WAITFREE QUOIT_HOT void quoit_shring_commit_later(struct quoit_shring *ring, size_t n)
{
	QUOIT_ASSERT_HOT(n <= ring->leased);
	ring->leased -= n;
	ring->mine += n;
}

/* Make everything committed visible, without waking: quoit_shring_notify() must follow. */
QUOIT_RT_WAITFREE QUOIT_HOT void quoit_shring_publish(struct quoit_shring *ring)
{
	const uint64_t tail = ring->mine;

	ring->published = tail;
	quoit_store_release(ring->index, tail); /* publish: pairs with quoit__shring_arrived() */
}

/* Both: publish what was committed later, and wake the consumer if it sleeps. */
QUOIT_RT_WAKES QUOIT_HOT void quoit_shring_flush(struct quoit_shring *ring)
{
	quoit_shring_publish(ring);
	quoit_shring_notify(ring);
}

/*
 * Publish `n` of the reserved slots, in order, and wake the consumer if it sleeps. What the reserve
 * granted beyond n goes back to the ring.
 * Cost: one release store, no clock; with waits or bells also a fence and a load.
 */
QUOIT_RT_WAKES QUOIT_HOT void quoit_shring_commit(struct quoit_shring *ring, size_t n)
{
	quoit_shring_commit_later(ring, n);
	ring->leased = 0;
	quoit_shring_flush(ring);
}

/* As quoit__spsc_copy_in(): many go in parts. */
QUOIT_HOT void quoit__shring_copy_in(struct quoit_shring *ring, size_t bytes, struct quoit_spans to,
				     const void *items)
{
	const size_t part_most = quoit_max(QUOIT_OWN_BYTES / bytes, 1);
	const char *from = (const char *)items;
	size_t left = to.n + to.rest;

	if (quoit_likely(left <= part_most)) {
		quoit__shring_own(ring, bytes);
		quoit__spans_fill(ring->slots, bytes, to, from);
		quoit_shring_commit_later(ring, left);
		return;
	}
	for (size_t n; left; left -= n, from += n * bytes) {
		n = quoit_min(left, part_most);
		to = quoit__spans_cut(ring->mine, n, ring->mask);
		quoit_lines_own(ring->slots + to.at * bytes, to.n * bytes);
		quoit_lines_own(ring->slots, to.rest * bytes);
		quoit__spans_fill(ring->slots, bytes, to, from);
		quoit_shring_commit_later(ring, n);
		quoit_shring_publish(ring);
	}
}

QUOIT_HOT size_t quoit__shring_send(struct quoit_shring *ring, size_t bytes, const void *items,
				    size_t n)
{
	n = quoit_min(n, (size_t)quoit__shring_room(ring, n));
	if (quoit_unlikely(!n || quoit_shring_is_closed(ring)))
		return 0;
	ring->leased = n;
	quoit__shring_copy_in(ring, bytes, quoit__spans_cut(ring->mine, n, ring->mask), items);
	quoit_shring_flush(ring);
	return n;
}

/*
 * Copy in as many of `n` items as fit, around the wrap, and wake the consumer if it sleeps. Gives
 * how many: 0 when it is full, closed or poisoned.
 */
QUOIT_RT_WAKES QUOIT_HOT size_t quoit_shring_send(struct quoit_shring *ring, const void *items,
						  size_t n)
{
	return quoit__shring_send(ring, ring->slot_bytes, items, n);
}

/* --- consumer -------------------------------------------------------------------------------- */

/* Look at what the producer has published. Gives the number of readable slots. */
QUOIT_HOT uint64_t quoit__shring_arrived(struct quoit_shring *ring)
{
	/* publish: pairs with quoit_shring_publish() */
	const uint64_t tail = quoit_load_acquire(ring->peer_index);

	/* It goes forward, and not beyond what there is room for. */
	if (quoit_unlikely(tail - ring->seen > ring->mask + 1 - (ring->seen - ring->mine)))
		quoit__shring_poison(ring, tail);
	else
		ring->seen = tail;
	return ring->seen - ring->mine;
}

/* Readable slots, looking at the producer only if none is known. */
QUOIT_HOT uint64_t quoit__shring_available(struct quoit_shring *ring)
{
	const uint64_t available = ring->seen - ring->mine;

	QUOIT_ASSERT_HOT(ring->role == QUOIT_SHRING_CONSUMER);
	return quoit_likely(available) ? available : quoit__shring_arrived(ring);
}

/* Move head on, and tell a producer that waits for space. */
QUOIT_HOT void quoit__shring_free(struct quoit_shring *ring, size_t n)
{
	const uint64_t head = ring->mine + n;

	ring->mine = head;
	quoit_store_release(ring->index, head); /* free: pairs with quoit__shring_freed() */
	quoit_shring_notify(ring);
}

/* As quoit__spsc_expect(): the slot that comes next is asked for together with the position. */
QUOIT_HOT void quoit__shring_expect(const struct quoit_shring *ring, size_t bytes)
{
	__builtin_prefetch(ring->slots + (size_t)(ring->mine & ring->mask) * bytes);
}

QUOIT_HOT const void *quoit__shring_readable(struct quoit_shring *ring, size_t bytes, size_t *n)
{
	size_t at, available;

	if (quoit_unlikely(!ring->in_place))
		return NULL;
	available = (size_t)quoit__shring_available(ring);
	if (!available) {
		quoit__shring_expect(ring, bytes);
		return NULL;
	}
	at = (size_t)(ring->mine & ring->mask);
	*n = quoit_min(available, (size_t)ring->mask + 1 - at);
	return ring->slots + at * bytes;
}

/*
 * The readable slots that are contiguous: gives the first and in *n how many, or NULL.
 *
 * Only where the options said `trusted`: the peer may write to them while they are looked at, so
 * that what was checked is not what is used a moment later.
 * Owns: the slots are the caller's until it advances past them.
 */
QUOIT_RT_WAITFREE QUOIT_HOT const void *quoit_shring_readable(struct quoit_shring *ring, size_t *n)
{
	return quoit__shring_readable(ring, ring->slot_bytes, n);
}

/* Give the first `n` readable slots back to the producer, and wake it if it sleeps. */
QUOIT_RT_WAKES QUOIT_HOT void quoit_shring_advance(struct quoit_shring *ring, size_t n)
{
	QUOIT_ASSERT_HOT(n <= ring->seen - ring->mine);
	quoit__shring_free(ring, n);
}

QUOIT_HOT size_t quoit__shring_recv(struct quoit_shring *ring, size_t bytes, void *items,
				    size_t most)
{
	const size_t n = quoit_min(most, (size_t)quoit__shring_available(ring));

	if (!n) {
		quoit__shring_expect(ring, bytes);
		return 0;
	}
	/* The release store that frees them comes behind, so nothing is read from there again. */
	quoit__spans_drain(ring->slots, bytes, quoit__spans_cut(ring->mine, n, ring->mask), items);
	quoit__shring_free(ring, n);
	return n;
}

/*
 * Copy up to `most` items out, around the wrap, free them and wake the producer if it sleeps. Gives
 * how many; 0 when there is none. What it copied, nobody else can change: check it there.
 */
QUOIT_RT_WAKES QUOIT_HOT size_t quoit_shring_recv(struct quoit_shring *ring, void *items,
						  size_t most)
{
	return quoit__shring_recv(ring, ring->slot_bytes, items, most);
}

QUOIT_C_END

#endif
