/* SPDX-License-Identifier: MIT */
/*
 * test_topology_libnuma.c - libnuma and our own loader look at the same machine and agree.
 *
 * Linked with -lnuma, which nothing else here is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <numa.h>
#include <cmocka.h>

#include <quoit/numa/mem.h>
#include <quoit/numa/topology.h>

#include "support/skip.h"

static struct quoit_topology topology;

static int load(void **state)
{
	struct quoit_reason why = {0};

	(void)state;
	if (quoit_topology_load(&topology, NULL, &why)) {
		print_error("%s\n", why.text);
		return -1;
	}
	return 0;
}

static int unload(void **state)
{
	(void)state;
	quoit_topology_fini(&topology);
	return 0;
}

static void need_libnuma(void)
{
	if (numa_available() < 0) {
		assert_false(quoit_topology_is_numa(&topology));
		skip_because("libnuma finds no NUMA in this kernel or sandbox");
	}
}

static void the_nodes_are_the_same(void **state)
{
	(void)state;
	need_libnuma();
	struct bitmask *const mems = numa_get_mems_allowed();
	size_t seen = 0;
	for (int id = 0; id <= numa_max_node(); id++) {
		const struct quoit_topology_node *const node = quoit_topology_node(&topology, id);
		const bool takes_memory = numa_bitmask_isbitset(mems, (unsigned)id);
		if (!node) /* a hole in the numbers */
			assert_true(numa_node_size64(id, NULL) <= 0);
		else
			assert_int_equal(node->has_memory && node->allowed,
					 takes_memory && numa_node_size64(id, NULL) > 0);
		seen += node != NULL;
	}
	numa_free_nodemask(mems);
	assert_int_equal(seen, topology.node_count);
}

static void their_memory_is_the_same(void **state)
{
	(void)state;
	need_libnuma();
	for (size_t i = 0; i < topology.node_count; i++) {
		const struct quoit_topology_node *const node = &topology.nodes[i];
		long long free_bytes = 0;
		const long long bytes = numa_node_size64(node->id, &free_bytes);
		assert_true(bytes == (long long)node->memory_bytes);
		assert_true(node->free_bytes <= node->memory_bytes); /* changes as we look */
		assert_int_equal(node->free_bytes > 0, free_bytes > 0);
	}
}

static void their_distances_are_the_same(void **state)
{
	(void)state;
	need_libnuma();
	for (size_t a = 0; a < topology.node_count; a++) {
		for (size_t b = 0; b < topology.node_count; b++) {
			const int from = topology.nodes[a].id;
			const int to = topology.nodes[b].id;
			assert_int_equal(quoit_topology_distance(&topology, from, to),
					 numa_distance(from, to));
		}
	}
}

static void their_cpus_are_the_same(void **state)
{
	(void)state;
	need_libnuma();
	struct bitmask *const cpus = numa_allocate_cpumask();
	QUOIT_IDSET_FOR_EACH(cpu, &topology.online)
	{
		assert_int_equal(quoit_topology_node_of_cpu(&topology, (unsigned)cpu),
				 numa_node_of_cpu(cpu));
	}
	for (size_t i = 0; i < topology.node_count; i++) {
		const struct quoit_topology_node *const node = &topology.nodes[i];
		assert_int_equal(numa_node_to_cpus(node->id, cpus), 0);
		for (size_t c = 0; c < node->cpu_count; c++)
			assert_true(numa_bitmask_isbitset(cpus, node->cpus[c]));
	}
	numa_free_cpumask(cpus);
}

/* It takes those for usable, too, that are switched off or not plugged in. */
static void the_usable_cpus_are_the_same(void **state)
{
	(void)state;
	need_libnuma();
	for (size_t i = 0; i < topology.cpu_count; i++)
		assert_true(numa_bitmask_isbitset(numa_all_cpus_ptr, topology.cpus[i].cpu));
	for (unsigned cpu = 0; cpu < QUOIT_CPUS_MAX && cpu < numa_all_cpus_ptr->size; cpu++)
		if (numa_bitmask_isbitset(numa_all_cpus_ptr, cpu))
			assert_int_equal(quoit_topology_cpu(&topology, cpu) != NULL,
					 quoit_idset_has(&topology.online, (int)cpu));
}

/* What libnuma puts on a node we find there, and the other way round. */
static void where_memory_lies_is_the_same(void **state)
{
	(void)state;
	need_libnuma();
	for (size_t i = 0; i < topology.node_count; i++) {
		const struct quoit_topology_node *const node = &topology.nodes[i];
		if (!node->has_memory || !node->allowed)
			continue;
		char *const page = numa_alloc_onnode(4096, node->id);
		assert_non_null(page);
		page[0] = 1;
		const int found = quoit_mem_node_of(page);
		numa_free(page, 4096);
		if (found == -EPERM || found == -ENOSYS)
			skip_because("this sandbox does not tell where pages are");
		assert_int_equal(found, node->id);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_nodes_are_the_same),
		cmocka_unit_test(their_memory_is_the_same),
		cmocka_unit_test(their_distances_are_the_same),
		cmocka_unit_test(their_cpus_are_the_same),
		cmocka_unit_test(the_usable_cpus_are_the_same),
		cmocka_unit_test(where_memory_lies_is_the_same),
	};
	return cmocka_run_group_tests_name("numa/topology_libnuma", tests, load, unload);
}
