/* SPDX-License-Identifier: Apache-2.0 */
/* Inodes: what is refused, what a change moves, and the beginning of a trim. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "extent/format.h"
#include "tests/mock/call.h"

static struct mock_store store;

static int setup(void **state)
{
	call_init(&store);
	return 0;
}

static int teardown(void **state)
{
	mock_release(&store);
	return 0;
}

static void test_root(void **state)
{
	struct inode root = call_inode(&store, INO_ROOT);

	assert_int_equal(root.mode, S_IFDIR | 0755);
	assert_int_equal(root.nlink, 2);
	assert_int_equal(root.parent, INO_ROOT);
	assert_int_equal(root.trim_from, INODE_NO_TRIM);
}

static void test_get_any_number(void **state)
{
	const uint64_t numbers[] = { 0, 2, KEY_LOW_MAX, KEY_LOW_MAX + 1, UINT64_MAX };
	struct inode inode;

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		assert_int_equal(call_get(&store, numbers[i], &inode), -ENOENT);
}

static void test_round_trip(void **state)
{
	struct inode inode = {
		.ino = 77,
		.mode = S_IFBLK | 06755,
		.uid = UINT32_MAX,
		.gid = 2,
		.nlink = 3,
		.blocks = 4,
		.change = 5,
		.generation = UINT64_MAX - 6,
		.atime = { -7, 999999999 },
		.mtime = { INT64_MIN, 8 },
		.ctime = { INT64_MAX, 9 },
		.btime = { 10, 11 },
		.parent = 12,
		.rdev_major = 13,
		.rdev_minor = 14,
		.flags = 0x80000000,
		.nr_xattrs = 15,
		.trim_from = INODE_NO_TRIM,
	};
	struct inode back;

	assert_int_equal(call_put(&store, &inode), 0);
	memset(&back, 0, sizeof(back));
	assert_int_equal(call_get(&store, 77, &back), 0);
	assert_int_equal(back.uid, inode.uid);
	assert_true(back.mode == inode.mode && back.gid == 2 && back.nlink == 3 && back.size == 0 &&
		    back.blocks == 4);
	assert_true(back.change == 5 && back.generation == inode.generation && back.parent == 12);
	assert_true(back.atime.sec == -7 && back.atime.nsec == 999999999 && back.mtime.sec == INT64_MIN);
	assert_true(back.mtime.nsec == 8 && back.ctime.sec == INT64_MAX && back.ctime.nsec == 9);
	assert_true(back.btime.sec == 10 && back.btime.nsec == 11 && back.rdev_major == 13 && back.rdev_minor == 14);
	assert_true(back.flags == 0x80000000 && back.nr_xattrs == 15 && back.trim_from == INODE_NO_TRIM);
	inode.mode = S_IFREG;
	inode.size = INODE_SIZE_MAX;
	inode.trim_from = 16;
	assert_int_equal(call_put(&store, &inode), 0);
	back = call_inode(&store, 77);
	assert_true(back.size == INODE_SIZE_MAX && back.trim_from == 16);
}

/* Neither written nor, when the disk says so, believed. */
static void check_nonsense(const struct inode *inode, const struct disk_inode *disk)
{
	struct inode back = { .ino = 1234 };

	assert_int_equal(call_put(&store, inode), -EUCLEAN);
	mock_put(&store, key_make(ZONE_FILE, 99, ITEM_INODE, 0), disk, sizeof(*disk));
	assert_int_equal(call_get(&store, 99, &back), -EUCLEAN);
	assert_int_equal(back.ino, 1234);
}

