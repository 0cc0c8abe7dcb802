/* SPDX-License-Identifier: MIT */
/*
 * test_region_kinds.c - regions of every policy, of huge pages, between guards, and by name.
 *
 * Linked with --wrap for syscall, madvise, mmap, mprotect, munmap and prctl. The calls go to the
 * kernel unless a test says otherwise; for huge pages that no machine needs to have set aside it
 * hands out ordinary ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <cmocka.h>

#include "numa/region_checks.h"
#include "numa/syscalls.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED 24
#endif

#define STATIC_NODES (1 << 15)

int __real_madvise(void *base, size_t bytes, int advice);
int __wrap_madvise(void *base, size_t bytes, int advice);
void *__real_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset);
int __real_mprotect(void *base, size_t bytes, int protection);
int __wrap_mprotect(void *base, size_t bytes, int protection);
int __real_munmap(void *base, size_t bytes);
int __wrap_munmap(void *base, size_t bytes);

int __wrap_prctl(int option, unsigned long kind, void *base, size_t bytes, const char *name);
int __real_prctl(int option, ...);

static struct {
	int hugetlb;   /* errno to fail with, or 0; -1: hand out ordinary pages */
	int hugepage;  /* the advice, likewise; -1: take it and do not follow it */
	int populate;  /* once */
	int mbind;     /* the call, for good */
	int open;      /* opening a reservation up */
	int unmap;     /* for good */
	bool race;     /* huge pages go while they are mapped, and another thread is faster */
	int elsewhere; /* the node that move_pages tells for every page, less one */
} fault;

static struct {
	long mode;
	uint64_t word;	   /* first of the mask; all ones without a mask */
	unsigned hugetlb;  /* tries */
	unsigned over;	   /* mappings in the place of others */
	int size;	   /* of them, as a power of two */
	unsigned hugepage; /* advice given */
	void *named;
	size_t named_bytes;
	size_t unmapped; /* bytes */
	char name[80];
} seen;

/* What another thread has mapped where the kernel left a hole. */
static struct {
	char *base;
	size_t bytes;
} theirs;

/* As the kernel does it: what was there is gone, though nothing comes in its place. */
static void *lose_race(void *at, size_t bytes)
{
	__real_munmap(at, bytes);
	theirs.base = __real_mmap(at, bytes, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	theirs.bytes = bytes;
	memset(theirs.base, 0x5a, bytes);
	errno = ENOMEM;
	return MAP_FAILED;
}

void *__wrap_mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	seen.over += (flags & MAP_FIXED) != 0;
	if (flags & MAP_HUGETLB && flags & MAP_FIXED && fault.race)
		return lose_race(at, bytes);
	if (flags & MAP_HUGETLB) {
		seen.hugetlb++;
		seen.size = flags >> 26 & 63;
		if (fault.hugetlb > 0) {
			errno = fault.hugetlb;
			return MAP_FAILED;
		}
		if (fault.hugetlb < 0)
			flags &= MAP_HUGETLB - 1; /* the size stands above it */
	}
	return __real_mmap(at, bytes, protection, flags, fd, offset);
}

int __wrap_mprotect(void *base, size_t bytes, int protection)
{
	errno = fault.open;
	return fault.open ? -1 : __real_mprotect(base, bytes, protection);
}

int __wrap_munmap(void *base, size_t bytes)
{
	errno = fault.unmap;
	if (fault.unmap)
		return -1;
	seen.unmapped += bytes;
	return __real_munmap(base, bytes);
}

