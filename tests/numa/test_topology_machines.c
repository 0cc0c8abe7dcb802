/* SPDX-License-Identifier: MIT */
/*
 * test_topology_machines.c - every machine of machines.h, and what can be asked of it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <cmocka.h>

#include "numa/machines.h"
#include "numa/topology_checks.h"

/* "usable | id: cpus, memory where, nearest which; ..." */
static void describe(const struct quoit_topology *t, char *text, size_t bytes)
{
	struct quoit_idset set = {0};
	char list[64];
	size_t n = 0;

	for (size_t i = 0; i < t->cpu_count; i++)
		quoit_idset_add(&set, t->cpus[i].cpu);
	n += (size_t)snprintf(text + n, bytes - n, "%s |",
			      quoit_idset_format(&set, list, sizeof list));
	for (size_t i = 0; i < t->node_count; i++) {
		const struct quoit_topology_node *const node = &t->nodes[i];

		memset(&set, 0, sizeof set);
		for (size_t c = 0; c < node->cpu_count; c++)
			quoit_idset_add(&set, node->cpus[c]);
		n += (size_t)snprintf(text + n, bytes - n, "%s %d: %s, memory %d, nearest %d",
				      i ? ";" : "", node->id,
				      quoit_idset_format(&set, list, sizeof list),
				      quoit_topology_memory_node(t, node->id),
				      quoit_topology_nearest(t, node->id));
	}
}

static void every_machine_is_seen_as_it_is(void **state)
{
	(void)state;
	assert_true(MACHINES >= 12);
	for (size_t i = 0; i < MACHINES; i++) {
		struct fake_root root;
		struct quoit_topology t;
		struct quoit_reason why = {0};
		char text[512];

		fake_root_build(&root, &machines[i].machine);
		if (quoit_topology_load(&t, root.path, &why))
			print_error("%s: %s\n", machines[i].name, why.text);
		assert_int_equal(why.error, 0);
		check_sound(&t);
		describe(&t, text, sizeof text);
		if (strcmp(text, machines[i].seen))
			print_error("of %s\n", machines[i].name);
		assert_string_equal(text, machines[i].seen);
		/* Without folders for its cpus their cores and ids are guessed, and nothing else.
		 */
		assert_int_equal(t.guesses, machines[i].machine.cpus ? 0 : 2 * t.cpu_count);
		assert_int_equal(quoit_topology_is_numa(&t), t.node_count > 1);
		quoit_topology_fini(&t);
		fake_root_remove(&root);
	}
}

static void isolated_and_offline_cpus_are_told(void **state)
{
	(void)state;
	struct quoit_topology t;
	build_and_load(&t, machine_named("isolated"), 0);
	assert_false(t.cpus[1].isolated);
	assert_true(t.cpus[2].isolated && !t.cpus[2].tickless);
	assert_true(t.cpus[3].isolated && t.cpus[3].tickless);
	assert_int_equal(quoit_idset_count(&t.offline), 0);
	assert_int_equal(quoit_idset_count(&t.online), 4);
	quoit_topology_fini(&t);

	char text[32];
	build_and_load(&t, machine_named("offline"), 0);
	assert_string_equal(quoit_idset_format(&t.offline, text, sizeof text), "1,4-5");
	assert_string_equal(quoit_idset_format(&t.online, text, sizeof text), "0,2-3");
	assert_false(t.cpus[0].isolated);
	quoit_topology_fini(&t);
}

/* Those that this thread may not use are perhaps online. */
static void nobody_is_offline_where_nobody_tells_who_is_online(void **state)
{
	(void)state;
	struct fake_machine m = two_nodes;
	struct fake_root root;
	struct quoit_topology t;
	m.cpus_allowed = "0-1";
	fake_root_build(&root, &m);
	fake_root_write(&root, "sys/devices/system/cpu/present", "0-3\n");
	fake_root_write(&root, "sys/devices/system/cpu/online", "0-\n");
	load(&t, &root, 1);
	assert_cpus(&t, "0-1");
	assert_int_equal(quoit_idset_count(&t.online), 2);
	assert_int_equal(quoit_idset_count(&t.offline), 0);
	quoit_topology_fini(&t);
	fake_root_remove(&root);
}

