/* SPDX-License-Identifier: MIT */
/*
 * test_topology_damage.c - files that are missing, cut short, or nonsense.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <cmocka.h>

#include "numa/topology_checks.h"

static void files_cut_short_are_guessed_and_counted(void **state)
{
	(void)state;
	static const char cpus[] = "sys/devices/system/cpu/";
	static const char nodes[] = "sys/devices/system/node/";
	static const struct {
		const char *folder, *file, *text;
		unsigned guesses;
	} cases[] = {
		{cpus, "online", "", 1},
		{cpus, "online", "0-", 1},
		{cpus, "online", "0-3", 1}, /* no newline: perhaps it was 0-31 */
		{cpus, "online", "\n", 1},
		{cpus, "cpu1/topology/core_cpus_list", "", 1},
		{cpus, "cpu1/topology/core_cpus_list", "0\n", 1}, /* without itself */
		{cpus, "cpu1/topology/core_id", "1", 1},
		{cpus, "cpu1/topology/physical_package_id", "x\n", 1},
		{nodes, "online", "", 1},
		{nodes, "online", "0-1", 1},
		{nodes, "online", "\n", 1},
		{nodes, "node1/distance", "", 1},
		{nodes, "node1/distance", "21\n", 1},
		{nodes, "node1/distance", "21 10 30\n", 1},
		{nodes, "node1/distance", "21 zehn\n", 1},
		{nodes, "node1/distance", "21 0\n", 1},
		{nodes, "node1/meminfo", "", 1},
		{nodes, "node1/meminfo", "Node 1 MemTotal:  20", 1},
		{nodes, "node1/meminfo", "Node 1 MemTotal:  20\n", 1},
		{nodes, "node1/meminfo", "Node 1 MemFree:  20 kB\n", 1},
		{nodes, "node1/cpulist", "", 3}, /* and two cpus without a node */
		{nodes, "node1/cpulist", "2-", 3},
		{nodes, "node1/cpulist", "1-3\n", 1}, /* cpu 1 is node 0's already */
		{"proc/", "self/status", "", 2},      /* affinity and cpuset */
		{"proc/", "self/status", "Mems_allowed_list:\t0-\nCpus_allowed_list:\t0-3\n", 1},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct fake_root root;
		char path[128];
		snprintf(path, sizeof path, "%s%s", cases[i].folder, cases[i].file);
		fake_root_build(&root, &two_nodes);
		fake_root_write(&root, path, "%s", cases[i].text);
		struct quoit_topology t;
		load(&t, &root, cases[i].guesses);
		assert_cpus(&t, "0-3");
		if (strcmp(path, "proc/self/status"))
			assert_non_null(strstr(t.first_guess.text, cases[i].file));
		quoit_topology_fini(&t);
		fake_root_remove(&root);
	}
}

static void what_is_guessed_is_the_kernels_default(void **state)
{
	(void)state;
	struct fake_root root;
	fake_root_build(&root, &two_nodes);
	fake_root_write(&root, "sys/devices/system/node/node1/distance", "31\n");
	fake_root_write(&root, "sys/devices/system/node/node0/distance", "\n");
	fake_root_write(&root, "sys/devices/system/node/node1/meminfo", "\n");
	struct quoit_topology t;
	load(&t, &root, 3);
	assert_int_equal(quoit_topology_distance(&t, 1, 0), 31);
	assert_int_equal(quoit_topology_distance(&t, 1, 1), 10);
	assert_int_equal(quoit_topology_distance(&t, 0, 1), 20);
	assert_true(t.nodes[1].has_memory);
	quoit_topology_fini(&t);
	fake_root_remove(&root);
}

static void a_root_without_sysfs_goes_by_the_affinity_mask(void **state)
{
	(void)state;
	const struct fake_machine m = {.cpus_allowed = "1-2", .cpus = 3};
	struct quoit_topology t;
	build_and_load(&t, &m, 1);
	assert_cpus(&t, "1-2");
	quoit_topology_fini(&t);
}

