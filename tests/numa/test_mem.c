/* SPDX-License-Identifier: MIT */
/*
 * test_mem.c - memory that is there already: bound, looked at, locked, brought in.
 *
 * Linked with --wrap=syscall,--wrap=madvise. The calls go to the kernel unless a test sets a fault.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "numa/region_checks.h"
#include "numa/syscalls.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define STATIC_NODES (1 << 15)

int __real_madvise(void *base, size_t bytes, int advice);
int __wrap_madvise(void *base, size_t bytes, int advice);

static struct {
	int mbind, move_pages, mlock2, populate; /* errno to fail with, or 0 */
	int interrupted;			 /* how often populating is, first */
	bool old; /* a kernel that says -EFAULT where nothing was touched yet */
} fault;

static struct {
	size_t calls;
	long mode, flags;
	uint64_t word; /* first of the mask; all ones without a mask */
} seen;

int __wrap_madvise(void *base, size_t bytes, int advice)
{
	if (advice == MADV_POPULATE_WRITE && fault.interrupted) {
		fault.interrupted--;
		errno = EINTR;
		return -1;
	}
	if (advice == MADV_POPULATE_WRITE && fault.populate) {
		errno = fault.populate;
		return -1;
	}
	return __real_madvise(base, bytes, advice);
}

long __wrap_syscall(long number, ...)
{
	long a[6] = {0};
	va_list arguments;
	va_start(arguments, number);
	take_arguments(number, arguments, a);
	va_end(arguments);
	seen.calls++;
	errno = number == SYS_mbind	   ? fault.mbind
		: number == SYS_move_pages ? fault.move_pages
		: number == SYS_mlock2	   ? fault.mlock2
					   : 0;
	if (number == SYS_mbind) {
		seen.mode = a[2];
		seen.flags = a[5];
		seen.word = a[3] ? *(const uint64_t *)a[3] : UINT64_MAX;
	}
	if (errno)
		return -1;
	const long answer = really_call(number, a);
	for (long i = 0; number == SYS_move_pages && fault.old && i < a[1]; i++)
		if (((int *)a[4])[i] == -ENOENT)
			((int *)a[4])[i] = -EFAULT;
	return answer;
}

#define PAGES 16

static char *memory; /* PAGES pages, fresh for each test */

static int setup(void **state)
{
	(void)state;
	memset(&fault, 0, sizeof fault);
	memset(&seen, 0, sizeof seen);
	void *const at = mmap(NULL, PAGES * page_bytes(), PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at == MAP_FAILED)
		return -1;
	(void)__real_madvise(at, PAGES * page_bytes(), MADV_NOHUGEPAGE); /* a touch is a page */
	memory = at;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return munmap(memory, PAGES * page_bytes());
}

static char *page_at(size_t index)
{
	return memory + index * page_bytes();
}

/* --- binding --------------------------------------------------------------------------------- */

/* D-49: the flag goes with the mode. With mbind's flags the kernel refuses the call. */
static void the_static_flag_is_part_of_the_mode(void **state)
{
	(void)state;
	need(granted.bind, "mbind");
	static const struct {
		enum quoit_mem_policy policy;
		long mode;
	} cases[] = {
		{QUOIT_MEM_PREFERRED, 1},
		{QUOIT_MEM_BIND, 2 | STATIC_NODES},
		{QUOIT_MEM_INTERLEAVE, 3 | STATIC_NODES},
		{QUOIT_MEM_LOCAL, 4},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(
			quoit_mem_bind(memory, PAGES * page_bytes(), home, cases[i].policy, 0), 0);
		assert_int_equal(seen.mode, cases[i].mode);
		assert_int_equal(seen.flags, 0);
		assert_true(seen.word == (i == 3 ? UINT64_MAX : (uint64_t)1 << home));
		page_at(i)[0] = 1;
		assert_int_equal(quoit_mem_node_of(page_at(i)), home);
	}
	/* What the older library did, and ignored. */
	uint64_t mask[QUOIT_NODES_MAX / 64] = {(uint64_t)1 << home};
	assert_int_equal(__real_syscall(SYS_mbind, memory, page_bytes(), 2L, mask,
					(long)QUOIT_NODES_MAX + 1, (long)STATIC_NODES),
			 -1);
	assert_int_equal(errno, EINVAL);
}

