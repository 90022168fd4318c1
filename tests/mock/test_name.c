/* SPDX-License-Identifier: Apache-2.0 */
/* Names, rule by rule; test_tree.c runs all of it at random against a model. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "extent/format.h"
#include "tests/mock/call.h"

static struct mock_store store;

/*
 * /a/x (file), /a/sub (directory), /a/sub/deep (directory), /b (directory), /b/full/z (file), /b/empty (directory),
 * /f (file)
 */
static uint64_t a, x, sub, deep, b, full, z, empty, f;

static int setup(void **state)
{
	call_init(&store);
	a = call_make(&store, INO_ROOT, "a", S_IFDIR | 0755);
	x = call_make(&store, a, "x", S_IFREG | 0644);
	sub = call_make(&store, a, "sub", S_IFDIR | 0755);
	deep = call_make(&store, sub, "deep", S_IFDIR | 0755);
	b = call_make(&store, INO_ROOT, "b", S_IFDIR | 0755);
	full = call_make(&store, b, "full", S_IFDIR | 0755);
	z = call_make(&store, full, "z", S_IFREG | 0644);
	empty = call_make(&store, b, "empty", S_IFDIR | 0755);
	f = call_make(&store, INO_ROOT, "f", S_IFREG | 0644);
	return 0;
}

static int teardown(void **state)
{
	mock_release(&store);
	return 0;
}

/* The number that @name in @dir leads to, 0 for none. */
static uint64_t ino_at(uint64_t dir, const char *name)
{
	struct name_result r;
	int err;

	err = call_lookup(&store, dir, name, &r);
	if (err == -ENOENT)
		return 0;
	assert_int_equal(err, 0);
	assert_int_equal(r.dir.ino, dir);
	return r.inode.ino;
}

static void check_dir(uint64_t ino, uint32_t nlink, uint64_t entries, uint64_t parent)
{
	struct inode dir = call_inode(&store, ino);

	assert_int_equal(dir.nlink, nlink);
	assert_int_equal(dir.size, entries);
	assert_int_equal(dir.parent, parent);
}

static int rename_flags(uint64_t from, const char *from_name, uint64_t to, const char *to_name, unsigned int flags)
{
	struct name_rename_result r;

	return call_rename(&store, from, from_name, to, to_name, flags, &r);
}

static void test_create_types(void **state)
{
	const uint32_t modes[] = { S_IFREG, S_IFDIR, S_IFIFO, S_IFSOCK, S_IFBLK, S_IFCHR };
	struct inode before;
	struct name_result r;
	char name[16];

	for (unsigned int i = 0; i < ARRAY_SIZE(modes); i++) {
		before = call_inode(&store, b);
		snprintf(name, sizeof(name), "t%u", i);
		assert_int_equal(call_create(&store, b, name, modes[i] | 0640, &r), 0);
		assert_int_equal(r.inode.mode, modes[i] | 0640);
		assert_true(r.inode.uid == 1000 && r.inode.gid == 100 && r.inode.parent == b);
		assert_int_equal(r.inode.nlink, S_ISDIR(modes[i]) ? 2 : 1);
		assert_int_equal(r.dir.change, before.change + 1);
		assert_int_equal(r.dir.size, before.size + 1);
		assert_int_equal(r.dir.nlink, before.nlink + (S_ISDIR(modes[i]) ? 1 : 0));
		assert_true(r.dir.mtime.nsec > before.mtime.nsec && r.dir.ctime.nsec == r.dir.mtime.nsec);
		assert_int_equal(ino_at(b, name), r.inode.ino);
		assert_false(call_is_orphan(&store, r.inode.ino));
	}
	assert_true(store.log_bytes_max <= NAME_LOG_CREATE);
}

