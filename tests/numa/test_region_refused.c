/* SPDX-License-Identifier: MIT */
/*
 * test_region_refused.c - regions where the kernel refuses, and the order of what they ask it.
 *
 * Linked with --wrap=syscall,--wrap=madvise,--wrap=mmap. The calls really go to the kernel unless a
 * test sets a fault; what was called, and in which order, is kept.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <cmocka.h>

#include "numa/region_checks.h"
#include "numa/syscalls.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

int __real_madvise(void *base, size_t bytes, int advice);
int __wrap_madvise(void *base, size_t bytes, int advice);
void *__real_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);

static struct {
	int mmap, mbind, move_pages, mlock2, populate, dontfork; /* errno to fail with, or 0 */
	int every_other_page_on; /* a node that move_pages answers instead of the truth; or -1 */
} fault;

static struct {
	char order[64]; /* a letter per call, in order */
	size_t calls;
	void *base; /* of the last mmap */
	int mbind_mode, mbind_flags;
	uint64_t mbind_word; /* first word of the mask */
	void *page[1024];    /* looked at by move_pages */
	size_t pages;
} seen;

static int note(char letter, int error)
{
	if (seen.calls + 1 < sizeof seen.order)
		seen.order[seen.calls++] = letter;
	errno = error;
	return error;
}

void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	if (note('m', fault.mmap))
		return MAP_FAILED;
	seen.base = __real_mmap(at, bytes, protection, flags, fd, offset);
	return seen.base;
}

int __wrap_madvise(void *base, size_t bytes, int advice)
{
	/* Without bytes it is only asked whether the kernel knows it: an old one is asked twice. */
	if (advice == MADV_POPULATE_WRITE && bytes && note('p', fault.populate))
		return -1;
	if (advice == MADV_POPULATE_WRITE && fault.populate) {
		errno = fault.populate;
		return -1;
	}
	if (advice == MADV_DONTFORK && note('d', fault.dontfork))
		return -1;
	return __real_madvise(base, bytes, advice);
}

static long wrap_move_pages(const long *a)
{
	if (note('v', fault.move_pages))
		return -1;
	void **const pages = (void **)a[2];
	for (long i = 0; i < a[1] && seen.pages < sizeof seen.page / sizeof *seen.page; i++)
		seen.page[seen.pages++] = pages[i];
	const long rc = __real_syscall(SYS_move_pages, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (fault.every_other_page_on >= 0) {
		int *const status = (int *)a[4];
		for (long i = 0; i < a[1]; i += 2)
			status[i] = fault.every_other_page_on;
	}
	return rc;
}

long __wrap_syscall(long number, ...)
{
	long a[6] = {0};
	va_list arguments;
	va_start(arguments, number);
	take_arguments(number, arguments, a);
	va_end(arguments);

	if (number == SYS_move_pages)
		return wrap_move_pages(a);
	if (number == SYS_mlock2 && note('l', fault.mlock2))
		return -1;
	if (number == SYS_mbind) {
		seen.mbind_mode = (int)a[2];
		seen.mbind_flags = (int)a[5];
		seen.mbind_word = *(const uint64_t *)a[3];
		if (note('b', fault.mbind))
			return -1;
	}
	return really_call(number, a);
}

static int setup(void **state)
{
	(void)state;
	memset(&fault, 0, sizeof fault);
	memset(&seen, 0, sizeof seen);
	fault.every_other_page_on = -1;
	return 0;
}

static void the_policy_comes_before_the_touch_and_the_look_after_it(void **state)
{
	(void)state;
	struct quoit_region r;
	const struct quoit_region_options o = {
		.bytes = 4 * page_bytes(), .node = home, .lock = true, .dontfork = true};
	assert_int_equal(quoit_region_open(&r, &o, NULL), 0);
	assert_string_equal(seen.order, "mbdlpv");
	assert_int_equal(seen.mbind_mode, 1);  /* MPOL_PREFERRED, no mode flags */
	assert_int_equal(seen.mbind_flags, 0); /* mode flags do not belong here at all */
	assert_true(home >= 64 || seen.mbind_word == (uint64_t)1 << home);
	quoit_region_close(&r);
}

static void without_a_node_there_is_no_policy_and_no_shortfall(void **state)
{
	(void)state;
	fault.mbind = EPERM;
	fault.move_pages = EPERM;
	struct quoit_region r;
	const struct quoit_region_options o = {.bytes = page_bytes(), .node = -7, .require = true};
	assert_int_equal(quoit_region_open(&r, &o, NULL), 0);
	assert_string_equal(seen.order, "mp");
	assert_int_equal(r.node, -1);
	assert_int_equal(r.degraded, 0);
	assert_int_equal(quoit_region_verify(&r, 0), -EINVAL);
	quoit_region_close(&r);
}

static void a_refused_mbind_is_reported_and_the_memory_works(void **state)
{
	(void)state;
	static const int errors[] = {EPERM, ENOSYS, EINVAL};
	for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
		setup(state);
		fault.mbind = errors[i];
		struct quoit_region r;
		struct quoit_reason why = {0};
		const struct quoit_region_options o = {.bytes = 1 << 20, .node = home};
		assert_int_equal(quoit_region_open(&r, &o, &why), 0);
		assert_true(r.degraded & QUOIT_REGION_UNBOUND);
		assert_int_equal(r.degraded_error, -errors[i]);
		assert_int_equal(why.error, -errors[i]);
		assert_non_null(strstr(why.text, "not bound"));
		memset(r.base, 0xa5, r.bytes);
		quoit_region_close(&r);
	}
}

