/* SPDX-License-Identifier: MIT */
#include <quoit/numa/atomic.h>

static void unnamed(uint64_t *tail)
{
	quoit_store_release(tail, 1); /* BAD: no edge */
}

static void to_nobody(uint64_t *tail)
{
	quoit_store_release(tail, 1); /* publish: pairs with vanished() BAD */
}

static uint64_t one_sided(uint64_t *tail)
{
	/* publish: pairs with to_nobody() */
	return quoit_load_acquire(tail);
}

static void wrong_word(uint64_t *head)
{
	quoit_store_release(head, 1); /* free: pairs with one_sided() BAD */
}

/* publish: pairs with one_sided() -- above a function it is not at the call. */
static void above_the_function(uint64_t *tail)
{
	quoit_exchange(tail, 1); /* BAD */
}

static void hand_over(uint64_t *tail)
{
	quoit_store_release(tail, *tail + 1); /* carry: pairs with receive()
						 and nobody else */
}

static uint64_t receive(uint64_t *tail)
{
	/*
	 * What was written before.
	 * carry: pairs with hand_over()
	 */
	return quoit_load_acquire(tail);
}
