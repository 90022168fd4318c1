/* SPDX-License-Identifier: Apache-2.0 */

/* REMOVE (RFC 8881, 18.25). */

#include <string.h>

#include "dev/fiber.h"
#include "tests/lib/nfs_tree.h"

static FIBER_FN void test_remove_takes_a_name_away(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	NFS_CHECK_EQ(t->test, tree_create(t, &t->top, NF4FIFO, "f", NULL, NULL), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_remove(t, &t->top, "f"), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_lookup(t, &t->top, "f", NULL), NFS4ERR_NOENT);
}

static FIBER_FN void test_remove_of_nothing_is_noent(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	NFS_CHECK_EQ(t->test, tree_remove(t, &t->top, "f"), NFS4ERR_NOENT);
}

static FIBER_FN void test_remove_takes_an_empty_directory(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	NFS_CHECK_EQ(t->test, tree_mkdir(t, &t->top, "d", 0755, NULL), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_remove(t, &t->top, "d"), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_nlink(t, &t->top), 2);
}

static FIBER_FN void test_remove_of_a_full_directory_is_notempty(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh dir;

	NFS_CHECK_EQ(t->test, tree_mkdir(t, &t->top, "d", 0755, &dir), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_mkdir(t, &dir, "x", 0755, NULL), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_remove(t, &t->top, "d"), NFS4ERR_NOTEMPTY);
}

static FIBER_FN void test_remove_in_a_file_is_notdir(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh fifo;

	NFS_CHECK_EQ(t->test, tree_create(t, &t->top, NF4FIFO, "f", NULL, &fifo), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_remove(t, &fifo, "x"), NFS4ERR_NOTDIR);
}

static FIBER_FN void test_remove_of_bad_names(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	NFS_CHECK_EQ(t->test, tree_remove(t, &t->top, ""), NFS4ERR_INVAL);
	NFS_CHECK_EQ(t->test, tree_remove(t, &t->top, "."), NFS4ERR_BADNAME);
	NFS_CHECK_EQ(t->test, tree_remove(t, &t->top, ".."), NFS4ERR_BADNAME);
}

static FIBER_FN void test_remove_wants_write_in_the_directory(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	NFS_CHECK_EQ(t->test, tree_create(t, &t->top, NF4FIFO, "f", NULL, NULL), NFS4_OK);
	tree_chmod(t, &t->top, 0755);
	tree_as(t, 1000, 1000);
	NFS_CHECK_EQ(t->test, tree_remove(t, &t->top, "f"), NFS4ERR_ACCESS);
}

static FIBER_FN void test_remove_of_anothers_file_in_a_sticky_directory_is_access(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh dir;

	NFS_CHECK_EQ(t->test, tree_mkdir(t, &t->top, "d", 0777, &dir), NFS4_OK);
	tree_chmod(t, &dir, 01777);
	tree_as(t, 1000, 1000);
	NFS_CHECK_EQ(t->test, tree_create(t, &dir, NF4FIFO, "f", NULL, NULL), NFS4_OK);
	tree_as(t, 2000, 2000);
	NFS_CHECK_EQ(t->test, tree_remove(t, &dir, "f"), NFS4ERR_ACCESS);
	tree_as(t, 1000, 1000);
	NFS_CHECK_EQ(t->test, tree_remove(t, &dir, "f"), NFS4_OK);
}

static FIBER_FN void test_remove_tells_how_the_directory_changed(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	uint64_t before;
	change_info4 cinfo;
	uint32_t at;

	NFS_CHECK_EQ(t->test, tree_create(t, &t->top, NF4FIFO, "f", NULL, NULL), NFS4_OK);
	before = tree_change(t, &t->top);
	tree_begin(t, &t->top);
	at = nfs_op_remove(t->c, "f");
	NFS_CHECK_EQ(t->test, tree_send(t), NFS4_OK);
	NFS_CHECK_EQ(t->test, nfs_op_got_change(t->c, at, &cinfo), 0);
	NFS_CHECK(t->test, cinfo.atomic);
	NFS_CHECK_EQ(t->test, cinfo.before, before);
	NFS_CHECK_EQ(t->test, cinfo.after, tree_change(t, &t->top));
}

static FIBER_FN void test_remove_of_one_of_two_names_keeps_the_file(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh fh;
	uint64_t change;

	NFS_CHECK_EQ(t->test, tree_create(t, &t->top, NF4FIFO, "f", NULL, &fh), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_link(t, &fh, &t->top, "g"), NFS4_OK);
	change = tree_change(t, &fh);
	NFS_CHECK_EQ(t->test, tree_remove(t, &t->top, "f"), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_nlink(t, &fh), 1);
	NFS_CHECK(t->test, tree_change(t, &fh) > change);
}

/* I8 */
static FIBER_FN void test_removed_file_lives_while_it_is_open(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_file file;

	NFS_CHECK_EQ(t->test, nfs_file_create(t->session, &t->top, "f", &file), 0);
	NFS_CHECK_EQ(t->test, tree_remove(t, &t->top, "f"), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_nlink(t, &file.fh), 0);
	NFS_CHECK_EQ(t->test, nfs_file_close(&file), 0);
	for (int i = 0; i < 1000; i++) {
		tree_begin(t, &file.fh);
		nfs_op_getattr(t->c, NFS_ATTRS(FATTR4_TYPE));
		if (tree_send(t) == NFS4ERR_STALE)
			return;
		fiber_sleep_ns(10000000);
	}
	NFS_CHECK(t->test, false);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_remove_takes_a_name_away, "RFC 8881, 18.25"),
	NFS_TEST(test_remove_of_nothing_is_noent, "RFC 8881, 18.25"),
	NFS_TEST(test_remove_takes_an_empty_directory, "RFC 8881, 18.25"),
	NFS_TEST(test_remove_of_a_full_directory_is_notempty, "RFC 8881, 18.25"),
	NFS_TEST(test_remove_in_a_file_is_notdir, "RFC 8881, 18.25"),
	NFS_TEST(test_remove_of_bad_names, "RFC 8881, 18.25"),
	NFS_TEST(test_remove_wants_write_in_the_directory, "RFC 8881, 18.25"),
	NFS_TEST_DIFFERS(test_remove_of_anothers_file_in_a_sticky_directory_is_access, "RFC 8881, 18.25",
			 "NFS4ERR_PERM, as POSIX has it; RFC 8881, 15.2 does not list it"),
	NFS_TEST_DIFFERS(test_remove_tells_how_the_directory_changed, "RFC 8881, 18.25", "cinfo need not be atomic"),
	NFS_TEST(test_remove_of_one_of_two_names_keeps_the_file, "RFC 8881, 18.25"),
	NFS_TEST(test_removed_file_lives_while_it_is_open, "RFC 8881, 18.25"),
};

NFS_TEST_MAIN(cases)
