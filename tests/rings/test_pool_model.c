/* SPDX-License-Identifier: MIT */
/*
 * test_pool_model.c - the pools under random use against a plain list of who has what.
 *
 * Every call is mixed with every other, good handles with stale, doubled and invented ones. Each
 * slot that is held carries a number that no other has, which is looked at before it goes back. The
 * seed is printed; SEED=n runs it again with it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include <quoit/rings/buffer_cache.h>
#include <quoit/rings/fixed_pool.h>

#include <support/random.h>

#define SLOTS 97
#define STEPS 200000
#define STALE 64

QUOIT_POOL_U64(fixed, SLOTS);

struct model {
	struct random random;
	size_t held; /* handles, numbers: so many are taken */
	uint32_t handles[SLOTS];
	uint64_t numbers[SLOTS];
	uint64_t next_number;
	uint32_t stale[STALE]; /* handles that were given back */
	uint64_t given;
	struct quoit_buffer_pool *pool;
	struct quoit_buffer_cache cache;
	struct fixed fixed;
};

/* --- buffers --------------------------------------------------------------------------------- */

static size_t cached(const struct model *m)
{
	return quoit_buffer_cache_length(&m->cache);
}

static void hold(struct model *m, uint32_t handle)
{
	uint64_t *const at = quoit_buffer_pool_writable(m->pool, handle);
	uint32_t len = 1;

	assert_true(m->held < SLOTS);
	assert_non_null(at);
	assert_non_null(quoit_buffer_pool_get(m->pool, handle, &len));
	assert_int_equal(len, 0);
	*at = m->next_number;
	m->handles[m->held] = handle;
	m->numbers[m->held++] = m->next_number++;
}

static void alloc(struct model *m)
{
	uint32_t handle = 0;
	const bool there_is = m->held + cached(m) < SLOTS;

	assert_int_equal(quoit_buffer_pool_alloc(m->pool, &handle), there_is);
	if (there_is)
		hold(m, handle);
}

static void alloc_cached(struct model *m)
{
	uint32_t handle = 0;
	const bool there_is = m->held < SLOTS;

	assert_int_equal(quoit_buffer_cache_alloc(&m->cache, &handle), there_is);
	if (there_is)
		hold(m, handle);
}

static void alloc_many(struct model *m)
{
	const size_t there = SLOTS - m->held - cached(m);
	const size_t most = (size_t)random_below(&m->random, 20);
	uint32_t handles[20];
	const size_t n = quoit_buffer_pool_alloc_many(m->pool, handles, most);

	assert_int_equal(n, quoit_min(most, there));
	for (size_t i = 0; i < n; i++)
		hold(m, handles[i]);
}

/* Forget one of those that are held, after a look at what is in it. */
static uint32_t let_go(struct model *m)
{
	const size_t which = (size_t)random_below(&m->random, m->held);
	const uint32_t handle = m->handles[which];
	uint32_t len = 1;
	const uint64_t *const at = quoit_buffer_pool_get(m->pool, handle, &len);

	assert_non_null(at);
	assert_int_equal(*at, m->numbers[which]);
	m->stale[m->given++ % STALE] = handle;
	m->held--;
	m->handles[which] = m->handles[m->held];
	m->numbers[which] = m->numbers[m->held];
	return handle;
}

static void give(struct model *m)
{
	if (m->held)
		assert_int_equal(quoit_buffer_pool_free(m->pool, let_go(m)), 0);
}

static void give_cached(struct model *m)
{
	if (m->held)
		assert_int_equal(quoit_buffer_cache_free(&m->cache, let_go(m)), 0);
}

static void give_many(struct model *m)
{
	const size_t n = quoit_min((size_t)random_below(&m->random, SLOTS), m->held);
	uint32_t handles[SLOTS];

	for (size_t i = 0; i < n; i++)
		handles[i] = let_go(m);
	assert_int_equal(quoit_buffer_pool_free_many(m->pool, handles, n), 0);
}

static void flush(struct model *m)
{
	if (random_below(&m->random, 8) == 0)
		quoit_buffer_cache_flush(&m->cache);
}

