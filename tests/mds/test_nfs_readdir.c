/* SPDX-License-Identifier: Apache-2.0 */

/* READDIR (RFC 8881, 18.23). */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/wire_bitmap.h"
#include "tests/lib/nfs_tree.h"

#define SEEN_MAX 600

/* What came, of names "PREFIXnumber". */
struct seen {
	unsigned int nr;
	uint8_t times[SEEN_MAX]; /* by number */
	uint64_t cookie;	 /* of the last entry */
	bool eof;
	uint32_t bytes; /* of the reply's result */
	struct nfs_readdir next;
};

static struct nfs_readdir from_start(uint32_t maxcount)
{
	return (struct nfs_readdir){ .maxcount = maxcount, .dircount = maxcount };
}

/* Count one reply's entries in @seen. */
static void take(struct tree *t, struct seen *seen, const READDIR4resok *ok)
{
	struct wire_dir_reader reader;
	struct entry4 entry;
	char name[300];

	wire_dir_open(&reader, &ok->reply);
	while (wire_dir_next(&reader, &entry) == 0) {
		unsigned long number;

		NFS_CHECK(t->test, entry.name.component4_len < sizeof(name));
		memcpy(name, entry.name.component4_val, entry.name.component4_len);
		name[entry.name.component4_len] = 0;
		NFS_CHECK(t->test, strcmp(name, ".") != 0 && strcmp(name, "..") != 0);
		NFS_CHECK(t->test, entry.cookie > 2);
		number = strtoul(name + strcspn(name, "0123456789"), NULL, 10);
		NFS_CHECK(t->test, number < SEEN_MAX);
		seen->times[number]++;
		seen->nr++;
		seen->cookie = entry.cookie;
	}
	seen->eof = ok->reply.eof;
	seen->bytes = ok->reply.entries_len + WIRE_DIR_OVERHEAD;
}

/* One READDIR; what it gave is added to @seen, and *@dir is ready to go on. */
static FIBER_FN nfsstat4 list(struct tree *t, const struct nfs_fh *fh, struct nfs_readdir *dir, struct seen *seen)
{
	READDIR4resok ok;
	nfsstat4 status;
	uint32_t at;

	tree_begin(t, fh);
	at = nfs_op_readdir(t->c, dir);
	status = tree_send(t);
	if (status)
		return status;
	NFS_CHECK_EQ(t->test, nfs_op_got_readdir(t->c, at, &ok), 0);
	take(t, seen, &ok);
	if (seen->nr)
		dir->cookie = seen->cookie;
	memcpy(dir->verifier, ok.cookieverf, sizeof(dir->verifier));
	return NFS4_OK;
}

static FIBER_FN void list_all(struct tree *t, const struct nfs_fh *fh, struct nfs_readdir dir, struct seen *seen)
{
	for (unsigned int calls = 0; !seen->eof; calls++) {
		NFS_CHECK(t->test, calls < 1000);
		NFS_CHECK_EQ(t->test, list(t, fh, &dir, seen), NFS4_OK);
	}
}

static void check_each_once(struct tree *t, const struct seen *seen, unsigned int nr)
{
	NFS_CHECK_EQ(t->test, seen->nr, nr);
	for (unsigned int i = 0; i < nr; i++)
		NFS_CHECK_EQ(t->test, seen->times[i], 1);
}

static FIBER_FN void test_readdir_of_an_empty_directory_is_eof(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_readdir dir = from_start(4096);
	struct seen seen = { .nr = 0 };

	NFS_CHECK_EQ(t->test, list(t, &t->top, &dir, &seen), NFS4_OK);
	NFS_CHECK_EQ(t->test, seen.nr, 0);
	NFS_CHECK(t->test, seen.eof);
}

static FIBER_FN void test_readdir_lists_every_name_once(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct seen seen = { .nr = 0 };

	tree_populate(t, &t->top, "n", 150);
	list_all(t, &t->top, from_start(65536), &seen);
	check_each_once(t, &seen, 150);
}

static FIBER_FN void test_readdir_in_small_pieces_lists_every_name_once(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_readdir dir = from_start(256);
	struct seen seen = { .nr = 0 };

	dir.attrs = NFS_ATTRS(FATTR4_TYPE, FATTR4_FILEID, FATTR4_MODE);
	tree_populate(t, &t->top, "n", 50);
	list_all(t, &t->top, dir, &seen);
	check_each_once(t, &seen, 50);
}

