/* SPDX-License-Identifier: MIT */
/*
 * free_list.h - which of n slots are free, for any number of threads, and who may give one back.
 * shared_pool.h and buffer_pool.h are made of it.
 *
 * A stack of free slots (Treiber, 1986): `head` names the first, each slot the one below it. Taking
 * one is a compare-and-swap from the first to the one below it. Between the look at that and the
 * swap others may have taken several and given the first one back, so that what was below it is
 * not free any more; therefore every taking also counts a tag in the head up, and a swap that comes
 * too late fails. Giving back needs no tag of its own: a slot cannot come back before it was taken.
 *
 *     head    | tag: 44 bits                        | first free slot + 1, or 0: 20 bits |
 *     handle  | generation: the rest, 12 at least   | slot + 1: as many bits as it takes |
 *
 * The tag has wrapped only after 2^44 takings: at 100 million a second a thread would have to be
 * stopped between two of its instructions for two days.
 *
 * What is taken is named by a handle: slot and generation. Each slot has a state, odd while it is
 * taken, that counts every taking and giving back; the handle has the low bits of that count.
 * Giving back moves the state by compare-and-swap, so of several that give the same back one
 * succeeds. A handle that was given back is refused, and one that was invented, until its slot has
 * been taken 2^(generation bits) times more: 2^19 in a pool of 4,096. Generations begin somewhere
 * else in each list, so a handle of another list is refused likewise, but for one in 2^(generation
 * bits) of them. 0 and QUOIT_HANDLE_INVALID are never handles.
 *
 * Each slot also knows how many are free from it down, so that counting is one look.
 *
 * edge    released by                  acquired by                  carries
 * free    quoit__free_list_push: head  quoit__free_list_pull: head  link, what was done with it
 * below   quoit__free_list_push: head  quoit__free_list_push: head  how many are below
 * once    quoit__free_list_end: state  quoit__free_list_end: state  nothing: who gives it back
 */
#ifndef QUOIT_RINGS_FREE_LIST_H
#define QUOIT_RINGS_FREE_LIST_H

#include <errno.h>

#include <quoit/numa/atomic.h>
#include <quoit/rings/abi.h>

QUOIT_C_BEGIN

#define QUOIT_HANDLE_INVALID UINT32_MAX

#define QUOIT__FREE_SLOT_BITS 20
#define QUOIT__FREE_SLOT_MASK (((uint64_t)1 << QUOIT__FREE_SLOT_BITS) - 1)
#define QUOIT__FREE_TAG_ONE   ((uint64_t)1 << QUOIT__FREE_SLOT_BITS)

#define QUOIT_FREE_LIST_MOST  ((size_t)QUOIT__FREE_SLOT_MASK - 1) /* slots */
#define QUOIT_FREE_LIST_BATCH ((size_t)64) /* what is put on top in one piece */

/*
 * What a slot is known by, and what leads a larger thing that is its taker's. Four share a line:
 * who takes those that another thread has given back finds them in fewer lines.
 */
struct quoit_free_slot {
	uint32_t state; /* odd: taken; counts up */
	uint32_t len;	/* its taker's, who may mean by it what he likes */
	uint64_t link;	/* while free: how many from here down, and the slot below + 1 */
};

/* Caller's memory, aligned to QUOIT_ISOLATION. Touch the fields only through the functions. */
struct quoit_free_list {
	QUOIT_ISOLATED uint64_t head; /* written by whoever takes or gives back */

	QUOIT_ISOLATED char *slots; /* read by all, written at the start */
	size_t stride_bytes;	    /* from slot to slot */
	uint32_t count;
	uint32_t slot_bits; /* of a handle */
};

/*
 * Make all of `count` slots free: the structs quoit_free_slot at `slots`, `stride_bytes` apart.
 *
 * The first to be taken is slot 0. `seed` says where the generations begin; a different one for
 * each list keeps their handles apart.
 * Thread: before the others start.   Owns: `slots` stays the list's, which must not be moved.
 * Errors: -EINVAL for no slots or more than QUOIT_FREE_LIST_MOST, or a stride that is too small or
 * not a multiple of 8.
 */
QUOIT_MUST_CHECK int quoit_free_list_init(struct quoit_free_list *list, void *slots,
					  size_t stride_bytes, size_t count, uint64_t seed);

/* A seed that no other call in this process has been given. Thread: any. */
uint64_t quoit_free_list_seed(void);

