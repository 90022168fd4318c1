/* SPDX-License-Identifier: Apache-2.0 */

/* VERIFY and NVERIFY (RFC 8881, 18.31, 18.15). */

#include <string.h>

#include "proto/wire_bitmap.h"
#include "tests/lib/nfs_tree.h"

static FIBER_FN nfsstat4 verify(struct tree *t, const struct wire_attrs *attrs)
{
	tree_begin(t, &t->top);
	nfs_op_verify(t->c, attrs);
	return tree_send(t);
}

static FIBER_FN nfsstat4 nverify(struct tree *t, const struct wire_attrs *attrs)
{
	tree_begin(t, &t->top);
	nfs_op_nverify(t->c, attrs);
	return tree_send(t);
}

static FIBER_FN void test_verify_of_what_is_so(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct wire_attrs attrs = tree_attrs(t, &t->top, NFS_ATTRS(FATTR4_TYPE, FATTR4_CHANGE, FATTR4_FILEID));

	NFS_CHECK_EQ(t->test, verify(t, &attrs), NFS4_OK);
	NFS_CHECK_EQ(t->test, nverify(t, &attrs), NFS4ERR_SAME);
}

static FIBER_FN void test_verify_of_what_is_not_so(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct wire_attrs attrs = tree_attrs(t, &t->top, NFS_ATTRS(FATTR4_TYPE, FATTR4_CHANGE));

	attrs.change++;
	NFS_CHECK_EQ(t->test, verify(t, &attrs), NFS4ERR_NOT_SAME);
	NFS_CHECK_EQ(t->test, nverify(t, &attrs), NFS4_OK);
}

static FIBER_FN void test_verify_compares_strings_and_handles(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct wire_attrs attrs;
	char owner[] = "0";

	attrs = (struct wire_attrs){ .mask = NFS_ATTRS(FATTR4_OWNER, FATTR4_FILEHANDLE),
				     .owner = { .utf8string_val = owner, .utf8string_len = 1 },
				     .filehandle = { .nfs_fh4_val = t->top.bytes, .nfs_fh4_len = t->top.len } };
	NFS_CHECK_EQ(t->test, verify(t, &attrs), NFS4_OK);
	owner[0] = '1';
	NFS_CHECK_EQ(t->test, verify(t, &attrs), NFS4ERR_NOT_SAME);
}

static FIBER_FN void test_verify_of_all_that_is_supported(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct wire_attrs attrs = tree_attrs(
		t, &t->top,
		NFS_ATTRS(FATTR4_SUPPORTED_ATTRS, FATTR4_TYPE, FATTR4_FH_EXPIRE_TYPE, FATTR4_CHANGE, FATTR4_SIZE,
			  FATTR4_LINK_SUPPORT, FATTR4_SYMLINK_SUPPORT, FATTR4_NAMED_ATTR, FATTR4_FSID,
			  FATTR4_UNIQUE_HANDLES, FATTR4_LEASE_TIME, FATTR4_SUPPATTR_EXCLCREAT));

	NFS_CHECK_EQ(t->test, verify(t, &attrs), NFS4_OK);
}

static FIBER_FN void test_verify_of_an_unknown_attribute_is_attrnotsupp(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct wire_attrs attrs = { .mask = NFS_ATTRS(FATTR4_HIDDEN), .hidden = FALSE };

	NFS_CHECK_EQ(t->test, verify(t, &attrs), NFS4ERR_ATTRNOTSUPP);
	NFS_CHECK_EQ(t->test, nverify(t, &attrs), NFS4ERR_ATTRNOTSUPP);
}

/* 18.31.3 */
static FIBER_FN void test_verify_of_rdattr_error_is_inval(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct wire_attrs attrs = { .mask = NFS_ATTRS(FATTR4_RDATTR_ERROR) };

	NFS_CHECK_EQ(t->test, verify(t, &attrs), NFS4ERR_INVAL);
	NFS_CHECK_EQ(t->test, nverify(t, &attrs), NFS4ERR_INVAL);
}

static FIBER_FN void test_verify_of_an_attribute_to_set_is_inval(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct wire_attrs attrs = { .mask = NFS_ATTRS(FATTR4_TIME_MODIFY_SET),
				    .time_modify_set = { .set_it = SET_TO_SERVER_TIME4 } };

	NFS_CHECK_EQ(t->test, verify(t, &attrs), NFS4ERR_INVAL);
	NFS_CHECK_EQ(t->test, nverify(t, &attrs), NFS4ERR_INVAL);
}

static FIBER_FN void test_verify_of_nothing_is_so(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct wire_attrs none = { .size = 0 };

	NFS_CHECK_EQ(t->test, verify(t, &none), NFS4_OK);
	NFS_CHECK_EQ(t->test, nverify(t, &none), NFS4ERR_SAME);
}

/* 18.31.4: a failure ends the compound before what it guards. */
static FIBER_FN void test_verify_guards_what_follows(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct wire_attrs attrs = tree_attrs(t, &t->top, NFS_ATTRS(FATTR4_CHANGE));

	attrs.change++;
	tree_begin(t, &t->top);
	nfs_op_verify(t->c, &attrs);
	nfs_op_mkdir(t->c, "d", 0755);
	NFS_CHECK_EQ(t->test, tree_send(t), NFS4ERR_NOT_SAME);
	NFS_CHECK_EQ(t->test, tree_lookup(t, &t->top, "d", NULL), NFS4ERR_NOENT);
}

static FIBER_FN void test_verify_of_the_pseudo_file_system(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct wire_attrs attrs = tree_attrs(t, NULL, NFS_ATTRS(FATTR4_TYPE, FATTR4_CHANGE, FATTR4_FSID));

	tree_begin(t, NULL);
	nfs_op_verify(t->c, &attrs);
	NFS_CHECK_EQ(t->test, tree_send(t), NFS4_OK);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_verify_of_what_is_so, "RFC 8881, 18.31"),
	NFS_TEST(test_verify_of_what_is_not_so, "RFC 8881, 18.31"),
	NFS_TEST_DIFFERS(test_verify_compares_strings_and_handles, "RFC 8881, 18.31",
			 "it does not compare all of them"),
	NFS_TEST_DIFFERS(test_verify_of_all_that_is_supported, "RFC 8881, 18.31",
			 "it does not find its own values the same"),
	NFS_TEST(test_verify_of_an_unknown_attribute_is_attrnotsupp, "RFC 8881, 18.31"),
	NFS_TEST(test_verify_of_rdattr_error_is_inval, "RFC 8881, 18.31"),
	NFS_TEST(test_verify_of_an_attribute_to_set_is_inval, "RFC 8881, 18.31"),
	NFS_TEST(test_verify_of_nothing_is_so, "RFC 8881, 18.31"),
	NFS_TEST(test_verify_guards_what_follows, "RFC 8881, 18.31"),
	NFS_TEST(test_verify_of_the_pseudo_file_system, "RFC 8881, 18.31"),
};

NFS_TEST_MAIN(cases)
