/* SPDX-License-Identifier: MIT */
/*
 * test_thread.c - pinning on the real machine, checked with libc's own calls.
 *
 * Linked with --wrap=sched_getcpu,--wrap=syscall: a cpu that goes offline between pinning and
 * looking, and a look at the mask that the kernel gets, which few machines are large enough to
 * need.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#include "numa/syscalls.h"

#include <quoit/numa/thread.h>
#include <quoit/numa/topology.h>

int __real_sched_getcpu(void);
int __wrap_sched_getcpu(void);

static int told_cpu = -1; /* what sched_getcpu says instead of the truth; -1: the truth */

int __wrap_sched_getcpu(void)
{
	return told_cpu >= 0 ? told_cpu : __real_sched_getcpu();
}

int __real_getcpu(unsigned *cpu, unsigned *node);
int __wrap_getcpu(unsigned *cpu, unsigned *node);

/* The node and the memory of the calling thread, as the kernel tells them. */
static struct {
	bool no_getcpu, no_mems; /* it does not */
	int node;		 /* another node; below 0: the truth */
	bool has_mems;
	uint64_t mems; /* other nodes */
} told;

int __wrap_getcpu(unsigned *cpu, unsigned *node)
{
	const int rc = __real_getcpu(cpu, node);

	if (told.no_getcpu) {
		errno = ENOSYS;
		return -1;
	}
	*node = told.node < 0 ? *node : (unsigned)told.node;
	return rc;
}

static long wrap_get_mempolicy(const long a[6])
{
	if (told.no_mems) {
		errno = EPERM;
		return -1;
	}
	if (!told.has_mems)
		return really_call(SYS_get_mempolicy, a);
	memset((void *)a[1], 0, (size_t)a[2] / 8);
	*(uint64_t *)a[1] = told.mems;
	return 0;
}

static struct {
	size_t bytes;
	struct quoit_idset cpus;
} passed; /* to the last sched_setaffinity */

long __wrap_syscall(long number, ...)
{
	long a[6] = {0};
	va_list arguments;

	va_start(arguments, number);
	take_arguments(number, arguments, a);
	va_end(arguments);
	if (number == SYS_get_mempolicy)
		return wrap_get_mempolicy(a);
	if (number == SYS_sched_setaffinity) {
		passed.bytes = (size_t)a[1];
		memset(&passed.cpus, 0, sizeof passed.cpus);
		memcpy(&passed.cpus, (const void *)a[2],
		       passed.bytes < sizeof passed.cpus ? passed.bytes : sizeof passed.cpus);
	}
	return really_call(number, a);
}

struct fixture {
	struct quoit_idset before;
};

static int setup(void **state)
{
	static struct fixture fixture;
	told_cpu = -1;
	memset(&told, 0, sizeof told);
	told.node = -1;
	*state = &fixture;
	return quoit_thread_affinity(&fixture.before);
}

static int teardown(void **state)
{
	const struct fixture *const f = *state;
	return quoit_thread_allow(&f->before);
}

/* Not the vDSO and not rseq: the kernel itself. */
static unsigned kernel_cpu(void)
{
	unsigned cpu = UINT32_MAX;
	assert_int_equal(__real_syscall(SYS_getcpu, &cpu, NULL, NULL), 0);
	return cpu;
}

static void affinity_is_what_libc_says(void **state)
{
	const struct fixture *const f = *state;
	cpu_set_t *const mask = CPU_ALLOC(QUOIT_CPUS_MAX);
	const size_t bytes = CPU_ALLOC_SIZE(QUOIT_CPUS_MAX);
	assert_non_null(mask);
	CPU_ZERO_S(bytes, mask);
	assert_int_equal(sched_getaffinity(0, bytes, mask), 0);
	for (unsigned cpu = 0; cpu < QUOIT_CPUS_MAX; cpu++)
		assert_int_equal(quoit_idset_has(&f->before, cpu), CPU_ISSET_S(cpu, bytes, mask));
	assert_int_equal(quoit_idset_count(&f->before), CPU_COUNT_S(bytes, mask));
	CPU_FREE(mask);
}