/* 18.23.3: maxcount holds the whole result. */
static FIBER_FN void test_readdir_stays_within_maxcount(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);

	tree_populate(t, &t->top, "n", 50);
	for (uint32_t maxcount = 200; maxcount < 1300; maxcount += 90) {
		struct nfs_readdir dir = from_start(maxcount);
		struct seen seen = { .nr = 0 };

		NFS_CHECK_EQ(t->test, list(t, &t->top, &dir, &seen), NFS4_OK);
		NFS_CHECK(t->test, seen.nr > 0 && !seen.eof);
		NFS_CHECK(t->test, seen.bytes <= maxcount);
		NFS_CHECK(t->test, seen.bytes + 64 > maxcount); /* and uses it */
	}
}

static FIBER_FN void test_readdir_with_room_for_nothing_is_toosmall(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_readdir dir = from_start(WIRE_DIR_OVERHEAD + 8);
	struct seen seen = { .nr = 0 };

	tree_populate(t, &t->top, "n", 1);
	NFS_CHECK_EQ(t->test, list(t, &t->top, &dir, &seen), NFS4ERR_TOOSMALL);
	dir.maxcount = 0;
	NFS_CHECK_EQ(t->test, list(t, &t->top, &dir, &seen), NFS4ERR_TOOSMALL);
}

/* dircount is a hint of how many bytes of names and cookies are wanted. */
static FIBER_FN void test_readdir_goes_by_dircount(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_readdir dir = from_start(65536);
	struct seen seen = { .nr = 0 };

	tree_populate(t, &t->top, "n", 50);
	dir.dircount = 100;
	NFS_CHECK_EQ(t->test, list(t, &t->top, &dir, &seen), NFS4_OK);
	NFS_CHECK(t->test, seen.nr > 0 && seen.nr < 10);
}

static FIBER_FN void test_readdir_gives_one_entry_whatever_dircount_says(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_readdir dir = from_start(65536);
	struct seen seen = { .nr = 0 };

	tree_populate(t, &t->top, "n", 5);
	dir.dircount = 1;
	NFS_CHECK_EQ(t->test, list(t, &t->top, &dir, &seen), NFS4_OK);
	NFS_CHECK_EQ(t->test, seen.nr, 1);
}

static FIBER_FN void test_readdir_of_cookies_1_and_2_is_bad_cookie(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_readdir dir = from_start(4096);
	struct seen seen = { .nr = 0 };

	dir.cookie = 1;
	NFS_CHECK_EQ(t->test, list(t, &t->top, &dir, &seen), NFS4ERR_BAD_COOKIE);
	dir.cookie = 2;
	NFS_CHECK_EQ(t->test, list(t, &t->top, &dir, &seen), NFS4ERR_BAD_COOKIE);
	dir.cookie = UINT64_MAX;
	NFS_CHECK_EQ(t->test, list(t, &t->top, &dir, &seen), NFS4ERR_BAD_COOKIE);
}

static FIBER_FN void test_readdir_with_another_verifier_is_not_same(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_readdir dir = from_start(4096);
	struct seen seen = { .nr = 0 };

	tree_populate(t, &t->top, "n", 5);
	NFS_CHECK_EQ(t->test, list(t, &t->top, &dir, &seen), NFS4_OK);
	dir.verifier[3] ^= 1;
	NFS_CHECK_EQ(t->test, list(t, &t->top, &dir, &seen), NFS4ERR_NOT_SAME);
}

static FIBER_FN void test_readdir_of_a_file_is_notdir(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_readdir dir = from_start(4096);
	struct seen seen = { .nr = 0 };
	struct nfs_fh fh;

	NFS_CHECK_EQ(t->test, tree_create(t, &t->top, NF4FIFO, "f", NULL, &fh), NFS4_OK);
	NFS_CHECK_EQ(t->test, list(t, &fh, &dir, &seen), NFS4ERR_NOTDIR);
}

static FIBER_FN void test_readdir_wants_read(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_readdir dir = from_start(4096);
	struct seen seen = { .nr = 0 };
	struct nfs_fh fh;

	NFS_CHECK_EQ(t->test, tree_mkdir(t, &t->top, "d", 0711, &fh), NFS4_OK);
	tree_as(t, 1000, 1000);
	NFS_CHECK_EQ(t->test, list(t, &fh, &dir, &seen), NFS4ERR_ACCESS);
}

