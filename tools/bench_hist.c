/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every power of two is cut into 32 buckets of equal width, so a percentile is never more than a thirty-second off;
 * the largest sample is kept as it is.
 */
#include <string.h>

#include "tools/bench_hist.h"

#define SUB (1u << BENCH_HIST_SUB_BITS)

static unsigned int bucket_of(uint64_t ns)
{
	unsigned int exponent;

	if (ns < SUB)
		return (unsigned int)ns;
	exponent = 63u - (unsigned int)__builtin_clzll(ns);
	return (exponent - BENCH_HIST_SUB_BITS + 1) * SUB + (unsigned int)(ns >> (exponent - BENCH_HIST_SUB_BITS)) -
	       SUB;
}

/* The largest value that falls into @bucket. */
static uint64_t bucket_end(unsigned int bucket)
{
	unsigned int shift;

	if (bucket < SUB)
		return bucket;
	shift = bucket / SUB - 1;
	return ((uint64_t)(SUB + bucket % SUB + 1) << shift) - 1;
}

void bench_hist_reset(struct bench_hist *h)
{
	memset(h, 0, sizeof(*h));
}

void bench_hist_add(struct bench_hist *h, uint64_t ns, uint64_t times)
{
	h->counts[bucket_of(ns)] += times;
	h->nr += times;
	h->max_ns = max_u64(h->max_ns, ns);
}

uint64_t bench_hist_percentile(const struct bench_hist *h, double percent)
{
	uint64_t want = (uint64_t)((double)h->nr * percent / 100.0 + 0.999999);
	uint64_t seen = 0;

	assert(percent >= 0 && percent <= 100);

	want = max_u64(want, 1);
	for (unsigned int b = 0; b < BENCH_HIST_BUCKETS; b++) {
		seen += h->counts[b];
		if (seen >= want)
			return min_u64(bucket_end(b), h->max_ns);
	}
	return h->max_ns;
}
