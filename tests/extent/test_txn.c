/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions through the real tree, cache, journal and checkpoint, on a simulated disk: what a body sees, what an
 * aborted one leaves, restarts for blocks and for space, and a random model run with mounts and power cuts.
 */

#include "extent/txn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dev/fiber.h"
#include "dev/reactor.h"
#include "tests/lib/store.h"

static struct key state_key(uint64_t n)
{
	return key_make(ZONE_STATE, n >> 8, 1, n & 0xff);
}

static void with_store(const struct store_config *cfg, void (*fn)(struct store *s, void *arg), void *arg)
{
	struct store s;

	store_init(&s, cfg);
	store_run(&s, fn, arg);
	store_release(&s);
}

FIBER_FN static void format_and_mount(struct store *s)
{
	store_format(s);
	assert_int_equal(store_mount(s), 0);
}

/* Put, read back, replace, delete */

struct one {
	uint64_t n;
	const char *text; /* NULL: delete */
	char seen[64];
	int err;
};

static int put_body(struct txn *txn, void *arg)
{
	struct one *one = arg;

	if (!one->text)
		return txn_delete(txn, state_key(one->n));
	return txn_put(txn, state_key(one->n), one->text, strlen(one->text) + 1);
}

static int get_body(struct txn *txn, void *arg)
{
	struct one *one = arg;
	struct item item;
	int err = txn_get(txn, state_key(one->n), &item);

	if (!err)
		memcpy(one->seen, item.val, item.len);
	return err;
}

FIBER_FN static uint64_t put(struct store *s, uint64_t n, const char *text)
{
	struct one one = { .n = n, .text = text };
	uint64_t seq;

	assert_int_equal(txn_run(s->fs, NULL, put_body, &one, &seq), 0);
	return seq;
}

FIBER_FN static void expect(struct store *s, uint64_t n, const char *text)
{
	struct one one = { .n = n };
	int err = txn_read(s->fs, get_body, &one);

	if (!text) {
		assert_int_equal(err, -ENOENT);
		return;
	}
	assert_int_equal(err, 0);
	assert_string_equal(one.seen, text);
}

FIBER_FN static void do_put_get_delete(struct store *s, void *arg)
{
	uint64_t seq;

	format_and_mount(s);
	expect(s, 1, NULL);
	seq = put(s, 1, "one");
	assert_true(put(s, 2, "two") == seq + 1);
	expect(s, 1, "one");
	put(s, 1, "another one, longer");
	expect(s, 1, "another one, longer");
	put(s, 2, NULL);
	expect(s, 2, NULL);
	assert_int_equal(txn_wait_durable(s->fs, seq + 3), 0);
	store_unmount(s);
	assert_int_equal(store_mount(s), 0);
	expect(s, 1, "another one, longer");
	expect(s, 2, NULL);
	store_unmount(s);
}

static void test_put_get_delete(void **state)
{
	with_store(&(struct store_config){ .seed = 1 }, do_put_get_delete, NULL);
}

/* A failing body leaves nothing */

static int failing_body(struct txn *txn, void *arg)
{
	int err = 0;

	for (uint64_t n = 0; n < 300 && !err; n++)
		err = txn_put(txn, state_key(n), "written and taken back", 23);
	for (uint64_t n = 0; n < 100 && !err; n++)
		err = txn_delete(txn, state_key(3 * n));
	return err ? err : -EXDEV;
}

FIBER_FN static void do_abort(struct store *s, void *arg)
{
	struct txn_options opt = { .name = "test", .log_max = 64 << 10 };
	struct fs_stats before, after;

	format_and_mount(s);
	put(s, 7, "seven");
	fs_stats(s->fs, &before);
	assert_int_equal(txn_run(s->fs, &opt, failing_body, NULL, NULL), -EXDEV);
	fs_stats(s->fs, &after);
	assert_true(after.items == before.items);
	assert_true(after.txn_seq == before.txn_seq);
	for (uint64_t n = 0; n < 300; n++)
		expect(s, n, n == 7 ? "seven" : NULL);
	store_unmount(s);
	assert_int_equal(store_mount(s), 0);
	expect(s, 7, "seven");
	expect(s, 8, NULL);
	store_unmount(s);
}

