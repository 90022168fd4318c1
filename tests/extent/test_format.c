/* SPDX-License-Identifier: Apache-2.0 */

/*
 * docs/format.md says the same as extent/format.h and the server's records: each structure has a table there, each
 * field a row with its offset and size, rows follow each other without gaps, and there are no others.
 */

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "extent/format.h"
#include "layout/fence_record.h"
#include "mds/client_record.h"
#include "mds/state_record.h"

#define ROWS_MAX 256

struct row {
	char structure[32];
	char field[32];
	size_t off;
	size_t size;
};

/* What the document says. */
static struct row rows[ROWS_MAX];
static size_t nr_rows;

/* What the header says. */
static const struct row fields[] = {
#define F(s, f)                                                                                                      \
	{                                                                                                            \
#s, #f, offsetof(struct s, f), sizeof(((struct s *)NULL)->f)                                         \
	}
	F(disk_label, checksum),
	F(disk_label, magic),
	F(disk_label, version),
	F(disk_label, device_index),
	F(disk_label, volume_uuid),
	F(disk_label, device_uuid),
	F(disk_label, device_size),
	F(disk_label, nr_devices),
	F(disk_label, reserved0),
	F(disk_label, feature_compat),
	F(disk_label, feature_ro_compat),
	F(disk_label, feature_incompat),
	F(disk_label, created_sec),
	F(disk_label, volume_name),
	F(disk_label, reserved1),
	F(disk_super, checksum),
	F(disk_super, magic),
	F(disk_super, version),
	F(disk_super, nr_devices),
	F(disk_super, volume_uuid),
	F(disk_super, epoch),
	F(disk_super, feature_compat),
	F(disk_super, feature_ro_compat),
	F(disk_super, feature_incompat),
	F(disk_super, root),
	F(disk_super, root_level),
	F(disk_super, nr_chunks),
	F(disk_super, chunk_blocks),
	F(disk_super, txn_seq),
	F(disk_super, next_ino),
	F(disk_super, journal_size),
	F(disk_super, journal_era),
	F(disk_super, journal_lsn),
	F(disk_super, journal_chain),
	F(disk_super, hash_seed),
	F(disk_super, counts),
	F(disk_super, bitmaps_checksum),
	F(disk_super, chunk_slots),
	F(disk_super, reserved),
	F(disk_super, devices),
	F(disk_super, chunks),
	F(disk_super, reserved1),
	F(disk_ref, daddr),
	F(disk_ref, epoch),
	F(disk_super_device, uuid),
	F(disk_super_device, size),
	F(disk_super_device, first_block),
	F(disk_super_device, end_block),
	F(disk_super_device, flags),
	F(disk_super_device, reserved),
	F(disk_super_counts, inodes),
	F(disk_super_counts, orphans),
	F(disk_super_counts, free_blocks),
	F(disk_super_counts, limbo_blocks),
	F(disk_super_counts, items),
	F(disk_super_counts, reserved),
	F(disk_block, checksum),
	F(disk_block, magic),
	F(disk_block, level),
	F(disk_block, nr),
	F(disk_block, daddr),
	F(disk_block, epoch),
	F(disk_block, volume_uuid),
	F(disk_block, heap),
	F(disk_block, frag),
	F(disk_block, reserved0),
	F(disk_block, reserved1),
	F(disk_leaf_slot, hi),
	F(disk_leaf_slot, lo),
	F(disk_leaf_slot, val_off),
	F(disk_leaf_slot, val_len),
	F(disk_node_slot, hi),
	F(disk_node_slot, lo),
	F(disk_node_slot, child),
	F(disk_bitmap, checksum),
	F(disk_bitmap, magic),
	F(disk_bitmap, chunk),
	F(disk_bitmap, epoch),
	F(disk_bitmap, nr_tree_blocks),
	F(disk_bitmap, nr_used),
	F(disk_bitmap, volume_uuid),
	F(disk_bitmap, daddr),
	F(disk_bitmap, reserved),
	F(disk_bitmap, bits),
	F(disk_bitmap, reserved1),
	F(disk_record, checksum),
	F(disk_record, magic),
	F(disk_record, size),
	F(disk_record, era),
	F(disk_record, lsn),
	F(disk_record, chain),
	F(disk_record, first_seq),
	F(disk_record, nr_txns),
	F(disk_record, used),
	F(disk_record, volume_uuid),
	F(disk_txn, len),
	F(disk_txn, nr),
	F(disk_change, hi),
	F(disk_change, lo),
	F(disk_change, len),
	F(disk_change, op),
	F(disk_change, reserved),
	F(disk_chunk_item, daddr),
	F(disk_free, len),
	F(disk_shared, len),
	F(disk_shared, refs),
	F(disk_extent, daddr),
	F(disk_extent, len),
	F(disk_extent, state),
	F(disk_extent, flags),
	F(disk_extent, reserved),
	F(disk_inode, mode),
	F(disk_inode, uid),
	F(disk_inode, gid),
	F(disk_inode, nlink),
	F(disk_inode, size),
	F(disk_inode, blocks),
	F(disk_inode, change),
	F(disk_inode, generation),
	F(disk_inode, atime),
	F(disk_inode, mtime),
	F(disk_inode, ctime),
	F(disk_inode, btime),
	F(disk_inode, parent),
	F(disk_inode, rdev_major),
	F(disk_inode, rdev_minor),
	F(disk_inode, flags),
	F(disk_inode, nr_xattrs),
	F(disk_inode, trim_from),
	F(disk_time, sec),
	F(disk_time, nsec),
	F(disk_dirent, ino),
	F(disk_dirent, type),
	F(disk_dirent, name_len),
	F(disk_xattr, value_len),
	F(disk_xattr, name_len),
	F(disk_xattr, reserved),
	F(record_server, boot),
	F(record_server, zero),
	F(record_client, verifier),
	F(record_client, create_seq),
	F(record_client, flags),
	F(record_client, exchange_flags),
	F(record_client, uid),
	F(record_client, gid),
	F(record_client, owner_len),
	F(record_client, impl_len),
	F(record_session, flags),
	F(record_session, cb_flags),
	F(record_session, cb_program),
	F(record_session, cb_uid),
	F(record_session, cb_gid),
	F(record_session, fore),
	F(record_session, back),
	F(record_channel, request_max),
	F(record_channel, response_max),
	F(record_channel, cached_max),
	F(record_channel, operations),
	F(record_channel, requests),
	F(record_slot, seqid),
	F(record_slot, nr_done),
	F(record_slot, digest),
	F(record_slot, len),
	F(record_slot, nr_parts),
	F(record_slot, flags),
	F(record_callback, seqid),
	F(record_callback, zero),
	F(record_open, ino),
	F(record_open, generation),
	F(record_open, seqid),
	F(record_open, revoked),
	F(record_open, access),
	F(record_open, deny),
	F(record_open, combos),
	F(record_open, exclusive),
	F(record_open, zero),
	F(record_open, verifier),
	F(record_locks, open),
	F(record_locks, seqid),
	F(record_locks, revoked),
	F(record_lock, holder),
	F(record_lock, first),
	F(record_lock, last),
	F(record_lock, write),
	F(record_lock, zero),
	F(record_deleg, ino),
	F(record_deleg, generation),
	F(record_deleg, change),
	F(record_deleg, revoked),
	F(record_deleg, write),
	F(record_deleg, zero),
	F(record_deleg, fh),
	F(record_layout, ino),
	F(record_layout, generation),
	F(record_layout, key),
	F(record_layout, seqid),
	F(record_layout, revoked),
	F(record_layout, nr_grants),
	F(record_layout, kind),
	F(record_layout, flags),
	F(record_layout, recall_time),
	F(record_layout, fh),
	F(disk_fence_key, key),
	F(disk_fence_key, since_ns),
	F(disk_fence_key, took_ns),
	F(disk_fence_key, tries),
	F(disk_fence_key, state),
	F(disk_fence_key, proof),
	F(disk_fence_key, undrained),
	F(disk_fence_key, held),
	F(record_copy, src),
	F(record_copy, dst),
	F(record_copy, len),
	F(record_copy, done),
	F(record_copy, written),
	F(record_copy, status),
	F(record_copy, finished),
	F(record_copy, zero),
	F(record_copy, fh),
#undef F
};