static void test_nonsense(void **state)
{
	const struct inode good = { .ino = 99, .mode = S_IFREG, .nlink = 1, .trim_from = INODE_NO_TRIM };
	struct item item;
	struct disk_inode d;
	struct inode bad;

	assert_int_equal(call_put(&store, &good), 0);
	assert_true(mock_next(&store, key_make(ZONE_FILE, 99, ITEM_INODE, 0), &item));
#define BAD(field, value, make)                                                                                      \
	do {                                                                                                         \
		memcpy(&d, item.val, sizeof(d));                                                                     \
		bad = good;                                                                                          \
		bad.field = (value);                                                                                 \
		d.field = make(value);                                                                               \
		check_nonsense(&bad, &d);                                                                            \
		assert_int_equal(call_put(&store, &good), 0);                                                        \
		assert_true(mock_next(&store, key_make(ZONE_FILE, 99, ITEM_INODE, 0), &item));                       \
	} while (0)
	BAD(mode, 0, le32_make);
	BAD(mode, 0150000 | 0644, le32_make);
	BAD(mode, S_IFREG | 0200000, le32_make);
	BAD(size, INODE_SIZE_MAX + 1, le64_make);
	BAD(nlink, INODE_NLINK_MAX + 1, le32_make);
	BAD(blocks, KEY_LOW_MAX + 1, le64_make);
	BAD(change, INODE_CHANGE_MAX + 1, le64_make);
	BAD(parent, KEY_LOW_MAX + 1, le64_make);
	BAD(trim_from, KEY_LOW_MAX + 1, le64_make);
	BAD(atime.nsec, 1000000000, le32_make);
	BAD(mtime.nsec, 1000000000, le32_make);
	BAD(ctime.nsec, UINT32_MAX, le32_make);
	BAD(btime.nsec, 1000000000, le32_make);
	BAD(mode, S_IFDIR, le32_make); /* nlink 1, no parent */
	BAD(mode, S_IFLNK, le32_make); /* no target */
#undef BAD
}

