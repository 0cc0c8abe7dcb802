/* SPDX-License-Identifier: MIT */
/*
 * test_mpsc_register.c - a registration in an MPSC channel that finds no memory, is looked at from
 * within, or meets a close.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <rings/mpsc_faults.h>

/* --- memory that cannot be had --------------------------------------------------------------- */

static void expect_unchanged(const struct fixture *f, const struct quoit_mpsc_stats *before)
{
	const struct quoit_mpsc_stats now = stats_of(f);

	assert_int_equal(now.producers, before->producers);
	assert_int_equal(now.lanes, before->lanes);
	assert_int_equal(now.lanes_free, before->lanes_free);
	assert_int_equal(now.memory_bytes, before->memory_bytes);
}

/* D-17: with the seed the count went up before the memory was there, and stayed so. */
static void a_registration_without_memory_changes_nothing(void **state)
{
	struct fixture *const f = channel_of(8, PRODUCERS_MOST, 0);

	(void)state;
	for (uint32_t i = 0; i < 60; i++) {
		const struct quoit_mpsc_stats before = stats_of(f);
		const unsigned mapped = fault.mapped - fault.unmapped;
		const bool grows = i == 0 || i == 8 || i == 24 || i == 56;

		fault.refuse_mmap = true;
		assert_int_equal(numbers_register(&f->q, &f->p[i]), -ENOMEM);
		fault.refuse_mmap = false;
		expect_unchanged(f, &before);
		if (grows) {
			fault.refuse_calloc = true;
			assert_int_equal(numbers_register(&f->q, &f->p[i]), -ENOMEM);
			fault.refuse_calloc = false;
			expect_unchanged(f, &before);
		}
		assert_int_equal(fault.mapped - fault.unmapped, mapped);
		assert_null(f->p[i].seat.channel);
		for (uint32_t j = 0; j < i; j++)
			send_through(f, j, 1);
		assert_int_equal(consume(f, SIZE_MAX), i);
		assert_int_equal(numbers_register(&f->q, &f->p[i]), 0);
		assert_int_equal(f->p[i].seat.id, i);
	}
	end(f);
}

static void without_memory_a_remote_lane_is_better_than_none(void **state)
{
	struct fixture *const f = channel_of(8, 4, 0);

	(void)state;
	assert_int_equal(numbers_register_on(&f->q, 0, &f->p[0]), 0);
	assert_int_equal(numbers_deregister(&f->p[0]), 0);
	assert_int_equal(consume(f, SIZE_MAX), 0);
	fault.refuse_mmap = true;
	assert_int_equal(numbers_register_on(&f->q, 1, &f->p[0]), 0);
	assert_int_equal(numbers_register_on(&f->q, 1, &f->p[1]), -ENOMEM);
	fault.refuse_mmap = false;
	end(f);
}

static struct fixture *growing;
static unsigned looked;

static void look_from_within(void)
{
	looked++;
	for (uint32_t id = 0; id < quoit_mpsc_lanes(growing->q.channel); id++)
		assert_non_null(quoit_mpsc_lane_ring(growing->q.channel, id));
	assert_null(quoit_mpsc_lane_ring(growing->q.channel, quoit_mpsc_lanes(growing->q.channel)));
	(void)quoit_mpsc_has_news(growing->q.channel);
	(void)consume(growing, SIZE_MAX);
	assert_true(quoit_mpsc_is_empty(growing->q.channel));
}

/* D-16: the seed counted a ring before it was there, and moved the others to make room for it. */
static void the_consumer_may_read_at_any_moment_of_a_registration(void **state)
{
	struct fixture *const f = growing = channel_of(8, PRODUCERS_MOST, 0);

	(void)state;
	looked = 0;
	for (uint32_t i = 0; i < 100; i++) {
		for (uint32_t j = 0; j < i; j++)
			send_through(f, j, 1);
		fault.when_mapping = look_from_within;
		fault.when_growing = look_from_within;
		assert_int_equal(numbers_register(&f->q, &f->p[i]), 0);
		assert_null(fault.when_mapping);
	}
	fault.when_growing = NULL;
	assert_int_equal(looked, 100 + 4);
	end(f);
}

static void nobody_has_gone_yet(void)
{
	looked++;
	assert_int_equal(quoit_mpsc_producers(growing->q.channel), 1);
}