static const struct {
	const char *name;
	size_t size;
} structures[] = {
#define S(s)                                                                                                         \
	{                                                                                                            \
#s, sizeof(struct s)                                                                                 \
	}
	S(disk_label),	    S(disk_super),     S(disk_ref),	   S(disk_super_device), S(disk_super_counts),
	S(disk_block),	    S(disk_leaf_slot), S(disk_node_slot),  S(disk_bitmap),	 S(disk_record),
	S(disk_txn),	    S(disk_change),    S(disk_chunk_item), S(disk_free),	 S(disk_shared),
	S(disk_extent),	    S(disk_inode),     S(disk_time),	   S(disk_dirent),	 S(disk_xattr),
	S(record_server),   S(record_client),  S(record_session),  S(record_channel),	 S(record_slot),
	S(record_callback), S(record_open),    S(record_locks),	   S(record_lock),	 S(record_deleg),
	S(record_layout),   S(record_copy),    S(disk_fence_key),
#undef S
};

/* Sizes that the headings give. */
static size_t said[ARRAY_SIZE(structures)];

static FILE *document(void)
{
	static const char below[] = "tests/extent/test_format.c";
	char path[4096];
	size_t root = strlen(__FILE__) - strlen(below);
	FILE *in;

	assert_string_equal(&__FILE__[root], below);
	snprintf(path, sizeof(path), "%.*sdocs/format.md", (int)root, __FILE__);
	in = fopen(path, "r");
	if (!in)
		fail_msg("%s: %s", path, strerror(errno));
	return in;
}