static void a_thread_can_be_pinned_to_every_allowed_cpu(void **state)
{
	const struct fixture *const f = *state;
	size_t pinned = 0;
	QUOIT_IDSET_FOR_EACH(cpu, &f->before)
	{
		assert_int_equal(quoit_thread_pin((unsigned)cpu), 0);
		struct quoit_idset now;
		assert_int_equal(quoit_thread_affinity(&now), 0);
		assert_int_equal(quoit_idset_count(&now), 1);
		assert_true(quoit_idset_has(&now, (unsigned)cpu));
		assert_int_equal(kernel_cpu(), cpu);
		assert_int_equal(quoit_thread_cpu(), cpu);
		pinned++;
	}
	assert_true(pinned > 0);
}

/* D-55: all cpus of the node that may be used, not its first. */
static void a_thread_can_be_kept_on_a_node(void **state)
{
	(void)state;
	struct quoit_topology topology;
	assert_int_equal(quoit_topology_load(&topology, NULL, NULL), 0);
	for (size_t i = 0; i < topology.node_count; i++) {
		const struct quoit_topology_node *const node = &topology.nodes[i];
		struct quoit_idset now;
		const int rc = quoit_thread_pin_node(&topology, node->id);
		assert_int_equal(rc, node->cpu_count ? 0 : -ENODEV);
		if (rc)
			continue;
		assert_int_equal(quoit_thread_affinity(&now), 0);
		assert_int_equal(quoit_idset_count(&now), node->cpu_count);
		for (size_t c = 0; c < node->cpu_count; c++)
			assert_true(quoit_idset_has(&now, node->cpus[c]));
		assert_int_equal(quoit_thread_node(), node->id);
	}
	assert_int_equal(quoit_thread_pin_node(&topology, QUOIT_NODES_MAX), -ENODEV);
	assert_int_equal(quoit_thread_pin_node(&topology, -1), -ENODEV);
	quoit_topology_fini(&topology);
}

static void the_node_of_a_thread_is_that_of_its_cpu(void **state)
{
	const struct fixture *const f = *state;
	struct quoit_topology topology;
	assert_int_equal(quoit_topology_load(&topology, NULL, NULL), 0);
	QUOIT_IDSET_FOR_EACH(cpu, &f->before)
	{
		assert_int_equal(quoit_thread_pin((unsigned)cpu), 0);
		assert_int_equal(quoit_thread_node(),
				 quoit_topology_node_of_cpu(&topology, (unsigned)cpu));
	}
	quoit_topology_fini(&topology);
}

/* Its own where it may take some, which no file needs to be read for; else as the topology says. */
static void memory_comes_from_the_own_node_or_the_nearest_with_some(void **state)
{
	(void)state;
	struct quoit_topology topology;
	assert_int_equal(quoit_topology_load(&topology, NULL, NULL), 0);
	const int own = quoit_thread_node();
	const int nearest = quoit_topology_memory_node(&topology, own);
	quoit_topology_fini(&topology);
	assert_int_equal(quoit_thread_memory_node(), nearest);

	told.has_mems = true;
	told.node = 61; /* not in the topology: who looked it up there would find none */
	told.mems = (uint64_t)1 << 61;
	assert_int_equal(quoit_thread_memory_node(), 61);
	told.mems = 1;
	assert_int_equal(quoit_thread_memory_node(), -ENODEV);
	told.node = own;
	told.mems = (uint64_t)1 << 61; /* as if ours had none: the topology has the last word */
	assert_int_equal(quoit_thread_memory_node(), nearest);

	told.no_mems = true;
	told.node = 61;
	assert_int_equal(quoit_thread_memory_node(), 61);
	told.no_getcpu = true;
	assert_int_equal(quoit_thread_memory_node(), -ENOSYS);
}

/* libc's fixed mask ends at 1024: the numbers behind must reach the kernel, and be refused by it.
 */
static void a_cpu_that_does_not_exist_is_refused_and_nothing_changes(void **state)
{
	const struct fixture *const f = *state;
	static const unsigned absent[] = {8191, 8192, 100000, UINT32_MAX};
	for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) {
		if (quoit_idset_has(&f->before, absent[i]))
			continue; /* a machine with 8192 cpus */
		assert_int_equal(quoit_thread_pin(absent[i]), -EINVAL);
		struct quoit_idset now;
		assert_int_equal(quoit_thread_affinity(&now), 0);
		assert_memory_equal(&now, &f->before, sizeof now);
	}
	const struct quoit_idset none = {0};
	assert_int_equal(quoit_thread_allow(&none), -EINVAL);
}

