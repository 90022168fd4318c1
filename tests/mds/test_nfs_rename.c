/* SPDX-License-Identifier: Apache-2.0 */

/* RENAME (RFC 8881, 18.26). */

#include <string.h>

#include "tests/lib/nfs_tree.h"

static FIBER_FN void fifo(struct tree *t, const struct nfs_fh *dir, const char *name, struct nfs_fh *ret_fh)
{
	NFS_CHECK_EQ(t->test, tree_create(t, dir, NF4FIFO, name, NULL, ret_fh), NFS4_OK);
}

static FIBER_FN void dir_of(struct tree *t, const struct nfs_fh *dir, const char *name, struct nfs_fh *ret_fh)
{
	NFS_CHECK_EQ(t->test, tree_mkdir(t, dir, name, 0755, ret_fh), NFS4_OK);
}

static FIBER_FN void test_rename_within_a_directory(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh a, b;

	fifo(t, &t->top, "a", &a);
	NFS_CHECK_EQ(t->test, tree_rename(t, &t->top, "a", &t->top, "b"), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_lookup(t, &t->top, "a", NULL), NFS4ERR_NOENT);
	NFS_CHECK_EQ(t->test, tree_lookup(t, &t->top, "b", &b), NFS4_OK);
	NFS_CHECK(t->test, tree_fh_equal(&a, &b));
}

static FIBER_FN void test_rename_between_directories(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh d, e, a, b;

	dir_of(t, &t->top, "d", &d);
	dir_of(t, &t->top, "e", &e);
	fifo(t, &d, "a", &a);
	NFS_CHECK_EQ(t->test, tree_rename(t, &d, "a", &e, "b"), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_lookup(t, &e, "b", &b), NFS4_OK);
	NFS_CHECK(t->test, tree_fh_equal(&a, &b));
}

static FIBER_FN void test_rename_of_a_directory_moves_its_link(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh d, e;

	dir_of(t, &t->top, "d", &d);
	dir_of(t, &t->top, "e", &e);
	dir_of(t, &d, "x", NULL);
	NFS_CHECK_EQ(t->test, tree_rename(t, &d, "x", &e, "x"), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_nlink(t, &d), 2);
	NFS_CHECK_EQ(t->test, tree_nlink(t, &e), 3);
}

static FIBER_FN void test_rename_of_nothing_is_noent(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	NFS_CHECK_EQ(t->test, tree_rename(t, &t->top, "a", &t->top, "b"), NFS4ERR_NOENT);
}

static FIBER_FN void test_rename_replaces_a_file(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh a, b, found;

	fifo(t, &t->top, "a", &a);
	fifo(t, &t->top, "b", &b);
	NFS_CHECK_EQ(t->test, tree_rename(t, &t->top, "a", &t->top, "b"), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_lookup(t, &t->top, "b", &found), NFS4_OK);
	NFS_CHECK(t->test, tree_fh_equal(&a, &found));
}

static FIBER_FN void test_rename_replaces_an_empty_directory(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	dir_of(t, &t->top, "a", NULL);
	dir_of(t, &t->top, "b", NULL);
	NFS_CHECK_EQ(t->test, tree_rename(t, &t->top, "a", &t->top, "b"), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_nlink(t, &t->top), 3);
}

static FIBER_FN void test_rename_onto_a_full_directory_is_notempty(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh b;

	dir_of(t, &t->top, "a", NULL);
	dir_of(t, &t->top, "b", &b);
	fifo(t, &b, "x", NULL);
	NFS_CHECK_EQ(t->test, tree_rename(t, &t->top, "a", &t->top, "b"), NFS4ERR_NOTEMPTY);
}

static FIBER_FN void test_rename_of_a_directory_onto_a_file_is_notdir(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	dir_of(t, &t->top, "a", NULL);
	fifo(t, &t->top, "b", NULL);
	NFS_CHECK_EQ(t->test, tree_rename(t, &t->top, "a", &t->top, "b"), NFS4ERR_NOTDIR);
}

static FIBER_FN void test_rename_of_a_file_onto_a_directory_is_isdir(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	fifo(t, &t->top, "a", NULL);
	dir_of(t, &t->top, "b", NULL);
	NFS_CHECK_EQ(t->test, tree_rename(t, &t->top, "a", &t->top, "b"), NFS4ERR_ISDIR);
}

