/* SPDX-License-Identifier: Apache-2.0 */
/* Unfinished work: trims and orphans taken apart in steps, each of which may be the last before a crash. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "extent/orphan.h"
#include "tests/mock/call.h"

#define BLOCKS 40 /* of the file, every other one mapped, so that each is a mapping of its own */
#define TAG    7

static struct mock_store store;
static uint64_t file, free_before;
static struct inode inode_before;

static int body_give(struct txn *txn, void *arg)
{
	uint64_t first, end;

	txn_device_range(txn, 0, &first, &end);
	return alloc_give(txn, daddr_make(0, first), end - first);
}

static int body_map(struct txn *txn, void *arg)
{
	const struct map_want want = { 0 };
	struct inode inode;
	uint64_t stop;
	int err;

	err = inode_get(txn, file, &inode);
	for (uint64_t blk = 0; !err && blk < BLOCKS; blk += 2)
		err = map_alloc(txn, &inode, blk, 1, &want, 1, &stop);
	if (err)
		return err;
	inode.size = BLOCKS * DADDR_BLOCK_SIZE;
	return inode_put(txn, &inode);
}

static int body_count_free(struct txn *txn, void *arg)
{
	uint64_t *sum = arg, daddr = 0, len;
	int err;

	*sum = 0;
	while (!(err = alloc_next(txn, daddr, &daddr, &len))) {
		*sum += len;
		daddr += len;
	}
	return err == -ENOENT ? 0 : err;
}

static uint64_t count_free(void)
{
	uint64_t sum;

	assert_int_equal(mock_read(&store, body_count_free, &sum), 0);
	return sum;
}

static int setup(void **state)
{
	call_init(&store);
	store.log_max = TXN_LOG_DEFAULT;
	assert_int_equal(mock_run(&store, body_give, NULL), 0);
	free_before = count_free();
	file = call_make(&store, INO_ROOT, "f", S_IFREG | 0644);
	store.log_max = TXN_LOG_DEFAULT;
	assert_int_equal(mock_run(&store, body_map, NULL), 0);
	inode_before = call_inode(&store, file);
	assert_int_equal(inode_before.blocks, BLOCKS / 2);
	return 0;
}

static int teardown(void **state)
{
	mock_release(&store);
	return 0;
}

struct step {
	uint64_t ino, tag;
	unsigned int max;
	bool more;
};

static int body_trim(struct txn *txn, void *arg)
{
	struct step *s = arg;

	return inode_trim_step(txn, s->ino, s->tag, s->max, &s->more);
}

static int trim(uint64_t ino, unsigned int max, bool *ret_more)
{
	struct step s = { ino, TAG, max, false };
	int err;

	store.log_max = INODE_LOG_TRIM(max);
	err = mock_run(&store, body_trim, &s);
	*ret_more = s.more;
	return err;
}

static int body_reap(struct txn *txn, void *arg)
{
	struct step *s = arg;

	return orphan_reap_step(txn, s->ino, s->tag, s->max, &s->more);
}

static int reap(uint64_t ino, unsigned int max, bool *ret_more)
{
	struct step s = { ino, TAG, max, false };
	int err;

	store.log_max = ORPHAN_LOG_REAP(max);
	err = mock_run(&store, body_reap, &s);
	*ret_more = s.more;
	return err;
}

static int body_release(struct txn *txn, void *arg)
{
	bool more = true;
	int err = 0;

	while (!err && more)
		err = limbo_release(txn, TAG, 100, &more);
	return err;
}

static void release_limbo(void)
{
	store.log_max = TXN_LOG_DEFAULT;
	assert_int_equal(mock_run(&store, body_release, NULL), 0);
}

static struct inode set_size(uint64_t size, int want)
{
	struct inode_attrs attrs = { .mask = INODE_SET_SIZE, .size = size };
	struct inode inode = { 0 };

	assert_int_equal(call_setattr(&store, file, &attrs, &inode), want);
	return inode;
}

