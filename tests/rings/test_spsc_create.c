/* SPDX-License-Identifier: MIT */
/*
 * test_spsc_create.c - rings with memory of their own, their presets, and starting over: features
 * B3, B7, B10 to B13, B17, B43, B50, B51, B56.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <quoit/rings/typed.h>

#include <rings/ring_checks.h>
#include <support/home.h>
#include <support/policy.h>
#include <support/skip.h>

struct item {
	uint64_t number;
	char text[24];
};

QUOIT_SPSC(items, struct item);

void *__real_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
int __real_munmap(void *at, size_t bytes);
int __wrap_munmap(void *at, size_t bytes);

static size_t mapped_bytes;

void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	void *const got = __real_mmap(at, bytes, protection, flags, fd, offset);

	mapped_bytes += got == MAP_FAILED ? 0 : bytes;
	return got;
}

int __wrap_munmap(void *at, size_t bytes)
{
	mapped_bytes -= bytes;
	return __real_munmap(at, bytes);
}

static const struct quoit_spsc_options usual = {
	.capacity_slots = 16,
	.node = QUOIT_NODE_AUTO,
	.waits = true,
};

static void a_created_ring_is_empty_isolated_and_carries_items(void **state)
{
	struct items *q = NULL;
	struct item out = {0};

	(void)state;
	assert_int_equal(items_create(&usual, &q, NULL), 0);
	assert_int_equal((uintptr_t)q % QUOIT_ISOLATION, 0);
	assert_int_equal((uintptr_t)q->slots % QUOIT_ISOLATION, 0);
	assert_true((char *)q->slots >= (char *)(q + 1));
	assert_int_equal(quoit_spsc_capacity(&q->ring), 16);
	assert_true(quoit_spsc_is_empty(&q->ring));
	assert_null(quoit_spsc_meter(&q->ring));
	for (uint64_t i = 0; i < 100; i++) {
		const struct item in = {.number = i, .text = "of its own"};

		assert_true(items_send_one(q, &in));
		assert_true(items_recv_one(q, &out));
		assert_memory_equal(&in, &out, sizeof(in));
	}
	items_destroy(q);
	items_destroy(NULL);
}

static void a_ring_lies_where_the_options_say(void **state)
{
	const struct {
		int node, policy;
	} cases[] = {{QUOIT_NODE_AUTO, POLICY_DEFAULT},
		     {QUOIT_NODE_INTERLEAVE, POLICY_INTERLEAVED},
		     {memory_node(-1), POLICY_PREFERRED}};

	(void)state;
	if (memory_policy(cases) < 0)
		skip_because("this kernel or sandbox does not tell policies");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct quoit_spsc_options options = usual;
		struct items *q = NULL;

		options.node = cases[i].node;
		assert_int_equal(items_create(&options, &q, NULL), 0);
		assert_int_equal(memory_policy(q), cases[i].policy);
		assert_int_equal(memory_policy(q->slots), cases[i].policy);
		assert_int_equal(quoit_spsc_memory(&q->ring).node,
				 cases[i].node < 0 ? -1 : cases[i].node);
		items_destroy(q);
	}
}

static void nothing_stays_mapped_of_a_ring_that_is_gone_or_never_was(void **state)
{
	struct quoit_spsc_options options = {
		.capacity_slots = 12, .slot_bytes = 8, .node = QUOIT_NODE_AUTO};
	struct quoit_spsc *ring;
	struct items *q = NULL;
	void *slots;

	(void)state;
	mapped_bytes = 0;
	assert_int_equal(items_create(&usual, &q, NULL), 0);
	items_destroy(q);
	assert_int_equal(quoit_spsc_create(&options, &ring, &slots, NULL), -EINVAL);
	assert_int_equal(mapped_bytes, 0);
	options.capacity_slots = 16;
	assert_int_equal(quoit_spsc_create(&options, &ring, &slots, NULL), 0);
	assert_true(mapped_bytes >= 16 * 8);
	quoit_spsc_destroy(ring);
	assert_int_equal(mapped_bytes, 0);

	/* As many slots as can be, if there only were such a machine. */
	options.capacity_slots = QUOIT_SPSC_CAPACITY_MAX;
	options.slot_bytes = (size_t)1 << 24;
	assert_int_equal(quoit_spsc_create(&options, &ring, &slots, NULL), -ENOMEM);
	assert_int_equal(mapped_bytes, 0);
}

