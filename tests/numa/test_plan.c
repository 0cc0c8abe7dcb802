/* SPDX-License-Identifier: MIT */
/*
 * test_plan.c - who sits where on machines of many shapes, and why.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <cmocka.h>

#include <quoit/numa/plan.h>

#include "numa/machines.h"

/* The cpus of a plan in order: "0 4 1 5". */
static void seats(const struct quoit_plan *plan, char *text, size_t bytes)
{
	size_t n = 0;
	text[0] = '\0';
	for (unsigned i = 0; i < plan->count; i++)
		n += (size_t)snprintf(text + n, bytes - n, "%s%u", i ? " " : "",
				      plan->loops[i].cpu);
}

/* What holds for every plan. */
static void check_plan(const struct quoit_plan *plan, const struct quoit_topology *t)
{
	assert_true(plan->count > 0);
	assert_true(plan->cores <= plan->cpus);
	bool shares = false;
	for (unsigned i = 0; i < plan->count; i++) {
		const struct quoit_plan_loop *const loop = &plan->loops[i];
		const struct quoit_topology_cpu *const cpu = quoit_topology_cpu(t, loop->cpu);
		char reason[128];
		assert_non_null(cpu);
		assert_int_equal(loop->node, cpu->node);
		assert_int_equal(loop->core, cpu->core);
		assert_int_equal(loop->memory_node, quoit_topology_memory_node(t, cpu->node));
		assert_true(strlen(quoit_plan_reason(plan, i, reason, sizeof reason)) > 5);
		if (loop->shares >= 0) {
			assert_true(loop->shares < (int)i);
			assert_int_equal(plan->loops[loop->shares].cpu, loop->cpu);
			assert_true(i >= plan->cpus); /* not as long as a cpu is idle */
		}
		if (loop->beside >= 0) {
			assert_true(loop->beside < (int)i);
			assert_int_equal(plan->loops[loop->beside].core, loop->core);
			assert_true(i >= plan->cores); /* not as long as a core is */
		}
		shares = shares || loop->shares >= 0;
	}
	assert_int_equal(plan->shares_cpus, shares);
}

static void check_seats(const char *machine, const struct quoit_plan_options *o, const char *cpus)
{
	struct fake_root root;
	struct quoit_topology t;
	struct quoit_plan plan;
	struct quoit_reason why = {0};
	char text[512];
	fake_root_build(&root, machine_named(machine));
	assert_int_equal(quoit_topology_load(&t, root.path, &why), 0);
	fake_root_remove(&root);
	if (quoit_plan_make(&plan, &t, o, &why))
		print_error("%s: %s\n", machine, why.text);
	assert_int_equal(why.error, 0);
	check_plan(&plan, &t);
	seats(&plan, text, sizeof text);
	assert_string_equal(text, cpus);
	quoit_plan_fini(&plan);
	assert_null(plan.loops);
	quoit_plan_fini(&plan);
	quoit_topology_fini(&t);
}

static void cores_come_before_siblings_and_those_before_sharing(void **state)
{
	(void)state;
	check_seats("desktop", &(struct quoit_plan_options){0}, "0 1 2 3 4 5 6 7");
	check_seats("desktop", &(struct quoit_plan_options){.loops = 4}, "0 1 2 3");
	check_seats("desktop", &(struct quoit_plan_options){.loops = 10}, "0 1 2 3 4 5 6 7 0 1");
	check_seats("two-sockets", &(struct quoit_plan_options){0}, "0 1 2 3 4 5 6 7");
	check_seats("no-numa", &(struct quoit_plan_options){0}, "0 1 2");
}

static void one_per_core_leaves_the_siblings_idle(void **state)
{
	(void)state;
	check_seats("desktop", &(struct quoit_plan_options){.one_per_core = true}, "0 1 2 3");
	check_seats("desktop", &(struct quoit_plan_options){.one_per_core = true, .loops = 3},
		    "0 1 2");
	struct quoit_idset cpus = {0}; /* two of them share a core */
	quoit_idset_add(&cpus, 2);
	quoit_idset_add(&cpus, 6);
	quoit_idset_add(&cpus, 7);
	check_seats("desktop", &(struct quoit_plan_options){.one_per_core = true, .cpus = &cpus},
		    "2 7");
}

