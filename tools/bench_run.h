/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_TOOLS_BENCH_RUN_H
#define LAMINA_TOOLS_BENCH_RUN_H

/* What one measured stretch gave. */

#include "tools/bench_hist.h"

struct bench_run {
	uint64_t nr; /* operations finished */
	uint64_t ns; /* time from first to last */
	uint64_t p50_ns, p99_ns, max_ns;
	double cpu_us; /* processor time of the whole process for each operation */
};

/* Between these two lies the stretch; the clock is the caller's. */
struct bench_meter {
	uint64_t start_ns;
	uint64_t start_cpu_us;
	struct bench_hist hist;
};

void bench_meter_start(struct bench_meter *m, uint64_t now_ns);
/* The operations are those that m->hist has counted. */
void bench_meter_stop(struct bench_meter *m, uint64_t now_ns, struct bench_run *ret_run);

/* Operations per second. */
double bench_run_rate(const struct bench_run *run);

#endif