static void test_failed_body_leaves_nothing(void **state)
{
	with_store(&(struct store_config){ .seed = 2 }, do_abort, NULL);
}

FIBER_FN static void do_too_big(struct store *s, void *arg)
{
	struct txn_options opt = { .name = "test", .log_max = 1000 };

	format_and_mount(s);
	assert_int_equal(txn_run(s->fs, &opt, failing_body, NULL, NULL), -E2BIG);
	expect(s, 0, NULL);
	store_unmount(s);
}

static void test_more_changes_than_asked_for(void **state)
{
	with_store(&(struct store_config){ .seed = 3 }, do_too_big, NULL);
}

/* Order and ranges */

struct range {
	struct key at, end;
	uint64_t nr;
	uint64_t lot; /* items in one body */
	bool backwards;
	bool more;
};

static int range_body(struct txn *txn, void *arg)
{
	const struct range *r = arg;
	struct range run = *r;
	uint64_t lot = 0;

	for (run.more = true; run.more && lot < r->lot; lot++) {
		struct item item;
		int err =
			r->backwards ? txn_prev(txn, run.at, run.end, &item) : txn_next(txn, run.at, run.end, &item);

		if (err && err != -ENOENT)
			return err;
		run.more = !err;
		if (err)
			break;
		run.nr++;
		run.at = item.key;
		if (r->backwards ? run.at.lo-- == 0 : ++run.at.lo == 0)
			run.at.hi += r->backwards ? -1ULL : 1ULL;
	}
	*(struct range *)arg = run;
	return 0;
}

FIBER_FN static uint64_t count_range(struct store *s, uint64_t from, uint64_t last, bool backwards, uint64_t lot)
{
	struct range r = {
		.at = state_key(backwards ? last : from),
		.end = state_key(backwards ? from : last),
		.backwards = backwards,
		.lot = lot,
	};

	do
		assert_int_equal(txn_read(s->fs, range_body, &r), 0);
	while (r.more);
	return r.nr;
}

/* More items than the cache holds: every walk fetches and evicts blocks and restarts. */
FIBER_FN static void do_ranges(struct store *s, void *arg)
{
	struct fs_stats stats;

	format_and_mount(s);
	for (uint64_t n = 0; n < 60000; n += 3)
		put(s, n * 7919 % 60000 / 3 * 3, "some text that takes a few bytes of room in a leaf");
	for (unsigned int pass = 0; pass < 2; pass++) {
		assert_int_equal(count_range(s, 0, 59999, false, 200), 20000);
		assert_int_equal(count_range(s, 0, 59999, true, 100), 20000);
		assert_int_equal(count_range(s, 0, 59999, false, UINT64_MAX), 20000);
		assert_int_equal(count_range(s, 3000, 5999, false, 100), 1000);
		assert_int_equal(count_range(s, 3001, 5999, true, 100), 999);
		assert_int_equal(count_range(s, 3001, 3002, false, 100), 0);
		assert_int_equal(count_range(s, 60000, 70000, false, 100), 0);
		fs_stats(s->fs, &stats);
		assert_true(stats.tree_height > 1);
		store_unmount(s);
		assert_int_equal(store_mount(s), 0);
	}
	for (uint64_t n = 0; n < 60000; n += 3)
		put(s, n, NULL);
	assert_int_equal(count_range(s, 0, 59999, false, 100), 0);
	fs_stats(s->fs, &stats);
	assert_true(stats.tree_height <= 2); /* emptied leaves are given back */
	store_unmount(s);
}

static void test_ranges_across_many_leaves(void **state)
{
	with_store(&(struct store_config){ .seed = 4, .mount.cache_bytes = 1 << 20 }, do_ranges, NULL);
}

/* Durability over a power cut */