static void its_memory_is_told(void **state)
{
	struct items *q = NULL;
	struct quoit_spsc_footprint memory;

	(void)state;
	assert_int_equal(items_create(&usual, &q, NULL), 0);
	memory = quoit_spsc_memory(&q->ring);
	assert_int_equal(memory.slots_bytes, 16 * sizeof(struct item));
	assert_true(memory.mapped_bytes >= items_bytes(q));
	assert_int_equal(memory.mapped_bytes % 4096, 0);
	assert_int_equal(memory.node, -1);
	items_destroy(q);
}

static void all_of_its_memory_is_there_whatever_its_size(void **state)
{
	struct quoit_spsc_options options = usual;

	(void)state;
	options.capacity_slots = 1;
	/* somewhere on the way the mapping is full to its last line */
	for (options.slot_bytes = 1; options.slot_bytes < 9000; options.slot_bytes += 61) {
		struct quoit_spsc *ring = NULL;
		void *slots = NULL;

		assert_int_equal(quoit_spsc_create(&options, &ring, &slots, NULL), 0);
		assert_non_null(slots);
		memset(slots, 1, options.slot_bytes);
		assert_true(quoit_spsc_is_empty(ring));
		quoit_spsc_destroy(ring);
	}
}

static void a_created_ring_with_waits_can_be_waited_on(void **state)
{
	struct quoit_spsc_options options = usual;
	const struct quoit_wait how = {.kind = QUOIT_WAIT_TIMED, .deadline_ns = 1};
	struct items *q = NULL;
	struct item out;
	size_t n;

	(void)state;
	assert_int_equal(items_create(&options, &q, NULL), 0);
	assert_int_equal(items_recv_wait(q, &out, 1, &how, &n), -ETIMEDOUT);
	items_destroy(q);
	options.waits = false;
	assert_int_equal(items_create(&options, &q, NULL), 0);
	assert_int_equal(items_recv_wait(q, &out, 1, &how, &n), -EINVAL);
	items_destroy(q);
}

static void a_node_is_asked_for_and_what_falls_short_is_told(void **state)
{
	struct quoit_spsc_options options = usual;
	struct quoit_spsc_footprint memory;
	struct items *q = NULL;

	(void)state;
	options.node = memory_node(-1);
	assert_int_equal(items_create(&options, &q, NULL), 0);
	memory = quoit_spsc_memory(&q->ring);
	assert_int_equal(memory.node, options.node);
	assert_int_equal(memory.degraded & QUOIT_REGION_ELSEWHERE, 0);
	items_destroy(q);
}

static void what_cannot_be_is_refused_with_a_reason_and_nothing_touched(void **state)
{
	static const size_t capacities[] = {0, 3, 12, QUOIT_SPSC_CAPACITY_MAX * 2, SIZE_MAX};
	struct quoit_spsc_options options = usual;
	struct items *q = NULL;
	struct quoit_spsc *ring = NULL;
	void *slots = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(capacities) / sizeof(capacities[0]); i++) {
		struct quoit_reason why = {0};

		options.capacity_slots = capacities[i];
		assert_int_equal(items_create(&options, &q, &why), -EINVAL);
		assert_int_equal(why.error, -EINVAL);
		assert_true(why.text[0]);
		assert_null(q);
	}
	options.capacity_slots = 16;
	assert_int_equal(quoit_spsc_create(&options, &ring, &slots, NULL), -EINVAL); /* no bytes */
	options.slot_bytes = SIZE_MAX / 2;
	assert_int_equal(quoit_spsc_create(&options, &ring, &slots, NULL), -EINVAL);
	assert_null(ring);
	assert_null(slots);
}

static void metrics_that_were_not_built_are_refused(void **state)
{
	struct quoit_spsc_options options = usual;
	struct items *q = NULL;
	struct quoit_reason why = {0};

	(void)state;
#ifdef QUOIT_CONFIG_METRICS
	skip_because("this build has CONFIG_METRICS");
#endif
	options.metrics = true;
	assert_int_equal(items_create(&options, &q, &why), -EOPNOTSUPP);
	assert_non_null(strstr(why.text, "CONFIG_METRICS"));
}

