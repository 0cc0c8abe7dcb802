/* SPDX-License-Identifier: MIT */
/* histogram.c - reading, sums, differences and quantiles. */
#include <quoit/runtime/histogram.h>

void quoit_histogram_read(const struct quoit_histogram *h, struct quoit_histogram *copy)
{
	copy->sum = quoit_load(&h->sum); /* one writer; a few values apart from the buckets */
	for (unsigned i = 0; i < QUOIT_HISTOGRAM_BUCKETS; i++)
		copy->buckets[i] = quoit_load(&h->buckets[i]); /* likewise */
}

void quoit_histogram_merge(struct quoit_histogram *into, const struct quoit_histogram *from)
{
	into->sum += from->sum;
	for (unsigned i = 0; i < QUOIT_HISTOGRAM_BUCKETS; i++)
		into->buckets[i] += from->buckets[i];
}

void quoit_histogram_subtract(struct quoit_histogram *h, const struct quoit_histogram *earlier)
{
	h->sum -= earlier->sum;
	for (unsigned i = 0; i < QUOIT_HISTOGRAM_BUCKETS; i++)
		h->buckets[i] -= earlier->buckets[i];
}

uint64_t quoit_histogram_count(const struct quoit_histogram *h)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < QUOIT_HISTOGRAM_BUCKETS; i++)
		count += h->buckets[i];
	return count;
}

double quoit_histogram_mean(const struct quoit_histogram *h)
{
	const uint64_t count = quoit_histogram_count(h);

	return count ? (double)h->sum / (double)count : 0;
}

static uint64_t last_of_bucket(unsigned bucket)
{
	const unsigned shift =
		bucket < 2U << QUOIT_HISTOGRAM_BITS ? 0 : (bucket >> QUOIT_HISTOGRAM_BITS) - 1;
	const uint64_t first = (uint64_t)(bucket - (shift << QUOIT_HISTOGRAM_BITS)) << shift;

	return first + ((UINT64_C(1) << shift) - 1);
}

uint64_t quoit_histogram_quantile(const struct quoit_histogram *h, double share)
{
	const double rank = share * (double)quoit_histogram_count(h);
	uint64_t seen = 0;

	for (unsigned i = 0; i < QUOIT_HISTOGRAM_BUCKETS; i++) {
		seen += h->buckets[i];
		if (seen && (double)seen >= rank)
			return last_of_bucket(i);
	}
	return 0;
}
