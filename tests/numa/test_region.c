/* SPDX-License-Identifier: MIT */
/*
 * test_region.c - memory on a node of this machine, checked with the kernel's own answers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "numa/region_checks.h"

static void every_page_of_a_region_lies_on_its_node(void **state)
{
	(void)state;
	need(granted.bind && granted.tell, "mbind or move_pages");
	struct quoit_region r;
	struct quoit_reason why = {0};
	const size_t pages = 1000;
	const struct quoit_region_options o = {.bytes = pages * page_bytes(), .node = home};
	assert_int_equal(quoit_region_open(&r, &o, &why), 0);
	assert_int_equal(r.degraded, 0);
	assert_int_equal(r.degraded_error, 0);
	assert_int_equal(why.error, 0);
	assert_int_equal(r.pages_checked, pages);
	assert_int_equal(r.pages_elsewhere, 0);
	assert_int_equal(r.pages_absent, 0);

	/* Not on the region's word: ask the kernel here, page by page. */
	for (size_t i = 0; i < pages; i++) {
		void *page = (char *)r.base + i * page_bytes();
		int node = -1;
		assert_int_equal(syscall(SYS_move_pages, 0L, 1L, &page, NULL, &node, 0L), 0);
		assert_int_equal(node, home);
	}
	quoit_region_close(&r);
}

static void a_node_that_is_not_online_degrades(void **state)
{
	(void)state;
	struct quoit_region r;
	struct quoit_reason why = {0};
	const struct quoit_region_options o = {.bytes = page_bytes(), .node = QUOIT_NODES_MAX - 1};
	assert_int_equal(quoit_region_open(&r, &o, &why), 0);
	assert_true(r.degraded & QUOIT_REGION_UNBOUND);
	assert_true(r.degraded_error < 0);
	quoit_region_close(&r);
}

static void a_reserve_fills_only_where_it_is_touched(void **state)
{
	(void)state;
	need(granted.tell, "move_pages");
	struct quoit_region r;
	struct quoit_reason why = {0};
	const size_t pages = 16384;
	const struct quoit_region_options o = {
		.bytes = pages * page_bytes(), .node = home, .reserve = true};
	assert_int_equal(quoit_region_open(&r, &o, &why), 0);
	assert_int_equal(r.pages_checked, 0);
	(void)madvise(r.base, r.bytes, MADV_NOHUGEPAGE); /* so that a touch is one page */
	assert_int_equal(quoit_region_verify(&r, 0), 0);
	assert_int_equal(r.pages_absent, pages);

	for (size_t i = 0; i < 100; i++)
		((volatile char *)r.base)[i * 7 * page_bytes()] = 1;
	assert_int_equal(quoit_region_verify(&r, 0), 0);
	assert_int_equal(r.pages_checked, pages);
	assert_int_equal(r.pages_absent, pages - 100);
	assert_int_equal(r.degraded & QUOIT_REGION_ABSENT, 0);
	quoit_region_close(&r);
}

static void a_locked_region_is_locked_until_it_is_closed(void **state)
{
	(void)state;
	need(granted.lock, "mlock of 1 MiB");
	const long before = locked_kib();
	struct quoit_region r;
	struct quoit_reason why = {0};
	const struct quoit_region_options o = {.bytes = 1 << 20, .node = home, .lock = true};
	assert_int_equal(quoit_region_open(&r, &o, &why), 0);
	assert_int_equal(r.degraded & QUOIT_REGION_UNLOCKED, 0);
	assert_int_equal(locked_kib() - before, 1024);
	quoit_region_close(&r);
	assert_int_equal(locked_kib(), before);
}

/* Whether a forked child has the page. */
static bool child_has(void *base)
{
	const pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(mapped(base) ? 1 : 0);
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status) == 1;
}

static void a_forked_child_has_the_region_unless_it_is_kept_from_it(void **state)
{
	(void)state;
	for (int keep = 0; keep < 2; keep++) {
		struct quoit_region r;
		const struct quoit_region_options o = {
			.bytes = page_bytes(), .node = home, .dontfork = keep};
		assert_int_equal(quoit_region_open(&r, &o, NULL), 0);
		assert_int_equal(r.degraded & QUOIT_REGION_FORKED, 0);
		assert_int_equal(child_has(r.base), !keep);
		quoit_region_close(&r);
	}
}

