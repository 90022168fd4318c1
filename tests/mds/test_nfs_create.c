/* SPDX-License-Identifier: Apache-2.0 */

/* CREATE (RFC 8881, 18.4). */

#include <string.h>

#include "proto/wire_bitmap.h"
#include "tests/lib/nfs_tree.h"

static FIBER_FN nfs_ftype4 type_of(struct tree *t, const struct nfs_fh *fh)
{
	return tree_attrs(t, fh, NFS_ATTRS(FATTR4_TYPE)).type;
}

static FIBER_FN void test_create_makes_a_directory(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh fh;

	NFS_CHECK_EQ(t->test, tree_mkdir(t, &t->top, "d", 0751, &fh), NFS4_OK);
	NFS_CHECK_EQ(t->test, type_of(t, &fh), NF4DIR);
	NFS_CHECK_EQ(t->test, tree_mode(t, &fh), 0751);
	NFS_CHECK_EQ(t->test, tree_nlink(t, &fh), 2);
}

static FIBER_FN void test_create_makes_a_symbolic_link(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh fh;
	struct wire_attrs attrs;

	NFS_CHECK_EQ(t->test, tree_symlink(t, &t->top, "l", "target", &fh), NFS4_OK);
	attrs = tree_attrs(t, &fh, NFS_ATTRS(FATTR4_TYPE, FATTR4_SIZE));
	NFS_CHECK_EQ(t->test, attrs.type, NF4LNK);
	NFS_CHECK_EQ(t->test, attrs.size, 6);
}

static FIBER_FN void test_create_makes_fifos_and_sockets(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh fh;

	NFS_CHECK_EQ(t->test, tree_create(t, &t->top, NF4FIFO, "f", NULL, &fh), NFS4_OK);
	NFS_CHECK_EQ(t->test, type_of(t, &fh), NF4FIFO);
	NFS_CHECK_EQ(t->test, tree_create(t, &t->top, NF4SOCK, "s", NULL, &fh), NFS4_OK);
	NFS_CHECK_EQ(t->test, type_of(t, &fh), NF4SOCK);
}

static FIBER_FN nfsstat4 create_device(struct tree *t, nfs_ftype4 type, const char *name, struct nfs_fh *ret_fh)
{
	specdata4 dev = { .specdata1 = 8, .specdata2 = 1 << 20 };
	uint32_t at;
	nfsstat4 status;

	tree_begin(t, &t->top);
	nfs_op_create_str(t->c, type, nfs_str(name), nfs_str(""), dev, NULL);
	at = nfs_op_getfh(t->c);
	status = tree_send(t);
	if (!status)
		NFS_CHECK_EQ(t->test, nfs_op_got_fh(t->c, at, ret_fh), 0);
	return status;
}

static FIBER_FN void test_create_makes_devices(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct wire_attrs attrs;
	struct nfs_fh fh;

	NFS_CHECK_EQ(t->test, create_device(t, NF4BLK, "b", &fh), NFS4_OK);
	attrs = tree_attrs(t, &fh, NFS_ATTRS(FATTR4_TYPE, FATTR4_RAWDEV));
	NFS_CHECK_EQ(t->test, attrs.type, NF4BLK);
	NFS_CHECK_EQ(t->test, attrs.rawdev.specdata1, 8);
	NFS_CHECK_EQ(t->test, attrs.rawdev.specdata2, 1 << 20);
	NFS_CHECK_EQ(t->test, create_device(t, NF4CHR, "c", &fh), NFS4_OK);
	NFS_CHECK_EQ(t->test, type_of(t, &fh), NF4CHR);
}

static FIBER_FN void test_create_of_a_device_is_for_root(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh fh;

	tree_chmod(t, &t->top, 0777);
	tree_as(t, 1000, 1000);
	NFS_CHECK_EQ(t->test, create_device(t, NF4BLK, "b", &fh), NFS4ERR_PERM);
}

/* 18.4.3 */
static FIBER_FN void test_create_of_a_regular_file_is_badtype(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	NFS_CHECK_EQ(t->test, tree_create(t, &t->top, NF4REG, "f", NULL, NULL), NFS4ERR_BADTYPE);
	NFS_CHECK_EQ(t->test, tree_create(t, &t->top, NF4ATTRDIR, "f", NULL, NULL), NFS4ERR_BADTYPE);
}

static FIBER_FN void test_create_of_what_is_there_is_exist(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	NFS_CHECK_EQ(t->test, tree_mkdir(t, &t->top, "d", 0755, NULL), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_mkdir(t, &t->top, "d", 0755, NULL), NFS4ERR_EXIST);
}

static FIBER_FN void test_create_in_a_file_is_notdir(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh fifo, link;

	NFS_CHECK_EQ(t->test, tree_create(t, &t->top, NF4FIFO, "f", NULL, &fifo), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_mkdir(t, &fifo, "d", 0755, NULL), NFS4ERR_NOTDIR);
	NFS_CHECK_EQ(t->test, tree_symlink(t, &t->top, "l", ".", &link), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_mkdir(t, &link, "d", 0755, NULL), NFS4ERR_NOTDIR);
}

