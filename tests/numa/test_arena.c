/* SPDX-License-Identifier: MIT */
/*
 * test_arena.c - pieces of every node's memory, on this machine and on one that is made up.
 *
 * Linked with --wrap=syscall: mbind may be refused, and where it was asked to put what is kept.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <cmocka.h>

#include <quoit/numa/arena.h>

#include "numa/machines.h"
#include "numa/region_checks.h"
#include "numa/syscalls.h"

static int refuse; /* errno for mbind, or 0 */
static struct {
	uintptr_t base, end;
	int node;
} bound[16];
static size_t bounds;

long __wrap_syscall(long number, ...)
{
	long a[6] = {0};
	va_list arguments;
	va_start(arguments, number);
	take_arguments(number, arguments, a);
	va_end(arguments);
	if (number == SYS_mbind) {
		if (bounds < sizeof bound / sizeof *bound) {
			bound[bounds].base = (uintptr_t)a[0];
			bound[bounds].end = (uintptr_t)(a[0] + a[1]);
			bound[bounds++].node = __builtin_ctzll(*(const uint64_t *)a[3]);
		}
		if (refuse) {
			errno = refuse;
			return -1;
		}
	}
	return really_call(number, a);
}

/* The node that memory at `p` was asked for; -1: none was. */
static int asked_for(const void *p)
{
	for (size_t i = 0; i < bounds; i++)
		if ((uintptr_t)p >= bound[i].base && (uintptr_t)p < bound[i].end)
			return bound[i].node;
	return -1;
}

static struct quoit_arena arena;

static int setup(void **state)
{
	(void)state;
	refuse = 0;
	bounds = 0;
	return 0;
}

static void open_for(const char *machine, const struct quoit_arena_options *o)
{
	struct fake_root root;
	struct quoit_topology t;
	fake_root_build(&root, machine_named(machine));
	assert_int_equal(quoit_topology_load(&t, root.path, NULL), 0);
	fake_root_remove(&root);
	assert_int_equal(quoit_arena_open(&arena, &t, o, NULL), 0);
	quoit_topology_fini(&t); /* not needed any more */
}

static void *take_on(int node, size_t bytes, size_t align)
{
	void *piece = NULL;
	struct quoit_reason why = {0};
	const int rc = quoit_arena_take_on_node(&arena, node, bytes, align, &piece, &why);
	if (rc)
		print_error("%s\n", why.text);
	assert_int_equal(rc, 0);
	assert_int_equal((uintptr_t)piece % align, 0);
	for (size_t i = 0; i < bytes; i++)
		assert_int_equal(((const char *)piece)[i], 0);
	memset(piece, 0xa5, bytes);
	return piece;
}

static void pieces_lie_on_the_node_of_this_machine(void **state)
{
	(void)state;
	need(granted.bind && granted.tell, "mbind or move_pages");
	struct quoit_topology t;
	struct quoit_reason why = {0};
	void *piece;
	assert_int_equal(quoit_topology_load(&t, NULL, NULL), 0);
	assert_int_equal(quoit_arena_open(&arena, &t, &(struct quoit_arena_options){0}, NULL), 0);
	for (size_t i = 0; i < t.cpu_count; i++) {
		const unsigned cpu = t.cpus[i].cpu;
		assert_int_equal(quoit_arena_take_for_cpu(&arena, cpu, 10000, 64, &piece, &why), 0);
		assert_int_equal(quoit_mem_node_of(piece),
				 quoit_topology_memory_node(&t, t.cpus[i].node));
	}
	assert_int_equal(arena.degraded, 0);
	assert_int_equal(arena.chunks_short, 0);
	quoit_arena_close(&arena);
	quoit_topology_fini(&t);
}

/* D-57: nothing of two nodes is on one page. D-50: it is placed before it is touched. */
static void nodes_never_share_a_page(void **state)
{
	(void)state;
	open_for("holes", &(struct quoit_arena_options){.chunk_bytes = 1});
	for (size_t round = 0; round < 4; round++) {
		const void *const a = take_on(0, 24, 8);
		const void *const b = take_on(5, 24, 8);
		assert_int_equal(asked_for(a), 0);
		assert_int_equal(asked_for(b), 5);
		assert_true((uintptr_t)a / page_bytes() != (uintptr_t)b / page_bytes());
	}
	quoit_arena_close(&arena);
}

static void a_node_without_memory_gives_the_nearests(void **state)
{
	(void)state;
	void *piece;
	open_for("memoryless", &(struct quoit_arena_options){0});
	assert_int_equal(asked_for(take_on(2, 100, 8)), 1);
	assert_int_equal(quoit_arena_take_for_cpu(&arena, 3, 100, 8, &piece, NULL), 0);
	assert_int_equal(asked_for(piece), 1);
	quoit_arena_close(&arena);
}

