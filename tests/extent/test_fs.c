/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Format, mount, unmount: what is refused and why, what a read-only mount writes (nothing), what damage gives, and
 * volumes of several devices.
 */

#include "extent/fs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dev/fiber.h"
#include "dev/log.h"
#include "dev/reactor.h"
#include "extent/label.h"
#include "tests/lib/store.h"

static void with_store(const struct store_config *cfg, void (*fn)(struct store *s, void *arg))
{
	struct store s;

	store_init(&s, cfg);
	store_run(&s, fn, NULL);
	if (s.fs)
		fail_msg("left mounted");
	store_release(&s);
}

static int put_body(struct txn *txn, void *arg)
{
	const uint64_t *n = arg;

	return txn_put(txn, key_make(ZONE_STATE, *n, 1, 0), "value", 5);
}

static int count_body(struct txn *txn, void *arg)
{
	struct key at = key_make(ZONE_STATE, 0, 0, 0);
	uint64_t nr = 0;

	for (;;) {
		struct item item;
		int err = txn_next(txn, at, KEY_MAX, &item);

		if (err && err != -ENOENT)
			return err;
		if (err)
			break;
		nr++;
		at = item.key;
		at.lo++;
	}
	*(uint64_t *)arg = nr;
	return 0;
}

FIBER_FN static void put_durable(struct store *s, uint64_t n)
{
	uint64_t seq;

	assert_int_equal(txn_run(s->fs, NULL, put_body, &n, &seq), 0);
	assert_int_equal(txn_wait_durable(s->fs, seq), 0);
}

FIBER_FN static uint64_t count(struct store *s)
{
	uint64_t nr;

	assert_int_equal(txn_read(s->fs, count_body, &nr), 0);
	return nr;
}

FIBER_FN static void expect_no_mount(struct store *s, int err, const char *text)
{
	assert_int_equal(store_mount(s), err);
	assert_null(s->fs);
	if (!strstr(s->why.text, text))
		fail_msg("\"%s\" does not say \"%s\"", s->why.text, text);
}

/* Nothing there */

FIBER_FN static void do_blank(struct store *s, void *arg)
{
	expect_no_mount(s, -EMEDIUMTYPE, "sim");
}

static void test_blank_device(void **state)
{
	with_store(&(struct store_config){ .seed = 1 }, do_blank);
}

FIBER_FN static void do_too_small(struct store *s, void *arg)
{
	assert_int_equal(fs_format(s->r, s->devs, 1, &s->cfg.format, &s->why), -EINVAL);
	assert_non_null(strstr(s->why.text, "too small"));
}

static void test_small_device_is_refused(void **state)
{
	with_store(&(struct store_config){ .seed = 1, .disk_size = 4 << 20 }, do_too_small);
}

FIBER_FN static void do_bad_options(struct store *s, void *arg)
{
	struct fs_format_options opt = s->cfg.format;

	opt.chunk_size = 3 << 20;
	assert_int_equal(fs_format(s->r, s->devs, 1, &opt, &s->why), -EINVAL);
	assert_non_null(strstr(s->why.text, "chunk size"));
	opt = s->cfg.format;
	opt.journal_size = 60 << 20;
	assert_int_equal(fs_format(s->r, s->devs, 1, &opt, &s->why), -EINVAL);
	assert_non_null(strstr(s->why.text, "journal"));
	expect_no_mount(s, -EMEDIUMTYPE, "sim");
}

static void test_bad_format_options(void **state)
{
	with_store(&(struct store_config){ .seed = 1 }, do_bad_options);
}

/* A power cut in the middle of a format leaves no volume, or a whole one. */
FIBER_FN static void do_interrupted_format(struct store *s, void *arg)
{
	uint64_t n = s->cfg.seed;

	store_format(s);
	assert_int_equal(store_mount(s), 0);
	put_durable(s, 1);
	store_unmount(s);
	sim_disk_power_off_at(s->disks[0], n, true, SIM_POWER_ERRORS);
	if (fs_format(s->r, s->devs, 1, &s->cfg.format, &s->why) == 0)
		return;
	store_power_cut(s, n);
	if (store_mount(s) == 0) {
		/* The old volume, or the new one. */
		assert_true(count(s) <= 1);
		store_unmount(s);
	}
	store_format(s);
	assert_int_equal(store_mount(s), 0);
	assert_int_equal(count(s), 0);
	store_unmount(s);
}

static void test_interrupted_format(void **state)
{
	for (uint64_t n = 1; n < 30; n++)
		with_store(&(struct store_config){ .seed = n, .disk_size = 16 << 20 }, do_interrupted_format);
}

/* Several devices */