QUOIT_HOT struct quoit_free_slot *quoit__free_slot(const struct quoit_free_list *list, size_t index)
{
	return (struct quoit_free_slot *)(void *)(list->slots + index * list->stride_bytes);
}

/* The slot of a handle, `count` or more if it cannot be one. Thread: any. */
QUOIT_RT_WAITFREE QUOIT_HOT uint32_t quoit_free_list_index(const struct quoit_free_list *list,
							   uint32_t handle)
{
	return (handle & (((uint32_t)1 << list->slot_bits) - 1)) - 1;
}

/* `state` is odd for one that is taken. */
QUOIT_HOT uint32_t quoit__free_handle(const struct quoit_free_list *list, uint32_t index,
				      uint32_t state)
{
	return state >> 1 << list->slot_bits | (index + 1);
}

QUOIT_HOT bool quoit__free_handle_is(const struct quoit_free_list *list, uint32_t handle,
				     uint32_t index, uint32_t state)
{
	return (state & 1) && quoit__free_handle(list, index, state) == handle;
}

/* --- the stack ------------------------------------------------------------------------------- */

/* What stands below a slot, for whoever has acquired a head that it was under. */
QUOIT_HOT uint64_t quoit__free_link(const struct quoit_free_list *list, uint64_t slot)
{
	/* Of a later life, if the head has changed since: then the swap fails. */
	return quoit_load(&quoit__free_slot(list, slot - 1)->link);
}

/* How many are free from the first of `head` down. */
QUOIT_HOT uint64_t quoit__free_depth(const struct quoit_free_list *list, uint64_t head)
{
	const uint64_t first = head & QUOIT__FREE_SLOT_MASK;

	return first ? quoit__free_link(list, first) >> 32 : 0;
}

/* Take up to `most` off the top: only their numbers, nothing is said to be taken yet. */
QUOIT_HOT size_t quoit__free_list_pull(struct quoit_free_list *list, uint32_t *indexes, size_t most)
{
	uint64_t head, after;
	size_t n;

	do {
		/* free: pairs with quoit__free_list_push() */
		head = quoit_load_acquire(&list->head);
		after = head & QUOIT__FREE_SLOT_MASK;
		for (n = 0; n < most && quoit_likely(after); n++) {
			indexes[n] = (uint32_t)after - 1;
			after = quoit__free_link(list, after) & QUOIT__FREE_SLOT_MASK;
		}
		if (quoit_unlikely(!n))
			return 0;
		after += (head & ~QUOIT__FREE_SLOT_MASK) + QUOIT__FREE_TAG_ONE;
		/* free: pairs with quoit__free_list_push(), whose sequence it continues */
	} while (!quoit_cas_relaxed(&list->head, head, after));
	return n;
}

/* Put `n` that nobody else knows on top, the first of them first. */
QUOIT_HOT void quoit__free_list_push(struct quoit_free_list *list, const uint32_t *indexes,
				     size_t n)
{
	uint64_t head, depth, below;

	do {
		/* below: pairs with quoit__free_list_push() */
		head = quoit_load_acquire(&list->head);
		depth = quoit__free_depth(list, head);
		below = head & QUOIT__FREE_SLOT_MASK;
		for (size_t i = n; i--;) {
			quoit_store(&quoit__free_slot(list, indexes[i])->link,
				    ++depth << 32 | below);
			below = indexes[i] + 1;
		}
		/* free: pairs with quoit__free_list_pull(); below: pairs with
		 * quoit__free_list_push() */
	} while (!quoit_cas(&list->head, head, (head & ~QUOIT__FREE_SLOT_MASK) | below));
}

/* --- who has a slot -------------------------------------------------------------------------- */

/* A slot that was pulled is taken from now on. Gives its handle. */
QUOIT_HOT uint32_t quoit__free_list_begin(struct quoit_free_list *list, uint32_t index)
{
	struct quoit_free_slot *const slot = quoit__free_slot(list, index);
	const uint32_t state = quoit_load(&slot->state) + 1; /* ours */

	quoit_store(&slot->state, state); /* others only compare it with their handles */
	return quoit__free_handle(list, index, state);
}

/*
 * From now on the handle is nobody's; the slot is still the caller's, until it pushes it. Gives 0
 * and *index, or what quoit_free_list_give() would.
 */