static void misuse(struct model *m)
{
	const uint32_t stale = m->stale[random_below(&m->random, STALE)];
	const uint32_t none = UINT32_MAX - (uint32_t)random_below(&m->random, 4);
	uint32_t len = 0;

	if (m->given < STALE)
		return;
	assert_int_equal(quoit_buffer_pool_free(m->pool, stale), -EALREADY);
	assert_int_equal(quoit_buffer_cache_free(&m->cache, stale), -EALREADY);
	assert_null(quoit_buffer_pool_writable(m->pool, stale));
	if (quoit_buffer_pool_index(m->pool, none) >= SLOTS) {
		assert_int_equal(quoit_buffer_pool_free(m->pool, none), -EINVAL);
		assert_null(quoit_buffer_pool_get(m->pool, none, &len));
	}
}

static void count(struct model *m)
{
	assert_int_equal(quoit_buffer_pool_available(m->pool), SLOTS - m->held - cached(m));
}

static void buffers_under_random_use_are_those_of_a_plain_list(void **state)
{
	static void (*const steps[])(struct model *) = {
		alloc, alloc_cached, alloc_many, give, give_cached, give_many, flush, misuse, count,
	};
	static const struct quoit_buffer_pool_options options = {
		.slab_bytes = 24,
		.count = SLOTS,
		.node = -1,
	};
	struct model *const m = test_calloc(1, sizeof(*m));

	(void)state;
	m->random.state = random_seed();
	print_message("SEED=%llu\n", (unsigned long long)m->random.state);
	assert_int_equal(quoit_buffer_pool_create(&options, &m->pool, NULL), 0);
	quoit_buffer_cache_init(&m->cache, m->pool);
	for (size_t i = 0; i < STEPS; i++) {
		/* Now and then everything goes back, so that it is not full all the time. */
		if (random_below(&m->random, 500) == 0)
			while (m->held)
				(random_u64(&m->random) & 1 ? give : give_cached)(m);
		steps[random_below(&m->random, sizeof(steps) / sizeof(steps[0]))](m);
	}
	assert_true(m->given > STEPS / 10); /* it was used, not only looked at */
	while (m->held)
		give(m);
	quoit_buffer_cache_flush(&m->cache);
	count(m);
	quoit_buffer_pool_destroy(m->pool);
	test_free(m);
}

/* --- one owner ------------------------------------------------------------------------------- */

static bool is_held(const struct model *m, uint32_t index)
{
	for (size_t i = 0; i < m->held; i++)
		if (m->handles[i] == index)
			return true;
	return false;
}

static void acquire(struct model *m)
{
	uint32_t index = UINT32_MAX;

	assert_int_equal(fixed_acquire(&m->fixed, &index), m->held < SLOTS);
	if (m->held == SLOTS) {
		assert_int_equal(index, UINT32_MAX);
		return;
	}
	assert_false(is_held(m, index));
	fixed_set(&m->fixed, index, m->next_number);
	m->handles[m->held] = index;
	m->numbers[m->held++] = m->next_number++;
}

static void release(struct model *m)
{
	const uint32_t index = (uint32_t)random_below(&m->random, SLOTS + 3);

	if (index >= SLOTS) {
		assert_int_equal(fixed_release(&m->fixed, index), -EINVAL);
		return;
	}
	for (size_t i = 0; i < m->held; i++) {
		if (m->handles[i] != index)
			continue;
		assert_int_equal(fixed_get(&m->fixed, index), m->numbers[i]);
		assert_int_equal(fixed_release(&m->fixed, index), 0);
		m->held--;
		m->handles[i] = m->handles[m->held];
		m->numbers[i] = m->numbers[m->held];
		return;
	}
	assert_int_equal(fixed_release(&m->fixed, index), -EALREADY);
}

static void slots_under_random_use_are_those_of_a_plain_list(void **state)
{
	struct model *const m = test_calloc(1, sizeof(*m));
	uint64_t dice = 0;

	(void)state;
	m->random.state = random_seed() * 3;
	for (size_t i = 0; i < STEPS; i++) {
		if (i % 256 == 0)
			dice = random_u64(&m->random); /* mostly acquire for a while, or release */
		(random_below(&m->random, 4) < 1 + dice % 3 ? acquire : release)(m);
		assert_int_equal(fixed_in_use(&m->fixed), m->held);
		assert_int_equal(fixed_is_full(&m->fixed), m->held == SLOTS);
		assert_int_equal(fixed_is_empty(&m->fixed), m->held == 0);
	}
	test_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buffers_under_random_use_are_those_of_a_plain_list),
		cmocka_unit_test(slots_under_random_use_are_those_of_a_plain_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
