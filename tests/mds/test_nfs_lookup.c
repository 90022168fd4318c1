/* SPDX-License-Identifier: Apache-2.0 */

/* LOOKUP, LOOKUPP, READLINK, SECINFO and SECINFO_NO_NAME (RFC 8881, 18.13, 18.14, 18.24, 18.29, 18.45). */

#include <string.h>

#include "dev/fiber.h"
#include "tests/lib/nfs_tree.h"

/* 18.13.3 */
static FIBER_FN void test_lookup_finds_a_name(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh dir, found;

	NFS_CHECK_EQ(t->test, tree_mkdir(t, &t->top, "a", 0755, &dir), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_lookup(t, &t->top, "a", &found), NFS4_OK);
	NFS_CHECK(t->test, tree_fh_equal(&dir, &found));
}

static FIBER_FN void test_lookup_of_nothing_is_noent(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	NFS_CHECK_EQ(t->test, tree_lookup(t, &t->top, "none", NULL), NFS4ERR_NOENT);
}

static FIBER_FN void test_lookup_leaves_the_file_handle_on_failure(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh fh;
	uint32_t at;

	tree_begin(t, &t->top);
	nfs_op_lookup(t->c, "none");
	NFS_CHECK_EQ(t->test, tree_send(t), NFS4ERR_NOENT);
	tree_begin(t, &t->top);
	at = nfs_op_getfh(t->c);
	NFS_CHECK_EQ(t->test, tree_send(t), NFS4_OK);
	NFS_CHECK_EQ(t->test, nfs_op_got_fh(t->c, at, &fh), 0);
	NFS_CHECK(t->test, tree_fh_equal(&fh, &t->top));
}

static FIBER_FN void test_lookup_of_an_empty_name_is_inval(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	NFS_CHECK_EQ(t->test, tree_lookup(t, &t->top, "", NULL), NFS4ERR_INVAL);
}

static FIBER_FN void test_lookup_of_256_bytes_is_nametoolong(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	char name[257];

	memset(name, 'x', sizeof(name));
	name[256] = 0;
	NFS_CHECK_EQ(t->test, tree_lookup(t, &t->top, name, NULL), NFS4ERR_NAMETOOLONG);
	name[255] = 0;
	NFS_CHECK_EQ(t->test, tree_lookup(t, &t->top, name, NULL), NFS4ERR_NOENT);
}

/* 18.13.4: "." and ".." mean nothing to the protocol. */
static FIBER_FN void test_lookup_of_dots_is_badname(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	NFS_CHECK_EQ(t->test, tree_lookup(t, &t->top, ".", NULL), NFS4ERR_BADNAME);
	NFS_CHECK_EQ(t->test, tree_lookup(t, &t->top, "..", NULL), NFS4ERR_BADNAME);
}

static FIBER_FN void test_lookup_of_a_slash_is_badname(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	NFS_CHECK_EQ(t->test, tree_lookup(t, &t->top, "a/b", NULL), NFS4ERR_BADNAME);
}

static FIBER_FN void test_lookup_in_a_file_is_notdir(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh fifo;

	NFS_CHECK_EQ(t->test, tree_create(t, &t->top, NF4FIFO, "f", NULL, &fifo), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_lookup(t, &fifo, "x", NULL), NFS4ERR_NOTDIR);
}

/* 18.13.3: a link is the client's to follow. */
static FIBER_FN void test_lookup_in_a_symbolic_link_is_symlink(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh link;

	NFS_CHECK_EQ(t->test, tree_symlink(t, &t->top, "l", "a", &link), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_lookup(t, &link, "x", NULL), NFS4ERR_SYMLINK);
}

static FIBER_FN void test_lookup_wants_the_right_to_search(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh dir;

	NFS_CHECK_EQ(t->test, tree_mkdir(t, &t->top, "a", 0700, &dir), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_mkdir(t, &dir, "b", 0755, NULL), NFS4_OK);
	tree_as(t, 1000, 1000);
	NFS_CHECK_EQ(t->test, tree_lookup(t, &dir, "b", NULL), NFS4ERR_ACCESS);
	tree_as(t, 0, 0);
	tree_chmod(t, &dir, 0711);
	tree_as(t, 1000, 1000);
	NFS_CHECK_EQ(t->test, tree_lookup(t, &dir, "b", NULL), NFS4_OK);
}

static FIBER_FN void test_lookup_goes_by_supplementary_groups(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh dir;

	NFS_CHECK_EQ(t->test, tree_mkdir(t, &t->top, "a", 0710, &dir), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_mkdir(t, &dir, "b", 0755, NULL), NFS4_OK);
	tree_chown(t, &dir, 0, 77);
	tree_as(t, 1000, 1000);
	NFS_CHECK_EQ(t->test, tree_lookup(t, &dir, "b", NULL), NFS4ERR_ACCESS);
	tree_in_group(t, 77);
	NFS_CHECK_EQ(t->test, tree_lookup(t, &dir, "b", NULL), NFS4_OK);
}