/* Names that come and go do not move those that stay. */
static FIBER_FN void test_readdir_goes_on_while_names_come_and_go(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_readdir dir = from_start(300);
	struct seen seen = { .nr = 0 };
	char name[16];
	unsigned int i = 0;

	tree_populate(t, &t->top, "n", 60);
	while (!seen.eof) {
		NFS_CHECK_EQ(t->test, list(t, &t->top, &dir, &seen), NFS4_OK);
		snprintf(name, sizeof(name), "x%u", 500 + i);
		NFS_CHECK_EQ(t->test, tree_create(t, &t->top, NF4FIFO, name, NULL, NULL), NFS4_OK);
		if (i % 2)
			NFS_CHECK_EQ(t->test, tree_remove(t, &t->top, name), NFS4_OK);
		i++;
	}
	for (i = 0; i < 60; i++)
		NFS_CHECK_EQ(t->test, seen.times[i], 1);
}

static FIBER_FN void test_readdir_goes_on_behind_an_entry_that_is_gone(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_readdir dir = from_start(4096);
	struct seen first = { .nr = 0 }, rest = { .nr = 0 };
	char name[16];

	tree_populate(t, &t->top, "n", 20);
	dir.dircount = 1;
	NFS_CHECK_EQ(t->test, list(t, &t->top, &dir, &first), NFS4_OK);
	for (unsigned int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		if (first.times[i])
			NFS_CHECK_EQ(t->test, tree_remove(t, &t->top, name), NFS4_OK);
	}
	dir.dircount = 0;
	list_all(t, &t->top, dir, &rest);
	NFS_CHECK_EQ(t->test, rest.nr, 19);
}

/* The attributes of each entry are those that GETATTR gives. */
static FIBER_FN void test_readdir_gives_attributes(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_readdir dir = from_start(4096);
	struct wire_dir_reader reader;
	struct wire_attrs attrs;
	struct entry4 entry;
	READDIR4resok ok;
	struct nfs_fh fh;
	uint64_t fileid;
	uint32_t at;

	NFS_CHECK_EQ(t->test, tree_mkdir(t, &t->top, "d", 0751, &fh), NFS4_OK);
	fileid = tree_attrs(t, &fh, NFS_ATTRS(FATTR4_FILEID)).fileid;
	dir.attrs = NFS_ATTRS(FATTR4_TYPE, FATTR4_RDATTR_ERROR, FATTR4_FILEHANDLE, FATTR4_FILEID, FATTR4_MODE,
			      FATTR4_MOUNTED_ON_FILEID);
	tree_begin(t, &t->top);
	at = nfs_op_readdir(t->c, &dir);
	NFS_CHECK_EQ(t->test, tree_send(t), NFS4_OK);
	NFS_CHECK_EQ(t->test, nfs_op_got_readdir(t->c, at, &ok), 0);
	wire_dir_open(&reader, &ok.reply);
	NFS_CHECK_EQ(t->test, wire_dir_next(&reader, &entry), 0);
	NFS_CHECK_EQ(t->test, nfs_op_attrs_of(t->c, &entry.attrs, &attrs), 0);
	NFS_CHECK_EQ(t->test, attrs.type, NF4DIR);
	NFS_CHECK_EQ(t->test, attrs.mode, 0751);
	NFS_CHECK_EQ(t->test, attrs.fileid, fileid);
	NFS_CHECK_EQ(t->test, attrs.mounted_on_fileid, fileid);
	NFS_CHECK_EQ(t->test, attrs.rdattr_error, NFS4_OK);
	NFS_CHECK_EQ(t->test, attrs.filehandle.nfs_fh4_len, fh.len);
	NFS_CHECK(t->test, memcmp(attrs.filehandle.nfs_fh4_val, fh.bytes, fh.len) == 0);
}

/* Those that the entry knows by itself, too. */
static FIBER_FN void test_readdir_gives_type_and_fileid_alone(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_readdir dir = from_start(4096);
	struct wire_dir_reader reader;
	struct wire_attrs attrs;
	struct entry4 entry;
	READDIR4resok ok;
	struct nfs_fh fh;
	uint64_t fileid;
	uint32_t at;

	NFS_CHECK_EQ(t->test, tree_symlink(t, &t->top, "l", "x", &fh), NFS4_OK);
	fileid = tree_attrs(t, &fh, NFS_ATTRS(FATTR4_FILEID)).fileid;
	dir.attrs = NFS_ATTRS(FATTR4_TYPE, FATTR4_FILEID);
	tree_begin(t, &t->top);
	at = nfs_op_readdir(t->c, &dir);
	NFS_CHECK_EQ(t->test, tree_send(t), NFS4_OK);
	NFS_CHECK_EQ(t->test, nfs_op_got_readdir(t->c, at, &ok), 0);
	wire_dir_open(&reader, &ok.reply);
	NFS_CHECK_EQ(t->test, wire_dir_next(&reader, &entry), 0);
	NFS_CHECK_EQ(t->test, nfs_op_attrs_of(t->c, &entry.attrs, &attrs), 0);
	NFS_CHECK_EQ(t->test, attrs.type, NF4LNK);
	NFS_CHECK_EQ(t->test, attrs.fileid, fileid);
}