static void packing_fills_a_node_and_then_the_nearest(void **state)
{
	(void)state;
	check_seats("two-sockets", &(struct quoit_plan_options){.loops = 3}, "0 1 2");
	check_seats("four-uneven", &(struct quoit_plan_options){.loops = 4}, "0 1 2 3");
	check_seats("twisted", &(struct quoit_plan_options){0}, "0 2 3 1");
	/* From node 0, node 2 is nearer than node 1. */
	check_seats("holes", &(struct quoit_plan_options){.loops = 6}, "0 2 3 4 5 1");
	struct quoit_idset cpus = {0};
	quoit_idset_add(&cpus, 1);
	quoit_idset_add(&cpus, 2);
	quoit_idset_add(&cpus, 3);
	/* Of nodes 1, 2, 3 with a cpu each the first is begun with; 2 is nearer to it than 3. */
	check_seats("four-uneven", &(struct quoit_plan_options){.cpus = &cpus}, "1 2 3");
}

static void spreading_takes_the_nodes_in_turn(void **state)
{
	(void)state;
	check_seats("two-sockets", &(struct quoit_plan_options){.spread = true}, "0 2 1 3 4 6 5 7");
	check_seats("two-sockets", &(struct quoit_plan_options){.spread = true, .loops = 3},
		    "0 2 1");
	check_seats("interleaved-2048", &(struct quoit_plan_options){.spread = true},
		    "1022 1023 1024 1025 1026 1027");
}

static void a_node_without_memory_is_the_last_resort(void **state)
{
	(void)state;
	check_seats("memoryless", &(struct quoit_plan_options){0}, "0 1 2 3");
	check_seats("memoryless", &(struct quoit_plan_options){.spread = true}, "0 1 2 3");
	/* The larger node is not allowed to give memory: the other comes first. */
	check_seats("cpuset", &(struct quoit_plan_options){0}, "6 2 3");
	check_seats("nowhere-to-take-memory", &(struct quoit_plan_options){0}, "0 1");
}

static void every_machine_can_be_planned(void **state)
{
	(void)state;
	for (size_t m = 0; m < MACHINES; m++) {
		struct fake_root root;
		struct quoit_topology t;
		struct quoit_reason why = {0};
		fake_root_build(&root, &machines[m].machine);
		assert_int_equal(quoit_topology_load(&t, root.path, &why), 0);
		fake_root_remove(&root);
		for (unsigned loops = 0; loops < 20; loops++) {
			for (int spread = 0; spread < 2; spread++) {
				const struct quoit_plan_options o = {.loops = loops,
								     .spread = spread};
				struct quoit_plan plan;
				assert_int_equal(quoit_plan_make(&plan, &t, &o, &why), 0);
				assert_int_equal(plan.count, loops ? loops : t.cpu_count);
				check_plan(&plan, &t);
				quoit_plan_fini(&plan);
			}
		}
		quoit_topology_fini(&t);
	}
}

static void a_plan_is_told_in_words(void **state)
{
	(void)state;
	static const char expected[] =
		"5 loops on 4 of 4 cpus (4 cores, 3 nodes), one node after the other\n"
		"loop 0: cpu 0 of node 0, a core of its own\n"
		"loop 1: cpu 1 of node 1, a core of its own\n"
		"loop 2: cpu 2 of node 2, a core of its own; memory of node 1, the nearest that "
		"has "
		"some\n"
		"loop 3: cpu 3 of node 2, a core of its own; memory of node 1, the nearest that "
		"has "
		"some\n"
		"loop 4: cpu 0 of node 0, in turn with loop 0: no cpu is left\n";
	struct fake_root root;
	struct quoit_topology t;
	struct quoit_plan plan;
	char text[sizeof expected + 10];
	fake_root_build(&root, machine_named("memoryless"));
	assert_int_equal(quoit_topology_load(&t, root.path, NULL), 0);
	fake_root_remove(&root);
	const struct quoit_plan_options o = {.loops = 5};
	assert_int_equal(quoit_plan_make(&plan, &t, &o, NULL), 0);
	assert_int_equal(quoit_plan_format(&plan, text, sizeof text), sizeof expected - 1);
	assert_string_equal(text, expected);

	/* Cut where the room ends, and the length told all the same. */
	for (size_t bytes = 0; bytes < sizeof expected; bytes++) {
		memset(text, '#', sizeof text);
		assert_int_equal(quoit_plan_format(&plan, text, bytes), sizeof expected - 1);
		assert_int_equal(text[bytes], '#');
		if (bytes) {
			assert_memory_equal(text, expected, bytes - 1);
			assert_int_equal(text[bytes - 1], '\0');
		}
	}
	quoit_plan_fini(&plan);
	quoit_topology_fini(&t);
}

