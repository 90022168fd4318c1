/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The pseudo file system and what it leads to (RFC 8881, 7.3): several exports with different rules, one nested in
 * another, one whose directory is missing, one that is not for us.
 */

#include <stdlib.h>
#include <string.h>

#include "proto/wire_bitmap.h"
#include "tests/lib/nfs_test_start.h"
#include "tests/lib/nfs_tree.h"

static const char exports[] =
	"exports = (\n"
	"  { path = \"/\"; pseudo = \"/all\"; id = 1; clients = ( { hosts = [ \"*\" ]; squash = \"none\"; } ); },\n"
	"  { path = \"/a\"; pseudo = \"/all/a\"; id = 2;\n"
	"    clients = ( { hosts = [ \"*\" ]; squash = \"none\"; access = \"ro\"; } ); },\n"
	"  { path = \"/a\"; pseudo = \"/deep/er/ro\"; id = 3;\n"
	"    clients = ( { hosts = [ \"*\" ]; squash = \"none\"; access = \"ro\"; } ); },\n"
	"  { path = \"/b\"; pseudo = \"/squashed\"; id = 4; clients = ( { hosts = [ \"*\" ]; anon_uid = 777;\n"
	"      anon_gid = 888; } ); },\n"
	"  { path = \"/missing\"; pseudo = \"/missing\"; id = 5; clients = ( { hosts = [ \"*\" ]; } ); },\n"
	"  { path = \"/b\"; pseudo = \"/hidden/b\"; id = 6; clients = ( { hosts = [ \"192.0.2.1\" ]; } ); }\n"
	");\n";

/* The root of the volume, with directories "a" and "b" in it. */
static FIBER_FN void make(struct tree *t, struct nfs_fh *ret_all)
{
	struct nfs_fh b;

	NFS_CHECK_EQ(t->test, tree_lookup(t, NULL, "all", ret_all), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_mkdir(t, ret_all, "a", 0755, NULL), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_mkdir(t, ret_all, "b", 0777, &b), NFS4_OK);
	tree_chmod(t, &b, 0777);
}

static FIBER_FN struct fsid4 fsid_of(struct tree *t, const struct nfs_fh *fh)
{
	return tree_attrs(t, fh, NFS_ATTRS(FATTR4_FSID)).fsid;
}

static bool fsid_equal(struct fsid4 a, struct fsid4 b)
{
	return a.major == b.major && a.minor == b.minor;
}

/* Names in a directory, one character each of what they begin with, as READDIR gives them. */
static FIBER_FN void names_in(struct tree *t, const struct nfs_fh *fh, char text[64])
{
	struct nfs_readdir dir = { .maxcount = 8192, .attrs = NFS_ATTRS(FATTR4_TYPE, FATTR4_FSID) };
	struct wire_dir_reader reader;
	READDIR4resok ok;
	entry4 entry;
	uint32_t at;
	size_t nr = 0;

	tree_begin(t, fh);
	at = nfs_op_readdir(t->c, &dir);
	NFS_CHECK_EQ(t->test, tree_send(t), NFS4_OK);
	NFS_CHECK_EQ(t->test, nfs_op_got_readdir(t->c, at, &ok), 0);
	NFS_CHECK(t->test, ok.reply.eof);
	wire_dir_open(&reader, &ok.reply);
	while (wire_dir_next(&reader, &entry) == 0 && nr < 63)
		text[nr++] = entry.name.component4_val[0];
	text[nr] = 0;
}

static FIBER_FN void test_root_shows_what_leads_to_our_exports(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh all;
	char names[64];

	make(t, &all);
	names_in(t, NULL, names);
	NFS_CHECK_EQ(t->test, strlen(names), 3);
	NFS_CHECK(t->test, strchr(names, 'a') && strchr(names, 'd') && strchr(names, 's'));
}

static FIBER_FN void test_export_of_others_is_not_there(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	NFS_CHECK_EQ(t->test, tree_lookup(t, NULL, "hidden", NULL), NFS4ERR_NOENT);
}

static FIBER_FN void test_export_without_its_directory_is_not_there(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	NFS_CHECK_EQ(t->test, tree_lookup(t, NULL, "missing", NULL), NFS4ERR_NOENT);
}

