/* SPDX-License-Identifier: MIT */
/*
 * u64.c - the ring of words. A word is a number of 40 bits and 24 bits that follow from it.
 */
#include <quoit/rings/u64.h>

#include <soak/soak.h>

static struct quoit_ring_u64 q;

static uint64_t word_of(uint64_t number)
{
	return number << 24 | soak_word(number, 0, 0) >> 40;
}

static void open_ring(struct soak_run *run)
{
	(void)run;
	quoit_ring_u64_init(&q);
}

static void close_ring(void)
{
}

static void finish(struct soak_thread *t)
{
	(void)soak_is_last(t);
	quoit_spsc_finish(&q.ring);
}

static bool is_drained(void)
{
	return quoit_spsc_is_drained(&q.ring);
}

static size_t push(struct soak_thread *t, uint64_t number, size_t want)
{
	size_t n = 0;

	(void)t;
	while (n < want && quoit_ring_u64_push(&q, word_of(number + n)))
		n++;
	return n;
}

static size_t pop(struct soak_thread *t, size_t most)
{
	uint64_t word;
	size_t n = 0;

	for (; n < most && quoit_ring_u64_pop(&q, &word); n++)
		soak_note_number(t, word >> 24, word == word_of(word >> 24));
	return n;
}

const struct soak_kind soak_u64 = {
	.name = "u64",
	.producers = 1,
	.consumers = 1,
	.open = open_ring,
	.close = close_ring,
	.leave = finish,
	.send = push,
	.receive = pop,
	.is_over = is_drained,
};
