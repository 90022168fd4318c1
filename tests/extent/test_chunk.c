/* SPDX-License-Identifier: Apache-2.0 */
/* The bitmaps of metadata chunks: what is given out when, across checkpoints, and what a damaged image gives. */

#include "extent/chunk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "extent/sum.h"

#define CHUNK_BLOCKS 256u /* 1 MiB: 63 tree blocks */

static const uint8_t uuid[UUID_LEN] = "chunk test uuid";

static void chunks_up(struct chunks *cs, unsigned int nr)
{
	uint64_t ends[2] = { 10000, 20000 };

	assert_int_equal(chunks_init(cs, uuid, CHUNK_BLOCKS, 2, ends), 0);
	for (unsigned int i = 0; i < nr; i++)
		assert_int_equal(chunk_add(cs, daddr_make(i % 2, CHUNK_BLOCKS * (i + 1))), 0);
}

static uint64_t take(struct chunks *cs)
{
	uint64_t daddr;

	assert_int_equal(chunk_alloc(cs, 0, &daddr), 0);
	return daddr;
}

static void checkpoint(struct chunks *cs, uint64_t epoch)
{
	assert_int_equal(chunks_freeze(cs, epoch), 0);
	chunks_thaw(cs);
}

static void test_every_block_once_then_none(void **state)
{
	struct chunks cs;
	uint64_t seen[126], daddr;

	chunks_up(&cs, 2);
	assert_int_equal(cs.total, 126);
	for (unsigned int i = 0; i < 126; i++) {
		seen[i] = take(&cs);
		assert_non_null(chunk_cached(&cs, seen[i]));
		assert_true(chunk_block_is_used(&cs, seen[i]));
		for (unsigned int k = 0; k < i; k++)
			assert_true(seen[k] != seen[i]);
	}
	assert_int_equal(chunk_alloc(&cs, 0, &daddr), -ENOSPC);
	assert_int_equal(cs.free, 0);
	chunks_release(&cs);
}

static void test_reserve_is_kept(void **state)
{
	struct chunks cs;
	uint64_t daddr;

	chunks_up(&cs, 1);
	for (unsigned int i = 0; i < 63 - 10; i++)
		assert_int_equal(chunk_alloc(&cs, 10, &daddr), 0);
	assert_int_equal(chunk_alloc(&cs, 10, &daddr), -ENOSPC);
	assert_int_equal(chunk_alloc(&cs, 9, &daddr), 0);
	chunks_release(&cs);
}

/* A block that a checkpoint has is free only after the first durable checkpoint without it. */
static void test_freed_block_waits_for_the_checkpoint(void **state)
{
	struct chunks cs;
	uint64_t a, b;

	chunks_up(&cs, 1);
	a = take(&cs);
	checkpoint(&cs, 1);
	chunk_free(&cs, a, false);
	assert_int_equal(cs.free, 62);
	assert_false(chunk_block_is_used(&cs, a));
	for (unsigned int i = 0; i < 62; i++)
		assert_true(take(&cs) != a);
	assert_int_equal(chunk_alloc(&cs, 0, &b), -ENOSPC);
	assert_int_equal(chunks_freeze(&cs, 2), 0);
	assert_int_equal(chunk_alloc(&cs, 0, &b), -ENOSPC);
	chunks_thaw(&cs);
	assert_true(take(&cs) == a);
	chunks_release(&cs);
}

/* What is freed while a checkpoint is being written waits for the next one. */
static void test_freed_during_a_checkpoint(void **state)
{
	struct chunks cs;
	uint64_t a;

	chunks_up(&cs, 1);
	a = take(&cs);
	assert_int_equal(chunks_freeze(&cs, 1), 0);
	chunk_free(&cs, a, false);
	chunks_thaw(&cs);
	assert_int_equal(cs.free, 62);
	checkpoint(&cs, 2);
	assert_int_equal(cs.free, 63);
	chunks_release(&cs);
}

static void test_fresh_block_is_free_at_once(void **state)
{
	struct chunks cs;
	uint64_t a;

	chunks_up(&cs, 1);
	a = take(&cs);
	chunk_free(&cs, a, true);
	assert_int_equal(cs.free, 63);
	assert_false(chunk_block_is_used(&cs, a));
	chunks_release(&cs);
}