static void siblings_and_isolation_are_told(void **state)
{
	(void)state;
	static const struct {
		const char *machine;
		unsigned loop;
		const char *reason;
	} cases[] = {
		{"desktop", 5, "beside loop 1: no core is left"},
		{"isolated", 2, "a core of its own, isolated"},
		{"nowhere-to-take-memory", 1, "a core of its own; no node has memory for it"},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct fake_root root;
		struct quoit_topology t;
		struct quoit_plan plan;
		char text[128];
		const struct quoit_plan_options o = {0};
		fake_root_build(&root, machine_named(cases[i].machine));
		assert_int_equal(quoit_topology_load(&t, root.path, NULL), 0);
		fake_root_remove(&root);
		assert_int_equal(quoit_plan_make(&plan, &t, &o, NULL), 0);
		assert_string_equal(quoit_plan_reason(&plan, cases[i].loop, text, sizeof text),
				    cases[i].reason);
		assert_string_equal(quoit_plan_reason(&plan, cases[i].loop, text, 1), "");
		quoit_plan_fini(&plan);
		quoit_topology_fini(&t);
	}
}

static void impossible_wishes_are_refused_with_a_reason(void **state)
{
	(void)state;
	const struct quoit_idset nobody = {0};
	struct quoit_idset nowhere = {0};
	quoit_idset_add(&nowhere, 17);
	const struct {
		struct quoit_plan_options o;
		int error;
		const char *word;
	} cases[] = {
		{{.loops = 5, .one_per_core = true}, -EINVAL, "there are 4"},
		{{.loops = QUOIT_PLAN_LOOPS_MAX + 1}, -EINVAL, "8192"},
		{{.cpus = &nowhere}, -ENODEV, "17"},
		{{.cpus = &nobody}, -ENODEV, "`cpus` is empty"},
	};
	struct fake_root root;
	struct quoit_topology t;
	fake_root_build(&root, machine_named("desktop"));
	assert_int_equal(quoit_topology_load(&t, root.path, NULL), 0);
	fake_root_remove(&root);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct quoit_plan plan;
		memset(&plan, 0x5a, sizeof plan);
		const struct quoit_plan untouched = plan;
		struct quoit_reason why = {0};
		assert_int_equal(quoit_plan_make(&plan, &t, &cases[i].o, &why), cases[i].error);
		assert_int_equal(why.error, cases[i].error);
		assert_non_null(strstr(why.text, cases[i].word));
		assert_memory_equal(&plan, &untouched, sizeof plan);
	}
	quoit_topology_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cores_come_before_siblings_and_those_before_sharing),
		cmocka_unit_test(one_per_core_leaves_the_siblings_idle),
		cmocka_unit_test(packing_fills_a_node_and_then_the_nearest),
		cmocka_unit_test(spreading_takes_the_nodes_in_turn),
		cmocka_unit_test(a_node_without_memory_is_the_last_resort),
		cmocka_unit_test(every_machine_can_be_planned),
		cmocka_unit_test(a_plan_is_told_in_words),
		cmocka_unit_test(siblings_and_isolation_are_told),
		cmocka_unit_test(impossible_wishes_are_refused_with_a_reason),
	};
	return cmocka_run_group_tests_name("numa/plan", tests, NULL, NULL);
}