static void what_is_required_and_refused_fails_and_leaves_nothing(void **state)
{
	(void)state;
	fault.mbind = EPERM;
	struct quoit_region r;
	memset(&r, 0x5a, sizeof r);
	const struct quoit_region untouched = r;
	struct quoit_reason why = {0};
	const struct quoit_region_options o = {.bytes = 1 << 20, .node = home, .require = true};
	assert_int_equal(quoit_region_open(&r, &o, &why), -EPERM);
	assert_int_equal(why.error, -EPERM);
	assert_memory_equal(&r, &untouched, sizeof r);
	assert_false(mapped(seen.base));
}

/* What will be refused takes no memory, is not counted, and its reason is the lock. */
static void a_lock_that_must_be_is_refused_before_anything_is_filled(void **state)
{
	(void)state;
	struct quoit_region r;
	memset(&r, 0x5a, sizeof r);
	const struct quoit_region untouched = r;
	struct quoit_reason why = {0};
	const uint64_t before = quoit_region_shortfalls();
	struct quoit_region_options o = {.bytes = 1 << 20, .node = home, .must_lock = true};
	fault.mbind = ENOSYS;
	fault.mlock2 = EPERM;
	assert_int_equal(quoit_region_open(&r, &o, &why), -EPERM);
	assert_string_equal(seen.order, "mbl");
	assert_int_equal(why.error, -EPERM);
	assert_non_null(strstr(why.text, "RLIMIT_MEMLOCK"));
	assert_memory_equal(&r, &untouched, sizeof r);
	assert_false(mapped(seen.base));

	o = (struct quoit_region_options){
		.bytes = 1 << 20, .node = home, .lock = true, .require = true};
	assert_int_equal(setup(state), 0);
	fault.mlock2 = EPERM;
	assert_int_equal(quoit_region_open(&r, &o, &why), -EPERM);
	assert_string_equal(seen.order, "mbl");
	assert_int_equal(quoit_region_shortfalls(), before);
}