static void test_trim(void **state)
{
	unsigned int steps = 1;
	struct inode inode;
	bool more;

	inode = set_size(10 * DADDR_BLOCK_SIZE + 1, 0);
	assert_int_equal(inode.trim_from, 11);
	set_size(20 * DADDR_BLOCK_SIZE, -EAGAIN);
	while (true) {
		assert_int_equal(trim(file, 3, &more), 0);
		if (!more)
			break;
		steps++;
		assert_true(call_is_orphan(&store, file));
		assert_int_equal(call_inode(&store, file).trim_from, 11);
	}
	assert_true(steps >= 5 && steps <= 10); /* 14 mappings with holes between them */
	inode = call_inode(&store, file);
	assert_int_equal(inode.trim_from, INODE_NO_TRIM);
	assert_int_equal(inode.blocks, 6);
	assert_false(call_is_orphan(&store, file));
	assert_int_equal(trim(file, 3, &more), 0); /* nothing to do */
	assert_false(more);
	assert_int_equal(trim(4711, 3, &more), -ENOENT);
	release_limbo();
	assert_int_equal(count_free(), free_before - 6);
	assert_true(store.log_bytes_max <= TXN_LOG_DEFAULT);
}

/* A shrink in the middle of a trim moves its beginning; an unlink keeps the item for the orphan. */
static void test_trim_and_unlink(void **state)
{
	struct name_result r;
	bool more = true;

	set_size(30 * DADDR_BLOCK_SIZE, 0);
	assert_int_equal(trim(file, 1, &more), 0);
	assert_true(more);
	assert_int_equal(set_size(4 * DADDR_BLOCK_SIZE, 0).trim_from, 4);
	assert_int_equal(call_unlink(&store, INO_ROOT, "f", &r), 0);
	while (more)
		assert_int_equal(trim(file, 4, &more), 0);
	assert_true(call_is_orphan(&store, file));
	assert_int_equal(call_inode(&store, file).blocks, 2);
	assert_int_equal(call_link(&store, file, INO_ROOT, "g", &r), 0);
	assert_false(call_is_orphan(&store, file));
	set_size(0, 0);
	assert_int_equal(call_unlink(&store, INO_ROOT, "g", &r), 0);
	assert_int_equal(call_link(&store, file, INO_ROOT, "h", &r), 0);
	assert_true(call_is_orphan(&store, file)); /* there is still a trim to do */
	assert_int_equal(trim(file, 100, &more), 0);
	assert_false(call_is_orphan(&store, file));
}

static void make_orphan(void)
{
	static const char value[10000];
	struct name_result r;
	struct inode inode;
	char name[16];

	for (unsigned int i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "user.%u", i);
		assert_int_equal(call_xattr_set(&store, file, name, value, 1000 * i, XATTR_NEW, &inode), 0);
	}
	assert_int_equal(call_unlink(&store, INO_ROOT, "f", &r), 0);
}

static void check_reaped(uint64_t items_left)
{
	struct inode inode;
	struct item item;
	bool more;

	assert_int_equal(call_get(&store, file, &inode), -ENOENT);
	assert_int_equal(reap(file, 1, &more), -ENOENT);
	assert_false(call_is_orphan(&store, file));
	assert_false(mock_next(&store, key_make(ZONE_FILE, file, 0, 0), &item));
	release_limbo();
	assert_int_equal(count_free(), free_before);
	assert_int_equal(store.nr_items, items_left);
}

/* Root and the two items of free space. */
#define ITEMS_LEFT 3

static void test_reap(void **state)
{
	for (unsigned int max = 1; max < 60; max += max < 8 ? 1 : 13) {
		bool more = true;
		unsigned int steps = 0;
		struct name_result r;
		struct inode inode;

		teardown(NULL);
		setup(NULL);
		make_orphan();
		while (more) {
			assert_true(call_is_orphan(&store, file));
			assert_int_equal(reap(file, max, &more), 0);
			steps++;
			if (more) {
				assert_int_equal(call_link(&store, file, INO_ROOT, "again", &r), -ENOENT);
				assert_int_equal(call_get(&store, file, &inode), -ENOENT);
			}
		}
		assert_true(steps <= 40 / max + 24 / max + 4); /* mappings and holes; parts of attributes */
		check_reaped(ITEMS_LEFT);
	}
}