static FIBER_FN void test_export_whose_directory_comes_is_there(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh all;

	make(t, &all);
	NFS_CHECK_EQ(t->test, tree_mkdir(t, &all, "missing", 0755, NULL), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_lookup(t, NULL, "missing", NULL), NFS4_OK);
}

static FIBER_FN void test_export_whose_directory_is_a_file_is_not_there(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh all;

	make(t, &all);
	NFS_CHECK_EQ(t->test, tree_create(t, &all, NF4FIFO, "missing", NULL, NULL), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_lookup(t, NULL, "missing", NULL), NFS4ERR_NOENT);
}

static FIBER_FN void test_pseudo_directory_is_read_only(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	NFS_CHECK_EQ(t->test, tree_mkdir(t, NULL, "x", 0755, NULL), NFS4ERR_ROFS);
	NFS_CHECK_EQ(t->test, tree_remove(t, NULL, "all"), NFS4ERR_ROFS);
}

static FIBER_FN void test_pseudo_directory_has_attributes(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct wire_attrs a;
	struct nfs_fh deep;

	NFS_CHECK_EQ(t->test, tree_lookup(t, NULL, "deep", &deep), NFS4_OK);
	a = tree_attrs(t, &deep, NFS_ATTRS(FATTR4_TYPE, FATTR4_MODE, FATTR4_NUMLINKS, FATTR4_CHANGE));
	NFS_CHECK_EQ(t->test, a.type, NF4DIR);
	NFS_CHECK_EQ(t->test, a.mode, 0555);
	NFS_CHECK_EQ(t->test, a.numlinks, 3);
	NFS_CHECK_EQ(t->test, tree_change(t, &deep), a.change);
}

static FIBER_FN void test_pseudo_directory_may_be_read_and_searched(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	ACCESS4resok ok;

	tree_as(t, 1000, 1000);
	NFS_CHECK_EQ(t->test, tree_access(t, NULL, ACCESS4_READ | ACCESS4_LOOKUP | ACCESS4_MODIFY, &ok), NFS4_OK);
	NFS_CHECK_EQ(t->test, ok.access, ACCESS4_READ | ACCESS4_LOOKUP);
}

/* 7.7: crossing into an export is seen by the file system's id. */
static FIBER_FN void test_each_export_has_its_own_fsid(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh all, a, deep, ro;

	make(t, &all);
	NFS_CHECK_EQ(t->test, tree_lookup(t, &all, "a", &a), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_lookup(t, NULL, "deep", &deep), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_lookup(t, &deep, "er", &deep), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_lookup(t, &deep, "ro", &ro), NFS4_OK);
	NFS_CHECK(t->test, !fsid_equal(fsid_of(t, NULL), fsid_of(t, &all)));
	NFS_CHECK(t->test, fsid_equal(fsid_of(t, NULL), fsid_of(t, &deep)));
	NFS_CHECK(t->test, !fsid_equal(fsid_of(t, &all), fsid_of(t, &a)));
	NFS_CHECK(t->test, !fsid_equal(fsid_of(t, &ro), fsid_of(t, &a)));
}

/* The same directory in two exports: the rights are those of the way that was taken. */
static FIBER_FN void test_read_only_export_cannot_be_changed(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh all, a, b;
	ACCESS4resok ok;

	make(t, &all);
	NFS_CHECK_EQ(t->test, tree_lookup(t, &all, "a", &a), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_mkdir(t, &a, "x", 0755, NULL), NFS4ERR_ROFS);
	NFS_CHECK_EQ(t->test, tree_access(t, &a, ACCESS4_MODIFY | ACCESS4_READ, &ok), NFS4_OK);
	NFS_CHECK_EQ(t->test, ok.access, ACCESS4_READ);
	NFS_CHECK_EQ(t->test, tree_lookup(t, &all, "b", &b), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_mkdir(t, &b, "x", 0755, NULL), NFS4_OK);
}

static FIBER_FN void test_root_is_squashed_where_the_rule_says(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh all, b, x;

	make(t, &all);
	NFS_CHECK_EQ(t->test, tree_lookup(t, NULL, "squashed", &b), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_mkdir(t, &b, "x", 0755, &x), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_owner(t, &x), 777);
	NFS_CHECK_EQ(t->test, tree_group(t, &x), 888);
	tree_as(t, 1000, 1000);
	NFS_CHECK_EQ(t->test, tree_mkdir(t, &b, "y", 0755, &x), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_owner(t, &x), 1000);
}