static void each_other_shortfall_has_its_own_bit(void **state)
{
	(void)state;
	need(granted.bind && granted.tell && granted.lock, "mbind, move_pages or mlock");
	const struct quoit_region_options o = {
		.bytes = 8 * page_bytes(), .node = home, .lock = true, .dontfork = true};
	const struct {
		int *fault;
		int error;
		unsigned bit;
	} cases[] = {
		{&fault.mbind, ENOSYS, QUOIT_REGION_UNBOUND},
		{&fault.dontfork, EINVAL, QUOIT_REGION_FORKED},
		{&fault.mlock2, ENOMEM, QUOIT_REGION_UNLOCKED},
		{&fault.move_pages, EPERM, QUOIT_REGION_UNVERIFIED},
	};
	struct quoit_region r;
	struct quoit_reason why = {0};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		setup(state);
		*cases[i].fault = cases[i].error;
		assert_int_equal(quoit_region_open(&r, &o, &why), 0);
		assert_int_equal(r.degraded, cases[i].bit);
		assert_int_equal(r.degraded_error, -cases[i].error);
		assert_int_equal(why.error, -cases[i].error);
		quoit_region_close(&r);
	}

	/* Two at once: both bits, the words are the first one's. */
	setup(state);
	fault.mbind = ENOSYS;
	fault.move_pages = EPERM;
	assert_int_equal(quoit_region_open(&r, &o, &why), 0);
	assert_int_equal(r.degraded, QUOIT_REGION_UNBOUND | QUOIT_REGION_UNVERIFIED);
	assert_int_equal(r.degraded_error, -ENOSYS);
	assert_int_equal(why.error, -ENOSYS);
	quoit_region_close(&r);
}

static void pages_on_another_node_are_counted_and_healed_by_a_later_look(void **state)
{
	(void)state;
	need(granted.bind && granted.tell, "mbind or move_pages");
	fault.every_other_page_on = home + 1;
	struct quoit_region r;
	struct quoit_reason why = {0};
	const struct quoit_region_options o = {.bytes = 10 * page_bytes(), .node = home};
	assert_int_equal(quoit_region_open(&r, &o, &why), 0);
	assert_int_equal(r.degraded, QUOIT_REGION_ELSEWHERE);
	assert_int_equal(r.degraded_error, -ENOMEM);
	assert_int_equal(r.pages_elsewhere, 5);
	assert_int_equal(r.pages_checked, 10);
	assert_non_null(strstr(why.text, "5 of 10"));

	fault.every_other_page_on = -1;
	assert_int_equal(quoit_region_verify(&r, 0), 0);
	assert_int_equal(r.degraded, 0);
	assert_int_equal(r.degraded_error, 0);
	fault.move_pages = EPERM;
	assert_int_equal(quoit_region_verify(&r, 0), -EPERM);
	assert_int_equal(r.degraded, QUOIT_REGION_UNVERIFIED);
	quoit_region_close(&r);
}

static void a_kernel_that_cannot_populate_gets_touches_instead(void **state)
{
	(void)state;
	need(granted.tell, "move_pages");
	fault.populate = EINVAL;
	struct quoit_region r;
	struct quoit_reason why = {0};
	const struct quoit_region_options o = {.bytes = 64 * page_bytes(), .node = home};
	assert_int_equal(quoit_region_open(&r, &o, &why), 0);
	assert_int_equal(r.pages_checked, 64);
	assert_int_equal(r.pages_absent, 0);
	quoit_region_close(&r);
}

static void memory_that_is_not_there_is_an_error(void **state)
{
	(void)state;
	struct quoit_region r;
	memset(&r, 0x5a, sizeof r);
	const struct quoit_region untouched = r;
	struct quoit_reason why = {0};
	const struct quoit_region_options o = {.bytes = 64 * page_bytes(), .node = home};
	fault.populate = ENOMEM;
	assert_int_equal(quoit_region_open(&r, &o, &why), -ENOMEM);
	assert_int_equal(why.error, -ENOMEM);
	assert_false(mapped(seen.base));

	setup(state);
	fault.mmap = ENOMEM;
	why = (struct quoit_reason){0};
	assert_int_equal(quoit_region_open(&r, &o, &why), -ENOMEM);
	assert_int_equal(why.error, -ENOMEM);
	assert_memory_equal(&r, &untouched, sizeof r);
}