static void test_image_shows_the_epoch_only(void **state)
{
	struct chunks cs, copy;
	struct disk_bitmap image;
	uint64_t a, b, c;
	const char *why;

	chunks_up(&cs, 1);
	a = take(&cs);
	b = take(&cs);
	checkpoint(&cs, 1);
	chunk_free(&cs, a, false);
	assert_int_equal(chunks_freeze(&cs, 2), 0);
	c = take(&cs);
	image = *cs.chunk[0]->image;
	assert_true(chunk_next_slot(cs.chunk[0]) != cs.chunk[0]->slot);
	assert_true(chunks_bitmaps_checksum(&cs) != 0);

	chunks_up(&copy, 1);
	assert_int_equal(chunk_load(&copy, 0, 1, &image, &why), 0);
	assert_false(chunk_block_is_used(&copy, a));
	assert_true(chunk_block_is_used(&copy, b));
	assert_false(chunk_block_is_used(&copy, c));
	assert_int_equal(copy.free, 62);
	chunks_thaw(&cs);
	assert_true(cs.chunk[0]->checksum == copy.chunk[0]->checksum);
	chunks_release(&cs);
	chunks_release(&copy);
}

static void test_unchanged_bitmap_is_not_written(void **state)
{
	struct chunks cs;
	uint64_t sum;

	chunks_up(&cs, 2);
	take(&cs);
	checkpoint(&cs, 1);
	sum = chunks_bitmaps_checksum(&cs);
	assert_int_equal(chunks_freeze(&cs, 2), 0);
	assert_null(cs.chunk[0]->image);
	assert_null(cs.chunk[1]->image);
	assert_true(chunks_bitmaps_checksum(&cs) == sum);
	chunks_thaw(&cs);
	chunks_release(&cs);
}

static void expect_damage(struct disk_bitmap image, bool reseal, const char *expected)
{
	struct chunks cs;
	const char *why = NULL;

	if (reseal)
		sum_set(&image, sizeof(image));
	chunks_up(&cs, 1);
	assert_int_equal(chunk_load(&cs, 0, 0, &image, &why), -EUCLEAN);
	assert_non_null(strstr(why, expected));
	assert_int_equal(cs.free, 63);
	chunks_release(&cs);
}

static void test_damaged_images_are_refused(void **state)
{
	struct chunks cs;
	struct disk_bitmap good, bad;

	chunks_up(&cs, 1);
	take(&cs);
	assert_int_equal(chunks_freeze(&cs, 1), 0);
	good = *cs.chunk[0]->image;
	chunks_thaw(&cs);
	chunks_release(&cs);

	bad = good;
	bad.bits[3] ^= 1;
	expect_damage(bad, false, "checksum");
	expect_damage(bad, true, "number of used");
	bad = good;
	bad.volume_uuid[0] ^= 1;
	expect_damage(bad, true, "not a bitmap of this volume");
	bad = good;
	bad.chunk = le32_make(1);
	expect_damage(bad, true, "another chunk");
	bad = good;
	bad.nr_tree_blocks = le32_make(64);
	expect_damage(bad, true, "number of blocks");
	bad = good;
	bad.bits[63 / 8] |= 1 << 63 % 8;
	expect_damage(bad, true, "behind the last");
}

static void test_bad_places_are_refused(void **state)
{
	struct chunks cs;

	chunks_up(&cs, 1);
	assert_int_equal(chunk_add(&cs, daddr_make(0, CHUNK_BLOCKS)), -EUCLEAN); /* there is one */
	assert_int_equal(chunk_add(&cs, daddr_make(0, CHUNK_BLOCKS + 1)), -EUCLEAN);
	assert_int_equal(chunk_add(&cs, daddr_make(0, 39 * CHUNK_BLOCKS)), -EUCLEAN); /* off the device */
	assert_int_equal(chunk_add(&cs, daddr_make(2, CHUNK_BLOCKS)), -EUCLEAN);
	assert_int_equal(chunk_add(&cs, UINT64_MAX), -EUCLEAN);
	assert_null(chunk_cached(&cs, daddr_make(0, CHUNK_BLOCKS)));	 /* the bitmaps */
	assert_null(chunk_cached(&cs, daddr_make(0, CHUNK_BLOCKS + 5))); /* not a block's start */
	assert_null(chunk_cached(&cs, daddr_make(0, 2 * CHUNK_BLOCKS + 4)));
	assert_null(chunk_cached(&cs, UINT64_MAX));
	chunks_release(&cs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_block_once_then_none),
		cmocka_unit_test(test_reserve_is_kept),
		cmocka_unit_test(test_freed_block_waits_for_the_checkpoint),
		cmocka_unit_test(test_freed_during_a_checkpoint),
		cmocka_unit_test(test_fresh_block_is_free_at_once),
		cmocka_unit_test(test_image_shows_the_epoch_only),
		cmocka_unit_test(test_unchanged_bitmap_is_not_written),
		cmocka_unit_test(test_damaged_images_are_refused),
		cmocka_unit_test(test_bad_places_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