static void the_presets_are_capacities_that_can_be(void **state)
{
	static const size_t presets[] = {QUOIT_CAPACITY_DEFAULT, QUOIT_CAPACITY_LOW_LATENCY,
					 QUOIT_CAPACITY_HIGH_THROUGHPUT,
					 QUOIT_CAPACITY_ULTRA_LOW_LATENCY};
	static const size_t bits[] = {16, 12, 18, 10};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct quoit_spsc ring;

		assert_int_equal(presets[i], (size_t)1 << bits[i]);
		assert_int_equal(quoit_spsc_init(&ring, presets[i]), 0);
	}
	assert_int_equal(QUOIT_PRODUCERS_HIGH_THROUGHPUT, 32);
	assert_int_equal(QUOIT_PRODUCERS_ULTRA_LOW_LATENCY, 4);
}

static void a_reset_ring_is_empty_and_open_and_keeps_what_is_attached(void **state)
{
	struct items *q = NULL;
	struct quoit_event *data, *space;
	const struct item in = {.number = 1};

	(void)state;
	assert_int_equal(items_create(&usual, &q, NULL), 0);
	data = q->ring.data_event;
	space = q->ring.space_event;
	assert_non_null(data);
	assert_non_null(space);
	assert_true(items_send_one(q, &in));
	quoit_spsc_finish(&q->ring);
	quoit_spsc_reset(&q->ring);
	assert_true(quoit_spsc_is_empty(&q->ring));
	assert_false(quoit_spsc_is_closed(&q->ring));
	assert_false(quoit_spsc_is_drained(&q->ring));
	assert_ptr_equal(q->ring.data_event, data);
	assert_ptr_equal(q->ring.space_event, space);
	for (int i = 0; i < 16; i++)
		assert_true(items_send_one(q, &in));
	assert_false(items_send_one(q, &in));
	items_destroy(q);
}

static void reset_with_something_unpublished(struct quoit_spsc *ring)
{
	size_t at;

	(void)quoit_spsc_reserve(ring, 1, &at);
	quoit_spsc_commit_later(ring, 1);
	quoit_spsc_reset(ring);
}

static void reset_under_a_sleeper(struct quoit_spsc *ring)
{
	ring->data_event->sleepers = 1;
	quoit_spsc_reset(ring);
}

static void destroy_what_was_not_created(struct quoit_spsc *ring)
{
	struct {
		char before[4096];
		struct quoit_spsc ring;
	} other;

	memset(&other, 0, sizeof(other));
	(void)ring;
	quoit_spsc_destroy(&other.ring);
}

static void resetting_a_ring_in_use_or_destroying_a_stranger_is_a_breach(void **state)
{
	struct items *q = NULL;

	(void)state;
	if (QUOIT_CONFIG_ASSERT < 1)
		skip_because("assertions are off: CONFIG_ASSERT is 0");
	assert_int_equal(items_create(&usual, &q, NULL), 0);
	assert_true(aborts(reset_with_something_unpublished, &q->ring));
	assert_true(aborts(reset_under_a_sleeper, &q->ring));
	assert_true(aborts(destroy_what_was_not_created, &q->ring));
	items_destroy(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ring_lies_where_the_options_say),
		cmocka_unit_test(nothing_stays_mapped_of_a_ring_that_is_gone_or_never_was),
		cmocka_unit_test(a_created_ring_is_empty_isolated_and_carries_items),
		cmocka_unit_test(its_memory_is_told),
		cmocka_unit_test(all_of_its_memory_is_there_whatever_its_size),
		cmocka_unit_test(a_created_ring_with_waits_can_be_waited_on),
		cmocka_unit_test(a_node_is_asked_for_and_what_falls_short_is_told),
		cmocka_unit_test(what_cannot_be_is_refused_with_a_reason_and_nothing_touched),
		cmocka_unit_test(metrics_that_were_not_built_are_refused),
		cmocka_unit_test(the_presets_are_capacities_that_can_be),
		cmocka_unit_test(a_reset_ring_is_empty_and_open_and_keeps_what_is_attached),
		cmocka_unit_test(resetting_a_ring_in_use_or_destroying_a_stranger_is_a_breach),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
