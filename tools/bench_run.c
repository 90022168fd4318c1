/* SPDX-License-Identifier: Apache-2.0 */
/* Measures a stretch of operations: rate, latencies, and what the processor spent, kernel workers included. */
#include <string.h>
#include <sys/resource.h>

#include "tools/bench_run.h"

static uint64_t cpu_us(void)
{
	struct rusage u;

	if (getrusage(RUSAGE_SELF, &u) < 0)
		return 0;
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

void bench_meter_start(struct bench_meter *m, uint64_t now_ns)
{
	bench_hist_reset(&m->hist);
	m->start_ns = now_ns;
	m->start_cpu_us = cpu_us();
}

void bench_meter_stop(struct bench_meter *m, uint64_t now_ns, struct bench_run *ret_run)
{
	memset(ret_run, 0, sizeof(*ret_run));
	ret_run->nr = m->hist.nr;
	ret_run->ns = max_u64(now_ns - m->start_ns, 1);
	ret_run->p50_ns = bench_hist_percentile(&m->hist, 50);
	ret_run->p99_ns = bench_hist_percentile(&m->hist, 99);
	ret_run->max_ns = m->hist.max_ns;
	if (m->hist.nr)
		ret_run->cpu_us = (double)(cpu_us() - m->start_cpu_us) / (double)m->hist.nr;
}

double bench_run_rate(const struct bench_run *run)
{
	return (double)run->nr * 1e9 / (double)run->ns;
}