static void test_create_refused(void **state)
{
	struct name_result r;

	assert_int_equal(call_create(&store, INO_ROOT, "f", S_IFREG, &r), -EEXIST);
	assert_int_equal(call_create(&store, INO_ROOT, "a", S_IFREG, &r), -EEXIST);
	assert_int_equal(call_create(&store, f, "y", S_IFREG, &r), -ENOTDIR);
	assert_int_equal(call_create(&store, 4711, "y", S_IFREG, &r), -ENOENT);
	assert_int_equal(call_create(&store, UINT64_MAX, "y", S_IFREG, &r), -ENOENT);
	assert_int_equal(call_create(&store, a, ".", S_IFREG, &r), -EINVAL);
	assert_int_equal(call_create(&store, a, "..", S_IFDIR, &r), -EINVAL);
	assert_int_equal(call_create(&store, a, "", S_IFDIR, &r), -EINVAL);
	assert_int_equal(call_create(&store, a, "y", 0644, &r), -EINVAL);
	assert_int_equal(call_unlink(&store, b, "empty", &r), 0);
	assert_int_equal(call_create(&store, empty, "y", S_IFREG, &r), -ENOENT);
	assert_int_equal(call_link(&store, f, empty, "y", &r), -ENOENT);
	assert_int_equal(rename_flags(INO_ROOT, "f", empty, "y", 0), -ENOENT);
}

static void test_lookup_dots(void **state)
{
	struct name_result r;

	assert_int_equal(ino_at(sub, "."), sub);
	assert_int_equal(ino_at(sub, ".."), a);
	assert_int_equal(ino_at(INO_ROOT, ".."), INO_ROOT);
	assert_int_equal(call_lookup(&store, f, ".", &r), -ENOTDIR);
	assert_int_equal(call_lookup(&store, f, "y", &r), -ENOTDIR);
	assert_int_equal(call_unlink(&store, b, "empty", &r), 0);
	assert_int_equal(ino_at(empty, "."), empty);
	assert_int_equal(ino_at(empty, ".."), 0);
	assert_int_equal(call_lookup(&store, empty, "y", &r), -ENOENT);
}

static void test_link(void **state)
{
	struct inode before = call_inode(&store, f), dir = call_inode(&store, b);
	struct name_result r;

	assert_int_equal(call_link(&store, f, b, "g", &r), 0);
	assert_int_equal(r.inode.nlink, 2);
	assert_int_equal(r.inode.change, before.change + 1);
	assert_int_equal(r.inode.parent, INO_ROOT);
	assert_true(r.inode.ctime.nsec > before.ctime.nsec && r.inode.mtime.nsec == before.mtime.nsec);
	assert_true(r.dir.change == dir.change + 1 && r.dir.size == dir.size + 1 && r.dir.nlink == dir.nlink);
	assert_int_equal(ino_at(b, "g"), f);
	assert_int_equal(call_link(&store, f, b, "g", &r), -EEXIST);
	assert_int_equal(call_link(&store, a, b, "h", &r), -EISDIR);
	assert_int_equal(call_link(&store, 4711, b, "h", &r), -ENOENT);
	assert_int_equal(call_link(&store, f, f, "h", &r), -ENOTDIR);
	assert_int_equal(call_link(&store, f, b, "..", &r), -EINVAL);
	assert_int_equal(call_unlink(&store, INO_ROOT, "f", &r), 0);
	assert_int_equal(r.inode.nlink, 1);
	assert_false(call_is_orphan(&store, f));
}

static void test_link_limit(void **state)
{
	struct inode inode = call_inode(&store, f);
	struct name_result r;

	inode.nlink = INODE_NLINK_MAX;
	assert_int_equal(call_put(&store, &inode), 0);
	assert_int_equal(call_link(&store, f, b, "g", &r), -EMLINK);
	inode = call_inode(&store, b);
	inode.nlink = INODE_NLINK_MAX;
	assert_int_equal(call_put(&store, &inode), 0);
	assert_int_equal(call_create(&store, b, "g", S_IFDIR, &r), -EMLINK);
	assert_int_equal(call_create(&store, b, "g", S_IFREG, &r), 0);
	assert_int_equal(rename_flags(a, "sub", b, "sub", 0), -EMLINK);
	assert_int_equal(rename_flags(a, "x", b, "x", 0), 0);
	assert_int_equal(rename_flags(a, "sub", b, "empty", 0), 0); /* one for one */
}