/* 18.26.3: both names are the same file: nothing happens. */
static FIBER_FN void test_rename_to_another_name_of_the_file_does_nothing(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	const struct nfs_resop4 *res;
	const RENAME4resok *ok;
	struct nfs_fh a;
	uint32_t at;

	fifo(t, &t->top, "a", &a);
	NFS_CHECK_EQ(t->test, tree_link(t, &a, &t->top, "b"), NFS4_OK);
	tree_begin_two(t, &t->top, &t->top);
	at = nfs_op_rename(t->c, "a", "b");
	NFS_CHECK_EQ(t->test, tree_send(t), NFS4_OK);
	res = nfs_compound_result(t->c, at, OP_RENAME);
	NFS_CHECK(t->test, res != NULL);
	ok = &res->nfs_resop4_u.oprename.RENAME4res_u.resok4;
	NFS_CHECK_EQ(t->test, ok->source_cinfo.before, ok->source_cinfo.after);
	NFS_CHECK_EQ(t->test, ok->target_cinfo.before, ok->target_cinfo.after);
	NFS_CHECK_EQ(t->test, tree_nlink(t, &a), 2);
}

static FIBER_FN void test_rename_to_itself_does_nothing(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	uint64_t change;

	fifo(t, &t->top, "a", NULL);
	change = tree_change(t, &t->top);
	NFS_CHECK_EQ(t->test, tree_rename(t, &t->top, "a", &t->top, "a"), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_change(t, &t->top), change);
}

static FIBER_FN void test_rename_of_a_directory_below_itself_is_inval(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh a, b;

	dir_of(t, &t->top, "a", &a);
	dir_of(t, &a, "b", &b);
	NFS_CHECK_EQ(t->test, tree_rename(t, &t->top, "a", &b, "c"), NFS4ERR_INVAL);
	NFS_CHECK_EQ(t->test, tree_rename(t, &t->top, "a", &a, "c"), NFS4ERR_INVAL);
}

static FIBER_FN void test_rename_from_or_into_a_file_is_notdir(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh f;

	fifo(t, &t->top, "f", &f);
	fifo(t, &t->top, "g", NULL);
	NFS_CHECK_EQ(t->test, tree_rename(t, &f, "x", &t->top, "y"), NFS4ERR_NOTDIR);
	NFS_CHECK_EQ(t->test, tree_rename(t, &t->top, "g", &f, "y"), NFS4ERR_NOTDIR);
}

static FIBER_FN void test_rename_with_bad_names(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	fifo(t, &t->top, "a", NULL);
	NFS_CHECK_EQ(t->test, tree_rename(t, &t->top, "", &t->top, "b"), NFS4ERR_INVAL);
	NFS_CHECK_EQ(t->test, tree_rename(t, &t->top, "a", &t->top, ""), NFS4ERR_INVAL);
	NFS_CHECK_EQ(t->test, tree_rename(t, &t->top, ".", &t->top, "b"), NFS4ERR_BADNAME);
	NFS_CHECK_EQ(t->test, tree_rename(t, &t->top, "a", &t->top, ".."), NFS4ERR_BADNAME);
}

static FIBER_FN void test_rename_without_a_saved_file_handle_is_nofilehandle(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	tree_begin(t, &t->top);
	nfs_op_rename(t->c, "a", "b");
	NFS_CHECK_EQ(t->test, tree_send(t), NFS4ERR_NOFILEHANDLE);
}

static FIBER_FN void test_rename_wants_write_in_both_directories(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh d, e;

	dir_of(t, &t->top, "d", &d);
	dir_of(t, &t->top, "e", &e);
	fifo(t, &d, "a", NULL);
	tree_chmod(t, &d, 0777);
	tree_as(t, 1000, 1000);
	NFS_CHECK_EQ(t->test, tree_rename(t, &d, "a", &e, "a"), NFS4ERR_ACCESS);
	tree_as(t, 0, 0);
	tree_chmod(t, &e, 0777);
	tree_chmod(t, &d, 0755);
	tree_as(t, 1000, 1000);
	NFS_CHECK_EQ(t->test, tree_rename(t, &d, "a", &e, "a"), NFS4ERR_ACCESS);
	tree_as(t, 0, 0);
	tree_chmod(t, &d, 0777);
	tree_as(t, 1000, 1000);
	NFS_CHECK_EQ(t->test, tree_rename(t, &d, "a", &e, "a"), NFS4_OK);
}

/* Its ".." changes. */
static FIBER_FN void test_rename_of_a_directory_elsewhere_wants_write_in_it(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh d, e, x;

	dir_of(t, &t->top, "d", &d);
	dir_of(t, &t->top, "e", &e);
	dir_of(t, &d, "x", &x);
	tree_chmod(t, &d, 0777);
	tree_chmod(t, &e, 0777);
	tree_as(t, 1000, 1000);
	NFS_CHECK_EQ(t->test, tree_rename(t, &d, "x", &d, "y"), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_rename(t, &d, "y", &e, "y"), NFS4ERR_ACCESS);
}

