/* SPDX-License-Identifier: MIT */
/*
 * shring_reset.c - a ring between processes is begun anew while another one attaches: who finds the
 * old generation finds all that was promised of it, or that it was closed.
 *
 * What keeps two from doing so is the kernel's lock, which is not modelled. Whoever begins it anew
 * may die half way.
 */
#include <model/targets/list.h>

#include <quoit/rings/shring.h>

#include <model/seam.h>

#define BEGIN (UINT64_MAX - 1) /* positions go through 2^64 */

struct plan {
	int none;
};

static struct {
	QUOIT_ISOLATED struct quoit_shring_header header;
} s;

static void name_all(const void *arg)
{
	(void)arg;
	model_name(&s.header.id.generation, 4, "generation");
	model_name(&s.header.tail, 8, "tail");
	model_name(&s.header.head, 8, "head");
	model_name(&s.header.producer_closed, 4, "producer_closed");
	model_name(&s.header.consumer_closed, 4, "consumer_closed");
}

/* One item is in it, and both have closed it. */
static void setup(const void *arg)
{
	(void)arg;
	s.header.head = BEGIN;
	s.header.tail = BEGIN + 1;
	s.header.producer_closed = s.header.consumer_closed = 1;
	s.header.id.generation = 1;
}

static void begins_anew(const void *arg)
{
	(void)arg;
	quoit__shring_empty(&s.header, BEGIN + 1, 2);
}

static void check_old(uint64_t head, uint32_t producer_closed, uint32_t consumer_closed)
{
	if (quoit_load(&s.header.id.generation) == 1)
		model_check(head == BEGIN && producer_closed && consumer_closed,
			    "an old generation has lost its items, or its end");
}

/* As who attaches: the positions first. */
static void attaches(const void *arg)
{
	const uint64_t head = quoit__shring_head(&s.header);

	(void)arg;
	check_old(head, quoit_load_acquire(&s.header.producer_closed),
		  quoit_load_acquire(&s.header.consumer_closed));
}

/* As who has attached before, and looks at one thing only. */
static void looks_whether_it_is_closed(const void *arg)
{
	(void)arg;
	check_old(BEGIN, 1, quoit_load_acquire(&s.header.consumer_closed));
}

#define GROUP	      "shring_reset"
#define BREAKS_WITHIN MODEL_STALE(2, 2)

TARGET(anew, setup, attaches, THREAD(begins_anew), THREAD(attaches),
       THREAD(looks_whether_it_is_closed));
static const struct model_target half = {
	.shared = &s,
	.bytes = sizeof(s),
	.name_all = name_all,
	.setup = setup,
	.threads = {THREAD(begins_anew), THREAD(attaches)},
	.finish = attaches,
	.mortal = 1,
	.on_death = attaches,
};

const struct model_case model_shring_reset_cases[] = {
	CORRECT("beside two who look", anew, 2, 1, 0),
	CORRECT("half way", half, 2, 1, 0),
	BREAKS("stores are relaxed", anew, "old generation", "quoit__shring_empty", MODEL_STORE,
	       MODEL_RELAXED, 0),
	{.target = NULL},
};
