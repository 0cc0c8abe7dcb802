/* SPDX-License-Identifier: MIT */
/*
 * test_region_weighted.c - regions interleaved by weight, on kernels that know weights and on those
 * that do not. How many pages then lie where needs several nodes: tests/vm looks.
 *
 * Linked with --wrap=syscall: mbind answers as a test says, and what it was asked is kept.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <cmocka.h>

#include "numa/region_checks.h"
#include "numa/syscalls.h"

#define STATIC_NODES (1 << 15)
#define INTERLEAVE   (3 | STATIC_NODES)
#define WEIGHTED     (6 | STATIC_NODES)

static struct {
	int weighted;	 /* errno to refuse it with; 0: ask the kernel; -1: it is granted */
	int interleaved; /* likewise */
	bool allowed;	 /* get_mempolicy is refused */
} fault;

static struct {
	long mode[8]; /* of the calls in order */
	uint64_t word[8];
	size_t calls;
	void *base;
} seen;

/* What an old kernel cannot do is done in equal parts, but for the name. */
static long wrap_mbind(long a[6])
{
	const int error = a[2] == WEIGHTED     ? fault.weighted
			  : a[2] == INTERLEAVE ? fault.interleaved
					       : 0;

	assert_true(seen.calls < sizeof seen.mode / sizeof *seen.mode);
	seen.base = (void *)a[0];
	seen.mode[seen.calls] = a[2];
	seen.word[seen.calls++] = *(const uint64_t *)a[3];
	if (error > 0) {
		errno = error;
		return -1;
	}
	if (error < 0)
		a[2] = INTERLEAVE;
	return really_call(SYS_mbind, a);
}

long __wrap_syscall(long number, ...)
{
	long a[6] = {0};
	va_list arguments;
	va_start(arguments, number);
	take_arguments(number, arguments, a);
	va_end(arguments);
	if (number == SYS_get_mempolicy && fault.allowed) {
		errno = EPERM;
		return -1;
	}
	return number == SYS_mbind ? wrap_mbind(a) : really_call(number, a);
}

static int setup(void **state)
{
	(void)state;
	memset(&fault, 0, sizeof fault);
	memset(&seen, 0, sizeof seen);
	return 0;
}

static struct quoit_idset at_home(void)
{
	struct quoit_idset nodes = {0};
	quoit_idset_add(&nodes, (unsigned)home);
	return nodes;
}

static void a_kernel_with_weights_is_asked_for_them_once(void **state)
{
	(void)state;
	need(granted.bind && granted.tell, "mbind or move_pages");
	const struct quoit_idset nodes = at_home();
	const uint64_t before = quoit_region_shortfalls();
	struct quoit_region r;
	struct quoit_reason why = {0};
	const struct quoit_region_options o = {.bytes = 50 * page_bytes(),
					       .node = 77, /* of several there is no one */
					       .policy = QUOIT_MEM_WEIGHTED,
					       .nodes = &nodes,
					       .require = true};
	fault.weighted = -1;
	assert_int_equal(quoit_region_open(&r, &o, &why), 0);
	assert_int_equal(seen.calls, 1);
	assert_int_equal(seen.mode[0], WEIGHTED);
	assert_true(seen.word[0] == (uint64_t)1 << home);
	assert_int_equal(r.degraded, 0);
	assert_int_equal(r.degraded_error, 0);
	assert_int_equal(r.policy, QUOIT_MEM_WEIGHTED);
	assert_int_equal(r.node, -1);
	assert_int_equal(r.pages_checked, 50);
	assert_int_equal(r.pages_elsewhere, 0);
	assert_int_equal(quoit_region_verify(&r, 0), 0);
	assert_int_equal(quoit_region_shortfalls(), before);
	assert_int_equal(why.error, 0);
	quoit_region_close(&r);
}

