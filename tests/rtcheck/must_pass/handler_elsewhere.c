/* SPDX-License-Identifier: MIT */
/*
 * Where nothing is promised a handler may do what it likes.
 */
#include <stdio.h>

#include <quoit/rings/typed_mpsc.h>

QUOIT_MPSC(words, uint64_t);

static void handle(uint64_t *items, size_t n, uint32_t id, void *ctx)
{
	printf("%zu items of %u, the first %llu\n", n, id, (unsigned long long)items[0]);
	(void)ctx;
}

size_t by_the_way(struct words *q)
{
	return words_consume(q, 64, handle, NULL);
}

QUOIT_RT_WAKES bool tick(struct words_producer *p, uint64_t word)
{
	return words_send_one(p, &word);
}