static FIBER_FN void test_lookup_takes_bytes_that_are_not_utf8(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	const char name[] = "\xff\xfe";
	struct nfs_fh dir, found;

	NFS_CHECK_EQ(t->test, tree_mkdir(t, &t->top, name, 0755, &dir), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_lookup(t, &t->top, name, &found), NFS4_OK);
	NFS_CHECK(t->test, tree_fh_equal(&dir, &found));
}

static FIBER_FN void test_lookup_tells_upper_from_lower_case(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	NFS_CHECK_EQ(t->test, tree_mkdir(t, &t->top, "a", 0755, NULL), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_lookup(t, &t->top, "A", NULL), NFS4ERR_NOENT);
}

/* 18.14.3 */
static FIBER_FN void test_lookupp_finds_the_parent(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh dir, found;

	NFS_CHECK_EQ(t->test, tree_mkdir(t, &t->top, "a", 0755, &dir), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_lookupp(t, &dir, &found), NFS4_OK);
	NFS_CHECK(t->test, tree_fh_equal(&t->top, &found));
}

static FIBER_FN void test_lookupp_of_the_root_is_noent(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	NFS_CHECK_EQ(t->test, tree_lookupp(t, NULL, NULL), NFS4ERR_NOENT);
}

static FIBER_FN void test_lookupp_of_a_file_is_notdir(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh fifo;

	NFS_CHECK_EQ(t->test, tree_create(t, &t->top, NF4FIFO, "f", NULL, &fifo), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_lookupp(t, &fifo, NULL), NFS4ERR_NOTDIR);
}

static FIBER_FN void test_lookupp_of_a_symbolic_link_is_symlink(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh link;

	NFS_CHECK_EQ(t->test, tree_symlink(t, &t->top, "l", "a", &link), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_lookupp(t, &link, NULL), NFS4ERR_SYMLINK);
}

static FIBER_FN void test_lookupp_follows_a_renamed_directory(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh a, b, dir, found;

	NFS_CHECK_EQ(t->test, tree_mkdir(t, &t->top, "a", 0755, &a), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_mkdir(t, &t->top, "b", 0755, &b), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_mkdir(t, &a, "x", 0755, &dir), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_rename(t, &a, "x", &b, "x"), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_lookupp(t, &dir, &found), NFS4_OK);
	NFS_CHECK(t->test, tree_fh_equal(&b, &found));
}

static FIBER_FN void test_lookupp_wants_the_right_to_search(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh dir;

	NFS_CHECK_EQ(t->test, tree_mkdir(t, &t->top, "a", 0700, &dir), NFS4_OK);
	tree_as(t, 1000, 1000);
	NFS_CHECK_EQ(t->test, tree_lookupp(t, &dir, NULL), NFS4ERR_ACCESS);
}

/* I7 */
static FIBER_FN void test_handle_of_what_is_removed_is_stale(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh dir;

	NFS_CHECK_EQ(t->test, tree_mkdir(t, &t->top, "a", 0755, &dir), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_remove(t, &t->top, "a"), NFS4_OK);
	for (int i = 0; i < 1000; i++) {
		nfsstat4 status = tree_lookup(t, &dir, "x", NULL);

		if (status == NFS4ERR_STALE)
			return;
		NFS_CHECK_EQ(t->test, status, NFS4ERR_NOENT); /* removed, and not yet taken apart */
		fiber_sleep_ns(10000000);
	}
	NFS_CHECK(t->test, false);
}

/* 18.24 */
static FIBER_FN void test_readlink_gives_the_text(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	char text[64];
	struct nfs_fh link;

	NFS_CHECK_EQ(t->test, tree_symlink(t, &t->top, "l", "../a b/\xff", &link), NFS4_OK);
	NFS_CHECK_EQ(t->test, nfs_file_readlink(t->session, &link, text, sizeof(text)), 0);
	NFS_CHECK(t->test, strcmp(text, "../a b/\xff") == 0);
}

static FIBER_FN void test_readlink_of_a_directory_is_wrong_type(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	tree_begin(t, &t->top);
	nfs_op_readlink(t->c);
	NFS_CHECK_EQ(t->test, tree_send(t), NFS4ERR_WRONG_TYPE);
}

/* 18.29 */
static FIBER_FN void test_secinfo_offers_auth_sys_first(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	const struct nfs_resop4 *res;
	const SECINFO4resok *ok;
	uint32_t at;

	NFS_CHECK_EQ(t->test, tree_mkdir(t, &t->top, "a", 0755, NULL), NFS4_OK);
	tree_begin(t, &t->top);
	at = nfs_op_secinfo(t->c, "a");
	NFS_CHECK_EQ(t->test, tree_send(t), NFS4_OK);
	res = nfs_compound_result(t->c, at, OP_SECINFO);
	NFS_CHECK(t->test, res != NULL);
	ok = &res->nfs_resop4_u.opsecinfo.SECINFO4res_u.resok4;
	NFS_CHECK(t->test, ok->SECINFO4resok_len > 0);
	NFS_CHECK_EQ(t->test, ok->SECINFO4resok_val[0].flavor, AUTH_SYS);
}

