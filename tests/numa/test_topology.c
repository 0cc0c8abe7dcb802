/* SPDX-License-Identifier: MIT */
/*
 * test_topology.c - other machines' sysfs, and this one's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <sched.h>
#include <sys/syscall.h>
#include <cmocka.h>

#include <quoit/numa/thread.h>

#include "numa/topology_checks.h"

static void two_nodes_are_seen_as_they_are(void **state)
{
	(void)state;
	struct quoit_topology t;
	build_and_load(&t, &two_nodes, 0);
	assert_true(t.numa);
	assert_cpus(&t, "0-3");
	assert_int_equal(t.node_count, 2);
	for (unsigned cpu = 0; cpu < 4; cpu++)
		assert_int_equal(quoit_topology_node_of_cpu(&t, cpu), cpu / 2);
	assert_int_equal(quoit_topology_node_of_cpu(&t, 4), -ENODEV);
	assert_int_equal(quoit_topology_node_of_cpu(&t, UINT32_MAX), -ENODEV);
	assert_int_equal(quoit_topology_distance(&t, 0, 0), 10);
	assert_int_equal(quoit_topology_distance(&t, 0, 1), 21);
	assert_int_equal(quoit_topology_distance(&t, 0, 2), -ENODEV);
	assert_int_equal(quoit_topology_memory_node(&t, 1), 1);
	assert_int_equal(quoit_topology_memory_node(&t, 2), -ENODEV);
	assert_int_equal(quoit_topology_memory_node(&t, -1), -ENODEV);
	quoit_topology_fini(&t);
	assert_null(t.cpus);
	quoit_topology_fini(&t);
}

/* "Node 1 MemTotal: 2048 kB" is 2 MiB, not 1 KiB. */
static void memory_is_the_figure_and_not_the_nodes_number(void **state)
{
	(void)state;
	struct quoit_topology t;
	build_and_load(&t, &two_nodes, 0);
	assert_true(t.nodes[0].memory_bytes == (uint64_t)6645976 * 1024);
	assert_true(t.nodes[1].memory_bytes == (uint64_t)2048 * 1024);
	quoit_topology_fini(&t);
}

static void distances_may_be_asymmetric(void **state)
{
	(void)state;
	const struct fake_machine m = {
		.cpus_online = "0-3",
		.nodes_online = "0-3",
		.nodes = {{0, "0", 1000, "10 12 20 32"},
			  {1, "1", 1000, "14 10 22 30"},
			  {2, "2", 1000, "20 22 10 12"},
			  {3, "3", 1000, "33 30 13 10"}},
		.cpus = 4,
	};
	struct quoit_topology t;
	build_and_load(&t, &m, 0);
	assert_int_equal(quoit_topology_distance(&t, 0, 3), 32);
	assert_int_equal(quoit_topology_distance(&t, 3, 0), 33);
	assert_int_equal(quoit_topology_distance(&t, 1, 0), 14);
	assert_int_equal(quoit_topology_distance(&t, 0, 1), 12);
	quoit_topology_fini(&t);
}

static void a_node_without_memory_takes_it_from_the_nearest_that_has(void **state)
{
	(void)state;
	const struct fake_machine m = {
		.cpus_online = "0-3",
		.nodes_online = "0-3",
		.nodes = {{0, "0", 0, "10 11 30 20"},
			  {1, "1", 0, "11 10 15 15"},
			  {2, "2", 1000, "30 15 10 20"},
			  {3, "3", 1000, "20 15 20 10"}},
		.cpus = 4,
	};
	struct quoit_topology t;
	build_and_load(&t, &m, 0);
	assert_false(t.nodes[0].has_memory);
	assert_int_equal(quoit_topology_memory_node(&t, 0), 3); /* 1 is nearer but has none */
	assert_int_equal(quoit_topology_memory_node(&t, 1), 2); /* equally near: the lowest */
	assert_int_equal(quoit_topology_memory_node(&t, 2), 2);
	quoit_topology_fini(&t);
}

