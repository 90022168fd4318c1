/* SPDX-License-Identifier: Apache-2.0 */

/* Grants against an array with a byte of bits for each block. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "extent/map.h"
#include "layout/grant.h"
#include "tests/lib/dice.h"

#define BLOCKS 96u

static void check_same(const struct grants *g, const uint32_t *model)
{
	uint64_t at = 0;

	for (unsigned int i = 0; i < g->nr; i++) {
		const struct grant *run = &g->v[i];

		assert_true(run->nr > 0);
		assert_true(run->blk >= at);
		if (i > 0 && run->blk == at)
			assert_int_not_equal(run->bits, g->v[i - 1].bits);
		for (; at < run->blk; at++)
			assert_int_equal(model[at], 0);
		for (; at < run->blk + run->nr; at++)
			assert_int_equal(model[at], run->bits);
	}
	for (; at < BLOCKS; at++)
		assert_int_equal(model[at], 0);
}

static void check_questions(const struct grants *g, const uint32_t *model, uint64_t first, uint64_t end,
			    uint32_t bits)
{
	bool any = false, all = true;
	const struct grant *found = grants_find(g, first, end, bits);

	for (uint64_t i = first; i < end; i++) {
		any |= (model[i] & bits) != 0;
		all &= (model[i] & bits) != 0;
	}
	assert_int_equal(found != NULL, any);
	assert_int_equal(grants_cover(g, first, end, bits), all);
	if (found)
		assert_true(found->bits & bits && found->blk < end && found->blk + found->nr > first);
}

static uint32_t model_normal(uint32_t bits)
{
	return bits & GRANT_ANY ? bits : 0;
}

static void step(struct grants *g, uint32_t *model, struct dice *dice)
{
	uint64_t first = dice_below(dice, BLOCKS), end = first + 1 + dice_below(dice, BLOCKS - first);
	uint32_t bits = 1 + (uint32_t)dice_below(dice, 15);
	bool adds = dice_below(dice, 2), late = dice_below(dice, 2);
	struct grants next;

	check_questions(g, model, first, end, bits);
	if (adds)
		assert_int_equal(grants_add(g, first, end, bits, &next), 0);
	else
		assert_int_equal(grants_take(g, first, end, bits, late, &next), 0);
	for (uint64_t i = first; i < end; i++) {
		uint32_t old = model[i];

		if (adds)
			model[i] = model_normal((old & ~(uint32_t)GRANT_LATE) | bits);
		else
			model[i] = model_normal((old & ~bits) |
						(late && old & bits & GRANT_RW ? (uint32_t)GRANT_LATE : 0));
	}
	grants_release(g);
	*g = next;
	check_same(g, model);
}

static void test_model(void **state)
{
	struct dice dice = dice_seed(1);

	for (unsigned int round = 0; round < 200; round++) {
		uint32_t model[BLOCKS] = { 0 };
		struct grants g;

		grants_init(&g);
		for (unsigned int i = 0; i < 200; i++)
			step(&g, model, &dice);
		grants_release(&g);
	}
}

/* A client that has taken every second block cannot take more than there is room for. */
static void test_too_many(void **state)
{
	struct grants g, next;
	int err = 0;

	grants_init(&g);
	for (uint64_t i = 0; i < GRANTS_MAX && !err; i++) {
		err = grants_add(&g, 2 * i, 2 * i + 1, GRANT_RW, &next);
		if (!err) {
			grants_release(&g);
			g = next;
		}
	}
	assert_int_equal(err, 0);
	assert_int_equal(g.nr, GRANTS_MAX);
	assert_int_equal(grants_add(&g, 2 * GRANTS_MAX, 2 * GRANTS_MAX + 1, GRANT_RW, &next), -E2BIG);
	/* What joins them has room. */
	assert_int_equal(grants_add(&g, 0, GRANT_END, GRANT_RW, &next), 0);
	assert_int_equal(next.nr, 1);
	grants_release(&next);
	grants_release(&g);
}

static void test_disk(void **state)
{
	const struct grant good = { MAP_BLK_MAX - 5, 5, GRANT_RW | GRANT_FRESH };
	uint8_t bytes[GRANT_DISK_SIZE];
	struct grant again, bad;

	grant_encode(&good, bytes);
	assert_int_equal(grant_decode(bytes, &again), 0);
	assert_int_equal(again.blk, good.blk);
	assert_int_equal(again.nr, good.nr);
	assert_int_equal(again.bits, good.bits);
	bad = (struct grant){ MAP_BLK_MAX - 5, 6, GRANT_RW };
	grant_encode(&bad, bytes);
	assert_int_equal(grant_decode(bytes, &again), -EUCLEAN);
	bad = (struct grant){ 0, 0, GRANT_RW };
	grant_encode(&bad, bytes);
	assert_int_equal(grant_decode(bytes, &again), -EUCLEAN);
	bad = (struct grant){ 0, 1, GRANT_FRESH };
	grant_encode(&bad, bytes);
	assert_int_equal(grant_decode(bytes, &again), -EUCLEAN);
	bad = (struct grant){ 0, 1, GRANT_RW | 16 };
	grant_encode(&bad, bytes);
	assert_int_equal(grant_decode(bytes, &again), -EUCLEAN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_model),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