static void read_heading(const char *line, char *structure)
{
	char name[32];
	size_t size;

	structure[0] = '\0';
	if (sscanf(line, "### struct %31[a-z_]: %zu bytes", name, &size) != 2)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(structures); i++) {
		if (strcmp(structures[i].name, name) == 0) {
			said[i] = size;
			memcpy(structure, name, sizeof(name));
			return;
		}
	}
	fail_msg("docs/format.md describes struct %s, which is not there", name);
}

static int read_document(void **state)
{
	FILE *in = document();
	char line[1024], structure[32] = "";

	while (fgets(line, sizeof(line), in)) {
		struct row row;

		if (line[0] == '#') {
			read_heading(line, structure);
		} else if (structure[0] &&
			   sscanf(line, "| %zu | %zu | `%31[a-z_0-9]` |", &row.off, &row.size, row.field) == 3) {
			assert_true(nr_rows < ROWS_MAX);
			memcpy(row.structure, structure, sizeof(structure));
			rows[nr_rows++] = row;
		}
	}
	fclose(in);
	return 0;
}

static void test_fields(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		const struct row *f = &fields[i], *r = rows;

		while (r < rows + nr_rows && (strcmp(r->structure, f->structure) || strcmp(r->field, f->field)))
			r++;
		if (r == rows + nr_rows)
			fail_msg("docs/format.md lacks %s.%s", f->structure, f->field);
		if (r->off != f->off || r->size != f->size)
			fail_msg("docs/format.md has %s.%s at %zu with %zu bytes, format.h at %zu with %zu",
				 f->structure, f->field, r->off, r->size, f->off, f->size);
	}
	assert_int_equal(nr_rows, ARRAY_SIZE(fields));
}

/* Rows without gaps up to the size: then the list of fields above lacks none either. */
static void test_structures(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(structures); i++) {
		size_t end = 0;

		for (size_t j = 0; j < nr_rows; j++) {
			if (strcmp(rows[j].structure, structures[i].name) != 0)
				continue;
			if (rows[j].off != end)
				fail_msg("docs/format.md leaves a gap before %s.%s", rows[j].structure,
					 rows[j].field);
			end += rows[j].size;
		}
		assert_int_equal(end, structures[i].size);
		assert_int_equal(said[i], structures[i].size);
	}
}

/* Whether the document has this text in one of its lines. */
static void assert_says(const char *text)
{
	FILE *in = document();
	char line[1024];
	bool found = false;

	while (!found && fgets(line, sizeof(line), in))
		found = strstr(line, text) != NULL;
	fclose(in);
	if (!found)
		fail_msg("docs/format.md does not say \"%s\"", text);
}

static void test_constants(void **state)
{
	char text[64];

	snprintf(text, sizeof(text), "| %u | [superblock]", SUPER_OFFSET(0));
	assert_says(text);
	snprintf(text, sizeof(text), "| %u | superblock slot 1", SUPER_OFFSET(1));
	assert_says(text);
	snprintf(text, sizeof(text), "| %u | [journal]", JOURNAL_OFFSET);
	assert_says(text);
	snprintf(text, sizeof(text), "on other devices %u", DATA_OFFSET_OTHERS);
	assert_says(text);
	snprintf(text, sizeof(text), "| devices of a volume | %u |", VOLUME_DEVICES_MAX);
	assert_says(text);
	snprintf(text, sizeof(text), "| metadata chunks | %u,", VOLUME_CHUNKS_MAX);
	assert_says(text);
	snprintf(text, sizeof(text), "| tree blocks in a chunk | %u |", CHUNK_TREE_BLOCKS_MAX);
	assert_says(text);
	snprintf(text, sizeof(text), "| levels of the tree above the leaves | %u |", BLOCK_LEVEL_MAX);
	assert_says(text);
	snprintf(text, sizeof(text), "| value of an item | %u bytes |", ITEM_VALUE_MAX);
	assert_says(text);
	snprintf(text, sizeof(text), "| record of the journal | %u MiB |", RECORD_SIZE_MAX >> 20);
	assert_says(text);
	snprintf(text, sizeof(text), "Format version %u.", FORMAT_VERSION);
	assert_says(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_structures),
		cmocka_unit_test(test_constants),
	};

	return cmocka_run_group_tests(tests, read_document, NULL);
}
