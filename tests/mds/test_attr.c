/* SPDX-License-Identifier: Apache-2.0 */

/* Values of attributes without a volume; and docs/protocol.md, which says which there are. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "mds/attr.h"
#include "mds/config.h"
#include "mds/mds.h"

struct world {
	struct mds mds;
	struct config *config;
	struct compound c;
	struct attr_of of;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->config = config_default();
	assert_non_null(w->config);
	w->mds.config = w->config;
	assert_int_equal(export_tree_open(w->config->exports, w->config->nr_exports, &w->mds.exports), 0);
	w->mds.started_ns = 3000000005u;
	w->c.mds = &w->mds;
	w->c.minor = 2;
	w->of.fh = (struct fh){ .kind = FH_FILE, .ino = 42, .generation = 7, .export = &w->config->exports[0] };
	w->of.inode = (struct inode){ .ino = 42,
				      .mode = S_IFREG | 04755,
				      .uid = UINT32_MAX - 1,
				      .gid = 5,
				      .nlink = 3,
				      .size = 100,
				      .blocks = 2,
				      .change = 9,
				      .mtime = { 10, 11 } };
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	export_tree_close(w->mds.exports);
	config_free(w->config);
	free(w);
	return 0;
}

static struct bitmap4 one(uint32_t attr)
{
	struct bitmap4 map = { 0 };

	wire_bitmap_set(&map, attr);
	return map;
}

/* All that can be read and needs no volume. */
static struct bitmap4 plain(const struct world *w)
{
	static const uint32_t space[] = { FATTR4_FILES_AVAIL, FATTR4_FILES_FREE, FATTR4_FILES_TOTAL,
					  FATTR4_SPACE_AVAIL, FATTR4_SPACE_FREE, FATTR4_SPACE_TOTAL };
	struct bitmap4 readable = wire_attr_readable(), supported = attr_supported(&w->c);
	struct bitmap4 map = wire_bitmap_and(&readable, &supported);

	for (size_t i = 0; i < ARRAY_SIZE(space); i++)
		wire_bitmap_clear(&map, space[i]);
	return map;
}

static void test_values_are_the_inodes(void **state)
{
	struct world *w = *state;
	struct bitmap4 asked = plain(w);
	struct wire_attrs a;
	struct attr_mem mem;

	assert_int_equal(attr_get(&w->c, &w->of, &asked, &mem, &a), NFS4_OK);
	assert_int_equal(a.type, NF4REG);
	assert_int_equal(a.mode, 04755);
	assert_int_equal(a.size, 100);
	assert_int_equal(a.change, 9);
	assert_int_equal(a.numlinks, 3);
	assert_int_equal(a.space_used, 8192);
	assert_int_equal(a.fileid, 42);
	assert_int_equal(a.mounted_on_fileid, 42);
	assert_true(a.time_modify.seconds == 10 && a.time_modify.nseconds == 11);
	assert_int_equal(a.owner.utf8string_len, 10);
	assert_memory_equal(a.owner.utf8string_val, "4294967294", 10);
	assert_int_equal(a.owner_group.utf8string_len, 1);
}

static void test_all_fit_where_they_must(void **state)
{
	struct world *w = *state;
	struct bitmap4 asked = plain(w);
	uint8_t buf[ATTR_BYTES_MAX];
	struct fattr4 fattr;

	assert_int_equal(attr_encode(&w->c, &w->of, &asked, buf, sizeof(buf), &fattr), NFS4_OK);
	assert_true(fattr.attr_vals.attrlist4_len + 6 * 8 <= ATTR_BYTES_MAX);
}

static void test_no_room_is_toosmall(void **state)
{
	struct world *w = *state;
	struct bitmap4 asked = one(FATTR4_FILEHANDLE);
	uint8_t buf[ATTR_BYTES_MAX];
	struct fattr4 fattr;

	assert_int_equal(attr_encode(&w->c, &w->of, &asked, buf, 4 + FH_SIZE, &fattr), NFS4_OK);
	assert_int_equal(attr_encode(&w->c, &w->of, &asked, buf, FH_SIZE, &fattr), NFS4ERR_TOOSMALL);
}

