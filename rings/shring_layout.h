/* SPDX-License-Identifier: MIT */
/*
 * shring_layout.h - what two processes share of a ring: 512 bytes in four sections, then the slots.
 *
 * The layout is one of version 2 and of no configuration: two programs that were built differently
 * still agree on it. A section is 128 bytes, two lines, because x86 fetches lines in pairs.
 *
 * 0x000  identification   written at creation, copied once by whoever attaches, never trusted again
 * 0x080  producer         its position and its beat
 * 0x100  consumer         its position and its beat
 * 0x180  wake             who sleeps, who closed, what sleepers sleep on
 *
 * Every word behind the identification has one writer, who never reads it back: what a side knows
 * of itself it keeps in private memory. So the same layout also serves a hardened ring, where each
 * side has a file of its own and writes only there; the words of the other side are then unused in
 * it, and only the producer's file has slots.
 */
#ifndef QUOIT_RINGS_SHRING_LAYOUT_H
#define QUOIT_RINGS_SHRING_LAYOUT_H

#include <quoit/numa/machine.h>

QUOIT_C_BEGIN

#define QUOIT_SHRING_MAGIC   UINT64_C(0x32474e52534f5551) /* "QUOSRNG2", lowest byte first */
#define QUOIT_SHRING_VERSION 2
#define QUOIT_SHRING_HEADER  512 /* bytes before the first slot */

/* Which file of a ring this is. */
enum quoit_shring_part {
	QUOIT_SHRING_WHOLE = 0,		/* of a plain ring: everything */
	QUOIT_SHRING_PRODUCER_PART = 1, /* of a hardened one: what the producer writes */
	QUOIT_SHRING_CONSUMER_PART = 2, /* what the consumer writes */
};

/* Bits of `flags`: what both sides have to do alike. */
#define QUOIT_SHRING_FLAG_WAITS	   UINT32_C(1)
#define QUOIT_SHRING_FLAG_BELLS	   UINT32_C(2)
#define QUOIT_SHRING_FLAG_HARDENED UINT32_C(4)
#define QUOIT_SHRING_FLAGS_KNOWN   UINT32_C(7)

/* Bits of the words in which a side says that it sleeps; the rest of them counts the sleeps. */
#define QUOIT_SHRING_ASLEEP_FUTEX UINT32_C(1) /* on the other side's sequence word */
#define QUOIT_SHRING_ASLEEP_BELL  UINT32_C(2) /* on its eventfd */
#define QUOIT_SHRING_ASLEEP	  UINT32_C(3)
#define QUOIT_SHRING_SLEEP_STEP	  UINT32_C(4)

struct quoit_shring_id {
	uint64_t magic;
	uint32_t version;
	uint32_t bits;
	uint64_t capacity;    /* 1 << bits */
	uint64_t mask;	      /* capacity - 1 */
	uint32_t slot_bytes;  /* of one item */
	uint32_t header_size; /* QUOIT_SHRING_HEADER */
	uint64_t total_size;  /* of this file */
	uint32_t creator_pid; /* for people: pids are used again, and mean another in a namespace */
	uint32_t generation;  /* how often it was begun anew, from 1 */
	uint32_t slot_align;
	uint32_t flags;
	uint32_t part;
	uint32_t zero;
	uint64_t pair; /* the same random number in both files of a hardened ring */
};

struct quoit_shring_header {
	struct quoit_shring_id id;
	uint8_t id_rest[128 - sizeof(struct quoit_shring_id)];

	uint64_t tail; /* producer: next slot to be written */
	uint64_t producer_beat;
	uint8_t producer_rest[112];

	uint64_t head; /* consumer: next slot to be read */
	uint64_t consumer_beat;
	uint8_t consumer_rest[112];

	uint32_t consumer_waiters; /* consumer: how it sleeps, and which sleep it is */
	uint32_t producer_waiters; /* producer: the same */
	uint32_t producer_closed;
	uint32_t consumer_closed;
	uint32_t data_seq;	 /* producer: what the consumer sleeps on */
	uint32_t space_seq;	 /* consumer: what the producer sleeps on */
	uint32_t producer_owner; /* its pid, for people; the role itself is a lock: see shring.h */
	uint32_t consumer_owner;
	uint8_t wake_rest[96];
};

/* Bytes of the file that the kernel's locks stand for: who has which role. */
#define QUOIT_SHRING_LOCK_PRODUCER offsetof(struct quoit_shring_header, producer_owner)
#define QUOIT_SHRING_LOCK_CONSUMER offsetof(struct quoit_shring_header, consumer_owner)

quoit_static_assert(sizeof(struct quoit_shring_header) == QUOIT_SHRING_HEADER, "of version 2");
quoit_static_assert(offsetof(struct quoit_shring_id, version) == 8, "of version 2");
quoit_static_assert(offsetof(struct quoit_shring_id, bits) == 12, "of version 2");
quoit_static_assert(offsetof(struct quoit_shring_id, capacity) == 16, "of version 2");
quoit_static_assert(offsetof(struct quoit_shring_id, mask) == 24, "of version 2");
quoit_static_assert(offsetof(struct quoit_shring_id, slot_bytes) == 32, "of version 2");
quoit_static_assert(offsetof(struct quoit_shring_id, header_size) == 36, "of version 2");
quoit_static_assert(offsetof(struct quoit_shring_id, total_size) == 40, "of version 2");
quoit_static_assert(offsetof(struct quoit_shring_id, creator_pid) == 48, "of version 2");
quoit_static_assert(offsetof(struct quoit_shring_id, generation) == 52, "of version 2");
quoit_static_assert(offsetof(struct quoit_shring_id, slot_align) == 56, "of version 2");
quoit_static_assert(offsetof(struct quoit_shring_id, flags) == 60, "of version 2");
quoit_static_assert(offsetof(struct quoit_shring_id, part) == 64, "of version 2");
quoit_static_assert(offsetof(struct quoit_shring_id, pair) == 72, "of version 2");
quoit_static_assert(offsetof(struct quoit_shring_header, tail) == 0x080, "of version 2");
quoit_static_assert(offsetof(struct quoit_shring_header, producer_beat) == 0x088, "of version 2");
quoit_static_assert(offsetof(struct quoit_shring_header, head) == 0x100, "of version 2");
quoit_static_assert(offsetof(struct quoit_shring_header, consumer_beat) == 0x108, "of version 2");
quoit_static_assert(offsetof(struct quoit_shring_header, consumer_waiters) == 0x180,
		    "of version 2");
quoit_static_assert(offsetof(struct quoit_shring_header, producer_waiters) == 0x184,
		    "of version 2");
quoit_static_assert(offsetof(struct quoit_shring_header, producer_closed) == 0x188, "of version 2");
quoit_static_assert(offsetof(struct quoit_shring_header, consumer_closed) == 0x18c, "of version 2");
quoit_static_assert(offsetof(struct quoit_shring_header, data_seq) == 0x190, "of version 2");
quoit_static_assert(offsetof(struct quoit_shring_header, space_seq) == 0x194, "of version 2");
quoit_static_assert(offsetof(struct quoit_shring_header, producer_owner) == 0x198, "of version 2");
quoit_static_assert(offsetof(struct quoit_shring_header, consumer_owner) == 0x19c, "of version 2");

QUOIT_C_END

#endif