static void test_orphan_and_back(void **state)
{
	struct inode before = call_inode(&store, f);
	struct name_result r;

	assert_int_equal(call_unlink(&store, INO_ROOT, "f", &r), 0);
	assert_true(r.inode.nlink == 0 && r.inode.change == before.change + 1);
	assert_true(r.inode.ctime.nsec > before.ctime.nsec);
	assert_true(call_is_orphan(&store, f));
	assert_int_equal(ino_at(INO_ROOT, "f"), 0);
	assert_int_equal(call_inode(&store, f).generation, before.generation);
	assert_int_equal(call_link(&store, f, b, "again", &r), 0);
	assert_true(r.inode.nlink == 1 && r.inode.parent == b);
	assert_false(call_is_orphan(&store, f));
	assert_int_equal(ino_at(b, "again"), f);
	assert_true(store.log_bytes_max <= NAME_LOG_LINK);
	assert_int_equal(call_unlink(&store, b, "again", &r), 0);
	r.inode.flags |= INODE_REAPING;
	assert_int_equal(call_put(&store, &r.inode), 0);
	assert_int_equal(call_link(&store, f, b, "again", &r), -ENOENT);
}

static void test_unlink(void **state)
{
	struct name_result r;

	assert_int_equal(call_unlink(&store, b, "full", &r), -ENOTEMPTY);
	assert_int_equal(call_unlink(&store, b, "nothing", &r), -ENOENT);
	assert_int_equal(call_unlink(&store, b, ".", &r), -EINVAL);
	assert_int_equal(call_unlink(&store, f, "x", &r), -ENOTDIR);
	assert_int_equal(call_unlink(&store, 4711, "x", &r), -ENOENT);
	assert_int_equal(call_unlink(&store, b, "empty", &r), 0);
	assert_int_equal(r.inode.nlink, 0);
	assert_true(call_is_orphan(&store, empty));
	check_dir(b, 3, 1, INO_ROOT);
	assert_int_equal(call_unlink(&store, full, "z", &r), 0);
	assert_int_equal(call_unlink(&store, b, "full", &r), 0);
	check_dir(b, 2, 0, INO_ROOT);
	assert_true(store.log_bytes_max <= NAME_LOG_CREATE);
}

static void test_rename_file(void **state)
{
	struct inode from = call_inode(&store, INO_ROOT), to = call_inode(&store, b), file = call_inode(&store, f);
	struct name_rename_result r;

	assert_int_equal(call_rename(&store, INO_ROOT, "f", b, "g", 0, &r), 0);
	assert_true(!r.nothing && !r.has_other && r.moved.ino == f && r.from_dir.ino == 1 && r.to_dir.ino == b);
	assert_true(r.from_dir.change == from.change + 1 && r.to_dir.change == to.change + 1);
	assert_true(r.moved.change == file.change + 1 && r.moved.nlink == 1 && r.moved.parent == b);
	assert_true(r.from_dir.size == from.size - 1 && r.to_dir.size == to.size + 1);
	assert_true(r.from_dir.nlink == from.nlink && r.to_dir.nlink == to.nlink);
	assert_true(r.to_dir.mtime.nsec > to.mtime.nsec && r.moved.mtime.nsec == file.mtime.nsec);
	assert_true(r.moved.ctime.nsec > file.ctime.nsec);
	assert_int_equal(ino_at(INO_ROOT, "f"), 0);
	assert_int_equal(ino_at(b, "g"), f);
	to = r.to_dir;
	assert_int_equal(call_rename(&store, b, "g", b, "h", 0, &r), 0); /* within one */
	assert_true(r.from_dir.change == to.change + 1 && r.to_dir.change == to.change + 1);
	assert_true(r.to_dir.size == to.size);
	assert_int_equal(ino_at(b, "h"), f);
}

