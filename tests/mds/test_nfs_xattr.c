/* SPDX-License-Identifier: Apache-2.0 */

/* Extended attributes (RFC 8276, 8.4). */

#include <stdio.h>
#include <string.h>

#include "tests/lib/nfs_tree.h"

static FIBER_FN nfsstat4 xset(struct tree *t, const struct nfs_fh *fh, setxattr_option4 how, const char *name,
			      const char *value)
{
	tree_begin(t, fh);
	nfs_op_setxattr(t->c, how, name, value, (uint32_t)strlen(value));
	return tree_send(t);
}

static FIBER_FN nfsstat4 xget(struct tree *t, const struct nfs_fh *fh, const char *name, const char *expected)
{
	const struct nfs_resop4 *res;
	const xattrvalue4 *value;
	nfsstat4 status;
	uint32_t at;

	tree_begin(t, fh);
	t->c->cachethis = false; /* it may be long */
	at = nfs_op_getxattr(t->c, name);
	status = tree_send(t);
	if (status)
		return status;
	res = nfs_compound_result(t->c, at, OP_GETXATTR);
	NFS_CHECK(t->test, res != NULL);
	value = &res->nfs_resop4_u.opgetxattr.GETXATTR4res_u.gxr_value;
	NFS_CHECK_EQ(t->test, value->xattrvalue4_len, strlen(expected));
	NFS_CHECK(t->test, memcmp(value->xattrvalue4_val, expected, strlen(expected)) == 0);
	return NFS4_OK;
}

static FIBER_FN nfsstat4 xremove(struct tree *t, const struct nfs_fh *fh, const char *name)
{
	tree_begin(t, fh);
	nfs_op_removexattr(t->c, name);
	return tree_send(t);
}

/* One LISTXATTRS; how many names came, and where to go on. */
static FIBER_FN nfsstat4 xlist(struct tree *t, const struct nfs_fh *fh, uint32_t maxcount, uint64_t *cookie,
			       unsigned int *nr, bool *eof)
{
	const struct nfs_resop4 *res;
	const LISTXATTRS4resok *ok;
	nfsstat4 status;
	uint32_t at;

	tree_begin(t, fh);
	at = nfs_op_listxattrs(t->c, *cookie, maxcount);
	status = tree_send(t);
	if (status)
		return status;
	res = nfs_compound_result(t->c, at, OP_LISTXATTRS);
	NFS_CHECK(t->test, res != NULL);
	ok = &res->nfs_resop4_u.oplistxattrs.LISTXATTRS4res_u.lxr_value;
	*nr += ok->lxr_names.lxr_names_len;
	*cookie = ok->lxr_cookie;
	*eof = ok->lxr_eof;
	return NFS4_OK;
}

static FIBER_FN void test_xattr_is_kept(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	NFS_CHECK_EQ(t->test, xset(t, &t->top, SETXATTR4_CREATE, "name", "value"), NFS4_OK);
	NFS_CHECK_EQ(t->test, xget(t, &t->top, "name", "value"), NFS4_OK);
}

static FIBER_FN void test_xattr_of_a_file_is_kept(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh fh;

	NFS_CHECK_EQ(t->test, tree_file(t, &t->top, "f", &fh), NFS4_OK);
	NFS_CHECK_EQ(t->test, xset(t, &fh, SETXATTR4_EITHER, "name", ""), NFS4_OK);
	NFS_CHECK_EQ(t->test, xget(t, &fh, "name", ""), NFS4_OK);
}

static FIBER_FN void test_getxattr_of_nothing_is_noxattr(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	NFS_CHECK_EQ(t->test, xget(t, &t->top, "name", ""), NFS4ERR_NOXATTR);
}

static FIBER_FN void test_setxattr_create_of_what_is_there_is_exist(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	NFS_CHECK_EQ(t->test, xset(t, &t->top, SETXATTR4_CREATE, "name", "1"), NFS4_OK);
	NFS_CHECK_EQ(t->test, xset(t, &t->top, SETXATTR4_CREATE, "name", "2"), NFS4ERR_EXIST);
	NFS_CHECK_EQ(t->test, xget(t, &t->top, "name", "1"), NFS4_OK);
}

