/* SPDX-License-Identifier: MIT */
/*
 * memory.c - what the library takes from mmap and malloc, counted, so that a leak is seen in the
 * seed that makes it; and the simulation's own memory, which is not.
 */
#include <sim/seam.h>
#include <sim/sim.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HELD_MAX 4096

struct held {
	void *base;
	size_t bytes; /* of a mapping; 0: from malloc */
	bool rings;   /* a view of a ring's memory, which the ring owns */
};

static struct held held[HELD_MAX];
static size_t held_count;

void *sim_alloc(size_t bytes)
{
	void *memory = __real_calloc(1, bytes ? bytes : 1);

	if (!memory)
		_Exit(99);
	return memory;
}

void sim_free(void *memory)
{
	__real_free(memory);
}

static void hold(void *base, size_t bytes, bool rings)
{
	if (held_count == HELD_MAX) {
		sim_violation("memory runs out: something is never freed");
		return;
	}
	held[held_count++] = (struct held){base, bytes, rings};
}

static bool let_go(const void *base, size_t bytes)
{
	for (size_t i = held_count; i-- > 0;) {
		if (held[i].base != base || held[i].bytes != bytes)
			continue;
		held[i] = held[--held_count];
		return true;
	}
	return false;
}

size_t sim_memory_held(void)
{
	return held_count;
}

/* What a seed has left behind, whether it was allowed to or not. */
void sim_memory_reset(void)
{
	while (held_count) {
		const struct held *last = &held[--held_count];

		if (!last->bytes)
			__real_free(last->base);
		else if (!last->rings)
			__real_munmap(last->base, last->bytes);
	}
}

/* --- mappings -------------------------------------------------------------------------------- */

void *__wrap_mmap(void *hint, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	struct sim_file *file;
	void *at;

	if (!sim.active)
		return __real_mmap(hint, bytes, protection, flags, fd, offset);
	if (sim_fault(SIM_MMAP_ENOMEM)) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	if (fd < 0) {
		at = __real_mmap(hint, bytes, protection, flags & ~MAP_POPULATE, fd, offset);
		if (at != MAP_FAILED)
			hold(at, bytes, false);
		return at;
	}
	file = sim_file_of(fd);
	at = file && file->kind == SIM_RING ? sim_ring_memory(file->ring, (uint64_t)offset, bytes)
					    : NULL;
	if (!at) {
		sim_violation("mmap of %zu bytes at %lld of descriptor %d", bytes,
			      (long long)offset, fd);
		errno = EINVAL;
		return MAP_FAILED;
	}
	hold(at, bytes, true);
	return at;
}

int __wrap_munmap(void *base, size_t bytes)
{
	if (!sim.active)
		return __real_munmap(base, bytes);
	for (size_t i = 0; i < held_count; i++) {
		if (held[i].base != base || held[i].bytes != bytes)
			continue;
		if (!held[i].rings)
			__real_munmap(base, bytes);
		(void)let_go(base, bytes);
		return 0;
	}
	sim_violation("munmap of %zu bytes that were not mapped", bytes);
	return 0;
}

int __wrap_madvise(void *base, size_t bytes, int advice)
{
	(void)base;
	(void)bytes;
	(void)advice;
	if (sim.active && sim_fault(SIM_MADVISE_ENOMEM)) {
		errno = ENOMEM;
		return -1;
	}
	return 0; /* the pages come when they are touched: filling them all would take long */
}

/* --- the heap -------------------------------------------------------------------------------- */

static void *held_block(void *block)
{
	if (block)
		hold(block, 0, false);
	return block;
}

static bool refused(void)
{
	if (!sim_fault(SIM_MALLOC_FAILED))
		return false;
	errno = ENOMEM;
	return true;
}

void *__wrap_malloc(size_t bytes)
{
	if (!sim.active)
		return __real_malloc(bytes);
	return refused() ? NULL : held_block(__real_malloc(bytes));
}

void *__wrap_calloc(size_t n, size_t bytes)
{
	if (!sim.active)
		return __real_calloc(n, bytes);
	return refused() ? NULL : held_block(__real_calloc(n, bytes));
}

void *__wrap_realloc(void *block, size_t bytes)
{
	if (!sim.active)
		return __real_realloc(block, bytes);
	if (refused())
		return NULL;
	if (block && !let_go(block, 0))
		sim_violation("realloc of what was not allocated");
	return held_block(__real_realloc(block, bytes));
}

void *__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
	if (!sim.active)
		return __real_aligned_alloc(alignment, bytes);
	return refused() ? NULL : held_block(__real_aligned_alloc(alignment, bytes));
}

void __wrap_free(void *block)
{
	if (sim.active && block && !let_go(block, 0)) {
		sim_violation("free of what was not allocated");
		return;
	}
	__real_free(block);
}
