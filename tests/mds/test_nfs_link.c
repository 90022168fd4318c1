/* SPDX-License-Identifier: Apache-2.0 */

/* LINK (RFC 8881, 18.9). */

#include <string.h>

#include "tests/lib/nfs_tree.h"

static FIBER_FN void test_link_gives_a_second_name(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh f, g;

	NFS_CHECK_EQ(t->test, tree_create(t, &t->top, NF4FIFO, "f", NULL, &f), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_link(t, &f, &t->top, "g"), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_lookup(t, &t->top, "g", &g), NFS4_OK);
	NFS_CHECK(t->test, tree_fh_equal(&f, &g));
	NFS_CHECK_EQ(t->test, tree_nlink(t, &f), 2);
}

static FIBER_FN void test_link_of_a_symbolic_link_links_the_link(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh l;

	NFS_CHECK_EQ(t->test, tree_symlink(t, &t->top, "l", "x", &l), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_link(t, &l, &t->top, "m"), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_nlink(t, &l), 2);
}

/* 18.9.3 */
static FIBER_FN void test_link_of_a_directory_is_isdir(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh d;

	NFS_CHECK_EQ(t->test, tree_mkdir(t, &t->top, "d", 0755, &d), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_link(t, &d, &t->top, "e"), NFS4ERR_ISDIR);
}

static FIBER_FN void test_link_onto_a_name_is_exist(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh f;

	NFS_CHECK_EQ(t->test, tree_create(t, &t->top, NF4FIFO, "f", NULL, &f), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_link(t, &f, &t->top, "f"), NFS4ERR_EXIST);
	NFS_CHECK_EQ(t->test, tree_nlink(t, &f), 1);
}

static FIBER_FN void test_link_into_a_file_is_notdir(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh f;

	NFS_CHECK_EQ(t->test, tree_create(t, &t->top, NF4FIFO, "f", NULL, &f), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_link(t, &f, &f, "g"), NFS4ERR_NOTDIR);
}

static FIBER_FN void test_link_with_bad_names(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh f;

	NFS_CHECK_EQ(t->test, tree_create(t, &t->top, NF4FIFO, "f", NULL, &f), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_link(t, &f, &t->top, ""), NFS4ERR_INVAL);
	NFS_CHECK_EQ(t->test, tree_link(t, &f, &t->top, ".."), NFS4ERR_BADNAME);
}

static FIBER_FN void test_link_without_a_saved_file_handle_is_nofilehandle(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	tree_begin(t, &t->top);
	nfs_op_link(t->c, "g");
	NFS_CHECK_EQ(t->test, tree_send(t), NFS4ERR_NOFILEHANDLE);
}

static FIBER_FN void test_link_wants_write_in_the_directory(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh f;

	NFS_CHECK_EQ(t->test, tree_create(t, &t->top, NF4FIFO, "f", NULL, &f), NFS4_OK);
	tree_chmod(t, &t->top, 0755);
	tree_as(t, 1000, 1000);
	NFS_CHECK_EQ(t->test, tree_link(t, &f, &t->top, "g"), NFS4ERR_ACCESS);
}

static FIBER_FN void test_link_changes_file_and_directory(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh f;
	uint64_t file, before;
	change_info4 cinfo;
	uint32_t at;

	NFS_CHECK_EQ(t->test, tree_create(t, &t->top, NF4FIFO, "f", NULL, &f), NFS4_OK);
	file = tree_change(t, &f);
	before = tree_change(t, &t->top);
	tree_begin_two(t, &f, &t->top);
	at = nfs_op_link(t->c, "g");
	NFS_CHECK_EQ(t->test, tree_send(t), NFS4_OK);
	NFS_CHECK_EQ(t->test, nfs_op_got_change(t->c, at, &cinfo), 0);
	NFS_CHECK(t->test, cinfo.atomic);
	NFS_CHECK_EQ(t->test, cinfo.before, before);
	NFS_CHECK_EQ(t->test, cinfo.after, tree_change(t, &t->top));
	NFS_CHECK(t->test, tree_change(t, &f) > file);
}

/* I8: from no name to one. */
static FIBER_FN void test_link_brings_an_open_orphan_back(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_file file;
	struct nfs_fh found;

	NFS_CHECK_EQ(t->test, nfs_file_create(t->session, &t->top, "f", &file), 0);
	NFS_CHECK_EQ(t->test, tree_remove(t, &t->top, "f"), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_link(t, &file.fh, &t->top, "g"), NFS4_OK);
	NFS_CHECK_EQ(t->test, nfs_file_close(&file), 0);
	NFS_CHECK_EQ(t->test, tree_nlink(t, &file.fh), 1);
	NFS_CHECK_EQ(t->test, tree_lookup(t, &t->top, "g", &found), NFS4_OK);
	NFS_CHECK(t->test, tree_fh_equal(&file.fh, &found));
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_link_gives_a_second_name, "RFC 8881, 18.9"),
	NFS_TEST(test_link_of_a_symbolic_link_links_the_link, "RFC 8881, 18.9"),
	NFS_TEST(test_link_of_a_directory_is_isdir, "RFC 8881, 18.9"),
	NFS_TEST(test_link_onto_a_name_is_exist, "RFC 8881, 18.9"),
	NFS_TEST(test_link_into_a_file_is_notdir, "RFC 8881, 18.9"),
	NFS_TEST(test_link_with_bad_names, "RFC 8881, 18.9"),
	NFS_TEST(test_link_without_a_saved_file_handle_is_nofilehandle, "RFC 8881, 18.9"),
	NFS_TEST(test_link_wants_write_in_the_directory, "RFC 8881, 18.9"),
	NFS_TEST_DIFFERS(test_link_changes_file_and_directory, "RFC 8881, 18.9", "cinfo need not be atomic"),
	NFS_TEST_DIFFERS(test_link_brings_an_open_orphan_back, "RFC 8881, 18.9", "the file system below may refuse"),
};

NFS_TEST_MAIN(cases)