static void test_rename_dir(void **state)
{
	assert_int_equal(rename_flags(a, "sub", b, "moved", 0), 0);
	check_dir(a, 2, 1, INO_ROOT);
	check_dir(b, 5, 3, INO_ROOT);
	check_dir(sub, 3, 1, b);
	assert_int_equal(ino_at(sub, ".."), b);
	assert_int_equal(rename_flags(b, "moved", b, "empty", 0), 0); /* over an empty one */
	check_dir(b, 4, 2, INO_ROOT);
	assert_true(call_is_orphan(&store, empty));
	assert_int_equal(call_inode(&store, empty).nlink, 0);
	assert_int_equal(ino_at(b, "empty"), sub);
	assert_true(store.log_bytes_max <= NAME_LOG_RENAME);
}

static void test_rename_replace(void **state)
{
	struct inode old = call_inode(&store, z);
	struct name_rename_result r;
	struct dir_entry before, after;

	assert_int_equal(call_dir_lookup(&store, full, "z", 1, &before), 0);
	assert_int_equal(call_rename(&store, INO_ROOT, "f", full, "z", 0, &r), 0);
	assert_true(r.has_other && r.other.ino == z && r.other.nlink == 0 && r.other.change == old.change + 1);
	assert_true(call_is_orphan(&store, z));
	assert_int_equal(ino_at(full, "z"), f);
	assert_int_equal(call_dir_lookup(&store, full, "z", 1, &after), 0);
	assert_int_equal(before.cookie, after.cookie);
	check_dir(full, 2, 1, b);
	assert_int_equal(call_link(&store, f, a, "y", &(struct name_result){ 0 }), 0);
	assert_int_equal(call_rename(&store, a, "x", a, "y", 0, &r), 0);
	assert_true(r.other.ino == f && r.other.nlink == 1);
	assert_false(call_is_orphan(&store, f));
}

static void test_rename_same_inode(void **state)
{
	struct inode before, root = call_inode(&store, INO_ROOT);
	struct name_rename_result r;
	struct name_result l;

	assert_int_equal(call_link(&store, f, b, "g", &l), 0);
	before = call_inode(&store, f);
	assert_int_equal(call_rename(&store, INO_ROOT, "f", b, "g", 0, &r), 0);
	assert_true(r.nothing);
	assert_int_equal(call_rename(&store, INO_ROOT, "f", INO_ROOT, "f", 0, &r), 0);
	assert_true(r.nothing);
	assert_int_equal(call_rename(&store, INO_ROOT, "f", b, "g", NAME_EXCHANGE, &r), 0);
	assert_true(r.nothing);
	assert_int_equal(call_rename(&store, INO_ROOT, "f", b, "g", NAME_NOREPLACE, &r), -EEXIST);
	assert_true(ino_at(b, "g") == f && ino_at(INO_ROOT, "f") == f);
	assert_int_equal(call_inode(&store, f).change, before.change);
	assert_int_equal(call_inode(&store, INO_ROOT).change, root.change);
}

