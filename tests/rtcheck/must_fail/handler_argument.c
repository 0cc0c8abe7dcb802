/* SPDX-License-Identifier: MIT */
/*
 * The same, in the argument of a typed ring.
 *
 * expect: handler: tick -> handle
 */
#include <quoit/rings/typed.h>

QUOIT_SPSC(words, uint64_t);

static uint64_t sum;

static void handle(uint64_t *items, size_t n, bool more, void *ctx)
{
	for (size_t i = 0; i < n; i++)
		sum += items[i];
	(void)more;
	(void)ctx;
}

QUOIT_RT_UNLESS(armed) size_t tick(struct words *q)
{
	return words_consume(q, 64, handle, NULL);
}