static void the_kernel_gets_the_whole_mask(void **state)
{
	(void)state;
	static const unsigned cpus[] = {0, 63, 64, 1023, 1024, 5000, 8191};
	for (size_t i = 0; i < sizeof cpus / sizeof *cpus; i++) {
		const int rc = quoit_thread_pin(cpus[i]);
		assert_true(rc == 0 || rc == -EINVAL); /* as this machine has the cpu or not */
		assert_int_equal(quoit_idset_count(&passed.cpus), 1);
		assert_true(quoit_idset_has(&passed.cpus, cpus[i]));
	}
}

static void a_pin_that_did_not_hold_is_told(void **state)
{
	const struct fixture *const f = *state;
	const int cpu = quoit_idset_next(&f->before, 0);
	told_cpu = cpu + 1;
	const int rc = quoit_thread_pin((unsigned)cpu);
	told_cpu = -1;
	assert_int_equal(rc, -ENODEV);
}

static void allow_takes_several_cpus(void **state)
{
	const struct fixture *const f = *state;
	const int cpu = quoit_idset_next(&f->before, 0);
	assert_int_equal(quoit_thread_pin((unsigned)cpu), 0);
	assert_int_equal(quoit_thread_allow(&f->before), 0);
	struct quoit_idset now;
	assert_int_equal(quoit_thread_affinity(&now), 0);
	assert_memory_equal(&now, &f->before, sizeof now);
}

struct verdict {
	unsigned cpu; /* asked for */
	int pin;
	int runs_on;
	char name[32];
};

static void read_name(char *name, size_t bytes)
{
	memset(name, 0, bytes);
	const int fd = open("/proc/thread-self/comm", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	const ssize_t got = read(fd, name, bytes - 1);
	close(fd);
	if (got > 0)
		name[got - 1] = '\0'; /* its newline */
}

static void *pinned_worker(void *context)
{
	struct verdict *const v = context;
	v->pin = quoit_thread_pin(v->cpu);
	v->runs_on = quoit_thread_cpu();
	if (quoit_thread_name("worker") == 0)
		read_name(v->name, sizeof v->name);
	return NULL;
}

static void pin_and_name_are_the_calling_threads_own(void **state)
{
	const struct fixture *const f = *state;
	char before[32];
	char after[32];
	read_name(before, sizeof before);
	struct verdict v = {.cpu = (unsigned)quoit_idset_next(&f->before, 0)};
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, pinned_worker, &v), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(v.pin, 0);
	assert_int_equal(v.runs_on, v.cpu);
	assert_string_equal(v.name, "worker");

	read_name(after, sizeof after);
	assert_string_equal(after, before);
	struct quoit_idset now;
	assert_int_equal(quoit_thread_affinity(&now), 0);
	assert_memory_equal(&now, &f->before, sizeof now);
}

static void a_long_name_is_cut_to_what_the_kernel_keeps(void **state)
{
	(void)state;
	char before[32];
	char name[32];
	read_name(before, sizeof before);
	assert_int_equal(quoit_thread_name("quoit core number 17"), 0);
	read_name(name, sizeof name);
	assert_string_equal(name, "quoit core numb");
	assert_int_equal(quoit_thread_name(before), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(affinity_is_what_libc_says, setup, teardown),
		cmocka_unit_test_setup_teardown(a_thread_can_be_pinned_to_every_allowed_cpu, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_thread_can_be_kept_on_a_node, setup, teardown),
		cmocka_unit_test_setup_teardown(the_node_of_a_thread_is_that_of_its_cpu, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			memory_comes_from_the_own_node_or_the_nearest_with_some, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_cpu_that_does_not_exist_is_refused_and_nothing_changes, setup, teardown),
		cmocka_unit_test_setup_teardown(the_kernel_gets_the_whole_mask, setup, teardown),
		cmocka_unit_test_setup_teardown(a_pin_that_did_not_hold_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(allow_takes_several_cpus, setup, teardown),
		cmocka_unit_test_setup_teardown(pin_and_name_are_the_calling_threads_own, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_long_name_is_cut_to_what_the_kernel_keeps, setup,
						teardown),
	};
	return cmocka_run_group_tests_name("numa/thread", tests, NULL, NULL);
}