static FIBER_FN void test_readdir_leaves_out_what_is_not_supported(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_readdir dir = from_start(4096);
	struct wire_dir_reader reader;
	struct entry4 entry;
	READDIR4resok ok;
	uint32_t at;

	NFS_CHECK_EQ(t->test, tree_mkdir(t, &t->top, "d", 0755, NULL), NFS4_OK);
	dir.attrs = NFS_ATTRS(FATTR4_TYPE, FATTR4_HIDDEN, FATTR4_ACL);
	tree_begin(t, &t->top);
	at = nfs_op_readdir(t->c, &dir);
	NFS_CHECK_EQ(t->test, tree_send(t), NFS4_OK);
	NFS_CHECK_EQ(t->test, nfs_op_got_readdir(t->c, at, &ok), 0);
	wire_dir_open(&reader, &ok.reply);
	NFS_CHECK_EQ(t->test, wire_dir_next(&reader, &entry), 0);
	NFS_CHECK(t->test, wire_bitmap_test(&entry.attrs.attrmask, FATTR4_TYPE));
	NFS_CHECK(t->test, !wire_bitmap_test(&entry.attrs.attrmask, FATTR4_HIDDEN));
	NFS_CHECK(t->test, !wire_bitmap_test(&entry.attrs.attrmask, FATTR4_ACL));
}

static FIBER_FN void test_readdir_of_an_attribute_to_set_is_inval(struct nfs_test *test)
{
	struct tree tree, *t = tree_open(&tree, test);
	struct nfs_readdir dir = from_start(4096);
	struct seen seen = { .nr = 0 };

	tree_populate(t, &t->top, "n", 1);
	dir.attrs = NFS_ATTRS(FATTR4_TIME_MODIFY_SET);
	NFS_CHECK_EQ(t->test, list(t, &t->top, &dir, &seen), NFS4ERR_INVAL);
}

static const struct nfs_test_case cases[] = {
	NFS_TEST(test_readdir_of_an_empty_directory_is_eof, "RFC 8881, 18.23"),
	NFS_TEST(test_readdir_lists_every_name_once, "RFC 8881, 18.23"),
	NFS_TEST(test_readdir_in_small_pieces_lists_every_name_once, "RFC 8881, 18.23"),
	NFS_TEST_DIFFERS(test_readdir_stays_within_maxcount, "RFC 8881, 18.23",
			 "a small maxcount is NFS4ERR_SERVERFAULT there"),
	NFS_TEST(test_readdir_with_room_for_nothing_is_toosmall, "RFC 8881, 18.23"),
	NFS_TEST_DIFFERS(test_readdir_goes_by_dircount, "RFC 8881, 18.23", "dircount is a hint"),
	NFS_TEST(test_readdir_gives_one_entry_whatever_dircount_says, "RFC 8881, 18.23"),
	NFS_TEST_DIFFERS(test_readdir_of_cookies_1_and_2_is_bad_cookie, "RFC 8881, 18.23", "it says NFS4ERR_INVAL"),
	NFS_TEST_DIFFERS(test_readdir_with_another_verifier_is_not_same, "RFC 8881, 18.23",
			 "it does not look at the verifier"),
	NFS_TEST(test_readdir_of_a_file_is_notdir, "RFC 8881, 18.23"),
	NFS_TEST(test_readdir_wants_read, "RFC 8881, 18.23"),
	NFS_TEST(test_readdir_goes_on_while_names_come_and_go, "RFC 8881, 18.23"),
	NFS_TEST_DIFFERS(test_readdir_goes_on_behind_an_entry_that_is_gone, "RFC 8881, 18.23",
			 "it does not get behind an entry that is gone"),
	NFS_TEST(test_readdir_gives_attributes, "RFC 8881, 18.23"),
	NFS_TEST(test_readdir_gives_type_and_fileid_alone, "RFC 8881, 18.23"),
	NFS_TEST_DIFFERS(test_readdir_leaves_out_what_is_not_supported, "RFC 8881, 18.23",
			 "its bitmap names what it leaves out"),
	NFS_TEST(test_readdir_of_an_attribute_to_set_is_inval, "RFC 8881, 18.23"),
};

NFS_TEST_MAIN(cases)
