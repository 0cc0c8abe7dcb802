/* SPDX-License-Identifier: MIT */
/*
 * idset.h - a set of cpu or node numbers, and the kernel's list syntax for it.
 *
 * Fixed at 8192 bits (1 KiB), the most cpus that Linux can be built for: it lives on the stack and
 * a mask passes to the kernel as it is, where libc's cpu_set_t ends at 1024.
 */
#ifndef QUOIT_NUMA_IDSET_H
#define QUOIT_NUMA_IDSET_H

#include <quoit/numa/machine.h>

QUOIT_C_BEGIN

#define QUOIT_CPUS_MAX	8192
#define QUOIT_NODES_MAX 1024

struct quoit_idset {
	uint64_t words[QUOIT_CPUS_MAX / 64];
};

/* Contract: `id` is below QUOIT_CPUS_MAX. */
QUOIT_HOT void quoit_idset_add(struct quoit_idset *set, unsigned id)
{
	QUOIT_ASSERT(id < QUOIT_CPUS_MAX);
	set->words[id / 64] |= (uint64_t)1 << (id % 64);
}

/* A number beyond the largest is in no set. */
QUOIT_HOT bool quoit_idset_has(const struct quoit_idset *set, unsigned id)
{
	return id < QUOIT_CPUS_MAX && (set->words[id / 64] >> (id % 64) & 1);
}

/* Keep what is in `other` too. */
void quoit_idset_intersect(struct quoit_idset *set, const struct quoit_idset *other);

/* How many members it has. */
size_t quoit_idset_count(const struct quoit_idset *set);

/* The smallest member that is at least `from`; -1 if there is none. */
int quoit_idset_next(const struct quoit_idset *set, unsigned from);

/* Walk the members upwards. */
#define QUOIT_IDSET_FOR_EACH(id, set)                      \
	for (int id = quoit_idset_next((set), 0); id >= 0; \
	     id = quoit_idset_next((set), (unsigned)id + 1))

/*
 * Read the kernel's list syntax: "0-3,8,10-19:1/2" is 0 to 3, 8, and of 10 to 19 the first 1 of
 * every 2. Spaces and a newline around the whole are allowed; nothing at all is the empty set.
 *
 * Errors: -EINVAL for any other text, -E2BIG for a number of `limit` or more. The set stays as it
 * was then.
 */
QUOIT_MUST_CHECK int quoit_idset_parse(struct quoit_idset *set, const char *text, unsigned limit);

/*
 * Write the list for people, "0-3,8" or "none"; when `bytes` do not hold it, it ends in "...".
 * Gives `text`, which is always ended with a NUL (bytes at least 8).
 */
const char *quoit_idset_format(const struct quoit_idset *set, char *text, size_t bytes);

QUOIT_C_END

#endif
