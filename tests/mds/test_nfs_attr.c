/* SPDX-License-Identifier: Apache-2.0 */

/* GETATTR and SETATTR (RFC 8881, 5, 18.7, 18.30). */

#include <string.h>

#include "proto/wire_bitmap.h"
#include "tests/lib/nfs_tree.h"

static bool supports(const struct wire_attrs *attrs, uint32_t attr)
{
	return wire_bitmap_test(&attrs->supported_attrs, attr);
}

/* 5.6: these every server has. */
static FIBER_FN void test_required_attributes_are_supported(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	static const uint32_t required[] = {
		FATTR4_SUPPORTED_ATTRS,
		FATTR4_TYPE,
		FATTR4_FH_EXPIRE_TYPE,
		FATTR4_CHANGE,
		FATTR4_SIZE,
		FATTR4_LINK_SUPPORT,
		FATTR4_SYMLINK_SUPPORT,
		FATTR4_NAMED_ATTR,
		FATTR4_FSID,
		FATTR4_UNIQUE_HANDLES,
		FATTR4_LEASE_TIME,
		FATTR4_RDATTR_ERROR,
		FATTR4_FILEHANDLE,
		FATTR4_SUPPATTR_EXCLCREAT,
	};
	struct wire_attrs attrs = tree_attrs(t, &t->top, NFS_ATTRS(FATTR4_SUPPORTED_ATTRS));

	for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++)
		NFS_CHECK(t->test, supports(&attrs, required[i]));
}

/* What Linux asks for with everything (masked by supported_attrs). */
static FIBER_FN void test_attributes_that_linux_needs_are_supported(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	static const uint32_t needed[] = {
		FATTR4_FILEID,	    FATTR4_MODE,	  FATTR4_NUMLINKS,	FATTR4_OWNER,
		FATTR4_OWNER_GROUP, FATTR4_RAWDEV,	  FATTR4_SPACE_USED,	FATTR4_TIME_ACCESS,
		FATTR4_TIME_DELTA,  FATTR4_TIME_MODIFY,	  FATTR4_TIME_METADATA, FATTR4_MOUNTED_ON_FILEID,
		FATTR4_FILES_FREE,  FATTR4_SPACE_AVAIL,	  FATTR4_SPACE_TOTAL,	FATTR4_CHANGE_ATTR_TYPE,
		FATTR4_MODE_UMASK,  FATTR4_CLONE_BLKSIZE, FATTR4_XATTR_SUPPORT, FATTR4_OPEN_ARGUMENTS,
	};
	struct wire_attrs attrs = tree_attrs(t, &t->top, NFS_ATTRS(FATTR4_SUPPORTED_ATTRS));

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		NFS_CHECK(t->test, supports(&attrs, needed[i]));
}

/* 5.5: exactly what was asked for and is supported comes. */
static FIBER_FN void test_getattr_of_all_gives_what_is_supported(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct wire_attrs attrs = tree_attrs(t, &t->top, NFS_ATTRS(FATTR4_SUPPORTED_ATTRS));
	struct bitmap4 readable = wire_attr_readable();
	struct bitmap4 expected = wire_bitmap_and(&attrs.supported_attrs, &readable);

	attrs = tree_attrs(t, &t->top, readable);
	NFS_CHECK(t->test, wire_bitmap_is_subset(&attrs.mask, &expected));
	NFS_CHECK(t->test, wire_bitmap_is_subset(&expected, &attrs.mask));
}

static FIBER_FN void test_getattr_of_each_alone_works(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct wire_attrs all = tree_attrs(t, &t->top, NFS_ATTRS(FATTR4_SUPPORTED_ATTRS));
	struct bitmap4 supported = all.supported_attrs;
	struct bitmap4 readable = wire_attr_readable();

	for (uint32_t attr = 0; attr < WIRE_BITMAP_BITS; attr++) {
		struct bitmap4 one = { 0 };
		struct wire_attrs attrs;

		if (!wire_bitmap_test(&supported, attr) || !wire_bitmap_test(&readable, attr))
			continue;
		wire_bitmap_set(&one, attr);
		attrs = tree_attrs(t, &t->top, one);
		NFS_CHECK(t->test, wire_bitmap_is_subset(&one, &attrs.mask));
	}
}