static void a_node_without_cpus_is_memory_only(void **state)
{
	(void)state;
	const struct fake_machine m = {
		.cpus_online = "0-1",
		.nodes_online = "0-1",
		.nodes = {{0, "0-1", 0, "10 17"}, {1, "", 4096, "17 10"}},
		.cpus = 2,
	};
	struct quoit_topology t;
	build_and_load(&t, &m, 0);
	assert_int_equal(t.nodes[0].cpu_count, 2);
	assert_int_equal(t.nodes[1].cpu_count, 0);
	assert_int_equal(quoit_topology_memory_node(&t, 0), 1);
	quoit_topology_fini(&t);
}

static void a_cpu_that_no_node_claims_goes_where_memory_is(void **state)
{
	(void)state;
	struct fake_machine m = {
		.cpus_online = "0-2",
		.nodes_online = "0-2",
		.nodes = {{0, "0", 0, "10 20 20"},
			  {1, "1", 1000, "20 10 20"},
			  {2, "", 1000, "20 20 10"}},
		.cpus = 3,
	};
	struct quoit_topology t;
	build_and_load(&t, &m, 1);
	assert_int_equal(quoit_topology_node_of_cpu(&t, 2), 1);
	quoit_topology_fini(&t);
	m.mems_allowed = "0,2"; /* node 1 has some that is not for us */
	build_and_load(&t, &m, 1);
	assert_int_equal(quoit_topology_node_of_cpu(&t, 2), 2);
	assert_int_equal(t.nodes[2].cpu_count, 1);
	quoit_topology_fini(&t);
}

static void of_equally_near_nodes_the_lowest_is_nearest(void **state)
{
	(void)state;
	const struct fake_machine m = {
		.cpus_online = "0-3",
		.nodes_online = "0-3",
		.nodes = {{0, "0", 1000, "10 20 20 20"},
			  {1, "1", 1000, "20 10 20 20"},
			  {2, "2", 1000, "20 20 10 15"},
			  {3, "3", 1000, "20 20 15 10"}},
		.cpus = 4,
	};
	struct quoit_topology t;
	build_and_load(&t, &m, 0);
	assert_int_equal(quoit_topology_nearest(&t, 0), 1);
	assert_int_equal(quoit_topology_nearest(&t, 1), 0);
	assert_int_equal(quoit_topology_nearest(&t, 2), 3);
	assert_int_equal(quoit_topology_nearest(&t, 3), 2);
	assert_int_equal(quoit_topology_nearest(&t, 4), -ENODEV);
	quoit_topology_fini(&t);
}

/* The columns of distance are the online nodes in order: 0, 2, 5. */
static void node_numbers_may_have_holes(void **state)
{
	(void)state;
	const struct fake_machine m = {
		.cpus_online = "0-5",
		.nodes_online = "0,2,5",
		.nodes = {{0, "0,2-3", 1000, "10 12 15"},
			  {2, "1", 0, "12 10 13"},
			  {5, "4-5", 1000, "15 13 10"}},
		.cpus = 6,
	};
	struct quoit_topology t;
	build_and_load(&t, &m, 0);
	assert_int_equal(t.node_count, 3);
	assert_int_equal(quoit_topology_node_of_cpu(&t, 1), 2);
	assert_int_equal(quoit_topology_node_of_cpu(&t, 3), 0);
	assert_int_equal(quoit_topology_node_of_cpu(&t, 5), 5);
	assert_int_equal(quoit_topology_distance(&t, 0, 5), 15);
	assert_int_equal(quoit_topology_distance(&t, 2, 5), 13);
	assert_int_equal(quoit_topology_distance(&t, 0, 1), -ENODEV);
	assert_int_equal(quoit_topology_memory_node(&t, 2), 0);
	assert_null(quoit_topology_node(&t, 1));
	quoit_topology_fini(&t);
}

static void an_offline_cpu_is_not_used(void **state)
{
	(void)state;
	struct fake_machine m = two_nodes;
	m.cpus_online = "0,2-3";
	struct quoit_topology t;
	build_and_load(&t, &m, 0);
	assert_cpus(&t, "0,2-3");
	assert_int_equal(t.nodes[0].cpu_count, 1);
	assert_int_equal(quoit_topology_node_of_cpu(&t, 1), -ENODEV);
	quoit_topology_fini(&t);
}