static FIBER_FN void test_rename_in_sticky_directories(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh d;

	dir_of(t, &t->top, "d", &d);
	tree_chmod(t, &d, 01777);
	tree_as(t, 1000, 1000);
	fifo(t, &d, "a", NULL);
	tree_as(t, 2000, 2000);
	fifo(t, &d, "b", NULL);
	NFS_CHECK_EQ(t->test, tree_rename(t, &d, "a", &d, "c"), NFS4ERR_ACCESS);
	NFS_CHECK_EQ(t->test, tree_rename(t, &d, "b", &d, "a"), NFS4ERR_ACCESS);
	NFS_CHECK_EQ(t->test, tree_rename(t, &d, "b", &d, "c"), NFS4_OK);
}

static FIBER_FN void test_rename_tells_how_both_directories_changed(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	const struct nfs_resop4 *res;
	const RENAME4resok *ok;
	struct nfs_fh d, e;
	uint64_t from, to;
	uint32_t at;

	dir_of(t, &t->top, "d", &d);
	dir_of(t, &t->top, "e", &e);
	fifo(t, &d, "a", NULL);
	from = tree_change(t, &d);
	to = tree_change(t, &e);
	tree_begin_two(t, &d, &e);
	at = nfs_op_rename(t->c, "a", "b");
	NFS_CHECK_EQ(t->test, tree_send(t), NFS4_OK);
	res = nfs_compound_result(t->c, at, OP_RENAME);
	NFS_CHECK(t->test, res != NULL);
	ok = &res->nfs_resop4_u.oprename.RENAME4res_u.resok4;
	NFS_CHECK(t->test, ok->source_cinfo.atomic && ok->target_cinfo.atomic);
	NFS_CHECK_EQ(t->test, ok->source_cinfo.before, from);
	NFS_CHECK_EQ(t->test, ok->target_cinfo.before, to);
	from = ok->source_cinfo.after;
	to = ok->target_cinfo.after;
	NFS_CHECK_EQ(t->test, from, tree_change(t, &d));
	NFS_CHECK_EQ(t->test, to, tree_change(t, &e));
}

/* I8 */
static FIBER_FN void test_replaced_file_lives_while_it_is_open(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_file file;

	NFS_CHECK_EQ(t->test, nfs_file_create(t->session, &t->top, "f", &file), 0);
	fifo(t, &t->top, "a", NULL);
	NFS_CHECK_EQ(t->test, tree_rename(t, &t->top, "a", &t->top, "f"), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_nlink(t, &file.fh), 0);
	NFS_CHECK_EQ(t->test, nfs_file_close(&file), 0);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_rename_within_a_directory, "RFC 8881, 18.26"),
	NFS_TEST(test_rename_between_directories, "RFC 8881, 18.26"),
	NFS_TEST(test_rename_of_a_directory_moves_its_link, "RFC 8881, 18.26"),
	NFS_TEST(test_rename_of_nothing_is_noent, "RFC 8881, 18.26"),
	NFS_TEST(test_rename_replaces_a_file, "RFC 8881, 18.26"),
	NFS_TEST(test_rename_replaces_an_empty_directory, "RFC 8881, 18.26"),
	NFS_TEST(test_rename_onto_a_full_directory_is_notempty, "RFC 8881, 18.26"),
	NFS_TEST(test_rename_of_a_directory_onto_a_file_is_notdir, "RFC 8881, 18.26"),
	NFS_TEST(test_rename_of_a_file_onto_a_directory_is_isdir, "RFC 8881, 18.26"),
	NFS_TEST(test_rename_to_another_name_of_the_file_does_nothing, "RFC 8881, 18.26"),
	NFS_TEST(test_rename_to_itself_does_nothing, "RFC 8881, 18.26"),
	NFS_TEST(test_rename_of_a_directory_below_itself_is_inval, "RFC 8881, 18.26"),
	NFS_TEST(test_rename_from_or_into_a_file_is_notdir, "RFC 8881, 18.26"),
	NFS_TEST(test_rename_with_bad_names, "RFC 8881, 18.26"),
	NFS_TEST(test_rename_without_a_saved_file_handle_is_nofilehandle, "RFC 8881, 18.26"),
	NFS_TEST(test_rename_wants_write_in_both_directories, "RFC 8881, 18.26"),
	NFS_TEST(test_rename_of_a_directory_elsewhere_wants_write_in_it, "RFC 8881, 18.26"),
	NFS_TEST_DIFFERS(test_rename_in_sticky_directories, "RFC 8881, 18.26",
			 "NFS4ERR_PERM, as POSIX has it; RFC 8881, 15.2 does not list it"),
	NFS_TEST_DIFFERS(test_rename_tells_how_both_directories_changed, "RFC 8881, 18.26",
			 "cinfo need not be atomic"),
	NFS_TEST(test_replaced_file_lives_while_it_is_open, "RFC 8881, 18.26"),
};

NFS_TEST_MAIN(cases)