int __wrap_madvise(void *base, size_t bytes, int advice)
{
	int error = 0;
	if (advice == MADV_HUGEPAGE) {
		seen.hugepage++;
		error = fault.hugepage;
		if (error < 0)
			return __real_madvise(base, bytes, MADV_NOHUGEPAGE);
	} else if (advice == MADV_POPULATE_WRITE) {
		error = fault.populate;
		fault.populate = 0;
	}
	if (error) {
		errno = error;
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
	if (number == SYS_mbind) {
		seen.mode = a[2];
		seen.word = a[3] ? *(const uint64_t *)a[3] : UINT64_MAX;
		if (fault.mbind) {
			errno = fault.mbind;
			return -1;
		}
	}
	const long rc = really_call(number, a);
	if (number == SYS_move_pages && fault.elsewhere) {
		int *const status = (int *)a[4];
		for (long i = 0; i < a[1]; i++)
			status[i] = fault.elsewhere - 1;
	}
	return rc;
}

/* All calls here are for names. */
int __wrap_prctl(int option, unsigned long kind, void *base, size_t bytes, const char *name)
{
	seen.named = option == 0x53564d41 && kind == 0 ? base : NULL;
	seen.named_bytes = bytes;
	snprintf(seen.name, sizeof(seen.name), "%s", name);
	return __real_prctl(option, kind, base, bytes, name);
}

static int setup(void **state)
{
	(void)state;
	memset(&fault, 0, sizeof fault);
	memset(&seen, 0, sizeof seen);
	return 0;
}

/* --- policies -------------------------------------------------------------------------------- */

static void each_policy_is_the_kernels(void **state)
{
	(void)state;
	need(granted.bind && granted.tell, "mbind or move_pages");
	struct quoit_idset nodes = {0};
	quoit_idset_add(&nodes, (unsigned)home);
	const struct {
		struct quoit_region_options o;
		long mode;
		uint64_t word;
	} cases[] = {
		{{.node = home}, 1, (uint64_t)1 << home},
		{{.node = home, .policy = QUOIT_MEM_BIND}, 2 | STATIC_NODES, (uint64_t)1 << home},
		{{.policy = QUOIT_MEM_INTERLEAVE, .nodes = &nodes},
		 3 | STATIC_NODES,
		 (uint64_t)1 << home},
		{{.node = home, .policy = QUOIT_MEM_LOCAL}, 4, UINT64_MAX},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct quoit_region_options o = cases[i].o;
		struct quoit_region r;
		struct quoit_reason why = {0};
		o.bytes = 100 * page_bytes();
		assert_int_equal(quoit_region_open(&r, &o, &why), 0);
		if (i != 3) /* local is where this thread runs, and that may be a node without */
			assert_int_equal(r.degraded, 0);
		assert_int_equal(seen.mode, cases[i].mode);
		assert_true(seen.word == cases[i].word);
		assert_int_equal(r.policy, o.policy);
		assert_int_equal(r.pages_checked, 100);
		assert_int_equal(r.pages_absent, 0);
		quoit_region_close(&r);
	}
}

static void interleaving_over_everything_is_over_the_cpuset(void **state)
{
	(void)state;
	need(granted.bind && granted.tell, "mbind or move_pages");
	struct quoit_region r;
	const struct quoit_region_options o = {
		.bytes = 64 * page_bytes(), .policy = QUOIT_MEM_INTERLEAVE, .node = 77};
	assert_int_equal(quoit_region_open(&r, &o, NULL), 0);
	assert_int_equal(r.degraded, 0);
	assert_int_equal(r.node, -1); /* of several there is no one */
	assert_true(r.nodes[home / 64] >> (home % 64) & 1);
	assert_int_equal(quoit_region_verify(&r, 0), 0);

	/* A node that is not of the set is elsewhere. */
	fault.elsewhere = QUOIT_NODES_MAX;
	assert_int_equal(quoit_region_verify(&r, 0), 64);
	assert_int_equal(r.degraded, QUOIT_REGION_ELSEWHERE);
	quoit_region_close(&r);
}

/* Local without a node: nobody can say where it should be. */
static void local_without_a_node_is_not_verified(void **state)
{
	(void)state;
	need(granted.bind && granted.tell, "mbind or move_pages");
	struct quoit_region r;
	const struct quoit_region_options o = {
		.bytes = 4 * page_bytes(), .policy = QUOIT_MEM_LOCAL, .node = -1};
	assert_int_equal(quoit_region_open(&r, &o, NULL), 0);
	assert_int_equal(seen.mode, 4);
	assert_int_equal(r.pages_checked, 0);
	assert_int_equal(quoit_region_verify(&r, 0), -EINVAL);
	quoit_region_close(&r);
}

/* D-49: no policy's refusal is ignored. */
static void a_refused_policy_is_degraded_whichever_it_is(void **state)
{
	(void)state;
	for (int policy = QUOIT_MEM_PREFERRED; policy <= QUOIT_MEM_WEIGHTED; policy++) {
		struct quoit_region r;
		struct quoit_reason why = {0};
		const struct quoit_region_options o = {.bytes = page_bytes(),
						       .node = home,
						       .policy = (enum quoit_mem_policy)policy};
		setup(state);
		fault.mbind = EPERM;
		assert_int_equal(quoit_region_open(&r, &o, &why), 0);
		assert_true(r.degraded & QUOIT_REGION_UNBOUND);
		assert_int_equal(r.degraded_error, -EPERM);
		assert_non_null(strstr(why.text, "not bound"));
		quoit_region_close(&r);
	}
}

static void a_region_tells_how_many_pages_lie_where(void **state)
{
	(void)state;
	need(granted.bind && granted.tell, "mbind or move_pages");
	struct quoit_region r;
	struct quoit_mem_residency residency;
	const struct quoit_region_options o = {.bytes = 700 * page_bytes(), .node = home};
	assert_int_equal(quoit_region_open(&r, &o, NULL), 0);
	assert_int_equal(quoit_region_residency(&r, &residency), 0);
	assert_int_equal(residency.pages, 700);
	assert_int_equal(residency.on_node[home], 700);
	assert_int_equal(residency.absent + residency.unknown, 0);
	assert_int_equal(madvise(r.base, 10 * page_bytes(), MADV_DONTNEED), 0);
	assert_int_equal(quoit_region_residency(&r, &residency), 0);
	assert_int_equal(residency.on_node[home], 690);
	assert_int_equal(residency.absent, 10);
	quoit_region_close(&r);
}

/* --- huge pages ------------------------------------------------------------------------------ */

static size_t huge_bytes(void)
{
	return page_bytes() * (page_bytes() / 8);
}

/* Where there are none set aside the kernel looks for some; and what came of it is told. */
static void huge_pages_fall_back_and_say_so(void **state)
{
	(void)state;
	static const enum quoit_region_pages kinds[] = {QUOIT_REGION_TRANSPARENT,
							QUOIT_REGION_HUGE_PAGES};
	for (size_t i = 0; i < 2; i++) {
		struct quoit_region r;
		struct quoit_reason why = {0};
		const struct quoit_region_options o = {
			.bytes = huge_bytes() + 1, .node = home, .pages = kinds[i]};
		setup(state);
		fault.hugetlb = ENOMEM;
		assert_int_equal(quoit_region_open(&r, &o, &why), 0);
		assert_int_equal(r.bytes, 2 * huge_bytes());
		assert_int_equal((uintptr_t)r.base % huge_bytes(), 0);
		assert_int_equal(seen.hugetlb, i);
		assert_int_equal(seen.over, 0); /* asked without a reservation being at stake */
		assert_int_equal(seen.hugepage, 1);
		assert_true(r.huge_bytes <= r.bytes);
		assert_int_equal(r.huge_bytes % huge_bytes(), 0);
		/* Either all of it is in huge pages, or that is a shortfall. */
		if (i == 1 || r.huge_bytes < r.bytes) {
			assert_true(r.degraded & QUOIT_REGION_SMALL);
			assert_non_null(strstr(why.text, "huge pages"));
		} else {
			assert_false(r.degraded & QUOIT_REGION_SMALL);
		}
		memset(r.base, 1, r.bytes);
		quoit_region_close(&r);
	}
}

/* smaps is a long file, and the region's is but one of its mappings. */
static void what_is_in_huge_pages_is_counted(void **state)
{
	(void)state;
	struct quoit_region r;
	const struct quoit_region_options o = {
		.bytes = 4 * huge_bytes(), .node = -1, .pages = QUOIT_REGION_TRANSPARENT};
	assert_int_equal(quoit_region_open(&r, &o, NULL), 0);
	if (r.huge_bytes < r.bytes) {
		quoit_region_close(&r);
		need(false, "transparent huge pages");
	}
	quoit_region_close(&r);

	/* The same without the advice having had an effect. */
	struct quoit_region other;
	struct quoit_reason why = {0};
	fault.hugepage = EINVAL;
	assert_int_equal(quoit_region_open(&other, &o, &why), 0);
	assert_int_equal(other.pages, QUOIT_REGION_SMALL_PAGES);
	assert_int_equal(other.degraded, QUOIT_REGION_SMALL);
	assert_int_equal(other.degraded_error, -EINVAL);
	assert_non_null(strstr(why.text, "no transparent huge pages"));
	quoit_region_close(&other);
}

/* That the kernel takes the advice means nothing: what it did is looked at. */
static void advice_that_is_not_followed_is_told(void **state)
{
	(void)state;
	struct quoit_region r;
	struct quoit_reason why = {0};
	const struct quoit_region_options o = {
		.bytes = 2 * huge_bytes(), .node = -1, .pages = QUOIT_REGION_TRANSPARENT};
	fault.hugepage = -1;
	assert_int_equal(quoit_region_open(&r, &o, &why), 0);
	assert_int_equal(r.huge_bytes, 0);
	assert_int_equal(r.degraded, QUOIT_REGION_SMALL);
	assert_int_equal(r.degraded_error, -ENOMEM);
	assert_non_null(strstr(why.text, "0 of"));
	quoit_region_close(&r);
}

static void huge_pages_set_aside_are_taken(void **state)
{
	(void)state;
	struct quoit_region r;
	const struct quoit_region_options o = {
		.bytes = huge_bytes(), .node = home, .pages = QUOIT_REGION_HUGE_PAGES};
	fault.hugetlb = -1;
	assert_int_equal(quoit_region_open(&r, &o, NULL), 0);
	assert_int_equal(seen.hugetlb, 2); /* once to ask */
	assert_int_equal((size_t)1 << seen.size, huge_bytes());
	assert_int_equal(seen.hugepage, 0);
	assert_int_equal(r.pages, QUOIT_REGION_HUGE_PAGES);
	assert_int_equal(r.huge_bytes, huge_bytes());
	assert_int_equal(r.degraded & QUOIT_REGION_SMALL, 0);
	quoit_region_close(&r);
}

/* They were there, but not on this node: filling fails, and small ones are taken. */
static void huge_pages_that_cannot_be_filled_are_given_up(void **state)
{
	(void)state;
	struct quoit_region r;
	struct quoit_reason why = {0};
	struct quoit_region_options o = {
		.bytes = huge_bytes(), .node = home, .pages = QUOIT_REGION_HUGE_PAGES};
	fault.hugetlb = -1;
	fault.populate = ENOMEM;
	assert_int_equal(quoit_region_open(&r, &o, &why), 0);
	assert_int_equal(r.pages, QUOIT_REGION_TRANSPARENT);
	assert_true(r.degraded & QUOIT_REGION_SMALL);
	assert_int_equal(r.degraded_error, -ENOMEM);
	assert_non_null(strstr(why.text, "nr_hugepages"));
	assert_true(mapped(r.base));
	quoit_region_close(&r);

	fault.populate = ENOMEM;
	o.require = true;
	assert_int_equal(quoit_region_open(&r, &o, &why), -ENOMEM);
}

/* They were there when it was asked, and their place was another's when they were not. */
static void a_place_that_was_lost_is_not_taken_back(void **state)
{
	(void)state;
	for (int refused = 0; refused < 2; refused++) {
		struct quoit_region r = {0};
		struct quoit_reason why = {0};
		const struct quoit_region_options o = {
			.bytes = 2 * huge_bytes(), .node = -1, .pages = QUOIT_REGION_HUGE_PAGES};
		setup(state);
		fault.hugetlb = -1;
		fault.race = true;
		fault.open = refused ? ENOMEM : 0;
		assert_int_equal(quoit_region_open(&r, &o, &why), -fault.open);
		if (!refused) {
			assert_int_equal(r.pages, QUOIT_REGION_TRANSPARENT);
			assert_int_equal(r.bytes, 2 * huge_bytes());
			assert_true(r.degraded & QUOIT_REGION_SMALL);
			assert_int_equal(r.degraded_error, -ENOMEM);
			assert_non_null(strstr(why.text, "vm.nr_hugepages"));
			memset(r.base, 1, r.bytes);
		}
		quoit_region_close(&r);
		for (size_t at = 0; at < theirs.bytes; at += page_bytes()) {
			assert_true(mapped(theirs.base + at));
			assert_int_equal(theirs.base[at], 0x5a);
		}
		/* All else that was mapped is gone: two reservations, and what was asked for. */
		assert_int_equal(seen.unmapped,
				 4 * huge_bytes() + 2 * (huge_bytes() + page_bytes()));
		assert_int_equal(munmap(theirs.base, theirs.bytes), 0);
	}
}

static void what_requires_huge_pages_is_refused_without(void **state)
{
	(void)state;
	struct quoit_region r;
	struct quoit_reason why = {0};
	const struct quoit_region_options o = {.bytes = huge_bytes(),
					       .node = home,
					       .pages = QUOIT_REGION_HUGE_PAGES,
					       .require = true};
	fault.hugetlb = ENOMEM;
	memset(&r, 0x5a, sizeof r);
	const struct quoit_region untouched = r;
	assert_int_equal(quoit_region_open(&r, &o, &why), -ENOMEM);
	assert_memory_equal(&r, &untouched, sizeof r);
	assert_non_null(strstr(why.text, "vm.nr_hugepages"));
}

/* --- guards and names ------------------------------------------------------------------------ */

/* What a child that touches this byte dies of; 0: it lives. */
static int child_dies(char *at)
{
	const pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		signal(SIGSEGV, SIG_DFL); /* not the sanitizer's report */
		*(volatile char *)at = 1;
		_exit(0);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void a_guarded_region_ends_where_it_ends(void **state)
{
	(void)state;
	for (int pages = 0; pages < 2; pages++) {
		struct quoit_region r;
		const struct quoit_region_options o = {.bytes = 3 * page_bytes(),
						       .node = home,
						       .guard = true,
						       .pages = (enum quoit_region_pages)pages};
		assert_int_equal(quoit_region_open(&r, &o, NULL), 0);
		char *const base = r.base;
		assert_int_equal(r.guard_bytes, page_bytes());
		assert_int_equal(child_dies(base - 1), SIGSEGV);
		assert_int_equal(child_dies(base), 0);
		assert_int_equal(child_dies(base + r.bytes - 1), 0);
		assert_int_equal(child_dies(base + r.bytes), SIGSEGV);
		assert_true(mapped(base - page_bytes()) && mapped(base + r.bytes));
		quoit_region_close(&r);
		assert_false(mapped(base - page_bytes()));
		assert_false(mapped(base));
	}
}

static void a_reservation_that_cannot_be_opened_up_is_given_back(void **state)
{
	(void)state;
	struct quoit_region r;
	struct quoit_reason why = {0};
	const struct quoit_region_options o = {.bytes = page_bytes(), .node = home, .guard = true};
	fault.open = ENOMEM;
	assert_int_equal(quoit_region_open(&r, &o, &why), -ENOMEM);
	assert_int_equal(seen.unmapped, 3 * page_bytes());
	assert_int_equal(why.error, -ENOMEM);
	assert_non_null(strstr(why.text, "cannot be mapped"));
}

/* A mapping that its neighbours grew together with, where there may be no more: only addresses
 * stay. */
static void what_cannot_be_cut_out_gives_its_memory_back(void **state)
{
	(void)state;
	for (int locked = 0; locked < 2; locked++) {
		struct quoit_region r;
		const struct quoit_region_options o = {
			.bytes = 4 * page_bytes(), .node = -1, .lock = locked};
		fault.unmap = 0;
		assert_int_equal(quoit_region_open(&r, &o, NULL), 0);
		char *const base = r.base;
		const size_t bytes = r.bytes;
		memset(base, 1, bytes);
		fault.unmap = ENOMEM;
		quoit_region_close(&r);
		fault.unmap = 0;
		assert_null(r.base);
		assert_true(mapped(base));
		const bool can = !locked || !madvise(base, 0, MADV_DONTNEED_LOCKED);
		for (size_t at = 0; at < bytes; at++)
			assert_int_equal(base[at], can ? 0 : 1);
		assert_int_equal(munmap(base, bytes), 0);
	}
}

/* Is there a mapping that begins here, with such a name? */
static bool has_name(const void *base, const char *name)
{
	FILE *const maps = fopen("/proc/self/maps", "re");
	assert_non_null(maps);
	char line[512];
	bool found = false;
	while (fgets(line, sizeof line, maps)) {
		void *from = NULL;
		if (sscanf(line, "%p-", &from) == 1 && from == base && strstr(line, name))
			found = true;
	}
	fclose(maps);
	return found;
}

static void a_region_is_named_in_the_map(void **state)
{
	(void)state;
	struct quoit_region r;
	const struct quoit_region_options o = {
		.bytes = 5 * page_bytes(), .node = home, .name = "quoit [test]"};
	assert_int_equal(quoit_region_open(&r, &o, NULL), 0);
	assert_int_equal(r.degraded & ~(unsigned)QUOIT_REGION_ELSEWHERE, 0);
	assert_ptr_equal(seen.named, r.base);
	assert_int_equal(seen.named_bytes, r.bytes);
	assert_string_equal(seen.name, "quoit _test_"); /* the kernel takes no brackets */
	const bool named = has_name(r.base, "[anon:quoit _test_]");
	assert_int_equal(named, r.named);
	/* Kernels before 5.17, and some after, keep no names. */
	const bool can = !prctl(0x53564d41, 0, r.base, r.bytes, "quoit other");
	quoit_region_close(&r);
	need(named || can, "names of mappings");
	assert_true(named);
}

static void impossible_kinds_are_refused_with_a_reason(void **state)
{
	(void)state;
	struct quoit_idset none = {0};
	struct quoit_idset far = {0};
	quoit_idset_add(&far, QUOIT_NODES_MAX);
	const struct quoit_region_options wishes[] = {
		{.bytes = 1, .node = home, .policy = (enum quoit_mem_policy)5},
		{.bytes = 1, .node = home, .pages = (enum quoit_region_pages)3},
		{.bytes = 1, .policy = QUOIT_MEM_INTERLEAVE, .nodes = &none},
		{.bytes = 1, .policy = QUOIT_MEM_INTERLEAVE, .nodes = &far},
		{.bytes = 1, .node = home, .reserve = true, .pages = QUOIT_REGION_HUGE_PAGES},
		{.bytes = 1, .node = home, .reserve = true, .pages = QUOIT_REGION_TRANSPARENT},
		{.bytes = SIZE_MAX / 2, .node = home, .guard = true},
	};
	for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++) {
		struct quoit_region r;
		struct quoit_reason why = {0};
		assert_int_equal(quoit_region_open(&r, &wishes[i], &why), -EINVAL);
		assert_int_equal(why.error, -EINVAL);
		assert_true(strlen(why.text) > 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(each_policy_is_the_kernels, setup),
		cmocka_unit_test_setup(interleaving_over_everything_is_over_the_cpuset, setup),
		cmocka_unit_test_setup(local_without_a_node_is_not_verified, setup),
		cmocka_unit_test_setup(a_refused_policy_is_degraded_whichever_it_is, setup),
		cmocka_unit_test_setup(a_region_tells_how_many_pages_lie_where, setup),
		cmocka_unit_test_setup(huge_pages_fall_back_and_say_so, setup),
		cmocka_unit_test_setup(what_is_in_huge_pages_is_counted, setup),
		cmocka_unit_test_setup(advice_that_is_not_followed_is_told, setup),
		cmocka_unit_test_setup(huge_pages_set_aside_are_taken, setup),
		cmocka_unit_test_setup(huge_pages_that_cannot_be_filled_are_given_up, setup),
		cmocka_unit_test_setup(a_place_that_was_lost_is_not_taken_back, setup),
		cmocka_unit_test_setup(what_requires_huge_pages_is_refused_without, setup),
		cmocka_unit_test_setup(a_guarded_region_ends_where_it_ends, setup),
		cmocka_unit_test_setup(a_reservation_that_cannot_be_opened_up_is_given_back, setup),
		cmocka_unit_test_setup(what_cannot_be_cut_out_gives_its_memory_back, setup),
		cmocka_unit_test_setup(a_region_is_named_in_the_map, setup),
		cmocka_unit_test_setup(impossible_kinds_are_refused_with_a_reason, setup),
	};
	return cmocka_run_group_tests_name("numa/region_kinds", tests, find_home, NULL);
}
