/* SPDX-License-Identifier: MIT */
/*
 * rtm_remote_internal.h - how a block comes back from another thread: who may give it, and the list
 * that leads to the owner. Small enough for the model checker: tests/model/targets/rtm.c.
 *
 * Every place where a block may begin has a byte of state outside the blocks, where no overrun gets
 * at it. Only who turns LIVE into GONE has given the block back; who comes second is told so. Who
 * resizes a block turns LIVE into HELD first, so that meanwhile nobody gives it back: it may be
 * copied, and then it goes with what resizes it. The owner alone writes the others, and no other
 * thread looks at the state of a block that it was not handed.
 *
 * The list is a stack. Others only ever push, with a link in the block's own first word; the owner
 * takes all of it at once, so no block is both on it and used again, and needs no tag (ABA).
 *
 * edge    released by                  acquired by                carries
 * remote  quoit__rtm_remote_push: head quoit__rtm_remote_take     the links, what was done with it
 * once    quoit__rtm_state_end         quoit__rtm_state_end       nothing: who gives it back
 * once    quoit__rtm_state_keep        quoit__rtm_state_end       the head of what was resized
 */
#ifndef QUOIT_NUMA_RTM_REMOTE_INTERNAL_H
#define QUOIT_NUMA_RTM_REMOTE_INTERNAL_H

#include <errno.h>

#include <quoit/numa/atomic.h>

/* What is known of a place where a block may begin. */
enum quoit__rtm_state {
	QUOIT__RTM_NEVER, /* none was handed out from here */
	QUOIT__RTM_LIVE,  /* it is somebody's */
	QUOIT__RTM_GONE,  /* it was given back */
	QUOIT__RTM_HELD,  /* it is being resized: only who does that ends it, or gives it free */
};

struct quoit__rtm_remote {
	QUOIT_ISOLATED uint64_t head; /* address of the last one's first word; 0: none */
};

/* The owner hands it out. Whoever it is passed on to hears of it by that. */
QUOIT_HOT void quoit__rtm_state_begin(uint8_t *state)
{
	quoit_store(state, QUOIT__RTM_LIVE); /* the owner's while no block is there */
}

/* Is it a block? -EALREADY for one that was, -EFAULT for none. */
QUOIT_HOT int quoit__rtm_state_judge(const uint8_t *state)
{
	switch (quoit_load(state)) { /* the caller's, if the block is */
	case QUOIT__RTM_LIVE:
		return 0;
	case QUOIT__RTM_GONE:
	case QUOIT__RTM_HELD: /* whoever has it: not the caller */
		return -EALREADY;
	default:
		return -EFAULT;
	}
}

/* Give it back: to one of several who try, 0; to the others what is wrong with it. */
QUOIT_HOT int quoit__rtm_state_end(uint8_t *state)
{
	const int rc = quoit__rtm_state_judge(state);

	if (rc)
		return rc;
	/* once: pairs with quoit__rtm_state_end() and quoit__rtm_state_keep(), of the same block */
	return quoit_cas(state, QUOIT__RTM_LIVE, QUOIT__RTM_GONE) ? 0 : -EALREADY;
}

/* Have it for oneself until one of the next two: 0, or what is wrong with it. */
QUOIT_HOT int quoit__rtm_state_hold(uint8_t *state)
{
	const int rc = quoit__rtm_state_judge(state);

	if (rc)
		return rc;
	/* once: pairs with quoit__rtm_state_end(), another's of the same block */
	return quoit_cas(state, QUOIT__RTM_LIVE, QUOIT__RTM_HELD) ? 0 : -EALREADY;
}

/* It is its user's again. */
QUOIT_HOT void quoit__rtm_state_keep(uint8_t *state)
{
	quoit_store_release(state, QUOIT__RTM_LIVE); /* once: pairs with quoit__rtm_state_end() */
}

/* It is nobody's. */
QUOIT_HOT void quoit__rtm_state_drop(uint8_t *state)
{
	quoit_store(state, QUOIT__RTM_GONE); /* ours, since it is held */
}

/* Lead a block that was given back to the owner. After this the caller touches nothing of it. */
QUOIT_HOT void quoit__rtm_remote_push(struct quoit__rtm_remote *r, void *data)
{
	uint64_t *const link = (uint64_t *)data;
	uint64_t head;

	do {
		head = quoit_load(&r->head); /* only its value matters: the owner follows it */
		*link = head;
		/* remote: pairs with quoit__rtm_remote_take() */
	} while (!quoit_cas_release(&r->head, head, (uint64_t)(uintptr_t)data));
}

/* All that is there, or NULL: each one's first word leads to the next. The owner's. */
QUOIT_HOT void *quoit__rtm_remote_take(struct quoit__rtm_remote *r)
{
	if (!quoit_load(&r->head)) /* a hint: what comes later is taken later */
		return NULL;
	/* remote: pairs with quoit__rtm_remote_push(): each push continues the sequence of the last
	 */
	return (void *)(uintptr_t)quoit_exchange(&r->head, 0);
}

/* The one behind it. */
QUOIT_HOT void *quoit__rtm_remote_next(const void *data)
{
	return (void *)(uintptr_t) * (const uint64_t *)data;
}

#endif