static FIBER_FN void test_setxattr_replace_of_nothing_is_noxattr(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	NFS_CHECK_EQ(t->test, xset(t, &t->top, SETXATTR4_REPLACE, "name", "1"), NFS4ERR_NOXATTR);
}

static FIBER_FN void test_setxattr_replaces(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	NFS_CHECK_EQ(t->test, xset(t, &t->top, SETXATTR4_CREATE, "name", "1"), NFS4_OK);
	NFS_CHECK_EQ(t->test, xset(t, &t->top, SETXATTR4_REPLACE, "name", "22"), NFS4_OK);
	NFS_CHECK_EQ(t->test, xget(t, &t->top, "name", "22"), NFS4_OK);
	NFS_CHECK_EQ(t->test, xset(t, &t->top, SETXATTR4_EITHER, "name", "333"), NFS4_OK);
	NFS_CHECK_EQ(t->test, xget(t, &t->top, "name", "333"), NFS4_OK);
}

static FIBER_FN void test_removexattr_removes(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	NFS_CHECK_EQ(t->test, xset(t, &t->top, SETXATTR4_CREATE, "name", "1"), NFS4_OK);
	NFS_CHECK_EQ(t->test, xremove(t, &t->top, "name"), NFS4_OK);
	NFS_CHECK_EQ(t->test, xget(t, &t->top, "name", ""), NFS4ERR_NOXATTR);
}

static FIBER_FN void test_removexattr_of_nothing_is_noxattr(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	NFS_CHECK_EQ(t->test, xremove(t, &t->top, "name"), NFS4ERR_NOXATTR);
}

static FIBER_FN void test_xattr_of_64k_is_kept_and_more_is_xattr2big(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	static char value[65538];

	memset(value, 'v', sizeof(value));
	value[65537] = 0;
	NFS_CHECK_EQ(t->test, xset(t, &t->top, SETXATTR4_EITHER, "name", value), NFS4ERR_XATTR2BIG);
	value[65536] = 0;
	NFS_CHECK_EQ(t->test, xset(t, &t->top, SETXATTR4_EITHER, "name", value), NFS4_OK);
	NFS_CHECK_EQ(t->test, xget(t, &t->top, "name", value), NFS4_OK);
}

static FIBER_FN void test_xattr_with_bad_names(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	char name[257];

	memset(name, 'n', sizeof(name));
	name[256] = 0;
	NFS_CHECK_EQ(t->test, xset(t, &t->top, SETXATTR4_EITHER, name, "1"), NFS4ERR_NAMETOOLONG);
	NFS_CHECK_EQ(t->test, xget(t, &t->top, name, "1"), NFS4ERR_NAMETOOLONG);
	NFS_CHECK_EQ(t->test, xremove(t, &t->top, name), NFS4ERR_NAMETOOLONG);
	NFS_CHECK_EQ(t->test, xset(t, &t->top, SETXATTR4_EITHER, "", "1"), NFS4ERR_INVAL);
}

/* 8.4.2.2: what changed is the object. */
static FIBER_FN void test_setxattr_tells_how_the_file_changed(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	uint64_t before = tree_change(t, &t->top);
	const struct nfs_resop4 *res;
	change_info4 cinfo;
	uint32_t at;

	tree_begin(t, &t->top);
	at = nfs_op_setxattr(t->c, SETXATTR4_EITHER, "name", "1", 1);
	NFS_CHECK_EQ(t->test, tree_send(t), NFS4_OK);
	res = nfs_compound_result(t->c, at, OP_SETXATTR);
	NFS_CHECK(t->test, res != NULL);
	cinfo = res->nfs_resop4_u.opsetxattr.SETXATTR4res_u.sxr_info;
	NFS_CHECK(t->test, cinfo.atomic);
	NFS_CHECK_EQ(t->test, cinfo.before, before);
	NFS_CHECK_EQ(t->test, cinfo.after, tree_change(t, &t->top));
}