/* Equal parts instead: told, counted, and visible in the region. */
static void a_kernel_without_weights_takes_equal_parts_and_says_so(void **state)
{
	(void)state;
	need(granted.bind && granted.tell, "mbind or move_pages");
	const uint64_t before = quoit_region_shortfalls();
	struct quoit_region r;
	struct quoit_reason why = {0};
	const struct quoit_region_options o = {.bytes = 50 * page_bytes(),
					       .policy = QUOIT_MEM_WEIGHTED};
	fault.weighted = EINVAL;
	assert_int_equal(quoit_region_open(&r, &o, &why), 0);
	assert_int_equal(seen.calls, 2);
	assert_int_equal(seen.mode[0], WEIGHTED);
	assert_int_equal(seen.mode[1], INTERLEAVE);
	assert_true(seen.word[0] == seen.word[1] && seen.word[0] >> home & 1);
	assert_int_equal(r.degraded, QUOIT_REGION_UNWEIGHTED);
	assert_int_equal(r.degraded_error, -EOPNOTSUPP);
	assert_int_equal(why.error, -EOPNOTSUPP);
	assert_non_null(strstr(why.text, "by weight"));
	assert_non_null(strstr(why.text, "6.9"));
	assert_int_equal(r.policy, QUOIT_MEM_INTERLEAVE);
	assert_int_equal(r.pages_checked, 50);
	assert_int_equal(quoit_region_shortfalls(), before + 1);

	/* A later look at the pages does not make it weighted. */
	assert_int_equal(quoit_region_verify(&r, 0), 0);
	assert_int_equal(r.degraded, QUOIT_REGION_UNWEIGHTED);
	assert_int_equal(r.degraded_error, -EOPNOTSUPP);
	memset(r.base, 0xa5, r.bytes);
	quoit_region_close(&r);
}

static void weights_that_are_required_are_refused_without(void **state)
{
	(void)state;
	need(granted.bind, "mbind");
	const uint64_t before = quoit_region_shortfalls();
	struct quoit_region r;
	memset(&r, 0x5a, sizeof r);
	const struct quoit_region untouched = r;
	struct quoit_reason why = {0};
	const struct quoit_region_options o = {
		.bytes = page_bytes(), .policy = QUOIT_MEM_WEIGHTED, .require = true};
	fault.weighted = EINVAL;
	assert_int_equal(quoit_region_open(&r, &o, &why), -EOPNOTSUPP);
	assert_int_equal(why.error, -EOPNOTSUPP);
	assert_memory_equal(&r, &untouched, sizeof r);
	assert_false(mapped(seen.base));
	assert_int_equal(quoit_region_shortfalls(), before);
}

/* It is not the weights then, and nobody is told that it was. */
static void what_is_refused_either_way_is_not_bound(void **state)
{
	(void)state;
	const struct {
		int weighted, interleaved;
		size_t calls;
	} cases[] = {{EPERM, 0, 1}, {ENOSYS, 0, 1}, {EINVAL, EINVAL, 2}, {EINVAL, EPERM, 2}};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const int error = cases[i].interleaved ? cases[i].interleaved : cases[i].weighted;
		struct quoit_region r;
		struct quoit_reason why = {0};
		const struct quoit_region_options o = {.bytes = page_bytes(),
						       .policy = QUOIT_MEM_WEIGHTED};
		setup(state);
		fault.weighted = cases[i].weighted;
		fault.interleaved = cases[i].interleaved;
		assert_int_equal(quoit_region_open(&r, &o, &why), 0);
		assert_int_equal(seen.calls, cases[i].calls);
		assert_true(r.degraded & QUOIT_REGION_UNBOUND);
		assert_false(r.degraded & QUOIT_REGION_UNWEIGHTED);
		assert_int_equal(r.degraded_error, -error);
		assert_non_null(strstr(why.text, "not bound"));
		assert_int_equal(r.policy, QUOIT_MEM_WEIGHTED);
		quoit_region_close(&r);
	}
}

static void nodes_that_are_not_told_are_a_shortfall(void **state)
{
	(void)state;
	struct quoit_region r;
	const struct quoit_region_options o = {.bytes = page_bytes(), .policy = QUOIT_MEM_WEIGHTED};
	fault.allowed = true;
	assert_int_equal(quoit_region_open(&r, &o, NULL), 0);
	assert_int_equal(seen.calls, 0);
	assert_true(r.degraded & QUOIT_REGION_UNBOUND);
	assert_int_equal(r.degraded_error, -EPERM);
	quoit_region_close(&r);
}

