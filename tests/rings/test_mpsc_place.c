/* SPDX-License-Identifier: MIT */
/*
 * test_mpsc_place.c - where a channel's lanes lie: what each place of the options asks the kernel
 * for, on any machine. That the pages follow is for tests/vm to see. Linked with --wrap=getcpu.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <rings/mpsc_checks.h>

#include <quoit/numa/thread.h>
#include <quoit/numa/topology.h>
#include <quoit/rings/mpsc_internal.h>

#include <support/policy.h>
#include <support/skip.h>

int __real_getcpu(unsigned *cpu, unsigned *node);
int __wrap_getcpu(unsigned *cpu, unsigned *node);

static bool refuse_getcpu;

int __wrap_getcpu(unsigned *cpu, unsigned *node)
{
	if (!refuse_getcpu)
		return __real_getcpu(cpu, node);
	errno = ENOSYS;
	return -1;
}

static int setup(void **state)
{
	(void)state;
	refuse_getcpu = false;
	return 0;
}

static void need_policies(void)
{
	int here = 0;

	if (memory_policy(&here) < 0)
		skip_because("this kernel or sandbox does not tell policies");
}

static struct quoit_mpsc_options options_of(enum quoit_mpsc_place place)
{
	return (struct quoit_mpsc_options){
		.capacity_slots = 1024, .producers_most = 8, .place = place};
}

static const struct quoit_region *region_of(const struct numbers_producer *p)
{
	return &quoit__mpsc_home_at(p->seat.channel, p->seat.id)->region;
}

/* The read-out of a lane that was left makes it free. */
static void leave(struct numbers *q, struct numbers_producer *p)
{
	struct number number;

	assert_int_equal(numbers_deregister(p), 0);
	assert_int_equal(numbers_recv(q, &number, 1), 0);
}

static void expect_place(const struct numbers_producer *p, int node, int policy)
{
	assert_int_equal(region_of(p)->node, node);
	assert_int_equal(memory_policy(p->seat.lane), policy);
	assert_int_equal(memory_policy(p->seat.slots), policy);
}

static void beside_the_producer_unless_told_otherwise(void **state)
{
	struct quoit_mpsc_options options = options_of(QUOIT_MPSC_AT_PRODUCER);
	const struct quoit_mpsc_options silent = {.capacity_slots = 8, .producers_most = 1};
	struct quoit_topology topology;
	struct numbers_producer p;
	struct numbers q;

	(void)state;
	need_policies();
	assert_int_equal(silent.place, QUOIT_MPSC_AT_PRODUCER);
	assert_int_equal(numbers_create(&q, &options), 0);
	assert_int_equal(numbers_register(&q, &p), 0);
	expect_place(&p, -1, POLICY_DEFAULT); /* without a topology: where it touches first */
	leave(&q, &p);
	assert_int_equal(numbers_destroy(&q), 0);

	assert_int_equal(quoit_topology_load(&topology, NULL, NULL), 0);
	options.topology = &topology;
	assert_int_equal(numbers_create(&q, &options), 0);
	assert_int_equal(numbers_register(&q, &p), 0);
	expect_place(&p, quoit_thread_memory_node(), POLICY_PREFERRED);
	leave(&q, &p);
	assert_int_equal(numbers_destroy(&q), 0);
	quoit_topology_fini(&topology);
}

/* Whoever registers, and also where it does not know where it is itself. */
static void beside_the_consumer_or_on_a_node_for_all(void **state)
{
	const int home = quoit_thread_memory_node();

	(void)state;
	need_policies();
	for (int at_node = 0; at_node < 2; at_node++) {
		struct quoit_mpsc_options options =
			options_of(at_node ? QUOIT_MPSC_AT_NODE : QUOIT_MPSC_AT_CONSUMER);
		struct numbers_producer p[2];
		struct numbers q;

		options.node = at_node ? home : 77; /* not looked at */
		assert_int_equal(numbers_create(&q, &options), 0);
		refuse_getcpu = true;
		for (size_t i = 0; i < 2; i++) {
			assert_int_equal(numbers_register(&q, &p[i]), 0);
			expect_place(&p[i], home, POLICY_PREFERRED);
		}
		refuse_getcpu = false;
		for (size_t i = 0; i < 2; i++)
			leave(&q, &p[i]);
		assert_int_equal(numbers_register(&q, &p[0]), 0);
		assert_int_equal(quoit_mpsc_lanes(q.channel), 2); /* used again */
		leave(&q, &p[0]);
		assert_int_equal(numbers_destroy(&q), 0);
	}
}