static void impossible_wishes_are_refused_with_a_reason(void **state)
{
	(void)state;
	const struct quoit_region_options wishes[] = {
		{.bytes = 0, .node = home},
		{.bytes = SIZE_MAX, .node = home},
		{.bytes = SIZE_MAX / 2, .node = home},
		{.bytes = 4096, .node = QUOIT_NODES_MAX},
		{.bytes = 4096, .node = home, .reserve = true, .lock = true},
		{.bytes = 4096, .node = home, .reserve = true, .must_lock = true},
	};
	for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++) {
		struct quoit_region r;
		struct quoit_reason why = {0};
		assert_int_equal(quoit_region_open(&r, &wishes[i], &why), -EINVAL);
		assert_int_equal(why.error, -EINVAL);
		assert_true(strlen(why.text) > 0);
	}
	assert_int_equal(seen.calls, 0);
}

static void a_reserve_is_mapped_and_bound_and_no_more(void **state)
{
	(void)state;
	struct quoit_region r;
	const struct quoit_region_options o = {.bytes = 1 << 20, .node = home, .reserve = true};
	assert_int_equal(quoit_region_open(&r, &o, NULL), 0);
	assert_string_equal(seen.order, "mb");
	assert_int_equal(r.pages_checked, 0);
	quoit_region_close(&r);
}

static void a_sampled_look_is_spread_over_the_whole_region(void **state)
{
	(void)state;
	need(granted.tell, "move_pages");
	struct quoit_region r;
	const size_t pages = 1003;
	const struct quoit_region_options o = {
		.bytes = pages * page_bytes(), .node = home, .verify_pages = 17};
	assert_int_equal(quoit_region_open(&r, &o, NULL), 0);
	assert_int_equal(r.pages_checked, 17);
	assert_int_equal(seen.pages, 17);
	const char *last = (const char *)r.base - page_bytes();
	for (size_t i = 0; i < seen.pages; i++) {
		const char *const page = seen.page[i];
		assert_true(page > last);
		assert_true(i == 0 || (size_t)(page - last) <= (pages / 17 + 1) * page_bytes());
		last = page;
	}
	assert_ptr_equal(seen.page[0], r.base);
	assert_true(last < (const char *)r.base + r.bytes);
	assert_true((const char *)r.base + r.bytes - last <=
		    (ptrdiff_t)((pages / 17 + 1) * page_bytes()));
	quoit_region_close(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_policy_comes_before_the_touch_and_the_look_after_it,
				       setup),
		cmocka_unit_test_setup(without_a_node_there_is_no_policy_and_no_shortfall, setup),
		cmocka_unit_test_setup(a_refused_mbind_is_reported_and_the_memory_works, setup),
		cmocka_unit_test_setup(what_is_required_and_refused_fails_and_leaves_nothing,
				       setup),
		cmocka_unit_test_setup(a_lock_that_must_be_is_refused_before_anything_is_filled,
				       setup),
		cmocka_unit_test_setup(each_other_shortfall_has_its_own_bit, setup),
		cmocka_unit_test_setup(pages_on_another_node_are_counted_and_healed_by_a_later_look,
				       setup),
		cmocka_unit_test_setup(a_kernel_that_cannot_populate_gets_touches_instead, setup),
		cmocka_unit_test_setup(memory_that_is_not_there_is_an_error, setup),
		cmocka_unit_test_setup(impossible_wishes_are_refused_with_a_reason, setup),
		cmocka_unit_test_setup(a_reserve_is_mapped_and_bound_and_no_more, setup),
		cmocka_unit_test_setup(a_sampled_look_is_spread_over_the_whole_region, setup),
	};
	return cmocka_run_group_tests_name("numa/region_refused", tests, find_home, NULL);
}