static void test_nonsense_of_types(void **state)
{
	const struct inode bad[] = {
		{ .ino = 99, .mode = S_IFDIR, .nlink = 1, .parent = 1, .trim_from = INODE_NO_TRIM },
		{ .ino = 99, .mode = S_IFDIR, .nlink = 2, .parent = 0, .trim_from = INODE_NO_TRIM },
		{ .ino = 99, .mode = S_IFDIR, .nlink = 2, .parent = 1, .trim_from = 0 },
		{ .ino = 99, .mode = S_IFLNK, .nlink = 1, .size = 4097, .trim_from = INODE_NO_TRIM },
		{ .ino = 99, .mode = S_IFIFO, .nlink = 1, .size = 1, .trim_from = INODE_NO_TRIM },
		{ .ino = 0, .mode = S_IFREG, .nlink = 1, .trim_from = INODE_NO_TRIM },
		{ .ino = KEY_LOW_MAX + 1, .mode = S_IFREG, .nlink = 1, .trim_from = INODE_NO_TRIM },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(call_put(&store, &bad[i]), -EUCLEAN);
}

static void test_wrong_length(void **state)
{
	uint8_t bytes[200] = { 0 };
	struct inode inode;

	for (size_t len = 0; len < sizeof(bytes); len++) {
		if (len == sizeof(struct disk_inode))
			continue;
		mock_put(&store, key_make(ZONE_FILE, 99, ITEM_INODE, 0), bytes, len);
		assert_int_equal(call_get(&store, 99, &inode), -EUCLEAN);
	}
}

static int body_touch(struct txn *txn, void *arg)
{
	struct inode *inode = arg;

	inode_touch(txn, inode, false);
	return 0;
}

static int body_touch_data(struct txn *txn, void *arg)
{
	struct inode *inode = arg;

	inode_touch(txn, inode, true);
	return 0;
}

static void test_touch(void **state)
{
	struct inode inode = { .change = 41 };

	store.wall_ns = 12345678901234567ULL - 1;
	assert_int_equal(mock_run(&store, body_touch, &inode), 0);
	assert_int_equal(inode.change, 42);
	assert_int_equal(inode.ctime.sec, 12345678);
	assert_int_equal(inode.ctime.nsec, 901234567);
	assert_int_equal(inode.mtime.sec, 0);
	store.wall_ns = 5; /* the clock was set back: the change attribute does not care */
	assert_int_equal(mock_run(&store, body_touch_data, &inode), 0);
	assert_int_equal(inode.change, 43);
	assert_int_equal(inode.ctime.nsec, 6);
	assert_int_equal(inode.mtime.nsec, 6);
}

struct created {
	uint32_t mode, major;
	uint64_t parent;
	struct inode inode;
};

static int body_create(struct txn *txn, void *arg)
{
	struct created *c = arg;

	return inode_create(txn, c->mode, 1, 2, c->major, 0, c->parent, &c->inode);
}

static int create(uint32_t mode, uint32_t major, uint64_t parent, struct inode *ret)
{
	struct created c = { mode, major, parent, { 0 } };
	int err;

	err = mock_run(&store, body_create, &c);
	*ret = c.inode;
	return err;
}

static void test_create(void **state)
{
	struct inode a, b, dir;

	assert_int_equal(create(S_IFREG | 0600, 0, 1, &a), 0);
	assert_int_equal(create(S_IFCHR, 7, 1, &b), 0);
	assert_int_equal(create(S_IFDIR, 0, 1, &dir), 0);
	assert_true(a.ino != b.ino && a.generation != b.generation && b.generation != dir.generation);
	assert_true(a.nlink == 1 && dir.nlink == 2 && b.rdev_major == 7 && a.uid == 1 && a.gid == 2);
	assert_true(a.change == 1 && a.btime.sec == a.ctime.sec && a.btime.nsec == a.atime.nsec);
	assert_int_equal(create(S_IFREG, 7, 1, &a), -EINVAL);
	assert_int_equal(create(0644, 0, 1, &a), -EINVAL);
	assert_int_equal(create(S_IFREG | 0200000, 0, 1, &a), -EINVAL);
	assert_int_equal(create(S_IFREG, 0, 0, &a), -EINVAL);
	assert_int_equal(create(S_IFREG, 0, UINT64_MAX, &a), -EINVAL);
}

struct gen {
	uint64_t ino, gen;
	struct inode inode;
};

static int body_get_gen(struct txn *txn, void *arg)
{
	struct gen *g = arg;

	return inode_get_gen(txn, g->ino, g->gen, &g->inode);
}

static int get_gen(uint64_t ino, uint64_t gen)
{
	struct gen g = { .ino = ino, .gen = gen };

	return mock_read(&store, body_get_gen, &g);
}

static void test_get_gen(void **state)
{
	struct inode inode;

	assert_int_equal(create(S_IFREG, 0, 1, &inode), 0);
	assert_int_equal(get_gen(inode.ino, inode.generation), 0);
	assert_int_equal(get_gen(inode.ino, inode.generation + 1), -ESTALE);
	assert_int_equal(get_gen(inode.ino + 1, inode.generation), -ESTALE);
	inode.flags |= INODE_REAPING;
	assert_int_equal(call_put(&store, &inode), 0);
	assert_int_equal(get_gen(inode.ino, inode.generation), -ESTALE);
}

static void test_setattr(void **state)
{
	struct inode_attrs attrs = { .mask = INODE_SET_MODE | INODE_SET_UID | INODE_SET_GID | INODE_SET_ATIME |
					     INODE_SET_MTIME | INODE_SET_BTIME,
				     .mode = 04711,
				     .uid = 5,
				     .gid = 6,
				     .size = 77,
				     .atime = { 1, 2 },
				     .mtime = { 3, 4 },
				     .btime = { 5, 6 } };
	struct inode before, after;
	uint64_t ino;

	ino = call_make(&store, INO_ROOT, "f", S_IFREG | 0644);
	before = call_inode(&store, ino);
	assert_int_equal(call_setattr(&store, ino, &attrs, &after), 0);
	assert_int_equal(after.mode, S_IFREG | 04711);
	assert_true(after.uid == 5 && after.gid == 6 && after.size == 0 && after.change == before.change + 1);
	assert_true(after.atime.sec == 1 && after.mtime.sec == 3 && after.mtime.nsec == 4 && after.btime.sec == 5);
	assert_true(after.ctime.nsec > before.ctime.nsec);
	attrs.mask = 0;
	before = after;
	assert_int_equal(call_setattr(&store, ino, &attrs, &after), 0);
	assert_int_equal(after.change, before.change);
	attrs.mask = INODE_SET_UID;
	attrs.uid = 9;
	assert_int_equal(call_setattr(&store, ino, &attrs, &after), 0);
	assert_true(after.uid == 9 && after.gid == 6 && after.mode == before.mode && after.mtime.sec == 3);
}

static void test_setattr_refused(void **state)
{
	struct inode_attrs attrs = { .mask = INODE_SET_MODE, .mode = 010000 };
	uint64_t file, dir, fifo;
	struct inode inode;

	file = call_make(&store, INO_ROOT, "f", S_IFREG);
	dir = call_make(&store, INO_ROOT, "d", S_IFDIR);
	fifo = call_make(&store, INO_ROOT, "p", S_IFIFO);
	assert_int_equal(call_setattr(&store, file, &attrs, &inode), -EINVAL);
	attrs = (struct inode_attrs){ .mask = INODE_SET_ATIME, .atime = { 0, 1000000000 } };
	assert_int_equal(call_setattr(&store, file, &attrs, &inode), -EINVAL);
	attrs = (struct inode_attrs){ .mask = INODE_SET_MTIME, .mtime = { 0, 1000000000 } };
	assert_int_equal(call_setattr(&store, file, &attrs, &inode), -EINVAL);
	attrs = (struct inode_attrs){ .mask = INODE_SET_BTIME, .btime = { 0, 1000000000 } };
	assert_int_equal(call_setattr(&store, file, &attrs, &inode), -EINVAL);
	attrs = (struct inode_attrs){ .mask = INODE_SET_SIZE, .size = 1 };
	assert_int_equal(call_setattr(&store, dir, &attrs, &inode), -EISDIR);
	assert_int_equal(call_setattr(&store, fifo, &attrs, &inode), -EINVAL);
	assert_int_equal(call_setattr(&store, 4711, &attrs, &inode), -ENOENT);
	attrs.size = INODE_SIZE_MAX + 1;
	assert_int_equal(call_setattr(&store, file, &attrs, &inode), -EFBIG);
	attrs.size = INODE_SIZE_MAX;
	assert_int_equal(call_setattr(&store, file, &attrs, &inode), 0);
}

static struct inode set_size(uint64_t ino, uint64_t size, int want)
{
	struct inode_attrs attrs = { .mask = INODE_SET_SIZE, .size = size };
	struct inode inode = { 0 };

	assert_int_equal(call_setattr(&store, ino, &attrs, &inode), want);
	return inode;
}

/* A file of @size bytes with @blocks blocks that nobody looks at. */
static uint64_t file_with(uint64_t size, uint64_t blocks)
{
	struct inode inode;

	inode = call_inode(&store, call_make(&store, INO_ROOT, "file", S_IFREG));
	inode.size = size;
	inode.blocks = blocks;
	assert_int_equal(call_put(&store, &inode), 0);
	return inode.ino;
}

static void test_shrink_without_blocks(void **state)
{
	uint64_t ino = file_with(100000, 0);
	struct inode inode;

	inode = set_size(ino, 5, 0);
	assert_int_equal(inode.trim_from, INODE_NO_TRIM);
	assert_int_equal(inode.flags, 0);
	assert_false(call_is_orphan(&store, ino));
	set_size(ino, 1 << 30, 0);
}

static void test_shrink(void **state)
{
	uint64_t ino = file_with(100000, 25), off = 0;
	struct inode inode, before;
	uint32_t len = 0;

	before = call_inode(&store, ino);
	inode = set_size(ino, 8193, 0);
	assert_int_equal(inode.size, 8193);
	assert_int_equal(inode.trim_from, 3);
	assert_int_equal(inode.change, before.change + 1);
	assert_int_equal(inode.mtime.nsec, inode.ctime.nsec);
	assert_true(call_is_orphan(&store, ino));
	assert_true(inode_dirty_tail(&inode, &off, &len));
	assert_int_equal(off, 8193);
	assert_int_equal(len, 4095);
	assert_int_equal(inode_may_map(&inode, 2), 0);
	assert_int_equal(inode_may_map(&inode, 3), -EAGAIN);
	inode = set_size(ino, 4096, 0); /* once more, before the first trim is done */
	assert_int_equal(inode.trim_from, 1);
	assert_false(inode_dirty_tail(&inode, &off, &len));
	set_size(ino, 4097, -EAGAIN);
	assert_int_equal(set_size(ino, 4096, 0).size, 4096);
	inode = set_size(ino, 100, 0);
	assert_int_equal(inode.trim_from, 1); /* block 0 stays */
	inode = set_size(ino, 0, 0);
	assert_int_equal(inode.trim_from, 0);
}

static int body_zeroed(struct txn *txn, void *arg)
{
	uint64_t *a = arg;

	return inode_tail_zeroed(txn, a[0], a[1]);
}

static int tail_zeroed(uint64_t ino, uint64_t size)
{
	uint64_t a[2] = { ino, size };

	return mock_run(&store, body_zeroed, a);
}

static void test_tail(void **state)
{
	uint64_t ino = file_with(5000, 2), change;
	struct inode inode;

	inode = set_size(ino, 4999, 0);
	assert_int_equal(inode.trim_from, 2);
	set_size(ino, 5000, -EAGAIN);
	assert_int_equal(tail_zeroed(ino, 5000), -ESTALE);
	assert_int_equal(tail_zeroed(ino + 1, 4999), -ENOENT);
	change = inode.change;
	assert_int_equal(tail_zeroed(ino, 4999), 0);
	assert_int_equal(tail_zeroed(ino, 4999), 0);
	inode = call_inode(&store, ino);
	assert_int_equal(inode.flags & INODE_DIRTY_TAIL, 0);
	assert_int_equal(inode.change, change);
	assert_int_equal(set_size(ino, 8192, 0).size, 8192); /* block 1 is not being trimmed */
	set_size(ino, 8193, -EAGAIN);
}

/* Every item call in turn fails: the error comes out, nothing is left, and without it the change is made. */
static void test_errors(void **state)
{
	uint64_t ino = file_with(100000, 25);
	struct inode_attrs attrs = { .mask = INODE_SET_SIZE, .size = 7 };
	struct mock_store before;
	struct inode inode = { .ino = 4711 };
	uint64_t n = 0;
	int err;

	mock_init(&before);
	mock_copy(&before, &store);
	store.fail_err = -EIO;
	do {
		assert_true(mock_equal(&before, &store));
		assert_int_equal(inode.ino, 4711);
		store.fail_at = ++n;
		err = call_setattr(&store, ino, &attrs, &inode);
	} while (err == -EIO);
	assert_int_equal(err, 0);
	assert_int_equal(n, 5); /* get inode, look for and put the orphan, put inode */
	mock_release(&before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_root, setup, teardown),
		cmocka_unit_test_setup_teardown(test_get_any_number, setup, teardown),
		cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nonsense, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nonsense_of_types, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wrong_length, setup, teardown),
		cmocka_unit_test_setup_teardown(test_touch, setup, teardown),
		cmocka_unit_test_setup_teardown(test_create, setup, teardown),
		cmocka_unit_test_setup_teardown(test_get_gen, setup, teardown),
		cmocka_unit_test_setup_teardown(test_setattr, setup, teardown),
		cmocka_unit_test_setup_teardown(test_setattr_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shrink_without_blocks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shrink, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tail, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
