/* SPDX-License-Identifier: Apache-2.0 */

/* However a stream is cut into pieces, its records come out; claims of length cost nothing. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/wire_record.h"
#include "tests/lib/dice.h"
#include "tests/lib/fault.h"

#define SIZE_MAX_RECORD 20000
#define FRAGMENTS_MAX	8

static size_t put_fragment(uint8_t *at, const uint8_t *data, uint32_t len, bool last)
{
	uint32_t word = len | (last ? 0x80000000u : 0);

	for (int i = 0; i < 4; i++)
		at[i] = (uint8_t)(word >> (24 - 8 * i));
	if (len)
		memcpy(at + 4, data, len);
	return len + 4;
}

/* The same bytes for the same record, so that it can be recognised. */
static void fill(uint8_t *data, uint32_t len, uint32_t seed)
{
	struct dice dice = { seed };

	dice_fill(&dice, data, len);
}

static size_t put_record(struct dice *dice, uint8_t *at, uint32_t len, uint32_t seed)
{
	uint32_t pieces = 1 + (uint32_t)dice_below(dice, FRAGMENTS_MAX), done = 0;
	uint8_t *data = malloc(len + 1);
	size_t size = 0;

	assert_non_null(data);
	fill(data, len, seed);
	for (uint32_t i = 1; i < pieces; i++) {
		uint32_t piece = (uint32_t)dice_below(dice, len - done + 1);

		size += put_fragment(at + size, data + done, piece, false);
		done += piece;
	}
	size += put_fragment(at + size, data + done, len - done, true);
	free(data);
	return size;
}

static void expect_record(struct wire_record *record, uint32_t len, uint32_t seed, bool take)
{
	uint8_t *want = malloc(len + 1), *got;
	uint32_t got_len;

	assert_non_null(want);
	fill(want, len, seed);
	assert_true(record->is_whole);
	assert_int_equal(record->len, len);
	if (len)
		assert_memory_equal(record->buf, want, len);
	if (take) {
		got = wire_record_take(record, &got_len);
		assert_int_equal(got_len, len);
		if (len)
			assert_memory_equal(got, want, len);
		free(got);
	} else {
		wire_record_drop(record);
	}
	free(want);
}

/* Hand over at most @max bytes, copied or in place; returns how many were taken. */
static size_t give(struct wire_record *record, const uint8_t *bytes, size_t max, bool in_place, int *ret_done)
{
	size_t used;
	void *at;

	if (!in_place) {
		*ret_done = wire_record_feed(record, bytes, max, &used);
		return used;
	}
	assert_int_equal(wire_record_space(record, &at, &used), 0);
	assert_true(used > 0);
	used = used < max ? used : max;
	memcpy(at, bytes, used);
	*ret_done = wire_record_filled(record, used);
	return used;
}

static void test_any_cut(void **state)
{
	enum {
		NR = 40
	};
	static uint8_t stream[NR * (SIZE_MAX_RECORD + 4 * FRAGMENTS_MAX)];
	struct dice dice = dice_seed(7);
	struct wire_record record;

	for (int round = 0; round < 20; round++) {
		size_t size = 0, pos = 0, step = 1 + dice_below(&dice, round % 2 ? 10 : 9000);
		uint32_t lens[NR], seen = 0;
		int done = 0;

		for (uint32_t i = 0; i < NR; i++) {
			lens[i] = (uint32_t)dice_below(&dice, dice_below(&dice, 2) ? 30 : SIZE_MAX_RECORD + 1);
			size += put_record(&dice, stream + size, lens[i], i + 1);
		}
		wire_record_init(&record, SIZE_MAX_RECORD, FRAGMENTS_MAX);
		while (pos < size) {
			pos += give(&record, stream + pos, step < size - pos ? step : size - pos,
				    dice_below(&dice, 2), &done);
			assert_true(done >= 0);
			if (done) {
				expect_record(&record, lens[seen], seen + 1, dice_below(&dice, 2));
				seen++;
			}
		}
		assert_int_equal(seen, NR);
		wire_record_release(&record);
	}
}

static int feed(struct wire_record *record, const void *bytes, size_t len)
{
	size_t used;

	return wire_record_feed(record, bytes, len, &used);
}

static void test_too_long(void **state)
{
	uint8_t head[4];
	struct wire_record record;

	wire_record_init(&record, 100, 3);
	put_fragment(head, NULL, 0, true);
	head[3] = 101;
	assert_int_equal(feed(&record, head, 4), -EMSGSIZE);
	wire_record_release(&record);
	/* Two fragments that are too long together. */
	head[0] = 0;
	head[3] = 1;
	assert_int_equal(feed(&record, head, 4), 0);
	assert_int_equal(feed(&record, "x", 1), 0);
	head[3] = 100;
	assert_int_equal(feed(&record, head, 4), -EMSGSIZE);
	wire_record_release(&record);
	memset(head, 0xff, 4);
	assert_int_equal(feed(&record, head, 4), -EMSGSIZE);
	wire_record_release(&record);
}

static void test_too_many_fragments(void **state)
{
	struct wire_record record;

	wire_record_init(&record, 100, 3);
	for (int i = 0; i < 3; i++)
		assert_int_equal(feed(&record, "\0\0\0\0", 4), 0);
	assert_int_equal(feed(&record, "\0\0\0\0", 4), -EPROTO);
	wire_record_release(&record);
	/* The count begins anew with each record. */
	for (int i = 0; i < 5; i++) {
		assert_int_equal(feed(&record, "\0\0\0\0\0\0\0\0\x80\0\0\0", 12), 1);
		wire_record_drop(&record);
	}
	wire_record_release(&record);
}

static void test_claims_cost_nothing(void **state)
{
	struct wire_record record;
	size_t space;
	void *at;

	wire_record_init(&record, 1 << 30, 3);
	fault_alloc_arm(1, UINT64_MAX);
	assert_int_equal(feed(&record, "\xbf\xff\xff\xff", 4), 0);
	assert_int_equal(fault_alloc_disarm(), 0);
	assert_int_equal(wire_record_space(&record, &at, &space), 0);
	assert_int_equal(record.room, WIRE_RECORD_ROOM);
	fault_alloc_arm(1, UINT64_MAX);
	for (size_t i = 0; i < WIRE_RECORD_ROOM; i++)
		assert_int_equal(feed(&record, "x", 1), 0);
	assert_int_equal(feed(&record, "x", 1), -ENOMEM);
	fault_alloc_disarm();
	assert_int_equal(feed(&record, "x", 1), 0);
	assert_int_equal(record.room, 2 * WIRE_RECORD_ROOM);
	wire_record_release(&record);
}

static void test_mark(void **state)
{
	uint8_t head[4];

	wire_record_mark(head, 0x123456);
	assert_memory_equal(head, "\x80\x12\x34\x56", 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_any_cut),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_too_many_fragments),
		cmocka_unit_test(test_claims_cost_nothing),
		cmocka_unit_test(test_mark),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