static FIBER_FN void test_setxattr_wants_write(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	tree_chmod(t, &t->top, 0755);
	tree_as(t, 1000, 1000);
	NFS_CHECK_EQ(t->test, xset(t, &t->top, SETXATTR4_EITHER, "name", "1"), NFS4ERR_ACCESS);
	NFS_CHECK_EQ(t->test, xremove(t, &t->top, "name"), NFS4ERR_ACCESS);
}

static FIBER_FN void test_getxattr_wants_read(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	uint64_t cookie = 0;
	unsigned int nr = 0;
	bool eof;

	NFS_CHECK_EQ(t->test, xset(t, &t->top, SETXATTR4_EITHER, "name", "1"), NFS4_OK);
	tree_chmod(t, &t->top, 0711);
	tree_as(t, 1000, 1000);
	NFS_CHECK_EQ(t->test, xget(t, &t->top, "name", "1"), NFS4ERR_ACCESS);
	NFS_CHECK_EQ(t->test, xlist(t, &t->top, 4096, &cookie, &nr, &eof), NFS4ERR_ACCESS);
}

static FIBER_FN void test_xattrs_of_a_sticky_directory_are_its_owners(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	tree_chmod(t, &t->top, 01777);
	tree_as(t, 1000, 1000);
	NFS_CHECK_EQ(t->test, xset(t, &t->top, SETXATTR4_EITHER, "name", "1"), NFS4ERR_PERM);
}

static FIBER_FN void test_only_files_and_directories_have_xattrs(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh fh;
	uint64_t cookie = 0;
	unsigned int nr = 0;
	bool eof = false;

	NFS_CHECK_EQ(t->test, tree_symlink(t, &t->top, "l", "x", &fh), NFS4_OK);
	NFS_CHECK_EQ(t->test, xset(t, &fh, SETXATTR4_EITHER, "name", "1"), NFS4ERR_PERM);
	NFS_CHECK_EQ(t->test, xget(t, &fh, "name", "1"), NFS4ERR_NOXATTR);
	NFS_CHECK_EQ(t->test, xlist(t, &fh, 4096, &cookie, &nr, &eof), NFS4_OK);
	NFS_CHECK(t->test, nr == 0 && eof);
}

static FIBER_FN void test_listxattrs_of_none_is_eof(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	uint64_t cookie = 0;
	unsigned int nr = 0;
	bool eof = false;

	NFS_CHECK_EQ(t->test, xlist(t, &t->top, 4096, &cookie, &nr, &eof), NFS4_OK);
	NFS_CHECK(t->test, nr == 0 && eof);
}

static FIBER_FN void test_listxattrs_in_pieces_gives_all(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	uint64_t cookie = 0;
	unsigned int nr = 0, calls = 0;
	bool eof = false;
	char name[16];

	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "name%02d", i);
		NFS_CHECK_EQ(t->test, xset(t, &t->top, SETXATTR4_CREATE, name, "1"), NFS4_OK);
	}
	for (; !eof; calls++)
		NFS_CHECK_EQ(t->test, xlist(t, &t->top, 60, &cookie, &nr, &eof), NFS4_OK);
	NFS_CHECK_EQ(t->test, nr, 20);
	NFS_CHECK(t->test, calls >= 5);
}

static FIBER_FN void test_listxattrs_without_room_is_toosmall(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	uint64_t cookie = 0;
	unsigned int nr = 0;
	bool eof;

	NFS_CHECK_EQ(t->test, xset(t, &t->top, SETXATTR4_CREATE, "a_longer_name", "1"), NFS4_OK);
	NFS_CHECK_EQ(t->test, xlist(t, &t->top, 20, &cookie, &nr, &eof), NFS4ERR_TOOSMALL);
	NFS_CHECK_EQ(t->test, xlist(t, &t->top, 3, &cookie, &nr, &eof), NFS4ERR_TOOSMALL);
}