static FIBER_FN void test_lookupp_from_an_export_is_the_node_above(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh all, deep, er, ro, up;

	make(t, &all);
	NFS_CHECK_EQ(t->test, tree_lookup(t, NULL, "deep", &deep), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_lookup(t, &deep, "er", &er), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_lookup(t, &er, "ro", &ro), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_lookupp(t, &ro, &up), NFS4_OK);
	NFS_CHECK(t->test, tree_fh_equal(&up, &er));
	NFS_CHECK_EQ(t->test, tree_lookupp(t, &up, &up), NFS4_OK);
	NFS_CHECK(t->test, tree_fh_equal(&up, &deep));
	NFS_CHECK_EQ(t->test, tree_lookupp(t, &up, &up), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_lookupp(t, &up, NULL), NFS4ERR_NOENT);
}

/* An export nested in another leads back into that, with that one's rights. */
static FIBER_FN void test_lookupp_from_a_nested_export_is_the_outer_one(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh all, a, up;

	make(t, &all);
	NFS_CHECK_EQ(t->test, tree_lookup(t, &all, "a", &a), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_lookupp(t, &a, &up), NFS4_OK);
	NFS_CHECK(t->test, tree_fh_equal(&up, &all));
	NFS_CHECK_EQ(t->test, tree_mkdir(t, &up, "new", 0755, NULL), NFS4_OK);
}

/* 5.8.2.19: what the mount covers. */
static FIBER_FN void test_mounted_on_fileid_of_an_exports_root_is_the_nodes(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct wire_attrs covered, a;
	struct nfs_readdir dir = { .maxcount = 8192, .attrs = NFS_ATTRS(FATTR4_FILEID, FATTR4_MOUNTED_ON_FILEID) };
	struct wire_dir_reader reader;
	READDIR4resok ok;
	struct nfs_fh all;
	entry4 entry;
	uint32_t at;

	make(t, &all);
	a = tree_attrs(t, &all, NFS_ATTRS(FATTR4_FILEID, FATTR4_MOUNTED_ON_FILEID));
	NFS_CHECK(t->test, a.fileid != a.mounted_on_fileid);
	tree_begin(t, NULL);
	at = nfs_op_readdir(t->c, &dir);
	NFS_CHECK_EQ(t->test, tree_send(t), NFS4_OK);
	NFS_CHECK_EQ(t->test, nfs_op_got_readdir(t->c, at, &ok), 0);
	wire_dir_open(&reader, &ok.reply);
	while (wire_dir_next(&reader, &entry) == 0) {
		if (entry.name.component4_len != 3 || memcmp(entry.name.component4_val, "all", 3) != 0)
			continue;
		NFS_CHECK_EQ(t->test, nfs_op_attrs_of(t->c, &entry.attrs, &covered), 0);
		NFS_CHECK_EQ(t->test, covered.fileid, a.fileid);
		NFS_CHECK_EQ(t->test, covered.mounted_on_fileid, a.mounted_on_fileid);
		return;
	}
	NFS_CHECK(t->test, false);
}

static FIBER_FN void test_rename_and_link_between_exports_are_xdev(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh all, squashed, f;

	make(t, &all);
	NFS_CHECK_EQ(t->test, tree_lookup(t, NULL, "squashed", &squashed), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_create(t, &all, NF4FIFO, "f", NULL, &f), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_rename(t, &all, "f", &squashed, "f"), NFS4ERR_XDEV);
	NFS_CHECK_EQ(t->test, tree_link(t, &f, &squashed, "f"), NFS4ERR_XDEV);
}