static void assert_refused(const char *path, int error, const char *word)
{
	struct quoit_topology t;
	memset(&t, 0x5a, sizeof t);
	const struct quoit_topology untouched = t;
	struct quoit_reason why = {0};
	const int rc = quoit_topology_load(&t, path, &why);
	if (rc != error || !strstr(why.text, word))
		print_error("load gives %d: %s\n", rc, why.text);
	assert_int_equal(rc, error);
	assert_int_equal(why.error, error);
	assert_non_null(strstr(why.text, word));
	assert_memory_equal(&t, &untouched, sizeof t);
	assert_int_equal(quoit_topology_load(&t, path, NULL), error);
}

static void what_cannot_be_used_at_all_is_refused_with_a_reason(void **state)
{
	(void)state;
	static const struct {
		struct fake_machine machine;
		int error;
		const char *word;
	} cases[] = {
		{{.cpus_online = "0-3", .cpus_allowed = "8-9"}, -ENODEV, "no cpu is left"},
		{{.cpus_online = NULL}, -ENODEV, "that root holds no copy of sys/"},
		{{.cpus_online = "0-8192"}, -E2BIG, "cpu"},
		{{.cpus_online = "0-4294967295"}, -E2BIG, "cpu"},
		{{.cpus_online = "0-3", .nodes_online = "0-1024"}, -E2BIG, "node"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct fake_root root;
		fake_root_build(&root, &cases[i].machine);
		assert_refused(root.path, cases[i].error, cases[i].word);
		fake_root_remove(&root);
	}
	struct fake_root gone;
	fake_root_open(&gone);
	fake_root_remove(&gone);
	assert_refused(gone.path, -ENOENT, "cannot be opened");
}

/* Random damage to every file: whatever comes out is sound, or refused with a reason. */
static void damaged_files_never_give_an_unsound_topology(void **state)
{
	(void)state;
	static const char *const files[] = {
		"sys/devices/system/cpu/online",
		"sys/devices/system/cpu/cpu2/topology/core_cpus_list",
		"sys/devices/system/cpu/cpu3/topology/core_id",
		"sys/devices/system/node/online",
		"sys/devices/system/node/node0/cpulist",
		"sys/devices/system/node/node1/distance",
		"sys/devices/system/node/node1/meminfo",
		"proc/self/status",
	};
	static const char alphabet[] = "0123456789-,:/ \n\tkB(x\377";
	const char *const given = getenv("SEED");
	const uint64_t start = given ? strtoull(given, NULL, 0) : 7;
	uint64_t seed = start;
	size_t loaded = 0;
	size_t refused = 0;
	struct fake_root root;
	fake_root_build(&root, &two_nodes);
	for (int round = 0; round < 2000; round++) {
		char text[48];
		seed = seed * 6364136223846793005u + 1442695040888963407u;
		const size_t length = (size_t)(seed >> 33) % 12;
		uint64_t bits = seed;
		for (size_t i = 0; i < length; i++) {
			bits = bits * 6364136223846793005u + 1442695040888963407u;
			text[i] = alphabet[(bits >> 40) % (sizeof alphabet - 1)];
		}
		text[length] = '\0';
		const size_t file = (size_t)(seed >> 50) % (sizeof files / sizeof *files);
		const bool of_status = file == sizeof files / sizeof *files - 1;
		fake_root_write(&root, files[file], "%s%s%s",
				of_status ? "Cpus_allowed_list:\t0-3\nMems_allowed_list:\t" : "",
				text, seed >> 20 & 3 ? "\n" : "");
		struct quoit_topology t;
		struct quoit_reason why = {0};
		if (quoit_topology_load(&t, root.path, &why) == 0) {
			check_sound(&t);
			quoit_topology_fini(&t);
			loaded++;
		} else {
			assert_true(strlen(why.text) > 0);
			refused++;
		}
	}
	fake_root_remove(&root);
	print_message("seed %llu: %zu loaded, %zu refused\n", (unsigned long long)start, loaded,
		      refused);
	assert_true(loaded > 0 && refused > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_cut_short_are_guessed_and_counted),
		cmocka_unit_test(what_is_guessed_is_the_kernels_default),
		cmocka_unit_test(a_root_without_sysfs_goes_by_the_affinity_mask),
		cmocka_unit_test(what_cannot_be_used_at_all_is_refused_with_a_reason),
		cmocka_unit_test(damaged_files_never_give_an_unsound_topology),
	};
	return cmocka_run_group_tests_name("numa/topology_damage", tests, NULL, NULL);
}