static FIBER_FN void test_getattr_of_nothing_gives_nothing(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct bitmap4 none = { 0 };
	struct wire_attrs attrs = tree_attrs(t, &t->top, none);

	NFS_CHECK(t->test, wire_bitmap_is_empty(&attrs.mask));
}

static FIBER_FN void test_getattr_of_an_attribute_to_set_is_inval(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	tree_begin(t, &t->top);
	nfs_op_getattr(t->c, NFS_ATTRS(FATTR4_TIME_ACCESS_SET));
	NFS_CHECK_EQ(t->test, tree_send(t), NFS4ERR_INVAL);
}

static FIBER_FN void test_getattr_leaves_out_what_is_not_supported(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct wire_attrs attrs = tree_attrs(t, &t->top, NFS_ATTRS(FATTR4_TYPE, FATTR4_HIDDEN, FATTR4_SYSTEM));

	NFS_CHECK(t->test, wire_bitmap_test(&attrs.mask, FATTR4_TYPE));
	NFS_CHECK(t->test, !wire_bitmap_test(&attrs.mask, FATTR4_HIDDEN));
	NFS_CHECK(t->test, !wire_bitmap_test(&attrs.mask, FATTR4_SYSTEM));
}

/* RFC 7862 came later. */
static FIBER_FN void test_minor_version_1_knows_no_attributes_of_2(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct wire_attrs attrs;
	uint32_t at;

	tree_begin(t, &t->top);
	t->c->minorversion = 1;
	at = nfs_op_getattr(t->c, NFS_ATTRS(FATTR4_SUPPORTED_ATTRS, FATTR4_XATTR_SUPPORT, FATTR4_CLONE_BLKSIZE));
	NFS_CHECK_EQ(t->test, tree_send(t), NFS4_OK);
	NFS_CHECK_EQ(t->test, nfs_op_got_attrs(t->c, at, &attrs), 0);
	NFS_CHECK(t->test, !wire_bitmap_test(&attrs.mask, FATTR4_XATTR_SUPPORT));
	NFS_CHECK(t->test, !supports(&attrs, FATTR4_CHANGE_ATTR_TYPE));
	NFS_CHECK(t->test, !supports(&attrs, FATTR4_MODE_UMASK));
}

/* 5.8.1 */
static FIBER_FN void test_constant_attributes(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct wire_attrs a =
		tree_attrs(t, &t->top,
			   NFS_ATTRS(FATTR4_FH_EXPIRE_TYPE, FATTR4_LINK_SUPPORT, FATTR4_SYMLINK_SUPPORT,
				     FATTR4_NAMED_ATTR, FATTR4_UNIQUE_HANDLES, FATTR4_CANSETTIME,
				     FATTR4_CASE_INSENSITIVE, FATTR4_CASE_PRESERVING, FATTR4_CHOWN_RESTRICTED,
				     FATTR4_HOMOGENEOUS, FATTR4_MAXNAME, FATTR4_NO_TRUNC, FATTR4_ACLSUPPORT));

	NFS_CHECK_EQ(t->test, a.fh_expire_type, FH4_PERSISTENT);
	NFS_CHECK(t->test, a.link_support && a.symlink_support && !a.named_attr && a.unique_handles);
	NFS_CHECK(t->test,
		  a.cansettime && !a.case_insensitive && a.case_preserving && a.chown_restricted && a.homogeneous);
	NFS_CHECK_EQ(t->test, a.maxname, 255);
	NFS_CHECK(t->test, a.no_trunc);
	NFS_CHECK_EQ(t->test, a.aclsupport, 0);
}

static FIBER_FN void test_space_adds_up(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct wire_attrs a = tree_attrs(t, &t->top,
					 NFS_ATTRS(FATTR4_SPACE_AVAIL, FATTR4_SPACE_FREE, FATTR4_SPACE_TOTAL,
						   FATTR4_FILES_AVAIL, FATTR4_FILES_FREE, FATTR4_FILES_TOTAL));

	NFS_CHECK(t->test, a.space_avail > 0 && a.space_avail <= a.space_free && a.space_free <= a.space_total);
	NFS_CHECK(t->test, a.files_avail > 0 && a.files_avail <= a.files_free && a.files_free < a.files_total);
}