static void take_cuts_aligned_pieces_until_nothing_is_left(void **state)
{
	(void)state;
	struct quoit_region r;
	const struct quoit_region_options o = {.bytes = 4 * page_bytes() - 100, .node = -1};
	assert_int_equal(quoit_region_open(&r, &o, NULL), 0);
	assert_int_equal(r.bytes, 4 * page_bytes());

	size_t end = 0;
	for (size_t bytes = 1, align = 1; align <= 512; bytes += 17, align *= 2) {
		char *const piece = quoit_region_take(&r, bytes, align);
		assert_non_null(piece);
		assert_int_equal((uintptr_t)piece % align, 0);
		const size_t at = (size_t)(piece - (char *)r.base);
		assert_true(at >= end && at - end < align);
		for (size_t i = 0; i < bytes; i++) {
			assert_int_equal(piece[i], 0); /* fresh: no earlier piece reaches in */
			piece[i] = 1;
		}
		end = at + bytes;
	}
	assert_int_equal(r.taken, end);

	assert_null(quoit_region_take(&r, r.bytes - end + 1, 1));
	assert_null(quoit_region_take(&r, SIZE_MAX, 1));
	assert_null(quoit_region_take(&r, SIZE_MAX - 100, 4096));
	assert_null(quoit_region_take(&r, 1, (size_t)1 << 62));
	assert_int_equal(r.taken, end);
	char *const rest = quoit_region_take(&r, r.bytes - end, 1);
	assert_ptr_equal(rest, (char *)r.base + end);
	assert_null(quoit_region_take(&r, 1, 1));
	quoit_region_close(&r);
}

/* The address is aligned, not the offset: also beyond the page that mmap aligns to. */
static void take_aligns_beyond_a_page(void **state)
{
	(void)state;
	const size_t align = 16 * page_bytes();
	const struct quoit_region_options o = {.bytes = 2 * align + page_bytes(), .node = -1};
	struct quoit_region regions[8]; /* held together, so that they begin at different pages */
	size_t moved = 0;
	for (size_t i = 0; i < 8; i++) {
		struct quoit_region *const r = &regions[i];
		assert_int_equal(quoit_region_open(r, &o, NULL), 0);
		char *const piece = quoit_region_take(r, align, align);
		assert_non_null(piece);
		assert_int_equal((uintptr_t)piece % align, 0);
		assert_true(piece + align <= (char *)r->base + r->bytes);
		moved += piece != r->base;
	}
	assert_true(moved > 0);
	for (size_t i = 0; i < 8; i++)
		quoit_region_close(&regions[i]);
}

static void close_unmaps_and_may_come_twice(void **state)
{
	(void)state;
	struct quoit_region r;
	const struct quoit_region_options o = {.bytes = 1 << 20, .node = home};
	assert_int_equal(quoit_region_open(&r, &o, NULL), 0);
	void *const base = r.base;
	assert_true(mapped(base));
	quoit_region_close(&r);
	assert_false(mapped(base));
	assert_null(r.base);
	quoit_region_close(&r);
	struct quoit_region zeroed = {0};
	quoit_region_close(&zeroed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_page_of_a_region_lies_on_its_node),
		cmocka_unit_test(a_node_that_is_not_online_degrades),
		cmocka_unit_test(a_reserve_fills_only_where_it_is_touched),
		cmocka_unit_test(a_locked_region_is_locked_until_it_is_closed),
		cmocka_unit_test(a_forked_child_has_the_region_unless_it_is_kept_from_it),
		cmocka_unit_test(take_cuts_aligned_pieces_until_nothing_is_left),
		cmocka_unit_test(take_aligns_beyond_a_page),
		cmocka_unit_test(close_unmaps_and_may_come_twice),
	};
	return cmocka_run_group_tests_name("numa/region", tests, find_home, NULL);
}
