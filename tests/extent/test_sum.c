/* SPDX-License-Identifier: Apache-2.0 */

/* The checksum is XXH3 with its own field as zeros, whichever way it is computed, and sees every changed bit. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "dev/le.h"
#include "extent/sum.h"

static void fill(uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)(i * 131 + (i >> 8));
}

static void test_known_values(void **state)
{
	uint8_t data[64] = { 0 };

	/* Published: XXH3_64bits of nothing but zeros; a change here is a change of the disk format. */
	assert_int_equal(sum_compute(data, 8), 0xc77b3abb6f87acd9ULL);
	memset(data, 0xff, 8);
	assert_int_equal(sum_compute(data, 8), 0xc77b3abb6f87acd9ULL);
}

static void test_set_agrees_with_check(void **state)
{
	static const size_t lens[] = { 8, 9, 64, 240, 241, 256, 1024, 4096, 16384, 32768 };
	static uint8_t data[32768];

	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		fill(data, lens[i]);
		assert_false(sum_is_good(data, lens[i]));
		sum_set(data, lens[i]);
		assert_true(sum_is_good(data, lens[i]));
		assert_int_equal(sum_get(data), sum_compute(data, lens[i]));
	}
}

static void test_every_bit_counts(void **state)
{
	static uint8_t data[512];

	fill(data, sizeof(data));
	sum_set(data, sizeof(data));
	for (size_t bit = 0; bit < sizeof(data) * 8; bit++) {
		data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_false(sum_is_good(data, sizeof(data)));
		data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_values),
		cmocka_unit_test(test_set_agrees_with_check),
		cmocka_unit_test(test_every_bit_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
