/* SPDX-License-Identifier: MIT */
/*
 * rings.c - turns of each kind of ring and pool: something is published, and is taken and looked
 * at. By one thread, turn after turn; and then by two, where a side that finds the ring full or
 * empty looks again without ever giving up its cpu.
 */
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <quoit/numa/rtm.h>
#include <quoit/rings/buffer_pool.h>
#include <quoit/rings/channels.h>
#include <quoit/rings/shared_pool.h>
#include <quoit/rings/u64.h>

#include <steady/steady.h>

#define BUFFER_BYTES 256
#define WARM_UP	     20000 /* around every ring */
#define PAIR_PART    50	   /* two threads share the cpus with whoever else is there */

/* What nobody would do without: whatever fails here is the end. */
static void must(bool good, const char *what)
{
	if (good)
		return;
	printf("not ok - %s\n", what);
	exit(1);
}

struct kind {
	const char *name;
	void (*open)(void);
	bool (*put)(uint64_t word);  /* false: full */
	bool (*get)(uint64_t *word); /* false: empty */
	void (*close)(void);
};

/* --- rings ----------------------------------------------------------------------------------- */

static struct quoit_ring_u64 words;

static void words_open(void)
{
	quoit_ring_u64_init(&words);
}

static bool words_put(uint64_t word)
{
	return quoit_ring_u64_push(&words, word);
}

static bool words_get(uint64_t *word)
{
	return quoit_ring_u64_pop(&words, word);
}

static void nothing(void)
{
}

static struct quoit_spsc_u64 *spsc;

static void spsc_open(void)
{
	const struct quoit_spsc_options options = quoit_spsc_default();

	must(!quoit_spsc_u64_create(&options, &spsc, NULL), "an SPSC ring is created");
}

static bool spsc_put(uint64_t word)
{
	return quoit_spsc_u64_send_one(spsc, &word);
}

static bool spsc_get(uint64_t *word)
{
	return quoit_spsc_u64_recv_one(spsc, word);
}

/* The same in place. */
static bool spsc_fill(uint64_t word)
{
	size_t granted;
	uint64_t *const slot = quoit_spsc_u64_reserve(spsc, 1, &granted);

	if (!slot)
		return false;
	*slot = word;
	quoit_spsc_u64_commit(spsc, 1);
	return true;
}

static bool spsc_read(uint64_t *word)
{
	size_t n;
	const uint64_t *const slot = quoit_spsc_u64_readable(spsc, &n);

	if (!slot)
		return false;
	*word = *slot;
	quoit_spsc_u64_advance(spsc, 1);
	return true;
}

static void spsc_close(void)
{
	quoit_spsc_u64_destroy(spsc);
}

static struct quoit_mpsc_u64 mpsc;
static struct quoit_mpsc_u64_producer mpsc_producers[2];

static void mpsc_open(void)
{
	const struct quoit_mpsc_options options = quoit_mpsc_default();

	must(!quoit_mpsc_u64_create(&mpsc, &options) &&
		     !quoit_mpsc_u64_register(&mpsc, &mpsc_producers[0]) &&
		     !quoit_mpsc_u64_register(&mpsc, &mpsc_producers[1]),
	     "an MPSC channel with two producers is created");
}

static bool mpsc_put(uint64_t word)
{
	return quoit_mpsc_u64_send_one(&mpsc_producers[0], &word);
}

static bool mpsc_get(uint64_t *word)
{
	return quoit_mpsc_u64_recv_one(&mpsc, word);
}

static void mpsc_close(void)
{
	must(!quoit_mpsc_u64_deregister(&mpsc_producers[0]) &&
		     !quoit_mpsc_u64_deregister(&mpsc_producers[1]) &&
		     !quoit_mpsc_u64_destroy(&mpsc),
	     "the MPSC channel is given back");
}

static struct quoit_spmc_u64 spmc;
static struct quoit_spmc_u64_consumer spmc_consumer;
static uint64_t spmc_slots[QUOIT_CAPACITY_DEFAULT];
static struct quoit_lane_block spmc_blocks[QUOIT_LANE_BLOCKS(QUOIT_CAPACITY_DEFAULT)];

static void spmc_open(void)
{
	const struct quoit_spmc_options options = quoit_spmc_default();

	must(!quoit_spmc_u64_init(&spmc, spmc_slots, spmc_blocks, &options) &&
		     !quoit_spmc_u64_register_consumer(&spmc, &spmc_consumer),
	     "an SPMC ring with a consumer is made");
}

static bool spmc_put(uint64_t word)
{
	return quoit_spmc_u64_send_one(&spmc, &word);
}

static bool spmc_get(uint64_t *word)
{
	return quoit_spmc_u64_steal_one(&spmc_consumer, word);
}

static void spmc_close(void)
{
	quoit_spmc_u64_deregister_consumer(&spmc_consumer);
}

static struct quoit_mpmc_u64 mpmc;
static struct quoit_mpmc_u64_producer mpmc_producer;
static struct quoit_mpmc_u64_consumer mpmc_consumer;