static FIBER_FN void test_secinfo_of_nothing_is_noent(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	tree_begin(t, &t->top);
	nfs_op_secinfo(t->c, "none");
	NFS_CHECK_EQ(t->test, tree_send(t), NFS4ERR_NOENT);
}

/* 2.6.3.1.1.8 */
static FIBER_FN void test_secinfo_consumes_the_file_handle(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	NFS_CHECK_EQ(t->test, tree_mkdir(t, &t->top, "a", 0755, NULL), NFS4_OK);
	tree_begin(t, &t->top);
	nfs_op_secinfo(t->c, "a");
	nfs_op_getfh(t->c);
	NFS_CHECK_EQ(t->test, tree_send(t), NFS4ERR_NOFILEHANDLE);
}

static FIBER_FN void test_secinfo_no_name_consumes_the_file_handle(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	tree_begin(t, &t->top);
	nfs_op_secinfo_no_name(t->c, SECINFO_STYLE4_CURRENT_FH);
	nfs_op_getfh(t->c);
	NFS_CHECK_EQ(t->test, tree_send(t), NFS4ERR_NOFILEHANDLE);
}

static FIBER_FN void test_secinfo_no_name_of_the_roots_parent_is_noent(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	tree_begin(t, NULL);
	nfs_op_secinfo_no_name(t->c, SECINFO_STYLE4_PARENT);
	NFS_CHECK_EQ(t->test, tree_send(t), NFS4ERR_NOENT);
}

static FIBER_FN void test_secinfo_no_name_of_a_parent_works(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	tree_begin(t, &t->top);
	nfs_op_secinfo_no_name(t->c, SECINFO_STYLE4_PARENT);
	NFS_CHECK_EQ(t->test, tree_send(t), NFS4_OK);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_lookup_finds_a_name, "RFC 8881, 18.13"),
	NFS_TEST(test_lookup_of_nothing_is_noent, "RFC 8881, 18.13"),
	NFS_TEST(test_lookup_leaves_the_file_handle_on_failure, "RFC 8881, 18.13"),
	NFS_TEST(test_lookup_of_an_empty_name_is_inval, "RFC 8881, 18.13"),
	NFS_TEST(test_lookup_of_256_bytes_is_nametoolong, "RFC 8881, 18.13"),
	NFS_TEST(test_lookup_of_dots_is_badname, "RFC 8881, 18.13"),
	NFS_TEST_DIFFERS(test_lookup_of_a_slash_is_badname, "RFC 8881, 18.13", "NFS4ERR_BADCHAR is possible too"),
	NFS_TEST(test_lookup_in_a_file_is_notdir, "RFC 8881, 18.13"),
	NFS_TEST(test_lookup_in_a_symbolic_link_is_symlink, "RFC 8881, 18.13"),
	NFS_TEST(test_lookup_wants_the_right_to_search, "RFC 8881, 18.13"),
	NFS_TEST(test_lookup_goes_by_supplementary_groups, "RFC 8881, 18.13"),
	NFS_TEST(test_lookup_takes_bytes_that_are_not_utf8, "RFC 8881, 18.13"),
	NFS_TEST(test_lookup_tells_upper_from_lower_case, "RFC 8881, 18.13"),
	NFS_TEST(test_lookupp_finds_the_parent, "RFC 8881, 18.14"),
	NFS_TEST(test_lookupp_of_the_root_is_noent, "RFC 8881, 18.14"),
	NFS_TEST(test_lookupp_of_a_file_is_notdir, "RFC 8881, 18.14"),
	NFS_TEST(test_lookupp_of_a_symbolic_link_is_symlink, "RFC 8881, 18.14"),
	NFS_TEST(test_lookupp_follows_a_renamed_directory, "RFC 8881, 18.14"),
	NFS_TEST_DIFFERS(test_lookupp_wants_the_right_to_search, "RFC 8881, 18.14",
			 "it does not look at the right to search"),
	NFS_TEST(test_handle_of_what_is_removed_is_stale, "RFC 8881, 4.2.2"),
	NFS_TEST(test_readlink_gives_the_text, "RFC 8881, 18.24"),
	NFS_TEST_DIFFERS(test_readlink_of_a_directory_is_wrong_type, "RFC 8881, 18.24",
			 "NFS4ERR_INVAL is possible too"),
	NFS_TEST(test_secinfo_offers_auth_sys_first, "RFC 8881, 18.29"),
	NFS_TEST(test_secinfo_of_nothing_is_noent, "RFC 8881, 18.29"),
	NFS_TEST(test_secinfo_consumes_the_file_handle, "RFC 8881, 18.29"),
	NFS_TEST(test_secinfo_no_name_consumes_the_file_handle, "RFC 8881, 18.45"),
	NFS_TEST(test_secinfo_no_name_of_the_roots_parent_is_noent, "RFC 8881, 18.45"),
	NFS_TEST(test_secinfo_no_name_of_a_parent_works, "RFC 8881, 18.45"),
};

NFS_TEST_MAIN(cases)
