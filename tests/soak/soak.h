/* SPDX-License-Identifier: MIT */
/*
 * soak.h - one kind of ring under load for as many items as it is given, every item looked at.
 *
 * A kind says how many threads stand on each side and how they send and receive; soak.c has the
 * threads, the pauses and the end, judge.c looks at what arrives. An item is 24 bytes, which is no
 * power of two, and carries whose it is, its number, its lane, and a word that follows from these.
 *
 * In each lane the numbers of one producer grow, whoever reads them: nobody may see a smaller one
 * after a greater one. Across lanes nothing is promised, so a producer that comes back and gets
 * another lane may be read there first. Each number comes once.
 */
#ifndef QUOIT_TESTS_SOAK_SOAK_H
#define QUOIT_TESTS_SOAK_SOAK_H

#include <stress/stress.h>

#define SOAK_CAPACITY  1024
#define SOAK_BATCH     512 /* the most that one call moves, if it goes by a copy */
#define SOAK_SIDE_MOST 3   /* threads on one side */
#define SOAK_LANES     8

struct soak_item {
	uint64_t number; /* 0, 1, 2 ... of its producer */
	uint32_t producer;
	uint32_t lane;
	uint64_t word; /* soak_word() of the others */
};

/* What the self-test does to one item on its way to the judge. */
enum soak_fault {
	SOAK_SOUND,
	SOAK_LOSE,
	SOAK_DOUBLE,
	SOAK_SWAP, /* with the next of its lane */
	SOAK_TEAR,
	SOAK_FAULTS,
};

struct soak_run;

struct soak_thread {
	struct soak_run *run;
	uint32_t index; /* on its side */
	struct random random;
	uint64_t stall_every; /* items, on average */
	uint64_t until_stall;
	uint64_t stalls;
	QUOIT_ISOLATED uint64_t moved; /* how far it is, for the onlooker */

	/* A consumer's. */
	QUOIT_ISOLATED struct ledger got[SOAK_SIDE_MOST];
	uint64_t next[SOAK_LANES][SOAK_SIDE_MOST];
	uint64_t reordered;
	uint64_t torn;
	struct soak_item swapped; /* waits for the next of its lane */
	bool is_swapping;
};

/*
 * One kind of ring, or one way of using it. All but open and close run on the thread they are
 * given; send and receive answer how many items they moved, 0 if the ring was full or empty.
 */
struct soak_kind {
	const char *name;
	uint32_t producers;
	uint32_t consumers;
	void (*open)(struct soak_run *run);
	void (*close)(void);
	void (*enter)(struct soak_thread *producer); /* these two may be NULL */
	void (*leave)(struct soak_thread *producer); /* runs in each; the last ends the ring */
	size_t (*send)(struct soak_thread *producer, uint64_t number, size_t want);
	size_t (*receive)(struct soak_thread *consumer, size_t most);
	bool (*is_over)(void);
};

struct soak_run {
	const struct soak_kind *kind;
	uint64_t share; /* of each producer */
	uint64_t seed;
	enum soak_fault fault;
	uint64_t until_fault; /* items, of all consumers */
	uint32_t faults;      /* that came to pass */
	uint32_t left;	      /* producers that have ended */
	uint32_t ended;	      /* threads */
	struct soak_thread producers[SOAK_SIDE_MOST];
	struct soak_thread consumers[SOAK_SIDE_MOST];
};

/* What came of a run. */
struct soak_verdict {
	uint64_t messages; /* that arrived */
	uint64_t lost;
	uint64_t doubled;
	uint64_t reordered;
	uint64_t torn;
	uint64_t stalls;
	uint64_t elapsed_ns;
};

static inline uint64_t soak_word(uint64_t number, uint32_t producer, uint32_t lane)
{
	const uint64_t all = number ^ (uint64_t)producer << 56 ^ (uint64_t)lane << 48;

	return (all + 1) * UINT64_C(0x9e3779b97f4a7c15) ^ all << 17;
}

static inline void soak_fill(struct soak_item *item, uint64_t number, uint32_t producer,
			     uint32_t lane)
{
	*item = (struct soak_item){number, producer, lane, soak_word(number, producer, lane)};
}

static inline void soak_fill_all(struct soak_item *items, size_t n, uint64_t number,
				 uint32_t producer, uint32_t lane)
{
	for (size_t i = 0; i < n; i++)
		soak_fill(&items[i], number + i, producer, lane);
}

/* A consumer got these. They are looked at in place, before they are given back. */
void soak_note(struct soak_thread *consumer, const struct soak_item *items, size_t n);

/* The same for a kind whose items are no more than their number, from producer 0 in lane 0. */
void soak_note_number(struct soak_thread *consumer, uint64_t number, bool is_whole);

/* A consumer gets no more. */
void soak_note_end(struct soak_thread *consumer);

/* Now and then, after so many items: stand still, yield, or sleep for a while. Here and inside. */
void soak_pause(struct soak_thread *thread, size_t n);

/* Have the last producer to come here end the ring: true for it. */
bool soak_is_last(struct soak_thread *producer);

/* Put together what the consumers of a run saw. */
void soak_judge(struct soak_run *run, struct soak_verdict *verdict);

/* The kinds there are; NULL ends the list. */
extern const struct soak_kind soak_spsc, soak_spsc_blocks, soak_spsc_copies, soak_spsc_in_place,
	soak_spsc_waits, soak_spsc_mixed, soak_u64, soak_mpsc, soak_spmc, soak_mpmc, soak_pools;

#endif