static void test_reap_refused(void **state)
{
	uint64_t items = store.nr_items;
	struct name_result r;
	struct inode inode;
	bool more;

	assert_int_equal(reap(file, 5, &more), -EBUSY);
	assert_int_equal(reap(INO_ROOT, 5, &more), -EBUSY);
	assert_int_equal(reap(4711, 5, &more), -ENOENT);
	assert_int_equal(reap(UINT64_MAX, 5, &more), -ENOENT);
	assert_int_equal(store.nr_items, items);
	inode = call_inode(&store, file);
	inode.nlink = 0; /* but on no list */
	assert_int_equal(call_put(&store, &inode), 0);
	assert_int_equal(reap(file, 100, &more), -EUCLEAN);
	assert_int_equal(store.nr_items, items);
	assert_int_equal(call_create(&store, INO_ROOT, "d", S_IFDIR, &r), 0);
	assert_int_equal(call_unlink(&store, INO_ROOT, "d", &r), 0);
	assert_int_equal(call_dir_insert(&store, r.inode.ino, "x", 1, 5), 0); /* what no orphan can have */
	assert_int_equal(reap(r.inode.ino, 100, &more), -EUCLEAN);
}

static void test_reap_other_types(void **state)
{
	const uint32_t modes[] = { S_IFDIR, S_IFIFO, S_IFSOCK, S_IFBLK, S_IFCHR };
	static const char target[4096] = { [0 ... 4095] = 't' };
	struct name_result r;
	uint64_t items = store.nr_items;
	bool more;

	for (unsigned int i = 0; i < ARRAY_SIZE(modes); i++) {
		assert_int_equal(call_create(&store, INO_ROOT, "x", modes[i], &r), 0);
		assert_int_equal(call_unlink(&store, INO_ROOT, "x", &r), 0);
		assert_int_equal(reap(r.inode.ino, 1, &more), 0);
		assert_false(more);
		assert_int_equal(store.nr_items, items);
	}
	assert_int_equal(call_symlink(&store, INO_ROOT, "x", target, sizeof(target), &r), 0);
	assert_int_equal(call_unlink(&store, INO_ROOT, "x", &r), 0);
	assert_int_equal(reap(r.inode.ino, 1, &more), 0);
	assert_true(more);
	assert_int_equal(reap(r.inode.ino, 1, &more), 0);
	assert_false(more);
	assert_int_equal(store.nr_items, items);
}

static int body_next(struct txn *txn, void *arg)
{
	uint64_t *ino = arg;

	return orphan_next(txn, *ino, ino);
}

static void test_next(void **state)
{
	uint64_t inos[20], ino = 0;
	struct name_result r;
	char name[16];

	assert_int_equal(mock_read(&store, body_next, &ino), -ENOENT);
	for (unsigned int i = 0; i < ARRAY_SIZE(inos); i++) {
		snprintf(name, sizeof(name), "%u", i);
		inos[i] = call_make(&store, INO_ROOT, name, S_IFREG);
		assert_int_equal(call_unlink(&store, INO_ROOT, name, &r), 0);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(inos); i++) {
		assert_int_equal(mock_read(&store, body_next, &ino), 0);
		assert_int_equal(ino, inos[i]);
	}
	assert_int_equal(mock_read(&store, body_next, &ino), -ENOENT);
	ino = UINT64_MAX;
	assert_int_equal(mock_read(&store, body_next, &ino), -ENOENT);
}

/* Every call of every step fails once: the step leaves nothing, and the next one does its work. */
static void test_errors(void **state)
{
	bool more = true;
	uint64_t n = 1;

	make_orphan();
	store.fail_err = -EIO;
	while (more) {
		struct mock_store before;
		int err;

		mock_init(&before);
		mock_copy(&before, &store);
		store.fail_at = n++;
		err = reap(file, 4, &more);
		if (err) {
			assert_int_equal(err, -EIO);
			assert_true(mock_equal(&before, &store));
			more = true;
		} else {
			n = 1;
		}
		mock_release(&before);
	}
	store.fail_at = 0;
	check_reaped(ITEMS_LEFT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_trim, setup, teardown),
		cmocka_unit_test_setup_teardown(test_trim_and_unlink, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reap, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reap_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reap_other_types, setup, teardown),
		cmocka_unit_test_setup_teardown(test_next, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