FIBER_FN static void do_devices(struct store *s, void *arg)
{
	struct blkdev *all[3] = { s->devs[0], s->devs[1], s->devs[2] };
	struct fs_stats stats;

	store_format(s);
	/* In any order */
	s->devs[0] = all[2];
	s->devs[1] = all[0];
	s->devs[2] = all[1];
	assert_int_equal(store_mount(s), 0);
	put_durable(s, 1);
	fs_stats(s->fs, &stats);
	assert_true(stats.total_blocks > 3 * 60 * 256);
	assert_true(stats.free_blocks + stats.metadata_blocks == stats.total_blocks);
	store_unmount(s);

	s->cfg.nr_disks = 2;
	expect_no_mount(s, -EINVAL, "is missing");
	s->devs[0] = all[1];
	s->devs[1] = all[2];
	expect_no_mount(s, -EINVAL, "first device");
	s->devs[0] = all[0];
	s->devs[1] = all[0];
	expect_no_mount(s, -EINVAL, "same device");
	s->cfg.nr_disks = 3;
	memcpy(s->devs, all, sizeof(all));
	assert_int_equal(store_mount(s), 0);
	assert_int_equal(count(s), 1);
	store_unmount(s);
}

static void test_several_devices(void **state)
{
	with_store(&(struct store_config){ .seed = 2, .nr_disks = 3 }, do_devices);
}

FIBER_FN static void do_foreign(struct store *s, void *arg)
{
	struct blkdev *second = s->devs[1];

	s->cfg.nr_disks = 1;
	store_format(s);
	s->devs[1] = s->devs[0];
	s->devs[0] = second;
	store_format(s);
	s->devs[0] = s->devs[1];
	s->devs[1] = second;
	s->cfg.nr_disks = 2;
	expect_no_mount(s, -EINVAL, "different volumes");
}

static void test_device_of_another_volume(void **state)
{
	with_store(&(struct store_config){ .seed = 3, .nr_disks = 2 }, do_foreign);
}

/* Damage */

static void flip(struct store *s, uint64_t off)
{
	sim_disk_flip_bit(s->disks[0], off, 3);
}

FIBER_FN static void do_label_copy(struct store *s, void *arg)
{
	store_format(s);
	flip(s, 100);
	assert_int_equal(store_mount(s), 0);
	store_unmount(s);
	flip(s, (64 << 20) - 4000);
	expect_no_mount(s, -EBADMSG, "label");
}

static void test_damaged_label(void **state)
{
	with_store(&(struct store_config){ .seed = 4 }, do_label_copy);
}

FIBER_FN static void do_super_slots(struct store *s, void *arg)
{
	store_format(s);
	assert_int_equal(store_mount(s), 0);
	put_durable(s, 1);
	store_unmount(s);
	flip(s, SUPER_OFFSET(0) + 77);
	flip(s, SUPER_OFFSET(1) + 77);
	expect_no_mount(s, -EBADMSG, "superblock");
}

static void test_damaged_superblocks(void **state)
{
	with_store(&(struct store_config){ .seed = 5 }, do_super_slots);
}

/* The block of the tree's root: found when it is read; the volume is read-only from then on (I12). */
FIBER_FN static void do_tree_damage(struct store *s, void *arg)
{
	uint8_t block[BLOCK_SIZE];
	uint64_t off, n = 2, found = 0;

	store_format(s);
	assert_int_equal(store_mount(s), 0);
	put_durable(s, 1);
	store_unmount(s);
	for (off = 0; off + BLOCK_SIZE <= 64 << 20; off += DADDR_BLOCK_SIZE) {
		struct disk_block *b = (void *)block;

		assert_int_equal(sim_disk_peek(s->disks[0], off, block, BLOCK_SIZE), 0);
		if (le32_get(b->magic) == BLOCK_MAGIC && le64_get(b->daddr) == off >> DADDR_BLOCK_SHIFT) {
			flip(s, off + 200);
			found++;
		}
	}
	assert_true(found > 0);
	assert_int_equal(store_mount(s), 0);
	assert_false(fs_is_read_only(s->fs));
	assert_int_equal(txn_run(s->fs, NULL, put_body, &n, NULL), -EUCLEAN);
	assert_true(fs_is_read_only(s->fs));
	assert_non_null(strstr(fs_error(s->fs), "tree block"));
	assert_int_equal(txn_run(s->fs, NULL, put_body, &n, NULL), -EROFS);
	assert_int_equal(txn_read(s->fs, count_body, &n), -EUCLEAN);
	fs_abandon(s->fs);
	s->fs = NULL;
}

static void test_damaged_tree_block(void **state)
{
	with_store(&(struct store_config){ .seed = 6 }, do_tree_damage);
}

FIBER_FN static void do_bitmap_damage(struct store *s, void *arg)
{
	struct disk_bitmap map;

	store_format(s);
	for (uint64_t off = 0; off < 64 << 20; off += DADDR_BLOCK_SIZE) {
		assert_int_equal(sim_disk_peek(s->disks[0], off, &map, sizeof(map)), 0);
		if (le32_get(map.magic) == BITMAP_MAGIC)
			flip(s, off + 70);
	}
	expect_no_mount(s, -EUCLEAN, "metadata chunk 0");
}

static void test_damaged_bitmap(void **state)
{
	with_store(&(struct store_config){ .seed = 7 }, do_bitmap_damage);
}