QUOIT_MUST_CHECK QUOIT_HOT int quoit__free_list_end(struct quoit_free_list *list, uint32_t handle,
						    uint32_t *index)
{
	const uint32_t at = quoit_free_list_index(list, handle);
	struct quoit_free_slot *slot;
	uint32_t state;

	if (quoit_unlikely(at >= list->count))
		return -EINVAL;
	slot = quoit__free_slot(list, at);
	do {
		state = quoit_load(&slot->state); /* ours, if the handle is */
		if (quoit_unlikely(!quoit__free_handle_is(list, handle, at, state)))
			return -EALREADY;
		/* once: pairs with quoit__free_list_end(), another's with the same handle */
	} while (quoit_unlikely(!quoit_cas(&slot->state, state, state + 1)));
	*index = at;
	return 0;
}

/* Is it taken under this handle? For its owner the answer lasts. Thread: any. */
QUOIT_RT_WAITFREE QUOIT_HOT bool quoit_free_list_is_taken(const struct quoit_free_list *list,
							  uint32_t handle)
{
	const uint32_t index = quoit_free_list_index(list, handle);

	return index < list->count &&
	       quoit__free_handle_is(list, handle, index,
				     quoit_load(&quoit__free_slot(list, index)->state)); /* ours */
}

/* --- taking and giving back ------------------------------------------------------------------ */

/*
 * Take a free slot; false if there is none, and *handle is untouched.
 *
 * Thread: any.   Owns: the caller, until the handle is given back, which may be on another thread.
 * Cost: one compare-and-swap, more where others are at it at the same moment. Lock-free: whoever
 * is stopped in here keeps nobody from going on.
 */
QUOIT_RT_LOCKFREE QUOIT_HOT bool quoit_free_list_take(struct quoit_free_list *list,
						      uint32_t *handle)
{
	uint32_t index;

	if (!quoit__free_list_pull(list, &index, 1))
		return false;
	*handle = quoit__free_list_begin(list, index);
	return true;
}

/*
 * Take up to `most`, all with one compare-and-swap. Gives how many.
 *
 * Thread: any.   Owns: as quoit_free_list_take().
 */
QUOIT_RT_LOCKFREE QUOIT_HOT size_t quoit_free_list_take_many(struct quoit_free_list *list,
							     uint32_t *handles, size_t most)
{
	const size_t n = quoit__free_list_pull(list, handles, most);

	for (size_t i = 0; i < n; i++)
		handles[i] = quoit__free_list_begin(list, handles[i]);
	return n;
}

/*
 * Give it back.
 *
 * Thread: any; what its owner did with it is done before the next one has it.
 * Errors: -EINVAL for what cannot be a handle of this list; -EALREADY for one that was given back,
 * or was never given out. The list is as it was.
 * Cost: two compare-and-swaps.
 */
QUOIT_RT_LOCKFREE QUOIT_MUST_CHECK QUOIT_HOT int quoit_free_list_give(struct quoit_free_list *list,
								      uint32_t handle)
{
	uint32_t index;
	const int rc = quoit__free_list_end(list, handle, &index);

	if (quoit_likely(!rc))
		quoit__free_list_push(list, &index, 1);
	return rc;
}

/*
 * Give all of them back, QUOIT_FREE_LIST_BATCH at a time.
 *
 * Those that are refused do not keep the others from being given back. The first in a batch is the
 * next to be taken.
 * Thread: any.   Errors: of the first that was refused, as quoit_free_list_give().
 */
QUOIT_RT_LOCKFREE QUOIT_MUST_CHECK QUOIT_HOT int quoit_free_list_give_many(
	struct quoit_free_list *list, const uint32_t *handles, size_t n)
{
	uint32_t indexes[QUOIT_FREE_LIST_BATCH];
	int refused = 0;

	for (size_t i = 0; i < n;) {
		const size_t end = i + quoit_min(n - i, QUOIT_FREE_LIST_BATCH);
		size_t ended = 0;

		for (; i < end; i++) {
			const int rc = quoit__free_list_end(list, handles[i], &indexes[ended]);

			if (quoit_likely(!rc))
				ended++;
			else if (!refused)
				refused = rc;
		}
		if (quoit_likely(ended))
			quoit__free_list_push(list, indexes, ended);
	}
	return refused;
}

/*
 * How many are free: exactly, while nobody takes or gives; otherwise as many as were a moment ago,
 * or nearly. Thread: any.   Cost: two loads, of lines that others write.
 */
QUOIT_RT_WAITFREE QUOIT_HOT size_t quoit_free_list_available(const struct quoit_free_list *list)
{
	return (size_t)quoit__free_depth(list, quoit_load(&list->head)); /* hint */
}

QUOIT_C_END

#endif