static FIBER_FN void test_filehandle_attribute_is_the_handle(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct wire_attrs a = tree_attrs(t, &t->top, NFS_ATTRS(FATTR4_FILEHANDLE));

	NFS_CHECK_EQ(t->test, a.filehandle.nfs_fh4_len, t->top.len);
	NFS_CHECK(t->test, memcmp(a.filehandle.nfs_fh4_val, t->top.bytes, t->top.len) == 0);
}

static FIBER_FN void test_reads_and_writes_are_of_a_power_of_two(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct wire_attrs a = tree_attrs(t, &t->top, NFS_ATTRS(FATTR4_MAXREAD, FATTR4_MAXWRITE));

	NFS_CHECK(t->test, a.maxread >= 4096 && (a.maxread & (a.maxread - 1)) == 0);
	NFS_CHECK(t->test, a.maxwrite >= 4096 && (a.maxwrite & (a.maxwrite - 1)) == 0);
}

/* RFC 7862, 12.2.3 */
static FIBER_FN void test_change_is_monotonic(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct wire_attrs a = tree_attrs(t, &t->top, NFS_ATTRS(FATTR4_CHANGE_ATTR_TYPE));

	NFS_CHECK_EQ(t->test, a.change_attr_type, NFS4_CHANGE_TYPE_IS_MONOTONIC_INCR);
}

/* I9 */
static FIBER_FN void test_every_change_raises_the_change_attribute(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	uint64_t change = tree_change(t, &t->top);

	tree_chmod(t, &t->top, 0711);
	NFS_CHECK(t->test, tree_change(t, &t->top) > change);
	change = tree_change(t, &t->top);
	NFS_CHECK_EQ(t->test, tree_mkdir(t, &t->top, "d", 0755, NULL), NFS4_OK);
	NFS_CHECK(t->test, tree_change(t, &t->top) > change);
}

/* RFC 9754 */
static FIBER_FN void test_open_arguments_name_what_open_takes(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct wire_attrs a = tree_attrs(t, &t->top, NFS_ATTRS(FATTR4_OPEN_ARGUMENTS));

	NFS_CHECK(t->test, wire_bitmap_test(&a.open_arguments.oa_share_access, OPEN4_SHARE_ACCESS_BOTH));
	NFS_CHECK(t->test, wire_bitmap_test(&a.open_arguments.oa_open_claim, CLAIM_FH));
	NFS_CHECK(t->test, wire_bitmap_test(&a.open_arguments.oa_create_mode, EXCLUSIVE4_1));
	NFS_CHECK(t->test, !wire_bitmap_test(&a.open_arguments.oa_share_access_want,
					     OPEN_ARGS_SHARE_ACCESS_WANT_OPEN_XOR_DELEGATION));
}

/* 18.30 */
static FIBER_FN void test_setattr_sets_the_mode(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	const struct nfs_resop4 *res;
	struct wire_attrs attrs = tree_set_mode(04751);
	uint32_t at;

	tree_begin(t, &t->top);
	at = nfs_op_setattr(t->c, &nfs_stateid_anonymous, &attrs);
	NFS_CHECK_EQ(t->test, tree_send(t), NFS4_OK);
	res = nfs_compound_result(t->c, at, OP_SETATTR);
	NFS_CHECK(t->test, res != NULL);
	NFS_CHECK(t->test, wire_bitmap_test(&res->nfs_resop4_u.opsetattr.attrsset, FATTR4_MODE));
	NFS_CHECK_EQ(t->test, tree_mode(t, &t->top), 04751);
}

static FIBER_FN void test_setattr_of_nothing_changes_nothing(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct wire_attrs none = { .size = 0 };
	uint64_t change = tree_change(t, &t->top);

	NFS_CHECK_EQ(t->test, tree_setattr(t, &t->top, &none), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_change(t, &t->top), change);
}

static FIBER_FN void test_setattr_sets_owner_and_group(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	tree_chown(t, &t->top, 1234, 5678);
	NFS_CHECK_EQ(t->test, tree_owner(t, &t->top), 1234);
	NFS_CHECK_EQ(t->test, tree_group(t, &t->top), 5678);
}

