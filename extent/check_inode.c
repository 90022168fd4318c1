/* SPDX-License-Identifier: Apache-2.0 */
/* One inode and what hangs on it: items that fit its type, and sums that agree with what the inode says. */
#include <dirent.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "extent/check_int.h"
#include "extent/map.h"
#include "extent/namehash.h"
#include "extent/symlink.h"
#include "extent/xattr.h"

#define CHECK_RUNS	   16
#define CHECK_XATTR_PART   0xffu /* of the key: the part of the value */
#define CHECK_DIRENT_PLACE 8	 /* bits of the key below the hash */
#define CHECK_HASH_BITS	   48

struct check_behind {
	uint64_t ino, blk, nr;
	bool good;
};

/* Whether [blk, blk + nr) of the data map is written and shared. */
static int check_behind_body(struct txn *txn, void *arg)
{
	struct check_behind *b = arg;
	struct map_extent runs[CHECK_RUNS];
	uint64_t blk = b->blk, end = b->blk + b->nr;
	unsigned int nr;
	int err;

	b->good = true;
	while (blk < end && b->good) {
		err = map_read(txn, b->ino, MAP_DATA, blk, end - blk, CHECK_RUNS, runs, &nr);
		if (err)
			return err;
		for (unsigned int i = 0; i < nr; i++)
			b->good = b->good && runs[i].state == MAP_WRITTEN && runs[i].shared;
		blk = runs[nr - 1].blk + runs[nr - 1].nr;
	}
	return 0;
}

FIBER_FN static int check_cow(struct check *ck, uint64_t ino, uint64_t blk, uint64_t nr)
{
	struct check_behind b = { .ino = ino, .blk = blk, .nr = nr };
	int err;

	err = txn_read(ck->fs, check_behind_body, &b);
	if (err == -EUCLEAN) {
		b.good = true; /* its data map is bad, which is reported where that is */
		err = 0;
	}
	if (err)
		check_error(ck, "the map of inode %" PRIu64 " cannot be read: %s", ino, strerror(-err));
	else if (!b.good)
		check_error(ck,
			    "inode %" PRIu64 " reserves blocks for copy-on-write at file block %" PRIu64
			    ", where it has "
			    "nothing shared",
			    ino, blk);
	return err;
}

FIBER_FN static int check_extent(struct check *ck, struct check_inode *ci, const struct item *it)
{
	const struct disk_extent *disk = it->val;
	bool cow = key_type(it->key) == ITEM_COW;
	uint64_t blk = key_off(it->key), nr = le32_get(disk->len), *end = cow ? &ci->cow_end : &ci->data_end;

	ci->blocks += nr;
	if (blk >= MAP_BLK_MAX || nr > MAP_BLK_MAX - blk)
		check_error(ck, "inode %" PRIu64 " has an extent beyond the end of all files", ci->ino);
	else if (blk < *end)
		check_error(ck, "inode %" PRIu64 " has overlapping extents at file block %" PRIu64, ci->ino, blk);
	*end = max_u64(*end, blk + nr);
	if (disk->state == EXTENT_WRITTEN)
		ci->written_end = *end;
	if (cow ? disk->state != EXTENT_UNWRITTEN : disk->state == EXTENT_UNWRITTEN && disk->flags)
		check_error(ck, "inode %" PRIu64 " has an extent in an impossible state at file block %" PRIu64,
			    ci->ino, blk);
	return cow && blk < MAP_BLK_MAX && nr <= MAP_BLK_MAX - blk ? check_cow(ck, ci->ino, blk, nr) : 0;
}

struct check_hash {
	const char *name;
	size_t len;
	uint64_t hash;
};

static int check_hash_body(struct txn *txn, void *arg)
{
	struct check_hash *h = arg;

	h->hash = namehash(txn, h->name, h->len, CHECK_HASH_BITS);
	return 0;
}