static FIBER_FN void test_create_of_bad_names(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	char name[257];

	memset(name, 'x', sizeof(name));
	name[256] = 0;
	NFS_CHECK_EQ(t->test, tree_mkdir(t, &t->top, name, 0755, NULL), NFS4ERR_NAMETOOLONG);
	NFS_CHECK_EQ(t->test, tree_mkdir(t, &t->top, "", 0755, NULL), NFS4ERR_INVAL);
	NFS_CHECK_EQ(t->test, tree_mkdir(t, &t->top, ".", 0755, NULL), NFS4ERR_BADNAME);
	NFS_CHECK_EQ(t->test, tree_mkdir(t, &t->top, "..", 0755, NULL), NFS4ERR_BADNAME);
}

static FIBER_FN void test_create_of_an_empty_link_is_inval(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	NFS_CHECK_EQ(t->test, tree_symlink(t, &t->top, "l", "", NULL), NFS4ERR_INVAL);
}

static FIBER_FN void test_create_of_a_long_link_is_nametoolong(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	char target[4098];

	memset(target, 't', sizeof(target));
	target[4097] = 0;
	NFS_CHECK_EQ(t->test, tree_symlink(t, &t->top, "l", target, NULL), NFS4ERR_NAMETOOLONG);
	target[4096] = 0;
	NFS_CHECK_EQ(t->test, tree_symlink(t, &t->top, "l", target, NULL), NFS4_OK);
}

static FIBER_FN void test_create_wants_write_and_search_in_the_directory(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh dir;

	NFS_CHECK_EQ(t->test, tree_mkdir(t, &t->top, "d", 0755, &dir), NFS4_OK);
	tree_as(t, 1000, 1000);
	NFS_CHECK_EQ(t->test, tree_mkdir(t, &dir, "x", 0755, NULL), NFS4ERR_ACCESS);
	tree_as(t, 0, 0);
	tree_chmod(t, &dir, 0776);
	tree_as(t, 1000, 1000);
	NFS_CHECK_EQ(t->test, tree_mkdir(t, &dir, "x", 0755, NULL), NFS4ERR_ACCESS);
}

static FIBER_FN void test_create_belongs_to_who_asks(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh fh;

	tree_chmod(t, &t->top, 0777);
	tree_as(t, 1000, 100);
	NFS_CHECK_EQ(t->test, tree_mkdir(t, &t->top, "d", 0755, &fh), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_owner(t, &fh), 1000);
	NFS_CHECK_EQ(t->test, tree_group(t, &fh), 100);
}

static FIBER_FN void test_create_inherits_the_group_of_a_set_group_id_directory(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh dir, fh;

	NFS_CHECK_EQ(t->test, tree_mkdir(t, &t->top, "d", 0777, &dir), NFS4_OK);
	tree_chown(t, &dir, 0, 50);
	tree_chmod(t, &dir, 02777);
	tree_as(t, 1000, 100);
	NFS_CHECK_EQ(t->test, tree_mkdir(t, &dir, "x", 0755, &fh), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_group(t, &fh), 50);
	NFS_CHECK_EQ(t->test, tree_mode(t, &fh), 02755);
}

/* RFC 8275 */
static FIBER_FN void test_create_takes_a_umask(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct wire_attrs attrs = { .mask = NFS_ATTRS(FATTR4_MODE_UMASK),
				    .mode_umask = { .mu_mode = 0777, .mu_umask = 022 } };
	const struct nfs_resop4 *res;
	uint32_t at;

	tree_begin(t, &t->top);
	at = nfs_op_create(t->c, NF4DIR, "d", &attrs);
	NFS_CHECK_EQ(t->test, tree_send(t), NFS4_OK);
	res = nfs_compound_result(t->c, at, OP_CREATE);
	NFS_CHECK(t->test, res != NULL);
	NFS_CHECK(t->test,
		  wire_bitmap_test(&res->nfs_resop4_u.opcreate.CREATE4res_u.resok4.attrset, FATTR4_MODE_UMASK));
}

static FIBER_FN void test_create_takes_times(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct wire_attrs attrs = { .mask = NFS_ATTRS(FATTR4_TIME_MODIFY_SET, FATTR4_TIME_CREATE),
				    .time_modify_set = { .set_it = SET_TO_CLIENT_TIME4,
							 .settime4_u = { .time = { .seconds = 77 } } },
				    .time_create = { .seconds = 66 } };
	struct nfs_fh fh;

	NFS_CHECK_EQ(t->test, tree_create(t, &t->top, NF4DIR, "d", &attrs, &fh), NFS4_OK);
	attrs = tree_attrs(t, &fh, NFS_ATTRS(FATTR4_TIME_MODIFY, FATTR4_TIME_CREATE));
	NFS_CHECK_EQ(t->test, attrs.time_modify.seconds, 77);
	NFS_CHECK_EQ(t->test, attrs.time_create.seconds, 66);
}

static FIBER_FN void test_create_does_not_take_a_size(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct wire_attrs attrs = tree_set_size(5);

	NFS_CHECK_EQ(t->test, tree_create(t, &t->top, NF4DIR, "d", &attrs, NULL), NFS4ERR_INVAL);
}