/* The others keep their node: another thread may run there. */
static void only_cpus_in_the_affinity_mask_are_used(void **state)
{
	(void)state;
	struct fake_machine m = two_nodes;
	m.cpus_allowed = "3,7";
	struct quoit_topology t;
	build_and_load(&t, &m, 0);
	assert_cpus(&t, "3");
	assert_int_equal(t.nodes[0].cpu_count, 0);
	assert_int_equal(t.nodes[1].cpu_count, 1);
	assert_int_equal(t.nodes[1].cpus[0], 3);
	assert_int_equal(quoit_topology_node_of_cpu(&t, 0), 0);
	quoit_topology_fini(&t);
}

static void memory_comes_only_from_nodes_the_cpuset_allows(void **state)
{
	(void)state;
	struct fake_machine m = two_nodes;
	m.mems_allowed = "1";
	struct quoit_topology t;
	build_and_load(&t, &m, 0);
	assert_false(t.nodes[0].allowed);
	assert_true(t.nodes[0].has_memory);
	assert_int_equal(quoit_topology_memory_node(&t, 0), 1);
	quoit_topology_fini(&t);

	m.nodes[1].memory_kib = 0;
	build_and_load(&t, &m, 0);
	assert_int_equal(quoit_topology_memory_node(&t, 0), -ENODEV);
	quoit_topology_fini(&t);

	/* A copy of the files whose cpuset names no node that is online. */
	m.mems_allowed = "4";
	build_and_load(&t, &m, 1);
	assert_int_equal(quoit_topology_memory_node(&t, 0), 0);
	quoit_topology_fini(&t);

	/* A kernel without cpusets has no such line: every node, and no guess. */
	m.mems_allowed = NULL;
	build_and_load(&t, &m, 0);
	assert_int_equal(quoit_topology_memory_node(&t, 0), 0);
	quoit_topology_fini(&t);
}

static void a_machine_of_2048_cpus_is_seen_whole(void **state)
{
	(void)state;
	const struct fake_machine m = {
		.cpus_online = "0-2047",
		.cpus_allowed = "1000-2047",
		.nodes_online = "0-1",
		.nodes = {{0, "0-2047:1/2", 1000, "10 20"}, {1, "1-2047:1/2", 1000, "20 10"}},
		.cpus = 0,
	};
	struct quoit_topology t;
	/* Without topology folders: each usable cpu's core, and its ids, are guessed. */
	build_and_load(&t, &m, 2 * 1048);
	assert_cpus(&t, "1000-2047");
	assert_int_equal(t.nodes[1].cpu_count, 524);
	assert_int_equal(t.nodes[1].cpus[523], 2047);
	assert_int_equal(quoit_topology_node_of_cpu(&t, 2047), 1);
	assert_int_equal(quoit_topology_node_of_cpu(&t, 2046), 0);
	assert_int_equal(t.cpus[0].core, 1000);
	assert_int_equal(t.cpus[0].core_id, -1);
	quoit_topology_fini(&t);
}

static void strides_in_lists_are_understood(void **state)
{
	(void)state;
	const struct fake_machine m = {
		.cpus_online = "0-11",
		.nodes_online = "0-1",
		.nodes = {{0, "0-3,8,10-11:1/2", 1000, "10 20"}, {1, "4-7,9,11", 1000, "20 10"}},
		.cpus = 12,
	};
	struct quoit_topology t;
	build_and_load(&t, &m, 0);
	assert_int_equal(quoit_topology_node_of_cpu(&t, 10), 0);
	assert_int_equal(quoit_topology_node_of_cpu(&t, 11), 1);
	assert_int_equal(t.nodes[0].cpu_count, 6);
	quoit_topology_fini(&t);
}

static void a_kernel_without_numa_is_one_honest_node(void **state)
{
	(void)state;
	const struct fake_machine m = {.cpus_online = "0-2", .mems_allowed = "0", .cpus = 3};
	struct quoit_topology t;
	build_and_load(&t, &m, 0);
	assert_false(t.numa);
	assert_int_equal(t.node_count, 1);
	assert_int_equal(t.nodes[0].id, 0);
	assert_int_equal(t.nodes[0].cpu_count, 3);
	assert_true(t.nodes[0].memory_bytes == 1024 * 1024);
	assert_int_equal(quoit_topology_memory_node(&t, 0), 0);
	assert_int_equal(quoit_topology_distance(&t, 0, 0), 10);
	quoit_topology_fini(&t);
}

