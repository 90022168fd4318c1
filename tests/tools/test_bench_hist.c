/* SPDX-License-Identifier: Apache-2.0 */
/* Percentiles of bench_hist against the sorted samples themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/bench_hist.h"

#define SAMPLES 10000

static struct bench_hist hist;

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* From below, and at most a thirty-second above. */
static void assert_near(uint64_t got, uint64_t exact)
{
	assert_true(got >= exact);
	assert_true(got <= exact + exact / 32);
}

static void test_percentiles(void **state)
{
	static uint64_t samples[SAMPLES];
	uint64_t x = 88172645463325252ULL;

	bench_hist_reset(&hist);
	for (unsigned int i = 0; i < SAMPLES; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		samples[i] = x >> (i % 60); /* all magnitudes */
		bench_hist_add(&hist, samples[i], 1);
	}
	qsort(samples, SAMPLES, sizeof(samples[0]), compare);
	assert_near(bench_hist_percentile(&hist, 50), samples[SAMPLES / 2 - 1]);
	assert_near(bench_hist_percentile(&hist, 99), samples[SAMPLES / 100 * 99 - 1]);
	assert_int_equal(bench_hist_percentile(&hist, 100), samples[SAMPLES - 1]);
	assert_near(bench_hist_percentile(&hist, 0), samples[0]);
	assert_int_equal(hist.nr, SAMPLES);
	assert_int_equal(hist.max_ns, samples[SAMPLES - 1]);
}

static void test_small_values_are_exact(void **state)
{
	bench_hist_reset(&hist);
	bench_hist_add(&hist, 7, 99);
	bench_hist_add(&hist, 31, 1);
	assert_int_equal(bench_hist_percentile(&hist, 99), 7);
	assert_int_equal(bench_hist_percentile(&hist, 99.5), 31);
}

static void test_borders_of_buckets(void **state)
{
	for (unsigned int shift = 0; shift < 64; shift++) {
		uint64_t values[] = { (1ULL << shift) - 1, 1ULL << shift, (1ULL << shift) + 1 };

		for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
			bench_hist_reset(&hist);
			bench_hist_add(&hist, values[i], 1);
			assert_int_equal(bench_hist_percentile(&hist, 50), values[i]);
			bench_hist_add(&hist, UINT64_MAX, 1);
			assert_near(bench_hist_percentile(&hist, 50), values[i]);
		}
	}
}

static void test_empty(void **state)
{
	bench_hist_reset(&hist);
	assert_int_equal(bench_hist_percentile(&hist, 50), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_percentiles),
		cmocka_unit_test(test_small_values_are_exact),
		cmocka_unit_test(test_borders_of_buckets),
		cmocka_unit_test(test_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