static FIBER_FN void test_create_with_an_unknown_attribute_is_attrnotsupp(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct wire_attrs attrs = { .mask = NFS_ATTRS(FATTR4_HIDDEN), .hidden = TRUE };

	NFS_CHECK_EQ(t->test, tree_create(t, &t->top, NF4DIR, "d", &attrs, NULL), NFS4ERR_ATTRNOTSUPP);
	NFS_CHECK_EQ(t->test, tree_lookup(t, &t->top, "d", NULL), NFS4ERR_NOENT);
}

/* 18.4.3: change_info is atomic, and before and after are those of the directory. */
static FIBER_FN void test_create_tells_how_the_directory_changed(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	uint64_t before = tree_change(t, &t->top);
	change_info4 cinfo;
	uint32_t at;

	tree_begin(t, &t->top);
	at = nfs_op_mkdir(t->c, "d", 0755);
	NFS_CHECK_EQ(t->test, tree_send(t), NFS4_OK);
	NFS_CHECK_EQ(t->test, nfs_op_got_change(t->c, at, &cinfo), 0);
	NFS_CHECK(t->test, cinfo.atomic);
	NFS_CHECK_EQ(t->test, cinfo.before, before);
	NFS_CHECK(t->test, cinfo.after > before);
	NFS_CHECK_EQ(t->test, cinfo.after, tree_change(t, &t->top));
}

static FIBER_FN void test_create_makes_the_new_object_current(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh dir, fh;

	NFS_CHECK_EQ(t->test, tree_mkdir(t, &t->top, "d", 0755, &dir), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_lookup(t, &t->top, "d", &fh), NFS4_OK);
	NFS_CHECK(t->test, tree_fh_equal(&dir, &fh));
}

static FIBER_FN void test_create_in_a_removed_directory_is_refused(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh dir;
	nfsstat4 status;

	NFS_CHECK_EQ(t->test, tree_mkdir(t, &t->top, "d", 0755, &dir), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_remove(t, &t->top, "d"), NFS4_OK);
	status = tree_mkdir(t, &dir, "x", 0755, NULL);
	NFS_CHECK(t->test, status == NFS4ERR_NOENT || status == NFS4ERR_STALE);
}

static FIBER_FN void test_create_counts_subdirectories(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	NFS_CHECK_EQ(t->test, tree_nlink(t, &t->top), 2);
	NFS_CHECK_EQ(t->test, tree_mkdir(t, &t->top, "d", 0755, NULL), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_nlink(t, &t->top), 3);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_create_makes_a_directory, "RFC 8881, 18.4"),
	NFS_TEST(test_create_makes_a_symbolic_link, "RFC 8881, 18.4"),
	NFS_TEST(test_create_makes_fifos_and_sockets, "RFC 8881, 18.4"),
	NFS_TEST_DIFFERS(test_create_makes_devices, "RFC 8881, 18.4", "it makes no devices where it runs"),
	NFS_TEST_DIFFERS(test_create_of_a_device_is_for_root, "RFC 8881, 18.4", "it makes no devices where it runs"),
	NFS_TEST(test_create_of_a_regular_file_is_badtype, "RFC 8881, 18.4"),
	NFS_TEST(test_create_of_what_is_there_is_exist, "RFC 8881, 18.4"),
	NFS_TEST_DIFFERS(test_create_in_a_file_is_notdir, "RFC 8881, 18.4", "NFS4ERR_SYMLINK is as clear"),
	NFS_TEST(test_create_of_bad_names, "RFC 8881, 18.4"),
	NFS_TEST(test_create_of_an_empty_link_is_inval, "RFC 8881, 18.4"),
	NFS_TEST_DIFFERS(test_create_of_a_long_link_is_nametoolong, "RFC 8881, 18.4", "its limit is lower"),
	NFS_TEST(test_create_wants_write_and_search_in_the_directory, "RFC 8881, 18.4"),
	NFS_TEST(test_create_belongs_to_who_asks, "RFC 8881, 18.4"),
	NFS_TEST(test_create_inherits_the_group_of_a_set_group_id_directory, "RFC 8881, 18.4"),
	NFS_TEST_DIFFERS(test_create_takes_a_umask, "RFC 8275, 5", "mode_umask is optional"),
	NFS_TEST_DIFFERS(test_create_takes_times, "RFC 8881, 18.4", "time_create is optional"),
	NFS_TEST(test_create_does_not_take_a_size, "RFC 8881, 18.4"),
	NFS_TEST(test_create_with_an_unknown_attribute_is_attrnotsupp, "RFC 8881, 18.4"),
	NFS_TEST_DIFFERS(test_create_tells_how_the_directory_changed, "RFC 8881, 18.4", "cinfo need not be atomic"),
	NFS_TEST(test_create_makes_the_new_object_current, "RFC 8881, 18.4"),
	NFS_TEST(test_create_in_a_removed_directory_is_refused, "RFC 8881, 18.4"),
	NFS_TEST(test_create_counts_subdirectories, "RFC 8881, 18.4"),
};

NFS_TEST_MAIN(cases)
