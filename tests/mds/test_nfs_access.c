/* SPDX-License-Identifier: Apache-2.0 */

/* ACCESS (RFC 8881, 18.1; RFC 8276, 8.5). */

#include <string.h>

#include "tests/lib/nfs_tree.h"

#define ALL_OF_1 (ACCESS4_READ | ACCESS4_LOOKUP | ACCESS4_MODIFY | ACCESS4_EXTEND | ACCESS4_DELETE | ACCESS4_EXECUTE)
#define XATTRS	 (ACCESS4_XAREAD | ACCESS4_XAWRITE | ACCESS4_XALIST)

static FIBER_FN void test_access_of_a_directory_for_root(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	ACCESS4resok ok;

	NFS_CHECK_EQ(t->test, tree_access(t, &t->top, ALL_OF_1, &ok), NFS4_OK);
	NFS_CHECK_EQ(t->test, ok.supported, ALL_OF_1 & ~ACCESS4_EXECUTE);
	NFS_CHECK_EQ(t->test, ok.access, ALL_OF_1 & ~ACCESS4_EXECUTE);
}

/* Only what was asked for is told. */
static FIBER_FN void test_access_tells_what_was_asked(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	ACCESS4resok ok;

	NFS_CHECK_EQ(t->test, tree_access(t, &t->top, ACCESS4_LOOKUP, &ok), NFS4_OK);
	NFS_CHECK_EQ(t->test, ok.supported, ACCESS4_LOOKUP);
	NFS_CHECK_EQ(t->test, ok.access, ACCESS4_LOOKUP);
	NFS_CHECK_EQ(t->test, tree_access(t, &t->top, 0, &ok), NFS4_OK);
	NFS_CHECK_EQ(t->test, ok.supported, 0);
}

static FIBER_FN void test_access_of_a_file_goes_by_its_class(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	ACCESS4resok ok;
	struct nfs_fh fh;

	NFS_CHECK_EQ(t->test, tree_file(t, &t->top, "f", &fh), NFS4_OK);
	tree_chown(t, &fh, 1000, 100);
	tree_chmod(t, &fh, 0651);
	tree_as(t, 1000, 100);
	NFS_CHECK_EQ(t->test, tree_access(t, &fh, ALL_OF_1, &ok), NFS4_OK);
	NFS_CHECK_EQ(t->test, ok.access, ACCESS4_READ | ACCESS4_MODIFY | ACCESS4_EXTEND);
	tree_as(t, 2000, 100);
	NFS_CHECK_EQ(t->test, tree_access(t, &fh, ALL_OF_1, &ok), NFS4_OK);
	NFS_CHECK_EQ(t->test, ok.access, ACCESS4_READ | ACCESS4_EXECUTE);
	tree_as(t, 2000, 200);
	NFS_CHECK_EQ(t->test, tree_access(t, &fh, ALL_OF_1, &ok), NFS4_OK);
	NFS_CHECK_EQ(t->test, ok.access, ACCESS4_EXECUTE);
}

static FIBER_FN void test_access_of_a_file_has_no_lookup_or_delete(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	ACCESS4resok ok;
	struct nfs_fh fh;

	NFS_CHECK_EQ(t->test, tree_file(t, &t->top, "f", &fh), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_access(t, &fh, ALL_OF_1, &ok), NFS4_OK);
	NFS_CHECK_EQ(t->test, ok.supported & (ACCESS4_LOOKUP | ACCESS4_DELETE), 0);
}

static FIBER_FN void test_access_for_root_to_execute_wants_an_x(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	ACCESS4resok ok;
	struct nfs_fh fh;

	NFS_CHECK_EQ(t->test, tree_file(t, &t->top, "f", &fh), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_access(t, &fh, ACCESS4_EXECUTE, &ok), NFS4_OK);
	NFS_CHECK_EQ(t->test, ok.access, 0);
	tree_chmod(t, &fh, 0100);
	NFS_CHECK_EQ(t->test, tree_access(t, &fh, ACCESS4_EXECUTE, &ok), NFS4_OK);
	NFS_CHECK_EQ(t->test, ok.access, ACCESS4_EXECUTE);
}

static FIBER_FN void test_access_to_change_a_directory_wants_search_too(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	ACCESS4resok ok;

	tree_chmod(t, &t->top, 0702);
	tree_as(t, 1000, 1000);
	NFS_CHECK_EQ(t->test, tree_access(t, &t->top, ALL_OF_1, &ok), NFS4_OK);
	NFS_CHECK_EQ(t->test, ok.access, 0);
	tree_as(t, 0, 0);
	tree_chmod(t, &t->top, 0703);
	tree_as(t, 1000, 1000);
	NFS_CHECK_EQ(t->test, tree_access(t, &t->top, ALL_OF_1, &ok), NFS4_OK);
	NFS_CHECK_EQ(t->test, ok.access, ACCESS4_LOOKUP | ACCESS4_MODIFY | ACCESS4_EXTEND | ACCESS4_DELETE);
}

static FIBER_FN void test_access_to_extended_attributes(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	ACCESS4resok ok;
	struct nfs_fh fh;

	NFS_CHECK_EQ(t->test, tree_file(t, &t->top, "f", &fh), NFS4_OK);
	tree_chmod(t, &fh, 0604);
	tree_as(t, 1000, 1000);
	NFS_CHECK_EQ(t->test, tree_access(t, &fh, XATTRS, &ok), NFS4_OK);
	NFS_CHECK_EQ(t->test, ok.supported, XATTRS);
	NFS_CHECK_EQ(t->test, ok.access, ACCESS4_XAREAD | ACCESS4_XALIST);
}

static FIBER_FN void test_access_to_extended_attributes_of_a_fifo_is_not_supported(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	ACCESS4resok ok;
	struct nfs_fh fh;

	NFS_CHECK_EQ(t->test, tree_create(t, &t->top, NF4FIFO, "f", NULL, &fh), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_access(t, &fh, XATTRS, &ok), NFS4_OK);
	NFS_CHECK_EQ(t->test, ok.supported, 0);
}

static FIBER_FN void test_access_of_unknown_bits_is_inval(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	ACCESS4resok ok;

	NFS_CHECK_EQ(t->test, tree_access(t, &t->top, 1u << 20, &ok), NFS4ERR_INVAL);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_access_of_a_directory_for_root, "RFC 8881, 18.1"),
	NFS_TEST(test_access_tells_what_was_asked, "RFC 8881, 18.1"),
	NFS_TEST(test_access_of_a_file_goes_by_its_class, "RFC 8881, 18.1"),
	NFS_TEST(test_access_of_a_file_has_no_lookup_or_delete, "RFC 8881, 18.1"),
	NFS_TEST(test_access_for_root_to_execute_wants_an_x, "RFC 8881, 18.1"),
	NFS_TEST_DIFFERS(test_access_to_change_a_directory_wants_search_too, "RFC 8881, 18.1",
			 "ACCESS is advice; it does not count the right to search"),
	NFS_TEST(test_access_to_extended_attributes, "RFC 8276, 8.5"),
	NFS_TEST_DIFFERS(test_access_to_extended_attributes_of_a_fifo_is_not_supported, "RFC 8276, 8.5",
			 "it calls them supported for all types"),
	NFS_TEST(test_access_of_unknown_bits_is_inval, "RFC 8881, 18.1"),
};

NFS_TEST_MAIN(cases)