static FIBER_FN void test_setattr_of_an_owner_by_name_is_badowner(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct wire_attrs attrs = tree_set_owner("alice@example.org", NULL);

	NFS_CHECK_EQ(t->test, tree_setattr(t, &t->top, &attrs), NFS4ERR_BADOWNER);
}

static FIBER_FN void test_setattr_of_an_attribute_to_read_is_inval(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct wire_attrs attrs = { .mask = NFS_ATTRS(FATTR4_NUMLINKS), .numlinks = 7 };

	NFS_CHECK_EQ(t->test, tree_setattr(t, &t->top, &attrs), NFS4ERR_INVAL);
}

static FIBER_FN void test_setattr_of_an_unknown_attribute_is_attrnotsupp(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct wire_attrs attrs = { .mask = NFS_ATTRS(FATTR4_HIDDEN), .hidden = TRUE };

	NFS_CHECK_EQ(t->test, tree_setattr(t, &t->top, &attrs), NFS4ERR_ATTRNOTSUPP);
}

static FIBER_FN void test_setattr_sets_times(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct wire_attrs attrs = {
		.mask = NFS_ATTRS(FATTR4_TIME_ACCESS_SET, FATTR4_TIME_MODIFY_SET, FATTR4_TIME_CREATE),
		.time_access_set = { .set_it = SET_TO_CLIENT_TIME4,
				     .settime4_u = { .time = { .seconds = 10, .nseconds = 1 } } },
		.time_modify_set = { .set_it = SET_TO_CLIENT_TIME4,
				     .settime4_u = { .time = { .seconds = -20, .nseconds = 2 } } },
		.time_create = { .seconds = 30, .nseconds = 3 }
	};
	struct wire_attrs got;

	NFS_CHECK_EQ(t->test, tree_setattr(t, &t->top, &attrs), NFS4_OK);
	got = tree_attrs(t, &t->top, NFS_ATTRS(FATTR4_TIME_ACCESS, FATTR4_TIME_MODIFY, FATTR4_TIME_CREATE));
	NFS_CHECK_EQ(t->test, got.time_access.seconds, 10);
	NFS_CHECK_EQ(t->test, got.time_access.nseconds, 1);
	NFS_CHECK_EQ(t->test, got.time_modify.seconds, -20);
	NFS_CHECK_EQ(t->test, got.time_modify.nseconds, 2);
	NFS_CHECK_EQ(t->test, got.time_create.seconds, 30);
}

static FIBER_FN void test_setattr_to_server_time_is_now(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct wire_attrs attrs = { .mask = NFS_ATTRS(FATTR4_TIME_MODIFY_SET),
				    .time_modify_set = { .set_it = SET_TO_SERVER_TIME4 } };
	struct wire_attrs got;

	NFS_CHECK_EQ(t->test, tree_setattr(t, &t->top, &attrs), NFS4_OK);
	got = tree_attrs(t, &t->top, NFS_ATTRS(FATTR4_TIME_MODIFY, FATTR4_TIME_METADATA));
	NFS_CHECK(t->test, got.time_metadata.seconds - got.time_modify.seconds <= 1);
}

static FIBER_FN void test_setattr_by_another_is_perm(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct wire_attrs attrs = tree_set_mode(0777);

	tree_as(t, 1000, 1000);
	NFS_CHECK_EQ(t->test, tree_setattr(t, &t->top, &attrs), NFS4ERR_PERM);
	attrs = tree_set_owner("1000", NULL);
	NFS_CHECK_EQ(t->test, tree_setattr(t, &t->top, &attrs), NFS4ERR_PERM);
}

static FIBER_FN void test_setattr_of_a_directorys_size_is_isdir(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct wire_attrs attrs = tree_set_size(0);

	NFS_CHECK_EQ(t->test, tree_setattr(t, &t->top, &attrs), NFS4ERR_ISDIR);
}

static FIBER_FN void test_setattr_of_a_fifos_size_is_inval(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct wire_attrs attrs = tree_set_size(0);
	struct nfs_fh fh;

	NFS_CHECK_EQ(t->test, tree_create(t, &t->top, NF4FIFO, "f", NULL, &fh), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_setattr(t, &fh, &attrs), NFS4ERR_INVAL);
}