static void optional_lists_that_are_mangled_are_guessed(void **state)
{
	(void)state;
	static const char *const files[] = {"isolated", "nohz_full", "present"};
	for (size_t i = 0; i < 3; i++) {
		struct fake_root root;
		struct quoit_topology t;
		char path[64];
		fake_root_build(&root, machine_named("isolated"));
		snprintf(path, sizeof path, "sys/devices/system/cpu/%s", files[i]);
		fake_root_write(&root, path, "1-\n");
		load(&t, &root, 1);
		assert_non_null(strstr(t.first_guess.text, files[i]));
		quoit_topology_fini(&t);
		fake_root_write(&root, path, "0-8192\n");
		load(&t, &root, 1);
		quoit_topology_fini(&t);
		fake_root_remove(&root);
	}
}

static void free_memory_is_a_figure_too(void **state)
{
	(void)state;
	struct fake_machine m = two_nodes;
	struct quoit_topology t;
	m.free_kib[0] = 12345;
	m.free_kib[1] = 4096; /* more than there is: what was freed meanwhile */
	build_and_load(&t, &m, 0);
	assert_true(t.nodes[0].free_bytes == (uint64_t)12345 * 1024);
	assert_true(t.nodes[1].free_bytes == t.nodes[1].memory_bytes);
	quoit_topology_fini(&t);
}