static void pages_that_are_there_are_moved_or_refused_on_request(void **state)
{
	(void)state;
	need(granted.bind, "mbind");
	memset(memory, 1, PAGES * page_bytes());
	assert_int_equal(quoit_mem_bind(memory, PAGES * page_bytes(), home, QUOIT_MEM_BIND,
					QUOIT_MEM_MOVE | QUOIT_MEM_STRICT),
			 0);
	assert_int_equal(seen.flags, 1 | 2);
	assert_int_equal(
		quoit_mem_bind(memory, page_bytes(), home, QUOIT_MEM_BIND, QUOIT_MEM_STRICT), 0);
	assert_int_equal(seen.flags, 1);
	assert_int_equal(quoit_mem_bind(memory, page_bytes(), home, QUOIT_MEM_BIND, QUOIT_MEM_MOVE),
			 0);
	assert_int_equal(seen.flags, 2);
	assert_int_equal(memory[5], 1);
}

static void interleaving_takes_every_node_of_the_cpuset(void **state)
{
	(void)state;
	need(granted.bind, "mbind");
	assert_int_equal(quoit_mem_bind(memory, PAGES * page_bytes(), -1, QUOIT_MEM_INTERLEAVE, 0),
			 0);
	assert_true(seen.word >> home & 1);
	struct quoit_idset nodes = {0};
	quoit_idset_add(&nodes, (unsigned)home);
	assert_int_equal(
		quoit_mem_bind_nodes(memory, page_bytes(), &nodes, QUOIT_MEM_INTERLEAVE, 0), 0);
	assert_true(seen.word == (uint64_t)1 << home);
}

/* D-50: the kernel's refusal of an address within a page is told, and nothing is rounded. */
static void what_cannot_be_bound_is_refused(void **state)
{
	(void)state;
	const size_t bytes = page_bytes();
	struct quoit_idset nodes = {0};
	assert_int_equal(quoit_mem_bind(memory, bytes, -1, QUOIT_MEM_PREFERRED, 0), -EINVAL);
	assert_int_equal(quoit_mem_bind(memory, bytes, -1, QUOIT_MEM_BIND, 0), -EINVAL);
	assert_int_equal(quoit_mem_bind(memory, bytes, QUOIT_NODES_MAX, QUOIT_MEM_BIND, 0),
			 -EINVAL);
	assert_int_equal(quoit_mem_bind(memory, bytes, home, (enum quoit_mem_policy)9, 0), -EINVAL);
	assert_int_equal(quoit_mem_bind(memory, bytes, home, QUOIT_MEM_BIND, 4), -EINVAL);
	quoit_idset_add(&nodes, QUOIT_NODES_MAX);
	assert_int_equal(quoit_mem_bind_nodes(memory, bytes, &nodes, QUOIT_MEM_BIND, 0), -EINVAL);
	assert_int_equal(seen.calls, 0);
	assert_int_equal(quoit_mem_bind(memory, 0, home, QUOIT_MEM_BIND, 0), 0);
	assert_int_equal(seen.calls, 0);

	need(granted.bind, "mbind");
	assert_int_equal(quoit_mem_bind(memory + 128, bytes, home, QUOIT_MEM_BIND, 0), -EINVAL);
	assert_int_equal(quoit_mem_bind(memory, bytes, QUOIT_NODES_MAX - 1, QUOIT_MEM_BIND, 0),
			 -EINVAL);
	fault.mbind = EPERM;
	assert_int_equal(quoit_mem_bind(memory, bytes, home, QUOIT_MEM_BIND, 0), -EPERM);
}

/* --- looking --------------------------------------------------------------------------------- */

static void looking_tells_where_pages_are_and_brings_none_in(void **state)
{
	(void)state;
	need(granted.tell, "move_pages");
	struct quoit_mem_residency r;
	assert_int_equal(quoit_mem_node_of(memory), -ENOENT);
	assert_int_equal(quoit_mem_read_residency(memory, PAGES * page_bytes(), &r), 0);
	assert_int_equal(r.pages, PAGES);
	assert_int_equal(r.absent, PAGES);
	for (size_t i = 0; i < PAGES; i += 3)
		page_at(i)[0] = 1;
	assert_int_equal(quoit_mem_read_residency(memory, PAGES * page_bytes(), &r), 0);
	size_t here = 0;
	for (size_t node = 0; node < QUOIT_NODES_MAX; node++)
		here += r.on_node[node];
	assert_int_equal(here, 6);
	assert_int_equal(r.absent, PAGES - 6);
	assert_int_equal(r.unknown, 0);
	assert_int_equal(quoit_mem_node_of(page_at(3) + 77), quoit_mem_node_of(page_at(3)));
	assert_true(quoit_mem_node_of(page_at(3)) >= 0);
	assert_int_equal(quoit_mem_node_of(page_at(4)), -ENOENT);
}

