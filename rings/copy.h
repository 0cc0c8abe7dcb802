/* SPDX-License-Identifier: MIT */
/*
 * copy.h - copying, filling and prefetching, by what was measured (`make bench-copy`).
 *
 * The names are thin: below a few times the last cache the compiler's and the C library's copies,
 * which choose by the cpu they run on, are not beaten by anything that was tried. What is added is
 * a copy that goes around the cache, for whoever moves more than the cache holds and will not read
 * it soon; and what the cpu can do, asked when the program runs (defect D-58: the predecessor
 * answered with what it was built for).
 *
 * Thread: any; the memory is the caller's, and ranges do not overlap.
 */
#ifndef QUOIT_RINGS_COPY_H
#define QUOIT_RINGS_COPY_H

#include <string.h>

#include <quoit/numa/machine.h>

QUOIT_C_BEGIN

/* What the cpu that runs this can do. Bits. */
enum quoit_cpu_feature {
	QUOIT_CPU_SSE42 = 1,
	QUOIT_CPU_AVX2 = 2,
	QUOIT_CPU_AVX512 = 4, /* F, BW and VL: vectors of 64 bytes for every element */
	QUOIT_CPU_NEON = 8,
	QUOIT_CPU_SVE = 16,
};

/* Bits of enum quoit_cpu_feature, as the cpu and the kernel have it now. Cost: some loads. */
QUOIT_RT_WAITFREE unsigned quoit_cpu_features(void);

/* The widest vectors that this cpu surely has for integers; 8 where there are none. */
QUOIT_RT_WAITFREE size_t quoit_cpu_vector_bytes(void);

/* The same of a cpu with these features. */
size_t quoit__cpu_vector_bytes(unsigned features);

/* Copy bytes that do not overlap. Alignment is the copier's business: any addresses will do. */
QUOIT_RT_WAITFREE QUOIT_HOT void quoit_copy(void *to, const void *from, size_t bytes)
{
	memcpy(to, from, bytes);
}

/* Words; what is aligned to what is the copier's business here too. */
QUOIT_RT_WAITFREE QUOIT_HOT void quoit_copy_u64(uint64_t *to, const uint64_t *from, size_t n)
{
	memcpy(to, from, n * sizeof(*to));
}

/* memset(), by the name of what it does. */
QUOIT_RT_WAITFREE QUOIT_HOT void quoit_fill(void *to, unsigned char byte, size_t bytes)
{
	memset(to, byte, bytes);
}

/* All bytes 0. */
QUOIT_RT_WAITFREE QUOIT_HOT void quoit_zero(void *to, size_t bytes)
{
	memset(to, 0, bytes);
}

/* first, first + 1, ... in n words. The compiler makes vectors of it, of whatever length. */
QUOIT_RT_WAITFREE QUOIT_HOT void quoit_fill_sequential_u64(uint64_t *to, uint64_t first, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = first + i;
}

/*
 * Copy past the cache: what lies there stays, and the lines of `to` need not be read first. Only
 * for more than the last cache holds, by one who will not read it soon; otherwise quoit_copy().
 * Whoever reads `to` on another thread is told through a release as with any other store. Elsewhere
 * than on x86-64 it is quoit_copy().
 */
QUOIT_RT_WAITFREE void quoit_copy_streaming(void *to, const void *from, size_t bytes);

/*
 * Ask for a line that will be read in some hundred instructions. Never faults. It pays where lines
 * are far and their order is not one that the hardware guesses: for memory beyond the second cache.
 * Where they are near it costs more than it saves.
 */
QUOIT_RT_WAITFREE QUOIT_HOT void quoit_prefetch_read(const void *p)
{
	__builtin_prefetch(p, 0, 3);
}

/* The same for a line that will be written: nobody else has it when it comes. */
QUOIT_RT_WAITFREE QUOIT_HOT void quoit_prefetch_write(const void *p)
{
	quoit__line_prefetch_write((const char *)p);
}

QUOIT_C_END

#endif
