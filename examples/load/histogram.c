/* SPDX-License-Identifier: MIT */
/*
 * histogram.c - sums and quantiles.
 */
#include "histogram.h"

void histogram_add(struct histogram *to, const struct histogram *from)
{
	to->count += from->count;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		to->buckets[i] += from->buckets[i];
}

static uint64_t last_of_bucket(unsigned bucket)
{
	const unsigned shift = bucket < 2U << HISTOGRAM_BITS ? 0 : (bucket >> HISTOGRAM_BITS) - 1;
	const uint64_t first = (uint64_t)(bucket - (shift << HISTOGRAM_BITS)) << shift;

	return first + ((UINT64_C(1) << shift) - 1);
}

uint64_t histogram_quantile(const struct histogram *h, double share)
{
	const double rank = share * (double)h->count;
	uint64_t seen = 0;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->buckets[i];
		if (seen && (double)seen >= rank)
			return last_of_bucket(i);
	}
	return 0;
}