static void every_page_that_is_touched_on_is_counted(void **state)
{
	(void)state;
	need(granted.tell, "move_pages");
	const size_t page = page_bytes();
	struct quoit_mem_residency r;
	assert_int_equal(quoit_mem_read_residency(memory + page - 1, 2, &r), 0);
	assert_int_equal(r.pages, 2);
	assert_int_equal(quoit_mem_read_residency(memory + page - 1, 1, &r), 0);
	assert_int_equal(r.pages, 1);
	assert_int_equal(quoit_mem_read_residency(memory, 2 * page, &r), 0);
	assert_int_equal(r.pages, 2);
	assert_int_equal(quoit_mem_read_residency(memory, 0, &r), 0);
	assert_int_equal(r.pages, 0);
}

static void more_pages_than_a_batch_are_all_counted(void **state)
{
	(void)state;
	need(granted.tell, "move_pages");
	const size_t pages = 1500;
	char *const large = mmap(NULL, pages * page_bytes(), PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(large != MAP_FAILED);
	struct quoit_mem_residency r;
	assert_int_equal(quoit_mem_prefault(large, pages * page_bytes()), 0);
	assert_int_equal(quoit_mem_read_residency(large, pages * page_bytes(), &r), 0);
	assert_int_equal(r.pages, pages);
	assert_int_equal(r.absent, 0);
	munmap(large, pages * page_bytes());
}

static void what_is_not_mapped_is_unknown(void **state)
{
	(void)state;
	need(granted.tell, "move_pages");
	struct quoit_mem_residency r;
	assert_int_equal(munmap(page_at(4), page_bytes()), 0);
	for (int old = 0; old < 2; old++) {
		fault.old = old;
		assert_int_equal(quoit_mem_node_of(page_at(3)), -ENOENT);
		assert_int_equal(quoit_mem_node_of(page_at(4)), -EFAULT);
		assert_int_equal(quoit_mem_read_residency(memory, PAGES * page_bytes(), &r), 0);
		assert_int_equal(r.unknown, 1);
		assert_int_equal(r.absent, PAGES - 1);
	}

	fault.move_pages = EPERM;
	memset(&r, 0x5a, sizeof r);
	const struct quoit_mem_residency untouched = r;
	assert_int_equal(quoit_mem_read_residency(memory, page_bytes(), &r), -EPERM);
	assert_memory_equal(&r, &untouched, sizeof r);
	assert_int_equal(quoit_mem_node_of(memory), -EPERM);
}

/* --- locking and bringing in ----------------------------------------------------------------- */

static void a_lock_brings_pages_in_and_one_unlock_ends_it(void **state)
{
	(void)state;
	need(granted.lock, "mlock");
	const long before = locked_kib();
	const long page_kib = (long)page_bytes() / 1024;
	assert_int_equal(quoit_mem_lock(memory + 100, 2 * page_bytes()), 0);
	assert_int_equal(locked_kib() - before, 3 * page_kib); /* it touches three */
	if (granted.tell)
		assert_true(quoit_mem_node_of(page_at(2)) >= 0);
	assert_int_equal(quoit_mem_lock(memory, page_bytes()), 0); /* locks do not nest */
	assert_int_equal(quoit_mem_unlock(memory, 3 * page_bytes()), 0);
	assert_int_equal(locked_kib(), before);
}

/* A25, A26: as the seed has it. */
static void no_bytes_and_no_lock_are_no_errors(void **state)
{
	(void)state;
	assert_int_equal(quoit_mem_lock(memory, 0), 0);
	assert_int_equal(quoit_mem_lock(NULL, 0), 0);
	assert_int_equal(quoit_mem_unlock(NULL, 0), 0);
	assert_int_equal(quoit_mem_prefault(NULL, 0), 0);
	assert_int_equal(seen.calls, 0);
	assert_int_equal(quoit_mem_unlock(memory, page_bytes()), 0);
}

static void a_refused_lock_is_told(void **state)
{
	(void)state;
	fault.mlock2 = EPERM;
	assert_int_equal(quoit_mem_lock(memory, 1), -EPERM);
	fault.mlock2 = 0;
	assert_int_equal(munmap(page_at(1), page_bytes()), 0);
	assert_int_equal(quoit_mem_lock(page_at(1), page_bytes()), -ENOMEM);
	assert_int_equal(quoit_mem_unlock(page_at(1), page_bytes()), -ENOMEM);
	assert_int_equal(quoit_mem_prefault(page_at(1), page_bytes()), -ENOMEM);
}

static void prefaulting_brings_in_and_changes_nothing(void **state)
{
	(void)state;
	static const int refusals[] = {0, EINVAL, EPERM, ENOSYS};
	for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
		fault.populate = refusals[i];
		fault.interrupted = 2;
		memcpy(page_at(3 * i + 1) + 8, "what it holds", 14);
		memcpy(page_at(3 * i + 1), "from the start", 14);
		/* From within one page into the next but one. */
		assert_int_equal(quoit_mem_prefault(page_at(3 * i) + 9, page_bytes() * 2), 0);
		assert_memory_equal(page_at(3 * i + 1), "from the start", 14);
		for (size_t p = 3 * i; p < 3 * i + 3 && granted.tell; p++)
			assert_true(quoit_mem_node_of(page_at(p)) >= 0);
	}
	if (granted.tell)
		assert_int_equal(quoit_mem_node_of(page_at(13)), -ENOENT);
	assert_int_equal(quoit_mem_prefault(memory, SIZE_MAX), -EINVAL);
}

