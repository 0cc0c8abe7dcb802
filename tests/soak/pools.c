/* SPDX-License-Identifier: MIT */
/*
 * pools.c - items in buffers of a pool: taken by two producers, passed by handle through an MPMC
 * ring, read in place and given back by two consumers.
 *
 * Each handle's buffer says in its length what it holds. The pool has fewer buffers than the ring
 * has slots, so that it runs empty and every buffer lives some million times. All are back at the
 * end, or close() stops the run.
 */
#include <quoit/rings/buffer_pool.h>
#include <quoit/rings/typed_shared.h>

#include <soak/soak.h>

#define BUFFERS (SOAK_CAPACITY - 100)
#define BATCH	32

QUOIT_MPMC(handles, uint32_t);

static struct handles q;
static struct handles_producer producers[SOAK_SIDE_MOST];
static struct handles_consumer consumers[SOAK_SIDE_MOST];
static struct quoit_buffer_pool *pool;

static void open_pool(struct soak_run *run)
{
	const struct quoit_buffer_pool_options buffers = {
		.slab_bytes = sizeof(struct soak_item), .count = BUFFERS, .node = -1};
	const struct quoit_mpmc_options options = {
		.capacity_slots = SOAK_CAPACITY,
		.producers_most = run->kind->producers,
		.consumers_most = run->kind->consumers,
		.node = QUOIT_MPMC_NEAR,
	};

	if (quoit_buffer_pool_create(&buffers, &pool, NULL) || handles_create(&q, &options))
		abort();
	for (uint32_t i = 0; i < run->kind->consumers; i++)
		if (handles_register_consumer(&q, &consumers[i]))
			abort();
}

static void close_pool(void)
{
	for (uint32_t i = 0; i < soak_pools.consumers; i++)
		handles_deregister_consumer(&consumers[i]);
	handles_destroy(&q);
	if (quoit_buffer_pool_available(pool) != BUFFERS) {
		stress_say(false, "every buffer came back");
		abort();
	}
	quoit_buffer_pool_destroy(pool);
}

static void enter(struct soak_thread *t)
{
	if (handles_register_producer(&q, &producers[t->index]))
		abort();
}

static void leave(struct soak_thread *t)
{
	handles_deregister_producer(&producers[t->index]);
	if (soak_is_last(t))
		quoit_mpmc_close(q.ring);
}

static bool is_drained(void)
{
	return quoit_mpmc_is_drained(q.ring);
}

/* Fill up to BATCH buffers, taken one by one or at once, and send their handles. */
static size_t send(struct soak_thread *t, uint64_t number, size_t want)
{
	uint32_t taken[BATCH];
	size_t n = 0, sent;

	want = quoit_min(want, BATCH);
	if (random_u64(&t->random) & 1)
		n = quoit_buffer_pool_alloc_many(pool, taken, want);
	else
		while (n < want && quoit_buffer_pool_alloc(pool, &taken[n]))
			n++;
	for (size_t i = 0; i < n; i++) {
		struct soak_item *const item = quoit_buffer_pool_writable(pool, taken[i]);

		if (!item || quoit_buffer_pool_set_len(pool, taken[i], sizeof(*item)))
			abort();
		soak_fill(item, number + i, t->index, 0);
	}
	soak_pause(t, n);
	sent = n ? handles_send(&producers[t->index], taken, n) : 0;
	for (size_t i = sent; i < n; i++) /* no room: there is always another time */
		if (quoit_buffer_pool_free(pool, taken[i]))
			abort();
	return sent;
}

/* What is not a buffer any more, or not as long as an item, is judged as torn. */
static void note(struct soak_thread *t, uint32_t handle)
{
	const struct soak_item nothing = {.word = 1};
	uint32_t len = 0;
	const struct soak_item *const item = quoit_buffer_pool_get(pool, handle, &len);

	soak_note(t, item && len == sizeof(*item) ? item : &nothing, 1);
}

static size_t receive(struct soak_thread *t, size_t most)
{
	uint32_t got[BATCH];
	const size_t n = handles_steal(&consumers[t->index], got, quoit_min(most, BATCH));

	for (size_t i = 0; i < n; i++)
		note(t, got[i]);
	soak_pause(t, n);
	if (random_u64(&t->random) & 1) {
		if (n && quoit_buffer_pool_free_many(pool, got, n))
			abort();
		return n;
	}
	for (size_t i = 0; i < n; i++)
		if (quoit_buffer_pool_free(pool, got[i]))
			abort();
	return n;
}

const struct soak_kind soak_pools = {
	.name = "pools",
	.producers = 2,
	.consumers = 2,
	.open = open_pool,
	.close = close_pool,
	.enter = enter,
	.leave = leave,
	.send = send,
	.receive = receive,
	.is_over = is_drained,
};