FIBER_FN static int check_dirent(struct check *ck, struct check_inode *ci, const struct item *it)
{
	const struct disk_dirent *disk = it->val;
	struct check_hash h = { .name = (const char *)(disk + 1), .len = disk->name_len };
	int err;

	ci->entries++;
	ci->subdirs += disk->type == DT_DIR;
	err = txn_read(ck->fs, check_hash_body, &h);
	if (!err && h.hash != key_off(it->key) >> CHECK_DIRENT_PLACE)
		check_error(ck, "directory %" PRIu64 ": the name \"%.*s\" is not where a search looks for it",
			    ci->ino, (int)h.len, h.name);
	return err;
}

int check_inode_item(struct check *ck, struct check_inode *ci, const struct item *it)
{
	switch (key_type(it->key)) {
	case ITEM_INODE:
		memcpy(&ci->disk, it->val, sizeof(ci->disk));
		ci->has_inode = true;
		ck->res.inodes++;
		return 0;
	case ITEM_SYMLINK:
		ci->symlink_len += it->len;
		return 0;
	case ITEM_XATTR:
		ci->xattrs += (key_off(it->key) & CHECK_XATTR_PART) == 0;
		return 0;
	case ITEM_DIRENT:
		return check_dirent(ck, ci, it);
	case ITEM_EXTENT:
	case ITEM_COW:
		return check_extent(ck, ci, it);
	default:
		check_error(ck, "inode %" PRIu64 " has an item of unknown type %u", ci->ino, key_type(it->key));
		return 0;
	}
}

static void check_sum(struct check *ck, uint64_t ino, const char *what, uint64_t says, uint64_t is)
{
	if (says != is)
		check_error(ck, "inode %" PRIu64 " says %" PRIu64 " %s, but has %" PRIu64, ino, says, what, is);
}

/* What is taken apart loses attributes and target in steps, and its inode says until the last what there was. */
static void check_rest(struct check *ck, const struct check_inode *ci, const char *what, uint64_t says, uint64_t is)
{
	if (!(le32_get(ci->disk.flags) & INODE_REAPING) || is > says)
		check_sum(ck, ci->ino, what, says, is);
}

/* What would show when the file grows, though nobody has written it. */
static void check_behind_end(struct check *ck, const struct check_inode *ci)
{
	uint64_t size = le64_get(ci->disk.size);

	if (le64_get(ci->disk.trim_from) != INODE_NO_TRIM ||
	    (le32_get(ci->disk.flags) & (INODE_REAPING | INODE_DIRTY_BEHIND)))
		return;
	if (ci->written_end > (size >> DADDR_BLOCK_SHIFT) + ((size & (DADDR_BLOCK_SIZE - 1)) != 0))
		check_error(ck, "inode %" PRIu64 " has written blocks behind its end, and does not say so", ci->ino);
}

void check_inode_end(struct check *ck, const struct check_inode *ci)
{
	uint32_t mode = le32_get(ci->disk.mode), nlink = le32_get(ci->disk.nlink);

	if (!ci->has_inode) {
		check_error(ck, "there are items of inode %" PRIu64 ", but not the inode itself", ci->ino);
		return;
	}
	check_sum(ck, ci->ino, "blocks", le64_get(ci->disk.blocks), ci->blocks);
	check_rest(ck, ci, "extended attributes", le32_get(ci->disk.nr_xattrs), ci->xattrs);
	if (S_ISDIR(mode)) {
		check_sum(ck, ci->ino, "entries", le64_get(ci->disk.size), ci->entries);
		check_sum(ck, ci->ino, "links", nlink, nlink || ci->entries ? 2 + ci->subdirs : 0);
	} else if (ci->entries) {
		check_error(ck, "inode %" PRIu64 " has names in it, but is no directory", ci->ino);
	}
	if (S_ISLNK(mode))
		check_rest(ck, ci, "bytes of target", le64_get(ci->disk.size), ci->symlink_len);
	else if (ci->symlink_len)
		check_error(ck, "inode %" PRIu64 " has a target, but is no symbolic link", ci->ino);
	if (S_ISREG(mode))
		check_behind_end(ck, ci);
	else if (ci->blocks)
		check_error(ck, "inode %" PRIu64 " has blocks, but is no regular file", ci->ino);
}