static FIBER_FN void test_setattr_grows_and_shrinks_a_file(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct wire_attrs attrs = tree_set_size(100000);
	struct nfs_fh fh;

	NFS_CHECK_EQ(t->test, tree_file(t, &t->top, "f", &fh), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_setattr(t, &fh, &attrs), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_attrs(t, &fh, NFS_ATTRS(FATTR4_SIZE)).size, 100000);
	attrs = tree_set_size(7);
	NFS_CHECK_EQ(t->test, tree_setattr(t, &fh, &attrs), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_attrs(t, &fh, NFS_ATTRS(FATTR4_SIZE)).size, 7);
}

static FIBER_FN void test_setattr_of_size_and_mode_is_one_change(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct wire_attrs attrs = { .mask = NFS_ATTRS(FATTR4_SIZE, FATTR4_MODE), .size = 5, .mode = 0600 };
	struct nfs_fh fh;
	uint64_t change;

	NFS_CHECK_EQ(t->test, tree_file(t, &t->top, "f", &fh), NFS4_OK);
	change = tree_change(t, &fh);
	NFS_CHECK_EQ(t->test, tree_setattr(t, &fh, &attrs), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_mode(t, &fh), 0600);
	NFS_CHECK_EQ(t->test, tree_change(t, &fh), change + 1);
}

static FIBER_FN void test_setattr_of_a_size_wants_write(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct wire_attrs attrs = tree_set_size(7);
	struct nfs_fh fh;

	NFS_CHECK_EQ(t->test, tree_file(t, &t->top, "f", &fh), NFS4_OK);
	tree_as(t, 1000, 1000);
	NFS_CHECK_EQ(t->test, tree_setattr(t, &fh, &attrs), NFS4ERR_ACCESS);
}

/* 9.1.2: an open for writing is enough, whatever the mode is by now. */
static FIBER_FN void test_setattr_of_a_size_through_an_open_needs_no_mode(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct wire_attrs attrs = tree_set_size(7);
	struct nfs_file file;

	NFS_CHECK_EQ(t->test, nfs_file_create(t->session, &t->top, "f", &file), 0);
	tree_chown(t, &file.fh, 1000, 1000);
	tree_chmod(t, &file.fh, 0);
	tree_as(t, 2000, 2000);
	tree_begin(t, &file.fh);
	nfs_op_setattr(t->c, &file.stateid, &attrs);
	NFS_CHECK_EQ(t->test, tree_send(t), NFS4_OK);
	NFS_CHECK_EQ(t->test, nfs_file_close(&file), 0);
}

static FIBER_FN void test_setattr_of_a_size_with_a_bad_stateid(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct wire_attrs attrs = tree_set_size(7);
	struct nfs_fh fh;

	NFS_CHECK_EQ(t->test, tree_file(t, &t->top, "f", &fh), NFS4_OK);
	tree_begin(t, &fh);
	nfs_op_setattr(t->c, &nfs_stateid_invalid, &attrs);
	NFS_CHECK_EQ(t->test, tree_send(t), NFS4ERR_BAD_STATEID);
}

static FIBER_FN void test_truncate_by_another_clears_set_user_id(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct wire_attrs attrs = tree_set_size(7);
	struct nfs_fh fh;

	NFS_CHECK_EQ(t->test, tree_file(t, &t->top, "f", &fh), NFS4_OK);
	tree_chmod(t, &fh, 04777);
	tree_as(t, 1000, 1000);
	NFS_CHECK_EQ(t->test, tree_setattr(t, &fh, &attrs), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_mode(t, &fh), 0777);
}