/* D-10: who closes the bell when nobody is left must not do so while the last one rings it. */
static void a_producer_has_gone_only_after_its_last_bell(void **state)
{
	struct fixture *const f = growing = channel_of(8, 4, 0);
	struct quoit_wake wake = {0};
	struct quoit_notify notify;

	(void)state;
	looked = 0;
	assert_int_equal(quoit_notify_open(&notify, &wake), 0);
	assert_int_equal(quoit_mpsc_attach(f->q.channel, &notify), 0);
	assert_int_equal(numbers_register(&f->q, &f->p[0]), 0);
	quoit_wake_arm(&wake);
	fault.when_ringing = nobody_has_gone_yet;
	assert_int_equal(numbers_deregister(&f->p[0]), 0);
	assert_int_equal(looked, 1);
	assert_int_equal(quoit_mpsc_producers(f->q.channel), 0);
	end(f);
	quoit_notify_close(&notify);
}

/* --- somebody else in between ---------------------------------------------------------------- */

static struct {
	pthread_t thread;
	void (*what)(struct quoit_mpsc *channel);
	uint32_t done;
	bool was_early; /* done before the registration was */
} other;

static void *other_worker(void *arg)
{
	struct fixture *const f = arg;

	other.what(f->q.channel);
	quoit_store_release(&other.done, 1); /* other: pairs with act_from_without() */
	return NULL;
}

/* Give it every chance to happen in the middle of the registration. */
static void act_from_without(void)
{
	if (pthread_create(&other.thread, NULL, other_worker, growing))
		abort();
	for (unsigned i = 0; i < 2000 && !other.was_early; i++) {
		sched_yield();
		other.was_early = quoit_load_acquire(&other.done); /* other: other_worker() */
	}
}

static void register_while_another(struct fixture *f, void (*what)(struct quoit_mpsc *channel))
{
	other.what = what;
	other.done = 0;
	other.was_early = false;
	growing = f;
	fault.when_mapping = act_from_without;
	assert_int_equal(numbers_register(&f->q, &f->p[0]), 0);
	assert_int_equal(pthread_join(other.thread, NULL), 0);
}

/* D-19: with the seed a ring registered meanwhile stayed open for ever. */
static void close_does_not_miss_a_producer_that_registers_meanwhile(void **state)
{
	struct fixture *const f = channel_of(8, 4, 0);
	struct number number = {0, 0};

	(void)state;
	register_while_another(f, quoit_mpsc_close);
	assert_true(quoit_mpsc_is_closed(f->q.channel));
	assert_int_equal(numbers_send(&f->p[0], &number, 1), 0);
	assert_int_equal(numbers_deregister(&f->p[0]), 0);
	assert_true(quoit_mpsc_is_drained(f->q.channel));
	end(f);
}

#ifdef QUOIT_CONFIG_METRICS
static void attach_meters(struct quoit_mpsc *channel)
{
	assert_int_equal(quoit_mpsc_attach_meters(channel, true), -EBUSY);
}
#endif

static void reset(struct quoit_mpsc *channel)
{
	assert_int_equal(quoit_mpsc_reset(channel), -EBUSY);
}

static void count_memory(struct quoit_mpsc *channel)
{
	assert_true(quoit_mpsc_memory_bytes(channel) > 0);
}

static void take_snapshot(struct quoit_mpsc *channel)
{
	struct quoit_mpsc_stats stats;

	quoit_mpsc_snapshot(channel, &stats);
	assert_int_equal(stats.producers, 1);
}

/* Who changes or counts all lanes finds a registration finished. */
static void nobody_comes_in_the_middle_of_a_registration(void **state)
{
	static void (*const all[])(struct quoit_mpsc * channel) = {
#ifdef QUOIT_CONFIG_METRICS /* else it refuses at once */
		attach_meters,
#endif
		reset, count_memory, take_snapshot};

	(void)state;
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct fixture *const f = channel_of(8, 4, 0);

		register_while_another(f, all[i]);
		assert_false(other.was_early);
		end(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup(name, no_fault)
		TEST(a_registration_without_memory_changes_nothing),
		TEST(without_memory_a_remote_lane_is_better_than_none),
		TEST(the_consumer_may_read_at_any_moment_of_a_registration),
		TEST(a_producer_has_gone_only_after_its_last_bell),
		TEST(close_does_not_miss_a_producer_that_registers_meanwhile),
		TEST(nobody_comes_in_the_middle_of_a_registration),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