/* No kernel makes a signal of it, be it one that knows no better way than to write. */
static void prefaulting_what_cannot_be_written_is_an_answer(void **state)
{
	(void)state;
	static const int refusals[] = {0, EINVAL, EPERM, ENOSYS};
	assert_int_equal(mprotect(page_at(14), page_bytes(), PROT_READ), 0);
	assert_int_equal(munmap(page_at(2), page_bytes()), 0);
	for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
		fault.populate = refusals[i];
		assert_int_equal(quoit_mem_prefault(page_at(14), 1), -EFAULT);
		assert_int_equal(quoit_mem_prefault(page_at(13), 2 * page_bytes()), -EFAULT);
		assert_int_equal(quoit_mem_prefault(page_at(2), 1), -ENOMEM);
		assert_int_equal(quoit_mem_prefault(page_at(1), 2 * page_bytes()), -ENOMEM);
	}
}

/* What holds the most negative numbers stays, as does anything else. */
static void touching_a_word_leaves_it_as_it_is(void **state)
{
	(void)state;
	static const uint32_t words[] = {0, 1, 0x7fffffff, 0x80000000, 0xfffff7ff, UINT32_MAX};
	fault.populate = EINVAL;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		memcpy(page_at(i), &words[i], sizeof words[i]);
		assert_int_equal(quoit_mem_prefault(page_at(i), 1), 0);
		assert_memory_equal(page_at(i), &words[i], sizeof words[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_static_flag_is_part_of_the_mode, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			pages_that_are_there_are_moved_or_refused_on_request, setup, teardown),
		cmocka_unit_test_setup_teardown(interleaving_takes_every_node_of_the_cpuset, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_cannot_be_bound_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(looking_tells_where_pages_are_and_brings_none_in,
						setup, teardown),
		cmocka_unit_test_setup_teardown(every_page_that_is_touched_on_is_counted, setup,
						teardown),
		cmocka_unit_test_setup_teardown(more_pages_than_a_batch_are_all_counted, setup,
						teardown),
		cmocka_unit_test_setup_teardown(what_is_not_mapped_is_unknown, setup, teardown),
		cmocka_unit_test_setup_teardown(a_lock_brings_pages_in_and_one_unlock_ends_it,
						setup, teardown),
		cmocka_unit_test_setup_teardown(no_bytes_and_no_lock_are_no_errors, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_refused_lock_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(prefaulting_brings_in_and_changes_nothing, setup,
						teardown),
		cmocka_unit_test_setup_teardown(prefaulting_what_cannot_be_written_is_an_answer,
						setup, teardown),
		cmocka_unit_test_setup_teardown(touching_a_word_leaves_it_as_it_is, setup,
						teardown),
	};
	return cmocka_run_group_tests_name("numa/mem", tests, find_home, NULL);
}