static void mpmc_open(void)
{
	const struct quoit_mpmc_options options = quoit_mpmc_default();

	must(!quoit_mpmc_u64_create(&mpmc, &options) &&
		     !quoit_mpmc_u64_register_producer(&mpmc, &mpmc_producer) &&
		     !quoit_mpmc_u64_register_consumer(&mpmc, &mpmc_consumer),
	     "an MPMC ring with a producer and a consumer is created");
}

static bool mpmc_put(uint64_t word)
{
	return quoit_mpmc_u64_send_one(&mpmc_producer, &word);
}

static bool mpmc_get(uint64_t *word)
{
	return quoit_mpmc_u64_steal_one(&mpmc_consumer, word);
}

static void mpmc_close(void)
{
	quoit_mpmc_u64_deregister_consumer(&mpmc_consumer);
	quoit_mpmc_u64_deregister_producer(&mpmc_producer);
	quoit_mpmc_u64_destroy(&mpmc);
}

/* --- pools: what is taken on one side is sent over a ring and given back on the other -------- */

static struct quoit_buffer_pool *buffers;

static void buffers_open(void)
{
	const struct quoit_buffer_pool_options options = {
		.slab_bytes = BUFFER_BYTES, .count = 1024, .node = -1};

	spsc_open();
	must(!quoit_buffer_pool_create(&options, &buffers, NULL), "a buffer pool is created");
}

static bool buffers_put(uint64_t word)
{
	uint32_t handle;

	if (!quoit_buffer_pool_alloc(buffers, &handle))
		return false;
	memcpy(quoit_buffer_pool_writable(buffers, handle), &word, sizeof(word));
	return spsc_put(handle); /* has room for more than there are */
}

static bool buffers_get(uint64_t *word)
{
	uint64_t handle;

	if (!spsc_get(&handle))
		return false;
	memcpy(word, quoit_buffer_pool_writable(buffers, (uint32_t)handle), sizeof(*word));
	return !quoit_buffer_pool_free(buffers, (uint32_t)handle);
}

static void buffers_close(void)
{
	quoit_buffer_pool_destroy(buffers);
	spsc_close();
}

static struct quoit_shared_pool_u64 shared;

static void shared_open(void)
{
	spsc_open();
	quoit_shared_pool_u64_init(&shared);
}

static bool shared_put(uint64_t word)
{
	uint32_t handle;

	if (!quoit_shared_pool_u64_acquire(&shared, &handle))
		return false;
	quoit_shared_pool_u64_set(&shared, handle, word);
	return spsc_put(handle);
}

static bool shared_get(uint64_t *word)
{
	uint64_t handle;

	if (!spsc_get(&handle))
		return false;
	*word = quoit_shared_pool_u64_get(&shared, (uint32_t)handle);
	return !quoit_shared_pool_u64_release(&shared, (uint32_t)handle);
}

static struct quoit_rtm_pool *rtm;

static void rtm_open(void)
{
	const struct quoit_rtm_options options = {
		.total = 1 << 16, .blocks_most = 1024, .owner = QUOIT_RTM_REMOTE_FREE, .node = -1};

	spsc_open();
	must(!quoit_rtm_create_pool_ex(&rtm, &options, NULL), "a real-time pool is created");
}

static bool rtm_put(uint64_t word)
{
	uint64_t *const block = quoit_rtm_alloc(rtm, sizeof(word) + word % 32);

	if (!block)
		return false;
	*block = word;
	return spsc_put((uint64_t)(uintptr_t)block);
}

static bool rtm_get(uint64_t *word)
{
	uint64_t at;

	if (!spsc_get(&at))
		return false;
	*word = *(uint64_t *)(uintptr_t)at;
	return !quoit_rtm_free((void *)(uintptr_t)at);
}

static void rtm_close(void)
{
	while (quoit_rtm_collect(rtm, 100) > 0)
		;
	must(!quoit_rtm_delete_pool(rtm), "all blocks have come back");
	spsc_close();
}

static const struct kind kinds[] = {
	{"ring of words", words_open, words_put, words_get, nothing},
	{"spsc", spsc_open, spsc_put, spsc_get, spsc_close},
	{"spsc in place", spsc_open, spsc_fill, spsc_read, spsc_close},
	{"mpsc", mpsc_open, mpsc_put, mpsc_get, mpsc_close},
	{"spmc", spmc_open, spmc_put, spmc_get, spmc_close},
	{"mpmc", mpmc_open, mpmc_put, mpmc_get, mpmc_close},
	{"buffer pool", buffers_open, buffers_put, buffers_get, buffers_close},
	{"shared pool", shared_open, shared_put, shared_get, spsc_close},
	{"real-time memory", rtm_open, rtm_put, rtm_get, rtm_close},
};

/* --- turns ----------------------------------------------------------------------------------- */

/* How many of the turns were right, all of them in a section. */
static uint64_t turns_of(const struct kind *kind, uint64_t n)
{
	uint64_t right = 0, word = 0;

	quoit_rt_enter();
	for (uint64_t i = 0; i < n; i++)
		right += kind->put(i) && kind->get(&word) && word == i;
	quoit_rt_exit();
	return right;
}

