/* SPDX-License-Identifier: Apache-2.0 */
/* For each inode, how far to wait before what was read of it may be told (I1). */

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "extent/item.h"
#include "tests/lib/store.h"

#define INO   77u
#define OTHER 78u

struct change {
	uint64_t ino;
	bool delete;
	int err;
};

static int change_body(struct txn *txn, void *arg)
{
	const struct change *c = arg;
	struct key key = key_make(ZONE_FILE, c->ino, ITEM_SYMLINK, 0);
	int err;

	err = c->delete ? txn_delete(txn, key) : txn_put(txn, key, "target", 6);
	return err ? err : c->err;
}

FIBER_FN static uint64_t change(struct store *s, uint64_t ino, bool delete)
{
	struct change c = { .ino = ino, .delete = delete };
	uint64_t seq;

	assert_int_equal(txn_run(s->fs, NULL, change_body, &c, &seq), 0);
	return seq;
}

FIBER_FN static void do_follow(struct store *s, void *arg)
{
	struct change fails = { .ino = INO, .err = -EDOM };
	uint64_t put, other, gone;

	store_format(s);
	assert_int_equal(store_mount(s), 0);
	assert_int_equal(fs_last_change(s->fs, INO), 0);
	put = change(s, INO, false);
	assert_int_equal(fs_last_change(s->fs, INO), put);
	assert_int_equal(fs_last_change(s->fs, OTHER), 0);
	assert_true(fs_durable_seq(s->fs) < put);
	other = change(s, OTHER, false);
	assert_int_equal(fs_last_change(s->fs, INO), put);
	assert_int_equal(fs_last_change(s->fs, OTHER), other);
	assert_int_equal(txn_wait_durable(s->fs, other), 0);
	assert_true(fs_durable_seq(s->fs) >= other);

	/* Nobody is sent to wait for a transaction that never was. */
	assert_int_equal(txn_run(s->fs, NULL, change_body, &fails, NULL), -EDOM);
	assert_in_range(fs_last_change(s->fs, INO), put, other);
	assert_int_equal(txn_wait_durable(s->fs, fs_last_change(s->fs, INO)), 0);
	gone = change(s, INO, true);
	assert_int_equal(fs_last_change(s->fs, INO), gone);
	assert_int_equal(txn_wait_durable(s->fs, gone), 0);

	/* What a mount finds, replayed or not, is durable. */
	store_power_cut(s, 5);
	assert_int_equal(store_mount(s), 0);
	assert_int_equal(fs_last_change(s->fs, INO), 0);
	assert_int_equal(fs_last_change(s->fs, OTHER), 0);
	assert_true(fs_durable_seq(s->fs) >= gone);
	store_unmount(s);
}

static void test_last_change_of_an_inode(void **state)
{
	struct store s;

	for (uint64_t seed = 1; seed <= 20; seed++) {
		store_init(&s, &(struct store_config){ .seed = seed });
		store_run(&s, do_follow, NULL);
		store_release(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_last_change_of_an_inode),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