/* For memory that is there already nothing else is taken instead. */
static void binding_by_weight_is_all_or_nothing(void **state)
{
	(void)state;
	need(granted.bind, "mbind");
	struct quoit_region r;
	const struct quoit_region_options o = {.bytes = page_bytes(), .node = -1};
	assert_int_equal(quoit_region_open(&r, &o, NULL), 0);
	fault.weighted = -1;
	assert_int_equal(quoit_mem_bind(r.base, r.bytes, -1, QUOIT_MEM_WEIGHTED, 0), 0);
	assert_true(seen.word[0] >> home & 1);
	assert_int_equal(quoit_mem_bind(r.base, r.bytes, home, QUOIT_MEM_WEIGHTED, 0), 0);
	assert_true(seen.word[1] == (uint64_t)1 << home);
	fault.weighted = EINVAL;
	assert_int_equal(quoit_mem_bind(r.base, r.bytes, -1, QUOIT_MEM_WEIGHTED, 0), -EINVAL);
	assert_int_equal(seen.calls, 3);
	quoit_region_close(&r);
}

static void no_node_and_nodes_too_far_are_refused(void **state)
{
	(void)state;
	struct quoit_idset none = {0}, far = {0};
	quoit_idset_add(&far, QUOIT_NODES_MAX);
	const struct quoit_idset *const sets[] = {&none, &far};
	for (size_t i = 0; i < 2; i++) {
		struct quoit_region r;
		struct quoit_reason why = {0};
		const struct quoit_region_options o = {
			.bytes = 1, .policy = QUOIT_MEM_WEIGHTED, .nodes = sets[i]};
		assert_int_equal(quoit_region_open(&r, &o, &why), -EINVAL);
		assert_int_equal(why.error, -EINVAL);
	}
	assert_int_equal(seen.calls, 0);
	assert_true(quoit_mem_is_spread(QUOIT_MEM_WEIGHTED));
	assert_true(quoit_mem_is_spread(QUOIT_MEM_INTERLEAVE));
	assert_false(quoit_mem_is_spread(QUOIT_MEM_BIND));
	assert_false(quoit_mem_is_spread(QUOIT_MEM_LOCAL));
}

/* Without anybody in between: weights from Linux 6.9 on, and what is said of it is true. */
static void this_kernel_knows_weights_if_it_is_new_enough(void **state)
{
	(void)state;
	need(granted.bind && granted.tell, "mbind or move_pages");
	unsigned major = 0, minor = 0;
	struct utsname name;
	struct quoit_region r;
	const struct quoit_region_options o = {.bytes = 20 * page_bytes(),
					       .policy = QUOIT_MEM_WEIGHTED};
	assert_int_equal(uname(&name), 0);
	assert_int_equal(sscanf(name.release, "%u.%u", &major, &minor), 2);
	const bool is_new = major > 6 || (major == 6 && minor >= 9);
	assert_int_equal(quoit_region_open(&r, &o, NULL), 0);
	assert_int_equal(r.degraded, is_new ? 0 : QUOIT_REGION_UNWEIGHTED);
	assert_int_equal(r.policy, is_new ? QUOIT_MEM_WEIGHTED : QUOIT_MEM_INTERLEAVE);
	assert_int_equal(r.pages_checked, 20);
	assert_int_equal(r.pages_elsewhere, 0);
	quoit_region_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_kernel_with_weights_is_asked_for_them_once, setup),
		cmocka_unit_test_setup(a_kernel_without_weights_takes_equal_parts_and_says_so,
				       setup),
		cmocka_unit_test_setup(weights_that_are_required_are_refused_without, setup),
		cmocka_unit_test_setup(what_is_refused_either_way_is_not_bound, setup),
		cmocka_unit_test_setup(nodes_that_are_not_told_are_a_shortfall, setup),
		cmocka_unit_test_setup(binding_by_weight_is_all_or_nothing, setup),
		cmocka_unit_test_setup(no_node_and_nodes_too_far_are_refused, setup),
		cmocka_unit_test_setup(this_kernel_knows_weights_if_it_is_new_enough, setup),
	};
	return cmocka_run_group_tests_name("numa/region_weighted", tests, find_home, NULL);
}