/* The first of several records that no checkpoint covers. */
FIBER_FN static void do_journal_damage(struct store *s, void *arg)
{
	struct disk_record rec;

	store_format(s);
	assert_int_equal(store_mount(s), 0);
	for (uint64_t n = 1; n <= 10; n++)
		put_durable(s, n);
	store_power_cut(s, 1);
	for (uint64_t off = JOURNAL_OFFSET;; off += RECORD_ALIGN) {
		assert_true(off < JOURNAL_OFFSET + (1 << 20));
		assert_int_equal(sim_disk_peek(s->disks[0], off, &rec, sizeof(rec)), 0);
		if (le32_get(rec.magic) == RECORD_MAGIC && le64_get(rec.first_seq) == 5) {
			flip(s, off + 90);
			break;
		}
	}
	expect_no_mount(s, -EUCLEAN, "no torn tail");
	expect_no_mount(s, -EUCLEAN, "forget-damage");
	s->cfg.mount.forget_damage = true;
	assert_int_equal(store_mount(s), 0);
	assert_int_equal(count(s), 3); /* number 1 is the format itself */
	put_durable(s, 100);
	store_power_cut(s, 2);
	s->cfg.mount.forget_damage = false;
	assert_int_equal(store_mount(s), 0);
	assert_int_equal(count(s), 4);
	store_unmount(s);
}

static void test_journal_damaged_in_the_middle(void **state)
{
	with_store(&(struct store_config){ .seed = 8 }, do_journal_damage);
}

/* Read-only */

FIBER_FN static void do_read_only(struct store *s, void *arg)
{
	struct sim_disk_stats before, after;
	uint64_t n = 5;

	store_format(s);
	assert_int_equal(store_mount(s), 0);
	put_durable(s, 1);
	put_durable(s, 2);
	store_power_cut(s, 1);
	before = sim_disk_stats(s->disks[0]);
	s->cfg.mount.read_only = true;
	assert_int_equal(store_mount(s), 0);
	assert_int_equal(count(s), 2);
	assert_true(fs_is_read_only(s->fs));
	assert_null(fs_error(s->fs));
	assert_int_equal(txn_run(s->fs, NULL, put_body, &n, NULL), -EROFS);
	assert_int_equal(fs_checkpoint(s->fs), -EROFS);
	store_unmount(s);
	after = sim_disk_stats(s->disks[0]);
	assert_int_equal(after.writes + after.durable_writes + after.zeroes + after.discards,
			 before.writes + before.durable_writes + before.zeroes + before.discards);
	s->cfg.mount.read_only = false;
	assert_int_equal(store_mount(s), 0);
	assert_int_equal(count(s), 2);
	store_unmount(s);
}

static void test_read_only_mount_writes_nothing(void **state)
{
	with_store(&(struct store_config){ .seed = 9 }, do_read_only);
}

/* A failing write of the journal: nothing is promised any more, and it is said once. */
static unsigned int errors_logged;

static void count_errors(void *owner, enum log_level level, const char *msg)
{
	errors_logged += level == LOG_LEVEL_ERR && strstr(msg, "read-only from now on");
}

FIBER_FN static void do_write_error(struct store *s, void *arg)
{
	struct sim_fault fault = {
		.kind = SIM_FAULT_ERROR, .ops = SIM_OPS_WRITES, .nth = 1, .times = UINT64_MAX, .error = -EIO
	};
	uint64_t n = 2, seq;

	store_format(s);
	assert_int_equal(store_mount(s), 0);
	put_durable(s, 1);
	sim_disk_fault(s->disks[0], &fault);
	errors_logged = 0;
	log_set_sink(count_errors, NULL);
	assert_int_equal(txn_run(s->fs, NULL, put_body, &n, &seq), 0);
	assert_int_equal(txn_wait_durable(s->fs, seq), -EIO);
	assert_int_equal(txn_wait_durable(s->fs, seq), -EIO);
	n = 3;
	assert_int_equal(txn_run(s->fs, NULL, put_body, &n, &seq), -EROFS);
	log_set_sink(NULL, NULL);
	assert_int_equal(errors_logged, 1);
	assert_non_null(fs_error(s->fs));
	fs_abandon(s->fs);
	s->fs = NULL;
	sim_disk_clear_faults(s->disks[0]);
	assert_int_equal(store_mount(s), 0);
	assert_true(count(s) >= 1);
	store_unmount(s);
}

static void test_journal_write_error(void **state)
{
	with_store(&(struct store_config){ .seed = 10 }, do_write_error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blank_device),
		cmocka_unit_test(test_small_device_is_refused),
		cmocka_unit_test(test_bad_format_options),
		cmocka_unit_test(test_interrupted_format),
		cmocka_unit_test(test_several_devices),
		cmocka_unit_test(test_device_of_another_volume),
		cmocka_unit_test(test_damaged_label),
		cmocka_unit_test(test_damaged_superblocks),
		cmocka_unit_test(test_damaged_tree_block),
		cmocka_unit_test(test_damaged_bitmap),
		cmocka_unit_test(test_journal_damaged_in_the_middle),
		cmocka_unit_test(test_read_only_mount_writes_nothing),
		cmocka_unit_test(test_journal_write_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
