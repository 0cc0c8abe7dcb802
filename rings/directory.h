/* SPDX-License-Identifier: MIT */
/*
 * directory.h - a growing list of objects that readers walk while it grows.
 *
 * The pointers lie in segments of 8, 16, 32 ... entries. A segment is never moved, an entry never
 * changed and nothing is ever taken out, so a reader needs no lock and nobody has to wait for
 * readers before freeing anything. An entry is written before it is counted: whoever has seen the
 * count may follow every pointer below it (defect D-16).
 *
 * edge   released by                  acquired by                    carries
 * enter  quoit_directory_add: count   quoit_directory_count: count   the entry and what it points
 * to
 */
#ifndef QUOIT_RINGS_DIRECTORY_H
#define QUOIT_RINGS_DIRECTORY_H

#include <quoit/numa/atomic.h>

QUOIT_C_BEGIN

#define QUOIT_DIRECTORY_FIRST	 UINT32_C(8) /* entries of the first segment, a power of two */
#define QUOIT_DIRECTORY_SEGMENTS 20
#define QUOIT_DIRECTORY_MOST \
	(QUOIT_DIRECTORY_FIRST * ((UINT32_C(1) << QUOIT_DIRECTORY_SEGMENTS) - 1))

/* Starts zeroed. */
struct quoit_directory {
	void **segments[QUOIT_DIRECTORY_SEGMENTS];
	uint32_t count;
};

/* Which segment holds entry `index`, and where its first entry would be. */
QUOIT_HOT unsigned quoit__directory_segment(uint32_t index, uint32_t *first)
{
	const uint32_t shifted = index / QUOIT_DIRECTORY_FIRST + 1;
	const unsigned segment = 31 - (unsigned)__builtin_clz(shifted);

	*first = QUOIT_DIRECTORY_FIRST * ((UINT32_C(1) << segment) - 1);
	return segment;
}

/* How many entries may be followed. Never shrinks. Thread: any. */
QUOIT_RT_WAITFREE QUOIT_HOT uint32_t quoit_directory_count(const struct quoit_directory *directory)
{
	/* enter: pairs with quoit_directory_add() */
	return quoit_load_acquire(&directory->count);
}

/* The entry at `index`, which lies below a count that the caller has seen. Thread: any. */
QUOIT_RT_WAITFREE QUOIT_HOT void *quoit_directory_get(const struct quoit_directory *directory,
						      uint32_t index)
{
	uint32_t first;
	const unsigned segment = quoit__directory_segment(index, &first);

	return directory->segments[segment][index - first];
}

/*
 * Append an entry: its index is the count before.
 * Thread: one at a time, beside any number of readers.
 * Errors: -ENOMEM, -E2BIG beyond QUOIT_DIRECTORY_MOST; the directory is as it was.
 */
QUOIT_MUST_CHECK int quoit_directory_add(struct quoit_directory *directory, void *entry);

/* Units: bytes of the segments. Thread: that of add. */
size_t quoit_directory_bytes(const struct quoit_directory *directory);

/* Free the segments, not the objects. Thread: the last one. A zeroed directory is let be. */
void quoit_directory_fini(struct quoit_directory *directory);

QUOIT_C_END

#endif