static FIBER_FN void test_readdir_passes_into_nested_exports(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_readdir dir = { .maxcount = 8192, .attrs = NFS_ATTRS(FATTR4_FSID, FATTR4_FILEHANDLE) };
	struct wire_dir_reader reader;
	READDIR4resok ok;
	struct nfs_fh all, a;
	struct wire_attrs attrs;
	entry4 entry;
	uint32_t at;

	make(t, &all);
	NFS_CHECK_EQ(t->test, tree_lookup(t, &all, "a", &a), NFS4_OK);
	tree_begin(t, &all);
	at = nfs_op_readdir(t->c, &dir);
	NFS_CHECK_EQ(t->test, tree_send(t), NFS4_OK);
	NFS_CHECK_EQ(t->test, nfs_op_got_readdir(t->c, at, &ok), 0);
	wire_dir_open(&reader, &ok.reply);
	while (wire_dir_next(&reader, &entry) == 0) {
		if (entry.name.component4_len != 1 || entry.name.component4_val[0] != 'a')
			continue;
		NFS_CHECK_EQ(t->test, nfs_op_attrs_of(t->c, &entry.attrs, &attrs), 0);
		NFS_CHECK(t->test, memcmp(attrs.filehandle.nfs_fh4_val, a.bytes, a.len) == 0);
		return;
	}
	NFS_CHECK(t->test, false);
}

/* A directory that was moved out of an export does not lead above it. */
static FIBER_FN void test_lookupp_does_not_leave_an_export_by_a_moved_directory(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_fh all, b, squashed, x;

	make(t, &all);
	NFS_CHECK_EQ(t->test, tree_lookup(t, &all, "b", &b), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_mkdir(t, &b, "x", 0755, NULL), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_lookup(t, NULL, "squashed", &squashed), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_lookup(t, &squashed, "x", &x), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_lookupp(t, &x, NULL), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_rename(t, &b, "x", &all, "x"), NFS4_OK);
	NFS_CHECK_EQ(t->test, tree_lookupp(t, &x, NULL), NFS4ERR_NOENT);
}

static FIBER_FN void test_extended_attributes_of_the_pseudo_file_system(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	tree_begin(t, NULL);
	nfs_op_getxattr(t->c, "x");
	NFS_CHECK_EQ(t->test, tree_send(t), NFS4ERR_NOXATTR);
	tree_begin(t, NULL);
	nfs_op_listxattrs(t->c, 0, 4096);
	NFS_CHECK_EQ(t->test, tree_send(t), NFS4_OK);
}

#define PSEUDO "RFC 8881, 7.3"

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_root_shows_what_leads_to_our_exports, PSEUDO),
	NFS_TEST(test_export_of_others_is_not_there, PSEUDO),
	NFS_TEST(test_export_without_its_directory_is_not_there, PSEUDO),
	NFS_TEST(test_export_whose_directory_comes_is_there, PSEUDO),
	NFS_TEST(test_export_whose_directory_is_a_file_is_not_there, PSEUDO),
	NFS_TEST(test_pseudo_directory_is_read_only, PSEUDO),
	NFS_TEST(test_pseudo_directory_has_attributes, PSEUDO),
	NFS_TEST(test_pseudo_directory_may_be_read_and_searched, PSEUDO),
	NFS_TEST(test_each_export_has_its_own_fsid, "RFC 8881, 7.7"),
	NFS_TEST(test_read_only_export_cannot_be_changed, PSEUDO),
	NFS_TEST(test_root_is_squashed_where_the_rule_says, PSEUDO),
	NFS_TEST(test_lookupp_from_an_export_is_the_node_above, "RFC 8881, 18.14"),
	NFS_TEST(test_lookupp_from_a_nested_export_is_the_outer_one, "RFC 8881, 18.14"),
	NFS_TEST(test_mounted_on_fileid_of_an_exports_root_is_the_nodes, "RFC 8881, 5.8.2.19"),
	NFS_TEST(test_rename_and_link_between_exports_are_xdev, "RFC 8881, 18.26"),
	NFS_TEST(test_readdir_passes_into_nested_exports, "RFC 8881, 18.23"),
	NFS_TEST(test_lookupp_does_not_leave_an_export_by_a_moved_directory, "RFC 8881, 18.14"),
	NFS_TEST(test_extended_attributes_of_the_pseudo_file_system, "RFC 8276, 8.4"),
};

int main(int argc, char **argv)
{
	if (getenv("LAMINA_NFS_SERVER")) /* that has other exports */
		return 0;
	nfs_test_exports = exports;
	nfs_test_path = "/all";
	return nfs_test_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