static void test_rename_refused(void **state)
{
	static const struct {
		const uint64_t *from;
		const char *from_name;
		const uint64_t *to;
		const char *to_name;
		unsigned int flags;
		int err;
	} cases[] = {
		{ &a, "x", &b, "empty", 0, -EISDIR },
		{ &a, "x", &b, "full", 0, -EISDIR },
		{ &a, "sub", &full, "z", 0, -ENOTDIR },
		{ &a, "sub", &b, "full", 0, -ENOTEMPTY },
		{ &a, "sub", &sub, "y", 0, -EINVAL },
		{ &a, "sub", &deep, "y", 0, -EINVAL },
		{ &sub, "deep", &a, "sub", 0, -ENOTEMPTY },
		{ &a, "nothing", &b, "y", 0, -ENOENT },
		{ &a, "x", &f, "y", 0, -ENOTDIR },
		{ &f, "x", &a, "y", 0, -ENOTDIR },
		{ &a, ".", &b, "y", 0, -EINVAL },
		{ &a, "..", &b, "y", 0, -EINVAL },
		{ &a, "x", &b, ".", 0, -EINVAL },
		{ &a, "x", &b, "..", 0, -EINVAL },
		{ &a, "x", &b, "", 0, -EINVAL },
		{ &a, "x", &b, "a/b", 0, -EINVAL },
		{ &a, "x", &b, "y", 4, -EINVAL },
		{ &a, "x", &full, "z", NAME_NOREPLACE | NAME_EXCHANGE, -EINVAL },
		{ &a, "x", &full, "z", NAME_NOREPLACE, -EEXIST },
		{ &a, "x", &full, "y", NAME_EXCHANGE, -ENOENT },
		{ &a, "nothing", &full, "z", NAME_EXCHANGE, -ENOENT },
		{ &sub, "deep", &a, "sub", NAME_EXCHANGE, -EINVAL },
		{ &a, "sub", &sub, "deep", NAME_EXCHANGE, -EINVAL },
	};
	struct mock_store before;

	mock_init(&before);
	mock_copy(&before, &store);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(rename_flags(*cases[i].from, cases[i].from_name, *cases[i].to, cases[i].to_name,
					      cases[i].flags),
				 cases[i].err);
		assert_true(mock_equal(&before, &store));
	}
	mock_release(&before);
}

static void test_exchange(void **state)
{
	struct inode old_a = call_inode(&store, a), old_b = call_inode(&store, b);
	struct name_rename_result r;

	assert_int_equal(call_rename(&store, a, "x", b, "full", NAME_EXCHANGE, &r), 0); /* file with directory */
	assert_true(r.has_other && r.moved.ino == x && r.other.ino == full);
	assert_true(r.moved.parent == b && r.other.parent == a && r.other.nlink == 2 && r.moved.nlink == 1);
	assert_true(r.from_dir.change == old_a.change + 1 && r.to_dir.change == old_b.change + 1);
	assert_true(ino_at(a, "x") == full && ino_at(b, "full") == x);
	check_dir(a, 4, 2, INO_ROOT);
	check_dir(b, 3, 2, INO_ROOT);
	assert_int_equal(rename_flags(a, "x", b, "empty", NAME_EXCHANGE), 0); /* two directories, one not empty */
	check_dir(full, 2, 1, b);
	check_dir(empty, 2, 0, a);
	assert_int_equal(rename_flags(INO_ROOT, "a", INO_ROOT, "b", NAME_EXCHANGE), 0); /* within one */
	assert_true(ino_at(INO_ROOT, "a") == b && ino_at(INO_ROOT, "b") == a);
	assert_true(store.log_bytes_max <= NAME_LOG_RENAME);
}

/* A chain too deep to be walked is an error, not a hang; so is a ring, which only damage can make. */
static void test_depth(void **state)
{
	uint64_t dir = b, last = b;
	struct inode inode;

	for (unsigned int i = 0; i < NAME_DEPTH_MAX; i++) {
		last = dir;
		dir = call_make(&store, dir, "d", S_IFDIR);
	}
	assert_int_equal(rename_flags(INO_ROOT, "a", dir, "y", 0), -ELOOP);
	assert_int_equal(rename_flags(INO_ROOT, "f", dir, "y", 0), 0);
	assert_int_equal(rename_flags(INO_ROOT, "b", last, "y", 0), -EINVAL);
	inode = call_inode(&store, sub);
	inode.parent = deep;
	assert_int_equal(call_put(&store, &inode), 0);
	assert_int_equal(rename_flags(INO_ROOT, "b", deep, "y", 0), -ELOOP);
}