static void count_from_zero(void)
{
	must(!quoit_rt_guard_set(&(struct quoit_rt_guard_options){.goes_on = true}),
	     "the guard counts");
}

struct side {
	const struct kind *kind;
	uint64_t n, right;
};

static pthread_barrier_t warm;

/* How many came in their order. */
static uint64_t take_all(const struct kind *kind, uint64_t n)
{
	uint64_t right = 0, word = 0;

	quoit_rt_enter();
	for (uint64_t i = 0; i < n; i++) {
		while (!kind->get(&word))
			quoit_relax();
		right += word == i;
	}
	quoit_rt_exit();
	return right;
}

static void put_all(const struct kind *kind, uint64_t n)
{
	quoit_rt_enter();
	for (uint64_t i = 0; i < n; i++)
		while (!kind->put(i))
			quoit_relax();
	quoit_rt_exit();
}

static void *consumer_worker(void *arg)
{
	struct side *const side = arg;
	const bool warmed = take_all(side->kind, WARM_UP) == WARM_UP;

	pthread_barrier_wait(&warm); /* and the counts begin */
	pthread_barrier_wait(&warm);
	side->right = take_all(side->kind, side->n) * warmed;
	return NULL;
}

/* The same by two threads, each in a section. The pools' owner is the one that opened them. */
static uint64_t turns_of_two(const struct kind *kind, uint64_t n)
{
	struct side consumer = {.kind = kind, .n = n};
	pthread_t thread;

	must(!pthread_barrier_init(&warm, NULL, 2), "two can meet");
	must(!pthread_create(&thread, NULL, consumer_worker, &consumer), "a thread is created");
	put_all(kind, WARM_UP);
	pthread_barrier_wait(&warm);
	count_from_zero();
	pthread_barrier_wait(&warm);
	put_all(kind, n);
	pthread_join(thread, NULL);
	pthread_barrier_destroy(&warm);
	return consumer.right;
}

static uint64_t turns_of_one(const struct kind *kind, uint64_t n)
{
	const bool warmed = turns_of(kind, WARM_UP) == WARM_UP;

	count_from_zero();
	return turns_of(kind, n) * warmed;
}

/* Some rounds, until one of them had nothing that the kernel may do by itself. */
static uint64_t judge(const struct kind *kind, uint64_t n,
		      uint64_t (*turns)(const struct kind *kind, uint64_t n), const char *how,
		      struct steady_sum *sum)
{
	struct steady_sum seen = {0};
	uint64_t right = 0;
	char line[128];

	for (int round = 0; round < STEADY_ROUNDS; round++) {
		kind->open();
		right = turns(kind, n);
		seen = steady_seen();
		kind->close();
		seen.again = (uint64_t)round;
		if (right != n || steady_is_ours(&seen) || steady_is_clean(&seen))
			break;
	}
	(void)snprintf(line, sizeof(line), "%s, %s: %llu turns, all of them right", kind->name, how,
		       (unsigned long long)n);
	steady_say(right == n && steady_is_clean(&seen), line, &seen);
	steady_add(sum, &seen);
	return right;
}

uint64_t steady_rings(uint64_t turns, struct steady_sum *sum)
{
	const uint64_t of_two = turns / PAIR_PART + 1;
	uint64_t made = 0;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		made += judge(&kinds[i], turns, turns_of_one, "one thread", sum);
		made += judge(&kinds[i], of_two, turns_of_two, "two threads", sum);
	}
	return made;
}

/* --- would it be noticed? -------------------------------------------------------------------- */

static volatile char *fresh;

static bool put_allocating(uint64_t word)
{
	void *volatile block = word == 30000 ? malloc(1) : NULL;

	free(block);
	return spsc_put(word);
}

static bool put_calling(uint64_t word)
{
	if (word == 30000)
		(void)syscall(SYS_getppid);
	return spsc_put(word);
}

static bool put_touching(uint64_t word)
{
	if (word == 30000)
		*fresh = 1;
	return spsc_put(word);
}

/* One in 40,000 turns, after the warm-up. */
static struct steady_sum sabotaged(bool (*put)(uint64_t word))
{
	const struct kind kind = {"", spsc_open, put, spsc_get, spsc_close};
	struct steady_sum sum;

	kind.open();
	must(turns_of_one(&kind, 40000) == 40000, "the turns are right");
	sum = steady_seen();
	kind.close();
	return sum;
}

void steady_self_test(void)
{
	struct steady_sum sum = sabotaged(put_allocating);

	steady_say(sum.allocations == 2, "a turn that allocates is noticed", &sum);
	sum = sabotaged(put_calling);
	steady_say(sum.foreign == 1, "a turn that enters the kernel is noticed", &sum);
	fresh = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(fresh != MAP_FAILED, "a page is mapped");
	sum = sabotaged(put_touching);
	steady_say(sum.faults >= 1, "a turn that touches new memory is noticed", &sum);
	munmap((void *)(uintptr_t)fresh, 4096);
}