/* D-53: a figure that cannot be is no figure, and 2^64 bytes are not 0. */
static void figures_beyond_all_bounds_are_guessed(void **state)
{
	(void)state;
	static const struct {
		const char *file, *text;
	} cases[] = {
		{"meminfo", "Node 0 MemTotal: 18014398509481984 kB\n"},
		{"meminfo", "Node 0 MemTotal: -5 kB\n"},
		{"meminfo", "Node 0 MemTotal: 99999999999999999999999 kB\n"},
		{"meminfo", "Node 0 MemTotal:\n 5 kB\n"},
		{"meminfo", "Node 0 MemTotal: 64 kB\nNode 0 MemFree: 1 GB\n"},
		{"meminfo", "Node 0 MemTotal: 64 kB\n"},
		{"distance", "-1 21\n"},
		{"distance", "10\n21\n"},
		{"distance", "10 +21\n"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct fake_root root;
		struct quoit_topology t;
		char path[64];
		fake_root_build(&root, &two_nodes);
		snprintf(path, sizeof path, "sys/devices/system/node/node0/%s", cases[i].file);
		fake_root_write(&root, path, "%s", cases[i].text);
		load(&t, &root, 1);
		assert_true(t.nodes[0].has_memory);
		quoit_topology_fini(&t);
		fake_root_remove(&root);
	}
}

static void a_usable_cpu_is_found_by_its_number(void **state)
{
	(void)state;
	struct quoit_topology t;
	build_and_load(&t, machine_named("cpuset"), 0);
	for (unsigned cpu = 0; cpu < 10; cpu++) {
		const struct quoit_topology_cpu *const found = quoit_topology_cpu(&t, cpu);
		const bool usable = cpu == 2 || cpu == 3 || cpu == 6;
		assert_int_equal(found != NULL, usable);
		assert_true(!found || found->cpu == cpu);
	}
	assert_null(quoit_topology_cpu(&t, UINT32_MAX));
	quoit_topology_fini(&t);
}

static void siblings_are_the_usable_ones_of_a_core(void **state)
{
	(void)state;
	struct fake_machine m = *machine_named("desktop");
	struct quoit_topology t;
	struct quoit_idset set;
	char text[32];
	m.cpus_allowed = "0-2,5-6";
	build_and_load(&t, &m, 0);
	assert_int_equal(quoit_topology_siblings(&t, 6, &set), 0);
	assert_string_equal(quoit_idset_format(&set, text, sizeof text), "2,6");
	assert_int_equal(quoit_topology_siblings(&t, 0, &set), 0);
	assert_string_equal(quoit_idset_format(&set, text, sizeof text), "0");
	assert_int_equal(quoit_topology_siblings(&t, 3, &set), -ENODEV);
	assert_string_equal(quoit_idset_format(&set, text, sizeof text), "0");
	quoit_topology_fini(&t);
}

/* Of two sockets: the kernel numbers the cores of each from 0 on. */
static void cores_of_one_number_in_two_sockets_are_two(void **state)
{
	(void)state;
	struct fake_root root;
	struct quoit_topology t;
	struct quoit_idset set;
	char text[32];
	fake_root_build(&root, &two_nodes);
	for (int cpu = 0; cpu < 4; cpu++) {
		char path[96];
		snprintf(path, sizeof path, "sys/devices/system/cpu/cpu%d/topology/core_id", cpu);
		fake_root_write(&root, path, "%d\n", cpu % 2);
		snprintf(path, sizeof path,
			 "sys/devices/system/cpu/cpu%d/topology/physical_package_id", cpu);
		fake_root_write(&root, path, "%d\n", cpu / 2);
	}
	load(&t, &root, 0);
	for (unsigned cpu = 0; cpu < 4; cpu++) {
		assert_int_equal(quoit_topology_cpu(&t, cpu)->core_id, cpu % 2);
		assert_int_equal(quoit_topology_cpu(&t, cpu)->package, cpu / 2);
		assert_int_equal(quoit_topology_siblings(&t, cpu, &set), 0);
		snprintf(text, sizeof text, "%u", cpu);
		assert_string_equal(quoit_idset_format(&set, text + 16, sizeof text - 16), text);
	}
	quoit_topology_fini(&t);
	fake_root_remove(&root);
}

/* D-55: threads of one node get different cpus, cores before siblings. */
static void the_least_used_cpu_of_a_node_is_picked(void **state)
{
	(void)state;
	struct quoit_topology t;
	build_and_load(&t, machine_named("two-sockets"), 0);
	unsigned users[8] = {0};
	static const int of_node_1[] = {2, 3, 6, 7, 2, 3};
	for (size_t i = 0; i < sizeof of_node_1 / sizeof *of_node_1; i++)
		assert_int_equal(quoit_topology_pick_cpu(&t, 1, users), of_node_1[i]);
	assert_int_equal(users[2] + users[3] + users[6] + users[7], 6);
	assert_int_equal(users[0] + users[1] + users[4] + users[5], 0);

	users[6]--; /* one left: its cpu is idle, beside a busy sibling, and so the best */
	assert_int_equal(quoit_topology_pick_cpu(&t, 1, users), 6);
	assert_int_equal(quoit_topology_pick_cpu(&t, -1, users), 0);
	assert_int_equal(quoit_topology_pick_cpu(&t, -1, users), 1);
	assert_int_equal(quoit_topology_pick_cpu(&t, -1, users), 4);
	assert_int_equal(quoit_topology_pick_cpu(&t, 2, users), -ENODEV);
	quoit_topology_fini(&t);

	build_and_load(&t, machine_named("cpuless"), 0);
	assert_int_equal(quoit_topology_pick_cpu(&t, 2, users), -ENODEV);
	assert_int_equal(quoit_topology_nearest(&t, 3), -ENODEV);
	quoit_topology_fini(&t);
}

/* Where siblings have neighbouring numbers, the order of numbers is not that of the picks. */
static void an_idle_core_is_picked_before_a_busy_ones_sibling(void **state)
{
	(void)state;
	static const int picks[] = {0, 2, 1, 3, 0, 2};
	struct fake_root root;
	struct quoit_topology t;
	unsigned users[4] = {0};
	fake_root_build(&root, &two_nodes);
	for (int cpu = 0; cpu < 4; cpu++) {
		char path[64];
		snprintf(path, sizeof path, "sys/devices/system/cpu/cpu%d/topology/core_cpus_list",
			 cpu);
		fake_root_write(&root, path, "%s\n", cpu < 2 ? "0-1" : "2-3");
	}
	load(&t, &root, 0);
	for (size_t i = 0; i < sizeof picks / sizeof *picks; i++)
		assert_int_equal(quoit_topology_pick_cpu(&t, -1, users), picks[i]);
	quoit_topology_fini(&t);
	fake_root_remove(&root);
}

static void a_refresh_tells_whether_anything_has_changed(void **state)
{
	(void)state;
	static const struct {
		const char *path, *text;
		int changed;
	} steps[] = {
		{"sys/devices/system/node/node1/meminfo",
		 "Node 1 MemTotal: 2048 kB\nNode 1 MemFree: 3 kB\n", 0},
		{"sys/devices/system/cpu/present", "0-3\n", 0},
		{"sys/devices/system/cpu/present", "0-4\n", 1},
		{"sys/devices/system/cpu/online", "0,2-3\n", 1},
		{"sys/devices/system/cpu/online", "0-3\n", 1},
		{"sys/devices/system/cpu/isolated", "3\n", 1},
		{"sys/devices/system/node/node1/distance", "30 10\n", 1},
		{"sys/devices/system/node/node1/meminfo",
		 "Node 1 MemTotal: 4096 kB\nNode 1 MemFree: 3 kB\n", 1},
		{"sys/devices/system/cpu/cpu1/topology/core_cpus_list", "0-1\n", 1},
		{"proc/self/status", "Cpus_allowed_list:\t0-3\nMems_allowed_list:\t0\n", 1},
		{"proc/self/status", "Cpus_allowed_list:\t0-2\nMems_allowed_list:\t0\n", 1},
		{"proc/self/status", "Cpus_allowed_list:\t0-2\nMems_allowed_list:\t0\n", 0},
	};
	struct fake_root root;
	struct quoit_topology t;
	struct quoit_reason why = {0};
	fake_root_build(&root, &two_nodes);
	load(&t, &root, 0);
	for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
		fake_root_write(&root, steps[i].path, "%s", steps[i].text);
		const int rc = quoit_topology_refresh(&t, &why);
		if (rc != steps[i].changed)
			print_error("step %zu gives %d: %s\n", i, rc, why.text);
		assert_int_equal(rc, steps[i].changed);
		check_sound(&t);
	}
	assert_int_equal(t.nodes[1].free_bytes, 3 * 1024);

	/* What cannot be had leaves the old picture. */
	fake_root_write(&root, "sys/devices/system/cpu/online", "7\n");
	assert_int_equal(quoit_topology_refresh(&t, &why), -ENODEV);
	assert_cpus(&t, "0-2");
	check_sound(&t);
	quoit_topology_fini(&t);
	fake_root_remove(&root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_machine_is_seen_as_it_is),
		cmocka_unit_test(isolated_and_offline_cpus_are_told),
		cmocka_unit_test(nobody_is_offline_where_nobody_tells_who_is_online),
		cmocka_unit_test(optional_lists_that_are_mangled_are_guessed),
		cmocka_unit_test(free_memory_is_a_figure_too),
		cmocka_unit_test(figures_beyond_all_bounds_are_guessed),
		cmocka_unit_test(a_usable_cpu_is_found_by_its_number),
		cmocka_unit_test(siblings_are_the_usable_ones_of_a_core),
		cmocka_unit_test(cores_of_one_number_in_two_sockets_are_two),
		cmocka_unit_test(the_least_used_cpu_of_a_node_is_picked),
		cmocka_unit_test(an_idle_core_is_picked_before_a_busy_ones_sibling),
		cmocka_unit_test(a_refresh_tells_whether_anything_has_changed),
	};
	return cmocka_run_group_tests_name("numa/topology_machines", tests, NULL, NULL);
}
