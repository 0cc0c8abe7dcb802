/* SPDX-License-Identifier: MIT */
/*
 * hostile_play.h - our calls on a ring, and between them whatever a peer may store in it. The
 * choices come from a tape: of random numbers, or of a fuzzer's bytes.
 *
 * Whatever is stored, no call may give more than was asked for or than the ring holds, or touch
 * what is not its own: the mapping stands between pages that cannot be touched, and what is
 * received goes into memory of just that size.
 */
#ifndef QUOIT_TESTS_SHARED_HOSTILE_PLAY_H
#define QUOIT_TESTS_SHARED_HOSTILE_PLAY_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <quoit/rings/shring_create.h>
#include <quoit/rings/shring_wait.h>

#include <support/random.h>

/* So that a ring of 64 fills a page to its last byte. */
#define PLAY_SLOT  56
#define PLAY_BITS  6
#define PLAY_BYTES ((size_t)4096)

struct tape {
	const unsigned char *bytes; /* NULL: random */
	size_t left;
	struct random random;
};

static inline uint64_t tape_next(struct tape *tape)
{
	uint64_t value = 0;
	const size_t n = quoit_min(tape->left, sizeof(value));

	if (!tape->bytes)
		return random_u64(&tape->random);
	memcpy(&value, tape->bytes, n);
	tape->bytes += n;
	tape->left -= n;
	return value;
}

static inline uint64_t tape_below(struct tape *tape, uint64_t n)
{
	return tape_next(tape) % n;
}

/* Figures at which mistakes are made: around nought, around a power of two, and any. */
static inline uint64_t tape_awkward(struct tape *tape)
{
	const uint64_t dice = tape_next(tape);
	const uint64_t power = UINT64_C(1) << (dice >> 8) % 64;

	switch (dice % 6) {
	case 0:
		return (dice >> 16) % 4;
	case 1:
		return power;
	case 2:
		return power - 1;
	case 3:
		return power + 1;
	case 4:
		return UINT64_MAX - (dice >> 16) % 4;
	default:
		return tape_next(tape);
	}
}

static inline void play_expect(bool holds, const char *what)
{
	if (holds)
		return;
	(void)fprintf(stderr, "not true: %s\n", what);
	abort();
}

/* --- the peer -------------------------------------------------------------------------------- */

/* A store that the peer may make at any moment; `ours` is where we have published that we are. */
static inline void play_store(struct tape *tape, struct quoit_shring_header *h)
{
	unsigned char *const bytes = (unsigned char *)h;
	uint32_t *const words[] = {
		&h->consumer_waiters, &h->producer_waiters, &h->producer_closed,
		&h->consumer_closed,  &h->data_seq,	    &h->space_seq,
		&h->producer_owner,   &h->consumer_owner,   &h->id.generation,
	};
	const uint64_t capacity = (uint64_t)1 << PLAY_BITS;

	switch (tape_below(tape, 9)) {
	case 0:
		quoit_store(&h->tail, tape_awkward(tape));
		break;
	case 1:
		quoit_store(&h->head, tape_awkward(tape));
		break;
	case 2:
	case 3: /* what may be */
		quoit_store(&h->tail, quoit_load(&h->head) + tape_below(tape, capacity + 1));
		break;
	case 4:
	case 5:
		quoit_store(&h->head, quoit_load(&h->tail) - tape_below(tape, capacity + 1));
		break;
	case 6:
		quoit_store(words[tape_below(tape, 9)], (uint32_t)tape_awkward(tape));
		break;
	case 7:
		quoit_store(&bytes[tape_below(tape, sizeof(h->id))], (uint8_t)tape_next(tape));
		break;
	default:
		quoit_store(&bytes[tape_below(tape, PLAY_BYTES)], (uint8_t)tape_next(tape));
	}
}

/* --- ours ------------------------------------------------------------------------------------ */

static const struct quoit_wait play_not_at_all = {.kind = QUOIT_WAIT_YIELD, .deadline_ns = 1};

static inline void play_read(struct tape *tape, struct quoit_shring *ring)
{
	const size_t capacity = quoit_shring_capacity(ring);
	const size_t most = tape_below(tape, 2 * capacity + 2);
	void *const items = malloc(most * PLAY_SLOT + 1);
	const volatile char *at;
	size_t n = 0;

	play_expect(items != NULL, "there is memory");
	switch (tape_below(tape, 4)) {
	case 0:
		at = (const volatile char *)quoit_shring_readable(ring, &n);
		play_expect(!at || (n && n <= capacity), "as many in place as the ring holds");
		if (!at)
			break;
		(void)at[0];
		(void)at[n * PLAY_SLOT - 1];
		quoit_shring_advance(ring, 1 + tape_below(tape, n));
		break;
	case 1:
		(void)quoit_shring_has_news(ring);
		n = (size_t)quoit_shring_wait_data(ring, &play_not_at_all);
		break;
	default:
		n = quoit_shring_recv(ring, items, most);
		play_expect(n <= most && n <= capacity, "no more is received than asked for");
	}
	free(items);
}

static inline void play_write(struct tape *tape, struct quoit_shring *ring)
{
	const size_t capacity = quoit_shring_capacity(ring);
	const size_t most = tape_below(tape, 2 * capacity + 2);
	char *const items = (char *)calloc(most + 1, PLAY_SLOT);
	char *to;
	size_t n = 0;

	play_expect(items != NULL, "there is memory");
	switch (tape_below(tape, 4)) {
	case 0:
		to = (char *)quoit_shring_reserve(ring, most, &n);
		play_expect(!to || (n && n <= most), "no more is granted than asked for");
		if (!to)
			break;
		memset(to, 1, n * PLAY_SLOT);
		quoit_shring_commit(ring, tape_below(tape, n + 1));
		break;
	case 1:
		(void)quoit_shring_has_room(ring, most);
		n = (size_t)quoit_shring_wait_space(ring, most, &play_not_at_all);
		break;
	default:
		n = quoit_shring_send(ring, items, most);
		play_expect(n <= most && n <= capacity, "no more is sent than was given");
	}
	free(items);
}

static inline void play_ask(struct tape *tape, struct quoit_shring *ring)
{
	switch (tape_below(tape, 8)) {
	case 0:
		(void)quoit_shring_peer_state(ring, tape_below(tape, 2));
		break;
	case 1:
		play_expect(!quoit_shring_status(ring) || strlen(quoit_shring_why(ring)->text),
			    "what poisoned it is told");
		break;
	case 2:
		if (ring->flags & QUOIT_SHRING_FLAG_BELLS) {
			quoit_shring_hush(ring);
			quoit_shring_arm(ring);
		}
		break;
	case 3:
		quoit_shring_disarm(ring);
		break;
	case 4:
		quoit_shring_notify(ring);
		break;
	case 5:
		quoit_shring_beat(ring);
		break;
	default:
		play_expect(quoit_shring_length(ring) <= quoit_shring_capacity(ring),
			    "no length is above the capacity");
	}
}

/* So many calls, with as many stores of the peer's in between. */
static inline void play(struct tape *tape, struct quoit_shring *ring,
			struct quoit_shring_header *peer, unsigned calls)
{
	for (unsigned i = 0; i < calls; i++) {
		for (uint64_t stores = tape_below(tape, 4); stores; stores--)
			play_store(tape, peer);
		if (tape_below(tape, 4) == 0)
			play_ask(tape, ring);
		else if (ring->role == QUOIT_SHRING_CONSUMER)
			play_read(tape, ring);
		else
			play_write(tape, ring);
	}
	if (tape_below(tape, 4) == 0)
		quoit_shring_close(ring);
}

#endif
