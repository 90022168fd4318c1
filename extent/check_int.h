/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LAMINA_EXTENT_CHECK_INT_H
#define LAMINA_EXTENT_CHECK_INT_H

/* What the files of the check share. */

#include "extent/check_run.h"
#include "extent/format.h"
#include "extent/txn.h"

struct check {
	struct fs *fs;
	const struct check_options *opt;
	struct check_result res;
	uint64_t memory;
	uint64_t done, total; /* progress */
};

void check_error(struct check *ck, const char *fmt, ...) PRINTF_FMT(2, 3);
void check_warning(struct check *ck, const char *fmt, ...) PRINTF_FMT(2, 3);
void check_advance(struct check *ck, uint64_t by);

/*
 * Call @fn for each item with @from <= key <= @last, in order; the item lies in memory of our own.  Stops at an
 * error, of @fn or of reading (reported).
 */
FIBER_FN int check_scan(struct check *ck, struct key from, struct key last,
			int (*fn)(struct check *ck, const struct item *item, void *arg), void *arg) MUST_CHECK;
/* Whether there is an item with this key.  Errors are reported. */
FIBER_FN int check_has(struct check *ck, struct key key, bool *ret_there) MUST_CHECK;

/* The passes.  Errors of reading are reported and returned. */
FIBER_FN int check_tree(struct check *ck) MUST_CHECK;
FIBER_FN int check_space(struct check *ck) MUST_CHECK;
FIBER_FN int check_names(struct check *ck) MUST_CHECK;

/* How often check_space() and check_names() go over all items. */
uint64_t check_space_passes(const struct check *ck);
uint64_t check_names_passes(const struct check *ck);

/* Whether these are allocatable blocks of one device. */
bool check_range_is_valid(const struct check *ck, uint64_t daddr, uint64_t len);

/* What is seen of one inode's items, in key order. */
struct check_inode {
	uint64_t ino;
	bool has_inode;
	struct disk_inode disk;
	uint64_t blocks;
	uint64_t entries, subdirs;
	uint64_t xattrs;
	uint64_t symlink_len;
	uint64_t data_end, cow_end; /* blocks: behind the last extent */
	uint64_t written_end;	    /* and behind the last written one */
};

/* Count @item in, which is @ci's, and check it by itself. */
FIBER_FN int check_inode_item(struct check *ck, struct check_inode *ci, const struct item *item) MUST_CHECK;
/* All of its items have been seen: what they say together. */
void check_inode_end(struct check *ck, const struct check_inode *ci);

#endif