static void smt_siblings_share_a_core(void **state)
{
	(void)state;
	struct fake_machine m = {.cpus_online = "0-7", .cpus = 8, .smt_stride = 4};
	struct quoit_topology t;
	build_and_load(&t, &m, 0);
	for (size_t i = 0; i < 8; i++) {
		assert_int_equal(t.cpus[i].core, i % 4);
		assert_int_equal(t.cpus[i].smt_index, i / 4);
		assert_int_equal(t.cpus[i].core_id, i % 4 * 2);
		assert_int_equal(t.cpus[i].package, i % 2);
	}
	quoit_topology_fini(&t);

	/* The first sibling that may be used is index 0, though its group is named for cpu 1. */
	m.cpus_allowed = "5-7";
	build_and_load(&t, &m, 0);
	assert_int_equal(t.cpus[0].cpu, 5);
	assert_int_equal(t.cpus[0].core, 1);
	assert_int_equal(t.cpus[0].smt_index, 0);
	quoit_topology_fini(&t);
}

static void this_machine_agrees_with_its_kernel(void **state)
{
	(void)state;
	struct quoit_topology t;
	struct quoit_reason why = {0};
	struct quoit_idset before;
	assert_int_equal(quoit_thread_affinity(&before), 0);
	assert_int_equal(quoit_topology_load(&t, "/", &why), 0);
	check_sound(&t);
	assert_int_equal(t.cpu_count,
			 quoit_idset_count(&before)); /* the kernel's holds no offline */
	for (size_t i = 0; i < t.cpu_count; i++) {
		assert_int_equal(quoit_thread_pin(t.cpus[i].cpu), 0);
		unsigned cpu = 0;
		unsigned node = 0;
		assert_int_equal(syscall(SYS_getcpu, &cpu, &node, NULL), 0);
		assert_int_equal(cpu, t.cpus[i].cpu);
		assert_int_equal(node, t.cpus[i].node);
	}

	/* Pinned to the last now: a new picture has this one cpu. */
	struct quoit_topology pinned;
	assert_int_equal(quoit_topology_load(&pinned, NULL, &why), 0);
	assert_int_equal(pinned.cpu_count, 1);
	assert_int_equal(pinned.cpus[0].cpu, t.cpus[t.cpu_count - 1].cpu);
	assert_int_equal(pinned.node_count, t.node_count);
	assert_int_equal(quoit_thread_allow(&before), 0);
	quoit_topology_fini(&pinned);
	quoit_topology_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_nodes_are_seen_as_they_are),
		cmocka_unit_test(memory_is_the_figure_and_not_the_nodes_number),
		cmocka_unit_test(distances_may_be_asymmetric),
		cmocka_unit_test(a_node_without_memory_takes_it_from_the_nearest_that_has),
		cmocka_unit_test(a_node_without_cpus_is_memory_only),
		cmocka_unit_test(a_cpu_that_no_node_claims_goes_where_memory_is),
		cmocka_unit_test(of_equally_near_nodes_the_lowest_is_nearest),
		cmocka_unit_test(node_numbers_may_have_holes),
		cmocka_unit_test(an_offline_cpu_is_not_used),
		cmocka_unit_test(only_cpus_in_the_affinity_mask_are_used),
		cmocka_unit_test(memory_comes_only_from_nodes_the_cpuset_allows),
		cmocka_unit_test(a_machine_of_2048_cpus_is_seen_whole),
		cmocka_unit_test(strides_in_lists_are_understood),
		cmocka_unit_test(a_kernel_without_numa_is_one_honest_node),
		cmocka_unit_test(smt_siblings_share_a_core),
		cmocka_unit_test(this_machine_agrees_with_its_kernel),
	};
	return cmocka_run_group_tests_name("numa/topology", tests, NULL, NULL);
}