static FIBER_FN void test_listxattrs_with_a_cookie_that_cannot_be(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	uint64_t cookie = UINT64_MAX;
	unsigned int nr = 0;
	bool eof;

	NFS_CHECK_EQ(t->test, xlist(t, &t->top, 4096, &cookie, &nr, &eof), NFS4ERR_BAD_COOKIE);
}

/* RFC 8276 extends 4.2. */
static FIBER_FN void test_xattrs_are_not_in_minor_version_1(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	tree_begin(t, &t->top);
	t->c->minorversion = 1;
	t->c->checks = false;
	nfs_op_getxattr(t->c, "name");
	NFS_CHECK_EQ(t->test, tree_send(t), NFS4ERR_OP_ILLEGAL);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST_DIFFERS(test_xattr_is_kept, "RFC 8276, 8.4", "extended attributes are optional"),
	NFS_TEST_DIFFERS(test_xattr_of_a_file_is_kept, "RFC 8276, 8.4", "extended attributes are optional"),
	NFS_TEST_DIFFERS(test_getxattr_of_nothing_is_noxattr, "RFC 8276, 8.4.1", "extended attributes are optional"),
	NFS_TEST_DIFFERS(test_setxattr_create_of_what_is_there_is_exist, "RFC 8276, 8.4.2",
			 "extended attributes are optional"),
	NFS_TEST_DIFFERS(test_setxattr_replace_of_nothing_is_noxattr, "RFC 8276, 8.4.2",
			 "extended attributes are optional"),
	NFS_TEST_DIFFERS(test_setxattr_replaces, "RFC 8276, 8.4.2", "extended attributes are optional"),
	NFS_TEST_DIFFERS(test_removexattr_removes, "RFC 8276, 8.4.4", "extended attributes are optional"),
	NFS_TEST_DIFFERS(test_removexattr_of_nothing_is_noxattr, "RFC 8276, 8.4.4",
			 "extended attributes are optional"),
	NFS_TEST_DIFFERS(test_xattr_of_64k_is_kept_and_more_is_xattr2big, "RFC 8276, 8.4",
			 "extended attributes are optional"),
	NFS_TEST_DIFFERS(test_xattr_with_bad_names, "RFC 8276, 8.4", "extended attributes are optional"),
	NFS_TEST_DIFFERS(test_setxattr_tells_how_the_file_changed, "RFC 8276, 8.4.2",
			 "extended attributes are optional"),
	NFS_TEST_DIFFERS(test_setxattr_wants_write, "RFC 8276, 8.4.2", "extended attributes are optional"),
	NFS_TEST_DIFFERS(test_getxattr_wants_read, "RFC 8276, 8.4.1", "extended attributes are optional"),
	NFS_TEST_DIFFERS(test_xattrs_of_a_sticky_directory_are_its_owners, "RFC 8276, 8.4",
			 "extended attributes are optional"),
	NFS_TEST_DIFFERS(test_only_files_and_directories_have_xattrs, "RFC 8276, 8.4",
			 "extended attributes are optional"),
	NFS_TEST_DIFFERS(test_listxattrs_of_none_is_eof, "RFC 8276, 8.4.3", "extended attributes are optional"),
	NFS_TEST_DIFFERS(test_listxattrs_in_pieces_gives_all, "RFC 8276, 8.4.3", "extended attributes are optional"),
	NFS_TEST_DIFFERS(test_listxattrs_without_room_is_toosmall, "RFC 8276, 8.4.3",
			 "extended attributes are optional"),
	NFS_TEST_DIFFERS(test_listxattrs_with_a_cookie_that_cannot_be, "RFC 8276, 8.4.3",
			 "extended attributes are optional"),
	NFS_TEST(test_xattrs_are_not_in_minor_version_1, "RFC 8276, 8.4"),
};

NFS_TEST_MAIN(cases)