/* Entry and inode that contradict each other. */
static void test_damage(void **state)
{
	struct name_rename_result rr;
	struct inode inode, good;
	struct name_result r;

	good = inode = call_inode(&store, sub);
	inode.parent = b;
	assert_int_equal(call_put(&store, &inode), 0);
	assert_int_equal(call_lookup(&store, a, "sub", &r), -EUCLEAN);
	assert_int_equal(call_unlink(&store, a, "sub", &r), -EUCLEAN);
	assert_int_equal(call_put(&store, &good), 0);
	inode = call_inode(&store, x);
	inode.mode = S_IFIFO;
	assert_int_equal(call_put(&store, &inode), 0);
	assert_int_equal(call_rename(&store, a, "x", b, "x", 0, &rr), -EUCLEAN);
	inode.mode = S_IFREG;
	inode.nlink = 0;
	assert_int_equal(call_put(&store, &inode), 0);
	assert_int_equal(call_lookup(&store, a, "x", &r), -EUCLEAN);
	assert_true(mock_delete(&store, key_make(ZONE_FILE, x, ITEM_INODE, 0)));
	assert_int_equal(call_unlink(&store, a, "x", &r), -EUCLEAN);
	inode = call_inode(&store, b); /* counts too few entries */
	inode.size = 0;
	assert_int_equal(call_put(&store, &inode), 0);
	assert_int_equal(call_unlink(&store, b, "empty", &r), -EUCLEAN);
	inode.size = 2;
	inode.nlink = 2;
	assert_int_equal(call_put(&store, &inode), 0);
	assert_int_equal(call_unlink(&store, b, "empty", &r), -EUCLEAN);
	assert_true(mock_delete(&store, key_make(ZONE_FILE, a, ITEM_INODE, 0)));
	assert_int_equal(call_lookup(&store, sub, "..", &r), -EUCLEAN);
}

/* Every item call of every operation fails in turn: nothing is left of it. */
static int one_of_all(unsigned int which)
{
	static const char target[4000] = "to";
	struct name_rename_result rr;
	struct name_result r;

	switch (which) {
	case 0:
		return call_create(&store, b, "new", S_IFDIR, &r);
	case 1:
		return call_symlink(&store, b, "new", target, 2, &r);
	case 2:
		return call_link(&store, f, b, "new", &r);
	case 3:
		return call_unlink(&store, INO_ROOT, "f", &r);
	case 4:
		return call_unlink(&store, b, "empty", &r);
	case 5:
		return call_rename(&store, a, "sub", b, "empty", 0, &rr);
	case 6:
		return call_rename(&store, a, "sub", b, "full", NAME_EXCHANGE, &rr);
	default:
		return call_lookup(&store, a, "sub", &r);
	}
}

static void test_errors(void **state)
{
	struct mock_store before;
	uint64_t n;
	int err;

	mock_init(&before);
	for (unsigned int which = 0; which < 8; which++) {
		teardown(NULL);
		setup(NULL);
		mock_copy(&before, &store);
		store.fail_err = -EIO;
		for (n = 1;; n++) {
			store.fail_at = n;
			err = one_of_all(which);
			if (err != -EIO)
				break;
			assert_true(mock_equal(&before, &store));
		}
		assert_int_equal(err, 0);
		assert_true(n > 3);
		assert_true(mock_equal(&before, &store) == (which == 7));
		store.fail_at = 0;
	}
	mock_release(&before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_create_types, setup, teardown),
		cmocka_unit_test_setup_teardown(test_create_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lookup_dots, setup, teardown),
		cmocka_unit_test_setup_teardown(test_link, setup, teardown),
		cmocka_unit_test_setup_teardown(test_link_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_orphan_and_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unlink, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rename_file, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rename_dir, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rename_replace, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rename_same_inode, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rename_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exchange, setup, teardown),
		cmocka_unit_test_setup_teardown(test_depth, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
