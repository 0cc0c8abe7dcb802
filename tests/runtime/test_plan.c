/* SPDX-License-Identifier: MIT */
/*
 * test_plan.c - the cores sit where the plan says, and tell when they are moved.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <quoit.h>

#include "support/skip.h"

struct seat {
	unsigned cpu;
	int node, runs_on, tid;
};

static struct seat seats[64];

static int note_seat(struct quoit_core *core, void *ctx)
{
	struct seat *seat = &seats[quoit_core_index(core) % 64];

	(void)ctx;
	seat->cpu = quoit_core_cpu(core);
	seat->node = quoit_core_node(core);
	seat->runs_on = quoit_thread_cpu();
	quoit_store(&seat->tid, (int)gettid());
	return 0;
}

static struct quoit_runtime *start(const struct quoit_config *config)
{
	struct quoit_runtime *runtime = NULL;
	struct quoit_reason why = {0};
	const int rc = quoit_runtime_start(config, &runtime, &why);

	if (rc == -ENOSYS || rc == -EPERM)
		skip_because("io_uring is refused: %s", why.text);
	if (rc < 0)
		print_error("%s\n", why.text);
	assert_int_equal(rc, 0);
	return runtime;
}

static void stop(struct quoit_runtime *runtime)
{
	quoit_runtime_stop(runtime, 0);
	assert_int_equal(quoit_runtime_wait(runtime, NULL), 0);
}

static void cores_sit_where_the_plan_says(void **state)
{
	(void)state;
	for (int spread = 0; spread < 2; spread++) {
		const struct quoit_config config = {.start = note_seat, .spread = spread};
		struct quoit_runtime *const runtime = start(&config);
		const struct quoit_plan *const plan = quoit_runtime_plan(runtime);
		char text[4096];

		assert_int_equal(plan->count, quoit_runtime_cores(runtime));
		assert_int_equal(plan->spread, spread);
		for (unsigned i = 0; i < plan->count && i < 64; i++) {
			assert_int_equal(seats[i].cpu, plan->loops[i].cpu);
			assert_int_equal(seats[i].runs_on, plan->loops[i].cpu);
			assert_int_equal(seats[i].node, plan->loops[i].memory_node);
		}
		assert_true(quoit_plan_format(plan, text, sizeof(text)) > 0);
		assert_non_null(strstr(text, "loop 0: cpu "));
		stop(runtime);
	}
}

static void a_core_for_each_core_is_the_machines_cores(void **state)
{
	const struct quoit_config config = {.start = note_seat, .one_per_core = true};
	struct quoit_runtime *const runtime = start(&config);
	const struct quoit_plan *const plan = quoit_runtime_plan(runtime);

	(void)state;
	assert_int_equal(plan->count, plan->cores);
	for (unsigned i = 0; i < plan->count; i++)
		assert_int_equal(plan->loops[i].beside, -1);
	stop(runtime);
}

static void only_the_cpus_that_are_given_are_used(void **state)
{
	struct quoit_topology t;
	struct quoit_idset cpus = {0};
	struct quoit_runtime *runtime;

	(void)state;
	assert_int_equal(quoit_topology_load(&t, NULL, NULL), 0);
	quoit_idset_add(&cpus, t.cpus[t.cpu_count - 1].cpu);
	runtime = start(&(struct quoit_config){.start = note_seat, .cpus = &cpus});
	assert_int_equal(quoit_runtime_cores(runtime), 1);
	assert_int_equal(seats[0].runs_on, t.cpus[t.cpu_count - 1].cpu);
	stop(runtime);

	/* More cores than that share them. */
	runtime = start(&(struct quoit_config){.start = note_seat, .cpus = &cpus, .cores = 3});
	assert_true(quoit_runtime_plan(runtime)->shares_cpus);
	for (int i = 0; i < 3; i++)
		assert_int_equal(seats[i].runs_on, t.cpus[t.cpu_count - 1].cpu);
	stop(runtime);
	quoit_topology_fini(&t);
}

static void a_plan_that_cannot_be_made_fails_the_start(void **state)
{
	struct quoit_idset cpus = {0};
	const struct quoit_config configs[] = {
		{.cpus = &cpus},
		{.one_per_core = true, .cores = QUOIT_CORES_MAX},
	};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct quoit_runtime *runtime = NULL;
		struct quoit_reason why = {0};

		assert_int_equal(quoit_runtime_start(&configs[i], &runtime, &why),
				 i ? -EINVAL : -ENODEV);
		assert_null(runtime);
		assert_true(strlen(why.text) > 0);
	}
}

static bool stay_awake(struct quoit_idle *idle, void *ctx)
{
	(void)idle;
	return !quoit_core_is_stopping(ctx);
}

static struct quoit_idle awake;

static int stay_awake_from_now(struct quoit_core *core, void *ctx)
{
	quoit_idle_add(quoit_core_loop(core), &awake, stay_awake, core);
	return note_seat(core, ctx);
}

/* D-54: here somebody moves it from outside, as the kernel does when the cpu goes offline. */
static void a_core_that_is_moved_counts_it(void **state)
{
	struct quoit_topology t;
	struct quoit_runtime *runtime;
	struct quoit_stats stats;
	cpu_set_t other;

	(void)state;
	assert_int_equal(quoit_topology_load(&t, NULL, NULL), 0);
	if (t.cpu_count < 2 || t.cpus[1].cpu >= CPU_SETSIZE) {
		quoit_topology_fini(&t);
		skip_because("there is one cpu only to be on");
	}
	runtime = start(&(struct quoit_config){.cores = 1, .start = stay_awake_from_now});
	assert_int_equal(quoit_runtime_stats(runtime, 0, &stats), 0);
	assert_int_equal(stats.migrations, 0);
	CPU_ZERO(&other);
	CPU_SET(t.cpus[seats[0].cpu == t.cpus[0].cpu].cpu, &other);
	assert_int_equal(sched_setaffinity(quoit_load(&seats[0].tid), sizeof(other), &other), 0);
	while (stats.migrations == 0)
		assert_int_equal(quoit_runtime_stats(runtime, 0, &stats), 0);
	assert_int_equal(stats.migrations, 1);
	stop(runtime);
	quoit_topology_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cores_sit_where_the_plan_says),
		cmocka_unit_test(a_core_for_each_core_is_the_machines_cores),
		cmocka_unit_test(only_the_cpus_that_are_given_are_used),
		cmocka_unit_test(a_plan_that_cannot_be_made_fails_the_start),
		cmocka_unit_test(a_core_that_is_moved_counts_it),
	};
	return cmocka_run_group_tests_name("runtime/plan", tests, NULL, NULL);
}