static FIBER_FN void test_size_beyond_what_a_file_can_have_is_fbig(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct wire_attrs attrs = tree_set_size((uint64_t)1 << 63);
	struct nfs_fh fh;

	NFS_CHECK_EQ(t->test, tree_file(t, &t->top, "f", &fh), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_setattr(t, &fh, &attrs), NFS4ERR_FBIG);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_required_attributes_are_supported, "RFC 8881, 5"),
	NFS_TEST_DIFFERS(test_attributes_that_linux_needs_are_supported, "RFC 7862, 12.2",
			 "not all of them are required"),
	NFS_TEST_DIFFERS(test_getattr_of_all_gives_what_is_supported, "RFC 8881, 18.7",
			 "attributes that it does not know are NFS4ERR_INVAL there, against 18.7.3"),
	NFS_TEST_DIFFERS(test_getattr_of_each_alone_works, "RFC 8881, 18.7",
			 "it does not give all that it calls supported"),
	NFS_TEST(test_getattr_of_nothing_gives_nothing, "RFC 8881, 18.7"),
	NFS_TEST(test_getattr_of_an_attribute_to_set_is_inval, "RFC 8881, 18.7"),
	NFS_TEST(test_getattr_leaves_out_what_is_not_supported, "RFC 8881, 18.7"),
	NFS_TEST_DIFFERS(test_minor_version_1_knows_no_attributes_of_2, "RFC 8881, 5",
			 "attributes that it does not know are NFS4ERR_INVAL there, against 18.7.3"),
	NFS_TEST_DIFFERS(test_constant_attributes, "RFC 8881, 5", "what these say is the server's choice"),
	NFS_TEST(test_space_adds_up, "RFC 8881, 5"),
	NFS_TEST(test_filehandle_attribute_is_the_handle, "RFC 8881, 5"),
	NFS_TEST(test_reads_and_writes_are_of_a_power_of_two, "RFC 8881, 5"),
	NFS_TEST_DIFFERS(test_change_is_monotonic, "RFC 7862, 12.2.3",
			 "attributes that it does not know are NFS4ERR_INVAL there, against 18.7.3"),
	NFS_TEST(test_every_change_raises_the_change_attribute, "RFC 8881, 5"),
	NFS_TEST_DIFFERS(test_open_arguments_name_what_open_takes, "RFC 9754, 2", "the attribute is optional"),
	NFS_TEST(test_setattr_sets_the_mode, "RFC 8881, 18.30"),
	NFS_TEST_DIFFERS(test_setattr_of_nothing_changes_nothing, "RFC 8881, 18.30",
			 "its change attribute is a time, and it sets that"),
	NFS_TEST(test_setattr_sets_owner_and_group, "RFC 8881, 18.30"),
	NFS_TEST_DIFFERS(test_setattr_of_an_owner_by_name_is_badowner, "RFC 8881, 18.30",
			 "it takes names that it does not know for nobody"),
	NFS_TEST(test_setattr_of_an_attribute_to_read_is_inval, "RFC 8881, 18.30"),
	NFS_TEST(test_setattr_of_an_unknown_attribute_is_attrnotsupp, "RFC 8881, 18.30"),
	NFS_TEST_DIFFERS(test_setattr_sets_times, "RFC 8881, 18.30", "time_create is optional"),
	NFS_TEST(test_setattr_to_server_time_is_now, "RFC 8881, 18.30"),
	NFS_TEST(test_setattr_by_another_is_perm, "RFC 8881, 18.30"),
	NFS_TEST(test_setattr_of_a_directorys_size_is_isdir, "RFC 8881, 18.30"),
	NFS_TEST(test_setattr_of_a_fifos_size_is_inval, "RFC 8881, 18.30"),
	NFS_TEST(test_setattr_grows_and_shrinks_a_file, "RFC 8881, 18.30"),
	NFS_TEST_DIFFERS(test_setattr_of_size_and_mode_is_one_change, "RFC 8881, 18.30",
			 "its change attribute is a time"),
	NFS_TEST(test_setattr_of_a_size_wants_write, "RFC 8881, 18.30"),
	NFS_TEST_DIFFERS(test_setattr_of_a_size_through_an_open_needs_no_mode, "RFC 8881, 18.30",
			 "it looks at the mode again"),
	NFS_TEST(test_setattr_of_a_size_with_a_bad_stateid, "RFC 8881, 18.30"),
	NFS_TEST_DIFFERS(test_truncate_by_another_clears_set_user_id, "RFC 8881, 18.30",
			 "set-user-ID stays there; POSIX allows it"),
	NFS_TEST_DIFFERS(test_size_beyond_what_a_file_can_have_is_fbig, "RFC 8881, 18.30",
			 "NFS4ERR_INVAL is possible too"),
};

NFS_TEST_MAIN(cases)