static void test_write_only_is_inval(void **state)
{
	struct world *w = *state;
	struct bitmap4 asked = one(FATTR4_MODE_UMASK);
	struct wire_attrs a;
	struct attr_mem mem;

	assert_int_equal(attr_get(&w->c, &w->of, &asked, &mem, &a), NFS4ERR_INVAL);
}

/* RFC 8881, 5.8.2.19 */
static void test_mounted_on_another(void **state)
{
	struct world *w = *state;
	struct bitmap4 asked = one(FATTR4_MOUNTED_ON_FILEID);
	struct wire_attrs a;
	struct attr_mem mem;

	w->of.mounted_on = 77;
	assert_int_equal(attr_get(&w->c, &w->of, &asked, &mem, &a), NFS4_OK);
	assert_int_equal(a.mounted_on_fileid, 77);
	assert_int_equal(a.fileid, 42);
}

static void test_types(void **state)
{
	static const struct {
		uint32_t mode;
		nfs_ftype4 type;
	} types[] = { { S_IFREG, NF4REG }, { S_IFDIR, NF4DIR },	 { S_IFLNK, NF4LNK },  { S_IFBLK, NF4BLK },
		      { S_IFCHR, NF4CHR }, { S_IFIFO, NF4FIFO }, { S_IFSOCK, NF4SOCK } };
	struct world *w = *state;
	struct bitmap4 asked = one(FATTR4_TYPE);
	struct wire_attrs a;
	struct attr_mem mem;

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		w->of.inode.mode = types[i].mode | 0644;
		assert_int_equal(attr_get(&w->c, &w->of, &asked, &mem, &a), NFS4_OK);
		assert_int_equal(a.type, types[i].type);
	}
}

static void test_node_that_is_no_more_is_stale(void **state)
{
	struct world *w = *state;
	struct bitmap4 asked = one(FATTR4_TYPE);
	struct wire_attrs a;
	struct attr_mem mem;

	w->of.fh = (struct fh){ .kind = FH_PSEUDO, .ino = 12345 };
	assert_int_equal(attr_get(&w->c, &w->of, &asked, &mem, &a), NFS4ERR_STALE);
}

/* Where a row of the table of attributes begins. */
static const char *row_of(const char *doc, const char *name)
{
	char row[80];
	const char *table = strstr(doc, "\n## Attributes");

	snprintf(row, sizeof(row), "\n| %s | ", name);
	assert_non_null(table);
	table = strstr(table, row);
	assert_non_null(table);
	return table + 1;
}

static void test_doc_says_which_are_served(void **state)
{
	struct world *w = *state;
	size_t root = strlen(__FILE__) - strlen("tests/mds/test_attr.c"), len;
	struct bitmap4 supported = attr_supported(&w->c);
	char path[4096], *doc = calloc(1, 1 << 20);
	FILE *in;

	snprintf(path, sizeof(path), "%.*sdocs/protocol.md", (int)root, __FILE__);
	in = fopen(path, "r");
	assert_non_null(in);
	assert_non_null(doc);
	len = fread(doc, 1, (1 << 20) - 1, in);
	assert_true(len > 0);
	fclose(in);
	for (uint32_t attr = 0; attr < WIRE_BITMAP_BITS; attr++) {
		const char *row, *served;

		if (!wire_attr_name(attr))
			continue;
		row = row_of(doc, wire_attr_name(attr));
		served = strstr(row, "| served");
		if (wire_bitmap_test(&supported, attr) != (served && served < row + strcspn(row, "\n")))
			fail_msg("docs/protocol.md is wrong about %s", wire_attr_name(attr));
	}
	free(doc);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_values_are_the_inodes),	       T(test_all_fit_where_they_must),	  T(test_no_room_is_toosmall),
		T(test_write_only_is_inval),	       T(test_mounted_on_another),	  T(test_types),
		T(test_node_that_is_no_more_is_stale), T(test_doc_says_which_are_served),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