static void on_all_nodes_page_by_page(void **state)
{
	const struct quoit_mpsc_options options = options_of(QUOIT_MPSC_INTERLEAVED);
	const int home = quoit_thread_memory_node();
	struct numbers_producer p, other;
	struct quoit_mpsc_stats stats;
	struct numbers q;

	(void)state;
	need_policies();
	assert_int_equal(numbers_create(&q, &options), 0);
	assert_int_equal(numbers_register(&q, &p), 0);
	expect_place(&p, -1, POLICY_INTERLEAVED);
	quoit_mpsc_snapshot(q.channel, &stats);
	assert_int_equal(stats.lanes_short, 0);

	/* One that lies otherwise is not taken as long as another can be made; and so back. */
	leave(&q, &p);
	assert_int_equal(numbers_register_on(&q, home, &other), 0);
	assert_int_equal(quoit_mpsc_lanes(q.channel), 2);
	expect_place(&other, home, POLICY_PREFERRED);
	leave(&q, &other);
	assert_int_equal(numbers_register(&q, &p), 0);
	expect_place(&p, -1, POLICY_INTERLEAVED);
	assert_int_equal(numbers_register(&q, &other), 0);
	expect_place(&other, -1, POLICY_INTERLEAVED);
	assert_int_equal(quoit_mpsc_lanes(q.channel), 3);
	leave(&q, &p);
	leave(&q, &other);
	assert_int_equal(numbers_destroy(&q), 0);
}

static void a_lane_that_lies_otherwise_is_better_than_none(void **state)
{
	struct quoit_mpsc_options options = options_of(QUOIT_MPSC_INTERLEAVED);
	struct numbers_producer p;
	struct numbers q;

	(void)state;
	need_policies();
	options.producers_most = 1;
	assert_int_equal(numbers_create(&q, &options), 0);
	assert_int_equal(numbers_register_on(&q, quoit_thread_memory_node(), &p), 0);
	leave(&q, &p);
	assert_int_equal(numbers_register(&q, &p), 0);
	expect_place(&p, quoit_thread_memory_node(), POLICY_PREFERRED);
	leave(&q, &p);
	assert_int_equal(numbers_destroy(&q), 0);
}

static void places_that_cannot_be_are_refused(void **state)
{
	struct quoit_mpsc_options options = options_of(QUOIT_MPSC_AT_NODE);
	struct numbers q = {0};

	(void)state;
	options.node = -1;
	assert_int_equal(numbers_create(&q, &options), -EINVAL);
	options.node = QUOIT_NODES_MAX;
	assert_int_equal(numbers_create(&q, &options), -EINVAL);
	options.place = (enum quoit_mpsc_place)4;
	options.node = 0;
	assert_int_equal(numbers_create(&q, &options), -EINVAL);
	options.place = QUOIT_MPSC_AT_CONSUMER;
	refuse_getcpu = true;
	assert_int_equal(numbers_create(&q, &options), -ENOSYS);
	refuse_getcpu = false;
	assert_null(q.channel);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(beside_the_producer_unless_told_otherwise, setup),
		cmocka_unit_test_setup(beside_the_consumer_or_on_a_node_for_all, setup),
		cmocka_unit_test_setup(on_all_nodes_page_by_page, setup),
		cmocka_unit_test_setup(a_lane_that_lies_otherwise_is_better_than_none, setup),
		cmocka_unit_test_setup(places_that_cannot_be_are_refused, setup),
	};

	return cmocka_run_group_tests_name("rings/mpsc_place", tests, NULL, NULL);
}
