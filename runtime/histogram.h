/* SPDX-License-Identifier: MIT */
/*
 * histogram.h - counts of values, in buckets that grow with them: times, batch sizes.
 *
 * Eight linear buckets to each power of two, the layout of HdrHistogram, so a value is known to an
 * eighth of itself; for all of 64 bits in 4 KiB. One thread records, any thread reads at any time
 * without stopping it. Nothing is ever reset: who wants the last minute reads twice and subtracts.
 */
#ifndef QUOIT_RUNTIME_HISTOGRAM_H
#define QUOIT_RUNTIME_HISTOGRAM_H

#include <quoit/numa/atomic.h>

QUOIT_C_BEGIN

enum {
	QUOIT_HISTOGRAM_BITS = 3,
	QUOIT_HISTOGRAM_BUCKETS = (64 - QUOIT_HISTOGRAM_BITS + 1) << QUOIT_HISTOGRAM_BITS,
};

/* Starts zeroed. */
struct quoit_histogram {
	uint64_t sum; /* of the values, for their mean */
	uint64_t buckets[QUOIT_HISTOGRAM_BUCKETS];
};

QUOIT_HOT unsigned quoit__histogram_bucket(uint64_t value)
{
	const unsigned top = 63 - (unsigned)__builtin_clzll(value | 1);
	const unsigned shift = top > QUOIT_HISTOGRAM_BITS ? top - QUOIT_HISTOGRAM_BITS : 0;

	return (shift << QUOIT_HISTOGRAM_BITS) + (unsigned)(value >> shift);
}

/* Count one value. Thread: the one that records.   Cost: about 2 ns, two plain stores. */
QUOIT_RT_WAITFREE QUOIT_HOT void quoit_histogram_record(struct quoit_histogram *h, uint64_t value)
{
	quoit_count(&h->buckets[quoit__histogram_bucket(value)], 1);
	quoit_count(&h->sum, value);
}

/*
 * Copy one that its thread may be writing; each number is whole, and they may be a few values
 * apart. Thread: any.
 */
QUOIT_RT_WAITFREE void quoit_histogram_read(const struct quoit_histogram *h,
					    struct quoit_histogram *copy);

/* Add what `from` has counted. Thread: the owner of both. */
QUOIT_RT_WAITFREE void quoit_histogram_merge(struct quoit_histogram *into,
					     const struct quoit_histogram *from);

/* Take out what had been counted by an `earlier` reading of the same. Thread: the owner of both. */
QUOIT_RT_WAITFREE void quoit_histogram_subtract(struct quoit_histogram *h,
						const struct quoit_histogram *earlier);

/* How many values. Thread: the owner.   Cost: a look at every bucket. */
QUOIT_RT_WAITFREE uint64_t quoit_histogram_count(const struct quoit_histogram *h);

/* Their mean; 0 without any. Thread: the owner. */
QUOIT_RT_WAITFREE double quoit_histogram_mean(const struct quoit_histogram *h);

/*
 * The value that `share` of them do not exceed, rounded up to the end of its bucket; 0 without any.
 * A share of 0.99 is the 99th percentile, 1 the greatest. Thread: the owner.
 */
QUOIT_RT_WAITFREE uint64_t quoit_histogram_quantile(const struct quoit_histogram *h, double share);

QUOIT_C_END

#endif
