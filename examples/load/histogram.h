/* SPDX-License-Identifier: MIT */
/*
 * histogram.h - counts of durations, in buckets at most 3 % wide.
 *
 * 32 linear buckets to each power of two: the layout of HdrHistogram, for all of 64 bits.
 */
#ifndef LOAD_HISTOGRAM_H
#define LOAD_HISTOGRAM_H

#include <stdint.h>

enum {
	HISTOGRAM_BITS = 5,
	HISTOGRAM_BUCKETS = (64 - HISTOGRAM_BITS + 1) << HISTOGRAM_BITS,
};

struct histogram {
	uint64_t count;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

static inline void histogram_record(struct histogram *h, uint64_t value)
{
	const unsigned top = 63 - (unsigned)__builtin_clzll(value | 1);
	const unsigned shift = top > HISTOGRAM_BITS ? top - HISTOGRAM_BITS : 0;

	h->buckets[(shift << HISTOGRAM_BITS) + (value >> shift)]++;
	h->count++;
}

void histogram_add(struct histogram *to, const struct histogram *from);

/*
 * The value that `share` of the recorded ones do not exceed, rounded up to the end of its bucket;
 * 0 if nothing was recorded. A share of 0.99 is the 99th percentile.
 */
uint64_t histogram_quantile(const struct histogram *h, double share);

#endif
