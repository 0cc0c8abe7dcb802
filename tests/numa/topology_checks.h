/* SPDX-License-Identifier: MIT */
/*
 * topology_checks.h - what the topology tests share: a machine, and what must hold for any. Include
 * it after cmocka.
 */
#ifndef QUOIT_TESTS_NUMA_TOPOLOGY_CHECKS_H
#define QUOIT_TESTS_NUMA_TOPOLOGY_CHECKS_H

#include <quoit/numa/topology.h>

#include "numa/fake_root.h"

static const struct fake_machine two_nodes = {
	.cpus_online = "0-3",
	.cpus_allowed = "0-3",
	.mems_allowed = "0-1",
	.nodes_online = "0-1",
	.nodes = {{0, "0-1", 6645976, "10 21"}, {1, "2-3", 2048, "21 10"}},
	.cpus = 4,
};

/* What holds for every topology, however ill the files were. */
static inline void check_sound(const struct quoit_topology *t)
{
	assert_true(t->cpu_count > 0);
	assert_true(t->node_count > 0);
	size_t of_nodes = 0;
	for (size_t n = 0; n < t->node_count; n++) {
		const struct quoit_topology_node *const node = &t->nodes[n];
		assert_true(n == 0 || t->nodes[n - 1].id < node->id);
		assert_ptr_equal(quoit_topology_node(t, node->id), node);
		assert_true(node->has_memory || node->memory_bytes == 0);
		assert_true(!node->has_memory || node->memory_bytes > 0 || t->guesses > 0);
		for (size_t c = 0; c < node->cpu_count; c++) {
			assert_true(c == 0 || node->cpus[c - 1] < node->cpus[c]);
			assert_int_equal(quoit_topology_node_of_cpu(t, node->cpus[c]), node->id);
		}
		of_nodes += node->cpu_count;
		for (size_t to = 0; to < t->node_count; to++)
			assert_true(node->distances[to] > 0);

		const int memory = quoit_topology_memory_node(t, node->id);
		if (memory >= 0) {
			assert_true(quoit_topology_node(t, memory)->has_memory);
			assert_true(quoit_topology_node(t, memory)->allowed);
		}
	}
	assert_int_equal(of_nodes, t->cpu_count);
	for (size_t c = 0; c < t->cpu_count; c++) {
		const struct quoit_topology_cpu *const cpu = &t->cpus[c];
		assert_true(c == 0 || t->cpus[c - 1].cpu < cpu->cpu);
		assert_int_equal(quoit_topology_node_of_cpu(t, cpu->cpu), cpu->node);
		assert_true(cpu->core < QUOIT_CPUS_MAX);
	}
	assert_int_equal(t->guesses > 0, t->first_guess.error != 0);
	assert_int_equal(t->guesses > 0, strlen(t->first_guess.text) > 0);
}

/* Load a machine that must load, and check that exactly `guesses` facts were replaced. */
static inline void load(struct quoit_topology *t, const struct fake_root *root, unsigned guesses)
{
	struct quoit_reason why = {0};
	const int rc = quoit_topology_load(t, root->path, &why);
	if (rc || t->guesses != guesses)
		print_error("load: %d %s; %u guesses: %s\n", rc, why.text, rc ? 0 : t->guesses,
			    rc ? "" : t->first_guess.text);
	assert_int_equal(rc, 0);
	assert_int_equal(t->guesses, guesses);
	check_sound(t);
}

static inline void build_and_load(struct quoit_topology *t, const struct fake_machine *m,
				  unsigned guesses)
{
	struct fake_root root;
	fake_root_build(&root, m);
	load(t, &root, guesses);
	fake_root_remove(&root);
}

/* The usable cpus in list syntax. */
static inline void assert_cpus(const struct quoit_topology *t, const char *list)
{
	struct quoit_idset set = {0};
	char text[128];
	for (size_t i = 0; i < t->cpu_count; i++)
		quoit_idset_add(&set, t->cpus[i].cpu);
	assert_string_equal(quoit_idset_format(&set, text, sizeof text), list);
}

#endif