static void a_chunk_is_cut_until_nothing_is_left(void **state)
{
	(void)state;
	open_for("no-numa", &(struct quoit_arena_options){.chunk_bytes = 64 * 1024});
	const char *last = take_on(0, 1000, 8);
	for (size_t i = 1; i < 60; i++) {
		const char *const next = take_on(0, 1000, 8);
		assert_ptr_equal(next, last + 1000);
		last = next;
	}
	assert_int_equal(arena.chunk_count, 1);
	take_on(0, 30000, 8);
	assert_int_equal(arena.chunk_count, 2);

	/* What is larger than a chunk has its own, and the other goes on being cut. */
	take_on(0, 1 << 20, 4096);
	assert_int_equal(arena.chunk_count, 3);
	take_on(0, 30000, 64);
	assert_int_equal(arena.chunk_count, 3);
	assert_true(arena.bytes >= (1 << 20) + 2 * 64 * 1024);
	assert_int_equal(bounds, 0); /* one node: no policy that could be refused */
	quoit_arena_close(&arena);
	assert_null(arena.nodes);
	quoit_arena_close(&arena);
}

/* D-49: counted, told in words, and the memory works. */
static void a_refused_placement_is_counted(void **state)
{
	(void)state;
	open_for("two-sockets", &(struct quoit_arena_options){0});
	refuse = EPERM;
	take_on(0, 100, 8);
	take_on(1, 100, 8);
	assert_int_equal(arena.chunk_count, 2);
	assert_int_equal(arena.chunks_short, 2);
	assert_true(arena.degraded & QUOIT_REGION_UNBOUND);
	assert_int_equal(arena.degraded_why.error, -EPERM);
	assert_non_null(strstr(arena.degraded_why.text, "node 0"));
	quoit_arena_close(&arena);

	void *piece = &arena;
	struct quoit_reason why = {0};
	open_for("two-sockets", &(struct quoit_arena_options){.require = true});
	assert_int_equal(quoit_arena_take_on_node(&arena, 0, 100, 8, &piece, &why), -EPERM);
	assert_ptr_equal(piece, &arena);
	assert_int_equal(why.error, -EPERM);
	assert_int_equal(arena.chunk_count, 0);
	quoit_arena_close(&arena);
}

static void impossible_wishes_are_refused_with_a_reason(void **state)
{
	(void)state;
	static const struct {
		int node;
		size_t bytes, align;
		int error;
	} cases[] = {
		{1, 8, 8, -ENODEV},
		{-1, 8, 8, -ENODEV},
		{0, 0, 8, -EINVAL},
		{0, 8, 0, -EINVAL},
		{0, 8, 24, -EINVAL},
		{0, 8, 1 << 20, -EINVAL},
		{0, SIZE_MAX - 8, 8, -ENOMEM},
		{0, SIZE_MAX / 2 - 4096, 8, -ENOMEM},
	};
	void *piece = &arena;
	open_for("holes", &(struct quoit_arena_options){0});
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct quoit_reason why = {0};
		const int rc = quoit_arena_take_on_node(&arena, cases[i].node, cases[i].bytes,
							cases[i].align, &piece, &why);
		/* The last but one page of the address space: whoever notices first. */
		assert_true(rc == cases[i].error || (i == 7 && rc == -EINVAL));
		assert_int_equal(why.error, rc);
		assert_ptr_equal(piece, &arena);
	}
	assert_int_equal(quoit_arena_take_for_cpu(&arena, 6, 8, 8, &piece, NULL), -ENODEV);
	assert_int_equal(quoit_arena_take_for_cpu(&arena, UINT32_MAX, 8, 8, &piece, NULL), -ENODEV);
	assert_int_equal(bounds, 0);
	quoit_arena_close(&arena);

	struct quoit_topology t;
	struct quoit_reason why = {0};
	const struct quoit_arena_options o = {.chunk_bytes = SIZE_MAX};
	assert_int_equal(quoit_topology_load(&t, NULL, NULL), 0);
	assert_int_equal(quoit_arena_open(&arena, &t, &o, &why), -EINVAL);
	assert_int_equal(why.error, -EINVAL);
	quoit_topology_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(pieces_lie_on_the_node_of_this_machine, setup),
		cmocka_unit_test_setup(nodes_never_share_a_page, setup),
		cmocka_unit_test_setup(a_node_without_memory_gives_the_nearests, setup),
		cmocka_unit_test_setup(a_chunk_is_cut_until_nothing_is_left, setup),
		cmocka_unit_test_setup(a_refused_placement_is_counted, setup),
		cmocka_unit_test_setup(impossible_wishes_are_refused_with_a_reason, setup),
	};
	return cmocka_run_group_tests_name("numa/arena", tests, find_home, NULL);
}
