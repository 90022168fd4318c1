/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TOOLS_BENCH_HIST_H
#define LAMINA_TOOLS_BENCH_HIST_H

/* Latencies as counts in buckets that are 3 % wide: any number of samples in a fixed piece of memory. */

#include "dev/base.h"

#define BENCH_HIST_SUB_BITS 5
#define BENCH_HIST_BUCKETS  (64u << BENCH_HIST_SUB_BITS)

struct bench_hist {
	uint64_t counts[BENCH_HIST_BUCKETS];
	uint64_t nr;
	uint64_t max_ns;
};

void bench_hist_reset(struct bench_hist *h);
/* Count @times samples of @ns. */
void bench_hist_add(struct bench_hist *h, uint64_t ns, uint64_t times);
/* A value that @percent (0..100) of the samples do not exceed, at most 3 % too large; 0 without samples. */
uint64_t bench_hist_percentile(const struct bench_hist *h, double percent);

#endif
