/* SPDX-License-Identifier: MIT */
/*
 * op_internal.h - how a completion finds its object, and how we know that it still is the same one.
 *
 * user_data = kind 8 | generation 24 | slot 32. The kind has its top bit set, so it never looks
 * like a user-space pointer, and is never 0xff, so user_data is never all ones. The object lives at
 * base[kind] + slot * stride; its first member counts its generation and the operations that the
 * kernel still owes it. A slot is not reused before that count is zero, so the generation check is
 * a guard, not the mechanism.
 */
#ifndef QUOIT_IO_OP_INTERNAL_H
#define QUOIT_IO_OP_INTERNAL_H

#include <quoit/numa/machine.h>

enum quoit_op_kind {
	QUOIT_OP_BELL_HEARD = 0x80, /* multishot poll on the loop's own eventfd */
	QUOIT_OP_BELL_RUNG,	    /* write to another loop's eventfd; silent unless it fails */
	QUOIT_OP_ACCEPT,
	QUOIT_OP_RECV,
	QUOIT_OP_SEND,
	QUOIT_OP_CANCEL, /* of a stream's operation */
	QUOIT_OP_CANCEL_ACCEPT,
	QUOIT_OP_CANCEL_BELL,
	QUOIT_OP_OTHER, /* of ops_internal.h */
	QUOIT_OP_CANCEL_OTHER,
	QUOIT_OP_KIND_END,
};

#define QUOIT_OP_KINDS		 (QUOIT_OP_KIND_END - QUOIT_OP_BELL_HEARD)
#define QUOIT_OP_GENERATION_MASK 0xffffffu

/* The first member of every object that the kernel may complete an operation on. */
struct quoit_op_owner {
	uint32_t generation;
	uint32_t pending; /* operations whose last completion has not come yet */
	uint32_t slot;
};

QUOIT_HOT uint64_t quoit_op_data(enum quoit_op_kind kind, const struct quoit_op_owner *owner)
{
	return (uint64_t)kind << 56 |
	       (uint64_t)(owner->generation & QUOIT_OP_GENERATION_MASK) << 32 | owner->slot;
}

QUOIT_HOT unsigned quoit_op_kind(uint64_t user_data)
{
	return (unsigned)(user_data >> 56);
}

QUOIT_HOT uint32_t quoit_op_generation(uint64_t user_data)
{
	return (uint32_t)(user_data >> 32) & QUOIT_OP_GENERATION_MASK;
}

QUOIT_HOT uint32_t quoit_op_slot(uint64_t user_data)
{
	return (uint32_t)user_data;
}

#endif