FIBER_FN static void do_durable(struct store *s, void *arg)
{
	uint64_t seq = 0;

	format_and_mount(s);
	for (unsigned int round = 0; round < 20; round++) {
		for (uint64_t n = 0; n < 50; n++)
			seq = put(s, round * 50 + n, "promised");
		assert_int_equal(txn_wait_durable(s->fs, seq), 0);
		store_power_cut(s, s->cfg.seed + round);
		assert_int_equal(store_mount(s), 0);
		assert_int_equal(count_range(s, 0, 100000, false, 1000), (round + 1) * 50);
	}
	store_unmount(s);
}

static void test_durable_survives_power_cuts(void **state)
{
	for (uint64_t seed = 0; seed < 10; seed++)
		with_store(&(struct store_config){ .seed = seed }, do_durable, NULL);
}

/* A volume full of metadata: -ENOSPC, and deleting still works */

static int fat_body(struct txn *txn, void *arg)
{
	static const char fat[ITEM_VALUE_MAX];
	const uint64_t *n = arg;

	return txn_put(txn, key_make(ZONE_STATE, *n, 2, 0), fat, sizeof(fat));
}

static int thin_body(struct txn *txn, void *arg)
{
	const uint64_t *n = arg;

	return txn_delete(txn, key_make(ZONE_STATE, *n, 2, 0));
}

FIBER_FN static void do_full(struct store *s, void *arg)
{
	static const struct txn_options freeing = { .name = "delete", .frees_space = true };
	uint64_t nr = 0;
	int err;

	format_and_mount(s);
	for (unsigned int round = 0; round < 3; round++) {
		uint64_t had = nr;

		while ((err = txn_run(s->fs, NULL, fat_body, &nr, NULL)) == 0)
			nr++;
		assert_int_equal(err, -ENOSPC);
		assert_true(nr > 1000);
		assert_true(round == 0 || nr > had / 2);
		assert_false(fs_is_read_only(s->fs));
		while (nr > 10) {
			nr--;
			assert_int_equal(txn_run(s->fs, &freeing, thin_body, &nr, NULL), 0);
		}
	}
	store_unmount(s);
}

static void test_full_volume_can_still_delete(void **state)
{
	with_store(&(struct store_config){ .seed = 6, .disk_size = 16 << 20 }, do_full, NULL);
}

/* Loading without the journal: all there after its end, a first part of it after a crash. */

FIBER_FN static void do_bulk(struct store *s, void *arg)
{
	struct fs_stats before, after;

	format_and_mount(s);
	put(s, 0, "journaled");
	fs_stats(s->fs, &before);
	fs_bulk_begin(s->fs);
	for (uint64_t n = 1; n < 20000; n++)
		put(s, n, "some text that takes a few bytes of room in a leaf");
	fs_stats(s->fs, &after);
	assert_true(after.journal_bytes <= before.journal_bytes + RECORD_ALIGN);
	if (s->cfg.seed % 2 == 0) {
		assert_int_equal(fs_bulk_end(s->fs), 0);
		put(s, 20000, "journaled again");
		assert_int_equal(txn_wait_durable(s->fs, put(s, 20001, "and waited for")), 0);
	}
	store_power_cut(s, s->cfg.seed);
	assert_int_equal(store_mount(s), 0);
	if (s->cfg.seed % 2 == 0) {
		assert_int_equal(count_range(s, 0, 30000, false, 1000), 20002);
	} else {
		uint64_t nr = count_range(s, 0, 30000, false, 1000);

		assert_true(nr <= 20000);
		if (nr > 0)
			expect(s, nr, NULL);
	}
	store_unmount(s);
}

static void test_bulk_load(void **state)
{
	for (uint64_t seed = 0; seed < 6; seed++)
		with_store(&(struct store_config){ .seed = seed }, do_bulk, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_put_get_delete),
		cmocka_unit_test(test_failed_body_leaves_nothing),
		cmocka_unit_test(test_more_changes_than_asked_for),
		cmocka_unit_test(test_ranges_across_many_leaves),
		cmocka_unit_test(test_durable_survives_power_cuts),
		cmocka_unit_test(test_full_volume_can_still_delete),
		cmocka_unit_test(test_bulk_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
